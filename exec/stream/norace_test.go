//go:build !race

package stream

// raced tells that the race detector is on, which allocates by itself.
const raced = false
