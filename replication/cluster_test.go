package replication

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/weirdb/weir/internal/memnet"
)

// cluster is nodes n1, n2, … in one bubble, each on its own disk, with one group.
type cluster struct {
	t      *testing.T
	net    *memnet.Network
	voters []Voter
	nodes  map[string]*clusterNode
}

type clusterNode struct {
	id   string
	fs   *vfs.MemFS
	node *Node
	g    *Group
	fsm  *listFSM
}

// joined is the network as the node at addr sees it.
func joined(n *memnet.Network, addr string) Network {
	return Network{Listener: n.Listen(addr), Dial: func(ctx context.Context, to string) (net.Conn, error) { return n.Dial(ctx, addr, to) }}
}

func newCluster(t *testing.T, voters int) *cluster {
	c := &cluster{t: t, net: memnet.New(), nodes: map[string]*clusterNode{}}
	for i := range voters {
		id := fmt.Sprintf("n%d", i+1)
		c.voters = append(c.voters, Voter{id, id})
	}
	for _, v := range c.voters {
		c.start(v.ID, vfs.NewCrashableMem(), c.voters)
	}
	return c
}

// start opens a node on a disk; voters are nil for one that is to be added.
func (c *cluster) start(id string, fs *vfs.MemFS, voters []Voter) *clusterNode {
	c.t.Helper()
	log := slog.New(slog.DiscardHandler)
	if os.Getenv("WEIR_TEST_LOG") != "" {
		log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})).With("node", id)
	}
	n := &clusterNode{id: id, fs: fs, fsm: openListFSM(c.t, fs, "list")}
	var err error
	n.node, err = Open(Config{
		ID: id, FS: fs, Dir: "journal", Network: joined(c.net, id), Logger: log,
		Window: 4 << 10, TrimInterval: 100 * time.Millisecond,
	})
	if err != nil {
		c.t.Fatal(err)
	}
	if n.g, err = n.node.Group(7, voters, n.fsm); err != nil {
		c.t.Fatal(err)
	}
	c.nodes[id] = n
	return n
}

func (c *cluster) stop(id string) {
	c.t.Helper()
	if err := c.nodes[id].node.Close(); err != nil {
		c.t.Fatal(err)
	}
	delete(c.nodes, id)
}

func (c *cluster) close() {
	for id := range c.nodes {
		c.stop(id)
	}
}

// crash kills a node: its disk loses what was not synced, or keeps some of it.
func (c *cluster) crash(id string, cfg vfs.CrashCloneCfg) *vfs.MemFS {
	c.t.Helper()
	c.net.Cut(id, true) // first: what it answers is on its disk
	fs := c.nodes[id].fs.CrashClone(cfg)
	c.stop(id) // writes to the disk from before the crash
	c.net.Cut(id, false)
	return fs
}

func (c *cluster) leader() *clusterNode {
	c.t.Helper()
	for range 1000 {
		for _, n := range c.nodes {
			if !c.net.IsCut(n.id) && n.g.IsLeader() && n.g.Verify(c.t.Context()) == nil {
				return n
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	c.t.Fatal("no leader")
	return nil
}

func (c *cluster) follower() *clusterNode {
	leader := c.leader()
	for _, v := range c.voters {
		if n := c.nodes[v.ID]; n != nil && n != leader {
			return n
		}
	}
	c.t.Fatal("no follower")
	return nil
}

func (c *cluster) propose(d Durability, cmds ...string) {
	c.t.Helper()
	l := &lone{t: c.t, g: c.leader().g}
	l.propose(d, cmds...)
}

// converge waits until all FSMs have the same commands and returns them.
func (c *cluster) converge() []string {
	c.t.Helper()
	var want []string
	for range 1000 {
		leader := c.leader()
		if leader.g.Barrier(c.t.Context()) != nil {
			continue
		}
		want = leader.fsm.commands()
		same := true
		for _, n := range c.nodes {
			same = same && slices.Equal(n.fsm.commands(), want)
		}
		if same {
			return want
		}
		time.Sleep(50 * time.Millisecond)
	}
	for _, n := range c.nodes {
		c.t.Errorf("%s has %d commands, want %d; %+v", n.id, len(n.fsm.commands()), len(want), n.g.Stats())
	}
	c.t.FailNow()
	return nil
}

func (c *cluster) check(want []string) {
	c.t.Helper()
	if got := c.converge(); !slices.Equal(got, want) {
		c.t.Fatalf("%d commands, want %d:\n%.300q\n%.300q", len(got), len(want), got, want)
	}
}

func inCluster(t *testing.T, voters int, f func(t *testing.T, c *cluster)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, voters)
		defer c.close()
		f(t, c)
	})
}

func TestAnotherLeadsWhenTheLeaderIsCutOff(t *testing.T) {
	inCluster(t, 3, func(t *testing.T, c *cluster) {
		before, after := names("before", 50), names("after", 50)
		c.propose(Sync, before...)
		old := c.leader()
		c.net.Cut(old.id, true)
		lost := old.g.Propose(t.Context(), []byte("lost"), Sync)
		if _, err := lost.Wait(t.Context()); !errors.Is(err, ErrUncertain) {
			t.Errorf("a command without a quorum: %v", err)
		}
		c.propose(Sync, after...)
		c.net.Cut(old.id, false)
		c.check(append(before, after...)) // old had "lost" in its log, and no more
		_, err := old.g.Propose(t.Context(), []byte("x"), Sync).Wait(t.Context())
		var notLeader *NotLeaderError
		if !errors.As(err, &notLeader) || notLeader.Leader.ID != c.leader().id || !errors.Is(err, ErrNotLeader) {
			t.Errorf("proposing to a follower: %v", err)
		}
	})
}

func TestLeadershipMovesOnRequest(t *testing.T) {
	inCluster(t, 3, func(t *testing.T, c *cluster) {
		c.propose(Sync, "x")
		to := c.follower()
		if err := c.leader().g.TransferLeadership(t.Context(), to.id); err != nil {
			t.Fatal(err)
		}
		awaitLeadership(t, to.g, func(l Leadership) bool { return l.Self && l.Leader.ID == to.id })
		c.check([]string{"x"})
	})
}

func TestAMemberTooFarBehindGetsTheContents(t *testing.T) {
	inCluster(t, 3, func(t *testing.T, c *cluster) {
		first, second, third := names("first", 10), names("second", 2000), names("third", 10)
		c.propose(Sync, first...)
		away := c.follower().id
		fs := c.crash(away, vfs.CrashCloneCfg{})
		c.propose(Sync, second...)
		for _, n := range c.nodes {
			if err := n.fsm.save(); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second) // the journal is truncated
		if s := c.leader().g.Stats(); s.First < 1000 || s.Bytes > 8<<10 {
			t.Fatalf("the log was not truncated: %+v", s)
		}
		n := c.start(away, fs, c.voters)
		c.check(append(first, second...))
		if s := n.g.Stats(); s.First < 1000 {
			t.Errorf("caught up by entries: %+v", s)
		}
		c.propose(Sync, third...)
		c.check(slices.Concat(first, second, third))

		// What it was given is as durable as what it applied itself.
		c.start(away, c.crash(away, vfs.CrashCloneCfg{}), c.voters)
		c.check(slices.Concat(first, second, third))
	})
}

// A follower whose log diverged from before the leader's first entry: raft's own
// way of installing a snapshot loops for ever (hashicorp/raft#697).
func TestADivergentMemberConverges(t *testing.T) {
	for _, extra := range []int{1, 20, 3000} {
		t.Run(fmt.Sprint(extra), func(t *testing.T) {
			inCluster(t, 3, func(t *testing.T, c *cluster) {
				first, second := names("first", 10), names("second", 2000)
				c.propose(Sync, first...)
				old := c.leader()
				c.net.Cut(old.id, true)
				var lost []Pending
				for i := range extra { // into its own log only
					lost = append(lost, old.g.Propose(t.Context(), fmt.Appendf(nil, "lost%d", i), NoSync))
				}
				c.propose(Sync, second...)
				for _, n := range c.nodes {
					if err := n.fsm.save(); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(time.Second)
				for _, p := range lost {
					if _, err := p.Wait(t.Context()); err == nil {
						t.Fatal("committed without a quorum")
					}
				}
				c.net.Cut(old.id, false)
				c.check(append(first, second...))
				c.propose(Sync, "last")
				c.check(slices.Concat(first, second, []string{"last"}))
			})
		})
	}
}

func TestALearnerJoinsAndIsPromoted(t *testing.T) {
	inCluster(t, 1, func(t *testing.T, c *cluster) {
		first := names("first", 2000)
		c.propose(Sync, first...)
		leader := c.leader()
		if err := leader.fsm.save(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second) // the log is truncated to nothing: there was nobody to keep it for
		if s := leader.g.Stats(); s.First < s.Last-300 {
			t.Errorf("the log was not truncated: %+v", s)
		}
		for _, id := range []string{"n2", "n3"} {
			c.start(id, vfs.NewCrashableMem(), nil)
			if err := leader.g.AddLearner(t.Context(), Voter{id, id}); err != nil {
				t.Fatal(err)
			}
		}
		c.check(first)
		for _, id := range []string{"n2", "n3"} {
			if err := leader.g.Promote(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}
		c.propose(Sync, "with three")
		c.voters = []Voter{{"n1", "n1"}, {"n2", "n2"}, {"n3", "n3"}}
		time.Sleep(10 * time.Second)
		if !leader.g.IsLeader() {
			t.Error("the leader did not stay while its group grew")
		}
		c.stop("n1")
		c.propose(Sync, "without the first")
		if err := c.leader().g.Remove(t.Context(), "n1"); err != nil {
			t.Fatal(err)
		}
		c.check(append(first, "with three", "without the first"))
		if m := c.leader().g.Members(); len(m) != 2 || !m[0].Votes || !m[1].Votes {
			t.Errorf("members %v", m)
		}
	})
}

// A member whose FSM has lost its contents asks the others, and applies nothing before.
func TestLostContentsAreFetched(t *testing.T) {
	inCluster(t, 3, func(t *testing.T, c *cluster) {
		first := names("first", 2000)
		c.propose(Sync, first...)
		for _, n := range c.nodes {
			if err := n.fsm.save(); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second)
		id := c.follower().id
		fs := c.crash(id, vfs.CrashCloneCfg{})
		if err := fs.Remove("list"); err != nil {
			t.Fatal(err)
		}
		c.start(id, fs, c.voters)
		c.propose(Sync, "more")
		c.check(append(first, "more"))
	})
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewMem()
		l := openLone(t, fs, "a")
		l.propose(Sync, names("first", 2000)...)
		if err := l.fsm.save(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		l.close()
		if err := fs.Remove("a/list"); err != nil {
			t.Fatal(err)
		}
		node, err := Open(Config{ID: "a", FS: fs, Dir: "a/journal"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := node.Group(1, nil, openListFSM(t, fs, "a/list")); !errors.Is(err, ErrContentsLost) {
			t.Errorf("opened without contents: %v", err)
		}
		if err := node.Close(); err != nil {
			t.Error(err)
		}
	})
}

// NoSync survives the crash of a member once the others have everything (a member
// that lost what it acknowledged may otherwise vote for one that never had it, as
// NoSync says), and of a lone one after 50 ms. What the FSM kept and the journal
// lost is not applied twice nor forgotten.
func TestNoSync(t *testing.T) {
	inCluster(t, 3, func(t *testing.T, c *cluster) {
		cmds := names("x", 100)
		c.propose(NoSync, cmds...)
		time.Sleep(time.Millisecond) // less than the 50 ms after which it is on disk
		synctest.Wait()
		id := c.leader().id
		c.start(id, c.crash(id, vfs.CrashCloneCfg{}), c.voters)
		c.check(cmds)
	})
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewCrashableMem()
		l := openLone(t, fs, "a")
		first := names("first", 100)
		start := time.Now()
		l.propose(NoSync, first...)
		if d := time.Since(start); d > syncDelay/2 {
			t.Errorf("NoSync waited %v", d)
		}
		time.Sleep(50 * time.Millisecond)
		crashed := fs.CrashClone(vfs.CrashCloneCfg{})
		l.close()
		l = openLone(t, crashed, "a")
		if err := l.g.Barrier(t.Context()); err != nil {
			t.Fatal(err)
		}
		checkList(t, l.fsm, first)

		l.propose(NoSync, "kept by the FSM")
		if err := l.fsm.save(); err != nil {
			t.Fatal(err)
		}
		crashed = crashed.CrashClone(vfs.CrashCloneCfg{}) // before the journal is synced
		l.close()
		l = openLone(t, crashed, "a")
		defer l.close()
		l.propose(Sync, "after")
		checkList(t, l.fsm, append(first, "kept by the FSM", "after"))
	})
}

// seeds is how many schedules TestAcknowledgedCommandsSurvive tries.
func seeds() int {
	if n, err := strconv.Atoi(os.Getenv("WEIR_SEEDS")); err == nil {
		return n
	}
	return 10
}

// Writers propose while leaders are cut off, nodes and whole clusters crash, and
// journals are truncated. All members end with the same commands, those that were
// acknowledged among them, each once and in the order of their writer.
func TestAcknowledgedCommandsSurvive(t *testing.T) {
	for seed := range seeds() {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) {
			inCluster(t, 3, func(t *testing.T, c *cluster) { newTorture(c, uint64(seed)).run() })
		})
	}
}

type torture struct {
	*cluster
	rnd *rand.Rand

	groups sync.Map // id to *Group, for the writers; a mutex held for long would stop the fake clock

	mu    sync.Mutex
	acked []string
}

func newTorture(c *cluster, seed uint64) *torture {
	return &torture{cluster: c, rnd: rand.New(rand.NewPCG(seed, seed))}
}

func (x *torture) run() {
	for id, n := range x.nodes {
		x.groups.Store(id, n.g)
	}
	ctx, stop := context.WithCancel(x.t.Context())
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() { x.write(ctx, w) })
	}
	for range 12 {
		time.Sleep(time.Duration(x.rnd.IntN(1500)) * time.Millisecond)
		x.disturb()
	}
	stop()
	writers.Wait()
	x.verify()
}

func (x *torture) write(ctx context.Context, writer int) {
	for i := 0; ctx.Err() == nil; i++ {
		var g *Group
		x.groups.Range(func(_, v any) bool {
			if v.(*Group).IsLeader() {
				g = v.(*Group)
			}
			return true
		})
		if g == nil {
			time.Sleep(50 * time.Millisecond)
			continue
		}
		cmd := fmt.Sprintf("%d-%08d", writer, i)
		_, err := g.Propose(ctx, []byte(cmd), Sync).Wait(ctx)
		if err == nil {
			x.mu.Lock()
			x.acked = append(x.acked, cmd)
			x.mu.Unlock()
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (x *torture) anyNode() *clusterNode { return x.nodes[x.voters[x.rnd.IntN(len(x.voters))].ID] }

func (x *torture) crashCfg() vfs.CrashCloneCfg {
	return vfs.CrashCloneCfg{UnsyncedDataPercent: x.rnd.IntN(3) * 50, RNG: x.rnd}
}

func (x *torture) disturb() {
	switch x.rnd.IntN(6) {
	case 0, 1:
		n := x.anyNode()
		x.net.Cut(n.id, true)
		time.Sleep(time.Duration(x.rnd.IntN(4000)) * time.Millisecond)
		x.net.Cut(n.id, false)
	case 2:
		n := x.anyNode()
		if n.g.IsLeader() {
			_ = n.g.TransferLeadership(x.t.Context(), "") // may fail, as in life
		}
	case 3:
		if err := x.anyNode().fsm.save(); err != nil {
			x.t.Error(err)
		}
	case 4:
		id := x.anyNode().id
		x.restart(id, x.crash(id, x.crashCfg()))
	case 5:
		x.crashAll()
	}
}

func (x *torture) restart(id string, fs *vfs.MemFS) {
	x.groups.Store(id, x.start(id, fs, x.voters).g)
}

// crashAll is a power cut: every disk is taken as it is at that moment.
func (x *torture) crashAll() {
	disks := map[string]*vfs.MemFS{}
	for _, v := range x.voters {
		x.net.Cut(v.ID, true)
		disks[v.ID] = x.nodes[v.ID].fs.CrashClone(x.crashCfg())
	}
	for _, v := range x.voters {
		x.stop(v.ID)
	}
	for _, v := range x.voters {
		x.net.Cut(v.ID, false)
		x.restart(v.ID, disks[v.ID])
	}
}

func (x *torture) verify() {
	got := x.converge()
	pos := map[string]int{}
	last := map[byte]string{}
	for i, cmd := range got {
		if _, twice := pos[cmd]; twice {
			x.t.Errorf("%s was applied twice", cmd)
		}
		pos[cmd] = i
		if w := cmd[0]; cmd <= last[w] {
			x.t.Errorf("%s was applied after %s", cmd, last[w])
		} else {
			last[w] = cmd
		}
	}
	for _, cmd := range x.acked {
		if _, ok := pos[cmd]; !ok {
			x.t.Errorf("%s was acknowledged and is gone", cmd)
		}
	}
	if len(x.acked) < 50 {
		x.t.Errorf("only %d commands were acknowledged", len(x.acked))
	}
}
