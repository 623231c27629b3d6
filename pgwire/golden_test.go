package pgwire

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	pg "github.com/jackc/pgproto3/v2"
)

// script is a connection driven by lines of text, one a message:
//
//	Query "select 1"
//	Parse name="" "select $1::int" oids=[]
//	Bind portal="" stmt="" pfmt=[] params=["1"] rfmt=[]
//	Execute portal="" max=0
type script struct {
	c net.Conn
}

func dial(t testing.TB, addr string, params map[string]string) *script {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	m, _ := (&pg.StartupMessage{ProtocolVersion: pg.ProtocolVersionNumber, Parameters: params}).Encode(nil)
	c.Write(m)
	return &script{c: c}
}

// frames encodes lines of a script.
func frames(t testing.TB, lines []string) (out []byte) {
	t.Helper()
	for _, line := range lines {
		m := frame(t, line)
		if m == nil {
			t.Fatalf("line is no message: %s", line)
		}
		out, _ = m.Encode(out)
	}
	return out
}

func frame(t testing.TB, line string) pg.FrontendMessage {
	kind, rest, _ := strings.Cut(line, " ")
	text := func() string { // the next quoted string
		t.Helper()
		i := strings.IndexByte(rest, '"')
		if i < 0 {
			t.Fatalf("no string in %q", line)
		}
		q, err := strconv.QuotedPrefix(rest[i:])
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		s, _ := strconv.Unquote(q)
		rest = rest[i+len(q):]
		return s
	}
	list := func() []string { // what is in the next brackets
		i, j := strings.IndexByte(rest, '['), strings.IndexByte(rest, ']')
		in := rest[i+1 : j]
		rest = rest[j+1:]
		return strings.Fields(in)
	}
	ints := func() (out []int16) {
		for _, s := range list() {
			n, _ := strconv.Atoi(s)
			out = append(out, int16(n))
		}
		return out
	}
	switch kind {
	case "Query":
		return &pg.Query{String: text()}
	case "Parse":
		m := &pg.Parse{Name: text(), Query: text()}
		for _, s := range list() {
			n, _ := strconv.Atoi(s)
			m.ParameterOIDs = append(m.ParameterOIDs, uint32(n))
		}
		return m
	case "Bind":
		m := &pg.Bind{DestinationPortal: text(), PreparedStatement: text(), ParameterFormatCodes: ints()}
		for range strings.Count(rest[:strings.LastIndex(rest, "rfmt=")], `"`) / 2 {
			m.Parameters = append(m.Parameters, []byte(text()))
		}
		rest = rest[strings.LastIndex(rest, "rfmt="):]
		m.ResultFormatCodes = ints()
		return m
	case "Describe":
		object := rest[0]
		return &pg.Describe{ObjectType: object, Name: text()}
	case "Close":
		object := rest[0]
		return &pg.Close{ObjectType: object, Name: text()}
	case "Execute":
		m := &pg.Execute{Portal: text()}
		n, _ := strconv.Atoi(rest[strings.Index(rest, "max=")+4:])
		m.MaxRows = uint32(n)
		return m
	case "CopyData":
		return &pg.CopyData{Data: []byte(text())}
	case "CopyFail":
		return &pg.CopyFail{Message: text()}
	case "CopyDone":
		return &pg.CopyDone{}
	case "Sync":
		return &pg.Sync{}
	case "Flush":
		return &pg.Flush{}
	case "Terminate":
		return &pg.Terminate{}
	case "Raw":
		return raw(text())
	}
	return nil
}

type raw string

func (raw) Frontend()                         {}
func (raw) Decode([]byte) error               { return nil }
func (r raw) Encode(d []byte) ([]byte, error) { return append(d, r...), nil }

// receive returns a message of the server as text, "<closed>" at the end.
func (s *script) receive(t testing.TB) (kind byte, text string) {
	t.Helper()
	var head [5]byte
	if _, err := io.ReadFull(s.c, head[:]); err != nil {
		return 0, "<closed>"
	}
	body := make([]byte, binary.BigEndian.Uint32(head[1:])-4)
	if _, err := io.ReadFull(s.c, body); err != nil {
		t.Fatal(err)
	}
	return head[0], show(head[0], body)
}

// until sends messages and returns what comes back up to and with a message of
// the kind.
func (s *script) until(t testing.TB, kind byte, lines ...string) (out []string) {
	t.Helper()
	if len(lines) > 0 {
		s.c.Write(frames(t, lines))
	}
	for {
		k, text := s.receive(t)
		out = append(out, text)
		if k == kind || k == 0 {
			return out
		}
	}
}

var emptyMessages = map[byte]string{'1': "ParseComplete", '2': "BindComplete", '3': "CloseComplete", 'I': "EmptyQueryResponse",
	'n': "NoData", 's': "PortalSuspended", 'c': "CopyDone", 'R': "Authentication", 'K': "BackendKeyData", 'v': "NegotiateProtocolVersion"}

func show(kind byte, b []byte) string {
	cs := func(b []byte) string { s, _, _ := bytes.Cut(b, []byte{0}); return string(s) }
	var s []string
	switch kind {
	case 'E', 'N':
		for _, f := range bytes.Split(b, []byte{0}) {
			if len(f) > 0 {
				s = append(s, fmt.Sprintf("%c=%s", f[0], f[1:]))
			}
		}
		return map[byte]string{'E': "ErrorResponse ", 'N': "NoticeResponse "}[kind] + strings.Join(s, " | ")
	case 'C':
		return "CommandComplete " + cs(b)
	case 'Z':
		return "ReadyForQuery " + string(b)
	case 'S':
		i := bytes.IndexByte(b, 0)
		return fmt.Sprintf("ParameterStatus %s=%s", b[:i], cs(b[i+1:]))
	case 'D':
		n, p := int(binary.BigEndian.Uint16(b)), b[2:]
		for range n {
			size := int32(binary.BigEndian.Uint32(p))
			p = p[4:]
			if size < 0 {
				s = append(s, "NULL")
				continue
			}
			s = append(s, fmt.Sprintf("%q", p[:size]))
			p = p[size:]
		}
		return "DataRow " + strings.Join(s, ", ")
	case 'T':
		n, p := int(binary.BigEndian.Uint16(b)), b[2:]
		for range n {
			name := cs(p)
			p = p[len(name)+1:]
			s = append(s, fmt.Sprintf("%s(tab=%v att=%d oid=%d len=%d mod=%d fmt=%d)", name, binary.BigEndian.Uint32(p) != 0, binary.BigEndian.Uint16(p[4:]),
				binary.BigEndian.Uint32(p[6:]), int16(binary.BigEndian.Uint16(p[10:])), int32(binary.BigEndian.Uint32(p[12:])), binary.BigEndian.Uint16(p[16:])))
			p = p[18:]
		}
		return "RowDescription " + strings.Join(s, " ")
	case 't':
		oids := make([]uint32, binary.BigEndian.Uint16(b))
		for i := range oids {
			oids[i] = binary.BigEndian.Uint32(b[2+4*i:])
		}
		return fmt.Sprintf("ParameterDescription %v", oids)
	case 'G', 'H':
		return fmt.Sprintf("%s overall=%d cols=%x", map[byte]string{'G': "CopyInResponse", 'H': "CopyOutResponse"}[kind], b[0], b[1:])
	case 'd':
		return fmt.Sprintf("CopyData %q", b)
	case 'A':
		channel := cs(b[4:])
		return fmt.Sprintf("NotificationResponse channel=%q payload=%q", channel, cs(b[4+len(channel)+1:]))
	}
	return fmt.Sprintf("%s len=%d", emptyMessages[kind], len(b))
}

// end is the kind of message after which the server waits for these lines' successors.
func end(lines []string) byte {
	last := lines[len(lines)-1]
	switch {
	case last == "Flush":
		return 'C'
	case strings.HasPrefix(last, "Query") && strings.Contains(last, "from stdin"),
		strings.HasPrefix(last, "Execute") && strings.Contains(strings.Join(lines, ""), "from stdin"):
		return 'G'
	}
	return 'Z'
}

// TestScripts replays the conversations of testdata. Each directive is one write
// of the client; "reconnect" begins a new connection.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		if strings.Contains(path, "fuzz") {
			return
		}
		addr, _ := serve(t, Config{Backend: newFake()})
		var s *script
		open := func(params map[string]string) []string {
			s = dial(t, addr, params)
			return s.until(t, 'Z')
		}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "startup":
				params := map[string]string{}
				for line := range strings.Lines(d.Input) {
					k, v, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
					params[k] = v
				}
				return strings.Join(open(params), "\n") + "\n"
			case "connect":
				open(map[string]string{"user": "weir", "database": "weir"})
				return ""
			case "send":
				lines := strings.Split(d.Input, "\n")
				return strings.Join(s.until(t, end(lines), lines...), "\n") + "\n"
			}
			t.Fatalf("unknown directive %s", d.Cmd)
			return ""
		})
	})
}

// TestGolden replays conversations recorded from PostgreSQL, those that the fake
// backend can follow, and wants the same answers.
func TestGolden(t *testing.T) {
	dir := os.Getenv("WEIR_SHARED")
	if dir == "" {
		t.Skip("WEIR_SHARED is not set")
	}
	data, err := os.ReadFile(filepath.Join(dir, "pg_golden/protocol_golden_pg15.txt"))
	if err != nil {
		t.Fatal(err)
	}
	// What needs a real database behind the door, and why.
	skip := map[string]string{
		"Describe statement: parameter inference": "types of expressions",
		"parse errors of extended":                "partly: binary int4",
		"SQL cursors":                             "DECLARE",
		"LISTEN/NOTIFY":                           "pg_notify",
		"statement_timeout":                       "timeouts are the session's",
		"readonly / misc errors":                  "savepoints",
		"startup errors":                          "server_version differs",
		"unknown message type":                    "goes on from the scenario before it",
		"Flush returns answers without Sync":      "has no step marks",
		"syntax error position (1-based characters, not bytes)": "column names",
	}
	for part := range strings.SplitSeq(string(data), "\n### ") {
		name, steps, _ := strings.Cut(part, "\n")
		if steps == "" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			if why := skip[name]; why != "" {
				t.Skip(why)
			}
			addr, _ := serve(t, Config{Backend: newFake()})
			s := dial(t, addr, map[string]string{"user": "weir", "database": "weir"})
			s.until(t, 'Z')
			for step := range strings.SplitSeq(steps, "  --\n") {
				var f, want []string
				for line := range strings.Lines(step) {
					line = strings.TrimSuffix(line, "\n")
					if x, ok := strings.CutPrefix(line, "  F "); ok {
						f = append(f, x)
					} else if x, ok := strings.CutPrefix(line, "  B "); ok {
						want = append(want, x)
					}
				}
				if len(f) == 0 {
					continue
				}
				got := s.until(t, end(f), f...)
				if want[len(want)-1] == "<closed>" {
					for got[len(got)-1] != "<closed>" {
						_, text := s.receive(t)
						got = append(got, text)
					}
				}
				// Weir evaluates constants when it runs, not when it binds.
				if strings.Contains(steps, "1/0") {
					got = dropBefore(got, "BindComplete len=0", "ErrorResponse S=ERROR | V=ERROR | C=22012")
				}
				if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
					t.Errorf("%s\ngot\n%s\nwant\n%s", strings.Join(f, "\n"), g, w)
				}
			}
		})
	}
}

// dropBefore removes the line that stands right before one with a prefix.
func dropBefore(lines []string, drop, prefix string) (out []string) {
	for i, l := range lines {
		if l == drop && i+1 < len(lines) && strings.HasPrefix(lines[i+1], prefix) {
			continue
		}
		out = append(out, l)
	}
	return out
}
