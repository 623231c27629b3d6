package exec

import (
	"github.com/weirdb/weir/internal/fn"
	"github.com/weirdb/weir/internal/vec"
)

// timeParser returns what reads text timestamps of a Java pattern, giving ms. The
// empty pattern stands for ISO 8601, in UTC if no zone is given.
func timeParser(pattern string) func(string) (int64, error) {
	return func(s string) (ms int64, err error) {
		if pattern == "" {
			ms, err = vec.ParseTimestampTZ(s, nil)
		} else {
			ms, err = fn.ParseJavaTime(pattern, s)
		}
		if ms < 0 {
			ms -= 999 // round down
		}
		return ms / 1000, err
	}
}
