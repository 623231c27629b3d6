package demo

import (
	"fmt"
	"net"
	"strings"
	"time"
)

// screen is what a demo shows.
type screen struct {
	pg, kafka, http string
	up              time.Duration
	fed             counts
	rate            int64         // events per second, lately
	minutes         []minute      // the latest first
	took            time.Duration // what asking for minutes took
	paid, alerts    recent
}

// minute is a row of minutesQuery.
type minute struct {
	At      string
	Orders  int64
	Revenue string
	Best    string
}

// recent counts lines and keeps the last few.
type recent struct {
	n     int64
	lines []string // the latest first
}

const recentLines = 4

func (r *recent) add(line string) {
	r.n++
	r.lines = append([]string{line}, r.lines[:min(len(r.lines), recentLines-1)]...)
}

// Escape sequences of terminals (ECMA-48).
const (
	home      = "\x1b[H"
	eraseLine = "\x1b[K"
	eraseRest = "\x1b[J"
	bold      = "\x1b[1m"
	dim       = "\x1b[2m"
	plain     = "\x1b[0m"
)

// frame draws the whole screen over what was there.
func (s *screen) frame() string {
	var b strings.Builder
	line := func(format string, args ...any) {
		fmt.Fprintf(&b, format, args...)
		b.WriteString(eraseLine + "\n")
	}
	title := func(name, about string) { line("%s%s%s  %s%s%s", bold, name, plain, dim, about, plain) }
	b.WriteString(home)
	line("%sweir demo%s   %s   %d orders by COPY, %d payments by Kafka, %d shipments by INSERT   %d events/s",
		bold, plain, s.up.Round(time.Second), s.fed.orders, s.fed.payments, s.fed.shipments, s.rate)
	line("")
	title(revenueTable, fmt.Sprintf("a table kept up to date; asked for by SELECT, %.1f ms", float64(s.took.Microseconds())/1000))
	line("  minute   orders      revenue  best seller")
	for i := range 8 {
		if i < len(s.minutes) {
			m := s.minutes[i]
			line("  %-6s %8d %12s  %s", m.At, m.Orders, m.Revenue, m.Best)
		} else {
			line("")
		}
	}
	line("")
	list := func(name, about string, r recent) {
		title(name, fmt.Sprintf("%s; %d so far", about, r.n))
		for i := range recentLines {
			if i < len(r.lines) {
				line("  %s", r.lines[i])
			} else {
				line("")
			}
		}
		line("")
	}
	list(paidStream, "orders joined with payments; read by a Kafka consumer", s.paid)
	list(alertStream, "a filter; pushed by SELECT ... EMIT CHANGES", s.alerts)
	host, port, err := net.SplitHostPort(s.pg)
	if err != nil {
		host, port = s.pg, ""
	}
	title("try", "in another terminal; Ctrl-C ends the demo")
	line("  psql -h %s -p %s -U weir weir -c 'SELECT * FROM %s EMIT CHANGES'", host, port, revenueTable)
	line("  kcat -b %s -C -t %s", s.kafka, paidStream)
	line("  http://%s", s.http)
	b.WriteString(eraseRest)
	return b.String()
}

// line tells the same in one line, for what is no terminal.
func (s *screen) line() string {
	last := "no minute yet"
	if len(s.minutes) > 0 {
		m := s.minutes[0]
		last = fmt.Sprintf("%s: %d orders, %s", m.At, m.Orders, m.Revenue)
	}
	return fmt.Sprintf("%4s  fed %d   %s %s   %s %d   %s %d\n", s.up.Round(time.Second), s.fed.total(), revenueTable, last,
		paidStream, s.paid.n, alertStream, s.alerts.n)
}
