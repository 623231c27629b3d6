package replication

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/hashicorp/raft"
)

const (
	// tailEntries and tailBytes bound the part of a log kept in memory. Followers
	// that keep up, and the FSM, never read the journal.
	tailEntries = 4096 // a power of two
	tailBytes   = 16 << 20

	// readAheadEntries and readAheadBytes bound one read of older entries; raft asks
	// for them one by one and in order, at a restart and for a follower catching up.
	readAheadEntries = 512
	readAheadBytes   = 1 << 20

	// maxRetainedBatch is the most memory a group keeps for its next batch.
	maxRetainedBatch = 8 << 20

	// markBytes is how far the marks of a log lie apart at most, and so the least
	// that is truncated at a time.
	markBytes = 256 << 10
)

// stableTerm is raft's key for the current term.
const stableTerm = "CurrentTerm"

// A groupLog is the part of the journal that belongs to one group: raft's
// LogStore and StableStore. Raft writes from one goroutine and reads from several.
type groupLog struct {
	j     *journal
	group uint32
	marks marks
	batch *pebble.Batch // of StoreLogs, kept for its memory

	moving sync.Mutex // held while the pointer or the first index moves; taken before mu

	mu          sync.RWMutex
	first, last uint64     // 0, 0 if there are no entries
	tail        []raft.Log // entries [tailFirst, last] at index modulo tailEntries
	tailFirst   uint64
	tailSize    int
	confs       []configuration // those of entries after ptr, by index
	ptr         pointer
	stable      map[string][]byte

	ahead struct { // the last read of older entries
		sync.Mutex
		logs []raft.Log
	}

	// broken is called with an error of the disk once raft is running. Raft panics
	// when an entry cannot be read; instead its goroutine ends.
	broken  func(error)
	running atomic.Bool
}

func openGroupLog(j *journal, group uint32, step int64) (*groupLog, error) {
	l := &groupLog{j: j, group: group, marks: marks{step: step}, stable: map[string][]byte{}}
	if err := l.scan(kindStable, func(key, value []byte) error {
		l.stable[string(key[5:])] = slices.Clone(value)
		return nil
	}); err != nil {
		return nil, err
	}
	if err := l.scan(kindPointer, func(_, value []byte) error { return l.ptr.decode(value) }); err != nil {
		return nil, err
	}
	if err := l.scan(kindConf, func(key, value []byte) error {
		var c configuration
		if err := c.decode(value); err != nil {
			return err
		}
		l.confs = append(l.confs, c)
		return nil
	}); err != nil {
		return nil, err
	}
	it, err := l.iter(kindEntry, 0)
	if err != nil {
		return nil, err
	}
	if it.First() {
		if l.first, err = keyIndex(it.Key()); err == nil && it.Last() {
			l.last, err = keyIndex(it.Key())
		}
	}
	if err := errors.Join(err, it.Error(), it.Close()); err != nil {
		return nil, fmt.Errorf("group %d: %w", group, err)
	}
	if l.first > 0 {
		size, err := j.db.EstimateDiskUsage(indexKey(group, kindEntry, 0), groupPrefix(group, kindEntry+1))
		if err != nil {
			return nil, fmt.Errorf("group %d: %w", group, err)
		}
		l.marks.spread(l.first, l.last, int64(size))
	}
	return l, nil
}

func (l *groupLog) iter(kind byte, from uint64) (*pebble.Iterator, error) {
	lower := groupPrefix(l.group, kind)
	if from > 0 {
		lower = indexKey(l.group, kind, from)
	}
	return l.j.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: groupPrefix(l.group, kind+1)})
}

func (l *groupLog) scan(kind byte, f func(key, value []byte) error) error {
	it, err := l.iter(kind, 0)
	if err == nil {
		for ok := it.First(); ok && err == nil; ok = it.Next() {
			err = f(it.Key(), it.Value())
		}
		err = errors.Join(err, it.Error(), it.Close())
	}
	if err != nil {
		return fmt.Errorf("group %d: %w", l.group, err)
	}
	return nil
}

// FirstIndex implements raft.LogStore.
func (l *groupLog) FirstIndex() (uint64, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.first, nil
}

// LastIndex implements raft.LogStore.
func (l *groupLog) LastIndex() (uint64, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.last, nil
}

// StoreLog implements raft.LogStore.
func (l *groupLog) StoreLog(e *raft.Log) error { return l.StoreLogs([]*raft.Log{e}) }

// StoreLogs implements raft.LogStore. It waits for the disk unless all entries
// are NoSync; entries of raft's own never are, which openGroup's repair builds on.
func (l *groupLog) StoreLogs(logs []*raft.Log) error {
	last, _ := l.LastIndex()
	b := l.batch
	if b == nil {
		b = l.j.db.NewBatch(pebble.WithMaxRetainedSizeBytes(maxRetainedBatch))
	}
	b.Reset()
	l.batch = nil // until it has been applied
	wait := false
	var confs []configuration
	for i, e := range logs {
		if want := last + 1 + uint64(i); last > 0 && e.Index != want {
			return fmt.Errorf("group %d: entry %d does not follow %d", l.group, e.Index, want-1)
		}
		op := b.SetDeferred(indexKeyLen, entrySize(e))
		putIndexKey(op.Key, l.group, kindEntry, e.Index)
		putEntry(op.Value, e)
		if err := op.Finish(); err != nil {
			return err
		}
		wait = wait || e.Type != raft.LogCommand || !isNoSync(e)
		if e.Type == raft.LogConfiguration {
			c := configuration{e.Index, raft.DecodeConfiguration(e.Data)}
			confs = append(confs, c)
			if err := b.Set(indexKey(l.group, kindConf, e.Index), c.encode(), nil); err != nil {
				return err
			}
		}
	}
	if err := l.j.apply(b, wait); err != nil {
		return fmt.Errorf("group %d: %w", l.group, err)
	}
	l.batch = b
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range logs {
		l.push(e)
	}
	l.confs = append(l.confs, confs...)
	return nil
}

// push takes e, which is in the journal, as the last entry.
func (l *groupLog) push(e *raft.Log) {
	if l.tail == nil {
		l.tail = make([]raft.Log, tailEntries)
	}
	if l.first == 0 {
		l.first = e.Index
	}
	if l.tailSize == 0 {
		l.tailFirst = e.Index
	}
	l.last = e.Index
	l.tail[e.Index%tailEntries] = *e
	l.tailSize += len(e.Data) + 1
	for l.last-l.tailFirst >= tailEntries-1 || l.tailSize > tailBytes && l.tailFirst < l.last {
		l.forget(l.tailFirst)
		l.tailFirst++
	}
	l.marks.add(e.Index, int64(entrySize(e)+indexKeyLen))
}

func (l *groupLog) forget(index uint64) {
	e := &l.tail[index%tailEntries]
	l.tailSize -= len(e.Data) + 1
	*e = raft.Log{}
}

// GetLog implements raft.LogStore.
func (l *groupLog) GetLog(index uint64, e *raft.Log) error {
	l.mu.RLock()
	if index < l.first || index > l.last || l.first == 0 {
		l.mu.RUnlock()
		return raft.ErrLogNotFound
	}
	if l.tailSize > 0 && index >= l.tailFirst {
		*e = l.tail[index%tailEntries]
		l.mu.RUnlock()
		return nil
	}
	l.mu.RUnlock()
	err := l.readOlder(index, e)
	if err != nil && !errors.Is(err, raft.ErrLogNotFound) && l.running.Load() {
		l.broken(err)
		runtime.Goexit()
	}
	return err
}

// readOlder reads an entry that is not in the tail, and some after it.
func (l *groupLog) readOlder(index uint64, e *raft.Log) error {
	l.ahead.Lock()
	defer l.ahead.Unlock()
	logs := l.ahead.logs
	if len(logs) > 0 && index >= logs[0].Index && index <= logs[len(logs)-1].Index {
		*e = logs[index-logs[0].Index]
		return nil
	}
	it, err := l.iter(kindEntry, index)
	if err != nil {
		return err
	}
	logs, size := nil, 0
	for ok := it.First(); ok && len(logs) < readAheadEntries && size < readAheadBytes; ok = it.Next() {
		i, err := keyIndex(it.Key())
		if err == nil && i != index+uint64(len(logs)) {
			break // a suffix is being replaced, or a prefix deleted
		}
		var next raft.Log
		if err == nil {
			err = readEntry(slices.Clone(it.Value()), i, &next)
		}
		if err != nil {
			return errors.Join(err, it.Close())
		}
		logs = append(logs, next)
		size += len(next.Data)
	}
	if err := errors.Join(it.Error(), it.Close()); err != nil {
		return fmt.Errorf("group %d: entry %d: %w", l.group, index, err)
	}
	if len(logs) == 0 {
		return raft.ErrLogNotFound
	}
	l.ahead.logs = logs
	*e = logs[0]
	return nil
}

// DeleteRange implements raft.LogStore. Raft only asks it to delete a suffix
// that conflicts with the leader's log; prefixes go in truncate.
func (l *groupLog) DeleteRange(low, high uint64) error {
	l.mu.RLock()
	first, last := l.first, l.last
	l.mu.RUnlock()
	if first == 0 || low > last || high < last {
		return fmt.Errorf("group %d: deleting [%d, %d] of [%d, %d] is not deleting a suffix", l.group, low, high, first, last)
	}
	low = max(low, first)
	b := l.j.db.NewBatch()
	for _, kind := range []byte{kindConf, kindEntry} {
		if err := b.DeleteRange(indexKey(l.group, kind, low), indexKey(l.group, kind, last+1), nil); err != nil {
			return err
		}
	}
	if err := l.j.commit(b, false); err != nil { // the entries that replace them will be synced
		return fmt.Errorf("group %d: %w", l.group, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cutSuffix(low)
	return nil
}

// cutSuffix forgets the entries from low on, in memory.
func (l *groupLog) cutSuffix(low uint64) {
	for i := max(low, l.tailFirst); l.tailSize > 0 && i <= l.last; i++ {
		l.forget(i)
	}
	l.ahead.Lock()
	l.ahead.logs = nil
	l.ahead.Unlock()
	l.last = low - 1
	if l.last < l.first {
		l.first, l.last = 0, 0
	}
	l.marks.cutSuffix(low)
	for len(l.confs) > 0 && l.confs[len(l.confs)-1].index >= low {
		l.confs = l.confs[:len(l.confs)-1]
	}
}

// advance moves the pointer up to index, if it is in the log.
func (l *groupLog) advance(index uint64) error {
	l.moving.Lock()
	defer l.moving.Unlock()
	l.mu.RLock()
	ptr := l.ptr
	known := index > ptr.index && index >= l.first && index <= l.last
	for _, c := range l.confs {
		if c.index <= index {
			ptr.conf = c
		}
	}
	l.mu.RUnlock()
	if !known {
		return nil
	}
	var e raft.Log
	if err := l.readEntryAt(index, &e); err != nil {
		return err
	}
	ptr.index, ptr.term = index, e.Term
	b := l.j.db.NewBatch()
	if err := b.Set(groupPrefix(l.group, kindPointer), ptr.encode(), nil); err != nil {
		return err
	}
	if err := b.DeleteRange(indexKey(l.group, kindConf, 0), indexKey(l.group, kindConf, index+1), nil); err != nil {
		return err
	}
	if err := l.j.commit(b, false); err != nil { // an older pointer is as true as a newer one
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ptr = ptr
	for len(l.confs) > 0 && l.confs[0].index <= index {
		l.confs = l.confs[1:]
	}
	return nil
}

// readEntryAt is GetLog for our own goroutines, which take errors as they are.
func (l *groupLog) readEntryAt(index uint64, e *raft.Log) error {
	l.mu.RLock()
	inTail := l.tailSize > 0 && index >= l.tailFirst && index <= l.last
	if inTail {
		*e = l.tail[index%tailEntries]
	}
	l.mu.RUnlock()
	if inTail {
		return nil
	}
	return l.readOlder(index, e)
}

// truncate deletes entries before the pointer, down to the last keep bytes of
// the log. The entry at the pointer stays: raft asks for its term.
func (l *groupLog) truncate(keep int64) error {
	l.moving.Lock()
	defer l.moving.Unlock()
	l.mu.Lock()
	first := l.first
	cut := l.marks.before(l.ptr.index, keep)
	l.mu.Unlock()
	if first == 0 || cut <= first {
		return nil
	}
	b := l.j.db.NewBatch()
	if err := b.DeleteRange(indexKey(l.group, kindEntry, first), indexKey(l.group, kindEntry, cut), nil); err != nil {
		return err
	}
	if err := l.j.commit(b, false); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.tailSize > 0 && l.tailFirst < cut {
		l.forget(l.tailFirst)
		l.tailFirst++
	}
	l.first = cut
	l.marks.cutPrefix(cut)
	return nil
}

// matches says whether the log has, or the pointer is, this index in this term:
// then it agrees with any other log that has it, up to there.
func (l *groupLog) matches(index, term uint64) bool {
	l.mu.RLock()
	ptr, first, last := l.ptr, l.first, l.last
	l.mu.RUnlock()
	if index == ptr.index {
		return term == ptr.term
	}
	var e raft.Log
	if first == 0 || index < first || index > last || l.readEntryAt(index, &e) != nil {
		return false
	}
	return e.Term == term
}

// reset makes ptr the whole log: a pointer, and an entry there that does
// nothing, since raft asks for the term of the entry before the next one.
func (l *groupLog) reset(ptr pointer) error {
	l.moving.Lock()
	defer l.moving.Unlock()
	stub := &raft.Log{Index: ptr.index, Term: ptr.term, Type: raft.LogNoop}
	b := l.j.db.NewBatch()
	for _, kind := range []byte{kindConf, kindEntry} {
		if err := b.DeleteRange(groupPrefix(l.group, kind), groupPrefix(l.group, kind+1), nil); err != nil {
			return err
		}
	}
	value := make([]byte, entrySize(stub))
	putEntry(value, stub)
	if err := b.Set(indexKey(l.group, kindEntry, stub.Index), value, nil); err != nil {
		return err
	}
	if err := b.Set(groupPrefix(l.group, kindPointer), ptr.encode(), nil); err != nil {
		return err
	}
	if err := l.j.commit(b, true); err != nil {
		return fmt.Errorf("group %d: %w", l.group, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.first > 0 {
		l.cutSuffix(l.first)
	}
	l.first, l.last, l.confs, l.ptr = 0, 0, nil, ptr
	l.push(stub)
	return nil
}

// latest returns the latest configuration, committed or not.
func (l *groupLog) latest() configuration {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if n := len(l.confs); n > 0 {
		return l.confs[n-1]
	}
	return l.ptr.conf
}

func (l *groupLog) pointer() pointer {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.ptr
}

// lastTerm is the term of the last entry, or of the pointer.
func (l *groupLog) lastTerm() (uint64, error) {
	l.mu.RLock()
	last, ptr := l.last, l.ptr
	l.mu.RUnlock()
	if last == 0 {
		return ptr.term, nil
	}
	var e raft.Log
	err := l.readEntryAt(last, &e)
	return e.Term, err
}

// Set implements raft.StableStore. It waits for the disk.
func (l *groupLog) Set(key, value []byte) error {
	b := l.j.db.NewBatch()
	if err := b.Set(append(groupPrefix(l.group, kindStable), key...), value, nil); err != nil {
		return err
	}
	err := l.j.commit(b, true)
	if err == nil || string(key) == stableTerm {
		// Raft panics if it cannot save a term. It need not be saved: a node whose
		// journal has failed gives no vote and acknowledges no entry in that term,
		// since those writes fail and raft reports them, so nobody can tell that it
		// forgets the term when it restarts.
		l.mu.Lock()
		l.stable[string(key)] = slices.Clone(value)
		l.mu.Unlock()
		return nil
	}
	return fmt.Errorf("group %d: %w", l.group, err)
}

// Get implements raft.StableStore.
func (l *groupLog) Get(key []byte) ([]byte, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.stable[string(key)], nil
}

// SetUint64 implements raft.StableStore.
func (l *groupLog) SetUint64(key []byte, v uint64) error {
	return l.Set(key, binary.BigEndian.AppendUint64(nil, v))
}

// GetUint64 implements raft.StableStore.
func (l *groupLog) GetUint64(key []byte) (uint64, error) {
	v, _ := l.Get(key)
	switch len(v) {
	case 0:
		return 0, nil
	case 8:
		return binary.BigEndian.Uint64(v), nil
	}
	return 0, fmt.Errorf("group %d: %s has %d bytes, want 8: %w", l.group, key, len(v), errCorrupt)
}

// blank says whether the group is new here, or bootstrap was cut short.
func (l *groupLog) blank() bool {
	term, _ := l.GetUint64([]byte(stableTerm))
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.last == 0 && l.ptr.index == 0 && term <= 1 && len(l.stable) <= 1
}

// bootstrap makes members the first entry of a blank log.
func (l *groupLog) bootstrap(members raft.Configuration) error {
	if err := l.SetUint64([]byte(stableTerm), 1); err != nil {
		return err
	}
	return l.StoreLog(&raft.Log{Index: 1, Term: 1, Type: raft.LogConfiguration, Data: raft.EncodeConfiguration(members)})
}

// marks know how many bytes of a log lie after some of its indexes.
type marks struct {
	step  int64
	total int64 // bytes ever added
	at    []mark
}

// A mark says how many bytes had been added before the entry at index.
type mark struct {
	index  uint64
	before int64
}

func (m *marks) add(index uint64, size int64) {
	if n := len(m.at); n == 0 || m.total-m.at[n-1].before >= m.step {
		m.at = append(m.at, mark{index, m.total})
	}
	m.total += size
}

// spread marks a log of which only the size is known.
func (m *marks) spread(first, last uint64, size int64) {
	entries := last - first + 1
	n := max(1, min(entries, uint64(size/m.step)))
	for i := range n {
		m.at = append(m.at, mark{first + entries/n*i, m.total + size/int64(n)*int64(i)})
	}
	m.total += size
}

// before returns the largest marked index at or below limit with at least keep
// bytes after it, or 0.
func (m *marks) before(limit uint64, keep int64) uint64 {
	var cut uint64
	for _, k := range m.at {
		if k.index > limit || m.total-k.before < keep {
			break
		}
		cut = k.index
	}
	return cut
}

func (m *marks) cutPrefix(first uint64) {
	for len(m.at) > 1 && m.at[1].index <= first {
		m.at = m.at[1:]
	}
}

func (m *marks) cutSuffix(low uint64) {
	for n := len(m.at); n > 0 && m.at[n-1].index >= low; n-- {
		m.total = m.at[n-1].before
		m.at = m.at[:n-1]
	}
}

func (m *marks) size() int64 {
	if len(m.at) == 0 {
		return 0
	}
	return m.total - m.at[0].before
}
