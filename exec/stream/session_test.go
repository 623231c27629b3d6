package stream

import (
	"testing"

	"github.com/weirdb/weir/planner/plan"
)

func TestSession(t *testing.T) {
	modes(t, func(t *testing.T, step func(*script, int, ...string)) {
		s := newScript(t, sumBy(&plan.Window{Kind: plan.Session, Size: 30, Grace: 100}), keyed)
		// The gap is inclusive.
		step(s, 0, "10 a 1", "40 a 1", "40 a 1", "20 a 1")
		s.want("+ 10 a 10 10 1", "- 10 a 10 10 1", "+ 40 a 10 40 2", "+U 40 a 10 40 3", "+U 40 a 10 40 4")
		// Two sessions, and a record that closes the gap between them.
		step(s, 0, "100 a 10", "100 b 5", "70 a 100")
		s.want("+ 100 a 100 100 10", "+ 100 b 100 100 5",
			"- 40 a 10 40 4", "- 100 a 100 100 10", "+ 100 a 10 100 114")
		// A record before the session moves its start.
		step(s, 0, "90 b 1")
		s.want("- 100 b 100 100 5", "+ 100 b 90 100 6")
	})
}

func TestSessionLateness(t *testing.T) {
	modes(t, func(t *testing.T, step func(*script, int, ...string)) {
		s := newScript(t, sumBy(&plan.Window{Kind: plan.Session, Size: 30, Grace: 60}), keyed)
		// ksqlDB's session.json: 100010 - 30 - 60 is kept, one below is dropped.
		step(s, 0, "100010 a 1", "99920 b 1", "99919 c 1")
		s.want("+ 100010 a 100010 100010 1", "+ 99920 b 99920 99920 1")
		if len(s.late) != 1 {
			t.Errorf("late: %q", s.late)
		}
		// A record that is not late itself still extends b's session.
		step(s, 0, "100011 a 1", "99921 b 1")
		s.want("- 100010 a 100010 100010 1", "+ 100011 a 100010 100011 2", "- 99920 b 99920 99920 1", "+ 99921 b 99920 99921 2")
		step(s, 0, "100072 a 1", "99982 b 1")
		s.want("+ 100072 a 100072 100072 1", "+ 99982 b 99982 99982 1")
	})
}

func TestSessionFinal(t *testing.T) {
	modes(t, func(t *testing.T, step func(*script, int, ...string)) {
		n := sumBy(&plan.Window{Kind: plan.Session, Size: 10})
		n.Final = true
		s := newScript(t, n, keyed)
		step(s, 0, "1 b 1", "1 a 1", "5 a 1", "15 a 2")
		s.want("+ 1 b 1 1 1")
		step(s, 0, "25 c 1", "100 d 1")
		s.want("+ 15 a 1 15 4", "+ 25 c 25 25 1")
	})
}
