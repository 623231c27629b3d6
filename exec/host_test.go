package exec

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/weirdb/weir/planner/plan"
	"github.com/weirdb/weir/storage"
	"github.com/weirdb/weir/storage/batch"
)

// memHost is a node with one shard whose journal is the order of its calls.
type memHost struct {
	t     testing.TB
	store *storage.Store
	sh    *storage.Shard

	mu       sync.Mutex
	index    uint64
	cmd      []byte
	failures []*Failure
	// trouble, if set, is asked about each commit: whether it is applied, and
	// what the task is told if that is not the truth.
	trouble func(n int, c *storage.Commit) (apply bool, err error)
	commits int
}

func newHost(t testing.TB) *memHost {
	return newHostOn(t, storage.Config{FS: vfs.NewMem(), Dir: "data", CheckpointEvery: -1})
}

func newHostOn(t testing.TB, cfg storage.Config) *memHost {
	s, err := storage.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	h := &memHost{t: t, store: s, sh: s.Shard(1)}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

func (h *memHost) Log(_ context.Context, topic plan.Topic, p int32) (Log, error) {
	return h.sh.OpenLog(storage.PartitionID{Topic: storage.TopicID(topic.ID), Partition: p}), nil
}

func (h *memHost) Task(_ context.Context, id storage.TaskID) (TaskState, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, pos, err := h.sh.Positions(id)
	return TaskState{Positions: pos, State: h.sh}, err
}

type donePending struct{ err error }

var closed = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

func (donePending) Done() <-chan struct{} { return closed }
func (p donePending) Err() error          { return p.err }

func (h *memHost) Propose(_ context.Context, c *storage.Commit) Pending {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.commits++
	apply, lie := true, error(nil)
	if h.trouble != nil {
		apply, lie = h.trouble(h.commits, c)
	}
	if !apply {
		return donePending{lie}
	}
	h.cmd = storage.AppendCommit(h.cmd[:0], *c)
	err, _ := h.apply(h.cmd).(error)
	if lie != nil {
		err = lie
	}
	return donePending{err}
}

func (h *memHost) apply(cmd []byte) any {
	h.index++
	return h.sh.Apply(h.index, 1, cmd)
}

func (h *memHost) Report(f *Failure) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failures = append(h.failures, f)
}

func (h *memHost) Now() time.Time { return time.UnixMilli(0) }

// rec is a record to produce.
type rec struct {
	ts         int64
	key, value string // "" is null
}

func bytesOf(s string) []byte {
	if s == "" {
		return nil
	}
	return []byte(s)
}

// produce appends records to a partition, as one batch.
func (h *memHost) produce(topic uint64, p int32, recs ...rec) {
	h.t.Helper()
	var b batch.Builder
	for _, r := range recs {
		b.Append(r.ts, bytesOf(r.key), bytesOf(r.value))
	}
	v, err := b.Finish()
	if err != nil {
		h.t.Fatal(err)
	}
	h.appendBatches(topic, p, v)
}

func (h *memHost) appendBatches(topic uint64, p int32, raw []byte) {
	h.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	cmd := storage.AppendAppend(nil, storage.Append{Partition: storage.PartitionID{Topic: storage.TopicID(topic), Partition: p}, Batches: raw})
	if err, ok := h.apply(cmd).(error); ok {
		h.t.Fatal(err)
	}
}

// read returns all records of a partition as lines "ts key value".
func (h *memHost) read(topic uint64, p int32) (out []string) {
	h.t.Helper()
	l := h.sh.OpenLog(storage.PartitionID{Topic: storage.TopicID(topic), Partition: p})
	var d batch.Decoder
	for from := l.Start(); from < l.End(); {
		raw, err := l.Read(from, 1<<20, nil)
		if err != nil {
			h.t.Fatal(err)
		}
		for len(raw) > 0 {
			v, rest, err := batch.Next(raw)
			if err != nil {
				h.t.Fatal(err)
			}
			raw = rest
			recs, err := d.Records(v)
			if err != nil {
				h.t.Fatal(err)
			}
			var r batch.Record
			for recs.Next(&r) {
				if storage.Offset(r.Offset) != from {
					h.t.Fatalf("offset %d, want %d", r.Offset, from)
				}
				from++
				out = append(out, fmt.Sprintf("%d %s %s", r.Timestamp, text(r.Key), text(r.Value)))
			}
			if err := recs.Err(); err != nil {
				h.t.Fatal(err)
			}
		}
	}
	return out
}

func text(b []byte) string {
	if b == nil {
		return "null"
	}
	return string(b)
}

// start runs a query and stops it at the end of the test.
func (h *memHost) start(spec QuerySpec) *Query {
	h.t.Helper()
	q, err := Start(context.Background(), h, spec)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(q.Stop)
	return q
}

// flush waits until q has processed what is there.
func (h *memHost) flush(q *Query) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := q.Flush(ctx); err != nil && !errors.Is(err, ErrStopped) {
		h.t.Fatal(err)
	}
}
