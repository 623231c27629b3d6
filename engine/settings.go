package engine

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/pgwire"
	"github.com/weirdb/weir/sql/ast"
)

// A setting is a configuration parameter that has a meaning here or that
// clients expect to read.
type setting struct {
	name  string // as SHOW writes it
	value string // the default
	about string
	// check brings a new value into the form that SHOW gives, or refuses it; nil
	// accepts any.
	check func(string) (string, error)
	// fixed settings can be read only.
	fixed bool
	// report tells the client of changes (ParameterStatus).
	report bool
}

// knownSettings are all settings but ksqlDB's: a name that begins with "ksql." or
// holds a dot is accepted as it is.
var knownSettings = []setting{
	{name: "application_name", about: "name of the client", report: true},
	{name: "auto.offset.reset", value: "latest", about: "where a query begins to read a stream", check: oneOf("latest", "earliest", "none")},
	{name: "bytea_output", value: "hex", about: "how bytea is written", check: oneOf("hex")},
	{name: "check_function_bodies", value: "on"},
	{name: "client_encoding", value: "UTF8", report: true, check: utf8Only},
	{name: "client_min_messages", value: "notice"},
	{name: "datestyle", value: "ISO, MDY", about: "how dates are written", report: true, check: isoOnly},
	{name: "default_table_access_method", value: "heap"},
	{name: "default_transaction_isolation", value: "read committed"},
	{name: "default_transaction_read_only", value: "off"},
	{name: "extra_float_digits", value: "1"},
	{name: "idle_in_transaction_session_timeout", value: "0"},
	{name: "integer_datetimes", value: "on", fixed: true},
	{name: "intervalstyle", value: "postgres", report: true, check: oneOf("postgres")},
	{name: "lc_collate", value: "C", fixed: true},
	{name: "lc_ctype", value: "C.UTF-8", fixed: true},
	{name: "lock_timeout", value: "0"},
	{name: "max_identifier_length", value: "63", fixed: true},
	{name: "max_index_keys", value: "32", fixed: true},
	{name: "role", value: "none"},
	{name: "row_security", value: "on"},
	{name: "search_path", value: `"$user", public`, report: true},
	{name: "server_encoding", value: "UTF8", fixed: true},
	{name: "server_version", value: "15.0", fixed: true},
	{name: "server_version_num", value: "150000", fixed: true},
	{name: "session_authorization", value: defaultUser},
	{name: "standard_conforming_strings", value: "on", check: oneOf("on")},
	{name: "statement_timeout", value: "0"},
	{name: "synchronous_commit", value: "on", about: "wait until a write is on disk", check: onOff},
	{name: "timezone", value: "UTC", about: "time zone of timestamptz", report: true, check: zone},
	{name: "transaction_isolation", value: "read committed"},
	{name: "transaction_read_only", value: "off"},
	{name: "weir.dialect", value: "postgres", about: "SQL dialect of the session", check: oneOf("postgres", "ksql")},
	{name: "weir.emit", value: "coalesce", about: "one output per change, or per key and step", check: oneOf("every", "coalesce")},
	{name: "weir.fetch_linger", value: "", about: "how long FETCH waits for more rows of a push query"},
	{name: "weir.push_format", value: "auto", about: "how psql gets the rows of a push query", check: oneOf("auto", "rows", "copy")},
}

func oneOf(values ...string) func(string) (string, error) {
	return func(v string) (string, error) {
		if low := strings.ToLower(v); slices.Contains(values, low) {
			return low, nil
		}
		return "", pgerr.Newf(pgerr.InvalidParameterValue, "invalid value %q", v).Hintf("Available values: %s.", strings.Join(values, ", "))
	}
}

func onOff(v string) (string, error) {
	switch strings.ToLower(v) {
	case "on", "true", "yes", "1", "local", "remote_write", "remote_apply":
		return "on", nil
	case "off", "false", "no", "0":
		return "off", nil
	}
	return "", pgerr.Newf(pgerr.InvalidParameterValue, "invalid value %q", v).Hintf("Available values: on, off.")
}

func utf8Only(v string) (string, error) {
	switch strings.ToUpper(strings.NewReplacer("-", "", "_", "", "'", "").Replace(v)) {
	case "UTF8", "UNICODE", "SQLASCII":
		return "UTF8", nil
	}
	return "", pgerr.Newf(pgerr.FeatureNotSupported, "conversion between %s and UTF8 is not supported", v)
}

func isoOnly(v string) (string, error) {
	if strings.Contains(strings.ToLower(v), "iso") {
		return "ISO, MDY", nil
	}
	return "", pgerr.Newf(pgerr.FeatureNotSupported, "only DateStyle ISO is supported")
}

func zone(v string) (string, error) {
	_, err := location(v)
	return v, err
}

// location reads a time zone: a name, case aside, or hours east of Greenwich.
func location(v string) (*time.Location, error) {
	if h, err := strconv.ParseFloat(v, 64); err == nil && h > -24 && h < 24 {
		return time.FixedZone("", int(h*3600)), nil
	}
	if !strings.EqualFold(v, "local") && v != "" {
		// Zone names are as files are: EST5EDT, Europe/London, US/Pacific.
		for _, name := range []string{v, strings.ToUpper(v), titled(v, 0), titled(v, 1)} {
			if loc, err := time.LoadLocation(name); err == nil {
				return loc, nil
			}
		}
	}
	if loc, ok := posixZone(v); ok {
		return loc, nil
	}
	return nil, pgerr.Newf(pgerr.InvalidParameterValue, "invalid value for parameter \"TimeZone\": %q", v)
}

// posixName is a zone as POSIX writes it: a name, and how far it is west of
// Greenwich. JDBC sends GMT-02:00 for what Java calls GMT+02:00.
var posixName = regexp.MustCompile(`^(<[A-Za-z0-9+:-]+>|[A-Za-z]{3,})?([+-]?)(\d{1,2})(?::(\d\d))?(?::(\d\d))?$`)

func posixZone(v string) (*time.Location, bool) {
	m := posixName.FindStringSubmatch(v)
	if m == nil {
		return nil, false
	}
	seconds := 0
	for i, unit := range []int{3600, 60, 1} {
		n, _ := strconv.Atoi(m[3+i]) // digits or nothing
		if n > [...]int{24, 59, 59}[i] {
			return nil, false
		}
		seconds += n * unit
	}
	if m[2] != "-" {
		seconds = -seconds
	}
	return time.FixedZone(strings.Trim(m[1], "<>"), seconds), true
}

// isoZone turns the interval of SET TIME ZONE INTERVAL '+02:00', which is east of
// Greenwich, into the name that PostgreSQL gives such a zone.
func isoZone(setting, v string) string {
	if name := strings.ToLower(setting); name != "time zone" && name != "timezone" || v == "" {
		return v
	}
	switch v[0] {
	case '+':
		return "<" + v + ">-" + v[1:]
	case '-':
		return "<" + v + ">+" + v[1:]
	}
	return "<+" + v + ">-" + v
}

// titled writes each word of a zone's name with a capital; the first upper parts
// of it in capitals only.
func titled(v string, upper int) string {
	b := []byte(strings.ToLower(v))
	part, start := 0, true
	for i, c := range b {
		if c >= 'a' && c <= 'z' && (start || part < upper) {
			b[i] = c - 'a' + 'A'
		}
		if start = c == '/' || c == '_' || c == '-'; c == '/' {
			part++
		}
	}
	return string(b)
}

// settings are a session's parameters.
type settings struct {
	known  map[string]*setting
	now    map[string]string
	reset  map[string]string
	format vec.TextFormat
}

func newSettings() *settings {
	s := &settings{known: map[string]*setting{}, now: map[string]string{}}
	for i := range knownSettings {
		k := &knownSettings[i]
		s.known[k.name] = k
		s.now[k.name] = k.value
	}
	s.format.Zone = time.UTC
	return s
}

// asReset makes the present values those that RESET goes back to.
func (s *settings) asReset() {
	s.reset = map[string]string{}
	for k, v := range s.now {
		s.reset[k] = v
	}
}

func (s *settings) get(name string) (string, bool) {
	v, ok := s.now[strings.ToLower(name)]
	return v, ok
}

func (s *settings) text() *vec.TextFormat { return &s.format }

// set changes a setting. Unknown names are refused unless they hold a dot, as
// PostgreSQL's custom ones do; those that begin with "weir." are ours to define.
func (s *session) set(name, value string, isDefault bool) error {
	name = strings.ToLower(strings.TrimSpace(name))
	switch name {
	case "time zone":
		name = "timezone"
	case "names":
		name = "client_encoding"
	}
	k, ok := s.settings.known[name]
	if !ok && (!strings.Contains(name, ".") || strings.HasPrefix(name, "weir.")) {
		if s.dialect() == ast.KSQL {
			return pgerr.Newf(pgerr.UndefinedObject, "Unknown property: %s", name)
		}
		return pgerr.Newf(pgerr.UndefinedObject, "unrecognized configuration parameter %q", name).Hintf("SHOW ALL lists the parameters.")
	}
	if isDefault {
		value = s.settings.reset[name]
	}
	if k != nil {
		if k.fixed {
			return pgerr.Newf("55P02", "parameter %q cannot be changed", k.name)
		}
		if k.check != nil {
			v, err := k.check(value)
			if err != nil {
				if pe, ok := errors.AsType[*pgerr.Error](err); ok && strings.HasPrefix(pe.Msg, "invalid value \"") {
					pe.Msg = "invalid value for parameter \"" + k.name + "\": \"" + value + "\""
				}
				return err
			}
			value = v
		}
		if name == "timezone" {
			loc, err := location(value)
			if err != nil {
				return err
			}
			s.settings.format.Zone = loc
		}
		if k.report && s.client != nil {
			s.client.Parameter(reportName(name), value)
		}
	}
	s.settings.now[name] = value
	return nil
}

// reportName is how PostgreSQL spells the names of reported parameters.
func reportName(name string) string {
	switch name {
	case "datestyle":
		return "DateStyle"
	case "intervalstyle":
		return "IntervalStyle"
	case "timezone":
		return "TimeZone"
	}
	return name
}

func (s *session) setStmt(a *ast.Set) (*command, error) {
	return simple(func(context.Context) (string, error) {
		if a.Transaction != nil {
			return "SET", nil // one isolation level serves all: read committed
		}
		if a.Local && !s.tx.block {
			s.client.Notice("WARNING", pgerr.Newf("25P01", "SET LOCAL can only be used in transaction blocks"))
			return "SET", nil
		}
		var words []string
		isDefault := false
		for _, v := range a.Values {
			switch v := v.(type) {
			case *ast.String:
				words = append(words, v.V)
			case *ast.Number:
				words = append(words, v.Text)
			case *ast.Unary:
				n, ok := v.X.(*ast.Number)
				if !ok {
					return "", pgerr.Newf(pgerr.SyntaxError, "invalid value for %s", a.Name).At(v.Pos())
				}
				words = append(words, v.Op+n.Text)
			case *ast.Bool:
				words = append(words, strconv.FormatBool(v.V))
			case *ast.Column:
				words = append(words, v.Parts[len(v.Parts)-1].S)
			case *ast.Typed:
				words = append(words, isoZone(a.Name, v.V))
			case *ast.Default:
				isDefault = true
			default:
				return "", pgerr.Newf(pgerr.SyntaxError, "invalid value for %s", a.Name).At(v.Pos())
			}
		}
		name := strings.ToLower(a.Name)
		before, had := s.settings.get(name)
		if err := s.set(a.Name, strings.Join(words, ", "), isDefault); err != nil {
			return "", err
		}
		s.tx.changed(name, before, had, a.Local)
		return "SET", nil
	}), nil
}

// setConfig is the function set_config. With local, a value ends with the
// transaction; outside a block that is at once.
func (s *session) setConfig(name, value string, local bool) (string, error) {
	if local && !s.tx.block {
		return value, nil
	}
	name = strings.ToLower(name)
	before, had := s.settings.get(name)
	if err := s.set(name, value, false); err != nil {
		return "", err
	}
	s.tx.changed(name, before, had, local)
	now, _ := s.settings.get(name)
	return now, nil
}

func (s *session) reset(a *ast.Unset) (*command, error) {
	return simple(func(context.Context) (string, error) {
		if a.Name == "" {
			s.resetAll()
			return "RESET", nil
		}
		if _, known := s.settings.known[strings.ToLower(a.Name)]; !known {
			delete(s.settings.now, strings.ToLower(a.Name))
			return "RESET", nil
		}
		return "RESET", s.set(a.Name, "", true)
	}), nil
}

func (s *session) resetAll() {
	for name := range s.settings.now {
		if k := s.settings.known[name]; k == nil {
			delete(s.settings.now, name)
		} else if !k.fixed && s.settings.now[name] != s.settings.reset[name] {
			_ = s.set(name, "", true) // what was accepted once is accepted again
		}
	}
}

func (s *session) discard(a *ast.Discard) (*command, error) {
	return simple(func(context.Context) (string, error) {
		if a.What == "ALL" {
			if s.tx.block {
				return "", pgerr.Newf(pgerr.ActiveTransaction, "DISCARD ALL cannot run inside a transaction block")
			}
			s.resetAll()
			s.prepared = map[string]*sqlPrepared{}
			s.client.DeallocateAll()
			for name, c := range s.cursors {
				c.close()
				delete(s.cursors, name)
			}
		}
		return "DISCARD " + a.What, nil
	}), nil
}

func (s *session) define(a *ast.Define) (*command, error) {
	return simple(func(context.Context) (string, error) {
		if s.vars == nil {
			s.vars = map[string]string{}
		}
		s.vars[strings.ToLower(a.Name)] = a.Value
		return "DEFINE", nil
	}), nil
}

func (s *session) undefine(a *ast.Undefine) (*command, error) {
	return simple(func(context.Context) (string, error) {
		delete(s.vars, strings.ToLower(a.Name))
		return "UNDEFINE", nil
	}), nil
}

// sqlPrepared is a statement of PREPARE.
type sqlPrepared struct {
	p *prepared
}

func (s *session) prepareSQL(ctx context.Context, st statement, a *ast.Prepare) (*command, error) {
	return simple(func(ctx context.Context) (string, error) {
		if _, ok := s.prepared[a.Name.S]; ok {
			return "", pgerr.Newf("42P05", "prepared statement %q already exists", a.Name.S).At(a.Pos())
		}
		env := s.env(s.n.Catalog(), nil)
		params := make([]vec.Type, len(a.Types))
		for i, t := range a.Types {
			var err error
			if params[i], err = env.Type(t); err != nil {
				return "", err
			}
		}
		p, err := s.prepareStmt(ctx, statement{a.Stmt, st.text}, params)
		if err != nil {
			return "", err
		}
		s.prepared[a.Name.S] = &sqlPrepared{p}
		return "PREPARE", nil
	}), nil
}

func (s *session) executeSQL(_ context.Context, a *ast.Execute) (*command, error) {
	p, ok := s.prepared[a.Name.S]
	if !ok {
		return nil, pgerr.Newf(pgerr.InvalidStatementName, "prepared statement %q does not exist", a.Name.S).At(a.Pos())
	}
	return &command{columns: p.p.columns, push: p.p.push, run: func(ctx context.Context, _ pgwire.Args) (pgwire.Result, error) {
		values, err := s.constants(ctx, a.Args, p.p.params)
		if err != nil {
			return nil, err
		}
		return s.Execute(ctx, p.p, pgwire.Args{Params: values})
	}}, nil
}

func (s *session) deallocate(a *ast.Deallocate) (*command, error) {
	return simple(func(context.Context) (string, error) {
		if a.Name.IsZero() {
			s.prepared = map[string]*sqlPrepared{}
			s.client.DeallocateAll()
			return "DEALLOCATE ALL", nil
		}
		if s.client.Deallocate(a.Name.S) {
			return "DEALLOCATE", nil
		}
		if _, ok := s.prepared[a.Name.S]; !ok {
			return "", pgerr.Newf(pgerr.InvalidStatementName, "prepared statement %q does not exist", a.Name.S).At(a.Pos())
		}
		delete(s.prepared, a.Name.S)
		return "DEALLOCATE", nil
	}), nil
}
