package demo

import (
	"strings"
	"testing"
	"time"
)

func example() *screen {
	s := &screen{
		pg: "127.0.0.1:5432", kafka: "127.0.0.1:9092", http: "127.0.0.1:8080", up: 4 * time.Second, rate: 100, took: 1234 * time.Microsecond,
		fed:     counts{orders: 200, payments: 120, shipments: 80},
		minutes: []minute{{"08:01", 44, "1234.50", "lamp"}, {"08:00", 180, "99999.00", "sofa"}},
	}
	for _, id := range []string{"1", "2", "3", "4", "5"} {
		s.paid.add("order " + id)
	}
	return s
}

// A frame has as many lines whatever there is to show, so that it covers the one before.
func TestFrame(t *testing.T) {
	full, empty := example().frame(), new(screen).frame()
	if a, b := strings.Count(full, "\n"), strings.Count(empty, "\n"); a != b || a > 30 {
		t.Errorf("%d lines, and %d with nothing to show", a, b)
	}
	for l := range strings.Lines(full) {
		if !strings.HasSuffix(l, eraseLine+"\n") && l != eraseRest {
			t.Errorf("%q leaves what was there", l)
		}
	}
	text := strings.NewReplacer(home, "", eraseLine, "", eraseRest, "", bold, "", dim, "", plain, "").Replace(full)
	for _, want := range []string{
		"200 orders by COPY, 120 payments by Kafka, 80 shipments by INSERT   100 events/s",
		"asked for by SELECT, 1.2 ms",
		"  08:01        44      1234.50  lamp\n",
		"5 so far\n  order 5\n  order 4\n  order 3\n  order 2\n\n",
		"psql -h 127.0.0.1 -p 5432 -U weir weir -c 'SELECT",
		"kcat -b 127.0.0.1:9092 -C -t paid_orders",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the frame lacks %q:\n%s", want, text)
		}
	}
}

func TestLine(t *testing.T) {
	const want = "  4s  fed 400   revenue_per_minute 08:01: 44 orders, 1234.50   paid_orders 5   alerts 0\n"
	if got := example().line(); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
