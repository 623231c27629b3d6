// Package planner binds statements to the catalog and turns them into plans. It
// is pure: text has been parsed before, nothing is read, written or run here,
// and the same statement over the same catalog gives the same plan.
//
// query.go and its neighbours bind SELECT in general; a bounded query is then
// rewritten (pushdown.go, prune.go). A continuous query is bound by the same
// code and laid out in stages (stream*.go).
package planner

import (
	"github.com/weirdb/weir/catalog"
	"github.com/weirdb/weir/internal/fn"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
	"github.com/weirdb/weir/sql/ast"
)

// Env is what a statement is planned against.
type Env struct {
	Catalog *catalog.Catalog
	Dialect ast.Dialect
	// Setting returns the value of a session setting, "" if it is not set.
	Setting func(name string) string
	// System returns the columns of a virtual relation (pg_catalog,
	// information_schema, weir). With an empty schema it looks in those that
	// the search path always holds.
	System func(schema, name string) (where string, cols []plan.Column, ok bool)
	// Params holds the types of $1, $2, ...; of kind Unknown where the client
	// leaves them open. Planning fills those in, and appends.
	Params []vec.Type
	// Text is the session's way of reading dates and the like.
	Text *vec.TextFormat
}

// FnDialect is the dialect in the words of package fn.
func (e *Env) FnDialect() fn.Dialect {
	if e.Dialect == ast.KSQL {
		return fn.KSQL
	}
	return fn.Postgres
}

func (e *Env) setting(name string) string {
	if e.Setting == nil {
		return ""
	}
	return e.Setting(name)
}
