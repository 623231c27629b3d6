package stream

import (
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
)

// filter passes the rows for which its condition is true.
type filter struct {
	stateless
	cond  *Expr
	table bool // rows change a table: keep its changes consistent
	old   bool // the consumer wants UpdateBefore rows
	out   Output

	sel  []uint16
	ops  []vec.Op
	pass []bool
	view vec.Batch
}

func newFilter(n *plan.Filter, env *Env, old bool, out Output) (*filter, error) {
	cond, err := env.Expr(n.Cond)
	if err != nil {
		return nil, err
	}
	return &filter{cond: cond, table: n.Table, old: old, out: out}, nil
}

func (f *filter) process(_ int, b *vec.Batch) error {
	if f.table && b.Ops != nil {
		return f.change(b)
	}
	sel := b.Selected()
	if b.Ops != nil && !f.table {
		// A NULL value has no columns to ask: WHERE drops the record.
		f.sel = f.sel[:0]
		for _, r := range sel {
			if b.Ops[r] != vec.Delete {
				f.sel = append(f.sel, r)
			}
		}
		if sel = f.sel; len(sel) == 0 {
			return nil
		}
	}
	f.view = *b
	f.view.Sel = sel
	kept, err := f.cond.choose(&f.view)
	if err != nil || len(kept) == 0 {
		return err
	}
	f.view.Sel = kept
	return f.out(&f.view)
}

// change filters changes of a table: an update that enters or leaves what
// passes becomes an insert or a delete, and a delete passes iff the row had
// passed. What the row was before is told by UpdateBefore and Delete rows, so
// the condition is asked of those too.
func (f *filter) change(b *vec.Batch) error {
	kept, err := f.cond.choose(b)
	if err != nil {
		return err
	}
	f.pass = sized(f.pass, b.N)
	clear(f.pass)
	for _, r := range kept {
		f.pass[r] = true
	}
	f.ops = append(f.ops[:0], b.Ops...)
	f.sel = f.sel[:0]
	sel := b.Selected()
	for i := 0; i < len(sel); i++ {
		r := sel[i]
		if b.Ops[r] != vec.UpdateBefore || i+1 == len(sel) {
			if f.pass[r] {
				f.sel = append(f.sel, r)
			}
			continue
		}
		next := sel[i+1]
		i++
		switch {
		case f.pass[r] && f.pass[next]:
			if f.old {
				f.sel = append(f.sel, r)
			}
			f.sel = append(f.sel, next)
		case f.pass[next]:
			f.ops[next] = vec.Insert
			f.sel = append(f.sel, next)
		case f.pass[r]:
			f.ops[r] = vec.Delete
			f.sel = append(f.sel, r)
		}
	}
	if len(f.sel) == 0 {
		return nil
	}
	f.view = *b
	f.view.Sel, f.view.Ops = f.sel, f.ops
	return f.out(&f.view)
}

// sized returns s with length n; what it holds is not specified.
func sized[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n, max(n, vec.MaxRows))
	}
	return s[:n]
}
