package bounded

import (
	"io"
	"slices"

	"github.com/weirdb/weir/exec/eval"
	"github.com/weirdb/weir/exec/table"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
)

// setOp combines two inputs. For UNION all rows of both pass, without ALL those
// that have not passed yet. For INTERSECT and EXCEPT the right side is counted
// first and decides over the left side's rows.
type setOp struct {
	op     plan.SetOpKind
	all    bool
	l, r   Rows
	rows   *table.Table // words: count on the right side, whether it passed
	read   bool         // the right side is counted
	onR    bool         // UNION: the left side is at its end
	groups []uint32
	sel    []uint16
	out    vec.Batch
	account
}

func (q *query) setOp(n *plan.SetOp, env *eval.Env) (Rows, error) {
	l, err := q.build(n.L, env)
	if err != nil {
		return nil, err
	}
	r, err := q.build(n.R, env)
	if err != nil {
		return nil, closing(l, err)
	}
	conf := table.Config{Words: 2}
	for _, c := range n.Columns() {
		conf.Keys = append(conf.Keys, c.Type)
	}
	return &setOp{op: n.Op, all: n.All, l: l, r: r, rows: table.New(conf), account: account{of: &q.memory}}, nil
}

func (s *setOp) Next() (*vec.Batch, error) {
	if s.op != plan.Union && !s.read {
		if err := each(s.r, s.count); err != nil {
			return nil, err
		}
		s.read = true
	}
	for {
		b, err := s.next()
		if err != nil {
			return nil, err
		}
		if s.op == plan.Union && s.all {
			return b, nil
		}
		rows := b.Selected()
		s.groups = slices.Grow(s.groups[:0], len(rows))[:len(rows)]
		s.rows.Groups(b.Cols, rows, s.groups)
		if err := s.set(s.rows.Bytes()); err != nil {
			return nil, err
		}
		s.sel = s.sel[:0]
		for k, r := range rows {
			if s.passes(s.rows.Words(s.groups[k])) {
				s.sel = append(s.sel, r)
			}
		}
		if len(s.sel) > 0 {
			s.out = *b
			s.out.Sel = s.sel
			return &s.out, nil
		}
	}
}

// next reads the side that passes rows.
func (s *setOp) next() (*vec.Batch, error) {
	if s.onR {
		return s.r.Next()
	}
	b, err := s.l.Next()
	if err == io.EOF && s.op == plan.Union {
		s.onR = true
		return s.r.Next()
	}
	return b, err
}

func (s *setOp) count(b *vec.Batch) error {
	rows := b.Selected()
	s.groups = slices.Grow(s.groups[:0], len(rows))[:len(rows)]
	s.rows.Groups(b.Cols, rows, s.groups)
	for _, g := range s.groups {
		s.rows.Words(g)[0]++
	}
	return s.set(s.rows.Bytes())
}

// passes tells whether one more row of the left side with these words comes out,
// and notes that it came.
func (s *setOp) passes(w []int64) bool {
	right := w[0] > 0
	if s.all {
		if right {
			w[0]--
		}
		return right == (s.op == plan.Intersect)
	}
	before := w[1]
	w[1] = 1
	return before == 0 && (s.op == plan.Union || right == (s.op == plan.Intersect))
}

func (s *setOp) Close() error {
	s.release()
	err := s.l.Close()
	if err2 := s.r.Close(); err == nil {
		err = err2
	}
	return err
}
