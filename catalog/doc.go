// Package catalog is what the cluster knows of itself: topics, relations,
// persistent queries, named types. A Catalog is an immutable snapshot; a Change
// leads from one to the next. The meta group replicates changes and every node
// applies them in the same order, so all nodes walk through the same snapshots.
//
// It knows nothing of raft, files or running queries, and it decides nothing:
// whoever makes a Change has planned it against the snapshot that it is based
// on, and it is refused if another came first.
package catalog
