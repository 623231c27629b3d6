package format

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"unsafe"

	"github.com/cockroachdb/apd/v3"

	"github.com/weirdb/weir/internal/vec"
)

// view is b as a string for the length of a call that does not keep it.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// cannotRead is the error of a value that is not one of type t.
func cannotRead(b []byte, t vec.Type) error {
	const most = 40
	if len(b) > most {
		return fmt.Errorf("cannot read %.40q... as %s", b, t.KSQL())
	}
	return fmt.Errorf("cannot read %q as %s", b, t.KSQL())
}

// appendDouble appends f as Java's Double.toString or, with 32 bits,
// Float.toString writes it: the shortest digits that say f, with one after the
// point at least, and an exponent outside [1e-3, 1e7).
func appendDouble(dst []byte, f float64, bits int) []byte {
	switch {
	case f != f:
		return append(dst, "NaN"...)
	case f > math.MaxFloat64:
		return append(dst, "Infinity"...)
	case f < -math.MaxFloat64:
		return append(dst, "-Infinity"...)
	}
	a := math.Abs(f)
	if a >= 1e-3 && a < 1e7 || a == 0 {
		if i := int64(f); float64(i) == f && (i != 0 || !math.Signbit(f)) {
			return append(strconv.AppendInt(dst, i, 10), ".0"...)
		}
		start := len(dst)
		dst = strconv.AppendFloat(dst, f, 'f', -1, bits)
		for _, c := range dst[start:] {
			if c == '.' {
				return dst
			}
		}
		return append(dst, ".0"...)
	}
	start := len(dst)
	dst = strconv.AppendFloat(dst, f, 'e', -1, bits) // d[.ddd]e±dd[d]
	e := start + bytes.IndexByte(dst[start:], 'e')
	if e-start <= len("-d") {
		// Java wants two digits and takes the best two: 4.9E-324, not 5.0E-324.
		dst = strconv.AppendFloat(dst[:start], f, 'e', 1, bits)
		e += len(".d")
	}
	exp, neg := 0, dst[e+1] == '-'
	for _, c := range dst[e+2:] {
		exp = exp*10 + int(c-'0')
	}
	if neg {
		exp = -exp
	}
	return strconv.AppendInt(append(dst[:e], 'E'), int64(exp), 10)
}

var (
	errNoDecimal = errors.New("not a decimal number")
	errInexact   = errors.New("rounding needed")
	errOverflow  = errors.New("too many digits before the point")
)

// PostgreSQL's bounds of numeric: digits before and after the point.
const (
	maxDecimalDigits = 131072
	maxDecimalScale  = 16383
)

// appendDecimalText appends the decimal that text says, in the bytes layout of
// type t. Nothing is rounded: digits that do not fit the scale are an error, as
// they are in ksqlDB (DecimalUtil.ensureFit).
func appendDecimalText(dst []byte, t vec.Type, text []byte) ([]byte, error) {
	neg, coeff, exp, ok := scanDecimal(text)
	switch {
	case !ok || coeff > math.MaxInt64:
		return appendBigDecimal(dst, t, text)
	case t.Precision == 0 && exp < -maxDecimalScale:
		return dst, errInexact
	case t.Precision == 0 && exp <= 0:
		return vec.AppendSmallDecimal(dst, signed(neg, coeff), int32(exp)), nil
	case coeff == 0:
		return vec.AppendSmallDecimal(dst, 0, -t.Scale), nil
	}
	shift := exp + int(t.Scale) // digits to append to the coefficient
	for ; shift < 0; shift++ {
		if coeff%10 != 0 {
			return dst, errInexact
		}
		coeff /= 10
	}
	if shift >= len(pow10) || coeff > math.MaxInt64/pow10[shift] {
		return appendBigDecimal(dst, t, text)
	}
	coeff *= pow10[shift]
	if t.Precision > 0 && int(t.Precision) < len(pow10) && coeff >= pow10[t.Precision] {
		return dst, errOverflow
	}
	return vec.AppendSmallDecimal(dst, signed(neg, coeff), -t.Scale), nil
}

func signed(neg bool, x uint64) int64 {
	if neg {
		return -int64(x)
	}
	return int64(x)
}

// scanDecimal reads [+-]digits[.digits][e[+-]digits] of at most 19 digits. It
// is not ok for anything else.
func scanDecimal(b []byte) (neg bool, coeff uint64, exp int, ok bool) {
	p, digits := 0, 0
	if p < len(b) && (b[p] == '-' || b[p] == '+') {
		neg = b[p] == '-'
		p++
	}
	point := -1
	for ; p < len(b); p++ {
		c := b[p]
		if c == '.' && point < 0 {
			point = p + 1
			continue
		}
		if c -= '0'; c > 9 {
			break
		}
		if digits++; digits > 19 {
			return false, 0, 0, false
		}
		coeff = coeff*10 + uint64(c)
	}
	if digits == 0 {
		return false, 0, 0, false
	}
	if point >= 0 {
		exp = point - p
	}
	if p == len(b) {
		return neg, coeff, exp, true
	}
	if b[p]|0x20 != 'e' || len(b)-p > 8 {
		return false, 0, 0, false
	}
	e, err := strconv.ParseInt(view(b[p+1:]), 10, 32)
	return neg, coeff, exp + int(e), err == nil
}

// appendBigDecimal is appendDecimalText for what does not fit 64 bits.
func appendBigDecimal(dst []byte, t vec.Type, text []byte) ([]byte, error) {
	if len(text) > maxDecimalDigits+maxDecimalScale+16 {
		return dst, errOverflow
	}
	if len(text) == 0 || text[len(text)-1]-'0' > 9 && text[len(text)-1] != '.' {
		return dst, errNoDecimal // words such as Infinity
	}
	d, _, err := apd.NewFromString(string(text))
	if err != nil || d.Form != apd.Finite {
		return dst, errNoDecimal
	}
	digits := int(d.NumDigits()) + int(d.Exponent)
	switch {
	case d.Coeff.Sign() == 0:
		d.Negative, d.Exponent = false, -t.Scale
		return vec.AppendDecimal(dst, d), nil
	case t.Precision > 0 && digits > int(t.Precision-t.Scale), digits > maxDecimalDigits:
		return dst, errOverflow
	}
	want := -t.Scale
	if t.Precision == 0 {
		if want = min(d.Exponent, 0); want < -maxDecimalScale {
			return dst, errInexact
		}
	}
	ten := apd.NewBigInt(10)
	var rest, shift apd.BigInt
	if by := int64(d.Exponent - want); by > 0 {
		d.Coeff.Mul(&d.Coeff, shift.Exp(ten, apd.NewBigInt(by), nil))
	} else if by < 0 {
		if -by > int64(d.NumDigits()) {
			return dst, errInexact
		}
		if d.Coeff.QuoRem(&d.Coeff, shift.Exp(ten, apd.NewBigInt(-by), nil), &rest); rest.Sign() != 0 {
			return dst, errInexact
		}
	}
	d.Exponent = want
	return vec.AppendDecimal(dst, d), nil
}

// appendDecimal appends the text of a decimal in the bytes layout: plain digits
// with as many after the point as its scale says. NaN and the infinities, which
// only PostgreSQL's numeric has, are not finite.
func appendDecimal(dst, b []byte) (out []byte, finite bool) {
	x, exp, ok := vec.SmallDecimal(b)
	if !ok || exp > 0 || exp < -18 {
		d, err := vec.DecodeDecimal(b)
		if err != nil {
			panic(fmt.Sprintf("format: column holds %v", err)) // only vec writes them
		}
		if d.Form != apd.Finite {
			switch {
			case d.Form != apd.Infinite:
				return append(dst, "NaN"...), false
			case d.Negative:
				return append(dst, "-Infinity"...), false
			}
			return append(dst, "Infinity"...), false
		}
		return vec.AppendDecimalText(dst, d), true
	}
	if exp == 0 {
		return strconv.AppendInt(dst, x, 10), true
	}
	coeff := uint64(x)
	if x < 0 {
		dst = append(dst, '-')
		coeff = -coeff
	}
	unit := pow10[-exp]
	dst = strconv.AppendUint(dst, coeff/unit, 10)
	dst = append(dst, '.')
	at := len(dst)
	dst = strconv.AppendUint(dst, coeff%unit+unit, 10) // a leading 1 keeps the zeros
	copy(dst[at:], dst[at+1:])
	return dst[:len(dst)-1], true
}
