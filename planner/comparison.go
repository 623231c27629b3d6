package planner

import (
	"strings"

	"github.com/weirdb/weir/internal/fn"
	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
	"github.com/weirdb/weir/sql/ast"
)

// comparisonNames are ksqlDB's names of the comparisons, for its messages.
var comparisonNames = map[string]string{
	"=": "EQUAL", "<>": "NOT_EQUAL", "!=": "NOT_EQUAL",
	"<": "LESS_THAN", "<=": "LESS_THAN_OR_EQUAL", ">": "GREATER_THAN", ">=": "GREATER_THAN_OR_EQUAL",
}

func isComparison(op string) bool { return comparisonNames[op] != "" }

// compare applies a comparison to l and r, which le and re have been bound to.
func (x *exprs) compare(op string, l, r plan.Expr, le, re ast.Expr, pos int) (plan.Expr, error) {
	if x.env.Dialect != ast.KSQL {
		return x.apply(op, []plan.Expr{l, r}, pos)
	}
	lt, rt := operandKind(l), operandKind(r)
	if !comparable(op, lt, rt) {
		return nil, pgerr.Newf(pgerr.DatatypeMismatch, "Error in %s expression: Cannot compare %s (%s) to %s (%s) with %s.",
			x.clause, words(le), operandType(l), words(re), operandType(r), comparisonNames[op]).At(pos)
	}
	if isTime(lt) || isTime(rt) { // texts become times, dates timestamps
		t := vec.Of(lt)
		if !isTime(lt) || lt == vec.Date && rt == vec.Timestamp {
			t = vec.Of(rt)
		}
		var err error
		if l, err = x.coerce(l, t, fn.Explicit, pos); err != nil {
			return nil, err
		}
		if r, err = x.coerce(r, t, fn.Explicit, pos); err != nil {
			return nil, err
		}
	}
	return x.apply(op, []plan.Expr{l, r}, pos)
}

// operandKind is e's kind; string literals are STRINGs.
func operandKind(e plan.Expr) vec.Kind {
	if c, ok := e.(*plan.Const); ok && c.T.Kind == vec.Unknown && c.Value != nil {
		return vec.Text
	}
	return e.Type().Kind
}

func operandType(e plan.Expr) string {
	switch k := operandKind(e); k {
	case vec.Unknown:
		return "null"
	case vec.Text:
		return vec.Of(k).KSQL()
	}
	return e.Type().KSQL()
}

func isTime(k vec.Kind) bool { return k == vec.Date || k == vec.Time || k == vec.Timestamp }

// comparable is ksqlDB's ComparisonUtil. It leaves kinds that ksqlDB does not
// have, and parameters, to the operators there are.
func comparable(op string, l, r vec.Kind) bool {
	group := func(k vec.Kind) byte {
		switch k {
		case vec.Int16, vec.Int32, vec.Int64, vec.Decimal, vec.Float32, vec.Float64:
			return 'n'
		case vec.Text:
			return 's'
		case vec.Date, vec.Time, vec.Timestamp:
			return 't'
		case vec.Bool, vec.Bytes, vec.Array, vec.Map, vec.Struct:
			return byte('A' + k)
		}
		return 0
	}
	lg, rg := group(l), group(r)
	switch {
	case lg == 0 || rg == 0:
		return true
	case lg == 't' && rg == 's', lg == 's' && rg == 't':
		return true
	case lg != rg:
		return false
	case lg == 't':
		return l == r || l != vec.Time && r != vec.Time
	case l == vec.Bool || isNested(l):
		return op == "=" || op == "<>" || op == "!="
	}
	return true
}

// unifyLiterals finds the type that all have in common, as ksqlDB's
// CoercionUtil does: literals take the type that the others ask for. It returns
// the expressions with their literals turned into it; the caller casts the rest.
func (x *exprs) unifyLiterals(es []plan.Expr) ([]plan.Expr, vec.Type, bool) {
	d := x.env.FnDialect()
	var all, firm []vec.Type
	for _, e := range es {
		all = append(all, e.Type())
		if !isLiteral(e) {
			firm = append(firm, e.Type())
		}
	}
	t, err := fn.CommonType(d, "", all)
	if err != nil {
		if len(firm) == 0 { // the first literal decides
			firm = all[:1]
		}
		if t, err = fn.CommonType(d, "", firm); err != nil {
			return es, t, false
		}
	}
	out := append([]plan.Expr{}, es...)
	for i, e := range out {
		out[i] = literalFor(e, t)
		if u, err := fn.CommonType(d, "", []vec.Type{t, out[i].Type()}); err == nil {
			t = u
		}
	}
	for _, e := range out {
		if !castable(e.Type(), t, d) {
			return es, t, false
		}
	}
	return out, t, true
}

// isLiteral tells whether e is a constant, or an array of them.
func isLiteral(e plan.Expr) bool {
	switch e := e.(type) {
	case *plan.Const:
		return true
	case *plan.Array:
		for _, a := range e.Args {
			if !isLiteral(a) {
				return false
			}
		}
		return true
	}
	return false
}

// literalFor reads a text literal as a number where t is one, and a number as
// text where t is text.
func literalFor(e plan.Expr, t vec.Type) plan.Expr {
	switch e := e.(type) {
	case *plan.Const:
		s, isText := e.Value.(string)
		switch k := operandKind(e); {
		case isText && k == vec.Text && (t.IsInteger() || t.Kind == vec.Decimal || t.Kind == vec.Float64):
			if n, err := number(&ast.Number{Text: strings.TrimSpace(s)}, ast.KSQL); err == nil {
				return n
			}
		case t.Kind == vec.Text && k != vec.Text && e.Value != nil && !isNested(k):
			return &plan.Const{Value: string(vec.AppendTextValue(nil, e.T, e.Value, nil)), T: t}
		}
	case *plan.Array:
		if t.Kind != vec.Array || e.T.Equal(t) {
			return e
		}
		out := &plan.Array{T: vec.ArrayOf(*t.Elem)}
		for _, a := range e.Args {
			a = literalFor(a, *t.Elem)
			if c, ok := a.(*plan.Const); ok && c.Value == nil {
				a = &plan.Const{T: *t.Elem}
			}
			if !a.Type().Equal(*t.Elem) {
				if c, ok := a.(*plan.Const); !ok || !c.T.IsInteger() || !t.Elem.IsInteger() || t.Elem.Kind < c.T.Kind {
					return e
				}
				a = retyped(a, *t.Elem)
			}
			out.Args = append(out.Args, a)
		}
		return out
	}
	return e
}

// allNull tells whether all are NULL and no cast says of which type.
func allNull(es []plan.Expr) bool {
	for _, e := range es {
		if c, ok := e.(*plan.Const); !ok || c.Value != nil || c.T.Kind != vec.Unknown {
			return false
		}
	}
	return true
}

func isArithmetic(op string) bool {
	return op == "+" || op == "-" || op == "*" || op == "/" || op == "%"
}

// words is e as ksqlDB's messages show it.
func words(e ast.Expr) string {
	s, ok := exprText(e, ast.KSQL)
	if !ok {
		return "the expression"
	}
	return s
}
