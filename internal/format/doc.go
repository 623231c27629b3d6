// Package format turns the bytes of a record's key or value into rows of
// columns and back, in the formats JSON, DELIMITED, KAFKA, NONE and NATIVE.
//
// A Decoder is compiled from the declared columns and those that a plan reads;
// what is not read is skipped, not parsed. An Encoder is compiled from the
// columns. The rules of coercion, wrapping and NULL are ksqlDB's;
// docs/formats/values.md tells them by type and format.
//
// It knows nothing of topics, record batches, schema registries or plans, and
// it never decides what becomes of a broken record: it says which row is
// broken and why.
package format
