package fn

import (
	"slices"

	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
)

// maxCollected bounds COLLECT_LIST and COLLECT_SET, as ksqlDB's default does,
// and HISTOGRAM its own way.
const (
	maxCollected = 100_000
	maxHistogram = 1000
)

// ksqlAggs is the family of ksqlDB's own aggregates.
var ksqlAggs = []*Agg{
	collected("collect_list", KSQL, []Param{anyElem}, arrayOfArg(0), collect{keep: firstRows(maxCollected, false), finish: finishList}),
	collected("collect_set", KSQL, []Param{anyElem}, arrayOfArg(0), collect{once: true, keep: firstRows(maxCollected, true), finish: finishList}),
	collected("count_distinct", KSQL, []Param{anyElem}, of(vec.Int64), collect{once: true, strict: true, keep: firstRows(1<<30, true), finish: func(_ *Ctx, _ []vec.Type, _ vec.Type, rows [][]vec.Value) (vec.Value, error) {
		return int64(len(rows)), nil
	}}),
	collected("histogram", KSQL, params(vec.Text), fixed(vec.MapOf(str, bigint)), collect{strict: true, finish: histogram}),
	collected("attr", KSQL, []Param{anyElem}, arg(0), collect{finish: func(_ *Ctx, t []vec.Type, _ vec.Type, rows [][]vec.Value) (vec.Value, error) {
		for _, r := range rows[min(1, len(rows)):] {
			if vec.Compare(t[0], r[0], rows[0][0]) != 0 {
				return nil, nil
			}
		}
		if len(rows) == 0 {
			return nil, nil
		}
		return rows[0][0], nil
	}}),
	collected("sum_list", KSQL, []Param{{Kind: vec.Array}}, elemOf(0), collect{strict: true, finish: sumList}),
	byOffset("latest_by_offset", true, 1, false), byOffset("latest_by_offset", true, 1, true),
	byOffset("earliest_by_offset", false, 1, false), byOffset("earliest_by_offset", false, 1, true),
	byOffset("latest_by_offset", true, 2, false), byOffset("latest_by_offset", true, 2, true),
	byOffset("earliest_by_offset", false, 2, false), byOffset("earliest_by_offset", false, 2, true),
	top("topk", false), top("topkdistinct", true),
}

// firstRows keeps the first n rows, of equal ones only one if distinct.
func firstRows(n int, distinct bool) func([]vec.Type, [][]vec.Value) [][]vec.Value {
	return func(t []vec.Type, rows [][]vec.Value) [][]vec.Value {
		if distinct && len(rows) > 0 {
			last := rows[len(rows)-1][0]
			for _, r := range rows[:len(rows)-1] {
				if vec.Compare(t[0], r[0], last) == 0 {
					return rows[:len(rows)-1]
				}
			}
		}
		return rows[:min(n, len(rows))]
	}
}

func histogram(_ *Ctx, _ []vec.Type, _ vec.Type, rows [][]vec.Value) (vec.Value, error) {
	out := vec.MapValue{}
	at := map[vec.Value]int{}
	for _, r := range rows {
		if i, ok := at[r[0]]; ok {
			out[i].Value = out[i].Value.(int64) + 1
		} else if len(out) < maxHistogram {
			at[r[0]] = len(out)
			out = append(out, vec.MapEntry{Key: r[0], Value: int64(1)})
		}
	}
	return out, nil
}

func sumList(_ *Ctx, t []vec.Type, _ vec.Type, rows [][]vec.Value) (vec.Value, error) {
	var n int64
	var f float64
	elem := *t[0].Elem
	for _, r := range rows {
		for _, x := range r[0].([]vec.Value) {
			switch v := x.(type) {
			case int64:
				n += v
			case float64:
				f += v
			}
		}
	}
	switch elem.Kind {
	case vec.Int32:
		return int64(int32(n)), nil
	case vec.Int64:
		return n, nil
	case vec.Float64:
		return f, nil
	}
	return nil, pgerr.Newf(pgerr.FeatureNotSupported, "SUM_LIST of %s is not supported", t[0].KSQL())
}

// byOffset is LATEST_BY_OFFSET and EARLIEST_BY_OFFSET: (c), (c, ignoreNulls),
// (c, n) and (c, n, ignoreNulls); those with n return an array.
func byOffset(name string, latest bool, n int, ignore bool) *Agg {
	ps := []Param{anyElem}
	result := arg(0)
	if n == 2 {
		ps, result = append(ps, Param{Kind: vec.Int32}), arrayOfArg(0)
	}
	if ignore {
		ps = append(ps, Param{Kind: vec.Bool})
	}
	limit := func(row []vec.Value) int {
		if n == 1 {
			return 1
		}
		k, _ := row[1].(int64)
		return int(max(k, 1))
	}
	return collected(name, KSQL, ps, result, collect{once: true,
		keep: func(_ []vec.Type, rows [][]vec.Value) [][]vec.Value {
			last := rows[len(rows)-1]
			skipNulls := true
			if ignore {
				skipNulls, _ = last[len(last)-1].(bool)
			}
			if last[0] == nil && skipNulls {
				return rows[:len(rows)-1]
			}
			if k := limit(last); len(rows) > k {
				if latest {
					return rows[len(rows)-k:]
				}
				return rows[:k]
			}
			return rows
		},
		finish: func(_ *Ctx, _ []vec.Type, _ vec.Type, rows [][]vec.Value) (vec.Value, error) {
			if n == 2 {
				return column0(rows), nil
			}
			if len(rows) == 0 {
				return nil, nil
			}
			return rows[0][0], nil
		}})
}

// top is TOPK(c, others..., k): the k largest, as structs if there are others.
func top(name string, distinct bool) *Agg {
	proto := collect{once: true, strict: true,
		keep: func(t []vec.Type, rows [][]vec.Value) [][]vec.Value {
			last := rows[len(rows)-1]
			if distinct {
				for _, r := range rows[:len(rows)-1] {
					if vec.Compare(t[0], r[0], last[0]) == 0 {
						return rows[:len(rows)-1]
					}
				}
			}
			slices.SortStableFunc(rows, func(a, b []vec.Value) int { return vec.Compare(t[0], b[0], a[0]) })
			k, _ := last[len(last)-1].(int64)
			return rows[:min(int(max(k, 0)), len(rows))]
		},
		finish: func(_ *Ctx, t []vec.Type, _ vec.Type, rows [][]vec.Value) (vec.Value, error) {
			if len(t) == 2 {
				return column0(rows), nil
			}
			out := make([]vec.Value, len(rows))
			for i, r := range rows {
				out[i] = r[:len(r)-1]
			}
			return out, nil
		}}
	a := collected(name, KSQL, []Param{{Var: 1}, anyType}, topType, proto)
	a.Variadic = true
	return a
}

func topType(a []vec.Type) (vec.Type, error) {
	if len(a) < 2 || !a[len(a)-1].IsInteger() {
		return vec.Type{}, pgerr.Newf(pgerr.UndefinedFunction, "the last argument of TOPK is the number of values to keep")
	}
	if len(a) == 2 {
		return vec.ArrayOf(a[0]), nil
	}
	t := vec.Type{Kind: vec.Struct, Fields: []vec.Field{{Name: "sort_col", Type: a[0]}}}
	for i, x := range a[1 : len(a)-1] {
		t.Fields = append(t.Fields, vec.Field{Name: "col" + formatUint(uint64(i), 10), Type: x})
	}
	return vec.ArrayOf(t), nil
}
