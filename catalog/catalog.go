package catalog

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// A Catalog is one state of the cluster's knowledge. It never changes; share it
// freely. The zero Catalog is that of a new cluster.
type Catalog struct {
	Version uint64 // how many changes led here
	NextID  ID     // the next object's ID is NextID+1

	topics    map[ID]*Topic
	relations map[ID]*Relation
	queries   map[ID]*Query
	types     map[ID]*NamedType
	schemas   map[ID]*Schema
}

// Topic returns the topic with that ID.
func (c *Catalog) Topic(id ID) (*Topic, bool) { t, ok := c.topics[id]; return t, ok }

// TopicByName returns the topic with exactly that name.
func (c *Catalog) TopicByName(name string) (*Topic, bool) {
	for _, t := range c.topics {
		if t.Name == name {
			return t, true
		}
	}
	return nil, false
}

// Relation returns the relation with that ID.
func (c *Catalog) Relation(id ID) (*Relation, bool) { r, ok := c.relations[id]; return r, ok }

// RelationByOID returns the relation with that OID in pg_class.
func (c *Catalog) RelationByOID(oid uint32) (*Relation, bool) {
	if oid < FirstOID {
		return nil, false
	}
	return c.Relation(ID(oid - FirstOID))
}

// RelationByName returns the relation of that name in PublicSchema: the exact
// one, or the only one that differs in case alone.
func (c *Catalog) RelationByName(name string) (*Relation, bool) {
	return c.RelationIn(PublicSchema, name)
}

// RelationIn is RelationByName for a schema; "" is PublicSchema.
func (c *Catalog) RelationIn(schema, name string) (*Relation, bool) {
	in := func(r *Relation) bool {
		return strings.EqualFold(cmp.Or(r.Schema, PublicSchema), cmp.Or(schema, PublicSchema))
	}
	return byName(c.relations, func(r *Relation) string { return r.Name }, in, name)
}

// Query returns the query with that ID.
func (c *Catalog) Query(id ID) (*Query, bool) { q, ok := c.queries[id]; return q, ok }

// QueryByName returns the query of that name, case aside if that is unambiguous.
func (c *Catalog) QueryByName(name string) (*Query, bool) {
	return byName(c.queries, func(q *Query) string { return q.Name }, nil, name)
}

// TypeByName returns the named type, case aside if that is unambiguous.
func (c *Catalog) TypeByName(name string) (*NamedType, bool) {
	return byName(c.types, func(t *NamedType) string { return t.Name }, nil, name)
}

// SchemaByName returns the schema of that name, case aside if that is unambiguous.
func (c *Catalog) SchemaByName(name string) (*Schema, bool) {
	return byName(c.schemas, func(s *Schema) string { return s.Name }, nil, name)
}

// byName looks among what is wanted, nil meaning all.
func byName[T any](m map[ID]*T, name func(*T) string, wanted func(*T) bool, want string) (found *T, ok bool) {
	var folded []*T
	for _, x := range m {
		switch n := name(x); {
		case !strings.EqualFold(n, want) || wanted != nil && !wanted(x):
		case n == want:
			return x, true
		default:
			folded = append(folded, x)
		}
	}
	if len(folded) == 1 {
		return folded[0], true
	}
	return nil, false
}

// Topics returns all topics in order of creation.
func (c *Catalog) Topics() []*Topic { return inOrder(c.topics) }

// Relations returns all relations in order of creation.
func (c *Catalog) Relations() []*Relation { return inOrder(c.relations) }

// Queries returns all persistent queries in order of creation. A query reads
// only what was there before it, so upstream queries come first.
func (c *Catalog) Queries() []*Query { return inOrder(c.queries) }

// Schemas returns all schemas but PublicSchema in order of creation.
func (c *Catalog) Schemas() []*Schema { return inOrder(c.schemas) }

// Types returns all named types in order of creation.
func (c *Catalog) Types() []*NamedType { return inOrder(c.types) }

func inOrder[T any](m map[ID]*T) []*T {
	out := make([]*T, 0, len(m))
	for _, id := range slices.SortedFunc(maps.Keys(m), cmp.Compare[ID]) {
		out = append(out, m[id])
	}
	return out
}

// Writers returns the queries that write into relation id.
func (c *Catalog) Writers(id ID) (out []*Query) {
	for _, q := range c.Queries() {
		if q.Sink == id {
			out = append(out, q)
		}
	}
	return out
}

// Readers returns the queries that read relation id.
func (c *Catalog) Readers(id ID) (out []*Query) {
	for _, q := range c.Queries() {
		if slices.Contains(q.Sources, id) {
			out = append(out, q)
		}
	}
	return out
}
