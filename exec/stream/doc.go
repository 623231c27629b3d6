// Package stream has the continuous operators: each takes batches of changes
// (vec.Op) and hands on the changes that follow from them, so that any of them
// can stand above any other. A Chain is the tree of operators that one task
// runs; it belongs to the task's goroutine.
//
// State is held in memory in full and is written, coalesced by key, as mutations
// of the task's state spaces, which the task commits together with positions and
// output. The package knows nothing of logs, formats, goroutines and commits.
package stream
