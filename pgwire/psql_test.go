package pgwire

import (
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/weirdb/weir/internal/vec"
)

func psql(t *testing.T, addr string, args ...string) *exec.Cmd {
	t.Helper()
	path, err := exec.LookPath("psql")
	if err != nil {
		t.Skip("psql is not installed")
	}
	host, port, _ := net.SplitHostPort(addr)
	cmd := exec.Command(path, append([]string{"-X", "-h", host, "-p", port, "-U", "weir", "weir"}, args...)...)
	cmd.Env = append(os.Environ(), "PGSSLMODE=prefer", "LC_ALL=C")
	return cmd
}

func TestPsql(t *testing.T) {
	addr, _ := serve(t, Config{Backend: newFake()})
	out, err := psql(t, addr, "-At", "-c", "select 1; select 2 as b, 'x'", "-c", "select * frm gt").CombinedOutput()
	want := "1\n2|x\nERROR:  syntax error at or near \"frm\"\nLINE 1: select * frm gt\n                 ^\n"
	if string(out) != want {
		t.Errorf("psql: %v\n%s\nwant\n%s", err, out, want)
	}
}

// psql shows nothing of a SELECT before its end, so it gets COPY data instead.
func TestPsqlSeesPushRowsLive(t *testing.T) {
	b := newFake()
	addr, _ := serve(t, Config{Backend: b})
	cmd := psql(t, addr, "-c", "select * from s emit changes")
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// stdio in psql holds output to a pipe back until it has 4 KiB.
	long := strings.Repeat("x", 8<<10)
	b.stream <- table([]Column{column("n", vec.Of(vec.Int64)), column("s", vec.Of(vec.Text))}, []vec.Value{int64(1), long})
	got := make([]byte, 4096)
	if _, err := io.ReadFull(pipe, got); err != nil || !strings.HasPrefix(string(got), "n\ts\n1\txxx") {
		t.Fatalf("%.20q, %v", got, err)
	}
	close(b.stream)
	rest, _ := io.ReadAll(pipe)
	if err := cmd.Wait(); err != nil || string(got)+string(rest) != "n\ts\n1\t"+long+"\n" {
		t.Errorf("%v; %d bytes after the first 4096", err, len(rest))
	}
}
