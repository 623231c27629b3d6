// Package bounded runs plans that end: pull queries, catalog queries and the
// expressions of INSERT ... VALUES. A plan becomes a tree of readers that pull
// batches from one another in the goroutine of whoever asks for rows; only what
// needs all its input before the first row (sorting, grouping, the inner side of
// a join) is kept in memory, within a limit.
//
// It knows nothing of SQL text, sessions, topics and storage: the leaves come
// from Sources.
package bounded
