package storage

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/weirdb/weir/internal/crashfs"
)

// atSyncs returns fs with before called at every sync, of a file or a directory.
func atSyncs(fs vfs.FS, before func(name string)) vfs.FS {
	return crashfs.Watch(fs, func(name string, sync func() error) error {
		before(name)
		return sync()
	})
}

// TestCrashAtEverySync runs a fixed random history and takes, before every fsync of it, disks as a crash could leave
// them: with nothing that was not synced, and with some of it. From each of them the store opens, stands at or after
// what it had called durable, and the journal brings it to where the model is.
func TestCrashAtEverySync(t *testing.T) {
	type crash struct {
		at      string
		disk    *vfs.MemFS
		durable uint64
	}
	seeds := uint64(4)
	if testing.Short() {
		seeds = 1
	}
	for seed := range seeds {
		var mu sync.Mutex
		var crashes []crash
		var n *node
		disk := vfs.NewCrashableMem()
		fs := atSyncs(disk, func(name string) {
			mu.Lock()
			defer mu.Unlock()
			c := crash{at: fmt.Sprintf("seed %d, sync %d of %s", seed, len(crashes), name)}
			if n != nil && n.Shard != nil {
				c.durable = n.Durable()
			}
			for _, percent := range []int{0, 30, 70} {
				c.disk = disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rand.New(rand.NewPCG(seed, uint64(len(crashes))))})
				crashes = append(crashes, c)
			}
		})
		cfg := modelConfig()
		cfg.FS = fs
		n = &node{t: t, cfg: cfg}
		n.open()
		m := newModel()
		rng := rand.New(rand.NewPCG(seed, 77))
		for i := range 60 {
			cmd, want := m.step(rng)
			if got := answer(n.apply(cmd)); got != want {
				t.Fatalf("seed %d, step %d: %q, want %q", seed, i, got, want)
			}
			switch rng.IntN(8) {
			case 0:
				if err := n.Checkpoint(); err != nil {
					t.Fatal(err)
				}
			case 1:
				p := modelPartitions[rng.IntN(len(modelPartitions))]
				if err := n.Compact(p, 2000, 5000); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, l := range m.logs {
			l.compacted = true // some were, at some time
		}
		if err := n.store.Close(); err != nil {
			t.Fatal(err)
		}
		for _, c := range crashes {
			cfg.FS = c.disk
			r := &node{t: t, cfg: cfg, journal: n.journal}
			s, err := Open(cfg)
			if err != nil {
				t.Fatalf("%s: %v", c.at, err)
			}
			if got := s.Shard(3).Applied(); got < c.durable {
				t.Fatalf("%s: applied %d after the crash, %d was durable before", c.at, got, c.durable)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			r.open()
			m.check(t, r.Shard)
			if err := r.store.Close(); err != nil {
				t.Fatalf("%s: %v", c.at, err)
			}
		}
		t.Logf("seed %d: %d crashes", seed, len(crashes))
	}
}

// A crash in the middle of a restore leaves an empty shard, or the whole new one.
func TestCrashInRestore(t *testing.T) {
	src := newNode(t, modelConfig())
	m := newModel()
	rng := rand.New(rand.NewPCG(1, 1))
	for range 100 {
		cmd, _ := m.step(rng)
		src.apply(cmd)
	}
	var stream strings.Builder
	if _, err := src.WriteSnapshot(&stream); err != nil {
		t.Fatal(err)
	}
	cfg := modelConfig()
	disk := cfg.FS.(*vfs.MemFS)
	var crashes []*vfs.MemFS
	cfg.FS = atSyncs(disk, func(string) {
		crashes = append(crashes, disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rand.New(rand.NewPCG(3, uint64(len(crashes))))}))
	})
	dst := &node{t: t, cfg: cfg}
	dst.open()
	old := records(1, kv{"old", "1"})
	dst.must(AppendAppend(nil, Append{Partition: part, Batches: old}))
	if err := dst.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	crashes = nil
	if _, err := dst.ReadSnapshot(strings.NewReader(stream.String())); err != nil {
		t.Fatal(err)
	}
	m.check(t, dst.Shard)
	if dst.Log(part) != nil {
		t.Fatal("a log that is not in the stream is still there")
	}
	if err := dst.store.Close(); err != nil {
		t.Fatal(err)
	}
	seen := map[uint64]int{}
	for _, disk := range crashes {
		cfg.FS = disk
		s, err := Open(cfg)
		if err != nil {
			t.Fatal(err)
		}
		sh := s.Shard(3)
		seen[sh.Applied()]++
		switch sh.Applied() {
		case 0:
			if len(sh.Logs()) != 0 {
				t.Fatal("half a restore is left")
			}
		case 1:
			diff(t, "before", read(t, sh.Log(part), 0), "[0 old=1]")
		default:
			m.check(t, sh)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("applied after crashes: %v", seen)
	if seen[0] == 0 {
		t.Fatal("no crash hit the restore")
	}
	// A stream that breaks off leaves the shard in ErrRestoring; the next one heals it.
	cfg.FS = vfs.NewCrashableMem()
	dst = &node{t: t, cfg: cfg}
	dst.open()
	if _, err := dst.ReadSnapshot(strings.NewReader(stream.String()[:stream.Len()/2])); err == nil {
		t.Fatal("half a stream was taken")
	}
	if _, _, err := dst.Get(NamedSpace("a"), []byte("0")); !errors.Is(err, ErrRestoring) {
		t.Fatal(err)
	}
	flipped := []byte(stream.String())
	flipped[len(flipped)/3] ^= 1
	if _, err := dst.ReadSnapshot(strings.NewReader(string(flipped))); err == nil {
		t.Fatal("a stream with a flipped bit was taken")
	}
	if _, err := dst.ReadSnapshot(strings.NewReader(stream.String())); err != nil {
		t.Fatal(err)
	}
	m.check(t, dst.Shard)
	if err := dst.store.Close(); err != nil {
		t.Fatal(err)
	}
}

// When the disk is full the shard stops, answers with the error, and still serves what it had applied.
func TestWriteErrorStopsShard(t *testing.T) {
	cfg := modelConfig()
	full := false
	disk := cfg.FS
	cfg.FS = errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if full && op.Kind.ReadOrWrite() == errorfs.OpIsWrite && strings.HasSuffix(op.Path, ".seg") {
			return errors.New("no space left on device")
		}
		return nil
	}))
	n := &node{t: t, cfg: cfg}
	n.open()
	m := newModel()
	rng := rand.New(rand.NewPCG(5, 5))
	full = true
	var stopped error
	for range 500 {
		before := m.clone()
		cmd, want := m.step(rng)
		res := n.Shard.Apply(n.Applied()+1, 7, cmd)
		if err, ok := res.(error); ok && errors.Is(err, ErrFailed) {
			stopped, m = err, before
			break
		}
		n.journal = append(n.journal, cmd)
		if got := answer(res); got != want {
			t.Fatal(got, want)
		}
	}
	if stopped == nil {
		t.Fatal("the shard did not stop")
	}
	if n.Applied() != uint64(len(n.journal)) || !errors.Is(n.Err(), ErrFailed) {
		t.Fatal(n.Applied(), len(n.journal), n.Err())
	}
	m.check(t, n.Shard)
	if err := n.Checkpoint(); !errors.Is(err, ErrFailed) {
		t.Fatal(err)
	}
	if err, _ := n.Shard.Apply(n.Applied()+1, 7, AppendTrim(nil, part, 0)).(error); !errors.Is(err, ErrFailed) {
		t.Fatal(err)
	}
	full = false
	if err := n.store.Close(); err != nil {
		t.Fatal(err)
	}
	n.cfg.FS = disk
	n.open()
	m.check(t, n.Shard)
	if err := n.store.Close(); err != nil {
		t.Fatal(err)
	}
}

// A checkpoint whose flush fails answers with the error, and Durable stays.
func TestFlushErrorStopsShard(t *testing.T) {
	cfg := modelConfig()
	disk := cfg.FS
	var full atomic.Bool
	cfg.FS = errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if full.Load() && op.Kind.ReadOrWrite() == errorfs.OpIsWrite && strings.HasSuffix(op.Path, ".sst") {
			return errors.New("no space left on device")
		}
		return nil
	}))
	n := &node{t: t, cfg: cfg}
	n.open()
	put := func(v string) {
		t.Helper()
		var m Mutations
		m.Set(NamedSpace("a"), []byte("k"), []byte(v))
		n.must(AppendState(nil, &m))
	}
	put("1")
	if err := n.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	put("2")
	full.Store(true)
	if err := n.Checkpoint(); !errors.Is(err, ErrFailed) {
		t.Fatal(err)
	}
	if n.Durable() != 1 || n.Applied() != 2 {
		t.Fatal(n.Durable(), n.Applied())
	}
	diff(t, "still served", scan(t, n.Shard, NamedSpace("a")), "[k=2]")
	if err, _ := n.Shard.Apply(3, 7, AppendTrim(nil, part, 0)).(error); !errors.Is(err, ErrFailed) {
		t.Fatal(err)
	}
	full.Store(false)
	if err := n.store.Close(); err != nil {
		t.Fatal(err)
	}
	n.cfg.FS = disk
	n.open()
	diff(t, "replayed", scan(t, n.Shard, NamedSpace("a")), "[k=2]")
	if err := n.store.Close(); err != nil {
		t.Fatal(err)
	}
}

// What lies in a file beyond the checkpoint is not served and is overwritten; what lies before it and does not check
// keeps the store from opening.
func TestTails(t *testing.T) {
	n := newNode(t, Config{})
	n.must(AppendAppend(nil, Append{Partition: part, Batches: records(1, kv{"a", "1"})}))
	if err := n.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	path := n.Log(part).segs[0].path
	damage := func(disk vfs.FS, at int64, b []byte) {
		t.Helper()
		f, err := disk.OpenReadWrite(path, "test")
		if err != nil {
			t.Fatal(err)
		}
		if at < 0 {
			st, err := f.Stat()
			if err != nil {
				t.Fatal(err)
			}
			at = st.Size()
		}
		if _, err := f.WriteAt(b, at); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	n.must(AppendAppend(nil, Append{Partition: part, Batches: records(2, kv{"b", "2"})}))
	disk := n.cfg.FS.(*vfs.MemFS)
	torn := disk.CrashClone(vfs.CrashCloneCfg{})
	damage(torn, -1, []byte(strings.Repeat("garbage", 50)))
	broken := disk.CrashClone(vfs.CrashCloneCfg{})
	damage(broken, segmentHeader+66, []byte{0xee})
	if err := n.store.Close(); err != nil {
		t.Fatal(err)
	}
	n.cfg.FS = torn
	n.open()
	diff(t, "log", read(t, n.Log(part), 0), "[0 a=1 1 b=2]")
	if err := n.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	n.reopen()
	diff(t, "log", read(t, n.Log(part), 0), "[0 a=1 1 b=2]")
	cfg := n.cfg
	cfg.FS = broken
	if _, err := Open(cfg); !errors.Is(err, ErrCorrupt) {
		t.Fatal(err)
	}
}

func TestForeignDirectory(t *testing.T) {
	check := func(file, text string, want error) {
		t.Helper()
		fs := vfs.NewMem()
		if err := fs.MkdirAll("d", os.ModePerm); err != nil {
			t.Fatal(err)
		}
		if err := writeFile(fs, "d/"+file, text); err != nil {
			t.Fatal(err)
		}
		s, err := Open(Config{FS: fs, Dir: "d"})
		if !errors.Is(err, want) {
			t.Errorf("%s %q: %v, want %v", file, text, err, want)
		}
		if err == nil && s.Close() != nil {
			t.Error("close")
		}
	}
	check("PG_VERSION", "15\n", ErrForeign)
	check("FORMAT", "weir storage 2\n", ErrNewer)
	check("FORMAT", "weir storage", ErrForeign)
	check("FORMAT", "", ErrForeign)
	check("FORMAT.tmp", "weir stor", nil) // a crash when it was made
	check("FORMAT", formatText, nil)
}

// probe calls look once, when the first bytes are read.
type probe struct {
	r    io.Reader
	look func()
}

func (p *probe) Read(b []byte) (int, error) {
	if p.look != nil {
		p.look()
		p.look = nil
	}
	return p.r.Read(b)
}

// Readers that hold a log while its shard is restored go on reading it, also one
// that waits for the first record.
func TestReadersSurviveARestore(t *testing.T) {
	src := newNode(t, modelConfig())
	src.must(AppendAppend(nil, Append{Partition: part, Batches: records(1, kv{"a", "1"}, kv{"a", "2"})}))
	var stream strings.Builder
	if _, err := src.WriteSnapshot(&stream); err != nil {
		t.Fatal(err)
	}
	dst := newNode(t, modelConfig())
	dst.must(AppendAppend(nil, Append{Partition: part, Batches: records(1, kv{"a", "1"})}))
	empty := PartitionID{part.Topic, part.Partition + 1}
	l, waiting := dst.Log(part), dst.OpenLog(empty)
	before, first := l.Changed(), waiting.Changed()
	var during <-chan struct{}
	in := &probe{strings.NewReader(stream.String()), func() {
		<-before
		during = l.Changed()
		if _, err := l.Read(0, 100, nil); !errors.Is(err, ErrRestoring) {
			t.Errorf("read during the restore: %v", err)
		}
	}}
	if _, err := dst.ReadSnapshot(in); err != nil {
		t.Fatal(err)
	}
	<-during
	diff(t, "restored", read(t, l, 0), "[0 a=1 1 a=2]")
	after := l.Changed()
	dst.must(AppendAppend(nil, Append{Partition: part, Batches: records(1, kv{"a", "3"})}))
	<-after
	<-first // it was told to look again
	dst.must(AppendAppend(nil, Append{Partition: empty, Batches: records(1, kv{"b", "1"})}))
	diff(t, "the log that was empty", read(t, waiting, 0), "[0 b=1]")
}

// A restore is durable also for logs that a checkpoint had still to write.
func TestARestoreOverDirtyLogsIsDurable(t *testing.T) {
	src := newNode(t, modelConfig())
	src.must(AppendAppend(nil, Append{Partition: part, Batches: records(1, kv{"a", "1"}, kv{"a", "2"})}))
	var stream strings.Builder
	if _, err := src.WriteSnapshot(&stream); err != nil {
		t.Fatal(err)
	}
	disk := vfs.NewCrashableMem()
	cfg := modelConfig()
	cfg.FS = disk
	dst := newNode(t, cfg)
	dst.must(AppendAppend(nil, Append{Partition: part, Batches: records(1, kv{"b", "1"})}))
	if _, err := dst.ReadSnapshot(strings.NewReader(stream.String())); err != nil {
		t.Fatal(err)
	}
	check := func(want string) {
		t.Helper()
		cfg := dst.cfg
		cfg.FS = disk.CrashClone(vfs.CrashCloneCfg{})
		s, err := Open(cfg)
		if err != nil {
			t.Fatal(err)
		}
		diff(t, "after a crash", read(t, s.Shard(dst.ID()).OpenLog(part), 0), want)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	check("[0 a=1 1 a=2]")
	dst.must(AppendAppend(nil, Append{Partition: part, Batches: records(1, kv{"a", "3"})}))
	if err := dst.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	check("[0 a=1 1 a=2 2 a=3]")
}
