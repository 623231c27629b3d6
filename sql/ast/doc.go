// Package ast is Weir's own tree of a SQL statement: what the parser gives and
// the planner takes. It keeps what was written (names folded by the dialect,
// literals as text, operators as spelled) and decides nothing: it knows no
// catalog, no types' meaning and no functions.
//
// Every node knows where it began in the text it came from (P), so that errors
// found later can point at it. Expr, Query, Table and Stmt are closed sums: a
// switch over the types of this package is complete.
package ast

import "strings"

// Node is any part of a tree that knows its place in the source text.
type Node interface {
	// Pos is the 0-based byte offset of the node's first token, or of its
	// operator's left operand; -1 if the node was not made from a text.
	Pos() int
}

// P is the source offset that every node embeds.
type P int

// Pos implements Node.
func (p P) Pos() int { return int(p) }

// Span is the place of a statement: text[s.Pos():s.End()] is its source, without
// the semicolon.
type Span struct {
	P
	Stop int
}

// End is the byte offset just after the statement's last token.
func (s Span) End() int { return s.Stop }

// Name is one identifier.
type Name struct {
	S      string // folded by the dialect unless it was quoted
	Quoted bool
}

// IsZero says that there is no name.
func (n Name) IsZero() bool { return n.S == "" }

// Dialect chooses how identifiers fold and how trees print.
type Dialect uint8

const (
	Postgres Dialect = iota // unquoted identifiers fold to lower case
	KSQL                    // unquoted identifiers fold to upper case
)

func (d Dialect) String() string {
	if d == KSQL {
		return "ksql"
	}
	return "postgres"
}

// Fold gives the name that an unquoted identifier means. Like PostgreSQL under
// UTF-8 it changes ASCII letters only.
func (d Dialect) Fold(s string) string {
	if d == KSQL {
		return mapASCII(s, 'a', 'z')
	}
	return mapASCII(s, 'A', 'Z')
}

// mapASCII flips the case of the letters from lo to hi.
func mapASCII(s string, lo, hi byte) string {
	for i := 0; i < len(s); i++ {
		if lo <= s[i] && s[i] <= hi {
			var b strings.Builder
			b.Grow(len(s))
			b.WriteString(s[:i])
			for ; i < len(s); i++ {
				c := s[i]
				if lo <= c && c <= hi {
					c ^= 0x20
				}
				b.WriteByte(c)
			}
			return b.String()
		}
	}
	return s
}
