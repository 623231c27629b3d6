package hostile

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	pg "github.com/jackc/pgproto3/v2"
	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirdb/weir/kafka"
	"github.com/weirdb/weir/pgwire"
)

var (
	long = flag.Bool("long", false, "many more frames and connections")
	seed = flag.Uint64("seed", 1, "of the random frames")
)

// much returns how often to do something.
func much(n int) int {
	if *long {
		return 50 * n
	}
	return n
}

// greeting is what a Postgres client says before its first statement.
func greeting() []byte {
	b, _ := (&pg.StartupMessage{ProtocolVersion: pg.ProtocolVersionNumber, Parameters: map[string]string{"user": "weir", "database": "weir"}}).Encode(nil)
	return b
}

// conversation is well-formed messages of every kind a Postgres client sends.
func conversation() (out [][]byte) {
	for _, m := range []pg.FrontendMessage{
		&pg.Query{String: "SELECT v FROM witness LIMIT 3"},
		&pg.Parse{Name: "s", Query: "SELECT $1::int + 1", ParameterOIDs: []uint32{23}},
		&pg.Bind{DestinationPortal: "p", PreparedStatement: "s", ParameterFormatCodes: []int16{1}, Parameters: [][]byte{{0, 0, 0, 7}}, ResultFormatCodes: []int16{1}},
		&pg.Describe{ObjectType: 'S', Name: "s"}, &pg.Describe{ObjectType: 'P', Name: "p"},
		&pg.Execute{Portal: "p", MaxRows: 1}, &pg.Sync{}, &pg.Flush{},
		&pg.Query{String: "COPY witness FROM STDIN"}, &pg.CopyData{Data: []byte("x")}, &pg.CopyFail{Message: "no"}, &pg.CopyDone{},
		&pg.Close{ObjectType: 'S', Name: "s"}, &pg.Query{String: "SELECT 1; SELECT 1/0"}, &pg.Terminate{},
	} {
		b, _ := m.Encode(nil)
		out = append(out, b)
	}
	return out
}

// requests is one request of every kind and version of Kafka's, as a client without
// much to say sends it. None of them deletes.
func requests() (out [][]byte) {
	f := kmsg.NewRequestFormatter(kmsg.FormatterClientID("hostile"))
	for key := int16(0); key <= kmsg.MaxKey; key++ {
		req := kmsg.RequestForKey(key)
		if req == nil {
			continue
		}
		for v := int16(0); v <= req.MaxVersion(); v++ {
			req.SetVersion(v)
			switch req := req.(type) {
			case *kmsg.ProduceRequest:
				req.TimeoutMillis = 1000
				req.Acks = -1
				req.Topics = []kmsg.ProduceRequestTopic{{Topic: "bait", Partitions: []kmsg.ProduceRequestTopicPartition{{Records: []byte("no batch")}}}}
			case *kmsg.MetadataRequest:
				name := "bait"
				req.Topics = []kmsg.MetadataRequestTopic{{Topic: &name}}
			}
			out = append(out, f.AppendRequest(nil, req, int32(v)))
		}
	}
	return out
}

// spoil damages a frame: bytes change, its length lies, its end is missing, or
// something follows.
func spoil(rnd *rand.Rand, b []byte, lengthAt int) []byte {
	b = append([]byte(nil), b...)
	noise := func(n int) []byte {
		out := make([]byte, n)
		for i := range out {
			out[i] = byte(rnd.Uint32())
		}
		return out
	}
	switch rnd.IntN(6) {
	case 0:
		return b[:rnd.IntN(len(b))]
	case 1:
		lies := []uint32{0, 1, 3, 4, 5, 0x7fffffff, 0x80000000, 0xffffffff, 1 << 28, 10001, rnd.Uint32()}
		if len(b) >= lengthAt+4 {
			binary.BigEndian.PutUint32(b[lengthAt:], lies[rnd.IntN(len(lies))])
		}
		return b
	case 2:
		return noise(rnd.IntN(200))
	case 3:
		return append(b, noise(rnd.IntN(50))...)
	default:
		for range 1 + rnd.IntN(4) {
			b[rnd.IntN(len(b))] = byte(rnd.Uint32())
		}
		return b
	}
}

// tell sends b on a connection of its own, says that there is no more, and waits until
// the server has closed it: it must do so by itself.
func tell(addr string, b []byte) error {
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	go func() { // what the server does not read must not stop the test from reading
		_, _ = c.Write(b) // the server may hang up in the middle
		_ = c.(*net.TCPConn).CloseWrite()
	}()
	if _, err := io.Copy(io.Discard, c); err != nil {
		if n, ok := errors.AsType[net.Error](err); ok && n.Timeout() {
			return fmt.Errorf("the server neither ends the connection nor answers: %w", err)
		}
	}
	return nil // a reset is an end, too
}

// TestFrames sends broken frames to both ports.
func TestFrames(t *testing.T) {
	n := start(t, vfs.NewMem(), settings{})
	w := watch(n)
	talk, reqs := conversation(), requests()
	const senders = 8
	for _, port := range []struct {
		name, addr string
		frame      func(rnd *rand.Rand) []byte
	}{
		{"postgres", n.pg, func(rnd *rand.Rand) []byte {
			if rnd.IntN(8) == 0 {
				return spoil(rnd, greeting(), 0)
			}
			out := greeting()
			for range rnd.IntN(4) {
				out = append(out, talk[rnd.IntN(len(talk))]...)
			}
			return append(out, spoil(rnd, talk[rnd.IntN(len(talk))], 1)...)
		}},
		{"kafka", n.kafka, func(rnd *rand.Rand) []byte {
			var out []byte
			for range rnd.IntN(3) {
				out = append(out, reqs[rnd.IntN(len(reqs))]...)
			}
			return append(out, spoil(rnd, reqs[rnd.IntN(len(reqs))], 0)...)
		}},
	} {
		t.Run(port.name, func(t *testing.T) {
			var all sync.WaitGroup
			for s := range senders {
				all.Go(func() {
					rnd := rand.New(rand.NewPCG(*seed, uint64(s)))
					for i := range much(60) {
						b := port.frame(rnd)
						if err := tell(port.addr, b); err != nil {
							t.Errorf("seed %d, sender %d, frame %d: %v\n%x", *seed, s, i, err, b)
							return
						}
					}
				})
			}
			all.Wait()
		})
	}
	w.rest()
	w.testify(n)
	w.unharmed()
}

// TestSlowConnections holds connections that begin a message and do not end it. They
// cost nobody else anything and are ended after their time.
func TestSlowConnections(t *testing.T) {
	t.Parallel() // it waits for timeouts
	n := start(t, vfs.NewMem(), settings{
		pg: pgwire.Config{StartupTimeout: time.Second}, kafka: kafka.Config{FrameTimeout: time.Second, IdleTimeout: time.Second},
	})
	w := watch(n)
	var all sync.WaitGroup
	for i := range much(100) {
		addr, first := n.pg, greeting()
		if i%2 == 1 {
			addr, first = n.kafka, requests()[0]
		}
		all.Go(func() {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			if _, err := c.Write(first[:1+i%(len(first)-1)]); err != nil {
				t.Error(err)
			}
			if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
				t.Error(err)
			}
			if _, err := io.Copy(io.Discard, c); err != nil {
				if n, ok := errors.AsType[net.Error](err); ok && n.Timeout() {
					t.Errorf("connection %d is held for ever", i)
				}
			}
		})
	}
	all.Wait()
	w.testify(n)
	w.unharmed()
}

// TestManyConnections opens more connections than the server takes, but less than twice
// as many: then they are just closed. Those above the limit are told so, and when the
// others are gone there is room again.
func TestManyConnections(t *testing.T) {
	const limit = 50
	n := start(t, vfs.NewMem(), settings{pg: pgwire.Config{MaxConns: limit}, kafka: kafka.Config{MaxConns: limit}})
	w := watch(n)
	for range much(2) {
		var held []net.Conn
		for range limit + limit/2 {
			for _, addr := range []string{n.pg, n.kafka} {
				c, err := net.Dial("tcp", addr)
				if err != nil {
					t.Fatal(err)
				}
				held = append(held, c)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		for { // until the server has taken the last of them
			c, err := pgx.Connect(ctx, "postgres://weir@"+n.pg+"/weir")
			if sqlstate(err) == "53300" {
				break
			}
			if err != nil {
				t.Fatalf("no room: %v, want 53300", err)
			}
			c.Close(ctx)
		}
		for _, c := range held {
			c.Close()
		}
		for {
			c, err := pgx.Connect(ctx, "postgres://weir@"+n.pg+"/weir")
			if err == nil {
				c.Close(ctx)
				break
			}
			if sqlstate(err) != "53300" || ctx.Err() != nil {
				t.Fatalf("room again: %v", err)
			}
		}
		cancel()
	}
	w.testify(n)
}
