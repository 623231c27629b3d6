package format

import (
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/weirdb/weir/internal/vec"
)

// A jsonDecoder reads records of one schema. It predicts, at each field, the
// name that followed the last time (jsonKeys), so a record whose fields stand
// in the usual order costs one comparison of up to 16 bytes a field and no look
// up. Values of the usual form are parsed in place, eight bytes at a time;
// everything else takes the general path, with ksqlDB's coercions.
type jsonDecoder struct {
	types []vec.Type
	cols  []*jsonType
	bare  bool // one field, not in an object
	keys  jsonKeys
	// seen says by column in which record it was set last: gen if by a name
	// that matched when folded, gen+1 if by its exact name.
	seen   []uint64
	gen    uint64
	tmp    []byte        // text of strings that are parsed further
	failed []jsonFailure // in the record being read
	// entries is a stack of the maps being read.
	entries []mapSpan
	hashes  []uint64 // of a map's keys
}

// A jsonType is a type with what is compiled for it.
type jsonType struct {
	vec.Type
	elem   *jsonType   // array elements, map values
	fields []*jsonType // struct
	keys   jsonKeys    // struct
	spans  []jsonSpan  // struct, by field: where its value is in the record
	gen    uint64      // struct: as jsonDecoder.gen
}

type jsonSpan struct {
	at   int
	seen uint64
}

func newJSONType(t vec.Type) *jsonType {
	j := &jsonType{Type: t}
	switch t.Kind {
	case vec.Array, vec.Map:
		j.elem = newJSONType(*t.Elem)
	case vec.Struct:
		names := make([]string, len(t.Fields))
		for i, f := range t.Fields {
			names[i] = f.Name
			j.fields = append(j.fields, newJSONType(f.Type))
		}
		j.keys = newJSONKeys(names)
		j.spans = make([]jsonSpan, len(names))
	}
	return j
}

func newJSONDecoder(s Spec, want []int) *jsonDecoder {
	d := &jsonDecoder{bare: len(s.Fields) == 1 && !s.Wrap, seen: make([]uint64, len(want))}
	names := make([]string, len(want))
	for i, w := range want {
		names[i] = s.Fields[w].Name
		d.types = append(d.types, s.Fields[w].Type)
		d.cols = append(d.cols, newJSONType(s.Fields[w].Type))
	}
	d.keys = newJSONKeys(names)
	return d
}

func (d *jsonDecoder) Decode(data [][]byte, cols []*vec.Vec, bad func(int, error)) {
	decodeRows(d, d.types, data, cols, bad)
}

func (d *jsonDecoder) row(cols []*vec.Vec, i int, b []byte) error {
	if d.bare {
		return d.value(cols, i, b)
	}
	return d.object(cols, i, b)
}

// value reads a record that is the bare value of the one field.
func (d *jsonDecoder) value(cols []*vec.Vec, row int, b []byte) error {
	start := skipSpace(b, 0)
	p, err := skipValue(b, start, 0)
	for i := 0; i < len(cols) && err == nil; i++ {
		p, err = d.set(cols[i], row, d.cols[i], b, start)
	}
	if err != nil {
		return err
	}
	return onlySpace(b, p)
}

func onlySpace(b []byte, p int) error {
	if p = skipSpace(b, p); p < len(b) {
		return errJSON("the end of the record", b, p)
	}
	return nil
}

// object reads a record that is an object of the fields.
func (d *jsonDecoder) object(cols []*vec.Vec, row int, b []byte) error {
	p := 0
	if len(b) == 0 || b[0] != '{' {
		p = skipSpace(b, 0)
		if p < len(b) && b[p] == 'n' {
			p, err := skipWord(b, p, "null")
			if err != nil {
				return err
			}
			nullRow(cols, row)
			return onlySpace(b, p)
		}
		if p >= len(b) || b[p] != '{' {
			return errJSON("an object", b, p)
		}
	}
	p++
	if p < len(b) && b[p] <= ' ' {
		p = skipSpace(b, p)
	}
	d.gen += 2
	d.failed = d.failed[:0]
	found := 0
	if p < len(b) && b[p] == '}' {
		p++
	} else {
		var err error
		if p, found, err = d.members(cols, row, b, p); err != nil {
			return err
		}
	}
	if found < len(cols) {
		for i, c := range cols {
			if d.seen[i] < d.gen {
				c.SetNull(row)
			}
		}
	}
	if p < len(b) {
		if err := onlySpace(b, p); err != nil {
			return err
		}
	}
	if len(d.failed) > 0 {
		f := d.failed[0]
		return fmt.Errorf("field %s: %w", d.keys.names[f.col], f.err)
	}
	return nil
}

// members reads the fields of an object from the first name on. found is how
// many columns got a value.
func (d *jsonDecoder) members(cols []*vec.Vec, row int, b []byte, p int) (next, found int, err error) {
	list := d.keys.list
	prev := int32(0)
	for {
		i := list[prev].next
		k := &list[i]
		if k.at(b, p) {
			if p += len(k.text); p < len(b) && b[p] <= ' ' {
				p = skipSpace(b, p)
			}
		} else {
			if i, p, err = d.keys.find(b, p); err != nil {
				return p, found, err
			}
			list = d.keys.list
			list[prev].next = i
			k = &list[i]
		}
		prev = i

		switch {
		case k.col >= 0 && d.seen[k.col] < d.gen:
			c := k.col
			d.seen[c] = d.gen + k.exact
			found++
			if next, err = d.set(cols[c], row, d.cols[c], b, p); err != nil {
				next, err = d.postpone(c, err, b, p)
			}
			p = next
		case k.col == noColumn:
			p, err = skipMember(b, p)
		default:
			p, found, err = d.setMany(cols, row, k, b, p, found)
		}
		if err != nil {
			return p, found, err
		}

		if p < len(b) && b[p] <= ' ' {
			p = skipSpace(b, p)
		}
		switch {
		case p < len(b) && b[p] == ',':
			if p++; p < len(b) && b[p] <= ' ' {
				p = skipSpace(b, p)
			}
		case p < len(b) && b[p] == '}':
			return p + 1, found, nil
		default:
			return p, found, errJSON("a comma or the end of the object", b, p)
		}
	}
}

// skipMember is skipValue, quicker for strings and plain integers.
func skipMember(b []byte, p int) (int, error) {
	if p < len(b) {
		switch c := b[p]; {
		case c == '"':
			if end, _ := scanString(b, p+1); end < len(b) && b[end] == '"' {
				return end + 1, nil
			}
		case c-'1' < 9:
			if end := skipDigits(b, p+1); end < len(b) && (b[end] == ',' || b[end] == '}') {
				return end, nil
			}
		}
	}
	return skipValue(b, p, 1)
}

// postpone notes that a column cannot take the value at p: the record is broken
// unless another value of that name comes. It returns the place after the value.
func (d *jsonDecoder) postpone(col int32, err error, b []byte, p int) (int, error) {
	next, malformed := skipValue(b, p, 1)
	if malformed != nil {
		return next, malformed
	}
	d.failed = append(d.failed, jsonFailure{col, err})
	return next, nil
}

// A jsonFailure is a column that could not take its value.
type jsonFailure struct {
	col int32
	err error
}

// setMany reads a value that several columns ask for or whose name came before.
func (d *jsonDecoder) setMany(cols []*vec.Vec, row int, k *jsonKey, b []byte, p, found int) (int, int, error) {
	next, err := skipValue(b, p, 1)
	if err != nil {
		return p, found, err
	}
	for _, t := range k.targets {
		switch seen := d.seen[t.col]; {
		case seen < d.gen:
			found++
		case seen > d.gen+t.exact:
			continue // the exact name wins, whichever came last
		default:
			clearNull(cols[t.col], row)
			d.failed = slices.DeleteFunc(d.failed, func(f jsonFailure) bool { return f.col == t.col })
		}
		d.seen[t.col] = d.gen + t.exact
		if _, err := d.set(cols[t.col], row, d.cols[t.col], b, p); err != nil {
			d.failed = append(d.failed, jsonFailure{t.col, err})
		}
	}
	return next, found, nil
}

// set reads the value at p into a row of v.
func (d *jsonDecoder) set(v *vec.Vec, row int, t *jsonType, b []byte, p int) (int, error) {
	if p >= len(b) {
		return p, errJSONEnd
	}
	c := b[p]
	if c == 'n' {
		v.SetNull(row)
		return skipWord(b, p, "null")
	}
	switch t.Kind {
	case vec.Text:
		if c == '"' {
			end, plain := scanString(b, p+1)
			if end < len(b) && b[end] == '"' && (plain || utf8.Valid(b[p+1:end])) {
				v.SetBytes(row, b[p+1:end])
				return end + 1, nil
			}
		}
	case vec.Int64:
		if x, next, ok := scanInt(b, p); ok {
			v.Ints[row] = x
			return next, nil
		}
	case vec.Float32, vec.Float64:
		x, next, err := d.float(t, b, p)
		v.Floats[row] = x
		return next, err
	}
	switch t.Layout() {
	case vec.InInts:
		x, next, err := d.int(t, b, p)
		v.Ints[row] = x
		return next, err
	}
	start := len(v.Data)
	data, next, err := d.bytes(v.Data, t, b, p)
	v.Data = data
	v.Close(row, start)
	return next, err
}

// text reads the string at p into d.tmp.
func (d *jsonDecoder) text(b []byte, p int) (text []byte, next int, err error) {
	d.tmp, next, err = appendString(d.tmp[:0], b, p)
	return d.tmp, next, err
}

// int reads a value of a type in the ints layout that is not null.
func (d *jsonDecoder) int(t *jsonType, b []byte, p int) (x int64, next int, err error) {
	switch c := b[p]; {
	case c == '"':
		text, next, err := d.text(b, p)
		if err != nil {
			return 0, next, err
		}
		x, err = parseIntKind(t.Type, text)
		return x, next, err
	case t.Kind == vec.Bool && c == 't':
		next, err = skipWord(b, p, "true")
		return 1, next, err
	case t.Kind == vec.Bool && c == 'f':
		next, err = skipWord(b, p, "false")
		return 0, next, err
	case t.Kind == vec.Bool || c != '-' && c-'0' > 9:
		return 0, p, d.wrongType(t, b, p)
	}
	x, next, ok := scanInt(b, p)
	if !ok {
		if next, _, err = skipNumber(b, p); err != nil {
			return 0, next, err
		}
		if x, ok = truncate(b[p:next]); !ok {
			return 0, next, cannotRead(b[p:next], t.Type)
		}
	}
	if x, ok = fromWire(t.Kind, x); !ok {
		return 0, next, cannotRead(b[p:next], t.Type)
	}
	return x, next, nil
}

// wrongType is the error of a value at p whose JSON type t cannot be read from,
// or that is no JSON at all.
func (d *jsonDecoder) wrongType(t *jsonType, b []byte, p int) error {
	end, err := skipValue(b, p, 1)
	if err != nil {
		return err
	}
	return cannotRead(b[p:end], t.Type)
}

// truncate returns the integer part of a number that is not a plain short
// integer, as Java's BigDecimal.longValue would if it checked the range.
func truncate(text []byte) (int64, bool) {
	if neg, coeff, exp, ok := scanDecimal(text); ok {
		for ; exp < 0 && coeff != 0; exp++ {
			coeff /= 10
		}
		for ; exp > 0 && coeff != 0; exp-- {
			if coeff > math.MaxUint64/10 {
				return 0, false
			}
			coeff *= 10
		}
		if neg && coeff <= 1<<63 {
			return -int64(coeff), true
		}
		return int64(coeff), coeff < 1<<63
	}
	for i, c := range text {
		if c == '.' && !slices.Contains(text, 'e') && !slices.Contains(text, 'E') {
			text = text[:i]
			break
		}
	}
	if x, err := strconv.ParseInt(view(text), 10, 64); err == nil {
		return x, true
	}
	f, err := strconv.ParseFloat(view(text), 64)
	if err != nil || f >= 1<<63 || f < -1<<63 || !slices.ContainsFunc(text, func(c byte) bool { return c|0x20 == 'e' }) {
		return 0, false
	}
	return int64(f), true
}

// float reads a value of a type in the floats layout that is not null.
func (d *jsonDecoder) float(t *jsonType, b []byte, p int) (x float64, next int, err error) {
	var text []byte
	switch c := b[p]; {
	case c == '"':
		if text, next, err = d.text(b, p); err != nil {
			return 0, next, err
		}
	case c == '-' || c-'0' <= 9:
		var ok bool
		if x, next, ok = scanFloat(b, p); ok && t.Kind == vec.Float64 {
			return x, next, nil
		}
		if next, _, err = skipNumber(b, p); err != nil {
			return 0, next, err
		}
		text = b[p:next]
	default:
		return 0, p, d.wrongType(t, b, p)
	}
	x, ok := parseFloat(t.Kind, text)
	if !ok {
		return 0, next, cannotRead(text, t.Type)
	}
	return x, next, nil
}

// bytes appends a value of a type in the bytes layout that is not null.
func (d *jsonDecoder) bytes(dst []byte, t *jsonType, b []byte, p int) (out []byte, next int, err error) {
	switch t.Kind {
	case vec.JSON, vec.JSONB:
		if next, err = skipValue(b, p, 1); err != nil {
			return dst, next, err
		}
		if !utf8.Valid(b[p:next]) {
			return dst, next, errUTF8
		}
		if t.Kind == vec.JSON {
			return append(dst, b[p:next]...), next, nil
		}
		text, err := vec.NormalizeJSON(string(b[p:next]))
		return append(dst, text...), next, err
	case vec.Array:
		return d.array(dst, t, b, p)
	case vec.Map:
		return d.mapping(dst, t, b, p)
	case vec.Struct:
		return d.structure(dst, t, b, p)
	}
	if b[p] == '"' {
		if t.Kind == vec.Text || t.Kind == vec.Unknown {
			return appendString(dst, b, p)
		}
		text, next, err := d.text(b, p)
		if err != nil {
			return dst, next, err
		}
		dst, err = parseBytesKind(dst, t.Type, text)
		return dst, next, err
	}
	if next, err = skipValue(b, p, 1); err != nil {
		return dst, next, err
	}
	switch text := b[p:next]; {
	case t.Kind == vec.Text || t.Kind == vec.Unknown:
		if !utf8.Valid(text) {
			return dst, next, errUTF8
		}
		return appendCompact(dst, text), next, nil
	case t.Kind == vec.Decimal && (text[0] == '-' || text[0]-'0' <= 9):
		if dst, err = appendDecimalText(dst, t.Type, text); err != nil {
			err = fmt.Errorf("%w: %w", cannotRead(text, t.Type), err)
		}
		return dst, next, err
	default:
		return dst, next, cannotRead(text, t.Type)
	}
}

// appendCompact appends valid JSON without the white space between tokens.
func appendCompact(dst, b []byte) []byte {
	for p := 0; p < len(b); {
		switch b[p] {
		case '"':
			end, _ := skipString(b, p)
			dst = append(dst, b[p:end]...)
			p = end
		case ' ', '\t', '\n', '\r':
			p++
		default:
			dst = append(dst, b[p])
			p++
		}
	}
	return dst
}

// element appends the value at p in the row encoding.
func (d *jsonDecoder) element(dst []byte, t *jsonType, b []byte, p int) (out []byte, next int, err error) {
	if p >= len(b) {
		return dst, p, errJSONEnd
	}
	if b[p] == 'n' {
		next, err = skipWord(b, p, "null")
		return append(dst, 0), next, err
	}
	dst = append(dst, 1)
	switch t.Layout() {
	case vec.InInts:
		x, next, err := d.int(t, b, p)
		return binary.AppendVarint(dst, x), next, err
	case vec.InFloats:
		x, next, err := d.float(t, b, p)
		return binary.LittleEndian.AppendUint64(dst, math.Float64bits(x)), next, err
	}
	start := len(dst)
	if dst, next, err = d.bytes(dst, t, b, p); err != nil {
		return dst, next, err
	}
	return insertUvarint(dst, start, uint64(len(dst)-start)), next, nil
}

// insertUvarint puts x as a varint before what begins at b[at].
func insertUvarint(b []byte, at int, x uint64) []byte {
	var head [binary.MaxVarintLen64]byte
	n := binary.PutUvarint(head[:], x)
	end := len(b)
	b = append(b, head[:n]...)
	copy(b[at+n:], b[at:end])
	copy(b[at:], head[:n])
	return b
}

func (d *jsonDecoder) array(dst []byte, t *jsonType, b []byte, p int) ([]byte, int, error) {
	if b[p] != '[' {
		return dst, p, d.wrongType(t, b, p)
	}
	if p = skipSpace(b, p+1); p < len(b) && b[p] == ']' {
		return append(dst, 0), p + 1, nil
	}
	start, n := len(dst), uint64(0)
	for more := true; more; n++ {
		var err error
		if dst, p, err = d.element(dst, t.elem, b, p); err != nil {
			return dst, p, err
		}
		if p, more, err = skipComma(b, p, ']'); err != nil {
			return dst, p, err
		}
	}
	return insertUvarint(dst, start, n), p, nil
}

// skipComma skips the comma or the closing bracket after a value. more tells
// that a value must follow.
func skipComma(b []byte, p int, end byte) (next int, more bool, err error) {
	p = skipSpace(b, p)
	switch {
	case p < len(b) && b[p] == ',':
		return skipSpace(b, p+1), true, nil
	case p < len(b) && b[p] == end:
		return p + 1, false, nil
	}
	return p, false, errJSON("a comma or the end", b, p)
}

// mapping reads an object as a map. Of equal keys the last one counts, at the
// place of the first.
func (d *jsonDecoder) mapping(dst []byte, t *jsonType, b []byte, p int) ([]byte, int, error) {
	if b[p] != '{' {
		return dst, p, d.wrongType(t, b, p)
	}
	if p = skipSpace(b, p+1); p < len(b) && b[p] == '}' {
		return append(dst, 0), p + 1, nil
	}
	start, base := len(dst), len(d.entries)
	defer func() { d.entries = d.entries[:base] }()
	for more := true; more; {
		if p >= len(b) || b[p] != '"' {
			return dst, p, errJSON("a name", b, p)
		}
		from := len(dst)
		var err error
		dst = append(dst, 1)
		if dst, p, err = appendString(dst, b, p); err != nil {
			return dst, p, err
		}
		dst = insertUvarint(dst, from+1, uint64(len(dst)-from-1))
		value := len(dst)
		if p, err = skipColon(b, p); err != nil {
			return dst, p, err
		}
		if dst, p, err = d.element(dst, t.elem, b, p); err != nil {
			return dst, p, err
		}
		d.entries = append(d.entries, mapSpan{from, value, len(dst)})
		if p, more, err = skipComma(b, p, '}'); err != nil {
			return dst, p, err
		}
	}
	dst, n := d.uniqueKeys(dst, d.entries[base:])
	return insertUvarint(dst, start, uint64(n)), p, nil
}

// A mapSpan is where an entry of a map stands in the arena: its key from key
// on, its value from value to end.
type mapSpan struct{ key, value, end int }

// uniqueKeys drops the entries whose key comes again, except that the value of
// the last one takes the place of the first. The entries end dst.
func (d *jsonDecoder) uniqueKeys(dst []byte, entries []mapSpan) ([]byte, int) {
	key := func(e mapSpan) []byte { return dst[e.key:e.value] }
	if d.unique(dst, entries) {
		return dst, len(entries)
	}
	last := make(map[string]mapSpan, len(entries))
	for _, e := range entries {
		last[string(key(e))] = e
	}
	var out []byte
	n := len(last)
	for _, e := range entries {
		if l, ok := last[string(key(e))]; ok {
			out = append(out, dst[l.key:l.end]...)
			delete(last, string(key(e)))
		}
	}
	return append(dst[:entries[0].key], out...), n
}

// unique tells whether all keys differ. It may say no if only their hashes meet.
func (d *jsonDecoder) unique(arena []byte, entries []mapSpan) bool {
	size := 4
	for size < 2*len(entries) {
		size *= 2
	}
	d.hashes = slices.Grow(d.hashes[:0], size)[:size]
	clear(d.hashes)
	for _, e := range entries {
		h := maphash.Bytes(hashSeed, arena[e.key:e.value]) | 1 // 0 is a free slot
		i := int(h>>32) & (size - 1)
		for ; d.hashes[i] != 0; i = (i + 1) & (size - 1) {
			if d.hashes[i] == h {
				return false
			}
		}
		d.hashes[i] = h
	}
	return true
}

var hashSeed = maphash.MakeSeed()

// structure reads an object as a struct: first it notes where the fields'
// values are, then it writes them in their order.
func (d *jsonDecoder) structure(dst []byte, t *jsonType, b []byte, p int) ([]byte, int, error) {
	if b[p] != '{' {
		return dst, p, d.wrongType(t, b, p)
	}
	t.gen += 2
	end, err := t.members(b, p)
	if err != nil {
		return dst, end, err
	}
	for i, f := range t.fields {
		if s := t.spans[i]; s.seen < t.gen {
			dst = append(dst, 0)
		} else if dst, _, err = d.element(dst, f, b, s.at); err != nil {
			return dst, s.at, fmt.Errorf("field %s: %w", t.Fields[i].Name, err)
		}
	}
	return dst, end, nil
}

// members fills t.spans from the object at p.
func (t *jsonType) members(b []byte, p int) (next int, err error) {
	if p = skipSpace(b, p+1); p < len(b) && b[p] == '}' {
		return p + 1, nil
	}
	prev := int32(0)
	for more := true; more; {
		i := t.keys.list[prev].next
		k := &t.keys.list[i]
		if k.at(b, p) {
			p = skipSpace(b, p+len(k.text))
		} else {
			if i, p, err = t.keys.find(b, p); err != nil {
				return p, err
			}
			t.keys.list[prev].next = i
			k = &t.keys.list[i]
		}
		prev = i
		for _, g := range k.targets {
			if s := &t.spans[g.col]; s.seen <= t.gen+g.exact {
				*s = jsonSpan{at: p, seen: t.gen + g.exact}
			}
		}
		if p, err = skipValue(b, p, 1); err != nil {
			return p, err
		}
		if p, more, err = skipComma(b, p, '}'); err != nil {
			return p, err
		}
	}
	return p, nil
}
