package sim

import (
	"errors"
	"math/rand/v2"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/weirdb/weir/internal/crashfs"
)

// A disk is what one life of a node writes to. It crashes at most once: before
// its crashAt-th sync, or when crash is called. What runs on it then goes on as a
// ghost; the next life starts on what the crash left.
type disk struct {
	fs  vfs.FS // what the node writes to
	mem *vfs.MemFS
	rnd *rand.Rand // under mu
	// lies makes syncs of the journal do nothing.
	lies bool
	// severed is called right before the crash: nothing that the ghost does may
	// be seen by others.
	severed func()

	mu      sync.Mutex
	syncs   int
	crashAt int // 0: never
	left    *vfs.MemFS
	crashed chan struct{} // closed by the crash
}

// newDisk returns a disk on mem.
func newDisk(mem *vfs.MemFS, rnd *rand.Rand, crashAt int, lies bool, severed func()) *disk {
	d := &disk{mem: mem, rnd: rnd, crashAt: crashAt, lies: lies, severed: severed, crashed: make(chan struct{})}
	d.fs = crashfs.Watch(ordered{mem}, func(name string, sync func() error) error {
		d.mu.Lock()
		if d.syncs++; d.syncs == d.crashAt {
			d.crashLocked()
		}
		d.mu.Unlock()
		if lies && strings.Contains(name, "journal") && strings.HasSuffix(name, ".log") {
			return nil
		}
		return sync()
	})
	return d
}

// crash cuts the power.
func (d *disk) crash() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.crashLocked()
}

func (d *disk) crashLocked() {
	if d.left != nil {
		return
	}
	d.severed()
	// Of what was not synced a crash leaves nothing, half of the blocks, or all.
	share := 50 * d.rnd.IntN(3)
	if d.lies {
		share = 0 // or Pebble sees that blocks are missing in the middle
	}
	d.left = d.mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: share, RNG: d.rnd})
	close(d.crashed)
}

// alive tells that the disk has not crashed yet. A client that got its answer
// before it asked can count on it: the crash is later.
func (d *disk) alive() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.left == nil
}

// spare takes back the order to crash at a sync.
func (d *disk) spare() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.crashAt = 0
}

// ordered is a disk whose crash does not keep Pebble's marker of a manifest and
// lose the manifest. Pebble makes the one after the other and syncs their
// directory once: it counts on a file system that makes changes of a directory
// durable in their order, as those of Linux do. vfs.MemFS does not.
type ordered struct{ *vfs.MemFS }

func (fs ordered) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if strings.HasPrefix(fs.PathBase(name), "marker.") {
		d, err := fs.MemFS.OpenDir(fs.PathDir(name))
		if err != nil {
			return nil, err
		}
		if err := errors.Join(d.Sync(), d.Close()); err != nil {
			return nil, err
		}
	}
	return fs.MemFS.Create(name, c)
}
