// Package tidb parses queries and expressions with the parser of TiDB, and is the
// only package that knows of it.
//
// That parser speaks MySQL. So a query is rewritten, token by token, into a MySQL
// text that has the same structure, parsed, and the tree lowered into Weir's own.
// The rewriter knows where clauses and operands begin and end, not how operators
// associate: rank and associativity, the nesting of joins, set operations and
// sub-queries, and the refusal of what is malformed are the grammar's work.
//
// Nothing that a user wrote is in the rewritten text. A name is an index, written
// `12`, into a side table; a literal is 0.0, and what it stands for is found by its
// place. So there is no text to inject into, no reserved word, no number that
// overflows, and an upgrade of the parser sees some sixty keywords. What MySQL
// cannot say is carried by marks (marks.go), and by stand-ins: an operator of the
// same rank, with the true one kept beside its right operand.
package tidb

import (
	"sync"

	"github.com/pingcap/tidb/pkg/parser"
	"github.com/pingcap/tidb/pkg/parser/mysql"

	"github.com/weirdb/weir/sql/ast"
	"github.com/weirdb/weir/sql/token"
)

// mode is the SQL mode that the rewritten text is written for.
const mode = mysql.ModeANSIQuotes | mysql.ModePipesAsConcat | mysql.ModeNoBackslashEscapes

// keepText bounds the text after which a parser is kept for the next one: its stack
// never shrinks and holds the last tree.
const keepText = 64 << 10

// Parser parses with TiDB's parser. It may be used by many goroutines.
type Parser struct {
	pool sync.Pool // of *parser.Parser: making one takes as long as a small query
}

// Query takes a query from c, up to the first token that cannot go on it. Like all
// methods it panics with a *pgerr.Error that token.Catch recovers.
func (p *Parser) Query(c *token.Cursor) ast.Query {
	return p.run(c, (*rewriter).query)
}

// Expr takes one expression.
func (p *Parser) Expr(c *token.Cursor) ast.Expr {
	q := p.run(c, func(r *rewriter) {
		r.put("SELECT")
		r.expr(0)
	})
	return q.(*ast.Select).Items[0].X
}

// Exprs takes expressions with commas between.
func (p *Parser) Exprs(c *token.Cursor) []ast.Expr {
	q := p.run(c, func(r *rewriter) {
		r.put("SELECT")
		r.exprList()
	})
	items := q.(*ast.Select).Items
	xs := make([]ast.Expr, len(items))
	for i, it := range items {
		xs[i] = it.X
	}
	return xs
}

// Items takes a select list, of RETURNING.
func (p *Parser) Items(c *token.Cursor) []ast.Item {
	q := p.run(c, func(r *rewriter) {
		r.put("SELECT")
		r.items()
	})
	return q.(*ast.Select).Items
}

// Tables takes what may stand after FROM.
func (p *Parser) Tables(c *token.Cursor) ast.Table {
	q := p.run(c, func(r *rewriter) {
		r.put("SELECT")
		r.leaf(&ast.Null{P: -1}, 0)
		r.put("FROM")
		r.tables()
	})
	return q.(*ast.Select).From
}

// With takes a WITH clause.
func (p *Parser) With(c *token.Cursor) *ast.With {
	q := p.run(c, func(r *rewriter) {
		r.with()
		r.put("SELECT")
		r.leaf(&ast.Null{P: -1}, 0)
	})
	return q.(*ast.Select).With
}

func (p *Parser) run(c *token.Cursor, rewrite func(*rewriter)) ast.Query {
	r := &rewriter{Cursor: c, pieces: make([]piece, 0, min(2*(len(c.Toks)-c.I), 256))}
	rewrite(r)
	text := r.text()
	tp, _ := p.pool.Get().(*parser.Parser)
	if tp == nil {
		tp = parser.New()
	}
	tp.SetSQLMode(mode)
	stmts, _, err := tp.ParseSQL(text)
	if err != nil {
		panic(r.syntaxError(text, err))
	}
	q := (&lowerer{r: r}).query(stmts[0])
	if len(text) <= keepText {
		p.pool.Put(tp)
	}
	return q
}
