package vec

import (
	"encoding/hex"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/cockroachdb/apd/v3"
)

// TextFormat is how a session wants values written, and what it knows that
// reading them needs. The nil TextFormat is PostgreSQL's ISO style in UTC.
type TextFormat struct {
	Zone *time.Location // for timestamptz; nil is UTC
	Now  time.Time      // what 'now', 'today', ... mean on input; zero refuses them
	// RegName and RegOID translate OIDs of the type typ (OIDRegclass, ...) from
	// and to names; nil leaves numbers. Types that Weir has are known without them.
	RegName func(typ, oid uint32) (string, bool)
	RegOID  func(typ uint32, name string) (uint32, bool)
}

func (f *TextFormat) zone() *time.Location {
	if f == nil || f.Zone == nil {
		return time.UTC
	}
	return f.Zone
}

// AppendText appends row i of v as PostgreSQL's text output writes it; nothing
// for a null.
func AppendText(dst []byte, v *Vec, i int, f *TextFormat) []byte {
	i = v.Row(i)
	if v.Nulls.Has(i) {
		return dst
	}
	switch v.Type.Layout() {
	case InInts:
		return appendIntText(dst, v.Type, v.Ints[i], f)
	case InFloats:
		return appendFloat(dst, v.Type.Kind, v.Floats[i])
	}
	b := v.Bytes(i)
	switch v.Type.Kind {
	case Array, Map, Struct:
		return AppendTextValue(dst, v.Type, decodeBytes(v.Type, b), f)
	}
	return appendBytesText(dst, v.Type.Kind, b)
}

// AppendTextValue is AppendText for a boxed value of type t.
func AppendTextValue(dst []byte, t Type, x Value, f *TextFormat) []byte {
	switch x := x.(type) {
	case nil:
		return dst
	case bool:
		return appendIntText(dst, t, intOf(x), f)
	case int64:
		return appendIntText(dst, t, x, f)
	case float64:
		return appendFloat(dst, t.Kind, x)
	case string:
		return append(dst, x...)
	case *apd.Decimal:
		return AppendDecimalText(dst, x)
	case []byte:
		return appendBytesText(dst, Bytes, x)
	case IntervalValue:
		return appendInterval(dst, x)
	case UUIDValue:
		return appendUUID(dst, x[:])
	case MapValue:
		return AppendJSON(dst, t, x, f)
	case []Value:
		if t.Kind == Struct {
			return appendRecord(dst, t, x, f)
		}
		return appendArray(dst, t, x, f)
	}
	return dst
}

func appendIntText(dst []byte, t Type, x int64, f *TextFormat) []byte {
	switch t.Kind {
	case Bool:
		if x != 0 {
			return append(dst, 't')
		}
		return append(dst, 'f')
	case Date:
		return AppendDate(dst, x)
	case Time:
		return AppendTime(dst, x)
	case Timestamp:
		return AppendTimestamp(dst, x)
	case TimestampTZ:
		return AppendTimestampTZ(dst, x, f.zone())
	case OID:
		return appendOID(dst, t.OID, uint32(x), f)
	}
	return strconv.AppendInt(dst, x, 10)
}

func appendOID(dst []byte, typ, oid uint32, f *TextFormat) []byte {
	switch typ {
	case 0, OIDOID, OIDXID:
		return strconv.AppendUint(dst, uint64(oid), 10)
	}
	if oid == 0 {
		return append(dst, '-')
	}
	if typ == OIDRegtype {
		if name, ok := TypeNameOf(oid); ok {
			return append(dst, name...)
		}
	}
	if f != nil && f.RegName != nil {
		if name, ok := f.RegName(typ, oid); ok {
			return append(dst, name...)
		}
	}
	return strconv.AppendUint(dst, uint64(oid), 10)
}

func appendFloat(dst []byte, k Kind, x float64) []byte {
	size, maxExp := 64, 15
	if k == Float32 {
		size, maxExp = 32, 6
	}
	switch {
	case x != x:
		return append(dst, "NaN"...)
	case math.IsInf(x, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(x, -1):
		return append(dst, "-Infinity"...)
	}
	// PostgreSQL writes an exponent below 1e-4 and from 10^15 (float4: 10^6) on.
	start := len(dst)
	if a := math.Abs(x); a != 0 && (a < 1e-4 || a >= math.Pow10(maxExp)) {
		return strconv.AppendFloat(dst, x, 'e', -1, size)
	}
	dst = strconv.AppendFloat(dst, x, 'f', -1, size)
	if n := len(dst) - start; n > maxExp && a10(dst[start:]) > maxExp {
		return strconv.AppendFloat(dst[:start], x, 'e', -1, size) // rounded up to the limit
	}
	return dst
}

// a10 counts the digits before the point.
func a10(b []byte) (n int) {
	for _, c := range b {
		if c == '.' {
			break
		}
		if c != '-' {
			n++
		}
	}
	return n
}

// appendBytesText writes a value of the bytes layout that is not nested.
func appendBytesText(dst []byte, k Kind, b []byte) []byte {
	switch k {
	case Decimal:
		return appendEncodedDecimal(dst, b)
	case Bytes:
		dst = append(dst, '\\', 'x')
		return hex.AppendEncode(dst, b)
	case Interval:
		return appendInterval(dst, DecodeInterval(b))
	case UUID:
		return appendUUID(dst, b)
	}
	return append(dst, b...)
}

func appendUUID(dst, u []byte) []byte {
	for i, b := range u {
		switch i {
		case 4, 6, 8, 10:
			dst = append(dst, '-')
		}
		dst = append(dst, hexDigits[b>>4], hexDigits[b&15])
	}
	return dst
}

const hexDigits = "0123456789abcdef"

// appendArray writes {a,"b c",NULL}; int2vector and oidvector as 1 2 3.
func appendArray(dst []byte, t Type, elems []Value, f *TextFormat) []byte {
	if t.OID == OIDInt2Vector || t.OID == OIDOIDVector {
		for i, e := range elems {
			if i > 0 {
				dst = append(dst, ' ')
			}
			dst = AppendTextValue(dst, *t.Elem, e, f)
		}
		return dst
	}
	if t.Elem.Kind == Array && allEmpty(elems) {
		return append(dst, "{}"...) // PostgreSQL has no array of empty arrays
	}
	dst = append(dst, '{')
	for i, e := range elems {
		if i > 0 {
			dst = append(dst, ',')
		}
		switch {
		case e == nil:
			dst = append(dst, "NULL"...)
		case t.Elem.Kind == Array:
			dst = AppendTextValue(dst, *t.Elem, e, f)
		default:
			start := len(dst)
			dst = AppendTextValue(dst, *t.Elem, e, f)
			if s := string(dst[start:]); quoteInArray(s) {
				dst = appendQuoted(dst[:start], s, `\"`, `\\`)
			}
		}
	}
	return append(dst, '}')
}

func allEmpty(elems []Value) bool {
	for _, e := range elems {
		if a, ok := e.([]Value); !ok || len(a) > 0 {
			return false
		}
	}
	return true
}

func quoteInArray(s string) bool {
	return s == "" || strings.ContainsAny(s, "{}\",\\ \t\n\r\v\f") || len(s) == 4 && strings.EqualFold(s, "null")
}

func appendQuoted(dst []byte, s, quote, backslash string) []byte {
	dst = append(dst, '"')
	for i := range len(s) {
		switch s[i] {
		case '"':
			dst = append(dst, quote...)
		case '\\':
			dst = append(dst, backslash...)
		default:
			dst = append(dst, s[i])
		}
	}
	return append(dst, '"')
}

// appendRecord writes (a,"b c",).
func appendRecord(dst []byte, t Type, fields []Value, f *TextFormat) []byte {
	dst = append(dst, '(')
	for i, x := range fields {
		if i > 0 {
			dst = append(dst, ',')
		}
		if x == nil {
			continue
		}
		start := len(dst)
		dst = AppendTextValue(dst, t.Fields[i].Type, x, f)
		if s := string(dst[start:]); s == "" || strings.ContainsAny(s, "\"\\(), \t\n\r\v\f") {
			dst = appendQuoted(dst[:start], s, `""`, `\\`)
		}
	}
	return append(dst, ')')
}
