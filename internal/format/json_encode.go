package format

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/weirdb/weir/internal/vec"
)

var errNested = errors.New("malformed nested value")

// A jsonEncoder writes rows from a template: each field has its name, with what
// stands before it, ready to be copied.
type jsonEncoder struct {
	bare   bool
	fields []jsonField
}

// A jsonField is a column or a field of a struct.
type jsonField struct {
	name   string
	prefix string // {"NAME": or ,"NAME":
	typ    *jsonOut
}

// A jsonOut is a type with what is compiled for writing it.
type jsonOut struct {
	vec.Type
	elem   *jsonOut
	fields []jsonField
}

func newJSONEncoder(s Spec) *jsonEncoder {
	return &jsonEncoder{bare: len(s.Fields) == 1 && !s.Wrap, fields: jsonFields(s.Fields)}
}

func jsonFields(fields []vec.Field) []jsonField {
	out := make([]jsonField, len(fields))
	for i, f := range fields {
		open := ","
		if i == 0 {
			open = "{"
		}
		out[i] = jsonField{
			name:   f.Name,
			prefix: open + string(appendQuoted(nil, []byte(f.Name))) + ":",
			typ:    newJSONOut(f.Type),
		}
	}
	return out
}

func newJSONOut(t vec.Type) *jsonOut {
	o := &jsonOut{Type: t}
	switch t.Kind {
	case vec.Array, vec.Map:
		o.elem = newJSONOut(*t.Elem)
	case vec.Struct:
		o.fields = jsonFields(t.Fields)
	}
	return o
}

func (e *jsonEncoder) Append(dst []byte, cols []*vec.Vec, row int) (out []byte, null bool, err error) {
	if e.bare {
		v := cols[0]
		if v.Nulls.Has(v.Row(row)) {
			return dst, true, nil
		}
		out, err = e.fields[0].typ.column(dst, v, v.Row(row))
		if err != nil {
			return dst, false, err
		}
		return out, false, nil
	}
	if len(e.fields) == 0 {
		return dst, true, nil
	}
	out = dst
	for i := range e.fields {
		f := &e.fields[i]
		v := cols[i]
		r := row
		if v.Const {
			r = 0
		}
		out = append(out, f.prefix...)
		if v.Nulls.Has(r) {
			out = append(out, "null"...)
			continue
		}
		switch f.typ.Kind {
		case vec.Int64, vec.Int32:
			out = strconv.AppendInt(out, v.Ints[r], 10)
		case vec.Text:
			w := v.Views[r]
			out = appendQuoted(out, v.Data[w.Off:w.Off+w.Len])
		default:
			if out, err = f.typ.column(out, v, r); err != nil {
				return dst, false, fmt.Errorf("field %s: %w", f.name, err)
			}
		}
	}
	return append(out, '}'), false, nil
}

// column appends row r of v, which is not null.
func (t *jsonOut) column(dst []byte, v *vec.Vec, r int) ([]byte, error) {
	switch t.Layout() {
	case vec.InInts:
		return appendJSONInt(dst, t.Kind, v.Ints[r]), nil
	case vec.InFloats:
		return appendJSONFloat(dst, t.Kind, v.Floats[r]), nil
	}
	return t.bytes(dst, v.Bytes(r))
}

func appendJSONInt(dst []byte, k vec.Kind, x int64) []byte {
	if k == vec.Bool {
		return strconv.AppendBool(dst, x != 0)
	}
	if w := infinite(k, x); w != "" {
		return append(append(append(dst, '"'), w...), '"')
	}
	return strconv.AppendInt(dst, toWire(k, x), 10)
}

// appendJSONFloat writes what JSON has no number for as a string, as Jackson does.
func appendJSONFloat(dst []byte, k vec.Kind, x float64) []byte {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return append(appendDouble(append(dst, '"'), x, 64), '"')
	}
	if k == vec.Float32 {
		return appendDouble(dst, x, 32)
	}
	return appendDouble(dst, x, 64)
}

// bytes appends a value in the bytes layout.
func (t *jsonOut) bytes(dst, b []byte) ([]byte, error) {
	switch t.Kind {
	case vec.Decimal:
		start := len(dst)
		dst, finite := appendDecimal(dst, b)
		if !finite {
			word := string(dst[start:])
			dst = append(append(append(dst[:start], '"'), word...), '"')
		}
		return dst, nil
	case vec.Bytes:
		dst = base64.StdEncoding.AppendEncode(append(dst, '"'), b)
		return append(dst, '"'), nil
	case vec.UUID, vec.Interval:
		return append(appendBytesText(append(dst, '"'), t.Kind, b), '"'), nil
	case vec.JSON, vec.JSONB:
		return append(dst, b...), nil
	case vec.Array:
		return t.array(dst, b)
	case vec.Map:
		return t.mapping(dst, b)
	case vec.Struct:
		return t.structure(dst, b)
	}
	return appendQuoted(dst, b), nil
}

// element appends the first value of b, which is in the row encoding.
func (t *jsonOut) element(dst, b []byte) (out, rest []byte, err error) {
	p, rest, err := element(t.Type, b)
	switch {
	case err != nil:
		return dst, rest, err
	case p == nil:
		return append(dst, "null"...), rest, nil
	}
	switch t.Layout() {
	case vec.InInts:
		x, _ := binary.Varint(p)
		return appendJSONInt(dst, t.Kind, x), rest, nil
	case vec.InFloats:
		return appendJSONFloat(dst, t.Kind, math.Float64frombits(binary.LittleEndian.Uint64(p))), rest, nil
	}
	dst, err = t.bytes(dst, p)
	return dst, rest, err
}

func (t *jsonOut) array(dst, b []byte) ([]byte, error) {
	n, k := binary.Uvarint(b)
	if k <= 0 {
		return dst, errNested
	}
	b = b[k:]
	var err error
	dst = append(dst, '[')
	for i := range n {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, b, err = t.elem.element(dst, b); err != nil {
			return dst, err
		}
	}
	return append(dst, ']'), nil
}

func (t *jsonOut) mapping(dst, b []byte) ([]byte, error) {
	n, k := binary.Uvarint(b)
	if k <= 0 {
		return dst, errNested
	}
	b = b[k:]
	dst = append(dst, '{')
	for i := range n {
		if i > 0 {
			dst = append(dst, ',')
		}
		key, rest, err := element(*t.Key, b)
		if err != nil {
			return dst, err
		}
		if key == nil { // Java's name for it, which ksqlDB writes
			key = []byte("null")
		}
		dst = append(appendQuoted(dst, key), ':')
		if dst, b, err = t.elem.element(dst, rest); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}

func (t *jsonOut) structure(dst, b []byte) ([]byte, error) {
	var err error
	for i := range t.fields {
		f := &t.fields[i]
		dst = append(dst, f.prefix...)
		if dst, b, err = f.typ.element(dst, b); err != nil {
			return dst, err
		}
	}
	if len(t.fields) == 0 {
		dst = append(dst, '{')
	}
	return append(dst, '}'), nil
}

// appendQuoted appends a JSON string. Only what has to be is escaped, as
// Jackson does.
func appendQuoted(dst, s []byte) []byte {
	dst = append(dst, '"')
	for {
		end, _ := scanString(s, 0)
		dst = append(dst, s[:end]...)
		if end == len(s) {
			return append(dst, '"')
		}
		dst = appendEscaped(dst, s[end])
		s = s[end+1:]
	}
}

func appendEscaped(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, `\b`...)
	case '\f':
		return append(dst, `\f`...)
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	}
	const digits = "0123456789ABCDEF"
	return append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
}
