package planner

import (
	"errors"
	"strconv"
	"strings"

	"github.com/cockroachdb/apd/v3"
	"github.com/weirdb/weir/internal/fn"
	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
	"github.com/weirdb/weir/sql/ast"
)

// A binder binds the queries of one statement.
type binder struct {
	env  *Env
	ctes []map[string]*cte // innermost last
	// depth of the query being bound, to move Outers of CTEs.
	depth int
	// stream is set while a continuous query is bound: tables are changes.
	stream bool
	// push is set while a push query is bound: one task sees all rows.
	push bool
	// sink is the target of the query being bound, until its SELECT takes it.
	sink *sink
	// onScan is told of every relation that is read.
	onScan func(*plan.Scan)
}

// An exprs binds the expressions of one clause over one row.
type exprs struct {
	*binder
	sc *scope
	// clause is the name for messages: WHERE, GROUP BY, ...
	clause string
	// collect takes the aggregates, window functions and set-returning
	// functions that are met; nil where they are not allowed.
	collect *collected
	lambdas [][]lambdaParam
	windows []ast.Window // of the WINDOW clause
	inAgg   bool
}

type lambdaParam struct {
	name string
	t    vec.Type
}

// collected holds what a SELECT's expressions ask for beyond scalar functions.
// In the expressions, a placeholder column stands for each: aggBase+i, ....
type collected struct {
	aggs    []plan.AggCall
	windows []plan.WindowCall
	tables  []plan.TableCall
	// grouping holds the arguments of each GROUPING(...).
	grouping [][]plan.Expr
	// ungrouped holds the position of each column reference, for errors.
	pos map[*plan.Col]int
}

// Placeholders are columns beyond any real one.
const (
	aggBase    = 1 << 20
	windowBase = 2 << 20
	tableBase  = 3 << 20
	// A GROUPING(...) stands for a column of the grouped row.
	groupingBase = 4 << 20
	boundBase    = 5 << 20 // start and end of the WINDOW clause
)

func (x *exprs) bindAll(es []ast.Expr) ([]plan.Expr, error) {
	out := make([]plan.Expr, len(es))
	for i, e := range es {
		var err error
		if out[i], err = x.bind(e); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// bindAs binds e and casts it to t where assignment allows it.
func (x *exprs) bindAs(e ast.Expr, t vec.Type, how fn.CastContext) (plan.Expr, error) {
	b, err := x.bind(e)
	if err != nil {
		return nil, err
	}
	return x.coerce(b, t, how, e.Pos())
}

// condition binds e, which has to be boolean.
func (x *exprs) condition(e ast.Expr) (plan.Expr, error) {
	b, err := x.bind(e)
	if err != nil {
		return nil, err
	}
	if k := b.Type().Kind; k != vec.Bool && k != vec.Unknown {
		return nil, pgerr.Newf(pgerr.DatatypeMismatch, "argument of %s must be type boolean, not type %s", x.clause, b.Type()).At(e.Pos())
	}
	return x.coerce(b, vec.Of(vec.Bool), fn.Implicit, e.Pos())
}

func (x *exprs) bind(e ast.Expr) (plan.Expr, error) {
	switch e := e.(type) {
	case *ast.Column:
		return x.column(e)
	case *ast.Number:
		return number(e, x.env.Dialect)
	case *ast.String:
		return &plan.Const{Value: e.V, T: vec.Of(vec.Unknown)}, nil
	case *ast.Bool:
		return &plan.Const{Value: e.V, T: vec.Of(vec.Bool)}, nil
	case *ast.Null:
		return &plan.Const{T: vec.Of(vec.Unknown)}, nil
	case *ast.Param:
		return x.param(e)
	case *ast.Typed:
		return x.typed(e)
	case *ast.Unary:
		return x.unary(e)
	case *ast.Binary:
		return x.binary(e)
	case *ast.Is:
		return x.is(e)
	case *ast.Between:
		return x.between(e)
	case *ast.In:
		return x.in(e)
	case *ast.Like:
		return x.like(e)
	case *ast.Quant:
		return x.quant(e)
	case *ast.Case:
		return x.caseOf(e)
	case *ast.Cast:
		return x.cast(e)
	case *ast.Call:
		return x.call(e)
	case *ast.Array:
		return x.array(e)
	case *ast.ArrayQ:
		return x.subquery(e.Query, plan.ArrayOf, e.Pos())
	case *ast.MapLit:
		return x.mapLit(e)
	case *ast.StructLit:
		return x.structLit(e)
	case *ast.Row:
		return x.row(e)
	case *ast.Index:
		return x.index(e)
	case *ast.Slice:
		return x.slice(e)
	case *ast.Field:
		return x.field(e)
	case *ast.AtZone:
		return x.operator("timezone", e.Pos(), e.Zone, e.X)
	case *ast.Collate:
		return x.collate(e)
	case *ast.Sub:
		kind := plan.Scalar
		if e.Exists {
			kind = plan.Exists
		}
		return x.subquery(e.Query, kind, e.Pos())
	case *ast.Star:
		return nil, pgerr.Newf(pgerr.SyntaxError, "* is not allowed here").At(e.Pos())
	case *ast.Lambda:
		return nil, pgerr.Newf(pgerr.SyntaxError, "a lambda is allowed only as an argument of a function that takes one").At(e.Pos())
	case *ast.Default:
		return nil, pgerr.Newf(pgerr.SyntaxError, "DEFAULT is not allowed in this context").At(e.Pos())
	}
	return nil, pgerr.Newf(pgerr.FeatureNotSupported, "this kind of expression (%T) is not supported", e).At(e.Pos())
}

func (x *exprs) column(e *ast.Column) (plan.Expr, error) {
	if len(e.Parts) == 1 {
		for i := len(x.lambdas) - 1; i >= 0; i-- {
			for j, p := range x.lambdas[i] {
				if strings.EqualFold(p.name, e.Parts[0].S) {
					return &plan.LambdaParam{Level: len(x.lambdas) - 1 - i, Index: j, Name: p.name, T: p.t}, nil
				}
			}
		}
	}
	c, level, err := x.sc.lookup(e.Parts, e.Pos())
	if err != nil {
		// a.b may also be field b of column a.
		if len(e.Parts) == 2 {
			if base, lvl, err2 := x.sc.lookup(e.Parts[:1], e.Pos()); err2 == nil && base.t.Kind == vec.Struct {
				return fieldOf(base.expr(lvl), e.Parts[1].S, e.Pos())
			}
		}
		return nil, x.unresolved(e, err)
	}
	out := c.expr(level)
	if col, ok := out.(*plan.Col); ok && x.collect != nil && !x.inAgg {
		x.collect.pos[col] = e.Pos()
	}
	return out, nil
}

// unresolved gives the error for an unknown column ksqlDB's words.
func (x *exprs) unresolved(e *ast.Column, err error) error {
	pe, ok := errors.AsType[*pgerr.Error](err)
	if !ok || x.env.Dialect != ast.KSQL {
		return err
	}
	switch text, _ := exprText(e, ast.KSQL); pe.Code {
	case pgerr.UndefinedColumn:
		pe.Msg = x.clause + " column '" + text + "' cannot be resolved."
	case pgerr.UndefinedTable:
		pe.Msg = "'" + e.Parts[0].S + "' is not a valid stream/table name or alias."
	}
	return pe
}

func number(e *ast.Number, d ast.Dialect) (plan.Expr, error) {
	text := strings.ReplaceAll(e.Text, "_", "")
	if len(text) > 2 && text[0] == '0' && strings.ContainsAny(text[1:2], "xXoObB") {
		n, err := strconv.ParseInt(text, 0, 64)
		if err != nil {
			return nil, pgerr.Newf(pgerr.NumericOutOfRange, "value %q is out of range for type bigint", e.Text).At(e.Pos())
		}
		return intConst(n), nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return intConst(n), nil
	}
	if d == ast.KSQL && strings.ContainsAny(text, "eE") {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, pgerr.Newf(pgerr.NumericOutOfRange, "Number overflows DOUBLE: %s", e.Text).At(e.Pos())
		}
		return &plan.Const{Value: f, T: vec.Of(vec.Float64)}, nil
	}
	if d == ast.KSQL && !strings.Contains(text, ".") {
		return nil, pgerr.Newf(pgerr.NumericOutOfRange, "Invalid numeric literal: %s", e.Text).At(e.Pos())
	}
	dec, _, err := apd.NewFromString(text)
	if err != nil {
		return nil, pgerr.Newf(pgerr.SyntaxError, "invalid number %q", e.Text).At(e.Pos())
	}
	if dec.Exponent > 0 { // 1e3 is written 1000
		dec.Coeff.Mul(&dec.Coeff, new(apd.BigInt).Exp(apd.NewBigInt(10), apd.NewBigInt(int64(min(dec.Exponent, 131072))), nil))
		dec.Exponent = 0
	}
	t := vec.Of(vec.Decimal)
	if d == ast.KSQL {
		t = literalDecimal(text)
	}
	return &plan.Const{Value: dec, T: t}, nil
}

// literalDecimal gives a decimal literal its type by its digits, as ksqlDB does.
func literalDecimal(text string) vec.Type {
	whole, frac, _ := strings.Cut(text, ".")
	whole = strings.TrimLeft(whole, "0")
	s := int32(len(frac))
	p := int32(len(whole)) + s
	if len(whole) == 0 {
		p = s + 1
	}
	return vec.DecimalOf(max(p, 1), s)
}

func intConst(n int64) plan.Expr {
	t := vec.Of(vec.Int64)
	if n == int64(int32(n)) {
		t = vec.Of(vec.Int32)
	}
	return &plan.Const{Value: n, T: t}
}

// maxParams is what the protocol's 16-bit counts can name.
const maxParams = 65535

func (x *exprs) param(e *ast.Param) (plan.Expr, error) {
	if e.N < 1 || e.N > maxParams {
		return nil, pgerr.Newf(pgerr.UndefinedParameter, "there is no parameter $%d", e.N).At(e.Pos())
	}
	for len(x.env.Params) < e.N {
		x.env.Params = append(x.env.Params, vec.Type{})
	}
	return &plan.Param{N: e.N, T: x.env.Params[e.N-1]}, nil
}

func (x *exprs) typed(e *ast.Typed) (plan.Expr, error) {
	t, err := x.typeOf(e.Type)
	if err != nil {
		return nil, err
	}
	v := e.V
	if t.Kind == vec.Interval && e.Unit != "" {
		v = intervalWithUnit(v, e.Unit)
	}
	return x.literal(v, t, e.Pos())
}

// intervalWithUnit gives a bare number the unit after the literal: INTERVAL '1' DAY.
func intervalWithUnit(v, unit string) string {
	if _, err := strconv.ParseFloat(strings.TrimSpace(v), 64); err != nil {
		return v
	}
	if i := strings.LastIndex(unit, " TO "); i >= 0 {
		unit = unit[i+4:]
	}
	return v + " " + unit
}

// literal reads a string constant as type t.
func (x *exprs) literal(s string, t vec.Type, pos int) (plan.Expr, error) {
	if t.OID == vec.OIDRegclass {
		return x.regclass(s, pos)
	}
	v, err := vec.Parse(t, s, x.env.Text)
	if err != nil {
		if pe, ok := errors.AsType[*pgerr.Error](err); ok {
			return nil, pe.At(pos)
		}
		return nil, err
	}
	return &plan.Const{Value: v, T: t}, nil
}

// coerce casts e to type to.
func (x *exprs) coerce(e plan.Expr, to vec.Type, how fn.CastContext, pos int) (plan.Expr, error) {
	from := e.Type()
	if from.Kind == vec.Unknown {
		switch c := e.(type) {
		case *plan.Const:
			if c.Value == nil {
				return &plan.Const{T: to}, nil
			}
			if to.Kind == vec.Unknown {
				return e, nil
			}
			return x.literal(c.Value.(string), to, pos)
		case *plan.Param:
			if x.env.Params[c.N-1].Kind == vec.Unknown {
				x.env.Params[c.N-1] = to
			}
			if t := x.env.Params[c.N-1]; !t.Equal(to) {
				return x.coerce(&plan.Param{N: c.N, T: t}, to, fn.Explicit, pos)
			}
			return &plan.Param{N: c.N, T: to}, nil
		}
	}
	if from.Equal(to) {
		return e, nil
	}
	if from.Kind == to.Kind && to.Precision == 0 && !isNested(to.Kind) {
		return retyped(e, to), nil
	}
	f, ok := fn.Cast(from, to, x.env.FnDialect(), how)
	if !ok {
		if how == fn.Explicit {
			return nil, pgerr.Newf(pgerr.CannotCoerce, "cannot cast type %s to %s", x.typeName(from), x.typeName(to)).At(pos)
		}
		return nil, pgerr.Newf(pgerr.DatatypeMismatch, "expression is of type %s, but %s is wanted", x.typeName(from), x.typeName(to)).At(pos).
			Hintf("You will need to rewrite or cast the expression.")
	}
	return &plan.Call{Fn: f, Args: []plan.Expr{e}, T: to, Pos: pos}, nil
}

func isNested(k vec.Kind) bool { return k == vec.Array || k == vec.Map || k == vec.Struct }

// retyped gives e another type of the same kind (varchar to text): its values
// stay as they are.
func retyped(e plan.Expr, t vec.Type) plan.Expr {
	switch e := e.(type) {
	case *plan.Const:
		return &plan.Const{Value: e.Value, T: t}
	case *plan.Col:
		return &plan.Col{Index: e.Index, Name: e.Name, T: t}
	case *plan.Call:
		c := *e
		c.T = t
		return &c
	}
	return &plan.Coalesce{Args: []plan.Expr{e}, T: t}
}

func (x *exprs) typeName(t vec.Type) string {
	if x.env.Dialect == ast.KSQL {
		return t.KSQL()
	}
	return t.String()
}

// apply resolves a function or operator over bound arguments.
func (x *exprs) apply(name string, args []plan.Expr, pos int) (plan.Expr, error) {
	types := make([]vec.Type, len(args))
	for i, a := range args {
		types[i] = a.Type()
	}
	f, want, t, err := fn.Resolve(name, x.env.FnDialect(), types)
	if err != nil {
		return nil, at(err, pos)
	}
	return x.callOf(f, args, want, t, pos)
}

func (x *exprs) callOf(f *fn.Func, args []plan.Expr, want []vec.Type, t vec.Type, pos int) (plan.Expr, error) {
	out := make([]plan.Expr, len(args))
	for i, a := range args {
		var err error
		if _, isLambda := a.(*plan.Lambda); isLambda {
			out[i] = a
		} else if out[i], err = x.coerce(a, want[i], fn.Implicit, pos); err != nil {
			return nil, err
		}
	}
	return &plan.Call{Fn: f, Args: out, T: t, Pos: pos}, nil
}

// at gives an error the place it belongs to, unless it has one.
func at(err error, pos int) error {
	if pe, ok := errors.AsType[*pgerr.Error](err); ok && pe.Pos == 0 {
		return pe.At(pos)
	}
	return err
}

func (x *exprs) operator(name string, pos int, args ...ast.Expr) (plan.Expr, error) {
	bound, err := x.bindAll(args)
	if err != nil {
		return nil, err
	}
	return x.apply(name, bound, pos)
}

func (x *exprs) unary(e *ast.Unary) (plan.Expr, error) {
	switch e.Op {
	case "NOT":
		c, err := x.bind(e.X)
		if err != nil {
			return nil, err
		}
		if k := c.Type().Kind; k != vec.Bool && k != vec.Unknown {
			return nil, pgerr.Newf(pgerr.DatatypeMismatch, "argument of NOT must be type boolean, not type %s", x.typeName(c.Type())).At(e.X.Pos())
		}
		if c, err = x.coerce(c, vec.Of(vec.Bool), fn.Implicit, e.Pos()); err != nil {
			return nil, err
		}
		return x.not(c, e.Pos())
	case "-", "+":
		// A sign belongs to its number: -9223372036854775808 is a bigint.
		if n, ok := e.X.(*ast.Number); ok && e.Op == "-" {
			return number(&ast.Number{P: e.P, Text: "-" + n.Text}, x.env.Dialect)
		}
	}
	return x.operator(e.Op, e.Pos(), e.X)
}

func (x *exprs) not(c plan.Expr, pos int) (plan.Expr, error) {
	return x.apply("not", []plan.Expr{c}, pos)
}

func (x *exprs) binary(e *ast.Binary) (plan.Expr, error) {
	switch e.Op {
	case "AND", "OR":
		return x.logic(e)
	case "IS DISTINCT FROM", "IS NOT DISTINCT FROM":
		return x.distinct(e)
	}
	l, lrow := e.L.(*ast.Row)
	r, rrow := e.R.(*ast.Row)
	if lrow && rrow {
		return x.rowCompare(e.Op, l, r, e.Pos())
	}
	if x.env.Dialect == ast.KSQL && isComparison(e.Op) && (isNull(e.L) || isNull(e.R)) {
		return nil, pgerr.Newf(pgerr.DatatypeMismatch, "Comparison with NULL not supported").At(e.Pos()).
			Hintf("Use IS NULL or IS NOT NULL.")
	}
	lhs, rhs := e.L, e.R
	if isComparison(e.Op) {
		var err error
		if rhs, err = x.timeText(e.L, e.R); err != nil {
			return nil, err
		}
		if lhs, err = x.timeText(e.R, e.L); err != nil {
			return nil, err
		}
	}
	bound, err := x.bindAll([]ast.Expr{lhs, rhs})
	if err != nil {
		return nil, err
	}
	switch {
	case isComparison(e.Op):
		return x.compare(e.Op, bound[0], bound[1], e.L, e.R, e.Pos())
	case x.env.Dialect == ast.KSQL && isArithmetic(e.Op) && (isNull(e.L) || isNull(e.R)):
		return nil, pgerr.Newf(pgerr.DatatypeMismatch, "Error processing expression: %s. Unsupported arithmetic types. %s %s",
			words(e), operandType(bound[0]), operandType(bound[1])).At(e.Pos())
	}
	return x.apply(e.Op, bound, e.Pos())
}

func isNull(e ast.Expr) bool { _, ok := e.(*ast.Null); return ok }

// logic binds a chain of one connective without recursing down its left spine.
func (x *exprs) logic(e *ast.Binary) (plan.Expr, error) {
	var operands []ast.Expr
	var l ast.Expr = e
	for {
		b, ok := l.(*ast.Binary)
		if !ok || b.Op != e.Op {
			break
		}
		operands = append(operands, b.R)
		l = b.L
	}
	operands = append(operands, l)
	out := &plan.Logic{Or: e.Op == "OR"}
	for i := len(operands) - 1; i >= 0; i-- {
		o := operands[i]
		c, err := x.bind(o)
		if err != nil {
			return nil, err
		}
		if k := c.Type().Kind; k != vec.Bool && k != vec.Unknown {
			return nil, pgerr.Newf(pgerr.DatatypeMismatch, "argument of %s must be type boolean, not type %s", e.Op, x.typeName(c.Type())).At(o.Pos())
		}
		if c, err = x.coerce(c, vec.Of(vec.Bool), fn.Implicit, o.Pos()); err != nil {
			return nil, err
		}
		out.Args = append(out.Args, c)
	}
	return out, nil
}

func (x *exprs) distinct(e *ast.Binary) (plan.Expr, error) {
	both, err := x.bindAll([]ast.Expr{e.L, e.R})
	if err != nil {
		return nil, err
	}
	same := strings.Contains(e.Op, "NOT")
	op := "<>"
	if same {
		op = "="
	}
	cmp, err := x.apply(op, both, e.Pos())
	if err != nil {
		return nil, err
	}
	args := cmp.(*plan.Call).Args
	return &plan.Case{
		Whens: []plan.When{
			{Cond: &plan.IsNull{X: args[0]}, Then: &plan.IsNull{X: args[1], Not: !same}},
			{Cond: &plan.IsNull{X: args[1]}, Then: &plan.Const{Value: !same, T: vec.Of(vec.Bool)}},
		},
		Else: cmp, T: vec.Of(vec.Bool),
	}, nil
}

// rowCompare spells a comparison of rows out field by field.
func (x *exprs) rowCompare(op string, l, r *ast.Row, pos int) (plan.Expr, error) {
	if len(l.Elems) != len(r.Elems) {
		return nil, pgerr.Newf(pgerr.SyntaxError, "unequal number of entries in row expressions").At(pos)
	}
	ls, err := x.bindAll(l.Elems)
	if err != nil {
		return nil, err
	}
	rs, err := x.bindAll(r.Elems)
	if err != nil {
		return nil, err
	}
	pair := func(op string, i int) (plan.Expr, error) { return x.apply(op, []plan.Expr{ls[i], rs[i]}, pos) }
	switch op {
	case "=", "<>":
		out := &plan.Logic{Or: op != "="}
		for i := range ls {
			c, err := pair(op, i)
			if err != nil {
				return nil, err
			}
			out.Args = append(out.Args, c)
		}
		if len(out.Args) == 1 {
			return out.Args[0], nil
		}
		return out, nil
	case "<", "<=", ">", ">=":
		// (a, b) < (c, d) is a < c OR a = c AND b < d; the last pair uses op itself.
		last := len(ls) - 1
		out, err := pair(op, last)
		if err != nil {
			return nil, err
		}
		for i := last - 1; i >= 0; i-- {
			less, err := pair(op[:1], i)
			if err != nil {
				return nil, err
			}
			eq, err := pair("=", i)
			if err != nil {
				return nil, err
			}
			out = &plan.Logic{Or: true, Args: []plan.Expr{less, &plan.Logic{Args: []plan.Expr{eq, out}}}}
		}
		return out, nil
	}
	return nil, pgerr.Newf(pgerr.UndefinedFunction, "operator does not exist: record %s record", op).At(pos)
}

func (x *exprs) is(e *ast.Is) (plan.Expr, error) {
	if row, ok := e.X.(*ast.Row); ok && e.What == ast.IsNull {
		out := &plan.Logic{}
		for _, el := range row.Elems {
			b, err := x.bind(el)
			if err != nil {
				return nil, err
			}
			out.Args = append(out.Args, &plan.IsNull{X: b, Not: e.Not})
		}
		return plan.And(out.Args...), nil
	}
	b, err := x.bind(e.X)
	if err != nil {
		return nil, err
	}
	if k := b.Type().Kind; e.What != ast.IsNull && k != vec.Bool && k != vec.Unknown {
		return nil, pgerr.Newf(pgerr.DatatypeMismatch, "argument of IS %s must be type boolean, not type %s", isWords(e), x.typeName(b.Type())).At(e.X.Pos())
	}
	if e.What == ast.IsUnknown {
		if b, err = x.coerce(b, vec.Of(vec.Bool), fn.Implicit, e.X.Pos()); err != nil {
			return nil, err
		}
	}
	if e.What == ast.IsNull || e.What == ast.IsUnknown {
		return &plan.IsNull{X: b, Not: e.Not}, nil
	}
	if b, err = x.coerce(b, vec.Of(vec.Bool), fn.Implicit, e.Pos()); err != nil {
		return nil, err
	}
	if e.What == ast.IsFalse {
		if b, err = x.not(b, e.Pos()); err != nil {
			return nil, err
		}
	}
	yes := &plan.Coalesce{Args: []plan.Expr{b, &plan.Const{Value: false, T: vec.Of(vec.Bool)}}, T: vec.Of(vec.Bool)}
	if e.Not {
		return x.not(yes, e.Pos())
	}
	return yes, nil
}

// isWords is what stands after IS.
func isWords(e *ast.Is) string {
	if e.Not {
		return "NOT " + e.What.String()
	}
	return e.What.String()
}

func (x *exprs) between(e *ast.Between) (plan.Expr, error) {
	lo, err := x.timeText(e.X, e.Lo)
	if err != nil {
		return nil, err
	}
	hi, err := x.timeText(e.X, e.Hi)
	if err != nil {
		return nil, err
	}
	bound, err := x.bindAll([]ast.Expr{e.X, lo, hi})
	if err != nil {
		return nil, err
	}
	within := func(lo, hi int) (plan.Expr, error) {
		in := []ast.Expr{e.X, e.Lo, e.Hi}
		a, err := x.compare(">=", bound[0], bound[lo], e.X, in[lo], e.Pos())
		if err != nil {
			return nil, err
		}
		b, err := x.compare("<=", bound[0], bound[hi], e.X, in[hi], e.Pos())
		if err != nil {
			return nil, err
		}
		return &plan.Logic{Args: []plan.Expr{a, b}}, nil
	}
	out, err := within(1, 2)
	if err == nil && e.Symmetric {
		var other plan.Expr
		if other, err = within(2, 1); err == nil {
			out = &plan.Logic{Or: true, Args: []plan.Expr{out, other}}
		}
	}
	if err == nil && e.Not {
		out, err = x.not(out, e.Pos())
	}
	return out, err
}

func (x *exprs) in(e *ast.In) (plan.Expr, error) {
	if e.Query != nil {
		return x.quantQuery("=", e.X, e.Query, plan.Any, e.Not, e.Pos())
	}
	if _, isRow := e.X.(*ast.Row); isRow {
		return x.inRows(e)
	}
	list := e.List
	if x.env.Dialect == ast.KSQL { // ksqlDB drops NULLs from the list
		list = nil
		for _, l := range e.List {
			if !isNull(l) {
				list = append(list, l)
			}
		}
		if len(list) == 0 {
			return &plan.Const{Value: e.Not, T: vec.Of(vec.Bool)}, nil
		}
	}
	lhs, err := x.bind(e.X)
	if err != nil {
		return nil, err
	}
	items, err := x.bindAll(list)
	if err != nil {
		return nil, err
	}
	if in, ok := x.constIn(lhs, items, e); ok {
		return in, nil
	}
	if x.env.Dialect == ast.KSQL {
		all, _, ok := x.unifyLiterals(append([]plan.Expr{lhs}, items...))
		if ok {
			lhs, items = all[0], all[1:]
		}
	}
	out := &plan.Logic{Or: true}
	for i, it := range items {
		c, err := x.apply("=", []plan.Expr{lhs, it}, list[i].Pos())
		if err != nil {
			return nil, err
		}
		out.Args = append(out.Args, c)
	}
	var cond plan.Expr = out
	if len(out.Args) == 1 {
		cond = out.Args[0]
	}
	if e.Not {
		return x.not(cond, e.Pos())
	}
	return cond, nil
}

// constIn makes a set of constants of the left side's own type.
func (x *exprs) constIn(lhs plan.Expr, items []plan.Expr, e *ast.In) (plan.Expr, bool) {
	t := lhs.Type()
	if t.Kind == vec.Unknown || isNested(t.Kind) || t.Kind == vec.Interval || t.OID == vec.OIDRegclass {
		return nil, false
	}
	in := &plan.In{X: lhs, Not: e.Not}
	for _, it := range items {
		c, ok := it.(*plan.Const)
		if !ok {
			return nil, false
		}
		if c.Value == nil {
			in.HasNull = true
			continue
		}
		if !c.T.Equal(t) {
			switch {
			case c.T.Kind == vec.Unknown:
				conv, err := x.coerce(c, t, fn.Implicit, e.Pos())
				if err != nil {
					return nil, false // the comparison reports it
				}
				c = conv.(*plan.Const)
			case t.IsInteger() && c.T.IsInteger() || t.Kind == c.T.Kind:
			default:
				return nil, false
			}
		}
		in.List = append(in.List, c.Value)
	}
	return in, x.env.Dialect != ast.KSQL // two-valued logic goes through "="
}

func (x *exprs) inRows(e *ast.In) (plan.Expr, error) {
	l := e.X.(*ast.Row)
	out := &plan.Logic{Or: true}
	for _, it := range e.List {
		r, ok := it.(*ast.Row)
		if !ok {
			return nil, pgerr.Newf(pgerr.DatatypeMismatch, "row expressions expected in the list of IN").At(it.Pos())
		}
		c, err := x.rowCompare("=", l, r, it.Pos())
		if err != nil {
			return nil, err
		}
		out.Args = append(out.Args, c)
	}
	var cond plan.Expr = out
	if len(out.Args) == 1 {
		cond = out.Args[0]
	}
	if e.Not {
		return x.not(cond, e.Pos())
	}
	return cond, nil
}
