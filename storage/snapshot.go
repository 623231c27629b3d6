package storage

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"maps"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/weirdb/weir/storage/batch"
)

// A snapshot stream is snapshotMagic, then frames: kind u8 | length u32 | payload, little-endian. The last frame is
// frameEnd with the CRC-32C of all bytes before it.
const snapshotMagic = "WEIRSNAP1\n"

const (
	frameShard   = 1 // applied u64 | term u64; first
	frameSpace   = 2 // the space of the rows that follow
	frameRow     = 3 // key length uvarint | key | value
	frameLog     = 4 // partition | log row; its segments follow
	frameSegment = 5 // base u64 | end u64; its batches follow
	frameBatches = 6 // whole record batches
	frameEnd     = 7 // crc32c u32
)

// maxFrame bounds a frame that is read: a row is the longest thing.
const maxFrame = MaxKey + MaxValue + 16

// snapshot is a consistent view of all that a shard holds.
type snapshot struct {
	sh      *Shard
	applied uint64
	term    uint64
	db      *pebble.Snapshot
	drops   []Space // of both layers
	spaces  map[Space]*spaceView
	logs    []logView
}

type spaceView struct {
	views []tableView
	below bool
}

type logView struct {
	id   PartitionID
	row  []byte
	segs []segmentView
}

type segmentView struct {
	*segment
	end     Offset
	written int64
}

// WriteSnapshot writes all that the shard holds as of one applied index, which it returns, to w: for a follower too far
// behind. Apply goes on meanwhile.
func (sh *Shard) WriteSnapshot(w io.Writer) (applied uint64, err error) {
	s, err := sh.snapshot()
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	out := &frameWriter{w: bufio.NewWriterSize(w, scanChunk/4), sum: crc32.New(castagnoli)}
	out.bytes([]byte(snapshotMagic))
	out.frame(frameShard, binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, s.applied), s.term))
	if err := s.writeState(out); err != nil {
		return 0, err
	}
	for _, l := range s.logs {
		if err := l.write(out); err != nil {
			return 0, err
		}
	}
	out.frame(frameEnd, binary.LittleEndian.AppendUint32(nil, out.sum.Sum32()))
	if out.err == nil {
		out.err = out.w.Flush()
	}
	return s.applied, out.err
}

func (sh *Shard) snapshot() (*snapshot, error) {
	if err := sh.Err(); err != nil {
		return nil, err
	}
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	s := &snapshot{sh: sh, applied: sh.applied.Load(), term: sh.term, spaces: make(map[Space]*spaceView)}
	for _, l := range sh.logs {
		if l.end == 0 {
			continue // only opened, for a reader
		}
		v, err := l.view()
		if err != nil {
			return nil, errors.Join(err, s.close())
		}
		s.logs = append(s.logs, v)
	}
	slices.SortFunc(s.logs, func(a, b logView) int { return comparePartitions(a.id, b.id) })
	for _, l := range [...]*layer{sh.active, sh.frozen} {
		if l == nil {
			continue
		}
		s.drops = append(s.drops, l.drops...)
		for sp := range l.tables {
			if s.spaces[sp] != nil {
				continue
			}
			var sc scanner
			below := sc.addLayers(sh, sp)
			s.spaces[sp] = &spaceView{sc.views, below}
		}
	}
	s.db = sh.store.db.NewSnapshot()
	return s, nil
}

// view flushes the log and retains its segments.
func (l *Log) view() (logView, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.flushLocked(); err != nil {
		return logView{}, l.sh.fail(err)
	}
	v := logView{id: l.id, row: l.encode()}
	for _, s := range l.segs {
		if s.written == segmentHeader {
			continue
		}
		if err := s.open(); err != nil {
			return v, err
		}
		s.retain()
		v.segs = append(v.segs, segmentView{s, s.end, s.written})
	}
	return v, nil
}

func (s *snapshot) close() (err error) {
	for _, l := range s.logs {
		for _, seg := range l.segs {
			err = errors.Join(err, seg.release())
		}
	}
	for _, v := range s.spaces {
		for _, t := range v.views {
			t.release()
		}
	}
	if s.db != nil {
		err = errors.Join(err, s.db.Close())
	}
	return err
}

func (s *snapshot) writeState(out *frameWriter) error {
	// The spaces Pebble has that the layers do not know, unless they were dropped.
	below := layer{drops: s.drops}
	lo := binary.BigEndian.AppendUint32(nil, uint32(s.sh.id))
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: lo, UpperBound: prefixEnd(lo)})
	if err != nil {
		return err
	}
	for ok := it.First(); ok; {
		sp, _, err := cutSpaceKey(it.Key())
		if err != nil {
			return errors.Join(err, it.Close())
		}
		if s.spaces[sp] == nil && !below.dropped(sp) {
			s.spaces[sp] = &spaceView{below: true}
		}
		ok = it.SeekGE(prefixEnd(appendSpaceKey(nil, s.sh.id, sp)))
	}
	if err := it.Close(); err != nil {
		return err
	}
	for _, sp := range slices.Sorted(maps.Keys(s.spaces)) {
		if sp[0] == spaceShard || sp[0] == spaceLog || sp[0] == spaceSegment {
			continue // of this disk, not of the shard
		}
		if err := s.writeSpace(out, sp); err != nil {
			return err
		}
	}
	return nil
}

func (s *snapshot) writeSpace(out *frameWriter, sp Space) (err error) {
	v := s.spaces[sp]
	prefix := appendSpaceKey(nil, s.sh.id, sp)
	sc := scanner{views: v.views, prefix: len(prefix)}
	if v.below {
		if sc.it, err = s.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: prefixEnd(prefix)}); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, sc.it.Close()) }()
	}
	out.frame(frameSpace, []byte(sp))
	var head []byte
	for sc.start(nil, nil); sc.valid() && out.err == nil; sc.next() {
		head = binary.AppendUvarint(head[:0], uint64(len(sc.key)))
		out.frame(frameRow, head, sc.key, sc.value)
	}
	return errors.Join(sc.err, out.err)
}

func (l *logView) write(out *frameWriter) error {
	out.frame(frameLog, logKey(l.id), l.row)
	for _, s := range l.segs {
		out.frame(frameSegment, binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, uint64(s.base)), uint64(s.end)))
		var chunk []byte
		err := walk(s.f, s.path, segmentHeader, s.written, func(v batch.View, _ int64) (bool, error) {
			if len(chunk) > 0 && len(chunk)+len(v) > scanChunk {
				out.frame(frameBatches, chunk)
				chunk = chunk[:0]
			}
			chunk = append(chunk, v...)
			return out.err == nil, out.err
		})
		if err != nil {
			return err
		}
		if len(chunk) > 0 {
			out.frame(frameBatches, chunk)
		}
	}
	return out.err
}

// frameWriter writes frames and sums them; the first error stays.
type frameWriter struct {
	w   *bufio.Writer
	sum hash.Hash32
	err error
}

func (f *frameWriter) bytes(b []byte) {
	if f.err == nil {
		f.sum.Write(b)
		_, f.err = f.w.Write(b)
	}
}

func (f *frameWriter) frame(kind byte, parts ...[]byte) {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	var h [5]byte
	h[0] = kind
	binary.LittleEndian.PutUint32(h[1:], uint32(n))
	f.bytes(h[:])
	for _, p := range parts {
		f.bytes(p)
	}
}

// frameReader reads frames and sums them.
type frameReader struct {
	r   *bufio.Reader
	sum hash.Hash32
	buf []byte
}

// next returns a frame; the payload is valid until the next call.
func (f *frameReader) next() (kind byte, payload []byte, err error) {
	var h [5]byte
	if _, err := io.ReadFull(f.r, h[:]); err != nil {
		return 0, nil, fmt.Errorf("snapshot: %w", err)
	}
	n := binary.LittleEndian.Uint32(h[1:])
	if n > maxFrame {
		return 0, nil, fmt.Errorf("snapshot: frame of %d bytes: %w", n, ErrCorrupt)
	}
	// Grown as the bytes come, so that a false length costs nothing.
	f.buf = f.buf[:0]
	for rest := int(n); rest > 0; {
		m := min(rest, scanChunk)
		at := len(f.buf)
		f.buf = slices.Grow(f.buf, m)[:at+m]
		if _, err := io.ReadFull(f.r, f.buf[at:]); err != nil {
			return 0, nil, fmt.Errorf("snapshot: %w", err)
		}
		rest -= m
	}
	if h[0] == frameEnd {
		if len(f.buf) != 4 || binary.LittleEndian.Uint32(f.buf) != f.sum.Sum32() {
			return 0, nil, fmt.Errorf("snapshot: checksum does not match: %w", ErrCorrupt)
		}
		return frameEnd, nil, nil
	}
	f.sum.Write(h[:])
	f.sum.Write(f.buf)
	return h[0], f.buf, nil
}
