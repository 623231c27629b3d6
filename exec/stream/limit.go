package stream

import (
	"errors"

	"github.com/weirdb/weir/exec/eval"
	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
)

// ErrDone is what Process returns when a LIMIT has been reached: the output is
// complete.
var ErrDone = errors.New("stream: the limit was reached")

// limit passes so many rows and ends the query. Old rows of updates do not count.
type limit struct {
	stateless
	skip, left int64
	out        Output
	view       vec.Batch
	sel        []uint16
}

func newLimit(n *plan.Limit, env *Env, out Output) (*limit, error) {
	l := &limit{left: -1, out: out}
	for _, x := range []struct {
		e   plan.Expr
		dst *int64
	}{{n.N, &l.left}, {n.Offset, &l.skip}} {
		if x.e == nil {
			continue
		}
		v, err := eval.Const(x.e, &eval.Env{Ctx: env.Ctx, Params: env.Params})
		if err != nil {
			return nil, err
		}
		if v == nil {
			continue
		}
		i, ok := v.(int64)
		if !ok || i < 0 {
			return nil, pgerr.Newf("2201W", "LIMIT must not be negative")
		}
		*x.dst = i
	}
	return l, nil
}

func (l *limit) process(_ int, b *vec.Batch) error {
	l.sel = l.sel[:0]
	for _, r := range b.Selected() {
		if l.left == 0 {
			break
		}
		old := b.Op(int(r)) == vec.UpdateBefore
		if l.skip > 0 {
			if !old {
				l.skip--
			}
			continue
		}
		l.sel = append(l.sel, r)
		if !old && l.left > 0 {
			l.left--
		}
	}
	if len(l.sel) > 0 {
		l.view = *b
		l.view.Sel = l.sel
		if err := l.out(&l.view); err != nil {
			return err
		}
	}
	if l.left == 0 {
		return ErrDone
	}
	return nil
}
