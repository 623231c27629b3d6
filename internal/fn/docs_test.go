package fn

import (
	"flag"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	_ "github.com/cockroachdb/datadriven" // defines -rewrite
)

const docsPath = "../../docs/sql/functions.md"

// TestDocs holds docs/sql/functions.md to the registry; -rewrite writes it.
func TestDocs(t *testing.T) {
	want := functionsPage()
	if f := flag.Lookup("rewrite"); f != nil && f.Value.String() == "true" {
		if err := os.MkdirAll("../../docs/sql", 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(docsPath, []byte(want), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(docsPath)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/sql/functions.md does not match the registry; run the test with -rewrite")
	}
}

func functionsPage() string {
	var b strings.Builder
	b.WriteString("# Functions\n\nEvery function, operator, aggregate and table function, by name. " +
		"The last column says in which dialect it exists.\n")
	page(&b, "Functions", scalars(), false, func(f *Func) (string, Dialect) { return Signature(f.Name, f.Params, f.Variadic), f.Dialect })
	page(&b, "Operators", scalars(), true, func(f *Func) (string, Dialect) { return operatorForm(f), f.Dialect })
	page(&b, "Aggregates", aggregates(), false, func(f *Agg) (string, Dialect) {
		if f.Name == "count" && len(f.Params) == 0 {
			return "count(*)", f.Dialect
		}
		return Signature(f.Name, f.Params, f.Variadic), f.Dialect
	})
	page(&b, "Table functions", tables(), false, func(f *TableFunc) (string, Dialect) { return Signature(f.Name, f.Params, f.Variadic), f.Dialect })
	return b.String()
}

func operatorForm(f *Func) string {
	if len(f.Params) == 2 {
		return f.Params[0].String() + " " + f.Name + " " + f.Params[1].String()
	}
	return Signature(f.Name, f.Params, f.Variadic)
}

func page[F any](b *strings.Builder, title string, all map[string][]F, operators bool, show func(F) (string, Dialect)) {
	b.WriteString("\n## " + title + "\n\n| Form | Dialect |\n|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if isOperator(name) != operators {
			continue
		}
		seen := map[string]Dialect{}
		for _, f := range all[name] {
			form, d := show(f)
			seen[form] |= d
		}
		for _, form := range slices.Sorted(maps.Keys(seen)) {
			d := map[Dialect]string{Postgres: "postgres", KSQL: "ksql", Both: "both"}[seen[form]]
			b.WriteString("| `" + strings.ReplaceAll(form, "|", `\|`) + "` | " + d + " |\n")
		}
	}
}
