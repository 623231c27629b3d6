package catalog

import (
	"github.com/weirdb/weir/internal/vec"
)

// ID identifies an object for ever; IDs of all kinds come from one counter.
type ID uint64

// FirstOID is added to IDs to make the OIDs that Postgres clients see, above
// those that PostgreSQL reserves for itself.
const FirstOID = 16384

// A Topic is a named log in partitions.
type Topic struct {
	ID         ID
	Name       string
	Partitions int32
	// Shards holds, by partition, the raft group that carries it.
	Shards []uint32
	// Compact keeps the latest record of every key and drops older ones.
	Compact bool
	// RetentionMs and RetentionBytes bound what is kept of each partition of a
	// topic that is not compacted; negative means for ever.
	RetentionMs    int64
	RetentionBytes int64
	// Internal marks the log between two stages of the query Owner.
	Internal bool
	Owner    ID
	// Config holds settings that Weir keeps for clients without acting on them.
	Config map[string]string `json:",omitempty"`
}

// Kind tells streams from tables.
type Kind uint8

const (
	Stream Kind = iota
	Table
	MaterializedView
	View
)

func (k Kind) String() string {
	return [...]string{"STREAM", "TABLE", "MATERIALIZED VIEW", "VIEW"}[k]
}

// IsTable tells whether rows have a key and replace each other.
func (k Kind) IsTable() bool { return k == Table || k == MaterializedView }

// Role is where in a record a column stands.
type Role uint8

const (
	Value   Role = iota
	Key          // KEY of a stream, PRIMARY KEY of a table
	Headers      // all headers of the record
	Header       // the last header called Column.Header
)

// Column is a column of a relation.
type Column struct {
	Name   string
	Type   vec.Type
	Role   Role
	Header string `json:",omitempty"`
	// Hidden columns are left out of SELECT *: the generated key of a table
	// that was declared without one.
	Hidden  bool   `json:",omitempty"`
	NotNull bool   `json:",omitempty"`
	Default string `json:",omitempty"` // SQL text of the default, in the relation's dialect
}

// Format is how one side of a record is encoded.
type Format struct {
	Name       string            // NONE, KAFKA, JSON, DELIMITED, ...
	Delimiter  byte              `json:",omitempty"`
	Wrap       bool              // a single column stands in an envelope
	Properties map[string]string `json:",omitempty"`
}

// A Relation is a stream, table or view.
type Relation struct {
	ID      ID
	Schema  string // PublicSchema, or that of a Schema
	Name    string
	Kind    Kind
	Columns []Column
	Topic   ID // 0 for a view
	Key     Format
	Value   Format
	// Window of a windowed key: TUMBLING, HOPPING, SESSION or empty.
	Window        string `json:",omitempty"`
	WindowSizeMs  int64  `json:",omitempty"`
	TimeColumn    string `json:",omitempty"` // WITH (timestamp = ...)
	TimeFormat    string `json:",omitempty"`
	Source        bool   `json:",omitempty"` // CREATE SOURCE: read-only
	Query         ID     `json:",omitempty"` // the query that made it and writes it
	SQL           string // the statement that made it
	Dialect       string // of SQL
	OwnsTopic     bool   `json:",omitempty"` // the topic was made with it and goes with it
	CreatedUnixMs int64
	Comment       string `json:",omitempty"`
	// UniqueKey says that INSERT must refuse a key that is there already, as
	// PostgreSQL's PRIMARY KEY does; ksqlDB's tables upsert.
	UniqueKey bool `json:",omitempty"`
}

// OID returns the relation's OID in pg_class.
func (r *Relation) OID() uint32 { return FirstOID + uint32(r.ID) }

// Column returns the index of the column with exactly that name, or -1.
func (r *Relation) Column(name string) int {
	for i := range r.Columns {
		if r.Columns[i].Name == name {
			return i
		}
	}
	return -1
}

// Keys returns the indexes of the key columns.
func (r *Relation) Keys() (out []int) {
	for i := range r.Columns {
		if r.Columns[i].Role == Key {
			out = append(out, i)
		}
	}
	return out
}

// A Query is a persistent query.
type Query struct {
	ID      ID
	Name    string // CSAS_ORDERS_7, INSERTQUERY_9, or as WITH (query_id = ...) says
	SQL     string
	Dialect string
	// Settings are the session settings that its meaning depends on.
	Settings map[string]string `json:",omitempty"`
	Sink     ID
	Sources  []ID
	// Internal holds the topics between its stages, by stage.
	Internal      []ID `json:",omitempty"`
	Paused        bool
	Generation    uint32
	CreatedUnixMs int64
	// Start holds, by source topic, the offsets where the query began; nil
	// means the beginning of each partition.
	Start map[ID][]int64 `json:",omitempty"`
}

// A Schema is a name space of relations. PublicSchema is always there.
type Schema struct {
	ID   ID
	Name string
}

// PublicSchema is where relations are whose schema is not said.
const PublicSchema = "public"

// A NamedType is CREATE TYPE name AS type.
type NamedType struct {
	ID   ID
	Name string
	Type vec.Type
}
