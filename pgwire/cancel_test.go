package pgwire

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	pg "github.com/jackc/pgproto3/v2"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weirdb/weir/internal/vec"
)

func codeOf(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}

var streamCols = []Column{column("n", vec.Of(vec.Int64)), column("s", vec.Of(vec.Text))}

// Rows of a push query arrive one by one, in both protocols, until a cancel
// request from another connection; the session goes on.
func TestPushAndCancel(t *testing.T) {
	for _, mode := range []string{"simple_protocol", "exec", "cache_statement"} {
		b := newFake()
		addr, _ := serve(t, Config{Backend: b})
		c := connect(t, addr, "default_query_exec_mode="+mode)
		next := make(chan struct{})
		go func() {
			for i := range int64(3) {
				b.stream <- table(streamCols, []vec.Value{i, "x"})
				<-next // so that each row has to arrive alone
			}
		}()
		rows, err := c.Query(context.Background(), "select * from s emit changes")
		if err != nil {
			t.Fatal(err)
		}
		for i := range int64(3) {
			var n int64
			var s string
			if !rows.Next() {
				t.Fatal(mode, rows.Err())
			}
			if err := rows.Scan(&n, &s); err != nil || n != i {
				t.Fatalf("%s: row %d, %v", mode, n, err)
			}
			next <- struct{}{}
		}
		if err := c.PgConn().CancelRequest(context.Background()); err != nil {
			t.Fatal(err)
		}
		if rows.Next() || codeOf(rows.Err()) != "57014" {
			t.Errorf("%s: after the cancel request: %v", mode, rows.Err())
		}
		if err := c.PgConn().CancelRequest(context.Background()); err != nil { // nothing runs: no harm
			t.Fatal(err)
		}
		var one int
		if err := c.QueryRow(context.Background(), "select 1").Scan(&one); err != nil || one != 1 {
			t.Errorf("%s: the session is gone: %v", mode, err)
		}
	}
}

func TestCancelNeedsTheSecret(t *testing.T) {
	b := newFake()
	addr, s := serve(t, Config{Backend: b})
	c := dial(t, addr, map[string]string{"user": "weir"})
	c.until(t, 'Z')
	c.c.Write(frames(t, []string{`Query "select * from s emit changes"`}))
	<-b.waiting
	k, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	k.Write([]byte("\x00\x00\x00\x10\x04\xd2\x16\x2e\x00\x00\x00\x01\x00\x00\x00\x00"))
	if n, _ := k.Read(make([]byte, 1)); n != 0 {
		t.Error("a cancel request was answered")
	}
	k.Close()
	// The wrong secret did nothing: the query still yields rows.
	b.stream <- table(streamCols, []vec.Value{int64(1), "x"})
	if got := c.until(t, 'D'); !strings.HasPrefix(got[len(got)-1], "DataRow") {
		t.Errorf("after a wrong cancel request: %q", got)
	}
	<-b.waiting
	if !s.Cancel(1) || s.Cancel(99) {
		t.Error("Cancel does not know its connections")
	}
	got := c.until(t, 'Z')
	if want := "canceling statement due to user request"; !strings.Contains(got[0], want) {
		t.Errorf("%q, want %s", got, want)
	}
	if !s.Terminate(1) {
		t.Error("Terminate does not know its connections")
	}
	if got := c.until(t, 'Z'); !strings.Contains(got[0], "C=57P01") || got[len(got)-1] != "<closed>" {
		t.Errorf("after Terminate: %q", got)
	}
}

// psql's own push query ends without an error when it is cancelled.
func TestCancelOfCopyForPsql(t *testing.T) {
	b := newFake()
	addr, s := serve(t, Config{Backend: b})
	c := dial(t, addr, map[string]string{"user": "weir", "application_name": "psql"})
	c.until(t, 'Z')
	c.c.Write(frames(t, []string{`Query "select * from s emit changes"`}))
	b.stream <- table(streamCols, []vec.Value{int64(1), "a\tb"}, []vec.Value{int64(2), nil})
	got := c.until(t, 'd')
	got = append(got, c.until(t, 'd')...)
	got = append(got, c.until(t, 'd')...)
	<-b.waiting
	<-b.waiting
	s.Cancel(1)
	got = append(got, c.until(t, 'Z')...)
	want := `CopyOutResponse overall=0 cols=000200000000
CopyData "n\ts\n"
CopyData "1\ta\\tb\n"
CopyData "2\t\\N\n"
CopyDone len=0
CommandComplete COPY 2
ReadyForQuery I`
	if g := strings.Join(got, "\n"); g != want {
		t.Errorf("got\n%s\nwant\n%s", g, want)
	}
}

// A client that goes away ends its query, although nobody writes to it.
func TestClosedSocketEndsQuery(t *testing.T) {
	b := newFake()
	addr, _ := serve(t, Config{Backend: b})
	c := dial(t, addr, map[string]string{"user": "weir"})
	c.until(t, 'Z')
	// Pipelined bytes behind the query must not hide the end.
	c.c.Write(frames(t, []string{`Query "select wait"`, `Query "select 1"`}))
	<-b.waiting
	c.c.Close()
	<-b.closed
}

func TestCancelDuringCopyIn(t *testing.T) {
	addr, s := serve(t, Config{Backend: newFake()})
	c := dial(t, addr, map[string]string{"user": "weir"})
	c.until(t, 'Z')
	c.until(t, 'G', `Query "copy gt(id,name) from stdin"`)
	s.Cancel(1)
	if got := c.until(t, 'Z'); !strings.Contains(got[0], "C=57014") {
		t.Errorf("%q", got)
	}
	// The rest of the data is ignored.
	got := c.until(t, 'Z', `CopyData "1\tx\n"`, `CopyDone`, `Query "select 1"`)
	if got[len(got)-2] != "CommandComplete SELECT 1" {
		t.Errorf("%q", got)
	}
}

func TestShutdown(t *testing.T) {
	b := newFake()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- New(Config{Backend: b}).Serve(ctx, ln) }()
	idle := dial(t, ln.Addr().String(), map[string]string{"user": "weir"})
	idle.until(t, 'Z')
	busy := dial(t, ln.Addr().String(), map[string]string{"user": "weir"})
	busy.until(t, 'Z')
	busy.c.Write(frames(t, []string{`Query "select wait"`}))
	<-b.waiting
	silent, err := net.Dial("tcp", ln.Addr().String()) // never says who it is
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	for name, c := range map[string]*script{"idle": idle, "busy": busy} {
		got := c.until(t, 'Z')
		if last := got[len(got)-2]; !strings.Contains(last, "FATAL") || !strings.Contains(last, "C=57P01") {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestTooManyConnections(t *testing.T) {
	addr, _ := serve(t, Config{Backend: newFake(), MaxConns: 1})
	c := connect(t, addr, "")
	_, err := pgx.Connect(context.Background(), "postgres://weir@"+addr+"/weir?sslmode=disable")
	if codeOf(err) != "53300" {
		t.Errorf("%v", err)
	}
	if err := c.PgConn().CancelRequest(context.Background()); err != nil { // still let in
		t.Error(err)
	}
}

func TestLimitsPerSession(t *testing.T) {
	addr, _ := serve(t, Config{Backend: newFake(), MaxStatements: 1, MaxPortals: 1, MaxMessage: 1000})
	c := dial(t, addr, map[string]string{"user": "weir"})
	c.until(t, 'Z')
	got := c.until(t, 'Z', `Parse name="a" "select 1" oids=[]`, `Parse name="b" "select 1" oids=[]`, `Sync`)
	if !strings.Contains(got[1], "too many prepared statements") {
		t.Errorf("%q", got)
	}
	got = c.until(t, 'Z', `Bind portal="a" stmt="a" pfmt=[] params=[] rfmt=[]`, `Bind portal="b" stmt="a" pfmt=[] params=[] rfmt=[]`, `Sync`)
	if !strings.Contains(got[1], "too many open portals") {
		t.Errorf("%q", got)
	}
	got = c.until(t, 'Z', `Query "`+strings.Repeat(" ", 2000)+`"`)
	if !strings.Contains(got[0], "invalid message length") || got[1] != "<closed>" {
		t.Errorf("%q", got)
	}
}

// A client that does not read stops its own query: rows wait where they are made.
func TestSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newFake()
		srv, cli := net.Pipe() // holds nothing: what is not read is not written
		ctx, cancel := context.WithCancelCause(context.Background())
		s := New(Config{Backend: b})
		done := make(chan struct{})
		go func() { defer close(done); s.handle(ctx, srv) }()
		c := &script{c: cli}
		go cli.Write(frameStartup())
		c.until(t, 'Z')
		go cli.Write(frames(t, []string{`Query "select * from s emit changes"`}))
		c.until(t, 'T')
		taken := 0
		synctest.Wait()
		for range 10 {
			select {
			case b.stream <- table(streamCols, []vec.Value{int64(1), "x"}):
				taken++
			default:
			}
			synctest.Wait()
		}
		if taken != 1 {
			t.Errorf("%d batches were taken while the client did not read", taken)
		}
		c.until(t, 'D')
		synctest.Wait()
		b.stream <- table(streamCols, []vec.Value{int64(2), "x"})
		c.until(t, 'D')
		// Nor may it hold up the end of the server for long.
		b.stream <- table(streamCols, []vec.Value{int64(3), "x"})
		synctest.Wait()
		start := time.Now()
		cancel(errShutdown)
		<-done
		if d := time.Since(start); d > shutdownGrace {
			t.Errorf("it took %v to end", d)
		}
		cli.Close()
	})
}

func frameStartup() []byte {
	m, _ := (&pg.StartupMessage{ProtocolVersion: pg.ProtocolVersionNumber, Parameters: map[string]string{"user": "weir"}}).Encode(nil)
	return m
}

// Execute with a limit waits for as many rows; with a linger it takes what has come.
func TestFetchLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newFake()
		srv, cli := net.Pipe()
		done := make(chan struct{})
		go func() { defer close(done); New(Config{Backend: b}).handle(context.Background(), srv) }()
		c := &script{c: cli}
		go cli.Write(frameStartup())
		c.until(t, 'Z')
		send := func(lines ...string) { go cli.Write(frames(t, lines)) }
		send(`Query "set weir.fetch_linger = '100ms'"`)
		c.until(t, 'Z')
		send(`Parse name="" "select * from s emit changes" oids=[]`, `Bind portal="" stmt="" pfmt=[] params=[] rfmt=[]`, `Execute portal="" max=3`, `Flush`)
		head := c.until(t, '2')
		time.Sleep(time.Hour) // the first row is waited for
		b.stream <- table(streamCols, []vec.Value{int64(1), "x"})
		start := time.Now()
		got := strings.Join(append(head, c.until(t, 's')...), "\n")
		if want := "ParseComplete len=0\nBindComplete len=0\nDataRow \"1\", \"x\"\nPortalSuspended len=0"; got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
		if d := time.Since(start); d != 100*time.Millisecond {
			t.Errorf("lingered for %v", d)
		}
		send(`Execute portal="" max=1`, `Flush`)
		b.stream <- table(streamCols, []vec.Value{int64(2), "x"}, []vec.Value{int64(3), "x"})
		got = strings.Join(c.until(t, 's'), "\n")
		send(`Execute portal="" max=1`, `Flush`)
		got += "\n" + strings.Join(c.until(t, 's'), "\n")
		if want := "DataRow \"2\", \"x\"\nPortalSuspended len=0\nDataRow \"3\", \"x\"\nPortalSuspended len=0"; got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
		cli.Close()
		<-done
	})
}
