package storage

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"
	"sync"

	"github.com/weirdb/weir/storage/batch"
)

const minTimestamp = math.MinInt64

// tailRoom is how many bytes of a log wait in memory before they are written to its file: large enough that the
// system call is nothing beside copying, small enough for thousands of partitions.
const tailRoom = 64 << 10

// Log is the log of one partition. Its methods may be called by any goroutine, beside Apply.
type Log struct {
	id PartitionID
	sh *Shard

	mu    sync.RWMutex
	segs  []*segment // in order of offsets; the last one is appended to
	start Offset
	end   Offset
	flags AppendFlags
	// tableFrom is the offset from which on every record is in the partition's table: the log was compacted since.
	tableFrom Offset
	maxTS     int64
	epochs    []EpochStart
	tail      []byte // what the last segment has beyond written
	changed   chan struct{}
	dropped   bool

	// For Apply and, holding the shard's lock, a checkpoint.
	dirty     bool
	producers map[int64]*producer // nil until the first idempotent batch
}

// EpochStart is the first offset written in a leader epoch, which is a raft term.
type EpochStart struct {
	Epoch int32
	Start Offset
}

// ID names the log's partition.
func (l *Log) ID() PartitionID { return l.id }

// Start is the first offset that can be read.
func (l *Log) Start() Offset {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.start
}

// End is the offset the next record gets: one past the last.
func (l *Log) End() Offset {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.end
}

// Size is the log's length in bytes, start of the first segment to end.
func (l *Log) Size() int64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	var n int64
	for _, s := range l.segs {
		n += s.size - segmentHeader
	}
	return n
}

// MaxTimestamp is the largest record timestamp ever appended, in ms; ok is false for a log without records.
func (l *Log) MaxTimestamp() (ms int64, ok bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.maxTS, l.maxTS != minTimestamp
}

// Compacted reports whether the last Append had the flag.
func (l *Log) Compacted() bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.flags&Compacted != 0
}

// Changed returns a channel that is closed when the log next grows, is trimmed, dropped or restored. Take it before
// looking at End, so that nothing is missed. A log that is dropped already changes only if its shard is being restored;
// Read tells which.
func (l *Log) Changed() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changed == nil {
		l.changed = make(chan struct{})
	}
	return l.changed
}

// Epochs returns the leader epochs of the log with their first offsets, oldest first.
func (l *Log) Epochs() []EpochStart {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return slices.Clone(l.epochs)
}

// EpochEnd returns the largest epoch of the log at or below epoch and where it ends: Kafka's OffsetForLeaderEpoch. ok
// is false if there is none.
func (l *Log) EpochEnd(epoch int32) (found int32, end Offset, ok bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	i := sort.Search(len(l.epochs), func(i int) bool { return l.epochs[i].Epoch > epoch })
	if i == 0 {
		return 0, 0, false
	}
	end = l.end
	if i < len(l.epochs) {
		end = l.epochs[i].Start
	}
	return l.epochs[i-1].Epoch, end, true
}

// wake tells those who wait on Changed. The caller holds l.mu.
func (l *Log) wake() {
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

// Read returns whole record batches from the one that holds offset from on (after compaction: from the first that is
// not before it), with base offsets and leader epochs set: as many as fit in maxBytes, and at least one. At End it
// returns no bytes. The result is in buf if it has room; it is the caller's. ErrOffset: from is outside [Start, End].
func (l *Log) Read(from Offset, maxBytes int, buf []byte) ([]byte, error) {
	for {
		out, again, err := l.read(from, max(maxBytes, batch.HeaderLen), buf[:0])
		if !again || err != nil {
			return out, err
		}
	}
}

// read is Read once; again means the segment's index had to be completed first, or that the rest of a segment holds
// nothing for from.
func (l *Log) read(from Offset, maxBytes int, buf []byte) (out []byte, again bool, err error) {
	l.mu.RLock()
	switch {
	case l.dropped:
		if err = l.sh.readable(); err == nil {
			err = ErrDropped
		}
	case from < l.start || from > l.end:
		err = fmt.Errorf("offset %d is not in [%d, %d]: %w", from, l.start, l.end, ErrOffset)
	}
	i := l.segmentOf(from)
	if err != nil || i == len(l.segs) {
		l.mu.RUnlock()
		return buf, false, err
	}
	s := l.segs[i]
	if i == len(l.segs)-1 && len(l.tail) > 0 && from >= l.tailBase() {
		out = cutBatches(buf, l.tail, from, maxBytes)
		l.mu.RUnlock()
		return out, false, nil
	}
	if s.f == nil || s.indexed > segmentHeader && from < l.indexedFrom(s) {
		l.mu.RUnlock()
		return buf, true, l.prepare(s)
	}
	at, limit := s.find(from), s.written
	s.retain()
	l.mu.RUnlock()
	out, err = readBatches(s, at.pos, limit, from, maxBytes, l.sh.store.cfg.IndexInterval, buf)
	return out, false, errors.Join(err, s.release())
}

// segmentOf returns the index of the segment to read from for offset from, len(l.segs) if there is nothing to read.
func (l *Log) segmentOf(from Offset) int {
	return sort.Search(len(l.segs), func(i int) bool { return from < l.segs[i].end })
}

func (l *Log) tailBase() Offset { return Offset(batch.View(l.tail).BaseOffset()) }

// indexedFrom is the first offset the index of s covers.
func (l *Log) indexedFrom(s *segment) Offset {
	if len(s.index) == 0 {
		return s.end
	}
	return s.index[0].offset
}

// prepare opens a segment and completes its index.
func (l *Log) prepare(s *segment) error {
	l.mu.Lock()
	if err := s.open(); err != nil {
		l.mu.Unlock()
		return err
	}
	s.retain()
	if s.indexed <= segmentHeader {
		err := errors.Join(l.closeIdleLocked(), s.release())
		l.mu.Unlock()
		return err
	}
	hi, interval := s.indexed, l.sh.store.cfg.IndexInterval
	l.mu.Unlock()

	part := segment{maxTS: minTimestamp}
	err := checkSegmentHeader(s, l.id)
	if err == nil {
		err = walk(s.f, s.path, segmentHeader, hi, func(v batch.View, pos int64) (bool, error) {
			part.note(Offset(v.BaseOffset()), pos, interval)
			part.maxTS = max(part.maxTS, v.MaxTimestamp())
			return true, nil
		})
	}

	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil && s.indexed > segmentHeader { // no one else did it meanwhile
		s.index, s.indexed = append(part.index, s.index...), segmentHeader
	}
	return errors.Join(err, s.release())
}

// maxIdleFiles is how many closed segments of a log stay open for readers.
const maxIdleFiles = 4

func (l *Log) closeIdle() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closeIdleLocked()
}

// closeIdleLocked closes the files of the oldest closed segments no one reads, as far as there are too many.
func (l *Log) closeIdleLocked() (err error) {
	open := 0
	for i := len(l.segs) - 2; i >= 0; i-- {
		s := l.segs[i]
		if s.f == nil {
			continue
		}
		if open++; open > maxIdleFiles && s.refs.Load() == 1 && s.synced == s.written {
			err = errors.Join(err, s.f.Close())
			s.f, s.append = nil, false
		}
	}
	return err
}

func checkSegmentHeader(s *segment, p PartitionID) error {
	var h [segmentHeader]byte
	if n, err := s.f.ReadAt(h[:], 0); n < len(h) {
		return fmt.Errorf("%s: %d of %d header bytes: %w", s.path, n, len(h), noEOF(err))
	}
	if string(h[:]) != string(segmentHeaderBytes(p, s.base)) {
		return fmt.Errorf("%s: header is not that of partition %v, offset %d: %w", s.path, p, s.base, ErrCorrupt)
	}
	return nil
}

// readBatches reads from a segment's file: the batches in [pos, limit) that end after from, up to maxBytes of them.
func readBatches(s *segment, pos, limit int64, from Offset, maxBytes int, lead int64, buf []byte) ([]byte, error) {
	want := min(limit-pos, int64(maxBytes)+lead)
	for {
		buf = slices.Grow(buf[:0], int(want))[:want]
		if n, err := s.f.ReadAt(buf, pos); n < len(buf) {
			return nil, fmt.Errorf("%s at %d: %d of %d bytes: %w", s.path, pos, n, len(buf), noEOF(err))
		}
		// Skip the batches before from; pos is where rest begins in the file.
		rest := buf
		for len(rest) >= batch.HeaderLen && batch.SizeOf(rest) <= int64(len(rest)) && Offset(batch.View(rest).LastOffset()) < from {
			n := batch.SizeOf(rest)
			if n < batch.HeaderLen {
				return nil, fmt.Errorf("%s at %d: batch of %d bytes: %w", s.path, pos, n, ErrCorrupt)
			}
			pos += n
			rest = rest[n:]
		}
		if len(rest) >= batch.HeaderLen && batch.SizeOf(rest) <= int64(len(rest)) {
			return cutBatches(buf, rest, from, maxBytes), nil
		}
		// Not even one whole batch: read it alone, with what follows if that fits.
		want = min(limit-pos, int64(maxBytes))
		if len(rest) >= batch.HeaderLen {
			want = max(want, batch.SizeOf(rest))
		} else {
			want = max(want, batch.HeaderLen)
		}
		if want > limit-pos {
			return nil, fmt.Errorf("%s at %d: batch of %d bytes ends after %d: %w", s.path, pos, want, limit, ErrCorrupt)
		}
	}
}

// cutBatches copies to dst's start the whole batches of src that end after from, up to maxBytes and at least one. dst
// may be the array src lies in.
func cutBatches(dst, src []byte, from Offset, maxBytes int) []byte {
	for len(src) > 0 && Offset(batch.View(src).LastOffset()) < from {
		src = src[batch.SizeOf(src):]
	}
	n := int64(0)
	for rest := src; len(rest) >= batch.HeaderLen; {
		size := batch.SizeOf(rest)
		if size < batch.HeaderLen || size > int64(len(rest)) || n > 0 && n+size > int64(maxBytes) {
			break
		}
		n += size
		rest = rest[size:]
	}
	return append(dst[:0], src[:n]...)
}

// reserve makes room for n bytes more, so that the append that follows cannot fail: it writes out the tail when it is
// full and starts a new segment when the last one is. Apply calls it, before it changes anything.
func (l *Log) reserve(n int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var s *segment
	if len(l.segs) > 0 {
		s = l.segs[len(l.segs)-1]
	}
	full := s == nil || s.size > segmentHeader && s.size+int64(n) > l.sh.store.cfg.SegmentBytes
	if len(l.tail) > 0 && (full || len(l.tail)+n > tailRoom) {
		if err := l.flushLocked(); err != nil {
			return err
		}
	}
	if full {
		l.segs = append(l.segs, l.sh.newSegment(l.id, l.end))
	}
	if need := len(l.tail) + n; cap(l.tail) < need {
		l.tail = append(make([]byte, 0, max(need, min(2*cap(l.tail), tailRoom))), l.tail...)
	}
	return nil
}

// append adds one batch, for which room was reserved, at the end.
func (l *Log) append(v batch.View, epoch int32, flags AppendFlags) (base Offset) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.segs[len(l.segs)-1]
	base = l.end
	at := len(l.tail)
	l.tail = append(l.tail, v...)
	batch.View(l.tail[at:]).SetBase(int64(base), epoch)
	s.note(base, s.size, l.sh.store.cfg.IndexInterval)
	s.size += int64(len(v))
	l.end += Offset(v.LastOffsetDelta()) + 1
	s.end = l.end
	if flags&^l.flags&Compacted != 0 {
		l.tableFrom = base
	}
	l.flags = flags & Compacted // the others are of one command
	if ts := v.MaxTimestamp(); ts > s.maxTS {
		s.maxTS = ts
		l.maxTS = max(l.maxTS, ts)
	}
	if n := len(l.epochs); n == 0 || l.epochs[n-1].Epoch < epoch {
		l.epochs = append(l.epochs, EpochStart{epoch, base})
	}
	l.wake()
	return base
}

// flushLocked writes the tail to its file.
func (l *Log) flushLocked() error {
	if len(l.tail) == 0 {
		return nil
	}
	s := l.segs[len(l.segs)-1]
	if s.written == segmentHeader && s.f == nil && s.synced == 0 {
		if err := makeDir(s.fs, l.sh.dir); err != nil {
			return err
		}
		if err := s.create(l.id); err != nil {
			return err
		}
	}
	if err := s.write(l.tail); err != nil {
		return err
	}
	l.tail = l.tail[:0]
	if cap(l.tail) > 2*tailRoom {
		l.tail = nil
	}
	return nil
}

// trim moves start to newStart and takes out the segments that lie below it.
func (l *Log) trim(newStart Offset) (gone []*segment) {
	l.mu.Lock()
	defer l.mu.Unlock()
	newStart = min(newStart, l.end)
	if newStart <= l.start {
		return nil
	}
	l.start = newStart
	n := 0
	for n < len(l.segs) && l.segs[n].end <= newStart {
		n++
	}
	if n == len(l.segs) {
		l.tail = l.tail[:0] // the next append starts a segment
	}
	gone = slices.Clone(l.segs[:n])
	l.segs = slices.Delete(l.segs, 0, n)
	for len(l.epochs) > 1 && l.epochs[1].Start <= newStart {
		l.epochs = slices.Delete(l.epochs, 0, 1)
	}
	l.wake()
	return gone
}

// drop makes the log unreadable.
func (l *Log) drop() (gone []*segment) {
	l.mu.Lock()
	defer l.mu.Unlock()
	gone, l.segs, l.tail, l.dropped = l.segs, nil, nil, true
	l.wake()
	return gone
}
