package fn

import (
	"math"

	"github.com/cockroachdb/apd/v3"

	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
)

// ksqlMaths is ksqlDB's arithmetic on DECIMAL and the mathematical functions in
// which it differs from PostgreSQL.
var ksqlMaths = []*Func{
	ksqlDecimal("+", sumOf, func(x, y *apd.Decimal, _ int32) (*apd.Decimal, error) { return addDecimal(x, y, false), nil }),
	ksqlDecimal("-", sumOf, func(x, y *apd.Decimal, _ int32) (*apd.Decimal, error) { return addDecimal(x, y, true), nil }),
	ksqlDecimal("*", productOf, func(x, y *apd.Decimal, _ int32) (*apd.Decimal, error) { return mulDecimal(x, y), nil }),
	ksqlDecimal("/", quotientOf, func(x, y *apd.Decimal, scale int32) (*apd.Decimal, error) {
		if y.IsZero() {
			return nil, errDivisionByZero
		}
		return quotient(x, y, scale), nil
	}),
	ksqlDecimal("%", remainderOf, func(x, y *apd.Decimal, _ int32) (*apd.Decimal, error) { return modDecimal(x, y) }),
	ksqlFunc("round", bigint, func(_ *Call, a []vec.Value) (vec.Value, error) { return a[0], nil }, vec.Int64),
	ksqlFunc("round", bigint, func(_ *Call, a []vec.Value) (vec.Value, error) {
		return javaInt(math.Floor(a[0].(float64)+0.5), vec.Int64), nil
	}, vec.Float64),
	ksqlFunc("round", double, func(_ *Call, a []vec.Value) (vec.Value, error) {
		return roundHalfUp(a[0].(float64), a[1].(int64)), nil
	}, vec.Float64, vec.Int32),
	{Name: "round", Dialect: KSQL, Params: params(vec.Decimal), Result: wholeOf, Eval: boxed(func(_ *Call, a []vec.Value) (vec.Value, error) {
		return halfUp(a[0].(*apd.Decimal), 0), nil
	})},
	{Name: "round", Dialect: KSQL, Params: params(vec.Decimal, vec.Int32), Result: arg(0), Eval: boxed(func(c *Call, a []vec.Value) (vec.Value, error) {
		d := halfUp(a[0].(*apd.Decimal), int32(max(min(a[1].(int64), 38), -38)))
		vec.Rescale(d, c.Type.Scale)
		return d, nil
	})},
	ksqlFunc("trunc", bigint, func(_ *Call, a []vec.Value) (vec.Value, error) { return a[0], nil }, vec.Int64),
	ksqlFunc("trunc", bigint, func(_ *Call, a []vec.Value) (vec.Value, error) { return javaInt(a[0].(float64), vec.Int64), nil }, vec.Float64),
	ksqlFunc("trunc", double, func(_ *Call, a []vec.Value) (vec.Value, error) {
		d, err := decimalExact(a[0].(float64))
		if err != nil {
			return a[0], nil
		}
		truncDecimal(d, int32(max(min(a[1].(int64), 308), -308)))
		return parseFloatOf(double, d)
	}, vec.Float64, vec.Int32),
	{Name: "trunc", Dialect: KSQL, Params: params(vec.Decimal), Result: wholeOf, Eval: boxed(func(_ *Call, a []vec.Value) (vec.Value, error) {
		d := a[0].(*apd.Decimal)
		truncDecimal(d, 0)
		return d, nil
	})},
	{Name: "trunc", Dialect: KSQL, Params: params(vec.Decimal, vec.Int32), Result: arg(0), Eval: boxed(func(c *Call, a []vec.Value) (vec.Value, error) {
		d := a[0].(*apd.Decimal)
		truncDecimal(d, int32(max(min(a[1].(int64), 38), -38)))
		vec.Rescale(d, c.Type.Scale)
		return d, nil
	})},
	{Name: "ceil", Dialect: KSQL, Params: params(vec.Decimal), Result: arg(0), Eval: boxed(func(c *Call, a []vec.Value) (vec.Value, error) {
		d := roundDecimal(a[0].(*apd.Decimal), 0, roundUp)
		return d, vec.FitDecimal(d, c.Type)
	})},
	{Name: "floor", Dialect: KSQL, Params: params(vec.Decimal), Result: arg(0), Eval: boxed(func(c *Call, a []vec.Value) (vec.Value, error) {
		d := roundDecimal(a[0].(*apd.Decimal), 0, roundDown)
		return d, vec.FitDecimal(d, c.Type)
	})},
	{Name: "ceil", Dialect: KSQL, Params: params(vec.Int32), Result: arg(0), Eval: copied}, {Name: "ceil", Dialect: KSQL, Params: params(vec.Int64), Result: arg(0), Eval: copied},
	{Name: "floor", Dialect: KSQL, Params: params(vec.Int32), Result: arg(0), Eval: copied}, {Name: "floor", Dialect: KSQL, Params: params(vec.Int64), Result: arg(0), Eval: copied},
	ksqlFunc("sign", integer, signOfNumber, vec.Int32), ksqlFunc("sign", integer, signOfNumber, vec.Int64), ksqlFunc("sign", integer, signOfNumber, vec.Float64),
	ksqlFunc("geo_distance", double, geoDistance, vec.Float64, vec.Float64, vec.Float64, vec.Float64),
	ksqlFunc("geo_distance", double, geoDistance, vec.Float64, vec.Float64, vec.Float64, vec.Float64, vec.Text),
}

// The types of decimal results (SqlDecimal.java of ksqlDB), before the limit of
// 38 digits.
func sumOf(p1, s1, p2, s2 int32) (p, s int32) {
	s = max(s1, s2)
	return max(p1-s1, p2-s2) + s + 1, s
}
func productOf(p1, s1, p2, s2 int32) (p, s int32) { return p1 + p2 + 1, s1 + s2 }
func quotientOf(p1, s1, p2, s2 int32) (p, s int32) {
	s = max(6, s1+p2+1)
	return p1 - s1 + s2 + s, s
}
func remainderOf(p1, s1, p2, s2 int32) (p, s int32) {
	s = max(s1, s2)
	return min(p1-s1, p2-s2) + s, s
}

func ksqlDecimal(name string, typ func(p1, s1, p2, s2 int32) (int32, int32), f func(x, y *apd.Decimal, scale int32) (*apd.Decimal, error)) *Func {
	return &Func{Name: name, Dialect: KSQL, Params: params(vec.Decimal, vec.Decimal),
		Result: func(a []vec.Type) (vec.Type, error) {
			if a[0].Precision == 0 || a[1].Precision == 0 {
				return vec.Of(vec.Decimal), nil
			}
			p, s := typ(a[0].Precision, a[0].Scale, a[1].Precision, a[1].Scale)
			return vec.DecimalOf(p, s), nil
		},
		Eval: boxed(func(c *Call, a []vec.Value) (vec.Value, error) {
			scale := c.Type.Scale
			if c.Type.Precision == 0 {
				scale = 16
			}
			d, err := f(a[0].(*apd.Decimal), a[1].(*apd.Decimal), scale)
			if err == nil {
				err = vec.FitDecimal(d, c.Type)
			}
			if err != nil {
				return nil, err
			}
			return d, nil
		})}
}

// wholeOf is the type of a decimal rounded to a whole number.
func wholeOf(a []vec.Type) (vec.Type, error) {
	if a[0].Precision == 0 {
		return a[0], nil
	}
	return vec.DecimalOf(a[0].Precision-a[0].Scale+1, 0), nil
}

// halfUp rounds halves towards +infinity, which is what ksqlDB calls HALF_UP for
// positive and HALF_DOWN for negative numbers.
func halfUp(d *apd.Decimal, scale int32) *apd.Decimal {
	half := apd.New(5, -scale-1)
	return roundDecimal(addDecimal(d, half, false), scale, roundDown)
}

// decimalExact is the decimal that a double's shortest text stands for.
func decimalExact(x float64) (*apd.Decimal, error) {
	if x-x != 0 {
		return nil, errOutOfDomain
	}
	return vec.ParseDecimal(string(vec.AppendTextValue(nil, double, x, nil)))
}

func roundHalfUp(x float64, n int64) vec.Value {
	d, err := decimalExact(x)
	if err != nil {
		return x
	}
	f, err := parseFloatOf(double, halfUp(d, int32(max(min(n, 308), -308))))
	if err != nil {
		return x
	}
	return f
}

func signOfNumber(_ *Call, a []vec.Value) (vec.Value, error) {
	switch x := a[0].(type) {
	case int64:
		return int64(signum(float64(x))), nil
	case float64:
		return int64(signum(x)), nil
	}
	return nil, nil
}

// geoDistance is the great-circle distance by the haversine formula, in km or miles.
func geoDistance(_ *Call, a []vec.Value) (vec.Value, error) {
	radius := 6371.0
	if len(a) > 4 {
		switch u := a[4].(string); u {
		case "MI", "mi", "MILE", "mile", "MILES", "miles":
			radius = 3959
		case "KM", "km", "KILOMETER", "kilometer", "KILOMETERS", "kilometers":
		default:
			return nil, pgerr.Newf("22023", "GeoDistance function units parameter must be one of [KM, MI], found %s", u)
		}
	}
	rad := func(i int) float64 { return a[i].(float64) * math.Pi / 180 }
	if math.Abs(a[0].(float64)) > 90 || math.Abs(a[2].(float64)) > 90 || math.Abs(a[1].(float64)) > 180 || math.Abs(a[3].(float64)) > 180 {
		return nil, pgerr.Newf("22023", "valid latitude values for GeoDistance function are in the range -90 to 90 and longitude values in -180 to 180")
	}
	dLat, dLon := rad(2)-rad(0), rad(3)-rad(1)
	h := math.Pow(math.Sin(dLat/2), 2) + math.Cos(rad(0))*math.Cos(rad(2))*math.Pow(math.Sin(dLon/2), 2)
	return 2 * radius * math.Asin(math.Sqrt(h)), nil
}
