package sim

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/pgwire"
)

// session is a client's connection to one life of a node, without the wire.
type session struct {
	pgwire.Session
	life *life
}

func (l *life) connect() (*session, error) {
	s, err := l.Backend().Connect(context.Background(), pgwire.Startup{User: "weir", Database: "weir"}, new(pgwire.Client))
	if err != nil {
		return nil, err
	}
	return &session{s, l}, nil
}

// errDead says that the node had crashed before the client had its answer.
var errDead = errors.New("the node crashed")

// run runs one message of statements as the front door does and returns the rows
// of all of them.
func (s *session) run(ctx context.Context, sql string) (rows [][]vec.Value, err error) {
	rows, err = s.execute(ctx, sql)
	if err == nil {
		err = s.Commit(ctx)
	}
	if err != nil {
		s.Fail()
	}
	if !s.life.disk.alive() {
		return nil, errDead
	}
	return rows, err
}

func (s *session) execute(ctx context.Context, sql string) (rows [][]vec.Value, err error) {
	stmts, err := s.Parse(sql)
	if err != nil {
		return nil, err
	}
	for _, st := range stmts {
		p, err := s.Prepare(ctx, st, nil)
		if err != nil {
			return nil, err
		}
		r, err := s.Execute(ctx, p, pgwire.Args{})
		if err != nil {
			return nil, err
		}
		if rows, err = collect(ctx, r, rows); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

func collect(ctx context.Context, r pgwire.Result, rows [][]vec.Value) ([][]vec.Value, error) {
	defer r.Close()
	for {
		b, err := r.Next(ctx)
		if err == io.EOF {
			return rows, nil
		}
		if err != nil {
			return nil, err
		}
		for _, i := range b.Selected() {
			row := make([]vec.Value, len(b.Cols))
			for c, col := range b.Cols {
				row[c] = col.Get(int(i))
			}
			rows = append(rows, row)
		}
	}
}

// outcome is what a client may conclude from a statement's end.
type outcome int

const (
	acked   outcome = iota // done, for ever
	refused                // nothing has happened, nor will it
	unknown                // done or not, perhaps later
)

func outcomeOf(err error) outcome {
	var e *pgerr.Error
	switch {
	case err == nil:
		return acked
	case errors.As(err, &e) && (e.Code == "57P04" || e.Code == "57P01" || e.Code == "0A000"):
		return refused
	}
	return unknown
}

// statementTimeout bounds how long a client waits.
const statementTimeout = 5 * time.Second

// query runs a query on a node until it succeeds there.
func (c *cluster) query(n *node, sql string) (rows [][]vec.Value) {
	c.until(n.id+" to answer "+sql, func() error {
		l := n.now.Load()
		if l == nil {
			return errDown
		}
		var err error
		rows, err = l.once(sql)
		return err
	})
	return rows
}

// exec runs a statement on whichever node takes it.
func (c *cluster) exec(sql string) {
	c.until(sql, func() (err error) {
		for _, n := range c.nodes {
			if l := n.now.Load(); l != nil {
				if _, err = l.once(sql); err == nil {
					return nil
				}
			}
		}
		return err
	})
}

// once runs a statement in a session of its own.
func (l *life) once(sql string) ([][]vec.Value, error) {
	s, err := l.connect()
	if err != nil {
		return nil, err
	}
	defer s.Close()
	ctx, cancel := context.WithTimeout(context.Background(), statementTimeout)
	defer cancel()
	return s.run(ctx, sql)
}
