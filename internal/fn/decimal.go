package fn

import (
	"math/bits"

	"github.com/cockroachdb/apd/v3"

	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
)

var decimalArithmetic = []*Func{
	{Name: "+", Dialect: Postgres, Params: params(vec.Decimal, vec.Decimal), Result: of(vec.Decimal), Eval: addDecimals},
	{Name: "-", Dialect: Postgres, Params: params(vec.Decimal, vec.Decimal), Result: of(vec.Decimal), Eval: subDecimals},
	{Name: "*", Dialect: Postgres, Params: params(vec.Decimal, vec.Decimal), Result: of(vec.Decimal), Eval: mulDecimals},
	{Name: "/", Dialect: Postgres, Params: params(vec.Decimal, vec.Decimal), Result: of(vec.Decimal), Eval: divDecimals},
	{Name: "%", Dialect: Postgres, Params: params(vec.Decimal, vec.Decimal), Result: of(vec.Decimal), Eval: modDecimals},
}

// decimalAt decodes row i of a decimal column; it never fails on what columns hold.
func decimalAt(v *vec.Vec, i int) *apd.Decimal {
	d, err := vec.DecodeDecimal(v.Bytes(i))
	if err != nil {
		return new(apd.Decimal)
	}
	return d
}

func setDecimal(out *vec.Vec, i int, d *apd.Decimal) {
	start := len(out.Data)
	out.Data = vec.AppendDecimal(out.Data, d)
	out.Close(i, start)
}

func addDecimals(c *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
	for _, r := range rows {
		sumDecimals(c, int(r), args, out, false)
	}
}

func subDecimals(c *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
	for _, r := range rows {
		sumDecimals(c, int(r), args, out, true)
	}
}

func sumDecimals(c *Call, i int, args []*vec.Vec, out *vec.Vec, minus bool) {
	a, b := args[0].Bytes(i), args[1].Bytes(i)
	if x, xe, ok := vec.SmallDecimal(a); ok && xe <= 0 {
		if y, ye, ok := vec.SmallDecimal(b); ok && ye <= 0 {
			x, y, e, ok := align(x, xe, y, ye)
			if minus {
				y = -y
			}
			if s := x + y; ok && (s^x)&(s^y) >= 0 {
				start := len(out.Data)
				out.Data = vec.AppendSmallDecimal(out.Data, s, e)
				out.Close(i, start)
				return
			}
		}
	}
	setDecimal(out, i, addDecimal(decimalAt(args[0], i), decimalAt(args[1], i), minus))
}

// align brings two small decimals to one exponent.
func align(x int64, xe int32, y int64, ye int32) (int64, int64, int32, bool) {
	switch {
	case xe == ye:
		return x, y, xe, true
	case xe > ye:
		x, ok := shiftUp(x, xe-ye)
		return x, y, ye, ok
	}
	y, ok := shiftUp(y, ye-xe)
	return x, y, xe, ok
}

func shiftUp(x int64, digits int32) (int64, bool) {
	if digits > 18 {
		return 0, false
	}
	for range digits {
		p := x * 10
		if p/10 != x {
			return 0, false
		}
		x = p
	}
	return x, true
}

// addDecimal returns x + y or x - y, with the larger scale of both.
func addDecimal(x, y *apd.Decimal, minus bool) *apd.Decimal {
	if minus {
		y = new(apd.Decimal).Neg(y)
		if y.IsZero() && y.Form == apd.Finite {
			y.Negative = false
		}
	}
	switch {
	case x.Form == apd.NaN || y.Form == apd.NaN:
		return &apd.Decimal{Form: apd.NaN}
	case x.Form == apd.Infinite && y.Form == apd.Infinite && x.Negative != y.Negative:
		return &apd.Decimal{Form: apd.NaN}
	case x.Form == apd.Infinite:
		return x
	case y.Form == apd.Infinite:
		return y
	}
	e := min(x.Exponent, y.Exponent)
	vec.Rescale(x, -e)
	vec.Rescale(y, -e)
	var a, b apd.BigInt
	signed(&a, x)
	signed(&b, y)
	a.Add(&a, &b)
	return unsigned(&a, e)
}

func signed(z *apd.BigInt, d *apd.Decimal) {
	z.Set(&d.Coeff)
	if d.Negative {
		z.Neg(z)
	}
}

func unsigned(z *apd.BigInt, exp int32) *apd.Decimal {
	d := &apd.Decimal{Exponent: exp, Negative: z.Sign() < 0}
	d.Coeff.Abs(z)
	return d
}

func mulDecimals(c *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
	for _, r := range rows {
		i := int(r)
		if x, xe, ok := vec.SmallDecimal(args[0].Bytes(i)); ok {
			if y, ye, ok := vec.SmallDecimal(args[1].Bytes(i)); ok {
				hi, lo := bits.Mul64(uint64(max(x, -x)), uint64(max(y, -y)))
				if hi == 0 && lo < 1<<63 && xe <= 0 && ye <= 0 {
					start := len(out.Data)
					out.Data = vec.AppendSmallDecimal(out.Data, x*y, xe+ye)
					out.Close(i, start)
					continue
				}
			}
		}
		d := mulDecimal(decimalAt(args[0], i), decimalAt(args[1], i))
		if err := checkNumeric(d); err != nil {
			c.fail(out, i, err)
			continue
		}
		setDecimal(out, i, d)
	}
}

// mulDecimal returns x * y with the sum of both scales.
func mulDecimal(x, y *apd.Decimal) *apd.Decimal {
	if x.Form != apd.Finite || y.Form != apd.Finite {
		if x.Form == apd.NaN || y.Form == apd.NaN || x.Form == apd.Finite && x.IsZero() || y.Form == apd.Finite && y.IsZero() {
			return &apd.Decimal{Form: apd.NaN}
		}
		return &apd.Decimal{Form: apd.Infinite, Negative: x.Negative != y.Negative}
	}
	d := &apd.Decimal{Exponent: x.Exponent + y.Exponent}
	d.Coeff.Mul(&x.Coeff, &y.Coeff)
	d.Negative = x.Negative != y.Negative && d.Coeff.Sign() != 0
	if d.Exponent < -16383 {
		vec.Rescale(d, 16383)
	}
	return d
}

func checkNumeric(d *apd.Decimal) error {
	if d.Form == apd.Finite && d.Coeff.Sign() != 0 && d.NumDigits()+int64(d.Exponent) > 131072 {
		return pgerr.Newf(pgerr.NumericOutOfRange, "value overflows numeric format")
	}
	return nil
}

func divDecimals(c *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
	for _, r := range rows {
		d, err := divDecimal(decimalAt(args[0], int(r)), decimalAt(args[1], int(r)))
		if err != nil {
			c.fail(out, int(r), err)
			continue
		}
		setDecimal(out, int(r), d)
	}
}

// divDecimal is x / y to the scale that PostgreSQL gives a quotient.
func divDecimal(x, y *apd.Decimal) (*apd.Decimal, error) {
	switch {
	case x.Form == apd.NaN || y.Form == apd.NaN:
		return &apd.Decimal{Form: apd.NaN}, nil
	case x.Form == apd.Infinite && y.Form == apd.Infinite:
		return &apd.Decimal{Form: apd.NaN}, nil
	case y.Form == apd.Finite && y.IsZero():
		return nil, errDivisionByZero
	case x.Form == apd.Infinite:
		return &apd.Decimal{Form: apd.Infinite, Negative: x.Negative != y.Negative}, nil
	case y.Form == apd.Infinite:
		return new(apd.Decimal), nil
	}
	return quotient(x, y, divScale(x, y)), nil
}

// divScale is select_div_scale of numeric.c: at least 16 significant digits,
// and no fewer digits after the point than either operand shows.
func divScale(x, y *apd.Decimal) int32 {
	wx, fx := leading(x)
	wy, fy := leading(y)
	qweight := wx - wy
	if fx <= fy {
		qweight--
	}
	scale := 16 - qweight*4
	scale = max(scale, vec.ScaleOf(x), vec.ScaleOf(y), 0)
	return min(scale, 1000)
}

// leading returns the weight of the first base-10,000 digit of d and that digit.
func leading(d *apd.Decimal) (weight, digit int32) {
	if d.IsZero() {
		return 0, 0
	}
	n := d.NumDigits()
	top := int32(n) + d.Exponent - 1 // power of ten of the first digit
	weight = top / 4
	if top < 0 && top%4 != 0 {
		weight--
	}
	take := int64(top - weight*4 + 1) // digits that fall into it
	var q apd.BigInt
	if n > take {
		q.Quo(&d.Coeff, tenTo(n-take))
		return weight, int32(q.Int64())
	}
	digit = int32(d.Coeff.Int64())
	for range take - n {
		digit *= 10
	}
	return weight, digit
}

func tenTo(n int64) *apd.BigInt {
	return new(apd.BigInt).Exp(apd.NewBigInt(10), apd.NewBigInt(n), nil)
}

// quotient is x / y with that many digits after the point, half away from zero.
func quotient(x, y *apd.Decimal, scale int32) *apd.Decimal {
	var num, den, rem apd.BigInt
	num.Set(&x.Coeff)
	den.Set(&y.Coeff)
	switch shift := int64(scale) + int64(x.Exponent) - int64(y.Exponent); {
	case shift > 0:
		num.Mul(&num, tenTo(shift))
	case shift < 0:
		den.Mul(&den, tenTo(-shift))
	}
	d := &apd.Decimal{Exponent: -scale}
	d.Coeff.QuoRem(&num, &den, &rem)
	if rem.Add(&rem, &rem).Cmp(&den) >= 0 {
		d.Coeff.Add(&d.Coeff, apd.NewBigInt(1))
	}
	d.Negative = x.Negative != y.Negative && d.Coeff.Sign() != 0
	return d
}

func modDecimals(c *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
	for _, r := range rows {
		d, err := modDecimal(decimalAt(args[0], int(r)), decimalAt(args[1], int(r)))
		if err != nil {
			c.fail(out, int(r), err)
			continue
		}
		setDecimal(out, int(r), d)
	}
}

// modDecimal is the remainder of the division that truncates; it has x's sign.
func modDecimal(x, y *apd.Decimal) (*apd.Decimal, error) {
	switch {
	case x.Form == apd.NaN || y.Form == apd.NaN:
		return &apd.Decimal{Form: apd.NaN}, nil
	case y.Form == apd.Finite && y.IsZero():
		return nil, errDivisionByZero
	case x.Form == apd.Infinite:
		return &apd.Decimal{Form: apd.NaN}, nil
	case y.Form == apd.Infinite:
		return x, nil
	}
	e := min(x.Exponent, y.Exponent)
	vec.Rescale(x, -e)
	vec.Rescale(y, -e)
	d := &apd.Decimal{Exponent: e}
	d.Coeff.Rem(&x.Coeff, &y.Coeff)
	d.Negative = x.Negative && d.Coeff.Sign() != 0
	return d, nil
}
