package bounded

import (
	"io"
	"slices"

	"github.com/weirdb/weir/exec/eval"
	"github.com/weirdb/weir/exec/table"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
)

// join is a hash join: the right side is kept, the left side looks its rows up.
// Without keys all rows of the right side are in one group: a nested loop.
type join struct {
	q            *query
	l, r         Rows
	kind         plan.JoinKind
	lkeys, rkeys []*eval.Evaluator
	on           *eval.Evaluator
	nullEqual    bool
	leftTypes    []vec.Type

	rows    *store
	index   *table.Table // by key: head and tail of a chain of rows, plus one
	chain   []int32      // the next row of the same key, plus one
	matched []bool       // rows of the right side, if they are asked for
	memory  account
	built   bool

	b       *vec.Batch // of the left side
	cols    []*vec.Vec
	groups  []uint32
	hits    []bool  // by row of b: has a partner
	at      int     // into the selected rows of b
	next    int32   // of the chain of that row, plus one; 0: none
	entered bool    // next is set for that row
	rest    int     // into the rows of the right side, at the end
	ended   bool    // the left side is
	ls, rs  []int32 // candidate pairs
	pairs   vec.Batch
	out     vec.Batch
	sel     []uint16
}

func (q *query) join(n *plan.Join, env *eval.Env) (Rows, error) {
	l, err := q.build(n.L, env)
	if err != nil {
		return nil, err
	}
	r, err := q.build(n.R, env)
	if err != nil {
		return nil, closing(l, err)
	}
	j := &join{q: q, l: l, r: r, kind: n.Kind, nullEqual: n.NullEqual, memory: account{of: &q.memory}}
	if err := j.prepare(n, env); err != nil {
		return nil, closing(j, err)
	}
	return j, nil
}

func (j *join) prepare(n *plan.Join, env *eval.Env) error {
	types := make([]vec.Type, 0, len(n.R.Columns()))
	for _, c := range n.R.Columns() {
		types = append(types, c.Type)
	}
	j.rows = newStore(j.q, types)
	for _, c := range n.L.Columns() {
		j.leftTypes = append(j.leftTypes, c.Type)
	}
	conf := table.Config{Words: 2}
	for _, k := range n.RKeys {
		conf.Keys = append(conf.Keys, k.Type())
	}
	j.index = table.New(conf)
	j.cols = make([]*vec.Vec, len(n.LKeys))
	var err error
	if j.lkeys, err = compileAll(n.LKeys, env); err != nil {
		return err
	}
	if j.rkeys, err = compileAll(n.RKeys, env); err != nil {
		return err
	}
	j.on, err = compileMaybe(n.On, env)
	return err
}

// keepsRight tells whether rows of the right side without a partner come out.
func (j *join) keepsRight() bool { return j.kind == plan.RightJoin || j.kind == plan.FullJoin }

// keepsLeft tells whether rows of the left side without a partner come out with
// nulls for the right side.
func (j *join) keepsLeft() bool { return j.kind == plan.LeftJoin || j.kind == plan.FullJoin }

// filters tells whether rows of the left side come out as they are.
func (j *join) filters() bool { return j.kind == plan.SemiJoin || j.kind == plan.AntiJoin }

// build reads the right side.
func (j *join) build() error {
	err := each(j.r, func(b *vec.Batch) error {
		rows := b.Selected()
		if err := evalAll(j.rkeys, b, rows, j.cols); err != nil {
			return err
		}
		if !j.keepsRight() {
			rows = j.keyed(rows)
		}
		first := int32(j.rows.n)
		if err := j.rows.add(b.Cols, rows); err != nil {
			return err
		}
		j.chain = append(j.chain, make([]int32, len(rows))...)
		keyed := j.keyed(rows)
		j.groups = slices.Grow(j.groups[:0], len(keyed))[:len(keyed)]
		j.index.Groups(j.cols, keyed, j.groups)
		k := 0
		for i, r := range rows {
			if k == len(keyed) || keyed[k] != r {
				continue // has a null key: stays alone
			}
			row := first + int32(i) + 1
			w := j.index.Words(j.groups[k])
			if w[1] != 0 {
				j.chain[w[1]-1] = row
			} else {
				w[0] = int64(row)
			}
			w[1] = int64(row)
			k++
		}
		return j.memory.set(j.index.Bytes() + int64(cap(j.chain))*4)
	})
	if err != nil {
		return err
	}
	if j.keepsRight() {
		j.matched = make([]bool, j.rows.n)
	}
	return nil
}

// keyed returns those of the rows listed that have no null among j.cols.
func (j *join) keyed(rows []uint16) []uint16 {
	if j.nullEqual {
		return rows
	}
	for _, c := range j.cols {
		if c.Nulls == nil {
			continue
		}
		kept := make([]uint16, 0, len(rows))
		for _, r := range rows {
			if !c.Null(int(r)) {
				kept = append(kept, r)
			}
		}
		rows = kept
	}
	return rows
}

func (j *join) Next() (*vec.Batch, error) {
	if !j.built {
		if err := j.build(); err != nil {
			return nil, err
		}
		j.built = true
	}
	for !j.ended {
		if j.b == nil {
			err := j.probe()
			if err == io.EOF {
				j.ended = true
				break
			}
			if err != nil {
				return nil, err
			}
		}
		if err := j.q.ctx.Err(); err != nil {
			return nil, err
		}
		out, err := j.step()
		if err != nil || out != nil {
			return out, err
		}
	}
	return j.unmatched()
}

// probe takes the next batch of the left side and looks its keys up.
func (j *join) probe() error {
	b, err := j.l.Next()
	if err != nil {
		return err
	}
	rows := b.Selected()
	if err := evalAll(j.lkeys, b, rows, j.cols); err != nil {
		return err
	}
	j.b, j.at, j.entered = b, 0, false
	j.hits = slices.Grow(j.hits[:0], b.N)[:b.N]
	clear(j.hits)
	j.groups = slices.Grow(j.groups[:0], len(rows))[:len(rows)]
	j.index.Find(j.cols, rows, j.groups)
	if j.nullEqual {
		return nil
	}
	for _, c := range j.cols {
		if c.Nulls == nil {
			continue
		}
		for k, r := range rows {
			if c.Null(int(r)) {
				j.groups[k] = table.None
			}
		}
	}
	return nil
}

// step returns the next rows that come of the batch at hand; nil if it has to be
// called again. It lets go of the batch at its end.
func (j *join) step() (*vec.Batch, error) {
	rows := j.b.Selected()
	if j.filters() && j.on == nil {
		for k, r := range rows {
			j.hits[r] = j.groups[k] != table.None
		}
		j.at = len(rows)
	}
	if j.at < len(rows) {
		j.candidates(rows)
		if len(j.ls) == 0 {
			return nil, nil
		}
		return j.decide()
	}
	b := j.b
	j.b = nil
	j.sel = j.sel[:0]
	switch {
	case j.filters():
		for _, r := range rows {
			if j.hits[r] == (j.kind == plan.SemiJoin) {
				j.sel = append(j.sel, r)
			}
		}
		if len(j.sel) == 0 {
			return nil, nil
		}
		j.out = *b
		j.out.Sel = j.sel
		return &j.out, nil
	case j.keepsLeft() && j.on != nil:
		j.ls, j.rs = j.ls[:0], j.rs[:0]
		for k, r := range rows {
			if !j.hits[r] && j.groups[k] != table.None {
				j.ls, j.rs = append(j.ls, int32(r)), append(j.rs, -1)
			}
		}
		if len(j.ls) > 0 {
			j.pair(b)
			return &j.pairs, nil
		}
	}
	return nil, nil
}

// candidates fills ls and rs with the next pairs of equal keys.
func (j *join) candidates(rows []uint16) {
	j.ls, j.rs = j.ls[:0], j.rs[:0]
	for j.at < len(rows) && len(j.ls) < vec.MaxRows {
		r := rows[j.at]
		if !j.entered {
			j.next, j.entered = 0, true
			if g := j.groups[j.at]; g != table.None {
				j.next = int32(j.index.Words(g)[0])
			} else if j.keepsLeft() {
				j.ls, j.rs = append(j.ls, int32(r)), append(j.rs, -1)
			}
		}
		// A partner found is enough for a semi or anti join.
		for j.next != 0 && len(j.ls) < vec.MaxRows && !(j.filters() && j.hits[r]) {
			j.ls, j.rs = append(j.ls, int32(r)), append(j.rs, j.next-1)
			j.next = j.chain[j.next-1]
		}
		if j.next != 0 && !(j.filters() && j.hits[r]) {
			return
		}
		j.at++
		j.entered = false
	}
}

// pair makes the batch of the pairs in ls and rs.
func (j *join) pair(b *vec.Batch) {
	resize(&j.pairs, len(j.leftTypes)+len(j.rows.cols))
	for i := range j.leftTypes {
		gather(j.pairs.Cols[i], b.Cols[i], j.ls)
	}
	for i, c := range j.rows.cols {
		gather(j.pairs.Cols[len(j.leftTypes)+i], c, j.rs)
	}
	j.pairs.N, j.pairs.Sel = len(j.ls), nil
}

// decide asks On of the candidates and returns the pairs that come out.
func (j *join) decide() (*vec.Batch, error) {
	j.pair(j.b)
	if j.on != nil {
		j.sel = j.sel[:0]
		for i, r := range j.rs {
			if r >= 0 {
				j.sel = append(j.sel, uint16(i))
			}
		}
		kept, err := j.on.Select(&j.pairs, j.sel)
		if err != nil {
			return nil, err
		}
		if len(kept) < len(j.sel) {
			j.pairs.Sel = j.withLone(kept)
		}
	}
	for _, i := range j.pairs.Selected() {
		if r := j.rs[i]; r >= 0 {
			j.hits[j.ls[i]] = true
			if j.matched != nil {
				j.matched[r] = true
			}
		}
	}
	if j.filters() || j.pairs.Len() == 0 {
		return nil, nil
	}
	return &j.pairs, nil
}

// withLone returns kept and the pairs without a right side, in order.
func (j *join) withLone(kept []uint16) []uint16 {
	out := make([]uint16, 0, len(j.rs))
	for i, r := range j.rs {
		switch {
		case r < 0:
			out = append(out, uint16(i))
		case len(kept) > 0 && kept[0] == uint16(i):
			out = append(out, uint16(i))
			kept = kept[1:]
		}
	}
	return out
}

// unmatched returns the rows of the right side that had no partner.
func (j *join) unmatched() (*vec.Batch, error) {
	j.rs = j.rs[:0]
	for ; j.rest < len(j.matched) && len(j.rs) < vec.MaxRows; j.rest++ {
		if !j.matched[j.rest] {
			j.rs = append(j.rs, int32(j.rest))
		}
	}
	if len(j.rs) == 0 {
		return nil, io.EOF
	}
	n := len(j.leftTypes)
	resize(&j.pairs, n+len(j.rows.cols))
	for i, t := range j.leftTypes {
		c := j.pairs.Cols[i]
		c.Reset(t, 1)
		c.SetNull(0)
		c.Const = true
	}
	for i, c := range j.rows.cols {
		gather(j.pairs.Cols[n+i], c, j.rs)
	}
	j.pairs.N, j.pairs.Sel = len(j.rs), nil
	return &j.pairs, nil
}

func (j *join) Close() error {
	j.rows.drop()
	j.memory.release()
	err := j.l.Close()
	if err2 := j.r.Close(); err == nil {
		err = err2
	}
	return err
}
