package planner

import (
	"github.com/weirdb/weir/planner/plan"
)

// prune drops the columns of n that are not needed, down to the decoders of its
// sources. It returns the new plan and where each old column is now (-1: gone).
// It may keep more than was asked for.
func prune(n plan.Node, need []bool) (plan.Node, []int) {
	switch n := n.(type) {
	case *plan.Scan:
		return pruneScan(n, need)
	case *plan.SystemScan:
		c := *n
		c.Cols, c.Index = nil, nil
		to := make([]int, len(need))
		for i := range need {
			if to[i] = -1; need[i] {
				to[i] = len(c.Cols)
				c.Cols, c.Index = append(c.Cols, n.Cols[i]), append(c.Index, n.Index[i])
			}
		}
		return &c, to
	case *plan.Project:
		c := plan.Project{}
		to := make([]int, len(need))
		below := make([]bool, len(n.In.Columns()))
		for i, e := range n.Exprs {
			if to[i] = -1; need[i] {
				to[i] = len(c.Exprs)
				c.Exprs, c.Names = append(c.Exprs, e), append(c.Names, n.Names[i])
				mark(below, e)
			}
		}
		in, moved := prune(n.In, below)
		c.In = in
		c.Exprs = moveAll(c.Exprs, moved)
		return &c, to
	case *plan.Filter:
		below := grown(need)
		mark(below, n.Cond)
		in, to := prune(n.In, below)
		return &plan.Filter{In: in, Cond: move(n.Cond, to), Table: n.Table}, to
	case *plan.Sort:
		below := grown(need)
		for _, k := range n.Keys {
			mark(below, k.X)
		}
		in, to := prune(n.In, below)
		return &plan.Sort{In: in, Keys: moveSort(n.Keys, to), Top: n.Top}, to
	case *plan.Limit:
		in, to := prune(n.In, need)
		return &plan.Limit{In: in, N: n.N, Offset: n.Offset}, to
	case *plan.Aggregate:
		return pruneAggregate(n, need)
	case *plan.Join:
		return pruneJoin(n, need)
	case *plan.Apply:
		width := len(n.L.Columns())
		left := grown(need[:width])
		plan.VisitNode(n.R, func(e plan.Expr, depth int) {
			if o, ok := e.(*plan.Outer); ok && o.Level == depth {
				left[o.Index] = true
			}
		})
		right := grown(need[width:])
		if n.On != nil {
			plan.ColumnsOf(n.On, func(i int) {
				if i < width {
					left[i] = true
				} else {
					right[i-width] = true
				}
			})
		}
		l, lto := prune(n.L, left)
		r := plan.RewriteNode(n.R, func(e plan.Expr, depth int) plan.Expr {
			if o, ok := e.(*plan.Outer); ok && o.Level == depth {
				return &plan.Outer{Level: o.Level, Index: lto[o.Index], Name: o.Name, T: o.T}
			}
			return nil
		})
		r, rto := prune(r, right)
		to := concat(lto, rto, len(l.Columns()))
		return &plan.Apply{Kind: n.Kind, L: l, R: r, On: move(n.On, to)}, to
	case *plan.Recompute: // it reads no more than it needs
		c := &plan.Recompute{Query: n.Query}
		for _, in := range n.Ins {
			c.Ins = append(c.Ins, pruned(in))
		}
		return c, keepAll(len(need))
	case *plan.Upsert:
		below := grown(need)
		for _, k := range n.Keys {
			below[k] = true
		}
		in, to := prune(n.In, below)
		c := &plan.Upsert{In: in}
		for _, k := range n.Keys {
			c.Keys = append(c.Keys, to[k])
		}
		return c, to
	case *plan.Repartition:
		below := grown(need)
		for _, k := range n.Keys {
			mark(below, k)
		}
		in, to := prune(n.In, below)
		c := *n
		c.In, c.Keys = in, moveAll(n.Keys, to)
		return &c, to
	case *plan.Unnest:
		width := len(n.In.Columns())
		below := grown(need[:width])
		for _, f := range n.Funcs {
			for _, a := range f.Args {
				mark(below, a)
			}
		}
		in, moved := prune(n.In, below)
		c := *n
		c.In = in
		c.Funcs = make([]plan.TableCall, len(n.Funcs))
		for i, f := range n.Funcs {
			c.Funcs[i] = f
			c.Funcs[i].Args = moveAll(f.Args, moved)
		}
		to := append([]int{}, moved...)
		for i := width; i < len(need); i++ {
			to = append(to, len(in.Columns())+i-width)
		}
		return &c, to
	}
	// Everything else keeps all its columns, but its inputs may hold more to prune.
	return pruneInputs(n), keepAll(len(need))
}

// pruneInputs prunes below nodes that need every column of their inputs.
func pruneInputs(n plan.Node) plan.Node {
	whole := func(in plan.Node) plan.Node {
		all := make([]bool, len(in.Columns()))
		for i := range all {
			all[i] = true
		}
		out, _ := prune(in, all)
		return out
	}
	switch n := n.(type) {
	case *plan.SetOp:
		c := *n
		c.L, c.R = whole(n.L), whole(n.R)
		return &c
	case *plan.WindowFuncs:
		c := *n
		c.In = whole(n.In)
		return &c
	}
	return n
}

func pruneScan(n *plan.Scan, need []bool) (plan.Node, []int) {
	c := *n
	c.Cols, c.TimeField = nil, -1
	to := make([]int, len(need))
	for i := range need {
		if to[i] = -1; need[i] || i == n.TimeField {
			if i == n.TimeField {
				c.TimeField = len(c.Cols)
			}
			to[i] = len(c.Cols)
			c.Cols = append(c.Cols, n.Cols[i])
		}
	}
	return &c, to
}

func pruneAggregate(n *plan.Aggregate, need []bool) (plan.Node, []int) {
	// Keys and windows are what rows are grouped by; only aggregates can go.
	fixed := len(n.Keys)
	if n.Window != nil {
		fixed += 2
	}
	used := grown(need)
	if n.Having != nil {
		mark(used, n.Having)
	}
	c := *n
	c.Aggs, c.Names = nil, append([]string{}, n.Names[:fixed]...)
	to := keepAll(len(need))
	below := make([]bool, len(n.In.Columns()))
	for _, k := range n.Keys {
		mark(below, k)
	}
	for i, a := range n.Aggs {
		if !used[fixed+i] {
			to[fixed+i] = -1
			continue
		}
		to[fixed+i] = fixed + len(c.Aggs)
		c.Aggs, c.Names = append(c.Aggs, a), append(c.Names, n.Names[fixed+i])
		for _, x := range a.Args {
			mark(below, x)
		}
		if a.Filter != nil {
			mark(below, a.Filter)
		}
		for _, k := range a.OrderBy {
			mark(below, k.X)
		}
	}
	in, moved := prune(n.In, below)
	c.In, c.Keys, c.Having = in, moveAll(n.Keys, moved), move(n.Having, to)
	for i, a := range c.Aggs {
		a.Args, a.Filter, a.OrderBy = moveAll(a.Args, moved), move(a.Filter, moved), moveSort(a.OrderBy, moved)
		c.Aggs[i] = a
	}
	return &c, to
}

func pruneJoin(n *plan.Join, need []bool) (plan.Node, []int) {
	lw, rw := len(n.L.Columns()), len(n.R.Columns())
	left, right := grown(need[:lw]), make([]bool, rw)
	semi := n.Kind == plan.SemiJoin || n.Kind == plan.AntiJoin
	if !semi {
		copy(right, need[lw:])
	}
	for _, k := range n.LKeys {
		mark(left, k)
	}
	for _, k := range n.RKeys {
		mark(right, k)
	}
	if n.On != nil {
		plan.ColumnsOf(n.On, func(i int) {
			if i < lw {
				left[i] = true
			} else {
				right[i-lw] = true
			}
		})
	}
	c := *n
	l, lto := prune(n.L, left)
	r, rto := prune(n.R, right)
	to := concat(lto, rto, len(l.Columns()))
	c.L, c.R, c.LKeys, c.RKeys, c.On = l, r, moveAll(n.LKeys, lto), moveAll(n.RKeys, rto), move(n.On, to)
	if semi {
		to = to[:lw]
	}
	return &c, to
}

func mark(need []bool, e plan.Expr) { plan.ColumnsOf(e, func(i int) { need[i] = true }) }

func grown(need []bool) []bool { return append([]bool{}, need...) }

func keepAll(n int) []int {
	to := make([]int, n)
	for i := range to {
		to[i] = i
	}
	return to
}

// concat joins the moves of two sides into that of their combined row.
func concat(l, r []int, width int) []int {
	to := append([]int{}, l...)
	for _, i := range r {
		if i >= 0 {
			i += width
		}
		to = append(to, i)
	}
	return to
}

func move(e plan.Expr, to []int) plan.Expr {
	if e == nil {
		return nil
	}
	return plan.Shift(e, func(i int) int { return to[i] })
}

func moveAll(es []plan.Expr, to []int) []plan.Expr {
	out := make([]plan.Expr, len(es))
	for i, e := range es {
		out[i] = move(e, to)
	}
	return out
}

func moveSort(ks []plan.SortKey, to []int) []plan.SortKey {
	out := make([]plan.SortKey, len(ks))
	for i, k := range ks {
		out[i] = k
		out[i].X = move(k.X, to)
	}
	return out
}

// pruned keeps all columns of n itself, in order, and prunes below.
func pruned(n plan.Node) plan.Node {
	cols := n.Columns()
	all := make([]bool, len(cols))
	for i := range all {
		all[i] = true
	}
	out, to := prune(n, all)
	for i, j := range to {
		if i != j {
			return reorder(out, cols, to)
		}
	}
	if len(out.Columns()) != len(cols) {
		return reorder(out, cols, to)
	}
	return out
}

func reorder(n plan.Node, cols []plan.Column, to []int) plan.Node {
	p := &plan.Project{In: n}
	for i, c := range cols {
		p.Exprs = append(p.Exprs, &plan.Col{Index: to[i], Name: c.Name, T: c.Type})
		p.Names = append(p.Names, c.Name)
	}
	return p
}
