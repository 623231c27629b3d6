package exec

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/weirdb/weir/exec/source"
	"github.com/weirdb/weir/internal/format"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
	"github.com/weirdb/weir/storage"
	"github.com/weirdb/weir/storage/batch"
)

// maxRecordBatch is where a record batch of output is cut: well below the
// megabyte that consumers expect at most, large enough that its 61 bytes of
// header do not count.
const maxRecordBatch = 512 << 10

// sink encodes a task's rows as record batches of its output partition.
type sink struct {
	spec       *plan.Sink
	topic      plan.Topic
	partition  int32
	key, value format.Encoder
	parseTime  func(string) (int64, error)
	// drop is told of rows that are not written.
	drop func(b *vec.Batch, row int, err error)

	keyCols, valueCols []*vec.Vec
	keyBuf, valueBuf   []byte
	oldKey             []byte // of an update's old row
	moved              bool   // oldKey is to be compared with the new row's
	build              batch.Builder
	done               []byte // batches that were cut in this step
	rows               int64  // records of this step
}

var (
	errNullTableKey = errors.New("the key of a table's row is null")
	errSinkTime     = errors.New("the timestamp is negative")
)

func newSink(spec *plan.Sink, topic plan.Topic, partition int32, parseTime func(string) (int64, error), drop func(*vec.Batch, int, error)) (*sink, error) {
	s := &sink{spec: spec, topic: topic, partition: partition, parseTime: parseTime, drop: drop}
	var err error
	if s.key, err = format.NewEncoder(source.Spec(spec.Codec.Key)); err != nil {
		return nil, fmt.Errorf("key of %s: %w", topic.Name, err)
	}
	if s.value, err = format.NewEncoder(source.Spec(spec.Codec.Value)); err != nil {
		return nil, fmt.Errorf("value of %s: %w", topic.Name, err)
	}
	s.keyCols = make([]*vec.Vec, len(spec.Key))
	s.valueCols = make([]*vec.Vec, len(spec.Value))
	return s, nil
}

// bytes is how much output the step has so far.
func (s *sink) bytes() int { return len(s.done) + s.build.Len() }

func (s *sink) reset() {
	s.done = s.done[:0]
	s.build.Reset()
	s.rows = 0
}

// write encodes the rows of b.
func (s *sink) write(b *vec.Batch) error {
	for i, c := range s.spec.Key {
		s.keyCols[i] = b.Cols[c]
	}
	for i, c := range s.spec.Value {
		s.valueCols[i] = b.Cols[c]
	}
	for _, r := range b.Selected() {
		if err := s.row(b, int(r)); err != nil {
			return err
		}
	}
	return nil
}

func (s *sink) row(b *vec.Batch, i int) error {
	op := b.Op(i)
	if op == vec.UpdateBefore && !s.spec.Changes {
		return s.before(b, i)
	}
	rec := batch.Record{Timestamp: b.Time[i]}
	if s.spec.TimeColumn >= 0 && op != vec.Delete {
		ms, err := s.time(b.Cols[s.spec.TimeColumn], i)
		if err != nil {
			s.drop(b, i, err)
			return nil
		}
		rec.Timestamp = ms
	}
	var null bool
	var err error
	if s.keyBuf, null, err = s.key.Append(s.keyBuf[:0], s.keyCols, i); err != nil {
		return fmt.Errorf("key of %s: %w", s.topic.Name, err)
	}
	if null && s.spec.Table && !s.spec.Changes {
		s.drop(b, i, errNullTableKey)
		return nil
	}
	if !null {
		s.window(b, i)
		rec.Key = s.keyBuf
	}
	if s.moved {
		// The row has another key now: the old one's is gone.
		if s.moved = false; op == vec.UpdateAfter && !bytes.Equal(s.keyBuf, s.oldKey) {
			s.build.AppendRecord(&batch.Record{Timestamp: rec.Timestamp, Key: s.oldKey})
			s.rows++
		}
	}
	if op != vec.Delete || s.spec.Changes {
		s.valueBuf = s.valueBuf[:0]
		if s.spec.Changes {
			s.valueBuf = source.AppendOp(s.valueBuf, op)
		}
		if s.valueBuf, null, err = s.value.Append(s.valueBuf, s.valueCols, i); err != nil {
			return fmt.Errorf("value of %s: %w", s.topic.Name, err)
		}
		// A row without value columns is not a tombstone.
		if !null || s.spec.Changes || len(s.valueCols) == 0 && s.spec.Table {
			rec.Value = s.valueBuf[:len(s.valueBuf):len(s.valueBuf)]
			if rec.Value == nil {
				rec.Value = []byte{}
			}
		}
	}
	if b.Headers != nil && !b.Headers.Null(i) {
		rec.Headers = batch.Headers(b.Headers.Bytes(i))
	}
	s.build.AppendRecord(&rec)
	s.rows++
	// The two rows of an update stay in one batch, so that readers get them together.
	if s.build.Len() >= maxRecordBatch && op != vec.UpdateBefore {
		return s.cut()
	}
	return nil
}

// before notes the key of an old row, in case the new one has another.
func (s *sink) before(b *vec.Batch, i int) error {
	if !s.spec.Table {
		return nil
	}
	var null bool
	var err error
	if s.keyBuf, null, err = s.key.Append(s.keyBuf[:0], s.keyCols, i); err != nil {
		return fmt.Errorf("key of %s: %w", s.topic.Name, err)
	}
	if s.moved = !null; s.moved {
		s.window(b, i)
		s.oldKey = append(s.oldKey[:0], s.keyBuf...)
	}
	return nil
}

// window ends a windowed key with its window.
func (s *sink) window(b *vec.Batch, i int) {
	switch s.spec.Codec.Window {
	case plan.NoWindow:
	case plan.Session:
		start, end := b.Cols[s.spec.WindowStart], b.Cols[s.spec.WindowEnd]
		s.keyBuf = format.AppendSessionWindow(s.keyBuf, start.Ints[start.Row(i)], end.Ints[end.Row(i)])
	default:
		start := b.Cols[s.spec.WindowStart]
		s.keyBuf = format.AppendTimeWindow(s.keyBuf, start.Ints[start.Row(i)])
	}
}

func (s *sink) time(c *vec.Vec, i int) (ms int64, err error) {
	if c.Null(i) {
		return 0, errSinkTime
	}
	switch c.Type.Kind {
	case vec.Timestamp, vec.TimestampTZ:
		ms = c.Ints[c.Row(i)] / 1000
	case vec.Text:
		if ms, err = s.parseTime(string(c.Bytes(i))); err != nil {
			return 0, err
		}
	default:
		ms = c.Ints[c.Row(i)]
	}
	if ms < 0 {
		return 0, errSinkTime
	}
	return ms, nil
}

func (s *sink) cut() error {
	v, err := s.build.Finish()
	if err != nil {
		return err
	}
	s.done = append(s.done, v...)
	s.build.Reset()
	return nil
}

// finish completes the step's output and appends it to dst. What it refers to
// is valid until the next write.
func (s *sink) finish(dst []storage.Append) ([]storage.Append, error) {
	if len(s.done) > 0 && s.build.Count() > 0 {
		if err := s.cut(); err != nil {
			return dst, err
		}
	}
	raw := s.done
	if len(raw) == 0 {
		v, err := s.build.Finish()
		if err != nil {
			return dst, err
		}
		raw = v
	}
	if len(raw) == 0 {
		return dst, nil
	}
	a := storage.Append{
		Partition: storage.PartitionID{Topic: storage.TopicID(s.topic.ID), Partition: s.partition},
		Batches:   raw,
	}
	if s.spec.Table && !s.spec.Changes {
		a.Flags = storage.Compacted
	}
	return append(dst, a), nil
}
