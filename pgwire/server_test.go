package pgwire

import (
	"context"
	"io"
	"log/slog"
	"net"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve runs a server for the test and returns where. It ends with the test.
func serve(t testing.TB, cfg Config) (addr string, s *Server) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	s = New(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return ln.Addr().String(), s
}

func connect(t testing.TB, addr, params string) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(context.Background(), "postgres://weir@"+addr+"/weir?sslmode=disable&"+params)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.Background()) })
	return c
}

func TestPgx(t *testing.T) {
	addr, _ := serve(t, Config{Backend: newFake()})
	for _, mode := range []string{"exec", "simple_protocol", "cache_statement", "cache_describe", "describe_exec"} {
		c := connect(t, addr, "default_query_exec_mode="+mode)
		var n int64
		if err := c.QueryRow(context.Background(), "select 42").Scan(&n); err != nil || n != 42 {
			t.Errorf("%s: %d, %v", mode, n, err)
		}
		rows, err := c.Query(context.Background(), "select id from gt order by id")
		if err != nil {
			t.Fatal(err)
		}
		ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
		if err != nil || len(ids) != 5 || ids[4] != 5 {
			t.Errorf("%s: %v, %v", mode, ids, err)
		}
	}
}
