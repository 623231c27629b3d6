package eval

import "github.com/weirdb/weir/internal/vec"

// logic is AND or OR in three-valued logic.
type logic struct {
	owned
	or     bool
	args   []node
	open   []uint16
	chosen []uint16
	rest   []uint16
	merged []uint16
}

// eval asks each operand only for the rows that the ones before left open: for
// AND those that were true or null so far.
func (l *logic) eval(x *run, b *vec.Batch, rows []uint16) *vec.Vec {
	out := &l.out
	out.Reset(out.Type, b.N)
	end := truth(l.or) // the value that decides
	for _, r := range rows {
		out.Ints[r] = 1 - end
	}
	open := rows
	const null = 2
	for _, a := range l.args {
		if len(open) == 0 {
			break
		}
		v := a.eval(x, b, open)
		l.open = room(l.open, len(rows))
		keep := l.open[:0]
		for _, r := range open {
			i := v.Row(int(r))
			switch {
			case v.Nulls.Has(i):
				out.Ints[r] = null
			case v.Ints[i] == end:
				out.Ints[r] = end
				continue
			}
			keep = append(keep, r)
		}
		open = keep
	}
	for _, r := range open {
		if out.Ints[r] == null {
			out.SetNull(int(r))
		}
	}
	return out
}

func (l *logic) choose(x *run, b *vec.Batch, rows []uint16) []uint16 {
	if !l.or {
		for _, a := range l.args {
			if rows = choose(a, x, b, rows); len(rows) == 0 {
				return nil
			}
		}
		return rows
	}
	l.chosen, l.rest, l.merged = room(l.chosen, len(rows)), room(l.rest, len(rows)), room(l.merged, len(rows))
	found := l.chosen[:0]
	rest := rows
	for _, a := range l.args {
		if len(rest) == 0 {
			break
		}
		more := choose(a, x, b, rest)
		if len(more) == 0 {
			continue
		}
		l.merged = merge(found, more, l.merged[:0])
		l.rest = without(rest, more, l.rest[:0])
		l.chosen, l.merged = l.merged, l.chosen
		found, rest = l.chosen, l.rest
	}
	return found
}

// merge appends the union of two ascending lists without common rows to dst.
func merge(a, b, dst []uint16) []uint16 {
	for len(a) > 0 && len(b) > 0 {
		if a[0] < b[0] {
			dst, a = append(dst, a[0]), a[1:]
		} else {
			dst, b = append(dst, b[0]), b[1:]
		}
	}
	return append(append(dst, a...), b...)
}

// without appends the rows of a that are not in b to dst, which may be a[:0].
// Both lists ascend and b is a part of a.
func without(a, b, dst []uint16) []uint16 {
	for _, r := range a {
		if len(b) > 0 && b[0] == r {
			b = b[1:]
			continue
		}
		dst = append(dst, r)
	}
	return dst
}

// caseOf is the searched CASE.
type caseOf struct {
	owned
	conds, thens []node
	others       node
	rest         []uint16
}

func (c *caseOf) eval(x *run, b *vec.Batch, rows []uint16) *vec.Vec {
	out := &c.out
	out.Reset(out.Type, b.N)
	rest := rows
	c.rest = room(c.rest, len(rows))
	for i, cond := range c.conds {
		if len(rest) == 0 {
			return out
		}
		taken := choose(cond, x, b, rest)
		if len(taken) == 0 {
			continue
		}
		copyRows(out, c.thens[i].eval(x, b, taken), taken)
		rest = without(rest, taken, c.rest[:0])
	}
	if len(rest) > 0 {
		copyRows(out, c.others.eval(x, b, rest), rest)
	}
	return out
}

// copyRows makes the rows listed of out those of v.
func copyRows(out, v *vec.Vec, rows []uint16) {
	if v.Nulls == nil && !v.Const {
		switch out.Type.Layout() {
		case vec.InInts:
			for _, r := range rows {
				out.Ints[r] = v.Ints[r]
			}
			return
		case vec.InFloats:
			for _, r := range rows {
				out.Floats[r] = v.Floats[r]
			}
			return
		}
	}
	for _, r := range rows {
		out.CopyRow(int(r), v, int(r))
	}
}

// coalesce is the first operand that is not null.
type coalesce struct {
	owned
	args []node
	open []uint16
}

func (c *coalesce) eval(x *run, b *vec.Batch, rows []uint16) *vec.Vec {
	out := &c.out
	out.Reset(out.Type, b.N)
	open := rows
	for _, a := range c.args {
		if len(open) == 0 {
			return out
		}
		v := a.eval(x, b, open)
		if v.Nulls == nil {
			copyRows(out, v, open)
			return out
		}
		c.open = room(c.open, len(rows))
		keep := c.open[:0]
		for _, r := range open {
			if v.Null(int(r)) {
				keep = append(keep, r)
			} else {
				out.CopyRow(int(r), v, int(r))
			}
		}
		open = keep
	}
	for _, r := range open {
		out.SetNull(int(r))
	}
	return out
}
