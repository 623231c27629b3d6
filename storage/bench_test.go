package storage

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/weirdb/weir/storage/batch"
)

// benchCommits are commits of a task that each set 1,000 of keys' state rows (20-byte keys, 24-byte values) and append
// one 100 KB batch to a compacted partition: 500 records of 200 bytes.
func benchCommits(keys int, states, recs int) (cmds [][]byte, shape func(cmd []byte, step int)) {
	rng := rand.New(rand.NewPCG(1, 2))
	task := TaskID{Query: 1, Stage: 1, Partition: 0}
	sp := OperatorSpaces(task, 1)
	key := func(n int) []byte { return fmt.Appendf(nil, "key-%016d", n) }
	for range 64 {
		var m Mutations
		for range states {
			var v [24]byte
			binary.LittleEndian.PutUint64(v[:], rng.Uint64())
			m.Set(sp, key(rng.IntN(keys)), v[:])
		}
		c := Commit{Task: task, Positions: []Position{{Before: 0, After: 0}}, State: m}
		if recs > 0 {
			var b batch.Builder
			value := make([]byte, 168)
			for range recs {
				b.Append(1, key(rng.IntN(keys)), value)
			}
			v, _ := b.Finish()
			c.Output = []Append{{Partition: part, Flags: Compacted, Batches: v}}
		}
		cmds = append(cmds, AppendCommit(nil, c))
	}
	// Each command is used many times over, with positions set to go on from the last.
	return cmds, func(cmd []byte, step int) {
		const at = 1 + 8 + 4 + 2 + 4 + 4 + 2 + 4
		before := int64(step)
		if step == 0 {
			before = -1
		}
		binary.LittleEndian.PutUint64(cmd[at:], uint64(before))
		binary.LittleEndian.PutUint64(cmd[at+8:], uint64(step+1))
	}
}

func benchApply(b *testing.B, keys, states, recs int) {
	fs := vfs.Default
	s, err := Open(Config{FS: fs, Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	sh := s.Shard(1)
	cmds, shape := benchCommits(keys, states, recs)
	step := 0
	b.ReportAllocs()
	for b.Loop() {
		cmd := cmds[step%len(cmds)]
		shape(cmd, step)
		step++
		if err, ok := sh.Apply(uint64(step), 1, cmd).(error); ok {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*(states+recs)), "ns/row")
}

func BenchmarkApplyCommit(b *testing.B) {
	for _, keys := range []int{10_000, 1_000_000} {
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) { benchApply(b, keys, 1000, 500) })
		b.Run(fmt.Sprintf("keys=%d/state", keys), func(b *testing.B) { benchApply(b, keys, 1000, 0) })
	}
}

func BenchmarkApplyAppend(b *testing.B) {
	for _, n := range []int{1, 500} {
		b.Run(fmt.Sprintf("records=%d", n), func(b *testing.B) {
			s, err := Open(Config{Dir: b.TempDir()})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			sh := s.Shard(1)
			var bb batch.Builder
			for range n {
				bb.Append(1, []byte("key-0000000000000001"), make([]byte, 168))
			}
			v, _ := bb.Finish()
			cmd := AppendAppend(nil, Append{Partition: part, Batches: v})
			b.ReportAllocs()
			b.SetBytes(int64(len(v)))
			step := uint64(0)
			for b.Loop() {
				step++
				if err, ok := sh.Apply(step, 1, cmd).(error); ok {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkCheckpoint writes 200,000 changed keys of a million; ns/row is per changed key, off the apply path.
func BenchmarkCheckpoint(b *testing.B) {
	s, err := Open(Config{Dir: b.TempDir(), CheckpointEvery: -1, DirtyBytes: 1 << 40})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	sh := s.Shard(1)
	rng := rand.New(rand.NewPCG(1, 2))
	sp := NamedSpace("bench")
	const dirty = 200_000
	var index uint64
	var value [24]byte
	for b.Loop() {
		b.StopTimer()
		var m Mutations
		for range dirty {
			m.Set(sp, fmt.Appendf(nil, "key-%016d", rng.IntN(1_000_000)), value[:])
		}
		index++
		if err, ok := sh.Apply(index, 1, AppendState(nil, &m)).(error); ok {
			b.Fatal(err)
		}
		b.StartTimer()
		if err := sh.Checkpoint(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*dirty), "ns/row")
}

// BenchmarkGet reads keys that are in the changed rows, and keys that are in Pebble only.
func BenchmarkGet(b *testing.B) {
	s, err := Open(Config{Dir: b.TempDir(), CheckpointEvery: -1})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	sh := s.Shard(1)
	sp := NamedSpace("bench")
	const keys = 100_000
	var m Mutations
	for i := range keys {
		m.Set(sp, fmt.Appendf(nil, "key-%016d", i), make([]byte, 24))
	}
	sh.Apply(1, 1, AppendState(nil, &m))
	run := func(b *testing.B) {
		rng := rand.New(rand.NewPCG(1, 2))
		var key []byte
		for b.Loop() {
			key = fmt.Appendf(key[:0], "key-%016d", rng.IntN(keys))
			if _, ok, err := sh.Get(sp, key); !ok || err != nil {
				b.Fatal(ok, err)
			}
		}
	}
	b.Run("memory", run)
	b.Run("scan", func(b *testing.B) {
		for b.Loop() {
			n := 0
			if err := sh.Scan(sp, nil, nil, func(_, _ []byte) bool { n++; return true }); err != nil || n != keys {
				b.Fatal(n, err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*keys), "ns/row")
	})
	if err := sh.Checkpoint(); err != nil {
		b.Fatal(err)
	}
	b.Run("pebble", run)
}

// BenchmarkRead reads a log from start to end, from the page cache.
func BenchmarkRead(b *testing.B) {
	s, err := Open(Config{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	sh := s.Shard(1)
	var bb batch.Builder
	for range 500 {
		bb.Append(1, []byte("key-0000000000000001"), make([]byte, 168))
	}
	v, err := bb.Finish()
	if err != nil {
		b.Fatal(err)
	}
	cmd := AppendAppend(nil, Append{Partition: part, Batches: v})
	for i := range uint64(1000) {
		sh.Apply(i+1, 1, cmd)
	}
	l := sh.Log(part)
	b.SetBytes(l.Size())
	b.ReportAllocs()
	var buf []byte
	for b.Loop() {
		for from := Offset(0); from < l.End(); {
			if buf, err = l.Read(from, 1<<20, buf); err != nil {
				b.Fatal(err)
			}
			for rest := buf; len(rest) > 0; rest = rest[batch.SizeOf(rest):] {
				from = Offset(batch.View(rest).LastOffset()) + 1
			}
		}
	}
}
