package token

import (
	"slices"

	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/sql/ast"
)

// MaxDepth bounds how deep parentheses, sub-queries, types and the like may nest.
// Every level costs several stack frames here, in the grammar and in the planner.
const MaxDepth = 256

// Cursor reads the tokens of one text. Its methods that refuse a token panic with a
// *pgerr.Error, which Catch turns into an error: a grammar reads better when it does
// not say "if err != nil" between any two words. It is for one goroutine.
type Cursor struct {
	Src     string  // the text
	Toks    []Token // ends with EOF
	I       int     // the next token
	Dialect ast.Dialect
	depth   int
	closes  []int32 // see Closing
}

// NewCursor scans src.
func NewCursor(src string, d ast.Dialect) (*Cursor, error) {
	toks, err := Scan(src, d)
	if err != nil {
		return nil, err
	}
	return &Cursor{Src: src, Toks: toks, Dialect: d}, nil
}

// Catch, deferred, makes the panic of a Cursor's method the function's error.
func Catch(err *error) {
	switch r := recover().(type) {
	case nil:
	case *pgerr.Error:
		*err = r
	default:
		panic(r)
	}
}

// Peek is the next token.
func (c *Cursor) Peek() *Token { return &c.Toks[c.I] }

// At is the token n after the next one; EOF if there is none.
func (c *Cursor) At(n int) *Token {
	return &c.Toks[min(c.I+n, len(c.Toks)-1)]
}

// Pos is the place of the next token.
func (c *Cursor) Pos() ast.P { return ast.P(c.Toks[c.I].Pos) }

// LastEnd is the place after the token before the next one.
func (c *Cursor) LastEnd() int {
	if c.I == 0 {
		return 0
	}
	return int(c.Toks[c.I-1].End)
}

// Skip goes n tokens on, at most to EOF.
func (c *Cursor) Skip(n int) { c.I = min(c.I+n, len(c.Toks)-1) }

// EOF says that no token is left.
func (c *Cursor) EOF() bool { return c.Toks[c.I].Kind == EOF }

// Word says that the next tokens are these words, given in upper case.
func (c *Cursor) Word(ws ...string) bool {
	for n, w := range ws {
		if !c.At(n).Word(w) {
			return false
		}
	}
	return true
}

// OneOf says that the next token is one of these words.
func (c *Cursor) OneOf(ws ...string) bool {
	return c.Peek().Kind == Word && slices.Contains(ws, c.Peek().Val)
}

// Take skips these words if they are next.
func (c *Cursor) Take(ws ...string) bool {
	if !c.Word(ws...) {
		return false
	}
	c.I += len(ws)
	return true
}

// Need skips these words or fails.
func (c *Cursor) Need(ws ...string) {
	for _, w := range ws {
		if !c.Take(w) {
			c.Unexpected()
		}
	}
}

// Is says that the next token is this operator or punctuation.
func (c *Cursor) Is(op string) bool { return c.Toks[c.I].Is(op) }

// TakeOp skips the operator if it is next.
func (c *Cursor) TakeOp(op string) bool {
	if !c.Is(op) {
		return false
	}
	c.I++
	return true
}

// NeedOp skips the operator or fails.
func (c *Cursor) NeedOp(op string) {
	if !c.TakeOp(op) {
		c.Unexpected()
	}
}

// Unexpected fails at the next token, with PostgreSQL's words.
func (c *Cursor) Unexpected() {
	panic(SyntaxError(*c.Peek()))
}

// SyntaxError is PostgreSQL's error for a token that does not fit.
func SyntaxError(t Token) *pgerr.Error {
	if t.Kind == EOF {
		return pgerr.Newf(pgerr.SyntaxError, "syntax error at end of input").At(int(t.Pos))
	}
	return pgerr.Newf(pgerr.SyntaxError, `syntax error at or near "%s"`, Excerpt(t.Text)).At(int(t.Pos))
}

// Fail fails at the next token with a message of its own.
func (c *Cursor) Fail(code, format string, args ...any) {
	panic(pgerr.Newf(code, format, args...).At(int(c.Peek().Pos)))
}

// Nest goes one level down; the caller defers Unnest. It fails beyond MaxDepth.
func (c *Cursor) Nest() {
	if c.depth++; c.depth > MaxDepth {
		panic(pgerr.Newf(pgerr.StatementTooComplex, "statement is nested too deeply").
			At(int(c.Peek().Pos)).Hintf("The limit is %d levels.", MaxDepth))
	}
}

// Unnest goes one level up.
func (c *Cursor) Unnest() { c.depth-- }

// Label takes any identifier, a reserved word too: what may follow AS or a dot.
func (c *Cursor) Label() ast.Name {
	t := c.Peek()
	if !t.IsName() {
		c.Unexpected()
	}
	c.I++
	return t.Name(c.Dialect)
}

// Name takes an identifier that is not reserved.
func (c *Cursor) Name() ast.Name {
	if c.Peek().Reserved(c.Dialect) {
		c.Unexpected()
	}
	return c.Label()
}

// Path takes a name with its qualifiers: a, s.a, d.s.a.
func (c *Cursor) Path() []ast.Name {
	path := []ast.Name{c.Name()}
	for c.TakeOp(".") {
		path = append(path, c.Label())
	}
	return path
}

// Names takes (a, b, …).
func (c *Cursor) Names() []ast.Name {
	c.NeedOp("(")
	var names []ast.Name
	for {
		names = append(names, c.Name())
		if !c.TakeOp(",") {
			break
		}
	}
	c.NeedOp(")")
	return names
}

// Text takes a string literal.
func (c *Cursor) Text() string {
	t := c.Peek()
	if t.Kind != String {
		c.Unexpected()
	}
	c.I++
	return t.Val
}

// Closing gives the index of the token that closes the parenthesis at the index
// open; that of EOF if none does.
func (c *Cursor) Closing(open int) int {
	if c.closes == nil {
		c.closes = make([]int32, len(c.Toks))
		var stack []int
		for i := range c.Toks {
			switch t := &c.Toks[i]; {
			case t.Is("("):
				stack = append(stack, i)
				c.closes[i] = int32(len(c.Toks) - 1)
			case t.Is(")") && len(stack) > 0:
				c.closes[stack[len(stack)-1]] = int32(i)
				stack = stack[:len(stack)-1]
			}
		}
	}
	return int(c.closes[open])
}

// OneOfAt says that the token n after the next one is one of these words.
func (c *Cursor) OneOfAt(n int, ws ...string) bool {
	t := c.At(n)
	return t.Kind == Word && slices.Contains(ws, t.Val)
}
