package pgwire

import (
	"context"
	"crypto/tls"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirdb/weir/internal/vec"
)

// While a query waits for rows its socket is read: what the client sends meanwhile
// is answered afterwards, and its going away ends the query. Over TLS as well,
// where a read is interrupted in the middle of the stream's records.
func TestWatchedConnection(t *testing.T) {
	cert := certificate(t)
	for _, encrypted := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b := newFake()
			srv, cli := net.Pipe()
			done := make(chan struct{})
			s := New(Config{Backend: b, TLS: &tls.Config{Certificates: []tls.Certificate{cert}}})
			go func() { defer close(done); s.handle(context.Background(), srv) }()
			c := &script{c: cli}
			if encrypted {
				c.c = tls.Client(cli, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"postgresql"}})
			}
			write := func(b []byte) {
				if _, err := c.c.Write(b); err != nil {
					t.Error(err)
				}
			}
			write(frameStartup())
			c.until(t, 'Z')
			for range 3 {
				write(frames(t, []string{`Query "select * from s emit changes"`}))
				c.until(t, 'T')
				time.Sleep(time.Hour)
				write(frames(t, []string{`Query "select 1"`, `Query "select 2"`})) // net.Pipe: done when read
				b.stream <- table(streamCols, []vec.Value{int64(1), "x"})
				c.until(t, 'D')
				b.stream <- nil // the end, see fakeResult
				got := c.until(t, 'Z')
				got = append(got, c.until(t, 'Z')...)
				got = append(got, c.until(t, 'Z')...)
				if g := strings.Join(got, "; "); !strings.Contains(g, `DataRow "1"`) || !strings.Contains(g, `DataRow "2"`) || strings.Contains(g, "Error") {
					t.Errorf("TLS %v: %s", encrypted, g)
				}
			}
			write(frames(t, []string{`Query "select wait"`, `Query "select 1"`}))
			time.Sleep(time.Hour)
			cli.Close()
			<-done
		})
	}
}
