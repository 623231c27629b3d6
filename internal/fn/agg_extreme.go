package fn

import (
	"encoding/binary"

	"github.com/weirdb/weir/internal/vec"
)

var extremes = []*Agg{
	{Name: "min", Dialect: Both, Params: []Param{anyElem}, Result: arg(0), New: newExtreme(-1), Retract: newMultiset(-1)},
	{Name: "max", Dialect: Both, Params: []Param{anyElem}, Result: arg(0), New: newExtreme(1), Retract: newMultiset(1)},
}

func newExtreme(want int) func([]vec.Type) (Aggregator, error) {
	return func(args []vec.Type) (Aggregator, error) {
		switch args[0].Layout() {
		case vec.InInts:
			return extremeInt{want: want}, nil
		case vec.InFloats:
			return extremeFloat{want: want}, nil
		}
		return extremeBytes{args[0], want}, nil
	}
}

// once is for aggregates that cannot take a row back.
type once struct{}

func (once) Retractable() bool { return false }

// extremeInt is min (want -1) or max (+1): words are whether there is a value,
// and the value.
type extremeInt struct {
	once
	want int
}

func (extremeInt) Words() int     { return 2 }
func (extremeInt) HasBytes() bool { return false }

func (e extremeInt) Add(_ *Ctx, s *States, groups []uint32, rows []uint16, _ []int8, args []*vec.Vec) {
	v := args[0]
	a, m, w, stride, off := v.Ints, mask(v), s.Words, s.Stride, s.Off
	for k, r := range rows {
		if v.Nulls != nil && v.Null(int(r)) {
			continue
		}
		i, x := int(groups[k])*stride+off, a[int(r)&m]
		if w[i] == 0 || (e.want < 0 && x < w[i+1]) || (e.want > 0 && x > w[i+1]) {
			w[i], w[i+1] = 1, x
		}
	}
}

func (e extremeInt) Merge(_ *Ctx, s *States, to, from uint32) {
	t, f := s.at(to, 2), s.at(from, 2)
	if f[0] != 0 && (t[0] == 0 || (f[1] < t[1]) == (e.want < 0)) {
		copy(t, f)
	}
}

func (extremeInt) Result(_ *Ctx, s *States, groups []uint32, rows []uint16, out *vec.Vec) {
	for k, g := range groups {
		if w := s.at(g, 2); w[0] != 0 {
			out.Ints[rows[k]] = w[1]
		} else {
			out.SetNull(int(rows[k]))
		}
	}
}

type extremeFloat struct {
	once
	want int
}

func (extremeFloat) Words() int     { return 2 }
func (extremeFloat) HasBytes() bool { return false }

func (e extremeFloat) Add(_ *Ctx, s *States, groups []uint32, rows []uint16, _ []int8, args []*vec.Vec) {
	v := args[0]
	a, m, w, stride, off := v.Floats, mask(v), s.Words, s.Stride, s.Off
	for k, r := range rows {
		if v.Nulls != nil && v.Null(int(r)) {
			continue
		}
		i, x := int(groups[k])*stride+off, a[int(r)&m]
		if w[i] == 0 || vec.CompareFloats(x, wordFloat(w[i+1])) == e.want {
			w[i], w[i+1] = 1, floatWord(x)
		}
	}
}

func (e extremeFloat) Merge(_ *Ctx, s *States, to, from uint32) {
	t, f := s.at(to, 2), s.at(from, 2)
	if f[0] != 0 && (t[0] == 0 || vec.CompareFloats(wordFloat(f[1]), wordFloat(t[1])) == e.want) {
		copy(t, f)
	}
}

func (extremeFloat) Result(_ *Ctx, s *States, groups []uint32, rows []uint16, out *vec.Vec) {
	for k, g := range groups {
		if w := s.at(g, 2); w[0] != 0 {
			out.Floats[rows[k]] = wordFloat(w[1])
		} else {
			out.SetNull(int(rows[k]))
		}
	}
}

// extremeBytes keeps the value in the bytes; the word tells whether there is one.
type extremeBytes struct {
	t    vec.Type
	want int
}

func (extremeBytes) Words() int        { return 1 }
func (extremeBytes) HasBytes() bool    { return true }
func (extremeBytes) Retractable() bool { return false }

func (e extremeBytes) Add(_ *Ctx, s *States, groups []uint32, rows []uint16, _ []int8, args []*vec.Vec) {
	v := args[0]
	for k, r := range rows {
		if v.Null(int(r)) {
			continue
		}
		g, x := groups[k], v.Bytes(int(r))
		if w := s.at(g, 1); w[0] == 0 || vec.CompareBytes(e.t, x, s.Get(g)) == e.want {
			w[0] = 1
			s.Set(g, x)
		}
	}
}

func (e extremeBytes) Merge(_ *Ctx, s *States, to, from uint32) {
	t, f := s.at(to, 1), s.at(from, 1)
	if f[0] != 0 && (t[0] == 0 || vec.CompareBytes(e.t, s.Get(from), s.Get(to)) == e.want) {
		t[0] = 1
		s.Set(to, append([]byte(nil), s.Get(from)...))
	}
}

func (extremeBytes) Result(_ *Ctx, s *States, groups []uint32, rows []uint16, out *vec.Vec) {
	for k, g := range groups {
		if s.at(g, 1)[0] != 0 {
			out.SetBytes(int(rows[k]), s.Get(g))
		} else {
			out.SetNull(int(rows[k]))
		}
	}
}

// multiset is min or max over rows that may go away again. The bytes hold all
// distinct values in order: the row encoding of each and how often it is there.
// An update costs the size of the group's state.
type multiset struct {
	t    vec.Type
	want int
}

func newMultiset(want int) func([]vec.Type) (Aggregator, error) {
	return func(args []vec.Type) (Aggregator, error) { return multiset{args[0], want}, nil }
}

func (multiset) Words() int        { return 0 }
func (multiset) HasBytes() bool    { return true }
func (multiset) Retractable() bool { return true }

func (m multiset) Add(_ *Ctx, s *States, groups []uint32, rows []uint16, sign []int8, args []*vec.Vec) {
	var key, next []byte
	probe, held := vec.New(m.t), vec.New(m.t)
	for k, r := range rows {
		if args[0].Null(int(r)) {
			continue
		}
		key = vec.AppendCol(key[:0], args[0], int(r))
		next = m.change(next[:0], s.Get(groups[k]), key, signOf(sign, k), probe, held)
		s.Set(groups[k], next)
	}
}

// change appends the state old to dst with n more of key. probe and held are
// scratch columns.
func (m multiset) change(dst, old, key []byte, n int64, probe, held *vec.Vec) []byte {
	probe.Reset(m.t, 1)
	if _, err := probe.SetCol(0, key); err != nil {
		return append(dst, old...)
	}
	for rest := old; len(rest) > 0; {
		held.Reset(m.t, 1)
		after, err := held.SetCol(0, rest)
		if err != nil {
			return append(dst, old...)
		}
		count, k := binary.Varint(after)
		switch c := vec.CompareRows(held, 0, probe, 0); {
		case c == 0:
			dst = append(dst, old[:len(old)-len(rest)]...)
			if count += n; count != 0 {
				dst = append(dst, rest[:len(rest)-len(after)]...)
				dst = binary.AppendVarint(dst, count)
			}
			return append(dst, after[k:]...)
		case c > 0:
			dst = append(dst, old[:len(old)-len(rest)]...)
			dst = binary.AppendVarint(append(dst, key...), n)
			return append(dst, rest...)
		}
		rest = after[k:]
	}
	return binary.AppendVarint(append(append(dst, old...), key...), n)
}

func (m multiset) Merge(_ *Ctx, s *States, to, from uint32) {
	probe, held := vec.New(m.t), vec.New(m.t)
	rest := append([]byte(nil), s.Get(from)...)
	for len(rest) > 0 {
		after, err := vec.SkipCol(m.t, rest)
		if err != nil {
			return
		}
		count, k := binary.Varint(after)
		s.Set(to, m.change(nil, s.Get(to), rest[:len(rest)-len(after)], count, probe, held))
		rest = after[k:]
	}
}

func (m multiset) Result(_ *Ctx, s *States, groups []uint32, rows []uint16, out *vec.Vec) {
	for k, g := range groups {
		found := false
		// A negative count is a row whose deletion came before it.
		for rest := s.Get(g); len(rest) > 0; {
			after, err := vec.SkipCol(m.t, rest)
			if err != nil {
				break
			}
			count, n := binary.Varint(after)
			if count > 0 {
				found = true
				if _, err := out.SetCol(int(rows[k]), rest); err != nil {
					found = false
				}
				if m.want < 0 {
					break
				}
			}
			rest = after[n:]
		}
		if !found {
			out.SetNull(int(rows[k]))
		}
	}
}
