package hostile

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/weirdb/weir/engine"
)

// smallDisk is a disk that can be full: what takes space fails with ENOSPC. Its owner
// says how much it reports to be free.
type smallDisk struct {
	vfs.FS
	full atomic.Bool
	free atomic.Uint64
}

func newSmallDisk(fs vfs.FS) *smallDisk {
	d := &smallDisk{FS: fs}
	d.free.Store(1 << 40)
	return d
}

func (d *smallDisk) check() error {
	if d.full.Load() {
		return fmt.Errorf("write: %w", syscall.ENOSPC)
	}
	return nil
}

func (d *smallDisk) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{AvailBytes: d.free.Load(), TotalBytes: 1 << 40}, nil
}

func (d *smallDisk) wrap(f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return &smallFile{f, d}, nil
}

func (d *smallDisk) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	return d.wrap(d.FS.Create(name, c))
}

func (d *smallDisk) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	return d.wrap(d.FS.OpenReadWrite(name, c, o...))
}

func (d *smallDisk) ReuseForWrite(oldname, newname string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return d.wrap(d.FS.ReuseForWrite(oldname, newname, c))
}

type smallFile struct {
	vfs.File
	d *smallDisk
}

func (f *smallFile) Write(p []byte) (int, error) {
	if err := f.d.check(); err != nil {
		return 0, err
	}
	return f.File.Write(p)
}

func (f *smallFile) WriteAt(p []byte, at int64) (int, error) {
	if err := f.d.check(); err != nil {
		return 0, err
	}
	return f.File.WriteAt(p, at)
}

func (f *smallFile) Preallocate(at, n int64) error {
	if err := f.d.check(); err != nil {
		return err
	}
	return f.File.Preallocate(at, n)
}

// until runs a statement until ok likes what came of it.
func until(t *testing.T, n *node, sql string, ok func(error) bool) {
	t.Helper()
	c := n.connect()
	var last error
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if _, last = try(c, sql); ok(last) {
			return
		}
	}
	t.Fatalf("%s: still %v", sql, last)
}

// TestNoSpaceLeft lets a disk run low: writes are refused, reads go on, and when there is
// room again writes are taken again, with no restart.
func TestNoSpaceLeft(t *testing.T) {
	t.Parallel() // the disk is looked at every few seconds
	d := newSmallDisk(vfs.NewMem())
	n := start(t, d, settings{})
	w := watch(n)
	c := n.connect()
	exec(t, c, `CREATE TABLE kept (id BIGINT PRIMARY KEY, v TEXT); INSERT INTO kept VALUES (1, 'x')`)
	d.free.Store(1 << 20)
	until(t, n, `INSERT INTO kept VALUES (2, 'y')`, func(err error) bool { return sqlstate(err) == "53100" })
	_, err := try(c, `CREATE TABLE more (id BIGINT PRIMARY KEY)`)
	if sqlstate(err) != "53100" {
		t.Errorf("CREATE TABLE: %v, want 53100", err)
	}
	if rows := exec(t, c, `SELECT v FROM kept WHERE id = 1`); fmt.Sprint(rows) != "[[x]]" {
		t.Errorf("reading: %v", rows)
	}
	d.free.Store(1 << 40)
	until(t, n, `INSERT INTO kept VALUES (3, 'z')`, func(err error) bool { return err == nil })
	w.testify(n)
}

// TestDiskFull lets writes fail with ENOSPC at once, with no warning before. What fails
// is told so, reads go on, and after a restart on a disk with room all that was
// acknowledged is there.
func TestDiskFull(t *testing.T) {
	mem := vfs.NewCrashableMem()
	d := newSmallDisk(mem)
	n := start(t, d, settings{})
	w := watch(n)
	c := n.connect()
	exec(t, c, `CREATE TABLE kept (id BIGINT PRIMARY KEY, v TEXT); INSERT INTO kept VALUES (1, 'x')`)
	d.full.Store(true)
	_, err := try(c, `INSERT INTO kept VALUES (2, 'y')`)
	if code := sqlstate(err); code != "53100" && code != "40003" {
		t.Errorf("INSERT: %v (%s), want 53100 or 40003, outcome unknown", err, code)
	}
	_, err = try(c, `INSERT INTO kept VALUES (3, 'y')`)
	if code := sqlstate(err); code != "53100" {
		t.Errorf("the next INSERT: %v (%s), want 53100", err, code)
	}
	if rows := exec(t, n.connect(), `SELECT v FROM kept WHERE id = 1`); fmt.Sprint(rows) != "[[x]]" {
		t.Errorf("reading: %v", rows)
	}
	w.rest()
	crashed := mem.CrashClone(vfs.CrashCloneCfg{})
	again := start(t, crashed, settings{})
	if rows := exec(t, again.connect(), `SELECT v FROM kept WHERE id = 1`); fmt.Sprint(rows) != "[[x]]" {
		t.Errorf("after the restart: %v", rows)
	}
	w.testify(again)
	n.abandon()
}

// TestPowerCut cuts a node off in mid-write, leaving nothing, half or all of what was
// not synced, again and again.
func TestPowerCut(t *testing.T) {
	mem := vfs.NewCrashableMem()
	rnd := rand.New(rand.NewPCG(*seed, 0))
	for round := range much(4) {
		n := start(t, mem, settings{engine: engine.Config{CheckpointEvery: 20 * time.Millisecond}})
		w := watch(n)
		c := n.connect()
		exec(t, c, fmt.Sprintf(`CREATE TABLE IF NOT EXISTS kept (id BIGINT PRIMARY KEY); INSERT INTO kept VALUES (%d)`, round))
		for range 50 {
			exec(t, c, `SELECT count(*) FROM witness`)
		}
		w.mu.Lock() // what is acknowledged after the cut is not the disk's to keep
		left := mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50 * rnd.IntN(3), RNG: rnd})
		acked := append([]string(nil), w.acked...)
		w.mu.Unlock()
		w.rest()
		n.stop()
		again := start(t, left, settings{})
		got := map[string]int{}
		for _, row := range exec(t, again.connect(), `SELECT v FROM witness`) {
			got[row[0]]++
		}
		for _, v := range acked {
			// Kafka's client asks for acks from all, so both doors promise the disk.
			if got[v] != 1 {
				t.Fatalf("seed %d, round %d: %s is there %d times", *seed, round, v, got[v])
			}
		}
		if rows := exec(t, again.connect(), `SELECT count(*) FROM kept`); fmt.Sprint(rows) != fmt.Sprintf("[[%d]]", round+1) {
			t.Fatalf("seed %d, round %d: %v rows are kept", *seed, round, rows)
		}
		again.stop()
		mem = left
	}
}

// files returns the paths of all files below dir.
func files(t *testing.T, fs vfs.FS, dir string) (out []string) {
	t.Helper()
	names, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		p := fs.PathJoin(dir, name)
		info, err := fs.Stat(p)
		if err != nil {
			t.Fatal(err)
		}
		if info.IsDir() {
			out = append(out, files(t, fs, p)...)
		} else {
			out = append(out, p)
		}
	}
	return out
}

// rewrite replaces a file by what change makes of it.
func rewrite(t *testing.T, fs vfs.FS, name string, change func([]byte) []byte) {
	t.Helper()
	f, err := fs.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, info.Size())
	if len(b) > 0 {
		if _, err := f.ReadAt(b, 0); err != nil {
			t.Fatal(err)
		}
	}
	f.Close()
	out, err := fs.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := out.Write(change(b)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(out.Sync(), out.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestDamage damages each file of a data directory in turn, after an orderly stop. The
// node serves every row, or refuses to open, or refuses to read; it never serves less as
// if it were all, and never falls over.
func TestDamage(t *testing.T) {
	mem := vfs.NewCrashableMem()
	n := start(t, mem, settings{})
	c := n.connect()
	exec(t, c, `CREATE TABLE kept (id BIGINT PRIMARY KEY, v TEXT)`)
	for i := range 20 {
		exec(t, c, fmt.Sprintf(`INSERT INTO kept VALUES (%d, 'x')`, i))
	}
	n.stop()
	served, refused := 0, 0
	for _, damage := range []struct {
		name   string
		change func([]byte) []byte
	}{
		{"garbage at the end", func(b []byte) []byte {
			return append(b, "garbage, of which there is quite a lot at the end of this"...)
		}},
		{"emptied", func([]byte) []byte { return nil }},
		{"cut in half", func(b []byte) []byte { return b[:len(b)/2] }},
		{"noise", func(b []byte) []byte {
			for i := range b {
				b[i] ^= 0x5a
			}
			return b
		}},
	} {
		for _, name := range files(t, mem, "/weir") {
			fs := mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 1))})
			rewrite(t, fs, name, damage.change)
			n, err := open(t, fs, settings{})
			if err != nil {
				refused++
				t.Logf("%s, %s: %v", name, damage.name, err)
				continue
			}
			rows, err := try(n.connect(), `SELECT count(*) FROM kept`)
			if err != nil {
				t.Logf("%s, %s: %v", name, damage.name, err)
			} else if fmt.Sprint(rows) != "[[20]]" {
				t.Errorf("%s, %s: %v rows", name, damage.name, rows)
			} else {
				served++
			}
			n.stop()
		}
	}
	t.Logf("%d damaged directories are served in full, %d refused to open", served, refused)
}
