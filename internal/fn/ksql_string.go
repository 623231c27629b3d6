package fn

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
)

// ksqlFunc is a function of the ksql dialect on boxed values.
func ksqlFunc(name string, result vec.Type, f boxedFunc, kinds ...vec.Kind) *Func {
	return &Func{Name: name, Dialect: KSQL, Params: params(kinds...), Result: fixed(result), Eval: boxed(f)}
}

// nullCall makes a function see null arguments.
func nullCall(f *Func) *Func {
	f.NullCall = true
	return f
}

func variadic(f *Func) *Func {
	f.Variadic = true
	return f
}

var (
	str     = vec.Of(vec.Text)
	integer = vec.Of(vec.Int32)
	bigint  = vec.Of(vec.Int64)
	double  = vec.Of(vec.Float64)
	boolean = vec.Of(vec.Bool)
	raw     = vec.Of(vec.Bytes)
	strs    = vec.ArrayOf(vec.Of(vec.Text))
)

// ksqlStrings is the family of ksqlDB's functions on strings and bytes.
var ksqlStrings = []*Func{
	{Name: "ucase", Dialect: KSQL, Params: textOf(1), Result: of(vec.Text), Eval: text1(appendUpper)},
	{Name: "lcase", Dialect: KSQL, Params: textOf(1), Result: of(vec.Text), Eval: text1(appendLower)},
	{Name: "upper", Dialect: KSQL, Params: textOf(1), Result: of(vec.Text), Eval: text1(appendUpper)},
	{Name: "lower", Dialect: KSQL, Params: textOf(1), Result: of(vec.Text), Eval: text1(appendLower)},
	{Name: "initcap", Dialect: KSQL, Params: textOf(1), Result: of(vec.Text), Eval: text1(appendWordCaps)},
	{Name: "trim", Dialect: KSQL, Params: textOf(1), Result: of(vec.Text), Eval: text1(func(dst, s []byte) []byte {
		return append(dst, bytes.TrimFunc(s, func(r rune) bool { return r <= ' ' })...) // Java's trim
	})},
	{Name: "len", Dialect: KSQL, Params: textOf(1), Result: of(vec.Int32), Eval: textInt(utf16Length)},
	{Name: "len", Dialect: KSQL, Params: params(vec.Bytes), Result: of(vec.Int32), Eval: textInt(byteCount)},
	nullCall(variadic(ksqlFunc("concat", str, func(_ *Call, a []vec.Value) (vec.Value, error) { return joinSkipping("", a), nil }, vec.Text))),
	nullCall(variadic(ksqlFunc("concat", raw, func(_ *Call, a []vec.Value) (vec.Value, error) { return joinBytes(nil, a), nil }, vec.Bytes))),
	nullCall(variadic(ksqlFunc("concat_ws", str, func(_ *Call, a []vec.Value) (vec.Value, error) {
		if a[0] == nil {
			return nil, nil
		}
		return joinSkipping(a[0].(string), a[1:]), nil
	}, vec.Text, vec.Text))),
	nullCall(variadic(ksqlFunc("concat_ws", raw, func(_ *Call, a []vec.Value) (vec.Value, error) {
		if a[0] == nil {
			return nil, nil
		}
		return joinBytes(a[0].([]byte), a[1:]), nil
	}, vec.Bytes, vec.Bytes))),
	ksqlFunc("substring", str, ksqlSubstring, vec.Text, vec.Int32), ksqlFunc("substring", str, ksqlSubstring, vec.Text, vec.Int32, vec.Int32),
	ksqlFunc("substring", raw, ksqlSubstring, vec.Bytes, vec.Int32), ksqlFunc("substring", raw, ksqlSubstring, vec.Bytes, vec.Int32, vec.Int32),
	ksqlFunc("instr", integer, instr, vec.Text, vec.Text), ksqlFunc("instr", integer, instr, vec.Text, vec.Text, vec.Int32),
	ksqlFunc("instr", integer, instr, vec.Text, vec.Text, vec.Int32, vec.Int32),
	ksqlFunc("lpad", str, ksqlPad(true), vec.Text, vec.Int32, vec.Text), ksqlFunc("rpad", str, ksqlPad(false), vec.Text, vec.Int32, vec.Text),
	ksqlFunc("lpad", raw, ksqlPadBytes(true), vec.Bytes, vec.Int32, vec.Bytes), ksqlFunc("rpad", raw, ksqlPadBytes(false), vec.Bytes, vec.Int32, vec.Bytes),
	ksqlFunc("split", strs, func(_ *Call, a []vec.Value) (vec.Value, error) {
		return texts2values(strings.Split(a[0].(string), a[1].(string))), nil
	}, vec.Text, vec.Text),
	ksqlFunc("split", vec.ArrayOf(raw), splitBytes, vec.Bytes, vec.Bytes),
	ksqlFunc("split_to_map", vec.MapOf(str, str), splitToMap, vec.Text, vec.Text, vec.Text),
	nullCall(variadic(ksqlFunc("elt", str, func(_ *Call, a []vec.Value) (vec.Value, error) {
		n, ok := a[0].(int64)
		if !ok || n < 1 || int(n) >= len(a) {
			return nil, nil
		}
		return a[n], nil
	}, vec.Int32, vec.Text))),
	nullCall(variadic(ksqlFunc("field", integer, func(_ *Call, a []vec.Value) (vec.Value, error) {
		for i, x := range a[1:] {
			if a[0] != nil && x == a[0] {
				return int64(i + 1), nil
			}
		}
		return int64(0), nil
	}, vec.Text, vec.Text))),
	ksqlFunc("chr", str, func(_ *Call, a []vec.Value) (vec.Value, error) {
		if n := a[0].(int64); n >= 0 && n <= utf8.MaxRune && utf8.ValidRune(rune(n)) {
			return string(rune(n)), nil
		}
		return nil, nil
	}, vec.Int32),
	ksqlFunc("chr", str, chrEscape, vec.Text),
	ksqlFunc("encode", str, reencode, vec.Text, vec.Text, vec.Text),
	ksqlFunc("to_bytes", raw, func(_ *Call, a []vec.Value) (vec.Value, error) { return toBytes(a[0].(string), a[1].(string)) }, vec.Text, vec.Text),
	ksqlFunc("from_bytes", str, func(_ *Call, a []vec.Value) (vec.Value, error) { return fromBytes(a[0].([]byte), a[1].(string)) }, vec.Bytes, vec.Text),
	ksqlFunc("uuid", str, func(*Call, []vec.Value) (vec.Value, error) {
		return string(vec.AppendTextValue(nil, vec.Of(vec.UUID), randomUUID(), nil)), nil
	}),
	ksqlFunc("uuid", str, func(_ *Call, a []vec.Value) (vec.Value, error) {
		b := a[0].([]byte)
		if len(b) != 16 {
			return nil, nil
		}
		return string(vec.AppendTextValue(nil, vec.Of(vec.UUID), vec.UUIDValue(b), nil)), nil
	}, vec.Bytes),
	mask2("mask", func(n, _ int) (int, int) { return 0, n }),
	maskN("mask_left", func(n, k int) (int, int) { return 0, min(k, n) }), maskN("mask_right", func(n, k int) (int, int) { return max(n-k, 0), n }),
	maskN("mask_keep_left", func(n, k int) (int, int) { return min(k, n), n }), maskN("mask_keep_right", func(n, k int) (int, int) { return 0, max(n-k, 0) }),
	{Name: "as_value", Dialect: KSQL, Params: []Param{anyElem}, Result: arg(0), Eval: copied},
	ksqlFunc("regexp_extract", str, regexpExtract, vec.Text, vec.Text), ksqlFunc("regexp_extract", str, regexpExtract, vec.Text, vec.Text, vec.Int32),
	ksqlFunc("regexp_extract_all", strs, regexpExtractAll, vec.Text, vec.Text), ksqlFunc("regexp_extract_all", strs, regexpExtractAll, vec.Text, vec.Text, vec.Int32),
	ksqlFunc("regexp_replace", str, func(_ *Call, a []vec.Value) (vec.Value, error) {
		m, err := compileRegex(a[1].(string), "", true)
		if err != nil {
			return nil, err
		}
		s, err := replaceMatches(m, a[0].(string), javaReplacement(a[2].(string)), 0, 0)
		return s, err
	}, vec.Text, vec.Text, vec.Text),
	ksqlFunc("regexp_split_to_array", strs, func(_ *Call, a []vec.Value) (vec.Value, error) {
		m, err := compileRegex(a[1].(string), "", true)
		if err != nil {
			return nil, err
		}
		return splitMatches(m, a[0].(string))
	}, vec.Text, vec.Text),
	ksqlFunc("int_from_bytes", integer, fromBigEndian(4), vec.Bytes), ksqlFunc("int_from_bytes", integer, fromBigEndian(4), vec.Bytes, vec.Text),
	ksqlFunc("bigint_from_bytes", bigint, fromBigEndian(8), vec.Bytes), ksqlFunc("bigint_from_bytes", bigint, fromBigEndian(8), vec.Bytes, vec.Text),
	ksqlFunc("double_from_bytes", double, doubleFromBytes, vec.Bytes), ksqlFunc("double_from_bytes", double, doubleFromBytes, vec.Bytes, vec.Text),
}

func utf16Length(s []byte) int64 { // Java counts UTF-16 units
	n := int64(0)
	for _, r := range string(s) {
		n++
		if r > 0xffff {
			n++
		}
	}
	return n
}

func joinSkipping(sep string, a []vec.Value) string {
	var parts []string
	for _, x := range a {
		if s, ok := x.(string); ok {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, sep)
}

func joinBytes(sep []byte, a []vec.Value) []byte {
	out, first := []byte{}, true
	for _, x := range a {
		b, ok := x.([]byte)
		if !ok {
			continue
		}
		if !first {
			out = append(out, sep...)
		}
		first = false
		out = append(out, b...)
	}
	return out
}

func texts2values(ss []string) []vec.Value {
	out := make([]vec.Value, len(ss))
	for i, s := range ss {
		out[i] = s
	}
	return out
}

// ksqlSubstring is 1-based; a negative position counts from the end.
func ksqlSubstring(_ *Call, a []vec.Value) (vec.Value, error) {
	s, isText := a[0].(string)
	runes := []rune(s)
	b, _ := a[0].([]byte)
	n := int64(len(runes) + len(b))
	pos := a[1].(int64)
	switch {
	case pos < 0:
		pos = max(n+pos, 0)
	default:
		pos = min(max(pos-1, 0), n)
	}
	end := n
	if len(a) > 2 {
		end = min(pos+max(a[2].(int64), 0), n)
	}
	if isText {
		return string(runes[pos:end]), nil
	}
	return b[pos:end], nil
}

// instr finds the k-th occurrence from a position on, backwards from the end if
// the position is negative.
func instr(_ *Call, a []vec.Value) (vec.Value, error) {
	s, sub := []rune(a[0].(string)), []rune(a[1].(string))
	pos, k := 1, 1
	if len(a) > 2 {
		pos = int(a[2].(int64))
	}
	if len(a) > 3 {
		k = int(a[3].(int64))
	}
	at := func(i int) bool { return i >= 0 && i+len(sub) <= len(s) && string(s[i:i+len(sub)]) == string(sub) }
	if pos > 0 {
		for i := pos - 1; i <= len(s)-len(sub); i++ {
			if at(i) {
				if k--; k == 0 {
					return int64(i + 1), nil
				}
			}
		}
	} else if pos < 0 {
		for i := len(s) + pos; i >= 0; i-- {
			if at(i) {
				if k--; k == 0 {
					return int64(i + 1), nil
				}
			}
		}
	}
	return int64(0), nil
}

func ksqlPad(atLeft bool) boxedFunc {
	return func(_ *Call, a []vec.Value) (vec.Value, error) {
		if a[1].(int64) < 0 || a[2].(string) == "" {
			return nil, nil
		}
		return padded(a[0].(string), a[1].(int64), a[2].(string), atLeft)
	}
}

func ksqlPadBytes(atLeft bool) boxedFunc {
	return func(_ *Call, a []vec.Value) (vec.Value, error) {
		b, n, fill := a[0].([]byte), a[1].(int64), a[2].([]byte)
		if n < 0 || len(fill) == 0 || n > maxText {
			return nil, nil
		}
		if int64(len(b)) >= n {
			return b[:n], nil
		}
		extra := make([]byte, n-int64(len(b)))
		for i := range extra {
			extra[i] = fill[i%len(fill)]
		}
		if atLeft {
			return append(extra, b...), nil
		}
		return append(b, extra...), nil
	}
}

func splitBytes(_ *Call, a []vec.Value) (vec.Value, error) {
	var out []vec.Value
	for _, s := range strings.Split(string(a[0].([]byte)), string(a[1].([]byte))) {
		out = append(out, []byte(s))
	}
	return out, nil
}

func splitToMap(_ *Call, a []vec.Value) (vec.Value, error) {
	out := vec.MapValue{}
	if a[1].(string) == "" || a[2].(string) == "" {
		return nil, nil
	}
next:
	for _, entry := range strings.Split(a[0].(string), a[1].(string)) {
		k, v, ok := strings.Cut(entry, a[2].(string))
		if !ok || k == "" {
			continue
		}
		for i := range out {
			if out[i].Key == k {
				out[i].Value = v
				continue next
			}
		}
		out = append(out, vec.MapEntry{Key: k, Value: v})
	}
	return out, nil
}

// chrEscape reads \uXXXX, also as a pair.
func chrEscape(_ *Call, a []vec.Value) (vec.Value, error) {
	n, err := vec.ParseJSON(`"` + a[0].(string) + `"`)
	if err != nil || !strings.HasPrefix(a[0].(string), `\u`) {
		return nil, nil
	}
	return n.Text, nil
}

func toBytes(s, form string) (vec.Value, error) {
	var b []byte
	var err error
	switch strings.ToLower(form) {
	case "hex":
		b, err = hex.DecodeString(hexDigits(s))
	case "utf8":
		b = []byte(s)
	case "ascii":
		for _, r := range s {
			if r > 127 {
				r = '?'
			}
			b = append(b, byte(r))
		}
	case "base64":
		b, err = base64.StdEncoding.DecodeString(s)
	default:
		return nil, pgerr.Newf("22023", "unknown encoding type '%s'", form).Hintf("Supported formats are 'hex', 'utf8', 'ascii', and 'base64'.")
	}
	if err != nil {
		return nil, pgerr.Newf(pgerr.InvalidTextRep, "cannot decode \"%s\" as %s", s, form)
	}
	return b, nil
}

// hexDigits takes the digits out of 0xdd, X'dd' and x'dd'. Only after 0x may
// their number be odd.
func hexDigits(s string) string {
	if d, ok := strings.CutPrefix(s, "0x"); ok {
		if len(d)%2 == 1 {
			d = "0" + d
		}
		return d
	}
	if len(s) > 2 && (s[0] == 'X' || s[0] == 'x') && s[1] == '\'' && s[len(s)-1] == '\'' {
		return s[2 : len(s)-1]
	}
	return s
}

// appendWordCaps is ksqlDB's INITCAP: words are what stands between spaces.
func appendWordCaps(dst, s []byte) []byte {
	inWord := false
	for _, r := range string(s) {
		if inWord {
			dst = utf8.AppendRune(dst, unicode.ToLower(r))
		} else {
			dst = utf8.AppendRune(dst, unicode.ToUpper(r))
		}
		inWord = !unicode.IsSpace(r)
	}
	return dst
}

func fromBytes(b []byte, form string) (vec.Value, error) {
	switch strings.ToLower(form) {
	case "hex":
		return strings.ToUpper(hex.EncodeToString(b)), nil
	case "utf8":
		return strings.ToValidUTF8(string(b), "\uFFFD"), nil
	case "ascii":
		out := make([]rune, len(b))
		for i, c := range b {
			if out[i] = rune(c); c > 127 {
				out[i] = utf8.RuneError
			}
		}
		return string(out), nil
	case "base64":
		return base64.StdEncoding.EncodeToString(b), nil
	}
	return nil, pgerr.Newf("22023", "unknown encoding type '%s'", form).Hintf("Supported formats are 'hex', 'utf8', 'ascii', and 'base64'.")
}

// reencode is ENCODE(text, from, to).
func reencode(_ *Call, a []vec.Value) (vec.Value, error) {
	b, err := toBytes(a[0].(string), a[1].(string))
	if err != nil {
		return nil, err
	}
	s, err := fromBytes(b.([]byte), a[2].(string))
	if text, ok := s.(string); ok && strings.EqualFold(a[2].(string), "hex") {
		return strings.ToLower(text), err
	}
	return s, err
}

// masked replaces letters and digits in a range of s by what stands for them.
func masked(s string, from, to int, with []vec.Value) string {
	subst := func(i int, def string) (string, bool) {
		if i >= len(with) {
			return def, true
		}
		t, ok := with[i].(string)
		return t, ok
	}
	var b strings.Builder
	for i, r := range []rune(s) {
		which, def := 3, "-"
		switch {
		case r >= 'A' && r <= 'Z':
			which, def = 0, "X"
		case r >= 'a' && r <= 'z':
			which, def = 1, "x"
		case r >= '0' && r <= '9':
			which, def = 2, "n"
		}
		if t, ok := subst(which, def); ok && i >= from && i < to {
			b.WriteString(t)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

func mask2(name string, part func(n, k int) (int, int)) *Func {
	return nullCall(variadic(ksqlFunc(name, str, func(_ *Call, a []vec.Value) (vec.Value, error) {
		s, ok := a[0].(string)
		if !ok {
			return nil, nil
		}
		from, to := part(utf8.RuneCountInString(s), 0)
		return masked(s, from, to, a[1:]), nil
	}, vec.Text, vec.Text)))
}

func maskN(name string, part func(n, k int) (int, int)) *Func {
	return nullCall(variadic(ksqlFunc(name, str, func(_ *Call, a []vec.Value) (vec.Value, error) {
		s, ok := a[0].(string)
		k, ok2 := a[1].(int64)
		if !ok || !ok2 {
			return nil, nil
		}
		from, to := part(utf8.RuneCountInString(s), int(k))
		return masked(s, from, to, a[2:]), nil
	}, vec.Text, vec.Int32, vec.Text)))
}

func regexpExtract(_ *Call, a []vec.Value) (vec.Value, error) {
	all, err := regexpExtractAll(nil, a)
	if err != nil || all == nil {
		return nil, err
	}
	if xs := all.([]vec.Value); len(xs) > 0 {
		return xs[0], nil
	}
	return nil, nil
}

// regexpExtractAll takes the pattern first, then the text.
func regexpExtractAll(_ *Call, a []vec.Value) (vec.Value, error) {
	m, err := compileRegex(a[0].(string), "", true)
	if err != nil {
		return nil, err
	}
	g := 0
	if len(a) > 2 {
		g = int(a[2].(int64))
	}
	if g < 0 || g > m.groups() {
		return nil, nil
	}
	out := []vec.Value{}
	err = eachMatch(m, a[1].(string), func(loc []int) bool {
		out = append(out, group(a[1].(string), loc, g))
		return true
	})
	return out, err
}

// javaReplacement turns $1 into the form that expand reads.
func javaReplacement(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			if s[i] == '\\' {
				b.WriteString(`\\`)
			} else {
				b.WriteByte(s[i])
			}
		case s[i] == '$' && i+1 < len(s) && s[i+1] == '0':
			i++
			b.WriteString(`\&`)
		case s[i] == '$' && i+1 < len(s) && s[i+1] >= '1' && s[i+1] <= '9':
			i++
			b.WriteString(`\` + s[i:i+1])
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

// ordered returns b in big-endian order.
func ordered(b []byte, a []vec.Value) []byte {
	if len(a) > 1 && strings.EqualFold(a[1].(string), "little_endian") {
		out := make([]byte, len(b))
		for i, c := range b {
			out[len(b)-1-i] = c
		}
		return out
	}
	return b
}

func fromBigEndian(size int) boxedFunc {
	return func(_ *Call, a []vec.Value) (vec.Value, error) {
		b := ordered(a[0].([]byte), a)
		if len(b) != size {
			return nil, pgerr.Newf("22023", "number of bytes must be equal to %d, but found %d", size, len(b))
		}
		t := vec.Of(vec.Int64)
		if size == 4 {
			t = vec.Of(vec.Int32)
		}
		return vec.ParseBinary(t, b)
	}
}

func doubleFromBytes(_ *Call, a []vec.Value) (vec.Value, error) {
	b := ordered(a[0].([]byte), a)
	if len(b) != 8 {
		return nil, pgerr.Newf("22023", "number of bytes must be equal to 8, but found %d", len(b))
	}
	return vec.ParseBinary(vec.Of(vec.Float64), b)
}
