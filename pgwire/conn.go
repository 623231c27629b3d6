package pgwire

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgproto3/v2"

	"github.com/weirdb/weir/internal/pgerr"
)

// A conn is one client. Its goroutine owns everything but what mu guards.
type conn struct {
	srv    *Server
	nc     net.Conn  // the socket
	tls    *tls.Conn // over nc, or nil
	cert   *x509.Certificate
	in     *reader
	out    writer
	pid    uint32
	secret [4]byte
	client Client
	sess   Session

	statements map[string]*statement
	portals    map[string]*portal
	skip       bool            // an error was sent: drop messages until Sync
	running    context.Context // see begin

	mu     sync.Mutex
	cancel context.CancelCauseFunc // of the running statement, or nil
	end    context.CancelCauseFunc // of the connection
	ended  error                   // why end was asked for before there was one
}

func newConn(s *Server, nc net.Conn) *conn {
	c := &conn{srv: s, nc: nc, in: newReader(nc), out: writer{c: nc},
		statements: map[string]*statement{}, portals: map[string]*portal{}}
	c.client.conn = c
	return c
}

// serve reads messages and answers them until the client terminates or the
// connection ends. The error is nil if the client said goodbye.
func (c *conn) serve(ctx context.Context) error {
	defer c.sess.Close()
	defer c.closePortals()
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	defer c.rest()
	c.mu.Lock()
	c.end = end
	if c.ended != nil {
		end(c.ended)
	}
	c.mu.Unlock()
	for {
		kind, body, err := c.next()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		if kind == 'X' {
			return nil
		}
		if err := c.message(ctx, kind, body); err != nil {
			return err
		}
	}
}

// next returns the next message; whatever was answered is written before it waits.
func (c *conn) next() (kind byte, body []byte, err error) {
	for {
		if c.in.ready() {
			return c.in.message()
		}
		c.rest()
		if err := c.out.flush(); err != nil {
			return 0, nil, err
		}
		c.client.setIdle(!c.skip && c.sess.TxStatus() == 'I')
		kind, body, err = c.in.message()
		if !c.client.setIdle(false) {
			return kind, body, err
		}
		c.in.deadline(time.Time{})
		c.client.drain(&c.out)
		if !errors.Is(err, os.ErrDeadlineExceeded) || c.in.interrupted() {
			return kind, body, err
		}
	}
}

// message answers one message. Its error ends the connection.
func (c *conn) message(ctx context.Context, kind byte, body []byte) error {
	if c.skip && kind != 'S' {
		return nil
	}
	switch kind {
	case 'Q':
		return c.query(ctx, body)
	case 'S':
		c.skip = false
		if err := c.sync(ctx); err != nil {
			return err
		}
		c.ready()
		return nil
	case 'H':
		return c.out.flush()
	case 'd', 'c', 'f':
		return nil // what a client sends of a COPY that has failed already
	}
	err := c.extended(ctx, kind, body)
	if err == nil {
		return nil
	}
	c.skip = true
	return c.report(err)
}

// report sends an error to the client and fails the transaction. It returns an
// error if the connection must end.
func (c *conn) report(err error) error {
	if _, ok := errors.AsType[fatal](err); ok || errors.Is(err, errGone) || c.out.err != nil {
		return err
	}
	c.sess.Fail()
	if c.sess.TxStatus() == 'I' {
		c.closePortals()
	}
	p, ok := errors.AsType[*placed](err)
	if !ok {
		p = &placed{err: pgerr.From(err)}
		if p.err.Code == pgerr.InternalError {
			c.srv.cfg.Log.Error("pgwire: internal error", "pid", c.pid, "err", err)
		}
	}
	c.client.drainNotices(&c.out)
	c.out.send(errorFields("ERROR", p.err, p.char))
	return nil
}

// farewell tells the client why the connection ends, if that is not its own doing.
func (c *conn) farewell(ctx context.Context, err error) {
	if cause := context.Cause(ctx); cause != nil && err != nil {
		err = errShutdown
	}
	if err == nil || c.out.err != nil {
		return
	}
	f, ok := errors.AsType[fatal](err)
	if !ok {
		if _, broken := errors.AsType[net.Error](err); !broken && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) &&
			!errors.Is(err, io.ErrClosedPipe) && !errors.Is(err, errNoSession) && !errors.Is(err, errGone) {
			c.srv.cfg.Log.Error("pgwire: connection failed", "pid", c.pid, "err", err)
			f, ok = fatal{pgerr.From(err)}, true
		}
	}
	if !ok {
		return
	}
	c.out.send(errorFields("FATAL", f.err, 0))
	c.nc.SetWriteDeadline(time.Now().Add(shutdownGrace))
	_ = c.out.flush() // if the client is gone there is nobody to tell
}

// ready ends an answer.
func (c *conn) ready() {
	c.client.drain(&c.out)
	c.out.send(&pgproto3.ReadyForQuery{TxStatus: c.sess.TxStatus()})
}

// sync ends the implicit transaction, and with it its portals.
func (c *conn) sync(ctx context.Context) error {
	if c.sess.TxStatus() != 'I' {
		return nil
	}
	c.closePortals()
	if err := c.sess.Commit(ctx); err != nil {
		return c.report(c.cancelled(ctx, err))
	}
	return nil
}

// begin returns the context of a statement, which a cancel request ends. The
// statements of a pipeline share it: making one costs as much as a small insert.
func (c *conn) begin(ctx context.Context) context.Context {
	if c.running != nil && c.running.Err() == nil {
		return c.running
	}
	c.rest()
	running, cancel := context.WithCancelCause(ctx)
	c.mu.Lock()
	c.cancel = cancel
	c.mu.Unlock()
	c.running = running
	return running
}

// rest ends what begin began: nothing runs, and a cancel request finds nothing.
func (c *conn) rest() {
	if c.running == nil {
		return
	}
	c.running = nil
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cancel(nil)
	c.cancel = nil
}

// cancelStatement cancels the running statement, if any. Any goroutine may call it.
func (c *conn) cancelStatement(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cancel != nil {
		c.cancel(cause)
	}
}

// terminate ends the connection. Any goroutine may call it.
func (c *conn) terminate(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = cause
	if c.end != nil {
		c.end(cause)
	}
	c.nc.SetWriteDeadline(time.Now().Add(shutdownGrace))
	c.in.interrupt()
}

// cancelled returns why ctx has ended if that is what err says, else err.
func (c *conn) cancelled(ctx context.Context, err error) error {
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		return context.Cause(ctx)
	}
	return err
}

// placed is an error whose place in the client's text is known in characters.
type placed struct {
	err  *pgerr.Error
	char int
}

func (p *placed) Error() string { return p.err.Msg }
func (p *placed) Unwrap() error { return p.err }

// place turns the byte position of an error into characters of sql. Errors of
// other kinds stay as they are.
func place(sql string, err error) error {
	e, ok := errors.AsType[*pgerr.Error](err)
	if _, isFatal := errors.AsType[fatal](err); !ok || isFatal || e.Pos == 0 {
		return err
	}
	if _, done := errors.AsType[*placed](err); done {
		return err
	}
	return &placed{e, 1 + utf8.RuneCountInString(sql[:min(e.Pos-1, len(sql))])}
}

func errorFields(severity string, e *pgerr.Error, char int) *pgproto3.ErrorResponse {
	return &pgproto3.ErrorResponse{
		Severity: severity, SeverityUnlocalized: severity,
		Code: e.Code, Message: e.Msg, Detail: e.Detail, Hint: e.Hint, Where: e.Where, Position: int32(char),
	}
}
