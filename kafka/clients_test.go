package kafka

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func deadline(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// poll returns the values of the next n records.
func poll(t testing.TB, c *kgo.Client, n int) (out []string) {
	t.Helper()
	ctx := deadline(t)
	for len(out) < n {
		fs := c.PollFetches(ctx)
		if err := fs.Err0(); err != nil {
			t.Fatalf("after %d of %d records: %v", len(out), n, err)
		}
		fs.EachError(func(topic string, p int32, err error) { t.Errorf("%s/%d: %v", topic, p, err) })
		fs.EachRecord(func(r *kgo.Record) { out = append(out, string(r.Value)) })
	}
	return out
}

// TestProduceConsume has franz-go write and read with the versions of old and new brokers, and every codec.
func TestProduceConsume(t *testing.T) {
	versions := map[string]*kversion.Versions{"latest": nil, "2.1": kversion.V2_1_0(), "2.8": kversion.V2_8_0(), "3.5": kversion.V3_5_0(), "3.9": kversion.V3_9_0()}
	codecs := []kgo.CompressionCodec{kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression()}
	for name, v := range versions {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			addr := serve(t, Config{Broker: f})
			createTopic(t, f, "orders", 3)
			var opts []kgo.Opt
			if v != nil {
				opts = append(opts, kgo.MaxVersions(v))
			}
			want := map[string]bool{}
			for i, codec := range codecs {
				p := client(t, addr, append(opts, kgo.ProducerBatchCompression(codec))...)
				for j := range 20 {
					s := fmt.Sprintf("value of some length %d %d", i, j)
					want[s] = true
					p.Produce(deadline(t), &kgo.Record{Topic: "orders", Key: []byte(s), Value: []byte(s), Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("x")}}}, func(_ *kgo.Record, err error) {
						if err != nil {
							t.Error(err)
						}
					})
				}
				if err := p.Flush(deadline(t)); err != nil {
					t.Fatal(err)
				}
			}
			c := client(t, addr, append(opts, kgo.ConsumeTopics("orders"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))...)
			for _, s := range poll(t, c, len(want)) {
				if !want[s] {
					t.Errorf("got %q, twice or never sent", s)
				}
				delete(want, s)
			}
		})
	}
}

func TestAutoCreate(t *testing.T) {
	f := newFake(t)
	addr := serve(t, Config{Broker: f})
	c := client(t, addr, kgo.AllowAutoTopicCreation(), kgo.DefaultProduceTopic("fresh"))
	if err := c.ProduceSync(deadline(t), kgo.StringRecord("x")).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if _, ok := f.Topic("fresh"); !ok {
		t.Error("the topic was not made")
	}
	c = client(t, addr, kgo.DefaultProduceTopic("other"), kgo.UnknownTopicRetries(0))
	if err := c.ProduceSync(deadline(t), kgo.StringRecord("x")).FirstErr(); !errors.Is(err, kerr.UnknownTopicOrPartition) {
		t.Errorf("without leave to create: %v", err)
	}
}

// TestLongPoll has a consumer wait at the end of a log: the record must come when it is written, not when the wait
// is over, which is longer than the test may take.
func TestLongPoll(t *testing.T) {
	for _, partitions := range []int32{1, 5} {
		f := newFake(t)
		addr := serve(t, Config{Broker: f})
		createTopic(t, f, "ticks", partitions)
		c := client(t, addr, kgo.ConsumeTopics("ticks"), kgo.FetchMaxWait(time.Minute), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
		p := client(t, addr, kgo.DefaultProduceTopic("ticks"))
		for i := range 20 {
			if err := p.ProduceSync(deadline(t), kgo.StringRecord(fmt.Sprint(i))).FirstErr(); err != nil {
				t.Fatal(err)
			}
			if got := poll(t, c, 1); got[0] != fmt.Sprint(i) {
				t.Fatalf("got %v, want %d", got, i)
			}
		}
	}
}
