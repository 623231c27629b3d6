package stream

import (
	"github.com/weirdb/weir/internal/fn"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
)

// unnest computes table functions for every row and appends their columns.
// Several functions are zipped, the shorter ones filled with nulls.
type unnest struct {
	stateless
	env   *Env
	n     *plan.Unnest
	calls []tableCall
	width int // columns of the input
	res   *changes
}

// tableCall is one function of an unnest.
type tableCall struct {
	f     *fn.TableFunc
	args  []*Expr
	types []vec.Type
	cols  []*vec.Vec
	vals  []vec.Value
	rows  [][]vec.Value // of the current row
	at    int           // first column of its output
	end   int
}

func newUnnest(n *plan.Unnest, env *Env, out Output) (*unnest, error) {
	u := &unnest{env: env, n: n, width: len(n.In.Columns())}
	at := u.width
	for _, f := range n.Funcs {
		c := tableCall{f: f.Fn, at: at, cols: make([]*vec.Vec, len(f.Args)), vals: make([]vec.Value, len(f.Args))}
		at += len(f.Cols)
		c.end = at
		for _, a := range f.Args {
			x, err := env.Expr(a)
			if err != nil {
				return nil, err
			}
			c.args = append(c.args, x)
			c.types = append(c.types, a.Type())
		}
		u.calls = append(u.calls, c)
	}
	u.res = newChanges(columnTypes(n), out)
	return u, nil
}

func (u *unnest) process(_ int, b *vec.Batch) error {
	for i := range u.calls {
		c := &u.calls[i]
		for k, x := range c.args {
			v, err := x.Eval(b)
			if err != nil {
				return err
			}
			c.cols[k] = v
		}
	}
	for _, r := range b.Selected() {
		if b.Op(int(r)) == vec.Delete && !u.n.Outer {
			continue // a NULL value has nothing to unnest
		}
		if err := u.row(b, int(r)); err != nil {
			return err
		}
	}
	return u.res.emit()
}

// row puts out the rows that row r of b becomes.
func (u *unnest) row(b *vec.Batch, r int) error {
	longest := 0
	for i := range u.calls {
		c := &u.calls[i]
		for k, v := range c.cols {
			c.vals[k] = v.Get(r)
		}
		c.rows = c.rows[:0]
		err := c.f.Rows(&u.env.Ctx, c.types, c.vals, func(row []vec.Value) bool {
			c.rows = append(c.rows, append([]vec.Value(nil), row...))
			return true
		})
		if err != nil {
			u.env.fail(r, err)
			c.rows = c.rows[:0]
		}
		longest = max(longest, len(c.rows))
	}
	if longest == 0 && u.n.Outer {
		longest = 1
	}
	for k := range longest {
		if err := u.res.room(1); err != nil {
			return err
		}
		i := u.res.add(b.Op(r), b.Time[r], b, r)
		cols := u.res.batch.Cols
		copyRow(cols[:u.width], i, b.Cols, r)
		for _, c := range u.calls {
			out := cols[c.at:c.end]
			if k >= len(c.rows) {
				nullRow(out, i)
				continue
			}
			for j, v := range out {
				v.Set(i, c.rows[k][j])
			}
		}
		if u.n.Ordinality {
			cols[len(cols)-1].Ints[i] = int64(k + 1)
		}
	}
	return nil
}
