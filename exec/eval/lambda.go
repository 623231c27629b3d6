package eval

import (
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
)

// lambda is a function argument. The kernel that it is given to applies it to
// columns of its own making, whose rows have nothing to do with the batch; what
// the body takes from around it is that of one row.
type lambda struct {
	x        *run
	body     node
	t        vec.Type
	captures bool // the body looks around

	around *vec.Batch // where the function is computed
	row    int
	batch  vec.Batch // the parameters
	part   []vec.Vec // of parameters, for long arrays
	cols   []*vec.Vec
	out    vec.Vec
}

func (c *compiler) lambda(e *plan.Lambda) (*lambda, error) {
	l := &lambda{x: c.run, t: e.Type()}
	inner := compiler{env: c.env, run: c.run, in: &scope{up: c.in, lambda: l}}
	var err error
	l.body, err = inner.compile(e.Body)
	return l, err
}

// Type implements fn.Lambda.
func (l *lambda) Type() vec.Type { return l.t }

// Apply implements fn.Lambda. The result is valid until the next Apply.
func (l *lambda) Apply(n int, args []*vec.Vec) *vec.Vec {
	at, whole, used := l.x.at, l.x.whole, l.x.used
	defer func() { l.x.at, l.x.whole, l.x.used = at, whole, used }()
	l.x.whole = nil
	if n <= vec.MaxRows {
		l.batch = vec.Batch{N: n, Cols: args}
		return eval(l.body, l.x, &l.batch, vec.Identity(n))
	}
	// Rows of a batch are numbered in 16 bits: long arrays go in parts.
	l.out.Reset(l.t, 0)
	if len(l.part) < len(args) {
		l.part, l.cols = make([]vec.Vec, len(args)), make([]*vec.Vec, len(args))
	}
	for from := 0; from < n; from += vec.MaxRows {
		k := min(vec.MaxRows, n-from)
		for i, a := range args {
			if a.Const {
				l.cols[i] = a
				continue
			}
			l.part[i].Reset(a.Type, k)
			for r := range k {
				l.part[i].CopyRow(r, a, from+r)
			}
			l.cols[i] = &l.part[i]
		}
		l.batch = vec.Batch{N: k, Cols: l.cols[:len(args)]}
		v := eval(l.body, l.x, &l.batch, vec.Identity(k))
		for r := range k {
			l.out.AppendRow(v, r)
		}
	}
	return &l.out
}

// captured is a column of what is around a lambda.
type captured struct {
	owned
	from  *lambda
	index int
}

func (c *captured) eval(*run, *vec.Batch, []uint16) *vec.Vec {
	return single(&c.out, c.from.around.Cols[c.index], c.from.row)
}
