package fn

import "github.com/weirdb/weir/internal/vec"

// logic is NOT and the tests of truth, which see NULL as a third value.
var logic = []*Func{
	{Name: "not", Dialect: Both, Params: params(vec.Bool), Result: of(vec.Bool), Eval: func(_ *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
		a, m := args[0].Ints, mask(args[0])
		for _, r := range rows {
			out.Ints[r] = 1 - a[int(r)&m]
		}
	}},
	truth("is true", 1, 0, 0),
	truth("is not true", 0, 1, 1),
	truth("is false", 0, 1, 0),
	truth("is not false", 1, 0, 1),
	truth("is unknown", 0, 0, 1),
	truth("is not unknown", 1, 1, 0),
	{Name: "booleq", Dialect: Postgres, Params: params(vec.Bool, vec.Bool), Result: of(vec.Bool), Eval: boolsEqual(1)},
	{Name: "boolne", Dialect: Postgres, Params: params(vec.Bool, vec.Bool), Result: of(vec.Bool), Eval: boolsEqual(0)},
}

// truth makes a test from its answers for true, false and NULL.
func truth(name string, ifTrue, ifFalse, ifNull int64) *Func {
	return &Func{Name: name, Dialect: Both, Params: params(vec.Bool), Result: of(vec.Bool), NullCall: true,
		Eval: func(_ *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
			for _, r := range rows {
				switch {
				case args[0].Null(int(r)):
					out.Ints[r] = ifNull
				case args[0].Int(int(r)) != 0:
					out.Ints[r] = ifTrue
				default:
					out.Ints[r] = ifFalse
				}
			}
		}}
}

func boolsEqual(equal int64) Kernel {
	return func(_ *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
		for _, r := range rows {
			out.Ints[r] = 1 - equal
			if args[0].Int(int(r)) == args[1].Int(int(r)) {
				out.Ints[r] = equal
			}
		}
	}
}
