package bounded

import (
	"io"
	"slices"

	"github.com/weirdb/weir/exec/eval"
	"github.com/weirdb/weir/exec/table"
	"github.com/weirdb/weir/internal/fn"
	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
)

// aggregate groups all its input in a table and then gives the groups in the
// order in which they were met.
type aggregate struct {
	in     Rows
	ctx    fn.Ctx
	err    error // of an aggregate function
	keys   []*eval.Evaluator
	cols   []*vec.Vec // the keys' values, and the window's start
	starts vec.Vec
	window *plan.Window
	aggs   []*aggCall
	table  *table.Table
	having *eval.Evaluator
	types  []vec.Type
	account

	groups []uint32
	ready  bool
	next   uint32
	list   []uint32
	out    vec.Batch
	view   vec.Batch
}

// aggCall is one aggregate function.
type aggCall struct {
	agg    fn.Aggregator
	args   []*eval.Evaluator
	vecs   []*vec.Vec
	filter *eval.Evaluator

	seen     *table.Table // of DISTINCT: group and arguments
	seenKey  []*vec.Vec
	seenNums []uint32
	group    vec.Vec

	order  order // of ORDER BY
	keys   []*eval.Evaluator
	rows   *store // group, arguments, keys
	groups []uint32
	sel    []uint16
}

func newAggregate(q *query, n *plan.Aggregate, in Rows, env *eval.Env) (Rows, error) {
	a := &aggregate{in: in, ctx: env.Ctx, window: n.Window, account: account{of: &q.memory}}
	a.ctx.Fail = func(_ int, err error) {
		if a.err == nil {
			a.err = err
		}
	}
	var err error
	if a.keys, err = compileAll(n.Keys, env); err != nil {
		return nil, err
	}
	if a.having, err = compileMaybe(n.Having, env); err != nil {
		return nil, err
	}
	conf := table.Config{Words: 1} // the end of a session
	for _, k := range n.Keys {
		conf.Keys = append(conf.Keys, k.Type())
	}
	if n.Window != nil {
		conf.Keys = append(conf.Keys, vec.Of(vec.Int64))
	}
	a.cols = make([]*vec.Vec, len(conf.Keys))
	for i := range n.Aggs {
		c, err := newAggCall(q, &n.Aggs[i], env)
		if err != nil {
			return nil, err
		}
		a.aggs = append(a.aggs, c)
		conf.Aggs = append(conf.Aggs, c.agg)
	}
	a.table = table.New(conf)
	for _, c := range n.Columns() {
		a.types = append(a.types, c.Type)
	}
	if n.Window != nil && n.Window.Kind == plan.Session {
		a.in = newSessions(q, n, in, a.keys)
	}
	return a, nil
}

func newAggCall(q *query, n *plan.AggCall, env *eval.Env) (*aggCall, error) {
	types := make([]vec.Type, len(n.Args))
	for i, e := range n.Args {
		types[i] = e.Type()
	}
	agg, err := n.Fn.New(types)
	if err != nil {
		return nil, err
	}
	c := &aggCall{agg: agg}
	if c.args, err = compileAll(n.Args, env); err != nil {
		return nil, err
	}
	if c.filter, err = compileMaybe(n.Filter, env); err != nil {
		return nil, err
	}
	number := vec.Of(vec.Int64)
	if n.Distinct {
		c.seen = table.New(table.Config{Keys: append([]vec.Type{number}, types...)})
		c.seenKey = make([]*vec.Vec, 1+len(types))
	}
	var exprs []plan.Expr
	c.order, exprs = orderOf(n.OrderBy)
	if c.keys, err = compileAll(exprs, env); err != nil {
		return nil, err
	}
	if len(exprs) > 0 {
		all := append([]vec.Type{number}, types...)
		for _, e := range exprs {
			all = append(all, e.Type())
		}
		c.rows = newStore(q, all)
	}
	c.vecs = make([]*vec.Vec, len(c.args)+len(c.keys))
	return c, nil
}

func (a *aggregate) Next() (*vec.Batch, error) {
	if !a.ready {
		if err := a.read(); err != nil {
			return nil, err
		}
		a.ready = true
	}
	for {
		a.list = a.list[:0]
		for ; a.next < a.table.End() && len(a.list) < vec.MaxRows; a.next++ {
			a.list = append(a.list, a.next)
		}
		if len(a.list) == 0 {
			return nil, io.EOF
		}
		b, err := a.result()
		if err != nil {
			return nil, err
		}
		if a.having == nil {
			return b, nil
		}
		sel, err := a.having.Select(b, b.Selected())
		if err != nil {
			return nil, err
		}
		if len(sel) > 0 {
			a.view = *b
			a.view.Sel = sel
			return &a.view, nil
		}
	}
}

// result makes the rows of the groups in list.
func (a *aggregate) result() (*vec.Batch, error) {
	n := len(a.list)
	rows := vec.Identity(n)
	b := &a.out
	resize(b, len(a.types))
	b.N = n
	for i, t := range a.types {
		b.Cols[i].Reset(t, n)
	}
	a.table.KeyColumns(a.list, rows, b.Cols[:len(a.cols)])
	at := len(a.cols)
	if a.window != nil {
		start, end := b.Cols[at-1], b.Cols[at]
		for i, g := range a.list {
			end.Ints[i] = start.Ints[i] + a.window.Size
			if a.window.Kind == plan.Session {
				end.Ints[i] = a.table.Words(g)[0]
			}
		}
		at++
	}
	for i, c := range a.aggs {
		c.agg.Result(&a.ctx, a.table.States(i), a.list, rows, b.Cols[at+i])
	}
	return b, a.err
}

func (a *aggregate) read() error {
	if len(a.cols) == 0 {
		if _, err := a.table.Group(nil); err != nil { // there is a row without any input
			return err
		}
	}
	if err := each(a.in, a.take); err != nil {
		return err
	}
	for i, c := range a.aggs {
		if c.rows != nil {
			c.addSorted(&a.ctx, a.table.States(i))
		}
	}
	return a.err
}

func (a *aggregate) take(b *vec.Batch) error {
	rows := b.Selected()
	if err := evalAll(a.keys, b, rows, a.cols[:len(a.keys)]); err != nil {
		return err
	}
	if a.window == nil {
		return a.add(b, rows)
	}
	if b.Time == nil {
		return errNoTime
	}
	a.starts.Reset(vec.Of(vec.Int64), b.N)
	a.cols[len(a.keys)] = &a.starts
	w := a.window
	if w.Kind == plan.Session {
		start, end := b.Cols[len(b.Cols)-2], b.Cols[len(b.Cols)-1]
		a.cols[len(a.keys)] = start
		if err := a.add(b, rows); err != nil {
			return err
		}
		for k, r := range rows {
			a.table.Words(a.groups[k])[0] = end.Ints[r]
		}
		return nil
	}
	// A row is in every window that began at most Size before it.
	for back := int64(0); back < w.Size; back += w.Advance {
		in := rows[:0:0]
		for _, r := range rows {
			t := b.Time[r]
			start := floor(t, w.Advance) - back
			if start+w.Size > t && (start >= 0 || t < 0) {
				a.starts.Ints[r] = start
				in = append(in, r)
			}
		}
		if len(in) > 0 {
			if err := a.add(b, in); err != nil {
				return err
			}
		}
	}
	return nil
}

var errNoTime = pgerr.Newf(pgerr.FeatureNotSupported, "a WINDOW needs rows with event times, which this input has not")

// floor returns the largest multiple of step that is not above t.
func floor(t, step int64) int64 {
	m := t % step
	if m < 0 {
		m += step
	}
	return t - m
}

// add puts the rows listed into the groups of a.cols.
func (a *aggregate) add(b *vec.Batch, rows []uint16) error {
	a.groups = slices.Grow(a.groups[:0], len(rows))[:len(rows)]
	a.table.Groups(a.cols, rows, a.groups)
	held := a.table.Bytes()
	for i, c := range a.aggs {
		if err := c.add(&a.ctx, a.table.States(i), a.groups, b, rows); err != nil {
			return err
		}
		if c.seen != nil {
			held += c.seen.Bytes()
		}
	}
	if a.err != nil {
		return a.err
	}
	return a.set(held)
}

func (c *aggCall) add(ctx *fn.Ctx, s *fn.States, groups []uint32, b *vec.Batch, rows []uint16) error {
	if c.filter != nil {
		kept, err := c.filter.Select(b, rows)
		if err != nil {
			return err
		}
		c.groups = pick(c.groups[:0], groups, rows, kept)
		groups, rows = c.groups, kept
	}
	if len(rows) == 0 {
		return nil
	}
	if err := evalAll(c.args, b, rows, c.vecs); err != nil {
		return err
	}
	if c.seen == nil && c.rows == nil {
		c.agg.Add(ctx, s, groups, rows, nil, c.vecs[:len(c.args)])
		return nil
	}
	c.group.Reset(vec.Of(vec.Int64), b.N)
	for k, r := range rows {
		c.group.Ints[r] = int64(groups[k])
	}
	if c.seen != nil {
		groups, rows = c.unseen(groups, rows)
	}
	if c.rows == nil {
		c.agg.Add(ctx, s, groups, rows, nil, c.vecs[:len(c.args)])
		return nil
	}
	if err := evalAll(c.keys, b, rows, c.vecs[len(c.args):]); err != nil {
		return err
	}
	return c.rows.add(append([]*vec.Vec{&c.group}, c.vecs...), rows)
}

// pick appends to dst the groups of those rows that are kept, which are some of
// rows in the same order.
func pick(dst, groups []uint32, rows, kept []uint16) []uint32 {
	for k, r := range rows {
		if len(kept) > 0 && kept[0] == r {
			dst = append(dst, groups[k])
			kept = kept[1:]
		}
	}
	return dst
}

// unseen leaves the rows whose arguments come for the first time in their group.
func (c *aggCall) unseen(groups []uint32, rows []uint16) ([]uint32, []uint16) {
	c.seenKey[0] = &c.group
	copy(c.seenKey[1:], c.vecs[:len(c.args)])
	c.seenNums = slices.Grow(c.seenNums[:0], len(rows))[:len(rows)]
	next := c.seen.End()
	c.seen.Groups(c.seenKey, rows, c.seenNums)
	c.sel = c.sel[:0]
	first := make([]uint32, 0, len(rows))
	for k, g := range c.seenNums {
		if g == next { // new ones are numbered one after another
			next++
			c.sel = append(c.sel, rows[k])
			first = append(first, groups[k])
		}
	}
	return first, c.sel
}

// addSorted gives the aggregate its rows, group by group in order.
func (c *aggCall) addSorted(ctx *fn.Ctx, s *fn.States) {
	n := len(c.args)
	list := c.order.sorted(c.rows.cols[1+n:], c.rows.n)
	args := make([]*vec.Vec, n)
	for i := range args {
		args[i] = &vec.Vec{}
	}
	for len(list) > 0 {
		part := list[:min(len(list), vec.MaxRows)]
		list = list[len(part):]
		c.groups = c.groups[:0]
		for _, r := range part {
			c.groups = append(c.groups, uint32(c.rows.cols[0].Ints[r]))
		}
		for i := range args {
			gather(args[i], c.rows.cols[1+i], part)
		}
		c.agg.Add(ctx, s, c.groups, vec.Identity(len(part)), nil, args)
	}
}

func (a *aggregate) Close() error {
	a.release()
	for _, c := range a.aggs {
		if c.rows != nil {
			c.rows.drop()
		}
	}
	return a.in.Close()
}
