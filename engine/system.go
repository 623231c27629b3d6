package engine

import (
	"context"
	"encoding/json"
	"sort"

	"github.com/weirdb/weir/catalog"
	"github.com/weirdb/weir/engine/syscat"
	"github.com/weirdb/weir/exec"
	"github.com/weirdb/weir/replication"
	"github.com/weirdb/weir/storage"
	"github.com/weirdb/weir/storage/batch"
)

// systemSource shows the node to the system catalog.
type systemSource struct {
	ctx context.Context // of the query that asks
	n   *Node
	s   *session // whose query it is; may be nil
}

var _ syscat.Source = systemSource{}

// Status shows the node as the system catalog does, outside of any session. ctx
// bounds what the calls of the result may wait for.
func (n *Node) Status(ctx context.Context) syscat.Source { return systemSource{ctx: ctx, n: n} }

func (x systemSource) Catalog() *catalog.Catalog { return x.n.Catalog() }
func (x systemSource) Version() string           { return x.n.cfg.Version }

func (x systemSource) Settings() []syscat.Setting {
	set := newSettings()
	if x.s != nil {
		set = x.s.settings
	}
	var out []syscat.Setting
	for name, v := range set.now {
		row := syscat.Setting{Name: name, Value: v}
		if k := set.known[name]; k != nil {
			row.Default, row.About, row.Fixed = k.value, k.about, k.fixed
		}
		out = append(out, row)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out
}

func (x systemSource) Sessions() []syscat.Session {
	x.n.clients.mu.Lock()
	defer x.n.clients.mu.Unlock()
	var out []syscat.Session
	for pid, s := range x.n.clients.open {
		row := syscat.Session{
			PID: pid, User: s.start.User, Database: s.start.Database, TLS: s.start.TLS,
			Self: s == x.s, StartedUnixMs: s.since.UnixMilli(),
		}
		for _, set := range s.start.Settings {
			if set.Name == "application_name" {
				row.Application = set.Value
			}
		}
		if s.start.Remote != nil {
			row.Remote = s.start.Remote.String()
		}
		out = append(out, row)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].PID < out[j].PID })
	return out
}

func (x systemSource) Queries() []syscat.QueryState {
	var out []syscat.QueryState
	for _, r := range x.n.sup.running() {
		row := syscat.QueryState{ID: r.def.ID, State: "RUNNING"}
		err := r.err
		if r.exec != nil {
			if r.exec.State() == exec.Paused {
				row.State = "PAUSED"
			}
			if err == nil {
				err = r.exec.Err()
			}
			for _, t := range r.exec.Stats(x.ctx) {
				task := syscat.Task{
					Stage: int32(t.Stage), Partition: t.Partition, RowsIn: t.RowsIn, RowsOut: t.RowsOut,
					Steps: t.Steps, Failed: t.Failures, StateBytes: t.StateBytes,
				}
				for _, in := range t.Inputs {
					if in.Lag < 0 || task.Lag < 0 {
						task.Lag = -1
						continue
					}
					task.Lag += in.Lag
				}
				row.Tasks = append(row.Tasks, task)
			}
		}
		if err != nil {
			row.State, row.Error = "ERROR", err.Error()
		}
		out = append(out, row)
	}
	return out
}

func (x systemSource) Partitions() []syscat.Partition {
	var out []syscat.Partition
	for _, t := range x.n.Catalog().Topics() {
		for p := range t.Partitions {
			l := x.n.logOf(t, p)
			out = append(out, syscat.Partition{
				Topic: t.ID, Partition: p, Shard: t.Shards[p] + 1, Start: int64(l.Start()), End: int64(l.End()), Bytes: l.Size(),
			})
		}
	}
	return out
}

func (x systemSource) Shards() []syscat.Shard {
	row := func(id uint32, g *replication.Group, st *storage.Shard) syscat.Shard {
		return syscat.Shard{ID: id, Leader: g.Leader().ID, Term: g.Term(), Applied: st.Applied(), Stored: st.Durable()}
	}
	out := []syscat.Shard{row(0, x.n.meta.group, x.n.meta.rows)}
	for i, sh := range x.n.shards {
		out = append(out, row(uint32(i+1), sh.group, sh.store))
	}
	return out
}

func (x systemSource) Nodes() []syscat.Node {
	var out []syscat.Node
	for _, m := range x.n.meta.group.Members() {
		out = append(out, syscat.Node{ID: m.ID, Addr: m.Addr, Self: m.ID == x.n.repl.ID()})
	}
	return out
}

// Groups shows the committed offsets of consumer groups.
func (x systemSource) Groups() []syscat.Group { return x.n.groupOffsets() }

func (x systemSource) Errors(yield func(syscat.ErrorRow) bool) error {
	t, ok := x.n.Catalog().TopicByName(errorTopic)
	if !ok {
		return nil
	}
	l := x.n.logOf(t, 0)
	var dec batch.Decoder
	for at, end := l.Start(), l.End(); at < end; {
		raw, err := l.Read(at, readBytes, nil)
		if err != nil {
			return unavailable(err)
		}
		for len(raw) > 0 {
			var v batch.View
			if v, raw, err = batch.Next(raw); err != nil {
				return err
			}
			at = storage.Offset(v.LastOffset() + 1)
			recs, err := dec.Records(v)
			if err != nil {
				return err
			}
			var rec batch.Record
			for recs.Next(&rec) {
				var e errorReport
				if err := json.Unmarshal(rec.Value, &e); err != nil {
					return err
				}
				if !yield(syscat.ErrorRow{
					AtUnixMs: e.At, Query: catalog.ID(e.Query), Relation: catalog.ID(e.Relation), Topic: e.Topic, Partition: e.Partition,
					Offset: e.Offset, TimeMs: e.Time, Key: e.Key, Value: e.Value, Reason: e.Reason,
				}) {
					return nil
				}
			}
			if err := recs.Err(); err != nil {
				return err
			}
		}
	}
	return nil
}
