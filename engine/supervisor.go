package engine

import (
	"context"
	"errors"
	"sync"

	"github.com/weirdb/weir/catalog"
	"github.com/weirdb/weir/exec"
	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/planner"
	"github.com/weirdb/weir/planner/plan"
	"github.com/weirdb/weir/replication"
	"github.com/weirdb/weir/storage"
)

// supervisor runs the persistent queries that the catalog holds. It follows the
// catalog's snapshots in one goroutine, and is the only one that starts and
// stops queries.
type supervisor struct {
	n *Node

	mu      sync.Mutex
	queries map[catalog.ID]*runningQuery
	version uint64        // of the catalog that queries reflects
	moved   chan struct{} // closed and replaced when version moves
}

// runningQuery is a query of the catalog as it runs here.
type runningQuery struct {
	def  *catalog.Query
	host *host
	plan *plan.Query
	exec *exec.Query // nil if it could not be started: err says why
	err  error
}

func newSupervisor(n *Node) *supervisor {
	return &supervisor{n: n, queries: map[catalog.ID]*runningQuery{}, moved: make(chan struct{})}
}

// run follows the catalog until ctx ends, then stops all queries.
func (s *supervisor) run(ctx context.Context) {
	for {
		cat, changed := s.n.meta.snapshot()
		s.follow(ctx, cat)
		select {
		case <-changed:
		case <-ctx.Done():
			for _, r := range s.queries {
				r.stop()
			}
			return
		}
	}
}

func (s *supervisor) follow(ctx context.Context, cat *catalog.Catalog) {
	next := map[catalog.ID]*runningQuery{}
	for _, def := range cat.Queries() {
		r := s.queries[def.ID]
		switch {
		case r == nil || r.def.Generation != def.Generation:
			if r != nil {
				r.stop()
			}
			r = s.start(ctx, cat, def)
		case r.exec != nil && r.def.Paused != def.Paused:
			if def.Paused {
				r.exec.Pause()
			} else {
				r.exec.Resume()
			}
		}
		r.def = def
		next[def.ID] = r
	}
	for id, r := range s.queries {
		if next[id] == nil {
			r.stop()
			s.forget(ctx, id)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queries, s.version = next, cat.Version
	close(s.moved)
	s.moved = make(chan struct{})
}

// start plans a query again from its text and runs it. A query that cannot run
// is kept, with the reason, and costs the others nothing.
func (s *supervisor) start(ctx context.Context, cat *catalog.Catalog, def *catalog.Query) *runningQuery {
	r := &runningQuery{def: def}
	r.err = func() error {
		c, err := s.n.replan(cat, def)
		if err != nil {
			return err
		}
		r.plan = c.Query
		r.host = &host{n: s.n, q: def.ID}
		spec := exec.QuerySpec{
			ID: uint64(def.ID), Generation: def.Generation, Plan: c.Query, Every: c.Every, SkipNullKeys: c.SkipNullKeys,
			Paused: def.Paused, From: c.From, Ctx: s.n.fnCtx("weir", def.Settings),
		}
		for i := range c.Query.Stages {
			t := &plan.Topic{}
			var topic *catalog.Topic
			if i == len(c.Query.Stages)-1 {
				sink, ok := cat.Relation(def.Sink)
				if !ok {
					return errors.New("its sink does not exist")
				}
				topic, _ = cat.Topic(sink.Topic)
			} else {
				topic, _ = cat.Topic(def.Internal[i])
			}
			if topic == nil {
				return errors.New("its topic does not exist")
			}
			*t = planTopic(topic)
			r.host.stages = append(r.host.stages, topic)
			spec.Internal = append(spec.Internal, *t)
		}
		last := &c.Query.Stages[len(c.Query.Stages)-1].Sink
		last.Relation, last.Topic = uint64(def.Sink), spec.Internal[len(spec.Internal)-1]
		r.exec, err = exec.Start(ctx, r.host, spec)
		return err
	}()
	if r.err != nil {
		s.n.log.Error("query cannot run", "query", def.Name, "err", r.err)
	}
	return r
}

func planTopic(t *catalog.Topic) plan.Topic {
	return plan.Topic{ID: uint64(t.ID), Name: t.Name, Partitions: t.Partitions}
}

func (r *runningQuery) stop() {
	if r.exec != nil {
		r.exec.Stop()
	}
}

// forget removes what the shards hold of a query that is gone.
func (s *supervisor) forget(ctx context.Context, id catalog.ID) {
	for _, sh := range s.n.shards {
		if !sh.group.IsLeader() {
			continue
		}
		if _, err := sh.propose(ctx, storage.AppendDropTask(nil, uint64(id)), replication.Sync); err != nil && ctx.Err() == nil {
			s.n.log.Warn("state of a dropped query was not removed", "query", id, "err", err)
		}
	}
}

// running returns the queries in order of creation, upstream before downstream.
func (s *supervisor) running() []*runningQuery {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*runningQuery
	for _, def := range s.n.Catalog().Queries() {
		if r := s.queries[def.ID]; r != nil {
			out = append(out, r)
		}
	}
	return out
}

// caughtUp waits until the queries of catalog version v, or a later one, run.
func (s *supervisor) caughtUp(ctx context.Context, v uint64) error {
	for {
		s.mu.Lock()
		have, moved := s.version, s.moved
		s.mu.Unlock()
		if have >= v {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// ready waits until query id has fixed its start position.
func (s *supervisor) ready(ctx context.Context, id catalog.ID) error {
	s.mu.Lock()
	r := s.queries[id]
	s.mu.Unlock()
	switch {
	case r == nil:
		return nil // dropped again
	case r.err != nil:
		return r.err
	}
	return r.exec.Ready(ctx)
}

// flush waits until all that was acknowledged before the call is processed by
// every running query, and what that wrote by the queries that read it.
func (s *supervisor) flush(ctx context.Context) error {
	if err := s.caughtUp(ctx, s.n.Catalog().Version); err != nil {
		return err
	}
	for _, r := range s.running() {
		if r.def.Paused {
			continue
		}
		err := r.err
		if err == nil {
			err = r.exec.Flush(ctx)
		}
		if err != nil && ctx.Err() == nil {
			e := pgerr.Newf(pgerr.ObjectNotInState, "query %s has failed: %v", r.def.Name, err)
			return e.Hintf("See weir.queries and weir.errors.")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// replan plans a stored query again. The catalog it was planned against only
// grew since: what it reads cannot be dropped or changed under it.
func (n *Node) replan(cat *catalog.Catalog, def *catalog.Query) (*planner.Continuous, error) {
	d := dialectOf(def.Dialect)
	st, err := parseOne(def.SQL, d)
	if err != nil {
		return nil, err
	}
	env := n.planEnv(cat, d, func(name string) string { return def.Settings[name] })
	return planner.PlanContinuous(env, st)
}
