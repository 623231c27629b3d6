package sim

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/weirdb/weir/replication"
	"github.com/weirdb/weir/storage"
)

// trouble runs work while things go wrong, and returns when all is well again.
func (c *cluster) trouble(work func(ctx context.Context, g *sync.WaitGroup)) {
	ctx, stop := context.WithCancel(context.Background())
	var working sync.WaitGroup
	work(ctx, &working)
	time.Sleep(300 * time.Millisecond) // so that there is something to lose
	c.wild.Store(true)
	rnd := c.random(300)
	bad := []func(*rand.Rand){c.crashOne, c.crashOne, c.restartOne}
	if len(c.nodes) > 1 {
		bad = append(bad, c.cutOff, c.cutOff, c.part, c.transfer, c.transfer, c.crashAll)
	}
	for range 10 {
		time.Sleep(time.Duration(rnd.IntN(700)) * time.Millisecond)
		c.echo(rnd)
		bad[rnd.IntN(len(bad))](rnd)
	}
	stop()
	working.Wait()
	c.settle()
}

func (c *cluster) anyNode(rnd *rand.Rand) *node { return c.nodes[rnd.IntN(len(c.nodes))] }

// crashOne takes the power from a node.
func (c *cluster) crashOne(rnd *rand.Rand) { c.anyNode(rnd).disk.Load().crash() }

// crashAll takes the power from all nodes at one moment.
func (c *cluster) crashAll(*rand.Rand) {
	for _, n := range c.nodes {
		c.net.Cut(n.id, true)
	}
	for _, n := range c.nodes {
		n.disk.Load().crash()
	}
}

// restartOne stops a node in an orderly way; it starts again.
func (c *cluster) restartOne(rnd *rand.Rand) {
	select {
	case c.anyNode(rnd).kill <- struct{}{}:
	default: // it is to be restarted already
	}
}

// cutOff takes a node off the network for a while.
func (c *cluster) cutOff(rnd *rand.Rand) {
	n := c.anyNode(rnd)
	c.net.Cut(n.id, true)
	c.later(rnd, func() { c.net.Cut(n.id, false) })
}

// part keeps two nodes, each of which may hear the third, from hearing each other.
func (c *cluster) part(rnd *rand.Rand) {
	i := rnd.IntN(len(c.nodes))
	a, b := c.nodes[i].id, c.nodes[(i+1)%len(c.nodes)].id
	c.net.Part(a, b, true)
	c.later(rnd, func() { c.net.Part(a, b, false) })
}

// later undoes something after up to four seconds, in which more may go wrong.
func (c *cluster) later(rnd *rand.Rand, undo func()) {
	after := time.Duration(rnd.IntN(4000)) * time.Millisecond
	c.work.Go(func() {
		time.Sleep(after)
		undo()
	})
}

// transfer makes another node lead a group.
func (c *cluster) transfer(rnd *rand.Rand) {
	group := rnd.IntN(shards + 1)
	for _, n := range c.nodes {
		if l := n.now.Load(); l != nil && l.Groups()[group].IsLeader() {
			ctx, cancel := context.WithTimeout(context.Background(), statementTimeout)
			_ = l.Groups()[group].TransferLeadership(ctx, "") // may fail, as in life
			cancel()
			return
		}
	}
}

// echo has a shard apply a step of a task again, as a zombie that comes late
// would. Its positions are not the task's any more: it must be refused.
func (c *cluster) echo(rnd *rand.Rand) {
	shard := 1 + rnd.IntN(shards)
	cmd := c.steps.pick(storage.ShardID(shard), rnd)
	if cmd == nil {
		return
	}
	for _, n := range c.nodes {
		if l := n.now.Load(); l != nil && l.Groups()[shard].IsLeader() {
			p := l.Groups()[shard].Propose(context.Background(), cmd, replication.Sync)
			c.work.Go(func() {
				_, _ = p.Wait(context.Background()) // the shard's state tells what came of it
			})
			return
		}
	}
}
