package sim

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/weirdb/weir/internal/vec"
)

// queries runs persistent queries over two streams while there is trouble: a
// windowed count behind a repartition, a join behind two, and a count of counts,
// which has a log between its stages.
func queries(c *cluster) {
	for _, sql := range []string{
		"CREATE STREAM ev (k TEXT KEY, g TEXT, id BIGINT) WITH (partitions = 2)",
		"CREATE STREAM ob (k TEXT KEY, g TEXT, id BIGINT) WITH (partitions = 2)",
		"CREATE TABLE per_g AS SELECT g, count(*) AS n, sum(id) AS s FROM ev WINDOW TUMBLING (SIZE 2 SECONDS) GROUP BY g",
		"CREATE STREAM per_g_log (g TEXT KEY, n BIGINT, s BIGINT) WITH (topic = 'per_g', window_type = 'TUMBLING', window_size = '2 SECONDS')",
		"CREATE STREAM pairs AS SELECT ev.g, ev.id AS l, ob.id AS r FROM ev JOIN ob WITHIN 500 MILLISECONDS ON ev.g = ob.g",
		"CREATE TABLE counts AS SELECT n, count(*) AS m FROM (SELECT k, count(*) AS n FROM ev GROUP BY k) AS per_k GROUP BY n",
	} {
		c.exec(sql)
	}
	ev, ob := newHistory(), newHistory()
	c.trouble(func(ctx context.Context, work *sync.WaitGroup) {
		var ids atomic.Int64
		for i, h := range []*history{ev, ev, ob} {
			stream := map[*history]string{ev: "ev", ob: "ob"}[h]
			w := &client{c: c, h: h, rnd: c.random(100 + uint64(i)), stream: stream, ids: &ids, mixed: len(c.nodes) == 1}
			work.Go(func() { w.run(ctx) })
		}
	})
	c.checkHistory(ev, "ev")
	c.checkHistory(ob, "ob")
	c.flush()
	for _, n := range c.nodes {
		c.checkWindows(n)
		c.checkPairs(n)
		c.checkCounts(n)
	}
}

// flush waits until the queries have processed all there is, on all nodes.
func (c *cluster) flush() {
	for {
		before := c.replicated()
		for _, n := range c.nodes {
			c.query(n, "FLUSH")
		}
		if slices.Equal(before, c.replicated()) {
			return
		}
	}
}

// input is a row of a source stream.
type input struct {
	time int64
	k, g string
	id   int64
}

func (c *cluster) inputs(n *node, stream string) (out []input) {
	for _, r := range c.query(n, "SELECT rowtime, k, g, id FROM "+stream) {
		out = append(out, input{r[0].(int64), r[1].(string), r[2].(string), r[3].(int64)})
	}
	return out
}

// checkWindows holds that per_g counts each row of ev once, and that its log has
// no change twice.
func (c *cluster) checkWindows(n *node) {
	type window struct {
		g     string
		start int64
	}
	type sums struct{ n, s int64 }
	want := map[window]sums{}
	for _, r := range c.inputs(n, "ev") {
		w := window{r.g, r.time - r.time%2000}
		want[w] = sums{want[w].n + 1, want[w].s + r.id}
	}
	got := map[window]sums{}
	for _, r := range c.query(n, "SELECT g, windowstart, n, s FROM per_g") {
		got[window{r[0].(string), r[1].(int64)}] = sums{r[2].(int64), number(r[3])}
	}
	compare(c, n.id+": per_g", got, want)

	last := map[window]sums{}
	for _, r := range c.query(n, "SELECT g, windowstart, n, s FROM per_g_log") {
		w, now := window{r[0].(string), r[1].(int64)}, sums{r[2].(int64), number(r[3])}
		if was := last[w]; now.n <= was.n || now.s <= was.s {
			c.fault("%s: the log of per_g: %v is %v after %v, it is to be more", n.id, w, now, was)
		}
		last[w] = now
	}
	compare(c, n.id+": the log of per_g", last, want)
}

// checkPairs holds that the join has every pair once.
func (c *cluster) checkPairs(n *node) {
	type pair struct{ l, r int64 }
	want := map[pair]int{}
	right := map[string][]input{}
	for _, r := range c.inputs(n, "ob") {
		right[r.g] = append(right[r.g], r)
	}
	for _, l := range c.inputs(n, "ev") {
		for _, r := range right[l.g] {
			if d := l.time - r.time; -500 <= d && d <= 500 {
				want[pair{l.id, r.id}] = 1
			}
		}
	}
	got := map[pair]int{}
	for _, r := range c.query(n, "SELECT l, r FROM pairs") {
		got[pair{r[0].(int64), r[1].(int64)}]++
	}
	compare(c, n.id+": pairs", got, want)
}

// checkCounts holds that counts has, for each number, how many keys of ev have
// that many rows.
func (c *cluster) checkCounts(n *node) {
	perKey, want := map[string]int64{}, map[int64]int64{}
	for _, r := range c.inputs(n, "ev") {
		perKey[r.k]++
	}
	for _, rows := range perKey {
		want[rows]++
	}
	got := map[int64]int64{}
	for _, r := range c.query(n, "SELECT n, m FROM counts WHERE m > 0") {
		got[r[0].(int64)] = r[1].(int64)
	}
	compare(c, n.id+": counts", got, want)
}

// compare finds the keys under which two results differ.
func compare[K, V comparable](c *cluster, what string, got, want map[K]V) {
	for k, w := range want {
		if g, ok := got[k]; !ok {
			c.fault("%s: %v is missing, it is to be %v", what, k, w)
		} else if g != w {
			c.fault("%s: %v is %v, it is to be %v", what, k, g, w)
		}
	}
	for k, g := range got {
		if _, ok := want[k]; !ok {
			c.fault("%s: %v is %v, it is to be missing", what, k, g)
		}
	}
}

// number is an integer, whatever type sum gives.
func number(v vec.Value) (n int64) {
	if _, err := fmt.Sscan(fmt.Sprint(v), &n); err != nil {
		return -1
	}
	return n
}
