// Package replication replicates commands. A Node runs a few groups; a group is
// one hashicorp/raft group whose log lies in the node's journal, a Pebble
// instance all groups share so that their writes meet in one fsync, and whose
// messages travel over the node's one listener. A group delivers every
// committed command to its FSM, in order, on every member.
//
// It knows nothing of what a command means: topics, tasks and SQL are the
// business of whoever implements FSM. The FSM is persistent: it remembers what
// it applied, so the journal is kept only until the FSM says that its state is
// durable, plus a window from which a member that was away can catch up. A
// member further behind is given the FSM's contents.
package replication
