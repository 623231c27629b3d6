package format

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/weirdb/weir/internal/vec"
)

// The NATIVE format is vec's row encoding: the fields one after another.

type nativeDecoder struct {
	fields []vec.Field
	col    []int // by field up to the last wanted one: its column, or -1
	types  []vec.Type
	again  []duplicate
}

// A duplicate is a second column that asks for the same field.
type duplicate struct{ to, from int }

func newNativeDecoder(s Spec, want []int) *nativeDecoder {
	d := &nativeDecoder{fields: s.Fields, types: make([]vec.Type, len(want))}
	d.col, d.again = columnOf(len(s.Fields), want)
	for i, w := range want {
		d.types[i] = s.Fields[w].Type
	}
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
	for i, c := range cols {
		c.Reset(d.types[i], len(data))
	}
	var size sizeLimit
	for i, b := range data {
		if b == nil {
			nullRow(cols, i)
			continue
		}
		err := size.add(b)
		if err == nil {
			err = d.row(cols, i, b)
		}
		if err != nil {
			nullRow(cols, i)
			bad(i, err)
		}
	}
}

func (d *nativeDecoder) row(cols []*vec.Vec, i int, b []byte) (err error) {
	for f, c := range d.col {
		if c < 0 {
			b, err = vec.SkipCol(d.fields[f].Type, b)
		} else {
			if b, err = cols[c].SetCol(i, b); err == nil && !cols[c].Nulls.Has(i) {
				err = wellFormed(&d.fields[f].Type, cols[c], i)
			}
		}
		if err != nil {
			return fmt.Errorf("field %s: %w", d.fields[f].Name, err)
		}
	}
	if len(b) != 0 {
		return fmt.Errorf("%d bytes after the last field", len(b))
	}
	for _, a := range d.again {
		cols[a.to].CopyRow(i, cols[a.from], i)
	}
	return nil
}

// wellFormed refuses payloads on which those who read the column would stumble.
func wellFormed(t *vec.Type, v *vec.Vec, i int) error {
	switch t.Kind {
	case vec.Decimal, vec.UUID, vec.Interval, vec.Array, vec.Map, vec.Struct:
		return checkPayload(t, v.Bytes(i))
	}
	return nil
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
