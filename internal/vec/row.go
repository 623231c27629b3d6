package vec

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/cockroachdb/apd/v3"
)

// The row encoding: values one after another, each a presence byte (0 null,
// 1 present) and its payload: integers as zig-zag varints, floats as 8 bytes
// little endian, everything of the bytes layout as a length and its bytes.
// Arrays, maps and structs are, inside their bytes, again values in this form.
// The encoding is not self-describing: the reader brings the types.

var errShortRow = errors.New("vec: row ends in the middle of a value")

// AppendCol appends row i of v in the row encoding.
func AppendCol(dst []byte, v *Vec, i int) []byte {
	i = v.Row(i)
	if v.Nulls.Has(i) {
		return append(dst, 0)
	}
	dst = append(dst, 1)
	switch v.Type.Layout() {
	case InInts:
		return binary.AppendVarint(dst, v.Ints[i])
	case InFloats:
		return binary.LittleEndian.AppendUint64(dst, math.Float64bits(v.Floats[i]))
	}
	b := v.Bytes(i)
	dst = binary.AppendUvarint(dst, uint64(len(b)))
	return append(dst, b...)
}

// AppendRow appends row i of all columns in the row encoding.
func AppendRow(dst []byte, cols []*Vec, i int) []byte {
	for _, c := range cols {
		dst = AppendCol(dst, c, i)
	}
	return dst
}

// AppendValue appends a boxed value of type t in the row encoding.
func AppendValue(dst []byte, t Type, x Value) []byte {
	if x == nil {
		return append(dst, 0)
	}
	dst = append(dst, 1)
	switch t.Layout() {
	case InInts:
		return binary.AppendVarint(dst, intOf(x))
	case InFloats:
		return binary.LittleEndian.AppendUint64(dst, math.Float64bits(x.(float64)))
	}
	b := appendBytesOf(nil, t, x)
	dst = binary.AppendUvarint(dst, uint64(len(b)))
	return append(dst, b...)
}

// SetCol reads one value of the row encoding into row i of v and returns the
// rest of b.
func (v *Vec) SetCol(i int, b []byte) ([]byte, error) {
	if len(b) == 0 {
		return nil, errShortRow
	}
	if b[0] == 0 {
		v.SetNull(i)
		return b[1:], nil
	}
	b = b[1:]
	switch v.Type.Layout() {
	case InInts:
		x, n := binary.Varint(b)
		if n <= 0 {
			return nil, errShortRow
		}
		v.Ints[i] = x
		return b[n:], nil
	case InFloats:
		if len(b) < 8 {
			return nil, errShortRow
		}
		v.Floats[i] = math.Float64frombits(binary.LittleEndian.Uint64(b))
		return b[8:], nil
	}
	l, n := binary.Uvarint(b)
	if n <= 0 || l > uint64(len(b)-n) {
		return nil, errShortRow
	}
	v.SetBytes(i, b[n:n+int(l)])
	return b[n+int(l):], nil
}

// SkipCol returns what follows the first value of the row encoding in b.
func SkipCol(t Type, b []byte) ([]byte, error) {
	_, rest, err := rawCol(t, b)
	return rest, err
}

// rawCol splits the first value off b: its payload without length (nil if
// null) and the rest.
func rawCol(t Type, b []byte) (payload, rest []byte, err error) {
	if len(b) == 0 {
		return nil, nil, errShortRow
	}
	if b[0] == 0 {
		return nil, b[1:], nil
	}
	b = b[1:]
	switch t.Layout() {
	case InInts:
		for i, c := range b {
			if c < 0x80 {
				return b[:i+1], b[i+1:], nil
			}
		}
		return nil, nil, errShortRow
	case InFloats:
		if len(b) < 8 {
			return nil, nil, errShortRow
		}
		return b[:8], b[8:], nil
	}
	l, n := binary.Uvarint(b)
	if n <= 0 || l > uint64(len(b)-n) {
		return nil, nil, errShortRow
	}
	return b[n : n+int(l) : n+int(l)], b[n+int(l):], nil
}

// DecodeValue reads one boxed value of the row encoding.
func DecodeValue(t Type, b []byte) (Value, []byte, error) {
	p, rest, err := rawCol(t, b)
	if err != nil || p == nil {
		return nil, rest, err
	}
	switch t.Layout() {
	case InInts:
		x, n := binary.Varint(p)
		if n <= 0 {
			return nil, nil, errShortRow
		}
		if t.Kind == Bool {
			return x != 0, rest, nil
		}
		return x, rest, nil
	case InFloats:
		return math.Float64frombits(binary.LittleEndian.Uint64(p)), rest, nil
	}
	switch t.Kind {
	case Array, Map, Struct:
		x, err := decodeNested(t, p)
		return x, rest, err
	case Decimal:
		d, err := DecodeDecimal(p)
		return d, rest, err
	}
	return decodeBytes(t, p), rest, nil
}

// decodeNested reads the bytes layout of an array, map or struct.
func decodeNested(t Type, b []byte) (Value, error) {
	if t.Kind == Struct {
		out := make([]Value, len(t.Fields))
		var err error
		for i, f := range t.Fields {
			if out[i], b, err = DecodeValue(f.Type, b); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	n, k := binary.Uvarint(b)
	if k <= 0 || n > uint64(len(b)) { // every element takes a byte at least
		return nil, errShortRow
	}
	b = b[k:]
	var err error
	if t.Kind == Map {
		out := make(MapValue, n)
		for i := range out {
			if out[i].Key, b, err = DecodeValue(*t.Key, b); err != nil {
				return nil, err
			}
			if out[i].Value, b, err = DecodeValue(*t.Elem, b); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	out := make([]Value, n)
	for i := range out {
		if out[i], b, err = DecodeValue(*t.Elem, b); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Elements iterates over the elements of an array in the bytes layout, as the
// row encoding of each. It stops at the first malformed one.
func Elements(elem Type, b []byte) func(yield func(int, []byte) bool) {
	return func(yield func(int, []byte) bool) {
		n, k := binary.Uvarint(b)
		if k <= 0 {
			return
		}
		b := b[k:]
		for i := range int(min(n, uint64(len(b)))) {
			rest, err := SkipCol(elem, b)
			if err != nil || !yield(i, b[:len(b)-len(rest)]) {
				return
			}
			b = rest
		}
	}
}

// AppendKey appends row i of all columns so that two rows are equal in SQL's
// sense of GROUP BY (nulls equal each other, -0 equals 0, 1.10 equals 1.1)
// exactly if their bytes are. Each value can be read back by SetCol.
func AppendKey(dst []byte, cols []*Vec, i int) []byte {
	for _, c := range cols {
		r := c.Row(i)
		switch {
		case c.Nulls.Has(r):
			dst = append(dst, 0)
		case c.Type.Kind == Decimal:
			if coeff, exp, ok := SmallDecimal(c.Bytes(r)); ok {
				dst = appendSmallKey(dst, coeff, exp)
				continue
			}
			d, err := DecodeDecimal(c.Bytes(r))
			if err != nil {
				panic(fmt.Sprintf("vec: column holds %v", err)) // only AppendDecimal writes them
			}
			if d.Form == apd.Finite {
				d.Reduce(d)
				if d.Coeff.Sign() == 0 {
					d = apd.New(0, 0)
				}
			}
			dst = AppendValue(dst, c.Type, d)
		case c.Type.Layout() == InFloats:
			dst = append(dst, 1)
			dst = binary.LittleEndian.AppendUint64(dst, float64bits(c.Floats[r]))
		default:
			dst = AppendCol(dst, c, r)
		}
	}
	return dst
}

// appendSmallKey is AppendKey for a decimal of a small coefficient.
func appendSmallKey(dst []byte, coeff int64, exp int32) []byte {
	if coeff == 0 {
		exp = 0
	} else {
		for coeff%10 == 0 {
			coeff /= 10
			exp++
		}
	}
	dst = append(dst, 1, 0)
	start := len(dst)
	dst = AppendSmallDecimal(dst, coeff, exp)
	dst[start-1] = byte(len(dst) - start) // 16 at most: one byte of a varint
	return dst
}
