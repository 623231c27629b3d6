package exec

import (
	"context"
	"fmt"

	"github.com/weirdb/weir/exec/source"
	"github.com/weirdb/weir/exec/stream"
	"github.com/weirdb/weir/internal/format"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
	"github.com/weirdb/weir/storage"
)

// parcelsAhead is how many parcels may wait for a task: one being filled, one
// being sent and one being read keep both sides busy.
const parcelsAhead = 3

// A parcel carries rows from one upstream partition to one task, and how far
// the upstream partition has been read.
type parcel struct {
	rows vec.Batch      // owned; its last column is the offset
	next storage.Offset // how far the upstream partition was read, if not more
	more bool           // rows of the last record may follow in the next parcel
}

// A scatter reads one upstream partition of an input with keys, once for all
// tasks of the stage, and hands each its rows. A task that is behind the
// scatter's start gets no rows twice: it leaves out what lies below its own
// position.
type scatter struct {
	cur    *cursor
	tail   *tail
	keys   []*stream.Expr
	cols   []*vec.Vec
	enc    format.Encoder
	lanes  []*lane // by task; nil if the task runs elsewhere
	rows   [][]uint16
	keyBuf []byte
	to     []int32 // task of each selected row
	ops    []vec.Op
	view   vec.Batch
}

// A lane is the way from a scatter to one task. It is the feed of the task's
// cursor.
type lane struct {
	full, empty chan *parcel
	wake        chan struct{}  // the task's
	filling     *parcel        // the scatter's
	sent        storage.Offset // the scatter's: as far as the task was told
	reading     *parcel        // the task's
	queue       []*parcel      // the task's: taken in to make room
	log         Log            // of the upstream partition
	goal        storage.Offset // the task's: where the log ended when it last looked
}

func newLane(log Log, wake chan struct{}, from storage.Offset) *lane {
	l := &lane{log: log, full: make(chan *parcel, parcelsAhead), empty: make(chan *parcel, parcelsAhead+2), wake: wake, sent: from}
	l.filling = new(parcel)
	for range parcelsAhead + 1 {
		l.empty <- new(parcel)
	}
	return l
}

// keyEncoder returns the encoder of what Kafka's partitioner hashes for rows of
// an input: in the format that the plan names, else the row encoding of the keys.
func keyEncoder(in *plan.StageInput) (format.Encoder, error) {
	s := source.Spec(in.Format)
	if s.Name == "" {
		s = format.Spec{Name: format.Native}
	}
	s.Fields = s.Fields[:0:0]
	for i, k := range in.Keys {
		f := vec.Field{Type: k.Type()}
		if i < len(in.Format.Fields) {
			f.Name = in.Format.Fields[i].Name
		}
		s.Fields = append(s.Fields, f)
	}
	return format.NewEncoder(s)
}

// run reads the partition until ctx ends.
func (s *scatter) run(ctx context.Context) error {
	for {
		before := s.cur.pos
		if err := s.tail.fill(ctx, s.cur); err != nil {
			return err
		}
		if s.cur.cur == nil && s.cur.pos == before {
			if err := s.send(ctx, true); err != nil {
				return err
			}
			changed := s.tail.changed()
			if s.tail.ready() {
				continue
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return ctx.Err()
			}
			continue
		}
		if s.cur.cur != nil {
			if err := s.deal(ctx, s.cur.cur); err != nil {
				return err
			}
			s.cur.at = s.cur.cur.Len()
			s.cur.settle()
		}
		if s.cur.unfinished {
			continue // several batches of the same records go together
		}
		if err := s.send(ctx, false); err != nil {
			return err
		}
	}
}

// deal puts the rows of b into the parcels of their tasks.
func (s *scatter) deal(ctx context.Context, b *vec.Batch) error {
	for i, k := range s.keys {
		c, err := k.Eval(b)
		if err != nil {
			return fatal{err}
		}
		s.cols[i] = c
	}
	for i := range s.rows {
		s.rows[i] = s.rows[i][:0]
	}
	sel := b.Selected()
	s.to = s.to[:0]
	for _, r := range sel {
		var err error
		if s.keyBuf, _, err = s.enc.Append(s.keyBuf[:0], s.cols, int(r)); err != nil {
			return fatal{fmt.Errorf("key: %w", err)}
		}
		p := partitionOf(s.keyBuf, int32(len(s.lanes)))
		s.to = append(s.to, p)
		s.rows[p] = append(s.rows[p], r)
	}
	b = s.split(b, sel)
	for p, rows := range s.rows {
		l := s.lanes[p]
		if l == nil || len(rows) == 0 {
			continue
		}
		if l.filling.rows.N+len(rows) > vec.MaxRows {
			l.filling.more = true
			if err := l.send(ctx, true); err != nil {
				return err
			}
		}
		appendRows(&l.filling.rows, b, rows)
	}
	return nil
}

// split makes updates whose rows go to different tasks a delete and an insert.
func (s *scatter) split(b *vec.Batch, sel []uint16) *vec.Batch {
	if b.Ops == nil {
		return b
	}
	s.ops = append(s.ops[:0], b.Ops...)
	for k := 1; k < len(sel); k++ {
		if s.ops[sel[k-1]] == vec.UpdateBefore && s.to[k-1] != s.to[k] {
			s.ops[sel[k-1]], s.ops[sel[k]] = vec.Delete, vec.Insert
		}
	}
	s.view = *b
	s.view.Ops = s.ops
	return &s.view
}

// send gives every task what there is for it, if only news of the position. A
// task that is busy gets it later, together with more, unless all is asked for.
func (s *scatter) send(ctx context.Context, all bool) error {
	for _, l := range s.lanes {
		if l == nil {
			continue
		}
		l.filling.next, l.filling.more = s.cur.pos, false
		if l.filling.rows.N == 0 && l.filling.next == l.sent {
			continue
		}
		if err := l.send(ctx, all); err != nil {
			return err
		}
	}
	return nil
}

// send hands over the parcel that is being filled. If the task is busy it waits
// for it, or, if wait is not set, leaves the parcel to be filled further.
func (l *lane) send(ctx context.Context, wait bool) error {
	select {
	case l.full <- l.filling:
	default:
		if !wait {
			return nil
		}
		select {
		case l.full <- l.filling:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if !l.filling.more {
		l.sent = l.filling.next
	}
	select {
	case l.wake <- struct{}{}:
	default: // it has not seen the last one yet
	}
	// There are more parcels than the ways hold, so one is always free soon.
	select {
	case l.filling = <-l.empty:
	case <-ctx.Done():
		return ctx.Err()
	}
	resetRows(&l.filling.rows)
	l.filling.more = false
	return nil
}

// fill is feed's.
func (l *lane) fill(_ context.Context, c *cursor) error {
	if l.reading != nil {
		l.giveBack(l.reading)
		l.reading = nil
	}
	var p *parcel
	if len(l.queue) > 0 {
		p, l.queue = l.queue[0], l.queue[1:]
	} else {
		select {
		case p = <-l.full:
		default:
			return nil
		}
	}
	l.reading = p
	from := 0
	offsets := p.rows.Cols
	if p.rows.N > 0 {
		o := offsets[len(offsets)-1].Ints
		for from < p.rows.N && storage.Offset(o[from]) < c.pos {
			from++
		}
	}
	switch {
	case from < p.rows.N:
		c.cur, c.at, c.next, c.hold = &p.rows, from, p.next, p.more
	case p.more:
	default:
		c.pos, c.unfinished = max(c.pos, p.next), false
	}
	return nil
}

// drain makes room on the way by taking in what is there.
func (l *lane) drain() {
	for {
		select {
		case p := <-l.full:
			l.queue = append(l.queue, p)
			l.giveBack(new(parcel))
		default:
			return
		}
	}
}

// giveBack hands an empty parcel to the scatter, unless it has enough.
func (l *lane) giveBack(p *parcel) {
	select {
	case l.empty <- p:
	default:
	}
}

// owes tells whether the scatter has not handed over something that cursor c
// should wait for: the rest of a record, or, if in order, what is in the log.
func (l *lane) owes(c *cursor, inOrder bool) bool {
	if c.cur != nil || len(l.queue) > 0 || len(l.full) > 0 {
		return false
	}
	return c.unfinished || inOrder && l.goal > c.pos
}

func (l *lane) changed() <-chan struct{} { return nil }
func (l *lane) ready() bool              { return len(l.queue)+len(l.full) > 0 }
