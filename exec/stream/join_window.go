package stream

import (
	"cmp"
	"container/heap"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/weirdb/weir/exec/table"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
	"github.com/weirdb/weir/storage"
)

// defaultRetention is how long a stream-stream join without GRACE keeps rows, in
// ms (JoinWindows.DEPRECATED_DEFAULT_24_HR_GRACE_PERIOD of Kafka Streams).
const defaultRetention = 24 * 60 * 60 * 1000

// windowJoin joins two streams: rows of equal keys whose times are at most so
// far apart. Both sides are kept as long as a partner may come. The rules of
// lateness are those of KStreamKStreamJoin in Kafka Streams.
type windowJoin struct {
	env    *Env
	within plan.Within
	keep   int64 // how far behind its side's time a row is kept
	sides  [2]*joinSide
	outer  [2]bool // unmatched rows of the side are put out
	hold   bool    // ... only when no partner can come any more (GRACE)
	held   heldHeap
	now    int64 // largest time of both sides
	nl     int
	on     *Expr
	probe  *changes // one combined row, to ask on for
	res    *changes
	hits   []hit
}

// joinSide is what is kept of one input.
type joinSide struct {
	op       uint16
	keys     *joinKeys
	types    []vec.Type
	reach    [2]int64 // a partner of time t lies in [t-reach[0], t+reach[1]]
	now      int64    // largest time of this side
	saved    int64
	seq      uint64 // of the next row
	width    int64  // of a bucket, ms
	buckets  map[int64]*bucket
	order    []*bucket // by start
	dropped  []*bucket
	key, row []byte
}

// bucket holds the rows of a stretch of time; it is dropped whole.
type bucket struct {
	start int64
	space storage.Space
	tab   *table.Table // key to the last of its rows
	rows  []keptRow
	arena []byte
	isNew bool
	saved int   // rows saved so far
	dirty []int // rows below saved that changed
}

// Words of a key in a bucket.
const wordLast = 0 // row + 1

// keptRow is one row in a bucket.
type keptRow struct {
	time   int64
	seq    uint64
	off    uint64 // in the arena
	length uint32
	prev   uint32 // row + 1 of the same key, 0: none
	group  uint32
	held   bool // unmatched so far, to be put out when its time is over
}

// hit is a partner.
type hit struct {
	b   *bucket
	row int
}

// heldRow is a row that may have to be put out unmatched.
type heldRow struct {
	due  int64 // put out when the stream time is beyond
	time int64
	seq  uint64
	side uint8
	at   int64 // bucket
	row  int
}

type heldHeap []heldRow

func (h heldHeap) Len() int { return len(h) }
func (h heldHeap) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(h[i].due, h[j].due), cmp.Compare(h[i].time, h[j].time), cmp.Compare(h[i].side, h[j].side), cmp.Compare(h[i].seq, h[j].seq)) < 0
}
func (h heldHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *heldHeap) Push(x any)   { *h = append(*h, x.(heldRow)) }
func (h *heldHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

func newWindowJoin(n *plan.Join, c *Chain, out Output) (operator, error) {
	j := &windowJoin{env: c.env, within: n.Within, now: noTime, nl: len(n.L.Columns()), hold: n.Within.Grace >= 0}
	span := n.Within.Before + n.Within.After
	j.keep = max(span, defaultRetention)
	if j.hold {
		j.keep = span + n.Within.Grace
	}
	j.outer = [2]bool{n.Kind == plan.LeftJoin || n.Kind == plan.FullJoin, n.Kind == plan.RightJoin || n.Kind == plan.FullJoin}
	types := columnTypes(n)
	j.res = newChanges(types, out)
	if n.On != nil {
		var err error
		if j.on, err = c.env.Expr(n.On); err != nil {
			return nil, err
		}
		j.probe = newChanges(types, nil)
	}
	for i, in := range []plan.Node{n.L, n.R} {
		exprs, reach := n.LKeys, [2]int64{n.Within.Before, n.Within.After}
		if i == 1 {
			exprs, reach = n.RKeys, [2]int64{n.Within.After, n.Within.Before}
		}
		keys, err := newJoinKeys(exprs, c.env)
		if err != nil {
			return nil, err
		}
		j.sides[i] = &joinSide{
			op: c.operatorID(), keys: keys, types: columnTypes(in), reach: reach, now: noTime, saved: noTime,
			// A look at partners meets few buckets, and few are alive.
			width: max(span, j.keep/1024, 1), buckets: map[int64]*bucket{},
		}
	}
	return j, nil
}

func (j *windowJoin) process(side int, b *vec.Batch) error {
	s := j.sides[side]
	if err := s.keys.eval(b); err != nil {
		return err
	}
	for _, r := range b.Selected() {
		if op := b.Op(int(r)); op == vec.Delete || op == vec.UpdateBefore || s.keys.null(int(r)) {
			continue // a NULL key or value joins nothing
		}
		if err := j.take(side, b, int(r)); err != nil {
			return err
		}
	}
	j.expire()
	return j.res.emit()
}

// take joins one row and keeps it.
func (j *windowJoin) take(side int, b *vec.Batch, r int) error {
	s, o := j.sides[side], j.sides[1-side]
	t := b.Time[r]
	s.now, j.now = max(s.now, t), max(j.now, t)
	if err := j.release(); err != nil {
		return err
	}
	s.key = vec.AppendKey(s.key[:0], s.keys.cols, r)
	j.find(o, s.key, t-s.reach[0], t+s.reach[1])
	matched := false
	for _, h := range j.hits {
		ok, err := j.match(side, b, r, h)
		if err != nil {
			return err
		}
		matched = matched || ok
	}
	held := false
	if j.outer[side] && !matched {
		if j.hold && t+s.reach[1] >= j.now {
			held = true
		} else if err := j.single(side, t, b, r, nil, 0); err != nil {
			return err
		}
	}
	if t <= s.now-j.keep {
		return nil // no partner would look for it
	}
	i, bk := s.add(j.env.Task, t, b, r)
	if held {
		bk.rows[i].held = true
		j.await(side, bk, i)
	}
	return nil
}

// await notes a held row's time.
func (j *windowJoin) await(side int, bk *bucket, i int) {
	row := &bk.rows[i]
	heap.Push(&j.held, heldRow{
		due: row.time + j.sides[side].reach[1] + j.within.Grace, time: row.time, seq: row.seq, side: uint8(side), at: bk.start, row: i,
	})
}

// find collects the rows of side o with that key and a time in [lo, hi], oldest
// first.
func (j *windowJoin) find(o *joinSide, key []byte, lo, hi int64) {
	j.hits = j.hits[:0]
	if o.now != noTime {
		lo = max(lo, o.now-j.keep+1)
	}
	for _, bk := range o.order {
		if bk.start+o.width <= lo || bk.start > hi {
			continue
		}
		g, err := bk.tab.Lookup(key)
		if err != nil || g == table.None {
			continue // keys of both sides have the same types: no error
		}
		for i := bk.tab.Words(g)[wordLast]; i != 0; i = int64(bk.rows[i-1].prev) {
			if t := bk.rows[i-1].time; t >= lo && t <= hi {
				j.hits = append(j.hits, hit{bk, int(i - 1)})
			}
		}
	}
	if len(j.hits) > 1 {
		slices.SortFunc(j.hits, func(x, y hit) int {
			a, b := &x.b.rows[x.row], &y.b.rows[y.row]
			return cmp.Or(cmp.Compare(a.time, b.time), cmp.Compare(a.seq, b.seq))
		})
	}
}

// match emits the row joined with a partner, if the condition holds.
func (j *windowJoin) match(side int, b *vec.Batch, r int, h hit) (bool, error) {
	partner := &h.b.rows[h.row]
	time := max(b.Time[r], partner.time)
	if j.on != nil {
		j.probe.begin()
		j.fill(j.probe, side, j.probe.add(vec.Insert, time, nil, 0), b, r, h)
		kept, err := j.on.choose(&j.probe.batch)
		if err != nil || len(kept) == 0 {
			return false, err
		}
	}
	if partner.held {
		partner.held = false
		if h.row < h.b.saved {
			h.b.dirty = append(h.b.dirty, h.row)
		}
	}
	if err := j.res.room(1); err != nil {
		return false, err
	}
	j.fill(j.res, side, j.res.add(vec.Insert, time, b, r), b, r, h)
	return true, nil
}

// fill writes row r of b, on that side, and its partner to row i.
func (j *windowJoin) fill(c *changes, side int, i int, b *vec.Batch, r int, h hit) {
	cols := [2][]*vec.Vec{c.batch.Cols[:j.nl], c.batch.Cols[j.nl:]}
	copyRow(cols[side], i, b.Cols, r)
	h.b.get(h.row, cols[1-side], i)
}

// single emits a row without partner: row r of b, or row i of a bucket.
func (j *windowJoin) single(side int, t int64, b *vec.Batch, r int, bk *bucket, i int) error {
	if err := j.res.room(1); err != nil {
		return err
	}
	at := j.res.add(vec.Insert, t, b, r)
	cols := [2][]*vec.Vec{j.res.batch.Cols[:j.nl], j.res.batch.Cols[j.nl:]}
	if bk == nil {
		copyRow(cols[side], at, b.Cols, r)
	} else {
		bk.get(i, cols[side], at)
	}
	nullRow(cols[1-side], at)
	return nil
}

// release puts out the held rows for which no partner can come any more.
func (j *windowJoin) release() error {
	for len(j.held) > 0 && j.held[0].due < j.now {
		h := heap.Pop(&j.held).(heldRow)
		bk := j.sides[h.side].buckets[h.at]
		if bk == nil || !bk.rows[h.row].held {
			continue // it was matched
		}
		bk.rows[h.row].held = false
		if h.row < bk.saved {
			bk.dirty = append(bk.dirty, h.row)
		}
		if err := j.single(int(h.side), h.time, nil, 0, bk, h.row); err != nil {
			return err
		}
	}
	return nil
}

// expire drops what no partner can reach any more.
func (j *windowJoin) expire() {
	for _, s := range j.sides {
		if s.now == noTime {
			continue
		}
		n := 0
		for n < len(s.order) && s.order[n].start+s.width <= s.now-j.keep && !s.order[n].holds(j, s) {
			bk := s.order[n]
			delete(s.buckets, bk.start)
			if !bk.isNew {
				s.dropped = append(s.dropped, bk)
			}
			n++
		}
		s.order = slices.Delete(s.order, 0, n)
	}
}

// holds tells whether the bucket has rows that may still be put out.
func (bk *bucket) holds(j *windowJoin, s *joinSide) bool {
	return j.hold && bk.start+s.width+s.reach[1]+j.within.Grace >= j.now
}

// add keeps row r of b.
func (s *joinSide) add(task storage.TaskID, t int64, b *vec.Batch, r int) (int, *bucket) {
	bk := s.bucket(task, floor(t, s.width))
	s.row = vec.AppendRow(s.row[:0], b.Cols, r)
	i := bk.add(s.key, s.row, t, s.seq)
	s.seq++
	return i, bk
}

func (s *joinSide) bucket(task storage.TaskID, start int64) *bucket {
	bk := s.buckets[start]
	if bk != nil {
		return bk
	}
	bk = &bucket{start: start, space: storage.PaneSpace(task, s.op, start), isNew: true}
	bk.tab = table.New(table.Config{Keys: s.keys.types, Words: 1})
	s.buckets[start] = bk
	i, _ := slices.BinarySearchFunc(s.order, start, func(b *bucket, t int64) int { return cmp.Compare(b.start, t) })
	s.order = slices.Insert(s.order, i, bk)
	return bk
}

func (bk *bucket) add(key, row []byte, t int64, seq uint64) int {
	g, err := bk.tab.Group(key)
	if err != nil {
		panic("stream: broken join key: " + err.Error()) // AppendKey made it
	}
	w := bk.tab.Words(g)
	bk.rows = append(bk.rows, keptRow{time: t, seq: seq, off: uint64(len(bk.arena)), length: uint32(len(row)), prev: uint32(w[wordLast]), group: g})
	bk.arena = append(bk.arena, row...)
	w[wordLast] = int64(len(bk.rows))
	return len(bk.rows) - 1
}

func (bk *bucket) bytesOf(i int) []byte {
	r := &bk.rows[i]
	return bk.arena[r.off : r.off+uint64(r.length)]
}

func (bk *bucket) get(i int, cols []*vec.Vec, at int) {
	b := bk.bytesOf(i)
	for _, c := range cols {
		rest, err := c.SetCol(at, b)
		if err != nil {
			panic("stream: broken row in state: " + err.Error()) // load has checked it
		}
		b = rest
	}
}

func (j *windowJoin) flush() error { return nil }

func (j *windowJoin) save(m *storage.Mutations) {
	for _, s := range j.sides {
		base := storage.OperatorSpaces(j.env.Task, s.op)
		for _, bk := range s.dropped {
			m.DropSpace(bk.space)
			m.Delete(base, paneRow(bk.start))
		}
		s.dropped = s.dropped[:0]
		if s.now != s.saved {
			m.Set(base, rowTime, binary.LittleEndian.AppendUint64(nil, uint64(s.now)))
			s.saved = s.now
		}
		for _, bk := range s.order {
			if bk.isNew {
				bk.isNew = false
				m.Set(base, paneRow(bk.start), nil)
			}
			for _, i := range bk.dirty {
				s.saveRow(m, bk, i)
			}
			bk.dirty = bk.dirty[:0]
			for ; bk.saved < len(bk.rows); bk.saved++ {
				s.saveRow(m, bk, bk.saved)
			}
		}
	}
}

// A row of a bucket's space: sequence number to time, flag, key and columns.
func (s *joinSide) saveRow(m *storage.Mutations, bk *bucket, i int) {
	r := &bk.rows[i]
	var key [8]byte
	binary.BigEndian.PutUint64(key[:], r.seq)
	s.row = binary.AppendVarint(s.row[:0], r.time)
	flag := byte(0)
	if r.held {
		flag = 1
	}
	s.row = append(s.row, flag)
	s.key = bk.tab.AppendKey(s.key[:0], r.group)
	s.row = binary.AppendUvarint(s.row, uint64(len(s.key)))
	s.row = append(s.row, s.key...)
	s.row = append(s.row, bk.bytesOf(i)...)
	m.Set(bk.space, key[:], s.row)
}

func (j *windowJoin) load(r Reader) error {
	for i, s := range j.sides {
		var starts []int64
		var bad error
		err := r.Scan(storage.OperatorSpaces(j.env.Task, s.op), nil, nil, func(key, value []byte) bool {
			switch {
			case string(key) == string(rowTime) && len(value) == 8:
				s.now = int64(binary.LittleEndian.Uint64(value))
				s.saved = s.now
			case len(key) == 9 && key[0] == rowPane:
				starts = append(starts, int64(binary.BigEndian.Uint64(key[1:])^1<<63))
			default:
				bad = fmt.Errorf("stream: state row %x of a join", key)
			}
			return bad == nil
		})
		if err == nil {
			err = bad
		}
		if err != nil {
			return err
		}
		j.now = max(j.now, s.now)
		for _, start := range starts {
			bk := s.bucket(j.env.Task, start)
			bk.isNew = false
			if err := j.loadBucket(r, i, bk); err != nil {
				return err
			}
		}
	}
	return nil
}

func (j *windowJoin) loadBucket(r Reader, side int, bk *bucket) error {
	s := j.sides[side]
	var bad error
	err := r.Scan(bk.space, nil, nil, func(key, value []byte) bool {
		bad = s.loadRow(bk, key, value)
		return bad == nil
	})
	if err == nil {
		err = bad
	}
	bk.saved = len(bk.rows)
	for i := range bk.rows {
		if bk.rows[i].held {
			j.await(side, bk, i)
		}
	}
	return err
}

func (s *joinSide) loadRow(bk *bucket, key, value []byte) error {
	broken := fmt.Errorf("stream: row %x of a join's state is broken", key)
	if len(key) != 8 {
		return broken
	}
	seq := binary.BigEndian.Uint64(key)
	t, n := binary.Varint(value)
	if n <= 0 || len(value) < n+1 {
		return broken
	}
	held := value[n] == 1
	value = value[n+1:]
	l, n := binary.Uvarint(value)
	if n <= 0 || l > uint64(len(value)-n) || len(value) > math.MaxUint32 {
		return broken
	}
	k, row := value[n:n+int(l)], value[n+int(l):]
	if _, err := bk.tab.Group(k); err != nil {
		return err
	}
	rest := row
	for _, typ := range s.types {
		var err error
		if rest, err = vec.SkipCol(typ, rest); err != nil {
			return err
		}
	}
	i := bk.add(k, row, t, seq)
	bk.rows[i].held = held
	s.seq = max(s.seq, seq+1)
	return nil
}

func (j *windowJoin) bytes() (n int64) {
	for _, s := range j.sides {
		for _, bk := range s.order {
			n += bk.tab.Bytes() + int64(cap(bk.arena)) + int64(cap(bk.rows))*48
		}
	}
	return n + int64(cap(j.held))*48
}
