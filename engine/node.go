package engine

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sync/errgroup"

	"github.com/weirdb/weir/replication"
	"github.com/weirdb/weir/storage"
)

// Config configures a Node. Only Dir is required.
type Config struct {
	Dir string // of all the node's data; made if it is not there
	FS  vfs.FS // nil means the operating system's

	// ID names the node in the cluster, for ever. Empty means "n1". It counts when
	// Dir is made; later the one in Dir holds.
	ID string
	// Shards is the number of raft groups that carry data. 0 means 4. It counts
	// when Dir is made.
	Shards uint32
	// Network reaches the other nodes; the zero value means that there are none.
	Network replication.Network
	// Voters are the members of a new cluster; nil means this node alone.
	Voters []replication.Voter

	// Partitions is how many a topic gets if nobody says. 0 means 1.
	Partitions int32
	// CheckpointEvery is passed to storage; 0 means its default.
	CheckpointEvery time.Duration
	// ElectionTimeout is passed to replication; 0 means its default.
	ElectionTimeout time.Duration
	// JournalWindow is how many bytes of applied entries the journal keeps for
	// nodes that were away; 0 means replication's default. A node further behind is
	// given the contents of what it lacks.
	JournalWindow int64
	// StateMachine, if set, wraps what each shard's group applies its commands to:
	// a place from which tests observe and disturb a node.
	StateMachine func(shard *storage.Shard, m replication.FSM) replication.FSM
	// RetentionEvery is how often old segments are looked for. 0 means 30 s.
	RetentionEvery time.Duration
	// QueryMemory bounds the bytes that one bounded query may hold. 0 means 256 MiB.
	QueryMemory int64

	Version string       // of the program, for version() and the like
	Logger  *slog.Logger // nil means slog.Default
}

func (c Config) withDefaults() (Config, error) {
	if c.Dir == "" {
		return c, errors.New("engine: no directory")
	}
	if c.FS == nil {
		c.FS = vfs.Default
	}
	if c.ID == "" {
		c.ID = "n1"
	}
	if c.Shards == 0 {
		c.Shards = 4
	}
	if c.Shards > maxShards {
		return c, fmt.Errorf("engine: %d shards, the limit is %d", c.Shards, maxShards)
	}
	if c.Partitions == 0 {
		c.Partitions = 1
	}
	if c.RetentionEvery == 0 {
		c.RetentionEvery = 30 * time.Second
	}
	if c.QueryMemory == 0 {
		c.QueryMemory = 256 << 20
	}
	if c.StateMachine == nil {
		c.StateMachine = func(_ *storage.Shard, m replication.FSM) replication.FSM { return m }
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c, nil
}

// maxShards: each is a raft group with goroutines and heartbeats of its own; a
// hundred cost a tenth of a core idle (docs/adr/0002).
const maxShards = 100

// A Node is one member of a cluster: its disk, its groups, the catalog, and the
// queries that run here.
type Node struct {
	cfg     Config
	log     *slog.Logger
	store   *storage.Store
	repl    *replication.Node
	meta    *meta
	shards  []*shard // by the number that the catalog uses
	sup     *supervisor
	errlog  *errorLog
	clients sessions
	cluster string // names the cluster to Kafka clients

	stop context.CancelFunc
	wait sync.WaitGroup
}

// identity is the file that makes a directory a node's.
type identity struct {
	Format  int
	ID      string
	Shards  uint32
	Cluster string // random: two clusters differ
}

// layout is the version of the directory: identity, journal, storage.
const layout = 1

const identityFile = "weir.json"

// ErrNewer says that a later version of Weir wrote the directory.
var ErrNewer = errors.New("the data directory was written by a newer version of weir")

// ErrForeign says that a directory holds something else.
var ErrForeign = errors.New("the directory is not empty and is no weir data directory")

// Open opens a node's data and joins its groups. It returns once the node serves:
// with a single voter that is when the journal is replayed, else when every group has
// a leader.
func Open(ctx context.Context, cfg Config) (*Node, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	id, err := identify(&cfg)
	if err != nil {
		return nil, err
	}
	n := &Node{cfg: cfg, log: cfg.Logger, cluster: id.Cluster}
	path := func(name string) string { return cfg.FS.PathJoin(cfg.Dir, name) }
	n.store, err = storage.Open(storage.Config{
		FS: cfg.FS, Dir: path("storage"), CheckpointEvery: cfg.CheckpointEvery, Logger: storageLogger{cfg.Logger},
	})
	if err != nil {
		return nil, err
	}
	n.repl, err = replication.Open(replication.Config{
		ID: id.ID, FS: cfg.FS, Dir: path("journal"), Network: cfg.Network, ElectionTimeout: cfg.ElectionTimeout,
		Window: cfg.JournalWindow,
		Logger: cfg.Logger.With("room", "replication"),
	})
	if err != nil {
		return nil, errors.Join(err, n.store.Close())
	}
	run, stop := context.WithCancel(context.Background())
	n.stop = stop
	if err := n.open(ctx, run, id); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

func (n *Node) open(ctx, run context.Context, id identity) error {
	voters := n.cfg.Voters
	if voters == nil {
		voters = []replication.Voter{{ID: id.ID, Addr: n.repl.Addr()}}
	}
	var err error
	if n.meta, err = openMeta(n.store.Shard(0), n.repl, voters); err != nil {
		return err
	}
	for i := range id.Shards {
		// Group 0 is the meta group; the catalog counts shards from 0.
		sh := &shard{store: n.store.Shard(storage.ShardID(i + 1)), failed: n.repl.Err}
		if sh.group, err = n.repl.Group(i+1, voters, n.cfg.StateMachine(sh.store, shardFSM{sh.store})); err != nil {
			return err
		}
		n.shards = append(n.shards, sh)
	}
	// Without this a statement that comes at once may find a shard without a leader, or
	// not yet see what was acknowledged before a restart.
	groups, wait := errgroup.WithContext(ctx)
	for i, g := range n.Groups() {
		groups.Go(func() error {
			if err := groupReady(wait, g); err != nil {
				return fmt.Errorf("no leader of group %d: %w", i, err)
			}
			return nil
		})
	}
	if err := groups.Wait(); err != nil {
		return err
	}
	n.errlog = newErrorLog(n)
	n.sup = newSupervisor(n)
	n.wait.Go(func() { n.errlog.run(run) })
	n.wait.Go(func() { n.sup.run(run) })
	n.wait.Go(func() { n.retain(run) })
	return n.sup.caughtUp(ctx, n.Catalog().Version)
}

// Groups returns the node's raft groups by number: the meta group is 0, shard i
// of the catalog is i+1.
func (n *Node) Groups() []*replication.Group {
	out := []*replication.Group{n.meta.group}
	for _, s := range n.shards {
		out = append(out, s.group)
	}
	return out
}

// Close stops the queries, hands over leadership and closes the disk. What was
// acknowledged is safe with or without it.
func (n *Node) Close() error {
	n.stop()
	n.wait.Wait()
	return errors.Join(n.repl.Close(), n.store.Close())
}

// identify reads or makes the directory's identity.
func identify(cfg *Config) (identity, error) {
	fs, name := cfg.FS, cfg.FS.PathJoin(cfg.Dir, identityFile)
	if err := makeDir(fs, cfg.Dir); err != nil {
		return identity{}, fmt.Errorf("data directory: %w", err)
	}
	f, err := fs.Open(name)
	if err == nil {
		defer f.Close()
		var id identity
		b, err := io.ReadAll(io.LimitReader(f, 1<<16))
		if err == nil {
			err = json.Unmarshal(b, &id)
		}
		if err != nil {
			return id, fmt.Errorf("%s: %w", name, errors.Join(ErrForeign, err))
		}
		if id.Format > layout {
			return id, fmt.Errorf("%s has format %d, this program knows %d: %w", name, id.Format, layout, ErrNewer)
		}
		return id, nil
	}
	if entries, err := fs.List(cfg.Dir); err != nil {
		return identity{}, fmt.Errorf("data directory: %w", err)
	} else if len(entries) > 0 {
		return identity{}, fmt.Errorf("%s: %w", cfg.Dir, ErrForeign)
	}
	id := identity{Format: layout, ID: cfg.ID, Shards: cfg.Shards, Cluster: rand.Text()}
	b, err := json.Marshal(id)
	if err != nil {
		return id, err
	}
	return id, writeFile(fs, cfg.Dir, identityFile, b)
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
	return syncDir(fs, parent)
}

// writeFile makes a file appear whole or not at all.
func writeFile(fs vfs.FS, dir, name string, b []byte) error {
	tmp := fs.PathJoin(dir, name+".tmp")
	f, err := fs.Create(tmp, vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = fs.Rename(tmp, fs.PathJoin(dir, name))
	}
	if err == nil {
		err = syncDir(fs, dir)
	}
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	return nil
}

func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

type storageLogger struct{ l *slog.Logger }

func (l storageLogger) Infof(format string, args ...any) {
	l.l.Debug(fmt.Sprintf(format, args...), "room", "storage")
}
func (l storageLogger) Errorf(format string, args ...any) {
	l.l.Error(fmt.Sprintf(format, args...), "room", "storage")
}
