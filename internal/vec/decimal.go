package vec

import (
	"encoding/binary"
	"fmt"

	"github.com/cockroachdb/apd/v3"
)

// Forms of an encoded decimal. A small one holds its coefficient in a varint.
const (
	decSmall byte = iota
	decSmallNeg
	decBig
	decBigNeg
	decNaN
	decInf
	decNegInf
)

// AppendDecimal appends d in the bytes layout: a form byte, the exponent as a
// zig-zag varint, the coefficient. The scale is kept: 1.10 and 1.1 differ here
// (and are made equal by AppendKey).
func AppendDecimal(dst []byte, d *apd.Decimal) []byte {
	switch {
	case d.Form == apd.NaN || d.Form == apd.NaNSignaling:
		return append(dst, decNaN)
	case d.Form == apd.Infinite && d.Negative:
		return append(dst, decNegInf)
	case d.Form == apd.Infinite:
		return append(dst, decInf)
	}
	form := decSmall
	if !d.Coeff.IsUint64() {
		form = decBig
	}
	if d.Negative && d.Coeff.Sign() != 0 {
		form++
	}
	dst = append(dst, form)
	dst = binary.AppendVarint(dst, int64(d.Exponent))
	if form == decSmall || form == decSmallNeg {
		return binary.AppendUvarint(dst, d.Coeff.Uint64())
	}
	return append(dst, d.Coeff.Bytes()...)
}

// DecodeDecimal is the inverse of AppendDecimal.
func DecodeDecimal(b []byte) (*apd.Decimal, error) {
	if len(b) == 0 {
		return nil, fmt.Errorf("vec: empty decimal")
	}
	d := new(apd.Decimal)
	switch b[0] {
	case decNaN:
		d.Form = apd.NaN
		return d, nil
	case decInf, decNegInf:
		d.Form, d.Negative = apd.Infinite, b[0] == decNegInf
		return d, nil
	}
	exp, n := binary.Varint(b[1:])
	if n <= 0 || int64(int32(exp)) != exp {
		return nil, fmt.Errorf("vec: bad decimal exponent")
	}
	d.Exponent = int32(exp)
	switch rest := b[1+n:]; b[0] {
	case decSmall, decSmallNeg:
		c, n := binary.Uvarint(rest)
		if n <= 0 {
			return nil, fmt.Errorf("vec: bad decimal coefficient")
		}
		var x apd.BigInt
		d.Coeff.Set(x.SetUint64(c))
	case decBig, decBigNeg:
		d.Coeff.SetBytes(rest)
	default:
		return nil, fmt.Errorf("vec: bad decimal form %d", b[0])
	}
	d.Negative = b[0] == decSmallNeg || b[0] == decBigNeg
	return d, nil
}
