package ast

// Stmt is a statement: one of the types below.
type Stmt interface {
	Node
	// End is the byte offset just after the statement.
	End() int
	stmt()
}

// QueryStmt is a query as a statement: a pull query or, with EMIT, a push query.
type QueryStmt struct {
	Span
	Query Query
}

func (*AlterRelation) stmt()   {}
func (*AlterSystem) stmt()     {}
func (*AssertNull) stmt()      {}
func (*AssertRelation) stmt()  {}
func (*AssertTopic) stmt()     {}
func (*AssertValues) stmt()    {}
func (*Comment) stmt()         {}
func (*Copy) stmt()            {}
func (*CreateConnector) stmt() {}
func (*CreateIndex) stmt()     {}
func (*CreateRelation) stmt()  {}
func (*CreateSchema) stmt()    {}
func (*CreateType) stmt()      {}
func (*CreateView) stmt()      {}
func (*CloseCursor) stmt()     {}
func (*Deallocate) stmt()      {}
func (*DeclareCursor) stmt()   {}
func (*Define) stmt()          {}
func (*Delete) stmt()          {}
func (*Describe) stmt()        {}
func (*Discard) stmt()         {}
func (*Drop) stmt()            {}
func (*Execute) stmt()         {}
func (*Explain) stmt()         {}
func (*Fetch) stmt()           {}
func (*Flush) stmt()           {}
func (*Insert) stmt()          {}
func (*Listen) stmt()          {}
func (*Notify) stmt()          {}
func (*Pause) stmt()           {}
func (*Prepare) stmt()         {}
func (*Print) stmt()           {}
func (*QueryStmt) stmt()       {}
func (*Resume) stmt()          {}
func (*RunScript) stmt()       {}
func (*Set) stmt()             {}
func (*Show) stmt()            {}
func (*Terminate) stmt()       {}
func (*Transaction) stmt()     {}
func (*Truncate) stmt()        {}
func (*Undefine) stmt()        {}
func (*Unlisten) stmt()        {}
func (*Unset) stmt()           {}
func (*Update) stmt()          {}
func (*Utility) stmt()         {}
