// Package arch holds the test that states which room may import which. It has
// no code of its own.
package arch
