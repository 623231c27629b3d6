package sim

import (
	"context"
	"flag"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/weirdb/weir/catalog"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/replication"
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
	eachSeed(t, 40, func(t *testing.T, seed uint64) {
		report(t, simulate(t, seed, 1, noBug, inserts))
	})
}

// Three nodes, and all that can happen to them.
func TestThreeNodes(t *testing.T) {
	eachSeed(t, 60, func(t *testing.T, seed uint64) {
		report(t, simulate(t, seed, 3, noBug, inserts))
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
	c.defineStream("ev")
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

// defineStream declares a stream of two partitions.
func (c *cluster) defineStream(name string) {
	l := c.leader(0)
	cat := l.Catalog()
	ch := cat.Begin()
	topic := &catalog.Topic{ID: ch.NewID(), Name: name, Partitions: 2, Shards: catalog.Place(name, 2, shards, nil), RetentionMs: -1, RetentionBytes: -1}
	ch.Topics = append(ch.Topics, topic)
	text, bigint := vec.Of(vec.Text), vec.Of(vec.Int64)
	ch.Relations = append(ch.Relations, &catalog.Relation{
		ID: ch.NewID(), Schema: "public", Name: name, Kind: catalog.Stream, Topic: topic.ID,
		Columns: []catalog.Column{{Name: "k", Type: text, Role: catalog.Key}, {Name: "g", Type: text}, {Name: "id", Type: bigint}},
		Key:     catalog.Format{Name: "KAFKA"}, Value: catalog.Format{Name: "JSON", Wrap: true},
	})
	cmd, err := ch.Encode()
	if err != nil {
		c.abort("%v", err)
	}
	res, err := l.Groups()[0].Propose(context.Background(), cmd, replication.Sync).Wait(context.Background())
	if err, ok := res.(error); ok {
		c.abort("%v", err)
	}
	if err != nil {
		c.abort("%v", err)
	}
}
