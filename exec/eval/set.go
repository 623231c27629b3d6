package eval

import (
	"math"

	"github.com/weirdb/weir/internal/vec"
)

// set is a set of values of one type. A few are looked through, more are hashed.
type set struct {
	t      vec.Type
	values vec.Vec // without nulls
	ints   map[int64]struct{}
	bytes  map[string]struct{} // of exact or of vec.AppendKey
	keyed  bool
	key    []byte
	one    [1]*vec.Vec
}

// small is how many values are still looked through.
const small = 8

func newSet(t vec.Type, list []vec.Value) *set {
	s := &set{t: t}
	s.values.Type = t
	for _, x := range list {
		if x != nil {
			s.values.Append(x)
		}
	}
	s.index()
	return s
}

// index makes the hash table, if the type's equality is that of its bytes.
func (s *set) index() {
	n := s.values.Len()
	if n <= small {
		return
	}
	switch s.t.Kind {
	case vec.Interval, vec.JSONB, vec.Array, vec.Struct, vec.Map:
		return
	case vec.Decimal:
		s.keyed = true
	case vec.Text:
		if s.t.OID == vec.OIDBPChar {
			return
		}
	}
	if s.t.Layout() == vec.InBytes {
		s.bytes = make(map[string]struct{}, n)
		for i := range n {
			s.bytes[string(s.keyOf(&s.values, i))] = struct{}{}
		}
		return
	}
	s.ints = make(map[int64]struct{}, n)
	for i := range n {
		s.ints[wordOf(&s.values, i)] = struct{}{}
	}
}

// wordOf returns a word that equal values of a fixed-width column share.
func wordOf(v *vec.Vec, i int) int64 {
	if v.Type.Layout() == vec.InInts {
		return v.Ints[i]
	}
	switch f := v.Floats[i]; {
	case f != f:
		return 0x7ff8000000000000
	case f == 0:
		return 0 // -0 too
	default:
		return int64(math.Float64bits(f))
	}
}

func (s *set) keyOf(v *vec.Vec, i int) []byte {
	if !s.keyed {
		return v.Bytes(i)
	}
	s.one[0] = v
	s.key = vec.AppendKey(s.key[:0], s.one[:], i)
	return s.key
}

// has tells whether row i of v, which is not null, is in the set.
func (s *set) has(v *vec.Vec, i int) bool {
	i = v.Row(i)
	switch {
	case s.bytes != nil:
		_, ok := s.bytes[string(s.keyOf(v, i))]
		return ok
	case s.ints != nil:
		_, ok := s.ints[wordOf(v, i)]
		return ok
	case s.t.Layout() == vec.InInts:
		x := v.Ints[i]
		for _, y := range s.values.Ints {
			if x == y {
				return true
			}
		}
		return false
	}
	for j := range s.values.Len() {
		if vec.CompareRows(v, i, &s.values, j) == 0 {
			return true
		}
	}
	return false
}

// in is X IN (constants).
type in struct {
	owned
	arg          node
	set          *set
	hasNull, not bool
	chosen       []uint16
}

func (n *in) eval(x *run, b *vec.Batch, rows []uint16) *vec.Vec {
	v := n.arg.eval(x, b, rows)
	out := &n.out
	if v.Const {
		out.Reset(out.Type, 1)
		out.Const = true
		n.row(out, v, 0)
		return out
	}
	out.Reset(out.Type, b.N)
	for _, r := range rows {
		n.row(out, v, int(r))
	}
	return out
}

func (n *in) row(out, v *vec.Vec, r int) {
	switch {
	case v.Null(r):
		out.SetNull(r)
	case n.set.has(v, r):
		out.Ints[r] = truth(!n.not)
	case n.hasNull:
		out.SetNull(r)
	default:
		out.Ints[r] = truth(n.not)
	}
}

func (n *in) choose(x *run, b *vec.Batch, rows []uint16) []uint16 {
	v := n.arg.eval(x, b, rows)
	if n.not && n.hasNull {
		return nil
	}
	n.chosen = room(n.chosen, len(rows))
	out := n.chosen[:0]
	for _, r := range rows {
		if !v.Null(int(r)) && n.set.has(v, int(r)) != n.not {
			out = append(out, r)
		}
	}
	return out
}
