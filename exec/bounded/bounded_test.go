package bounded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/weirdb/weir/internal/fn"
	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
)

var (
	intT  = vec.Of(vec.Int64)
	textT = vec.Of(vec.Text)
	boolT = vec.Of(vec.Bool)
)

func col(i int) plan.Expr { return &plan.Col{Index: i, T: intT} }
func lit(n int64) plan.Expr {
	return &plan.Const{Value: n, T: intT}
}

// call applies the function of that name that takes bigints.
func call(t testing.TB, name string, args ...plan.Expr) plan.Expr {
	types := make([]vec.Type, len(args))
	for i, a := range args {
		types[i] = a.Type()
	}
	f, _, typ, err := fn.Resolve(name, fn.Postgres, types)
	if err != nil {
		t.Fatal(err)
	}
	return &plan.Call{Fn: f, Args: args, T: typ, Pos: -1}
}

func agg(t testing.TB, name string, args ...plan.Expr) plan.AggCall {
	types := make([]vec.Type, len(args))
	for i, a := range args {
		types[i] = a.Type()
	}
	f, _, typ, err := fn.ResolveAgg(name, fn.Postgres, types)
	if err != nil {
		t.Fatal(err)
	}
	return plan.AggCall{Fn: f, Args: args, T: typ}
}

// relation is a relation of bigints; nil is null. The last column is also the event
// time if times is set.
type relation struct {
	rows  [][]any
	width int
	times bool
}

// node makes a scan that reads the table under this name.
func (s *sources) node(name string, width int, rows ...[]any) *plan.Scan {
	s.tables[name] = relation{rows: rows, width: width}
	n := &plan.Scan{Name: name}
	for i := range width {
		n.Cols = append(n.Cols, plan.SourceColumn{Name: fmt.Sprint("c", i), Type: intT})
	}
	return n
}

// sources reads tables in batches of a few rows, and counts who is not closed.
type sources struct {
	tables map[string]relation
	batch  int
	open   int
	reads  int
}

func newSources() *sources { return &sources{tables: map[string]relation{}, batch: 3} }

func (s *sources) Scan(_ context.Context, n *plan.Scan, key []vec.Value) (Rows, error) {
	s.open++
	s.reads++
	return &reader{s: s, t: s.tables[n.Name]}, nil
}

func (s *sources) System(context.Context, *plan.SystemScan) (Rows, error) {
	return nil, errors.New("no system relations")
}

type reader struct {
	s      *sources
	t      relation
	at     int
	closed bool
}

func (r *reader) Next() (*vec.Batch, error) {
	if r.closed {
		panic("read after close")
	}
	rows := r.t.rows[r.at:]
	if len(rows) == 0 {
		return nil, io.EOF
	}
	rows = rows[:min(len(rows), r.s.batch)]
	r.at += len(rows)
	b := &vec.Batch{N: len(rows)}
	for range r.t.width {
		b.Cols = append(b.Cols, vec.New(intT))
	}
	for _, row := range rows {
		for i, x := range row {
			if n, ok := x.(int); ok {
				x = int64(n)
			}
			b.Cols[i].Append(x)
		}
	}
	if r.t.times {
		b.Time = b.Cols[r.t.width-1].Ints
	}
	return b, nil
}

func (r *reader) Close() error {
	if !r.closed {
		r.s.open--
	}
	r.closed = true
	return nil
}

// all runs a plan to its end, and makes sure that nothing stays open.
func (s *sources) all(n plan.Node, params ...vec.Value) ([]string, error) {
	rows, err := Run(context.Background(), n, Env{Sources: s, Params: params})
	if err != nil {
		return nil, err
	}
	var out []string
	for {
		b, err := rows.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return out, closing(rows, err)
		}
		if b.Len() == 0 {
			return nil, errors.New("an empty batch")
		}
		for _, r := range b.Selected() {
			var row []string
			for _, c := range b.Cols {
				row = append(row, cell(c, int(r)))
			}
			out = append(out, strings.Join(row, " "))
		}
	}
	if err := rows.Close(); err != nil {
		return nil, err
	}
	if s.open != 0 {
		return nil, fmt.Errorf("%d readers stay open", s.open)
	}
	return out, nil
}

func cell(c *vec.Vec, r int) string {
	if c.Null(r) {
		return "-"
	}
	return string(vec.AppendText(nil, c, r, nil))
}

func check(t *testing.T, s *sources, n plan.Node, want ...string) {
	t.Helper()
	for _, s.batch = range []int{1, 3, 1024} {
		got, err := s.all(n)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("batches of %d: got\n%s\nwant\n%s", s.batch, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

func TestRowwise(t *testing.T) {
	s := newSources()
	in := s.node("t", 2, []any{1, 10}, []any{2, nil}, []any{3, 30}, []any{4, 40})
	cond := call(t, ">", col(1), lit(10))
	filter := &plan.Filter{In: in, Cond: cond}
	check(t, s, filter, "3 30", "4 40")
	check(t, s, &plan.Project{In: in, Exprs: []plan.Expr{lit(7), call(t, "+", col(0), col(1))}, Names: []string{"a", "b"}}, "7 11", "7 -", "7 33", "7 44")
	check(t, s, &plan.Limit{In: in, N: lit(2), Offset: lit(1)}, "2 -", "3 30")
	check(t, s, &plan.Limit{In: in, N: lit(0)})
	check(t, s, &plan.Limit{In: in, Offset: lit(3)}, "4 40")
	check(t, s, &plan.Values{Rows: [][]plan.Expr{{lit(1), call(t, "+", lit(1), lit(1))}, {lit(3), &plan.Const{T: intT}}}, Cols: []plan.Column{{Type: intT}, {Type: intT}}}, "1 2", "3 -")
	check(t, s, &plan.Project{In: &plan.Values{Rows: [][]plan.Expr{{}}}, Exprs: []plan.Expr{lit(1)}, Names: []string{"a"}}, "1")
	if _, err := s.all(&plan.Limit{In: in, N: lit(-1)}); pgerr.From(err).Code != "2201W" {
		t.Errorf("negative limit: %v", err)
	}
	if s.open != 0 {
		t.Error("a plan that could not be built left a reader open")
	}
}

func key(x plan.Expr, desc, nullsFirst bool) plan.SortKey {
	return plan.SortKey{X: x, Desc: desc, NullsFirst: nullsFirst}
}

func TestSort(t *testing.T) {
	s := newSources()
	in := s.node("t", 2, []any{1, 5}, []any{2, nil}, []any{3, 4}, []any{4, 5})
	check(t, s, &plan.Sort{In: in, Keys: []plan.SortKey{key(col(1), false, false)}}, "3 4", "1 5", "4 5", "2 -")
	check(t, s, &plan.Sort{In: in, Keys: []plan.SortKey{key(col(1), true, true), key(col(0), true, true)}}, "2 -", "4 5", "1 5", "3 4")
	check(t, s, &plan.Sort{In: in, Keys: []plan.SortKey{key(col(1), false, true)}, Top: lit(2)}, "2 -", "3 4")
}

// The first rows are the same whether the others are dropped on the way or not.
func TestTopDropsRows(t *testing.T) {
	s := newSources()
	s.batch = 1000
	var rows [][]any
	for i := range 20_000 {
		rows = append(rows, []any{i * 7919 % 20011})
	}
	in := s.node("t", 1, rows...)
	keys := []plan.SortKey{key(col(0), true, true)}
	want, err := s.all(&plan.Limit{In: &plan.Sort{In: in, Keys: keys}, N: lit(50)})
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.all(&plan.Sort{In: in, Keys: keys, Top: lit(50)})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestAggregate(t *testing.T) {
	s := newSources()
	in := s.node("t", 2, []any{1, 10}, []any{2, 20}, []any{1, nil}, []any{nil, 5}, []any{2, 20}, []any{nil, 6})
	aggs := []plan.AggCall{agg(t, "count"), agg(t, "count", col(1)), agg(t, "sum", col(1)), agg(t, "max", col(1))}
	names := []string{"k", "a", "b", "c", "d"}
	check(t, s, &plan.Aggregate{In: in, Keys: []plan.Expr{col(0)}, Names: names, Aggs: aggs}, "1 2 1 10 10", "2 2 2 40 20", "- 2 2 11 6")
	check(t, s, &plan.Aggregate{In: in, Names: names, Aggs: aggs}, "6 5 61 20")
	check(t, s, &plan.Aggregate{In: &plan.Limit{In: in, N: lit(0)}, Names: names, Aggs: aggs}, "0 0 - -")
	check(t, s, &plan.Aggregate{In: &plan.Limit{In: in, N: lit(0)}, Keys: []plan.Expr{col(0)}, Names: names, Aggs: aggs})
	check(t, s, &plan.Aggregate{In: in, Keys: []plan.Expr{col(0)}, Names: names, Aggs: aggs, Having: call(t, ">", col(2), lit(1))}, "2 2 2 40 20", "- 2 2 11 6")
	distinct := agg(t, "sum", col(1))
	distinct.Distinct = true
	filtered := agg(t, "count")
	filtered.Filter = call(t, ">", col(1), lit(9))
	check(t, s, &plan.Aggregate{In: in, Keys: []plan.Expr{col(0)}, Names: names, Aggs: []plan.AggCall{distinct, filtered}}, "1 10 1", "2 20 2", "- 11 0")
}

// listAgg is an aggregate that shows the order in which rows come.
type listAgg struct{}

func (listAgg) Words() int        { return 0 }
func (listAgg) HasBytes() bool    { return true }
func (listAgg) Retractable() bool { return false }
func (listAgg) Add(_ *fn.Ctx, s *fn.States, groups []uint32, rows []uint16, _ []int8, args []*vec.Vec) {
	for k, r := range rows {
		s.Set(groups[k], append(append(s.Get(groups[k]), cell(args[0], int(r))...), ','))
	}
}
func (listAgg) Merge(*fn.Ctx, *fn.States, uint32, uint32) {}
func (listAgg) Result(_ *fn.Ctx, s *fn.States, groups []uint32, rows []uint16, out *vec.Vec) {
	for k, g := range groups {
		out.SetBytes(int(rows[k]), s.Get(g))
	}
}

var list = &fn.Agg{Name: "list", New: func([]vec.Type) (fn.Aggregator, error) { return listAgg{}, nil }}

func TestOrderInAggregate(t *testing.T) {
	s := newSources()
	in := s.node("t", 3, []any{1, 10, 5}, []any{2, 20, 1}, []any{1, 30, 4}, []any{1, 10, 3}, []any{2, 40, nil})
	call := plan.AggCall{Fn: list, Args: []plan.Expr{col(1)}, T: textT, OrderBy: []plan.SortKey{key(col(2), false, true)}}
	n := &plan.Aggregate{In: in, Keys: []plan.Expr{col(0)}, Names: []string{"k", "l"}, Aggs: []plan.AggCall{call}}
	check(t, s, n, "1 10,30,10,", "2 40,20,")
	call.Distinct = true
	call.OrderBy[0].X = col(1)
	n.Aggs[0] = call
	check(t, s, n, "1 10,30,", "2 20,40,")
}

func TestWindows(t *testing.T) {
	s := newSources()
	in := s.node("t", 2, []any{1, 5}, []any{1, 12}, []any{2, 14}, []any{1, 19}, []any{1, 40})
	tab := s.tables["t"]
	tab.times = true
	s.tables["t"] = tab
	n := &plan.Aggregate{In: in, Keys: []plan.Expr{col(0)}, Names: []string{"k", "s", "e", "n"}, Aggs: []plan.AggCall{agg(t, "count")}}
	sorted := &plan.Sort{In: n, Keys: []plan.SortKey{key(col(0), false, false), key(col(1), false, false)}}
	n.Window = &plan.Window{Kind: plan.Tumbling, Size: 10, Advance: 10}
	check(t, s, sorted, "1 0 10 1", "1 10 20 2", "1 40 50 1", "2 10 20 1")
	n.Window = &plan.Window{Kind: plan.Hopping, Size: 10, Advance: 5}
	check(t, s, sorted, "1 0 10 1", "1 5 15 2", "1 10 20 2", "1 15 25 1", "1 35 45 1", "1 40 50 1", "2 5 15 1", "2 10 20 1")
	n.Window = &plan.Window{Kind: plan.Session, Size: 7}
	check(t, s, sorted, "1 5 19 3", "1 40 40 1", "2 14 14 1")
}

func TestJoin(t *testing.T) {
	s := newSources()
	l := s.node("l", 2, []any{1, 10}, []any{2, 20}, []any{nil, 30}, []any{4, 40})
	r := s.node("r", 2, []any{2, 200}, []any{1, 100}, []any{2, 201}, []any{nil, 300}, []any{5, 500})
	join := func(kind plan.JoinKind, on plan.Expr) plan.Node {
		return &plan.Join{Kind: kind, L: l, R: r, LKeys: []plan.Expr{col(0)}, RKeys: []plan.Expr{col(0)}, On: on}
	}
	check(t, s, join(plan.InnerJoin, nil), "1 10 1 100", "2 20 2 200", "2 20 2 201")
	check(t, s, join(plan.LeftJoin, nil), "1 10 1 100", "2 20 2 200", "2 20 2 201", "- 30 - -", "4 40 - -")
	check(t, s, join(plan.RightJoin, nil), "1 10 1 100", "2 20 2 200", "2 20 2 201", "- - - 300", "- - 5 500")
	check(t, s, join(plan.SemiJoin, nil), "1 10", "2 20")
	check(t, s, join(plan.AntiJoin, nil), "- 30", "4 40")
	on := call(t, ">", col(3), lit(200))
	check(t, s, join(plan.InnerJoin, on), "2 20 2 201")
	check(t, s, join(plan.SemiJoin, on), "2 20")
	check(t, s, join(plan.AntiJoin, on), "1 10", "- 30", "4 40")
	equal := join(plan.InnerJoin, nil).(*plan.Join)
	equal.NullEqual = true
	check(t, s, equal, "1 10 1 100", "2 20 2 200", "2 20 2 201", "- 30 - 300")
}

// naiveJoin is what a join means.
func naiveJoin(l, r [][]any, keys int, kind plan.JoinKind, nullEqual bool, on func(l, r []any) bool) []string {
	var out []string
	hit := make([]bool, len(r))
	show := func(rows ...[]any) string {
		var s []string
		for _, row := range rows {
			for _, x := range row {
				if x == nil {
					s = append(s, "-")
				} else {
					s = append(s, fmt.Sprint(x))
				}
			}
		}
		return strings.Join(s, " ")
	}
	none := []any{nil, nil}
	for _, a := range l {
		found := false
		for j, b := range r {
			ok := on(a, b)
			for k := range keys {
				ok = ok && a[k] == b[k] && (nullEqual || a[k] != nil)
			}
			if ok {
				found, hit[j] = true, true
				if kind != plan.SemiJoin && kind != plan.AntiJoin {
					out = append(out, show(a, b))
				}
			}
		}
		switch {
		case kind == plan.SemiJoin && found, kind == plan.AntiJoin && !found:
			out = append(out, show(a))
		case !found && (kind == plan.LeftJoin || kind == plan.FullJoin):
			out = append(out, show(a, none))
		}
	}
	for j, b := range r {
		if !hit[j] && (kind == plan.RightJoin || kind == plan.FullJoin) {
			out = append(out, show(none, b))
		}
	}
	return out
}

func drawRows(t *rapid.T, label string, most int) [][]any {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) []any {
		row := make([]any, 2)
		for i := range row {
			if n := rapid.IntRange(-1, 4).Draw(t, "v"); n >= 0 {
				row[i] = n
			}
		}
		return row
	}), 0, most).Draw(t, label)
}

func TestJoinAgainstModel(t *testing.T) {
	less := call(t, "<", col(1), col(3))
	rapid.Check(t, func(rt *rapid.T) {
		s := newSources()
		s.batch = rapid.IntRange(1, 7).Draw(rt, "batch")
		lr, rr := drawRows(rt, "l", 12), drawRows(rt, "r", 12)
		n := &plan.Join{
			L: s.node("l", 2, lr...), R: s.node("r", 2, rr...),
			Kind:      plan.JoinKind(rapid.IntRange(0, 5).Draw(rt, "kind")),
			NullEqual: rapid.Bool().Draw(rt, "nullEqual"),
		}
		keys := rapid.IntRange(0, 2).Draw(rt, "keys")
		for k := range keys {
			n.LKeys, n.RKeys = append(n.LKeys, col(k)), append(n.RKeys, col(k))
		}
		on := func(l, r []any) bool { return true }
		if rapid.Bool().Draw(rt, "on") {
			n.On = less
			on = func(l, r []any) bool {
				return l[1] != nil && r[1] != nil && l[1].(int) < r[1].(int)
			}
		}
		want := naiveJoin(lr, rr, keys, n.Kind, n.NullEqual, on)
		got, err := s.all(n)
		if err != nil {
			rt.Fatal(err)
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			rt.Fatalf("%s: got %q, want %q", n.Kind, got, want)
		}
	})
}

func TestSortAgainstModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := newSources()
		s.batch = rapid.IntRange(1, 7).Draw(rt, "batch")
		rows := drawRows(rt, "rows", 30)
		desc, first := rapid.Bool().Draw(rt, "desc"), rapid.Bool().Draw(rt, "nullsFirst")
		got, err := s.all(&plan.Sort{In: s.node("t", 2, rows...), Keys: []plan.SortKey{key(col(0), desc, first)}})
		if err != nil {
			rt.Fatal(err)
		}
		slices.SortStableFunc(rows, func(a, b []any) int {
			x, y := a[0], b[0]
			switch {
			case x == nil && y == nil:
				return 0
			case x == nil || y == nil:
				if (x == nil) == first {
					return -1
				}
				return 1
			case desc:
				return y.(int) - x.(int)
			}
			return x.(int) - y.(int)
		})
		var want []string
		for _, r := range rows {
			want = append(want, strings.ReplaceAll(fmt.Sprintf("%v %v", r[0], r[1]), "<nil>", "-"))
		}
		if !slices.Equal(got, want) {
			rt.Fatalf("got %q, want %q", got, want)
		}
	})
}

func TestCancel(t *testing.T) {
	s := newSources()
	var rows [][]any
	for i := range 100 {
		rows = append(rows, []any{i})
	}
	l, r := s.node("l", 1, rows...), s.node("r", 1, rows...)
	ctx, cancel := context.WithCancel(context.Background())
	q, err := Run(ctx, &plan.Join{L: l, R: r}, Env{Sources: s})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := q.Next(); err != nil {
		t.Fatal(err)
	}
	cancel()
	for {
		if _, err = q.Next(); err != nil {
			break
		}
	}
	if !errors.Is(err, context.Canceled) {
		t.Errorf("after cancel: %v", err)
	}
	if err := q.Close(); err != nil || s.open != 0 {
		t.Errorf("close: %v, %d readers open", err, s.open)
	}
}

func TestMemoryLimit(t *testing.T) {
	s := newSources()
	s.batch = 1000
	var rows [][]any
	for i := range 20_000 {
		rows = append(rows, []any{i})
	}
	in := s.node("t", 1, rows...)
	for _, n := range []plan.Node{
		&plan.Sort{In: in, Keys: []plan.SortKey{key(col(0), false, false)}},
		&plan.Aggregate{In: in, Keys: []plan.Expr{col(0)}, Names: []string{"k"}},
		&plan.Join{L: in, R: in, LKeys: []plan.Expr{col(0)}, RKeys: []plan.Expr{col(0)}},
		&plan.SetOp{L: in, R: in},
		window(in),
		&plan.Project{In: &plan.Values{Rows: [][]plan.Expr{{}}}, Exprs: []plan.Expr{&plan.Subquery{Kind: plan.ArrayOf, Plan: in, T: vec.ArrayOf(intT)}}, Names: []string{"a"}},
	} {
		q, err := Run(context.Background(), n, Env{Sources: s, Config: Config{Memory: 100 << 10}})
		if err != nil {
			t.Fatal(err)
		}
		for err == nil {
			_, err = q.Next()
		}
		if pgerr.From(err).Code != "53200" {
			t.Errorf("%T: %v", n, err)
		}
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	}
	if s.open != 0 {
		t.Errorf("%d readers open", s.open)
	}
}
