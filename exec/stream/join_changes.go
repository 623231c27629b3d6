package stream

import (
	"github.com/weirdb/weir/exec/table"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
	"github.com/weirdb/weir/storage"
)

// changeJoin joins any two inputs whose rows come and go, on any condition with
// or without equal keys: foreign keys, joins of streams without WITHIN, IN and
// EXISTS. Both sides are kept whole. It needs the old rows of updates.
type changeJoin struct {
	env   *Env
	kind  plan.JoinKind
	sides [2]*changeSide
	outer [2]bool // rows of the side without a match are put out, with nulls
	on    *Expr
	probe *changes
	nl    int
	res   *changes
	pairs []change // what a change of the input gave
	last  map[uint32]int
	hits  []uint32
}

// changeSide is what is kept of one input.
type changeSide struct {
	keys  *joinKeys
	types []vec.Type
	space storage.Space
	rows  *table.Table // by the row's encoding
	heads *table.Table // by join keys: the first and last of its rows

	rowCol  *vec.Vec // the encoding of the current batch's rows
	key     []byte
	state   []byte
	oneKey  [1]uint32
	oneRow  [1]uint16
	headOf  []uint32
	scratch []byte
}

// Words of a row of a side.
const (
	keptCount   = iota // how often the row is there
	keptMatches        // how many rows of the other side it matches
	keptTime
	keptNext // group + 1 in the list of its key
	keptPrev
	numKept
)

// Words of a key.
const (
	headFirst = iota // group + 1
	headLast
	numHead
)

// change is one row of output, kept back to be paired.
type change struct {
	op   vec.Op
	time int64
	row  [2]sided
	// partner is the change that this one is an update with; -1: none.
	partner int
	gone    bool // undone by a later one
}

// sided is one half of an output row: row i of a batch, or a kept row, or nulls.
type sided struct {
	b     *vec.Batch
	i     int
	group uint32
	null  bool
}

func newChangeJoin(n *plan.Join, c *Chain, out Output) (operator, error) {
	j := &changeJoin{env: c.env, kind: n.Kind, nl: len(n.L.Columns()), last: map[uint32]int{}}
	j.outer = [2]bool{n.Kind == plan.LeftJoin || n.Kind == plan.FullJoin, n.Kind == plan.RightJoin || n.Kind == plan.FullJoin}
	both := append(columnTypes(n.L), columnTypes(n.R)...)
	j.res = newChanges(columnTypes(n), out)
	if n.On != nil {
		var err error
		if j.on, err = c.env.Expr(n.On); err != nil {
			return nil, err
		}
		j.probe = newChanges(both, nil)
	}
	for i, in := range []plan.Node{n.L, n.R} {
		exprs := n.LKeys
		if i == 1 {
			exprs = n.RKeys
		}
		keys, err := newJoinKeys(exprs, c.env)
		if err != nil {
			return nil, err
		}
		j.sides[i] = &changeSide{
			keys: keys, types: columnTypes(in), space: storage.OperatorSpaces(c.env.Task, c.operatorID()), rowCol: vec.New(vec.Of(vec.Bytes)),
			rows:  table.New(table.Config{Keys: []vec.Type{vec.Of(vec.Bytes)}, Words: numKept}),
			heads: table.New(table.Config{Keys: keys.types, Words: numHead}),
		}
	}
	return j, nil
}

// combines tells whether the join puts out rows of both sides.
func (j *changeJoin) combines() bool { return j.kind != plan.SemiJoin && j.kind != plan.AntiJoin }

func (j *changeJoin) process(side int, b *vec.Batch) error {
	s := j.sides[side]
	if err := s.keys.eval(b); err != nil {
		return err
	}
	sel := b.Selected()
	s.encode(b, sel)
	for k, r := range sel {
		op := b.Op(int(r))
		if err := j.take(side, b, int(r), op.Sign()); err != nil {
			return err
		}
		if op == vec.UpdateBefore && k+1 < len(sel) {
			continue // its output goes with that of the new row
		}
		if err := j.put(side); err != nil {
			return err
		}
	}
	return j.res.emit()
}

// encode makes the column of the rows' encodings.
func (s *changeSide) encode(b *vec.Batch, sel []uint16) {
	s.rowCol.Reset(s.rowCol.Type, b.N)
	for _, r := range sel {
		at := len(s.rowCol.Data)
		s.rowCol.Data = vec.AppendRow(s.rowCol.Data, b.Cols, int(r))
		s.rowCol.Close(int(r), at)
	}
}

// take adds row r of b to its side, or takes it away.
func (j *changeJoin) take(side int, b *vec.Batch, r int, sign int64) error {
	s, o := j.sides[side], j.sides[1-side]
	g := s.find(r)
	w := s.rows.Words(g)
	if sign < 0 && w[keptCount] == 0 {
		return nil // never seen
	}
	t := b.Time[r]
	j.hits = j.hits[:0]
	matches := int64(0)
	if !s.keys.null(r) {
		if err := j.match(side, b, r, o); err != nil {
			return err
		}
	}
	own := sided{b: b, i: r}
	lone := sided{null: true}
	for _, h := range j.hits {
		hw := o.rows.Words(h)
		n := hw[keptCount]
		matches += n
		before := hw[keptMatches]
		hw[keptMatches] += sign
		after := hw[keptMatches]
		other := sided{group: h}
		o.touch(h)
		time := max(t, hw[keptTime])
		if j.combines() && sign > 0 && before == 0 && j.outer[1-side] {
			j.add(vec.Delete, time, side, lone, other, n)
		}
		if j.combines() {
			op := vec.Insert
			if sign < 0 {
				op = vec.Delete
			}
			j.add(op, time, side, own, other, n)
		} else if side == 1 && (before == 0) != (after == 0) {
			op := vec.Insert
			if (after > 0) != (j.kind == plan.SemiJoin) {
				op = vec.Delete
			}
			j.add(op, time, side, lone, other, n)
		}
		if j.combines() && sign < 0 && after == 0 && j.outer[1-side] {
			j.add(vec.Insert, time, side, lone, other, n)
		}
	}
	op := vec.Insert
	if sign < 0 {
		op = vec.Delete
	}
	visible := j.outer[side] && matches == 0
	if !j.combines() {
		visible = side == 0 && (matches > 0) == (j.kind == plan.SemiJoin)
	}
	if visible {
		j.add(op, t, side, own, lone, 1)
	}
	s.change(g, r, sign, matches, t)
	return nil
}

// match collects the rows of the other side that row r of b matches.
func (j *changeJoin) match(side int, b *vec.Batch, r int, o *changeSide) error {
	o.oneRow[0] = uint16(r)
	o.heads.Find(j.sides[side].keys.cols, o.oneRow[:], o.oneKey[:])
	if o.oneKey[0] == table.None {
		return nil
	}
	for h := o.heads.Words(o.oneKey[0])[headFirst]; h != 0; {
		g := uint32(h - 1)
		h = o.rows.Words(g)[keptNext]
		if j.on != nil {
			j.probe.begin()
			i := j.probe.add(vec.Insert, 0, nil, 0)
			cols := [2][]*vec.Vec{j.probe.batch.Cols[:j.nl], j.probe.batch.Cols[j.nl:]}
			copyRow(cols[side], i, b.Cols, r)
			o.get(g, cols[1-side], i)
			kept, err := j.on.choose(&j.probe.batch)
			if err != nil {
				return err
			}
			if len(kept) == 0 {
				continue
			}
		}
		j.hits = append(j.hits, g)
	}
	return nil
}

// add notes a change of the output: n equal rows.
func (j *changeJoin) add(op vec.Op, time int64, side int, own, other sided, n int64) {
	c := change{op: op, time: time}
	c.row[side], c.row[1-side] = own, other
	for range n {
		j.pairs = append(j.pairs, c)
	}
}

// put writes out the noted changes, which are all that one change of the side's
// input gave. What was put in and taken out again on the way is left out, and a
// delete and an insert that concern the same row of the other side are an update.
// Deletes without insert come first, so that a key which goes from one row to
// another ends with the latter.
func (j *changeJoin) put(side int) error {
	defer func() { j.pairs = j.pairs[:0] }()
	if len(j.pairs) == 1 {
		return j.emit(&j.pairs[0], nil)
	}
	clear(j.last)
	deletes, inserts := 0, 0
	for k := range j.pairs {
		c := &j.pairs[k]
		c.partner = -1
		other := c.row[1-side]
		if other.null {
			continue
		}
		i, ok := j.last[other.group]
		switch {
		case c.op == vec.Insert && ok && j.pairs[i].op == vec.Delete:
			c.partner, j.pairs[i].partner = i, k
			j.last[other.group] = k
		case c.op == vec.Delete && ok && j.pairs[i].op == vec.Insert && j.pairs[i].row == c.row:
			// The insert is undone; what it was the partner of waits for another.
			p := j.pairs[i].partner
			c.gone, j.pairs[i].gone = true, true
			delete(j.last, other.group)
			if p >= 0 {
				j.pairs[p].partner = -1
				j.last[other.group] = p
			}
		default:
			j.last[other.group] = k
		}
	}
	lone := [2]int{-1, -1}
	for k := range j.pairs {
		switch c := &j.pairs[k]; {
		case c.gone || c.partner >= 0:
		case c.op == vec.Delete:
			deletes++
			lone[0] = k
		default:
			inserts++
			lone[1] = k
		}
	}
	if deletes == 1 && inserts == 1 {
		j.pairs[lone[0]].partner, j.pairs[lone[1]].partner = lone[1], lone[0]
	}
	return j.putInOrder()
}

// putInOrder writes lone deletes, then updates, then lone inserts.
func (j *changeJoin) putInOrder() error {
	for pass := range 3 {
		for k := range j.pairs {
			c := &j.pairs[k]
			switch {
			case c.gone:
			case c.partner < 0 && (c.op == vec.Delete) == (pass == 0) && pass != 1:
				if err := j.emit(c, nil); err != nil {
					return err
				}
			case c.partner >= 0 && c.op == vec.Delete && pass == 1:
				if err := j.emit(c, &j.pairs[c.partner]); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// emit writes a change, or, with to, an update.
func (j *changeJoin) emit(c, to *change) error {
	if err := j.res.room(2); err != nil {
		return err
	}
	if to != nil {
		c.op, c.time, to.op = vec.UpdateBefore, to.time, vec.UpdateAfter
	}
	j.write(c)
	if to != nil {
		j.write(to)
	}
	return nil
}

func (j *changeJoin) write(c *change) {
	b, r := c.row[0].b, c.row[0].i
	if b == nil {
		b, r = c.row[1].b, c.row[1].i
	}
	i := j.res.add(c.op, c.time, b, r)
	cols := [2][]*vec.Vec{j.res.batch.Cols[:j.nl], j.res.batch.Cols[j.nl:]}
	for side, half := range c.row {
		switch {
		case len(cols[side]) == 0:
		case half.null:
			nullRow(cols[side], i)
		case half.b != nil:
			copyRow(cols[side], i, half.b.Cols, half.i)
		default:
			j.sides[side].get(half.group, cols[side], i)
		}
	}
}

// find returns the group of row r, made if need be.
func (s *changeSide) find(r int) uint32 {
	s.oneRow[0] = uint16(r)
	s.rows.Groups([]*vec.Vec{s.rowCol}, s.oneRow[:], s.oneKey[:])
	return s.oneKey[0]
}

func (s *changeSide) touch(g uint32) {
	s.oneKey[0] = g
	s.rows.Touch(s.oneKey[:])
}

// change counts a row in or out, and links it with the others of its key.
func (s *changeSide) change(g uint32, r int, sign, matches, time int64) {
	w := s.rows.Words(g)
	before := w[keptCount]
	w[keptCount] += sign
	if sign > 0 {
		w[keptMatches], w[keptTime] = matches, time
	}
	s.touch(g)
	if s.keys.null(r) || before != 0 && w[keptCount] != 0 {
		return
	}
	s.oneRow[0] = uint16(r)
	s.heads.Groups(s.keys.cols, s.oneRow[:], s.oneKey[:])
	h := s.oneKey[0]
	if before == 0 {
		s.link(h, g)
	} else {
		s.unlink(h, g)
	}
}

func (s *changeSide) link(h, g uint32) {
	head, w := s.heads.Words(h), s.rows.Words(g)
	w[keptPrev], w[keptNext] = head[headLast], 0
	if head[headLast] == 0 {
		head[headFirst] = int64(g) + 1
	} else {
		s.rows.Words(uint32(head[headLast] - 1))[keptNext] = int64(g) + 1
	}
	head[headLast] = int64(g) + 1
}

func (s *changeSide) unlink(h, g uint32) {
	head, w := s.heads.Words(h), s.rows.Words(g)
	if w[keptPrev] == 0 {
		head[headFirst] = w[keptNext]
	} else {
		s.rows.Words(uint32(w[keptPrev] - 1))[keptNext] = w[keptNext]
	}
	if w[keptNext] == 0 {
		head[headLast] = w[keptPrev]
	} else {
		s.rows.Words(uint32(w[keptNext] - 1))[keptPrev] = w[keptPrev]
	}
	w[keptPrev], w[keptNext] = 0, 0
	if head[headFirst] == 0 {
		s.headOf = append(s.headOf, h)
	}
}

// get writes a kept row to row i of cols.
func (s *changeSide) get(g uint32, cols []*vec.Vec, i int) {
	s.scratch = s.rows.AppendKey(s.scratch[:0], g)
	b := rowOf(s.scratch)
	for _, c := range cols {
		rest, err := c.SetCol(i, b)
		if err != nil {
			panic("stream: broken row in state: " + err.Error()) // load has checked it
		}
		b = rest
	}
}

// rowOf returns the row inside the key of a group: a presence byte and a length
// come before it.
func rowOf(key []byte) []byte {
	i := 1
	for key[i] >= 0x80 {
		i++
	}
	return key[i+1:]
}

func (j *changeJoin) flush() error { return nil }

func (j *changeJoin) save(m *storage.Mutations) {
	for _, s := range j.sides {
		for _, g := range s.rows.Dirty() {
			s.key = s.rows.AppendKey(s.key[:0], g)
			w := s.rows.Words(g)
			if w[keptCount] == 0 {
				m.Delete(s.space, s.key)
				s.rows.Delete(g)
				continue
			}
			links := [2]int64{w[keptNext], w[keptPrev]}
			w[keptNext], w[keptPrev] = 0, 0 // group numbers mean nothing in another process
			s.state = s.rows.AppendState(s.state[:0], g)
			w[keptNext], w[keptPrev] = links[0], links[1]
			m.Set(s.space, s.key, s.state)
		}
		s.rows.Settle()
		for _, h := range s.headOf {
			if s.heads.Alive(h) && s.heads.Words(h)[headFirst] == 0 {
				s.heads.Delete(h)
			}
		}
		s.headOf = s.headOf[:0]
		s.heads.Settle()
	}
}

func (j *changeJoin) load(r Reader) error {
	for _, s := range j.sides {
		if err := loadTable(r, s.space, s.rows); err != nil {
			return err
		}
		if err := s.relink(); err != nil {
			return err
		}
	}
	return nil
}

// relink makes the lists of the keys anew.
func (s *changeSide) relink() error {
	b := &vec.Batch{N: 1, Time: []int64{0}}
	for _, t := range s.types {
		b.Cols = append(b.Cols, vec.New(t))
	}
	for g := range s.rows.All() {
		s.scratch = s.rows.AppendKey(s.scratch[:0], g)
		rest := rowOf(s.scratch)
		for _, c := range b.Cols {
			c.Reset(c.Type, 1)
			var err error
			if rest, err = c.SetCol(0, rest); err != nil {
				return err
			}
		}
		if err := s.keys.eval(b); err != nil {
			return err
		}
		if s.keys.null(0) {
			continue
		}
		s.oneRow[0] = 0
		s.heads.Groups(s.keys.cols, s.oneRow[:], s.oneKey[:])
		s.link(s.oneKey[0], g)
	}
	return nil
}

func (j *changeJoin) bytes() (n int64) {
	for _, s := range j.sides {
		n += s.rows.Bytes() + s.heads.Bytes()
	}
	return n
}
