package tidb

import (
	"fmt"
	"strconv"
	"strings"

	tidb "github.com/pingcap/tidb/pkg/parser/ast"

	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/sql/ast"
)

// maxHeight bounds the height of a tree: a chain of operators, a + b + c …, costs no
// nesting in the text but a level each here. Whoever walks trees recurses so deep.
const maxHeight = 10_000

// lowerer turns the tree of a rewritten text into ours.
type lowerer struct {
	r      *rewriter
	height int
}

func (l *lowerer) enter(n tidb.Node) {
	if l.height++; l.height > maxHeight {
		panic(pgerr.Newf(pgerr.StatementTooComplex, "statement is too complex").
			At(int(l.r.token(n.OriginTextPosition()).Pos)).Hintf("Expressions may have %d levels.", maxHeight))
	}
}

func (l *lowerer) leave() { l.height-- }

// unknown is a shape of tree that the rewriter never writes.
func (l *lowerer) unknown(n any) {
	panic(fmt.Sprintf("sql/parse/tidb: no lowering for %T", n))
}

// at gives the piece that an expression begins with.
func (l *lowerer) at(n tidb.Node) *piece { return &l.r.pieces[l.r.piece(n.OriginTextPosition())] }

// pos gives the place of an expression in the source.
func (l *lowerer) pos(n tidb.Node) ast.P { return ast.P(l.r.Toks[l.at(n).tok].Pos) }

// num gives the number that an argument of a mark stands for.
func (l *lowerer) num(n tidb.Node) int { return int(l.at(n).idx) }

// thing gives what a written name stands for.
func (l *lowerer) thing(written string) namedThing {
	i, err := strconv.Atoi(written)
	if err != nil {
		return namedThing{pos: -1}
	}
	return l.r.names[i]
}

// single gives a name of one part; the zero Name if none was written.
func (l *lowerer) single(written string) ast.Name {
	if t := l.thing(written); len(t.path) > 0 {
		return t.path[0]
	}
	return ast.Name{}
}

func (l *lowerer) singles(cs []tidb.CIStr) []ast.Name {
	var ns []ast.Name
	for _, c := range cs {
		ns = append(ns, l.single(c.O))
	}
	return ns
}

// tagged takes a tag off an expression; x is n itself if it has none.
func tagged(n tidb.ExprNode) (word string, idx int, x tidb.ExprNode) {
	v, ok := n.(*tidb.VariableExpr)
	if !ok {
		return "", 0, n
	}
	word, num, _ := strings.Cut(v.Name, " ")
	idx, _ = strconv.Atoi(num) // the rewriter wrote it
	return word, idx, v.Value
}

// tail is what the rewriter put into an ORDER BY.
type tail struct {
	order         []ast.Order
	limit, offset ast.Expr
	ties, lock    bool
	emit          ast.EmitKind
	exclude       ast.FrameExclude
}

func (l *lowerer) tail(o *tidb.OrderByClause) (t tail) {
	if o == nil {
		return t
	}
	for _, it := range o.Items {
		word, idx, x := tagged(it.Expr)
		switch word {
		case tagLimit:
			t.limit = l.expr(x)
		case tagOffset:
			t.offset = l.expr(x)
		case tagTies:
			t.ties = true
		case tagLock:
			t.lock = true
		case tagEmit:
			t.emit = ast.EmitKind(idx)
		case tagExclude:
			t.exclude = ast.FrameExclude(idx)
		case tagNulls:
			t.order = append(t.order, ast.Order{X: l.expr(x), Desc: it.Desc, Nulls: ast.NullsOrder(idx)})
		default:
			t.order = append(t.order, ast.Order{X: l.expr(it.Expr), Desc: it.Desc})
		}
	}
	return t
}

// add puts a tail and a WITH on a query that may have its own already, as ((SELECT 1
// LIMIT 2) LIMIT 1) has: then it goes around.
func (l *lowerer) add(q ast.Query, w *ast.With, t tail) ast.Query {
	if w == nil && t.order == nil && t.limit == nil && t.offset == nil && !t.lock && t.emit == ast.EmitNone {
		return q
	}
	free := func(w *ast.With, o []ast.Order, limit, offset ast.Expr, e ast.EmitKind) bool {
		return w == nil && o == nil && limit == nil && offset == nil && e == ast.EmitNone
	}
	switch q := q.(type) {
	case *ast.Select:
		if free(q.With, q.OrderBy, q.Limit, q.Offset, q.Emit) {
			q.With, q.OrderBy, q.Limit, q.Offset, q.WithTies, q.Lock, q.Emit = w, t.order, t.limit, t.offset, t.ties, t.lock, t.emit
			return q
		}
	case *ast.SetOp:
		if free(q.With, q.OrderBy, q.Limit, q.Offset, q.Emit) {
			q.With, q.OrderBy, q.Limit, q.Offset, q.WithTies, q.Emit = w, t.order, t.limit, t.offset, t.ties, t.emit
			return q
		}
	case *ast.Values:
		if free(q.With, q.OrderBy, q.Limit, q.Offset, q.Emit) {
			q.With, q.OrderBy, q.Limit, q.Offset, q.Emit = w, t.order, t.limit, t.offset, t.emit
			return q
		}
	}
	p := ast.P(q.Pos())
	return &ast.Select{
		P: p, With: w, Items: []ast.Item{{X: &ast.Star{P: p}}}, From: &ast.Derived{P: p, Query: q},
		OrderBy: t.order, Limit: t.limit, Offset: t.offset, WithTies: t.ties, Lock: t.lock, Emit: t.emit,
	}
}

func (l *lowerer) query(n tidb.Node) ast.Query {
	l.enter(n)
	defer l.leave()
	switch n := n.(type) {
	case *tidb.SelectStmt:
		return l.add(l.selectStmt(n), l.with(n.With), l.tail(n.OrderBy))
	case *tidb.SetOprStmt:
		return l.add(l.setOp(n.SelectList), l.with(n.With), l.tail(n.OrderBy))
	case *tidb.SetOprSelectList: // in parentheses; around one SELECT it repeats the clauses of that
		with, order := n.With, n.OrderBy
		if len(n.Selects) == 1 {
			if s, ok := n.Selects[0].(*tidb.SelectStmt); ok {
				if s.With == with {
					with = nil
				}
				if s.OrderBy == order {
					order = nil
				}
			}
		}
		return l.add(l.setOp(n), l.with(with), l.tail(order))
	case *tidb.SubqueryExpr:
		return l.query(n.Query)
	}
	l.unknown(n)
	return nil
}

// setOp folds the flat list of set operations: INTERSECT binds tighter than the others.
func (l *lowerer) setOp(s *tidb.SetOprSelectList) ast.Query {
	type arm struct {
		q    ast.Query
		kind ast.SetOpKind
		all  bool
	}
	join := func(left ast.Query, a arm) ast.Query {
		return &ast.SetOp{P: ast.P(left.Pos()), Kind: a.kind, All: a.all, L: left, R: a.q}
	}
	var arms []arm
	for i, x := range s.Selects {
		var t *tidb.SetOprType
		switch x := x.(type) {
		case *tidb.SelectStmt:
			t = x.AfterSetOperator
		case *tidb.SetOprSelectList:
			t = x.AfterSetOperator
		}
		a := arm{q: l.query(x)}
		if i > 0 && t != nil {
			switch *t {
			case tidb.Except, tidb.ExceptAll:
				a.kind = ast.Except
			case tidb.Intersect, tidb.IntersectAll:
				a.kind = ast.Intersect
			}
			a.all = *t == tidb.UnionAll || *t == tidb.ExceptAll || *t == tidb.IntersectAll
		}
		if a.kind == ast.Intersect && i > 0 {
			last := &arms[len(arms)-1]
			last.q = join(last.q, a)
			continue
		}
		arms = append(arms, a)
	}
	q := arms[0].q
	for _, a := range arms[1:] {
		q = join(q, a)
	}
	return q
}

func (l *lowerer) with(w *tidb.WithClause) *ast.With {
	if w == nil {
		return nil
	}
	o := &ast.With{Recursive: w.IsRecursive}
	for _, c := range w.CTEs {
		o.CTEs = append(o.CTEs, ast.CTE{Name: l.single(c.Name.O), Cols: l.singles(c.ColNameList), Query: l.query(c.Query.Query)})
	}
	return o
}

func (l *lowerer) selectStmt(n *tidb.SelectStmt) ast.Query {
	if n.Kind == tidb.SelectStmtKindValues {
		q := &ast.Values{P: -1}
		for _, row := range n.Lists {
			q.Rows = append(q.Rows, l.exprs(row.Values))
		}
		if len(q.Rows) > 0 && len(q.Rows[0]) > 0 {
			q.P = ast.P(q.Rows[0][0].Pos())
		}
		return q
	}
	q := &ast.Select{P: l.selectPos(n), Distinct: n.Distinct}
	for i, f := range n.Fields.Fields {
		if c, ok := f.Expr.(*tidb.FuncCallExpr); ok && i == 0 {
			switch "`" + c.FnName.O + "`" {
			case markOn:
				q.DistinctOn, q.Distinct = l.exprs(c.Args), false
				continue
			case markEmpty:
				continue
			}
		}
		q.Items = append(q.Items, ast.Item{X: l.expr(f.Expr), Alias: l.single(f.AsName.O)})
	}
	if n.From != nil {
		q.From = l.table(n.From.TableRefs)
	}
	if n.Where != nil {
		q.Where = l.expr(n.Where)
	}
	if n.GroupBy != nil {
		q.GroupBy = l.groups(n.GroupBy.Items)
	}
	if n.Having != nil {
		q.Having = l.expr(n.Having.Expr)
	}
	for i := range n.WindowSpecs {
		w := &n.WindowSpecs[i]
		t := l.thing(w.Name.O)
		if !t.stream {
			q.Windows = append(q.Windows, *l.window(w))
			continue
		}
		q.Window = t.window
		if w.PartitionBy != nil {
			q.Partition = l.groups(w.PartitionBy.Items)
		}
	}
	return q
}

// selectPos finds the place of SELECT from the first item's: the tree keeps none.
func (l *lowerer) selectPos(n *tidb.SelectStmt) ast.P {
	i := l.r.piece(n.Fields.Fields[0].Offset)
	for i > 0 && l.r.pieces[i].text != "SELECT" {
		i--
	}
	return ast.P(l.r.Toks[l.r.pieces[i].tok].Pos)
}

// groups lowers a list of grouping columns; one row, (a, b), is two columns.
func (l *lowerer) groups(items []*tidb.ByItem) []ast.Expr {
	var xs []ast.Expr
	for _, it := range items {
		x := l.expr(it.Expr)
		if r, ok := x.(*ast.Row); ok && !r.Explicit && len(items) == 1 {
			if len(r.Elems) == 0 {
				return []ast.Expr{x}
			}
			return r.Elems
		}
		xs = append(xs, x)
	}
	return xs
}

func (l *lowerer) window(w *tidb.WindowSpec) *ast.Window {
	t := l.tail(w.OrderBy)
	o := &ast.Window{Name: l.single(w.Name.O), Ref: l.single(w.Ref.O), OrderBy: t.order}
	if w.PartitionBy != nil {
		for _, it := range w.PartitionBy.Items {
			o.Partition = append(o.Partition, l.expr(it.Expr))
		}
	}
	if f := w.Frame; f != nil {
		o.Frame = &ast.Frame{From: l.bound(f.Extent.Start), To: l.bound(f.Extent.End), Exclude: t.exclude}
		switch f.Type {
		case tidb.Ranges:
			o.Frame.Unit = ast.Range
		case tidb.Groups:
			o.Frame.Unit = ast.Groups
		}
	}
	return o
}

func (l *lowerer) bound(b tidb.FrameBound) ast.Bound {
	o := ast.Bound{Kind: ast.CurrentRow}
	switch {
	case b.Type == tidb.Preceding && b.UnBounded:
		o.Kind = ast.UnboundedPreceding
	case b.Type == tidb.Preceding:
		o.Kind = ast.Preceding
	case b.Type == tidb.Following && b.UnBounded:
		o.Kind = ast.UnboundedFollowing
	case b.Type == tidb.Following:
		o.Kind = ast.Following
	}
	if b.Expr != nil {
		o.X = l.expr(b.Expr)
	}
	return o
}

func (l *lowerer) table(n tidb.ResultSetNode) ast.Table {
	l.enter(n)
	defer l.leave()
	switch n := n.(type) {
	case *tidb.Join:
		if n.Right == nil {
			return l.table(n.Left)
		}
		return l.join(n)
	case *tidb.TableSource:
		if s, ok := n.Source.(*tidb.TableName); ok {
			return l.relation(s, l.single(n.AsName.O))
		}
		return l.derived(n)
	}
	l.unknown(n)
	return nil
}

func (l *lowerer) relation(s *tidb.TableName, alias ast.Name) *ast.TableName {
	t := l.thing(s.Name.O)
	o := &ast.TableName{P: t.pos, Name: t.path, Alias: alias}
	if s.AsOf != nil {
		o.AsOf = l.expr(s.AsOf.TsExpr)
	}
	return o
}

// derived lowers a sub-query in FROM to what the mark on its alias says it is.
func (l *lowerer) derived(n *tidb.TableSource) ast.Table {
	t := l.thing(n.AsName.O)
	m, cols := t.table, l.singles(n.ColumnNames)
	alias := l.single(n.AsName.O)
	switch m.kind {
	case functionTable:
		call := l.expr(n.Source.(*tidb.SelectStmt).Fields.Fields[0].Expr)
		return &ast.TableFunc{P: m.pos, Call: call, Alias: alias, Cols: cols, Types: m.types, Lateral: m.lateral, Ordinality: m.ordinal}
	case renamedTable:
		s := n.Source.(*tidb.SelectStmt).From.TableRefs.Left.(*tidb.TableSource).Source.(*tidb.TableName)
		o := l.relation(s, alias)
		o.Cols = cols
		return o
	}
	return &ast.Derived{P: m.pos, Query: l.query(n.Source), Alias: alias, Cols: cols, Lateral: m.lateral}
}

func (l *lowerer) join(n *tidb.Join) *ast.Join {
	j := &ast.Join{L: l.table(n.Left), R: l.table(n.Right)}
	j.P = ast.P(j.L.Pos())
	switch {
	case n.StraightJoin:
		j.Kind = ast.FullJoin
	case n.Tp == tidb.LeftJoin:
		j.Kind = ast.LeftJoin
	case n.Tp == tidb.RightJoin:
		j.Kind = ast.RightJoin
	case n.On == nil:
		j.Kind = ast.CrossJoin
	}
	if n.On == nil {
		return j
	}
	x := n.On.Expr
	for {
		word, idx, inner := tagged(x)
		switch word {
		case tagWithin:
			j.Within = l.r.withins[idx]
			x = inner
			continue
		case tagUsing:
			j.Using = l.r.lists[idx]
		case tagNatural:
			j.Natural = true
		default:
			j.On = l.expr(x)
		}
		return j
	}
}
