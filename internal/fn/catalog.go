package fn

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/cockroachdb/apd/v3"

	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
)

// RegNames makes the functions that translate OIDs from and to names, for a session's
// vec.TextFormat.
func RegNames(cat Catalog) (name func(typ, oid uint32) (string, bool), oid func(typ uint32, name string) (uint32, bool)) {
	return func(typ, oid uint32) (string, bool) { return regName(cat, typ, oid) },
		func(typ uint32, name string) (uint32, bool) { return regOID(cat, typ, name) }
}

// regName and regOID translate between OIDs and names for regclass and its like.
func regName(cat Catalog, typ, oid uint32) (string, bool) {
	if typ != vec.OIDRegclass {
		return cat.ObjectName(typ, oid)
	}
	schema, name, visible, ok := cat.RelationName(oid)
	if !ok {
		return "", false
	}
	if visible {
		return quoteIdent(name), true
	}
	return quoteIdent(schema) + "." + quoteIdent(name), true
}

func regOID(cat Catalog, typ uint32, s string) (uint32, bool) {
	args := ""
	if open := strings.IndexByte(s, '('); open >= 0 && typ == vec.OIDRegprocedure {
		s, args = s[:open], s[open:]
	}
	parts := splitIdent(s)
	if typ == vec.OIDRegclass {
		switch len(parts) {
		case 1:
			return cat.RelationOID("", parts[0])
		case 2:
			return cat.RelationOID(parts[0], parts[1])
		}
		return 0, false
	}
	if len(parts) == 2 && parts[0] == "pg_catalog" {
		parts = parts[1:]
	}
	if len(parts) != 1 {
		return 0, false
	}
	return cat.ObjectOID(typ, parts[0]+args)
}

// splitIdent splits a.b at dots outside quotes and folds what is not quoted.
func splitIdent(s string) []string {
	var parts []string
	var b strings.Builder
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' && quoted && i+1 < len(s) && s[i+1] == '"':
			b.WriteByte('"')
			i++
		case c == '"':
			quoted = !quoted
		case c == '.' && !quoted:
			parts = append(parts, b.String())
			b.Reset()
		case !quoted && c >= 'A' && c <= 'Z':
			b.WriteByte(c + 'a' - 'A')
		default:
			b.WriteByte(c)
		}
	}
	return append(parts, b.String())
}

// quoteIdent writes a name as SQL has to write it.
func quoteIdent(s string) string {
	plain := s != ""
	for i := range len(s) {
		c := s[i]
		plain = plain && (c == '_' || c >= 'a' && c <= 'z' || i > 0 && (c >= '0' && c <= '9' || c == '$'))
	}
	if plain && !reserved[s] {
		return s
	}
	return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
}

// reserved are the key words that PostgreSQL 15 quotes as names: all that are
// not in its class of unreserved ones.
var reserved = func() map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(`all analyse analyze and any array as asc asymmetric authorization between bigint
		binary bit boolean both case cast char character check coalesce collate collation column concurrently constraint
		create cross current_catalog current_date current_role current_schema current_time current_timestamp current_user
		dec decimal default deferrable desc distinct do else end except exists extract false fetch float for foreign freeze
		from full grant greatest group grouping having ilike in initially inner inout int integer intersect interval into
		is isnull join lateral leading least left like limit localtime localtimestamp national natural nchar none normalize
		not notnull null nullif numeric offset on only or order out outer overlaps overlay placing position precision
		primary real references returning right row select session_user setof similar smallint some substring symmetric
		table tablesample then time timestamp to trailing treat trim true union unique user using values varchar variadic
		verbose when where window with xmlattributes xmlconcat xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi
		xmlroot xmlserialize xmltable`) {
		m[w] = true
	}
	return m
}()

// serverVersion is what clients that look for a feature level should see.
const serverVersion = "PostgreSQL 15.0 (Weir)"

// constant is a function whose answer does not depend on its arguments.
func constant(name string, result vec.Kind, x vec.Value, kinds ...vec.Kind) *Func {
	return op(name, result, func(*Call, []vec.Value) (vec.Value, error) { return x, nil }, kinds...)
}

// unknown answers NULL: what it asks about does not exist here.
func unknown(name string, result vec.Kind, kinds ...vec.Kind) *Func {
	return constant(name, result, nil, kinds...)
}

// privilege is has_x_privilege: whoever may log in may do everything. Its
// arguments are any names or OIDs.
func privilege(name string, n int) *Func {
	ps := make([]Param, n)
	return &Func{Name: name, Dialect: Postgres, Params: ps, Result: of(vec.Bool), Volatility: Stable, Eval: boxed(func(*Call, []vec.Value) (vec.Value, error) {
		return true, nil
	})}
}

func sessionText(name string, f func(c *Call) vec.Value) *Func {
	return stable(&Func{Name: name, Dialect: Postgres, Result: fixed(vec.Type{Kind: vec.Text, OID: vec.OIDName}),
		Eval: boxed(func(c *Call, _ []vec.Value) (vec.Value, error) { return f(c), nil })})
}

// catalogs is the family of what clients ask about the server, the session and
// the catalog.
var catalogs = append([]*Func{
	constant("version", vec.Text, serverVersion),
	sessionText("current_database", func(c *Call) vec.Value { return c.Database }),
	sessionText("current_catalog", func(c *Call) vec.Value { return c.Database }),
	sessionText("current_user", func(c *Call) vec.Value { return c.User }),
	sessionText("session_user", func(c *Call) vec.Value { return c.User }),
	sessionText("user", func(c *Call) vec.Value { return c.User }),
	sessionText("current_role", func(c *Call) vec.Value { return c.User }),
	sessionText("current_schema", func(c *Call) vec.Value {
		if s := c.schemas(); len(s) > 0 {
			return s[0]
		}
		return nil
	}),
	sessionText("getdatabaseencoding", func(*Call) vec.Value { return "UTF8" }),
	stable(&Func{Name: "current_schemas", Dialect: Postgres, Params: params(vec.Bool), Result: fixed(vec.ArrayOf(vec.Type{Kind: vec.Text, OID: vec.OIDName})),
		Eval: boxed(func(c *Call, a []vec.Value) (vec.Value, error) {
			out := []vec.Value{}
			if a[0].(bool) {
				out = append(out, "pg_catalog")
			}
			for _, s := range c.schemas() {
				out = append(out, s)
			}
			return out, nil
		})}),
	stable(op("current_setting", vec.Text, currentSetting, vec.Text)),
	stable(op("current_setting", vec.Text, currentSetting, vec.Text, vec.Bool)),
	stable(op("format_type", vec.Text, nil, vec.OID, vec.Int32)).withNulls(formatType),
	stable(op("pg_typeof", vec.Text, nil)).typeOf(),
	stable(op("to_regclass", vec.OID, toReg(vec.OIDRegclass), vec.Text)).returning(vec.OIDRegclass),
	stable(op("to_regtype", vec.OID, toReg(vec.OIDRegtype), vec.Text)).returning(vec.OIDRegtype),
	stable(op("to_regnamespace", vec.OID, toReg(vec.OIDRegnsp), vec.Text)).returning(vec.OIDRegnsp),
	stable(op("to_regproc", vec.OID, toReg(vec.OIDRegproc), vec.Text)).returning(vec.OIDRegproc),
	stable(op("to_regrole", vec.OID, toReg(vec.OIDRegrole), vec.Text)).returning(vec.OIDRegrole),
	stable(op("pg_table_is_visible", vec.Bool, tableVisible, vec.OID)),
	stable(op("pg_get_userbyid", vec.Text, userByID, vec.OID)).giving(vec.Type{Kind: vec.Text, OID: vec.OIDName}),
	op("pg_encoding_to_char", vec.Text, func(_ *Call, a []vec.Value) (vec.Value, error) {
		if a[0].(int64) == 6 {
			return "UTF8", nil
		}
		return "", nil
	}, vec.Int32),
	op("pg_char_to_encoding", vec.Int32, func(_ *Call, a []vec.Value) (vec.Value, error) {
		if s := strings.ToLower(a[0].(string)); s == "utf8" || s == "utf-8" || s == "unicode" {
			return int64(6), nil
		}
		return int64(-1), nil
	}, vec.Text),
	op("pg_size_pretty", vec.Text, sizePretty, vec.Int64), op("pg_size_pretty", vec.Text, sizePrettyDecimal, vec.Decimal),
	{Name: "set_config", Dialect: Postgres, Params: params(vec.Text, vec.Text, vec.Bool), Result: of(vec.Text), Volatility: Volatile, NullCall: true, Eval: boxed(setConfig)},
	op("parse_ident", vec.Array, parseIdent, vec.Text).giving(vec.ArrayOf(vec.Of(vec.Text))),
	op("parse_ident", vec.Array, parseIdent, vec.Text, vec.Bool).giving(vec.ArrayOf(vec.Of(vec.Text))),
	op("pg_index_column_has_property", vec.Bool, indexProperty, vec.OID, vec.Int32, vec.Text),
	constant("age", vec.Int32, int64(0), vec.OID), constant("pg_stat_get_numscans", vec.Int64, int64(0), vec.OID),
	unknown("pg_get_replica_identity_index", vec.OID, vec.OID).returning(vec.OIDRegclass),
	unknown("pg_current_wal_lsn", vec.Text), unknown("pg_last_wal_receive_lsn", vec.Text), unknown("pg_last_wal_replay_lsn", vec.Text),
	op("pg_relation_is_publishable", vec.Bool, func(*Call, []vec.Value) (vec.Value, error) { return true, nil }, vec.OID),
	defined("obj_description", Comment, vec.OID), stable(op("obj_description", vec.Text, objDescription, vec.OID, vec.Text)),
	unknown("shobj_description", vec.Text, vec.OID, vec.Text), defined("col_description", Comment, vec.OID, vec.Int32),
	defined("pg_get_constraintdef", ConstraintDef, vec.OID), defined("pg_get_constraintdef", ConstraintDef, vec.OID, vec.Bool),
	defined("pg_get_indexdef", IndexDef, vec.OID), defined("pg_get_indexdef", IndexDef, vec.OID, vec.Int32, vec.Bool),
	defined("pg_get_viewdef", ViewDef, vec.OID), defined("pg_get_viewdef", ViewDef, vec.OID, vec.Bool),
	stable(op("pg_get_viewdef", vec.Text, func(c *Call, a []vec.Value) (vec.Value, error) { return c.define(ViewDef, a[0], 0), nil }, vec.OID, vec.Int32)),
	unknown("pg_get_triggerdef", vec.Text, vec.OID), unknown("pg_get_triggerdef", vec.Text, vec.OID, vec.Bool),
	unknown("pg_get_ruledef", vec.Text, vec.OID), unknown("pg_get_ruledef", vec.Text, vec.OID, vec.Bool),
	op("pg_get_expr", vec.Text, storedExpr, vec.Text, vec.OID), op("pg_get_expr", vec.Text, storedExpr, vec.Text, vec.OID, vec.Bool),
	unknown("pg_get_function_result", vec.Text, vec.OID), unknown("pg_get_function_arguments", vec.Text, vec.OID),
	unknown("pg_get_function_identity_arguments", vec.Text, vec.OID), unknown("pg_get_functiondef", vec.Text, vec.OID),
	unknown("pg_get_partkeydef", vec.Text, vec.OID), unknown("pg_get_partition_constraintdef", vec.Text, vec.OID),
	unknown("pg_get_statisticsobjdef", vec.Text, vec.OID), unknown("pg_get_statisticsobjdef_columns", vec.Text, vec.OID),
	unknown("pg_get_serial_sequence", vec.Text, vec.Text, vec.Text), unknown("pg_tablespace_location", vec.Text, vec.OID),
	stable(op("pg_backend_pid", vec.Int32, func(c *Call, _ []vec.Value) (vec.Value, error) { return int64(c.PID), nil })),
	constant("pg_is_in_recovery", vec.Bool, false), constant("pg_is_wal_replay_paused", vec.Bool, false),
	constant("pg_my_temp_schema", vec.OID, int64(0)), constant("pg_is_other_temp_schema", vec.Bool, false, vec.OID),
	sizeOf("pg_relation_size", vec.OID), sizeOf("pg_relation_size", vec.OID, vec.Text), sizeOf("pg_table_size", vec.OID), sizeOf("pg_total_relation_size", vec.OID),
	constant("pg_indexes_size", vec.Int64, int64(0), vec.OID),
	databaseSize(vec.Text), databaseSize(vec.OID),
	constant("pg_tablespace_size", vec.Int64, int64(0), vec.OID),
	constant("pg_relation_filenode", vec.OID, nil, vec.OID),
	constant("pg_advisory_unlock_all", vec.Text, ""), constant("pg_advisory_unlock", vec.Bool, true, vec.Int64),
	constant("pg_advisory_lock", vec.Text, "", vec.Int64), constant("pg_try_advisory_lock", vec.Bool, true, vec.Int64),
	constant("txid_current", vec.Int64, int64(1)), constant("pg_current_xact_id", vec.Int64, int64(1)).giving(vec.Type{Kind: vec.Int64, OID: vec.OIDXID8}), constant("txid_current_if_assigned", vec.Int64, nil),
	constant("inet_server_port", vec.Int32, nil), constant("inet_client_port", vec.Int32, nil),
	unknown("inet_server_addr", vec.Text), unknown("inet_client_addr", vec.Text),
	constant("row_security_active", vec.Bool, false, vec.OID),
	clock("pg_postmaster_start_time", vec.TimestampTZ), clock("pg_conf_load_time", vec.TimestampTZ),
	{Name: "oidvectortypes", Dialect: Postgres, Params: []Param{{Kind: vec.Array}}, Result: of(vec.Text), Eval: boxed(func(c *Call, a []vec.Value) (vec.Value, error) {
		var names []string
		for _, x := range a[0].([]vec.Value) {
			oid, _ := x.(int64)
			names = append(names, c.typeName(uint32(oid)))
		}
		return strings.Join(names, ", "), nil
	})},
}, append(visibilities(), privileges()...)...)

func visibilities() (out []*Func) {
	for _, what := range []string{"type", "function", "collation", "conversion", "opclass", "operator", "opfamily", "statistics_obj",
		"ts_config", "ts_dict", "ts_parser", "ts_template"} {
		out = append(out, constant("pg_"+what+"_is_visible", vec.Bool, true, vec.OID))
	}
	return out
}

func privileges() (out []*Func) {
	for _, what := range []string{"database", "schema", "table", "any_column", "sequence", "function", "tablespace", "type", "language", "server", "foreign_data_wrapper"} {
		out = append(out, privilege("has_"+what+"_privilege", 2), privilege("has_"+what+"_privilege", 3))
	}
	return append(out, privilege("has_column_privilege", 3), privilege("has_column_privilege", 4), privilege("pg_has_role", 2), privilege("pg_has_role", 3))
}

func (f *Func) withNulls(eval boxedFunc) *Func {
	f.NullCall, f.Eval = true, boxed(eval)
	return f
}

func (f *Func) returning(oid uint32) *Func {
	f.Result = fixed(vec.Type{Kind: vec.OID, OID: oid})
	return f
}

// typeOf makes pg_typeof, whose answer is the type of its argument.
func (f *Func) typeOf() *Func {
	f.Params, f.NullCall = []Param{anyType}, true
	f.Result = fixed(vec.Type{Kind: vec.OID, OID: vec.OIDRegtype})
	f.Eval = boxed(func(c *Call, _ []vec.Value) (vec.Value, error) { return int64(c.Types[0].PGOID()), nil })
	return f
}

// schemas is the search path.
func (c *Ctx) schemas() []string {
	path := "public"
	if c.Setting != nil {
		if s, ok := c.Setting("search_path"); ok {
			path = s
		}
	}
	var out []string
	for _, p := range strings.Split(path, ",") {
		p = strings.Trim(strings.TrimSpace(p), `"'`)
		if p == "$user" || p == "" {
			continue
		}
		out = append(out, p)
	}
	return out
}

func currentSetting(c *Call, a []vec.Value) (vec.Value, error) {
	name := strings.ToLower(a[0].(string))
	if c.Setting != nil {
		if s, ok := c.Setting(name); ok {
			return s, nil
		}
	}
	if len(a) > 1 && a[1].(bool) {
		return nil, nil
	}
	return nil, pgerr.Newf(pgerr.UndefinedObject, "unrecognized configuration parameter \"%s\"", a[0])
}

func formatType(c *Call, a []vec.Value) (vec.Value, error) {
	if a[0] == nil {
		return nil, nil
	}
	oid := uint32(a[0].(int64))
	if oid == 0 {
		return "-", nil
	}
	t, ok := vec.TypeOf(oid)
	if !ok {
		return c.typeName(oid), nil
	}
	mod, _ := a[1].(int64)
	if a[1] != nil && mod >= 4 {
		base := &t
		if t.Kind == vec.Array && t.OID == 0 {
			elem := *t.Elem
			t.Elem, base = &elem, &elem
		}
		switch {
		case base.Kind == vec.Decimal:
			base.Precision, base.Scale = int32(mod-4)>>16, int32(mod-4)&0xffff
		case base.Kind == vec.Text && (base.OID == vec.OIDVarchar || base.OID == vec.OIDBPChar):
			base.Precision = int32(mod - 4)
		}
	}
	return t.String(), nil
}

// typeName is a type's name without modifiers; "???" as PostgreSQL has it for OIDs
// of none.
func (c *Ctx) typeName(oid uint32) string {
	if name, ok := vec.TypeNameOf(oid); ok {
		return name
	}
	if c.Catalog != nil {
		if name, ok := c.Catalog.ObjectName(vec.OIDRegtype, oid); ok {
			return name
		}
	}
	return "???"
}

func (f *Func) giving(t vec.Type) *Func {
	f.Result = fixed(t)
	return f
}

// defined is a function that shows an object's definition: of the whole, or of the
// column that an integer argument names.
func defined(name string, what Definition, kinds ...vec.Kind) *Func {
	return stable(op(name, vec.Text, func(c *Call, a []vec.Value) (vec.Value, error) {
		n := 0
		if len(a) > 1 {
			if x, ok := a[1].(int64); ok {
				n = int(x)
			}
		}
		return c.define(what, a[0], n), nil
	}, kinds...))
}

// define is NULL for what has no definition.
func (c *Ctx) define(what Definition, oid vec.Value, n int) vec.Value {
	if c.Catalog == nil {
		return nil
	}
	if text, ok := c.Catalog.Definition(what, uint32(oid.(int64)), n); ok {
		return text
	}
	return nil
}

func objDescription(c *Call, a []vec.Value) (vec.Value, error) {
	switch a[1] {
	case "pg_class":
		return c.define(Comment, a[0], 0), nil
	case "pg_namespace":
		return c.define(SchemaComment, a[0], 0), nil
	}
	return nil, nil
}

// storedExpr is pg_get_expr: expressions are stored as their text.
func storedExpr(_ *Call, a []vec.Value) (vec.Value, error) { return a[0], nil }

func sizeOf(name string, kinds ...vec.Kind) *Func {
	return stable(op(name, vec.Int64, func(c *Call, a []vec.Value) (vec.Value, error) {
		if c.Catalog == nil {
			return int64(0), nil
		}
		return c.Catalog.Size(uint32(a[0].(int64))), nil
	}, kinds...))
}

// databaseSize is the size of everything: relation 0.
func databaseSize(k vec.Kind) *Func {
	return stable(op("pg_database_size", vec.Int64, func(c *Call, _ []vec.Value) (vec.Value, error) {
		if c.Catalog == nil {
			return int64(0), nil
		}
		return c.Catalog.Size(0), nil
	}, k))
}

func userByID(c *Call, a []vec.Value) (vec.Value, error) {
	oid := uint32(a[0].(int64))
	if c.Catalog != nil {
		if name, ok := c.Catalog.ObjectName(vec.OIDRegrole, oid); ok {
			return name, nil
		}
	}
	return fmt.Sprintf("unknown (OID=%d)", oid), nil
}

func setConfig(c *Call, a []vec.Value) (vec.Value, error) {
	if a[0] == nil {
		return nil, pgerr.Newf("22004", "SET requires parameter name")
	}
	if c.SetSetting == nil {
		return nil, pgerr.Newf(pgerr.FeatureNotSupported, "set_config is for sessions only")
	}
	value, _ := a[1].(string)
	local, _ := a[2].(bool)
	return c.SetSetting(a[0].(string), value, local)
}

func parseIdent(_ *Call, a []vec.Value) (vec.Value, error) {
	s := strings.TrimSpace(a[0].(string))
	out := []vec.Value{}
	for _, part := range splitIdent(s) {
		if part == "" {
			return nil, pgerr.Newf(pgerr.InvalidParameterValue, "string is not a valid identifier: \"%s\"", s)
		}
		out = append(out, part)
	}
	return out, nil
}

// indexProperty is pg_index_column_has_property for the only kind of index there
// is: ascending btrees.
func indexProperty(_ *Call, a []vec.Value) (vec.Value, error) {
	switch a[2] {
	case "asc", "nulls_last", "orderable", "returnable", "search_array", "search_nulls":
		return true, nil
	case "desc", "nulls_first", "distance_orderable":
		return false, nil
	}
	return nil, nil
}

func sizePrettyDecimal(c *Call, a []vec.Value) (vec.Value, error) {
	n, err := strconv.ParseFloat(string(vec.AppendDecimalText(nil, a[0].(*apd.Decimal))), 64)
	if err != nil || math.Abs(n) >= 1<<63 {
		return nil, pgerr.Newf(pgerr.NumericOutOfRange, "bigint out of range")
	}
	return sizePretty(c, []vec.Value{int64(n)})
}

func toReg(typ uint32) boxedFunc {
	return func(c *Call, a []vec.Value) (vec.Value, error) {
		x, err := vec.Parse(vec.Type{Kind: vec.OID, OID: typ}, a[0].(string), c.format())
		if err != nil { // a name that is not there is NULL
			return nil, nil
		}
		return x, nil
	}
}

func tableVisible(c *Call, a []vec.Value) (vec.Value, error) {
	if c.Catalog == nil {
		return nil, nil
	}
	_, _, visible, ok := c.Catalog.RelationName(uint32(a[0].(int64)))
	if !ok {
		return nil, nil
	}
	return visible, nil
}

func sizePretty(_ *Call, a []vec.Value) (vec.Value, error) {
	n := a[0].(int64)
	size := max(n, -n)
	units := []string{"bytes", "kB", "MB", "GB", "TB", "PB"}
	// As pg_size_pretty: the next unit from 10 * 1024 on, rounded half up.
	i, half := 0, false
	for i < len(units)-1 && size >= 10*1024 {
		size >>= 9
		i++
		if half = (size+1)/2 < 10*1024; half {
			break
		}
		size >>= 1
	}
	if half {
		size = (size + 1) / 2
	}
	if n < 0 {
		size = -size
	}
	return strconv.FormatInt(size, 10) + " " + units[i], nil
}
