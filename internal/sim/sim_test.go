package sim

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	seeds = flag.Int("seeds", 50, "how many runs with different seeds, all kinds together")
	first = flag.Uint64("first", 1, "the first seed")
)

// eachSeed runs f for a share of the seeds, in percent.
func eachSeed(t *testing.T, percent int, f func(t *testing.T, seed uint64)) {
	for i := range max(1, *seeds*percent/100) {
		seed := *first + uint64(i)
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) { f(t, seed) })
	}
}

// A lone node crashes at any sync, again and again, under inserts.
func TestOneNode(t *testing.T) {
	eachSeed(t, 20, func(t *testing.T, seed uint64) {
		report(t, seed, simulate(t, seed, 1, noBug, inserts))
	})
}

// Three nodes, and all that can happen to them.
func TestThreeNodes(t *testing.T) {
	eachSeed(t, 20, func(t *testing.T, seed uint64) {
		report(t, seed, simulate(t, seed, 3, noBug, inserts))
	})
}

// The story in order: a cluster elects leaders, loses the node that leads a shard,
// gets it back, loses the power of all nodes, and has every acknowledged row.
func TestClusterLosesItsLeaderHealsAndCrashes(t *testing.T) {
	report(t, *first, simulate(t, *first, 3, noBug, func(c *cluster) {
		c.exec("CREATE STREAM ev (k TEXT KEY, g TEXT, id BIGINT) WITH (partitions = 2)")
		c.exec("CREATE TABLE per_k AS SELECT k, count(*) AS n FROM ev GROUP BY k")
		h := newHistory()
		w := &client{c: c, h: h, rnd: c.random(1), stream: "ev", ids: new(atomic.Int64)}
		total := int64(0)
		insert := func(rows int64) {
			for total += rows; h.acked() < total; {
				if l := c.any(w.rnd); l != nil {
					w.session(t.Context(), l)
				}
				time.Sleep(10 * time.Millisecond)
			}
		}
		insert(50)
		lost := c.leader(1).node
		c.net.Cut(lost.id, true)
		insert(50)
		if now := c.leader(1).node; now == lost {
			c.fault("%s still leads without a network", lost.id)
		}
		c.net.Cut(lost.id, false)
		insert(50)
		c.crashAll(w.rnd)
		c.until("a crash of all nodes", func() error {
			for _, n := range c.nodes {
				if n.now.Load() != nil {
					return fmt.Errorf("%s is up", n.id)
				}
			}
			return nil
		})
		c.settle()
		c.checkHistory(h, "ev")
		insert(50)
		c.flush()
		for _, n := range c.nodes {
			want, got := map[string]int64{}, map[string]int64{}
			for _, r := range c.inputs(n, "ev") {
				want[r.k]++
			}
			for _, r := range c.query(n, "SELECT k, n FROM per_k") {
				got[r[0].(string)] = r[1].(int64)
			}
			compare(c, n.id+": per_k", got, want)
		}
	}))
}

// Each input counts once, whatever happens.
func TestQueriesOnOneNode(t *testing.T) {
	eachSeed(t, 30, func(t *testing.T, seed uint64) {
		report(t, seed, simulate(t, seed, 1, noBug, queries))
	})
}

func TestQueriesOnThreeNodes(t *testing.T) {
	eachSeed(t, 30, func(t *testing.T, seed uint64) {
		report(t, seed, simulate(t, seed, 3, noBug, queries))
	})
}

func report(t *testing.T, seed uint64, faults []string) {
	t.Helper()
	for _, f := range faults {
		t.Error(f)
	}
	if len(faults) > 0 {
		name, _, _ := strings.Cut(t.Name(), "/")
		t.Logf("again: go test ./internal/sim -run '%s$' -first=%d -seeds=1", name, seed)
	}
}

// inserts writes and reads a stream while there is trouble.
func inserts(c *cluster) {
	c.exec("CREATE STREAM ev (k TEXT KEY, g TEXT, id BIGINT) WITH (partitions = 2)")
	h := newHistory()
	c.trouble(func(ctx context.Context, work *sync.WaitGroup) {
		var ids atomic.Int64
		for i := range 3 {
			w := &client{c: c, h: h, rnd: c.random(100 + uint64(i)), stream: "ev", ids: &ids, mixed: len(c.nodes) == 1 || i == 0}
			work.Go(func() { w.run(ctx) })
		}
		r := &client{c: c, h: h, rnd: c.random(200), stream: "ev"}
		work.Go(func() { r.read(ctx) })
	})
	c.checkHistory(h, "ev")
}

func (c *cluster) checkHistory(h *history, stream string) {
	var wrong []string
	for _, n := range c.nodes {
		wrong = h.check(n.id, records(c.query(n, selectRecords+stream)))
	}
	rows := map[outcome]int{}
	for _, r := range h.rows {
		rows[r.outcome]++
	}
	c.count = fmt.Sprintf("%d rows acknowledged, %d refused, %d unknown, %d lives", rows[acked], rows[refused], rows[unknown], c.lives.Load())
	c.faults = append(c.faults, wrong...)
	if c.steps.differ != nil {
		c.fault("%v", c.steps.differ)
	}
	if rows[acked] == 0 {
		c.fault("no row was acknowledged")
	}
}
