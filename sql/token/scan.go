package token

import (
	"strings"
	"unicode/utf8"

	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/sql/ast"
)

// MaxText bounds a text, in bytes. A tree takes some fifty times its text.
const MaxText = 16 << 20

// set makes a lookup table of a list of words.
func set(words string) map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq(words) {
		m[w] = true
	}
	return m
}

const opChars = "+-*/<>=~!@#%^&|?"

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }
func isStart(c byte) bool { return c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' || c >= 0x80 }
func isDigit(c byte) bool { return c >= '0' && c <= '9' }
func isOp(c byte) bool    { return strings.IndexByte(opChars, c) >= 0 }

// scanner holds the text and how far it has been read.
type scanner struct {
	src  string
	i    int
	d    ast.Dialect
	toks []Token
}

// Scan cuts src into tokens; the last one is EOF. Errors are *pgerr.Error with
// PostgreSQL's wording and the place in src.
func Scan(src string, d ast.Dialect) ([]Token, error) {
	if len(src) > MaxText {
		return nil, pgerr.Newf(pgerr.ProgramLimitExceeded, "statement text of %d bytes is longer than %d", len(src), MaxText)
	}
	if i := badUTF8(src); i >= 0 {
		return nil, pgerr.Newf("22021", `invalid byte sequence for encoding "UTF8": 0x%02x`, src[i]).At(i)
	}
	s := &scanner{src: src, d: d, toks: make([]Token, 0, len(src)/4+2)}
	for {
		if err := s.blanks(); err != nil {
			return nil, err
		}
		if s.i >= len(src) {
			s.add(EOF, s.i, "")
			return s.toks, nil
		}
		if err := s.next(); err != nil {
			return nil, err
		}
	}
}

// badUTF8 gives the place of the first byte that cannot be stored, NUL included; -1
// if there is none.
func badUTF8(s string) int {
	if utf8.ValidString(s) {
		return strings.IndexByte(s, 0)
	}
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 || r == 0 {
			return i
		}
		i += n
	}
	return -1
}

func (s *scanner) add(k Kind, end int, val string) {
	s.toks = append(s.toks, Token{k, int32(s.i), int32(end), s.src[s.i:end], val})
	s.i = end
}

// fail makes an error about the text from at on, as PostgreSQL's scanner does.
func (s *scanner) fail(at int, msg string) error {
	return pgerr.Newf(pgerr.SyntaxError, `%s at or near "%s"`, msg, Excerpt(s.src[at:])).At(at)
}

// Excerpt cuts what an error quotes to a length that a client can show.
func Excerpt(s string) string {
	const limit = 256
	if len(s) <= limit {
		return s
	}
	n := limit
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

func (s *scanner) has(prefix string) bool { return strings.HasPrefix(s.src[s.i:], prefix) }

// blanks skips white space and comments.
func (s *scanner) blanks() error {
	for s.i < len(s.src) {
		switch c := s.src[s.i]; {
		case isSpace(c):
			s.i++
		case c == '-' && s.has("--"):
			if n := strings.IndexByte(s.src[s.i:], '\n'); n >= 0 {
				s.i += n + 1
			} else {
				s.i = len(s.src)
			}
		case c == '/' && s.has("/*"):
			end := comment(s.src, s.i)
			if end < 0 {
				return s.fail(s.i, "unterminated /* comment")
			}
			s.i = end
		default:
			return nil
		}
	}
	return nil
}

// comment gives the end of the comment at i, which may hold others; -1 if it has none.
func comment(src string, i int) int {
	depth := 0
	for i+1 < len(src) {
		switch src[i : i+2] {
		case "/*":
			depth++
			i += 2
		case "*/":
			depth--
			i += 2
			if depth == 0 {
				return i
			}
		default:
			i++
		}
	}
	return -1
}

// next reads the token at s.i.
func (s *scanner) next() error {
	c := s.src[s.i]
	switch {
	case c == '\'':
		return s.str(String, 0, plain)
	case c == '"' || c == '`':
		return s.quotedName(0, c)
	case c == '$':
		return s.dollar()
	case isStart(c):
		return s.word(c)
	case isDigit(c), c == '.' && s.i+1 < len(s.src) && isDigit(s.src[s.i+1]) && !s.afterName():
		return s.number()
	case isOp(c):
		s.operator()
		return nil
	case c == ':':
		n := 1
		if s.has("::") || s.has(":=") {
			n = 2
		}
		s.add(Op, s.i+n, "")
		return nil
	case strings.IndexByte("(),;[].{}", c) >= 0:
		s.add(Op, s.i+1, "")
		return nil
	}
	return pgerr.Newf(pgerr.SyntaxError, `syntax error at or near "%c"`, c).At(s.i)
}

// afterName says that the last token is a name that touches the place: t.1 is a
// field, not a name and a number.
func (s *scanner) afterName() bool {
	if len(s.toks) == 0 {
		return false
	}
	t := s.toks[len(s.toks)-1]
	return int(t.End) == s.i && t.IsName()
}

func (s *scanner) word(c byte) error {
	if s.i+1 < len(s.src) && s.src[s.i+1] == '\'' {
		switch c | 0x20 {
		case 'e':
			return s.str(String, 1, escaped)
		case 'b', 'x':
			return s.str(Bits, 1, plain)
		case 'n':
			return s.str(String, 1, plain)
		}
	}
	if c|0x20 == 'u' && s.i+2 < len(s.src) && s.src[s.i+1] == '&' {
		switch s.src[s.i+2] {
		case '\'':
			return s.str(String, 2, unicode)
		case '"':
			return s.quotedName(2, '"')
		}
	}
	end := s.i + 1
	for end < len(s.src) && s.part(s.src[end]) {
		end++
	}
	s.add(Word, end, upper(s.src[s.i:end]))
	return nil
}

// part says that c goes on an identifier. ksqlDB's may hold @.
func (s *scanner) part(c byte) bool {
	return isStart(c) || isDigit(c) || c == '$' || c == '@' && s.d == ast.KSQL
}

// upper is the upper-case form of a word; the common ones cost no allocation.
func upper(w string) string {
	var buf [16]byte
	if len(w) <= len(buf) {
		lower := false
		for i := range len(w) {
			c := w[i]
			if 'a' <= c && c <= 'z' {
				c -= 'a' - 'A'
				lower = true
			}
			buf[i] = c
		}
		if !lower {
			return w
		}
		if k, ok := common[string(buf[:len(w)])]; ok {
			return k
		}
	}
	return ast.KSQL.Fold(w)
}

// common are the words that clients write in lower case again and again.
var common = intern(`ADD ALL ALTER AND ANY ARRAY AS ASC BEGIN BETWEEN BIGINT BOOLEAN BY CASE CAST CHANGES COALESCE COLLATE
	COMMIT COUNT CREATE CURRENT_DATE CURRENT_TIMESTAMP DEFAULT DELETE DESC DISTINCT DOUBLE DROP ELSE EMIT END EXCEPT EXISTS
	EXTRACT FALSE FETCH FILTER FIRST FOR FROM FULL GROUP HAVING IF IN INDEX INNER INSERT INT INTEGER INTERSECT INTERVAL INTO
	IS JOIN KEY LAST LATERAL LEFT LIKE LIMIT MATERIALIZED MAX MIN NOT NULL NULLS NUMERIC OFFSET ON OR ORDER OUTER OVER
	PARTITION PRIMARY RETURNING RIGHT ROW ROWS SELECT SET STREAM SUM TABLE TEXT THEN TIMESTAMP TRUE UNION UPDATE USING
	VALUES VARCHAR VIEW WHEN WHERE WINDOW WITH WITHIN`)

func intern(words string) map[string]string {
	m := map[string]string{}
	for w := range strings.FieldsSeq(words) {
		m[w] = w
	}
	return m
}

func (s *scanner) number() error {
	src, j := s.src, s.i
	digits := func() {
		for j < len(src) && isDigit(src[j]) {
			j++
		}
	}
	digits()
	if j < len(src) && src[j] == '.' && !strings.HasPrefix(src[j:], "..") {
		j++
		digits()
	}
	if j < len(src) && src[j]|0x20 == 'e' {
		k := j + 1
		if k < len(src) && (src[k] == '+' || src[k] == '-') {
			k++
		}
		if k < len(src) && isDigit(src[k]) {
			j = k
			digits()
		}
	}
	if j < len(src) && s.part(src[j]) && src[j] != '$' {
		start := s.i
		for j < len(src) && s.part(src[j]) {
			j++
		}
		if s.d == ast.KSQL && !strings.ContainsAny(src[start:j], ".+-") { // an identifier may begin with a digit
			s.add(Word, j, upper(src[start:j]))
			return nil
		}
		return pgerr.Newf(pgerr.SyntaxError, `trailing junk after numeric literal at or near "%s"`, Excerpt(src[start:j])).At(start)
	}
	s.add(Number, j, "")
	return nil
}

// operator reads the longest operator, by PostgreSQL's rules: a comment ends it, and
// one of several characters may end in + or - only if it holds one of ~ ! @ # % ^ & | ?.
func (s *scanner) operator() {
	src, j := s.src, s.i+1
	special := strings.IndexByte("~!@#%^&|?", src[s.i]) >= 0
	safe := j // the longest end that the rule about + and - allows
	for j < len(src) && isOp(src[j]) && !strings.HasPrefix(src[j:], "--") && !strings.HasPrefix(src[j:], "/*") {
		special = special || strings.IndexByte("~!@#%^&|?", src[j]) >= 0
		j++
		if special || src[j-1] != '+' && src[j-1] != '-' {
			safe = j
		}
	}
	if src[s.i:safe] == "->*" { // ksqlDB: all fields of a struct
		safe--
	}
	s.add(Op, safe, "")
}

// dollar reads $1, ${name} or $tag$ … $tag$.
func (s *scanner) dollar() error {
	src, j := s.src, s.i+1
	if j < len(src) && isDigit(src[j]) {
		for j < len(src) && isDigit(src[j]) {
			j++
		}
		if j-s.i > 6 { // the protocol counts parameters in 16 bits
			return s.fail(s.i, "parameter number too large")
		}
		s.add(Param, j, src[s.i+1:j])
		return nil
	}
	if j < len(src) && src[j] == '{' {
		n := strings.IndexByte(src[j:], '}')
		if n < 0 {
			return s.fail(s.i, "unterminated variable")
		}
		s.add(Var, j+n+1, strings.TrimSpace(src[j+1:j+n]))
		return nil
	}
	for j < len(src) && (isStart(src[j]) || isDigit(src[j])) {
		j++
	}
	if j >= len(src) || src[j] != '$' {
		return pgerr.Newf(pgerr.SyntaxError, `syntax error at or near "$"`).At(s.i)
	}
	tag := src[s.i : j+1]
	n := strings.Index(src[j+1:], tag)
	if n < 0 {
		return s.fail(s.i, "unterminated dollar-quoted string")
	}
	s.add(String, j+1+n+len(tag), src[j+1:j+1+n])
	return nil
}
