package fn

import (
	"math"

	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
)

var errIntervalRange = pgerr.Newf(pgerr.DatetimeOverflow, "interval out of range")

// scaleInterval is x times f: fractions of months become days of 30, fractions
// of days become time (interval_mul in timestamp.c).
func scaleInterval(x vec.IntervalValue, f float64) (vec.IntervalValue, error) {
	months, days := float64(x.Months)*f, float64(x.Days)*f
	if f != f || math.Abs(months) > math.MaxInt32 || math.Abs(days) > math.MaxInt32 {
		return vec.IntervalValue{}, errIntervalRange
	}
	out := vec.IntervalValue{Months: int32(months), Days: int32(days)}
	// Rounded to microseconds so that 0.1 does not leave dust.
	monthDays := round6((months - float64(out.Months)) * 30)
	rest := round6((days - float64(out.Days) + monthDays - math.Trunc(monthDays)) * 86400)
	if math.Abs(rest) >= 86400 {
		out.Days += int32(rest / 86400)
		rest -= math.Trunc(rest/86400) * 86400
	}
	out.Days += int32(monthDays)
	micros := math.RoundToEven(float64(x.Micros)*f + rest*1e6)
	if math.Abs(micros) >= 1<<63 {
		return vec.IntervalValue{}, errIntervalRange
	}
	out.Micros = int64(micros)
	return out, nil
}

func round6(x float64) float64 { return math.RoundToEven(x*1e6) / 1e6 }

// divInterval is x / f (interval_div): the remainders spill down as in scaleInterval.
func divInterval(x vec.IntervalValue, f float64) (vec.IntervalValue, error) {
	months, days := float64(x.Months)/f, float64(x.Days)/f
	if f != f || math.Abs(months) > math.MaxInt32 || math.Abs(days) > math.MaxInt32 {
		return vec.IntervalValue{}, errIntervalRange
	}
	out := vec.IntervalValue{Months: int32(months), Days: int32(days)}
	monthDays := round6((months - float64(out.Months)) * 30)
	rest := round6((days - float64(out.Days) + monthDays - math.Trunc(monthDays)) * 86400)
	if math.Abs(rest) >= 86400 {
		out.Days += int32(rest / 86400)
		rest -= math.Trunc(rest/86400) * 86400
	}
	out.Days += int32(monthDays)
	out.Micros = int64(math.RoundToEven(float64(x.Micros)/f + rest*1e6))
	return out, nil
}
