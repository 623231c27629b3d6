package ast

// Expr is an expression: one of the types of this file.
type Expr interface {
	Node
	expr()
}

type (
	// Column is a name that stands for a value: a, t.a, s.t.a, d.s.t.a. In a
	// lambda's body it may be a parameter, and t.a may be a field of column t.
	Column struct {
		P
		Parts []Name
	}
	// Star is * or t.*, as a select item or as the argument of count(*).
	Star struct {
		P
		Qual []Name
	}
	// Number is a numeric literal as written, without a sign.
	Number struct {
		P
		Text string
	}
	// String is a character literal of any form, decoded.
	String struct {
		P
		V string
	}
	// Bits is B'01' or X'1F': V is "b01" or "x1F".
	Bits struct {
		P
		V string
	}
	// Bool is TRUE or FALSE.
	Bool struct {
		P
		V bool
	}
	// Null is NULL.
	Null struct{ P }
	// Default is DEFAULT in INSERT and UPDATE.
	Default struct{ P }
	// Param is $N, N from 1.
	Param struct {
		P
		N int
	}
	// Var is ksqlDB's ${Name}, if it was not replaced in the text.
	Var struct {
		P
		Name string
	}
	// Typed is a literal of a named type: DATE '2024-01-01', INTERVAL '1' DAY.
	Typed struct {
		P
		Type Type
		V    string
		Unit string // of an interval: "DAY", "DAY TO SECOND"
	}
	// Unary is NOT x, -x, +x or ~x.
	Unary struct {
		P
		Op string
		X  Expr
	}
	// Binary is any operator between two operands: arithmetic, comparison, AND, OR,
	// ||, ~, ->, IS DISTINCT FROM, IS NOT DISTINCT FROM, OVERLAPS and so on. Op is as
	// written, words in upper case, and "<>" for "!=".
	Binary struct {
		P
		Op   string
		L, R Expr
	}
	// Is is x IS [NOT] NULL, TRUE, FALSE or UNKNOWN.
	Is struct {
		P
		X    Expr
		What IsWhat
		Not  bool
	}
	// Between is x [NOT] BETWEEN [SYMMETRIC] lo AND hi.
	Between struct {
		P
		X, Lo, Hi      Expr
		Not, Symmetric bool
	}
	// In is x [NOT] IN (list) or, if Query is not nil, x [NOT] IN (query).
	In struct {
		P
		X     Expr
		List  []Expr
		Query Query
		Not   bool
	}
	// Like is x [NOT] LIKE pattern [ESCAPE esc] and its relatives.
	Like struct {
		P
		Kind        LikeKind
		X, Pat, Esc Expr // Esc is nil if there is no ESCAPE
		Not         bool
	}
	// Quant is l op ANY (r) or, if Query is not nil, l op ANY (query); All for ALL.
	// Op may also be "LIKE", "NOT LIKE", "ILIKE" and "NOT ILIKE".
	Quant struct {
		P
		Op    string
		L     Expr
		All   bool
		R     Expr
		Query Query
	}
	// Case is CASE [x] WHEN … END; X and Else may be nil.
	Case struct {
		P
		X     Expr
		Whens []When
		Else  Expr
	}
	// Cast is CAST(x AS t) or x::t; Try for TRY_CAST, which gives NULL for an error.
	Cast struct {
		P
		X   Expr
		T   Type
		Try bool
	}
	// Call is a function call, an aggregate or a window function. Functions with
	// keywords among their arguments are what PostgreSQL's grammar makes of them:
	// EXTRACT(f FROM x) is extract('f', x), POSITION(a IN b) is position(b, a),
	// SUBSTRING(x FROM a FOR b) is substring(x, a, b), TRIM(LEADING c FROM x) is
	// ltrim(x, c), OVERLAY(x PLACING y FROM a FOR b) is overlay(x, y, a, b).
	Call struct {
		P
		Name        []Name
		Args        []Expr
		Distinct    bool
		Variadic    bool // VARIADIC before the last argument
		NoParens    bool // CURRENT_DATE and its like, without parentheses
		OrderBy     []Order
		WithinGroup []Order
		Filter      Expr
		Over        *Window
		IgnoreNulls bool
	}
	// NamedArg is name => x in a function of PostgreSQL's. The parser gives a Lambda
	// of one parameter for it, because ksqlDB's x => e looks the same; the planner,
	// who knows the function, tells them apart. See Lambda.AsNamedArg.
	NamedArg struct {
		P
		Name Name
		X    Expr
	}
	// Lambda is (x, y) => body or x => body.
	Lambda struct {
		P
		Params []Name
		Body   Expr
	}
	// Array is ARRAY[a, b].
	Array struct {
		P
		Elems []Expr
	}
	// ArrayQ is ARRAY(query).
	ArrayQ struct {
		P
		Query Query
	}
	// MapLit is MAP(k := v, …).
	MapLit struct {
		P
		Keys, Vals []Expr
	}
	// StructLit is STRUCT(n := v, …).
	StructLit struct {
		P
		Names []Name
		Vals  []Expr
	}
	// Row is (a, b) or, Explicit, ROW(a, b).
	Row struct {
		P
		Elems    []Expr
		Explicit bool
	}
	// Index is x[i].
	Index struct {
		P
		X, I Expr
	}
	// Slice is x[lo:hi]; Lo and Hi may be nil.
	Slice struct {
		P
		X, Lo, Hi Expr
	}
	// Field is x->name and (x).name, or with Star x->* and (x).*.
	Field struct {
		P
		X    Expr
		Name Name
		Star bool
	}
	// AtZone is x AT TIME ZONE zone.
	AtZone struct {
		P
		X, Zone Expr
	}
	// Collate is x COLLATE name.
	Collate struct {
		P
		X    Expr
		Name []Name
	}
	// Sub is (query) as a value, or EXISTS (query).
	Sub struct {
		P
		Query  Query
		Exists bool
	}
)

// When is one WHEN cond THEN then.
type When struct{ Cond, Then Expr }

// AsNamedArg gives l as name => x, if it has one parameter.
func (l *Lambda) AsNamedArg() (*NamedArg, bool) {
	if len(l.Params) != 1 {
		return nil, false
	}
	return &NamedArg{P: l.P, Name: l.Params[0], X: l.Body}, true
}

// IsWhat is what IS asks for.
type IsWhat uint8

const (
	IsNull IsWhat = iota
	IsTrue
	IsFalse
	IsUnknown
)

func (w IsWhat) String() string { return [...]string{"NULL", "TRUE", "FALSE", "UNKNOWN"}[w] }

// LikeKind tells the pattern languages apart.
type LikeKind uint8

const (
	LikePattern LikeKind = iota // LIKE
	ILike                       // ILIKE: LIKE without regard to case
	SimilarTo                   // SIMILAR TO
)

func (k LikeKind) String() string { return [...]string{"LIKE", "ILIKE", "SIMILAR TO"}[k] }

// Order is one item of ORDER BY.
type Order struct {
	X     Expr
	Desc  bool
	Nulls NullsOrder
	Using string // the operator of ORDER BY x USING op
}

// NullsOrder is NULLS FIRST or LAST.
type NullsOrder uint8

const (
	NullsDefault NullsOrder = iota // last if ascending, first if descending
	NullsFirst
	NullsLast
)

func (n NullsOrder) String() string { return [...]string{"", "NULLS FIRST", "NULLS LAST"}[n] }

// Window is a window of window functions: OVER (…), OVER name, WINDOW name AS (…).
type Window struct {
	Name      Name // of WINDOW name AS, or of OVER name
	Ref       Name // the window this one builds on: OVER (ref …)
	Partition []Expr
	OrderBy   []Order
	Frame     *Frame
}

// Frame is the frame clause; To has Kind CurrentRow if it was not written.
type Frame struct {
	Unit     FrameUnit
	From, To Bound
	Exclude  FrameExclude
}

// FrameUnit is ROWS, RANGE or GROUPS.
type FrameUnit uint8

const (
	Rows FrameUnit = iota
	Range
	Groups
)

func (u FrameUnit) String() string { return [...]string{"ROWS", "RANGE", "GROUPS"}[u] }

// FrameExclude is the EXCLUDE of a frame.
type FrameExclude uint8

const (
	ExcludeNoOthers FrameExclude = iota
	ExcludeCurrentRow
	ExcludeGroup
	ExcludeTies
)

func (e FrameExclude) String() string {
	return [...]string{"NO OTHERS", "CURRENT ROW", "GROUP", "TIES"}[e]
}

// Bound is one end of a frame; X is set for Preceding and Following.
type Bound struct {
	Kind BoundKind
	X    Expr
}

// BoundKind is where a frame begins or ends, in the order of rows.
type BoundKind uint8

const (
	UnboundedPreceding BoundKind = iota
	Preceding
	CurrentRow
	Following
	UnboundedFollowing
)

func (k BoundKind) String() string {
	return [...]string{"UNBOUNDED PRECEDING", "PRECEDING", "CURRENT ROW", "FOLLOWING", "UNBOUNDED FOLLOWING"}[k]
}

func (*Column) expr()    {}
func (*Star) expr()      {}
func (*Number) expr()    {}
func (*String) expr()    {}
func (*Bits) expr()      {}
func (*Bool) expr()      {}
func (*Null) expr()      {}
func (*Default) expr()   {}
func (*Param) expr()     {}
func (*Var) expr()       {}
func (*Typed) expr()     {}
func (*Unary) expr()     {}
func (*Binary) expr()    {}
func (*Is) expr()        {}
func (*Between) expr()   {}
func (*In) expr()        {}
func (*Like) expr()      {}
func (*Quant) expr()     {}
func (*Case) expr()      {}
func (*Cast) expr()      {}
func (*Call) expr()      {}
func (*NamedArg) expr()  {}
func (*Lambda) expr()    {}
func (*Array) expr()     {}
func (*ArrayQ) expr()    {}
func (*MapLit) expr()    {}
func (*StructLit) expr() {}
func (*Row) expr()       {}
func (*Index) expr()     {}
func (*Slice) expr()     {}
func (*Field) expr()     {}
func (*AtZone) expr()    {}
func (*Collate) expr()   {}
func (*Sub) expr()       {}
