package fn

import (
	"fmt"
	"strings"
	"time"

	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
)

var (
	dateType = vec.Of(vec.Date)
	timeType = vec.Of(vec.Time)
	tsType   = vec.Of(vec.Timestamp)
)

// ksqlDatetimes is the family of ksqlDB's functions on dates and times. Patterns
// are those of java.time.format.DateTimeFormatter.
var ksqlDatetimes = []*Func{
	ksqlFunc("format_date", str, func(_ *Call, a []vec.Value) (vec.Value, error) {
		return javaFormat(a[1].(string), a[0].(int64)*perDay, time.UTC)
	}, vec.Date, vec.Text),
	ksqlFunc("format_time", str, func(_ *Call, a []vec.Value) (vec.Value, error) {
		return javaFormat(a[1].(string), a[0].(int64), time.UTC)
	}, vec.Time, vec.Text),
	ksqlFunc("format_timestamp", str, formatTimestamp, vec.Timestamp, vec.Text),
	ksqlFunc("format_timestamp", str, formatTimestamp, vec.Timestamp, vec.Text, vec.Text),
	ksqlFunc("timestamptostring", str, timestampToString, vec.Int64, vec.Text),
	ksqlFunc("timestamptostring", str, timestampToString, vec.Int64, vec.Text, vec.Text),
	ksqlFunc("datetostring", str, func(_ *Call, a []vec.Value) (vec.Value, error) {
		return javaFormat(a[1].(string), a[0].(int64)*perDay, time.UTC)
	}, vec.Int32, vec.Text),
	ksqlFunc("parse_date", dateType, func(_ *Call, a []vec.Value) (vec.Value, error) {
		t, _, err := javaParsePrefix(a[1].(string), a[0].(string), time.UTC) // as SimpleDateFormat does
		day, _ := vec.SplitMicros(t)
		return boxInt(day, err)
	}, vec.Text, vec.Text),
	ksqlFunc("stringtodate", integer, func(_ *Call, a []vec.Value) (vec.Value, error) {
		t, err := javaParse(a[1].(string), a[0].(string), time.UTC)
		day, _ := vec.SplitMicros(t)
		return boxInt(day, err)
	}, vec.Text, vec.Text),
	ksqlFunc("parse_time", timeType, func(_ *Call, a []vec.Value) (vec.Value, error) {
		t, err := javaParse(a[1].(string), a[0].(string), time.UTC)
		_, micros := vec.SplitMicros(t)
		return boxInt(micros, err)
	}, vec.Text, vec.Text),
	ksqlFunc("parse_timestamp", tsType, parseTimestamp(1), vec.Text, vec.Text), ksqlFunc("parse_timestamp", tsType, parseTimestamp(1), vec.Text, vec.Text, vec.Text),
	ksqlFunc("stringtotimestamp", bigint, parseTimestamp(1000), vec.Text, vec.Text), ksqlFunc("stringtotimestamp", bigint, parseTimestamp(1000), vec.Text, vec.Text, vec.Text),
	ksqlFunc("convert_tz", tsType, func(_ *Call, a []vec.Value) (vec.Value, error) {
		from, err := javaZone(a[1].(string))
		if err != nil {
			return nil, err
		}
		to, err := javaZone(a[2].(string))
		if err != nil {
			return nil, err
		}
		return vec.UTCToLocal(vec.LocalToUTC(a[0].(int64), from), to), nil
	}, vec.Timestamp, vec.Text, vec.Text),
	ksqlFunc("from_days", dateType, func(_ *Call, a []vec.Value) (vec.Value, error) { return a[0], nil }, vec.Int32),
	ksqlFunc("from_unixtime", tsType, func(_ *Call, a []vec.Value) (vec.Value, error) { return boxInt(checked(a[0].(int64) * 1000)) }, vec.Int64),
	ksqlFunc("unix_date", integer, func(_ *Call, a []vec.Value) (vec.Value, error) { return a[0], nil }, vec.Date),
	stable(ksqlFunc("unix_date", integer, func(c *Call, _ []vec.Value) (vec.Value, error) { return c.Now.Unix() / 86400, nil })),
	ksqlFunc("unix_timestamp", bigint, func(_ *Call, a []vec.Value) (vec.Value, error) { return floorTo(a[0].(int64), 1000) / 1000, nil }, vec.Timestamp),
	stable(ksqlFunc("unix_timestamp", bigint, func(c *Call, _ []vec.Value) (vec.Value, error) { return c.Now.UnixMilli(), nil })),
	addUnits("dateadd", dateType, vec.Date, 1), addUnits("datesub", dateType, vec.Date, -1),
	addUnits("timeadd", timeType, vec.Time, 1), addUnits("timesub", timeType, vec.Time, -1),
	addUnits("timestampadd", tsType, vec.Timestamp, 1), addUnits("timestampsub", tsType, vec.Timestamp, -1),
}

// addUnits is DATEADD(unit, n, x) and its like; the unit comes as text.
func addUnits(name string, t vec.Type, k vec.Kind, sign int64) *Func {
	return ksqlFunc(name, t, func(_ *Call, a []vec.Value) (vec.Value, error) {
		n, x := sign*a[1].(int64), a[2].(int64)
		iv := vec.IntervalValue{}
		switch u := strings.TrimSuffix(strings.ToUpper(a[0].(string)), "S"); u {
		case "YEAR":
			iv.Months = int32(n * 12)
		case "MONTH":
			iv.Months = int32(n)
		case "WEEK":
			iv.Days = int32(n * 7)
		case "DAY":
			iv.Days = int32(n)
		case "HOUR":
			iv.Micros = n * perHour
		case "MINUTE":
			iv.Micros = n * perMinute
		case "SECOND":
			iv.Micros = n * perSecond
		case "MILLISECOND":
			iv.Micros = n * 1000
		default:
			return nil, pgerr.Newf("22023", "unknown time unit %s", u)
		}
		switch k {
		case vec.Date:
			ts, err := shift(x*perDay, iv, 1)
			day, _ := vec.SplitMicros(ts)
			return boxInt(day, err)
		case vec.Time:
			ts := (x + iv.Micros) % perDay
			if ts < 0 {
				ts += perDay
			}
			return ts, nil
		}
		return boxInt(shift(x, iv, 1))
	}, vec.Text, vec.Int32, k)
}

func javaZone(s string) (*time.Location, error) {
	for _, prefix := range []string{"", "UTC", "GMT", "UT"} {
		if rest, ok := strings.CutPrefix(s, prefix); ok && rest != "" && (rest[0] == '+' || rest[0] == '-') {
			return isoZone(rest)
		}
	}
	if strings.EqualFold(s, "Z") {
		return time.UTC, nil
	}
	return vec.LoadZone(s)
}

func zoneOrUTC(a []vec.Value, i int) (*time.Location, error) {
	if i >= len(a) {
		return time.UTC, nil
	}
	return javaZone(a[i].(string))
}

func formatTimestamp(_ *Call, a []vec.Value) (vec.Value, error) {
	loc, err := zoneOrUTC(a, 2)
	if err != nil {
		return nil, err
	}
	return javaFormat(a[1].(string), a[0].(int64), loc)
}

func timestampToString(c *Call, a []vec.Value) (vec.Value, error) {
	return formatTimestamp(c, append([]vec.Value{a[0].(int64) * 1000}, a[1:]...))
}

func parseTimestamp(unit int64) boxedFunc {
	return func(_ *Call, a []vec.Value) (vec.Value, error) {
		loc, err := zoneOrUTC(a, 2)
		if err != nil {
			return nil, err
		}
		t, err := javaParse(a[1].(string), a[0].(string), loc)
		return boxInt(floorTo(t, unit)/unit, err)
	}
}

// A javaItem is a run of one letter of a pattern, or literal text.
type javaItem struct {
	letter   byte
	n        int
	text     string
	optional int // depth of [ ]
}

func splitJava(p string) ([]javaItem, error) {
	var out []javaItem
	depth := 0
	for i := 0; i < len(p); {
		switch c := p[i]; {
		case c == '\'':
			j := i + 1
			var b strings.Builder
			for ; j < len(p); j++ {
				if p[j] == '\'' {
					if j+1 < len(p) && p[j+1] == '\'' {
						b.WriteByte('\'')
						j++
						continue
					}
					break
				}
				b.WriteByte(p[j])
			}
			if j >= len(p) {
				return nil, pgerr.Newf("22023", "pattern ends with an incomplete string literal: %s", p)
			}
			text := b.String()
			if j == i+1 {
				text = "'"
			}
			out = append(out, javaItem{text: text, optional: depth})
			i = j + 1
		case c == '[':
			depth++
			i++
		case c == ']':
			depth--
			i++
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
			j := i
			for j < len(p) && p[j] == c {
				j++
			}
			if strings.IndexByte("GyuYQqMLwWDdEeFaHhKkmsSAnNVzOXxZBp", c) < 0 {
				return nil, pgerr.Newf("22023", "unknown pattern letter: %c", c)
			}
			out = append(out, javaItem{letter: c, n: j - i, optional: depth})
			i = j
		default:
			out = append(out, javaItem{text: string(c), optional: depth})
			i++
		}
	}
	return out, nil
}

// javaFormat prints an instant by a pattern, in a zone.
func javaFormat(pattern string, t int64, loc *time.Location) (vec.Value, error) {
	items, err := splitJava(pattern)
	if err != nil {
		return nil, err
	}
	s := momentOf(t, loc)
	var b strings.Builder
	for _, it := range items {
		if it.letter == 0 {
			b.WriteString(it.text)
			continue
		}
		b.WriteString(s.java(it))
	}
	return b.String(), nil
}

func (s shown) java(it javaItem) string {
	num := func(x int64) string { return fmt.Sprintf("%0*d", it.n, x) }
	year := s.year
	switch it.letter {
	case 'G':
		if year <= 0 {
			return "BC"
		}
		return "AD"
	case 'y', 'u', 'Y':
		if it.letter == 'y' && year <= 0 {
			year = 1 - year
		}
		if it.letter == 'Y' {
			year, _ = isoWeek(s.dayNo)
		}
		if it.n == 2 {
			return fmt.Sprintf("%02d", year%100)
		}
		return num(year)
	case 'M', 'L':
		if it.n >= 3 {
			return javaName(months[s.month-1], it.n)
		}
		return num(int64(s.month))
	case 'd':
		return num(int64(s.day))
	case 'D':
		return num(s.dayNo - vec.DaysFromCivil(s.year, 1, 1) + 1)
	case 'E':
		return javaName(weekdays[isoWeekday(s.dayNo)%7], max(it.n, 3))
	case 'e':
		if it.n >= 3 {
			return javaName(weekdays[isoWeekday(s.dayNo)%7], it.n)
		}
		return num(int64(isoWeekday(s.dayNo)%7 + 1))
	case 'Q', 'q':
		q := (s.month-1)/3 + 1
		if it.n == 3 {
			return fmt.Sprintf("Q%d", q)
		}
		return num(int64(q))
	case 'w':
		_, w := isoWeek(s.dayNo)
		return num(int64(w))
	case 'a':
		if s.hour >= 12 {
			return "PM"
		}
		return "AM"
	case 'H':
		return num(s.hour)
	case 'k':
		return num((s.hour+23)%24 + 1)
	case 'K':
		return num(s.hour % 12)
	case 'h':
		return num((s.hour+11)%12 + 1)
	case 'm':
		return num(int64(s.minute))
	case 's':
		return num(int64(s.sec))
	case 'S':
		frac := fmt.Sprintf("%06d000", s.micro)
		return frac[:min(it.n, 9)]
	case 'A':
		return num(s.hour*3600000 + int64(s.minute*60000+s.sec*1000+s.micro/1000))
	case 'n':
		return num(int64(s.micro) * 1000)
	case 'V', 'z':
		if s.zone == "UTC" && it.letter == 'V' {
			return "UTC"
		}
		return s.zone
	}
	return javaOffset(it, s.offset)
}

func javaName(name string, n int) string {
	switch n {
	case 3:
		return name[:3]
	case 5:
		return name[:1]
	}
	return name
}

// javaOffset prints X, x, Z and O.
func javaOffset(it javaItem, off int) string {
	if off == 0 && it.letter == 'X' {
		return "Z"
	}
	sign := '+'
	if off < 0 {
		sign, off = '-', -off
	}
	h, m := off/3600, off/60%60
	switch {
	case it.letter == 'O':
		if off == 0 {
			return "GMT"
		}
		return fmt.Sprintf("GMT%c%d:%02d", sign, h, m)
	case it.letter == 'Z' && it.n < 4, it.n == 2 && it.letter != 'Z':
		return fmt.Sprintf("%c%02d%02d", sign, h, m)
	case it.n == 1 && m == 0:
		return fmt.Sprintf("%c%02d", sign, h)
	case it.n == 1:
		return fmt.Sprintf("%c%02d%02d", sign, h, m)
	}
	return fmt.Sprintf("%c%02d:%02d", sign, h, m)
}

// javaRead collects the fields that a text has.
type javaRead struct {
	year                    int64
	month, day, doy         int
	hour, minute, sec, frac int64
	h12, pm, bc             bool
	zone                    *time.Location
}

// ParseJavaTime reads a text by a pattern of java.time.format.DateTimeFormatter, as
// TIMESTAMP_FORMAT has it, giving microseconds since 1970 in UTC. A text without
// a zone is in UTC.
func ParseJavaTime(pattern, s string) (micros int64, err error) {
	return javaParse(pattern, s, time.UTC)
}

func javaParse(pattern, s string, loc *time.Location) (int64, error) {
	t, rest, err := javaParsePrefix(pattern, s, loc)
	if err == nil && rest != "" {
		err = javaUnparsed(s, pattern)
	}
	return t, err
}

func javaUnparsed(s, pattern string) error {
	return pgerr.Newf(pgerr.InvalidDatetime, "failed to parse '%s' with formatter '%s'", s, pattern)
}

// javaParsePrefix parses as much of s as the pattern asks for and returns the
// rest, too.
func javaParsePrefix(pattern, s string, loc *time.Location) (int64, string, error) {
	items, err := splitJava(pattern)
	if err != nil {
		return 0, s, err
	}
	fail := func() (int64, string, error) {
		return 0, s, javaUnparsed(s, pattern)
	}
	r := javaRead{year: 1970, month: 1, day: 1}
	rest := s
	for i := 0; i < len(items); i++ {
		it := items[i]
		adjacent := i+1 < len(items) && items[i+1].letter != 0
		after, ok := r.read(it, rest, adjacent)
		if !ok {
			if it.optional == 0 {
				return fail()
			}
			for i+1 < len(items) && items[i+1].optional >= it.optional { // skip the optional part
				i++
			}
			continue
		}
		rest = after
	}
	if r.h12 {
		r.hour %= 12
		if r.pm {
			r.hour += 12
		}
	}
	if r.bc {
		r.year = 1 - r.year
	}
	if r.month < 1 || r.month > 12 || r.day < 1 || r.hour > 23 || r.minute > 59 || r.sec > 59 || r.day > 31 {
		return fail()
	}
	// Java's default resolver turns 31 April into 30 April.
	day := vec.DaysFromCivil(r.year, r.month, min(r.day, vec.DaysInMonth(r.year, r.month)))
	if r.doy > 0 {
		day = vec.DaysFromCivil(r.year, 1, 1) + int64(r.doy-1)
	}
	t := day*perDay + r.hour*perHour + r.minute*perMinute + r.sec*perSecond + r.frac
	if r.zone != nil {
		loc = r.zone
	}
	t, err = checked(vec.LocalToUTC(t, loc))
	return t, rest, err
}

func (r *javaRead) read(it javaItem, s string, adjacent bool) (string, bool) {
	if it.letter == 0 {
		return strings.CutPrefix(s, it.text)
	}
	number := func(least, most int) (int64, string, bool) {
		if most == 1 && it.n == 1 && !adjacent {
			most = 9
		}
		v, rest := leadingInt(s, most)
		return v, rest, len(s)-len(rest) >= least && len(s) > len(rest)
	}
	name := func(names []string) (int, string, bool) {
		for _, full := range []bool{true, false} {
			for i, n := range names {
				if !full {
					n = n[:3]
				}
				if full == (it.n == 4) && len(s) >= len(n) && strings.EqualFold(s[:len(n)], n) {
					return i, s[len(n):], true
				}
			}
		}
		return 0, s, false
	}
	set := func(to *int64, width int) (string, bool) {
		most := width
		if it.n == 1 && !adjacent {
			most = 9
		}
		v, rest, ok := number(it.n, most)
		*to = v
		return rest, ok
	}
	setInt := func(to *int, width int) (string, bool) {
		var v int64
		rest, ok := set(&v, width)
		*to = int(v)
		return rest, ok
	}
	switch it.letter {
	case 'y', 'u', 'Y':
		neg := strings.HasPrefix(s, "-") && it.letter == 'u'
		if neg {
			s = s[1:]
		}
		most := it.n
		if it.n != 2 && !adjacent {
			most = 9
		}
		v, rest, ok := number(it.n, most)
		if it.n == 2 {
			v += 2000
		}
		if neg {
			v = -v
		}
		r.year = v
		return rest, ok
	case 'M', 'L':
		if it.n >= 3 {
			i, rest, ok := name(months[:])
			r.month = i + 1
			return rest, ok
		}
		return setInt(&r.month, 2)
	case 'd':
		return setInt(&r.day, 2)
	case 'D':
		return setInt(&r.doy, 3)
	case 'E', 'e':
		_, rest, ok := name(weekdays[:])
		return rest, ok
	case 'a':
		if len(s) < 2 {
			return s, false
		}
		r.h12, r.pm = true, strings.EqualFold(s[:2], "pm")
		return s[2:], r.pm || strings.EqualFold(s[:2], "am")
	case 'G':
		if len(s) < 2 {
			return s, false
		}
		r.bc = strings.EqualFold(s[:2], "bc")
		return s[2:], true
	case 'H', 'k':
		rest, ok := set(&r.hour, 2)
		if it.letter == 'k' && r.hour == 24 {
			r.hour = 0
		}
		return rest, ok
	case 'h', 'K':
		return set(&r.hour, 2)
	case 'm':
		return set(&r.minute, 2)
	case 's':
		return set(&r.sec, 2)
	case 'S':
		v, rest, ok := number(it.n, it.n)
		r.frac = scaled(v, it.n, 6)
		return rest, ok
	case 'X', 'x', 'Z', 'V', 'z', 'O':
		return r.readZone(it, s)
	}
	return s, false
}

func (r *javaRead) readZone(it javaItem, s string) (string, bool) {
	if strings.HasPrefix(s, "Z") && (it.letter == 'X' || it.letter == 'V') {
		r.zone = time.UTC
		return s[1:], true
	}
	end := 0
	for end < len(s) && (s[end] != ' ' && s[end] != ']' && s[end] != ')') {
		end++
	}
	if end == 0 {
		return s, false
	}
	loc, err := javaZone(s[:end])
	if err != nil {
		return s, false
	}
	r.zone = loc
	return s[end:], true
}
