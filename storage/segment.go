package storage

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/weirdb/weir/storage/batch"
)

// segment is one file of a log: a header and record batches back to back, as docs/formats/segment.md draws it. Which
// files there are, and how long each is, says the checkpoint; a file may be longer after a crash, and what is beyond
// is overwritten. The log's lock guards the fields, except where noted.
type segment struct {
	base     Offset // the first offset that may be in it; fixed
	end      Offset // one past its last
	file     uint64 // part of the file's name, so that a rewritten segment has a new one; fixed
	size     int64  // bytes, the log's unwritten tail included if it is the last
	written  int64  // bytes in the file
	synced   int64  // bytes in the file that an fsync covers
	recorded int64  // size in the row a checkpoint wrote, or is writing
	maxTS    int64  // largest timestamp, ms; of an empty segment the smallest int64

	compacted bool // since the last restart

	// index has one entry per IndexInterval bytes from position indexed on; the rest is read from the file when asked.
	index   []indexEntry
	indexed int64

	path   string
	fs     vfs.FS
	f      vfs.File // nil until written or read; opened under the log's lock
	append bool     // f was created by us and stands at written: Write, not WriteAt
	refs   atomic.Int32
}

// indexEntry says that the batch at pos starts with offset, and what timestamps came before it in the segment.
type indexEntry struct {
	offset Offset
	pos    int64
	maxTS  int64 // of the batches before pos
}

// Segment header: magic | topic u64 | partition u32 | base offset u64 | crc32c u32 of what is before.
const (
	segmentMagic  = "WEIRSEG1"
	segmentHeader = 32
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func segmentHeaderBytes(p PartitionID, base Offset) []byte {
	b := append(make([]byte, 0, segmentHeader), segmentMagic...)
	b = binary.LittleEndian.AppendUint64(b, uint64(p.Topic))
	b = binary.LittleEndian.AppendUint32(b, uint32(p.Partition))
	b = binary.LittleEndian.AppendUint64(b, uint64(base))
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func segmentName(p PartitionID, base Offset, file uint64) string {
	return fmt.Sprintf("%016x-%d-%020d-%d.seg", uint64(p.Topic), p.Partition, base, file)
}

// open makes f usable for reading, and for writing at any position.
func (s *segment) open() error {
	if s.f != nil {
		return nil
	}
	f, err := s.fs.OpenReadWrite(s.path, "weir-segment")
	if err != nil {
		return err
	}
	s.f = f
	return nil
}

// create makes the file and writes its header.
func (s *segment) create(p PartitionID) error {
	f, err := s.fs.Create(s.path, "weir-segment")
	if err != nil {
		return err
	}
	h := segmentHeaderBytes(p, s.base)
	if _, err := f.Write(h); err != nil {
		return fmt.Errorf("%s: %w", s.path, closeWith(err, f))
	}
	s.f, s.append = f, true
	return nil
}

// write puts b, which it may spoil, after what is written.
func (s *segment) write(b []byte) error {
	if err := s.open(); err != nil {
		return err
	}
	var n int
	var err error
	if s.append {
		n, err = s.f.Write(b)
	} else {
		n, err = s.f.WriteAt(b, s.written)
	}
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	if err != nil {
		s.append = false // f stands who knows where
		return fmt.Errorf("%s at %d: %w", s.path, s.written, err)
	}
	s.written += int64(n)
	return nil
}

// retain keeps the file open for a reader until release.
func (s *segment) retain() { s.refs.Add(1) }

// release undoes retain, or the reference the log has; the last one closes the file.
func (s *segment) release() error {
	if s.refs.Add(-1) == 0 && s.f != nil {
		return s.f.Close()
	}
	return nil
}

// note extends the index by a batch at pos, which the segment's maxTS does not count yet.
func (s *segment) note(offset Offset, pos int64, interval int64) {
	if n := len(s.index); n == 0 || pos-s.index[n-1].pos >= interval {
		s.index = append(s.index, indexEntry{offset, pos, s.maxTS})
	}
}

// find returns the last index entry at or below offset.
func (s *segment) find(offset Offset) indexEntry {
	i, ok := slices.BinarySearchFunc(s.index, offset, func(e indexEntry, o Offset) int {
		switch {
		case e.offset < o:
			return -1
		case e.offset > o:
			return 1
		}
		return 0
	})
	if !ok {
		i--
	}
	if i < 0 {
		return indexEntry{s.base, segmentHeader, minTimestamp}
	}
	return s.index[i]
}

// scanChunk is how much of a file is read at a time when all of it is walked.
const scanChunk = 1 << 20

// walk calls fn for each batch in f from byte lo to hi, which are batch boundaries; the view is valid during the call.
func walk(f io.ReaderAt, path string, lo, hi int64, fn func(v batch.View, pos int64) (more bool, err error)) error {
	size := min(scanChunk, hi-lo)
	var buf []byte
	for pos := lo; pos < hi; {
		size = min(size, hi-pos)
		buf = slices.Grow(buf[:0], int(size))[:size]
		if n, err := f.ReadAt(buf, pos); n < len(buf) {
			return fmt.Errorf("%s at %d: %d of %d bytes: %w", path, pos, n, len(buf), noEOF(err))
		}
		rest := buf
		for len(rest) >= batch.HeaderLen && batch.SizeOf(rest) <= int64(len(rest)) {
			v, after, err := batch.Next(rest)
			if err != nil {
				return fmt.Errorf("%s at %d: %w: %w", path, pos, ErrCorrupt, err)
			}
			if more, err := fn(v, pos); err != nil || !more {
				return err
			}
			pos += int64(len(v))
			rest = after
		}
		size = scanChunk
		if len(rest) < len(buf) {
			continue
		}
		// Not one whole batch: a long one, or the end of the bytes.
		if len(rest) < batch.HeaderLen || pos+batch.SizeOf(rest) > hi {
			return fmt.Errorf("%s at %d: a batch ends after %d: %w", path, pos, hi, ErrCorrupt)
		}
		size = batch.SizeOf(rest)
	}
	return nil
}

// noEOF is err, or that there should have been more.
func noEOF(err error) error {
	if err == nil || err == io.EOF {
		return ErrCorrupt
	}
	return err
}

func closeWith(err error, c io.Closer) error {
	if cerr := c.Close(); err == nil {
		return cerr
	}
	return err
}
