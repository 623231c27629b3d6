package fn

import (
	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
)

// CastContext says how much the user asked for a cast.
type CastContext uint8

const (
	Implicit   CastContext = iota // in any expression
	Assignment                    // storing into a column
	Explicit                      // CAST or ::
)

// kindSet is a set of kinds.
type kindSet uint32

func kindsOf(ks ...vec.Kind) (s kindSet) {
	for _, k := range ks {
		s |= 1 << k
	}
	return s
}

func (s kindSet) has(k vec.Kind) bool { return s>>k&1 != 0 }

// pgImplicit and pgAssignment are the casts of pg_cast.dat, beyond those from
// and to text that every type has.
var pgImplicit = [...]kindSet{
	vec.Int16:     kindsOf(vec.Int32, vec.Int64, vec.Float32, vec.Float64, vec.Decimal, vec.OID),
	vec.Int32:     kindsOf(vec.Int64, vec.Float32, vec.Float64, vec.Decimal, vec.OID),
	vec.Int64:     kindsOf(vec.Float32, vec.Float64, vec.Decimal, vec.OID),
	vec.Float32:   kindsOf(vec.Float64),
	vec.Decimal:   kindsOf(vec.Float32, vec.Float64),
	vec.Date:      kindsOf(vec.Timestamp, vec.TimestampTZ),
	vec.Timestamp: kindsOf(vec.TimestampTZ),
	vec.Time:      kindsOf(vec.Interval),
	vec.Struct:    0,
}

var pgAssignment = [...]kindSet{
	vec.Int32:       kindsOf(vec.Int16),
	vec.Int64:       kindsOf(vec.Int16, vec.Int32),
	vec.OID:         kindsOf(vec.Int32, vec.Int64),
	vec.Float32:     kindsOf(vec.Int16, vec.Int32, vec.Int64, vec.Decimal),
	vec.Float64:     kindsOf(vec.Int16, vec.Int32, vec.Int64, vec.Float32, vec.Decimal),
	vec.Decimal:     kindsOf(vec.Int16, vec.Int32, vec.Int64),
	vec.Timestamp:   kindsOf(vec.Date, vec.Time),
	vec.TimestampTZ: kindsOf(vec.Date, vec.Time, vec.Timestamp),
	vec.Interval:    kindsOf(vec.Time),
	vec.JSON:        kindsOf(vec.JSONB),
	vec.JSONB:       kindsOf(vec.JSON),
	vec.Struct:      0,
}

var pgExplicit = [...]kindSet{
	vec.Bool:   kindsOf(vec.Int32),
	vec.Int32:  kindsOf(vec.Bool),
	vec.JSONB:  kindsOf(vec.Bool, vec.Int16, vec.Int32, vec.Int64, vec.Float32, vec.Float64, vec.Decimal),
	vec.Map:    kindsOf(vec.JSON, vec.JSONB),
	vec.Struct: kindsOf(vec.JSON, vec.JSONB),
}

// ksqlImplicit is SqlBaseType.canImplicitlyCast of ksqlDB.
var ksqlImplicit = [...]kindSet{
	vec.Int16:   kindsOf(vec.Int32, vec.Int64, vec.Decimal, vec.Float64),
	vec.Int32:   kindsOf(vec.Int64, vec.Decimal, vec.Float64),
	vec.Int64:   kindsOf(vec.Decimal, vec.Float64),
	vec.Decimal: kindsOf(vec.Float64),
	vec.Float32: kindsOf(vec.Float64),
	vec.Struct:  0,
}

// ksqlExplicit is the matrix of ksqlDB's CastEvaluator, beyond casts to STRING.
var ksqlExplicit = [...]kindSet{
	vec.Int32:     kindsOf(vec.Int64, vec.Decimal, vec.Float64),
	vec.Int64:     kindsOf(vec.Int32, vec.Decimal, vec.Float64),
	vec.Float64:   kindsOf(vec.Int32, vec.Int64, vec.Decimal),
	vec.Decimal:   kindsOf(vec.Int32, vec.Int64, vec.Float64),
	vec.Text:      kindsOf(vec.Bool, vec.Int32, vec.Int64, vec.Float64, vec.Decimal, vec.Date, vec.Time, vec.Timestamp, vec.Bytes),
	vec.Timestamp: kindsOf(vec.Date, vec.Time),
	vec.Date:      kindsOf(vec.Timestamp),
	vec.Bytes:     0,
	vec.Struct:    0,
}

func in(table []kindSet, from, to vec.Kind) bool {
	return int(from) < len(table) && table[from].has(to)
}

// Coercible tells whether an expression of type from may stand where to is
// wanted, without a cast in the text.
func Coercible(from, to vec.Type, d Dialect) bool { return castable(from, to, d, Implicit) }

func castable(from, to vec.Type, d Dialect, how CastContext) bool {
	if from.Kind == vec.Unknown {
		return true
	}
	if from.Kind == to.Kind {
		switch from.Kind {
		case vec.Array:
			return castable(*from.Elem, *to.Elem, d, how)
		case vec.Map:
			return castable(*from.Key, *to.Key, d, how) && castable(*from.Elem, *to.Elem, d, how)
		case vec.Struct:
			return structCastable(from, to, d, how)
		}
		return true
	}
	f, t := from.Kind, to.Kind
	if d == KSQL {
		if in(ksqlImplicit[:], f, t) {
			return true
		}
		return how == Explicit && (t == vec.Text && f != vec.Bytes || in(ksqlExplicit[:], f, t) || extraKSQL(f, t))
	}
	switch {
	case in(pgImplicit[:], f, t):
		return true
	case f == vec.Text && t == vec.OID && to.OID == vec.OIDRegclass:
		return true
	case how >= Assignment && (in(pgAssignment[:], f, t) || t == vec.Text):
		return true
	case how == Explicit && (in(pgExplicit[:], f, t) || f == vec.Text):
		return true
	}
	return false
}

// extraKSQL allows casts between kinds that ksqlDB itself lacks.
func extraKSQL(f, t vec.Kind) bool {
	foreign := kindsOf(vec.Int16, vec.Float32, vec.TimestampTZ, vec.Interval, vec.JSON, vec.JSONB, vec.UUID, vec.OID)
	return (foreign.has(f) || foreign.has(t)) && castable(vec.Of(f), vec.Of(t), Postgres, Explicit)
}

func structCastable(from, to vec.Type, d Dialect, how CastContext) bool {
	if d == KSQL { // by name; what is missing becomes NULL
		for _, t := range to.Fields {
			for _, f := range from.Fields {
				if f.Name == t.Name && !castable(f.Type, t.Type, d, how) {
					return false
				}
			}
		}
		return true
	}
	if len(from.Fields) != len(to.Fields) {
		return false
	}
	for i, f := range from.Fields {
		if !castable(f.Type, to.Fields[i].Type, d, how) {
			return false
		}
	}
	return true
}

// widening counts the steps from one numeric kind to another.
func widening(from, to vec.Kind) int {
	rank := func(k vec.Kind) int {
		switch k {
		case vec.Int16:
			return 0
		case vec.Int32:
			return 1
		case vec.Int64:
			return 2
		case vec.Decimal:
			return 3
		case vec.Float32:
			return 4
		case vec.Float64:
			return 5
		}
		return 0
	}
	return max(0, rank(to)-rank(from))
}

// common returns the type that values of both types can be turned into implicitly.
func common(d Dialect, a, b vec.Type) (vec.Type, bool) {
	switch {
	case a.Equal(b) || b.Kind == vec.Unknown:
		return a, true
	case a.Kind == vec.Unknown:
		return b, true
	}
	if a.Kind == b.Kind {
		switch a.Kind {
		case vec.Array:
			e, ok := common(d, *a.Elem, *b.Elem)
			return vec.ArrayOf(e), ok
		case vec.Map:
			k, ok := common(d, *a.Key, *b.Key)
			e, ok2 := common(d, *a.Elem, *b.Elem)
			return vec.MapOf(k, e), ok && ok2
		case vec.Struct:
			return commonStruct(d, a, b)
		case vec.Decimal:
			if d == KSQL && a.Precision > 0 && b.Precision > 0 {
				s := max(a.Scale, b.Scale)
				return vec.DecimalOf(max(a.Precision-a.Scale, b.Precision-b.Scale)+s, s), true
			}
			return vec.Of(vec.Decimal), true
		}
		// Of names for one kind (name, varchar, text) the first stays, as each goes
		// to the others by itself; "char" does not come back from text.
		t := vec.Type{Kind: a.Kind, OID: a.OID}
		if a.OID == vec.OIDChar {
			t.OID = b.OID
		}
		return t, true
	}
	if d == KSQL {
		if a.Kind == vec.Decimal && b.IsInteger() {
			return common(d, a, IntDecimal(b.Kind))
		}
		if b.Kind == vec.Decimal && a.IsInteger() {
			return common(d, IntDecimal(a.Kind), b)
		}
	}
	ab, ba := Coercible(a, b, d), Coercible(b, a, d)
	switch {
	case ab && ba && preferred(a.Kind), ba && !ab:
		return a, true
	case ab:
		return vec.Type{Kind: b.Kind, OID: b.OID, Precision: b.Precision, Scale: b.Scale, Elem: b.Elem, Key: b.Key, Fields: b.Fields}, true
	}
	return vec.Type{}, false
}

// IntDecimal is the decimal type that holds every integer of kind k in ksqlDB.
func IntDecimal(k vec.Kind) vec.Type {
	if k == vec.Int64 {
		return vec.DecimalOf(19, 0)
	}
	return vec.DecimalOf(10, 0)
}

func commonStruct(d Dialect, a, b vec.Type) (vec.Type, bool) {
	if d == KSQL { // the superset of fields
		out := vec.Type{Kind: vec.Struct, Fields: append([]vec.Field{}, a.Fields...)}
	next:
		for _, f := range b.Fields {
			for i, g := range out.Fields {
				if f.Name == g.Name {
					t, ok := common(d, g.Type, f.Type)
					if !ok {
						return t, false
					}
					out.Fields[i].Type = t
					continue next
				}
			}
			out.Fields = append(out.Fields, f)
		}
		return out, true
	}
	if len(a.Fields) != len(b.Fields) {
		return vec.Type{}, false
	}
	out := vec.Type{Kind: vec.Struct}
	for i, f := range a.Fields {
		t, ok := common(d, f.Type, b.Fields[i].Type)
		if !ok {
			return t, false
		}
		out.Fields = append(out.Fields, vec.Field{Name: f.Name, Type: t})
	}
	return out, true
}

// CommonType is the type of what (UNION, CASE, COALESCE, VALUES, ARRAY, IN, ...)
// over expressions of these types, all of which can be cast to it implicitly.
// If all are literals without a type, it is text.
func CommonType(d Dialect, what string, types []vec.Type) (vec.Type, error) {
	var t vec.Type
	for _, u := range types {
		c, ok := common(d, t, u)
		if !ok {
			return vec.Type{}, pgerr.Newf(pgerr.DatatypeMismatch, "%s types %s and %s cannot be matched",
				what, typeNames(d, []vec.Type{t}), typeNames(d, []vec.Type{u}))
		}
		t = c
	}
	if t.Kind == vec.Unknown {
		return vec.Of(vec.Text), nil
	}
	return t, nil
}
