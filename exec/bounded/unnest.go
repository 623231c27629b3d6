package bounded

import (
	"iter"

	"github.com/weirdb/weir/exec/eval"
	"github.com/weirdb/weir/internal/fn"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
)

// unnest computes table functions for every row and appends their columns.
type unnest struct {
	q     *query
	n     *plan.Unnest
	in    Rows
	ctx   fn.Ctx
	err   error // of a function
	width int   // columns of the input
	types []vec.Type
	calls []tableCall

	b       *vec.Batch
	at      int // into the selected rows of b
	begun   bool
	ordinal int64 // rows that the current row gave
	rows    []int32
	out     vec.Batch
}

// tableCall is a table function; its rows are pulled one by one.
type tableCall struct {
	f     *fn.TableFunc
	args  []*eval.Evaluator
	vecs  []*vec.Vec
	types []vec.Type
	width int
	next  func() ([]vec.Value, bool)
	stop  func()
	row   []vec.Value
	more  bool
}

func newUnnest(q *query, n *plan.Unnest, in Rows, env *eval.Env) (Rows, error) {
	u := &unnest{q: q, n: n, in: in, ctx: env.Ctx, width: len(n.In.Columns())}
	u.ctx.Fail = func(_ int, err error) { u.fail(err) }
	for _, f := range n.Funcs {
		args, err := compileAll(f.Args, env)
		if err != nil {
			return nil, err
		}
		c := tableCall{f: f.Fn, args: args, vecs: make([]*vec.Vec, len(args)), width: len(f.Cols)}
		for _, a := range f.Args {
			c.types = append(c.types, a.Type())
		}
		u.calls = append(u.calls, c)
	}
	for _, c := range n.Columns() {
		u.types = append(u.types, c.Type)
	}
	return u, nil
}

func (u *unnest) fail(err error) {
	if u.err == nil {
		u.err = err
	}
}

func (u *unnest) Next() (*vec.Batch, error) {
	for {
		if err := u.q.ctx.Err(); err != nil {
			return nil, err
		}
		if u.b == nil {
			b, err := u.in.Next()
			if err != nil {
				return nil, err
			}
			for i := range u.calls {
				if err := evalAll(u.calls[i].args, b, b.Selected(), u.calls[i].vecs); err != nil {
					return nil, err
				}
			}
			u.b, u.at, u.begun = b, 0, false
		}
		b := u.fill()
		if u.err != nil {
			return nil, u.err
		}
		if b != nil {
			return b, nil
		}
	}
}

// fill makes rows until the batch is full or the input's is at its end.
func (u *unnest) fill() *vec.Batch {
	resize(&u.out, len(u.types))
	for i := u.width; i < len(u.types); i++ {
		u.out.Cols[i].Reset(u.types[i], 0)
	}
	u.rows = u.rows[:0]
	for u.at < u.b.Len() && len(u.rows) < vec.MaxRows && u.err == nil {
		row := u.b.Row(u.at)
		if !u.begun {
			u.begin(row)
		}
		if u.emit(row) {
			continue
		}
		if u.ordinal == 0 && u.n.Outer {
			u.append(row)
		}
		u.stop()
		u.at++
		u.begun = false
	}
	for i := range u.width {
		gather(u.out.Cols[i], u.b.Cols[i], u.rows)
	}
	u.out.N, u.out.Sel, u.out.Time = len(u.rows), nil, u.out.Time[:0]
	if u.b.Time != nil {
		for _, r := range u.rows {
			u.out.Time = append(u.out.Time, u.b.Time[r])
		}
	}
	if u.b.Time == nil || len(u.rows) == 0 {
		u.out.Time = nil
	}
	if u.at == u.b.Len() {
		u.b = nil
	}
	if len(u.rows) == 0 {
		return nil
	}
	return &u.out
}

// begin starts the functions for a row of the input.
func (u *unnest) begin(row int) {
	u.begun, u.ordinal = true, 0
	for i := range u.calls {
		c := &u.calls[i]
		args := make([]vec.Value, len(c.vecs))
		for k, v := range c.vecs {
			args[k] = v.Get(row)
		}
		c.more = true
		c.next, c.stop = iter.Pull(func(yield func([]vec.Value) bool) {
			if err := c.f.Rows(&u.ctx, c.types, args, yield); err != nil {
				u.fail(err)
			}
		})
	}
}

// emit appends the next row of the functions and tells whether there was one.
func (u *unnest) emit(row int) bool {
	some := false
	for i := range u.calls {
		c := &u.calls[i]
		c.row = nil
		if c.more {
			c.row, c.more = c.next()
		}
		some = some || c.more
	}
	if !some || u.err != nil {
		return false
	}
	u.ordinal++
	u.append(row)
	return true
}

// append adds a row: of the functions that are at their end it has nulls.
func (u *unnest) append(row int) {
	u.rows = append(u.rows, int32(row))
	at := u.width
	for i := range u.calls {
		c := &u.calls[i]
		for k := range c.width {
			var x vec.Value
			if c.row != nil {
				x = c.row[k]
			}
			u.out.Cols[at].Append(x)
			at++
		}
	}
	if u.n.Ordinality {
		var x vec.Value
		if u.ordinal > 0 {
			x = u.ordinal
		}
		u.out.Cols[at].Append(x)
	}
}

func (u *unnest) stop() {
	for i := range u.calls {
		if c := &u.calls[i]; c.stop != nil {
			c.stop()
			c.next, c.stop, c.row = nil, nil, nil
		}
	}
}

func (u *unnest) Close() error {
	u.stop()
	return u.in.Close()
}
