// Package source turns the record batches of a topic into the columns of a
// plan.Scan: keys, values, timestamps, windows and headers, only as far as the
// plan reads them. Broken records are told to the caller and left out.
//
// It deals in bytes that somebody else has read: it knows no logs, positions or
// queries.
package source
