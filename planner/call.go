package planner

import (
	"strconv"
	"strings"

	"github.com/weirdb/weir/internal/fn"
	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
	"github.com/weirdb/weir/sql/ast"
)

func itoa(n int) string { return strconv.Itoa(n) }

func (x *exprs) call(e *ast.Call) (plan.Expr, error) {
	name := strings.ToLower(e.Name[len(e.Name)-1].S)
	d := x.env.FnDialect()
	if e.Over != nil {
		return x.windowCall(name, e)
	}
	if len(fn.LookupAgg(name, d)) > 0 {
		return x.aggregate(name, e)
	}
	if name == "grouping" && x.collect != nil && !x.inAgg {
		args, err := x.bindAll(e.Args)
		if err != nil {
			return nil, err
		}
		x.collect.grouping = append(x.collect.grouping, args)
		return &plan.Col{Index: groupingBase + len(x.collect.grouping) - 1, Name: name, T: vec.Of(vec.Int32)}, nil
	}
	if e.Distinct || e.Filter != nil || len(e.OrderBy) > 0 || len(e.WithinGroup) > 0 {
		return nil, pgerr.Newf(pgerr.WrongObjectType, "%s is not an aggregate function", name).At(e.Pos())
	}
	if len(fn.LookupTable(name, d)) > 0 && len(fn.Lookup(name, d)) == 0 {
		return x.tableCall(name, e)
	}
	return x.scalarCall(name, e)
}

func (x *exprs) scalarCall(name string, e *ast.Call) (plan.Expr, error) {
	args := e.Args
	if name == "position" { // the parser has put the arguments in strpos' order
		name = "strpos"
	}
	switch name {
	case "coalesce", "ifnull":
		bound, err := x.bindAll(args)
		if err != nil {
			return nil, err
		}
		if len(bound) == 0 {
			return nil, pgerr.Newf(pgerr.SyntaxError, "%s needs at least one argument", name).At(e.Pos())
		}
		bound, t, err := x.unify(bound, positions(args), "COALESCE")
		return &plan.Coalesce{Args: bound, T: t}, err
	case "nullif":
		if len(args) == 2 {
			return x.nullif(args, e.Pos())
		}
	case "date", "text", "int4", "int8", "float8", "numeric", "bool", "timestamp", "timestamptz":
		// PostgreSQL reads type(x) as a cast where there is no such function.
		if len(args) == 1 && len(fn.Lookup(name, x.env.FnDialect())) == 0 {
			return x.bindAs(args[0], typeNames[name], fn.Explicit)
		}
	}
	if x.env.Dialect == ast.KSQL && unitFirst[name] && len(args) > 0 {
		if c, ok := args[0].(*ast.Column); ok && len(c.Parts) == 1 && isUnit(c.Parts[0].S) { // a word like MILLISECONDS
			args = append([]ast.Expr{&ast.String{P: c.P, V: c.Parts[0].S}}, args[1:]...)
		}
	}
	bound := make([]plan.Expr, len(args))
	shapes := make([]fn.Arg, len(args))
	lambdas := make([]*ast.Lambda, len(args))
	for i, a := range args {
		if l, ok := a.(*ast.Lambda); ok {
			lambdas[i], shapes[i].Lambda = l, len(l.Params)
			continue
		}
		var err error
		if bound[i], err = x.bind(a); err != nil {
			return nil, err
		}
		shapes[i].Type = bound[i].Type()
	}
	if x.env.Dialect == ast.KSQL && (name == "greatest" || name == "least") && !oneKind(bound) {
		var types []string
		for _, b := range bound {
			types = append(types, operandType(b))
		}
		return nil, pgerr.Newf(pgerr.AmbiguousFunction, "Function '%s' cannot be resolved due to ambiguous method parameters (%s).", name, strings.Join(types, ", ")).At(e.Pos())
	}
	f, want, t, err := fn.ResolveLambda(name, x.env.FnDialect(), shapes, func(i int, params []vec.Type) (vec.Type, error) {
		l := lambdas[i]
		var frame []lambdaParam
		pl := &plan.Lambda{}
		for j, p := range l.Params {
			frame = append(frame, lambdaParam{p.S, params[j]})
			pl.Params = append(pl.Params, p.S)
		}
		x.lambdas = append(x.lambdas, frame)
		defer func() { x.lambdas = x.lambdas[:len(x.lambdas)-1] }()
		body, err := x.bind(l.Body)
		if err == nil {
			body, err = x.known(body, l.Body.Pos())
		}
		if err != nil {
			return vec.Type{}, err
		}
		pl.Body = body
		bound[i] = pl
		return body.Type(), nil
	})
	if err != nil {
		return nil, at(err, e.Pos())
	}
	return x.callOf(f, bound, want, t, e.Pos())
}

func isUnit(word string) bool {
	switch strings.TrimSuffix(strings.ToUpper(word), "S") {
	case "YEAR", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND", "MILLISECOND":
		return true
	}
	return false
}

// unitFirst are ksqlDB's functions whose first argument is a unit of time.
var unitFirst = map[string]bool{
	"dateadd": true, "datesub": true, "timeadd": true, "timesub": true, "timestampadd": true, "timestampsub": true,
}

// oneKind tells whether all, NULLs apart, are of one kind: ksqlDB's GREATEST and
// LEAST have an overload for each.
func oneKind(es []plan.Expr) bool {
	kind := vec.Unknown
	for _, e := range es {
		if e == nil { // a lambda
			return true
		}
		switch k := e.Type().Kind; {
		case k == vec.Unknown || k == kind:
		case kind == vec.Unknown:
			kind = k
		default:
			return false
		}
	}
	return kind != vec.Unknown || !allNull(es)
}

func (x *exprs) nullif(args []ast.Expr, pos int) (plan.Expr, error) {
	bound, err := x.bindAll(args)
	if err != nil {
		return nil, err
	}
	eq, err := x.apply("=", bound, pos)
	if err != nil {
		return nil, err
	}
	first, err := x.known(bound[0], pos)
	if err != nil {
		return nil, err
	}
	return &plan.Case{Whens: []plan.When{{Cond: eq, Then: &plan.Const{T: first.Type()}}}, Else: first, T: first.Type()}, nil
}

func (x *exprs) aggregate(name string, e *ast.Call) (plan.Expr, error) {
	if x.inAgg {
		return nil, pgerr.Newf(pgerr.GroupingError, "aggregate function calls cannot be nested").At(e.Pos())
	}
	if x.collect == nil {
		return nil, pgerr.Newf(pgerr.GroupingError, "aggregate functions are not allowed in %s", x.clause).At(e.Pos())
	}
	call, err := x.aggCall(name, e)
	if err != nil {
		return nil, err
	}
	x.collect.aggs = append(x.collect.aggs, *call)
	return &plan.Col{Index: aggBase + len(x.collect.aggs) - 1, Name: name, T: call.T}, nil
}

func (x *exprs) aggCall(name string, e *ast.Call) (*plan.AggCall, error) {
	in := *x
	in.inAgg = true
	var args []plan.Expr
	for _, a := range e.Args {
		if _, star := a.(*ast.Star); star {
			if name != "count" || len(e.Args) != 1 {
				return nil, pgerr.Newf(pgerr.SyntaxError, "%s(*) is not allowed", name).At(a.Pos())
			}
			break
		}
		b, err := in.bind(a)
		if err != nil {
			return nil, err
		}
		args = append(args, b)
	}
	call := &plan.AggCall{Distinct: e.Distinct}
	for _, o := range append(append([]ast.Order{}, e.OrderBy...), e.WithinGroup...) {
		k, err := in.sortKey(o)
		if err != nil {
			return nil, err
		}
		call.OrderBy = append(call.OrderBy, k)
	}
	if len(e.WithinGroup) > 0 { // the ordered argument follows the direct ones
		for _, k := range call.OrderBy {
			args = append(args, k.X)
		}
	}
	types := make([]vec.Type, len(args))
	for i, a := range args {
		types[i] = a.Type()
	}
	f, want, t, err := fn.ResolveAgg(name, x.env.FnDialect(), types)
	if err != nil {
		return nil, at(err, e.Pos())
	}
	for i, a := range args {
		if a, err = x.coerce(a, want[i], fn.Implicit, e.Pos()); err != nil {
			return nil, err
		}
		call.Args = append(call.Args, a)
	}
	if e.Filter != nil {
		in.clause = "FILTER"
		if call.Filter, err = in.condition(e.Filter); err != nil {
			return nil, err
		}
	}
	call.Fn, call.T = f, t
	return call, nil
}

func (x *exprs) sortKey(o ast.Order) (plan.SortKey, error) {
	e, err := x.bind(o.X)
	if err == nil {
		e, err = x.known(e, o.X.Pos())
	}
	return sortKeyOf(e, o), err
}

func sortKeyOf(e plan.Expr, o ast.Order) plan.SortKey {
	desc := o.Desc || o.Using == ">"
	return plan.SortKey{X: e, Desc: desc, NullsFirst: o.Nulls == ast.NullsFirst || o.Nulls == ast.NullsDefault && desc}
}

// windowOnly are the functions that exist only with OVER, with their arguments.
var windowOnly = map[string]struct {
	min, max int
	t        vec.Type // of the result; Unknown means that of the first argument
}{
	"row_number": {0, 0, vec.Of(vec.Int64)}, "rank": {0, 0, vec.Of(vec.Int64)}, "dense_rank": {0, 0, vec.Of(vec.Int64)},
	"percent_rank": {0, 0, vec.Of(vec.Float64)}, "cume_dist": {0, 0, vec.Of(vec.Float64)}, "ntile": {1, 1, vec.Of(vec.Int32)},
	"lag": {1, 3, vec.Type{}}, "lead": {1, 3, vec.Type{}}, "first_value": {1, 1, vec.Type{}}, "last_value": {1, 1, vec.Type{}},
	"nth_value": {2, 2, vec.Type{}},
}

func (x *exprs) windowCall(name string, e *ast.Call) (plan.Expr, error) {
	if x.collect == nil || x.inAgg {
		return nil, pgerr.Newf(pgerr.WindowingError, "window functions are not allowed in %s", x.clause).At(e.Pos())
	}
	call := plan.WindowCall{Name: name}
	if w, ok := windowOnly[name]; ok {
		if len(e.Args) < w.min || len(e.Args) > w.max {
			return nil, pgerr.Newf(pgerr.UndefinedFunction, "function %s with %d arguments does not exist", name, len(e.Args)).At(e.Pos())
		}
		for _, a := range e.Args {
			b, err := x.bind(a)
			if err == nil {
				b, err = x.known(b, a.Pos())
			}
			if err != nil {
				return nil, err
			}
			call.Args = append(call.Args, b)
		}
		if call.T = w.t; w.t.Kind == vec.Unknown {
			call.T = call.Args[0].Type()
			if len(call.Args) == 3 { // lag's default
				both, t, err := x.unify([]plan.Expr{call.Args[0], call.Args[2]}, []int{e.Pos(), e.Pos()}, name)
				if err != nil {
					return nil, err
				}
				call.Args[0], call.Args[2], call.T = both[0], both[1], t
			}
		}
	} else {
		if len(fn.LookupAgg(name, x.env.FnDialect())) == 0 {
			return nil, pgerr.Newf(pgerr.WrongObjectType, "OVER specified, but %s is not a window function nor an aggregate function", name).At(e.Pos())
		}
		agg, err := x.windowAgg(name, e)
		if err != nil {
			return nil, err
		}
		call.Agg, call.Args, call.T = agg.Fn, agg.Args, agg.T
	}
	if err := x.over(&call, e.Over, e.Pos()); err != nil {
		return nil, err
	}
	x.collect.windows = append(x.collect.windows, call)
	return &plan.Col{Index: windowBase + len(x.collect.windows) - 1, Name: name, T: call.T}, nil
}

// windowAgg binds an aggregate used with OVER: its arguments may hold
// aggregates of the query itself.
func (x *exprs) windowAgg(name string, e *ast.Call) (*plan.AggCall, error) {
	if e.Distinct || len(e.OrderBy) > 0 || e.Filter != nil {
		return nil, pgerr.Newf(pgerr.FeatureNotSupported, "DISTINCT, ORDER BY and FILTER are not supported for window functions yet").At(e.Pos())
	}
	call := &plan.AggCall{}
	var types []vec.Type
	for _, a := range e.Args {
		if _, star := a.(*ast.Star); star {
			break
		}
		b, err := x.bind(a)
		if err != nil {
			return nil, err
		}
		call.Args, types = append(call.Args, b), append(types, b.Type())
	}
	f, want, t, err := fn.ResolveAgg(name, x.env.FnDialect(), types)
	if err != nil {
		return nil, at(err, e.Pos())
	}
	for i := range call.Args {
		if call.Args[i], err = x.coerce(call.Args[i], want[i], fn.Implicit, e.Pos()); err != nil {
			return nil, err
		}
	}
	call.Fn, call.T = f, t
	return call, nil
}

func (x *exprs) over(call *plan.WindowCall, w *ast.Window, pos int) error {
	if !w.Ref.IsZero() || !w.Name.IsZero() {
		name := w.Ref.S
		if name == "" {
			name = w.Name.S
		}
		base, ok := x.windowNamed(name)
		if !ok {
			return pgerr.Newf(pgerr.UndefinedObject, "window %q does not exist", name).At(pos)
		}
		merged := *base
		merged.Name, merged.Ref = ast.Name{}, base.Ref
		if len(w.OrderBy) > 0 {
			merged.OrderBy = w.OrderBy
		}
		if w.Frame != nil {
			merged.Frame = w.Frame
		}
		return x.over(call, &merged, pos)
	}
	var err error
	for _, p := range w.Partition {
		b, err := x.bind(p)
		if err == nil {
			b, err = x.known(b, p.Pos())
		}
		if err != nil {
			return err
		}
		call.Partition = append(call.Partition, b)
	}
	for _, o := range w.OrderBy {
		k, err := x.sortKey(o)
		if err != nil {
			return err
		}
		call.OrderBy = append(call.OrderBy, k)
	}
	if f := w.Frame; f != nil {
		call.Frame = &plan.Frame{Unit: plan.FrameUnit(f.Unit)}
		if f.Exclude != ast.ExcludeNoOthers {
			call.Frame.Exclude = f.Exclude.String()
		}
		if call.Frame.From, err = x.bound(f.From, call, f.Unit); err != nil {
			return err
		}
		if call.Frame.To, err = x.bound(f.To, call, f.Unit); err != nil {
			return err
		}
		if f.From.Kind > f.To.Kind || f.From.Kind == ast.UnboundedFollowing {
			return pgerr.Newf(pgerr.WindowingError, "frame starting from %s cannot end with %s", strings.ToLower(f.From.Kind.String()), strings.ToLower(f.To.Kind.String())).At(pos)
		}
	}
	return nil
}

func (x *exprs) windowNamed(name string) (*ast.Window, bool) {
	for i := range x.windows {
		if x.windows[i].Name.S == name {
			return &x.windows[i], true
		}
	}
	return nil, false
}

func (x *exprs) bound(b ast.Bound, call *plan.WindowCall, unit ast.FrameUnit) (plan.Bound, error) {
	out := plan.Bound{
		Unbounded: b.Kind == ast.UnboundedPreceding || b.Kind == ast.UnboundedFollowing,
		Preceding: b.Kind == ast.UnboundedPreceding || b.Kind == ast.Preceding,
		Current:   b.Kind == ast.CurrentRow,
	}
	if b.X == nil {
		return out, nil
	}
	t := vec.Of(vec.Int64)
	if unit == ast.Range {
		if len(call.OrderBy) != 1 {
			return out, pgerr.Newf(pgerr.WindowingError, "RANGE with offset PRECEDING/FOLLOWING requires exactly one ORDER BY column").At(b.X.Pos())
		}
		t = call.OrderBy[0].X.Type()
		switch t.Kind {
		case vec.Date, vec.Time, vec.Timestamp, vec.TimestampTZ:
			t = vec.Of(vec.Interval)
		}
	}
	var err error
	out.N, err = x.bindAs(b.X, t, fn.Assignment)
	return out, err
}

func (x *exprs) tableCall(name string, e *ast.Call) (plan.Expr, error) {
	if x.collect == nil || x.inAgg {
		return nil, pgerr.Newf(pgerr.FeatureNotSupported, "set-returning functions are not allowed in %s", x.clause).At(e.Pos())
	}
	call, err := x.tableFunc(name, e)
	if err != nil {
		return nil, err
	}
	if len(call.Cols) != 1 {
		call = asRecord(name, call)
	}
	x.collect.tables = append(x.collect.tables, *call)
	return &plan.Col{Index: tableBase + len(x.collect.tables) - 1, Name: name, T: call.Cols[0].Type}, nil
}

// asRecord makes a call of several columns one of a single record, which is what
// it is in a select list.
func asRecord(name string, call *plan.TableCall) *plan.TableCall {
	t := vec.Type{Kind: vec.Struct}
	for _, c := range call.Cols {
		t.Fields = append(t.Fields, vec.Field{Name: c.Name, Type: c.Type})
	}
	f := *call.Fn
	f.Rows = func(c *fn.Ctx, types []vec.Type, args []vec.Value, yield func([]vec.Value) bool) error {
		return call.Fn.Rows(c, types, args, func(row []vec.Value) bool {
			return yield([]vec.Value{append([]vec.Value{}, row...)})
		})
	}
	return &plan.TableCall{Fn: &f, Args: call.Args, Cols: []plan.Column{{Name: name, Type: t}}}
}

func (x *exprs) tableFunc(name string, e *ast.Call) (*plan.TableCall, error) {
	args, err := x.bindAll(e.Args)
	if err != nil {
		return nil, err
	}
	types := make([]vec.Type, len(args))
	for i, a := range args {
		types[i] = a.Type()
	}
	f, want, fields, err := fn.ResolveTable(name, x.env.FnDialect(), types)
	if err != nil {
		return nil, at(err, e.Pos())
	}
	call := &plan.TableCall{Fn: f}
	for i, a := range args {
		if a, err = x.coerce(a, want[i], fn.Implicit, e.Pos()); err != nil {
			return nil, err
		}
		call.Args = append(call.Args, a)
	}
	for _, fl := range fields {
		call.Cols = append(call.Cols, plan.Column{Name: fl.Name, Type: fl.Type})
	}
	return call, nil
}
