package ast

// Set is SET [SESSION|LOCAL] name = value. ksqlDB's SET 'name' = 'value' is the same.
type Set struct {
	Span
	Name   string // as written, parts joined by dots: weir.dialect; "" for SET TRANSACTION …
	Local  bool
	Values []Expr // *String, *Number, *Bool, *Column (a bare word), *Default; a list for search_path
	// Transaction holds the modes of SET TRANSACTION and SET SESSION CHARACTERISTICS.
	Transaction *TransactionModes
}

// Unset is RESET name, RESET ALL and ksqlDB's UNSET 'name'.
type Unset struct {
	Span
	Name string // "" for ALL
}

// AlterSystem is ALTER SYSTEM SET name = value and ALTER SYSTEM RESET name.
type AlterSystem struct {
	Span
	Name   string
	Values []Expr
	Reset  bool
}

// Show is SHOW or LIST something. In PostgreSQL's form, SHOW name and SHOW ALL,
// What is "" and Name is the setting's name.
type Show struct {
	Span
	What     string // upper case: STREAMS, TABLES, TOPICS, QUERIES, FUNCTIONS, PROPERTIES, TYPES, VARIABLES, CONNECTORS, CONNECTOR PLUGINS, …
	All      bool   // SHOW ALL TOPICS, SHOW ALL
	Extended bool
	Name     string // of a setting, or of SHOW CREATE, or of SHOW COLUMNS FROM
	Of       []Name // the relation of SHOW CREATE … and SHOW COLUMNS FROM …
	Sink     bool   // SHOW SINK CONNECTORS
	Source   bool   // SHOW SOURCE CONNECTORS
}

// Transaction is BEGIN, COMMIT, ROLLBACK and the savepoint statements.
type Transaction struct {
	Span
	Kind      TransactionKind
	Modes     TransactionModes // of BEGIN
	Savepoint Name
	Chain     bool // AND CHAIN
}

// TransactionKind is the kind of a Transaction.
type TransactionKind uint8

const (
	Begin TransactionKind = iota
	Commit
	Rollback
	Savepoint
	ReleaseSavepoint
	RollbackToSavepoint
)

func (k TransactionKind) String() string {
	return [...]string{"BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE SAVEPOINT", "ROLLBACK TO SAVEPOINT"}[k]
}

// TransactionModes are the modes of BEGIN and SET TRANSACTION.
type TransactionModes struct {
	Isolation     string // "", "SERIALIZABLE", "REPEATABLE READ", "READ COMMITTED", "READ UNCOMMITTED"
	ReadOnly      bool
	ReadWrite     bool
	Deferrable    bool
	NotDeferrable bool
	Session       bool // SET SESSION CHARACTERISTICS AS TRANSACTION
}

// DeclareCursor is DECLARE name CURSOR FOR query.
type DeclareCursor struct {
	Span
	Name   Name
	Binary bool
	Scroll Scroll
	Hold   bool
	Query  Query
}

// Scroll is SCROLL or NO SCROLL of a cursor.
type Scroll uint8

const (
	ScrollDefault Scroll = iota
	ScrollYes
	ScrollNo
)

// Fetch is FETCH and, if Move, MOVE.
type Fetch struct {
	Span
	Move      bool
	Direction FetchDirection
	Count     int64 // of Forward, Backward, Absolute and Relative
	All       bool  // FORWARD ALL, BACKWARD ALL
	Cursor    Name
}

// FetchDirection is the direction of a Fetch; NEXT is Forward 1, PRIOR Backward 1.
type FetchDirection uint8

const (
	FetchForward FetchDirection = iota
	FetchBackward
	FetchFirst
	FetchLast
	FetchAbsolute
	FetchRelative
)

func (d FetchDirection) String() string {
	return [...]string{"FORWARD", "BACKWARD", "FIRST", "LAST", "ABSOLUTE", "RELATIVE"}[d]
}

// CloseCursor is CLOSE name, or CLOSE ALL with a zero name.
type CloseCursor struct {
	Span
	Cursor Name
}

// Prepare is PREPARE name (types) AS statement.
type Prepare struct {
	Span
	Name  Name
	Types []Type
	Stmt  Stmt
}

// Execute is EXECUTE name (args).
type Execute struct {
	Span
	Name Name
	Args []Expr
}

// Deallocate is DEALLOCATE name, or DEALLOCATE ALL with a zero name.
type Deallocate struct {
	Span
	Name Name
}

// Discard is DISCARD ALL, PLANS, SEQUENCES or TEMP.
type Discard struct {
	Span
	What string
}

// Listen is LISTEN channel.
type Listen struct {
	Span
	Channel Name
}

// Notify is NOTIFY channel, 'payload'.
type Notify struct {
	Span
	Channel Name
	Payload string
}

// Unlisten is UNLISTEN channel, or UNLISTEN * with a zero name.
type Unlisten struct {
	Span
	Channel Name
}

// Utility is a statement of PostgreSQL's whose words are known and whose meaning is
// not: the planner refuses it, or does nothing where nothing is right (LOCK, VACUUM).
type Utility struct {
	Span
	Words string // the first words in upper case: "GRANT", "CREATE FUNCTION", "LOCK"
	Text  string // the whole source
}
