package eval

import (
	"encoding/binary"

	"github.com/weirdb/weir/internal/fn"
	"github.com/weirdb/weir/internal/vec"
)

// owned is the column that a node computes.
type owned struct{ out vec.Vec }

func (o *owned) scratch() *vec.Vec { return &o.out }

// constant is the same for all rows.
type constant struct{ v vec.Vec }

func constantOf(t vec.Type, x vec.Value) *constant { return &constant{*vec.ConstOf(t, x)} }

func (c *constant) eval(*run, *vec.Batch, []uint16) *vec.Vec { return &c.v }
func (c *constant) scratch() *vec.Vec                        { return &c.v }

// column is a column of the batch.
type column struct {
	owned
	index int
}

// eval gives the column as it is, or, where a cast says so, under another of the
// names that PostgreSQL has for its type: how an OID is written depends on it.
func (c *column) eval(_ *run, b *vec.Batch, _ []uint16) *vec.Vec {
	v := b.Cols[c.index]
	if t := c.out.Type; v.Type.OID != t.OID && v.Type.Kind == t.Kind && t.Kind != vec.Array {
		c.out = *v
		c.out.Type = t
		return &c.out
	}
	return v
}

// outer is a column of a row of an enclosing query.
type outer struct {
	owned
	level, index int
}

func (o *outer) eval(x *run, _ *vec.Batch, _ []uint16) *vec.Vec {
	row := x.env.Outer.at(o.level)
	return single(&o.out, row.Batch.Cols[o.index], row.Row)
}

// single makes out the constant that row i of v is.
func single(out, v *vec.Vec, i int) *vec.Vec {
	out.Reset(out.Type, 1)
	out.CopyRow(0, v, i)
	out.Const = true
	return out
}

// call applies a function.
type call struct {
	owned
	f       *fn.Func
	c       fn.Call
	args    []node // nil where a lambda stands
	vecs    []*vec.Vec
	lambdas []*lambda
	pos     int
	literal bool // a cast of a literal
	live    []uint16
	chosen  []uint16
}

func (c *call) eval(x *run, b *vec.Batch, rows []uint16) *vec.Vec {
	fixed := c.operands(x, b, rows) && c.f.Volatility != fn.Volatile && len(c.lambdas) == 0
	out := &c.out
	if fixed {
		out.Reset(c.c.Type, 1)
		out.Const = true
		if !c.f.NullCall && anyNull(c.vecs, 0) {
			out.SetNull(0)
			return out
		}
		whole := x.whole
		x.whole = rows
		c.kernel(x, vec.Identity(1))
		x.whole = whole
		return out
	}
	out.Reset(c.c.Type, b.N)
	live := rows
	if !c.f.NullCall {
		live = c.strict(rows)
	}
	if len(live) == 0 {
		return out
	}
	if !c.rowwise(x) {
		c.kernel(x, live)
		return out
	}
	// A lambda that looks at the row around it is computed row by row.
	saved := x.outside
	for k, r := range live {
		if saved < 0 {
			x.outside = int(r)
		}
		for _, l := range c.lambdas {
			l.around, l.row = b, int(r)
		}
		c.kernel(x, live[k:k+1])
	}
	x.outside = saved
	return out
}

func (c *call) kernel(x *run, rows []uint16) {
	saved := x.at
	x.at = c
	c.f.Eval(&c.c, rows, c.vecs, &c.out)
	x.at = saved
}

// operands computes the arguments and tells whether all are constant.
func (c *call) operands(x *run, b *vec.Batch, rows []uint16) bool {
	fixed := true
	for i, a := range c.args {
		if a == nil {
			continue
		}
		c.vecs[i] = a.eval(x, b, rows)
		fixed = fixed && c.vecs[i].Const
	}
	return fixed
}

// rowwise tells whether the function has to be called for one row at a time.
func (c *call) rowwise(x *run) bool {
	for _, l := range c.lambdas {
		if l.captures || x.env.Report != nil {
			return true
		}
	}
	return false
}

func anyNull(vecs []*vec.Vec, i int) bool {
	for _, v := range vecs {
		if v != nil && v.Null(i) {
			return true
		}
	}
	return false
}

// strict makes the result null where an argument is, and returns the other rows.
func (c *call) strict(rows []uint16) []uint16 {
	live := rows
	for _, v := range c.vecs {
		if v == nil || v.Nulls == nil {
			continue
		}
		if v.Const {
			if v.Nulls.Has(0) {
				for _, r := range rows {
					c.out.SetNull(int(r))
				}
				return nil
			}
			continue
		}
		c.live = room(c.live, len(rows))
		keep := c.live[:0] // filtering live in place is fine: it is read first
		for _, r := range live {
			if v.Nulls.Has(int(r)) {
				c.out.SetNull(int(r))
			} else {
				keep = append(keep, r)
			}
		}
		live = keep
	}
	return live
}

func (c *call) choose(x *run, b *vec.Batch, rows []uint16) []uint16 {
	c.chosen = room(c.chosen, len(rows))
	if c.f.Select == nil || len(c.lambdas) > 0 {
		return truths(c.eval(x, b, rows), rows, c.chosen[:0])
	}
	c.operands(x, b, rows)
	saved := x.at
	x.at = c
	out := c.f.Select(&c.c, rows, c.vecs, c.chosen[:0])
	x.at = saved
	return out
}

// room returns s with room for n rows.
func room(s []uint16, n int) []uint16 {
	if cap(s) < n {
		return make([]uint16, 0, max(n, min(2*n, vec.MaxRows)))
	}
	return s
}

// isNull is IS [NOT] NULL.
type isNull struct {
	owned
	arg    node
	not    bool
	chosen []uint16
}

func (n *isNull) eval(x *run, b *vec.Batch, rows []uint16) *vec.Vec {
	v := n.arg.eval(x, b, rows)
	out := &n.out
	if v.Const {
		out.Reset(out.Type, 1)
		out.Const = true
		out.Ints[0] = truth(v.Null(0) != n.not)
		return out
	}
	out.Reset(out.Type, b.N)
	for _, r := range rows {
		out.Ints[r] = truth(v.Nulls.Has(int(r)) != n.not)
	}
	return out
}

func (n *isNull) choose(x *run, b *vec.Batch, rows []uint16) []uint16 {
	v := n.arg.eval(x, b, rows)
	if v.Nulls == nil {
		if n.not {
			return rows
		}
		return nil
	}
	n.chosen = room(n.chosen, len(rows))
	out := n.chosen[:0]
	for _, r := range rows {
		if v.Null(int(r)) != n.not {
			out = append(out, r)
		}
	}
	return out
}

func truth(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// tuple makes a struct or an array: values one after another.
type tuple struct {
	owned
	args    []node
	vecs    []*vec.Vec
	counted bool // an array begins with its length
}

func (t *tuple) eval(x *run, b *vec.Batch, rows []uint16) *vec.Vec {
	for i, a := range t.args {
		t.vecs[i] = a.eval(x, b, rows)
	}
	out := &t.out
	out.Reset(out.Type, b.N)
	for _, r := range rows {
		start := len(out.Data)
		if t.counted {
			out.Data = binary.AppendUvarint(out.Data, uint64(len(t.vecs)))
		}
		out.Data = vec.AppendRow(out.Data, t.vecs, int(r))
		out.Close(int(r), start)
	}
	return out
}

// mapOf makes a map; of several values for one key the last counts.
type mapOf struct {
	owned
	args  []node // keys, then values
	n     int
	vecs  []*vec.Vec
	keys  []byte
	ends  []int // of the encoded keys
	order []int
}

func (m *mapOf) eval(x *run, b *vec.Batch, rows []uint16) *vec.Vec {
	for i, a := range m.args {
		m.vecs[i] = a.eval(x, b, rows)
	}
	out := &m.out
	out.Reset(out.Type, b.N)
	for _, r := range rows {
		m.keys, m.order = m.keys[:0], m.order[:0]
		for i := range m.n {
			start := len(m.keys)
			m.keys = vec.AppendCol(m.keys, m.vecs[i], int(r))
			m.ends[i] = len(m.keys)
			if j := m.same(string(m.keys[start:])); j >= 0 {
				m.order[j] = i
				continue
			}
			m.order = append(m.order, i)
		}
		start := len(out.Data)
		out.Data = binary.AppendUvarint(out.Data, uint64(len(m.order)))
		for _, i := range m.order {
			out.Data = vec.AppendCol(out.Data, m.vecs[i], int(r))
			out.Data = vec.AppendCol(out.Data, m.vecs[m.n+i], int(r))
		}
		out.Close(int(r), start)
	}
	return out
}

// same returns the place in order of an earlier equal key, -1 if there is none.
func (m *mapOf) same(key string) int {
	for j, i := range m.order {
		start := 0
		if i > 0 {
			start = m.ends[i-1]
		}
		if string(m.keys[start:m.ends[i]]) == key {
			return j
		}
	}
	return -1
}

// field is a member of a struct.
type field struct {
	owned
	arg   node
	index int
	of    vec.Type
}

func (f *field) eval(x *run, b *vec.Batch, rows []uint16) *vec.Vec {
	v := f.arg.eval(x, b, rows)
	out := &f.out
	out.Reset(out.Type, b.N)
	for _, r := range rows {
		if v.Null(int(r)) {
			out.SetNull(int(r))
			continue
		}
		data := v.Bytes(int(r))
		var err error
		for i := 0; i < f.index && err == nil; i++ {
			data, err = vec.SkipCol(f.of.Fields[i].Type, data)
		}
		if err == nil {
			_, err = out.SetCol(int(r), data)
		}
		if err != nil {
			out.SetNull(int(r))
			x.fail(int(r), err)
		}
	}
	return out
}
