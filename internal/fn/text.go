package fn

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
)

// maxText bounds what a function may make out of a short text (repeat, lpad).
const maxText = 64 << 20

// texts is the family of string functions of PostgreSQL and those that ksqlDB
// has in common with it.
var texts = []*Func{
	{Name: "||", Dialect: Both, Params: params(vec.Text, vec.Text), Result: of(vec.Text), Eval: concatTexts},
	{Name: "+", Dialect: KSQL, Params: params(vec.Text, vec.Text), Result: of(vec.Text), Eval: concatTexts},
	{Name: "||", Dialect: Both, Params: params(vec.Bytes, vec.Bytes), Result: of(vec.Bytes), Eval: concatTexts},
	{Name: "||", Dialect: Postgres, Params: []Param{{Kind: vec.Text}, {NoArray: true}}, Result: of(vec.Text), Eval: concatAny},
	{Name: "||", Dialect: Postgres, Params: []Param{{NoArray: true}, {Kind: vec.Text}}, Result: of(vec.Text), Eval: concatAny},
	{Name: "concat", Dialect: Postgres, Params: []Param{anyType, anyType}, Variadic: true, Result: of(vec.Text), NullCall: true, Volatility: Stable, Eval: concat},
	{Name: "concat_ws", Dialect: Postgres, Params: []Param{{Kind: vec.Text}, anyType, anyType}, Variadic: true, Result: of(vec.Text), NullCall: true, Volatility: Stable, Eval: concatWS},
	{Name: "lower", Dialect: Postgres, Params: params(vec.Text), Result: of(vec.Text), Eval: text1(appendLower)},
	{Name: "upper", Dialect: Postgres, Params: params(vec.Text), Result: of(vec.Text), Eval: text1(appendUpper)},
	{Name: "initcap", Dialect: Postgres, Params: params(vec.Text), Result: of(vec.Text), Eval: text1(appendInitcap)},
	{Name: "length", Dialect: Postgres, Params: params(vec.Text), Result: of(vec.Int32), Eval: textInt(runeCount)},
	{Name: "char_length", Dialect: Postgres, Params: params(vec.Text), Result: of(vec.Int32), Eval: textInt(runeCount)},
	{Name: "character_length", Dialect: Postgres, Params: params(vec.Text), Result: of(vec.Int32), Eval: textInt(runeCount)},
	{Name: "octet_length", Dialect: Postgres, Params: params(vec.Text), Result: of(vec.Int32), Eval: textInt(byteCount)},
	{Name: "bit_length", Dialect: Postgres, Params: params(vec.Text), Result: of(vec.Int32), Eval: textInt(func(s []byte) int64 { return int64(len(s)) * 8 })},
	{Name: "substr", Dialect: Postgres, Params: params(vec.Text, vec.Int32), Result: of(vec.Text), Eval: substring},
	{Name: "substr", Dialect: Postgres, Params: params(vec.Text, vec.Int32, vec.Int32), Result: of(vec.Text), Eval: substring},
	{Name: "substring", Dialect: Postgres, Params: params(vec.Text, vec.Int32), Result: of(vec.Text), Eval: substring},
	{Name: "substring", Dialect: Postgres, Params: params(vec.Text, vec.Int32, vec.Int32), Result: of(vec.Text), Eval: substring},
	{Name: "left", Dialect: Postgres, Params: params(vec.Text, vec.Int32), Result: of(vec.Text), Eval: boxed(left)},
	{Name: "right", Dialect: Postgres, Params: params(vec.Text, vec.Int32), Result: of(vec.Text), Eval: boxed(right)},
	trim("btrim", 1, true, true), trim("btrim", 2, true, true),
	trim("ltrim", 1, true, false), trim("ltrim", 2, true, false),
	trim("rtrim", 1, false, true), trim("rtrim", 2, false, true),
	trim("trim", 1, true, true), trim("trim", 2, true, true),
	{Name: "replace", Dialect: Both, Params: params(vec.Text, vec.Text, vec.Text), Result: of(vec.Text), Eval: boxed(replace)},
	{Name: "translate", Dialect: Postgres, Params: params(vec.Text, vec.Text, vec.Text), Result: of(vec.Text), Eval: boxed(translate)},
	{Name: "position", Dialect: Postgres, Params: params(vec.Text, vec.Text), Result: of(vec.Int32), Eval: boxed(func(_ *Call, a []vec.Value) (vec.Value, error) {
		return runeIndex(a[0].(string), a[1].(string)), nil
	})},
	{Name: "strpos", Dialect: Postgres, Params: params(vec.Text, vec.Text), Result: of(vec.Int32), Eval: boxed(func(_ *Call, a []vec.Value) (vec.Value, error) {
		return runeIndex(a[0].(string), a[1].(string)), nil
	})},
	{Name: "starts_with", Dialect: Postgres, Params: params(vec.Text, vec.Text), Result: of(vec.Bool), Eval: boxed(startsWith)},
	{Name: "^@", Dialect: Postgres, Params: params(vec.Text, vec.Text), Result: of(vec.Bool), Eval: boxed(startsWith)},
	{Name: "repeat", Dialect: Postgres, Params: params(vec.Text, vec.Int32), Result: of(vec.Text), Eval: boxed(repeat)},
	{Name: "reverse", Dialect: Postgres, Params: params(vec.Text), Result: of(vec.Text), Eval: text1(appendReverse)},
	pad("lpad", 2, true), pad("lpad", 3, true), pad("rpad", 2, false), pad("rpad", 3, false),
	{Name: "split_part", Dialect: Postgres, Params: params(vec.Text, vec.Text, vec.Int32), Result: of(vec.Text), Eval: boxed(splitPart)},
	{Name: "ascii", Dialect: Postgres, Params: params(vec.Text), Result: of(vec.Int32), Eval: textInt(func(s []byte) int64 {
		if len(s) == 0 {
			return 0
		}
		r, _ := utf8.DecodeRune(s)
		return int64(r)
	})},
	{Name: "chr", Dialect: Postgres, Params: params(vec.Int32), Result: of(vec.Text), Eval: boxed(chr)},
	{Name: "md5", Dialect: Both, Params: params(vec.Text), Result: of(vec.Text), Eval: text1(appendMD5)},
	{Name: "md5", Dialect: Postgres, Params: params(vec.Bytes), Result: of(vec.Text), Eval: text1(appendMD5)},
	{Name: "to_hex", Dialect: Postgres, Params: params(vec.Int32), Result: of(vec.Text), Eval: boxed(func(_ *Call, a []vec.Value) (vec.Value, error) {
		return formatUint(uint64(uint32(a[0].(int64))), 16), nil
	})},
	{Name: "to_hex", Dialect: Postgres, Params: params(vec.Int64), Result: of(vec.Text), Eval: boxed(func(_ *Call, a []vec.Value) (vec.Value, error) {
		return formatUint(uint64(a[0].(int64)), 16), nil
	})},
	{Name: "quote_ident", Dialect: Postgres, Params: params(vec.Text), Result: of(vec.Text), Eval: boxed(func(_ *Call, a []vec.Value) (vec.Value, error) {
		return quoteIdent(a[0].(string)), nil
	})},
	{Name: "quote_literal", Dialect: Postgres, Params: params(vec.Text), Result: of(vec.Text), Eval: boxed(func(_ *Call, a []vec.Value) (vec.Value, error) {
		return quoteLiteral(a[0].(string)), nil
	})},
	{Name: "quote_literal", Dialect: Postgres, Params: []Param{anyElem}, Result: of(vec.Text), Volatility: Stable, Eval: boxed(func(c *Call, a []vec.Value) (vec.Value, error) {
		return quoteLiteral(c.text(0, a)), nil
	})},
	{Name: "quote_nullable", Dialect: Postgres, Params: []Param{anyType}, Result: of(vec.Text), NullCall: true, Volatility: Stable, Eval: boxed(func(c *Call, a []vec.Value) (vec.Value, error) {
		if a[0] == nil {
			return "NULL", nil
		}
		return quoteLiteral(c.text(0, a)), nil
	})},
	{Name: "format", Dialect: Postgres, Params: []Param{{Kind: vec.Text}, anyType}, Variadic: true, Result: of(vec.Text), NullCall: true, Volatility: Stable, Eval: boxed(formatText)},
	{Name: "overlay", Dialect: Postgres, Params: params(vec.Text, vec.Text, vec.Int32), Result: of(vec.Text), Eval: boxed(overlay)},
	{Name: "overlay", Dialect: Postgres, Params: params(vec.Text, vec.Text, vec.Int32, vec.Int32), Result: of(vec.Text), Eval: boxed(overlay)},
	{Name: "unistr", Dialect: Postgres, Params: params(vec.Text), Result: of(vec.Text), Eval: copied},
	{Name: "text", Dialect: Postgres, Params: []Param{anyType}, Result: of(vec.Text), Volatility: Stable, Eval: castToText(true)},
}

// text is argument i as text.
func (c *Call) text(i int, a []vec.Value) string {
	if s, ok := a[i].(string); ok {
		return s
	}
	if b, ok := a[i].(bool); ok { // a cast to text spells booleans out, output does not
		if b {
			return "t"
		}
		return "f"
	}
	return string(vec.AppendTextValue(nil, c.Types[i], a[i], c.format()))
}

func concatTexts(_ *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
	for _, r := range rows {
		start := len(out.Data)
		out.Data = append(out.Data, args[0].Bytes(int(r))...)
		out.Data = append(out.Data, args[1].Bytes(int(r))...)
		out.Close(int(r), start)
	}
}

func concatAny(c *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
	f := c.format()
	for _, r := range rows {
		start := len(out.Data)
		for _, a := range args {
			out.Data = appendCast(out.Data, a, int(r), f)
		}
		out.Close(int(r), start)
	}
}

// appendCast appends row i as a cast to text gives it: booleans spelled out.
func appendCast(dst []byte, v *vec.Vec, i int, f *vec.TextFormat) []byte {
	if v.Type.Kind == vec.Bool && !v.Null(i) {
		if v.Int(i) != 0 {
			return append(dst, "true"...)
		}
		return append(dst, "false"...)
	}
	return vec.AppendText(dst, v, i, f)
}

func concat(c *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
	f := c.format()
	for _, r := range rows {
		start := len(out.Data)
		for _, a := range args {
			out.Data = vec.AppendText(out.Data, a, int(r), f)
		}
		out.Close(int(r), start)
	}
}

func concatWS(c *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
	f := c.format()
	for _, r := range rows {
		if args[0].Null(int(r)) {
			out.SetNull(int(r))
			continue
		}
		start, first := len(out.Data), true
		for _, a := range args[1:] {
			if a.Null(int(r)) {
				continue
			}
			if !first {
				out.Data = append(out.Data, args[0].Bytes(int(r))...)
			}
			first = false
			out.Data = vec.AppendText(out.Data, a, int(r), f)
		}
		out.Close(int(r), start)
	}
}

func runeCount(s []byte) int64 { return int64(utf8.RuneCount(s)) }
func byteCount(s []byte) int64 { return int64(len(s)) }

func appendLower(dst, s []byte) []byte {
	for i, c := range s {
		if c >= utf8.RuneSelf {
			return append(dst, bytes.ToLower(s[i:])...)
		}
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

func appendUpper(dst, s []byte) []byte {
	for i, c := range s {
		if c >= utf8.RuneSelf {
			return append(dst, bytes.ToUpper(s[i:])...)
		}
		if c >= 'a' && c <= 'z' {
			c -= 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

func appendInitcap(dst, s []byte) []byte {
	inWord := false
	for _, r := range string(s) {
		if inWord {
			dst = utf8.AppendRune(dst, unicode.ToLower(r))
		} else {
			dst = utf8.AppendRune(dst, unicode.ToUpper(r))
		}
		inWord = unicode.IsLetter(r) || unicode.IsDigit(r)
	}
	return dst
}

func appendReverse(dst, s []byte) []byte {
	for len(s) > 0 {
		_, n := utf8.DecodeLastRune(s)
		dst = append(dst, s[len(s)-n:]...)
		s = s[:len(s)-n]
	}
	return dst
}

func appendMD5(dst, s []byte) []byte {
	sum := md5.Sum(s)
	return hex.AppendEncode(dst, sum[:])
}

// substring cuts from a 1-based position, which may lie before the text.
func substring(c *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
	for _, r := range rows {
		s, from := args[0].Bytes(int(r)), args[1].Int(int(r))
		end := int64(1) << 40
		if len(args) > 2 {
			n := args[2].Int(int(r))
			if n < 0 {
				c.fail(out, int(r), errNegativeLength)
				continue
			}
			end = from + n
		}
		out.SetBytes(int(r), runeSlice(s, max(from, 1)-1, end-1))
	}
}

var errNegativeLength = pgerr.Newf("22011", "negative substring length not allowed")

// runeSlice returns the characters from to end, which may be out of range.
func runeSlice(s []byte, from, end int64) []byte {
	if end <= from {
		return nil
	}
	i, n := 0, int64(0)
	for i < len(s) && n < from {
		_, w := utf8.DecodeRune(s[i:])
		i += w
		n++
	}
	j := i
	for j < len(s) && n < end {
		_, w := utf8.DecodeRune(s[j:])
		j += w
		n++
	}
	return s[i:j]
}

func left(_ *Call, a []vec.Value) (vec.Value, error) {
	s, n := []rune(a[0].(string)), int(a[1].(int64))
	if n < 0 {
		n = max(0, len(s)+n)
	}
	return string(s[:min(n, len(s))]), nil
}

func right(_ *Call, a []vec.Value) (vec.Value, error) {
	s, n := []rune(a[0].(string)), int(a[1].(int64))
	if n < 0 {
		n = max(0, len(s)+n)
	}
	return string(s[len(s)-min(n, len(s)):]), nil
}

func trim(name string, n int, head, tail bool) *Func {
	return &Func{Name: name, Dialect: Postgres, Params: params(vec.Text, vec.Text)[:n], Result: of(vec.Text),
		Eval: func(_ *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
			for _, r := range rows {
				s, cut := args[0].Bytes(int(r)), " "
				if len(args) > 1 {
					cut = string(args[1].Bytes(int(r)))
				}
				if head {
					s = bytes.TrimLeft(s, cut)
				}
				if tail {
					s = bytes.TrimRight(s, cut)
				}
				out.SetBytes(int(r), s)
			}
		}}
}

func replace(_ *Call, a []vec.Value) (vec.Value, error) {
	if a[1].(string) == "" {
		return a[0], nil
	}
	return strings.ReplaceAll(a[0].(string), a[1].(string), a[2].(string)), nil
}

func translate(_ *Call, a []vec.Value) (vec.Value, error) {
	from, to := []rune(a[1].(string)), []rune(a[2].(string))
	return strings.Map(func(r rune) rune {
		for i, f := range from {
			if f == r {
				if i < len(to) {
					return to[i]
				}
				return -1
			}
		}
		return r
	}, a[0].(string)), nil
}

// runeIndex is the 1-based place of sub in s, 0 if it is not there.
func runeIndex(s, sub string) int64 {
	i := strings.Index(s, sub)
	if i < 0 {
		return 0
	}
	return int64(utf8.RuneCountInString(s[:i])) + 1
}

func startsWith(_ *Call, a []vec.Value) (vec.Value, error) {
	return strings.HasPrefix(a[0].(string), a[1].(string)), nil
}

var errTooLong = pgerr.Newf(pgerr.ProgramLimitExceeded, "requested length too large")

func repeat(_ *Call, a []vec.Value) (vec.Value, error) {
	s, n := a[0].(string), max(a[1].(int64), 0)
	if int64(len(s))*n > maxText {
		return nil, errTooLong
	}
	return strings.Repeat(s, int(n)), nil
}

func pad(name string, n int, atLeft bool) *Func {
	return &Func{Name: name, Dialect: Postgres, Params: params(vec.Text, vec.Int32, vec.Text)[:n], Result: of(vec.Text),
		Eval: boxed(func(_ *Call, a []vec.Value) (vec.Value, error) {
			fill := " "
			if len(a) > 2 {
				fill = a[2].(string)
			}
			return padded(a[0].(string), a[1].(int64), fill, atLeft)
		})}
}

func padded(text string, width int64, fill string, atLeft bool) (vec.Value, error) {
	if width > maxText/4 {
		return nil, errTooLong
	}
	s, f := []rune(text), []rune(fill)
	n := int(max(width, 0))
	if len(s) >= n || len(f) == 0 {
		return string(s[:min(n, len(s))]), nil
	}
	extra := make([]rune, n-len(s))
	for i := range extra {
		extra[i] = f[i%len(f)]
	}
	if atLeft {
		return string(extra) + text, nil
	}
	return text + string(extra), nil
}

func splitPart(_ *Call, a []vec.Value) (vec.Value, error) {
	s, sep, n := a[0].(string), a[1].(string), int(a[2].(int64))
	if n == 0 {
		return nil, pgerr.Newf("22023", "field position must not be zero")
	}
	parts := []string{s}
	if sep != "" {
		parts = strings.Split(s, sep)
	}
	if n < 0 {
		n += len(parts) + 1
	}
	if n < 1 || n > len(parts) {
		return "", nil
	}
	return parts[n-1], nil
}

func chr(_ *Call, a []vec.Value) (vec.Value, error) {
	n := a[0].(int64)
	switch {
	case n == 0:
		return nil, pgerr.Newf(pgerr.ProgramLimitExceeded, "null character not permitted")
	case n < 0:
		return nil, pgerr.Newf(pgerr.ProgramLimitExceeded, "character number must be positive")
	case n > unicode.MaxRune:
		return nil, pgerr.Newf(pgerr.ProgramLimitExceeded, "requested character too large for encoding: %d", n)
	case !utf8.ValidRune(rune(n)):
		return nil, pgerr.Newf(pgerr.ProgramLimitExceeded, "requested character not valid for encoding: %d", n)
	}
	return string(rune(n)), nil
}

func quoteLiteral(s string) string {
	q := "'" + strings.ReplaceAll(s, "'", "''") + "'"
	if strings.Contains(q, `\`) {
		q = " E" + strings.ReplaceAll(q, `\`, `\\`)
		return q[1:]
	}
	return q
}

func overlay(_ *Call, a []vec.Value) (vec.Value, error) {
	s, with, from := a[0].(string), a[1].(string), a[2].(int64)
	n := int64(utf8.RuneCountInString(with))
	if len(a) > 3 {
		n = a[3].(int64)
	}
	if from <= 0 {
		return nil, errNegativeLength
	}
	head := runeSlice([]byte(s), 0, from-1)
	tail := runeSlice([]byte(s), max(from+n-1, 0), 1<<40)
	return string(head) + with + string(tail), nil
}

// formatText is format(): %s %I %L with positions and widths.
func formatText(c *Call, a []vec.Value) (vec.Value, error) {
	if a[0] == nil {
		return nil, nil
	}
	f := a[0].(string)
	var out strings.Builder
	next := 1
	bad := func(msg string) (vec.Value, error) { return nil, pgerr.Newf("22023", "%s", msg) }
	for i := 0; i < len(f); i++ {
		if f[i] != '%' {
			out.WriteByte(f[i])
			continue
		}
		i++
		if i == len(f) {
			return bad("unterminated format() type specifier")
		}
		if f[i] == '%' {
			out.WriteByte('%')
			continue
		}
		number := func() (int, bool) {
			n, from := 0, i
			for i < len(f) && f[i] >= '0' && f[i] <= '9' && n < 1<<20 {
				n = n*10 + int(f[i]-'0')
				i++
			}
			return n, i > from
		}
		at, width, minus := -1, 0, false
		if n, ok := number(); ok {
			if i < len(f) && f[i] == '$' {
				if n == 0 {
					return bad("format specifies argument 0, but arguments are numbered from 1")
				}
				at = n
				i++
			} else {
				width = n
			}
		}
		for i < len(f) && f[i] == '-' {
			minus = true
			i++
		}
		if n, ok := number(); ok {
			width = n
		} else if i < len(f) && f[i] == '*' {
			i++
			if next >= len(a) {
				return bad("too few arguments for format()")
			}
			w, _ := a[next].(int64)
			next++
			if w < 0 {
				minus, w = true, -w
			}
			width = int(min(w, 1<<20))
		}
		if i >= len(f) {
			return bad("unterminated format() type specifier")
		}
		if at < 0 {
			at = next
			next++
		} else {
			next = at + 1
		}
		if at >= len(a) {
			return bad("too few arguments for format()")
		}
		s, err := formatArg(c, f[i], at, a)
		if err != nil {
			return nil, err
		}
		fill := strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s)))
		if minus {
			out.WriteString(s + fill)
		} else {
			out.WriteString(fill + s)
		}
	}
	return out.String(), nil
}

func formatArg(c *Call, verb byte, i int, a []vec.Value) (string, error) {
	switch verb {
	case 's':
		if a[i] == nil {
			return "", nil
		}
		return c.text(i, a), nil
	case 'I':
		if a[i] == nil {
			return "", pgerr.Newf("22004", "null values cannot be formatted as an SQL identifier")
		}
		return quoteIdent(c.text(i, a)), nil
	case 'L':
		if a[i] == nil {
			return "NULL", nil
		}
		return quoteLiteral(c.text(i, a)), nil
	}
	return "", pgerr.Newf("22023", "unrecognized format() type specifier \"%c\"", verb).Hintf("For a single \"%%\" use \"%%%%\".")
}
