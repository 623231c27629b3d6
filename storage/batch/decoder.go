package batch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// maxDecompressed bounds the records of one batch once decompressed. A producer's batch is at most about a megabyte;
// sixty-four times that is more than honest data compresses to, and little enough not to hurt.
const maxDecompressed = 64 << 20

// keepBuffer is the largest buffer a Decoder keeps for the next batch.
const keepBuffer = 4 << 20

// Decoder decompresses batches and keeps its buffers between them. The zero value is ready; it belongs to one
// goroutine at a time.
type Decoder struct {
	buf  []byte
	src  bytes.Reader
	gzip *gzip.Reader
	lz4  *lz4.Reader
	zstd *zstd.Decoder
}

// Records returns an iterator over v's records. For a compressed batch what it yields points into d's buffer and is
// valid until the next call of Records; call Detach to keep it.
func (d *Decoder) Records(v View) (Records, error) {
	b := v.RecordBytes()
	if c := v.Codec(); c != None {
		var err error
		if b, err = d.decompress(c, b); err != nil {
			return Records{}, err
		}
	}
	if v.Count() < 0 || int64(v.Count()) > int64(len(b)) {
		return Records{}, fmt.Errorf("%d records in %d bytes: %w", v.Count(), len(b), ErrInvalid)
	}
	it := Records{b: b, base: v.BaseOffset(), ts: v.BaseTimestamp(), left: v.Count()}
	if v.LogAppendTime() {
		it.ts, it.fixed = v.MaxTimestamp(), true
	}
	return it, nil
}

// Detach gives the buffer behind the last batch's records to the caller: the next call of Records leaves them alone.
func (d *Decoder) Detach() { d.buf = nil }

func (d *Decoder) decompress(c Codec, b []byte) (out []byte, err error) {
	if cap(d.buf) > keepBuffer {
		d.buf = nil
	}
	switch c {
	case Gzip:
		out, err = d.ungzip(b)
	case Snappy:
		out, err = unsnappy(d.buf[:0], b)
	case LZ4:
		if d.lz4 == nil {
			d.lz4 = lz4.NewReader(nil)
		}
		d.src.Reset(b)
		d.lz4.Reset(&d.src)
		out, err = readAll(d.buf[:0], d.lz4)
	case Zstd:
		if d.zstd == nil {
			d.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxDecompressed), zstd.WithDecoderLowmem(true))
			if err != nil {
				return nil, err
			}
		}
		if out, err = d.zstd.DecodeAll(b, d.buf[:0]); errors.Is(err, zstd.ErrDecoderSizeExceeded) {
			err = ErrTooLarge
		}
	default:
		return nil, fmt.Errorf("%v: %w", c, ErrCompression)
	}
	if errors.Is(err, ErrTooLarge) {
		return nil, fmt.Errorf("%v records are more than %d bytes: %w", c, maxDecompressed, ErrTooLarge)
	}
	if err != nil {
		return nil, fmt.Errorf("%v: %v: %w", c, err, ErrCorrupt)
	}
	d.buf = out
	return out, nil
}

func (d *Decoder) ungzip(b []byte) ([]byte, error) {
	d.src.Reset(b)
	if d.gzip == nil {
		r, err := gzip.NewReader(&d.src)
		if err != nil {
			return nil, err
		}
		d.gzip = r
	} else if err := d.gzip.Reset(&d.src); err != nil {
		return nil, err
	}
	return readAll(d.buf[:0], d.gzip)
}

// readAll appends all that r has to dst, up to maxDecompressed.
func readAll(dst []byte, r io.Reader) ([]byte, error) {
	for {
		if len(dst) == cap(dst) {
			dst = slices.Grow(dst, max(len(dst), 16<<10))
		}
		n, err := r.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		if len(dst) > maxDecompressed {
			return nil, ErrTooLarge
		}
		if err == io.EOF {
			return dst, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// xerialMagic starts the framing of Java's snappy: magic, two i32 versions, then blocks of (i32 length, raw snappy).
const xerialMagic = "\x82SNAPPY\x00"

func unsnappy(dst, b []byte) ([]byte, error) {
	if len(b) < 16 || string(b[:8]) != xerialMagic {
		return appendSnappy(dst, b)
	}
	var err error
	for b = b[16:]; len(b) > 0; {
		if len(b) < 4 {
			return nil, io.ErrUnexpectedEOF
		}
		n := binary.BigEndian.Uint32(b)
		if b = b[4:]; uint64(n) > uint64(len(b)) {
			return nil, io.ErrUnexpectedEOF
		}
		if dst, err = appendSnappy(dst, b[:n]); err != nil {
			return nil, err
		}
		b = b[n:]
	}
	return dst, nil
}

func appendSnappy(dst, b []byte) ([]byte, error) {
	n, err := s2.DecodedLen(b)
	if err != nil {
		return nil, err
	}
	if n > maxDecompressed-len(dst) {
		return nil, ErrTooLarge
	}
	at := len(dst)
	dst = slices.Grow(dst, n)[:at+n]
	out, err := s2.Decode(dst[at:at+n:at+n], b)
	if err != nil {
		return nil, err
	}
	if len(out) != n {
		return nil, io.ErrUnexpectedEOF
	}
	return dst, nil
}
