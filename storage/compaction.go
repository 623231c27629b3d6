package storage

import (
	"encoding/binary"
	"errors"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/weirdb/weir/storage/batch"
)

// Uncompacted tells how many bytes of the log's closed segments came after the last compaction, and how many there
// are: what to decide by whether to compact. After a restart all count.
func (l *Log) Uncompacted() (dirty, total int64) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for i, s := range l.segs {
		if i == len(l.segs)-1 {
			break
		}
		total += s.size - segmentHeader
		if !s.compacted {
			dirty += s.size - segmentHeader
		}
	}
	return dirty, total
}

// Compact rewrites the closed segments of a compacted partition so that of every key the latest record is left. A
// tombstone goes when its timestamp is older than deleteRetentionMs before nowMs. Offsets do not change. Each replica
// does this when it likes; readers and Apply go on meanwhile. One Compact of a partition at a time.
func (sh *Shard) Compact(p PartitionID, nowMs, deleteRetentionMs int64) error {
	l := sh.Log(p)
	if l == nil || !l.Compacted() {
		return nil
	}
	for from := l.Start(); ; {
		group := l.closedSegments(from)
		if len(group) == 0 {
			return nil
		}
		from = group[len(group)-1].end
		c := compaction{sh: sh, log: l, space: TableSpace(p), tombstonesTo: nowMs - deleteRetentionMs, tableFrom: l.tableStart()}
		err := c.rewrite(group)
		for _, s := range group {
			err = errors.Join(err, s.release())
		}
		if err != nil {
			return err
		}
	}
}

func (l *Log) tableStart() Offset {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.tableFrom
}

// closedSegments returns the first segments from offset from on that may become one, retained.
func (l *Log) closedSegments(from Offset) (group []*segment) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var size int64
	for i, s := range l.segs {
		if s.end <= from {
			continue
		}
		if i == len(l.segs)-1 || len(group) > 0 && size+s.size > l.sh.store.cfg.SegmentBytes {
			break
		}
		size += s.size
		s.retain()
		group = append(group, s)
	}
	return group
}

// compaction makes one segment of a group.
type compaction struct {
	sh           *Shard
	log          *Log
	space        Space
	tombstonesTo int64  // tombstones older than this go
	tableFrom    Offset // records before are not in the table and stay

	builder batch.Builder
	decoder batch.Decoder
	out     []byte // of the new segment, not yet written
	seg     *segment
	end     Offset // of the group
	removed int
	err     error
}

func (c *compaction) rewrite(group []*segment) error {
	c.sh.mu.Lock()
	c.seg = c.sh.newSegment(c.log.id, group[0].base)
	c.sh.mu.Unlock()
	c.end = group[len(group)-1].end
	for _, s := range group {
		c.log.mu.Lock()
		err := s.open()
		limit := s.size
		c.log.mu.Unlock()
		if err == nil {
			err = walk(s.f, s.path, segmentHeader, limit, c.batch)
		}
		if err != nil {
			return errors.Join(err, c.discard())
		}
	}
	if c.removed == 0 && len(group) == 1 {
		c.log.mu.Lock()
		group[0].compacted = true
		c.log.mu.Unlock()
		return c.discard()
	}
	if err := c.finish(); err != nil {
		return errors.Join(err, c.discard())
	}
	return c.swap(group)
}

// batch copies what is left of one batch.
func (c *compaction) batch(v batch.View, _ int64) (bool, error) {
	at := len(c.out)
	last := Offset(v.LastOffset())+1 == c.end
	if v.Control() || last && v.Count() == 0 || Offset(v.LastOffset()) < c.tableFrom {
		c.out = append(c.out, v...)
	} else {
		kept := 0
		var err error
		c.out, kept, err = c.builder.Filter(c.out, v, &c.decoder, c.keep)
		if err = errors.Join(err, c.err); err != nil {
			return false, err
		}
		c.removed += int(v.Count()) - kept
		switch {
		case kept == int(v.Count()) && kept > 0:
			c.out = append(c.out[:at], v...) // to the byte
		case kept == 0 && !last:
			c.out = c.out[:at]
			return true, nil
		}
		// The last batch stays, if without records: so a reader always finds its way to the segment's end.
	}
	c.seg.note(Offset(v.BaseOffset()), c.seg.size, c.sh.store.cfg.IndexInterval)
	c.seg.size += int64(len(c.out) - at)
	c.seg.end = Offset(v.LastOffset()) + 1
	c.seg.maxTS = max(c.seg.maxTS, v.MaxTimestamp())
	if len(c.out) >= scanChunk {
		return true, c.write()
	}
	return true, nil
}

// keep tells whether a record survives: it is the latest of its key.
func (c *compaction) keep(r *batch.Record) bool {
	if r.Key == nil || Offset(r.Offset) < c.tableFrom || c.err != nil {
		return true
	}
	latest, ok, err := c.sh.latest(c.space, r.Key)
	if err != nil {
		c.err = err
		return true
	}
	if r.Value != nil {
		return ok && latest <= Offset(r.Offset)
	}
	// With a row the key was written again; without one this or a later tombstone is the latest.
	return !ok && r.Timestamp >= c.tombstonesTo
}

// latest is the offset of the table's row of key.
func (sh *Shard) latest(space Space, key []byte) (Offset, bool, error) {
	sh.mu.RLock()
	for _, l := range [...]*layer{sh.active, sh.frozen} {
		t, hides := l.find(space)
		if t != nil {
			if r, found := t.get(key); found {
				defer sh.mu.RUnlock()
				if r.deleted {
					return 0, false, nil
				}
				return Offset(binary.LittleEndian.Uint64(r.value)), true, nil
			}
		}
		if hides {
			sh.mu.RUnlock()
			return 0, false, nil
		}
	}
	sh.mu.RUnlock()
	k := append(appendSpaceKey(make([]byte, 0, 128), sh.id, space), key...)
	v, closer, err := sh.store.db.Get(k)
	if errors.Is(err, pebble.ErrNotFound) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	if len(v) < tableRowFixed {
		return 0, false, errors.Join(errTableRow, closer.Close())
	}
	return Offset(binary.LittleEndian.Uint64(v)), true, closer.Close()
}

func (c *compaction) write() error {
	if len(c.out) == 0 {
		return nil
	}
	if c.seg.f == nil {
		if err := c.seg.create(c.log.id); err != nil {
			return err
		}
	}
	err := c.seg.write(c.out)
	c.out = c.out[:0]
	return err
}

// finish makes the new segment durable.
func (c *compaction) finish() error {
	if err := c.write(); err != nil {
		return err
	}
	if err := c.seg.f.SyncData(); err != nil {
		return err
	}
	c.seg.synced = c.seg.written
	return syncDir(c.seg.fs, c.sh.dir)
}

// discard removes what was written of the new segment.
func (c *compaction) discard() error {
	if c.seg.f == nil {
		return nil
	}
	return errors.Join(c.seg.release(), c.seg.fs.Remove(c.seg.path))
}

// swap puts the new segment in the place of the group, unless the group was trimmed or dropped meanwhile. The files of
// the group go when a checkpoint that names the new one is durable.
func (c *compaction) swap(group []*segment) error {
	l, sh := c.log, c.sh
	sh.mu.Lock()
	defer sh.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	at := slices.Index(l.segs, group[0])
	if at < 0 || l.dropped || sh.Err() != nil {
		return c.discard()
	}
	for _, s := range group {
		sh.deleteRow([]byte(segmentSpace), segmentKey{l.id, s.base}.bytes())
	}
	sh.doomed = append(sh.doomed, group...)
	c.seg.compacted = true
	l.segs = slices.Replace(l.segs, at, at+len(group), c.seg)
	sh.putSegment(l, c.seg)
	return nil
}
