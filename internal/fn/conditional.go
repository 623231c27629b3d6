package fn

import "github.com/weirdb/weir/internal/vec"

// conditionals are the functions that SQL writes like functions but that choose
// among their arguments. (COALESCE is evaluated lazily, by the planner's node.)
var conditionals = []*Func{
	{Name: "nullif", Dialect: Both, Params: []Param{anyElem, anyElem}, Result: arg(0), NullCall: true, Eval: func(_ *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
		for _, r := range rows {
			a, b := args[0], args[1]
			if a.Null(int(r)) || !b.Null(int(r)) && vec.CompareRows(a, int(r), b, int(r)) == 0 {
				out.SetNull(int(r))
				continue
			}
			out.CopyRow(int(r), a, int(r))
		}
	}},
	{Name: "greatest", Dialect: Both, Params: []Param{anyElem, anyElem}, Variadic: true, Result: arg(0), NullCall: true, Eval: pick(1)},
	{Name: "least", Dialect: Both, Params: []Param{anyElem, anyElem}, Variadic: true, Result: arg(0), NullCall: true, Eval: pick(-1)},
	{Name: "ifnull", Dialect: KSQL, Params: []Param{anyElem, anyElem}, Result: arg(0), NullCall: true, Eval: firstNotNull},
	{Name: "coalesce", Dialect: Both, Params: []Param{anyElem, anyElem}, Variadic: true, Result: arg(0), NullCall: true, Eval: firstNotNull},
	{Name: "num_nulls", Dialect: Postgres, Params: []Param{anyType, anyType}, Variadic: true, Result: of(vec.Int32), NullCall: true, Eval: boxed(countNulls(true))},
	{Name: "num_nonnulls", Dialect: Postgres, Params: []Param{anyType, anyType}, Variadic: true, Result: of(vec.Int32), NullCall: true, Eval: boxed(countNulls(false))},
}

func pick(want int) Kernel {
	return func(_ *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
		for _, r := range rows {
			var best *vec.Vec
			for _, a := range args {
				if !a.Null(int(r)) && (best == nil || vec.CompareRows(a, int(r), best, int(r)) == want) {
					best = a
				}
			}
			if best == nil {
				out.SetNull(int(r))
				continue
			}
			out.CopyRow(int(r), best, int(r))
		}
	}
}

func firstNotNull(_ *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
next:
	for _, r := range rows {
		for _, a := range args {
			if !a.Null(int(r)) {
				out.CopyRow(int(r), a, int(r))
				continue next
			}
		}
		out.SetNull(int(r))
	}
}

func countNulls(nulls bool) boxedFunc {
	return func(_ *Call, a []vec.Value) (vec.Value, error) {
		n := int64(0)
		for _, x := range a {
			if (x == nil) == nulls {
				n++
			}
		}
		return n, nil
	}
}
