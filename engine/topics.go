package engine

import (
	"context"
	"time"

	"github.com/weirdb/weir/catalog"
	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/replication"
	"github.com/weirdb/weir/storage"
)

// maxAppend bounds the record batches of one command, below what a command may
// hold (replication.MaxCommand).
const maxAppend = 1 << 20

// Limits on topics.
const (
	maxPartitions = 1024
	maxTopicName  = 249 // as Kafka
)

// TopicSpec is a topic to make.
type TopicSpec struct {
	Name       string
	Partitions int32 // 0 means Config.Partitions
	Compact    bool
	// RetentionMs and RetentionBytes are of partitions that are not compacted.
	// 0 means the default: 7 days, no limit; negative means for ever.
	RetentionMs    int64
	RetentionBytes int64
	Config         map[string]string
	Internal       bool
	Owner          catalog.ID
	// Like is the topic whose place a derived topic takes.
	Like *catalog.Topic
}

// defaultRetention is Kafka's.
const defaultRetention = 7 * 24 * time.Hour

// newTopic adds a topic to a change.
func (n *Node) newTopic(c *catalog.Catalog, ch *catalog.Change, s TopicSpec) (*catalog.Topic, error) {
	if err := topicName(s.Name); err != nil && !s.Internal {
		return nil, err
	}
	if _, ok := c.TopicByName(s.Name); ok {
		return nil, pgerr.Newf(pgerr.DuplicateObject, "topic %q already exists", s.Name)
	}
	if s.Partitions == 0 {
		s.Partitions = n.cfg.Partitions
	}
	if s.Partitions < 1 || s.Partitions > maxPartitions {
		return nil, pgerr.Newf(pgerr.InvalidParameterValue, "a topic has 1 to %d partitions, not %d", maxPartitions, s.Partitions)
	}
	if s.RetentionMs == 0 {
		s.RetentionMs = defaultRetention.Milliseconds()
	}
	if s.RetentionBytes == 0 {
		s.RetentionBytes = -1
	}
	t := &catalog.Topic{
		ID: ch.NewID(), Name: s.Name, Partitions: s.Partitions,
		Shards:  catalog.Place(s.Name, s.Partitions, uint32(len(n.shards)), s.Like),
		Compact: s.Compact, RetentionMs: s.RetentionMs, RetentionBytes: s.RetentionBytes,
		Internal: s.Internal, Owner: s.Owner, Config: s.Config,
	}
	ch.Topics = append(ch.Topics, t)
	return t, nil
}

func topicName(name string) error {
	if name == "" || len(name) > maxTopicName || name == "." || name == ".." {
		return pgerr.Newf(pgerr.InvalidName, "invalid topic name %q", name).Detailf("A topic name has 1 to %d characters.", maxTopicName)
	}
	for _, c := range name {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-') {
			return pgerr.Newf(pgerr.InvalidName, "invalid topic name %q", name).Detailf("A topic name is made of letters, digits, '.', '_' and '-'.")
		}
	}
	return nil
}

// dropLogs removes what the shards hold of dropped topics.
func (n *Node) dropLogs(ctx context.Context, topics []*catalog.Topic) error {
	for _, t := range topics {
		done := map[uint32]bool{}
		for _, s := range t.Shards {
			if done[s] {
				continue
			}
			done[s] = true
			if _, err := n.shards[s].propose(ctx, storage.AppendDropTopic(nil, storage.TopicID(t.ID)), replication.Sync); err != nil {
				return err
			}
		}
	}
	return nil
}

// materialize makes a topic's records the rows of tables. It comes before the change of the catalog that needs it: a
// topic that has rows and no table does no harm, a table without the rows would be wrong.
func (n *Node) materialize(ctx context.Context, t *catalog.Topic) error {
	for p := range t.Partitions {
		if _, err := n.shardOf(t, p).propose(ctx, storage.AppendMaterialize(nil, partitionID(t, p)), replication.Sync); err != nil {
			return err
		}
	}
	return nil
}

// retain drops old segments and compacts, every RetentionEvery.
func (n *Node) retain(ctx context.Context) {
	tick := time.NewTicker(n.cfg.RetentionEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, t := range n.Catalog().Topics() {
			for p := range t.Partitions {
				if err := n.retainPartition(ctx, t, p); err != nil && ctx.Err() == nil {
					n.log.Warn("retention", "topic", t.Name, "partition", p, "err", err)
				}
			}
		}
	}
}

func (n *Node) retainPartition(ctx context.Context, t *catalog.Topic, p int32) error {
	sh := n.shardOf(t, p)
	l := sh.store.Log(partitionID(t, p))
	if l == nil {
		return nil
	}
	if t.Compact {
		return sh.store.Compact(l.ID(), time.Now().UnixMilli(), deleteRetention.Milliseconds())
	}
	if !sh.group.IsLeader() {
		return nil
	}
	to := l.RetentionPoint(time.Now().UnixMilli(), t.RetentionMs, t.RetentionBytes)
	if to <= l.Start() {
		return nil
	}
	_, err := sh.propose(ctx, storage.AppendTrim(nil, l.ID(), to), replication.Sync)
	return err
}

// deleteRetention is how long compaction keeps a tombstone, as Kafka's
// delete.retention.ms: a reader that takes longer may miss deletes.
const deleteRetention = 24 * time.Hour
