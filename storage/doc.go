// Package storage is the deterministic state machine of a node's shards, and their disk: partition logs in segment
// files, keyed state in one Pebble instance. It is handed committed commands in the order of a shard's journal
// (Shard.Apply) and answers reads. It knows record batches, offsets, producers' sequences, tasks' positions and byte
// strings; it knows neither rows nor SQL, neither raft nor the network, and reads no clock but to time checkpoints.
//
// The journal is the write-ahead log: Apply changes memory, and files without fsync. A checkpoint writes what changed
// since the last one to Pebble, sorted, with the applied index, after the segments are fsynced. After a crash every
// shard stands where its last durable checkpoint left it, and the journal is replayed from Durable on.
// docs/adr/0003-journal-is-the-wal.md has the reasons, docs/formats the bytes.
package storage
