package kafka

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirdb/weir/storage"
)

// fakeBroker is a Broker of one node over one shard of a real store, without raft: what is proposed is committed, in
// order, unless held.
type fakeBroker struct {
	store *storage.Store
	shard *storage.Shard

	mu      sync.Mutex
	index   uint64
	topics  map[string]*Topic
	nextID  storage.TopicID
	nextPID int64
	offsets map[string]map[storage.PartitionID]GroupOffset
	hold    chan struct{} // appends wait for it to be closed, if there is one
	appends []Acks        // of the appends, in order
	epoch   int32
}

func newFake(t testing.TB) *fakeBroker {
	t.Helper()
	st, err := storage.Open(storage.Config{FS: vfs.NewMem(), Dir: "/d", CheckpointEvery: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return &fakeBroker{store: st, shard: st.Shard(1), topics: map[string]*Topic{}, offsets: map[string]map[storage.PartitionID]GroupOffset{}, epoch: 1}
}

func (f *fakeBroker) Cluster() Cluster { return Cluster{ID: "fake", Nodes: []Node{{}}} }

func (f *fakeBroker) Topics() (out []Topic) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, t := range f.topics {
		out = append(out, *t)
	}
	slices.SortFunc(out, func(a, b Topic) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

func (f *fakeBroker) Topic(name string) (Topic, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if t := f.topics[name]; t != nil {
		return *t, true
	}
	return Topic{}, false
}

func (f *fakeBroker) TopicByID(id storage.TopicID) (Topic, bool) {
	for _, t := range f.Topics() {
		if t.ID == id {
			return t, true
		}
	}
	return Topic{}, false
}

func (f *fakeBroker) CreateTopic(_ context.Context, s TopicSpec) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.topics[s.Name] != nil {
		return TopicAlreadyExists
	}
	f.nextID++
	t := &Topic{ID: f.nextID, Name: s.Name, Partitions: s.Partitions, Compacted: s.Compacted, RetentionMs: 604800000, RetentionBytes: -1, Config: s.Config}
	if t.Partitions < 0 {
		t.Partitions = 1
	}
	if s.RetentionMs != 0 {
		t.RetentionMs = s.RetentionMs
	}
	f.topics[s.Name] = t
	return nil
}

func (f *fakeBroker) DeleteTopic(_ context.Context, id storage.TopicID) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for name, t := range f.topics {
		if t.ID == id {
			if name == "needed" {
				return fmt.Errorf("%w: a stream reads needed", PolicyViolation)
			}
			delete(f.topics, name)
			f.apply(storage.AppendDropTopic(nil, id))
			return nil
		}
	}
	return UnknownTopicOrPartition
}

func (f *fakeBroker) Placement(storage.TopicID, int32) Placement {
	f.mu.Lock()
	defer f.mu.Unlock()
	return Placement{Epoch: f.epoch, Replicas: []int32{0}, InSync: []int32{0}}
}

func (f *fakeBroker) Log(topic storage.TopicID, partition int32) (Log, error) {
	return f.shard.OpenLog(storage.PartitionID{Topic: topic, Partition: partition}), nil
}

func (f *fakeBroker) apply(cmd []byte) any {
	f.index++
	return f.shard.Apply(f.index, uint64(f.epoch), cmd)
}

type fakePending struct {
	result any
	hold   chan struct{}
}

func (p fakePending) Wait(ctx context.Context) (storage.AppendResult, error) {
	if p.hold != nil {
		select {
		case <-p.hold:
		case <-ctx.Done():
			return storage.AppendResult{}, ctx.Err()
		}
	}
	switch r := p.result.(type) {
	case *storage.AppendResult:
		return *r, nil
	case error:
		return storage.AppendResult{}, r
	}
	return storage.AppendResult{}, fmt.Errorf("applied to %T", p.result)
}

func (f *fakeBroker) Append(_ context.Context, topic storage.TopicID, partition int32, batches []byte, acks Acks) Pending {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.appends = append(f.appends, acks)
	return fakePending{f.apply(storage.AppendAppend(nil, storage.Append{Partition: storage.PartitionID{Topic: topic, Partition: partition}, Batches: batches})), f.hold}
}

func (f *fakeBroker) ProducerID(context.Context) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.nextPID++
	return f.nextPID, nil
}

func (f *fakeBroker) Coordinator(group string) (int32, error) {
	if group == "elsewhere" {
		return 7, nil
	}
	return 0, nil
}

func (f *fakeBroker) CommitOffsets(_ context.Context, group string, offsets []GroupOffset) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.offsets[group] == nil {
		f.offsets[group] = map[storage.PartitionID]GroupOffset{}
	}
	for _, o := range offsets {
		f.offsets[group][storage.PartitionID{Topic: o.Topic, Partition: o.Partition}] = o
	}
	return nil
}

func (f *fakeBroker) GroupOffsets(group string, fn func(GroupOffset) bool) error {
	f.mu.Lock()
	var all []GroupOffset
	for _, o := range f.offsets[group] {
		all = append(all, o)
	}
	f.mu.Unlock()
	slices.SortFunc(all, func(a, b GroupOffset) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	for _, o := range all {
		if !fn(o) {
			break
		}
	}
	return nil
}

func (f *fakeBroker) GroupOffset(group string, topic storage.TopicID, partition int32) (GroupOffset, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	o, ok := f.offsets[group][storage.PartitionID{Topic: topic, Partition: partition}]
	return o, ok, nil
}

func (f *fakeBroker) Groups(fn func(string) bool) error {
	f.mu.Lock()
	var all []string
	for g := range f.offsets {
		all = append(all, g)
	}
	f.mu.Unlock()
	slices.Sort(all)
	for _, g := range all {
		if !fn(g) {
			break
		}
	}
	return nil
}

func (f *fakeBroker) DropOffsets(_ context.Context, group string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.offsets, group)
	return nil
}

// serve runs a server for the test and returns where. It ends with the test.
func serve(t testing.TB, cfg Config) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	s := New(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return ln.Addr().String()
}

// client connects franz-go to addr.
func client(t testing.TB, addr string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(addr)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func admin(t testing.TB, addr string) *kadm.Client { return kadm.NewClient(client(t, addr)) }

func createTopic(t testing.TB, f *fakeBroker, name string, partitions int32) Topic {
	t.Helper()
	if err := f.CreateTopic(t.Context(), TopicSpec{Name: name, Partitions: partitions}); err != nil {
		t.Fatal(err)
	}
	topic, _ := f.Topic(name)
	return topic
}
