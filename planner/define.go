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

// Type resolves a type as written.
func (e *Env) Type(t ast.Type) (vec.Type, error) { return (&binder{env: e}).typeOf(t) }

// TypeOf resolves the type that CREATE TYPE names.
func TypeOf(env *Env, st *ast.CreateType) (vec.Type, error) {
	if st.IsEnum {
		return vec.Type{}, pgerr.Newf(pgerr.FeatureNotSupported, "CREATE TYPE ... AS ENUM is not supported").At(st.Pos())
	}
	return env.Type(st.Type)
}

// Define plans CREATE STREAM and CREATE TABLE without AS, and CREATE VIEW. It
// does not check that the name is free.
func Define(env *Env, st ast.Stmt) (*Definition, error) {
	switch st := st.(type) {
	case *ast.CreateRelation:
		return defineRelation(env, st)
	case *ast.CreateView:
		return defineView(env, st)
	}
	return nil, pgerr.Newf(pgerr.InternalError, "%T defines no relation", st)
}

// defineView binds the view's query, which fixes its columns.
func defineView(env *Env, st *ast.CreateView) (*Definition, error) {
	if st.Temp {
		return nil, pgerr.Newf(pgerr.FeatureNotSupported, "temporary views are not supported").At(st.Pos())
	}
	if len(st.With) > 0 {
		return nil, pgerr.Newf(pgerr.InvalidParameterValue, "a view has no properties").At(st.With[0].Pos())
	}
	// What reads a view continuously may use what only continuous queries can
	// do; otherwise it has to be a query that ends.
	b := &binder{env: env, stream: continuousView(st.As)}
	node, err := b.query(st.As, &scope{})
	if err != nil {
		return nil, err
	}
	d := &Definition{OrReplace: st.OrReplace, IfNotExists: st.IfNotExists}
	d.Relation = catalog.Relation{Schema: schemaOf(st.Name), Name: relationName(st.Name), Kind: catalog.View}
	for _, c := range typed(node).Columns() {
		d.Relation.Columns = append(d.Relation.Columns, catalog.Column{Name: c.Name, Type: c.Type})
	}
	if len(st.Columns) > len(d.Relation.Columns) {
		return nil, pgerr.Newf(pgerr.SyntaxError, "CREATE VIEW specifies more column names than columns").At(st.Pos())
	}
	for i, n := range st.Columns {
		d.Relation.Columns[i].Name = n.S
	}
	return d, uniqueColumns(env, d.Relation.Columns, st.Pos())
}

// continuousView tells whether a query has clauses that only continuous queries
// have.
func continuousView(q ast.Query) bool {
	found := false
	ast.Walk(q, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Select:
			found = found || n.Window != nil || len(n.Partition) > 0
		case *ast.Join:
			found = found || n.Within != nil
		}
		return !found
	})
	return found
}

func relationName(path []ast.Name) string { return path[len(path)-1].S }

// schemaOf is the schema that a name says, "" if none.
func schemaOf(path []ast.Name) string {
	if len(path) < 2 {
		return ""
	}
	return path[len(path)-2].S
}

// Find returns the relation that a name means, with or without a schema.
func Find(c *catalog.Catalog, path []ast.Name) (*catalog.Relation, bool) {
	return c.RelationIn(schemaOf(path), relationName(path))
}

// pathText is a relation's name as messages give it.
func pathText(path []ast.Name) string { return qualified(schemaOf(path), relationName(path)) }

// topicName is the topic of a relation that names none: that of the relation, after
// its schema if that is not the public one.
func topicName(r *catalog.Relation) string {
	if r.Schema == "" || strings.EqualFold(r.Schema, catalog.PublicSchema) {
		return r.Name
	}
	return r.Schema + "." + r.Name
}

// uniqueColumns refuses two columns of one name.
func uniqueColumns(env *Env, cols []catalog.Column, pos int) error {
	seen := map[string]bool{}
	for _, c := range cols {
		if seen[c.Name] {
			if env.Dialect == ast.KSQL {
				what := "value"
				if c.Role == catalog.Key {
					what = "key"
				}
				return pgerr.Newf(pgerr.DuplicateColumn, "Duplicate %s columns found in schema: `%s` %s", what, c.Name, c.Type.KSQL()).At(pos)
			}
			return pgerr.Newf(pgerr.DuplicateColumn, "column %q specified more than once", c.Name).At(pos)
		}
		seen[c.Name] = true
	}
	return nil
}

// reservedColumns are the names of pseudo columns, in upper case.
var reservedColumns = map[string]plan.SourceKind{
	"ROWTIME": plan.RowTime, "ROWPARTITION": plan.RowPartition, "ROWOFFSET": plan.RowOffset,
	"WINDOWSTART": plan.WindowStart, "WINDOWEND": plan.WindowEnd,
}

// reserved tells whether name would be found instead of a pseudo column.
func reserved(name string) bool { _, ok := reservedColumns[strings.ToUpper(name)]; return ok }

// defaultRowID is the name of the generated key of a table that was declared
// without one.
const defaultRowID = "_rowid"

func defineRelation(env *Env, st *ast.CreateRelation) (*Definition, error) {
	kind, name := "stream", relationName(st.Name)
	if st.Kind == ast.TableRelation {
		kind = "table"
	}
	switch {
	case st.Source && st.OrReplace:
		return nil, pgerr.Newf(pgerr.InvalidDefinition, "Cannot add %s '%s': CREATE OR REPLACE is not supported on source %ss.", kind, name, kind).At(st.Pos())
	case st.Temp:
		return nil, pgerr.Newf(pgerr.FeatureNotSupported, "temporary tables are not supported").At(st.Pos())
	case st.Watermark != nil:
		return nil, pgerr.Newf(pgerr.FeatureNotSupported, "WATERMARK is not supported").At(st.Watermark.Pos()).
			Hintf("Event time is the record's, or WITH (timestamp = 'column'); how late a record may be is said by GRACE PERIOD.")
	}
	p, err := readWith(st.With, withProperties, createProperties)
	if err != nil {
		return nil, err
	}
	d := &Definition{OrReplace: st.OrReplace, IfNotExists: st.IfNotExists}
	r := &d.Relation
	*r = catalog.Relation{Schema: schemaOf(st.Name), Name: name, Source: st.Source, Window: p.window, WindowSizeMs: p.windowMs, TimeFormat: p.timeFormat}
	if st.Kind == ast.TableRelation {
		r.Kind = catalog.Table
		// ksqlDB's tables take the latest value for a key, PostgreSQL's refuse.
		r.UniqueKey = env.Dialect == ast.Postgres
	}
	if r.Columns, err = declaredColumns(env, st); err != nil {
		return nil, err
	}
	if r.Kind == catalog.Table && len(r.Keys()) == 0 {
		if env.Dialect == ast.KSQL {
			return nil, pgerr.Newf(pgerr.InvalidDefinition, "Tables require a PRIMARY KEY. Please define the PRIMARY KEY.").At(st.Pos())
		}
		r.Columns = append([]catalog.Column{{Name: defaultRowID, Type: vec.Of(vec.Int64), Role: catalog.Key, Hidden: true}}, r.Columns...)
		r.UniqueKey = false
	}
	if len(r.Columns) == 0 {
		return nil, pgerr.Newf(pgerr.InvalidDefinition, "No columns supplied.").At(st.Pos()).
			Hintf("Columns are declared in parentheses after the name.")
	}
	if err := declaredFormats(env, r, p, st); err != nil {
		return nil, at(err, max(p.pos, st.Pos()))
	}
	if err := d.setTime(p); err != nil {
		return nil, err
	}
	return d, d.place(env, p, st)
}

func declaredColumns(env *Env, st *ast.CreateRelation) ([]catalog.Column, error) {
	primary, err := primaryKey(st)
	if err != nil {
		return nil, err
	}
	var cols []catalog.Column
	for i := range st.Columns {
		c, err := declaredColumn(env, st, &st.Columns[i])
		if err != nil {
			return nil, err
		}
		if slices.Contains(primary, c.Name) {
			c.Role, c.NotNull = catalog.Key, true
		}
		cols = append(cols, c)
	}
	for _, name := range primary {
		if !slices.ContainsFunc(cols, func(c catalog.Column) bool { return c.Name == name }) {
			return nil, pgerr.Newf(pgerr.UndefinedColumn, "column %q named in key does not exist", name).At(st.Pos())
		}
	}
	if env.Dialect == ast.KSQL { // as ksqlDB shows them
		slices.SortStableFunc(cols, func(a, b catalog.Column) int { return keysFirst(a) - keysFirst(b) })
	}
	return cols, uniqueColumns(env, cols, st.Pos())
}

func keysFirst(c catalog.Column) int {
	if c.Role == catalog.Key {
		return 0
	}
	return 1
}

// primaryKey returns the columns of PRIMARY KEY (a, b), and refuses the other
// constraints.
func primaryKey(st *ast.CreateRelation) (names []string, err error) {
	for _, c := range st.Constraints {
		if c.Kind != ast.PrimaryKeyConstraint {
			return nil, unsupportedConstraint(c)
		}
		if st.Kind != ast.TableRelation {
			return nil, pgerr.Newf(pgerr.InvalidDefinition, "a stream has no PRIMARY KEY").At(c.Pos()).Hintf("Write KEY after the key column.")
		}
		if names != nil {
			return nil, pgerr.Newf(pgerr.InvalidDefinition, "multiple primary keys for table %q are not allowed", relationName(st.Name)).At(c.Pos())
		}
		for _, n := range c.Columns {
			if slices.Contains(names, n.S) {
				return nil, pgerr.Newf(pgerr.DuplicateColumn, "column %q appears twice in primary key constraint", n.S).At(c.Pos())
			}
			names = append(names, n.S)
		}
	}
	return names, nil
}

func unsupportedConstraint(c ast.Constraint) error {
	return pgerr.Newf(pgerr.FeatureNotSupported, "%s constraints are not supported", c.Kind).At(c.Pos())
}

var headersType = vec.ArrayOf(vec.Type{Kind: vec.Struct, Fields: []vec.Field{{Name: "KEY", Type: vec.Of(vec.Text)}, {Name: "VALUE", Type: vec.Of(vec.Bytes)}}})

func declaredColumn(env *Env, st *ast.CreateRelation, def *ast.ColumnDef) (catalog.Column, error) {
	c := catalog.Column{Name: def.Name.S, NotNull: def.NotNull}
	fail := func(code, format string, args ...any) (catalog.Column, error) {
		return c, pgerr.Newf(code, format, args...).At(def.Pos())
	}
	if reserved(c.Name) {
		return fail(pgerr.ReservedName, "'%s' is a reserved column name. You cannot use it as a name for a column.", c.Name)
	}
	if len(def.Constraints) > 0 {
		return c, unsupportedConstraint(def.Constraints[0])
	}
	if def.Generated != nil || def.Identity {
		return fail(pgerr.FeatureNotSupported, "generated columns are not supported")
	}
	t := serialType(def.Type)
	if t != "" {
		return fail(pgerr.FeatureNotSupported, "type %s is not supported: there are no sequences", t)
	}
	var err error
	if c.Type, err = env.Type(def.Type); err != nil {
		return c, err
	}
	if c.Type.Kind == vec.Unknown {
		return fail(pgerr.InvalidDefinition, "column %q has pseudo-type unknown", c.Name)
	}
	switch def.Role {
	case ast.KeyColumn:
		if st.Kind == ast.TableRelation {
			return fail(pgerr.InvalidDefinition, "Column `%s` is a 'KEY' column: please use 'PRIMARY KEY' for tables.\nTables have PRIMARY KEYs, which are unique and NON NULL.\nStreams have KEYs, which have no uniqueness or NON NULL constraints.", c.Name)
		}
		c.Role = catalog.Key
	case ast.PrimaryKeyColumn:
		if st.Kind == ast.StreamRelation {
			return fail(pgerr.InvalidDefinition, "Column `%s` is a 'PRIMARY KEY' column: please use 'KEY' for streams.\nTables have PRIMARY KEYs, which are unique and NON NULL.\nStreams have KEYs, which have no uniqueness or NON NULL constraints.", c.Name)
		}
		c.Role, c.NotNull = catalog.Key, true
	case ast.HeadersColumn:
		c.Role = catalog.Headers
		if !sameShape(c.Type, headersType) {
			return fail(pgerr.DatatypeMismatch, "Invalid type for HEADERS column: expected %s, got %s", "ARRAY<STRUCT<`KEY` STRING, `VALUE` BYTES>>", c.Type.KSQL())
		}
	case ast.HeaderColumn:
		c.Role, c.Header = catalog.Header, def.Header
		if c.Type.Kind != vec.Bytes {
			return fail(pgerr.DatatypeMismatch, "Invalid type for HEADER('%s') column: expected BYTES, got %s", def.Header, c.Type.KSQL())
		}
	}
	if def.Default != nil {
		return defaulted(env, c, def)
	}
	return c, nil
}

// sameShape is Equal without the names of struct fields.
func sameShape(a, b vec.Type) bool {
	if a.Kind != b.Kind || len(a.Fields) != len(b.Fields) {
		return false
	}
	switch a.Kind {
	case vec.Array:
		return sameShape(*a.Elem, *b.Elem)
	case vec.Struct:
		for i := range a.Fields {
			if !sameShape(a.Fields[i].Type, b.Fields[i].Type) || !strings.EqualFold(a.Fields[i].Name, b.Fields[i].Name) {
				return false
			}
		}
	}
	return true
}

func serialType(t ast.Type) string {
	switch n := strings.ToLower(t.Name.S); n {
	case "serial", "bigserial", "smallserial", "serial4", "serial8", "serial2":
		return n
	}
	return ""
}

// defaulted adds a column's DEFAULT, kept as text, and checks that it is a value
// of the column's type.
func defaulted(env *Env, c catalog.Column, def *ast.ColumnDef) (catalog.Column, error) {
	text, ok := exprText(def.Default, env.Dialect)
	if !ok {
		return c, pgerr.Newf(pgerr.FeatureNotSupported, "this DEFAULT is not supported").At(def.Default.Pos())
	}
	c.Default = text
	b := &binder{env: env}
	_, err := b.defaultOf(&exprs{binder: b, sc: &scope{}, clause: "DEFAULT"}, c)
	return c, at(err, def.Default.Pos())
}

// fieldsOf returns the columns of a role, as the fields of a format.
func fieldsOf(r *catalog.Relation, role catalog.Role) (out []vec.Field) {
	for _, c := range r.Columns {
		if c.Role == role {
			out = append(out, vec.Field{Name: c.Name, Type: c.Type})
		}
	}
	return out
}

func declaredFormats(env *Env, r *catalog.Relation, p *properties, st *ast.CreateRelation) error {
	keys, values := fieldsOf(r, catalog.Key), fieldsOf(r, catalog.Value)
	keyName := p.key.name
	if keyName == "" {
		keyName = strings.ToUpper(env.setting("ksql.persistence.default.format.key"))
	}
	switch {
	case len(keys) == 0:
		if p.key.name != "" && p.key.name != "NONE" { // for what gets a key from it
			p.key.option(optLater, p.key.name)
		}
		keyName = "NONE"
	case keyName == "" && env.Dialect == ast.KSQL:
		keyName = "KAFKA"
	case keyName == "":
		keyName = defaultKeyFormat(keys).Name
	}
	valueName := p.value.name
	if valueName == "" {
		valueName = strings.ToUpper(env.setting("ksql.persistence.default.format.value"))
	}
	if valueName == "" {
		if env.Dialect == ast.KSQL {
			return pgerr.Newf(pgerr.InvalidParameterValue, "Statement is missing the 'VALUE_FORMAT' property from the WITH clause. "+
				"Either provide one or set a default via the 'ksql.persistence.default.format.value' config.")
		}
		valueName = "JSON"
	}
	var err error
	for _, name := range []string{keyName, valueName} {
		if _, err := formatName(name, st.Pos()); err != nil {
			return err
		}
	}
	p.key.name, p.value.name = keyName, valueName
	if r.Key, err = p.key.over(catalog.Format{}); err != nil {
		return err
	}
	if r.Value, err = p.value.over(catalog.Format{}); err != nil {
		return err
	}
	if err := checkKey(r.Key, keys); err != nil {
		return err
	}
	if err := p.applyWrap(env, &r.Value, len(values)); err != nil {
		return err
	}
	return checkValue(r.Value, values)
}

// setTime applies WITH (timestamp = ...).
func (d *Definition) setTime(p *properties) error {
	r := &d.Relation
	if p.timeColumn == "" {
		return nil
	}
	i := r.Column(p.timeColumn)
	if i < 0 {
		i = slices.IndexFunc(r.Columns, func(c catalog.Column) bool { return strings.EqualFold(c.Name, p.timeColumn) })
	}
	if i < 0 {
		return pgerr.Newf(pgerr.UndefinedColumn, "The TIMESTAMP column set in the WITH clause does not exist in the schema: '%s'", strings.ToUpper(p.timeColumn)).At(p.pos)
	}
	switch c := r.Columns[i]; {
	case c.Type.Kind == vec.Text && p.timeFormat == "":
		return pgerr.Newf(pgerr.InvalidParameterValue, "A String timestamp field has been specified without also specifying the timestamp_format").At(p.pos)
	case c.Type.Kind == vec.Text:
	case p.timeFormat != "":
		return pgerr.Newf(pgerr.InvalidParameterValue, "'timestamp_format' set, but column '%s' is of type %s: it is only for columns of text", c.Name, c.Type.KSQL()).At(p.pos)
	case c.Type.Kind != vec.Int64 && c.Type.Kind != vec.Timestamp && c.Type.Kind != vec.TimestampTZ:
		return pgerr.Newf(pgerr.DatatypeMismatch, "Timestamp column, %s, should be LONG(INT64), TIMESTAMP, or a String with a timestamp_format specified.", c.Name).At(p.pos)
	}
	r.TimeColumn, r.TimeFormat = r.Columns[i].Name, p.timeFormat
	return nil
}

// place says which topic is under the relation.
func (d *Definition) place(env *Env, p *properties, st *ast.CreateRelation) error {
	r := &d.Relation
	d.Topic = TopicDef{Name: p.topic, Partitions: p.partitions, RetentionMs: p.retentionMs}
	if p.topic == "" {
		if env.Dialect == ast.KSQL {
			return pgerr.Newf(pgerr.InvalidParameterValue, "Failed to prepare statement: Missing required property \"KAFKA_TOPIC\" which has no default value.").At(st.Pos())
		}
		d.Topic.Name = topicName(r)
		if err := setTopic(&properties{}, d.Topic.Name, st.Pos()); err != nil {
			return pgerr.Newf(pgerr.InvalidName, "%q cannot be the name of a topic", d.Topic.Name).At(st.Pos()).Hintf("Give one: WITH (kafka_topic = '...').")
		}
	}
	d.Topic.MustExist = env.Dialect == ast.KSQL && p.partitions == 0
	d.Topic.Compact = p.compacted(r)
	if p.retentionMs != 0 && r.Kind.IsTable() && r.Window == "" {
		return pgerr.Newf(pgerr.InvalidParameterValue, "Invalid config variable in the WITH clause: RETENTION_MS. Non-windowed tables do not support retention.").At(p.pos)
	}
	return nil
}

// compacted tells whether the relation's topic keeps the latest record by key.
func (p *properties) compacted(r *catalog.Relation) bool {
	if p.cleanup != "" {
		return strings.Contains(p.cleanup, "compact")
	}
	return r.Kind.IsTable() && r.Window == ""
}
