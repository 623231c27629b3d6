package fn

import (
	"maps"
	"slices"
	"strings"

	"github.com/weirdb/weir/internal/vec"
)

// Named is a function's name and what kind of function it is.
type Named struct {
	Name string
	Kind string // SCALAR, AGGREGATE or TABLE
}

// Names returns the functions of a dialect that are called by name, sorted.
func Names(d Dialect) []Named {
	kinds := map[string]string{}
	for name := range tables() {
		if LookupTable(name, d) != nil {
			kinds[name] = "TABLE"
		}
	}
	for name := range aggregates() {
		if LookupAgg(name, d) != nil {
			kinds[name] = "AGGREGATE"
		}
	}
	for name := range scalars() {
		if c := name[0]; (c >= 'a' && c <= 'z' || c == '_') && Lookup(name, d) != nil {
			kinds[name] = "SCALAR"
		}
	}
	var out []Named
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		out = append(out, Named{name, kinds[name]})
	}
	return out
}

// Signatures returns the overloads of a function as text: name(types).
func Signatures(name string, d Dialect) (out []string) {
	for _, f := range Lookup(name, d) {
		out = append(out, f.signature().text(name))
	}
	for _, f := range LookupAgg(name, d) {
		out = append(out, f.signature().text(name))
	}
	for _, f := range LookupTable(name, d) {
		out = append(out, f.signature().text(name))
	}
	return out
}

func (s signature) text(name string) string {
	var args []string
	for i, p := range s.params {
		a := p.text()
		if s.variadic && i == len(s.params)-1 {
			a += ", ..."
		}
		args = append(args, a)
	}
	return name + "(" + strings.Join(args, ", ") + ")"
}

func (p Param) text() string {
	t := "any"
	switch {
	case p.Lambda > 0:
		return "lambda"
	case p.Kind != vec.Unknown:
		t = vec.Of(p.Kind).String()
	}
	if p.ElemOf {
		t += "[]"
	}
	return t
}
