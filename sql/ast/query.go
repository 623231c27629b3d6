package ast

// Query is a SELECT, a VALUES list or a set operation.
type Query interface {
	Node
	query()
}

type (
	// Select is one SELECT with all its clauses, those of streams included.
	Select struct {
		P
		With       *With
		Distinct   bool
		DistinctOn []Expr
		Items      []Item
		From       Table // nil if there is none; a comma is a Join of kind CrossJoin
		Window     *StreamWindow
		Where      Expr
		GroupBy    []Expr // GROUPING SETS, ROLLUP and CUBE are *GroupSets
		Partition  []Expr // ksqlDB's PARTITION BY
		Having     Expr
		Windows    []Window
		OrderBy    []Order
		Limit      Expr
		Offset     Expr
		WithTies   bool
		Emit       EmitKind
		Lock       bool // FOR UPDATE and its like; it has no meaning here
	}
	// Values is VALUES (…), (…).
	Values struct {
		P
		With          *With
		Rows          [][]Expr
		OrderBy       []Order
		Limit, Offset Expr
		Emit          EmitKind
	}
	// SetOp is l UNION [ALL] r and its like.
	SetOp struct {
		P
		With          *With
		Kind          SetOpKind
		All           bool
		L, R          Query
		OrderBy       []Order
		Limit, Offset Expr
		WithTies      bool
		Emit          EmitKind
	}
)

func (*Select) query() {}
func (*Values) query() {}
func (*SetOp) query()  {}

// SetOpKind is UNION, EXCEPT or INTERSECT.
type SetOpKind uint8

const (
	Union SetOpKind = iota
	Except
	Intersect
)

func (k SetOpKind) String() string { return [...]string{"UNION", "EXCEPT", "INTERSECT"}[k] }

// EmitKind is how a streaming query gives its results.
type EmitKind uint8

const (
	EmitNone EmitKind = iota
	EmitChanges
	EmitFinal
)

func (k EmitKind) String() string { return [...]string{"", "EMIT CHANGES", "EMIT FINAL"}[k] }

// With is the WITH clause of a query.
type With struct {
	Recursive bool
	CTEs      []CTE
}

// CTE is one named query of a WITH clause.
type CTE struct {
	Name  Name
	Cols  []Name
	Query Query
}

// Item is one entry of the select list; X is a *Star for * and t.*.
type Item struct {
	X     Expr
	Alias Name
}

// GroupSets is an item of GROUP BY: GROUPING SETS (…), ROLLUP (…), CUBE (…) or ().
type GroupSets struct {
	P
	Kind GroupKind
	Sets []Expr // a *Row is several columns; a *GroupSets may nest
}

func (*GroupSets) expr() {}

// GroupKind tells the kinds of GroupSets apart.
type GroupKind uint8

const (
	GroupEmpty GroupKind = iota // ()
	GroupingSets
	Rollup
	Cube
)

func (k GroupKind) String() string { return [...]string{"", "GROUPING SETS", "ROLLUP", "CUBE"}[k] }

// Table is what stands in FROM.
type Table interface {
	Node
	table()
}

type (
	// TableName is a relation, or a CTE.
	TableName struct {
		P
		Name  []Name
		Alias Name
		Cols  []Name
		AsOf  Expr // FOR SYSTEM_TIME AS OF
	}
	// Derived is a query in FROM.
	Derived struct {
		P
		Query   Query
		Alias   Name
		Cols    []Name
		Lateral bool
	}
	// TableFunc is a function in FROM; Call is a *Call, or a *Cast for the rare
	// functions written like one.
	TableFunc struct {
		P
		Call       Expr
		Alias      Name
		Cols       []Name
		Types      []Type // of AS t(a int, b text); as long as Cols, or empty
		Lateral    bool
		Ordinality bool
	}
	// Join joins two tables. A comma is a CrossJoin.
	Join struct {
		P
		Kind    JoinKind
		L, R    Table
		On      Expr
		Using   []Name
		Natural bool
		Within  *Within
	}
)

func (*TableName) table() {}
func (*Derived) table()   {}
func (*TableFunc) table() {}
func (*Join) table()      {}

// JoinKind is the kind of a Join.
type JoinKind uint8

const (
	InnerJoin JoinKind = iota
	LeftJoin
	RightJoin
	FullJoin
	CrossJoin
)

func (k JoinKind) String() string { return [...]string{"INNER", "LEFT", "RIGHT", "FULL", "CROSS"}[k] }
