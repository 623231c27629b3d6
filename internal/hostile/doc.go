// Package hostile holds no code but tests: a whole node behind its front doors is
// given what it must not trust, from outside. Wrong statements, broken frames and
// record batches, greedy queries, a full disk, a damaged data directory: the one who
// sends it gets a clear error, the node stays up, and a witness, a client that minds
// its own business all the while, finds every row that was acknowledged exactly once.
// It knows nothing of what lies behind the doors.
package hostile
