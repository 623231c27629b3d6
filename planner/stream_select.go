package planner

import (
	"slices"
	"strings"

	"github.com/weirdb/weir/catalog"
	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
	"github.com/weirdb/weir/sql/ast"
)

// dayMs is how long a window takes late records if nothing is said.
const dayMs = 24 * 60 * 60 * 1000

// streamSelect binds a SELECT of a continuous query. The outermost one of a
// persistent query takes the binder's sink and leaves its plan there.
func (b *binder) streamSelect(q *ast.Select, sc *scope) (plan.Node, error) {
	s := &streamSelection{selection: selection{q: q, exprs: &exprs{binder: b, sc: sc, windows: q.Windows, collect: &collected{pos: map[*plan.Col]int{}}}}}
	s.sink, b.sink = b.sink, nil
	if err := s.check(); err != nil {
		return nil, err
	}
	if err := s.rows(); err != nil {
		return nil, err
	}
	if err := s.partition(); err != nil {
		return nil, err
	}
	if err := s.selected(); err != nil {
		return nil, err
	}
	if err := s.grouped(); err != nil {
		return nil, err
	}
	if len(s.collect.windows) > 0 {
		return nil, pgerr.Newf(pgerr.FeatureNotSupported, "OVER is not supported in a continuous query").At(q.Pos())
	}
	if err := s.unnested(); err != nil {
		return nil, err
	}
	for i := range s.outs { // a NULL or a text without a type
		if s.outs[i].e.Type().Kind == vec.Unknown {
			if s.env.Dialect == ast.KSQL && isNullConst(s.outs[i].e) {
				return nil, pgerr.Newf(pgerr.IndeterminateDatatype, "Can't determine the type of column %s: NULL has no type", s.outs[i].name).At(s.outs[i].pos).
					Hintf("Cast it: CAST(NULL AS STRING).")
			}
			s.outs[i].e = retypedUnknown(s.outs[i].e)
		}
	}
	s.describeKeys()
	if s.sink != nil && !q.Distinct {
		return nil, s.sink.finish(b, s.node, s.flow(), s.outs)
	}
	return s.projected()
}

func isNullConst(e plan.Expr) bool { c, ok := e.(*plan.Const); return ok && c.Value == nil }

func retypedUnknown(e plan.Expr) plan.Expr {
	if c, ok := e.(*plan.Const); ok {
		return &plan.Const{Value: c.Value, T: vec.Of(vec.Text)}
	}
	return retyped(e, vec.Of(vec.Text))
}

// streamSelection is a selection of a continuous query.
type streamSelection struct {
	selection
	sink *sink // nil unless the outermost one of a persistent query
	// order is the order of key columns that PARTITION BY asks for; their
	// expressions are columns of node.
	parts []plan.Expr
	join  bool
}

func (s *streamSelection) flow() flow { return flowOf(s.node) }

func (s *streamSelection) ksql() bool { return s.env.Dialect == ast.KSQL }

// check refuses the clauses that need an end of the input.
func (s *streamSelection) check() error {
	q := s.q
	no := func(what string, pos int) error {
		return pgerr.Newf(pgerr.FeatureNotSupported, "%s is not supported in a continuous query", what).At(pos)
	}
	switch {
	case q.From == nil:
		return no("SELECT without FROM", q.Pos())
	case len(q.DistinctOn) > 0:
		return no("DISTINCT ON", q.DistinctOn[0].Pos())
	case q.Offset != nil:
		return no("OFFSET", q.Offset.Pos())
	case q.Limit != nil && !s.push:
		return no("LIMIT", q.Limit.Pos())
	case len(q.OrderBy) > 0 && (s.sink == nil || s.sink.def.Relation.Kind != catalog.MaterializedView):
		return no("ORDER BY", q.OrderBy[0].X.Pos()) // the order of a view's rows means nothing
	case q.Window != nil && len(q.GroupBy) == 0 && s.ksql():
		return pgerr.Newf(pgerr.InvalidDefinition, "WINDOW clause requires a GROUP BY clause.").At(q.Window.Pos())
	case q.Emit == ast.EmitFinal && q.Window == nil:
		return pgerr.Newf(pgerr.InvalidDefinition, "EMIT FINAL is only supported for windowed aggregations.").At(q.Pos())
	}
	return nil
}

// rows binds FROM and WHERE.
func (s *streamSelection) rows() error {
	node, cols, err := s.from(s.q.From, s.sc)
	if err != nil {
		return err
	}
	if _, ok := node.(*lateralNode); ok {
		return pgerr.Newf(pgerr.FeatureNotSupported, "functions and LATERAL in FROM are not supported in a continuous query").At(s.q.From.Pos()).
			Hintf("Table functions can stand in the SELECT list.")
	}
	if node, cols, err = s.synthetic(node, cols); err != nil {
		return err
	}
	if _, s.join = s.q.From.(*ast.Join); s.join {
		if err := joinable(s.env, node, "JOIN", s.q.From.Pos()); err != nil {
			return err
		}
	}
	s.node, s.sc.cols = node, cols
	f := s.flow()
	if s.push && s.ksql() && !f.table && s.q.Where == nil {
		// ksqlDB's push queries show no NULL values, which WHERE leaves out.
		s.node = &plan.Filter{In: node, Cond: &plan.Const{Value: true, T: vec.Of(vec.Bool)}}
	}
	if s.sink != nil && s.ksql() && f.table && f.windowed() && aggregateBelow(node) == nil {
		return pgerr.Newf(pgerr.WrongObjectType, "KSQL does not support persistent queries on windowed tables.").At(s.q.From.Pos())
	}
	if s.q.Where == nil {
		return nil
	}
	x := &exprs{binder: s.binder, sc: s.sc, clause: "WHERE"}
	cond, err := x.condition(s.q.Where)
	if err != nil {
		return err
	}
	s.node = s.filtered(s.node, cond)
	return nil
}

// partition binds PARTITION BY. Its expressions become columns, which the select
// list finds by their text.
func (s *streamSelection) partition() error {
	if len(s.q.Partition) == 0 {
		return nil
	}
	pos := s.q.Partition[0].Pos()
	f := s.flow()
	if f.table {
		return pgerr.Newf(pgerr.WrongObjectType, "Can't use PARTITION BY clause on table").At(pos).Hintf("A table is partitioned by its primary key.")
	}
	x := &exprs{binder: s.binder, sc: s.sc, clause: "PARTITION BY"}
	items := s.q.Partition
	if row, ok := items[0].(*ast.Row); ok && len(items) == 1 && !row.Explicit {
		items = row.Elems
	}
	r := &plan.Repartition{Keys: []plan.Expr{}, Partitions: f.at.partitions}
	p := identity(s.node)
	unnamed := 0
	var names []string
	for _, item := range items {
		if isNull(item) {
			if len(items) > 1 {
				return pgerr.Newf(pgerr.InvalidDefinition, "Cannot PARTITION BY multiple columns including NULL").At(item.Pos())
			}
			break
		}
		e, err := x.bind(item)
		if err == nil {
			e, err = x.known(e, item.Pos())
		}
		if err != nil {
			return err
		}
		s.parts = append(s.parts, e)
		col, ok := e.(*plan.Col)
		if !ok || s.isPseudo(col) {
			name := s.nameOf(item, &unnamed)
			if reserved(name) { // it cannot keep its name
				name = "KSQL_COL_" + itoa(unnamed)
				unnamed++
			}
			if !s.ksql() {
				name = "_key" + itoa(len(r.Keys)+1)
			}
			col = &plan.Col{Index: len(p.Exprs), Name: name, T: e.Type()}
			p.Exprs, p.Names = append(p.Exprs, e), append(p.Names, name)
			s.sc.cols = append(s.sc.cols, scopeCol{name: name, index: col.Index, t: col.T, hidden: !s.ksql(), made: true})
		}
		r.Keys, names = append(r.Keys, col), append(names, col.Name)
	}
	r.In = p
	if len(p.Exprs) == len(s.node.Columns()) {
		r.In = s.node
	}
	s.target(r, names)
	s.node = r
	if s.ksql() {
		s.keysMoved(f, r)
	}
	return nil
}

// isPseudo tells whether a column of FROM is ROWTIME or its like.
func (s *streamSelection) isPseudo(col *plan.Col) bool {
	return slices.ContainsFunc(s.sc.cols, func(c scopeCol) bool { return c.index == col.Index && c.pseudo != plan.KeyField })
}

// target lets rows go where the sink wants them.
func (s *streamSelection) target(r *plan.Repartition, names []string) {
	if s.sink != nil {
		if n := s.sink.partitions(); n > 0 && len(r.Keys) > 0 {
			r.Partitions = n
		}
	}
	r.Format = s.keyFormat(r.Keys, names, flowOf(r.In).at.format)
}

// keyFormat returns how keys are encoded to spread rows: as the sink's key, if
// the rows go there directly, else as the rows are now.
func (s *streamSelection) keyFormat(keys []plan.Expr, names []string, now plan.Format) plan.Format {
	fields := formatFields(plan.Format{}, keys, names).Fields
	if s.sink != nil {
		if f, err := s.sink.keyFormat(fields); err == nil && holds(f, fields, true) == nil {
			return formatFields(formatOf(f), keys, names)
		}
	}
	return spreadFormat(keys, names, now)
}

// spreadFormat is now, if it can hold the keys.
func spreadFormat(keys []plan.Expr, names []string, now plan.Format) plan.Format {
	f := formatFields(now, keys, names)
	if _, known := formats[f.Name]; known && f.Name != "NONE" && holds(catalog.Format{Name: f.Name}, f.Fields, true) == nil {
		return f
	}
	return formatFields(plan.Format{Name: "NATIVE"}, keys, names)
}

// keysMoved puts the columns in the order that ksqlDB has after PARTITION BY: the
// new key, the other columns, the old key.
func (s *streamSelection) keysMoved(was flow, r *plan.Repartition) {
	rank := func(c scopeCol) int {
		for i, k := range r.Keys {
			if plainColumn(k) == c.index {
				return i
			}
		}
		if slices.ContainsFunc(was.key, func(k keyCol) bool { return k.col == c.index }) {
			return len(r.Keys) + 1
		}
		return len(r.Keys)
	}
	s.sc.cols = slices.Clone(s.sc.cols)
	slices.SortStableFunc(s.sc.cols, func(a, b scopeCol) int { return rank(a) - rank(b) })
}

func identity(n plan.Node) *plan.Project {
	p := &plan.Project{In: n}
	for i, c := range n.Columns() {
		p.Exprs, p.Names = append(p.Exprs, &plan.Col{Index: i, Name: c.Name, T: c.Type}), append(p.Names, c.Name)
	}
	return p
}

// selected binds the select list, GROUP BY and HAVING.
func (s *streamSelection) selected() error {
	for i := range s.sc.cols { // a windowed key carries its bounds by itself
		if c := &s.sc.cols[i]; !s.push && s.ksql() && !s.join && (c.pseudo == plan.WindowStart || c.pseudo == plan.WindowEnd) {
			c.hidden = true
		}
	}
	rows := s.sc.cols
	if s.q.Window != nil {
		s.sc.cols = s.withBounds()
	}
	if err := s.items(); err != nil {
		return err
	}
	for i := range s.outs {
		for j, k := range s.parts {
			if sameExpr(s.outs[i].e, k) {
				key := s.node.(*plan.Repartition).Keys[j].(*plan.Col)
				s.outs[i].e = &plan.Col{Index: key.Index, Name: key.Name, T: key.T}
			}
		}
	}
	s.sc.cols = rows
	if s.ksql() && s.sink != nil {
		if err := s.reservedNames(); err != nil {
			return err
		}
	}
	if err := s.noBoundsIn(s.q.GroupBy...); err != nil {
		return err
	}
	if err := s.groupBy(); err != nil {
		return err
	}
	if s.q.Having == nil {
		return nil
	}
	if s.ksql() {
		if err := s.noBoundsIn(s.q.Having); err != nil {
			return err
		}
	} else if s.q.Window != nil {
		s.sc.cols = s.withBounds()
		defer func() { s.sc.cols = rows }()
	}
	s.clause = "HAVING"
	var err error
	s.having, err = s.condition(s.q.Having)
	return err
}

// withBounds adds WINDOWSTART and WINDOWEND of the WINDOW clause to the scope.
func (s *streamSelection) withBounds() []scopeCol {
	var cols []scopeCol
	table := ""
	if t, ok := s.q.From.(*ast.TableName); ok {
		if table = t.Alias.S; table == "" {
			table = relationName(t.Name)
		}
	}
	for _, c := range s.sc.cols {
		if c.pseudo != plan.WindowStart && c.pseudo != plan.WindowEnd {
			cols = append(cols, c)
		}
	}
	for i, kind := range []plan.SourceKind{plan.WindowStart, plan.WindowEnd} {
		name := s.env.Dialect.Fold([...]string{"windowstart", "windowend"}[i])
		cols = append(cols, scopeCol{table: table, name: name, index: boundBase + i, t: vec.Of(vec.Int64), hidden: true, pseudo: kind})
	}
	return cols
}

// noBoundsIn refuses the bounds of the WINDOW clause where there is no window yet.
func (s *streamSelection) noBoundsIn(es ...ast.Expr) error {
	if s.q.Window == nil {
		return nil
	}
	var err error
	for _, e := range es {
		ast.Walk(e, func(n ast.Node) bool {
			if c, ok := n.(*ast.Column); ok && len(c.Parts) == 1 && err == nil {
				if kind, ok := reservedColumns[strings.ToUpper(c.Parts[0].S)]; ok && (kind == plan.WindowStart || kind == plan.WindowEnd) {
					err = pgerr.Newf(pgerr.InvalidDefinition, "Window bounds column %s can only be used in the SELECT clause of windowed aggregations and can not be passed to aggregate functions.",
						strings.ToUpper(c.Parts[0].S)).At(c.Pos())
				}
			}
			return err == nil
		})
	}
	return err
}

// reservedNames refuses output columns that would hide a pseudo column.
func (s *streamSelection) reservedNames() error {
	for _, o := range s.outs {
		kind, ok := reservedColumns[strings.ToUpper(o.name)]
		switch {
		case ok && o.pseudo == kind:
			return pgerr.Newf(pgerr.ReservedName, "Reserved column name in select: `%s`. Please remove or alias the column.", o.name).At(o.pos)
		case ok:
			return pgerr.Newf(pgerr.ReservedName, "`%s` is a reserved column name. You cannot use it as an alias for a column.", o.name).At(o.pos)
		}
	}
	return nil
}

// grouped adds the aggregation, if there is one.
func (s *streamSelection) grouped() error {
	q := s.q
	if len(s.keys) == 0 && len(s.collect.aggs) == 0 && s.having == nil && q.Window == nil {
		return nil
	}
	if err := s.groupable(); err != nil {
		return err
	}
	if err := joinable(s.env, s.node, "GROUP BY", q.Pos()); err != nil {
		return err
	}
	in := s.flow()
	window, err := s.window()
	if err != nil {
		return err
	}
	if in.table && window != nil {
		return pgerr.Newf(pgerr.WrongObjectType, "WINDOW clause is only supported for streams").At(q.Window.Pos())
	}
	if !s.ksql() {
		s.keysAsSelected()
	}
	s.node = s.gathered(changed(s.node))
	if err := s.group(window); err != nil {
		return err
	}
	agg := s.node.(*plan.Aggregate)
	agg.OverTable, agg.KeepEmpty, agg.Final = in.table, s.ksql(), q.Emit == ast.EmitFinal
	return nil
}

// gathered brings the rows of a group to one task.
func (s *streamSelection) gathered(n plan.Node) plan.Node {
	at := flowOf(n).at
	if s.push {
		return n
	}
	r := &plan.Repartition{In: n, Keys: s.keys, Partitions: at.partitions}
	if len(s.keys) == 0 { // one group: one task
		r.Keys, r.Partitions = []plan.Expr{&plan.Const{Value: int64(0), T: vec.Of(vec.Int64)}}, 1
		r.Format = formatFields(plan.Format{Name: "NATIVE"}, r.Keys, []string{""})
		if at.partitions == 1 {
			return n
		}
		return r
	}
	s.target(r, make([]string, len(s.keys)))
	if at.placed(&placing{r.Partitions, r.Keys, r.Format}) {
		return n
	}
	return r
}

// keysAsSelected orders the grouping columns as the select list has them, so
// that they are the key of the result as they stand.
func (s *streamSelection) keysAsSelected() {
	rank := func(k plan.Expr) int {
		i := slices.IndexFunc(s.outs, func(o output) bool { return sameExpr(o.e, k) })
		if i < 0 {
			return len(s.outs)
		}
		return i
	}
	slices.SortStableFunc(s.keys, func(a, b plan.Expr) int { return rank(a) - rank(b) })
}

func (s *streamSelection) window() (*plan.Window, error) {
	w := s.q.Window
	if w == nil {
		return nil, nil
	}
	out := &plan.Window{Kind: [...]plan.WindowKind{plan.Tumbling, plan.Hopping, plan.Session}[w.Kind]}
	for _, d := range []struct {
		in *ast.Duration
		to *int64
	}{{w.Size, &out.Size}, {w.Advance, &out.Advance}, {w.Grace, &out.Grace}, {w.Retain, &out.Retention}} {
		if d.in == nil {
			continue
		}
		var err error
		if *d.to, err = d.in.Millis(); err != nil {
			return nil, err
		}
	}
	bad := func(why string) (*plan.Window, error) {
		return nil, pgerr.Newf(pgerr.InvalidParameterValue, "%s", why).At(w.Pos())
	}
	switch {
	case out.Size <= 0:
		return bad("the size of a window must be positive")
	case w.Advance == nil:
		out.Advance = out.Size
	case out.Advance <= 0 || out.Advance > out.Size:
		return bad("the advance of a hopping window must be positive and not above its size")
	}
	if out.Kind != plan.Session && out.Size/out.Advance > maxWindowsPerRow {
		return bad("a row would be in more than " + itoa(maxWindowsPerRow) + " windows")
	}
	if w.Grace == nil && s.q.Emit != ast.EmitFinal {
		out.Grace = max(dayMs-out.Size, 0)
	}
	if w.Retain == nil {
		out.Retention = out.Size + out.Grace
	} else if out.Retention < out.Size+out.Grace {
		if w.Grace != nil {
			return bad("the retention of a window must not be below its size and grace period")
		}
		if out.Retention < out.Size {
			return bad("the retention of a window must not be below its size")
		}
		out.Grace = out.Retention - out.Size // what nobody asked for gives way
	}
	return out, nil
}

// maxWindowsPerRow bounds the work that one row of a hopping window makes.
const maxWindowsPerRow = 10_000

// unnested adds the table functions of the select list.
func (s *streamSelection) unnested() error {
	if len(s.collect.tables) == 0 {
		return nil
	}
	if s.flow().table {
		if len(s.keys)+len(s.collect.aggs) > 0 {
			return pgerr.Newf(pgerr.InvalidDefinition, "Table functions cannot be used with aggregations.").At(s.q.Pos())
		}
		return pgerr.Newf(pgerr.WrongObjectType, "Table source is not supported with table functions").At(s.q.Pos())
	}
	s.applyTables()
	return nil
}

// projected gives the rows of a query inside another, or of a push query.
func (s *streamSelection) projected() (plan.Node, error) {
	p := &plan.Project{In: s.node}
	for _, o := range s.outs {
		p.Exprs, p.Names = append(p.Exprs, o.e), append(p.Names, o.name)
	}
	var n plan.Node = p
	if s.q.Distinct {
		s.node, s.keys = p, nil
		agg := distinct(p).(*plan.Aggregate)
		s.keys = agg.Keys
		agg.OverTable = flowOf(p).table
		agg.In = s.gathered(changed(p))
		n = agg
		if s.sink != nil {
			outs := make([]output, len(agg.Keys))
			for i, c := range agg.Columns() {
				outs[i] = output{e: &plan.Col{Index: i, Name: c.Name, T: c.Type}, name: c.Name, pos: s.q.Pos()}
			}
			return nil, s.sink.finish(s.binder, n, flowOf(n), outs)
		}
	}
	return s.limited(n, s.q.Limit, nil, s.sc)
}

// moved sends rows to where the sink has their keys.
func (b *binder) moved(n plan.Node, keys []plan.Expr, format plan.Format, partitions int32) plan.Node {
	at := flowOf(n).at
	if at.partitions == partitions && (len(keys) == 0 || at.placed(&placing{partitions, keys, format})) {
		return n
	}
	if len(keys) == 0 {
		keys = identity(n).Exprs // any place will do, if it is always the same
		format = plan.Format{}
	}
	return &plan.Repartition{In: n, Keys: keys, Partitions: partitions, Format: format}
}

// partitions is how many the sink has; 0: as many as the source.
func (s *sink) partitions() int32 {
	if s.topic != nil {
		return s.topic.Partitions
	}
	return s.props.partitions
}
