package storage

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/weirdb/weir/storage/batch"
)

// tester is what testing.T and rapid.T share.
type tester interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// node is a shard of a store on a memory disk, and the journal it was fed from.
type node struct {
	*Shard
	t       tester
	cfg     Config
	store   *Store
	journal [][]byte // entry i has index i+1
}

func newNode(t testing.TB, cfg Config) *node {
	t.Helper()
	if cfg.FS == nil {
		cfg.FS = vfs.NewCrashableMem()
	}
	cfg.Dir = "data"
	if cfg.CheckpointEvery == 0 {
		cfg.CheckpointEvery = -1
	}
	n := &node{t: t, cfg: cfg}
	n.open()
	t.Cleanup(func() {
		if err := n.store.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

func (n *node) open() {
	n.t.Helper()
	s, err := Open(n.cfg)
	if err != nil {
		n.t.Fatal(err)
	}
	n.store, n.Shard = s, s.Shard(3)
	for i := n.Applied(); i < uint64(len(n.journal)); i++ {
		n.Shard.Apply(i+1, 7, n.journal[i])
	}
}

func (n *node) apply(cmd []byte) any {
	n.journal = append(n.journal, cmd)
	return n.Shard.Apply(uint64(len(n.journal)), 7, cmd)
}

// must applies a command that may not be refused.
func (n *node) must(cmd []byte) any {
	n.t.Helper()
	res := n.apply(cmd)
	if err, ok := res.(error); ok {
		n.t.Fatal(err)
	}
	return res
}

// reopen loses what is not on disk and replays the journal from the last checkpoint.
func (n *node) reopen() {
	n.t.Helper()
	disk := n.cfg.FS.(*vfs.MemFS).CrashClone(vfs.CrashCloneCfg{})
	if err := n.store.Close(); err != nil {
		n.t.Fatal(err)
	}
	n.cfg.FS = disk
	n.open()
}

type kv struct{ k, v string }

// records builds one batch; "" as value is a tombstone.
func records(ts int64, rows ...kv) []byte {
	var b batch.Builder
	for i, r := range rows {
		v := []byte(r.v)
		if r.v == "" {
			v = nil
		}
		b.Append(ts+int64(i), []byte(r.k), v)
	}
	v, err := b.Finish()
	if err != nil {
		panic(err)
	}
	return bytes.Clone(v)
}

// read returns all records of a log from an offset on.
func read(t tester, l *Log, from Offset) (out []string) {
	t.Helper()
	var d batch.Decoder
	for from < l.End() {
		b, err := l.Read(from, 200, nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(b) == 0 {
			t.Fatalf("read at %d of %d: nothing", from, l.End())
		}
		for len(b) > 0 {
			var v batch.View
			if v, b, err = batch.Next(b); err != nil {
				t.Fatal(err)
			}
			if !v.SumOK() {
				t.Fatalf("checksum at %d", v.BaseOffset())
			}
			recs, err := d.Records(v)
			if err != nil {
				t.Fatal(err)
			}
			for r := new(batch.Record); recs.Next(r); {
				if Offset(r.Offset) >= from {
					out = append(out, fmt.Sprintf("%d %s=%s", r.Offset, r.Key, r.Value))
				}
			}
			from = Offset(v.LastOffset()) + 1
		}
	}
	return out
}

func scan(t tester, sh *Shard, s Space) (out []string) {
	t.Helper()
	err := sh.Scan(s, nil, nil, func(k, v []byte) bool {
		out = append(out, fmt.Sprintf("%s=%s", k, v))
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func diff(t tester, what string, got, want any) {
	t.Helper()
	if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
		t.Fatalf("%s:\ngot  %s\nwant %s", what, g, w)
	}
}

var part = PartitionID{Topic: 9, Partition: 2}

func TestAppendReadReopen(t *testing.T) {
	n := newNode(t, Config{SegmentBytes: 300, IndexInterval: 100})
	var want []string
	for i := range 20 {
		res := n.must(AppendAppend(nil, Append{Partition: part, Batches: records(int64(i), kv{"a", fmt.Sprint(i)}, kv{"b", "x"})})).(*AppendResult)
		if res.Batches[0].Base != Offset(2*i) || res.End != Offset(2*i+2) {
			t.Fatalf("append %d: %+v", i, res)
		}
		want = append(want, fmt.Sprintf("%d a=%d", 2*i, i), fmt.Sprintf("%d b=x", 2*i+1))
		if i == 11 {
			if err := n.Checkpoint(); err != nil {
				t.Fatal(err)
			}
		}
	}
	diff(t, "log", read(t, n.Log(part), 0), want)
	diff(t, "from 7", read(t, n.Log(part), 7), want[7:])
	n.reopen()
	if n.Durable() != 12 {
		t.Fatalf("durable %d", n.Durable())
	}
	diff(t, "log after a crash", read(t, n.Log(part), 0), want)
	diff(t, "from 7 after a crash", read(t, n.Log(part), 7), want[7:])
}

func TestState(t *testing.T) {
	n := newNode(t, Config{})
	sp := NamedSpace("catalog")
	var m Mutations
	m.Set(sp, []byte("a"), []byte("1"))
	m.Set(sp, []byte("b"), []byte("2"))
	m.Set(sp, []byte("c"), []byte("3"))
	n.must(AppendState(nil, &m))
	diff(t, "dirty", scan(t, n.Shard, sp), "[a=1 b=2 c=3]")
	n.reopen()
	diff(t, "replayed", scan(t, n.Shard, sp), "[a=1 b=2 c=3]")
	if err := n.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	m.Reset()
	m.Delete(sp, []byte("b"))
	m.Set(sp, []byte("c"), []byte("33"))
	m.Set(sp, []byte("d"), []byte("4"))
	n.must(AppendState(nil, &m))
	diff(t, "over Pebble", scan(t, n.Shard, sp), "[a=1 c=33 d=4]")
	n.reopen()
	diff(t, "over Pebble, reopened", scan(t, n.Shard, sp), "[a=1 c=33 d=4]")
	m.Reset()
	m.DropSpace(sp)
	m.Set(sp, []byte("e"), []byte("5"))
	n.must(AppendState(nil, &m))
	diff(t, "dropped", scan(t, n.Shard, sp), "[e=5]")
	if err := n.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	n.reopen()
	diff(t, "dropped, reopened", scan(t, n.Shard, sp), "[e=5]")
	if _, ok, err := n.Get(sp, []byte("a")); ok || err != nil {
		t.Fatal(ok, err)
	}
}

func TestCommit(t *testing.T) {
	n := newNode(t, Config{})
	task := TaskID{Query: 5, Generation: 2, Stage: 1, Partition: 2}
	sp := OperatorSpaces(task, 3)
	var m Mutations
	m.Set(sp, []byte("k"), []byte("v"))
	step := func(gen uint32, before, after Offset) any {
		task.Generation = gen
		return n.apply(AppendCommit(nil, Commit{
			Task: task, Positions: []Position{{Input: 1, Partition: 0, Before: before, After: after}}, State: m,
			Output: []Append{{Partition: part, Flags: Compacted, Batches: records(100, kv{"x", fmt.Sprint(after)})}},
		}))
	}
	stale := func(res any) {
		t.Helper()
		if err, _ := res.(error); !errors.Is(err, ErrStaleTask) {
			t.Fatalf("%v, want ErrStaleTask", res)
		}
	}
	stale(step(2, 0, 10)) // the first commit comes from Unset
	if _, ok := step(2, Unset, 10).(*CommitResult); !ok {
		t.Fatal("refused")
	}
	stale(step(2, Unset, 10))
	stale(step(1, 10, 20))
	if _, ok := step(3, 10, 20).(*CommitResult); !ok {
		t.Fatal("refused")
	}
	stale(step(2, 20, 30))
	check := func() {
		t.Helper()
		gen, pos, err := n.Positions(task)
		diff(t, "positions", fmt.Sprint(gen, pos, err), "3 [{1 0 20}] <nil>")
		diff(t, "log", read(t, n.Log(part), 0), "[0 x=10 1 x=20]")
		v, ok, err := n.Get(TableSpace(part), []byte("x"))
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		r, err := DecodeTableRow(v)
		diff(t, "row", fmt.Sprintf("%d %d %s %v", r.Offset, r.Timestamp, r.Value, err), "1 100 20 <nil>")
	}
	check()
	if err := n.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	n.reopen()
	check()
	stale(step(2, 20, 30))
	n.must(AppendDropTask(nil, 5))
	diff(t, "dropped task", scan(t, n.Shard, sp), "[]")
	if _, ok := step(0, Unset, 0).(*CommitResult); !ok {
		t.Fatal("refused")
	}
}

// Checkpoints come by themselves: after some seconds, and after so many bytes.
func TestCheckpointsByThemselves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(Config{FS: vfs.NewMem(), Dir: "d", DirtyBytes: 100 << 10})
		if err != nil {
			t.Fatal(err)
		}
		sh := s.Shard(1)
		var m Mutations
		m.Set(NamedSpace("a"), []byte("k"), []byte("v"))
		sh.Apply(1, 1, AppendState(nil, &m))
		synctest.Wait()
		if sh.Durable() != 0 {
			t.Error("too early")
		}
		time.Sleep(5100 * time.Millisecond) // fake time
		synctest.Wait()
		if sh.Durable() != 1 {
			t.Error("no checkpoint after 5s")
		}
		for i := range 100 {
			m.Set(NamedSpace("a"), fmt.Append(nil, i), make([]byte, 2000))
		}
		sh.Apply(2, 1, AppendState(nil, &m))
		synctest.Wait()
		if sh.Durable() != 2 {
			t.Error("no checkpoint after 200 KB")
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err, _ := sh.Apply(3, 1, AppendState(nil, &m)).(error); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
		if _, _, err := sh.Get(NamedSpace("a"), []byte("k")); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	})
}

// A command allocates its result, whatever its size.
func TestApplyAllocations(t *testing.T) {
	n := newNode(t, Config{})
	cmds, shape := benchCommits(1000, 200, 0)
	var b batch.Builder
	for i := range 100 {
		b.Append(1, fmt.Append(nil, "k", i), []byte("value"))
	}
	v, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	insert := AppendAppend(nil, Append{Partition: part, Flags: Compacted, Batches: v})
	step := 0
	index := uint64(0)
	run := func() {
		shape(cmds[step%len(cmds)], step)
		for _, cmd := range [][]byte{cmds[step%len(cmds)], insert} {
			index++
			if err, ok := n.Shard.Apply(index, 7, cmd).(error); ok {
				t.Fatal(err)
			}
		}
		step++
	}
	for range 100 {
		run() // all keys are there
	}
	if got := testing.AllocsPerRun(100, run); got > 10 {
		t.Errorf("%v allocations for a commit of 200 rows and an append of 100", got)
	}
}

func TestUniqueKeys(t *testing.T) {
	n := newNode(t, Config{})
	p := PartitionID{9, 0}
	add := func(flags AppendFlags, kvs ...string) Append {
		var rows []kv
		for i := 0; i < len(kvs); i += 2 {
			rows = append(rows, kv{kvs[i], kvs[i+1]})
		}
		return Append{Partition: p, Flags: Compacted | flags, Batches: records(1, rows...)}
	}
	insert := func(kvs ...string) any { return n.apply(AppendAppend(nil, add(UniqueKeys, kvs...))) }
	check := func(res any, key string) {
		t.Helper()
		var exists *KeyExistsError
		if err, ok := res.(error); key == "" && ok {
			t.Error(err)
		} else if key != "" && (!ok || !errors.As(err, &exists) || string(exists.Key) != key) {
			t.Errorf("got %v, want a refusal of %s", res, key)
		}
	}
	check(insert("a", "1", "b", "1"), "")
	check(insert("c", "1", "a", "2"), "a") // and c is not there either
	check(insert("c", "1"), "")
	check(insert("d", "1", "d", "2"), "d")
	if err := n.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	check(insert("b", "2"), "b") // from disk
	check(n.apply(AppendAppend(nil, add(0, "b", "3"))), "")
	check(n.apply(AppendCommit(nil, Commit{Output: []Append{add(0, "b", ""), add(UniqueKeys, "b", "4")}})), "") // a delete frees its key
	check(n.apply(AppendCommit(nil, Commit{Output: []Append{add(0, "e", "1"), add(UniqueKeys, "e", "2")}})), "e")
	n.reopen()
	check(insert("b", "5"), "b")
	if end := n.Log(p).End(); end != 6 {
		t.Errorf("%d records, want 6: refused commands leave none", end)
	}
}
