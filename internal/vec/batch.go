package vec

// Op says what a row of a batch does to the relation that the batch changes.
type Op uint8

const (
	// Insert adds the row.
	Insert Op = iota
	// UpdateBefore is the old row of a change. The new one, UpdateAfter, is
	// the next selected row of the same batch.
	UpdateBefore
	UpdateAfter
	// Delete removes the row. In a stream it marks a record whose value is
	// NULL: there is nothing to remove, but projections forward it.
	Delete
)

func (o Op) String() string { return [...]string{"+", "-U", "+U", "-"}[o] }

// Sign is +1 for the ops that add a row and -1 for those that take one away.
func (o Op) Sign() int64 {
	if o == UpdateBefore || o == Delete {
		return -1
	}
	return 1
}

// A Batch is up to MaxRows row changes, column by column. All rows happen in
// the order in which they stand.
//
// Whoever receives a batch may read it until it returns and keeps no reference
// to it, unless it is told that it owns it. Columns may be shared (Vec).
type Batch struct {
	N    int      // rows held by the columns
	Sel  []uint16 // rows that count, ascending; nil means all N
	Cols []*Vec
	Ops  []Op    // by row; nil means all Insert
	Time []int64 // event time by row, ms since 1970
	// Headers holds the Kafka headers of the record that caused the row, in
	// the encoding of a record; nil means that no row has any.
	Headers *Vec
}

// Len returns how many rows count.
func (b *Batch) Len() int {
	if b.Sel != nil {
		return len(b.Sel)
	}
	return b.N
}

// Row returns where the i-th row that counts is held.
func (b *Batch) Row(i int) int {
	if b.Sel != nil {
		return int(b.Sel[i])
	}
	return i
}

// Op returns the op of the row held at i.
func (b *Batch) Op(i int) Op {
	if b.Ops == nil {
		return Insert
	}
	return b.Ops[i]
}

// Identity returns the selection of all rows below n: a shared slice that must
// not be changed. n is at most MaxRows.
func Identity(n int) []uint16 { return identity[:n:n] }

var identity = func() (s [MaxRows]uint16) {
	for i := range s {
		s[i] = uint16(i)
	}
	return s
}()

// Selected returns the rows that count, as a slice that must not be changed.
func (b *Batch) Selected() []uint16 {
	if b.Sel != nil {
		return b.Sel
	}
	return Identity(b.N)
}
