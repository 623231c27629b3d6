package replication

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/hashicorp/raft"
)

// The journal's format is described in docs/formats/journal.md.

// Kinds of keys, the byte after the group. Within a group they sort as written.
const (
	kindStable  byte = 0 // name -> value: term and vote
	kindPointer byte = 1 // -> pointer
	kindConf    byte = 2 // index -> configuration, so that opening need not read every entry
	kindEntry   byte = 3 // index -> entry
)

// noSync marks an entry proposed with NoSync, in raft.Log.Extensions.
const noSync byte = 1

// noSyncExtensions is shared by all such entries; nobody writes to it.
var noSyncExtensions = []byte{noSync}

var errCorrupt = errors.New("corrupt")

func groupPrefix(group uint32, kind byte) []byte {
	return append(binary.BigEndian.AppendUint32(make([]byte, 0, 13), group), kind)
}

func indexKey(group uint32, kind byte, index uint64) []byte {
	return binary.BigEndian.AppendUint64(groupPrefix(group, kind), index)
}

func putIndexKey(b []byte, group uint32, kind byte, index uint64) {
	binary.BigEndian.PutUint32(b, group)
	b[4] = kind
	binary.BigEndian.PutUint64(b[5:], index)
}

const indexKeyLen = 4 + 1 + 8

func keyIndex(key []byte) (uint64, error) {
	if len(key) != indexKeyLen {
		return 0, fmt.Errorf("journal key of %d bytes, want %d: %w", len(key), indexKeyLen, errCorrupt)
	}
	return binary.BigEndian.Uint64(key[5:]), nil
}

// An entry is a head byte (type in the low four bits, noSync in the fifth), the
// term as a uvarint, and the data. The index is in the key; the time a leader
// first saw the entry only serves a metric and is not kept.
const entryNoSync byte = 1 << 4

func entrySize(l *raft.Log) int {
	return 1 + uvarintLen(l.Term) + len(l.Data)
}

func uvarintLen(v uint64) int {
	n := 1
	for v >= 0x80 {
		v >>= 7
		n++
	}
	return n
}

// putEntry encodes l into b, which has entrySize(l) bytes.
func putEntry(b []byte, l *raft.Log) {
	b[0] = byte(l.Type)
	if isNoSync(l) {
		b[0] |= entryNoSync
	}
	n := 1 + binary.PutUvarint(b[1:], l.Term)
	copy(b[n:], l.Data)
}

// readEntry decodes b into l; the data is a view of b.
func readEntry(b []byte, index uint64, l *raft.Log) error {
	if len(b) < 2 || b[0]&^(entryNoSync|0x0f) != 0 || raft.LogType(b[0]&0x0f) > raft.LogConfiguration {
		return fmt.Errorf("journal entry %d: bad head: %w", index, errCorrupt)
	}
	term, n := binary.Uvarint(b[1:])
	if n <= 0 {
		return fmt.Errorf("journal entry %d: bad term: %w", index, errCorrupt)
	}
	*l = raft.Log{Index: index, Term: term, Type: raft.LogType(b[0] & 0x0f), Data: b[1+n:]}
	if b[0]&entryNoSync != 0 {
		l.Extensions = noSyncExtensions
	}
	return nil
}

func isNoSync(l *raft.Log) bool { return len(l.Extensions) == 1 && l.Extensions[0] == noSync }

// A pointer is what raft calls a snapshot, without its contents, which are the
// FSM's: everything up to index is durable there. Its zero value is the
// beginning of time.
type pointer struct {
	index, term uint64
	conf        configuration // the latest at index
}

type configuration struct {
	index   uint64
	members raft.Configuration
}

func (p *pointer) encode() []byte {
	b := binary.AppendUvarint(nil, p.index)
	b = binary.AppendUvarint(b, p.term)
	return append(b, p.conf.encode()...)
}

func (p *pointer) decode(b []byte) error {
	var ok bool
	if p.index, b, ok = cutUvarint(b); !ok {
		return fmt.Errorf("journal pointer: %w", errCorrupt)
	}
	if p.term, b, ok = cutUvarint(b); !ok {
		return fmt.Errorf("journal pointer: %w", errCorrupt)
	}
	return p.conf.decode(b)
}

// A configuration is its index, the number of members, and for each the
// suffrage, id and address, strings by length.
func (c *configuration) encode() []byte {
	b := binary.AppendUvarint(nil, c.index)
	b = binary.AppendUvarint(b, uint64(len(c.members.Servers)))
	for _, s := range c.members.Servers {
		b = append(b, byte(s.Suffrage))
		b = append(binary.AppendUvarint(b, uint64(len(s.ID))), s.ID...)
		b = append(binary.AppendUvarint(b, uint64(len(s.Address))), s.Address...)
	}
	return b
}

func (c *configuration) decode(b []byte) error {
	bad := fmt.Errorf("journal configuration: %w", errCorrupt)
	index, b, ok := cutUvarint(b)
	if !ok {
		return bad
	}
	n, b, ok := cutUvarint(b)
	if !ok || n > uint64(len(b)) {
		return bad
	}
	str := func() string {
		var size uint64
		if size, b, ok = cutUvarint(b); !ok || size > uint64(len(b)) {
			ok = false
			return ""
		}
		s := string(b[:size])
		b = b[size:]
		return s
	}
	members := raft.Configuration{}
	for range n {
		if len(b) == 0 || b[0] > byte(raft.Staging) {
			return bad
		}
		s := raft.Server{Suffrage: raft.ServerSuffrage(b[0])}
		b = b[1:]
		s.ID = raft.ServerID(str())
		if ok {
			s.Address = raft.ServerAddress(str())
		}
		if !ok {
			return bad
		}
		members.Servers = append(members.Servers, s)
	}
	if len(b) != 0 {
		return bad
	}
	c.index, c.members = index, members
	return nil
}

func cutUvarint(b []byte) (v uint64, rest []byte, ok bool) {
	v, n := binary.Uvarint(b)
	if n <= 0 {
		return 0, nil, false
	}
	return v, b[n:], true
}
