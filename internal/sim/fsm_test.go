package sim

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"sync"

	"github.com/weirdb/weir/replication"
	"github.com/weirdb/weir/storage"
)

// watchedFSM stands between a group and its shard. It holds that all replicas
// are given the same entries, for ever, and keeps steps of tasks for echo.
type watchedFSM struct {
	replication.FSM
	shard *storage.Shard
	disk  *disk
	steps *steps
	forge bool // the bug skipCompare
}

func (f *watchedFSM) Apply(index, term uint64, cmd []byte) any {
	if f.disk.alive() {
		f.steps.entry(f.shard.ID(), index, cmd)
	}
	step, ok := parseStep(cmd)
	if !ok {
		return f.FSM.Apply(index, term, cmd)
	}
	if f.forge && index > f.FSM.Applied() {
		cmd = step.forged(f.shard)
	}
	res := f.FSM.Apply(index, term, cmd)
	if _, applied := res.(*storage.CommitResult); applied {
		f.steps.keep(f.shard.ID(), cmd)
	}
	return res
}

// steps is what the shards of a cluster were given.
type steps struct {
	seed maphash.Seed

	mu      sync.Mutex
	entries map[storage.ShardID]map[uint64]uint64 // hash by index
	recent  map[storage.ShardID][][]byte          // steps of tasks that were applied
	differ  error
}

func newSteps() *steps {
	return &steps{seed: maphash.MakeSeed(), entries: map[storage.ShardID]map[uint64]uint64{}, recent: map[storage.ShardID][][]byte{}}
}

func (s *steps) entry(shard storage.ShardID, index uint64, cmd []byte) {
	h := maphash.Bytes(s.seed, cmd)
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.entries[shard]
	if m == nil {
		m = map[uint64]uint64{}
		s.entries[shard] = m
	}
	if old, ok := m[index]; ok && old != h && s.differ == nil {
		s.differ = fmt.Errorf("shard %d was given two different entries %d", shard, index)
	}
	m[index] = h
}

const keptSteps = 100

func (s *steps) keep(shard storage.ShardID, cmd []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.recent[shard]
	if len(r) == keptSteps {
		r = append(r[:0:0], r[1:]...)
	}
	s.recent[shard] = append(r, bytes.Clone(cmd))
}

// pick returns a step that a shard has applied not long ago; nil if there is none.
func (s *steps) pick(shard storage.ShardID, rnd *rand.Rand) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.recent[shard]; len(r) > 0 {
		return bytes.Clone(r[rnd.IntN(len(r))])
	}
	return nil
}

// step is an encoded storage.Commit of a task: docs/formats has the bytes.
type step struct {
	cmd       []byte
	task      storage.TaskID
	positions int
}

const (
	stepKind     = 2
	stepHead     = 1 + 8 + 4 + 2 + 4 + 4
	stepPosition = 2 + 4 + 8 + 8
)

// parseStep tells whether a command is a step of a task.
func parseStep(cmd []byte) (step, bool) {
	if len(cmd) < stepHead || cmd[0] != stepKind {
		return step{}, false
	}
	le := binary.LittleEndian
	s := step{cmd: cmd, positions: int(le.Uint32(cmd[19:])), task: storage.TaskID{
		Query: le.Uint64(cmd[1:]), Generation: le.Uint32(cmd[9:]), Stage: le.Uint16(cmd[13:]), Partition: int32(le.Uint32(cmd[15:])),
	}}
	return s, s.task.Query != 0 && len(cmd) >= stepHead+s.positions*stepPosition
}

// forged returns the step as if it began where the shard's task is.
func (s step) forged(shard *storage.Shard) []byte {
	_, stored, err := shard.Positions(s.task)
	if err != nil {
		return s.cmd
	}
	cmd := bytes.Clone(s.cmd)
	le := binary.LittleEndian
	for i := range s.positions {
		p := cmd[stepHead+i*stepPosition:]
		at := storage.Unset
		for _, x := range stored {
			if x.Input == le.Uint16(p) && x.Partition == int32(le.Uint32(p[2:])) {
				at = x.Offset
			}
		}
		le.PutUint64(p[6:], uint64(at))
		le.PutUint64(p[14:], uint64(max(at, storage.Offset(le.Uint64(p[14:])))))
	}
	return cmd
}
