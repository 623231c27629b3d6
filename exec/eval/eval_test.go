package eval

import (
	"errors"
	"fmt"
	"testing"

	"github.com/cockroachdb/apd/v3"

	"github.com/weirdb/weir/internal/fn"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
)

var (
	int64T = vec.Of(vec.Int64)
	boolT  = vec.Of(vec.Bool)
	textT  = vec.Of(vec.Text)
	errDiv = errors.New("division by zero")
)

// arith is a strict function of two bigints that fails where f does.
func arith(name string, t vec.Type, f func(a, b int64) (int64, error)) *fn.Func {
	return &fn.Func{Name: name, Eval: func(c *fn.Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
		for _, r := range rows {
			i := int(r)
			if args[0].Null(i) || args[1].Null(i) {
				panic("a strict function saw a null")
			}
			x, err := f(args[0].Int(i), args[1].Int(i))
			if err != nil {
				out.SetNull(i)
				c.Fail(i, err)
				continue
			}
			out.Ints[i] = x
		}
	}}
}

var (
	add = arith("+", int64T, func(a, b int64) (int64, error) { return a + b, nil })
	div = arith("/", int64T, func(a, b int64) (int64, error) {
		if b == 0 {
			return 0, errDiv
		}
		return a / b, nil
	})
	gt = arith(">", boolT, func(a, b int64) (int64, error) { return truth(a > b), nil })
	eq = arith("=", boolT, func(a, b int64) (int64, error) { return truth(a == b), nil })
	// transform maps an array of bigint through a lambda.
	transform = &fn.Func{Name: "transform", Eval: func(c *fn.Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
		for _, r := range rows {
			in := args[0].Get(int(r)).([]vec.Value)
			col := vec.New(int64T)
			for _, x := range in {
				col.Append(x)
			}
			got := c.Lambdas[1].Apply(len(in), []*vec.Vec{col})
			list := make([]vec.Value, len(in))
			for i := range list {
				list[i] = got.Get(i)
			}
			out.Set(int(r), list)
		}
	}}
)

func apply(f *fn.Func, t vec.Type, args ...plan.Expr) plan.Expr {
	return &plan.Call{Fn: f, T: t, Args: args, Pos: -1}
}
func col(i int) plan.Expr { return &plan.Col{Index: i, T: int64T} }
func lit(x vec.Value) plan.Expr {
	switch x.(type) {
	case bool:
		return &plan.Const{Value: x, T: boolT}
	case string:
		return &plan.Const{Value: x, T: textT}
	}
	return &plan.Const{Value: x, T: int64T}
}

// ints makes a column; nil is null.
func ints(xs ...any) *vec.Vec {
	v := vec.New(int64T)
	for _, x := range xs {
		if n, ok := x.(int); ok {
			x = int64(n)
		}
		v.Append(x)
	}
	return v
}

func batchOf(cols ...*vec.Vec) *vec.Batch { return &vec.Batch{N: cols[0].Len(), Cols: cols} }

func show(v *vec.Vec, rows []uint16) string {
	var out []any
	for _, r := range rows {
		if v.Null(int(r)) {
			out = append(out, nil)
		} else if v.Type.Kind == vec.Bool {
			out = append(out, v.Int(int(r)) != 0)
		} else {
			out = append(out, v.Get(int(r)))
		}
	}
	return fmt.Sprint(out...)
}

// check computes e over b twice, by Eval and (conditions) by Select.
func check(t *testing.T, e plan.Expr, b *vec.Batch, want string) {
	t.Helper()
	ev, err := Compile(e, &Env{})
	if err != nil {
		t.Fatalf("%s: %v", e, err)
	}
	v, err := ev.Eval(b, b.Selected())
	if err != nil {
		t.Fatalf("%s: %v", e, err)
	}
	if got := show(v, b.Selected()); got != fmt.Sprint(want) {
		t.Errorf("%s = %s, want %s", e, got, want)
	}
	if e.Type().Kind != vec.Bool {
		return
	}
	var true_ []uint16
	for _, r := range b.Selected() {
		if !v.Null(int(r)) && v.Int(int(r)) != 0 {
			true_ = append(true_, r)
		}
	}
	got, err := ev.Select(b, b.Selected())
	if err != nil || fmt.Sprint(got) != fmt.Sprint(true_) {
		t.Errorf("%s selects %v (%v), want %v", e, got, err, true_)
	}
}

func TestExpressions(t *testing.T) {
	b := batchOf(ints(1, 2, nil, 4, 0), ints(10, nil, 30, 40, 0))
	check(t, apply(add, int64T, col(0), col(1)), b, "11 <nil> <nil> 44 0")
	check(t, apply(add, int64T, lit(int64(1)), lit(nil)), b, "<nil> <nil> <nil> <nil> <nil>")
	check(t, apply(add, int64T, lit(int64(1)), lit(int64(2))), b, "3 3 3 3 3")
	check(t, &plan.IsNull{X: col(1)}, b, "false true false false false")
	check(t, &plan.IsNull{X: col(1), Not: true}, b, "true false true true true")
	check(t, &plan.Coalesce{Args: []plan.Expr{col(0), col(1), lit(int64(7))}, T: int64T}, b, "1 2 30 4 0")
	in := &plan.In{X: col(0), List: []vec.Value{int64(1), int64(4)}}
	check(t, in, b, "true false <nil> true false")
	check(t, &plan.In{X: col(0), List: in.List, HasNull: true}, b, "true <nil> <nil> true <nil>")
	check(t, &plan.In{X: col(0), List: in.List, HasNull: true, Not: true}, b, "false <nil> <nil> false <nil>")
	check(t, &plan.In{X: col(0), List: in.List, Not: true}, b, "false true <nil> false true")
	var many []vec.Value
	for i := range 20 {
		many = append(many, int64(i*2))
	}
	check(t, &plan.In{X: col(0), List: many}, b, "false true <nil> true true")
}

// Numbers that differ in scale only are the same number.
func TestInListOfDecimals(t *testing.T) {
	dec := vec.Of(vec.Decimal)
	v := vec.New(dec)
	v.Append(apd.New(110, -2))
	v.Append(apd.New(12, -1))
	var list []vec.Value
	for i := range 20 {
		list = append(list, apd.New(int64(i)*11, -1))
	}
	check(t, &plan.In{X: &plan.Col{T: dec}, List: list}, batchOf(v), "true false")
	check(t, &plan.In{X: &plan.Col{T: dec}, List: list[:4]}, batchOf(v), "true false")
}

func TestThreeValuedLogic(t *testing.T) {
	tr, fa, nu := lit(true), lit(false), &plan.Const{T: boolT}
	b := batchOf(ints(0))
	for _, c := range []struct {
		or   bool
		a, b plan.Expr
		want string
	}{
		{false, tr, tr, "true"}, {false, tr, fa, "false"}, {false, tr, nu, "<nil>"},
		{false, fa, nu, "false"}, {false, nu, fa, "false"}, {false, nu, nu, "<nil>"},
		{true, fa, fa, "false"}, {true, tr, nu, "true"}, {true, nu, tr, "true"},
		{true, fa, nu, "<nil>"}, {true, nu, fa, "<nil>"},
	} {
		check(t, &plan.Logic{Or: c.or, Args: []plan.Expr{c.a, c.b}}, b, c.want)
	}
	x := batchOf(ints(1, 5, nil, 9, 12))
	big := apply(gt, boolT, col(0), lit(int64(4)))
	huge := apply(gt, boolT, col(0), lit(int64(10)))
	one := apply(eq, boolT, col(0), lit(int64(1)))
	check(t, &plan.Logic{Args: []plan.Expr{big, huge}}, x, "false false <nil> false true")
	check(t, &plan.Logic{Or: true, Args: []plan.Expr{huge, one, big}}, x, "true true <nil> true true")
}

// What no row reaches is not computed: none of these divides by zero.
func TestLaziness(t *testing.T) {
	zero := lit(int64(0))
	bad := apply(div, int64T, lit(int64(1)), zero)
	b := batchOf(ints(0, 1, nil, 2))
	isZero := apply(eq, boolT, col(0), zero)
	inverse := apply(div, int64T, lit(int64(8)), col(0))
	check(t, &plan.Case{Whens: []plan.When{{Cond: isZero, Then: lit(int64(-1))}}, Else: inverse, T: int64T}, b, "-1 8 <nil> 4")
	check(t, &plan.Case{Whens: []plan.When{{Cond: lit(false), Then: bad}}, T: int64T}, b, "<nil> <nil> <nil> <nil>")
	check(t, &plan.Logic{Or: true, Args: []plan.Expr{isZero, apply(gt, boolT, inverse, lit(int64(5)))}}, b, "true true <nil> false")
	check(t, &plan.Coalesce{Args: []plan.Expr{lit(int64(1)), bad}, T: int64T}, b, "1 1 1 1")
	b.Sel = []uint16{1, 3}
	check(t, inverse, b, "8 4")
}

func TestRowErrors(t *testing.T) {
	b := batchOf(ints(0, 1, 0))
	inverse := apply(div, int64T, lit(int64(8)), col(0))
	ev, err := Compile(inverse, &Env{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ev.Eval(b, b.Selected()); err != errDiv {
		t.Errorf("strict: %v", err)
	}
	if _, err := ev.Eval(batchOf(ints(2)), vec.Identity(1)); err != nil {
		t.Errorf("an error stays: %v", err)
	}
	var rows []int
	env := &Env{Report: func(row int, err error) { rows = append(rows, row) }}
	for _, e := range []plan.Expr{inverse, apply(div, int64T, lit(int64(1)), lit(int64(0)))} {
		if ev, err = Compile(e, env); err != nil {
			t.Fatal(err)
		}
		v, err := ev.Eval(b, b.Selected())
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, -1)
		if !v.Null(0) || !v.Null(2) {
			t.Error("a row that failed has a value")
		}
	}
	if fmt.Sprint(rows) != "[0 2 -1 0 1 2 -1]" {
		t.Errorf("reported rows %v", rows)
	}
}

func TestNestedValues(t *testing.T) {
	b := batchOf(ints(1, nil), ints(10, 20))
	st := vec.Type{Kind: vec.Struct, Fields: []vec.Field{{Name: "a", Type: int64T}, {Name: "b", Type: textT}, {Name: "c", Type: int64T}}}
	s := &plan.Struct{Args: []plan.Expr{col(0), lit("x"), col(1)}, T: st}
	check(t, s, b, "[1 x 10] [<nil> x 20]")
	check(t, &plan.FieldOf{X: s, Index: 2, T: int64T}, b, "10 20")
	check(t, &plan.FieldOf{X: s, Index: 0, T: int64T}, b, "1 <nil>")
	check(t, &plan.FieldOf{X: &plan.Const{T: st}, Index: 0, T: int64T}, b, "<nil> <nil>")
	check(t, &plan.Array{Args: []plan.Expr{col(0), col(1)}, T: vec.ArrayOf(int64T)}, b, "[1 10] [<nil> 20]")
	check(t, &plan.MapOf{Keys: []plan.Expr{lit("a"), lit("b"), lit("a")}, Values: []plan.Expr{col(0), col(1), lit(int64(9))}, T: vec.MapOf(textT, int64T)},
		b, "[{a 9} {b 10}] [{a 9} {b 20}]")
}

func TestLambdas(t *testing.T) {
	arr := vec.ArrayOf(int64T)
	b := batchOf(ints(1, 2), ints(10, 20))
	list := &plan.Array{Args: []plan.Expr{col(0), lit(int64(5))}, T: arr}
	param := &plan.LambdaParam{Index: 0, Name: "x", T: int64T}
	over := func(body plan.Expr) plan.Expr {
		return apply(transform, arr, list, &plan.Lambda{Params: []string{"x"}, Body: body})
	}
	check(t, over(apply(add, int64T, param, lit(int64(1)))), b, "[2 6] [3 6]")
	check(t, over(apply(add, int64T, param, col(1))), b, "[11 15] [22 25]")
	// The inner lambda sees the outer one's parameter and the row.
	inner := apply(transform, arr, list, &plan.Lambda{Params: []string{"y"}, Body: apply(add, int64T, apply(add, int64T, param, &plan.LambdaParam{Level: 1, T: int64T}), col(1))})
	nested := apply(transform, vec.ArrayOf(arr), list, &plan.Lambda{Params: []string{"x"}, Body: inner})
	check(t, nested, b, "[[12 16] [16 20]] [[24 27] [27 30]]")
	var long []vec.Value
	for i := range 3000 {
		long = append(long, int64(i))
	}
	ev, err := Compile(apply(transform, arr, &plan.Const{Value: long, T: arr}, &plan.Lambda{Params: []string{"x"}, Body: apply(add, int64T, param, col(0))}), &Env{})
	if err != nil {
		t.Fatal(err)
	}
	v, err := ev.Eval(b, []uint16{1})
	if err != nil {
		t.Fatal(err)
	}
	if got := v.Get(1).([]vec.Value); len(got) != 3000 || got[2999] != int64(3001) {
		t.Errorf("long array: %d elements, last %v", len(got), got[len(got)-1])
	}
}

func TestParamsAndOuter(t *testing.T) {
	env := &Env{Params: []vec.Value{int64(5)}}
	env.Outer = &Outer{Batch: batchOf(ints(7, 8)), Row: 1, Up: &Outer{Batch: batchOf(ints(100)), Row: 0}}
	e := apply(add, int64T, &plan.Param{N: 1, T: int64T}, apply(add, int64T, &plan.Outer{T: int64T}, &plan.Outer{Level: 1, T: int64T}))
	got, err := Const(e, env)
	if err != nil || got != int64(113) {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := Const(&plan.Param{N: 2, T: int64T}, env); err == nil {
		t.Error("a parameter that was not given is accepted")
	}
}

func filterOf(n int) (*Evaluator, *vec.Batch) {
	v, w := vec.New(int64T), vec.New(textT)
	for i := range n {
		v.Append(int64(i * 7919 % 200))
		w.Append([]string{"apple", "pear"}[i%2])
	}
	b := batchOf(v, w)
	ev, err := Compile(&plan.Logic{Args: []plan.Expr{
		apply(gt, boolT, col(0), lit(int64(100))),
		&plan.In{X: &plan.Col{Index: 1, T: textT}, List: []vec.Value{"apple", "fig"}},
		apply(gt, boolT, &plan.Case{Whens: []plan.When{{Cond: apply(gt, boolT, col(0), lit(int64(150))), Then: lit(int64(1))}}, Else: col(0), T: int64T}, lit(int64(0))),
	}}, &Env{})
	if err != nil {
		panic(err)
	}
	return ev, b
}

func TestNoAllocations(t *testing.T) {
	ev, b := filterOf(vec.MaxRows)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := ev.Select(b, b.Selected()); err != nil {
			t.Fatal(err)
		}
		if _, err := ev.Eval(b, b.Selected()); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a batch", n)
	}
}

func BenchmarkFilter(b *testing.B) {
	for _, n := range []int{1, vec.MaxRows} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			ev, batch := filterOf(n)
			for b.Loop() {
				if _, err := ev.Select(batch, batch.Selected()); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/row")
		})
	}
}
