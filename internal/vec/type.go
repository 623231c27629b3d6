package vec

import (
	"slices"
	"strconv"
	"strings"
)

// Kind is the family of a type: what values it has and how they are laid out.
type Kind uint8

const (
	// Unknown is the type of NULL and of string literals before the binder
	// gives them one.
	Unknown Kind = iota
	Bool
	Int16
	Int32
	Int64
	OID // unsigned 32-bit object identifiers, also regclass and its like
	Float32
	Float64
	Decimal
	Text // also varchar(n), name, "char"
	Bytes
	Date        // days since 1970-01-01
	Time        // microseconds since midnight
	Timestamp   // microseconds since 1970-01-01 00:00, no zone
	TimestampTZ // microseconds since 1970-01-01 00:00 UTC
	Interval
	JSON  // text as written
	JSONB // text in PostgreSQL's normal form
	UUID
	Array
	Map
	Struct
	numKinds
)

// Infinite dates and timestamps, as PostgreSQL has them.
const (
	PosInfinity = int64(1<<63 - 1)
	NegInfinity = int64(-1 << 63)
)

// Layout is how a column stores its values.
type Layout uint8

const (
	InBytes  Layout = iota // Vec.Views into Vec.Data
	InInts                 // Vec.Ints; booleans are 0 and 1
	InFloats               // Vec.Floats
)

// Layout returns how columns of kind k store their values.
func (k Kind) Layout() Layout { return layouts[k] }

var layouts = [numKinds]Layout{
	Bool: InInts, Int16: InInts, Int32: InInts, Int64: InInts, OID: InInts,
	Float32: InFloats, Float64: InFloats,
	Date: InInts, Time: InInts, Timestamp: InInts, TimestampTZ: InInts,
}

// A Type is what the binder knows about an expression or column. Types are
// values: copy them freely, never change what Elem, Key or Fields refer to.
type Type struct {
	Kind Kind
	// OID tells apart the names that PostgreSQL has for one Kind (varchar,
	// name, regclass, ...). 0 means the kind's own, see PGOID.
	OID uint32
	// Precision is p of decimal(p, s) or n of varchar(n); 0 means unlimited.
	Precision int32
	Scale     int32   // s of decimal(p, s)
	Elem      *Type   // array elements, map values
	Key       *Type   // map keys
	Fields    []Field // struct
}

// Field is a member of a struct type.
type Field struct {
	Name string
	Type Type
}

// Of returns the plain type of kind k.
func Of(k Kind) Type { return Type{Kind: k} }

// ArrayOf returns the type of arrays of elem.
func ArrayOf(elem Type) Type { return Type{Kind: Array, Elem: &elem} }

// MapOf returns the type of maps from key to value.
func MapOf(key, value Type) Type { return Type{Kind: Map, Key: &key, Elem: &value} }

// DecimalOf returns decimal(p, s).
func DecimalOf(p, s int32) Type { return Type{Kind: Decimal, Precision: p, Scale: s} }

// Layout returns how columns of type t store their values.
func (t Type) Layout() Layout { return t.Kind.Layout() }

// Equal tells whether t and u are the same type, names of struct fields included.
func (t Type) Equal(u Type) bool {
	if t.Kind != u.Kind || t.OID != u.OID || t.Precision != u.Precision || t.Scale != u.Scale {
		return false
	}
	switch t.Kind {
	case Array:
		return t.Elem.Equal(*u.Elem)
	case Map:
		return t.Key.Equal(*u.Key) && t.Elem.Equal(*u.Elem)
	case Struct:
		return slices.EqualFunc(t.Fields, u.Fields, func(a, b Field) bool {
			return a.Name == b.Name && a.Type.Equal(b.Type)
		})
	}
	return true
}

// IsNumeric tells whether t takes part in arithmetic.
func (t Type) IsNumeric() bool {
	switch t.Kind {
	case Int16, Int32, Int64, Float32, Float64, Decimal:
		return true
	}
	return false
}

// IsInteger tells whether t is a signed integer type.
func (t Type) IsInteger() bool { return t.Kind == Int16 || t.Kind == Int32 || t.Kind == Int64 }

// OIDs of PostgreSQL's built-in types (pg_type.dat).
const (
	OIDBool        = 16
	OIDBytea       = 17
	OIDChar        = 18
	OIDName        = 19
	OIDInt8        = 20
	OIDInt2        = 21
	OIDInt2Vector  = 22
	OIDInt4        = 23
	OIDRegproc     = 24
	OIDText        = 25
	OIDOID         = 26
	OIDXID         = 28
	OIDOIDVector   = 30
	OIDJSON        = 114
	OIDFloat4      = 700
	OIDFloat8      = 701
	OIDUnknown     = 705
	OIDBPChar      = 1042
	OIDVarchar     = 1043
	OIDDate        = 1082
	OIDTime        = 1083
	OIDTimestamp   = 1114
	OIDTimestampTZ = 1184
	OIDInterval    = 1186
	OIDNumeric     = 1700
	OIDRegclass    = 2205
	OIDRegtype     = 2206
	OIDRecord      = 2249
	OIDUUID        = 2950
	OIDJSONB       = 3802
	OIDRegnsp      = 4089
	OIDRegrole     = 4096

	// Types that only PostgreSQL's catalog has; their values are text here.
	OIDNodeTree = 194
	OIDInet     = 869
	OIDACLItem  = 1033
	OIDAnyArray = 2277
	OIDLSN      = 3220

	// And some more names for OIDs and big integers.
	OIDRegprocedure = 2202
	OIDRegoper      = 2203
	OIDRegoperator  = 2204
	OIDRegconfig    = 3734
	OIDRegdict      = 3769
	OIDRegcoll      = 4191
	OIDXID8         = 5069
)

var kinds = [numKinds]struct {
	name, ksql string
	oid, array uint32
}{
	Unknown:     {"unknown", "NULL", OIDUnknown, 0},
	Bool:        {"boolean", "BOOLEAN", OIDBool, 1000},
	Int16:       {"smallint", "SMALLINT", OIDInt2, 1005},
	Int32:       {"integer", "INTEGER", OIDInt4, 1007},
	Int64:       {"bigint", "BIGINT", OIDInt8, 1016},
	OID:         {"oid", "OID", OIDOID, 1028},
	Float32:     {"real", "REAL", OIDFloat4, 1021},
	Float64:     {"double precision", "DOUBLE", OIDFloat8, 1022},
	Decimal:     {"numeric", "DECIMAL", OIDNumeric, 1231},
	Text:        {"text", "STRING", OIDText, 1009},
	Bytes:       {"bytea", "BYTES", OIDBytea, 1001},
	Date:        {"date", "DATE", OIDDate, 1182},
	Time:        {"time without time zone", "TIME", OIDTime, 1183},
	Timestamp:   {"timestamp without time zone", "TIMESTAMP", OIDTimestamp, 1115},
	TimestampTZ: {"timestamp with time zone", "TIMESTAMPTZ", OIDTimestampTZ, 1185},
	Interval:    {"interval", "INTERVAL", OIDInterval, 1187},
	JSON:        {"json", "JSON", OIDJSON, 199},
	JSONB:       {"jsonb", "JSONB", OIDJSONB, 3807},
	UUID:        {"uuid", "UUID", OIDUUID, 2951},
	Array:       {"array", "ARRAY", 0, 0},
	Map:         {"map", "MAP", OIDJSONB, 3807},
	Struct:      {"record", "STRUCT", OIDRecord, 2287},
}

// variants are the other names PostgreSQL has for a kind, by OID.
var variants = map[uint32]struct {
	name  string
	array uint32
}{
	OIDVarchar:    {"character varying", 1015},
	OIDBPChar:     {"character", 1014},
	OIDName:       {"name", 1003},
	OIDChar:       {`"char"`, 1002},
	OIDRegclass:   {"regclass", 2210},
	OIDRegtype:    {"regtype", 2211},
	OIDRegproc:    {"regproc", 1008},
	OIDRegnsp:     {"regnamespace", 4090},
	OIDRegrole:    {"regrole", 4097},
	OIDXID:        {"xid", 1011},
	OIDInt2Vector: {"int2vector", 1006},
	OIDOIDVector:  {"oidvector", 1013},
	OIDNodeTree:   {"pg_node_tree", 0},
	OIDInet:       {"inet", 1041},
	OIDACLItem:    {"aclitem", 1034},
	OIDAnyArray:   {"anyarray", 0},
	OIDLSN:        {"pg_lsn", 3221},

	OIDRegprocedure: {"regprocedure", 2207},
	OIDRegoper:      {"regoper", 2208},
	OIDRegoperator:  {"regoperator", 2209},
	OIDRegconfig:    {"regconfig", 3735},
	OIDRegdict:      {"regdictionary", 3770},
	OIDRegcoll:      {"regcollation", 4192},
	OIDXID8:         {"xid8", 271},
}

// PGOID returns the OID that PostgreSQL clients know t by. Maps are shown to
// them as jsonb, structs as anonymous records.
func (t Type) PGOID() uint32 {
	switch {
	case t.OID != 0:
		return t.OID
	case t.Kind == Array:
		return t.Elem.arrayOID()
	}
	return kinds[t.Kind].oid
}

func (t Type) arrayOID() uint32 {
	if t.Kind == Array {
		return t.Elem.arrayOID() // PostgreSQL has one type for all dimensions
	}
	if v, ok := variants[t.OID]; ok && v.array != 0 {
		return v.array
	}
	if a := kinds[t.Kind].array; a != 0 {
		return a
	}
	return 1009 // text[]
}

// PGTypmod returns atttypmod: -1, or the modifier as PostgreSQL packs it.
func (t Type) PGTypmod() int32 {
	switch {
	case t.Kind == Decimal && t.Precision > 0:
		return t.Precision<<16 | t.Scale + 4
	case t.Kind == Text && t.Precision > 0:
		return t.Precision + 4
	}
	return -1
}

// String returns the type as PostgreSQL's format_type would write it; types
// that PostgreSQL lacks are written as the ksql dialect does.
func (t Type) String() string {
	switch t.Kind {
	case Array:
		if v, ok := variants[t.OID]; ok {
			return v.name // int2vector, oidvector
		}
		return t.Elem.String() + "[]"
	case Map, Struct:
		return t.KSQL()
	case Decimal:
		if t.Precision > 0 {
			return "numeric(" + strconv.Itoa(int(t.Precision)) + "," + strconv.Itoa(int(t.Scale)) + ")"
		}
	}
	name := kinds[t.Kind].name
	if v, ok := variants[t.OID]; ok {
		name = v.name
	}
	if t.Kind == Text && t.Precision > 0 {
		return name + "(" + strconv.Itoa(int(t.Precision)) + ")"
	}
	return name
}

// KSQL returns the type as ksqlDB writes it: STRUCT<`f` INTEGER, G DECIMAL(4, 2)>.
func (t Type) KSQL() string {
	switch t.Kind {
	case Array:
		return "ARRAY<" + t.Elem.KSQL() + ">"
	case Map:
		return "MAP<" + t.Key.KSQL() + ", " + t.Elem.KSQL() + ">"
	case Struct:
		var b strings.Builder
		b.WriteString("STRUCT<")
		for i, f := range t.Fields {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(KSQLName(f.Name) + " " + f.Type.KSQL())
		}
		return b.String() + ">"
	case Decimal:
		if t.Precision > 0 {
			return "DECIMAL(" + strconv.Itoa(int(t.Precision)) + ", " + strconv.Itoa(int(t.Scale)) + ")"
		}
	}
	return kinds[t.Kind].ksql
}

// KSQLName returns an identifier as the ksql dialect would have to write it:
// bare if it is upper case, in back-ticks otherwise.
func KSQLName(s string) string {
	for i := range len(s) {
		c := s[i]
		if !(c == '_' || c >= 'A' && c <= 'Z' || i > 0 && c >= '0' && c <= '9') {
			return "`" + strings.ReplaceAll(s, "`", "``") + "`"
		}
	}
	return s
}
