package ast_test

import (
	"testing"

	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/sql/ast"
)

func TestMillis(t *testing.T) {
	check := func(n string, unit ast.TimeUnit, want int64) {
		t.Helper()
		got, err := (&ast.Duration{N: n, Unit: unit}).Millis()
		if err != nil || got != want {
			t.Errorf("%s %s is %d ms (%v), want %d", n, unit, got, err, want)
		}
	}
	check("10", ast.Seconds, 10_000)
	check("1.5", ast.Minutes, 90_000)
	check("0.0004", ast.Seconds, 0)
	check("7", ast.Days, 604_800_000)
	check("9223372036854775806", ast.Milliseconds, 9223372036854775806)

	for _, n := range []string{"9223372036854775807", "1e999999999", "x", ""} {
		_, err := (&ast.Duration{P: 5, N: n, Unit: ast.Days}).Millis()
		if e := pgerr.From(err); err == nil || e.Code != pgerr.DatetimeOverflow || e.Pos != 6 {
			t.Errorf("%q DAYS: error %v at %d, want %s at 6", n, err, e.Pos, pgerr.DatetimeOverflow)
		}
	}
}

func TestFold(t *testing.T) {
	check := func(d ast.Dialect, in, want string) {
		t.Helper()
		if got := d.Fold(in); got != want {
			t.Errorf("%s folds %q to %q, want %q", d, in, got, want)
		}
	}
	check(ast.Postgres, "Ab_É1", "ab_É1") // ASCII letters only
	check(ast.KSQL, "Ab_é1", "AB_é1")
	check(ast.Postgres, "", "")
}

// A name that the planner makes prints in quotes if it needs them.
func TestFormatName(t *testing.T) {
	check := func(d ast.Dialect, n ast.Name, want string) {
		t.Helper()
		if got := ast.FormatName(n, d); got != want {
			t.Errorf("%+v prints in %s as %s, want %s", n, d, got, want)
		}
	}
	check(ast.Postgres, ast.Name{S: "a"}, "a")
	check(ast.Postgres, ast.Name{S: "A"}, `"A"`)
	check(ast.KSQL, ast.Name{S: "a"}, `"a"`)
	check(ast.Postgres, ast.Name{S: `a"b c`}, `"a""b c"`)
	check(ast.Postgres, ast.Name{S: "a", Quoted: true}, `"a"`)
}
