package format

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"

	"github.com/weirdb/weir/internal/vec"
)

// The NATIVE format is vec's row encoding: the fields one after another. It
// trusts its writer, which is this server, in one point: fields after the last
// one wanted are not even looked at.

type nativeDecoder struct {
	types  []vec.Type
	fields []nativeField // up to the last one wanted: what follows is not read
	whole  bool          // the last field is wanted
	again  []duplicate
}

// A nativeField is what reading a field takes.
type nativeField struct {
	layout vec.Layout
	check  bool // its payload has an inner form
	col    int  // -1 to skip it
	field  vec.Field
}

// A duplicate is a second column that asks for the same field.
type duplicate struct{ to, from int }

func newNativeDecoder(s Spec, want []int) *nativeDecoder {
	d := &nativeDecoder{types: make([]vec.Type, len(want))}
	for i, w := range want {
		d.types[i] = s.Fields[w].Type
	}
	var col []int
	col, d.again = columnOf(len(s.Fields), want)
	for i, f := range s.Fields {
		d.fields = append(d.fields, nativeField{layout: f.Type.Layout(), check: structured(f.Type.Kind), col: col[i], field: f})
	}
	for n := len(d.fields); n > 0 && d.fields[n-1].col < 0; n-- {
		d.fields = d.fields[:n-1]
	}
	d.whole = len(d.fields) == len(s.Fields)
	return d
}

// columnOf inverts want: the column of each field, or -1. Fields that are
// wanted twice are decoded once and then copied.
func columnOf(fields int, want []int) (col []int, again []duplicate) {
	col = make([]int, fields)
	for i := range col {
		col[i] = -1
	}
	for i, w := range want {
		if col[w] >= 0 {
			again = append(again, duplicate{to: i, from: col[w]})
			continue
		}
		col[w] = i
	}
	return col, again
}

func (d *nativeDecoder) Decode(data [][]byte, cols []*vec.Vec, bad func(int, error)) {
	decodeRows(d, d.types, data, cols, bad)
}

func (d *nativeDecoder) row(cols []*vec.Vec, i int, b []byte) error {
	p := 0
	for k := range d.fields {
		f := &d.fields[k]
		if p >= len(b) {
			return f.broken(errPayload)
		}
		if p++; b[p-1] == 0 {
			if f.col >= 0 {
				cols[f.col].SetNull(i)
			}
			continue
		}
		switch f.layout {
		case vec.InInts:
			x, n := uvarint(b, p)
			if n <= 0 {
				return f.broken(errPayload)
			}
			if p += n; f.col >= 0 {
				cols[f.col].Ints[i] = int64(x>>1) ^ -int64(x&1)
			}
		case vec.InFloats:
			if p+8 > len(b) {
				return f.broken(errPayload)
			}
			if f.col >= 0 {
				cols[f.col].Floats[i] = math.Float64frombits(binary.LittleEndian.Uint64(b[p:]))
			}
			p += 8
		default:
			size, n := uvarint(b, p)
			if p += max(n, 0); n <= 0 || size > uint64(len(b)-p) {
				return f.broken(errPayload)
			}
			payload := b[p : p+int(size)]
			if p += int(size); f.col < 0 {
				continue
			}
			if f.check {
				if err := checkPayload(&f.field.Type, payload); err != nil {
					return f.broken(err)
				}
			}
			cols[f.col].SetBytes(i, payload)
		}
	}
	if d.whole && p != len(b) {
		return fmt.Errorf("%d bytes after the last field", len(b)-p)
	}
	for _, a := range d.again {
		cols[a.to].CopyRow(i, cols[a.from], i)
	}
	return nil
}

func (f *nativeField) broken(err error) error { return fmt.Errorf("field %s: %w", f.field.Name, err) }

// uvarint reads a varint at p and its length, which is not positive if there is
// none.
func uvarint(b []byte, p int) (x uint64, n int) {
	if b := b[p:]; len(b) >= 8 {
		w := binary.LittleEndian.Uint64(b)
		if m := ^w & highs; m != 0 {
			// The groups of 7 bits move together in three steps.
			w &= m ^ (m - 1) // bytes of the varint only
			w = w&0x007f007f007f007f | w&0x7f007f007f007f00>>1
			w = w&0x00003fff00003fff | w&0x3fff00003fff0000>>2
			w = w&0x000000000fffffff | w&0x0fffffff00000000>>4
			return w, bits.TrailingZeros64(m)>>3 + 1
		}
	}
	return binary.Uvarint(b[p:])
}

// structured tells whether values of kind k, in the bytes layout, have an inner
// form on which those who read them rely.
func structured(k vec.Kind) bool {
	switch k {
	case vec.Decimal, vec.UUID, vec.Interval, vec.Array, vec.Map, vec.Struct:
		return true
	}
	return false
}

var errPayload = errors.New("malformed value")

// checkPayload checks a value in the bytes layout down to its leaves.
func checkPayload(t *vec.Type, b []byte) error {
	switch t.Kind {
	case vec.Decimal:
		if _, _, ok := vec.SmallDecimal(b); ok {
			return nil
		}
		_, err := vec.DecodeDecimal(b)
		return err
	case vec.UUID, vec.Interval:
		if len(b) != 16 {
			return errPayload
		}
		return nil
	case vec.Struct:
		var err error
		for i := range t.Fields {
			if b, err = checkElement(&t.Fields[i].Type, b); err != nil {
				return err
			}
		}
	case vec.Array, vec.Map:
		n, k := binary.Uvarint(b)
		if k <= 0 || n > uint64(len(b)) { // an element takes a byte at least
			return errPayload
		}
		b = b[k:]
		for range n {
			var err error
			if t.Kind == vec.Map {
				if b, err = checkElement(t.Key, b); err != nil {
					return err
				}
			}
			if b, err = checkElement(t.Elem, b); err != nil {
				return err
			}
		}
	default:
		return nil
	}
	if len(b) != 0 {
		return errPayload
	}
	return nil
}

// checkElement checks the first value of the row encoding in b.
func checkElement(t *vec.Type, b []byte) (rest []byte, err error) {
	p, rest, err := element(*t, b)
	if err != nil || p == nil {
		return rest, err
	}
	if t.Layout() == vec.InInts {
		if _, n := binary.Varint(p); n <= 0 {
			return nil, errPayload
		}
		return rest, nil
	}
	return rest, checkPayload(t, p)
}

type nativeEncoder struct{}

func (nativeEncoder) Append(dst []byte, cols []*vec.Vec, row int) ([]byte, bool, error) {
	if len(cols) == 0 {
		return dst, true, nil
	}
	return vec.AppendRow(dst, cols, row), false, nil
}
