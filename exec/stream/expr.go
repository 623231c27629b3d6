package stream

import (
	"fmt"

	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
)

// An Expr is a compiled expression. It belongs to the goroutine of its chain.
type Expr struct {
	col   int
	konst *vec.Vec
}

// Expr compiles an expression over the columns of batches.
func (env *Env) Expr(e plan.Expr) (*Expr, error) {
	switch e := e.(type) {
	case *plan.Col:
		return &Expr{col: e.Index}, nil
	case *plan.Const:
		return &Expr{konst: vec.ConstOf(e.T, e.Value)}, nil
	}
	return nil, fmt.Errorf("stream: expression %s", e)
}

// Eval computes the expression for the selected rows of b. The column is valid
// until the next call, or as long as b if it is one of b's.
func (x *Expr) Eval(b *vec.Batch) (*vec.Vec, error) {
	if x.konst != nil {
		return x.konst, nil
	}
	return b.Cols[x.col], nil
}

// A predicate is a compiled condition.
type predicate struct {
	x   *Expr
	sel []uint16
}

func (env *Env) predicate(e plan.Expr) (*predicate, error) {
	x, err := env.Expr(e)
	if err != nil {
		return nil, err
	}
	return &predicate{x: x}, nil
}

// test returns the selected rows of b for which the condition is true. The
// slice is valid until the next call.
func (p *predicate) test(b *vec.Batch) ([]uint16, error) {
	c, err := p.x.Eval(b)
	if err != nil {
		return nil, err
	}
	p.sel = p.sel[:0]
	for _, r := range b.Selected() {
		i := c.Row(int(r))
		if c.Ints[i] != 0 && !c.Nulls.Has(i) {
			p.sel = append(p.sel, r)
		}
	}
	return p.sel, nil
}
