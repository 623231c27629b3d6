package plan

import (
	"fmt"
	"strings"

	"github.com/weirdb/weir/internal/vec"
)

func join(es []Expr) string {
	out := make([]string, len(es))
	for i, e := range es {
		out[i] = e.String()
	}
	return strings.Join(out, ", ")
}

func (e *Col) String() string   { return fmt.Sprintf("#%d", e.Index) + name(e.Name) }
func (e *Outer) String() string { return fmt.Sprintf("outer%d#%d", e.Level, e.Index) + name(e.Name) }

func name(s string) string {
	if s == "" {
		return ""
	}
	return ":" + s
}

func (e *Const) String() string {
	if e.Value == nil {
		return "NULL"
	}
	v := vec.ConstOf(e.T, e.Value)
	s := string(vec.AppendText(nil, v, 0, nil))
	switch e.T.Kind {
	case vec.Bool, vec.Int16, vec.Int32, vec.Int64, vec.Float32, vec.Float64, vec.Decimal:
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}

func (e *Param) String() string { return fmt.Sprintf("$%d", e.N) }
func (e *Call) String() string  { return e.Fn.Name + "(" + join(e.Args) + ")" }

func (e *Logic) String() string {
	out := make([]string, len(e.Args))
	for i, a := range e.Args {
		out[i] = a.String()
	}
	if e.Or {
		return "(" + strings.Join(out, " OR ") + ")"
	}
	return "(" + strings.Join(out, " AND ") + ")"
}

func (e *Case) String() string {
	var b strings.Builder
	b.WriteString("CASE")
	for _, w := range e.Whens {
		fmt.Fprintf(&b, " WHEN %s THEN %s", w.Cond, w.Then)
	}
	if e.Else != nil {
		fmt.Fprintf(&b, " ELSE %s", e.Else)
	}
	return b.String() + " END"
}

func (e *Coalesce) String() string { return "coalesce(" + join(e.Args) + ")" }

func (e *IsNull) String() string {
	if e.Not {
		return e.X.String() + " IS NOT NULL"
	}
	return e.X.String() + " IS NULL"
}

func (e *In) String() string {
	out := make([]string, len(e.List))
	for i, v := range e.List {
		out[i] = (&Const{v, e.X.Type()}).String()
	}
	if e.HasNull {
		out = append(out, "NULL")
	}
	op := " IN ("
	if e.Not {
		op = " NOT IN ("
	}
	return e.X.String() + op + strings.Join(out, ", ") + ")"
}

func (e *Struct) String() string  { return "struct(" + join(e.Args) + ")" }
func (e *Array) String() string   { return "array[" + join(e.Args) + "]" }
func (e *MapOf) String() string   { return "map(" + join(e.Keys) + " => " + join(e.Values) + ")" }
func (e *FieldOf) String() string { return fmt.Sprintf("%s->%d", e.X, e.Index) }
func (e *Lambda) String() string {
	return "(" + strings.Join(e.Params, ", ") + ") => " + e.Body.String()
}
func (e *LambdaParam) String() string { return e.Name }

func (e *Subquery) String() string {
	k := [...]string{"scalar", "exists", "any", "all", "array"}[e.Kind]
	if e.X != nil {
		return fmt.Sprintf("%s %s %s(subquery)", e.X, e.Op.Name, k)
	}
	return k + "(subquery)"
}
