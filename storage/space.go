package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Space names a sub-table of a shard's state: 1 to MaxSpace bytes. Keys are ordered within a space; a space, or all
// spaces with a common prefix, are dropped whole. The first byte tells whose it is; make spaces with the functions
// below.
type Space string

// MaxSpace is the longest name a Space may have, in bytes.
const MaxSpace = 32

// First bytes of spaces. Those in capitals are written by Apply itself; mutations may not name them.
const (
	spaceNamed     = 'n'
	spaceTask      = 't'
	spaceShard     = 'A' // applied index
	spaceLog       = 'L' // one row per log
	spaceSegment   = 'S' // one row per segment
	spaceProducers = 'P' // dedupe, one space per partition
	spaceTable     = 'T' // latest rows, one space per compacted partition
	spacePositions = 'Q' // tasks' positions, one space per query
)

// NamedSpace is a free space: the catalog's rows, consumer offsets and the like. name has at most MaxSpace-1 bytes.
func NamedSpace(name string) Space { return Space("n" + name) }

// QuerySpaces is the prefix of all task spaces of a query.
func QuerySpaces(query uint64) Space {
	return Space(binary.BigEndian.AppendUint64([]byte{spaceTask}, query))
}

// TaskSpaces is the prefix of all spaces of the tasks t's query runs for t's stage and partition, whatever the
// generation.
func TaskSpaces(t TaskID) Space {
	b := append(make([]byte, 0, MaxSpace), QuerySpaces(t.Query)...)
	b = binary.BigEndian.AppendUint16(b, t.Stage)
	return Space(binary.BigEndian.AppendUint32(b, uint32(t.Partition)))
}

// OperatorSpaces is the prefix of all panes of one operator of a task, and the space of an operator without panes.
func OperatorSpaces(t TaskID, operator uint16) Space {
	b := append(make([]byte, 0, MaxSpace), TaskSpaces(t)...)
	return Space(binary.BigEndian.AppendUint16(b, operator))
}

// PaneSpace is the space of one window pane of an operator; panes are ordered by number.
func PaneSpace(t TaskID, operator uint16, pane int64) Space {
	b := append(make([]byte, 0, MaxSpace), OperatorSpaces(t, operator)...)
	return Space(binary.BigEndian.AppendUint64(b, uint64(pane)^1<<63))
}

// TableSpace holds the latest row of every key of a compacted partition: record key to TableRow.
func TableSpace(p PartitionID) Space { return partitionSpace(spaceTable, p) }

func producerSpace(p PartitionID) Space { return partitionSpace(spaceProducers, p) }

func positionSpace(query uint64) Space {
	return Space(binary.BigEndian.AppendUint64([]byte{spacePositions}, query))
}

func partitionSpace(tag byte, p PartitionID) Space {
	b := append(make([]byte, 0, 13), tag)
	b = binary.BigEndian.AppendUint64(b, uint64(p.Topic))
	return Space(binary.BigEndian.AppendUint32(b, uint32(p.Partition)))
}

// topicSpaces is the prefix of the spaces with tag of all partitions of a topic.
func topicSpaces(tag byte, t TopicID) Space {
	return Space(binary.BigEndian.AppendUint64([]byte{tag}, uint64(t)))
}

// appendSpaceKey appends what precedes the keys of a space in Pebble: the shard, the name with 0x00 written as
// 0x00 0xff, and 0x00 0x01. So spaces with a common prefix lie together and no name is a prefix of another's keys.
func appendSpaceKey(dst []byte, shard ShardID, s Space) []byte {
	return append(appendSpacePrefix(dst, shard, s), 0, 1)
}

func appendSpacePrefix(dst []byte, shard ShardID, s Space) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(shard))
	for i := 0; i < len(s); i++ {
		if dst = append(dst, s[i]); s[i] == 0 {
			dst = append(dst, 0xff)
		}
	}
	return dst
}

// cutSpaceKey splits a Pebble key into space and key; it undoes appendSpaceKey.
func cutSpaceKey(b []byte) (s Space, key []byte, err error) {
	name := make([]byte, 0, MaxSpace)
	for i := 4; i+1 < len(b); i++ {
		if b[i] != 0 {
			name = append(name, b[i])
			continue
		}
		if i++; b[i] == 1 {
			return Space(name), b[i+1:], nil
		}
		name = append(name, 0)
	}
	return "", nil, fmt.Errorf("state key %x: %w", b, ErrCorrupt)
}

// prefixEnd returns the first key after all those that start with p, nil if there is none.
func prefixEnd(p []byte) []byte {
	end := append([]byte(nil), p...)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}

// TableRow is what a compacted partition keeps of the latest record of a key. Value and Headers are views.
type TableRow struct {
	Offset    Offset
	Timestamp int64 // ms since 1970
	Value     []byte
	Headers   []byte // as in the record batch, count included; nil for none
}

var errTableRow = errors.New("storage: table row too short")

// tableRow layout: offset i64 | timestamp i64 | header bytes u32 | headers | value
const tableRowFixed = 20

// DecodeTableRow reads a value of a TableSpace.
func DecodeTableRow(v []byte) (TableRow, error) {
	if len(v) < tableRowFixed {
		return TableRow{}, errTableRow
	}
	le := binary.LittleEndian
	n := le.Uint32(v[16:])
	if uint64(n) > uint64(len(v)-tableRowFixed) {
		return TableRow{}, errTableRow
	}
	r := TableRow{Offset: Offset(le.Uint64(v)), Timestamp: int64(le.Uint64(v[8:]))}
	if n > 0 {
		r.Headers = v[tableRowFixed : tableRowFixed+n]
	}
	r.Value = v[tableRowFixed+n:]
	return r, nil
}
