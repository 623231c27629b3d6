package engine

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/weirdb/weir/catalog"
	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/pgwire"
	"github.com/weirdb/weir/sql/ast"
)

// cursor is a query of DECLARE, half read.
type cursor struct {
	columns []pgwire.Column
	rows    pgwire.Result
	cancel  context.CancelFunc
	push    bool
	hold    bool
	over    bool
	// batch is what was read and not yet given out, from row at on.
	batch *vec.Batch
	at    int
}

func (c *cursor) close() {
	c.rows.Close()
	c.cancel()
}

// maxCursors bounds the cursors of a session.
const maxCursors = 1000

func (s *session) declare(cat *catalog.Catalog, st statement, a *ast.DeclareCursor, params []vec.Type) (*command, error) {
	if a.Scroll == ast.ScrollYes {
		return nil, pgerr.Newf(pgerr.FeatureNotSupported, "SCROLL cursors are not supported").At(a.Pos())
	}
	q, err := s.query(cat, st, a.Query, params)
	if err != nil {
		return nil, err
	}
	return &command{params: q.params, run: func(_ context.Context, args pgwire.Args) (pgwire.Result, error) {
		if !s.tx.block && !a.Hold {
			return nil, pgerr.Newf("25P01", "DECLARE CURSOR can only be used in transaction blocks")
		}
		if _, ok := s.cursors[a.Name.S]; ok {
			return nil, pgerr.Newf("42P03", "cursor %q already exists", a.Name.S)
		}
		if len(s.cursors) >= maxCursors {
			return nil, pgerr.Newf(pgerr.ProgramLimitExceeded, "a session may have %d cursors", maxCursors)
		}
		// The cursor outlives the statement, and with it the statement's context.
		ctx, cancel := context.WithCancel(context.Background())
		rows, err := q.run(ctx, args)
		if err != nil {
			cancel()
			return nil, err
		}
		s.cursors[a.Name.S] = &cursor{columns: q.columns, rows: rows, cancel: cancel, push: q.push, hold: a.Hold}
		return done("DECLARE CURSOR"), nil
	}}, nil
}

// fetch reads forward from a cursor. From a push query FETCH n waits for n rows,
// as PostgreSQL would; with weir.fetch_linger it returns what came within that
// time after the first row.
func (s *session) fetch(a *ast.Fetch) (*command, error) {
	if a.Direction != ast.FetchForward || a.Count < 0 {
		return nil, pgerr.Newf(pgerr.ObjectNotInState, "cursor can only scan forward").At(a.Pos()).Hintf("Declare it with SCROLL option to enable backward scan.")
	}
	limit := int64(1<<62 - 1)
	if !a.All {
		limit = a.Count
	}
	verb := "FETCH"
	if a.Move {
		verb = "MOVE"
	}
	c, ok := s.cursors[a.Cursor.S]
	if !ok {
		if p, ok := s.client.Portal(a.Cursor.S); ok {
			return &command{columns: p.Columns(), run: func(context.Context, pgwire.Args) (pgwire.Result, error) {
				return &rowsResult{&portalRows{p: p, left: limit}, verb}, nil
			}}, nil
		}
		return nil, pgerr.Newf(pgerr.InvalidCursorName, "cursor %q does not exist", a.Cursor.S).At(a.Pos())
	}
	linger, err := lingerOf(s.Setting("weir.fetch_linger"))
	if err != nil {
		return nil, err
	}
	out := &command{push: c.push, run: func(ctx context.Context, _ pgwire.Args) (pgwire.Result, error) {
		f := &fetched{c: c, left: limit, linger: linger}
		if !a.Move {
			return &rowsResult{f, verb}, nil
		}
		moved := 0
		if err := drain(ctx, f, func(b *vec.Batch) error { moved += b.Len(); return nil }); err != nil {
			return nil, err
		}
		return done("MOVE " + itoa(moved)), nil
	}}
	if !a.Move {
		out.columns = c.columns
	}
	return out, nil
}

func lingerOf(v string) (time.Duration, error) {
	if v == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(v)
	if err != nil || d < 0 {
		return 0, pgerr.Newf(pgerr.InvalidParameterValue, "invalid value for parameter \"weir.fetch_linger\": %q", v).Hintf("Use a duration such as '100ms'.")
	}
	return d, nil
}

// fetched is the part of a cursor that one FETCH reads.
type fetched struct {
	c      *cursor
	left   int64
	linger time.Duration
	until  time.Time // end of the linger, once the first row came
}

func (f *fetched) Next(ctx context.Context) (*vec.Batch, error) {
	c := f.c
	if f.left == 0 || c.over && c.batch == nil {
		return nil, io.EOF
	}
	if c.batch == nil {
		wait, cancel := ctx, context.CancelFunc(func() {})
		if !f.until.IsZero() {
			wait, cancel = context.WithDeadline(ctx, f.until)
		}
		b, err := c.rows.Next(wait)
		cancel()
		switch {
		case err == io.EOF:
			c.over = true
			return nil, io.EOF
		case err != nil && ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded):
			return nil, io.EOF // the linger is over; no row is lost
		case err != nil:
			return nil, err
		}
		c.batch, c.at = b, 0
	}
	if f.linger > 0 && c.push && f.until.IsZero() {
		f.until = time.Now().Add(f.linger)
	}
	rows := c.batch.Selected()[c.at:]
	if int64(len(rows)) > f.left {
		rows = rows[:f.left]
	}
	out := *c.batch
	out.Sel = rows
	c.at += len(rows)
	if c.at == c.batch.Len() {
		c.batch = nil
	}
	f.left -= int64(len(rows))
	return &out, nil
}

func (f *fetched) Close() {}

// portalRows reads from a portal of the protocol.
type portalRows struct {
	p    pgwire.Portal
	left int64
}

func (r *portalRows) Next(ctx context.Context) (*vec.Batch, error) {
	if r.left == 0 {
		return nil, io.EOF
	}
	b, err := r.p.Take(ctx, int(min(r.left, vec.MaxRows)))
	if err == nil {
		r.left -= int64(b.Len())
	}
	return b, err
}

func (r *portalRows) Close() {}

func (s *session) closeCursor(a *ast.CloseCursor) (*command, error) {
	return simple(func(context.Context) (string, error) {
		if a.Cursor.IsZero() {
			for name, c := range s.cursors {
				c.close()
				delete(s.cursors, name)
			}
			return "CLOSE CURSOR ALL", nil
		}
		c, ok := s.cursors[a.Cursor.S]
		if !ok {
			if s.client.ClosePortal(a.Cursor.S) {
				return "CLOSE CURSOR", nil
			}
			return "", pgerr.Newf(pgerr.InvalidCursorName, "cursor %q does not exist", a.Cursor.S).At(a.Pos())
		}
		c.close()
		delete(s.cursors, a.Cursor.S)
		return "CLOSE CURSOR", nil
	}), nil
}
