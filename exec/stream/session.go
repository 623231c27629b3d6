package stream

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/weirdb/weir/exec/table"
	"github.com/weirdb/weir/internal/fn"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/storage"
)

// Words of a session, after those of every group.
const (
	wordEnd   = numWords + iota
	wordQueue // number of its entry in the queue of ends
	numSessionWords
)

// session groups rows in sessions: windows that grow as long as records of the
// key come within a gap of each other, and merge when a record closes the gap
// between two.
type session struct {
	groupSpec
	final bool
	space storage.Space
	tab   *table.Table // by keys and start
	index *table.Table // by keys: the sessions, as a list of spans
	lists *fn.States
	now   int64
	saved int64
	queue []ending // a heap
	seq   int64
	empty []uint32 // index groups that have become empty

	out      Output
	res      result
	startCol *vec.Vec
	tabKeys  []*vec.Vec
	groups   []uint32
	spans    []span
	hits     []span
	list     []byte
	key      []byte
	state    []byte
	one      single // being added
	shown    single // being written
}

// single is the arguments of a call for one row.
type single struct {
	groups [1]uint32
	rows   [1]uint16
}

// span is a session: its bounds, both inclusive, and its group.
type span struct {
	start, end int64
	group      uint32
}

const spanLen = 20

// ending says when to look whether a session has closed.
type ending struct {
	end   int64 // as of when it was queued
	seq   int64
	group uint32
}

func newSession(s *groupSpec, final bool, out Output) *session {
	a := &session{groupSpec: *s, final: final, out: out, now: noTime, saved: noTime}
	a.space = storage.PaneSpace(s.env.Task, s.op, 0)
	c := a.tableConfig(numSessionWords)
	c.Keys = append(append([]vec.Type{}, c.Keys...), vec.Of(vec.Int64))
	a.tab = table.New(c)
	a.index = table.New(table.Config{Keys: s.keyTypes, Aggs: []fn.Aggregator{rowBytes{}}})
	a.lists = a.index.States(0)
	a.startCol = vec.New(vec.Of(vec.Int64))
	a.res.init(s.cols)
	return a
}

func (a *session) process(_ int, b *vec.Batch) error {
	rows, err := a.prepare(b)
	if err != nil || len(rows) == 0 {
		return err
	}
	a.tabKeys = append(append(a.tabKeys[:0], a.keyCols...), a.startCol)
	a.startCol.Reset(a.startCol.Type, b.N)
	a.groups = sized(a.groups, len(rows))
	a.index.Groups(a.keyCols, rows, a.groups)
	a.res.begin(vec.MaxRows, b)
	n := 0
	for k, r := range rows {
		a.now = max(a.now, b.Time[r])
		found := a.find(a.groups[k], b.Time[r])
		// Every session that is met may give a tombstone, or an old and a new row.
		if n+len(found)+2 > vec.MaxRows {
			if err := a.emit(n); err != nil {
				return err
			}
			a.res.begin(vec.MaxRows, b)
			n = 0
		}
		if len(found)+2 > vec.MaxRows {
			return fmt.Errorf("stream: a record merges %d sessions, the limit is %d", len(found), vec.MaxRows-2)
		}
		n = a.add(b, int(r), a.groups[k], found, n)
	}
	if err := a.emit(n); err != nil {
		return err
	}
	return a.close()
}

func (a *session) emit(n int) error {
	if n == 0 {
		return nil
	}
	a.res.batch.N = n
	return a.res.emit(a.out)
}

// find returns the sessions of a key that a record at t belongs to, by start.
func (a *session) find(g uint32, t int64) []span {
	a.readList(g)
	a.hits = a.hits[:0]
	gap := a.window.Size
	for _, s := range a.spans {
		if s.end >= t-gap && s.start <= t+gap && !a.over(s.end) {
			a.hits = append(a.hits, s)
		}
	}
	return a.hits
}

func (a *session) readList(g uint32) {
	a.spans = a.spans[:0]
	le := binary.LittleEndian
	for l := a.lists.Get(g); len(l) >= spanLen; l = l[spanLen:] {
		a.spans = append(a.spans, span{int64(le.Uint64(l)), int64(le.Uint64(l[8:])), le.Uint32(l[16:])})
	}
}

func (a *session) writeList(g uint32) {
	a.list = a.list[:0]
	le := binary.LittleEndian
	for _, s := range a.spans {
		a.list = le.AppendUint64(a.list, uint64(s.start))
		a.list = le.AppendUint64(a.list, uint64(s.end))
		a.list = le.AppendUint32(a.list, s.group)
	}
	a.lists.Set(g, a.list)
	if len(a.spans) == 0 {
		a.empty = append(a.empty, g)
	}
}

// closed tells whether a session that ends at end takes no more records.
func (a *session) closed(end int64) bool {
	return a.now != noTime && end < a.now-a.window.Size-a.window.Grace
}

// over tells whether a session that ends at end has come to its end for good. A
// record may still extend a closed session if it is itself not late, as in Kafka
// Streams, unless the session was put out as final.
func (a *session) over(end int64) bool {
	if a.final {
		return a.closed(end)
	}
	return a.closed(end + a.window.Size)
}

// add puts row r into a session, merging those that it meets, and writes what
// changes to the output from row n on. It returns the next free row.
func (a *session) add(b *vec.Batch, r int, g uint32, found []span, n int) int {
	t := b.Time[r]
	to := span{start: t, end: t}
	for _, s := range found {
		to.start, to.end = min(to.start, s.start), max(to.end, s.end)
	}
	if a.closed(to.end) {
		if a.env.Report != nil {
			a.env.Report(b, r, ErrLate)
		}
		return n
	}
	grown := len(found) != 1 || found[0].start != to.start || found[0].end != to.end
	if grown && !a.final {
		for _, s := range found {
			n = a.tombstone(b, r, s, n)
		}
	}
	if !grown && a.old && !a.final {
		a.write(n, to.start, to.end, found[0].group)
		a.res.time[n], a.res.ops[n], a.res.present[n] = to.end, vec.UpdateBefore, true
		a.res.header(n, b, r)
		n++
	}
	to.group = a.merge(r, g, to, found)
	a.one.groups[0], a.one.rows[0] = to.group, uint16(r)
	for i, c := range a.aggs {
		c.add(0, a.tab.States(i), a.tabKeys, a.one.groups[:], a.one.rows[:], nil)
	}
	w := a.tab.Words(to.group)
	w[wordTime], w[wordEnd] = to.end, to.end
	w[wordCount] += 2
	if a.final {
		return n
	}
	a.write(n, to.start, to.end, to.group)
	a.res.time[n], a.res.ops[n], a.res.present[n] = to.end, vec.Insert, true
	if !grown {
		a.res.ops[n] = vec.UpdateAfter
	}
	a.res.header(n, b, r)
	return n + 1
}

// tombstone takes back the result of a session whose bounds change.
func (a *session) tombstone(b *vec.Batch, r int, s span, n int) int {
	a.write(n, s.start, s.end, s.group)
	a.res.time[n], a.res.ops[n], a.res.present[n] = s.end, vec.Delete, true
	a.res.header(n, b, r)
	return n + 1
}

// merge makes the session to out of those found and returns its group.
func (a *session) merge(r int, g uint32, to span, found []span) uint32 {
	if len(found) > 0 && found[0].start == to.start {
		to.group = found[0].group
		found = found[1:]
	} else {
		a.startCol.Ints[r] = to.start
		a.one.rows[0] = uint16(r)
		a.tab.Groups(a.tabKeys, a.one.rows[:], a.one.groups[:])
		to.group = a.one.groups[0]
		a.enqueue(to)
	}
	a.one.groups[0] = to.group
	a.tab.Touch(a.one.groups[:])
	for _, s := range found {
		for i, c := range a.aggs {
			c.agg.Merge(&a.env.Ctx, a.tab.States(i), to.group, s.group)
		}
		a.tab.Words(to.group)[wordCount] += a.tab.Words(s.group)[wordCount]
		a.drop(s)
	}
	a.spans = a.relist(to)
	a.writeList(g)
	return to.group
}

// relist returns the key's sessions with to in the place of those it took in.
func (a *session) relist(to span) []span {
	out := slices.DeleteFunc(a.spans, func(s span) bool { return s.start <= to.end && s.end >= to.start })
	i, _ := slices.BinarySearchFunc(out, to.start, func(s span, t int64) int { return cmp.Compare(s.start, t) })
	return slices.Insert(out, i, to)
}

// drop removes a session from the table.
func (a *session) drop(s span) {
	a.one.groups[0] = s.group
	a.tab.Touch(a.one.groups[:])
	a.tab.Delete(s.group)
}

// write computes a session's row of the output.
func (a *session) write(n int, start, end int64, g uint32) {
	nk := len(a.keys)
	groups, rows := &a.shown.groups, &a.shown.rows
	groups[0], rows[0] = g, uint16(n)
	if nk > 0 {
		a.tab.KeyColumns(groups[:], rows[:], a.res.cols[:nk])
	}
	a.res.cols[nk].Ints[n], a.res.cols[nk+1].Ints[n] = start, end
	for i, c := range a.aggs {
		c.agg.Result(&a.env.Ctx, a.tab.States(i), groups[:], rows[:], a.res.cols[nk+2+i])
	}
}

// close drops the sessions that are over; EMIT FINAL puts them out.
func (a *session) close() error {
	var gone []uint32
	for len(a.queue) > 0 && a.over(a.queue[0].end) {
		e := a.dequeue()
		if !a.tab.Alive(e.group) || a.tab.Words(e.group)[wordQueue] != e.seq {
			continue
		}
		if end := a.tab.Words(e.group)[wordEnd]; !a.over(end) {
			a.enqueue(span{end: end, group: e.group})
			continue
		}
		gone = append(gone, e.group)
	}
	if len(gone) == 0 {
		return nil
	}
	if a.final {
		if err := a.emitFinal(gone); err != nil {
			return err
		}
	}
	for _, g := range gone {
		a.forget(g)
	}
	return nil
}

// emitFinal puts out sessions that have closed, by start, then key.
func (a *session) emitFinal(over []uint32) error {
	nk := len(a.keys)
	n := len(over)
	cols := make([]*vec.Vec, nk+1)
	rows := make([]uint16, 1)
	one := make([]*vec.Vec, nk+1)
	for i := range cols {
		t := vec.Of(vec.Int64)
		if i < nk {
			t = a.keyTypes[i]
		}
		cols[i], one[i] = vec.New(t), vec.New(t)
	}
	order := make([]int, n)
	for k, g := range over {
		order[k] = k
		for _, c := range one {
			c.Reset(c.Type, 1)
		}
		a.tab.KeyColumns([]uint32{g}, rows, one)
		for i, c := range cols {
			c.AppendRow(one[i], 0)
		}
	}
	slices.SortStableFunc(order, func(x, y int) int {
		if d := cmp.Compare(cols[nk].Ints[x], cols[nk].Ints[y]); d != 0 {
			return d
		}
		for _, c := range cols[:nk] {
			if d := vec.CompareRows(c, x, c, y); d != 0 {
				return d
			}
		}
		return 0
	})
	for len(order) > 0 {
		k := min(len(order), vec.MaxRows)
		a.res.begin(k, nil)
		for i, o := range order[:k] {
			g := over[o]
			w := a.tab.Words(g)
			a.write(i, cols[nk].Ints[o], w[wordEnd], g)
			a.res.time[i] = w[wordTime]
			a.res.insert(i, false)
		}
		if err := a.res.emit(a.out); err != nil {
			return err
		}
		order = order[k:]
	}
	return nil
}

// forget removes a closed session.
func (a *session) forget(g uint32) {
	a.key = a.tab.AppendKey(a.key[:0], g)
	ig, err := a.index.Lookup(a.key[:a.keyLen(a.key)])
	if err == nil && ig != table.None {
		a.readList(ig)
		a.spans = slices.DeleteFunc(a.spans, func(s span) bool { return s.group == g })
		a.writeList(ig)
	}
	a.drop(span{group: g})
}

// keyLen is the length of the group keys at the front of a session's key.
func (a *session) keyLen(key []byte) int {
	rest := key
	for _, t := range a.keyTypes {
		var err error
		if rest, err = vec.SkipCol(t, rest); err != nil {
			panic("stream: broken session key: " + err.Error()) // AppendKey made it
		}
	}
	return len(key) - len(rest)
}

// enqueue gives a session its entry in the queue of ends.
func (a *session) enqueue(s span) {
	a.seq++
	a.tab.Words(s.group)[wordQueue] = a.seq
	q := append(a.queue, ending{s.end, a.seq, s.group})
	i := len(q) - 1
	for i > 0 {
		p := (i - 1) / 2
		if q[p].end <= q[i].end {
			break
		}
		q[p], q[i] = q[i], q[p]
		i = p
	}
	a.queue = q
}

func (a *session) dequeue() ending {
	q := a.queue
	top := q[0]
	last := len(q) - 1
	q[0] = q[last]
	q = q[:last]
	for i := 0; ; {
		c := 2*i + 1
		if c >= last {
			break
		}
		if c+1 < last && q[c+1].end < q[c].end {
			c++
		}
		if q[i].end <= q[c].end {
			break
		}
		q[i], q[c] = q[c], q[i]
		i = c
	}
	a.queue = q
	return top
}

func (a *session) flush() error { return nil }

func (a *session) save(m *storage.Mutations) {
	if a.now != a.saved {
		a.state = binary.LittleEndian.AppendUint64(a.state[:0], uint64(a.now))
		m.Set(a.base, rowTime, a.state)
		a.saved = a.now
	}
	for _, g := range a.tab.Dirty() {
		a.key = a.tab.AppendKey(a.key[:0], g)
		if !a.tab.Alive(g) {
			m.Delete(a.space, a.key)
			continue
		}
		a.state = a.tab.AppendState(a.state[:0], g)
		m.Set(a.space, a.key, a.state)
	}
	a.tab.Settle()
	for _, g := range a.empty {
		if len(a.lists.Get(g)) == 0 {
			a.index.Delete(g)
		}
	}
	a.empty = a.empty[:0]
	a.index.Settle()
}

func (a *session) load(r Reader) error {
	err := r.Scan(a.base, nil, nil, func(key, value []byte) bool {
		if string(key) == string(rowTime) && len(value) == 8 {
			a.now = int64(binary.LittleEndian.Uint64(value))
			a.saved = a.now
		}
		return true
	})
	if err != nil {
		return err
	}
	if err := loadTable(r, a.space, a.tab); err != nil {
		return err
	}
	start := vec.New(vec.Of(vec.Int64))
	cols := make([]*vec.Vec, len(a.keyTypes)+1)
	for i, t := range a.keyTypes {
		cols[i] = vec.New(t)
	}
	cols[len(a.keyTypes)] = start
	for g := range a.tab.All() {
		for _, c := range cols {
			c.Reset(c.Type, 1)
		}
		a.tab.KeyColumns([]uint32{g}, []uint16{0}, cols)
		a.key = a.tab.AppendKey(a.key[:0], g)
		ig, err := a.index.Group(a.key[:a.keyLen(a.key)])
		if err != nil {
			return err
		}
		s := span{start.Ints[0], a.tab.Words(g)[wordEnd], g}
		a.readList(ig)
		a.spans = a.relist(s)
		a.writeList(ig)
		a.enqueue(s)
	}
	a.empty = a.empty[:0]
	return nil
}

func (a *session) bytes() int64 {
	return a.tab.Bytes() + a.index.Bytes() + int64(cap(a.queue))*24
}
