package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirdb/weir/catalog"
	"github.com/weirdb/weir/kafka"
)

// kafkaNode opens a node on fs behind Kafka's door. stop ends both.
func kafkaNode(t *testing.T, fs vfs.FS) (n *Node, addr string, stop func()) {
	t.Helper()
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	n, err := Open(t.Context(), Config{Dir: "/weir", FS: fs, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- kafka.New(kafka.Config{Broker: n.Broker(), Log: quiet}).Serve(ctx, ln) }()
	return n, ln.Addr().String(), func() {
		t.Helper()
		cancel()
		if err := errors.Join(<-served, n.Close()); err != nil {
			t.Error(err)
		}
	}
}

func kafkaClient(t *testing.T, addr string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(addr)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestKafkaAcrossRestart produces, consumes and commits, restarts the node, and goes on: records, committed offsets
// and the cluster's id are there, and producer ids are not given twice.
func TestKafkaAcrossRestart(t *testing.T) {
	fs := vfs.NewMem()
	ids := map[int64]bool{}
	var cluster string
	for round := range 2 {
		n, addr, stop := kafkaNode(t, fs)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		b := n.Broker()
		if round == 0 {
			cluster = b.Cluster().ID
		} else if got := b.Cluster().ID; got != cluster || got == "" {
			t.Errorf("cluster %q, was %q", got, cluster)
		}
		for range producerBlock + 1 {
			id, err := b.ProducerID(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if ids[id] {
				t.Fatalf("producer id %d given twice", id)
			}
			ids[id] = true
		}
		p := kafkaClient(t, addr, kgo.AllowAutoTopicCreation(), kgo.DefaultProduceTopic("orders"))
		for _, acks := range []int{0, 1} {
			if err := p.ProduceSync(ctx, kgo.StringRecord(fmt.Sprint(2*round+acks))).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		c := kafkaClient(t, addr, kgo.ConsumerGroup("g"), kgo.ConsumeTopics("orders"), kgo.DisableAutoCommit())
		var got []string
		for len(got) < 2 && ctx.Err() == nil {
			c.PollFetches(ctx).EachRecord(func(r *kgo.Record) { got = append(got, string(r.Value)) })
		}
		if want := fmt.Sprint([]int{2 * round, 2*round + 1}); fmt.Sprint(got) != want {
			t.Errorf("round %d: %v, want %v", round, got, want)
		}
		if err := c.CommitUncommittedOffsets(ctx); err != nil {
			t.Error(err)
		}
		c.Close()
		p.Close()
		cancel()
		stop()
	}
}

// TestKafkaTopics makes and deletes topics; offsets of a topic do not pass to its namesake.
func TestKafkaTopics(t *testing.T) {
	n, addr, stop := kafkaNode(t, vfs.NewMem())
	defer stop()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cl := kafkaClient(t, addr)
	defer cl.Close()
	adm := kadm.NewClient(cl)
	compact := "compact"
	made, err := adm.CreateTopic(ctx, 6, 1, map[string]*string{"cleanup.policy": &compact}, "t")
	if err != nil {
		t.Fatal(err)
	}
	if top, ok := n.Catalog().TopicByName("t"); !ok || !top.Compact || made.NumPartitions != 6 {
		t.Errorf("%+v, %+v", top, made)
	}
	if _, err := adm.CreateTopic(ctx, 6, 1, nil, "t"); !errors.Is(err, kerr.TopicAlreadyExists) {
		t.Error(err)
	}
	if err := adm.CommitAllOffsets(ctx, "g", kadm.OffsetsFromRecords(kgo.Record{Topic: "t", Partition: 5, Offset: 41})); err != nil {
		t.Fatal(err)
	}
	if got := n.groupOffsets(); len(got) != 1 || got[0].Topic != "t" || got[0].Partition != 5 || got[0].Offset != 42 {
		t.Errorf("%+v", got)
	}
	if o, err := adm.FetchOffsets(ctx, "g"); err != nil || o["t"][5].At != 42 {
		t.Errorf("%v, %v", o, err)
	}
	if _, err := adm.DeleteTopic(ctx, "t"); err != nil {
		t.Fatal(err)
	}
	if _, err := adm.CreateTopic(ctx, 6, 1, nil, "t"); err != nil {
		t.Fatal(err)
	}
	if o, err := adm.FetchOffsets(ctx, "g"); err != nil || len(o["t"]) != 0 {
		t.Errorf("offsets of another topic of that name: %v, %v", o, err)
	}
	// A topic that a relation stands on stays.
	_, err = n.change(ctx, func(c *catalog.Catalog, ch *catalog.Change) error {
		top, _ := c.TopicByName("t")
		ch.Relations = append(ch.Relations, &catalog.Relation{ID: ch.NewID(), Schema: "public", Name: "s", Topic: top.ID})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := adm.DeleteTopic(ctx, "t"); !errors.Is(err, kerr.PolicyViolation) {
		t.Error(err)
	}
}
