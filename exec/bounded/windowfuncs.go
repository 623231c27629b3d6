package bounded

import (
	"io"

	"github.com/weirdb/weir/exec/eval"
	"github.com/weirdb/weir/exec/table"
	"github.com/weirdb/weir/internal/fn"
	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
)

// windowFuncs reads all its input and appends a column per OVER expression. The
// rows come out in the order of the longest window.
type windowFuncs struct {
	q     *query
	in    Rows
	width int
	calls []*overCall
	rows  *store // the input's columns, then those of every call
	exprs []*eval.Evaluator
	list  []int32
	ready bool
	out   vec.Batch
}

// overCall is one OVER expression while it is computed. Positions count in list.
type overCall struct {
	name      string
	agg       fn.Aggregator
	state     *table.Table // one group: the frame
	ctx       fn.Ctx
	err       error
	slides    bool // rows may be taken back from state
	frame     plan.Frame
	from, to  vec.Value // offsets of the frame's ends
	partition []*vec.Vec
	by        []*vec.Vec
	order     order
	args      []*vec.Vec
	first     int // of its columns in the store: partition, by, args
	np, nb    int
	na        int

	list   []int32
	lo, hi int     // the partition
	peers  []int32 // the peer group of each row of the partition
	starts []int   // where each peer group begins, and where the last ends
	out    *vec.Vec

	added    [2]int // what state holds, if it holds something
	holds    bool
	scratch  []*vec.Vec
	groups   []uint32
	one      vec.Vec
	segments [][2]int
}

func newWindowFuncs(q *query, n *plan.WindowFuncs, in Rows, env *eval.Env) (Rows, error) {
	w := &windowFuncs{q: q, in: in}
	var types []vec.Type
	for _, c := range n.In.Columns() {
		types = append(types, c.Type)
	}
	w.width = len(types)
	var exprs []plan.Expr
	for i := range n.Calls {
		c := &n.Calls[i]
		o, err := newOver(c, env)
		if err != nil {
			return nil, err
		}
		o.first = w.width + len(exprs)
		exprs = append(exprs, c.Partition...)
		for _, k := range c.OrderBy {
			exprs = append(exprs, k.X)
		}
		exprs = append(exprs, c.Args...)
		w.calls = append(w.calls, o)
	}
	for _, e := range exprs {
		types = append(types, e.Type())
	}
	w.rows = newStore(q, types)
	var err error
	w.exprs, err = compileAll(exprs, env)
	return w, err
}

func newOver(c *plan.WindowCall, env *eval.Env) (*overCall, error) {
	o := &overCall{name: c.Name, ctx: env.Ctx, np: len(c.Partition), nb: len(c.OrderBy), na: len(c.Args), out: vec.New(c.T)}
	o.ctx.Fail = func(_ int, err error) {
		if o.err == nil {
			o.err = err
		}
	}
	o.order.desc, o.order.nullsFirst = make([]bool, o.np), make([]bool, o.np)
	keys, _ := orderOf(c.OrderBy)
	o.order.desc, o.order.nullsFirst = append(o.order.desc, keys.desc...), append(o.order.nullsFirst, keys.nullsFirst...)
	o.frame = plan.Frame{Unit: plan.Range, From: plan.Bound{Unbounded: true, Preceding: true}, To: plan.Bound{Current: true}}
	if c.Frame != nil {
		o.frame = *c.Frame
	}
	var err error
	if o.from, err = offset(o.frame.From, "starting", env); err != nil {
		return nil, err
	}
	if o.to, err = offset(o.frame.To, "ending", env); err != nil {
		return nil, err
	}
	if c.Agg == nil {
		return o, nil
	}
	types := make([]vec.Type, len(c.Args))
	for i, a := range c.Args {
		types[i] = a.Type()
		o.scratch = append(o.scratch, &vec.Vec{})
	}
	if o.agg, err = c.Agg.New(types); err != nil {
		return nil, err
	}
	// Sums of floats do not go back to what they were; they are made anew.
	o.slides = o.agg.Retractable() && (len(types) == 0 || types[0].Layout() != vec.InFloats)
	o.state = table.New(table.Config{Aggs: []fn.Aggregator{o.agg}})
	o.one.Type = c.T
	return o, nil
}

// offset computes the distance of a frame's end.
func offset(b plan.Bound, which string, env *eval.Env) (vec.Value, error) {
	if b.N == nil {
		return nil, nil
	}
	x, err := eval.Const(b.N, env)
	if err != nil {
		return nil, err
	}
	if x == nil {
		return nil, pgerr.Newf("22004", "frame %s offset must not be null", which)
	}
	if negative(x) {
		return nil, pgerr.Newf("22013", "frame %s offset must not be negative", which)
	}
	return x, nil
}

func (w *windowFuncs) Next() (*vec.Batch, error) {
	if !w.ready {
		if err := w.read(); err != nil {
			return nil, err
		}
		w.ready = true
	}
	if len(w.list) == 0 {
		return nil, io.EOF
	}
	part := w.list[:min(len(w.list), vec.MaxRows)]
	w.list = w.list[len(part):]
	resize(&w.out, w.width+len(w.calls))
	for i := range w.width {
		gather(w.out.Cols[i], w.rows.cols[i], part)
	}
	for i, o := range w.calls {
		gather(w.out.Cols[w.width+i], o.out, part)
	}
	w.out.N = len(part)
	return &w.out, nil
}

func (w *windowFuncs) read() error {
	all := make([]*vec.Vec, len(w.rows.cols))
	err := each(w.in, func(b *vec.Batch) error {
		copy(all, b.Cols)
		if err := evalAll(w.exprs, b, b.Selected(), all[w.width:]); err != nil {
			return err
		}
		return w.rows.add(all, b.Selected())
	})
	if err != nil {
		return err
	}
	longest := -1
	for i, o := range w.calls {
		if err := o.run(w.q, w.rows); err != nil {
			return err
		}
		if n := o.np + o.nb; longest < 0 || n > w.calls[longest].np+w.calls[longest].nb {
			longest = i
		}
	}
	if longest < 0 {
		w.list = order{}.sorted(nil, w.rows.n)
		return nil
	}
	w.list = w.calls[longest].list
	return nil
}

// run computes the column of one OVER expression.
func (o *overCall) run(q *query, rows *store) error {
	cols := rows.cols[o.first:]
	o.partition, o.by, o.args = cols[:o.np], cols[o.np:o.np+o.nb], cols[o.np+o.nb:][:o.na]
	o.list = o.order.sorted(cols[:o.np+o.nb], rows.n)
	o.out.Reset(o.out.Type, rows.n)
	same := order{desc: o.order.desc[:o.np], nullsFirst: o.order.nullsFirst[:o.np]}
	for o.lo = 0; o.lo < len(o.list); o.lo = o.hi {
		if err := q.ctx.Err(); err != nil {
			return err
		}
		for o.hi = o.lo + 1; o.hi < len(o.list) && same.compare(o.partition, o.list[o.lo], o.list[o.hi]) == 0; o.hi++ {
		}
		o.findPeers()
		o.holds = false
		var err error
		if o.agg != nil {
			err = o.aggregates(q)
		} else {
			err = o.ranks()
		}
		if err != nil {
			return err
		}
	}
	return o.err
}

// findPeers notes for each row of the partition which peer group it is in, and
// where the groups begin.
func (o *overCall) findPeers() {
	by := order{desc: o.order.desc[o.np:], nullsFirst: o.order.nullsFirst[o.np:]}
	o.peers, o.starts = o.peers[:0], append(o.starts[:0], o.lo)
	for i := o.lo; i < o.hi; i++ {
		if i > o.lo && by.compare(o.by, o.list[i-1], o.list[i]) != 0 {
			o.starts = append(o.starts, i)
		}
		o.peers = append(o.peers, int32(len(o.starts)-1))
	}
	o.starts = append(o.starts, o.hi)
}

// peersOf returns the first and the end of the peer group of position i.
func (o *overCall) peersOf(i int) (first, end int) {
	g := o.peers[i-o.lo]
	return o.starts[g], o.starts[g+1]
}

// ranks computes the functions that only windows have.
func (o *overCall) ranks() error {
	n := int64(o.hi - o.lo)
	var first, end int
	for i := o.lo; i < o.hi; i++ {
		if i == o.lo || o.peers[i-o.lo] != o.peers[i-1-o.lo] {
			first, end = o.peersOf(i)
		}
		row := int(o.list[i])
		pos, rank := int64(i-o.lo), int64(first-o.lo)+1
		switch o.name {
		case "row_number":
			o.out.Ints[row] = pos + 1
		case "rank":
			o.out.Ints[row] = rank
		case "dense_rank":
			o.out.Ints[row] = int64(o.peers[i-o.lo]) + 1
		case "percent_rank":
			o.out.Floats[row] = 0
			if n > 1 {
				o.out.Floats[row] = float64(rank-1) / float64(n-1)
			}
		case "cume_dist":
			o.out.Floats[row] = float64(end-o.lo) / float64(n)
		case "ntile":
			if err := o.ntile(row, pos, n); err != nil {
				return err
			}
		case "lag", "lead":
			o.neighbour(i)
		case "first_value", "last_value", "nth_value":
			if err := o.valueOf(i); err != nil {
				return err
			}
		default:
			return pgerr.Newf(pgerr.FeatureNotSupported, "window function %s is not supported", o.name)
		}
	}
	return nil
}

// ntile splits n rows in so many buckets, the first ones larger by one if need be.
func (o *overCall) ntile(row int, pos, n int64) error {
	if o.args[0].Null(row) {
		o.out.SetNull(row)
		return nil
	}
	buckets := o.args[0].Int(row)
	if buckets <= 0 {
		return pgerr.Newf("22014", "argument of ntile must be greater than zero")
	}
	size, larger := n/buckets, n%buckets
	if pos < larger*(size+1) {
		o.out.Ints[row] = pos/(size+1) + 1
	} else {
		o.out.Ints[row] = (pos-larger)/max(size, 1) + 1
	}
	return nil
}

// neighbour is lag and lead: the value some rows before or after.
func (o *overCall) neighbour(i int) {
	row := int(o.list[i])
	by := int64(1)
	if o.na > 1 {
		if o.args[1].Null(row) {
			o.out.SetNull(row)
			return
		}
		by = o.args[1].Int(row)
	}
	if o.name == "lag" {
		by = -by
	}
	at := int64(i) + by
	switch {
	case at >= int64(o.lo) && at < int64(o.hi):
		o.out.CopyRow(row, o.args[0], int(o.list[at]))
	case o.na > 2:
		o.out.CopyRow(row, o.args[2], row)
	default:
		o.out.SetNull(row)
	}
}

// valueOf is first_value, last_value and nth_value of the frame.
func (o *overCall) valueOf(i int) error {
	row := int(o.list[i])
	segments, err := o.frameOf(i)
	if err != nil {
		return err
	}
	nth := int64(1)
	switch o.name {
	case "nth_value":
		if o.args[1].Null(row) {
			o.out.SetNull(row)
			return nil
		}
		if nth = o.args[1].Int(row); nth <= 0 {
			return pgerr.Newf("22016", "argument of nth_value must be greater than zero")
		}
	case "last_value":
		nth = 0
		for _, s := range segments {
			nth += int64(s[1] - s[0])
		}
	}
	for _, s := range segments {
		if n := int64(s[1] - s[0]); nth > n {
			nth -= n
			continue
		}
		if nth > 0 {
			o.out.CopyRow(row, o.args[0], int(o.list[s[0]+int(nth)-1]))
			return nil
		}
	}
	o.out.SetNull(row)
	return nil
}

// aggregates computes an aggregate over the frame of each row. A frame that only
// grows is added to; of one that moves rows are taken back if that is possible.
func (o *overCall) aggregates(q *query) error {
	var last [][2]int
	for i := o.lo; i < o.hi; i++ {
		if i%vec.MaxRows == 0 {
			if err := q.ctx.Err(); err != nil {
				return err
			}
		}
		segments, err := o.frameOf(i)
		if err != nil {
			return err
		}
		if len(last) != len(segments) || i == o.lo || !equalSegments(last, segments) {
			if err := o.move(segments); err != nil {
				return err
			}
			o.one.Reset(o.out.Type, 1)
			o.agg.Result(&o.ctx, o.state.States(0), []uint32{0}, vec.Identity(1), &o.one)
			last = append(last[:0], segments...)
		}
		o.out.CopyRow(int(o.list[i]), &o.one, 0)
	}
	return o.err
}

func equalSegments(a, b [][2]int) bool {
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// move makes state that of the rows in segments.
func (o *overCall) move(segments [][2]int) error {
	if len(segments) == 1 && o.holds {
		s := segments[0]
		from, to := o.added[0], o.added[1]
		forth := s[0] >= from && s[1] >= to && s[0] <= to
		if forth && (s[0] == from || o.slides) {
			o.addRows(from, s[0], -1)
			o.addRows(to, s[1], 1)
			o.added = s
			return nil
		}
	}
	o.state.Reset()
	if _, err := o.state.Group(nil); err != nil {
		return err
	}
	for _, s := range segments {
		o.addRows(s[0], s[1], 1)
	}
	if o.holds = len(segments) == 1; o.holds {
		o.added = segments[0]
	}
	return nil
}

// addRows adds positions [from, to) to state, or takes them back.
func (o *overCall) addRows(from, to int, sign int8) {
	for from < to {
		n := min(to-from, vec.MaxRows)
		part := o.list[from : from+n]
		from += n
		for i, a := range o.args {
			gather(o.scratch[i], a, part)
		}
		if len(o.groups) < n {
			o.groups = make([]uint32, vec.MaxRows)
		}
		var signs []int8
		if sign < 0 {
			signs = make([]int8, n)
			for i := range signs {
				signs[i] = sign
			}
		}
		o.agg.Add(&o.ctx, o.state.States(0), o.groups[:n], vec.Identity(n), signs, o.scratch)
	}
}

func (w *windowFuncs) Close() error {
	w.rows.drop()
	return w.in.Close()
}
