package planner

import (
	"slices"
	"strings"

	"github.com/weirdb/weir/catalog"
	"github.com/weirdb/weir/internal/fn"
	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
	"github.com/weirdb/weir/sql/ast"
)

// A sink is the target of a continuous query: what its statement says of it,
// and, once the query is bound, how rows are written.
type sink struct {
	env    *Env
	props  *properties
	names  []ast.Name // of the columns, if the statement gives them
	prefix string     // of the query's name
	what   string     // the statement, for messages
	pos    int

	into   *catalog.Relation // of INSERT INTO
	topic  *catalog.Topic
	insert *ast.Insert

	like  *plan.Scan // the left-most source
	words keyWords

	// The result.
	done bool
	def  Definition
	root plan.Node
	plan plan.Sink
}

// sinkCol is one column of the sink while it is put together.
type sinkCol struct {
	output
	role   catalog.Role
	hidden bool
}

// sourceFormats returns the formats of the left-most source.
func (s *sink) sourceFormats() (key, value catalog.Format) {
	if s.like != nil {
		if r, ok := s.env.Catalog.Relation(catalog.ID(s.like.Relation)); ok {
			return r.Key, r.Value
		}
	}
	return catalog.Format{Name: "NONE"}, catalog.Format{Name: "JSON", Wrap: true}
}

// keyFormat returns the format for a key of these columns: as WITH says, else
// the source's, else the default.
func (s *sink) keyFormat(keys []vec.Field) (catalog.Format, error) {
	if s.into != nil {
		return s.into.Key, nil
	}
	f, _ := s.sourceFormats()
	if later := f.Properties[optLater]; later != "" {
		f = catalog.Format{Name: later}
	}
	if f.Name == "NONE" {
		f = catalog.Format{Name: strings.ToUpper(s.env.setting("ksql.persistence.default.format.key"))}
		if f.Name == "" && s.env.Dialect == ast.KSQL {
			f.Name = "KAFKA"
		}
	}
	f.Wrap = false
	if len(keys) == 0 {
		if s.props.key.name != "" && s.props.key.name != "NONE" && s.props.key.name != s.props.value.name {
			return f, pgerr.Newf(pgerr.InvalidParameterValue, "Key format specified for stream without key columns.").At(s.props.pos)
		}
		return catalog.Format{Name: "NONE"}, nil
	}
	if s.props.key.name == "" && s.env.Dialect == ast.Postgres && (f.Name == "" || holds(f, keys, true) != nil) {
		f = defaultKeyFormat(keys)
	}
	f, err := s.props.key.over(f)
	return f, at(err, s.props.pos)
}

func (s *sink) valueFormat(values []vec.Field) (catalog.Format, error) {
	_, f := s.sourceFormats()
	if s.props.value.name == "" && s.env.Dialect == ast.Postgres && holds(f, values, false) != nil {
		f = catalog.Format{Name: "JSON"}
	}
	f, err := s.props.value.over(f)
	if err != nil {
		return f, at(err, s.props.pos)
	}
	return f, s.props.applyWrap(s.env, &f, len(values))
}

// finish makes the sink of the rows of in, whose columns outs are over. f is the
// flow of in.
func (s *sink) finish(b *binder, in plan.Node, f flow, outs []output) error {
	s.done = true
	if s.into != nil {
		return s.finishInsert(b, in, f, outs)
	}
	if err := s.kindFits(f); err != nil {
		return err
	}
	cols, err := s.columns(b, in, &f, outs)
	if err != nil {
		return err
	}
	r := &s.def.Relation
	for _, c := range cols {
		r.Columns = append(r.Columns, catalog.Column{Name: c.name, Type: c.e.Type(), Role: c.role, Hidden: c.hidden})
	}
	if len(s.names) > len(r.Columns) {
		return pgerr.Newf(pgerr.SyntaxError, "too many column names were specified").At(s.pos)
	}
	for i, n := range s.names {
		r.Columns[i].Name = n.S
	}
	if err := uniqueColumns(s.env, r.Columns, s.pos); err != nil {
		return err
	}
	for _, c := range r.Columns {
		if reserved(c.Name) {
			return pgerr.Newf(pgerr.ReservedName, "`%s` is a reserved column name. You cannot use it as an alias for a column.", c.Name).At(s.pos)
		}
	}
	if err := s.formats(); err != nil {
		return at(err, s.pos)
	}
	if f.windowed() {
		r.Window, r.WindowSizeMs = f.window.String(), f.windowSize
	}
	if err := s.def.setTime(s.props); err != nil {
		return err
	}
	s.describeTopic(&f)
	s.write(b, in, &f, cols)
	return nil
}

func (s *sink) kindFits(f flow) error {
	r := &s.def.Relation
	switch {
	case r.Kind == catalog.Stream && f.table:
		return pgerr.Newf(pgerr.WrongObjectType, "Invalid result type. Your SELECT query produces a TABLE. Please use CREATE TABLE AS SELECT statement instead.").At(s.pos)
	case r.Kind != catalog.Stream && !f.table && s.env.Dialect == ast.KSQL:
		return pgerr.Newf(pgerr.WrongObjectType, "Invalid result type. Your SELECT query produces a STREAM. Please use CREATE STREAM AS SELECT statement instead.").At(s.pos)
	}
	return nil
}

func (s *sink) formats() (err error) {
	r := &s.def.Relation
	keys, values := fieldsOf(r, catalog.Key), fieldsOf(r, catalog.Value)
	if len(values) == 0 && s.env.Dialect == ast.KSQL {
		return pgerr.Newf(pgerr.InvalidDefinition, "The projection contains no value columns.")
	}
	if r.Key, err = s.keyFormat(keys); err != nil {
		return err
	}
	if r.Value, err = s.valueFormat(values); err != nil {
		return err
	}
	if err := checkKey(r.Key, keys); err != nil {
		return err
	}
	return checkValue(r.Value, values)
}

func (s *sink) describeTopic(f *flow) {
	r, t := &s.def.Relation, &s.def.Topic
	t.Name, t.Partitions, t.RetentionMs = s.props.topic, s.props.partitions, s.props.retentionMs
	if t.Name == "" {
		t.Name = s.env.setting("ksql.output.topic.name.prefix") + topicName(r)
	}
	if t.Partitions == 0 {
		t.Partitions = f.at.partitions
	}
	t.Compact = s.props.compacted(r)
	if s.like != nil {
		if src, ok := s.env.Catalog.Relation(catalog.ID(s.like.Relation)); ok {
			t.Like = src.Topic
		}
	}
}

// write makes the plan's last node and sink from the columns of the relation.
func (s *sink) write(b *binder, in plan.Node, f *flow, cols []sinkCol) {
	r := &s.def.Relation
	p := &plan.Project{}
	s.plan = plan.Sink{
		Topic: plan.Topic{Name: s.def.Topic.Name, Partitions: s.def.Topic.Partitions}, Codec: CodecOf(r),
		WindowStart: -1, WindowEnd: -1, TimeColumn: -1, TimeFormat: r.TimeFormat, Table: r.Kind.IsTable(),
	}
	var keys []plan.Expr
	for i, c := range cols {
		p.Exprs, p.Names = append(p.Exprs, c.e), append(p.Names, r.Columns[i].Name)
		switch c.role {
		case catalog.Key:
			s.plan.Key = append(s.plan.Key, i)
			keys = append(keys, c.e)
		default:
			s.plan.Value = append(s.plan.Value, i)
		}
		if r.Columns[i].Name == r.TimeColumn && r.TimeColumn != "" {
			s.plan.TimeColumn = i
		}
	}
	s.bounds(p, in, f)
	p.In = b.moved(in, keys, s.plan.Codec.Key, s.plan.Topic.Partitions)
	s.root = p
}

// bounds adds the window's bounds behind the columns.
func (s *sink) bounds(p *plan.Project, in plan.Node, f *flow) {
	add := func(col int) int {
		if col < 0 {
			return -1
		}
		c := in.Columns()[col]
		p.Exprs, p.Names = append(p.Exprs, &plan.Col{Index: col, Name: c.Name, T: c.Type}), append(p.Names, c.Name)
		return len(p.Exprs) - 1
	}
	if f.windowed() {
		s.plan.WindowStart, s.plan.WindowEnd = add(f.start), add(f.end)
	}
}

// columns decides which columns the relation has, and which are its key.
func (s *sink) columns(b *binder, in plan.Node, f *flow, outs []output) ([]sinkCol, error) {
	cols := make([]sinkCol, 0, len(outs))
	for _, o := range outs {
		if bound := s.isBound(o, f); bound {
			continue // the windowed key has it
		}
		cols = append(cols, sinkCol{output: o})
	}
	r := &s.def.Relation
	if r.Kind.IsTable() && !f.table {
		return s.eventKey(b, in, f, cols)
	}
	if f.windowed() && f.start < 0 {
		return nil, pgerr.Newf(pgerr.FeatureNotSupported, "the window of the rows is lost in a subquery").At(s.pos).
			Hintf("Select windowstart and windowend in the subquery.")
	}
	if f.table && len(f.key) == 0 && !f.windowed() { // an aggregate of everything
		if a := aggregateBelow(in); a == nil || len(a.Keys) > 0 {
			return nil, pgerr.Newf(pgerr.FeatureNotSupported, "the rows of this query have no key to keep them by").At(s.pos)
		}
		one := output{e: &plan.Const{Value: int64(0), T: vec.Of(vec.Int64)}, name: defaultRowID}
		return append(cols, sinkCol{one, catalog.Key, true}), nil
	}
	var keys []sinkCol
	for i, k := range f.key {
		at, err := s.keyOut(cols, f, k)
		if err != nil {
			return nil, err
		}
		switch {
		case at >= 0:
			cols[at].role = catalog.Key
			if e := k.value(in); e != nil {
				cols[at].e = e
			}
		case k.value(in) != nil:
			e, name := k.value(in), ""
			if k.col >= 0 {
				name = in.Columns()[k.col].Name
			}
			if name == "" {
				name = "_key" + itoa(i+1)
			}
			for taken(cols, name) || taken(keys, name) {
				name = "_" + name
			}
			keys = append(keys, sinkCol{output{e: e, name: name}, catalog.Key, true})
		case f.table:
			return nil, pgerr.Newf(pgerr.FeatureNotSupported, "the key of the rows is lost in a subquery").At(s.pos).
				Hintf("Select the key columns of the tables, or the grouping columns, in the subquery.")
		default: // a stream may go without
			for j := range cols {
				cols[j].role = catalog.Value
			}
			return cols, nil
		}
	}
	cols = append(cols, keys...)
	if s.env.Dialect == ast.KSQL {
		return keyOrder(cols, f), nil
	}
	return cols, nil
}

func taken(cols []sinkCol, name string) bool {
	return slices.ContainsFunc(cols, func(c sinkCol) bool { return c.name == name })
}

// aggregateBelow returns the aggregation whose rows n passes on, or nil.
func aggregateBelow(n plan.Node) *plan.Aggregate {
	for {
		switch x := n.(type) {
		case *plan.Aggregate:
			return x
		case *plan.Project:
			n = x.In
		case *plan.Filter:
			n = x.In
		default:
			return nil
		}
	}
}

// named returns the columns that name the key, the first of them preferred.
func (k *keyCol) named() []int {
	if len(k.same) > 0 {
		return k.same
	}
	return []int{k.col}
}

// value is what the key column is in rows of n; nil if it is lost.
func (k *keyCol) value(n plan.Node) plan.Expr {
	if k.col >= 0 {
		c := n.Columns()[k.col]
		return &plan.Col{Index: k.col, Name: c.Name, T: c.Type}
	}
	return k.expr
}

// isBound tells whether o is the window's start or end under its own name, which
// every windowed relation has without declaring it.
func (s *sink) isBound(o output, f *flow) bool {
	if !f.windowed() || s.env.Dialect == ast.KSQL {
		return false
	}
	c := plainColumn(o.e)
	return c >= 0 && (c == f.start && strings.EqualFold(o.name, "windowstart") || c == f.end && strings.EqualFold(o.name, "windowend"))
}

// keyOut finds the output that is key column k; -1 if there is none.
func (s *sink) keyOut(cols []sinkCol, f *flow, k keyCol) (int, error) {
	first := -1
	for _, want := range k.named() {
		if want < 0 {
			continue
		}
		for i, c := range cols {
			if plainColumn(c.e) != want || c.role == catalog.Key {
				continue
			}
			if first < 0 {
				first = i
				continue
			}
			if s.env.Dialect == ast.KSQL && plainColumn(cols[first].e) == want && first != i {
				return 0, s.duplicateKey(cols[first].output, c.output)
			}
		}
		if first >= 0 {
			return first, nil
		}
	}
	if s.env.Dialect == ast.KSQL {
		return 0, s.missingKey(f, cols)
	}
	return -1, nil
}

// keyOrder puts the key columns first, in the key's own order.
func keyOrder(cols []sinkCol, f *flow) []sinkCol {
	rank := func(c sinkCol) int {
		if c.role != catalog.Key {
			return len(f.key)
		}
		return slices.IndexFunc(f.key, func(k keyCol) bool {
			return k.col >= 0 && k.col == plainColumn(c.e) || k.expr != nil && sameExpr(k.expr, c.e)
		})
	}
	slices.SortStableFunc(cols, func(a, b sinkCol) int { return rank(a) - rank(b) })
	return cols
}

// eventKey gives every event of a stream a key of its own: where it stands in
// its topic. A materialized view over a stream keeps all of them.
func (s *sink) eventKey(b *binder, in plan.Node, f *flow, cols []sinkCol) ([]sinkCol, error) {
	if !eventChain(in) {
		return nil, pgerr.Newf(pgerr.FeatureNotSupported, "the rows of this query have no key to keep them by").At(s.pos).
			Hintf("GROUP BY what identifies a row, or write CREATE STREAM ... AS.")
	}
	for i, c := range scanPlaces(in) {
		if c < 0 {
			return nil, pgerr.Newf(pgerr.FeatureNotSupported, "the rows of this query have no key to keep them by").At(s.pos).
				Hintf("GROUP BY what identifies a row, or write CREATE STREAM ... AS.")
		}
		col := in.Columns()[c]
		name := "_row" + [...]string{"partition", "offset"}[i%2]
		if i >= 2 {
			name += itoa(i/2 + 1)
		}
		cols = append(cols, sinkCol{output{e: &plan.Col{Index: c, Name: col.Name, T: col.Type}, name: name}, catalog.Key, true})
	}
	return cols, nil
}

// eventChain tells whether every row of n comes from one record of each source.
func eventChain(n plan.Node) bool {
	switch n := n.(type) {
	case *plan.Scan:
		return true
	case *plan.Filter:
		return eventChain(n.In)
	case *plan.Project:
		return eventChain(n.In)
	case *plan.Repartition:
		return eventChain(n.In)
	case *plan.Join:
		return n.Kind == plan.InnerJoin && (n.Shape == plan.StreamStream && eventChain(n.L) && eventChain(n.R) || n.Shape == plan.StreamTable && eventChain(n.L))
	}
	return false
}

// scanPlaces returns the columns of n that hold partition and offset of the
// records that a row was made of.
func scanPlaces(n plan.Node) (out []int) {
	switch n := n.(type) {
	case *plan.Scan:
		for _, kind := range []plan.SourceKind{plan.RowPartition, plan.RowOffset} {
			out = append(out, slices.IndexFunc(n.Cols, func(c plan.SourceColumn) bool { return c.Kind == kind }))
		}
	case *plan.Filter:
		return scanPlaces(n.In)
	case *plan.Repartition:
		return scanPlaces(n.In)
	case *plan.Project:
		for _, c := range scanPlaces(n.In) {
			out = append(out, slices.IndexFunc(n.Exprs, func(e plan.Expr) bool { return c >= 0 && plainColumn(e) == c }))
		}
	case *plan.Join:
		out = scanPlaces(n.L)
		if n.Shape == plan.StreamStream {
			width := len(n.L.Columns())
			for _, c := range scanPlaces(n.R) {
				if c >= 0 {
					c += width
				}
				out = append(out, c)
			}
		}
	}
	return out
}

// finishInsert writes the rows into a stream that is there already.
func (s *sink) finishInsert(b *binder, in plan.Node, f flow, outs []output) error {
	if f.table {
		return pgerr.Newf(pgerr.WrongObjectType, "INSERT INTO can only be used to insert into a stream. %s is a table.", s.into.Name).At(s.pos).
			Hintf("The query gives the changes of a table.")
	}
	if s.env.Dialect == ast.KSQL {
		cols, err := s.columns(b, in, &f, outs)
		if err != nil {
			return err
		}
		if err := s.compatible(cols); err != nil {
			return err
		}
		outs = outs[:0:0]
		for _, c := range cols {
			outs = append(outs, c.output)
		}
	}
	targets, timeAt, err := b.insertColumns(s.into, s.insert)
	if err != nil {
		return err
	}
	if len(outs) > len(targets) {
		return pgerr.Newf(pgerr.SyntaxError, "INSERT has more expressions than target columns").At(s.pos)
	}
	if len(outs) < len(targets) && len(s.insert.Columns) > 0 {
		return pgerr.Newf(pgerr.SyntaxError, "INSERT has more target columns than expressions").At(s.pos)
	}
	s.plan = sinkOf(s.into, s.topic)
	p := &plan.Project{}
	x := &exprs{binder: b, sc: &scope{}, clause: "INSERT"}
	var keys []plan.Expr
	for i, c := range s.into.Columns {
		var e plan.Expr
		switch from := slices.Index(targets, i); {
		case from >= 0 && from < len(outs):
			e, err = x.assign(outs[from].e, c, outs[from].pos)
		default:
			e, err = b.defaultOf(x, c)
		}
		if err != nil {
			return err
		}
		p.Exprs, p.Names = append(p.Exprs, e), append(p.Names, c.Name)
		if c.Role == catalog.Key {
			keys = append(keys, e)
		}
		if c.Name == s.into.TimeColumn && c.Name != "" {
			s.plan.TimeColumn, s.plan.TimeFormat = i, s.into.TimeFormat
		}
	}
	if timeAt >= 0 && timeAt < len(outs) {
		e, err := x.assign(outs[timeAt].e, catalog.Column{Name: "rowtime", Type: vec.Of(vec.Int64)}, outs[timeAt].pos)
		if err != nil {
			return err
		}
		s.plan.TimeColumn, s.plan.TimeFormat = len(p.Exprs), ""
		p.Exprs, p.Names = append(p.Exprs, e), append(p.Names, "rowtime")
	}
	if f.window != s.plan.Codec.Window {
		return pgerr.Newf(pgerr.DatatypeMismatch, "the keys of %s and of the query do not have the same window", s.into.Name).At(s.pos)
	}
	s.bounds(p, in, &f)
	p.In = b.moved(in, keys, s.plan.Codec.Key, s.topic.Partitions)
	s.root = p
	return nil
}

// compatible is ksqlDB's condition for INSERT INTO ... SELECT: the same columns,
// of types that widen.
func (s *sink) compatible(cols []sinkCol) error {
	ok := true
	var have, want []string
	target := s.into.Columns
	for i, c := range cols {
		have = append(have, columnText(c.name, c.e.Type(), c.role))
		if i < len(target) {
			t := target[i]
			ok = ok && t.Name == c.name && (t.Role == catalog.Key) == (c.role == catalog.Key) && (t.Type.Equal(c.e.Type()) || widens(c.e.Type(), t.Type))
		}
	}
	for _, t := range target {
		want = append(want, columnText(t.Name, t.Type, t.Role))
	}
	if ok && len(cols) == len(target) {
		return nil
	}
	return pgerr.Newf(pgerr.DatatypeMismatch, "Incompatible schema between results and sink.\nResult schema is %s\nSink schema is %s",
		strings.Join(have, ", "), strings.Join(want, ", ")).At(s.pos)
}

func widens(from, to vec.Type) bool {
	_, ok := fn.Cast(from, to, fn.KSQL, fn.Implicit)
	return ok
}

func columnText(name string, t vec.Type, role catalog.Role) string {
	s := "`" + name + "` " + t.KSQL()
	if role == catalog.Key {
		s += " KEY"
	}
	return s
}
