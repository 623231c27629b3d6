package pgwire

import (
	"context"
	"errors"
	"io"
	"net"
	"time"

	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
)

// A statement is what Parse leaves behind. st and prep are nil for empty text.
type statement struct {
	sql  string
	st   Statement
	prep Prepared
}

// A portal is a statement with its arguments, before, while or after it runs.
type portal struct {
	c        *conn
	name     string
	st       *statement
	params   []vec.Value
	formats  []int16 // by column
	describe bool    // rows are preceded by their description
	copy     *Copy   // rows of a push query that go out as COPY data

	res   Result
	cells []cell
	batch *vec.Batch // rows from the at-th on are still to be sent
	at    int
	done  bool // res has ended
}

func (p *portal) close() {
	if p.res != nil {
		p.res.Close()
		p.res = nil
	}
	p.batch, p.done = nil, true
}

// open starts the statement unless it has started.
func (p *portal) open(ctx context.Context) (err error) {
	if p.res != nil || p.done {
		return nil
	}
	p.res, err = p.c.sess.Execute(ctx, p.st.prep, Args{Params: p.params})
	if err != nil {
		p.done = true
	}
	return err
}

// more makes sure that a row is left in p.batch, or returns io.EOF.
func (p *portal) more(ctx context.Context) error {
	for p.batch == nil || p.at == p.batch.Len() {
		if p.done {
			return io.EOF
		}
		b, err := p.res.Next(ctx)
		if errors.Is(err, io.EOF) {
			p.batch, p.done = nil, true
			return io.EOF
		}
		if err != nil {
			return err
		}
		if err := checkBatch(b, p.columns()); err != nil {
			return err
		}
		p.batch, p.at = b, 0
	}
	return nil
}

// columns returns what p's batches hold.
func (p *portal) columns() []Column {
	if cp := p.st.prep.Copy(); cp != nil {
		return cp.Columns
	}
	return p.st.prep.Columns()
}

// run executes p for up to limit rows (0: all of them) and writes them. It
// returns the command tag, or that there may be more rows.
func (c *conn) run(ctx context.Context, p *portal, limit int64) (tag string, suspended bool, err error) {
	prep := p.st.prep
	if cp := prep.Copy(); cp != nil && cp.In {
		tag, err = c.copyIn(ctx, p, cp.withDefaults())
		return tag, false, err
	}
	if prep.Columns() != nil || prep.Copy() != nil {
		gone, leave := context.WithCancelCause(ctx)
		defer leave(nil)
		c.in.watch(func(error) { leave(errGone) })
		defer c.in.unwatch()
		ctx = gone
	}
	if p.done {
		if prep.Columns() == nil {
			return "", false, pgerr.Newf(pgerr.ObjectNotInState, "portal %q cannot be run anymore", p.name)
		}
	} else if err := p.open(ctx); err != nil {
		return "", false, c.cancelled(ctx, err)
	}
	c.client.drainNotices(&c.out)
	sent, err := int64(0), error(nil)
	switch {
	case prep.Copy() != nil:
		sent, err = c.copyOut(ctx, p, prep.Copy().withDefaults(), prep.Push())
	case p.copy != nil:
		if sent, err = c.copyOut(ctx, p, p.copy.withDefaults(), true); err == nil {
			return copyTag(sent), false, nil
		}
	case prep.Columns() != nil:
		sent, suspended, err = c.sendRows(ctx, p, limit)
	default:
		err = p.drain(ctx)
	}
	if err != nil {
		p.done = true
		return "", false, c.cancelled(ctx, err)
	}
	if suspended {
		return "", true, nil
	}
	if p.res == nil { // FETCH has taken everything
		return "SELECT 0", false, nil
	}
	return p.res.Tag(sent), false, nil
}

// drain runs a statement without rows to its end.
func (p *portal) drain(ctx context.Context) error {
	for {
		if _, err := p.res.Next(ctx); errors.Is(err, io.EOF) {
			p.done = true
			return nil
		} else if err != nil {
			return err
		}
	}
}

// sendRows writes up to limit rows of p. A push query's rows are flushed batch
// by batch, and with weir.fetch_linger its answer may be short, though never empty.
func (c *conn) sendRows(ctx context.Context, p *portal, limit int64) (sent int64, suspended bool, err error) {
	if p.describe {
		c.out.send(rowDescription(p.Columns(), p.formats))
	}
	if p.cells == nil {
		p.cells = cells(p.Columns(), p.formats)
	}
	push := p.st.prep.Push()
	if push {
		c.holdBack()
		if err := c.out.flush(); err != nil {
			return 0, false, errGone
		}
	}
	linger, wait := time.Duration(0), ctx
	if push && limit > 0 {
		linger, _ = time.ParseDuration(c.sess.Setting("weir.fetch_linger"))
	}
	format := c.sess.TextFormat()
	for limit == 0 || sent < limit {
		err := p.more(wait)
		if errors.Is(err, io.EOF) {
			return sent, false, nil
		}
		if err != nil && wait != ctx && wait.Err() != nil && ctx.Err() == nil && sent > 0 {
			return sent, true, nil // the linger is over
		}
		if err != nil {
			return sent, false, err
		}
		if sent == 0 && linger > 0 {
			var stop context.CancelFunc
			wait, stop = context.WithTimeout(ctx, linger)
			defer stop()
		}
		to := p.batch.Len()
		if limit > 0 {
			to = int(min(int64(to), int64(p.at)+limit-sent))
		}
		from := p.at
		c.out.buf, p.at = appendDataRows(c.out.buf, p.batch, p.at, to, p.cells, format, flushSize)
		sent += int64(p.at - from)
		if push && p.at == p.batch.Len() || len(c.out.buf) >= flushSize {
			if err := c.out.flush(); err != nil {
				return sent, false, errGone
			}
		}
		if ctx.Err() != nil { // a fast result may never look
			return sent, false, ctx.Err()
		}
	}
	return sent, true, nil
}

// holdBack bounds what the kernel gathers for a client that does not read the rows
// of a push query; left to itself it takes 4 MB, tens of thousands of rows.
func (c *conn) holdBack() {
	if tcp, ok := c.nc.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(pushSendBuffer) // of no use, no harm, if it fails
	}
}

// pushSendBuffer still holds some milliseconds of rows at full speed.
const pushSendBuffer = 256 << 10

// closePortal frees a portal and its name.
func (c *conn) closePortal(name string) {
	if p, ok := c.portals[name]; ok {
		p.close()
		delete(c.portals, name)
	}
}

func (c *conn) closePortals() {
	for name := range c.portals {
		c.closePortal(name)
	}
}
