// Package fn is the library of functions, operators, casts, aggregates and
// table functions: what exists, of which types, and how each is computed over
// columns. The binder looks functions up here and the engine calls them, so
// that a function's signature and its meaning stand in one place.
//
// It knows nothing of SQL text, plans, streams or storage. What depends on the
// session (time zone, now, catalog look-ups) comes in through Ctx.
package fn

import (
	"time"

	"github.com/weirdb/weir/internal/vec"
)

// Dialect says whose function it is. The two dialects share most names; where
// they disagree on the meaning there are two functions.
type Dialect uint8

const (
	Postgres Dialect = 1 << iota
	KSQL
	Both = Postgres | KSQL
)

// Volatility says when equal arguments give equal results.
type Volatility uint8

const (
	Immutable Volatility = iota // always
	Stable                      // within a statement (now, settings)
	Volatile                    // never (random)
)

// Param is the pattern that an argument's type has to match.
type Param struct {
	// Kind is the wanted kind; Unknown stands for any type.
	Kind vec.Kind
	// Var ties together parameters that must have one type: all Params with
	// the same Var above 0. ElemOf makes the parameter an array of that type.
	Var    uint8
	ElemOf bool
	// Lambda makes the parameter a lambda of that many arguments.
	Lambda int
	// NoArray refuses arrays (PostgreSQL's anynonarray).
	NoArray bool
}

// Func is one overload of a scalar function, operator or cast.
type Func struct {
	Name     string // lower case; operators by their sign
	Dialect  Dialect
	Params   []Param
	Variadic bool // the last Param may repeat, or be missing
	// Result gives the type of the result for arguments of these types.
	Result     func(args []vec.Type) (vec.Type, error)
	Volatility Volatility
	// NullCall: Eval is also called for rows with a null argument. Otherwise
	// such a row's result is null and Eval does not see it.
	NullCall bool
	Eval     Kernel
	// Select is another form of a function of boolean result, nil if there is
	// none: it appends to dst those of the rows listed for which the function
	// is true (neither false nor null) and returns dst. It sees rows with null
	// arguments too. dst may be rows[:0].
	Select func(c *Call, rows []uint16, args []*vec.Vec, dst []uint16) []uint16
	// LambdaArgs gives the types of the parameters of the lambda that is
	// argument i, from the types of the other arguments; results of lambdas
	// before it are among them. nil if the function takes no lambda.
	LambdaArgs func(i int, args []vec.Type) []vec.Type
}

// A Kernel computes a function for the rows listed and stores the results at
// the same rows of out, which has been Reset to the right type and size.
// Arguments may be constant columns. A kernel is called from many goroutines;
// it keeps no reference to its arguments.
type Kernel func(c *Call, rows []uint16, args []*vec.Vec, out *vec.Vec)

// Call is the setting of one call of a kernel.
type Call struct {
	*Ctx
	Types   []vec.Type // of the arguments
	Type    vec.Type   // of the result
	Lambdas []Lambda   // by argument; nil where the argument is a column
}

// A Lambda is a function given as an argument. Apply computes it for n rows.
type Lambda interface {
	Apply(n int, args []*vec.Vec) *vec.Vec
	Type() vec.Type
}

// Ctx is what functions may know of the statement they run for.
type Ctx struct {
	Now      time.Time      // of the transaction
	Zone     *time.Location // session time zone; nil means UTC
	User     string
	Database string
	PID      uint32 // of the session; 0 if it is none
	// Setting answers current_setting; nil means that there are none.
	Setting func(name string) (string, bool)
	// SetSetting is set_config: it returns the value as it stands then. nil
	// refuses.
	SetSetting func(name, value string, local bool) (string, error)
	// Catalog answers what the catalog functions ask; nil means an empty one.
	Catalog Catalog
	// Fail is told of a row whose value cannot be computed (division by zero,
	// bad cast). The kernel has made the row null. A pull query stops with the
	// first error, a persistent query goes on and reports it. Never nil.
	Fail func(row int, err error)
}

// Catalog is what catalog functions (format_type, to_regclass, ...) look up.
type Catalog interface {
	// RelationName returns the name of the relation with that OID and its
	// schema; visible tells whether the name alone finds it.
	RelationName(oid uint32) (schema, name string, visible, ok bool)
	// RelationOID is the inverse; schema may be empty.
	RelationOID(schema, name string) (uint32, bool)
	// ObjectName returns what the value oid of the type typ (vec.OIDRegproc,
	// OIDRegtype, OIDRegnsp, ...) is written as, and ObjectOID what is meant by a
	// name. Not asked for relations.
	ObjectName(typ, oid uint32) (string, bool)
	ObjectOID(typ uint32, name string) (uint32, bool)
	// Definition returns the text that defines or describes an object; n is the
	// number of a column, 0 for the whole.
	Definition(what Definition, oid uint32, n int) (string, bool)
	// Size returns how many bytes a relation takes on disk.
	Size(oid uint32) int64
}

// Definition says what a text about an object is.
type Definition uint8

const (
	IndexDef      Definition = iota // CREATE INDEX, or the name of its column n
	ConstraintDef                   // PRIMARY KEY (a, b)
	ViewDef                         // the query of a view
	Comment                         // of a relation or its column n
	SchemaComment                   // of a schema
)

// An Agg is one overload of an aggregate function. The state of a group is
// Words 64-bit words and, if HasBytes, one byte string; it starts as all zero.
// State has no pointers and means the same in another process: it is stored.
type Agg struct {
	Name    string
	Dialect Dialect
	Params  []Param
	// Variadic is as in Func.
	Variadic bool
	Result   func(args []vec.Type) (vec.Type, error)
	// New returns the aggregate for arguments of these types. distinct rows
	// and FILTER are the caller's business.
	New func(args []vec.Type) (Aggregator, error)
	// Retract makes the variant that understands -1 at a higher price, where
	// New's does not; nil if there is none.
	Retract func(args []vec.Type) (Aggregator, error)
}

// An Aggregator adds rows to the states of groups. It is stateless.
type Aggregator interface {
	// Words returns how many 64-bit words a group's state has.
	Words() int
	// HasBytes tells whether a group's state also has a byte string.
	HasBytes() bool
	// Add adds row rows[k] to the state of group groups[k], for all k, in
	// order; sign[k] is +1 or -1 (take the row away again), nil means all +1.
	Add(c *Ctx, s *States, groups []uint32, rows []uint16, sign []int8, args []*vec.Vec)
	// Retractable tells whether Add understands -1.
	Retractable() bool
	// Merge adds the state of group from to group to (session windows).
	Merge(c *Ctx, s *States, to, from uint32)
	// Result stores the value of groups[k] at row rows[k] of out.
	Result(c *Ctx, s *States, groups []uint32, rows []uint16, out *vec.Vec)
}

// States holds the states of one aggregate for many groups: the words of group
// g begin at Words[g*Stride+Off]. The table that owns the groups owns it.
type States struct {
	Words  []int64
	Stride int
	Off    int
	// Get and Set give access to the byte string of a group; nil if the
	// aggregate has none. What Get returns is valid until the next Set.
	Get func(group uint32) []byte
	Set func(group uint32, b []byte)
}

// A TableFunc makes rows out of its arguments (unnest, generate_series, explode).
type TableFunc struct {
	Name     string
	Dialect  Dialect
	Params   []Param
	Variadic bool
	// Result gives the columns for arguments of these types.
	Result func(args []vec.Type) ([]vec.Field, error)
	// Rows calls yield for each row, until it returns false. The row passed is
	// valid during the call.
	Rows func(c *Ctx, types []vec.Type, args []vec.Value, yield func(row []vec.Value) bool) error
}
