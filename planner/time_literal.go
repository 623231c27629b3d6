package planner

import (
	"regexp"
	"strconv"
	"time"

	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/planner/plan"
	"github.com/weirdb/weir/sql/ast"
)

// timeText replaces, in the ksql dialect, a text that is compared with ROWTIME or
// a window's bound by its milliseconds. (PartialStringToTimestampParser)
func (x *exprs) timeText(with, lit ast.Expr) (ast.Expr, error) {
	text, ok := lit.(*ast.String)
	c, isCol := with.(*ast.Column)
	if x.env.Dialect != ast.KSQL || !ok || !isCol {
		return lit, nil
	}
	col, _, err := x.sc.lookup(c.Parts, c.Pos())
	if err != nil || col.pseudo != plan.RowTime && col.pseudo != plan.WindowStart && col.pseudo != plan.WindowEnd {
		return lit, nil
	}
	ms, ok := partialTime(text.V)
	if !ok {
		return nil, pgerr.Newf(pgerr.InvalidDatetime, "Failed to parse timestamp '%s'", text.V).At(lit.Pos()).
			Hintf("Timestamps are written 2020-05-26T14:05:06.123Z, or the first parts of that.")
	}
	n := &ast.Number{P: text.P, Text: strconv.FormatInt(max(ms, -ms), 10)}
	if ms < 0 {
		return &ast.Unary{P: text.P, Op: "-", X: n}, nil
	}
	return n, nil
}

var partialTimestamp = regexp.MustCompile(`^(\d{4})(?:-(\d{1,2})(?:-(\d{1,2})(?:T(?:(\d{1,2})(?::(\d{1,2})(?::(\d{1,2})(?:\.(\d{1,3}))?)?)?)?(Z|[+-]\d{2}:?\d{2})?)?)?)?$`)

// partialTime reads a date or a timestamp of which the later parts may be
// missing, in UTC unless it has an offset, as milliseconds.
func partialTime(s string) (int64, bool) {
	m := partialTimestamp.FindStringSubmatch(s)
	if m == nil {
		return 0, false
	}
	num := func(i, missing int) int {
		if m[i] == "" {
			return missing
		}
		n, _ := strconv.Atoi(m[i]) // digits, at most four
		return n
	}
	ms := 0
	if m[7] != "" {
		ms, _ = strconv.Atoi((m[7] + "00")[:3])
	}
	month, day, hour, minute, second := num(2, 1), num(3, 1), num(4, 0), num(5, 0), num(6, 0)
	if month < 1 || month > 12 || day < 1 || day > 31 || hour > 24 || minute > 59 || second > 59 || hour == 24 && minute+second+ms > 0 {
		return 0, false
	}
	at := time.Date(num(1, 0), time.Month(month), day, hour, minute, second, 0, time.UTC).UnixMilli() + int64(ms)
	if z := m[8]; z != "" && z != "Z" {
		h, _ := strconv.Atoi(z[1:3])
		mm, _ := strconv.Atoi(z[len(z)-2:])
		off := int64(h*60+mm) * 60_000
		if z[0] == '-' {
			off = -off
		}
		at -= off
	}
	return at, true
}
