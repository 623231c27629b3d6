package plan

import (
	"github.com/weirdb/weir/internal/fn"
	"github.com/weirdb/weir/internal/vec"
)

// An Expr is a bound, typed scalar expression over the columns of the node
// that it stands in.
type Expr interface {
	Type() vec.Type
	String() string
	expr()
}

type (
	// Col is column Index of the input.
	Col struct {
		Index int
		Name  string // for printing
		T     vec.Type
	}
	// Outer is column Index of the row for which the enclosing subquery is
	// evaluated, Level subqueries out (0 is the innermost).
	Outer struct {
		Level, Index int
		Name         string
		T            vec.Type
	}
	// Const is a literal.
	Const struct {
		Value vec.Value
		T     vec.Type
	}
	// Param is $N of the extended protocol, N from 1.
	Param struct {
		N int
		T vec.Type
	}
	// Call applies a function, operator or cast.
	Call struct {
		Fn   *fn.Func
		Args []Expr // lambdas stand here as *Lambda
		T    vec.Type
		Pos  int // offset in the statement, for run-time errors; -1 unknown
	}
	// Logic is AND or OR over two or more operands in three-valued logic; later
	// operands are evaluated only for rows that earlier ones leave open.
	Logic struct {
		Or   bool
		Args []Expr
	}
	// Case is the searched form. A branch is evaluated only for rows that reach it.
	Case struct {
		Whens []When
		Else  Expr // nil is NULL
		T     vec.Type
	}
	// When is a branch of a Case.
	When struct{ Cond, Then Expr }
	// Coalesce is the first argument that is not null, evaluated lazily.
	Coalesce struct {
		Args []Expr
		T    vec.Type
	}
	// IsNull is X IS [NOT] NULL.
	IsNull struct {
		X   Expr
		Not bool
	}
	// In is X IN (constants): List holds the values of X's type, nulls left
	// out; HasNull makes a miss NULL instead of false.
	In struct {
		X       Expr
		List    []vec.Value
		HasNull bool
		Not     bool
	}
	// Struct makes a struct, field by field.
	Struct struct {
		Args []Expr
		T    vec.Type
	}
	// Array makes an array, element by element.
	Array struct {
		Args []Expr
		T    vec.Type
	}
	// MapOf makes a map from keys and values.
	MapOf struct {
		Keys, Values []Expr
		T            vec.Type
	}
	// FieldOf is field Index of the struct X.
	FieldOf struct {
		X     Expr
		Index int
		T     vec.Type
	}
	// Lambda is a function argument. Its parameters are LambdaParams in Body; a
	// Col there is one of the row around the outermost lambda.
	Lambda struct {
		Params []string
		Body   Expr
	}
	// LambdaParam is a parameter of the innermost-but-Level lambda.
	LambdaParam struct {
		Level, Index int
		Name         string
		T            vec.Type
	}
	// Subquery is a query used as a value. Its plan may hold Outer references.
	Subquery struct {
		Kind SubqueryKind
		Plan Node
		// X and Op are the left side of IN, ANY and ALL: X Op row.
		X  Expr
		Op *fn.Func
		T  vec.Type
		// Correlated tells that Plan holds Outer references of level 0.
		Correlated bool
	}
)

// SubqueryKind says what a subquery's rows mean as a value.
type SubqueryKind uint8

const (
	Scalar  SubqueryKind = iota // the one value of at most one row
	Exists                      // whether there is a row
	Any                         // whether X Op row holds for some row (IN)
	All                         // whether X Op row holds for every row
	ArrayOf                     // all rows, as an array
)

func (e *Col) Type() vec.Type         { return e.T }
func (e *Outer) Type() vec.Type       { return e.T }
func (e *Const) Type() vec.Type       { return e.T }
func (e *Param) Type() vec.Type       { return e.T }
func (e *Call) Type() vec.Type        { return e.T }
func (*Logic) Type() vec.Type         { return vec.Of(vec.Bool) }
func (e *Case) Type() vec.Type        { return e.T }
func (e *Coalesce) Type() vec.Type    { return e.T }
func (*IsNull) Type() vec.Type        { return vec.Of(vec.Bool) }
func (*In) Type() vec.Type            { return vec.Of(vec.Bool) }
func (e *Struct) Type() vec.Type      { return e.T }
func (e *Array) Type() vec.Type       { return e.T }
func (e *MapOf) Type() vec.Type       { return e.T }
func (e *FieldOf) Type() vec.Type     { return e.T }
func (e *Lambda) Type() vec.Type      { return e.Body.Type() }
func (e *LambdaParam) Type() vec.Type { return e.T }
func (e *Subquery) Type() vec.Type    { return e.T }

func (*Col) expr()         {}
func (*Outer) expr()       {}
func (*Const) expr()       {}
func (*Param) expr()       {}
func (*Call) expr()        {}
func (*Logic) expr()       {}
func (*Case) expr()        {}
func (*Coalesce) expr()    {}
func (*IsNull) expr()      {}
func (*In) expr()          {}
func (*Struct) expr()      {}
func (*Array) expr()       {}
func (*MapOf) expr()       {}
func (*FieldOf) expr()     {}
func (*Lambda) expr()      {}
func (*LambdaParam) expr() {}
func (*Subquery) expr()    {}
