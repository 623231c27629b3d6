package pgwire

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
)

// talk gives a server what a client might send and returns all that it answers.
// The server must end by itself once the bytes are over.
func talk(t testing.TB, data []byte, requirePassword bool) []byte {
	t.Helper()
	srv, cli := net.Pipe()
	b := newFake()
	close(b.stream)
	s := New(Config{Backend: b, RequirePassword: requirePassword, MaxMessage: 1 << 20, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	done := make(chan struct{})
	go func() { defer close(done); s.handle(context.Background(), srv) }()
	answer := make(chan []byte)
	go func() { all, _ := io.ReadAll(cli); answer <- all }()
	cli.Write(data)
	// Half a close: what is still unread of the answer is read, nothing more is sent.
	go func() { cli.Write(nil); cli.Write(frames(t, []string{"Terminate"})); cli.Close() }()
	<-done
	return <-answer
}

// FuzzSession sends raw bytes: behind a good start, or as the start.
func FuzzSession(f *testing.F) {
	start := string(frameStartup())
	f.Add(true, []byte{})
	for _, lines := range [][]string{
		{`Query "select 1; select 2"`},
		{`Parse name="a" "select $1::int" oids=[23]`, `Bind portal="p" stmt="a" pfmt=[1] params=["\x00\x00\x00\x01"] rfmt=[1]`, `Describe P "p"`, `Execute portal="p" max=1`, `Close P "p"`, `Flush`, `Sync`},
		{`Query "copy gt(id,name) from stdin"`, `CopyData "1\tx\n"`, `CopyDone`, `Terminate`},
		{`Query "copy gt(id,name) from stdin (format csv)"`, `CopyData "1,\"x\"\n"`, `CopyFail "no"`},
		{`Query "copy gt(id,name) from stdin (format binary)"`, `CopyData "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00\x00\x09\x00\x00\x00\x01x\xff\xff"`, `CopyDone`},
		{`Query "begin"`, `Query "select 1/0"`, `Query "commit"`},
		{`Raw "B\x00\x00\x00\x10\x00\x00\x00\x00\x00\x01\xff\xff\xff\xfe\x00\x00"`},
		{`Raw "F\x00\x00\x00\x12\x00\x00\x00\x01\x00\x00\x00\x01\xff\xff\xff\xf0\x00\x00"`, `Raw "f\x00\x00\x00\x04"`},
	} {
		f.Add(true, frames(f, lines))
	}
	f.Add(false, []byte(start))
	f.Add(false, []byte("\x00\x00\x00\x08\x04\xd2\x16\x2f"+start))
	f.Add(false, []byte("\x00\x00\x00\x12\x00\x03\x00\x02user\x00w\x00\x00\x00"))
	f.Add(false, []byte("\x00\x00\x00\x10\x04\xd2\x16\x2e\x00\x00\x00\x01\x00\x00\x00\x00"))
	f.Add(false, []byte("\x16\x03\x01\x02\x00\x01\x00\x01"))
	f.Add(false, []byte("GET / HTTP/1.1\r\n\r\n"))
	f.Fuzz(func(t *testing.T, started bool, data []byte) {
		if len(data) > 1<<16 {
			return
		}
		if started {
			data = append([]byte(start), data...)
		}
		// What comes back is made of whole messages, whatever was sent.
		answer := talk(t, data, false)
		for len(answer) > 0 && (answer[0] == 'N' && (len(answer) == 1 || answer[1] != 0)) {
			answer = answer[1:] // the answer to an SSLRequest
		}
		for len(answer) > 0 {
			n := 0
			if len(answer) >= 5 {
				n = 1 + int(answer[1])<<24 + int(answer[2])<<16 + int(answer[3])<<8 + int(answer[4])
			}
			if n < 5 || n > len(answer) {
				t.Fatalf("torn message: %.60q", answer)
			}
			answer = answer[n:]
		}
		talk(t, data, true)
	})
}

// copyInto runs data, cut into pieces, through the reader of COPY.
func copyInto(t testing.TB, cp Copy, data []byte, piece int) (rows []string, err error) {
	t.Helper()
	var in bytes.Buffer
	for len(data) > 0 {
		n := min(piece, len(data))
		in.Write(frames(t, []string{"CopyData " + strconv.Quote(string(data[:n]))}))
		data = data[n:]
	}
	in.Write(frames(t, []string{"CopyDone"}))
	c := newConn(New(Config{Backend: newFake(), MaxMessage: 1 << 20}), bufferConn{r: &in})
	c.in.max = 1 << 20
	c.sess = &fakeSession{b: newFake(), tx: 'I', client: &c.client}
	r := newCopyReader(c, cp.withDefaults())
	for {
		b, err := r.Next(context.Background())
		if err == io.EOF {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		for i := range b.Len() {
			var fields []string
			for _, v := range b.Cols {
				if v.Null(i) {
					fields = append(fields, "NULL")
				} else {
					fields = append(fields, strconv.Quote(string(vec.AppendText(nil, v, i, nil))))
				}
			}
			rows = append(rows, strings.Join(fields, "|"))
		}
	}
}

// bufferConn is a connection of which only the reading is looked at.
type bufferConn struct {
	net.Conn
	r io.Reader
}

func (c bufferConn) Read(b []byte) (int, error) { return c.r.Read(b) }

// FuzzCopy checks that data reads the same however it is cut into messages, that
// errors are the client's, and that what COPY writes it reads back.
func FuzzCopy(f *testing.F) {
	f.Add(uint8(0), byte(0), []byte("1\tx\n2\t\\N\n3\ta\\tb\\\nc\n\\.\n"))
	f.Add(uint8(1), byte(0), []byte("1,x\n2,\n3,\"a,\"\"b\nc\"\n"))
	f.Add(uint8(1), byte('\\'), []byte("1,\"a\\\"b\\\\\"\n2,\"\\\"\n"))
	f.Add(uint8(2), byte(0), []byte(copyHeader+"\x00\x02\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00\x00\x09\x00\x00\x00\x01x\xff\xff"))
	f.Fuzz(func(t *testing.T, format uint8, escape byte, data []byte) {
		if len(data) > 1<<12 {
			return
		}
		if escape == '\n' || escape == '\r' || escape == ',' {
			return // COPY's options do not allow it
		}
		cp := Copy{In: true, Format: CopyFormat(format % 3), Columns: []Column{gtID, gtName}, Table: "gt", Escape: escape}
		rows, err := copyInto(t, cp, data, 1<<12)
		if e := pgerr.From(err); err != nil && e.Code == pgerr.InternalError {
			t.Fatalf("internal error: %v", err)
		}
		cut, cutErr := copyInto(t, cp, data, 1)
		if (err == nil) != (cutErr == nil) || err == nil && strings.Join(rows, "\n") != strings.Join(cut, "\n") {
			t.Fatalf("whole: %q, %v\nby byte: %q, %v", rows, err, cut, cutErr)
		}
		if err != nil || escape != 0 {
			return
		}
		again, err := copyInto(t, cp, rewrite(t, cp, data), 7)
		if err != nil || strings.Join(rows, "\n") != strings.Join(again, "\n") {
			t.Fatalf("read   %q\nreread %q, %v", rows, again, err)
		}
	})
}

// rewrite reads data and writes it as COPY does.
func rewrite(t testing.TB, cp Copy, data []byte) (out []byte) {
	in := frames(t, []string{"CopyData " + strconv.Quote(string(data)), "CopyDone"})
	c := newConn(New(Config{Backend: newFake(), MaxMessage: 1 << 20}), bufferConn{r: bytes.NewReader(in)})
	c.in.max = 1 << 20
	c.sess = &fakeSession{b: newFake(), tx: 'I', client: &c.client}
	r := newCopyReader(c, cp.withDefaults())
	w := newCopyWriter(cp.withDefaults())
	var dst []byte
	for {
		b, err := r.Next(context.Background())
		if err != nil {
			break
		}
		for i := range b.Len() {
			dst = w.appendRow(dst, b, i, nil)
		}
	}
	dst = w.appendTrailer(dst)
	for len(dst) > 0 {
		n := 1 + int(dst[1])<<24 + int(dst[2])<<16 + int(dst[3])<<8 + int(dst[4])
		out = append(out, dst[5:n]...)
		dst = dst[n:]
	}
	return out
}
