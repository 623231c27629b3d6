package sim

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/anishathalye/porcupine"

	"github.com/weirdb/weir/internal/vec"
)

// A row is one that a client tried to insert.
type row struct {
	id        int64
	key       string
	statement int64 // that inserted it: the id of its first row
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

// acked returns how many rows were acknowledged.
func (h *history) acked() (n int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range h.rows {
		if r.outcome == acked {
			n++
		}
	}
	return n
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
	h.linearizable(node, found)
	return h.wrong
}

// appends is a partition as porcupine sees it: the state is its end, an operation
// appends a number of rows and tells the offset of the first. The order of writes
// in the log has to be one in which they can have happened.
var appends = porcupine.Model{
	Init: func() any { return int64(0) },
	Step: func(end, rows, first any) (bool, any) {
		return end == first, end.(int64) + rows.(int64)
	},
}

// linearizable holds that a write that ended before another began comes first in
// the log. found is sorted.
func (h *history) linearizable(node string, found []record) {
	type share struct {
		partition int32
		statement int64
	}
	ops := map[share]*porcupine.Operation{}
	byPartition := map[int32][]*porcupine.Operation{}
	for _, r := range found {
		w := h.rows[r.id]
		if w == nil {
			continue // a fault already
		}
		a := share{r.partition, w.statement}
		op := ops[a]
		if op == nil {
			op = &porcupine.Operation{Input: int64(0), Output: r.offset, Call: w.call, Return: w.ret}
			if w.outcome == unknown {
				op.Return = math.MaxInt64 // it may have happened after its client gave up
			}
			ops[a] = op
			byPartition[r.partition] = append(byPartition[r.partition], op)
		}
		op.Input = op.Input.(int64) + 1
	}
	for p, list := range byPartition {
		all := make([]porcupine.Operation, len(list))
		for i, op := range list {
			all[i] = *op
			all[i].ClientId = i
		}
		if !porcupine.CheckOperations(appends, all) {
			h.fault("%s: partition %d is not linearizable", node, p)
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
