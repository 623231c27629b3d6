package plan

import (
	"fmt"
	"slices"
)

// Rewrite returns e with every subexpression for which f gives a replacement
// replaced by it, from the outside in; what f returns is not looked into. A nil
// from f means: keep this node and look inside. Plans of subqueries are entered,
// with depth counting how many subqueries deep an expression stands. e itself
// is not changed.
func Rewrite(e Expr, f func(e Expr, depth int) Expr) Expr { return rewrite(e, 0, f) }

func rewrite(e Expr, depth int, f func(Expr, int) Expr) Expr {
	if e == nil {
		return nil
	}
	if r := f(e, depth); r != nil {
		return r
	}
	list := func(in []Expr) []Expr { return rewriteList(in, depth, f) }
	switch e := e.(type) {
	case *Col, *Outer, *Const, *Param, *LambdaParam:
		return e
	case *Call:
		c := *e
		c.Args = list(e.Args)
		return &c
	case *Logic:
		return &Logic{e.Or, list(e.Args)}
	case *Case:
		c := *e
		c.Whens = make([]When, len(e.Whens))
		for i, w := range e.Whens {
			c.Whens[i] = When{rewrite(w.Cond, depth, f), rewrite(w.Then, depth, f)}
		}
		c.Else = rewrite(e.Else, depth, f)
		return &c
	case *Coalesce:
		return &Coalesce{list(e.Args), e.T}
	case *IsNull:
		return &IsNull{rewrite(e.X, depth, f), e.Not}
	case *In:
		c := *e
		c.X = rewrite(e.X, depth, f)
		return &c
	case *Struct:
		return &Struct{list(e.Args), e.T}
	case *Array:
		return &Array{list(e.Args), e.T}
	case *MapOf:
		return &MapOf{list(e.Keys), list(e.Values), e.T}
	case *FieldOf:
		return &FieldOf{rewrite(e.X, depth, f), e.Index, e.T}
	case *Lambda:
		c := *e
		c.Body = rewrite(e.Body, depth, f)
		return &c
	case *Subquery:
		c := *e
		c.X = rewrite(e.X, depth, f)
		c.Plan = rewriteNode(e.Plan, depth+1, f)
		return &c
	}
	panic(fmt.Sprintf("plan: rewrite of %T", e)) // a new expression was not added here
}

func rewriteList(in []Expr, depth int, f func(Expr, int) Expr) []Expr {
	if in == nil {
		return nil
	}
	out := make([]Expr, len(in))
	for i, e := range in {
		out[i] = rewrite(e, depth, f)
	}
	return out
}

func rewriteSort(in []SortKey, depth int, f func(Expr, int) Expr) []SortKey {
	out := make([]SortKey, len(in))
	for i, k := range in {
		out[i] = k
		out[i].X = rewrite(k.X, depth, f)
	}
	return out
}

// RewriteNode is Rewrite for all expressions of a plan.
func RewriteNode(n Node, f func(e Expr, depth int) Expr) Node { return rewriteNode(n, 0, f) }

func rewriteNode(n Node, depth int, f func(Expr, int) Expr) Node {
	node := func(n Node) Node { return rewriteNode(n, depth, f) }
	expr := func(e Expr) Expr { return rewrite(e, depth, f) }
	list := func(in []Expr) []Expr { return rewriteList(in, depth, f) }
	switch n := n.(type) {
	case *SystemScan, *Input:
		return n
	case *Scan:
		c := *n
		c.KeyEquals = list(n.KeyEquals)
		return &c
	case *Values:
		c := *n
		c.Rows = make([][]Expr, len(n.Rows))
		for i, r := range n.Rows {
			c.Rows[i] = list(r)
		}
		return &c
	case *Filter:
		return &Filter{node(n.In), expr(n.Cond), n.Table}
	case *Project:
		return &Project{node(n.In), list(n.Exprs), n.Names}
	case *Unnest:
		c := *n
		c.In = node(n.In)
		c.Funcs = make([]TableCall, len(n.Funcs))
		for i, t := range n.Funcs {
			c.Funcs[i] = t
			c.Funcs[i].Args = list(t.Args)
		}
		return &c
	case *Aggregate:
		c := *n
		c.In, c.Keys, c.Having = node(n.In), list(n.Keys), expr(n.Having)
		c.Aggs = make([]AggCall, len(n.Aggs))
		for i, a := range n.Aggs {
			c.Aggs[i] = a
			c.Aggs[i].Args, c.Aggs[i].Filter, c.Aggs[i].OrderBy = list(a.Args), expr(a.Filter), rewriteSort(a.OrderBy, depth, f)
		}
		return &c
	case *Join:
		c := *n
		c.L, c.R, c.LKeys, c.RKeys, c.On = node(n.L), node(n.R), list(n.LKeys), list(n.RKeys), expr(n.On)
		return &c
	case *Apply:
		c := *n
		c.L, c.R, c.On = node(n.L), rewriteNode(n.R, depth+1, f), expr(n.On)
		return &c
	case *Sort:
		return &Sort{node(n.In), rewriteSort(n.Keys, depth, f), expr(n.Top)}
	case *Limit:
		return &Limit{node(n.In), expr(n.N), expr(n.Offset)}
	case *SetOp:
		c := *n
		c.L, c.R = node(n.L), node(n.R)
		return &c
	case *Upsert:
		return &Upsert{node(n.In), n.Keys}
	case *Recompute:
		c := &Recompute{Query: n.Query} // it stands for itself
		for _, in := range n.Ins {
			c.Ins = append(c.Ins, node(in))
		}
		return c
	case *Repartition:
		c := *n
		c.In, c.Keys = node(n.In), list(n.Keys)
		return &c
	case *WindowFuncs:
		c := *n
		c.In = node(n.In)
		c.Calls = make([]WindowCall, len(n.Calls))
		for i, w := range n.Calls {
			c.Calls[i] = w
			c.Calls[i].Args, c.Calls[i].Partition, c.Calls[i].OrderBy = list(w.Args), list(w.Partition), rewriteSort(w.OrderBy, depth, f)
			if w.Frame != nil {
				fr := *w.Frame
				fr.From.N, fr.To.N = expr(fr.From.N), expr(fr.To.N)
				c.Calls[i].Frame = &fr
			}
		}
		return &c
	}
	panic(fmt.Sprintf("plan: rewrite of %T", n)) // a new node was not added here
}

// Visit calls f for e and everything in it, also inside subqueries (depth above
// zero).
func Visit(e Expr, f func(e Expr, depth int)) {
	Rewrite(e, func(e Expr, depth int) Expr { f(e, depth); return nil })
}

// VisitNode is Visit for all expressions of a plan.
func VisitNode(n Node, f func(e Expr, depth int)) {
	RewriteNode(n, func(e Expr, depth int) Expr { f(e, depth); return nil })
}

// Scans returns the Scans of a plan, those of its subqueries included, each once
// and always in the same order.
func Scans(n Node) []*Scan {
	var out []*Scan
	var below func(n Node)
	below = func(n Node) {
		if s, ok := n.(*Scan); ok && !slices.Contains(out, s) {
			out = append(out, s)
		}
		for _, in := range n.Inputs() {
			below(in)
		}
	}
	below(n)
	VisitNode(n, func(e Expr, _ int) {
		if s, ok := e.(*Subquery); ok {
			below(s.Plan)
		}
	})
	return out
}

// Shift returns e with the columns of its own row moved: column i becomes
// to(i). Outer references of subqueries to that row move as well.
func Shift(e Expr, to func(i int) int) Expr {
	return Rewrite(e, func(e Expr, depth int) Expr { return shifted(e, depth, to) })
}

func shifted(e Expr, depth int, to func(i int) int) Expr {
	switch e := e.(type) {
	case *Col:
		if depth == 0 {
			return &Col{to(e.Index), e.Name, e.T}
		}
	case *Outer:
		if depth > 0 && e.Level == depth-1 {
			return &Outer{e.Level, to(e.Index), e.Name, e.T}
		}
	}
	return nil
}

// ColumnsOf calls f with every column of its own row that e refers to.
func ColumnsOf(e Expr, f func(i int)) {
	Visit(e, func(e Expr, depth int) {
		shifted(e, depth, func(i int) int { f(i); return i })
	})
}

// And returns the conjunction of conds; nil if there are none.
func And(conds ...Expr) Expr {
	var out []Expr
	for _, c := range conds {
		switch c := c.(type) {
		case nil:
		case *Logic:
			if !c.Or {
				out = append(out, c.Args...)
				continue
			}
			out = append(out, c)
		default:
			out = append(out, c)
		}
	}
	switch len(out) {
	case 0:
		return nil
	case 1:
		return out[0]
	}
	return &Logic{Args: out}
}

// Conjuncts is the inverse of And.
func Conjuncts(e Expr) []Expr {
	if e == nil {
		return nil
	}
	if l, ok := e.(*Logic); ok && !l.Or {
		var out []Expr
		for _, a := range l.Args {
			out = append(out, Conjuncts(a)...)
		}
		return out
	}
	return []Expr{e}
}
