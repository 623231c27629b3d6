package fn

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"hash/crc32"
	"math/bits"
	"strings"

	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
)

// byteStrings is the family of functions on bytea.
var byteStrings = []*Func{
	{Name: "length", Dialect: Postgres, Params: params(vec.Bytes), Result: of(vec.Int32), Eval: textInt(byteCount)},
	{Name: "octet_length", Dialect: Postgres, Params: params(vec.Bytes), Result: of(vec.Int32), Eval: textInt(byteCount)},
	{Name: "bit_length", Dialect: Postgres, Params: params(vec.Bytes), Result: of(vec.Int32), Eval: textInt(func(s []byte) int64 { return int64(len(s)) * 8 })},
	{Name: "bit_count", Dialect: Postgres, Params: params(vec.Bytes), Result: of(vec.Int64), Eval: textInt(func(s []byte) int64 {
		n := 0
		for _, b := range s {
			n += bits.OnesCount8(b)
		}
		return int64(n)
	})},
	op("substring", vec.Bytes, subBytes, vec.Bytes, vec.Int32), op("substring", vec.Bytes, subBytes, vec.Bytes, vec.Int32, vec.Int32),
	op("substr", vec.Bytes, subBytes, vec.Bytes, vec.Int32), op("substr", vec.Bytes, subBytes, vec.Bytes, vec.Int32, vec.Int32),
	op("position", vec.Int32, func(_ *Call, a []vec.Value) (vec.Value, error) {
		return int64(bytes.Index(a[0].([]byte), a[1].([]byte)) + 1), nil
	}, vec.Bytes, vec.Bytes),
	op("get_byte", vec.Int32, func(_ *Call, a []vec.Value) (vec.Value, error) {
		b, i := a[0].([]byte), a[1].(int64)
		if err := byteIndex(i, int64(len(b))); err != nil {
			return nil, err
		}
		return int64(b[i]), nil
	}, vec.Bytes, vec.Int32),
	op("set_byte", vec.Bytes, func(_ *Call, a []vec.Value) (vec.Value, error) {
		b, i := a[0].([]byte), a[1].(int64)
		if err := byteIndex(i, int64(len(b))); err != nil {
			return nil, err
		}
		b[i] = byte(a[2].(int64))
		return b, nil
	}, vec.Bytes, vec.Int32, vec.Int32),
	op("get_bit", vec.Int32, func(_ *Call, a []vec.Value) (vec.Value, error) {
		b, i := a[0].([]byte), a[1].(int64)
		if err := byteIndex(i, int64(len(b))*8); err != nil {
			return nil, err
		}
		return int64(b[i/8] >> (i % 8) & 1), nil
	}, vec.Bytes, vec.Int64),
	op("set_bit", vec.Bytes, func(_ *Call, a []vec.Value) (vec.Value, error) {
		b, i, bit := a[0].([]byte), a[1].(int64), a[2].(int64)
		if err := byteIndex(i, int64(len(b))*8); err != nil {
			return nil, err
		}
		if bit != 0 && bit != 1 {
			return nil, pgerr.Newf("22023", "new bit must be 0 or 1")
		}
		b[i/8] = b[i/8]&^(1<<(i%8)) | byte(bit)<<(i%8)
		return b, nil
	}, vec.Bytes, vec.Int64, vec.Int32),
	op("encode", vec.Text, encodeBytes, vec.Bytes, vec.Text),
	op("decode", vec.Bytes, decodeText, vec.Text, vec.Text),
	op("convert_from", vec.Text, func(_ *Call, a []vec.Value) (vec.Value, error) { return string(a[0].([]byte)), nil }, vec.Bytes, vec.Text),
	op("convert_to", vec.Bytes, func(_ *Call, a []vec.Value) (vec.Value, error) { return []byte(a[0].(string)), nil }, vec.Text, vec.Text),
	op("sha224", vec.Bytes, func(_ *Call, a []vec.Value) (vec.Value, error) { s := sha256.Sum224(a[0].([]byte)); return s[:], nil }, vec.Bytes),
	op("sha256", vec.Bytes, func(_ *Call, a []vec.Value) (vec.Value, error) { s := sha256.Sum256(a[0].([]byte)); return s[:], nil }, vec.Bytes),
	op("sha384", vec.Bytes, func(_ *Call, a []vec.Value) (vec.Value, error) { s := sha512.Sum384(a[0].([]byte)); return s[:], nil }, vec.Bytes),
	op("sha512", vec.Bytes, func(_ *Call, a []vec.Value) (vec.Value, error) { s := sha512.Sum512(a[0].([]byte)); return s[:], nil }, vec.Bytes),
	op("crc32", vec.Int64, func(_ *Call, a []vec.Value) (vec.Value, error) { return int64(crc32.ChecksumIEEE(a[0].([]byte))), nil }, vec.Bytes),
	op("btrim", vec.Bytes, func(_ *Call, a []vec.Value) (vec.Value, error) {
		return trimBytes(a[0].([]byte), a[1].([]byte), true, true), nil
	}, vec.Bytes, vec.Bytes),
	op("ltrim", vec.Bytes, func(_ *Call, a []vec.Value) (vec.Value, error) {
		return trimBytes(a[0].([]byte), a[1].([]byte), true, false), nil
	}, vec.Bytes, vec.Bytes),
	op("rtrim", vec.Bytes, func(_ *Call, a []vec.Value) (vec.Value, error) {
		return trimBytes(a[0].([]byte), a[1].([]byte), false, true), nil
	}, vec.Bytes, vec.Bytes),
	bitOp("&", func(x, y int64) int64 { return x & y }, vec.Int16), bitOp("&", func(x, y int64) int64 { return x & y }, vec.Int32), bitOp("&", func(x, y int64) int64 { return x & y }, vec.Int64),
	bitOp("|", func(x, y int64) int64 { return x | y }, vec.Int16), bitOp("|", func(x, y int64) int64 { return x | y }, vec.Int32), bitOp("|", func(x, y int64) int64 { return x | y }, vec.Int64),
	bitOp("#", func(x, y int64) int64 { return x ^ y }, vec.Int16), bitOp("#", func(x, y int64) int64 { return x ^ y }, vec.Int32), bitOp("#", func(x, y int64) int64 { return x ^ y }, vec.Int64),
	shiftOp("<<", vec.Int16), shiftOp("<<", vec.Int32), shiftOp("<<", vec.Int64),
	shiftOp(">>", vec.Int16), shiftOp(">>", vec.Int32), shiftOp(">>", vec.Int64),
	op("~", vec.Int16, bitNot, vec.Int16), op("~", vec.Int32, bitNot, vec.Int32), op("~", vec.Int64, bitNot, vec.Int64),
	op("int8send", vec.Bytes, send, vec.Int64), op("int4send", vec.Bytes, send, vec.Int32), op("int2send", vec.Bytes, send, vec.Int16),
	op("float8send", vec.Bytes, send, vec.Float64), op("textsend", vec.Bytes, send, vec.Text),
	{Name: "gen_random_uuid", Dialect: Postgres, Result: of(vec.UUID), Volatility: Volatile, Eval: boxed(func(*Call, []vec.Value) (vec.Value, error) {
		return randomUUID(), nil
	})},
}

func send(c *Call, a []vec.Value) (vec.Value, error) {
	return vec.AppendBinaryValue([]byte{}, c.Types[0], a[0]), nil
}

func bitNot(_ *Call, a []vec.Value) (vec.Value, error) { return ^a[0].(int64), nil }

func bitOp(name string, f func(x, y int64) int64, k vec.Kind) *Func {
	return op(name, k, func(_ *Call, a []vec.Value) (vec.Value, error) { return f(a[0].(int64), a[1].(int64)), nil }, k, k)
}

// shiftOp shifts as C does on the machines PostgreSQL runs on: by the count
// modulo 32, or 64 for bigint; what leaves the type's width is lost.
func shiftOp(name string, k vec.Kind) *Func {
	wide := int64(31)
	if k == vec.Int64 {
		wide = 63
	}
	return op(name, k, func(_ *Call, a []vec.Value) (vec.Value, error) {
		x, n := a[0].(int64), a[1].(int64)&wide
		if name == ">>" {
			return x >> n, nil
		}
		return x << n << spare(k) >> spare(k), nil
	}, k, vec.Int32)
}

func byteIndex(i, n int64) error {
	if i < 0 || i >= n {
		return pgerr.Newf("2202E", "index %d out of valid range, 0..%d", i, n-1)
	}
	return nil
}

func subBytes(_ *Call, a []vec.Value) (vec.Value, error) {
	b, from := a[0].([]byte), a[1].(int64)
	end := int64(len(b)) + 1
	if len(a) > 2 {
		n := a[2].(int64)
		if n < 0 {
			return nil, errNegativeLength
		}
		end = min(end, from+n)
	}
	from = max(from, 1)
	if end <= from {
		return []byte{}, nil
	}
	return b[from-1 : end-1], nil
}

func trimBytes(b, set []byte, head, tail bool) []byte {
	for head && len(b) > 0 && bytes.IndexByte(set, b[0]) >= 0 {
		b = b[1:]
	}
	for tail && len(b) > 0 && bytes.IndexByte(set, b[len(b)-1]) >= 0 {
		b = b[:len(b)-1]
	}
	return b
}

func encodeBytes(_ *Call, a []vec.Value) (vec.Value, error) {
	b := a[0].([]byte)
	switch strings.ToLower(a[1].(string)) {
	case "hex":
		return hex.EncodeToString(b), nil
	case "base64":
		s := base64.StdEncoding.EncodeToString(b)
		var out strings.Builder
		for len(s) > 76 { // lines of 76, as in RFC 2045
			out.WriteString(s[:76] + "\n")
			s = s[76:]
		}
		return out.String() + s, nil
	case "escape":
		var out strings.Builder
		for _, c := range b {
			switch {
			case c == '\\':
				out.WriteString(`\\`)
			case c == 0 || c >= 0x80:
				out.WriteString(`\` + string([]byte{'0' + c>>6, '0' + c>>3&7, '0' + c&7}))
			default:
				out.WriteByte(c)
			}
		}
		return out.String(), nil
	}
	return nil, badEncoding(a[1])
}

func badEncoding(name vec.Value) error {
	return pgerr.Newf("22023", "unrecognized encoding: \"%s\"", name)
}

func decodeText(_ *Call, a []vec.Value) (vec.Value, error) {
	s := a[0].(string)
	switch strings.ToLower(a[1].(string)) {
	case "hex":
		b, err := vec.ParseHex(s)
		if err != nil {
			return nil, err
		}
		return b, nil
	case "base64":
		clean := strings.Map(func(r rune) rune {
			if strings.ContainsRune(" \t\n\r", r) {
				return -1
			}
			return r
		}, s)
		b, err := base64.StdEncoding.DecodeString(clean)
		if err != nil {
			return nil, pgerr.Newf("22023", "invalid base64 end sequence").Hintf("Input data is missing padding, is truncated, or is otherwise corrupted.")
		}
		return b, nil
	case "escape":
		return vec.Parse(vec.Of(vec.Bytes), s, nil)
	}
	return nil, badEncoding(a[1])
}
