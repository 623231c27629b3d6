package syscat

import (
	"strings"

	"github.com/weirdb/weir/catalog"
	"github.com/weirdb/weir/internal/vec"
)

// weirSchema is the schema weir: what PostgreSQL has no words for.
func weirSchema() []definition {
	return []definition{
		{15001, 'v', "relations", "name text!, type text!, schema text!, key_format text!, value_format text!, topic text, " +
			"window_type text, window_size_ms int8, is_source bool!", weirRelations},
		{15002, 'v', "columns", "relation text!, name text!, position int4!, type text!, ksql_type text!, role text!, " +
			"not_null bool!, default_value text, hidden bool!", weirColumns},
		{15003, 'v', "queries", "name text!, state text!, error text, sink text, sources text[]!, sql text!, dialect text!, " +
			"generation int4!, tasks int4!, created_at timestamptz", weirQueries},
		{15004, 'v', "tasks", "query text!, stage int4!, partition int4!, rows_in int8!, rows_out int8!, steps int8!, " +
			"failures int8!, state_bytes int8!, lag int8", weirTasks},
		{15005, 'v', "topics", "name text!, partitions int4!, compacted bool!, retention_ms int8, retention_bytes int8, " +
			"internal bool!, owner text, records int8!, bytes int8!", weirTopics},
		{15006, 'v', "partitions", "topic text!, partition int4!, shard int4!, start_offset int8!, end_offset int8!, bytes int8!", weirPartitions},
		{15007, 'v', "shards", "shard int4!, role text!, leader text, term int8!, applied_index int8!, durable_index int8!", weirShards},
		{15008, 'v', "nodes", "node text!, address text!, is_self bool!", weirNodes},
		{15009, 'v', "consumer_groups", "group_id text!, topic text!, partition int4!, committed_offset int8!, end_offset int8, lag int8", weirGroups},
		{15010, 'v', "errors", "occurred_at timestamptz!, query text, relation text, topic text!, partition int4!, record_offset int8!, " +
			"record_time timestamptz, key bytea, value bytea, reason text!", weirErrors},
		{15011, 'v', "settings", "name text!, value text!, default_value text, description text, is_fixed bool!", weirSettings},
	}
}

func weirRelations(s Source, emit emitter) error {
	cat := s.Catalog()
	for _, r := range cat.Relations() {
		emit(fullName(r), r.Kind.String(), SchemaText(r), r.Key.Name, r.Value.Name, topicName(cat, r.Topic), orNull(r.Window), orNull(r.WindowSizeMs), r.Source)
	}
	return nil
}

// fullName is a relation's name, after its schema if that is not the public one.
func fullName(r *catalog.Relation) string {
	if r.Schema == "" || r.Schema == catalog.PublicSchema {
		return r.Name
	}
	return r.Schema + "." + r.Name
}

// SchemaText is a relation's columns as the ksql dialect declares them.
func SchemaText(r *catalog.Relation) string {
	var out []string
	for _, c := range r.Columns {
		s := vec.KSQLName(c.Name) + " " + c.Type.KSQL()
		switch c.Role {
		case catalog.Key:
			s += " KEY"
		case catalog.Headers:
			s += " HEADERS"
		case catalog.Header:
			s += " HEADER('" + c.Header + "')"
		}
		out = append(out, s)
	}
	return strings.Join(out, ", ")
}

var roles = [...]string{catalog.Value: "VALUE", catalog.Key: "KEY", catalog.Headers: "HEADERS", catalog.Header: "HEADER"}

func weirColumns(s Source, emit emitter) error {
	for _, r := range s.Catalog().Relations() {
		for i, c := range r.Columns {
			emit(fullName(r), c.Name, i+1, c.Type.String(), c.Type.KSQL(), roles[c.Role], c.NotNull, orNull(c.Default), c.Hidden)
		}
	}
	return nil
}

// topicName, relationName and queryName are NULL for what is not there (any more).
func topicName(cat *catalog.Catalog, id catalog.ID) any {
	if t, ok := cat.Topic(id); ok {
		return t.Name
	}
	return nil
}

func relationName(cat *catalog.Catalog, id catalog.ID) any {
	if r, ok := cat.Relation(id); ok {
		return fullName(r)
	}
	return nil
}

func queryName(cat *catalog.Catalog, id catalog.ID) any {
	if q, ok := cat.Query(id); ok {
		return q.Name
	}
	return nil
}

func weirQueries(s Source, emit emitter) error {
	cat := s.Catalog()
	running := map[catalog.ID]QueryState{}
	for _, q := range s.Queries() {
		running[q.ID] = q
	}
	for _, q := range cat.Queries() {
		now, ok := running[q.ID]
		switch {
		case ok:
		case q.Paused:
			now.State = "PAUSED"
		default:
			now.State = "STARTING"
		}
		sources := []string{}
		for _, id := range q.Sources {
			if r, ok := cat.Relation(id); ok {
				sources = append(sources, fullName(r))
			}
		}
		emit(q.Name, now.State, orNull(now.Error), relationName(cat, q.Sink), sources, q.SQL, q.Dialect, q.Generation, len(now.Tasks), instant(q.CreatedUnixMs))
	}
	return nil
}

func weirTasks(s Source, emit emitter) error {
	cat := s.Catalog()
	for _, q := range s.Queries() {
		name := queryName(cat, q.ID)
		if name == nil {
			continue // dropped since
		}
		for _, t := range q.Tasks {
			lag := any(t.Lag)
			if t.Lag < 0 {
				lag = nil
			}
			emit(name, t.Stage, t.Partition, t.RowsIn, t.RowsOut, t.Steps, t.Failed, t.StateBytes, lag)
		}
	}
	return nil
}

func weirTopics(s Source, emit emitter) error {
	vols := volumes(s)
	cat := s.Catalog()
	for _, t := range cat.Topics() {
		limit := func(x int64) any {
			if t.Compact || x < 0 {
				return nil
			}
			return x
		}
		v := vols[t.ID]
		emit(t.Name, t.Partitions, t.Compact, limit(t.RetentionMs), limit(t.RetentionBytes), t.Internal, queryName(cat, t.Owner), v.records, v.bytes)
	}
	return nil
}

func weirPartitions(s Source, emit emitter) error {
	cat := s.Catalog()
	for _, p := range s.Partitions() {
		if name := topicName(cat, p.Topic); name != nil {
			emit(name, p.Partition, p.Shard, p.Start, p.End, p.Bytes)
		}
	}
	return nil
}

func weirShards(s Source, emit emitter) error {
	for _, x := range s.Shards() {
		role := "data"
		if x.ID == 0 {
			role = "meta"
		}
		emit(x.ID, role, orNull(x.Leader), x.Term, x.Applied, x.Stored)
	}
	return nil
}

func weirNodes(s Source, emit emitter) error {
	for _, n := range s.Nodes() {
		emit(n.ID, n.Addr, n.Self)
	}
	return nil
}

func weirGroups(s Source, emit emitter) error {
	cat := s.Catalog()
	type log struct {
		topic     string
		partition int32
	}
	ends := map[log]int64{}
	for _, p := range s.Partitions() {
		if t, ok := cat.Topic(p.Topic); ok {
			ends[log{t.Name, p.Partition}] = p.End
		}
	}
	for _, g := range s.Groups() {
		end, ok := ends[log{g.Topic, g.Partition}]
		if !ok {
			emit(g.Group, g.Topic, g.Partition, g.Offset, nil, nil)
			continue
		}
		emit(g.Group, g.Topic, g.Partition, g.Offset, end, max(0, end-g.Offset))
	}
	return nil
}

func weirErrors(s Source, emit emitter) error {
	cat := s.Catalog()
	return s.Errors(func(e ErrorRow) bool {
		return emit(instant(e.AtUnixMs), queryName(cat, e.Query), relationName(cat, e.Relation), e.Topic, e.Partition, e.Offset,
			instant(e.TimeMs), bytesOrNull(e.Key), bytesOrNull(e.Value), e.Reason)
	})
}

func bytesOrNull(b []byte) any {
	if b == nil {
		return nil
	}
	return b
}

func weirSettings(s Source, emit emitter) error {
	for _, x := range s.Settings() {
		emit(x.Name, x.Value, orNull(x.Default), orNull(x.About), x.Fixed)
	}
	return nil
}
