package replication

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable/block"
	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	// The memtable decides how much of the journal is never written but to its WAL:
	// what is truncated before it fills. Storage makes a checkpoint every 16 MB of
	// plain appends; what comes in until it is durable is about as much again.
	journalMemTable = 128 << 20
	// Larger tables than Pebble's 2 MB made the journal a third quicker to write and
	// its truncation cheaper, since whole tables drop out.
	journalTable = 64 << 20
	// Values from here on go to blob files, which compactions do not rewrite.
	journalSeparate = 256

	// syncDelay is how long a NoSync entry may wait for its fsync; the promise of
	// 50 ms leaves some for the fsync itself.
	syncDelay = 40 * time.Millisecond

	// noSpaceReserve is the free space below which proposals are refused. Pebble
	// cannot go on once a write of its WAL has failed, so one that might fail is not
	// begun; the reserve lets flushes and elections go on.
	noSpaceReserve = 64 << 20
)

// journalGroup is where the journal keeps what belongs to no group.
const journalGroup = math.MaxUint32

// journalFormat is written under journalFormatKey. Change it with the layout.
var (
	journalFormatKey = append(groupPrefix(journalGroup, 0xff), 'f')
	journalFormat    = []byte{1}
)

// A journal is the Pebble instance that holds the logs of all groups of a node.
type journal struct {
	db  *pebble.DB
	fs  vfs.FS
	dir string
	log *slog.Logger

	failure   atomic.Pointer[error] // set once: nothing is written any more
	maimed    atomic.Bool           // the failure ended one of Pebble's goroutines
	full      atomic.Bool           // set while the disk has less than noSpaceReserve left
	dirty     chan struct{}         // something was written without a sync; capacity 1
	stop      chan struct{}
	syncer    sync.WaitGroup
	onFailure func(error) // called once, from its own goroutine
}

func openJournal(fs vfs.FS, dir string, log *slog.Logger, onFailure func(error)) (*journal, error) {
	j := &journal{
		fs: fs, dir: dir, log: log, onFailure: onFailure,
		dirty: make(chan struct{}, 1), stop: make(chan struct{}),
	}
	opts := &pebble.Options{
		FS:                          fs,
		FormatMajorVersion:          pebble.FormatValueSeparation,
		MemTableSize:                journalMemTable,
		MemTableStopWritesThreshold: 4,
		L0CompactionThreshold:       4,
		L0StopWritesThreshold:       64,
		Logger:                      pebbleLogger{j},
		// By default Pebble calls Fatalf, even while it opens. Whoever reads gets an error.
		EventListener: &pebble.EventListener{DataCorruption: func(i pebble.DataCorruptionInfo) {
			j.log.Error("the journal is damaged", "err", i.String())
		}},
	}
	for i := range opts.TargetFileSizes {
		opts.TargetFileSizes[i] = journalTable
	}
	opts.ApplyCompressionSettings(func() pebble.DBCompressionSettings {
		return pebble.UniformDBCompressionSettings(block.NoCompression)
	})
	opts.Experimental.ValueSeparationPolicy = func() pebble.ValueSeparationPolicy {
		return pebble.ValueSeparationPolicy{
			Enabled:               true,
			MinimumSize:           journalSeparate,
			MaxBlobReferenceDepth: 10,
			RewriteMinimumAge:     time.Minute,
			TargetGarbageRatio:    0.5, // most of a file is truncated soon after it was written
		}
	}
	if err := makeDir(fs, dir); err != nil {
		return nil, fmt.Errorf("journal %s: %w", dir, err)
	}
	db, err := pebble.Open(dir, opts)
	if err != nil {
		return nil, fmt.Errorf("journal %s: %w", dir, err)
	}
	j.db = db
	if err := j.checkFormat(); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	j.checkSpace()
	j.syncer.Go(j.syncLater)
	return j, nil
}

// makeDir makes dir and its missing parents so that they survive a crash.
func makeDir(fs vfs.FS, dir string) error {
	if _, err := fs.Stat(dir); err == nil {
		return nil
	}
	parent := fs.PathDir(dir)
	if parent != dir {
		if err := makeDir(fs, parent); err != nil {
			return err
		}
	}
	if err := fs.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	d, err := fs.OpenDir(parent)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (j *journal) checkFormat() error {
	v, closer, err := j.db.Get(journalFormatKey)
	if errors.Is(err, pebble.ErrNotFound) {
		return j.db.Set(journalFormatKey, journalFormat, pebble.Sync)
	}
	if err != nil {
		return fmt.Errorf("journal %s: %w", j.dir, err)
	}
	defer closer.Close()
	if string(v) != string(journalFormat) {
		return fmt.Errorf("journal %s has format %v, this version reads %v", j.dir, v, journalFormat)
	}
	return nil
}

// close leaves the database open if a failure ended one of Pebble's own
// goroutines: Pebble would wait for it.
func (j *journal) close() error {
	close(j.stop)
	j.syncer.Wait()
	err := j.failed()
	if err == nil {
		err = j.sync()
	}
	if j.maimed.Load() {
		return err
	}
	return errors.Join(err, j.db.Close())
}

// commit applies b, waits if asked until it and all before it are on disk, and
// closes b.
func (j *journal) commit(b *pebble.Batch, sync bool) error {
	if err := j.apply(b, sync); err != nil {
		return err // and b is Pebble's
	}
	return b.Close()
}

// apply is commit for a batch that the caller will reset and use again. Any
// number of goroutines share an fsync.
func (j *journal) apply(b *pebble.Batch, sync bool) (err error) {
	if err := j.failed(); err != nil {
		return err
	}
	defer func() {
		switch r := recover().(type) {
		case nil:
		case commitFailure:
			err = j.fail(r.err)
		default:
			panic(r)
		}
	}()
	opts := pebble.NoSync
	if sync {
		opts = pebble.Sync
	}
	if err := j.db.Apply(b, opts); err != nil {
		return j.fail(err)
	}
	if !sync {
		select {
		case j.dirty <- struct{}{}:
		default:
		}
	}
	return nil
}

// sync puts all that was committed on disk.
func (j *journal) sync() error {
	b := j.db.NewBatch()
	if err := b.LogData(nil, nil); err != nil {
		return err
	}
	return j.commit(b, true)
}

// syncLater keeps the promise of NoSync. It has a timer only while there is
// something to sync.
func (j *journal) syncLater() {
	for {
		select {
		case <-j.dirty:
		case <-j.stop:
			return
		}
		timer := time.NewTimer(syncDelay)
		select {
		case <-timer.C:
		case <-j.stop:
			timer.Stop()
			return // close syncs
		}
		if err := j.sync(); err != nil {
			return // nothing is written after a failure
		}
	}
}

// failed returns why the journal takes no more writes, or nil.
func (j *journal) failed() error {
	if p := j.failure.Load(); p != nil {
		return *p
	}
	return nil
}

func (j *journal) fail(err error) error {
	err = fmt.Errorf("journal %s: %w", j.dir, err)
	if j.failure.CompareAndSwap(nil, &err) {
		j.log.Error("the journal failed; this node takes no more commands until it is restarted", "err", err)
		if j.onFailure != nil {
			go j.onFailure(err)
		}
	}
	return *j.failure.Load()
}

// writable says whether a new command may be taken.
func (j *journal) writable() error {
	if err := j.failed(); err != nil {
		return err
	}
	if j.full.Load() {
		return ErrNoSpace
	}
	return nil
}

// checkSpace updates what writable says about the disk.
func (j *journal) checkSpace() {
	usage, err := j.fs.GetDiskUsage(j.dir)
	full := err == nil && usage.AvailBytes < noSpaceReserve // memory disks cannot say
	if j.full.Swap(full) != full {
		j.log.Warn("journal disk", "full", full, "available_bytes", usage.AvailBytes)
	}
}

// commitFailure carries a failed write from Pebble's logger up to commit.
type commitFailure struct{ err error }

// fatalError is a message of Pebble's that wraps the errors it tells of.
type fatalError struct {
	msg  string
	args []any
}

func (e fatalError) Error() string { return e.msg }

func (e fatalError) Unwrap() (errs []error) {
	for _, a := range e.args {
		if err, ok := a.(error); ok {
			errs = append(errs, err)
		}
	}
	return errs
}

// pebbleLogger gives Pebble's messages to slog and keeps its fatal errors from
// ending the process.
type pebbleLogger struct{ j *journal }

func (l pebbleLogger) Infof(format string, args ...any) {
	l.j.log.Debug("pebble: " + fmt.Sprintf(format, args...))
}

func (l pebbleLogger) Errorf(format string, args ...any) {
	l.j.log.Warn("pebble: " + fmt.Sprintf(format, args...))
}

// Fatalf must not return. A failed commit is in the hands of commit; anything
// else happens on one of Pebble's own goroutines, which ends, its deferred
// unlocks done. Pebble is not used any more after either.
func (l pebbleLogger) Fatalf(format string, args ...any) {
	err := error(fatalError{msg: fmt.Sprintf(format, args...), args: args})
	if strings.HasPrefix(format, "pebble: fatal commit error") {
		panic(commitFailure{err})
	}
	l.j.maimed.Store(true)
	_ = l.j.fail(err)
	runtime.Goexit()
}
