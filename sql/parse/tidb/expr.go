package tidb

import (
	"github.com/weirdb/weir/sql/ast"
	"github.com/weirdb/weir/sql/token"
)

// Classes of operators; a higher one binds tighter. The numbers follow PostgreSQL's
// order (manual, 4.1.6), which ksqlDB shares where it has the operators.
const (
	classLogic   = 1 // AND, OR
	classIs      = 2 // IS …, IS DISTINCT FROM
	classCompare = 3 // = < > …
	classLike    = 4 // LIKE, IN, BETWEEN
	classOther   = 5 // || ~ -> @> …: every other operator
	classArith   = 6 // + - * / % ^
	classZone    = 7 // AT TIME ZONE
	classPrimary = 8 // postfix: [] :: -> . COLLATE
)

// infix is an operator between two operands: how many tokens it takes, what the user
// wrote and what MySQL is given. Where the two differ, the latter is of the same rank.
type infix struct {
	class, n int
	op, my   string
}

// infix looks at the operator that comes next; n is 0 if there is none.
func (r *rewriter) infix() infix {
	switch t := r.Peek(); t.Kind {
	case token.Op:
		switch t.Text {
		case "=", "<", ">", "<=", ">=", "<>":
			return infix{classCompare, 1, t.Text, t.Text}
		case "!=":
			return infix{classCompare, 1, "<>", "<>"}
		case "+", "-", "*", "/", "%", "^":
			return infix{classArith, 1, t.Text, t.Text}
		case "(", ")", ",", ";", "[", "]", ".", "{", "}", ":", ":=", "=>", "::":
			return infix{}
		case "->":
			if r.At(1).IsName() || r.At(1).Is("*") {
				return infix{} // field access is a postfix
			}
		}
		return infix{classOther, 1, t.Text, "|"}
	case token.Word:
		switch t.Val {
		case "AND", "OR":
			return infix{classLogic, 1, t.Val, t.Val}
		case "OPERATOR":
			if r.At(1).Is("(") {
				k := 2
				for r.At(k).IsName() && r.At(k+1).Is(".") {
					k += 2
				}
				if r.At(k).Kind != token.Op || !r.At(k+1).Is(")") {
					r.Skip(k)
					r.Unexpected()
				}
				return infix{classOther, k + 2, r.At(k).Text, "|"}
			}
		case "OVERLAPS":
			return infix{classOther, 1, t.Val, "|"}
		case "AT":
			if r.Word("AT", "TIME", "ZONE") {
				return infix{classZone, 3, "AT TIME ZONE", "||"}
			}
		}
	}
	return infix{}
}

// expr rewrites an expression up to the first token that cannot go on it at the given
// class or above.
func (r *rewriter) expr(min int) {
	r.Nest()
	defer r.Unnest()
	for {
		r.operand()
		for {
			again, more := r.predicate(min)
			if !more {
				return
			}
			if again {
				break // an infix operator was written: another operand follows
			}
		}
	}
}

func (r *rewriter) exprList() {
	for {
		r.expr(0)
		if !r.TakeOp(",") {
			return
		}
		r.put(",")
	}
}

// predicate rewrites what follows an operand. again: an operand must follow; more:
// something was rewritten.
func (r *rewriter) predicate(min int) (again, more bool) {
	if o := r.infix(); o.n > 0 {
		if o.class < min {
			return false, false
		}
		r.put(o.my)
		r.Skip(o.n)
		if o.my != o.op {
			r.mark(o.op)
		}
		if o.class >= classCompare && o.class <= classArith && r.OneOf("ANY", "SOME", "ALL") && r.At(1).Is("(") {
			r.quantified()
			return false, true
		}
		return true, true
	}
	if r.Peek().Kind != token.Word {
		return false, false
	}
	not, n := "", 0
	if r.Word("NOT") {
		not, n = "NOT ", 1
	}
	switch t := r.At(n); {
	case t.Word("IS"), t.Word("ISNULL"), t.Word("NOTNULL"):
		if min > classIs || n > 0 {
			return false, false
		}
		r.is()
		return false, true
	}
	if min > classLike {
		return false, false
	}
	switch t := r.At(n); {
	case t.Word("IN"):
		r.Skip(n + 1)
		r.put(not + "IN")
		if r.opensQuery() {
			r.subquery()
			return false, true
		}
		r.NeedOp("(")
		r.put("(")
		r.exprList()
		r.NeedOp(")")
		r.put(")")
	case t.Word("LIKE"), t.Word("ILIKE"), t.Word("SIMILAR"):
		r.Skip(n)
		r.like(not)
	case t.Word("BETWEEN"):
		r.Skip(n + 1)
		r.put(not + "BETWEEN")
		r.Take("ASYMMETRIC")
		if r.Take("SYMMETRIC") {
			r.mark("SYMMETRIC")
		}
		r.expr(classOther)
		r.Need("AND")
		r.put("AND")
		r.expr(classOther)
	default:
		return false, false
	}
	return false, true
}

// is rewrites IS [NOT] …, ISNULL and NOTNULL.
func (r *rewriter) is() {
	switch {
	case r.Word("ISNULL"):
		r.copy("IS NULL")
		return
	case r.Word("NOTNULL"):
		r.copy("IS NOT NULL")
		return
	}
	r.Need("IS")
	is := "IS "
	if r.Take("NOT") {
		is = "IS NOT "
	}
	switch {
	case r.Take("DISTINCT", "FROM"):
		r.put("<=>")
		r.mark(is + "DISTINCT FROM")
		r.put("(")
		r.expr(classIs + 1)
		r.put(")")
	case r.OneOf("NULL", "TRUE", "FALSE", "UNKNOWN"):
		r.copy(is + r.Peek().Val)
	default:
		r.Unexpected()
	}
}

// like rewrites LIKE, ILIKE and SIMILAR TO, which in MySQL take only a simple
// expression, hence the parentheses.
func (r *rewriter) like(not string) {
	my := r.Peek().Val
	r.I++
	if my == "SIMILAR" {
		r.Need("TO")
		my = "REGEXP" // not otherwise in the language
	}
	r.put(not + my)
	if r.OneOf("ANY", "ALL", "SOME") && r.At(1).Is("(") {
		r.quantified()
		return
	}
	start := len(r.pieces)
	r.put("(")
	r.expr(classOther)
	r.put(")")
	if r.Take("ESCAPE") {
		r.wrap(start, "( "+markEscape+" ( ")
		r.put(",")
		r.expr(classOther)
		r.put(") )")
	}
}

func (r *rewriter) quantified() {
	my := markAny
	if r.Word("ALL") {
		my = markAll
	}
	r.put(my + " (")
	r.I++
	if r.opensQuery() {
		r.subquery()
	} else {
		r.NeedOp("(")
		r.expr(0)
		r.NeedOp(")")
	}
	r.put(")")
}

// operand rewrites prefix operators, one primary and its postfix operators.
func (r *rewriter) operand() {
	for r.Is("-") || r.Is("+") || r.Is("~") || r.Word("NOT") {
		if r.Word("NOT") {
			r.copy("NOT")
		} else {
			r.copy(r.Peek().Text)
		}
	}
	start := len(r.pieces)
	call := r.primary()
	for r.postfix(start, &call) {
	}
}

// postfix rewrites one postfix operator of the operand whose pieces begin at start;
// call says whether that is a function call.
func (r *rewriter) postfix(start int, call *bool) bool {
	t := r.Peek()
	switch {
	case t.Is("::"):
		r.I++
		r.wrap(start, markCast+"( ")
		r.cast()
	case t.Is("["):
		r.subscript(start)
	case t.Is("->") && r.At(1).Is("*"), t.Is(".") && r.At(1).Is("*"):
		r.Skip(2)
		r.wrap(start, markFields+"( ")
		r.put(")")
	case t.Is("->") && r.At(1).IsName(), t.Is("."):
		r.I++
		r.wrap(start, markField+"( ")
		r.put(",")
		r.index(len(r.names))
		r.names = append(r.names, namedThing{pos: r.Pos(), path: []ast.Name{r.Label()}})
		r.put(")")
	case t.Word("COLLATE"):
		r.I++
		r.wrap(start, markCollate+"( ")
		r.put(",")
		r.index(len(r.names))
		r.names = append(r.names, namedThing{pos: r.Pos(), path: r.Path()})
		r.put(")")
	case !*call:
		return false
	case r.Take("WITHIN", "GROUP"):
		r.NeedOp("(")
		r.Need("ORDER", "BY")
		r.wrap(start, "GROUP_CONCAT( @`"+tagGroup+" 0` := ")
		r.put("ORDER BY")
		r.orderList()
		r.NeedOp(")")
		r.put(")")
		return true
	case r.Word("FILTER") && r.At(1).Is("("):
		r.Skip(2)
		r.Need("WHERE")
		r.wrap(start, markFilter+"( ")
		r.put(",")
		r.expr(0)
		r.NeedOp(")")
		r.put(")")
		return true
	case r.Word("IGNORE", "NULLS"):
		r.wrap(start, markIgnoreNulls+"( ")
		r.put(")")
		r.I += 2
		return true
	case r.Take("RESPECT", "NULLS"):
		return true
	case r.Take("OVER"):
		r.wrap(start, "COUNT( ") // any aggregate takes a window, and COUNT any argument
		r.put(") OVER")
		if r.Is("(") {
			r.windowSpec()
		} else {
			r.ident((*token.Cursor).Name)
		}
	default:
		return false
	}
	*call = false
	return true
}

// cast takes a type and ends a cast.
func (r *rewriter) cast() {
	r.put(",")
	r.index(len(r.types))
	r.types = append(r.types, r.Type())
	r.put(")")
}

// subscript rewrites [i], [a:b], [a:], [:b] and [:].
func (r *rewriter) subscript(start int) {
	r.NeedOp("[")
	missing := func() {
		r.tag(tagNull, 0)
		r.index(0)
	}
	r.put(",")
	mark := markIndex
	if r.Is(":") {
		missing()
	} else {
		r.expr(0)
	}
	if r.TakeOp(":") {
		mark = markSlice
		r.put(",")
		if r.Is("]") {
			missing()
		} else {
			r.expr(0)
		}
	}
	r.NeedOp("]")
	r.put(")")
	r.wrap(start, mark+"( ")
}
