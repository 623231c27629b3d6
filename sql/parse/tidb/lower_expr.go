package tidb

import (
	tidb "github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/opcode"

	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/sql/ast"
)

var operators = map[opcode.Op]string{
	opcode.LogicAnd: "AND", opcode.LogicOr: "OR", opcode.GE: ">=", opcode.LE: "<=", opcode.EQ: "=", opcode.NE: "<>",
	opcode.LT: "<", opcode.GT: ">", opcode.Plus: "+", opcode.Minus: "-", opcode.Mul: "*", opcode.Div: "/", opcode.Mod: "%",
	opcode.Xor: "^", opcode.Or: "|", opcode.BitNeg: "~", opcode.Not: "NOT",
}

func (l *lowerer) exprs(ns []tidb.ExprNode) []ast.Expr {
	if len(ns) == 0 {
		return nil
	}
	xs := make([]ast.Expr, len(ns))
	for i, n := range ns {
		xs[i] = l.expr(n)
	}
	return xs
}

// opt lowers an expression that may be missing.
func (l *lowerer) opt(n tidb.ExprNode) ast.Expr {
	if word, _, _ := tagged(n); n == nil || word == tagNull {
		return nil
	}
	return l.expr(n)
}

// op gives the operator written, which for a stand-in is kept at its right operand.
func (l *lowerer) op(right tidb.Node, op opcode.Op) string {
	if o := l.at(right).op; o != "" {
		return o
	}
	return operators[op]
}

func (l *lowerer) expr(n tidb.ExprNode) ast.Expr {
	l.enter(n)
	defer l.leave()
	switch n := n.(type) {
	case *value:
		p := l.at(n)
		if p.kind != leaf {
			l.unknown(n)
		}
		return l.r.leaves[p.idx]
	case *tidb.ColumnNameExpr:
		t := l.thing(n.Name.Name.O)
		return &ast.Column{P: t.pos, Parts: t.path}
	case *tidb.ParenthesesExpr:
		return l.expr(n.Expr)
	case *tidb.BinaryOperationExpr:
		return l.binary(l.op(n.R, n.Op), n.L, n.R)
	case *tidb.UnaryOperationExpr:
		return &ast.Unary{P: l.pos(n), Op: operators[n.Op], X: l.expr(n.V)}
	case *tidb.IsNullExpr:
		return &ast.Is{P: l.pos(n), X: l.expr(n.Expr), What: ast.IsNull, Not: n.Not}
	case *tidb.IsTruthExpr:
		what := ast.IsFalse
		if n.True == 1 {
			what = ast.IsTrue
		}
		return &ast.Is{P: l.pos(n), X: l.expr(n.Expr), What: what, Not: n.Not}
	case *tidb.BetweenExpr:
		return &ast.Between{P: l.pos(n), X: l.expr(n.Expr), Lo: l.expr(n.Left), Hi: l.expr(n.Right), Not: n.Not,
			Symmetric: l.at(n.Left).op == "SYMMETRIC"}
	case *tidb.PatternInExpr:
		in := &ast.In{P: l.pos(n), X: l.expr(n.Expr), List: l.exprs(n.List), Not: n.Not}
		if n.Sel != nil {
			in.Query = l.query(n.Sel)
		}
		return in
	case *tidb.PatternLikeOrIlikeExpr:
		kind := ast.LikePattern
		if !n.IsLike {
			kind = ast.ILike
		}
		return l.like(&ast.Like{P: l.pos(n), Kind: kind, X: l.expr(n.Expr), Not: n.Not}, n.Pattern)
	case *tidb.PatternRegexpExpr:
		return l.like(&ast.Like{P: l.pos(n), Kind: ast.SimilarTo, X: l.expr(n.Expr), Not: n.Not}, n.Pattern)
	case *tidb.CaseExpr:
		c := &ast.Case{P: l.pos(n), X: l.opt(n.Value)}
		for _, w := range n.WhenClauses {
			c.Whens = append(c.Whens, ast.When{Cond: l.expr(w.Expr), Then: l.expr(w.Result)})
		}
		c.Else = l.opt(n.ElseClause)
		return c
	case *tidb.RowExpr:
		return &ast.Row{P: l.pos(n), Elems: l.exprs(n.Values)}
	case *tidb.SubqueryExpr:
		return &ast.Sub{P: l.pos(n), Query: l.query(n.Query)}
	case *tidb.ExistsSubqueryExpr:
		x := &ast.Sub{P: l.pos(n), Query: l.query(n.Sel), Exists: true}
		if n.Not {
			return &ast.Unary{P: x.P, Op: "NOT", X: x}
		}
		return x
	case *tidb.VariableExpr:
		return l.lambda(n)
	case *tidb.AggregateFuncExpr: // GROUP_CONCAT, to hold an ORDER BY
		word, _, x := tagged(n.Args[0])
		c := l.callOf(x)
		if word == tagGroup {
			c.WithinGroup = l.tail(n.Order).order
		} else {
			c.OrderBy = l.tail(n.Order).order
		}
		return c
	case *tidb.WindowFuncExpr: // COUNT, to hold an OVER
		c := l.callOf(n.Args[0])
		c.Over = l.window(&n.Spec)
		return c
	case *tidb.FuncCallExpr:
		return l.call(n)
	}
	l.unknown(n)
	return nil
}

func (l *lowerer) lambda(n *tidb.VariableExpr) ast.Expr {
	word, idx, x := tagged(n)
	if word != tagLambda {
		l.unknown(n)
	}
	return &ast.Lambda{P: l.pos(n), Params: l.r.lists[idx], Body: l.expr(x)}
}

// callOf lowers what must be a call: the rewriter puts these clauses on nothing else.
func (l *lowerer) callOf(n tidb.ExprNode) *ast.Call {
	c, ok := l.expr(n).(*ast.Call)
	if !ok {
		panic(pgerr.Newf(pgerr.SyntaxError, "a function call is needed here").At(int(l.pos(n))))
	}
	return c
}

func (l *lowerer) like(k *ast.Like, pattern tidb.ExprNode) ast.Expr {
	x := pattern
	for {
		p, ok := x.(*tidb.ParenthesesExpr)
		if !ok {
			break
		}
		x = p.Expr
	}
	if c, ok := x.(*tidb.FuncCallExpr); ok {
		switch "`" + c.FnName.O + "`" {
		case markEscape:
			k.Pat, k.Esc = l.expr(c.Args[0]), l.expr(c.Args[1])
			return k
		case markAny, markAll:
			op := k.Kind.String()
			if k.Not {
				op = "NOT " + op
			}
			return l.quant(op, k.X, c)
		}
	}
	k.Pat = l.expr(pattern)
	return k
}

func (l *lowerer) quant(op string, left ast.Expr, c *tidb.FuncCallExpr) *ast.Quant {
	q := &ast.Quant{P: ast.P(left.Pos()), Op: op, L: left, All: "`"+c.FnName.O+"`" == markAll}
	if s, ok := c.Args[0].(*tidb.SubqueryExpr); ok {
		q.Query = l.query(s.Query)
	} else {
		q.R = l.expr(c.Args[0])
	}
	return q
}

func (l *lowerer) binary(op string, left, right tidb.ExprNode) ast.Expr {
	x := l.expr(left)
	p := ast.P(x.Pos())
	if c, ok := right.(*tidb.FuncCallExpr); ok && (c.FnName.O == "$any" || c.FnName.O == "$all") {
		return l.quant(op, x, c)
	}
	if op == "AT TIME ZONE" {
		return &ast.AtZone{P: p, X: x, Zone: l.expr(right)}
	}
	return &ast.Binary{P: p, Op: op, L: x, R: l.expr(right)}
}

// call lowers a mark or a function call.
func (l *lowerer) call(n *tidb.FuncCallExpr) ast.Expr {
	p, a := l.pos(n), n.Args
	switch "`" + n.FnName.O + "`" {
	case "`concat`": // MySQL's a || b, written for AT TIME ZONE alone
		return l.binary(l.at(a[1]).op, a[0], a[1])
	case markCast, markTryCast:
		return &ast.Cast{P: p, X: l.expr(a[0]), T: l.r.types[l.num(a[1])], Try: n.FnName.O == "$trycast"}
	case markIndex:
		return &ast.Index{P: p, X: l.expr(a[0]), I: l.expr(a[1])}
	case markSlice:
		return &ast.Slice{P: p, X: l.expr(a[0]), Lo: l.opt(a[1]), Hi: l.opt(a[2])}
	case markField:
		return &ast.Field{P: p, X: l.expr(a[0]), Name: l.r.names[l.num(a[1])].path[0]}
	case markFields:
		return &ast.Field{P: p, X: l.expr(a[0]), Star: true}
	case markCollate:
		return &ast.Collate{P: p, X: l.expr(a[0]), Name: l.r.names[l.num(a[1])].path}
	case markArray:
		return &ast.Array{P: p, Elems: l.exprs(a)}
	case markArrayQuery:
		return &ast.ArrayQ{P: p, Query: l.query(a[0])}
	case markMap:
		m := &ast.MapLit{P: p}
		for i := 0; i < len(a); i += 2 {
			m.Keys, m.Vals = append(m.Keys, l.expr(a[i])), append(m.Vals, l.expr(a[i+1]))
		}
		return m
	case markStruct:
		m := &ast.StructLit{P: p}
		for i := 0; i < len(a); i += 2 {
			m.Names, m.Vals = append(m.Names, l.r.names[l.num(a[i])].path[0]), append(m.Vals, l.expr(a[i+1]))
		}
		return m
	case markRow:
		return &ast.Row{P: p, Elems: l.exprs(a), Explicit: true}
	case markEmpty:
		return &ast.GroupSets{P: p}
	case markRollup:
		return &ast.GroupSets{P: p, Kind: ast.Rollup, Sets: l.exprs(a)}
	case markCube:
		return &ast.GroupSets{P: p, Kind: ast.Cube, Sets: l.exprs(a)}
	case markSets:
		return &ast.GroupSets{P: p, Kind: ast.GroupingSets, Sets: l.exprs(a)}
	case markFilter:
		c := l.callOf(a[0])
		c.Filter = l.expr(a[1])
		return c
	case markIgnoreNulls:
		c := l.callOf(a[0])
		c.IgnoreNulls = true
		return c
	case markAny, markAll: // after an operator that takes none
		panic(pgerr.Newf(pgerr.SyntaxError, "ANY and ALL need a comparison operator").At(int(p)))
	}
	t := l.thing(n.FnName.O)
	c := &ast.Call{P: t.pos, Name: t.path}
	for _, x := range a {
		for {
			word, _, inner := tagged(x)
			if word == tagDistinct {
				c.Distinct = true
			} else if word == tagVariadic {
				c.Variadic = true
			} else {
				break
			}
			x = inner
		}
		c.Args = append(c.Args, l.expr(x))
	}
	return c
}
