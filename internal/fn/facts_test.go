package fn

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
)

// TestFacts runs testdata/facts. A line is a call and, after ---- , its result:
//
//	pg                       (or ksql: the dialect)
//	+ integer 1, bigint 2
//	----
//	bigint 3
//
// An argument is a type and its text, a bare 'literal' without type, or null.
func TestFacts(t *testing.T) {
	datadriven.Walk(t, "testdata/facts", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			dialect := Postgres
			if d.Cmd == "ksql" {
				dialect = KSQL
			}
			var out strings.Builder
			for _, line := range strings.Split(strings.TrimSpace(d.Input), "\n") {
				fmt.Fprintln(&out, fact(dialect, line))
			}
			return out.String()
		})
	})
}

var testNow = time.Date(2024, 2, 29, 10, 11, 12, 345678000, time.UTC)

func testCtx(fail func(int, error)) *Ctx {
	return &Ctx{
		Now: testNow, User: "weir", Database: "weir", Fail: fail,
		Setting: func(name string) (string, bool) { return "UTC", name == "timezone" },
	}
}

// fact computes one line.
func fact(d Dialect, line string) string {
	name, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
	if name == "cast" {
		return castFact(d, rest)
	}
	name = strings.ReplaceAll(name, "_SPACE_", " ")
	types, values, err := factArgs(d, rest)
	if err != nil {
		return errText(err)
	}
	f, want, result, err := Resolve(name, d, types)
	if err != nil {
		return errText(err)
	}
	return run(d, f, types, want, result, values)
}

func errText(err error) string {
	e := pgerr.From(err)
	if e.Code == pgerr.InternalError {
		return "INTERNAL " + err.Error()
	}
	s := "ERROR " + e.Code + " " + e.Msg
	if e.Detail != "" {
		s += " | " + e.Detail
	}
	return s
}

func run(d Dialect, f *Func, types, want []vec.Type, result vec.Type, values []vec.Value) string {
	var failed error
	ctx := testCtx(func(_ int, err error) { failed = err })
	args := make([]*vec.Vec, len(values))
	anyNull := false
	for i, x := range values {
		if x == nil {
			anyNull = true
		} else if !types[i].Equal(want[i]) && types[i].Kind != vec.Unknown {
			var err error
			if x, err = CastValue(ctx, d, Implicit, types[i], want[i], x); err != nil {
				return "CAST " + errText(err)
			}
		} else if types[i].Kind == vec.Unknown && want[i].Kind != vec.Unknown {
			var err error
			if x, err = vec.Parse(want[i], x.(string), ctx.format()); err != nil {
				return errText(err)
			}
		}
		args[i] = vec.ConstOf(want[i], x)
	}
	if anyNull && !f.NullCall {
		return result.String() + " NULL"
	}
	out := vec.New(result)
	out.Reset(result, 2)
	f.Eval(&Call{Ctx: ctx, Types: want, Type: result}, []uint16{1}, args, out)
	if failed != nil {
		return errText(failed)
	}
	return show(d, out, 1)
}

func show(d Dialect, v *vec.Vec, i int) string {
	name := v.Type.String()
	if d == KSQL {
		name = v.Type.KSQL()
	}
	if v.Null(i) {
		return name + " NULL"
	}
	return name + " " + strings.ReplaceAll(string(vec.AppendText(nil, v, i, nil)), "\n", `\n`)
}

func castFact(d Dialect, rest string) string {
	src, target, ok := strings.Cut(rest, " as ")
	if !ok {
		return "no target"
	}
	how := Explicit
	if target, ok = strings.CutSuffix(target, " assignment"); ok {
		how = Assignment
	}
	types, values, err := factArgs(d, src)
	if err != nil {
		return errText(err)
	}
	to, err := vec.ParseType(target)
	if err != nil {
		return errText(err)
	}
	x, err := CastValue(testCtx(nil), d, how, types[0], to, values[0])
	if err != nil {
		return errText(err)
	}
	return show(d, vec.ConstOf(to, x), 0)
}

// factArgs reads "integer 1, text 'a, b', null": quotes keep commas together.
func factArgs(d Dialect, s string) (types []vec.Type, values []vec.Value, err error) {
	for _, a := range splitArgs(s) {
		if a == "null" {
			types, values = append(types, vec.Of(vec.Unknown)), append(values, nil)
			continue
		}
		name, text, quoted := strings.Cut(a, "'")
		typ := vec.Of(vec.Unknown)
		if quoted {
			text = strings.ReplaceAll(strings.TrimSuffix(text, "'"), "''", "'")
		} else {
			i := strings.LastIndexByte(a, ' ')
			name, text = a[:max(i, 0)], a[i+1:]
		}
		if name = strings.TrimSpace(name); name != "" {
			if typ, err = vec.ParseType(name); err != nil {
				return nil, nil, err
			}
		}
		var x vec.Value
		if text != "null" || quoted {
			if x, err = vec.Parse(typ, text, &vec.TextFormat{Now: testNow}); err != nil {
				return nil, nil, err
			}
		}
		types, values = append(types, typ), append(values, x)
	}
	return types, values, nil
}

func splitArgs(s string) []string {
	var out []string
	quoted, from, depth := false, 0, 0
	for i := range len(s) {
		switch {
		case s[i] == '\'':
			quoted = !quoted
		case quoted:
		case s[i] == '(':
			depth++
		case s[i] == ')':
			depth--
		case s[i] == ',' && depth == 0:
			out = append(out, strings.TrimSpace(s[from:i]))
			from = i + 1
		}
	}
	if rest := strings.TrimSpace(s[from:]); rest != "" {
		out = append(out, rest)
	}
	return out
}
