package exec

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
	"github.com/weirdb/weir/storage"
)

func TestStepAfter(t *testing.T) {
	check := func(rows, in, bytes, want int64) {
		t.Helper()
		if got := stepAfter(rows, in, bytes); got != want {
			t.Errorf("stepAfter(%d, %d, %d) = %d, want %d", rows, in, bytes, got, want)
		}
	}
	check(stepRows, stepRows, 0, 2*stepRows) // no faster, however small the entry
	check(maxStepRows, maxStepRows, 100, maxStepRows)
	check(maxStepRows, maxStepRows, 2*entryBytes, maxStepRows/2)
	check(stepRows, stepRows, 4*entryBytes, stepRows) // no less
}

// A task that is behind takes large steps; if one does not fit, small ones go on
// from where it began.
func TestStepsThatDoNotFit(t *testing.T) {
	const records, keys = 200_000, 100
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t)
		tooLarge, largest := 0, storage.Offset(0)
		h.trouble = func(_ int, c *storage.Commit) (bool, error) {
			p := c.Positions[0]
			n := p.After - max(p.Before, 0)
			if n > 3*stepRows && tooLarge < 2 {
				tooLarge++
				return false, ErrTooLarge
			}
			largest = max(largest, n)
			return true, nil
		}
		var recs []rec
		for i := range records {
			recs = append(recs, rec{int64(i), "x", fmt.Sprintf(`{"n":%d}`, i%keys)})
			if len(recs) == 1000 {
				h.produce(1, 0, recs...)
				recs = recs[:0]
			}
		}
		in := scanAll(srcTopic, srcCodec)
		s := sinkOf(dstTopic, jsonCodec(field("n", vec.Int64), field("c", vec.Int64)))
		s.Table = true
		q := h.start(QuerySpec{ID: 3, From: plan.Earliest, Plan: &plan.Query{Stages: []plan.Stage{{
			Inputs: []plan.StageInput{{Source: in}}, Partitions: 1, Sink: s,
			Root: &plan.Aggregate{
				In: &plan.Input{Cols: in.Columns()}, Keys: []plan.Expr{col(1, vec.Int64)}, Names: []string{"n", "c"}, Aggs: []plan.AggCall{countStar(t)},
			},
		}}}})
		h.flush(q)
		q.Stop()
		if tooLarge != 2 {
			t.Errorf("%d steps were too large, want 2", tooLarge)
		}
		if largest < 3*stepRows {
			t.Errorf("the largest step looked at %d records", largest)
		}
		out := h.read(2, 0)
		for _, line := range out[len(out)-keys:] {
			var ts int64
			var key, value string
			if _, err := fmt.Sscan(line, &ts, &key, &value); err != nil {
				t.Fatal(err)
			}
			if want := fmt.Sprintf(`{"c":%d}`, records/keys); value != want {
				t.Fatalf("key %q: %s, want %s", key, value, want)
			}
		}
		if err := h.store.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
