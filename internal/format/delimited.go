package format

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
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
	decodeRows(d, d.types, data, cols, bad)
}

func (d *delimitedDecoder) row(cols []*vec.Vec, i int, b []byte) error {
	b = trimBreak(b)
	if len(b) == 0 {
		return errNoFields
	}
	p, last := 0, len(d.col)-1
	for f, c := range d.col {
		var text []byte
		quoted := p < len(b) && b[p] == '"'
		if quoted {
			var err error
			if text, p, err = d.quoted(b, p+1); err != nil {
				return err
			}
		} else {
			end := scanField(b, p, d.spec.Delimiter)
			text, p = b[p:end], end
		}
		switch {
		case p == len(b) && f < last:
			return fmt.Errorf("%d fields instead of %d", f+1, last+1)
		case p == len(b):
		case b[p] == '\n' || b[p] == '\r':
			return errManyLines
		case b[p] != d.spec.Delimiter:
			return fmt.Errorf("%q between a closing quote and the delimiter", b[p])
		case f == last:
			return fmt.Errorf("more than %d fields", last+1)
		}
		p++

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
	k := v.Type.Kind
	switch k.Layout() {
	case vec.InInts:
		if k == vec.Bool {
			v.Ints[i], err = parseBoolText(text, v.Type)
			return err
		}
		if x, next, ok := scanInt(text, 0); ok && next == len(text) {
			if x, ok := fromWire(k, x); ok {
				v.Ints[i] = x
				return nil
			}
		}
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

// scanField returns the place of the first delimiter or line break from p on,
// or len(b).
func scanField(b []byte, p int, delimiter byte) int {
	all := ones * uint64(delimiter)
	for ; p+8 <= len(b); p += 8 {
		w := binary.LittleEndian.Uint64(b[p:])
		d, r, n := w^all, w^('\r'*ones), w^('\n'*ones)
		if m := ((d-ones)&^d | (r-ones)&^r | (n-ones)&^n) & highs; m != 0 {
			return p + bits.TrailingZeros64(m)>>3
		}
	}
	for p < len(b) && b[p] != delimiter && b[p] != '\r' && b[p] != '\n' {
		p++
	}
	return p
}

// quoted reads a field whose opening quote stands before p, and the blanks
// after it. Inside, two quotes stand for one.
func (d *delimitedDecoder) quoted(b []byte, p int) (text []byte, next int, err error) {
	end := bytes.IndexByte(b[p:], '"')
	if end < 0 {
		return nil, p, errNoQuote
	}
	text, next = b[p:p+end], p+end+1
	if next < len(b) && b[next] == '"' {
		if text, next, err = d.unquote(b, p); err != nil {
			return nil, p, err
		}
	}
	for next < len(b) && b[next] != d.spec.Delimiter && (b[next] == ' ' || b[next] == '\t') {
		next++
	}
	return text, next, nil
}

// unquote is quoted for a field that holds quotes; its text is built in d.tmp.
func (d *delimitedDecoder) unquote(b []byte, p int) (text []byte, next int, err error) {
	d.tmp = d.tmp[:0]
	for ; p < len(b); p++ {
		if b[p] == '"' {
			if p++; p == len(b) || b[p] != '"' {
				return d.tmp, p, nil
			}
		}
		d.tmp = append(d.tmp, b[p])
	}
	return nil, p, errNoQuote
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
		switch k.Layout() {
		case vec.InInts:
			dst = e.plain(appendIntText(dst, k, v.Ints[r]), len(dst), i == 0)
		case vec.InFloats:
			size := 64
			if k == vec.Float32 {
				size = 32
			}
			dst = e.plain(appendDouble(dst, v.Floats[r], size), len(dst), i == 0)
		default:
			w := v.Views[r]
			b := v.Data[w.Off : w.Off+w.Len]
			if k != vec.Text {
				e.tmp = appendBytesText(e.tmp[:0], k, b)
				b = e.tmp
			}
			dst = e.text(dst, b, i == 0)
		}
	}
	return dst, false, nil
}

func appendIntText(dst []byte, k vec.Kind, x int64) []byte {
	switch w := infinite(k, x); {
	case w != "":
		return append(dst, w...)
	case k == vec.Bool:
		return strconv.AppendBool(dst, x != 0)
	}
	return strconv.AppendInt(dst, toWire(k, x), 10)
}

// plain is text for a field that already stands in dst, from start on, and
// seldom needs quotes.
func (e *delimitedEncoder) plain(dst []byte, start int, first bool) []byte {
	if !e.mustQuote(dst[start:], first) {
		return dst
	}
	e.tmp = append(e.tmp[:0], dst[start:]...)
	return e.text(dst[:start], e.tmp, first)
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
	return scanField(text, 0, e.delimiter) < len(text) || bytes.IndexByte(text, '"') >= 0
}
