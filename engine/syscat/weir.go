package syscat

import (
	"strings"

	"github.com/weirdb/weir/catalog"
	"github.com/weirdb/weir/internal/vec"
)

var weirRelations = Relation{
	Schema: "weir", Name: "relations",
	Cols: cols("name text", "type text", "schema text", "key_format text", "value_format text", "topic text",
		"window_type text", "window_size_ms int8", "is_source bool"),
	Rows: func(s Source, yield func([]vec.Value) bool) error {
		cat := s.Catalog()
		for _, r := range cat.Relations() {
			row := []vec.Value{r.Name, r.Kind.String(), SchemaText(r), r.Key.Name, r.Value.Name, nil, nil, nil, r.Source}
			if t, ok := cat.Topic(r.Topic); ok {
				row[5] = t.Name
			}
			if r.Window != "" {
				row[6] = r.Window
			}
			if r.WindowSizeMs > 0 {
				row[7] = r.WindowSizeMs
			}
			if !yield(row) {
				break
			}
		}
		return nil
	},
}

// SchemaText is a relation's columns as the ksql dialect declares them.
func SchemaText(r *catalog.Relation) string {
	var out []string
	for _, c := range r.Columns {
		s := vec.KSQLName(c.Name) + " " + c.Type.KSQL()
		switch c.Role {
		case catalog.Key:
			s += " KEY"
		case catalog.Headers:
			s += " HEADERS"
		case catalog.Header:
			s += " HEADER('" + c.Header + "')"
		}
		out = append(out, s)
	}
	return strings.Join(out, ", ")
}
