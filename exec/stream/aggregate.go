package stream

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/weirdb/weir/exec/table"
	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
	"github.com/weirdb/weir/storage"
)

// Words that the operator keeps for a group, beside its aggregates' states.
const (
	wordTime  = iota // largest event time of the group's records
	wordCount        // rows in the group * 2, + 1 if the group has been put out
	numWords
)

// maxSpare is how many tables of closed panes wait for new ones: as many windows as
// usually close and open together.
const maxSpare = 4

// noTime is the stream time before the first record.
const noTime = math.MinInt64

// aggregate groups rows, in time windows or without. A window is a pane: a table
// of its own, dropped whole when the window closes.
type aggregate struct {
	groupSpec
	final bool
	panes map[int64]*pane
	order []*pane // by start
	now   int64   // stream time
	saved int64   // as last saved
	// dropped are panes that closed since the last save.
	dropped []*pane
	spare   []*table.Table // of panes that are gone, empty

	cells   []cell // of the batch: one per row and window
	touched []*pane
	out     Output
	res     result
	bufs    roundBuffers
}

// groupSpec is what both kinds of aggregation are made from.
type groupSpec struct {
	env       *Env
	op        uint16
	base      storage.Space // stream time and the list of panes
	window    *plan.Window
	keys      []*Expr
	keyTypes  []vec.Type
	aggs      []*aggCall
	overTable bool
	keepEmpty bool
	old       bool
	cols      []vec.Type // of the output

	keyCols []*vec.Vec
	sel     []uint16
	signs   []int8
}

// cell is one row in one window.
type cell struct {
	row  uint16
	pane *pane
}

// pane is the groups of one window; without windows there is one, of start 0.
type pane struct {
	start int64
	space storage.Space
	tab   *table.Table
	isNew bool // not yet saved
	// cells of the current batch, by index into aggregate.cells.
	cells []uint16
	// old results of the dirty groups, by place in tab.Dirty, if they are asked
	// for and changes are coalesced.
	old     []*vec.Vec
	headers map[uint32][]byte // of the last record, by group
}

func (c *Chain) buildAggregate(n *plan.Aggregate, old bool, out Output) error {
	id := c.operatorID()
	if n.Window != nil && n.OverTable {
		return pgerr.Newf(pgerr.FeatureNotSupported, "a table cannot be aggregated in windows")
	}
	if n.Having != nil {
		h := &plan.Filter{In: n, Cond: n.Having, Table: !n.Final}
		f, err := newFilter(h, c.env, old, out)
		if err != nil {
			return err
		}
		defer func() { c.ops = append(c.ops, f) }()
		out, old = func(b *vec.Batch) error { return f.process(0, b) }, !n.Final
	}
	spec, err := newGroupSpec(n, c, id, old)
	if err != nil {
		return err
	}
	var op operator
	if n.Window != nil && n.Window.Kind == plan.Session {
		for _, a := range spec.aggs {
			if a.seen != nil {
				return pgerr.Newf(pgerr.FeatureNotSupported, "DISTINCT aggregates in session windows are not supported")
			}
		}
		op = newSession(spec, n.Final, out)
	} else {
		op = newAggregate(spec, n.Final, out)
	}
	c.timed = c.timed || n.Window != nil
	if err := c.build(n.In, n.OverTable, func(b *vec.Batch) error { return op.process(0, b) }, port{op, 0}); err != nil {
		return err
	}
	c.ops = append(c.ops, op)
	return nil
}

func newGroupSpec(n *plan.Aggregate, c *Chain, id uint16, old bool) (*groupSpec, error) {
	s := &groupSpec{env: c.env, op: id, base: storage.OperatorSpaces(c.env.Task, id), window: n.Window, overTable: n.OverTable, keepEmpty: n.KeepEmpty, old: old}
	for _, k := range n.Keys {
		x, err := c.env.Expr(k)
		if err != nil {
			return nil, err
		}
		s.keys = append(s.keys, x)
		s.keyTypes = append(s.keyTypes, k.Type())
	}
	for i := range n.Aggs {
		a, err := newAggCall(&n.Aggs[i], c, s.keyTypes, n.OverTable)
		if err != nil {
			return nil, err
		}
		s.aggs = append(s.aggs, a)
	}
	for _, col := range n.Columns() {
		s.cols = append(s.cols, col.Type)
	}
	s.keyCols = make([]*vec.Vec, len(s.keys))
	return s, nil
}

func (s *groupSpec) tableConfig(words int) table.Config {
	c := table.Config{Keys: s.keyTypes, Words: words}
	for _, a := range s.aggs {
		c.Aggs = append(c.Aggs, a.agg)
	}
	return c
}

// windowCols is how many columns of the output are the window's.
func (s *groupSpec) windowCols() int {
	if s.window == nil {
		return 0
	}
	return 2
}

// prepare computes keys and arguments of a batch and returns the rows that take
// part in groups.
func (s *groupSpec) prepare(b *vec.Batch) ([]uint16, error) {
	for i, k := range s.keys {
		c, err := k.Eval(b)
		if err != nil {
			return nil, err
		}
		s.keyCols[i] = c
	}
	s.env.batch = b
	sel := b.Selected()
	skip := b.Ops != nil && !s.overTable
	if s.env.SkipNullKeys {
		for _, c := range s.keyCols {
			skip = skip || c.Nulls != nil
		}
	}
	if skip {
		s.sel = s.sel[:0]
	rows:
		for _, r := range sel {
			if !s.overTable && b.Op(int(r)) == vec.Delete {
				continue // a NULL value has nothing to add
			}
			if s.env.SkipNullKeys {
				for _, c := range s.keyCols {
					if c.Null(int(r)) {
						continue rows
					}
				}
			}
			s.sel = append(s.sel, r)
		}
		sel = s.sel
	}
	for _, a := range s.aggs {
		if err := a.prepare(b, sel); err != nil {
			return nil, err
		}
	}
	return sel, nil
}

func newAggregate(s *groupSpec, final bool, out Output) *aggregate {
	a := &aggregate{groupSpec: *s, final: final, out: out, panes: map[int64]*pane{}, now: noTime, saved: noTime}
	a.res.init(s.cols)
	return a
}

func (a *aggregate) process(_ int, b *vec.Batch) error {
	rows, err := a.prepare(b)
	if err != nil || len(rows) == 0 {
		return err
	}
	a.assign(b, rows)
	limit := vec.MaxRows
	if a.old {
		limit /= 2 // a cell may give two rows
	}
	for from := 0; from < len(a.cells); from += limit {
		if err := a.apply(b, a.cells[from:min(from+limit, len(a.cells))]); err != nil {
			return err
		}
	}
	return a.close()
}

// assign finds the windows of the rows and advances stream time. Rows that are
// late for all their windows are reported.
func (a *aggregate) assign(b *vec.Batch, rows []uint16) {
	a.cells = a.cells[:0]
	if a.window == nil {
		p := a.pane(0)
		for _, r := range rows {
			a.cells = append(a.cells, cell{r, p})
		}
		return
	}
	w := a.window
	var last *pane
	for _, r := range rows {
		t := b.Time[r]
		a.now = max(a.now, t)
		if last != nil && w.Kind == plan.Tumbling && t >= last.start && t-last.start < w.Size && !closedAt(w, last.start+w.Size, a.now) {
			a.cells = append(a.cells, cell{r, last})
			continue
		}
		late := true
		for s := firstStart(w, t); s <= t; s += w.Advance {
			if closedAt(w, s+w.Size, a.now) {
				continue
			}
			late = false
			last = a.pane(s)
			a.cells = append(a.cells, cell{r, last})
		}
		if late && a.env.Report != nil {
			a.env.Report(b, int(r), ErrLate)
		}
	}
}

// pane returns the pane that starts at s, made if need be.
func (a *aggregate) pane(s int64) *pane {
	p := a.panes[s]
	if p == nil {
		p = a.newPane(s)
		p.isNew = true
	}
	return p
}

func (a *aggregate) newPane(s int64) *pane {
	p := &pane{start: s, space: storage.PaneSpace(a.env.Task, a.op, s)}
	if n := len(a.spare); n > 0 {
		p.tab, a.spare = a.spare[n-1], a.spare[:n-1]
	} else {
		p.tab = table.New(a.tableConfig(numWords))
	}
	a.panes[s] = p
	i, _ := slices.BinarySearchFunc(a.order, s, func(p *pane, s int64) int {
		switch {
		case p.start < s:
			return -1
		case p.start > s:
			return 1
		}
		return 0
	})
	a.order = slices.Insert(a.order, i, p)
	return p
}

// apply adds cells to their groups and, if every change is to be seen, emits
// one result per cell, in order.
func (a *aggregate) apply(b *vec.Batch, cells []cell) error {
	a.touched = a.touched[:0]
	for i, c := range cells {
		if len(c.pane.cells) == 0 {
			a.touched = append(a.touched, c.pane)
		}
		c.pane.cells = append(c.pane.cells, uint16(i))
	}
	every := a.env.Every && !a.final
	if every {
		a.res.begin(len(cells)*a.res.width(a.old), b)
	}
	for _, p := range a.touched {
		x := a.bufs.lookup(p, cells, a.keyCols)
		if every {
			a.each(b, p, x)
		} else {
			a.coalesce(b, p, x)
		}
		p.tab.Touch(x.groups)
		p.cells = p.cells[:0]
	}
	if !every {
		return nil
	}
	return a.res.emit(a.out)
}

// add adds rows to their groups' aggregates, times and counts.
func (a *aggregate) add(b *vec.Batch, p *pane, groups []uint32, rows []uint16) {
	var signs []int8
	if a.overTable && b.Ops != nil {
		signs = a.signs[:0]
		for _, r := range rows {
			signs = append(signs, int8(b.Ops[r].Sign()))
		}
		a.signs = signs
	}
	for i, c := range a.aggs {
		c.add(p.start, p.tab.States(i), a.keyCols, groups, rows, signs)
	}
	for k, g := range groups {
		w := p.tab.Words(g)
		if t := b.Time[rows[k]]; w[wordCount] == 0 || t > w[wordTime] {
			w[wordTime] = t
		}
		if signs != nil {
			w[wordCount] += 2 * int64(signs[k])
		} else {
			w[wordCount] += 2
		}
	}
}

// each adds cells one change after another: in rounds, each of which holds a
// group at most once.
func (a *aggregate) each(b *vec.Batch, p *pane, x *lookup) {
	x.rounds(a.overTable, b)
	for r := range x.numRounds {
		groups, rows := x.round(r)
		if a.old {
			a.res.setOld(a, p, x.outGroups, x.outAt)
		}
		a.add(b, p, groups, rows)
		a.settle(b, p, x.outGroups, x.outRows, x.outAt)
	}
}

// settle writes the results of groups, after a change of each, to the places at.
func (a *aggregate) settle(b *vec.Batch, p *pane, groups []uint32, rows []uint16, at []uint16) {
	width := a.res.width(a.old)
	for k, g := range groups {
		w := p.tab.Words(g)
		row := int(at[k])*width + width - 1
		a.res.time[row] = w[wordTime]
		if b != nil {
			a.res.header(row, b, int(rows[k]))
		}
		shown := w[wordCount]&1 != 0
		switch {
		case a.overTable && w[wordCount] < 2 && !a.keepEmpty:
			a.clear(p, g)
			if shown {
				a.res.remove(row, a.old)
			}
		case shown:
			a.res.update(row, a.old)
		default:
			w[wordCount] |= 1
			a.res.insert(row, a.old)
		}
		a.res.rows[k] = uint16(row)
	}
	a.res.values(&a.groupSpec, p.tab, p.start, groups, a.res.rows[:len(groups)])
}

// clear puts an empty group back to the state of a new one; save deletes it.
func (a *groupSpec) clear(p *pane, g uint32) {
	for i, c := range a.aggs {
		s := p.tab.States(i)
		at := int(g)*s.Stride + s.Off
		clear(s.Words[at : at+c.agg.Words()])
		if c.agg.HasBytes() {
			s.Set(g, nil)
		}
	}
	p.tab.Words(g)[wordCount] = 0
}

// coalesce adds cells; what comes of it is put out by flush.
func (a *aggregate) coalesce(b *vec.Batch, p *pane, x *lookup) {
	if a.old && !a.final {
		before := len(p.tab.Dirty())
		p.tab.Touch(x.groups)
		a.rememberOld(p, p.tab.Dirty()[before:])
	}
	if b.Headers != nil {
		for k, g := range x.groups {
			if p.headers == nil {
				p.headers = map[uint32][]byte{}
			}
			if r := int(x.rows[k]); !b.Headers.Null(r) {
				p.headers[g] = append(p.headers[g][:0], b.Headers.Bytes(r)...)
			} else {
				delete(p.headers, g)
			}
		}
	}
	a.add(b, p, x.groups, x.rows)
}

// rememberOld keeps the results of groups that are about to change.
func (a *aggregate) rememberOld(p *pane, groups []uint32) {
	if p.old == nil {
		for _, c := range a.aggs {
			p.old = append(p.old, vec.New(c.typ))
		}
	}
	for len(groups) > 0 {
		n := min(len(groups), vec.MaxRows)
		for i, c := range a.aggs {
			c.tmp.Reset(c.typ, n)
			c.agg.Result(&a.env.Ctx, p.tab.States(i), groups[:n], vec.Identity(n), c.tmp)
			for r := range n {
				p.old[i].AppendRow(c.tmp, r)
			}
		}
		groups = groups[n:]
	}
}

func (a *aggregate) flush() error {
	if a.final || a.env.Every {
		return nil
	}
	for _, p := range a.order {
		if err := a.flushPane(p); err != nil {
			return err
		}
	}
	return nil
}

// flushPane emits the coalesced changes of a pane.
func (a *aggregate) flushPane(p *pane) error {
	dirty := p.tab.Dirty()
	width := a.res.width(a.old)
	limit := vec.MaxRows / width
	for from := 0; from < len(dirty); from += limit {
		groups := dirty[from:min(from+limit, len(dirty))]
		a.res.begin(len(groups)*width, nil)
		for k := range groups {
			a.res.at[k] = uint16(k)
		}
		if a.old {
			for i := range a.aggs {
				c := a.res.cols[len(a.keys)+a.windowCols()+i]
				for k := range groups {
					c.CopyRow(k*2, p.old[i], from+k)
				}
			}
			a.res.keyValues(&a.groupSpec, p.tab, p.start, groups, a.res.even(len(groups)))
		}
		a.settleFlush(p, groups, width)
		if err := a.res.emit(a.out); err != nil {
			return err
		}
	}
	for i := range p.old {
		p.old[i].Reset(p.old[i].Type, 0)
	}
	clear(p.headers)
	return nil
}

func (a *aggregate) settleFlush(p *pane, groups []uint32, width int) {
	a.settle(nil, p, groups, nil, a.res.at[:len(groups)])
	if len(p.headers) == 0 {
		return
	}
	for k, g := range groups {
		if h, ok := p.headers[g]; ok {
			a.res.setHeader(k*width+width-1, h)
		}
	}
}

// close emits and drops the windows that stream time has passed.
func (a *aggregate) close() error {
	if a.window == nil {
		return nil
	}
	n := 0
	for n < len(a.order) && closedAt(a.window, a.order[n].start+a.window.Size, a.now) {
		p := a.order[n]
		n++
		var err error
		if a.final {
			err = a.emitFinal(p)
		} else if !a.env.Every {
			err = a.flushPane(p)
		}
		if err != nil {
			return err
		}
		delete(a.panes, p.start)
		if !p.isNew {
			a.dropped = append(a.dropped, p)
		}
		if len(a.spare) < maxSpare {
			p.tab.Reset()
			a.spare = append(a.spare, p.tab)
		}
	}
	a.order = slices.Delete(a.order, 0, n)
	return nil
}

// emitFinal puts out the groups of a window that closes, in order of their keys.
func (a *aggregate) emitFinal(p *pane) error {
	groups := sortedGroups(p.tab, a.keyTypes)
	for len(groups) > 0 {
		n := min(len(groups), vec.MaxRows)
		a.res.begin(n, nil)
		for k, g := range groups[:n] {
			a.res.time[k] = p.tab.Words(g)[wordTime]
			a.res.rows[k] = uint16(k)
			a.res.insert(k, false)
		}
		a.res.values(&a.groupSpec, p.tab, p.start, groups[:n], a.res.rows[:n])
		if err := a.res.emit(a.out); err != nil {
			return err
		}
		groups = groups[n:]
	}
	return nil
}

// sortedGroups returns the groups of a table in ascending order of their keys.
func sortedGroups(t *table.Table, types []vec.Type) []uint32 {
	var groups []uint32
	keys := make([]*vec.Vec, len(types))
	one := make([]*vec.Vec, len(types))
	for i, k := range types {
		keys[i], one[i] = vec.New(k), vec.New(k)
	}
	for g := range t.All() {
		for _, c := range one {
			c.Reset(c.Type, 1)
		}
		t.KeyColumns([]uint32{g}, []uint16{0}, one)
		for i, c := range keys {
			c.AppendRow(one[i], 0)
		}
		groups = append(groups, g)
	}
	order := make([]int, len(groups))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(x, y int) int {
		for _, c := range keys {
			if cmp := vec.CompareRows(c, x, c, y); cmp != 0 {
				return cmp
			}
		}
		return 0
	})
	sorted := make([]uint32, len(groups))
	for i, o := range order {
		sorted[i] = groups[o]
	}
	return sorted
}

// The operator's own space has a row with the stream time and one for each pane.
var (
	rowTime = []byte("t")
	rowPane = byte('p')
)

func paneRow(start int64) []byte {
	return binary.BigEndian.AppendUint64([]byte{rowPane}, uint64(start)^1<<63)
}

func (a *aggregate) save(m *storage.Mutations) {
	for _, p := range a.dropped {
		m.DropSpace(p.space)
		m.Delete(a.base, paneRow(p.start))
		for _, c := range a.aggs {
			c.dropPane(m, p.start)
		}
	}
	a.dropped = a.dropped[:0]
	if a.now != a.saved {
		a.bufs.state = binary.LittleEndian.AppendUint64(a.bufs.state[:0], uint64(a.now))
		m.Set(a.base, rowTime, a.bufs.state)
		a.saved = a.now
	}
	for _, p := range a.order {
		dirty := p.tab.Dirty()
		if len(dirty) == 0 {
			continue
		}
		if p.isNew {
			p.isNew = false
			m.Set(a.base, paneRow(p.start), nil)
		}
		a.savePane(m, p, dirty)
		for _, c := range a.aggs {
			c.save(m, p.start)
		}
		p.tab.Settle()
	}
}

func (a *aggregate) savePane(m *storage.Mutations, p *pane, dirty []uint32) {
	for _, g := range dirty {
		a.bufs.key = p.tab.AppendKey(a.bufs.key[:0], g)
		if a.overTable && !a.keepEmpty && p.tab.Words(g)[wordCount] < 2 {
			m.Delete(p.space, a.bufs.key)
			p.tab.Delete(g)
			continue
		}
		a.bufs.state = p.tab.AppendState(a.bufs.state[:0], g)
		m.Set(p.space, a.bufs.key, a.bufs.state)
	}
}

func (a *aggregate) load(r Reader) error {
	var bad error
	var starts []int64
	err := r.Scan(a.base, nil, nil, func(key, value []byte) bool {
		switch {
		case string(key) == string(rowTime) && len(value) == 8:
			a.now = int64(binary.LittleEndian.Uint64(value))
			a.saved = a.now
		case len(key) == 9 && key[0] == rowPane:
			starts = append(starts, int64(binary.BigEndian.Uint64(key[1:])^1<<63))
		default:
			bad = fmt.Errorf("stream: state row %x of an aggregate", key)
		}
		return bad == nil
	})
	if err == nil {
		err = bad
	}
	for _, s := range starts {
		if err == nil {
			err = a.loadPane(r, a.newPane(s))
		}
	}
	return err
}

func (a *aggregate) loadPane(r Reader, p *pane) error {
	err := loadTable(r, p.space, p.tab)
	for _, c := range a.aggs {
		if err == nil {
			err = c.load(r, p.start)
		}
	}
	return err
}

func (a *aggregate) bytes() (n int64) {
	for _, p := range a.order {
		n += p.tab.Bytes()
	}
	return n
}
