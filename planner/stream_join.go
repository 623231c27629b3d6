package planner

import (
	"slices"
	"strings"

	"github.com/weirdb/weir/catalog"
	"github.com/weirdb/weir/internal/fn"
	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
	"github.com/weirdb/weir/sql/ast"
)

// A joining is a join of a continuous query while it is planned.
type joining struct {
	*binder
	t            *ast.Join
	kind         plan.JoinKind
	l, r         plan.Node
	lf, rf       flow
	lcols, rcols []scopeCol
	lkeys, rkeys []plan.Expr
	on           []plan.Expr // what is no equality of the two sides
	foreign      bool        // a join of tables not on the primary keys of both
}

// streamJoin plans a join of streams and tables. on is over the columns of both
// sides.
func (b *binder) streamJoin(t *ast.Join, kind plan.JoinKind, l, r plan.Node, on plan.Expr, lcols, rcols []scopeCol) (plan.Node, error) {
	if _, ok := r.(*lateralNode); ok {
		return nil, pgerr.Newf(pgerr.FeatureNotSupported, "functions and LATERAL in FROM are not supported in a continuous query").At(t.Pos())
	}
	j := &joining{binder: b, t: t, kind: kind, l: l, r: r, lf: flowOf(l), rf: flowOf(r), lcols: lcols, rcols: rcols}
	width := len(l.Columns())
	for _, c := range plan.Conjuncts(on) {
		if lk, rk, ok := equiKeys(b.ofOneType(c), width); ok {
			j.lkeys = append(j.lkeys, lk)
			j.rkeys = append(j.rkeys, plan.Shift(rk, func(i int) int { return i - width }))
		} else {
			j.on = append(j.on, c)
		}
	}
	swapped := false
	if j.lf.table && !j.rf.table {
		if b.env.Dialect == ast.KSQL || kind == plan.LeftJoin || kind == plan.FullJoin {
			return nil, pgerr.Newf(pgerr.WrongObjectType, "Invalid join order: table-stream joins are not supported; only stream-table joins. Got %s %s %s.",
				sideName(lcols), joinWords[kind], sideName(rcols)).At(t.Pos())
		}
		swapped = true
		j.swap()
	}
	shape, err := j.shape()
	if err != nil {
		return nil, err
	}
	if len(j.lkeys) == 0 && shape != plan.TableTable {
		return nil, pgerr.Newf(pgerr.FeatureNotSupported, "a join in a continuous query needs an equality of the two sides").At(t.Pos())
	}
	if err := j.primaryKeys(shape); err != nil {
		return nil, err
	}
	within, err := j.within(shape)
	if err != nil {
		return nil, err
	}
	if j.foreign {
		shape = plan.Bounded
		j.spread()
	} else if err := j.bringTogether(); err != nil {
		return nil, err
	}
	if err := j.windows(); err != nil {
		return nil, err
	}
	n := &plan.Join{Shape: shape, Kind: j.kind, L: j.l, R: j.r, LKeys: j.lkeys, RKeys: j.rkeys, On: plan.And(j.on...), Within: within}
	if !swapped {
		return n, nil
	}
	return unswapped(n), nil
}

// ofOneType makes an equality of integers of two sizes one of the larger.
func (b *binder) ofOneType(c plan.Expr) plan.Expr {
	call, ok := c.(*plan.Call)
	if !ok || call.Fn.Name != "=" || len(call.Args) != 2 {
		return c
	}
	l, r := call.Args[0].Type(), call.Args[1].Type()
	if l.Kind == r.Kind || !l.IsInteger() || !r.IsInteger() {
		return c
	}
	x := &exprs{binder: b, sc: &scope{}, clause: "JOIN/ON"}
	args := slices.Clone(call.Args)
	for i := range args {
		e, err := x.coerce(args[i], vec.Of(max(l.Kind, r.Kind)), fn.Implicit, call.Pos)
		if err != nil {
			return c
		}
		args[i] = e
	}
	eq, err := x.apply("=", args, call.Pos)
	if err != nil {
		return c
	}
	return eq
}

var joinWords = map[plan.JoinKind]string{
	plan.InnerJoin: "[INNER] JOIN", plan.LeftJoin: "LEFT [OUTER] JOIN", plan.RightJoin: "RIGHT [OUTER] JOIN", plan.FullJoin: "[FULL] OUTER JOIN",
}

// sideName is what messages call a side of a join.
func sideName(cols []scopeCol) string {
	if len(cols) == 0 {
		return "?"
	}
	return cols[0].table
}

// swap exchanges the sides, so that the stream stands on the left.
func (j *joining) swap() {
	lw, rw := len(j.l.Columns()), len(j.r.Columns())
	j.l, j.r, j.lf, j.rf, j.lkeys, j.rkeys = j.r, j.l, j.rf, j.lf, j.rkeys, j.lkeys
	j.lcols, j.rcols = j.rcols, j.lcols
	for i, c := range j.on {
		j.on[i] = plan.Shift(c, func(i int) int {
			if i < lw {
				return i + rw
			}
			return i - lw
		})
	}
	if j.kind == plan.RightJoin {
		j.kind = plan.LeftJoin
	}
}

// unswapped puts the columns of a swapped join in the order of the text.
func unswapped(n *plan.Join) plan.Node {
	p, width := &plan.Project{In: n}, len(n.L.Columns())
	cols := n.Columns()
	for k := range cols {
		i := (k + width) % len(cols)
		p.Exprs, p.Names = append(p.Exprs, &plan.Col{Index: i, Name: cols[i].Name, T: cols[i].Type}), append(p.Names, cols[i].Name)
	}
	return p
}

func (j *joining) shape() (plan.JoinShape, error) {
	fail := func(code, format string, args ...any) (plan.JoinShape, error) {
		return 0, pgerr.Newf(code, format, args...).At(j.t.Pos())
	}
	switch {
	case j.lf.table && j.rf.table:
		if j.t.Within != nil {
			return fail(pgerr.InvalidDefinition, "A window definition was provided for a Table-Table join. These joins are not windowed. Please drop the window definition (i.e. the WITHIN clause) and try to execute your join again.")
		}
		return plan.TableTable, nil
	case j.rf.table:
		switch {
		case j.t.Within != nil:
			return fail(pgerr.InvalidDefinition, "A window definition was provided for a Stream-Table join. These joins are not windowed. Please drop the window definition (ie. the WITHIN clause) and try to execute your join again.")
		case j.kind == plan.RightJoin:
			return fail(pgerr.InvalidDefinition, "RIGHT OUTER JOIN between streams and tables is not supported.")
		case j.kind == plan.FullJoin:
			return fail(pgerr.InvalidDefinition, "FULL OUTER JOIN between streams and tables is not supported.")
		}
		return plan.StreamTable, nil
	case j.t.Within == nil:
		return fail(pgerr.InvalidDefinition, "Stream-Stream joins must have a WITHIN clause specified. None was provided. To learn about how to specify a WITHIN clause with a stream-stream join, please visit: https://docs.confluent.io/current/ksql/docs/syntax-reference.html#create-stream-as-select")
	}
	return plan.StreamStream, nil
}

// primaryKeys makes the joins with tables go by the tables' primary keys;
// further equalities become conditions.
func (j *joining) primaryKeys(shape plan.JoinShape) error {
	if shape == plan.StreamStream {
		return nil
	}
	order := keyPairs(&j.rf, j.rkeys)
	if order == nil {
		j.narrowed()
		order = keyPairs(&j.rf, j.rkeys)
	}
	if order == nil && shape == plan.TableTable && j.env.Dialect == ast.Postgres {
		return j.foreignKey()
	}
	if order == nil {
		if shape == plan.StreamTable {
			return pgerr.Newf(pgerr.InvalidDefinition, "Invalid join condition: stream-table joins require to join on the table's primary key. Got %s.", j.conditionText()).At(j.t.Pos())
		}
		return pgerr.Newf(pgerr.InvalidDefinition, "Invalid join condition: table-table joins require to join on the primary key of the right input table. Got %s.", j.conditionText()).At(j.t.Pos())
	}
	width := len(j.l.Columns())
	var lkeys, rkeys []plan.Expr
	for _, i := range order {
		lkeys, rkeys = append(lkeys, j.lkeys[i]), append(rkeys, j.rkeys[i])
	}
	x := &exprs{binder: j.binder, sc: &scope{}, clause: "JOIN/ON"}
	for i := range j.lkeys {
		if !slices.Contains(order, i) {
			eq, err := x.apply("=", []plan.Expr{j.lkeys[i], plan.Shift(j.rkeys[i], func(c int) int { return c + width })}, j.t.Pos())
			if err != nil {
				return err
			}
			j.on = append(j.on, eq)
		}
	}
	j.lkeys, j.rkeys = lkeys, rkeys
	if shape == plan.TableTable {
		if left := keyPairs(&j.lf, j.lkeys); len(left) != len(j.lf.key) || len(left) != len(j.lkeys) || !slices.IsSorted(left) {
			return j.foreignKey()
		}
	}
	return nil
}

// foreignKey makes it a join of tables whose rows meet on any columns.
func (j *joining) foreignKey() error {
	j.foreign = true
	if j.kind != plan.InnerJoin && j.kind != plan.LeftJoin {
		return pgerr.Newf(pgerr.InvalidDefinition, "a %s JOIN of tables has to be on the primary keys of both", j.kind).At(j.t.Pos())
	}
	if j.lf.windowed() || j.rf.windowed() {
		return pgerr.Newf(pgerr.WrongObjectType, "tables with windowed keys can only be joined on their primary keys").At(j.t.Pos())
	}
	return nil
}

// spread makes every task of the left table's partitions see the whole right
// table: so changes of one left row stay in order, whatever it refers to.
func (j *joining) spread() {
	j.l = changed(j.l)
	if !j.push {
		j.r = &plan.Repartition{In: j.r, Partitions: j.lf.at.partitions, Broadcast: true}
	}
	if j.rf.changes {
		return
	}
	u := &plan.Upsert{In: j.r}
	for _, k := range j.rf.key {
		if k.col < 0 { // it was projected away: look further down
			j.r = changed(j.r)
			return
		}
		u.Keys = append(u.Keys, k.col)
	}
	j.r = u
}

// narrowed makes an equality with a key column that is a smaller integer one of
// that size: a value beyond its range has no row in the table.
func (j *joining) narrowed() {
	x := &exprs{binder: j.binder, sc: &scope{}, clause: "JOIN/ON"}
	for i, r := range j.rkeys {
		call, ok := r.(*plan.Call)
		if !ok || len(call.Args) != 1 || plainColumn(call.Args[0]) < 0 || !call.Args[0].Type().IsInteger() || !j.lkeys[i].Type().IsInteger() {
			continue
		}
		if l, err := x.coerce(j.lkeys[i], call.Args[0].Type(), fn.Explicit, j.t.Pos()); err == nil {
			j.lkeys[i], j.rkeys[i] = l, call.Args[0]
		}
	}
}

// keyPairs returns which of the join keys are the table's primary key, in its
// order; nil if not all of it is there.
func keyPairs(f *flow, keys []plan.Expr) (order []int) {
	for _, k := range f.key {
		i := slices.IndexFunc(keys, func(e plan.Expr) bool {
			c := plainColumn(e)
			return c >= 0 && (c == k.col || slices.Contains(k.same, c))
		})
		if i < 0 {
			return nil
		}
		order = append(order, i)
	}
	return order
}

// conditionText is the condition as messages quote it.
func (j *joining) conditionText() string {
	text, _ := exprText(qualify(j.t.On, j.lcols, j.rcols), j.env.Dialect)
	return strings.TrimSuffix(strings.TrimPrefix(text, "("), ")")
}

// qualify puts the table's name before the columns of an equality.
func qualify(e ast.Expr, sides ...[]scopeCol) ast.Expr {
	switch e := e.(type) {
	case *ast.Binary:
		c := *e
		c.L, c.R = qualify(e.L, sides...), qualify(e.R, sides...)
		return &c
	case *ast.Cast:
		c := *e
		c.X = qualify(e.X, sides...)
		return &c
	case *ast.Column:
		for _, cols := range sides {
			if found, _ := (&scope{cols: cols}).find(e.Parts, 0); found != nil && len(e.Parts) == 1 {
				return &ast.Column{P: e.P, Parts: []ast.Name{{S: found.table}, {S: found.name}}}
			}
		}
	}
	return e
}

func (j *joining) within(shape plan.JoinShape) (plan.Within, error) {
	out := plan.Within{Grace: -1}
	w := j.t.Within
	if shape != plan.StreamStream {
		return out, nil
	}
	var err error
	if out.Before, err = w.Before.Millis(); err != nil {
		return out, err
	}
	out.After = out.Before
	if w.After != nil {
		if out.After, err = w.After.Millis(); err != nil {
			return out, err
		}
	}
	if w.Grace != nil {
		if out.Grace, err = w.Grace.Millis(); err != nil {
			return out, err
		}
	}
	if out.Before < 0 || out.After < 0 || out.Before > maxWithin || out.After > maxWithin {
		return out, pgerr.Newf(pgerr.InvalidParameterValue, "WITHIN must not be negative, nor above a hundred years").At(w.Pos())
	}
	return out, nil
}

// maxWithin keeps sums of times far from overflow.
const maxWithin = 36_500 * dayMs

// windows makes rows of windowed sources meet only within one window.
func (j *joining) windows() error {
	l, r := &j.lf, &j.rf
	if !l.windowed() && !r.windowed() {
		return nil
	}
	name := func(f *flow, cols []scopeCol) string {
		if !f.windowed() {
			return "`" + sideName(cols) + "` is not windowed"
		}
		return "`" + sideName(cols) + "` is " + f.window.String() + " windowed"
	}
	switch {
	case l.windowed() != r.windowed():
		return pgerr.Newf(pgerr.WrongObjectType, "Can not join windowed source to non-windowed source.\n%s\n%s", name(l, j.lcols), name(r, j.rcols)).At(j.t.Pos())
	case (l.window == plan.Session) != (r.window == plan.Session):
		return pgerr.Newf(pgerr.WrongObjectType, "Incompatible windowed sources.\nLeft source: %s\nRight source: %s\n"+
			"Session windowed sources can only be joined to other session windowed sources, and may still not result in expected behaviour as session bounds must be an exact match for the join to work\n"+
			"Hopping and tumbling windowed sources can only be joined to other hopping and tumbling windowed sources", l.window, r.window).At(j.t.Pos())
	case l.windowSize != r.windowSize:
		// As ksqlDB has it: it would have to give one side other windows.
		return pgerr.Newf(pgerr.WrongObjectType, "Implicit repartitioning of windowed sources is not supported. See https://github.com/confluentinc/ksql/issues/4385.").At(j.t.Pos())
	}
	add := func(lc, rc int) {
		t := vec.Of(vec.Int64)
		j.lkeys = append(j.lkeys, &plan.Col{Index: lc, Name: "windowstart", T: t})
		j.rkeys = append(j.rkeys, &plan.Col{Index: rc, Name: "windowstart", T: t})
	}
	add(l.start, r.start)
	if l.window == plan.Session {
		add(l.end, r.end)
	}
	return nil
}

// bringTogether moves a side whose rows are not where the join keys are.
func (j *joining) bringTogether() error {
	if j.push {
		return nil
	}
	l, r := j.lf.at, j.rf.at
	if l.partitions != r.partitions && j.env.Dialect == ast.KSQL {
		return pgerr.Newf(pgerr.InvalidDefinition, "Can't join `%s` with `%s` since the number of partitions don't match. `%s` partitions = %d; `%s` partitions = %d. Please repartition either one so that the number of partitions match.",
			sideName(j.lcols), sideName(j.rcols), sideName(j.lcols), l.partitions, sideName(j.rcols), r.partitions).At(j.t.Pos())
	}
	// The side that stays where it is decides; a table rather than a stream.
	want := placing{l.partitions, j.lkeys, plan.Format{}}
	lstays, rstays := l.placed(&placing{l.partitions, j.lkeys, l.format}), r.placed(&placing{r.partitions, j.rkeys, r.format})
	names := make([]string, len(j.lkeys))
	switch {
	case rstays && len(r.keys) > 0 && (!lstays || j.rf.table):
		want.partitions, want.format = r.partitions, r.format
	case lstays && len(l.keys) > 0:
		want.format = l.format
	default:
		want.format = spreadFormat(j.lkeys, names, l.format)
	}
	move := func(n plan.Node, f *flow, keys []plan.Expr) (plan.Node, error) {
		to := placing{want.partitions, keys, want.format}
		if f.at.placed(&to) {
			return n, nil
		}
		if f.windowed() {
			return nil, pgerr.Newf(pgerr.FeatureNotSupported, "Implicit repartitioning of windowed sources is not supported. See https://github.com/confluentinc/ksql/issues/4385.").At(j.t.Pos())
		}
		return &plan.Repartition{In: n, Keys: keys, Partitions: want.partitions, Format: formatFields(want.format, keys, names)}, nil
	}
	var err error
	if j.l, err = move(j.l, &j.lf, j.lkeys); err != nil {
		return err
	}
	j.r, err = move(j.r, &j.rf, j.rkeys)
	return err
}

// synthetic adds, in the ksql dialect, a column for the key of a join that is no
// column of either side.
func (s *streamSelection) synthetic(n plan.Node, cols []scopeCol) (plan.Node, []scopeCol, error) {
	if _, ok := s.q.From.(*ast.Join); !ok || !s.ksql() || s.push {
		return n, cols, nil
	}
	f := flowOf(n)
	p := identity(n)
	for i := range f.key {
		k := &f.key[i]
		if k.col >= 0 || len(k.same) > 0 || k.expr == nil {
			continue
		}
		name := "ROWKEY"
		for i := 1; slices.ContainsFunc(cols, func(c scopeCol) bool { return c.name == name || c.table+"_"+c.name == name }); i++ {
			name = "ROWKEY_" + itoa(i)
		}
		cols = append([]scopeCol{{name: name, index: len(p.Exprs), t: k.expr.Type(), key: true}}, cols...)
		p.Exprs, p.Names = append(p.Exprs, k.expr), append(p.Names, name)
	}
	if len(p.Exprs) == len(n.Columns()) {
		return n, cols, nil
	}
	return p, cols, nil
}

// ksqlJoin checks a join as ksqlDB does: one equality, each side of which is
// about one source.
func (b *binder) ksqlJoin(t *ast.Join, lcols, rcols []scopeCol) error {
	eq, ok := t.On.(*ast.Binary)
	if !ok || eq.Op != "=" {
		text := "?"
		if t.On != nil {
			text, _ = exprText(t.On, b.env.Dialect)
		}
		if ok && (eq.Op == "AND" || eq.Op == "OR") {
			return pgerr.Newf(pgerr.InvalidDefinition, "Invalid join condition: joins on multiple conditions are not yet supported. Got %s.", text).At(t.Pos())
		}
		return pgerr.Newf(pgerr.InvalidDefinition, "Unsupported join expression: %s", text).At(t.Pos())
	}
	both := &scope{cols: append(slices.Clone(lcols), rcols...)}
	var tables [2][]string
	var types [2]string
	for i, side := range []ast.Expr{eq.L, eq.R} {
		x := &exprs{binder: b, sc: both, clause: "JOIN ON"}
		e, err := x.bind(side)
		if err != nil {
			return err
		}
		plan.ColumnsOf(e, func(c int) {
			for _, sc := range both.cols {
				if sc.index == c && !slices.Contains(tables[i], sc.table) {
					tables[i] = append(tables[i], sc.table)
				}
			}
		})
		if len(tables[i]) != 1 {
			text, _ := exprText(side, b.env.Dialect)
			whole, _ := exprText(t.On, b.env.Dialect)
			return pgerr.Newf(pgerr.InvalidDefinition, "Invalid comparison expression '%s' in join '%s'. Each side of the join comparision must contain references from exactly one source.", text, whole).At(side.Pos())
		}
		types[i] = e.Type().KSQL()
	}
	if tables[0][0] == tables[1][0] {
		return pgerr.Newf(pgerr.InvalidDefinition, "Each side of the join must reference exactly one source and not the same source. Left side references `%s` and right references `%s`",
			tables[0][0], tables[1][0]).At(t.Pos())
	}
	if types[0] != types[1] {
		l, _ := exprText(qualify(eq.L, lcols, rcols), b.env.Dialect)
		r, _ := exprText(qualify(eq.R, lcols, rcols), b.env.Dialect)
		return pgerr.Newf(pgerr.DatatypeMismatch, "Invalid join condition: types don't match. Got %s{%s} = %s{%s}.", l, types[0], r, types[1]).At(t.Pos())
	}
	return nil
}

// joinable refuses, in the ksql dialect, sources whose values cannot stand in the
// logs that ksqlDB would make of them.
func joinable(env *Env, n plan.Node, clause string, pos int) error {
	if env.Dialect != ast.KSQL {
		return nil
	}
	var bad []string
	var find func(plan.Node)
	find = func(n plan.Node) {
		if s, ok := n.(*plan.Scan); ok {
			if r, ok := env.Catalog.Relation(catalog.ID(s.Relation)); ok && r.Value.Name == "KAFKA" {
				bad = append(bad, r.Name)
			}
		}
		for _, in := range n.Inputs() {
			find(in)
		}
	}
	find(n)
	if len(bad) == 0 {
		return nil
	}
	return pgerr.Newf(pgerr.InvalidDefinition, "Source(s) %s are using the 'KAFKA' value format. This format does not yet support %s.", strings.Join(bad, ", "), clause).At(pos)
}
