package sim

import (
	"context"
	"flag"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
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
		report(t, simulate(t, seed, 1, noBug, inserts))
	})
}

// Three nodes, and all that can happen to them.
func TestThreeNodes(t *testing.T) {
	eachSeed(t, 20, func(t *testing.T, seed uint64) {
		report(t, simulate(t, seed, 3, noBug, inserts))
	})
}

// Each input counts once, whatever happens.
func TestQueriesOnOneNode(t *testing.T) {
	eachSeed(t, 30, func(t *testing.T, seed uint64) {
		report(t, simulate(t, seed, 1, noBug, queries))
	})
}

func TestQueriesOnThreeNodes(t *testing.T) {
	eachSeed(t, 30, func(t *testing.T, seed uint64) {
		report(t, simulate(t, seed, 3, noBug, queries))
	})
}

func report(t *testing.T, faults []string) {
	t.Helper()
	for _, f := range faults {
		t.Error(f)
	}
	if len(faults) > 0 {
		t.Logf("again: go test ./internal/sim -run '%s'", t.Name())
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
