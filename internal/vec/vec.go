package vec

import (
	"math/bits"
	"slices"
)

// MaxRows bounds the rows of a batch, so that a row number fits 16 bits and a
// batch's columns stay in the second-level cache. Kernels are flat from 64 to
// 1,024 rows; larger batches only cost cache.
const MaxRows = 1024

// A View is a value in the byte arena of its column.
type View struct{ Off, Len uint32 }

// A Bitmap has one bit a row. The nil Bitmap has no bit set.
type Bitmap []uint64

// Has tells whether bit i is set.
func (b Bitmap) Has(i int) bool { return b != nil && b[i>>6]>>(i&63)&1 != 0 }

// Any tells whether a bit is set.
func (b Bitmap) Any() bool {
	for _, w := range b {
		if w != 0 {
			return true
		}
	}
	return false
}

// Count returns the number of bits set.
func (b Bitmap) Count() (n int) {
	for _, w := range b {
		n += bits.OnesCount64(w)
	}
	return n
}

// A Vec is a column of values of one type. Row i is null if Nulls has bit i;
// what the layout's slice holds there is then unspecified, but it is there.
//
// A constant column holds one row that stands for all; ask Row for the place
// of a row, or test Const once outside the loop.
//
// The maker of a Vec owns its slices until it hands the Vec on; after that
// nobody changes them, and several batches may share one Vec.
type Vec struct {
	Type   Type
	Const  bool
	Ints   []int64
	Floats []float64
	Views  []View
	Data   []byte // what Views point into
	Nulls  Bitmap

	spare Bitmap // kept by Reset
}

// New returns an empty column of type t.
func New(t Type) *Vec { return &Vec{Type: t} }

// Len returns the number of rows held; 1 for a constant.
func (v *Vec) Len() int {
	switch v.Type.Layout() {
	case InInts:
		return len(v.Ints)
	case InFloats:
		return len(v.Floats)
	}
	return len(v.Views)
}

// Row returns where the value of row i is held.
func (v *Vec) Row(i int) int {
	if v.Const {
		return 0
	}
	return i
}

// Null tells whether row i is null.
func (v *Vec) Null(i int) bool { return v.Nulls != nil && v.Nulls.Has(v.Row(i)) }

// Bytes returns the value of row i of a column in the bytes layout: a view,
// valid as long as the column is.
func (v *Vec) Bytes(i int) []byte {
	w := v.Views[v.Row(i)]
	return v.Data[w.Off : w.Off+w.Len : w.Off+w.Len]
}

// Int returns the value of row i of a column in the ints layout.
func (v *Vec) Int(i int) int64 { return v.Ints[v.Row(i)] }

// Float returns the value of row i of a column in the floats layout.
func (v *Vec) Float(i int) float64 { return v.Floats[v.Row(i)] }

// Reset makes v an n-row column of type t with no nulls, keeping its memory.
// The rows' values are unspecified until they are set. The arena is emptied.
func (v *Vec) Reset(t Type, n int) {
	v.Type, v.Const = t, false
	if v.Nulls != nil {
		v.spare = v.Nulls
	}
	v.Nulls = nil
	v.Ints, v.Floats, v.Views, v.Data = v.Ints[:0], v.Floats[:0], v.Views[:0], v.Data[:0]
	switch t.Layout() {
	case InInts:
		v.Ints = slices.Grow(v.Ints, n)[:n]
	case InFloats:
		v.Floats = slices.Grow(v.Floats, n)[:n]
	default:
		v.Views = slices.Grow(v.Views, n)[:n]
		clear(v.Views) // a view must never point outside Data
	}
}

// SetNull makes row i null. v must have been made by this owner.
func (v *Vec) SetNull(i int) {
	if need := i>>6 + 1; len(v.Nulls) < need {
		need = max(need, (v.Len()+63)/64)
		if v.Nulls == nil {
			v.Nulls = v.spare[:0]
		}
		old := len(v.Nulls)
		v.Nulls = slices.Grow(v.Nulls, need-old)[:need]
		clear(v.Nulls[old:])
	}
	v.Nulls[i>>6] |= 1 << (i & 63)
}

// SetBytes stores a copy of b as row i of a column in the bytes layout.
func (v *Vec) SetBytes(i int, b []byte) {
	v.Views[i] = View{uint32(len(v.Data)), uint32(len(b))}
	v.Data = append(v.Data, b...)
}

// SetString is SetBytes for a string.
func (v *Vec) SetString(i int, s string) {
	v.Views[i] = View{uint32(len(v.Data)), uint32(len(s))}
	v.Data = append(v.Data, s...)
}

// Close ends a value whose bytes the caller appended to v.Data itself, from
// start on, and makes it row i.
func (v *Vec) Close(i, start int) {
	v.Views[i] = View{uint32(start), uint32(len(v.Data) - start)}
}

// CopyRow makes row i of v equal to row j of src, which has the same layout.
func (v *Vec) CopyRow(i int, src *Vec, j int) {
	j = src.Row(j)
	if src.Nulls.Has(j) {
		v.SetNull(i)
		return
	}
	switch v.Type.Layout() {
	case InInts:
		v.Ints[i] = src.Ints[j]
	case InFloats:
		v.Floats[i] = src.Floats[j]
	default:
		v.SetBytes(i, src.Bytes(j))
	}
}

// AppendRow adds row j of src, which has the same layout, to the end of v.
func (v *Vec) AppendRow(src *Vec, j int) {
	n := v.Len()
	switch v.Type.Layout() {
	case InInts:
		v.Ints = append(v.Ints, 0)
	case InFloats:
		v.Floats = append(v.Floats, 0)
	default:
		v.Views = append(v.Views, View{})
	}
	if v.Nulls != nil && len(v.Nulls)*64 <= n {
		v.Nulls = append(v.Nulls, 0)
	}
	v.CopyRow(n, src, j)
}
