package exec

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/weirdb/weir/storage"
)

// Limits of one step. A step takes what is there; it ends early so that one
// entry does not hold up the others of its shard, and so that state and output
// of a task become visible steadily. Together they keep the entry of an ordinary
// step, output and state, at about a megabyte (replication.MaxCommand).
const (
	stepRows  = 8 << 10   // records looked at, at first
	stepBytes = 512 << 10 // of output
	// A task that has state and is behind looks at up to maxStepRows while the
	// entry that the last step made says that this one will be no larger than
	// entryBytes: the more changes of a key meet in a step, the fewer are written.
	// Without state larger steps only make others wait.
	maxStepRows = 64 << 10
	entryBytes  = 2 << 20
	// inFlight steps may be proposed and not yet applied: enough to run the
	// operators while the one before is written, few enough to keep the memory
	// of a task small.
	inFlight = 4
	// maxFailures are kept of a step; more are only counted.
	maxFailures = 256
)

// A task runs one partition of a stage. Its goroutine owns everything in it but
// the counters.
type task struct {
	q     *Query
	stage *stage
	id    storage.TaskID

	mux
	rows    int64 // that a step looks at
	sink    *sink
	state   storage.Mutations
	commit  storage.Commit
	outputs []storage.Append
	pending []proposed // oldest first
	spare   [][]mark
	fails   []*Failure

	counters
	committed []atomic.Int64 // position by cursor, as applied
}

// counters are written by the task and read by anyone.
type counters struct {
	rowsIn, rowsOut, steps, failures, stateBytes atomic.Int64
}

// proposed is a step in flight.
type proposed struct {
	Pending
	in    int64  // records looked at
	marks []mark // positions after the step
	fails []*Failure
}

type mark struct {
	cursor int
	pos    storage.Offset
}

// run processes input until ctx ends or something goes wrong.
func (t *task) run(ctx context.Context) error {
	for {
		if err := t.reap(); err != nil {
			return err
		}
		if paused := t.q.paused(); paused != nil {
			if err := t.drain(ctx); err != nil {
				return err
			}
			select {
			case <-paused:
			case <-ctx.Done():
				return ctx.Err()
			}
			continue
		}
		worked, err := t.step(ctx)
		if err != nil {
			return err
		}
		if !worked {
			if err := t.wait(ctx); err != nil {
				return err
			}
		}
	}
}

// step takes what the inputs have, runs the operators and proposes the result.
// It tells whether there was anything.
func (t *task) step(ctx context.Context) (bool, error) {
	t.sink.reset()
	in := int64(0)
	for in < t.rows && t.sink.bytes() < stepBytes || t.unfinished() {
		n, err := t.advance(ctx)
		if err != nil {
			return false, err
		}
		if n == 0 && !t.unfinished() {
			break
		}
		in += n
	}
	for _, c := range t.cursors {
		c.settle()
	}
	moved := false
	for _, c := range t.cursors {
		moved = moved || c.pos != c.proposed
	}
	if !moved {
		return false, nil
	}
	if err := t.chain.Flush(); err != nil {
		return false, fatal{err}
	}
	t.rowsIn.Add(in)
	if err := t.propose(ctx, in); err != nil {
		return false, err
	}
	if in >= t.rows && t.state.Len() > 0 {
		t.rows = stepAfter(t.rows, in, t.commitBytes())
	}
	return true, nil
}

// stepAfter is how many records a step looks at after one that had no more than
// that to look at, looked at in records and made an entry of bytes.
func stepAfter(rows, in, bytes int64) int64 {
	return max(stepRows, min(2*rows, maxStepRows, in*entryBytes/max(bytes, 1)))
}

// commitBytes is about how large the entry of the last step is.
func (t *task) commitBytes() int64 {
	n := t.state.Len()
	for _, a := range t.outputs {
		n += len(a.Batches)
	}
	return int64(n)
}

// propose hands the step, which looked at in records, to the shard.
func (t *task) propose(ctx context.Context, in int64) error {
	t.state.Reset()
	t.chain.Save(&t.state)
	var err error
	if t.outputs, err = t.sink.finish(t.outputs[:0]); err != nil {
		return fatal{err}
	}
	var marks []mark
	if n := len(t.spare); n > 0 {
		marks, t.spare = t.spare[n-1][:0], t.spare[:n-1]
	}
	t.commit.Task = t.id
	t.commit.Positions = t.commit.Positions[:0]
	for i, c := range t.cursors {
		if c.pos == c.proposed {
			continue
		}
		t.commit.Positions = append(t.commit.Positions, storage.Position{
			Input: uint16(c.input), Partition: c.partition, Before: c.proposed, After: c.pos,
		})
		c.proposed = c.pos
		marks = append(marks, mark{i, c.pos})
	}
	t.commit.State = t.state
	t.commit.Output = t.outputs
	for len(t.pending) >= inFlight {
		if err := t.await(ctx); err != nil {
			return err
		}
	}
	p := t.q.host.Propose(ctx, &t.commit)
	t.pending = append(t.pending, proposed{p, in, marks, t.fails})
	t.fails = nil
	t.steps.Add(1)
	t.rowsOut.Add(t.sink.rows)
	t.stateBytes.Store(t.chain.Bytes())
	return nil
}

// reap takes note of the steps that were applied.
func (t *task) reap() error {
	for len(t.pending) > 0 {
		select {
		case <-t.pending[0].Done():
			if err := t.applied(); err != nil {
				return err
			}
		default:
			return nil
		}
	}
	return nil
}

// await waits for the oldest step in flight.
func (t *task) await(ctx context.Context) error {
	select {
	case <-t.pending[0].Done():
		return t.applied()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// drain waits for all steps in flight.
func (t *task) drain(ctx context.Context) error {
	for len(t.pending) > 0 {
		if err := t.await(ctx); err != nil {
			return err
		}
	}
	return nil
}

// applied takes note of the oldest step, which is done.
func (t *task) applied() error {
	p := t.pending[0]
	copy(t.pending, t.pending[1:])
	t.pending[len(t.pending)-1] = proposed{}
	t.pending = t.pending[:len(t.pending)-1]
	err := p.Err()
	if errors.Is(err, ErrTooLarge) && p.in >= 2*stepRows {
		err = errStep // the task that starts over begins with small steps again
	}
	if err != nil {
		return fmt.Errorf("query %d, stage %d, partition %d: %w", t.id.Query, t.id.Stage, t.id.Partition, err)
	}
	for _, m := range p.marks {
		t.committed[m.cursor].Store(int64(m.pos))
	}
	t.spare = append(t.spare, p.marks)
	for _, f := range p.fails {
		t.q.host.Report(f)
	}
	t.q.progress()
	return nil
}

// wait blocks until there may be something to do.
func (t *task) wait(ctx context.Context) error {
	var done <-chan struct{}
	if len(t.pending) > 0 {
		done = t.pending[0].Done()
	}
	return t.mux.wait(ctx, done, t.q.pausing())
}

// fail keeps a failure until its step is applied: nothing of a step leaves the
// task before.
func (t *task) fail(f *Failure) {
	t.failures.Add(1)
	if len(t.fails) < maxFailures {
		t.fails = append(t.fails, f)
	}
}

// errStep says that a step was too large, which smaller ones need not be.
var errStep = errors.New("a step of many records made more than an entry may hold")

// retryable tells whether a task may start over after err.
func retryable(err error) bool {
	_, ok := errors.AsType[fatal](err)
	return !ok && !errors.Is(err, ErrTooLarge)
}
