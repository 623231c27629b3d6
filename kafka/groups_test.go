package kafka

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"
)

// TestConsumerGroup has two consumers share a topic, one leave, and a third go on from what was committed.
func TestConsumerGroup(t *testing.T) {
	for name, v := range map[string]*kversion.Versions{"latest": kversion.Stable(), "2.1": kversion.V2_1_0(), "2.8": kversion.V2_8_0()} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			addr := serve(t, Config{Broker: f})
			createTopic(t, f, "jobs", 4)
			join := func() *kgo.Client {
				return client(t, addr, kgo.MaxVersions(v), kgo.ConsumerGroup("workers"), kgo.ConsumeTopics("jobs"), kgo.DisableAutoCommit(),
					kgo.HeartbeatInterval(20*time.Millisecond), kgo.FetchMaxWait(100*time.Millisecond))
			}
			p := client(t, addr, kgo.DefaultProduceTopic("jobs"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
			produce := func(from, to int) {
				for i := from; i < to; i++ {
					if err := p.ProduceSync(deadline(t), &kgo.Record{Partition: int32(i % 4), Value: fmt.Append(nil, i)}).FirstErr(); err != nil {
						t.Fatal(err)
					}
				}
			}
			produce(0, 20)
			a := join()
			if got := poll(t, a, 20); len(got) != 20 {
				t.Fatalf("%d records", len(got))
			}
			if err := a.CommitUncommittedOffsets(deadline(t)); err != nil {
				t.Fatal(err)
			}

			// A second member takes half of the partitions.
			b := join()
			ctx := deadline(t)
			adm := admin(t, addr)
			shared := func() bool {
				d, err := adm.DescribeGroups(ctx, "workers")
				if err != nil {
					t.Fatal(err)
				}
				g := d["workers"]
				if g.State != "Stable" || len(g.Members) != 2 {
					return false
				}
				for _, m := range g.Members {
					as, _ := m.Assigned.AsConsumer()
					if len(as.Topics) != 1 || len(as.Topics[0].Partitions) != 2 {
						return false
					}
				}
				return true
			}
			for !shared() {
				for _, c := range []*kgo.Client{a, b} { // rebalances happen in polls
					short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
					c.PollFetches(short)
					cancel()
				}
				if ctx.Err() != nil {
					t.Fatal("two members never shared the topic")
				}
			}
			produce(20, 28)
			if n := len(poll(t, a, 4)) + len(poll(t, b, 4)); n != 8 {
				t.Errorf("%d records, want each once", n)
			}
			if err := b.CommitUncommittedOffsets(deadline(t)); err != nil {
				t.Fatal(err)
			}
			if err := a.CommitUncommittedOffsets(deadline(t)); err != nil {
				t.Fatal(err)
			}
			a.Close()
			b.Close()

			// All have left: the group is known by its offsets, and a new member begins there.
			l, err := adm.ListGroups(deadline(t))
			if err != nil || l["workers"].Group != "workers" {
				t.Errorf("%v, %v", l, err)
			}
			offsets, err := adm.FetchOffsets(deadline(t), "workers")
			if err != nil {
				t.Fatal(err)
			}
			var sum int64
			offsets.Each(func(o kadm.OffsetResponse) { sum += o.At })
			if sum != 28 {
				t.Errorf("committed %d records, want 28", sum)
			}
			produce(28, 29)
			c := join()
			if got := poll(t, c, 1); got[0] != "28" {
				t.Errorf("%v", got)
			}
			c.Close()
			if _, err := adm.DeleteGroup(deadline(t), "workers"); err != nil {
				t.Error(err)
			}
			if offsets, err = adm.FetchOffsets(deadline(t), "workers"); err != nil || len(offsets) != 0 {
				t.Errorf("of a deleted group: %v, %v", offsets, err)
			}
		})
	}
}

// TestGroupOutlivesServer restarts the door: members join the new one and go on from their offsets.
func TestGroupOutlivesServer(t *testing.T) {
	f := newFake(t)
	topic := createTopic(t, f, "jobs", 1)
	if err := f.CommitOffsets(t.Context(), "workers", []GroupOffset{{Topic: topic.ID, Offset: 2, LeaderEpoch: 1}}); err != nil {
		t.Fatal(err)
	}
	addr := serve(t, Config{Broker: f})
	p := client(t, addr, kgo.DefaultProduceTopic("jobs"))
	for i := range 3 {
		if err := p.ProduceSync(deadline(t), kgo.StringRecord(fmt.Sprint(i))).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	c := client(t, addr, kgo.ConsumerGroup("workers"), kgo.ConsumeTopics("jobs"))
	if got := poll(t, c, 1); got[0] != "2" {
		t.Errorf("%v, want to go on at offset 2", got)
	}
}
