package fn

import (
	"strings"

	"github.com/cockroachdb/apd/v3"

	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
)

// extracts is EXTRACT (numeric) and date_part (double) of every date/time type.
var extracts = func() []*Func {
	var out []*Func
	for _, k := range []vec.Kind{vec.Timestamp, vec.TimestampTZ, vec.Date, vec.Time, vec.Interval} {
		get := func(c *Call, a []vec.Value) (*apd.Decimal, error) {
			return extract(c, a[0].(string), k, a[1])
		}
		part := get
		if k == vec.Date { // to date_part, a date is a timestamp
			part = func(c *Call, a []vec.Value) (*apd.Decimal, error) {
				t, err := midnightOf(a[1].(int64))
				if err != nil {
					return nil, err
				}
				return extract(c, a[0].(string), vec.Timestamp, t)
			}
		}
		out = append(out,
			&Func{Name: "extract", Dialect: Postgres, Params: params(vec.Text, k), Result: of(vec.Decimal), Volatility: volatilityOf(k),
				Eval: boxed(func(c *Call, a []vec.Value) (vec.Value, error) {
					d, err := get(c, a)
					if err != nil || d == nil {
						return nil, err
					}
					return d, nil
				})},
			&Func{Name: "date_part", Dialect: Postgres, Params: params(vec.Text, k), Result: of(vec.Float64), Volatility: volatilityOf(k),
				Eval: boxed(func(c *Call, a []vec.Value) (vec.Value, error) {
					d, err := part(c, a)
					if err != nil || d == nil {
						return nil, err
					}
					return parseFloatOf(vec.Of(vec.Float64), d)
				})})
	}
	return out
}()

func volatilityOf(k vec.Kind) Volatility {
	if k == vec.TimestampTZ {
		return Stable
	}
	return Immutable
}

func extract(c *Call, field string, k vec.Kind, x vec.Value) (*apd.Decimal, error) {
	unit := unitName(field)
	typ := vec.Of(k).String()
	if k == vec.Interval {
		return extractInterval(unit, field, x.(vec.IntervalValue))
	}
	t := x.(int64)
	if k == vec.Time {
		return extractTime(unit, field, t)
	}
	if infinite(t) {
		return extractInfinite(unit, field, typ, t)
	}
	offset := int64(0)
	local := t
	switch k {
	case vec.Date:
		local = 0
	case vec.TimestampTZ:
		offset = int64(vec.ZoneOffset(t, c.zone()))
		local = t + offset*perSecond
	}
	day, micros := vec.SplitMicros(local)
	if k == vec.Date {
		day = t
		switch unit {
		case "microseconds", "milliseconds", "second", "minute", "hour":
			return nil, notSupported(field, typ)
		case "epoch":
			return apd.New(t*86400, 0), nil
		}
	}
	switch unit {
	case "timezone", "timezone_hour", "timezone_minute":
		if k != vec.TimestampTZ {
			return nil, notSupported(field, typ)
		}
		switch unit {
		case "timezone":
			return apd.New(offset, 0), nil
		case "timezone_hour":
			return apd.New(offset/3600, 0), nil
		}
		return apd.New(offset/60%60, 0), nil
	case "epoch":
		return apd.New(t, -6), nil
	case "julian":
		if k == vec.Date {
			return apd.New(day+2440588, 0), nil
		}
		frac, err := divDecimal(apd.New(micros, 0), apd.New(perDay, 0))
		if err != nil {
			return nil, err
		}
		return addDecimal(apd.New(day+2440588, 0), frac, false), nil
	}
	if d := extractClock(unit, micros); d != nil {
		return d, nil
	}
	if n, ok := dateField(unit, day); ok {
		return apd.New(n, 0), nil
	}
	return nil, badUnit(strings.ToLower(field), typ)
}

func notSupported(field, typ string) error {
	return pgerr.Newf(pgerr.FeatureNotSupported, "unit \"%s\" not supported for type %s", strings.ToLower(field), typ)
}

func extractClock(unit string, micros int64) *apd.Decimal {
	switch unit {
	case "microseconds":
		return apd.New(micros%perMinute, 0)
	case "milliseconds":
		return apd.New(micros%perMinute, -3)
	case "second":
		return apd.New(micros%perMinute, -6)
	case "minute":
		return apd.New(micros/perMinute%60, 0)
	case "hour":
		return apd.New(micros/perHour, 0)
	}
	return nil
}

// shownYear is the year as people write it: there is no year 0.
func shownYear(y int64) int64 {
	if y <= 0 {
		return y - 1
	}
	return y
}

func dateField(unit string, day int64) (int64, bool) {
	y, m, d := vec.CivilFromDays(day)
	switch unit {
	case "day":
		return int64(d), true
	case "month":
		return int64(m), true
	case "quarter":
		return int64(m-1)/3 + 1, true
	case "year":
		return shownYear(y), true
	case "decade":
		return floorTo(y, 10) / 10, true
	case "century":
		return eraOf(y, 100), true
	case "millennium":
		return eraOf(y, 1000), true
	case "week":
		_, w := isoWeek(day)
		return int64(w), true
	case "isoyear":
		iy, _ := isoWeek(day)
		return shownYear(iy), true
	case "dow":
		return int64(isoWeekday(day) % 7), true
	case "isodow":
		return int64(isoWeekday(day)), true
	case "doy":
		return day - vec.DaysFromCivil(y, 1, 1) + 1, true
	}
	return 0, false
}

// eraOf numbers centuries and millennia from 1, and from -1 backwards.
func eraOf(y, n int64) int64 {
	if y > 0 {
		return (y + n - 1) / n
	}
	return -((n - 1 - (y - 1)) / n)
}

// isoWeek returns the ISO 8601 year and week of a day.
func isoWeek(day int64) (year int64, week int) {
	thursday := day - int64(isoWeekday(day)) + 4
	year, _, _ = vec.CivilFromDays(thursday)
	return year, int(thursday-vec.DaysFromCivil(year, 1, 1))/7 + 1
}

func extractTime(unit, field string, t int64) (*apd.Decimal, error) {
	if unit == "epoch" {
		return apd.New(t, -6), nil
	}
	if d := extractClock(unit, t); d != nil {
		return d, nil
	}
	if _, ok := dateField(unit, 0); ok || strings.HasPrefix(unit, "timezone") || unit == "julian" {
		return nil, notSupported(field, "time without time zone")
	}
	return nil, badUnit(strings.ToLower(field), "time without time zone")
}

// extractInfinite: what grows for ever is infinite, what goes in circles NULL.
func extractInfinite(unit, field, typ string, t int64) (*apd.Decimal, error) {
	switch unit {
	case "year", "decade", "century", "millennium", "julian", "isoyear", "epoch":
		return &apd.Decimal{Form: apd.Infinite, Negative: t == vec.NegInfinity}, nil
	}
	if _, ok := dateField(unit, 0); ok || extractClock(unit, 0) != nil || strings.HasPrefix(unit, "timezone") {
		return nil, nil
	}
	return nil, badUnit(strings.ToLower(field), typ)
}

func extractInterval(unit, field string, x vec.IntervalValue) (*apd.Decimal, error) {
	switch unit {
	case "microseconds", "milliseconds", "second", "minute", "hour":
		if unit == "hour" {
			return apd.New(x.Micros/perHour, 0), nil
		}
		return extractClock(unit, x.Micros), nil
	case "day":
		return apd.New(int64(x.Days), 0), nil
	case "month":
		return apd.New(int64(x.Months%12), 0), nil
	case "quarter":
		return apd.New(int64(x.Months%12/3+1), 0), nil
	case "year":
		return apd.New(int64(x.Months/12), 0), nil
	case "decade":
		return apd.New(int64(x.Months/120), 0), nil
	case "century":
		return apd.New(int64(x.Months/1200), 0), nil
	case "millennium":
		return apd.New(int64(x.Months/12000), 0), nil
	case "epoch":
		// A year of months is 365.25 days, a month beyond that 30.
		secs := (int64(x.Months/12)*1461*6 + int64(x.Months%12)*30*24 + int64(x.Days)*24) * 3600
		return addDecimal(apd.New(secs, 0), apd.New(x.Micros, -6), false), nil
	}
	if _, ok := dateField(unit, 0); ok || strings.HasPrefix(unit, "timezone") {
		return nil, notSupported(field, "interval")
	}
	return nil, badUnit(strings.ToLower(field), "interval")
}
