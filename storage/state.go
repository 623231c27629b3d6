package storage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/weirdb/weir/storage/batch"
)

// checkMutations reports what is wrong with encoded mutations, so that mutate need not.
func checkMutations(b []byte) error {
	it := mutationReader{b: b}
	for it.next() {
	}
	return it.err
}

// mutate applies checked mutations.
func (sh *Shard) mutate(b []byte) {
	it := mutationReader{b: b}
	puts := sh.scratch.puts[:0]
	var t *table
	size := 0
	use := func(next *table) {
		if t != nil {
			t.putAll(puts)
			puts = puts[:0]
			sh.active.bytes += t.size() - size
		}
		if t = next; t != nil {
			size = t.size()
		}
	}
	for it.next() {
		switch it.kind {
		case useSpace:
			use(sh.active.table(it.space))
		case Set, Delete:
			if t == nil {
				use(sh.active.table(it.space))
			}
			if puts = append(puts, put{it.key, it.value, it.kind == Delete}); len(puts) == group {
				t.putAll(puts)
				puts = puts[:0]
			}
		case DropSpace:
			use(nil)
			sh.active.dropSpace(Space(it.space))
		case DropPrefix:
			use(nil)
			sh.active.dropPrefix(Space(it.space))
		}
	}
	use(nil)
	clear(puts[:cap(puts)]) // they point into the command
	sh.scratch.puts = puts[:0]
}

// putRow sets one row of a space of our own.
func (sh *Shard) putRow(space, key, value []byte) {
	t := sh.active.table(space)
	size := t.size()
	t.put(hashKey(key), key, false, value)
	sh.active.bytes += t.size() - size
}

func (sh *Shard) deleteRow(space, key []byte) {
	t := sh.active.table(space)
	size := t.size()
	t.put(hashKey(key), key, true)
	sh.active.bytes += t.size() - size
}

// putRows makes the records the latest of their keys.
func (sh *Shard) putRows(t *table, base Offset, rows []tablePut) {
	size := t.size()
	fixed := &sh.scratch.row
	le := binary.LittleEndian
	var hashes [group]uint32
	for len(rows) > 0 {
		some := rows[:min(len(rows), group)]
		rows = rows[len(some):]
		for i := range some {
			hashes[i] = hashKey(some[i].rec.Key)
		}
		t.warm(hashes[:len(some)])
		for i := range some {
			r := &some[i].rec
			if r.Value == nil { // a tombstone
				t.put(hashes[i], r.Key, true)
				continue
			}
			le.PutUint64(fixed[:], uint64(base+some[i].delta))
			le.PutUint64(fixed[8:], uint64(r.Timestamp))
			le.PutUint32(fixed[16:], uint32(len(r.Headers)))
			t.put(hashes[i], r.Key, false, fixed[:], r.Headers, r.Value)
		}
	}
	sh.active.bytes += t.size() - size
}

// putProducer notes a batch of producer id in l.
func (sh *Shard) putProducer(l *Log, id int64, v batch.View, base Offset) {
	space := []byte(producerSpace(l.id))
	p := l.producers[id]
	if p == nil {
		if len(l.producers) >= maxProducers {
			for _, old := range idle(l.producers) {
				delete(l.producers, old)
				sh.deleteRow(space, producerKey(old))
			}
		}
		p = &producer{epoch: v.ProducerEpoch()}
		l.producers[id] = p
	}
	p.add(v, base)
	sh.putRow(space, producerKey(id), p.encode(&sh.scratch.producer))
}

func producerKey(id int64) []byte {
	return binary.BigEndian.AppendUint64(make([]byte, 0, 8), uint64(id))
}

// Get returns the value of key, which is the caller's, as of some moment during the call.
func (sh *Shard) Get(space Space, key []byte) (value []byte, ok bool, err error) {
	if err := sh.readable(); err != nil {
		return nil, false, err
	}
	sh.mu.RLock()
	value, ok, known := sh.lookup(space, key)
	sh.mu.RUnlock()
	if known {
		return value, ok, nil
	}
	return sh.store.get(sh.id, space, key)
}

// readable tells why reads would not see the shard's state; a shard that failed to write can still be read.
func (sh *Shard) readable() error {
	if err := sh.Err(); err != nil && !errors.Is(err, ErrFailed) {
		return err
	}
	return nil
}

// lookup searches the layers; known is false if Pebble must be asked. The caller holds sh.mu.
func (sh *Shard) lookup(space Space, key []byte) (value []byte, ok, known bool) {
	for _, l := range [...]*layer{sh.active, sh.frozen} {
		t, hides := l.find(space)
		if t != nil {
			if r, found := t.get(key); found {
				if r.deleted {
					return nil, false, true
				}
				return bytes.Clone(r.value), true, true
			}
		}
		if hides {
			return nil, false, true
		}
	}
	return nil, false, false
}

func (sh *Shard) getLocked(space Space, key []byte) ([]byte, bool, error) {
	if v, ok, known := sh.lookup(space, key); known {
		return v, ok, nil
	}
	return sh.store.get(sh.id, space, key)
}

func (s *Store) get(shard ShardID, space Space, key []byte) ([]byte, bool, error) {
	k := append(appendSpaceKey(make([]byte, 0, 64+len(key)), shard, space), key...)
	v, closer, err := s.db.Get(k)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("storage: %w", err)
	}
	v = append(make([]byte, 0, len(v)), v...)
	return v, true, closer.Close()
}

// GetMany calls fn with the place in keys and the value of every key of space that is there, in no particular order, as
// they were at one applied index. Values are views, valid during the call. It costs less than as many Gets: what is
// not in memory is read in one sorted pass.
func (sh *Shard) GetMany(space Space, keys [][]byte, fn func(i int, value []byte)) error {
	if err := sh.readable(); err != nil {
		return err
	}
	type hit struct {
		i     int
		value []byte
	}
	var hits []hit
	var misses []int
	sh.mu.RLock()
	for i, k := range keys {
		if v, ok, known := sh.lookup(space, k); ok {
			hits = append(hits, hit{i, v})
		} else if !known {
			misses = append(misses, i)
		}
	}
	var it *pebble.Iterator
	var err error
	prefix := appendSpaceKey(make([]byte, 0, 128), sh.id, space)
	if len(misses) > 0 {
		it, err = sh.store.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: prefixEnd(prefix)})
	}
	sh.mu.RUnlock()
	if err != nil {
		return fmt.Errorf("storage: %w", err)
	}
	for _, h := range hits {
		fn(h.i, h.value)
	}
	if it == nil {
		return nil
	}
	slices.SortFunc(misses, func(a, b int) int { return bytes.Compare(keys[a], keys[b]) })
	n := len(prefix)
	for _, i := range misses {
		prefix = append(prefix[:n], keys[i]...)
		if !it.SeekGE(prefix) {
			if err := it.Error(); err != nil {
				return errors.Join(err, it.Close())
			}
			break
		}
		if !bytes.Equal(it.Key(), prefix) {
			continue
		}
		v, err := it.ValueAndErr()
		if err != nil {
			return errors.Join(err, it.Close())
		}
		fn(i, v)
	}
	return it.Close()
}

// Scan calls fn with the keys of space in [lo, hi), in order, and their values, as they were at one applied index; hi
// nil has no end. It stops when fn returns false. Keys and values are views, valid during the call. Apply goes on
// meanwhile.
func (sh *Shard) Scan(space Space, lo, hi []byte, fn func(key, value []byte) bool) error {
	sc, err := sh.scanner(space, lo, hi)
	if err != nil {
		return err
	}
	for sc.valid() && fn(sc.key, sc.value) {
		sc.next()
	}
	return sc.close()
}

// scanner merges the layers' rows of one space with Pebble's.
type scanner struct {
	views  []tableView
	rows   [][]sortedRow // beside views: what is left of each, newest layer first
	it     *pebble.Iterator
	prefix int // length of what precedes the key in Pebble
	alive  bool

	key, value       []byte
	keyBuf, valueBuf []byte // for what comes from Pebble
	err              error
}

func (sh *Shard) scanner(space Space, lo, hi []byte) (*scanner, error) {
	if err := sh.readable(); err != nil {
		return nil, err
	}
	prefix := appendSpaceKey(nil, sh.id, space)
	opts := pebble.IterOptions{LowerBound: append(prefix[:len(prefix):len(prefix)], lo...), UpperBound: prefixEnd(prefix)}
	if hi != nil {
		opts.UpperBound = append(prefix[:len(prefix):len(prefix)], hi...)
	}
	sc := &scanner{prefix: len(prefix)}
	sh.mu.RLock()
	below := sc.addLayers(sh, space)
	var err error
	if below {
		sc.it, err = sh.store.db.NewIter(&opts)
	}
	sh.mu.RUnlock()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("storage: %w", err), sc.close())
	}
	sc.start(lo, hi)
	return sc, nil
}

// addLayers takes views of what the layers have of space, newest first, and tells whether older rows count. The caller
// holds sh.mu.
func (sc *scanner) addLayers(sh *Shard, space Space) (below bool) {
	for _, l := range [...]*layer{sh.active, sh.frozen} {
		t, hides := l.find(space)
		if t != nil {
			sc.views = append(sc.views, t.view())
		}
		if hides {
			return false
		}
	}
	return true
}

// start moves to the first key.
func (sc *scanner) start(lo, hi []byte) {
	for _, v := range sc.views {
		sc.rows = append(sc.rows, v.sorted(lo, hi))
	}
	if sc.it != nil {
		sc.it.First()
	}
	sc.next()
}

func (sc *scanner) valid() bool { return sc.alive }

// next moves to the next key that is not deleted.
func (sc *scanner) next() {
	for {
		var best row
		from := -1
		for i, rows := range sc.rows {
			if len(rows) == 0 {
				continue
			}
			r, _ := rowAt(sc.views[i].rows, rows[0].at)
			c := 1
			if from >= 0 {
				c = bytes.Compare(best.key, r.key)
			}
			if c == 0 { // an older version
				sc.rows[i] = rows[1:]
			} else if c > 0 {
				best, from = r, i
			}
		}
		if sc.it != nil && sc.it.Valid() {
			k := sc.it.Key()[sc.prefix:]
			c := 1
			if from >= 0 {
				c = bytes.Compare(best.key, k)
			}
			if c > 0 {
				v, err := sc.it.ValueAndErr()
				if err != nil {
					sc.err, sc.alive = err, false
					return
				}
				sc.keyBuf, sc.valueBuf = append(sc.keyBuf[:0], k...), append(sc.valueBuf[:0], v...)
				sc.key, sc.value, sc.alive = sc.keyBuf, sc.valueBuf, true
				sc.it.Next()
				return
			}
			if c == 0 {
				sc.it.Next()
			}
		}
		if from < 0 {
			sc.alive = false
			return
		}
		sc.rows[from] = sc.rows[from][1:]
		if !best.deleted {
			sc.key, sc.value, sc.alive = best.key, best.value, true
			return
		}
	}
}

func (sc *scanner) close() error {
	for _, v := range sc.views {
		v.release()
	}
	if sc.it == nil {
		return sc.err
	}
	return errors.Join(sc.err, sc.it.Close()) // Close reports what stopped the iterator
}
