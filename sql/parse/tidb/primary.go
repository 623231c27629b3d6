package tidb

import (
	"slices"
	"strconv"
	"strings"

	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/sql/ast"
	"github.com/weirdb/weir/sql/token"
)

// niladic are the functions that SQL calls without parentheses.
var niladic = map[string]bool{
	"CURRENT_DATE": true, "CURRENT_TIME": true, "CURRENT_TIMESTAMP": true, "LOCALTIME": true, "LOCALTIMESTAMP": true, "CURRENT_USER": true,
	"SESSION_USER": true, "CURRENT_ROLE": true, "CURRENT_CATALOG": true, "CURRENT_SCHEMA": true, "USER": true,
}

// primary rewrites one primary; it says whether it was a function call.
func (r *rewriter) primary() (call bool) {
	t, pos := r.Peek(), r.Pos()
	switch t.Kind {
	case token.Number:
		r.leaf(&ast.Number{P: pos, Text: t.Text}, 1)
		return false
	case token.String:
		r.leaf(&ast.String{P: pos, V: t.Val}, 1)
		return false
	case token.Bits:
		r.leaf(&ast.Bits{P: pos, V: t.Val}, 1)
		return false
	case token.Var:
		r.leaf(&ast.Var{P: pos, Name: t.Val}, 1)
		return false
	case token.Param:
		n, err := strconv.Atoi(t.Val)
		if err != nil || n < 1 || n > 65535 {
			r.Fail(pgerr.UndefinedParameter, "there is no parameter $%s", t.Val)
		}
		r.leaf(&ast.Param{P: pos, N: n}, 1)
		return false
	case token.Op:
		r.bracketed()
		return false
	case token.EOF:
		r.Unexpected()
	}
	if t.Kind == token.Word {
		if done, call := r.special(); done {
			return call
		}
		if t.Reserved(r.Dialect) && !(r.At(1).Is("(") && (t.Val == "LEFT" || t.Val == "RIGHT")) {
			r.Unexpected()
		}
	}
	return r.nameOrCall()
}

// bracketed rewrites a primary that begins with a parenthesis or bracket.
func (r *rewriter) bracketed() {
	switch {
	case r.opensQuery():
		r.subquery()
	case r.Is("(") && r.At(1).Is(")"):
		r.leaf(&ast.Row{P: r.Pos()}, 2)
	case r.Is("("):
		r.copy("(")
		r.exprList()
		r.NeedOp(")")
		r.put(")")
	case r.Is("["): // inside ARRAY[[1, 2], [3, 4]]
		r.array()
	default:
		r.Unexpected()
	}
}

// nameOrCall rewrites a, a.b, a.b.c, a.*, f(…) and s.f(…).
func (r *rewriter) nameOrCall() (call bool) {
	t, pos := r.Peek(), r.Pos()
	n := 0
	for r.At(n+1).Is(".") && r.At(n+2).IsName() {
		n += 2
	}
	if r.At(n+1).Is(".") && r.At(n+2).Is("*") {
		r.leaf(r.qualifiedStar(n), n+3)
		return false
	}
	path := make([]ast.Name, 0, n/2+1)
	for k := 0; k <= n; k += 2 {
		path = append(path, r.At(k).Name(r.Dialect))
	}
	if !r.At(n + 1).Is("(") {
		r.name(namedThing{pos: pos, path: path})
		r.I += n + 1
		return false
	}
	if n == 0 && t.Kind == token.Word {
		if rewrite := keywordCalls[t.Val]; rewrite != nil {
			rewrite(r, pos)
			return true
		}
	}
	r.name(namedThing{pos: pos, path: path})
	r.I += n + 2
	r.put("(")
	r.args()
	return true
}

// function writes the name of a function and the opening parenthesis.
func (r *rewriter) function(pos ast.P, f string) {
	r.name(namedThing{pos: pos, path: []ast.Name{{S: r.Dialect.Fold(f)}}})
	r.put("(")
}

// args rewrites arguments after the opening parenthesis, through the closing one.
func (r *rewriter) args() {
	call := len(r.pieces) - 2
	if r.TakeOp(")") {
		r.put(")")
		return
	}
	if r.Is("*") && r.At(1).Is(")") {
		r.leaf(&ast.Star{P: r.Pos()}, 1)
		r.copy(")")
		return
	}
	if r.Take("DISTINCT") {
		r.tag(tagDistinct, 0)
	} else {
		r.Take("ALL")
	}
	for {
		variadic := r.Take("VARIADIC")
		if variadic {
			r.tag(tagVariadic, 0)
		}
		r.arg()
		if variadic || !r.TakeOp(",") {
			break
		}
		r.put(",")
	}
	if r.Take("ORDER", "BY") {
		r.put(") ORDER BY")
		r.wrap(call, "GROUP_CONCAT( ")
		r.orderList()
	}
	r.NeedOp(")")
	r.put(")")
}

// arg rewrites an expression, a lambda (ksqlDB) or a named argument (PostgreSQL);
// the last two look alike.
func (r *rewriter) arg() {
	var params []ast.Name
	n := 0
	switch {
	case r.Peek().IsName() && (r.At(1).Is("=>") || r.At(1).Is(":=")):
		params, n = []ast.Name{r.Peek().Name(r.Dialect)}, 2
	case r.Is("("):
		k := 1
		for r.At(k).IsName() {
			params = append(params, r.At(k).Name(r.Dialect))
			k++
			if !r.At(k).Is(",") {
				break
			}
			k++
		}
		if len(params) > 0 && r.At(k).Is(")") && r.At(k+1).Is("=>") {
			n = k + 2
		}
	}
	if n == 0 {
		r.expr(0)
		return
	}
	r.Nest()
	defer r.Unnest()
	r.tag(tagLambda, len(r.lists))
	r.lists = append(r.lists, params)
	r.I += n
	r.arg()
}

func (r *rewriter) array() {
	r.NeedOp("[")
	r.put(markArray + " (")
	if !r.Is("]") {
		r.exprList()
	}
	r.NeedOp("]")
	r.put(")")
}

// special rewrites the primaries that begin with a keyword.
func (r *rewriter) special() (done, call bool) {
	t, pos, paren := r.Peek(), r.Pos(), r.At(1).Is("(")
	switch t.Val {
	case "TRUE", "FALSE":
		r.leaf(&ast.Bool{P: pos, V: t.Val == "TRUE"}, 1)
		return true, false
	case "NULL":
		r.leaf(&ast.Null{P: pos}, 1)
		return true, false
	case "DEFAULT":
		r.leaf(&ast.Default{P: pos}, 1)
		return true, false
	case "EXISTS":
		if paren {
			r.copy("EXISTS")
			r.subquery()
			return true, false
		}
	case "CASE":
		r.caseExpr()
		return true, false
	case "CAST", "TRY_CAST":
		if paren {
			mark := markCast
			if t.Val == "TRY_CAST" {
				mark = markTryCast
			}
			r.put(mark + " (")
			r.I += 2
			r.expr(0)
			r.Need("AS")
			r.cast()
			r.NeedOp(")")
			return true, false
		}
	case "ARRAY":
		switch {
		case r.At(1).Is("["):
			r.I++
			r.array()
			return true, false
		case paren && r.startsQuery(2):
			r.put(markArrayQuery + " (")
			r.I++
			r.subquery()
			r.put(")")
			return true, false
		}
	case "MAP", "STRUCT":
		if paren {
			r.pairs(t.Val == "STRUCT")
			return true, false
		}
	case "ROW":
		if paren {
			r.put(markRow + " (")
			r.I += 2
			if !r.Is(")") {
				r.exprList()
			}
			r.NeedOp(")")
			r.put(")")
			return true, false
		}
	}
	if r.Dialect == ast.Postgres && niladic[t.Val] && !paren && !r.At(1).Is(".") {
		r.leaf(&ast.Call{P: pos, Name: []ast.Name{{S: r.Dialect.Fold(t.Val)}}, NoParens: true}, 1)
		return true, true
	}
	if !t.Reserved(r.Dialect) && r.typedLiteral() {
		return true, false
	}
	return false, false
}

// caseExpr rewrites CASE … END.
func (r *rewriter) caseExpr() {
	r.copy("CASE")
	if !r.Word("WHEN") {
		r.expr(0)
	}
	for r.Word("WHEN") {
		r.copy("WHEN")
		r.expr(0)
		r.Need("THEN")
		r.put("THEN")
		r.expr(0)
	}
	if r.Word("ELSE") {
		r.copy("ELSE")
		r.expr(0)
	}
	r.Need("END")
	r.put("END")
}

// pairs rewrites MAP(k := v, …) and STRUCT(n := v, …).
func (r *rewriter) pairs(named bool) {
	mark := markMap
	if named {
		mark = markStruct
	}
	r.put(mark + " (")
	r.I += 2
	for !r.Is(")") {
		if named {
			r.index(len(r.names))
			r.names = append(r.names, namedThing{pos: r.Pos(), path: []ast.Name{r.Label()}})
		} else {
			r.expr(0)
		}
		r.NeedOp(":=")
		r.put(",")
		r.expr(0)
		if !r.TakeOp(",") {
			break
		}
		r.put(",")
	}
	r.NeedOp(")")
	r.put(")")
}

// typedLiteral rewrites type 'literal', if that comes next: DATE '2024-01-01',
// numeric(10,2) '1.5', timestamp(3) with time zone '…', pg_catalog.int4 '1'.
func (r *rewriter) typedLiteral() bool {
	n := 1
	if r.At(n).Is(".") && r.At(n+1).IsName() {
		n += 2
	}
	if r.OneOf("DOUBLE", "CHARACTER", "CHAR", "BIT", "NCHAR") && (r.At(n).Word("PRECISION") || r.At(n).Word("VARYING")) {
		n++
	}
	if r.At(n).Is("(") {
		for n++; r.At(n).Kind == token.Number || r.At(n).Is(","); n++ {
		}
		if !r.At(n).Is(")") {
			return false
		}
		n++
	}
	if (r.At(n).Word("WITH") || r.At(n).Word("WITHOUT")) && r.At(n+1).Word("TIME") && r.At(n+2).Word("ZONE") {
		n += 3
	}
	if r.At(n).Kind != token.String {
		return false
	}
	x := &ast.Typed{P: r.Pos(), Type: r.Type()}
	x.V = r.Text()
	if x.Type.Word() == "INTERVAL" {
		x.Unit = r.IntervalUnit()
	}
	r.I--
	r.leaf(x, 1)
	return true
}

// keywordCalls are the functions with keywords among their arguments. They are
// written as PostgreSQL's grammar takes them apart.
var keywordCalls map[string]func(*rewriter, ast.P)

func init() { // the functions refer back to the table through expr
	keywordCalls = map[string]func(*rewriter, ast.P){
		"EXTRACT": (*rewriter).extract, "POSITION": (*rewriter).position, "SUBSTRING": (*rewriter).substring,
		"TRIM": (*rewriter).trim, "OVERLAY": (*rewriter).overlay,
	}
}

// extract rewrites EXTRACT(field FROM x) as extract('field', x).
func (r *rewriter) extract(pos ast.P) {
	r.function(pos, "extract")
	r.I += 2
	if t := r.Peek(); (t.IsName() || t.Kind == token.String) && r.At(1).Word("FROM") {
		field := t.Val
		if t.Kind == token.Word {
			field = strings.ToLower(t.Val)
		}
		r.leaf(&ast.String{P: r.Pos(), V: field}, 2)
		r.put(",")
		r.expr(0)
		r.NeedOp(")")
		r.put(")")
		return
	}
	r.args()
}

// position rewrites POSITION(a IN b) as position(b, a).
func (r *rewriter) position(pos ast.P) {
	r.function(pos, "position")
	r.I += 2
	start := len(r.pieces)
	r.expr(classOther)
	if !r.Take("IN") { // an ordinary call
		for r.TakeOp(",") {
			r.put(",")
			r.expr(0)
		}
		r.NeedOp(")")
		r.put(")")
		return
	}
	a := slices.Clone(r.pieces[start:])
	r.pieces = r.pieces[:start]
	r.expr(classOther)
	r.put(",")
	r.pieces = append(r.pieces, a...)
	r.NeedOp(")")
	r.put(")")
}

// substring rewrites SUBSTRING(x FROM a FOR b) as substring(x, a, b), without a with
// a 1, and SUBSTRING(x SIMILAR p ESCAPE e) as substring(x, p, e).
func (r *rewriter) substring(pos ast.P) {
	r.function(pos, "substring")
	r.I += 2
	if r.TakeOp(")") {
		r.put(")")
		return
	}
	r.expr(0)
	switch {
	case r.Take("SIMILAR"):
		r.put(",")
		r.expr(0)
		r.Need("ESCAPE")
		r.put(",")
		r.expr(0)
	case r.Take("FROM"):
		r.put(",")
		r.expr(0)
		if r.Take("FOR") {
			r.put(",")
			r.expr(0)
		}
	case r.Take("FOR"):
		r.put(",")
		start := len(r.pieces)
		r.expr(0)
		length := slices.Clone(r.pieces[start:])
		r.pieces = r.pieces[:start]
		if r.Take("FROM") {
			r.expr(0)
		} else {
			r.leaf(&ast.Number{P: pos, Text: "1"}, 0)
		}
		r.put(",")
		r.pieces = append(r.pieces, length...)
	default:
		for r.TakeOp(",") {
			r.put(",")
			r.expr(0)
		}
	}
	r.NeedOp(")")
	r.put(")")
}

// trim rewrites TRIM([BOTH | LEADING | TRAILING] [c] FROM x) as btrim, ltrim or
// rtrim(x, c). Plain TRIM(x) is ksqlDB's own function in its dialect.
func (r *rewriter) trim(pos ast.P) {
	f := "btrim"
	where := r.At(2)
	switch {
	case where.Word("LEADING"):
		f = "ltrim"
	case where.Word("TRAILING"):
		f = "rtrim"
	case !where.Word("BOTH") && r.Dialect == ast.KSQL:
		f = "trim"
	}
	r.function(pos, f)
	r.I += 2
	if f == "ltrim" || f == "rtrim" || where.Word("BOTH") {
		r.I++
	}
	start := len(r.pieces)
	var chars []piece
	if !r.Word("FROM") {
		r.exprList()
	}
	if r.Take("FROM") {
		chars = slices.Clone(r.pieces[start:])
		r.pieces = r.pieces[:start]
		r.exprList()
	}
	if len(chars) > 0 {
		r.put(",")
		r.pieces = append(r.pieces, chars...)
	}
	r.NeedOp(")")
	r.put(")")
}

// overlay rewrites OVERLAY(x PLACING y FROM a FOR b) as overlay(x, y, a, b).
func (r *rewriter) overlay(pos ast.P) {
	r.function(pos, "overlay")
	r.I += 2
	r.expr(0)
	for r.Take("PLACING") || r.Take("FROM") || r.Take("FOR") || r.TakeOp(",") {
		r.put(",")
		r.expr(0)
	}
	r.NeedOp(")")
	r.put(")")
}
