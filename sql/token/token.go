// Package token cuts SQL text into tokens and offers a cursor over them, with the
// syntax that every level of the grammar shares: names, types and durations. Both
// dialects have one lexical grammar, PostgreSQL's, plus back-ticks, ${variables}
// and -> of ksqlDB. It knows no statement.
package token

import "github.com/weirdb/weir/sql/ast"

// Kind is the kind of a Token.
type Kind uint8

const (
	EOF    Kind = iota
	Word        // unquoted identifier or keyword
	Quoted      // "quoted" or `quoted` identifier
	String      // string literal of any form
	Bits        // B'…' or X'…'
	Number      // 1, 1.5, .5, 1e9; without a sign
	Param       // $1
	Var         // ${name}
	Op          // operator or punctuation
)

// Token is one token of a text.
type Token struct {
	Kind     Kind
	Pos, End int32  // byte offsets in the text
	Text     string // as written
	Val      string // of a Word in upper case; of Quoted, String and Var decoded; of Bits "b01" or "x1f"; of Param the digits
}

// Is says that t is the operator or punctuation op.
func (t Token) Is(op string) bool { return t.Kind == Op && t.Text == op }

// Word says that t is the unquoted word w, given in upper case.
func (t Token) Word(w string) bool { return t.Kind == Word && t.Val == w }

// IsName says that t can be an identifier.
func (t Token) IsName() bool { return t.Kind == Word || t.Kind == Quoted }

// Name gives the identifier that t is in dialect d.
func (t Token) Name(d ast.Dialect) ast.Name {
	if t.Kind == Quoted {
		return ast.Name{S: t.Val, Quoted: true}
	}
	if d == ast.KSQL {
		return ast.Name{S: t.Val}
	}
	return ast.Name{S: d.Fold(t.Text)}
}

// reserved are the words that are no column, table or alias unless they are quoted.
// It is what both grammars need, not all that each of them reserves: a client may
// call a column "key", "rank" or "value".
var reserved = set(`ALL AND AS ASC BETWEEN BY CASE CROSS DESC DISTINCT ELSE END EXCEPT FETCH FOR FROM FULL
	GROUP HAVING ILIKE IN INNER INTERSECT INTO IS ISNULL JOIN LATERAL LEFT LIKE LIMIT NATURAL NOT NOTNULL OFFSET
	ON OR ORDER OUTER RETURNING RIGHT SELECT SIMILAR THEN UNION USING WHEN WHERE WINDOW WITH WITHIN`)

// reservedPostgres are further words that PostgreSQL reserves and ksqlDB does not.
var reservedPostgres = set(`ANALYSE ANALYZE ANY ASYMMETRIC BOTH CAST CHECK COLLATE COLUMN CONSTRAINT CREATE DEFAULT
	DEFERRABLE DO FALSE FOREIGN GRANT INITIALLY LEADING NULL ONLY PLACING PRIMARY REFERENCES SOME SYMMETRIC
	TABLE TO TRAILING TRUE UNIQUE VARIADIC`)

// Reserved says that t is a word that cannot be a bare alias or a column.
func (t Token) Reserved(d ast.Dialect) bool {
	return t.Kind == Word && (reserved[t.Val] || d == ast.Postgres && reservedPostgres[t.Val])
}
