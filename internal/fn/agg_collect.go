package fn

import (
	"bytes"
	"math"
	"slices"

	"github.com/cockroachdb/apd/v3"

	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
)

// collect is an aggregate that keeps its input: the bytes hold the arguments of
// every row that counts, in the row encoding, in the order of arrival.
type collect struct {
	types []vec.Type
	// strict leaves out rows whose first argument is null.
	strict bool
	// last makes the argument that must not be null the last one.
	last bool
	// keep, if set, cuts the rows down after each addition.
	keep func(t []vec.Type, rows [][]vec.Value) [][]vec.Value
	// once forbids taking rows back.
	once   bool
	finish func(c *Ctx, t []vec.Type, out vec.Type, rows [][]vec.Value) (vec.Value, error)
}

func (collect) Words() int          { return 0 }
func (collect) HasBytes() bool      { return true }
func (a collect) Retractable() bool { return !a.once }

func (a collect) Add(_ *Ctx, s *States, groups []uint32, rows []uint16, sign []int8, args []*vec.Vec) {
	var row, state []byte
	for k := 0; k < len(rows); k++ {
		g := groups[k]
		state = append(state[:0], s.Get(g)...)
		// Neighbours of one group share the copy.
		for {
			r := int(rows[k])
			if !a.skips(args, r) {
				row = vec.AppendRow(row[:0], args, r)
				if signOf(sign, k) < 0 {
					state = a.removeRow(state, row)
				} else {
					state = append(state, row...)
					if a.keep != nil {
						state = a.encode(a.keep(a.types, a.decode(state)))
					}
				}
			}
			if k+1 == len(rows) || groups[k+1] != g {
				break
			}
			k++
		}
		s.Set(g, state)
	}
}

func (a collect) skips(args []*vec.Vec, r int) bool {
	if !a.strict || len(args) == 0 {
		return false
	}
	if a.last {
		return args[len(args)-1].Null(r)
	}
	return args[0].Null(r)
}

// next returns the end of the first row in b.
func (a collect) next(b []byte) (rest []byte, ok bool) {
	var err error
	for _, t := range a.types {
		if b, err = vec.SkipCol(t, b); err != nil {
			return nil, false
		}
	}
	return b, true
}

// removeRow takes the first row equal to row out of state.
func (a collect) removeRow(state, row []byte) []byte {
	for rest := state; len(rest) > 0; {
		after, ok := a.next(rest)
		if !ok {
			return state
		}
		if bytes.Equal(rest[:len(rest)-len(after)], row) {
			return append(state[:len(state)-len(rest)], after...)
		}
		rest = after
	}
	return state
}

func (a collect) decode(b []byte) [][]vec.Value {
	var out [][]vec.Value
	for len(b) > 0 {
		row := make([]vec.Value, len(a.types))
		for i, t := range a.types {
			var err error
			if row[i], b, err = vec.DecodeValue(t, b); err != nil {
				return out
			}
		}
		out = append(out, row)
	}
	return out
}

func (a collect) encode(rows [][]vec.Value) []byte {
	var b []byte
	for _, row := range rows {
		for i, x := range row {
			b = vec.AppendValue(b, a.types[i], x)
		}
	}
	return b
}

func (a collect) Merge(_ *Ctx, s *States, to, from uint32) {
	state := slices.Concat(s.Get(to), s.Get(from))
	if a.keep != nil {
		state = a.encode(a.keep(a.types, a.decode(state)))
	}
	s.Set(to, state)
}

func (a collect) Result(c *Ctx, s *States, groups []uint32, rows []uint16, out *vec.Vec) {
	for k, g := range groups {
		x, err := a.finish(c, a.types, out.Type, a.decode(s.Get(g)))
		if err != nil {
			c.fail(out, int(rows[k]), err)
			continue
		}
		out.Set(int(rows[k]), x)
	}
}

// collected is an aggregate made by filling in the types of a collect.
func collected(name string, d Dialect, ps []Param, result func([]vec.Type) (vec.Type, error), proto collect) *Agg {
	return &Agg{Name: name, Dialect: d, Params: ps, Result: result, New: func(args []vec.Type) (Aggregator, error) {
		a := proto
		a.types = args
		return a, nil
	}}
}

// column0 is the first value of each row.
func column0(rows [][]vec.Value) []vec.Value {
	out := make([]vec.Value, len(rows))
	for i, r := range rows {
		out[i] = r[0]
	}
	return out
}

func finishArray(_ *Ctx, _ []vec.Type, _ vec.Type, rows [][]vec.Value) (vec.Value, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	return column0(rows), nil
}

func finishList(_ *Ctx, _ []vec.Type, _ vec.Type, rows [][]vec.Value) (vec.Value, error) {
	return column0(rows), nil
}

var collections = []*Agg{
	collected("array_agg", Postgres, []Param{anyElem}, arrayOfArg(0), collect{finish: finishArray}),
	collected("string_agg", Postgres, params(vec.Text, vec.Text), of(vec.Text), collect{strict: true, finish: finishStrings}),
	collected("string_agg", Postgres, params(vec.Bytes, vec.Bytes), of(vec.Bytes), collect{strict: true, finish: finishStrings}),
	collected("json_agg", Postgres, []Param{anyType}, of(vec.JSON), collect{finish: finishJSON}),
	collected("jsonb_agg", Postgres, []Param{anyType}, of(vec.JSONB), collect{finish: finishJSON}),
	collected("json_object_agg", Postgres, []Param{anyType, anyType}, of(vec.JSON), collect{finish: finishObject}),
	collected("jsonb_object_agg", Postgres, []Param{anyType, anyType}, of(vec.JSONB), collect{finish: finishObject}),
	// The direct argument of an ordered-set aggregate comes first, then what
	// WITHIN GROUP orders by.
	collected("percentile_cont", Postgres, params(vec.Float64, vec.Float64), of(vec.Float64), collect{strict: true, last: true, finish: percentileCont}),
	collected("percentile_cont", Postgres, params(vec.Float64, vec.Interval), of(vec.Interval), collect{strict: true, last: true, finish: percentileCont}),
	collected("percentile_cont", Postgres, params(vec.Array, vec.Float64), fixed(vec.ArrayOf(vec.Of(vec.Float64))), collect{strict: true, last: true, finish: percentileCont}),
	collected("percentile_disc", Postgres, []Param{{Kind: vec.Float64}, anyElem}, arg(1), collect{strict: true, last: true, finish: percentileDisc}),
	collected("percentile_disc", Postgres, []Param{{Kind: vec.Array}, anyElem}, arrayOfArg(1), collect{strict: true, last: true, finish: percentileDisc}),
	collected("mode", Postgres, []Param{anyElem}, arg(0), collect{strict: true, finish: mode}),
	collected("any_value", Postgres, []Param{anyElem}, arg(0), collect{strict: true, finish: func(_ *Ctx, _ []vec.Type, _ vec.Type, rows [][]vec.Value) (vec.Value, error) {
		if len(rows) == 0 {
			return nil, nil
		}
		return rows[0][0], nil
	}}),
}

func finishStrings(_ *Ctx, _ []vec.Type, out vec.Type, rows [][]vec.Value) (vec.Value, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	var b []byte
	add := func(x vec.Value) {
		switch v := x.(type) {
		case string:
			b = append(b, v...)
		case []byte:
			b = append(b, v...)
		}
	}
	for i, r := range rows {
		if i > 0 {
			add(r[1]) // a null delimiter adds nothing
		}
		add(r[0])
	}
	if out.Kind == vec.Bytes {
		return b, nil
	}
	return string(b), nil
}

func finishJSON(c *Ctx, t []vec.Type, out vec.Type, rows [][]vec.Value) (vec.Value, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	f, b := c.format(), []byte{'['}
	for i, r := range rows {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = appendJSONText(b, t[0], r[0], f)
	}
	return docText(out.Kind, append(b, ']'))
}

func finishObject(c *Ctx, t []vec.Type, out vec.Type, rows [][]vec.Value) (vec.Value, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	f, b := c.format(), []byte("{ ")
	for i, r := range rows {
		if r[0] == nil {
			return nil, pgerr.Newf("22023", "field name must not be null")
		}
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(vec.AppendJSONString(b, keyText(t[0], r[0], f)), " : "...)
		b = appendJSONText(b, t[1], r[1], f)
	}
	return docText(out.Kind, append(b, " }"...))
}

// fractions are the direct argument of a percentile: one or an array.
func fractions(x vec.Value) ([]vec.Value, bool) {
	if xs, ok := x.([]vec.Value); ok {
		return xs, true
	}
	return []vec.Value{x}, false
}

func fraction(x vec.Value) (float64, error) {
	p, ok := x.(float64)
	if d, isDecimal := x.(*apd.Decimal); isDecimal {
		p, _ = d.Float64()
		ok = true
	}
	if ok && !(p >= 0 && p <= 1) {
		return 0, pgerr.Newf(pgerr.NumericOutOfRange, "percentile value %g is not between 0 and 1", p)
	}
	return p, nil
}

// percentiles computes one value a fraction over the sorted last column.
func percentiles(t []vec.Type, rows [][]vec.Value, one func(sorted []vec.Value, p float64) vec.Value) (vec.Value, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	elem := t[len(t)-1]
	xs := make([]vec.Value, len(rows))
	for i, r := range rows {
		xs[i] = r[len(r)-1]
	}
	slices.SortFunc(xs, func(a, b vec.Value) int { return vec.Compare(elem, a, b) })
	ps, many := fractions(rows[0][0])
	out := make([]vec.Value, len(ps))
	for i, x := range ps {
		if x == nil {
			continue
		}
		p, err := fraction(x)
		if err != nil {
			return nil, err
		}
		out[i] = one(xs, p)
	}
	if many {
		return out, nil
	}
	return out[0], nil
}

func percentileCont(_ *Ctx, t []vec.Type, _ vec.Type, rows [][]vec.Value) (vec.Value, error) {
	return percentiles(t, rows, func(xs []vec.Value, p float64) vec.Value {
		at := p * float64(len(xs)-1)
		lo, hi := xs[int(math.Floor(at))], xs[int(math.Ceil(at))]
		part := at - math.Floor(at)
		if x, ok := lo.(float64); ok {
			return x + part*(hi.(float64)-x)
		}
		a, b := lo.(vec.IntervalValue), hi.(vec.IntervalValue)
		diff, err := sumInterval(b, a, -1)
		if err != nil {
			return lo
		}
		step, err := scaleInterval(diff.(vec.IntervalValue), part)
		if err != nil {
			return lo
		}
		sum, err := sumInterval(a, step, 1)
		if err != nil {
			return lo
		}
		return sum
	})
}

func percentileDisc(_ *Ctx, t []vec.Type, _ vec.Type, rows [][]vec.Value) (vec.Value, error) {
	return percentiles(t, rows, func(xs []vec.Value, p float64) vec.Value {
		return xs[max(int(math.Ceil(p*float64(len(xs))))-1, 0)]
	})
}

func mode(_ *Ctx, t []vec.Type, _ vec.Type, rows [][]vec.Value) (vec.Value, error) {
	xs := column0(rows)
	slices.SortFunc(xs, func(a, b vec.Value) int { return vec.Compare(t[0], a, b) })
	var best vec.Value
	most, run := 0, 0
	for i, x := range xs {
		if i > 0 && vec.Compare(t[0], x, xs[i-1]) == 0 {
			run++
		} else {
			run = 1
		}
		if run > most {
			best, most = x, run
		}
	}
	return best, nil
}
