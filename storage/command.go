package storage

import (
	"encoding/binary"
	"fmt"
)

// ShardID numbers a shard, TopicID a topic; the catalog gives both.
type (
	ShardID uint32
	TopicID uint64
)

// Offset numbers a record in its partition, from 0.
type Offset int64

// Unset is the position of a task's input that no commit has set yet.
const Unset Offset = -1

// PartitionID names a partition.
type PartitionID struct {
	Topic     TopicID
	Partition int32
}

func (p PartitionID) String() string { return fmt.Sprintf("%d/%d", p.Topic, p.Partition) }

// AppendFlags say how a partition treats records.
type AppendFlags uint8

const (
	// Compacted partitions keep the latest record of each key, and their table (TableSpace) is maintained. A partition
	// that is compacted stays so: an Append without the flag, by one who does not know yet, has it.
	Compacted AppendFlags = 1 << iota
	// UniqueKeys refuses the whole command (KeyExistsError) if a record with a value has a key that the table holds
	// already. It goes with Compacted. What the command itself writes before counts: a delete frees its key.
	UniqueKeys
)

// Append adds record batches to a partition. Validate them before proposing (batch.Validate).
type Append struct {
	Partition PartitionID
	Flags     AppendFlags
	Batches   []byte // one or more record batches v2, back to back
}

// TaskID names the writer of a Commit. Query, Stage and Partition say which task; Generation which incarnation.
type TaskID struct {
	Query      uint64
	Generation uint32
	Stage      uint16
	Partition  int32
}

// Position moves a task's place in one partition of one of its inputs. Before must be the stored one, which is Unset
// until the first commit sets it; After is at least 0 and at least Before.
type Position struct {
	Input         uint16
	Partition     int32
	Before, After Offset
}

// Commit is one step of a task, applied as a whole or refused as a whole. Output batches carry no producer id.
type Commit struct {
	Task      TaskID
	Positions []Position
	State     Mutations
	Output    []Append
}

// Limits of commands. A command that goes over them is refused by encoder and Apply alike.
const (
	MaxKey       = 1 << 20 // bytes of a state key
	MaxValue     = 64 << 20
	maxPositions = 1 << 16
	maxOutputs   = 1 << 16
)

type commandKind uint8

const (
	cmdAppend    commandKind = 1
	cmdCommit    commandKind = 2
	cmdState     commandKind = 3
	cmdTrim      commandKind = 4
	cmdDropTopic commandKind = 5
	cmdDropTask  commandKind = 6
	// 7 is kept for transaction markers.
	cmdMaterialize commandKind = 8
)

// AppendAppend encodes a to dst.
func AppendAppend(dst []byte, a Append) []byte {
	return appendAppend(append(dst, byte(cmdAppend)), a)
}

func appendAppend(dst []byte, a Append) []byte {
	dst = appendPartition(dst, a.Partition)
	dst = append(dst, byte(a.Flags))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(a.Batches)))
	return append(dst, a.Batches...)
}

func appendPartition(dst []byte, p PartitionID) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, uint64(p.Topic))
	return binary.LittleEndian.AppendUint32(dst, uint32(p.Partition))
}

// AppendCommit encodes c to dst.
func AppendCommit(dst []byte, c Commit) []byte {
	le := binary.LittleEndian
	dst = append(dst, byte(cmdCommit))
	dst = le.AppendUint64(dst, c.Task.Query)
	dst = le.AppendUint32(dst, c.Task.Generation)
	dst = le.AppendUint16(dst, c.Task.Stage)
	dst = le.AppendUint32(dst, uint32(c.Task.Partition))
	dst = le.AppendUint32(dst, uint32(len(c.Positions)))
	for _, p := range c.Positions {
		dst = le.AppendUint16(dst, p.Input)
		dst = le.AppendUint32(dst, uint32(p.Partition))
		dst = le.AppendUint64(dst, uint64(p.Before))
		dst = le.AppendUint64(dst, uint64(p.After))
	}
	dst = le.AppendUint32(dst, uint32(len(c.State.buf)))
	dst = append(dst, c.State.buf...)
	dst = le.AppendUint32(dst, uint32(len(c.Output)))
	for _, a := range c.Output {
		dst = appendAppend(dst, a)
	}
	return dst
}

// AppendState encodes a command that only changes state. It costs dst no more than m.
func AppendState(dst []byte, m *Mutations) []byte {
	return append(append(dst, byte(cmdState)), m.buf...)
}

// AppendTrim encodes a command that moves p's start to newStart; records below are gone for readers.
func AppendTrim(dst []byte, p PartitionID, newStart Offset) []byte {
	dst = appendPartition(append(dst, byte(cmdTrim)), p)
	return binary.LittleEndian.AppendUint64(dst, uint64(newStart))
}

// AppendDropTopic encodes a command that drops the shard's partitions of t, with tables and producers.
func AppendDropTopic(dst []byte, t TopicID) []byte {
	return binary.LittleEndian.AppendUint64(append(dst, byte(cmdDropTopic)), uint64(t))
}

// AppendMaterialize encodes a command that makes p compacted from its first record on: what it holds becomes the
// table that is maintained from then on.
func AppendMaterialize(dst []byte, p PartitionID) []byte {
	return appendPartition(append(dst, byte(cmdMaterialize)), p)
}

// AppendDropTask encodes a command that drops positions and spaces of all of a query's tasks.
func AppendDropTask(dst []byte, query uint64) []byte {
	return binary.LittleEndian.AppendUint64(append(dst, byte(cmdDropTask)), query)
}

// decoder reads a command; the first thing missing or out of bounds sets err, after which it yields zeros.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf(format+": %w", append(args, ErrCommand)...)
	}
	d.b = nil
}

func (d *decoder) take(n int) []byte {
	if n < 0 || n > len(d.b) {
		d.fail("%d bytes left, want %d", len(d.b), n)
		return nil
	}
	b := d.b[:n:n]
	d.b = d.b[n:]
	return b
}

func (d *decoder) u8() uint8 {
	if b := d.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *decoder) u16() uint16 {
	if b := d.take(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (d *decoder) u32() uint32 {
	if b := d.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (d *decoder) u64() uint64 {
	if b := d.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (d *decoder) partition() PartitionID {
	p := PartitionID{TopicID(d.u64()), int32(d.u32())}
	if p.Partition < 0 {
		d.fail("partition %d", p.Partition)
	}
	return p
}

func (d *decoder) append() Append {
	a := Append{Partition: d.partition(), Flags: AppendFlags(d.u8())}
	if a.Flags&^(Compacted|UniqueKeys) != 0 || a.Flags&(Compacted|UniqueKeys) == UniqueKeys {
		d.fail("append flags %#x", a.Flags)
	}
	a.Batches = d.take(int(d.u32()))
	return a
}

// end fails if bytes are left.
func (d *decoder) end() error {
	if d.err == nil && len(d.b) > 0 {
		d.fail("%d bytes after the command", len(d.b))
	}
	return d.err
}

const positionLen = 22

// commit decodes into c, reusing its slices; what it holds are views of the command.
func (d *decoder) commit(c *Commit) error {
	c.Task = TaskID{Query: d.u64(), Generation: d.u32(), Stage: d.u16(), Partition: int32(d.u32())}
	n := d.u32()
	if n > maxPositions || int(n) > len(d.b)/positionLen {
		d.fail("%d positions", n)
		return d.err
	}
	c.Positions, c.Output = c.Positions[:0], c.Output[:0]
	for range n {
		p := Position{Input: d.u16(), Partition: int32(d.u32()), Before: Offset(d.u64()), After: Offset(d.u64())}
		if p.Before < Unset || p.After < 0 || p.After < p.Before {
			d.fail("position %d to %d", p.Before, p.After)
		}
		c.Positions = append(c.Positions, p)
	}
	c.State = Mutations{buf: d.take(int(d.u32()))}
	n = d.u32()
	if n > maxOutputs || int(n) > len(d.b) {
		d.fail("%d outputs", n)
		return d.err
	}
	for range n {
		c.Output = append(c.Output, d.append())
	}
	return d.end()
}
