package vec

import (
	"strconv"
	"strings"

	"github.com/weirdb/weir/internal/pgerr"
)

// names maps the names of types, as SQL and pg_type write them, to types.
var names = map[string]Type{
	"bool": Of(Bool), "boolean": Of(Bool),
	"int2": Of(Int16), "smallint": Of(Int16),
	"int4": Of(Int32), "integer": Of(Int32), "int": Of(Int32),
	"int8": Of(Int64), "bigint": Of(Int64),
	"oid":    Of(OID),
	"float4": Of(Float32), "real": Of(Float32),
	"float8": Of(Float64), "double precision": Of(Float64), "double": Of(Float64), "float": Of(Float64),
	"numeric": Of(Decimal), "decimal": Of(Decimal),
	"text": Of(Text), "string": Of(Text), "unknown": Of(Unknown),
	"varchar": {Kind: Text, OID: OIDVarchar}, "character varying": {Kind: Text, OID: OIDVarchar},
	"bpchar": {Kind: Text, OID: OIDBPChar}, "character": {Kind: Text, OID: OIDBPChar}, "char": {Kind: Text, OID: OIDBPChar},
	"name": {Kind: Text, OID: OIDName}, `"char"`: {Kind: Text, OID: OIDChar},
	"bytea": Of(Bytes), "bytes": Of(Bytes),
	"date": Of(Date),
	"time": Of(Time), "time without time zone": Of(Time),
	"timestamp": Of(Timestamp), "timestamp without time zone": Of(Timestamp),
	"timestamptz": Of(TimestampTZ), "timestamp with time zone": Of(TimestampTZ),
	"interval": Of(Interval), "json": Of(JSON), "jsonb": Of(JSONB), "uuid": Of(UUID),
	"record":   Of(Struct),
	"regclass": {Kind: OID, OID: OIDRegclass}, "regtype": {Kind: OID, OID: OIDRegtype},
	"regproc": {Kind: OID, OID: OIDRegproc}, "regnamespace": {Kind: OID, OID: OIDRegnsp},
	"regrole": {Kind: OID, OID: OIDRegrole}, "xid": {Kind: OID, OID: OIDXID},
	"regprocedure": {Kind: OID, OID: OIDRegprocedure}, "regoper": {Kind: OID, OID: OIDRegoper},
	"regoperator": {Kind: OID, OID: OIDRegoperator}, "regconfig": {Kind: OID, OID: OIDRegconfig},
	"regdictionary": {Kind: OID, OID: OIDRegdict}, "regcollation": {Kind: OID, OID: OIDRegcoll},
	"xid8": {Kind: Int64, OID: OIDXID8}, "pg_lsn": {Kind: Text, OID: OIDLSN}, "inet": {Kind: Text, OID: OIDInet},
	"int2vector": {Kind: Array, OID: OIDInt2Vector, Elem: &Type{Kind: Int16}},
	"oidvector":  {Kind: Array, OID: OIDOIDVector, Elem: &Type{Kind: OID}},
}

// ParseType reads the name of one of PostgreSQL's types: numeric(10,2), text[],
// pg_catalog.int4, _int4, timestamp with time zone.
func ParseType(s string) (Type, error) {
	name := strings.Join(strings.Fields(strings.ToLower(s)), " ")
	name = strings.TrimPrefix(name, "pg_catalog.")
	dims := 0
	for strings.HasSuffix(name, "]") {
		open := strings.LastIndexByte(name, '[')
		if open < 0 {
			break
		}
		name = strings.TrimSpace(name[:open])
		dims++
	}
	if dims == 0 && strings.HasPrefix(name, "_") {
		name, dims = name[1:], 1
	}
	base, mods, ok := modifiers(name)
	t, known := names[base]
	if !ok || !known {
		return Type{}, pgerr.Newf(pgerr.UndefinedObject, "type \"%s\" does not exist", s)
	}
	if len(mods) > 0 && (t.Kind == Decimal || t.Kind == Text) {
		t.Precision = mods[0]
		if t.Kind == Decimal && len(mods) > 1 {
			t.Scale = mods[1]
		}
	}
	for range min(dims, 6) { // PostgreSQL's MAXDIM
		t = ArrayOf(t)
	}
	return t, nil
}

// modifiers splits "numeric(10,2)" and "timestamp(3) with time zone".
func modifiers(name string) (base string, mods []int32, ok bool) {
	head, rest, found := strings.Cut(name, "(")
	if !found {
		return name, nil, true
	}
	list, tail, found := strings.Cut(rest, ")")
	if !found {
		return "", nil, false
	}
	for _, m := range strings.Split(list, ",") {
		n, err := strconv.ParseInt(strings.TrimSpace(m), 10, 32)
		if err != nil {
			return "", nil, false
		}
		mods = append(mods, int32(n))
	}
	return strings.TrimSpace(strings.TrimSpace(head) + tail), mods, true
}

// TypeOf returns the type that PostgreSQL's clients know by that OID.
func TypeOf(oid uint32) (Type, bool) {
	for k := range numKinds {
		switch {
		case k == Map || k == Array: // the OID of maps is jsonb's
		case kinds[k].oid == oid:
			return Of(k), true
		case kinds[k].array == oid && oid != 0:
			return ArrayOf(Of(k)), true
		}
	}
	for v, info := range variants {
		if v != oid && (info.array != oid || oid == 0) {
			continue
		}
		t := variantType(v)
		if info.array == oid {
			t = ArrayOf(t)
		}
		return t, true
	}
	return Type{}, false
}

func variantType(oid uint32) Type {
	switch oid {
	case OIDVarchar, OIDBPChar, OIDName, OIDChar, OIDNodeTree, OIDInet, OIDACLItem, OIDLSN:
		return Type{Kind: Text, OID: oid}
	case OIDInt2Vector:
		return names["int2vector"]
	case OIDOIDVector:
		return names["oidvector"]
	case OIDAnyArray:
		return Type{Kind: Array, OID: oid, Elem: &Type{Kind: Text}}
	case OIDXID8:
		return Type{Kind: Int64, OID: oid}
	}
	return Type{Kind: OID, OID: oid}
}

// TypeNameOf returns the name that format_type gives the type with that OID.
func TypeNameOf(oid uint32) (string, bool) {
	t, ok := TypeOf(oid)
	if !ok {
		return "", false
	}
	if t.Kind == Struct {
		return "record", true // as an OID it has no fields
	}
	return t.String(), true
}
