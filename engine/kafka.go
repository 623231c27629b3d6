package engine

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirdb/weir/catalog"
	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/kafka"
	"github.com/weirdb/weir/replication"
	"github.com/weirdb/weir/storage"
)

// broker is the node as Kafka clients see it.
type broker struct {
	n    *Node
	self int32
	// served holds, by shard, the term from which on this node has applied all that its predecessors committed:
	// before, ends of logs could go back.
	served []servedTerm

	names atomic.Pointer[topicNames]

	mu   sync.Mutex // of producer ids
	next int64      // the next one to give
	last int64      // the end of those that are reserved
}

type servedTerm struct {
	mu   sync.Mutex // one barrier at a time
	term atomic.Uint64
}

// Broker returns the node as Kafka clients see it.
func (n *Node) Broker() kafka.Broker {
	return &broker{n: n, self: nodeNumber(n.repl.ID()), served: make([]servedTerm, len(n.shards))}
}

// nodeNumber is the number by which Kafka clients know the node: of n1 it is 1; of other names a hash.
func nodeNumber(id string) int32 {
	if n, err := strconv.ParseInt(strings.TrimPrefix(id, "n"), 10, 31); err == nil && n >= 0 {
		return int32(n)
	}
	h := fnv.New32a()
	h.Write([]byte(id))
	return int32(h.Sum32() & 0x7fffffff)
}

// Cluster tells of this node only: where others take Kafka clients is not known.
func (b *broker) Cluster() kafka.Cluster {
	return kafka.Cluster{ID: b.n.cluster, Self: b.self, Controller: b.self, Nodes: []kafka.Node{{ID: b.self}}}
}

func (b *broker) Topics() []kafka.Topic {
	topics := b.n.Catalog().Topics()
	out := make([]kafka.Topic, len(topics))
	for i, t := range topics {
		out[i] = kafkaTopic(t)
	}
	slices.SortFunc(out, func(a, b kafka.Topic) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

func kafkaTopic(t *catalog.Topic) kafka.Topic {
	return kafka.Topic{
		ID: storage.TopicID(t.ID), Name: t.Name, Partitions: t.Partitions, Compacted: t.Compact, Internal: t.Internal,
		RetentionMs: t.RetentionMs, RetentionBytes: t.RetentionBytes, Config: t.Config,
	}
}

// topicNames is an index of a catalog's topics: every request names some.
type topicNames struct {
	of     *catalog.Catalog
	byName map[string]*catalog.Topic
}

func (b *broker) Topic(name string) (kafka.Topic, bool) {
	cat := b.n.Catalog()
	names := b.names.Load()
	if names == nil || names.of != cat {
		names = &topicNames{cat, map[string]*catalog.Topic{}}
		for _, t := range cat.Topics() {
			names.byName[t.Name] = t
		}
		b.names.Store(names)
	}
	t, ok := names.byName[name]
	if !ok {
		return kafka.Topic{}, false
	}
	return kafkaTopic(t), true
}

func (b *broker) TopicByID(id storage.TopicID) (kafka.Topic, bool) {
	t, ok := b.n.Catalog().Topic(catalog.ID(id))
	if !ok {
		return kafka.Topic{}, false
	}
	return kafkaTopic(t), true
}

func (b *broker) CreateTopic(ctx context.Context, s kafka.TopicSpec) error {
	_, err := b.n.change(ctx, func(c *catalog.Catalog, ch *catalog.Change) error {
		if _, taken := c.TopicByName(s.Name); taken {
			return fmt.Errorf("%w: %s", kafka.TopicAlreadyExists, s.Name)
		}
		_, err := b.n.newTopic(c, ch, TopicSpec{
			Name: s.Name, Partitions: max(s.Partitions, 0), Compact: s.Compacted,
			RetentionMs: s.RetentionMs, RetentionBytes: s.RetentionBytes, Config: s.Config,
		})
		return err
	})
	return refusal(err)
}

// DeleteTopic deletes a topic on which no relation stands.
func (b *broker) DeleteTopic(ctx context.Context, id storage.TopicID) error {
	var gone *catalog.Topic
	_, err := b.n.change(ctx, func(c *catalog.Catalog, ch *catalog.Change) error {
		t, ok := c.Topic(catalog.ID(id))
		if !ok {
			return kafka.UnknownTopicOrPartition
		}
		if t.Internal {
			return fmt.Errorf("%w: %s is internal", kafka.PolicyViolation, t.Name)
		}
		for _, r := range c.Relations() {
			if r.Topic == t.ID {
				return fmt.Errorf("%w: %s %s stands on topic %s; drop it first", kafka.PolicyViolation, strings.ToLower(r.Kind.String()), r.Name, t.Name)
			}
		}
		gone = t
		ch.Drop = append(ch.Drop, t.ID)
		return nil
	})
	if err != nil {
		return refusal(err)
	}
	return refusal(b.n.dropLogs(ctx, []*catalog.Topic{gone}))
}

// refusal gives an error for people the code that tells Kafka clients most.
func refusal(err error) error {
	var e *pgerr.Error
	if !errors.As(err, &e) {
		return err
	}
	code := kafka.PolicyViolation
	switch e.Code {
	case "57P04", "40003", "40001", pgerr.AdminShutdown: // try again
		code = kafka.RequestTimedOut
	case pgerr.DiskFull, "58030":
		code = kafka.StorageError
	case pgerr.UndefinedTable:
		code = kafka.UnknownTopicOrPartition
	}
	return fmt.Errorf("%w: %w", code, err)
}

// serves tells whether this node leads a shard and has applied what was committed before; and the term.
func (b *broker) serves(i uint32) (term uint64, ok bool) {
	g, served := b.n.shards[i].group, &b.served[i]
	lead, _ := g.Leadership()
	if !lead.Self {
		return lead.Term, false
	}
	if served.term.Load() == lead.Term {
		return lead.Term, true
	}
	served.mu.Lock()
	defer served.mu.Unlock()
	if served.term.Load() == lead.Term {
		return lead.Term, true
	}
	ctx, cancel := context.WithTimeout(context.Background(), barrierTimeout)
	defer cancel()
	if err := g.Barrier(ctx); err != nil {
		return lead.Term, false
	}
	if now, _ := g.Leadership(); !now.Self || now.Term != lead.Term {
		return now.Term, false
	}
	served.term.Store(lead.Term)
	return lead.Term, true
}

// barrierTimeout is how long a client of a new leader may wait before it is told to ask again.
const barrierTimeout = time.Second

func (b *broker) Placement(topic storage.TopicID, partition int32) kafka.Placement {
	nobody := kafka.Placement{Leader: -1, Epoch: -1}
	t, ok := b.n.Catalog().Topic(catalog.ID(topic))
	if !ok || partition < 0 || partition >= t.Partitions {
		return nobody
	}
	term, ok := b.serves(t.Shards[partition])
	if !ok {
		return nobody
	}
	return kafka.Placement{Leader: b.self, Epoch: int32(term), Replicas: []int32{b.self}, InSync: []int32{b.self}}
}

func (b *broker) Log(topic storage.TopicID, partition int32) (kafka.Log, error) {
	t, ok := b.n.Catalog().Topic(catalog.ID(topic))
	if !ok || partition < 0 || partition >= t.Partitions {
		return nil, kafka.UnknownTopicOrPartition
	}
	if _, ok := b.serves(t.Shards[partition]); !ok {
		return nil, kafka.NotLeader
	}
	return b.n.logOf(t, partition), nil
}

// pendingAppend is a proposal whose answer Kafka clients wait for.
type pendingAppend struct {
	replication.Pending
	refused error // before it was proposed
}

func (p pendingAppend) Wait(ctx context.Context) (storage.AppendResult, error) {
	if p.refused != nil {
		return storage.AppendResult{}, p.refused
	}
	res, err := p.Pending.Wait(ctx)
	if err != nil {
		return storage.AppendResult{}, replicated(err)
	}
	switch res := res.(type) {
	case *storage.AppendResult:
		return *res, nil
	case error:
		return storage.AppendResult{}, res
	}
	return storage.AppendResult{}, fmt.Errorf("an append gave %T", res)
}

// replicated gives an error of replication its code.
func replicated(err error) error {
	switch {
	case errors.Is(err, replication.ErrNotLeader), errors.Is(err, replication.ErrClosed):
		return fmt.Errorf("%w: %w", kafka.NotLeader, err)
	case errors.Is(err, replication.ErrUncertain):
		return fmt.Errorf("%w: %w", kafka.RequestTimedOut, err)
	case errors.Is(err, replication.ErrNoSpace):
		return fmt.Errorf("%w: %w", kafka.StorageError, err)
	case errors.Is(err, replication.ErrTooLarge):
		return fmt.Errorf("%w: %w", kafka.MessageTooLarge, err)
	}
	return err
}

func (b *broker) Append(ctx context.Context, topic storage.TopicID, partition int32, batches []byte, acks kafka.Acks) kafka.Pending {
	t, ok := b.n.Catalog().Topic(catalog.ID(topic))
	if !ok || partition < 0 || partition >= t.Partitions {
		return pendingAppend{refused: kafka.UnknownTopicOrPartition}
	}
	a := storage.Append{Partition: partitionID(t, partition), Batches: batches}
	if t.Compact {
		a.Flags = storage.Compacted
	}
	d := replication.NoSync
	if acks == kafka.AcksAll {
		d = replication.Sync
	}
	cmd := storage.AppendAppend(make([]byte, 0, len(batches)+appendOverhead), a)
	return pendingAppend{Pending: b.n.shardOf(t, partition).group.Propose(ctx, cmd, d)}
}

// appendOverhead is what the command of an append takes beside the batches, at most.
const appendOverhead = 64

// Producer ids are reserved in blocks, in the state of one shard: what was reserved and not given when the node
// stops is lost.
const (
	producerSpace = "producers"
	producerShard = 0
	producerBlock = 1000
)

func (b *broker) ProducerID(ctx context.Context) (int64, error) {
	if _, ok := b.serves(producerShard); !ok {
		return 0, kafka.CoordinatorNotAvailable
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next == b.last {
		first, err := b.reserve(ctx)
		if err != nil {
			return 0, err
		}
		b.next, b.last = first, first+producerBlock
	}
	b.next++
	return b.next - 1, nil
}

// reserve takes the next block of producer ids. The node has applied all that was reserved before, and if another
// leads meanwhile the proposal fails.
func (b *broker) reserve(ctx context.Context) (first int64, err error) {
	sh, space, key := b.n.shards[producerShard], storage.NamedSpace(producerSpace), []byte("next")
	v, ok, err := sh.store.Get(space, key)
	if err != nil {
		return 0, err
	}
	if ok {
		if len(v) != 8 {
			return 0, fmt.Errorf("next producer id of %d bytes: %w", len(v), storage.ErrCorrupt)
		}
		first = int64(binary.BigEndian.Uint64(v))
	}
	var m storage.Mutations
	m.Set(space, key, binary.BigEndian.AppendUint64(nil, uint64(first+producerBlock)))
	return first, b.propose(ctx, sh, &m)
}

// propose changes state durably.
func (b *broker) propose(ctx context.Context, sh *shard, m *storage.Mutations) error {
	res, err := sh.group.Propose(ctx, storage.AppendState(nil, m), replication.Sync).Wait(ctx)
	if err != nil {
		return replicated(err)
	}
	err, _ = res.(error)
	return err
}
