package kafka

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirdb/weir/storage"
	"github.com/weirdb/weir/storage/batch"
)

// batchOf is a batch of n records of 200 bytes.
func batchOf(n int) []byte {
	var b batch.Builder
	for i := range n {
		b.Append(int64(i), fmt.Append(nil, i), []byte(strings.Repeat("v", 200)))
	}
	return finish(&b)
}

// discardBroker acknowledges without storing: what is measured is the door.
type discardBroker struct {
	*fakeBroker
	done acknowledged
}

type acknowledged struct{ result storage.AppendResult }

func (a *acknowledged) Wait(context.Context) (storage.AppendResult, error) { return a.result, nil }

func (d *discardBroker) Append(context.Context, storage.TopicID, int32, []byte, Acks) Pending {
	return &d.done
}

// BenchmarkProduce sends pipelined Produce requests of 1, 100 and 1000 records over loopback; the door frames,
// validates every record, and answers.
func BenchmarkProduce(b *testing.B) {
	for _, n := range []int{1, 100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			f := newFake(b)
			createTopicB(b, f)
			d := &discardBroker{fakeBroker: f, done: acknowledged{storage.AppendResult{Batches: make([]storage.BatchResult, 1)}}}
			r := dial(b, serve(b, Config{Broker: d}))
			r.nc.SetDeadline(time.Time{})
			frame := r.fm.AppendRequest(nil, produceRequest("t", 0, batchOf(n)), 1)
			b.SetBytes(int64(len(frame)))
			b.ReportAllocs()
			b.ResetTimer()
			go func() {
				for range b.N {
					if _, err := r.nc.Write(frame); err != nil {
						return
					}
				}
			}()
			drain(b, r.nc, b.N)
			b.ReportMetric(float64(b.N)*float64(n)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

// BenchmarkFetch reads 1 MB of records at a time from a log over loopback.
func BenchmarkFetch(b *testing.B) {
	f := newFake(b)
	createTopicB(b, f)
	r := dial(b, serve(b, Config{Broker: f}))
	r.nc.SetDeadline(time.Time{})
	one := batchOf(500)
	for range 20 {
		r.produced("t", 0, one, none)
	}
	req := fetchRequest("t", 0, 0)
	frame := r.fm.AppendRequest(nil, req, 1)
	records := (1 << 20) / len(one) * 500
	b.SetBytes(int64((1 << 20) / len(one) * len(one)))
	b.ReportAllocs()
	b.ResetTimer()
	go func() {
		for range b.N {
			if _, err := r.nc.Write(frame); err != nil {
				return
			}
		}
	}()
	drain(b, r.nc, b.N)
	b.ReportMetric(float64(b.N)*float64(records)/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkTail measures how long a record takes from Produce to a consumer that waits for it.
func BenchmarkTail(b *testing.B) {
	f := newFake(b)
	createTopicB(b, f)
	addr := serve(b, Config{Broker: f})
	p, c := dial(b, addr), dial(b, addr)
	p.nc.SetDeadline(time.Time{})
	c.nc.SetDeadline(time.Time{})
	one := records("x")
	b.ResetTimer()
	for i := range b.N {
		req := fetchRequest("t", 0, int64(i))
		id := c.send(req)
		p.produced("t", 0, one, none)
		if got := c.receive(req, id).(*kmsg.FetchResponse).Topics[0].Partitions[0]; len(got.RecordBatches) == 0 {
			b.Fatal("an empty answer")
		}
	}
}

func createTopicB(b *testing.B, f *fakeBroker) {
	b.Helper()
	if err := f.CreateTopic(context.Background(), TopicSpec{Name: "t", Partitions: 1}); err != nil {
		b.Fatal(err)
	}
}

// drain reads n responses.
func drain(b *testing.B, nc net.Conn, n int) {
	b.Helper()
	in := bufio.NewReaderSize(nc, 64<<10)
	for range n {
		head, err := in.Peek(4)
		if err != nil {
			b.Fatal(err)
		}
		size := int(head[0])<<24 | int(head[1])<<16 | int(head[2])<<8 | int(head[3])
		if _, err := io.CopyN(io.Discard, in, int64(4+size)); err != nil {
			b.Fatal(err)
		}
	}
}
