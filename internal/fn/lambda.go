package fn

import (
	"github.com/weirdb/weir/internal/vec"
)

// lambdas is TRANSFORM, FILTER and REDUCE over arrays and maps.
var lambdas = []*Func{
	{Name: "transform", Dialect: Both, Params: []Param{{Kind: vec.Array}, {Lambda: 1}}, LambdaArgs: elements(0),
		Result: func(a []vec.Type) (vec.Type, error) { return vec.ArrayOf(a[1]), nil }, Eval: boxed(func(c *Call, a []vec.Value) (vec.Value, error) {
			return c.apply(1, []vec.Type{*c.Types[0].Elem}, [][]vec.Value{a[0].([]vec.Value)}), nil
		})},
	{Name: "transform", Dialect: Both, Params: []Param{{Kind: vec.Map}, {Lambda: 2}, {Lambda: 2}}, LambdaArgs: entriesOf(0),
		Result: func(a []vec.Type) (vec.Type, error) { return vec.MapOf(a[1], a[2]), nil }, Eval: boxed(transformMap)},
	{Name: "filter", Dialect: Both, Params: []Param{{Kind: vec.Array}, {Lambda: 1}}, LambdaArgs: elements(0), Result: arg(0), Eval: boxed(func(c *Call, a []vec.Value) (vec.Value, error) {
		xs := a[0].([]vec.Value)
		out := []vec.Value{}
		for i, keep := range c.apply(1, []vec.Type{*c.Types[0].Elem}, [][]vec.Value{xs}) {
			if keep == true {
				out = append(out, xs[i])
			}
		}
		return out, nil
	})},
	{Name: "filter", Dialect: Both, Params: []Param{{Kind: vec.Map}, {Lambda: 2}}, LambdaArgs: entriesOf(0), Result: arg(0), Eval: boxed(func(c *Call, a []vec.Value) (vec.Value, error) {
		m := a[0].(vec.MapValue)
		out := vec.MapValue{}
		for i, keep := range c.apply(1, []vec.Type{*c.Types[0].Key, *c.Types[0].Elem}, keysValues(m)) {
			if keep == true {
				out = append(out, m[i])
			}
		}
		return out, nil
	})},
	{Name: "reduce", Dialect: Both, Params: []Param{{Kind: vec.Array}, anyType, {Lambda: 2}}, Result: arg(1), NullCall: true,
		LambdaArgs: func(_ int, a []vec.Type) []vec.Type { return []vec.Type{a[1], *a[0].Elem} }, Eval: boxed(reduceArray)},
	{Name: "reduce", Dialect: Both, Params: []Param{{Kind: vec.Map}, anyType, {Lambda: 3}}, Result: arg(1), NullCall: true,
		LambdaArgs: func(_ int, a []vec.Type) []vec.Type { return []vec.Type{a[1], *a[0].Key, *a[0].Elem} }, Eval: boxed(reduceMap)},
}

func elements(i int) func(int, []vec.Type) []vec.Type {
	return func(_ int, a []vec.Type) []vec.Type { return []vec.Type{*a[i].Elem} }
}

func entriesOf(i int) func(int, []vec.Type) []vec.Type {
	return func(_ int, a []vec.Type) []vec.Type { return []vec.Type{*a[i].Key, *a[i].Elem} }
}

// apply computes lambda i for each place of the lists, in batches.
func (c *Call) apply(i int, types []vec.Type, lists [][]vec.Value) []vec.Value {
	n := len(lists[0])
	out := make([]vec.Value, 0, n)
	for from := 0; from < n; from += vec.MaxRows {
		to := min(n, from+vec.MaxRows)
		args := make([]*vec.Vec, len(lists))
		for k, list := range lists {
			args[k] = vec.New(types[k])
			for _, x := range list[from:to] {
				args[k].Append(x)
			}
		}
		res := c.Lambdas[i].Apply(to-from, args)
		for r := range to - from {
			out = append(out, res.Get(r))
		}
	}
	return out
}

func keysValues(m vec.MapValue) [][]vec.Value {
	out := [][]vec.Value{make([]vec.Value, len(m)), make([]vec.Value, len(m))}
	for i, e := range m {
		out[0][i], out[1][i] = e.Key, e.Value
	}
	return out
}

func transformMap(c *Call, a []vec.Value) (vec.Value, error) {
	types, lists := []vec.Type{*c.Types[0].Key, *c.Types[0].Elem}, keysValues(a[0].(vec.MapValue))
	keys, values := c.apply(1, types, lists), c.apply(2, types, lists)
	out := make(vec.MapValue, 0, len(keys))
next:
	for i, k := range keys {
		for j := range out {
			if vec.Compare(c.Types[1], out[j].Key, k) == 0 {
				out[j].Value = values[i]
				continue next
			}
		}
		out = append(out, vec.MapEntry{Key: k, Value: values[i]})
	}
	return out, nil
}

func reduceArray(c *Call, a []vec.Value) (vec.Value, error) {
	xs, ok := a[0].([]vec.Value)
	if !ok {
		return a[1], nil
	}
	state := a[1]
	for _, x := range xs {
		state = c.apply(2, []vec.Type{c.Types[1], *c.Types[0].Elem}, [][]vec.Value{{state}, {x}})[0]
	}
	return state, nil
}

func reduceMap(c *Call, a []vec.Value) (vec.Value, error) {
	m, ok := a[0].(vec.MapValue)
	if !ok {
		return a[1], nil
	}
	state := a[1]
	for _, e := range m {
		state = c.apply(2, []vec.Type{c.Types[1], *c.Types[0].Key, *c.Types[0].Elem}, [][]vec.Value{{state}, {e.Key}, {e.Value}})[0]
	}
	return state, nil
}
