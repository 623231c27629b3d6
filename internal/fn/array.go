package fn

import (
	"slices"
	"strings"

	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
)

// arrays is the family of PostgreSQL's array functions, and subscripts of both
// dialects.
var arrays = []*Func{
	// A subscript: 1-based, NULL where there is nothing.
	{Name: "[]", Dialect: Postgres, Params: []Param{anyArray, {Kind: vec.Int32}}, Result: elemOf(0), Eval: boxed(subscript(false))},
	{Name: "[]", Dialect: Postgres, Params: params(vec.JSONB, vec.Int32), Result: of(vec.JSONB), Eval: boxed(getElement(vec.JSONB, false))},
	{Name: "[]", Dialect: Postgres, Params: params(vec.JSONB, vec.Text), Result: of(vec.JSONB), Eval: boxed(getMember(vec.JSONB, false))},
	{Name: "[]", Dialect: KSQL, Params: []Param{anyArray, {Kind: vec.Int32}}, Result: elemOf(0), Eval: boxed(subscript(true))},
	{Name: "[]", Dialect: Both, Params: []Param{anyMap, anyType}, Result: elemOf(0), Eval: boxed(mapSubscript)},
	{Name: "[:]", Dialect: Postgres, Params: []Param{anyArray, {Kind: vec.Int32}, {Kind: vec.Int32}}, Result: arg(0), NullCall: true, Eval: boxed(slice)},

	pgArray("||", arg(0), true, catArrays, anyArray, anyArray),
	pgArray("||", arg(0), true, appendElem, anyArray, anyElem),
	pgArray("||", arg(1), true, prependElem, anyElem, anyArray),
	pgArray("array_cat", arg(0), true, catArrays, anyArray, anyArray),
	pgArray("array_cat", arg(0), true, appendArray, anyArray, elemArray),
	pgArray("array_cat", arg(1), true, prependArray, elemArray, anyArray),
	pgArray("array_append", arg(0), true, appendElem, anyArray, anyElem),
	pgArray("array_prepend", arg(1), true, prependElem, anyElem, anyArray),
	pgArray("array_length", of(vec.Int32), false, arrayLength, anyArray, Param{Kind: vec.Int32}),
	pgArray("array_upper", of(vec.Int32), false, arrayLength, anyArray, Param{Kind: vec.Int32}),
	pgArray("array_lower", of(vec.Int32), false, func(c *Call, a []vec.Value) (vec.Value, error) {
		if n, err := arrayLength(c, a); n == nil {
			return nil, err
		}
		return int64(1), nil
	}, anyArray, Param{Kind: vec.Int32}),
	pgArray("array_ndims", of(vec.Int32), false, func(_ *Call, a []vec.Value) (vec.Value, error) {
		if d := dims(a[0].([]vec.Value)); len(d) > 0 {
			return int64(len(d)), nil
		}
		return nil, nil
	}, anyArray),
	pgArray("array_dims", of(vec.Text), false, func(_ *Call, a []vec.Value) (vec.Value, error) {
		var b strings.Builder
		for _, n := range dims(a[0].([]vec.Value)) {
			b.WriteString("[1:" + formatUint(uint64(n), 10) + "]")
		}
		if b.Len() == 0 {
			return nil, nil
		}
		return b.String(), nil
	}, anyArray),
	pgArray("cardinality", of(vec.Int32), false, func(_ *Call, a []vec.Value) (vec.Value, error) {
		n := int64(1)
		d := dims(a[0].([]vec.Value))
		for _, k := range d {
			n *= int64(k)
		}
		if len(d) == 0 {
			n = 0
		}
		return n, nil
	}, anyArray),
	pgArray("array_remove", arg(0), true, func(c *Call, a []vec.Value) (vec.Value, error) {
		if a[0] == nil {
			return nil, nil
		}
		return slices.DeleteFunc(slices.Clone(a[0].([]vec.Value)), func(x vec.Value) bool {
			return vec.Compare(*c.Types[0].Elem, x, a[1]) == 0
		}), nil
	}, anyArray, anyElem),
	pgArray("array_replace", arg(0), true, func(c *Call, a []vec.Value) (vec.Value, error) {
		if a[0] == nil {
			return nil, nil
		}
		out := slices.Clone(a[0].([]vec.Value))
		for i, x := range out {
			if vec.Compare(*c.Types[0].Elem, x, a[1]) == 0 {
				out[i] = a[2]
			}
		}
		return out, nil
	}, anyArray, anyElem, anyElem),
	pgArray("array_position", of(vec.Int32), true, arrayPosition, anyArray, anyElem),
	pgArray("array_position", of(vec.Int32), true, arrayPosition, anyArray, anyElem, Param{Kind: vec.Int32}),
	pgArray("array_positions", fixed(vec.ArrayOf(vec.Of(vec.Int32))), true, func(c *Call, a []vec.Value) (vec.Value, error) {
		if a[0] == nil {
			return nil, nil
		}
		out := []vec.Value{}
		for i, x := range a[0].([]vec.Value) {
			if vec.Compare(*c.Types[0].Elem, x, a[1]) == 0 {
				out = append(out, int64(i+1))
			}
		}
		return out, nil
	}, anyArray, anyElem),
	pgArray("array_fill", arrayOfArg(0), true, arrayFill, anyElem, Param{Kind: vec.Array}),
	pgArray("trim_array", arg(0), false, func(_ *Call, a []vec.Value) (vec.Value, error) {
		xs, n := a[0].([]vec.Value), a[1].(int64)
		if n < 0 || n > int64(len(xs)) {
			return nil, pgerr.Newf("2202E", "number of elements to trim must be between 0 and %d", len(xs))
		}
		return xs[:int64(len(xs))-n], nil
	}, anyArray, Param{Kind: vec.Int32}),
	stable(pgArray("array_to_string", of(vec.Text), true, arrayToString, anyArray, Param{Kind: vec.Text})),
	stable(pgArray("array_to_string", of(vec.Text), true, arrayToString, anyArray, Param{Kind: vec.Text}, Param{Kind: vec.Text})),
	pgArray("string_to_array", textArray, true, stringToArray, Param{Kind: vec.Text}, Param{Kind: vec.Text}),
	pgArray("string_to_array", textArray, true, stringToArray, Param{Kind: vec.Text}, Param{Kind: vec.Text}, Param{Kind: vec.Text}),
	pgArray("@>", of(vec.Bool), false, func(c *Call, a []vec.Value) (vec.Value, error) { return includes(c, a[0], a[1]), nil }, anyArray, anyArray),
	pgArray("<@", of(vec.Bool), false, func(c *Call, a []vec.Value) (vec.Value, error) { return includes(c, a[1], a[0]), nil }, anyArray, anyArray),
	pgArray("&&", of(vec.Bool), false, func(c *Call, a []vec.Value) (vec.Value, error) {
		t, x := leafOf(c.Types[0]), flatten(a[0])
		for _, y := range flatten(a[1]) {
			if y != nil && holds(t, x, y) {
				return true, nil
			}
		}
		return false, nil
	}, anyArray, anyArray),
	pgArray("array_sort", arg(0), false, func(c *Call, a []vec.Value) (vec.Value, error) { return sorted(*c.Types[0].Elem, a[0], false), nil }, anyArray),
	pgArray("array_max", elemOf(0), false, func(c *Call, a []vec.Value) (vec.Value, error) { return extremeOf(*c.Types[0].Elem, a[0], 1), nil }, anyArray),
	pgArray("array_min", elemOf(0), false, func(c *Call, a []vec.Value) (vec.Value, error) { return extremeOf(*c.Types[0].Elem, a[0], -1), nil }, anyArray),
	pgArray("array_distinct", arg(0), false, func(c *Call, a []vec.Value) (vec.Value, error) { return distinctOf(*c.Types[0].Elem, a[0]), nil }, anyArray),
}

func pgArray(name string, result func([]vec.Type) (vec.Type, error), nullCall bool, f boxedFunc, ps ...Param) *Func {
	return &Func{Name: name, Dialect: Postgres, Params: ps, Result: result, NullCall: nullCall, Eval: boxed(f)}
}

// elemOf is the Result of functions that return an element of argument i.
func elemOf(i int) func([]vec.Type) (vec.Type, error) {
	return func(args []vec.Type) (vec.Type, error) { return *args[i].Elem, nil }
}

func arrayOfArg(i int) func([]vec.Type) (vec.Type, error) {
	return func(args []vec.Type) (vec.Type, error) { return vec.ArrayOf(args[i]), nil }
}

func subscript(fromEnd bool) boxedFunc {
	return func(_ *Call, a []vec.Value) (vec.Value, error) {
		xs, i := a[0].([]vec.Value), a[1].(int64)
		if i < 0 && fromEnd {
			i += int64(len(xs)) + 1
		}
		if i < 1 || i > int64(len(xs)) {
			return nil, nil
		}
		return xs[i-1], nil
	}
}

func mapSubscript(c *Call, a []vec.Value) (vec.Value, error) {
	for _, e := range a[0].(vec.MapValue) {
		if vec.Compare(*c.Types[0].Key, e.Key, a[1]) == 0 {
			return e.Value, nil
		}
	}
	return nil, nil
}

// slice is a[lo:hi]; a missing bound is NULL and means the end.
func slice(_ *Call, a []vec.Value) (vec.Value, error) {
	if a[0] == nil {
		return nil, nil
	}
	xs := a[0].([]vec.Value)
	lo, hi := int64(1), int64(len(xs))
	if a[1] != nil {
		lo = max(a[1].(int64), 1)
	}
	if a[2] != nil {
		hi = min(a[2].(int64), hi)
	}
	if lo > hi {
		return []vec.Value{}, nil
	}
	return xs[lo-1 : hi], nil
}

func catArrays(_ *Call, a []vec.Value) (vec.Value, error) {
	switch {
	case a[0] == nil:
		return a[1], nil
	case a[1] == nil:
		return a[0], nil
	}
	xs, ys := a[0].([]vec.Value), a[1].([]vec.Value)
	if len(xs) > 0 && len(ys) > 0 && !slices.Equal(dims(xs)[1:], dims(ys)[1:]) {
		return nil, errIncompatible
	}
	return slices.Concat(xs, ys), nil
}

var errIncompatible = pgerr.Newf("2202E", "cannot concatenate incompatible arrays").
	Detailf("Arrays with differing element dimensions are not compatible for concatenation.")

func appendElem(_ *Call, a []vec.Value) (vec.Value, error) {
	xs, _ := a[0].([]vec.Value)
	if !sameDims(xs, a[1]) {
		return nil, errIncompatible
	}
	return append(slices.Clone(xs), a[1]), nil
}

func prependElem(_ *Call, a []vec.Value) (vec.Value, error) {
	xs, _ := a[1].([]vec.Value)
	if !sameDims(xs, a[0]) {
		return nil, errIncompatible
	}
	return append([]vec.Value{a[0]}, xs...), nil
}

// sameDims tells whether x, if it is an array, has the dimensions of xs' elements.
func sameDims(xs []vec.Value, x vec.Value) bool {
	sub, ok := x.([]vec.Value)
	return !ok || len(xs) == 0 || slices.Equal(dims(xs)[1:], dims(sub))
}

// elemArray is an element, itself an array, of the array beside it.
var elemArray = Param{Kind: vec.Array, Var: anyElem.Var}

// appendArray and prependArray add an array as one more element; NULL adds nothing.
func appendArray(c *Call, a []vec.Value) (vec.Value, error) {
	if a[1] == nil {
		return a[0], nil
	}
	return appendElem(c, a)
}

func prependArray(c *Call, a []vec.Value) (vec.Value, error) {
	if a[0] == nil {
		return a[1], nil
	}
	return prependElem(c, a)
}

// dims are the sizes of an array in each dimension; none if it is empty.
func dims(xs []vec.Value) []int {
	if len(xs) == 0 {
		return nil
	}
	out := []int{len(xs)}
	if sub, ok := xs[0].([]vec.Value); ok {
		inner := dims(sub)
		if inner == nil {
			return nil
		}
		out = append(out, inner...)
	}
	return out
}

func arrayLength(_ *Call, a []vec.Value) (vec.Value, error) {
	d, n := dims(a[0].([]vec.Value)), a[1].(int64)
	if n < 1 || n > int64(len(d)) {
		return nil, nil
	}
	return int64(d[n-1]), nil
}

func arrayPosition(c *Call, a []vec.Value) (vec.Value, error) {
	if a[0] == nil {
		return nil, nil
	}
	from := 0
	if len(a) > 2 {
		if a[2] == nil {
			return nil, pgerr.Newf("22004", "initial position must not be null")
		}
		from = int(max(a[2].(int64)-1, 0))
	}
	for i, x := range a[0].([]vec.Value) {
		if i >= from && vec.Compare(*c.Types[0].Elem, x, a[1]) == 0 {
			return int64(i + 1), nil
		}
	}
	return nil, nil
}

// maxElements bounds arrays that functions make.
const maxElements = 1 << 24

func arrayFill(_ *Call, a []vec.Value) (vec.Value, error) {
	if a[1] == nil {
		return nil, pgerr.Newf("22004", "dimension array or low bound array cannot be null")
	}
	d := a[1].([]vec.Value)
	if len(d) != 1 {
		return nil, pgerr.Newf(pgerr.FeatureNotSupported, "array_fill makes arrays of one dimension")
	}
	n, ok := d[0].(int64)
	if !ok || n < 0 || n > maxElements {
		return nil, pgerr.Newf(pgerr.ProgramLimitExceeded, "array size exceeds the maximum allowed (%d)", maxElements)
	}
	out := make([]vec.Value, n)
	for i := range out {
		out[i] = a[0]
	}
	return out, nil
}

func flatten(x vec.Value) []vec.Value {
	var out []vec.Value
	for _, e := range x.([]vec.Value) {
		if sub, ok := e.([]vec.Value); ok {
			out = append(out, flatten(sub)...)
			continue
		}
		out = append(out, e)
	}
	return out
}

func leafOf(t vec.Type) vec.Type {
	for t.Kind == vec.Array {
		t = *t.Elem
	}
	return t
}

func holds(t vec.Type, xs []vec.Value, y vec.Value) bool {
	return slices.ContainsFunc(xs, func(x vec.Value) bool { return x != nil && vec.Compare(t, x, y) == 0 })
}

func includes(c *Call, x, y vec.Value) bool {
	t, xs := leafOf(c.Types[0]), flatten(x)
	for _, e := range flatten(y) {
		if e == nil || !holds(t, xs, e) {
			return false
		}
	}
	return true
}

func arrayToString(c *Call, a []vec.Value) (vec.Value, error) {
	if a[0] == nil || a[1] == nil {
		return nil, nil
	}
	t, f, sep := leafOf(c.Types[0]), c.format(), a[1].(string)
	var out []byte
	first := true
	for _, x := range flatten(a[0]) {
		if x == nil && (len(a) < 3 || a[2] == nil) {
			continue
		}
		if !first {
			out = append(out, sep...)
		}
		first = false
		if x == nil {
			out = append(out, a[2].(string)...)
			continue
		}
		out = vec.AppendTextValue(out, t, x, f)
	}
	return string(out), nil
}

func stringToArray(_ *Call, a []vec.Value) (vec.Value, error) {
	if a[0] == nil {
		return nil, nil
	}
	s := a[0].(string)
	if s == "" {
		return []vec.Value{}, nil
	}
	var parts []string
	switch sep, ok := a[1].(string); {
	case !ok:
		parts = strings.Split(s, "")
	case sep == "":
		parts = []string{s}
	default:
		parts = strings.Split(s, sep)
	}
	out := make([]vec.Value, len(parts))
	for i, p := range parts {
		if len(a) > 2 && a[2] != nil && p == a[2].(string) {
			continue
		}
		out[i] = p
	}
	return out, nil
}

// sorted orders the elements, nulls last (in ksqlDB in both directions).
func sorted(t vec.Type, x vec.Value, desc bool) vec.Value {
	out := slices.Clone(x.([]vec.Value))
	slices.SortStableFunc(out, func(a, b vec.Value) int {
		if desc && a != nil && b != nil {
			a, b = b, a
		}
		return vec.Compare(t, a, b)
	})
	return out
}

func extremeOf(t vec.Type, x vec.Value, want int) vec.Value {
	var best vec.Value
	for _, e := range x.([]vec.Value) {
		if e != nil && (best == nil || vec.Compare(t, e, best) == want) {
			best = e
		}
	}
	return best
}

func distinctOf(t vec.Type, x vec.Value) vec.Value {
	seen := map[string]bool{}
	out := []vec.Value{}
	for _, e := range x.([]vec.Value) {
		key := string(vec.AppendValue(nil, t, e))
		if !seen[key] {
			seen[key] = true
			out = append(out, e)
		}
	}
	return out
}
