package fn

import (
	"math"
	"strings"

	"github.com/cockroachdb/apd/v3"

	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
)

type rowsFunc = func(c *Ctx, types []vec.Type, args []vec.Value, yield func(row []vec.Value) bool) error

// column is the Result of table functions of one column.
func column(name string, t vec.Type) func([]vec.Type) ([]vec.Field, error) {
	return func([]vec.Type) ([]vec.Field, error) { return []vec.Field{{Name: name, Type: t}}, nil }
}

func columns(fields ...vec.Field) func([]vec.Type) ([]vec.Field, error) {
	return func([]vec.Type) ([]vec.Field, error) { return fields, nil }
}

// tableFuncs is the family of functions that make rows.
var tableFuncs = []*TableFunc{
	series(vec.Int32, seriesInts), series(vec.Int64, seriesInts), series(vec.Decimal, seriesDecimals),
	seriesStep(vec.Int32, vec.Int32, seriesInts), seriesStep(vec.Int64, vec.Int64, seriesInts), seriesStep(vec.Decimal, vec.Decimal, seriesDecimals),
	seriesStep(vec.Timestamp, vec.Interval, seriesTimes), seriesStep(vec.TimestampTZ, vec.Interval, seriesTimes),
	{Name: "generate_subscripts", Dialect: Postgres, Params: []Param{anyArray, {Kind: vec.Int32}}, Result: column("generate_subscripts", vec.Of(vec.Int32)), Rows: subscripts},
	{Name: "generate_subscripts", Dialect: Postgres, Params: []Param{anyArray, {Kind: vec.Int32}, {Kind: vec.Bool}}, Result: column("generate_subscripts", vec.Of(vec.Int32)), Rows: subscripts},
	{Name: "unnest", Dialect: Postgres, Params: []Param{{Kind: vec.Array}}, Variadic: true, Result: unnestColumns, Rows: unnest},
	{Name: "explode", Dialect: KSQL, Params: []Param{anyArray}, Result: func(a []vec.Type) ([]vec.Field, error) {
		return []vec.Field{{Name: "EXPLODE", Type: *a[0].Elem}}, nil
	}, Rows: explode},
	{Name: "cube_explode", Dialect: KSQL, Params: []Param{anyArray}, Result: func(a []vec.Type) ([]vec.Field, error) {
		return []vec.Field{{Name: "CUBE_EXPLODE", Type: a[0]}}, nil
	}, Rows: cubeExplode},
	jsonElements("json_array_elements", vec.JSON, false), jsonElements("jsonb_array_elements", vec.JSONB, false),
	jsonElements("json_array_elements_text", vec.JSON, true), jsonElements("jsonb_array_elements_text", vec.JSONB, true),
	jsonEach("json_each", vec.JSON, false), jsonEach("jsonb_each", vec.JSONB, false),
	jsonEach("json_each_text", vec.JSON, true), jsonEach("jsonb_each_text", vec.JSONB, true),
	jsonKeys("json_object_keys", vec.JSON), jsonKeys("jsonb_object_keys", vec.JSONB),
	{Name: "regexp_split_to_table", Dialect: Postgres, Params: textOf(2), Result: column("regexp_split_to_table", vec.Of(vec.Text)), Rows: strict(splitRows(regexpSplit))},
	{Name: "regexp_split_to_table", Dialect: Postgres, Params: textOf(3), Result: column("regexp_split_to_table", vec.Of(vec.Text)), Rows: strict(splitRows(regexpSplit))},
	{Name: "string_to_table", Dialect: Postgres, Params: textOf(2), Result: column("string_to_table", vec.Of(vec.Text)), Rows: splitRows(stringToArray)},
	{Name: "string_to_table", Dialect: Postgres, Params: textOf(3), Result: column("string_to_table", vec.Of(vec.Text)), Rows: splitRows(stringToArray)},
	{Name: "regexp_matches", Dialect: Postgres, Params: textOf(2), Result: column("regexp_matches", vec.ArrayOf(vec.Of(vec.Text))), Rows: matchRows},
	{Name: "regexp_matches", Dialect: Postgres, Params: textOf(3), Result: column("regexp_matches", vec.ArrayOf(vec.Of(vec.Text))), Rows: matchRows},
	{Name: "_pg_expandarray", Dialect: Postgres, Params: []Param{anyArray}, Result: func(a []vec.Type) ([]vec.Field, error) {
		return []vec.Field{{Name: "x", Type: *a[0].Elem}, {Name: "n", Type: vec.Of(vec.Int32)}}, nil
	}, Rows: func(_ *Ctx, _ []vec.Type, args []vec.Value, yield func([]vec.Value) bool) error {
		xs, _ := args[0].([]vec.Value)
		for i, x := range xs {
			if !yield([]vec.Value{x, int64(i + 1)}) {
				break
			}
		}
		return nil
	}},
	empty("pg_get_keywords", vec.Field{Name: "word", Type: vec.Of(vec.Text)}, vec.Field{Name: "catcode", Type: vec.Type{Kind: vec.Text, OID: vec.OIDChar}},
		vec.Field{Name: "barelabel", Type: vec.Of(vec.Bool)}, vec.Field{Name: "catdesc", Type: vec.Of(vec.Text)}, vec.Field{Name: "baredesc", Type: vec.Of(vec.Text)}),
	empty("pg_available_extensions", vec.Field{Name: "name", Type: vec.Type{Kind: vec.Text, OID: vec.OIDName}}, vec.Field{Name: "default_version", Type: vec.Of(vec.Text)},
		vec.Field{Name: "comment", Type: vec.Of(vec.Text)}),
	emptyOf("pg_partition_ancestors", vec.OID, vec.Field{Name: "relid", Type: vec.Type{Kind: vec.OID, OID: vec.OIDRegclass}}),
	emptyOf("pg_partition_tree", vec.OID, vec.Field{Name: "relid", Type: vec.Type{Kind: vec.OID, OID: vec.OIDRegclass}}, vec.Field{Name: "parentrelid", Type: vec.Type{Kind: vec.OID, OID: vec.OIDRegclass}},
		vec.Field{Name: "isleaf", Type: vec.Of(vec.Bool)}, vec.Field{Name: "level", Type: vec.Of(vec.Int32)}),
	empty("pg_listening_channels", vec.Field{Name: "pg_listening_channels", Type: vec.Of(vec.Text)}),
	emptyOf("ts_token_type", vec.OID, vec.Field{Name: "tokid", Type: vec.Of(vec.Int32)}, vec.Field{Name: "alias", Type: vec.Of(vec.Text)},
		vec.Field{Name: "description", Type: vec.Of(vec.Text)}),
	emptyOf("pg_get_publication_tables", vec.Text, vec.Field{Name: "relid", Type: vec.Of(vec.OID)},
		vec.Field{Name: "attrs", Type: vec.Type{Kind: vec.Array, OID: vec.OIDInt2Vector, Elem: &vec.Type{Kind: vec.Int16}}},
		vec.Field{Name: "qual", Type: vec.Type{Kind: vec.Text, OID: vec.OIDNodeTree}}),
	{Name: "pg_options_to_table", Dialect: Postgres, Params: []Param{{Kind: vec.Array}},
		Result: columns(vec.Field{Name: "option_name", Type: vec.Of(vec.Text)}, vec.Field{Name: "option_value", Type: vec.Of(vec.Text)}), Rows: options},
}

// options takes an array of name=value apart.
func options(_ *Ctx, _ []vec.Type, args []vec.Value, yield func([]vec.Value) bool) error {
	opts, _ := args[0].([]vec.Value)
	for _, o := range opts {
		text, _ := o.(string)
		name, value, ok := strings.Cut(text, "=")
		row := []vec.Value{name, nil}
		if ok {
			row[1] = value
		}
		if !yield(row) {
			break
		}
	}
	return nil
}

// empty is a table function that asks for what does not exist here.
func empty(name string, fields ...vec.Field) *TableFunc {
	return &TableFunc{Name: name, Dialect: Postgres, Result: columns(fields...), Rows: func(*Ctx, []vec.Type, []vec.Value, func([]vec.Value) bool) error { return nil }}
}

func emptyOf(name string, k vec.Kind, fields ...vec.Field) *TableFunc {
	f := empty(name, fields...)
	f.Params = params(k)
	return f
}

func series(k vec.Kind, rows rowsFunc) *TableFunc {
	return &TableFunc{Name: "generate_series", Dialect: Postgres, Params: params(k, k), Result: column("generate_series", vec.Of(k)), Rows: rows}
}

func seriesStep(k, step vec.Kind, rows rowsFunc) *TableFunc {
	f := series(k, rows)
	f.Params = params(k, k, step)
	return f
}

func anyNull(args []vec.Value) bool {
	for _, a := range args {
		if a == nil {
			return true
		}
	}
	return false
}

var errStepZero = pgerr.Newf("22023", "step size cannot equal zero")

func seriesInts(_ *Ctx, types []vec.Type, args []vec.Value, yield func([]vec.Value) bool) error {
	if anyNull(args) {
		return nil
	}
	x, end, step := args[0].(int64), args[1].(int64), int64(1)
	if len(args) > 2 {
		step = args[2].(int64)
	}
	if step == 0 {
		return errStepZero
	}
	lo, hi := int64(math.MinInt64), int64(math.MaxInt64)
	if types[0].Kind == vec.Int32 {
		lo, hi = math.MinInt32, math.MaxInt32
	}
	for (step > 0 && x <= end || step < 0 && x >= end) && yield([]vec.Value{x}) {
		if step > 0 && x > hi-step || step < 0 && x < lo-step {
			break // the next would leave the type
		}
		x += step
	}
	return nil
}

func seriesDecimals(_ *Ctx, _ []vec.Type, args []vec.Value, yield func([]vec.Value) bool) error {
	if anyNull(args) {
		return nil
	}
	x, end, step := args[0].(*apd.Decimal), args[1].(*apd.Decimal), apd.New(1, 0)
	if len(args) > 2 {
		step = args[2].(*apd.Decimal)
	}
	for i, name := range []string{"start", "stop", "step size"} {
		if d := []*apd.Decimal{x, end, step}[i]; d.Form != apd.Finite {
			what := "infinity"
			if d.Form == apd.NaN {
				what = "NaN"
			}
			if i < 2 {
				name += " value"
			}
			return pgerr.Newf("22023", "%s cannot be %s", name, what)
		}
	}
	if step.IsZero() {
		return errStepZero
	}
	for x.Cmp(end)*step.Sign() <= 0 && yield([]vec.Value{new(apd.Decimal).Set(x)}) {
		x = addDecimal(new(apd.Decimal).Set(x), new(apd.Decimal).Set(step), false)
	}
	return nil
}

func seriesTimes(c *Ctx, types []vec.Type, args []vec.Value, yield func([]vec.Value) bool) error {
	if anyNull(args) {
		return nil
	}
	x, end, step := args[0].(int64), args[1].(int64), args[2].(vec.IntervalValue)
	sign := vec.CompareIntervals(step, vec.IntervalValue{})
	if sign == 0 {
		return errStepZero
	}
	for (sign > 0 && x <= end || sign < 0 && x >= end) && yield([]vec.Value{x}) {
		var err error
		if types[0].Kind == vec.TimestampTZ {
			x, err = shiftTZ(x, step, 1, c.zone())
		} else {
			x, err = shift(x, step, 1)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func subscripts(_ *Ctx, _ []vec.Type, args []vec.Value, yield func([]vec.Value) bool) error {
	if anyNull(args) {
		return nil
	}
	d, n := dims(args[0].([]vec.Value)), args[1].(int64)
	if n < 1 || n > int64(len(d)) {
		return nil
	}
	size := int64(d[n-1])
	for i := int64(1); i <= size; i++ {
		at := i
		if len(args) > 2 && args[2].(bool) {
			at = size + 1 - i
		}
		if !yield([]vec.Value{at}) {
			break
		}
	}
	return nil
}

func unnestColumns(args []vec.Type) ([]vec.Field, error) {
	var out []vec.Field
	for _, a := range args {
		t := leafOf(a)
		if t.Kind == vec.Struct && len(args) == 1 {
			return t.Fields, nil
		}
		out = append(out, vec.Field{Name: "unnest", Type: t})
	}
	return out, nil
}

// unnest takes the arrays apart side by side; short ones are filled with NULL.
// explode gives a row for each element: unlike unnest it leaves structs and
// inner arrays whole.
func explode(_ *Ctx, _ []vec.Type, args []vec.Value, yield func([]vec.Value) bool) error {
	elems, _ := args[0].([]vec.Value)
	for _, e := range elems {
		if !yield([]vec.Value{e}) {
			break
		}
	}
	return nil
}

func unnest(_ *Ctx, types []vec.Type, args []vec.Value, yield func([]vec.Value) bool) error {
	lists := make([][]vec.Value, len(args))
	longest := 0
	for i, a := range args {
		if a != nil {
			lists[i] = flatten(a)
		}
		longest = max(longest, len(lists[i]))
	}
	spread := len(types) == 1 && leafOf(types[0]).Kind == vec.Struct
	for k := range longest {
		row := make([]vec.Value, len(lists))
		for i, l := range lists {
			if k < len(l) {
				row[i] = l[k]
			}
		}
		if spread {
			fields, ok := row[0].([]vec.Value)
			if !ok {
				fields = make([]vec.Value, len(leafOf(types[0]).Fields))
			}
			row = fields
		}
		if !yield(row) {
			break
		}
	}
	return nil
}

// cubeExplode makes all combinations of the elements and NULL (ksqlDB's Cube):
// the first element changes slowest, NULL before the value.
func cubeExplode(_ *Ctx, _ []vec.Type, args []vec.Value, yield func([]vec.Value) bool) error {
	if args[0] == nil {
		return nil
	}
	xs := args[0].([]vec.Value)
	var free []int // places that are not NULL anyway
	for i, x := range xs {
		if x != nil {
			free = append(free, i)
		}
	}
	if len(free) > 20 {
		return pgerr.Newf(pgerr.ProgramLimitExceeded, "cube_explode of more than 20 elements")
	}
	for bits := range 1 << len(free) {
		row := make([]vec.Value, len(xs))
		for k, i := range free {
			if bits>>(len(free)-1-k)&1 != 0 {
				row[i] = xs[i]
			}
		}
		if !yield([]vec.Value{row}) {
			break
		}
	}
	return nil
}

func jsonElements(name string, k vec.Kind, asText bool) *TableFunc {
	t := k
	if asText {
		t = vec.Text
	}
	return &TableFunc{Name: name, Dialect: Postgres, Params: params(k), Result: column("value", vec.Of(t)),
		Rows: func(_ *Ctx, _ []vec.Type, args []vec.Value, yield func([]vec.Value) bool) error {
			if args[0] == nil {
				return nil
			}
			n, err := parseDoc(args[0])
			if err != nil {
				return err
			}
			switch n.Kind {
			case vec.JSONArray:
			case vec.JSONObject:
				if k == vec.JSON {
					return pgerr.Newf("22023", "cannot call %s on a non-array", name)
				}
				return pgerr.Newf("22023", "cannot extract elements from an object")
			default:
				if k == vec.JSON {
					return pgerr.Newf("22023", "cannot call %s on a scalar", name)
				}
				return pgerr.Newf("22023", "cannot extract elements from a scalar")
			}
			for i := range n.Elems {
				if !yield([]vec.Value{docOf(&n.Elems[i], asText)}) {
					break
				}
			}
			return nil
		}}
}

func jsonEach(name string, k vec.Kind, asText bool) *TableFunc {
	t := k
	if asText {
		t = vec.Text
	}
	return &TableFunc{Name: name, Dialect: Postgres, Params: params(k),
		Result: columns(vec.Field{Name: "key", Type: vec.Of(vec.Text)}, vec.Field{Name: "value", Type: vec.Of(t)}),
		Rows: func(_ *Ctx, _ []vec.Type, args []vec.Value, yield func([]vec.Value) bool) error {
			n, err := objectArg(name, k, args[0])
			if err != nil {
				return err
			}
			for i := range n.Elems {
				if !yield([]vec.Value{n.Keys[i], docOf(&n.Elems[i], asText)}) {
					break
				}
			}
			return nil
		}}
}

func objectArg(name string, k vec.Kind, x vec.Value) (vec.JSONNode, error) {
	if x == nil {
		return vec.JSONNode{}, nil
	}
	n, err := parseDoc(x)
	switch {
	case err != nil:
		return n, err
	case n.Kind == vec.JSONArray && strings.HasSuffix(name, "keys"):
		return n, pgerr.Newf("22023", "cannot call %s on an array", name)
	case n.Kind != vec.JSONObject && strings.HasSuffix(name, "keys"):
		return n, pgerr.Newf("22023", "cannot call %s on a scalar", name)
	case n.Kind != vec.JSONObject && k == vec.JSON && n.Kind == vec.JSONArray:
		return n, pgerr.Newf("22023", "cannot deconstruct an array as an object")
	case n.Kind != vec.JSONObject && k == vec.JSON:
		return n, pgerr.Newf("22023", "cannot deconstruct a scalar")
	case n.Kind != vec.JSONObject:
		return n, pgerr.Newf("22023", "cannot call %s on a non-object", name)
	}
	return n, nil
}

func jsonKeys(name string, k vec.Kind) *TableFunc {
	return &TableFunc{Name: name, Dialect: Postgres, Params: params(k), Result: column(name, vec.Of(vec.Text)),
		Rows: func(_ *Ctx, _ []vec.Type, args []vec.Value, yield func([]vec.Value) bool) error {
			n, err := objectArg(name, k, args[0])
			if err != nil {
				return err
			}
			for _, key := range n.Keys {
				if !yield([]vec.Value{key}) {
					break
				}
			}
			return nil
		}}
}

// splitRows makes rows of the array that a scalar function returns.
func splitRows(f boxedFunc) rowsFunc {
	return func(c *Ctx, types []vec.Type, args []vec.Value, yield func([]vec.Value) bool) error {
		x, err := f(&Call{Ctx: c, Types: types}, args)
		if err != nil || x == nil {
			return err
		}
		for _, e := range x.([]vec.Value) {
			if !yield([]vec.Value{e}) {
				break
			}
		}
		return nil
	}
}

// strict makes no rows if an argument is null.
func strict(f rowsFunc) rowsFunc {
	return func(c *Ctx, types []vec.Type, args []vec.Value, yield func([]vec.Value) bool) error {
		if anyNull(args) {
			return nil
		}
		return f(c, types, args, yield)
	}
}

func matchRows(_ *Ctx, _ []vec.Type, args []vec.Value, yield func([]vec.Value) bool) error {
	if anyNull(args) {
		return nil
	}
	flags, global := flagsArg(args, 2)
	m, err := compileRegex(args[1].(string), flags, false)
	if err != nil {
		return err
	}
	s := args[0].(string)
	return eachMatch(m, s, func(loc []int) bool {
		return yield([]vec.Value{captures(m, s, loc)}) && global
	})
}
