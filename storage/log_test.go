package storage

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/weirdb/weir/storage/batch"
)

func TestRetentionAndTime(t *testing.T) {
	n := newNode(t, Config{SegmentBytes: 400, IndexInterval: 100})
	for i := range 40 { // a batch of 75 bytes has one record; five make a segment
		n.must(AppendAppend(nil, Append{Partition: part, Batches: records(int64(1000+10*i), kv{"key", "value"})}))
	}
	l := n.Log(part)
	check := func(what string, got, want any) {
		t.Helper()
		diff(t, what, got, want)
	}
	check("no limits", l.RetentionPoint(5000, -1, -1), 0)
	check("all is young", l.RetentionPoint(1100, 1000, -1), 0)
	first := l.segs[0].end
	check("first segment is old", l.RetentionPoint(1000+10*int64(first)+1000, 1000, -1), first)
	check("all is old", l.RetentionPoint(9000, 1000, -1), 40)
	check("half of the bytes", l.RetentionPoint(0, -1, l.Size()/2), 20)
	times := func() {
		t.Helper()
		for _, c := range []struct {
			ms   int64
			want string
		}{{0, "10 1100 true"}, {1101, "11 1110 true"}, {1205, "21 1210 true"}, {1390, "39 1390 true"}, {1391, "0 0 false"}} {
			off, ts, ok, err := l.OffsetForTime(c.ms)
			if err != nil {
				t.Fatal(err)
			}
			check(fmt.Sprint("time ", c.ms), fmt.Sprint(off, ts, ok), c.want)
		}
	}
	n.must(AppendTrim(nil, part, 10))
	times()
	if _, err := l.Read(9, 100, nil); !errors.Is(err, ErrOffset) {
		t.Fatal(err)
	}
	files := len(l.segs)
	if err := n.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	names, err := n.cfg.FS.List(n.dir)
	if err != nil || len(names) != files {
		t.Fatalf("%d files, %d segments, %v", len(names), files, err)
	}
	n.reopen()
	l = n.Log(part)
	times()
	check("start", l.Start(), 10)
	n.must(AppendTrim(nil, part, 100))
	check("trimmed to the end", fmt.Sprint(l.Start(), l.End(), l.Size()), "40 40 0")
	n.must(AppendAppend(nil, Append{Partition: part, Batches: records(5, kv{"a", "b"})}))
	check("goes on", read(t, l, 40), "[40 a=b]")
	changed := l.Changed()
	n.must(AppendDropTopic(nil, part.Topic))
	if _, err := l.Read(40, 100, nil); !errors.Is(err, ErrDropped) {
		t.Fatal(err)
	}
	<-changed
	if err := n.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	if names, err := n.cfg.FS.List(n.dir); err != nil || len(names) != 0 {
		t.Fatal(names, err)
	}
}

func TestCompaction(t *testing.T) {
	n := newNode(t, Config{SegmentBytes: 300})
	for i := range 40 {
		rows := []kv{{fmt.Sprint("k", i%3), fmt.Sprint(i)}}
		if i == 0 {
			rows = append(rows, kv{"gone", "x"})
		}
		if i == 1 {
			rows = append(rows, kv{"gone", ""})
		}
		n.must(AppendAppend(nil, Append{Partition: part, Flags: Compacted, Batches: records(int64(i), rows...)}))
	}
	l := n.Log(part)
	before := l.Size()
	if err := n.Compact(part, 100, 1000); err != nil {
		t.Fatal(err)
	}
	if dirty, total := l.Uncompacted(); dirty != 0 || total == 0 {
		t.Fatal(dirty, total)
	}
	got := read(t, l, 0)
	if got[0] != "3 gone=" || len(got) > 6 || l.Size() > before/2 {
		t.Fatal(got, before, l.Size())
	}
	if err := n.Compact(part, 3000, 1000); err != nil {
		t.Fatal(err)
	}
	if got = read(t, l, 0); got[0] == "3 gone=" {
		t.Fatal("tombstone was kept", got)
	}
	n.reopen() // without a checkpoint the old segments are back
	if err := n.Compact(part, 3000, 1000); err != nil {
		t.Fatal(err)
	}
	if err := n.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	n.reopen()
	diff(t, "after checkpoint and crash", read(t, n.Log(part), 0), got)
}

// A partition that was not always compacted keeps the records its table does not know.
func TestCompactionFromNow(t *testing.T) {
	n := newNode(t, Config{SegmentBytes: 200})
	put := func(f AppendFlags, k, v string) {
		n.must(AppendAppend(nil, Append{Partition: part, Flags: f, Batches: records(1, kv{k, v})}))
	}
	put(0, "a", "1")
	put(0, "a", "2")
	put(Compacted, "b", "1")
	put(Compacted, "b", "2")
	for i := range 5 {
		put(Compacted, "c", fmt.Sprint(i))
	}
	if err := n.Compact(part, 0, 0); err != nil {
		t.Fatal(err)
	}
	got := read(t, n.Log(part), 0)
	diff(t, "log", got[:3], "[0 a=1 1 a=2 3 b=2]")
}

func TestProducersAreBounded(t *testing.T) {
	n := newNode(t, Config{})
	send := func(id int64, seq int32) BatchResult {
		b := batch.Builder{Producer: &batch.Producer{ID: id, Sequence: seq}}
		b.Append(1, nil, []byte("x"))
		v, err := b.Finish()
		if err != nil {
			t.Fatal(err)
		}
		return n.must(AppendAppend(nil, Append{Partition: part, Batches: v})).(*AppendResult).Batches[0]
	}
	for id := range int64(maxProducers + 1) {
		if r := send(id, 0); r.Err != nil || r.Duplicate {
			t.Fatal(id, r)
		}
	}
	l := n.Log(part)
	if len(l.producers) > maxProducers {
		t.Fatal(len(l.producers))
	}
	if r := send(0, 7); r.Err != nil {
		t.Fatal("forgotten producer", r)
	}
	if r := send(maxProducers, 7); !errors.Is(r.Err, ErrSequence) {
		t.Fatal("remembered producer", r)
	}
	n.journal = nil
	if err := n.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	n.reopen()
	if len(n.Log(part).producers) != len(l.producers) {
		t.Fatal(len(n.Log(part).producers), len(l.producers))
	}
}

func TestSequencesWrap(t *testing.T) {
	var p producer
	view := func(seq int32, n int) batch.View {
		b := batch.Builder{Producer: &batch.Producer{ID: 1, Sequence: seq}}
		for range n {
			b.Append(1, nil, nil)
		}
		v, err := b.Finish()
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Clone(v)
	}
	p.add(view(1<<31-3, 3), 10)
	if _, _, err := p.check(view(0, 1)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.check(view(1, 1)); !errors.Is(err, ErrSequence) {
		t.Fatal(err)
	}
	if base, dup, err := p.check(view(1<<31-3, 3)); base != 10 || !dup || err != nil {
		t.Fatal(base, dup, err)
	}
}

// Readers of all kinds run beside Apply, checkpoints and compaction; what they see is always whole.
func TestConcurrentReaders(t *testing.T) {
	n := newNode(t, Config{SegmentBytes: 4 << 10, DirtyBytes: 32 << 10, IndexInterval: 256, Logger: silent{}})
	task := TaskID{Query: 1}
	sp := OperatorSpaces(task, 1)
	const steps = 400
	var last atomic.Bool
	var wg sync.WaitGroup
	tail := func() {
		l := n.OpenLog(part)
		var from Offset
		var buf []byte
		for from < 2*steps {
			changed := l.Changed()
			b, err := l.Read(from, 500, buf)
			if err != nil {
				t.Error(err)
				return
			}
			if len(b) == 0 {
				<-changed
				continue
			}
			for rest := b; len(rest) > 0; {
				var v batch.View
				if v, rest, err = batch.Next(rest); err != nil || !v.SumOK() {
					t.Error(err, "or checksum")
					return
				}
				from = Offset(v.LastOffset()) + 1
			}
			buf = b
		}
	}
	wg.Go(tail)
	wg.Go(tail)
	wg.Go(func() { // both keys of a step are there together
		for !last.Load() {
			var got []string
			err := n.Scan(sp, nil, nil, func(k, v []byte) bool { got = append(got, string(v)); return true })
			if err != nil || len(got) != 0 && (len(got) != 2 || got[0] != got[1]) {
				t.Error(got, err)
				return
			}
			same := map[string]bool{}
			err = n.GetMany(sp, [][]byte{[]byte("a"), []byte("b"), []byte("c")}, func(i int, v []byte) { same[string(v)] = true })
			if err != nil || len(same) > 1 {
				t.Error(same, err)
				return
			}
		}
	})
	wg.Go(func() {
		for !last.Load() {
			if err := n.Checkpoint(); err != nil {
				t.Error(err)
			}
			if err := n.Compact(part, 0, 0); err != nil {
				t.Error(err)
			}
			var b bytes.Buffer
			if _, err := n.WriteSnapshot(&b); err != nil {
				t.Error(err)
			}
			n.Log(part)
			n.Logs()
		}
	})
	for i := range steps {
		var m Mutations
		m.Set(sp, []byte("a"), fmt.Append(nil, i))
		m.Set(sp, []byte("b"), fmt.Append(nil, i))
		before := Offset(i)
		if i == 0 {
			before = Unset
		}
		n.must(AppendCommit(nil, Commit{
			Task: task, Positions: []Position{{Before: before, After: Offset(i + 1)}}, State: m,
			Output: []Append{{Partition: part, Flags: Compacted, Batches: records(int64(i), kv{fmt.Sprint("k", i%50), "v"}, kv{fmt.Sprint("k", i), "w"})}},
		}))
	}
	last.Store(true)
	wg.Wait()
}

func FuzzApply(f *testing.F) {
	var m Mutations
	m.Set(NamedSpace("a"), []byte("k"), []byte("v"))
	m.Delete(NamedSpace("a"), []byte("k"))
	m.DropPrefix(QuerySpaces(1))
	f.Add(AppendState(nil, &m))
	f.Add(AppendAppend(nil, Append{Partition: part, Flags: Compacted, Batches: records(1, kv{"a", "b"}, kv{"a", ""})}))
	f.Add(AppendCommit(nil, Commit{Task: TaskID{Query: 1}, Positions: []Position{{0, 0, Unset, 1}}, State: m, Output: []Append{{Partition: part, Batches: records(1, kv{"a", "b"})}}}))
	f.Add(AppendTrim(nil, part, 1))
	f.Add(AppendDropTopic(nil, 9))
	f.Add(AppendDropTask(nil, 1))
	cfg := modelConfig()
	s, err := Open(cfg)
	if err != nil {
		f.Fatal(err)
	}
	sh := s.Shard(1)
	f.Fuzz(func(t *testing.T, cmd []byte) {
		keep := bytes.Clone(cmd)
		sh.Apply(sh.Applied()+1, 1, cmd)
		if sh.Err() != nil {
			t.Fatal(sh.Err())
		}
		if !bytes.Equal(cmd, keep) {
			t.Fatal("Apply changed the command")
		}
		for _, l := range sh.Logs() {
			if b, err := l.Read(l.Start(), 100, nil); err != nil || len(b) == 0 && l.Start() < l.End() {
				t.Fatal(b, err)
			}
		}
	})
}
