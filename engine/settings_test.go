package engine

import (
	"slices"
	"testing"
	"time"
)

func TestZones(t *testing.T) {
	at := time.Date(2024, 1, 15, 12, 0, 0, 0, time.UTC)
	check := func(v string, east time.Duration) {
		t.Helper()
		loc, err := location(v)
		if err != nil {
			t.Errorf("%s: %v", v, err)
			return
		}
		if _, seconds := at.In(loc).Zone(); time.Duration(seconds)*time.Second != east {
			t.Errorf("%s is %d seconds east, want %s", v, seconds, east)
		}
	}
	check("UTC", 0)
	check("europe/berlin", time.Hour)
	check("2", 2*time.Hour)
	check("-3.5", -210*time.Minute)
	// POSIX counts to the west.
	check("GMT-02:00", 2*time.Hour)
	check("GMT+5:30", -330*time.Minute)
	check("<+02:00>-02:00", 2*time.Hour)
	check("+05:30", -330*time.Minute)
	check(isoZone("time zone", "+05:30"), 330*time.Minute)
	check(isoZone("TIME ZONE", "-08:00"), -8*time.Hour)
	check(isoZone("timezone", "02:00"), 2*time.Hour)
	for _, wrong := range []string{"", "local", "nowhere", "GMT-25:00", "GMT-02:60", "GMT-", "../etc/passwd", "<>-1"} {
		if loc, err := location(wrong); err == nil {
			t.Errorf("%q is %v", wrong, loc)
		}
	}
}

// Libraries read settings by name and fail if one is unknown: SQLAlchemy asks for
// the access method when it reflects a table.
func TestSettingsThatLibrariesRead(t *testing.T) {
	for name, want := range map[string]string{
		"default_table_access_method": "heap", "standard_conforming_strings": "on", "server_version_num": "150000",
		"transaction_isolation": "read committed", "max_identifier_length": "63",
	} {
		i := slices.IndexFunc(knownSettings, func(s setting) bool { return s.name == name })
		if i < 0 || knownSettings[i].value != want {
			t.Errorf("%s is not known with the value %q", name, want)
		}
	}
}
