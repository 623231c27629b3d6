package bounded

import (
	"io"
	"slices"

	"github.com/weirdb/weir/exec/eval"
	"github.com/weirdb/weir/exec/table"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
)

// sessions reads all its input and appends to each row the start and end of its
// session: rows of a key with no gap between them longer than the window's.
type sessions struct {
	in    Rows
	gap   int64
	keys  []*eval.Evaluator
	width int
	rows  *store // the input's columns, then group, time, start, end
	of    *table.Table

	ready bool
	at    int
	out   vec.Batch
}

func newSessions(q *query, n *plan.Aggregate, in Rows, keys []*eval.Evaluator) *sessions {
	s := &sessions{in: in, gap: n.Window.Size, keys: keys}
	var types []vec.Type
	for _, c := range n.In.Columns() {
		types = append(types, c.Type)
	}
	s.width = len(types)
	for range 4 {
		types = append(types, vec.Of(vec.Int64))
	}
	s.rows = newStore(q, types)
	var conf table.Config
	for _, k := range n.Keys {
		conf.Keys = append(conf.Keys, k.Type())
	}
	s.of = table.New(conf)
	return s
}

func (s *sessions) Next() (*vec.Batch, error) {
	if !s.ready {
		if err := s.read(); err != nil {
			return nil, err
		}
		s.ready = true
	}
	n := min(s.rows.n-s.at, vec.MaxRows)
	if n == 0 {
		return nil, io.EOF
	}
	list := make([]int32, n)
	for i := range list {
		list[i] = int32(s.at + i)
	}
	s.at += n
	resize(&s.out, s.width+2)
	for i := range s.width {
		gather(s.out.Cols[i], s.rows.cols[i], list)
	}
	gather(s.out.Cols[s.width], s.rows.cols[s.width+2], list)
	gather(s.out.Cols[s.width+1], s.rows.cols[s.width+3], list)
	s.out.N = n
	s.out.Time = s.rows.cols[s.width+1].Ints[s.at-n : s.at]
	return &s.out, nil
}

func (s *sessions) read() error {
	keys := make([]*vec.Vec, len(s.keys))
	all := make([]*vec.Vec, s.width+4)
	var group, time vec.Vec
	var groups []uint32
	err := each(s.in, func(b *vec.Batch) error {
		if b.Time == nil {
			return errNoTime
		}
		rows := b.Selected()
		if err := evalAll(s.keys, b, rows, keys); err != nil {
			return err
		}
		groups = slices.Grow(groups[:0], len(rows))[:len(rows)]
		s.of.Groups(keys, rows, groups)
		group.Reset(vec.Of(vec.Int64), b.N)
		time.Reset(vec.Of(vec.Int64), b.N)
		for k, r := range rows {
			group.Ints[r], time.Ints[r] = int64(groups[k]), b.Time[r]
		}
		copy(all, b.Cols)
		all[s.width], all[s.width+1], all[s.width+2], all[s.width+3] = &group, &time, &time, &time
		return s.rows.add(all, rows)
	})
	if err != nil {
		return err
	}
	by := order{desc: make([]bool, 2), nullsFirst: make([]bool, 2)}
	c := s.rows.cols[s.width:]
	list := by.sorted(c[:2], s.rows.n)
	g, t, start, end := c[0].Ints, c[1].Ints, c[2].Ints, c[3].Ints
	for i := 0; i < len(list); {
		j := i + 1
		for j < len(list) && g[list[j]] == g[list[i]] && t[list[j]]-t[list[j-1]] <= s.gap {
			j++
		}
		for _, r := range list[i:j] {
			start[r], end[r] = t[list[i]], t[list[j-1]]
		}
		i = j
	}
	return nil
}

func (s *sessions) Close() error {
	s.rows.drop()
	return s.in.Close()
}
