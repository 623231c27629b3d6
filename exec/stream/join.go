package stream

import (
	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
	"github.com/weirdb/weir/storage"
)

// newJoin makes the operator of a join.
func newJoin(n *plan.Join, c *Chain, old bool, out Output) (operator, error) {
	if n.Shape == plan.Bounded && !n.NullEqual {
		return newChangeJoin(n, c, out)
	}
	if n.Kind == plan.SemiJoin || n.Kind == plan.AntiJoin {
		return nil, pgerr.Newf(pgerr.FeatureNotSupported, "IN and EXISTS with this subquery are not supported in a continuous query")
	}
	if n.NullEqual {
		return nil, pgerr.Newf(pgerr.FeatureNotSupported, "a join on IS NOT DISTINCT FROM is not supported in a continuous query")
	}
	if n.On != nil && n.Kind != plan.InnerJoin && n.Shape != plan.StreamStream {
		return nil, pgerr.Newf(pgerr.FeatureNotSupported, "a %s JOIN with a table takes only equalities of keys as its condition", n.Kind)
	}
	if n.On != nil && n.Shape != plan.StreamStream {
		f, err := newFilter(&plan.Filter{In: n, Cond: n.On, Table: n.Shape == plan.TableTable}, c.env, old, out)
		if err != nil {
			return nil, err
		}
		out, old = func(b *vec.Batch) error { return f.process(0, b) }, true
	}
	switch n.Shape {
	case plan.StreamTable:
		return newLookupJoin(n, c, out)
	case plan.TableTable:
		return newTableJoin(n, c, old, out)
	case plan.StreamStream:
		return newWindowJoin(n, c, out)
	}
	return nil, pgerr.Newf(pgerr.FeatureNotSupported, "this join is not supported in a continuous query")
}

// joinKeys computes the keys of one side of a join.
type joinKeys struct {
	exprs []*Expr
	types []vec.Type
	cols  []*vec.Vec
}

func newJoinKeys(keys []plan.Expr, env *Env) (*joinKeys, error) {
	j := &joinKeys{cols: make([]*vec.Vec, len(keys))}
	for _, k := range keys {
		x, err := env.Expr(k)
		if err != nil {
			return nil, err
		}
		j.exprs = append(j.exprs, x)
		j.types = append(j.types, k.Type())
	}
	return j, nil
}

func (j *joinKeys) eval(b *vec.Batch) error {
	for i, x := range j.exprs {
		c, err := x.Eval(b)
		if err != nil {
			return err
		}
		j.cols[i] = c
	}
	return nil
}

// null tells whether a key of row r is null: such a row equals nothing.
func (j *joinKeys) null(r int) bool {
	for _, c := range j.cols {
		if c.Null(r) {
			return true
		}
	}
	return false
}

// lookupJoin joins a stream with a table: rows of the stream meet the row that
// the table has for their key at the moment. Changes of the table emit nothing.
type lookupJoin struct {
	env  *Env
	left bool
	keys [2]*joinKeys
	tab  *rowTable
	out  Output

	nl   int // columns of the left side
	cols []*vec.Vec
	view vec.Batch
	sel  []uint16
	rows []uint16
}

func newLookupJoin(n *plan.Join, c *Chain, out Output) (operator, error) {
	if n.Kind != plan.InnerJoin && n.Kind != plan.LeftJoin {
		return nil, pgerr.Newf(pgerr.FeatureNotSupported, "a %s JOIN of a stream with a table is not supported", n.Kind).
			Hintf("A change of the table alone emits nothing; use INNER or LEFT JOIN.")
	}
	j := &lookupJoin{env: c.env, left: n.Kind == plan.LeftJoin, out: out, nl: len(n.L.Columns())}
	var err error
	if j.keys[0], err = newJoinKeys(n.LKeys, c.env); err != nil {
		return nil, err
	}
	if j.keys[1], err = newJoinKeys(n.RKeys, c.env); err != nil {
		return nil, err
	}
	types := columnTypes(n.R)
	j.tab = newRowTable(storage.OperatorSpaces(c.env.Task, c.operatorID()), j.keys[1].types, types)
	j.cols = make([]*vec.Vec, j.nl, j.nl+len(types))
	for _, t := range types {
		j.cols = append(j.cols, vec.New(t))
	}
	return j, nil
}

func (j *lookupJoin) process(side int, b *vec.Batch) error {
	keys := j.keys[side]
	if err := keys.eval(b); err != nil {
		return err
	}
	j.rows = j.rows[:0]
	for _, r := range b.Selected() {
		op := b.Op(int(r))
		switch {
		case op == vec.UpdateBefore:
		case side == 0 && op == vec.Delete: // a NULL value joins nothing
		case keys.null(int(r)) && (side == 1 || !j.left || j.env.SkipNullKeys):
		default:
			j.rows = append(j.rows, r)
		}
	}
	j.tab.groups = sized(j.tab.groups, len(j.rows))
	if side == 1 {
		j.store(b)
		return nil
	}
	j.tab.tab.Find(keys.cols, j.rows, j.tab.groups)
	return j.probe(b)
}

// store takes changes of the table.
func (j *lookupJoin) store(b *vec.Batch) {
	j.tab.tab.Groups(j.keys[1].cols, j.rows, j.tab.groups)
	j.tab.tab.Touch(j.tab.groups)
	for k, g := range j.tab.groups {
		r := int(j.rows[k])
		if b.Op(r) == vec.Delete {
			j.tab.remove(g)
			continue
		}
		j.tab.put(g, b.Cols, r, b.Time[r])
	}
}

// probe emits the stream's rows with what was found for them.
func (j *lookupJoin) probe(b *vec.Batch) error {
	right := j.cols[j.nl:]
	for i, c := range right {
		c.Reset(j.tab.types[i], b.N)
	}
	j.sel = j.sel[:0]
	for k, g := range j.tab.groups {
		r := j.rows[k]
		switch {
		case j.tab.present(g) && !j.keys[0].null(int(r)):
			j.tab.get(g, right, int(r))
		case j.left:
			nullRow(right, int(r))
		default:
			continue
		}
		j.sel = append(j.sel, r)
	}
	if len(j.sel) == 0 {
		return nil
	}
	copy(j.cols[:j.nl], b.Cols) // a batch may carry more than its columns
	j.view = *b
	j.view.Cols, j.view.Sel, j.view.Ops = j.cols, j.sel, nil
	return j.out(&j.view)
}

func (j *lookupJoin) flush() error              { return nil }
func (j *lookupJoin) save(m *storage.Mutations) { j.tab.save(m) }
func (j *lookupJoin) load(r Reader) error       { return j.tab.load(r) }
func (j *lookupJoin) bytes() int64              { return j.tab.tab.Bytes() }

// tableJoin joins two tables on their keys. A change of either side changes the
// joined row; what is emitted follows from whether there was one and is one.
type tableJoin struct {
	kind plan.JoinKind
	keys [2]*joinKeys
	tabs [2]*rowTable
	old  bool
	nl   int
	res  *changes

	found []uint32
	rows  []uint16
}

func newTableJoin(n *plan.Join, c *Chain, old bool, out Output) (operator, error) {
	j := &tableJoin{kind: n.Kind, old: old, nl: len(n.L.Columns()), res: newChanges(columnTypes(n), out)}
	for side, in := range []plan.Node{n.L, n.R} {
		exprs := n.LKeys
		if side == 1 {
			exprs = n.RKeys
		}
		var err error
		if j.keys[side], err = newJoinKeys(exprs, c.env); err != nil {
			return nil, err
		}
		j.tabs[side] = newRowTable(storage.OperatorSpaces(c.env.Task, c.operatorID()), j.keys[side].types, columnTypes(in))
	}
	return j, nil
}

// joined tells whether there is a joined row if the sides are there or not.
func (j *tableJoin) joined(l, r bool) bool {
	switch j.kind {
	case plan.LeftJoin:
		return l
	case plan.RightJoin:
		return r
	case plan.FullJoin:
		return l || r
	}
	return l && r
}

func (j *tableJoin) process(side int, b *vec.Batch) error {
	keys, own, other := j.keys[side], j.tabs[side], j.tabs[1-side]
	if err := keys.eval(b); err != nil {
		return err
	}
	j.rows = j.rows[:0]
	for _, r := range b.Selected() {
		if b.Op(int(r)) != vec.UpdateBefore && !keys.null(int(r)) {
			j.rows = append(j.rows, r)
		}
	}
	own.groups = sized(own.groups, len(j.rows))
	own.tab.Groups(keys.cols, j.rows, own.groups)
	own.tab.Touch(own.groups)
	j.found = sized(j.found, len(j.rows))
	other.tab.Find(keys.cols, j.rows, j.found)
	for k, g := range own.groups {
		r := int(j.rows[k])
		if err := j.change(side, b, r, g, j.found[k]); err != nil {
			return err
		}
	}
	return j.res.emit()
}

// change takes a change of group g of one side, which meets group o of the other.
func (j *tableJoin) change(side int, b *vec.Batch, r int, g, o uint32) error {
	own, other := j.tabs[side], j.tabs[1-side]
	had, has, meets := own.present(g), b.Op(r) != vec.Delete, other.present(o)
	if !had && !has {
		return nil // a tombstone of an unknown key
	}
	time := b.Time[r]
	if meets {
		time = max(time, other.time(o))
	}
	was, is := j.joined(had, meets), j.joined(has, meets)
	if side == 1 {
		was, is = j.joined(meets, had), j.joined(meets, has)
	}
	if err := j.res.room(2); err != nil {
		return err
	}
	cols := [2][]*vec.Vec{j.res.batch.Cols[:j.nl], j.res.batch.Cols[j.nl:]}
	row := func(op vec.Op, ownThere bool, set func(i int)) {
		i := j.res.add(op, time, b, r)
		if ownThere {
			set(i)
		} else {
			nullRow(cols[side], i)
		}
		if meets {
			other.get(o, cols[1-side], i)
		} else {
			nullRow(cols[1-side], i)
		}
	}
	before := func(i int) { own.get(g, cols[side], i) }
	after := func(i int) { copyRow(cols[side], i, b.Cols, r) }
	switch {
	case was && is:
		if j.old {
			row(vec.UpdateBefore, had, before)
		}
		row(vec.UpdateAfter, has, after)
	case was:
		row(vec.Delete, had, before)
	case is:
		row(vec.Insert, has, after)
	}
	if has {
		own.put(g, b.Cols, r, b.Time[r])
	} else {
		own.remove(g)
	}
	return nil
}

func (j *tableJoin) flush() error { return nil }

func (j *tableJoin) save(m *storage.Mutations) {
	j.tabs[0].save(m)
	j.tabs[1].save(m)
}

func (j *tableJoin) load(r Reader) error {
	if err := j.tabs[0].load(r); err != nil {
		return err
	}
	return j.tabs[1].load(r)
}

func (j *tableJoin) bytes() int64 { return j.tabs[0].tab.Bytes() + j.tabs[1].tab.Bytes() }
