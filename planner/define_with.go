package planner

import (
	"math"
	"strconv"
	"strings"

	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/sql/ast"
)

// properties is a WITH clause. Zero values stand for what was not given. They
// are the same in both dialects.
type properties struct {
	topic       string
	partitions  int32
	retentionMs int64
	key, value  formatProps
	// wrap is WRAP_SINGLE_VALUE.
	wrap        *bool
	timeColumn  string
	timeFormat  string
	window      string // TUMBLING, HOPPING, SESSION
	windowMs    int64
	cleanup     string // delete, compact
	queryID     string
	pos         int
	windowSized bool
}

// formatProps are the properties of one side of a record.
type formatProps struct {
	name      string
	delimiter byte
	options   map[string]string // as catalog.Format.Properties
}

func (p *formatProps) option(name, v string) {
	if p.options == nil {
		p.options = map[string]string{}
	}
	p.options[name] = v
}

// Options of a format, by which the schema of a registry is chosen.
const (
	optSchemaID = "schema_id"
	optFullName = "full_schema_name"
	optNullable = "nullable_representation"
	// optLater is, of a stream without a key, the format for keys of streams and
	// tables that are made from it.
	optLater = "key_format"
)

// property reads the value of one property into p.
type property func(p *properties, v string, at int) error

// withProperties are the properties that any statement takes.
var withProperties = map[string]property{
	"KAFKA_TOPIC": setTopic,
	"TOPIC":       setTopic,
	"PARTITIONS": func(p *properties, v string, at int) error {
		n, err := strconv.ParseInt(v, 10, 32)
		if err != nil || n < 1 {
			return badProperty("PARTITIONS", "'"+v+"' is not a number of partitions", at)
		}
		p.partitions = int32(n)
		return nil
	},
	// The number of copies is a property of the cluster.
	"REPLICAS": func(_ *properties, v string, at int) error {
		if _, err := strconv.ParseInt(v, 10, 16); err != nil {
			return badProperty("REPLICAS", "'"+v+"' is not a number", at)
		}
		return nil
	},
	"RETENTION_MS": func(p *properties, v string, at int) error {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			return badProperty("RETENTION_MS", "'"+v+"' is not a number", at)
		}
		p.retentionMs = n
		return nil
	},
	"CLEANUP_POLICY": func(p *properties, v string, at int) error {
		p.cleanup = strings.ToLower(v)
		switch p.cleanup {
		case "delete", "compact", "compact,delete", "delete,compact":
			return nil
		}
		return badProperty("CLEANUP_POLICY", "'"+v+"' is neither 'delete' nor 'compact'", at)
	},
	"FORMAT": func(p *properties, v string, at int) error {
		name, err := formatName(v, at)
		p.key.name, p.value.name = name, name
		return err
	},
	"KEY_FORMAT": func(p *properties, v string, at int) (err error) {
		p.key.name, err = formatName(v, at)
		return err
	},
	"VALUE_FORMAT": func(p *properties, v string, at int) (err error) {
		p.value.name, err = formatName(v, at)
		return err
	},
	"KEY_DELIMITER": func(p *properties, v string, at int) (err error) {
		p.key.delimiter, err = delimiter("KEY_DELIMITER", v, at)
		return err
	},
	"VALUE_DELIMITER": func(p *properties, v string, at int) (err error) {
		p.value.delimiter, err = delimiter("VALUE_DELIMITER", v, at)
		return err
	},
	"TIMESTAMP":        func(p *properties, v string, _ int) error { p.timeColumn = v; return nil },
	"TIMESTAMP_FORMAT": func(p *properties, v string, _ int) error { p.timeFormat = v; return nil },
	"WRAP_SINGLE_VALUE": func(p *properties, v string, at int) error {
		b, err := strconv.ParseBool(strings.ToLower(v))
		if err != nil {
			return badProperty("WRAP_SINGLE_VALUE", "'"+v+"' is not a boolean", at)
		}
		p.wrap = &b
		return nil
	},
	"KEY_SCHEMA_ID":               func(p *properties, v string, at int) error { return schemaID(&p.key, v, at) },
	"VALUE_SCHEMA_ID":             func(p *properties, v string, at int) error { return schemaID(&p.value, v, at) },
	"KEY_SCHEMA_FULL_NAME":        func(p *properties, v string, at int) error { return fullName(&p.key, v, at) },
	"VALUE_SCHEMA_FULL_NAME":      func(p *properties, v string, at int) error { return fullName(&p.value, v, at) },
	"VALUE_AVRO_SCHEMA_FULL_NAME": func(p *properties, v string, at int) error { return fullName(&p.value, v, at) },
	"KEY_PROTOBUF_NULLABLE_REPRESENTATION": func(p *properties, v string, at int) error {
		return nullableRepresentation(&p.key, v, at)
	},
	"VALUE_PROTOBUF_NULLABLE_REPRESENTATION": func(p *properties, v string, at int) error {
		return nullableRepresentation(&p.value, v, at)
	},
}

// createProperties are those that only a CREATE without AS takes: they describe
// a topic that somebody else writes.
var createProperties = map[string]property{
	"WINDOW_TYPE": func(p *properties, v string, at int) error {
		p.window = strings.ToUpper(v)
		switch p.window {
		case "SESSION", "HOPPING", "TUMBLING":
			return nil
		}
		return badProperty("WINDOW_TYPE", "String must be one of: SESSION, HOPPING, TUMBLING, null", at)
	},
	"WINDOW_SIZE": func(p *properties, v string, at int) (err error) {
		p.windowMs, err = windowSize(v, at)
		p.windowSized = true
		return err
	},
	"SOURCED_BY_CONNECTOR": func(*properties, string, int) error { return nil },
}

var insertProperties = map[string]property{
	"QUERY_ID": func(p *properties, v string, at int) error {
		p.queryID = strings.ToUpper(v)
		if v == "" || strings.ContainsAny(v, " \t\n\"'") {
			return badProperty("QUERY_ID", "'"+v+"' is not a name", at)
		}
		return nil
	},
}

// readWith reads a WITH clause that may hold properties of these kinds.
func readWith(with []ast.Property, known ...map[string]property) (*properties, error) {
	p := &properties{}
	given := map[string]bool{}
	for _, w := range with {
		name := strings.ToUpper(w.Name)
		var set property
		for _, k := range known {
			if f, ok := k[name]; ok {
				set = f
			}
		}
		if set == nil {
			return nil, pgerr.Newf(pgerr.InvalidParameterValue, "Failed to prepare statement: Invalid config variable(s) in the WITH clause: %s", name).At(w.Pos())
		}
		if given[name] {
			return nil, pgerr.Newf(pgerr.InvalidParameterValue, "Duplicate config property %s in the WITH clause", name).At(w.Pos())
		}
		given[name] = true
		v, err := propertyText(w)
		if err == nil {
			err = set(p, v, w.Pos())
		}
		if err != nil {
			return nil, err
		}
		if p.pos == 0 {
			p.pos = w.Pos()
		}
	}
	for _, side := range []string{"KEY_FORMAT", "VALUE_FORMAT"} {
		if given["FORMAT"] && given[side] {
			return nil, pgerr.Newf(pgerr.InvalidParameterValue, "Cannot supply both '%s' and 'FORMAT' properties, as 'FORMAT' sets both key and value formats. "+
				"Either use just 'FORMAT', or use 'KEY_FORMAT' and 'VALUE_FORMAT'.", side).At(p.pos)
		}
	}
	return p, p.checkWindow()
}

func (p *properties) checkWindow() error {
	switch {
	case p.window == "SESSION" && p.windowSized:
		return pgerr.Newf(pgerr.InvalidParameterValue, "'WINDOW_SIZE' should not be set for SESSION windows.").At(p.pos)
	case p.window != "" && p.window != "SESSION" && !p.windowSized:
		return pgerr.Newf(pgerr.InvalidParameterValue, "%s windows require 'WINDOW_SIZE' to be provided in the WITH clause. For example: 'WINDOW_SIZE'='10 SECONDS'", p.window).At(p.pos)
	}
	return nil
}

func setTopic(p *properties, v string, at int) error {
	if v == "" || len(v) > 249 || v == "." || v == ".." {
		return badProperty("KAFKA_TOPIC", "'"+v+"' is not a topic name", at)
	}
	for i := range len(v) {
		c := v[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-') {
			return badProperty("KAFKA_TOPIC", "'"+v+"' is not a topic name", at)
		}
	}
	p.topic = v
	return nil
}

func badProperty(name, why string, at int) error {
	return pgerr.Newf(pgerr.InvalidParameterValue, "Failed to prepare statement: Configuration %s is invalid: %s", name, why).At(at)
}

func propertyText(w ast.Property) (string, error) {
	switch v := w.Value.(type) {
	case *ast.String:
		return v.V, nil
	case *ast.Number:
		return v.Text, nil
	case *ast.Unary:
		if n, ok := v.X.(*ast.Number); ok {
			return v.Op + n.Text, nil
		}
	case *ast.Bool:
		return strconv.FormatBool(v.V), nil
	case *ast.Column:
		return v.Parts[len(v.Parts)-1].S, nil
	}
	return "", pgerr.Newf(pgerr.InvalidParameterValue, "property %s needs a literal value", strings.ToUpper(w.Name)).At(w.Pos())
}

func formatName(v string, at int) (string, error) {
	name := strings.ToUpper(strings.TrimSpace(v))
	if _, ok := formats[name]; !ok {
		return "", pgerr.Newf(pgerr.InvalidParameterValue, "Unknown format: %s", name).At(at)
	}
	return name, nil
}

// delimiter reads the separator of DELIMITED: one character, SPACE or TAB.
func delimiter(name, v string, at int) (byte, error) {
	const example = "\nExample valid value: ';'" // a part of ksqlDB's message
	switch {
	case strings.EqualFold(v, "SPACE"):
		return ' ', nil
	case strings.EqualFold(v, "TAB"):
		return '\t', nil
	case strings.TrimSpace(v) == "":
		return 0, badProperty(name, "Delimiter cannot be empty, if you meant to have a tab or space for delimiter, please use the special values 'TAB' or 'SPACE'"+example, at)
	case len(v) != 1 || v == `"` || v[0] >= 0x80:
		return 0, badProperty(name, "Invalid delimiter value: '"+v+"'. Delimiter must be a single character or TAB,SPACE"+example, at)
	}
	return v[0], nil
}

func schemaID(f *formatProps, v string, at int) error {
	if n, err := strconv.ParseInt(v, 10, 32); err != nil || n < 0 {
		return badProperty("SCHEMA_ID", "'"+v+"' is not the number of a schema", at)
	}
	f.option(optSchemaID, v)
	return nil
}

func fullName(f *formatProps, v string, at int) error {
	v = strings.TrimSpace(v)
	if v == "" {
		return pgerr.Newf(pgerr.InvalidParameterValue, "fullSchemaName cannot be empty. Format configuration: {fullSchemaName=}").At(at)
	}
	f.option(optFullName, v)
	return nil
}

func nullableRepresentation(f *formatProps, v string, at int) error {
	v = strings.ToUpper(v)
	if v != "OPTIONAL" && v != "WRAPPER" {
		return badProperty("PROTOBUF_NULLABLE_REPRESENTATION", "String must be one of: OPTIONAL, WRAPPER, null", at)
	}
	f.option(optNullable, v)
	return nil
}

var timeUnits = map[string]int64{
	"MILLISECOND": 1, "SECOND": 1000, "MINUTE": 60_000, "HOUR": 3_600_000, "DAY": 86_400_000,
}

// windowSize reads '30 SECONDS' as milliseconds.
func windowSize(v string, at int) (int64, error) {
	bad := func(why string) (int64, error) {
		return 0, pgerr.Newf(pgerr.InvalidParameterValue, "Configuration WINDOW_SIZE is invalid: Invalid duration: '%s'. %s", v, why).At(at)
	}
	f := strings.Fields(v)
	if len(f) != 2 {
		return bad("Expected 2 parts, a number and a unit")
	}
	n, err := strconv.ParseInt(f[0], 10, 64)
	if err != nil || n < 0 {
		return bad("Size must be positive: '" + f[0] + "'")
	}
	unit := strings.ToUpper(f[1])
	ms, ok := timeUnits[strings.TrimSuffix(unit, "S")]
	if !ok {
		return bad("Unknown time unit: '" + unit + "'")
	}
	if n == 0 || n > math.MaxInt64/4/ms {
		return bad("Size must be positive, and not beyond the range of time")
	}
	return n * ms, nil
}
