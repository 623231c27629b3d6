package engine

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/weirdb/weir/catalog"
	"github.com/weirdb/weir/exec"
	"github.com/weirdb/weir/exec/eval"
	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/pgwire"
	"github.com/weirdb/weir/planner"
	"github.com/weirdb/weir/planner/plan"
	"github.com/weirdb/weir/sql/ast"
	"github.com/weirdb/weir/storage"
)

func (s *session) insert(cat *catalog.Catalog, st statement, a *ast.Insert, params []vec.Type) (*command, error) {
	env := s.env(cat, params)
	if planner.IsContinuousInsert(env, a) {
		return simple(func(ctx context.Context) (string, error) { return s.createAs(ctx, st) }), nil
	}
	w, err := planner.PlanInsert(env, a)
	if err != nil {
		return nil, err
	}
	return s.write(cat, env, w, "INSERT 0"), nil
}

func (s *session) update(cat *catalog.Catalog, a *ast.Update, params []vec.Type) (*command, error) {
	env := s.env(cat, params)
	w, err := planner.PlanUpdate(env, a)
	if err != nil {
		return nil, err
	}
	return s.write(cat, env, w, "UPDATE"), nil
}

func (s *session) delete(cat *catalog.Catalog, a *ast.Delete, params []vec.Type) (*command, error) {
	env := s.env(cat, params)
	w, err := planner.PlanDelete(env, a)
	if err != nil {
		return nil, err
	}
	return s.write(cat, env, w, "DELETE"), nil
}

// write is a command that writes rows. Its encoders are made when it first runs
// and serve every later run.
func (s *session) write(cat *catalog.Catalog, env *planner.Env, w *planner.Write, verb string) *command {
	_ = settled(env.Params)
	c := &command{params: env.Params}
	var outCols []plan.Column
	for i, e := range w.Returning {
		outCols = append(outCols, plan.Column{Name: w.Names[i], Type: e.Type()})
	}
	if outCols != nil {
		c.columns = columnsOf(outCols)
	}
	topic, _ := cat.Topic(w.Relation.Topic)
	var sink *rowSink
	c.run = func(ctx context.Context, args pgwire.Args) (pgwire.Result, error) {
		if w.Placed && s.tx.block {
			return nil, pgerr.Newf(pgerr.FeatureNotSupported, "_partition and _offset are not known before COMMIT").
				Hintf("Use INSERT ... RETURNING outside of a transaction block.")
		}
		if sink == nil {
			var err error
			if sink, err = newRowSink(s, w, topic); err != nil {
				return nil, err
			}
		}
		in, err := s.bounded(ctx, w.Source, args.Params)
		if err != nil {
			return nil, err
		}
		sink.begin()
		if err := drain(ctx, in, sink.write); err != nil {
			return nil, err
		}
		if err := sink.arrive(); err != nil {
			return nil, err
		}
		if w.Placed {
			if err := sink.flush(ctx); err != nil {
				return nil, err
			}
		}
		if outCols == nil {
			return done(verb + " " + itoa(sink.count)), nil
		}
		return &rowsResult{&boxedRows{cols: outCols, rows: sink.returned}, verb}, nil
	}
	return c
}

// A rowSink checks rows, encodes them and hands them to the session's transaction:
// when there are many, when rows of another sink come, or when it commits. So the
// rows of one statement that runs many times in a pipeline share record batches.
type rowSink struct {
	s      *session
	w      *planner.Write
	topic  *catalog.Topic
	writer *exec.Writer
	count  int

	returning []*eval.Evaluator
	kept      []*vec.Batch // rows for RETURNING, until their places are known
	returned  [][]vec.Value
	pending   int // rows that are encoded and not handed over
	// arriving are rows with new keys, until those under all old ones are gone.
	arriving []*vec.Batch
}

// begin begins a statement.
func (r *rowSink) begin() { r.count, r.kept, r.returned, r.arriving = 0, nil, nil, nil }

// leave writes the tombstones for the keys that the rows of b had, and keeps the
// rows for arrive.
func (r *rowSink) leave(b *vec.Batch) error {
	old := *b
	old.Cols = append([]*vec.Vec{}, b.Cols...)
	for i, k := range r.w.Sink.Key {
		old.Cols[k] = b.Cols[r.w.OldKey[i]]
	}
	old.Ops = make([]vec.Op, b.N)
	for i := range old.Ops {
		old.Ops[i] = vec.Delete
	}
	r.arriving = append(r.arriving, ownedCopy(b))
	if err := r.s.tx.takeFrom(r); err != nil {
		return err
	}
	r.pending += b.Len()
	return r.writer.Write(&old)
}

// arrive ends a statement that moved rows to other keys.
func (r *rowSink) arrive() error {
	rows := r.arriving
	r.arriving = nil
	for _, b := range rows {
		if err := r.put(b); err != nil {
			return err
		}
	}
	return nil
}

func newRowSink(s *session, w *planner.Write, topic *catalog.Topic) (*rowSink, error) {
	writer, err := exec.NewWriter(&w.Sink)
	if err != nil {
		return nil, err
	}
	r := &rowSink{s: s, w: w, topic: topic, writer: writer}
	env := &eval.Env{Ctx: s.fnCtx()}
	for _, e := range w.Returning {
		ev, err := eval.Compile(e, env)
		if err != nil {
			return nil, err
		}
		r.returning = append(r.returning, ev)
	}
	return r, nil
}

// maxWriteRows is how many rows are encoded before they are handed over.
const maxWriteRows = 4 * vec.MaxRows

func (r *rowSink) write(b *vec.Batch) error {
	if b.Time == nil || len(b.Time) < b.N {
		b.Time = make([]int64, b.N)
	}
	now := time.Now().UnixMilli()
	for i := range b.Time {
		b.Time[i] = now
	}
	if r.w.Sink.TimeColumn >= 0 { // a NULL rowtime is now
		if c := b.Cols[r.w.Sink.TimeColumn]; c.Nulls.Any() {
			filled := vec.New(c.Type)
			filled.Reset(c.Type, b.N)
			for i := range b.N {
				if filled.Ints[i] = now; !c.Null(i) {
					filled.Ints[i] = c.Int(i)
				}
			}
			b.Cols[r.w.Sink.TimeColumn] = filled
		}
	}
	if r.w.RowID >= 0 {
		b.Cols[r.w.RowID] = rowIDs(b.Cols[r.w.RowID].Type, b.N)
	}
	if err := r.check(b); err != nil {
		return err
	}
	if r.w.OldKey != nil {
		return r.leave(b)
	}
	return r.put(b)
}

// put writes rows that are complete.
func (r *rowSink) put(b *vec.Batch) error {
	if r.w.Delete {
		b.Ops = make([]vec.Op, b.N)
		for i := range b.Ops {
			b.Ops[i] = vec.Delete
		}
	}
	if err := r.s.tx.takeFrom(r); err != nil {
		return err
	}
	if err := r.writer.Write(b); err != nil {
		return err
	}
	r.count += b.Len()
	r.pending += b.Len()
	if len(r.returning) > 0 {
		if !r.w.Placed {
			return r.give(b, nil)
		}
		r.kept = append(r.kept, ownedCopy(b))
	}
	if (r.pending >= maxWriteRows || r.writer.Bytes() >= maxAppend) && !r.w.Placed {
		return r.hand()
	}
	return nil
}

// check refuses NULL where the relation does.
func (r *rowSink) check(b *vec.Batch) error {
	for i, c := range r.w.Relation.Columns {
		must := c.NotNull || c.Role == catalog.Key && r.w.Relation.Kind.IsTable()
		if !must || b.Cols[i].Nulls == nil {
			continue
		}
		for _, row := range b.Selected() {
			if b.Cols[i].Null(int(row)) {
				return pgerr.Newf(pgerr.NotNullViolation, "null value in column %q of relation %q violates not-null constraint", c.Name, r.w.Relation.Name)
			}
		}
	}
	return nil
}

// of is what the writer encoded for a partition, as a write of its own.
func (r *rowSink) of(a storage.Append) write {
	return write{
		rel: r.w.Relation, topic: r.topic, partition: a.Partition.Partition, unique: r.w.Unique, batches: append([]byte(nil), a.Batches...),
	}
}

// hand gives what is encoded to the session's transaction.
func (r *rowSink) hand() error {
	out, _, err := r.writer.Finish()
	if err != nil {
		return err
	}
	for _, a := range out {
		if err := r.s.tx.add(r.of(a)); err != nil {
			return err
		}
	}
	r.discard()
	return nil
}

// discard forgets what is encoded and not handed over.
func (r *rowSink) discard() {
	r.writer.Reset()
	r.pending = 0
}

// flush writes the statement's rows at once, waits, and gives what RETURNING asks
// of their places.
func (r *rowSink) flush(ctx context.Context) error {
	out, places, err := r.writer.Finish()
	if err != nil {
		return err
	}
	for _, a := range out {
		if err := r.s.n.shardOf(r.topic, a.Partition.Partition).leads(); err != nil {
			return err
		}
	}
	base := map[int32][]int64{} // offsets by partition, in order
	for i, a := range out {
		w := r.of(a)
		res, err := r.s.n.shardOf(r.topic, w.partition).propose(ctx, storage.AppendAppend(nil, w.command()), r.s.durability())
		if err != nil {
			return partly(i > 0, keyRefusal([]write{w}, err))
		}
		for _, b := range res.(*storage.AppendResult).Batches {
			for o := b.Base; o <= b.Last; o++ {
				base[a.Partition.Partition] = append(base[a.Partition.Partition], int64(o))
			}
		}
	}
	for _, b := range r.kept {
		n := b.Len()
		if err := r.give(b, func(i int) (int32, int64) {
			p := places[i]
			return p.Partition, base[p.Partition][p.Index]
		}); err != nil {
			return err
		}
		places = places[n:]
	}
	r.discard()
	return nil
}

// give evaluates RETURNING for the rows of b; place tells where the i-th went.
func (r *rowSink) give(b *vec.Batch, place func(i int) (int32, int64)) error {
	part, off := vec.New(vec.Of(vec.Int32)), vec.New(vec.Of(vec.Int64))
	part.Reset(part.Type, b.N)
	off.Reset(off.Type, b.N)
	clear(part.Ints)
	clear(off.Ints)
	for i, row := range b.Selected() {
		if place != nil {
			p, o := place(i)
			part.Ints[row], off.Ints[row] = int64(p), o
		}
	}
	wide := *b
	wide.Cols = append(append([]*vec.Vec{}, b.Cols...), part, off)
	start := len(r.returned)
	for range b.Len() {
		r.returned = append(r.returned, make([]vec.Value, len(r.returning)))
	}
	for c, ev := range r.returning {
		v, err := ev.Eval(&wide, wide.Selected())
		if err != nil {
			return err
		}
		for i, row := range wide.Selected() {
			r.returned[start+i][c] = v.Get(int(row))
		}
	}
	return nil
}

// ownedCopy copies a batch that its maker takes back.
func ownedCopy(b *vec.Batch) *vec.Batch {
	out := &vec.Batch{N: b.Len(), Time: make([]int64, b.Len())}
	for _, c := range b.Cols {
		v := vec.New(c.Type)
		for _, row := range b.Selected() {
			v.AppendRow(c, int(row))
		}
		out.Cols = append(out.Cols, v)
	}
	return out
}

var lastRowID atomic.Int64

// rowIDs makes keys for rows that were declared without one: microseconds since
// 1970, times 256, never twice in a process and growing, so that the order of
// keys is that of insertion.
func rowIDs(t vec.Type, n int) *vec.Vec {
	v := vec.New(t)
	v.Reset(t, n)
	first := nextRowID(int64(n))
	for i := range v.Ints {
		v.Ints[i] = first + int64(i)
	}
	return v
}

func nextRowID(n int64) int64 {
	for {
		last := lastRowID.Load()
		first := max(last+1, time.Now().UnixMicro()<<8)
		if lastRowID.CompareAndSwap(last, first+n-1) {
			return first
		}
	}
}
