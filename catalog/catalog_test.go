package catalog

import (
	"errors"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/weirdb/weir/internal/vec"
)

func TestChangesAndLoadAgree(t *testing.T) {
	store := map[string][]byte{}
	c := &Catalog{}
	apply := func(ch *Change) {
		t.Helper()
		cmd, err := ch.Encode()
		if err != nil {
			t.Fatal(err)
		}
		next, rows, err := c.Apply(cmd)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			if store[string(r.Key)] = r.Value; r.Value == nil {
				delete(store, string(r.Key))
			}
		}
		c = next
	}
	ch := c.Begin()
	topic := &Topic{ID: ch.NewID(), Name: "orders", Partitions: 2, Shards: Place("orders", 2, 4, nil)}
	rel := &Relation{ID: ch.NewID(), Name: "orders", Topic: topic.ID, Columns: []Column{
		{Name: "id", Role: Key, Type: vec.Of(vec.Int64)},
		{Name: "tags", Type: vec.ArrayOf(vec.DecimalOf(4, 2))},
	}}
	ch.Topics, ch.Relations = append(ch.Topics, topic), append(ch.Relations, rel)
	apply(ch)
	ch = c.Begin()
	ch.Queries = append(ch.Queries, &Query{ID: ch.NewID(), Name: "CSAS_X_3", Sources: []ID{rel.ID}})
	apply(ch)
	ch = c.Begin()
	ch.Types = append(ch.Types, &NamedType{ID: ch.NewID(), Name: "money", Type: vec.DecimalOf(12, 2)})
	ch.Schemas = append(ch.Schemas, &Schema{ID: ch.NewID(), Name: "app"}, &Schema{ID: ch.NewID(), Name: "old"})
	ch.Drop = append(ch.Drop, c.Queries()[0].ID)
	apply(ch)
	ch = c.Begin()
	ch.Drop = append(ch.Drop, c.Schemas()[1].ID)
	apply(ch)

	loaded, err := Load(func(yield func(k, v []byte) bool) {
		for k, v := range maps.All(store) {
			if !yield([]byte(k), v) {
				return
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(c, loaded, cmp.AllowUnexported(Catalog{})); d != "" {
		t.Error(d)
	}
	if len(loaded.Queries()) != 0 || loaded.NextID != 6 {
		t.Errorf("queries %v, next ID %d", loaded.Queries(), loaded.NextID)
	}
}

func TestSecondChangeOfOneSnapshotIsRefused(t *testing.T) {
	c := &Catalog{}
	a, _ := c.Begin().Encode()
	c, _, err := c.Apply(a)
	if err != nil {
		t.Fatal(err)
	}
	same, _, err := c.Apply(a)
	if !errors.Is(err, ErrConflict) || same != c {
		t.Errorf("got %v", err)
	}
}

func TestNamesMatchCaseAsideWhereUnambiguous(t *testing.T) {
	c := &Catalog{relations: map[ID]*Relation{1: {ID: 1, Name: "ORDERS"}, 2: {ID: 2, Name: "a"}, 3: {ID: 3, Name: "A"}}}
	check := func(name string, want ID) {
		t.Helper()
		r, ok := c.RelationByName(name)
		if ok != (want != 0) || ok && r.ID != want {
			t.Errorf("%q: %v", name, r)
		}
	}
	check("orders", 1)
	check("ORDERS", 1)
	check("a", 2)
	check("A", 3)
	check("b", 0)
}

func TestOneNameInTwoSchemas(t *testing.T) {
	ch := (&Catalog{}).Begin()
	ch.Schemas = []*Schema{{ID: ch.NewID(), Name: "app"}}
	ch.Relations = []*Relation{
		{ID: 11, Schema: "public", Name: "users"}, {ID: 12, Schema: "app", Name: "users"}, {ID: 13, Schema: "app", Name: "Orders"}, {ID: 14, Name: "old"},
	}
	cmd, err := ch.Encode()
	if err != nil {
		t.Fatal(err)
	}
	c, _, err := (&Catalog{}).Apply(cmd)
	if err != nil {
		t.Fatal(err)
	}
	check := func(schema, name string, want ID) {
		t.Helper()
		r, ok := c.RelationIn(schema, name)
		if ok != (want != 0) || ok && r.ID != want {
			t.Errorf("%s.%s is %v, want %d", schema, name, r, want)
		}
	}
	check("", "users", 11)
	check("public", "users", 11)
	check("app", "users", 12)
	check("APP", "orders", 13)
	check("", "orders", 0)
	check("", "old", 14) // written before there were schemas
	check("nowhere", "users", 0)
	if _, ok := c.SchemaByName("App"); !ok {
		t.Error("schema App is not found")
	}
}
