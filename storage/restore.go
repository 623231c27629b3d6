package storage

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/cockroachdb/pebble/v2"

	"github.com/weirdb/weir/storage/batch"
)

// restoreBatch is how many bytes of state rows are committed to Pebble at a time.
const restoreBatch = 4 << 20

// ReadSnapshot replaces all that the shard holds by a stream WriteSnapshot made; it is durable when ReadSnapshot returns. Apply must
// not be called meanwhile. Readers get ErrRestoring; Logs that are in the stream too work again afterwards. If it
// fails, or the process dies, the shard is empty and stays in ErrRestoring until a ReadSnapshot succeeds or the store is
// opened again.
func (sh *Shard) ReadSnapshot(r io.Reader) (applied uint64, err error) {
	sh.checkpointing.Lock()
	defer sh.checkpointing.Unlock()
	if err := sh.Err(); err != nil && !errors.Is(err, ErrRestoring) {
		return 0, err
	}
	rs := &restore{sh: sh, logs: map[*Log]bool{}}
	defer func() {
		if rs.rows != nil {
			err = errors.Join(err, rs.rows.Close())
		}
	}()
	if err := rs.wipe(); err != nil {
		return 0, err
	}
	in := &frameReader{r: bufio.NewReaderSize(r, scanChunk/4), sum: crc32.New(castagnoli)}
	magic := make([]byte, len(snapshotMagic))
	if _, err := io.ReadFull(in.r, magic); err != nil || string(magic) != snapshotMagic {
		return 0, errors.Join(err, fmt.Errorf("snapshot starts with %q: %w", magic, ErrCorrupt))
	}
	in.sum.Write(magic)
	for {
		kind, b, err := in.next()
		if err == nil && kind == frameEnd {
			break
		}
		if err == nil {
			err = rs.frame(kind, b)
		}
		if err != nil {
			return 0, err
		}
	}
	if err := rs.finish(); err != nil {
		return 0, err
	}
	return rs.applied, nil
}

// restore is a ReadSnapshot under way.
type restore struct {
	sh      *Shard
	applied uint64
	term    uint64
	started bool // frameShard has come
	space   Space
	prefix  []byte // of space in Pebble
	rows    *pebble.Batch
	logs    map[*Log]bool // in the stream; dropped until all is there
	log     *Log
	seg     *segment // of log, being filled
	segEnd  Offset   // where it must end
}

// restoringRow is the row of shardSpace while a restore is under way: whoever finds it finds nothing else of worth.
var restoringRow = []byte("restoring")

// wipe empties the shard, in memory and, before anything new is written, on disk.
func (rs *restore) wipe() error {
	sh := rs.sh
	restoring := error(ErrRestoring)
	sh.failed.Store(&restoring)
	sh.mu.Lock()
	doomed := sh.doomed
	for _, l := range sh.logs {
		doomed = append(doomed, l.drop()...)
		l.dirty = false
	}
	sh.active, sh.frozen, sh.doomed, sh.dirtyLogs = newLayer(), nil, nil, nil
	clear(sh.tasks)
	sh.applied.Store(0)
	sh.durable.Store(0)
	sh.dirtied.Store(0)
	sh.mu.Unlock()
	if err := sh.store.wipeShard(sh.id, restoringRow); err != nil {
		return err
	}
	var err error
	for _, s := range doomed {
		err = errors.Join(err, s.remove())
	}
	return err
}

// wipeShard deletes all rows of a shard, durably, and leaves row, if not nil, as its applied row.
func (s *Store) wipeShard(id ShardID, row []byte) error {
	b := s.db.NewBatch()
	defer func() { _ = b.Close() }() // returns what Commit did
	lo := binary.BigEndian.AppendUint32(nil, uint32(id))
	hi := prefixEnd(lo)
	if hi == nil {
		hi = []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	}
	if err := b.DeleteRange(lo, hi, nil); err != nil {
		return err
	}
	if row != nil {
		if err := b.Set(append(appendSpaceKey(nil, id, shardSpace), appliedKey...), row, nil); err != nil {
			return err
		}
	}
	if err := b.Commit(pebble.NoSync); err != nil {
		return err
	}
	return s.flush()
}

func (rs *restore) frame(kind byte, b []byte) error {
	if !rs.started && kind != frameShard {
		return fmt.Errorf("snapshot: frame %d comes first: %w", kind, ErrCorrupt)
	}
	switch {
	case kind == frameShard && !rs.started && len(b) == 16:
		rs.started = true
		rs.applied, rs.term = binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
		return nil
	case kind == frameSpace && len(b) > 0 && len(b) <= MaxSpace:
		rs.space = Space(b)
		rs.prefix = appendSpaceKey(rs.prefix[:0], rs.sh.id, rs.space)
		return nil
	case kind == frameRow && rs.space != "":
		return rs.row(b)
	case kind == frameLog && len(b) >= 12:
		return rs.startLog(b)
	case kind == frameSegment && len(b) == 16 && rs.log != nil:
		return rs.startSegment(b)
	case kind == frameBatches && rs.seg != nil:
		return rs.batches(b)
	}
	return fmt.Errorf("snapshot: frame %d of %d bytes: %w", kind, len(b), ErrCorrupt)
}

func (rs *restore) row(b []byte) error {
	n, at := uvarint(b)
	if at <= 0 || n > uint64(len(b)-at) {
		return fmt.Errorf("snapshot: row with a key of %d bytes: %w", n, ErrCorrupt)
	}
	if rs.rows == nil {
		rs.rows = rs.sh.store.db.NewBatch()
	}
	key, value := b[at:at+int(n)], b[at+int(n):]
	op := rs.rows.SetDeferred(len(rs.prefix)+len(key), len(value))
	copy(op.Key[copy(op.Key, rs.prefix):], key)
	copy(op.Value, value)
	if err := op.Finish(); err != nil {
		return err
	}
	if rs.rows.Len() < restoreBatch {
		return nil
	}
	return rs.commitRows()
}

func (rs *restore) commitRows() error {
	if rs.rows == nil {
		return nil
	}
	err := errors.Join(rs.rows.Commit(pebble.NoSync), rs.rows.Close())
	rs.rows = nil
	return err
}

func (rs *restore) startLog(b []byte) error {
	if err := rs.endSegment(); err != nil {
		return err
	}
	sh := rs.sh
	sh.mu.Lock()
	defer sh.mu.Unlock()
	l := sh.openLog(partitionOf(b))
	l.mu.Lock()
	defer l.mu.Unlock()
	if rs.logs[l] {
		return fmt.Errorf("snapshot: partition %v comes twice: %w", l.id, ErrCorrupt)
	}
	clear(l.producers)
	rs.logs[l], l.dropped = true, true
	rs.log = l
	return l.decode(b[12:])
}

func (rs *restore) startSegment(b []byte) error {
	if err := rs.endSegment(); err != nil {
		return err
	}
	le := binary.LittleEndian
	base, end := Offset(le.Uint64(b)), Offset(le.Uint64(b[8:]))
	l := rs.log
	if n := len(l.segs); base < 0 || end <= base || end > l.end || n > 0 && l.segs[n-1].end > base {
		return fmt.Errorf("snapshot: partition %v: segment [%d, %d): %w", l.id, base, end, ErrCorrupt)
	}
	rs.sh.mu.Lock()
	rs.seg, rs.segEnd = rs.sh.newSegment(l.id, base), end
	rs.sh.mu.Unlock()
	if err := makeDir(rs.seg.fs, rs.sh.dir); err != nil {
		return err
	}
	if err := rs.seg.create(l.id); err != nil {
		return err
	}
	l.mu.Lock()
	l.segs = append(l.segs, rs.seg)
	l.mu.Unlock()
	return nil
}

func (rs *restore) batches(b []byte) error {
	s := rs.seg
	for rest := b; len(rest) > 0; {
		v, after, err := batch.Next(rest)
		if err != nil {
			return fmt.Errorf("snapshot: %w", err)
		}
		if !v.SumOK() || Offset(v.BaseOffset()) < s.end || Offset(v.LastOffset()) >= rs.segEnd || v.LastOffsetDelta() < 0 {
			return fmt.Errorf("snapshot: partition %v: batch with offset %d does not check: %w", rs.log.id, v.BaseOffset(), ErrCorrupt)
		}
		s.note(Offset(v.BaseOffset()), s.size, rs.sh.store.cfg.IndexInterval)
		s.size += int64(len(v))
		s.end = Offset(v.LastOffset()) + 1
		s.maxTS = max(s.maxTS, v.MaxTimestamp())
		rest = after
	}
	return s.write(b)
}

func (rs *restore) endSegment() error {
	s := rs.seg
	if s == nil {
		return nil
	}
	rs.seg = nil
	if s.end != rs.segEnd {
		return fmt.Errorf("snapshot: partition %v: segment ends at %d, want %d: %w", rs.log.id, s.end, rs.segEnd, ErrCorrupt)
	}
	return nil
}

// finish makes what came durable, and the shard's.
func (rs *restore) finish() error {
	sh := rs.sh
	if !rs.started {
		return fmt.Errorf("snapshot: empty: %w", ErrCorrupt)
	}
	if err := errors.Join(rs.endSegment(), rs.commitRows()); err != nil {
		return err
	}
	sh.mu.Lock()
	sh.term = rs.term
	sh.applied.Store(rs.applied)
	for id, l := range sh.logs {
		l.mu.Lock()
		// One that was opened before it had records may be waited for: it stays.
		l.dropped = !rs.logs[l] && l.end > 0
		gone := l.dropped
		l.mu.Unlock()
		switch {
		case gone:
			delete(sh.logs, id)
		case rs.logs[l]:
			sh.markDirty(l)
		}
	}
	sh.mu.Unlock()
	c := sh.freeze(true)
	if err := errors.Join(c.syncLogs(), c.commit(), sh.store.flush()); err != nil {
		return sh.fail(err)
	}
	sh.mu.Lock()
	sh.frozen = nil
	sh.mu.Unlock()
	sh.failed.Store(nil)
	for l := range rs.logs {
		if err := sh.loadRows(producerSpace(l.id), l.loadProducer); err != nil {
			return sh.fail(err)
		}
		l.mu.Lock()
		l.wake()
		l.mu.Unlock()
	}
	return c.finish()
}
