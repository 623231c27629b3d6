// Package batch reads and writes Kafka record batches, format version 2 (magic 2): the unit in which records are
// produced, replicated, stored and fetched. It deals in bytes; it knows neither offsets' owners nor disks nor rows.
//
// The layout is that of Kafka's protocol guide ("Record Batch"): 0 baseOffset i64 | 8 length i32 | 12 leaderEpoch i32 |
// 16 magic i8 | 17 crc u32 | 21 attributes i16 | 23 lastOffsetDelta i32 | 27 baseTimestamp i64 | 35 maxTimestamp i64 |
// 43 producerId i64 | 51 producerEpoch i16 | 53 baseSequence i32 | 57 count i32 | 61 records, big-endian.
package batch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// HeaderLen is the length of a batch's header; the records follow it.
const HeaderLen = 61

// lengthEnd is where the length field ends: a batch is lengthEnd + length bytes long.
const lengthEnd = 12

// crcStart is the first byte the checksum covers, so that the broker can set base offset and leader epoch.
const crcStart = 21

// Errors that Validate, Next and Records wrap; what to answer a Kafka client follows from the kind.
var (
	ErrCorrupt     = errors.New("corrupt record batch")                // CORRUPT_MESSAGE
	ErrInvalid     = errors.New("invalid record batch")                // INVALID_RECORD
	ErrTooLarge    = errors.New("record batch too large")              // MESSAGE_TOO_LARGE
	ErrMagic       = errors.New("unsupported record batch version")    // UNSUPPORTED_FOR_MESSAGE_FORMAT
	ErrCompression = errors.New("unsupported record compression type") // UNSUPPORTED_COMPRESSION_TYPE
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Codec is a compression type as bits 0 to 2 of a batch's attributes name it.
type Codec uint8

// The codecs of batch format 2.
const (
	None Codec = iota
	Gzip
	Snappy
	LZ4
	Zstd
)

func (c Codec) String() string {
	if int(c) < len(codecNames) {
		return codecNames[c]
	}
	return fmt.Sprintf("codec %d", uint8(c))
}

var codecNames = [...]string{"none", "gzip", "snappy", "lz4", "zstd"}

// Attribute bits above the codec.
const (
	attrLogAppendTime = 1 << 3
	attrTransactional = 1 << 4
	attrControl       = 1 << 5
	attrDeleteHorizon = 1 << 6
)

// View is one whole batch. Its accessors do not check: make Views with Next.
type View []byte

// Next splits the first batch off b. It checks lengths and magic, so that every accessor of the View is safe, and
// nothing else.
func Next(b []byte) (v View, rest []byte, err error) {
	if len(b) < HeaderLen {
		return nil, nil, fmt.Errorf("%d bytes left of a %d-byte batch header: %w", len(b), HeaderLen, ErrCorrupt)
	}
	if m := b[16]; m != 2 {
		return nil, nil, fmt.Errorf("magic %d, want 2: %w", m, ErrMagic)
	}
	n := int64(int32(binary.BigEndian.Uint32(b[8:]))) + lengthEnd
	if n < HeaderLen || n > int64(len(b)) {
		return nil, nil, fmt.Errorf("batch of %d bytes in %d bytes: %w", n, len(b), ErrCorrupt)
	}
	return View(b[:n:n]), b[n:], nil
}

// SizeOf returns the length of the batch whose header starts b, which holds at least HeaderLen bytes; not checked.
func SizeOf(b []byte) int64 { return int64(int32(binary.BigEndian.Uint32(b[8:]))) + lengthEnd }

func (v View) BaseOffset() int64      { return int64(binary.BigEndian.Uint64(v)) }
func (v View) LeaderEpoch() int32     { return int32(binary.BigEndian.Uint32(v[12:])) }
func (v View) CRC() uint32            { return binary.BigEndian.Uint32(v[17:]) }
func (v View) Attributes() uint16     { return binary.BigEndian.Uint16(v[21:]) }
func (v View) LastOffsetDelta() int32 { return int32(binary.BigEndian.Uint32(v[23:])) }
func (v View) BaseTimestamp() int64   { return int64(binary.BigEndian.Uint64(v[27:])) }
func (v View) MaxTimestamp() int64    { return int64(binary.BigEndian.Uint64(v[35:])) }
func (v View) ProducerID() int64      { return int64(binary.BigEndian.Uint64(v[43:])) }
func (v View) ProducerEpoch() int16   { return int16(binary.BigEndian.Uint16(v[51:])) }
func (v View) BaseSequence() int32    { return int32(binary.BigEndian.Uint32(v[53:])) }

// Count is the number of records present; compaction makes it less than LastOffsetDelta+1.
func (v View) Count() int32 { return int32(binary.BigEndian.Uint32(v[57:])) }

// LastOffset is the offset of the batch's last record as it was produced.
func (v View) LastOffset() int64 { return v.BaseOffset() + int64(v.LastOffsetDelta()) }

func (v View) Codec() Codec        { return Codec(v.Attributes() & 7) }
func (v View) LogAppendTime() bool { return v.Attributes()&attrLogAppendTime != 0 }
func (v View) Transactional() bool { return v.Attributes()&attrTransactional != 0 }
func (v View) Control() bool       { return v.Attributes()&attrControl != 0 }

// RecordBytes are the records as stored: compressed if Codec says so.
func (v View) RecordBytes() []byte { return v[HeaderLen:] }

// SetBase sets base offset and leader epoch in place; the checksum does not cover them.
func (v View) SetBase(offset int64, leaderEpoch int32) {
	binary.BigEndian.PutUint64(v, uint64(offset))
	binary.BigEndian.PutUint32(v[12:], uint32(leaderEpoch))
}

// SetAppendTime gives all records of the batch one timestamp, ms, as topics with message.timestamp.type LogAppendTime
// want it, and sets the checksum anew.
func (v View) SetAppendTime(ms int64) {
	binary.BigEndian.PutUint16(v[21:], v.Attributes()|attrLogAppendTime)
	binary.BigEndian.PutUint64(v[35:], uint64(ms))
	v.setSum()
}

// SumOK reports whether the checksum is that of the bytes.
func (v View) SumOK() bool { return crc32.Checksum(v[crcStart:], castagnoli) == v.CRC() }

func (v View) setSum() { binary.BigEndian.PutUint32(v[17:], crc32.Checksum(v[crcStart:], castagnoli)) }

// Limits bound what Validate accepts. The zero value has the defaults.
type Limits struct {
	MaxBatch   int  // bytes of one batch as produced; 0 means 1 MiB + HeaderLen (Kafka's message.max.bytes)
	HeaderOnly bool // do not look into the records: they are not decompressed, their structure is not checked
	Control    bool // accept control batches (transaction markers); clients may not send them
}

const defaultMaxBatch = 1<<20 + HeaderLen

// Validate checks the batches in b, as a producer sent them, before they are proposed: lengths, magic, checksum,
// codec, counts, producer fields and the structure of every record. It returns how many batches there are; at least
// one. d is used for its buffers.
func Validate(b []byte, lim Limits, d *Decoder) (batches int, err error) {
	if lim.MaxBatch == 0 {
		lim.MaxBatch = defaultMaxBatch
	}
	if len(b) == 0 {
		return 0, fmt.Errorf("no record batch: %w", ErrInvalid)
	}
	for len(b) > 0 {
		var v View
		if v, b, err = Next(b); err != nil {
			return batches, err
		}
		if err := v.validate(lim, d); err != nil {
			return batches, fmt.Errorf("batch %d: %w", batches, err)
		}
		batches++
	}
	return batches, nil
}

func (v View) validate(lim Limits, d *Decoder) error {
	switch {
	case len(v) > lim.MaxBatch:
		return fmt.Errorf("%d bytes, the limit is %d: %w", len(v), lim.MaxBatch, ErrTooLarge)
	case !v.SumOK():
		return fmt.Errorf("checksum does not match: %w", ErrCorrupt)
	case v.Codec() > Zstd:
		return fmt.Errorf("%v: %w", v.Codec(), ErrCompression)
	case v.Control() && !lim.Control:
		return fmt.Errorf("control batch from a client: %w", ErrInvalid)
	case v.Attributes()&attrDeleteHorizon != 0:
		return fmt.Errorf("delete horizon set by a client: %w", ErrInvalid)
	case v.Count() < 1 || v.Count() != v.LastOffsetDelta()+1:
		return fmt.Errorf("%d records, last offset delta %d: %w", v.Count(), v.LastOffsetDelta(), ErrInvalid)
	case v.ProducerID() >= 0 && (v.ProducerEpoch() < 0 || v.BaseSequence() < 0) && !v.Control():
		return fmt.Errorf("producer %d with epoch %d, sequence %d: %w", v.ProducerID(), v.ProducerEpoch(), v.BaseSequence(), ErrInvalid)
	case v.Transactional() && v.ProducerID() < 0:
		return fmt.Errorf("transactional without a producer id: %w", ErrInvalid)
	case lim.HeaderOnly:
		return nil
	}
	recs, err := d.Records(v)
	if err != nil {
		return err
	}
	var r Record
	for recs.Next(&r) {
		if want := v.BaseOffset() + int64(recs.seen-1); r.Offset != want {
			return fmt.Errorf("record %d has offset delta %d: %w", recs.seen-1, r.Offset-v.BaseOffset(), ErrInvalid)
		}
	}
	return recs.Err()
}
