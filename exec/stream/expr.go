package stream

import (
	"github.com/weirdb/weir/exec/eval"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
)

// An Expr is a compiled expression. It belongs to the goroutine of its chain. A
// row for which it has no value is reported (Env.Report), and the value is null.
type Expr struct {
	env *Env
	ev  *eval.Evaluator
}

// Expr compiles an expression over the columns of batches.
func (env *Env) Expr(e plan.Expr) (*Expr, error) {
	ev, err := eval.Compile(e, env.evalEnv())
	if err != nil {
		return nil, err
	}
	return &Expr{env, ev}, nil
}

func (env *Env) evalEnv() *eval.Env {
	if env.eval == nil {
		env.eval = &eval.Env{Ctx: env.Ctx, Params: env.Params, Report: env.fail}
	}
	return env.eval
}

// fail reports a row of the batch that is worked on.
func (env *Env) fail(row int, err error) {
	if env.Report != nil && env.batch != nil && row < env.batch.N {
		env.Report(env.batch, row, err)
	}
}

// Eval computes the expression for the selected rows of b. The column is valid
// until the next call, or as long as b if it is one of b's.
func (x *Expr) Eval(b *vec.Batch) (*vec.Vec, error) {
	x.env.batch = b
	return x.ev.Eval(b, b.Selected())
}

// choose returns the selected rows of b for which the expression, a condition,
// is true. The slice is valid until the next call.
func (x *Expr) choose(b *vec.Batch) ([]uint16, error) {
	x.env.batch = b
	return x.ev.Select(b, b.Selected())
}
