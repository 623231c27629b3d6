package fn

import (
	"encoding/base64"
	"math"
	"strconv"
	"strings"

	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
)

// castToKSQLText is CAST(x AS STRING) of ksqlDB: Java's forms of the values.
func castToKSQLText(c *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
	if args[0].Type.Kind == vec.Text {
		copied(c, rows, args, out)
		return
	}
	for _, r := range rows {
		start := len(out.Data)
		out.Data = appendKSQL(out.Data, args[0].Type, args[0].Get(int(r)))
		out.Close(int(r), start)
	}
}

// appendKSQL appends a value as Java's toString would, nested ones as ksqlDB does.
func appendKSQL(dst []byte, t vec.Type, x vec.Value) []byte {
	switch v := x.(type) {
	case nil:
		return append(dst, "null"...)
	case bool:
		return strconv.AppendBool(dst, v)
	case float64:
		return appendJavaDouble(dst, v)
	case []byte:
		return base64.StdEncoding.AppendEncode(dst, v)
	case []vec.Value:
		if t.Kind == vec.Struct {
			dst = append(dst, "Struct{"...)
			sep := ""
			for i, e := range v {
				if e == nil {
					continue
				}
				dst = append(dst, sep...)
				dst = append(append(dst, t.Fields[i].Name...), '=')
				dst = appendKSQL(dst, t.Fields[i].Type, e)
				sep = ","
			}
			return append(dst, '}')
		}
		dst = append(dst, '[')
		for i, e := range v {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = appendKSQL(dst, *t.Elem, e)
		}
		return append(dst, ']')
	case vec.MapValue:
		dst = append(dst, '{')
		for i, e := range v {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = append(appendKSQL(dst, *t.Key, e.Key), '=')
			dst = appendKSQL(dst, *t.Elem, e.Value)
		}
		return append(dst, '}')
	}
	switch t.Kind {
	case vec.Timestamp: // ISO local, milliseconds
		return appendJavaTimestamp(dst, x.(int64))
	case vec.Time:
		return appendJavaTime(dst, x.(int64))
	}
	return vec.AppendTextValue(dst, t, x, nil)
}

func appendJavaTimestamp(dst []byte, ts int64) []byte {
	day, micros := vec.SplitMicros(ts)
	dst = append(vec.AppendDate(dst, day), 'T')
	dst = vec.AppendTime(dst, micros/1e6*1e6)
	ms := int(micros / 1000 % 1000)
	return append(dst, '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10))
}

// appendJavaTime writes LocalTime.toString: seconds only if there are any.
func appendJavaTime(dst []byte, micros int64) []byte {
	start := len(dst)
	dst = vec.AppendTime(dst, micros/1e6*1e6)
	ms := int(micros / 1000 % 1000)
	if ms != 0 {
		return append(dst, '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10))
	}
	if micros/1e6%60 == 0 {
		return dst[:start+5]
	}
	return dst
}

// appendJavaDouble writes Double.toString: at least one digit after the point,
// an exponent below 0.001 and from 10,000,000 on.
func appendJavaDouble(dst []byte, x float64) []byte {
	switch {
	case x != x:
		return append(dst, "NaN"...)
	case math.IsInf(x, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(x, -1):
		return append(dst, "-Infinity"...)
	}
	a := math.Abs(x)
	if a == 0 || a >= 1e-3 && a < 1e7 {
		start := len(dst)
		dst = strconv.AppendFloat(dst, x, 'f', -1, 64)
		if !strings.Contains(string(dst[start:]), ".") {
			dst = append(dst, ".0"...)
		}
		return dst
	}
	s := strconv.FormatFloat(x, 'e', -1, 64)
	m, e, _ := strings.Cut(s, "e")
	if !strings.Contains(m, ".") {
		m += ".0"
	}
	n, _ := strconv.Atoi(e)
	return append(append(append(dst, m...), 'E'), strconv.Itoa(n)...)
}

// parseKSQL reads a string as ksqlDB's casts from STRING do.
func parseKSQL(t vec.Type, s string, f *vec.TextFormat) (vec.Value, error) {
	switch t.Kind {
	case vec.Bool: // any prefix of true or yes, in any case; else false
		l := strings.ToLower(s)
		return l != "" && (strings.HasPrefix("true", l) || strings.HasPrefix("yes", l)), nil
	case vec.Int32, vec.Int64:
		b := strings.TrimSpace(s)
		bits := 64
		if t.Kind == vec.Int32 {
			bits = 32
		}
		n, err := strconv.ParseInt(b, 10, bits)
		if err != nil {
			return nil, pgerr.Newf(pgerr.InvalidTextRep, "invalid %s: \"%s\"", t.KSQL(), s)
		}
		return n, nil
	case vec.Bytes:
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			return nil, pgerr.Newf(pgerr.InvalidTextRep, "invalid base64: \"%s\"", s)
		}
		return b, nil
	}
	return vec.Parse(t, s, f)
}
