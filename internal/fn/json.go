package fn

import (
	"strconv"
	"strings"

	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
)

// jsons is the family of json and jsonb. What exists for both is made twice.
var jsons = append(append(jsonFuncs(vec.JSON), jsonFuncs(vec.JSONB)...), jsonbOnly...)

func jsonFuncs(k vec.Kind) []*Func {
	p := vec.Of(k).String() + "_"
	f := func(name string, result vec.Type, eval boxedFunc, ps ...Param) *Func {
		return &Func{Name: name, Dialect: Postgres, Params: ps, Result: fixed(result), Eval: boxed(eval)}
	}
	doc, text, integer := Param{Kind: k}, Param{Kind: vec.Text}, Param{Kind: vec.Int32}
	path := Param{Kind: vec.Array}
	json, str := vec.Of(k), vec.Of(vec.Text)
	variadic := func(name string, params []Param, eval boxedFunc) *Func {
		return &Func{Name: name, Dialect: Postgres, Params: params, Variadic: true, Result: fixed(json), NullCall: true, Volatility: Stable, Eval: boxed(eval)}
	}
	toJSON := func(name string) *Func {
		return &Func{Name: name, Dialect: Postgres, Params: []Param{anyType}, Result: fixed(json), Volatility: Stable, Eval: boxed(func(c *Call, a []vec.Value) (vec.Value, error) {
			return c.json(k, 0, a)
		})}
	}
	return []*Func{
		f("->", json, getMember(k, false), doc, text), f("->>", str, getMember(k, true), doc, text),
		f("->", json, getElement(k, false), doc, integer), f("->>", str, getElement(k, true), doc, integer),
		f("#>", json, getPath(k, false), doc, path), f("#>>", str, getPath(k, true), doc, path),
		{Name: p + "extract_path", Dialect: Postgres, Params: []Param{doc, text}, Variadic: true, Result: fixed(json), Eval: boxed(getPath(k, false))},
		{Name: p + "extract_path_text", Dialect: Postgres, Params: []Param{doc, text}, Variadic: true, Result: fixed(str), Eval: boxed(getPath(k, true))},
		f(p+"array_length", vec.Of(vec.Int32), func(_ *Call, a []vec.Value) (vec.Value, error) {
			n, err := parseDoc(a[0])
			switch {
			case err != nil:
				return nil, err
			case n.Kind == vec.JSONObject:
				return nil, pgerr.Newf("22023", "cannot get array length of a non-array")
			case n.Kind != vec.JSONArray:
				return nil, pgerr.Newf("22023", "cannot get array length of a scalar")
			}
			return int64(len(n.Elems)), nil
		}, doc),
		f(p+"typeof", str, func(_ *Call, a []vec.Value) (vec.Value, error) {
			n, err := parseDoc(a[0])
			return jsonTypeName(n.Kind), err
		}, doc),
		f(p+"strip_nulls", json, func(_ *Call, a []vec.Value) (vec.Value, error) {
			n, err := parseDoc(a[0])
			if err != nil {
				return nil, err
			}
			stripNulls(&n)
			if k == vec.JSON {
				return string(appendCompact(nil, &n)), nil
			}
			return string(n.Append(nil)), nil
		}, doc),
		variadic(p+"build_object", []Param{anyType}, func(c *Call, a []vec.Value) (vec.Value, error) { return buildObject(c, k, a) }),
		variadic(p+"build_array", []Param{anyType}, func(c *Call, a []vec.Value) (vec.Value, error) { return buildArray(c, k, a) }),
		f(p+"object", json, func(_ *Call, a []vec.Value) (vec.Value, error) { return objectOf(k, a) }, path),
		f(p+"object", json, func(_ *Call, a []vec.Value) (vec.Value, error) { return objectOf(k, a) }, path, path),
		toJSON("to_" + vec.Of(k).String()),
	}
}

var jsonbOnly = func() []*Func {
	b := Param{Kind: vec.JSONB}
	text := Param{Kind: vec.Text}
	path := Param{Kind: vec.Array}
	f := func(name string, result vec.Kind, eval boxedFunc, ps ...Param) *Func {
		return &Func{Name: name, Dialect: Postgres, Params: ps, Result: of(result), Eval: boxed(eval)}
	}
	return []*Func{
		f("@>", vec.Bool, func(_ *Call, a []vec.Value) (vec.Value, error) { return contains(a[0], a[1]) }, b, b),
		f("<@", vec.Bool, func(_ *Call, a []vec.Value) (vec.Value, error) { return contains(a[1], a[0]) }, b, b),
		f("?", vec.Bool, hasKey, b, text), f("?|", vec.Bool, hasKeys(false), b, path), f("?&", vec.Bool, hasKeys(true), b, path),
		f("||", vec.JSONB, concatJSON, b, b),
		f("-", vec.JSONB, deleteKeys, b, text), f("-", vec.JSONB, deleteKeys, b, path), f("-", vec.JSONB, deleteIndex, b, Param{Kind: vec.Int32}),
		f("#-", vec.JSONB, deletePath, b, path), f("jsonb_delete_path", vec.JSONB, deletePath, b, path),
		f("jsonb_set", vec.JSONB, setPath(false), b, path, b), f("jsonb_set", vec.JSONB, setPath(false), b, path, b, Param{Kind: vec.Bool}),
		f("jsonb_insert", vec.JSONB, setPath(true), b, path, b), f("jsonb_insert", vec.JSONB, setPath(true), b, path, b, Param{Kind: vec.Bool}),
		f("jsonb_pretty", vec.Text, func(_ *Call, a []vec.Value) (vec.Value, error) {
			n, err := parseDoc(a[0])
			return string(appendPretty(nil, &n, 0)), err
		}, b),
		{Name: "array_to_json", Dialect: Postgres, Params: []Param{anyArray}, Result: of(vec.JSON), Volatility: Stable, Eval: boxed(func(c *Call, a []vec.Value) (vec.Value, error) {
			return c.json(vec.JSON, 0, a)
		})},
		{Name: "row_to_json", Dialect: Postgres, Params: []Param{anyStruct}, Result: of(vec.JSON), Volatility: Stable, Eval: boxed(func(c *Call, a []vec.Value) (vec.Value, error) {
			return c.json(vec.JSON, 0, a)
		})},
	}
}()

// json is argument i as a document of kind k: compact as to_json prints it, or
// in jsonb's normal form.
func (c *Call) json(k vec.Kind, i int, a []vec.Value) (vec.Value, error) {
	return toJSON(k, c.Types[i], a[i], c.format())
}

func toJSON(k vec.Kind, t vec.Type, x vec.Value, f *vec.TextFormat) (vec.Value, error) {
	if k == vec.JSONB {
		return vec.NormalizeJSON(string(vec.AppendJSON(nil, t, x, f)))
	}
	return string(appendJSONText(nil, t, x, f)), nil
}

// appendJSONText is AppendJSON without blanks, as to_json prints arrays and rows.
func appendJSONText(dst []byte, t vec.Type, x vec.Value, f *vec.TextFormat) []byte {
	xs, nested := x.([]vec.Value)
	switch {
	case nested && t.Kind == vec.Array:
		dst = append(dst, '[')
		for i, e := range xs {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendJSONText(dst, *t.Elem, e, f)
		}
		return append(dst, ']')
	case nested && t.Kind == vec.Struct:
		dst = append(dst, '{')
		for i, e := range xs {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(vec.AppendJSONString(dst, t.Fields[i].Name), ':')
			dst = appendJSONText(dst, t.Fields[i].Type, e, f)
		}
		return append(dst, '}')
	case x != nil && t.Kind >= vec.Float32 && t.Kind <= vec.Decimal:
		start := len(dst)
		dst = vec.AppendTextValue(dst, t, x, f)
		if c := dst[len(dst)-1]; c >= '0' && c <= '9' {
			return dst
		}
		return vec.AppendJSONString(dst[:start], string(dst[start:]))
	}
	return vec.AppendJSON(dst, t, x, f)
}

func parseDoc(x vec.Value) (vec.JSONNode, error) {
	return vec.ParseJSON(x.(string))
}

// docOf returns a part of a document as a value: text without quotes, or JSON.
func docOf(n *vec.JSONNode, asText bool) vec.Value {
	if n == nil || asText && n.Kind == vec.JSONNull {
		return nil
	}
	if asText && n.Kind == vec.JSONString {
		return n.Text
	}
	return n.Raw // a part of a normal document is normal
}

func getMember(k vec.Kind, asText bool) boxedFunc {
	return func(_ *Call, a []vec.Value) (vec.Value, error) {
		n, err := parseDoc(a[0])
		if err != nil {
			return nil, err
		}
		return docOf(n.Member(a[1].(string)), asText), nil
	}
}

func element(n *vec.JSONNode, i int64) *vec.JSONNode {
	if n.Kind != vec.JSONArray {
		return nil
	}
	if i < 0 {
		i += int64(len(n.Elems))
	}
	if i < 0 || i >= int64(len(n.Elems)) {
		return nil
	}
	return &n.Elems[i]
}

func getElement(k vec.Kind, asText bool) boxedFunc {
	return func(_ *Call, a []vec.Value) (vec.Value, error) {
		n, err := parseDoc(a[0])
		if err != nil {
			return nil, err
		}
		return docOf(element(&n, a[1].(int64)), asText), nil
	}
}

// pathOf is a path given as an array or as the rest of the arguments.
func pathOf(a []vec.Value) ([]string, bool) {
	xs := a
	if len(a) == 1 {
		if arr, ok := a[0].([]vec.Value); ok {
			xs = arr
		}
	}
	out := make([]string, len(xs))
	for i, x := range xs {
		s, ok := x.(string)
		if !ok {
			return nil, false
		}
		out[i] = s
	}
	return out, true
}

func step(n *vec.JSONNode, key string) *vec.JSONNode {
	if n.Kind == vec.JSONArray {
		i, err := strconv.ParseInt(strings.TrimSpace(key), 10, 32)
		if err != nil {
			return nil
		}
		return element(n, i)
	}
	return n.Member(key)
}

func getPath(k vec.Kind, asText bool) boxedFunc {
	return func(_ *Call, a []vec.Value) (vec.Value, error) {
		path, ok := pathOf(a[1:])
		if !ok {
			return nil, nil
		}
		doc, err := parseDoc(a[0])
		if err != nil {
			return nil, err
		}
		n := &doc
		for _, key := range path {
			if n = step(n, key); n == nil {
				return nil, nil
			}
		}
		return docOf(n, asText), nil
	}
}

func jsonTypeName(k vec.JSONKind) string {
	switch k {
	case vec.JSONNull:
		return "null"
	case vec.JSONString:
		return "string"
	case vec.JSONNumber:
		return "number"
	case vec.JSONArray:
		return "array"
	case vec.JSONObject:
		return "object"
	}
	return "boolean"
}

func stripNulls(n *vec.JSONNode) {
	keys, elems := n.Keys[:0:0], n.Elems[:0:0]
	for i := range n.Elems {
		if n.Kind == vec.JSONObject && n.Elems[i].Kind == vec.JSONNull {
			continue
		}
		stripNulls(&n.Elems[i])
		elems = append(elems, n.Elems[i])
		if n.Kind == vec.JSONObject {
			keys = append(keys, n.Keys[i])
		}
	}
	n.Keys, n.Elems = keys, elems
}

// appendCompact prints a document without blanks.
func appendCompact(dst []byte, n *vec.JSONNode) []byte {
	switch n.Kind {
	case vec.JSONArray, vec.JSONObject:
	default:
		return append(dst, n.Raw...)
	}
	open, end := byte('['), byte(']')
	if n.Kind == vec.JSONObject {
		open, end = '{', '}'
	}
	dst = append(dst, open)
	for i := range n.Elems {
		if i > 0 {
			dst = append(dst, ',')
		}
		if n.Kind == vec.JSONObject {
			dst = append(vec.AppendJSONString(dst, n.Keys[i]), ':')
		}
		dst = appendCompact(dst, &n.Elems[i])
	}
	return append(dst, end)
}

func appendPretty(dst []byte, n *vec.JSONNode, depth int) []byte {
	if n.Kind != vec.JSONArray && n.Kind != vec.JSONObject {
		return n.Append(dst)
	}
	open, end := byte('['), byte(']')
	if n.Kind == vec.JSONObject {
		open, end = '{', '}'
	}
	indent := func(d int) {
		dst = append(dst, '\n')
		for range d {
			dst = append(dst, "    "...)
		}
	}
	dst = append(dst, open)
	for i := range n.Elems {
		if i > 0 {
			dst = append(dst, ',')
		}
		indent(depth + 1)
		if n.Kind == vec.JSONObject {
			dst = append(vec.AppendJSONString(dst, n.Keys[i]), ": "...)
		}
		dst = appendPretty(dst, &n.Elems[i], depth+1)
	}
	indent(depth)
	return append(dst, end)
}

func buildObject(c *Call, k vec.Kind, a []vec.Value) (vec.Value, error) {
	if len(a)%2 != 0 {
		return nil, pgerr.Newf("22023", "argument list must have even number of elements").
			Hintf("The arguments of %s_build_object() must consist of alternating keys and values.", vec.Of(k))
	}
	f := c.format()
	dst := []byte{'{'}
	for i := 0; i < len(a); i += 2 {
		if a[i] == nil {
			if k == vec.JSON {
				return nil, pgerr.Newf("22004", "null value not allowed for object key")
			}
			return nil, pgerr.Newf("22023", "argument %d: key must not be null", i+1)
		}
		switch c.Types[i].Kind {
		case vec.Array, vec.Struct, vec.Map, vec.JSON, vec.JSONB:
			return nil, pgerr.Newf("22023", "key value must be scalar, not array, composite, or json")
		}
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = vec.AppendJSONString(dst, keyText(c.Types[i], a[i], f))
		dst = append(dst, " : "...)
		dst = appendJSONText(dst, c.Types[i+1], a[i+1], f)
	}
	return docText(k, append(dst, '}'))
}

// keyText is a value as the name of a member: booleans are spelled out.
func keyText(t vec.Type, x vec.Value, f *vec.TextFormat) string {
	if b, ok := x.(bool); ok {
		return strconv.FormatBool(b)
	}
	return string(vec.AppendTextValue(nil, t, x, f))
}

func docText(k vec.Kind, b []byte) (vec.Value, error) {
	if k == vec.JSONB {
		return vec.NormalizeJSON(string(b))
	}
	return string(b), nil
}

func buildArray(c *Call, k vec.Kind, a []vec.Value) (vec.Value, error) {
	f := c.format()
	dst := []byte{'['}
	for i, x := range a {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = appendJSONText(dst, c.Types[i], x, f)
	}
	return docText(k, append(dst, ']'))
}

// objectOf is json_object(text[]) and json_object(keys, values).
func objectOf(k vec.Kind, a []vec.Value) (vec.Value, error) {
	var keys, values []vec.Value
	if len(a) == 2 {
		keys, values = a[0].([]vec.Value), a[1].([]vec.Value)
		if len(keys) != len(values) {
			return nil, pgerr.Newf("2202E", "mismatched array dimensions")
		}
	} else {
		flat := []vec.Value{}
		for _, x := range a[0].([]vec.Value) {
			if pair, ok := x.([]vec.Value); ok {
				if len(pair) != 2 {
					return nil, pgerr.Newf("2202E", "array must have two columns")
				}
				flat = append(flat, pair...)
				continue
			}
			flat = append(flat, x)
		}
		if len(flat)%2 != 0 {
			return nil, pgerr.Newf("2202E", "array must have even number of elements")
		}
		for i := 0; i < len(flat); i += 2 {
			keys, values = append(keys, flat[i]), append(values, flat[i+1])
		}
	}
	dst := []byte{'{'}
	for i, key := range keys {
		s, ok := key.(string)
		if !ok {
			return nil, pgerr.Newf("22004", "null value not allowed for object key")
		}
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = append(vec.AppendJSONString(dst, s), " : "...)
		if v, ok := values[i].(string); ok {
			dst = vec.AppendJSONString(dst, v)
		} else {
			dst = append(dst, "null"...)
		}
	}
	return docText(k, append(dst, '}'))
}

func contains(x, y vec.Value) (vec.Value, error) {
	a, err := parseDoc(x)
	if err != nil {
		return nil, err
	}
	b, err := parseDoc(y)
	if err != nil {
		return nil, err
	}
	// An array may contain a bare scalar, at the top only.
	if a.Kind == vec.JSONArray && b.Kind < vec.JSONArray {
		b = vec.JSONNode{Kind: vec.JSONArray, Elems: []vec.JSONNode{b}}
	}
	return containsNode(&a, &b), nil
}

func containsNode(a, b *vec.JSONNode) bool {
	if a.Kind != b.Kind {
		return false
	}
	switch a.Kind {
	case vec.JSONObject:
		for i, key := range b.Keys {
			m := a.Member(key)
			if m == nil || !containsNode(m, &b.Elems[i]) {
				return false
			}
		}
		return true
	case vec.JSONArray:
		for i := range b.Elems {
			found := false
			for j := range a.Elems {
				if found = containsNode(&a.Elems[j], &b.Elems[i]); found {
					break
				}
			}
			if !found {
				return false
			}
		}
		return true
	}
	return vec.CompareJSON(a, b) == 0
}

func nodeHasKey(n *vec.JSONNode, key string) bool {
	switch n.Kind {
	case vec.JSONObject:
		return n.Member(key) != nil
	case vec.JSONArray:
		for i := range n.Elems {
			if n.Elems[i].Kind == vec.JSONString && n.Elems[i].Text == key {
				return true
			}
		}
		return false
	}
	return n.Kind == vec.JSONString && n.Text == key
}

func hasKey(_ *Call, a []vec.Value) (vec.Value, error) {
	n, err := parseDoc(a[0])
	return nodeHasKey(&n, a[1].(string)), err
}

func hasKeys(all bool) boxedFunc {
	return func(_ *Call, a []vec.Value) (vec.Value, error) {
		n, err := parseDoc(a[0])
		if err != nil {
			return nil, err
		}
		for _, x := range a[1].([]vec.Value) {
			key, ok := x.(string)
			if ok && nodeHasKey(&n, key) != all {
				return !all, nil
			}
		}
		return all, nil
	}
}

func concatJSON(_ *Call, a []vec.Value) (vec.Value, error) {
	x, err := parseDoc(a[0])
	if err != nil {
		return nil, err
	}
	y, err := parseDoc(a[1])
	if err != nil {
		return nil, err
	}
	if x.Kind == vec.JSONObject && y.Kind == vec.JSONObject {
		x.Keys, x.Elems = append(x.Keys, y.Keys...), append(x.Elems, y.Elems...)
		return normal(&x), nil
	}
	list := func(n vec.JSONNode) []vec.JSONNode {
		if n.Kind == vec.JSONArray {
			return n.Elems
		}
		return []vec.JSONNode{n}
	}
	out := vec.JSONNode{Kind: vec.JSONArray, Elems: append(append([]vec.JSONNode{}, list(x)...), list(y)...)}
	return normal(&out), nil
}

func normal(n *vec.JSONNode) string {
	n.Sort()
	return string(n.Append(nil))
}

func remove(n *vec.JSONNode, drop func(i int) bool) {
	keys, elems := n.Keys[:0:0], n.Elems[:0:0]
	for i := range n.Elems {
		if drop(i) {
			continue
		}
		elems = append(elems, n.Elems[i])
		if n.Kind == vec.JSONObject {
			keys = append(keys, n.Keys[i])
		}
	}
	n.Keys, n.Elems = keys, elems
}

func deleteKeys(_ *Call, a []vec.Value) (vec.Value, error) {
	n, err := parseDoc(a[0])
	if err != nil {
		return nil, err
	}
	if n.Kind < vec.JSONArray {
		return nil, pgerr.Newf("22023", "cannot delete from scalar")
	}
	gone := map[string]bool{}
	if s, ok := a[1].(string); ok {
		gone[s] = true
	} else {
		for _, x := range a[1].([]vec.Value) {
			if s, ok := x.(string); ok {
				gone[s] = true
			}
		}
	}
	remove(&n, func(i int) bool {
		if n.Kind == vec.JSONObject {
			return gone[n.Keys[i]]
		}
		return n.Elems[i].Kind == vec.JSONString && gone[n.Elems[i].Text]
	})
	return normal(&n), nil
}

func deleteIndex(_ *Call, a []vec.Value) (vec.Value, error) {
	n, err := parseDoc(a[0])
	if err != nil {
		return nil, err
	}
	switch n.Kind {
	case vec.JSONObject:
		return nil, pgerr.Newf("22023", "cannot delete from object using integer index")
	case vec.JSONArray:
	default:
		return nil, pgerr.Newf("22023", "cannot delete from scalar")
	}
	at := a[1].(int64)
	if at < 0 {
		at += int64(len(n.Elems))
	}
	remove(&n, func(i int) bool { return int64(i) == at })
	return normal(&n), nil
}

func deletePath(_ *Call, a []vec.Value) (vec.Value, error) {
	n, err := parseDoc(a[0])
	if err != nil {
		return nil, err
	}
	path, ok := pathOf(a[1:2])
	if !ok {
		return nil, pgerr.Newf("22004", "path element at position 1 is null")
	}
	if len(path) == 0 {
		return a[0], nil
	}
	holder := &n
	for _, key := range path[:len(path)-1] {
		if holder = step(holder, key); holder == nil {
			return a[0], nil
		}
	}
	target := step(holder, path[len(path)-1])
	if target == nil {
		return a[0], nil
	}
	remove(holder, func(i int) bool { return &holder.Elems[i] == target })
	return normal(&n), nil
}

// setPath is jsonb_set and jsonb_insert.
func setPath(insert bool) boxedFunc {
	return func(_ *Call, a []vec.Value) (vec.Value, error) {
		n, err := parseDoc(a[0])
		if err != nil {
			return nil, err
		}
		with, err := parseDoc(a[2])
		if err != nil {
			return nil, err
		}
		path, ok := pathOf(a[1:2])
		if !ok {
			return nil, pgerr.Newf("22004", "path element at position 1 is null")
		}
		if n.Kind < vec.JSONArray {
			return nil, pgerr.Newf("22023", "cannot set path in scalar")
		}
		flag := !insert // create_missing is true by default, insert_after false
		if len(a) > 3 {
			flag = a[3].(bool)
		}
		if len(path) == 0 {
			return a[0], nil
		}
		holder := &n
		for _, key := range path[:len(path)-1] {
			if holder = step(holder, key); holder == nil {
				return a[0], nil
			}
		}
		if err := put(holder, path[len(path)-1], with, insert, flag, len(path)); err != nil {
			return nil, err
		}
		return normal(&n), nil
	}
}

func put(n *vec.JSONNode, key string, with vec.JSONNode, insert, flag bool, level int) error {
	switch n.Kind {
	case vec.JSONObject:
		if m := n.Member(key); m != nil {
			if insert {
				return pgerr.Newf("22023", "cannot replace existing key").Hintf("Try using the function jsonb_set to replace key value.")
			}
			*m = with
		} else if flag || insert {
			n.Keys, n.Elems = append(n.Keys, key), append(n.Elems, with)
		}
	case vec.JSONArray:
		at, err := strconv.Atoi(key)
		if err != nil {
			return pgerr.Newf(pgerr.InvalidTextRep, "path element at position %d is not an integer: \"%s\"", level, key)
		}
		size := len(n.Elems)
		if at < 0 {
			if at += size; at < 0 {
				if !insert && !flag {
					return nil
				}
				n.Elems = append([]vec.JSONNode{with}, n.Elems...)
				return nil
			}
		}
		switch {
		case at < size && !insert:
			n.Elems[at] = with
		case at >= size:
			if insert || flag {
				n.Elems = append(n.Elems, with)
			}
		default:
			if flag {
				at++
			}
			n.Elems = append(n.Elems[:at:at], append([]vec.JSONNode{with}, n.Elems[at:]...)...)
		}
	}
	return nil
}
