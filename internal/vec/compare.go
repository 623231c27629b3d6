package vec

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math"

	"github.com/cockroachdb/apd/v3"
)

// CompareRows orders row i of v against row j of u, columns of one kind: -1, 0
// or +1, as ORDER BY does in the C collation. A null comes after every value,
// NaN after every other number.
func CompareRows(v *Vec, i int, u *Vec, j int) int {
	i, j = v.Row(i), u.Row(j)
	vn, un := v.Nulls.Has(i), u.Nulls.Has(j)
	switch {
	case vn && un:
		return 0
	case vn:
		return 1
	case un:
		return -1
	}
	switch v.Type.Layout() {
	case InInts:
		return cmp.Compare(v.Ints[i], u.Ints[j])
	case InFloats:
		return CompareFloats(v.Floats[i], u.Floats[j])
	}
	return CompareBytes(v.Type, v.Bytes(i), u.Bytes(j))
}

// CompareFloats orders floats as PostgreSQL does: NaN equals itself and is
// above everything, -0 equals 0.
func CompareFloats(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	case a == b:
		return 0
	case a != a && b != b:
		return 0
	case a != a:
		return 1
	}
	return -1
}

// CompareBytes orders two values of type t in the bytes layout.
func CompareBytes(t Type, a, b []byte) int {
	switch t.Kind {
	case Decimal:
		return compareEncodedDecimals(a, b)
	case Interval:
		return CompareIntervals(DecodeInterval(a), DecodeInterval(b))
	case JSONB:
		if bytes.Equal(a, b) {
			return 0
		}
		x, err1 := ParseJSON(string(a))
		y, err2 := ParseJSON(string(b))
		if err1 != nil || err2 != nil {
			break
		}
		return CompareJSON(&x, &y)
	case Text:
		if t.OID == OIDBPChar {
			return bytes.Compare(bytes.TrimRight(a, " "), bytes.TrimRight(b, " "))
		}
	case Array, Struct, Map:
		return compareNested(t, a, b)
	}
	return bytes.Compare(a, b)
}

// CompareIntervals orders intervals with months of 30 days and days of 24 hours.
func CompareIntervals(a, b IntervalValue) int {
	days := func(x IntervalValue) (int64, int64) {
		d, m := SplitMicros(x.Micros)
		return int64(x.Months)*30 + int64(x.Days) + d, m
	}
	ad, am := days(a)
	bd, bm := days(b)
	return cmp.Or(cmp.Compare(ad, bd), cmp.Compare(am, bm))
}

// CompareDecimals orders numerics: NaN above all, itself equal.
func CompareDecimals(a, b *apd.Decimal) int {
	an, bn := a.Form == apd.NaN, b.Form == apd.NaN
	switch {
	case an && bn:
		return 0
	case an:
		return 1
	case bn:
		return -1
	}
	return a.Cmp(b)
}

func compareEncodedDecimals(a, b []byte) int {
	x, xe, xok := SmallDecimal(a)
	y, ye, yok := SmallDecimal(b)
	if xok && yok && xe == ye {
		return cmp.Compare(x, y)
	}
	if xok && yok && (x < 0) != (y < 0) {
		return cmp.Compare(x, y)
	}
	d, err1 := DecodeDecimal(a)
	e, err2 := DecodeDecimal(b)
	if err1 != nil || err2 != nil {
		return bytes.Compare(a, b)
	}
	return CompareDecimals(d, e)
}

// SmallDecimal reads an encoded decimal whose coefficient fits an int64: its
// value is coeff times ten to the exp.
func SmallDecimal(b []byte) (coeff int64, exp int32, ok bool) {
	if len(b) < 3 || b[0] > decSmallNeg {
		return 0, 0, false
	}
	e, n := int64(int8(b[1]>>1)^-int8(b[1]&1)), 1
	if b[1] >= 0x80 {
		if e, n = binary.Varint(b[1:]); n <= 0 || e != int64(int32(e)) {
			return 0, 0, false
		}
	}
	c, m := binary.Uvarint(b[1+n:])
	if m <= 0 || c > math.MaxInt64 {
		return 0, 0, false
	}
	if b[0] == decSmallNeg {
		return -int64(c), int32(e), true
	}
	return int64(c), int32(e), true
}

// AppendSmallDecimal appends coeff times ten to the exp as AppendDecimal would.
func AppendSmallDecimal(dst []byte, coeff int64, exp int32) []byte {
	form, c := decSmall, uint64(coeff)
	if coeff < 0 {
		form, c = decSmallNeg, -c
	}
	dst = binary.AppendVarint(append(dst, form), int64(exp))
	return binary.AppendUvarint(dst, c)
}

// compareNested orders arrays, structs and maps element by element, then by length.
func compareNested(t Type, a, b []byte) int {
	var na, nb uint64
	if t.Kind != Struct {
		var k, l int
		na, k = binary.Uvarint(a)
		nb, l = binary.Uvarint(b)
		if k <= 0 || l <= 0 {
			return bytes.Compare(a, b)
		}
		a, b = a[k:], b[l:]
	} else {
		na = uint64(len(t.Fields))
		nb = na
	}
	step := func(u Type) int {
		p, ra, err1 := rawCol(u, a)
		q, rb, err2 := rawCol(u, b)
		a, b = ra, rb
		switch {
		case err1 != nil || err2 != nil:
			return 0
		case p == nil && q == nil:
			return 0
		case p == nil:
			return 1
		case q == nil:
			return -1
		}
		return compareRaw(u, p, q)
	}
	for i := range min(na, nb) {
		var c int
		switch t.Kind {
		case Struct:
			c = step(t.Fields[i].Type)
		case Map:
			c = cmp.Or(step(*t.Key), step(*t.Elem))
		default:
			c = step(*t.Elem)
		}
		if c != 0 {
			return c
		}
	}
	return cmp.Compare(na, nb)
}

// compareRaw orders two payloads of the row encoding.
func compareRaw(t Type, p, q []byte) int {
	switch t.Layout() {
	case InInts:
		x, _ := binary.Varint(p)
		y, _ := binary.Varint(q)
		return cmp.Compare(x, y)
	case InFloats:
		return CompareFloats(math.Float64frombits(binary.LittleEndian.Uint64(p)), math.Float64frombits(binary.LittleEndian.Uint64(q)))
	}
	return CompareBytes(t, p, q)
}

// Compare orders two boxed values of type t as CompareRows does.
func Compare(t Type, a, b Value) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return 1
	case b == nil:
		return -1
	}
	switch t.Layout() {
	case InInts:
		return cmp.Compare(intOf(a), intOf(b))
	case InFloats:
		return CompareFloats(a.(float64), b.(float64))
	}
	switch x := a.(type) {
	case *apd.Decimal:
		return CompareDecimals(x, b.(*apd.Decimal))
	case string:
		if t.Kind == Text && t.OID != OIDBPChar {
			return cmp.Compare(x, b.(string))
		}
	}
	return CompareBytes(t, appendBytesOf(nil, t, a), appendBytesOf(nil, t, b))
}
