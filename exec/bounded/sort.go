package bounded

import (
	"io"
	"slices"

	"github.com/weirdb/weir/exec/eval"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
)

// order is how rows are sorted by some columns.
type order struct {
	desc, nullsFirst []bool
}

func orderOf(keys []plan.SortKey) (order, []plan.Expr) {
	var o order
	var exprs []plan.Expr
	for _, k := range keys {
		o.desc, o.nullsFirst = append(o.desc, k.Desc), append(o.nullsFirst, k.NullsFirst)
		exprs = append(exprs, k.X)
	}
	return o, exprs
}

// compare orders rows i and j of the columns.
func (o order) compare(cols []*vec.Vec, i, j int32) int { return o.between(cols, i, cols, j) }

// between orders row i of some columns against row j of others.
func (o order) between(a []*vec.Vec, i int32, b []*vec.Vec, j int32) int {
	for k, c := range a {
		e := b[k]
		d := 0
		in, jn := c.Null(int(i)), e.Null(int(j))
		switch {
		case in && jn:
			continue
		case in != jn:
			if in == o.nullsFirst[k] {
				return -1
			}
			return 1
		case c.Type.Layout() == vec.InInts:
			if x, y := c.Int(int(i)), e.Int(int(j)); x < y {
				d = -1
			} else if x > y {
				d = 1
			}
		default:
			d = vec.CompareRows(c, int(i), e, int(j))
		}
		if d != 0 {
			if o.desc[k] {
				return -d
			}
			return d
		}
	}
	return 0
}

// sorted returns the numbers of n rows in order; equal rows keep theirs.
func (o order) sorted(cols []*vec.Vec, n int) []int32 {
	rows := make([]int32, n)
	for i := range rows {
		rows[i] = int32(i)
	}
	slices.SortFunc(rows, func(i, j int32) int {
		if d := o.compare(cols, i, j); d != 0 {
			return d
		}
		return int(i - j)
	})
	return rows
}

// sorter reads all its input and gives it in order. With top it keeps only so
// many first rows, and drops the others now and then.
type sorter struct {
	in    Rows
	order order
	keys  []*eval.Evaluator
	width int // columns of the input, before the keys in the store
	rows  *store
	top   int64 // -1: all
	// bounded: the first top rows of the store are in order and the first of all
	// rows so far, so that rows behind them need not be kept.
	bounded bool
	sel     []uint16
	ready   bool
	list    []int32
	out     vec.Batch
}

func newSorter(q *query, n *plan.Sort, in Rows, env *eval.Env) (Rows, error) {
	s := &sorter{in: in}
	var exprs []plan.Expr
	s.order, exprs = orderOf(n.Keys)
	var err error
	if s.keys, err = compileAll(exprs, env); err != nil {
		return nil, err
	}
	if s.top, err = count(n.Top, env, "2201W", "LIMIT must not be negative"); err != nil {
		return nil, err
	}
	if s.top > 1<<30 {
		s.top = -1 // as good as all, and Limit counts anyway
	}
	var types []vec.Type
	for _, c := range n.In.Columns() {
		types = append(types, c.Type)
	}
	s.width = len(types)
	for _, e := range exprs {
		types = append(types, e.Type())
	}
	s.rows = newStore(q, types)
	return s, nil
}

func (s *sorter) Next() (*vec.Batch, error) {
	if !s.ready {
		if err := s.read(); err != nil {
			return nil, err
		}
		s.ready = true
	}
	if len(s.list) == 0 {
		return nil, io.EOF
	}
	part := s.list[:min(len(s.list), vec.MaxRows)]
	s.list = s.list[len(part):]
	resize(&s.out, s.width)
	for i := range s.width {
		gather(s.out.Cols[i], s.rows.cols[i], part)
	}
	s.out.N = len(part)
	return &s.out, nil
}

func (s *sorter) read() error {
	all := make([]*vec.Vec, s.width+len(s.keys))
	// prune is how many rows may gather before those beyond top are dropped.
	prune := 2*s.top + 4*vec.MaxRows
	err := each(s.in, func(b *vec.Batch) error {
		rows := b.Selected()
		copy(all, b.Cols)
		if err := evalAll(s.keys, b, rows, all[s.width:]); err != nil {
			return err
		}
		if s.bounded {
			rows = s.below(all[s.width:], rows)
		}
		if err := s.rows.add(all, rows); err != nil {
			return err
		}
		if s.top < 0 || int64(s.rows.n) <= prune {
			return nil
		}
		s.bounded = s.top > 0
		return s.rows.keep(s.first())
	})
	if err != nil {
		return err
	}
	s.list = s.first()
	return nil
}

// below leaves those of the rows listed that come before the last of the rows
// that are known to be the first so many.
func (s *sorter) below(keys []*vec.Vec, rows []uint16) []uint16 {
	s.sel = s.sel[:0]
	kept, last := s.rows.cols[s.width:], int32(s.top-1)
	for _, r := range rows {
		if s.order.between(keys, int32(r), kept, last) < 0 {
			s.sel = append(s.sel, r)
		}
	}
	return s.sel
}

// first returns the rows that are kept, in order.
func (s *sorter) first() []int32 {
	list := s.order.sorted(s.rows.cols[s.width:], s.rows.n)
	if s.top >= 0 && int64(len(list)) > s.top {
		list = list[:s.top]
	}
	return list
}

func (s *sorter) Close() error {
	s.rows.drop()
	return s.in.Close()
}
