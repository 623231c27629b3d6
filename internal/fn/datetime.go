package fn

import (
	"math"
	"strings"
	"time"

	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
)

const (
	perSecond = 1_000_000
	perMinute = 60 * perSecond
	perHour   = 60 * perMinute
	perDay    = vec.MicrosPerDay
)

var (
	errTimestampRange = pgerr.Newf(pgerr.DatetimeOverflow, "timestamp out of range")
	errDateRange      = pgerr.Newf(pgerr.DatetimeOverflow, "date out of range")
	errDateToTime     = pgerr.Newf(pgerr.DatetimeOverflow, "date out of range for timestamp")
)

func infinite(t int64) bool { return t == vec.PosInfinity || t == vec.NegInfinity }

// op is an operator or function on boxed values of plain kinds.
func op(name string, result vec.Kind, f func(c *Call, a []vec.Value) (vec.Value, error), kinds ...vec.Kind) *Func {
	return &Func{Name: name, Dialect: Postgres, Params: params(kinds...), Result: of(result), Eval: boxed(f)}
}

// stable marks a function that depends on the session.
func stable(f *Func) *Func {
	f.Volatility = Stable
	return f
}

// datetimes is the family of PostgreSQL's date and time functions.
var datetimes = []*Func{
	op("+", vec.Date, addDays(1), vec.Date, vec.Int32),
	op("+", vec.Date, func(c *Call, a []vec.Value) (vec.Value, error) { return addDays(1)(c, []vec.Value{a[1], a[0]}) }, vec.Int32, vec.Date),
	op("-", vec.Date, addDays(-1), vec.Date, vec.Int32),
	op("-", vec.Int32, subDates, vec.Date, vec.Date),
	op("+", vec.Timestamp, dateWith(1), vec.Date, vec.Interval),
	op("+", vec.Timestamp, swapped(dateWith(1)), vec.Interval, vec.Date),
	op("-", vec.Timestamp, dateWith(-1), vec.Date, vec.Interval),
	op("+", vec.Timestamp, dateTime, vec.Date, vec.Time),
	op("+", vec.Timestamp, swapped(dateTime), vec.Time, vec.Date),
	op("+", vec.Timestamp, addTo(1), vec.Timestamp, vec.Interval),
	op("+", vec.Timestamp, swapped(addTo(1)), vec.Interval, vec.Timestamp),
	op("-", vec.Timestamp, addTo(-1), vec.Timestamp, vec.Interval),
	stable(op("+", vec.TimestampTZ, addToTZ(1), vec.TimestampTZ, vec.Interval)),
	stable(op("+", vec.TimestampTZ, swapped(addToTZ(1)), vec.Interval, vec.TimestampTZ)),
	stable(op("-", vec.TimestampTZ, addToTZ(-1), vec.TimestampTZ, vec.Interval)),
	op("-", vec.Interval, subTimestamps, vec.Timestamp, vec.Timestamp),
	op("-", vec.Interval, subTimestamps, vec.TimestampTZ, vec.TimestampTZ),
	op("+", vec.Time, addToTime(1), vec.Time, vec.Interval),
	op("+", vec.Time, swapped(addToTime(1)), vec.Interval, vec.Time),
	op("-", vec.Time, addToTime(-1), vec.Time, vec.Interval),
	op("-", vec.Interval, func(_ *Call, a []vec.Value) (vec.Value, error) {
		return vec.IntervalValue{Micros: a[0].(int64) - a[1].(int64)}, nil
	}, vec.Time, vec.Time),
	op("+", vec.Interval, addIntervals(1), vec.Interval, vec.Interval),
	op("-", vec.Interval, addIntervals(-1), vec.Interval, vec.Interval),
	op("-", vec.Interval, func(_ *Call, a []vec.Value) (vec.Value, error) {
		return sumInterval(vec.IntervalValue{}, a[0].(vec.IntervalValue), -1)
	}, vec.Interval),
	op("*", vec.Interval, func(_ *Call, a []vec.Value) (vec.Value, error) {
		return boxInterval(scaleInterval(a[0].(vec.IntervalValue), a[1].(float64)))
	}, vec.Interval, vec.Float64),
	op("*", vec.Interval, func(_ *Call, a []vec.Value) (vec.Value, error) {
		return boxInterval(scaleInterval(a[1].(vec.IntervalValue), a[0].(float64)))
	}, vec.Float64, vec.Interval),
	op("/", vec.Interval, func(_ *Call, a []vec.Value) (vec.Value, error) {
		if a[1].(float64) == 0 {
			return nil, errDivisionByZero
		}
		return boxInterval(divInterval(a[0].(vec.IntervalValue), a[1].(float64)))
	}, vec.Interval, vec.Float64),

	clock("now", vec.TimestampTZ), clock("transaction_timestamp", vec.TimestampTZ), clock("statement_timestamp", vec.TimestampTZ),
	clock("current_timestamp", vec.TimestampTZ), clock("localtimestamp", vec.Timestamp),
	clock("current_date", vec.Date), clock("localtime", vec.Time), clock("current_time", vec.Time),
	{Name: "clock_timestamp", Dialect: Postgres, Result: of(vec.TimestampTZ), Volatility: Volatile, Eval: boxed(func(*Call, []vec.Value) (vec.Value, error) {
		return time.Now().UnixMicro(), nil
	})},
	{Name: "timeofday", Dialect: Postgres, Result: of(vec.Text), Volatility: Volatile, Eval: boxed(func(c *Call, _ []vec.Value) (vec.Value, error) {
		return time.Now().In(c.zone()).Format("Mon Jan 02 15:04:05.000000 2006 MST"), nil
	})},

	op("date_trunc", vec.Timestamp, func(_ *Call, a []vec.Value) (vec.Value, error) {
		return boxInt(truncTimestamp(a[0].(string), a[1].(int64), "timestamp without time zone"))
	}, vec.Text, vec.Timestamp),
	stable(op("date_trunc", vec.TimestampTZ, func(c *Call, a []vec.Value) (vec.Value, error) {
		return boxInt(truncTZ(a[0].(string), a[1].(int64), c.zone()))
	}, vec.Text, vec.TimestampTZ)),
	op("date_trunc", vec.TimestampTZ, func(_ *Call, a []vec.Value) (vec.Value, error) {
		loc, err := vec.LoadZone(a[2].(string))
		if err != nil {
			return nil, err
		}
		return boxInt(truncTZ(a[0].(string), a[1].(int64), loc))
	}, vec.Text, vec.TimestampTZ, vec.Text),
	op("date_trunc", vec.Interval, truncInterval, vec.Text, vec.Interval),
	op("date_bin", vec.Timestamp, dateBin, vec.Interval, vec.Timestamp, vec.Timestamp),
	op("date_bin", vec.TimestampTZ, dateBin, vec.Interval, vec.TimestampTZ, vec.TimestampTZ),
	op("age", vec.Interval, age, vec.Timestamp, vec.Timestamp),
	stable(op("age", vec.Interval, func(c *Call, a []vec.Value) (vec.Value, error) {
		return age(c, []vec.Value{vec.UTCToLocal(a[0].(int64), c.zone()), vec.UTCToLocal(a[1].(int64), c.zone())})
	}, vec.TimestampTZ, vec.TimestampTZ)),
	stable(op("age", vec.Interval, func(c *Call, a []vec.Value) (vec.Value, error) {
		return age(c, []vec.Value{c.midnight(), a[0]})
	}, vec.Timestamp)),
	stable(op("age", vec.Interval, func(c *Call, a []vec.Value) (vec.Value, error) {
		return age(c, []vec.Value{c.midnight(), vec.UTCToLocal(a[0].(int64), c.zone())})
	}, vec.TimestampTZ)),

	op("make_date", vec.Date, makeDate, vec.Int32, vec.Int32, vec.Int32),
	op("make_time", vec.Time, func(_ *Call, a []vec.Value) (vec.Value, error) { return boxInt(makeTime(a[0], a[1], a[2])) }, vec.Int32, vec.Int32, vec.Float64),
	op("make_timestamp", vec.Timestamp, makeTimestamp, vec.Int32, vec.Int32, vec.Int32, vec.Int32, vec.Int32, vec.Float64),
	stable(op("make_timestamptz", vec.TimestampTZ, func(c *Call, a []vec.Value) (vec.Value, error) {
		t, err := makeTimestamp(c, a)
		if err != nil {
			return nil, err
		}
		return vec.LocalToUTC(t.(int64), c.zone()), nil
	}, vec.Int32, vec.Int32, vec.Int32, vec.Int32, vec.Int32, vec.Float64)),
	op("make_timestamptz", vec.TimestampTZ, func(c *Call, a []vec.Value) (vec.Value, error) {
		t, err := makeTimestamp(c, a)
		if err != nil {
			return nil, err
		}
		loc, err := isoZone(a[6].(string))
		if err != nil {
			return nil, err
		}
		return vec.LocalToUTC(t.(int64), loc), nil
	}, vec.Int32, vec.Int32, vec.Int32, vec.Int32, vec.Int32, vec.Float64, vec.Text),
	{Name: "make_interval", Dialect: Postgres, Params: params(vec.Int32, vec.Int32, vec.Int32, vec.Int32, vec.Int32, vec.Int32, vec.Float64), Result: of(vec.Interval), Eval: boxed(makeInterval)},
	op("justify_hours", vec.Interval, func(_ *Call, a []vec.Value) (vec.Value, error) { return justifyHours(a[0].(vec.IntervalValue)), nil }, vec.Interval),
	op("justify_days", vec.Interval, func(_ *Call, a []vec.Value) (vec.Value, error) { return justifyDays(a[0].(vec.IntervalValue)), nil }, vec.Interval),
	op("justify_interval", vec.Interval, func(_ *Call, a []vec.Value) (vec.Value, error) {
		return justify(a[0].(vec.IntervalValue)), nil
	}, vec.Interval),
	op("isfinite", vec.Bool, finite, vec.Date), op("isfinite", vec.Bool, finite, vec.Timestamp), op("isfinite", vec.Bool, finite, vec.TimestampTZ),
	op("isfinite", vec.Bool, func(*Call, []vec.Value) (vec.Value, error) { return true, nil }, vec.Interval),

	op("timezone", vec.Timestamp, atZone, vec.Text, vec.TimestampTZ),
	op("timezone", vec.TimestampTZ, atZoneLocal, vec.Text, vec.Timestamp),
	op("timezone", vec.Timestamp, atZone, vec.Interval, vec.TimestampTZ),
	op("timezone", vec.TimestampTZ, atZoneLocal, vec.Interval, vec.Timestamp),
	op("to_timestamp", vec.TimestampTZ, func(_ *Call, a []vec.Value) (vec.Value, error) {
		x := a[0].(float64)
		switch {
		case math.IsInf(x, 1):
			return vec.PosInfinity, nil
		case math.IsInf(x, -1):
			return vec.NegInfinity, nil
		case x != x || math.Abs(x) > 9.2e12:
			return nil, pgerr.Newf(pgerr.DatetimeOverflow, "timestamp out of range: \"%g\"", x)
		}
		return boxInt(checked(int64(math.RoundToEven(x * 1e6))))
	}, vec.Float64),
	overlaps(vec.Timestamp), overlaps(vec.TimestampTZ), overlaps(vec.Date), overlaps(vec.Time),
}

func boxInt(x int64, err error) (vec.Value, error) {
	if err != nil {
		return nil, err
	}
	return x, nil
}

func boxInterval(x vec.IntervalValue, err error) (vec.Value, error) {
	if err != nil {
		return nil, err
	}
	return x, nil
}

// checked refuses timestamps out of range.
func checked(t int64) (int64, error) {
	if !vec.ValidTimestamp(t) && !infinite(t) {
		return 0, errTimestampRange
	}
	return t, nil
}

type boxedFunc = func(c *Call, a []vec.Value) (vec.Value, error)

func swapped(f boxedFunc) boxedFunc {
	return func(c *Call, a []vec.Value) (vec.Value, error) { return f(c, []vec.Value{a[1], a[0]}) }
}

func addDays(sign int64) boxedFunc {
	return func(_ *Call, a []vec.Value) (vec.Value, error) {
		d := a[0].(int64)
		if infinite(d) {
			return d, nil
		}
		if d += sign * a[1].(int64); !vec.ValidDate(d) {
			return nil, errDateRange
		}
		return d, nil
	}
}

func subDates(_ *Call, a []vec.Value) (vec.Value, error) {
	x, y := a[0].(int64), a[1].(int64)
	if infinite(x) || infinite(y) {
		return nil, pgerr.Newf(pgerr.DatetimeOverflow, "cannot subtract infinite dates")
	}
	return x - y, nil
}

// midnightOf is a date as a timestamp.
func midnightOf(d int64) (int64, error) {
	if infinite(d) {
		return d, nil
	}
	if d > maxTimestampDay {
		return 0, errDateToTime
	}
	return d * perDay, nil
}

func dateWith(sign int64) boxedFunc {
	return func(_ *Call, a []vec.Value) (vec.Value, error) {
		t, err := midnightOf(a[0].(int64))
		if err != nil {
			return nil, err
		}
		return boxInt(shift(t, a[1].(vec.IntervalValue), sign))
	}
}

func dateTime(_ *Call, a []vec.Value) (vec.Value, error) {
	t, err := midnightOf(a[0].(int64))
	if err != nil || infinite(t) {
		return boxInt(t, err)
	}
	return boxInt(checked(t + a[1].(int64)))
}

// shift adds an interval to a timestamp: months first, the day cut to the
// month's length, then days, then time.
func shift(t int64, x vec.IntervalValue, sign int64) (int64, error) {
	if infinite(t) {
		return t, nil
	}
	if x.Months != 0 {
		day, micros := vec.SplitMicros(t)
		day = addMonths(day, sign*int64(x.Months))
		if day > maxTimestampDay || !vec.ValidDate(day) {
			return 0, errTimestampRange
		}
		t = day*perDay + micros
	}
	if x.Days != 0 {
		day, micros := vec.SplitMicros(t)
		if day += sign * int64(x.Days); day > maxTimestampDay || !vec.ValidDate(day) {
			return 0, errTimestampRange
		}
		t = day*perDay + micros
	}
	s := t + sign*x.Micros
	if (s > t) != (sign*x.Micros > 0) && x.Micros != 0 {
		return 0, errTimestampRange
	}
	return checked(s)
}

func addMonths(day, n int64) int64 {
	y, m, d := vec.CivilFromDays(day)
	total := y*12 + int64(m-1) + n
	y, m = total/12, int(total%12)
	if m < 0 {
		y, m = y-1, m+12
	}
	m++
	return vec.DaysFromCivil(y, m, min(d, vec.DaysInMonth(y, m)))
}

func addTo(sign int64) boxedFunc {
	return func(_ *Call, a []vec.Value) (vec.Value, error) {
		return boxInt(shift(a[0].(int64), a[1].(vec.IntervalValue), sign))
	}
}

// addToTZ adds months and days on the session's clocks, time on the instant.
func addToTZ(sign int64) boxedFunc {
	return func(c *Call, a []vec.Value) (vec.Value, error) {
		return boxInt(shiftTZ(a[0].(int64), a[1].(vec.IntervalValue), sign, c.zone()))
	}
}

func shiftTZ(t int64, x vec.IntervalValue, sign int64, loc *time.Location) (int64, error) {
	if x.Months != 0 || x.Days != 0 {
		local, err := shift(vec.UTCToLocal(t, loc), vec.IntervalValue{Months: x.Months, Days: x.Days}, sign)
		if err != nil {
			return 0, err
		}
		t = vec.LocalToUTC(local, loc)
	}
	return shift(t, vec.IntervalValue{Micros: x.Micros}, sign)
}

func subTimestamps(_ *Call, a []vec.Value) (vec.Value, error) {
	x, y := a[0].(int64), a[1].(int64)
	if infinite(x) || infinite(y) {
		return nil, pgerr.Newf(pgerr.DatetimeOverflow, "cannot subtract infinite timestamps")
	}
	return justifyHours(vec.IntervalValue{Micros: x - y}), nil
}

func addToTime(sign int64) boxedFunc {
	return func(_ *Call, a []vec.Value) (vec.Value, error) {
		t := (a[0].(int64) + sign*(a[1].(vec.IntervalValue).Micros%perDay)) % perDay
		if t < 0 {
			t += perDay
		}
		return t, nil
	}
}

func addIntervals(sign int64) boxedFunc {
	return func(_ *Call, a []vec.Value) (vec.Value, error) {
		return sumInterval(a[0].(vec.IntervalValue), a[1].(vec.IntervalValue), sign)
	}
}

func sumInterval(x, y vec.IntervalValue, sign int64) (vec.Value, error) {
	months, days := int64(x.Months)+sign*int64(y.Months), int64(x.Days)+sign*int64(y.Days)
	micros := x.Micros + sign*y.Micros
	if months != int64(int32(months)) || days != int64(int32(days)) || (micros > x.Micros) != (sign*y.Micros > 0) && y.Micros != 0 {
		return nil, errIntervalRange
	}
	return vec.IntervalValue{Months: int32(months), Days: int32(days), Micros: micros}, nil
}

// clock is a function of the transaction's time.
func clock(name string, k vec.Kind) *Func {
	return &Func{Name: name, Dialect: Postgres, Result: of(k), Volatility: Stable, Eval: func(c *Call, rows []uint16, _ []*vec.Vec, out *vec.Vec) {
		t := c.Now.UnixMicro()
		if k != vec.TimestampTZ {
			t = vec.UTCToLocal(t, c.zone())
		}
		day, micros := vec.SplitMicros(t)
		switch k {
		case vec.Date:
			t = day
		case vec.Time:
			t = micros
		}
		for _, r := range rows {
			out.Ints[r] = t
		}
	}}
}

// midnight is the start of today on the session's clocks.
func (c *Ctx) midnight() int64 {
	day, _ := vec.SplitMicros(vec.UTCToLocal(c.Now.UnixMicro(), c.zone()))
	return day * perDay
}

func badUnit(unit, typ string) error {
	return pgerr.Newf("22023", "unit \"%s\" not recognized for type %s", unit, typ)
}

// unitName brings the name of a unit to one form.
func unitName(s string) string {
	s = strings.ToLower(strings.TrimSpace(s))
	switch s {
	case "msec", "ms", "msecs", "millisecond":
		return "milliseconds"
	case "usec", "us", "usecs", "microsecond":
		return "microseconds"
	case "sec", "s", "secs", "seconds":
		return "second"
	case "min", "m", "mins", "minutes":
		return "minute"
	case "hr", "h", "hrs", "hours":
		return "hour"
	case "d", "days":
		return "day"
	case "w", "weeks":
		return "week"
	case "mon", "mons", "months":
		return "month"
	case "qtr":
		return "quarter"
	case "y", "yr", "yrs", "years":
		return "year"
	case "dec", "decs", "decades":
		return "decade"
	case "c", "cent", "centuries":
		return "century"
	case "mil", "mils", "millennia":
		return "millennium"
	}
	return s
}

func truncTimestamp(unit string, t int64, typ string) (int64, error) {
	if infinite(t) {
		return t, nil
	}
	day, micros := vec.SplitMicros(t)
	y, m, _ := vec.CivilFromDays(day)
	switch unitName(unit) {
	case "microseconds":
		return t, nil
	case "milliseconds":
		return day*perDay + micros/1000*1000, nil
	case "second":
		return day*perDay + micros/perSecond*perSecond, nil
	case "minute":
		return day*perDay + micros/perMinute*perMinute, nil
	case "hour":
		return day*perDay + micros/perHour*perHour, nil
	case "day":
		return day * perDay, nil
	case "week":
		return (day - int64(isoWeekday(day)-1)) * perDay, nil
	case "month":
	case "quarter":
		m = (m-1)/3*3 + 1
	case "year":
		m = 1
	case "decade":
		y, m = floorTo(y, 10), 1
	case "century":
		y, m = floorTo(y-1, 100)+1, 1
	case "millennium":
		y, m = floorTo(y-1, 1000)+1, 1
	default:
		return 0, badUnit(strings.ToLower(unit), typ)
	}
	return checked(vec.DaysFromCivil(y, m, 1) * perDay)
}

func floorTo(y, n int64) int64 {
	r := y % n
	if r < 0 {
		r += n
	}
	return y - r
}

// isoWeekday is 1 for Monday to 7 for Sunday.
func isoWeekday(day int64) int {
	w := (day + 3) % 7 // 1970-01-01 was a Thursday
	if w < 0 {
		w += 7
	}
	return int(w) + 1
}

func truncTZ(unit string, t int64, loc *time.Location) (int64, error) {
	switch unitName(unit) {
	case "microseconds", "milliseconds", "second", "minute", "hour":
		off := int64(vec.ZoneOffset(t, loc)) * perSecond
		x, err := truncTimestamp(unit, t+off, "timestamp with time zone")
		return x - off, err
	}
	x, err := truncTimestamp(unit, vec.UTCToLocal(t, loc), "timestamp with time zone")
	return vec.LocalToUTC(x, loc), err
}

func truncInterval(_ *Call, a []vec.Value) (vec.Value, error) {
	x := a[1].(vec.IntervalValue)
	trunc := func(n int32) vec.IntervalValue { return vec.IntervalValue{Months: x.Months / n * n} }
	switch u := unitName(a[0].(string)); u {
	case "microseconds":
	case "milliseconds":
		x.Micros = x.Micros / 1000 * 1000
	case "second":
		x.Micros = x.Micros / perSecond * perSecond
	case "minute":
		x.Micros = x.Micros / perMinute * perMinute
	case "hour":
		x.Micros = x.Micros / perHour * perHour
	case "day":
		x.Micros = 0
	case "month":
		x = trunc(1)
	case "quarter":
		x = trunc(3)
	case "year":
		x = trunc(12)
	case "decade":
		x = trunc(120)
	case "century":
		x = trunc(1200)
	case "millennium":
		x = trunc(12000)
	case "week":
		return nil, pgerr.Newf(pgerr.FeatureNotSupported, "unit \"week\" not supported for type interval").Detailf("Months usually have fractional weeks.")
	default:
		return nil, badUnit(strings.ToLower(a[0].(string)), "interval")
	}
	return x, nil
}

func dateBin(_ *Call, a []vec.Value) (vec.Value, error) {
	x, t, origin := a[0].(vec.IntervalValue), a[1].(int64), a[2].(int64)
	if infinite(t) || infinite(origin) {
		return t, nil
	}
	if x.Months != 0 {
		return nil, pgerr.Newf(pgerr.FeatureNotSupported, "timestamps cannot be binned into intervals containing months or years")
	}
	n := int64(x.Days)*perDay + x.Micros
	if n <= 0 {
		return nil, pgerr.Newf(pgerr.DatetimeOverflow, "stride must be greater than zero")
	}
	return origin + floorTo(t-origin, n), nil
}

// age is the difference in years, months and days as people count them
// (timestamp_age in timestamp.c).
func age(_ *Call, a []vec.Value) (vec.Value, error) {
	x, y := a[0].(int64), a[1].(int64)
	if infinite(x) || infinite(y) {
		return nil, errTimestampRange
	}
	sign := int64(1)
	if x < y {
		x, y, sign = y, x, -1
	}
	d1, t1 := vec.SplitMicros(x)
	d2, t2 := vec.SplitMicros(y)
	y1, m1, day1 := vec.CivilFromDays(d1)
	y2, m2, day2 := vec.CivilFromDays(d2)
	micros, days, months := t1-t2, int64(day1-day2), (y1-y2)*12+int64(m1-m2)
	if micros < 0 {
		micros += perDay
		days--
	}
	for days < 0 {
		// The month lent is the one in which the earlier date falls.
		days += int64(vec.DaysInMonth(y2, m2))
		months--
	}
	return vec.IntervalValue{Months: int32(sign * months), Days: int32(sign * days), Micros: sign * micros}, nil
}

func makeDate(_ *Call, a []vec.Value) (vec.Value, error) {
	y, m, d := a[0].(int64), a[1].(int64), a[2].(int64)
	in := y
	if y < 0 {
		y++ // there is no year 0
	}
	if in == 0 || m < 1 || m > 12 || d < 1 || d > 31 || int(d) > vec.DaysInMonth(y, int(m)) {
		return nil, pgerr.Newf(pgerr.DatetimeOverflow, "date field value out of range: %d-%02d-%02d", in, m, d)
	}
	day := vec.DaysFromCivil(y, int(m), int(d))
	if !vec.ValidDate(day) {
		return nil, pgerr.Newf(pgerr.DatetimeOverflow, "date out of range: %d-%02d-%02d", in, m, d)
	}
	return day, nil
}

func makeTime(h, m, s vec.Value) (int64, error) {
	hour, min, sec := h.(int64), m.(int64), s.(float64)
	if hour < 0 || min < 0 || min > 59 || !(sec >= 0 && sec <= 60) || hour > 24 || hour == 24 && (min > 0 || sec > 0) {
		return 0, pgerr.Newf(pgerr.DatetimeOverflow, "time field value out of range: %d:%02d:%02g", hour, min, sec)
	}
	return hour*perHour + min*perMinute + int64(math.RoundToEven(sec*1e6)), nil
}

func makeTimestamp(c *Call, a []vec.Value) (vec.Value, error) {
	d, err := makeDate(c, a[:3])
	if err != nil {
		return nil, err
	}
	t, err := makeTime(a[3], a[4], a[5])
	if err != nil {
		return nil, err
	}
	day := d.(int64)
	if day > maxTimestampDay {
		return nil, errTimestampRange
	}
	return boxInt(checked(day*perDay + t))
}

func makeInterval(_ *Call, a []vec.Value) (vec.Value, error) {
	months := a[0].(int64)*12 + a[1].(int64)
	days := a[2].(int64)*7 + a[3].(int64)
	micros := float64(a[4].(int64)*perHour+a[5].(int64)*perMinute) + math.RoundToEven(a[6].(float64)*1e6)
	if months != int64(int32(months)) || days != int64(int32(days)) || !(math.Abs(micros) < 1<<63) {
		return nil, errIntervalRange
	}
	return vec.IntervalValue{Months: int32(months), Days: int32(days), Micros: int64(micros)}, nil
}

func justifyHours(x vec.IntervalValue) vec.IntervalValue {
	whole := x.Micros / perDay
	x.Days += int32(whole)
	x.Micros -= whole * perDay
	switch {
	case x.Days > 0 && x.Micros < 0:
		x.Days, x.Micros = x.Days-1, x.Micros+perDay
	case x.Days < 0 && x.Micros > 0:
		x.Days, x.Micros = x.Days+1, x.Micros-perDay
	}
	return x
}

func justifyDays(x vec.IntervalValue) vec.IntervalValue {
	whole := x.Days / 30
	x.Months += whole
	x.Days -= whole * 30
	switch {
	case x.Months > 0 && x.Days < 0:
		x.Months, x.Days = x.Months-1, x.Days+30
	case x.Months < 0 && x.Days > 0:
		x.Months, x.Days = x.Months+1, x.Days-30
	}
	return x
}

func justify(x vec.IntervalValue) vec.IntervalValue {
	x.Days, x.Micros = x.Days+int32(x.Micros/perDay), x.Micros%perDay
	x.Months, x.Days = x.Months+x.Days/30, x.Days%30
	if x.Months > 0 && (x.Days < 0 || x.Days == 0 && x.Micros < 0) {
		x.Months, x.Days = x.Months-1, x.Days+30
	} else if x.Months < 0 && (x.Days > 0 || x.Days == 0 && x.Micros > 0) {
		x.Months, x.Days = x.Months+1, x.Days-30
	}
	if x.Days > 0 && x.Micros < 0 {
		x.Days, x.Micros = x.Days-1, x.Micros+perDay
	} else if x.Days < 0 && x.Micros > 0 {
		x.Days, x.Micros = x.Days+1, x.Micros-perDay
	}
	return x
}

func finite(_ *Call, a []vec.Value) (vec.Value, error) { return !infinite(a[0].(int64)), nil }

// zoneArg is a zone given as a name or as an offset.
func zoneArg(x vec.Value) (*time.Location, error) {
	if iv, ok := x.(vec.IntervalValue); ok {
		if iv.Months != 0 || iv.Days != 0 {
			return nil, pgerr.Newf("22023", "interval time zone must not include months or days")
		}
		return time.FixedZone("", int(iv.Micros/perSecond)), nil
	}
	return vec.LoadZone(x.(string))
}

// isoZone is a zone name in which a bare offset is positive east of Greenwich.
func isoZone(s string) (*time.Location, error) {
	if s != "" && (s[0] == '+' || s[0] == '-') {
		flipped := "-" + s[1:]
		if s[0] == '-' {
			flipped = "+" + s[1:]
		}
		return vec.LoadZone(flipped)
	}
	return vec.LoadZone(s)
}

func atZone(_ *Call, a []vec.Value) (vec.Value, error) {
	loc, err := zoneArg(a[0])
	if err != nil {
		return nil, err
	}
	return vec.UTCToLocal(a[1].(int64), loc), nil
}

func atZoneLocal(_ *Call, a []vec.Value) (vec.Value, error) {
	loc, err := zoneArg(a[0])
	if err != nil {
		return nil, err
	}
	return vec.LocalToUTC(a[1].(int64), loc), nil
}

func overlaps(k vec.Kind) *Func {
	return &Func{Name: "overlaps", Dialect: Postgres, Params: params(k, k, k, k), Result: of(vec.Bool), Eval: boxed(func(_ *Call, a []vec.Value) (vec.Value, error) {
		s1, e1, s2, e2 := a[0].(int64), a[1].(int64), a[2].(int64), a[3].(int64)
		s1, e1 = min(s1, e1), max(s1, e1)
		s2, e2 = min(s2, e2), max(s2, e2)
		return s1 == s2 || s1 < e2 && s2 < e1, nil
	})}
}
