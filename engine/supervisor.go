package engine

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/weirdb/weir/catalog"
	"github.com/weirdb/weir/exec"
	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/planner"
	"github.com/weirdb/weir/planner/plan"
	"github.com/weirdb/weir/replication"
	"github.com/weirdb/weir/storage"
)

// supervisor runs the persistent queries that the catalog holds, each task on
// the node that leads the shard it commits to. It follows the catalog's snapshots
// and the leadership of shards in one goroutine, and is the only one that starts
// and stops queries.
type supervisor struct {
	n *Node

	mu      sync.Mutex
	queries map[catalog.ID]*runningQuery
	version uint64        // of the catalog that queries reflects
	moved   chan struct{} // closed and replaced when queries changed
}

// runningQuery is a query of the catalog as it runs here. It is not changed once
// others can see it.
type runningQuery struct {
	def  *catalog.Query
	host *host
	plan *plan.Query
	led  []bool      // the shards of which the tasks run here
	exec *exec.Query // nil if it could not be started: err says why
	err  error
}

func newSupervisor(n *Node) *supervisor {
	return &supervisor{n: n, queries: map[catalog.ID]*runningQuery{}, moved: make(chan struct{})}
}

// run follows the catalog and the shards' leaders until ctx ends, then stops all
// queries.
func (s *supervisor) run(ctx context.Context) {
	moved := make(chan struct{}, 1)
	var watching sync.WaitGroup
	defer watching.Wait()
	for _, sh := range s.n.shards {
		watching.Go(func() { sh.watch(ctx, moved) })
	}
	for {
		cat, changed := s.n.meta.snapshot()
		s.follow(ctx, cat, s.n.led())
		select {
		case <-changed:
		case <-moved:
		case <-ctx.Done():
			for _, r := range s.queries {
				r.stop()
			}
			return
		}
	}
}

// watch tells of every change of the shard's leader until ctx ends.
func (sh *shard) watch(ctx context.Context, moved chan<- struct{}) {
	for {
		_, changed := sh.group.Leadership()
		select { // before the wait: what changed until then may have been missed
		case moved <- struct{}{}:
		default:
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// led returns, by shard, whether this node leads it.
func (n *Node) led() []bool {
	out := make([]bool, len(n.shards))
	for i, sh := range n.shards {
		now, _ := sh.group.Leadership()
		out[i] = now.Self
	}
	return out
}

// sameTasks tells whether another set of led shards leaves the query's tasks here as
// they are.
func (r *runningQuery) sameTasks(led []bool) bool {
	if r.host == nil {
		return true
	}
	for _, t := range r.host.stages {
		for _, shard := range t.Shards {
			if led[shard] != r.led[shard] {
				return false
			}
		}
	}
	return true
}

func (s *supervisor) follow(ctx context.Context, cat *catalog.Catalog, led []bool) {
	next := map[catalog.ID]*runningQuery{}
	for _, def := range cat.Queries() {
		r := s.queries[def.ID]
		switch {
		case r == nil || r.def.Generation != def.Generation || !r.sameTasks(led):
			if r != nil {
				r.stop()
			}
			r = s.start(ctx, cat, def, led)
		case r.def != def:
			if r.exec != nil && r.def.Paused != def.Paused {
				if def.Paused {
					r.exec.Pause()
				} else {
					r.exec.Resume()
				}
			}
			again := *r
			again.def = def
			r = &again
		}
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
func (s *supervisor) start(ctx context.Context, cat *catalog.Catalog, def *catalog.Query, led []bool) *runningQuery {
	r := &runningQuery{def: def, led: led}
	r.err = func() error {
		c, err := s.n.replan(cat, def)
		if err != nil {
			return err
		}
		r.plan = c.Query
		h := &host{n: s.n, q: def.ID}
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
			h.stages = append(h.stages, topic)
			spec.Internal = append(spec.Internal, *t)
		}
		last := &c.Query.Stages[len(c.Query.Stages)-1].Sink
		last.Relation, last.Topic = uint64(def.Sink), spec.Internal[len(spec.Internal)-1]
		spec.Runs = func(stage int, partition int32) bool { return led[h.stages[stage].Shards[partition]] }
		r.host = h
		r.exec, err = exec.Start(ctx, h, spec)
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

// running returns the queries, those that write a topic before those that read
// it. Where they go round in a circle that is so of all but one.
func (s *supervisor) running() []*runningQuery {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all, out []*runningQuery
	writers := map[uint64][]*runningQuery{} // by topic
	for _, def := range s.n.Catalog().Queries() {
		r := s.queries[def.ID]
		if r == nil {
			continue
		}
		all = append(all, r)
		if r.host != nil {
			sink := uint64(r.host.stages[len(r.host.stages)-1].ID)
			writers[sink] = append(writers[sink], r)
		}
	}
	seen := map[*runningQuery]bool{}
	var visit func(*runningQuery)
	visit = func(r *runningQuery) {
		if seen[r] {
			return
		}
		seen[r] = true
		if r.host != nil {
			for i := range r.plan.Stages {
				for j := range r.plan.Stages[i].Inputs {
					for _, w := range writers[r.plan.Stages[i].Inputs[j].Scan().Topic.ID] {
						visit(w)
					}
				}
			}
		}
		out = append(out, r)
	}
	for _, r := range all {
		visit(r)
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

// attend calls f with query id as it runs here, again when the query was stopped
// under it to be started anew. A query that is gone is nothing to wait for.
func (s *supervisor) attend(ctx context.Context, id catalog.ID, f func(*runningQuery) error) error {
	for {
		s.mu.Lock()
		r, moved := s.queries[id], s.moved
		s.mu.Unlock()
		if r == nil {
			return nil
		}
		err := r.err
		if err == nil {
			err = f(r)
		}
		if !errors.Is(err, exec.ErrStopped) {
			return err
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
	err := s.attend(ctx, id, func(r *runningQuery) error { return r.exec.Ready(ctx) })
	if err != nil {
		return err
	}
	// The tasks of other nodes tell only by what they commit.
	tick := time.NewTicker(readyEvery)
	defer tick.Stop()
	for {
		done := true
		err := s.attend(ctx, id, func(r *runningQuery) (err error) {
			done, err = r.begun()
			return err
		})
		if err != nil || done {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// readyEvery is how often the tasks of other nodes are looked at: a round trip or
// two within a cluster.
const readyEvery = 5 * time.Millisecond

// begun tells whether the tasks that run on other nodes have stored their positions.
func (r *runningQuery) begun() (bool, error) {
	if r.def.Paused {
		return true, nil
	}
	for i, t := range r.host.stages {
		for p := range t.Partitions {
			if r.led[t.Shards[p]] || !reads(&r.plan.Stages[i], p) {
				continue
			}
			id := storage.TaskID{Query: uint64(r.def.ID), Stage: uint16(i), Partition: p}
			// A task's first step stores all of its positions.
			_, positions, err := r.host.shard(id).store.Positions(id)
			if err != nil || len(positions) == 0 {
				return false, err
			}
		}
	}
	return true, nil
}

// reads tells whether task p of a stage has anything to read.
func reads(st *plan.Stage, p int32) bool {
	return slices.ContainsFunc(st.Inputs, func(in plan.StageInput) bool {
		n := in.Scan().Topic.Partitions
		return in.Keys != nil || n == 0 || p < n
	})
}

// flush waits until all that was acknowledged before the call is processed by
// the tasks that run here, query by query, so that what one wrote is processed by
// those that read it.
func (s *supervisor) flush(ctx context.Context) error {
	if err := s.caughtUp(ctx, s.n.Catalog().Version); err != nil {
		return err
	}
	for _, r := range s.running() {
		name := r.def.Name
		err := s.attend(ctx, r.def.ID, func(r *runningQuery) error {
			if r.def.Paused {
				return nil
			}
			return r.exec.Flush(ctx)
		})
		if err != nil && ctx.Err() == nil {
			e := pgerr.Newf(pgerr.ObjectNotInState, "query %s has failed: %v", name, err)
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
