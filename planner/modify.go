package planner

import (
	"strings"

	"github.com/weirdb/weir/catalog"
	"github.com/weirdb/weir/internal/fn"
	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
	"github.com/weirdb/weir/sql/ast"
)

// PlanUpdate plans UPDATE of a table: the rows that it finds are written again,
// with their new values. A row whose key changes is deleted under its old one.
func PlanUpdate(env *Env, a *ast.Update) (*Write, error) {
	b := &binder{env: env}
	if err := b.with(a.CTEs, &scope{}); err != nil {
		return nil, err
	}
	w, m, err := b.modify(a.Table, a.Alias, a.From, a.Where, a.Pos(), "UPDATE")
	if err != nil {
		return nil, err
	}
	set := map[int]bool{}
	moves := false
	for _, as := range a.Set {
		values, err := b.assignedValues(m, as)
		if err != nil {
			return nil, err
		}
		for k, name := range as.Columns {
			i := columnNamed(w.Relation, name.S)
			if i < 0 {
				return nil, pgerr.Newf(pgerr.UndefinedColumn, "column %q of relation %q does not exist", name.S, w.Relation.Name).At(as.Pos())
			}
			if set[i] {
				return nil, pgerr.Newf(pgerr.SyntaxError, "multiple assignments to same column %q", name.S).At(as.Pos())
			}
			set[i] = true
			c := w.Relation.Columns[i]
			moves = moves || c.Role == catalog.Key
			x := &exprs{binder: b, sc: m.sc, clause: "UPDATE"}
			if values[k] == nil {
				m.project.Exprs[i], err = b.defaultOf(x, c)
			} else {
				m.project.Exprs[i], err = x.assign(values[k], c, as.X.Pos())
			}
			if err != nil {
				return nil, err
			}
		}
	}
	if moves {
		for i, c := range w.Relation.Columns {
			if c.Role == catalog.Key {
				w.OldKey = append(w.OldKey, len(m.project.Exprs))
				m.project.Exprs = append(m.project.Exprs, &plan.Col{Index: i, Name: c.Name, T: c.Type})
				m.project.Names = append(m.project.Names, c.Name)
			}
		}
	}
	w.Source = optimize(m.project)
	return w, b.returning(w, a.Returning, a.Table, m.project)
}

// assignedValues binds the right side of one assignment of SET, a value for each
// column; nil stands for DEFAULT.
func (b *binder) assignedValues(m *modified, as ast.Assign) ([]plan.Expr, error) {
	x := &exprs{binder: b, sc: m.sc, clause: "UPDATE"}
	values := []ast.Expr{as.X}
	if as.Multi {
		switch e := as.X.(type) {
		case *ast.Row:
			values = e.Elems
		case *ast.Sub:
			return x.columnsOf(e, len(as.Columns))
		default:
			if len(as.Columns) > 1 {
				return nil, pgerr.Newf(pgerr.FeatureNotSupported, "source for a multiple-column UPDATE item must be a sub-SELECT or ROW() expression").At(as.X.Pos())
			}
		}
	}
	if len(values) != len(as.Columns) {
		return nil, pgerr.Newf(pgerr.SyntaxError, "number of columns does not match number of values").At(as.X.Pos())
	}
	out := make([]plan.Expr, len(values))
	for i, v := range values {
		if _, ok := v.(*ast.Default); ok {
			continue
		}
		var err error
		if out[i], err = x.bind(v); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// columnsOf makes a scalar subquery for each of the n columns of a query.
func (x *exprs) columnsOf(e *ast.Sub, n int) ([]plan.Expr, error) {
	node, cols, correlated, err := x.subplan(e.Query)
	if err != nil {
		return nil, err
	}
	if len(cols) != n {
		return nil, pgerr.Newf(pgerr.SyntaxError, "number of columns does not match number of values").At(e.Pos())
	}
	out := make([]plan.Expr, n)
	for i, c := range cols {
		one := &plan.Project{In: node, Exprs: []plan.Expr{&plan.Col{Index: i, Name: c.Name, T: c.Type}}, Names: []string{c.Name}}
		out[i] = &plan.Subquery{Kind: plan.Scalar, Plan: optimize(one), T: c.Type, Correlated: correlated}
	}
	return out, nil
}

func columnNamed(r *catalog.Relation, name string) int {
	for i, c := range r.Columns {
		if strings.EqualFold(c.Name, name) {
			return i
		}
	}
	return -1
}

// PlanDelete plans DELETE from a table: tombstones for the rows that it finds.
func PlanDelete(env *Env, a *ast.Delete) (*Write, error) {
	b := &binder{env: env}
	if err := b.with(a.CTEs, &scope{}); err != nil {
		return nil, err
	}
	w, m, err := b.modify(a.Table, a.Alias, a.Using, a.Where, a.Pos(), "DELETE")
	if err != nil {
		return nil, err
	}
	w.Delete = true
	w.Source = optimize(m.project)
	return w, b.returning(w, a.Returning, a.Table, m.project)
}

// modified is the search for the rows to change.
type modified struct {
	sc      *scope
	project *plan.Project // the relation's columns in order
}

// modify plans the search. from is what FROM or USING adds; a row that it finds
// more than once is changed once, by any of its matches.
func (b *binder) modify(table []ast.Name, alias ast.Name, from ast.Table, where ast.Expr, pos int, verb string) (*Write, *modified, error) {
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
	if from != nil {
		if in, err = b.beside(m, scan, from); err != nil {
			return nil, nil, err
		}
	}
	if where != nil {
		x := &exprs{binder: b, sc: m.sc, clause: "WHERE"}
		cond, err := x.condition(where)
		if err != nil {
			return nil, nil, err
		}
		in = &plan.Filter{In: in, Cond: cond}
	}
	if from != nil {
		if in, err = b.once(in, r); err != nil {
			return nil, nil, err
		}
	}
	m.project = &plan.Project{In: in}
	for i, c := range r.Columns { // scan gives them first, in this order
		m.project.Exprs, m.project.Names = append(m.project.Exprs, &plan.Col{Index: i, Name: c.Name, T: c.Type}), append(m.project.Names, c.Name)
	}
	return &Write{Relation: r, Sink: sinkOf(r, topic), RowID: -1}, m, nil
}

// beside joins the rows of the table with those of FROM or USING.
func (b *binder) beside(m *modified, scan plan.Node, from ast.Table) (plan.Node, error) {
	right, cols, err := b.from(from, &scope{})
	if err != nil {
		return nil, err
	}
	if l, ok := right.(*lateralNode); ok { // it sees nothing of the table
		right = l.Node
	}
	width := len(scan.Columns())
	for i := range cols {
		cols[i].index += width
	}
	if err := duplicateAlias(m.sc.cols, cols, from.Pos()); err != nil {
		return nil, err
	}
	m.sc.cols = append(m.sc.cols, cols...)
	return &plan.Join{Kind: plan.InnerJoin, L: scan, R: right}, nil
}

// once keeps one of the rows with the same key of r.
func (b *binder) once(in plan.Node, r *catalog.Relation) (plan.Node, error) {
	number := plan.WindowCall{Name: "row_number", T: vec.Of(vec.Int64)}
	for i, c := range r.Columns {
		if c.Role == catalog.Key {
			number.Partition = append(number.Partition, &plan.Col{Index: i, Name: c.Name, T: c.Type})
		}
	}
	width := len(in.Columns())
	x := &exprs{binder: b, sc: &scope{}}
	first, err := x.apply("=", []plan.Expr{&plan.Col{Index: width, T: number.T}, &plan.Const{Value: int64(1), T: number.T}}, -1)
	if err != nil {
		return nil, err
	}
	return &plan.Filter{In: &plan.WindowFuncs{In: in, Names: []string{""}, Calls: []plan.WindowCall{number}}, Cond: first}, nil
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
