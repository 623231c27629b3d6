package kafka

import (
	"encoding/binary"
	"errors"
)

// errShort is a request that ends before its last field, or announces more than there is.
var errShort = errors.New("request is cut short")

// fields reads the fields of a request one after another. After the first that is not there, all are zero and err
// tells. It serves the requests whose arrays and bytes are not worth a value each; the rest is kmsg's.
type fields struct {
	b        []byte
	flexible bool // compact lengths, and tags
	err      error
}

// bytes returns the next n bytes, a view.
func (f *fields) bytes(n int) []byte {
	if n < 0 || n > len(f.b) {
		f.err, f.b = errShort, nil
		return nil
	}
	v := f.b[:n:n]
	f.b = f.b[n:]
	return v
}

func (f *fields) int16() int16 {
	if v := f.bytes(2); v != nil {
		return int16(binary.BigEndian.Uint16(v))
	}
	return 0
}

func (f *fields) int32() int32 {
	if v := f.bytes(4); v != nil {
		return int32(binary.BigEndian.Uint32(v))
	}
	return 0
}

func (f *fields) uvarint() int {
	v, n := binary.Uvarint(f.b)
	if n <= 0 || v > 1<<31 {
		f.err, f.b = errShort, nil
		return 0
	}
	f.b = f.b[n:]
	return int(v)
}

// length reads the length of an array or of bytes; -1 is null.
func (f *fields) length() int {
	if f.flexible {
		return f.uvarint() - 1
	}
	return int(f.int32())
}

// count is length for an array whose elements have at least size bytes each.
func (f *fields) count(size int) int {
	n := f.length()
	if n > len(f.b)/size {
		f.err, f.b = errShort, nil
		return 0
	}
	return max(n, 0)
}

// text reads a string, nil if it is null.
func (f *fields) text() []byte {
	if f.flexible {
		if n := f.uvarint() - 1; n >= 0 {
			return f.bytes(n)
		}
		return nil
	}
	return f.shortText()
}

// shortText reads a string whose length is an int16 in every version.
func (f *fields) shortText() []byte {
	if n := f.int16(); n >= 0 {
		return f.bytes(int(n))
	}
	return nil
}

// tags skips the tagged fields, which a request without flexible versions has none of.
func (f *fields) tags() {
	if !f.flexible {
		return
	}
	for n := f.uvarint(); n > 0 && f.err == nil; n-- {
		f.uvarint() // tag
		f.bytes(f.uvarint())
	}
}

func appendInt16(b []byte, v int16) []byte { return binary.BigEndian.AppendUint16(b, uint16(v)) }
func appendInt32(b []byte, v int32) []byte { return binary.BigEndian.AppendUint32(b, uint32(v)) }
func appendInt64(b []byte, v int64) []byte { return binary.BigEndian.AppendUint64(b, uint64(v)) }

// appendLength appends the length of an array or of bytes.
func appendLength(b []byte, flexible bool, n int) []byte {
	if flexible {
		return binary.AppendUvarint(b, uint64(n+1))
	}
	return appendInt32(b, int32(n))
}

func appendText(b []byte, flexible bool, s string) []byte {
	if flexible {
		b = binary.AppendUvarint(b, uint64(len(s)+1))
	} else {
		b = appendInt16(b, int16(len(s)))
	}
	return append(b, s...)
}

// appendTags appends that there are no tagged fields.
func appendTags(b []byte, flexible bool) []byte {
	if flexible {
		return append(b, 0)
	}
	return b
}
