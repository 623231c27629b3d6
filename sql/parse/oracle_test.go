package parse_test

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/weirdb/weir/sql/ast"
	"github.com/weirdb/weir/sql/parse"
)

// dump renders a query in the form of the recorded trees of PostgreSQL's grammar.
func dump(q ast.Query) string { var d dumper; d.query(q); return d.String() }

type dumper struct{ strings.Builder }

func names(ns []ast.Name) string {
	var s []string
	for _, n := range ns {
		s = append(s, nameOf(n))
	}
	return strings.Join(s, ".")
}
func (d *dumper) p(f string, a ...any) { fmt.Fprintf(d, f, a...) }
func (d *dumper) list(xs []ast.Expr) {
	for _, x := range xs {
		d.p(" ")
		d.expr(x)
	}
}
func (d *dumper) orders(tag string, os []ast.Order) {
	if len(os) == 0 {
		return
	}
	d.p(" (%s", tag)
	for _, o := range os {
		d.p(" (")
		d.expr(o.X)
		if o.Desc {
			d.p(" desc")
		}
		if o.Nulls != ast.NullsDefault {
			d.p(" nulls%s", map[ast.NullsOrder]string{ast.NullsFirst: "first", ast.NullsLast: "last"}[o.Nulls])
		}
		d.p(")")
	}
	d.p(")")
}

func not(b bool) string {
	if b {
		return "not"
	}
	return ""
}

func (d *dumper) op(name string, xs ...ast.Expr) {
	d.p("(%s", name)
	d.list(xs)
	d.p(")")
}

func (d *dumper) expr(x ast.Expr) {
	switch x := x.(type) {
	case nil:
		d.p("NIL")
	case *ast.Column:
		d.p("%s", names(x.Parts))
	case *ast.Star:
		if len(x.Qual) > 0 {
			d.p("%s.*", names(x.Qual))
		} else {
			d.p("*")
		}
	case *ast.Number:
		d.p("%s", x.Text)
	case *ast.String:
		d.p("'%s'", strings.ReplaceAll(x.V, "'", "''"))
	case *ast.Bits:
		d.p("(bits %s)", x.V)
	case *ast.Bool:
		d.p("%v", x.V)
	case *ast.Null:
		d.p("null")
	case *ast.Default:
		d.p("default")
	case *ast.Param:
		d.p("$%d", x.N)
	case *ast.Var:
		d.p("${%s}", x.Name)
	case *ast.Typed:
		d.p("(cast '%s')", strings.ReplaceAll(x.V, "'", "''"))
	case *ast.Unary:
		switch x.Op {
		case "NOT":
			d.op("not", x.X)
		default:
			d.op("u"+x.Op, x.X)
		}
	case *ast.Binary:
		op := x.Op
		switch op {
		case "AND", "OR":
			op = strings.ToLower(op)
		case "IS DISTINCT FROM":
			op = "distinct"
		case "IS NOT DISTINCT FROM":
			op = "notdistinct"
		}
		d.op(op, x.L, x.R)
	case *ast.Is:
		d.op("is"+not(x.Not)+strings.ToLower(x.What.String()), x.X)
	case *ast.Between:
		s := ""
		if x.Symmetric {
			s = "sym"
		}
		d.op(not(x.Not)+"between"+s, x.X, x.Lo, x.Hi)
	case *ast.In:
		d.p("(%sin ", not(x.Not))
		d.expr(x.X)
		if x.Query != nil {
			d.p(" ")
			d.query(x.Query)
		}
		d.list(x.List)
		d.p(")")
	case *ast.Like:
		xs := []ast.Expr{x.X, x.Pat}
		if x.Esc != nil {
			xs = append(xs, x.Esc)
		}
		d.op(not(x.Not)+strings.ToLower(strings.TrimSuffix(x.Kind.String(), " TO")), xs...)
	case *ast.Quant:
		k := "any"
		if x.All {
			k = "all"
		}
		d.p("(%s %s ", k, x.Op)
		d.expr(x.L)
		d.p(" ")
		if x.Query != nil {
			d.query(x.Query)
		} else {
			d.expr(x.R)
		}
		d.p(")")
	case *ast.Case:
		d.p("(case")
		if x.X != nil {
			d.p(" ")
			d.expr(x.X)
		}
		for _, w := range x.Whens {
			d.p(" (when ")
			d.expr(w.Cond)
			d.p(" ")
			d.expr(w.Then)
			d.p(")")
		}
		if x.Else != nil {
			d.p(" (else ")
			d.expr(x.Else)
			d.p(")")
		}
		d.p(")")
	case *ast.Cast:
		d.p("(cast ")
		d.expr(x.X)
		d.p(")")
	case *ast.Call:
		d.p("(call %s", names(x.Name))
		if x.Distinct {
			d.p(" distinct")
		}
		d.list(x.Args)
		d.orders("orderby", x.OrderBy)
		d.orders("withingroup", x.WithinGroup)
		if x.Filter != nil {
			d.p(" (filter ")
			d.expr(x.Filter)
			d.p(")")
		}
		if x.IgnoreNulls {
			d.p(" ignorenulls")
		}
		if x.Over != nil {
			d.p(" (over")
			d.window(x.Over)
			d.p(")")
		}
		d.p(")")
	case *ast.NamedArg:
		d.p("(arg %s ", nameOf(x.Name))
		d.expr(x.X)
		d.p(")")
	case *ast.Lambda:
		var s []string
		for _, n := range x.Params {
			s = append(s, nameOf(n))
		}
		d.p("(lambda (%s) ", strings.Join(s, " "))
		d.expr(x.Body)
		d.p(")")
	case *ast.Array:
		d.op("array", x.Elems...)
	case *ast.ArrayQ:
		d.p("(arrayq ")
		d.query(x.Query)
		d.p(")")
	case *ast.MapLit:
		d.p("(map")
		for i := range x.Keys {
			d.list([]ast.Expr{x.Keys[i], x.Vals[i]})
		}
		d.p(")")
	case *ast.StructLit:
		d.p("(struct")
		for i := range x.Names {
			d.p(" %s", nameOf(x.Names[i]))
			d.list([]ast.Expr{x.Vals[i]})
		}
		d.p(")")
	case *ast.Row:
		d.op("row", x.Elems...)
	case *ast.Index:
		d.op("idx", x.X, x.I)
	case *ast.Slice:
		d.op("slice", x.X, x.Lo, x.Hi)
	case *ast.Field:
		if x.Star {
			d.op("->*", x.X)
		} else {
			d.p("(-> ")
			d.expr(x.X)
			d.p(" %s)", nameOf(x.Name))
		}
	case *ast.AtZone:
		d.op("attz", x.X, x.Zone)
	case *ast.Collate:
		d.p("(collate ")
		d.expr(x.X)
		d.p(" %s)", names(x.Name))
	case *ast.Sub:
		if x.Exists {
			d.p("(exists ")
		} else {
			d.p("(sub ")
		}
		d.query(x.Query)
		d.p(")")
	case *ast.GroupSets:
		d.op(map[ast.GroupKind]string{ast.GroupEmpty: "empty", ast.GroupingSets: "sets", ast.Rollup: "rollup", ast.Cube: "cube"}[x.Kind], x.Sets...)
	default:
		d.p("?%T", x)
	}
}

func (d *dumper) window(w *ast.Window) {
	if w.Name.S != "" {
		d.p(" %s", nameOf(w.Name))
	}
	if w.Ref.S != "" {
		d.p(" ref %s", nameOf(w.Ref))
	}
	if len(w.Partition) > 0 {
		d.p(" (partition")
		d.list(w.Partition)
		d.p(")")
	}
	d.orders("orderby", w.OrderBy)
	if f := w.Frame; f != nil {
		d.p(" (%s", strings.ToLower(f.Unit.String()))
		for _, b := range []ast.Bound{f.From, f.To} {
			d.p(" (%s", strings.ToLower(b.Kind.String()))
			if b.X != nil {
				d.list([]ast.Expr{b.X})
			}
			d.p(")")
		}
		d.p(")")
	}
}

func (d *dumper) alias(a ast.Name, cols []ast.Name) {
	if a.S != "" {
		d.p(" %s", nameOf(a))
	}
	for _, c := range cols {
		d.p(" %s", nameOf(c))
	}
}

func (d *dumper) table(t ast.Table) {
	switch t := t.(type) {
	case *ast.TableName:
		if t.Alias.S != "" || len(t.Cols) > 0 {
			d.p("(as %s", names(t.Name))
			d.alias(t.Alias, t.Cols)
			d.p(")")
		} else {
			d.p("%s", names(t.Name))
		}
		if t.AsOf != nil {
			d.p(" (asof ")
			d.expr(t.AsOf)
			d.p(")")
		}
	case *ast.Derived:
		d.p("(derived ")
		if t.Lateral {
			d.p("lateral ")
		}
		d.query(t.Query)
		d.alias(t.Alias, t.Cols)
		d.p(")")
	case *ast.TableFunc:
		d.p("(tablefunc ")
		if t.Lateral {
			d.p("lateral ")
		}
		d.expr(t.Call)
		if t.Ordinality {
			d.p(" ordinality")
		}
		d.alias(t.Alias, t.Cols)
		d.p(")")
	case *ast.Join:
		n := ""
		if t.Natural {
			n = "natural"
		}
		d.p("(%s%s ", n, strings.ToLower(t.Kind.String()))
		d.table(t.L)
		d.p(" ")
		d.table(t.R)
		if t.On != nil {
			d.p(" (on ")
			d.expr(t.On)
			d.p(")")
		}
		if len(t.Using) > 0 {
			d.p(" (using %s)", names(t.Using))
		}
		d.p(")")
	default:
		d.p("?%T", t)
	}
}

func (d *dumper) with(w *ast.With) {
	if w == nil {
		return
	}
	d.p(" (with")
	if w.Recursive {
		d.p(" recursive")
	}
	for _, c := range w.CTEs {
		d.p(" (%s", nameOf(c.Name))
		for _, n := range c.Cols {
			d.p(" %s", nameOf(n))
		}
		d.p(" ")
		d.query(c.Query)
		d.p(")")
	}
	d.p(")")
}

func (d *dumper) opt(tag string, x ast.Expr) {
	if x != nil {
		d.p(" (%s ", tag)
		d.expr(x)
		d.p(")")
	}
}

func (d *dumper) query(q ast.Query) {
	switch q := q.(type) {
	case *ast.Select:
		d.p("(select")
		d.with(q.With)
		if q.Distinct {
			d.p(" distinct")
		}
		if len(q.DistinctOn) > 0 {
			d.op(" distincton", q.DistinctOn...)
		}
		d.p(" (items")
		for _, it := range q.Items {
			if f, ok := it.X.(*ast.Field); ok && f.Star {
				d.p(" ")
				d.expr(f)
				continue
			}
			d.p(" (")
			d.expr(it.X)
			if it.Alias.S != "" {
				d.p(" as %s", nameOf(it.Alias))
			}
			d.p(")")
		}
		d.p(")")
		if q.From != nil {
			d.p(" (from ")
			d.table(q.From)
			d.p(")")
		}
		d.opt("where", q.Where)
		if q.GroupBy != nil {
			d.p(" (group")
			d.list(q.GroupBy)
			d.p(")")
		}
		if q.Partition != nil {
			d.p(" (partition")
			d.list(q.Partition)
			d.p(")")
		}
		d.opt("having", q.Having)
		for i := range q.Windows {
			d.p(" (windowdef")
			d.window(&q.Windows[i])
			d.p(")")
		}
		d.orders("orderby", q.OrderBy)
		d.opt("limit", q.Limit)
		d.opt("offset", q.Offset)
		if q.Lock {
			d.p(" (lock)")
		}
		d.p(")")
	case *ast.Values:
		d.p("(valuesq")
		d.with(q.With)
		for _, r := range q.Rows {
			d.op(" row", r...)
		}
		d.orders("orderby", q.OrderBy)
		d.opt("limit", q.Limit)
		d.opt("offset", q.Offset)
		d.p(")")
	case *ast.SetOp:
		all := ""
		if q.All {
			all = "all"
		}
		d.p("(%s%s", strings.ToLower(q.Kind.String()), all)
		d.with(q.With)
		d.p(" ")
		d.query(q.L)
		d.p(" ")
		d.query(q.R)
		d.orders("orderby", q.OrderBy)
		d.opt("limit", q.Limit)
		d.opt("offset", q.Offset)
		d.p(")")
	default:
		d.p("?%T", q)
	}
}

func nameOf(n ast.Name) string { return `"` + n.S + `"` }

// oracle compares our trees with those recorded of PostgreSQL's own grammar.
func oracle(t *testing.T, file string, floor float64) {
	b, err := os.ReadFile(shared(t, file))
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		SQL     string
		Queries []string
	}
	if err := json.Unmarshal(b, &cases); err != nil {
		t.Fatal(err)
	}
	parsed, same, total, shown := 0, 0, 0, 0
	for _, c := range cases {
		total++
		stmts, err := parse.Parse(c.SQL, ast.Postgres)
		if err != nil {
			if shown++; shown < 12 {
				t.Logf("%v: %s", err, c.SQL)
			}
			continue
		}
		parsed++
		var got []string
		for _, s := range stmts {
			if e, ok := s.(*ast.Explain); ok {
				s = e.Stmt
			}
			switch s := s.(type) {
			case *ast.QueryStmt:
				got = append(got, dump(s.Query))
			case *ast.DeclareCursor:
				got = append(got, dump(s.Query))
			case *ast.CreateRelation:
				got = append(got, dump(s.As))
			case *ast.CreateView:
				got = append(got, dump(s.As))
			case *ast.Insert:
				got = append(got, dump(s.Source))
			case *ast.Copy:
				got = append(got, dump(s.Query))
			}
		}
		if g, w := normal(strings.Join(got, "\n")), normal(strings.Join(c.Queries, "\n")); g == w {
			same++
		} else if shown++; shown < 12 {
			t.Logf("%s\n got %s\nwant %s", c.SQL, g, w)
		}
	}
	t.Logf("%s: %d of %d parse, %d have PostgreSQL's tree", file, parsed, total, same)
	if float64(same) < floor*float64(total) {
		t.Errorf("%s: fewer than %.2f %%", file, 100*floor)
	}
}

func TestTrees(t *testing.T) {
	t.Run("clients", func(t *testing.T) { oracle(t, "pg_golden/pg_trees.json", 0.98) })
	t.Run("fuzz", func(t *testing.T) { oracle(t, "pg_golden/pg_expr_fuzz.json", 0.99) })
}

var negative = regexp.MustCompile(`\(u- ([0-9.]+)\)`)

// normal takes away what the two grammars write differently and mean alike.
func normal(tree string) string {
	tree = negative.ReplaceAllString(tree, "-$1") // PostgreSQL folds the sign into the number
	tree = strings.ReplaceAll(tree, `(sqlsyntax extract `, `(call "extract" `)
	tree = strings.ReplaceAll(tree, "(cross ", "(inner ") // a comma
	return strings.Join(strings.Fields(tree), " ")        // the recorded trees have no line breaks
}
