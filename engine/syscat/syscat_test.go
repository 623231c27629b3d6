package syscat

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/weirdb/weir/catalog"
	"github.com/weirdb/weir/internal/vec"
)

// fakeSource is a small cluster: a stream, tables, a query that fills one, a view.
type fakeSource struct{ cat *catalog.Catalog }

var _ Source = fakeSource{}

func newSource(t testing.TB) fakeSource {
	str := vec.Of(vec.Text)
	ch := &catalog.Change{
		NextID: 100,
		Topics: []*catalog.Topic{
			{ID: 1, Name: "clicks", Partitions: 2, Shards: []uint32{0, 1}, RetentionMs: 1000, RetentionBytes: -1},
			{ID: 2, Name: "users", Partitions: 1, Shards: []uint32{0}, Compact: true},
			{ID: 3, Name: "per_user", Partitions: 2, Shards: []uint32{0, 1}, Compact: true},
		},
		Relations: []*catalog.Relation{
			{ID: 10, Schema: "public", Name: "clicks", Kind: catalog.Stream, Topic: 1, Key: catalog.Format{Name: "KAFKA"}, Value: catalog.Format{Name: "JSON"},
				Columns: []catalog.Column{{Name: "k", Type: vec.Of(vec.Int64), Role: catalog.Key}, {Name: "url", Type: str}, {Name: "tags", Type: vec.ArrayOf(str)},
					{Name: "h", Type: vec.Of(vec.Bytes), Role: catalog.Header, Header: "trace"}}},
			{ID: 11, Schema: "public", Name: "users", Kind: catalog.Table, Topic: 2, Key: catalog.Format{Name: "NATIVE"}, Value: catalog.Format{Name: "NATIVE"}, Comment: "who clicks",
				Columns: []catalog.Column{{Name: "id", Type: vec.Of(vec.Int64), Role: catalog.Key}, {Name: "Name", Type: vec.Type{Kind: vec.Text, OID: vec.OIDVarchar, Precision: 40}, NotNull: true, Default: "'x'"},
					{Name: "paid", Type: vec.DecimalOf(10, 2)}}},
			{ID: 12, Schema: "public", Name: "notes", Kind: catalog.Table, Topic: 0,
				Columns: []catalog.Column{{Name: "_rowid", Type: vec.Of(vec.Int64), Role: catalog.Key, Hidden: true}, {Name: "note", Type: str}}},
			{ID: 13, Schema: "public", Name: "per_user", Kind: catalog.MaterializedView, Topic: 3, Query: 20, Window: "TUMBLING", WindowSizeMs: 60000,
				SQL:     "CREATE MATERIALIZED VIEW per_user AS SELECT k, count(*) AS n FROM clicks GROUP BY k",
				Columns: []catalog.Column{{Name: "k", Type: vec.Of(vec.Int64), Role: catalog.Key}, {Name: "n", Type: vec.Of(vec.Int64)}}},
			{ID: 15, Schema: "app", Name: "users", Kind: catalog.Table, Columns: []catalog.Column{{Name: "id", Type: str, Role: catalog.Key}}},
			{ID: 14, Schema: "public", Name: "V", Kind: catalog.View, Dialect: "ksql", SQL: "CREATE VIEW V AS SELECT url FROM clicks",
				Columns: []catalog.Column{{Name: "URL", Type: str}}},
		},
		Schemas: []*catalog.Schema{{ID: 40, Name: "app"}},
		Queries: []*catalog.Query{{ID: 20, Name: "mv_per_user", SQL: "CREATE MATERIALIZED VIEW ...", Dialect: "postgres", Sink: 13, Sources: []catalog.ID{10}, Generation: 1}},
		Types:   []*catalog.NamedType{{ID: 30, Name: "address", Type: vec.Type{Kind: vec.Struct, Fields: []vec.Field{{Name: "street", Type: str}, {Name: "nr", Type: vec.Of(vec.Int32)}}}}, {ID: 31, Name: "cents", Type: vec.Of(vec.Int64)}},
	}
	var empty catalog.Catalog
	cmd, err := ch.Encode()
	if err != nil {
		t.Fatal(err)
	}
	cat, _, err := empty.Apply(cmd)
	if err != nil {
		t.Fatal(err)
	}
	return fakeSource{cat}
}

func (f fakeSource) Catalog() *catalog.Catalog { return f.cat }
func (fakeSource) Version() string             { return "1.0" }
func (fakeSource) Settings() []Setting {
	return []Setting{{Name: "timezone", Value: "UTC", Default: "UTC", About: "time zone"}, {Name: "server_version", Value: "15.0", Default: "15.0", Fixed: true}, {Name: "weir.emit", Value: "every", Default: "coalesce"}}
}
func (fakeSource) Sessions() []Session {
	return []Session{{PID: 7, User: "weir", Database: "weir", Application: "psql", Remote: "127.0.0.1:5555", StartedUnixMs: 1000, Self: true}, {PID: 8, User: "weir", Database: "weir", TLS: true}}
}
func (fakeSource) Queries() []QueryState {
	return []QueryState{{ID: 20, State: "RUNNING", Tasks: []Task{{Stage: 0, Partition: 0, RowsIn: 5, RowsOut: 2, Steps: 3, StateBytes: 99, Lag: 1}, {Stage: 0, Partition: 1, Lag: -1}}}}
}
func (fakeSource) Partitions() []Partition {
	return []Partition{{Topic: 1, Partition: 0, Shard: 1, Start: 2, End: 12, Bytes: 9000}, {Topic: 1, Partition: 1, Shard: 2, End: 1, Bytes: 10}, {Topic: 2, Shard: 1}}
}
func (fakeSource) Shards() []Shard {
	return []Shard{{ID: 0, Leader: "n1", Term: 2, Applied: 9, Stored: 8}, {ID: 1, Term: 1}}
}
func (fakeSource) Nodes() []Node { return []Node{{ID: "n1", Addr: "127.0.0.1:7070", Self: true}} }
func (fakeSource) Groups() []Group {
	return []Group{{Group: "g", Topic: "clicks", Partition: 0, Offset: 5}, {Group: "g", Topic: "gone", Partition: 0, Offset: 1}}
}
func (fakeSource) Errors(yield func(ErrorRow) bool) error {
	for i := range int64(3) {
		if !yield(ErrorRow{AtUnixMs: 1000, Query: 20, Relation: 10, Topic: "clicks", Offset: i, TimeMs: 5, Value: []byte{0xff}, Reason: "not JSON"}) {
			return errors.New("stopped")
		}
	}
	return nil
}

// Every row of every relation has a value of the right dynamic type, or NULL, for
// each column: what a column vector can take.
func TestRowsFitTheirColumns(t *testing.T) {
	src := newSource(t)
	for _, r := range All() {
		cols := make([]*vec.Vec, len(r.Cols))
		for i, c := range r.Cols {
			cols[i] = vec.New(c.Type)
		}
		func() {
			at := 0
			defer func() {
				if p := recover(); p != nil {
					t.Errorf("%s.%s column %s: %v", r.Schema, r.Name, r.Cols[at].Name, p)
				}
			}()
			err := r.Rows(src, func(row []vec.Value) bool {
				if len(row) != len(r.Cols) {
					t.Errorf("%s.%s: %d values for %d columns", r.Schema, r.Name, len(row), len(r.Cols))
					return false
				}
				for i, x := range row {
					at = i
					cols[i].Append(x)
					if x == nil && strings.Contains(notNull(r), " "+r.Cols[i].Name+" ") {
						t.Errorf("%s.%s: %s is NULL", r.Schema, r.Name, r.Cols[i].Name)
					}
				}
				return true
			})
			if err != nil {
				t.Errorf("%s.%s: %v", r.Schema, r.Name, err)
			}
		}()
	}
}

// notNull lists a relation's columns that must not be NULL.
func notNull(r *Relation) string {
	s := " "
	for _, c := range systemClasses() {
		if c.oid == r.OID {
			for _, a := range c.attrs {
				if a.notNull {
					s += a.name + " "
				}
			}
		}
	}
	return s
}

func TestLookup(t *testing.T) {
	seen := map[uint32]string{}
	for _, r := range All() {
		if got, ok := Lookup(r.Schema, r.Name); !ok || got != r {
			t.Errorf("%s.%s is not found", r.Schema, r.Name)
		}
		if other, ok := seen[r.OID]; ok || r.OID == 0 || r.OID >= catalog.FirstOID {
			t.Errorf("%s.%s has OID %d, as %q", r.Schema, r.Name, r.OID, other)
		}
		seen[r.OID] = r.Name
	}
	if r, ok := Lookup("", "pg_class"); !ok || r.OID != 1259 {
		t.Error("pg_class is not found without a schema")
	}
	for _, name := range [][2]string{{"", "tables"}, {"", "relations"}, {"pg_catalog", "nothing"}, {"nowhere", "pg_class"}} {
		if _, ok := Lookup(name[0], name[1]); ok {
			t.Errorf("%v is found", name)
		}
	}
}

// A reader that has enough is not called again.
func TestRowsStop(t *testing.T) {
	src := newSource(t)
	for _, name := range []string{"pg_attribute", "pg_type", "pg_class"} {
		r, _ := Lookup("", name)
		n := 0
		if err := r.Rows(src, func([]vec.Value) bool { n++; return n < 3 }); err != nil || n != 3 {
			t.Errorf("%s: %d rows, %v", name, n, err)
		}
	}
	r, _ := Lookup("weir", "errors")
	if err := r.Rows(src, func([]vec.Value) bool { return false }); err == nil || err.Error() != "stopped" {
		t.Errorf("the log of errors was read on: %v", err)
	}
}

// Changing a row does not change what the next reader sees.
func TestRowsAreTheCallers(t *testing.T) {
	src := newSource(t)
	r, _ := Lookup("", "pg_attribute")
	for range 2 {
		err := r.Rows(src, func(row []vec.Value) bool {
			if row[1] == "spoiled" {
				t.Fatal("a reader's change is seen by the next")
			}
			row[1] = "spoiled"
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// The rows of a small cluster: relation, then the columns wanted (all without),
// then conditions column=text.
func TestGolden(t *testing.T) {
	src := newSource(t)
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			schema, name, _ := strings.Cut(d.Cmd, ".")
			r, ok := Lookup(schema, name)
			if !ok {
				return "no such relation\n"
			}
			return show(r, src, d)
		})
	})
}

func show(r *Relation, src Source, d *datadriven.TestData) string {
	at := map[string]int{}
	for i, c := range r.Cols {
		at[c.Name] = i
	}
	picked := strings.Fields(d.Input)
	if len(picked) == 0 {
		for _, c := range r.Cols {
			picked = append(picked, c.Name)
		}
	}
	text := func(i int, x vec.Value) string {
		if x == nil {
			return "NULL"
		}
		return string(vec.AppendTextValue(nil, r.Cols[i].Type, x, nil))
	}
	var b strings.Builder
	err := r.Rows(src, func(row []vec.Value) bool {
		for _, a := range d.CmdArgs {
			if i := at[a.Key]; text(i, row[i]) != a.Vals[0] {
				return true
			}
		}
		for k, name := range picked {
			if k > 0 {
				b.WriteString(" | ")
			}
			i, ok := at[name]
			if !ok {
				b.WriteString("no column " + name)
				continue
			}
			b.WriteString(text(i, row[i]))
		}
		b.WriteByte('\n')
		return true
	})
	if err != nil {
		fmt.Fprintln(&b, err)
	}
	return b.String()
}

// Types that point at each other and at functions all exist.
func TestTypesAreConsistent(t *testing.T) {
	for _, x := range types().all {
		if a, ok := types().byOID[x.array]; x.array != 0 && (!ok || a.elem != x.oid || a.name != "_"+x.name) {
			t.Errorf("%s: array type %d", x.name, x.array)
		}
		if x.elem != 0 && types().byOID[x.elem] == nil {
			t.Errorf("%s: element type %d is missing", x.name, x.elem)
		}
		for _, p := range append([]string{x.subscript, x.analyze}, x.io[:]...) {
			if p != "" && p != "-" && procOID(p) == 0 {
				t.Errorf("%s: function %s is missing", x.name, p)
			}
		}
	}
	for _, p := range procs().all {
		if types().byOID[p.result] == nil {
			t.Errorf("%s: type %d is missing", p.name, p.result)
		}
	}
}

// The columns are those that PostgreSQL 15 has, by a list taken from one.
func TestColumnsArePostgreSQLs(t *testing.T) {
	dir := os.Getenv("WEIR_SHARED")
	if dir == "" {
		t.Skip("WEIR_SHARED is not set")
	}
	f, err := os.Open(filepath.Join(dir, "pg_golden", "pg15_catalog_columns.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ours := map[string]string{} // schema, relation, relkind, number, name, type OID, not null
	for _, c := range systemClasses() {
		for i, a := range c.attrs {
			ours[fmt.Sprintf("%s%s%d", c.schema, c.name, i+1)] = fmt.Sprintf("%c%s%d%t", c.kind, a.name, a.oid, a.notNull)
		}
	}
	n := 0
	for sc := bufio.NewScanner(f); sc.Scan(); n++ {
		w := strings.Split(sc.Text(), "\t")
		got, want := ours[w[0]+w[1]+w[4]], w[3]+w[5]+w[7]+map[string]string{"t": "true", "f": "false"}[w[8]]
		if got != want && w[6] != "pg_statistic[]" {
			t.Errorf("%s.%s column %s: %s, want %s", w[0], w[1], w[4], got, want)
		}
	}
	if n < 2000 {
		t.Errorf("the list has only %d columns", n)
	}
}

// The relations of schema weir and their columns are those that the docs list.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile("../../docs/sql/system-catalog.md")
	if err != nil {
		t.Fatal(err)
	}
	docs := map[string]string{}
	relation := ""
	for _, l := range strings.Split(string(text), "\n") {
		if name, ok := strings.CutPrefix(l, "## weir."); ok {
			relation = name
		}
		if w := strings.Split(l, "|"); relation != "" && len(w) == 5 && strings.TrimSpace(w[1]) != "column" && w[1] != "---" {
			for _, col := range strings.Split(w[1], ",") {
				docs[relation] += strings.TrimSpace(col) + " " + strings.TrimSpace(w[2]) + ", "
			}
		}
	}
	for _, r := range All() {
		if r.Schema != "weir" {
			continue
		}
		var ours string
		for _, c := range r.Cols {
			name := c.Type.String()
			if name == "timestamp with time zone" {
				name = "timestamptz"
			}
			ours += c.Name + " " + name + ", "
		}
		if docs[r.Name] != ours {
			t.Errorf("weir.%s is\n%s\nthe docs say\n%s", r.Name, ours, docs[r.Name])
		}
	}
}
