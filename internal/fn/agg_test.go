package fn

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/weirdb/weir/internal/vec"
)

// table is a plain owner of aggregate states.
func table(a Aggregator, groups int) *States {
	blobs := make([][]byte, groups)
	s := &States{Words: make([]int64, groups*a.Words()), Stride: a.Words()}
	if a.HasBytes() {
		s.Get = func(g uint32) []byte { return blobs[g] }
		s.Set = func(g uint32, b []byte) { blobs[g] = append([]byte(nil), b...) }
	}
	return s
}

// aggregate runs an aggregate over rows given as text; columns are by type.
func aggregate(t *testing.T, d Dialect, name string, types []vec.Type, rows [][]string, sign []int8, split bool) string {
	t.Helper()
	f, want, result, err := ResolveAgg(name, d, types)
	if err != nil {
		return errText(err)
	}
	a, err := f.New(want)
	if err != nil {
		return errText(err)
	}
	if sign != nil && !a.Retractable() {
		if f.Retract == nil {
			return "not retractable"
		}
		if a, err = f.Retract(want); err != nil {
			return errText(err)
		}
	}
	var failed error
	ctx := testCtx(func(_ int, err error) { failed = err })
	args := make([]*vec.Vec, len(types))
	for i := range types {
		args[i] = vec.New(want[i])
		for _, r := range rows {
			if r[i] == "null" {
				args[i].Append(nil)
				continue
			}
			x, err := vec.Parse(want[i], r[i], nil)
			if err != nil {
				t.Fatal(err)
			}
			args[i].Append(x)
		}
	}
	s := table(a, 2)
	groups := make([]uint32, len(rows))
	for i := range groups {
		if split {
			groups[i] = uint32(i % 2)
		}
	}
	a.Add(ctx, s, groups, vec.Identity(len(rows)), sign, args)
	if split {
		a.Merge(ctx, s, 0, 1)
	}
	out := vec.New(result)
	out.Reset(result, 1)
	a.Result(ctx, s, []uint32{0}, []uint16{0}, out)
	if failed != nil {
		return errText(failed)
	}
	return show(d, out, 0)
}

func TestAggregates(t *testing.T) {
	rows := func(xs ...string) (out [][]string) {
		for _, x := range xs {
			out = append(out, []string{x})
		}
		return out
	}
	check := func(name, typ, want string, xs ...string) {
		t.Helper()
		vt, err := vec.ParseType(typ)
		if err != nil {
			t.Fatal(err)
		}
		types := []vec.Type{vt}
		if got := aggregate(t, Postgres, name, types, rows(xs...), nil, false); got != want {
			t.Errorf("%s(%s): %s, want %s", name, typ, got, want)
		}
		if got := aggregate(t, Postgres, name, types, rows(xs...), nil, true); got != want && name != "array_agg" && name != "jsonb_agg" {
			t.Errorf("%s(%s) merged: %s, want %s", name, typ, got, want)
		}
		// Added, then something else added and taken away again.
		more, sign := rows(xs...), []int8{}
		for range xs {
			sign = append(sign, 1)
		}
		if len(xs) > 0 {
			more = append(more, []string{xs[0]}, []string{xs[0]})
			sign = append(sign, 1, -1)
		}
		if got := aggregate(t, Postgres, name, types, more, sign, false); len(xs) > 0 && got != want && got != "not retractable" && name != "array_agg" && name != "jsonb_agg" {
			t.Errorf("%s(%s) with a row taken away: %s, want %s", name, typ, got, want)
		}
	}
	check("count", "integer", "bigint 2", "1", "null", "3")
	check("sum", "integer", "bigint 4", "1", "null", "3")
	check("sum", "integer", "bigint NULL", "null")
	check("sum", "integer", "bigint NULL")
	check("sum", "bigint", "numeric 27670116110564327421", "9223372036854775807", "9223372036854775807", "9223372036854775807")
	check("sum", "bigint", "numeric -18446744073709551616", "-9223372036854775808", "-9223372036854775808")
	check("sum", "numeric", "numeric 3.75", "1.5", "2.25")
	check("sum", "numeric", "numeric 99999999999999999999.5", "99999999999999999999", "0.5")
	check("sum", "numeric", "numeric NaN", "1", "NaN")
	check("sum", "double precision", "double precision 3.5", "1.25", "2.25")
	check("sum", "double precision", "double precision Infinity", "1", "Infinity")
	check("sum", "interval", "interval 1 day 01:00:00", "1 day", "1 hour")
	check("avg", "integer", "numeric 2.0000000000000000", "1", "2", "3")
	check("avg", "bigint", "numeric 1.5000000000000000", "1", "2")
	check("avg", "numeric", "numeric 1.8750000000000000", "1.5", "2.25")
	check("avg", "double precision", "double precision 1.5", "1", "2")
	check("avg", "interval", "interval 12:30:00", "1 day", "1 hour")
	check("min", "integer", "integer -3", "1", "-3", "2")
	check("max", "text", "text b", "a", "b", "null")
	check("max", "numeric", "numeric 10", "9.5", "10")
	check("max", "double precision", "double precision NaN", "Infinity", "NaN")
	check("min", "timestamp", "timestamp without time zone 2024-01-01 00:00:00", "2024-02-01", "2024-01-01")
	check("bool_and", "boolean", "boolean f", "t", "f", "null")
	check("bool_or", "boolean", "boolean t", "t", "f")
	check("bit_and", "integer", "integer 8", "12", "10")
	check("bit_xor", "integer", "integer 6", "12", "10")
	check("array_agg", "integer", "integer[] {1,NULL,3}", "1", "null", "3")
	check("jsonb_agg", "text", `jsonb ["a", null]`, "a", "null")
	check("stddev", "integer", "numeric 1.5811388300841897", "1", "2", "3", "4", "5")
	check("var_pop", "integer", "numeric 2.0000000000000000", "1", "2", "3", "4", "5")
	check("variance", "double precision", "double precision 2.5", "1", "2", "3", "4", "5")
	check("stddev", "integer", "numeric NULL", "1")
	check("mode", "text", "text b", "a", "b", "b")
	check("sum", "text", "ERROR 42883 function sum(text) does not exist", "a")

	text := vec.Of(vec.Text)
	if got := aggregate(t, Postgres, "string_agg", []vec.Type{text, text}, [][]string{{"a", "x"}, {"null", "y"}, {"b", ","}}, nil, false); got != "text a,b" {
		t.Error("string_agg", got)
	}
	float := vec.Of(vec.Float64)
	pairs := [][]string{{"0.5", "1"}, {"0.5", "4"}, {"0.5", "2"}, {"0.5", "3"}}
	if got := aggregate(t, Postgres, "percentile_cont", []vec.Type{float, float}, pairs, nil, false); got != "double precision 2.5" {
		t.Error("percentile_cont", got)
	}
	if got := aggregate(t, Postgres, "percentile_disc", []vec.Type{float, float}, pairs, nil, false); got != "double precision 2" {
		t.Error("percentile_disc", got)
	}
	check2 := func(name, want string, types []vec.Type, rows ...[]string) {
		t.Helper()
		if got := aggregate(t, KSQL, name, types, rows, nil, false); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	in := vec.Of(vec.Int32)
	check2("latest_by_offset", "INTEGER 2", []vec.Type{in}, []string{"1"}, []string{"2"}, []string{"null"})
	check2("earliest_by_offset", "ARRAY<INTEGER> {1,2}", []vec.Type{in, in}, []string{"1", "2"}, []string{"2", "2"}, []string{"3", "2"})
	check2("topk", "ARRAY<INTEGER> {5,3}", []vec.Type{in, in}, []string{"3", "2"}, []string{"1", "2"}, []string{"5", "2"})
	check2("collect_set", "ARRAY<INTEGER> {1,2}", []vec.Type{in}, []string{"1"}, []string{"1"}, []string{"2"})
	check2("histogram", `MAP<STRING, BIGINT> {"a": 2, "b": 1}`, []vec.Type{text}, []string{"a"}, []string{"b"}, []string{"a"})
	check2("stddev_samp", "DOUBLE 2.5", []vec.Type{in}, []string{"1"}, []string{"2"}, []string{"3"}, []string{"4"}, []string{"5"})
	check2("sum", "BIGINT 3", []vec.Type{vec.Of(vec.Int64)}, []string{"1"}, []string{"2"})
}

// column makes n integers or floats.
func intColumn(n int) *vec.Vec {
	v := vec.New(vec.Of(vec.Int64))
	v.Reset(v.Type, n)
	for i := range n {
		v.Ints[i] = rand.Int64N(1000)
	}
	return v
}

func floatColumn(n int) *vec.Vec {
	v := vec.New(vec.Of(vec.Float64))
	v.Reset(v.Type, n)
	for i := range n {
		v.Floats[i] = rand.Float64() * 1000
	}
	return v
}

func textColumn(n int) *vec.Vec {
	v := vec.New(vec.Of(vec.Text))
	v.Reset(v.Type, n)
	for i := range n {
		v.SetString(i, fmt.Sprintf("%c channel %d", 'a'+rand.IntN(26), i))
	}
	return v
}

// hot are the kernels that a plain streaming query spends its time in.
func hot(t testing.TB) map[string]func() {
	const n = vec.MaxRows
	ctx := testCtx(func(_ int, err error) { t.Fatal(err) })
	rows := vec.Identity(n)
	out := map[string]func(){}
	ints, floats, texts := intColumn(n), floatColumn(n), textColumn(n)
	dst := make([]uint16, 0, n)
	scalar := func(name, op string, a, b *vec.Vec) {
		f, want, result, err := Resolve(op, Postgres, []vec.Type{a.Type, b.Type})
		if err != nil {
			t.Fatal(err)
		}
		res := vec.New(result)
		c := &Call{Ctx: ctx, Types: want, Type: result}
		args := []*vec.Vec{a, b}
		out[name] = func() {
			res.Reset(result, n)
			f.Eval(c, rows, args, res)
		}
		if f.Select != nil {
			out[name+"/select"] = func() { dst = f.Select(c, rows, args, dst[:0]) }
		}
	}
	scalar("int+const", "+", ints, vec.ConstOf(ints.Type, int64(3)))
	scalar("int*int", "*", ints, ints)
	scalar("float*const", "*", floats, vec.ConstOf(floats.Type, 0.908))
	scalar("int>const", ">", ints, vec.ConstOf(ints.Type, int64(500)))
	scalar("float>const", ">", floats, vec.ConstOf(floats.Type, 500.0))
	scalar("text=const", "=", texts, vec.ConstOf(texts.Type, "a channel 1"))
	scalar("text like prefix", "~~", texts, vec.ConstOf(texts.Type, "a%"))
	groups := make([]uint32, n)
	for i := range groups {
		groups[i] = rand.Uint32N(64)
	}
	agg := func(name string, arg *vec.Vec) {
		f, want, _, err := ResolveAgg(name, Postgres, []vec.Type{arg.Type})
		if err != nil {
			t.Fatal(err)
		}
		a, err := f.New(want)
		if err != nil {
			t.Fatal(err)
		}
		s := table(a, 64)
		args := []*vec.Vec{arg}
		out[name+"/"+arg.Type.String()] = func() { a.Add(ctx, s, groups, rows, nil, args) }
	}
	for _, name := range []string{"count", "sum", "avg", "min", "max"} {
		agg(name, ints)
		agg(name, floats)
	}
	return out
}

func TestHotKernelsDoNotAllocate(t *testing.T) {
	for name, f := range hot(t) {
		f() // grows the columns
		if n := testing.AllocsPerRun(20, f); n != 0 {
			t.Errorf("%s: %v allocations per batch", name, n)
		}
	}
}

func BenchmarkKernels(b *testing.B) {
	for name, f := range hot(b) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				f()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/vec.MaxRows, "ns/row")
		})
	}
}
