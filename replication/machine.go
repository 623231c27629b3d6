package replication

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/hashicorp/raft"
)

// machine is the FSM as raft sees it. Raft calls it from one goroutine.
type machine struct{ g *Group }

// notApplied is the result of a command that was committed when the group was
// closing and its FSM had no contents to apply it to.
type notApplied struct{}

// ApplyBatch implements raft.BatchingFSM.
func (m machine) ApplyBatch(logs []*raft.Log) []any {
	results := make([]any, len(logs))
	have := m.g.refill()
	for i, l := range logs {
		switch {
		case l.Type != raft.LogCommand:
		case have:
			results[i] = m.g.fsm.Apply(l.Index, l.Term, l.Data)
		default:
			results[i] = notApplied{}
		}
	}
	return results
}

// Apply implements raft.FSM.
func (m machine) Apply(l *raft.Log) any { return m.ApplyBatch([]*raft.Log{l})[0] }

// Snapshot implements raft.FSM. Raft never asks for one, see snapshots.
func (m machine) Snapshot() (raft.FSMSnapshot, error) {
	return nil, errors.New("snapshots are pointers, moved by Group.trim")
}

// Restore implements raft.FSM: the leader found this member too far behind for
// its log. Afterwards the FSM has what was applied up to the snapshot, and the
// log agrees with the leader's from there.
func (m machine) Restore(r io.ReadCloser) error {
	if _, err := io.Copy(io.Discard, r); err != nil {
		return err
	}
	g := m.g
	ptr, addr := g.snaps.received()
	agrees := g.log.matches(ptr.index, ptr.term)
	if !agrees || g.hollow.Load() || g.fsm.Durable() < ptr.index {
		g.logger.Info("fetching the group's contents", "from", addr, "index", ptr.index)
		if err := g.fetchContents(g.line(), addr, ptr.index); err != nil {
			return err
		}
	}
	if agrees {
		// What follows the snapshot in the log may be committed: an old message of
		// the leader can arrive late.
		return g.log.advance(ptr.index)
	}
	last, err := g.log.LastIndex()
	if err != nil {
		return err
	}
	if err := g.log.reset(ptr); err != nil {
		return err
	}
	if last >= ptr.index {
		// Raft remembers the last index and term of the log it had and would refuse
		// the leader's entries for ever (hashicorp/raft#697). It learns what the log is
		// now by starting again.
		g.restart()
	}
	return nil
}

// refill fetches the contents of an FSM that has lost them, from whichever member
// has them, and returns false if the group is closed first.
func (g *Group) refill() bool {
	const least, most = 100 * time.Millisecond, 5 * time.Second
	for wait := least; g.hollow.Load(); wait = min(2*wait, most) {
		for _, s := range g.log.latest().members.Servers {
			if string(s.ID) == g.node.cfg.ID {
				continue
			}
			err := g.fetchContents(g.line(), string(s.Address), max(g.had, g.log.pointer().index))
			if err == nil {
				return true
			}
			g.logger.Warn("fetching lost contents", "from", s.ID, "err", err)
		}
		select {
		case <-g.stop:
			return false
		case <-time.After(wait):
		}
	}
	return true
}

// repair makes log and FSM fit together at the start.
func (g *Group) repair() error {
	applied := g.fsm.Applied()
	last, err := g.log.LastIndex()
	if err != nil {
		return err
	}
	ptr := g.log.pointer()
	if applied < ptr.index {
		if len(g.log.latest().members.Servers) < 2 {
			return fmt.Errorf("the FSM has applied %d, the journal begins after %d: %w", applied, ptr.index, ErrContentsLost)
		}
		g.hollow.Store(true)
	}
	if applied <= max(last, ptr.index) {
		return nil
	}
	// The FSM has kept what the journal has lost: commands that were NoSync, no
	// others. The log is then what led to the FSM's state. Its term is that of the
	// last entry that is left, since a term begins with an entry that is synced;
	// for the same reason no configuration was lost.
	if g.log.blank() {
		return fmt.Errorf("the FSM has applied %d, the journal knows nothing of the group", applied)
	}
	term, err := g.log.lastTerm()
	if err != nil {
		return err
	}
	g.logger.Warn("the journal ends before the FSM", "journal", max(last, ptr.index), "fsm", applied)
	return g.log.reset(pointer{applied, term, g.log.latest()})
}
