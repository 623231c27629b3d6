package exec

import (
	"context"
	"math"

	"github.com/weirdb/weir/exec/stream"
	"github.com/weirdb/weir/internal/vec"
)

// A mux merges a few cursors into one chain of operators. If the outcome depends
// on the order of inputs, it takes what is there in the order of event times; it
// never waits for an input that has nothing.
type mux struct {
	cursors []*cursor
	chain   *stream.Chain
	watched bool          // wait looks at the logs itself; otherwise watchers wake the task
	wake    chan struct{} // of size 1
	merged  vec.Batch     // owned
}

// unfinished tells whether a record was consumed in part.
func (m *mux) unfinished() bool {
	for _, c := range m.cursors {
		if c.unfinished {
			return true
		}
	}
	return false
}

// advance runs one batch through the operators and returns how many records
// that was; 0 means that there is nothing at the moment.
func (m *mux) advance(ctx context.Context) (n int64, err error) {
	if len(m.cursors) == 1 {
		return m.advanceOnly(ctx, m.cursors[0])
	}
	for _, c := range m.cursors {
		if l, ok := c.feed.(*lane); ok && c.cur == nil && l.goal <= c.pos {
			l.goal = l.log.End()
		}
	}
	for {
		for _, c := range m.cursors {
			k, err := c.load(ctx)
			if err != nil {
				return 0, err
			}
			n += k
		}
		owed, err := m.collect(ctx)
		if err != nil {
			return 0, err
		}
		if !owed {
			break
		}
	}
	c, limit := m.pick()
	if c == nil {
		return n, nil
	}
	var rows *vec.Batch
	switch {
	case !m.chain.Timed():
		rows = c.whole()
	case m.oneInput():
		rows = m.merge(c, limit)
	default:
		rows = c.until(limit)
	}
	if err := m.chain.Process(c.input, rows); err != nil {
		return 0, fatal{err}
	}
	n += int64(rows.Len())
	for _, c := range m.cursors {
		if c.cur != nil && c.at == c.cur.Len() {
			c.settle()
		}
	}
	return n, nil
}

// collect waits for a scatter that has not handed over what it should have, and
// tells whether there was one. Meanwhile it takes in what the others have: they
// may be what the scatter waits for.
func (m *mux) collect(ctx context.Context) (owed bool, err error) {
	for {
		waiting := false
		for _, c := range m.cursors {
			if l, ok := c.feed.(*lane); ok && l.owes(c, m.chain.Timed()) {
				waiting = true
			}
		}
		if !waiting {
			return owed, nil
		}
		owed = true
		for _, c := range m.cursors {
			if l, ok := c.feed.(*lane); ok {
				l.drain()
			}
		}
		select {
		case <-m.wake:
		case <-ctx.Done():
			return owed, ctx.Err()
		}
	}
}

// oneInput tells whether all rows that are there are of one input.
func (m *mux) oneInput() bool {
	input := -1
	for _, c := range m.cursors {
		if c.cur == nil {
			continue
		}
		if input >= 0 && c.input != input {
			return false
		}
		input = c.input
	}
	return true
}

// merge brings the rows of several cursors into one batch, in the order of their
// times, until one of the cursors has no more. c is the first.
func (m *mux) merge(c *cursor, limit int64) *vec.Batch {
	if limit == math.MaxInt64 || c.cur.Time[c.cur.Row(c.cur.Len()-1)] <= limit {
		if whole := c.until(limit); c.at == c.cur.Len() {
			return whole // often a cursor's rows all come before the others'
		}
		c.at -= c.view.Len()
	}
	resetRows(&m.merged)
	for {
		from := c.at
		run := c.until(limit)
		if m.merged.N > 0 && m.merged.N+run.Len() > vec.MaxRows {
			c.at = from
			break
		}
		appendRows(&m.merged, run, run.Sel)
		if c.at == c.cur.Len() {
			break
		}
		c, limit = m.pick()
	}
	return &m.merged
}

// advanceOnly is advance for a task with one cursor, whose feed runs the chain.
func (m *mux) advanceOnly(ctx context.Context, c *cursor) (int64, error) {
	before := c.pos
	if err := c.feed.fill(ctx, c); err != nil {
		return 0, err
	}
	if c.cur != nil {
		if err := m.chain.Process(c.input, c.whole()); err != nil {
			return 0, fatal{err}
		}
		c.settle()
	}
	return int64(c.pos - before), nil
}

// pick returns the cursor whose next row happened first, and when the first row
// of the others did.
func (m *mux) pick() (first *cursor, limit int64) {
	limit = math.MaxInt64
	for _, c := range m.cursors {
		switch {
		case c.cur == nil:
		case first == nil:
			first = c
		case c.head() < first.head():
			first, limit = c, min(limit, first.head())
		default:
			limit = min(limit, c.head())
		}
	}
	return first, limit
}

// waitLogs is how many logs a mux watches itself; if it has more, each gets a
// goroutine that wakes it.
const waitLogs = 3

// wait blocks until there may be more input, or one of the channels is ready.
func (m *mux) wait(ctx context.Context, done, stop <-chan struct{}) error {
	var logs [waitLogs]<-chan struct{}
	for i, c := range m.cursors {
		if m.watched {
			logs[i] = c.feed.changed()
		}
		if c.feed.ready() {
			return nil
		}
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-logs[0]:
	case <-logs[1]:
	case <-logs[2]:
	case <-m.wake:
	case <-done:
	case <-stop:
	}
	return nil
}

// watch makes sure that the mux is woken when its logs change. start starts a
// goroutine.
func (m *mux) watch(start func(func(context.Context) error)) {
	if m.watched = len(m.cursors) <= waitLogs; m.watched {
		return
	}
	for _, c := range m.cursors {
		if f, ok := c.feed.(*tail); ok {
			start(func(ctx context.Context) error { return watchLog(ctx, f.log, m.wake) })
		}
	}
}

// watchLog wakes a task whenever a log changes.
func watchLog(ctx context.Context, l Log, wake chan<- struct{}) error {
	for {
		changed := l.Changed()
		select {
		case wake <- struct{}{}: // also for what came before Changed was called
		default:
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
