package planner

import (
	"errors"
	"slices"
	"strings"

	"github.com/weirdb/weir/catalog"
	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
	"github.com/weirdb/weir/sql/ast"
)

// PlanContinuous plans CREATE STREAM, TABLE and MATERIALIZED VIEW with AS, and
// INSERT INTO ... SELECT that runs for ever. The same statement over the same
// sources and settings gives the same plan: it is planned again at every
// restart. That the target's name is free is not checked. A table or view of plain
// SQL that no operators over changes can keep up to date is computed anew after
// every change.
func PlanContinuous(env *Env, st ast.Stmt) (*Continuous, error) {
	c, err := planContinuous(env, st, (*binder).changing)
	if env.Dialect == ast.KSQL || err == nil && !slices.ContainsFunc(c.Query.Stages, func(s plan.Stage) bool { return crosses(s.Root) }) {
		return c, err
	}
	anew, e := planContinuous(env, st, (*binder).recomputed)
	if e == nil {
		return anew, nil
	}
	if err == nil {
		return c, nil
	}
	if pe, ok := errors.AsType[*pgerr.Error](e); ok && pe.Code != pgerr.FeatureNotSupported {
		return nil, e // wrong in any case
	}
	return nil, err // what the statement lacks to be kept up to date
}

// planContinuous plans a statement whose query bind binds.
func planContinuous(env *Env, st ast.Stmt, bind func(*binder, *sink, ast.Query) error) (*Continuous, error) {
	c := &Continuous{Settings: map[string]string{}}
	env = env.recording(c.Settings)
	sink, q, err := newSink(env, st)
	if err != nil {
		return nil, err
	}
	seen := map[uint64]bool{}
	b := &binder{env: env}
	b.onScan = func(n *plan.Scan) {
		if !seen[n.Relation] {
			seen[n.Relation] = true
			c.Sources = append(c.Sources, catalog.ID(n.Relation))
		}
		if sink.like == nil {
			sink.like = n
		}
	}
	if err := bind(b, sink, q); err != nil {
		return nil, err
	}
	if env.Dialect == ast.Postgres {
		if err := maintained(sink.root); err != nil {
			return nil, at(err, q.Pos())
		}
	}
	c.Definition, c.Into, c.Name = sink.def, sink.intoID(), sink.queryName()
	c.Query, err = stages(pruned(sink.root), sink.plan, sink.plan.Topic.Partitions)
	if err != nil {
		return nil, at(err, q.Pos())
	}
	c.SkipNullKeys = env.Dialect == ast.KSQL
	c.Every = env.Dialect == ast.KSQL || strings.EqualFold(env.setting("weir.emit"), "every")
	c.From = plan.Earliest
	if env.Dialect == ast.KSQL {
		c.From = startAt(env)
	}
	if len(env.Params) > 0 {
		return nil, pgerr.Newf(pgerr.UndefinedParameter, "a continuous query has no parameters").At(q.Pos())
	}
	return c, nil
}

// changing binds q as a plan of operators over changes, and finishes the sink.
func (b *binder) changing(sink *sink, q ast.Query) error {
	b.stream = true
	if _, ok := q.(*ast.Select); ok {
		b.sink = sink
	}
	node, err := b.query(q, &scope{})
	if err != nil || sink.done {
		return err
	}
	// UNION and its like
	if err := runnable(node); err != nil {
		return at(err, q.Pos())
	}
	return sink.finish(b, node, flowOf(node), plainOutputs(node, len(node.Columns()), q.Pos()))
}

// plainOutputs are the first n columns of a node.
func plainOutputs(n plan.Node, width, pos int) []output {
	var outs []output
	for i, c := range n.Columns()[:width] {
		outs = append(outs, output{e: &plan.Col{Index: i, Name: c.Name, T: c.Type}, name: c.Name, pos: pos})
	}
	return outs
}

func startAt(env *Env) plan.StartAt {
	if strings.EqualFold(env.setting("auto.offset.reset"), "earliest") {
		return plan.Earliest
	}
	return plan.Latest
}

// recording returns env noting in to which settings a plan depends on.
func (e *Env) recording(to map[string]string) *Env {
	c := *e
	c.Setting = func(name string) string {
		v := e.setting(name)
		if v != "" {
			to[name] = v
		}
		return v
	}
	return &c
}

// PlanPush plans SELECT ... EMIT CHANGES or EMIT FINAL. One task runs it over all
// partitions, so nothing has to move.
func PlanPush(env *Env, q ast.Query) (plan.Node, error) {
	from := startAt(env)
	b := &binder{env: env, stream: true, push: true}
	b.onScan = func(n *plan.Scan) { n.From = from }
	n, err := b.query(q, &scope{})
	if err != nil {
		return nil, err
	}
	if l, ok := n.(*plan.Limit); ok {
		return &plan.Limit{In: pruned(shown(typed(l.In), env)), N: l.N}, runnable(l.In)
	}
	return pruned(shown(typed(n), env)), runnable(n)
}

// runnable tells whether the operators of continuous queries can run a plan.
func runnable(n plan.Node) error {
	if u, ok := n.(*plan.SetOp); ok && u.Op == plan.Union && u.All {
		if err := runnable(u.L); err != nil {
			return err
		}
		return runnable(u.R)
	}
	switch n.(type) {
	case *plan.Scan:
		return nil
	case *plan.Filter, *plan.Project, *plan.Unnest, *plan.Aggregate, *plan.Upsert, *plan.Join, *plan.Repartition, *plan.Recompute:
		for _, in := range n.Inputs() {
			if err := runnable(in); err != nil {
				return err
			}
		}
		return nil
	}
	return unsupportedNode(n)
}

// newSink reads what a statement says about its target.
func newSink(env *Env, st ast.Stmt) (*sink, ast.Query, error) {
	s := &sink{env: env, pos: st.Pos()}
	r := &s.def.Relation
	var q ast.Query
	var with []ast.Property
	known := []map[string]property{withProperties}
	switch st := st.(type) {
	case *ast.CreateRelation:
		if st.Source {
			return nil, nil, pgerr.Newf(pgerr.SyntaxError, "CREATE SOURCE takes no AS").At(st.Pos())
		}
		if st.Temp {
			return nil, nil, pgerr.Newf(pgerr.FeatureNotSupported, "temporary tables are not supported").At(st.Pos())
		}
		s.def.OrReplace, s.def.IfNotExists = st.OrReplace, st.IfNotExists
		s.prefix, s.what = "CSAS_", "CREATE STREAM AS SELECT"
		if st.Kind == ast.TableRelation {
			r.Kind, s.prefix, s.what = catalog.Table, "CTAS_", "CREATE TABLE AS SELECT"
		}
		for _, c := range st.Columns {
			if !c.Type.IsZero() {
				return nil, nil, pgerr.Newf(pgerr.SyntaxError, "CREATE ... AS takes names of columns, without types").At(c.Pos())
			}
			s.names = append(s.names, c.Name)
		}
		r.Schema, r.Name, q, with = schemaOf(st.Name), relationName(st.Name), st.As, st.With
	case *ast.CreateView:
		s.def.OrReplace, s.def.IfNotExists = st.OrReplace, st.IfNotExists
		r.Kind, s.prefix, s.what = catalog.MaterializedView, "CTAS_", "CREATE MATERIALIZED VIEW"
		r.Schema, r.Name, q, with, s.names = schemaOf(st.Name), relationName(st.Name), st.As, st.With, st.Columns
	case *ast.Insert:
		if len(st.Returning) > 0 || st.OnConflict != nil || st.CTEs != nil {
			return nil, nil, pgerr.Newf(pgerr.FeatureNotSupported, "RETURNING, ON CONFLICT and WITH are not supported in a continuous INSERT").At(st.Pos())
		}
		s.prefix, s.what = "INSERTQUERY_", "INSERT INTO"
		known = []map[string]property{insertProperties}
		if err := s.target(st); err != nil {
			return nil, nil, err
		}
		q, with = st.Source, st.With
	default:
		return nil, nil, pgerr.Newf(pgerr.InternalError, "%T is no continuous query", st)
	}
	var err error
	s.props, err = readWith(with, known...)
	return s, q, err
}

// target finds the stream that INSERT INTO writes.
func (s *sink) target(st *ast.Insert) error {
	name := pathText(st.Table)
	r, ok := Find(s.env.Catalog, st.Table)
	if !ok {
		if s.env.Dialect == ast.KSQL {
			return pgerr.Newf(pgerr.UndefinedTable, "%s does not exist.", vec.KSQLName(name)).At(st.Pos())
		}
		return pgerr.Newf(pgerr.UndefinedTable, "relation %q does not exist", name).At(st.Pos())
	}
	if r.Kind != catalog.Stream {
		return pgerr.Newf(pgerr.WrongObjectType, "INSERT INTO can only be used to insert into a stream. %s is a %s.", r.Name, strings.ToLower(r.Kind.String())).At(st.Pos())
	}
	if r.Source {
		return pgerr.Newf(pgerr.WrongObjectType, "Cannot insert into read-only stream: %s", vec.KSQLName(r.Name)).At(st.Pos())
	}
	t, ok := s.env.Catalog.Topic(r.Topic)
	if !ok {
		return pgerr.Newf(pgerr.UndefinedObject, "the topic of %q does not exist", r.Name).At(st.Pos())
	}
	s.into, s.topic, s.insert = r, t, st
	return nil
}

func (s *sink) intoID() catalog.ID {
	if s.into == nil {
		return 0
	}
	return s.into.ID
}

func (s *sink) queryName() string {
	switch {
	case s.props.queryID != "":
		return s.props.queryID
	case s.into != nil:
		return s.prefix
	}
	return s.prefix + strings.ToUpper(s.def.Relation.Name) + "_"
}
