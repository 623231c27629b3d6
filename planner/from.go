package planner

import (
	"strings"

	"github.com/weirdb/weir/catalog"
	"github.com/weirdb/weir/internal/fn"
	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
	"github.com/weirdb/weir/sql/ast"
	"github.com/weirdb/weir/sql/parse"
)

// from binds a FROM item. sc is the scope of the query: its outer rows, and the
// columns of the items to the left, for LATERAL. The columns returned count from
// the item's own first column.
func (b *binder) from(t ast.Table, sc *scope) (plan.Node, []scopeCol, error) {
	switch t := t.(type) {
	case *ast.TableName:
		return b.relation(t)
	case *ast.Derived:
		return b.derived(t, sc)
	case *ast.TableFunc:
		return b.tableFunc(t, sc)
	case *ast.Join:
		return b.join(t, sc)
	}
	return nil, nil, pgerr.Newf(pgerr.FeatureNotSupported, "this FROM item (%T) is not supported", t).At(t.Pos())
}

func (b *binder) relation(t *ast.TableName) (plan.Node, []scopeCol, error) {
	if t.AsOf != nil {
		return nil, nil, pgerr.Newf(pgerr.FeatureNotSupported, "FOR SYSTEM_TIME AS OF is not supported yet").At(t.AsOf.Pos())
	}
	name := t.Name[len(t.Name)-1].S
	schema := ""
	if len(t.Name) > 1 {
		schema = t.Name[len(t.Name)-2].S
	}
	alias := t.Alias.S
	if alias == "" {
		alias = name
	}
	if schema == "" {
		for i := len(b.ctes) - 1; i >= 0; i-- {
			if c, ok := b.ctes[i][name]; ok {
				node, cols := c.use(b.depth)
				return renamed(node, cols, alias, t.Cols, t.Pos())
			}
		}
	}
	if r, ok := b.env.Catalog.RelationIn(schema, name); ok {
		if r.Kind == catalog.View {
			return b.view(r, alias, t)
		}
		scan, cols, err := b.scan(r, alias)
		if err != nil {
			return nil, nil, at(err, t.Pos())
		}
		return named(scan, cols, alias, !t.Alias.IsZero(), t.Cols, t.Pos())
	}
	if b.env.System != nil {
		if where, cols, ok := b.env.System(strings.ToLower(schema), strings.ToLower(name)); ok {
			n, out := systemScan(where, strings.ToLower(name), cols)
			return named(n, out, alias, !t.Alias.IsZero(), t.Cols, t.Pos())
		}
	}
	full := name
	if schema != "" {
		full = schema + "." + name
	}
	e := pgerr.Newf(pgerr.UndefinedTable, "relation %q does not exist", full).At(t.Pos())
	if b.env.Dialect == ast.KSQL {
		e.Msg = name + " does not exist."
	}
	return nil, nil, e
}

func systemScan(schema, name string, cols []plan.Column) (*plan.SystemScan, []scopeCol) {
	n := &plan.SystemScan{Schema: schema, Name: name}
	n.Cols = append(append(n.Cols, cols...), plan.SystemColumns...)
	var out []scopeCol
	for i, c := range n.Cols {
		n.Index = append(n.Index, i)
		out = append(out, scopeCol{schema: schema, name: c.Name, index: i, t: c.Type, hidden: i >= len(cols)})
	}
	return n, out
}

// functionViews are the virtual relations that PostgreSQL also gives as functions
// without arguments.
var functionViews = map[string]string{
	"pg_timezone_names": "pg_timezone_names", "pg_timezone_abbrevs": "pg_timezone_abbrevs", "pg_show_all_settings": "pg_settings",
	"pg_lock_status": "pg_locks", "pg_cursor": "pg_cursors", "pg_prepared_statement": "pg_prepared_statements",
	"pg_prepared_xact": "pg_prepared_xacts", "pg_show_all_file_settings": "pg_file_settings", "pg_hba_file_rules": "pg_hba_file_rules",
}

// renamed puts an alias, and column aliases, over columns.
func renamed(n plan.Node, cols []scopeCol, alias string, names []ast.Name, pos int) (plan.Node, []scopeCol, error) {
	return named(n, cols, alias, true, names, pos)
}

// named is renamed for a relation; aliased tells that alias is not its own name, by
// which alone it is in a schema.
func named(n plan.Node, cols []scopeCol, alias string, aliased bool, names []ast.Name, pos int) (plan.Node, []scopeCol, error) {
	out := make([]scopeCol, len(cols))
	k := 0
	for i, c := range cols {
		if c.table = alias; aliased {
			c.schema = ""
		}
		if !c.hidden && k < len(names) {
			c.name = names[k].S
			k++
		}
		out[i] = c
	}
	if k < len(names) {
		return nil, nil, pgerr.Newf("42P10", "table %q has %d columns available but %d columns specified", alias, k, len(names)).At(pos)
	}
	return n, out, nil
}

func (b *binder) view(r *catalog.Relation, alias string, t *ast.TableName) (plan.Node, []scopeCol, error) {
	d := ast.Postgres
	if r.Dialect == "ksql" {
		d = ast.KSQL
	}
	stmts, err := parse.Parse(r.SQL, d)
	if err != nil {
		return nil, nil, err
	}
	v, ok := stmts[0].(*ast.CreateView)
	if !ok {
		return nil, nil, pgerr.Newf(pgerr.InternalError, "view %q is not stored as a view", r.Name)
	}
	env := *b.env
	env.Dialect = d
	inner := &binder{env: &env, stream: b.stream, onScan: b.onScan}
	node, err := inner.query(v.As, &scope{})
	if err != nil {
		return nil, nil, err
	}
	cols := make([]scopeCol, len(r.Columns))
	for i, c := range r.Columns {
		cols[i] = scopeCol{schema: schemaName(r), name: c.Name, index: i, t: c.Type}
	}
	return named(node, cols, alias, !t.Alias.IsZero(), t.Cols, t.Pos())
}

// schemaName is the schema that qualifies the columns of r.
func schemaName(r *catalog.Relation) string {
	if r.Schema == "" {
		return catalog.PublicSchema
	}
	return r.Schema
}

// scan reads a stream or table: its columns, then the pseudo columns.
func (b *binder) scan(r *catalog.Relation, alias string) (*plan.Scan, []scopeCol, error) {
	topic, ok := b.env.Catalog.Topic(r.Topic)
	if !ok {
		return nil, nil, pgerr.Newf(pgerr.UndefinedObject, "the topic of %q does not exist", r.Name)
	}
	n := &plan.Scan{
		Relation: uint64(r.ID), Name: r.Name, Table: r.Kind.IsTable(), TimeField: -1, TimeFormat: r.TimeFormat,
		Topic: plan.Topic{ID: uint64(topic.ID), Name: topic.Name, Partitions: topic.Partitions},
		Codec: CodecOf(r),
	}
	var keys, values, cols []scopeCol
	add := func(c scopeCol, s plan.SourceColumn, to *[]scopeCol) {
		c.index, c.name, c.t, c.schema = len(n.Cols), s.Name, s.Type, schemaName(r)
		n.Cols = append(n.Cols, s)
		*to = append(*to, c)
	}
	var k, v int
	for _, c := range r.Columns {
		s := plan.SourceColumn{Name: c.Name, Type: c.Type}
		switch c.Role {
		case catalog.Key:
			s.Kind, s.Index = plan.KeyField, k
			k++
		case catalog.Headers:
			s.Kind = plan.Headers
		case catalog.Header:
			s.Kind, s.Name = plan.Header, c.Header
		default:
			s.Kind, s.Index = plan.ValueField, v
			v++
		}
		if c.Name == r.TimeColumn && r.TimeColumn != "" {
			n.TimeField = len(n.Cols)
		}
		to := &values
		if c.Role == catalog.Key && b.env.Dialect == ast.KSQL {
			to = &keys
		}
		add(scopeCol{hidden: c.Hidden, key: c.Role == catalog.Key}, s, to)
		(*to)[len(*to)-1].name = c.Name
	}
	var window, pseudo []scopeCol
	fold := b.env.Dialect.Fold
	bigint := vec.Of(vec.Int64)
	if r.Window != "" {
		add(scopeCol{pseudo: plan.WindowStart}, plan.SourceColumn{Name: fold("windowstart"), Type: bigint, Kind: plan.WindowStart}, &window)
		add(scopeCol{pseudo: plan.WindowEnd}, plan.SourceColumn{Name: fold("windowend"), Type: bigint, Kind: plan.WindowEnd}, &window)
	}
	add(scopeCol{hidden: true, pseudo: plan.RowTime}, plan.SourceColumn{Name: fold("rowtime"), Type: bigint, Kind: plan.RowTime}, &pseudo)
	add(scopeCol{hidden: true, pseudo: plan.RowPartition}, plan.SourceColumn{Name: fold("rowpartition"), Type: vec.Of(vec.Int32), Kind: plan.RowPartition}, &pseudo)
	add(scopeCol{hidden: true, pseudo: plan.RowOffset}, plan.SourceColumn{Name: fold("rowoffset"), Type: bigint, Kind: plan.RowOffset}, &pseudo)
	if b.env.Dialect == ast.KSQL {
		cols = append(append(append(cols, keys...), window...), values...)
	} else {
		cols = append(append(cols, values...), window...)
	}
	if b.onScan != nil {
		b.onScan(n)
	}
	return n, append(cols, pseudo...), nil
}

// CodecOf returns how the rows of r stand in records.
func CodecOf(r *catalog.Relation) plan.Codec {
	c := plan.Codec{Key: formatOf(r.Key), Value: formatOf(r.Value), WindowSize: r.WindowSizeMs}
	switch r.Window {
	case "TUMBLING":
		c.Window = plan.Tumbling
	case "HOPPING":
		c.Window = plan.Hopping
	case "SESSION":
		c.Window = plan.Session
	}
	for _, col := range r.Columns {
		f := vec.Field{Name: col.Name, Type: col.Type}
		switch col.Role {
		case catalog.Key:
			c.Key.Fields = append(c.Key.Fields, f)
		case catalog.Value:
			c.Value.Fields = append(c.Value.Fields, f)
		}
	}
	return c
}

func formatOf(f catalog.Format) plan.Format {
	return plan.Format{Name: f.Name, Delimiter: f.Delimiter, Wrap: f.Wrap, Properties: f.Properties}
}

// A cte is a WITH query. Its plan stands at every place that names it.
type cte struct {
	node  plan.Node
	cols  []scopeCol
	depth int // of the query that it belongs to
}

// use returns the plan for a place that is deeper in subqueries by some levels:
// references to rows outside the CTE go that much further out.
func (c *cte) use(depth int) (plan.Node, []scopeCol) {
	further := depth - c.depth
	if further == 0 {
		return c.node, c.cols
	}
	return plan.RewriteNode(c.node, func(e plan.Expr, d int) plan.Expr {
		if o, ok := e.(*plan.Outer); ok && o.Level >= d {
			return &plan.Outer{Level: o.Level + further, Index: o.Index, Name: o.Name, T: o.T}
		}
		return nil
	}), c.cols
}

func (b *binder) with(w *ast.With, sc *scope) error {
	m := map[string]*cte{}
	b.ctes = append(b.ctes, m)
	if w == nil {
		return nil
	}
	sink := b.sink // it is for the query itself
	b.sink = nil
	defer func() { b.sink = sink }()
	for _, c := range w.CTEs {
		if w.Recursive && mentions(c.Query, c.Name.S) {
			return pgerr.Newf(pgerr.FeatureNotSupported, "WITH RECURSIVE is not supported yet").At(c.Query.Pos())
		}
		node, err := b.query(c.Query, &scope{outer: sc.outer})
		if err != nil {
			return err
		}
		if _, dup := m[c.Name.S]; dup {
			return pgerr.Newf("42712", "WITH query name %q specified more than once", c.Name.S).At(c.Query.Pos())
		}
		_, cols, err := renamed(node, outputCols(node), c.Name.S, c.Cols, c.Query.Pos())
		if err != nil {
			return err
		}
		m[c.Name.S] = &cte{node, cols, b.depth}
	}
	return nil
}

// mentions tells whether a query names a relation.
func mentions(q ast.Query, name string) (found bool) {
	ast.Walk(q, func(n ast.Node) bool {
		if t, ok := n.(*ast.TableName); ok && len(t.Name) == 1 && t.Name[0].S == name {
			found = true
		}
		return !found
	})
	return found
}

func outputCols(n plan.Node) []scopeCol {
	var out []scopeCol
	for i, c := range n.Columns() {
		out = append(out, scopeCol{name: c.Name, index: i, t: c.Type})
	}
	return out
}

// lateral returns the scope that a LATERAL item sees: the row to its left is
// one level out.
func lateral(sc *scope) *scope { return &scope{outer: sc} }

func (b *binder) derived(t *ast.Derived, sc *scope) (plan.Node, []scopeCol, error) {
	inner := &scope{outer: sc.outer}
	depth := b.depth
	if t.Lateral {
		inner = lateral(sc)
		b.depth++
	}
	node, err := b.query(t.Query, inner)
	b.depth = depth
	if err != nil {
		return nil, nil, err
	}
	if t.Lateral {
		node = asLateral(node)
	} else if inner.correlated {
		sc.correlated = true
	}
	return renamed(node, outputCols(node), t.Alias.S, t.Cols, t.Pos())
}

// asLateral marks a node, bound one level further in, that refers to the row on
// its left. One that does not is an ordinary node a level further out.
func asLateral(n plan.Node) plan.Node {
	left := false
	plan.VisitNode(n, func(e plan.Expr, d int) {
		o, ok := e.(*plan.Outer)
		left = left || ok && o.Level == d
	})
	if left {
		return &lateralNode{Node: n}
	}
	return raise(n)
}

// raise lowers the level of every reference that leaves n by one.
func raise(n plan.Node) plan.Node {
	return plan.RewriteNode(n, func(e plan.Expr, d int) plan.Expr {
		if o, ok := e.(*plan.Outer); ok && o.Level > d {
			return &plan.Outer{Level: o.Level - 1, Index: o.Index, Name: o.Name, T: o.T}
		}
		return nil
	})
}

// lateralNode marks, between from and join, a node that refers to the row on
// its left. No plan that leaves the binder holds one.
type lateralNode struct{ plan.Node }

func (b *binder) tableFunc(t *ast.TableFunc, sc *scope) (plan.Node, []scopeCol, error) {
	call, ok := t.Call.(*ast.Call)
	if !ok {
		return nil, nil, pgerr.Newf(pgerr.FeatureNotSupported, "this function in FROM is not supported").At(t.Pos())
	}
	if name := strings.ToLower(call.Name[len(call.Name)-1].S); name == "tumble" || name == "hop" {
		return b.timeWindows(name, call, t, sc)
	}
	inner := lateral(sc) // a function in FROM is always LATERAL
	b.depth++
	defer func() { b.depth-- }()
	x := &exprs{binder: b, sc: inner, clause: "FROM"}
	name := strings.ToLower(call.Name[len(call.Name)-1].S)
	alias := t.Alias.S
	if alias == "" {
		alias = name
	}
	if view, ok := functionViews[name]; ok && len(call.Args) == 0 && b.env.System != nil {
		if where, cols, ok := b.env.System("pg_catalog", view); ok {
			n, out := systemScan(where, view, cols)
			return renamed(asLateral(n), out, alias, t.Cols, t.Pos())
		}
	}
	var node plan.Node
	if len(fn.LookupTable(name, b.env.FnDialect())) > 0 {
		tc, err := x.tableFunc(name, call)
		if err != nil {
			return nil, nil, err
		}
		if len(tc.Cols) == 1 && !t.Alias.IsZero() && len(t.Cols) == 0 {
			tc.Cols[0].Name = alias
		}
		node = &plan.Unnest{In: &plan.Values{Rows: [][]plan.Expr{{}}}, Funcs: []plan.TableCall{*tc}, Ordinality: t.Ordinality}
	} else { // a scalar function gives one row
		e, err := x.bind(t.Call)
		if err != nil {
			return nil, nil, err
		}
		node = &plan.Project{In: &plan.Values{Rows: [][]plan.Expr{{}}}, Exprs: []plan.Expr{e}, Names: []string{alias}}
	}
	node = asLateral(node)
	return renamed(node, outputCols(node), alias, t.Cols, t.Pos())
}

var joinKinds = map[ast.JoinKind]plan.JoinKind{
	ast.InnerJoin: plan.InnerJoin, ast.CrossJoin: plan.InnerJoin, ast.LeftJoin: plan.LeftJoin,
	ast.RightJoin: plan.RightJoin, ast.FullJoin: plan.FullJoin,
}

func (b *binder) join(t *ast.Join, sc *scope) (plan.Node, []scopeCol, error) {
	if t.Within != nil && !b.stream {
		return nil, nil, pgerr.Newf(pgerr.FeatureNotSupported, "WITHIN is for joins of streams in a continuous query").At(t.Within.Pos())
	}
	l, lcols, err := b.from(t.L, sc)
	if err != nil {
		return nil, nil, err
	}
	// What is on the left is visible to LATERAL items on the right.
	// (A join in parentheses on the right sees nothing of it: its rows are
	// numbered from its own first column.)
	was := sc.cols
	sc.cols = lcols
	if _, nested := t.R.(*ast.Join); nested {
		sc.cols = nil
	}
	r, rcols, err := b.from(t.R, sc)
	sc.cols = was
	if err != nil {
		return nil, nil, err
	}
	width := len(l.Columns())
	for i := range rcols {
		rcols[i].index += width
	}
	if err := duplicateAlias(lcols, rcols, t.R.Pos()); err != nil {
		return nil, nil, err
	}
	kind := joinKinds[t.Kind]
	both := &scope{cols: append(append([]scopeCol{}, lcols...), rcols...), outer: sc.outer}
	using := t.Using
	if t.Natural {
		using = commonNames(lcols, rcols)
	}
	x := &exprs{binder: b, sc: both, clause: "JOIN/ON"}
	var on plan.Expr
	var merged []scopeCol
	var extra []plan.Expr // merged columns of a FULL JOIN
	for _, name := range using {
		lc, err := (&scope{cols: lcols}).find([]ast.Name{name}, t.Pos())
		if err != nil {
			return nil, nil, err
		}
		rc, err := (&scope{cols: rcols}).find([]ast.Name{name}, t.Pos())
		if err != nil {
			return nil, nil, err
		}
		for side, c := range map[string]*scopeCol{"left": lc, "right": rc} {
			if c == nil {
				return nil, nil, pgerr.Newf(pgerr.UndefinedColumn, "column %q specified in USING clause does not exist in %s table", name.S, side).At(t.Pos())
			}
		}
		eq, err := x.apply("=", []plan.Expr{lc.expr(0), rc.expr(0)}, t.Pos())
		if err != nil {
			return nil, nil, err
		}
		on = plan.And(on, eq)
		m := *lc
		switch kind {
		case plan.RightJoin:
			m = *rc
		case plan.FullJoin:
			args := eq.(*plan.Call).Args
			m.index = width + len(r.Columns()) + len(extra)
			m.t = args[0].Type()
			extra = append(extra, &plan.Coalesce{Args: args, T: m.t})
		}
		m.table, m.schema = "", ""
		merged = append(merged, m)
	}
	if b.stream && b.env.Dialect == ast.KSQL {
		if err := b.ksqlJoin(t, lcols, rcols); err != nil {
			return nil, nil, err
		}
	}
	if t.On != nil {
		if on, err = x.condition(t.On); err != nil {
			return nil, nil, err
		}
	}
	if both.correlated && sc.outer != nil {
		sc.correlated = true
	}
	var node plan.Node
	if b.stream {
		node, err = b.streamJoin(t, kind, l, r, on, lcols, rcols)
	} else {
		node, err = b.joinNode(t, kind, l, r, on)
	}
	if err != nil {
		return nil, nil, err
	}
	if len(extra) > 0 {
		cols := node.Columns()
		p := &plan.Project{In: node}
		for i, c := range cols {
			p.Exprs, p.Names = append(p.Exprs, &plan.Col{Index: i, Name: c.Name, T: c.Type}), append(p.Names, c.Name)
		}
		for i, e := range extra {
			p.Exprs, p.Names = append(p.Exprs, e), append(p.Names, using[i].S)
		}
		node = p
	}
	if len(using) == 0 {
		return node, both.cols, nil
	}
	for _, c := range both.cols {
		for _, name := range using {
			if strings.EqualFold(c.name, name.S) && !c.covered {
				c.covered = true
			}
		}
		merged = append(merged, c)
	}
	return node, merged, nil
}

func (b *binder) joinNode(t *ast.Join, kind plan.JoinKind, l, r plan.Node, on plan.Expr) (plan.Node, error) {
	if ll, ok := l.(*lateralNode); ok { // only its own left side may use it, and that is further up
		l = ll.Node
	}
	if lat, ok := r.(*lateralNode); ok {
		if kind != plan.InnerJoin && kind != plan.LeftJoin {
			return nil, pgerr.Newf("42P10", "invalid reference to FROM-clause entry: a LATERAL item may not be in a %s JOIN", kind).At(t.Pos())
		}
		return &plan.Apply{Kind: kind, L: l, R: lat.Node, On: on}, nil
	}
	return &plan.Join{Kind: kind, L: l, R: r, On: on}, nil
}

func duplicateAlias(l, r []scopeCol, pos int) error {
	type item struct{ schema, table string } // an alias is in no schema
	seen := map[item]bool{}
	for _, c := range l {
		seen[item{c.schema, c.table}] = true
	}
	for _, c := range r {
		if c.table != "" && seen[item{c.schema, c.table}] {
			return pgerr.Newf("42712", "table name %q specified more than once", c.table).At(pos)
		}
	}
	return nil
}

func commonNames(l, r []scopeCol) (out []ast.Name) {
	for _, a := range l {
		if a.hidden || a.covered {
			continue
		}
		for _, c := range r {
			if !c.hidden && !c.covered && c.name == a.name {
				out = append(out, ast.Name{S: a.name})
				break
			}
		}
	}
	return out
}
