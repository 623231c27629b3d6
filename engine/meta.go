package engine

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/weirdb/weir/catalog"
	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/replication"
	"github.com/weirdb/weir/storage"
)

// meta is the meta group: a state machine whose state is the catalog. Its rows
// lie in a shard's storage like all other state.
type meta struct {
	rows  *storage.Shard
	group *replication.Group

	mu      sync.Mutex
	cat     *catalog.Catalog
	changed chan struct{} // closed and replaced with every new snapshot
}

const catalogSpace = "catalog"

func openMeta(rows *storage.Shard, repl *replication.Node, voters []replication.Voter) (*meta, error) {
	m := &meta{rows: rows, changed: make(chan struct{})}
	if err := m.load(); err != nil {
		return nil, err
	}
	var err error
	m.group, err = repl.Group(0, voters, m)
	return m, err
}

// load reads the catalog from its rows.
func (m *meta) load() error {
	var scanErr error
	cat, err := catalog.Load(func(yield func(k, v []byte) bool) {
		scanErr = m.rows.Scan(storage.NamedSpace(catalogSpace), nil, nil, yield)
	})
	if err := errors.Join(scanErr, err); err != nil {
		return err
	}
	m.publish(cat)
	return nil
}

func (m *meta) publish(cat *catalog.Catalog) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cat = cat
	close(m.changed)
	m.changed = make(chan struct{})
}

// snapshot returns the catalog as it is here, and a channel that is closed when
// the next one is there.
func (m *meta) snapshot() (*catalog.Catalog, <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.cat, m.changed
}

// Apply implements replication.FSM: the command is a catalog.Change. The result
// is the new *catalog.Catalog or an error.
func (m *meta) Apply(index, term uint64, cmd []byte) any {
	if index <= m.rows.Applied() {
		return nil
	}
	cat, _ := m.snapshot()
	next, rows, err := cat.Apply(cmd)
	var ms storage.Mutations
	for _, r := range rows {
		if r.Value == nil {
			ms.Delete(storage.NamedSpace(catalogSpace), r.Key)
		} else {
			ms.Set(storage.NamedSpace(catalogSpace), r.Key, r.Value)
		}
	}
	// A refused change is applied too, as nothing: the index has to move.
	if failed, ok := m.rows.Apply(index, term, storage.AppendState(nil, &ms)).(error); ok {
		return failed
	}
	if err != nil {
		return err
	}
	m.publish(next)
	return next
}

func (m *meta) Applied() uint64                    { return m.rows.Applied() }
func (m *meta) Durable() uint64                    { return m.rows.Durable() }
func (m *meta) WriteTo(w io.Writer) (int64, error) { return shardFSM{m.rows}.WriteTo(w) }

func (m *meta) ReadFrom(r io.Reader) (int64, error) {
	n, err := shardFSM{m.rows}.ReadFrom(r)
	if err == nil {
		err = m.load()
	}
	return n, err
}

// Catalog returns the latest snapshot on this node.
func (n *Node) Catalog() *catalog.Catalog {
	c, _ := n.meta.snapshot()
	return c
}

// maxConflicts bounds how often a statement is planned again because others
// changed the catalog.
const maxConflicts = 100

// change makes a change of the catalog. plan is called with the snapshot to
// change, again if another change came first; if it leaves ch empty nothing is
// proposed. The result is the snapshot that holds the change.
func (n *Node) change(ctx context.Context, plan func(c *catalog.Catalog, ch *catalog.Change) error) (*catalog.Catalog, error) {
	for range maxConflicts {
		cat, changed := n.meta.snapshot()
		ch := cat.Begin()
		if err := plan(cat, ch); err != nil {
			return nil, err
		}
		if ch.Empty(cat) {
			return cat, nil
		}
		cmd, err := ch.Encode()
		if err != nil {
			return nil, pgerr.Newf(pgerr.ProgramLimitExceeded, "%v", err)
		}
		res, err := n.meta.group.Propose(ctx, cmd, replication.Sync).Wait(ctx)
		if err != nil {
			return nil, unavailable(err)
		}
		switch res := res.(type) {
		case *catalog.Catalog:
			return res, nil
		case error:
			if !errors.Is(res, catalog.ErrConflict) {
				return nil, res
			}
		}
		if now, _ := n.meta.snapshot(); now == cat { // wait until we see what came first
			select {
			case <-changed:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
	}
	return nil, pgerr.Newf("40001", "could not change the catalog: too many concurrent changes").Hintf("Try again.")
}
