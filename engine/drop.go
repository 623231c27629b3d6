package engine

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/weirdb/weir/catalog"
	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/planner"
	"github.com/weirdb/weir/sql/ast"
)

func itoa(n int) string { return strconv.Itoa(n) }

// drop runs DROP of relations and types.
func (s *session) drop(a *ast.Drop) (*command, error) {
	switch a.Kind {
	case ast.SchemaRelation:
		return s.dropSchema(a)
	case ast.StreamRelation, ast.TableRelation, ast.ViewRelation, ast.MaterializedViewRelation, ast.TypeRelation:
	default:
		return nil, pgerr.Newf(pgerr.FeatureNotSupported, "DROP %s is not supported", a.Kind).At(a.Pos())
	}
	return simple(func(ctx context.Context) (string, error) {
		var topics []*catalog.Topic
		cat, err := s.n.change(ctx, func(c *catalog.Catalog, ch *catalog.Change) error {
			topics = nil
			for _, parts := range a.Names {
				name := parts[len(parts)-1].S
				if a.Kind == ast.TypeRelation {
					if t, ok := c.TypeByName(name); ok {
						ch.Drop = append(ch.Drop, t.ID)
					} else if !a.IfExists {
						return pgerr.Newf(pgerr.UndefinedObject, "Type %s does not exist", name).At(a.Pos())
					}
					continue
				}
				r, ok := planner.Find(c, parts)
				if !ok {
					if a.IfExists {
						s.client.Notice("NOTICE", pgerr.Newf("00000", "%s %q does not exist, skipping", strings.ToLower(a.Kind.String()), name))
						continue
					}
					if s.dialect() == ast.KSQL {
						return pgerr.Newf(pgerr.UndefinedTable, "Source %s does not exist.", name).At(a.Pos())
					}
					return pgerr.Newf(pgerr.UndefinedTable, "%s %q does not exist", strings.ToLower(a.Kind.String()), name).At(a.Pos())
				}
				gone, err := s.dropRelation(c, ch, a, r)
				if err != nil {
					return err
				}
				topics = append(topics, gone...)
			}
			return nil
		})
		if err != nil {
			return "", err
		}
		// The queries stop before the logs that they write go.
		if err := s.n.sup.caughtUp(ctx, cat.Version); err != nil {
			return "", err
		}
		return "DROP " + a.Kind.String(), s.n.dropLogs(ctx, topics)
	}), nil
}

// dropRelation adds the end of a relation, of the query that made it, and of
// topics that are theirs alone, to a change.
func (s *session) dropRelation(c *catalog.Catalog, ch *catalog.Change, a *ast.Drop, r *catalog.Relation) ([]*catalog.Topic, error) {
	want := map[ast.RelationKind]catalog.Kind{
		ast.StreamRelation: catalog.Stream, ast.TableRelation: catalog.Table,
		ast.ViewRelation: catalog.View, ast.MaterializedViewRelation: catalog.MaterializedView,
	}[a.Kind]
	if r.Kind != want {
		if s.dialect() == ast.KSQL {
			return nil, pgerr.Newf(pgerr.WrongObjectType, "Incompatible data source type is %s, but statement was DROP %s", r.Kind, a.Kind).At(a.Pos())
		}
		return nil, pgerr.Newf(pgerr.WrongObjectType, "%q is not a %s", r.Name, strings.ToLower(a.Kind.String())).At(a.Pos()).
			Hintf("Use DROP %s to remove it.", r.Kind)
	}
	if a.DeleteTopic && r.Source {
		return nil, pgerr.Newf(pgerr.WrongObjectType, "Cannot delete topic for read-only source: %s", r.Name).At(a.Pos())
	}
	var users []string
	for _, q := range append(c.Readers(r.ID), c.Writers(r.ID)...) {
		if q.ID != r.Query {
			users = append(users, q.Name)
		}
	}
	if len(users) > 0 && a.Cascade {
		return s.dropUsers(c, ch, a, r), nil
	}
	if len(users) > 0 {
		e := pgerr.Newf(pgerr.DependentObjects, "cannot drop %s %s because other objects depend on it", strings.ToLower(a.Kind.String()), r.Name)
		if s.dialect() == ast.KSQL {
			e.Msg = "Cannot drop " + r.Name + ". The following queries read from or write to this source: [" + strings.Join(users, ", ") + "]. You need to terminate them before dropping " + r.Name + "."
		}
		return nil, e.At(a.Pos()).Detailf("It is used by the queries %s.", strings.Join(users, ", ")).
			Hintf("Drop what they write, or TERMINATE them, first.")
	}
	return s.dropOne(c, ch, a, r), nil
}

// dropOne adds the end of a relation that nothing depends on to a change.
func (s *session) dropOne(c *catalog.Catalog, ch *catalog.Change, a *ast.Drop, r *catalog.Relation) (gone []*catalog.Topic) {
	if slices.Contains(ch.Drop, r.ID) { // reached by another way
		return nil
	}
	ch.Drop = append(ch.Drop, r.ID)
	if q, ok := c.Query(r.Query); ok {
		ch.Drop = append(ch.Drop, q.ID)
		gone = append(gone, internalTopics(c, ch, q)...)
	}
	if t, ok := c.Topic(r.Topic); ok && (a.DeleteTopic || r.OwnsTopic && s.dialect() == ast.Postgres) && !shared(c, t, r) {
		ch.Drop = append(ch.Drop, t.ID)
		gone = append(gone, t)
	}
	return gone
}

// dropUsers drops r with CASCADE: the queries that read or write it end first, and
// with them the relations that they made.
func (s *session) dropUsers(c *catalog.Catalog, ch *catalog.Change, a *ast.Drop, r *catalog.Relation) (gone []*catalog.Topic) {
	for _, q := range append(c.Readers(r.ID), c.Writers(r.ID)...) {
		if q.ID == r.Query || slices.Contains(ch.Drop, q.ID) {
			continue
		}
		if made, ok := c.Relation(q.Sink); ok && made.Query == q.ID {
			gone = append(gone, s.dropUsers(c, ch, a, made)...)
			continue
		}
		ch.Drop = append(ch.Drop, q.ID) // INSERT INTO: the relation stays
		gone = append(gone, internalTopics(c, ch, q)...)
	}
	return append(gone, s.dropOne(c, ch, a, r)...)
}

// internalTopics adds the end of the logs between a query's stages to a change.
func internalTopics(c *catalog.Catalog, ch *catalog.Change, q *catalog.Query) (gone []*catalog.Topic) {
	for _, id := range q.Internal {
		if t, ok := c.Topic(id); ok {
			ch.Drop = append(ch.Drop, id)
			gone = append(gone, t)
		}
	}
	return gone
}

// shared tells whether another relation stands on the topic.
func shared(c *catalog.Catalog, t *catalog.Topic, but *catalog.Relation) bool {
	for _, r := range c.Relations() {
		if r.Topic == t.ID && r.ID != but.ID {
			return true
		}
	}
	return false
}

// terminate ends a persistent query; what it wrote stays.
func (s *session) terminate(a *ast.Terminate) (*command, error) {
	return simple(func(ctx context.Context) (string, error) {
		var topics []*catalog.Topic
		cat, err := s.n.change(ctx, func(c *catalog.Catalog, ch *catalog.Change) error {
			topics = nil
			qs, err := queriesNamed(c, a.Target, a.Pos())
			if err != nil {
				return err
			}
			for _, q := range qs {
				ch.Drop = append(ch.Drop, q.ID)
				topics = append(topics, internalTopics(c, ch, q)...)
				if sink, ok := c.Relation(q.Sink); ok && sink.Query == q.ID {
					free := *sink
					free.Query = 0
					ch.Relations = append(ch.Relations, &free)
				}
			}
			return nil
		})
		if err != nil {
			return "", err
		}
		if err := s.n.sup.caughtUp(ctx, cat.Version); err != nil {
			return "", err
		}
		return "TERMINATE", s.n.dropLogs(ctx, topics)
	}), nil
}

// pause pauses or resumes persistent queries.
func (s *session) pause(id ast.Target, pos int, pause bool) (*command, error) {
	return simple(func(ctx context.Context) (string, error) {
		cat, err := s.n.change(ctx, func(c *catalog.Catalog, ch *catalog.Change) error {
			qs, err := queriesNamed(c, id, pos)
			if err != nil {
				return err
			}
			for _, q := range qs {
				if q.Paused != pause {
					moved := *q
					moved.Paused = pause
					ch.Queries = append(ch.Queries, &moved)
				}
			}
			return nil
		})
		if err != nil {
			return "", err
		}
		tag := "RESUME"
		if pause {
			tag = "PAUSE"
		}
		return tag, s.n.sup.caughtUp(ctx, cat.Version)
	}), nil
}

// queriesNamed returns the query that TERMINATE, PAUSE and RESUME name, or all.
func queriesNamed(c *catalog.Catalog, id ast.Target, pos int) ([]*catalog.Query, error) {
	if id.All {
		return c.Queries(), nil
	}
	if q, ok := c.QueryByName(id.ID.S); ok {
		return []*catalog.Query{q}, nil
	}
	return nil, pgerr.Newf(pgerr.UndefinedObject, "Unknown queryId: %s", id.ID.S).At(pos).
		Hintf("SHOW QUERIES lists the queries.")
}

// flush waits until everything that was acknowledged is processed.
func (s *session) flush() (*command, error) {
	return simple(func(ctx context.Context) (string, error) {
		return "FLUSH", s.n.sup.flush(ctx)
	}), nil
}
