package syscat

import (
	"testing"

	"github.com/weirdb/weir/internal/fn"
	"github.com/weirdb/weir/internal/vec"
)

func TestNames(t *testing.T) {
	n := Names{newSource(t)}
	name, oid := fn.RegNames(n)
	check := func(typ, o uint32, text string) {
		t.Helper()
		if got, ok := name(typ, o); !ok || got != text {
			t.Errorf("type %d: %d is written %q, want %q", typ, o, got, text)
		}
		if got, ok := oid(typ, text); !ok || got != o {
			t.Errorf("type %d: %q is %d, want %d", typ, text, got, o)
		}
	}
	check(vec.OIDRegclass, 1259, "pg_class")
	check(vec.OIDRegclass, 16394, "clicks")
	check(vec.OIDRegclass, 16398, `"V"`)
	check(vec.OIDRegclass, 16399, "app.users")
	check(vec.OIDRegclass, 16399|indexBit, "app.users_pkey")
	check(vec.OIDRegnsp, 16424, "app")
	check(vec.OIDRegclass, 16395|indexBit, "users_pkey")
	check(vec.OIDRegclass, 15001, "weir.relations")
	check(vec.OIDRegnsp, 2200, "public")
	check(vec.OIDRegrole, 10, "weir")
	check(vec.OIDRegproc, 750, "array_in")
	check(vec.OIDRegprocedure, 750, "array_in(cstring,oid,integer)")
	check(vec.OIDRegtype, 2279, "trigger")
	check(vec.OIDRegtype, 16414, "address")
	check(vec.OIDRegcoll, 950, `"C"`)

	for _, wrong := range []struct {
		typ  uint32
		text string
	}{
		{vec.OIDRegclass, "nothing"}, {vec.OIDRegclass, "clicks_pkey"}, {vec.OIDRegclass, "weir.pg_class"}, {vec.OIDRegclass, "a.b.c"}, {vec.OIDRegclass, ""},
		{vec.OIDRegproc, "array_in(cstring)"}, {vec.OIDRegprocedure, "array_in(cstring)"}, {vec.OIDRegprocedure, "array_in"}, {vec.OIDRegprocedure, "("},
		{vec.OIDRegnsp, "nowhere"}, {vec.OIDRegrole, "root"}, {vec.OIDRegtype, "nothing"},
	} {
		if o, ok := oid(wrong.typ, wrong.text); ok {
			t.Errorf("type %d: %q is %d", wrong.typ, wrong.text, o)
		}
	}
	for _, typ := range []uint32{vec.OIDRegclass, vec.OIDRegnsp, vec.OIDRegrole, vec.OIDRegproc, vec.OIDRegtype, vec.OIDRegcoll} {
		if s, ok := name(typ, 999_999); ok {
			t.Errorf("type %d: 999999 is %q", typ, s)
		}
	}
}

func TestDefinitions(t *testing.T) {
	n := Names{newSource(t)}
	check := func(what fn.Definition, oid uint32, col int, want string) {
		t.Helper()
		if got, ok := n.Definition(what, oid, col); got != want || ok != (want != "") {
			t.Errorf("%d of %d: %q, want %q", what, oid, got, want)
		}
	}
	check(fn.IndexDef, 16395|indexBit, 0, "CREATE UNIQUE INDEX users_pkey ON public.users USING btree (id)")
	check(fn.IndexDef, 16395|indexBit, 1, "id")
	check(fn.IndexDef, 16394|indexBit, 0, "") // a stream has no key that is unique
	check(fn.ConstraintDef, 16395|constrainBit, 0, "PRIMARY KEY (id)")
	check(fn.ConstraintDef, 16395, 0, "")
	check(fn.ViewDef, 16397, 0, " SELECT k, count(*) AS n FROM clicks GROUP BY k;")
	check(fn.ViewDef, 16395, 0, "")
	check(fn.Comment, 16395, 0, "who clicks")
	check(fn.Comment, 16395, 1, "")
	check(fn.SchemaComment, 11, 0, "system catalog schema")

	if got := n.Size(16394); got != 9010 {
		t.Errorf("clicks takes %d bytes", got)
	}
	if got := n.Size(0); got != 9010 {
		t.Errorf("all takes %d bytes", got)
	}
	if got := n.Size(1259); got != 0 {
		t.Errorf("pg_class takes %d bytes", got)
	}
}
