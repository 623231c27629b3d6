package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"weir": main})
}

// TestScripts runs the binary as people do: testdata/script/*.txtar. Beside
// testscript's own commands there are
//
//	serve FLAGS      starts a node on free ports and waits until it is ready; the
//	                 addresses are $PG, $KAFKA, $HTTP and $REGISTRY
//	stop [SIGNAL]    ends the node with SIGTERM, or INT or KILL, and waits; exit code
//	                 and time are checked unless it is KILL
//	sql STATEMENT    runs a statement; its rows are stdout. ! sql wants an error
//	get URL          makes an HTTP request
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"serve": serve, "stop": stop, "sql": sql, "get": get,
		},
		Setup: func(env *testscript.Env) error {
			env.Values[nodeKey{}] = new(node)
			return nil
		},
	})
}

type nodeKey struct{}

// node is a weir start that runs.
type node struct {
	cmd   *exec.Cmd
	ended chan error // what Wait gave
}

// patience is how long a test waits for what should take milliseconds. It only
// keeps a failed test from hanging.
const patience = 30 * time.Second

func serve(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("use ! exec weir start for a start that fails")
	}
	ready := ts.MkAbs("serve.ready")
	args = append([]string{
		"start", "--pg-addr", "127.0.0.1:0", "--kafka-addr", "127.0.0.1:0",
		"--http-addr", "127.0.0.1:0", "--registry-addr", "127.0.0.1:0", "--ready-file", ready,
	}, args...)
	cmd := exec.Command(weirPath(ts), args...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = []string{"PATH=" + ts.Getenv("PATH"), "HOME=" + ts.Getenv("HOME"), "TMPDIR=" + ts.Getenv("TMPDIR")}
	stderr, err := cmd.StderrPipe()
	ts.Check(err)
	ts.Check(cmd.Start())

	n := ts.Value(nodeKey{}).(*node)
	n.cmd, n.ended = cmd, make(chan error, 1)
	isReady, log := make(chan struct{}), &strings.Builder{}
	go func() {
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			fmt.Fprintln(log, lines.Text())
			if strings.Contains(lines.Text(), "msg=ready") {
				close(isReady)
			}
		}
		n.ended <- cmd.Wait() // after the last line, as os/exec asks for
	}()
	ts.Defer(func() {
		if n.cmd == cmd { // the script ended without stop
			cmd.Process.Kill()
			<-n.ended
		}
		ts.Logf("log of weir start:\n%s", log)
	})
	select {
	case <-isReady:
	case err := <-n.ended:
		n.cmd = nil
		ts.Fatalf("weir start ended: %v\n%s", err, log)
	case <-time.After(patience):
		ts.Fatalf("weir start is not ready after %v", patience)
	}
	var at addresses
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(ready)), &at))
	ts.Setenv("PG", at.PG)
	ts.Setenv("KAFKA", at.Kafka)
	ts.Setenv("HTTP", at.HTTP)
	ts.Setenv("REGISTRY", at.Registry)
}

// stopWithin is what DESIGN promises: a node told to stop has stopped by then.
const stopWithin = 2 * time.Second

func stop(ts *testscript.TestScript, neg bool, args []string) {
	n := ts.Value(nodeKey{}).(*node)
	if n.cmd == nil {
		ts.Fatalf("no node runs")
	}
	sig := syscall.SIGTERM
	if len(args) > 0 {
		sig = map[string]syscall.Signal{"INT": syscall.SIGINT, "KILL": syscall.SIGKILL}[args[0]]
	}
	began := time.Now()
	ts.Check(n.cmd.Process.Signal(sig))
	select {
	case err := <-n.ended:
		n.cmd = nil
		if sig == syscall.SIGKILL {
			return
		}
		ts.Check(err)
		if took := time.Since(began); took > stopWithin {
			ts.Fatalf("it took %v to stop", took)
		}
	case <-time.After(patience):
		ts.Fatalf("the node does not stop")
	}
}

func weirPath(ts *testscript.TestScript) string {
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if name := filepath.Join(dir, "weir"); isFile(name) {
			return name
		}
	}
	ts.Fatalf("no weir in PATH")
	return ""
}

func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}

func sql(ts *testscript.TestScript, neg bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, "postgres://weir@"+ts.Getenv("PG")+"/weir")
	ts.Check(err)
	defer conn.Close(ctx)
	results, err := conn.PgConn().Exec(ctx, strings.Join(args, " ")).ReadAll()
	if neg {
		if err == nil {
			ts.Fatalf("the statement succeeds")
		}
		fmt.Fprintln(ts.Stderr(), err)
		return
	}
	ts.Check(err)
	for _, r := range results {
		for _, row := range r.Rows {
			var fields []string
			for _, f := range row {
				fields = append(fields, string(f))
			}
			fmt.Fprintln(ts.Stdout(), strings.Join(fields, "|"))
		}
	}
}

func get(ts *testscript.TestScript, neg bool, args []string) {
	resp, err := http.Get(args[0])
	ts.Check(err)
	defer resp.Body.Close()
	if failed := resp.StatusCode >= 400; failed != neg {
		ts.Fatalf("%s: %s", args[0], resp.Status)
	}
	_, err = io.Copy(ts.Stdout(), resp.Body)
	ts.Check(err)
}
