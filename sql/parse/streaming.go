package parse

import (
	"strings"

	"github.com/weirdb/weir/sql/ast"
	"github.com/weirdb/weir/sql/token"
)

// target takes ALL or [QUERY] id.
func (p *parser) target() ast.Target {
	if p.Take("ALL") {
		return ast.Target{All: true}
	}
	if p.Word("QUERY") && p.At(1).IsName() {
		p.I++
	}
	if p.Peek().Kind == token.String {
		return ast.Target{ID: ast.Name{S: p.Text(), Quoted: true}}
	}
	return ast.Target{ID: p.Name()}
}

func (p *parser) terminate() ast.Stmt {
	s, pos := &ast.Terminate{}, p.Pos()
	p.I++
	s.Target = p.target()
	return finish(p, pos, s, &s.Span)
}

func (p *parser) pause() ast.Stmt {
	s, pos := &ast.Pause{}, p.Pos()
	p.I++
	s.Target = p.target()
	return finish(p, pos, s, &s.Span)
}

func (p *parser) resume() ast.Stmt {
	s, pos := &ast.Resume{}, p.Pos()
	p.I++
	s.Target = p.target()
	return finish(p, pos, s, &s.Span)
}

func (p *parser) flush() ast.Stmt {
	s, pos := &ast.Flush{}, p.Pos()
	p.I++
	return finish(p, pos, s, &s.Span)
}

func (p *parser) print() ast.Stmt {
	s, pos := &ast.Print{}, p.Pos()
	p.I++
	if p.Peek().Kind == token.String {
		s.Topic = ast.Name{S: p.Text(), Quoted: true}
	} else {
		// A topic's name has a case of its own.
		t := p.Peek()
		p.Label()
		s.Topic = ast.Name{S: t.Text, Quoted: true}
		if t.Kind == token.Quoted {
			s.Topic.S = t.Val
		}
	}
	s.FromBeginning = p.Take("FROM", "BEGINNING")
	if p.Take("INTERVAL") || p.Take("SAMPLE") {
		s.Interval = p.literal()
	}
	if p.Take("LIMIT") {
		s.Limit = p.literal()
	}
	return finish(p, pos, s, &s.Span)
}

func (p *parser) describe() ast.Stmt {
	s, pos := &ast.Describe{}, p.Pos()
	p.I++
	switch {
	case p.Word("FUNCTION") && p.At(1).IsName():
		s.What = ast.DescribeFunction
		p.I++
	case p.Word("CONNECTOR") && p.At(1).IsName():
		s.What = ast.DescribeConnector
		p.I++
	case p.Take("STREAMS"):
		s.What = ast.DescribeStreams
		s.Extended = p.Take("EXTENDED")
		return finish(p, pos, s, &s.Span)
	case p.Take("TABLES"):
		s.What = ast.DescribeTables
		s.Extended = p.Take("EXTENDED")
		return finish(p, pos, s, &s.Span)
	case p.Word("EXTENDED") && p.At(1).IsName(): // ksqlDB's older order
		s.Extended = true
		p.I++
	}
	s.Name = p.Path()
	s.Extended = p.Take("EXTENDED") || s.Extended
	return finish(p, pos, s, &s.Span)
}

func (p *parser) explain() ast.Stmt {
	s, pos := &ast.Explain{}, p.Pos()
	p.I++
	if p.Is("(") && !p.At(1).Word("SELECT") && !p.At(1).Word("WITH") && !p.At(1).Is("(") {
		s.Options = p.options()
	}
	for {
		switch {
		case p.Take("ANALYZE"), p.Take("ANALYSE"):
			s.Analyze = true
			continue
		case p.Take("VERBOSE"):
			s.Verbose = true
			continue
		}
		break
	}
	if !p.At(1).Is(";") && p.At(1).Kind != token.EOF { // else it is a query called ast, plan, …
		switch {
		case p.Take("AST"):
			s.Mode = ast.ExplainAST
		case p.Take("LOGICAL"):
			s.Mode = ast.ExplainLogical
		case p.Take("PLAN"):
			s.Mode = ast.ExplainPlan
		}
	}
	if p.Is("(") || p.OneOf("SELECT", "VALUES", "TABLE", "WITH", "INSERT", "UPDATE", "DELETE", "CREATE", "EXECUTE", "DECLARE") {
		s.Stmt = p.stmt()
	} else {
		s.ID = p.Name()
	}
	return finish(p, pos, s, &s.Span)
}

func (p *parser) timeout() *ast.Duration {
	if !p.Take("TIMEOUT") {
		return nil
	}
	return p.Duration()
}

func (p *parser) assert() ast.Stmt {
	pos := p.Pos()
	p.I++
	if p.Take("NULL") {
		p.Need("VALUES")
		s := &ast.AssertNull{Table: p.Path()}
		if p.Is("(") {
			s.Columns = p.targets()
		}
		p.Need("KEY")
		p.NeedOp("(")
		s.Key = queries.Exprs(p.Cursor)
		p.NeedOp(")")
		return finish(p, pos, s, &s.Span)
	}
	if p.Take("VALUES") {
		s := &ast.AssertValues{Table: p.Path()}
		if p.Is("(") {
			s.Columns = p.targets()
		}
		p.Need("VALUES")
		p.NeedOp("(")
		s.Values = queries.Exprs(p.Cursor)
		p.NeedOp(")")
		return finish(p, pos, s, &s.Span)
	}
	not := p.Take("NOT", "EXISTS")
	switch {
	case p.Word("STREAM"), p.Word("TABLE"):
		s := &ast.AssertRelation{NotExists: not}
		if p.Word("TABLE") {
			s.Kind = ast.TableRelation
		}
		p.I++
		s.Name = p.Path()
		if p.Is("(") {
			p.I++
			for !p.Is(")") {
				s.Columns = append(s.Columns, p.column())
				if !p.TakeOp(",") {
					break
				}
			}
			p.NeedOp(")")
		}
		s.With = p.props()
		s.Timeout = p.timeout()
		return finish(p, pos, s, &s.Span)
	case p.Take("TOPIC"):
		s := &ast.AssertTopic{NotExists: not, Name: p.asWritten()}
		s.With = p.props()
		s.Timeout = p.timeout()
		return finish(p, pos, s, &s.Span)
	case p.Take("SCHEMA"):
		s := &ast.AssertTopic{Schema: true, NotExists: not}
		if p.Take("SUBJECT") {
			s.Name = p.asWritten()
		}
		if p.Take("ID") {
			s.ID = p.literal()
		}
		if s.Name == "" && s.ID == nil {
			p.Unexpected()
		}
		s.Timeout = p.timeout()
		return finish(p, pos, s, &s.Span)
	}
	p.Unexpected()
	return nil
}

// asWritten takes a name whose case means something, quoted or not.
func (p *parser) asWritten() string {
	t := p.Peek()
	p.Skip(1)
	switch t.Kind {
	case token.String, token.Quoted:
		return t.Val
	case token.Word:
		return t.Text
	}
	p.I--
	p.Unexpected()
	return ""
}

func (p *parser) define() ast.Stmt {
	s, pos := &ast.Define{}, p.Pos()
	p.I++
	s.Name = p.asWritten()
	p.NeedOp("=")
	s.Value = p.Text()
	return finish(p, pos, s, &s.Span)
}

func (p *parser) undefine() ast.Stmt {
	s, pos := &ast.Undefine{}, p.Pos()
	p.I++
	s.Name = p.asWritten()
	return finish(p, pos, s, &s.Span)
}

func (p *parser) runScript() ast.Stmt {
	s, pos := &ast.RunScript{}, p.Pos()
	p.Need("RUN", "SCRIPT")
	s.File = p.Text()
	return finish(p, pos, s, &s.Span)
}

// shown are the words after SHOW and LIST that do not name a setting.
var shown = map[string]bool{
	"STREAMS": true, "TABLES": true, "TOPICS": true, "QUERIES": true, "FUNCTIONS": true, "PROPERTIES": true, "TYPES": true, "VARIABLES": true,
	"CONNECTORS": true, "CONNECTOR": true, "VIEWS": true, "MATERIALIZED": true, "SCHEMAS": true, "DATABASES": true, "COLUMNS": true,
	"INDEXES": true, "PARTITIONS": true, "SHARDS": true, "NODES": true, "CREATE": true, "JOBS": true,
}

func (p *parser) show() ast.Stmt {
	s, pos := &ast.Show{}, p.Pos()
	list := p.Word("LIST")
	p.I++
	if p.Word("ALL") && (p.At(1).Kind == token.EOF || p.At(1).Is(";")) {
		s.All = true
		p.I++
		return finish(p, pos, s, &s.Span)
	}
	s.All = p.Take("ALL")
	s.Sink = p.Word("SINK", "CONNECTORS") && p.Take("SINK")
	s.Source = p.Word("SOURCE", "CONNECTORS") && p.Take("SOURCE")
	t := p.Peek()
	if t.Kind != token.Word || !shown[t.Val] || p.At(1).Is(".") {
		if list || s.All {
			p.Unexpected()
		}
		s.Name = p.settingName()
		return finish(p, pos, s, &s.Span)
	}
	s.What = t.Val
	p.I++
	switch s.What {
	case "CONNECTOR":
		p.Need("PLUGINS")
		s.What = "CONNECTOR PLUGINS"
	case "MATERIALIZED":
		p.Need("VIEWS")
		s.What = "MATERIALIZED VIEWS"
	case "CREATE":
		kind, ok := dropKinds[p.Peek().Val]
		if p.Take("MATERIALIZED") {
			kind, ok = ast.MaterializedViewRelation, p.Word("VIEW")
		}
		if !ok {
			p.Unexpected()
		}
		p.I++
		s.What = "CREATE " + kind.String()
		s.Of = p.Path()
	case "COLUMNS", "INDEXES", "PARTITIONS":
		if p.Take("FROM") || p.Take("IN") {
			s.Of = p.Path()
		}
	}
	s.Extended = p.Take("EXTENDED")
	return finish(p, pos, s, &s.Span)
}

// Substitute replaces ksqlDB's ${name} in text by the values of DEFINE, inside
// literals too, before the text is parsed. The keys of vars are in lower case;
// what is not defined stays. The places in the result are not those in text.
func Substitute(text string, vars map[string]string) string {
	if len(vars) == 0 || !strings.Contains(text, "${") {
		return text
	}
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(text, "${")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		name, after, ok := strings.Cut(rest, "}")
		if !ok {
			b.WriteString("${")
			b.WriteString(rest)
			return b.String()
		}
		if v, defined := vars[strings.ToLower(strings.TrimSpace(name))]; defined {
			b.WriteString(v)
		} else {
			b.WriteString("${" + name + "}")
		}
		text = after
	}
}
