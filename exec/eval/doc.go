// Package eval computes bound expressions over columns. An expression is
// compiled once into a tree of loops and then run batch by batch for a selection
// of rows; each node of the tree owns the column that it computes, so that in
// steady state nothing is allocated, and a batch of one row costs little more
// than a row interpreter would.
//
// SQL's rules that functions need not know are kept here: strictness (a function
// sees only rows without nulls), laziness (CASE, AND, OR and COALESCE compute
// their operands only for the rows that need them), and what becomes of a row
// that has no value.
//
// It knows nothing of plans' nodes, streams, state and where rows come from.
package eval
