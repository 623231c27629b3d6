package planner

import (
	"strings"

	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
	"github.com/weirdb/weir/sql/ast"
)

// A scope is the row that an expression may refer to, and the rows around it.
type scope struct {
	cols  []scopeCol
	outer *scope // the query around this subquery; nil at the top
	// correlated is set when an expression inside refers to an outer row.
	correlated bool
}

// scopeCol is one visible column. Several may stand for one physical column,
// and their order is that of SELECT *.
type scopeCol struct {
	schema, table string // of the FROM item; empty for a merged column
	name          string
	index         int // in the node's row
	t             vec.Type
	// hidden columns are found by name but left out of *: pseudo columns, and
	// generated keys. covered ones are found only when qualified: the originals
	// of a column merged by USING.
	hidden, covered bool
	// made columns hold an expression of PARTITION BY: their names are free.
	made bool
	// key marks the key columns of a relation (streaming plans need them).
	key bool
	// pseudo is set for ROWTIME and its like.
	pseudo plan.SourceKind
}

// lookup finds a column by its name, 1 to 3 parts, here or further out; level
// is how many scopes out it was found.
func (s *scope) lookup(parts []ast.Name, pos int) (c *scopeCol, level int, err error) {
	for sc := s; sc != nil; sc, level = sc.outer, level+1 {
		c, err = sc.find(parts, pos)
		if err != nil || c != nil {
			for in := s; in != sc; in = in.outer {
				in.correlated = true
			}
			return c, level, err
		}
	}
	return nil, 0, s.undefined(parts, pos)
}

// find looks for a column in this scope alone: nil, nil if there is none. An
// exact match beats one that differs in case.
func (s *scope) find(parts []ast.Name, pos int) (*scopeCol, error) {
	for _, same := range []func(a, b string) bool{func(a, b string) bool { return a == b }, strings.EqualFold} {
		var found *scopeCol
		for i := range s.cols {
			c := &s.cols[i]
			if !c.matches(parts, same) {
				continue
			}
			if found != nil && found.index != c.index {
				return nil, pgerr.Newf(pgerr.AmbiguousColumn, "column reference %q is ambiguous", parts[len(parts)-1].S).At(pos)
			}
			found = c
		}
		if found != nil {
			return found, nil
		}
	}
	return nil, nil
}

func (c *scopeCol) matches(parts []ast.Name, same func(a, b string) bool) bool {
	if !same(c.name, parts[len(parts)-1].S) {
		return false
	}
	switch len(parts) {
	case 1:
		return !c.covered
	case 2:
		return same(c.table, parts[0].S)
	case 3:
		return same(c.table, parts[1].S) && same(c.schema, parts[0].S)
	}
	return false
}

func (s *scope) undefined(parts []ast.Name, pos int) error {
	if len(parts) > 1 {
		table := parts[len(parts)-2].S
		for sc := s; sc != nil; sc = sc.outer {
			for _, c := range sc.cols {
				if strings.EqualFold(c.table, table) {
					return pgerr.Newf(pgerr.UndefinedColumn, "column %s.%s does not exist", table, parts[len(parts)-1].S).At(pos)
				}
			}
		}
		return pgerr.Newf(pgerr.UndefinedTable, "missing FROM-clause entry for table %q", table).At(pos)
	}
	name := parts[0].S
	e := pgerr.Newf(pgerr.UndefinedColumn, "column %q does not exist", name).At(pos)
	for sc := s; sc != nil; sc = sc.outer {
		for _, c := range sc.cols {
			if near(c.name, name) {
				return e.Hintf("Perhaps you meant to reference the column %q.", qualified(c.table, c.name))
			}
		}
	}
	return e
}

func qualified(table, name string) string {
	if table == "" {
		return name
	}
	return table + "." + name
}

// near tells whether two names differ by one letter.
func near(a, b string) bool {
	a, b = strings.ToLower(a), strings.ToLower(b)
	if len(a) > len(b) {
		a, b = b, a
	}
	if len(b)-len(a) > 1 || len(a) < 3 {
		return false
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	if len(a) == len(b) {
		return i == len(a) || a[i+1:] == b[i+1:]
	}
	return a[i:] == b[i+1:]
}

// star returns the columns that * or table.* stands for.
func (s *scope) star(qual []ast.Name, pos int) ([]*scopeCol, error) {
	var out []*scopeCol
	known := len(qual) == 0
	for i := range s.cols {
		c := &s.cols[i]
		if len(qual) > 0 {
			if !strings.EqualFold(c.table, qual[len(qual)-1].S) {
				continue
			}
			known = true
			if c.covered {
				out = append(out, c)
				continue
			}
		}
		if !c.hidden && !c.covered {
			out = append(out, c)
		}
	}
	if !known {
		return nil, pgerr.Newf(pgerr.UndefinedTable, "missing FROM-clause entry for table %q", qual[len(qual)-1].S).At(pos)
	}
	return out, nil
}

func (c *scopeCol) expr(level int) plan.Expr {
	if level > 0 {
		return &plan.Outer{Level: level - 1, Index: c.index, Name: c.name, T: c.t}
	}
	return &plan.Col{Index: c.index, Name: c.name, T: c.t}
}
