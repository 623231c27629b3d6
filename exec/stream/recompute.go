package stream

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/weirdb/weir/exec/bounded"
	"github.com/weirdb/weir/exec/table"
	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
	"github.com/weirdb/weir/storage"
)

// recompute keeps its inputs whole and runs a bounded query over them at the end of
// every step that changed one; its output is what the result differs by from the
// one before. It costs a run of the query for each step, so it is for queries that
// the other operators cannot keep up to date. A query that fails (a division by
// zero in some row) fails the task: there is no result to show.
type recompute struct {
	env    *Env
	query  plan.Node
	scans  map[*plan.Scan]int // to the input that each stands for
	ins    []*multiset
	result *multiset
	res    *changes
	dirty  bool
	time   int64 // largest event time of the step
}

func newRecompute(n *plan.Recompute, c *Chain, out Output) (*recompute, error) {
	r := &recompute{env: c.env, query: n.Query, scans: map[*plan.Scan]int{}, res: newChanges(columnTypes(n), out)}
	for i, s := range plan.Scans(n.Query) {
		r.scans[s] = i
	}
	if len(r.scans) != len(n.Ins) {
		return nil, fmt.Errorf("stream: %d inputs for %d scans", len(n.Ins), len(r.scans))
	}
	for _, in := range n.Ins {
		r.ins = append(r.ins, newMultiset(c, columnTypes(in)))
	}
	r.result = newMultiset(c, columnTypes(n.Query))
	return r, nil
}

func (r *recompute) process(side int, b *vec.Batch) error {
	in, rows := r.ins[side], b.Selected()
	for k, g := range in.find(b.Cols, rows) {
		row := int(rows[k])
		sign := int64(1)
		if op := b.Op(row); op == vec.Delete || op == vec.UpdateBefore {
			sign = -1
		}
		in.tab.Words(g)[rowCount] += sign
		r.time = max(r.time, b.Time[row])
	}
	r.dirty = r.dirty || len(rows) > 0
	return nil
}

func (r *recompute) flush() error {
	if !r.dirty {
		return nil
	}
	r.dirty = false
	rows, err := bounded.Run(context.Background(), r.query, bounded.Env{Ctx: r.env.Ctx, Params: r.env.Params, Sources: r})
	if err != nil {
		return err
	}
	for {
		b, err := rows.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			_ = rows.Close() // err is the cause
			return err
		}
		for _, g := range r.result.find(b.Cols, b.Selected()) {
			r.result.tab.Words(g)[rowFound]++
		}
	}
	if err := rows.Close(); err != nil {
		return err
	}
	return r.difference()
}

// difference puts out what the result found is different from the one before: what
// is gone first.
func (r *recompute) difference() error {
	for _, op := range []vec.Op{vec.Delete, vec.Insert} {
		for g := range r.result.tab.All() {
			w := r.result.tab.Words(g)
			from, to := w[rowFound], w[rowCount]
			if op == vec.Insert {
				from, to = to, from
			}
			for i := from; i < to; i++ {
				if err := r.emit(op, g, i); err != nil {
					return err
				}
			}
		}
	}
	for g := range r.result.tab.All() {
		w := r.result.tab.Words(g)
		if w[rowCount] != w[rowFound] {
			r.result.touch(g)
		}
		w[rowCount], w[rowFound] = w[rowFound], 0
	}
	return r.res.emit()
}

// emit puts out copy n of a row of the result. What tells it apart is a digest of
// the row, so that its size does not depend on the row's, and n.
func (r *recompute) emit(op vec.Op, g uint32, n int64) error {
	if err := r.res.room(1); err != nil {
		return err
	}
	i := r.res.add(op, r.time, nil, 0)
	row := r.result.row(g)
	width := len(r.res.batch.Cols) - 1
	if err := setRow(r.res.batch.Cols[:width], i, row); err != nil {
		return err
	}
	sum := sha256.Sum256(row)
	r.res.batch.Cols[width].SetBytes(i, binary.AppendUvarint(sum[:16:16], uint64(n)))
	return nil
}

func (r *recompute) all() []*multiset { return append(r.ins[:len(r.ins):len(r.ins)], r.result) }

func (r *recompute) save(m *storage.Mutations) {
	for _, s := range r.all() {
		s.save(m)
	}
}

func (r *recompute) load(from Reader) error {
	for _, s := range r.all() {
		if err := s.load(from); err != nil {
			return err
		}
	}
	return nil
}

func (r *recompute) bytes() (n int64) {
	for _, s := range r.all() {
		n += s.tab.Bytes()
	}
	return n
}

// Scan implements bounded.Sources.
func (r *recompute) Scan(_ context.Context, s *plan.Scan, _ []vec.Value) (bounded.Rows, error) {
	i, ok := r.scans[s]
	if !ok {
		return nil, fmt.Errorf("stream: scan of %q is no input", s.Name)
	}
	return newKept(r.ins[i]), nil
}

// System implements bounded.Sources.
func (r *recompute) System(context.Context, *plan.SystemScan) (bounded.Rows, error) {
	return nil, pgerr.Newf(pgerr.FeatureNotSupported, "the system catalog cannot be read in a continuous query")
}

// Words of a row of a multiset.
const (
	rowCount = iota // how often the row is there
	rowFound        // how often the run under way found it
	numRow
)

// multiset counts equal rows.
type multiset struct {
	types []vec.Type
	space storage.Space
	tab   *table.Table // by the row's encoding

	rows   *vec.Vec // encodings of the current batch
	groups []uint32
	one    [1]uint32
	shown  *vec.Vec
	key    []byte
	state  []byte
}

func newMultiset(c *Chain, types []vec.Type) *multiset {
	return &multiset{
		types: types, space: storage.OperatorSpaces(c.env.Task, c.operatorID()),
		tab:  table.New(table.Config{Keys: []vec.Type{vec.Of(vec.Bytes)}, Words: numRow}),
		rows: vec.New(vec.Of(vec.Bytes)), shown: vec.New(vec.Of(vec.Bytes)),
	}
}

// find returns the groups of rows of a batch, until the next call.
func (s *multiset) find(cols []*vec.Vec, sel []uint16) []uint32 {
	n := 0
	for _, r := range sel {
		n = max(n, int(r)+1)
	}
	s.rows.Reset(s.rows.Type, n)
	for _, r := range sel {
		at := len(s.rows.Data)
		s.rows.Data = vec.AppendRow(s.rows.Data, cols, int(r))
		s.rows.Close(int(r), at)
	}
	s.groups = sized(s.groups, len(sel))
	s.tab.Groups([]*vec.Vec{s.rows}, sel, s.groups)
	s.tab.Touch(s.groups)
	return s.groups
}

func (s *multiset) touch(g uint32) {
	s.one[0] = g
	s.tab.Touch(s.one[:])
}

// row is the encoding of a group's row, until the next call.
func (s *multiset) row(g uint32) []byte {
	s.one[0] = g
	s.shown.Reset(s.shown.Type, 1)
	s.tab.KeyColumns(s.one[:], []uint16{0}, []*vec.Vec{s.shown})
	return s.shown.Bytes(0)
}

func setRow(cols []*vec.Vec, i int, row []byte) error {
	for _, c := range cols {
		rest, err := c.SetCol(i, row)
		if err != nil {
			return err
		}
		row = rest
	}
	return nil
}

func (s *multiset) save(m *storage.Mutations) {
	for _, g := range s.tab.Dirty() {
		s.key = s.tab.AppendKey(s.key[:0], g)
		if s.tab.Words(g)[rowCount] == 0 {
			m.Delete(s.space, s.key)
			s.tab.Delete(g)
			continue
		}
		s.state = s.tab.AppendState(s.state[:0], g)
		m.Set(s.space, s.key, s.state)
	}
	s.tab.Settle()
}

func (s *multiset) load(r Reader) error {
	if err := loadTable(r, s.space, s.tab); err != nil {
		return err
	}
	for g := range s.tab.All() {
		row := s.row(g)
		for _, t := range s.types {
			rest, err := vec.SkipCol(t, row)
			if err != nil {
				return err
			}
			row = rest
		}
	}
	return nil
}

// kept reads a multiset: every row as often as it is there.
type kept struct {
	set   *multiset
	next  uint32
	left  int64 // copies of row next that are still to come
	begun bool
	batch vec.Batch
}

func newKept(s *multiset) *kept {
	k := &kept{set: s}
	for _, t := range s.types {
		k.batch.Cols = append(k.batch.Cols, vec.New(t))
	}
	k.batch.Time = make([]int64, vec.MaxRows)
	return k
}

// Next implements bounded.Rows.
func (k *kept) Next() (*vec.Batch, error) {
	tab := k.set.tab
	for i, c := range k.batch.Cols {
		c.Reset(k.set.types[i], vec.MaxRows)
	}
	n := 0
	for ; n < vec.MaxRows && k.next < tab.End(); k.next, k.begun = k.next+1, false {
		if !tab.Alive(k.next) {
			continue
		}
		if !k.begun {
			k.left, k.begun = tab.Words(k.next)[rowCount], true
		}
		row := k.set.row(k.next)
		for ; k.left > 0 && n < vec.MaxRows; k.left, n = k.left-1, n+1 {
			if err := setRow(k.batch.Cols, n, row); err != nil {
				return nil, err
			}
		}
		if k.left > 0 {
			break
		}
	}
	if n == 0 {
		return nil, io.EOF
	}
	k.batch.N = n
	return &k.batch, nil
}

// Close implements bounded.Rows.
func (k *kept) Close() error { return nil }
