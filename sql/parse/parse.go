// Package parse turns SQL text into trees. Statements are parsed here, by recursive
// descent; queries and expressions by sql/parse/tidb. It decides nothing: what a name
// or a type means, and what may not be combined, is the planner's to say.
package parse

import (
	"github.com/weirdb/weir/sql/ast"
	"github.com/weirdb/weir/sql/parse/tidb"
	"github.com/weirdb/weir/sql/token"
)

// queries is the one parser of queries; it is safe for many goroutines.
var queries tidb.Parser

// Parse parses a script: statements with semicolons between, as one message of the
// simple protocol may hold them. Errors are *pgerr.Error with the place in text, in
// bytes. It may be called by many goroutines.
func Parse(text string, d ast.Dialect) (stmts []ast.Stmt, err error) {
	defer token.Catch(&err)
	p, err := newParser(text, d)
	if err != nil {
		return nil, err
	}
	for {
		for p.TakeOp(";") {
		}
		if p.EOF() {
			return stmts, nil
		}
		stmts = append(stmts, p.stmt())
		if !p.EOF() && !p.Is(";") {
			p.Unexpected()
		}
	}
}

// Exprs parses a list of expressions with commas between.
func Exprs(text string, d ast.Dialect) (xs []ast.Expr, err error) {
	defer token.Catch(&err)
	p, err := newParser(text, d)
	if err != nil {
		return nil, err
	}
	xs = queries.Exprs(p.Cursor)
	p.end()
	return xs, nil
}

// Type parses a type: "ARRAY<INT>", "numeric(10,2)", "text[]".
func Type(text string, d ast.Dialect) (t ast.Type, err error) {
	defer token.Catch(&err)
	p, err := newParser(text, d)
	if err != nil {
		return ast.Type{}, err
	}
	t = p.Type()
	p.end()
	return t, nil
}

// Columns parses column definitions, "ID BIGINT KEY, V STRING", as they stand between
// the parentheses of CREATE STREAM.
func Columns(text string, d ast.Dialect) (cs []ast.ColumnDef, err error) {
	defer token.Catch(&err)
	p, err := newParser(text, d)
	if err != nil {
		return nil, err
	}
	for {
		cs = append(cs, p.column())
		if !p.TakeOp(",") {
			p.end()
			return cs, nil
		}
	}
}

// parser parses the statements of one text.
type parser struct{ *token.Cursor }

func newParser(text string, d ast.Dialect) (*parser, error) {
	c, err := token.NewCursor(text, d)
	if err != nil {
		return nil, err
	}
	return &parser{c}, nil
}

// end fails if anything is left.
func (p *parser) end() {
	if !p.EOF() {
		p.Unexpected()
	}
}

// span is the place of the statement that began at pos and ends here.
func (p *parser) span(pos ast.P) ast.Span { return ast.Span{P: pos, Stop: p.LastEnd()} }

// finish gives a statement its place.
func finish[S ast.Stmt](p *parser, pos ast.P, s S, span *ast.Span) S {
	*span = p.span(pos)
	return s
}

// stmt parses one statement, which may stand in EXPLAIN or PREPARE.
func (p *parser) stmt() ast.Stmt {
	p.Nest()
	defer p.Unnest()
	t := p.Peek()
	if t.Is("(") {
		return p.queryStmt()
	}
	if t.Kind == token.Word {
		if parse := statements[t.Val]; parse != nil {
			return parse(p)
		}
	}
	p.Unexpected()
	return nil
}

func (p *parser) queryStmt() ast.Stmt {
	pos := p.Pos()
	q := queries.Query(p.Cursor)
	return &ast.QueryStmt{Span: p.span(pos), Query: q}
}

// statements are the statements by their first word.
var statements map[string]func(*parser) ast.Stmt

func init() { // EXPLAIN refers back to the table
	statements = map[string]func(*parser) ast.Stmt{
		"SELECT": (*parser).queryStmt, "VALUES": (*parser).queryStmt, "TABLE": (*parser).queryStmt, "WITH": (*parser).withStmt,

		"INSERT": (*parser).insert, "UPDATE": (*parser).update, "DELETE": (*parser).deleteFrom, "COPY": (*parser).copyStmt,
		"TRUNCATE": (*parser).truncate,

		"CREATE": (*parser).create, "DROP": (*parser).drop, "ALTER": (*parser).alter, "COMMENT": (*parser).comment,

		"TERMINATE": (*parser).terminate, "PAUSE": (*parser).pause, "RESUME": (*parser).resume, "FLUSH": (*parser).flush,
		"PRINT": (*parser).print, "DESCRIBE": (*parser).describe, "EXPLAIN": (*parser).explain, "ASSERT": (*parser).assert,
		"DEFINE": (*parser).define, "UNDEFINE": (*parser).undefine, "RUN": (*parser).runScript, "SHOW": (*parser).show, "LIST": (*parser).show,

		"SET": (*parser).set, "RESET": (*parser).unset, "UNSET": (*parser).unset,
		"BEGIN": (*parser).begin, "START": (*parser).begin, "COMMIT": (*parser).commit, "END": (*parser).commit,
		"ROLLBACK": (*parser).rollback, "ABORT": (*parser).rollback, "SAVEPOINT": (*parser).savepoint, "RELEASE": (*parser).savepoint,
		"DECLARE": (*parser).declareCursor, "FETCH": (*parser).fetch, "MOVE": (*parser).fetch, "CLOSE": (*parser).closeCursor,
		"PREPARE": (*parser).prepare, "EXECUTE": (*parser).execute, "DEALLOCATE": (*parser).deallocate, "DISCARD": (*parser).discard,
		"LISTEN": (*parser).listen, "NOTIFY": (*parser).notify, "UNLISTEN": (*parser).unlisten,

		"GRANT": (*parser).utility, "REVOKE": (*parser).utility, "ANALYZE": (*parser).utility, "VACUUM": (*parser).utility, "LOCK": (*parser).utility,
		"REFRESH": (*parser).utility, "CALL": (*parser).utility, "DO": (*parser).utility, "REINDEX": (*parser).utility, "CHECKPOINT": (*parser).utility,
		"CLUSTER": (*parser).utility, "IMPORT": (*parser).utility, "LOAD": (*parser).utility, "REASSIGN": (*parser).utility, "SECURITY": (*parser).utility,
	}
}

// utility skips a statement whose words are known and whose meaning is not.
func (p *parser) utility() ast.Stmt { return p.utilityFrom(p.I) }

// utilityFrom does so for a statement whose first words, from the token at start on,
// have been looked at.
func (p *parser) utilityFrom(start int) ast.Stmt {
	p.I = start
	s := &ast.Utility{}
	pos := p.Pos()
	for n := 0; n < 2 && p.Peek().Kind == token.Word; n++ {
		if n > 0 {
			s.Words += " "
		}
		s.Words += p.Peek().Val
		p.I++
		if s.Words != "CREATE" && s.Words != "ALTER" && s.Words != "DROP" {
			break
		}
	}
	depth := 0
	for !p.EOF() && (depth > 0 || !p.Is(";")) {
		switch {
		case p.Is("("):
			depth++
		case p.Is(")"):
			depth--
		}
		p.I++
	}
	s.Span = p.span(pos)
	s.Text = p.Src[s.Pos():s.End()]
	return s
}

// withStmt parses a query, INSERT, UPDATE or DELETE that begins with WITH.
func (p *parser) withStmt() ast.Stmt {
	start, pos := p.I, p.Pos()
	i := p.I // over the named queries, to the word after them
	for i++; i < len(p.Toks)-1; i++ {
		if p.Toks[i].Is("(") {
			i = p.Closing(i)
			continue
		}
		switch t := &p.Toks[i]; {
		case t.Word("SELECT"), t.Word("VALUES"), t.Word("TABLE"), t.Is(";"):
			return p.queryStmt()
		case t.Word("INSERT"), t.Word("UPDATE"), t.Word("DELETE"):
			p.I = start
			with := queries.With(p.Cursor)
			var s ast.Stmt
			switch {
			case p.Word("INSERT"):
				x := p.insert().(*ast.Insert)
				x.CTEs, x.P, s = with, pos, x
			case p.Word("UPDATE"):
				x := p.update().(*ast.Update)
				x.CTEs, x.P, s = with, pos, x
			case p.Word("DELETE"):
				x := p.deleteFrom().(*ast.Delete)
				x.CTEs, x.P, s = with, pos, x
			default:
				p.Unexpected()
			}
			return s
		}
	}
	return p.queryStmt()
}
