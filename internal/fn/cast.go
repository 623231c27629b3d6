package fn

import (
	"math"
	"sync"

	"github.com/cockroachdb/apd/v3"

	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
)

// castKey names one cast function: casts are made on demand and kept.
type castKey struct {
	from, to vec.Kind
	d        Dialect
	explicit bool
}

var casts sync.Map // castKey to *Func

// Cast returns the function that turns values of one type into another, where
// the dialect allows it in this context. The types themselves, and the modifiers
// of the target (varchar's length, a decimal's precision), reach the function in
// Call. A source of kind Unknown is a literal's text.
func Cast(from, to vec.Type, d Dialect, how CastContext) (*Func, bool) {
	if !castable(from, to, d, how) {
		return nil, false
	}
	key := castKey{from.Kind, to.Kind, d, how == Explicit}
	if f, ok := casts.Load(key); ok {
		return f.(*Func), true
	}
	f := &Func{
		Name:    "cast",
		Dialect: d,
		Params:  params(from.Kind),
		Result:  fixed(to),
		Eval:    castKernel(key),
	}
	if kindsOf(vec.TimestampTZ, vec.Text, vec.Unknown, vec.OID).has(from.Kind) || kindsOf(vec.TimestampTZ, vec.OID).has(to.Kind) {
		f.Volatility = Stable // the session's zone and catalog count
	}
	got, _ := casts.LoadOrStore(key, f)
	return got.(*Func), true
}

func castKernel(k castKey) Kernel {
	ints := kindsOf(vec.Int16, vec.Int32, vec.Int64, vec.OID)
	floats := kindsOf(vec.Float32, vec.Float64)
	f, t := k.from, k.to
	switch {
	case k.d == KSQL && t == vec.Text:
		return castToKSQLText
	case t == vec.Text:
		return castToText(k.explicit)
	case f == vec.Text || f == vec.Unknown:
		return castFromText(k)
	case k.d == KSQL && ints.has(f) && kindsOf(vec.Int16, vec.Int32, vec.Int64).has(t):
		return wrapIntToInt
	case ints.has(f) && ints.has(t):
		return castIntToInt
	case ints.has(f) && floats.has(t):
		return castIntToFloat
	case floats.has(f) && ints.has(t):
		if k.d == KSQL {
			return truncFloatToInt
		}
		return castFloatToInt
	case floats.has(f) && floats.has(t):
		return castFloatToFloat
	case f == vec.Bool && t == vec.Int32, t == vec.TimestampTZ && f == vec.TimestampTZ,
		t == vec.JSON && f == vec.JSONB, f == t && kindsOf(vec.Bool, vec.Bytes, vec.Date, vec.Time, vec.Timestamp, vec.Interval, vec.JSON, vec.JSONB, vec.UUID).has(f):
		return copied
	case f == vec.Int32 && t == vec.Bool:
		return castIntToBool
	}
	return boxed(func(c *Call, a []vec.Value) (vec.Value, error) {
		return castValue(c.Ctx, k.d, k.explicit, c.Types[0], c.Type, a[0])
	})
}

// CastValue casts one value, for constants and nested data.
func CastValue(c *Ctx, d Dialect, how CastContext, from, to vec.Type, x vec.Value) (vec.Value, error) {
	if x == nil {
		return nil, nil
	}
	f, ok := Cast(from, to, d, how)
	if !ok {
		return nil, CannotCast(d, from, to)
	}
	var failed error
	ctx := *c
	ctx.Fail = func(_ int, err error) { failed = err }
	out := vec.New(to)
	out.Reset(to, 1)
	f.Eval(&Call{Ctx: &ctx, Types: []vec.Type{from}, Type: to}, vec.Identity(1), []*vec.Vec{vec.ConstOf(from, x)}, out)
	if failed != nil {
		return nil, failed
	}
	return out.Get(0), nil
}

// CannotCast is the error for a cast that does not exist.
func CannotCast(d Dialect, from, to vec.Type) error {
	if d == KSQL {
		return pgerr.Newf(pgerr.CannotCoerce, "cast of %s to %s is not supported", from.KSQL(), to.KSQL())
	}
	return pgerr.Newf(pgerr.CannotCoerce, "cannot cast type %s to %s", typeNames(d, []vec.Type{from}), typeNames(d, []vec.Type{to}))
}

func castToText(explicit bool) Kernel {
	return func(c *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
		f, a := c.format(), args[0]
		plain := c.Type.OID == 0 && c.Type.Precision == 0
		for _, r := range rows {
			start := len(out.Data)
			switch {
			case a.Type.Kind == vec.Bool && a.Int(int(r)) != 0:
				out.Data = append(out.Data, "true"...)
			case a.Type.Kind == vec.Bool:
				out.Data = append(out.Data, "false"...)
			case a.Type.OID == vec.OIDBPChar && c.Type.OID != vec.OIDBPChar:
				b := a.Bytes(int(r))
				for len(b) > 0 && b[len(b)-1] == ' ' {
					b = b[:len(b)-1]
				}
				out.Data = append(out.Data, b...)
			default:
				out.Data = vec.AppendText(out.Data, a, int(r), f)
			}
			if !plain {
				s, err := vec.FitText(c.Type, string(out.Data[start:]), explicit)
				if err != nil {
					c.fail(out, int(r), err)
					continue
				}
				out.Data = append(out.Data[:start], s...)
			}
			out.Close(int(r), start)
		}
	}
}

func castFromText(k castKey) Kernel {
	return func(c *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
		f := c.format()
		for _, r := range rows {
			var x vec.Value
			var err error
			s := string(args[0].Bytes(int(r)))
			if k.d == KSQL {
				x, err = parseKSQL(c.Type, s, f)
			} else {
				x, err = vec.Parse(c.Type, s, f)
			}
			if err != nil {
				c.fail(out, int(r), err)
				continue
			}
			out.Set(int(r), x)
		}
	}
}

// wrapIntToInt is Java's conversion: the low bits are kept.
func wrapIntToInt(c *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
	k := spare(c.Type.Kind)
	for _, r := range rows {
		out.Ints[r] = args[0].Int(int(r)) << k >> k
	}
}

func castIntToInt(c *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
	a, m := args[0].Ints, mask(args[0])
	if c.Type.Kind == vec.OID {
		for _, r := range rows {
			x := a[int(r)&m]
			if x > math.MaxUint32 || x < math.MinInt32 {
				c.fail(out, int(r), outOfRange(vec.OID))
				continue
			}
			out.Ints[r] = int64(uint32(x))
		}
		return
	}
	k := spare(c.Type.Kind)
	if c.Types[0].Kind == vec.OID && c.Type.Kind == vec.Int32 {
		for _, r := range rows {
			out.Ints[r] = int64(int32(a[int(r)&m]))
		}
		return
	}
	for _, r := range rows {
		x := a[int(r)&m]
		if x<<k>>k != x {
			c.fail(out, int(r), outOfRange(c.Type.Kind))
			continue
		}
		out.Ints[r] = x
	}
}

func castIntToBool(_ *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
	for _, r := range rows {
		out.Ints[r] = 0
		if args[0].Int(int(r)) != 0 {
			out.Ints[r] = 1
		}
	}
}

func castIntToFloat(c *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
	a, m := args[0].Ints, mask(args[0])
	if c.Type.Kind == vec.Float32 {
		for _, r := range rows {
			out.Floats[r] = float64(float32(a[int(r)&m]))
		}
		return
	}
	for _, r := range rows {
		out.Floats[r] = float64(a[int(r)&m])
	}
}

// intLimits are the floats that bound an integer kind: lo <= x < hi.
func intLimits(k vec.Kind) (lo, hi float64) {
	switch k {
	case vec.Int16:
		return -1 << 15, 1 << 15
	case vec.Int32:
		return -1 << 31, 1 << 31
	case vec.OID:
		return 0, 1 << 32
	}
	return -1 << 63, 1 << 63
}

func castFloatToInt(c *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
	lo, hi := intLimits(c.Type.Kind)
	for _, r := range rows {
		x := math.RoundToEven(args[0].Float(int(r)))
		if !(x >= lo && x < hi) {
			c.fail(out, int(r), outOfRange(c.Type.Kind))
			continue
		}
		out.Ints[r] = int64(x)
	}
}

// truncFloatToInt is Java's conversion: towards zero, limits for what is beyond.
func truncFloatToInt(c *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
	for _, r := range rows {
		out.Ints[r] = javaInt(args[0].Float(int(r)), c.Type.Kind)
	}
}

func javaInt(x float64, k vec.Kind) int64 {
	lo, hi := intLimits(k)
	switch {
	case x != x:
		return 0
	case x < lo:
		return int64(lo)
	case x >= hi:
		if k == vec.Int64 {
			return math.MaxInt64
		}
		return int64(hi) - 1
	}
	return int64(x)
}

func castFloatToFloat(c *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
	for _, r := range rows {
		x := args[0].Float(int(r))
		if c.Type.Kind == vec.Float32 {
			y := float64(float32(x))
			if err := floatErr(vec.Float32, x, 0, y, x == 0); err != nil {
				c.fail(out, int(r), err)
				continue
			}
			x = y
		}
		out.Floats[r] = x
	}
}

// castValue is the cast of what has no loop of its own.
func castValue(c *Ctx, d Dialect, explicit bool, from, to vec.Type, x vec.Value) (vec.Value, error) {
	how := Implicit
	if explicit {
		how = Explicit
	}
	switch {
	case from.Kind == vec.Array && to.Kind == vec.Array:
		return castElements(x.([]vec.Value), func(int) (vec.Type, vec.Type) { return *from.Elem, *to.Elem }, c, d, how)
	case from.Kind == vec.Struct && to.Kind == vec.Struct:
		return castStruct(c, d, how, from, to, x.([]vec.Value))
	case from.Kind == vec.Map && to.Kind == vec.Map:
		out := make(vec.MapValue, 0, len(x.(vec.MapValue)))
		for _, e := range x.(vec.MapValue) {
			k, err := CastValue(c, d, how, *from.Key, *to.Key, e.Key)
			if err != nil {
				return nil, err
			}
			v, err := CastValue(c, d, how, *from.Elem, *to.Elem, e.Value)
			if err != nil {
				return nil, err
			}
			out = append(out, vec.MapEntry{Key: k, Value: v})
		}
		return out, nil
	case from.Kind == vec.JSONB && to.Kind != vec.JSON:
		return castJSONB(c, d, to, x.(string))
	case to.Kind == vec.Decimal:
		return toDecimal(from, to, x)
	case from.Kind == vec.Decimal:
		return fromDecimal(d, to, x.(*apd.Decimal))
	case to.Kind == vec.JSONB && from.Kind == vec.JSON:
		return vec.NormalizeJSON(x.(string))
	case to.Kind == vec.JSON || to.Kind == vec.JSONB:
		return string(vec.AppendJSON(nil, from, x, c.format())), nil
	}
	if from.Layout() == vec.InInts || from.Kind == vec.Interval {
		return castTimes(c, from, to, x)
	}
	return nil, CannotCast(d, from, to)
}

func castElements(xs []vec.Value, types func(i int) (from, to vec.Type), c *Ctx, d Dialect, how CastContext) (vec.Value, error) {
	out := make([]vec.Value, len(xs))
	for i, x := range xs {
		from, to := types(i)
		var err error
		if out[i], err = CastValue(c, d, how, from, to, x); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func castStruct(c *Ctx, d Dialect, how CastContext, from, to vec.Type, xs []vec.Value) (vec.Value, error) {
	if d != KSQL {
		return castElements(xs, func(i int) (vec.Type, vec.Type) { return from.Fields[i].Type, to.Fields[i].Type }, c, d, how)
	}
	out := make([]vec.Value, len(to.Fields))
	for i, t := range to.Fields {
		for j, f := range from.Fields {
			if f.Name != t.Name {
				continue
			}
			var err error
			if out[i], err = CastValue(c, d, how, f.Type, t.Type, xs[j]); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

func toDecimal(from, to vec.Type, x vec.Value) (vec.Value, error) {
	var d *apd.Decimal
	switch v := x.(type) {
	case int64:
		d = apd.New(v, 0)
	case float64:
		var err error
		if d, err = decimalOfFloat(v, from.Kind); err != nil {
			return nil, err
		}
	case *apd.Decimal:
		d = v
	default:
		return nil, CannotCast(Postgres, from, to)
	}
	if err := vec.FitDecimal(d, to); err != nil {
		return nil, err
	}
	return d, nil
}

// decimalOfFloat keeps the digits that PostgreSQL keeps: 15 of a double, 6 of a real.
func decimalOfFloat(x float64, k vec.Kind) (*apd.Decimal, error) {
	switch {
	case x != x:
		return &apd.Decimal{Form: apd.NaN}, nil
	case math.IsInf(x, 0):
		return &apd.Decimal{Form: apd.Infinite, Negative: x < 0}, nil
	}
	digits := 15
	if k == vec.Float32 {
		digits = 6
	}
	return vec.ParseDecimal(formatG(x, digits))
}

func fromDecimal(d Dialect, to vec.Type, x *apd.Decimal) (vec.Value, error) {
	switch to.Kind {
	case vec.Float32, vec.Float64:
		return parseFloatOf(to, x)
	}
	if x.Form != apd.Finite {
		what := "infinity"
		if x.Form == apd.NaN {
			what = "NaN"
		}
		return nil, pgerr.Newf(pgerr.FeatureNotSupported, "cannot convert %s to %s", what, to)
	}
	n := new(apd.Decimal).Set(x)
	if d == KSQL {
		truncDecimal(n, 0)
	} else {
		vec.Rescale(n, 0)
	}
	i, err := n.Int64()
	if err != nil || i<<spare(to.Kind)>>spare(to.Kind) != i {
		if d == KSQL && n.Coeff.IsUint64() { // Java keeps the low bits
			return i << spare(to.Kind) >> spare(to.Kind), nil
		}
		return nil, outOfRange(to.Kind)
	}
	return i, nil
}

func parseFloatOf(to vec.Type, x *apd.Decimal) (vec.Value, error) {
	return vec.Parse(to, string(vec.AppendDecimalText(nil, x)), nil)
}

// truncDecimal cuts digits off.
func truncDecimal(d *apd.Decimal, scale int32) {
	if drop := int64(-d.Exponent) - int64(scale); drop > 0 && d.Form == apd.Finite {
		d.Coeff.Quo(&d.Coeff, tenTo(drop))
		d.Exponent = -scale
		if d.Coeff.Sign() == 0 {
			d.Negative = false
		}
	} else {
		vec.Rescale(d, scale)
	}
}

func castJSONB(c *Ctx, d Dialect, to vec.Type, s string) (vec.Value, error) {
	n, err := vec.ParseJSON(s)
	if err != nil {
		return nil, err
	}
	kind := "object"
	switch n.Kind {
	case vec.JSONNull:
		kind = "null"
	case vec.JSONString:
		kind = "string"
	case vec.JSONArray:
		kind = "array"
	case vec.JSONNumber:
		if to.IsNumeric() {
			num, err := vec.ParseDecimal(n.Text)
			if err != nil {
				return nil, err
			}
			return CastValue(c, d, Explicit, vec.Of(vec.Decimal), to, num)
		}
		kind = "numeric"
	case vec.JSONFalse, vec.JSONTrue:
		if to.Kind == vec.Bool {
			return n.Kind == vec.JSONTrue, nil
		}
		kind = "boolean"
	}
	return nil, pgerr.Newf("22023", "cannot cast jsonb %s to type %s", kind, to)
}

// castTimes converts between dates, times, timestamps and intervals.
func castTimes(c *Ctx, from, to vec.Type, x vec.Value) (vec.Value, error) {
	if iv, ok := x.(vec.IntervalValue); ok { // to time
		m := iv.Micros % vec.MicrosPerDay
		if m < 0 {
			m += vec.MicrosPerDay
		}
		return m, nil
	}
	t := x.(int64)
	infinite := t == vec.PosInfinity || t == vec.NegInfinity
	switch from.Kind {
	case vec.Date:
		if infinite {
			return t, nil
		}
		if t > maxTimestampDay {
			return nil, pgerr.Newf(pgerr.DatetimeOverflow, "date out of range for timestamp")
		}
		t *= vec.MicrosPerDay
		if to.Kind == vec.TimestampTZ {
			t = vec.LocalToUTC(t, c.zone())
		}
		return t, nil
	case vec.Time:
		if to.Kind == vec.Interval {
			return vec.IntervalValue{Micros: t}, nil
		}
	case vec.TimestampTZ, vec.Timestamp:
		if from.Kind == vec.TimestampTZ && to.Kind != vec.TimestampTZ {
			t = vec.UTCToLocal(t, c.zone())
		}
		if infinite && to.Kind != vec.Time {
			return t, nil
		}
		day, micros := vec.SplitMicros(t)
		switch to.Kind {
		case vec.Date:
			return day, nil
		case vec.Time:
			if infinite {
				return nil, nil
			}
			return micros, nil
		case vec.TimestampTZ:
			return vec.LocalToUTC(t, c.zone()), nil
		case vec.Timestamp:
			return t, nil
		}
	}
	return nil, CannotCast(Postgres, from, to)
}

const maxTimestampDay = 106751978
