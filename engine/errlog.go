package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/weirdb/weir/catalog"
	"github.com/weirdb/weir/exec"
	"github.com/weirdb/weir/replication"
	"github.com/weirdb/weir/storage"
	"github.com/weirdb/weir/storage/batch"
)

// errorTopic holds what queries could not process; weir.errors reads it.
const errorTopic = "__weir_errors"

const (
	// maxReports bounds what waits to be written. A query that fails on every
	// record must not fill the memory.
	maxReports = 1000
	// maxReported bounds the bytes of a record that a report keeps.
	maxReported = 64 << 10
	// errorRetention is how long reports are kept.
	errorRetention = 7 * 24 * time.Hour
)

// errorLog writes what queries could not process into a topic of its own. What
// comes while the queue is full is counted, and the count is written.
type errorLog struct {
	n    *Node
	wake chan struct{}

	mu    sync.Mutex
	queue []errorReport
	lost  int64
}

// errorReport is a row of weir.errors, as it is stored.
type errorReport struct {
	At        int64  `json:"at"` // ms since 1970
	Query     uint64 `json:"query"`
	Relation  uint64 `json:"relation"`
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
	Time      int64  `json:"time"`
	Key       []byte `json:"key"`
	Value     []byte `json:"value"`
	Reason    string `json:"reason"`
}

func newErrorLog(n *Node) *errorLog { return &errorLog{n: n, wake: make(chan struct{}, 1)} }

func (l *errorLog) report(f *exec.Failure) {
	r := errorReport{
		At: time.Now().UnixMilli(), Query: f.Query, Relation: f.Relation, Topic: f.Topic.Name, Partition: f.Partition,
		Offset: f.Offset, Time: f.Time, Key: kept(f.Key), Value: kept(f.Value), Reason: f.Reason.Error(),
	}
	l.mu.Lock()
	if len(l.queue) < maxReports {
		l.queue = append(l.queue, r)
	} else {
		l.lost++
	}
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func kept(b []byte) []byte { return bytes.Clone(b[:min(len(b), maxReported)]) }

// run writes reports until ctx ends.
func (l *errorLog) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.wake:
		}
		if err := l.write(ctx); err != nil && ctx.Err() == nil {
			l.n.log.Error("reports of failed records were lost", "err", err)
		}
	}
}

func (l *errorLog) write(ctx context.Context) error {
	l.mu.Lock()
	queue, lost := l.queue, l.lost
	l.queue, l.lost = nil, 0
	l.mu.Unlock()
	if lost > 0 {
		queue = append(queue, errorReport{At: time.Now().UnixMilli(), Offset: -1, Reason: "further failures were not recorded: too many at once"})
		l.n.log.Warn("failures of records were not recorded: too many at once", "count", lost)
	}
	if len(queue) == 0 {
		return nil
	}
	topic, err := l.topic(ctx)
	if err != nil {
		return err
	}
	var b batch.Builder
	flush := func() error {
		if b.Count() == 0 {
			return nil
		}
		v, err := b.Finish()
		if err == nil {
			cmd := storage.AppendAppend(nil, storage.Append{Partition: partitionID(topic, 0), Batches: v})
			_, err = l.n.shardOf(topic, 0).propose(ctx, cmd, replication.Sync)
		}
		b.Reset()
		return err
	}
	for _, r := range queue {
		v, err := json.Marshal(r)
		if err != nil {
			return err
		}
		if b.Count() > 0 && b.Len()+len(v) > maxAppend {
			if err := flush(); err != nil {
				return err
			}
		}
		b.Append(r.At, nil, v)
	}
	return flush()
}

// topic returns the topic of reports, and makes it when it is first needed.
func (l *errorLog) topic(ctx context.Context) (*catalog.Topic, error) {
	if t, ok := l.n.Catalog().TopicByName(errorTopic); ok {
		return t, nil
	}
	cat, err := l.n.change(ctx, func(c *catalog.Catalog, ch *catalog.Change) error {
		if _, ok := c.TopicByName(errorTopic); ok {
			return nil
		}
		ch.Topics = append(ch.Topics, &catalog.Topic{
			ID: ch.NewID(), Name: errorTopic, Partitions: 1, Shards: catalog.Place(errorTopic, 1, uint32(len(l.n.shards)), nil),
			RetentionMs: errorRetention.Milliseconds(), RetentionBytes: 256 << 20, Internal: true,
		})
		return nil
	})
	if err != nil {
		return nil, err
	}
	t, _ := cat.TopicByName(errorTopic)
	return t, nil
}
