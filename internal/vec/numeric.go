package vec

import (
	"encoding/binary"
	"errors"
	"math/big"
	"strconv"
	"strings"

	"github.com/cockroachdb/apd/v3"

	"github.com/weirdb/weir/internal/pgerr"
)

// Limits of numeric (PostgreSQL, numeric.h): digits before and after the point.
const (
	maxIntDigits = 131072
	maxScale     = 16383
)

// ScaleOf returns the number of digits after the point that d shows.
func ScaleOf(d *apd.Decimal) int32 { return max(0, -d.Exponent) }

// AppendDecimalText appends d in PostgreSQL's way: never an exponent, as many
// digits after the point as its scale.
func AppendDecimalText(dst []byte, d *apd.Decimal) []byte {
	switch d.Form {
	case apd.NaN, apd.NaNSignaling:
		return append(dst, "NaN"...)
	case apd.Infinite:
		if d.Negative {
			return append(dst, "-Infinity"...)
		}
		return append(dst, "Infinity"...)
	}
	if d.Negative && d.Coeff.Sign() != 0 {
		dst = append(dst, '-')
	}
	start := len(dst)
	if d.Coeff.IsUint64() {
		dst = strconv.AppendUint(dst, d.Coeff.Uint64(), 10)
	} else {
		dst = d.Coeff.Append(dst, 10)
	}
	return placePoint(dst, start, d.Exponent, d.Coeff.Sign() == 0)
}

// appendEncodedDecimal is AppendDecimalText for the bytes layout.
func appendEncodedDecimal(dst, b []byte) []byte {
	if len(b) > 1 && (b[0] == decSmall || b[0] == decSmallNeg) {
		exp, n := binary.Varint(b[1:])
		if n > 0 {
			c, m := binary.Uvarint(b[1+n:])
			if m > 0 {
				if b[0] == decSmallNeg {
					dst = append(dst, '-')
				}
				start := len(dst)
				return placePoint(strconv.AppendUint(dst, c, 10), start, int32(exp), c == 0)
			}
		}
	}
	d, err := DecodeDecimal(b)
	if err != nil {
		return dst
	}
	return AppendDecimalText(dst, d)
}

// placePoint moves the decimal point into the digits that begin at start.
func placePoint(dst []byte, start int, exp int32, zero bool) []byte {
	if exp >= 0 {
		if !zero {
			for range exp {
				dst = append(dst, '0')
			}
		}
		return dst
	}
	scale := int(-exp)
	if digits := len(dst) - start; digits <= scale {
		pad := scale - digits + 1
		for range pad {
			dst = append(dst, '0')
		}
		copy(dst[start+pad:], dst[start:start+digits])
		for i := range pad {
			dst[start+i] = '0'
		}
	}
	dst = append(dst, 0)
	point := len(dst) - 1 - scale
	copy(dst[point+1:], dst[point:len(dst)-1])
	dst[point] = '.'
	return dst
}

// ParseDecimal reads a number as PostgreSQL's numeric does. The exponent of the
// result is not above zero.
func ParseDecimal(s string) (*apd.Decimal, error) {
	in := s
	s = trimSpace(s)
	bad := func() error { return syntaxError("numeric", in) }
	d := new(apd.Decimal)
	body := s
	if body != "" && (body[0] == '+' || body[0] == '-') {
		d.Negative = body[0] == '-'
		body = body[1:]
	}
	switch {
	case strings.EqualFold(s, "nan"):
		return &apd.Decimal{Form: apd.NaN}, nil
	case strings.EqualFold(body, "inf"), strings.EqualFold(body, "infinity"):
		d.Form = apd.Infinite
		return d, nil
	}
	digits := make([]byte, 0, len(body))
	scale, exp, i, point := 0, 0, 0, false
	for ; i < len(body); i++ {
		c := body[i]
		if c >= '0' && c <= '9' {
			digits = append(digits, c)
			if point {
				scale++
			}
		} else if c == '.' && !point {
			point = true
		} else {
			break
		}
	}
	if len(digits) == 0 {
		return nil, bad()
	}
	if i < len(body) {
		if body[i] != 'e' && body[i] != 'E' {
			return nil, bad()
		}
		var err error
		if exp, err = strconv.Atoi(body[i+1:]); err != nil || body[i+1] == '_' {
			if errors.Is(err, strconv.ErrRange) {
				return nil, numericOverflow()
			}
			return nil, bad()
		}
	}
	scale -= exp
	trimmed := strings.TrimLeft(string(digits), "0")
	if len(trimmed) > 0 && len(trimmed)-scale > maxIntDigits {
		return nil, numericOverflow()
	}
	if len(trimmed)-scale < -maxScale { // nothing is left of it within the scale
		trimmed = ""
	}
	if len(trimmed) <= 18 {
		n, _ := strconv.ParseUint("0"+trimmed, 10, 64)
		d.Coeff.SetInt64(int64(n))
	} else {
		d.Coeff.SetString(trimmed, 10)
	}
	d.Exponent = int32(-max(scale, -maxIntDigits))
	if len(trimmed) == 0 {
		d.Exponent, d.Negative = int32(-max(0, min(scale, maxScale))), false
		return d, nil
	}
	if d.Exponent > 0 {
		Rescale(d, 0)
	} else if scale > maxScale {
		Rescale(d, maxScale)
	}
	return d, nil
}

func numericOverflow() error {
	return pgerr.Newf(pgerr.NumericOutOfRange, "value overflows numeric format")
}

// Rescale gives d that many digits after the point (a negative number rounds
// before it), rounding half away from zero.
func Rescale(d *apd.Decimal, scale int32) {
	if d.Form != apd.Finite {
		return
	}
	shift := int64(scale) + int64(d.Exponent)
	d.Exponent = -scale
	switch {
	case shift > 0:
		d.Coeff.Mul(&d.Coeff, pow10(shift))
	case shift < 0:
		p := pow10(-shift)
		var rem, twice apd.BigInt
		d.Coeff.QuoRem(&d.Coeff, p, &rem)
		if twice.Add(&rem, &rem).Cmp(p) >= 0 {
			d.Coeff.Add(&d.Coeff, bigOne)
		}
	}
	if d.Coeff.Sign() == 0 {
		d.Negative = false
	}
}

var bigOne = apd.NewBigInt(1)

var smallPow10 = func() (t [19]*apd.BigInt) {
	n := int64(1)
	for i := range t {
		t[i] = apd.NewBigInt(n)
		n *= 10
	}
	return t
}()

// pow10 returns 10^n; the result must not be changed.
func pow10(n int64) *apd.BigInt {
	if n < int64(len(smallPow10)) {
		return smallPow10[n]
	}
	var b big.Int
	b.Exp(big.NewInt(10), big.NewInt(n), nil)
	return new(apd.BigInt).SetMathBigInt(&b)
}

// FitDecimal rounds d in place to the scale of t, if t has one, and reports a
// value that needs more digits than t has.
func FitDecimal(d *apd.Decimal, t Type) error {
	if t.Precision == 0 || d.Form == apd.NaN {
		return nil
	}
	overflow := func() *pgerr.Error {
		return pgerr.Newf(pgerr.NumericOutOfRange, "numeric field overflow")
	}
	if d.Form == apd.Infinite {
		return overflow().Detailf("A field with precision %d, scale %d cannot hold an infinite value.", t.Precision, t.Scale)
	}
	Rescale(d, t.Scale)
	if t.Scale < 0 {
		Rescale(d, 0)
	}
	if d.Coeff.Sign() != 0 && d.NumDigits()+int64(d.Exponent) > int64(t.Precision-t.Scale) {
		limit := "1"
		if n := t.Precision - t.Scale; n != 0 {
			limit = "10^" + strconv.Itoa(int(n))
		}
		return overflow().Detailf("A field with precision %d, scale %d must round to an absolute value less than %s.", t.Precision, t.Scale, limit)
	}
	return nil
}
