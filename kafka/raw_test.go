package kafka

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirdb/weir/storage/batch"
)

// raw is a connection that says what a test wants it to say.
type raw struct {
	t    testing.TB
	nc   net.Conn
	next int32 // correlation id
	fm   *kmsg.RequestFormatter
}

func dial(t testing.TB, addr string) *raw {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(20 * time.Second))
	return &raw{t: t, nc: nc, fm: kmsg.NewRequestFormatter(kmsg.FormatterClientID("test"))}
}

// send sends a request and returns its correlation id.
func (r *raw) send(req kmsg.Request) int32 {
	r.t.Helper()
	r.next++
	if _, err := r.nc.Write(r.fm.AppendRequest(nil, req, r.next)); err != nil {
		r.t.Fatal(err)
	}
	return r.next
}

// receive reads the response to req.
func (r *raw) receive(req kmsg.Request, correlation int32) kmsg.Response {
	r.t.Helper()
	resp := req.ResponseKind()
	body, err := r.frame(correlation)
	if err != nil {
		r.t.Fatal(err)
	}
	if resp.IsFlexible() && resp.Key() != int16(kmsg.ApiVersions) {
		if len(body) == 0 || body[0] != 0 {
			r.t.Fatalf("header without tags: %x", body)
		}
		body = body[1:]
	}
	if err := resp.ReadFrom(body); err != nil {
		r.t.Fatalf("%s %d: %v in %x", kmsg.Key(req.Key()).Name(), req.GetVersion(), err, body)
	}
	if again := resp.AppendTo(nil); len(again) != len(body) {
		r.t.Fatalf("%s %d: %d bytes, of which %d mean something", kmsg.Key(req.Key()).Name(), req.GetVersion(), len(body), len(again))
	}
	return resp
}

// frame reads a response but its correlation id.
func (r *raw) frame(correlation int32) ([]byte, error) {
	r.t.Helper()
	var head [8]byte
	if _, err := io.ReadFull(r.nc, head[:]); err != nil {
		return nil, err
	}
	if got := int32(binary.BigEndian.Uint32(head[4:])); got != correlation {
		r.t.Fatalf("answer to %d, want %d", got, correlation)
	}
	body := make([]byte, binary.BigEndian.Uint32(head[:])-4)
	_, err := io.ReadFull(r.nc, body)
	return body, err
}

// ended expects the server to close the connection.
func (r *raw) ended() {
	r.t.Helper()
	if n, err := io.Copy(io.Discard, r.nc); n > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		r.t.Errorf("%d more bytes, %v; want the end", n, err)
	}
}

// ask sends a request and returns the response.
func ask[R kmsg.Response](r *raw, req kmsg.Request) R {
	r.t.Helper()
	return r.receive(req, r.send(req)).(R)
}

// records builds a batch.
func records(values ...string) []byte {
	var b batch.Builder
	for i, v := range values {
		b.Append(int64(1000+i), []byte("k"), []byte(v))
	}
	return finish(&b)
}

func finish(b *batch.Builder) []byte {
	v, err := b.Finish()
	if err != nil {
		panic(err)
	}
	return append([]byte(nil), v...)
}

// sequenced builds a batch of an idempotent producer.
func sequenced(id int64, epoch int16, sequence int32, values ...string) []byte {
	b := batch.Builder{Producer: &batch.Producer{ID: id, Epoch: epoch, Sequence: sequence}}
	for _, v := range values {
		b.Append(1, nil, []byte(v))
	}
	return finish(&b)
}

// produceRequest is a Produce of version 9 with acks all.
func produceRequest(topic string, partition int32, records []byte) *kmsg.ProduceRequest {
	req := kmsg.NewPtrProduceRequest()
	req.Version, req.Acks, req.TimeoutMillis = 9, -1, 10000
	t := kmsg.NewProduceRequestTopic()
	t.Topic = topic
	p := kmsg.NewProduceRequestTopicPartition()
	p.Partition, p.Records = partition, records
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	return req
}

// fetchRequest is a Fetch of version 12 that waits for 20 s at most.
func fetchRequest(topic string, partition int32, offset int64) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.Version, req.MaxWaitMillis, req.MinBytes, req.MaxBytes = 12, 20000, 1, 1<<20
	t := kmsg.NewFetchRequestTopic()
	t.Topic = topic
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.FetchOffset, p.PartitionMaxBytes = partition, offset, 1<<20
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	return req
}

// produced sends records and expects the code.
func (r *raw) produced(topic string, partition int32, records []byte, want Code) kmsg.ProduceResponseTopicPartition {
	r.t.Helper()
	resp := ask[*kmsg.ProduceResponse](r, produceRequest(topic, partition, records))
	p := resp.Topics[0].Partitions[0]
	if Code(p.ErrorCode) != want {
		msg := ""
		if p.ErrorMessage != nil {
			msg = *p.ErrorMessage
		}
		r.t.Errorf("produce: %v (%s), want %v", Code(p.ErrorCode), msg, want)
	}
	return p
}
