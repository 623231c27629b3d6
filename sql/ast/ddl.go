package ast

// CreateRelation is CREATE STREAM and CREATE TABLE, with or without AS.
type CreateRelation struct {
	Span
	Kind        RelationKind
	OrReplace   bool
	IfNotExists bool
	Source      bool // ksqlDB's read-only CREATE SOURCE …
	Temp        bool // CREATE TEMPORARY TABLE
	Name        []Name
	Columns     []ColumnDef
	Constraints []Constraint // of the table as a whole
	Watermark   *Watermark
	With        []Property
	As          Query // nil unless CREATE … AS
	WithNoData  bool  // AS … WITH NO DATA
}

// RelationKind is what a statement creates or names.
type RelationKind uint8

const (
	StreamRelation RelationKind = iota
	TableRelation
	ViewRelation
	MaterializedViewRelation
	IndexRelation
	TypeRelation
	ConnectorRelation
	SchemaRelation
	SequenceRelation
	FunctionRelation
	DatabaseRelation
	RoleRelation
	TopicRelation
)

func (k RelationKind) String() string {
	return [...]string{"STREAM", "TABLE", "VIEW", "MATERIALIZED VIEW", "INDEX", "TYPE", "CONNECTOR", "SCHEMA",
		"SEQUENCE", "FUNCTION", "DATABASE", "ROLE", "TOPIC"}[k]
}

// ColumnDef is one column of CREATE STREAM or CREATE TABLE. In CREATE … (a, b) AS
// and in ASSERT its type may be zero.
type ColumnDef struct {
	P
	Name        Name
	Type        Type
	Role        ColumnRole
	Header      string // of HEADER('x')
	NotNull     bool
	Null        bool // NULL was written
	Default     Expr
	Generated   Expr // col type AS (expr), GENERATED ALWAYS AS (expr) STORED
	Identity    bool // GENERATED … AS IDENTITY
	Collate     []Name
	Constraints []Constraint // UNIQUE, CHECK, REFERENCES of this column
}

// ColumnRole is what part of a record a column comes from.
type ColumnRole uint8

const (
	ValueColumn      ColumnRole = iota
	KeyColumn                   // KEY
	PrimaryKeyColumn            // PRIMARY KEY
	HeadersColumn               // HEADERS: all of them
	HeaderColumn                // HEADER('x'): one of them
)

func (r ColumnRole) String() string {
	return [...]string{"", "KEY", "PRIMARY KEY", "HEADERS", "HEADER"}[r]
}

// Constraint is a constraint of a table or column.
type Constraint struct {
	P
	Name       Name
	Kind       ConstraintKind
	Columns    []Name
	Check      Expr   // of CHECK
	RefTable   []Name // of FOREIGN KEY and REFERENCES
	RefColumns []Name
}

// ConstraintKind is the kind of a Constraint.
type ConstraintKind uint8

const (
	PrimaryKeyConstraint ConstraintKind = iota
	UniqueConstraint
	CheckConstraint
	ForeignKeyConstraint
)

func (k ConstraintKind) String() string {
	return [...]string{"PRIMARY KEY", "UNIQUE", "CHECK", "FOREIGN KEY"}[k]
}

// Watermark is WATERMARK FOR column AS expr.
type Watermark struct {
	P
	Column Name
	X      Expr
}

// Property is name = value in WITH (…). Its name is as written, without quotes:
// properties are looked up without regard to case.
type Property struct {
	P
	Name  string
	Value Expr // a literal: *String, *Number (negative: *Unary), *Bool, *Null or *Var; *Column for a bare word; nil if none
}

// CreateView is CREATE [MATERIALIZED] VIEW. A plain view is a name for a query, a
// materialized one is a persistent query and its table.
type CreateView struct {
	Span
	Materialized bool
	OrReplace    bool
	IfNotExists  bool
	Temp         bool
	Name         []Name
	Columns      []Name
	With         []Property
	As           Query
	WithNoData   bool
}

// CreateIndex is CREATE INDEX.
type CreateIndex struct {
	Span
	Unique       bool
	Concurrently bool
	IfNotExists  bool
	Name         Name // may be zero
	Table        []Name
	Using        Name
	Columns      []Order
	Include      []Name
	With         []Property
	Where        Expr
}

// CreateType is CREATE TYPE name AS type, or AS (field type, …), a STRUCT, or AS
// ENUM ('a', …).
type CreateType struct {
	Span
	IfNotExists bool
	Name        []Name
	Type        Type     // zero if it is an enum
	Enum        []string // nil unless it is an enum
	IsEnum      bool
}

// CreateSchema is CREATE SCHEMA.
type CreateSchema struct {
	Span
	IfNotExists bool
	Name        Name
}

// CreateConnector is CREATE SOURCE CONNECTOR and CREATE SINK CONNECTOR.
type CreateConnector struct {
	Span
	Sink        bool
	IfNotExists bool
	Name        Name
	With        []Property
}

// Drop is DROP STREAM, TABLE, [MATERIALIZED] VIEW, INDEX, TYPE, CONNECTOR, SCHEMA…
type Drop struct {
	Span
	Kind        RelationKind
	IfExists    bool
	Names       [][]Name
	DeleteTopic bool
	Cascade     bool
}

// AlterRelation is ALTER STREAM, TABLE, VIEW or MATERIALIZED VIEW.
type AlterRelation struct {
	Span
	Kind     RelationKind
	IfExists bool
	Name     []Name
	Actions  []AlterAction
}

// AlterAction is one action of an ALTER; which fields count depends on Kind.
type AlterAction struct {
	P
	Kind       AlterKind
	IfExists   bool // of a column, also IF NOT EXISTS of ADD COLUMN
	Column     ColumnDef
	Name       Name // of DROP COLUMN, RENAME COLUMN, DROP CONSTRAINT, ALTER COLUMN, OWNER TO
	To         Name // of RENAME
	Constraint Constraint
	Properties []Property // of SET (…)
	Using      Expr       // of ALTER COLUMN … TYPE … USING
	Cascade    bool
}

// AlterKind is the kind of an AlterAction.
type AlterKind uint8

const (
	AddColumn AlterKind = iota
	DropColumn
	RenameColumn
	RenameRelation
	AlterColumnType
	SetColumnDefault // Column.Default
	DropColumnDefault
	SetColumnNotNull
	DropColumnNotNull
	AddConstraint
	DropConstraint
	SetProperties
	SetSchema
	OwnerTo
)

// Truncate is TRUNCATE [TABLE] names.
type Truncate struct {
	Span
	Names   [][]Name
	Cascade bool
}

// Comment is COMMENT ON kind name IS text.
type Comment struct {
	Span
	Kind string // upper case: TABLE, COLUMN, …
	Name []Name
	Text *String // nil for NULL
}
