package parse

import (
	"github.com/weirdb/weir/sql/ast"
	"github.com/weirdb/weir/sql/token"
)

func (p *parser) insert() ast.Stmt {
	s, pos := &ast.Insert{}, p.Pos()
	p.Need("INSERT", "INTO")
	s.Table = p.Path()
	if p.Take("AS") {
		s.Alias = p.Name()
	}
	if p.Is("(") && !p.At(1).Word("SELECT") && !p.At(1).Word("WITH") && !p.At(1).Is("(") {
		s.Columns = p.targets()
	}
	s.With = p.props()
	if p.Take("OVERRIDING") {
		s.Overriding = "SYSTEM"
		if p.Take("USER") {
			s.Overriding = "USER"
		} else {
			p.Need("SYSTEM")
		}
		p.Need("VALUE")
	}
	if !p.Take("DEFAULT", "VALUES") {
		s.Source = queries.Query(p.Cursor)
	}
	if p.Word("ON", "CONFLICT") {
		s.OnConflict = p.onConflict()
	}
	s.Returning = p.returning()
	return finish(p, pos, s, &s.Span)
}

// targets takes the columns of INSERT, which may be reserved words in ksqlDB.
func (p *parser) targets() []ast.Name {
	p.NeedOp("(")
	var names []ast.Name
	for {
		names = append(names, p.Label())
		if !p.TakeOp(",") {
			break
		}
	}
	p.NeedOp(")")
	return names
}

func (p *parser) onConflict() *ast.OnConflict {
	c := &ast.OnConflict{P: p.Pos()}
	p.Need("ON", "CONFLICT")
	switch {
	case p.TakeOp("("):
		c.Target = queries.Exprs(p.Cursor)
		p.NeedOp(")")
		if p.Take("WHERE") {
			c.TargetIf = queries.Expr(p.Cursor)
		}
	case p.Take("ON"):
		p.Need("CONSTRAINT")
		c.Constraint = p.Name()
	}
	p.Need("DO")
	if p.Take("NOTHING") {
		return c
	}
	p.Need("UPDATE")
	c.Set = p.assigns()
	c.Where = p.where()
	return c
}

// assigns takes SET a = x, (b, c) = (y, z).
func (p *parser) assigns() []ast.Assign {
	p.Need("SET")
	var as []ast.Assign
	for {
		a := ast.Assign{P: p.Pos()}
		if p.Is("(") {
			a.Columns, a.Multi = p.targets(), true
		} else {
			a.Columns = []ast.Name{p.Label()}
		}
		p.NeedOp("=")
		a.X = queries.Expr(p.Cursor)
		as = append(as, a)
		if !p.TakeOp(",") {
			return as
		}
	}
}

func (p *parser) where() ast.Expr {
	if !p.Take("WHERE") {
		return nil
	}
	return queries.Expr(p.Cursor)
}

func (p *parser) returning() []ast.Item {
	if !p.Take("RETURNING") {
		return nil
	}
	return queries.Items(p.Cursor)
}

// alias takes [AS] name, unless one of the words follows.
func (p *parser) alias(stops ...string) ast.Name {
	if p.Take("AS") {
		return p.Name()
	}
	if t := p.Peek(); !t.IsName() || t.Reserved(p.Dialect) || p.OneOf(stops...) {
		return ast.Name{}
	}
	return p.Name()
}

func (p *parser) update() ast.Stmt {
	s, pos := &ast.Update{}, p.Pos()
	p.Need("UPDATE")
	p.Take("ONLY")
	s.Table = p.Path()
	s.Alias = p.alias("SET")
	s.Set = p.assigns()
	if p.Take("FROM") {
		s.From = queries.Tables(p.Cursor)
	}
	s.Where = p.where()
	s.Returning = p.returning()
	return finish(p, pos, s, &s.Span)
}

func (p *parser) deleteFrom() ast.Stmt {
	s, pos := &ast.Delete{}, p.Pos()
	p.Need("DELETE", "FROM")
	p.Take("ONLY")
	s.Table = p.Path()
	s.Alias = p.alias()
	if p.Take("USING") {
		s.Using = queries.Tables(p.Cursor)
	}
	s.Where = p.where()
	s.Returning = p.returning()
	return finish(p, pos, s, &s.Span)
}

func (p *parser) truncate() ast.Stmt {
	s, pos := &ast.Truncate{}, p.Pos()
	p.Need("TRUNCATE")
	p.Take("TABLE")
	p.Take("ONLY")
	s.Names = p.paths()
	_ = p.Take("RESTART", "IDENTITY") || p.Take("CONTINUE", "IDENTITY")
	s.Cascade = p.Take("CASCADE")
	p.Take("RESTRICT")
	return finish(p, pos, s, &s.Span)
}

// paths takes names with commas between.
func (p *parser) paths() [][]ast.Name {
	var names [][]ast.Name
	for {
		names = append(names, p.Path())
		if !p.TakeOp(",") {
			return names
		}
	}
}

func (p *parser) copyStmt() ast.Stmt {
	s, pos := &ast.Copy{}, p.Pos()
	p.Need("COPY")
	if p.TakeOp("(") {
		s.Query = queries.Query(p.Cursor)
		p.NeedOp(")")
	} else {
		p.Take("BINARY")
		s.Table = p.Path()
		if p.Is("(") {
			s.Columns = p.targets()
		}
	}
	if s.From = s.Query == nil && p.Take("FROM"); !s.From {
		p.Need("TO")
	}
	s.Program = p.Take("PROGRAM")
	switch {
	case !s.Program && (p.Take("STDIN") || p.Take("STDOUT")):
	default:
		s.File = p.Text()
	}
	with := p.Take("WITH")
	if p.Is("(") {
		s.Options = p.options()
	} else {
		s.Options = p.oldCopyOptions()
		if with && s.Options == nil {
			p.Unexpected()
		}
	}
	if s.From {
		s.Where = p.where()
	}
	return finish(p, pos, s, &s.Span)
}

// options takes (name value, …), as COPY and EXPLAIN have them.
func (p *parser) options() []ast.Property {
	p.NeedOp("(")
	var ps []ast.Property
	for {
		o := ast.Property{P: p.Pos(), Name: p.Peek().Text}
		p.Label()
		switch {
		case p.Is(",") || p.Is(")"):
		case p.Is("*"):
			o.Value = &ast.Star{P: p.Pos()}
			p.I++
		case p.Is("("):
			row := &ast.Row{P: p.Pos()}
			for _, n := range p.targets() {
				row.Elems = append(row.Elems, &ast.Column{P: row.P, Parts: []ast.Name{n}})
			}
			o.Value = row
		default:
			o.Value = p.literal()
		}
		ps = append(ps, o)
		if !p.TakeOp(",") {
			break
		}
	}
	p.NeedOp(")")
	return ps
}

// oldCopyOptions takes the options of COPY as PostgreSQL had them before 9.0, which
// clients still send.
func (p *parser) oldCopyOptions() []ast.Property {
	var ps []ast.Property
	for p.Peek().Kind == token.Word && !p.Word("WHERE") {
		o := ast.Property{P: p.Pos(), Name: p.Peek().Text}
		word := p.Peek().Val
		p.I++
		switch word {
		case "CSV", "BINARY":
			o.Value = &ast.String{P: o.P, V: p.Dialect.Fold(word)}
			o.Name = "format"
		case "HEADER", "FREEZE":
		case "DELIMITER", "DELIMITERS", "NULL", "QUOTE", "ESCAPE", "ENCODING":
			p.Take("AS")
			o.Value = &ast.String{P: p.Pos(), V: p.Text()}
		default:
			p.I--
			p.Unexpected()
		}
		ps = append(ps, o)
	}
	return ps
}
