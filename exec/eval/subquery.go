package eval

import (
	"fmt"

	"github.com/weirdb/weir/internal/fn"
	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
)

// Queries runs the plans of subqueries.
type Queries interface {
	// Prepare returns a query over env, which belongs to it: whoever runs the
	// query sets env.Outer first.
	Prepare(p plan.Node, env *Env) (Query, error)
}

// A Query can be run again and again.
type Query interface {
	// Run calls yield with each batch of rows, until it returns false. The batch
	// is valid during the call.
	Run(yield func(*vec.Batch) bool) error
	// Keep tells that answers take so many bytes more (or fewer). Its error ends
	// the evaluation.
	Keep(bytes int64) error
}

// maxMemo bounds the answers that are remembered of a correlated subquery.
const maxMemo = 10_000

// subquery is a query used as a value. Answers are remembered by the outer values
// that the query looks at; one that looks at none is run once.
type subquery struct {
	owned
	kind  plan.SubqueryKind
	query Query
	env   *Env
	refs  []reference
	elem  vec.Type // of the query's first column

	left  node // X of ANY and ALL
	op    *call
	x     vec.Vec // the left side for one row
	equal bool    // op is equality of one type, so that a set answers

	memo map[string]*answer
	held int64 // bytes of memo, as Keep was told
	key  []byte
}

// reference is an outer column that a subquery looks at: level 0 is the row that
// it is evaluated for.
type reference struct {
	level, index int
}

// answer is what a subquery gave for one outer row.
type answer struct {
	value   vec.Vec // one row; not of Any and All
	rows    vec.Vec // of Any and All: the first column
	set     *set    // of the rows that are not null, for equality
	hasNull bool
}

func (c *compiler) subquery(e *plan.Subquery) (node, error) {
	if c.env.Queries == nil {
		return nil, pgerr.Newf(pgerr.FeatureNotSupported, "a subquery cannot be used here")
	}
	if c.in != nil {
		return nil, pgerr.Newf(pgerr.FeatureNotSupported, "a subquery cannot be used in a lambda")
	}
	env := *c.env
	env.Outer = nil
	env.Report = nil
	n := &subquery{kind: e.Kind, env: &env, memo: map[string]*answer{}}
	n.out.Type = e.T
	var err error
	if n.query, err = c.env.Queries.Prepare(e.Plan, n.env); err != nil {
		return nil, err
	}
	seen := map[reference]bool{}
	outerRefs(e.Plan, func(level, index int) {
		if r := (reference{level, index}); !seen[r] {
			seen[r] = true
			n.refs = append(n.refs, r)
		}
	})
	if cols := e.Plan.Columns(); len(cols) > 0 {
		n.elem = cols[0].Type
	} else if e.Kind != plan.Exists {
		return nil, fmt.Errorf("eval: a subquery without columns as a value")
	}
	if e.Kind != plan.Any && e.Kind != plan.All {
		return n, nil
	}
	if n.left, err = c.compile(e.X); err != nil {
		return nil, err
	}
	n.x.Type = e.X.Type()
	n.op = &call{f: e.Op, pos: -1, args: []node{&column{index: 0}, &column{index: 1}}, vecs: make([]*vec.Vec, 2)}
	n.op.c = fn.Call{Ctx: &c.run.ctx, Types: []vec.Type{e.X.Type(), n.elem}, Type: vec.Of(vec.Bool)}
	n.op.out.Type = vec.Of(vec.Bool)
	sameKind := e.X.Type().Kind == n.elem.Kind && e.X.Type().OID == n.elem.OID
	n.equal = sameKind && (e.Kind == plan.Any && e.Op.Name == "=" || e.Kind == plan.All && e.Op.Name == "<>")
	return n, nil
}

func (s *subquery) eval(x *run, b *vec.Batch, rows []uint16) *vec.Vec {
	var left *vec.Vec
	if s.left != nil {
		left = s.left.eval(x, b, rows)
	}
	out := &s.out
	out.Reset(out.Type, b.N)
	for _, r := range rows {
		a, err := s.answer(x, b, int(r))
		if err != nil {
			out.SetNull(int(r))
			x.failQuery(int(r), err)
			continue
		}
		if left == nil {
			out.CopyRow(int(r), &a.value, 0)
			continue
		}
		s.compare(x, a, left, int(r))
	}
	return out
}

// failQuery notes an error of a whole query: no row can go on without it.
func (x *run) failQuery(row int, err error) {
	if x.env.Report == nil {
		if x.err == nil {
			x.err = err
		}
		return
	}
	x.env.Report(row, err)
}

// answer returns what the query gives for row r.
func (s *subquery) answer(x *run, b *vec.Batch, r int) (*answer, error) {
	s.key = s.key[:0]
	for _, ref := range s.refs {
		if ref.level == 0 {
			s.key = vec.AppendCol(s.key, b.Cols[ref.index], r)
			continue
		}
		o := x.env.Outer.at(ref.level - 1)
		s.key = vec.AppendCol(s.key, o.Batch.Cols[ref.index], o.Row)
	}
	if a, ok := s.memo[string(s.key)]; ok {
		return a, nil
	}
	if len(s.memo) >= maxMemo {
		clear(s.memo)
		if err := s.keep(-s.held); err != nil {
			return nil, err
		}
	}
	key := string(s.key)
	s.env.Ctx.Now = x.env.Ctx.Now
	s.env.Outer = &Outer{Batch: b, Row: r, Up: x.env.Outer}
	a, err := s.ask()
	if err == nil {
		s.memo[key] = a
	}
	return a, err
}

func (s *subquery) keep(bytes int64) error {
	s.held += bytes
	return s.query.Keep(bytes)
}

// ask runs the query.
func (s *subquery) ask() (*answer, error) {
	a := &answer{}
	a.value.Type, a.rows.Type = s.out.Type, s.elem
	n := 0
	var tooMany bool
	var full error
	size := int64(0)
	err := s.query.Run(func(b *vec.Batch) bool {
		for _, r := range b.Selected() {
			n++
			switch s.kind {
			case plan.Exists:
				return false
			case plan.Scalar:
				if n > 1 {
					tooMany = true
					return false
				}
			}
			a.rows.AppendRow(b.Cols[0], int(r))
		}
		// What comes of the rows (a set, an array) is about as large again.
		more := 2*int64(8*(cap(a.rows.Ints)+cap(a.rows.Floats)+cap(a.rows.Views))+cap(a.rows.Data)) - size
		size += more
		full = s.keep(more)
		return full == nil
	})
	switch {
	case err != nil:
		return nil, err
	case full != nil:
		return nil, full
	case tooMany:
		return nil, pgerr.Newf(pgerr.CardinalityViolation, "more than one row returned by a subquery used as an expression")
	}
	switch s.kind {
	case plan.Exists:
		a.value.Append(n > 0)
	case plan.Scalar:
		if n == 0 {
			a.value.Append(nil)
		} else {
			a.value.AppendRow(&a.rows, 0)
		}
	case plan.ArrayOf:
		list := make([]vec.Value, n)
		for i := range list {
			list[i] = a.rows.Get(i)
		}
		a.value.Append(list)
	default:
		if s.equal {
			a.set = &set{t: s.elem}
			a.set.values.Type = s.elem
			for i := range n {
				if a.rows.Null(i) {
					a.hasNull = true
				} else {
					a.set.values.AppendRow(&a.rows, i)
				}
			}
			a.set.index()
		}
	}
	return a, nil
}

// compare stores X op ANY/ALL (rows) for row r.
func (s *subquery) compare(x *run, a *answer, left *vec.Vec, r int) {
	n := a.rows.Len()
	decides := s.kind == plan.Any // the value of one comparison that settles it
	if n == 0 {
		s.out.Ints[r] = truth(!decides)
		return
	}
	unknown := false
	if s.equal {
		switch {
		case left.Null(r):
			unknown = true
		case a.set.has(left, r):
			s.out.Ints[r] = truth(decides)
			return
		default:
			unknown = a.hasNull
		}
	} else {
		l := single(&s.x, left, r)
		for from := 0; from < n; from += vec.MaxRows {
			k := min(vec.MaxRows, n-from)
			part := part(&a.rows, from, k)
			v := s.op.eval(x, &vec.Batch{N: k, Cols: []*vec.Vec{l, part}}, vec.Identity(k))
			for i := range k {
				switch {
				case v.Null(i):
					unknown = true
				case (v.Int(i) != 0) == decides:
					s.out.Ints[r] = truth(decides)
					return
				}
			}
		}
	}
	if unknown {
		s.out.SetNull(r)
		return
	}
	s.out.Ints[r] = truth(!decides)
}

// part returns k rows of v beginning at from.
func part(v *vec.Vec, from, k int) *vec.Vec {
	if from == 0 && k == v.Len() {
		return v
	}
	out := vec.New(v.Type)
	out.Reset(v.Type, k)
	for i := range k {
		out.CopyRow(i, v, from+i)
	}
	return out
}
