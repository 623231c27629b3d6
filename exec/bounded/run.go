package bounded

import (
	"context"
	"fmt"
	"io"

	"github.com/weirdb/weir/exec/eval"
	"github.com/weirdb/weir/internal/fn"
	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
)

// Rows is a result being read. It is used by one goroutine.
type Rows interface {
	// Next returns the next rows, at least one, or io.EOF after the last. The
	// batch is valid until the next call; columns may be constant (vec.Vec).
	// After an error there is nothing more to read.
	Next() (*vec.Batch, error)
	// Close ends the reading, at any time; it can be called again.
	Close() error
}

// Sources are the relations that queries read, as of one moment where they can.
type Sources interface {
	// Scan reads the stream or table of s: its columns, and the event times.
	// key, if not nil, has a value for every key column; only rows of that key
	// are wanted, and others may come.
	Scan(ctx context.Context, s *plan.Scan, key []vec.Value) (Rows, error)
	// System reads a virtual relation: the columns s asks for.
	System(ctx context.Context, s *plan.SystemScan) (Rows, error)
}

// Config has the limits of one query.
type Config struct {
	// Memory is how many bytes a query may keep (sorting, groups, joins); 0 means
	// 256 MiB. At most 2 GiB, the reach of a column's views.
	Memory int64
}

func (c Config) withDefaults() Config {
	if c.Memory == 0 {
		c.Memory = 256 << 20
	}
	c.Memory = min(c.Memory, 2<<30)
	return c
}

// Env is where a plan runs.
type Env struct {
	Ctx     fn.Ctx      // its Fail is not used: the first error of a row ends the query
	Params  []vec.Value // of $1, $2, ...
	Sources Sources     // may be nil if the plan has no scans
	Config  Config
}

// Run starts a plan. The rows end with ctx's error when ctx does.
func Run(ctx context.Context, node plan.Node, env Env) (Rows, error) {
	q := &query{ctx: ctx, sources: env.Sources, memory: memory{limit: env.Config.withDefaults().Memory}}
	return q.build(node, &eval.Env{Ctx: env.Ctx, Params: env.Params, Queries: q})
}

// query is one execution of a plan.
type query struct {
	ctx     context.Context
	sources Sources
	memory  memory
	// subqueries that were prepared and not yet forgotten, in order.
	subqueries []*subquery
}

// forget gives back the memory of the subqueries prepared since there were n of
// them: those of a plan that was built to be run once, for one outer row.
func (q *query) forget(n int) {
	for i := min(n, len(q.subqueries)); i < len(q.subqueries); i++ {
		q.subqueries[i].answers.release()
	}
	q.subqueries = q.subqueries[:min(n, len(q.subqueries))]
}

// memory counts what the readers of a query keep.
type memory struct{ used, limit int64 }

// account is the part of a reader in its query's memory.
type account struct {
	of   *memory
	held int64
}

// set tells how many bytes the reader holds now.
func (a *account) set(n int64) error {
	a.of.used += n - a.held
	a.held = n
	if a.of.used <= a.of.limit {
		return nil
	}
	const outOfMemory = "53200"
	return pgerr.Newf(outOfMemory, "the query needs more than %d MB of memory", a.of.limit>>20).
		Hintf("Narrow the query down, or raise weir.query_memory.")
}

func (a *account) release() { a.of.used -= a.held; a.held = 0 }

// Prepare implements eval.Queries.
func (q *query) Prepare(p plan.Node, env *eval.Env) (eval.Query, error) {
	s := &subquery{q: q, plan: p, env: env, answers: account{of: &q.memory}}
	q.subqueries = append(q.subqueries, s)
	return s, nil
}

// subquery runs a plan anew for every outer row.
type subquery struct {
	q       *query
	plan    plan.Node
	env     *eval.Env
	answers account // that the expression remembers
}

// Keep implements eval.Query.
func (s *subquery) Keep(bytes int64) error { return s.answers.set(s.answers.held + bytes) }

// Run implements eval.Query.
func (s *subquery) Run(yield func(*vec.Batch) bool) error {
	defer s.q.forget(len(s.q.subqueries))
	rows, err := s.q.build(s.plan, s.env)
	if err != nil {
		return err
	}
	for {
		b, err := rows.Next()
		if err == io.EOF {
			return rows.Close()
		}
		if err != nil {
			return closing(rows, err)
		}
		if !yield(b) {
			return rows.Close()
		}
	}
}

// closing closes rows because of err, which matters more than what Close says.
func closing(rows Rows, err error) error {
	_ = rows.Close() // err is the cause, and the caller gets it
	return err
}

// build makes the reader of a node.
func (q *query) build(n plan.Node, env *eval.Env) (Rows, error) {
	switch n := n.(type) {
	case *plan.Values:
		return &values{q: q, env: env, n: n}, nil
	case *plan.Scan:
		return q.scan(n, env)
	case *plan.SystemScan:
		if q.sources == nil {
			break
		}
		rows, err := q.sources.System(q.ctx, n)
		if err != nil {
			return nil, err
		}
		return &leaf{q.ctx, rows}, nil
	case *plan.Filter:
		return over(q, n.In, env, func(in Rows) (Rows, error) { return newFilter(n, in, env) })
	case *plan.Project:
		return over(q, n.In, env, func(in Rows) (Rows, error) { return newProject(n, in, env) })
	case *plan.Limit:
		return over(q, n.In, env, func(in Rows) (Rows, error) { return newLimit(n, in, env) })
	case *plan.Upsert:
		return q.build(n.In, env) // a bounded scan of a table has its latest rows
	case *plan.Repartition:
		return q.build(n.In, env)
	case *plan.Sort:
		return over(q, n.In, env, func(in Rows) (Rows, error) { return newSorter(q, n, in, env) })
	case *plan.Aggregate:
		return over(q, n.In, env, func(in Rows) (Rows, error) { return newAggregate(q, n, in, env) })
	case *plan.Join:
		return q.join(n, env)
	case *plan.Apply:
		return over(q, n.L, env, func(in Rows) (Rows, error) { return newApply(q, n, in, env) })
	case *plan.SetOp:
		return q.setOp(n, env)
	case *plan.Unnest:
		return over(q, n.In, env, func(in Rows) (Rows, error) { return newUnnest(q, n, in, env) })
	case *plan.WindowFuncs:
		return over(q, n.In, env, func(in Rows) (Rows, error) { return newWindowFuncs(q, n, in, env) })
	}
	return nil, pgerr.Newf(pgerr.FeatureNotSupported, "%s cannot be part of a query that ends", nodeName(n))
}

func nodeName(n plan.Node) string { return fmt.Sprintf("%T", n)[len("*plan."):] }

// over builds the input of a node and then the node's reader.
func over(q *query, in plan.Node, env *eval.Env, open func(in Rows) (Rows, error)) (Rows, error) {
	r, err := q.build(in, env)
	if err != nil {
		return nil, err
	}
	out, err := open(r)
	if err != nil {
		return nil, closing(r, err)
	}
	return out, nil
}

func (q *query) scan(n *plan.Scan, env *eval.Env) (Rows, error) {
	if q.sources == nil {
		return nil, pgerr.Newf(pgerr.FeatureNotSupported, "%q cannot be read here", n.Name)
	}
	var key []vec.Value
	for _, e := range n.KeyEquals {
		x, err := eval.Const(e, env)
		if err != nil {
			return nil, err
		}
		if x == nil {
			return &empty{}, nil // nothing equals NULL
		}
		key = append(key, x)
	}
	rows, err := q.sources.Scan(q.ctx, n, key)
	if err != nil {
		return nil, err
	}
	return &leaf{q.ctx, rows}, nil
}

// leaf reads a source until the query is cancelled.
type leaf struct {
	ctx context.Context
	in  Rows
}

func (l *leaf) Next() (*vec.Batch, error) {
	for {
		if err := l.ctx.Err(); err != nil {
			return nil, err
		}
		b, err := l.in.Next()
		if err != nil || b.Len() > 0 {
			return b, err
		}
	}
}

func (l *leaf) Close() error { return l.in.Close() }

// empty has no rows.
type empty struct{}

func (*empty) Next() (*vec.Batch, error) { return nil, io.EOF }
func (*empty) Close() error              { return nil }

// each calls f with all batches of in.
func each(in Rows, f func(*vec.Batch) error) error {
	for {
		b, err := in.Next()
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = f(b)
		}
		if err != nil {
			return err
		}
	}
}

func compileAll(es []plan.Expr, env *eval.Env) ([]*eval.Evaluator, error) {
	out := make([]*eval.Evaluator, len(es))
	for i, e := range es {
		var err error
		if out[i], err = eval.Compile(e, env); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// compileMaybe compiles an expression that may be missing.
func compileMaybe(e plan.Expr, env *eval.Env) (*eval.Evaluator, error) {
	if e == nil {
		return nil, nil
	}
	return eval.Compile(e, env)
}

func evalAll(es []*eval.Evaluator, b *vec.Batch, rows []uint16, out []*vec.Vec) error {
	for i, e := range es {
		var err error
		if out[i], err = e.Eval(b, rows); err != nil {
			return err
		}
	}
	return nil
}
