package storage

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// checkpoint is the frozen part of one checkpoint of a shard: what it will vouch for.
type checkpoint struct {
	sh       *Shard
	applied  uint64
	term     uint64
	layer    *layer
	logs     []*Log
	doomed   []*segment
	newFiles bool
}

// segmentKey names a row of the segment space.
type segmentKey struct {
	log  PartitionID
	base Offset
}

func logKey(p PartitionID) []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 20), uint64(p.Topic))
	return binary.BigEndian.AppendUint32(b, uint32(p.Partition))
}

func (k segmentKey) bytes() []byte {
	return binary.BigEndian.AppendUint64(logKey(k.log), uint64(k.base))
}

var (
	shardSpace   = Space([]byte{spaceShard})
	logSpace     = Space([]byte{spaceLog})
	segmentSpace = Space([]byte{spaceSegment})
)

// appliedKey is the one key of shardSpace: applied u64 | term u64 | next file u64.
var appliedKey = []byte("applied")

// Checkpoint makes what the shard has applied durable; when it returns nil, Durable is at least what Applied was.
func (sh *Shard) Checkpoint() error { return sh.store.checkpoint([]*Shard{sh}) }

// Checkpoint makes what all shards have applied durable, with one flush. A shard that failed before is passed over.
func (s *Store) Checkpoint() error {
	return s.checkpoint(slices.DeleteFunc(s.Shards(), func(sh *Shard) bool { return sh.Err() != nil }))
}

func (s *Store) checkpoint(shards []*Shard) error {
	var errs error
	var written []*checkpoint
	for _, sh := range shards {
		sh.checkpointing.Lock()
		defer sh.checkpointing.Unlock()
		c, err := sh.writeCheckpoint()
		errs = errors.Join(errs, err)
		if c != nil && err == nil {
			written = append(written, c)
		}
	}
	if len(written) == 0 {
		return errs
	}
	if err := s.flush(); err != nil {
		for _, c := range written {
			errs = errors.Join(errs, c.sh.fail(err))
			c.sh.settle()
		}
		return errs
	}
	for _, c := range written {
		errs = errors.Join(errs, c.finish())
	}
	return errs
}

// flush waits until all that was committed to Pebble is on disk.
func (s *Store) flush() error {
	if s.lost.Load() {
		return ErrFailed
	}
	done, err := s.db.AsyncFlush()
	if err != nil {
		return err
	}
	select {
	case <-done:
		return nil
	case <-s.broken: // Pebble would try for ever
		return ErrFailed
	}
}

// writeCheckpoint freezes what changed, fsyncs the segments and commits the rest to Pebble, not yet flushed. It
// returns nil if there is nothing to do.
func (sh *Shard) writeCheckpoint() (*checkpoint, error) {
	if err := sh.Err(); err != nil {
		return nil, err
	}
	c := sh.freeze(false)
	if c == nil {
		return nil, nil
	}
	err := c.syncLogs()
	if err == nil {
		err = c.commit()
	}
	if err != nil {
		err = sh.fail(err)
	}
	if err != nil {
		sh.settle()
		return nil, err
	}
	sh.mu.Lock()
	sh.frozen = nil // Pebble has it now
	sh.mu.Unlock()
	return c, nil
}

// settle ends what freeze began and lets a waiting Apply go on.
func (sh *Shard) settle() {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.pending = false
	if sh.roomy != nil {
		close(sh.roomy)
		sh.roomy = nil
	}
}

// freeze takes the active layer, with the rows of the logs that changed, and puts an empty one in its place. If nothing
// changed it returns nil, unless always.
func (sh *Shard) freeze(always bool) *checkpoint {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	applied := sh.applied.Load()
	if !always && applied == sh.durable.Load() && sh.active.empty() && len(sh.dirtyLogs) == 0 {
		return nil
	}
	for _, l := range sh.dirtyLogs {
		sh.putLog(l)
	}
	var row []byte
	for _, n := range []uint64{applied, sh.term, sh.nextFile} {
		row = binary.LittleEndian.AppendUint64(row, n)
	}
	sh.putRow([]byte(shardSpace), appliedKey, row)
	c := &checkpoint{sh: sh, applied: applied, term: sh.term, layer: sh.active, logs: sh.dirtyLogs, doomed: sh.doomed}
	sh.frozen, sh.active, sh.pending = sh.active, newLayer(), true
	sh.dirtyLogs, sh.doomed = nil, nil
	sh.journaled = 0
	sh.dirtied.Store(0)
	return c
}

// putLog writes the rows of l and of its segments that grew since the last checkpoint.
func (sh *Shard) putLog(l *Log) {
	l.dirty = false
	if l.dropped {
		return
	}
	sh.putRow([]byte(logSpace), logKey(l.id), l.encode())
	for _, s := range slices.Backward(l.segs) {
		if s.recorded == s.size {
			break // and so are all before it
		}
		if s.size == segmentHeader {
			continue // there is no file yet
		}
		sh.putSegment(l, s)
	}
}

// encode is l's row: start, end, largest timestamp, first offset in the table, flags, epochs.
func (l *Log) encode() []byte {
	le := binary.LittleEndian
	var row []byte
	for _, n := range []int64{int64(l.start), int64(l.end), l.maxTS, int64(l.tableFrom)} {
		row = le.AppendUint64(row, uint64(n))
	}
	row = append(row, byte(l.flags))
	for _, e := range l.epochs {
		row = le.AppendUint32(row, uint32(e.Epoch))
		row = le.AppendUint64(row, uint64(e.Start))
	}
	return row
}

func (l *Log) decode(row []byte) error {
	if len(row) < logRowFixed || (len(row)-logRowFixed)%12 != 0 {
		return fmt.Errorf("log row of %d bytes: %w", len(row), ErrCorrupt)
	}
	le := binary.LittleEndian
	l.start, l.end, l.maxTS = Offset(le.Uint64(row)), Offset(le.Uint64(row[8:])), int64(le.Uint64(row[16:]))
	l.tableFrom, l.flags = Offset(le.Uint64(row[24:])), AppendFlags(row[32])
	if l.start < 0 || l.start > l.end {
		return fmt.Errorf("log from %d to %d: %w", l.start, l.end, ErrCorrupt)
	}
	l.epochs = nil
	for row = row[logRowFixed:]; len(row) > 0; row = row[12:] {
		l.epochs = append(l.epochs, EpochStart{int32(le.Uint32(row)), Offset(le.Uint64(row[4:]))})
	}
	return nil
}

func (sh *Shard) putSegment(l *Log, s *segment) {
	s.recorded = s.size
	le := binary.LittleEndian
	last := s.find(s.end)
	row := le.AppendUint64(make([]byte, 0, segmentRowLen), s.file)
	for _, n := range []int64{s.size, int64(s.end), s.maxTS, int64(last.offset), last.pos, last.maxTS} {
		row = le.AppendUint64(row, uint64(n))
	}
	sh.putRow([]byte(segmentSpace), segmentKey{l.id, s.base}.bytes(), row)
}

const (
	logRowFixed   = 33
	segmentRowLen = 56
)

// syncLogs brings the bytes the checkpoint vouches for to disk.
func (c *checkpoint) syncLogs() error {
	for _, l := range c.logs {
		if err := l.sync(&c.newFiles); err != nil {
			return err
		}
	}
	if c.newFiles {
		return syncDir(c.sh.store.cfg.FS, c.sh.dir)
	}
	return nil
}

// sync writes out the tail and fsyncs the segments that have more than their last fsync covered.
func (l *Log) sync(newFiles *bool) (err error) {
	l.mu.Lock()
	if err := l.flushLocked(); err != nil {
		l.mu.Unlock()
		return err
	}
	var grown []*segment
	var written []int64
	for _, s := range slices.Backward(l.segs) {
		if s.synced == s.written {
			break
		}
		if s.f == nil {
			continue // nothing in it yet
		}
		s.retain()
		grown, written = append(grown, s), append(written, s.written)
	}
	l.mu.Unlock()
	defer func() { err = errors.Join(err, l.closeIdle()) }()
	for i, s := range grown {
		if err == nil {
			err = s.f.SyncData()
		}
		if err == nil {
			l.mu.Lock()
			*newFiles = *newFiles || s.synced == 0
			s.synced = written[i]
			l.mu.Unlock()
		}
		err = errors.Join(err, s.release())
	}
	return err
}

// commit writes the frozen layer to Pebble as one batch.
func (c *checkpoint) commit() error {
	s := c.sh.store
	if s.lost.Load() {
		return ErrFailed
	}
	b := s.db.NewBatchWithSize(c.size())
	defer func() { _ = b.Close() }() // returns what Commit did
	drop := func(lo []byte) error {
		hi := prefixEnd(lo)
		if any, err := s.hasKeys(lo, hi); err != nil || !any {
			return err // a range deletion of nothing would only cost
		}
		return b.DeleteRange(lo, hi, nil)
	}
	for _, p := range slices.Sorted(slices.Values(c.layer.drops)) {
		if err := drop(appendSpacePrefix(nil, c.sh.id, p)); err != nil {
			return err
		}
	}
	spaces := c.layer.spaces()
	for _, sp := range spaces {
		if c.layer.tables[sp].hides {
			if err := drop(appendSpaceKey(nil, c.sh.id, sp)); err != nil {
				return err
			}
		}
	}
	slices.SortFunc(spaces, func(a, b Space) int {
		return cmp.Compare(string(appendSpaceKey(nil, 0, a)), string(appendSpaceKey(nil, 0, b)))
	})
	for _, sp := range spaces {
		if err := writeTable(b, c.layer.tables[sp], appendSpaceKey(nil, c.sh.id, sp)); err != nil {
			return err
		}
	}
	return b.Commit(pebble.NoSync)
}

// size is how long a batch of all rows is at most, so that it need not grow.
func (c *checkpoint) size() int {
	n := 1 << 10
	for sp, t := range c.layer.tables {
		n += len(t.rows) + t.live*len(appendSpaceKey(nil, c.sh.id, sp))
	}
	return n
}

func (s *Store) hasKeys(lo, hi []byte) (bool, error) {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: lo, UpperBound: hi})
	if err != nil {
		return false, err
	}
	any := it.First()
	return any, it.Close()
}

// writeTable adds the rows of t to b in order of their keys.
func writeTable(b *pebble.Batch, t *table, prefix []byte) error {
	v := t.view()
	defer v.release()
	for _, sr := range v.sorted(nil, nil) {
		r, _ := rowAt(v.rows, sr.at)
		if r.deleted {
			if t.hides {
				continue // there is nothing below
			}
			op := b.DeleteDeferred(len(prefix) + len(r.key))
			copy(op.Key[copy(op.Key, prefix):], r.key)
			if err := op.Finish(); err != nil {
				return err
			}
			continue
		}
		op := b.SetDeferred(len(prefix)+len(r.key), len(r.value))
		copy(op.Key[copy(op.Key, prefix):], r.key)
		copy(op.Value, r.value)
		if err := op.Finish(); err != nil {
			return err
		}
	}
	return nil
}

// finish takes note that the checkpoint is durable and removes the files it no longer names.
func (c *checkpoint) finish() error {
	c.sh.mu.Lock()
	c.sh.durable.Store(c.applied)
	c.sh.durableTerm = c.term
	c.sh.mu.Unlock()
	c.sh.settle()
	var err error
	for _, s := range c.doomed {
		err = errors.Join(err, s.remove())
	}
	return err
}

// remove unlinks the file of a segment that is in no log any more; readers that hold it read on.
func (s *segment) remove() error {
	err := s.release()
	if s.synced == 0 && s.written == segmentHeader {
		return err // never written
	}
	if rerr := s.fs.Remove(s.path); rerr != nil {
		err = errors.Join(err, fmt.Errorf("removing a segment: %w", rerr))
	}
	return err
}

// wantCheckpoint asks for a checkpoint soon.
func (s *Store) wantCheckpoint() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// checkpointLoop makes checkpoints by time and by bytes. What fails stops the shard it fails for, and is logged there.
func (s *Store) checkpointLoop() {
	var tick <-chan time.Time
	if s.cfg.CheckpointEvery > 0 {
		t := time.NewTicker(s.cfg.CheckpointEvery)
		defer t.Stop()
		tick = t.C
	}
	for {
		select {
		case <-s.quit:
			return
		case <-s.kick:
		case <-tick:
		}
		if err := s.Checkpoint(); err != nil {
			s.cfg.Logger.Errorf("storage: checkpoint: %v", err)
		}
	}
}

// awaitRoom holds Apply back while a checkpoint is under way and four times DirtyBytes have changed since it began.
func (sh *Shard) awaitRoom() error {
	for sh.dirtied.Load() > 4*sh.store.cfg.DirtyBytes && sh.Err() == nil {
		sh.mu.Lock()
		if !sh.pending {
			sh.mu.Unlock()
			sh.store.wantCheckpoint()
			return sh.Err()
		}
		if sh.roomy == nil {
			sh.roomy = make(chan struct{})
		}
		roomy := sh.roomy
		sh.mu.Unlock()
		select {
		case <-roomy:
		case <-sh.store.quit:
			return nil
		}
	}
	return sh.Err()
}
