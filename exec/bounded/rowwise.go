package bounded

import (
	"io"

	"github.com/weirdb/weir/exec/eval"
	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
)

// values is a list of rows.
type values struct {
	q   *query
	env *eval.Env
	n   *plan.Values
	at  int
	out vec.Batch
}

func (v *values) Next() (*vec.Batch, error) {
	if err := v.q.ctx.Err(); err != nil {
		return nil, err
	}
	rows := v.n.Rows[v.at:]
	if len(rows) == 0 {
		return nil, io.EOF
	}
	rows = rows[:min(len(rows), vec.MaxRows)]
	v.at += len(rows)
	resize(&v.out, len(v.n.Cols))
	v.out.N = len(rows)
	for j, c := range v.n.Cols {
		v.out.Cols[j].Reset(c.Type, len(rows))
	}
	for i, row := range rows {
		for j, e := range row {
			x, err := eval.Const(e, v.env)
			if err != nil {
				return nil, err
			}
			v.out.Cols[j].Set(i, x)
		}
	}
	return &v.out, nil
}

func (*values) Close() error { return nil }

// resize gives b that many columns of its own.
func resize(b *vec.Batch, cols int) {
	for len(b.Cols) < cols {
		b.Cols = append(b.Cols, &vec.Vec{})
	}
}

// filter passes the rows for which a condition is true.
type filter struct {
	in   Rows
	cond *eval.Evaluator
	out  vec.Batch
}

func newFilter(n *plan.Filter, in Rows, env *eval.Env) (Rows, error) {
	cond, err := eval.Compile(n.Cond, env)
	return &filter{in: in, cond: cond}, err
}

func (f *filter) Next() (*vec.Batch, error) {
	for {
		b, err := f.in.Next()
		if err != nil {
			return nil, err
		}
		sel, err := f.cond.Select(b, b.Selected())
		if err != nil {
			return nil, err
		}
		if len(sel) > 0 {
			f.out = *b
			f.out.Sel = sel
			return &f.out, nil
		}
	}
}

func (f *filter) Close() error { return f.in.Close() }

// project computes a column per expression.
type project struct {
	in    Rows
	exprs []*eval.Evaluator
	cols  []*vec.Vec
	out   vec.Batch
}

func newProject(n *plan.Project, in Rows, env *eval.Env) (Rows, error) {
	exprs, err := compileAll(n.Exprs, env)
	return &project{in: in, exprs: exprs, cols: make([]*vec.Vec, len(exprs))}, err
}

func (p *project) Next() (*vec.Batch, error) {
	b, err := p.in.Next()
	if err != nil {
		return nil, err
	}
	if err := evalAll(p.exprs, b, b.Selected(), p.cols); err != nil {
		return nil, err
	}
	p.out = *b
	p.out.Cols = p.cols
	return &p.out, nil
}

func (p *project) Close() error { return p.in.Close() }

// limit passes some rows.
type limit struct {
	in         Rows
	skip, left int64 // left < 0: all
	out        vec.Batch
}

func newLimit(n *plan.Limit, in Rows, env *eval.Env) (Rows, error) {
	l := &limit{in: in, left: -1}
	var err error
	if l.left, err = count(n.N, env, "2201W", "LIMIT must not be negative"); err != nil {
		return nil, err
	}
	if l.skip, err = count(n.Offset, env, "2201X", "OFFSET must not be negative"); err != nil {
		return nil, err
	}
	l.skip = max(l.skip, 0)
	return l, nil
}

// count computes a number of rows; -1 is none given.
func count(e plan.Expr, env *eval.Env, code, negative string) (int64, error) {
	if e == nil {
		return -1, nil
	}
	x, err := eval.Const(e, env)
	if err != nil || x == nil {
		return -1, err
	}
	n, ok := x.(int64)
	switch {
	case !ok:
		return -1, pgerr.Newf(pgerr.DatatypeMismatch, "a number of rows must be of type bigint, not %s", e.Type())
	case n < 0:
		return -1, pgerr.Newf(code, "%s", negative)
	}
	return n, nil
}

func (l *limit) Next() (*vec.Batch, error) {
	for l.left != 0 {
		b, err := l.in.Next()
		if err != nil {
			return nil, err
		}
		sel := b.Selected()
		if int64(len(sel)) <= l.skip {
			l.skip -= int64(len(sel))
			continue
		}
		sel = sel[l.skip:]
		l.skip = 0
		if l.left >= 0 {
			sel = sel[:min(int64(len(sel)), l.left)]
			l.left -= int64(len(sel))
		}
		l.out = *b
		l.out.Sel = sel
		return &l.out, nil
	}
	return nil, io.EOF
}

func (l *limit) Close() error { return l.in.Close() }
