package ast

// Insert is INSERT INTO, of values or of a query. With a query over streams it is
// a persistent query.
type Insert struct {
	Span
	CTEs       *With
	Table      []Name
	Alias      Name
	Columns    []Name
	With       []Property // ksqlDB's WITH (QUERY_ID = …)
	Overriding string     // "", "USER" or "SYSTEM": OVERRIDING … VALUE
	Source     Query      // *Values for VALUES; nil for DEFAULT VALUES
	OnConflict *OnConflict
	Returning  []Item
}

// OnConflict is the ON CONFLICT clause of an Insert.
type OnConflict struct {
	P
	Target     []Expr // columns or expressions of an index
	TargetIf   Expr
	Constraint Name
	Set        []Assign // nil for DO NOTHING
	Where      Expr
}

// Assign is one assignment of SET; with several columns X gives a row.
type Assign struct {
	P
	Columns []Name
	Multi   bool // (a, b) = …
	X       Expr
}

// Update is UPDATE.
type Update struct {
	Span
	CTEs      *With
	Table     []Name
	Alias     Name
	Set       []Assign
	From      Table // nil if there is none
	Where     Expr
	Returning []Item
}

// Delete is DELETE FROM.
type Delete struct {
	Span
	CTEs      *With
	Table     []Name
	Alias     Name
	Using     Table // nil if there is none
	Where     Expr
	Returning []Item
}

// Copy is COPY table or query TO or FROM.
type Copy struct {
	Span
	Table   []Name // nil if Query is set
	Columns []Name
	Query   Query
	From    bool
	Program bool
	File    string // "" for STDIN and STDOUT
	Options []Property
	Where   Expr
}
