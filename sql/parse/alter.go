package parse

import (
	"github.com/weirdb/weir/sql/ast"
)

func (p *parser) alter() ast.Stmt {
	start, pos := p.I, p.Pos()
	p.Need("ALTER")
	s := &ast.AlterRelation{}
	switch {
	case p.Take("STREAM"):
		s.Kind = ast.StreamRelation
	case p.Take("TABLE"):
		s.Kind = ast.TableRelation
	case p.Take("VIEW"):
		s.Kind = ast.ViewRelation
	case p.Take("MATERIALIZED", "VIEW"):
		s.Kind = ast.MaterializedViewRelation
	case p.Take("SYSTEM"):
		return p.alterSystem(pos)
	default:
		if !p.Peek().IsName() {
			p.Unexpected()
		}
		return p.utilityFrom(start)
	}
	s.IfExists = p.Take("IF", "EXISTS")
	p.Take("ONLY")
	s.Name = p.Path()
	for {
		a, ok := p.alterAction()
		if !ok { // one of PostgreSQL's many others
			return p.utilityFrom(start)
		}
		s.Actions = append(s.Actions, a)
		if !p.TakeOp(",") {
			return finish(p, pos, s, &s.Span)
		}
	}
}

// alterAction takes one action of ALTER; ok is false if it is not known here.
func (p *parser) alterAction() (a ast.AlterAction, ok bool) {
	a.P = p.Pos()
	switch {
	case p.Word("ADD", "CONSTRAINT"), p.Word("ADD", "PRIMARY", "KEY"), p.Word("ADD", "UNIQUE") && p.At(2).Is("("),
		p.Word("ADD", "CHECK") && p.At(2).Is("("), p.Word("ADD", "FOREIGN", "KEY"):
		a.Kind = ast.AddConstraint
		p.I++
		if p.Word("CONSTRAINT") && (p.At(2).Word("UNIQUE") || p.At(2).Word("PRIMARY")) && !p.At(3).Is("(") && !p.At(4).Is("(") {
			return a, false // USING INDEX
		}
		a.Constraint = p.constraint()
	case p.Take("ADD"):
		p.Take("COLUMN")
		a.IfExists = p.Take("IF", "NOT", "EXISTS")
		a.Column = p.column()
	case p.Take("DROP", "CONSTRAINT"):
		a.Kind = ast.DropConstraint
		a.IfExists = p.Take("IF", "EXISTS")
		a.Name = p.Name()
		a.Cascade = p.Take("CASCADE")
		p.Take("RESTRICT")
	case p.Take("DROP"):
		a.Kind = ast.DropColumn
		p.Take("COLUMN")
		a.IfExists = p.Take("IF", "EXISTS")
		a.Name = p.Name()
		a.Cascade = p.Take("CASCADE")
		p.Take("RESTRICT")
	case p.Take("RENAME", "TO"):
		a.Kind = ast.RenameRelation
		a.To = p.Name()
	case p.Word("RENAME", "CONSTRAINT"):
		return a, false
	case p.Take("RENAME"):
		a.Kind = ast.RenameColumn
		p.Take("COLUMN")
		a.Name = p.Name()
		p.Need("TO")
		a.To = p.Name()
	case p.Take("ALTER"):
		return p.alterColumn(a)
	case p.Word("SET") && p.At(1).Is("("):
		a.Kind = ast.SetProperties
		p.I += 2
		for {
			o := ast.Property{P: p.Pos(), Name: p.propertyName()}
			p.NeedOp("=")
			o.Value = p.literal()
			a.Properties = append(a.Properties, o)
			if !p.TakeOp(",") {
				break
			}
		}
		p.NeedOp(")")
	case p.Take("SET", "SCHEMA"):
		a.Kind = ast.SetSchema
		a.To = p.Name()
	case p.Take("OWNER", "TO"):
		a.Kind = ast.OwnerTo
		a.To = p.Name()
	default:
		if !p.Peek().IsName() {
			p.Unexpected()
		}
		return a, false
	}
	return a, true
}

func (p *parser) alterColumn(a ast.AlterAction) (ast.AlterAction, bool) {
	p.Take("COLUMN")
	a.Name = p.Name()
	switch {
	case p.Take("TYPE"), p.Take("SET", "DATA", "TYPE"):
		a.Kind = ast.AlterColumnType
		a.Column.P = p.Pos()
		a.Column.Type = p.Type()
		if p.Take("COLLATE") {
			a.Column.Collate = p.Path()
		}
		if p.Take("USING") {
			a.Using = queries.Expr(p.Cursor)
		}
	case p.Take("SET", "DEFAULT"):
		a.Kind = ast.SetColumnDefault
		a.Column.Default = queries.Expr(p.Cursor)
	case p.Take("DROP", "DEFAULT"):
		a.Kind = ast.DropColumnDefault
	case p.Take("SET", "NOT", "NULL"):
		a.Kind = ast.SetColumnNotNull
	case p.Take("DROP", "NOT", "NULL"):
		a.Kind = ast.DropColumnNotNull
	default:
		return a, false
	}
	return a, true
}

func (p *parser) alterSystem(pos ast.P) ast.Stmt {
	s := &ast.AlterSystem{}
	if p.Take("RESET") {
		s.Reset = true
		if !p.Take("ALL") {
			s.Name = p.settingName()
		}
		return finish(p, pos, s, &s.Span)
	}
	if !p.Take("SET") { // ksqlDB: ALTER SYSTEM 'name' = 'value'
		s.Name = p.Text()
		p.NeedOp("=")
		s.Values = []ast.Expr{p.literal()}
		return finish(p, pos, s, &s.Span)
	}
	s.Name = p.settingName()
	s.Values = p.settingValues()
	return finish(p, pos, s, &s.Span)
}
