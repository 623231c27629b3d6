package fn

import (
	"math"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/cockroachdb/apd/v3"

	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
)

// formatG prints x with at most that many significant digits, as C's %g does
// but always with an exponent.
func formatG(x float64, digits int) string {
	m, e, _ := strings.Cut(strconv.FormatFloat(x, 'e', digits-1, 64), "e")
	if strings.Contains(m, ".") {
		m = strings.TrimRight(strings.TrimRight(m, "0"), ".")
	}
	return m + "e" + e
}

var errOutOfDomain = pgerr.Newf(pgerr.NumericOutOfRange, "input is out of range")

func mathFunc(name string, d Dialect, eval Kernel) *Func {
	return &Func{Name: name, Dialect: d, Params: params(vec.Float64), Result: of(vec.Float64), Eval: eval}
}

// within refuses arguments outside [lo, hi], as asin and its like do.
func within(lo, hi float64, f func(float64) float64) Kernel {
	return float1Err(func(x float64) (float64, error) {
		if x < lo || x > hi {
			return 0, errOutOfDomain
		}
		return f(x), nil
	})
}

func notInf(f func(float64) float64) Kernel {
	return float1Err(func(x float64) (float64, error) {
		if math.IsInf(x, 0) {
			return 0, errOutOfDomain
		}
		return f(x), nil
	})
}

// maths is the family of mathematical functions.
var maths = []*Func{
	{Name: "pi", Dialect: Both, Result: of(vec.Float64), Eval: func(_ *Call, rows []uint16, _ []*vec.Vec, out *vec.Vec) {
		for _, r := range rows {
			out.Floats[r] = math.Pi
		}
	}},
	{Name: "random", Dialect: Both, Result: of(vec.Float64), Volatility: Volatile, Eval: func(_ *Call, rows []uint16, _ []*vec.Vec, out *vec.Vec) {
		for _, r := range rows {
			out.Floats[r] = rand.Float64()
		}
	}},
	mathFunc("sin", Postgres, notInf(math.Sin)), mathFunc("cos", Postgres, notInf(math.Cos)), mathFunc("tan", Postgres, notInf(math.Tan)),
	mathFunc("cot", Postgres, notInf(func(x float64) float64 { return 1 / math.Tan(x) })),
	mathFunc("asin", Postgres, within(-1, 1, math.Asin)), mathFunc("acos", Postgres, within(-1, 1, math.Acos)),
	mathFunc("atan", Both, float1(math.Atan)),
	mathFunc("sinh", Both, float1(math.Sinh)), mathFunc("cosh", Both, float1(math.Cosh)), mathFunc("tanh", Both, float1(math.Tanh)),
	mathFunc("asinh", Postgres, float1(math.Asinh)), mathFunc("acosh", Postgres, within(1, math.Inf(1), math.Acosh)),
	mathFunc("atanh", Postgres, within(-1, 1, math.Atanh)),
	mathFunc("sin", KSQL, float1(math.Sin)), mathFunc("cos", KSQL, float1(math.Cos)), mathFunc("tan", KSQL, float1(math.Tan)),
	mathFunc("cot", KSQL, float1(func(x float64) float64 { return 1 / math.Tan(x) })),
	mathFunc("asin", KSQL, float1(math.Asin)), mathFunc("acos", KSQL, float1(math.Acos)),
	mathFunc("sind", Postgres, notInf(sind)), mathFunc("cosd", Postgres, notInf(cosd)),
	mathFunc("tand", Postgres, notInf(tand)), mathFunc("cotd", Postgres, notInf(cotd)),
	mathFunc("asind", Postgres, within(-1, 1, asind)), mathFunc("acosd", Postgres, within(-1, 1, acosd)),
	mathFunc("atand", Postgres, float1(atand)),
	mathFunc("degrees", Both, float1(func(x float64) float64 { return x / (math.Pi / 180) })),
	mathFunc("radians", Both, float1(func(x float64) float64 { return x * (math.Pi / 180) })),
	mathFunc("cbrt", Both, float1(math.Cbrt)), mathFunc("||/", Postgres, float1(math.Cbrt)),
	mathFunc("|/", Postgres, float1Err(sqrt)),
	mathFunc("sqrt", Postgres, float1Err(sqrt)), mathFunc("sqrt", KSQL, float1(math.Sqrt)),
	mathFunc("exp", Postgres, float1Err(exp)), mathFunc("exp", KSQL, float1(math.Exp)),
	mathFunc("ln", Postgres, float1Err(logOf(math.Log))), mathFunc("ln", KSQL, float1(math.Log)),
	mathFunc("log", Postgres, float1Err(logOf(math.Log10))), mathFunc("log10", Postgres, float1Err(logOf(math.Log10))),
	mathFunc("log", KSQL, float1(math.Log)),
	mathFunc("ceil", Both, float1(math.Ceil)), mathFunc("ceiling", Postgres, float1(math.Ceil)),
	mathFunc("floor", Both, float1(math.Floor)),
	mathFunc("round", Postgres, float1(math.RoundToEven)), mathFunc("trunc", Postgres, float1(math.Trunc)),
	mathFunc("sign", Postgres, float1(signum)),
	float2("atan2", Both, math.Atan2), float2("atan2d", Postgres, atan2d),
	{Name: "power", Dialect: Postgres, Params: params(vec.Float64, vec.Float64), Result: of(vec.Float64), Eval: boxed(power)},
	{Name: "pow", Dialect: Postgres, Params: params(vec.Float64, vec.Float64), Result: of(vec.Float64), Eval: boxed(power)},
	{Name: "^", Dialect: Postgres, Params: params(vec.Float64, vec.Float64), Result: of(vec.Float64), Eval: boxed(power)},
	float2("power", KSQL, math.Pow),
	float2("log", KSQL, func(base, x float64) float64 {
		if base <= 0 || base == 1 {
			return math.NaN()
		}
		return math.Log(x) / math.Log(base)
	}),
	decimal1("ceil", func(d *apd.Decimal) *apd.Decimal { return roundDecimal(d, 0, roundUp) }),
	decimal1("ceiling", func(d *apd.Decimal) *apd.Decimal { return roundDecimal(d, 0, roundUp) }),
	decimal1("floor", func(d *apd.Decimal) *apd.Decimal { return roundDecimal(d, 0, roundDown) }),
	decimal1("round", func(d *apd.Decimal) *apd.Decimal { vec.Rescale(d, 0); return d }),
	decimal1("trunc", func(d *apd.Decimal) *apd.Decimal { truncDecimal(d, 0); return d }),
	decimal1("sign", func(d *apd.Decimal) *apd.Decimal {
		if d.Form == apd.NaN {
			return d
		}
		return apd.New(int64(d.Sign()), 0)
	}),
	decimal1("trim_scale", trimScale),
	{Name: "round", Dialect: Postgres, Params: params(vec.Decimal, vec.Int32), Result: of(vec.Decimal), Eval: boxed(roundTo)},
	{Name: "trunc", Dialect: Postgres, Params: params(vec.Decimal, vec.Int32), Result: of(vec.Decimal), Eval: boxed(truncTo)},
	{Name: "scale", Dialect: Postgres, Params: params(vec.Decimal), Result: of(vec.Int32), Eval: boxed(func(_ *Call, a []vec.Value) (vec.Value, error) {
		if d := a[0].(*apd.Decimal); d.Form == apd.Finite {
			return int64(vec.ScaleOf(d)), nil
		}
		return nil, nil
	})},
	{Name: "min_scale", Dialect: Postgres, Params: params(vec.Decimal), Result: of(vec.Int32), Eval: boxed(func(_ *Call, a []vec.Value) (vec.Value, error) {
		if d := a[0].(*apd.Decimal); d.Form == apd.Finite {
			return int64(vec.ScaleOf(trimScale(d))), nil
		}
		return nil, nil
	})},
	decimalCtx("sqrt", sqrtDecimal), decimalCtx("exp", expDecimal), decimalCtx("ln", lnDecimal),
	decimalCtx("log", log10Decimal), decimalCtx("log10", log10Decimal),
	{Name: "log", Dialect: Postgres, Params: params(vec.Decimal, vec.Decimal), Result: of(vec.Decimal), Eval: boxed(logBase)},
	{Name: "power", Dialect: Postgres, Params: params(vec.Decimal, vec.Decimal), Result: of(vec.Decimal), Eval: boxed(powerDecimal)},
	{Name: "pow", Dialect: Postgres, Params: params(vec.Decimal, vec.Decimal), Result: of(vec.Decimal), Eval: boxed(powerDecimal)},
	{Name: "^", Dialect: Postgres, Params: params(vec.Decimal, vec.Decimal), Result: of(vec.Decimal), Eval: boxed(powerDecimal)},
	{Name: "div", Dialect: Postgres, Params: params(vec.Decimal, vec.Decimal), Result: of(vec.Decimal), Eval: boxed(func(_ *Call, a []vec.Value) (vec.Value, error) {
		x, y := a[0].(*apd.Decimal), a[1].(*apd.Decimal)
		if x.Form != apd.Finite || y.Form != apd.Finite || y.IsZero() {
			d, err := divDecimal(x, y)
			return d, err
		}
		d := new(apd.Decimal)
		var num, den apd.BigInt
		num.Mul(&x.Coeff, tenTo(max(0, int64(x.Exponent)-int64(y.Exponent))))
		den.Mul(&y.Coeff, tenTo(max(0, int64(y.Exponent)-int64(x.Exponent))))
		d.Coeff.Quo(&num, &den)
		d.Negative = x.Negative != y.Negative && d.Coeff.Sign() != 0
		return d, nil
	})},
	intPair("mod", modInts, vec.Int16), intPair("mod", modInts, vec.Int32), intPair("mod", modInts, vec.Int64),
	{Name: "mod", Dialect: Postgres, Params: params(vec.Decimal, vec.Decimal), Result: of(vec.Decimal), Eval: modDecimals},
	{Name: "gcd", Dialect: Postgres, Params: params(vec.Int32, vec.Int32), Result: of(vec.Int32), Eval: boxed(gcdFunc)},
	{Name: "gcd", Dialect: Postgres, Params: params(vec.Int64, vec.Int64), Result: of(vec.Int64), Eval: boxed(gcdFunc)},
	{Name: "lcm", Dialect: Postgres, Params: params(vec.Int32, vec.Int32), Result: of(vec.Int32), Eval: boxed(lcmFunc)},
	{Name: "lcm", Dialect: Postgres, Params: params(vec.Int64, vec.Int64), Result: of(vec.Int64), Eval: boxed(lcmFunc)},
	{Name: "factorial", Dialect: Postgres, Params: params(vec.Int64), Result: of(vec.Decimal), Eval: boxed(factorial)},
	{Name: "width_bucket", Dialect: Postgres, Params: params(vec.Float64, vec.Float64, vec.Float64, vec.Int32), Result: of(vec.Int32), Eval: boxed(widthBucket)},
}

func intPair(name string, k Kernel, kind vec.Kind) *Func {
	return &Func{Name: name, Dialect: Postgres, Params: params(kind, kind), Result: of(kind), Eval: k}
}

func float2(name string, d Dialect, f func(x, y float64) float64) *Func {
	return &Func{Name: name, Dialect: d, Params: params(vec.Float64, vec.Float64), Result: of(vec.Float64),
		Eval: func(_ *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
			for _, r := range rows {
				out.Floats[r] = f(args[0].Float(int(r)), args[1].Float(int(r)))
			}
		}}
}

// decimal1 is a function of one decimal that changes what it is given.
func decimal1(name string, f func(*apd.Decimal) *apd.Decimal) *Func {
	return &Func{Name: name, Dialect: Postgres, Params: params(vec.Decimal), Result: of(vec.Decimal),
		Eval: func(_ *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
			for _, r := range rows {
				setDecimal(out, int(r), f(decimalAt(args[0], int(r))))
			}
		}}
}

func decimalCtx(name string, f func(*apd.Decimal) (*apd.Decimal, error)) *Func {
	return &Func{Name: name, Dialect: Postgres, Params: params(vec.Decimal), Result: of(vec.Decimal),
		Eval: boxed(func(_ *Call, a []vec.Value) (vec.Value, error) {
			d, err := f(a[0].(*apd.Decimal))
			if err != nil {
				return nil, err
			}
			return d, nil
		})}
}

func sqrt(x float64) (float64, error) {
	if x < 0 {
		return 0, pgerr.Newf("2201F", "cannot take square root of a negative number")
	}
	return math.Sqrt(x), nil
}

func exp(x float64) (float64, error) {
	y := math.Exp(x)
	return y, floatErr(vec.Float64, x, 0, y, math.IsInf(x, -1))
}

var (
	errLogZero     = pgerr.Newf("2201E", "cannot take logarithm of zero")
	errLogNegative = pgerr.Newf("2201E", "cannot take logarithm of a negative number")
)

func logOf(f func(float64) float64) func(float64) (float64, error) {
	return func(x float64) (float64, error) {
		switch {
		case x == 0:
			return 0, errLogZero
		case x < 0:
			return 0, errLogNegative
		}
		return f(x), nil
	}
}

func signum(x float64) float64 {
	switch {
	case x > 0:
		return 1
	case x < 0:
		return -1
	}
	return 0
}

var (
	errZeroNegative = pgerr.Newf("2201F", "zero raised to a negative power is undefined")
	errNegativeFrac = pgerr.Newf("2201F", "a negative number raised to a non-integer power yields a complex result")
)

func power(_ *Call, a []vec.Value) (vec.Value, error) {
	x, y := a[0].(float64), a[1].(float64)
	switch {
	case x == 0 && y < 0:
		return nil, errZeroNegative
	case x < 0 && !math.IsInf(x, 0) && y != math.Floor(y) && y == y:
		return nil, errNegativeFrac
	}
	z := math.Pow(x, y)
	if err := floatErr(vec.Float64, x, y, z, x == 0 || math.IsInf(y, 0)); err != nil {
		return nil, err
	}
	return z, nil
}

// Trigonometry in degrees is exact at the multiples of 30 and 45 (float.c).

// degree is a variable so that products with it are rounded like those at run
// time, not computed exactly by the compiler.
var degree = math.Pi / 180

func sindQ1(x float64) float64 { // 0 to 90
	if x <= 30 {
		return math.Sin(x*degree) / math.Sin(30*degree) / 2
	}
	return cosd060(90 - x)
}

func cosd060(x float64) float64 {
	return 1 - (1-math.Cos(x*degree))/(1-math.Cos(60*degree))/2
}

func cosdQ1(x float64) float64 {
	if x <= 60 {
		return cosd060(x)
	}
	return sindQ1(90 - x)
}

// quadrant folds an angle into the first quadrant; the signs are those of sine
// and cosine.
func quadrant(x float64) (a, s, c float64) {
	if x != x {
		return x, 1, 1
	}
	x, s, c = math.Mod(x, 360), 1, 1
	if x < 0 {
		x, s = -x, -1
	}
	if x > 180 {
		x, s = 360-x, -s
	}
	if x > 90 {
		x, c = 180-x, -1
	}
	return x, s, c
}

func sind(x float64) float64 {
	a, s, _ := quadrant(x)
	return s * sindQ1(a)
}

func cosd(x float64) float64 {
	a, _, c := quadrant(x)
	return c * cosdQ1(a)
}

func tand(x float64) float64 {
	a, s, c := quadrant(x)
	y := s * c * (sindQ1(a) / cosdQ1(a)) / (sindQ1(45) / cosdQ1(45))
	if y == 0 {
		return 0
	}
	return y
}

func cotd(x float64) float64 {
	a, s, c := quadrant(x)
	y := s * c * (cosdQ1(a) / sindQ1(a)) / (cosdQ1(45) / sindQ1(45))
	if y == 0 {
		return 0
	}
	return y
}

func asindQ1(x float64) float64 {
	if x <= 0.5 {
		return math.Asin(x) / math.Asin(0.5) * 30
	}
	return 90 - math.Acos(x)/math.Acos(0.5)*60
}

func asind(x float64) float64 {
	if x < 0 {
		return -asindQ1(-x)
	}
	return asindQ1(x)
}

func acosd(x float64) float64 {
	if x < 0 {
		return 90 + asindQ1(-x)
	}
	if x <= 0.5 {
		return 90 - math.Asin(x)/math.Asin(0.5)*30
	}
	return math.Acos(x) / math.Acos(0.5) * 60
}

func atand(x float64) float64     { return math.Atan(x) / math.Atan(1) * 45 }
func atan2d(y, x float64) float64 { return math.Atan2(y, x) / math.Atan(1) * 45 }

type rounding uint8

const (
	roundUp   rounding = iota // towards +infinity
	roundDown                 // towards -infinity
)

func roundDecimal(d *apd.Decimal, scale int32, how rounding) *apd.Decimal {
	if d.Form != apd.Finite {
		return d
	}
	whole := new(apd.Decimal).Set(d)
	truncDecimal(whole, scale)
	if c := d.Cmp(whole); c > 0 && how == roundUp || c < 0 && how == roundDown {
		return addDecimal(whole, apd.New(int64(c), -scale), false)
	}
	return whole
}

func trimScale(d *apd.Decimal) *apd.Decimal {
	if d.Form != apd.Finite {
		return d
	}
	out, _ := new(apd.Decimal).Reduce(d)
	if out.Exponent > 0 {
		vec.Rescale(out, 0)
	}
	return out
}

func roundTo(_ *Call, a []vec.Value) (vec.Value, error) {
	d, n := a[0].(*apd.Decimal), int32(max(min(a[1].(int64), 16383), -131072))
	vec.Rescale(d, n)
	if n < 0 {
		vec.Rescale(d, 0)
	}
	return d, nil
}

func truncTo(_ *Call, a []vec.Value) (vec.Value, error) {
	d, n := a[0].(*apd.Decimal), int32(max(min(a[1].(int64), 16383), -131072))
	truncDecimal(d, n)
	if n < 0 {
		vec.Rescale(d, 0)
	}
	return d, nil
}

// decimalDigits is the precision for transcendental functions, of which the
// result is rounded to its scale afterwards.
func decimalDigits(n int64) *apd.Context {
	c := apd.BaseContext.WithPrecision(uint32(min(max(n, 30), 1000)))
	c.MaxExponent, c.MinExponent = 200000, -200000
	return c
}

// numericScale is the scale that gives 16 significant digits to a result of
// that many digits before the point, but no less than the argument's.
func numericScale(intDigits int64, d *apd.Decimal) int32 {
	return int32(min(max(16-intDigits, int64(vec.ScaleOf(d)), 0), 1000))
}

func finish(ctx *apd.Context, z *apd.Decimal, scale int32, f func() (apd.Condition, error)) (*apd.Decimal, error) {
	_ = ctx
	if _, err := f(); err != nil {
		return nil, pgerr.Newf(pgerr.NumericOutOfRange, "value overflows numeric format")
	}
	vec.Rescale(z, scale)
	return z, checkNumeric(z)
}

func sqrtDecimal(d *apd.Decimal) (*apd.Decimal, error) {
	if d.Form != apd.NaN && d.Negative && !d.IsZero() {
		return nil, pgerr.Newf("2201F", "cannot take square root of a negative number")
	}
	if d.Form != apd.Finite {
		return d, nil
	}
	// As numeric_sqrt: the weight in base 10,000 estimates the digits.
	w, _ := leading(d)
	scale := numericScale(int64(w)*2+1, d)
	ctx, z := decimalDigits(int64(scale)+d.NumDigits()+10), new(apd.Decimal)
	return finish(ctx, z, scale, func() (apd.Condition, error) { return ctx.Sqrt(z, d) })
}

func expDecimal(d *apd.Decimal) (*apd.Decimal, error) {
	if d.Form == apd.Infinite && d.Negative {
		return new(apd.Decimal), nil
	}
	if d.Form != apd.Finite {
		return d, nil
	}
	x, _ := d.Float64()
	if x > 300000 {
		return nil, pgerr.Newf(pgerr.NumericOutOfRange, "value overflows numeric format")
	}
	digits := int64(x * 0.434294481903252)
	scale := numericScale(digits, d)
	if x < -300000 {
		return &apd.Decimal{Exponent: -scale}, nil
	}
	ctx, z := decimalDigits(int64(scale)+max(digits, 0)+10), new(apd.Decimal)
	return finish(ctx, z, scale, func() (apd.Condition, error) { return ctx.Exp(z, d) })
}

func logDomain(d *apd.Decimal) error {
	switch {
	case d.Form == apd.NaN:
		return nil
	case d.Form == apd.Finite && d.IsZero():
		return errLogZero
	case d.Negative:
		return errLogNegative
	}
	return nil
}

// lnDigits estimates the digits before the point of ln(d).
func lnDigits(d *apd.Decimal) int64 {
	x := math.Abs((float64(d.NumDigits())+float64(d.Exponent))*math.Ln10 - 1)
	if x < 1 {
		if f, err := d.Float64(); err == nil {
			x = math.Abs(math.Log(f))
		}
	}
	if x == 0 {
		return 0
	}
	return int64(math.Log10(x))
}

func lnDecimal(d *apd.Decimal) (*apd.Decimal, error) {
	if err := logDomain(d); err != nil || d.Form != apd.Finite {
		return d, err
	}
	scale := numericScale(lnDigits(d), d)
	ctx, z := decimalDigits(int64(scale)+20), new(apd.Decimal)
	return finish(ctx, z, scale, func() (apd.Condition, error) { return ctx.Ln(z, d) })
}

func log10Decimal(d *apd.Decimal) (*apd.Decimal, error) {
	z, err := logBase(nil, []vec.Value{apd.New(10, 0), d})
	if err != nil {
		return nil, err
	}
	return z.(*apd.Decimal), nil
}

func logBase(_ *Call, a []vec.Value) (vec.Value, error) {
	base, d := a[0].(*apd.Decimal), a[1].(*apd.Decimal)
	if err := logDomain(base); err != nil {
		return nil, err
	}
	if err := logDomain(d); err != nil {
		return nil, err
	}
	if base.Form != apd.Finite || d.Form != apd.Finite {
		return &apd.Decimal{Form: apd.NaN}, nil
	}
	x, _ := d.Float64()
	b, _ := base.Float64()
	est := int64(0)
	if l := math.Abs(math.Log(x) / math.Log(b)); l > 0 && !math.IsInf(l, 0) {
		est = int64(math.Floor(math.Log10(l)))
	}
	scale := int32(min(max(16-est, int64(vec.ScaleOf(base)), int64(vec.ScaleOf(d)), 0), 1000))
	ctx := decimalDigits(int64(scale) + 30)
	num, den, z := new(apd.Decimal), new(apd.Decimal), new(apd.Decimal)
	if _, err := ctx.Ln(num, d); err != nil {
		return nil, errOutOfDomain
	}
	if _, err := ctx.Ln(den, base); err != nil {
		return nil, errOutOfDomain
	}
	if den.IsZero() {
		return nil, errDivisionByZero
	}
	return finish(ctx, z, scale, func() (apd.Condition, error) { return ctx.Quo(z, num, den) })
}

func powerDecimal(_ *Call, a []vec.Value) (vec.Value, error) {
	x, y := a[0].(*apd.Decimal), a[1].(*apd.Decimal)
	if x.Form != apd.Finite || y.Form != apd.Finite {
		f, err1 := x.Float64()
		g, err2 := y.Float64()
		if err1 != nil || err2 != nil {
			return &apd.Decimal{Form: apd.NaN}, nil
		}
		return decimalOfFloat(math.Pow(f, g), vec.Float64)
	}
	whole := trimScale(y)
	isInt := whole.Exponent >= 0
	switch {
	case x.IsZero() && y.Negative:
		return nil, errZeroNegative
	case x.Negative && !isInt:
		return nil, errNegativeFrac
	}
	fx, _ := x.Float64()
	fy, _ := y.Float64()
	digits := int64(0)
	if fx != 0 {
		digits = int64(math.Abs(fy) * math.Abs(math.Log10(math.Abs(fx))))
		if fy*math.Log10(math.Abs(fx)) < 0 {
			digits = -digits
		}
	}
	if digits > 131072 {
		return nil, pgerr.Newf(pgerr.NumericOutOfRange, "value overflows numeric format")
	}
	scale := int32(min(max(16-digits, int64(vec.ScaleOf(x)), int64(vec.ScaleOf(y)), 0), 1000))
	if digits < -2000 {
		return &apd.Decimal{Exponent: -scale}, nil
	}
	ctx, z := decimalDigits(int64(scale)+max(digits, 0)+20), new(apd.Decimal)
	ctx.Precision = uint32(int64(scale) + max(digits, 0) + 20)
	if x.IsZero() {
		if y.IsZero() {
			z.SetInt64(1)
		}
		vec.Rescale(z, scale)
		return z, nil
	}
	return finish(ctx, z, scale, func() (apd.Condition, error) { return ctx.Pow(z, x, whole) })
}

func gcd(x, y int64) int64 {
	for y != 0 {
		if y == -1 {
			return 1
		}
		x, y = y, x%y
	}
	return x
}

func gcdFunc(c *Call, a []vec.Value) (vec.Value, error) {
	g := gcd(a[0].(int64), a[1].(int64))
	if g < 0 {
		g = -g
	}
	if k := spare(c.Type.Kind); g < 0 || g<<k>>k != g {
		return nil, outOfRange(c.Type.Kind)
	}
	return g, nil
}

func lcmFunc(c *Call, a []vec.Value) (vec.Value, error) {
	x, y := a[0].(int64), a[1].(int64)
	if x == 0 || y == 0 {
		return int64(0), nil
	}
	q := x / gcd(x, y)
	p := q * y
	if mulOverflows(q, y, p) {
		return nil, outOfRange(c.Type.Kind)
	}
	if p < 0 {
		p = -p
	}
	if k := spare(c.Type.Kind); p < 0 || p<<k>>k != p {
		return nil, outOfRange(c.Type.Kind)
	}
	return p, nil
}

func factorial(_ *Call, a []vec.Value) (vec.Value, error) {
	n := a[0].(int64)
	switch {
	case n < 0:
		return nil, pgerr.Newf(pgerr.NumericOutOfRange, "factorial of a negative number is undefined")
	case n > 5000:
		return nil, pgerr.Newf(pgerr.NumericOutOfRange, "value overflows numeric format")
	}
	d := apd.New(1, 0)
	for i := int64(2); i <= n; i++ {
		d.Coeff.Mul(&d.Coeff, apd.NewBigInt(i))
	}
	return d, nil
}

func widthBucket(_ *Call, a []vec.Value) (vec.Value, error) {
	x, lo, hi, n := a[0].(float64), a[1].(float64), a[2].(float64), a[3].(int64)
	switch {
	case n <= 0:
		return nil, pgerr.Newf("2201G", "count must be greater than zero")
	case x != x || lo != lo || hi != hi:
		return nil, pgerr.Newf("2201G", "operand, lower bound, and upper bound cannot be NaN")
	case lo == hi:
		return nil, pgerr.Newf("2201G", "lower bound cannot equal upper bound")
	}
	if lo > hi {
		x, lo, hi = -x, -lo, -hi
	}
	switch {
	case x < lo:
		return int64(0), nil
	case x >= hi:
		return n + 1, nil
	}
	return int64((x-lo)/(hi-lo)*float64(n)) + 1, nil
}
