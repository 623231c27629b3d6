package planner

import (
	"strings"

	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
	"github.com/weirdb/weir/sql/ast"
)

// A selection is one SELECT while it is bound: first over the rows of FROM, with
// placeholders for aggregates and their like, then step by step over the nodes
// that compute those.
type selection struct {
	*exprs
	q    *ast.Select
	node plan.Node
	outs []output
	keys []plan.Expr // GROUP BY
	// sets are the grouping sets, each as indexes into keys; nil: one of all keys.
	sets [][]int
	// having, sort and on are further expressions over the same row as outs.
	having plan.Expr
	sort   []plan.SortKey
	on     []plan.Expr // DISTINCT ON
	// sortOut[i] is the output that sort[i] repeats, or -1.
	sortOut []int
}

// output is one column of the result.
type output struct {
	e    plan.Expr
	name string
	pos  int
	// key and pseudo say what plain column of a relation it is (streaming plans).
	key    bool
	pseudo plan.SourceKind
}

func (b *binder) selectQuery(q *ast.Select, sc *scope) (plan.Node, error) {
	switch {
	case b.stream:
		return b.streamSelect(q, sc)
	case q.Window != nil:
		return nil, pgerr.Newf(pgerr.FeatureNotSupported, "a WINDOW clause is for continuous queries").At(q.Window.Pos()).
			Hintf("Add EMIT CHANGES, or group by an expression over the time column.")
	case len(q.Partition) > 0:
		return nil, pgerr.Newf(pgerr.FeatureNotSupported, "PARTITION BY is for continuous queries").At(q.Partition[0].Pos())
	}
	s, err := b.bindSelect(q, sc)
	if err != nil {
		return nil, err
	}
	if len(s.keys) > 0 || len(s.collect.aggs) > 0 || s.having != nil || s.sets != nil {
		if err := s.group(nil); err != nil {
			return nil, err
		}
	}
	s.applyWindows()
	s.applyTables()
	return s.finish(sc)
}

// bindSelect binds all clauses over the rows of FROM.
func (b *binder) bindSelect(q *ast.Select, sc *scope) (*selection, error) {
	s := &selection{q: q, exprs: &exprs{binder: b, sc: sc, windows: q.Windows, collect: &collected{pos: map[*plan.Col]int{}}}}
	if q.From == nil {
		s.node = &plan.Values{Rows: [][]plan.Expr{{}}}
	} else {
		node, cols, err := b.from(q.From, sc)
		if err != nil {
			return nil, err
		}
		if l, ok := node.(*lateralNode); ok { // nothing stands to its left
			node = l.Node
		}
		s.node, sc.cols = node, cols
	}
	if q.Where != nil {
		x := &exprs{binder: b, sc: sc, clause: "WHERE"}
		cond, err := x.condition(q.Where)
		if err != nil {
			return nil, err
		}
		s.node = &plan.Filter{In: s.node, Cond: cond}
	}
	if err := s.items(); err != nil {
		return nil, err
	}
	if err := s.groupBy(); err != nil {
		return nil, err
	}
	if q.Having != nil {
		s.clause = "HAVING"
		var err error
		if s.having, err = s.condition(q.Having); err != nil {
			return nil, err
		}
	}
	return s, s.orderBy()
}

func (s *selection) items() error {
	s.clause = "SELECT"
	unnamed := 0
	for _, it := range s.q.Items {
		switch e := it.X.(type) {
		case *ast.Star:
			cols, err := s.sc.star(e.Qual, e.Pos())
			if err != nil {
				return err
			}
			if s.q.From == nil {
				return pgerr.Newf(pgerr.SyntaxError, "SELECT * with no tables specified is not valid").At(e.Pos())
			}
			for _, c := range cols {
				col := c.expr(0)
				s.collect.pos[col.(*plan.Col)] = e.Pos()
				s.outs = append(s.outs, output{e: col, name: s.columnName(c, true), pos: e.Pos(), key: c.key, pseudo: c.pseudo})
			}
			continue
		case *ast.Field:
			if e.Star {
				if err := s.fields(e); err != nil {
					return err
				}
				continue
			}
		}
		e, err := s.bind(it.X)
		if err != nil {
			return err
		}
		o := output{e: e, name: it.Alias.S, pos: it.X.Pos()}
		if col, ok := it.X.(*ast.Column); ok {
			if c, level, err := s.sc.lookup(col.Parts, 0); err == nil && level == 0 {
				o.key, o.pseudo = c.key, c.pseudo
			}
		}
		if o.name == "" {
			o.name = s.nameOf(it.X, &unnamed)
		}
		s.outs = append(s.outs, o)
	}
	return nil
}

// fields expands (struct).*.
func (s *selection) fields(e *ast.Field) error {
	base, err := s.bind(e.X)
	if err != nil {
		return err
	}
	t := base.Type()
	if t.Kind != vec.Struct {
		return pgerr.Newf(pgerr.WrongObjectType, "type %s is not composite", s.typeName(t)).At(e.Pos())
	}
	for i, f := range t.Fields {
		s.outs = append(s.outs, output{e: &plan.FieldOf{X: base, Index: i, T: f.Type}, name: f.Name, pos: e.Pos()})
	}
	return nil
}

// nameOf names a column without an alias: as PostgreSQL does (FigureColname), or
// KSQL_COL_n.
func (s *selection) nameOf(e ast.Expr, unnamed *int) string {
	if s.env.Dialect == ast.KSQL {
		switch e := e.(type) {
		case *ast.Column:
			if c, level, err := s.sc.lookup(e.Parts, 0); err == nil && level == 0 {
				return s.columnName(c, false)
			}
			return e.Parts[len(e.Parts)-1].S
		case *ast.Field:
			name := e.Name.S
			for n := 1; s.taken(name); n++ {
				name = e.Name.S + "_" + itoa(n)
			}
			return name
		}
		for {
			name := "KSQL_COL_" + itoa(*unnamed)
			*unnamed++
			if c, _ := s.sc.find([]ast.Name{{S: name}}, 0); c == nil || c.made {
				return name
			}
		}
	}
	if n := figureName(e); n != "" {
		return n
	}
	return "?column?"
}

// columnName names an output that is a plain column. Over a join, ksqlDB puts the
// table's name before it if another table has a column of that name, and always
// where it comes from a star.
func (s *selection) columnName(c *scopeCol, star bool) string {
	if s.env.Dialect != ast.KSQL || c.table == "" {
		return c.name
	}
	for i := range s.sc.cols {
		o := &s.sc.cols[i]
		if o.table != "" && o.table != c.table && (star || o.name == c.name) {
			return c.table + "_" + c.name
		}
	}
	return c.name
}

func (s *selection) taken(name string) bool {
	for _, o := range s.outs {
		if o.name == name {
			return true
		}
	}
	return false
}

func figureName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Column:
		return e.Parts[len(e.Parts)-1].S
	case *ast.Field:
		return e.Name.S
	case *ast.Call:
		return strings.ToLower(e.Name[len(e.Name)-1].S)
	case *ast.Cast:
		if n := figureName(e.X); n != "" {
			return n
		}
		return castName(e.T)
	case *ast.Typed:
		return castName(e.Type)
	case *ast.Case:
		if e.Else != nil {
			if n := figureName(e.Else); n != "" {
				return n
			}
		}
		return "case"
	case *ast.Array, *ast.ArrayQ:
		return "array"
	case *ast.Row:
		return "row"
	case *ast.Index:
		return figureName(e.X)
	case *ast.Slice:
		return figureName(e.X)
	case *ast.Collate:
		return figureName(e.X)
	case *ast.AtZone:
		return "timezone"
	case *ast.Bool:
		return "bool"
	case *ast.Sub:
		if e.Exists {
			return "exists"
		}
		if q, ok := e.Query.(*ast.Select); ok && len(q.Items) == 1 {
			if q.Items[0].Alias.S != "" {
				return q.Items[0].Alias.S
			}
			return figureName(q.Items[0].X)
		}
	}
	return ""
}

// castName is the last name of a type as pg_type has it.
func castName(t ast.Type) string {
	if t.Elem != nil {
		return castName(*t.Elem)
	}
	switch n := strings.ToLower(t.Name.S); n {
	case "int", "integer":
		return "int4"
	case "bigint":
		return "int8"
	case "smallint":
		return "int2"
	case "boolean":
		return "bool"
	case "real":
		return "float4"
	case "double", "double precision", "float":
		return "float8"
	case "decimal", "dec":
		return "numeric"
	case "string":
		return "text"
	case "character varying":
		return "varchar"
	case "character", "char":
		return "bpchar"
	case "timestamp without time zone":
		return "timestamp"
	case "timestamp with time zone":
		return "timestamptz"
	case "time without time zone":
		return "time"
	default:
		return n
	}
}

func (s *selection) outputNamed(name string) int {
	for i, o := range s.outs {
		if o.name == name {
			return i
		}
	}
	for i, o := range s.outs {
		if strings.EqualFold(o.name, name) {
			return i
		}
	}
	return -1
}

// orderBy binds ORDER BY and DISTINCT ON: numbers and names of outputs, else
// expressions over the rows of FROM.
func (s *selection) orderBy() error {
	s.clause = "ORDER BY"
	target := func(e ast.Expr) (plan.Expr, int, error) {
		if i, ok, err := ordinal(e, len(s.outs), s.clause); err != nil || ok {
			if err != nil {
				return nil, 0, err
			}
			return s.outs[i].e, i, nil
		}
		if c, ok := e.(*ast.Column); ok && len(c.Parts) == 1 {
			if i := s.outputNamed(c.Parts[0].S); i >= 0 {
				return s.outs[i].e, i, nil
			}
		}
		bound, err := s.bind(e)
		if err == nil {
			bound, err = s.known(bound, e.Pos())
		}
		if err != nil {
			return nil, 0, err
		}
		for i, o := range s.outs {
			if sameExpr(o.e, bound) {
				return o.e, i, nil
			}
		}
		return bound, -1, nil
	}
	for _, o := range s.q.OrderBy {
		e, i, err := target(o.X)
		if err != nil {
			return err
		}
		if i < 0 && s.q.Distinct && len(s.q.DistinctOn) == 0 {
			return pgerr.Newf("42P10", "for SELECT DISTINCT, ORDER BY expressions must appear in select list").At(o.X.Pos())
		}
		s.sort, s.sortOut = append(s.sort, sortKeyOf(e, o)), append(s.sortOut, i)
	}
	for _, d := range s.q.DistinctOn {
		e, _, err := target(d)
		if err != nil {
			return err
		}
		s.on = append(s.on, e)
	}
	return nil
}

// sameExpr tells whether two expressions over one row are the same by structure.
func sameExpr(a, b plan.Expr) bool {
	sub := false
	plan.Visit(a, func(e plan.Expr, _ int) {
		if _, ok := e.(*plan.Subquery); ok {
			sub = true // its text does not say what it holds
		}
	})
	return !sub && a.Type().Equal(b.Type()) && a.String() == b.String()
}

// group puts the Aggregate node in, and states everything above over its rows.
func (s *selection) group(window *plan.Window) error {
	agg := &plan.Aggregate{In: s.node, Keys: s.keys, Aggs: s.collect.aggs, Window: window}
	for _, k := range s.keys {
		name := ""
		if c, ok := k.(*plan.Col); ok {
			name = c.Name
		}
		agg.Names = append(agg.Names, name)
	}
	base := len(s.keys)
	if window != nil {
		agg.Names = append(agg.Names, "windowstart", "windowend")
		base += 2
	}
	for i := range agg.Aggs {
		agg.Names = append(agg.Names, agg.Aggs[i].Fn.Name+"_"+itoa(i))
	}
	var bad *plan.Col
	over := func(e plan.Expr) plan.Expr {
		return plan.Rewrite(e, func(e plan.Expr, depth int) plan.Expr {
			if depth == 0 {
				for i, k := range s.keys {
					if sameExpr(e, k) {
						return &plan.Col{Index: i, Name: agg.Names[i], T: k.Type()}
					}
				}
			}
			switch e := e.(type) {
			case *plan.Col:
				switch {
				case depth == 0 && e.Index >= boundBase:
					return &plan.Col{Index: len(s.keys) + e.Index - boundBase, Name: e.Name, T: e.T}
				case depth > 0 || e.Index >= windowBase && e.Index < groupingBase:
				case e.Index >= groupingBase && e.Index < boundBase:
					return &plan.Col{Index: base + len(s.collect.aggs) + e.Index - groupingBase, Name: e.Name, T: e.T}
				case e.Index >= aggBase:
					return &plan.Col{Index: base + e.Index - aggBase, Name: e.Name, T: e.T}
				case bad == nil:
					bad = e
				}
			case *plan.Outer:
				if depth > 0 && e.Level == depth-1 {
					for i, k := range s.keys {
						if c, ok := k.(*plan.Col); ok && c.Index == e.Index {
							return &plan.Outer{Level: e.Level, Index: i, Name: e.Name, T: e.T}
						}
					}
					if bad == nil {
						bad = &plan.Col{Index: e.Index, Name: e.Name}
					}
				}
			}
			return nil
		})
	}
	s.overAll(over)
	if s.having != nil {
		agg.Having = over(s.having)
	}
	if bad != nil {
		pos, ok := s.collect.pos[bad]
		if !ok {
			pos = -1
		}
		name := bad.Name
		for _, c := range s.sc.cols {
			if c.index == bad.Index && c.name == bad.Name {
				name = qualified(c.table, c.name)
			}
		}
		return pgerr.Newf(pgerr.GroupingError, "column %q must appear in the GROUP BY clause or be used in an aggregate function", name).At(pos)
	}
	s.node = agg
	if s.stream {
		return nil
	}
	agg.Having = nil
	if s.sets != nil || len(s.collect.grouping) > 0 {
		s.node = s.groupSets(agg)
	}
	if s.having != nil {
		s.node = &plan.Filter{In: s.node, Cond: over(s.having)}
	}
	return nil
}

// overAll states outputs, sort keys, window functions and set-returning
// functions over another row.
func (s *selection) overAll(over func(plan.Expr) plan.Expr) {
	for i := range s.outs {
		s.outs[i].e = over(s.outs[i].e)
	}
	for i := range s.sort {
		s.sort[i].X = over(s.sort[i].X)
	}
	for i := range s.on {
		s.on[i] = over(s.on[i])
	}
	all := func(es []plan.Expr) {
		for i := range es {
			es[i] = over(es[i])
		}
	}
	for i := range s.collect.windows {
		w := &s.collect.windows[i]
		all(w.Args)
		all(w.Partition)
		for j := range w.OrderBy {
			w.OrderBy[j].X = over(w.OrderBy[j].X)
		}
	}
	for i := range s.collect.tables {
		all(s.collect.tables[i].Args)
	}
}

func (s *selection) applyWindows() {
	if len(s.collect.windows) == 0 {
		return
	}
	width := len(s.node.Columns())
	w := &plan.WindowFuncs{In: s.node, Calls: append([]plan.WindowCall{}, s.collect.windows...)}
	for _, c := range w.Calls {
		w.Names = append(w.Names, c.Name)
	}
	s.node = w
	s.placed(windowBase, width)
}

func (s *selection) applyTables() {
	if len(s.collect.tables) == 0 {
		return
	}
	// A function over the rows of another is computed over that one's rows.
	calls := s.collect.tables
	level := make([]int, len(calls))
	last := 0
	for i, c := range calls { // arguments were bound before the call
		for _, a := range c.Args {
			plan.ColumnsOf(a, func(col int) {
				if col >= tableBase && col < tableBase+i {
					level[i] = max(level[i], level[col-tableBase]+1)
				}
			})
		}
		last = max(last, level[i])
	}
	at := make([]int, len(calls)) // the column of each
	for l := 0; l <= last; l++ {
		width := len(s.node.Columns())
		u := &plan.Unnest{In: s.node}
		for i := range calls {
			if level[i] == l {
				at[i] = width + len(u.Funcs)
				u.Funcs = append(u.Funcs, s.collect.tables[i])
			}
		}
		s.node = u
		s.overAll(func(e plan.Expr) plan.Expr {
			return plan.Rewrite(e, func(e plan.Expr, depth int) plan.Expr {
				if c, ok := e.(*plan.Col); ok && depth == 0 && c.Index >= tableBase && c.Index < tableBase+len(calls) && level[c.Index-tableBase] == l {
					return &plan.Col{Index: at[c.Index-tableBase], Name: c.Name, T: c.T}
				}
				return nil
			})
		})
	}
}

// placed turns the placeholders from base on into columns from width on.
func (s *selection) placed(base, width int) {
	s.overAll(func(e plan.Expr) plan.Expr {
		return plan.Rewrite(e, func(e plan.Expr, depth int) plan.Expr {
			if c, ok := e.(*plan.Col); ok && depth == 0 && c.Index >= base && c.Index < base+aggBase {
				return &plan.Col{Index: width + c.Index - base, Name: c.Name, T: c.T}
			}
			return nil
		})
	})
}

// finish adds the projection, DISTINCT, ORDER BY and LIMIT.
func (s *selection) finish(sc *scope) (plan.Node, error) {
	p := &plan.Project{In: s.node}
	for _, o := range s.outs {
		p.Exprs, p.Names = append(p.Exprs, o.e), append(p.Names, o.name)
	}
	width := len(p.Exprs)
	for i, k := range s.sort { // what is only sorted by rides along
		if s.sortOut[i] < 0 {
			s.sortOut[i] = len(p.Exprs)
			p.Exprs, p.Names = append(p.Exprs, k.X), append(p.Names, "")
		}
	}
	var on []plan.Expr
	for _, d := range s.on {
		on = append(on, &plan.Col{Index: len(p.Exprs), T: d.Type()})
		p.Exprs, p.Names = append(p.Exprs, d), append(p.Names, "")
	}
	var n plan.Node = p
	var keys []plan.SortKey
	for i, k := range s.sort {
		j := s.sortOut[i]
		keys = append(keys, plan.SortKey{X: &plan.Col{Index: j, Name: p.Names[j], T: p.Exprs[j].Type()}, Desc: k.Desc, NullsFirst: k.NullsFirst})
	}
	switch {
	case len(on) > 0: // the first row by ORDER BY of each group
		n = &plan.WindowFuncs{In: n, Names: []string{""}, Calls: []plan.WindowCall{{Name: "row_number", Partition: on, OrderBy: keys, T: vec.Of(vec.Int64)}}}
		first, err := s.apply("=", []plan.Expr{&plan.Col{Index: len(p.Exprs), T: vec.Of(vec.Int64)}, &plan.Const{Value: int64(1), T: vec.Of(vec.Int64)}}, s.q.Pos())
		if err != nil {
			return nil, err
		}
		n = &plan.Filter{In: n, Cond: first}
	case s.q.Distinct:
		n = distinct(n)
	}
	if len(keys) > 0 {
		n = &plan.Sort{In: n, Keys: keys}
	}
	n, err := s.limited(n, s.q.Limit, s.q.Offset, sc)
	if err != nil || len(n.Columns()) == width {
		return n, err
	}
	return first(n, width), nil
}

// distinct groups by all columns.
func distinct(n plan.Node) plan.Node {
	agg := &plan.Aggregate{In: n}
	for i, c := range n.Columns() {
		agg.Keys, agg.Names = append(agg.Keys, &plan.Col{Index: i, Name: c.Name, T: c.Type}), append(agg.Names, c.Name)
	}
	return agg
}

// first keeps the first width columns.
func first(n plan.Node, width int) plan.Node {
	p := &plan.Project{In: n}
	for i, c := range n.Columns()[:width] {
		p.Exprs, p.Names = append(p.Exprs, &plan.Col{Index: i, Name: c.Name, T: c.Type}), append(p.Names, c.Name)
	}
	return p
}
