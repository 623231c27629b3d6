package exec

import (
	"context"
	"errors"
	"time"

	"github.com/weirdb/weir/exec/stream"
	"github.com/weirdb/weir/planner/plan"
	"github.com/weirdb/weir/storage"
)

// A Host is the node that queries run on. Its methods are called from many
// goroutines.
type Host interface {
	// Log returns the log of a partition, on this node or another.
	Log(ctx context.Context, topic plan.Topic, partition int32) (Log, error)
	// Task returns what is stored of a task, as of a barrier: every commit that
	// was proposed earlier has been applied, or never will be.
	Task(ctx context.Context, id storage.TaskID) (TaskState, error)
	// Propose hands a step to the task's shard. Steps of one task are applied in
	// the order of their proposals. c and what it refers to are the caller's
	// again when Propose returns. What keeps the step from being proposed is told
	// by the Pending.
	Propose(ctx context.Context, c *storage.Commit) Pending
	// Report is told of a record or row that could not be processed. It keeps no
	// reference to r and does not block for long.
	Report(r *Failure)
	// Now is the time of the day, for functions like now().
	Now() time.Time
}

// A Log is a partition to read from; *storage.Log is one.
type Log interface {
	// Start and End bound what can be read: [Start, End). End is the last stable
	// offset.
	Start() storage.Offset
	End() storage.Offset
	// Changed returns a channel that is closed when Start or End next moves. Take
	// it before looking at End, so that nothing is missed.
	Changed() <-chan struct{}
	// Read returns whole record batches from the one that holds offset from on,
	// as many as fit in maxBytes, at least one, and none at End. The result is in
	// buf if it has room. storage.ErrOffset: from is outside [Start, End].
	Read(from storage.Offset, maxBytes int, buf []byte) ([]byte, error)
}

// TaskState is what is stored of a task.
type TaskState struct {
	// Positions, sorted by input and partition; an input that no step has moved
	// in is missing.
	Positions []storage.InputPosition
	// State reads the task's spaces, as they are at these positions.
	State stream.Reader
}

// position returns how far a partition of an input was read.
func (s *TaskState) position(input int, partition int32) storage.Offset {
	for _, p := range s.Positions {
		if int(p.Input) == input && p.Partition == partition {
			return p.Offset
		}
	}
	return storage.Unset
}

// ErrTooLarge says that a step does not fit an entry. A step of few records would
// not be smaller the next time, so trying again would not help.
var ErrTooLarge = errors.New("one record makes more output than a step may have")

// Pending is a proposed step.
type Pending interface {
	// Done is closed when the step's fate is known.
	Done() <-chan struct{}
	// Err is valid after Done. nil: applied, and what it wrote can be read.
	// storage.ErrStaleTask: refused, the task must start over. ErrTooLarge: the
	// query cannot go on. Anything else: it may or may not have been, or may yet
	// be, applied.
	Err() error
}

// Failure is a row that was not processed as the query says.
type Failure struct {
	Query      uint64
	Stage      int
	Topic      plan.Topic
	Relation   uint64 // 0 for the log between two stages
	Partition  int32
	Offset     int64  // -1: not known
	Key, Value []byte // as in the log; nil if not known
	Time       int64  // event time, ms
	Reason     error
}
