package engine

import (
	"context"
	"errors"
	"time"

	"github.com/weirdb/weir/catalog"
	"github.com/weirdb/weir/exec"
	"github.com/weirdb/weir/planner/plan"
	"github.com/weirdb/weir/replication"
	"github.com/weirdb/weir/storage"
)

// host is what one running query sees of the node.
type host struct {
	n *Node
	q catalog.ID
	// stages holds, by stage, the topic that the stage writes: task p of the
	// stage commits to the shard of the topic's partition p.
	stages []*catalog.Topic
}

var _ exec.Host = (*host)(nil)

func (h *host) shard(t storage.TaskID) *shard { return h.n.shardOf(h.stages[t.Stage], t.Partition) }

// Log implements exec.Host.
func (h *host) Log(_ context.Context, topic plan.Topic, partition int32) (exec.Log, error) {
	t, ok := h.n.Catalog().Topic(catalog.ID(topic.ID))
	if !ok {
		return nil, unavailable(storage.ErrDropped)
	}
	return h.n.logOf(t, partition), nil
}

// Task implements exec.Host.
func (h *host) Task(ctx context.Context, id storage.TaskID) (exec.TaskState, error) {
	sh := h.shard(id)
	if err := sh.group.Barrier(ctx); err != nil {
		return exec.TaskState{}, err
	}
	_, positions, err := sh.store.Positions(id)
	return exec.TaskState{Positions: positions, State: sh.store}, err
}

// Propose implements exec.Host.
func (h *host) Propose(ctx context.Context, c *storage.Commit) exec.Pending {
	p := h.shard(c.Task).group.Propose(ctx, storage.AppendCommit(nil, *c), replication.Sync)
	if p.Done() == nil { // refused
		_, err := p.Wait(ctx)
		if errors.Is(err, replication.ErrTooLarge) {
			err = exec.ErrTooLarge
		}
		return refused{err}
	}
	return step{p}
}

// step is a proposed step of a task.
type step struct{ replication.Pending }

func (s step) Err() error {
	res, err := s.Wait(context.Background()) // Done is closed: it does not block
	if err != nil {
		return err
	}
	err, _ = res.(error)
	return err
}

type refused struct{ err error }

var closedChan = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

func (r refused) Done() <-chan struct{} { return closedChan }
func (r refused) Err() error            { return r.err }

// Report implements exec.Host.
func (h *host) Report(f *exec.Failure) { h.n.errlog.report(f) }

// Now implements exec.Host.
func (h *host) Now() time.Time { return time.Now() }
