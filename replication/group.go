package replication

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

const (
	// maxAppendEntries bounds a message, an fsync and a batch of the FSM. More gained
	// little, and a message of the largest commands is already 64 MiB.
	maxAppendEntries = 64
	// maxPending bounds the proposals of a group that wait; one more waits to be
	// taken.
	maxPending = 4096
	// drainTimeout is how long a closing group waits for its proposals. A leader
	// without a quorum gives them up after an election timeout.
	drainTimeout = 2 * time.Second
	// forever is longer than a process lives; raft wants an interval for the
	// snapshots it is never to take.
	forever = 100 * 365 * 24 * time.Hour
)

// A Group is this node's member of one raft group. Its methods may be called
// from any goroutine.
type Group struct {
	id     uint32
	node   *Node
	fsm    FSM
	log    *groupLog
	snaps  *snapshots
	logger *slog.Logger

	hollow  atomic.Bool  // the FSM has lost its contents; nothing may be applied to it
	had     uint64       // what was applied when the contents were lost; of raft's FSM goroutine
	serving atomic.Int32 // contents being sent; the log is not truncated meanwhile
	failure atomic.Pointer[error]

	stop chan struct{} // closed when closing begins
	gone chan struct{} // closed when nothing will answer any more
	left sync.Once
	work sync.WaitGroup

	mu   sync.RWMutex
	run  *run // nil once closed or failed
	wire atomic.Pointer[line]

	lead struct {
		sync.Mutex
		now     Leadership
		changed chan struct{}
	}
}

// A run is one life of raft. There is a second one only after a divergent log was
// replaced, see machine.Restore.
type run struct {
	raft      *raft.Raft
	trans     *raft.NetworkTransport
	line      *line
	observer  *raft.Observer
	observed  chan raft.Observation
	queue     chan *proposal
	proposing sync.WaitGroup // those who may yet send to queue
	work      sync.WaitGroup
	reaped    chan struct{}
	over      chan struct{} // closed when raft is shut down
}

func openGroup(n *Node, id uint32, voters []Voter, fsm FSM) (*Group, error) {
	g := &Group{
		id: id, node: n, fsm: fsm, logger: n.cfg.Logger.With("group", id),
		stop: make(chan struct{}), gone: make(chan struct{}),
	}
	g.lead.changed = make(chan struct{})
	g.snaps = &snapshots{g: g}
	var err error
	step := max(1, min(markBytes, n.cfg.Window/64))
	if g.log, err = openGroupLog(n.journal, id, step); err != nil {
		return nil, err
	}
	g.log.broken = g.fail
	self := func(v Voter) bool { return v.ID == n.cfg.ID }
	if g.log.blank() && slices.ContainsFunc(voters, self) {
		var members raft.Configuration
		for _, v := range voters {
			members.Servers = append(members.Servers, raft.Server{ID: raft.ServerID(v.ID), Address: raft.ServerAddress(v.Addr)})
		}
		if err := g.log.bootstrap(members); err != nil {
			return nil, err
		}
	}
	if err := g.repair(); err != nil {
		return nil, err
	}
	if g.run, err = g.startRaft(); err != nil {
		return nil, err
	}
	return g, nil
}

// startRaft starts raft on the group's log.
func (g *Group) startRaft() (_ *run, err error) {
	cfg := g.node.cfg
	logger := newRaftLogger(g.logger)
	// A nanosecond more than the timeout: see the end of the function.
	timeout := cfg.ElectionTimeout + time.Nanosecond
	conf := &raft.Config{
		ProtocolVersion:          raft.ProtocolVersionMax,
		LocalID:                  raft.ServerID(cfg.ID),
		HeartbeatTimeout:         timeout,
		ElectionTimeout:          timeout,
		LeaderLeaseTimeout:       cfg.ElectionTimeout,
		CommitTimeout:            50 * time.Millisecond,
		MaxAppendEntries:         maxAppendEntries,
		BatchApplyCh:             true, // one goroutine that proposes without waiting fills batches too
		SnapshotInterval:         forever,
		SnapshotThreshold:        math.MaxUint64,
		TrailingLogs:             math.MaxUint64, // groupLog.truncate decides
		NoSnapshotRestoreOnStart: true,
		NoLegacyTelemetry:        true,
		Logger:                   logger,
	}
	r := &run{
		line:     newLine(g.node.mux, g.id, g.node.Addr(), g.serveLine),
		observed: make(chan raft.Observation, 1),
		queue:    make(chan *proposal, maxPending),
		reaped:   make(chan struct{}),
		over:     make(chan struct{}),
	}
	g.wire.Store(r.line)
	r.trans = raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream: r.line, MaxPool: 3, Timeout: cfg.Timeout, Logger: logger,
	})
	r.trans.TimeoutScale = 1 // a timeout a byte for tickets, see ticketSize
	g.log.running.Store(false)
	defer func() {
		if p := recover(); p != nil { // raft panics on an entry it cannot read
			err = fmt.Errorf("starting raft: %v", p)
		}
		if err != nil {
			err = errors.Join(err, r.trans.Close())
		}
	}()
	m := machine{g}
	if r.raft, err = raft.NewRaft(conf, m, g.log, g.log, g.snaps, r.trans); err != nil {
		return nil, err
	}
	g.log.running.Store(true)
	r.observer = raft.NewObserver(r.observed, false, func(o *raft.Observation) bool {
		switch o.Data.(type) {
		case raft.LeaderObservation, raft.RaftState:
			return true
		}
		return false
	})
	r.raft.RegisterObserver(r.observer)
	r.work.Go(func() {
		for range r.observed {
			g.look(r.raft)
		}
	})
	g.look(r.raft)
	go r.reap(g)
	if g.soleVoter() {
		// A shorter timeout makes raft look at the clock at once, and a follower that
		// has heard of no leader then stands for election. So a group of one does not
		// wait for leaders there are not, and keeps the timeout it needs once it grows.
		rc := r.raft.ReloadableConfig()
		rc.HeartbeatTimeout, rc.ElectionTimeout = cfg.ElectionTimeout, cfg.ElectionTimeout
		if err := r.raft.ReloadConfig(rc); err != nil {
			g.logger.Warn("hastening the election", "err", err)
		}
	}
	return r, nil
}

// end ends r, which is not the group's run any more.
func (r *run) end() {
	r.work.Go(func() {
		r.proposing.Wait()
		close(r.queue)
	})
	drained := time.NewTimer(drainTimeout)
	select {
	case <-r.reaped:
	case <-drained.C:
	}
	drained.Stop()
	_ = r.raft.Shutdown().Error() // it has none; closes trans, and so line
	close(r.over)
	r.raft.DeregisterObserver(r.observer)
	close(r.observed)
	r.work.Wait()
	r.trans.CloseStreams()
}

// take empties g.run; the caller ends it.
func (g *Group) take() *run {
	g.mu.Lock()
	defer g.mu.Unlock()
	r := g.run
	g.run = nil
	return r
}

// restart replaces raft by one that reads the log anew. It is called from raft's
// own goroutine and does not wait.
func (g *Group) restart() {
	g.work.Go(func() {
		r := g.take()
		if r == nil {
			return // closing
		}
		g.logger.Info("restarting raft on a log that was replaced")
		r.end()
		select {
		case <-g.stop:
			return
		default:
		}
		next, err := g.startRaft()
		if err != nil {
			g.fail(fmt.Errorf("restarting raft: %w", err))
			return
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		select {
		case <-g.stop:
			g.work.Go(next.end)
		default:
			g.run = next
		}
	})
}

// fail ends the group because of its journal; it stays as one that refuses.
func (g *Group) fail(err error) {
	if !g.failure.CompareAndSwap(nil, &err) {
		return
	}
	g.logger.Error("the group failed", "err", err)
	go func() { // not waited for: the goroutine that called may be one that end waits for
		if r := g.take(); r != nil {
			r.end()
			g.look(r.raft)
			g.leave()
		}
	}()
}

func (g *Group) close() {
	if g.IsLeader() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*g.node.cfg.ElectionTimeout)
		if err := g.TransferLeadership(ctx, ""); err != nil {
			g.logger.Debug("handing over leadership", "err", err)
		}
		cancel()
	}
	g.mu.Lock()
	close(g.stop)
	r := g.run
	g.run = nil
	g.mu.Unlock()
	if r != nil {
		r.end()
	}
	g.work.Wait()
	g.leave()
	g.look(nil)
}

// leave lets go of whoever still waits for the group.
func (g *Group) leave() { g.left.Do(func() { close(g.gone) }) }

// line is the group's present share of the network.
func (g *Group) line() *line { return g.wire.Load() }

func (g *Group) serveLine(c net.Conn) {
	k, err := g.line().keep(c)
	if err != nil {
		return
	}
	defer k.Close()
	if err := g.serveContents(k); err != nil {
		g.logger.Warn("serving contents", "to", k.RemoteAddr(), "err", err)
	}
}

func (g *Group) soleVoter() bool {
	voters, self := 0, false
	for _, s := range g.log.latest().members.Servers {
		if s.Suffrage == raft.Voter {
			voters++
			self = self || string(s.ID) == g.node.cfg.ID
		}
	}
	return self && voters == 1
}

// trim moves the pointer up and truncates the log before it to keep bytes.
func (g *Group) trim(keep int64) error {
	g.mu.RLock()
	r := g.run
	g.mu.RUnlock()
	if r == nil || g.hollow.Load() {
		return nil
	}
	if err := g.log.advance(min(g.fsm.Durable(), r.raft.AppliedIndex())); err != nil {
		return err
	}
	if g.serving.Load() > 0 {
		return nil
	}
	if len(g.log.latest().members.Servers) == 1 {
		keep = 0
	}
	return g.log.truncate(keep)
}
