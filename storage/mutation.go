package storage

import (
	"encoding/binary"
	"fmt"
)

// Mutations is a list of state changes in the order they apply, in the encoding of commands: a task's step writes them
// straight into what it proposes. The zero value is empty. It copies what it is given.
type Mutations struct {
	buf   []byte
	space Space // the last one named
}

// MutationKind tells what a Mutation does.
type MutationKind uint8

// The kinds of mutations.
const (
	Set        MutationKind = iota + 1 // Key gets Value
	Delete                             // Key is removed
	DropSpace                          // all keys of Space are removed
	DropPrefix                         // all keys of all spaces whose names start with Space are removed
	useSpace                           // encoding only: the following Set and Delete are in Space
)

// Mutation is one state change; Key and Value are views.
type Mutation struct {
	Kind  MutationKind
	Space Space
	Key   []byte
	Value []byte
}

// Reset empties m, keeping its buffer.
func (m *Mutations) Reset() { m.buf, m.space = m.buf[:0], "" }

// Len is the encoded length in bytes.
func (m *Mutations) Len() int { return len(m.buf) }

// Set gives key a value.
func (m *Mutations) Set(s Space, key, value []byte) {
	m.use(s)
	m.buf = append(m.buf, byte(Set))
	m.buf = binary.AppendUvarint(m.buf, uint64(len(key)))
	m.buf = binary.AppendUvarint(m.buf, uint64(len(value)))
	m.buf = append(m.buf, key...)
	m.buf = append(m.buf, value...)
}

// Delete removes key.
func (m *Mutations) Delete(s Space, key []byte) {
	m.use(s)
	m.buf = append(m.buf, byte(Delete))
	m.buf = binary.AppendUvarint(m.buf, uint64(len(key)))
	m.buf = append(m.buf, key...)
}

// DropSpace removes all keys of s.
func (m *Mutations) DropSpace(s Space) { m.name(DropSpace, s); m.space = "" }

// DropPrefix removes all spaces whose names start with s, s itself included.
func (m *Mutations) DropPrefix(s Space) { m.name(DropPrefix, s); m.space = "" }

func (m *Mutations) use(s Space) {
	if s != m.space {
		m.name(useSpace, s)
		m.space = s
	}
}

func (m *Mutations) name(k MutationKind, s Space) {
	m.buf = append(m.buf, byte(k), byte(min(len(s), 255)))
	m.buf = append(m.buf, s...)
}

// All yields the mutations until one is malformed, and then an error with it.
func (m *Mutations) All(yield func(Mutation, error) bool) {
	it := mutationReader{b: m.buf}
	for it.next() {
		if it.kind != useSpace && !yield(Mutation{it.kind, Space(it.space), it.key, it.value}, nil) {
			return
		}
	}
	if it.err != nil {
		yield(Mutation{}, it.err)
	}
}

// mutationReader walks encoded mutations without allocating.
type mutationReader struct {
	b          []byte
	kind       MutationKind
	space      []byte
	key, value []byte
	err        error
}

func (r *mutationReader) next() bool {
	if len(r.b) == 0 {
		return false
	}
	r.kind = MutationKind(r.b[0])
	b := r.b[1:]
	switch r.kind {
	case Set:
		if r.space == nil {
			return r.fail("set outside a space")
		}
		k, n := uvarint(b)
		v, m := uvarint(b[max(n, 0):])
		if n <= 0 || m <= 0 || k > MaxKey || v > MaxValue || k+v > uint64(len(b)-n-m) {
			return r.fail("set of a %d-byte key, %d-byte value in %d bytes", k, v, len(b))
		}
		b = b[n+m:]
		r.key, r.value, r.b = b[:k:k], b[k:k+v:k+v], b[k+v:]
	case Delete:
		if r.space == nil {
			return r.fail("delete outside a space")
		}
		k, n := uvarint(b)
		if n <= 0 || k > MaxKey || k > uint64(len(b)-n) {
			return r.fail("delete of a %d-byte key in %d bytes", k, len(b))
		}
		b = b[n:]
		r.key, r.value, r.b = b[:k:k], nil, b[k:]
	case useSpace, DropSpace, DropPrefix:
		if len(b) == 0 || b[0] == 0 || b[0] > MaxSpace || int(b[0]) > len(b)-1 {
			return r.fail("bad space name")
		}
		n := 1 + int(b[0])
		if r.space = b[1:n]; r.space[0] != spaceNamed && r.space[0] != spaceTask {
			return r.fail("space %q is not for mutations", r.space)
		}
		r.key, r.value, r.b = nil, nil, b[n:]
	default:
		return r.fail("mutation of kind %d", r.kind)
	}
	return true
}

func (r *mutationReader) fail(format string, args ...any) bool {
	r.err = fmt.Errorf(format+": %w", append(args, ErrCommand)...)
	r.b = nil
	return false
}

func uvarint(b []byte) (uint64, int) {
	if len(b) > 0 && b[0] < 0x80 {
		return uint64(b[0]), 1
	}
	return binary.Uvarint(b)
}
