package exec

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/weirdb/weir/exec/source"
	"github.com/weirdb/weir/exec/stream"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
	"github.com/weirdb/weir/storage"
)

// open makes the task of a partition and loads what is stored of it.
func (u *unit) open(ctx context.Context, partition int32) (*task, error) {
	q, st := u.q, u.stage
	t := &task{
		q: q, stage: st, rows: stepRows, mux: mux{wake: make(chan struct{}, 1)},
		id: storage.TaskID{Query: q.spec.ID, Generation: q.spec.Generation, Stage: uint16(st.index), Partition: partition},
	}
	var err error
	drop := func(b *vec.Batch, row int, err error) { t.fail(t.outputFailure(b, row, err)) }
	if t.sink, err = newSink(&st.plan.Sink, st.sink, partition, timeParser(st.plan.Sink.TimeFormat), drop); err != nil {
		return nil, fatal{err}
	}
	env := q.env(t.id)
	env.Old = st.plan.Sink.Changes
	env.Report = drop
	if t.chain, err = stream.Build(st.plan.Root, env, t.sink.write); err != nil {
		return nil, fatal{err}
	}
	stored, err := q.host.Task(ctx, t.id)
	if err != nil {
		return nil, err
	}
	if err := t.chain.Load(stored.State); err != nil {
		return nil, fmt.Errorf("state of query %d, stage %d, partition %d: %w", t.id.Query, t.id.Stage, partition, err)
	}
	t.stateBytes.Store(t.chain.Bytes())
	if err := t.openCursors(ctx, &stored); err != nil {
		return nil, err
	}
	t.committed = make([]atomic.Int64, len(t.cursors))
	for i, c := range t.cursors {
		t.committed[i].Store(int64(c.proposed))
	}
	return t, nil
}

func (q *Query) env(id storage.TaskID) *stream.Env {
	env := &stream.Env{Ctx: q.spec.Ctx, Task: id, Every: q.spec.Every, SkipNullKeys: q.spec.SkipNullKeys, Params: q.spec.Params}
	env.Ctx.Now = q.host.Now()
	return env
}

// openCursors makes the task's cursors. Those of inputs with keys get their
// feed from unit.scatters.
func (t *task) openCursors(ctx context.Context, stored *TaskState) error {
	single := len(t.stage.inputs) == 1 && t.stage.inputs[0].Keys == nil && !t.stage.inputs[0].Broadcast
	for i, in := range t.stage.inputs {
		first, last := t.id.Partition, t.id.Partition+1
		if in.Keys != nil || in.Broadcast {
			first, last = 0, in.topic.Partitions
		}
		for p := first; p < min(last, in.topic.Partitions); p++ {
			log, err := t.q.host.Log(ctx, in.topic, p)
			if err != nil {
				return err
			}
			c := &cursor{input: i, partition: p, offset: -1, proposed: stored.position(i, p)}
			if c.pos = c.proposed; c.pos == storage.Unset {
				if c.pos = log.Start(); t.q.spec.From == plan.Latest && !in.inner {
					c.pos = log.End()
				}
			}
			if in.Keys == nil {
				report := func(f *Failure) { t.fail(f) }
				if c.feed, err = t.q.newTail(t.id, in, p, log, c, single, report); err != nil {
					return fatal{err}
				}
				if single {
					c.feed.(*tail).direct = func(b *vec.Batch) error { return t.chain.Process(0, b) }
				}
			} else {
				c.offset = len(in.Source.Columns())
			}
			t.cursors = append(t.cursors, c)
		}
	}
	return nil
}

// newTail makes what reads partition p of an input for cursor c. Unless the
// cursor is the only one of its task, its rows carry their offsets.
func (q *Query) newTail(id storage.TaskID, in input, p int32, log Log, c *cursor, single bool, report func(*Failure)) (*tail, error) {
	node := in.Source
	if !single {
		c.offset = len(in.Source.Columns())
		var err error
		if node, err = withOffset(in.Source); err != nil {
			return nil, err
		}
	}
	t := &tail{log: log, read: c.pos}
	scan := (&plan.StageInput{Source: node}).Scan()
	failure := func(offset, ms int64, key, value []byte, err error) {
		report(&Failure{
			Query: id.Query, Stage: int(id.Stage), Topic: in.topic, Relation: scan.Relation, Partition: p, Offset: offset, Time: ms,
			Key: append([]byte(nil), key...), Value: append([]byte(nil), value...), Reason: err,
		})
	}
	t.lost = func(from, to storage.Offset) {
		failure(int64(from), 0, nil, nil, fmt.Errorf("records %d to %d are gone: retention removed them before the query read them", from, to-1))
	}
	var err error
	t.dec, err = source.New(source.Config{
		Scan: scan, Partition: p, Changes: in.changes, ParseTime: timeParser(scan.TimeFormat),
		Bad: func(b source.Broken) { failure(b.Offset, b.Time, b.Key, b.Value, b.Reason) },
	})
	if err != nil {
		return nil, err
	}
	if node == plan.Node(scan) {
		return t, nil
	}
	env := q.env(id)
	env.Old = true // what stands above may need them
	env.Report = func(b *vec.Batch, row int, err error) {
		offset, key, value := t.dec.Record(row)
		failure(offset, b.Time[row], key, value, err)
	}
	if hasUnnest(node) {
		env.Report = func(b *vec.Batch, row int, err error) { failure(-1, b.Time[row], nil, nil, err) }
	}
	t.chain, err = stream.Build(node, env, t.collect)
	return t, err
}

func hasUnnest(n plan.Node) bool {
	if _, ok := n.(*plan.Unnest); ok {
		return true
	}
	for _, in := range n.Inputs() {
		if hasUnnest(in) {
			return true
		}
	}
	return false
}

// outputFailure makes a failure of a row that operators made.
func (t *task) outputFailure(b *vec.Batch, row int, err error) *Failure {
	return &Failure{
		Query: t.id.Query, Stage: int(t.id.Stage), Topic: t.stage.sink, Relation: t.stage.plan.Sink.Relation,
		Partition: t.id.Partition, Offset: -1, Time: b.Time[row], Reason: err,
	}
}

// scatters makes the scatters of the unit's inputs with keys and ties them to
// the tasks' cursors.
func (u *unit) scatters(ctx context.Context, tasks []*task) ([]*scatter, error) {
	var out []*scatter
	for i, in := range u.stage.inputs {
		if in.Keys == nil {
			continue
		}
		for p := range in.topic.Partitions {
			log, err := u.q.host.Log(ctx, in.topic, p)
			if err != nil {
				return nil, err
			}
			s, err := u.newScatter(i, p, log, tasks)
			if err != nil {
				return nil, fatal{err}
			}
			out = append(out, s)
		}
	}
	return out, nil
}

func (u *unit) newScatter(i int, p int32, log Log, tasks []*task) (*scatter, error) {
	in := u.stage.inputs[i]
	s := &scatter{
		cur:   &cursor{input: i, partition: p},
		lanes: make([]*lane, u.stage.plan.Partitions),
		rows:  make([][]uint16, u.stage.plan.Partitions),
		cols:  make([]*vec.Vec, len(in.Keys)),
	}
	from := storage.Offset(1<<63 - 1)
	for _, t := range tasks {
		for _, c := range t.cursors {
			if c.input != i || c.partition != p {
				continue
			}
			l := newLane(log, t.wake, c.pos)
			c.feed = l
			s.lanes[t.id.Partition] = l
			from = min(from, c.pos)
		}
	}
	s.cur.pos = from
	// The scatter is behind its tasks' back: it reports at once, and again what
	// it reads again after a restart.
	id := storage.TaskID{Query: u.q.spec.ID, Generation: u.q.spec.Generation, Stage: uint16(u.stage.index)}
	var err error
	if s.tail, err = u.q.newTail(id, in, p, log, s.cur, false, u.q.host.Report); err != nil {
		return nil, err
	}
	if s.enc, err = keyEncoder(in.StageInput); err != nil {
		return nil, err
	}
	env := u.q.env(id)
	for _, k := range in.Keys {
		x, err := env.Expr(k)
		if err != nil {
			return nil, err
		}
		s.keys = append(s.keys, x)
	}
	return s, nil
}
