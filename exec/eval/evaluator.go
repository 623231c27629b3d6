package eval

import (
	"errors"

	"github.com/weirdb/weir/internal/fn"
	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
)

// Env is what expressions see of the execution they belong to. It is shared by
// the evaluators that are compiled with it, and is of one goroutine.
type Env struct {
	// Ctx is what functions may know. Its Fail is not used: see Report. Now may
	// change between batches.
	Ctx fn.Ctx
	// Params are the values of $1, $2, ...
	Params []vec.Value
	// Outer is the row of the query around this one; nil if there is none. It may
	// change between batches.
	Outer *Outer
	// Queries runs subqueries; nil: there can be none.
	Queries Queries
	// Report is told of every row that an expression has no value for (division
	// by zero, a bad cast); the value is null then. If it is nil, the first such
	// row is the error of the Eval or Select.
	Report func(row int, err error)
}

// param returns the value of a parameter.
func (env *Env) param(p *plan.Param) (vec.Value, error) {
	if p.N < 1 || p.N > len(env.Params) {
		return nil, pgerr.Newf(pgerr.UndefinedParameter, "there is no parameter $%d", p.N)
	}
	return env.Params[p.N-1], nil
}

// Outer is a row of an enclosing query.
type Outer struct {
	Batch *vec.Batch
	Row   int
	Up    *Outer // of the query around that one
}

// at returns the row level queries further out.
func (o *Outer) at(level int) *Outer {
	for ; level > 0 && o != nil; level-- {
		o = o.Up
	}
	return o
}

// An Evaluator is a compiled expression. It is used by one goroutine.
type Evaluator struct {
	root node
	run  *run
}

// Compile prepares an expression. Types have been checked by whoever bound it.
func Compile(e plan.Expr, env *Env) (*Evaluator, error) {
	ev := &Evaluator{run: &run{}}
	ev.run.init(env)
	c := compiler{env: env, run: ev.run}
	var err error
	ev.root, err = c.compile(e)
	return ev, err
}

// Const returns the value of an expression that needs no row, such as a LIMIT.
func Const(e plan.Expr, env *Env) (vec.Value, error) {
	switch e := e.(type) {
	case *plan.Const:
		return e.Value, nil
	case *plan.Param:
		return env.param(e)
	}
	ev, err := Compile(e, env)
	if err != nil {
		return nil, err
	}
	v, err := ev.Eval(&vec.Batch{N: 1}, vec.Identity(1))
	if err != nil {
		return nil, err
	}
	return v.Get(0), nil
}

// Eval computes the expression for the rows listed; other rows of the result are
// unspecified. The result may be a constant column, or one of b's. It is valid
// until the next call, and must not be changed.
func (ev *Evaluator) Eval(b *vec.Batch, rows []uint16) (*vec.Vec, error) {
	if col, ok := ev.root.(*column); ok {
		return b.Cols[col.index], nil
	}
	ev.run.begin()
	return eval(ev.root, ev.run, b, rows), ev.run.err
}

// Select returns those of the rows listed for which the expression, a condition,
// is true. The result is valid until the next call, and must not be changed.
func (ev *Evaluator) Select(b *vec.Batch, rows []uint16) ([]uint16, error) {
	ev.run.begin()
	return choose(ev.root, ev.run, b, rows), ev.run.err
}

// A node computes one expression.
type node interface {
	// eval is called with one row at least.
	eval(x *run, b *vec.Batch, rows []uint16) *vec.Vec
	// scratch is where a column without rows may be made.
	scratch() *vec.Vec
}

// A chooser is a node that can tell where it is true better than by eval. What
// it returns is its own or rows.
type chooser interface {
	choose(x *run, b *vec.Batch, rows []uint16) []uint16
}

// eval keeps nodes from being asked for nothing: constant operands would be
// computed (and could fail) though no row reaches them.
func eval(n node, x *run, b *vec.Batch, rows []uint16) *vec.Vec {
	if len(rows) == 0 {
		out := n.scratch()
		if !out.Const {
			out.Reset(out.Type, b.N)
		}
		return out
	}
	return n.eval(x, b, rows)
}

func choose(n node, x *run, b *vec.Batch, rows []uint16) []uint16 {
	if len(rows) == 0 {
		return nil
	}
	if c, ok := n.(chooser); ok {
		return c.choose(x, b, rows)
	}
	v := n.eval(x, b, rows)
	return truths(v, rows, x.selection(len(rows)))
}

// truths appends to dst those of rows where v is true.
func truths(v *vec.Vec, rows, dst []uint16) []uint16 {
	if v.Const {
		if v.Nulls.Has(0) || v.Ints[0] == 0 {
			return dst[:0]
		}
		return rows
	}
	ints := v.Ints
	if v.Nulls == nil {
		n := len(dst)
		dst = dst[:n+len(rows)]
		for _, r := range rows {
			dst[n] = r
			if ints[r] != 0 {
				n++
			}
		}
		return dst[:n]
	}
	for _, r := range rows {
		if ints[r] != 0 && !v.Nulls.Has(int(r)) {
			dst = append(dst, r)
		}
	}
	return dst
}

// run is the state of an evaluator while it runs.
type run struct {
	env *Env
	ctx fn.Ctx
	err error

	at      *call    // whose kernel runs
	whole   []uint16 // set while a kernel computes one value for all these rows
	outside int      // in a lambda: the row that it is computed for; -1 otherwise

	selections [][]uint16 // handed out to nodes without one of their own
	used       int
}

func (x *run) init(env *Env) {
	x.env, x.ctx, x.outside = env, env.Ctx, -1
	x.ctx.Fail = x.fail
}

func (x *run) begin() {
	x.err, x.used = nil, 0
	x.ctx.Now = x.env.Ctx.Now
}

// selection returns an empty list with room for n rows, valid during this run.
func (x *run) selection(n int) []uint16 {
	if x.used == len(x.selections) {
		x.selections = append(x.selections, make([]uint16, 0, vec.MaxRows))
	}
	if cap(x.selections[x.used]) < n {
		x.selections[x.used] = make([]uint16, 0, n)
	}
	s := x.selections[x.used]
	x.used++
	return s[:0]
}

// fail is what kernels call for a row without a value.
func (x *run) fail(row int, err error) {
	if x.at != nil {
		err = x.at.locate(err)
	}
	if x.env.Report == nil {
		if x.err == nil {
			x.err = err
		}
		return
	}
	switch {
	case x.outside >= 0:
		x.env.Report(x.outside, err)
	case x.whole != nil:
		for _, r := range x.whole {
			x.env.Report(int(r), err)
		}
	default:
		x.env.Report(row, err)
	}
}

// locate adds the place of the call to an error about a literal. As in
// PostgreSQL other errors of rows have no place: it would say nothing of the row.
func (c *call) locate(err error) error {
	if !c.literal {
		return err
	}
	e, ok := errors.AsType[*pgerr.Error](err)
	if !ok || e.Pos != 0 {
		return err
	}
	at := *e
	return at.At(c.pos)
}
