package fn

import "sync"

// The library, by family. A name's overloads are tried in this order where the
// rules of resolution leave a choice.
var (
	funcFamilies = [][]*Func{arithmetic(), comparison(), logic, likes, texts, regexes, maths, datetimes,
		extracts, formats, jsons, arrays,
		catalogs, byteStrings, conditionals, ksqlStrings, ksqlNested, lambdas,
		ksqlDatetimes, urls, ksqlMaths}
	aggFamilies   = [][]*Agg{counts, sums(), averages(), extremes, collections, statistics(), ksqlAggs}
	tableFamilies = [][]*TableFunc{tableFuncs}
)

var (
	scalars = sync.OnceValue(func() map[string][]*Func {
		return byName(funcFamilies, func(f *Func) string { return f.Name })
	})
	aggregates = sync.OnceValue(func() map[string][]*Agg {
		return byName(aggFamilies, func(f *Agg) string { return f.Name })
	})
	tables = sync.OnceValue(func() map[string][]*TableFunc {
		return byName(tableFamilies, func(f *TableFunc) string { return f.Name })
	})
)

func byName[F any](families [][]F, name func(F) string) map[string][]F {
	m := map[string][]F{}
	for _, fam := range families {
		for _, f := range fam {
			m[name(f)] = append(m[name(f)], f)
		}
	}
	return m
}
