// Package exec runs continuous queries. A persistent query is a few stages; a
// stage runs one task per partition; a task is one goroutine that owns a chain of
// operators and its state. A step of a task takes what its inputs have, runs the
// operators to completion and proposes one storage.Commit that holds positions,
// state changes and output, so that they move together or not at all. A push
// query runs the same operators over all partitions and commits nothing.
//
// Exactly-once follows from two rules. A step is valid only from the positions
// that the shard holds; whatever made a task's idea of them wrong (a new leader,
// a second copy of the task), the shard refuses the step and the task starts over
// from what is stored. And a repartition is pulled: a destination keeps its
// position in every upstream partition, and rows for it are computed again from
// the log whenever it asks.
//
// The package knows nothing of SQL text, sessions, the catalog and Raft; it sees
// a node through Host.
package exec
