package fn

import (
	"strconv"
	"strings"
)

// formatG prints x with at most that many significant digits, as C's %g does
// but always with an exponent.
func formatG(x float64, digits int) string {
	m, e, _ := strings.Cut(strconv.FormatFloat(x, 'e', digits-1, 64), "e")
	if strings.Contains(m, ".") {
		m = strings.TrimRight(strings.TrimRight(m, "0"), ".")
	}
	return m + "e" + e
}
