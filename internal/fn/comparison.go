package fn

import (
	"bytes"

	"github.com/weirdb/weir/internal/vec"
)

// A relation is one of the six comparisons, put as "less" or "equal" of the
// operands, perhaps swapped, perhaps negated: every layout then needs two loops.
type relation struct {
	sign string
	less bool
	swap bool
	not  bool
}

var relations = [...]relation{
	{sign: "="},
	{sign: "<>", not: true},
	{sign: "<", less: true},
	{sign: ">", less: true, swap: true},
	{sign: "<=", less: true, swap: true, not: true},
	{sign: ">=", less: true, not: true},
}

type selector = func(c *Call, rows []uint16, args []*vec.Vec, dst []uint16) []uint16

// comparison is the family of = <> < > <= >= and of IS [NOT] DISTINCT FROM.
func comparison() []*Func {
	var out []*Func
	for _, rel := range relations {
		ints, floats, raw, other := rel.kernels()
		add := func(d Dialect, ps []Param, eval Kernel, sel selector) {
			if d&Postgres != 0 {
				out = append(out, &Func{Name: rel.sign, Dialect: d & Postgres, Params: ps, Result: of(vec.Bool), Eval: eval, Select: sel})
			}
			if d&KSQL != 0 {
				out = append(out, &Func{Name: rel.sign, Dialect: KSQL, Params: ps, Result: of(vec.Bool), NullCall: true, Eval: falseOnNull(eval), Select: sel})
			}
		}
		onInts, onFloats, onRaw, onOther := selectInts(rel), selectFloats(rel), selectRaw(rel), selectOther(rel)
		for _, a := range intKinds {
			for _, b := range intKinds {
				add(Both, params(a, b), ints, onInts)
			}
		}
		for _, k := range []vec.Kind{vec.Bool, vec.OID, vec.Date, vec.Time, vec.Timestamp, vec.TimestampTZ} {
			add(Both, params(k, k), ints, onInts)
		}
		add(Both, params(vec.Float32, vec.Float32), floats, onFloats)
		add(Both, params(vec.Float64, vec.Float64), floats, onFloats)
		add(Postgres, params(vec.Float32, vec.Float64), floats, onFloats)
		add(Postgres, params(vec.Float64, vec.Float32), floats, onFloats)
		add(Both, params(vec.Text, vec.Text), raw, onRaw)
		for _, k := range []vec.Kind{vec.Bytes, vec.UUID} {
			add(Both, params(k, k), raw, onRaw)
		}
		for _, k := range []vec.Kind{vec.Decimal, vec.Interval, vec.JSONB} {
			add(Both, params(k, k), other, onOther)
		}
		add(Both, []Param{anyArray, anyArray}, other, onOther)
		for _, k := range []vec.Kind{vec.Struct, vec.Map} {
			add(Both, []Param{{Kind: k, Var: 1}, {Kind: k, Var: 1}}, other, onOther)
		}
	}
	both := []Param{anyElem, anyElem}
	return append(out,
		&Func{Name: "is distinct from", Dialect: Both, Params: both, Result: of(vec.Bool), NullCall: true, Eval: distinct(1)},
		&Func{Name: "is not distinct from", Dialect: Both, Params: both, Result: of(vec.Bool), NullCall: true, Eval: distinct(0)},
	)
}

var intKinds = ints

// falseOnNull is ksqlDB's rule that a comparison with NULL is false.
func falseOnNull(k Kernel) Kernel {
	return func(c *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
		a, b := args[0], args[1]
		if a.Const && a.Null(0) || b.Const && b.Null(0) {
			for _, r := range rows {
				out.Ints[r] = 0
			}
			return
		}
		k(c, rows, args, out) // what stands in null rows may be compared, too
		if a.Nulls == nil && b.Nulls == nil {
			return
		}
		for _, r := range rows {
			if a.Null(int(r)) || b.Null(int(r)) {
				out.Ints[r] = 0
			}
		}
	}
}

// distinct compares with NULL as a value: equal gives 1-unequal.
func distinct(unequal int64) Kernel {
	return func(_ *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
		for _, r := range rows {
			out.Ints[r] = 1 - unequal
			if vec.CompareRows(args[0], int(r), args[1], int(r)) != 0 {
				out.Ints[r] = unequal
			}
		}
	}
}

func (rel relation) operands(args []*vec.Vec) (a, b *vec.Vec) {
	if rel.swap {
		return args[1], args[0]
	}
	return args[0], args[1]
}

// kernels returns the Eval of the relation for each layout: integers, floats,
// byte strings, and what CompareBytes has to look into.
func (rel relation) kernels() (ints, floats, raw, other Kernel) {
	not := int64(0)
	if rel.not {
		not = 1
	}
	if rel.less {
		ints = func(_ *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
			v, u := rel.operands(args)
			a, b, o, ma, mb := v.Ints, u.Ints, out.Ints, mask(v), mask(u)
			for _, r := range rows {
				t := not
				if a[int(r)&ma] < b[int(r)&mb] {
					t = 1 - not
				}
				o[r] = t
			}
		}
		floats = func(_ *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
			v, u := rel.operands(args)
			a, b, ma, mb := v.Floats, u.Floats, mask(v), mask(u)
			for _, r := range rows {
				x, y := a[int(r)&ma], b[int(r)&mb]
				t := not
				if x < y || y != y && x == x {
					t = 1 - not
				}
				out.Ints[r] = t
			}
		}
		raw = func(_ *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
			a, b := rel.operands(args)
			a, b = unpadded(a), unpadded(b)
			for _, r := range rows {
				t := not
				if bytes.Compare(a.Bytes(int(r)), b.Bytes(int(r))) < 0 {
					t = 1 - not
				}
				out.Ints[r] = t
			}
		}
	} else {
		ints = func(_ *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
			a, b, o, ma, mb := args[0].Ints, args[1].Ints, out.Ints, mask(args[0]), mask(args[1])
			for _, r := range rows {
				t := not
				if a[int(r)&ma] == b[int(r)&mb] {
					t = 1 - not
				}
				o[r] = t
			}
		}
		floats = func(_ *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
			a, b, ma, mb := args[0].Floats, args[1].Floats, mask(args[0]), mask(args[1])
			for _, r := range rows {
				x, y := a[int(r)&ma], b[int(r)&mb]
				t := not
				if x == y || x != x && y != y {
					t = 1 - not
				}
				out.Ints[r] = t
			}
		}
		raw = func(_ *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
			a, b := unpadded(args[0]), unpadded(args[1])
			for _, r := range rows {
				t := not
				if bytes.Equal(a.Bytes(int(r)), b.Bytes(int(r))) {
					t = 1 - not
				}
				out.Ints[r] = t
			}
		}
	}
	other = func(_ *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
		a, b := rel.operands(args)
		for _, r := range rows {
			out.Ints[r] = not
			if rel.holds(vec.CompareBytes(a.Type, a.Bytes(int(r)), b.Bytes(int(r)))) {
				out.Ints[r] = 1 - not
			}
		}
	}
	return ints, floats, raw, other
}

// holds interprets a three-way comparison, before negation.
func (rel relation) holds(c int) bool {
	if rel.less {
		return c < 0
	}
	return c == 0
}

// unpadded drops the blanks that char(n) is padded with: they do not count.
func unpadded(v *vec.Vec) *vec.Vec {
	if v.Type.OID != vec.OIDBPChar {
		return v
	}
	u := *v
	u.Views = make([]vec.View, len(v.Views))
	for i, w := range v.Views {
		for w.Len > 0 && v.Data[w.Off+w.Len-1] == ' ' {
			w.Len--
		}
		u.Views[i] = w
	}
	return &u
}

func selectInts(rel relation) selector {
	not := 0
	if rel.not {
		not = 1
	}
	return func(_ *Call, rows []uint16, args []*vec.Vec, dst []uint16) []uint16 {
		base := len(dst)
		dst = grow(dst, len(rows))
		rows = notNull(rows, args, dst[base:])
		v, u := rel.operands(args)
		a, b, ma, mb := v.Ints, u.Ints, mask(v), mask(u)
		d, n := dst[base:base+len(rows)], 0
		if rel.less {
			for _, r := range rows {
				d[n] = r
				t := not
				if a[int(r)&ma] < b[int(r)&mb] {
					t = 1 - not
				}
				n += t
			}
			return dst[:base+n]
		}
		for _, r := range rows {
			d[n] = r
			t := not
			if a[int(r)&ma] == b[int(r)&mb] {
				t = 1 - not
			}
			n += t
		}
		return dst[:base+n]
	}
}

func selectFloats(rel relation) selector {
	return func(_ *Call, rows []uint16, args []*vec.Vec, dst []uint16) []uint16 {
		base := len(dst)
		dst = grow(dst, len(rows))
		rows = notNull(rows, args, dst[base:])
		v, u := rel.operands(args)
		a, b, ma, mb := v.Floats, u.Floats, mask(v), mask(u)
		d, n := dst[base:base+len(rows)], 0
		for _, r := range rows {
			x, y := a[int(r)&ma], b[int(r)&mb]
			var t bool
			if rel.less {
				t = x < y || y != y && x == x
			} else {
				t = x == y || x != x && y != y
			}
			d[n] = r
			if t != rel.not {
				n++
			}
		}
		return dst[:base+n]
	}
}

func selectRaw(rel relation) selector {
	return func(_ *Call, rows []uint16, args []*vec.Vec, dst []uint16) []uint16 {
		base := len(dst)
		dst = grow(dst, len(rows))
		rows = notNull(rows, args, dst[base:])
		v, u := rel.operands(args)
		v, u = unpadded(v), unpadded(u)
		d, n := dst[base:base+len(rows)], 0
		if len(rows) == 0 {
			return dst[:base]
		}
		if !rel.less && u.Const {
			want := u.Bytes(0)
			for _, r := range rows {
				d[n] = r
				if bytes.Equal(v.Bytes(int(r)), want) != rel.not {
					n++
				}
			}
			return dst[:base+n]
		}
		for _, r := range rows {
			d[n] = r
			if rel.holds(bytes.Compare(v.Bytes(int(r)), u.Bytes(int(r)))) != rel.not {
				n++
			}
		}
		return dst[:base+n]
	}
}

func selectOther(rel relation) selector {
	return func(_ *Call, rows []uint16, args []*vec.Vec, dst []uint16) []uint16 {
		base := len(dst)
		dst = grow(dst, len(rows))
		rows = notNull(rows, args, dst[base:])
		v, u := rel.operands(args)
		d, n := dst[base:base+len(rows)], 0
		for _, r := range rows {
			d[n] = r
			if rel.holds(vec.CompareBytes(v.Type, v.Bytes(int(r)), u.Bytes(int(r)))) != rel.not {
				n++
			}
		}
		return dst[:base+n]
	}
}

// grow lengthens dst by n.
func grow(dst []uint16, n int) []uint16 {
	if free := cap(dst) - len(dst); free < n {
		dst = append(make([]uint16, 0, len(dst)+n), dst...)
	}
	return dst[:len(dst)+n]
}
