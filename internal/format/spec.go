package format

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
)

// Names of the formats.
const (
	JSON      = "JSON"
	Delimited = "DELIMITED"
	Kafka     = "KAFKA"
	None      = "NONE"
	// Native is the row encoding of package vec. It is for internal topics and
	// not self-describing: the reader has the same Spec as the writer.
	Native = "NATIVE"
)

// maxBatchBytes bounds the input of one Decode call, so that every column's
// arena stays within the 32-bit offsets of its views whatever a value expands
// to (a byte of JSON becomes at most three of text or row encoding).
const maxBatchBytes = 1 << 30

var errBatchTooLarge = fmt.Errorf("more than %d bytes of records in one batch", maxBatchBytes)

// A Spec says how the key or the value of a record holds columns.
type Spec struct {
	Name   string // JSON, Delimited, Kafka, None or Native
	Fields []vec.Field
	// Delimiter separates the fields of DELIMITED; 0 means a comma.
	Delimiter byte
	// Wrap puts a single field in an object, {"F": 1}, instead of writing it
	// bare, 1. Several fields are always in an object. Only JSON looks at it.
	Wrap bool
	Key  bool // the record's key, not its value; only error messages look at it
}

// A Decoder reads records into columns. It belongs to one goroutine.
type Decoder interface {
	// Decode fills rows 0 to len(data)-1 of cols, one for each wanted field,
	// in the order given to NewDecoder. It resets the columns, and copies: they
	// do not refer to data afterwards. A nil record is a NULL key or value and
	// makes all columns null.
	//
	// A record that breaks the format's rules has all its columns null and is
	// reported to bad, at most once and in ascending order. So is what comes
	// after the first gigabyte: callers keep their batches smaller.
	Decode(data [][]byte, cols []*vec.Vec, bad func(row int, err error))
}

// An Encoder writes rows as records. It belongs to one goroutine.
type Encoder interface {
	// Append appends row of cols, one for each field of the Spec, to dst. If
	// null, the row is a NULL key or value and nothing was appended: the only
	// field is NULL and not wrapped, or there is no field. Nothing is appended
	// for an empty text either: only null tells. After an error dst is returned
	// as it was.
	Append(dst []byte, cols []*vec.Vec, row int) (out []byte, null bool, err error)
}

// NewDecoder compiles a decoder of the fields whose indexes want lists. The
// other fields are skipped as fast as the format allows.
func NewDecoder(s Spec, want []int) (Decoder, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	for _, w := range want {
		if w < 0 || w >= len(s.Fields) {
			return nil, fmt.Errorf("format: field %d wanted of %d", w, len(s.Fields))
		}
	}
	switch s.Name {
	case JSON:
		return newJSONDecoder(s, want), nil
	case Delimited:
		return newDelimitedDecoder(s, want), nil
	case Kafka:
		return newKafkaDecoder(s, want), nil
	case Native:
		return newNativeDecoder(s, want), nil
	}
	return noneDecoder{}, nil
}

// NewEncoder compiles an encoder of all fields.
func NewEncoder(s Spec) (Encoder, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	switch s.Name {
	case JSON:
		return newJSONEncoder(s), nil
	case Delimited:
		return newDelimitedEncoder(s), nil
	case Kafka:
		return &kafkaEncoder{kind: s.Fields[0].Type.Kind}, nil
	case Native:
		return nativeEncoder{}, nil
	}
	return noneEncoder{}, nil
}

// Known tells whether name is a format of this package, in upper case.
func Known(name string) bool {
	switch name {
	case JSON, Delimited, Kafka, None, Native:
		return true
	}
	return false
}

// ParseDelimiter reads the delimiter option of DELIMITED: one character, SPACE
// or TAB.
func ParseDelimiter(s string) (byte, error) {
	const example = "\nExample valid value: ';'" // a part of ksqlDB's message
	switch {
	case strings.EqualFold(s, "SPACE"):
		return ' ', nil
	case strings.EqualFold(s, "TAB"):
		return '\t', nil
	case strings.TrimSpace(s) == "":
		return 0, pgerr.Newf(pgerr.InvalidParameterValue, "Delimiter cannot be empty, if you meant to have a tab or space for delimiter, please use the special values 'TAB' or 'SPACE'%s", example)
	case utf8.RuneCountInString(s) != 1:
		return 0, pgerr.Newf(pgerr.InvalidParameterValue, "Invalid delimiter value: '%s'. Delimiter must be a single character or TAB,SPACE%s", s, example)
	case !validDelimiter(s[0]):
		return 0, pgerr.Newf(pgerr.InvalidParameterValue, "Invalid delimiter value: '%s'%s", s, example).
			Hintf("A delimiter is an ASCII character other than a quote or a line break.")
	}
	return s[0], nil
}

func validDelimiter(c byte) bool { return c != '"' && c != '\r' && c != '\n' && c < utf8.RuneSelf }

// Validate tells whether the format can hold the fields. The messages are
// those of ksqlDB, which tools match.
func (s Spec) Validate() error {
	switch s.Name {
	case JSON:
		for _, f := range s.Fields {
			if err := validJSON(f.Type); err != nil {
				return err
			}
		}
	case Delimited:
		if !validDelimiter(s.Delimiter) {
			return pgerr.Newf(pgerr.InvalidParameterValue, "Invalid delimiter value: %q", s.Delimiter)
		}
		for _, f := range s.Fields {
			if nested(f.Type.Kind) {
				return unsupported(s.Name, f)
			}
		}
	case Kafka:
		if len(s.Fields) != 1 {
			return pgerr.Newf(pgerr.FeatureNotSupported, "The 'KAFKA' format only supports a single field. Got: %s", s.columns())
		}
		switch f := s.Fields[0]; f.Type.Kind {
		case vec.Int32, vec.Int64, vec.Float64, vec.Text, vec.Bytes:
		case vec.Int16, vec.Float32, vec.UUID: // as Kafka's own serializers write them
		default:
			return unsupported(s.Name, f)
		}
	case None:
		if len(s.Fields) > 0 {
			return pgerr.Newf(pgerr.FeatureNotSupported, "The 'NONE' format can only be used when no columns are defined. Got: %s", s.columns())
		}
	case Native:
	default:
		return pgerr.Newf(pgerr.InvalidParameterValue, "Unknown format: %s", s.Name)
	}
	return nil
}

func unsupported(format string, f vec.Field) error {
	err := pgerr.Newf(pgerr.FeatureNotSupported, "The '%s' format does not support type '%s'", format, kindName(f.Type))
	if format == Delimited {
		err.Msg += ", column: `" + f.Name + "`"
	}
	return err
}

// validJSON refuses maps whose keys are not text: JSON has no other.
func validJSON(t vec.Type) error {
	switch t.Kind {
	case vec.Array:
		return validJSON(*t.Elem)
	case vec.Map:
		if t.Key.Kind != vec.Text {
			return pgerr.Newf(pgerr.FeatureNotSupported, "JSON only supports MAP types with STRING keys")
		}
		return validJSON(*t.Elem)
	case vec.Struct:
		for _, f := range t.Fields {
			if err := validJSON(f.Type); err != nil {
				return err
			}
		}
	}
	return nil
}

func nested(k vec.Kind) bool { return k == vec.Array || k == vec.Map || k == vec.Struct }

// kindName is ksqlDB's name of a type without its parameters.
func kindName(t vec.Type) string {
	switch t.Kind {
	case vec.Array:
		return "ARRAY"
	case vec.Map:
		return "MAP"
	case vec.Struct:
		return "STRUCT"
	}
	return vec.Of(t.Kind).KSQL()
}

// columns lists the fields as ksqlDB's messages do.
func (s Spec) columns() string {
	var b strings.Builder
	for i, f := range s.Fields {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "`%s` %s", f.Name, f.Type.KSQL())
		if s.Key {
			b.WriteString(" KEY")
		}
	}
	return "[" + b.String() + "]"
}

// nullRow makes row i of all columns null.
func nullRow(cols []*vec.Vec, i int) {
	for _, c := range cols {
		c.SetNull(i)
	}
}

// clearNull undoes SetNull.
func clearNull(v *vec.Vec, i int) {
	if w := i >> 6; w < len(v.Nulls) {
		v.Nulls[w] &^= 1 << (i & 63)
	}
}

// A rowReader reads one record that is not NULL.
type rowReader interface {
	row(cols []*vec.Vec, i int, b []byte) error
}

// decodeRows is Decode for a format whose records do not depend on each other.
func decodeRows(r rowReader, types []vec.Type, data [][]byte, cols []*vec.Vec, bad func(int, error)) {
	for i, c := range cols {
		c.Reset(types[i], len(data))
	}
	size := 0
	for i, b := range data {
		if b == nil {
			nullRow(cols, i)
			continue
		}
		err := errBatchTooLarge
		if size += len(b); size <= maxBatchBytes {
			err = r.row(cols, i, b)
		}
		if err != nil {
			nullRow(cols, i)
			bad(i, err)
		}
	}
}
