package syscat

import (
	"strings"

	"github.com/weirdb/weir/internal/fn"
	"github.com/weirdb/weir/internal/vec"
)

// Names answers what catalog functions look up.
type Names struct{ Source }

var _ fn.Catalog = Names{}

// RelationName implements fn.Catalog. The search path holds pg_catalog and public.
func (n Names) RelationName(oid uint32) (schema, name string, visible, ok bool) {
	if r, ok := index().byOID[oid]; ok {
		return r.Schema, r.Name, r.Schema == "pg_catalog", true
	}
	c, ok := userClass(n.Catalog(), oid)
	if !ok {
		return "", "", false, false
	}
	switch oid &^ c.oid {
	case 0:
		return c.schema, c.name, c.namespace == nsPublic, true
	case indexBit:
		return c.schema, c.keyName(), c.namespace == nsPublic, c.key != nil
	}
	return "", "", false, false
}

// RelationOID implements fn.Catalog.
func (n Names) RelationOID(schema, name string) (uint32, bool) {
	if r, ok := Lookup(schema, name); ok {
		return r.OID, true
	}
	if r, ok := n.Catalog().RelationIn(schema, name); ok {
		return r.OID(), true
	}
	if table, ok := strings.CutSuffix(name, "_pkey"); ok {
		if r, ok := n.Catalog().RelationIn(schema, table); ok {
			if c := classOf(n.Catalog(), r); c.key != nil {
				return c.indexOID(), true
			}
		}
	}
	return 0, false
}

// ObjectName implements fn.Catalog.
func (n Names) ObjectName(typ, oid uint32) (string, bool) {
	switch typ {
	case vec.OIDRegnsp:
		for _, s := range schemas(n.Catalog()) {
			if s.oid == oid {
				return quoted(s.name), true
			}
		}
	case vec.OIDRegrole:
		return owner, oid == ownerOID
	case vec.OIDRegproc, vec.OIDRegprocedure:
		p, ok := procs().byOID[oid]
		if !ok {
			return "", false
		}
		if typ == vec.OIDRegprocedure {
			return p.signature(), true
		}
		return p.name, true
	case vec.OIDRegtype:
		if _, ok := types().byOID[oid]; ok {
			return formatType(oid), true
		}
		for _, t := range userTypes(n.Catalog()) {
			if t.oid == oid {
				return quoted(t.name), true
			}
		}
	case vec.OIDRegcoll:
		for _, c := range collations {
			if c.oid == oid {
				return quoted(c.name), true
			}
		}
	}
	return "", false
}

// ObjectOID implements fn.Catalog.
func (n Names) ObjectOID(typ uint32, name string) (uint32, bool) {
	switch typ {
	case vec.OIDRegnsp:
		for _, s := range schemas(n.Catalog()) {
			if s.name == name {
				return s.oid, true
			}
		}
	case vec.OIDRegrole:
		return ownerOID, name == owner
	case vec.OIDRegproc:
		oid := procOID(name)
		return oid, oid != 0
	case vec.OIDRegprocedure:
		bare, _, _ := strings.Cut(name, "(")
		p, ok := procs().byName[bare]
		if !ok || p.signature() != strings.ReplaceAll(name, " ", "") {
			return 0, false
		}
		return p.oid, true
	case vec.OIDRegtype:
		for _, t := range types().all {
			if t.name == name {
				return t.oid, true
			}
		}
		for _, t := range userTypes(n.Catalog()) {
			if t.name == name {
				return t.oid, true
			}
		}
	case vec.OIDRegcoll:
		for _, c := range collations {
			if c.name == name {
				return c.oid, true
			}
		}
	}
	return 0, false
}

// Definition implements fn.Catalog.
func (n Names) Definition(what fn.Definition, oid uint32, col int) (string, bool) {
	if what == fn.SchemaComment {
		for _, s := range systemSchemas {
			if s.oid == oid {
				return s.about, s.about != ""
			}
		}
		return "", false
	}
	c, ok := userClass(n.Catalog(), oid)
	if !ok {
		return "", false
	}
	part := oid &^ c.oid
	switch {
	case what == fn.IndexDef && part == indexBit && c.key != nil:
		if col == 0 {
			return c.indexDef(), true
		}
		if col > len(c.key) {
			return "", true
		}
		return quoted(c.attrs[c.key[col-1]-1].name), true
	case what == fn.ConstraintDef && part == constrainBit && c.key != nil:
		return "PRIMARY KEY (" + c.keyColumns() + ")", true
	case what == fn.ViewDef && part == 0:
		q := c.query()
		return q, q != ""
	case what == fn.Comment && part == 0 && col == 0:
		return c.user.Comment, c.user.Comment != ""
	}
	return "", false
}

// Size implements fn.Catalog: the bytes of a relation's topic, of all topics for 0.
func (n Names) Size(oid uint32) int64 {
	r, ok := n.Catalog().RelationByOID(oid)
	if oid != 0 && (!ok || r.Topic == 0) {
		return 0
	}
	var size int64
	for _, p := range n.Partitions() {
		if oid == 0 || p.Topic == r.Topic {
			size += p.Bytes
		}
	}
	return size
}
