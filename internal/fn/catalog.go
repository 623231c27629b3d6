package fn

import (
	"strconv"
	"strings"

	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
)

// regName and regOID translate between OIDs and names for regclass and its like.
func regName(cat Catalog, typ, oid uint32) (string, bool) {
	if typ == vec.OIDRegnsp {
		name, ok := schemaNames[oid]
		return name, ok
	}
	if typ != vec.OIDRegclass {
		return "", false
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

// schemaNames are the OIDs that PostgreSQL gives its own schemas.
var schemaNames = map[uint32]string{11: "pg_catalog", 2200: "public", 99: "pg_toast", 13000: "information_schema"}

func regOID(cat Catalog, typ uint32, s string) (uint32, bool) {
	parts := splitIdent(s)
	switch {
	case typ == vec.OIDRegnsp && len(parts) == 1:
		for oid, name := range schemaNames {
			if name == parts[0] {
				return oid, true
			}
		}
	case typ == vec.OIDRegclass && len(parts) == 1:
		return cat.RelationOID("", parts[0])
	case typ == vec.OIDRegclass && len(parts) == 2:
		return cat.RelationOID(parts[0], parts[1])
	}
	return 0, false
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
	stable(op("pg_get_userbyid", vec.Text, func(c *Call, _ []vec.Value) (vec.Value, error) { return c.User, nil }, vec.OID)),
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
	op("pg_size_pretty", vec.Text, sizePretty, vec.Int64),
	op("pg_relation_is_publishable", vec.Bool, func(*Call, []vec.Value) (vec.Value, error) { return true, nil }, vec.OID),
	unknown("obj_description", vec.Text, vec.OID), unknown("obj_description", vec.Text, vec.OID, vec.Text),
	unknown("shobj_description", vec.Text, vec.OID, vec.Text), unknown("col_description", vec.Text, vec.OID, vec.Int32),
	unknown("pg_get_constraintdef", vec.Text, vec.OID), unknown("pg_get_constraintdef", vec.Text, vec.OID, vec.Bool),
	unknown("pg_get_indexdef", vec.Text, vec.OID), unknown("pg_get_indexdef", vec.Text, vec.OID, vec.Int32, vec.Bool),
	unknown("pg_get_viewdef", vec.Text, vec.OID), unknown("pg_get_viewdef", vec.Text, vec.OID, vec.Bool), unknown("pg_get_viewdef", vec.Text, vec.OID, vec.Int32),
	unknown("pg_get_triggerdef", vec.Text, vec.OID), unknown("pg_get_triggerdef", vec.Text, vec.OID, vec.Bool),
	unknown("pg_get_ruledef", vec.Text, vec.OID), unknown("pg_get_ruledef", vec.Text, vec.OID, vec.Bool),
	unknown("pg_get_expr", vec.Text, vec.Text, vec.OID), unknown("pg_get_expr", vec.Text, vec.Text, vec.OID, vec.Bool),
	unknown("pg_get_function_result", vec.Text, vec.OID), unknown("pg_get_function_arguments", vec.Text, vec.OID),
	unknown("pg_get_function_identity_arguments", vec.Text, vec.OID), unknown("pg_get_functiondef", vec.Text, vec.OID),
	unknown("pg_get_partkeydef", vec.Text, vec.OID), unknown("pg_get_partition_constraintdef", vec.Text, vec.OID),
	unknown("pg_get_statisticsobjdef", vec.Text, vec.OID), unknown("pg_get_statisticsobjdef_columns", vec.Text, vec.OID),
	unknown("pg_get_serial_sequence", vec.Text, vec.Text, vec.Text), unknown("pg_tablespace_location", vec.Text, vec.OID),
	constant("pg_backend_pid", vec.Int32, int64(1)), constant("pg_is_in_recovery", vec.Bool, false), constant("pg_is_wal_replay_paused", vec.Bool, false),
	constant("pg_my_temp_schema", vec.OID, int64(0)), constant("pg_is_other_temp_schema", vec.Bool, false, vec.OID),
	constant("pg_relation_size", vec.Int64, int64(0), vec.OID), constant("pg_table_size", vec.Int64, int64(0), vec.OID),
	constant("pg_total_relation_size", vec.Int64, int64(0), vec.OID), constant("pg_indexes_size", vec.Int64, int64(0), vec.OID),
	constant("pg_database_size", vec.Int64, int64(0), vec.Text), constant("pg_database_size", vec.Int64, int64(0), vec.OID),
	constant("pg_tablespace_size", vec.Int64, int64(0), vec.OID),
	constant("pg_relation_filenode", vec.OID, nil, vec.OID),
	constant("pg_advisory_unlock_all", vec.Text, ""), constant("pg_advisory_unlock", vec.Bool, true, vec.Int64),
	constant("pg_advisory_lock", vec.Text, "", vec.Int64), constant("pg_try_advisory_lock", vec.Bool, true, vec.Int64),
	constant("txid_current", vec.Int64, int64(1)), constant("pg_current_xact_id", vec.Int64, int64(1)), constant("txid_current_if_assigned", vec.Int64, nil),
	constant("inet_server_port", vec.Int32, nil), constant("inet_client_port", vec.Int32, nil),
	unknown("inet_server_addr", vec.Text), unknown("inet_client_addr", vec.Text),
	constant("row_security_active", vec.Bool, false, vec.OID),
	clock("pg_postmaster_start_time", vec.TimestampTZ), clock("pg_conf_load_time", vec.TimestampTZ),
	{Name: "oidvectortypes", Dialect: Postgres, Params: []Param{{Kind: vec.Array}}, Result: of(vec.Text), Eval: boxed(func(_ *Call, a []vec.Value) (vec.Value, error) {
		var names []string
		for _, x := range a[0].([]vec.Value) {
			oid, _ := x.(int64)
			name, _ := vec.TypeNameOf(uint32(oid))
			names = append(names, name)
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

func formatType(_ *Call, a []vec.Value) (vec.Value, error) {
	if a[0] == nil {
		return nil, nil
	}
	oid := uint32(a[0].(int64))
	if oid == 0 {
		return "-", nil
	}
	t, ok := vec.TypeOf(oid)
	if !ok {
		return "???", nil
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
		if half {
			size = (size + 1) / 2
			half = false
		}
		size >>= 9
		half = true
		i++
		if (size+1)/2 < 10*1024 {
			break
		}
		size >>= 1
		half = false
	}
	if half {
		size = (size + 1) / 2
	}
	if n < 0 {
		size = -size
	}
	return strconv.FormatInt(size, 10) + " " + units[i], nil
}
