package exec

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirdb/weir/internal/fn"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
	"github.com/weirdb/weir/storage"
)

// QuerySpec is a persistent query to run.
type QuerySpec struct {
	ID uint64
	// Generation tells the incarnations of a query apart: a step of an older one
	// is refused.
	Generation uint32
	Plan       *plan.Query
	// Internal has, by stage, the topic that was made for its output; it is used
	// where the plan has a sink without a topic.
	Internal []plan.Topic
	// From is where topics that the query has no position in are read from.
	// Logs between stages are always read from their start.
	From plan.StartAt
	// Every asks for one output per input change. Otherwise the changes of one
	// key within a step may be coalesced.
	Every bool
	// SkipNullKeys leaves rows with a null group key out of groups, as the ksql
	// dialect has it.
	SkipNullKeys bool
	// Params are the values of the statement's parameters.
	Params []vec.Value
	// Zone, User and Database are what functions see; Now is the host's.
	Ctx fn.Ctx
	// Runs tells which tasks run in this process; nil means all.
	Runs func(stage int, partition int32) bool
	// Paused starts the query paused.
	Paused bool
}

// State is what a query is doing.
type State uint8

const (
	Running State = iota
	Paused
	Failed // see Err
	Stopped
)

func (s State) String() string { return [...]string{"RUNNING", "PAUSED", "ERROR", "STOPPED"}[s] }

// A Query is a running persistent query. Its methods may be called by any
// goroutine.
type Query struct {
	host   Host
	spec   QuerySpec
	stages []*stage
	cancel context.CancelFunc
	done   sync.WaitGroup

	// waiters counts those who wait for moved.
	waiters atomic.Int32

	mu    sync.Mutex
	moved chan struct{} // closed when positions or the state change; nil if nobody waits
	pause chan struct{} // closed when the query is resumed; nil while it runs
	stop  chan struct{} // closed when the query is paused; nil while it is
	err   error
	// trouble is why a unit started over last.
	trouble error
	halted  bool
}

// A stage is the running form of a plan.Stage.
type stage struct {
	index  int
	plan   *plan.Stage
	sink   plan.Topic
	inputs []input
	units  []*unit
	// tasks, by partition, are those of the current session; nil if there is
	// none or the task runs elsewhere.
	tasks []atomic.Pointer[task]
}

// An input is the running form of a plan.StageInput.
type input struct {
	*plan.StageInput
	topic   plan.Topic
	changes bool // a log between stages that keeps ops
	inner   bool // a log between stages
}

// A unit is what starts over together: a task, or all tasks of a stage that
// pull from the same scatters.
type unit struct {
	q          *Query
	stage      *stage
	partitions []int32
}

// Start runs a query until Stop. It returns at once; errors of its running are
// told by Err. Validate has accepted the plan.
func Start(ctx context.Context, host Host, spec QuerySpec) (*Query, error) {
	if err := Validate(spec.Plan, spec.Params...); err != nil {
		return nil, err
	}
	q := &Query{host: host, spec: spec, stop: make(chan struct{})}
	if spec.Paused {
		q.setPaused(true)
	}
	for i := range spec.Plan.Stages {
		st, err := q.newStage(i)
		if err != nil {
			return nil, err
		}
		q.stages = append(q.stages, st)
	}
	ctx, q.cancel = context.WithCancel(ctx)
	for _, st := range q.stages {
		for _, u := range st.units {
			q.done.Go(func() { u.run(ctx) })
		}
	}
	return q, nil
}

func (q *Query) newStage(i int) (*stage, error) {
	p := &q.spec.Plan.Stages[i]
	st := &stage{index: i, plan: p, sink: p.Sink.Topic, tasks: make([]atomic.Pointer[task], p.Partitions)}
	if st.sink.ID == 0 {
		if i >= len(q.spec.Internal) || q.spec.Internal[i].ID == 0 {
			return nil, fmt.Errorf("exec: query %d: no topic for the output of stage %d", q.spec.ID, i)
		}
		st.sink = q.spec.Internal[i]
	}
	keyed := false
	for j := range p.Inputs {
		in := input{StageInput: &p.Inputs[j], topic: p.Inputs[j].Scan().Topic}
		for k := range i {
			if in.topic.ID == 0 && in.topic.Name == plan.InternalTopic(k) || in.topic.ID != 0 && in.topic.ID == q.stages[k].sink.ID {
				in.topic, in.inner, in.changes = q.stages[k].sink, true, q.stages[k].plan.Sink.Changes
			}
		}
		if in.topic.ID == 0 {
			return nil, fmt.Errorf("exec: query %d: stage %d reads topic %q, which does not exist", q.spec.ID, i, in.topic.Name)
		}
		keyed = keyed || in.Keys != nil
		st.inputs = append(st.inputs, in)
	}
	all := &unit{q: q, stage: st}
	for part := range p.Partitions {
		if q.spec.Runs != nil && !q.spec.Runs(i, part) {
			continue
		}
		if keyed {
			all.partitions = append(all.partitions, part)
		} else {
			st.units = append(st.units, &unit{q, st, []int32{part}})
		}
	}
	if len(all.partitions) > 0 {
		st.units = append(st.units, all)
	}
	return st, nil
}

// Delays before a unit starts over.
const (
	minBackoff = 10 * time.Millisecond
	maxBackoff = time.Second
)

// run runs the unit's tasks, again and again while what goes wrong can be
// mended by starting over from the stored state.
func (u *unit) run(ctx context.Context) {
	backoff := minBackoff
	for {
		began := time.Now()
		err := u.session(ctx)
		if ctx.Err() != nil {
			return
		}
		if !retryable(err) {
			u.q.fail(err)
			return
		}
		u.q.mu.Lock()
		u.q.trouble = err
		u.q.mu.Unlock()
		if time.Since(began) > maxBackoff {
			backoff = minBackoff
		}
		t := time.NewTimer(backoff)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return
		}
		backoff = min(2*backoff, maxBackoff)
	}
}

// session loads the tasks' state and runs them until the first error.
func (u *unit) session(ctx context.Context) (err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var tasks []*task
	for _, p := range u.partitions {
		t, err := u.open(ctx, p)
		if err != nil {
			return err
		}
		tasks = append(tasks, t)
	}
	scatters, err := u.scatters(ctx, tasks)
	if err != nil {
		return err
	}
	var running sync.WaitGroup
	start := func(run func(context.Context) error) {
		running.Go(func() {
			if err := guarded(ctx, run); err != nil {
				cancel(err)
			}
		})
	}
	for _, t := range tasks {
		u.stage.tasks[t.id.Partition].Store(t)
		t.watch(start)
		start(t.run)
	}
	for _, s := range scatters {
		start(s.run)
	}
	u.q.progress()
	running.Wait()
	for _, t := range tasks {
		u.stage.tasks[t.id.Partition].Store(nil)
	}
	return context.Cause(ctx)
}

// guarded turns a panic into an error that fails the query: a bug in a function
// or an operator must not take the other queries' server down. Nothing of the
// step under way is committed.
func guarded(ctx context.Context, run func(context.Context) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fatal{fmt.Errorf("internal error: %v\n%s", p, debug.Stack())}
		}
	}()
	return run(ctx)
}

// fail ends the query with an error.
func (q *Query) fail(err error) {
	q.mu.Lock()
	if q.err == nil {
		q.err = err
	}
	q.mu.Unlock()
	q.cancel()
	q.progress()
}

// progress wakes those who wait for the query to get on.
func (q *Query) progress() {
	if q.waiters.Load() == 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.moved != nil {
		close(q.moved)
		q.moved = nil
	}
}

// until waits for cond, which is asked again whenever the query got on.
func (q *Query) until(ctx context.Context, cond func() bool) error {
	q.waiters.Add(1)
	defer q.waiters.Add(-1)
	for {
		q.mu.Lock()
		if q.moved == nil {
			q.moved = make(chan struct{})
		}
		moved, err := q.moved, q.err
		if err == nil && q.halted {
			err = ErrStopped
		}
		q.mu.Unlock()
		if err != nil {
			return err
		}
		if cond() {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// ErrStopped says that the query was stopped while somebody waited for it.
var ErrStopped = errors.New("exec: the query was stopped")

// Stop ends the query and waits for its goroutines. What is stored of it stays.
func (q *Query) Stop() {
	q.mu.Lock()
	q.halted = true
	q.mu.Unlock()
	q.cancel()
	q.done.Wait()
	q.progress()
}

// Pause makes the query process nothing more until Resume. Steps in flight are
// completed.
func (q *Query) Pause() { q.setPaused(true) }

// Resume undoes Pause.
func (q *Query) Resume() { q.setPaused(false) }

func (q *Query) setPaused(p bool) {
	defer q.progress()
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case p && q.pause == nil:
		q.pause = make(chan struct{})
		close(q.stop)
	case !p && q.pause != nil:
		close(q.pause)
		q.pause, q.stop = nil, make(chan struct{})
	}
}

// paused returns nil, or a channel that is closed on Resume.
func (q *Query) paused() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.pause
}

// pausing returns a channel that is closed on Pause.
func (q *Query) pausing() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.stop
}

// Err returns why the query failed; nil if it did not.
func (q *Query) Err() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.err
}

// Trouble returns why tasks had to start over last; nil if they never did. A query
// that runs may have had trouble long ago: compare TaskStats.
func (q *Query) Trouble() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.trouble
}

// State tells what the query is doing.
func (q *Query) State() State {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.err != nil:
		return Failed
	case q.halted:
		return Stopped
	case q.pause != nil:
		return Paused
	}
	return Running
}

// Ready waits until every task has loaded its state and its positions are
// stored: from then on no record is missed, whatever happens.
func (q *Query) Ready(ctx context.Context) error {
	return q.until(ctx, func() bool {
		for _, st := range q.stages {
			for _, u := range st.units {
				for _, p := range u.partitions {
					t := st.tasks[p].Load()
					if t == nil {
						return false
					}
					for i := range t.committed {
						if t.committed[i].Load() < 0 {
							return false
						}
					}
				}
			}
		}
		return true
	})
}

// Flush waits until the tasks that run in this process have processed, and
// committed, all that the logs they read hold at the time of the call, stage by
// stage. It does not wait for a paused query.
func (q *Query) Flush(ctx context.Context) error {
	for _, st := range q.stages {
		ends := map[cursorKey]storage.Offset{}
		for i, in := range st.inputs {
			for p := range in.topic.Partitions {
				l, err := q.host.Log(ctx, in.topic, p)
				if err != nil {
					return err
				}
				ends[cursorKey{i, p}] = l.End()
			}
		}
		if err := q.until(ctx, func() bool { return q.paused() != nil || st.reached(ends) }); err != nil {
			return err
		}
	}
	return nil
}

type cursorKey struct {
	input     int
	partition int32
}

// reached tells whether all tasks of the stage have committed ends.
func (st *stage) reached(ends map[cursorKey]storage.Offset) bool {
	for _, u := range st.units {
		for _, p := range u.partitions {
			t := st.tasks[p].Load()
			if t == nil {
				return false
			}
			for i, c := range t.cursors {
				if t.committed[i].Load() < int64(ends[cursorKey{c.input, c.partition}]) {
					return false
				}
			}
		}
	}
	return true
}

// TaskStats are the counters of a task since it was started.
type TaskStats struct {
	Stage      int
	Partition  int32
	RowsIn     int64 // records read
	RowsOut    int64 // records written
	Steps      int64
	Failures   int64 // rows and records that could not be processed
	StateBytes int64 // about how much memory the state takes
	Inputs     []InputStats
}

// InputStats tell how far a task is in one partition of an input.
type InputStats struct {
	Input     int
	Topic     plan.Topic
	Partition int32
	Position  storage.Offset // as committed; storage.Unset before the first commit
	Lag       int64          // records of the log beyond it; -1: not known
}

// Stats returns the counters of the tasks that run in this process.
func (q *Query) Stats(ctx context.Context) []TaskStats {
	var out []TaskStats
	for _, st := range q.stages {
		for i := range st.tasks {
			t := st.tasks[i].Load()
			if t == nil {
				continue
			}
			s := TaskStats{
				Stage: st.index, Partition: int32(i), RowsIn: t.rowsIn.Load(), RowsOut: t.rowsOut.Load(),
				Steps: t.steps.Load(), Failures: t.failures.Load(), StateBytes: t.stateBytes.Load(),
			}
			for j, c := range t.cursors {
				in := InputStats{Input: c.input, Topic: st.inputs[c.input].topic, Partition: c.partition, Position: storage.Offset(t.committed[j].Load()), Lag: -1}
				if l, err := q.host.Log(ctx, in.Topic, c.partition); err == nil {
					in.Lag = max(0, int64(l.End()-max(in.Position, l.Start())))
				}
				s.Inputs = append(s.Inputs, in)
			}
			out = append(out, s)
		}
	}
	return out
}
