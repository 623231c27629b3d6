package sim

import (
	"strings"
	"testing"
)

// The check of histories finds what it is there for.
func TestHistoryCheck(t *testing.T) {
	rowAt := func(id, offset int64) record { return record{place{0, offset}, "k", id} }
	check := func(want string, outcomes []outcome, found ...record) {
		t.Helper()
		h := newHistory()
		for i, o := range outcomes { // one after another
			r := &row{id: int64(i + 1), key: "k", unit: int64(i + 1), statement: int64(i + 1)}
			h.begin([]*row{r})
			h.end([]*row{r}, o)
		}
		got := strings.Join(h.check("n", found), "; ")
		if (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("found %q, it is to be %q", got, want)
		}
	}
	check("", []outcome{acked, refused, unknown, acked}, rowAt(1, 0), rowAt(4, 1))
	check("", []outcome{unknown, acked}, rowAt(2, 0), rowAt(1, 1)) // it came late
	check("row 1 was acknowledged and is gone", []outcome{acked})
	check("row 1 was refused, and is at", []outcome{refused}, rowAt(1, 0))
	check("row 1 is at {0 0} and at {0 1}", []outcome{acked}, rowAt(1, 0), rowAt(1, 1))
	check("row 7 at {0 0} was written by nobody", nil, rowAt(7, 0))
	check("offset 2 after 1 records", []outcome{acked, acked}, rowAt(1, 0), rowAt(2, 2))
	check("partition 0 is not linearizable", []outcome{acked, acked}, rowAt(2, 0), rowAt(1, 1))

	h := newHistory()
	both := []*row{{id: 1, key: "k", unit: 1, statement: 1}, {id: 2, key: "k", unit: 1, statement: 1}}
	h.begin(both)
	h.end(both, unknown)
	if got := h.check("n", []record{rowAt(1, 0)}); len(got) != 1 || !strings.Contains(got[0], "only some") {
		t.Errorf("half of a statement: %q", got)
	}
	h = newHistory()
	h.see([]record{rowAt(1, 5)})
	h.see([]record{rowAt(2, 5)})
	if len(h.wrong) != 1 {
		t.Errorf("an offset that changed: %q", h.wrong)
	}
}
