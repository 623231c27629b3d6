package exec

import (
	"context"
	"errors"
	"fmt"

	"github.com/weirdb/weir/exec/source"
	"github.com/weirdb/weir/exec/stream"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
	"github.com/weirdb/weir/storage"
)

// readBytes is how much is read from a log at once: a few thousand records,
// which stay in the second-level cache until they are decoded.
const readBytes = 256 << 10

// A feed gives a cursor its rows, batch by batch. fill sets c.cur, c.next (and
// c.pos, if records gave no rows); it does nothing if there is no more at the
// moment, and never waits.
type feed interface {
	fill(ctx context.Context, c *cursor) error
	// changed returns a channel that is closed when there may be more; nil if
	// the task is woken in another way.
	changed() <-chan struct{}
	// ready tells whether fill would get on.
	ready() bool
}

// A cursor is a task's place in one partition of one input.
type cursor struct {
	input     int // of the stage; also the chain's port
	partition int32
	feed      feed

	proposed storage.Offset // as of the last step
	pos      storage.Offset // all records below it were consumed

	cur  *vec.Batch     // rows to be consumed, nil if there are none
	at   int            // how many of cur's selected rows were
	next storage.Offset // pos when cur is consumed, unless hold
	// hold: rows of cur's last record follow in the next batch. unfinished: that
	// batch is yet to come, and until it is consumed no step may end.
	hold, unfinished bool
	offset           int // column of cur that has the records' offsets; -1: none
	view             vec.Batch
}

// load gets the cursor rows, if there are any at the moment, and returns how many
// records were passed that gave none.
func (c *cursor) load(ctx context.Context) (n int64, err error) {
	for c.cur == nil {
		before := c.pos
		if err := c.feed.fill(ctx, c); err != nil {
			return n, err
		}
		if c.cur == nil && c.pos == before {
			break
		}
		n += int64(c.pos - before)
	}
	return n, nil
}

// head is the event time of the next row.
func (c *cursor) head() int64 { return c.cur.Time[c.cur.Row(c.at)] }

// whole takes all rows that are left.
func (c *cursor) whole() *vec.Batch {
	b := c.cur
	if c.at > 0 {
		c.view = *b
		c.view.Sel = b.Selected()[c.at:]
		b = &c.view
	}
	c.at = c.cur.Len()
	return b
}

// until takes the rows that happened at limit or before, at least one. Rows of
// one record and the two rows of an update stay together.
func (c *cursor) until(limit int64) *vec.Batch {
	sel := c.cur.Selected()
	n := c.at + 1
	for n < len(sel) && (c.cur.Time[sel[n]] <= limit || c.joined(sel[n-1], sel[n])) {
		n++
	}
	c.view = *c.cur
	c.view.Sel = sel[c.at:n]
	c.at = n
	return &c.view
}

// joined tells whether rows a and b, one after the other, stay together.
func (c *cursor) joined(a, b uint16) bool {
	if c.cur.Op(int(a)) == vec.UpdateBefore {
		return true
	}
	if c.offset < 0 {
		return false
	}
	o := c.cur.Cols[c.offset]
	return o.Ints[a] == o.Ints[b]
}

// settle makes pos follow what was consumed of cur.
func (c *cursor) settle() {
	if c.cur == nil {
		return
	}
	if c.at < c.cur.Len() {
		if c.offset < 0 {
			return // nobody asks for the position
		}
		c.pos, c.unfinished = storage.Offset(c.cur.Cols[c.offset].Ints[c.cur.Row(c.at)]), false
		return
	}
	c.cur = nil
	if c.unfinished = c.hold; !c.hold {
		c.pos = c.next
	}
}

// tail is the feed of a log that the task reads and decodes itself.
type tail struct {
	log   Log
	dec   *source.Decoder
	chain *stream.Chain // of the input; nil if it is only a scan
	raw   []byte
	read  storage.Offset // what raw begins at or after

	// direct, if set, takes the rows at once instead of leaving them in the
	// cursor: the task has no other input to choose from.
	direct stream.Output
	out    *vec.Batch
	queue  []*vec.Batch // copies, if the chain gave several batches for one
	lost   func(from, to storage.Offset)
	rows   int64 // records decoded
}

// collect is the output of the chain.
func (t *tail) collect(b *vec.Batch) error {
	switch {
	case b.Len() == 0:
	case t.direct != nil:
		return t.direct(b)
	case t.out == nil:
		t.out = b
	default:
		// The first batch is overwritten by the second: keep copies of both.
		if len(t.queue) == 0 {
			t.queue = append(t.queue, clone(t.out))
		}
		t.queue = append(t.queue, clone(b))
	}
	return nil
}

func (t *tail) fill(ctx context.Context, c *cursor) error {
	if len(t.queue) > 0 {
		t.dequeue(c)
		return nil
	}
	if t.read < c.pos {
		t.read = c.pos
	}
	rows, err := t.dec.Next()
	if err == nil && rows == nil {
		if err = t.more(c); err == nil {
			rows, err = t.dec.Next()
		}
	}
	if err != nil || rows == nil {
		return err
	}
	t.rows += int64(rows.N)
	t.out = nil
	if t.chain == nil {
		err = t.collect(&rows.Batch)
	} else if rows.Len() > 0 {
		err = t.chain.Process(0, &rows.Batch)
	}
	if err != nil {
		return fatal{err}
	}
	t.read = rows.Next
	switch c.next = rows.Next; {
	case len(t.queue) > 0:
		t.dequeue(c)
	case t.out != nil:
		c.cur, c.at, c.hold = t.out, 0, false
	default:
		c.pos = rows.Next
	}
	return nil
}

func (t *tail) dequeue(c *cursor) {
	c.cur, c.at, c.hold = t.queue[0], 0, len(t.queue) > 1
	t.queue = t.queue[1:]
}

// more reads record batches for the decoder.
func (t *tail) more(c *cursor) error {
	if t.log.End() <= t.read {
		if _, err := t.log.Read(t.read, 0, t.raw); errors.Is(err, storage.ErrDropped) {
			return fatal{err} // nothing else would tell one who waits for more
		}
		return nil
	}
	raw, err := t.log.Read(t.read, readBytes, t.raw)
	if errors.Is(err, storage.ErrOffset) {
		if start := t.log.Start(); start > t.read {
			t.lost(t.read, start)
			c.pos, t.read = start, start
			return nil
		}
	}
	if errors.Is(err, storage.ErrDropped) {
		return fatal{err}
	}
	if err != nil {
		return err
	}
	t.raw = raw
	t.dec.Reset(raw, t.read)
	return nil
}

func (t *tail) changed() <-chan struct{} { return t.log.Changed() }
func (t *tail) ready() bool              { return t.log.End() > t.read }

// fatal marks errors that starting over does not help.
type fatal struct{ error }

func (f fatal) Unwrap() error { return f.error }

// clone returns a copy of b's selected rows.
func clone(b *vec.Batch) *vec.Batch {
	c := new(vec.Batch)
	appendRows(c, b, b.Selected())
	return c
}

// appendRows appends rows of src to dst, which owns its columns and has no
// selection.
func appendRows(dst, src *vec.Batch, rows []uint16) {
	if len(dst.Cols) == 0 {
		dst.Cols = make([]*vec.Vec, len(src.Cols))
		for i, c := range src.Cols {
			dst.Cols[i] = vec.New(c.Type)
		}
	}
	for i, c := range src.Cols {
		d := dst.Cols[i]
		for _, r := range rows {
			d.AppendRow(c, int(r))
		}
	}
	for _, r := range rows {
		dst.Time = append(dst.Time, src.Time[r])
	}
	if src.Ops != nil || dst.Ops != nil {
		for len(dst.Ops) < dst.N {
			dst.Ops = append(dst.Ops, vec.Insert)
		}
		for _, r := range rows {
			dst.Ops = append(dst.Ops, src.Op(int(r)))
		}
	}
	if src.Headers != nil || dst.Headers != nil {
		if dst.Headers == nil {
			dst.Headers = vec.New(vec.Of(vec.Bytes))
			for range dst.N {
				dst.Headers.Append(nil)
			}
		}
		for _, r := range rows {
			if src.Headers == nil {
				dst.Headers.Append(nil)
				continue
			}
			dst.Headers.AppendRow(src.Headers, int(r))
		}
	}
	dst.N += len(rows)
}

// resetRows empties a batch that appendRows filled, keeping its memory.
func resetRows(b *vec.Batch) {
	b.N, b.Time, b.Ops, b.Headers = 0, b.Time[:0], nil, nil
	for _, c := range b.Cols {
		c.Reset(c.Type, 0)
	}
}

// withOffset returns the source with one more column at its end: the offset of
// the record that a row comes from.
func withOffset(n plan.Node) (plan.Node, error) {
	switch n := n.(type) {
	case *plan.Scan:
		s := *n
		s.Cols = append(append([]plan.SourceColumn{}, n.Cols...),
			plan.SourceColumn{Name: "offset", Type: vec.Of(vec.Int64), Kind: plan.RowOffset})
		return &s, nil
	case *plan.Filter:
		in, err := withOffset(n.In)
		f := *n
		f.In = in
		return &f, err
	case *plan.Project:
		in, err := withOffset(n.In)
		p := *n
		p.In = in
		p.Exprs = append(append([]plan.Expr{}, n.Exprs...), offsetColumn(len(n.In.Columns())))
		p.Names = append(append([]string{}, n.Names...), "offset")
		return &p, err
	case *plan.Unnest:
		// The functions' columns come after the offset: put it last again.
		in, err := withOffset(n.In)
		u := *n
		u.In = in
		p := &plan.Project{In: &u}
		at := len(n.In.Columns())
		for i, c := range u.Columns() {
			if i != at {
				p.Exprs = append(p.Exprs, &plan.Col{Index: i, Name: c.Name, T: c.Type})
				p.Names = append(p.Names, c.Name)
			}
		}
		p.Exprs = append(p.Exprs, offsetColumn(at))
		p.Names = append(p.Names, "offset")
		return p, err
	}
	return nil, fmt.Errorf("exec: %T in the source of a stage", n)
}

func offsetColumn(i int) plan.Expr { return &plan.Col{Index: i, Name: "offset", T: vec.Of(vec.Int64)} }
