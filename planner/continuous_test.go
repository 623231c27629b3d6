package planner

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/weirdb/weir/catalog"
	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/planner/plan"
	"github.com/weirdb/weir/sql/ast"
	"github.com/weirdb/weir/sql/parse"
)

// A planning is a catalog that the statements of a test file build up.
type planning struct {
	cat      *catalog.Catalog
	settings map[string]string
}

func (p *planning) env(d ast.Dialect) *Env {
	return &Env{Catalog: p.cat, Dialect: d, Setting: func(name string) string { return p.settings[name] }}
}

// add puts a definition into the catalog, as the engine does.
func (p *planning) add(def Definition, sql string, d ast.Dialect) error {
	ch := p.cat.Begin()
	r := def.Relation
	r.ID, r.SQL, r.Dialect, r.Schema = ch.NewID(), sql, d.String(), "public"
	if r.Kind != catalog.View {
		t, ok := p.cat.TopicByName(def.Topic.Name)
		if !ok {
			n := def.Topic.Partitions
			if n == 0 {
				n = 4
			}
			t = &catalog.Topic{ID: ch.NewID(), Name: def.Topic.Name, Partitions: n, Shards: make([]uint32, n)}
			ch.Topics = append(ch.Topics, t)
		}
		r.Topic = t.ID
	}
	ch.Relations = append(ch.Relations, &r)
	cmd, err := ch.Encode()
	if err == nil {
		p.cat, _, err = p.cat.Apply(cmd)
	}
	return err
}

// relationText describes what a statement defines.
func relationText(def *Definition) string {
	r := &def.Relation
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s (", strings.ToLower(r.Kind.String()), r.Name)
	for i, c := range r.Columns {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(c.Name + " " + c.Type.String())
		switch c.Role {
		case catalog.Key:
			b.WriteString(" key")
		case catalog.Headers:
			b.WriteString(" headers")
		case catalog.Header:
			b.WriteString(" header(" + c.Header + ")")
		}
		for _, f := range []struct {
			on   bool
			text string
		}{{c.Hidden, " hidden"}, {c.NotNull, " not null"}, {c.Default != "", " default " + c.Default}} {
			if f.on {
				b.WriteString(f.text)
			}
		}
	}
	b.WriteString(")\n")
	if r.Kind == catalog.View {
		return b.String()
	}
	fmt.Fprintf(&b, "key %s, value %s", r.Key.Name, r.Value.Name)
	if r.Value.Wrap {
		b.WriteString(" wrapped")
	}
	if r.Window != "" {
		fmt.Fprintf(&b, ", window %s %d", r.Window, r.WindowSizeMs)
	}
	if r.TimeColumn != "" {
		fmt.Fprintf(&b, ", time %s %s", r.TimeColumn, r.TimeFormat)
	}
	fmt.Fprintf(&b, ", topic %s", def.Topic.Name)
	if def.Topic.Partitions > 0 {
		fmt.Fprintf(&b, " x%d", def.Topic.Partitions)
	}
	for _, f := range []struct {
		on   bool
		text string
	}{{def.Topic.MustExist, " must exist"}, {def.Topic.Compact, " compacted"}, {r.UniqueKey, ", unique key"}, {r.Source, ", read-only"}} {
		if f.on {
			b.WriteString(f.text)
		}
	}
	return b.String() + "\n"
}

func failure(err error) string {
	var pe *pgerr.Error
	if !errors.As(err, &pe) {
		return "error: " + err.Error() + "\n"
	}
	out := fmt.Sprintf("error %s: %s\n", pe.Code, pe.Msg)
	if pe.Detail != "" {
		out += "detail: " + pe.Detail + "\n"
	}
	if pe.Hint != "" {
		out += "hint: " + pe.Hint + "\n"
	}
	return out
}

// run executes one directive: define (also adds to the catalog), plan, create
// (plan, and add), push, set.
func (p *planning) run(t *testing.T, d *datadriven.TestData) string {
	if d.Cmd == "set" {
		name, value, _ := strings.Cut(d.Input, "=")
		p.settings[strings.TrimSpace(name)] = strings.TrimSpace(value)
		return ""
	}
	dialect := ast.Postgres
	if d.HasArg("ksql") {
		dialect = ast.KSQL
	}
	stmts, err := parse.Parse(d.Input, dialect)
	if err != nil {
		return failure(err)
	}
	var out strings.Builder
	for _, st := range stmts {
		text, err := p.statement(d.Cmd, dialect, st, d.Input[st.Pos():st.(interface{ End() int }).End()])
		if err != nil {
			out.WriteString(failure(err))
			continue
		}
		out.WriteString(text)
	}
	return out.String()
}

func (p *planning) statement(cmd string, d ast.Dialect, st ast.Stmt, sql string) (string, error) {
	switch cmd {
	case "define":
		def, err := Define(p.env(d), st)
		if err != nil {
			return "", err
		}
		return relationText(def), p.add(*def, sql, d)
	case "push":
		n, err := PlanPush(p.env(d), st.(*ast.QueryStmt).Query)
		if err != nil {
			return "", err
		}
		return plan.Text(n), nil
	case "plan", "create":
		c, err := PlanContinuous(p.env(d), st)
		if err != nil {
			return "", err
		}
		again, err := PlanContinuous(&Env{Catalog: p.cat, Dialect: d, Setting: func(name string) string { return c.Settings[name] }}, st)
		if err != nil {
			return "", fmt.Errorf("planned again: %w", err)
		}
		if again.Query.String() != c.Query.String() || !maps.Equal(again.Settings, c.Settings) {
			return "", fmt.Errorf("planned again, it is another plan:\n%s", again.Query)
		}
		out := c.Name + "\n"
		if c.Into == 0 {
			out += relationText(&c.Definition)
		}
		if len(c.Settings) > 0 {
			out += fmt.Sprintf("settings %v\n", slices.Sorted(maps.Keys(c.Settings)))
		}
		if cmd == "create" {
			err = p.add(c.Definition, sql, d)
		}
		return out + c.Query.String(), err
	}
	return "", fmt.Errorf("unknown directive %s", cmd)
}

// A broadcast has no keys at all: no keys would send every row to one task.
func TestBroadcastHasNoKeys(t *testing.T) {
	p := &planning{cat: &catalog.Catalog{}}
	var q *plan.Query
	for _, sql := range []string{
		"CREATE TABLE a (id int PRIMARY KEY, b int)", "CREATE TABLE b (id int PRIMARY KEY, v text)",
		"CREATE TABLE x AS SELECT a.id, v FROM a JOIN b ON a.b = b.id",
	} {
		stmts, err := parse.Parse(sql, ast.Postgres)
		if err != nil {
			t.Fatal(err)
		}
		if st := stmts[0].(*ast.CreateRelation); st.As == nil {
			if _, err = p.statement("define", ast.Postgres, st, sql); err != nil {
				t.Fatal(err)
			}
			continue
		}
		c, err := PlanContinuous(p.env(ast.Postgres), stmts[0])
		if err != nil {
			t.Fatal(err)
		}
		q = c.Query
	}
	if in := q.Stages[0].Inputs[1]; !in.Broadcast || in.Keys != nil {
		t.Errorf("broadcast %t, keys %#v; want no keys", in.Broadcast, in.Keys)
	}
}

func TestContinuous(t *testing.T) {
	datadriven.Walk(t, "testdata/continuous", func(t *testing.T, path string) {
		p := &planning{cat: &catalog.Catalog{}, settings: map[string]string{}}
		datadriven.RunTest(t, path, p.run)
	})
}
