package fn

import (
	"math"

	"github.com/cockroachdb/apd/v3"

	"github.com/weirdb/weir/internal/vec"
)

// statistics is the family of variance, deviation, correlation and regression,
// and of the boolean and bitwise aggregates.
func statistics() []*Agg {
	var out []*Agg
	for _, f := range []struct {
		name         string
		sample, root bool
	}{
		{"stddev", true, true}, {"stddev_samp", true, true}, {"stddev_pop", false, true},
		{"variance", true, false}, {"var_samp", true, false}, {"var_pop", false, false},
	} {
		for _, k := range []vec.Kind{vec.Int16, vec.Int32, vec.Int64, vec.Decimal} {
			out = append(out, &Agg{Name: f.name, Dialect: Postgres, Params: params(k), Result: of(vec.Decimal), New: newAgg(varianceDecimal{f.sample, f.root})})
		}
		for _, k := range []vec.Kind{vec.Float32, vec.Float64} {
			out = append(out, &Agg{Name: f.name, Dialect: Postgres, Params: params(k), Result: of(vec.Float64), New: newAgg(variance{sample: f.sample, root: f.root})})
		}
	}
	// ksqlDB's STDDEV_SAMP is the variance, for compatibility with itself.
	for _, k := range []vec.Kind{vec.Int32, vec.Int64, vec.Float64} {
		out = append(out,
			&Agg{Name: "stddev_samp", Dialect: KSQL, Params: params(k), Result: of(vec.Float64), New: newAgg(variance{sample: true, zero: true})},
			&Agg{Name: "stddev_sample", Dialect: KSQL, Params: params(k), Result: of(vec.Float64), New: newAgg(variance{sample: true, root: true, zero: true})})
	}
	for name, f := range regressions {
		out = append(out, &Agg{Name: name, Dialect: Postgres, Params: params(vec.Float64, vec.Float64), Result: of(vec.Float64), New: newAgg(regression{f: f})})
	}
	out = append(out,
		&Agg{Name: "regr_count", Dialect: Postgres, Params: params(vec.Float64, vec.Float64), Result: of(vec.Int64), New: newAgg(regression{})},
		&Agg{Name: "correlation", Dialect: KSQL, Params: params(vec.Float64, vec.Float64), Result: of(vec.Float64), New: newAgg(regression{f: correlation, nan: true})},
		&Agg{Name: "bool_and", Dialect: Postgres, Params: params(vec.Bool), Result: of(vec.Bool), New: newAgg(truths{all: true})},
		&Agg{Name: "every", Dialect: Postgres, Params: params(vec.Bool), Result: of(vec.Bool), New: newAgg(truths{all: true})},
		&Agg{Name: "bool_or", Dialect: Postgres, Params: params(vec.Bool), Result: of(vec.Bool), New: newAgg(truths{})},
	)
	for _, k := range ints {
		for _, name := range []string{"bit_and", "bit_or", "bit_xor"} {
			out = append(out, &Agg{Name: name, Dialect: Postgres, Params: params(k), Result: of(k), New: newAgg(bitwise{name})})
		}
	}
	return out
}

// variance of floats by Youngs and Cramer, as PostgreSQL: words are the number
// of values, their sum, the sum of squared deviations, and how many are not finite.
type variance struct {
	noBytes
	sample, root bool
	zero         bool // no deviation of one value is 0, not NULL
}

func (variance) Words() int { return 4 }

func (variance) Add(_ *Ctx, s *States, groups []uint32, rows []uint16, sign []int8, args []*vec.Vec) {
	v := args[0]
	asInt := v.Type.Layout() == vec.InInts
	for k, r := range rows {
		if v.Null(int(r)) {
			continue
		}
		var x float64
		if asInt {
			x = float64(v.Int(int(r)))
		} else {
			x = v.Float(int(r))
		}
		w, d := s.at(groups[k], 4), signOf(sign, k)
		if x-x != 0 {
			w[3] += d
			continue
		}
		n, sx, sxx := float64(w[0]), wordFloat(w[1]), wordFloat(w[2])
		if d > 0 {
			n++
			sx += x
		}
		if n > 1 {
			t := x*n - sx
			sxx += float64(d) * t * t / (n * (n - 1))
		}
		if d < 0 {
			n--
			sx -= x
			if n == 0 {
				sx = 0
			}
		}
		if n <= 1 {
			sxx = 0
		}
		w[0], w[1], w[2] = int64(n), floatWord(sx), floatWord(max(sxx, 0))
	}
}

func (variance) Merge(_ *Ctx, s *States, to, from uint32) {
	t, f := s.at(to, 4), s.at(from, 4)
	n1, n2 := float64(t[0]), float64(f[0])
	sx1, sx2 := wordFloat(t[1]), wordFloat(f[1])
	sxx := wordFloat(t[2]) + wordFloat(f[2])
	if n1 > 0 && n2 > 0 {
		d := sx1/n1 - sx2/n2
		sxx += n1 * n2 * d * d / (n1 + n2)
	}
	t[0], t[1], t[2], t[3] = t[0]+f[0], floatWord(sx1+sx2), floatWord(sxx), t[3]+f[3]
}

func (a variance) Result(_ *Ctx, s *States, groups []uint32, rows []uint16, out *vec.Vec) {
	for k, g := range groups {
		w := s.at(g, 4)
		n, div := float64(w[0]+w[3]), float64(w[0])
		if a.sample {
			div--
		}
		switch {
		case n == 0 && !a.zero, a.sample && n < 2 && !a.zero:
			out.SetNull(int(rows[k]))
		case a.zero && n < 2:
			out.Floats[rows[k]] = 0
		case w[3] != 0:
			out.Floats[rows[k]] = math.NaN()
		case a.root:
			out.Floats[rows[k]] = math.Sqrt(wordFloat(w[2]) / div)
		default:
			out.Floats[rows[k]] = wordFloat(w[2]) / div
		}
	}
}

// varianceDecimal is exact: the word is the number of values, the bytes hold
// their sum and the sum of their squares.
type varianceDecimal struct{ sample, root bool }

func (varianceDecimal) Words() int        { return 2 }
func (varianceDecimal) HasBytes() bool    { return true }
func (varianceDecimal) Retractable() bool { return true }

func sumsOf(b []byte) (sum, squares *apd.Decimal) {
	sum, squares = new(apd.Decimal), new(apd.Decimal)
	x, rest, err := vec.DecodeValue(vec.Of(vec.Decimal), b)
	if err != nil {
		return sum, squares
	}
	y, _, err := vec.DecodeValue(vec.Of(vec.Decimal), rest)
	if err != nil {
		return sum, squares
	}
	return x.(*apd.Decimal), y.(*apd.Decimal)
}

func sumsBytes(sum, squares *apd.Decimal) []byte {
	return vec.AppendValue(vec.AppendValue(nil, vec.Of(vec.Decimal), sum), vec.Of(vec.Decimal), squares)
}

func (varianceDecimal) Add(_ *Ctx, s *States, groups []uint32, rows []uint16, sign []int8, args []*vec.Vec) {
	v := args[0]
	for k, r := range rows {
		if v.Null(int(r)) {
			continue
		}
		var x *apd.Decimal
		if v.Type.Layout() == vec.InInts {
			x = apd.New(v.Int(int(r)), 0)
		} else {
			x = decimalAt(v, int(r))
		}
		w, d := s.at(groups[k], 2), signOf(sign, k)
		if x.Form != apd.Finite {
			w[1] += d
			continue
		}
		w[0] += d
		sum, squares := sumsOf(s.Get(groups[k]))
		squares = addDecimal(squares, mulDecimal(x, x), d < 0)
		sum = addDecimal(sum, x, d < 0)
		s.Set(groups[k], sumsBytes(sum, squares))
	}
}

func (varianceDecimal) Merge(_ *Ctx, s *States, to, from uint32) {
	a, b := sumsOf(s.Get(to))
	x, y := sumsOf(s.Get(from))
	s.Set(to, sumsBytes(addDecimal(a, x, false), addDecimal(b, y, false)))
	s.addWords(to, from, 2)
}

func (a varianceDecimal) Result(c *Ctx, s *States, groups []uint32, rows []uint16, out *vec.Vec) {
	for k, g := range groups {
		w := s.at(g, 2)
		n := w[0] + w[1]
		if n == 0 || a.sample && n == 1 {
			out.SetNull(int(rows[k]))
			continue
		}
		if w[1] != 0 {
			setDecimal(out, int(rows[k]), &apd.Decimal{Form: apd.NaN})
			continue
		}
		sum, squares := sumsOf(s.Get(g))
		num := addDecimal(mulDecimal(apd.New(n, 0), squares), mulDecimal(sum, sum), true)
		if num.Sign() <= 0 {
			setDecimal(out, int(rows[k]), new(apd.Decimal))
			continue
		}
		den := mulDecimal(apd.New(n, 0), apd.New(n, 0))
		if a.sample {
			den = mulDecimal(apd.New(n, 0), apd.New(n-1, 0))
		}
		scale := divScale(num, den)
		d := quotient(num, den, scale)
		if a.root {
			ctx, z := decimalDigits(d.NumDigits()+int64(scale)+10), new(apd.Decimal)
			var err error
			if d, err = finish(ctx, z, scale, func() (apd.Condition, error) { return ctx.Sqrt(z, d) }); err != nil {
				c.fail(out, int(rows[k]), err)
				continue
			}
		}
		setDecimal(out, int(rows[k]), d)
	}
}

// sums2 is what a regression of Y on X knows.
type sums2 struct{ n, sx, sxx, sy, syy, sxy float64 }

// regressions take Y first, as SQL does. ok false is NULL.
var regressions = map[string]func(s sums2) (float64, bool){
	"corr":       correlation,
	"covar_pop":  func(s sums2) (float64, bool) { return s.sxy / s.n, s.n >= 1 },
	"covar_samp": func(s sums2) (float64, bool) { return s.sxy / (s.n - 1), s.n >= 2 },
	"regr_avgx":  func(s sums2) (float64, bool) { return s.sx / s.n, s.n >= 1 },
	"regr_avgy":  func(s sums2) (float64, bool) { return s.sy / s.n, s.n >= 1 },
	"regr_sxx":   func(s sums2) (float64, bool) { return s.sxx, s.n >= 1 },
	"regr_syy":   func(s sums2) (float64, bool) { return s.syy, s.n >= 1 },
	"regr_sxy":   func(s sums2) (float64, bool) { return s.sxy, s.n >= 1 },
	"regr_slope": func(s sums2) (float64, bool) { return s.sxy / s.sxx, s.n >= 1 && s.sxx != 0 },
	"regr_intercept": func(s sums2) (float64, bool) {
		return (s.sy - s.sx*s.sxy/s.sxx) / s.n, s.n >= 1 && s.sxx != 0
	},
	"regr_r2": func(s sums2) (float64, bool) {
		if s.syy == 0 {
			return 1, s.n >= 1 && s.sxx != 0
		}
		return s.sxy * s.sxy / (s.sxx * s.syy), s.n >= 1 && s.sxx != 0
	},
}

func correlation(s sums2) (float64, bool) {
	return s.sxy / math.Sqrt(s.sxx*s.syy), s.n >= 1 && s.sxx != 0 && s.syy != 0
}

// regression keeps n and the five sums of sums2 in words.
type regression struct {
	noBytes
	f   func(s sums2) (float64, bool) // nil is regr_count
	nan bool                          // an undefined result is NaN, not NULL
}

func (regression) Words() int { return 6 }

func (regression) load(w []int64) sums2 {
	return sums2{float64(w[0]), wordFloat(w[1]), wordFloat(w[2]), wordFloat(w[3]), wordFloat(w[4]), wordFloat(w[5])}
}

func (regression) store(w []int64, s sums2) {
	w[0], w[1], w[2], w[3], w[4], w[5] = int64(s.n), floatWord(s.sx), floatWord(s.sxx), floatWord(s.sy), floatWord(s.syy), floatWord(s.sxy)
}

func (a regression) Add(_ *Ctx, st *States, groups []uint32, rows []uint16, sign []int8, args []*vec.Vec) {
	for k, r := range rows {
		if args[0].Null(int(r)) || args[1].Null(int(r)) {
			continue
		}
		y, x, d := args[0].Float(int(r)), args[1].Float(int(r)), float64(signOf(sign, k))
		w := st.at(groups[k], 6)
		s := a.load(w)
		if d > 0 {
			s.n, s.sx, s.sy = s.n+1, s.sx+x, s.sy+y
		}
		if s.n > 1 {
			tx, ty, scale := x*s.n-s.sx, y*s.n-s.sy, d/(s.n*(s.n-1))
			s.sxx += tx * tx * scale
			s.syy += ty * ty * scale
			s.sxy += tx * ty * scale
		}
		if d < 0 {
			s.n, s.sx, s.sy = s.n-1, s.sx-x, s.sy-y
		}
		if s.n == 0 {
			s = sums2{}
		}
		a.store(w, s)
	}
}

func (a regression) Merge(_ *Ctx, st *States, to, from uint32) {
	s, f := a.load(st.at(to, 6)), a.load(st.at(from, 6))
	if s.n > 0 && f.n > 0 {
		dx, dy, scale := s.sx/s.n-f.sx/f.n, s.sy/s.n-f.sy/f.n, s.n*f.n/(s.n+f.n)
		s.sxx += dx * dx * scale
		s.syy += dy * dy * scale
		s.sxy += dx * dy * scale
	}
	a.store(st.at(to, 6), sums2{s.n + f.n, s.sx + f.sx, s.sxx + f.sxx, s.sy + f.sy, s.syy + f.syy, s.sxy + f.sxy})
}

func (a regression) Result(_ *Ctx, st *States, groups []uint32, rows []uint16, out *vec.Vec) {
	for k, g := range groups {
		s := a.load(st.at(g, 6))
		if a.f == nil {
			out.Ints[rows[k]] = int64(s.n)
			continue
		}
		x, ok := a.f(s)
		switch {
		case ok:
			out.Floats[rows[k]] = x
		case a.nan:
			out.Floats[rows[k]] = math.NaN()
		default:
			out.SetNull(int(rows[k]))
		}
	}
}

// truths is bool_and and bool_or: words are the numbers of true and of false.
type truths struct {
	noBytes
	all bool
}

func (truths) Words() int { return 2 }

func (truths) Add(_ *Ctx, s *States, groups []uint32, rows []uint16, sign []int8, args []*vec.Vec) {
	for k, r := range rows {
		if !args[0].Null(int(r)) {
			s.at(groups[k], 2)[1-args[0].Int(int(r))] += signOf(sign, k)
		}
	}
}

func (truths) Merge(_ *Ctx, s *States, to, from uint32) { s.addWords(to, from, 2) }

func (a truths) Result(_ *Ctx, s *States, groups []uint32, rows []uint16, out *vec.Vec) {
	for k, g := range groups {
		w := s.at(g, 2)
		if w[0]+w[1] == 0 {
			out.SetNull(int(rows[k]))
			continue
		}
		out.Ints[rows[k]] = 0
		if a.all && w[1] == 0 || !a.all && w[0] > 0 {
			out.Ints[rows[k]] = 1
		}
	}
}

// bitwise is bit_and, bit_or and bit_xor. The first 64 words count, bit by bit,
// the values that have it; the last counts the values.
type bitwise struct{ name string }

func (bitwise) Words() int        { return 65 }
func (bitwise) HasBytes() bool    { return false }
func (bitwise) Retractable() bool { return true }

func (bitwise) Add(_ *Ctx, s *States, groups []uint32, rows []uint16, sign []int8, args []*vec.Vec) {
	for k, r := range rows {
		if args[0].Null(int(r)) {
			continue
		}
		w, d := s.at(groups[k], 65), signOf(sign, k)
		w[64] += d
		for x, i := uint64(args[0].Int(int(r))), 0; x != 0; x, i = x>>1, i+1 {
			w[i] += d * int64(x&1)
		}
	}
}

func (bitwise) Merge(_ *Ctx, s *States, to, from uint32) { s.addWords(to, from, 65) }

func (a bitwise) Result(_ *Ctx, s *States, groups []uint32, rows []uint16, out *vec.Vec) {
	for k, g := range groups {
		w := s.at(g, 65)
		if w[64] == 0 {
			out.SetNull(int(rows[k]))
			continue
		}
		var x uint64
		for i, n := range w[:64] {
			if a.name == "bit_and" && n == w[64] || a.name == "bit_or" && n > 0 || a.name == "bit_xor" && n%2 != 0 {
				x |= 1 << i
			}
		}
		out.Ints[rows[k]] = int64(x)
	}
}
