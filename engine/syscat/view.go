package syscat

import (
	"strings"

	"github.com/weirdb/weir/catalog"
	"github.com/weirdb/weir/sql/ast"
	"github.com/weirdb/weir/sql/parse"
)

// pg_tables, pg_views and their like, and the texts that describe objects.

func pgTables(s Source, emit emitter) error {
	for _, c := range tables(s.Catalog()) {
		if c.kind == 'r' {
			emit(c.schema, c.name, owner, nil, c.key != nil, false, false, false)
		}
	}
	return nil
}

func pgViews(s Source, emit emitter) error {
	for _, c := range tables(s.Catalog()) {
		if c.view() {
			emit(c.schema, c.name, owner, c.query())
		}
	}
	return nil
}

func pgMatviews(s Source, emit emitter) error {
	for _, c := range userClasses(s.Catalog()) {
		if c.kind == 'm' {
			emit(c.schema, c.name, owner, nil, false, true, c.query())
		}
	}
	return nil
}

func pgIndexViews(s Source, emit emitter) error {
	for _, c := range userClasses(s.Catalog()) {
		if c.key != nil {
			emit(c.schema, c.name, c.keyName(), nil, c.indexDef())
		}
	}
	return nil
}

// query is the SELECT behind a view or materialized view, "" for other relations.
func (c *class) query() string {
	if c.user == nil || c.kind != 'v' && c.kind != 'm' {
		return ""
	}
	d := ast.Postgres
	if strings.EqualFold(c.user.Dialect, ast.KSQL.String()) {
		d = ast.KSQL
	}
	stmts, err := parse.Parse(c.user.SQL, d)
	if err != nil || len(stmts) != 1 {
		return "" // written by another version, with words that this one lacks
	}
	var q ast.Query
	switch st := stmts[0].(type) {
	case *ast.CreateView:
		q = st.As
	case *ast.CreateRelation:
		q = st.As
	}
	if q == nil {
		return ""
	}
	return " " + ast.Format(q, d) + ";"
}

// keyColumns is a table's primary key, as SQL writes it.
func (c *class) keyColumns() string {
	var out []string
	for _, k := range c.key {
		out = append(out, quoted(c.attrs[k-1].name))
	}
	return strings.Join(out, ", ")
}

func (c *class) indexDef() string {
	return "CREATE UNIQUE INDEX " + quoted(c.keyName()) + " ON " + quoted(c.schema) + "." + quoted(c.name) + " USING btree (" + c.keyColumns() + ")"
}

// quoted is a name as SQL in the postgres dialect writes it.
func quoted(name string) string {
	return ast.FormatName(ast.Name{S: name}, ast.Postgres)
}

func userClass(cat *catalog.Catalog, oid uint32) (*class, bool) {
	r, ok := cat.RelationByOID(oid &^ uint32(kindBits))
	if !ok {
		return nil, false
	}
	return classOf(cat, r), true
}
