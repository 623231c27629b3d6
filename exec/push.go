package exec

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/weirdb/weir/exec/stream"
	"github.com/weirdb/weir/internal/fn"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
	"github.com/weirdb/weir/storage"
)

// PushSpec says how a push query runs.
type PushSpec struct {
	Node plan.Node // its leaves are Scans
	// Ctx, Params, Every and SkipNullKeys are as in QuerySpec.
	Ctx          fn.Ctx
	Params       []vec.Value
	Every        bool
	SkipNullKeys bool
	// Old asks for the old rows of updates (vec.UpdateBefore) in the result.
	Old bool
}

// pushAhead is how many batches a push query makes before its reader takes them.
const pushAhead = 4

// Push runs a query that ends only with its LIMIT, with ctx or when the result
// is closed. Every scan begins where Scan.From says as of the call. Rows come
// with their Op; nothing of the query is stored. A slow reader holds it back.
func Push(ctx context.Context, host Host, spec PushSpec) (*PushQuery, error) {
	p := &PushQuery{host: host, full: make(chan *vec.Batch, pushAhead), free: make(chan *vec.Batch, pushAhead+2)}
	for range pushAhead + 2 {
		p.free <- new(vec.Batch)
	}
	p.mux.wake = make(chan struct{}, 1)
	env := &stream.Env{Ctx: spec.Ctx, Params: spec.Params, Every: spec.Every, SkipNullKeys: spec.SkipNullKeys, Old: spec.Old}
	env.Ctx.Now = host.Now()
	ctx, p.cancel = context.WithCancel(ctx)
	p.ctx = ctx
	err := p.open(ctx, spec.Node, env)
	if err != nil {
		p.cancel()
		return nil, err
	}
	start := func(run func(context.Context) error) { p.done.Go(func() { _ = guarded(ctx, run) }) } // they end with ctx alone
	p.mux.watch(start)
	p.done.Go(p.run)
	return p, nil
}

// A PushQuery is a running push query. Next and Close are for one goroutine.
type PushQuery struct {
	mux    mux
	host   Host
	ctx    context.Context
	cancel context.CancelFunc
	done   sync.WaitGroup

	// full carries batches to the reader; it is closed after err is set.
	full, free chan *vec.Batch
	err        error

	saved storage.Mutations // what a persistent query would store of a step

	reading *vec.Batch // by the reader
	ended   error      // what the reader got last
}

func (p *PushQuery) open(ctx context.Context, node plan.Node, env *stream.Env) error {
	var err error
	if p.mux.chain, err = stream.Build(node, env, p.put); err != nil {
		return err
	}
	q := &Query{host: p.host}
	for i, scan := range p.mux.chain.Scans() {
		for part := range scan.Topic.Partitions {
			log, err := p.host.Log(ctx, scan.Topic, part)
			if err != nil {
				return err
			}
			c := &cursor{input: i, partition: part, offset: -1, pos: log.Start()}
			if scan.From == plan.Latest {
				c.pos = log.End()
			}
			in := input{StageInput: &plan.StageInput{Source: scan}, topic: scan.Topic}
			// What is broken is told by persistent queries; a reader that comes
			// and goes would tell it again each time.
			c.feed, err = q.newTail(storage.TaskID{}, in, part, log, c, true, func(*Failure) {})
			if err != nil {
				return err
			}
			p.mux.cursors = append(p.mux.cursors, c)
		}
	}
	return nil
}

// run is the query's goroutine.
func (p *PushQuery) run() {
	defer close(p.full)
	p.err = guarded(p.ctx, func(context.Context) error { return p.loop() })
	if errors.Is(p.err, stream.ErrDone) {
		p.err = io.EOF
	}
}

func (p *PushQuery) loop() error {
	for {
		n := int64(0)
		for n < stepRows {
			k, err := p.mux.advance(p.ctx)
			if err != nil {
				return err
			}
			if k == 0 {
				break
			}
			n += k
		}
		if n > 0 {
			if err := p.mux.chain.Flush(); err != nil {
				return err
			}
			// Nothing of the query is stored, but saving is what ends a step: what
			// was emitted once is not emitted with the next one again.
			p.saved.Reset()
			p.mux.chain.Save(&p.saved)
			continue
		}
		if err := p.mux.wait(p.ctx, nil, nil); err != nil {
			return err
		}
	}
}

// put hands a copy of a batch to the reader.
func (p *PushQuery) put(b *vec.Batch) error {
	var to *vec.Batch
	select {
	case to = <-p.free:
	case <-p.ctx.Done():
		return p.ctx.Err()
	}
	resetRows(to)
	appendRows(to, b, b.Selected())
	select {
	case p.full <- to:
		return nil
	case <-p.ctx.Done():
		return p.ctx.Err()
	}
}

// Next returns the next rows, at least one; it waits for them until ctx ends,
// which does not end the query. io.EOF tells that the LIMIT was reached. The
// batch is valid until the next call.
func (p *PushQuery) Next(ctx context.Context) (*vec.Batch, error) {
	if p.ended != nil {
		return nil, p.ended
	}
	if p.reading != nil {
		p.free <- p.reading // has room for all batches
		p.reading = nil
	}
	select {
	case b, ok := <-p.full:
		if !ok {
			p.ended = p.err
			return nil, p.ended
		}
		p.reading = b
		return b, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Close ends the query, at any time, and waits for its goroutines.
func (p *PushQuery) Close() {
	p.cancel()
	p.done.Wait()
}
