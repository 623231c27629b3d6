package planner

import (
	"strings"

	"github.com/weirdb/weir/internal/fn"
	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
	"github.com/weirdb/weir/sql/ast"
)

// timeWindows binds the window functions of FROM:
//
//	TUMBLE(relation, time, size [, offset])
//	HOP(relation, time, slide, size [, offset])
//
// Every row of the relation whose time is not NULL stands once for each window that
// holds it, with the further columns window_start and window_end.
func (b *binder) timeWindows(name string, call *ast.Call, t *ast.TableFunc, sc *scope) (plan.Node, []scopeCol, error) {
	fixed := 3
	if name == "hop" {
		fixed = 4
	}
	if len(call.Args) != fixed && len(call.Args) != fixed+1 {
		return nil, nil, pgerr.Newf(pgerr.UndefinedFunction, "%s takes %d or %d arguments", strings.ToUpper(name), fixed, fixed+1).At(call.Pos())
	}
	rel, ok := call.Args[0].(*ast.Column)
	if !ok {
		return nil, nil, pgerr.Newf(pgerr.SyntaxError, "the first argument of %s is the name of a relation", strings.ToUpper(name)).At(call.Args[0].Pos())
	}
	node, cols, err := b.relation(&ast.TableName{P: rel.P, Name: rel.Parts})
	if err != nil {
		return nil, nil, err
	}
	w := &windowing{exprs: &exprs{binder: b, sc: &scope{cols: cols, outer: sc.outer}, clause: "FROM"}, pos: call.Pos()}
	if err := w.arguments(call.Args[1:], fixed-1); err != nil {
		return nil, nil, err
	}
	node = b.filtered(node, &plan.IsNull{X: w.time, Not: true})
	width := len(node.Columns())
	if name == "hop" {
		node, err = w.hop(node)
	} else {
		node, err = w.project(node, width, w.bin, w.size)
	}
	if err != nil {
		return nil, nil, err
	}
	alias := t.Alias.S
	if alias == "" {
		alias = rel.Parts[len(rel.Parts)-1].S
	}
	for i, n := range []string{"window_start", "window_end"} {
		cols = append(cols, scopeCol{name: b.env.Dialect.Fold(n), index: width + i, t: w.bin.Type()})
	}
	return renamed(node, cols, alias, t.Cols, t.Pos())
}

// windowing is one call of TUMBLE or HOP, bound over the rows of its relation.
type windowing struct {
	*exprs
	pos         int
	time        plan.Expr
	slide, size plan.Expr // intervals; equal for TUMBLE
	bin         plan.Expr // start of the last window that holds time
}

func (w *windowing) arguments(args []ast.Expr, fixed int) (err error) {
	if w.time, err = w.bind(args[0]); err != nil {
		return err
	}
	if w.time.Type().Kind == vec.Date {
		w.time, err = w.coerce(w.time, vec.Of(vec.Timestamp), fn.Implicit, args[0].Pos())
	}
	if k := w.time.Type().Kind; err == nil && k != vec.Timestamp && k != vec.TimestampTZ {
		err = pgerr.Newf(pgerr.DatatypeMismatch, "the time column of a window is of type %s", w.typeName(w.time.Type())).At(args[0].Pos())
	}
	if err != nil {
		return err
	}
	intervals := make([]plan.Expr, len(args)-1)
	for i, a := range args[1:] {
		if intervals[i], err = w.bindAs(a, vec.Of(vec.Interval), fn.Assignment); err != nil {
			return err
		}
	}
	w.slide, w.size = intervals[0], intervals[fixed-2]
	origin := plan.Expr(&plan.Const{Value: int64(0), T: w.time.Type()})
	if len(intervals) == fixed {
		if origin, err = w.apply("+", []plan.Expr{origin, intervals[fixed-1]}, w.pos); err != nil {
			return err
		}
	}
	w.bin, err = w.apply("date_bin", []plan.Expr{w.slide, w.time, origin}, w.pos)
	return err
}

// hop makes a row for each start from bin back, by slide, that is in reach.
func (w *windowing) hop(in plan.Node) (plan.Node, error) {
	width := len(in.Columns())
	from, err := w.apply("-", []plan.Expr{w.bin, w.size}, w.pos)
	if err == nil {
		from, err = w.apply("+", []plan.Expr{from, w.slide}, w.pos)
	}
	if err != nil {
		return nil, err
	}
	args := []plan.Expr{from, w.bin, w.slide}
	f, _, fields, err := fn.ResolveTable("generate_series", fn.Postgres, []vec.Type{from.Type(), w.bin.Type(), w.slide.Type()})
	if err != nil {
		return nil, at(err, w.pos)
	}
	start := &plan.Col{Index: width, Name: "window_start", T: fields[0].Type}
	node := plan.Node(&plan.Unnest{In: in, Funcs: []plan.TableCall{{Fn: f, Args: args, Cols: []plan.Column{{Name: start.Name, Type: start.T}}}}})
	end, err := w.apply("+", []plan.Expr{start, w.size}, w.pos)
	if err != nil {
		return nil, err
	}
	holds, err := w.apply(">", []plan.Expr{end, w.time}, w.pos)
	if err != nil {
		return nil, err
	}
	return w.project(w.filtered(node, holds), width, start, w.size)
}

// project keeps the first width columns and adds the bounds of the window.
func (w *windowing) project(in plan.Node, width int, start, size plan.Expr) (plan.Node, error) {
	end, err := w.apply("+", []plan.Expr{start, size}, w.pos)
	if err != nil {
		return nil, err
	}
	p := first(in, width).(*plan.Project)
	p.Exprs, p.Names = append(p.Exprs, start, end), append(p.Names, "window_start", "window_end")
	return p, nil
}

// filtered keeps the rows of n for which cond is true; of a table that changes it
// has to see the old rows.
func (b *binder) filtered(n plan.Node, cond plan.Expr) plan.Node {
	if !b.stream {
		return &plan.Filter{In: n, Cond: cond}
	}
	return &plan.Filter{In: changed(n), Cond: cond, Table: flowOf(n).table}
}
