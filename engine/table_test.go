package engine

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirdb/weir/pgwire"
)

// pgDoor opens the PostgreSQL door of a node and is a client of it; hangUp ends
// both.
func pgDoor(t *testing.T, n *Node) (c *pgx.Conn, hangUp func() error) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- pgwire.New(pgwire.Config{Backend: n.Backend()}).Serve(ctx, ln) }()
	if c, err = pgx.Connect(t.Context(), "postgres://weir@"+ln.Addr().String()+"/weir?sslmode=disable"); err != nil {
		t.Fatal(err)
	}
	return c, func() error {
		closed := c.Close(context.Background())
		stop()
		return errors.Join(closed, <-served)
	}
}

// TestTableOverTopic: records that were produced before CREATE TABLE are rows of the table.
func TestTableOverTopic(t *testing.T) {
	n, addr, stop := kafkaNode(t, vfs.NewMem())
	defer stop()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cl := kafkaClient(t, addr)
	defer cl.Close()
	if _, err := kadm.NewClient(cl).CreateTopic(ctx, 3, 1, nil, "users"); err != nil {
		t.Fatal(err)
	}
	put := func(k, v string) {
		t.Helper()
		r := &kgo.Record{Topic: "users", Key: []byte(k)}
		if v != "" {
			r.Value = []byte(v)
		}
		if err := cl.ProduceSync(ctx, r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	put("1", `{"n":"old"}`)
	put("2", `{"n":"gone"}`)
	put("1", `{"n":"new"}`)
	put("2", "")
	put("3", `{"n":"three"}`)
	c, hangUp := pgDoor(t, n)
	defer func() {
		if err := hangUp(); err != nil {
			t.Error(err)
		}
	}()
	if _, err := c.Exec(ctx, "CREATE TABLE users (id text PRIMARY KEY, n text) WITH (kafka_topic='users', key_format='KAFKA', value_format='JSON')"); err != nil {
		t.Fatal(err)
	}
	put("4", `{"n":"four"}`)
	rows, err := c.Query(ctx, "SELECT id || ':' || n FROM users ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	got, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(got) != 3 || got[0] != "1:new" || got[1] != "3:three" || got[2] != "4:four" {
		t.Errorf("%v, %v", got, err)
	}
}

// TestFlushOrder: FLUSH waits for a query that reads what a younger one writes.
func TestFlushOrder(t *testing.T) {
	c := sqlNode(t)
	exec := func(sql string, args ...any) {
		t.Helper()
		if _, err := c.Exec(t.Context(), sql, args...); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	exec("CREATE STREAM a (k int KEY, v int)")
	exec("CREATE STREAM b (k int KEY, v int)")
	exec("CREATE STREAM d (k int KEY, v int)")
	exec("CREATE TABLE c AS SELECT k, count(*) AS n, sum(v) AS s FROM d GROUP BY k")
	exec("INSERT INTO d SELECT k, v FROM b")
	exec("INSERT INTO b SELECT k, v FROM a")
	for i := range 100 {
		exec("INSERT INTO a SELECT i % 10, i FROM generate_series(1, 1000) AS g(i)")
		exec("FLUSH")
		var n int
		if err := c.QueryRow(t.Context(), "SELECT sum(n) FROM c").Scan(&n); err != nil {
			t.Fatal(err)
		}
		if n != 1000*(i+1) {
			t.Fatalf("after %d: %d", i+1, n)
		}
	}
}
