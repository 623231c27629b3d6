package replication

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"
)

// Leadership is who leads a group, as far as this node knows.
type Leadership struct {
	Leader Voter  // zero if none is known
	Term   uint64 // rises with every election
	Self   bool   // this node leads
}

// Leadership returns who leads, and a channel that is closed when that changes.
// What a new leader has applied may lag behind what is committed: see Barrier.
func (g *Group) Leadership() (Leadership, <-chan struct{}) {
	g.lead.Lock()
	defer g.lead.Unlock()
	return g.lead.now, g.lead.changed
}

// IsLeader says whether this node leads, to its knowledge.
func (g *Group) IsLeader() bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.run != nil && g.run.raft.State() == raft.Leader
}

// Leader returns who leads, zero if nobody is known to.
func (g *Group) Leader() Voter {
	now, _ := g.Leadership()
	return now.Leader
}

// Term returns the current term.
func (g *Group) Term() uint64 {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.run == nil {
		now, _ := g.Leadership()
		return now.Term
	}
	return g.run.raft.CurrentTerm()
}

// ID returns what names the group in the cluster.
func (g *Group) ID() uint32 { return g.id }

// look updates what Leadership says; r is nil when there is no raft any more.
func (g *Group) look(r *raft.Raft) {
	g.lead.Lock()
	defer g.lead.Unlock()
	now := Leadership{Term: g.lead.now.Term}
	if r != nil {
		addr, id := r.LeaderWithID()
		now = Leadership{
			Leader: Voter{string(id), string(addr)}, Term: r.CurrentTerm(),
			Self: r.State() == raft.Leader,
		}
	}
	if now != g.lead.now {
		g.lead.now = now
		close(g.lead.changed)
		g.lead.changed = make(chan struct{})
	}
}

// Member is a member of a group.
type Member struct {
	Voter
	Votes bool // it is not a learner
}

// Members returns the latest members, committed or not.
func (g *Group) Members() []Member {
	servers := g.log.latest().members.Servers
	members := make([]Member, len(servers))
	for i, s := range servers {
		members[i] = Member{Voter{string(s.ID), string(s.Address)}, s.Suffrage == raft.Voter}
	}
	return members
}

// AddLearner adds v as a member that has no vote: it is brought up to date
// without slowing commits. It returns when the group has committed that.
func (g *Group) AddLearner(ctx context.Context, v Voter) error {
	return g.change(ctx, func(r *raft.Raft, wait time.Duration) raft.Future {
		return r.AddNonvoter(raft.ServerID(v.ID), raft.ServerAddress(v.Addr), 0, wait)
	})
}

// Promote gives a vote to the learner id. Promoting one that is far behind
// endangers the group until it has caught up: compare Stats of both.
func (g *Group) Promote(ctx context.Context, id string) error {
	for _, m := range g.Members() {
		if m.ID == id {
			return g.change(ctx, func(r *raft.Raft, wait time.Duration) raft.Future {
				return r.AddVoter(raft.ServerID(id), raft.ServerAddress(m.Addr), 0, wait)
			})
		}
	}
	return fmt.Errorf("%s is not a member of group %d", id, g.id)
}

// Remove removes the member id. A leader that removes itself steps down.
func (g *Group) Remove(ctx context.Context, id string) error {
	return g.change(ctx, func(r *raft.Raft, wait time.Duration) raft.Future {
		return r.RemoveServer(raft.ServerID(id), 0, wait)
	})
}

// TransferLeadership makes the voter id, or if that is empty the one that is the
// furthest ahead, stand for election, and returns when this node leads no more.
// Proposals are refused meanwhile.
func (g *Group) TransferLeadership(ctx context.Context, id string) error {
	if g.soleVoter() {
		return fmt.Errorf("group %d has no other voter", g.id)
	}
	return g.change(ctx, func(r *raft.Raft, _ time.Duration) raft.Future {
		if id == "" {
			return r.LeadershipTransfer()
		}
		for _, m := range g.Members() {
			if m.ID == id {
				return r.LeadershipTransferToServer(raft.ServerID(id), raft.ServerAddress(m.Addr))
			}
		}
		return failed{fmt.Errorf("%s is not a member of group %d", id, g.id)}
	})
}

// failed is a raft.Future that is over.
type failed struct{ err error }

func (f failed) Error() error { return f.err }

func (g *Group) change(ctx context.Context, f func(r *raft.Raft, wait time.Duration) raft.Future) error {
	var wait time.Duration
	if deadline, ok := ctx.Deadline(); ok {
		wait = max(time.Until(deadline), 1)
	}
	g.mu.RLock()
	r := g.run
	g.mu.RUnlock()
	if r == nil || r.raft.State() != raft.Leader {
		return g.notLeader()
	}
	return g.await(ctx, f(r.raft, wait))
}

// await waits for one of raft's rarer futures, which are answered even if raft is
// shut down.
func (g *Group) await(ctx context.Context, f raft.Future) error {
	done := make(chan error, 1)
	go func() { done <- f.Error() }()
	select {
	case err := <-done:
		switch {
		case err == nil:
			return nil
		case errors.Is(err, raft.ErrNotLeader), errors.Is(err, raft.ErrLeadershipLost),
			errors.Is(err, raft.ErrEnqueueTimeout), errors.Is(err, raft.ErrRaftShutdown):
			return g.explain(err)
		}
		return err
	case <-g.gone:
		return ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Stats is what there is to know of a group at one moment.
type Stats struct {
	Leadership
	Members    []Member
	First      uint64 // of the entries in the journal
	Last       uint64
	Committed  uint64 // as far as known here
	Applied    uint64 // by the FSM
	Durable    uint64 // in the FSM
	Pointer    uint64 // where a restart begins to replay
	Bytes      int64  // of the entries in the journal, about
	FillingFSM bool   // the FSM's contents are being fetched
}

// Stats returns the group's numbers.
func (g *Group) Stats() Stats {
	s := Stats{Members: g.Members(), Applied: g.fsm.Applied(), Durable: g.fsm.Durable(), FillingFSM: g.hollow.Load()}
	s.Leadership, _ = g.Leadership()
	g.mu.RLock()
	if g.run != nil {
		s.Committed = g.run.raft.CommitIndex()
	}
	g.mu.RUnlock()
	g.log.mu.RLock()
	defer g.log.mu.RUnlock()
	s.First, s.Last, s.Pointer, s.Bytes = g.log.first, g.log.last, g.log.ptr.index, g.log.marks.size()
	return s
}
