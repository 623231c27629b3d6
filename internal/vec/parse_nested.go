package vec

import (
	"strconv"
	"strings"

	"github.com/weirdb/weir/internal/pgerr"
)

func badArray(s, detail string) error {
	return pgerr.Newf(pgerr.InvalidTextRep, "malformed array literal: \"%s\"", s).Detailf("%s", detail)
}

func parseArray(t Type, s string, f *TextFormat, depth int) ([]Value, error) {
	if t.OID == OIDInt2Vector || t.OID == OIDOIDVector {
		out := []Value{}
		for _, w := range strings.Fields(s) {
			x, err := parse(*t.Elem, w, f, depth+1)
			if err != nil {
				return nil, err
			}
			out = append(out, x)
		}
		return out, nil
	}
	p := &arrayReader{in: s, s: trimSpace(s), f: f}
	if strings.HasPrefix(p.s, "[") { // bounds: [1:3]={...}
		eq := strings.IndexByte(p.s, '=')
		if eq < 0 || !boundsOK(trimSpace(p.s[:eq])) {
			return nil, badArray(s, "Missing array dimension value.")
		}
		p.s = trimSpace(p.s[eq+1:])
	}
	if !strings.HasPrefix(p.s, "{") {
		return nil, badArray(s, "Array value must start with \"{\" or dimension information.")
	}
	out, err := p.array(t, depth)
	if err != nil {
		return nil, err
	}
	if trimSpace(p.s[p.i:]) != "" {
		return nil, badArray(s, "Junk after closing right brace.")
	}
	return out, nil
}

// boundsOK checks [lower:upper]...; the bounds themselves are not kept.
func boundsOK(s string) bool {
	for s != "" {
		end := strings.IndexByte(s, ']')
		if s[0] != '[' || end < 0 {
			return false
		}
		for _, n := range strings.Split(s[1:end], ":") {
			if _, err := strconv.Atoi(n); err != nil {
				return false
			}
		}
		s = s[end+1:]
	}
	return true
}

type arrayReader struct {
	in string // for messages
	s  string
	i  int
	f  *TextFormat
}

func (p *arrayReader) space() {
	for p.i < len(p.s) && strings.IndexByte(" \t\n\r\v\f", p.s[p.i]) >= 0 {
		p.i++
	}
}

// array reads from { to }.
func (p *arrayReader) array(t Type, depth int) ([]Value, error) {
	if depth > MaxDepth {
		return nil, tooDeep()
	}
	p.i++
	out := []Value{}
	p.space()
	if p.i < len(p.s) && p.s[p.i] == '}' {
		p.i++
		return out, nil
	}
	width := -1
	for {
		p.space()
		x, err := p.element(*t.Elem, depth)
		if err != nil {
			return nil, err
		}
		if sub, ok := x.([]Value); ok && t.Elem.Kind == Array {
			if width >= 0 && width != len(sub) {
				return nil, badArray(p.in, "Multidimensional arrays must have sub-arrays with matching dimensions.")
			}
			width = len(sub)
		}
		out = append(out, x)
		p.space()
		if p.i == len(p.s) {
			return nil, badArray(p.in, "Unexpected end of input.")
		}
		c := p.s[p.i]
		p.i++
		switch c {
		case '}':
			return out, nil
		case ',':
		default:
			return nil, badArray(p.in, "Unexpected array element.")
		}
	}
}

func (p *arrayReader) element(t Type, depth int) (Value, error) {
	if p.i == len(p.s) {
		return nil, badArray(p.in, "Unexpected end of input.")
	}
	if t.Kind == Array {
		if p.s[p.i] != '{' {
			return nil, badArray(p.in, "Unexpected array element.")
		}
		return boxed(p.array(t, depth+1))
	}
	if p.s[p.i] == '"' {
		text, err := p.quoted()
		if err != nil {
			return nil, err
		}
		return parse(t, text, p.f, depth+1)
	}
	var b []byte
	last := 0 // length of b up to the last byte that is not a bare blank
loop:
	for ; p.i < len(p.s); p.i++ {
		switch c := p.s[p.i]; c {
		case ',', '}':
			break loop
		case '{':
			return nil, badArray(p.in, "Unexpected \"{\" character.")
		case '"':
			return nil, badArray(p.in, "Unexpected array element.")
		case '\\':
			p.i++
			if p.i == len(p.s) {
				return nil, badArray(p.in, "Unexpected end of input.")
			}
			b = append(b, p.s[p.i])
			last = len(b)
		default:
			b = append(b, c)
			if strings.IndexByte(" \t\n\r\v\f", c) < 0 {
				last = len(b)
			}
		}
	}
	if last == 0 {
		if p.i == len(p.s) {
			return nil, badArray(p.in, "Unexpected end of input.")
		}
		return nil, badArray(p.in, "Unexpected \""+string(p.s[p.i])+"\" character.")
	}
	text := string(b[:last])
	if strings.EqualFold(text, "null") {
		return nil, nil
	}
	return parse(t, text, p.f, depth+1)
}

func (p *arrayReader) quoted() (string, error) {
	var b []byte
	for p.i++; p.i < len(p.s); p.i++ {
		switch c := p.s[p.i]; c {
		case '"':
			p.i++
			return string(b), nil
		case '\\':
			p.i++
			if p.i == len(p.s) {
				return "", badArray(p.in, "Unexpected end of input.")
			}
			b = append(b, p.s[p.i])
		default:
			b = append(b, c)
		}
	}
	return "", badArray(p.in, "Unexpected end of input.")
}

// parseRecord reads (a,"b c",): an empty field is NULL.
func parseRecord(t Type, s string, f *TextFormat, depth int) ([]Value, error) {
	bad := func(detail string) error {
		return pgerr.Newf(pgerr.InvalidTextRep, "malformed record literal: \"%s\"", s).Detailf("%s", detail)
	}
	b := trimSpace(s)
	if !strings.HasPrefix(b, "(") {
		return nil, bad("Missing left parenthesis.")
	}
	b = b[1:]
	out := make([]Value, len(t.Fields))
	if len(t.Fields) == 0 {
		if b != ")" {
			return nil, bad("Too many columns.")
		}
		return out, nil
	}
	for i, field := range t.Fields {
		text, null, rest, ok := recordField(b)
		if !ok {
			return nil, bad("Unexpected end of input.")
		}
		if !null {
			var err error
			if out[i], err = parse(field.Type, text, f, depth+1); err != nil {
				return nil, err
			}
		}
		last := i == len(t.Fields)-1
		switch {
		case rest[0] == ')' && !last:
			return nil, bad("Too few columns.")
		case rest[0] == ',' && last:
			return nil, bad("Too many columns.")
		case last && rest != ")":
			return nil, bad("Junk after right parenthesis.")
		}
		b = rest[1:]
	}
	return out, nil
}

// recordField splits off a field; rest begins with the comma or parenthesis
// after it.
func recordField(s string) (text string, null bool, rest string, ok bool) {
	if s != "" && (s[0] == ',' || s[0] == ')') {
		return "", true, s, true
	}
	var b []byte
	quoted := false
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\' && i+1 < len(s):
			i++
			b = append(b, s[i])
		case c == '"' && quoted && i+1 < len(s) && s[i+1] == '"':
			i++
			b = append(b, '"')
		case c == '"':
			quoted = !quoted
		case !quoted && (c == ',' || c == ')'):
			return string(b), false, s[i:], true
		default:
			b = append(b, c)
		}
	}
	return "", false, "", false
}
