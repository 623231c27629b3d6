package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weirdb/weir/pgwire"
)

// TestSQL runs testdata/sql, each file against a node of its own. A block is
//
//	sql            (or: sql sort, for rows without an order)
//	SELECT 1, NULL; INSERT INTO t VALUES (1);
//	----
//	1 | NULL
//	INSERT 0 1
func TestSQL(t *testing.T) {
	datadriven.Walk(t, "testdata/sql", func(t *testing.T, path string) {
		conn := sqlConn(t)
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd != "sql" {
				d.Fatalf(t, "unknown command %q", d.Cmd)
			}
			var out strings.Builder
			for _, st := range strings.Split(d.Input, ";\n") { // a message for each
				out.WriteString(runSQL(t, conn, st, d.HasArg("sort")))
			}
			return out.String()
		})
	})
}

// sqlConn is a connection to a new node in memory.
func sqlConn(t *testing.T) *pgconn.PgConn {
	t.Helper()
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	n, err := Open(t.Context(), Config{Dir: "/weir", FS: vfs.NewMem(), Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- pgwire.New(pgwire.Config{Backend: n.Backend(), Log: quiet}).Serve(ctx, ln) }()
	conn, err := pgconn.Connect(t.Context(), "postgres://weir@"+ln.Addr().String()+"/weir?sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		closed := conn.Close(context.Background())
		cancel()
		if err := errors.Join(closed, <-served, n.Close()); err != nil {
			t.Error(err)
		}
	})
	return conn
}

func runSQL(t *testing.T, conn *pgconn.PgConn, sql string, sorted bool) string {
	t.Helper()
	var out strings.Builder
	results := conn.Exec(t.Context(), sql)
	for results.NextResult() {
		r := results.ResultReader()
		var rows []string
		for r.NextRow() {
			var cells []string
			for _, v := range r.Values() {
				if v == nil {
					cells = append(cells, "NULL")
				} else {
					cells = append(cells, string(v))
				}
			}
			rows = append(rows, strings.Join(cells, " | "))
		}
		tag, err := r.Close()
		if err != nil {
			break
		}
		if sorted {
			slices.Sort(rows)
		}
		for _, row := range rows {
			fmt.Fprintln(&out, row)
		}
		if len(r.FieldDescriptions()) == 0 {
			fmt.Fprintln(&out, tag)
		}
	}
	if err := results.Close(); err != nil {
		var pe *pgconn.PgError
		if !errors.As(err, &pe) {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "error %s: %s\n", pe.Code, pe.Message)
	}
	return out.String()
}
