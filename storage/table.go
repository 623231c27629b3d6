package storage

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"
)

// table is the dirty rows of one space: an open-addressing index over an arena of rows. It holds no pointers, so the
// garbage collector's work does not grow with it.
//
// Rows are appended. A row is overwritten in place when the new value fits and no view can see it: a view sees the
// arena up to its length at the view's making, and pinned says how much of it that is. So a view reads without locks
// while the writer goes on.
//
// The writer calls put; get may run beside other gets, not beside put; view and release are for any goroutine that
// keeps put out while it calls view.
type table struct {
	slots []uint64 // hash<<32 | (row/8 + 1); 0 is free
	rows  []byte
	live  int  // distinct keys
	hides bool // the rows of the layers below are gone: the space was dropped

	warmth byte // see warm

	pinned atomic.Int64 // rows below are immutable
	pins   struct {
		sync.Mutex
		n int
	}
}

// Row layout: key length u32 | value length u32, or deleted | room for the value u32 | key | value, padded to 8.
const (
	rowHeader = 12
	deleted   = 1<<32 - 1
	minSlots  = 16
)

var tableSeed = maphash.MakeSeed()

func hashKey(key []byte) uint32 { return uint32(maphash.Bytes(tableSeed, key)) }

// row is a view of one row of an arena.
type row struct {
	key, value []byte
	deleted    bool
}

func rowAt(rows []byte, at int) (r row, next int) {
	h := rows[at : at+rowHeader : len(rows)]
	k, v, room := int(binary.LittleEndian.Uint32(h)), binary.LittleEndian.Uint32(h[4:]), int(binary.LittleEndian.Uint32(h[8:]))
	start := at + rowHeader + k
	r.key = rows[at+rowHeader : start : start]
	if v == deleted {
		r.deleted = true
	} else {
		r.value = rows[start : start+int(v) : start+int(v)]
	}
	return r, (start + room + 7) &^ 7
}

// get returns the row of key as of now; the caller copies what it keeps.
func (t *table) get(key []byte) (row, bool) {
	if len(t.slots) == 0 {
		return row{}, false
	}
	h := hashKey(key)
	mask := uint32(len(t.slots) - 1)
	for i := h & mask; t.slots[i] != 0; i = (i + 1) & mask {
		if uint32(t.slots[i]>>32) != h {
			continue
		}
		if r, _ := rowAt(t.rows, slotRow(t.slots[i])); bytes.Equal(r.key, key) {
			return r, true
		}
	}
	return row{}, false
}

func slotRow(s uint64) int { return int(uint32(s)-1) << 3 }

// group is how many rows are put at a time: enough misses of the cache at once to
// hide each other, few enough for what they fetch to be there when put comes.
const group = 64

// warm fetches what put is going to look at for keys of these hashes, group at
// most. One after another the misses would be most of what put takes.
func (t *table) warm(hashes []uint32) {
	if len(t.rows) < 1<<18 {
		return // it is in the cache as it is
	}
	var at [group]uint64
	mask := uint32(len(t.slots) - 1)
	for i, h := range hashes {
		at[i] = t.slots[h&mask]
	}
	sum := byte(0)
	for i := range hashes {
		if at[i] != 0 {
			sum += t.rows[slotRow(at[i])]
		}
	}
	t.warmth = sum // so that the loads are not optimized away
}

// put is a row to be put.
type put struct {
	key, value []byte
	del        bool
}

// putAll puts rows, group at most.
func (t *table) putAll(rows []put) {
	var hashes [group]uint32
	for i := range rows {
		hashes[i] = hashKey(rows[i].key)
	}
	t.warm(hashes[:len(rows)])
	for i, r := range rows {
		t.put(hashes[i], r.key, r.del, r.value)
	}
}

// put gives key, whose hash is h, a value made of the parts, or marks it deleted.
func (t *table) put(h uint32, key []byte, del bool, parts ...[]byte) {
	if (t.live+1)*4 > len(t.slots)*3 {
		t.grow()
	}
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	mask := uint32(len(t.slots) - 1)
	i := h & mask
	for ; t.slots[i] != 0; i = (i + 1) & mask {
		if uint32(t.slots[i]>>32) != h {
			continue
		}
		at := slotRow(t.slots[i])
		hdr := t.rows[at : at+rowHeader : len(t.rows)]
		k := int(binary.LittleEndian.Uint32(hdr))
		if !bytes.Equal(t.rows[at+rowHeader:at+rowHeader+k], key) {
			continue
		}
		if int64(at) < t.pinned.Load() || size > int(binary.LittleEndian.Uint32(hdr[8:])) {
			break // a new version
		}
		if del {
			binary.LittleEndian.PutUint32(hdr[4:], deleted)
			return
		}
		binary.LittleEndian.PutUint32(hdr[4:], uint32(size))
		dst := t.rows[at+rowHeader+k:]
		for _, p := range parts {
			dst = dst[copy(dst, p):]
		}
		return
	}
	if t.slots[i] == 0 {
		t.live++
	}
	t.slots[i] = uint64(h)<<32 | uint64(len(t.rows)>>3+1)
	t.add(key, size, del, parts)
}

func (t *table) add(key []byte, size int, del bool, parts [][]byte) {
	n := (rowHeader + len(key) + size + 7) &^ 7
	if cap(t.rows)-len(t.rows) < n {
		t.rows = slices.Grow(t.rows, max(n, len(t.rows)))
	}
	at := len(t.rows)
	t.rows = t.rows[:at+n]
	r := t.rows[at:]
	binary.LittleEndian.PutUint32(r, uint32(len(key)))
	v := uint32(size)
	if del {
		v = deleted
	}
	binary.LittleEndian.PutUint32(r[4:], v)
	// The padding is room too, so that a value may grow a little in place.
	binary.LittleEndian.PutUint32(r[8:], uint32(n-rowHeader-len(key)))
	r = r[rowHeader:]
	r = r[copy(r, key):]
	for _, p := range parts {
		r = r[copy(r, p):]
	}
}

func (t *table) grow() {
	old := t.slots
	t.slots = make([]uint64, max(minSlots, 2*len(old)))
	mask := uint32(len(t.slots) - 1)
	for _, s := range old {
		if s == 0 {
			continue
		}
		i := uint32(s>>32) & mask
		for t.slots[i] != 0 {
			i = (i + 1) & mask
		}
		t.slots[i] = s
	}
}

// size is the memory in use, in bytes.
func (t *table) size() int { return len(t.rows) + 8*len(t.slots) }

// tableView is the rows a table had at one moment.
type tableView struct {
	t    *table
	rows []byte
}

func (t *table) view() tableView {
	t.pins.Lock()
	defer t.pins.Unlock()
	t.pins.n++
	t.pinned.Store(int64(len(t.rows)))
	return tableView{t, t.rows[:len(t.rows):len(t.rows)]}
}

func (v tableView) release() {
	if v.t == nil {
		return
	}
	v.t.pins.Lock()
	defer v.t.pins.Unlock()
	if v.t.pins.n--; v.t.pins.n == 0 {
		v.t.pinned.Store(0)
	}
}

// sortedRow is a row in an order by key.
type sortedRow struct {
	prefix uint64 // eight bytes of the key after what all have in common, big-endian: most comparisons end here
	at     int
}

func keyPrefix(key []byte) uint64 {
	if len(key) >= 8 {
		return binary.BigEndian.Uint64(key)
	}
	var b [8]byte
	copy(b[:], key)
	return binary.BigEndian.Uint64(b[:])
}

// sorted returns the newest rows of the keys in [lo, hi), in order of keys; hi nil has no end.
func (v tableView) sorted(lo, hi []byte) []sortedRow {
	var out []sortedRow
	var first []byte
	common := 0 // bytes all keys start with
	for at := 0; at < len(v.rows); {
		r, next := rowAt(v.rows, at)
		if bytes.Compare(r.key, lo) >= 0 && (hi == nil || bytes.Compare(r.key, hi) < 0) {
			if len(out) == 0 {
				first, common = r.key, len(r.key)
			} else if !bytes.HasPrefix(r.key, first[:common]) {
				common = commonPrefix(r.key, first[:common])
			}
			out = append(out, sortedRow{at: at})
		}
		at = next
	}
	for i := range out {
		out[i].prefix = keyPrefix(v.key(out[i].at)[common:])
	}
	slices.SortFunc(out, func(a, b sortedRow) int {
		if a.prefix != b.prefix {
			return cmp.Compare(a.prefix, b.prefix)
		}
		if c := bytes.Compare(v.key(a.at), v.key(b.at)); c != 0 {
			return c
		}
		return b.at - a.at // the newest first
	})
	return slices.CompactFunc(out, func(a, b sortedRow) bool {
		return a.prefix == b.prefix && bytes.Equal(v.key(a.at), v.key(b.at))
	})
}

func (v tableView) key(at int) []byte {
	n := int(binary.LittleEndian.Uint32(v.rows[at:]))
	return v.rows[at+rowHeader : at+rowHeader+n]
}

func commonPrefix(a, b []byte) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}
