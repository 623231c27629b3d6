package kafka

import (
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
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		here, there := net.Pipe()
		done := make(chan struct{})
		go func() { defer close(done); s.handle(ctx, there) }()
		go func() {
			for len(b) >= 4 { // lengths are made right, or the fuzzer finds little else
				n := min(int(binary.BigEndian.Uint32(b)), len(b)-4)
				frame := binary.BigEndian.AppendUint32(nil, uint32(n))
				if _, err := here.Write(append(frame, b[4:4+n]...)); err != nil {
					break
				}
				b = b[4+n:]
			}
			// The server reads no more than this: let it see the end after what it has to say.
			here.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		}()
		io.Copy(io.Discard, here)
		here.Close()
		<-done
	})
}
