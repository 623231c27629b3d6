package catalog

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
)

// ErrConflict says that another change came first: plan again on the new
// snapshot.
var ErrConflict = errors.New("catalog: changed since the change was planned")

// maxChange bounds an encoded change: it has to fit one raft entry.
const maxChange = 1 << 20

// A Change leads from the snapshot of version Base to the next. What it puts
// replaces the object of the same ID. It is applied whole or not at all.
type Change struct {
	Base      uint64
	NextID    ID
	Topics    []*Topic     `json:",omitempty"`
	Relations []*Relation  `json:",omitempty"`
	Queries   []*Query     `json:",omitempty"`
	Types     []*NamedType `json:",omitempty"`
	Schemas   []*Schema    `json:",omitempty"`
	Drop      []ID         `json:",omitempty"`
}

// Begin returns an empty change of c.
func (c *Catalog) Begin() *Change { return &Change{Base: c.Version, NextID: c.NextID} }

// NewID returns the ID for a new object of this change.
func (ch *Change) NewID() ID {
	ch.NextID++
	return ch.NextID
}

// Encode returns the change as the command that the meta group replicates.
func (ch *Change) Encode() ([]byte, error) {
	b, err := json.Marshal(ch)
	if err == nil && len(b) > maxChange {
		err = fmt.Errorf("catalog: change of %d bytes, the limit is %d", len(b), maxChange)
	}
	return b, err
}

// A Row is one object as it is stored; Value nil means that it is gone.
type Row struct{ Key, Value []byte }

// Apply returns the snapshot after the encoded change and the rows that must be
// stored with it. It is deterministic: errors are the same on every node, and
// leave c as it was.
func (c *Catalog) Apply(cmd []byte) (*Catalog, []Row, error) {
	var ch Change
	if err := json.Unmarshal(cmd, &ch); err != nil {
		return c, nil, fmt.Errorf("catalog: malformed change: %w", err)
	}
	if ch.Base != c.Version {
		return c, nil, ErrConflict
	}
	next := &Catalog{
		Version: c.Version + 1, NextID: max(c.NextID, ch.NextID),
		topics: clone(c.topics), relations: clone(c.relations), queries: clone(c.queries), types: clone(c.types), schemas: clone(c.schemas),
	}
	var rows []Row
	for _, id := range ch.Drop {
		rows = append(rows, next.drop(id)...)
	}
	for _, t := range ch.Topics {
		next.topics[t.ID] = t
		rows = append(rows, row('t', t.ID, t))
	}
	for _, r := range ch.Relations {
		next.relations[r.ID] = r
		rows = append(rows, row('r', r.ID, r))
	}
	for _, q := range ch.Queries {
		next.queries[q.ID] = q
		rows = append(rows, row('q', q.ID, q))
	}
	for _, t := range ch.Types {
		next.types[t.ID] = t
		rows = append(rows, row('y', t.ID, t))
	}
	for _, s := range ch.Schemas {
		next.schemas[s.ID] = s
		rows = append(rows, row('s', s.ID, s))
	}
	return next, append(rows, row('v', 0, [2]uint64{next.Version, uint64(next.NextID)})), nil
}

func clone[T any](m map[ID]*T) map[ID]*T {
	if m == nil {
		return map[ID]*T{}
	}
	return maps.Clone(m)
}

func (c *Catalog) drop(id ID) (rows []Row) {
	gone := func(kind byte) { rows = append(rows, Row{Key: rowKey(kind, id)}) }
	if _, ok := c.topics[id]; ok {
		delete(c.topics, id)
		gone('t')
	}
	if _, ok := c.relations[id]; ok {
		delete(c.relations, id)
		gone('r')
	}
	if _, ok := c.queries[id]; ok {
		delete(c.queries, id)
		gone('q')
	}
	if _, ok := c.types[id]; ok {
		delete(c.types, id)
		gone('y')
	}
	if _, ok := c.schemas[id]; ok {
		delete(c.schemas, id)
		gone('s')
	}
	return rows
}

func rowKey(kind byte, id ID) []byte { return fmt.Appendf(nil, "%c%016x", kind, uint64(id)) }

func row(kind byte, id ID, x any) Row {
	b, err := json.Marshal(x)
	if err != nil {
		panic(fmt.Sprintf("catalog: %T does not marshal: %v", x, err)) // plain data always does
	}
	return Row{Key: rowKey(kind, id), Value: b}
}

// Load returns the snapshot that the stored rows make up.
func Load(rows func(yield func(key, value []byte) bool)) (*Catalog, error) {
	c := &Catalog{topics: map[ID]*Topic{}, relations: map[ID]*Relation{}, queries: map[ID]*Query{}, types: map[ID]*NamedType{}, schemas: map[ID]*Schema{}}
	for k, v := range rows {
		var err error
		switch {
		case len(k) == 0:
			err = errors.New("empty key")
		case k[0] == 't':
			err = load(c.topics, v, func(t *Topic) ID { return t.ID })
		case k[0] == 'r':
			err = load(c.relations, v, func(r *Relation) ID { return r.ID })
		case k[0] == 'q':
			err = load(c.queries, v, func(q *Query) ID { return q.ID })
		case k[0] == 'y':
			err = load(c.types, v, func(t *NamedType) ID { return t.ID })
		case k[0] == 's':
			err = load(c.schemas, v, func(s *Schema) ID { return s.ID })
		case k[0] == 'v':
			var x [2]uint64
			err = json.Unmarshal(v, &x)
			c.Version, c.NextID = x[0], ID(x[1])
		default:
			err = errors.New("unknown kind of object")
		}
		if err != nil {
			return nil, fmt.Errorf("catalog: stored row %q: %w", k, err)
		}
	}
	return c, nil
}

func load[T any](m map[ID]*T, v []byte, id func(*T) ID) error {
	x := new(T)
	if err := json.Unmarshal(v, x); err != nil {
		return err
	}
	m[id(x)] = x
	return nil
}

// Empty tells whether the change leaves c, on which it is based, as it is.
func (ch *Change) Empty(c *Catalog) bool {
	return ch.NextID == c.NextID &&
		len(ch.Topics)+len(ch.Relations)+len(ch.Queries)+len(ch.Types)+len(ch.Schemas)+len(ch.Drop) == 0
}
