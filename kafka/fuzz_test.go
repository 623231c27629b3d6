package kafka

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// FuzzRequests sends bytes as a connection's requests. Whatever they are, the server lives, answers what it can, and
// ends the connection or waits for more.
func FuzzRequests(f *testing.F) {
	broker := newFake(f)
	if err := broker.CreateTopic(context.Background(), TopicSpec{Name: "t", Partitions: 2}); err != nil {
		f.Fatal(err)
	}
	s := New(Config{Broker: broker, MaxControl: 64 << 10, MaxRequest: 64 << 10, MinSession: time.Millisecond, MaxSession: 20 * time.Millisecond,
		FirstRebalance: time.Millisecond, MaxPartitions: 4, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	fm := kmsg.NewRequestFormatter(kmsg.FormatterClientID("fuzz"))
	topic, _ := broker.Topic("t")
	for _, a := range s.apis {
		for _, v := range []int16{a.min, a.max} {
			req := a.key.Request()
			req.SetVersion(v)
			fill(nil, req, s.uuid(topic.ID))
			f.Add(fm.AppendRequest(nil, req, 1))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond) // for what parks
		defer cancel()
		var in []byte
		for len(b) >= 4 { // lengths are made right, or the fuzzer finds little else
			n := min(int(binary.BigEndian.Uint32(b)), len(b)-4)
			in = append(binary.BigEndian.AppendUint32(in, uint32(n)), b[4:4+n]...)
			b = b[4+n:]
		}
		out := &script{in: bytes.NewReader(append(in, b...))}
		s.handle(ctx, out)
		for o := out.out.Bytes(); len(o) > 0; { // responses are whole
			if len(o) < 8 || int(binary.BigEndian.Uint32(o)) > len(o)-4 {
				t.Fatalf("a response is cut short: %x", o)
			}
			o = o[4+binary.BigEndian.Uint32(o):]
		}
	})
}

// script is a connection whose client has said all it has to say.
type script struct {
	in  *bytes.Reader
	out bytes.Buffer
}

func (s *script) Read(b []byte) (int, error)       { return s.in.Read(b) }
func (s *script) Write(b []byte) (int, error)      { return s.out.Write(b) }
func (s *script) Close() error                     { return nil }
func (s *script) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (s *script) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (s *script) SetDeadline(time.Time) error      { return nil }
func (s *script) SetReadDeadline(time.Time) error  { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }
