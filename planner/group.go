package planner

import (
	"slices"

	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
	"github.com/weirdb/weir/sql/ast"
)

// maxGroupingSets is PostgreSQL's limit for CUBE and ROLLUP together.
const maxGroupingSets = 4096

// groupBy binds GROUP BY. Each item stands for alternatives, sets of keys; the
// grouping sets of the query are all ways to take one of each item (SQL:1999).
func (s *selection) groupBy() error {
	sets := [][]int{nil}
	plain := true
	for _, g := range s.q.GroupBy {
		if _, ok := g.(*ast.GroupSets); ok {
			plain = false
		}
		alternatives, err := s.groupItem(g)
		if err != nil {
			return err
		}
		var next [][]int
		for _, have := range sets {
			for _, a := range alternatives {
				next = append(next, slices.Concat(have, a))
			}
		}
		if sets = next; len(sets) > maxGroupingSets {
			return pgerr.Newf(pgerr.StatementTooComplex, "too many grouping sets present (maximum %d)", maxGroupingSets).At(g.Pos())
		}
	}
	if plain {
		return nil
	}
	if s.stream {
		return pgerr.Newf(pgerr.FeatureNotSupported, "grouping sets are not supported in continuous queries yet").At(s.q.GroupBy[0].Pos())
	}
	s.sets = sets
	return nil
}

func (s *selection) groupItem(g ast.Expr) ([][]int, error) {
	gs, ok := g.(*ast.GroupSets)
	if !ok {
		one, err := s.groupKeys(g)
		return [][]int{one}, err
	}
	var parts [][]int
	for _, e := range gs.Sets {
		if inner, ok := e.(*ast.GroupSets); ok && gs.Kind == ast.GroupingSets {
			more, err := s.groupItem(inner)
			if err != nil {
				return nil, err
			}
			parts = append(parts, more...)
			continue
		}
		one, err := s.groupKeys(e)
		if err != nil {
			return nil, err
		}
		parts = append(parts, one)
	}
	switch gs.Kind {
	case ast.Rollup:
		var out [][]int
		for n := len(parts); n >= 0; n-- {
			out = append(out, slices.Concat(parts[:n]...))
		}
		return out, nil
	case ast.Cube:
		if len(parts) > 12 {
			return nil, pgerr.Newf(pgerr.StatementTooComplex, "CUBE is limited to 12 elements").At(g.Pos())
		}
		var out [][]int
		for mask := 1<<len(parts) - 1; mask >= 0; mask-- {
			var set []int
			for i, p := range parts {
				if mask>>(len(parts)-1-i)&1 != 0 {
					set = append(set, p...)
				}
			}
			out = append(out, set)
		}
		return out, nil
	case ast.GroupEmpty:
		return [][]int{nil}, nil
	}
	return parts, nil
}

// groupKeys binds one item, which a row spreads over several keys: the number or
// name of an output, or an expression over the rows of FROM. (A name means a
// column of FROM first.)
func (s *selection) groupKeys(g ast.Expr) ([]int, error) {
	if row, ok := g.(*ast.Row); ok && !row.Explicit {
		var out []int
		for _, e := range row.Elems {
			one, err := s.groupKeys(e)
			if err != nil {
				return nil, err
			}
			out = append(out, one...)
		}
		return out, nil
	}
	e, err := s.groupExpr(g)
	if err == nil {
		e, err = s.known(e, g.Pos())
	}
	if err != nil {
		return nil, err
	}
	plan.Visit(e, func(e plan.Expr, depth int) {
		if c, ok := e.(*plan.Col); ok && depth == 0 && c.Index >= aggBase {
			err = pgerr.Newf(pgerr.GroupingError, "aggregate functions are not allowed in GROUP BY").At(g.Pos())
		}
	})
	if err != nil {
		return nil, err
	}
	// ksqlDB tells every key apart; elsewhere a key that stands twice is one.
	for i, k := range s.keys {
		if s.env.Dialect != ast.KSQL && sameExpr(k, e) {
			return []int{i}, nil
		}
	}
	s.keys = append(s.keys, e)
	return []int{len(s.keys) - 1}, nil
}

func (s *selection) groupExpr(g ast.Expr) (plan.Expr, error) {
	if i, ok, err := ordinal(g, len(s.outs), "GROUP BY"); err != nil {
		return nil, err
	} else if ok && s.env.Dialect == ast.Postgres {
		return s.outs[i].e, nil
	}
	if c, ok := g.(*ast.Column); ok && len(c.Parts) == 1 && s.env.Dialect == ast.Postgres {
		found, err := s.sc.find(c.Parts, c.Pos())
		if err != nil {
			return nil, err
		}
		if i := s.outputNamed(c.Parts[0].S); found == nil && i >= 0 {
			return s.outs[i].e, nil
		}
	}
	x := &exprs{binder: s.binder, sc: s.sc, clause: "GROUP BY"}
	return x.bind(g)
}

// groupSets computes each grouping set by an Aggregate of its own over the same
// input: the keys that are not in the set are null, and GROUPING has a bit for
// each argument that is not.
func (s *selection) groupSets(all *plan.Aggregate) plan.Node {
	sets := s.sets
	if sets == nil {
		sets = [][]int{keepAll(len(s.keys))}
	}
	var union plan.Node
	for _, set := range sets {
		agg := *all
		agg.Keys, agg.Names = nil, nil
		at := map[int]int{} // key to its place in agg
		for _, k := range set {
			if _, dup := at[k]; !dup {
				at[k] = len(agg.Keys)
				agg.Keys, agg.Names = append(agg.Keys, all.Keys[k]), append(agg.Names, all.Names[k])
			}
		}
		agg.Names = append(agg.Names, all.Names[len(all.Keys):]...)
		p := &plan.Project{In: &agg, Names: slices.Clone(all.Names)}
		for k, e := range all.Keys {
			if i, ok := at[k]; ok {
				p.Exprs = append(p.Exprs, &plan.Col{Index: i, Name: all.Names[k], T: e.Type()})
			} else {
				p.Exprs = append(p.Exprs, &plan.Const{T: e.Type()})
			}
		}
		for i, a := range agg.Aggs {
			p.Exprs = append(p.Exprs, &plan.Col{Index: len(agg.Keys) + i, Name: a.Fn.Name, T: a.T})
		}
		for _, args := range s.collect.grouping {
			bits := int64(0)
			for _, a := range args {
				bits <<= 1
				in := false
				for k := range at {
					in = in || sameExpr(all.Keys[k], a)
				}
				if !in {
					bits |= 1
				}
			}
			p.Exprs, p.Names = append(p.Exprs, &plan.Const{Value: bits, T: vec.Of(vec.Int32)}), append(p.Names, "grouping")
		}
		if union == nil {
			union = p
		} else {
			union = &plan.SetOp{Op: plan.Union, All: true, L: union, R: p}
		}
	}
	return union
}
