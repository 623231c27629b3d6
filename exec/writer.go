package exec

import (
	"fmt"

	"github.com/weirdb/weir/exec/source"
	"github.com/weirdb/weir/internal/format"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
	"github.com/weirdb/weir/storage"
)

// A Writer encodes rows that come from outside of any query (INSERT, COPY) as
// record batches of the partitions of a topic. It belongs to one goroutine.
type Writer struct {
	spec  *plan.Sink
	key   format.Encoder
	sinks []*sink // by partition; nil until a row goes there
	next  int32   // partition of the next batch of rows without a key
	err   error   // of a row that a sink dropped
	bytes int     // that the sinks hold

	keyCols []*vec.Vec
	keyBuf  []byte
	placed  []Place
}

// Place is where a row went: the Index-th record for that partition since the
// last Finish.
type Place struct {
	Partition int32
	Index     int
}

// NewWriter returns a Writer for a sink whose Topic is set.
func NewWriter(spec *plan.Sink) (*Writer, error) {
	key, err := format.NewEncoder(source.Spec(spec.Codec.Key))
	if err != nil {
		return nil, fmt.Errorf("key of %s: %w", spec.Topic.Name, err)
	}
	return &Writer{
		spec: spec, key: key, sinks: make([]*sink, spec.Topic.Partitions), keyCols: make([]*vec.Vec, len(spec.Key)),
	}, nil
}

// Write encodes the rows of b. A row that cannot be encoded is an error, and
// then nothing of what was written since Finish is to be used.
func (w *Writer) Write(b *vec.Batch) error {
	for i, c := range w.spec.Key {
		w.keyCols[i] = b.Cols[c]
	}
	for _, r := range b.Selected() {
		if err := w.row(b, int(r)); err != nil {
			return err
		}
	}
	w.next = (w.next + 1) % w.spec.Topic.Partitions
	return nil
}

func (w *Writer) row(b *vec.Batch, i int) error {
	p := w.next
	var null bool
	var err error
	if w.keyBuf, null, err = w.key.Append(w.keyBuf[:0], w.keyCols, i); err != nil {
		return fmt.Errorf("key of %s: %w", w.spec.Topic.Name, err)
	}
	if !null && len(w.spec.Key) > 0 {
		p = partitionOf(w.keyBuf, w.spec.Topic.Partitions)
	}
	s := w.sinks[p]
	if s == nil {
		s, err = newSink(w.spec, w.spec.Topic, p, timeParser(w.spec.TimeFormat), func(_ *vec.Batch, _ int, err error) { w.err = err })
		if err != nil {
			return err
		}
		w.sinks[p] = s
	}
	w.placed = append(w.placed, Place{p, int(s.rows)})
	copy(s.keyCols, w.keyCols)
	for k, c := range w.spec.Value {
		s.valueCols[k] = b.Cols[c]
	}
	before := s.bytes()
	if err := s.row(b, i); err != nil {
		return err
	}
	w.bytes += s.bytes() - before
	return w.err
}

// Bytes is about how much has been written since the last Reset.
func (w *Writer) Bytes() int { return w.bytes }

// Finish returns what was written since the last Finish, and where each row
// went, in order of the rows. They are valid until Reset.
func (w *Writer) Finish() (out []storage.Append, placed []Place, err error) {
	for _, s := range w.sinks {
		if s == nil || s.rows == 0 {
			continue
		}
		if out, err = s.finish(out); err != nil {
			return nil, nil, err
		}
	}
	return out, w.placed, nil
}

// Reset forgets what was written, after Finish or an error.
func (w *Writer) Reset() {
	for _, s := range w.sinks {
		if s != nil {
			s.reset()
		}
	}
	w.placed, w.err, w.bytes = w.placed[:0], nil, 0
}
