package fn

import (
	"math"

	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
)

// ints are the integer kinds, narrow to wide.
var ints = [...]vec.Kind{vec.Int16, vec.Int32, vec.Int64}

// arithmetic is the family of + - * / % on numbers.
func arithmetic() []*Func {
	var out []*Func
	op := func(name string, d Dialect, a, b, result vec.Kind, k Kernel) {
		out = append(out, &Func{Name: name, Dialect: d, Params: params(a, b), Result: of(result), Eval: k})
	}
	for _, a := range ints {
		for _, b := range ints {
			w := max(a, b)
			op("+", Postgres, a, b, w, addInts)
			op("-", Postgres, a, b, w, subInts)
			op("*", Postgres, a, b, w, mulInts)
			op("/", Both, a, b, w, divInts)
			op("%", Both, a, b, w, modInts)
			op("+", KSQL, a, b, w, addWrap)
			op("-", KSQL, a, b, w, subWrap)
			op("*", KSQL, a, b, w, mulWrap)
		}
	}
	for _, k := range []vec.Kind{vec.Float32, vec.Float64} {
		op("+", Postgres, k, k, k, addFloats)
		op("-", Postgres, k, k, k, subFloats)
		op("*", Postgres, k, k, k, mulFloats)
		op("/", Postgres, k, k, k, divFloats)
		op("+", KSQL, k, k, k, addIEEE)
		op("-", KSQL, k, k, k, subIEEE)
		op("*", KSQL, k, k, k, mulIEEE)
		op("/", KSQL, k, k, k, divIEEE)
		op("%", KSQL, k, k, k, modIEEE)
	}
	for _, a := range []vec.Kind{vec.Float32, vec.Float64} {
		b := vec.Float32 + vec.Float64 - a
		op("+", Postgres, a, b, vec.Float64, addFloats)
		op("-", Postgres, a, b, vec.Float64, subFloats)
		op("*", Postgres, a, b, vec.Float64, mulFloats)
		op("/", Postgres, a, b, vec.Float64, divFloats)
	}
	for _, k := range append(ints[:], vec.Float32, vec.Float64, vec.Decimal) {
		out = append(out,
			&Func{Name: "-", Dialect: Both, Params: params(k), Result: arg(0), Eval: negate},
			&Func{Name: "+", Dialect: Both, Params: params(k), Result: arg(0), Eval: copied},
			&Func{Name: "@", Dialect: Postgres, Params: params(k), Result: arg(0), Eval: absolute},
			&Func{Name: "abs", Dialect: Both, Params: params(k), Result: arg(0), Eval: absolute},
		)
	}
	return append(out, decimalArithmetic...)
}

// fits returns by how many bits a value is shifted up and down again to see
// whether it fits the integer kind.
func spare(k vec.Kind) uint {
	switch k {
	case vec.Int16:
		return 48
	case vec.Int32:
		return 32
	}
	return 0
}

// failInts reports the rows of an integer operation that went out of range. It
// is called after a loop that only noticed that there is one.
func failInts(c *Call, rows []uint16, args []*vec.Vec, out *vec.Vec, bad func(x, y int64) bool) {
	for _, r := range rows {
		if bad(args[0].Int(int(r)), args[1].Int(int(r))) {
			c.fail(out, int(r), outOfRange(c.Type.Kind))
		}
	}
}

func addInts(c *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
	a, b, o := args[0].Ints, args[1].Ints, out.Ints
	ma, mb, k := mask(args[0]), mask(args[1]), spare(c.Type.Kind)
	var bad int64
	for _, r := range rows {
		x, y := a[int(r)&ma], b[int(r)&mb]
		s := x + y
		o[r] = s
		bad |= (s^x)&(s^y)>>63 | (s<<k>>k ^ s)
	}
	if bad != 0 {
		failInts(c, rows, args, out, func(x, y int64) bool {
			s := x + y
			return (s^x)&(s^y) < 0 || s<<k>>k != s
		})
	}
}

func subInts(c *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
	a, b, o := args[0].Ints, args[1].Ints, out.Ints
	ma, mb, k := mask(args[0]), mask(args[1]), spare(c.Type.Kind)
	var bad int64
	for _, r := range rows {
		x, y := a[int(r)&ma], b[int(r)&mb]
		s := x - y
		o[r] = s
		bad |= (x^y)&(s^x)>>63 | (s<<k>>k ^ s)
	}
	if bad != 0 {
		failInts(c, rows, args, out, func(x, y int64) bool {
			s := x - y
			return (x^y)&(s^x) < 0 || s<<k>>k != s
		})
	}
}

func mulInts(c *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
	a, b, o := args[0].Ints, args[1].Ints, out.Ints
	ma, mb, k := mask(args[0]), mask(args[1]), spare(c.Type.Kind)
	var bad, wide int64
	for _, r := range rows {
		x, y := a[int(r)&ma], b[int(r)&mb]
		p := x * y
		o[r] = p
		bad |= p<<k>>k ^ p
		wide |= (x<<32>>32 ^ x) | (y<<32>>32 ^ y) // only such factors can leave 64 bits
	}
	if bad|wide != 0 {
		failInts(c, rows, args, out, func(x, y int64) bool {
			p := x * y
			return p<<k>>k != p || mulOverflows(x, y, p)
		})
	}
}

func mulOverflows(x, y, p int64) bool {
	return x != 0 && (p/x != y || x == -1 && y == math.MinInt64)
}

func addWrap(c *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
	a, b, o := args[0].Ints, args[1].Ints, out.Ints
	ma, mb, k := mask(args[0]), mask(args[1]), spare(c.Type.Kind)
	for _, r := range rows {
		o[r] = (a[int(r)&ma] + b[int(r)&mb]) << k >> k
	}
}

func subWrap(c *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
	a, b, o := args[0].Ints, args[1].Ints, out.Ints
	ma, mb, k := mask(args[0]), mask(args[1]), spare(c.Type.Kind)
	for _, r := range rows {
		o[r] = (a[int(r)&ma] - b[int(r)&mb]) << k >> k
	}
}

func mulWrap(c *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
	a, b, o := args[0].Ints, args[1].Ints, out.Ints
	ma, mb, k := mask(args[0]), mask(args[1]), spare(c.Type.Kind)
	for _, r := range rows {
		o[r] = (a[int(r)&ma] * b[int(r)&mb]) << k >> k
	}
}

func divInts(c *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
	a, b, o := args[0].Ints, args[1].Ints, out.Ints
	ma, mb, k := mask(args[0]), mask(args[1]), spare(c.Type.Kind)
	for _, r := range rows {
		x, y := a[int(r)&ma], b[int(r)&mb]
		if y == 0 {
			c.fail(out, int(r), errDivisionByZero)
			continue
		}
		q := x / y
		if y == -1 && (x == math.MinInt64 || q<<k>>k != q) {
			c.fail(out, int(r), outOfRange(c.Type.Kind))
			continue
		}
		o[r] = q
	}
}

func modInts(c *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
	a, b, o := args[0].Ints, args[1].Ints, out.Ints
	ma, mb := mask(args[0]), mask(args[1])
	for _, r := range rows {
		y := b[int(r)&mb]
		if y == 0 {
			c.fail(out, int(r), errDivisionByZero)
			continue
		}
		o[r] = a[int(r)&ma] % y
	}
}

// floatErr is what PostgreSQL says of a result that finite arguments should not
// have: infinite, or zero where only zero gives zero. z is the result.
func floatErr(k vec.Kind, x, y, z float64, zeroOK bool) error {
	if k == vec.Float32 {
		z = float64(float32(z))
	}
	switch {
	case math.IsInf(z, 0) && !math.IsInf(x, 0) && !math.IsInf(y, 0):
		return pgerr.Newf(pgerr.NumericOutOfRange, "value out of range: overflow")
	case z == 0 && !zeroOK:
		return pgerr.Newf(pgerr.NumericOutOfRange, "value out of range: underflow")
	}
	return nil
}

// checkFloats rounds results to real and reports those out of range. suspect
// tells that the loop has seen one that might be.
func checkFloats(c *Call, rows []uint16, args []*vec.Vec, out *vec.Vec, suspect bool, zeroOK func(x, y float64) bool) {
	if c.Type.Kind != vec.Float32 && !suspect {
		return
	}
	for _, r := range rows {
		x, y := args[0].Float(int(r)), args[1].Float(int(r))
		if err := floatErr(c.Type.Kind, x, y, out.Floats[r], zeroOK(x, y)); err != nil {
			c.fail(out, int(r), err)
			continue
		}
		if c.Type.Kind == vec.Float32 {
			out.Floats[r] = float64(float32(out.Floats[r]))
		}
	}
}

func anyXY(_, _ float64) bool { return true }

func addFloats(c *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
	a, b, o := args[0].Floats, args[1].Floats, out.Floats
	ma, mb := mask(args[0]), mask(args[1])
	suspect := false
	for _, r := range rows {
		z := a[int(r)&ma] + b[int(r)&mb]
		o[r] = z
		if z-z != 0 {
			suspect = true
		}
	}
	checkFloats(c, rows, args, out, suspect, anyXY)
}

func subFloats(c *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
	a, b, o := args[0].Floats, args[1].Floats, out.Floats
	ma, mb := mask(args[0]), mask(args[1])
	suspect := false
	for _, r := range rows {
		z := a[int(r)&ma] - b[int(r)&mb]
		o[r] = z
		if z-z != 0 {
			suspect = true
		}
	}
	checkFloats(c, rows, args, out, suspect, anyXY)
}

func mulFloats(c *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
	a, b, o := args[0].Floats, args[1].Floats, out.Floats
	ma, mb := mask(args[0]), mask(args[1])
	suspect := false
	for _, r := range rows {
		z := a[int(r)&ma] * b[int(r)&mb]
		o[r] = z
		if z-z != 0 || z == 0 {
			suspect = true
		}
	}
	checkFloats(c, rows, args, out, suspect, func(x, y float64) bool { return x == 0 || y == 0 })
}

func divFloats(c *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
	a, b, o := args[0].Floats, args[1].Floats, out.Floats
	ma, mb := mask(args[0]), mask(args[1])
	suspect := false
	for _, r := range rows {
		x, y := a[int(r)&ma], b[int(r)&mb]
		if y == 0 && x == x {
			c.fail(out, int(r), errDivisionByZero)
			o[r] = math.NaN()
			continue
		}
		z := x / y
		o[r] = z
		if z-z != 0 || z == 0 {
			suspect = true
		}
	}
	if suspect || c.Type.Kind == vec.Float32 {
		if out.Nulls != nil {
			var buf [vec.MaxRows]uint16
			rows = notNull(rows, []*vec.Vec{out}, buf[:0])
		}
		checkFloats(c, rows, args, out, suspect, func(x, y float64) bool { return x == 0 || math.IsInf(y, 0) })
	}
}

func addIEEE(_ *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
	a, b, o := args[0].Floats, args[1].Floats, out.Floats
	ma, mb := mask(args[0]), mask(args[1])
	for _, r := range rows {
		o[r] = a[int(r)&ma] + b[int(r)&mb]
	}
}

func subIEEE(_ *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
	a, b, o := args[0].Floats, args[1].Floats, out.Floats
	ma, mb := mask(args[0]), mask(args[1])
	for _, r := range rows {
		o[r] = a[int(r)&ma] - b[int(r)&mb]
	}
}

func mulIEEE(_ *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
	a, b, o := args[0].Floats, args[1].Floats, out.Floats
	ma, mb := mask(args[0]), mask(args[1])
	for _, r := range rows {
		o[r] = a[int(r)&ma] * b[int(r)&mb]
	}
}

func divIEEE(_ *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
	a, b, o := args[0].Floats, args[1].Floats, out.Floats
	ma, mb := mask(args[0]), mask(args[1])
	for _, r := range rows {
		o[r] = a[int(r)&ma] / b[int(r)&mb]
	}
}

func modIEEE(_ *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
	for _, r := range rows {
		out.Floats[r] = math.Mod(args[0].Float(int(r)), args[1].Float(int(r)))
	}
}

func negate(c *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
	switch a := args[0]; c.Type.Layout() {
	case vec.InInts:
		k := spare(c.Type.Kind)
		for _, r := range rows {
			x := a.Int(int(r))
			if x == -x && x != 0 || -x<<k>>k != -x {
				c.fail(out, int(r), outOfRange(c.Type.Kind))
				continue
			}
			out.Ints[r] = -x
		}
	case vec.InFloats:
		for _, r := range rows {
			out.Floats[r] = -a.Float(int(r))
		}
	default:
		for _, r := range rows {
			d := decimalAt(a, int(r))
			d.Negative = !d.Negative && !d.IsZero()
			setDecimal(out, int(r), d)
		}
	}
}

func absolute(c *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
	switch a := args[0]; c.Type.Layout() {
	case vec.InInts:
		k := spare(c.Type.Kind)
		for _, r := range rows {
			x := a.Int(int(r))
			if x < 0 {
				x = -x
			}
			if x < 0 || x<<k>>k != x {
				c.fail(out, int(r), outOfRange(c.Type.Kind))
				continue
			}
			out.Ints[r] = x
		}
	case vec.InFloats:
		for _, r := range rows {
			out.Floats[r] = math.Abs(a.Float(int(r)))
		}
	default:
		for _, r := range rows {
			d := decimalAt(a, int(r))
			d.Negative = false
			setDecimal(out, int(r), d)
		}
	}
}
