package hostile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirdb/weir/engine"
	"github.com/weirdb/weir/kafka"
	"github.com/weirdb/weir/pgwire"
)

// patience is how long a test waits for what should take milliseconds. It only keeps
// a broken test from hanging.
const patience = 30 * time.Second

// A node is a whole node on loopback ports.
type node struct {
	t         testing.TB
	n         *engine.Node
	pg, kafka string // addresses
	stop      func() // ends it, in order; what fails fails the test
	failed    bool   // the disk: its end may say so
}

// settings are what a test wants of a node; the zero value is as weir start has it.
type settings struct {
	engine engine.Config
	pg     pgwire.Config
	kafka  kafka.Config
}

// start opens a node on fs and serves both of its doors.
func start(t testing.TB, fs vfs.FS, s settings) *node {
	t.Helper()
	n, err := open(t, fs, s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func open(t testing.TB, fs vfs.FS, s settings) (*node, error) {
	t.Helper()
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	if s.engine.Dir == "" {
		s.engine.Dir = "/weir"
	}
	s.engine.FS, s.engine.Logger = fs, quiet
	opening, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	e, err := engine.Open(opening, s.engine)
	if err != nil {
		return nil, err
	}
	s.pg.Backend, s.pg.Log = e.Backend(), quiet
	s.kafka.Broker, s.kafka.Log = e.Broker(), quiet
	listen := func() net.Listener {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return ln
	}
	ctx, end := context.WithCancel(context.Background())
	served := make(chan error, 2)
	pg, kf := listen(), listen()
	go func() { served <- pgwire.New(s.pg).Serve(ctx, pg) }()
	go func() { served <- kafka.New(s.kafka).Serve(ctx, kf) }()
	n := &node{t: t, n: e, pg: pg.Addr().String(), kafka: kf.Addr().String()}
	n.stop = sync.OnceFunc(func() {
		end()
		if err := errors.Join(<-served, <-served, e.Close()); err != nil && !n.failed {
			t.Errorf("the node did not end well: %v", err)
		}
	})
	t.Cleanup(n.stop)
	return n, nil
}

// abandon ends a node whose disk failed.
func (n *node) abandon() {
	n.failed = true
	n.stop()
}

// connect opens a session.
func (n *node) connect() *pgx.Conn {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := pgx.Connect(ctx, "postgres://weir@"+n.pg+"/weir")
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { c.Close(context.Background()) })
	return c
}

// client returns a Kafka client of the node.
func (n *node) client(opts ...kgo.Opt) *kgo.Client {
	n.t.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(n.kafka)}, opts...)...)
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(c.Close)
	return c
}

// exec runs statements that must succeed, and returns the rows of the last one.
func exec(t testing.TB, c *pgx.Conn, sql string) [][]string {
	t.Helper()
	rows, err := try(c, sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return rows
}

// try runs statements in the simple protocol and returns the rows of the last one.
func try(c *pgx.Conn, sql string) ([][]string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	results, err := c.PgConn().Exec(ctx, sql).ReadAll()
	if err != nil || len(results) == 0 {
		return nil, err
	}
	var rows [][]string
	for _, r := range results[len(results)-1].Rows {
		var row []string
		for _, f := range r {
			row = append(row, string(f))
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// sqlstate returns the SQLSTATE of err, or "" if it has none.
func sqlstate(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}

// A witness writes rows through both doors until it is asked what it saw.
type witness struct {
	n    *node
	end  context.CancelFunc
	done sync.WaitGroup

	mu    sync.Mutex
	acked []string // of rows, by their text
	maybe []string // written, and answered with an error
}

const witnessDDL = `CREATE STREAM witness (v TEXT) WITH (topic = 'witness', partitions = 2, value_format = 'JSON')`

// watch makes a witness begin. Its stream is made if it is not there.
func watch(n *node) *witness {
	n.t.Helper()
	c := n.connect()
	if _, err := try(c, witnessDDL); err != nil && sqlstate(err) != "42P07" {
		n.t.Fatal(err)
	}
	ctx, end := context.WithCancel(context.Background())
	w := &witness{n: n, end: end}
	p := n.client(kgo.DefaultProduceTopic("witness"))
	life := time.Now().UnixNano() // names of another life of the node differ
	w.done.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			v := fmt.Sprintf("sql-%d-%d", life, i)
			_, err := try(c, "INSERT INTO witness VALUES ('"+v+"')")
			w.saw(v, err)
			if c.IsClosed() {
				return
			}
		}
	})
	w.done.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			v := fmt.Sprintf("kafka-%d-%d", life, i)
			w.saw(v, p.ProduceSync(ctx, kgo.StringRecord(`{"v":"`+v+`"}`)).FirstErr())
		}
	})
	return w
}

func (w *witness) saw(v string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil {
		w.acked = append(w.acked, v)
	} else {
		w.maybe = append(w.maybe, v)
	}
}

// rest makes the witness stop writing.
func (w *witness) rest() {
	w.end()
	w.done.Wait()
}

// testify makes the witness rest, and compares what it saw with what n holds.
func (w *witness) testify(n *node) {
	n.t.Helper()
	w.rest()
	got := map[string]int{}
	for _, row := range exec(n.t, n.connect(), `SELECT v FROM witness`) {
		got[row[0]]++
	}
	if len(w.acked) == 0 {
		n.t.Error("the witness got nothing acknowledged: it proves nothing")
	}
	lost := 0
	for _, v := range w.acked {
		if got[v] != 1 {
			if lost++; lost < 5 {
				n.t.Errorf("row %s was acknowledged and is there %d times", v, got[v])
			}
		}
		delete(got, v)
	}
	for v, times := range got {
		if times != 1 || !slices.Contains(w.maybe, v) {
			n.t.Errorf("row %s is there %d times", v, times)
		}
	}
	n.t.Logf("%d rows acknowledged, %d not", len(w.acked), len(w.maybe))
}

// unharmed fails the test if the witness was refused anything.
func (w *witness) unharmed() {
	w.n.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	// The one that was under way when the witness was told to rest may be cut off.
	if len(w.maybe) > 1 {
		w.n.t.Errorf("%d writes of the witness failed, the first is %s", len(w.maybe), w.maybe[0])
	}
}
