package vec

import (
	"strconv"
	"time"
)

const (
	microsPerSecond = 1_000_000
	microsPerMinute = 60 * microsPerSecond
	microsPerHour   = 60 * microsPerMinute
	// MicrosPerDay is the length of a day without daylight saving.
	MicrosPerDay = 24 * microsPerHour
)

// Days that dates and timestamps may reach (PostgreSQL, table 8.9): from
// 4714-11-24 BC on; dates to the end of 5874897, timestamps to that of 294246, thirty years
// less than there, because an int64 counts microseconds from 1970 here.
const (
	minDay          = -2440588
	endDay          = 2145042906
	endTimestampDay = 106751979
)

// DaysFromCivil returns the day number, from 1970-01-01, of a date of the
// proleptic Gregorian calendar. Year 0 is 1 BC. Months and days may be out of
// their ranges by a little: day 0 is the last of the month before.
func DaysFromCivil(year int64, month, day int) int64 {
	// Howard Hinnant, chrono-compatible low-level date algorithms.
	y := year
	if month <= 2 {
		y--
	}
	era := y / 400
	if y < 0 {
		era = (y - 399) / 400
	}
	yoe := y - era*400
	mp := int64(month+9) % 12
	doy := (153*mp+2)/5 + int64(day) - 1
	doe := yoe*365 + yoe/4 - yoe/100 + doy
	return era*146097 + doe - 719468
}

// CivilFromDays is the inverse of DaysFromCivil.
func CivilFromDays(days int64) (year int64, month, day int) {
	z := days + 719468
	era := z / 146097
	if z < 0 {
		era = (z - 146096) / 146097
	}
	doe := z - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	day = int(doy - (153*mp+2)/5 + 1)
	month = int(mp + 3)
	if month > 12 {
		month -= 12
	}
	year = yoe + era*400
	if month <= 2 {
		year++
	}
	return year, month, day
}

// DaysInMonth returns the length of a month.
func DaysInMonth(year int64, month int) int {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// SplitMicros splits a timestamp into its day and the microseconds since that
// day's midnight.
func SplitMicros(ts int64) (day, micros int64) {
	day = ts / MicrosPerDay
	micros = ts % MicrosPerDay
	if micros < 0 {
		micros += MicrosPerDay
		day--
	}
	return day, micros
}

// ZoneOffset returns how many seconds loc is ahead of UTC at an instant, given
// in microseconds since 1970.
func ZoneOffset(micros int64, loc *time.Location) int {
	if loc == nil || loc == time.UTC {
		return 0
	}
	_, off := time.UnixMicro(micros).In(loc).Zone()
	return off
}

// LocalToUTC returns the instant at which clocks in loc show the local
// timestamp ts. Where clocks skip or repeat it, the offset in force before the
// change counts, as in PostgreSQL.
func LocalToUTC(ts int64, loc *time.Location) int64 {
	if loc == nil || loc == time.UTC || ts == PosInfinity || ts == NegInfinity {
		return ts
	}
	// The offset a day before and a day after bound every change in between.
	before := int64(ZoneOffset(ts-MicrosPerDay, loc)) * microsPerSecond
	after := int64(ZoneOffset(ts+MicrosPerDay, loc)) * microsPerSecond
	if before == after {
		if off := int64(ZoneOffset(ts-before, loc)) * microsPerSecond; off == before {
			return ts - before
		}
	}
	a, b := ts-before, ts-after
	aOK := int64(ZoneOffset(a, loc))*microsPerSecond == before
	bOK := int64(ZoneOffset(b, loc))*microsPerSecond == after
	switch {
	case aOK && bOK && before > after: // the hour is repeated: standard time counts
		return b
	case aOK:
		return a
	case bOK:
		return b
	}
	return a
}

// UTCToLocal returns what clocks in loc show at an instant.
func UTCToLocal(ts int64, loc *time.Location) int64 {
	if ts == PosInfinity || ts == NegInfinity {
		return ts
	}
	return ts + int64(ZoneOffset(ts, loc))*microsPerSecond
}

// AppendDate appends a date as 2024-02-29.
func AppendDate(dst []byte, days int64) []byte {
	switch days {
	case PosInfinity:
		return append(dst, "infinity"...)
	case NegInfinity:
		return append(dst, "-infinity"...)
	}
	dst, bc := appendYMD(dst, days)
	return appendBC(dst, bc)
}

// AppendTime appends a time of day as 10:11:12.5.
func AppendTime(dst []byte, micros int64) []byte {
	h := micros / microsPerHour
	micros -= h * microsPerHour
	m := micros / microsPerMinute
	micros -= m * microsPerMinute
	dst = append2(dst, int(h))
	dst = append2(append(dst, ':'), int(m))
	dst = append2(append(dst, ':'), int(micros/microsPerSecond))
	return appendFraction(dst, int(micros%microsPerSecond))
}

// AppendTimestamp appends a timestamp as 2024-02-29 10:11:12.5.
func AppendTimestamp(dst []byte, ts int64) []byte { return appendTimestamp(dst, ts, ' ') }

func appendTimestamp(dst []byte, ts int64, sep byte) []byte {
	switch ts {
	case PosInfinity:
		return append(dst, "infinity"...)
	case NegInfinity:
		return append(dst, "-infinity"...)
	}
	day, micros := SplitMicros(ts)
	dst, bc := appendYMD(dst, day)
	dst = AppendTime(append(dst, sep), micros)
	return appendBC(dst, bc)
}

// AppendTimestampTZ appends an instant as clocks in loc show it, with their
// offset: 2024-02-29 10:11:12.5+01.
func AppendTimestampTZ(dst []byte, ts int64, loc *time.Location) []byte {
	return appendTimestampTZ(dst, ts, loc, ' ')
}

func appendTimestampTZ(dst []byte, ts int64, loc *time.Location, sep byte) []byte {
	if ts == PosInfinity || ts == NegInfinity {
		return appendTimestamp(dst, ts, sep)
	}
	off := ZoneOffset(ts, loc)
	day, micros := SplitMicros(ts + int64(off)*microsPerSecond)
	dst, bc := appendYMD(dst, day)
	dst = AppendTime(append(dst, sep), micros)
	dst = appendOffset(dst, off)
	return appendBC(dst, bc)
}

// appendOffset writes +01, -03:30 or +00:53:28.
func appendOffset(dst []byte, off int) []byte {
	sign := byte('+')
	if off < 0 {
		sign, off = '-', -off
	}
	dst = append2(append(dst, sign), off/3600)
	if off%3600 != 0 {
		dst = append2(append(dst, ':'), off/60%60)
	}
	if off%60 != 0 {
		dst = append2(append(dst, ':'), off%60)
	}
	return dst
}

func appendYMD(dst []byte, days int64) ([]byte, bool) {
	y, m, d := CivilFromDays(days)
	bc := y <= 0
	if bc {
		y = 1 - y
	}
	if y < 10000 {
		dst = append2(append2(dst, int(y/100)), int(y%100))
	} else {
		dst = strconv.AppendInt(dst, y, 10)
	}
	dst = append2(append(dst, '-'), m)
	dst = append2(append(dst, '-'), d)
	return dst, bc
}

func appendBC(dst []byte, bc bool) []byte {
	if bc {
		return append(dst, " BC"...)
	}
	return dst
}

func append2(dst []byte, n int) []byte {
	return append(dst, byte('0'+n/10), byte('0'+n%10))
}

// appendFraction writes .5 for 500000 microseconds, nothing for none.
func appendFraction(dst []byte, micros int) []byte {
	if micros == 0 {
		return dst
	}
	var b [7]byte
	b[0] = '.'
	for i := 6; i > 0; i-- {
		b[i] = byte('0' + micros%10)
		micros /= 10
	}
	n := 7
	for b[n-1] == '0' {
		n--
	}
	return append(dst, b[:n]...)
}

// appendInterval writes PostgreSQL's style: 1 year 2 mons -3 days +04:05:06.7
// (EncodeInterval in datetime.c). A part after a negative one shows its sign.
func appendInterval(dst []byte, x IntervalValue) []byte {
	start, negative := len(dst), false
	part := func(n int64, unit string) {
		if n == 0 {
			return
		}
		if len(dst) > start {
			dst = append(dst, ' ')
		}
		if negative && n > 0 {
			dst = append(dst, '+')
		}
		dst = strconv.AppendInt(dst, n, 10)
		dst = append(append(dst, ' '), unit...)
		if n != 1 {
			dst = append(dst, 's')
		}
		negative = n < 0
	}
	part(int64(x.Months/12), "year")
	part(int64(x.Months%12), "mon")
	part(int64(x.Days), "day")
	if len(dst) > start && x.Micros == 0 {
		return dst
	}
	if len(dst) > start {
		dst = append(dst, ' ')
	}
	u := uint64(x.Micros)
	if x.Micros < 0 {
		dst = append(dst, '-')
		u = -u
	} else if negative {
		dst = append(dst, '+')
	}
	h := u / microsPerHour
	if h < 10 {
		dst = append(dst, '0')
	}
	dst = strconv.AppendUint(dst, h, 10)
	u %= microsPerHour
	dst = append2(append(dst, ':'), int(u/microsPerMinute))
	u %= microsPerMinute
	dst = append2(append(dst, ':'), int(u/microsPerSecond))
	return appendFraction(dst, int(u%microsPerSecond))
}

// ValidDate tells whether a day is finite and within PostgreSQL's range.
func ValidDate(day int64) bool { return day >= minDay && day < endDay }

// ValidTimestamp tells whether a timestamp is finite and within PostgreSQL's range.
func ValidTimestamp(ts int64) bool {
	return ts >= minDay*MicrosPerDay && ts < endTimestampDay*MicrosPerDay
}
