package stream

import (
	"github.com/weirdb/weir/exec/eval"
	"github.com/weirdb/weir/internal/fn"
	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
	"github.com/weirdb/weir/storage"
)

// Output takes what a chain puts out. The batch is valid during the call.
type Output func(*vec.Batch) error

// Env is what a chain is told of where it runs.
type Env struct {
	// Ctx is the setting of functions. Its Fail is not used: see Report.
	Ctx fn.Ctx
	// Task names the state spaces.
	Task storage.TaskID
	// Every asks for one output per input change, in order. Otherwise changes
	// of a key may be coalesced until Flush.
	Every bool
	// SkipNullKeys leaves rows with a null group key out of groups.
	SkipNullKeys bool
	// Old asks for the old rows of updates (UpdateBefore) in the output.
	Old bool
	// Params are the values of the statement's parameters.
	Params []vec.Value
	// Report is told of rows that an expression could not be computed for and of
	// late rows: the row held at that place of the batch, and why. It may be nil.
	Report func(b *vec.Batch, row int, err error)

	eval  *eval.Env
	batch *vec.Batch // that functions are computed for
}

// ErrLate tells Report that a row came after its window was closed.
var ErrLate = pgerr.Newf("22023", "the window of the record is closed")

// operator is a node of a chain. All methods are called by one goroutine.
type operator interface {
	// process takes a batch on one side: 0, or 1 for the right input of a join.
	process(side int, b *vec.Batch) error
	// flush emits what was held back to be coalesced in this step.
	flush() error
	// save writes the state that changed since the last save.
	save(m *storage.Mutations)
	// load reads back what save wrote.
	load(r Reader) error
	// bytes is about how much memory the state takes.
	bytes() int64
}

// A Reader reads state; *storage.Shard is one.
type Reader interface {
	// Scan calls fn with the keys of space in [lo, hi), in order, until it
	// returns false. hi nil has no end.
	Scan(space storage.Space, lo, hi []byte, fn func(key, value []byte) bool) error
}

// stateless has the methods of an operator without state.
type stateless struct{}

func (stateless) flush() error            { return nil }
func (stateless) save(*storage.Mutations) {}
func (stateless) load(Reader) error       { return nil }
func (stateless) bytes() int64            { return 0 }

// port is where an input enters the tree.
type port struct {
	op   operator // nil: straight to the output
	side int
}

// A Chain runs the operators of one task. The zero value is not usable.
type Chain struct {
	env   *Env
	out   Output
	ports map[int]port
	ops   []operator // inputs before outputs
	ids   uint16     // of stateful operators, given so far
	scans []*plan.Scan
	timed bool
}

// Build makes the operators for the plan below root, whose leaves are Inputs
// (batches for them come in through Process by Index) or Scans (numbered from 0,
// see Scans).
func Build(root plan.Node, env *Env, out Output) (*Chain, error) {
	c := &Chain{env: env, out: out, ports: map[int]port{}}
	env.Ctx.Fail = env.fail
	if err := c.build(root, env.Old || movesKeys(root), func(b *vec.Batch) error { return c.out(b) }, port{}); err != nil {
		return nil, err
	}
	return c, nil
}

// movesKeys tells whether an update in the output may be of rows with different
// keys, so that the old row has to be seen.
func movesKeys(n plan.Node) bool {
	switch n := n.(type) {
	case *plan.Join:
		if n.Shape == plan.Bounded {
			return true
		}
	case *plan.Recompute:
		return true
	}
	for _, in := range n.Inputs() {
		if movesKeys(in) {
			return true
		}
	}
	return false
}

// union puts the rows of two inputs together (UNION ALL).
type union struct {
	stateless
	out Output
}

func (u *union) process(_ int, b *vec.Batch) error { return u.out(b) }

// build makes the operator for n. Its output goes to out; if n is a leaf, its
// batches go to at. old says whether the consumer wants UpdateBefore rows.
func (c *Chain) build(n plan.Node, old bool, out Output, at port) error {
	add := func(op operator, in plan.Node, side int, old bool) error {
		return c.build(in, old, func(b *vec.Batch) error { return op.process(side, b) }, port{op, side})
	}
	var op operator
	var err error
	switch n := n.(type) {
	case *plan.Input:
		c.ports[n.Index] = at
		return nil
	case *plan.Scan:
		c.ports[len(c.scans)] = at
		c.scans = append(c.scans, n)
		return nil
	case *plan.Filter:
		if op, err = newFilter(n, c.env, old, out); err == nil {
			err = add(op, n.In, 0, old || n.Table)
		}
	case *plan.Project:
		if op, err = newProject(n, c.env, out); err == nil {
			err = add(op, n.In, 0, old)
		}
	case *plan.Unnest:
		if op, err = newUnnest(n, c.env, out); err == nil {
			err = add(op, n.In, 0, old)
		}
	case *plan.Limit:
		if op, err = newLimit(n, c.env, out); err == nil {
			err = add(op, n.In, 0, old)
		}
	case *plan.Aggregate:
		return c.buildAggregate(n, old, out)
	case *plan.SetOp:
		if n.Op != plan.Union || !n.All {
			return Unsupported(n)
		}
		u := &union{out: out}
		op = u
		if err = add(op, n.L, 0, old); err == nil {
			err = add(op, n.R, 1, old)
		}
	case *plan.Recompute:
		var r *recompute
		if r, err = newRecompute(n, c, out); err == nil {
			op = r
			for i, in := range n.Ins {
				if err = add(op, in, i, true); err != nil {
					return err
				}
			}
		}
	case *plan.Repartition:
		return c.build(n.In, old, out, at)
	case *plan.Upsert:
		if op, err = newUpsert(n, c.env, c.operatorID(), old, out); err == nil {
			err = add(op, n.In, 0, false)
		}
	case *plan.Join:
		if op, err = newJoin(n, c, old, out); err == nil {
			c.timed = true
			whole := n.Shape == plan.Bounded
			if err = add(op, n.L, 0, whole); err == nil {
				err = add(op, n.R, 1, whole)
			}
		}
	default:
		return Unsupported(n)
	}
	if err != nil {
		return err
	}
	c.ops = append(c.ops, op)
	return nil
}

// Scans returns the leaves of the plan that are scans; the i-th is input i.
func (c *Chain) Scans() []*plan.Scan { return c.scans }

// operatorID numbers the operators that keep state, from the output down.
func (c *Chain) operatorID() uint16 {
	c.ids++
	return c.ids
}

// Process takes a batch of an input and runs it through to the output.
func (c *Chain) Process(input int, b *vec.Batch) error {
	p := c.ports[input]
	if p.op == nil {
		return c.out(b)
	}
	return p.op.process(p.side, b)
}

// Flush ends a step: changes that were held back to be coalesced are put out.
func (c *Chain) Flush() error {
	for _, op := range c.ops {
		if err := op.flush(); err != nil {
			return err
		}
	}
	return nil
}

// Save writes the state that changed since the last Save.
func (c *Chain) Save(m *storage.Mutations) {
	for _, op := range c.ops {
		op.save(m)
	}
}

// Load reads back what Saves wrote. It is called at most once, before Process.
func (c *Chain) Load(r Reader) error {
	for _, op := range c.ops {
		if err := op.load(r); err != nil {
			return err
		}
	}
	return nil
}

// Bytes is about how much memory the state takes.
func (c *Chain) Bytes() (n int64) {
	for _, op := range c.ops {
		n += op.bytes()
	}
	return n
}

// Timed tells whether the result depends on the order in which rows of several
// inputs come: they should come in the order of their event times.
func (c *Chain) Timed() bool { return c.timed }

// Unsupported is the error for a plan node that no continuous query can run.
func Unsupported(n plan.Node) error {
	what, hint := "this query", ""
	switch n := n.(type) {
	case *plan.Sort:
		what, hint = "ORDER BY", "A result that never ends has no order; use it in a query that ends."
	case *plan.SetOp:
		what = [...]string{"UNION", "INTERSECT", "EXCEPT"}[n.Op]
	case *plan.WindowFuncs:
		what = "OVER"
	case *plan.Apply:
		what = "LATERAL"
	case *plan.SystemScan:
		what, hint = "the system catalog", "Query "+n.Schema+"."+n.Name+" without EMIT CHANGES."
	case *plan.Values:
		what = "VALUES"
	}
	err := pgerr.Newf(pgerr.FeatureNotSupported, "%s is not supported in a continuous query", what)
	err.Hint = hint
	return err
}
