package replication

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"
)

// Pending is a proposal under way.
type Pending struct {
	g   *Group
	p   *proposal
	err error // it was never proposed
}

type proposal struct {
	future raft.Future
	done   chan struct{} // closed after result and err are set
	result any
	err    error
}

// Propose hands cmd, which the group owns from now on, to the group's leader if
// that is this node, and returns as soon as it has its place in the log: commands
// proposed one after another by one goroutine are applied in that order. It
// blocks while the disk or the FSM is behind, until the deadline of ctx at most.
func (g *Group) Propose(ctx context.Context, cmd []byte, d Durability) Pending {
	if len(cmd) > MaxCommand {
		return Pending{err: fmt.Errorf("%d bytes: %w", len(cmd), ErrTooLarge)}
	}
	if err := g.node.journal.writable(); err != nil {
		return Pending{err: err}
	}
	entry := raft.Log{Data: cmd}
	if d == NoSync {
		entry.Extensions = noSyncExtensions
	}
	return g.propose(ctx, func(r *raft.Raft, wait time.Duration) raft.Future { return r.ApplyLog(entry, wait) })
}

func (g *Group) propose(ctx context.Context, f func(r *raft.Raft, wait time.Duration) raft.Future) Pending {
	if err := ctx.Err(); err != nil {
		return Pending{err: err}
	}
	var wait time.Duration // 0 is for ever
	if deadline, ok := ctx.Deadline(); ok {
		wait = max(time.Until(deadline), 1)
	}
	p := &proposal{done: make(chan struct{})}
	r := g.enter()
	if r == nil {
		return Pending{err: g.refusal()}
	}
	defer r.proposing.Done()
	if r.raft.State() != raft.Leader {
		return Pending{err: g.notLeader()}
	}
	p.future = f(r.raft, wait)
	select {
	case r.queue <- p:
	case <-r.over:
	}
	return Pending{g: g, p: p}
}

// enter returns the present run, which then waits for the caller's proposing.Done
// before it ends, or nil.
func (g *Group) enter() *run {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.run != nil {
		g.run.proposing.Add(1)
	}
	return g.run
}

// refusal says why there is no run.
func (g *Group) refusal() error {
	if err := g.failure.Load(); err != nil {
		return *err
	}
	select {
	case <-g.stop:
		return ErrClosed
	default:
		return g.notLeader() // between two runs
	}
}

// reap finishes proposals, in order. Raft's futures can neither be selected on
// nor given up, so one goroutine waits for all of them.
func (r *run) reap(g *Group) {
	defer close(r.reaped)
	for p := range r.queue {
		err := p.future.Error()
		if err != nil {
			p.err = g.explain(err)
		} else if a, ok := p.future.(raft.ApplyFuture); ok {
			p.result = a.Response()
			if _, ok := p.result.(notApplied); ok {
				p.result, p.err = nil, fmt.Errorf("committed while closing: %w", ErrUncertain)
			}
		}
		close(p.done)
	}
}

// Done is closed when Wait will not block. It is nil for a proposal that was refused.
func (w Pending) Done() <-chan struct{} {
	if w.p == nil {
		return nil
	}
	return w.p.done
}

// Wait returns what the FSM answered to the command once it was committed and
// applied here. The error is ErrUncertain if it may be committed all the same,
// also if ctx ends first; with any other error it is not, and never will be.
// Wait may be called more than once.
func (w Pending) Wait(ctx context.Context) (any, error) {
	if w.p == nil {
		return nil, w.err
	}
	select {
	case <-w.p.done:
		return w.p.result, w.p.err
	default:
	}
	select {
	case <-w.p.done:
		return w.p.result, w.p.err
	case <-w.g.gone:
		select {
		case <-w.p.done:
			return w.p.result, w.p.err
		default:
			return nil, fmt.Errorf("closed before the command was committed: %w", ErrUncertain)
		}
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", ErrUncertain, context.Cause(ctx))
	}
}

// explain gives raft's errors for a proposal our meaning.
func (g *Group) explain(err error) error {
	switch {
	case errors.Is(err, raft.ErrNotLeader), errors.Is(err, raft.ErrLeadershipTransferInProgress):
		return g.notLeader()
	case errors.Is(err, raft.ErrEnqueueTimeout):
		return context.DeadlineExceeded
	case errors.Is(err, raft.ErrLeadershipLost), errors.Is(err, raft.ErrRaftShutdown):
		return fmt.Errorf("leadership lost before the command was committed: %w", ErrUncertain)
	}
	// The journal failed here. The entry may have reached the disk all the same.
	return fmt.Errorf("%w: %w", ErrUncertain, err)
}

func (g *Group) notLeader() error {
	now, _ := g.Leadership()
	return &NotLeaderError{Group: g.id, Leader: now.Leader}
}

// Barrier returns once all that was committed before the call has been applied
// here, and this node still led the group. A new leader's FSM is up to date after
// one. It costs a commit.
func (g *Group) Barrier(ctx context.Context) error {
	_, err := g.propose(ctx, func(r *raft.Raft, wait time.Duration) raft.Future { return r.Barrier(wait) }).Wait(ctx)
	return err
}

// Verify returns once a quorum has confirmed that this node led the group at some
// time after the call: then what was applied here before the call is the latest.
// It costs a round of heartbeats.
func (g *Group) Verify(ctx context.Context) error {
	g.mu.RLock()
	r := g.run
	g.mu.RUnlock()
	if r == nil || r.raft.State() != raft.Leader {
		return g.notLeader()
	}
	return g.await(ctx, r.raft.VerifyLeader())
}
