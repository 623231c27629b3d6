package stream

import (
	"github.com/weirdb/weir/exec/table"
	"github.com/weirdb/weir/internal/fn"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
	"github.com/weirdb/weir/storage"
)

// Words of a kept row.
const (
	rowEventTime = iota
	rowPresent   // 1, or 0 if the row was deleted since the last save
)

// rowTable keeps the latest row of each key.
type rowTable struct {
	tab   *table.Table
	rows  *fn.States
	types []vec.Type // of the columns
	space storage.Space

	groups     []uint32
	key, state []byte
	row        []byte
}

// rowBytes is how a table is told that each group has a byte string.
type rowBytes struct{ fn.Aggregator }

func (rowBytes) Words() int     { return 0 }
func (rowBytes) HasBytes() bool { return true }

func newRowTable(space storage.Space, keys, types []vec.Type) *rowTable {
	t := &rowTable{types: types, space: space}
	t.tab = table.New(table.Config{Keys: keys, Aggs: []fn.Aggregator{rowBytes{}}, Words: 2})
	t.rows = t.tab.States(0)
	return t
}

// present tells whether there is a row of group g, which may be table.None.
func (t *rowTable) present(g uint32) bool {
	return g != table.None && t.tab.Words(g)[rowPresent] != 0
}

func (t *rowTable) time(g uint32) int64 { return t.tab.Words(g)[rowEventTime] }

// put makes row i of cols the row of group g.
func (t *rowTable) put(g uint32, cols []*vec.Vec, i int, time int64) {
	t.row = vec.AppendRow(t.row[:0], cols, i)
	t.rows.Set(g, t.row)
	w := t.tab.Words(g)
	w[rowEventTime], w[rowPresent] = time, 1
}

// remove deletes the row of group g.
func (t *rowTable) remove(g uint32) {
	t.tab.Words(g)[rowPresent] = 0
	t.rows.Set(g, nil)
}

// get writes the row of group g to row i of cols.
func (t *rowTable) get(g uint32, cols []*vec.Vec, i int) {
	b := t.rows.Get(g)
	for _, c := range cols {
		rest, err := c.SetCol(i, b)
		if err != nil {
			panic("stream: broken row in state: " + err.Error()) // load has checked it
		}
		b = rest
	}
}

func (t *rowTable) save(m *storage.Mutations) {
	for _, g := range t.tab.Dirty() {
		t.key = t.tab.AppendKey(t.key[:0], g)
		if !t.present(g) {
			m.Delete(t.space, t.key)
			t.tab.Delete(g)
			continue
		}
		t.state = t.tab.AppendState(t.state[:0], g)
		m.Set(t.space, t.key, t.state)
	}
	t.tab.Settle()
}

func (t *rowTable) load(r Reader) error {
	if err := loadTable(r, t.space, t.tab); err != nil {
		return err
	}
	for g := range t.tab.All() {
		b := t.rows.Get(g)
		for _, k := range t.types {
			rest, err := vec.SkipCol(k, b)
			if err != nil {
				return err
			}
			b = rest
		}
	}
	return nil
}

func columnTypes(n plan.Node) (out []vec.Type) {
	for _, c := range n.Columns() {
		out = append(out, c.Type)
	}
	return out
}

// changes is an output batch of rows made one by one.
type changes struct {
	types []vec.Type
	batch vec.Batch
	heads vec.Vec
	out   Output
}

func newChanges(types []vec.Type, out Output) *changes {
	c := &changes{types: types, out: out}
	for _, t := range types {
		c.batch.Cols = append(c.batch.Cols, vec.New(t))
	}
	c.batch.Ops = make([]vec.Op, 0, vec.MaxRows)
	c.batch.Time = make([]int64, 0, vec.MaxRows)
	c.begin()
	return c
}

func (c *changes) begin() {
	for i, v := range c.batch.Cols {
		v.Reset(c.types[i], vec.MaxRows)
	}
	c.batch.N, c.batch.Headers = 0, nil
	c.batch.Ops, c.batch.Time = c.batch.Ops[:0], c.batch.Time[:0]
}

// room emits what there is unless n more rows fit.
func (c *changes) room(n int) error {
	if c.batch.N+n <= vec.MaxRows {
		return nil
	}
	return c.emit()
}

// add makes a new last row and returns its place; the caller fills the columns.
// Its headers are those of row in of b; b may be nil.
func (c *changes) add(op vec.Op, time int64, b *vec.Batch, in int) int {
	i := c.batch.N
	c.batch.N++
	c.batch.Ops = append(c.batch.Ops, op)
	c.batch.Time = append(c.batch.Time, time)
	headed := b != nil && b.Headers != nil && !b.Headers.Null(in)
	if c.batch.Headers == nil {
		if !headed {
			return i
		}
		c.heads.Reset(vec.Of(vec.Bytes), vec.MaxRows)
		for r := range vec.MaxRows {
			c.heads.SetNull(r)
		}
		c.batch.Headers = &c.heads
	}
	if headed {
		c.heads.Nulls[i>>6] &^= 1 << (i & 63)
		c.heads.SetBytes(i, b.Headers.Bytes(in))
	}
	return i
}

func (c *changes) emit() error {
	if c.batch.N == 0 {
		return nil
	}
	err := c.out(&c.batch)
	c.begin()
	return err
}

// copyRow makes row i of dst equal to row j of src.
func copyRow(dst []*vec.Vec, i int, src []*vec.Vec, j int) {
	for k, c := range dst {
		c.CopyRow(i, src[k], j)
	}
}

func nullRow(cols []*vec.Vec, i int) {
	for _, c := range cols {
		c.SetNull(i)
	}
}
