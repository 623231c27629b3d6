package stream

import (
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
)

// project computes a column per expression. Plain columns are shared with the
// input, not copied.
type project struct {
	stateless
	exprs []*Expr
	out   Output
	view  vec.Batch
	cols  []*vec.Vec
}

func newProject(n *plan.Project, env *Env, out Output) (*project, error) {
	p := &project{out: out, cols: make([]*vec.Vec, len(n.Exprs))}
	for _, e := range n.Exprs {
		x, err := env.Expr(e)
		if err != nil {
			return nil, err
		}
		p.exprs = append(p.exprs, x)
	}
	return p, nil
}

func (p *project) process(_ int, b *vec.Batch) error {
	for i, x := range p.exprs {
		c, err := x.Eval(b)
		if err != nil {
			return err
		}
		p.cols[i] = c
	}
	p.view = *b
	p.view.Cols = p.cols
	return p.out(&p.view)
}
