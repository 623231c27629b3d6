// Package engine is where the rooms meet: it opens a node's storage and raft
// groups, follows the catalog, keeps the persistent queries running, and runs
// the statements of sessions.
//
// Three types share the work and none reaches into another: Node holds the disk,
// the groups and the catalog's snapshots (node.go, meta.go, shards.go, topics.go);
// supervisor starts and stops persistent queries as the catalog says
// (supervisor.go, host.go); session runs one client's statements, one file a
// family of statements (session.go, select.go, insert.go, ddl.go, ...).
//
// It knows nothing of the protocols: the front doors own the interfaces they
// need, and engine implements them.
package engine
