// Package plan is the vocabulary in which the planner tells the engine what to
// do: relational nodes over bound expressions, and how a persistent query is cut
// into stages. A plan is data: it can be printed, compared and walked, and it
// refers to nothing that runs.
//
// It knows nothing of SQL text and names (they are resolved) and nothing of how
// operators work.
package plan
