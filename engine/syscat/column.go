package syscat

import (
	"strings"

	"github.com/weirdb/weir/internal/vec"
)

// An attribute is a column as pg_attribute knows it.
type attribute struct {
	name    string
	typ     vec.Type
	oid     uint32 // the declared type: domains are not their base type here
	notNull bool
	deflt   string // SQL text of the default
}

// attributes reads "name type, name type!".
func attributes(spec string) []attribute {
	words := strings.Split(spec, ", ")
	out := make([]attribute, len(words))
	for i, w := range words {
		name, t, _ := strings.Cut(w, " ")
		t, notNull := strings.CutSuffix(t, "!")
		elem, isArray := strings.CutSuffix(t, "[]")
		typ, ok := columnTypes[elem]
		if !ok {
			panic("syscat: column of unknown type: " + w)
		}
		a := attribute{name: name, typ: typ, notNull: notNull}
		if isArray {
			a.typ = vec.ArrayOf(typ)
		}
		if a.oid = domains[t]; a.oid == 0 {
			a.oid = a.typ.PGOID()
		}
		out[i] = a
	}
	return out
}

// columnTypes are the types of the columns of virtual relations. What clients
// see of a domain is its base type, as with PostgreSQL.
var columnTypes = map[string]vec.Type{
	"bool": vec.Of(vec.Bool), "int2": vec.Of(vec.Int16), "int4": vec.Of(vec.Int32), "int8": vec.Of(vec.Int64),
	"float4": vec.Of(vec.Float32), "float8": vec.Of(vec.Float64), "numeric": vec.Of(vec.Decimal),
	"text": vec.Of(vec.Text), "bytea": vec.Of(vec.Bytes), "timestamptz": vec.Of(vec.TimestampTZ), "interval": vec.Of(vec.Interval),
	"oid": vec.Of(vec.OID), "xid": {Kind: vec.OID, OID: vec.OIDXID},
	"regproc": {Kind: vec.OID, OID: vec.OIDRegproc}, "regtype": {Kind: vec.OID, OID: vec.OIDRegtype},
	"name": {Kind: vec.Text, OID: vec.OIDName}, "char": {Kind: vec.Text, OID: vec.OIDChar},
	"int2vector": {Kind: vec.Array, OID: vec.OIDInt2Vector, Elem: &vec.Type{Kind: vec.Int16}},
	"oidvector":  {Kind: vec.Array, OID: vec.OIDOIDVector, Elem: &vec.Type{Kind: vec.OID}},
	"anyarray":   {Kind: vec.Array, OID: vec.OIDAnyArray, Elem: &vec.Type{Kind: vec.Text}},

	// Types that Weir has only here; their values are text.
	"pg_node_tree": {Kind: vec.Text, OID: vec.OIDNodeTree}, "aclitem": {Kind: vec.Text, OID: vec.OIDACLItem},
	"pg_lsn": {Kind: vec.Text, OID: vec.OIDLSN}, "inet": {Kind: vec.Text, OID: vec.OIDInet},
	"pg_ndistinct": {Kind: vec.Text, OID: 3361}, "pg_dependencies": {Kind: vec.Text, OID: 3402},
	"pg_mcv_list": {Kind: vec.Text, OID: 5017}, "pg_statistic": vec.Of(vec.Text),

	"sql_identifier": {Kind: vec.Text, OID: vec.OIDName}, "character_data": {Kind: vec.Text, OID: vec.OIDVarchar},
	"yes_or_no":       {Kind: vec.Text, OID: vec.OIDVarchar, Precision: 3},
	"cardinal_number": vec.Of(vec.Int32), "time_stamp": vec.Of(vec.TimestampTZ),
}

// domains are the OIDs of information_schema's domains.
var domains = map[string]uint32{
	"cardinal_number": 13221, "character_data": 13224, "sql_identifier": 13226, "time_stamp": 13232, "yes_or_no": 13234,
}
