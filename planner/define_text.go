package planner

import (
	"strings"

	"github.com/weirdb/weir/sql/ast"
)

// exprText writes an expression as SQL that means the same, in the way that
// ksqlDB's messages do. It knows the forms that stand in DEFAULT and ON; false
// is for the rest.
func exprText(e ast.Expr, d ast.Dialect) (string, bool) {
	w := &exprWriter{d: d, ok: true}
	w.expr(e)
	return w.b.String(), w.ok
}

type exprWriter struct {
	b  strings.Builder
	d  ast.Dialect
	ok bool
}

func (w *exprWriter) s(parts ...string) {
	for _, p := range parts {
		w.b.WriteString(p)
	}
}

func (w *exprWriter) list(es []ast.Expr) {
	for i, e := range es {
		if i > 0 {
			w.s(", ")
		}
		w.expr(e)
	}
}

func (w *exprWriter) name(n ast.Name) {
	if w.d.Fold(n.S) == n.S && plainName(n.S) {
		w.s(n.S)
		return
	}
	quote := `"`
	if w.d == ast.KSQL {
		quote = "`"
	}
	w.s(quote, strings.ReplaceAll(n.S, quote, quote+quote), quote)
}

func plainName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !(c == '_' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || i > 0 && c >= '0' && c <= '9') {
			return false
		}
	}
	return s != ""
}

func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func (w *exprWriter) expr(e ast.Expr) {
	switch e := e.(type) {
	case *ast.Column:
		for i, n := range e.Parts {
			if i > 0 {
				w.s(".")
			}
			w.name(n)
		}
	case *ast.Number:
		w.s(e.Text)
	case *ast.String:
		w.s(quoted(e.V))
	case *ast.Bool:
		w.s(map[bool]string{true: "true", false: "false"}[e.V])
	case *ast.Null:
		w.s("null")
	case *ast.Typed:
		w.typ(e.Type)
		w.s(" ", quoted(e.V))
		if e.Unit != "" {
			w.s(" ", e.Unit)
		}
	case *ast.Unary:
		w.s(e.Op)
		if e.Op == "NOT" {
			w.s(" ")
		}
		w.expr(e.X)
	case *ast.Binary:
		w.s("(")
		w.expr(e.L)
		w.s(" ", e.Op, " ")
		w.expr(e.R)
		w.s(")")
	case *ast.Cast:
		w.s("CAST(")
		w.expr(e.X)
		w.s(" AS ")
		w.typ(e.T)
		w.s(")")
	case *ast.Call:
		w.call(e)
	case *ast.Array:
		w.s("ARRAY[")
		w.list(e.Elems)
		w.s("]")
	case *ast.Field:
		w.expr(e.X)
		w.s("->")
		w.name(e.Name)
	case *ast.Index:
		w.expr(e.X)
		w.s("[")
		w.expr(e.I)
		w.s("]")
	default:
		w.ok = false
	}
}

func (w *exprWriter) call(e *ast.Call) {
	if e.Over != nil || e.Filter != nil || e.Distinct || e.Variadic || len(e.OrderBy)+len(e.WithinGroup) > 0 {
		w.ok = false
		return
	}
	for i, n := range e.Name {
		if i > 0 {
			w.s(".")
		}
		w.name(n)
	}
	if e.NoParens {
		return
	}
	w.s("(")
	w.list(e.Args)
	w.s(")")
}

func (w *exprWriter) typ(t ast.Type) {
	if t.Key != nil || t.Fields != nil {
		w.ok = false
		return
	}
	if t.Elem != nil {
		w.typ(*t.Elem)
		for range max(t.Dims, 1) {
			w.s("[]")
		}
		return
	}
	w.s(t.Name.S)
	if len(t.Args) > 0 {
		w.s("(", strings.Join(t.Args, ", "), ")")
	}
}
