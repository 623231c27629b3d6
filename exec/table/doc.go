// Package table has the hash table that groups live in: keys of any types to
// dense group numbers, and for each group the state of its aggregates. Joins and
// DISTINCT use it without aggregates.
//
// A table holds no pointers, whatever it holds: the index, keys and states are a
// few large slices of scalars, which the garbage collector does not look into.
// Batches go in as columns; in steady state nothing is allocated.
//
// It knows nothing of plans, windows, storage and of what the states mean.
package table
