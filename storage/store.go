package storage

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Config says where a Store lives. The zero values of all but Dir work.
type Config struct {
	FS  vfs.FS // nil means the disk
	Dir string // required; made if it is not there

	CheckpointEvery time.Duration // 0 means 5s; negative: only when asked, and by DirtyBytes
	DirtyBytes      int64         // memory a shard's changes may take before a checkpoint; 0 means 64 MiB
	LogBytes        int64         // commands a shard may apply before a checkpoint, if that is cheap, see Shard.due; 0 means 16 MiB
	SegmentBytes    int64         // a log starts a new segment file at this length; 0 means 64 MiB
	IndexInterval   int64         // bytes of a log per entry of its offset and time index; 0 means 16 KiB
	CacheBytes      int64         // Pebble's block cache; 0 means 64 MiB
	MemTableBytes   uint64        // Pebble's memtable; 0 means 16 MiB: a checkpoint of more than half is flushed without one

	Logger Logger // nil means slog.Default
}

// Logger is where a Store writes what no caller is there to be told.
type Logger interface {
	Infof(format string, args ...any)
	Errorf(format string, args ...any)
}

func (c Config) withDefaults() (Config, error) {
	if c.Dir == "" {
		return c, errors.New("storage: Config.Dir is required")
	}
	if c.FS == nil {
		c.FS = vfs.Default
	}
	if c.CheckpointEvery == 0 {
		c.CheckpointEvery = 5 * time.Second
	}
	c.DirtyBytes = orDefault(c.DirtyBytes, 64<<20)
	c.LogBytes = orDefault(c.LogBytes, 16<<20)
	c.SegmentBytes = orDefault(c.SegmentBytes, 64<<20)
	c.IndexInterval = orDefault(c.IndexInterval, 16<<10)
	c.CacheBytes = orDefault(c.CacheBytes, 64<<20)
	c.MemTableBytes = orDefault(c.MemTableBytes, 16<<20)
	if min(c.DirtyBytes, c.LogBytes, c.SegmentBytes, c.IndexInterval, c.CacheBytes) < 0 {
		return c, errors.New("storage: a size in Config is negative")
	}
	if c.Logger == nil {
		c.Logger = slogger{}
	}
	return c, nil
}

func orDefault[T int64 | uint64](v, def T) T {
	if v == 0 {
		return def
	}
	return v
}

type slogger struct{}

func (slogger) Infof(format string, args ...any)  { slog.Debug(fmt.Sprintf(format, args...)) }
func (slogger) Errorf(format string, args ...any) { slog.Error(fmt.Sprintf(format, args...)) }

// pebbleLogger passes on what Pebble says. Pebble calls Fatalf when it cannot write its manifest or WAL, and counts on
// not coming back: the store is failed and Pebble's goroutine parked, so that the process stays up and can say so.
type pebbleLogger struct{ s *Store }

func (l pebbleLogger) Infof(string, ...any)              {} // of no use to those who run weir
func (l pebbleLogger) Errorf(format string, args ...any) { l.s.cfg.Logger.Errorf(format, args...) }
func (l pebbleLogger) Fatalf(format string, args ...any) {
	l.s.abandon(fmt.Errorf(format, args...))
	select {}
}

// Store is the storage of one node: its shards' logs and state.
type Store struct {
	cfg Config
	db  *pebble.DB

	mu     sync.Mutex
	shards map[ShardID]*Shard
	closed bool

	lost     atomic.Bool   // Pebble gave up; it must not be called again
	broken   chan struct{} // closed when Pebble could not write
	breaking sync.Once

	// The checkpointer is the one goroutine of a Store; it ends when quit is closed.
	kick chan struct{}
	quit chan struct{}
	done sync.WaitGroup
}

const (
	formatFile = "FORMAT"
	formatText = "weir storage 1\n"
)

// Open opens the store in cfg.Dir, or makes one. ErrForeign: there is something else in Dir; ErrNewer: its format is
// of a later version.
func Open(cfg Config) (*Store, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	made, err := checkFormat(cfg.FS, cfg.Dir)
	if err != nil {
		return nil, err
	}
	s := &Store{cfg: cfg, shards: make(map[ShardID]*Shard), broken: make(chan struct{}), kick: make(chan struct{}, 1), quit: make(chan struct{})}
	cache := pebble.NewCache(cfg.CacheBytes + 2*int64(cfg.MemTableBytes)) // memtables count against it
	defer cache.Unref()
	opts := &pebble.Options{
		FS: cfg.FS, Cache: cache, DisableWAL: true, MemTableSize: cfg.MemTableBytes, MemTableStopWritesThreshold: 4, Logger: pebbleLogger{s},
		FormatMajorVersion: pebble.FormatNewest, EventListener: &pebble.EventListener{
			BackgroundError: s.backgroundError,
			// By default Pebble calls Fatalf, even while it opens. Whoever reads gets an error, and that is enough.
			DataCorruption: func(i pebble.DataCorruptionInfo) { cfg.Logger.Errorf("storage: %v", i) },
		},
		// Checkpoints come in sorted bulk; a few more tables in level 0 are cheaper than compacting each at once.
		L0CompactionThreshold: 4, L0StopWritesThreshold: 24,
	}
	for i := range opts.Levels {
		opts.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	if s.db, err = pebble.Open(cfg.FS.PathJoin(cfg.Dir, "state"), opts); err != nil {
		return nil, fmt.Errorf("storage: %w", err)
	}
	if err = s.load(); err == nil && !made {
		err = finishFormat(cfg.FS, cfg.Dir)
	}
	if err != nil {
		return nil, errors.Join(err, s.db.Close())
	}
	s.done.Go(s.checkpointLoop)
	return s, nil
}

// checkFormat finds out whether the directory is a store, made, or can become one: it is empty, or a crash hit its
// making. In between, from here to finishFormat, formatFile.tmp stands there alone for "being made".
func checkFormat(fs vfs.FS, dir string) (made bool, err error) {
	if err := makeDir(fs, dir); err != nil {
		return false, err
	}
	path := fs.PathJoin(dir, formatFile)
	b, err := readFile(fs, path)
	switch {
	case err == nil && string(b) == formatText:
		return true, nil
	case err == nil && len(b) >= 13 && string(b[:13]) == formatText[:13]:
		return false, fmt.Errorf("%s says %q, this weir reads %q: %w", path, b, formatText, ErrNewer)
	case err == nil:
		return false, fmt.Errorf("%s says %.32q: %w", path, b, ErrForeign)
	case !errors.Is(err, os.ErrNotExist):
		return false, err
	}
	names, err := fs.List(dir)
	if err != nil {
		return false, err
	}
	if len(names) > 0 && !slices.Contains(names, formatFile+".tmp") {
		return false, fmt.Errorf("%s has no file %s, but holds %s: %w", dir, formatFile, names[0], ErrForeign)
	}
	if err := fs.RemoveAll(fs.PathJoin(dir, "state")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return false, err
	}
	if err := writeFile(fs, path+".tmp", formatText); err != nil {
		return false, err
	}
	return false, syncDir(fs, dir)
}

// finishFormat says that the store is made.
func finishFormat(fs vfs.FS, dir string) error {
	if err := syncDir(fs, fs.PathJoin(dir, "state")); err != nil {
		return err
	}
	path := fs.PathJoin(dir, formatFile)
	if err := fs.Rename(path+".tmp", path); err != nil {
		return err
	}
	return syncDir(fs, dir)
}

// makeDir makes dir, durably.
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
	return syncDir(fs, parent)
}

func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return closeWith(d.Sync(), d)
}

func readFile(fs vfs.FS, path string) ([]byte, error) {
	f, err := fs.Open(path)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err != nil {
		return nil, closeWith(err, f)
	}
	b := make([]byte, min(st.Size(), 1<<10))
	if n, err := f.ReadAt(b, 0); n < len(b) {
		return nil, closeWith(noEOF(err), f)
	}
	return b, f.Close()
}

func writeFile(fs vfs.FS, path, text string) error {
	f, err := fs.Create(path, "weir-format")
	if err != nil {
		return err
	}
	if _, err := f.Write([]byte(text)); err != nil {
		return closeWith(err, f)
	}
	return closeWith(f.Sync(), f)
}

// Shard returns the shard with the given number; one that was never seen is empty.
func (s *Store) Shard(id ShardID) *Shard {
	s.mu.Lock()
	defer s.mu.Unlock()
	sh := s.shards[id]
	if sh == nil {
		sh = s.newShard(id)
		if s.closed {
			err := ErrClosed
			sh.failed.Store(&err)
		}
		s.shards[id] = sh
	}
	return sh
}

func (s *Store) newShard(id ShardID) *Shard {
	return &Shard{
		id: id, store: s, dir: s.cfg.FS.PathJoin(s.cfg.Dir, "logs", fmt.Sprint(id)), active: newLayer(),
		logs: make(map[PartitionID]*Log), tasks: make(map[taskKey]*taskState),
	}
}

// Shards returns the shards that were opened, or were there when the store was, in order of their numbers.
func (s *Store) Shards() []*Shard {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*Shard
	for _, sh := range s.shards {
		out = append(out, sh)
	}
	slices.SortFunc(out, func(a, b *Shard) int { return cmp.Compare(a.id, b.id) })
	return out
}

// Close makes a last checkpoint of every shard that works and closes the store. Readers and Apply must have returned;
// later calls get ErrClosed.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	close(s.quit)
	s.done.Wait()
	err := s.Checkpoint()
	for _, sh := range s.Shards() {
		closed := error(ErrClosed)
		sh.failed.Store(&closed)
		err = errors.Join(err, sh.closeFiles())
	}
	if s.lost.Load() {
		return err // Pebble's locks are held for good
	}
	return errors.Join(err, s.db.Close())
}

func (sh *Shard) closeFiles() (err error) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for _, s := range sh.doomed {
		err = errors.Join(err, s.release())
	}
	sh.doomed = nil
	for _, l := range sh.logs {
		for _, s := range l.drop() {
			err = errors.Join(err, s.release())
		}
	}
	return err
}

// retryPause keeps Pebble, which repeats a failed flush at once and for ever, from burning a core on a full disk.
const retryPause = 100 * time.Millisecond

func (s *Store) backgroundError(err error) {
	s.breakDown(fmt.Errorf("pebble: %w", err))
	time.Sleep(retryPause)
}

// abandon stops all shards because Pebble failed for good.
func (s *Store) abandon(err error) {
	s.lost.Store(true)
	s.breakDown(err)
}

// breakDown stops all shards because Pebble could not write. It tries again by itself, but the shards have lost trust.
func (s *Store) breakDown(err error) {
	s.breaking.Do(func() { close(s.broken) })
	for _, sh := range s.Shards() {
		_ = sh.fail(err) // gives err back
	}
}
