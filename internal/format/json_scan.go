package format

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// The lexical part of JSON (RFC 8259). Functions take the whole text and a
// place in it and return the place after what they read.

// maxJSONDepth bounds the recursion on nested arrays and objects.
const maxJSONDepth = 500

var (
	errUTF8      = errors.New("invalid UTF-8")
	errJSONEnd   = errors.New("JSON ends in the middle of a value")
	errJSONDepth = fmt.Errorf("JSON nested deeper than %d", maxJSONDepth)
)

func errJSON(what string, b []byte, p int) error {
	if p >= len(b) {
		return errJSONEnd
	}
	return fmt.Errorf("invalid JSON at byte %d: %q where %s should be", p, b[p], what)
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

func skipSpace(b []byte, p int) int {
	for p < len(b) && (b[p] == ' ' || b[p] == '\t' || b[p] == '\n' || b[p] == '\r') {
		p++
	}
	return p
}

// scanString returns the place of the first byte from p on that is a quote, a
// backslash or a control character, or len(b). plain is false if there may be
// bytes outside ASCII before it.
func scanString(b []byte, p int) (end int, plain bool) {
	var seen uint64
	for ; p+8 <= len(b); p += 8 {
		w := binary.LittleEndian.Uint64(b[p:])
		q, s := w^('"'*ones), w^('\\'*ones)
		// The lowest marked byte is exact; a borrow can only mark later ones.
		m := ((q-ones)&^q | (s-ones)&^s | (w-0x20*ones)&^w) & highs
		if m != 0 {
			n := bits.TrailingZeros64(m) >> 3
			seen |= w & (1<<(n<<3) - 1)
			return p + n, seen&highs == 0
		}
		seen |= w
	}
	for ; p < len(b); p++ {
		c := b[p]
		if c == '"' || c == '\\' || c < 0x20 {
			break
		}
		seen |= uint64(c)
	}
	return p, seen&highs == 0
}

// appendString appends the text of the string whose opening quote is at p.
func appendString(dst, b []byte, p int) (out []byte, next int, err error) {
	start := len(dst)
	plain := true
	for p++; ; {
		end, ascii := scanString(b, p)
		plain = plain && ascii
		dst = append(dst, b[p:end]...)
		if end >= len(b) {
			return dst, end, errJSONEnd
		}
		switch p = end; b[p] {
		case '"':
			if !plain && !utf8.Valid(dst[start:]) {
				return dst, p, errUTF8
			}
			return dst, p + 1, nil
		case '\\':
			if dst, p, err = appendEscape(dst, b, p); err != nil {
				return dst, p, err
			}
		default:
			return dst, p, errJSON("an escaped control character", b, p)
		}
	}
}

// appendEscape appends the character whose escape begins at p.
func appendEscape(dst, b []byte, p int) ([]byte, int, error) {
	if p+1 >= len(b) {
		return dst, p, errJSONEnd
	}
	switch c := b[p+1]; c {
	case '"', '\\', '/':
		return append(dst, c), p + 2, nil
	case 'b':
		return append(dst, '\b'), p + 2, nil
	case 'f':
		return append(dst, '\f'), p + 2, nil
	case 'n':
		return append(dst, '\n'), p + 2, nil
	case 'r':
		return append(dst, '\r'), p + 2, nil
	case 't':
		return append(dst, '\t'), p + 2, nil
	case 'u':
		r, ok := hex4(b, p+2)
		if !ok {
			return dst, p, errJSON("an escape", b, p)
		}
		p += 6
		if utf16.IsSurrogate(r) {
			pair := utf8.RuneError // a lone surrogate is not a character
			if p+1 < len(b) && b[p] == '\\' && b[p+1] == 'u' {
				if low, ok := hex4(b, p+2); ok {
					pair = utf16.DecodeRune(r, low)
				}
			}
			if pair != utf8.RuneError {
				p += 6
			}
			r = pair
		}
		return utf8.AppendRune(dst, r), p, nil
	}
	return dst, p, errJSON("an escape", b, p)
}

func hex4(b []byte, p int) (r rune, ok bool) {
	if p+4 > len(b) {
		return 0, false
	}
	for _, c := range b[p : p+4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// skipString skips the string whose opening quote is at p. Escapes are
// checked, the encoding of characters is not.
func skipString(b []byte, p int) (int, error) {
	for p++; ; {
		p, _ = scanString(b, p)
		if p+1 >= len(b) {
			if p < len(b) && b[p] == '"' {
				return p + 1, nil
			}
			return p, errJSONEnd
		}
		switch b[p] {
		case '"':
			return p + 1, nil
		case '\\':
			switch b[p+1] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
				p += 2
			case 'u':
				if _, ok := hex4(b, p+2); !ok {
					return p, errJSON("an escape", b, p)
				}
				p += 6
			default:
				return p, errJSON("an escape", b, p)
			}
		default:
			return p, errJSON("an escaped control character", b, p)
		}
	}
}

// skipDigits skips decimal digits.
func skipDigits(b []byte, p int) int {
	for ; p+8 <= len(b); p += 8 {
		w := binary.LittleEndian.Uint64(b[p:])
		if m := nonDigits(w); m != 0 {
			return p + bits.TrailingZeros64(m)>>3
		}
	}
	for p < len(b) && b[p]-'0' <= 9 {
		p++
	}
	return p
}

// nonDigits marks the bytes of w that are not digits; exact up to the lowest.
func nonDigits(w uint64) uint64 { return ((w + 0x46*ones) | (w - '0'*ones) | w) & highs }

// skipNumber skips the number at p. integer tells that it has neither a
// fraction nor an exponent.
func skipNumber(b []byte, p int) (next int, integer bool, err error) {
	if p < len(b) && b[p] == '-' {
		p++
	}
	if p >= len(b) || b[p]-'0' > 9 {
		return p, false, errJSON("a digit", b, p)
	}
	if b[p] == '0' {
		p++
	} else {
		p = skipDigits(b, p+1)
	}
	integer = true
	if p < len(b) && b[p] == '.' {
		start := p + 1
		if p = skipDigits(b, start); p == start {
			return p, false, errJSON("a digit", b, p)
		}
		integer = false
	}
	if p < len(b) && b[p]|0x20 == 'e' {
		p++
		if p < len(b) && (b[p] == '+' || b[p] == '-') {
			p++
		}
		start := p
		if p = skipDigits(b, p); p == start {
			return p, false, errJSON("a digit", b, p)
		}
		integer = false
	}
	return p, integer, nil
}

// skipWord skips true, false or null.
func skipWord(b []byte, p int, word string) (int, error) {
	if len(b)-p < len(word) || string(b[p:p+len(word)]) != word {
		return p, errJSON(word, b, p)
	}
	return p + len(word), nil
}

// skipValue skips the value that begins at p.
func skipValue(b []byte, p, depth int) (int, error) {
	if p >= len(b) {
		return p, errJSONEnd
	}
	switch c := b[p]; c {
	case '"':
		return skipString(b, p)
	case 't':
		return skipWord(b, p, "true")
	case 'f':
		return skipWord(b, p, "false")
	case 'n':
		return skipWord(b, p, "null")
	case '{', '[':
		return skipNested(b, p, depth)
	}
	next, _, err := skipNumber(b, p)
	return next, err
}

// skipNested skips the object or array that begins at p.
func skipNested(b []byte, p, depth int) (int, error) {
	if depth >= maxJSONDepth {
		return p, errJSONDepth
	}
	object := b[p] == '{'
	end := b[p] + 2 // ']' and '}' stand two after their opening brackets
	if p = skipSpace(b, p+1); p < len(b) && b[p] == end {
		return p + 1, nil
	}
	for {
		var err error
		if object {
			if p >= len(b) || b[p] != '"' {
				return p, errJSON("a name", b, p)
			}
			if p, err = skipString(b, p); err != nil {
				return p, err
			}
			if p, err = skipColon(b, p); err != nil {
				return p, err
			}
		}
		if p, err = skipValue(b, p, depth+1); err != nil {
			return p, err
		}
		p = skipSpace(b, p)
		switch {
		case p < len(b) && b[p] == ',':
			p = skipSpace(b, p+1)
		case p < len(b) && b[p] == end:
			return p + 1, nil
		default:
			return p, errJSON("a comma or the end", b, p)
		}
	}
}

// skipColon skips a colon and the white space around it.
func skipColon(b []byte, p int) (int, error) {
	p = skipSpace(b, p)
	if p >= len(b) || b[p] != ':' {
		return p, errJSON("a colon", b, p)
	}
	return skipSpace(b, p+1), nil
}

// scanInt reads an integer of at most 18 digits at p. It is not ok for anything
// else, numbers with fraction or exponent and ill-formed ones included.
func scanInt(b []byte, p int) (x int64, next int, ok bool) {
	start := p
	if p < len(b) && b[p] == '-' {
		p++
	}
	first := p
	var n uint64
	for p+8 <= len(b) {
		w := binary.LittleEndian.Uint64(b[p:])
		m := nonDigits(w)
		if m == 0 {
			n = n*100000000 + eightDigits(w)
			if p += 8; p-first > 16 {
				return 0, p, false
			}
			continue
		}
		k := bits.TrailingZeros64(m) >> 3
		if k > 0 {
			n = n*pow10[k] + eightDigits(w<<(64-k<<3))
			p += k
		}
		goto done
	}
	for p < len(b) && b[p]-'0' <= 9 {
		n = n*10 + uint64(b[p]-'0')
		if p++; p-first > 18 {
			return 0, p, false
		}
	}
done:
	digits := p - first
	if digits == 0 || digits > 18 || digits > 1 && b[first] == '0' {
		return 0, p, false
	}
	if p < len(b) && (b[p] == '.' || b[p]|0x20 == 'e') {
		return 0, p, false
	}
	if first != start {
		return -int64(n), p, true
	}
	return int64(n), p, true
}

// eightDigits is the number that eight ASCII digits say. Bytes of zero in front
// of them (low bytes) count as no digit.
func eightDigits(w uint64) uint64 {
	w = w & (0x0f * ones) * 2561 >> 8
	w = w & 0x00ff00ff00ff00ff * 6553601 >> 16
	return w & 0x0000ffff0000ffff * 42949672960001 >> 32
}

var pow10 = [...]uint64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19}
