package sim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/weirdb/weir/engine"
	"github.com/weirdb/weir/internal/memnet"
	"github.com/weirdb/weir/replication"
	"github.com/weirdb/weir/storage"
)

// bug is a deliberate fault, which the checks must find.
type bug int

const (
	noBug       bug = iota
	ackEarly        // a client is told that its rows are written before they are committed
	skipCompare     // shards take a task's step from any position
	skipSync        // the journal is not fsynced
)

// cluster is nodes n1, n2, … in one bubble.
type cluster struct {
	seed   uint64
	bug    bug
	net    *memnet.Network
	voters []replication.Voter
	nodes  []*node
	steps  *steps
	wild   atomic.Bool    // nodes may crash at syncs
	work   sync.WaitGroup // what trouble has left running

	mu     sync.Mutex
	faults []string
	count  string // what happened, for the log
	lives  atomic.Int64
}

// node is one member, through all its lives.
type node struct {
	c    *cluster
	id   string
	rnd  *rand.Rand // of its goroutine
	kill chan struct{}
	now  atomic.Pointer[life] // nil while it is down
	disk atomic.Pointer[disk] // of the present life, from before it is open
}

// life is a node from start to crash.
type life struct {
	*engine.Node
	node *node
	disk *disk
}

// shards is small, so that runs are cheap, and more than one, so that partitions
// of a topic have different leaders.
const shards = 2

// simulate runs f with a cluster whose nodes are up, in a bubble, and returns
// what was found wrong.
func simulate(t *testing.T, seed uint64, size int, b bug, f func(c *cluster)) (faults []string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{seed: seed, bug: b, net: memnet.New(), steps: newSteps()}
		for i := range size {
			id := fmt.Sprintf("n%d", i+1)
			c.voters = append(c.voters, replication.Voter{ID: id, Addr: id})
			c.nodes = append(c.nodes, &node{c: c, id: id, rnd: c.random(uint64(i)), kill: make(chan struct{}, 1)})
		}
		c.wild.Store(true) // from the first sync on
		ctx, stop := context.WithCancel(context.Background())
		var running sync.WaitGroup
		for _, n := range c.nodes {
			running.Go(func() { n.run(ctx) })
		}
		c.attempt(func() {
			c.settle()
			f(c)
		})
		stop()
		running.Wait()
		c.work.Wait()
		faults = c.faults
		t.Log(c.count)
	})
	return faults
}

// attempt calls f, which abort ends early.
func (c *cluster) attempt(f func()) {
	defer func() {
		if r := recover(); r != nil && r != any(aborted) {
			panic(r)
		}
	}()
	f()
}

const aborted = "the run was aborted"

// fault notes that something is wrong.
func (c *cluster) fault(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.faults) < 20 {
		c.faults = append(c.faults, fmt.Sprintf(format, args...))
	}
}

// abort is fault where the run cannot go on. Only what attempt calls may abort.
func (c *cluster) abort(format string, args ...any) {
	c.fault(format, args...)
	panic(aborted)
}

// random returns a source for one of the run's goroutines.
func (c *cluster) random(who uint64) *rand.Rand { return rand.New(rand.NewPCG(c.seed, who)) }

// run lives the node's lives until ctx ends.
func (n *node) run(ctx context.Context) {
	for mem := vfs.NewCrashableMem(); mem != nil; {
		mem = n.live(ctx, mem)
	}
}

// live runs the node on a disk until it crashes and returns what the crash left,
// or until ctx ends.
func (n *node) live(ctx context.Context, mem *vfs.MemFS) *vfs.MemFS {
	crashAt := 0
	if n.c.wild.Load() {
		// Half of the crashes come while the node starts, or soon after.
		crashAt = 1 + n.rnd.IntN(40)
		if n.rnd.IntN(2) == 0 {
			crashAt += n.rnd.IntN(1000)
		}
	}
	ln := n.c.net.Listen(n.id)
	rnd := rand.New(rand.NewPCG(n.rnd.Uint64(), 0))
	d := newDisk(mem, rnd, crashAt, n.c.bug == skipSync, func() {
		_ = ln.Close() // has no error
		n.c.net.Cut(n.id, true)
	})
	n.disk.Store(d)
	n.c.lives.Add(1)
	octx, cancel := context.WithCancel(ctx)
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case <-d.crashed:
			cancel() // it may wait for a leader that it cannot hear
		case <-stop:
		}
	}()
	defer cancel()
	e, err := engine.Open(octx, n.config(d, ln))
	if err == nil {
		l := &life{e, n, d}
		n.now.Store(l)
		select {
		case <-d.crashed:
		case <-n.kill: // an orderly end, and a start on the same disk
		case <-ctx.Done():
		}
		n.now.Store(nil)
		err = e.Close()
	}
	switch {
	case !d.alive():
		time.Sleep(time.Duration(n.rnd.IntN(1000)) * time.Millisecond)
		n.c.net.Cut(n.id, false)
		return d.left
	case ctx.Err() != nil && err == nil, errors.Is(err, context.Canceled):
		return nil
	case err != nil:
		n.c.fault("node %s: %v", n.id, err)
		return nil
	}
	return mem
}

func (n *node) config(d *disk, ln net.Listener) engine.Config {
	cfg := engine.Config{
		Dir: "data", FS: d.fs, ID: n.id, Shards: shards, Voters: n.c.voters,
		CheckpointEvery: time.Duration(100+n.rnd.IntN(2000)) * time.Millisecond,
		// Half of the time a node that was away has to be given contents.
		JournalWindow: int64(n.rnd.IntN(2)) << 12,
		Logger:        logger(n.id),
		StateMachine: func(s *storage.Shard, m replication.FSM) replication.FSM {
			return &watchedFSM{FSM: m, shard: s, steps: n.c.steps, disk: d, forge: n.c.bug == skipCompare}
		},
	}
	if len(n.c.voters) > 1 {
		cfg.Network = replication.Network{Listener: ln, Dial: func(ctx context.Context, to string) (net.Conn, error) {
			if !d.alive() {
				return nil, memnet.ErrRefused // a ghost's, whoever heals the network
			}
			return n.c.net.Dial(ctx, n.id, to)
		}}
	}
	return cfg
}

// logger is silent unless WEIR_TEST_LOG is set.
func logger(id string) *slog.Logger {
	if os.Getenv("WEIR_TEST_LOG") == "" {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})).With("node", id)
}

// any returns a node that is up, nil if the chosen one is not.
func (c *cluster) any(rnd *rand.Rand) *life { return c.nodes[rnd.IntN(len(c.nodes))].now.Load() }

var errDown = errors.New("it is down")

// awaitNodes waits until all nodes are up and every group has a leader that has
// confirmed it.
func (c *cluster) awaitNodes() {
	for i := range shards + 1 {
		c.leader(i)
	}
	for _, n := range c.nodes {
		c.until("node "+n.id, func() error {
			if n.now.Load() == nil {
				return errDown
			}
			return nil
		})
	}
}

// leader returns the node that leads a group; it has applied all that is committed.
func (c *cluster) leader(group int) (found *life) {
	c.until(fmt.Sprintf("a leader of group %d", group), func() error {
		for _, n := range c.nodes {
			l := n.now.Load()
			if l == nil || !l.Groups()[group].IsLeader() {
				continue
			}
			ctx, cancel := context.WithTimeout(context.Background(), statementTimeout)
			err := l.Groups()[group].Barrier(ctx)
			cancel()
			if err == nil && l.disk.alive() {
				found = l
				return nil
			}
		}
		return errors.New("nobody leads")
	})
	return found
}

// until repeats try, which must succeed within a minute.
func (c *cluster) until(what string, try func() error) {
	var err error
	for range 3000 {
		if err = try(); err == nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	c.abort("waited in vain for %s: %v", what, err)
}

// settle ends all trouble and waits until every node is up and has applied what
// is committed.
func (c *cluster) settle() {
	c.work.Wait()
	c.wild.Store(false)
	for _, n := range c.nodes {
		if d := n.disk.Load(); d != nil {
			d.spare()
		}
	}
	c.net.Heal()
	c.awaitNodes()
	c.replicated()
}

// replicated waits until every node has applied what is committed and returns
// how much that is, by group.
func (c *cluster) replicated() (applied []uint64) {
	for i := range shards + 1 {
		want := c.leader(i).Groups()[i].Stats().Applied
		applied = append(applied, want)
		for _, n := range c.nodes {
			c.until(fmt.Sprintf("%s to apply %d of group %d", n.id, want, i), func() error {
				l := n.now.Load()
				if l == nil {
					return errDown
				}
				if got := l.Groups()[i].Stats().Applied; got < want {
					return fmt.Errorf("it has applied %d", got)
				}
				return nil
			})
		}
	}
	return applied
}
