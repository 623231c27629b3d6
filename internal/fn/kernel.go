package fn

import (
	"math"

	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
)

// fixed is the Result of functions whose type does not depend on arguments.
func fixed(t vec.Type) func([]vec.Type) (vec.Type, error) {
	return func([]vec.Type) (vec.Type, error) { return t, nil }
}

func of(k vec.Kind) func([]vec.Type) (vec.Type, error) { return fixed(vec.Of(k)) }

// arg is the Result of functions that return the type of argument i.
func arg(i int) func([]vec.Type) (vec.Type, error) {
	return func(args []vec.Type) (vec.Type, error) { return args[i], nil }
}

// params are parameters of plain kinds.
func params(ks ...vec.Kind) []Param {
	out := make([]Param, len(ks))
	for i, k := range ks {
		out[i].Kind = k
	}
	return out
}

// Parameters of polymorphic functions.
var (
	anyType   = Param{}                                      // any type, on its own
	anyElem   = Param{Var: 1}                                // all of these have one type
	anyArray  = Param{Kind: vec.Array, Var: 1, ElemOf: true} // and these are arrays of it
	anyStruct = Param{Kind: vec.Struct}                      // any struct
	anyMap    = Param{Kind: vec.Map}                         // any map
)

// mask makes a row number the place of the value: 0 in a constant column.
func mask(v *vec.Vec) int {
	if v.Const {
		return 0
	}
	return vec.MaxRows - 1
}

// format is how the session reads and writes text.
func (c *Ctx) format() *vec.TextFormat {
	f := &vec.TextFormat{Zone: c.Zone, Now: c.Now}
	if c.Catalog != nil {
		f.RegName, f.RegOID = RegNames(c.Catalog)
	}
	return f
}

// fail makes a row null and reports why.
func (c *Ctx) fail(out *vec.Vec, row int, err error) {
	out.SetNull(row)
	c.Fail(row, err)
}

// boxed makes a kernel of a function over boxed values, for what is not called
// millions of times a second.
func boxed(f func(c *Call, a []vec.Value) (vec.Value, error)) Kernel {
	return func(c *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
		a := make([]vec.Value, len(args))
		for _, r := range rows {
			i := int(r)
			for k, v := range args {
				if v != nil { // a lambda has no column
					a[k] = v.Get(i)
				}
			}
			x, err := f(c, a)
			if err != nil {
				c.fail(out, i, err)
				continue
			}
			out.Set(i, x)
		}
	}
}

// float1 is the kernel of a function of one float.
func float1(f func(float64) float64) Kernel {
	return func(_ *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
		a, m := args[0].Floats, mask(args[0])
		for _, r := range rows {
			out.Floats[r] = f(a[int(r)&m])
		}
	}
}

// float1Err is float1 for functions that some values are out of the domain of.
func float1Err(f func(float64) (float64, error)) Kernel {
	return func(c *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
		a, m := args[0].Floats, mask(args[0])
		for _, r := range rows {
			x, err := f(a[int(r)&m])
			if err != nil {
				c.fail(out, int(r), err)
				continue
			}
			out.Floats[r] = x
		}
	}
}

// text1 is the kernel of a function from text to text, which appends its result
// to dst.
func text1(f func(dst, s []byte) []byte) Kernel {
	return func(_ *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
		for _, r := range rows {
			start := len(out.Data)
			out.Data = f(out.Data, args[0].Bytes(int(r)))
			out.Close(int(r), start)
		}
	}
}

// textInt is the kernel of a function from text or bytes to an integer.
func textInt(f func(s []byte) int64) Kernel {
	return func(_ *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
		for _, r := range rows {
			out.Ints[r] = f(args[0].Bytes(int(r)))
		}
	}
}

// copied is the kernel of conversions that leave the value as it is.
func copied(_ *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
	a, m := args[0], mask(args[0])
	switch out.Type.Layout() {
	case vec.InInts:
		for _, r := range rows {
			out.Ints[r] = a.Ints[int(r)&m]
		}
	case vec.InFloats:
		for _, r := range rows {
			out.Floats[r] = a.Floats[int(r)&m]
		}
	default:
		for _, r := range rows {
			out.SetBytes(int(r), a.Bytes(int(r)))
		}
	}
}

// notNull appends to dst the rows for which no argument is null. It returns
// rows itself if there are no nulls at all.
func notNull(rows []uint16, args []*vec.Vec, dst []uint16) []uint16 {
	for _, v := range args {
		if v.Nulls == nil || v.Const && !v.Nulls.Has(0) || !v.Nulls.Any() {
			continue
		}
		if v.Const {
			return rows[:0]
		}
		keep := dst[:0]
		for _, r := range rows {
			if !v.Nulls.Has(int(r)) {
				keep = append(keep, r)
			}
		}
		rows = keep
	}
	return rows
}

func outOfRange(k vec.Kind) error {
	name := vec.Of(k).String()
	if k == vec.OID {
		name = "OID"
	}
	return pgerr.Newf(pgerr.NumericOutOfRange, "%s out of range", name)
}

var errDivisionByZero = pgerr.Newf(pgerr.DivisionByZero, "division by zero")

// A word of an aggregate's state holds a float by its bits.
func wordFloat(w int64) float64 { return math.Float64frombits(uint64(w)) }
func floatWord(x float64) int64 { return int64(math.Float64bits(x)) }
