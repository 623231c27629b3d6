package stream

import "github.com/weirdb/weir/planner/plan"

// floor returns t rounded down to a multiple of step.
func floor(t, step int64) int64 {
	m := t % step
	if m < 0 {
		m += step
	}
	return t - m
}

// firstStart returns the start of the first window that holds t; the others
// follow at distances of w.Advance up to t. Windows are aligned to 1970, and as
// in Kafka Streams (TimeWindows.windowsFor) none that holds times after 1970
// begins before it.
func firstStart(w *plan.Window, t int64) int64 {
	if w.Kind != plan.Hopping {
		return floor(t, w.Size)
	}
	s := floor(t-w.Size+w.Advance, w.Advance)
	if t >= 0 {
		s = max(s, 0)
	}
	return s
}

// closedAt tells whether a time window that ends at end takes no more records at
// that stream time.
func closedAt(w *plan.Window, end, streamTime int64) bool {
	return streamTime >= end && streamTime-end >= w.Grace
}
