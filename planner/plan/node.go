package plan

import (
	"github.com/weirdb/weir/internal/fn"
	"github.com/weirdb/weir/internal/vec"
)

// A Node is a relation computed from its inputs. The same nodes serve bounded
// queries (pull), which end, and continuous ones (push, persistent), whose rows
// are changes with an Op each.
type Node interface {
	Columns() []Column
	Inputs() []Node
	node()
}

// Column is a column of a node's output.
type Column struct {
	Name string
	Type vec.Type
}

// Topic names a topic and says how many partitions it has.
type Topic struct {
	ID         uint64
	Name       string
	Partitions int32
}

// Codec says how rows stand in the records of a topic.
type Codec struct {
	Key, Value Format
	// Window is set if the key carries a window after its bytes: start for time
	// windows (8 bytes big endian), end and start for sessions.
	Window     WindowKind
	WindowSize int64 // ms; 0 for sessions
}

// Format is how one side of a record is encoded.
type Format struct {
	Name      string // NONE KAFKA JSON DELIMITED, later AVRO PROTOBUF JSON_SR ..., NATIVE for internal topics
	Fields    []vec.Field
	Delimiter byte // DELIMITED; 0 is a comma
	// Wrap says whether a single field stands in an object ({"C":1}) or bare (1).
	Wrap bool
	// Properties are format options that the planner does not read.
	Properties map[string]string
}

// SourceKind says what a column of a Scan is taken from.
type SourceKind uint8

const (
	KeyField   SourceKind = iota // Index into Codec.Key.Fields
	ValueField                   // Index into Codec.Value.Fields
	RowTime                      // bigint, ms
	RowPartition
	RowOffset
	WindowStart // bigint, ms
	WindowEnd
	Headers // array of struct(key, value)
	Header  // bytes of the last header called Name
)

// SourceColumn is one column of a Scan.
type SourceColumn struct {
	Name  string
	Type  vec.Type
	Kind  SourceKind
	Index int
}

// The leaves.
type (
	// Scan reads a stream or table.
	Scan struct {
		Relation uint64 // catalog ID, for dependencies and errors
		Name     string
		Topic    Topic
		Codec    Codec
		Cols     []SourceColumn // only what the query needs
		// Table: the records are upserts and tombstones by key. A bounded query
		// reads the latest rows; a continuous one gets changes with the old row
		// (Upsert above it) or, without Upsert, bare upserts.
		Table bool
		// TimeField replaces the record's timestamp by a value or key column
		// (index into Cols, which holds it then); -1: the record's own.
		TimeField  int
		TimeFormat string // Java pattern if the column is text
		// From tells a push query where to start.
		From StartAt
		// KeyEquals, if set, holds a value for every key column: a bounded query
		// need only look at that key (a table of one partition or more).
		KeyEquals []Expr
	}
	// SystemScan reads a virtual relation (pg_catalog, information_schema, weir).
	SystemScan struct {
		Schema, Name string
		Cols         []Column
		Index        []int // of each column in the relation; SystemColumns follow it
	}
	// Values is a list of rows; expressions may hold Params and Outers but no Cols.
	Values struct {
		Rows [][]Expr
		Cols []Column
	}
	// Input is, inside a stage, the place of Stage.Inputs[Index].
	Input struct {
		Index int
		Cols  []Column
	}
)

// SystemColumns are what every virtual relation has beside its own columns: its
// OID in pg_class, and the transaction that wrote the row, which is always 0. They
// are found by name and left out of *.
var SystemColumns = []Column{
	{Name: "tableoid", Type: vec.Of(vec.OID)},
	{Name: "xmin", Type: vec.Type{Kind: vec.OID, OID: vec.OIDXID}},
}

// StartAt is where a push query begins to read a log.
type StartAt uint8

const (
	Latest StartAt = iota
	Earliest
)

// The inner nodes.
type (
	// Filter keeps the rows for which Cond is true. Over a table an update that
	// enters or leaves becomes an insert or a delete.
	Filter struct {
		In    Node
		Cond  Expr
		Table bool
	}
	// Project computes one column per expression.
	Project struct {
		In    Node
		Exprs []Expr
		Names []string
	}
	// Unnest computes table functions for every row and appends their columns.
	// Several functions are zipped, the shorter filled with nulls. Outer keeps a
	// row without results, with nulls.
	Unnest struct {
		In         Node
		Funcs      []TableCall
		Outer      bool
		Ordinality bool // a last column bigint counts from 1
	}
	// Aggregate groups rows. Its output is the keys, then window start and end
	// (bigint ms) if there is a window, then the aggregates. Without keys and
	// window a bounded query gives one row even for no input.
	Aggregate struct {
		In     Node
		Keys   []Expr
		Names  []string // of all output columns
		Aggs   []AggCall
		Window *Window
		Having Expr // over the output; decides inserts, updates and deletes as Filter{Table} does
		// Final emits a window once, when it closes (EMIT FINAL).
		Final bool
		// OverTable: rows may be taken back (Op), groups shrink.
		OverTable bool
		// KeepEmpty: a group whose count falls to zero stays, as in ksqlDB;
		// otherwise it is deleted.
		KeepEmpty bool
	}
	// Join combines two inputs. Output: columns of L, then of R.
	Join struct {
		Shape        JoinShape
		Kind         JoinKind
		L, R         Node
		LKeys, RKeys []Expr // equal pairwise, over the columns of their side
		On           Expr   // further condition over both sides' columns; nil is true
		Within       Within
		// NullEqual makes null keys equal (set operations, IS NOT DISTINCT FROM).
		NullEqual bool
	}
	// Apply evaluates R, which holds Outers of level 0 over L's columns, for each
	// row of L (LATERAL). Bounded queries only. Output as of Join.
	Apply struct {
		Kind JoinKind // InnerJoin or LeftJoin
		L, R Node
		On   Expr
	}
	// Sort orders the rows of a bounded query.
	Sort struct {
		In   Node
		Keys []SortKey
		// Top, if not nil, keeps only so many first rows (with Limit above it).
		Top Expr
	}
	// Limit passes N rows after skipping Offset rows; nil means all, none. It
	// ends a push query.
	Limit struct {
		In        Node
		N, Offset Expr
	}
	// SetOp combines two inputs of equal column types.
	SetOp struct {
		Op   SetOpKind
		All  bool
		L, R Node
	}
	// Upsert remembers the latest row by key and turns upserts into changes that
	// carry the old row. Keys are columns of In.
	Upsert struct {
		In   Node
		Keys []int
	}
	// Repartition sends rows where their keys belong. The planner's last pass
	// cuts stages here; no operator sees one. Without keys the rows stay where
	// they are, and have no key any more.
	Repartition struct {
		In   Node
		Keys []Expr
		// Partitions is among how many tasks rows are spread. Format encodes the
		// keys for Kafka's partitioner; a Name of "" leaves it to the stage.
		Partitions int32
		Format     Format
		// Broadcast sends every row to all tasks; there are no keys then.
		Broadcast bool
	}
	// Recompute keeps the rows of its inputs, which change, and computes Query over
	// them anew after every step in which one did: for what no operator keeps up to
	// date by itself. Query is a bounded plan; its i-th Scan, as Scans lists them,
	// stands for Ins[i] and has its columns. Output: the columns of Query, and then
	// bytes that tell its rows apart, equal ones included.
	Recompute struct {
		Ins   []Node
		Query Node
	}
	// WindowFuncs computes OVER expressions, appended to the input's columns.
	WindowFuncs struct {
		In    Node
		Calls []WindowCall
		Names []string
	}
)

// AggCall is one aggregate of an Aggregate.
type AggCall struct {
	Fn       *fn.Agg
	Args     []Expr
	Distinct bool
	Filter   Expr // nil: all rows
	OrderBy  []SortKey
	T        vec.Type
}

// TableCall is one table function of an Unnest.
type TableCall struct {
	Fn   *fn.TableFunc
	Args []Expr
	Cols []Column
}

// WindowCall is one OVER expression.
type WindowCall struct {
	Name      string // row_number, rank, ...; or an aggregate
	Agg       *fn.Agg
	Args      []Expr
	Partition []Expr
	OrderBy   []SortKey
	Frame     *Frame // nil: the default of SQL
	T         vec.Type
}

// Frame is ROWS, RANGE or GROUPS BETWEEN From AND To.
type Frame struct {
	Unit     FrameUnit
	From, To Bound
	Exclude  string
}

// FrameUnit is what a frame's offsets count.
type FrameUnit uint8

const (
	Rows FrameUnit = iota
	Range
	Groups
)

// Bound is an end of a frame: unbounded, or N rows before (negative) or after
// the current one.
type Bound struct {
	Unbounded bool
	Preceding bool
	Current   bool
	N         Expr
}

// SortKey is one ORDER BY item.
type SortKey struct {
	X          Expr
	Desc       bool
	NullsFirst bool
}

// WindowKind is the family of a window clause.
type WindowKind uint8

const (
	NoWindow WindowKind = iota
	Tumbling
	Hopping
	Session
)

func (k WindowKind) String() string { return [...]string{"", "TUMBLING", "HOPPING", "SESSION"}[k] }

// Window is a window clause; all durations in ms.
type Window struct {
	Kind      WindowKind
	Size      int64 // gap of a session
	Advance   int64 // = Size unless hopping
	Grace     int64
	Retention int64
}

// JoinShape tells how a join runs.
type JoinShape uint8

const (
	Bounded      JoinShape = iota // both sides end: hash join
	StreamStream                  // Within bounds the distance in time
	StreamTable                   // R is a table, only L emits
	TableTable                    // both sides are tables keyed by the join keys
)

// JoinKind is INNER, LEFT, RIGHT, FULL, or an (anti) semi join that passes L's
// columns only.
type JoinKind uint8

const (
	InnerJoin JoinKind = iota
	LeftJoin
	RightJoin
	FullJoin
	SemiJoin
	AntiJoin
)

func (k JoinKind) String() string {
	return [...]string{"INNER", "LEFT", "RIGHT", "FULL", "SEMI", "ANTI"}[k]
}

// Within bounds r.time - l.time to [-Before, After] ms, both ends included.
// Without grace unmatched rows of outer joins are emitted at once.
type Within struct {
	Before, After int64
	Grace         int64 // ms; -1: none given
}

// SetOpKind is UNION, INTERSECT or EXCEPT.
type SetOpKind uint8

const (
	Union SetOpKind = iota
	Intersect
	Except
)

func (n *Scan) Columns() []Column {
	out := make([]Column, len(n.Cols))
	for i, c := range n.Cols {
		out[i] = Column{c.Name, c.Type}
	}
	return out
}
func (n *SystemScan) Columns() []Column  { return n.Cols }
func (n *Values) Columns() []Column      { return n.Cols }
func (n *Input) Columns() []Column       { return n.Cols }
func (n *Filter) Columns() []Column      { return n.In.Columns() }
func (n *Sort) Columns() []Column        { return n.In.Columns() }
func (n *Limit) Columns() []Column       { return n.In.Columns() }
func (n *SetOp) Columns() []Column       { return n.L.Columns() }
func (n *Upsert) Columns() []Column      { return n.In.Columns() }
func (n *Repartition) Columns() []Column { return n.In.Columns() }

func (n *Recompute) Columns() []Column {
	return append(append([]Column{}, n.Query.Columns()...), Column{"_row", vec.Of(vec.Bytes)})
}

func (n *Project) Columns() []Column {
	out := make([]Column, len(n.Exprs))
	for i, e := range n.Exprs {
		out[i] = Column{n.Names[i], e.Type()}
	}
	return out
}

func (n *Unnest) Columns() []Column {
	out := append([]Column{}, n.In.Columns()...)
	for _, f := range n.Funcs {
		out = append(out, f.Cols...)
	}
	if n.Ordinality {
		out = append(out, Column{"ordinality", vec.Of(vec.Int64)})
	}
	return out
}

func (n *Aggregate) Columns() []Column {
	var out []Column
	add := func(t vec.Type) { out = append(out, Column{n.Names[len(out)], t}) }
	for _, k := range n.Keys {
		add(k.Type())
	}
	if n.Window != nil {
		add(vec.Of(vec.Int64))
		add(vec.Of(vec.Int64))
	}
	for _, a := range n.Aggs {
		add(a.T)
	}
	return out
}

func (n *Join) Columns() []Column {
	if n.Kind == SemiJoin || n.Kind == AntiJoin {
		return n.L.Columns()
	}
	return append(append([]Column{}, n.L.Columns()...), n.R.Columns()...)
}

func (n *Apply) Columns() []Column {
	return append(append([]Column{}, n.L.Columns()...), n.R.Columns()...)
}

func (n *WindowFuncs) Columns() []Column {
	out := append([]Column{}, n.In.Columns()...)
	for i, c := range n.Calls {
		out = append(out, Column{n.Names[i], c.T})
	}
	return out
}

func (*Scan) Inputs() []Node          { return nil }
func (*SystemScan) Inputs() []Node    { return nil }
func (*Values) Inputs() []Node        { return nil }
func (*Input) Inputs() []Node         { return nil }
func (n *Filter) Inputs() []Node      { return []Node{n.In} }
func (n *Project) Inputs() []Node     { return []Node{n.In} }
func (n *Unnest) Inputs() []Node      { return []Node{n.In} }
func (n *Aggregate) Inputs() []Node   { return []Node{n.In} }
func (n *Join) Inputs() []Node        { return []Node{n.L, n.R} }
func (n *Apply) Inputs() []Node       { return []Node{n.L, n.R} }
func (n *Sort) Inputs() []Node        { return []Node{n.In} }
func (n *Limit) Inputs() []Node       { return []Node{n.In} }
func (n *SetOp) Inputs() []Node       { return []Node{n.L, n.R} }
func (n *Upsert) Inputs() []Node      { return []Node{n.In} }
func (n *Repartition) Inputs() []Node { return []Node{n.In} }
func (n *WindowFuncs) Inputs() []Node { return []Node{n.In} }
func (n *Recompute) Inputs() []Node   { return n.Ins }

func (*Scan) node()        {}
func (*SystemScan) node()  {}
func (*Values) node()      {}
func (*Input) node()       {}
func (*Filter) node()      {}
func (*Project) node()     {}
func (*Unnest) node()      {}
func (*Aggregate) node()   {}
func (*Join) node()        {}
func (*Apply) node()       {}
func (*Sort) node()        {}
func (*Limit) node()       {}
func (*SetOp) node()       {}
func (*Upsert) node()      {}
func (*Repartition) node() {}
func (*WindowFuncs) node() {}
func (*Recompute) node()   {}
