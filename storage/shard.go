package storage

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/weirdb/weir/storage/batch"
)

// Shard is the state machine of one raft group. One goroutine calls Apply, in the order of the journal; everything
// else may be called by any goroutine beside it.
type Shard struct {
	id    ShardID
	store *Store
	dir   string // of segment files

	applied atomic.Uint64
	durable atomic.Uint64
	dirtied atomic.Int64 // bytes of the active layer, for the checkpointer
	failed  atomic.Pointer[error]

	// mu guards what follows; Apply holds it while it changes state, once per command.
	mu          sync.RWMutex
	term        uint64 // of the applied entry
	durableTerm uint64
	active      *layer
	frozen      *layer // being written by a checkpoint, nil otherwise
	logs        map[PartitionID]*Log
	tasks       map[taskKey]*taskState
	dirtyLogs   []*Log
	journaled   int64      // bytes of the commands applied since the last checkpoint
	doomed      []*segment // files to remove when a checkpoint that does not name them is durable
	nextFile    uint64

	checkpointing sync.Mutex    // one checkpoint, restore or compaction swap at a time
	pending       bool          // between freeze and settle; under mu
	roomy         chan struct{} // closed by settle; nil if no one waits; under mu

	scratch scratch // Apply's
}

// scratch is what Apply reuses from command to command.
type scratch struct {
	commit   Commit
	outputs  []output
	rows     []tablePut
	puts     []put
	decoders []*batch.Decoder
	row      [tableRowFixed]byte
	producer [producerLen]byte
	position []byte
}

// output is one checked Append of a command.
type output struct {
	log  *Log
	a    Append
	n    int // batches
	rows int // how many of scratch.rows, from the first not yet taken on
}

// tablePut is a record of a compacted partition on its way to the table.
type tablePut struct {
	rec   batch.Record
	delta Offset // from its batch's base
	batch int    // of its Append, from 0
}

// BatchResult is what became of one batch of an Append.
type BatchResult struct {
	Base      Offset // of its first record; of the original if it is a duplicate
	Last      Offset
	Duplicate bool  // an idempotent producer's retry: nothing was appended
	Err       error // ErrSequence, ErrDuplicate, ErrProducerEpoch: nothing was appended
}

// AppendResult is what Apply returns for an Append.
type AppendResult struct {
	Start   Offset // of the log
	End     Offset
	Batches []BatchResult
}

// CommitResult is what Apply returns for a Commit: one result per output.
type CommitResult struct {
	Output []AppendResult
}

// ID is the shard's number.
func (sh *Shard) ID() ShardID { return sh.id }

// Applied is the index of the last entry applied.
func (sh *Shard) Applied() uint64 { return sh.applied.Load() }

// Durable is the applied index of the last durable checkpoint: entries up to it are never needed again here.
func (sh *Shard) Durable() uint64 { return sh.durable.Load() }

// DurablePoint is Durable with the term of that entry.
func (sh *Shard) DurablePoint() (index, term uint64) {
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	return sh.durable.Load(), sh.durableTerm
}

// Err is the error that stopped the shard, nil if it works. It wraps ErrFailed, ErrRestoring or ErrClosed.
func (sh *Shard) Err() error {
	if p := sh.failed.Load(); p != nil {
		return *p
	}
	return nil
}

func (sh *Shard) fail(err error) error {
	err = failure(err)
	if sh.failed.CompareAndSwap(nil, &err) {
		sh.store.cfg.Logger.Errorf("storage: shard %d: %v", sh.id, err)
	}
	return sh.Err()
}

// Apply applies the command of entry index. Entries at or below Applied were applied before and are ignored: the
// result is nil. Otherwise it is *AppendResult, *CommitResult, an error, or nil for the other commands. A refused
// command (ErrCommand, ErrStaleTask) changes nothing and counts as applied. After a write error the shard is stopped:
// nothing of this and any later command is applied, the result is that error (ErrFailed), see Err. Apply keeps no
// reference to cmd.
func (sh *Shard) Apply(index, term uint64, cmd []byte) any {
	if index <= sh.applied.Load() {
		return nil
	}
	if err := sh.Err(); err != nil {
		return err
	}
	if err := sh.awaitRoom(); err != nil {
		return err
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	before := sh.active.bytes
	res := sh.apply(term, cmd)
	if err, ok := res.(error); ok && errors.Is(err, ErrFailed) {
		return err
	}
	sh.term = term
	sh.applied.Store(index)
	sh.journaled += int64(len(cmd))
	if sh.due(sh.dirtied.Add(int64(sh.active.bytes - before))) {
		sh.store.wantCheckpoint()
	}
	return res
}

// due tells whether a checkpoint should not wait for its time. One that comes
// before the journal's memtable is full spares the disk the journal's second copy
// of everything, and a crash the replay; a byte of dirty rows costs about eight
// times what that saves per byte of journal, and a log's fsync as much as a
// megabyte.
func (sh *Shard) due(dirty int64) bool {
	cfg := &sh.store.cfg
	return dirty > cfg.DirtyBytes ||
		sh.journaled > cfg.LogBytes && sh.journaled > 8*dirty && sh.journaled > int64(len(sh.dirtyLogs))<<20
}

func (sh *Shard) apply(term uint64, cmd []byte) any {
	if len(cmd) == 0 {
		return fmt.Errorf("empty: %w", ErrCommand)
	}
	d := decoder{b: cmd[1:]}
	switch commandKind(cmd[0]) {
	case cmdAppend:
		return sh.applyAppend(term, &d)
	case cmdCommit:
		return sh.applyCommit(term, &d)
	case cmdState:
		return sh.applyState(d.b)
	case cmdTrim:
		p, start := d.partition(), Offset(d.u64())
		if err := d.end(); err != nil {
			return err
		}
		return sh.applyTrim(p, start)
	case cmdDropTopic:
		t := TopicID(d.u64())
		if err := d.end(); err != nil {
			return err
		}
		sh.applyDropTopic(t)
		return nil
	case cmdMaterialize:
		p := d.partition()
		if err := d.end(); err != nil {
			return err
		}
		return sh.applyMaterialize(p)
	case cmdDropTask:
		q := d.u64()
		if err := d.end(); err != nil {
			return err
		}
		sh.applyDropTask(q)
		return nil
	}
	return fmt.Errorf("kind %d: %w", cmd[0], ErrCommand)
}

func (sh *Shard) applyAppend(term uint64, d *decoder) any {
	a := d.append()
	if err := d.end(); err != nil {
		return err
	}
	sh.scratch.reset()
	if err := sh.check(a, true); err != nil {
		return err
	}
	if err := sh.checkKeys(); err != nil {
		return err
	}
	o := &sh.scratch.outputs[0]
	if err := o.log.reserve(len(a.Batches)); err != nil {
		return sh.fail(err)
	}
	res := new(AppendResult)
	rows := sh.scratch.rows
	sh.put(o, term, &rows, res)
	return res
}

func (sh *Shard) applyCommit(term uint64, d *decoder) any {
	c := &sh.scratch.commit
	if err := d.commit(c); err != nil {
		return err
	}
	if err := checkMutations(c.State.buf); err != nil {
		return err
	}
	task, err := sh.task(c.Task)
	if err != nil {
		return sh.fail(err)
	}
	if err := task.check(c); err != nil {
		return err
	}
	sh.scratch.reset()
	for _, a := range c.Output {
		if err := sh.check(a, false); err != nil {
			return err
		}
	}
	if err := sh.checkKeys(); err != nil {
		return err
	}
	for i := range sh.scratch.outputs {
		o := &sh.scratch.outputs[i]
		if err := o.log.reserve(len(o.a.Batches)); err != nil {
			return sh.fail(err)
		}
	}
	// From here on nothing fails.
	task.move(c)
	sh.putTask(c.Task, task)
	sh.mutate(c.State.buf)
	res := &CommitResult{Output: make([]AppendResult, len(c.Output))}
	rows := sh.scratch.rows
	for i := range sh.scratch.outputs {
		sh.put(&sh.scratch.outputs[i], term, &rows, &res.Output[i])
	}
	return res
}

func (sh *Shard) applyState(b []byte) any {
	if err := checkMutations(b); err != nil {
		return err
	}
	sh.mutate(b)
	return nil
}

func (sc *scratch) reset() {
	clear(sc.outputs)
	clear(sc.rows) // they point into commands
	sc.outputs, sc.rows = sc.outputs[:0], sc.rows[:0]
}

// check looks through an Append, so that put cannot fail, and adds it to the scratch's outputs.
func (sh *Shard) check(a Append, producers bool) error {
	sc := &sh.scratch
	l := sh.openLog(a.Partition)
	a.Flags |= l.flags & Compacted
	o := output{a: a, log: l}
	if len(a.Batches) == 0 {
		return fmt.Errorf("partition %v: no batches: %w", a.Partition, ErrCommand)
	}
	before := len(sc.rows)
	for rest := a.Batches; len(rest) > 0; o.n++ {
		v, after, err := batch.Next(rest)
		if err != nil {
			return fmt.Errorf("partition %v, batch %d: %w: %w", a.Partition, o.n, ErrCommand, err)
		}
		rest = after
		if v.Count() < 1 || v.Count() != v.LastOffsetDelta()+1 {
			return fmt.Errorf("partition %v, batch %d: %d records, last offset delta %d: %w", a.Partition, o.n, v.Count(), v.LastOffsetDelta(), ErrCommand)
		}
		if v.ProducerID() >= 0 && (!producers || v.BaseSequence() < 0) {
			return fmt.Errorf("partition %v, batch %d: producer %d, sequence %d: %w", a.Partition, o.n, v.ProducerID(), v.BaseSequence(), ErrCommand)
		}
		if a.Flags&Compacted == 0 || v.Control() {
			continue
		}
		if o.n == len(sc.decoders) {
			sc.decoders = append(sc.decoders, new(batch.Decoder))
		}
		if err := sh.collect(v, o.n, sc.decoders[o.n]); err != nil {
			return fmt.Errorf("partition %v, batch %d: %w: %w", a.Partition, o.n, ErrCommand, err)
		}
	}
	o.rows = len(sc.rows) - before
	sc.outputs = append(sc.outputs, o)
	return nil
}

// checkKeys refuses the scratch's outputs if one that wants its keys unique has one that is there.
func (sh *Shard) checkKeys() error {
	sc := &sh.scratch
	if !slices.ContainsFunc(sc.outputs, func(o output) bool { return o.a.Flags&UniqueKeys != 0 }) {
		return nil
	}
	present := map[string]bool{} // after what the command writes so far, by space and key
	rows := sc.rows
	for i := range sc.outputs {
		o := &sc.outputs[i]
		space := TableSpace(o.a.Partition)
		for _, r := range rows[:o.rows] {
			at := string(space) + string(r.rec.Key)
			if o.a.Flags&UniqueKeys != 0 && r.rec.Value != nil {
				there, known := present[at]
				if !known {
					var err error
					if _, there, err = sh.getLocked(space, r.rec.Key); err != nil {
						return sh.fail(err)
					}
				}
				if there {
					return &KeyExistsError{o.a.Partition, bytes.Clone(r.rec.Key)}
				}
			}
			present[at] = r.rec.Value != nil
		}
		rows = rows[o.rows:]
	}
	return nil
}

// collect adds the keyed records of v to the scratch.
func (sh *Shard) collect(v batch.View, batchAt int, d *batch.Decoder) error {
	recs, err := d.Records(v)
	if err != nil {
		return err
	}
	if v.Codec() != batch.None {
		d.Detach() // the rows point into its buffer until put
	}
	base := v.BaseOffset()
	for {
		sh.scratch.rows = append(sh.scratch.rows, tablePut{})
		p := &sh.scratch.rows[len(sh.scratch.rows)-1]
		if !recs.Next(&p.rec) {
			break
		}
		p.delta, p.batch = Offset(p.rec.Offset-base), batchAt
		if p.rec.Key == nil || p.delta < 0 || p.delta > Offset(v.LastOffsetDelta()) || len(p.rec.Key) > MaxKey {
			sh.scratch.rows = sh.scratch.rows[:len(sh.scratch.rows)-1] // no row without a key, nor with one no table takes
		}
	}
	sh.scratch.rows = sh.scratch.rows[:len(sh.scratch.rows)-1]
	return recs.Err()
}

// put appends the batches of o, for which there is room, and their rows, which it takes off *rows.
func (sh *Shard) put(o *output, term uint64, rows *[]tablePut, res *AppendResult) {
	l := o.log
	sh.markDirty(l)
	mine := (*rows)[:o.rows]
	*rows = (*rows)[o.rows:]
	var table *table
	if o.a.Flags&Compacted != 0 {
		table = sh.active.table([]byte(TableSpace(l.id)))
	}
	res.Batches = make([]BatchResult, 0, o.n)
	rest := o.a.Batches
	for i := range o.n {
		v := batch.View(rest[:batch.SizeOf(rest)])
		rest = rest[len(v):]
		r := sh.putBatch(l, v, term, o.a.Flags)
		res.Batches = append(res.Batches, r)
		n := 0
		for n < len(mine) && mine[n].batch == i {
			n++
		}
		if n > 0 && r.Err == nil && !r.Duplicate {
			sh.putRows(table, r.Base, mine[:n])
		}
		mine = mine[n:]
	}
	l.mu.RLock()
	res.Start, res.End = l.start, l.end
	l.mu.RUnlock()
}

func (sh *Shard) putBatch(l *Log, v batch.View, term uint64, flags AppendFlags) BatchResult {
	last := Offset(v.LastOffsetDelta())
	id := v.ProducerID()
	if id < 0 {
		base := l.append(v, int32(term), flags)
		return BatchResult{Base: base, Last: base + last}
	}
	p := l.producers[id]
	base, duplicate, err := p.check(v)
	if err != nil {
		return BatchResult{Base: -1, Last: -1, Err: err}
	}
	if duplicate {
		return BatchResult{Base: base, Last: base + last, Duplicate: true}
	}
	base = l.append(v, int32(term), flags)
	sh.putProducer(l, id, v, base)
	return BatchResult{Base: base, Last: base + last}
}

// markDirty notes that the next checkpoint has to write l's rows.
func (sh *Shard) markDirty(l *Log) {
	if !l.dirty {
		l.dirty = true
		sh.dirtyLogs = append(sh.dirtyLogs, l)
	}
}

func (sh *Shard) applyTrim(p PartitionID, start Offset) any {
	l := sh.logs[p]
	if l == nil {
		return fmt.Errorf("trim of partition %v, which has no records: %w", p, ErrOffset)
	}
	sh.retire(l, l.trim(start))
	sh.markDirty(l)
	return nil
}

// applyMaterialize makes a partition compacted. All of its log is read, so that the rows are the same whenever that
// is done, and what came before is in the table as what comes after.
func (sh *Shard) applyMaterialize(p PartitionID) any {
	l := sh.openLog(p)
	if l.flags&Compacted != 0 && l.tableFrom <= l.start {
		return nil
	}
	sh.scratch.reset()
	sc := &sh.scratch
	if len(sc.decoders) == 0 {
		sc.decoders = append(sc.decoders, new(batch.Decoder))
	}
	table := sh.active.table([]byte(TableSpace(p)))
	var buf []byte
	for at := l.Start(); at < l.End(); {
		raw, err := l.Read(at, materializeBytes, buf)
		if err != nil {
			return sh.fail(err)
		}
		if len(raw) == 0 { // compaction left nothing after at
			break
		}
		buf = raw
		for rest := raw; len(rest) > 0; {
			v, after, err := batch.Next(rest)
			if err != nil {
				return sh.fail(err)
			}
			rest, at = after, Offset(v.LastOffset()+1)
			if v.Control() {
				continue
			}
			// Records that cannot be read are no rows; who reads the log reports them.
			_ = sh.collect(v, 0, sc.decoders[0])
			sh.putRows(table, Offset(v.BaseOffset()), sc.rows)
			sc.rows = sc.rows[:0]
		}
	}
	l.mu.Lock()
	l.flags |= Compacted
	l.tableFrom = l.start
	l.mu.Unlock()
	sh.markDirty(l)
	return nil
}

// materializeBytes is how much of a log is read at once to make a table of it.
const materializeBytes = 1 << 20

func (sh *Shard) applyDropTopic(t TopicID) {
	for _, id := range slices.Collect(maps.Keys(sh.logs)) {
		if id.Topic != t {
			continue
		}
		l := sh.logs[id]
		sh.retire(l, l.drop())
		sh.deleteRow([]byte(logSpace), logKey(id))
		delete(sh.logs, id)
	}
	for _, tag := range []byte{spaceTable, spaceProducers} {
		sh.active.dropPrefix(topicSpaces(tag, t))
	}
}

// retire deletes the rows of segments that are out of their log; the files go after the next checkpoint.
func (sh *Shard) retire(l *Log, gone []*segment) {
	for _, s := range gone {
		sh.deleteRow([]byte(segmentSpace), segmentKey{l.id, s.base}.bytes())
	}
	sh.doomed = append(sh.doomed, gone...)
}

// Log returns the log of p, nil if nothing was ever appended to it and no one opened it.
func (sh *Shard) Log(p PartitionID) *Log {
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	return sh.logs[p]
}

// OpenLog returns the log of p; if there is none, one that is empty until the first Append, so that a reader can wait
// for that on Changed.
func (sh *Shard) OpenLog(p PartitionID) *Log {
	if l := sh.Log(p); l != nil {
		return l
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.openLog(p)
}

func (sh *Shard) openLog(p PartitionID) *Log {
	l := sh.logs[p]
	if l == nil {
		l = &Log{id: p, sh: sh, maxTS: minTimestamp, producers: make(map[int64]*producer)}
		sh.logs[p] = l
	}
	return l
}

// Logs returns the shard's logs in order of partition, those that OpenLog made included.
func (sh *Shard) Logs() []*Log {
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	return slices.SortedFunc(maps.Values(sh.logs), func(a, b *Log) int { return comparePartitions(a.id, b.id) })
}

func comparePartitions(a, b PartitionID) int {
	return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
}

func (sh *Shard) newSegment(p PartitionID, base Offset) *segment {
	sh.nextFile++
	s := &segment{
		base: base, end: base, file: sh.nextFile, size: segmentHeader, written: segmentHeader, indexed: segmentHeader,
		maxTS: minTimestamp, fs: sh.store.cfg.FS,
	}
	s.path = sh.store.cfg.FS.PathJoin(sh.dir, segmentName(p, base, s.file))
	s.refs.Store(1)
	return s
}
