package main

import (
	"context"
	"net/http"

	"github.com/weirdb/weir/catalog"
	"github.com/weirdb/weir/console"
	"github.com/weirdb/weir/engine"
	"github.com/weirdb/weir/engine/syscat"
)

// console returns the console of a node. ctx ends with the node.
func (s *server) console(ctx context.Context, node *engine.Node) http.Handler {
	at := s.addresses()
	return console.Handler(console.Config{
		Version: version(),
		Addresses: []console.Address{
			{Name: "postgres", Addr: at.PG}, {Name: "kafka", Addr: at.Kafka}, {Name: "registry", Addr: at.Registry},
			{Name: "data", Addr: s.cfg.dataName()},
		},
		Overview: func() console.Overview { return overview(node.Status(ctx)) },
	})
}

// overview sums up what the system catalog knows.
func overview(src syscat.Source) console.Overview {
	cat := src.Catalog()
	o := console.Overview{Sessions: len(src.Sessions())}
	topics := map[catalog.ID]*console.Topic{}
	for _, t := range cat.Topics() {
		topics[t.ID] = &console.Topic{Name: t.Name, Partitions: t.Partitions}
	}
	for _, p := range src.Partitions() {
		if t := topics[p.Topic]; t != nil { // else it was made since
			t.Records += p.End - p.Start
			t.Bytes += p.Bytes
		}
	}
	for _, t := range cat.Topics() {
		o.Topics = append(o.Topics, *topics[t.ID])
	}
	for _, r := range cat.Relations() {
		row := console.Relation{Name: r.Name, Type: r.Kind.String()}
		if t := topics[r.Topic]; t != nil {
			row.Topic = t.Name
		}
		o.Relations = append(o.Relations, row)
	}
	for _, q := range src.Queries() {
		def, ok := cat.Query(q.ID)
		if !ok {
			continue // dropped since
		}
		row := console.Query{Name: def.Name, SQL: def.SQL, State: q.State, Error: q.Error}
		for _, t := range q.Tasks {
			row.RowsIn += t.RowsIn
			row.RowsOut += t.RowsOut
			row.StateBytes += t.StateBytes
			if t.Lag < 0 || row.Lag < 0 {
				row.Lag = -1
			} else {
				row.Lag += t.Lag
			}
		}
		o.Queries = append(o.Queries, row)
	}
	return o
}
