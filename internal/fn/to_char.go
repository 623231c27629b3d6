package fn

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/cockroachdb/apd/v3"

	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
)

// formats is to_char and its inverses, with PostgreSQL's template patterns.
var formats = []*Func{
	op("to_char", vec.Text, func(_ *Call, a []vec.Value) (vec.Value, error) {
		return timeToChar(momentOf(a[0].(int64), nil), a[0].(int64), a[1].(string))
	}, vec.Timestamp, vec.Text),
	stable(op("to_char", vec.Text, func(c *Call, a []vec.Value) (vec.Value, error) {
		return timeToChar(momentOf(a[0].(int64), c.zone()), a[0].(int64), a[1].(string))
	}, vec.TimestampTZ, vec.Text)),
	op("to_char", vec.Text, func(_ *Call, a []vec.Value) (vec.Value, error) {
		x := a[0].(vec.IntervalValue)
		return timeToChar(intervalMoment(x), 0, a[1].(string))
	}, vec.Interval, vec.Text),
	op("to_char", vec.Text, numberToChar, vec.Int32, vec.Text),
	op("to_char", vec.Text, numberToChar, vec.Int64, vec.Text),
	op("to_char", vec.Text, numberToChar, vec.Float64, vec.Text),
	op("to_char", vec.Text, numberToChar, vec.Decimal, vec.Text),
	stable(op("to_timestamp", vec.TimestampTZ, func(c *Call, a []vec.Value) (vec.Value, error) {
		return boxInt(parseTemplate(a[0].(string), a[1].(string), c.zone()))
	}, vec.Text, vec.Text)),
	op("to_date", vec.Date, func(_ *Call, a []vec.Value) (vec.Value, error) {
		t, err := parseTemplate(a[0].(string), a[1].(string), nil)
		if err != nil {
			return nil, err
		}
		day, _ := vec.SplitMicros(t)
		return day, nil
	}, vec.Text, vec.Text),
	op("to_number", vec.Decimal, toNumber, vec.Text, vec.Text),
}

// shown is a moment taken apart for printing.
type shown struct {
	year               int64
	month, day         int
	dayNo              int64 // days since 1970
	hour               int64
	minute, sec, micro int
	zone               string
	offset             int
	hasZone, interval  bool
}

func momentOf(t int64, loc *time.Location) shown {
	s := shown{}
	if infinite(t) {
		return s
	}
	if loc != nil {
		s.offset, s.hasZone = vec.ZoneOffset(t, loc), true
		s.zone, _ = time.UnixMicro(t).In(loc).Zone()
		t += int64(s.offset) * perSecond
	}
	day, micros := vec.SplitMicros(t)
	s.dayNo = day
	s.year, s.month, s.day = vec.CivilFromDays(day)
	s.hour, s.minute, s.sec, s.micro = micros/perHour, int(micros/perMinute%60), int(micros/perSecond%60), int(micros%perSecond)
	return s
}

func intervalMoment(x vec.IntervalValue) shown {
	return shown{
		year: int64(x.Months / 12), month: int(x.Months % 12), day: int(x.Days), dayNo: int64(x.Days),
		hour: x.Micros / perHour, minute: int(x.Micros / perMinute % 60), sec: int(x.Micros / perSecond % 60), micro: int(x.Micros % perSecond),
		interval: true,
	}
}

var months = [...]string{"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"}
var weekdays = [...]string{"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"}
var romans = [...]string{"I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"}

// timePatterns are the patterns of to_char and to_timestamp, longest first where
// one begins with another.
var timePatterns = []string{
	"A.D.", "A.M.", "B.C.", "P.M.", "a.d.", "a.m.", "b.c.", "p.m.",
	"AD", "AM", "BC", "PM", "ad", "am", "bc", "pm",
	"CC", "DAY", "Day", "day", "DDD", "DD", "DY", "Dy", "dy", "D", "FF1", "FF2", "FF3", "FF4", "FF5", "FF6",
	"FX", "HH24", "HH12", "HH", "IDDD", "ID", "IW", "IYYY", "IYY", "IY", "I", "J",
	"MI", "MM", "MONTH", "Month", "month", "MON", "Mon", "mon", "MS", "OF", "Q", "RM", "rm", "SSSSS", "SSSS", "SS",
	"TZH", "TZM", "TZ", "tz", "US", "WW", "W", "Y,YYY", "YYYY", "YYY", "YY", "Y",
}

// node is a piece of a template: a pattern with its modifiers, or plain text.
type node struct {
	pattern string // canonical; empty for plain text
	text    string
	fm      bool // FM: no padding
	th      byte // 't' for th, 'T' for TH
}

func splitTemplate(t string) []node {
	var out []node
	for i := 0; i < len(t); {
		if t[i] == '"' {
			var b strings.Builder
			i++
			for i < len(t) && t[i] != '"' {
				if t[i] == '\\' && i+1 < len(t) {
					i++
				}
				b.WriteByte(t[i])
				i++
			}
			i++
			out = append(out, node{text: b.String()})
			continue
		}
		if t[i] == '\\' && i+1 < len(t) && t[i+1] == '"' {
			out = append(out, node{text: `"`})
			i += 2
			continue
		}
		n := node{}
		j := i
		for j+1 < len(t) && (strings.EqualFold(t[j:j+2], "FM") || strings.EqualFold(t[j:j+2], "TM")) {
			n.fm = true
			j += 2
		}
		if p := patternAt(t[j:]); p != "" {
			n.pattern = p
			j += len(p)
			if j+1 < len(t) && strings.EqualFold(t[j:j+2], "th") {
				n.th = t[j]&0x20 | 'T'
				j += 2
			}
			out = append(out, n)
			i = j
			continue
		}
		w := 1
		for i+w < len(t) && t[i+w]&0xc0 == 0x80 {
			w++
		}
		out = append(out, node{text: t[i : i+w]})
		i += w
	}
	return out
}

// patternAt returns the pattern at the front of t: in its own case where case
// counts, in upper case else.
func patternAt(t string) string {
	for _, p := range timePatterns {
		if strings.HasPrefix(t, p) {
			return p
		}
	}
	for _, p := range timePatterns {
		if len(t) >= len(p) && strings.EqualFold(t[:len(p)], p) {
			return p
		}
	}
	return ""
}

func timeToChar(s shown, t int64, template string) (vec.Value, error) {
	if !s.interval && infinite(t) || template == "" {
		return nil, nil
	}
	var b strings.Builder
	for _, n := range splitTemplate(template) {
		if n.pattern == "" {
			b.WriteString(n.text)
			continue
		}
		text, err := s.render(n)
		if err != nil {
			return nil, err
		}
		b.WriteString(text)
	}
	return b.String(), nil
}

// num prints a number in width digits, with the ordinal's ending if asked for.
func (n node) num(x int64, width int) string {
	s := strconv.FormatInt(x, 10)
	if !n.fm {
		neg := x < 0
		if neg {
			s = s[1:]
		}
		for len(s) < width {
			s = "0" + s
		}
		if neg {
			s = "-" + s
		}
	}
	return s + ordinal(x, n.th)
}

// padded is num with the sign counted in the width, as C's %0*d does.
func (n node) padded(x int64, width int) string {
	if n.fm {
		width = 0
	}
	return fmt.Sprintf("%0*d", width, x) + ordinal(x, n.th)
}

func ordinal(x int64, th byte) string {
	if th == 0 {
		return ""
	}
	x = max(x, -x)
	end := "th"
	if x%100 < 11 || x%100 > 13 {
		switch x % 10 {
		case 1:
			end = "st"
		case 2:
			end = "nd"
		case 3:
			end = "rd"
		}
	}
	if th == 'T' {
		return strings.ToUpper(end)
	}
	return end
}

// name prints a month or weekday in the case of the pattern, padded to 9.
func (n node) name(name string) string {
	short := len(n.pattern) == 2 || strings.EqualFold(n.pattern, "mon")
	if short {
		name = name[:3]
	}
	switch {
	case n.pattern == strings.ToUpper(n.pattern):
		name = strings.ToUpper(name)
	case n.pattern == strings.ToLower(n.pattern):
		name = strings.ToLower(name)
	}
	if !short && !n.fm {
		name += strings.Repeat(" ", 9-len(name))
	}
	return name
}

// notOfIntervals are the patterns that need a calendar date or a zone.
var notOfIntervals = map[string]bool{
	"A.D.": true, "AD": true, "B.C.": true, "BC": true, "MONTH": true, "MON": true, "DAY": true, "DY": true, "D": true, "ID": true,
	"TZ": true, "TZH": true, "TZM": true, "OF": true,
}

// isoOfInterval is PostgreSQL's date2isoyear and date2isoweek over the fields of
// an interval, which need not be those of a date.
func isoOfInterval(year, month, day int64) (int64, int) {
	dayN := julian(year, month, day)
	first := func(y int64) int64 { // the Monday of week 1
		d := julian(y, 1, 4)
		return d - ((d%7)+7)%7
	}
	if dayN < first(year) {
		year--
	}
	week := (dayN-first(year))/7 + 1
	if week >= 52 && dayN >= first(year+1) {
		year, week = year+1, (dayN-first(year+1))/7+1
	}
	return year, int(week)
}

// julian is PostgreSQL's date2j, with C's division.
func julian(y, m, d int64) int64 {
	if m > 2 {
		m, y = m+1, y+4800
	} else {
		m, y = m+13, y+4799
	}
	century := y / 100
	return y*365 - 32167 + y/4 - century + century/4 + 7834*m/256 + d
}

func (s shown) render(n node) (string, error) {
	year := shownYear(s.year)
	if s.interval {
		year = s.year
	} else if year < 0 {
		year = -year
	}
	var isoY int64
	var isoW int
	if s.interval {
		isoY, isoW = isoOfInterval(s.year, int64(s.month), int64(s.day))
	} else {
		isoY, isoW = isoWeek(s.dayNo)
	}
	h12 := s.hour % 12
	if h12 == 0 {
		h12 = 12
	}
	// A sign takes a place of its own; that of an ISO year goes by the year.
	signed := func(x, sign int64, width int) string {
		if sign < 0 {
			width++
		}
		return n.padded(x, width)
	}
	doy := s.dayNo - vec.DaysFromCivil(s.year, 1, 1) + 1
	if s.interval && notOfIntervals[strings.ToUpper(n.pattern)] {
		return "", pgerr.Newf(pgerr.InvalidDatetime, "invalid format specification for an interval value").
			Hintf("Intervals are not tied to specific calendar dates.")
	}
	switch p := n.pattern; strings.ToUpper(p) {
	case "A.M.", "P.M.", "AM", "PM":
		m := "AM"
		if s.hour%24 >= 12 {
			m = "PM"
		}
		return dotted(m, p), nil
	case "A.D.", "B.C.", "AD", "BC":
		m := "AD"
		if s.year <= 0 && !s.interval {
			m = "BC"
		}
		return dotted(m, p), nil
	case "HH", "HH12":
		return signed(h12, s.hour, 2), nil
	case "HH24":
		return n.num(s.hour, 2), nil
	case "MI":
		return n.num(int64(s.minute), 2), nil
	case "SS":
		return n.num(int64(s.sec), 2), nil
	case "MS":
		return n.padded(int64(s.micro/1000), 3), nil
	case "US":
		return n.padded(int64(s.micro), 6), nil
	case "FF1", "FF2", "FF3", "FF4", "FF5", "FF6":
		w := int(p[2] - '0')
		return n.num(int64(s.micro)/int64(math.Pow10(6-w)), w), nil
	case "SSSS", "SSSSS":
		return n.num(s.hour*3600+int64(s.minute*60+s.sec), 0), nil
	case "TZ":
		if !s.hasZone {
			return "", nil
		}
		if p == "tz" {
			return strings.ToLower(s.zone), nil
		}
		return s.zone, nil
	case "TZH":
		return fmt.Sprintf("%+03d", s.offset/3600), nil
	case "TZM":
		return fmt.Sprintf("%02d", max(s.offset, -s.offset)/60%60), nil
	case "OF":
		if s.offset%3600 == 0 {
			return fmt.Sprintf("%+03d", s.offset/3600), nil
		}
		sign := '+'
		if s.offset < 0 {
			sign = '-'
		}
		o := max(s.offset, -s.offset)
		return fmt.Sprintf("%c%02d:%02d", sign, o/3600, o/60%60), nil
	case "Q":
		if s.month == 0 {
			return "", nil
		}
		return n.num(int64((s.month-1)/3+1), 1), nil
	case "CC":
		c := eraOf(s.year, 100)
		if s.interval {
			c = s.year / 100
		}
		return n.num(c, 2), nil
	case "Y,YYY":
		return fmt.Sprintf("%d,%03d", year/1000, year%1000) + ordinal(year, n.th), nil
	case "YYYY":
		return n.num(year, 4), nil
	case "YYY":
		return n.num(year%1000, 3), nil
	case "YY":
		return n.num(year%100, 2), nil
	case "Y":
		return n.num(year%10, 1), nil
	case "IW":
		return n.num(int64(isoW), 2), nil
	case "IYYY":
		return signed(isoY, s.year, 4), nil
	case "IYY":
		return signed(isoY%1000, s.year, 3), nil
	case "IY":
		return signed(isoY%100, s.year, 2), nil
	case "I":
		return n.num(isoY%10, 1), nil
	case "J":
		return n.num(s.dayNo+2440588, 0), nil
	case "DD":
		return n.padded(int64(s.day), 2), nil
	case "DDD":
		if s.interval {
			return n.num(s.year*360+int64(s.month*30+s.day), 3), nil
		}
		return n.num(doy, 3), nil
	case "MM":
		return n.num(int64(s.month), 2), nil
	case "WW":
		return n.num((doy-1)/7+1, 2), nil
	case "W":
		return n.num(int64((s.day-1)/7+1), 1), nil
	case "RM":
		if s.month == 0 {
			return "", nil
		}
		r := romans[(s.month+11)%12]
		if p == "rm" {
			r = strings.ToLower(r)
		}
		if !n.fm {
			r += strings.Repeat(" ", 4-len(r))
		}
		return r, nil
	}
	switch strings.ToUpper(n.pattern) {
	case "MONTH", "MON":
		return n.name(months[s.month-1]), nil
	case "DAY", "DY":
		return n.name(weekdays[isoWeekday(s.dayNo)%7]), nil
	case "D":
		return n.num(int64(isoWeekday(s.dayNo)%7+1), 1), nil
	case "ID":
		return n.num(int64(isoWeekday(s.dayNo)), 1), nil
	case "IDDD":
		return n.num(int64((isoW-1)*7+isoWeekday(s.dayNo)), 3), nil
	}
	return "", nil // FX
}

// dotted writes AM as the pattern does: a.m., AM, ...
func dotted(m, pattern string) string {
	if len(pattern) == 4 {
		m = m[:1] + "." + m[1:] + "."
	}
	if pattern[0] >= 'a' {
		return strings.ToLower(m)
	}
	return m
}

// parsed is what a template has found in a text.
type parsed struct {
	year                    int64
	month, day, doy         int
	hour, minute, sec       int64
	micros, ssss, julian    int64
	week, isoWeek, isoDay   int
	isoYear                 int64
	century                 int64
	pm, am, bc, h12, hasYr  bool
	hasZone                 bool
	zoneHour, zoneMin, sign int
}

// parseTemplate reads s by a template. With loc nil a zone in s is ignored and
// the result is local.
func parseTemplate(s, template string, loc *time.Location) (int64, error) {
	p := &parsed{year: 1, month: 1, day: 1, sign: 1}
	nodes := splitTemplate(template)
	rest := s
	for i, n := range nodes {
		if n.pattern == "" {
			rest = skipText(rest, n.text)
			continue
		}
		if rest == "" {
			break
		}
		fixed := i+1 < len(nodes) && nodes[i+1].pattern != "" && isDigitPattern(nodes[i+1].pattern)
		var err error
		if rest, err = p.read(n, rest, fixed); err != nil {
			return 0, err
		}
	}
	return p.timestamp(s, loc)
}

// skipText skips a separator of the template: any blanks, then one character if
// it is not a letter or digit, or the same text.
func skipText(s, text string) string {
	c := text[0]
	if c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || len(text) > 1 {
		return s[min(len(text), len(s)):]
	}
	t := strings.TrimLeft(s, " ")
	if c == ' ' {
		if t != "" && len(t) == len(s) && strings.IndexByte("-/,.;:", t[0]) >= 0 {
			return t[1:]
		}
		return t
	}
	if t != "" && !(t[0]|0x20 >= 'a' && t[0]|0x20 <= 'z' || t[0] >= '0' && t[0] <= '9' || t[0] == '+') {
		if t[0] == '-' && c != '-' && len(t) > 1 && t[1] >= '0' && t[1] <= '9' && len(t) != len(s) {
			return t
		}
		return t[1:]
	}
	return t
}

func isDigitPattern(p string) bool {
	switch strings.ToUpper(p) {
	case "MONTH", "MON", "DAY", "DY", "AM", "PM", "A.M.", "P.M.", "AD", "BC", "A.D.", "B.C.", "RM", "TZ", "TZH", "OF", "FX":
		return false
	}
	return true
}

var patternWidth = map[string]int{
	"HH": 2, "HH12": 2, "HH24": 2, "MI": 2, "SS": 2, "MS": 3, "US": 6, "YYYY": 4, "YYY": 3, "YY": 2, "Y": 1,
	"MM": 2, "DD": 2, "DDD": 3, "Q": 1, "CC": 2, "J": 7, "WW": 2, "W": 1, "D": 1, "ID": 1, "IW": 2, "IDDD": 3,
	"IYYY": 4, "IYY": 3, "IY": 2, "I": 1, "SSSS": 5, "SSSSS": 5, "TZM": 2,
	"FF1": 1, "FF2": 2, "FF3": 3, "FF4": 4, "FF5": 5, "FF6": 6,
}

func (p *parsed) read(n node, s string, fixed bool) (string, error) {
	pattern := strings.ToUpper(n.pattern)
	s = strings.TrimLeft(s, " ")
	switch pattern {
	case "MONTH", "MON":
		for i, name := range months {
			if pattern == "MONTH" && len(s) >= len(name) && strings.EqualFold(s[:len(name)], name) {
				p.month = i + 1
				return s[len(name):], nil
			}
		}
		for i, name := range months {
			if len(s) >= 3 && strings.EqualFold(s[:3], name[:3]) {
				p.month = i + 1
				return s[3:], nil
			}
		}
		return "", badValue(s, n.pattern)
	case "DAY", "DY":
		for _, name := range weekdays {
			if pattern == "DAY" && len(s) >= len(name) && strings.EqualFold(s[:len(name)], name) {
				return s[len(name):], nil
			}
			if pattern == "DY" && len(s) >= 3 && strings.EqualFold(s[:3], name[:3]) {
				return s[3:], nil
			}
		}
		return "", badValue(s, n.pattern)
	case "AM", "PM", "A.M.", "P.M.", "AD", "BC", "A.D.", "B.C.":
		if len(s) < len(pattern) {
			return "", badValue(s, n.pattern)
		}
		switch strings.ReplaceAll(strings.ToUpper(s[:len(pattern)]), ".", "") {
		case "AM":
			p.am, p.h12 = true, true
		case "PM":
			p.pm, p.h12 = true, true
		case "BC":
			p.bc = true
		case "AD":
		default:
			return "", badValue(s, n.pattern)
		}
		return s[len(pattern):], nil
	case "TZH", "OF":
		p.hasZone = true
		if s != "" && (s[0] == '+' || s[0] == '-') {
			if s[0] == '-' {
				p.sign = -1
			}
			s = s[1:]
		}
		k, rest := leadingInt(s, 2)
		p.zoneHour = int(k)
		if pattern == "OF" && strings.HasPrefix(rest, ":") {
			k, rest = leadingInt(rest[1:], 2)
			p.zoneMin = int(k)
		}
		return rest, nil
	case "TZ":
		return "", pgerr.Newf(pgerr.FeatureNotSupported, "formatting field \"%s\" is only supported in to_char", n.pattern)
	case "FX":
		return s, nil
	case "RM":
		for i := 11; i >= 0; i-- {
			if len(s) >= len(romans[i]) && strings.EqualFold(s[:len(romans[i])], romans[i]) {
				p.month = i + 1
				return s[len(romans[i]):], nil
			}
		}
		return "", badValue(s, n.pattern)
	}
	return p.readNumber(pattern, n, s, fixed)
}

func badValue(s, pattern string) error {
	shown := s
	if i := strings.IndexByte(shown, ' '); i > 0 {
		shown = shown[:i]
	}
	return pgerr.Newf(pgerr.InvalidDatetime, "invalid value \"%s\" for \"%s\"", shown, pattern).
		Detailf("The given value did not match any of the allowed values for this field.")
}

func leadingInt(s string, width int) (int64, string) {
	i, n := 0, int64(0)
	for i < len(s) && (width == 0 || i < width) && s[i] >= '0' && s[i] <= '9' && n < 1<<50 {
		n = n*10 + int64(s[i]-'0')
		i++
	}
	return n, s[i:]
}

func (p *parsed) readNumber(pattern string, n node, s string, fixed bool) (string, error) {
	width := patternWidth[pattern]
	if n.fm || !fixed {
		switch pattern {
		case "MS", "US", "FF1", "FF2", "FF3", "FF4", "FF5", "FF6":
		default:
			width = 0 // read as many digits as there are
		}
	}
	neg := strings.HasPrefix(s, "-") && (pattern == "YYYY" || pattern == "IYYY")
	if neg {
		s = s[1:]
	}
	v, rest := leadingInt(s, width)
	digits := len(s) - len(rest)
	if digits == 0 {
		shownText := s[:min(len(s), max(patternWidth[pattern], 1))]
		return "", pgerr.Newf(pgerr.InvalidDatetime, "invalid value \"%s\" for \"%s\"", shownText, n.pattern).
			Detailf("Value must be an integer.")
	}
	if n.th != 0 && len(rest) >= 2 {
		rest = rest[2:]
	}
	if neg {
		v = -v
	}
	switch pattern {
	case "HH", "HH12":
		p.hour, p.h12 = v, true
		if v < 1 || v > 12 {
			return "", pgerr.Newf(pgerr.InvalidDatetime, "hour \"%d\" is invalid for the 12-hour clock", v).
				Hintf("Use the 24-hour clock, or give an hour between 1 and 12.")
		}
	case "HH24":
		p.hour = v
	case "MI":
		p.minute = v
	case "SS":
		p.sec = v
	case "MS":
		p.micros += scaled(v, digits, 3) * 1000
	case "US":
		p.micros += scaled(v, digits, 6)
	case "FF1", "FF2", "FF3", "FF4", "FF5", "FF6":
		p.micros += scaled(v, digits, 6)
	case "SSSS", "SSSSS":
		p.ssss = v
	case "YYYY", "Y,YYY", "IYYY":
		if pattern == "Y,YYY" && strings.HasPrefix(rest, ",") {
			var low int64
			low, rest = leadingInt(rest[1:], 3)
			v = v*1000 + low
		}
		p.setYear(pattern, v)
	case "YYY", "YY", "Y", "IYY", "IY", "I":
		if digits < 4 { // the year nearest to 2020 (adjust_partial_year_to_2020)
			switch {
			case v < 70:
				v += 2000
			case v < 100:
				v += 1900
			case v < 520:
				v += 2000
			case v < 1000:
				v += 1000
			}
		}
		p.setYear(pattern, v)
	case "MM":
		p.month = int(min(v, 1<<20))
	case "DD":
		p.day = int(min(v, 1<<20))
	case "DDD":
		p.doy = int(min(v, 1<<20))
	case "J":
		p.julian = v
	case "CC":
		p.century = v
	case "WW":
		p.week = int(min(v, 1<<10))
	case "IW":
		p.isoWeek = int(min(v, 1<<10))
	case "ID":
		p.isoDay = int(v)
	case "TZM":
		p.zoneMin = int(v)
	}
	return rest, nil
}

func (p *parsed) setYear(pattern string, v int64) {
	if pattern[0] == 'I' {
		p.isoYear = v
		return
	}
	p.year, p.hasYr = v, true
}

// scaled makes v, of that many digits after a point, a number of width digits.
func scaled(v int64, digits, width int) int64 {
	for ; digits < width; digits++ {
		v *= 10
	}
	for ; digits > width; digits-- {
		v /= 10
	}
	return v
}

func (p *parsed) timestamp(s string, loc *time.Location) (int64, error) {
	bad := func() (int64, error) {
		return 0, pgerr.Newf(pgerr.DatetimeOverflow, "date/time field value out of range: \"%s\"", s)
	}
	if p.h12 {
		switch {
		case p.pm && p.hour < 12:
			p.hour += 12
		case !p.pm && p.hour == 12:
			p.hour = 0
		}
	}
	if p.ssss > 0 {
		p.hour, p.minute, p.sec = p.ssss/3600, p.ssss/60%60, p.ssss%60
	}
	if p.hour > 24 || p.minute > 59 || p.sec > 59 && p.sec != 60 || p.micros >= perSecond {
		return bad()
	}
	if p.century != 0 && !p.hasYr {
		p.year = (p.century-1)*100 + 1
	}
	if p.year < 0 {
		p.bc, p.year = true, -p.year
	}
	if p.year > 294276 {
		return 0, pgerr.Newf(pgerr.DatetimeOverflow, "timestamp out of range: \"%s\"", s)
	}
	year := p.year
	if p.bc {
		year = 1 - year
	}
	var day int64
	switch {
	case p.julian != 0:
		day = p.julian - 2440588
	case p.isoWeek != 0:
		y := p.isoYear
		if y == 0 {
			y = year
		}
		jan4 := vec.DaysFromCivil(y, 1, 4)
		day = jan4 - int64(isoWeekday(jan4)-1) + int64(p.isoWeek-1)*7 + int64(max(p.isoDay, 1)-1)
	case p.week != 0:
		day = vec.DaysFromCivil(year, 1, 1) + int64(p.week-1)*7
	case p.doy != 0:
		if p.doy > 366 {
			return bad()
		}
		day = vec.DaysFromCivil(year, 1, 1) + int64(p.doy-1)
	default:
		if p.month < 1 || p.month > 12 || p.day < 1 || p.day > vec.DaysInMonth(year, p.month) {
			return bad()
		}
		day = vec.DaysFromCivil(year, p.month, p.day)
	}
	if !vec.ValidDate(day) || day > maxTimestampDay {
		return 0, errTimestampRange
	}
	t := day*perDay + p.hour*perHour + p.minute*perMinute + p.sec*perSecond + p.micros
	switch {
	case loc == nil:
	case p.hasZone:
		if p.zoneHour > 15 || p.zoneMin > 59 {
			return 0, pgerr.Newf("22009", "time zone displacement out of range: %q", s)
		}
		t -= int64(p.sign*(p.zoneHour*3600+p.zoneMin*60)) * perSecond
	default:
		t = vec.LocalToUTC(t, loc)
	}
	return checked(t)
}

// numberFormat is a parsed template of to_char for numbers.
type numberFormat struct {
	items    []string
	pre      int // digits before the point
	post     int
	zeroFrom int // index, among the digits before the point, of the first 0; -1 none
	fm       bool
	sign     string // "", S, MI, PL, PR, SG
	signAt   int
	eeee     bool
	roman    bool
	mult     int
	point    bool
}

func parseNumberFormat(t string) numberFormat {
	f := numberFormat{zeroFrom: -1, signAt: -1}
	for i := 0; i < len(t); {
		u := strings.ToUpper(t[i:])
		item := ""
		for _, p := range []string{"EEEE", "FM", "MI", "PL", "PR", "SG", "RN", "TH", "S", "V", "L", "G", "D", ".", ",", "9", "0"} {
			if strings.HasPrefix(u, p) {
				item = p
				break
			}
		}
		if t[i] == '"' {
			j := strings.IndexByte(t[i+1:], '"')
			if j < 0 {
				j = len(t) - i - 1
			}
			f.items = append(f.items, `"`+t[i+1:i+1+j])
			i += j + 2
			continue
		}
		switch item {
		case "":
			f.items = append(f.items, `"`+t[i:i+1])
			i++
			continue
		case "FM":
			f.fm = true
		case "EEEE":
			f.eeee = true
		case "RN":
			f.roman = true
		case "9", "0":
			switch {
			case f.mult > 0 || f.point && !strings.Contains(strings.Join(f.items, " "), "V"):
				if f.point {
					f.post++
				} else {
					f.mult++
					f.pre++
				}
			default:
				if item == "0" && f.zeroFrom < 0 {
					f.zeroFrom = f.pre
				}
				f.pre++
			}
			f.items = append(f.items, item)
		case "D", ".":
			f.point = true
			f.items = append(f.items, ".")
		case "V":
			f.mult = 0
			f.items = append(f.items, "V")
		case "S", "MI", "PL", "PR", "SG":
			f.sign = item
			f.items = append(f.items, item)
		default:
			f.items = append(f.items, item)
		}
		i += len(item)
		if item == "TH" && t[i-2] == 't' {
			f.items[len(f.items)-1] = "th"
		}
	}
	return f
}

func numberToChar(c *Call, a []vec.Value) (vec.Value, error) {
	f := parseNumberFormat(a[1].(string))
	var d *apd.Decimal
	switch x := a[0].(type) {
	case int64:
		d = apd.New(x, 0)
	case float64:
		var err error
		if d, err = decimalOfFloat(x, c.Types[0].Kind); err != nil {
			return nil, err
		}
	case *apd.Decimal:
		d = x
	}
	if f.roman {
		return romanNumber(d, f.fm), nil
	}
	if f.eeee {
		x, err := d.Float64()
		if err != nil {
			return nil, errOutOfDomain
		}
		s := strconv.FormatFloat(x, 'e', f.post, 64)
		if x >= 0 {
			s = " " + s
		}
		return s, nil
	}
	return f.apply(d), nil
}

func romanNumber(d *apd.Decimal, fm bool) string {
	n, err := d.Int64()
	out := "###############"
	if err == nil && n > 0 && n < 4000 {
		out = ""
		for _, r := range []struct {
			v int64
			s string
		}{{1000, "M"}, {900, "CM"}, {500, "D"}, {400, "CD"}, {100, "C"}, {90, "XC"}, {50, "L"}, {40, "XL"}, {10, "X"}, {9, "IX"}, {5, "V"}, {4, "IV"}, {1, "I"}} {
			for ; n >= r.v; n -= r.v {
				out += r.s
			}
		}
	}
	if !fm && len(out) < 15 {
		out = strings.Repeat(" ", 15-len(out)) + out
	}
	return out
}

// apply fills the digits of d into the template.
func (f numberFormat) apply(d *apd.Decimal) string {
	x := new(apd.Decimal).Set(d)
	neg := x.Negative
	x.Negative = false
	var digits, frac string
	special := x.Form != apd.Finite
	if !special {
		vec.Rescale(x, int32(f.post))
		neg = neg && x.Coeff.Sign() != 0
		text := string(vec.AppendDecimalText(nil, x))
		digits, frac, _ = strings.Cut(text, ".")
		if digits == "0" && (f.zeroFrom < 0 || f.pre == 0) {
			if f.post > 0 || f.pre == 0 {
				digits = ""
			}
		}
	}
	overflow := special || len(digits) > f.pre
	lead := f.pre - len(digits) // positions before the first digit
	if overflow {
		lead, digits, frac = 0, strings.Repeat("#", f.pre), strings.Repeat("#", f.post)
	}
	// In FM mode, trailing 9s after the point that are zeros vanish.
	keep := len(frac)
	if f.fm && !overflow {
		lastZero := f.lastFixedFraction()
		for keep > lastZero && keep > 0 && frac[keep-1] == '0' {
			keep--
		}
	}
	var b strings.Builder
	signText := func() string {
		if neg {
			return "-"
		}
		return " "
	}
	signDone := f.sign != "" && f.sign != "PR"
	pos, fpos, started := 0, 0, false
	inFraction := false
	sAhead := f.sign == "S" && f.firstSign()
	begin := func() { // the sign stands right before the first digit
		if started {
			return
		}
		started = true
		switch {
		case sAhead && neg, !signDone && neg && f.sign != "PR":
			b.WriteByte('-')
		case sAhead:
			b.WriteByte('+')
		case !signDone && neg:
			b.WriteByte('<')
		case !signDone && !f.fm:
			b.WriteByte(' ')
		}
	}
	for _, item := range f.items {
		switch {
		case item[0] == '"':
			b.WriteString(item[1:])
		case item == "9" || item == "0":
			if inFraction {
				if fpos < keep {
					b.WriteByte(frac[fpos])
				}
				fpos++
				continue
			}
			zero := f.zeroFrom >= 0 && pos >= f.zeroFrom
			switch {
			case pos >= lead:
				begin()
				b.WriteByte(digits[pos-lead])
			case zero:
				begin()
				b.WriteByte('0')
			case !f.fm:
				b.WriteByte(' ')
			}
			pos++
		case item == "," || item == "G":
			if started {
				b.WriteByte(',')
			} else if !f.fm {
				b.WriteByte(' ')
			}
		case item == ".":
			begin()
			inFraction = true
			b.WriteByte('.')
		case item == "S":
			if !f.firstSign() {
				if neg {
					b.WriteByte('-')
				} else {
					b.WriteByte('+')
				}
			}
		case item == "MI":
			if neg || !f.fm {
				b.WriteString(signText())
			}
		case item == "PL":
			if !neg {
				b.WriteByte('+')
			} else if !f.fm {
				b.WriteByte(' ')
			}
		case item == "SG":
			if neg {
				b.WriteByte('-')
			} else {
				b.WriteByte('+')
			}
		case item == "PR":
			if neg {
				b.WriteByte('>')
			} else if !f.fm {
				b.WriteByte(' ')
			}
		case strings.EqualFold(item, "TH"):
			if !neg && !inFraction {
				n, _ := strconv.ParseInt("0"+digits, 10, 64)
				th := byte('T')
				if item == "th" {
					th = 't'
				}
				b.WriteString(ordinal(n, th))
			}
		case item == "L":
			b.WriteByte(' ')
		}
	}
	return b.String()
}

// firstSign tells whether S stands before the digits.
func (f numberFormat) firstSign() bool {
	for _, it := range f.items {
		switch it {
		case "S":
			return true
		case "9", "0":
			return false
		}
	}
	return false
}

// lastFixedFraction is how many digits after the point a 0 in the template keeps.
func (f numberFormat) lastFixedFraction() int {
	n, last, in := 0, 0, false
	for _, it := range f.items {
		switch {
		case it == ".":
			in = true
		case in && (it == "9" || it == "0"):
			n++
			if it == "0" {
				last = n
			}
		}
	}
	return last
}

// toNumber keeps the digits, the point and the sign of a text.
func toNumber(_ *Call, a []vec.Value) (vec.Value, error) {
	f := parseNumberFormat(a[1].(string))
	s := a[0].(string)
	var b strings.Builder
	neg := strings.Contains(s, "-") || strings.Contains(s, "<")
	pre, post, in := 0, 0, false
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9' && !in && pre < f.pre:
			b.WriteByte(c)
			pre++
		case c >= '0' && c <= '9' && in && post < f.post:
			b.WriteByte(c)
			post++
		case c == '.' && f.point && !in:
			b.WriteByte(c)
			in = true
		}
	}
	if pre+post == 0 {
		return nil, pgerr.Newf(pgerr.InvalidTextRep, "invalid input syntax for type numeric: \"%s\"", " ")
	}
	d, err := vec.ParseDecimal(b.String())
	if err != nil {
		return nil, err
	}
	d.Negative = neg && d.Coeff.Sign() != 0
	return d, nil
}
