// Package syscat is the system catalog: the virtual relations of the schemas
// weir, pg_catalog and information_schema, as ordinary rows over the catalog's
// snapshot and the state of the node. Queries over them are planned and run like
// all others; nothing here looks at a query's text.
//
// It knows nothing of sessions, groups and disks but what Source tells it.
package syscat

import (
	"strings"

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
	for _, r := range All() {
		if r.Schema == schema && r.Name == name {
			return r, true
		}
	}
	return nil, false
}

// All returns all virtual relations. The slice must not be changed.
func All() []*Relation { return all }

var all = []*Relation{&weirRelations}

// cols makes a relation's columns from "name type" words in PostgreSQL's names.
func cols(spec ...string) []plan.Column {
	out := make([]plan.Column, len(spec))
	for i, s := range spec {
		name, t, _ := strings.Cut(s, " ")
		out[i] = plan.Column{Name: name, Type: columnTypes[t]}
	}
	return out
}

var columnTypes = map[string]vec.Type{
	"bool": vec.Of(vec.Bool), "int2": vec.Of(vec.Int16), "int4": vec.Of(vec.Int32), "int8": vec.Of(vec.Int64),
	"float4": vec.Of(vec.Float32), "float8": vec.Of(vec.Float64), "text": vec.Of(vec.Text), "bytea": vec.Of(vec.Bytes),
	"timestamptz": vec.Of(vec.TimestampTZ), "oid": vec.Of(vec.OID),
	"name": {Kind: vec.Text, OID: vec.OIDName}, "char": {Kind: vec.Text, OID: vec.OIDChar},
}
