package planner

import "testing"

func TestPartialTimes(t *testing.T) {
	check := func(s string, want int64) {
		t.Helper()
		if got, ok := partialTime(s); !ok || got != want {
			t.Errorf("%s: %d, %t; want %d", s, got, ok, want)
		}
	}
	check("1970", 0)
	check("2018", 1514764800000)
	check("2018-01-01T00:00:00.001", 1514764800001)
	check("2018-1-1", 1514764800000)
	check("2019-01-01T00:00:00+0445", 1546283700000)
	check("2019-01-01T00:00-01:00", 1546304400000)
	check("2020-02-24T24", 1582588800000)
	check("1969-12-31T23:59:59.9Z", -100)
	for _, s := range []string{"", "20", "2018-13", "2018-01-32", "2018-01-01T25", "2018-01-01T24:01", "2018-01-01 00:00", "x"} {
		if ms, ok := partialTime(s); ok {
			t.Errorf("%q: %d; want a refusal", s, ms)
		}
	}
}
