package storage

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
)

// taskKey is a TaskID without its generation.
type taskKey struct {
	query     uint64
	stage     uint16
	partition int32
}

func (t TaskID) key() taskKey { return taskKey{t.Query, t.Stage, t.Partition} }

// rowKey is where a task's row is in its query's space.
func (k taskKey) rowKey() []byte {
	b := binary.BigEndian.AppendUint16(make([]byte, 0, 6), k.stage)
	return binary.BigEndian.AppendUint32(b, uint32(k.partition))
}

// InputPosition is a task's place in one partition of one of its inputs: the offset it reads next.
type InputPosition struct {
	Input     uint16
	Partition int32
	Offset    Offset
}

func compareInputs(a, b InputPosition) int {
	return cmp.Or(cmp.Compare(a.Input, b.Input), cmp.Compare(a.Partition, b.Partition))
}

// taskState is what commits of a task are compared with.
type taskState struct {
	generation uint32
	positions  []InputPosition // sorted
}

func (t *taskState) find(p Position) (int, bool) {
	return slices.BinarySearchFunc(t.positions, InputPosition{Input: p.Input, Partition: p.Partition}, compareInputs)
}

// check refuses a commit of an older generation or from another place than the task's.
func (t *taskState) check(c *Commit) error {
	if c.Task.Generation < t.generation {
		return fmt.Errorf("query %d, stage %d, partition %d: generation %d, %d has committed: %w",
			c.Task.Query, c.Task.Stage, c.Task.Partition, c.Task.Generation, t.generation, ErrStaleTask)
	}
	for i, p := range c.Positions {
		stored := Unset
		if at, ok := t.find(p); ok {
			stored = t.positions[at].Offset
		}
		if p.Before != stored {
			return fmt.Errorf("query %d, stage %d, partition %d: input %d/%d is at %d, not %d: %w",
				c.Task.Query, c.Task.Stage, c.Task.Partition, p.Input, p.Partition, stored, p.Before, ErrStaleTask)
		}
		if i > 0 && compareInputs(InputPosition{Input: c.Positions[i-1].Input, Partition: c.Positions[i-1].Partition}, InputPosition{Input: p.Input, Partition: p.Partition}) >= 0 {
			return fmt.Errorf("positions are not sorted by input and partition: %w", ErrCommand)
		}
	}
	return nil
}

// move takes the positions of c, which check has passed.
func (t *taskState) move(c *Commit) {
	t.generation = c.Task.Generation
	for _, p := range c.Positions {
		at, ok := t.find(p)
		if !ok {
			t.positions = slices.Insert(t.positions, at, InputPosition{Input: p.Input, Partition: p.Partition})
		}
		t.positions[at].Offset = p.After
	}
}

// Task row: generation u32 | per input partition: input u16, partition u32, offset i64.
const inputPositionLen = 14

func (t *taskState) encode(b []byte) []byte {
	le := binary.LittleEndian
	b = le.AppendUint32(b, t.generation)
	for _, p := range t.positions {
		b = le.AppendUint16(b, p.Input)
		b = le.AppendUint32(b, uint32(p.Partition))
		b = le.AppendUint64(b, uint64(p.Offset))
	}
	return b
}

func decodeTask(b []byte) (*taskState, error) {
	if len(b) < 4 || (len(b)-4)%inputPositionLen != 0 {
		return nil, fmt.Errorf("task row of %d bytes: %w", len(b), ErrCorrupt)
	}
	le := binary.LittleEndian
	t := &taskState{generation: le.Uint32(b)}
	for b = b[4:]; len(b) > 0; b = b[inputPositionLen:] {
		t.positions = append(t.positions, InputPosition{le.Uint16(b), int32(le.Uint32(b[2:])), Offset(le.Uint64(b[6:]))})
	}
	return t, nil
}

// Positions returns where task t goes on, sorted by input and partition, and the generation that last committed. A
// task that never committed has generation 0 and no positions. t.Generation is not used.
func (sh *Shard) Positions(t TaskID) (generation uint32, positions []InputPosition, err error) {
	b, ok, err := sh.Get(positionSpace(t.Query), t.key().rowKey())
	if err != nil || !ok {
		return 0, nil, err
	}
	state, err := decodeTask(b)
	if err != nil {
		return 0, nil, err
	}
	return state.generation, state.positions, nil
}

// task returns the state of t from the cache or from disk; the caller holds sh.mu.
func (sh *Shard) task(t TaskID) (*taskState, error) {
	k := t.key()
	if s := sh.tasks[k]; s != nil {
		return s, nil
	}
	s := new(taskState)
	b, ok, err := sh.getLocked(positionSpace(t.Query), k.rowKey())
	if err != nil {
		return nil, err
	}
	if ok {
		if s, err = decodeTask(b); err != nil {
			return nil, err
		}
	}
	sh.tasks[k] = s
	return s, nil
}

func (sh *Shard) putTask(t TaskID, s *taskState) {
	sc := &sh.scratch
	sc.position = s.encode(sc.position[:0])
	sp := positionSpace(t.Query)
	sh.putRow([]byte(sp), t.key().rowKey(), sc.position)
}

func (sh *Shard) applyDropTask(query uint64) {
	for k := range sh.tasks {
		if k.query == query {
			delete(sh.tasks, k)
		}
	}
	sh.active.dropSpace(positionSpace(query))
	sh.active.dropPrefix(QuerySpaces(query))
}
