package bounded

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/weirdb/weir/internal/fn"
	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
)

func TestSetOps(t *testing.T) {
	s := newSources()
	l := s.node("l", 1, []any{1}, []any{1}, []any{2}, []any{nil}, []any{1})
	r := s.node("r", 1, []any{1}, []any{1}, []any{3}, []any{nil}, []any{nil})
	op := func(k plan.SetOpKind, all bool) plan.Node { return &plan.SetOp{Op: k, All: all, L: l, R: r} }
	check(t, s, op(plan.Union, true), "1", "1", "2", "-", "1", "1", "1", "3", "-", "-")
	check(t, s, op(plan.Union, false), "1", "2", "-", "3")
	check(t, s, op(plan.Intersect, true), "1", "1", "-")
	check(t, s, op(plan.Intersect, false), "1", "-")
	check(t, s, op(plan.Except, true), "2", "1")
	check(t, s, op(plan.Except, false), "2")
}

// series is a table function that counts from 1 to its argument.
var series = &fn.TableFunc{Name: "series", Rows: func(c *fn.Ctx, _ []vec.Type, args []vec.Value, yield func([]vec.Value) bool) error {
	if args[0] == nil {
		return nil
	}
	n := args[0].(int64)
	if n < 0 {
		return pgerr.Newf(pgerr.InvalidParameterValue, "negative")
	}
	for i := range n {
		if !yield([]vec.Value{i + 1}) {
			return nil
		}
	}
	return nil
}}

func TestUnnest(t *testing.T) {
	s := newSources()
	in := s.node("t", 2, []any{2, 1}, []any{0, 0}, []any{nil, 3})
	f := func(x plan.Expr) plan.TableCall {
		return plan.TableCall{Fn: series, Args: []plan.Expr{x}, Cols: []plan.Column{{Type: intT}}}
	}
	check(t, s, &plan.Unnest{In: in, Funcs: []plan.TableCall{f(col(0))}}, "2 1 1", "2 1 2")
	n := &plan.Unnest{In: in, Funcs: []plan.TableCall{f(col(0)), f(col(1))}, Ordinality: true, Outer: true}
	check(t, s, n, "2 1 1 1 1", "2 1 2 - 2", "0 0 - - -", "- 3 - 1 1", "- 3 - 2 2", "- 3 - 3 3")
	// A long series is not made in full.
	long := &plan.Unnest{In: in, Funcs: []plan.TableCall{f(lit(1 << 60))}}
	check(t, s, &plan.Limit{In: &plan.Project{In: long, Exprs: []plan.Expr{col(2)}, Names: []string{"n"}}, N: lit(1), Offset: lit(5000)}, "5001")
	if _, err := s.all(&plan.Unnest{In: in, Funcs: []plan.TableCall{f(lit(-1))}}); err == nil {
		t.Error("an error of a table function is lost")
	}
	if s.open != 0 {
		t.Errorf("%d readers open", s.open)
	}
}

func outerCol(i int) plan.Expr { return &plan.Outer{Index: i, T: intT} }

func TestApply(t *testing.T) {
	s := newSources()
	l := s.node("l", 1, []any{1}, []any{5}, []any{2})
	r := s.node("r", 2, []any{1, 10}, []any{2, 20}, []any{1, 11})
	right := &plan.Filter{In: r, Cond: call(t, "=", col(0), outerCol(0))}
	check(t, s, &plan.Apply{L: l, R: right}, "1 1 10", "1 1 11", "2 2 20")
	check(t, s, &plan.Apply{Kind: plan.LeftJoin, L: l, R: right}, "1 1 10", "1 1 11", "5 - -", "2 2 20")
	on := call(t, ">", col(2), lit(10))
	check(t, s, &plan.Apply{Kind: plan.LeftJoin, L: l, R: right, On: on}, "1 1 11", "5 - -", "2 2 20")
	// The right side's own LATERAL sees both rows around it.
	inner := &plan.Apply{L: r, R: &plan.Filter{In: s.node("x", 1, []any{1}, []any{2}), Cond: call(t, "=", col(0), call(t, "-", call(t, "+", outerCol(0), &plan.Outer{Level: 1, T: intT}), lit(1)))}}
	check(t, s, &plan.Apply{L: s.node("one", 1, []any{1}), R: inner}, "1 1 10 1", "1 2 20 2", "1 1 11 1")
}

func TestSubqueries(t *testing.T) {
	s := newSources()
	l := s.node("l", 1, []any{1}, []any{5}, []any{2}, []any{nil}, []any{1})
	r := s.node("r", 2, []any{1, 10}, []any{2, 20}, []any{1, nil})
	value := func(q *plan.Subquery) plan.Node {
		return &plan.Project{In: l, Exprs: []plan.Expr{q}, Names: []string{"v"}}
	}
	ofKey := &plan.Filter{In: r, Cond: call(t, "=", col(0), outerCol(0))}
	second := &plan.Project{In: ofKey, Exprs: []plan.Expr{col(1)}, Names: []string{"v"}}
	max := &plan.Aggregate{In: ofKey, Names: []string{"m"}, Aggs: []plan.AggCall{agg(t, "max", col(1))}}
	check(t, s, value(&plan.Subquery{Kind: plan.Scalar, Plan: max, T: intT, Correlated: true}), "10", "-", "20", "-", "10")
	check(t, s, value(&plan.Subquery{Kind: plan.Exists, Plan: ofKey, T: boolT, Correlated: true}), "t", "f", "t", "f", "t")
	check(t, s, value(&plan.Subquery{Kind: plan.ArrayOf, Plan: second, T: vec.ArrayOf(intT), Correlated: true}), "{10,NULL}", "{}", "{20}", "{}", "{10,NULL}")
	if _, err := s.all(value(&plan.Subquery{Kind: plan.Scalar, Plan: second, T: intT, Correlated: true})); pgerr.From(err).Code != pgerr.CardinalityViolation {
		t.Errorf("two rows as a value: %v", err)
	}
	op := func(name string) *fn.Func { return call(t, name, col(0), col(0)).(*plan.Call).Fn }
	keys := &plan.Project{In: r, Exprs: []plan.Expr{col(0)}, Names: []string{"k"}}
	vals := &plan.Project{In: r, Exprs: []plan.Expr{col(1)}, Names: []string{"v"}}
	check(t, s, value(&plan.Subquery{Kind: plan.Any, X: col(0), Op: op("="), Plan: keys, T: boolT}), "t", "f", "t", "-", "t")
	check(t, s, value(&plan.Subquery{Kind: plan.All, X: col(0), Op: op("<>"), Plan: keys, T: boolT}), "f", "t", "f", "-", "f")
	check(t, s, value(&plan.Subquery{Kind: plan.Any, X: col(0), Op: op("="), Plan: vals, T: boolT}), "-", "-", "-", "-", "-")
	check(t, s, value(&plan.Subquery{Kind: plan.All, X: col(0), Op: op(">="), Plan: keys, T: boolT}), "f", "t", "t", "-", "f")
	check(t, s, value(&plan.Subquery{Kind: plan.All, X: col(0), Op: op("<"), Plan: vals, T: boolT}), "-", "-", "-", "-", "-")
	none := &plan.Limit{In: keys, N: lit(0)}
	check(t, s, value(&plan.Subquery{Kind: plan.Any, X: col(0), Op: op("="), Plan: none, T: boolT}), "f", "f", "f", "f", "f")
	check(t, s, value(&plan.Subquery{Kind: plan.All, X: col(0), Op: op("<"), Plan: none, T: boolT}), "t", "t", "t", "t", "t")
}

// A subquery runs once for each set of outer values that it looks at.
func TestSubqueryIsRemembered(t *testing.T) {
	s := newSources()
	l := s.node("l", 1, []any{1}, []any{5}, []any{1}, []any{5}, []any{1})
	r := s.node("r", 1, []any{1})
	runs := func(p plan.Node) int {
		t.Helper()
		s.reads = 0
		if _, err := s.all(&plan.Project{In: l, Exprs: []plan.Expr{&plan.Subquery{Kind: plan.Exists, Plan: p, T: boolT}}, Names: []string{"v"}}); err != nil {
			t.Fatal(err)
		}
		return s.reads - 1
	}
	if n := runs(r); n != 1 {
		t.Errorf("a subquery without outer columns ran %d times", n)
	}
	if n := runs(&plan.Filter{In: r, Cond: call(t, "=", col(0), outerCol(0))}); n != 2 {
		t.Errorf("a subquery over two outer values ran %d times", n)
	}
}

// What a subquery of the right side remembers is given back with the row that
// the right side ran for.
func TestLateralSubqueriesGiveMemoryBack(t *testing.T) {
	s := newSources()
	s.batch = 1000
	var rows [][]any
	for i := range 1000 {
		rows = append(rows, []any{i})
	}
	in := s.node("t", 1, rows...)
	list := &plan.Subquery{Kind: plan.Any, X: col(0), Op: call(t, "=", col(0), col(0)).(*plan.Call).Fn, Plan: in, T: boolT}
	right := &plan.Filter{In: &plan.Values{Rows: [][]plan.Expr{{outerCol(0)}}, Cols: []plan.Column{{Type: intT}}}, Cond: list}
	q, err := Run(context.Background(), &plan.Apply{L: in, R: right}, Env{Sources: s, Config: Config{Memory: 100 << 10}})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	err = each(q, func(b *vec.Batch) error { n += b.Len(); return nil })
	if err != nil || n != 1000 {
		t.Errorf("%d rows, %v", n, err)
	}
	if err := q.Close(); err != nil {
		t.Error(err)
	}
}

func window(in plan.Node, calls ...plan.WindowCall) plan.Node {
	n := &plan.WindowFuncs{In: in, Calls: calls}
	for i := range calls {
		n.Names = append(n.Names, fmt.Sprint("w", i))
	}
	return n
}

func TestWindowFuncs(t *testing.T) {
	s := newSources()
	in := s.node("t", 2, []any{1, 10}, []any{2, 5}, []any{1, 10}, []any{1, 30}, []any{1, 20}, []any{2, nil})
	call := func(name string, typ vec.Type, args ...plan.Expr) plan.WindowCall {
		return plan.WindowCall{Name: name, Args: args, T: typ, Partition: []plan.Expr{col(0)}, OrderBy: []plan.SortKey{key(col(1), false, false)}}
	}
	f8 := vec.Of(vec.Float64)
	check(t, s, window(in, call("row_number", intT), call("rank", intT), call("dense_rank", intT), call("percent_rank", f8), call("cume_dist", f8), call("ntile", intT, lit(3))),
		"1 10 1 1 1 0 0.5 1", "1 10 2 1 1 0 0.5 1", "1 20 3 3 2 0.6666666666666666 0.75 2", "1 30 4 4 3 1 1 3",
		"2 5 1 1 1 0 0.5 1", "2 - 2 2 2 1 1 2")
	check(t, s, window(in, call("lag", intT, col(1)), call("lead", intT, col(1), lit(2)), call("lag", intT, col(1), lit(1), lit(-1)), call("first_value", intT, col(1)), call("last_value", intT, col(1)), call("nth_value", intT, col(1), lit(3))),
		"1 10 - 20 -1 10 10 -", "1 10 10 30 10 10 10 -", "1 20 10 - 10 10 20 20", "1 30 20 - 20 10 30 20",
		"2 5 - - -1 5 5 -", "2 - 5 - 5 5 - -")
	sum := func(f *plan.Frame, order bool) plan.WindowCall {
		a := agg(t, "count", col(1))
		c := plan.WindowCall{Name: "count", Agg: a.Fn, Args: a.Args, T: a.T, Partition: []plan.Expr{col(0)}, Frame: f}
		if order {
			c.OrderBy = []plan.SortKey{key(col(1), false, false)}
		}
		return c
	}
	check(t, s, window(in, sum(nil, true), sum(nil, false)), "1 10 2 4", "1 10 2 4", "1 20 3 4", "1 30 4 4", "2 5 1 1", "2 - 1 1")
	if _, err := s.all(window(in, call("ntile", intT, lit(0)))); pgerr.From(err).Code != "22014" {
		t.Errorf("ntile(0): %v", err)
	}
	if _, err := s.all(window(in, call("nope", intT))); pgerr.From(err).Code != pgerr.FeatureNotSupported {
		t.Errorf("unknown function: %v", err)
	}
}

// Frames of all kinds, against the sum over the rows that the definition names.
func TestFramesAgainstModel(t *testing.T) {
	sum := agg(t, "sum", col(1))
	biggest := agg(t, "max", col(1))
	rapid.Check(t, func(rt *rapid.T) {
		s := newSources()
		s.batch = rapid.IntRange(1, 7).Draw(rt, "batch")
		n := rapid.IntRange(0, 12).Draw(rt, "rows")
		rows := make([][]any, n)
		keys := make([]int, n)
		for i := range rows {
			keys[i] = rapid.IntRange(0, 6).Draw(rt, "k")
		}
		slices.Sort(keys)
		for i := range rows {
			rows[i] = []any{keys[i], rapid.IntRange(-9, 9).Draw(rt, "v")}
		}
		unit := plan.FrameUnit(rapid.IntRange(0, 2).Draw(rt, "unit"))
		exclude := rapid.SampledFrom([]string{"", "CURRENT ROW", "GROUP", "TIES"}).Draw(rt, "exclude")
		// An end is a signed distance; 99 is unbounded, 0 the current row.
		ends := []int{-99, -2, -1, 0, 1, 2, 99}
		a, b := rapid.SampledFrom(ends[:6]).Draw(rt, "from"), rapid.SampledFrom(ends[1:]).Draw(rt, "to")
		bound := func(d int) plan.Bound {
			switch {
			case d == -99 || d == 99:
				return plan.Bound{Unbounded: true, Preceding: d < 0}
			case d == 0:
				return plan.Bound{Current: true}
			case d < 0:
				return plan.Bound{Preceding: true, N: lit(int64(-d))}
			}
			return plan.Bound{N: lit(int64(d))}
		}
		call := plan.WindowCall{Name: "sum", Agg: sum.Fn, Args: sum.Args, T: sum.T, OrderBy: []plan.SortKey{key(col(0), false, false)}, Frame: &plan.Frame{Unit: unit, From: bound(a), To: bound(b), Exclude: exclude}}
		top := call
		top.Agg, top.T = biggest.Fn, biggest.T
		got, err := s.all(window(s.node("t", 2, rows...), call, top))
		if err != nil {
			rt.Fatal(err)
		}
		group := make([]int, n)
		for i := 1; i < n; i++ {
			group[i] = group[i-1]
			if keys[i] != keys[i-1] {
				group[i]++
			}
		}
		var want []string
		for i := range rows {
			total, most, some := 0, 0, false
			for j := range rows {
				var d int
				switch unit {
				case plan.Rows:
					d = j - i
				case plan.Range:
					d = keys[j] - keys[i]
				case plan.Groups:
					d = group[j] - group[i]
				}
				out := d < a || d > b
				switch exclude {
				case "CURRENT ROW":
					out = out || i == j
				case "GROUP":
					out = out || keys[i] == keys[j]
				case "TIES":
					out = out || keys[i] == keys[j] && i != j
				}
				if v := rows[j][1].(int); !out {
					total += v
					if !some || v > most {
						most = v
					}
					some = true
				}
			}
			row := fmt.Sprintf("%d %d - -", rows[i][0], rows[i][1])
			if some {
				row = fmt.Sprintf("%d %d %d %d", rows[i][0], rows[i][1], total, most)
			}
			want = append(want, row)
		}
		if !slices.Equal(got, want) {
			rt.Fatalf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}
