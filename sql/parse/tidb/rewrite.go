package tidb

import (
	"sort"
	"strconv"
	"strings"

	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/sql/ast"
	"github.com/weirdb/weir/sql/token"
)

// rewriter writes MySQL text for the tokens of its cursor, in pieces, and keeps what
// the text cannot hold.
type rewriter struct {
	*token.Cursor
	pieces []piece
	pres   []prefix
	starts []int32 // of each piece in the text

	leaves         []ast.Expr    // literals and other nodes that need no grammar
	names          []namedThing  // names, by the index written for them
	types          []ast.Type    // of casts
	lists          [][]ast.Name  // parameters of lambdas, columns of USING
	withins        []*ast.Within // of joins
	opens          map[int]bool  // whether the parenthesis at a token opens a query
	natural, cross bool          // of the join whose words were just taken
	op             string        // operator whose right operand the next piece begins
}

// namedThing is a name as the lowered tree has it. For a table's alias, it also says
// what MySQL's grammar could not.
type namedThing struct {
	pos    ast.P
	path   []ast.Name
	table  *tableMark
	stream bool              // a window that carries what belongs to its SELECT:
	window *ast.StreamWindow // its WINDOW clause, and in its own PARTITION BY the stream's
}

// tableMark is what a derived table in the rewritten text stands for.
type tableMark struct {
	pos              ast.P
	kind             tableKind
	lateral, ordinal bool
	types            []ast.Type
}

type tableKind uint8

const (
	derivedTable  tableKind = iota // (query) AS a
	functionTable                  // f(x) AS a, as a query that selects f(x)
	renamedTable                   // t AS a (x, y), as a query that selects all of t
)

// piece is a bit of rewritten text.
type piece struct {
	text string
	kind pieceKind
	idx  int32  // index of what the piece stands for
	tok  int32  // the token it came from
	pre  int32  // index of the outermost prefix plus 1; 0 if there is none
	op   string // operator as written, if the piece begins its right operand
}

type pieceKind uint8

const (
	word  pieceKind = iota // text alone
	leaf                   // 0.0, for leaves[idx]
	index                  // 0.0, for a number: an argument of a mark
	name                   // `idx`, for names[idx]
	tag                    // @`text idx` :=, a prefix that MySQL lets stand before any expression
)

// prefix is text to put before a piece that has been written; next is the one that
// comes after it.
type prefix struct {
	text string
	next int32
}

func (r *rewriter) add(p piece) {
	p.tok = int32(r.I)
	p.op, r.op = r.op, ""
	r.pieces = append(r.pieces, p)
}

func (r *rewriter) put(s string) { r.add(piece{text: s}) }

// copy writes s for the next token and skips it.
func (r *rewriter) copy(s string) {
	r.put(s)
	r.I++
}

// leaf writes a literal that stands for x, and skips n tokens.
func (r *rewriter) leaf(x ast.Expr, n int) {
	r.add(piece{kind: leaf, idx: int32(len(r.leaves))})
	r.leaves = append(r.leaves, x)
	r.Skip(n)
}

// index writes a literal that stands for the number i.
func (r *rewriter) index(i int) { r.add(piece{kind: index, idx: int32(i)}) }

// tag marks the expression that follows with a word and a number.
func (r *rewriter) tag(word string, i int) { r.add(piece{kind: tag, text: word, idx: int32(i)}) }

// name writes a name.
func (r *rewriter) name(t namedThing) {
	r.add(piece{kind: name, idx: int32(len(r.names))})
	r.names = append(r.names, t)
}

// ident takes one identifier with take and writes it.
func (r *rewriter) ident(take func(*token.Cursor) ast.Name) {
	at := r.I
	n := take(r.Cursor)
	r.name(namedThing{pos: ast.P(r.Toks[at].Pos), path: []ast.Name{n}})
	r.pieces[len(r.pieces)-1].tok = int32(at)
}

// wrap puts text before the piece at start, and before what stands there already.
func (r *rewriter) wrap(start int, text string) {
	r.pres = append(r.pres, prefix{text, r.pieces[start].pre})
	r.pieces[start].pre = int32(len(r.pres))
}

// mark keeps op for the next piece, which begins its right operand.
func (r *rewriter) mark(op string) { r.op = op }

// text joins the pieces.
func (r *rewriter) text() string {
	size := 0
	for _, p := range r.pieces {
		size += len(p.text) + 8
	}
	b := make([]byte, 0, size+16*len(r.pres))
	r.starts = make([]int32, len(r.pieces))
	for i, p := range r.pieces {
		r.starts[i] = int32(len(b))
		for k := p.pre; k > 0; k = r.pres[k-1].next {
			b = append(b, r.pres[k-1].text...)
		}
		switch p.kind {
		case word:
			b = append(b, p.text...)
		case leaf, index:
			b = append(b, "0.0"...)
		case name:
			b = append(b, '`')
			b = strconv.AppendInt(b, int64(p.idx), 10)
			b = append(b, '`')
		case tag:
			b = append(b, "@`"...)
			b = append(b, p.text...)
			b = append(b, ' ')
			b = strconv.AppendInt(b, int64(p.idx), 10)
			b = append(b, "` :="...)
		}
		b = append(b, ' ')
	}
	return string(b)
}

// piece gives the index of the piece that holds an offset in the text.
func (r *rewriter) piece(off int) int {
	return max(0, sort.Search(len(r.starts), func(i int) bool { return int(r.starts[i]) > off })-1)
}

// token gives the source token that an offset in the text came from.
func (r *rewriter) token(off int) token.Token { return r.Toks[r.pieces[r.piece(off)].tok] }

// syntaxError turns an error about the rewritten text into one about the source. The
// parser quotes the text from the offending token on, and says how long it is if it
// cuts it; the text has no double quote.
func (r *rewriter) syntaxError(text string, err error) *pgerr.Error {
	s := err.Error()
	_, rest, ok := strings.Cut(s, `near "`)
	if !ok {
		return pgerr.Newf(pgerr.SyntaxError, "syntax error").At(int(r.Peek().Pos)).Detailf("%s", s)
	}
	rest, tail, _ := strings.Cut(rest, `"`)
	length := len(rest)
	if _, n, ok := strings.Cut(tail, "(total length "); ok {
		n, _, _ = strings.Cut(n, ")")
		if v, err := strconv.Atoi(n); err == nil {
			length = v
		}
	}
	if length == 0 {
		return token.SyntaxError(*r.Peek())
	}
	return token.SyntaxError(r.token(len(text) - length))
}
