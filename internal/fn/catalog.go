package fn

import (
	"strings"

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
