package eval

import "github.com/weirdb/weir/planner/plan"

// outerRefs calls f for the outer columns that a plan looks at; level 0 is the
// row for which the plan is evaluated.
func outerRefs(p plan.Node, f func(level, index int)) {
	w := refWalk{f}
	w.node(p, 0)
}

type refWalk struct{ f func(level, index int) }

// node walks a plan that is depth queries inside the one that was asked about.
func (w refWalk) node(p plan.Node, depth int) {
	switch n := p.(type) {
	case *plan.Scan:
		w.exprs(n.KeyEquals, depth)
	case *plan.Values:
		for _, row := range n.Rows {
			w.exprs(row, depth)
		}
	case *plan.Filter:
		w.expr(n.Cond, depth)
	case *plan.Project:
		w.exprs(n.Exprs, depth)
	case *plan.Unnest:
		for _, c := range n.Funcs {
			w.exprs(c.Args, depth)
		}
	case *plan.Aggregate:
		w.exprs(n.Keys, depth)
		for _, a := range n.Aggs {
			w.exprs(a.Args, depth)
			w.expr(a.Filter, depth)
			w.keys(a.OrderBy, depth)
		}
		w.expr(n.Having, depth)
	case *plan.Join:
		w.exprs(n.LKeys, depth)
		w.exprs(n.RKeys, depth)
		w.expr(n.On, depth)
	case *plan.Apply:
		w.node(n.L, depth)
		w.node(n.R, depth+1)
		w.expr(n.On, depth)
		return
	case *plan.Sort:
		w.keys(n.Keys, depth)
		w.expr(n.Top, depth)
	case *plan.Limit:
		w.expr(n.N, depth)
		w.expr(n.Offset, depth)
	case *plan.Repartition:
		w.exprs(n.Keys, depth)
	case *plan.WindowFuncs:
		for _, c := range n.Calls {
			w.exprs(c.Args, depth)
			w.exprs(c.Partition, depth)
			w.keys(c.OrderBy, depth)
			if c.Frame != nil {
				w.expr(c.Frame.From.N, depth)
				w.expr(c.Frame.To.N, depth)
			}
		}
	}
	for _, in := range p.Inputs() {
		w.node(in, depth)
	}
}

func (w refWalk) keys(keys []plan.SortKey, depth int) {
	for _, k := range keys {
		w.expr(k.X, depth)
	}
}

func (w refWalk) exprs(es []plan.Expr, depth int) {
	for _, e := range es {
		w.expr(e, depth)
	}
}

func (w refWalk) expr(e plan.Expr, depth int) {
	switch e := e.(type) {
	case *plan.Outer:
		if e.Level >= depth {
			w.f(e.Level-depth, e.Index)
		}
	case *plan.Call:
		w.exprs(e.Args, depth)
	case *plan.Logic:
		w.exprs(e.Args, depth)
	case *plan.Case:
		for _, c := range e.Whens {
			w.expr(c.Cond, depth)
			w.expr(c.Then, depth)
		}
		w.expr(e.Else, depth)
	case *plan.Coalesce:
		w.exprs(e.Args, depth)
	case *plan.IsNull:
		w.expr(e.X, depth)
	case *plan.In:
		w.expr(e.X, depth)
	case *plan.Struct:
		w.exprs(e.Args, depth)
	case *plan.Array:
		w.exprs(e.Args, depth)
	case *plan.MapOf:
		w.exprs(e.Keys, depth)
		w.exprs(e.Values, depth)
	case *plan.FieldOf:
		w.expr(e.X, depth)
	case *plan.Lambda:
		w.expr(e.Body, depth)
	case *plan.Subquery:
		w.node(e.Plan, depth+1)
		w.expr(e.X, depth)
	}
}
