package planner

import (
	"strings"

	"github.com/weirdb/weir/internal/fn"
	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
	"github.com/weirdb/weir/sql/ast"
)

// likeOps are PostgreSQL's operators behind LIKE and its relatives.
var likeOps = map[ast.LikeKind][2]string{
	ast.LikePattern: {"~~", "!~~"},
	ast.ILike:       {"~~*", "!~~*"},
	ast.SimilarTo:   {"~", "!~"},
}

func (x *exprs) like(e *ast.Like) (plan.Expr, error) {
	l, err := x.bind(e.X)
	if err != nil {
		return nil, err
	}
	pat, err := x.bind(e.Pat)
	if err != nil {
		return nil, err
	}
	args := []plan.Expr{pat}
	if e.Esc != nil {
		esc, err := x.bind(e.Esc)
		if err != nil {
			return nil, err
		}
		args = append(args, esc)
	}
	switch {
	case e.Kind == ast.SimilarTo:
		pat, err = x.apply("similar_to_escape", args, e.Pos())
	case e.Esc != nil:
		pat, err = x.apply("like_escape", args, e.Pos())
	}
	if err != nil {
		return nil, err
	}
	if x.env.Dialect == ast.KSQL && e.Not { // NOT (x LIKE NULL) is true there
		c, err := x.apply(likeOps[e.Kind][0], []plan.Expr{l, pat}, e.Pos())
		if err != nil {
			return nil, err
		}
		return x.not(c, e.Pos())
	}
	op := likeOps[e.Kind][0]
	if e.Not {
		op = likeOps[e.Kind][1]
	}
	return x.apply(op, []plan.Expr{l, pat}, e.Pos())
}

func (x *exprs) quant(e *ast.Quant) (plan.Expr, error) {
	op := e.Op
	switch op {
	case "LIKE":
		op = "~~"
	case "NOT LIKE":
		op = "!~~"
	case "ILIKE":
		op = "~~*"
	case "NOT ILIKE":
		op = "!~~*"
	}
	kind := plan.Any
	if e.All {
		kind = plan.All
	}
	if e.Query != nil {
		return x.quantQuery(op, e.L, e.Query, kind, false, e.Pos())
	}
	return x.quantArray(op, e, kind)
}

// quantArray compares with each element: a subquery over unnest(array).
func (x *exprs) quantArray(op string, e *ast.Quant, kind plan.SubqueryKind) (plan.Expr, error) {
	l, err := x.bind(e.L)
	if err != nil {
		return nil, err
	}
	// The array is bound one level further in, where its columns are Outers.
	inner := &scope{outer: x.sc}
	sub := &exprs{binder: x.binder, sc: inner, clause: x.clause}
	arr, err := sub.bind(e.R)
	if err != nil {
		return nil, err
	}
	if arr.Type().Kind == vec.Unknown {
		elem := l.Type()
		if elem.Kind == vec.Unknown {
			elem = vec.Of(vec.Text)
		}
		if arr, err = x.coerce(arr, vec.ArrayOf(elem), fn.Implicit, e.R.Pos()); err != nil {
			return nil, err
		}
	}
	if arr.Type().Kind != vec.Array {
		return nil, pgerr.Newf(pgerr.WrongObjectType, "op ANY/ALL (array) requires array on right side").At(e.Pos())
	}
	tf, want, fields, err := fn.ResolveTable("unnest", x.env.FnDialect()|fn.Postgres, []vec.Type{arr.Type()})
	if err != nil {
		return nil, at(err, e.Pos())
	}
	if arr, err = x.coerce(arr, want[0], fn.Implicit, e.Pos()); err != nil {
		return nil, err
	}
	rows := &plan.Unnest{
		In:    &plan.Values{Rows: [][]plan.Expr{{}}},
		Funcs: []plan.TableCall{{Fn: tf, Args: []plan.Expr{arr}, Cols: []plan.Column{{Name: "unnest", Type: fields[0].Type}}}},
	}
	// A NULL array gives NULL, not the answer for no rows.
	cmp, err := x.quantOver(op, l, rows, kind, inner.correlated, e.Pos())
	if err != nil {
		return nil, err
	}
	outer, err := x.bind(e.R)
	if err != nil {
		return nil, err
	}
	if c, ok := outer.(*plan.Const); ok && c.Value != nil {
		return cmp, nil
	}
	if _, ok := outer.(*plan.Array); ok {
		return cmp, nil
	}
	return &plan.Case{Whens: []plan.When{{Cond: &plan.IsNull{X: outer, Not: true}, Then: cmp}}, T: vec.Of(vec.Bool)}, nil
}

// quantQuery is x op ANY (query) or ALL, and IN.
func (x *exprs) quantQuery(op string, lhs ast.Expr, q ast.Query, kind plan.SubqueryKind, not bool, pos int) (plan.Expr, error) {
	node, cols, correlated, err := x.subplan(q)
	if err != nil {
		return nil, err
	}
	var cmp plan.Expr
	if row, ok := lhs.(*ast.Row); ok {
		cmp, err = x.inQueryRows(op, row, node, cols, kind, correlated, pos)
	} else {
		if len(cols) != 1 {
			return nil, pgerr.Newf(pgerr.SyntaxError, "subquery has too many columns").At(pos)
		}
		var l plan.Expr
		if l, err = x.bind(lhs); err != nil {
			return nil, err
		}
		cmp, err = x.quantOver(op, l, node, kind, correlated, pos)
	}
	if err != nil || !not {
		return cmp, err
	}
	return x.not(cmp, pos)
}

// quantOver compares l with the only column of node, casting whichever side the
// operator wants cast.
func (x *exprs) quantOver(op string, l plan.Expr, node plan.Node, kind plan.SubqueryKind, correlated bool, pos int) (plan.Expr, error) {
	col := node.Columns()[0]
	right := col.Type
	f, want, _, err := fn.Resolve(op, x.env.FnDialect(), []vec.Type{l.Type(), right})
	if err != nil {
		return nil, at(err, pos)
	}
	if l, err = x.coerce(l, want[0], fn.Implicit, pos); err != nil {
		return nil, err
	}
	if !right.Equal(want[1]) {
		c, err := x.coerce(&plan.Col{Index: 0, Name: col.Name, T: right}, want[1], fn.Implicit, pos)
		if err != nil {
			return nil, err
		}
		node = &plan.Project{In: node, Exprs: []plan.Expr{c}, Names: []string{col.Name}}
	}
	return &plan.Subquery{Kind: kind, Plan: optimize(node), X: l, Op: f, T: vec.Of(vec.Bool), Correlated: correlated}, nil
}

// inQueryRows is (a, b) IN (SELECT c, d ...): EXISTS over the same rows with the
// comparison inside. NULLs on either side then count as no match.
func (x *exprs) inQueryRows(op string, row *ast.Row, node plan.Node, cols []plan.Column, kind plan.SubqueryKind, correlated bool, pos int) (plan.Expr, error) {
	if op != "=" || kind != plan.Any {
		return nil, pgerr.Newf(pgerr.FeatureNotSupported, "comparing a row with %s over a query is not supported", op).At(pos)
	}
	if len(cols) != len(row.Elems) {
		return nil, pgerr.Newf(pgerr.SyntaxError, "subquery has %d columns, the row has %d", len(cols), len(row.Elems)).At(pos)
	}
	inner := &exprs{binder: x.binder, sc: &scope{outer: x.sc}, clause: x.clause}
	var conds []plan.Expr
	for i, el := range row.Elems {
		l, err := inner.bind(el)
		if err != nil {
			return nil, err
		}
		c, err := x.apply("=", []plan.Expr{l, &plan.Col{Index: i, Name: cols[i].Name, T: cols[i].Type}}, pos)
		if err != nil {
			return nil, err
		}
		conds = append(conds, c)
	}
	return &plan.Subquery{
		Kind: plan.Exists, Plan: optimize(&plan.Filter{In: node, Cond: plan.And(conds...)}),
		T: vec.Of(vec.Bool), Correlated: correlated || inner.sc.correlated,
	}, nil
}

func (x *exprs) subquery(q ast.Query, kind plan.SubqueryKind, pos int) (plan.Expr, error) {
	node, cols, correlated, err := x.subplan(q)
	if err != nil {
		return nil, err
	}
	t := vec.Of(vec.Bool)
	if kind != plan.Exists {
		if len(cols) != 1 {
			return nil, pgerr.Newf(pgerr.SyntaxError, "subquery must return only one column").At(pos)
		}
		if t = cols[0].Type; kind == plan.ArrayOf {
			t = vec.ArrayOf(t)
		}
	}
	return &plan.Subquery{Kind: kind, Plan: optimize(node), T: t, Correlated: correlated}, nil
}

func (x *exprs) subplan(q ast.Query) (plan.Node, []plan.Column, bool, error) {
	if len(x.lambdas) > 0 {
		return nil, nil, false, pgerr.Newf(pgerr.FeatureNotSupported, "a subquery inside a lambda is not supported").At(q.Pos())
	}
	if x.stream {
		return nil, nil, false, pgerr.Newf(pgerr.FeatureNotSupported, "subqueries in expressions of a continuous query are not supported yet").At(q.Pos())
	}
	inner := &scope{outer: x.sc}
	node, err := x.query(q, inner)
	if err != nil {
		return nil, nil, false, err
	}
	return node, node.Columns(), inner.correlated, nil
}

func (x *exprs) caseOf(e *ast.Case) (plan.Expr, error) {
	out := &plan.Case{}
	var results []plan.Expr
	var places []int
	var subject plan.Expr
	if e.X != nil {
		var err error
		if subject, err = x.bind(e.X); err != nil {
			return nil, err
		}
	}
	for _, w := range e.Whens {
		cond, err := x.bind(w.Cond)
		if err != nil {
			return nil, err
		}
		if subject != nil {
			cond, err = x.apply("=", []plan.Expr{subject, cond}, w.Cond.Pos())
		} else if k := cond.Type().Kind; k != vec.Bool && k != vec.Unknown {
			err = pgerr.Newf(pgerr.DatatypeMismatch, "argument of CASE/WHEN must be type boolean, not type %s", x.typeName(cond.Type())).At(w.Cond.Pos())
		} else {
			cond, err = x.coerce(cond, vec.Of(vec.Bool), fn.Implicit, w.Cond.Pos())
		}
		if err != nil {
			return nil, err
		}
		then, err := x.bind(w.Then)
		if err != nil {
			return nil, err
		}
		out.Whens = append(out.Whens, plan.When{Cond: cond})
		results, places = append(results, then), append(places, w.Then.Pos())
	}
	if e.Else != nil {
		els, err := x.bind(e.Else)
		if err != nil {
			return nil, err
		}
		results, places = append(results, els), append(places, e.Else.Pos())
	}
	if x.env.Dialect == ast.KSQL && allNull(results) {
		return nil, pgerr.Newf(pgerr.DatatypeMismatch, "Invalid Case expression. All case branches have NULL type").At(e.Pos())
	}
	results, t, err := x.unify(results, places, "CASE")
	if err != nil {
		return nil, err
	}
	out.T = t
	for i := range out.Whens {
		out.Whens[i].Then = results[i]
	}
	if e.Else != nil {
		out.Else = results[len(results)-1]
	}
	return out, nil
}

// unify casts all expressions to the type that they have in common (PostgreSQL
// 10.5); unknown literals alone are text.
func (x *exprs) unify(es []plan.Expr, places []int, what string) ([]plan.Expr, vec.Type, error) {
	types := make([]vec.Type, len(es))
	for i, e := range es {
		types[i] = e.Type()
	}
	t, err := fn.CommonType(x.env.FnDialect(), what, types)
	if x.env.Dialect == ast.KSQL {
		if literal, lt, ok := x.unifyLiterals(es); ok {
			es, t, err = literal, lt, nil
		}
	}
	if err != nil {
		return nil, t, at(err, misfit(types, places))
	}
	out := make([]plan.Expr, len(es))
	for i, e := range es {
		if out[i], err = x.coerce(e, t, fn.Implicit, places[i]); err != nil {
			return nil, t, err
		}
	}
	return out, t, nil
}

// misfit is the place of the first expression whose type is not that of the first
// that has one: what an error about them points at.
func misfit(types []vec.Type, places []int) int {
	first := types[0]
	for i, t := range types {
		switch {
		case first.Kind == vec.Unknown:
			first = t
		case t.Kind != vec.Unknown && !t.Equal(first):
			return places[i]
		}
	}
	return places[0]
}

func castable(from, to vec.Type, d fn.Dialect) bool {
	_, ok := fn.Cast(from, to, d, fn.Implicit)
	return ok
}

func (x *exprs) cast(e *ast.Cast) (plan.Expr, error) {
	t, err := x.typeOf(e.T)
	if err != nil {
		return nil, err
	}
	// ARRAY[]::int[] and ARRAY['1']::int[] take their element type from the cast.
	if a, ok := e.X.(*ast.Array); ok && t.Kind == vec.Array {
		return x.arrayAs(a, t)
	}
	return x.bindAs(e.X, t, fn.Explicit)
}

func (x *exprs) array(e *ast.Array) (plan.Expr, error) {
	if len(e.Elems) == 0 {
		return nil, pgerr.Newf(pgerr.IndeterminateDatatype, "cannot determine type of empty array").At(e.Pos()).
			Hintf("Explicitly cast to the desired type, for example ARRAY[]::integer[].")
	}
	elems, err := x.bindAll(e.Elems)
	if err != nil {
		return nil, err
	}
	elems, t, err := x.unify(elems, positions(e.Elems), "ARRAY")
	if err != nil {
		return nil, err
	}
	return &plan.Array{Args: elems, T: vec.ArrayOf(t)}, nil
}

func (x *exprs) arrayAs(e *ast.Array, t vec.Type) (plan.Expr, error) {
	out := &plan.Array{T: t}
	for _, el := range e.Elems {
		var b plan.Expr
		var err error
		if in, ok := el.(*ast.Array); ok && t.Elem.Kind == vec.Array {
			b, err = x.arrayAs(in, *t.Elem)
		} else if in, ok := el.(*ast.Array); ok { // int[] has any number of dimensions
			b, err = x.arrayAs(in, t)
			out.T = vec.ArrayOf(t)
		} else {
			b, err = x.bindAs(el, *t.Elem, fn.Explicit)
		}
		if err != nil {
			return nil, err
		}
		out.Args = append(out.Args, b)
	}
	return out, nil
}

func positions[E ast.Node](es []E) []int {
	out := make([]int, len(es))
	for i, e := range es {
		out[i] = e.Pos()
	}
	return out
}

func (x *exprs) mapLit(e *ast.MapLit) (plan.Expr, error) {
	keys, err := x.bindAll(e.Keys)
	if err != nil {
		return nil, err
	}
	vals, err := x.bindAll(e.Vals)
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, pgerr.Newf(pgerr.IndeterminateDatatype, "Map constructor cannot be empty").At(e.Pos())
	}
	if x.env.Dialect == ast.KSQL {
		switch {
		case allNull(keys):
			return nil, pgerr.Newf(pgerr.IndeterminateDatatype, "Cannot construct a map with all NULL keys").At(e.Pos())
		case allNull(vals):
			return nil, pgerr.Newf(pgerr.IndeterminateDatatype, "Cannot construct a map with all NULL values").At(e.Pos())
		}
	}
	keys, kt, err := x.unify(keys, positions(e.Keys), "MAP key")
	if err != nil {
		return nil, err
	}
	vals, vt, err := x.unify(vals, positions(e.Vals), "MAP value")
	if err != nil {
		return nil, err
	}
	return &plan.MapOf{Keys: keys, Values: vals, T: vec.MapOf(kt, vt)}, nil
}

func (x *exprs) structLit(e *ast.StructLit) (plan.Expr, error) {
	out := &plan.Struct{T: vec.Type{Kind: vec.Struct}}
	for i, v := range e.Vals {
		b, err := x.bind(v)
		if err == nil {
			b, err = x.known(b, v.Pos())
		}
		if err != nil {
			return nil, err
		}
		for _, f := range out.T.Fields {
			if f.Name == e.Names[i].S {
				return nil, pgerr.Newf(pgerr.DuplicateColumn, "Duplicate field names found in STRUCT: '%s'", f.Name).At(e.Pos())
			}
		}
		out.Args = append(out.Args, b)
		out.T.Fields = append(out.T.Fields, vec.Field{Name: e.Names[i].S, Type: b.Type()})
	}
	return out, nil
}

// known gives an untyped literal the type text.
func (x *exprs) known(e plan.Expr, pos int) (plan.Expr, error) {
	if e.Type().Kind == vec.Unknown {
		return x.coerce(e, vec.Of(vec.Text), fn.Implicit, pos)
	}
	return e, nil
}

func (x *exprs) row(e *ast.Row) (plan.Expr, error) {
	out := &plan.Struct{T: vec.Type{Kind: vec.Struct}}
	for i, el := range e.Elems {
		b, err := x.bind(el)
		if err == nil {
			b, err = x.known(b, el.Pos())
		}
		if err != nil {
			return nil, err
		}
		out.Args = append(out.Args, b)
		out.T.Fields = append(out.T.Fields, vec.Field{Name: "f" + itoa(i+1), Type: b.Type()})
	}
	return out, nil
}

func (x *exprs) index(e *ast.Index) (plan.Expr, error) {
	base, err := x.bind(e.X)
	if err != nil {
		return nil, err
	}
	switch base.Type().Kind {
	case vec.Array, vec.Map, vec.JSONB:
		i, err := x.bind(e.I)
		if err == nil && base.Type().Kind == vec.Map { // 'k' is of the type that the keys have
			i, err = x.coerce(i, *base.Type().Key, fn.Implicit, e.I.Pos())
		}
		if err != nil {
			return nil, err
		}
		return x.apply("[]", []plan.Expr{base, i}, e.Pos())
	}
	return nil, pgerr.Newf(pgerr.DatatypeMismatch, "cannot subscript type %s because it does not support subscripting", x.typeName(base.Type())).At(e.Pos())
}

func (x *exprs) slice(e *ast.Slice) (plan.Expr, error) {
	base, err := x.bind(e.X)
	if err != nil {
		return nil, err
	}
	args := []plan.Expr{base, &plan.Const{T: vec.Of(vec.Int32)}, &plan.Const{T: vec.Of(vec.Int32)}}
	for i, b := range []ast.Expr{e.Lo, e.Hi} {
		if b == nil {
			continue
		}
		if args[i+1], err = x.bindAs(b, vec.Of(vec.Int32), fn.Assignment); err != nil {
			return nil, err
		}
	}
	return x.apply("[:]", args, e.Pos())
}

func (x *exprs) field(e *ast.Field) (plan.Expr, error) {
	if e.Star {
		return nil, pgerr.Newf(pgerr.FeatureNotSupported, "row expansion via \"*\" is not supported here").At(e.Pos())
	}
	// s->f on JSON is JSON's operator.
	base, err := x.bind(e.X)
	if err != nil {
		return nil, err
	}
	if k := base.Type().Kind; k == vec.JSON || k == vec.JSONB {
		f, err := x.column(&ast.Column{P: e.P, Parts: []ast.Name{e.Name}})
		if err != nil {
			return nil, err
		}
		return x.apply("->", []plan.Expr{base, f}, e.Pos())
	}
	return fieldOf(base, e.Name.S, e.Pos())
}

func fieldOf(base plan.Expr, name string, pos int) (plan.Expr, error) {
	t := base.Type()
	if t.Kind != vec.Struct {
		return nil, pgerr.Newf(pgerr.WrongObjectType, "column notation .%s applied to type %s, which is not a composite type", name, t).At(pos)
	}
	for _, same := range []func(a, b string) bool{func(a, b string) bool { return a == b }, strings.EqualFold} {
		for i, f := range t.Fields {
			if same(f.Name, name) {
				return &plan.FieldOf{X: base, Index: i, T: f.Type}, nil
			}
		}
	}
	return nil, pgerr.Newf(pgerr.UndefinedColumn, "column %q not found in data type %s", name, t).At(pos)
}

// collate accepts the collations that compare bytewise, which is how Weir
// compares text.
func (x *exprs) collate(e *ast.Collate) (plan.Expr, error) {
	switch name := e.Name[len(e.Name)-1].S; name {
	case "C", "POSIX", "default", "ucs_basic":
		return x.bind(e.X)
	default:
		return nil, pgerr.Newf(pgerr.UndefinedObject, "collation %q for encoding \"UTF8\" does not exist", name).At(e.Pos())
	}
}

// regclass looks a relation up by the text 'name' or 'schema.name'.
func (x *exprs) regclass(s string, pos int) (plan.Expr, error) {
	t := vec.Type{Kind: vec.OID, OID: vec.OIDRegclass}
	schema, name, dotted := strings.Cut(strings.ReplaceAll(s, `"`, ""), ".")
	if !dotted {
		schema, name = "", schema
	}
	f, want, _, err := fn.Resolve("to_regclass", fn.Postgres, []vec.Type{vec.Of(vec.Text)})
	if err != nil {
		return nil, at(err, pos)
	}
	if r, ok := x.env.Catalog.RelationIn(schema, name); ok {
		return &plan.Const{Value: int64(r.OID()), T: t}, nil
	}
	if x.env.System != nil {
		if where, _, ok := x.env.System(schema, name); ok {
			lit := &plan.Const{Value: where + "." + name, T: want[0]}
			return &plan.Call{Fn: f, Args: []plan.Expr{lit}, T: t, Pos: pos}, nil
		}
	}
	if n, err := vec.Parse(vec.Of(vec.OID), s, nil); err == nil {
		return &plan.Const{Value: n, T: t}, nil
	}
	return nil, pgerr.Newf(pgerr.UndefinedTable, "relation %q does not exist", s).At(pos)
}
