package vec

import (
	"bytes"
	"cmp"
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
		return compareFloats(v.Floats[i], u.Floats[j])
	}
	return compareBytes(v.Type, u.Type, v.Bytes(i), u.Bytes(j))
}

// CompareFloats orders floats as PostgreSQL does: NaN equals itself and is
// above everything, -0 equals 0.
func compareFloats(a, b float64) int {
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

func compareBytes(t, u Type, a, b []byte) int { return bytes.Compare(a, b) }
