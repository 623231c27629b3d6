// Package syscat is the system catalog: the virtual relations of the schemas
// weir, pg_catalog and information_schema, as ordinary rows over the catalog's
// snapshot and the state of the node. Queries over them are planned and run like
// all others; nothing here looks at a query's text.
//
// It knows nothing of sessions, groups and disks but what Source tells it.
package syscat

import (
	"sync"

	"github.com/weirdb/weir/catalog"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
)

// Source is what the relations show. Its methods are called while a query runs,
// each as often as it is needed; what they return is the caller's.
type Source interface {
	Catalog() *catalog.Catalog
	Version() string // of the program
	Settings() []Setting
	Sessions() []Session
	Queries() []QueryState
	Partitions() []Partition
	Shards() []Shard
	Nodes() []Node
	Groups() []Group
	// Errors calls yield for the records that queries could not process, oldest
	// first, until it returns false.
	Errors(yield func(ErrorRow) bool) error
}

// Setting is a configuration parameter of the session that asks.
type Setting struct {
	Name, Value, Default, About string
	Fixed                       bool
}

// Session is an open connection.
type Session struct {
	PID           uint32
	User          string
	Database      string
	Application   string
	Remote        string // "host:port", empty if unknown
	TLS           bool
	StartedUnixMs int64
	Self          bool // it is the one that asks
}

// QueryState is a persistent query as it runs.
type QueryState struct {
	ID    catalog.ID
	State string // RUNNING, PAUSED, ERROR
	Error string
	Tasks []Task
}

// Task is a task of a persistent query.
type Task struct {
	Stage, Partition               int32
	RowsIn, RowsOut, Steps, Failed int64
	StateBytes                     int64
	Lag                            int64 // records not yet read; -1: unknown
}

// Partition is a partition of a topic.
type Partition struct {
	Topic      catalog.ID
	Partition  int32
	Shard      uint32
	Start, End int64
	Bytes      int64
}

// Shard is a raft group, seen from this node.
type Shard struct {
	ID              uint32 // 0 is the meta group
	Leader          string
	Term            uint64
	Applied, Stored uint64 // entries applied, and durably so
}

// Node is a member of the cluster.
type Node struct {
	ID, Addr string
	Self     bool
}

// Group is a Kafka consumer group's position in one partition.
type Group struct {
	Group     string
	Topic     string
	Partition int32
	Offset    int64
}

// ErrorRow is a record that a query could not process.
type ErrorRow struct {
	AtUnixMs  int64
	Query     catalog.ID
	Relation  catalog.ID
	Topic     string
	Partition int32
	Offset    int64
	TimeMs    int64
	Key       []byte
	Value     []byte
	Reason    string
}

// A Relation is one virtual relation.
type Relation struct {
	Schema, Name string
	OID          uint32
	Cols         []plan.Column
	// Rows calls yield with each row, in the order of Cols, until it returns
	// false. The row may be used again by the next call.
	Rows func(s Source, yield func([]vec.Value) bool) error
}

// Lookup finds a virtual relation by names in lower case. Without a schema it
// looks where PostgreSQL's search path always looks: in pg_catalog.
func Lookup(schema, name string) (*Relation, bool) {
	if schema == "" {
		schema = "pg_catalog"
	}
	r, ok := index().byName[[2]string{schema, name}]
	return r, ok
}

// All returns all virtual relations, by schema and name. The slice must not be
// changed.
func All() []*Relation { return index().all }

// relations is every virtual relation, the ways to find one, and what pg_class
// and pg_attribute say of them, which never changes.
type relations struct {
	once       sync.Once
	all        []*Relation
	byName     map[[2]string]*Relation
	byOID      map[uint32]*Relation
	classes    []*class
	attributes [][]vec.Value
}

var theRelations relations

func index() *relations {
	theRelations.once.Do(theRelations.build)
	return &theRelations
}

func (x *relations) build() {
	x.byName, x.byOID = map[[2]string]*Relation{}, map[uint32]*Relation{}
	for _, schema := range []struct {
		name string
		defs []definition
	}{{"information_schema", informationSchema()}, {"pg_catalog", pgCatalog()}, {"weir", weirSchema()}} {
		for _, d := range schema.defs {
			r := d.relation(schema.name)
			x.all = append(x.all, r)
			x.byName[[2]string{r.Schema, r.Name}] = r
			x.byOID[r.OID] = r
			c := &class{oid: d.oid, namespace: systemOID(schema.name), schema: schema.name, name: d.name, kind: d.kind, attrs: attributes(d.cols)}
			x.classes = append(x.classes, c)
			for i := range c.attrs {
				row := c.attributeRow(i)
				for k, v := range row {
					row[k] = boxed(v)
				}
				x.attributes = append(x.attributes, row)
			}
		}
	}
}

// systemClasses are the virtual relations. The slice must not be changed.
func systemClasses() []*class {
	all := index().classes
	return all[:len(all):len(all)]
}

// A definition is a virtual relation as the tables of this package write it.
type definition struct {
	oid  uint32
	kind byte // relkind: 'r' or 'v'
	name string
	cols string // "name type, name type!": ! is NOT NULL
	rows rowsFunc
}

// A rowsFunc emits a relation's rows. Besides the types of vec.Value it may emit
// all of Go's integers. emit answers false when no more rows are wanted; going on
// does no harm. nil stands for a relation that is always empty.
type rowsFunc func(s Source, emit emitter) error

type emitter func(row ...vec.Value) bool

func (d definition) relation(schema string) *Relation {
	r := &Relation{Schema: schema, Name: d.name, OID: d.oid}
	for _, a := range attributes(d.cols) {
		r.Cols = append(r.Cols, plan.Column{Name: a.name, Type: a.typ})
	}
	r.Rows = func(s Source, yield func([]vec.Value) bool) error {
		if d.rows == nil {
			return nil
		}
		more := true
		return d.rows(s, func(row ...vec.Value) bool {
			if more {
				for i, x := range row {
					row[i] = boxed(x)
				}
				more = yield(row)
			}
			return more
		})
	}
	return r
}

// boxed makes a vec.Value out of what a rowsFunc may emit.
func boxed(x any) vec.Value {
	switch x := x.(type) {
	case int:
		return int64(x)
	case int16:
		return int64(x)
	case int32:
		return int64(x)
	case uint32:
		return int64(x)
	case uint64:
		return int64(x)
	case catalog.ID:
		return int64(x)
	case byte: // of type "char"
		if x == 0 {
			return ""
		}
		return string(rune(x))
	case []int16:
		return list(x)
	case []uint32:
		return list(x)
	case []string:
		return list(x)
	}
	return x
}

func list[T any](xs []T) []vec.Value {
	out := make([]vec.Value, len(xs))
	for i, x := range xs {
		out[i] = boxed(x)
	}
	return out
}

// orNull is x, or NULL if it is the zero value.
func orNull[T comparable](x T) any {
	var zero T
	if x == zero {
		return nil
	}
	return x
}

// instant is a timestamptz from milliseconds since 1970; 0 is unknown.
func instant(unixMs int64) any {
	if unixMs == 0 {
		return nil
	}
	return unixMs * 1000
}
