package planner

import (
	"strconv"
	"strings"

	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/sql/ast"
)

// typeNames are the names of types in both dialects, in lower case.
var typeNames = map[string]vec.Type{
	"bool": vec.Of(vec.Bool), "boolean": vec.Of(vec.Bool),
	"smallint": vec.Of(vec.Int16), "int2": vec.Of(vec.Int16),
	"int": vec.Of(vec.Int32), "integer": vec.Of(vec.Int32), "int4": vec.Of(vec.Int32),
	"bigint": vec.Of(vec.Int64), "int8": vec.Of(vec.Int64),
	"real": vec.Of(vec.Float32), "float4": vec.Of(vec.Float32),
	"double": vec.Of(vec.Float64), "double precision": vec.Of(vec.Float64), "float8": vec.Of(vec.Float64), "float": vec.Of(vec.Float64),
	"decimal": vec.Of(vec.Decimal), "numeric": vec.Of(vec.Decimal), "dec": vec.Of(vec.Decimal),
	"text": vec.Of(vec.Text), "string": vec.Of(vec.Text),
	"varchar": {Kind: vec.Text, OID: vec.OIDVarchar}, "character varying": {Kind: vec.Text, OID: vec.OIDVarchar},
	"char": {Kind: vec.Text, OID: vec.OIDBPChar}, "character": {Kind: vec.Text, OID: vec.OIDBPChar}, "bpchar": {Kind: vec.Text, OID: vec.OIDBPChar},
	"name": {Kind: vec.Text, OID: vec.OIDName}, "cstring": vec.Of(vec.Text), "xid": {Kind: vec.OID, OID: vec.OIDXID},
	"bytea": vec.Of(vec.Bytes), "bytes": vec.Of(vec.Bytes),
	"date": vec.Of(vec.Date), "time": vec.Of(vec.Time), "time without time zone": vec.Of(vec.Time),
	"timestamp": vec.Of(vec.Timestamp), "timestamp without time zone": vec.Of(vec.Timestamp),
	"timestamptz": vec.Of(vec.TimestampTZ), "timestamp with time zone": vec.Of(vec.TimestampTZ),
	"interval": vec.Of(vec.Interval), "json": vec.Of(vec.JSON), "jsonb": vec.Of(vec.JSONB), "uuid": vec.Of(vec.UUID),
	"oid": vec.Of(vec.OID), "unknown": vec.Of(vec.Unknown),
	"regclass": {Kind: vec.OID, OID: vec.OIDRegclass}, "regtype": {Kind: vec.OID, OID: vec.OIDRegtype},
	"regproc": {Kind: vec.OID, OID: vec.OIDRegproc}, "regprocedure": {Kind: vec.OID, OID: vec.OIDRegprocedure},
	"regnamespace": {Kind: vec.OID, OID: vec.OIDRegnsp}, "regrole": {Kind: vec.OID, OID: vec.OIDRegrole},
	"regoper": {Kind: vec.OID, OID: vec.OIDRegoper}, "regoperator": {Kind: vec.OID, OID: vec.OIDRegoperator},
	"regconfig": {Kind: vec.OID, OID: vec.OIDRegconfig}, "regdictionary": {Kind: vec.OID, OID: vec.OIDRegdict},
	"regcollation": {Kind: vec.OID, OID: vec.OIDRegcoll}, "xid8": {Kind: vec.Int64, OID: vec.OIDXID8},
	"pg_lsn": {Kind: vec.Text, OID: vec.OIDLSN}, "inet": {Kind: vec.Text, OID: vec.OIDInet},
	"int2vector": {Kind: vec.Array, OID: vec.OIDInt2Vector, Elem: &vec.Type{Kind: vec.Int16}},
	"oidvector":  {Kind: vec.Array, OID: vec.OIDOIDVector, Elem: &vec.Type{Kind: vec.OID}},
}

// maxTypeDepth bounds the nesting of arrays, maps and structs.
const maxTypeDepth = 32

// typeOf resolves a type as written: built-in, or named by CREATE TYPE.
func (b *binder) typeOf(t ast.Type) (vec.Type, error) { return b.typeAt(t, 0) }

func (b *binder) typeAt(t ast.Type, depth int) (vec.Type, error) {
	if depth > maxTypeDepth {
		return vec.Type{}, pgerr.Newf(pgerr.StatementTooComplex, "type is nested more than %d levels deep", maxTypeDepth).At(t.Pos())
	}
	nested := func(in *ast.Type) (*vec.Type, error) {
		out, err := b.typeAt(*in, depth+1)
		return &out, err
	}
	switch {
	case t.Elem != nil:
		elem, err := nested(t.Elem)
		if err != nil {
			return vec.Type{}, err
		}
		out := vec.ArrayOf(*elem)
		for i := 1; i < t.Dims; i++ {
			out = vec.ArrayOf(out)
		}
		return out, nil
	case t.Key != nil:
		k, err := nested(t.Key)
		if err != nil {
			return vec.Type{}, err
		}
		v, err := nested(t.Value)
		return vec.Type{Kind: vec.Map, Key: k, Elem: v}, err
	case t.Fields != nil:
		out := vec.Type{Kind: vec.Struct}
		for _, f := range t.Fields {
			ft, err := nested(&f.Type)
			if err != nil {
				return vec.Type{}, err
			}
			for _, have := range out.Fields {
				if have.Name == f.Name.S {
					return vec.Type{}, pgerr.Newf(pgerr.DuplicateColumn, "Duplicate field names found in STRUCT: '%s'", f.Name.S).At(t.Pos())
				}
			}
			out.Fields = append(out.Fields, vec.Field{Name: f.Name.S, Type: *ft})
		}
		return out, nil
	}
	name := strings.ToLower(t.Name.S)
	if t.Name.Quoted && name == "char" {
		return vec.Type{Kind: vec.Text, OID: vec.OIDChar}, nil
	}
	out, ok := typeNames[name]
	if !ok {
		if named, ok := b.env.Catalog.TypeByName(t.Name.S); ok {
			return named.Type, nil
		}
		// A relation's name, or an information_schema domain.
		switch name {
		case "sql_identifier", "character_data", "yes_or_no":
			return vec.Type{Kind: vec.Text, OID: vec.OIDVarchar}, nil
		case "cardinal_number":
			return vec.Of(vec.Int32), nil
		}
		return vec.Type{}, pgerr.Newf(pgerr.UndefinedObject, "type %q does not exist", t.Name.S).At(t.Pos())
	}
	if b.env.Dialect == ast.KSQL && name == "varchar" { // another word for STRING, which may stand behind it
		if len(t.Args) == 1 && strings.EqualFold(t.Args[0], "string") {
			t.Args = nil
		}
		out = vec.Of(vec.Text)
	}
	if name == "char" || name == "character" {
		out.Precision = 1
	}
	return b.modified(out, t)
}

// modified applies the numbers in parentheses after a type's name.
func (b *binder) modified(out vec.Type, t ast.Type) (vec.Type, error) {
	if len(t.Args) == 0 {
		return out, nil
	}
	var n []int32
	for _, a := range t.Args {
		v, err := strconv.ParseInt(a, 10, 32)
		if err != nil {
			return out, pgerr.Newf(pgerr.InvalidParameterValue, "invalid type modifier %q", a).At(t.Pos())
		}
		n = append(n, int32(v))
	}
	switch out.Kind {
	case vec.Decimal:
		if n[0] < 1 || n[0] > 1000 {
			return out, pgerr.Newf(pgerr.InvalidParameterValue, "NUMERIC precision %d must be between 1 and 1000", n[0]).At(t.Pos())
		}
		out.Precision = n[0]
		if len(n) > 1 {
			out.Scale = n[1]
			if n[1] < 0 || n[1] > n[0] {
				return out, pgerr.Newf(pgerr.InvalidParameterValue, "NUMERIC scale %d must be between 0 and precision %d", n[1], n[0]).At(t.Pos())
			}
		}
	case vec.Text:
		if b.env.Dialect == ast.KSQL {
			return out, pgerr.Newf(pgerr.SyntaxError, "%s does not take a length in this dialect", strings.ToUpper(t.Name.S)).At(t.Pos())
		}
		if n[0] < 1 {
			return out, pgerr.Newf(pgerr.InvalidParameterValue, "length for type %s must be at least 1", t.Name.S).At(t.Pos())
		}
		out.Precision = n[0]
	case vec.Float64:
		if n[0] <= 24 {
			out.Kind = vec.Float32
		}
	}
	return out, nil
}
