package format

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/weirdb/weir/internal/vec"
)

// anyFields has every kind of type, nested ones included.
var anyFields = []vec.Field{
	{Name: "A", Type: bigintT}, {Name: "B", Type: textT}, {Name: "C", Type: doubleT}, {Name: "D", Type: boolT},
	{Name: "E", Type: vec.DecimalOf(10, 2)}, {Name: "F", Type: vec.ArrayOf(textT)}, {Name: "G", Type: vec.MapOf(textT, intT)},
	{Name: "H", Type: structOf(vec.Field{Name: "X", Type: intT}, vec.Field{Name: "Y", Type: vec.ArrayOf(doubleT)})},
	{Name: "I", Type: bytesT}, {Name: "J", Type: dateT}, {Name: "K", Type: timeT}, {Name: "L", Type: stampT},
	{Name: "M", Type: vec.Of(vec.UUID)}, {Name: "N", Type: vec.Of(vec.JSON)}, {Name: "O", Type: vec.Of(vec.JSONB)},
	{Name: "P", Type: vec.Of(vec.Interval)}, {Name: "Q", Type: vec.Of(vec.Int16)}, {Name: "R", Type: vec.Of(vec.Float32)},
	{Name: "S", Type: vec.Of(vec.Decimal)}, {Name: "T", Type: vec.Of(vec.TimestampTZ)}, {Name: "U", Type: vec.Of(vec.OID)},
}

var jsonSeeds = []string{
	`{"A":1,"B":"x","C":1.5,"D":true,"E":1.25,"F":["a",null],"G":{"k":1},"H":{"X":1,"Y":[1,2.5]},"I":"aGk=","J":1,"K":2,"L":3}`,
	`{"M":"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11","N":{"a": 1},"O":[1, {"b":null}],"P":"1 day","Q":1,"R":0.1,"S":1e10,"T":-1,"U":5}`,
	`{"a":"12","b":{"x":[1 , 2]},"C":"1e5","E":"7.5","J":"2020-02-29","K":"10:11:12.5","L":"2020-01-01T00:00:00Z","G":{"k":1,"k":2}}`,
	"{\"B\":\"\\u00e9\\ud83d\\ude00 \\\"quoted\\\" and long enough for words\"}", ` { "A" : null } `, `{}`, `null`, `[]`, `{"A":1}x`, `{"B":"` + "\xff" + `"}`,
	`{"A":123456789012345678901234567890,"C":1e-320,"E":99999999.99}`, `{"z":[[[[{}]]]],"A":-0}`, `{"N":"\u0000"}`,
}

func all(fields []vec.Field) []int {
	want := make([]int, len(fields))
	for i := range want {
		want[i] = i
	}
	return want
}

// roundTrip decodes record, encodes what came out, decodes that and demands the
// same columns and, encoded again, the same bytes.
func roundTrip(t *testing.T, s Spec, record []byte) {
	t.Helper()
	want := all(s.Fields)
	d, err := NewDecoder(s, want)
	if err != nil {
		t.Fatal(err)
	}
	e, err := NewEncoder(s)
	if err != nil {
		t.Fatal(err)
	}
	a, b := columns(len(want)), columns(len(want))
	broken := false
	d.Decode([][]byte{record}, a, func(int, error) { broken = true })
	for _, c := range a {
		if broken && !c.Null(0) {
			t.Fatal("a broken record left a value")
		}
	}
	if broken {
		return
	}
	once, null, err := e.Append([]byte{}, a, 0)
	if err != nil {
		t.Fatalf("%q: cannot encode: %v", record, err)
	}
	if null {
		return
	}
	if s.Name == Delimited && emptyText(a) {
		return // written as nothing, read as NULL: commons-csv has no other way
	}
	d.Decode([][]byte{once}, b, func(_ int, err error) { t.Fatalf("%q became %q: %v", record, once, err) })
	for i := range a {
		if x, y := shown(a[i].Get(0)), shown(b[i].Get(0)); x != y && !subMillisecond(a[i]) {
			t.Fatalf("%q: field %s: %s became %s through %q", record, s.Fields[i].Name, x, y, once)
		}
	}
	twice, _, err := e.Append(nil, b, 0)
	if err != nil || !bytes.Equal(once, twice) {
		t.Fatalf("%q became %q, then %q (%v)", record, once, twice, err)
	}
}

// subMillisecond tells whether the wire has no form for the value's last digits.
func subMillisecond(v *vec.Vec) bool {
	switch v.Type.Kind {
	case vec.Time, vec.Timestamp, vec.TimestampTZ:
		return v.Ints[0]%1000 != 0
	}
	return false
}

func emptyText(cols []*vec.Vec) bool {
	return slices.ContainsFunc(cols, func(v *vec.Vec) bool {
		return v.Type.Layout() == vec.InBytes && !v.Null(0) && len(v.Bytes(0)) == 0
	})
}

func FuzzJSONRoundTrip(f *testing.F) {
	for _, s := range jsonSeeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, record []byte) {
		roundTrip(t, Spec{Name: JSON, Fields: anyFields}, record)
	})
}

// FuzzJSONAgainstStandardLibrary compares the decoder with encoding/json: the
// same texts are refused, and the same values come out.
func FuzzJSONAgainstStandardLibrary(f *testing.F) {
	for _, s := range jsonSeeds {
		f.Add([]byte(s))
	}
	fields := anyFields[:5]
	d, err := NewDecoder(Spec{Name: JSON, Fields: append(fields, vec.Field{Name: "Z", Type: textT})}, all(fields))
	if err != nil {
		f.Fatal(err)
	}
	cols := columns(len(fields)) // kept, as is what the decoder learns
	f.Fuzz(func(t *testing.T, record []byte) {
		var got error
		d.Decode([][]byte{record}, cols, func(_ int, err error) { got = err })
		if bytes.Count(record, []byte("[")) > maxJSONDepth || bytes.Count(record, []byte("{")) > maxJSONDepth {
			return
		}
		if !json.Valid(record) {
			if got == nil {
				t.Fatalf("%q is not JSON", record)
			}
			return
		}
		var object map[string]json.RawMessage
		if err := json.Unmarshal(record, &object); err != nil {
			if got == nil {
				t.Fatalf("%q is not an object", record)
			}
			return
		}
		if !utf8.Valid(record) || bytes.Contains(record, []byte(`\u`)) {
			return // the library puts U+FFFD where we refuse or keep
		}
		for i, fd := range fields {
			raw, ok := object[fd.Name]
			if !ok {
				raw, ok = folded(object, fd.Name)
			}
			if !ok && slices.ContainsFunc(keysOf(object), func(k string) bool { return strings.EqualFold(k, fd.Name) }) {
				return // several spellings: which one came last is lost here
			}
			want, known, valid := oracle(fd.Type, raw)
			if !known {
				return
			}
			if !valid {
				if got == nil {
					t.Fatalf("%q: field %s took %s", record, fd.Name, raw)
				}
				return
			}
			if got == nil {
				if have := shown(cols[i].Get(0)); have != want {
					t.Fatalf("%q: field %s is %s, want %s", record, fd.Name, have, want)
				}
			}
		}
		if got != nil {
			t.Fatalf("%q was refused: %v", record, got)
		}
	})
}

func keysOf(m map[string]json.RawMessage) (keys []string) {
	for k := range m {
		keys = append(keys, k)
	}
	return keys
}

func folded(object map[string]json.RawMessage, name string) (raw json.RawMessage, ok bool) {
	for k, v := range object {
		if strings.ToUpper(k) == name {
			if ok {
				return nil, false
			}
			raw, ok = v, true
		}
	}
	return raw, ok
}

// oracle says how a value prints that the standard library reads as type t.
// It does not know all types of values.
func oracle(t vec.Type, raw json.RawMessage) (want string, known, valid bool) {
	if raw == nil || string(raw) == "null" {
		return "NULL", true, true
	}
	switch t.Kind {
	case vec.Int64:
		if x, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
			return strconv.FormatInt(x, 10), true, true
		}
		return "", raw[0] == 't' || raw[0] == 'f' || raw[0] == '{' || raw[0] == '[', false
	case vec.Float64:
		if raw[0] != '-' && raw[0]-'0' > 9 {
			return "", raw[0] != '"', false
		}
		x, err := strconv.ParseFloat(string(raw), 64)
		return shown(x), true, err == nil && !math.IsInf(x, 0)
	case vec.Bool:
		return string(raw), true, raw[0] == 't' || raw[0] == 'f'
	case vec.Text:
		var s string
		if raw[0] == '"' {
			err := json.Unmarshal(raw, &s)
			return shown(s), true, err == nil
		}
		if raw[0] == '{' || raw[0] == '[' {
			var b bytes.Buffer
			err := json.Compact(&b, raw)
			return shown(b.String()), true, err == nil
		}
		return shown(string(raw)), true, true
	}
	return "", raw[0] == 't' || raw[0] == 'f' || raw[0] == '{' || raw[0] == '[', false
}

func scalarFields() (out []vec.Field) {
	for _, f := range anyFields {
		if !nested(f.Type.Kind) {
			out = append(out, f)
		}
	}
	return out
}

func FuzzDelimited(f *testing.F) {
	fields := []vec.Field{anyFields[0], anyFields[1], anyFields[2], anyFields[3], anyFields[4]}
	for _, s := range []string{"1,a,1.5,true,2.50", `"-1","a ""b"", c",,,`, ",,,,", `"1" ,x,1,false,0`, "1,2", "1\n2", `"`, "", `1,"`, "9,\"\",1,TRUE,1\r\n"} {
		f.Add([]byte(s), byte(0))
	}
	f.Add([]byte("1\tx\t2\tfalse\t"), byte('\t'))
	f.Fuzz(func(t *testing.T, record []byte, delimiter byte) {
		if !validDelimiter(delimiter) {
			return
		}
		roundTrip(t, Spec{Name: Delimited, Fields: fields, Delimiter: delimiter}, record)
		roundTrip(t, Spec{Name: Delimited, Fields: scalarFields(), Delimiter: delimiter}, record)
		roundTrip(t, Spec{Name: Delimited, Fields: fields[1:2], Delimiter: delimiter}, record)
	})
}

func FuzzNative(f *testing.F) {
	s := Spec{Name: Native, Fields: anyFields}
	d, err := NewDecoder(Spec{Name: JSON, Fields: anyFields}, all(anyFields))
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range jsonSeeds {
		cols := columns(len(anyFields))
		d.Decode([][]byte{[]byte(seed)}, cols, func(int, error) {})
		b, _, _ := nativeEncoder{}.Append(nil, cols, 0)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, record []byte) { roundTrip(t, s, record) })
}

func FuzzKafka(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x01"))
	f.Add([]byte("text"))
	f.Add([]byte("\x40\x09\x21\xfb\x54\x44\x2d\x18"))
	f.Fuzz(func(t *testing.T, record []byte) {
		for _, k := range []vec.Kind{vec.Int16, vec.Int32, vec.Int64, vec.Float32, vec.Float64, vec.Text, vec.Bytes, vec.UUID} {
			roundTrip(t, Spec{Name: Kafka, Fields: []vec.Field{{Name: "F", Type: vec.Of(k)}}}, record)
		}
	})
}
