package engine

import (
	"context"
	"io"

	"github.com/weirdb/weir/catalog"
	"github.com/weirdb/weir/exec"
	"github.com/weirdb/weir/exec/bounded"
	"github.com/weirdb/weir/exec/eval"
	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/pgwire"
	"github.com/weirdb/weir/planner"
	"github.com/weirdb/weir/planner/plan"
	"github.com/weirdb/weir/sql/ast"
)

// query is SELECT and VALUES as a statement: a pull query, or with EMIT a push
// query.
func (s *session) query(cat *catalog.Catalog, _ statement, q ast.Query, params []vec.Type) (*command, error) {
	env := s.env(cat, params)
	if isPush(q) {
		node, err := planner.PlanPush(env, q)
		if err != nil {
			return nil, err
		}
		return &command{params: env.Params, columns: columnsOf(node.Columns()), push: true,
			run: func(_ context.Context, args pgwire.Args) (pgwire.Result, error) {
				rows, err := s.push(node, args.Params)
				if err != nil {
					return nil, err
				}
				return &rowsResult{rows, "SELECT"}, nil
			}}, nil
	}
	node, err := planner.Bounded(env, q)
	if err != nil {
		return nil, err
	}
	if err := settled(env.Params); err != nil {
		return nil, err
	}
	return &command{params: env.Params, columns: s.origins(cat, node),
		run: func(ctx context.Context, args pgwire.Args) (pgwire.Result, error) {
			rows, err := s.bounded(ctx, node, args.Params)
			if err != nil {
				return nil, err
			}
			return &rowsResult{rows, "SELECT"}, nil
		}}, nil
}

// isPush tells whether a query runs until its client has enough.
func isPush(q ast.Query) bool {
	switch q := q.(type) {
	case *ast.Select:
		return q.Emit != ast.EmitNone
	case *ast.SetOp:
		return isPush(q.L) || isPush(q.R)
	}
	return false
}

// settled refuses parameters whose type nothing tells.
func settled(params []vec.Type) error {
	for i, t := range params {
		if t.Kind == vec.Unknown {
			params[i] = vec.Of(vec.Text)
		}
	}
	return nil
}

// origins describes a plan's columns, with the relation's column that each is
// taken from unchanged.
func (s *session) origins(cat *catalog.Catalog, n plan.Node) []pgwire.Column {
	out := columnsOf(n.Columns())
	for i := range out {
		node, col := n, i
		for node != nil {
			switch x := node.(type) {
			case *plan.Project:
				c, ok := x.Exprs[col].(*plan.Col)
				if !ok {
					node = nil
					continue
				}
				node, col = x.In, c.Index
			case *plan.Filter:
				node = x.In
			case *plan.Sort:
				node = x.In
			case *plan.Limit:
				node = x.In
			case *plan.Scan:
				if r, ok := cat.Relation(catalog.ID(x.Relation)); ok {
					if at := r.Column(x.Cols[col].Name); at >= 0 {
						out[i].Table, out[i].Attr = r.OID(), int16(at+1)
					}
				}
				node = nil
			default:
				node = nil
			}
		}
	}
	return out
}

// bounded starts a plan that ends. It runs until Close, or until the context of
// a Next ends.
//
// A statement sees what those before it in the same message wrote: outside of a
// block they are committed first, if it reads what they write.
func (s *session) bounded(wait context.Context, n plan.Node, params []vec.Value) (rows, error) {
	if !s.tx.block && s.tx.writesWhat(n) {
		if err := s.tx.commit(wait, s.n, s.durability()); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	r, err := bounded.Run(ctx, n, bounded.Env{
		Ctx: s.fnCtx(), Params: params, Sources: sources{s.n, s}, Config: bounded.Config{Memory: s.n.cfg.QueryMemory},
	})
	if err != nil {
		cancel()
		return nil, err
	}
	return &boundedRows{r, cancel}, nil
}

// boundedRows is a bounded query whose reader may give up at any Next.
type boundedRows struct {
	r      bounded.Rows
	cancel context.CancelFunc
}

func (b *boundedRows) Next(ctx context.Context) (*vec.Batch, error) {
	stop := context.AfterFunc(ctx, b.cancel)
	defer stop()
	out, err := b.r.Next()
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return out, err
}

func (b *boundedRows) Close() {
	b.cancel()
	_ = b.r.Close() // what it held in memory is gone; there is nothing to tell
}

// rows is a running query. Close frees what it holds.
type rows interface {
	Next(ctx context.Context) (*vec.Batch, error)
	Close()
}

// push starts a push query.
func (s *session) push(n plan.Node, params []vec.Value) (rows, error) {
	// A push query ends with its reader, not with the statement that began it.
	r, err := exec.Push(context.Background(), &host{n: s.n}, exec.PushSpec{
		Node: n, Params: params, Ctx: s.fnCtx(), Every: s.every(), SkipNullKeys: s.dialect() == ast.KSQL,
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// every tells whether each change gives an output of its own.
func (s *session) every() bool {
	return s.dialect() == ast.KSQL || s.Setting("weir.emit") == "every"
}

// constants evaluates expressions that stand alone, as values of the given types.
func (s *session) constants(ctx context.Context, es []ast.Expr, types []vec.Type) ([]vec.Value, error) {
	if len(es) != len(types) {
		return nil, pgerr.Newf(pgerr.SyntaxError, "wrong number of parameters: %d given, %d expected", len(es), len(types))
	}
	bound, err := planner.ConstantExprs(s.env(s.n.Catalog(), types), es, "EXECUTE")
	if err != nil {
		return nil, err
	}
	out := make([]vec.Value, len(bound))
	env := eval.Env{Ctx: s.fnCtx()}
	for i, e := range bound {
		if out[i], err = eval.Const(e, &env); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// drain runs a bounded query to its end.
func drain(ctx context.Context, r rows, each func(*vec.Batch) error) error {
	defer r.Close()
	for {
		b, err := r.Next(ctx)
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = each(b)
		}
		if err != nil {
			return err
		}
	}
}
