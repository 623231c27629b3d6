package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"

	"github.com/weirdb/weir/storage/batch"
)

// load brings back the shards as their last durable checkpoints left them.
func (s *Store) load() error {
	it, err := s.db.NewIter(nil)
	if err != nil {
		return err
	}
	var ids []ShardID
	for ok := it.First(); ok; {
		if len(it.Key()) < 4 {
			return errors.Join(fmt.Errorf("state key %x: %w", it.Key(), ErrCorrupt), it.Close())
		}
		id := ShardID(binary.BigEndian.Uint32(it.Key()))
		ids = append(ids, id)
		if id == 1<<32-1 {
			break
		}
		ok = it.SeekGE(binary.BigEndian.AppendUint32(nil, uint32(id)+1))
	}
	if err := it.Close(); err != nil {
		return err
	}
	for _, id := range ids {
		sh := s.newShard(id)
		if err := sh.load(); err != nil {
			return fmt.Errorf("shard %d: %w", id, err)
		}
		s.shards[id] = sh
	}
	return s.removeOrphans()
}

func (sh *Shard) load() error {
	row, ok, err := sh.getLocked(shardSpace, appliedKey)
	if err != nil {
		return err
	}
	if ok && string(row) == string(restoringRow) {
		// The process died in ReadSnapshot: what is there is no state at all.
		return sh.store.wipeShard(sh.id, nil)
	}
	if !ok || len(row) != 24 {
		return fmt.Errorf("applied index of %d bytes: %w", len(row), ErrCorrupt)
	}
	le := binary.LittleEndian
	sh.applied.Store(le.Uint64(row))
	sh.durable.Store(le.Uint64(row))
	sh.term, sh.nextFile = le.Uint64(row[8:]), le.Uint64(row[16:])
	sh.durableTerm = sh.term
	if err := sh.loadRows(logSpace, sh.loadLog); err != nil {
		return err
	}
	if err := sh.loadRows(segmentSpace, sh.loadSegment); err != nil {
		return err
	}
	for _, l := range sh.logs {
		if err := l.verify(); err != nil {
			return fmt.Errorf("partition %v: %w", l.id, err)
		}
		if err := sh.loadRows(producerSpace(l.id), l.loadProducer); err != nil {
			return fmt.Errorf("partition %v: %w", l.id, err)
		}
	}
	return nil
}

func (sh *Shard) loadRows(space Space, fn func(k, v []byte) error) (err error) {
	serr := sh.Scan(space, nil, nil, func(k, v []byte) bool {
		err = fn(k, v)
		return err == nil
	})
	return errors.Join(err, serr)
}

func partitionOf(k []byte) PartitionID {
	return PartitionID{TopicID(binary.BigEndian.Uint64(k)), int32(binary.BigEndian.Uint32(k[8:]))}
}

func (sh *Shard) loadLog(k, v []byte) error {
	if len(k) != 12 {
		return fmt.Errorf("log row with a key of %d bytes: %w", len(k), ErrCorrupt)
	}
	return sh.openLog(partitionOf(k)).decode(v)
}

func (sh *Shard) loadSegment(k, v []byte) error {
	if len(k) != 20 || len(v) != segmentRowLen {
		return fmt.Errorf("segment row of %d and %d bytes: %w", len(k), len(v), ErrCorrupt)
	}
	l := sh.logs[partitionOf(k)]
	if l == nil {
		return fmt.Errorf("segment of partition %v, which has no row: %w", partitionOf(k), ErrCorrupt)
	}
	le := binary.LittleEndian
	size := int64(le.Uint64(v[8:]))
	if size <= segmentHeader {
		return fmt.Errorf("partition %v: segment of %d bytes: %w", l.id, size, ErrCorrupt)
	}
	s := &segment{
		base: Offset(binary.BigEndian.Uint64(k[12:])), file: le.Uint64(v), size: size, written: size, synced: size, recorded: size,
		indexed: int64(le.Uint64(v[40:])), end: Offset(le.Uint64(v[16:])), maxTS: int64(le.Uint64(v[24:])), fs: sh.store.cfg.FS,
	}
	// The last entry of the index is enough to append, and to read what comes after it.
	s.index = []indexEntry{{Offset(le.Uint64(v[32:])), s.indexed, int64(le.Uint64(v[48:]))}}
	s.path = s.fs.PathJoin(sh.dir, segmentName(l.id, s.base, s.file))
	s.refs.Store(1)
	l.segs = append(l.segs, s)
	return nil
}

func (l *Log) loadProducer(k, v []byte) error {
	if len(k) != 8 {
		return fmt.Errorf("producer row with a key of %d bytes: %w", len(k), ErrCorrupt)
	}
	p, err := decodeProducer(v)
	if err != nil {
		return err
	}
	l.producers[int64(binary.BigEndian.Uint64(k))] = p
	return nil
}

// verify checks that the log's files are there and as long as the checkpoint says, and that its last batches, which
// a crash would have hit, are whole and end where the log does.
func (l *Log) verify() error {
	for i, s := range l.segs {
		st, err := s.fs.Stat(s.path)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
		if st.Size() < s.size {
			return fmt.Errorf("%s has %d bytes, want %d: %w", s.path, st.Size(), s.size, ErrCorrupt)
		}
		if i < len(l.segs)-1 {
			continue
		}
		if err := s.open(); err != nil {
			return err
		}
		if err := checkSegmentHeader(s, l.id); err != nil {
			return err
		}
		from := s.index[0]
		last := from.offset
		err = walk(s.f, s.path, from.pos, s.size, func(v batch.View, pos int64) (bool, error) {
			if !v.SumOK() || Offset(v.BaseOffset()) < last {
				return false, fmt.Errorf("%s at %d: batch with offset %d does not check: %w", s.path, pos, v.BaseOffset(), ErrCorrupt)
			}
			last = Offset(v.LastOffset()) + 1
			return true, nil
		})
		if err != nil {
			return err
		}
		if last != s.end {
			return fmt.Errorf("%s ends with offset %d, want %d: %w", s.path, last, s.end, ErrCorrupt)
		}
	}
	return nil
}

// removeOrphans deletes segment files no checkpoint names: made after the last one, or rewritten.
func (s *Store) removeOrphans() error {
	fs := s.cfg.FS
	logs := fs.PathJoin(s.cfg.Dir, "logs")
	if err := makeDir(fs, logs); err != nil {
		return err
	}
	dirs, err := fs.List(logs)
	if err != nil {
		return err
	}
	for _, d := range dirs {
		known := make(map[string]bool)
		if id, err := strconv.ParseUint(d, 10, 32); err == nil && s.shards[ShardID(id)] != nil {
			for _, l := range s.shards[ShardID(id)].logs {
				for _, seg := range l.segs {
					known[fs.PathBase(seg.path)] = true
				}
			}
		}
		dir := fs.PathJoin(logs, d)
		names, err := fs.List(dir)
		if err != nil {
			return err
		}
		for _, n := range names {
			if known[n] {
				continue
			}
			if err := fs.Remove(fs.PathJoin(dir, n)); err != nil {
				return err
			}
		}
	}
	return nil
}
