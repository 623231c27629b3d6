package table

import (
	"encoding/binary"
	"hash/maphash"
	"iter"
	"math/bits"
	"slices"

	"github.com/weirdb/weir/internal/fn"
	"github.com/weirdb/weir/internal/vec"
)

// None is the number of no group.
const None = ^uint32(0)

// Config says what a table holds.
type Config struct {
	Keys []vec.Type
	// Aggs are the aggregates that have a state in every group.
	Aggs []fn.Aggregator
	// Words is how many further 64-bit words the caller keeps by group.
	Words int
}

// A Table maps keys to groups. Groups are numbered from 0 without holes, but
// for deleted ones, whose numbers are given out again after the next Settle.
// A Table is used by one goroutine.
type Table struct {
	types []vec.Type
	// index has a tag (high half) and a group number plus one in every slot; 0 is
	// empty. A tag's top bits are the place where probing begins, so that the
	// index grows without a look at the keys.
	index []uint64
	shift uint8

	ints   int      // 1 or 2: keys are that many words in keyInts; 0: bytes in arena
	nums   []int64  // keys, by group
	nulls  []uint8  // which of them are null, by group; nil: none is
	offs   []uint64 // keys, by group: places in arena
	arena  []byte   // length (uvarint), bytes of vec.AppendKey; with shown, the row
	waste  int      // bytes of arena that dead groups had
	shown  bool     // keys whose equal values print in several ways
	live   int
	n      uint32 // groups ever numbered
	free   []uint32
	dying  []uint32 // deleted, not yet settled
	dead   []uint64 // by bit
	stride int
	own    int // where the caller's words begin
	words  []int64
	stamps []uint32 // epoch in which the group was last touched
	epoch  uint32
	dirty  []uint32

	states []fn.States
	bytes  byteStates

	tags  []uint32 // scratch of a batch
	a, b  []int64
	keys  []byte
	ends  []uint32
	spare []byte
}

// New returns an empty table.
func New(c Config) *Table {
	t := &Table{types: slices.Clone(c.Keys), epoch: 1}
	if n := len(c.Keys); n == 1 || n == 2 {
		t.ints = n
	}
	for _, k := range c.Keys {
		if k.Layout() != vec.InInts {
			t.ints = 0
		}
		t.shown = t.shown || printsDifferently(k)
	}
	nb := 0
	t.states = make([]fn.States, len(c.Aggs))
	for i, a := range c.Aggs {
		t.states[i].Off = t.stride
		t.stride += a.Words()
		if a.HasBytes() {
			j := nb
			nb++
			t.states[i].Get = func(g uint32) []byte { return t.bytes.get(g, j) }
			t.states[i].Set = func(g uint32, b []byte) { t.bytes.set(g, j, b) }
		}
	}
	t.bytes.stride = nb
	t.own = t.stride
	t.stride += c.Words
	for i := range t.states {
		t.states[i].Stride = t.stride
	}
	t.setIndex(16)
	return t
}

// printsDifferently tells whether equal values of type k may print differently,
// so that a group has to remember the row it was made for.
func printsDifferently(k vec.Type) bool {
	return k.Kind == vec.Decimal || k.Layout() == vec.InFloats
}

func (t *Table) setIndex(size int) {
	t.index = make([]uint64, size)
	t.shift = uint8(32 - bits.TrailingZeros(uint(size)))
}

// Len returns the number of groups that are alive.
func (t *Table) Len() int { return t.live }

// End returns a number above those of all groups.
func (t *Table) End() uint32 { return t.n }

// Bytes returns how much memory the table holds.
func (t *Table) Bytes() int64 {
	return int64(cap(t.index))*8 + int64(cap(t.nums))*8 + int64(cap(t.nulls)) + int64(cap(t.offs))*8 + int64(cap(t.arena)) + int64(cap(t.spare)) +
		int64(cap(t.words))*8 + int64(cap(t.stamps)+cap(t.dirty)+cap(t.free))*4 + t.bytes.size()
}

// Reset empties the table and keeps its memory.
func (t *Table) Reset() {
	clear(t.index)
	t.nums, t.nulls, t.offs, t.arena = t.nums[:0], nil, t.offs[:0], t.arena[:0]
	t.waste, t.live, t.n = 0, 0, 0
	t.free, t.dying, t.dirty = t.free[:0], t.dying[:0], t.dirty[:0]
	clear(t.dead)
	t.stamps = t.stamps[:0]
	t.bytes.reset()
}

// Groups finds or makes the groups of the rows listed: out[k] is that of
// rows[k]. The columns have the types of the table's keys. Nulls equal each other.
func (t *Table) Groups(keys []*vec.Vec, rows []uint16, out []uint32) {
	t.lookup(keys, rows, out, true)
}

// Find is Groups without making any: out[k] is None if there is no such group.
func (t *Table) Find(keys []*vec.Vec, rows []uint16, out []uint32) {
	t.lookup(keys, rows, out, false)
}

func (t *Table) lookup(keys []*vec.Vec, rows []uint16, out []uint32, insert bool) {
	t.tags = sized(t.tags, len(rows))
	out = out[:len(rows)]
	switch t.ints {
	case 1:
		t.hashOne(keys[0], rows)
		t.probeOne(out, insert)
	case 2:
		t.hashTwo(keys[0], keys[1], rows)
		t.probeTwo(out, insert)
	default:
		t.hashBytes(keys, rows)
		t.probeBytes(keys, rows, out, insert)
	}
}

// seed makes the hashes of a process its own, so that nobody can send keys that
// all fall together.
var (
	seed    = maphash.MakeSeed()
	seedInt = maphash.Bytes(seed, []byte("weir")) | 1
)

func hashInts(a, b int64) uint32 {
	hi, lo := bits.Mul64(uint64(a)^seedInt, 0x9e3779b97f4a7c15)
	h := hi ^ lo
	if b != 0 {
		hi, lo = bits.Mul64(h^uint64(b), 0xd6e8feb86659fd93)
		h = hi ^ lo
	}
	h *= 0xff51afd7ed558ccd
	return uint32(h>>32) &^ 3 // the low two bits of a tag say which keys are null
}

func (t *Table) hashOne(c *vec.Vec, rows []uint16) {
	t.a = sized(t.a, len(rows))
	tags, a := t.tags, t.a[:len(t.tags)]
	if !c.Const && c.Nulls == nil {
		ints := c.Ints
		for k, r := range rows {
			x := ints[r]
			a[k] = x
			tags[k] = hashInts(x, 0)
		}
		return
	}
	for k, r := range rows {
		i := c.Row(int(r))
		if c.Nulls.Has(i) {
			a[k], tags[k] = 0, 1
			continue
		}
		a[k] = c.Ints[i]
		tags[k] = hashInts(a[k], 0)
	}
}

func (t *Table) hashTwo(c, d *vec.Vec, rows []uint16) {
	t.a, t.b = sized(t.a, len(rows)), sized(t.b, len(rows))
	for k, r := range rows {
		i, j := c.Row(int(r)), d.Row(int(r))
		var x, y int64
		var null uint32
		if c.Nulls.Has(i) {
			null = 1
		} else {
			x = c.Ints[i]
		}
		if d.Nulls.Has(j) {
			null |= 2
		} else {
			y = d.Ints[j]
		}
		t.a[k], t.b[k], t.tags[k] = x, y, hashInts(x, y)|null
	}
}

func (t *Table) hashBytes(keys []*vec.Vec, rows []uint16) {
	t.ends = sized(t.ends, len(rows))
	t.keys = t.keys[:0]
	start := 0
	for k, r := range rows {
		t.keys = vec.AppendKey(t.keys, keys, int(r))
		t.tags[k] = uint32(maphash.Bytes(seed, t.keys[start:]) >> 32)
		start = len(t.keys)
		t.ends[k] = uint32(start)
	}
}

func (t *Table) probeOne(out []uint32, insert bool) {
	index, shift, mask := t.index, t.shift, uint32(len(t.index)-1)
	for k, tag := range t.tags[:len(out)] {
		x := t.a[k]
		for i := tag >> shift; ; i = (i + 1) & mask {
			s := index[i]
			if s == 0 {
				if !insert {
					out[k] = None
					break
				}
				out[k] = t.addInts(tag, x, 0, i)
				index, shift, mask = t.index, t.shift, uint32(len(t.index)-1)
				break
			}
			if uint32(s>>32) == tag && t.nums[uint32(s)-1] == x {
				out[k] = uint32(s) - 1
				break
			}
		}
	}
}

func (t *Table) probeTwo(out []uint32, insert bool) {
	index, shift, mask := t.index, t.shift, uint32(len(t.index)-1)
	for k, tag := range t.tags[:len(out)] {
		x, y := t.a[k], t.b[k]
		for i := tag >> shift; ; i = (i + 1) & mask {
			s := index[i]
			if s == 0 {
				if !insert {
					out[k] = None
					break
				}
				out[k] = t.addInts(tag, x, y, i)
				index, shift, mask = t.index, t.shift, uint32(len(t.index)-1)
				break
			}
			g := int(uint32(s)-1) * 2
			if uint32(s>>32) == tag && t.nums[g] == x && t.nums[g+1] == y {
				out[k] = uint32(s) - 1
				break
			}
		}
	}
}

func (t *Table) probeBytes(cols []*vec.Vec, rows []uint16, out []uint32, insert bool) {
	start := uint32(0)
	for k, tag := range t.tags[:len(out)] {
		key := t.keys[start:t.ends[k]]
		start = t.ends[k]
		g, slot := t.findBytes(tag, key)
		if g == None && insert {
			g = t.addBytes(tag, key, slot)
			if t.shown {
				t.arena = vec.AppendRow(t.arena, cols, int(rows[k]))
			}
		}
		out[k] = g
	}
}

// findBytes returns the group of a key, or the slot where it would go.
func (t *Table) findBytes(tag uint32, key []byte) (g, slot uint32) {
	index, mask := t.index, uint32(len(t.index)-1)
	for i := tag >> t.shift; ; i = (i + 1) & mask {
		s := index[i]
		if s == 0 {
			return None, i
		}
		if uint32(s>>32) == tag && string(t.keyBytes(uint32(s)-1)) == string(key) {
			return uint32(s) - 1, i
		}
	}
}

// keyBytes returns the key of a group in bytes mode: a view.
func (t *Table) keyBytes(g uint32) []byte {
	b := t.arena[t.offs[g]:]
	if b[0] < 0x80 {
		return b[1 : 1+b[0]]
	}
	n, k := binary.Uvarint(b)
	return b[k : k+int(n)]
}

func (t *Table) addInts(tag uint32, x, y int64, slot uint32) uint32 {
	g := t.number(tag, slot)
	if t.ints == 1 {
		t.nums = grown(t.nums, int(g)+1)
		t.nums[g] = x
	} else {
		t.nums = grown(t.nums, int(g)*2+2)
		t.nums[g*2], t.nums[g*2+1] = x, y
	}
	if null := uint8(tag & 3); null != 0 || t.nulls != nil {
		t.nulls = grown(t.nulls, int(t.n))
		t.nulls[g] = null
	}
	return g
}

func (t *Table) addBytes(tag uint32, key []byte, slot uint32) uint32 {
	g := t.number(tag, slot)
	t.offs = grown(t.offs, int(g)+1)
	t.offs[g] = uint64(len(t.arena))
	t.arena = binary.AppendUvarint(t.arena, uint64(len(key)))
	t.arena = append(t.arena, key...)
	return g
}

// number gives a new group its number and an empty state.
func (t *Table) number(tag, slot uint32) uint32 {
	if (t.live+1)*4 > len(t.index)*3 {
		t.growIndex()
		mask := uint32(len(t.index) - 1)
		for slot = tag >> t.shift; t.index[slot] != 0; slot = (slot + 1) & mask {
		}
	}
	t.live++
	var g uint32
	if n := len(t.free); n > 0 {
		g = t.free[n-1]
		t.free = t.free[:n-1]
		t.dead[g>>6] &^= 1 << (g & 63)
	} else {
		g = t.n
		t.n++
		t.stamps = append(t.stamps, 0)
		if need := int(t.n) * t.stride; need > len(t.words) {
			t.words = grown(t.words, max(need, min(2*need, need+1<<20)))
			for i := range t.states {
				t.states[i].Words = t.words
			}
		}
	}
	at := int(g) * t.stride
	clear(t.words[at : at+t.stride])
	t.bytes.add(g)
	t.index[slot] = uint64(tag)<<32 | uint64(g+1)
	return g
}

func (t *Table) growIndex() {
	old := t.index
	t.setIndex(len(old) * 2)
	mask := uint32(len(t.index) - 1)
	for _, s := range old {
		if s == 0 {
			continue
		}
		i := uint32(s>>32) >> t.shift
		for t.index[i] != 0 {
			i = (i + 1) & mask
		}
		t.index[i] = s
	}
}

// Alive tells whether there is a group of that number that is not deleted.
func (t *Table) Alive(g uint32) bool {
	return g < t.n && (int(g>>6) >= len(t.dead) || t.dead[g>>6]>>(g&63)&1 == 0)
}

// All yields the groups that are alive, in order of their numbers. The loop may
// delete groups and change their states, not make new ones.
func (t *Table) All() iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		for g := range t.n {
			if t.Alive(g) && !yield(g) {
				return
			}
		}
	}
}

// Delete removes a group. Its key can be read until the next Settle, its state
// no more.
func (t *Table) Delete(g uint32) {
	if !t.Alive(g) {
		return
	}
	tag := t.tagOf(g)
	mask := uint32(len(t.index) - 1)
	i := tag >> t.shift
	for uint32(t.index[i]) != g+1 {
		i = (i + 1) & mask
	}
	for j := (i + 1) & mask; t.index[j] != 0; j = (j + 1) & mask {
		home := uint32(t.index[j]>>32) >> t.shift
		if (j-home)&mask >= (j-i)&mask { // j's probing passes i
			t.index[i] = t.index[j]
			i = j
		}
	}
	t.index[i] = 0
	t.live--
	t.dead = grown(t.dead, int(g>>6)+1)
	t.dead[g>>6] |= 1 << (g & 63)
	t.dying = append(t.dying, g)
	t.bytes.drop(g)
}

func (t *Table) tagOf(g uint32) uint32 {
	switch t.ints {
	case 1:
		if t.nullsOf(g) != 0 {
			return 1
		}
		return hashInts(t.nums[g], 0)
	case 2:
		return hashInts(t.nums[g*2], t.nums[g*2+1]) | uint32(t.nullsOf(g))
	}
	return uint32(maphash.Bytes(seed, t.keyBytes(g)) >> 32)
}

func (t *Table) nullsOf(g uint32) uint8 {
	if int(g) >= len(t.nulls) {
		return 0
	}
	return t.nulls[g]
}

// Touch marks groups as changed in this epoch.
func (t *Table) Touch(groups []uint32) {
	stamps, epoch := t.stamps, t.epoch
	for _, g := range groups {
		if stamps[g] != epoch {
			stamps[g] = epoch
			t.dirty = append(t.dirty, g)
		}
	}
}

// Dirty returns the groups touched since the last Settle, each once, in order of
// first touch. Some of them may be deleted since. The slice is valid until then.
func (t *Table) Dirty() []uint32 { return t.dirty }

// Settle begins a new epoch: no group is dirty, and the numbers of deleted
// groups may be given out again.
func (t *Table) Settle() {
	t.dirty = t.dirty[:0]
	if t.epoch++; t.epoch == 0 {
		clear(t.stamps)
		t.epoch = 1
	}
	for _, g := range t.dying {
		t.stamps[g] = 0
		if t.ints == 0 {
			t.waste += t.entryLen(g)
		}
	}
	t.free = append(t.free, t.dying...)
	t.dying = t.dying[:0]
	if t.waste > 64<<10 && t.waste > len(t.arena)/2 {
		t.compact()
	}
}

// entryLen returns how many bytes of the arena a group's key takes.
func (t *Table) entryLen(g uint32) int {
	n, k := binary.Uvarint(t.arena[t.offs[g]:])
	size := k + int(n)
	if t.shown {
		rest := t.arena[int(t.offs[g])+size:]
		size += len(rest) - len(t.skipRow(rest))
	}
	return size
}

func (t *Table) skipRow(b []byte) []byte {
	for _, k := range t.types {
		rest, err := vec.SkipCol(k, b)
		if err != nil {
			panic("table: broken key: " + err.Error()) // only this package writes them
		}
		b = rest
	}
	return b
}

// compact squeezes the keys of dead groups out of the arena.
func (t *Table) compact() {
	to := t.spare[:0]
	for g := range t.All() {
		b := t.arena[t.offs[g]:][:t.entryLen(g)]
		t.offs[g] = uint64(len(to))
		to = append(to, b...)
	}
	t.arena, t.spare, t.waste = to, t.arena[:0], 0
}

// States returns the states of aggregate i. They stay the same object; its Words
// move when groups are made.
func (t *Table) States(i int) *fn.States { return &t.states[i] }

// Words returns the words that the caller keeps for a group. They move when
// groups are made.
func (t *Table) Words(g uint32) []int64 {
	at := int(g)*t.stride + t.own
	return t.words[at : int(g+1)*t.stride]
}

// sized returns s with length n; what it holds is not specified.
func sized[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, max(n, min(2*n, vec.MaxRows)))[:n]
	}
	return s[:n]
}

// grown returns s with length n at least; what is new is zero.
func grown[T any](s []T, n int) []T {
	if n <= len(s) {
		return s
	}
	old := len(s)
	s = slices.Grow(s, n-old)[:n]
	clear(s[old:])
	return s
}
