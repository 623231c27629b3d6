package engine

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/weirdb/weir/catalog"
	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/pgwire"
	"github.com/weirdb/weir/planner/plan"
	"github.com/weirdb/weir/replication"
	"github.com/weirdb/weir/sql/ast"
	"github.com/weirdb/weir/storage"
)

// A transaction holds the writes of a session until they are committed. An
// implicit transaction ends with the message (or at Sync), so that the INSERTs
// of a pipeline become one append per partition. A block's writes are committed
// as one raft entry; they are visible to nobody, itself included, before COMMIT.
type transaction struct {
	block  bool // between BEGIN and COMMIT
	failed bool
	began  time.Time
	writes []write
	bytes  int
	open   *rowSink // may have rows that came after writes; nil: there are none
	// settings are those that the block changed, with their values before it.
	settings map[string]setBack
	// savepoints are those of the block, the oldest first. Writes before floor belong
	// to the newest of them and do not grow.
	savepoints []savepoint
	floor      int
}

// savepoint is what ROLLBACK TO goes back to.
type savepoint struct {
	name          string
	writes, bytes int
	values        map[string]string // of all settings that the session has changed
	settings      map[string]setBack
	cursors       map[string]*cursor
}

// maxSavepoints bounds the savepoints of a block.
const maxSavepoints = 1000

// setBack is a setting's value before a block changed it.
type setBack struct {
	value string
	had   bool
	local bool // SET LOCAL: it goes back at COMMIT, too
}

// changed notes that a block changed a setting. Outside of a block a change is
// final at once.
func (t *transaction) changed(name, before string, had, local bool) {
	if !t.block {
		return
	}
	if t.settings == nil {
		t.settings = map[string]setBack{}
	}
	if old, ok := t.settings[name]; ok {
		before, had = old.value, old.had
	}
	t.settings[name] = setBack{before, had, local}
}

// write is a run of record batches for one partition of a relation.
type write struct {
	rel       *catalog.Relation
	topic     *catalog.Topic
	partition int32
	unique    bool // the keys must not be there yet
	batches   []byte
}

// command is the write as a shard takes it.
func (w *write) command() storage.Append {
	a := storage.Append{Partition: partitionID(w.topic, w.partition), Batches: w.batches}
	if w.topic.Compact {
		a.Flags = storage.Compacted
		if w.unique {
			a.Flags |= storage.UniqueKeys
		}
	}
	return a
}

// maxTransaction bounds what a session's uncommitted writes may take.
const maxTransaction = 64 << 20

// add takes over a write. What goes to one partition stays in order.
func (t *transaction) add(w write) error {
	if t.bytes+len(w.batches) > maxTransaction {
		return pgerr.Newf(pgerr.ProgramLimitExceeded, "the transaction writes more than %d MiB", maxTransaction>>20)
	}
	t.bytes += len(w.batches)
	for i := len(t.writes) - 1; i >= t.floor; i-- {
		last := &t.writes[i]
		if last.topic.ID != w.topic.ID || last.partition != w.partition {
			continue
		}
		if last.unique == w.unique && len(last.batches)+len(w.batches) <= maxAppend {
			last.batches = append(last.batches, w.batches...)
			return nil
		}
		break
	}
	t.writes = append(t.writes, w)
	return nil
}

// takeFrom makes r the sink that may have rows which are not handed over.
func (t *transaction) takeFrom(r *rowSink) error {
	if t.open == r {
		return nil
	}
	if err := t.handOver(); err != nil {
		return err
	}
	r.discard() // what a statement left behind that failed
	t.open = r
	return nil
}

// writesWhat tells whether a plan reads a topic that the transaction has written.
func (t *transaction) writesWhat(n plan.Node) bool {
	if t.open == nil && len(t.writes) == 0 {
		return false
	}
	for _, s := range plan.Scans(n) {
		id := catalog.ID(s.Topic.ID)
		if t.open != nil && t.open.topic.ID == id || slices.ContainsFunc(t.writes, func(w write) bool { return w.topic.ID == id }) {
			return true
		}
	}
	return false
}

// handOver takes over the rows of the open sink.
func (t *transaction) handOver() error {
	r := t.open
	if r == nil {
		return nil
	}
	t.open = nil
	return r.hand()
}

func (t *transaction) discard() { t.writes, t.bytes, t.open = nil, 0, nil }

// cut takes away what was written since a savepoint.
func (t *transaction) cut(p *savepoint) {
	clear(t.writes[p.writes:])
	t.writes, t.bytes, t.open = t.writes[:p.writes], p.bytes, nil
}

// commit writes everything and waits until it is committed.
func (t *transaction) commit(ctx context.Context, n *Node, d replication.Durability) error {
	if err := t.handOver(); err != nil {
		return err
	}
	writes, block := t.writes, t.block
	t.discard()
	if len(writes) == 0 {
		return nil
	}
	if block || len(writes) > 1 && n.oneEntry(writes) {
		return n.commitAtomically(ctx, writes, d)
	}
	// A statement that this node cannot write whole is refused before a part of it
	// is written.
	for _, w := range writes {
		if err := n.shardOf(w.topic, w.partition).leads(); err != nil {
			return err
		}
	}
	// Proposed together, so that they share an fsync.
	pending := make([]replication.Pending, len(writes))
	for i, w := range writes {
		pending[i] = n.shardOf(w.topic, w.partition).group.Propose(ctx, storage.AppendAppend(nil, w.command()), d)
	}
	var failed error
	written := false
	for _, p := range pending {
		res, err := p.Wait(ctx)
		if err == nil {
			err, _ = res.(error)
		}
		switch {
		case err == nil:
			written = true
		case failed == nil || errors.Is(err, replication.ErrUncertain):
			failed = err
		}
	}
	return partly(written, keyRefusal(writes, failed))
}

// keyRefusal names the key of a write that a shard refused because it is there.
func keyRefusal(writes []write, err error) error {
	var exists *storage.KeyExistsError
	if !errors.As(err, &exists) {
		return unavailable(err)
	}
	for _, w := range writes {
		if partitionID(w.topic, w.partition) == exists.Partition {
			e := pgerr.Newf(pgerr.UniqueViolation, "duplicate key value violates unique constraint %q", w.rel.Name+"_pkey")
			if names, values, ok := keyText(w.rel, exists.Key); ok {
				e.Detailf("Key (%s)=(%s) already exists.", names, values)
			}
			return e
		}
	}
	return err
}

// partly returns the error of a statement of which a part may be written.
func partly(written bool, err error) error {
	if err == nil || !written {
		return err
	}
	return pgerr.Newf("40003", "only a part of the rows was written: %s", pgerr.From(err).Msg).Hintf("Read before you write again.")
}

// oneEntry tells whether the writes fit one entry of one shard.
func (n *Node) oneEntry(writes []write) bool {
	size := 0
	for _, w := range writes {
		if size += len(w.batches); size > replication.MaxCommand/2 || n.shardOf(w.topic, w.partition) != n.shardOf(writes[0].topic, writes[0].partition) {
			return false
		}
	}
	return true
}

// commitAtomically writes a block's writes as one entry of one shard.
func (n *Node) commitAtomically(ctx context.Context, writes []write, d replication.Durability) error {
	sh := n.shardOf(writes[0].topic, writes[0].partition)
	if len(writes) == 1 {
		_, err := sh.propose(ctx, storage.AppendAppend(nil, writes[0].command()), d)
		return keyRefusal(writes, err)
	}
	var c storage.Commit
	for _, w := range writes {
		if n.shardOf(w.topic, w.partition) != sh {
			return pgerr.Newf(pgerr.FeatureNotSupported, "the transaction writes to partitions of more than one shard").
				Detailf("Nothing was written. Transactions across shards are not supported yet.").
				Hintf("Commit after each statement, or start the server with --shards 1.")
		}
		c.Output = append(c.Output, w.command())
	}
	_, err := sh.propose(ctx, storage.AppendCommit(nil, c), d)
	return keyRefusal(writes, err)
}

// durability is what synchronous_commit asks for.
func (s *session) durability() replication.Durability {
	if s.Setting("synchronous_commit") == "off" {
		return replication.NoSync
	}
	return replication.Sync
}

func (s *session) transaction(a *ast.Transaction) (*command, error) {
	return simple(func(ctx context.Context) (string, error) {
		switch a.Kind {
		case ast.Begin:
			if s.tx.block {
				s.client.Notice("WARNING", pgerr.Newf(pgerr.ActiveTransaction, "there is already a transaction in progress"))
				return "BEGIN", nil
			}
			s.tx.block, s.tx.began = true, time.Now()
			return "BEGIN", nil
		case ast.Commit:
			if !s.tx.block {
				s.client.Notice("WARNING", pgerr.Newf("25P01", "there is no transaction in progress"))
				return "COMMIT", nil
			}
			failed := s.tx.failed
			var err error
			if !failed {
				err = s.tx.commit(ctx, s.n, s.durability())
			}
			s.endBlock(err == nil && !failed)
			if failed {
				return "ROLLBACK", nil
			}
			return "COMMIT", err
		case ast.Rollback:
			if !s.tx.block {
				s.client.Notice("WARNING", pgerr.Newf("25P01", "there is no transaction in progress"))
			}
			s.endBlock(false)
			return "ROLLBACK", nil
		case ast.Savepoint, ast.ReleaseSavepoint, ast.RollbackToSavepoint:
			return a.Kind.String(), s.savepoint(a)
		}
		return "", pgerr.Newf(pgerr.FeatureNotSupported, "%s is not supported", a.Kind).At(a.Pos())
	}), nil
}

// savepoint runs SAVEPOINT, RELEASE SAVEPOINT and ROLLBACK TO SAVEPOINT.
func (s *session) savepoint(a *ast.Transaction) error {
	t := &s.tx
	if !t.block {
		return pgerr.Newf("25P01", "%s can only be used in transaction blocks", a.Kind).At(a.Pos())
	}
	if a.Kind == ast.Savepoint {
		if len(t.savepoints) >= maxSavepoints {
			return pgerr.Newf(pgerr.ProgramLimitExceeded, "a transaction may have %d savepoints", maxSavepoints)
		}
		if err := t.handOver(); err != nil {
			return err
		}
		t.savepoints = append(t.savepoints, savepoint{
			a.Savepoint.S, len(t.writes), t.bytes, maps.Clone(s.settings.now), maps.Clone(t.settings), maps.Clone(s.cursors),
		})
		t.floor = len(t.writes)
		return nil
	}
	at := len(t.savepoints) - 1
	for at >= 0 && t.savepoints[at].name != a.Savepoint.S {
		at--
	}
	if at < 0 {
		return pgerr.Newf("3B001", "savepoint %q does not exist", a.Savepoint.S).At(a.Pos())
	}
	if a.Kind == ast.ReleaseSavepoint {
		t.savepoints = t.savepoints[:at]
	} else {
		s.backTo(&t.savepoints[at])
		t.savepoints = t.savepoints[:at+1]
	}
	t.floor = 0
	if n := len(t.savepoints); n > 0 {
		t.floor = t.savepoints[n-1].writes
	}
	return nil
}

// backTo undoes what the block did since a savepoint.
func (s *session) backTo(p *savepoint) {
	t := &s.tx
	t.cut(p)
	t.failed = false
	for name := range t.settings {
		if before, ok := p.values[name]; !ok {
			delete(s.settings.now, name)
		} else if s.settings.now[name] != before {
			_ = s.set(name, before, false) // it was accepted before
		}
	}
	t.settings = maps.Clone(p.settings)
	for name, c := range s.cursors {
		if p.cursors[name] != c {
			c.close()
			delete(s.cursors, name)
		}
	}
}

func (s *session) endBlock(committed bool) {
	back := s.tx.settings
	s.tx = transaction{}
	for name, b := range back {
		switch {
		case committed && !b.local:
		case b.had:
			_ = s.set(name, b.value, false) // it was accepted before
		default:
			delete(s.settings.now, name)
		}
	}
	for name, c := range s.cursors {
		if !c.hold {
			c.close()
			delete(s.cursors, name)
		}
	}
}

var _ pgwire.Session = (*session)(nil)
