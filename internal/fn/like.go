package fn

import (
	"bytes"
	"unicode"
	"unicode/utf8"

	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
)

// likes is LIKE and ILIKE, by the signs that PostgreSQL has for them.
var likes = []*Func{
	likeFunc("~~", false, false), likeFunc("!~~", true, false),
	likeFunc("~~*", false, true), likeFunc("!~~*", true, true),
	{Name: "like_escape", Dialect: Both, Params: params(vec.Text, vec.Text), Result: of(vec.Text), Eval: boxed(likeEscape)},
}

func likeFunc(name string, not, fold bool) *Func {
	return &Func{Name: name, Dialect: Both, Params: params(vec.Text, vec.Text), Result: of(vec.Bool),
		Eval: func(c *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
			var p likePattern
			if args[1].Const && len(rows) > 0 {
				p = compileLike(args[1].Bytes(0), fold)
			}
			for _, r := range rows {
				if !args[1].Const {
					p = compileLike(args[1].Bytes(int(r)), fold)
				}
				if p.trailing {
					c.fail(out, int(r), errEscapeAtEnd)
					continue
				}
				out.Ints[r] = 0
				if p.match(args[0].Bytes(int(r))) != not {
					out.Ints[r] = 1
				}
			}
		},
		Select: func(c *Call, rows []uint16, args []*vec.Vec, dst []uint16) []uint16 {
			base := len(dst)
			dst = grow(dst, len(rows))
			rows = notNull(rows, args, dst[base:])
			if len(rows) == 0 {
				return dst[:base]
			}
			d, n := dst[base:base+len(rows)], 0
			var p likePattern
			if args[1].Const {
				p = compileLike(args[1].Bytes(0), fold)
			}
			if p.kind == likePrefix && args[1].Const && !not && !args[0].Const {
				data, lit := args[0].Data, p.literal
				views := args[0].Views
				for _, r := range rows {
					d[n] = r
					w := views[r]
					if int(w.Len) >= len(lit) && bytes.Equal(data[w.Off:w.Off+uint32(len(lit))], lit) {
						n++
					}
				}
				return dst[:base+n]
			}
			for _, r := range rows {
				if !args[1].Const {
					p = compileLike(args[1].Bytes(int(r)), fold)
				}
				if p.trailing {
					c.Fail(int(r), errEscapeAtEnd)
					continue
				}
				d[n] = r
				if p.match(args[0].Bytes(int(r))) != not {
					n++
				}
			}
			return dst[:base+n]
		},
	}
}

var errEscapeAtEnd = pgerr.Newf("22025", "LIKE pattern must not end with escape character")

type likeKind uint8

const (
	likeGeneral likeKind = iota
	likeExact
	likePrefix
	likeSuffix
	likeInfix
)

type likePattern struct {
	kind     likeKind
	fold     bool
	trailing bool   // the pattern ends with a lone backslash
	literal  []byte // of the simple kinds
	pattern  []byte // of the general one
}

func compileLike(p []byte, fold bool) likePattern {
	c := likePattern{fold: fold, pattern: p}
	slashes := 0
	for i := len(p) - 1; i >= 0 && p[i] == '\\'; i-- {
		slashes++
	}
	c.trailing = slashes%2 == 1
	if fold || bytes.ContainsAny(p, `_\`) {
		if fold {
			c.pattern = foldCase(p)
		}
		return c
	}
	inner := bytes.Trim(p, "%")
	if bytes.IndexByte(inner, '%') >= 0 {
		return c
	}
	head, tail := len(p) > 0 && p[0] == '%', len(p) > 0 && p[len(p)-1] == '%'
	c.literal = inner
	switch {
	case head && tail:
		c.kind = likeInfix
	case head:
		c.kind = likeSuffix
	case tail:
		c.kind = likePrefix
	default:
		c.kind = likeExact
	}
	return c
}

func foldCase(b []byte) []byte { return bytes.ToLower(b) }

func (p *likePattern) match(s []byte) bool {
	switch p.kind {
	case likeExact:
		return bytes.Equal(s, p.literal)
	case likePrefix:
		return bytes.HasPrefix(s, p.literal)
	case likeSuffix:
		return bytes.HasSuffix(s, p.literal)
	case likeInfix:
		return bytes.Contains(s, p.literal)
	}
	if p.fold {
		s = foldCase(s)
	}
	return matchLike(s, p.pattern)
}

// matchLike goes back to the last % only: that is enough, and linear in most texts.
func matchLike(s, p []byte) bool {
	i, j := 0, 0
	star, from := -1, 0
	for i < len(s) {
		if j < len(p) {
			switch c := p[j]; {
			case c == '%':
				star, from = j, i
				j++
				continue
			case c == '_':
				_, n := utf8.DecodeRune(s[i:])
				i, j = i+n, j+1
				continue
			case c == '\\' && j+1 < len(p):
				if p[j+1] == s[i] {
					i, j = i+1, j+2
					continue
				}
			case c == s[i]:
				i, j = i+1, j+1
				continue
			}
		}
		if star < 0 {
			return false
		}
		_, n := utf8.DecodeRune(s[from:])
		from += n
		i, j = from, star+1
	}
	for j < len(p) && p[j] == '%' {
		j++
	}
	return j == len(p)
}

// likeEscape rewrites a pattern with another escape character to backslash.
func likeEscape(_ *Call, a []vec.Value) (vec.Value, error) {
	p, esc := a[0].(string), a[1].(string)
	if utf8.RuneCountInString(esc) > 1 {
		return nil, pgerr.Newf("22025", "invalid escape string").Hintf("Escape string must be empty or one character.")
	}
	e, _ := utf8.DecodeRuneInString(esc)
	if esc == "" {
		e = unicode.MaxRune + 1
	}
	var out []byte
	escaped := false
	for _, r := range p {
		switch {
		case escaped:
			out = utf8.AppendRune(append(out, '\\'), r)
			escaped = false
		case r == e:
			escaped = true
		case r == '\\':
			out = append(out, `\\`...)
		default:
			out = utf8.AppendRune(out, r)
		}
	}
	if escaped {
		return nil, errEscapeAtEnd
	}
	return string(out), nil
}
