package vec

import (
	"encoding/hex"
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/weirdb/weir/internal/pgerr"
)

// MaxDepth bounds the nesting of JSON, arrays and records that are read.
const MaxDepth = 256

// Parse reads s as PostgreSQL's text input reads a value of type t. Maps are
// read as JSON objects. Errors are of type *pgerr.Error.
func Parse(t Type, s string, f *TextFormat) (Value, error) { return parse(t, s, f, 0) }

func parse(t Type, s string, f *TextFormat, depth int) (Value, error) {
	if depth > MaxDepth {
		return nil, tooDeep()
	}
	switch t.Kind {
	case Unknown, Text:
		return parseText(t, s)
	case Bool:
		return parseBool(s)
	case Int16:
		return boxed(parseInt(s, 16, "smallint"))
	case Int32:
		return boxed(parseInt(s, 32, "integer"))
	case Int64:
		return boxed(parseInt(s, 64, "bigint"))
	case OID:
		return boxed(parseOID(t, s, f))
	case Float32:
		return boxed(parseFloat(s, 32, "real"))
	case Float64:
		return boxed(parseFloat(s, 64, "double precision"))
	case Decimal:
		d, err := ParseDecimal(s)
		if err == nil {
			err = FitDecimal(d, t)
		}
		return boxed(d, err)
	case Bytes:
		return boxed(parseBytes(s))
	case Date:
		return boxed(ParseDate(s, f))
	case Time:
		return boxed(ParseTime(s, f))
	case Timestamp:
		return boxed(ParseTimestamp(s, f))
	case TimestampTZ:
		return boxed(ParseTimestampTZ(s, f))
	case Interval:
		return boxed(ParseInterval(s))
	case JSON:
		return boxed(s, checkJSON(s))
	case JSONB:
		return boxed(NormalizeJSON(s))
	case UUID:
		return boxed(parseUUID(s))
	case Array:
		return boxed(parseArray(t, s, f, depth))
	case Struct:
		return boxed(parseRecord(t, s, f, depth))
	case Map:
		return parseJSONMap(t, s, f, depth)
	}
	return nil, pgerr.Newf(pgerr.FeatureNotSupported, "cannot read a value of type %s", t)
}

// boxed keeps a failed parse from becoming a non-nil value.
func boxed[T any](x T, err error) (Value, error) {
	if err != nil {
		return nil, err
	}
	return x, nil
}

func syntaxError(typ, s string) *pgerr.Error {
	return pgerr.Newf(pgerr.InvalidTextRep, "invalid input syntax for type %s: \"%s\"", typ, s)
}

func tooDeep() error {
	return pgerr.Newf(pgerr.StatementTooComplex, "stack depth limit exceeded").
		Hintf("A value may be nested %d levels deep.", MaxDepth)
}

// trimSpace removes what C's isspace accepts.
func trimSpace(s string) string { return strings.Trim(s, " \t\n\r\v\f") }

func parseText(t Type, s string) (Value, error) {
	if strings.IndexByte(s, 0) >= 0 {
		return nil, pgerr.Newf("22021", "invalid byte sequence for encoding \"UTF8\": 0x00")
	}
	return boxed(FitText(t, s, false))
}

// FitText makes s fit the length of a varchar(n), char(n), name or "char". What
// is too long is cut off if explicit, and else an error, unless it is blanks.
func FitText(t Type, s string, explicit bool) (string, error) {
	switch t.OID {
	case OIDName:
		if len(s) > 63 {
			n := 63
			for n > 0 && s[n]&0xc0 == 0x80 {
				n--
			}
			s = s[:n]
		}
		return s, nil
	case OIDChar:
		if len(s) > 1 {
			s = s[:1]
		}
		return s, nil
	}
	n := int(t.Precision)
	if n == 0 {
		return s, nil
	}
	count := 0
	for i := range s {
		if count == n {
			if !explicit && strings.TrimRight(s[i:], " ") != "" {
				return "", pgerr.Newf("22001", "value too long for type %s", t)
			}
			return s[:i], nil
		}
		count++
	}
	if t.OID == OIDBPChar {
		s += strings.Repeat(" ", n-count)
	}
	return s, nil
}

func parseBool(s string) (Value, error) {
	b := strings.ToLower(trimSpace(s))
	switch b {
	case "":
	case "1", "on":
		return true, nil
	case "0", "of", "off":
		return false, nil
	default:
		switch {
		case strings.HasPrefix("true", b), strings.HasPrefix("yes", b):
			return true, nil
		case strings.HasPrefix("false", b), strings.HasPrefix("no", b):
			return false, nil
		}
	}
	return nil, syntaxError("boolean", s)
}

func parseInt(s string, bits int, typ string) (int64, error) {
	b := trimSpace(s)
	digits := strings.TrimLeft(b, "+-")
	if digits == "" || len(b)-len(digits) > 1 {
		return 0, syntaxError(typ, s)
	}
	n, err := strconv.ParseInt(b, 10, bits)
	if err == nil {
		return n, nil
	}
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return 0, syntaxError(typ, s)
		}
	}
	return 0, pgerr.Newf(pgerr.NumericOutOfRange, "value \"%s\" is out of range for type %s", s, typ)
}

func parseFloat(s string, bits int, typ string) (float64, error) {
	b := trimSpace(s)
	unsigned := strings.TrimLeft(b, "+-")
	if unsigned == "" || len(b)-len(unsigned) > 1 {
		return 0, syntaxError(typ, s)
	}
	switch strings.ToLower(unsigned) {
	case "inf", "infinity":
		if b[0] == '-' {
			return math.Inf(-1), nil
		}
		return math.Inf(1), nil
	case "nan":
		return math.NaN(), nil
	}
	if strings.ContainsAny(unsigned, "_xXpPnN") {
		return 0, syntaxError(typ, s)
	}
	x, err := strconv.ParseFloat(b, bits)
	if errors.Is(err, strconv.ErrRange) {
		return 0, pgerr.Newf(pgerr.NumericOutOfRange, "\"%s\" is out of range for type %s", b, typ)
	}
	if err != nil {
		return 0, syntaxError(typ, s)
	}
	if x == 0 && strings.ContainsAny(mantissa(unsigned), "123456789") {
		return 0, pgerr.Newf(pgerr.NumericOutOfRange, "\"%s\" is out of range for type %s", b, typ)
	}
	return x, nil
}

func mantissa(s string) string {
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		return s[:i]
	}
	return s
}

func parseOID(t Type, s string, f *TextFormat) (int64, error) {
	b := trimSpace(s)
	n, err := strconv.ParseInt(b, 10, 64)
	switch {
	case err == nil && n >= math.MinInt32 && n <= math.MaxUint32:
		return int64(uint32(n)), nil
	case errors.Is(err, strconv.ErrRange) || err == nil:
		return 0, pgerr.Newf(pgerr.NumericOutOfRange, "value \"%s\" is out of range for type oid", s)
	}
	switch t.OID {
	case 0, OIDOID, OIDXID:
		return 0, syntaxError("oid", s)
	}
	if b == "-" {
		return 0, nil
	}
	if t.OID == OIDRegtype {
		u, err := ParseType(b)
		if err == nil {
			return int64(u.PGOID()), nil
		}
	}
	if f != nil && f.RegOID != nil {
		if oid, ok := f.RegOID(t.OID, b); ok {
			return int64(oid), nil
		}
	}
	switch t.OID {
	case OIDRegtype:
		return 0, pgerr.Newf(pgerr.UndefinedObject, "type \"%s\" does not exist", b)
	case OIDRegclass:
		return 0, pgerr.Newf(pgerr.UndefinedTable, "relation \"%s\" does not exist", b)
	case OIDRegnsp:
		return 0, pgerr.Newf("3F000", "schema \"%s\" does not exist", b)
	case OIDRegrole:
		return 0, pgerr.Newf(pgerr.UndefinedObject, "role \"%s\" does not exist", b)
	}
	return 0, pgerr.Newf(pgerr.UndefinedFunction, "function \"%s\" does not exist", b)
}

// parseBytes reads the hex form (\x...) and the escape form (\\ and \ooo).
func parseBytes(s string) ([]byte, error) {
	if strings.HasPrefix(s, `\x`) {
		return ParseHex(s[2:])
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] != '\\':
			out = append(out, s[i])
		case i+1 < len(s) && s[i+1] == '\\':
			out = append(out, '\\')
			i++
		case i+3 < len(s) && s[i+1] >= '0' && s[i+1] <= '3' && octal(s[i+2]) && octal(s[i+3]):
			out = append(out, (s[i+1]-'0')<<6|(s[i+2]-'0')<<3|(s[i+3]-'0'))
			i += 3
		default:
			return nil, pgerr.Newf(pgerr.InvalidTextRep, "invalid input syntax for type bytea")
		}
	}
	return out, nil
}

func octal(c byte) bool { return c >= '0' && c <= '7' }

// ParseHex reads pairs of hexadecimal digits, between which may be blanks.
func ParseHex(s string) ([]byte, error) {
	out := make([]byte, 0, len(s)/2)
	for i := 0; i < len(s); {
		switch s[i] {
		case ' ', '\n', '\t', '\r':
			i++
			continue
		}
		if !isHex(s[i]) {
			return nil, badHexDigit(s[i:])
		}
		if i+1 == len(s) {
			return nil, pgerr.Newf("22023", "invalid hexadecimal data: odd number of digits")
		}
		var b [1]byte
		if _, err := hex.Decode(b[:], []byte(s[i:i+2])); err != nil {
			return nil, badHexDigit(s[i+1:])
		}
		out = append(out, b[0])
		i += 2
	}
	return out, nil
}

func badHexDigit(s string) error {
	r := []rune(s)[0]
	return pgerr.Newf("22023", "invalid hexadecimal digit: \"%c\"", r)
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// parseUUID reads 32 hexadecimal digits, a hyphen after any group of four, and
// braces around all.
func parseUUID(s string) (UUIDValue, error) {
	var u UUIDValue
	b := s
	if strings.HasPrefix(b, "{") {
		if !strings.HasSuffix(b, "}") {
			return u, syntaxError("uuid", s)
		}
		b = b[1 : len(b)-1]
	}
	for i := range 16 {
		if len(b) < 2 || !isHex(b[0]) || !isHex(b[1]) {
			return u, syntaxError("uuid", s)
		}
		if _, err := hex.Decode(u[i:i+1], []byte(b[:2])); err != nil {
			return u, syntaxError("uuid", s)
		}
		b = b[2:]
		if i%2 == 1 && i < 15 && strings.HasPrefix(b, "-") {
			b = b[1:]
		}
	}
	if b != "" {
		return u, syntaxError("uuid", s)
	}
	return u, nil
}
