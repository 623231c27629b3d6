package sim

import (
	"cmp"
	"fmt"
	"slices"
	"sync"

	"github.com/weirdb/weir/internal/vec"
)

// A row is one that a client tried to insert.
type row struct {
	id        int64
	key       string
	unit      int64 // rows of a unit are written together or not at all
	outcome   outcome
	at        place // if the client was told
	told      bool
	call, ret int64 // when the statement began and ended, in order of events
}

// place is where a record is.
type place struct {
	partition int32
	offset    int64
}

func (p place) compare(o place) int {
	return cmp.Or(cmp.Compare(p.partition, o.partition), cmp.Compare(p.offset, o.offset))
}

// record is a row as a reader found it.
type record struct {
	place
	key string
	id  int64
}

// history is what the clients of a run did and saw.
type history struct {
	mu    sync.Mutex
	clock int64
	rows  map[int64]*row
	seen  map[place]record
	wrong []string
}

func newHistory() *history { return &history{rows: map[int64]*row{}, seen: map[place]record{}} }

func (h *history) fault(format string, args ...any) {
	if len(h.wrong) < 20 {
		h.wrong = append(h.wrong, fmt.Sprintf(format, args...))
	}
}

// tick numbers events.
func (h *history) tick() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clock++
	return h.clock
}

// begin notes rows that are about to be inserted; until end their outcome is unknown.
func (h *history) begin(rows []*row) {
	call := h.tick()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range rows {
		r.call, r.outcome = call, unknown
		h.rows[r.id] = r
	}
}

func (h *history) end(rows []*row, o outcome) {
	ret := h.tick()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range rows {
		r.ret, r.outcome = ret, o
	}
}

// see notes records that a client has read: an offset holds the same for ever.
func (h *history) see(found []record) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range found {
		if old, ok := h.seen[r.place]; ok && old != r {
			h.fault("%d of partition %d held row %d, later row %d", r.offset, r.partition, old.id, r.id)
		}
		h.seen[r.place] = r
	}
}

// check compares the history with what a node holds after all is over.
func (h *history) check(node string, found []record) []string {
	h.see(found)
	h.mu.Lock()
	defer h.mu.Unlock()
	slices.SortFunc(found, func(a, b record) int { return a.compare(b.place) })
	next := map[int32]int64{}
	by := map[int64]record{}
	for _, r := range found {
		if r.offset != next[r.partition] {
			h.fault("%s: partition %d has offset %d after %d records", node, r.partition, r.offset, next[r.partition])
		}
		next[r.partition] = r.offset + 1
		if first, twice := by[r.id]; twice {
			h.fault("%s: row %d is at %v and at %v", node, r.id, first.place, r.place)
		}
		by[r.id] = r
		switch w := h.rows[r.id]; {
		case w == nil:
			h.fault("%s: row %d at %v was written by nobody", node, r.id, r.place)
		case w.key != r.key:
			h.fault("%s: row %d has key %s, not %s", node, r.id, r.key, w.key)
		case w.outcome == refused:
			h.fault("%s: row %d was refused, and is at %v", node, r.id, r.place)
		case w.told && w.at != r.place:
			h.fault("%s: row %d was acknowledged at %v and is at %v", node, r.id, w.at, r.place)
		}
	}
	for p, r := range h.seen {
		if by[r.id].place != p {
			h.fault("%s: row %d was read at %v and is not there", node, r.id, p)
		}
	}
	units := map[int64]bool{}
	for _, w := range h.rows {
		_, there := by[w.id]
		if w.outcome == acked && !there {
			h.fault("%s: row %d was acknowledged and is gone", node, w.id)
		}
		if whole, ok := units[w.unit]; ok && whole != there {
			h.fault("%s: of the rows that were written with row %d only some are there", node, w.id)
		}
		units[w.unit] = there
	}
	h.order(node, found)
	return h.wrong
}

// order holds that a partition is linearizable: a write that ended before another
// began comes first. found is sorted.
func (h *history) order(node string, found []record) {
	latest := map[int32]*row{} // of those so far, the one that began last
	for _, r := range found {
		w := h.rows[r.id]
		if w == nil {
			continue
		}
		if l := latest[r.partition]; l != nil && w.outcome == acked && w.ret < l.call {
			h.fault("%s: row %d comes after row %d, which was written later", node, w.id, l.id)
		}
		if l := latest[r.partition]; l == nil || w.call > l.call {
			latest[r.partition] = w
		}
	}
}

// records reads the rows of: SELECT rowpartition, rowoffset, k, id.
func records(rows [][]vec.Value) []record {
	out := make([]record, len(rows))
	for i, r := range rows {
		out[i] = record{place{int32(r[0].(int64)), r[1].(int64)}, r[2].(string), r[3].(int64)}
	}
	return out
}
