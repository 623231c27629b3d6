package vec

import (
	"strconv"
	"strings"
	"time"

	"github.com/weirdb/weir/internal/pgerr"
)

// moment collects what the words of a date or time literal say.
type moment struct {
	year       int64
	month, day int
	micros     int64 // of the day
	offset     int   // seconds east of UTC
	zone       *time.Location
	hasDate    bool
	hasTime    bool
	hasOffset  bool
	hasYear    bool
	hasMonth   bool
	bc         bool
	pm, am     bool
	special    string // infinity, -infinity, epoch, now, today, ...
	numbers    [3]string
	nnumbers   int
	monthAt    int // how many numbers stood before the month's name
}

type dateError uint8

const (
	dateOK       dateError = iota
	dateSyntax             // 22007
	dateOverflow           // 22008
	dateMonth              // 22008, with a hint
	dateZone               // unknown zone
	dateZoneDisp           // 22009
)

func dateErr(e dateError, typ, s, zone string) error {
	switch e {
	case dateSyntax:
		return pgerr.Newf(pgerr.InvalidDatetime, "invalid input syntax for type %s: \"%s\"", typ, s)
	case dateMonth:
		return pgerr.Newf(pgerr.DatetimeOverflow, "date/time field value out of range: \"%s\"", s).
			Hintf("Perhaps you need a different \"datestyle\" setting.")
	case dateZone:
		return pgerr.Newf("22023", "time zone \"%s\" not recognized", zone)
	case dateZoneDisp:
		return pgerr.Newf("22009", "time zone displacement out of range: \"%s\"", s)
	}
	return pgerr.Newf(pgerr.DatetimeOverflow, "date/time field value out of range: \"%s\"", s)
}

// ParseDate reads a date.
func ParseDate(s string, f *TextFormat) (int64, error) {
	if day, ok := isoDate(s); ok {
		return day, nil
	}
	m, err := readMoment(s, "date")
	if err != nil {
		return 0, err
	}
	if m.special != "" {
		ts, err := m.specialTime(s, "date", f)
		if err != nil || ts == PosInfinity || ts == NegInfinity {
			return ts, err
		}
		day, _ := SplitMicros(UTCToLocal(ts, f.zone()))
		return day, nil
	}
	if !m.hasDate {
		return 0, dateErr(dateSyntax, "date", s, "")
	}
	day := DaysFromCivil(m.year, m.month, m.day)
	if !ValidDate(day) {
		return 0, pgerr.Newf(pgerr.DatetimeOverflow, "date out of range: \"%s\"", s)
	}
	return day, nil
}

// isoDate reads 2024-02-29, the common case.
func isoDate(s string) (int64, bool) {
	if len(s) != 10 || s[4] != '-' || s[7] != '-' {
		return 0, false
	}
	y1, ok1 := two(s[0:])
	y2, ok2 := two(s[2:])
	mo, ok3 := two(s[5:])
	d, ok4 := two(s[8:])
	y := int64(y1*100 + y2)
	if !(ok1 && ok2 && ok3 && ok4) || y == 0 || mo < 1 || mo > 12 || d < 1 || d > DaysInMonth(y, mo) {
		return 0, false
	}
	return DaysFromCivil(y, mo, d), true
}

func two(s string) (int, bool) {
	a, b := s[0]-'0', s[1]-'0'
	return int(a)*10 + int(b), a < 10 && b < 10
}

// ParseTime reads a time of day; a zone is allowed and ignored.
func ParseTime(s string, f *TextFormat) (int64, error) {
	m, err := readMoment(s, "time")
	if err != nil {
		return 0, err
	}
	if m.special != "" {
		if m.special == "infinity" || m.special == "-infinity" || m.special == "epoch" {
			return 0, dateErr(dateSyntax, "time", s, "")
		}
		ts, err := m.specialTime(s, "time", f)
		if err != nil {
			return 0, err
		}
		_, micros := SplitMicros(UTCToLocal(ts, f.zone()))
		return micros, nil
	}
	if !m.hasTime {
		return 0, dateErr(dateSyntax, "time", s, "")
	}
	return m.micros, nil
}

// ParseTimestamp reads a timestamp; a zone is allowed and ignored.
func ParseTimestamp(s string, f *TextFormat) (int64, error) {
	m, err := readMoment(s, "timestamp")
	if err != nil {
		return 0, err
	}
	if m.special != "" {
		ts, err := m.specialTime(s, "timestamp", f)
		if err != nil || m.special == "epoch" {
			return ts, err
		}
		return UTCToLocal(ts, f.zone()), nil
	}
	return m.timestamp(s, "timestamp")
}

// ParseTimestampTZ reads an instant. Without a zone it is one of the session's.
func ParseTimestampTZ(s string, f *TextFormat) (int64, error) {
	const typ = "timestamp with time zone"
	m, err := readMoment(s, typ)
	if err != nil {
		return 0, err
	}
	if m.special != "" {
		return m.specialTime(s, typ, f)
	}
	ts, err := m.timestamp(s, typ)
	if err != nil {
		return 0, err
	}
	switch {
	case m.zone != nil:
		ts = LocalToUTC(ts, m.zone)
	case m.hasOffset:
		ts -= int64(m.offset) * microsPerSecond
	default:
		ts = LocalToUTC(ts, f.zone())
	}
	if !ValidTimestamp(ts) {
		return 0, pgerr.Newf(pgerr.DatetimeOverflow, "timestamp out of range: \"%s\"", s)
	}
	return ts, nil
}

func (m *moment) timestamp(s, typ string) (int64, error) {
	if !m.hasDate {
		return 0, dateErr(dateSyntax, typ, s, "")
	}
	day := DaysFromCivil(m.year, m.month, m.day)
	if day < minDay || day > endTimestampDay {
		return 0, pgerr.Newf(pgerr.DatetimeOverflow, "timestamp out of range: \"%s\"", s)
	}
	ts := day*MicrosPerDay + m.micros
	if !ValidTimestamp(ts) {
		return 0, pgerr.Newf(pgerr.DatetimeOverflow, "timestamp out of range: \"%s\"", s)
	}
	return ts, nil
}

// specialTime is the instant that a word like now or tomorrow names.
func (m *moment) specialTime(s, typ string, f *TextFormat) (int64, error) {
	switch m.special {
	case "infinity":
		return PosInfinity, nil
	case "-infinity":
		return NegInfinity, nil
	case "epoch":
		return 0, nil
	}
	if f == nil || f.Now.IsZero() {
		return 0, dateErr(dateSyntax, typ, s, "")
	}
	now := f.Now.UnixMicro()
	if m.special == "now" {
		return now, nil
	}
	day, _ := SplitMicros(UTCToLocal(now, f.zone()))
	switch m.special {
	case "tomorrow":
		day++
	case "yesterday":
		day--
	}
	return LocalToUTC(day*MicrosPerDay+m.micros, f.zone()), nil
}

// readMoment reads the words of a literal in the order that DateStyle ISO, MDY
// gives them (DecodeDateTime in datetime.c).
func readMoment(in, typ string) (*moment, error) {
	m := &moment{}
	s := trimSpace(in)
	if s == "" || len(s) > 128 {
		return nil, dateErr(dateSyntax, typ, in, "")
	}
	for s != "" {
		c := s[0]
		var e dateError
		n := 1
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == ',':
		case c >= '0' && c <= '9':
			n = numberWord(s)
			e = m.number(s[:n], typ)
			// A T joins a date and a time.
			if n < len(s)-1 && (s[n] == 'T' || s[n] == 't') && s[n+1] >= '0' && s[n+1] <= '9' {
				n++
			}
		case (c == '+' || c == '-') && len(s) > 1 && s[1] >= '0' && s[1] <= '9' && (m.hasTime || m.hasDate):
			n = 1
			for n < len(s) && (s[n] >= '0' && s[n] <= '9' || s[n] == ':') {
				n++
			}
			m.offset, e = parseOffset(s[:n])
			if m.hasOffset && m.zone == nil && m.offset == 0 {
				e = dateSyntax
			}
			m.hasOffset, m.zone = true, nil
		case c == '-' && len(s) > 1 && isLetter(s[1]):
			w := 1
			for w < len(s) && isLetter(s[w]) {
				w++
			}
			if strings.EqualFold(s[:w], "-infinity") || strings.EqualFold(s[:w], "-inf") {
				m.special, n = "-infinity", w
			}
			// else it only separates, as in 08-Jan-1999
		case c == '-' && m.nnumbers+m.monthCount() > 0 && !m.hasTime:
			// likewise
		case isLetter(c):
			n = 1
			for n < len(s) && (isLetter(s[n]) || s[n] == '/' || s[n] == '_' || s[n] == '.' ||
				s[n] == '-' && n+1 < len(s) && isLetter(s[n+1]) && strings.Contains(s[:n], "/") ||
				(s[n] == '+' || s[n] == '-' || s[n] >= '0' && s[n] <= '9') && strings.HasPrefix(strings.ToLower(s), "etc/")) {
				n++
			}
			var bad string
			e, bad = m.word(s[:n])
			if e == dateZone {
				return nil, dateErr(e, typ, in, bad)
			}
			if c == '+' {
				e = dateSyntax
			}
		default:
			e = dateSyntax
		}
		if e != dateOK {
			return nil, dateErr(e, typ, in, "")
		}
		s = s[n:]
	}
	if e := m.finish(typ); e != dateOK {
		return nil, dateErr(e, typ, in, "")
	}
	return m, nil
}

func (m *moment) monthCount() int {
	if m.hasMonth {
		return 1
	}
	return 0
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// numberWord returns the length of the digits and separators at the front of s.
// A hyphen belongs to a date only: after a time it begins a zone.
func numberWord(s string) int {
	n, colon, sep := 0, false, false
	for n < len(s) {
		switch c := s[n]; {
		case c >= '0' && c <= '9':
		case c == '.':
		case c == ':':
			colon = true
		case (c == '-' || c == '/') && !colon && n+1 < len(s) && s[n+1] >= '0' && s[n+1] <= '9' && (sep || n < 7 || c == '/'):
			sep = true
		default:
			return n
		}
		n++
	}
	return n
}

func (m *moment) number(w, typ string) dateError {
	switch {
	case strings.Contains(w, ":"):
		return m.time(w)
	case strings.ContainsAny(w, "-/") || strings.Count(w, ".") == 2:
		if m.hasDate || m.nnumbers > 0 || m.hasMonth {
			return dateSyntax
		}
		return m.date(strings.FieldsFunc(w, func(r rune) bool { return r == '-' || r == '/' || r == '.' }))
	case (m.hasDate || typ == "time") && !m.hasTime && (len(w) == 6 || len(w) == 4 || len(w) > 7 && w[6] == '.'):
		t := w[:2] + ":" + w[2:4]
		if len(w) >= 6 {
			t += ":" + w[4:]
		}
		return m.time(t)
	case strings.Contains(w, "."):
		return dateSyntax
	case len(w) == 8 && m.nnumbers == 0 && !m.hasMonth && !m.hasDate:
		return m.date([]string{w[:4], w[4:6], w[6:]})
	case len(w) == 14 && m.nnumbers == 0 && !m.hasDate:
		if e := m.date([]string{w[:4], w[4:6], w[6:8]}); e != dateOK {
			return e
		}
		return m.time(w[8:10] + ":" + w[10:12] + ":" + w[12:])
	case len(w) == 6 && m.nnumbers == 0 && !m.hasMonth && !m.hasDate:
		return m.date([]string{w[:2], w[2:4], w[4:]})
	case m.nnumbers < 3 && !m.hasDate && len(w) < 8:
		m.numbers[m.nnumbers] = w
		m.nnumbers++
		if !m.hasMonth {
			m.monthAt = m.nnumbers
		}
		return dateOK
	case m.nnumbers == 0 && !m.hasTime && m.hasDate && len(w) <= 2:
		return m.time(w + ":00") // an hour before AM or PM
	}
	return dateSyntax
}

// date takes three numbers in the order YMD if the first is long, else MDY.
func (m *moment) date(parts []string) dateError {
	if len(parts) != 3 {
		if len(parts) == 2 && len(parts[0]) >= 4 && len(parts[1]) == 3 { // 2024-060, day of the year
			y, _ := strconv.ParseInt(parts[0], 10, 64)
			d, _ := strconv.Atoi(parts[1])
			if d < 1 || d > 366 {
				return dateOverflow
			}
			m.year, m.month, m.day = CivilFromDays(DaysFromCivil(y, 1, 1) + int64(d) - 1)
			m.hasDate, m.hasYear = true, true
			return dateOK
		}
		return dateSyntax
	}
	y, mo, d := parts[0], parts[1], parts[2]
	if len(y) < 3 {
		y, mo, d = parts[2], parts[0], parts[1]
	}
	return m.setDate(y, mo, d)
}

func (m *moment) setDate(y, mo, d string) dateError {
	year, err := strconv.ParseInt(y, 10, 32)
	if err != nil {
		return dateOverflow
	}
	if len(y) <= 2 {
		if year += 1900; year < 1970 {
			year += 100
		}
	}
	var err1, err2 error
	m.month, err1 = strconv.Atoi(mo)
	m.day, err2 = strconv.Atoi(d)
	if err1 != nil || err2 != nil {
		return dateOverflow
	}
	m.year, m.hasDate, m.hasYear = year, true, true
	return dateOK
}

// time reads 10:11, 10:11:12.5 and 24:00:00.
func (m *moment) time(w string) dateError {
	if m.hasTime {
		return dateSyntax
	}
	parts := strings.Split(w, ":")
	if len(parts) > 3 {
		return dateSyntax
	}
	var v [3]int64
	var frac int64
	for i, p := range parts {
		if i == len(parts)-1 {
			if whole, f, ok := strings.Cut(p, "."); ok {
				if i == 0 {
					return dateSyntax
				}
				p = whole
				var e bool
				if frac, e = fraction(f); !e {
					return dateSyntax
				}
				if len(parts) == 2 { // mm:ss.f is minutes and seconds
					v[1] = v[0]
					v[0] = 0
					n, err := strconv.ParseInt(p, 10, 32)
					if err != nil {
						return dateSyntax
					}
					v[2] = n
					break
				}
			}
		}
		n, err := strconv.ParseInt(p, 10, 32)
		if err != nil {
			return dateSyntax
		}
		v[i] = n
	}
	if v[0] > 24 || v[1] > 59 || v[2] > 60 || v[0] == 24 && (v[1] > 0 || v[2] > 0 || frac > 0) {
		return dateOverflow
	}
	m.micros = v[0]*microsPerHour + v[1]*microsPerMinute + v[2]*microsPerSecond + frac
	m.hasTime = true
	return dateOK
}

// fraction reads the digits after a point as microseconds, rounded.
func fraction(s string) (int64, bool) {
	if s == "" {
		return 0, true
	}
	x, err := strconv.ParseFloat("0."+s, 64)
	if err != nil {
		return 0, false
	}
	return int64(x*1e6 + 0.5), true
}

var monthNames = [...]string{"january", "february", "march", "april", "may", "june", "july",
	"august", "september", "october", "november", "december"}

var dayNames = [...]string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}

// word takes a name: month, weekday, AM, BC, zone, ... For an unknown zone it
// returns its name.
func (m *moment) word(w string) (dateError, string) {
	l := strings.ToLower(strings.TrimRight(w, "."))
	switch l {
	case "infinity", "inf", "epoch", "now", "today", "tomorrow", "yesterday":
		if l == "inf" {
			l = "infinity"
		}
		m.special = l
		return dateOK, ""
	case "allballs":
		m.hasTime, m.micros = true, 0
		return dateOK, ""
	case "am", "a.m":
		m.am = true
		return dateOK, ""
	case "pm", "p.m":
		m.pm = true
		return dateOK, ""
	case "bc", "b.c":
		m.bc = true
		return dateOK, ""
	case "ad", "a.d", "t", "at", "on":
		return dateOK, ""
	case "z", "zulu":
		m.hasOffset, m.offset = true, 0
		return dateOK, ""
	}
	for i, name := range monthNames {
		if l == name || l == name[:3] || l == "sept" && i == 8 {
			if m.hasMonth {
				return dateSyntax, ""
			}
			m.month, m.hasMonth, m.monthAt = i+1, true, m.nnumbers
			return dateOK, ""
		}
	}
	for _, name := range dayNames {
		if l == name || len(l) >= 3 && strings.HasPrefix(name, l) && len(l) <= 5 {
			return dateOK, ""
		}
	}
	if off, ok := zoneAbbreviations[l]; ok {
		m.hasOffset, m.offset = true, off*60
		return dateOK, ""
	}
	if loc, err := LoadZone(w); err == nil && (strings.Contains(w, "/") || len(w) > 2) {
		m.zone, m.hasOffset = loc, true
		return dateOK, ""
	}
	if strings.Contains(w, "/") {
		return dateZone, w
	}
	return dateSyntax, ""
}

// zoneAbbreviations is the useful part of PostgreSQL's Default set, in minutes.
var zoneAbbreviations = map[string]int{
	"utc": 0, "gmt": 0, "ut": 0, "wet": 0, "west": 60, "cet": 60, "cest": 120, "met": 60, "mest": 120,
	"eet": 120, "eest": 180, "msk": 180, "bst": 60, "est": -300, "edt": -240, "cst": -360, "cdt": -300,
	"mst": -420, "mdt": -360, "pst": -480, "pdt": -420, "akst": -540, "akdt": -480, "hst": -600,
	"jst": 540, "kst": 540, "ist": 120, "nzst": 720, "nzdt": 780, "aest": 600, "aedt": 660, "acst": 570,
	"acdt": 630, "awst": 480, "sgt": 480, "hkt": 480, "brt": -180, "art": -180, "clt": -240,
}

// LoadZone finds a time zone: a name of the zone database, an abbreviation or
// an offset in POSIX style, in which west is positive.
func LoadZone(name string) (*time.Location, error) {
	bad := func() error { return pgerr.Newf("22023", "time zone \"%s\" not recognized", name) }
	l := strings.ToLower(name)
	switch l {
	case "":
		return nil, bad()
	case "utc", "z", "zulu", "gmt", "etc/utc", "etc/gmt", "uct":
		return time.UTC, nil
	}
	if min, ok := zoneAbbreviations[l]; ok && !strings.Contains(name, "/") {
		return time.FixedZone(strings.ToUpper(name), min*60), nil
	}
	if c := name[0]; c == '+' || c == '-' || c >= '0' && c <= '9' {
		s := name
		if c != '+' && c != '-' {
			s = "+" + s
		}
		off, e := parseOffset(s)
		if e != dateOK {
			return nil, bad()
		}
		return time.FixedZone(name, -off), nil
	}
	if len(name) > 64 || l == "local" {
		return nil, bad()
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		loc, err = time.LoadLocation(titled(l))
	}
	if err != nil {
		if i := strings.IndexAny(name, "+-"); i == 3 && isLetter(name[0]) { // UTC+3
			if off, e := parseOffset(name[i:]); e == dateOK {
				return time.FixedZone(name, -off), nil
			}
		}
		return nil, bad()
	}
	return loc, nil
}

// titled writes america/new_york as the zone database does.
func titled(s string) string {
	b := []byte(s)
	for i := range b {
		if i == 0 || b[i-1] == '/' || b[i-1] == '_' || b[i-1] == '-' {
			if b[i] >= 'a' && b[i] <= 'z' {
				b[i] -= 'a' - 'A'
			}
		}
	}
	return string(b)
}

// parseOffset reads +01, -0330, +05:30 and +00:53:28 as seconds.
func parseOffset(s string) (int, dateError) {
	sign := 1
	if s[0] == '-' {
		sign = -1
	}
	d := s[1:]
	parts := strings.Split(d, ":")
	if len(parts) == 1 {
		switch {
		case len(d) == 4 || len(d) == 3:
			parts = []string{d[:len(d)-2], d[len(d)-2:]}
		case len(d) == 6:
			parts = []string{d[:2], d[2:4], d[4:]}
		}
	}
	if len(parts) > 3 {
		return 0, dateSyntax
	}
	off, unit := 0, 3600
	for i, p := range parts {
		n, err := strconv.Atoi(p)
		if err != nil || len(p) > 2 {
			return 0, dateSyntax
		}
		if i == 0 && n > 15 || i > 0 && n > 59 {
			return 0, dateZoneDisp
		}
		off += n * unit
		unit /= 60
	}
	return sign * off, dateOK
}

// finish puts the loose numbers in their places and checks the ranges.
func (m *moment) finish(typ string) dateError {
	if m.special != "" {
		if m.hasDate || m.hasMonth || m.nnumbers > 0 || m.hasTime && (m.special[0] != 't' && m.special != "yesterday") {
			return dateSyntax
		}
		return dateOK
	}
	if !m.hasDate && m.nnumbers > 0 {
		if e := m.looseDate(typ); e != dateOK {
			return e
		}
	} else if m.hasMonth && !m.hasDate {
		return dateSyntax
	}
	if m.am || m.pm {
		h := m.micros / microsPerHour
		switch {
		case !m.hasTime:
			return dateSyntax
		case h > 12 || h == 0:
			return dateOverflow
		case m.pm && h < 12:
			m.micros += 12 * microsPerHour
		case m.am && h == 12:
			m.micros -= 12 * microsPerHour
		}
	}
	if !m.hasDate {
		if m.bc {
			return dateSyntax
		}
		return dateOK
	}
	if m.year == 0 {
		return dateOverflow // there is no year 0
	}
	if m.bc {
		m.year = 1 - m.year
	}
	if m.month < 1 || m.month > 12 || m.day < 1 || m.day > 31 {
		return dateMonth
	}
	if m.day > DaysInMonth(m.year, m.month) {
		return dateOverflow
	}
	return dateOK
}

// looseDate makes a date of numbers that stand alone, with a month's name.
func (m *moment) looseDate(typ string) dateError {
	if typ == "time" && m.nnumbers == 1 && !m.hasMonth && (m.am || m.pm) {
		m.nnumbers = 0
		return m.time(m.numbers[0] + ":00")
	}
	if !m.hasMonth || m.nnumbers != 2 {
		if m.hasMonth && m.nnumbers == 3 && (m.am || m.pm) { // Jan 8 1999 5 PM
			if e := m.time(m.numbers[2] + ":00"); e != dateOK {
				return e
			}
			m.nnumbers = 2
			return m.looseDate(typ)
		}
		return dateSyntax
	}
	y, d := m.numbers[1], m.numbers[0]
	if len(y) < 3 && (len(d) >= 3 || m.monthAt == 1 && len(d) >= 3) {
		y, d = d, y
	}
	return m.setDate(y, strconv.Itoa(m.month), d)
}
