package stream

import (
	"github.com/weirdb/weir/exec/table"
	"github.com/weirdb/weir/internal/fn"
	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
	"github.com/weirdb/weir/storage"
)

// aggCall is one aggregate of an aggregation: what it computes, of which rows.
type aggCall struct {
	env    *Env
	agg    fn.Aggregator
	typ    vec.Type // of the result
	args   []*Expr
	filter *Expr
	seen   *distinct // nil unless DISTINCT

	cols   []*vec.Vec // arguments of the current batch
	passed [vec.MaxRows]bool
	tmp    *vec.Vec

	groups []uint32
	rows   []uint16
	signs  []int8
}

func newAggCall(n *plan.AggCall, c *Chain, keys []vec.Type, overTable bool) (*aggCall, error) {
	a := &aggCall{env: c.env, typ: n.T, tmp: vec.New(n.T), cols: make([]*vec.Vec, len(n.Args))}
	if len(n.OrderBy) > 0 {
		return nil, pgerr.Newf(pgerr.FeatureNotSupported, "ORDER BY in %s() is not supported in a continuous query", n.Fn.Name)
	}
	var types []vec.Type
	for _, e := range n.Args {
		x, err := c.env.Expr(e)
		if err != nil {
			return nil, err
		}
		a.args = append(a.args, x)
		types = append(types, e.Type())
	}
	var err error
	if a.agg, err = n.Fn.New(types); err != nil {
		return nil, err
	}
	if overTable && !a.agg.Retractable() {
		return nil, pgerr.Newf(pgerr.FeatureNotSupported, "%s() cannot be applied to a table", n.Fn.Name).
			Detailf("A row of a table may change or go away, and %s() cannot take a value back.", n.Fn.Name)
	}
	if n.Filter != nil {
		if a.filter, err = c.env.Expr(n.Filter); err != nil {
			return nil, err
		}
	}
	if n.Distinct {
		a.seen = newDistinct(c.env, c.operatorID(), append(append([]vec.Type{}, keys...), types...))
	}
	return a, nil
}

// prepare computes the arguments of a batch.
func (a *aggCall) prepare(b *vec.Batch, rows []uint16) error {
	for i, x := range a.args {
		c, err := x.Eval(b)
		if err != nil {
			return err
		}
		a.cols[i] = c
	}
	if a.filter == nil {
		return nil
	}
	view := *b
	view.Sel = rows
	kept, err := a.filter.choose(&view)
	if err != nil {
		return err
	}
	for _, r := range rows {
		a.passed[r] = false
	}
	for _, r := range kept {
		a.passed[r] = true
	}
	return nil
}

// add adds rows to the states of groups of a pane's table.
func (a *aggCall) add(pane int64, s *fn.States, keys []*vec.Vec, groups []uint32, rows []uint16, signs []int8) {
	if a.filter != nil {
		a.begin()
		for k, r := range rows {
			if a.passed[r] {
				a.keep(k, groups, rows, signs)
			}
		}
		groups, rows, signs = a.kept(signs)
	}
	if a.seen != nil {
		a.seen.pass(a, pane, keys, groups, rows, signs)
		groups, rows, signs = a.seen.kept(signs)
	}
	if len(rows) > 0 {
		a.agg.Add(&a.env.Ctx, s, groups, rows, signs, a.cols)
	}
}

func (a *aggCall) begin() {
	a.groups, a.rows, a.signs = a.groups[:0], a.rows[:0], a.signs[:0]
}

func (a *aggCall) keep(k int, groups []uint32, rows []uint16, signs []int8) {
	a.groups = append(a.groups, groups[k])
	a.rows = append(a.rows, rows[k])
	if signs != nil {
		a.signs = append(a.signs, signs[k])
	}
}

func (a *aggCall) kept(signs []int8) ([]uint32, []uint16, []int8) {
	if signs == nil {
		return a.groups, a.rows, nil
	}
	return a.groups, a.rows, a.signs
}

func (a *aggCall) dropPane(m *storage.Mutations, pane int64) {
	if a.seen != nil {
		a.seen.drop(m, pane)
	}
}

func (a *aggCall) save(m *storage.Mutations, pane int64) {
	if a.seen != nil {
		a.seen.save(m, pane)
	}
}

func (a *aggCall) load(r Reader, pane int64) error {
	if a.seen != nil {
		return a.seen.load(r, pane)
	}
	return nil
}

// distinct counts how often each combination of arguments is in each group, by
// pane, and lets the first in and the last out.
type distinct struct {
	env   *Env
	op    uint16
	types []vec.Type // group keys, then arguments
	panes map[int64]*table.Table

	cols       []*vec.Vec
	found      []uint32
	groups     []uint32
	rows       []uint16
	signs      []int8
	key, state []byte
}

func newDistinct(env *Env, op uint16, types []vec.Type) *distinct {
	return &distinct{env: env, op: op, types: types, panes: map[int64]*table.Table{}}
}

func (d *distinct) pane(p int64) *table.Table {
	t := d.panes[p]
	if t == nil {
		t = table.New(table.Config{Keys: d.types, Words: 1})
		d.panes[p] = t
	}
	return t
}

// pass keeps the rows that change what the group holds.
func (d *distinct) pass(a *aggCall, pane int64, keys []*vec.Vec, groups []uint32, rows []uint16, signs []int8) {
	t := d.pane(pane)
	d.cols = append(append(d.cols[:0], keys...), a.cols...)
	d.found = sized(d.found, len(rows))
	t.Groups(d.cols, rows, d.found)
	t.Touch(d.found)
	d.groups, d.rows, d.signs = d.groups[:0], d.rows[:0], d.signs[:0]
	for k, f := range d.found {
		w := t.Words(f)
		change := false
		if signs != nil && signs[k] < 0 {
			change = w[0] == 1
			w[0] = max(w[0]-1, 0)
		} else {
			change = w[0] == 0
			w[0]++
		}
		if change {
			d.groups = append(d.groups, groups[k])
			d.rows = append(d.rows, rows[k])
			if signs != nil {
				d.signs = append(d.signs, signs[k])
			}
		}
	}
}

func (d *distinct) kept(signs []int8) ([]uint32, []uint16, []int8) {
	if signs == nil {
		return d.groups, d.rows, nil
	}
	return d.groups, d.rows, d.signs
}

func (d *distinct) drop(m *storage.Mutations, pane int64) {
	delete(d.panes, pane)
	m.DropSpace(storage.PaneSpace(d.env.Task, d.op, pane))
}

func (d *distinct) save(m *storage.Mutations, pane int64) {
	t := d.panes[pane]
	if t == nil {
		return
	}
	space := storage.PaneSpace(d.env.Task, d.op, pane)
	for _, g := range t.Dirty() {
		d.key = t.AppendKey(d.key[:0], g)
		if t.Words(g)[0] == 0 {
			m.Delete(space, d.key)
			t.Delete(g)
			continue
		}
		d.state = t.AppendState(d.state[:0], g)
		m.Set(space, d.key, d.state)
	}
	t.Settle()
}

func (d *distinct) load(r Reader, pane int64) error {
	t := d.pane(pane)
	return loadTable(r, storage.PaneSpace(d.env.Task, d.op, pane), t)
}

// loadTable reads the groups of a table from a space.
func loadTable(r Reader, space storage.Space, t *table.Table) error {
	var bad error
	err := r.Scan(space, nil, nil, func(key, value []byte) bool {
		g, err := t.Group(key)
		if err == nil {
			err = t.SetState(g, value)
		}
		bad = err
		return err == nil
	})
	if err == nil {
		err = bad
	}
	return err
}
