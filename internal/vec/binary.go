package vec

import (
	"encoding/binary"
	"math"

	"github.com/cockroachdb/apd/v3"

	"github.com/weirdb/weir/internal/pgerr"
)

// PostgreSQL's binary format counts from 2000-01-01.
const (
	pgEpochDay    = 10957
	pgEpochMicros = pgEpochDay * MicrosPerDay
)

// AppendBinary appends row i of v in PostgreSQL's binary format; nothing for a null.
func AppendBinary(dst []byte, v *Vec, i int) []byte {
	i = v.Row(i)
	if v.Nulls.Has(i) {
		return dst
	}
	switch v.Type.Layout() {
	case InInts:
		return appendIntBinary(dst, v.Type.Kind, v.Ints[i])
	case InFloats:
		return appendFloatBinary(dst, v.Type.Kind, v.Floats[i])
	}
	switch b := v.Bytes(i); v.Type.Kind {
	case Text, Bytes, JSON, UUID, Unknown:
		return append(dst, b...)
	case JSONB:
		return append(append(dst, 1), b...)
	case Interval:
		return appendIntervalBinary(dst, DecodeInterval(b))
	default:
		return AppendBinaryValue(dst, v.Type, decodeBytes(v.Type, b))
	}
}

// AppendBinaryValue is AppendBinary for a boxed value of type t.
func AppendBinaryValue(dst []byte, t Type, x Value) []byte {
	switch x := x.(type) {
	case nil:
		return dst
	case bool:
		return append(dst, byte(intOf(x)))
	case int64:
		return appendIntBinary(dst, t.Kind, x)
	case float64:
		return appendFloatBinary(dst, t.Kind, x)
	case string:
		if t.Kind == JSONB {
			dst = append(dst, 1)
		}
		return append(dst, x...)
	case []byte:
		return append(dst, x...)
	case UUIDValue:
		return append(dst, x[:]...)
	case *apd.Decimal:
		return appendNumericBinary(dst, x)
	case IntervalValue:
		return appendIntervalBinary(dst, x)
	case MapValue:
		return AppendJSON(append(dst, 1), t, x, nil) // as jsonb
	case []Value:
		if t.Kind == Struct {
			dst = binary.BigEndian.AppendUint32(dst, uint32(len(x)))
			for i, e := range x {
				dst = binary.BigEndian.AppendUint32(dst, t.Fields[i].Type.PGOID())
				dst = appendSized(dst, t.Fields[i].Type, e)
			}
			return dst
		}
		return appendArrayBinary(dst, t, x)
	}
	return dst
}

func appendIntBinary(dst []byte, k Kind, x int64) []byte {
	switch k {
	case Bool:
		return append(dst, byte(x))
	case Int16:
		return binary.BigEndian.AppendUint16(dst, uint16(x))
	case Int32, OID:
		return binary.BigEndian.AppendUint32(dst, uint32(x))
	case Date:
		switch x {
		case PosInfinity:
			return binary.BigEndian.AppendUint32(dst, math.MaxInt32)
		case NegInfinity:
			return binary.BigEndian.AppendUint32(dst, 1<<31)
		}
		return binary.BigEndian.AppendUint32(dst, uint32(x-pgEpochDay))
	case Timestamp, TimestampTZ:
		if x != PosInfinity && x != NegInfinity {
			x -= pgEpochMicros
		}
	}
	return binary.BigEndian.AppendUint64(dst, uint64(x))
}

func appendFloatBinary(dst []byte, k Kind, x float64) []byte {
	if x != x {
		x = math.Float64frombits(0x7ff8000000000000)
	}
	if k == Float32 {
		return binary.BigEndian.AppendUint32(dst, math.Float32bits(float32(x)))
	}
	return binary.BigEndian.AppendUint64(dst, math.Float64bits(x))
}

func appendIntervalBinary(dst []byte, x IntervalValue) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(x.Micros))
	dst = binary.BigEndian.AppendUint32(dst, uint32(x.Days))
	return binary.BigEndian.AppendUint32(dst, uint32(x.Months))
}

func appendSized(dst []byte, t Type, x Value) []byte {
	if x == nil {
		return binary.BigEndian.AppendUint32(dst, math.MaxUint32)
	}
	at := len(dst)
	dst = AppendBinaryValue(append(dst, 0, 0, 0, 0), t, x)
	binary.BigEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	return dst
}

func appendArrayBinary(dst []byte, t Type, elems []Value) []byte {
	leaf, dims := t, []int{}
	for level := Value(elems); leaf.Kind == Array; {
		es, _ := level.([]Value)
		if len(es) == 0 {
			dims = nil
			for leaf.Kind == Array {
				leaf = *leaf.Elem
			}
			break
		}
		dims, level, leaf = append(dims, len(es)), es[0], *leaf.Elem
	}
	var flat []Value
	hasNull := uint32(0)
	var walk func(es []Value, depth int)
	walk = func(es []Value, depth int) {
		for _, e := range es {
			if depth > 1 {
				sub, _ := e.([]Value)
				walk(sub, depth-1)
				continue
			}
			if e == nil {
				hasNull = 1
			}
			flat = append(flat, e)
		}
	}
	walk(elems, len(dims))
	lower := uint32(1)
	if t.OID == OIDInt2Vector || t.OID == OIDOIDVector {
		lower = 0
		dims = []int{len(elems)}
	}
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(dims)))
	dst = binary.BigEndian.AppendUint32(dst, hasNull)
	dst = binary.BigEndian.AppendUint32(dst, leaf.PGOID())
	for _, n := range dims {
		dst = binary.BigEndian.AppendUint32(dst, uint32(n))
		dst = binary.BigEndian.AppendUint32(dst, lower)
	}
	if len(dims) == 0 {
		return dst
	}
	for _, e := range flat {
		dst = appendSized(dst, leaf, e)
	}
	return dst
}

// Sign words of a numeric in binary format (numeric.c).
const (
	numericNeg    = 0x4000
	numericNaN    = 0xC000
	numericPosInf = 0xD000
	numericNegInf = 0xF000
)

// appendNumericBinary writes digits in base 10,000, the weight of the first,
// sign and scale.
func appendNumericBinary(dst []byte, d *apd.Decimal) []byte {
	put := binary.BigEndian.AppendUint16
	switch {
	case d.Form == apd.NaN:
		return put(put(put(put(dst, 0), 0), numericNaN), 0)
	case d.Form == apd.Infinite && d.Negative:
		return put(put(put(put(dst, 0), 0), numericNegInf), 0x20)
	case d.Form == apd.Infinite:
		return put(put(put(put(dst, 0), 0), numericPosInf), 0x20)
	}
	text := AppendDecimalText(nil, d)
	sign := uint16(0)
	if text[0] == '-' {
		sign, text = numericNeg, text[1:]
	}
	point := len(text)
	digits := make([]byte, 0, len(text)+8)
	for i, c := range text {
		if c == '.' {
			point = i
		}
	}
	for range (4 - point%4) % 4 {
		digits = append(digits, '0')
	}
	digits = append(digits, text[:point]...)
	weight := len(digits)/4 - 1
	scale := 0
	if point < len(text) {
		scale = len(text) - point - 1
		digits = append(digits, text[point+1:]...)
	}
	for len(digits)%4 != 0 {
		digits = append(digits, '0')
	}
	var groups []uint16
	for i := 0; i < len(digits); i += 4 {
		n := uint16(0)
		for _, c := range digits[i : i+4] {
			n = n*10 + uint16(c-'0')
		}
		groups = append(groups, n)
	}
	for len(groups) > 0 && groups[0] == 0 {
		groups, weight = groups[1:], weight-1
	}
	for len(groups) > 0 && groups[len(groups)-1] == 0 {
		groups = groups[:len(groups)-1]
	}
	if len(groups) == 0 {
		weight, sign = 0, 0
	}
	dst = put(put(put(put(dst, uint16(len(groups))), uint16(weight)), sign), uint16(scale))
	for _, g := range groups {
		dst = put(dst, g)
	}
	return dst
}

func badBinary(t Type) error {
	return pgerr.Newf("22P03", "incorrect binary data format for type %s", t)
}

// ParseBinary reads a value of type t in PostgreSQL's binary format. It keeps
// no reference to b.
func ParseBinary(t Type, b []byte) (Value, error) { return parseBinary(t, b, 0) }

func parseBinary(t Type, b []byte, depth int) (Value, error) {
	if depth > MaxDepth {
		return nil, tooDeep()
	}
	want := map[Kind]int{Bool: 1, Int16: 2, Int32: 4, OID: 4, Date: 4, Float32: 4, Int64: 8, Float64: 8, Time: 8, Timestamp: 8, TimestampTZ: 8, Interval: 16, UUID: 16}
	if n, ok := want[t.Kind]; ok && len(b) != n {
		return nil, badBinary(t)
	}
	switch t.Kind {
	case Bool:
		return b[0] != 0, nil
	case Int16:
		return int64(int16(binary.BigEndian.Uint16(b))), nil
	case Int32:
		return int64(int32(binary.BigEndian.Uint32(b))), nil
	case OID:
		return int64(binary.BigEndian.Uint32(b)), nil
	case Int64:
		return int64(binary.BigEndian.Uint64(b)), nil
	case Time:
		x := int64(binary.BigEndian.Uint64(b))
		if x < 0 || x > MicrosPerDay {
			return nil, pgerr.Newf(pgerr.DatetimeOverflow, "time out of range")
		}
		return x, nil
	case Float32:
		return float64(math.Float32frombits(binary.BigEndian.Uint32(b))), nil
	case Float64:
		return math.Float64frombits(binary.BigEndian.Uint64(b)), nil
	case Date:
		switch x := int32(binary.BigEndian.Uint32(b)); x {
		case math.MaxInt32:
			return PosInfinity, nil
		case math.MinInt32:
			return NegInfinity, nil
		default:
			if day := int64(x) + pgEpochDay; ValidDate(day) {
				return day, nil
			}
			return nil, pgerr.Newf(pgerr.DatetimeOverflow, "date out of range")
		}
	case Timestamp, TimestampTZ:
		x := int64(binary.BigEndian.Uint64(b))
		if x == PosInfinity || x == NegInfinity {
			return x, nil
		}
		if x > math.MaxInt64-pgEpochMicros || !ValidTimestamp(x+pgEpochMicros) {
			return nil, pgerr.Newf(pgerr.DatetimeOverflow, "timestamp out of range")
		}
		return x + pgEpochMicros, nil
	case Interval:
		return IntervalValue{
			Micros: int64(binary.BigEndian.Uint64(b)),
			Days:   int32(binary.BigEndian.Uint32(b[8:])),
			Months: int32(binary.BigEndian.Uint32(b[12:])),
		}, nil
	case UUID:
		return UUIDValue(b), nil
	case Bytes:
		return append([]byte{}, b...), nil
	case Text, Unknown:
		return parseText(t, string(b))
	case JSON:
		return boxed(string(b), checkJSON(string(b)))
	case JSONB, Map:
		if len(b) == 0 || b[0] != 1 {
			return nil, pgerr.Newf(pgerr.InternalError, "unsupported jsonb version number")
		}
		return parse(t, string(b[1:]), nil, depth)
	case Decimal:
		d, err := parseNumericBinary(t, b)
		if err == nil {
			err = FitDecimal(d, t)
		}
		return boxed(d, err)
	case Array:
		return boxed(parseArrayBinary(t, b, depth))
	case Struct:
		return boxed(parseRecordBinary(t, b, depth))
	}
	return nil, pgerr.Newf(pgerr.FeatureNotSupported, "cannot read a value of type %s", t)
}

func parseNumericBinary(t Type, b []byte) (*apd.Decimal, error) {
	if len(b) < 8 {
		return nil, badBinary(t)
	}
	n := int(binary.BigEndian.Uint16(b))
	weight := int(int16(binary.BigEndian.Uint16(b[2:])))
	sign := binary.BigEndian.Uint16(b[4:])
	scale := int(binary.BigEndian.Uint16(b[6:]))
	if len(b) != 8+2*n || scale > maxScale {
		return nil, badBinary(t)
	}
	switch sign {
	case numericNaN:
		return &apd.Decimal{Form: apd.NaN}, nil
	case numericPosInf, numericNegInf:
		return &apd.Decimal{Form: apd.Infinite, Negative: sign == numericNegInf}, nil
	case 0, numericNeg:
	default:
		return nil, badBinary(t)
	}
	d := &apd.Decimal{Negative: sign == numericNeg}
	digits := make([]byte, 0, 4*n+1)
	digits = append(digits, '0')
	for i := range n {
		g := binary.BigEndian.Uint16(b[8+2*i:])
		if g > 9999 {
			return nil, badBinary(t)
		}
		digits = append(digits, byte('0'+g/1000), byte('0'+g/100%10), byte('0'+g/10%10), byte('0'+g%10))
	}
	d.Coeff.SetString(string(digits), 10)
	d.Exponent = int32(4 * (weight - n + 1))
	if n == 0 {
		d.Exponent = 0
	}
	Rescale(d, int32(scale))
	return d, nil
}

func parseArrayBinary(t Type, b []byte, depth int) ([]Value, error) {
	if len(b) < 12 {
		return nil, badBinary(t)
	}
	ndim := int(binary.BigEndian.Uint32(b))
	b = b[12:]
	if ndim == 0 {
		return []Value{}, nil
	}
	if ndim > 6 || len(b) < 8*ndim {
		return nil, badBinary(t)
	}
	dims := make([]int, ndim)
	total := 1
	for i := range dims {
		dims[i] = int(int32(binary.BigEndian.Uint32(b[8*i:])))
		if dims[i] < 0 || dims[i] > len(b) {
			return nil, badBinary(t)
		}
		if total *= dims[i]; total > len(b) { // each element takes four bytes at least
			return nil, badBinary(t)
		}
	}
	b = b[8*ndim:]
	var read func(t Type, dims []int) ([]Value, error)
	read = func(t Type, dims []int) ([]Value, error) {
		if t.Kind != Array {
			return nil, badBinary(t)
		}
		out := make([]Value, dims[0])
		for i := range out {
			var err error
			if len(dims) > 1 {
				if out[i], err = boxed(read(*t.Elem, dims[1:])); err != nil {
					return nil, err
				}
				continue
			}
			if t.Elem.Kind == Array {
				return nil, badBinary(t)
			}
			if out[i], b, err = readSized(*t.Elem, b, depth); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	out, err := read(t, dims)
	if err == nil && len(b) > 0 {
		err = badBinary(t)
	}
	return out, err
}

// readSized reads a length and a value of that length.
func readSized(t Type, b []byte, depth int) (Value, []byte, error) {
	if len(b) < 4 {
		return nil, nil, badBinary(t)
	}
	n := int32(binary.BigEndian.Uint32(b))
	b = b[4:]
	if n == -1 {
		return nil, b, nil
	}
	if n < 0 || int(n) > len(b) {
		return nil, nil, badBinary(t)
	}
	x, err := parseBinary(t, b[:n], depth+1)
	return x, b[n:], err
}

func parseRecordBinary(t Type, b []byte, depth int) ([]Value, error) {
	if len(b) < 4 || int(binary.BigEndian.Uint32(b)) != len(t.Fields) {
		return nil, badBinary(t)
	}
	b = b[4:]
	out := make([]Value, len(t.Fields))
	for i, f := range t.Fields {
		if len(b) < 4 {
			return nil, badBinary(t)
		}
		var err error
		if out[i], b, err = readSized(f.Type, b[4:], depth); err != nil {
			return nil, err
		}
	}
	if len(b) > 0 {
		return nil, badBinary(t)
	}
	return out, nil
}
