package engine

import (
	"context"
	"runtime/debug"

	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/pgwire"
)

// guard turns a panic below a statement into that statement's error: a bug in a
// function or an operator must not cost the other sessions their server. What it
// held is garbage; nothing is committed before a statement ends without error.
func (n *Node) guard(err *error) {
	p := recover()
	if p == nil {
		return
	}
	n.log.Error("a statement panicked", "panic", p, "stack", string(debug.Stack()))
	*err = pgerr.Newf(pgerr.InternalError, "internal error: %v", p).Hintf("This is a bug. The server's log has the details.")
}

// guarded is a result whose reading is guarded.
type guarded struct {
	pgwire.Result
	n *Node
}

func (g guarded) Next(ctx context.Context) (b *vec.Batch, err error) {
	defer g.n.guard(&err)
	return g.Result.Next(ctx)
}
