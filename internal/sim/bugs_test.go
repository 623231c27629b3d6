package sim

import (
	"regexp"
	"testing"
)

// A simulation that finds nothing proves nothing: three bugs put in on purpose
// must be found within a few seeds, by the runs and checks that find no fault without
// them.
func TestDeliberateBugsAreFound(t *testing.T) {
	const (
		gone  = `acknowledged and is gone|relation "ev" does not exist` // rows, or CREATE STREAM
		twice = `it is to be`                                           // a query's result differs from the reference
	)
	for name, x := range map[string]struct {
		bug  bug
		size int
		run  func(*cluster)
		says string // a check must say of it; a pattern
	}{
		"acknowledge before commit":        {ackEarly, 3, inserts, gone},
		"acknowledge before commit, alone": {ackEarly, 1, inserts, gone},
		"skip the compare of positions":    {skipCompare, 1, queries, twice},
		"skip the compare, on three nodes": {skipCompare, 3, queries, twice},
		"skip the fsync of the journal":    {skipSync, 1, inserts, gone},
		"skip the fsync of three journals": {skipSync, 3, inserts, gone},
	} {
		t.Run(name, func(t *testing.T) {
			pattern := regexp.MustCompile(x.says)
			for seed := *first; seed < *first+10; seed++ {
				for _, f := range simulate(t, seed, x.size, x.bug, x.run) {
					if pattern.MatchString(f) {
						t.Logf("found with seed %d: %s", seed, f)
						return
					}
				}
			}
			t.Error("not found")
		})
	}
}
