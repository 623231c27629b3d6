package storage

import (
	"maps"
	"slices"
	"strings"
)

// layer is what changed in a shard's state between two checkpoints: a table per space and the prefixes dropped. Two
// layers lie over Pebble: the one Apply writes and, during a checkpoint, the frozen one.
type layer struct {
	tables map[Space]*table
	drops  []Space // prefixes; a table made after a drop knows by hides
	bytes  int     // memory of the tables, about
}

func newLayer() *layer { return &layer{tables: make(map[Space]*table)} }

// table returns the table of s, making it if need be.
func (l *layer) table(s []byte) *table {
	if t := l.tables[Space(s)]; t != nil { // does not allocate
		return t
	}
	t := &table{hides: l.dropped(Space(s))}
	l.tables[Space(s)] = t
	return t
}

// find returns the table of s, nil if nothing in it changed, and whether s was dropped, so that older rows are gone.
func (l *layer) find(s Space) (t *table, hides bool) {
	if l == nil {
		return nil, false
	}
	if t := l.tables[s]; t != nil {
		return t, t.hides
	}
	return nil, l.dropped(s)
}

func (l *layer) dropped(s Space) bool {
	for _, p := range l.drops {
		if strings.HasPrefix(string(s), string(p)) {
			return true
		}
	}
	return false
}

func (l *layer) dropSpace(s Space) {
	if t := l.tables[s]; t != nil {
		l.bytes -= t.size()
	}
	l.tables[s] = &table{hides: true}
}

func (l *layer) dropPrefix(p Space) {
	for s, t := range l.tables {
		if strings.HasPrefix(string(s), string(p)) {
			l.bytes -= t.size()
			delete(l.tables, s)
		}
	}
	if !slices.Contains(l.drops, p) {
		l.drops = append(l.drops, p)
	}
}

func (l *layer) empty() bool { return len(l.tables) == 0 && len(l.drops) == 0 }

// spaces are the names of the layer's tables in order.
func (l *layer) spaces() []Space { return slices.Sorted(maps.Keys(l.tables)) }
