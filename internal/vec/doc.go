// Package vec is the in-memory form of data: types, columns of values, and
// batches of rows that flow between operators. It also owns the two byte forms
// that follow from it: the text that PostgreSQL would print or read for a value,
// and the compact row encoding that state and internal logs hold.
//
// It knows nothing of where rows come from or go to: no topics, formats, plans
// or SQL.
//
// A column has one of three physical layouts (Kind.Layout). Everything of fixed
// width up to 64 bits is an int64, floats are float64, and everything else
// (text, decimals, arrays, structs, ...) is a view into a byte arena. Three
// layouts instead of twenty keep the number of kernels small, and no layout
// holds a pointer per value, so the garbage collector never walks the data.
package vec
