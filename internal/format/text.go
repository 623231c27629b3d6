package format

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"unicode/utf8"

	"github.com/weirdb/weir/internal/vec"
)

// The text of single values, as strings in JSON and fields of DELIMITED hold
// it.

// fromWire turns a number of JSON or DELIMITED into the value of kind k: times
// of day and timestamps are milliseconds there and microseconds here. It is not
// ok if k cannot hold it.
func fromWire(k vec.Kind, x int64) (int64, bool) {
	switch k {
	case vec.Int16:
		return x, x == int64(int16(x))
	case vec.Int32, vec.Date:
		return x, x == int64(int32(x))
	case vec.OID:
		return x, x == int64(uint32(x))
	case vec.Time:
		return x * 1000, x >= 0 && x <= 24*60*60*1000
	case vec.Timestamp, vec.TimestampTZ:
		return x * 1000, x >= math.MinInt64/1000 && x <= math.MaxInt64/1000
	}
	return x, true
}

// toWire is the inverse of fromWire. What is finer than a millisecond is cut
// off, towards the past.
func toWire(k vec.Kind, x int64) int64 {
	switch k {
	case vec.Time, vec.Timestamp, vec.TimestampTZ:
		ms := x / 1000
		if x%1000 < 0 {
			ms--
		}
		return ms
	}
	return x
}

// infinite returns the word for an infinite date or timestamp, or "".
func infinite(k vec.Kind, x int64) string {
	if k != vec.Date && k != vec.Timestamp && k != vec.TimestampTZ {
		return ""
	}
	switch x {
	case vec.PosInfinity:
		return "infinity"
	case vec.NegInfinity:
		return "-infinity"
	}
	return ""
}

// parseIntKind reads the text of a value in the ints layout. Numbers are what
// Java's Long.parseLong takes; dates and times may also be ISO 8601 texts.
func parseIntKind(t vec.Type, text []byte) (int64, error) {
	if t.Kind == vec.Bool {
		return 0, cannotRead(text, t)
	}
	if x, ok := parseTimeKind(t.Kind, text); ok {
		return x, nil
	}
	x, err := strconv.ParseInt(view(text), 10, 64)
	if err != nil {
		return 0, cannotRead(text, t)
	}
	x, ok := fromWire(t.Kind, x)
	if !ok {
		return 0, cannotRead(text, t)
	}
	return x, nil
}

// parseTimeKind reads an ISO 8601 date, time or timestamp, or an infinity.
func parseTimeKind(k vec.Kind, text []byte) (int64, bool) {
	switch k {
	case vec.Date, vec.Timestamp, vec.TimestampTZ:
		switch string(text) {
		case "infinity":
			return vec.PosInfinity, true
		case "-infinity":
			return vec.NegInfinity, true
		}
	}
	switch k {
	case vec.Date:
		days, rest, ok := parseISODate(text)
		return days, ok && len(rest) == 0
	case vec.Time:
		micros, rest, ok := parseISOTime(text)
		return micros, ok && len(rest) == 0
	case vec.Timestamp, vec.TimestampTZ:
		return parseISOTimestamp(text)
	}
	return 0, false
}

const dayMicros = 24 * 60 * 60 * 1000000

// parseISODate reads yyyy-mm-dd.
func parseISODate(b []byte) (days int64, rest []byte, ok bool) {
	if len(b) < 10 || b[4] != '-' || b[7] != '-' {
		return 0, b, false
	}
	y, ok1 := parseDigits(b[0:4])
	m, ok2 := parseDigits(b[5:7])
	d, ok3 := parseDigits(b[8:10])
	if !ok1 || !ok2 || !ok3 || m < 1 || m > 12 || d < 1 || d > vec.DaysInMonth(int64(y), m) {
		return 0, b, false
	}
	return vec.DaysFromCivil(int64(y), m, d), b[10:], true
}

// parseISOTime reads hh:mm[:ss[.fraction]].
func parseISOTime(b []byte) (micros int64, rest []byte, ok bool) {
	if len(b) < 5 || b[2] != ':' {
		return 0, b, false
	}
	h, ok1 := parseDigits(b[0:2])
	m, ok2 := parseDigits(b[3:5])
	if !ok1 || !ok2 || h > 23 || m > 59 {
		return 0, b, false
	}
	micros = int64(h*60+m) * 60000000
	if b = b[5:]; len(b) < 3 || b[0] != ':' {
		return micros, b, true
	}
	s, ok3 := parseDigits(b[1:3])
	if !ok3 || s > 59 {
		return 0, b, false
	}
	micros += int64(s) * 1000000
	if b = b[3:]; len(b) < 2 || b[0] != '.' || b[1]-'0' > 9 {
		return micros, b, true
	}
	unit := int64(100000)
	for b = b[1:]; len(b) > 0 && b[0]-'0' <= 9; b = b[1:] {
		micros += int64(b[0]-'0') * unit
		unit /= 10
	}
	return micros, b, true
}

// parseISOTimestamp reads a date, optionally followed by T or a space, a time
// and a zone: Z or ±hh[[:]mm]. Without a zone it is UTC.
func parseISOTimestamp(b []byte) (micros int64, ok bool) {
	days, b, ok := parseISODate(b)
	if !ok {
		return 0, false
	}
	micros = days * dayMicros
	if len(b) == 0 {
		return micros, true
	}
	if b[0] != 'T' && b[0] != ' ' {
		return 0, false
	}
	t, b, ok := parseISOTime(b[1:])
	if !ok {
		return 0, false
	}
	micros += t
	switch {
	case len(b) == 0 || string(b) == "Z":
		return micros, true
	case b[0] != '+' && b[0] != '-', len(b) < 3:
		return 0, false
	}
	h, ok1 := parseDigits(b[1:3])
	east, m, ok2 := b[0] == '+', 0, true
	if b = b[3:]; len(b) > 0 && b[0] == ':' {
		b = b[1:]
	}
	if len(b) > 0 {
		m, ok2 = parseDigits(b)
		ok2 = ok2 && len(b) == 2
	}
	offset := int64(h*60+m) * 60000000
	if !east {
		offset = -offset
	}
	return micros - offset, ok1 && ok2 && h < 24 && m < 60
}

// parseDigits reads up to four digits.
func parseDigits(b []byte) (n int, ok bool) {
	if len(b) == 0 || len(b) > 4 {
		return 0, false
	}
	for _, c := range b {
		if c -= '0'; c > 9 {
			return 0, false
		}
		n = n*10 + int(c)
	}
	return n, true
}

// scanFloat reads a number at p that a float64 holds exactly or after one
// correctly rounded operation (Clinger's fast path). It is not ok for others.
func scanFloat(b []byte, p int) (x float64, next int, ok bool) {
	neg := false
	if p < len(b) && b[p] == '-' {
		neg = true
		p++
	}
	first := p
	var n uint64
	for p < len(b) && b[p]-'0' <= 9 {
		n = n*10 + uint64(b[p]-'0')
		p++
	}
	digits, exp := p-first, 0
	if digits == 0 || digits > 1 && b[first] == '0' {
		return 0, p, false
	}
	if p < len(b) && b[p] == '.' {
		start := p + 1
		for p = start; p < len(b) && b[p]-'0' <= 9; p++ {
			n = n*10 + uint64(b[p]-'0')
		}
		if exp = p - start; exp == 0 {
			return 0, p, false
		}
		digits += exp
	}
	if digits > 19 || bits.Len64(n) > 53 || p < len(b) && b[p]|0x20 == 'e' {
		return 0, p, false
	}
	x = float64(n) / float10[exp] // exp is at most 18
	if neg {
		x = -x
	}
	return x, p, true
}

var float10 = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19}

// parseFloat reads the text of a float. Numbers too large are refused; the
// words for NaN and the infinities are Java's and PostgreSQL's.
func parseFloat(k vec.Kind, text []byte) (float64, bool) {
	size := 64
	if k == vec.Float32 {
		size = 32
	}
	x, err := strconv.ParseFloat(view(text), size)
	return x, err == nil
}

// parseBytesKind appends the value of a type in the bytes layout that text says.
func parseBytesKind(dst []byte, t vec.Type, text []byte) ([]byte, error) {
	switch t.Kind {
	case vec.Decimal:
		out, err := appendDecimalText(dst, t, text)
		if err != nil {
			return dst, fmt.Errorf("%w: %w", cannotRead(text, t), err)
		}
		return out, nil
	case vec.Bytes:
		out, err := base64.StdEncoding.AppendDecode(dst, text)
		if err != nil {
			return dst, fmt.Errorf("%w: not base64", cannotRead(text, t))
		}
		return out, nil
	case vec.UUID:
		var u vec.UUIDValue
		if !parseUUID(&u, text) {
			return dst, cannotRead(text, t)
		}
		return append(dst, u[:]...), nil
	case vec.Interval:
		x, err := vec.ParseInterval(string(text))
		if err != nil {
			return dst, cannotRead(text, t)
		}
		return vec.AppendInterval(dst, x), nil
	case vec.Text, vec.Unknown:
		if !utf8.Valid(text) {
			return dst, errUTF8
		}
		return append(dst, text...), nil
	case vec.JSON, vec.JSONB:
		end, err := skipValue(text, skipSpace(text, 0), 0)
		switch {
		case err != nil:
		case skipSpace(text, end) != len(text):
			err = errJSON("the end", text, skipSpace(text, end))
		case !utf8.Valid(text):
			err = errUTF8
		case t.Kind == vec.JSONB:
			norm, err := vec.NormalizeJSON(string(text))
			return append(dst, norm...), err
		}
		if err != nil {
			return dst, err
		}
		return append(dst, text...), nil
	}
	return dst, cannotRead(text, t)
}

// parseUUID reads 32 hexadecimal digits, with or without hyphens between groups.
func parseUUID(u *vec.UUIDValue, text []byte) bool {
	n := 0
	for i := 0; i < len(text); i += 2 {
		if text[i] == '-' && n > 0 {
			i++
		}
		if n == len(u) || i+2 > len(text) {
			return false
		}
		if _, err := hex.Decode(u[n:n+1], text[i:i+2]); err != nil {
			return false
		}
		n++
	}
	return n == len(u)
}

// appendUUID appends the canonical text of a UUID.
func appendUUID(dst, u []byte) []byte {
	for i, n := range [...]int{4, 2, 2, 2, 6} {
		if i > 0 {
			dst = append(dst, '-')
		}
		dst = hex.AppendEncode(dst, u[:n])
		u = u[n:]
	}
	return dst
}

// appendBytesText appends the text of a value in the bytes layout that is
// neither nested nor text.
func appendBytesText(dst []byte, k vec.Kind, b []byte) []byte {
	switch k {
	case vec.Decimal:
		dst, _ = appendDecimal(dst, b)
		return dst
	case vec.Bytes:
		return base64.StdEncoding.AppendEncode(dst, b)
	case vec.UUID:
		return appendUUID(dst, b)
	case vec.Interval:
		return vec.AppendTextValue(dst, vec.Of(k), vec.DecodeInterval(b), nil)
	}
	return append(dst, b...)
}

// element splits the first value of the row encoding off b: its payload, nil
// if it is null.
func element(t vec.Type, b []byte) (payload, rest []byte, err error) {
	rest, err = vec.SkipCol(t, b)
	if err != nil || b[0] == 0 {
		return nil, rest, err
	}
	payload = b[1 : len(b)-len(rest) : len(b)-len(rest)]
	if t.Layout() == vec.InBytes {
		_, n := binary.Uvarint(payload)
		payload = payload[n:]
	}
	return payload, rest, nil
}
