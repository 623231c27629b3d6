package planner

import (
	"strings"

	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/planner/plan"
	"github.com/weirdb/weir/sql/ast"
)

// keyWords says what the key columns of a query are, for ksqlDB's messages.
type keyWords struct {
	noun  string   // key column, grouping expression, ...
	names []string // any of them will do if they are a join's
	or    bool
	more  string
	// foreign is, for a join of tables on a foreign key, the left one.
	foreign string
}

// groupable checks GROUP BY as ksqlDB does.
func (s *streamSelection) groupable() error {
	if len(s.collect.tables) > 0 {
		return pgerr.Newf(pgerr.InvalidDefinition, "Table functions cannot be used with aggregations.").At(s.q.Pos())
	}
	if !s.ksql() {
		return nil
	}
	if bad := s.ungrouped(); len(bad) > 0 {
		return pgerr.Newf(pgerr.GroupingError, "Non-aggregate SELECT expression(s) not part of GROUP BY: %s\nEither add the column(s) to the GROUP BY or remove them from the SELECT.", strings.Join(bad, ", ")).At(s.q.Pos())
	}
	if s.sink != nil && len(s.keys) == 0 {
		name := "COUNT(ROWTIME)"
		if len(s.collect.aggs) > 0 {
			a := s.collect.aggs[0]
			if len(a.Args) > 0 {
				name = strings.ToUpper(a.Fn.Name)
			}
		}
		return pgerr.Newf(pgerr.GroupingError, "%s statement does not support aggregate function [%s] without a GROUP BY clause.", strings.TrimSuffix(s.sink.what, ""), name).At(s.q.Pos())
	}
	if len(s.collect.aggs) == 0 {
		return pgerr.Newf(pgerr.GroupingError, "GROUP BY requires aggregate functions in either the SELECT or HAVING clause.").At(s.q.Pos())
	}
	seen := map[string]bool{}
	for _, g := range s.q.GroupBy {
		text, ok := exprText(qualify(g, s.sc.cols), s.env.Dialect)
		if ok && seen[text] {
			return pgerr.Newf(pgerr.InvalidDefinition, "Duplicate GROUP BY expression: %s", text).At(g.Pos())
		}
		seen[text] = true
	}
	return nil
}

// ungrouped returns the texts of the select items that are neither grouped by
// nor aggregates.
func (s *streamSelection) ungrouped() (out []string) {
	for i, o := range s.outs {
		if i >= len(s.q.Items) || s.isGrouped(o.e) {
			continue
		}
		text, _ := exprText(s.q.Items[i].X, s.env.Dialect)
		if text == "" {
			text = o.name
		}
		out = append(out, text)
	}
	return out
}

func (s *streamSelection) isGrouped(e plan.Expr) bool {
	ok := true
	plan.Rewrite(e, func(e plan.Expr, depth int) plan.Expr {
		if depth > 0 {
			return nil
		}
		for _, k := range s.keys {
			if sameExpr(e, k) {
				return e
			}
		}
		if c, is := e.(*plan.Col); is && c.Index < aggBase {
			ok = false
		}
		return nil
	})
	return ok
}

func (s *sink) duplicateKey(a, b output) error {
	return pgerr.Newf(pgerr.InvalidDefinition, "The projection contains a key column (`%s`) more than once, aliased as: %s and %s.", a.name, a.name, b.name).At(b.pos)
}

// missingKey is the error for a projection that lacks a column of the key.
func (s *sink) missingKey(f *flow, cols []sinkCol) error {
	w := s.words
	if w.foreign != "" {
		var missing []string
		for i, k := range f.key {
			selected := false
			for _, c := range cols {
				selected = selected || plainColumn(c.e) == k.col
			}
			if !selected && i < len(w.names) {
				missing = append(missing, "`"+w.names[i]+"`")
			}
		}
		plural := "s"[:min(len(missing)-1, 1)]
		return pgerr.Newf(pgerr.InvalidDefinition, "Primary key column%s missing in projection. For foreign-key table-table joins, the projection must include all primary key columns from the left input table (`%s`). Missing column%s: %s.",
			plural, w.foreign, plural, strings.Join(missing, ", ")).At(s.pos)
	}
	noun, verb := w.noun, " "
	sep := " and "
	if w.or {
		sep = " or "
	}
	if len(w.names) > 1 {
		noun += "s"
	}
	list := strings.Join(w.names, ", ")
	if i := strings.LastIndex(list, ", "); i >= 0 {
		list = list[:i] + sep + list[i+2:]
	}
	example := strings.Join(w.names, ", ")
	if w.or {
		example = w.names[0]
	}
	return pgerr.Newf(pgerr.InvalidDefinition, "Key missing from projection (ie, SELECT). See https://cnfl.io/2LV7ouS.\nThe query used to build `%s` must include the %s%s%s in its projection (eg, SELECT %s...).%s",
		s.def.Relation.Name, noun, verb, list, example, w.more).At(s.pos)
}

// isForeign tells whether n is a join of tables on a foreign key.
func isForeign(n plan.Node) bool {
	switch n := n.(type) {
	case *plan.Filter:
		return isForeign(n.In)
	case *plan.Project:
		return isForeign(n.In)
	case *plan.Join:
		return n.Shape == plan.Bounded
	}
	return false
}

// describeKeys notes what a query's key columns are called.
func (s *streamSelection) describeKeys() {
	if s.sink == nil {
		return
	}
	w := keyWords{noun: "key column"}
	text := func(es []ast.Expr) (out []string) {
		for _, e := range es {
			t, _ := exprText(e, s.env.Dialect)
			out = append(out, t)
		}
		return out
	}
	name := func(c int) string {
		for _, sc := range s.sc.cols {
			if sc.index == c && sc.table != "" && (s.join || len(s.parts) > 0) {
				return sc.table + "." + sc.name
			} else if sc.index == c {
				return sc.name
			}
		}
		return ""
	}
	f := s.flow()
	switch {
	case len(s.keys) > 0:
		w.noun, w.names = "grouping expression", text(s.q.GroupBy)
	case len(s.q.Partition) > 0:
		w.noun = "partitioning expression"
		for i, p := range s.parts {
			if c := plainColumn(p); c >= 0 {
				w.names = append(w.names, name(c))
			} else {
				w.names = append(w.names, text(s.q.Partition[i:i+1])...)
			}
		}
	case s.join && isForeign(s.node):
		for _, k := range f.key {
			for _, c := range s.sc.cols {
				if c.index == k.col {
					w.names, w.foreign = append(w.names, c.name), s.sc.cols[0].table
				}
			}
		}
	case s.join:
		w.noun, w.or = "join expression", true
		for _, k := range f.key {
			if k.synthetic {
				w.more = "\n" + name(k.col) + " was added as a synthetic key column because the join criteria did not match any source column. This expression must be included in the projection and may be aliased."
				w.names = append(w.names, name(k.col))
				continue
			}
			seen := map[int]bool{}
			for _, c := range k.named() {
				if c >= 0 && !seen[c] {
					seen[c] = true
					w.names = append(w.names, name(c))
				}
			}
		}
	default:
		for _, k := range f.key {
			if k.col >= 0 {
				w.names = append(w.names, name(k.col))
			}
		}
	}
	s.sink.words = w
}
