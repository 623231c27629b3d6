package planner

import (
	"strings"

	"github.com/weirdb/weir/catalog"
	"github.com/weirdb/weir/internal/fn"
	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/planner/plan"
	"github.com/weirdb/weir/sql/ast"
)

// PlanUpdate plans UPDATE of a table: the rows that it finds are written again,
// with their new values, under the same key.
func PlanUpdate(env *Env, a *ast.Update) (*Write, error) {
	b := &binder{env: env}
	if a.From != nil {
		return nil, pgerr.Newf(pgerr.FeatureNotSupported, "UPDATE ... FROM is not supported yet").At(a.From.Pos())
	}
	w, sel, err := b.modify(a.Table, a.Alias, a.Where, a.Pos(), "UPDATE")
	if err != nil {
		return nil, err
	}
	for _, set := range a.Set {
		if len(set.Columns) != 1 {
			return nil, pgerr.Newf(pgerr.FeatureNotSupported, "SET of several columns at once is not supported yet").At(set.Pos())
		}
		i := -1
		for j, c := range w.Relation.Columns {
			if strings.EqualFold(c.Name, set.Columns[0].S) {
				i = j
			}
		}
		if i < 0 {
			return nil, pgerr.Newf(pgerr.UndefinedColumn, "column %q of relation %q does not exist", set.Columns[0].S, w.Relation.Name).At(set.Pos())
		}
		c := w.Relation.Columns[i]
		if c.Role == catalog.Key {
			return nil, pgerr.Newf(pgerr.FeatureNotSupported, "UPDATE of a key column is not supported yet").At(set.Pos()).
				Hintf("DELETE the row and INSERT it with its new key.")
		}
		x := &exprs{binder: b, sc: sel.sc, clause: "UPDATE"}
		var e plan.Expr
		if _, ok := set.X.(*ast.Default); ok {
			e, err = b.defaultOf(x, c)
		} else if e, err = x.bind(set.X); err == nil {
			e, err = x.assign(e, c, set.X.Pos())
		}
		if err != nil {
			return nil, err
		}
		sel.project.Exprs[i] = e
	}
	w.Source = optimize(sel.project)
	return w, b.returning(w, a.Returning, a.Table, sel.project)
}

// PlanDelete plans DELETE from a table: tombstones for the rows that it finds.
func PlanDelete(env *Env, a *ast.Delete) (*Write, error) {
	b := &binder{env: env}
	if a.Using != nil {
		return nil, pgerr.Newf(pgerr.FeatureNotSupported, "DELETE ... USING is not supported yet").At(a.Using.Pos())
	}
	w, sel, err := b.modify(a.Table, a.Alias, a.Where, a.Pos(), "DELETE")
	if err != nil {
		return nil, err
	}
	w.Delete = true
	w.Source = optimize(sel.project)
	return w, b.returning(w, a.Returning, a.Table, sel.project)
}

// modified is the search for the rows to change.
type modified struct {
	sc      *scope
	project *plan.Project // the relation's columns in order
}

func (b *binder) modify(table []ast.Name, alias ast.Name, where ast.Expr, pos int, verb string) (*Write, *modified, error) {
	r, topic, err := b.writable(table, pos)
	if err != nil {
		return nil, nil, err
	}
	if !r.Kind.IsTable() {
		return nil, nil, pgerr.Newf(pgerr.WrongObjectType, "cannot %s stream %q", verb, r.Name).At(pos).
			Detailf("A stream is a log of what happened; its records do not change.")
	}
	name := alias.S
	if name == "" {
		name = table[len(table)-1].S
	}
	scan, cols, err := b.scan(r, name)
	if err != nil {
		return nil, nil, err
	}
	for i := range cols {
		cols[i].table = name
	}
	m := &modified{sc: &scope{cols: cols}}
	var in plan.Node = scan
	if where != nil {
		x := &exprs{binder: b, sc: m.sc, clause: "WHERE"}
		cond, err := x.condition(where)
		if err != nil {
			return nil, nil, err
		}
		in = &plan.Filter{In: scan, Cond: cond}
	}
	m.project = &plan.Project{In: in}
	for i, c := range r.Columns { // scan gives them first, in this order
		m.project.Exprs, m.project.Names = append(m.project.Exprs, &plan.Col{Index: i, Name: c.Name, T: c.Type}), append(m.project.Names, c.Name)
	}
	return &Write{Relation: r, Sink: sinkOf(r, topic), RowID: -1}, m, nil
}

// ConstantExprs binds expressions without columns, of the given types.
func ConstantExprs(env *Env, es []ast.Expr, clause string) ([]plan.Expr, error) {
	b := &binder{env: env}
	x := &exprs{binder: b, sc: &scope{}, clause: clause}
	out := make([]plan.Expr, len(es))
	for i, e := range es {
		var err error
		if i < len(env.Params) {
			out[i], err = x.bindAs(e, env.Params[i], fn.Assignment)
		} else {
			out[i], err = x.bind(e)
		}
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}
