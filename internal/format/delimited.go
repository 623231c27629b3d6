package format

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/weirdb/weir/internal/vec"
)

// DELIMITED is CSV as commons-csv's CSVFormat.DEFAULT reads and writes it
// (RFC 4180 with a delimiter of choice), one record a line.

var (
	errNoFields  = errors.New("no fields in record")
	errManyLines = errors.New("more than one line in a record")
	errNoQuote   = errors.New("no closing quote")
)

type delimitedDecoder struct {
	spec  Spec
	types []vec.Type
	col   []int
	again []duplicate
	tmp   []byte
}

func newDelimitedDecoder(s Spec, want []int) *delimitedDecoder {
	if s.Delimiter == 0 {
		s.Delimiter = ','
	}
	d := &delimitedDecoder{spec: s, types: make([]vec.Type, len(want))}
	d.col, d.again = columnOf(len(s.Fields), want)
	for i, w := range want {
		d.types[i] = s.Fields[w].Type
	}
	return d
}

func (d *delimitedDecoder) Decode(data [][]byte, cols []*vec.Vec, bad func(int, error)) {
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

func (d *delimitedDecoder) row(cols []*vec.Vec, i int, b []byte) error {
	b = trimBreak(b)
	if len(b) == 0 {
		return errNoFields
	}
	for f, more := 0, true; more; f++ {
		var text []byte
		var quoted bool
		var err error
		if text, quoted, b, more, err = d.field(b); err != nil {
			return err
		}
		if f >= len(d.col) {
			return fmt.Errorf("more than %d fields", len(d.col))
		}
		if !more && f+1 < len(d.col) {
			return fmt.Errorf("%d fields instead of %d", f+1, len(d.col))
		}
		c := d.col[f]
		if c < 0 {
			continue
		}
		if len(text) == 0 && (!quoted || cols[c].Type.Kind != vec.Text) {
			cols[c].SetNull(i)
			continue
		}
		if err := setText(cols[c], i, text); err != nil {
			return fmt.Errorf("field %s: %w", d.spec.Fields[f].Name, err)
		}
	}
	for _, a := range d.again {
		cols[a.to].CopyRow(i, cols[a.from], i)
	}
	return nil
}

// setText makes the value that text says row i of v.
func setText(v *vec.Vec, i int, text []byte) (err error) {
	switch {
	case v.Type.Kind == vec.Int64:
		if x, next, ok := scanInt(text, 0); ok && next == len(text) {
			v.Ints[i] = x
			return nil
		}
	case v.Type.Kind == vec.Bool:
		v.Ints[i], err = parseBoolText(text, v.Type)
		return err
	}
	switch v.Type.Layout() {
	case vec.InInts:
		v.Ints[i], err = parseIntKind(v.Type, text)
		return err
	case vec.InFloats:
		x, ok := parseFloat(v.Type.Kind, text)
		v.Floats[i] = x
		if !ok {
			return cannotRead(text, v.Type)
		}
		return nil
	}
	start := len(v.Data)
	v.Data, err = parseBytesKind(v.Data, v.Type, text)
	v.Close(i, start)
	return err
}

// parseBoolText reads true and false in any case.
func parseBoolText(text []byte, t vec.Type) (int64, error) {
	var low [5]byte
	for i, c := range text {
		if i == len(low) {
			break
		}
		low[i] = c | 0x20
	}
	switch {
	case len(text) == 4 && string(low[:4]) == "true":
		return 1, nil
	case len(text) == 5 && string(low[:]) == "false":
		return 0, nil
	}
	return 0, cannotRead(text, t)
}

// trimBreak cuts a line break off the end of a record.
func trimBreak(b []byte) []byte {
	if n := len(b); n > 0 && b[n-1] == '\n' {
		b = b[:n-1]
	}
	if n := len(b); n > 0 && b[n-1] == '\r' {
		b = b[:n-1]
	}
	return b
}

// field splits the first field off b. more tells that another follows.
func (d *delimitedDecoder) field(b []byte) (text []byte, quoted bool, rest []byte, more bool, err error) {
	if len(b) > 0 && b[0] == '"' {
		text, rest, err = d.quoted(b)
		if err != nil {
			return nil, true, nil, false, err
		}
		for len(rest) > 0 && rest[0] != d.spec.Delimiter && (rest[0] == ' ' || rest[0] == '\t') {
			rest = rest[1:]
		}
		if len(rest) == 0 {
			return text, true, nil, false, nil
		}
		if rest[0] != d.spec.Delimiter {
			return nil, true, nil, false, fmt.Errorf("%q between a closing quote and the delimiter", rest[0])
		}
		return text, true, rest[1:], true, nil
	}
	for i, c := range b {
		switch c {
		case d.spec.Delimiter:
			return b[:i], false, b[i+1:], true, nil
		case '\r', '\n':
			return nil, false, nil, false, errManyLines
		}
	}
	return b, false, nil, false, nil
}

// quoted reads a field in quotes: inside, two quotes stand for one.
func (d *delimitedDecoder) quoted(b []byte) (text, rest []byte, err error) {
	b = b[1:]
	for i := 0; i < len(b); i++ {
		if b[i] != '"' {
			continue
		}
		if i+1 == len(b) || b[i+1] != '"' {
			return b[:i], b[i+1:], nil
		}
		return d.unquote(b)
	}
	return nil, nil, errNoQuote
}

// unquote is quoted for a field that holds quotes; its text is built in d.tmp.
func (d *delimitedDecoder) unquote(b []byte) (text, rest []byte, err error) {
	d.tmp = d.tmp[:0]
	for i := 0; i < len(b); i++ {
		if b[i] == '"' {
			if i++; i == len(b) || b[i] != '"' {
				return d.tmp, b[i:], nil
			}
		}
		d.tmp = append(d.tmp, b[i])
	}
	return nil, nil, errNoQuote
}

type delimitedEncoder struct {
	delimiter byte
	tmp       []byte
	bare      bool
}

func newDelimitedEncoder(s Spec) *delimitedEncoder {
	e := &delimitedEncoder{delimiter: s.Delimiter, bare: len(s.Fields) == 1}
	if e.delimiter == 0 {
		e.delimiter = ','
	}
	return e
}

func (e *delimitedEncoder) Append(dst []byte, cols []*vec.Vec, row int) ([]byte, bool, error) {
	if len(cols) == 0 || e.bare && cols[0].Null(row) {
		return dst, true, nil
	}
	for i, v := range cols {
		if i > 0 {
			dst = append(dst, e.delimiter)
		}
		r := v.Row(row)
		if v.Nulls.Has(r) {
			continue
		}
		k := v.Type.Kind
		switch v.Type.Layout() {
		case vec.InInts:
			switch w := infinite(k, v.Ints[r]); {
			case w != "":
				dst = e.text(dst, []byte(w), i == 0)
			case k == vec.Bool:
				dst = e.text(dst, strconv.AppendBool(e.tmp[:0], v.Ints[r] != 0), i == 0)
			default:
				e.tmp = strconv.AppendInt(e.tmp[:0], toWire(k, v.Ints[r]), 10)
				dst = e.text(dst, e.tmp, i == 0)
			}
		case vec.InFloats:
			size := 64
			if k == vec.Float32 {
				size = 32
			}
			e.tmp = appendDouble(e.tmp[:0], v.Floats[r], size)
			dst = e.text(dst, e.tmp, i == 0)
		default:
			b := v.Bytes(r)
			if k != vec.Text {
				e.tmp = appendBytesText(e.tmp[:0], k, b)
				b = e.tmp
			}
			dst = e.text(dst, b, i == 0)
		}
	}
	return dst, false, nil
}

// text appends a field, in quotes if commons-csv 1.4 in its minimal mode would
// put it in quotes (CSVPrinter.printAndQuote): it holds a delimiter, a quote or
// a line break, begins with a character up to '#', ends with one up to a space,
// or is the first and does not begin with an ASCII letter or digit.
func (e *delimitedEncoder) text(dst, text []byte, first bool) []byte {
	if !e.mustQuote(text, first) {
		return append(dst, text...)
	}
	dst = append(dst, '"')
	for _, c := range text {
		if c == '"' {
			dst = append(dst, '"')
		}
		dst = append(dst, c)
	}
	return append(dst, '"')
}

func (e *delimitedEncoder) mustQuote(text []byte, first bool) bool {
	if len(text) == 0 {
		return first
	}
	c := text[0]
	alnum := c-'0' <= 9 || c|0x20-'a' < 26
	if c <= '#' || first && !alnum || text[len(text)-1] <= ' ' {
		return true
	}
	for _, c := range text {
		if c == e.delimiter || c == '"' || c == '\n' || c == '\r' {
			return true
		}
	}
	return false
}
