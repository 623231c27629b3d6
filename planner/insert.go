package planner

import (
	"errors"
	"strings"

	"github.com/weirdb/weir/catalog"
	"github.com/weirdb/weir/internal/fn"
	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
	"github.com/weirdb/weir/sql/ast"
	"github.com/weirdb/weir/sql/parse"
)

// A Write is a planned INSERT, UPDATE or DELETE: a bounded query whose rows are
// written to a relation.
type Write struct {
	Relation *catalog.Relation
	// Source gives the relation's columns in their order, and then, if the sink
	// has a TimeColumn, the time of the record (bigint, ms).
	Source plan.Node
	Sink   plan.Sink
	// RowID is the column of Source that takes a generated key; -1: none.
	RowID int
	// Delete writes tombstones.
	Delete bool
	// OldKey are the columns of Source with the key that a row had before, if an
	// UPDATE sets key columns: the rows under those keys go first.
	OldKey []int
	// Unique refuses rows whose key is there already.
	Unique bool
	// Returning is over the columns of Source, then _partition and _offset; nil
	// if nothing is returned. Placed tells whether it needs those two.
	Returning []plan.Expr
	Names     []string
	Placed    bool
}

// writable returns the relation that a statement writes.
func (b *binder) writable(name []ast.Name, pos int) (*catalog.Relation, *catalog.Topic, error) {
	last := pathText(name)
	r, ok := Find(b.env.Catalog, name)
	if !ok {
		if b.env.Dialect == ast.KSQL {
			return nil, nil, pgerr.Newf(pgerr.UndefinedTable, "Cannot insert values into an unknown stream/table: %s", last).At(pos)
		}
		if b.isSystem(name) {
			return nil, nil, pgerr.Newf(pgerr.WrongObjectType, "cannot change system relation %q", last).At(pos)
		}
		return nil, nil, pgerr.Newf(pgerr.UndefinedTable, "relation %q does not exist", last).At(pos)
	}
	if r.Source {
		return nil, nil, pgerr.Newf(pgerr.WrongObjectType, "Cannot insert values into read-only %s: %s", strings.ToLower(r.Kind.String()), r.Name).At(pos)
	}
	if r.Kind == catalog.View || r.Kind == catalog.MaterializedView {
		return nil, nil, pgerr.Newf(pgerr.WrongObjectType, "cannot change %s %q", strings.ToLower(r.Kind.String()), r.Name).At(pos)
	}
	if r.Window != "" {
		return nil, nil, pgerr.Newf(pgerr.FeatureNotSupported, "Cannot insert into windowed source: %s", r.Name).At(pos)
	}
	t, ok := b.env.Catalog.Topic(r.Topic)
	if !ok {
		return nil, nil, pgerr.Newf(pgerr.UndefinedObject, "the topic of %q does not exist", r.Name).At(pos)
	}
	return r, t, nil
}

// isSystem tells whether name is a relation of the system catalog.
func (b *binder) isSystem(name []ast.Name) bool {
	if b.env.System == nil {
		return false
	}
	schema := ""
	if len(name) > 1 {
		schema = name[len(name)-2].S
	}
	_, _, ok := b.env.System(strings.ToLower(schema), strings.ToLower(name[len(name)-1].S))
	return ok
}

// IsContinuousInsert tells whether an INSERT INTO ... SELECT runs for ever: in the
// ksql dialect always, else if it says EMIT or reads a stream.
func IsContinuousInsert(env *Env, a *ast.Insert) bool {
	sel, ok := a.Source.(*ast.Select)
	if !ok || sel.From == nil {
		return false
	}
	if env.Dialect == ast.KSQL || sel.Emit != ast.EmitNone {
		return true
	}
	stream := false
	ast.Walk(sel.From, func(n ast.Node) bool {
		if t, ok := n.(*ast.TableName); ok {
			if r, ok := Find(env.Catalog, t.Name); ok && r.Kind == catalog.Stream {
				stream = true
			}
		}
		return true
	})
	return stream
}

// PlanInsert plans INSERT of values or of a bounded query.
func PlanInsert(env *Env, a *ast.Insert) (*Write, error) {
	b := &binder{env: env}
	r, topic, err := b.writable(a.Table, a.Pos())
	if err != nil {
		return nil, err
	}
	if a.OnConflict != nil {
		return nil, pgerr.Newf(pgerr.FeatureNotSupported, "ON CONFLICT is not supported").At(a.OnConflict.Pos()).
			Hintf("INSERT into a table replaces the row with the same key.")
	}
	targets, timeAt, err := b.insertColumns(r, a)
	if err != nil {
		return nil, err
	}
	source, err := b.insertSource(r, a, targets)
	if err != nil {
		return nil, err
	}
	w := &Write{Relation: r, RowID: -1, Unique: r.UniqueKey}
	p := &plan.Project{In: source}
	x := &exprs{binder: b, sc: &scope{}, clause: "INSERT"}
	for i, c := range r.Columns {
		var e plan.Expr
		from := -1
		for j, t := range targets {
			if t == i {
				from = j
			}
		}
		switch {
		case from >= 0:
			e, err = b.assigned(x, source, from, c, a.Pos())
		case c.Default != "":
			e, err = b.defaultOf(x, c)
		case c.Hidden:
			w.RowID = i
			e = &plan.Const{T: c.Type}
		default:
			e = &plan.Const{T: c.Type}
		}
		if err != nil {
			return nil, err
		}
		p.Exprs, p.Names = append(p.Exprs, e), append(p.Names, c.Name)
	}
	if timeAt >= 0 {
		e, err := b.assigned(x, source, timeAt, catalog.Column{Name: "rowtime", Type: vec.Of(vec.Int64)}, a.Pos())
		if err != nil {
			return nil, err
		}
		p.Exprs, p.Names = append(p.Exprs, e), append(p.Names, "rowtime")
	}
	w.Source = optimize(p)
	if passesAll(p) {
		w.Source = optimize(source)
	}
	w.Sink = sinkOf(r, topic)
	if timeAt >= 0 {
		w.Sink.TimeColumn = len(r.Columns)
	}
	return w, b.returning(w, a.Returning, a.Table, p)
}

// insertColumns returns the columns of r that the values are for, in order; -2
// stands for ROWTIME, which is at position timeAt.
func (b *binder) insertColumns(r *catalog.Relation, a *ast.Insert) (targets []int, timeAt int, err error) {
	timeAt = -1
	if len(a.Columns) == 0 {
		for i, c := range r.Columns {
			if !c.Hidden && c.Role != catalog.Headers && c.Role != catalog.Header {
				targets = append(targets, i)
			}
		}
		return targets, timeAt, nil
	}
	for pos, name := range a.Columns {
		i := -1
		for j, c := range r.Columns {
			if c.Name == name.S {
				i = j
			}
		}
		for j, c := range r.Columns {
			if i < 0 && strings.EqualFold(c.Name, name.S) {
				i = j
			}
		}
		switch {
		case i < 0 && strings.EqualFold(name.S, "rowtime"):
			timeAt, i = pos, -2
		case i < 0 && b.env.Dialect == ast.KSQL:
			return nil, 0, pgerr.Newf(pgerr.UndefinedColumn, "Column name %s does not exist.", vec.KSQLName(name.S)).At(a.Pos())
		case i < 0:
			return nil, 0, pgerr.Newf(pgerr.UndefinedColumn, "column %q of relation %q does not exist", name.S, r.Name).At(a.Pos())
		case r.Columns[i].Role == catalog.Headers || r.Columns[i].Role == catalog.Header:
			return nil, 0, pgerr.Newf(pgerr.FeatureNotSupported, "Cannot insert into HEADER columns: %s", r.Columns[i].Name).At(a.Pos())
		}
		for _, t := range targets {
			if t == i {
				return nil, 0, pgerr.Newf(pgerr.DuplicateColumn, "column %q specified more than once", name.S).At(a.Pos())
			}
		}
		targets = append(targets, i)
	}
	return targets, timeAt, nil
}

// passesAll tells whether a projection is its input's columns as they are, as in
// an INSERT that lists every column in order.
func passesAll(p *plan.Project) bool {
	if len(p.Exprs) != len(p.In.Columns()) {
		return false
	}
	for i, e := range p.Exprs {
		if c, ok := e.(*plan.Col); !ok || c.Index != i {
			return false
		}
	}
	return true
}

// insertSource binds what is inserted: as many columns as targets, or fewer if no
// columns were listed.
func (b *binder) insertSource(r *catalog.Relation, a *ast.Insert, targets []int) (plan.Node, error) {
	if a.Source == nil { // DEFAULT VALUES
		return &plan.Values{Rows: [][]plan.Expr{{}}}, nil
	}
	if err := b.with(a.CTEs, &scope{}); err != nil {
		return nil, err
	}
	var n plan.Node
	var err error
	if v, ok := a.Source.(*ast.Values); ok && len(v.OrderBy) == 0 && v.Limit == nil {
		n, err = b.insertValues(r, v, targets)
	} else {
		n, err = b.query(a.Source, &scope{})
	}
	if err != nil {
		return nil, err
	}
	switch got, want := len(n.Columns()), len(targets); {
	case b.env.Dialect == ast.KSQL && got != want:
		return nil, pgerr.Newf(pgerr.SyntaxError, "Expected number columns and values to match: %s, %s", columnList(r, targets), "["+itoa(got)+" values]").At(a.Pos())
	case got > want:
		return nil, pgerr.Newf(pgerr.SyntaxError, "INSERT has more expressions than target columns").At(a.Pos())
	case got < want && len(a.Columns) > 0:
		return nil, pgerr.Newf(pgerr.SyntaxError, "INSERT has more target columns than expressions").At(a.Pos())
	}
	return n, nil
}

func columnList(r *catalog.Relation, targets []int) string {
	var names []string
	for _, t := range targets {
		name := "ROWTIME"
		if t >= 0 {
			name = r.Columns[t].Name
		}
		names = append(names, vec.KSQLName(name))
	}
	return "[" + strings.Join(names, ", ") + "]"
}

// insertValues binds VALUES, each value as its column's type: a literal takes it
// directly, DEFAULT stands for the column's default.
func (b *binder) insertValues(r *catalog.Relation, v *ast.Values, targets []int) (plan.Node, error) {
	width := len(v.Rows[0])
	n := &plan.Values{}
	x := &exprs{binder: b, sc: &scope{}, clause: "VALUES"}
	column := func(i int) catalog.Column {
		if i < len(targets) && targets[i] >= 0 {
			return r.Columns[targets[i]]
		}
		return catalog.Column{Name: "rowtime", Type: vec.Of(vec.Int64)}
	}
	for i := range width {
		c := column(i)
		n.Cols = append(n.Cols, plan.Column{Name: c.Name, Type: c.Type})
	}
	for _, row := range v.Rows {
		if len(row) != width {
			return nil, pgerr.Newf(pgerr.SyntaxError, "VALUES lists must all be the same length").At(v.Pos())
		}
		out := make([]plan.Expr, width)
		for i, e := range row {
			c := column(i)
			var err error
			if _, ok := e.(*ast.Default); ok {
				out[i], err = b.defaultOf(x, c)
			} else if arr, ok := e.(*ast.Array); ok && c.Type.Kind == vec.Array {
				out[i], err = x.arrayAs(arr, c.Type)
			} else if out[i], err = x.bind(e); err == nil {
				out[i], err = x.assign(out[i], c, e.Pos())
			}
			if err != nil {
				return nil, err
			}
		}
		n.Rows = append(n.Rows, out)
	}
	return n, nil
}

// assign casts e to a column's type, as storing it does.
func (x *exprs) assign(e plan.Expr, c catalog.Column, pos int) (plan.Expr, error) {
	out, err := x.coerce(e, c.Type, fn.Assignment, pos)
	if pe, ok := errors.AsType[*pgerr.Error](err); ok && pe.Code == pgerr.DatatypeMismatch {
		return nil, pgerr.Newf(pgerr.DatatypeMismatch, "column %q is of type %s but expression is of type %s", c.Name, x.typeName(c.Type), x.typeName(e.Type())).
			At(pos).Hintf("You will need to rewrite or cast the expression.")
	}
	return out, err
}

// assigned is column from of the source as a value of column c.
func (b *binder) assigned(x *exprs, source plan.Node, from int, c catalog.Column, pos int) (plan.Expr, error) {
	cols := source.Columns()
	if from >= len(cols) { // fewer values than columns: the rest have defaults
		return b.defaultOf(x, c)
	}
	return x.assign(outputExpr(source, from), c, pos)
}

func (b *binder) defaultOf(x *exprs, c catalog.Column) (plan.Expr, error) {
	if c.Default == "" {
		return &plan.Const{T: c.Type}, nil
	}
	es, err := parse.Exprs(c.Default, b.env.Dialect)
	if err != nil {
		return nil, err
	}
	return x.bindAs(es[0], c.Type, fn.Assignment)
}

// sinkOf returns how rows with the columns of r are written.
func sinkOf(r *catalog.Relation, t *catalog.Topic) plan.Sink {
	s := plan.Sink{
		Relation: uint64(r.ID), Topic: plan.Topic{ID: uint64(t.ID), Name: t.Name, Partitions: t.Partitions},
		Codec: CodecOf(r), WindowStart: -1, WindowEnd: -1, TimeColumn: -1, Table: r.Kind.IsTable(),
	}
	for i, c := range r.Columns {
		switch c.Role {
		case catalog.Key:
			s.Key = append(s.Key, i)
		case catalog.Value:
			s.Value = append(s.Value, i)
		}
	}
	return s
}

// returning binds RETURNING over the written row.
func (b *binder) returning(w *Write, items []ast.Item, table []ast.Name, p *plan.Project) error {
	if len(items) == 0 {
		return nil
	}
	name := table[len(table)-1].S
	sc := &scope{}
	for i, c := range p.Columns() {
		hidden := i >= len(w.Relation.Columns) || w.Relation.Columns[i].Hidden
		sc.cols = append(sc.cols, scopeCol{table: name, name: c.Name, index: i, t: c.Type, hidden: hidden})
	}
	at := len(p.Exprs)
	sc.cols = append(sc.cols,
		scopeCol{table: name, name: b.env.Dialect.Fold("_partition"), index: at, t: vec.Of(vec.Int32), hidden: true},
		scopeCol{table: name, name: b.env.Dialect.Fold("_offset"), index: at + 1, t: vec.Of(vec.Int64), hidden: true})
	s := &selection{
		q:     &ast.Select{Items: items, From: &ast.TableName{Name: table}},
		exprs: &exprs{binder: b, sc: sc, collect: &collected{pos: map[*plan.Col]int{}}},
	}
	if err := s.items(); err != nil {
		return err
	}
	if len(s.collect.aggs)+len(s.collect.windows)+len(s.collect.tables) > 0 {
		return pgerr.Newf(pgerr.GroupingError, "aggregate, window and set-returning functions are not allowed in RETURNING").At(items[0].X.Pos())
	}
	for _, o := range s.outs {
		e, err := s.known(o.e, o.pos)
		if err != nil {
			return err
		}
		plan.ColumnsOf(e, func(i int) { w.Placed = w.Placed || i >= at })
		w.Returning, w.Names = append(w.Returning, e), append(w.Names, o.name)
	}
	return nil
}

// PlanCopyIn plans COPY table FROM: the rows have the columns returned, which the
// caller puts where the relation has them.
func PlanCopyIn(env *Env, a *ast.Copy) (*Write, []plan.Column, error) {
	b := &binder{env: env}
	r, topic, err := b.writable(a.Table, a.Pos())
	if err != nil {
		return nil, nil, err
	}
	targets, _, err := b.insertColumns(r, &ast.Insert{Span: a.Span, Columns: a.Columns})
	if err != nil {
		return nil, nil, err
	}
	w := &Write{Relation: r, Sink: sinkOf(r, topic), RowID: -1, Unique: r.UniqueKey}
	for i, c := range r.Columns {
		if c.Hidden {
			w.RowID = i
		}
	}
	var cols []plan.Column
	for _, t := range targets {
		if t < 0 {
			w.Sink.TimeColumn = len(r.Columns)
			cols = append(cols, plan.Column{Name: "rowtime", Type: vec.Of(vec.Int64)})
			continue
		}
		cols = append(cols, plan.Column{Name: r.Columns[t].Name, Type: r.Columns[t].Type})
	}
	return w, cols, nil
}
