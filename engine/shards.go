package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"

	"github.com/weirdb/weir/catalog"
	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/replication"
	"github.com/weirdb/weir/storage"
)

// shard is one raft group that carries data, and what it applies to.
type shard struct {
	store  *storage.Shard
	group  *replication.Group
	failed func() error // why the node takes no commands, or nil
}

// refusal gives an error of the group its words and code. A node whose journal failed
// leads nothing any more: that is not what a client has to know.
func (s *shard) refusal(err error) error {
	failed := s.failed()
	if failed == nil || errors.Is(failed, replication.ErrNoSpace) || errors.Is(err, replication.ErrUncertain) {
		return unavailable(err)
	}
	if errors.Is(failed, syscall.ENOSPC) {
		return pgerr.Newf(pgerr.DiskFull, "no space left on the server's disk").Detailf("Nothing was written.").
			Hintf("The server takes no more writes until it is restarted with space on its disk.")
	}
	return unavailable(fmt.Errorf("%w: %w", storage.ErrFailed, failed))
}

// shardOf returns the shard that carries a partition.
func (n *Node) shardOf(t *catalog.Topic, partition int32) *shard {
	return n.shards[t.Shards[partition]]
}

func partitionID(t *catalog.Topic, partition int32) storage.PartitionID {
	return storage.PartitionID{Topic: storage.TopicID(t.ID), Partition: partition}
}

// groupReady waits until a group has a leader and, if that is this node, all that was
// committed is applied here.
func groupReady(ctx context.Context, g *replication.Group) error {
	for {
		lead, changed := g.Leadership()
		if lead.Self {
			err := g.Barrier(ctx)
			if err == nil || !errors.Is(err, replication.ErrNotLeader) && !errors.Is(err, replication.ErrUncertain) {
				return err
			}
		} else if lead.Leader.ID != "" {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// logOf returns the log of a partition; an empty one until something is written.
func (n *Node) logOf(t *catalog.Topic, partition int32) *storage.Log {
	return n.shardOf(t, partition).store.OpenLog(partitionID(t, partition))
}

// leads returns nil if this node leads the shard, as far as it knows.
func (s *shard) leads() error {
	if s.group.IsLeader() {
		return nil
	}
	return s.refusal(&replication.NotLeaderError{Group: s.group.ID(), Leader: s.group.Leader()})
}

// propose runs a command through the shard's group and returns what applying it
// gave.
func (s *shard) propose(ctx context.Context, cmd []byte, d replication.Durability) (any, error) {
	res, err := s.group.Propose(ctx, cmd, d).Wait(ctx)
	if err != nil {
		return nil, s.refusal(err)
	}
	if err, ok := res.(error); ok {
		return nil, unavailable(err)
	}
	return res, nil
}

// unavailable gives errors of storage and replication the words and codes that
// a client understands. Other errors pass.
func unavailable(err error) error {
	var leader *replication.NotLeaderError
	switch {
	case errors.As(err, &leader):
		e := pgerr.Newf("57P04", "this node does not lead the shard").Hintf("Try again in a moment.")
		if leader.Leader.ID != "" {
			e.Detailf("Node %s leads it.", leader.Leader.ID)
		}
		return e
	case errors.Is(err, replication.ErrUncertain):
		return pgerr.Newf("40003", "the outcome is unknown: leadership changed while the write was under way").
			Hintf("Read before you write again.")
	case errors.Is(err, replication.ErrNoSpace):
		return pgerr.Newf(pgerr.DiskFull, "no space left on the server's disk").Detailf("Nothing was written.")
	case errors.Is(err, replication.ErrTooLarge):
		return pgerr.Newf(pgerr.ProgramLimitExceeded, "the write is larger than a command may be").Detailf("The limit is %d MiB.", replication.MaxCommand>>20)
	case errors.Is(err, replication.ErrClosed), errors.Is(err, storage.ErrClosed):
		return pgerr.Newf(pgerr.AdminShutdown, "the server is shutting down")
	case errors.Is(err, storage.ErrFailed):
		return pgerr.Newf("58030", "the server's disk failed").Hintf("The server's log has the details; it has to be restarted.")
	case errors.Is(err, storage.ErrDropped):
		return pgerr.Newf(pgerr.UndefinedTable, "the topic was dropped")
	}
	return err
}

// shardFSM gives a storage shard the names that replication calls it by.
type shardFSM struct{ *storage.Shard }

var _ replication.FSM = shardFSM{}

func (f shardFSM) WriteTo(w io.Writer) (int64, error) {
	c := &counter{w: w}
	_, err := f.WriteSnapshot(c)
	return c.n, err
}

func (f shardFSM) ReadFrom(r io.Reader) (int64, error) {
	c := &counter{r: r}
	_, err := f.ReadSnapshot(c)
	return c.n, err
}

// counter counts the bytes that pass.
type counter struct {
	w io.Writer
	r io.Reader
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}
