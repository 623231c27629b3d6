package batch

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// Builder encodes records into one batch at a time and keeps its buffers between batches. The zero value builds
// uncompressed batches without a producer. It belongs to one goroutine at a time.
type Builder struct {
	Codec         Codec
	Transactional bool
	Control       bool
	// Producer makes the batch part of an idempotent producer's sequence; nil leaves the fields at -1.
	Producer *Producer

	buf    []byte // header and records
	out    []byte // compressed batch
	count  int32
	base   int64 // timestamps
	maxTS  int64
	gzip   *gzip.Writer
	lz4    *lz4.Writer
	zstd   *zstd.Encoder
	packed []byte       // records of snappy and zstd
	writer bytes.Buffer // and of the others
}

// Producer names the sequence a batch belongs to.
type Producer struct {
	ID       int64
	Epoch    int16
	Sequence int32 // of the first record
}

// Reset forgets the records, keeping the buffers.
func (b *Builder) Reset() { b.buf, b.count = b.buf[:0], 0 }

// Count is the number of records so far.
func (b *Builder) Count() int { return int(b.count) }

// Len is the number of bytes of the batch so far, uncompressed.
func (b *Builder) Len() int { return len(b.buf) }

// Append adds a record. A nil key or value is null. timestamp is in ms since 1970.
func (b *Builder) Append(timestamp int64, key, value []byte, headers ...Header) {
	dts := b.start(timestamp)
	n := 1 + varintLen(dts) + varintLen(int64(b.count)) + fieldLen(key) + fieldLen(value) + varintLen(int64(len(headers)))
	for _, h := range headers {
		n += varintLen(int64(len(h.Key))) + len(h.Key) + fieldLen(h.Value)
	}
	p := b.prefix(n, dts)
	p = appendField(p, key)
	p = appendField(p, value)
	p = binary.AppendVarint(p, int64(len(headers)))
	for _, h := range headers {
		p = binary.AppendVarint(p, int64(len(h.Key)))
		p = append(p, h.Key...)
		p = appendField(p, h.Value)
	}
	b.buf = p
	b.count++
}

// AppendRecord adds r with its key, value, headers and timestamp; its offset is not used.
func (b *Builder) AppendRecord(r *Record) {
	h := r.Headers
	if len(h) == 0 {
		h = noHeaders
	}
	dts := b.start(r.Timestamp)
	n := 1 + varintLen(dts) + varintLen(int64(b.count)) + fieldLen(r.Key) + fieldLen(r.Value) + len(h)
	p := b.prefix(n, dts)
	p = appendField(p, r.Key)
	p = appendField(p, r.Value)
	b.buf = append(p, h...)
	b.count++
}

var noHeaders = Headers{0}

func (b *Builder) start(timestamp int64) (delta int64) {
	if b.count == 0 {
		b.buf = append(b.buf[:0], make([]byte, HeaderLen)...)
		b.base, b.maxTS = timestamp, timestamp
	}
	b.maxTS = max(b.maxTS, timestamp)
	return timestamp - b.base
}

// prefix appends a record's length and what comes before its key.
func (b *Builder) prefix(n int, dts int64) []byte {
	p := binary.AppendVarint(b.buf, int64(n))
	p = append(p, 0)
	p = binary.AppendVarint(p, dts)
	return binary.AppendVarint(p, int64(b.count))
}

// Finish completes the batch: base offset 0, leader epoch -1, checksum. The bytes are valid until the next Append,
// Reset or Finish. With no records it returns nil.
func (b *Builder) Finish() (View, error) {
	if b.count == 0 {
		return nil, nil
	}
	v := View(b.buf)
	if b.Codec != None {
		records, err := b.compress(v.RecordBytes())
		if err != nil {
			return nil, err
		}
		b.out = append(append(b.out[:0], make([]byte, HeaderLen)...), records...)
		v = View(b.out)
	}
	v.writeHeader(headerFields{
		attributes: b.attributes(), last: b.count - 1, count: b.count, base: b.base, maxTS: b.maxTS, producer: b.Producer,
	})
	return v, nil
}

func (b *Builder) attributes() uint16 {
	a := uint16(b.Codec)
	if b.Transactional {
		a |= attrTransactional
	}
	if b.Control {
		a |= attrControl
	}
	return a
}

type headerFields struct {
	attributes  uint16
	last, count int32
	base, maxTS int64
	producer    *Producer
}

func (v View) writeHeader(h headerFields) {
	p := Producer{-1, -1, -1}
	if h.producer != nil {
		p = *h.producer
	}
	be := binary.BigEndian
	be.PutUint64(v, 0)
	be.PutUint32(v[8:], uint32(len(v)-lengthEnd))
	be.PutUint32(v[12:], math.MaxUint32)
	v[16] = 2
	be.PutUint16(v[21:], h.attributes)
	be.PutUint32(v[23:], uint32(h.last))
	be.PutUint64(v[27:], uint64(h.base))
	be.PutUint64(v[35:], uint64(h.maxTS))
	be.PutUint64(v[43:], uint64(p.ID))
	be.PutUint16(v[51:], uint16(p.Epoch))
	be.PutUint32(v[53:], uint32(p.Sequence))
	be.PutUint32(v[57:], uint32(h.count))
	v.setSum()
}

func (b *Builder) compress(p []byte) ([]byte, error) {
	switch b.Codec {
	case Snappy: // raw, as librdkafka and franz-go write it; every client reads it
		b.packed = s2.EncodeSnappy(b.packed[:cap(b.packed)], p)
		return b.packed, nil
	case Zstd:
		if b.zstd == nil {
			e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(1<<20))
			if err != nil {
				return nil, err
			}
			b.zstd = e
		}
		b.packed = b.zstd.EncodeAll(p, b.packed[:0])
		return b.packed, nil
	case Gzip:
		b.writer.Reset()
		if b.gzip == nil {
			b.gzip = gzip.NewWriter(&b.writer)
		}
		b.gzip.Reset(&b.writer)
		if _, err := b.gzip.Write(p); err != nil {
			return nil, err
		}
		if err := b.gzip.Close(); err != nil {
			return nil, err
		}
		return b.writer.Bytes(), nil
	case LZ4:
		b.writer.Reset()
		if b.lz4 == nil {
			b.lz4 = lz4.NewWriter(&b.writer)
		}
		b.lz4.Reset(&b.writer)
		if _, err := b.lz4.Write(p); err != nil {
			return nil, err
		}
		if err := b.lz4.Close(); err != nil {
			return nil, err
		}
		return b.writer.Bytes(), nil
	}
	return nil, ErrCompression
}

// Filter writes to dst the batch v without the records keep refuses. Base offset, last offset delta, leader epoch,
// timestamps and producer stay as they are, so that offsets and dedupe survive; a batch may end up without records.
// It returns dst extended and how many records it kept. It is what compaction does to a batch.
func (b *Builder) Filter(dst []byte, v View, d *Decoder, keep func(*Record) bool) ([]byte, int, error) {
	recs, err := d.Records(v)
	if err != nil {
		return dst, 0, err
	}
	base, stamp := v.BaseOffset(), v.BaseTimestamp()
	b.Reset()
	p := slices.Grow(b.buf[:0], HeaderLen)[:HeaderLen]
	var r Record
	kept := int32(0)
	for recs.Next(&r) {
		if !keep(&r) {
			continue
		}
		h := r.Headers
		if len(h) == 0 {
			h = noHeaders
		}
		dts, doff := r.Timestamp-stamp, r.Offset-base
		if recs.fixed {
			dts = 0
		}
		n := 1 + varintLen(dts) + varintLen(doff) + fieldLen(r.Key) + fieldLen(r.Value) + len(h)
		p = binary.AppendVarint(p, int64(n))
		p = append(p, 0)
		p = binary.AppendVarint(p, dts)
		p = binary.AppendVarint(p, doff)
		p = appendField(p, r.Key)
		p = appendField(p, r.Value)
		p = append(p, h...)
		kept++
	}
	if err := recs.Err(); err != nil {
		return dst, 0, err
	}
	b.buf = p
	records := p[HeaderLen:]
	codec := b.Codec
	defer func() { b.Codec = codec }()
	if b.Codec = v.Codec(); kept == 0 {
		b.Codec = None
	}
	if b.Codec != None {
		if records, err = b.compress(records); err != nil {
			return dst, 0, err
		}
	}
	at := len(dst)
	dst = append(append(dst, v[:HeaderLen]...), records...)
	out := View(dst[at:])
	be := binary.BigEndian
	be.PutUint32(out[8:], uint32(len(out)-lengthEnd))
	be.PutUint16(out[21:], v.Attributes()&^7|uint16(b.Codec))
	be.PutUint32(out[57:], uint32(kept))
	out.setSum()
	return dst, int(kept), nil
}

func appendField(p, f []byte) []byte {
	if f == nil {
		return append(p, 1) // -1
	}
	p = binary.AppendVarint(p, int64(len(f)))
	return append(p, f...)
}

func fieldLen(f []byte) int {
	if f == nil {
		return 1
	}
	return varintLen(int64(len(f))) + len(f)
}

func varintLen(n int64) int {
	u := uint64(n)<<1 ^ uint64(n>>63)
	l := 1
	for u >= 0x80 {
		u >>= 7
		l++
	}
	return l
}
