package fn

import (
	"slices"
	"strconv"
	"strings"

	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
)

func ksqlArray(name string, result func([]vec.Type) (vec.Type, error), f boxedFunc, ps ...Param) *Func {
	return &Func{Name: name, Dialect: KSQL, Params: ps, Result: result, Eval: boxed(f)}
}

// setOp is a function of two arrays whose result has each element once.
func setOp(name string, keep func(inOther bool) bool, union bool) *Func {
	return ksqlArray(name, arg(0), func(c *Call, a []vec.Value) (vec.Value, error) {
		t := *c.Types[0].Elem
		x, y := a[0].([]vec.Value), a[1].([]vec.Value)
		if union {
			return distinctOf(t, slices.Concat(x, y)), nil
		}
		other := map[string]bool{}
		for _, e := range y {
			other[string(vec.AppendValue(nil, t, e))] = true
		}
		return distinctOf(t, slices.DeleteFunc(slices.Clone(x), func(e vec.Value) bool {
			return !keep(other[string(vec.AppendValue(nil, t, e))])
		})), nil
	}, anyArray, anyArray)
}

// ksqlNested is the family of ksqlDB's functions on arrays, maps, structs and
// JSON text.
var ksqlNested = []*Func{
	ksqlArray("array_length", of(vec.Int32), func(_ *Call, a []vec.Value) (vec.Value, error) { return int64(len(a[0].([]vec.Value))), nil }, anyArray),
	nullCall(ksqlArray("array_contains", of(vec.Bool), func(c *Call, a []vec.Value) (vec.Value, error) {
		if a[0] == nil {
			return false, nil
		}
		return slices.ContainsFunc(a[0].([]vec.Value), func(x vec.Value) bool { return vec.Compare(*c.Types[0].Elem, x, a[1]) == 0 }), nil
	}, anyArray, anyElem)),
	ksqlArray("array_concat", arg(0), func(_ *Call, a []vec.Value) (vec.Value, error) {
		return slices.Concat(a[0].([]vec.Value), a[1].([]vec.Value)), nil
	}, anyArray, anyArray).withNulls(catArrays),
	ksqlArray("array_distinct", arg(0), func(c *Call, a []vec.Value) (vec.Value, error) { return distinctOf(*c.Types[0].Elem, a[0]), nil }, anyArray),
	setOp("array_except", func(in bool) bool { return !in }, false), setOp("array_intersect", func(in bool) bool { return in }, false), setOp("array_union", nil, true),
	ksqlArray("array_join", of(vec.Text), arrayJoin, anyArray),
	nullCall(ksqlArray("array_join", of(vec.Text), arrayJoin, anyArray, Param{Kind: vec.Text})),
	ksqlArray("array_max", elemOf(0), func(c *Call, a []vec.Value) (vec.Value, error) { return extremeOf(*c.Types[0].Elem, a[0], 1), nil }, anyArray),
	ksqlArray("array_min", elemOf(0), func(c *Call, a []vec.Value) (vec.Value, error) { return extremeOf(*c.Types[0].Elem, a[0], -1), nil }, anyArray),
	nullCall(ksqlArray("array_remove", arg(0), func(c *Call, a []vec.Value) (vec.Value, error) {
		if a[0] == nil {
			return nil, nil
		}
		return slices.DeleteFunc(slices.Clone(a[0].([]vec.Value)), func(x vec.Value) bool { return vec.Compare(*c.Types[0].Elem, x, a[1]) == 0 }), nil
	}, anyArray, anyElem)),
	ksqlArray("array_sort", arg(0), func(c *Call, a []vec.Value) (vec.Value, error) { return sorted(*c.Types[0].Elem, a[0], false), nil }, anyArray),
	ksqlArray("array_sort", arg(0), func(c *Call, a []vec.Value) (vec.Value, error) {
		return sorted(*c.Types[0].Elem, a[0], strings.HasPrefix(strings.ToLower(a[1].(string)), "desc")), nil
	}, anyArray, Param{Kind: vec.Text}),
	ksqlArray("slice", arg(0), func(_ *Call, a []vec.Value) (vec.Value, error) {
		xs := a[0].([]vec.Value)
		lo, hi := max(a[1].(int64), 1), min(a[2].(int64), int64(len(xs)))
		if lo > hi {
			return nil, nil
		}
		return xs[lo-1 : hi], nil
	}, anyArray, Param{Kind: vec.Int32}, Param{Kind: vec.Int32}),
	ksqlSeries(vec.Int32, 2), ksqlSeries(vec.Int32, 3), ksqlSeries(vec.Int64, 2), ksqlSeries(vec.Int64, 3),
	ksqlArray("as_map", func(a []vec.Type) (vec.Type, error) { return vec.MapOf(*a[0].Elem, *a[1].Elem), nil }, func(c *Call, a []vec.Value) (vec.Value, error) {
		keys, values := a[0].([]vec.Value), a[1].([]vec.Value)
		out := vec.MapValue{}
		for i := range min(len(keys), len(values)) {
			out = setEntry(*c.Types[0].Elem, out, keys[i], values[i])
		}
		return out, nil
	}, Param{Kind: vec.Array}, Param{Kind: vec.Array}),
	ksqlArray("entries", func(a []vec.Type) (vec.Type, error) {
		return vec.ArrayOf(vec.Type{Kind: vec.Struct, Fields: []vec.Field{{Name: "K", Type: *a[0].Key}, {Name: "V", Type: *a[0].Elem}}}), nil
	}, func(c *Call, a []vec.Value) (vec.Value, error) {
		m := a[0].(vec.MapValue)
		if a[1].(bool) {
			m = sortedMap(*c.Types[0].Key, m)
		}
		out := make([]vec.Value, len(m))
		for i, e := range m {
			out[i] = []vec.Value{e.Key, e.Value}
		}
		return out, nil
	}, anyMap, Param{Kind: vec.Bool}),
	ksqlArray("map_keys", func(a []vec.Type) (vec.Type, error) { return vec.ArrayOf(*a[0].Key), nil }, func(_ *Call, a []vec.Value) (vec.Value, error) {
		return keysValues(a[0].(vec.MapValue))[0], nil
	}, anyMap),
	ksqlArray("map_values", func(a []vec.Type) (vec.Type, error) { return vec.ArrayOf(*a[0].Elem), nil }, func(_ *Call, a []vec.Value) (vec.Value, error) {
		return keysValues(a[0].(vec.MapValue))[1], nil
	}, anyMap),
	nullCall(ksqlArray("map_union", arg(0), func(c *Call, a []vec.Value) (vec.Value, error) {
		var out vec.MapValue
		for _, x := range a {
			if m, ok := x.(vec.MapValue); ok {
				if out == nil {
					out = vec.MapValue{}
				}
				for _, e := range m {
					out = setEntry(*c.Types[0].Key, out, e.Key, e.Value)
				}
			}
		}
		if out == nil {
			return nil, nil
		}
		return out, nil
	}, Param{Kind: vec.Map, Var: 1}, Param{Kind: vec.Map, Var: 1})),

	nullCall(ksqlFunc("is_json_string", boolean, func(_ *Call, a []vec.Value) (vec.Value, error) {
		s, ok := a[0].(string)
		return ok && vec.ValidJSON(s), nil
	}, vec.Text)),
	ksqlFunc("json_array_length", integer, jsonList(func(n *vec.JSONNode) (vec.Value, error) { return int64(len(n.Elems)), nil }), vec.Text),
	ksqlFunc("json_items", strs, jsonList(func(n *vec.JSONNode) (vec.Value, error) {
		out := []vec.Value{}
		for i := range n.Elems {
			out = append(out, string(appendCompact(nil, &n.Elems[i])))
		}
		return out, nil
	}), vec.Text),
	ksqlFunc("json_keys", strs, jsonMembers(func(n *vec.JSONNode) vec.Value { return texts2values(n.Keys) }), vec.Text),
	ksqlFunc("json_records", vec.MapOf(str, str), jsonMembers(func(n *vec.JSONNode) vec.Value {
		out := vec.MapValue{}
		for i, k := range n.Keys {
			out = setEntry(str, out, k, jsonText(&n.Elems[i]))
		}
		return out
	}), vec.Text),
	variadic(ksqlFunc("json_concat", str, jsonConcat, vec.Text)),
	ksqlArray("json_array_contains", of(vec.Bool), jsonArrayContains, Param{Kind: vec.Text}, anyType).withNulls(jsonArrayContains),
	nullCall(ksqlArray("to_json_string", of(vec.Text), func(c *Call, a []vec.Value) (vec.Value, error) {
		return string(appendKSQLJSON(nil, c.Types[0], a[0])), nil
	}, anyType)),
	ksqlFunc("extractjsonfield", str, extractJSONField, vec.Text, vec.Text),
}

func setEntry(key vec.Type, m vec.MapValue, k, v vec.Value) vec.MapValue {
	for i := range m {
		if vec.Compare(key, m[i].Key, k) == 0 {
			m[i].Value = v
			return m
		}
	}
	return append(m, vec.MapEntry{Key: k, Value: v})
}

func sortedMap(key vec.Type, m vec.MapValue) vec.MapValue {
	out := slices.Clone(m)
	slices.SortFunc(out, func(a, b vec.MapEntry) int { return vec.Compare(key, a.Key, b.Key) })
	return out
}

func arrayJoin(c *Call, a []vec.Value) (vec.Value, error) {
	if a[0] == nil {
		return nil, nil
	}
	sep := ","
	if len(a) > 1 {
		sep, _ = a[1].(string) // NULL separates by nothing
	}
	var b []byte
	for i, x := range a[0].([]vec.Value) {
		if i > 0 {
			b = append(b, sep...)
		}
		b = appendKSQL(b, *c.Types[0].Elem, x)
	}
	return string(b), nil
}

func ksqlSeries(k vec.Kind, n int) *Func {
	kinds := []vec.Kind{k, k, vec.Int32}[:n]
	return ksqlFunc("generate_series", vec.ArrayOf(vec.Of(k)), func(_ *Call, a []vec.Value) (vec.Value, error) {
		x, end, step := a[0].(int64), a[1].(int64), int64(1)
		if len(a) > 2 {
			step = a[2].(int64)
		} else if end < x {
			step = -1
		}
		switch {
		case step == 0:
			return nil, pgerr.Newf("22023", "GENERATE_SERIES step cannot be zero")
		case (end-x)/step > maxElements:
			return nil, pgerr.Newf(pgerr.ProgramLimitExceeded, "GENERATE_SERIES of more than %d elements", maxElements)
		}
		out := []vec.Value{}
		for ; step > 0 && x <= end || step < 0 && x >= end; x += step {
			out = append(out, x)
		}
		return out, nil
	}, kinds...)
}

// jsonList gives f an array, and NULL for everything else.
func jsonList(f func(n *vec.JSONNode) (vec.Value, error)) boxedFunc {
	return func(_ *Call, a []vec.Value) (vec.Value, error) {
		n, err := vec.ParseJSON(a[0].(string))
		if err != nil {
			return nil, err
		}
		if n.Kind != vec.JSONArray {
			return nil, nil
		}
		return f(&n)
	}
}

func jsonMembers(f func(n *vec.JSONNode) vec.Value) boxedFunc {
	return func(_ *Call, a []vec.Value) (vec.Value, error) {
		n, err := vec.ParseJSON(a[0].(string))
		if err != nil {
			return nil, err
		}
		if n.Kind != vec.JSONObject {
			return nil, nil
		}
		return f(&n), nil
	}
}

// jsonText is a node as text: a string itself, anything else in JSON.
func jsonText(n *vec.JSONNode) string {
	if n.Kind == vec.JSONString {
		return n.Text
	}
	return string(appendCompact(nil, n))
}

func jsonConcat(_ *Call, a []vec.Value) (vec.Value, error) {
	nodes := make([]vec.JSONNode, len(a))
	objects := true
	for i, x := range a {
		var err error
		if nodes[i], err = vec.ParseJSON(x.(string)); err != nil {
			return nil, err
		}
		objects = objects && nodes[i].Kind == vec.JSONObject
	}
	var out vec.JSONNode
	if objects {
		out.Kind = vec.JSONObject
		for _, n := range nodes {
			for i, k := range n.Keys {
				if m := out.Member(k); m != nil {
					*m = n.Elems[i]
					continue
				}
				out.Keys, out.Elems = append(out.Keys, k), append(out.Elems, n.Elems[i])
			}
		}
	} else {
		out.Kind = vec.JSONArray
		for _, n := range nodes {
			if n.Kind == vec.JSONArray {
				out.Elems = append(out.Elems, n.Elems...)
			} else {
				out.Elems = append(out.Elems, n)
			}
		}
	}
	return string(appendCompact(nil, &out)), nil
}

func jsonArrayContains(c *Call, a []vec.Value) (vec.Value, error) {
	s, ok := a[0].(string)
	if !ok {
		return false, nil
	}
	n, err := vec.ParseJSON(s)
	if err != nil || n.Kind != vec.JSONArray {
		return false, nil
	}
	want, err := vec.ParseJSON(string(appendKSQLJSON(nil, c.Types[1], a[1])))
	if err != nil {
		return false, nil
	}
	return slices.ContainsFunc(n.Elems, func(e vec.JSONNode) bool { return vec.CompareJSON(&e, &want) == 0 }), nil
}

// appendKSQLJSON is TO_JSON_STRING: no blanks, doubles as Java prints them.
func appendKSQLJSON(dst []byte, t vec.Type, x vec.Value) []byte {
	switch v := x.(type) {
	case nil:
		return append(dst, "null"...)
	case float64:
		return appendJavaDouble(dst, v)
	case bool:
		return strconv.AppendBool(dst, v)
	case []vec.Value:
		open, end := byte('['), byte(']')
		if t.Kind == vec.Struct {
			open, end = '{', '}'
		}
		dst = append(dst, open)
		for i, e := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			et := t.Elem
			if t.Kind == vec.Struct {
				et = &t.Fields[i].Type
				dst = append(vec.AppendJSONString(dst, t.Fields[i].Name), ':')
			}
			dst = appendKSQLJSON(dst, *et, e)
		}
		return append(dst, end)
	case vec.MapValue:
		dst = append(dst, '{')
		for i, e := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(vec.AppendJSONString(dst, string(appendKSQL(nil, *t.Key, e.Key))), ':')
			dst = appendKSQLJSON(dst, *t.Elem, e.Value)
		}
		return append(dst, '}')
	case int64:
		if t.IsInteger() {
			return strconv.AppendInt(dst, v, 10)
		}
	}
	if t.Kind == vec.Decimal {
		return vec.AppendTextValue(dst, t, x, nil)
	}
	return vec.AppendJSONString(dst, string(appendKSQL(nil, t, x)))
}

// extractJSONField follows a path like $.a.b[0] or $['a'].
func extractJSONField(_ *Call, a []vec.Value) (vec.Value, error) {
	path := a[1].(string)
	if !strings.HasPrefix(path, "$") {
		return nil, pgerr.Newf("22023", "invalid JSON path: %s", path)
	}
	doc, err := vec.ParseJSONPrefix(a[0].(string)) // what Jackson reads
	if err != nil {
		return nil, nil
	}
	n := &doc
	for rest := path[1:]; rest != "" && n != nil; {
		switch {
		case rest[0] == '[':
			end := strings.IndexByte(rest, ']')
			if end < 0 {
				return nil, pgerr.Newf("22023", "invalid JSON path: %s", path)
			}
			key := rest[1:end]
			rest = rest[end+1:]
			if i, err := strconv.ParseInt(key, 10, 32); err == nil {
				n = element(n, i)
				continue
			}
			n = n.Member(strings.Trim(key, `'"`))
		case rest[0] == '.':
			end := strings.IndexAny(rest[1:], ".[")
			if end < 0 {
				end = len(rest) - 1
			}
			n = n.Member(rest[1 : end+1])
			rest = rest[end+1:]
		default:
			return nil, pgerr.Newf("22023", "invalid JSON path: %s", path)
		}
	}
	if n == nil || n.Kind == vec.JSONNull {
		return nil, nil
	}
	if n.Kind == vec.JSONString {
		return n.Text, nil
	}
	return string(appendCompact(nil, n)), nil
}
