package planner

import (
	"errors"
	"strings"

	"github.com/weirdb/weir/catalog"
	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
)

// A capability says what a format can hold.
type capability struct {
	single bool // exactly one column
	empty  bool // no column
	flat   bool // no arrays, maps, structs
	// wrap and bare tell whether a single value may stand in an envelope, and
	// without one.
	wrap, bare bool
	registry   bool // schemas are kept in, and can be taken from, the registry
	textMaps   bool // map keys are text
}

// formats are ksqlDB's and one of our own, with what each of them supports (SerdeFeaturesFactory
// and the Format classes of ksqlDB).
var formats = map[string]capability{
	"NONE":          {empty: true},
	"NATIVE":        {bare: true}, // Weir's own: the row encoding of vec
	"KAFKA":         {single: true, flat: true, bare: true},
	"DELIMITED":     {flat: true, bare: true},
	"JSON":          {wrap: true, bare: true, textMaps: true},
	"JSON_SR":       {wrap: true, bare: true, registry: true, textMaps: true},
	"AVRO":          {wrap: true, bare: true, registry: true, textMaps: true},
	"PROTOBUF":      {wrap: true, registry: true, textMaps: true},
	"PROTOBUF_NOSR": {wrap: true, bare: true, textMaps: true},
}

// holds tells whether a format can encode the columns; the message is ksqlDB's.
func holds(f catalog.Format, cols []vec.Field, key bool) error {
	c := formats[f.Name]
	switch {
	case c.empty && len(cols) > 0:
		return pgerr.Newf(pgerr.InvalidParameterValue, "The 'NONE' format can only be used when no columns are defined. Got: %s", listed(cols, key))
	case c.single && len(cols) != 1:
		return pgerr.Newf(pgerr.InvalidParameterValue, "The '%s' format only supports a single field. Got: %s", f.Name, listed(cols, key))
	}
	for _, col := range cols {
		if err := c.holdsType(f.Name, col.Name, col.Type); err != nil {
			return err
		}
	}
	return nil
}

func (c capability) holdsType(format, column string, t vec.Type) error {
	bad := func() error {
		name := t.KSQL()
		if i := strings.IndexAny(name, "<("); i > 0 {
			name = name[:i]
		}
		return pgerr.Newf(pgerr.DatatypeMismatch, "The '%s' format does not support type '%s', column: `%s`", format, name, column)
	}
	switch t.Kind {
	case vec.Array, vec.Map, vec.Struct:
		if c.flat {
			return bad()
		}
	case vec.Int32, vec.Int64, vec.Float64, vec.Text, vec.Bytes, vec.Int16, vec.Float32, vec.UUID:
	default:
		if c.single {
			return bad()
		}
	}
	switch t.Kind {
	case vec.Array:
		return c.holdsType(format, column, *t.Elem)
	case vec.Map:
		if c.textMaps && t.Key.Kind != vec.Text {
			switch format {
			case "AVRO":
				return pgerr.Newf(pgerr.DatatypeMismatch, "Avro only supports MAPs with STRING keys")
			case "PROTOBUF", "PROTOBUF_NOSR":
				return pgerr.Newf(pgerr.DatatypeMismatch, "PROTOBUF format only supports MAP types with STRING keys")
			}
			return pgerr.Newf(pgerr.DatatypeMismatch, "JSON only supports MAP types with STRING keys")
		}
		return c.holdsType(format, column, *t.Elem)
	case vec.Struct:
		for _, f := range t.Fields {
			if err := c.holdsType(format, column, f.Type); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkKey tells whether columns can be the key of records in a format.
func checkKey(f catalog.Format, cols []vec.Field) error {
	for _, c := range cols {
		if hasMap(c.Type) {
			return pgerr.Newf(pgerr.DatatypeMismatch, "Map keys, including types that contain maps, are not supported as they may lead to unexpected behavior due to inconsistent serialization. "+
				"Key column name: `%s`. Column type: %s. See https://github.com/confluentinc/ksql/issues/6621 for more.", c.Name, c.Type.KSQL())
		}
	}
	if len(cols) == 0 && f.Name == "NONE" {
		return nil
	}
	return explained("Key", f, cols, true)
}

// checkValue tells whether columns can be the value of records in a format.
func checkValue(f catalog.Format, cols []vec.Field) error {
	if len(cols) == 0 {
		return nil
	}
	return explained("Value", f, cols, false)
}

func explained(side string, f catalog.Format, cols []vec.Field, key bool) error {
	err := holds(f, cols, key)
	if pe, ok := errors.AsType[*pgerr.Error](err); ok {
		reason := pe.Msg
		if f.Name == "KAFKA" {
			reason, _, _ = strings.Cut(reason, ", column: ")
		}
		pe.Msg = side + " format does not support schema.\nformat: " + f.Name + "\nschema: Persistence{columns=" + listed(cols, key) + ", features=[]}\nreason: " + reason
	}
	return err
}

func hasMap(t vec.Type) bool {
	switch t.Kind {
	case vec.Map:
		return true
	case vec.Array:
		return hasMap(*t.Elem)
	case vec.Struct:
		for _, f := range t.Fields {
			if hasMap(f.Type) {
				return true
			}
		}
	}
	return false
}

// listed writes columns as ksqlDB's messages do.
func listed(cols []vec.Field, key bool) string {
	var b strings.Builder
	b.WriteByte('[')
	for i, c := range cols {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("`" + c.Name + "` " + c.Type.KSQL())
		if key {
			b.WriteString(" KEY")
		}
	}
	return b.String() + "]"
}

// defaultKeyFormat returns the format for a key when nobody asked for one:
// Kafka's own serializers where they can, so that any client reads the key.
func defaultKeyFormat(cols []vec.Field) catalog.Format {
	switch {
	case len(cols) == 0:
		return catalog.Format{Name: "NONE"}
	case holds(catalog.Format{Name: "KAFKA"}, cols, true) == nil:
		return catalog.Format{Name: "KAFKA"}
	}
	return catalog.Format{Name: "JSON"}
}

// applyWrap decides whether a single value column stands in an envelope: as
// WITH says, else the session's setting, else what the format does.
func (p *properties) applyWrap(env *Env, f *catalog.Format, cols int) error {
	c := formats[f.Name]
	if p.wrap != nil {
		switch {
		case cols != 1:
			return pgerr.Newf(pgerr.InvalidParameterValue, "'WRAP_SINGLE_VALUE' is only valid for single-field value schemas").At(p.pos)
		case *p.wrap && !c.wrap, !*p.wrap && !c.bare:
			return pgerr.Newf(pgerr.InvalidParameterValue, "Format '%s' does not support 'WRAP_SINGLE_VALUE' set to '%t'.", f.Name, *p.wrap).At(p.pos)
		}
		f.Wrap = *p.wrap
		return nil
	}
	f.Wrap = c.wrap
	if c.wrap && c.bare && strings.EqualFold(env.setting("ksql.persistence.wrap.single.values"), "false") && cols == 1 {
		f.Wrap = false
	}
	return nil
}

// over returns f with what the properties say about it.
func (p *formatProps) over(f catalog.Format) (catalog.Format, error) {
	if p.name != "" && p.name != f.Name {
		f = catalog.Format{Name: p.name}
	}
	if p.delimiter != 0 {
		if f.Name != "DELIMITED" {
			return f, pgerr.Newf(pgerr.InvalidParameterValue, "Delimiter only supported with DELIMITED format")
		}
		f.Delimiter = p.delimiter
	}
	if f.Name == "DELIMITED" && f.Delimiter == 0 {
		f.Delimiter = ','
	}
	if len(p.options) > 0 {
		if _, ok := p.options[optFullName]; ok && !formats[f.Name].registry {
			return f, pgerr.Newf(pgerr.InvalidParameterValue, "%s does not support the following configs: [fullSchemaName]", f.Name)
		}
		options := map[string]string{}
		for k, v := range f.Properties {
			options[k] = v
		}
		for k, v := range p.options {
			options[k] = v
		}
		f.Properties = options
	}
	return f, nil
}
