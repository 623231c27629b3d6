package planner

import (
	"slices"

	"github.com/weirdb/weir/internal/fn"
	"github.com/weirdb/weir/planner/plan"
)

// pushDown moves conditions as close to the leaves as their columns allow, and
// turns equalities between the two sides of a join into its keys. conds are
// conditions over n's columns that hold above it. Only bounded plans pass here:
// in a continuous one the place of a filter is part of the meaning.
func pushDown(n plan.Node, conds []plan.Expr) plan.Node {
	switch n := n.(type) {
	case *plan.Filter:
		return pushDown(n.In, append(conds, plan.Conjuncts(n.Cond)...))
	case *plan.Project:
		var below, here []plan.Expr
		for _, c := range conds {
			if s, ok := throughProject(c, n.Exprs); ok {
				below = append(below, s)
			} else {
				here = append(here, c)
			}
		}
		return filter(&plan.Project{In: pushDown(n.In, below), Exprs: n.Exprs, Names: n.Names}, here)
	case *plan.Sort:
		return &plan.Sort{In: pushDown(n.In, conds), Keys: n.Keys, Top: n.Top}
	case *plan.Join:
		return pushJoin(n, conds)
	case *plan.Apply:
		left, here := splitBelow(conds, len(n.L.Columns()))
		return filter(&plan.Apply{Kind: n.Kind, L: pushDown(n.L, left), R: pushDown(n.R, nil), On: n.On}, here)
	case *plan.Unnest:
		c := *n
		below, here := splitBelow(conds, len(n.In.Columns()))
		c.In = pushDown(n.In, below)
		return filter(&c, here)
	case *plan.Aggregate:
		c := *n
		c.In = pushDown(n.In, nil)
		return filter(&c, conds)
	case *plan.SetOp:
		c := *n
		c.L, c.R = pushDown(n.L, nil), pushDown(n.R, nil)
		return filter(&c, conds)
	case *plan.Limit:
		return filter(&plan.Limit{In: pushDown(n.In, nil), N: n.N, Offset: n.Offset}, conds)
	case *plan.WindowFuncs:
		c := *n
		c.In = pushDown(n.In, nil)
		return filter(&c, conds)
	}
	return filter(n, conds)
}

func filter(n plan.Node, conds []plan.Expr) plan.Node {
	if cond := plan.And(conds...); cond != nil {
		return &plan.Filter{In: n, Cond: cond}
	}
	return n
}

// splitBelow separates the conditions that refer only to the first width columns.
func splitBelow(conds []plan.Expr, width int) (below, here []plan.Expr) {
	for _, c := range conds {
		if lo, hi := columnSpan(c); movable(c) && lo >= 0 && hi < width {
			below = append(below, c)
		} else {
			here = append(here, c)
		}
	}
	return below, here
}

// movable tells whether c may be evaluated for more or fewer rows than written.
func movable(c plan.Expr) bool {
	ok := true
	plan.Visit(c, func(e plan.Expr, _ int) {
		if call, is := e.(*plan.Call); is && call.Fn.Volatility == fn.Volatile {
			ok = false
		}
	})
	return ok
}

// columnSpan returns the smallest and largest column that c refers to; -1, -1
// if it refers to none.
func columnSpan(c plan.Expr) (lo, hi int) {
	lo, hi = -1, -1
	plan.ColumnsOf(c, func(i int) {
		if lo < 0 || i < lo {
			lo = i
		}
		hi = max(hi, i)
	})
	return lo, hi
}

// throughProject states c, a condition over a projection's output, over its
// input. It refuses where the result could differ, and where a subquery's Outer
// would have to name something that is not a column.
func throughProject(c plan.Expr, exprs []plan.Expr) (plan.Expr, bool) {
	ok := movable(c)
	plan.Visit(c, func(e plan.Expr, depth int) {
		switch e := e.(type) {
		case *plan.Col:
			ok = ok && (depth > 0 || movable(exprs[e.Index]))
		case *plan.Outer:
			if depth > 0 && e.Level == depth-1 {
				_, isCol := exprs[e.Index].(*plan.Col)
				ok = ok && isCol
			}
		}
	})
	if !ok {
		return nil, false
	}
	return plan.Rewrite(c, func(e plan.Expr, depth int) plan.Expr {
		switch e := e.(type) {
		case *plan.Col:
			if depth == 0 {
				return exprs[e.Index]
			}
		case *plan.Outer:
			if depth > 0 && e.Level == depth-1 {
				col := exprs[e.Index].(*plan.Col)
				return &plan.Outer{Level: e.Level, Index: col.Index, Name: col.Name, T: col.T}
			}
		}
		return nil
	}), true
}

// Which kinds of join let a condition above the join, or in its ON, be tested
// on one side before it.
var (
	whereLeft  = []plan.JoinKind{plan.InnerJoin, plan.LeftJoin, plan.SemiJoin, plan.AntiJoin}
	whereRight = []plan.JoinKind{plan.InnerJoin, plan.RightJoin}
	onLeft     = []plan.JoinKind{plan.InnerJoin, plan.RightJoin, plan.SemiJoin}
	onRight    = []plan.JoinKind{plan.InnerJoin, plan.LeftJoin, plan.SemiJoin, plan.AntiJoin}
)

func pushJoin(n *plan.Join, conds []plan.Expr) plan.Node {
	width := len(n.L.Columns())
	toRight := func(x plan.Expr) plan.Expr { return plan.Shift(x, func(i int) int { return i - width }) }
	var left, right, above []plan.Expr
	on := plan.Conjuncts(n.On)
	for _, x := range conds {
		lo, hi := columnSpan(x)
		switch {
		case !movable(x):
			above = append(above, x)
		case lo >= 0 && hi < width && slices.Contains(whereLeft, n.Kind):
			left = append(left, x)
		case lo >= width && slices.Contains(whereRight, n.Kind):
			right = append(right, toRight(x))
		case n.Kind == plan.InnerJoin:
			on = append(on, x)
		default:
			above = append(above, x)
		}
	}
	c := *n
	c.LKeys, c.RKeys = slices.Clone(n.LKeys), slices.Clone(n.RKeys)
	var residual []plan.Expr
	for _, x := range on {
		lo, hi := columnSpan(x)
		l, r, equal := equiKeys(x, width)
		switch {
		case !movable(x):
			residual = append(residual, x)
		case lo >= 0 && hi < width && slices.Contains(onLeft, n.Kind):
			left = append(left, x)
		case lo >= width && slices.Contains(onRight, n.Kind):
			right = append(right, toRight(x))
		case equal:
			c.LKeys, c.RKeys = append(c.LKeys, l), append(c.RKeys, toRight(r))
		default:
			residual = append(residual, x)
		}
	}
	c.On = plan.And(residual...)
	c.L, c.R = pushDown(n.L, left), pushDown(n.R, right)
	return filter(&c, above)
}

// equiKeys takes x apart if it is l = r with l over the first width columns and
// r over the others, and both of one type.
func equiKeys(x plan.Expr, width int) (l, r plan.Expr, ok bool) {
	call, is := x.(*plan.Call)
	if !is || call.Fn.Name != "=" || len(call.Args) != 2 {
		return nil, nil, false
	}
	l, r = call.Args[0], call.Args[1]
	llo, lhi := columnSpan(l)
	rlo, rhi := columnSpan(r)
	if llo >= width && rlo >= 0 && rhi < width {
		l, r, llo, lhi, rlo = r, l, rlo, rhi, llo
	}
	if llo < 0 || lhi >= width || rlo < width || l.Type().Kind != r.Type().Kind {
		return nil, nil, false
	}
	return l, r, true
}
