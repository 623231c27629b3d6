package ast

import (
	"math"
	"math/big"
	"strings"

	"github.com/weirdb/weir/internal/pgerr"
)

// StreamWindow is the WINDOW clause of a streaming aggregation.
type StreamWindow struct {
	P
	Kind    WindowKind
	Size    *Duration // of a session the gap
	Advance *Duration // of a hopping window
	Retain  *Duration
	Grace   *Duration
}

// WindowKind is the shape of a StreamWindow.
type WindowKind uint8

const (
	Tumbling WindowKind = iota
	Hopping
	Session
)

func (k WindowKind) String() string { return [...]string{"TUMBLING", "HOPPING", "SESSION"}[k] }

// Within bounds the time between the two sides of a stream-stream join. After is
// nil if one duration was written, which then holds for both directions.
type Within struct {
	P
	Before, After, Grace *Duration
}

// Duration is a number and a unit as written: 10 SECONDS.
type Duration struct {
	P
	N    string // digits, perhaps with a fraction
	Unit TimeUnit
}

// TimeUnit is the unit of a Duration.
type TimeUnit uint8

const (
	Milliseconds TimeUnit = iota
	Seconds
	Minutes
	Hours
	Days
	Years // retention only; ksqlDB has it, as 365 days
)

func (u TimeUnit) String() string {
	return [...]string{"MILLISECONDS", "SECONDS", "MINUTES", "HOURS", "DAYS", "YEARS"}[u]
}

// Millis gives the duration in milliseconds. A fraction is kept down to the
// millisecond; more than an int64 holds is error 22008.
func (d *Duration) Millis() (int64, error) {
	per := [...]int64{1, 1000, 60_000, 3_600_000, 86_400_000, 365 * 86_400_000}[d.Unit]
	bad := func() (int64, error) {
		return 0, pgerr.Newf(pgerr.DatetimeOverflow, "duration %s %s is out of range", d.N, strings.ToLower(d.Unit.String())).At(d.Pos())
	}
	if len(d.N) > 40 || strings.ContainsAny(d.N, "eE") { // big.Rat would expand 1e999999999
		return bad()
	}
	r, ok := new(big.Rat).SetString(d.N)
	if !ok {
		return bad()
	}
	r.Mul(r, new(big.Rat).SetInt64(per))
	ms := new(big.Int).Quo(r.Num(), r.Denom())
	if !ms.IsInt64() || ms.Int64() == math.MaxInt64 {
		return bad()
	}
	return ms.Int64(), nil
}

// Target names the queries that Terminate, Pause and Resume are about: one by its
// id, or all.
type Target struct {
	All bool
	ID  Name
}

// Terminate is TERMINATE [QUERY] id, TERMINATE ALL.
type Terminate struct {
	Span
	Target Target
}

// Pause is PAUSE id, PAUSE ALL.
type Pause struct {
	Span
	Target Target
}

// Resume is RESUME id, RESUME ALL.
type Resume struct {
	Span
	Target Target
}

// Flush is FLUSH: wait until all that was acknowledged has been processed.
type Flush struct{ Span }

// Print is PRINT topic [FROM BEGINNING] [INTERVAL n] [LIMIT n].
type Print struct {
	Span
	Topic         Name
	FromBeginning bool
	Interval      Expr
	Limit         Expr
}

// Describe is DESCRIBE name [EXTENDED], DESCRIBE FUNCTION name, DESCRIBE
// CONNECTOR name, DESCRIBE STREAMS, DESCRIBE TABLES.
type Describe struct {
	Span
	What     DescribeWhat
	Name     []Name
	Extended bool
}

// DescribeWhat is what Describe is about.
type DescribeWhat uint8

const (
	DescribeRelation DescribeWhat = iota
	DescribeFunction
	DescribeConnector
	DescribeStreams
	DescribeTables
)

func (w DescribeWhat) String() string {
	return [...]string{"", "FUNCTION", "CONNECTOR", "STREAMS", "TABLES"}[w]
}

// Explain is EXPLAIN [ANALYZE] [(options)] statement, or of a running query's id.
// EXPLAIN AST, LOGICAL and PLAN choose the stage to show.
type Explain struct {
	Span
	Mode    ExplainMode
	Analyze bool
	Verbose bool
	Options []Property // of EXPLAIN (FORMAT json, …)
	Stmt    Stmt       // nil if ID is set
	ID      Name
}

// ExplainMode is the stage that EXPLAIN shows.
type ExplainMode uint8

const (
	ExplainDefault ExplainMode = iota
	ExplainAST
	ExplainLogical
	ExplainPlan
)

func (m ExplainMode) String() string { return [...]string{"", "AST", "LOGICAL", "PLAN"}[m] }

// AssertValues is ASSERT VALUES relation (columns) VALUES (…).
type AssertValues struct {
	Span
	Table   []Name
	Columns []Name
	Values  []Expr
}

// AssertNull is ASSERT NULL VALUES relation (columns) KEY (…): a tombstone.
type AssertNull struct {
	Span
	Table   []Name
	Columns []Name
	Key     []Expr
}

// AssertRelation is ASSERT [NOT EXISTS] STREAM or TABLE.
type AssertRelation struct {
	Span
	Kind      RelationKind
	NotExists bool
	Name      []Name
	Columns   []ColumnDef
	With      []Property
	Timeout   *Duration
}

// AssertTopic is ASSERT [NOT EXISTS] TOPIC, and of SCHEMA the same with a subject or id.
type AssertTopic struct {
	Span
	Schema    bool // ASSERT SCHEMA SUBJECT … ID …
	NotExists bool
	Name      string // topic, or subject
	ID        Expr   // of a schema
	With      []Property
	Timeout   *Duration
}

// Define is DEFINE name = 'value': ${name} in later statements stands for value.
type Define struct {
	Span
	Name  string
	Value string
}

// Undefine is UNDEFINE name.
type Undefine struct {
	Span
	Name string
}

// RunScript is RUN SCRIPT 'file'.
type RunScript struct {
	Span
	File string
}
