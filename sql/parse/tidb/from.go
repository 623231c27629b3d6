package tidb

import (
	"github.com/weirdb/weir/sql/ast"
	"github.com/weirdb/weir/sql/token"
)

func (r *rewriter) tables() {
	for {
		r.joined()
		if !r.TakeOp(",") {
			return
		}
		r.put(",")
	}
}

// joined rewrites a table and the joins after it.
func (r *rewriter) joined() {
	r.Nest()
	defer r.Unnest()
	r.table()
	r.joins()
}

// joins rewrites JOIN … ON …, as many as there are.
func (r *rewriter) joins() {
	for r.join() {
		start := len(r.pieces)
		natural := r.natural
		cross := r.cross
		within := -1
		r.table()
		if cross {
			continue
		}
		if r.startsJoin() && !natural { // a JOIN b JOIN c ON … ON …: the right side is a join
			r.Nest()
			r.joins()
			r.Unnest()
			r.wrap(start, "( ")
			r.put(")")
		}
		if natural {
			r.put("ON")
			r.tag(tagNatural, 0)
			r.index(0)
			continue
		}
		if r.Word("WITHIN") {
			within = len(r.withins)
			r.withins = append(r.withins, r.within())
		}
		switch {
		case r.Take("ON"):
			r.put("ON")
			if within >= 0 {
				r.tag(tagWithin, within)
			}
			r.expr(0)
		case r.Take("USING"):
			r.put("ON")
			if within >= 0 {
				r.tag(tagWithin, within)
			}
			r.tag(tagUsing, len(r.lists))
			r.index(0)
			r.lists = append(r.lists, r.Names())
		default:
			r.Unexpected()
		}
	}
}

func (r *rewriter) startsJoin() bool {
	return r.OneOf("JOIN", "INNER", "CROSS", "LEFT", "RIGHT", "FULL", "NATURAL")
}

// join takes the words of a join, if they are next, and writes MySQL's.
func (r *rewriter) join() bool {
	if !r.startsJoin() {
		return false
	}
	r.natural, r.cross = r.Take("NATURAL"), false
	kind, outer := "JOIN", true
	switch {
	case r.Take("LEFT"):
		kind = "LEFT JOIN"
	case r.Take("RIGHT"):
		kind = "RIGHT JOIN"
	case r.Take("FULL"):
		kind = "STRAIGHT_JOIN" // a stand-in: no user can write one
	case r.Word("CROSS") && !r.natural:
		r.I++
		kind, outer, r.cross = "CROSS JOIN", false, true
	default:
		outer = false
		r.Take("INNER")
	}
	if outer {
		r.Take("OUTER")
	}
	r.Need("JOIN")
	r.put(kind)
	return true
}

// within takes WITHIN d, WITHIN (d, d), and GRACE PERIOD d.
func (r *rewriter) within() *ast.Within {
	w := &ast.Within{P: r.Pos()}
	r.Need("WITHIN")
	if r.TakeOp("(") {
		w.Before = r.Duration()
		r.NeedOp(",")
		w.After = r.Duration()
		r.NeedOp(")")
	} else {
		w.Before = r.Duration()
	}
	if r.Take("GRACE", "PERIOD") {
		w.Grace = r.Duration()
	}
	return w
}

// table rewrites one table, function, sub-query or join in parentheses.
func (r *rewriter) table() {
	pos := r.Pos()
	lateral := r.Take("LATERAL")
	switch {
	case r.opensQuery():
		r.put("LATERAL")
		r.subquery()
		r.marked(&tableMark{pos: pos, lateral: lateral})
	case !lateral && r.Is("("):
		r.copy("(")
		r.joined()
		r.NeedOp(")")
		r.put(")")
	default:
		r.Take("ONLY")
		n := 0
		for r.At(n + 1).Is(".") {
			n += 2
		}
		if r.At(n + 1).Is("(") {
			r.put("LATERAL ( SELECT")
			r.expr(classPrimary)
			r.put(")")
			m := &tableMark{pos: pos, kind: functionTable, lateral: lateral}
			m.ordinal = r.Take("WITH", "ORDINALITY")
			r.marked(m)
			return
		}
		if lateral {
			r.Unexpected()
		}
		r.named()
	}
}

// relation rewrites the name of a relation.
func (r *rewriter) relation() {
	at := r.I
	path := r.Path()
	r.name(namedThing{pos: ast.P(r.Toks[at].Pos), path: path})
	r.pieces[len(r.pieces)-1].tok = int32(at)
}

// named rewrites a relation with its alias: t AS a (x, y) is MySQL's
// LATERAL (SELECT * FROM t) AS a (x, y).
func (r *rewriter) named() {
	start, pos := len(r.pieces), r.Pos()
	r.relation()
	asof := -1
	if r.Take("FOR", "SYSTEM_TIME", "AS", "OF") {
		asof = len(r.pieces)
		r.put("AS OF TIMESTAMP")
		r.expr(classOther)
	}
	alias := r.At(0)
	if r.Word("AS") {
		alias = r.At(1)
	} else if !r.bareAlias() {
		return
	}
	at := 1
	if r.Word("AS") {
		at = 2
	}
	if r.At(at).Is("(") && alias.IsName() {
		r.wrap(start, "LATERAL ( SELECT * FROM ")
		r.put(")")
		r.marked(&tableMark{pos: pos, kind: renamedTable})
		return
	}
	r.Take("AS")
	r.put("AS")
	r.ident((*token.Cursor).Name)
	if asof >= 0 { // MySQL has the alias first
		k := len(r.pieces) - 2
		tail := append([]piece(nil), r.pieces[asof:k]...)
		r.pieces = append(append(r.pieces[:asof], r.pieces[k:]...), tail...)
	}
}

// marked writes the alias of a table, which also says what the table is. MySQL wants
// an alias; the lowered tree has none if none was written.
func (r *rewriter) marked(m *tableMark) {
	t := namedThing{pos: m.pos, table: m}
	as := r.Take("AS")
	r.put("AS")
	if as && r.Is("(") && m.kind == functionTable { // f() AS (a int, b text)
		r.name(t)
		r.columns(m, false)
		return
	}
	if as || r.bareAlias() {
		t.path = []ast.Name{r.Name()}
	}
	r.name(t)
	if t.path != nil && r.Is("(") {
		r.columns(m, true)
	}
}

// columns rewrites the columns of an alias. Those of a function may have types: all or
// none of them, and all without a name for the whole.
func (r *rewriter) columns(m *tableMark, named bool) {
	r.NeedOp("(")
	r.put("(")
	for n := 0; ; n++ {
		r.ident((*token.Cursor).Name)
		untyped := r.Is(",") || r.Is(")")
		switch {
		case n == 0 && !named && untyped, n > 0 && untyped != (m.types == nil):
			r.Unexpected()
		case !untyped && m.kind == functionTable:
			m.types = append(m.types, r.Type())
		}
		if !r.TakeOp(",") {
			break
		}
		r.put(",")
	}
	r.NeedOp(")")
	r.put(")")
}
