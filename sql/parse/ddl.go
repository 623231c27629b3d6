package parse

import (
	"github.com/weirdb/weir/sql/ast"
	"github.com/weirdb/weir/sql/token"
)

func (p *parser) create() ast.Stmt {
	start, pos := p.I, p.Pos()
	p.Need("CREATE")
	replace := p.Take("OR", "REPLACE")
	temp := p.Take("TEMPORARY") || p.Take("TEMP") || p.Take("UNLOGGED")
	switch {
	case p.Take("STREAM"):
		return p.createRelation(pos, &ast.CreateRelation{Kind: ast.StreamRelation, OrReplace: replace})
	case p.Take("TABLE"):
		return p.createRelation(pos, &ast.CreateRelation{Kind: ast.TableRelation, OrReplace: replace, Temp: temp})
	case p.Take("SOURCE", "STREAM"):
		return p.createRelation(pos, &ast.CreateRelation{Kind: ast.StreamRelation, OrReplace: replace, Source: true})
	case p.Take("SOURCE", "TABLE"):
		return p.createRelation(pos, &ast.CreateRelation{Kind: ast.TableRelation, OrReplace: replace, Source: true})
	case p.Take("MATERIALIZED", "VIEW"):
		return p.createView(pos, &ast.CreateView{Materialized: true, OrReplace: replace})
	case p.Take("VIEW"):
		return p.createView(pos, &ast.CreateView{OrReplace: replace, Temp: temp})
	case p.Word("UNIQUE", "INDEX"), p.Word("INDEX"):
		return p.createIndex(pos)
	case p.Take("TYPE"):
		return p.createType(pos)
	case p.Take("SOURCE", "CONNECTOR"):
		return p.createConnector(pos, false)
	case p.Take("SINK", "CONNECTOR"):
		return p.createConnector(pos, true)
	case p.Take("SCHEMA"):
		s := &ast.CreateSchema{IfNotExists: p.Take("IF", "NOT", "EXISTS")}
		s.Name = p.Name()
		if p.Take("AUTHORIZATION") {
			p.Name()
		}
		return finish(p, pos, s, &s.Span)
	case p.OneOf("FUNCTION", "PROCEDURE", "TRIGGER", "SEQUENCE", "ROLE", "USER", "GROUP", "DATABASE", "EXTENSION", "DOMAIN", "AGGREGATE", "OPERATOR",
		"COLLATION", "CAST", "POLICY", "PUBLICATION", "SUBSCRIPTION", "RULE", "SERVER", "FOREIGN", "TABLESPACE", "STATISTICS", "EVENT", "LANGUAGE",
		"CONVERSION", "TEXT", "ACCESS", "SOURCE", "SINK", "SECRET", "CONNECTION", "RECURSIVE", "CONSTRAINT"):
		return p.utilityFrom(start)
	}
	p.Unexpected()
	return nil
}

func (p *parser) createRelation(pos ast.P, s *ast.CreateRelation) ast.Stmt {
	s.IfNotExists = p.Take("IF", "NOT", "EXISTS")
	s.Name = p.Path()
	if p.Is("(") && !p.At(1).Word("SELECT") {
		p.elements(s)
	}
	s.With = p.props()
	if p.Take("AS") {
		s.As = queries.Query(p.Cursor)
		s.WithNoData = p.noData()
	}
	return finish(p, pos, s, &s.Span)
}

func (p *parser) noData() bool {
	if p.Take("WITH", "NO", "DATA") {
		return true
	}
	p.Take("WITH", "DATA")
	return false
}

// elements takes the columns and constraints of CREATE STREAM or TABLE.
func (p *parser) elements(s *ast.CreateRelation) {
	p.NeedOp("(")
	if p.TakeOp(")") {
		return
	}
	for {
		switch {
		case p.Word("WATERMARK", "FOR"):
			w := &ast.Watermark{P: p.Pos()}
			p.I += 2
			w.Column = p.Name()
			p.Need("AS")
			w.X = queries.Expr(p.Cursor)
			if s.Watermark != nil {
				p.Unexpected()
			}
			s.Watermark = w
		case p.Word("PRIMARY", "KEY") && p.At(2).Is("("), p.Word("UNIQUE") && p.At(1).Is("("), p.Word("CHECK") && p.At(1).Is("("),
			p.Word("CONSTRAINT") && p.At(1).IsName(), p.Word("FOREIGN", "KEY"):
			s.Constraints = append(s.Constraints, p.constraint())
		default:
			s.Columns = append(s.Columns, p.column())
		}
		if !p.TakeOp(",") {
			break
		}
	}
	p.NeedOp(")")
}

// constraint takes a constraint of a table.
func (p *parser) constraint() ast.Constraint {
	c := ast.Constraint{P: p.Pos()}
	if p.Take("CONSTRAINT") {
		c.Name = p.Name()
	}
	switch {
	case p.Take("PRIMARY", "KEY"):
		c.Columns = p.Names()
	case p.Take("UNIQUE"):
		c.Kind = ast.UniqueConstraint
		c.Columns = p.Names()
	case p.Take("CHECK"):
		c.Kind = ast.CheckConstraint
		p.NeedOp("(")
		c.Check = queries.Expr(p.Cursor)
		p.NeedOp(")")
	case p.Take("FOREIGN", "KEY"):
		c.Kind = ast.ForeignKeyConstraint
		c.Columns = p.Names()
		p.Need("REFERENCES")
		p.references(&c)
	default:
		p.Unexpected()
	}
	p.constraintTiming()
	return c
}

func (p *parser) references(c *ast.Constraint) {
	c.Kind = ast.ForeignKeyConstraint
	c.RefTable = p.Path()
	if p.Is("(") {
		c.RefColumns = p.Names()
	}
	for p.Take("ON") {
		if !p.Take("DELETE") {
			p.Need("UPDATE")
		}
		switch {
		case p.Take("NO", "ACTION"), p.Take("RESTRICT"), p.Take("CASCADE"), p.Take("SET", "NULL"), p.Take("SET", "DEFAULT"):
		default:
			p.Unexpected()
		}
	}
}

// constraintTiming skips when a constraint is checked.
func (p *parser) constraintTiming() {
	for p.Take("NOT", "DEFERRABLE") || p.Take("DEFERRABLE") || p.Take("INITIALLY", "DEFERRED") || p.Take("INITIALLY", "IMMEDIATE") || p.Take("NOT", "VALID") {
	}
}

// column takes a column definition. In ksqlDB a column may be called by any word.
func (p *parser) column() ast.ColumnDef {
	c := ast.ColumnDef{P: p.Pos(), Name: p.Label()}
	if p.Is(",") || p.Is(")") || p.EOF() { // a name alone, for CREATE TABLE t (a, b) AS …
		return c
	}
	c.Type = p.Type()
	for p.columnOption(&c) {
	}
	return c
}

// columnOption takes one of the options after a column's type.
func (p *parser) columnOption(c *ast.ColumnDef) bool {
	n := ast.Constraint{P: p.Pos()}
	if p.Word("CONSTRAINT") && p.At(1).IsName() {
		p.I++
		n.Name = p.Name()
	}
	switch {
	case p.Take("PRIMARY", "KEY"):
		c.Role = ast.PrimaryKeyColumn
	case p.Take("KEY"):
		c.Role = ast.KeyColumn
	case p.Take("HEADERS"):
		c.Role = ast.HeadersColumn
	case p.Take("HEADER"):
		c.Role = ast.HeaderColumn
		p.NeedOp("(")
		c.Header = p.Text()
		p.NeedOp(")")
	case p.Take("NOT", "NULL"):
		c.NotNull = true
	case p.Take("NULL"):
		c.Null = true
	case p.Take("DEFAULT"):
		c.Default = queries.Expr(p.Cursor)
	case p.Take("COLLATE"):
		c.Collate = p.Path()
	case p.Take("AS"):
		c.Generated = queries.Expr(p.Cursor)
	case p.Take("GENERATED"):
		if !p.Take("ALWAYS") {
			p.Need("BY", "DEFAULT")
		}
		p.Need("AS")
		if p.Take("IDENTITY") {
			c.Identity = true
			if p.Is("(") {
				p.I = p.Closing(p.I)
				p.NeedOp(")")
			}
			break
		}
		p.NeedOp("(")
		c.Generated = queries.Expr(p.Cursor)
		p.NeedOp(")")
		p.Take("STORED")
	case p.Take("UNIQUE"):
		n.Kind = ast.UniqueConstraint
		c.Constraints = append(c.Constraints, n)
	case p.Take("CHECK"):
		n.Kind = ast.CheckConstraint
		p.NeedOp("(")
		n.Check = queries.Expr(p.Cursor)
		p.NeedOp(")")
		c.Constraints = append(c.Constraints, n)
	case p.Take("REFERENCES"):
		p.references(&n)
		c.Constraints = append(c.Constraints, n)
	default:
		return false
	}
	p.constraintTiming()
	return true
}

// props takes WITH (name = value, …), if it is next.
func (p *parser) props() []ast.Property {
	if !p.Word("WITH") || !p.At(1).Is("(") {
		return nil
	}
	p.I += 2
	ps := []ast.Property{}
	for !p.Is(")") {
		o := ast.Property{P: p.Pos()}
		if p.Peek().Kind == token.String {
			o.Name = p.Text()
		} else {
			o.Name = p.propertyName()
		}
		p.NeedOp("=")
		o.Value = p.literal()
		ps = append(ps, o)
		if !p.TakeOp(",") {
			break
		}
	}
	p.NeedOp(")")
	return ps
}

// propertyName takes a.b.c as it is written, but for quotes.
func (p *parser) propertyName() string {
	name := ""
	for {
		t := p.Peek()
		if !t.IsName() {
			p.Unexpected()
		}
		p.I++
		if t.Kind == token.Quoted {
			name += t.Val
		} else {
			name += t.Text
		}
		if !p.TakeOp(".") {
			return name
		}
		name += "."
	}
}

// literal takes a property's value: a literal, or a word, which is a Column.
func (p *parser) literal() ast.Expr {
	t, pos := p.Peek(), p.Pos()
	if t.Is("-") || t.Is("+") {
		sign := t.Text
		p.I++
		if p.Peek().Kind != token.Number {
			p.Unexpected()
		}
		p.I++
		n := &ast.Number{P: pos + 1, Text: p.Toks[p.I-1].Text}
		if sign == "+" {
			return n
		}
		return &ast.Unary{P: pos, Op: "-", X: n}
	}
	p.Skip(1)
	switch {
	case t.Kind == token.Number:
		return &ast.Number{P: pos, Text: t.Text}
	case t.Kind == token.String:
		return &ast.String{P: pos, V: t.Val}
	case t.Kind == token.Var:
		return &ast.Var{P: pos, Name: t.Val}
	case t.Word("TRUE"), t.Word("FALSE"):
		return &ast.Bool{P: pos, V: t.Val == "TRUE"}
	case t.Word("NULL"):
		return &ast.Null{P: pos}
	case t.IsName():
		return &ast.Column{P: pos, Parts: []ast.Name{t.Name(p.Dialect)}}
	}
	p.I--
	p.Unexpected()
	return nil
}

func (p *parser) createView(pos ast.P, s *ast.CreateView) ast.Stmt {
	s.IfNotExists = p.Take("IF", "NOT", "EXISTS")
	s.Name = p.Path()
	if p.Is("(") {
		s.Columns = p.Names()
	}
	s.With = p.props()
	p.Need("AS")
	s.As = queries.Query(p.Cursor)
	s.WithNoData = p.noData()
	return finish(p, pos, s, &s.Span)
}

func (p *parser) createIndex(pos ast.P) ast.Stmt {
	s := &ast.CreateIndex{Unique: p.Take("UNIQUE")}
	p.Need("INDEX")
	s.Concurrently = p.Take("CONCURRENTLY")
	s.IfNotExists = p.Take("IF", "NOT", "EXISTS")
	if !p.Word("ON") {
		s.Name = p.Name()
	}
	p.Need("ON")
	p.Take("ONLY")
	s.Table = p.Path()
	if p.Take("USING") {
		s.Using = p.Name()
	}
	p.NeedOp("(")
	for {
		o := ast.Order{X: queries.Expr(p.Cursor)}
		if p.Peek().IsName() && !p.OneOf("ASC", "DESC", "NULLS") { // an operator class
			p.Path()
		}
		if o.Desc = p.Take("DESC"); !o.Desc {
			p.Take("ASC")
		}
		switch {
		case p.Take("NULLS", "FIRST"):
			o.Nulls = ast.NullsFirst
		case p.Take("NULLS", "LAST"):
			o.Nulls = ast.NullsLast
		}
		s.Columns = append(s.Columns, o)
		if !p.TakeOp(",") {
			break
		}
	}
	p.NeedOp(")")
	if p.Take("INCLUDE") {
		s.Include = p.Names()
	}
	s.With = p.props()
	s.Where = p.where()
	return finish(p, pos, s, &s.Span)
}

func (p *parser) createType(pos ast.P) ast.Stmt {
	s := &ast.CreateType{IfNotExists: p.Take("IF", "NOT", "EXISTS")}
	s.Name = p.Path()
	p.Need("AS")
	switch {
	case p.Word("ENUM") && p.At(1).Is("("):
		s.IsEnum = true
		p.I += 2
		for !p.Is(")") {
			s.Enum = append(s.Enum, p.Text())
			if !p.TakeOp(",") {
				break
			}
		}
		p.NeedOp(")")
	case p.Is("("):
		s.Type = ast.Type{P: p.Pos(), Name: ast.Name{S: p.Dialect.Fold("STRUCT")}, Fields: []ast.TypeField{}}
		p.I++
		for !p.Is(")") {
			f := ast.TypeField{Name: p.Label()}
			f.Type = p.Type()
			s.Type.Fields = append(s.Type.Fields, f)
			if !p.TakeOp(",") {
				break
			}
		}
		p.NeedOp(")")
	default:
		s.Type = p.Type()
	}
	return finish(p, pos, s, &s.Span)
}

func (p *parser) createConnector(pos ast.P, sink bool) ast.Stmt {
	s := &ast.CreateConnector{Sink: sink, IfNotExists: p.Take("IF", "NOT", "EXISTS")}
	s.Name = p.Name()
	s.With = p.props()
	return finish(p, pos, s, &s.Span)
}

var dropKinds = map[string]ast.RelationKind{
	"STREAM": ast.StreamRelation, "TABLE": ast.TableRelation, "VIEW": ast.ViewRelation, "INDEX": ast.IndexRelation, "TYPE": ast.TypeRelation,
	"CONNECTOR": ast.ConnectorRelation, "SCHEMA": ast.SchemaRelation, "SEQUENCE": ast.SequenceRelation, "DATABASE": ast.DatabaseRelation,
	"ROLE": ast.RoleRelation, "TOPIC": ast.TopicRelation,
}

func (p *parser) drop() ast.Stmt {
	start, pos := p.I, p.Pos()
	p.Need("DROP")
	s := &ast.Drop{}
	if p.Take("MATERIALIZED", "VIEW") {
		s.Kind = ast.MaterializedViewRelation
	} else {
		kind, ok := dropKinds[p.Peek().Val]
		if p.Peek().Kind != token.Word {
			p.Unexpected()
		}
		if !ok {
			return p.utilityFrom(start)
		}
		s.Kind = kind
		p.I++
	}
	p.Take("CONCURRENTLY")
	s.IfExists = p.Take("IF", "EXISTS")
	s.Names = p.paths()
	for {
		switch {
		case p.Take("DELETE", "TOPIC"):
			s.DeleteTopic = true
		case p.Take("CASCADE"):
			s.Cascade = true
		case p.Take("RESTRICT"):
		default:
			return finish(p, pos, s, &s.Span)
		}
	}
}

func (p *parser) comment() ast.Stmt {
	start, pos := p.I, p.Pos()
	p.Need("COMMENT", "ON")
	s := &ast.Comment{}
	for p.OneOf("MATERIALIZED", "FOREIGN") {
		s.Kind += p.Peek().Val + " "
		p.I++
	}
	if p.Peek().Kind != token.Word {
		p.Unexpected()
	}
	s.Kind += p.Peek().Val
	p.I++
	s.Name = p.Path()
	if !p.Take("IS") { // of a function with its arguments and other rare things
		return p.utilityFrom(start)
	}
	if !p.Take("NULL") {
		s.Text = &ast.String{P: p.Pos(), V: p.Text()}
	}
	return finish(p, pos, s, &s.Span)
}
