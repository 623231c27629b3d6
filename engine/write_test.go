package engine

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weirdb/weir/pgwire"
)

// sqlNode is a node in memory with the PostgreSQL door, and a client of it.
func sqlNode(t *testing.T) *pgx.Conn {
	t.Helper()
	n, err := Open(t.Context(), Config{Dir: "data", FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := pgwire.New(pgwire.Config{Backend: n.Backend()}).Serve(ctx, ln); err != nil {
			t.Error(err)
		}
	})
	c, err := pgx.Connect(t.Context(), "postgres://weir@"+ln.Addr().String()+"/weir?sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(context.Background()); err != nil {
			t.Error(err)
		}
		stop()
		serving.Wait()
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func TestPrimaryKeyIsUnique(t *testing.T) {
	c := sqlNode(t)
	exec := func(sql string, args ...any) {
		t.Helper()
		if _, err := c.Exec(t.Context(), sql, args...); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	refused := func(detail, sql string, args ...any) {
		t.Helper()
		_, err := c.Exec(t.Context(), sql, args...)
		pe, ok := errors.AsType[*pgconn.PgError](err)
		if !ok || pe.Code != "23505" || pe.Detail != detail {
			t.Errorf("%s: %v", sql, err)
		}
	}
	exec("CREATE TABLE t (a int, b text, v int, PRIMARY KEY (a, b))")
	exec("INSERT INTO t VALUES (1, 'x', 10), (2, 'x', 20)")
	refused("Key (a, b)=(2, x) already exists.", "INSERT INTO t VALUES (3, 'x', 1), ($1, 'x', 2)", 2)
	exec("UPDATE t SET v = v + 1 WHERE a = 1")
	tx, err := c.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{"DELETE FROM t WHERE a = 2", "INSERT INTO t VALUES (2, 'x', 22)"} {
		if _, err := tx.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	rows, err := c.Query(t.Context(), "SELECT v FROM t ORDER BY a")
	if err != nil {
		t.Fatal(err)
	}
	got, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil || len(got) != 2 || got[0] != 11 || got[1] != 22 {
		t.Errorf("%v, %v: nothing of the refused statement may be there", got, err)
	}
}

// Rules: PostgreSQL 15, SAVEPOINT, RELEASE SAVEPOINT and ROLLBACK TO SAVEPOINT.
func TestSavepoints(t *testing.T) {
	c := sqlNode(t)
	ctx := t.Context()
	run := func(state, sql string) {
		t.Helper()
		_, err := c.Exec(ctx, sql)
		var pe *pgconn.PgError
		if errors.As(err, &pe); (state == "") != (err == nil) || pe != nil && pe.Code != state {
			t.Fatalf("%s: %v, want %q", sql, err, state)
		}
	}
	run("", "CREATE TABLE points (id int PRIMARY KEY)")
	run("25P01", "SAVEPOINT a")
	run("", "BEGIN")
	run("", "INSERT INTO points VALUES (1)")
	run("", "SAVEPOINT a")
	run("", "INSERT INTO points VALUES (2)")
	run("", "SET application_name = 'two'")
	run("", "SAVEPOINT b")
	run("", "INSERT INTO points VALUES (3)")
	run("", "ROLLBACK TO SAVEPOINT a")
	run("3B001", "RELEASE SAVEPOINT b") // it was made after a
	run("25P02", "INSERT INTO points VALUES (4)")
	run("", "ROLLBACK TO a") // it can be gone back to again, from a failed block too
	run("", "INSERT INTO points VALUES (5)")
	run("", "SAVEPOINT a") // hides the first
	run("", "INSERT INTO points VALUES (6)")
	run("", "ROLLBACK TO a")
	run("", "RELEASE a")
	run("", "INSERT INTO points VALUES (7)")
	run("", "RELEASE a")
	run("", "INSERT INTO points VALUES (8)")
	run("", "COMMIT")
	var ids, name string
	if err := c.QueryRow(ctx, "SELECT string_agg(id::text, ',' ORDER BY id), current_setting('application_name') FROM points").Scan(&ids, &name); err != nil {
		t.Fatal(err)
	}
	if ids != "1,5,7,8" || name == "two" {
		t.Errorf("committed: %s; application_name %q", ids, name)
	}
}
