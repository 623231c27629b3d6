package vec

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/weirdb/weir/internal/pgerr"
)

// JSONKind is the kind of a JSON value, in PostgreSQL's order of jsonb.
type JSONKind uint8

const (
	JSONNull JSONKind = iota
	JSONString
	JSONNumber
	JSONFalse
	JSONTrue
	JSONArray
	JSONObject
)

// A JSONNode is a parsed JSON value.
type JSONNode struct {
	Kind JSONKind
	Text string // of a string, decoded; of a number, as written
	Raw  string // as it stood in the document
	// Keys are the names of an object's members, Elems their values or an
	// array's elements.
	Keys  []string
	Elems []JSONNode
}

// ParseJSON reads a document.
func ParseJSON(s string) (JSONNode, error) {
	p := jsonReader{s: s, build: true}
	n, err := p.document()
	if err != nil {
		return JSONNode{}, jsonErr(err)
	}
	return n, nil
}

func checkJSON(s string) error {
	p := jsonReader{s: s}
	if _, err := p.document(); err != nil {
		return jsonErr(err)
	}
	return nil
}

// ValidJSON tells whether s is a JSON document.
func ValidJSON(s string) bool { return checkJSON(s) == nil }

// NormalizeJSON brings a document in the form that jsonb prints: keys sorted by
// length, then bytes, of duplicates the last; one blank after comma and colon.
func NormalizeJSON(s string) (string, error) {
	n, err := ParseJSON(s)
	if err != nil {
		return "", err
	}
	n.Sort()
	b, err := n.append(make([]byte, 0, len(s)+16))
	return string(b), err
}

// A jsonFault is what is wrong with a document: a detail for the user.
type jsonFault struct {
	detail string
	deep   bool
	code   string
}

func (e *jsonFault) Error() string { return e.detail }

func jsonErr(err error) error {
	f, ok := errors.AsType[*jsonFault](err)
	switch {
	case !ok:
		return err
	case f.deep:
		return tooDeep()
	case f.code != "":
		return pgerr.Newf(f.code, "unsupported Unicode escape sequence").Detailf("%s", f.detail)
	}
	return pgerr.Newf(pgerr.InvalidTextRep, "invalid input syntax for type json").Detailf("%s", f.detail)
}

type jsonReader struct {
	s     string
	i     int
	build bool
}

// ParseJSONPrefix reads the document that s starts with and ignores what follows it.
func ParseJSONPrefix(s string) (JSONNode, error) {
	p := jsonReader{s: s, build: true}
	return p.value(0)
}

func (p *jsonReader) document() (JSONNode, error) {
	n, err := p.value(0)
	if err != nil {
		return n, err
	}
	if p.space(); p.i < len(p.s) {
		return n, &jsonFault{detail: "Expected end of input, but found \"" + p.token() + "\"."}
	}
	return n, nil
}

func (p *jsonReader) space() {
	for p.i < len(p.s) && (p.s[p.i] == ' ' || p.s[p.i] == '\t' || p.s[p.i] == '\n' || p.s[p.i] == '\r') {
		p.i++
	}
}

// token is the word at which the reader stands, for messages.
func (p *jsonReader) token() string {
	n := p.i
	for n < len(p.s) && (isLetter(p.s[n]) || p.s[n] >= '0' && p.s[n] <= '9' || p.s[n] == '_' || p.s[n] >= 0x80) {
		n++
	}
	if n == p.i && n < len(p.s) {
		n++
	}
	return p.s[p.i:n]
}

func (p *jsonReader) fault(wanted string) error {
	if p.i >= len(p.s) {
		return &jsonFault{detail: "The input string ended unexpectedly."}
	}
	t := p.token()
	if isLetter(t[0]) || t[0] >= 0x80 {
		if t != "true" && t != "false" && t != "null" {
			return &jsonFault{detail: "Token \"" + t + "\" is invalid."}
		}
	} else if !strings.Contains("{}[],:\"-0123456789", t[:1]) {
		return &jsonFault{detail: "Token \"" + t + "\" is invalid."}
	}
	return &jsonFault{detail: "Expected " + wanted + ", but found \"" + t + "\"."}
}

func (p *jsonReader) value(depth int) (n JSONNode, err error) {
	if depth > MaxDepth {
		return n, &jsonFault{deep: true}
	}
	p.space()
	start := p.i
	if p.i == len(p.s) {
		return n, p.fault("JSON value")
	}
	switch c := p.s[p.i]; {
	case c == '{':
		err = p.object(&n, depth)
	case c == '[':
		err = p.array(&n, depth)
	case c == '"':
		n.Kind = JSONString
		n.Text, err = p.str()
	case c == '-' || c >= '0' && c <= '9':
		n.Kind = JSONNumber
		n.Text, err = p.number()
	default:
		switch t := p.token(); t {
		case "true":
			n.Kind = JSONTrue
		case "false":
			n.Kind = JSONFalse
		case "null":
			n.Kind = JSONNull
		default:
			return n, p.fault("JSON value")
		}
		p.i += len(p.token())
	}
	n.Raw = p.s[start:p.i]
	return n, err
}

func (p *jsonReader) object(n *JSONNode, depth int) error {
	n.Kind = JSONObject
	p.i++
	p.space()
	if p.i < len(p.s) && p.s[p.i] == '}' {
		p.i++
		return nil
	}
	for {
		p.space()
		if p.i == len(p.s) || p.s[p.i] != '"' {
			return p.fault("string")
		}
		key, err := p.str()
		if err != nil {
			return err
		}
		p.space()
		if p.i == len(p.s) || p.s[p.i] != ':' {
			return p.fault("\":\"")
		}
		p.i++
		v, err := p.value(depth + 1)
		if err != nil {
			return err
		}
		if p.build {
			n.Keys, n.Elems = append(n.Keys, key), append(n.Elems, v)
		}
		p.space()
		if p.i == len(p.s) || p.s[p.i] != ',' && p.s[p.i] != '}' {
			return p.fault("\",\" or \"}\"")
		}
		p.i++
		if p.s[p.i-1] == '}' {
			return nil
		}
	}
}

func (p *jsonReader) array(n *JSONNode, depth int) error {
	n.Kind = JSONArray
	p.i++
	p.space()
	if p.i < len(p.s) && p.s[p.i] == ']' {
		p.i++
		return nil
	}
	for {
		v, err := p.value(depth + 1)
		if err != nil {
			return err
		}
		if p.build {
			n.Elems = append(n.Elems, v)
		}
		p.space()
		if p.i == len(p.s) || p.s[p.i] != ',' && p.s[p.i] != ']' {
			return p.fault("\",\" or \"]\"")
		}
		p.i++
		if p.s[p.i-1] == ']' {
			return nil
		}
	}
}

func (p *jsonReader) number() (string, error) {
	start := p.i
	digits := func() bool {
		from := p.i
		for p.i < len(p.s) && p.s[p.i] >= '0' && p.s[p.i] <= '9' {
			p.i++
		}
		return p.i > from
	}
	if p.s[p.i] == '-' {
		p.i++
	}
	zero := p.i < len(p.s) && p.s[p.i] == '0'
	intAt := p.i
	ok := digits() && !(zero && p.i > intAt+1)
	if ok && p.i < len(p.s) && p.s[p.i] == '.' {
		p.i++
		ok = digits()
	}
	if ok && p.i < len(p.s) && p.s[p.i]|0x20 == 'e' {
		p.i++
		if p.i < len(p.s) && (p.s[p.i] == '+' || p.s[p.i] == '-') {
			p.i++
		}
		ok = digits()
	}
	if p.i < len(p.s) && (isLetter(p.s[p.i]) || p.s[p.i] == '_' || p.s[p.i] == '.') {
		ok = false
		p.i += len(p.token())
	}
	if !ok {
		return "", &jsonFault{detail: "Token \"" + p.s[start:p.i] + "\" is invalid."}
	}
	return p.s[start:p.i], nil
}

func (p *jsonReader) str() (string, error) {
	p.i++
	start := p.i
	for p.i < len(p.s) && p.s[p.i] != '"' && p.s[p.i] != '\\' && p.s[p.i] >= ' ' {
		p.i++
	}
	if p.i < len(p.s) && p.s[p.i] == '"' {
		p.i++
		return p.s[start : p.i-1], nil
	}
	b := []byte(p.s[start:p.i])
	for p.i < len(p.s) {
		c := p.s[p.i]
		switch {
		case c == '"':
			p.i++
			return string(b), nil
		case c < ' ':
			return "", &jsonFault{detail: "Character with value 0x" + string([]byte{hexDigits[c>>4], hexDigits[c&15]}) + " must be escaped."}
		case c != '\\':
			b = append(b, c)
			p.i++
			continue
		}
		p.i++
		if p.i == len(p.s) {
			break
		}
		c = p.s[p.i]
		p.i++
		if c == 'u' {
			r, err := p.unicode()
			if err != nil {
				return "", err
			}
			b = utf8.AppendRune(b, r)
			continue
		}
		k := strings.IndexByte(`"\/bfnrt`, c)
		if k < 0 {
			return "", &jsonFault{detail: "Escape sequence \"\\" + string(c) + "\" is invalid."}
		}
		b = append(b, "\"\\/\b\f\n\r\t"[k])
	}
	return "", &jsonFault{detail: "Token \"" + p.s[min(start-1, len(p.s)):] + "\" is invalid."}
}

// unicode reads the four digits after \u, and the second half of a pair.
func (p *jsonReader) unicode() (rune, error) {
	four := func() (rune, bool) {
		if p.i+4 > len(p.s) {
			return 0, false
		}
		var r rune
		for _, c := range []byte(p.s[p.i : p.i+4]) {
			if !isHex(c) {
				return 0, false
			}
			k := c - '0'
			if c > '9' {
				k = c | 0x20 - 'a' + 10
			}
			r = r<<4 | rune(k)
		}
		p.i += 4
		return r, true
	}
	bad := &jsonFault{detail: "\"\\u\" must be followed by four hexadecimal digits."}
	r, ok := four()
	if !ok {
		return 0, bad
	}
	if r == 0 && p.build {
		return 0, &jsonFault{detail: "\\u0000 cannot be converted to text.", code: "22P05"}
	}
	if r >= 0xdc00 && r <= 0xdfff {
		return 0, &jsonFault{detail: "Unicode low surrogate must follow a high surrogate."}
	}
	if r < 0xd800 || r > 0xdfff {
		return r, nil
	}
	if !strings.HasPrefix(p.s[p.i:], `\u`) {
		return 0, &jsonFault{detail: "Unicode low surrogate must follow a high surrogate."}
	}
	p.i += 2
	low, ok := four()
	if !ok {
		return 0, bad
	}
	if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
		return 0, &jsonFault{detail: "Unicode low surrogate must follow a high surrogate."}
	}
	return r, nil
}

// Sort puts the members of every object in jsonb's order and drops all but the
// last of those with one name.
func (n *JSONNode) Sort() {
	for i := range n.Elems {
		n.Elems[i].Sort()
	}
	if n.Kind != JSONObject || len(n.Keys) < 2 {
		return
	}
	order := make([]int, len(n.Keys))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return compareJSONKeys(n.Keys[a], n.Keys[b]) })
	keys, elems := make([]string, 0, len(order)), make([]JSONNode, 0, len(order))
	for k, i := range order {
		if k+1 < len(order) && n.Keys[order[k+1]] == n.Keys[i] {
			continue
		}
		keys, elems = append(keys, n.Keys[i]), append(elems, n.Elems[i])
	}
	n.Keys, n.Elems = keys, elems
}

func compareJSONKeys(a, b string) int {
	if c := cmp.Compare(len(a), len(b)); c != 0 {
		return c
	}
	return strings.Compare(a, b)
}

// Append appends the node as jsonb prints it.
func (n *JSONNode) Append(dst []byte) []byte {
	dst, _ = n.append(dst)
	return dst
}

// append fails for a number that numeric cannot hold.
func (n *JSONNode) append(dst []byte) ([]byte, error) {
	var err error
	switch n.Kind {
	case JSONNull:
		return append(dst, "null"...), nil
	case JSONFalse:
		return append(dst, "false"...), nil
	case JSONTrue:
		return append(dst, "true"...), nil
	case JSONString:
		return AppendJSONString(dst, n.Text), nil
	case JSONNumber:
		if !strings.ContainsAny(n.Text, "eE") && n.Text != "-0" {
			if !strings.HasPrefix(n.Text, "-0.") {
				return append(dst, n.Text...), nil
			}
		}
		d, err := ParseDecimal(n.Text)
		if err != nil {
			return append(dst, n.Text...), err
		}
		return AppendDecimalText(dst, d), nil
	case JSONArray:
		dst = append(dst, '[')
		for i := range n.Elems {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			if dst, err = n.Elems[i].append(dst); err != nil {
				return dst, err
			}
		}
		return append(dst, ']'), nil
	}
	dst = append(dst, '{')
	for i := range n.Elems {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = append(AppendJSONString(dst, n.Keys[i]), ": "...)
		if dst, err = n.Elems[i].append(dst); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}

// AppendJSONString appends s as a JSON string (escape_json in json.c).
func AppendJSONString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	from := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[from:i]...)
		from = i + 1
		if k := strings.IndexByte("\"\\\b\f\n\r\t", c); k >= 0 {
			dst = append(dst, '\\', `"\bfnrt`[k])
		} else {
			dst = append(dst, `\u00`...)
			dst = append(dst, hexDigits[c>>4], hexDigits[c&15])
		}
	}
	dst = append(dst, s[from:]...)
	return append(dst, '"')
}

// AppendJSON appends a value of type t as to_jsonb would give it.
func AppendJSON(dst []byte, t Type, x Value, f *TextFormat) []byte {
	if x == nil {
		return append(dst, "null"...)
	}
	switch t.Kind {
	case Bool:
		if x.(bool) {
			return append(dst, "true"...)
		}
		return append(dst, "false"...)
	case Int16, Int32, Int64, OID:
		if t.OID == 0 || t.OID == OIDOID {
			return AppendTextValue(dst, t, x, f)
		}
	case Float32, Float64, Decimal:
		start := len(dst)
		dst = AppendTextValue(dst, t, x, f)
		if c := dst[len(dst)-1]; c >= '0' && c <= '9' {
			if slices.Contains(dst[start:], 'e') {
				n := JSONNode{Kind: JSONNumber, Text: string(dst[start:])}
				return n.Append(dst[:start])
			}
			return dst
		}
		return AppendJSONString(dst[:start], string(dst[start:]))
	case JSON, JSONB:
		return append(dst, x.(string)...)
	case Timestamp:
		return append(appendTimestamp(append(dst, '"'), x.(int64), 'T'), '"')
	case TimestampTZ:
		ts := x.(int64)
		if ts == PosInfinity || ts == NegInfinity {
			return append(appendTimestamp(append(dst, '"'), ts, 'T'), '"')
		}
		off := ZoneOffset(ts, f.zone())
		dst = appendTimestampTZ(append(dst, '"'), ts, f.zone(), 'T')
		if off%3600 == 0 {
			dst = append(dst, ":00"...)
		}
		return append(dst, '"')
	case Array:
		dst = append(dst, '[')
		for i, e := range x.([]Value) {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = AppendJSON(dst, *t.Elem, e, f)
		}
		return append(dst, ']')
	case Map:
		dst = append(dst, '{')
		for i, e := range x.(MapValue) {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = AppendJSONString(dst, string(AppendTextValue(nil, *t.Key, e.Key, f)))
			dst = AppendJSON(append(dst, ": "...), *t.Elem, e.Value, f)
		}
		return append(dst, '}')
	case Struct:
		dst = append(dst, '{')
		for i, e := range x.([]Value) {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = AppendJSONString(dst, t.Fields[i].Name)
			dst = AppendJSON(append(dst, ": "...), t.Fields[i].Type, e, f)
		}
		return append(dst, '}')
	}
	return AppendJSONString(dst, string(AppendTextValue(nil, t, x, f)))
}

// FromJSON returns the value of type t that AppendJSON writes as n.
func FromJSON(t Type, n *JSONNode, f *TextFormat) (Value, error) { return fromJSON(t, n, f, 0) }

func fromJSON(t Type, n *JSONNode, f *TextFormat, depth int) (Value, error) {
	if n.Kind == JSONNull {
		return nil, nil
	}
	if depth > MaxDepth {
		return nil, tooDeep()
	}
	switch {
	case t.Kind == JSON:
		return n.Raw, nil
	case t.Kind == JSONB:
		return NormalizeJSON(n.Raw)
	case t.Kind == Array && n.Kind == JSONArray:
		out := make([]Value, len(n.Elems))
		for i := range n.Elems {
			var err error
			if out[i], err = fromJSON(*t.Elem, &n.Elems[i], f, depth+1); err != nil {
				return nil, err
			}
		}
		return out, nil
	case t.Kind == Struct && n.Kind == JSONObject:
		out := make([]Value, len(t.Fields))
		for i, field := range t.Fields {
			if e := n.Member(field.Name); e != nil {
				var err error
				if out[i], err = fromJSON(field.Type, e, f, depth+1); err != nil {
					return nil, err
				}
			}
		}
		return out, nil
	case t.Kind == Map && n.Kind == JSONObject:
		return mapFromJSON(t, n, f, depth)
	}
	text := n.Text
	switch n.Kind {
	case JSONTrue, JSONFalse, JSONArray, JSONObject:
		text = n.Raw
	}
	return parse(t, text, f, depth+1)
}

func mapFromJSON(t Type, n *JSONNode, f *TextFormat, depth int) (Value, error) {
	out := make(MapValue, 0, len(n.Keys))
	at := map[string]int{}
	for i, name := range n.Keys {
		k, err := parse(*t.Key, name, f, depth+1)
		if err != nil {
			return nil, err
		}
		v, err := fromJSON(*t.Elem, &n.Elems[i], f, depth+1)
		if err != nil {
			return nil, err
		}
		if j, ok := at[name]; ok {
			out[j].Value = v
			continue
		}
		at[name] = len(out)
		out = append(out, MapEntry{k, v})
	}
	return out, nil
}

// Member returns the value of an object's member, nil if it has none; of
// several with one name the last counts.
func (n *JSONNode) Member(name string) *JSONNode {
	if n.Kind != JSONObject {
		return nil
	}
	for i := len(n.Keys) - 1; i >= 0; i-- {
		if n.Keys[i] == name {
			return &n.Elems[i]
		}
	}
	return nil
}

func parseJSONMap(t Type, s string, f *TextFormat, depth int) (Value, error) {
	n, err := ParseJSON(s)
	if err != nil {
		return nil, err
	}
	if n.Kind != JSONObject {
		return nil, syntaxError(t.String(), s).Detailf("A map is written as a JSON object.")
	}
	return mapFromJSON(t, &n, f, depth)
}

// CompareJSON orders documents as jsonb does: by kind, then arrays and objects
// by size, then by content.
func CompareJSON(a, b *JSONNode) int {
	rank := func(k JSONKind) JSONKind {
		if k == JSONTrue {
			return JSONFalse
		}
		return k
	}
	// An empty array is below everything else (a quirk that PostgreSQL keeps).
	if ea, eb := a.emptyArray(), b.emptyArray(); ea != eb {
		if ea {
			return -1
		}
		return 1
	}
	if c := cmp.Compare(rank(a.Kind), rank(b.Kind)); c != 0 {
		return c
	}
	switch a.Kind {
	case JSONString:
		return strings.Compare(a.Text, b.Text)
	case JSONNumber:
		x, err1 := ParseDecimal(a.Text)
		y, err2 := ParseDecimal(b.Text)
		if err1 != nil || err2 != nil {
			return strings.Compare(a.Text, b.Text)
		}
		return CompareDecimals(x, y)
	case JSONFalse, JSONTrue:
		return cmp.Compare(a.Kind, b.Kind)
	case JSONArray, JSONObject:
		if c := cmp.Compare(len(a.Elems), len(b.Elems)); c != 0 {
			return c
		}
		for i := range a.Elems {
			if a.Kind == JSONObject {
				if c := compareJSONKeys(a.Keys[i], b.Keys[i]); c != 0 {
					return c
				}
			}
			if c := CompareJSON(&a.Elems[i], &b.Elems[i]); c != 0 {
				return c
			}
		}
	}
	return 0
}

func (n *JSONNode) emptyArray() bool { return n.Kind == JSONArray && len(n.Elems) == 0 }
