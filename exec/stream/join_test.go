package stream

import (
	"testing"

	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
)

func joinOf(shape plan.JoinShape, kind plan.JoinKind, w plan.Within) *plan.Join {
	return &plan.Join{
		Shape: shape, Kind: kind, L: input(0, keyed...), R: input(1, keyed...),
		LKeys: []plan.Expr{col(0, vec.Text)}, RKeys: []plan.Expr{col(0, vec.Text)}, Within: w,
	}
}

func TestUpsert(t *testing.T) {
	modes(t, func(t *testing.T, step func(*script, int, ...string)) {
		s := newScript(t, &plan.Upsert{In: input(0, keyed...), Keys: []int{0}}, keyed)
		s.env.Old = true
		step(s, 0, "1 a 1", "2 a 2", "- 3 zzz ~", "4 b 9")
		s.want("+ 1 a 1", "-U 2 a 1", "+U 2 a 2", "+ 4 b 9")
		step(s, 0, "- 5 a ~", "- 6 a ~", "7 a 3")
		s.want("- 5 a 2", "+ 7 a 3")
	})
}

func TestUpsertWithoutOldRows(t *testing.T) {
	modes(t, func(t *testing.T, step func(*script, int, ...string)) {
		s := newScript(t, &plan.Upsert{In: input(0, keyed...), Keys: []int{0}}, keyed)
		step(s, 0, "1 a 1", "2 a 2", "- 3 zzz ~", "- 4 a ~", "5 a 1")
		s.want("+ 1 a 1", "+U 2 a 2", "- 4 a ~", "+ 5 a 1")
	})
}

func TestFilterOverTable(t *testing.T) {
	modes(t, func(t *testing.T, step func(*script, int, ...string)) {
		// Passes rows whose second column is true.
		f := &plan.Filter{In: &plan.Upsert{In: input(0, kinds(vec.Text, vec.Bool)...), Keys: []int{0}}, Cond: col(1, vec.Bool), Table: true}
		s := newScript(t, f, kinds(vec.Text, vec.Int64))
		step(s, 0, "1 a 1", "2 b 0", "3 a 0", "4 a 0", "5 b 1", "6 b 1", "- 7 b ~", "- 8 a ~")
		s.want("+ 1 a t", "- 3 a t", "+ 5 b t", "+U 6 b t", "- 7 b t")
	})
}

// Records without a value have no columns to ask, also where none has one: no selection
// means all rows.
func TestFilterOverStreamDropsDeletes(t *testing.T) {
	f := &plan.Filter{In: input(0, keyed...), Cond: &plan.IsNull{X: col(1, vec.Int64)}}
	s := newScript(t, f, keyed)
	s.feed(0, "- 1 a ~", "- 2 b ~")
	s.want()
	s.feed(0, "- 3 a ~", "4 b ~", "5 c 1")
	s.want("+ 4 b ~")
}

func TestStreamTableJoin(t *testing.T) {
	modes(t, func(t *testing.T, step func(*script, int, ...string)) {
		s := newScript(t, joinOf(plan.StreamTable, plan.LeftJoin, plan.Within{}), keyed, keyed)
		step(s, 0, "1 a 1", "2 ~ 2")
		s.want("+ 1 a 1 ~ ~")
		step(s, 1, "100 a 7", "101 b 8")
		s.want()
		step(s, 0, "3 a 1", "4 b 1", "- 5 b ~")
		s.want("+ 3 a 1 a 7", "+ 4 b 1 b 8")
		step(s, 1, "- 102 a ~")
		step(s, 0, "6 a 1", "7 b 1")
		s.want("+ 6 a 1 ~ ~", "+ 7 b 1 b 8")
	})
}

func TestStreamTableInnerJoin(t *testing.T) {
	s := newScript(t, joinOf(plan.StreamTable, plan.InnerJoin, plan.Within{}), keyed, keyed)
	s.feed(1, "1 a 7")
	s.feed(0, "2 a 1", "3 b 1", "4 a 2")
	s.want("+ 2 a 1 a 7", "+ 4 a 2 a 7")
}

// The table of docs/developer-guide/joins/join-streams-and-tables.md, ksqlDB.
func TestTableTableJoins(t *testing.T) {
	check := func(kind plan.JoinKind, want ...string) {
		t.Helper()
		modes(t, func(t *testing.T, step func(*script, int, ...string)) {
			t.Helper()
			s := newScript(t, joinOf(plan.TableTable, kind, plan.Within{}), keyed, keyed)
			step(s, 0, "- 1 a ~")
			step(s, 1, "- 2 a ~")
			step(s, 0, "3 a 1")
			step(s, 1, "4 a 2")
			step(s, 0, "5 a 3")
			step(s, 1, "- 6 a ~")
			step(s, 1, "7 a 4")
			step(s, 0, "- 8 a ~", "- 9 a ~")
			step(s, 1, "- 10 a ~")
			s.want(want...)
		})
	}
	check(plan.InnerJoin, "+ 4 a 1 a 2", "+U 5 a 3 a 2", "- 6 a 3 a 2", "+ 7 a 3 a 4", "- 8 a 3 a 4")
	check(plan.LeftJoin, "+ 3 a 1 ~ ~", "+U 4 a 1 a 2", "+U 5 a 3 a 2", "+U 6 a 3 ~ ~", "+U 7 a 3 a 4", "- 8 a 3 a 4")
	check(plan.FullJoin, "+ 3 a 1 ~ ~", "+U 4 a 1 a 2", "+U 5 a 3 a 2", "+U 6 a 3 ~ ~", "+U 7 a 3 a 4", "+U 8 ~ ~ a 4", "- 10 ~ ~ a 4")
	check(plan.RightJoin, "+ 4 a 1 a 2", "+U 5 a 3 a 2", "- 6 a 3 a 2", "+ 7 a 3 a 4", "+U 8 ~ ~ a 4", "- 10 ~ ~ a 4")
}

func TestStreamStreamJoin(t *testing.T) {
	modes(t, func(t *testing.T, step func(*script, int, ...string)) {
		s := newScript(t, joinOf(plan.StreamStream, plan.InnerJoin, plan.Within{Before: 10, After: 5, Grace: -1}), keyed, keyed)
		step(s, 0, "100 a 1", "100 b 1", "103 a 2", "1 ~ 2", "- 100 a ~")
		step(s, 1, "90 a 10", "105 a 20", "106 a 30", "108 a 40", "109 a 50", "90 b 1")
		s.want("+ 100 a 1 a 10", "+ 105 a 1 a 20", "+ 105 a 2 a 20", "+ 106 a 2 a 30", "+ 108 a 2 a 40", "+ 100 b 1 b 1")
		step(s, 0, "104 a 3")
		s.want("+ 105 a 3 a 20", "+ 106 a 3 a 30", "+ 108 a 3 a 40", "+ 109 a 3 a 50")
	})
}

func TestStreamStreamLeftJoinWithoutGraceIsEager(t *testing.T) {
	modes(t, func(t *testing.T, step func(*script, int, ...string)) {
		s := newScript(t, joinOf(plan.StreamStream, plan.LeftJoin, plan.Within{Before: 10, After: 10, Grace: -1}), keyed, keyed)
		step(s, 0, "100 a 1")
		s.want("+ 100 a 1 ~ ~")
		step(s, 1, "105 a 10", "105 c 10")
		s.want("+ 105 a 1 a 10")
	})
}

func TestStreamStreamOuterJoinWithGraceWaits(t *testing.T) {
	modes(t, func(t *testing.T, step func(*script, int, ...string)) {
		s := newScript(t, joinOf(plan.StreamStream, plan.FullJoin, plan.Within{Before: 10, After: 10, Grace: 5}), keyed, keyed)
		step(s, 0, "100 a 1", "101 b 2")
		s.want()
		step(s, 1, "105 a 10", "106 c 10")
		s.want("+ 105 a 1 a 10")
		// 101 + 10 + 5 is not yet behind the stream time, then it is.
		step(s, 1, "116 x 1")
		s.want()
		step(s, 1, "117 x 2")
		s.want("+ 101 b 2 ~ ~")
		step(s, 0, "200 y 1")
		s.want("+ 106 ~ ~ c 10", "+ 116 ~ ~ x 1", "+ 117 ~ ~ x 2")
		// Its window is over when it comes: put out at once.
		step(s, 0, "100 z 1")
		s.want("+ 100 z 1 ~ ~")
		// What is kept is judged by the other side's own time (117).
		step(s, 0, "110 c 5")
		s.want("+ 110 c 5 c 10")
	})
}
