package stream

import (
	"testing"

	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
)

var keyed = kinds(vec.Text, vec.Int64)

// sumBy is SELECT key, sum(value) GROUP BY key.
func sumBy(w *plan.Window) *plan.Aggregate {
	n := &plan.Aggregate{
		In: input(0, keyed...), Keys: []plan.Expr{col(0, vec.Text)}, Aggs: []plan.AggCall{sumOf(1)}, Window: w,
		Names: []string{"k", "ws", "we", "s"},
	}
	return n
}

func TestAggregateEveryChange(t *testing.T) {
	modes(t, func(t *testing.T, step func(*script, int, ...string)) {
		s := newScript(t, sumBy(nil), keyed)
		step(s, 0, "10 a 1", "5 b 10", "7 a 2", "8 ~ 5", "9 a 3")
		s.want("+ 10 a 1", "+ 5 b 10", "+U 10 a 3", "+U 10 a 6")
		step(s, 0, "20 b 1", "- 21 b 1", "3 a 1")
		s.want("+U 20 b 11", "+U 10 a 7")
	})
}

func TestAggregateCoalesces(t *testing.T) {
	s := newScript(t, sumBy(nil), keyed)
	s.env.Every = false
	s.feed(0, "10 a 1", "5 b 10", "7 a 2")
	s.feed(0, "9 a 3")
	s.want()
	s.commit()
	s.want("+ 10 a 6", "+ 5 b 10")
	s.restart()
	s.feed(0, "9 a 1", "9 a 1")
	s.commit()
	s.want("+U 10 a 8")
}

func TestAggregateOldRows(t *testing.T) {
	s := newScript(t, sumBy(nil), keyed)
	s.env.Old = true
	s.feed(0, "1 a 1", "2 a 2")
	s.want("+ 1 a 1", "-U 2 a 1", "+U 2 a 3")
	s.commit()
	s.env.Every = false
	s.restart()
	s.feed(0, "3 a 1", "4 a 1", "4 b 1")
	s.commit()
	s.want("-U 4 a 3", "+U 4 a 5", "+ 4 b 1")
}

func TestTumbling(t *testing.T) {
	modes(t, func(t *testing.T, step func(*script, int, ...string)) {
		s := newScript(t, sumBy(&plan.Window{Kind: plan.Tumbling, Size: 30, Advance: 30, Grace: 60}), keyed)
		step(s, 0, "1 a 1", "29 a 1", "30 a 1", "89 b 1", "10 a 1")
		s.want("+ 1 a 0 30 1", "+U 29 a 0 30 2", "+ 30 a 30 60 1", "+ 89 b 60 90 1", "+U 29 a 0 30 3")
		// At 90 the first window is closed, also for records of the same batch.
		step(s, 0, "90 b 1", "29 a 1", "-5 a 1", "31 a 1")
		s.want("+ 90 b 90 120 1", "+U 31 a 30 60 2")
		if len(s.late) != 2 {
			t.Errorf("late: %q", s.late)
		}
	})
}

func TestHoppingUpdatesEveryWindow(t *testing.T) {
	modes(t, func(t *testing.T, step func(*script, int, ...string)) {
		s := newScript(t, sumBy(&plan.Window{Kind: plan.Hopping, Size: 30, Advance: 10, Grace: 0}), keyed)
		step(s, 0, "5 a 1", "25 a 1", "45 a 1", "25 a 1")
		s.want("+ 5 a 0 30 1", "+U 25 a 0 30 2", "+ 25 a 10 40 1", "+ 25 a 20 50 1",
			"+U 45 a 20 50 2", "+ 45 a 30 60 1", "+ 45 a 40 70 1",
			// Too late for [0,30) and [10,40), not for [20,50).
			"+U 45 a 20 50 3")
	})
}

func TestEmitFinal(t *testing.T) {
	modes(t, func(t *testing.T, step func(*script, int, ...string)) {
		n := sumBy(&plan.Window{Kind: plan.Tumbling, Size: 10, Advance: 10, Grace: 5})
		n.Final = true
		s := newScript(t, n, keyed)
		step(s, 0, "1 b 1", "3 a 1", "11 a 1", "2 b 1")
		s.want()
		step(s, 0, "15 c 1", "5 a 1")
		s.want("+ 3 a 0 10 1", "+ 2 b 0 10 2")
		step(s, 0, "100 a 1")
		s.want("+ 11 a 10 20 1", "+ 15 c 10 20 1")
	})
}

func TestAggregateOverTable(t *testing.T) {
	modes(t, func(t *testing.T, step func(*script, int, ...string)) {
		n := sumBy(nil)
		n.OverTable = true
		s := newScript(t, n, keyed)
		step(s, 0, "1 a 1", "2 b 2")
		s.want("+ 1 a 1", "+ 2 b 2")
		// Same group: one change. Another group: the old one first.
		step(s, 0, "-U 3 a 1", "+U 3 a 5")
		s.want("+U 3 a 5")
		step(s, 0, "-U 4 b 2", "+U 4 a 2")
		s.want("- 4 b 0", "+U 4 a 7")
		step(s, 0, "- 5 a 5", "- 6 a 2", "7 a 1")
		s.want("+U 5 a 2", "- 6 a 0", "+ 7 a 1")
	})
}

func TestAggregateKeepsEmptyGroups(t *testing.T) {
	n := sumBy(nil)
	n.OverTable, n.KeepEmpty = true, true
	s := newScript(t, n, keyed)
	s.feed(0, "1 a 4", "- 2 a 4")
	s.want("+ 1 a 4", "+U 2 a 0")
}

func TestDistinct(t *testing.T) {
	modes(t, func(t *testing.T, step func(*script, int, ...string)) {
		n := sumBy(nil)
		n.Aggs[0].Distinct = true
		n.OverTable = true
		s := newScript(t, n, keyed)
		step(s, 0, "1 a 3", "2 a 3", "3 a 4", "4 b 3")
		s.want("+ 1 a 3", "+U 2 a 3", "+U 3 a 7", "+ 4 b 3")
		step(s, 0, "- 5 a 3", "- 6 a 3")
		s.want("+U 5 a 7", "+U 6 a 4")
	})
}
