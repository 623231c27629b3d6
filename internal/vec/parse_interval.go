package vec

import (
	"math"
	"strconv"
	"strings"

	"github.com/weirdb/weir/internal/pgerr"
)

// unit is what one of an interval's unit is worth.
type unit struct {
	months, days int64
	micros       int64
}

var units = map[string]unit{
	"microsecond": {micros: 1}, "us": {micros: 1}, "usec": {micros: 1},
	"millisecond": {micros: 1000}, "ms": {micros: 1000}, "msec": {micros: 1000},
	"second": {micros: microsPerSecond}, "sec": {micros: microsPerSecond}, "s": {micros: microsPerSecond},
	"minute": {micros: microsPerMinute}, "min": {micros: microsPerMinute}, "m": {micros: microsPerMinute},
	"hour": {micros: microsPerHour}, "hr": {micros: microsPerHour}, "h": {micros: microsPerHour},
	"day": {days: 1}, "d": {days: 1},
	"week": {days: 7}, "w": {days: 7},
	"month": {months: 1}, "mon": {months: 1},
	"year": {months: 12}, "yr": {months: 12}, "y": {months: 12},
	"decade": {months: 120}, "dec": {months: 120},
	"century": {months: 1200}, "c": {months: 1200}, "cent": {months: 1200},
	"millennium": {months: 12000}, "mil": {months: 12000},
}

var unitPlurals = map[string]string{"centuries": "century", "millennia": "millennium", "mils": "millennium", "usecs": "us", "msecs": "ms"}

func unitNamed(w string) (unit, bool) {
	w = strings.ToLower(w)
	if u, ok := units[w]; ok {
		return u, true
	}
	if p, ok := unitPlurals[w]; ok {
		return units[p], true
	}
	if len(w) > 2 {
		u, ok := units[strings.TrimSuffix(w, "s")]
		return u, ok
	}
	return unit{}, false
}

// ParseInterval reads an interval in PostgreSQL's, SQL's or ISO 8601's form.
func ParseInterval(s string) (IntervalValue, error) {
	bad := func() (IntervalValue, error) {
		return IntervalValue{}, pgerr.Newf(pgerr.InvalidDatetime, "invalid input syntax for type interval: \"%s\"", s)
	}
	var sum intervalSum
	b := trimSpace(s)
	if b == "" {
		return bad()
	}
	var ok bool
	if b[0] == 'P' || b[0] == 'p' {
		ok = sum.iso(b[1:])
	} else {
		ok = sum.words(b)
	}
	if !ok {
		return bad()
	}
	x, ok := sum.value()
	if !ok {
		return IntervalValue{}, pgerr.Newf(pgerr.DatetimeOverflow, "interval field value out of range: \"%s\"", s)
	}
	return x, nil
}

// intervalSum adds up parts; fractions spill into smaller units as PostgreSQL
// lets them: of months into days of 30, of days into time.
type intervalSum struct {
	months, days, micros int64
	overflow             bool
}

func (x *intervalSum) value() (IntervalValue, bool) {
	ok := !x.overflow && int64(int32(x.months)) == x.months && int64(int32(x.days)) == x.days
	return IntervalValue{int32(x.months), int32(x.days), x.micros}, ok
}

func (x *intervalSum) grow(to *int64, by float64) {
	if math.Abs(by) > math.MaxInt64/2 {
		x.overflow = true
		return
	}
	n := *to + int64(by)
	if (int64(by) > 0) != (n > *to) && int64(by) != 0 {
		x.overflow = true
	}
	*to = n
}

// add adds n units; n is the text of a number.
func (x *intervalSum) add(n string, u unit) bool {
	sign := 1.0
	if strings.HasPrefix(n, "-") {
		sign = -1
	}
	n = strings.TrimLeft(n, "+-")
	whole, frac, _ := strings.Cut(n, ".")
	if whole == "" && frac == "" {
		return false
	}
	var w int64
	if whole != "" {
		var err error
		if w, err = strconv.ParseInt(whole, 10, 64); err != nil {
			if !allDigits(whole) {
				return false
			}
			x.overflow = true
			return true
		}
	}
	f := 0.0
	if frac != "" {
		if !allDigits(frac) {
			return false
		}
		f, _ = strconv.ParseFloat("0."+frac, 64)
	}
	if u.micros > 0 && w != 0 && u.micros*w/w != u.micros {
		x.overflow = true
		return true
	}
	isign := int64(sign)
	if math.Abs(float64(w))*float64(max(u.months, u.days, 1)) > math.MaxInt32*2 && u.micros == 0 {
		x.overflow = true
		return true
	}
	x.months += isign * w * u.months
	x.days += isign * w * u.days
	x.grow(&x.micros, 0)
	before := x.micros
	x.micros += isign * w * u.micros
	if isign*w*u.micros > 0 != (x.micros > before) && w*u.micros != 0 {
		x.overflow = true
	}
	switch {
	case u.months == 1:
		x.fractionalDays(sign * f * 30)
	case u.months > 1:
		x.months += int64(math.RoundToEven(sign * f * float64(u.months)))
	case u.days > 0:
		x.fractionalDays(sign * f * float64(u.days))
	default:
		x.grow(&x.micros, math.RoundToEven(sign*f*float64(u.micros)))
	}
	return true
}

func (x *intervalSum) fractionalDays(d float64) {
	whole := math.Trunc(d)
	x.grow(&x.days, whole)
	x.grow(&x.micros, math.RoundToEven((d-whole)*MicrosPerDay))
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// words reads "1 year -2 days 03:04:05 ago" and SQL's "1-2 3 4:05:06".
func (x *intervalSum) words(s string) bool {
	words := splitInterval(strings.TrimPrefix(s, "@"))
	if words == nil {
		return false
	}
	var seen bool
	for i := 0; i < len(words); i++ {
		w := words[i]
		switch {
		case strings.EqualFold(w, "ago") && i == len(words)-1 && seen:
			x.months, x.days, x.micros = -x.months, -x.days, -x.micros
			return true
		case strings.Contains(w, ":"):
			if !x.clock(w) {
				return false
			}
		case isLetter(w[0]):
			return false
		case strings.Contains(w[1:], "-"): // years-months
			if !x.yearMonth(w) {
				return false
			}
		default:
			u := unit{micros: microsPerSecond}
			if i+1 < len(words) && isLetter(words[i+1][0]) && !strings.EqualFold(words[i+1], "ago") {
				var ok bool
				if u, ok = unitNamed(words[i+1]); !ok {
					return false
				}
				i++
			} else if i+1 < len(words) && strings.Contains(words[i+1], ":") {
				u = unit{days: 1} // SQL: days before a time
			}
			if !x.add(w, u) {
				return false
			}
		}
		seen = true
	}
	return seen
}

// splitInterval splits at blanks and between a number and the unit after it.
func splitInterval(s string) []string {
	var words []string
	for i := 0; i < len(s); {
		c := s[i]
		j := i + 1
		switch {
		case strings.IndexByte(" \t\n\r\v\f,", c) >= 0:
			i++
			continue
		case isLetter(c):
			for j < len(s) && isLetter(s[j]) {
				j++
			}
		case c == '+' || c == '-' || c == '.' || c >= '0' && c <= '9':
			for j < len(s) && (s[j] >= '0' && s[j] <= '9' || s[j] == '.' || s[j] == ':' || s[j] == '-') {
				j++
			}
			if j == i+1 && (c == '+' || c == '-') {
				return nil
			}
		default:
			return nil
		}
		words = append(words, s[i:j])
		i = j
	}
	return words
}

func (x *intervalSum) yearMonth(w string) bool {
	sign := int64(1)
	if w[0] == '-' {
		sign, w = -1, w[1:]
	}
	w = strings.TrimPrefix(w, "+")
	y, m, ok := strings.Cut(w, "-")
	years, err1 := strconv.ParseInt(y, 10, 32)
	months, err2 := strconv.ParseInt(m, 10, 32)
	if !ok || err1 != nil || err2 != nil || months > 11 || months < 0 {
		return false
	}
	x.months += sign * (years*12 + months)
	return true
}

// clock reads [-]h:mm[:ss[.f]].
func (x *intervalSum) clock(w string) bool {
	sign := int64(1)
	switch w[0] {
	case '-':
		sign, w = -1, w[1:]
	case '+':
		w = w[1:]
	}
	parts := strings.Split(w, ":")
	if len(parts) > 3 {
		return false
	}
	var frac int64
	last := len(parts) - 1
	if whole, f, ok := strings.Cut(parts[last], "."); ok {
		parts[last] = whole
		var fine bool
		if frac, fine = fraction(f); !fine {
			return false
		}
		if len(parts) == 2 {
			parts = append([]string{"0"}, parts...)
		}
	}
	var v [3]int64
	for i, p := range parts {
		n, err := strconv.ParseInt(p, 10, 64)
		if err != nil {
			if allDigits(p) {
				x.overflow = true
				return true
			}
			return false
		}
		if i > 0 && n > 59 && !(i == 2 && n == 60) {
			x.overflow = true
			return true
		}
		v[i] = n
	}
	if v[0] > math.MaxInt64/microsPerHour-1 {
		x.overflow = true
		return true
	}
	x.micros += sign * (v[0]*microsPerHour + v[1]*microsPerMinute + v[2]*microsPerSecond + frac)
	return true
}

// iso reads what follows the P of ISO 8601: 1Y2M3DT4H5M6S, 3W, or the
// alternative form 0001-02-03T04:05:06.
func (x *intervalSum) iso(s string) bool {
	if s == "" {
		return false
	}
	date, clock, hasT := strings.Cut(strings.ToUpper(s), "T")
	if strings.Count(strings.TrimPrefix(date, "-"), "-") == 2 && !strings.ContainsAny(date, "YMWD") {
		p := strings.Split(date, "-")
		return len(p) == 3 && x.add(p[0], units["year"]) && x.add(p[1], units["month"]) && x.add(p[2], units["day"]) &&
			(!hasT || x.clock(clock))
	}
	if !x.isoParts(date, map[byte]string{'Y': "year", 'M': "month", 'W': "week", 'D': "day"}) {
		return false
	}
	if !hasT {
		return true
	}
	if strings.Contains(clock, ":") {
		return x.clock(clock)
	}
	return clock != "" && x.isoParts(clock, map[byte]string{'H': "hour", 'M': "minute", 'S': "second"})
}

func (x *intervalSum) isoParts(s string, letters map[byte]string) bool {
	for s != "" {
		n := strings.IndexFunc(s, func(r rune) bool { return r >= 'A' && r <= 'Z' })
		if n < 1 {
			return false
		}
		name, ok := letters[s[n]]
		if !ok || !x.add(s[:n], units[name]) {
			return false
		}
		s = s[n+1:]
	}
	return true
}
