package bounded

import (
	"math"
	"sort"
	"strings"
	"time"

	"github.com/cockroachdb/apd/v3"

	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
)

// frameOf returns the frame of position i: the positions [from, to) of up to
// three segments in order, valid until the next call.
func (o *overCall) frameOf(i int) ([][2]int, error) {
	from, err := o.end(i, o.frame.From, o.from, true)
	if err != nil {
		return nil, err
	}
	to, err := o.end(i, o.frame.To, o.to, false)
	if err != nil {
		return nil, err
	}
	o.segments = o.segments[:0]
	add := func(a, b int) {
		if a = max(a, from); a < min(b, to) {
			o.segments = append(o.segments, [2]int{a, min(b, to)})
		}
	}
	end := i + 1
	switch strings.ToUpper(strings.TrimPrefix(strings.ToUpper(o.frame.Exclude), "EXCLUDE ")) {
	case "CURRENT ROW", "CURRENT":
		add(o.lo, i)
	case "GROUP":
		var first int
		first, end = o.peersOf(i)
		add(o.lo, first)
	case "TIES":
		var first int
		first, end = o.peersOf(i)
		add(o.lo, first)
		add(i, i+1)
	default:
		add(o.lo, o.hi)
		return o.segments, nil
	}
	add(end, o.hi)
	return o.segments, nil
}

// end returns where the frame of position i begins or ends.
func (o *overCall) end(i int, b plan.Bound, by vec.Value, start bool) (int, error) {
	switch {
	case b.Unbounded && start:
		return o.lo, nil
	case b.Unbounded:
		return o.hi, nil
	case b.Current || by == nil:
		if o.frame.Unit == plan.Rows {
			if start {
				return i, nil
			}
			return i + 1, nil
		}
		first, end := o.peersOf(i)
		if start {
			return first, nil
		}
		return end, nil
	}
	switch o.frame.Unit {
	case plan.Rows, plan.Groups:
		n, ok := by.(int64)
		if !ok {
			return 0, pgerr.Newf(pgerr.DatatypeMismatch, "a frame offset of ROWS or GROUPS must be of type bigint")
		}
		n = min(n, int64(len(o.list))) // further is beyond the partition anyway
		if b.Preceding {
			n = -n
		}
		if o.frame.Unit == plan.Rows {
			at := i + int(n)
			if !start {
				at++
			}
			return min(max(at, o.lo), o.hi), nil
		}
		g := int64(o.peers[i-o.lo]) + n
		if !start {
			g++
		}
		return o.lo + sort.Search(o.hi-o.lo, func(k int) bool { return int64(o.peers[k]) >= g }), nil
	}
	return o.rangeEnd(i, b, by, start)
}

// rangeEnd finds the end of a frame that is a distance of the ordering value.
func (o *overCall) rangeEnd(i int, b plan.Bound, by vec.Value, start bool) (int, error) {
	if len(o.by) != 1 {
		return 0, pgerr.Newf(pgerr.WindowingError, "RANGE with offset PRECEDING/FOLLOWING requires exactly one ORDER BY column")
	}
	key := o.by[0]
	row := int(o.list[i])
	if key.Null(row) { // nulls are peers of each other and of nothing else
		first, end := o.peersOf(i)
		if start {
			return first, nil
		}
		return end, nil
	}
	desc, nullsFirst := o.order.desc[o.np], o.order.nullsFirst[o.np]
	limit, err := shifted(key.Type, key.Get(row), by, b.Preceding != desc)
	if err != nil {
		return 0, err
	}
	edge := vec.ConstOf(key.Type, limit)
	return o.lo + sort.Search(o.hi-o.lo, func(k int) bool {
		r := int(o.list[o.lo+k])
		if key.Null(r) {
			return !nullsFirst
		}
		d := vec.CompareRows(key, r, edge, 0)
		if desc {
			d = -d
		}
		if start {
			return d >= 0
		}
		return d > 0
	}), nil
}

// negative tells whether a frame offset is below zero.
func negative(x vec.Value) bool {
	switch x := x.(type) {
	case int64:
		return x < 0
	case float64:
		return x < 0
	case *apd.Decimal:
		return x.Negative && x.Coeff.Sign() != 0
	case vec.IntervalValue:
		return vec.CompareIntervals(x, vec.IntervalValue{}) < 0
	}
	return false
}

// shifted returns x plus or minus the offset by. Integers stop at their ends.
func shifted(t vec.Type, x, by vec.Value, minus bool) (vec.Value, error) {
	switch k := by.(type) {
	case int64:
		if n, ok := x.(int64); ok && t.IsInteger() || ok && t.Kind == vec.Date {
			if minus {
				if n < math.MinInt64+k {
					return int64(math.MinInt64), nil
				}
				return n - k, nil
			}
			if n > math.MaxInt64-k {
				return int64(math.MaxInt64), nil
			}
			return n + k, nil
		}
	case float64:
		if f, ok := x.(float64); ok {
			if minus {
				return f - k, nil
			}
			return f + k, nil
		}
	case *apd.Decimal:
		if d, ok := x.(*apd.Decimal); ok {
			out := new(apd.Decimal)
			ctx := apd.BaseContext.WithPrecision(10_000)
			op := ctx.Add
			if minus {
				op = ctx.Sub
			}
			_, err := op(out, d, k)
			return out, err
		}
	case vec.IntervalValue:
		if minus {
			k = vec.IntervalValue{Months: -k.Months, Days: -k.Days, Micros: -k.Micros}
		}
		n, ok := x.(int64)
		switch {
		case !ok || n == vec.PosInfinity || n == vec.NegInfinity:
			return x, nil
		case t.Kind == vec.Timestamp || t.Kind == vec.TimestampTZ:
			return addInterval(n, k), nil
		case t.Kind == vec.Date:
			const day = 24 * 3600 * 1_000_000
			return floor(addInterval(n*day, k), day) / day, nil
		case t.Kind == vec.Time:
			return n + k.Micros, nil
		}
	}
	return nil, pgerr.Newf(pgerr.FeatureNotSupported, "RANGE with offset PRECEDING/FOLLOWING is not supported for column type %s", t)
}

// addInterval adds an interval to microseconds since 1970: months first, where a
// day that the month lacks becomes its last, then days and time.
func addInterval(us int64, k vec.IntervalValue) int64 {
	at := time.UnixMicro(us).UTC()
	if k.Months != 0 {
		y, m, d := at.Date()
		first := time.Date(y, m+time.Month(k.Months), 1, 0, 0, 0, 0, time.UTC)
		last := first.AddDate(0, 1, -1).Day()
		h, mi, s := at.Clock()
		at = time.Date(first.Year(), first.Month(), min(d, last), h, mi, s, at.Nanosecond(), time.UTC)
	}
	return at.AddDate(0, 0, int(k.Days)).UnixMicro() + k.Micros
}
