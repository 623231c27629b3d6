package bounded

import (
	"github.com/weirdb/weir/internal/vec"
)

// store keeps rows, column by column.
type store struct {
	cols []*vec.Vec
	n    int
	account
}

func newStore(q *query, types []vec.Type) *store {
	s := &store{account: account{of: &q.memory}}
	for _, t := range types {
		s.cols = append(s.cols, vec.New(t))
	}
	return s
}

// add keeps the rows listed of some columns.
func (s *store) add(cols []*vec.Vec, rows []uint16) error {
	for i, c := range s.cols {
		for _, r := range rows {
			c.AppendRow(cols[i], int(r))
		}
	}
	s.n += len(rows)
	return s.set(s.bytes())
}

func (s *store) bytes() (n int64) {
	for _, c := range s.cols {
		n += int64(cap(c.Ints)+cap(c.Floats)+cap(c.Views)+cap(c.Nulls))*8 + int64(cap(c.Data))
	}
	return n
}

// keep drops all rows but those listed, in that order.
func (s *store) keep(rows []int32) error {
	for i, c := range s.cols {
		kept := vec.New(c.Type)
		for _, r := range rows {
			kept.AppendRow(c, int(r))
		}
		s.cols[i] = kept
	}
	s.n = len(rows)
	return s.set(s.bytes())
}

func (s *store) drop() {
	s.cols, s.n = nil, 0
	s.release()
}

// gather makes out the rows listed of v; -1 is a null.
func gather(out, v *vec.Vec, rows []int32) {
	out.Reset(v.Type, len(rows))
	if v.Nulls == nil && !v.Const {
		switch v.Type.Layout() {
		case vec.InInts:
			for i, r := range rows {
				if r < 0 {
					out.SetNull(i)
				} else {
					out.Ints[i] = v.Ints[r]
				}
			}
			return
		case vec.InFloats:
			for i, r := range rows {
				if r < 0 {
					out.SetNull(i)
				} else {
					out.Floats[i] = v.Floats[r]
				}
			}
			return
		}
	}
	for i, r := range rows {
		if r < 0 {
			out.SetNull(i)
		} else {
			out.CopyRow(i, v, int(r))
		}
	}
}
