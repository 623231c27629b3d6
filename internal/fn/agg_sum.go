package fn

import (
	"math"
	"math/bits"

	"github.com/cockroachdb/apd/v3"

	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
)

// at returns the words of a group's state.
func (s *States) at(group uint32, n int) []int64 {
	i := int(group)*s.Stride + s.Off
	return s.Words[i : i+n : i+n]
}

// signOf is the sign of the k-th row.
func signOf(sign []int8, k int) int64 {
	if sign == nil {
		return 1
	}
	return int64(sign[k])
}

// add2 adds words of group from to those of group to.
func (s *States) addWords(to, from uint32, n int) {
	t, f := s.at(to, n), s.at(from, n)
	for i, x := range f {
		t[i] += x
	}
}

func newAgg(a Aggregator) func([]vec.Type) (Aggregator, error) {
	return func([]vec.Type) (Aggregator, error) { return a, nil }
}

var counts = []*Agg{
	{Name: "count", Dialect: Both, Params: nil, Result: of(vec.Int64), New: newAgg(countRows{})},
	{Name: "count", Dialect: Both, Params: []Param{anyType}, Result: of(vec.Int64), New: newAgg(countValues{})},
}

// noBytes is for aggregates whose state is words and that know -1.
type noBytes struct{}

func (noBytes) HasBytes() bool    { return false }
func (noBytes) Retractable() bool { return true }

// countRows is count(*).
type countRows struct{ noBytes }

func (countRows) Words() int { return 1 }

func (countRows) Add(_ *Ctx, s *States, groups []uint32, rows []uint16, sign []int8, _ []*vec.Vec) {
	w, stride, off := s.Words, s.Stride, s.Off
	if sign == nil {
		for _, g := range groups[:len(rows)] {
			w[int(g)*stride+off]++
		}
		return
	}
	for k, g := range groups[:len(rows)] {
		w[int(g)*stride+off] += int64(sign[k])
	}
}

func (countRows) Merge(_ *Ctx, s *States, to, from uint32) { s.addWords(to, from, 1) }

func (countRows) Result(_ *Ctx, s *States, groups []uint32, rows []uint16, out *vec.Vec) {
	for k, g := range groups {
		out.Ints[rows[k]] = s.at(g, 1)[0]
	}
}

// countValues is count(x).
type countValues struct{ countRows }

func (countValues) Add(c *Ctx, s *States, groups []uint32, rows []uint16, sign []int8, args []*vec.Vec) {
	a := args[0]
	if a.Nulls == nil {
		countRows{}.Add(c, s, groups, rows, sign, nil)
		return
	}
	for k, r := range rows {
		if !a.Null(int(r)) {
			s.Words[int(groups[k])*s.Stride+s.Off] += signOf(sign, k)
		}
	}
}

func sums() []*Agg {
	agg := func(d Dialect, k, result vec.Kind, a Aggregator) *Agg {
		return &Agg{Name: "sum", Dialect: d, Params: params(k), Result: of(result), New: newAgg(a)}
	}
	return []*Agg{
		agg(Postgres, vec.Int16, vec.Int64, sumInts{}),
		agg(Postgres, vec.Int32, vec.Int64, sumInts{}),
		agg(Postgres, vec.Int64, vec.Decimal, sumBigints{}),
		agg(KSQL, vec.Int32, vec.Int32, sumInts{narrow: true}),
		agg(KSQL, vec.Int64, vec.Int64, sumInts{}),
		agg(Both, vec.Float32, vec.Float32, sumFloats{}),
		agg(Both, vec.Float64, vec.Float64, sumFloats{}),
		{Name: "sum", Dialect: Postgres, Params: params(vec.Decimal), Result: of(vec.Decimal), New: newAgg(sumDecimal{})},
		{Name: "sum", Dialect: KSQL, Params: params(vec.Decimal), Result: arg(0), New: newAgg(sumDecimal{ksql: true})},
		agg(Postgres, vec.Interval, vec.Interval, sumIntervals{}),
	}
}

func averages() []*Agg {
	agg := func(d Dialect, k, result vec.Kind, a Aggregator) *Agg {
		return &Agg{Name: "avg", Dialect: d, Params: params(k), Result: of(result), New: newAgg(a)}
	}
	return []*Agg{
		agg(Postgres, vec.Int16, vec.Decimal, avgInts{}),
		agg(Postgres, vec.Int32, vec.Decimal, avgInts{}),
		agg(Postgres, vec.Int64, vec.Decimal, avgInts{}),
		agg(KSQL, vec.Int32, vec.Float64, avgIntsFloat{}),
		agg(KSQL, vec.Int64, vec.Float64, avgIntsFloat{}),
		agg(Both, vec.Float32, vec.Float64, avgFloats{}),
		agg(Both, vec.Float64, vec.Float64, avgFloats{}),
		agg(Postgres, vec.Decimal, vec.Decimal, avgDecimal{}),
		agg(Postgres, vec.Interval, vec.Interval, avgIntervals{}),
	}
}

// sumInts is a sum that fits 64 bits as long as PostgreSQL's does: words are the
// sum and the number of values.
type sumInts struct {
	noBytes
	narrow bool // the result wraps at 32 bits, as Java's
}

func (sumInts) Words() int { return 2 }

func (sumInts) Add(_ *Ctx, s *States, groups []uint32, rows []uint16, sign []int8, args []*vec.Vec) {
	v := args[0]
	a, m, w, stride, off := v.Ints, mask(v), s.Words, s.Stride, s.Off
	if v.Nulls == nil && sign == nil {
		for k, r := range rows {
			i := int(groups[k])*stride + off
			w[i] += a[int(r)&m]
			w[i+1]++
		}
		return
	}
	for k, r := range rows {
		if v.Null(int(r)) {
			continue
		}
		i, d := int(groups[k])*stride+off, signOf(sign, k)
		w[i] += d * a[int(r)&m]
		w[i+1] += d
	}
}

func (sumInts) Merge(_ *Ctx, s *States, to, from uint32) { s.addWords(to, from, 2) }

func (a sumInts) Result(_ *Ctx, s *States, groups []uint32, rows []uint16, out *vec.Vec) {
	for k, g := range groups {
		w := s.at(g, 2)
		switch {
		case w[1] == 0:
			out.SetNull(int(rows[k]))
		case a.narrow:
			out.Ints[rows[k]] = int64(int32(w[0]))
		default:
			out.Ints[rows[k]] = w[0]
		}
	}
}

// sumBigints sums to 128 bits: words are low half, high half, number of values.
type sumBigints struct{ noBytes }

func (sumBigints) Words() int { return 3 }

func (sumBigints) Add(_ *Ctx, s *States, groups []uint32, rows []uint16, sign []int8, args []*vec.Vec) {
	v := args[0]
	a, m, w, stride, off := v.Ints, mask(v), s.Words, s.Stride, s.Off
	if v.Nulls == nil && sign == nil {
		for k, r := range rows {
			i, x := int(groups[k])*stride+off, a[int(r)&m]
			lo, carry := bits.Add64(uint64(w[i]), uint64(x), 0)
			w[i] = int64(lo)
			w[i+1] += x>>63 + int64(carry)
			w[i+2]++
		}
		return
	}
	for k, r := range rows {
		if v.Null(int(r)) {
			continue
		}
		i, x := int(groups[k])*stride+off, a[int(r)&m]
		hi := x >> 63
		d := signOf(sign, k)
		if d < 0 {
			x, hi = -x, ^hi
			if x == 0 {
				hi = 0 // -0 carries into the high half
			}
			if x == math.MinInt64 {
				hi = 0
			}
		}
		lo, carry := bits.Add64(uint64(w[i]), uint64(x), 0)
		w[i] = int64(lo)
		w[i+1] += hi + int64(carry)
		w[i+2] += d
	}
}

func (sumBigints) Merge(_ *Ctx, s *States, to, from uint32) {
	t, f := s.at(to, 3), s.at(from, 3)
	lo, carry := bits.Add64(uint64(t[0]), uint64(f[0]), 0)
	t[0] = int64(lo)
	t[1] += f[1] + int64(carry)
	t[2] += f[2]
}

func (sumBigints) Result(_ *Ctx, s *States, groups []uint32, rows []uint16, out *vec.Vec) {
	for k, g := range groups {
		w := s.at(g, 3)
		if w[2] == 0 {
			out.SetNull(int(rows[k]))
			continue
		}
		if w[1] == w[0]>>63 {
			start := len(out.Data)
			if w[0] != math.MinInt64 {
				out.Data = vec.AppendSmallDecimal(out.Data, w[0], 0)
				out.Close(int(rows[k]), start)
				continue
			}
		}
		setDecimal(out, int(rows[k]), int128(w[0], w[1]))
	}
}

// int128 is the decimal of a 128-bit integer.
func int128(lo, hi int64) *apd.Decimal {
	var z, l apd.BigInt
	z.SetInt64(hi)
	z.Lsh(&z, 64)
	z.Add(&z, l.SetUint64(uint64(lo)))
	return unsigned(&z, 0)
}

// avgInts is the numeric average of integers.
type avgInts struct{ sumBigints }

func (avgInts) Result(_ *Ctx, s *States, groups []uint32, rows []uint16, out *vec.Vec) {
	for k, g := range groups {
		w := s.at(g, 3)
		if w[2] == 0 {
			out.SetNull(int(rows[k]))
			continue
		}
		x, n := int128(w[0], w[1]), apd.New(w[2], 0)
		setDecimal(out, int(rows[k]), quotient(x, n, divScale(x, n)))
	}
}

// avgIntsFloat is ksqlDB's average of integers, a double.
type avgIntsFloat struct{ sumInts }

func (avgIntsFloat) Result(_ *Ctx, s *States, groups []uint32, rows []uint16, out *vec.Vec) {
	for k, g := range groups {
		if w := s.at(g, 2); w[1] != 0 {
			out.Floats[rows[k]] = float64(w[0]) / float64(w[1])
		} else {
			out.SetNull(int(rows[k]))
		}
	}
}

// sumFloats sums floats: words are the sum of finite values, the number of
// values, and how many of them are NaN, +Inf and -Inf, so that taking one of
// those away again leaves no trace.
type sumFloats struct{ noBytes }

func (sumFloats) Words() int { return 5 }

func (sumFloats) Add(_ *Ctx, s *States, groups []uint32, rows []uint16, sign []int8, args []*vec.Vec) {
	v := args[0]
	a, m, w, stride, off := v.Floats, mask(v), s.Words, s.Stride, s.Off
	for k, r := range rows {
		if v.Nulls != nil && v.Null(int(r)) {
			continue
		}
		i, x, d := int(groups[k])*stride+off, a[int(r)&m], int64(1)
		if sign != nil {
			d = int64(sign[k])
		}
		w[i+1] += d
		switch {
		case x-x == 0:
			w[i] = int64(math.Float64bits(math.Float64frombits(uint64(w[i])) + float64(d)*x))
		case x != x:
			w[i+2] += d
		case x > 0:
			w[i+3] += d
		default:
			w[i+4] += d
		}
	}
}

func (sumFloats) Merge(_ *Ctx, s *States, to, from uint32) {
	t, f := s.at(to, 5), s.at(from, 5)
	sum := math.Float64frombits(uint64(t[0])) + math.Float64frombits(uint64(f[0]))
	s.addWords(to, from, 5)
	t[0] = int64(math.Float64bits(sum))
}

// floatSum is the sum that the words of sumFloats stand for.
func floatSum(w []int64) float64 {
	switch {
	case w[2] != 0 || w[3] != 0 && w[4] != 0:
		return math.NaN()
	case w[3] != 0:
		return math.Inf(1)
	case w[4] != 0:
		return math.Inf(-1)
	}
	return math.Float64frombits(uint64(w[0]))
}

func (sumFloats) Result(c *Ctx, s *States, groups []uint32, rows []uint16, out *vec.Vec) {
	for k, g := range groups {
		w := s.at(g, 5)
		x := floatSum(w)
		switch {
		case w[1] == 0:
			out.SetNull(int(rows[k]))
		case math.IsInf(x, 0) && w[3] == 0 && w[4] == 0:
			c.fail(out, int(rows[k]), pgerr.Newf(pgerr.NumericOutOfRange, "value out of range: overflow"))
		case out.Type.Kind == vec.Float32:
			out.Floats[rows[k]] = float64(float32(x))
		default:
			out.Floats[rows[k]] = x
		}
	}
}

type avgFloats struct{ sumFloats }

func (avgFloats) Result(_ *Ctx, s *States, groups []uint32, rows []uint16, out *vec.Vec) {
	for k, g := range groups {
		if w := s.at(g, 5); w[1] != 0 {
			out.Floats[rows[k]] = floatSum(w) / float64(w[1])
		} else {
			out.SetNull(int(rows[k]))
		}
	}
}

// sumDecimal sums decimals: words are a small coefficient, its exponent, the
// number of values, and of NaN, +Inf and -Inf among them. What the small part
// cannot hold is in the bytes, as an encoded decimal.
type sumDecimal struct{ ksql bool }

func (sumDecimal) Words() int        { return 6 }
func (sumDecimal) HasBytes() bool    { return true }
func (sumDecimal) Retractable() bool { return true }

func (sumDecimal) Add(_ *Ctx, s *States, groups []uint32, rows []uint16, sign []int8, args []*vec.Vec) {
	v := args[0]
	for k, r := range rows {
		if v.Null(int(r)) {
			continue
		}
		g, d, b := groups[k], signOf(sign, k), v.Bytes(int(r))
		w := s.at(g, 6)
		w[2] += d
		if x, e, ok := vec.SmallDecimal(b); ok {
			x *= d
			if a, y, exp, ok := align(w[0], int32(w[1]), x, e); ok {
				if sum := a + y; (sum^a)&(sum^y) >= 0 {
					w[0], w[1] = sum, int64(exp)
					continue
				}
			}
		}
		x := decimalAt(v, int(r))
		switch {
		case x.Form == apd.NaN:
			w[3] += d
		case x.Form == apd.Infinite && x.Negative:
			w[5] += d
		case x.Form == apd.Infinite:
			w[4] += d
		default:
			big := addDecimal(s.big(g), x, d < 0)
			s.Set(g, vec.AppendDecimal(nil, big))
		}
	}
}

// big returns the part of a sum that is kept in bytes.
func (s *States) big(group uint32) *apd.Decimal {
	if d, err := vec.DecodeDecimal(s.Get(group)); err == nil {
		return d
	}
	return new(apd.Decimal)
}

func (a sumDecimal) Merge(_ *Ctx, s *States, to, from uint32) {
	total := addDecimal(a.finite(s, to), a.finite(s, from), false)
	t, f := s.at(to, 6), s.at(from, 6)
	for i := 2; i < 6; i++ {
		t[i] += f[i]
	}
	t[0], t[1] = 0, int64(total.Exponent)
	s.Set(to, vec.AppendDecimal(nil, total))
}

func (sumDecimal) finite(s *States, g uint32) *apd.Decimal {
	w := s.at(g, 6)
	return addDecimal(apd.New(w[0], int32(w[1])), s.big(g), false)
}

func (a sumDecimal) total(s *States, g uint32) *apd.Decimal {
	switch w := s.at(g, 6); {
	case w[3] != 0 || w[4] != 0 && w[5] != 0:
		return &apd.Decimal{Form: apd.NaN}
	case w[4] != 0:
		return &apd.Decimal{Form: apd.Infinite}
	case w[5] != 0:
		return &apd.Decimal{Form: apd.Infinite, Negative: true}
	}
	return a.finite(s, g)
}

func (a sumDecimal) Result(c *Ctx, s *States, groups []uint32, rows []uint16, out *vec.Vec) {
	for k, g := range groups {
		if s.at(g, 6)[2] == 0 {
			out.SetNull(int(rows[k]))
			continue
		}
		d := a.total(s, g)
		if a.ksql {
			if err := vec.FitDecimal(d, out.Type); err != nil {
				c.fail(out, int(rows[k]), err)
				continue
			}
		}
		setDecimal(out, int(rows[k]), d)
	}
}

type avgDecimal struct{ sumDecimal }

func (a avgDecimal) Result(c *Ctx, s *States, groups []uint32, rows []uint16, out *vec.Vec) {
	for k, g := range groups {
		n := s.at(g, 6)[2]
		if n == 0 {
			out.SetNull(int(rows[k]))
			continue
		}
		d, err := divDecimal(a.total(s, g), apd.New(n, 0))
		if err != nil {
			c.fail(out, int(rows[k]), err)
			continue
		}
		setDecimal(out, int(rows[k]), d)
	}
}

// sumIntervals sums intervals part by part: months, days, microseconds, number.
type sumIntervals struct{ noBytes }

func (sumIntervals) Words() int { return 4 }

func (sumIntervals) Add(_ *Ctx, s *States, groups []uint32, rows []uint16, sign []int8, args []*vec.Vec) {
	for k, r := range rows {
		if args[0].Null(int(r)) {
			continue
		}
		x, d, w := vec.DecodeInterval(args[0].Bytes(int(r))), signOf(sign, k), s.at(groups[k], 4)
		w[0] += d * int64(x.Months)
		w[1] += d * int64(x.Days)
		w[2] += d * x.Micros
		w[3] += d
	}
}

func (sumIntervals) Merge(_ *Ctx, s *States, to, from uint32) { s.addWords(to, from, 4) }

func (sumIntervals) Result(c *Ctx, s *States, groups []uint32, rows []uint16, out *vec.Vec) {
	for k, g := range groups {
		w := s.at(g, 4)
		switch {
		case w[3] == 0:
			out.SetNull(int(rows[k]))
		case w[0] != int64(int32(w[0])) || w[1] != int64(int32(w[1])):
			c.fail(out, int(rows[k]), pgerr.Newf(pgerr.DatetimeOverflow, "interval out of range"))
		default:
			out.Set(int(rows[k]), vec.IntervalValue{Months: int32(w[0]), Days: int32(w[1]), Micros: w[2]})
		}
	}
}

type avgIntervals struct{ sumIntervals }

func (avgIntervals) Result(c *Ctx, s *States, groups []uint32, rows []uint16, out *vec.Vec) {
	for k, g := range groups {
		w := s.at(g, 4)
		if w[3] == 0 {
			out.SetNull(int(rows[k]))
			continue
		}
		x, err := divInterval(vec.IntervalValue{Months: int32(w[0]), Days: int32(w[1]), Micros: w[2]}, float64(w[3]))
		if err != nil {
			c.fail(out, int(rows[k]), err)
			continue
		}
		out.Set(int(rows[k]), x)
	}
}
