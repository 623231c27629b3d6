package planner

import (
	"slices"

	"github.com/weirdb/weir/internal/fn"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
)

// A flow says what the rows of a continuous plan are, and where they are.
type flow struct {
	// table: rows are changes of a table by key; else they are events.
	table bool
	// changes: updates and deletes of the table carry the old row.
	changes bool
	// key is the primary key of a table, the record key of a stream.
	key []keyCol
	// window of the key, with the columns of its bounds; -1: they are lost.
	window     plan.WindowKind
	windowSize int64
	start, end int
	at         placing
}

// keyCol is one column of a key.
type keyCol struct {
	col int // that holds it; -1: none does
	// same are other columns that stand for it: the other side of a join. They
	// may be null where the key is not.
	same []int
	// alias are expressions that are equal to it.
	alias []plan.Expr
	// expr computes it, if it is no column of the key's own side of a join.
	expr plan.Expr
	// synthetic: no column of a source stands for it.
	synthetic bool
}

// A placing tells how rows are spread over tasks: by the hash of their keys,
// encoded in a format. keys is nil if it is not known by what.
type placing struct {
	partitions int32
	keys       []plan.Expr
	format     plan.Format
}

func (f *flow) windowed() bool { return f.window != plan.NoWindow }

// flowOf derives the flow of a continuous plan's node.
func flowOf(n plan.Node) flow {
	switch n := n.(type) {
	case *plan.Scan:
		return scanFlow(n)
	case *plan.Filter:
		return flowOf(n.In)
	case *plan.Limit:
		return flowOf(n.In)
	case *plan.Unnest:
		f := flowOf(n.In)
		if f.table {
			f.key = nil // a row becomes several
		}
		return f
	case *plan.Upsert:
		f := flowOf(n.In)
		f.changes = true
		return f
	case *plan.Project:
		return projectFlow(n)
	case *plan.Aggregate:
		return aggregateFlow(n)
	case *plan.Join:
		return joinFlow(n)
	case *plan.SetOp:
		return unionFlow(n)
	case *plan.Recompute:
		return flow{table: true, changes: true, key: []keyCol{{col: len(n.Columns()) - 1}}, start: -1, end: -1, at: placing{partitions: 1}}
	case *plan.Repartition:
		f := flowOf(n.In)
		if n.Broadcast {
			f.at = placing{partitions: n.Partitions}
			return f
		}
		if len(n.Keys) > 0 {
			f.at = placing{n.Partitions, n.Keys, n.Format}
		}
		if !f.table {
			f.key = nil
			for _, k := range n.Keys {
				f.key = append(f.key, keyCol{col: plainColumn(k)})
			}
			f.window, f.start, f.end = plan.NoWindow, -1, -1
		}
		return f
	}
	return flow{start: -1, end: -1}
}

// plainColumn returns the column that e is, or -1.
func plainColumn(e plan.Expr) int {
	if c, ok := e.(*plan.Col); ok {
		return c.Index
	}
	return -1
}

func scanFlow(n *plan.Scan) flow {
	f := flow{table: n.Table, window: n.Codec.Window, windowSize: n.Codec.WindowSize, start: -1, end: -1}
	f.key = make([]keyCol, len(n.Codec.Key.Fields))
	for i := range f.key {
		f.key[i].col = -1
	}
	f.at = placing{partitions: n.Topic.Partitions, format: n.Codec.Key}
	for i, c := range n.Cols {
		switch c.Kind {
		case plan.KeyField:
			f.key[c.Index].col = i
		case plan.WindowStart:
			f.start = i
		case plan.WindowEnd:
			f.end = i
		}
	}
	for _, k := range f.key {
		if k.col >= 0 {
			f.at.keys = append(f.at.keys, &plan.Col{Index: k.col, Name: n.Cols[k.col].Name, T: n.Cols[k.col].Type})
		}
	}
	if len(f.at.keys) < len(f.key) {
		f.at.keys = nil
	}
	return f
}

func projectFlow(n *plan.Project) flow {
	f := flowOf(n.In)
	to := func(col int) int {
		return slices.IndexFunc(n.Exprs, func(e plan.Expr) bool { return col >= 0 && plainColumn(e) == col })
	}
	key := make([]keyCol, len(f.key))
	for i, k := range f.key {
		key[i] = keyCol{col: to(k.col), synthetic: k.synthetic}
		if k.expr != nil {
			key[i].col = slices.IndexFunc(n.Exprs, func(e plan.Expr) bool { return sameExpr(e, k.expr) })
		}
		for _, s := range k.same {
			if at := to(s); at >= 0 {
				key[i].same = append(key[i].same, at)
			}
		}
	}
	f.key, f.start, f.end = key, to(f.start), to(f.end)
	f.at.keys = f.at.over(n.Exprs)
	return f
}

// over states the placing's keys over other columns; nil where one is lost.
func (p *placing) over(exprs []plan.Expr) []plan.Expr {
	var out []plan.Expr
	for _, k := range p.keys {
		i := slices.IndexFunc(exprs, func(e plan.Expr) bool { return sameExpr(e, k) })
		if i < 0 {
			return nil
		}
		out = append(out, &plan.Col{Index: i, T: k.Type()})
	}
	return out
}

func aggregateFlow(n *plan.Aggregate) flow {
	in := flowOf(n.In)
	f := flow{table: true, changes: true, start: -1, end: -1, at: in.at}
	for i := range n.Keys {
		f.key = append(f.key, keyCol{col: i})
	}
	if n.Window != nil {
		f.window, f.start, f.end = n.Window.Kind, len(n.Keys), len(n.Keys)+1
		if n.Window.Kind != plan.Session {
			f.windowSize = n.Window.Size
		}
	}
	f.at.keys = in.at.over(n.Keys)
	return f
}

func joinFlow(n *plan.Join) flow {
	l, r := flowOf(n.L), flowOf(n.R)
	width := len(n.L.Columns())
	if n.Shape == plan.Bounded && r.table {
		return foreignFlow(n, l, r, width)
	}
	f := flow{
		table: n.Shape == plan.TableTable, changes: n.Shape == plan.TableTable,
		window: l.window, windowSize: l.windowSize, start: l.start, end: l.end, at: l.at,
	}
	keys := len(n.LKeys)
	if f.windowed() {
		keys -= windowKeys(f.window) // the bounds are the last join keys
	}
	for i := range max(keys, 0) {
		lc, rc := plainColumn(n.LKeys[i]), plainColumn(n.RKeys[i])
		right := plan.Shift(n.RKeys[i], func(c int) int { return c + width })
		k := keyCol{col: -1}
		switch {
		case n.Kind == plan.FullJoin:
			k.expr = &plan.Coalesce{Args: []plan.Expr{n.LKeys[i], right}, T: n.LKeys[i].Type()}
		case n.Kind == plan.RightJoin && rc >= 0:
			k.col = rc + width
		case n.Kind == plan.RightJoin:
			k.expr = right
		case lc >= 0:
			k.col = lc
		case n.Kind == plan.InnerJoin && rc >= 0:
			k.col = rc + width
		default:
			k.expr = n.LKeys[i]
		}
		if n.Kind != plan.FullJoin {
			k.same, k.alias = l.named(n.LKeys[i])
			same, alias := r.named(n.RKeys[i])
			for _, c := range same {
				k.same = append(k.same, c+width)
			}
			for _, e := range alias {
				k.alias = append(k.alias, plan.Shift(e, func(c int) int { return c + width }))
			}
		}
		k.synthetic = k.col < 0 && len(k.same) == 0
		f.key = append(f.key, k)
	}
	if l.at.keys == nil || n.Kind == plan.RightJoin {
		f.at.keys = nil
		if r.at.keys != nil {
			for _, k := range r.at.keys {
				f.at.keys = append(f.at.keys, plan.Shift(k, func(i int) int { return i + width }))
			}
			f.at.format = r.at.format
		}
	}
	if n.Kind == plan.FullJoin {
		f.at.keys = nil
		for _, k := range f.key {
			f.at.keys = append(f.at.keys, k.expr)
		}
	}
	return f
}

// foreignFlow is that of a join of tables that is not on the primary keys of
// both: rows are kept by the left key, and by the right one too unless the join
// fixes it.
func foreignFlow(n *plan.Join, l, r flow, width int) flow {
	f := flow{table: true, changes: true, start: -1, end: -1, at: l.at}
	f.key = append(f.key, l.key...)
	if n.Kind == plan.SemiJoin || n.Kind == plan.AntiJoin {
		return f
	}
	if keyPairs(&r, n.RKeys) == nil {
		for _, k := range r.key {
			if k.col >= 0 {
				k.col += width
			}
			k.same, k.expr = nil, nil
			f.key = append(f.key, k)
		}
	}
	return f
}

// unionFlow is that of UNION ALL: rows of both sides, in their places.
func unionFlow(n *plan.SetOp) flow {
	f, r := flowOf(n.L), flowOf(n.R)
	f.table = f.table || r.table
	f.changes = f.changes && r.changes
	same := !f.table && len(f.key) == len(r.key) && !f.windowed() && !r.windowed()
	for i := range f.key {
		same = same && f.key[i].col >= 0 && f.key[i].col == r.key[i].col
	}
	if !same { // two tables may have rows of the same key
		f.key, f.at.keys, f.window, f.start, f.end = nil, nil, plan.NoWindow, -1, -1
	}
	if r.at.partitions != f.at.partitions || f.at.keys != nil && !f.at.placed(&r.at) {
		f.at = placing{partitions: max(f.at.partitions, r.at.partitions)}
	}
	return f
}

// named returns the columns that stand for the same key as e, and the
// expressions that are equal to it.
func (f *flow) named(e plan.Expr) (same []int, alias []plan.Expr) {
	c := plainColumn(e)
	if c >= 0 {
		same = []int{c}
	}
	for _, k := range f.key {
		if !(c >= 0 && (c == k.col || slices.Contains(k.same, c))) && !slices.ContainsFunc(k.alias, func(a plan.Expr) bool { return sameKey(a, e) }) {
			continue
		}
		for _, s := range append([]int{k.col}, k.same...) {
			if s >= 0 && !slices.Contains(same, s) {
				same = append(same, s)
			}
		}
		slices.Sort(same)
		alias = append(alias, k.alias...)
		break
	}
	return same, append(alias, e)
}

// windowKeys is how many columns tell windows of a kind apart, beside their size.
func windowKeys(k plan.WindowKind) int {
	switch k {
	case plan.NoWindow:
		return 0
	case plan.Session:
		return 2
	}
	return 1
}

// sameBytes tells whether two formats encode keys alike.
func sameBytes(a, b plan.Format, n int) bool {
	return a.Name == b.Name && a.Delimiter == b.Delimiter && (n > 1 || a.Wrap == b.Wrap)
}

// placed tells whether rows are where keys in a format would send them.
func (p *placing) placed(want *placing) bool {
	if p.partitions != want.partitions {
		return false
	}
	if p.partitions == 1 {
		return true
	}
	if len(p.keys) == 0 || len(p.keys) != len(want.keys) || !sameBytes(p.format, want.format, len(p.keys)) {
		return false
	}
	for i := range p.keys {
		if !sameKey(p.keys[i], want.keys[i]) {
			return false
		}
	}
	return true
}

// sameKey is sameExpr, but for the names that columns carry for printing.
func sameKey(a, b plan.Expr) bool {
	ac, bc := plainColumn(a), plainColumn(b)
	if ac >= 0 || bc >= 0 {
		return ac == bc && a.Type().Kind == b.Type().Kind
	}
	return sameExpr(a, b)
}

// changed returns n with the old rows of updates, if it is a table without.
func changed(n plan.Node) plan.Node {
	f := flowOf(n)
	if !f.table || f.changes {
		return n
	}
	switch n := n.(type) {
	case *plan.Project:
		c := *n
		c.In = changed(n.In)
		return &c
	case *plan.Unnest:
		c := *n
		c.In = changed(n.In)
		return &c
	case *plan.Filter:
		return &plan.Filter{In: changed(n.In), Cond: n.Cond, Table: true}
	case *plan.Repartition:
		c := *n
		c.In = changed(n.In)
		return &c
	}
	u := &plan.Upsert{In: n}
	for _, k := range f.key {
		if k.col >= 0 {
			u.Keys = append(u.Keys, k.col)
		}
	}
	if f.start >= 0 {
		u.Keys = append(u.Keys, f.start)
	}
	if f.window == plan.Session && f.end >= 0 {
		u.Keys = append(u.Keys, f.end)
	}
	return u
}

// pure tells whether a plan's rows can be computed again at will: it is a chain
// of filters, projections and table functions over a log.
func pure(n plan.Node) bool {
	switch n := n.(type) {
	case *plan.Scan:
		return true
	case *plan.Filter:
		return pure(n.In) && immutable(n.Cond)
	case *plan.Project:
		return pure(n.In) && immutable(n.Exprs...)
	case *plan.Unnest:
		for _, f := range n.Funcs {
			if !immutable(f.Args...) {
				return false
			}
		}
		return pure(n.In)
	}
	return false
}

// immutable tells whether expressions give the same value whenever they are
// computed.
func immutable(es ...plan.Expr) bool {
	ok := true
	for _, e := range es {
		plan.Visit(e, func(e plan.Expr, _ int) {
			if c, is := e.(*plan.Call); is && c.Fn.Volatility != fn.Immutable {
				ok = false
			}
		})
	}
	return ok
}

// formatFields returns how columns would stand in a format.
func formatFields(f plan.Format, exprs []plan.Expr, names []string) plan.Format {
	f.Fields = nil
	for i, e := range exprs {
		f.Fields = append(f.Fields, vec.Field{Name: names[i], Type: e.Type()})
	}
	return f
}
