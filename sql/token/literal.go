package token

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/weirdb/weir/internal/pgerr"
)

// coding is how the inside of a literal is written.
type coding uint8

const (
	plain   coding = iota // only '' is special
	escaped               // E'…' with backslashes
	unicode               // U&'…' with \0041
)

// str reads the string literal whose quote stands n bytes after s.i, and those that
// go on with it: 'a' newline 'b' is one literal.
func (s *scanner) str(kind Kind, n int, code coding) error {
	start := s.i
	raw, end, ok := body(s.src, s.i+n, '\'', code == escaped)
	if !ok {
		return s.fail(start, "unterminated quoted string")
	}
	if next := continuation(s.src, end); next >= 0 {
		var b strings.Builder
		b.WriteString(raw)
		for ; next >= 0; next = continuation(s.src, end) {
			if raw, end, ok = body(s.src, next, '\'', code == escaped); !ok {
				return s.fail(next, "unterminated quoted string")
			}
			b.WriteString(raw)
		}
		raw = b.String()
	}
	val := raw
	var err error
	switch {
	case kind == Bits:
		val = string(s.src[start]|0x20) + raw
	case code == escaped:
		val, err = unescape(raw, start)
	case code == unicode:
		end, val, err = s.unicode(raw, start, end)
	}
	if err != nil {
		return err
	}
	if code != plain {
		if i := badUTF8(val); i >= 0 {
			return pgerr.Newf("22021", `invalid byte sequence for encoding "UTF8": 0x%02x`, val[i]).At(start)
		}
	}
	s.add(kind, end, val)
	return nil
}

// body reads from the quote at i to its match. Doubled quotes are one; with
// backslashes, what they stand before is kept as written.
func body(src string, i int, q byte, backslash bool) (raw string, end int, ok bool) {
	double := false
	j := i + 1
	for j < len(src) {
		switch c := src[j]; {
		case c == '\\' && backslash:
			j += 2
			continue
		case c != q:
			j++
			continue
		}
		if j+1 < len(src) && src[j+1] == q {
			double = true
			j += 2
			continue
		}
		raw = src[i+1 : j]
		if double && backslash { // \'' is an escaped quote and the end
			raw = undouble(raw)
		} else if double {
			raw = strings.ReplaceAll(raw, string([]byte{q, q}), string(q))
		}
		return raw, j + 1, true
	}
	return "", 0, false
}

// undouble makes ” of two quotes one, but for a quote after a backslash.
func undouble(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		b.WriteByte(s[i])
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case s[i] == '\'':
			i++
		}
	}
	return b.String()
}

// continuation gives the place of a quote that goes on the literal that ended at i:
// only white space with a newline, and comments to the end of a line, lie between.
func continuation(src string, i int) int {
	newline := false
	for i < len(src) {
		switch c := src[i]; {
		case c == '\n' || c == '\r':
			newline = true
			i++
		case isSpace(c):
			i++
		case c == '\'' && newline:
			return i
		case strings.HasPrefix(src[i:], "--"):
			n := strings.IndexByte(src[i:], '\n')
			if n < 0 {
				return -1
			}
			i += n
		default:
			return -1
		}
	}
	return -1
}

// unescape decodes the inside of E'…'.
func unescape(s string, at int) (string, error) {
	if strings.IndexByte(s, '\\') < 0 {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c != '\\' || i+1 == len(s) {
			b.WriteByte(c)
			continue
		}
		i++
		switch c = s[i]; c {
		case 'b':
			b.WriteByte('\b')
		case 'f':
			b.WriteByte('\f')
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 't':
			b.WriteByte('\t')
		case 'u', 'U':
			n := 4
			if c == 'U' {
				n = 8
			}
			r, used, ok := codePoint(s[i+1:], n, `\`+string(c))
			if !ok {
				return "", pgerr.Newf("22025", "invalid Unicode escape").At(at).
					Hintf(`Unicode escapes must be \uXXXX or \UXXXXXXXX.`)
			}
			b.WriteRune(r)
			i += used
		case 'x':
			n := run(s[i+1:], 2, isHex)
			if n == 0 {
				b.WriteByte(c)
				break
			}
			v, _ := strconv.ParseUint(s[i+1:i+1+n], 16, 8) // at most two hexadecimal digits
			b.WriteByte(byte(v))
			i += n
		case '0', '1', '2', '3', '4', '5', '6', '7':
			n := run(s[i:], 3, func(c byte) bool { return '0' <= c && c <= '7' })
			v, _ := strconv.ParseUint(s[i:i+n], 8, 16) // at most three octal digits
			b.WriteByte(byte(v))
			i += n - 1
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), nil
}

func isHex(c byte) bool { return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }

// run counts the bytes at the start of s, at most limit, that ok accepts.
func run(s string, limit int, ok func(byte) bool) int {
	n := 0
	for n < len(s) && n < limit && ok(s[n]) {
		n++
	}
	return n
}

// codePoint reads n hexadecimal digits, and with a first half of a surrogate pair
// also the second, written after prefix.
func codePoint(s string, n int, prefix string) (r rune, used int, ok bool) {
	if run(s, n, isHex) < n {
		return 0, 0, false
	}
	v, err := strconv.ParseUint(s[:n], 16, 32)
	if err != nil || v > utf8.MaxRune {
		return 0, 0, false
	}
	r, used = rune(v), n
	if !utf16.IsSurrogate(r) {
		return r, used, r != 0
	}
	rest, ok := strings.CutPrefix(s[n:], prefix)
	if !ok || run(rest, n, isHex) < n {
		return 0, 0, false
	}
	low, err := strconv.ParseUint(rest[:n], 16, 32)
	if err != nil || low > utf8.MaxRune {
		return 0, 0, false
	}
	r = utf16.DecodeRune(r, rune(low))
	return r, n + len(prefix) + n, r != utf8.RuneError
}

// unicode decodes the inside of U&'…', with the escape character of a UESCAPE that
// may follow end. It gives the end of all that was read.
func (s *scanner) unicode(raw string, at, end int) (int, string, error) {
	esc := byte('\\')
	j := end
	for j < len(s.src) && isSpace(s.src[j]) {
		j++
	}
	if len(s.src)-j >= 7 && upper(s.src[j:j+7]) == "UESCAPE" {
		j += 7
		for j < len(s.src) && isSpace(s.src[j]) {
			j++
		}
		if j+2 >= len(s.src) || s.src[j] != '\'' || s.src[j+2] != '\'' || isHex(s.src[j+1]) || strings.IndexByte(`+'" `, s.src[j+1]) >= 0 {
			return 0, "", s.fail(min(j, len(s.src)), "invalid Unicode escape character")
		}
		esc, end = s.src[j+1], j+3
	}
	bad := func() (int, string, error) {
		return 0, "", pgerr.Newf("22025", "invalid Unicode escape").At(at).
			Hintf(`Unicode escapes must be \XXXX or \+XXXXXX.`)
	}
	var b strings.Builder
	for i := 0; i < len(raw); i++ {
		switch {
		case raw[i] != esc:
			b.WriteByte(raw[i])
		case i+1 < len(raw) && raw[i+1] == esc:
			b.WriteByte(esc)
			i++
		case i+1 < len(raw) && raw[i+1] == '+':
			r, used, ok := codePoint(raw[i+2:], 6, string(esc)+"+")
			if !ok {
				return bad()
			}
			b.WriteRune(r)
			i += 1 + used
		default:
			r, used, ok := codePoint(raw[i+1:], 4, string(esc))
			if !ok {
				return bad()
			}
			b.WriteRune(r)
			i += used
		}
	}
	return end, b.String(), nil
}

// quotedName reads a quoted identifier whose quote stands n bytes after s.i.
func (s *scanner) quotedName(n int, q byte) error {
	raw, end, ok := body(s.src, s.i+n, q, false)
	if !ok {
		return s.fail(s.i, "unterminated quoted identifier")
	}
	if raw == "" {
		return pgerr.Newf(pgerr.SyntaxError, `zero-length delimited identifier at or near "%s"`, s.src[s.i:end]).At(s.i)
	}
	if n == 2 {
		var err error
		if end, raw, err = s.unicode(raw, s.i, end); err != nil {
			return err
		}
	}
	s.add(Quoted, end, raw)
	return nil
}
