package exec

import (
	"fmt"
)

// timeParser returns what reads text timestamps of a Java pattern, giving ms.
func timeParser(pattern string) func(string) (int64, error) {
	return func(s string) (int64, error) { return 0, fmt.Errorf("exec: timestamp %q of pattern %q", s, pattern) }
}
