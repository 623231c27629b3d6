package stream

import (
	"github.com/weirdb/weir/exec/table"
	"github.com/weirdb/weir/internal/vec"
)

// result is the output of an aggregation while it is made. With old rows, the
// change of cell k stands in rows 2k (old) and 2k+1 (new), otherwise in row k.
type result struct {
	types   []vec.Type
	cols    []*vec.Vec
	ops     []vec.Op
	time    []int64
	present []bool
	headers vec.Vec
	headed  bool
	batch   vec.Batch
	sel     []uint16

	at, rows, evens []uint16 // scratch
}

func (o *result) init(types []vec.Type) {
	o.types = types
	for _, t := range types {
		o.cols = append(o.cols, vec.New(t))
	}
	o.at = make([]uint16, vec.MaxRows)
	o.rows = make([]uint16, vec.MaxRows)
	o.evens = make([]uint16, vec.MaxRows/2)
	for i := range o.evens {
		o.evens[i] = uint16(2 * i)
	}
	o.ops = make([]vec.Op, vec.MaxRows)
	o.time = make([]int64, vec.MaxRows)
	o.present = make([]bool, vec.MaxRows)
}

// width is how many rows a change takes.
func (o *result) width(old bool) int {
	if old {
		return 2
	}
	return 1
}

func (o *result) even(n int) []uint16 { return o.evens[:n] }

// begin starts a batch of n rows, none of which is present yet. in is the batch
// that the headers come from, or nil.
func (o *result) begin(n int, in *vec.Batch) {
	for i, c := range o.cols {
		c.Reset(o.types[i], n)
	}
	clear(o.present[:n])
	o.batch.N = n
	o.headed = false
	if in != nil && in.Headers != nil {
		o.startHeaders()
	}
}

func (o *result) startHeaders() {
	o.headed = true
	o.headers.Reset(vec.Of(vec.Bytes), o.batch.N)
	for i := range o.batch.N {
		o.headers.SetNull(i)
	}
}

// header copies the headers of row i of b to a row.
func (o *result) header(row int, b *vec.Batch, i int) {
	if o.headed && !b.Headers.Null(i) {
		o.setHeader(row, b.Headers.Bytes(i))
	}
}

func (o *result) setHeader(row int, h []byte) {
	if !o.headed {
		o.startHeaders()
	}
	o.headers.Nulls[row>>6] &^= 1 << (row & 63)
	o.headers.SetBytes(row, h)
}

func (o *result) insert(row int, _ bool) { o.ops[row], o.present[row] = vec.Insert, true }

func (o *result) update(row int, old bool) {
	o.ops[row], o.present[row] = vec.UpdateAfter, true
	if old {
		o.ops[row-1], o.present[row-1], o.time[row-1] = vec.UpdateBefore, true, o.time[row]
	}
}

func (o *result) remove(row int, old bool) {
	if old {
		o.time[row-1] = o.time[row]
		row--
	}
	o.ops[row], o.present[row] = vec.Delete, true
}

// values computes keys, window and aggregates of groups into rows.
func (o *result) values(s *groupSpec, t *table.Table, start int64, groups []uint32, rows []uint16) {
	o.keyValues(s, t, start, groups, rows)
	at := len(s.keys) + s.windowCols()
	for i, c := range s.aggs {
		c.agg.Result(&s.env.Ctx, t.States(i), groups, rows, o.cols[at+i])
	}
}

func (o *result) keyValues(s *groupSpec, t *table.Table, start int64, groups []uint32, rows []uint16) {
	nk := len(s.keys)
	if nk > 0 {
		t.KeyColumns(groups, rows, o.cols[:nk])
	}
	if s.window != nil {
		for _, r := range rows {
			o.cols[nk].Ints[r], o.cols[nk+1].Ints[r] = start, start+s.window.Size
		}
	}
}

// setOld computes the results of groups, before they change, for the cells at.
func (o *result) setOld(a *aggregate, p *pane, groups []uint32, at []uint16) {
	rows := o.rows[:len(groups)]
	for k := range rows {
		rows[k] = at[k] * 2
	}
	o.values(&a.groupSpec, p.tab, p.start, groups, rows)
}

// emit hands on the rows that are present.
func (o *result) emit(out Output) error {
	n := o.batch.N
	o.sel = o.sel[:0]
	for i, p := range o.present[:n] {
		if p {
			o.sel = append(o.sel, uint16(i))
		}
	}
	if len(o.sel) == 0 {
		return nil
	}
	o.batch = vec.Batch{N: n, Cols: o.cols, Ops: o.ops[:n], Time: o.time[:n]}
	if len(o.sel) < n {
		o.batch.Sel = o.sel
	}
	if o.headed {
		o.batch.Headers = &o.headers
	}
	return out(&o.batch)
}

// roundBuffers are the scratch of one operator.
type roundBuffers struct {
	found lookup
	key   []byte
	state []byte
}

// lookup is the cells of one pane with their groups.
type lookup struct {
	groups []uint32
	rows   []uint16
	at     []uint16 // cell of each

	marks     []uint64 // by group: sequence number of the lookup, and its round
	seq       uint64
	numRounds int
	roundOf   []uint16
	quiet     []bool
	anyQuiet  bool
	ends      []int // of the rounds in order
	order     []uint16

	roundGroups []uint32
	roundRows   []uint16
	// out* are the changes of the round: views of the above, or own*.
	outGroups, ownGroups []uint32
	outRows, ownRows     []uint16
	outAt, ownAt         []uint16
}

// lookup finds the groups of a pane's cells.
func (s *roundBuffers) lookup(p *pane, cells []cell, keys []*vec.Vec) *lookup {
	x := &s.found
	x.rows = x.rows[:0]
	for _, i := range p.cells {
		x.rows = append(x.rows, cells[i].row)
	}
	x.at = append(x.at[:0], p.cells...)
	x.groups = sized(x.groups, len(x.rows))
	p.tab.Groups(keys, x.rows, x.groups)
	return x
}

// rounds deals the cells out to rounds, each with at most one change of a group,
// in order. The two rows of an update that stays in its group are one change:
// the first is quiet.
func (x *lookup) rounds(overTable bool, b *vec.Batch) {
	x.seq++
	n := len(x.groups)
	x.roundOf = sized(x.roundOf, n)
	x.numRounds, x.anyQuiet = 0, false
	pairs := overTable && b.Ops != nil
	if pairs {
		x.quiet = sized(x.quiet, n)
	}
	for k, g := range x.groups {
		if int(g) >= len(x.marks) {
			x.marks = append(x.marks, make([]uint64, int(g)+1-len(x.marks)+len(x.marks)/2)...)
		}
		round := uint16(0)
		if m := x.marks[g]; m>>16 == x.seq {
			round = uint16(m)
		}
		x.roundOf[k] = round
		x.numRounds = max(x.numRounds, int(round)+1)
		if pairs {
			x.quiet[k] = b.Ops[x.rows[k]] == vec.UpdateBefore && k+1 < n && x.groups[k+1] == g && b.Ops[x.rows[k+1]] == vec.UpdateAfter
			if x.quiet[k] {
				x.anyQuiet = true
				x.marks[g] = x.seq<<16 | uint64(round)
				continue
			}
		}
		x.marks[g] = x.seq<<16 | uint64(round+1)
	}
	if x.numRounds <= 1 {
		return
	}
	x.ends = append(x.ends[:0], make([]int, x.numRounds+1)...)
	for _, r := range x.roundOf[:n] {
		x.ends[r+1]++
	}
	for r := range x.numRounds {
		x.ends[r+1] += x.ends[r]
	}
	x.order = sized(x.order, n)
	for k, r := range x.roundOf[:n] {
		x.order[x.ends[r]] = uint16(k)
		x.ends[r]++
	}
}

// round returns the rows of a round and sets out to the changes among them.
func (x *lookup) round(r int) (groups []uint32, rows []uint16) {
	if x.numRounds == 1 && !x.anyQuiet {
		x.outGroups, x.outRows, x.outAt = x.groups, x.rows, x.at
		return x.groups, x.rows
	}
	x.roundGroups, x.roundRows = x.roundGroups[:0], x.roundRows[:0]
	if x.numRounds == 1 {
		x.order = append(x.order[:0], vec.Identity(len(x.groups))...)
		x.ends = append(x.ends[:0], len(x.groups))
	}
	x.ownGroups, x.ownRows, x.ownAt = x.ownGroups[:0], x.ownRows[:0], x.ownAt[:0]
	from := 0
	if r > 0 {
		from = x.ends[r-1]
	}
	for _, k := range x.order[from:x.ends[r]] {
		x.roundGroups = append(x.roundGroups, x.groups[k])
		x.roundRows = append(x.roundRows, x.rows[k])
		if !x.anyQuiet || !x.quiet[k] {
			x.ownGroups = append(x.ownGroups, x.groups[k])
			x.ownRows = append(x.ownRows, x.rows[k])
			x.ownAt = append(x.ownAt, x.at[k])
		}
	}
	x.outGroups, x.outRows, x.outAt = x.ownGroups, x.ownRows, x.ownAt
	return x.roundGroups, x.roundRows
}
