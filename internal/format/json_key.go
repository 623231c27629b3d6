package format

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"
)

// jsonKeys knows the names of an object's fields that have been seen, and which
// one followed which. Element 0 of list stands before the first name; element 1
// is used for names once there are too many to remember.
type jsonKeys struct {
	names  []string // of the columns or fields to fill
	list   []jsonKey
	byText map[string]int32
}

// A jsonKey is a name as it stands in a record.
type jsonKey struct {
	text string // with quotes and colon, `"name":`; empty for elements 0 and 1
	// The first 16 bytes of text and the mask of those that count, for texts
	// that are not longer.
	word, mask [2]uint64
	next       int32 // the name that followed the last time
	col        int32 // what it fills, noColumn or manyColumns
	exact      uint64
	targets    []jsonTarget
}

const (
	noColumn    = -1
	manyColumns = -2
)

// A jsonTarget is a column or field that a name fills.
type jsonTarget struct {
	col   int32
	exact uint64 // 1 if it is the name itself, 0 if it had to be folded
}

// Bounds of what is remembered, against topics whose names are data.
const (
	maxJSONKeys    = 1024
	maxJSONKeySize = 256
)

func newJSONKeys(names []string) jsonKeys {
	none := jsonKey{col: noColumn}
	return jsonKeys{names: names, list: []jsonKey{none, none}, byText: make(map[string]int32)}
}

// at tells whether k, with its text, stands at p.
func (k *jsonKey) at(b []byte, p int) bool {
	if k.mask[0] != 0 && p+16 <= len(b) {
		q := b[p : p+16 : p+16]
		return (binary.LittleEndian.Uint64(q)^k.word[0])&k.mask[0]|
			(binary.LittleEndian.Uint64(q[8:])^k.word[1])&k.mask[1] == 0
	}
	return k.text != "" && len(b)-p >= len(k.text) && string(b[p:p+len(k.text)]) == k.text
}

// find reads the name at p and what follows up to the value, and returns its
// place in list.
func (ks *jsonKeys) find(b []byte, p int) (i int32, next int, err error) {
	if p >= len(b) || b[p] != '"' {
		return 0, p, errJSON("a name", b, p)
	}
	end, err := skipString(b, p)
	if err != nil {
		return 0, end, err
	}
	raw := b[p:end]
	if next, err = skipColon(b, end); err != nil {
		return 0, next, err
	}
	if i, ok := ks.byText[string(raw)]; ok {
		return i, next, nil
	}
	name := raw[1 : len(raw)-1]
	if bytes.IndexByte(raw, '\\') >= 0 {
		if name, _, err = appendString(nil, b, p); err != nil {
			return 0, p, err
		}
	}
	k := ks.resolve(string(name))
	if len(ks.list) >= maxJSONKeys || len(raw) > maxJSONKeySize {
		k.next = ks.list[1].next
		ks.list[1] = k // without text: it must be looked up each time
		return 1, next, nil
	}
	k.text = string(raw) + ":"
	if len(k.text) <= 16 {
		var word, mask [16]byte
		for i := range copy(word[:], k.text) {
			mask[i] = math.MaxUint8
		}
		for i := range 2 {
			k.word[i] = binary.LittleEndian.Uint64(word[8*i:])
			k.mask[i] = binary.LittleEndian.Uint64(mask[8*i:])
		}
	}
	i = int32(len(ks.list))
	ks.list = append(ks.list, k)
	ks.byText[string(raw)] = i
	return i, next, nil
}

// resolve finds what a name fills: the column of that name, and those whose
// name it becomes in upper case (ksql's folding) or lower case (PostgreSQL's).
func (ks *jsonKeys) resolve(name string) jsonKey {
	k := jsonKey{col: noColumn}
	upper, lower := strings.ToUpper(name), strings.ToLower(name)
	for i, n := range ks.names {
		switch {
		case n == name:
			k.targets = append(k.targets, jsonTarget{int32(i), 1})
		case n == upper || n == lower:
			k.targets = append(k.targets, jsonTarget{int32(i), 0})
		}
	}
	switch len(k.targets) {
	case 0:
	case 1:
		k.col, k.exact = k.targets[0].col, k.targets[0].exact
	default:
		k.col = manyColumns
	}
	return k
}
