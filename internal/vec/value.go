package vec

import (
	"encoding/binary"
	"math"

	"github.com/cockroachdb/apd/v3"
)

// A Value is one boxed value, for the places where a value at a time is right:
// constants, nested data, output of single rows. Its dynamic type follows the
// kind: nil for NULL, bool, int64 (integers, oids, dates, times, timestamps),
// float64, *apd.Decimal, string (text, json), []byte (bytea), IntervalValue,
// UUIDValue, []Value (arrays; structs, field by field) and MapValue.
type Value any

// IntervalValue is PostgreSQL's interval: its parts do not convert into each other.
type IntervalValue struct {
	Months, Days int32
	Micros       int64
}

// UUIDValue is a UUID.
type UUIDValue [16]byte

// MapValue is a map in order of insertion, keys unique.
type MapValue []MapEntry

// MapEntry is a key and its value.
type MapEntry struct{ Key, Value Value }

// Get returns row i, boxed. Nothing in it refers to v.
func (v *Vec) Get(i int) Value {
	i = v.Row(i)
	if v.Nulls.Has(i) {
		return nil
	}
	switch v.Type.Layout() {
	case InInts:
		if v.Type.Kind == Bool {
			return v.Ints[i] != 0
		}
		return v.Ints[i]
	case InFloats:
		return v.Floats[i]
	}
	return decodeBytes(v.Type, v.Bytes(i))
}

// Set makes x row i. x has the dynamic type that v's type asks for.
func (v *Vec) Set(i int, x Value) {
	if x == nil {
		v.SetNull(i)
		return
	}
	switch v.Type.Layout() {
	case InInts:
		v.Ints[i] = intOf(x)
	case InFloats:
		v.Floats[i] = x.(float64)
	default:
		start := len(v.Data)
		v.Data = appendBytesOf(v.Data, v.Type, x)
		v.Close(i, start)
	}
}

// Append adds x as a new last row.
func (v *Vec) Append(x Value) {
	n := v.Len()
	switch v.Type.Layout() {
	case InInts:
		v.Ints = append(v.Ints, 0)
	case InFloats:
		v.Floats = append(v.Floats, 0)
	default:
		v.Views = append(v.Views, View{})
	}
	if v.Nulls != nil && len(v.Nulls)*64 <= n {
		v.Nulls = append(v.Nulls, 0)
	}
	v.Set(n, x)
}

// ConstOf returns the constant column of value x.
func ConstOf(t Type, x Value) *Vec {
	v := New(t)
	v.Append(x)
	v.Const = true
	return v
}

func intOf(x Value) int64 {
	if b, ok := x.(bool); ok {
		if b {
			return 1
		}
		return 0
	}
	return x.(int64)
}

// decodeBytes returns the value that b holds in the bytes layout.
func decodeBytes(t Type, b []byte) Value {
	switch t.Kind {
	case Decimal:
		d, _ := DecodeDecimal(b)
		return d
	case Bytes:
		return append([]byte{}, b...)
	case Interval:
		return DecodeInterval(b)
	case UUID:
		return UUIDValue(b)
	case Array, Struct, Map:
		x, _ := decodeNested(t, b)
		return x
	}
	return string(b)
}

// appendBytesOf appends x as the bytes layout holds it.
func appendBytesOf(dst []byte, t Type, x Value) []byte {
	switch t.Kind {
	case Decimal:
		return AppendDecimal(dst, x.(*apd.Decimal))
	case Bytes:
		return append(dst, x.([]byte)...)
	case Interval:
		return AppendInterval(dst, x.(IntervalValue))
	case UUID:
		u := x.(UUIDValue)
		return append(dst, u[:]...)
	case Array:
		elems := x.([]Value)
		dst = binary.AppendUvarint(dst, uint64(len(elems)))
		for _, e := range elems {
			dst = AppendValue(dst, *t.Elem, e)
		}
		return dst
	case Struct:
		for i, e := range x.([]Value) {
			dst = AppendValue(dst, t.Fields[i].Type, e)
		}
		return dst
	case Map:
		m := x.(MapValue)
		dst = binary.AppendUvarint(dst, uint64(len(m)))
		for _, e := range m {
			dst = AppendValue(dst, *t.Key, e.Key)
			dst = AppendValue(dst, *t.Elem, e.Value)
		}
		return dst
	}
	return append(dst, x.(string)...)
}

// AppendInterval appends an interval in the bytes layout (16 bytes).
func AppendInterval(dst []byte, x IntervalValue) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(x.Months))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(x.Days))
	return binary.LittleEndian.AppendUint64(dst, uint64(x.Micros))
}

// DecodeInterval is the inverse of AppendInterval.
func DecodeInterval(b []byte) IntervalValue {
	return IntervalValue{
		Months: int32(binary.LittleEndian.Uint32(b)),
		Days:   int32(binary.LittleEndian.Uint32(b[4:])),
		Micros: int64(binary.LittleEndian.Uint64(b[8:])),
	}
}

// float64bits puts a float in the order-free form that rows hold; all NaNs are one.
func float64bits(f float64) uint64 {
	if f != f {
		return 0x7ff8000000000000
	}
	if f == 0 {
		return 0 // -0 equals 0
	}
	return math.Float64bits(f)
}
