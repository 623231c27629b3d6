package syscat

import (
	"github.com/weirdb/weir/catalog"
	"github.com/weirdb/weir/internal/vec"
)

// OIDs that PostgreSQL gives its own objects, and that clients know by heart.
const (
	nsCatalog     = 11
	nsToast       = 99
	nsPublic      = 2200
	nsInformation = 13207
	nsWeir        = 15000

	ownerOID     = 10 // the first user
	databaseOID  = 5
	heapAM       = 2
	btreeAM      = 403
	langInternal = 12
	spaceDefault = 1663

	classAttrdef    = 2604
	classClass      = 1259
	classConstraint = 2606
	classNamespace  = 2615
	classRewrite    = 2618
)

// The one user and the one database.
const (
	owner    = "weir"
	database = "weir"
)

// A schema is an entry of pg_namespace.
type schema struct {
	oid         uint32
	name, about string
}

// systemSchemas are the schemas that are always there.
var systemSchemas = []schema{
	{nsCatalog, "pg_catalog", "system catalog schema"}, {nsToast, "pg_toast", ""}, {nsPublic, "public", "standard public schema"},
	{nsInformation, "information_schema", ""}, {nsWeir, "weir", "what runs in this cluster"},
}

// schemas are all schemas.
func schemas(c *catalog.Catalog) []schema {
	out := systemSchemas[:len(systemSchemas):len(systemSchemas)]
	for _, s := range c.Schemas() {
		out = append(out, schema{catalog.FirstOID + uint32(s.ID), s.Name, ""})
	}
	return out
}

// IsSchema tells whether a schema of that name is always there.
func IsSchema(name string) bool { return systemOID(name) != 0 }

// systemName and systemOID are of the schemas that are always there.
func systemName(oid uint32) string {
	for _, s := range systemSchemas {
		if s.oid == oid {
			return s.name
		}
	}
	return ""
}

func systemOID(name string) uint32 {
	for _, s := range systemSchemas {
		if s.name == name {
			return s.oid
		}
	}
	return 0
}

// Objects that belong to a relation have no ID of their own; their OIDs are the
// relation's and a bit that IDs do not reach.
const (
	indexBit     = 1 << 28
	constrainBit = 2 << 28
	defaultBit   = 3 << 28
	ruleBit      = 4 << 28
	compositeBit = 5 << 28
	kindBits     = 7 << 28
)

func compositeOID(n *catalog.NamedType) uint32 {
	return compositeBit | (catalog.FirstOID + uint32(n.ID))
}

// defaultOID is the OID in pg_attrdef of a column's default.
func defaultOID(relation uint32, attnum int) uint32 {
	const maxColumns = 1 << 11
	return defaultBit | (relation*maxColumns+uint32(attnum))&^uint32(kindBits)
}

// A class is an entry of pg_class.
type class struct {
	oid, namespace uint32
	schema, name   string
	kind           byte // relkind
	attrs          []attribute
	// user is the relation of the catalog; nil for virtual ones. An index and
	// its relation have the same.
	user *catalog.Relation
	// key are the attribute numbers of a table's primary key, and, for an
	// index, of what it indexes.
	key []int16
}

func (c *class) view() bool { return c.kind == 'v' }

// indexOID is the OID of the index of a table's primary key.
func (c *class) indexOID() uint32 { return indexBit | c.oid }

func (c *class) keyName() string { return c.name + "_pkey" }

// relkinds says how clients see streams, tables, materialized views and views.
var relkinds = [...]byte{catalog.Stream: 'r', catalog.Table: 'r', catalog.MaterializedView: 'm', catalog.View: 'v'}

func classOf(cat *catalog.Catalog, r *catalog.Relation) *class {
	c := &class{oid: r.OID(), namespace: nsPublic, schema: catalog.PublicSchema, name: r.Name, kind: relkinds[r.Kind], user: r}
	if s, ok := cat.SchemaByName(r.Schema); ok {
		c.namespace, c.schema = catalog.FirstOID+uint32(s.ID), s.Name
	}
	for _, col := range r.Columns {
		if col.Hidden {
			continue
		}
		isKey := r.Kind == catalog.Table && col.Role == catalog.Key
		c.attrs = append(c.attrs, attribute{name: col.Name, typ: col.Type, oid: col.Type.PGOID(), notNull: col.NotNull || isKey, deflt: col.Default})
		if isKey {
			c.key = append(c.key, int16(len(c.attrs)))
		}
	}
	return c
}

// index is the index of c's primary key.
func (c *class) index() *class {
	i := &class{oid: c.indexOID(), namespace: c.namespace, schema: c.schema, name: c.keyName(), kind: 'i', user: c.user, key: c.key}
	for _, k := range c.key {
		a := c.attrs[k-1]
		a.notNull, a.deflt = false, ""
		i.attrs = append(i.attrs, a)
	}
	return i
}

// userClasses are the relations of the catalog.
func userClasses(cat *catalog.Catalog) (out []*class) {
	for _, r := range cat.Relations() {
		out = append(out, classOf(cat, r))
	}
	return out
}

// tables are all relations but indexes and composite types.
func tables(cat *catalog.Catalog) []*class {
	return append(systemClasses(), userClasses(cat)...)
}

// userObjects is what pg_class and pg_attribute have beside the virtual relations:
// relations, their indexes, composite types.
func userObjects(cat *catalog.Catalog) (out []*class) {
	for _, c := range userClasses(cat) {
		out = append(out, c)
		if c.key != nil {
			out = append(out, c.index())
		}
	}
	for _, n := range cat.Types() {
		if n.Type.Kind == vec.Struct {
			c := &class{oid: compositeOID(n), namespace: nsPublic, schema: catalog.PublicSchema, name: n.Name, kind: 'c'}
			for _, f := range n.Type.Fields {
				c.attrs = append(c.attrs, attribute{name: f.Name, typ: f.Type, oid: f.Type.PGOID()})
			}
			out = append(out, c)
		}
	}
	return out
}

// A volume is how much a relation's topic holds.
type volume struct{ records, bytes int64 }

func volumes(s Source) map[catalog.ID]volume {
	out := map[catalog.ID]volume{}
	for _, p := range s.Partitions() {
		v := out[p.Topic]
		v.records += p.End - p.Start
		v.bytes += p.Bytes
		out[p.Topic] = v
	}
	return out
}

func (c *class) volume(v map[catalog.ID]volume) volume {
	if c.user == nil || c.kind == 'i' {
		return volume{}
	}
	return v[c.user.Topic]
}

const pageBytes = 8192

func pgClasses(s Source, emit emitter) error {
	vols := volumes(s)
	for _, c := range append(systemClasses(), userObjects(s.Catalog())...) {
		am, fileNode, reltype := 0, c.oid, uint32(0)
		identity, tuples := byte('n'), float64(-1)
		var options any
		v := c.volume(vols)
		switch c.kind {
		case 'r', 'm':
			am = heapAM
		case 'i':
			am = btreeAM
		case 'c':
			fileNode, reltype = 0, c.oid&^uint32(kindBits)
		default:
			fileNode = 0
		}
		if c.user == nil {
			fileNode = 0
		} else if c.kind == 'r' || c.kind == 'm' {
			identity, tuples = 'd', float64(v.records)
			options = []string{"weir.kind=" + kindWord(c.user)}
		}
		if c.kind == 'v' || c.kind == 'c' {
			tuples = -1
		}
		emit(c.oid, c.name, c.namespace, reltype, 0, ownerOID, am, fileNode, 0, (v.bytes+pageBytes-1)/pageBytes, tuples, 0, 0,
			c.kind != 'i' && c.key != nil, false, byte('p'), c.kind, len(c.attrs), 0, c.view(), false, false, false, false, true,
			identity, false, 0, 0, 0, nil, options, nil)
	}
	return nil
}

func kindWord(r *catalog.Relation) string {
	switch r.Kind {
	case catalog.Stream:
		return "stream"
	case catalog.Table:
		return "table"
	}
	return "materialized_view"
}

func pgAttributes(s Source, emit emitter) error {
	for _, row := range index().attributes {
		emit(append([]vec.Value{}, row...)...)
	}
	for _, c := range userObjects(s.Catalog()) {
		for i := range c.attrs {
			emit(c.attributeRow(i)...)
		}
	}
	return nil
}

func (c *class) attributeRow(i int) []vec.Value {
	a := &c.attrs[i]
	t := typeOf(a.oid)
	dims := 0
	for e := &a.typ; e.Kind == vec.Array && e.Elem != nil; e = e.Elem {
		dims++
	}
	if a.typ.OID != 0 {
		dims = 0
	}
	return []vec.Value{c.oid, a.name, a.oid, -1, t.len, i + 1, dims, -1, a.typmod(), t.byVal, t.align, t.storage, byte(0), a.notNull,
		a.deflt != "", false, byte(0), byte(0), false, true, 0, t.coll, nil, nil, nil, nil}
}

// typmod is atttypmod: domains have theirs in pg_type.
func (a *attribute) typmod() int32 {
	if a.oid != a.typ.PGOID() {
		return -1
	}
	return a.typ.PGTypmod()
}

func pgAttrdefs(s Source, emit emitter) error {
	for _, c := range userClasses(s.Catalog()) {
		for i, a := range c.attrs {
			if a.deflt != "" {
				emit(defaultOID(c.oid, i+1), c.oid, i+1, a.deflt)
			}
		}
	}
	return nil
}

func pgIndexes(s Source, emit emitter) error {
	for _, c := range userClasses(s.Catalog()) {
		if c.key == nil {
			continue
		}
		n := len(c.key)
		coll, class, option := make([]uint32, n), make([]uint32, n), make([]int16, n)
		for i, k := range c.key {
			coll[i] = typeOf(c.attrs[k-1].oid).coll
			class[i] = operatorClass(c.attrs[k-1].oid)
		}
		emit(c.indexOID(), c.oid, n, n, true, false, true, false, true, false, true, false, true, true, false, c.key, coll, class, option, nil, nil)
	}
	return nil
}

// operatorClasses are PostgreSQL's default btree operator classes of the types
// that keys may have.
var operatorClasses = []struct {
	oid    uint32
	name   string
	family uint32
	typ    uint32
}{
	{1978, "int4_ops", 1976, vec.OIDInt4}, {1979, "int2_ops", 1976, vec.OIDInt2}, {1981, "oid_ops", 1989, vec.OIDOID},
	{3122, "date_ops", 434, vec.OIDDate}, {3123, "float8_ops", 1970, vec.OIDFloat8}, {3124, "int8_ops", 1976, vec.OIDInt8},
	{3125, "numeric_ops", 1988, vec.OIDNumeric}, {3126, "text_ops", 1994, vec.OIDText},
	{3127, "timestamptz_ops", 434, vec.OIDTimestampTZ}, {3128, "timestamp_ops", 434, vec.OIDTimestamp},
	{10000, "array_ops", 397, vec.OIDAnyArray}, {10003, "bool_ops", 424, vec.OIDBool}, {10004, "bpchar_ops", 426, vec.OIDBPChar},
	{10006, "bytea_ops", 428, vec.OIDBytea}, {10007, "char_ops", 429, vec.OIDChar}, {10012, "float4_ops", 1970, vec.OIDFloat4},
	{10022, "interval_ops", 1982, vec.OIDInterval}, {10028, "name_ops", 1994, vec.OIDName}, {10038, "time_ops", 1996, vec.OIDTime},
	{10065, "uuid_ops", 2968, vec.OIDUUID}, {10088, "jsonb_ops", 4033, vec.OIDJSONB},
}

// operatorClass is the operator class that a key of that type has.
func operatorClass(typ uint32) uint32 {
	if typ == vec.OIDVarchar {
		typ = vec.OIDText
	} else if typeOf(typ).category == 'A' {
		typ = vec.OIDAnyArray
	}
	for _, c := range operatorClasses {
		if c.typ == typ {
			return c.oid
		}
	}
	return 0
}

func pgConstraints(s Source, emit emitter) error {
	for _, c := range userClasses(s.Catalog()) {
		if c.key != nil {
			emit(constrainBit|c.oid, c.keyName(), c.namespace, byte('p'), false, false, true, c.oid, 0, c.indexOID(), 0, 0,
				byte(' '), byte(' '), byte(' '), true, 0, true, c.key, nil, nil, nil, nil, nil, nil, nil)
		}
	}
	return nil
}

func pgDescriptions(s Source, emit emitter) error {
	for _, x := range systemSchemas {
		if x.about != "" {
			emit(x.oid, classNamespace, 0, x.about)
		}
	}
	for _, c := range userClasses(s.Catalog()) {
		if c.user.Comment != "" {
			emit(c.oid, classClass, 0, c.user.Comment)
		}
	}
	return nil
}

// pgRewrites has the rule that makes a view of a relation. Dependencies hang on it.
func pgRewrites(s Source, emit emitter) error {
	for _, c := range userClasses(s.Catalog()) {
		if c.kind == 'v' || c.kind == 'm' {
			emit(ruleBit|c.oid, "_RETURN", c.oid, byte('1'), byte('O'), true, "<>", "<>")
		}
	}
	return nil
}

// pgDepends says what materialized views read, which indexes and defaults belong
// to which table.
func pgDepends(s Source, emit emitter) error {
	cat := s.Catalog()
	for _, c := range userClasses(cat) {
		if c.key != nil {
			for _, k := range c.key {
				emit(classConstraint, constrainBit|c.oid, 0, classClass, c.oid, k, byte('a'))
			}
			emit(classClass, c.indexOID(), 0, classConstraint, constrainBit|c.oid, 0, byte('i'))
		}
		for i, a := range c.attrs {
			if a.deflt != "" {
				emit(classAttrdef, defaultOID(c.oid, i+1), 0, classClass, c.oid, i+1, byte('a'))
			}
		}
		if c.kind != 'm' {
			continue
		}
		emit(classRewrite, ruleBit|c.oid, 0, classClass, c.oid, 0, byte('i'))
		if q, ok := cat.Query(c.user.Query); ok {
			for _, src := range q.Sources {
				if r, ok := cat.Relation(src); ok {
					emit(classRewrite, ruleBit|c.oid, 0, classClass, r.OID(), 0, byte('n'))
				}
			}
		}
	}
	return nil
}
