package table

import (
	"encoding/binary"
	"fmt"
	"hash/maphash"

	"github.com/weirdb/weir/internal/vec"
)

// AppendKey appends the key of a group, as vec.AppendKey writes it.
func (t *Table) AppendKey(dst []byte, g uint32) []byte {
	if t.ints == 0 {
		return append(dst, t.keyBytes(g)...)
	}
	null := t.nullsOf(g)
	for i := range t.ints {
		if null>>i&1 != 0 {
			dst = append(dst, 0)
			continue
		}
		dst = binary.AppendVarint(append(dst, 1), t.nums[int(g)*t.ints+i])
	}
	return dst
}

// Group finds or makes the group of a key in the form of AppendKey.
func (t *Table) Group(key []byte) (uint32, error) { return t.group(key, true) }

// Lookup finds the group of a key in the form of AppendKey, None if there is none.
func (t *Table) Lookup(key []byte) (uint32, error) { return t.group(key, false) }

func (t *Table) group(key []byte, insert bool) (uint32, error) {
	if t.ints == 0 {
		b := key
		for i, k := range t.types {
			rest, err := vec.SkipCol(k, b)
			if err != nil {
				return None, fmt.Errorf("table: column %d of a key of %d bytes: %w", i, len(key), err)
			}
			b = rest
		}
		if len(b) > 0 {
			return None, fmt.Errorf("table: %d bytes after a key", len(b))
		}
		tag := uint32(maphash.Bytes(seed, key) >> 32)
		g, slot := t.findBytes(tag, key)
		if g == None && insert {
			g = t.addBytes(tag, key, slot)
			if t.shown {
				t.arena = append(t.arena, key...)
			}
		}
		return g, nil
	}
	var x [2]int64
	var null uint32
	b := key
	for i := range t.ints {
		if len(b) == 0 {
			return None, fmt.Errorf("table: key of %d bytes ends before column %d", len(key), i)
		}
		p := b[0]
		b = b[1:]
		if p == 0 {
			null |= 1 << i
			continue
		}
		v, n := binary.Varint(b)
		if n <= 0 {
			return None, fmt.Errorf("table: key of %d bytes ends in column %d", len(key), i)
		}
		x[i], b = v, b[n:]
	}
	if len(b) > 0 {
		return None, fmt.Errorf("table: %d bytes after a key", len(b))
	}
	t.tags = sized(t.tags, 1)
	t.a, t.b = sized(t.a, 1), sized(t.b, 1)
	t.a[0], t.b[0] = x[0], x[1]
	var out [1]uint32
	if t.ints == 1 {
		if t.tags[0] = 1; null == 0 {
			t.tags[0] = hashInts(x[0], 0)
		}
		t.probeOne(out[:], insert)
	} else {
		t.tags[0] = hashInts(x[0], x[1]) | null
		t.probeTwo(out[:], insert)
	}
	return out[0], nil
}

// KeyColumns stores the keys of groups as rows of out: that of groups[k] at
// rows[k]. The columns have been Reset to the types of the keys.
func (t *Table) KeyColumns(groups []uint32, rows []uint16, out []*vec.Vec) {
	if t.ints > 0 {
		for i, c := range out {
			for k, g := range groups {
				if t.nullsOf(g)>>i&1 != 0 {
					c.SetNull(int(rows[k]))
					continue
				}
				c.Ints[rows[k]] = t.nums[int(g)*t.ints+i]
			}
		}
		return
	}
	for k, g := range groups {
		b := t.keyBytes(g)
		if t.shown {
			n, m := binary.Uvarint(t.arena[t.offs[g]:])
			b = t.arena[t.offs[g]+uint64(m)+n:]
		}
		for _, c := range out {
			rest, err := c.SetCol(int(rows[k]), b)
			if err != nil {
				panic("table: broken key: " + err.Error()) // only this package writes them
			}
			b = rest
		}
	}
}

// AppendState appends the state of a group: aggregates and the caller's words.
func (t *Table) AppendState(dst []byte, g uint32) []byte {
	for _, w := range t.words[int(g)*t.stride : int(g+1)*t.stride] {
		dst = binary.AppendVarint(dst, w)
	}
	for j := range t.bytes.stride {
		b := t.bytes.get(g, j)
		dst = binary.AppendUvarint(dst, uint64(len(b)))
		dst = append(dst, b...)
	}
	if t.shown {
		n, m := binary.Uvarint(t.arena[t.offs[g]:])
		row := t.arena[t.offs[g]+uint64(m)+n:]
		dst = append(dst, row[:len(row)-len(t.skipRow(row))]...)
	}
	return dst
}

// SetState gives a group the state that AppendState wrote.
func (t *Table) SetState(g uint32, b []byte) error {
	size := len(b)
	words := t.words[int(g)*t.stride : int(g+1)*t.stride]
	for i := range words {
		w, n := binary.Varint(b)
		if n <= 0 {
			return fmt.Errorf("table: state of %d bytes ends in word %d of %d", size, i, len(words))
		}
		words[i], b = w, b[n:]
	}
	for j := range t.bytes.stride {
		l, n := binary.Uvarint(b)
		if n <= 0 || l > uint64(len(b)-n) {
			return fmt.Errorf("table: state of %d bytes ends in string %d of %d", size, j, t.bytes.stride)
		}
		t.bytes.set(g, j, b[n:n+int(l)])
		b = b[n+int(l):]
	}
	if t.shown {
		rest := b
		for i, k := range t.types {
			r, err := vec.SkipCol(k, rest)
			if err != nil {
				return fmt.Errorf("table: column %d of the row in a state: %w", i, err)
			}
			rest = r
		}
		row := b[:len(b)-len(rest)]
		t.waste += t.entryLen(g)
		key := append([]byte(nil), t.keyBytes(g)...)
		t.offs[g] = uint64(len(t.arena))
		t.arena = binary.AppendUvarint(t.arena, uint64(len(key)))
		t.arena = append(append(t.arena, key...), row...)
		b = rest
	}
	if len(b) > 0 {
		return fmt.Errorf("table: %d bytes after a state of %d", len(b), size-len(b))
	}
	return nil
}
