package bounded

import (
	"io"

	"github.com/weirdb/weir/exec/eval"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
)

// apply runs its right side for every row of its left side (LATERAL).
type apply struct {
	q    *query
	n    *plan.Apply
	l    Rows
	env  *eval.Env // of this node
	in   eval.Env  // of the right side
	on   *eval.Evaluator
	left int // columns of the left side

	b      *vec.Batch
	at     int  // into the selected rows of b
	r      Rows // for that row; nil: not begun
	before int  // subqueries that there were before r
	found  bool // the row has a partner
	out    vec.Batch
}

func newApply(q *query, n *plan.Apply, l Rows, env *eval.Env) (Rows, error) {
	a := &apply{q: q, n: n, l: l, env: env, in: *env, left: len(n.L.Columns())}
	var err error
	a.on, err = compileMaybe(n.On, env)
	return a, err
}

func (a *apply) Next() (*vec.Batch, error) {
	for {
		if err := a.q.ctx.Err(); err != nil {
			return nil, err
		}
		if a.b == nil {
			b, err := a.l.Next()
			if err != nil {
				return nil, err
			}
			a.b, a.at = b, 0
		}
		if a.at == a.b.Len() {
			a.b = nil
			continue
		}
		row := a.b.Row(a.at)
		if a.r == nil {
			a.found = false
			a.in.Outer = &eval.Outer{Batch: a.b, Row: row, Up: a.env.Outer}
			a.before = len(a.q.subqueries)
			var err error
			if a.r, err = a.q.build(a.n.R, &a.in); err != nil {
				return nil, err
			}
		}
		b, err := a.r.Next()
		switch {
		case err == io.EOF:
			r := a.r
			a.r = nil
			a.at++
			a.q.forget(a.before)
			if err := r.Close(); err != nil {
				return nil, err
			}
			if !a.found && a.n.Kind == plan.LeftJoin {
				return a.lone(row), nil
			}
		case err != nil:
			return nil, err
		default:
			a.pair(row, b)
			if a.on != nil {
				if a.out.Sel, err = a.on.Select(&a.out, a.out.Selected()); err != nil {
					return nil, err
				}
				if len(a.out.Sel) == 0 {
					continue
				}
			}
			a.found = true
			return &a.out, nil
		}
	}
}

// begin makes the columns of the left side: one row for all.
func (a *apply) begin(row int) {
	resize(&a.out, a.left)
	for i := range a.left {
		c := a.out.Cols[i]
		c.Reset(a.b.Cols[i].Type, 1)
		c.CopyRow(0, a.b.Cols[i], row)
		c.Const = true
	}
	a.out.Cols = a.out.Cols[:a.left]
}

func (a *apply) pair(row int, b *vec.Batch) {
	a.begin(row)
	a.out.Cols = append(a.out.Cols, b.Cols...)
	a.out.N, a.out.Sel = b.N, b.Sel
}

// lone is a row of the left side with nulls for the right side.
func (a *apply) lone(row int) *vec.Batch {
	a.begin(row)
	for _, c := range a.n.R.Columns() {
		a.out.Cols = append(a.out.Cols, vec.ConstOf(c.Type, nil))
	}
	a.out.N, a.out.Sel = 1, nil
	return &a.out
}

func (a *apply) Close() error {
	err := a.l.Close()
	if a.r != nil {
		if err2 := a.r.Close(); err == nil {
			err = err2
		}
		a.r = nil
	}
	return err
}
