package planner

import (
	"github.com/weirdb/weir/internal/fn"
	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
	"github.com/weirdb/weir/sql/ast"
)

// maxQueryDepth bounds the nesting of queries.
const maxQueryDepth = 64

// Bounded plans a query that ends.
func Bounded(env *Env, q ast.Query) (plan.Node, error) {
	b := &binder{env: env}
	n, err := b.query(q, &scope{})
	if err != nil {
		return nil, err
	}
	return optimize(shown(typed(n), env)), nil
}

// shown turns arrays, maps and structs into JSON text, as ksqlDB's clients get
// them, for a query of the ksql dialect.
func shown(n plan.Node, env *Env) plan.Node {
	if env.Dialect != ast.KSQL {
		return n
	}
	p := &plan.Project{In: n}
	change := false
	for i, c := range n.Columns() {
		var e plan.Expr = &plan.Col{Index: i, Name: c.Name, T: c.Type}
		if isNested(c.Type.Kind) {
			f, want, _, err := fn.Resolve("to_json_string", fn.KSQL, []vec.Type{c.Type})
			if err == nil && len(want) == 1 && want[0].Equal(c.Type) {
				change = true
				e = &plan.Case{
					Whens: []plan.When{{Cond: &plan.IsNull{X: e, Not: true}, Then: &plan.Call{Fn: f, Args: []plan.Expr{e}, T: vec.Of(vec.JSON)}}},
					T:     vec.Of(vec.JSON),
				}
			}
		}
		p.Exprs, p.Names = append(p.Exprs, e), append(p.Names, c.Name)
	}
	if !change {
		return n
	}
	return p
}

// optimize is the last step for every bounded plan, subqueries included.
func optimize(n plan.Node) plan.Node { return pruned(pushDown(n, nil)) }

// typed makes columns of unknown type text, as a client receives them.
func typed(n plan.Node) plan.Node {
	cols := n.Columns()
	change := false
	p := &plan.Project{In: n}
	for i, c := range cols {
		e := plan.Expr(&plan.Col{Index: i, Name: c.Name, T: c.Type})
		if c.Type.Kind == vec.Unknown {
			change = true
			e = retyped(e, vec.Of(vec.Text))
		}
		p.Exprs, p.Names = append(p.Exprs, e), append(p.Names, c.Name)
	}
	if !change {
		return n
	}
	return p
}

// query binds any query. sc is its scope, empty but for the rows around it.
func (b *binder) query(q ast.Query, sc *scope) (plan.Node, error) {
	if b.depth++; b.depth > maxQueryDepth {
		return nil, pgerr.Newf(pgerr.StatementTooComplex, "queries are nested more than %d levels deep", maxQueryDepth).At(q.Pos())
	}
	ctes := len(b.ctes)
	defer func() { b.depth--; b.ctes = b.ctes[:ctes] }()
	switch q := q.(type) {
	case *ast.Select:
		if q.WithTies {
			return nil, pgerr.Newf(pgerr.FeatureNotSupported, "FETCH FIRST ... WITH TIES is not supported yet").At(q.Pos())
		}
		if err := b.with(q.With, sc); err != nil {
			return nil, err
		}
		return b.selectQuery(q, sc)
	case *ast.Values:
		if err := b.with(q.With, sc); err != nil {
			return nil, err
		}
		return b.values(q, sc)
	case *ast.SetOp:
		if q.WithTies {
			return nil, pgerr.Newf(pgerr.FeatureNotSupported, "FETCH FIRST ... WITH TIES is not supported yet").At(q.Pos())
		}
		if err := b.with(q.With, sc); err != nil {
			return nil, err
		}
		return b.setOp(q, sc)
	}
	return nil, pgerr.Newf(pgerr.FeatureNotSupported, "this kind of query (%T) is not supported", q).At(q.Pos())
}

func (b *binder) values(q *ast.Values, sc *scope) (plan.Node, error) {
	x := &exprs{binder: b, sc: sc, clause: "VALUES"}
	n := &plan.Values{}
	width := len(q.Rows[0])
	columns := make([][]plan.Expr, width)
	places := make([][]int, width)
	for _, row := range q.Rows {
		if len(row) != width {
			return nil, pgerr.Newf(pgerr.SyntaxError, "VALUES lists must all be the same length").At(q.Pos())
		}
		for i, e := range row {
			bound, err := x.bind(e)
			if err != nil {
				return nil, err
			}
			columns[i], places[i] = append(columns[i], bound), append(places[i], e.Pos())
		}
	}
	for i := range columns {
		es, t, err := x.unify(columns[i], places[i], "VALUES")
		if err != nil {
			return nil, err
		}
		columns[i] = es
		n.Cols = append(n.Cols, plan.Column{Name: b.env.Dialect.Fold("column" + itoa(i+1)), Type: t})
	}
	for r := range q.Rows {
		row := make([]plan.Expr, width)
		for i := range row {
			row[i] = columns[i][r]
		}
		n.Rows = append(n.Rows, row)
	}
	return b.ordered(n, q.OrderBy, q.Limit, q.Offset, sc)
}

// ordered adds ORDER BY, over output columns only, and LIMIT.
func (b *binder) ordered(n plan.Node, order []ast.Order, limit, offset ast.Expr, sc *scope) (plan.Node, error) {
	if len(order) > 0 {
		out := &scope{cols: outputCols(n), outer: sc.outer}
		x := &exprs{binder: b, sc: out, clause: "ORDER BY"}
		s := &plan.Sort{In: n}
		for _, o := range order {
			if i, ok, err := ordinal(o.X, len(out.cols), "ORDER BY"); err != nil {
				return nil, err
			} else if ok {
				s.Keys = append(s.Keys, sortKeyOf(out.cols[i].expr(0), o))
				continue
			}
			k, err := x.sortKey(o)
			if err != nil {
				return nil, err
			}
			s.Keys = append(s.Keys, k)
		}
		n = s
	}
	return b.limited(n, limit, offset, sc)
}

func (b *binder) limited(n plan.Node, limit, offset ast.Expr, sc *scope) (plan.Node, error) {
	l := &plan.Limit{In: n}
	for _, c := range []struct {
		e    ast.Expr
		to   *plan.Expr
		name string
	}{{limit, &l.N, "LIMIT"}, {offset, &l.Offset, "OFFSET"}} {
		if c.e == nil {
			continue
		}
		x := &exprs{binder: b, sc: &scope{outer: sc.outer}, clause: c.name}
		e, err := x.bindAs(c.e, vec.Of(vec.Int64), fn.Assignment)
		if err != nil {
			return nil, err
		}
		if k, ok := e.(*plan.Const); ok {
			if v, ok := k.Value.(int64); ok && v < 0 {
				return nil, pgerr.Newf("2201W", "%s must not be negative", c.name).At(c.e.Pos())
			}
		}
		*c.to = e
	}
	if l.N == nil && l.Offset == nil {
		return n, nil
	}
	if s, ok := n.(*plan.Sort); ok && l.N != nil && l.Offset == nil {
		n = &plan.Sort{In: s.In, Keys: s.Keys, Top: l.N}
	}
	l.In = n
	return l, nil
}

// ordinal reads an integer constant as the number of an output column.
func ordinal(e ast.Expr, n int, clause string) (int, bool, error) {
	num, ok := e.(*ast.Number)
	if !ok {
		return 0, false, nil
	}
	i := 0
	for _, c := range num.Text {
		if c < '0' || c > '9' || i > n {
			return 0, true, pgerr.Newf(pgerr.SyntaxError, "non-integer constant in %s", clause).At(e.Pos())
		}
		i = i*10 + int(c-'0')
	}
	if i < 1 || i > n {
		return 0, true, pgerr.Newf("42P10", "%s position %s is not in select list", clause, num.Text).At(e.Pos())
	}
	return i - 1, true, nil
}

var setOps = map[ast.SetOpKind]plan.SetOpKind{ast.Union: plan.Union, ast.Except: plan.Except, ast.Intersect: plan.Intersect}

func (b *binder) setOp(q *ast.SetOp, sc *scope) (plan.Node, error) {
	side := func(in ast.Query) (plan.Node, error) {
		s := &scope{outer: sc.outer}
		b.depth-- // both sides stand at this query's own level
		defer func() { b.depth++ }()
		n, err := b.query(in, s)
		sc.correlated = sc.correlated || s.correlated
		return n, err
	}
	l, err := side(q.L)
	if err != nil {
		return nil, err
	}
	r, err := side(q.R)
	if err != nil {
		return nil, err
	}
	lc, rc := l.Columns(), r.Columns()
	if len(lc) != len(rc) {
		return nil, pgerr.Newf(pgerr.SyntaxError, "each %s query must have the same number of columns", q.Kind).At(q.R.Pos())
	}
	x := &exprs{binder: b, sc: &scope{}, clause: q.Kind.String()}
	lp, rp := &plan.Project{In: l}, &plan.Project{In: r}
	for i := range lc {
		es, _, err := x.unify([]plan.Expr{
			outputExpr(l, i), outputExpr(r, i),
		}, []int{q.L.Pos(), q.R.Pos()}, q.Kind.String())
		if err != nil {
			return nil, err
		}
		lp.Exprs, lp.Names = append(lp.Exprs, es[0]), append(lp.Names, lc[i].Name)
		rp.Exprs, rp.Names = append(rp.Exprs, es[1]), append(rp.Names, lc[i].Name)
	}
	n := &plan.SetOp{Op: setOps[q.Kind], All: q.All, L: lp, R: rp}
	return b.ordered(n, q.OrderBy, q.Limit, q.Offset, sc)
}

// outputExpr refers to column i of n; an untyped literal is passed on itself, so
// that it can still take the type of its counterpart.
func outputExpr(n plan.Node, i int) plan.Expr {
	if p, ok := n.(*plan.Project); ok {
		if c, ok := p.Exprs[i].(*plan.Const); ok && c.T.Kind == vec.Unknown {
			return c
		}
	}
	c := n.Columns()[i]
	return &plan.Col{Index: i, Name: c.Name, T: c.Type}
}
