package hostile

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/jackc/pgx/v5/pgconn"
)

// TestStatements sends wrong statements and compares what a client is told. In
// testdata/statements.txt
//
//	ok               statements that succeed
//	wrong            one statement that fails; \xNN stands for a byte, and
//	                 {N*text} for N times text
//	extended         the same, through the extended protocol: the first line is
//	                 the statement, each further one a parameter as text
//	copy table=T     data that COPY T FROM STDIN refuses
func TestStatements(t *testing.T) {
	n := start(t, vfs.NewMem(), settings{})
	w := watch(n)
	c := n.connect()
	var improper []string
	datadriven.RunTest(t, "testdata/statements.txt", func(t *testing.T, d *datadriven.TestData) string {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		text := expand(t, d.Input)
		var err error
		switch d.Cmd {
		case "ok":
			exec(t, c, text)
			return "ok\n"
		case "wrong":
			_, err = try(c, text)
		case "extended":
			lines := strings.Split(text, "\n")
			var params [][]byte
			for _, p := range lines[1:] {
				params = append(params, []byte(p))
			}
			_, err = c.PgConn().ExecParams(ctx, lines[0], params, nil, nil, nil).Close()
		case "copy":
			var table string
			d.ScanArgs(t, "table", &table)
			_, err = c.PgConn().CopyFrom(ctx, strings.NewReader(text+"\n"), "COPY "+table+" FROM STDIN")
		default:
			d.Fatalf(t, "no such command")
		}
		// The next one must be served on the same connection.
		if rows := exec(t, c, "SELECT 1"); len(rows) != 1 {
			t.Fatalf("SELECT 1: %v", rows)
		}
		out, proper := told(err)
		if !proper { // told at the end: a failed test cannot rewrite its file
			improper = append(improper, d.Pos+": "+out)
		}
		return out
	})
	for _, s := range improper {
		t.Error(s)
	}
	w.testify(n)
	w.unharmed()
}

// told returns what a person sees of an error, and whether it is one that a person
// should ever see.
func told(err error) (text string, proper bool) {
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return fmt.Sprintf("no error from the server: %v\n", err), false
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", e.Code, e.Message)
	for _, f := range []struct{ name, text string }{{"detail", e.Detail}, {"hint", e.Hint}, {"where", e.Where}} {
		if f.text != "" {
			fmt.Fprintf(&b, "%s: %s\n", f.name, f.text)
		}
	}
	if e.Position != 0 {
		fmt.Fprintf(&b, "position: %d\n", e.Position)
	}
	return b.String(), !strings.HasPrefix(e.Code, "XX")
}

// expand replaces \xNN and {N*text}.
func expand(t *testing.T, s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		rest := s[i:]
		if strings.HasPrefix(rest, `\x`) && len(rest) >= 4 {
			if v, err := strconv.ParseUint(rest[2:4], 16, 8); err == nil {
				b.WriteByte(byte(v))
				i += 3
				continue
			}
		}
		if inner, _, ok := strings.Cut(rest, "}"); ok && rest[0] == '{' {
			if times, text, ok := strings.Cut(inner[1:], "*"); ok {
				if n, err := strconv.Atoi(times); err == nil {
					b.WriteString(strings.Repeat(text, n))
					i += len(inner)
					continue
				}
			}
		}
		b.WriteByte(rest[0])
	}
	return b.String()
}
