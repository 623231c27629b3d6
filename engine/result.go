package engine

import (
	"context"
	"fmt"
	"io"

	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/pgwire"
	"github.com/weirdb/weir/planner/plan"
)

// simple is a command without parameters and rows; do returns the command tag.
func simple(do func(ctx context.Context) (tag string, err error)) *command {
	return &command{run: func(ctx context.Context, _ pgwire.Args) (pgwire.Result, error) {
		tag, err := do(ctx)
		if err != nil {
			return nil, err
		}
		return done(tag), nil
	}}
}

// done is the result of a statement without rows: its command tag.
type done string

func (d done) Next(context.Context) (*vec.Batch, error) { return nil, io.EOF }
func (d done) Tag(int64) string                         { return string(d) }
func (d done) Close()                                   {}

// rowsResult is a result with rows, whose tag counts them.
type rowsResult struct {
	rows interface {
		Next(context.Context) (*vec.Batch, error)
		Close()
	}
	verb string // "SELECT": the tag is "SELECT 3"; with a trailing "!" the tag is the verb alone
}

func (r *rowsResult) Next(ctx context.Context) (*vec.Batch, error) { return r.rows.Next(ctx) }
func (r *rowsResult) Close()                                       { r.rows.Close() }

func (r *rowsResult) Tag(sent int64) string {
	if n := len(r.verb); n > 0 && r.verb[n-1] == '!' {
		return r.verb[:n-1]
	}
	return fmt.Sprintf("%s %d", r.verb, sent)
}

// columnsOf describes a plan's columns to the client.
func columnsOf(cols []plan.Column) []pgwire.Column {
	out := make([]pgwire.Column, len(cols))
	for i, c := range cols {
		out[i] = pgwire.Column{Name: c.Name, Type: c.Type}
	}
	return out
}

// listing is a command that answers with rows made on the spot (SHOW, EXPLAIN).
func listing(tag string, cols []plan.Column, rows func(ctx context.Context) ([][]vec.Value, error)) *command {
	return &command{
		columns: columnsOf(cols),
		run: func(ctx context.Context, _ pgwire.Args) (pgwire.Result, error) {
			list, err := rows(ctx)
			if err != nil {
				return nil, err
			}
			return &rowsResult{&boxedRows{cols: cols, rows: list}, tag + "!"}, nil
		},
	}
}

// textColumns are columns of type text.
func textColumns(names ...string) []plan.Column {
	out := make([]plan.Column, len(names))
	for i, n := range names {
		out[i] = plan.Column{Name: n, Type: vec.Of(vec.Text)}
	}
	return out
}

// boxedRows gives out rows of boxed values as batches.
type boxedRows struct {
	cols []plan.Column
	rows [][]vec.Value
}

func (r *boxedRows) Next(context.Context) (*vec.Batch, error) {
	if len(r.rows) == 0 {
		return nil, io.EOF
	}
	n := min(len(r.rows), vec.MaxRows)
	b := batchOf(r.cols, r.rows[:n])
	r.rows = r.rows[n:]
	return b, nil
}

func (r *boxedRows) Close() {}

// batchOf makes a batch of at most vec.MaxRows rows.
func batchOf(cols []plan.Column, rows [][]vec.Value) *vec.Batch {
	b := &vec.Batch{N: len(rows), Time: make([]int64, len(rows))}
	for i, c := range cols {
		v := vec.New(c.Type)
		for _, row := range rows {
			v.Append(row[i])
		}
		b.Cols = append(b.Cols, v)
	}
	return b
}
