// Package sim runs whole nodes (engine over storage, replication, planner and
// exec) in one testing/synctest bubble: disks are memory that a crash cuts back
// to what was synced, the network is pipes that can be cut, time is faked. A run
// is a cluster, clients that write and read SQL, and a source of trouble, all
// driven from one seed; at its end the clients' history is compared with what the
// cluster holds.
//
// The package has tests only. docs/testing.md says how to run them and what they
// hold; docs/adr/0009-simulation.md why they are built this way.
package sim
