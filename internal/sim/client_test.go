package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"github.com/weirdb/weir/internal/vec"
)

// client inserts rows into a stream, one statement after another, each on a node
// of its choice.
type client struct {
	c      *cluster
	h      *history
	rnd    *rand.Rand
	stream string
	ids    *atomic.Int64
	mixed  bool // statements with rows for several partitions
}

// run works until ctx ends.
func (w *client) run(ctx context.Context) {
	for ctx.Err() == nil {
		if l := w.c.any(w.rnd); l != nil {
			w.session(ctx, l)
		}
		time.Sleep(time.Duration(w.rnd.IntN(50)) * time.Millisecond)
	}
}

// session runs statements on one node, until one fails or there are enough.
func (w *client) session(ctx context.Context, l *life) {
	s, err := l.connect()
	if err != nil {
		return // it is being closed
	}
	defer s.Close()
	for range 1 + w.rnd.IntN(20) {
		if ctx.Err() != nil || !w.statement(s) {
			return
		}
		time.Sleep(time.Duration(w.rnd.IntN(20)) * time.Millisecond)
	}
}

// keys is how many keys there are.
const keys = 6

// statement inserts a few rows and tells whether that went well.
func (w *client) statement(s *session) bool {
	block := w.rnd.IntN(5) == 0
	mixed := w.mixed && !block && w.rnd.IntN(3) == 0
	n := 1 + w.rnd.IntN(4)
	key := w.rnd.IntN(keys)
	var rows []*row
	var values []string
	units := map[string]int64{}
	for range n {
		if mixed {
			key = w.rnd.IntN(keys)
		}
		r := &row{id: w.ids.Add(1), key: fmt.Sprintf("k%d", key)}
		// Rows of one key go to one partition: one append.
		if units[r.key] == 0 {
			units[r.key] = r.id
		}
		r.unit = units[r.key]
		rows = append(rows, r)
		r.statement = rows[0].id
		values = append(values, fmt.Sprintf("('%s', 'g%d', %d)", r.key, r.id%5, r.id))
	}
	insert := "INSERT INTO " + w.stream + " (k, g, id) VALUES "
	sql := insert + strings.Join(values, ", ")
	returning := !block && w.rnd.IntN(2) == 0
	switch {
	case block:
		sql = "BEGIN; " + insert + strings.Join(values, "; "+insert) + "; COMMIT"
	case returning:
		sql += " RETURNING id, _partition, _offset"
	}
	ctx, cancel := context.WithTimeout(context.Background(), statementTimeout)
	defer cancel()
	w.h.begin(rows)
	var told [][]vec.Value
	var err error
	if w.c.bug == ackEarly && !block && !returning {
		if _, err = s.execute(ctx, sql); err == nil {
			done := make(chan struct{})
			go func() {
				defer close(done)
				_ = s.Commit(ctx) // whatever comes of it
			}()
			defer func() { <-done }()
		}
	} else {
		told, err = s.run(ctx, sql)
	}
	if returning && err == nil {
		w.places(rows, told)
	}
	w.h.end(rows, outcomeOf(err))
	return err == nil
}

func (w *client) places(rows []*row, told [][]vec.Value) {
	if len(told) != len(rows) {
		w.c.fault("INSERT of %d rows returned %d", len(rows), len(told))
		return
	}
	for i, v := range told {
		if v[0] != vec.Value(rows[i].id) {
			w.c.fault("INSERT ... RETURNING gave row %v for row %d", v[0], rows[i].id)
		}
		rows[i].at, rows[i].told = place{int32(v[1].(int64)), v[2].(int64)}, true
	}
}

// read reads the stream now and then until ctx ends.
func (w *client) read(ctx context.Context) {
	for ctx.Err() == nil {
		if l := w.c.any(w.rnd); l != nil {
			if rows, err := l.once(selectRecords + w.stream); err == nil {
				w.h.see(records(rows))
			}
		}
		time.Sleep(time.Duration(w.rnd.IntN(300)) * time.Millisecond)
	}
}

const selectRecords = "SELECT rowpartition, rowoffset, k, id FROM "
