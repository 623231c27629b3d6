package tidb

import (
	"slices"

	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/sql/ast"
	"github.com/weirdb/weir/sql/token"
)

// startsQuery says that the token n from here begins a query.
func (r *rewriter) startsQuery(n int) bool {
	t := r.At(n)
	switch {
	case t.Kind != token.Word:
		return false
	case t.Val == "SELECT":
		return true
	case t.Val == "VALUES":
		return r.At(n + 1).Is("(")
	case t.Val == "WITH", t.Val == "TABLE":
		return r.At(n + 1).IsName()
	}
	return false
}

// opensQuery says whether the parenthesis that comes next opens a query, not an
// expression or a join: ((SELECT 1) UNION SELECT 2) is a query, ((SELECT 1) + 1) is
// none. The answer for every parenthesis of a run is found once and kept.
func (r *rewriter) opensQuery() bool {
	if !r.Is("(") {
		return false
	}
	if q, ok := r.opens[r.I]; ok {
		return q
	}
	if r.opens == nil {
		r.opens = map[int]bool{}
	}
	n := 1
	for r.At(n).Is("(") {
		n++
	}
	q := r.startsQuery(n)
	r.opens[r.I+n-1] = q
	// From the innermost parenthesis out: a query if the one inside is a query, and
	// ends where this one does or where a set operation or a tail goes on.
	end := r.I + n - 1
	for k := n - 2; k >= 0; k-- {
		if q {
			end = r.Closing(end)
			t := r.Toks[min(end+1, len(r.Toks)-1)]
			q = t.Is(")") || t.Kind == token.Word && slices.Contains(afterQuery, t.Val)
			if t.Is(")") {
				r.opens[r.I+k] = q
				end = r.I + k
				continue
			}
		}
		r.opens[r.I+k] = q
		end = r.I + k
	}
	return r.opens[r.I]
}

// afterQuery are the words that go on a query in parentheses.
var afterQuery = []string{"UNION", "EXCEPT", "INTERSECT", "ORDER", "LIMIT", "OFFSET", "FETCH", "EMIT"}

func (r *rewriter) query() {
	r.Nest()
	defer r.Unnest()
	if r.Word("WITH") {
		r.with()
	}
	for {
		switch {
		case r.Is("("):
			r.subquery()
		case r.Word("SELECT"):
			r.selectBody()
		case r.Word("VALUES"):
			r.values()
		case r.Word("TABLE"):
			r.copy("SELECT")
			r.leaf(&ast.Star{P: r.Pos()}, 0)
			r.put("FROM")
			r.relation()
		default:
			r.Unexpected()
		}
		if !r.OneOf("UNION", "EXCEPT", "INTERSECT") {
			break
		}
		r.copy(r.Peek().Val)
		if r.Take("ALL") {
			r.put("ALL")
		} else {
			r.Take("DISTINCT")
		}
	}
	r.tail()
}

func (r *rewriter) with() {
	r.copy("WITH")
	if r.Take("RECURSIVE") {
		r.put("RECURSIVE")
	}
	for {
		r.ident((*token.Cursor).Name)
		if r.Is("(") {
			r.idents()
		}
		r.Need("AS")
		r.put("AS")
		r.Take("NOT")
		r.Take("MATERIALIZED")
		if r.At(1).Word("INSERT") || r.At(1).Word("UPDATE") || r.At(1).Word("DELETE") {
			r.Fail(pgerr.FeatureNotSupported, "data-modifying statements in WITH are not supported")
		}
		r.subquery()
		if !r.TakeOp(",") {
			return
		}
		r.put(",")
	}
}

func (r *rewriter) values() {
	r.copy("VALUES")
	for {
		r.NeedOp("(")
		r.put("ROW (")
		r.exprList()
		r.NeedOp(")")
		r.put(")")
		if !r.TakeOp(",") {
			return
		}
		r.put(",")
	}
}

// idents takes and writes (a, b, …).
func (r *rewriter) idents() {
	r.NeedOp("(")
	r.put("(")
	for {
		r.ident((*token.Cursor).Name)
		if !r.TakeOp(",") {
			break
		}
		r.put(",")
	}
	r.NeedOp(")")
	r.put(")")
}

func (r *rewriter) subquery() {
	r.NeedOp("(")
	r.put("(")
	r.query()
	r.NeedOp(")")
	r.put(")")
}

// tail rewrites ORDER BY, LIMIT, OFFSET, FETCH, EMIT and FOR. MySQL's LIMIT takes
// only numbers; its ORDER BY takes everything, so all of them become marked items of it.
func (r *rewriter) tail() {
	sep := "ORDER BY"
	if r.Take("ORDER", "BY") {
		r.put(sep)
		r.orderList()
		sep = ","
	}
	seen := map[string]bool{}
	mark := func(tag string, i int) {
		if seen[tag] {
			r.Fail(pgerr.SyntaxError, "multiple %s clauses not allowed", map[string]string{
				tagLimit: "LIMIT", tagOffset: "OFFSET", tagEmit: "EMIT", tagLock: "FOR", tagTies: "FETCH"}[tag])
		}
		seen[tag] = true
		r.put(sep)
		r.tag(tag, i)
		sep = ","
	}
	for {
		switch {
		case r.Word("LIMIT"):
			r.I++
			if r.Take("ALL") || r.Take("NULL") {
				break
			}
			mark(tagLimit, 0)
			r.expr(0)
		case r.Word("OFFSET"):
			r.I++
			mark(tagOffset, 0)
			r.expr(0)
			_ = r.Take("ROW") || r.Take("ROWS")
		case r.Take("FETCH"):
			if !r.Take("FIRST") {
				r.Need("NEXT")
			}
			mark(tagLimit, 0)
			if r.OneOf("ROW", "ROWS") {
				r.leaf(&ast.Number{P: r.Pos(), Text: "1"}, 0)
			} else {
				r.expr(classOther)
			}
			_ = r.Take("ROW") || r.Take("ROWS")
			if !r.Take("ONLY") {
				r.Need("WITH", "TIES")
				mark(tagTies, 0)
				r.index(0)
			}
		case r.Word("EMIT"):
			r.I++
			kind := ast.EmitChanges
			if r.Word("FINAL") {
				kind = ast.EmitFinal
			} else if !r.Word("CHANGES") {
				r.Unexpected()
			}
			mark(tagEmit, int(kind))
			r.index(0)
			r.I++
		case r.Word("FOR") && (r.At(1).Word("UPDATE") || r.At(1).Word("SHARE") || r.At(1).Word("NO") || r.At(1).Word("KEY")):
			if !seen[tagLock] {
				mark(tagLock, 0)
				r.index(0)
			}
			r.lock()
		default:
			return
		}
	}
}

// lock skips FOR UPDATE and its like: rows are not locked here.
func (r *rewriter) lock() {
	r.I++
	switch {
	case r.Take("NO", "KEY", "UPDATE"), r.Take("UPDATE"), r.Take("KEY", "SHARE"), r.Take("SHARE"):
	default:
		r.Unexpected()
	}
	if r.Take("OF") {
		r.Path()
		for r.TakeOp(",") {
			r.Path()
		}
	}
	_ = r.Take("NOWAIT") || r.Take("SKIP", "LOCKED")
}

func (r *rewriter) orderList() {
	for {
		start := len(r.pieces)
		r.expr(0)
		switch {
		case r.Take("ASC"):
		case r.Take("DESC"):
			r.put("DESC")
		case r.Take("USING"):
			switch {
			case r.Is(">"):
				r.put("DESC")
			case !r.Is("<"):
				r.Unexpected()
			}
			r.I++
		}
		if r.Take("NULLS") {
			switch {
			case r.Take("FIRST"):
				r.wrap(start, "@`"+tagNulls+" 1` := ")
			default:
				r.Need("LAST")
				r.wrap(start, "@`"+tagNulls+" 2` := ")
			}
		}
		if !r.TakeOp(",") {
			return
		}
		r.put(",")
	}
}

func (r *rewriter) selectBody() {
	r.copy("SELECT")
	if r.Take("DISTINCT") {
		r.put("DISTINCT")
		if r.Take("ON") {
			r.NeedOp("(")
			r.put(markOn + " (")
			r.exprList()
			r.NeedOp(")")
			r.put(") ,")
		}
	} else {
		r.Take("ALL")
	}
	if r.EOF() || r.Is(")") || r.Is(";") || r.OneOf("FROM", "WHERE", "GROUP", "HAVING", "UNION", "EXCEPT", "INTERSECT", "ORDER", "LIMIT", "OFFSET") {
		r.put(markEmpty + " ()")
	} else {
		r.items()
	}
	if r.Take("FROM") {
		r.put("FROM")
		r.tables()
	}
	var window *ast.StreamWindow
	if r.Word("WINDOW") && !r.At(2).Word("AS") {
		window = r.streamWindow()
	}
	if r.Take("WHERE") {
		r.put("WHERE")
		r.expr(0)
	}
	if r.Take("GROUP", "BY") {
		_ = r.Take("ALL") || r.Take("DISTINCT")
		r.put("GROUP BY")
		r.groupList()
	}
	// PARTITION BY travels in a window, which MySQL wants after HAVING.
	var partition []piece
	if r.Take("PARTITION", "BY") {
		k := len(r.pieces)
		if r.Is("(") && r.At(1).Is(")") { // ksqlDB: no key
			r.leaf(&ast.Row{P: r.Pos()}, 2)
		} else {
			r.exprList()
		}
		partition = slices.Clone(r.pieces[k:])
		r.pieces = r.pieces[:k]
	}
	if r.Take("HAVING") {
		r.put("HAVING")
		r.expr(0)
	}
	sep := "WINDOW"
	if r.Take("WINDOW") {
		for {
			r.put(sep)
			r.ident((*token.Cursor).Name)
			r.Need("AS")
			r.put("AS")
			r.windowSpec()
			sep = ","
			if !r.TakeOp(",") {
				break
			}
		}
	}
	if window != nil || partition != nil {
		r.put(sep)
		r.name(namedThing{stream: true, window: window})
		r.put("AS (")
		if partition != nil {
			r.put("PARTITION BY")
			r.pieces = append(r.pieces, partition...)
		}
		r.put(")")
	}
}

func (r *rewriter) items() {
	for {
		n := 0 // t.* and s.t.*
		for r.At(n).IsName() && r.At(n+1).Is(".") && r.At(n+2).IsName() {
			n += 2
		}
		switch {
		case r.Is("*"):
			r.leaf(&ast.Star{P: r.Pos()}, 1)
		case r.At(n).IsName() && r.At(n+1).Is(".") && r.At(n+2).Is("*"):
			r.leaf(r.qualifiedStar(n), n+3)
		default:
			r.expr(0)
			if r.Take("AS") {
				r.put("AS")
				r.ident((*token.Cursor).Label)
			} else if r.bareAlias() {
				r.put("AS")
				r.ident((*token.Cursor).Label)
			}
		}
		if !r.TakeOp(",") {
			return
		}
		r.put(",")
	}
}

// qualifiedStar makes the node of a.b.*, whose last name stands n tokens on.
func (r *rewriter) qualifiedStar(n int) *ast.Star {
	s := &ast.Star{P: r.Pos()}
	for k := 0; k <= n; k += 2 {
		s.Qual = append(s.Qual, r.At(k).Name(r.Dialect))
	}
	return s
}

// bareAlias says that the next token is an alias without AS.
func (r *rewriter) bareAlias() bool {
	t := r.Peek()
	if t.Kind != token.Word {
		return t.Kind == token.Quoted
	}
	if t.Reserved(r.Dialect) {
		return false
	}
	switch t.Val {
	case "EMIT":
		return !r.At(1).Word("CHANGES") && !r.At(1).Word("FINAL")
	case "PARTITION":
		return !r.At(1).Word("BY")
	case "TABLESAMPLE":
		return false
	case "SET": // UPDATE t SET: the alias is looked for before it
		return false
	}
	return true
}

func (r *rewriter) groupList() {
	r.Nest()
	defer r.Unnest()
	for {
		switch {
		case r.Is("(") && r.At(1).Is(")"):
			r.put(markEmpty + " ()")
			r.I += 2
		case r.OneOf("ROLLUP", "CUBE") && r.At(1).Is("("):
			mark := markRollup
			if r.Word("CUBE") {
				mark = markCube
			}
			r.put(mark + " (")
			r.I += 2
			r.exprList()
			r.NeedOp(")")
			r.put(")")
		case r.Word("GROUPING", "SETS"):
			r.put(markSets + " (")
			r.I += 2
			r.NeedOp("(")
			r.groupList()
			r.NeedOp(")")
			r.put(")")
		default:
			r.expr(0)
		}
		if !r.TakeOp(",") {
			return
		}
		r.put(",")
	}
}

// streamWindow takes WINDOW TUMBLING, HOPPING or SESSION (…).
func (r *rewriter) streamWindow() *ast.StreamWindow {
	w := &ast.StreamWindow{P: r.Pos()}
	r.Need("WINDOW")
	if r.Peek().IsName() && !r.At(1).Is("(") { // ksqlDB: WINDOW name TUMBLING (…)
		r.I++
	}
	switch {
	case r.Take("TUMBLING"):
	case r.Take("HOPPING"):
		w.Kind = ast.Hopping
	case r.Take("SESSION"):
		w.Kind = ast.Session
	default:
		r.Unexpected()
	}
	r.NeedOp("(")
	if w.Kind != ast.Session {
		r.Need("SIZE")
	}
	w.Size = r.Duration()
	for r.TakeOp(",") {
		into := &w.Retain
		switch {
		case r.Take("ADVANCE", "BY") && w.Kind == ast.Hopping:
			into = &w.Advance
		case r.Take("RETENTION"):
		case r.Take("GRACE", "PERIOD"):
			into = &w.Grace
		default:
			r.Unexpected()
		}
		if *into != nil {
			r.Unexpected()
		}
		*into = r.Duration()
	}
	if w.Kind == ast.Hopping && w.Advance == nil {
		r.Unexpected()
	}
	r.NeedOp(")")
	return w
}

// windowSpec rewrites (ref PARTITION BY … ORDER BY … frame).
func (r *rewriter) windowSpec() {
	r.NeedOp("(")
	r.put("(")
	if t := r.Peek(); t.Kind == token.Quoted || t.Kind == token.Word && !r.Word("PARTITION", "BY") && !r.Word("ORDER", "BY") &&
		!r.OneOf("ROWS", "RANGE", "GROUPS") {
		r.ident((*token.Cursor).Name)
	}
	if r.Take("PARTITION", "BY") {
		r.put("PARTITION BY")
		r.exprList()
	}
	sep := "ORDER BY"
	if r.Take("ORDER", "BY") {
		r.put(sep)
		r.orderList()
		sep = ","
	}
	frame := len(r.pieces)
	if r.OneOf("ROWS", "RANGE", "GROUPS") {
		r.copy(r.Peek().Val)
		if r.Take("BETWEEN") {
			r.put("BETWEEN")
			r.bound()
			r.Need("AND")
			r.put("AND")
		}
		r.bound()
		if x := r.exclude(); x != ast.ExcludeNoOthers { // MySQL has none: a marked item of ORDER BY
			k := len(r.pieces)
			r.put(sep)
			r.tag(tagExclude, int(x))
			r.index(0)
			mark := slices.Clone(r.pieces[k:])
			r.pieces = slices.Insert(r.pieces[:k], frame, mark...)
		}
	}
	r.NeedOp(")")
	r.put(")")
}

func (r *rewriter) exclude() ast.FrameExclude {
	if !r.Take("EXCLUDE") {
		return ast.ExcludeNoOthers
	}
	switch {
	case r.Take("CURRENT", "ROW"):
		return ast.ExcludeCurrentRow
	case r.Take("GROUP"):
		return ast.ExcludeGroup
	case r.Take("TIES"):
		return ast.ExcludeTies
	}
	r.Need("NO", "OTHERS")
	return ast.ExcludeNoOthers
}

func (r *rewriter) bound() {
	switch {
	case r.Word("CURRENT", "ROW"):
		r.put("CURRENT ROW")
		r.I += 2
		return
	case r.Word("UNBOUNDED"):
		r.copy("UNBOUNDED")
	default:
		r.put("INTERVAL") // the one form that takes any expression; its unit means nothing
		r.expr(classOther)
		r.put("DAY")
	}
	if !r.OneOf("PRECEDING", "FOLLOWING") {
		r.Unexpected()
	}
	r.copy(r.Peek().Val)
}
