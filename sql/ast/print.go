package ast

import (
	"strconv"
	"strings"
)

// Format prints a statement, query, table or expression in one canonical way that
// parses back, in the same dialect, to the same tree.
func Format(n Node, d Dialect) string {
	p := printer{d: d}
	switch n := n.(type) {
	case nil:
	case Expr:
		p.expr(n)
	case Query:
		p.query(n)
	case Table:
		p.table(n)
	case Stmt:
		p.stmt(n)
	}
	return p.String()
}

// FormatType prints a type.
func FormatType(t Type, d Dialect) string {
	p := printer{d: d}
	p.typ(t)
	return p.String()
}

// FormatName prints an identifier, in quotes if it needs them.
func FormatName(n Name, d Dialect) string {
	p := printer{d: d}
	p.name(n)
	return p.String()
}

type printer struct {
	strings.Builder
	d Dialect
}

func (p *printer) put(ss ...string) {
	for _, s := range ss {
		p.WriteString(s)
	}
}

func (p *printer) opt(ok bool, s string) {
	if ok {
		p.WriteString(s)
	}
}

func (p *printer) name(n Name) {
	if !n.Quoted && bare(n.S) && p.d.Fold(n.S) == n.S {
		p.WriteString(n.S)
		return
	}
	p.put(`"`, strings.ReplaceAll(n.S, `"`, `""`), `"`)
}

// bare says that s can be written without quotes, but for its case.
func bare(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		letter := c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' || c >= 0x80
		if !letter && (i == 0 && (c < '0' || c > '9') || i > 0 && c != '$' && c != '@' && (c < '0' || c > '9')) {
			return false
		}
	}
	return s != ""
}

func (p *printer) path(ns []Name) {
	for i, n := range ns {
		p.opt(i > 0, ".")
		p.name(n)
	}
}

func (p *printer) names(ns []Name) {
	p.put("(")
	for i, n := range ns {
		p.opt(i > 0, ", ")
		p.name(n)
	}
	p.put(")")
}

func (p *printer) str(s string) { p.put("'", strings.ReplaceAll(s, "'", "''"), "'") }

func (p *printer) exprs(xs []Expr) {
	for i, x := range xs {
		p.opt(i > 0, ", ")
		p.expr(x)
	}
}

func (p *printer) list(xs []Expr) {
	p.put("(")
	p.exprs(xs)
	p.put(")")
}

func (p *printer) orders(os []Order) {
	for i, o := range os {
		p.opt(i > 0, ", ")
		p.expr(o.X)
		p.opt(o.Desc, " DESC")
		p.opt(o.Nulls != NullsDefault, " "+o.Nulls.String())
	}
}

// Ranks of expressions, as the operators bind; an operand of a lower one needs
// parentheses.
const (
	rankOr = iota + 1
	rankAnd
	rankNot
	rankIs
	rankCompare
	rankLike
	rankOther
	rankAdd
	rankMultiply
	rankPower
	rankZone
	rankPrimary
)

func rank(x Expr) int {
	switch x := x.(type) {
	case *Unary:
		if x.Op == "NOT" {
			return rankNot
		}
		return rankMultiply // tighter than that, but -a ^ b is hard to read
	case *Binary:
		return rankOf(x.Op)
	case *Is:
		return rankIs
	case *Between, *In, *Like:
		return rankLike
	case *Quant:
		return rankCompare
	case *AtZone:
		return rankZone
	case *Collate:
		return rankZone
	case *Lambda, *NamedArg:
		return 0
	}
	return rankPrimary
}

func rankOf(op string) int {
	switch op {
	case "OR":
		return rankOr
	case "AND":
		return rankAnd
	case "IS DISTINCT FROM", "IS NOT DISTINCT FROM":
		return rankIs
	case "=", "<", ">", "<=", ">=", "<>":
		return rankCompare
	case "+", "-":
		return rankAdd
	case "*", "/", "%":
		return rankMultiply
	case "^":
		return rankPower
	}
	return rankOther
}

// operand prints x, in parentheses unless it binds at least as min.
func (p *printer) operand(x Expr, min int) {
	if rank(x) >= min {
		p.expr(x)
		return
	}
	p.put("(")
	p.expr(x)
	p.put(")")
}

func (p *printer) binary(x *Binary) {
	r := rankOf(x.Op)
	left, right := r, r+1
	switch {
	case r == rankOther && x.Op != "||" && x.Op != "|": // +, = … inside OPERATOR() have lost their rank
		left = r + 1
	case r == rankCompare || r == rankIs: // MySQL's grammar, below ours, has its own idea of these
		left, right = rankOther, rankOther
	}
	p.operand(x.L, left)
	p.put(" ", x.Op, " ")
	p.operand(x.R, right)
}

func (p *printer) expr(x Expr) {
	switch x := x.(type) {
	case *Column:
		p.path(x.Parts)
	case *Star:
		for _, n := range x.Qual {
			p.name(n)
			p.put(".")
		}
		p.put("*")
	case *Number:
		p.put(x.Text)
	case *String:
		p.str(x.V)
	case *Bits:
		p.put(strings.ToUpper(x.V[:1]), "'", x.V[1:], "'")
	case *Bool:
		p.put(strings.ToUpper(strconv.FormatBool(x.V)))
	case *Null:
		p.put("NULL")
	case *Default:
		p.put("DEFAULT")
	case *Param:
		p.put("$", strconv.Itoa(x.N))
	case *Var:
		p.put("${", x.Name, "}")
	case *Typed:
		p.typ(x.Type)
		p.put(" ")
		p.str(x.V)
		p.opt(x.Unit != "", " "+x.Unit)
	case *Unary:
		p.put(x.Op)
		p.opt(x.Op == "NOT", " ")
		p.operand(x.X, rankPrimary)
	case *Binary:
		p.binary(x)
	case *Is:
		p.operand(x.X, rankOther)
		p.put(" IS ")
		p.opt(x.Not, "NOT ")
		p.put(x.What.String())
	case *Between:
		p.operand(x.X, rankOther)
		p.opt(x.Not, " NOT")
		p.put(" BETWEEN ")
		p.opt(x.Symmetric, "SYMMETRIC ")
		p.operand(x.Lo, rankOther)
		p.put(" AND ")
		p.operand(x.Hi, rankOther)
	case *In:
		p.operand(x.X, rankOther)
		p.opt(x.Not, " NOT")
		p.put(" IN ")
		p.queryOr(x.Query, x.List...)
	case *Like:
		p.operand(x.X, rankOther)
		p.opt(x.Not, " NOT")
		p.put(" ", x.Kind.String(), " ")
		p.operand(x.Pat, rankOther)
		if x.Esc != nil {
			p.put(" ESCAPE ")
			p.operand(x.Esc, rankOther)
		}
	case *Quant:
		p.operand(x.L, rankOther)
		p.put(" ", x.Op, " ")
		if x.All {
			p.put("ALL ")
		} else {
			p.put("ANY ")
		}
		if x.Query != nil {
			p.sub(x.Query)
		} else {
			p.list([]Expr{x.R})
		}
	case *Case:
		p.put("CASE")
		if x.X != nil {
			p.put(" ")
			p.expr(x.X)
		}
		for _, w := range x.Whens {
			p.put(" WHEN ")
			p.expr(w.Cond)
			p.put(" THEN ")
			p.expr(w.Then)
		}
		if x.Else != nil {
			p.put(" ELSE ")
			p.expr(x.Else)
		}
		p.put(" END")
	case *Cast:
		p.opt(x.Try, "TRY_")
		p.put("CAST(")
		p.expr(x.X)
		p.put(" AS ")
		p.typ(x.T)
		p.put(")")
	case *Call:
		p.call(x)
	default:
		p.composed(x)
	}
}

// composed prints the expressions that are not operators: collections, fields, queries.
func (p *printer) composed(x Expr) {
	switch x := x.(type) {
	case *NamedArg:
		p.name(x.Name)
		p.put(" => ")
		p.expr(x.X)
	case *Lambda:
		if len(x.Params) == 1 {
			p.name(x.Params[0])
		} else {
			p.names(x.Params)
		}
		p.put(" => ")
		p.expr(x.Body)
	case *Array:
		p.put("ARRAY[")
		p.exprs(x.Elems)
		p.put("]")
	case *ArrayQ:
		p.put("ARRAY")
		p.sub(x.Query)
	case *MapLit:
		p.put("MAP(")
		for i := range x.Keys {
			p.opt(i > 0, ", ")
			p.expr(x.Keys[i])
			p.put(" := ")
			p.expr(x.Vals[i])
		}
		p.put(")")
	case *StructLit:
		p.put("STRUCT(")
		for i := range x.Names {
			p.opt(i > 0, ", ")
			p.name(x.Names[i])
			p.put(" := ")
			p.expr(x.Vals[i])
		}
		p.put(")")
	case *Row:
		p.opt(x.Explicit, "ROW")
		p.list(x.Elems)
	case *Index:
		p.operand(x.X, rankPrimary)
		p.put("[")
		p.expr(x.I)
		p.put("]")
	case *Slice:
		p.operand(x.X, rankPrimary)
		p.put("[")
		if x.Lo != nil {
			p.expr(x.Lo)
		}
		p.put(":")
		if x.Hi != nil {
			p.expr(x.Hi)
		}
		p.put("]")
	case *Field:
		p.operand(x.X, rankPrimary)
		p.put("->")
		if x.Star {
			p.put("*")
		} else {
			p.name(x.Name)
		}
	case *AtZone:
		p.operand(x.X, rankZone)
		p.put(" AT TIME ZONE ")
		p.operand(x.Zone, rankPrimary)
	case *Collate:
		p.operand(x.X, rankPrimary)
		p.put(" COLLATE ")
		p.path(x.Name)
	case *Sub:
		p.opt(x.Exists, "EXISTS ")
		p.sub(x.Query)
	case *GroupSets:
		p.opt(x.Kind != GroupEmpty, x.Kind.String()+" ")
		p.list(x.Sets)
	}
}

func (p *printer) sub(q Query) {
	p.put("(")
	p.query(q)
	p.put(")")
}

func (p *printer) queryOr(q Query, xs ...Expr) {
	if q != nil {
		p.sub(q)
		return
	}
	p.list(xs)
}

func (p *printer) call(x *Call) {
	p.path(x.Name)
	if x.NoParens {
		return
	}
	p.put("(")
	p.opt(x.Distinct, "DISTINCT ")
	for i, a := range x.Args {
		p.opt(i > 0, ", ")
		p.opt(x.Variadic && i == len(x.Args)-1, "VARIADIC ")
		p.expr(a)
	}
	if x.OrderBy != nil {
		p.put(" ORDER BY ")
		p.orders(x.OrderBy)
	}
	p.put(")")
	if x.WithinGroup != nil {
		p.put(" WITHIN GROUP (ORDER BY ")
		p.orders(x.WithinGroup)
		p.put(")")
	}
	if x.Filter != nil {
		p.put(" FILTER (WHERE ")
		p.expr(x.Filter)
		p.put(")")
	}
	p.opt(x.IgnoreNulls, " IGNORE NULLS")
	if x.Over != nil {
		p.put(" OVER ")
		if !x.Over.Name.IsZero() {
			p.name(x.Over.Name)
		} else {
			p.window(x.Over)
		}
	}
}

// window prints a window without its name.
func (p *printer) window(w *Window) {
	p.put("(")
	sep := ""
	if !w.Ref.IsZero() {
		p.name(w.Ref)
		sep = " "
	}
	if w.Partition != nil {
		p.put(sep, "PARTITION BY ")
		p.exprs(w.Partition)
		sep = " "
	}
	if w.OrderBy != nil {
		p.put(sep, "ORDER BY ")
		p.orders(w.OrderBy)
		sep = " "
	}
	if f := w.Frame; f != nil {
		p.put(sep, f.Unit.String(), " BETWEEN ")
		p.bound(f.From)
		p.put(" AND ")
		p.bound(f.To)
		p.opt(f.Exclude != ExcludeNoOthers, " EXCLUDE "+f.Exclude.String())
	}
	p.put(")")
}

func (p *printer) bound(b Bound) {
	if b.X != nil {
		p.operand(b.X, rankOther)
		p.put(" ")
	}
	p.put(b.Kind.String())
}

func (p *printer) typ(t Type) {
	switch {
	case t.Elem != nil && t.Dims > 0:
		p.typ(*t.Elem)
		p.put(strings.Repeat("[]", t.Dims))
		return
	case t.Elem != nil:
		p.put("ARRAY<")
		p.typ(*t.Elem)
		p.put(">")
		return
	case t.Value != nil:
		p.put("MAP<")
		p.typ(*t.Key)
		p.put(", ")
		p.typ(*t.Value)
		p.put(">")
		return
	case t.IsStruct():
		p.put("STRUCT<")
		for i, f := range t.Fields {
			p.opt(i > 0, ", ")
			p.name(f.Name)
			p.put(" ")
			p.typ(f.Type)
		}
		p.put(">")
		return
	}
	if !t.Schema.IsZero() {
		p.name(t.Schema)
		p.put(".")
	}
	p.name(t.Name)
	p.opt(t.Unit != "", " "+t.Unit)
	if t.Args != nil {
		p.put("(", strings.Join(t.Args, ", "), ")")
	}
}
