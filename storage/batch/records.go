package batch

import (
	"encoding/binary"
	"fmt"
)

// Record is one record. Key, Value and Headers are views into the batch, or into its Decoder's buffer if the batch is
// compressed; a nil Key or Value is null, an empty one is not.
type Record struct {
	Offset    int64
	Timestamp int64 // ms since 1970: the producer's, or the append time if the batch says so
	Key       []byte
	Value     []byte
	Headers   Headers
}

// Headers are a record's headers as encoded, count included; the zero value has none.
type Headers []byte

// Header is one header of a record. A nil Value is null.
type Header struct {
	Key   string
	Value []byte
}

// Len returns the number of headers.
func (h Headers) Len() int {
	n, _ := varint(h)
	return int(n)
}

// All calls yield for each header, key and value being views; it is an iterator for range.
func (h Headers) All(yield func(key, value []byte) bool) {
	n, at := varint(h)
	for b := h[max(at, 0):]; n > 0; n-- {
		var k, v []byte
		var ok bool
		if k, b, ok = field(b); !ok {
			return // cannot be: Records.Next checked them
		}
		if v, b, ok = field(b); !ok {
			return
		}
		if !yield(k, v) {
			return
		}
	}
}

// Records iterates over the records of one batch without allocating.
type Records struct {
	b     []byte // what is left
	base  int64  // offset
	ts    int64  // base timestamp, or the one of all if append is set
	left  int32
	seen  int32
	fixed bool // all records have timestamp ts (log append time)
	err   error
}

// Next decodes the next record into r. It returns false at the end and at an error, see Err.
func (it *Records) Next(r *Record) bool {
	if it.left == 0 {
		if len(it.b) != 0 && it.err == nil {
			it.err = fmt.Errorf("%d bytes after the last record: %w", len(it.b), ErrInvalid)
		}
		return false
	}
	n, at := varint(it.b)
	if at <= 0 || n < 0 || n > int64(len(it.b)-at) {
		return it.fail("length")
	}
	b := it.b[at : at+int(n) : at+int(n)]
	rest := it.b[at+int(n):]
	if len(b) < 1 {
		return it.fail("attributes")
	}
	b = b[1:]
	dts, at := varint(b)
	if at <= 0 {
		return it.fail("timestamp delta")
	}
	b = b[at:]
	doff, at := varint(b)
	if at <= 0 {
		return it.fail("offset delta")
	}
	b = b[at:]
	var ok bool
	if r.Key, b, ok = field(b); !ok {
		return it.fail("key")
	}
	if r.Value, b, ok = field(b); !ok {
		return it.fail("value")
	}
	if len(b) == 1 && b[0] == 0 {
		r.Headers = nil
	} else if r.Headers = Headers(b); !r.Headers.ok() {
		return it.fail("headers")
	}
	r.Offset = it.base + doff
	r.Timestamp = it.ts
	if !it.fixed {
		r.Timestamp += dts
	}
	it.b = rest
	it.left--
	it.seen++
	return true
}

// Err returns why Next stopped before the end, nil if it did not.
func (it *Records) Err() error { return it.err }

func (it *Records) fail(what string) bool {
	it.err = fmt.Errorf("record %d: bad %s: %w", it.seen, what, ErrInvalid)
	it.left, it.b = 0, nil
	return false
}

func (h Headers) ok() bool {
	n, at := varint(h)
	if at <= 0 || n < 0 || n > int64(len(h)) {
		return false
	}
	b := h[at:]
	for ; n > 0; n-- {
		k, rest, ok := field(b)
		if !ok || k == nil {
			return false
		}
		if _, b, ok = field(rest); !ok {
			return false
		}
	}
	return len(b) == 0
}

// field splits a length-prefixed byte string off b; length -1 is null.
func field(b []byte) (f, rest []byte, ok bool) {
	var n int64
	var at int
	if len(b) > 0 && b[0] < 0x80 { // most keys and many values
		n, at = int64(b[0]>>1)^-int64(b[0]&1), 1
	} else {
		n, at = varint(b)
	}
	if at <= 0 || n < -1 || n > int64(len(b)-at) {
		return nil, nil, false
	}
	if n == -1 {
		return nil, b[at:], true
	}
	end := at + int(n)
	return b[at:end:end], b[end:], true
}

// varint decodes a zigzag varint; at <= 0 means there is none.
func varint(b []byte) (n int64, at int) {
	if len(b) > 1 && b[0] < 0x80 {
		return int64(b[0]>>1) ^ -int64(b[0]&1), 1
	}
	u, at := binary.Uvarint(b)
	return int64(u>>1) ^ -int64(u&1), at
}
