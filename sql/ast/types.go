package ast

import "strings"

// Type is a type as written. It is an array if Elem is set, a map if Value is, a
// struct if Name is STRUCT, and otherwise a named type, whose meaning the planner
// knows.
type Type struct {
	P
	Schema Name     // pg_catalog of pg_catalog.int4
	Name   Name     // int4, "char", decimal; ARRAY, MAP, STRUCT for the composed ones
	Args   []string // DECIMAL(10, 2): "10", "2"
	Unit   string   // of INTERVAL DAY TO SECOND: "DAY TO SECOND"

	Elem   *Type // of ARRAY<T> and T[]
	Dims   int   // of T[] how many brackets were written; 0 for ARRAY<T>
	Key    *Type // of MAP<K, V>
	Value  *Type
	Fields []TypeField // of STRUCT<…>
}

// TypeField is one field of a struct type.
type TypeField struct {
	Name Name
	Type Type
}

// IsZero says that no type was written.
func (t Type) IsZero() bool { return t.Name.S == "" }

// Word is the upper-case name by which built-in types are looked up; "" for a
// quoted name, which is never a keyword. Several words are one here: DOUBLE
// PRECISION is DOUBLE, CHARACTER VARYING is VARCHAR, BIT VARYING is VARBIT,
// TIMESTAMP WITH TIME ZONE is TIMESTAMPTZ.
func (t Type) Word() string {
	if t.Name.Quoted {
		return ""
	}
	return strings.ToUpper(t.Name.S)
}

// IsStruct says that t is STRUCT<…>.
func (t Type) IsStruct() bool { return t.Fields != nil }
