package engine

import (
	"context"
	"strings"
	"time"

	"github.com/weirdb/weir/catalog"
	"github.com/weirdb/weir/exec"
	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/planner"
	"github.com/weirdb/weir/sql/ast"
)

// create runs CREATE STREAM, TABLE, VIEW and MATERIALIZED VIEW, with or without
// AS. It is planned inside the change of the catalog, so that it sees what came
// first.
func (s *session) create(st statement) (*command, error) {
	return simple(func(ctx context.Context) (string, error) {
		if q := queryOf(st.ast); q != nil {
			return s.createAs(ctx, st)
		}
		var tag string
		_, err := s.n.change(ctx, func(c *catalog.Catalog, ch *catalog.Change) error {
			def, err := planner.Define(s.env(c, nil), st.ast)
			if err != nil {
				return err
			}
			tag = "CREATE " + def.Relation.Kind.String()
			exists, err := s.occupied(c, ch, def)
			if err != nil || exists {
				return err
			}
			_, err = s.define1(ctx, c, ch, def, st)
			return err
		})
		return tag, err
	}), nil
}

// queryOf returns the query of CREATE ... AS that runs continuously; nil for a
// plain view.
func queryOf(st ast.Stmt) ast.Query {
	switch a := st.(type) {
	case *ast.CreateRelation:
		return a.As
	case *ast.CreateView:
		if a.Materialized {
			return a.As
		}
	}
	return nil
}

// occupied tells whether the name is taken and that is all right (IF NOT
// EXISTS). With OR REPLACE the old definition is dropped in the same change.
func (s *session) occupied(c *catalog.Catalog, ch *catalog.Change, def *planner.Definition) (bool, error) {
	old, ok := c.RelationIn(def.Relation.Schema, def.Relation.Name)
	switch {
	case !ok:
		return false, nil
	case def.IfNotExists:
		s.client.Notice("NOTICE", pgerr.Newf(pgerr.DuplicateTable, "relation %q already exists, skipping", old.Name))
		return true, nil
	case def.OrReplace:
		return false, s.replaceable(c, ch, old, def)
	}
	if s.dialect() == ast.KSQL {
		kind := strings.ToLower(def.Relation.Kind.String())
		return false, pgerr.Newf(pgerr.DuplicateTable, "Cannot add %s '%s': A %s with the same name already exists",
			kind, def.Relation.Name, strings.ToLower(old.Kind.String()))
	}
	return false, pgerr.Newf(pgerr.DuplicateTable, "relation %q already exists", def.Relation.Name)
}

// replaceable drops what OR REPLACE replaces, unless something depends on it.
func (s *session) replaceable(c *catalog.Catalog, ch *catalog.Change, old *catalog.Relation, def *planner.Definition) error {
	if old.Query != 0 {
		return pgerr.Newf(pgerr.FeatureNotSupported, "CREATE OR REPLACE of a relation that a query writes is not supported yet").
			Hintf("Drop %s first.", old.Name)
	}
	if readers := append(c.Readers(old.ID), c.Writers(old.ID)...); len(readers) > 0 {
		return pgerr.Newf(pgerr.DependentObjects, "cannot replace %s because queries use it", old.Name).Detailf("Query %s uses it.", readers[0].Name)
	}
	def.Relation.ID = old.ID // it stays the same relation
	return nil
}

// define1 adds a relation, and its topic if it is not there, to a change.
func (s *session) define1(ctx context.Context, c *catalog.Catalog, ch *catalog.Change, def *planner.Definition, st statement) (*catalog.Relation, error) {
	r := def.Relation
	schema, err := schemaNamed(c, r.Schema)
	if err != nil {
		return nil, err
	}
	r.Schema, r.SQL, r.Dialect, r.CreatedUnixMs = schema, st.source(), s.dialect().String(), time.Now().UnixMilli()
	if r.ID == 0 {
		r.ID = ch.NewID()
	}
	if r.Kind != catalog.View {
		topic, err := s.topicFor(ctx, c, ch, def)
		if err != nil {
			return nil, err
		}
		r.Topic, r.OwnsTopic = topic.ID, len(ch.Topics) > 0 && ch.Topics[len(ch.Topics)-1] == topic
	}
	ch.Relations = append(ch.Relations, &r)
	return &r, nil
}

func (s *session) topicFor(ctx context.Context, c *catalog.Catalog, ch *catalog.Change, def *planner.Definition) (*catalog.Topic, error) {
	d := def.Topic
	if t, ok := c.TopicByName(d.Name); ok {
		if d.Partitions != 0 && d.Partitions != t.Partitions {
			return nil, pgerr.Newf(pgerr.InvalidParameterValue,
				"A Kafka topic with the name '%s' already exists, with different partition/replica configuration than required. Kafka topic has %d partitions, %d wanted",
				d.Name, t.Partitions, d.Partitions)
		}
		if d.Compact {
			if err := s.n.materialize(ctx, t); err != nil {
				return nil, err
			}
		}
		if d.Compact && !t.Compact { // the topic of a table holds its latest rows
			grown := *t
			grown.Compact = true
			ch.Topics = append(ch.Topics, &grown)
			return t, nil
		}
		return t, nil
	}
	if d.MustExist {
		return nil, pgerr.Newf(pgerr.UndefinedObject, "Topic '%s' does not exist. If you want to create a new topic for the stream/table please re-run the statement providing the required 'PARTITIONS' configuration in the WITH clause (and optionally 'REPLICAS'). For example: CREATE STREAM s WITH (KAFKA_TOPIC='%s', PARTITIONS=1)", d.Name, d.Name)
	}
	spec := TopicSpec{Name: d.Name, Partitions: d.Partitions, Compact: d.Compact, RetentionMs: d.RetentionMs}
	if like, ok := c.Topic(d.Like); ok {
		spec.Like = like
		if spec.Partitions == 0 {
			spec.Partitions = like.Partitions
		}
	}
	return s.n.newTopic(c, ch, spec)
}

// createAs starts a persistent query: CREATE ... AS SELECT and INSERT INTO ...
// SELECT. It returns when the query has fixed where it begins to read.
func (s *session) createAs(ctx context.Context, st statement) (string, error) {
	tag, id := "", catalog.ID(0)
	cat, err := s.n.change(ctx, func(c *catalog.Catalog, ch *catalog.Change) error {
		q, err := planner.PlanContinuous(s.env(c, nil), st.ast)
		if err != nil {
			return err
		}
		if err := exec.Validate(q.Query); err != nil {
			return err
		}
		sink, ok := c.Relation(q.Into)
		tag = "INSERT 0 0"
		if !ok {
			tag = "CREATE " + q.Relation.Kind.String()
			exists, err := s.occupied(c, ch, &q.Definition)
			if err != nil || exists {
				return err
			}
			if sink, err = s.define1(ctx, c, ch, &q.Definition, st); err != nil {
				return err
			}
		}
		id, err = s.n.addQuery(c, ch, q, sink, st.source(), s.dialect())
		return err
	})
	if err != nil || id == 0 {
		return tag, err
	}
	if err := s.n.sup.caughtUp(ctx, cat.Version); err != nil {
		return "", err
	}
	return tag, s.n.sup.ready(ctx, id)
}

// addQuery adds a persistent query and the topics between its stages to a change.
func (n *Node) addQuery(c *catalog.Catalog, ch *catalog.Change, q *planner.Continuous, sink *catalog.Relation, sql string, d ast.Dialect) (catalog.ID, error) {
	def := &catalog.Query{
		ID: ch.NewID(), Name: q.Name, SQL: sql, Dialect: d.String(), Settings: q.Settings,
		Sink: sink.ID, Sources: q.Sources, Generation: 1, CreatedUnixMs: time.Now().UnixMilli(),
	}
	if strings.HasSuffix(def.Name, "_") {
		def.Name += itoa(int(def.ID))
	}
	if _, taken := c.QueryByName(def.Name); taken {
		return 0, pgerr.Newf(pgerr.DuplicateObject, "Query ID '%s' already exists.", def.Name)
	}
	for i, stage := range q.Query.Stages[:len(q.Query.Stages)-1] {
		t, err := n.newTopic(c, ch, TopicSpec{
			Name: "__" + def.Name + "_" + itoa(i), Partitions: stage.Partitions, RetentionMs: -1, Internal: true, Owner: def.ID,
		})
		if err != nil {
			return 0, err
		}
		def.Internal = append(def.Internal, t.ID)
	}
	if q.Into == 0 {
		sink.Query = def.ID // sink is in the change already
	}
	ch.Queries = append(ch.Queries, def)
	return def.ID, nil
}

func (s *session) createType(a *ast.CreateType) (*command, error) {
	return simple(func(ctx context.Context) (string, error) {
		_, err := s.n.change(ctx, func(c *catalog.Catalog, ch *catalog.Change) error {
			name := a.Name[len(a.Name)-1].S
			if _, ok := c.TypeByName(name); ok {
				if a.IfNotExists {
					return nil
				}
				return pgerr.Newf(pgerr.DuplicateObject, "Cannot register custom type '%s' since it is already registered", name).At(a.Pos())
			}
			t, err := planner.TypeOf(s.env(c, nil), a)
			if err != nil {
				return err
			}
			ch.Types = append(ch.Types, &catalog.NamedType{ID: ch.NewID(), Name: name, Type: t})
			return nil
		})
		return "CREATE TYPE", err
	}), nil
}
