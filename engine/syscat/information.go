package syscat

import (
	"fmt"

	"github.com/weirdb/weir/catalog"
	"github.com/weirdb/weir/internal/vec"
)

// The rows of information_schema. As with PostgreSQL, materialized views are not
// in it: the standard does not know them.

func yesNo(x bool) string {
	if x {
		return "YES"
	}
	return "NO"
}

// standardTables are the relations that information_schema lists.
func standardTables(cat *catalog.Catalog) (out []*class) {
	for _, c := range tables(cat) {
		if c.kind == 'r' || c.kind == 'v' {
			out = append(out, c)
		}
	}
	return out
}

func (c *class) writable() bool {
	return c.kind == 'r' && (c.user == nil || !c.user.Source)
}

func infoCatalogName(_ Source, emit emitter) error {
	emit(database)
	return nil
}

func infoSchemata(s Source, emit emitter) error {
	for _, x := range schemas(s.Catalog()) {
		emit(database, x.name, owner, nil, nil, nil, nil)
	}
	return nil
}

func infoEnabledRoles(_ Source, emit emitter) error {
	emit(owner)
	return nil
}

func infoTables(s Source, emit emitter) error {
	for _, c := range standardTables(s.Catalog()) {
		kind := "BASE TABLE"
		if c.view() {
			kind = "VIEW"
		}
		emit(database, c.schema, c.name, kind, nil, nil, nil, nil, nil, yesNo(c.writable()), "NO", nil)
	}
	return nil
}

func infoViews(s Source, emit emitter) error {
	for _, c := range standardTables(s.Catalog()) {
		if c.view() {
			emit(database, c.schema, c.name, orNull(c.query()), "NONE", "NO", "NO", "NO", "NO", "NO")
		}
	}
	return nil
}

func infoColumns(s Source, emit emitter) error {
	for _, c := range standardTables(s.Catalog()) {
		for i := range c.attrs {
			a := &c.attrs[i]
			d := describe(a)
			emit(database, c.schema, c.name, a.name, i+1, orNull(a.deflt), yesNo(!a.notNull), d.name, d.length, d.octets,
				d.precision, d.radix, d.scale, d.timePrecision, nil, nil, nil, nil, nil, d.collation[0], d.collation[1], d.collation[2],
				d.domain[0], d.domain[1], d.domain[2], database, systemName(d.udt.namespace), d.udt.name, nil, nil, nil, nil, fmt.Sprint(i+1),
				"NO", "NO", nil, nil, nil, nil, nil, "NO", "NEVER", nil, yesNo(c.writable()))
		}
	}
	return nil
}

// A description is a type in the words of the SQL standard; nil is NULL.
type description struct {
	name                    string
	length, octets          any
	precision, radix, scale any
	timePrecision           any
	collation, domain       [3]any
	udt                     *pgType
}

func describe(a *attribute) description {
	t := typeOf(a.oid)
	mod := a.typmod()
	var d description
	if t.kind == 'd' {
		d.domain = [3]any{database, systemName(t.namespace), t.name}
		mod = t.typmod
		if t.coll == 950 {
			d.collation = [3]any{database, "pg_catalog", "C"}
		}
		t = typeOf(t.base)
	}
	d.udt = t
	d.name = formatType(t.oid)
	if t.category == 'A' {
		d.name = "ARRAY"
	}
	switch t.oid {
	case vec.OIDVarchar, vec.OIDBPChar:
		d.octets = 1 << 30
		if mod >= 4 {
			d.length, d.octets = mod-4, (mod-4)*4
		}
	case vec.OIDText:
		d.octets = 1 << 30
	case vec.OIDInt2:
		d.precision, d.radix, d.scale = 16, 2, 0
	case vec.OIDInt4:
		d.precision, d.radix, d.scale = 32, 2, 0
	case vec.OIDInt8:
		d.precision, d.radix, d.scale = 64, 2, 0
	case vec.OIDFloat4:
		d.precision, d.radix = 24, 2
	case vec.OIDFloat8:
		d.precision, d.radix = 53, 2
	case vec.OIDNumeric:
		d.radix = 10
		if mod >= 4 {
			d.precision, d.scale = (mod-4)>>16, (mod-4)&0xffff
		}
	case vec.OIDDate:
		d.timePrecision = 0
	case vec.OIDTime, vec.OIDTimestamp, vec.OIDTimestampTZ, vec.OIDInterval:
		d.timePrecision = 6
		if mod >= 0 {
			d.timePrecision = mod
		}
	case vec.OIDName:
		d.collation = [3]any{database, "pg_catalog", "C"}
	}
	return d
}

// formatType is a type's name without modifiers, as format_type writes it.
func formatType(oid uint32) string {
	if name, ok := vec.TypeNameOf(oid); ok {
		return name
	}
	t := typeOf(oid)
	if e, ok := types().byOID[t.elem]; ok && t.category == 'A' {
		return e.name + "[]"
	}
	return t.name
}

func infoElementTypes(s Source, emit emitter) error {
	for _, c := range standardTables(s.Catalog()) {
		for i := range c.attrs {
			t := typeOf(c.attrs[i].oid)
			e, ok := types().byOID[t.elem]
			if t.category != 'A' || !ok {
				continue
			}
			kind := "TABLE"
			if c.view() {
				kind = "VIEW"
			}
			emit(database, c.schema, c.name, kind, fmt.Sprint(i+1), formatType(e.oid), nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil,
				nil, nil, nil, nil, database, systemName(e.namespace), e.name, nil, nil, nil, nil, fmt.Sprintf("a%d", i+1))
		}
	}
	return nil
}

// infoConstraints has primary keys and, as the standard has it, a CHECK for each
// column that is NOT NULL.
func infoConstraints(s Source, emit emitter) error {
	for _, c := range userClasses(s.Catalog()) {
		if c.kind != 'r' {
			continue
		}
		if c.key != nil {
			emit(database, c.schema, c.keyName(), database, c.schema, c.name, "PRIMARY KEY", "NO", "NO", "YES", nil)
		}
		for i, a := range c.attrs {
			if a.notNull {
				emit(database, c.schema, c.notNullName(i+1), database, c.schema, c.name, "CHECK", "NO", "NO", "YES", nil)
			}
		}
	}
	return nil
}

func (c *class) notNullName(attnum int) string {
	return fmt.Sprintf("%d_%d_%d_not_null", c.namespace, c.oid, attnum)
}

func infoCheckConstraints(s Source, emit emitter) error {
	for _, c := range userClasses(s.Catalog()) {
		for i, a := range c.attrs {
			if c.kind == 'r' && a.notNull {
				emit(database, c.schema, c.notNullName(i+1), a.name+" IS NOT NULL")
			}
		}
	}
	return nil
}

func infoKeyColumns(s Source, emit emitter) error {
	for _, c := range userClasses(s.Catalog()) {
		for i, k := range c.key {
			emit(database, c.schema, c.keyName(), database, c.schema, c.name, c.attrs[k-1].name, i+1, nil)
		}
	}
	return nil
}

func infoConstraintColumns(s Source, emit emitter) error {
	for _, c := range userClasses(s.Catalog()) {
		for _, k := range c.key {
			emit(database, c.schema, c.name, c.attrs[k-1].name, database, c.schema, c.keyName())
		}
	}
	return nil
}

func infoConstraintTables(s Source, emit emitter) error {
	for _, c := range userClasses(s.Catalog()) {
		if c.key != nil {
			emit(database, c.schema, c.name, database, c.schema, c.keyName())
		}
	}
	return nil
}

func infoCharacterSets(_ Source, emit emitter) error {
	emit(nil, nil, "UTF8", "UCS", "UTF8", database, "pg_catalog", "C")
	return nil
}

func infoCollations(_ Source, emit emitter) error {
	for _, c := range collations {
		emit(database, "pg_catalog", c.name, "NO PAD")
	}
	return nil
}

func infoTablePrivileges(s Source, emit emitter) error {
	for _, c := range standardTables(s.Catalog()) {
		for _, what := range []string{"INSERT", "SELECT", "UPDATE", "DELETE"} {
			if what == "SELECT" || c.writable() && c.user != nil {
				emit(owner, owner, database, c.schema, c.name, what, "YES", yesNo(what == "SELECT"))
			}
		}
	}
	return nil
}
