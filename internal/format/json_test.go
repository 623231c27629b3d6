package format

import (
	"fmt"
	"strings"
	"testing"

	"github.com/weirdb/weir/internal/vec"
)

var (
	intT     = vec.Of(vec.Int32)
	bigintT  = vec.Of(vec.Int64)
	doubleT  = vec.Of(vec.Float64)
	boolT    = vec.Of(vec.Bool)
	textT    = vec.Of(vec.Text)
	bytesT   = vec.Of(vec.Bytes)
	dateT    = vec.Of(vec.Date)
	timeT    = vec.Of(vec.Time)
	stampT   = vec.Of(vec.Timestamp)
	structOf = func(fields ...vec.Field) vec.Type { return vec.Type{Kind: vec.Struct, Fields: fields} }
)

// decoded reads one record and returns its columns, boxed and printed as Go
// prints them.
func decoded(t testing.TB, s Spec, want []int, record string) (string, error) {
	t.Helper()
	d, err := NewDecoder(s, want)
	if err != nil {
		t.Fatal(err)
	}
	cols := columns(len(want))
	var broken error
	d.Decode([][]byte{[]byte(record)}, cols, func(_ int, err error) { broken = err })
	var out []string
	for _, c := range cols {
		out = append(out, shown(c.Get(0)))
	}
	return strings.Join(out, " "), broken
}

func columns(n int) []*vec.Vec {
	cols := make([]*vec.Vec, n)
	for i := range cols {
		cols[i] = new(vec.Vec)
	}
	return cols
}

func shown(x vec.Value) string {
	switch x := x.(type) {
	case nil:
		return "NULL"
	case string:
		return fmt.Sprintf("%q", x)
	case []vec.Value:
		var parts []string
		for _, e := range x {
			parts = append(parts, shown(e))
		}
		return "[" + strings.Join(parts, " ") + "]"
	case vec.MapValue:
		var parts []string
		for _, e := range x {
			parts = append(parts, shown(e.Key)+":"+shown(e.Value))
		}
		return "{" + strings.Join(parts, " ") + "}"
	}
	return fmt.Sprint(x)
}

func one(t vec.Type) Spec {
	return Spec{Name: JSON, Fields: []vec.Field{{Name: "F", Type: t}}, Wrap: true}
}

// badRecord stands for a record that must be refused.
const badRecord = "bad"

func TestJSONReadsValuesAsKsqlDBDoes(t *testing.T) {
	check := func(typ vec.Type, value, want string) {
		t.Helper()
		got, err := decoded(t, one(typ), []int{0}, `{"F":`+value+`}`)
		if err != nil {
			if got != "NULL" {
				t.Errorf("%s: bad, but the column holds %s", value, got)
			}
			got = badRecord
		}
		if got != want {
			t.Errorf("%s as %s: %s, want %s (%v)", value, typ.KSQL(), got, want, err)
		}
	}
	for _, v := range []vec.Type{intT, bigintT, doubleT, boolT, textT, bytesT, dateT, timeT, stampT, vec.DecimalOf(4, 2), vec.ArrayOf(intT)} {
		check(v, "null", "NULL")
		check(v, "nul", badRecord)
	}

	check(intT, "12", "12")
	check(intT, "-2147483648", "-2147483648")
	check(intT, "2147483648", badRecord)
	check(intT, `"12"`, "12")
	check(intT, `"+12"`, "12")
	check(intT, `" 12"`, badRecord)
	check(intT, `"1.5"`, badRecord)
	check(intT, "1.9", "1") // a number's fraction is cut off
	check(intT, "-1.9", "-1")
	check(intT, "1e2", "100")
	check(intT, "true", badRecord)
	check(intT, "{}", badRecord)
	check(intT, "01", badRecord)
	check(intT, "+1", badRecord)
	check(intT, "-", badRecord)
	check(bigintT, "9223372036854775807", "9223372036854775807")
	check(bigintT, "-9223372036854775808", "-9223372036854775808")
	check(bigintT, "9223372036854775808", badRecord)
	check(bigintT, "12345678", "12345678")
	check(bigintT, "123456789012345678", "123456789012345678")
	check(bigintT, "-1234567890123456789", "-1234567890123456789")
	check(bigintT, "12345678901234567.9", "12345678901234567")
	check(bigintT, "1e400", badRecord)
	check(bigintT, "0e999999999999", "0")

	check(doubleT, "1", "1")
	check(doubleT, "-0.1", "-0.1")
	check(doubleT, "1.7976931348623157e308", "1.7976931348623157e+308")
	check(doubleT, "123456789012345678901234567890", "1.2345678901234568e+29")
	check(doubleT, "1e999", badRecord)
	check(doubleT, `"1.5"`, "1.5")
	check(doubleT, `"NaN"`, "NaN")
	check(doubleT, `"x"`, badRecord)
	check(doubleT, "1.", badRecord)
	check(doubleT, ".5", badRecord)

	check(boolT, "true", "true")
	check(boolT, "false", "false")
	check(boolT, `"true"`, badRecord)
	check(boolT, "1", badRecord)

	check(textT, `"a"`, `"a"`)
	check(textT, `"a long text with \"escapes\", \u00e9 and \ud83d\ude00"`, `"a long text with \"escapes\", é and 😀"`)
	check(textT, `"\ud83d"`, `"�"`)
	check(textT, `"é"`, `"é"`)
	check(textT, "\"\xff\"", badRecord)
	check(textT, "\"\x01\"", badRecord)
	check(textT, `"\x"`, badRecord)
	check(textT, `"\u12"`, badRecord)
	check(textT, `"a`, badRecord)
	check(textT, "1.10", `"1.10"`)
	check(textT, "true", `"true"`)
	check(textT, `{ "a" : [ 1 , " x " ] }`, `"{\"a\":[1,\" x \"]}"`)
	check(textT, `[1,]`, badRecord)

	check(bytesT, `"aGk="`, "[104 105]")
	check(bytesT, `"a"`, badRecord)
	check(bytesT, "1", badRecord)

	dec := vec.DecimalOf(4, 2)
	check(dec, "1.1", "1.10")
	check(dec, "1", "1.00")
	check(dec, `"-1.10"`, "-1.10")
	check(dec, "1e1", "10.00")
	check(dec, "99.99", "99.99")
	check(dec, "100", badRecord)
	check(dec, "1.001", badRecord) // nothing is rounded
	check(dec, "1.1000000000000000000000000", "1.10")
	check(dec, "1e999999999", badRecord)
	check(dec, "0e999", "0.00")
	check(dec, `"NaN"`, badRecord)
	check(dec, "true", badRecord)
	check(vec.DecimalOf(38, 4), "1234567890123456789012345678901234.5678", "1234567890123456789012345678901234.5678")
	check(vec.Of(vec.Decimal), "1.50", "1.50")
	check(vec.Of(vec.Decimal), "1e5", "100000")

	check(dateT, "1", "1")
	check(dateT, `"1970-01-02"`, "1")
	check(dateT, `"1970-02-30"`, badRecord)
	check(timeT, "1", "1000")
	check(timeT, "86400001", badRecord)
	check(timeT, `"00:00:01.5"`, "1500000")
	check(stampT, "-1", "-1000")
	check(stampT, "9223372036854775807", badRecord)
	check(stampT, `"1970-01-01T01:00:00+01:00"`, "0")
	check(stampT, `"2000-02-29 00:00:00.000001"`, "951782400000001")
	check(stampT, `"infinity"`, fmt.Sprint(vec.PosInfinity))

	check(vec.ArrayOf(bigintT), "[]", "[]")
	check(vec.ArrayOf(bigintT), ` [ 1 , null , "3" ] `, "[1 NULL 3]")
	check(vec.ArrayOf(bigintT), `[1 2]`, badRecord)
	check(vec.ArrayOf(bigintT), `[1,]`, badRecord)
	check(vec.ArrayOf(bigintT), `{}`, badRecord)
	check(vec.ArrayOf(vec.ArrayOf(textT)), `[["a"],null,[]]`, `[["a"] NULL []]`)
	check(vec.MapOf(textT, doubleT), `{}`, `{}`)
	check(vec.MapOf(textT, doubleT), `{"a":1.5,"b":null,"a":2}`, `{"a":2 "b":NULL}`)
	check(vec.MapOf(textT, intT), `{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8,"i":9,"c":10}`, `{"a":1 "b":2 "c":10 "d":4 "e":5 "f":6 "g":7 "h":8 "i":9}`)
	check(vec.MapOf(textT, vec.MapOf(textT, intT)), `{"a":{"x":1,"y":2},"b":{}}`, `{"a":{"x":1 "y":2} "b":{}}`)
	st := structOf(vec.Field{Name: "A", Type: intT}, vec.Field{Name: "B", Type: vec.ArrayOf(textT)})
	check(st, `{"B":["x"],"a":1,"c":{}}`, `[1 ["x"]]`)
	check(st, `{"A":2,"a":1}`, `[2 NULL]`)
	check(st, `{}`, `[NULL NULL]`)
	check(st, `{"A":true}`, badRecord)
	check(st, `[]`, badRecord)
	check(vec.ArrayOf(st), `[{"A":1},{"B":[]},{"A":3}]`, `[[1 NULL] [NULL []] [3 NULL]]`)

	check(vec.Of(vec.JSON), `{ "a": 1.0}`, `"{ \"a\": 1.0}"`)
	check(vec.Of(vec.JSONB), `{"bb":1e2, "a":[1,{}], "bb":"\u00e9"}`, `"{\"a\": [1, {}], \"bb\": \"é\"}"`)
	check(vec.Of(vec.JSONB), `"\u0000"`, badRecord)
	check(vec.Of(vec.UUID), `"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"`, "[160 238 188 153 156 11 78 248 187 109 107 185 189 56 10 17]")
	check(vec.Of(vec.UUID), `"a0eebc99"`, badRecord)
	check(vec.Of(vec.Int16), "32768", badRecord)
	check(vec.Of(vec.Interval), `"P1Y2M3DT4H5M6.5S"`, "{14 3 14706500000}")

	check(textT, strings.Repeat("[", 100000), badRecord)
	check(intT, strings.Repeat(`{"a":`, 100000), badRecord)
}

func TestJSONRecords(t *testing.T) {
	s := Spec{Name: JSON, Fields: []vec.Field{
		{Name: "ID", Type: intT}, {Name: "name", Type: textT}, {Name: "NAME", Type: textT}, {Name: "X", Type: doubleT},
	}}
	check := func(record, want string) {
		t.Helper()
		got, err := decoded(t, s, []int{0, 1, 2}, record)
		if err != nil {
			got = badRecord
		}
		if got != want {
			t.Errorf("%s: %s, want %s (%v)", record, got, want, err)
		}
	}
	check(`{"ID":1,"name":"a","NAME":"b"}`, `1 "a" "b"`)
	check(" {\n\"ID\" : 1 , \"name\" : \"a\" } ", `1 "a" "a"`) // one name feeds two columns
	check(`{}`, `NULL NULL NULL`)
	check(` null `, `NULL NULL NULL`)
	check(`{"id":1}`, `1 NULL NULL`)
	check(`{"id":1,"ID":2,"Id":3}`, `2 NULL NULL`) // the exact name wins
	check(`{"ID":1,"ID":2}`, `2 NULL NULL`)        // else the last one
	check(`{"ID":true,"ID":2}`, `2 NULL NULL`)
	check(`{"ID":2,"ID":true}`, badRecord)
	check(`{"ID":1,"ID":null}`, `NULL NULL NULL`)
	check(`{"ID":null,"ID":1}`, `1 NULL NULL`)
	check(`{"\u0049D":7}`, `7 NULL NULL`)
	check(`{"X":[{"ID":1}],"ID":2}`, `2 NULL NULL`)
	check(`{"X":"not looked at","ID":2}`, `2 NULL NULL`)
	check(`{"X":1..2}`, badRecord)
	check(`{"ID":1}x`, badRecord)
	check(`{"ID":1},`, badRecord)
	check(`{"ID":1,}`, badRecord)
	check(`{"ID" 1}`, badRecord)
	check(`{ID:1}`, badRecord)
	check("{\x001}", badRecord)
	check(`{"ID":1`, badRecord)
	check(`{"ID":`, badRecord)
	check(`{"ID"`, badRecord)
	check(`{`, badRecord)
	check(``, badRecord)
	check(`1`, badRecord)
	check(`[]`, badRecord)
	check(`nullx`, badRecord)
}

func TestJSONBareValues(t *testing.T) {
	s := Spec{Name: JSON, Fields: []vec.Field{{Name: "F", Type: intT}}}
	for record, want := range map[string]string{"5": "5", " 5 ": "5", "null": "NULL", `"5"`: "5"} {
		if got, err := decoded(t, s, []int{0}, record); err != nil || got != want {
			t.Errorf("%s: %s %v", record, got, err)
		}
	}
	for _, record := range []string{"", "5 5", "x", `{"F":5}`} {
		if got, err := decoded(t, s, []int{0}, record); err == nil {
			t.Errorf("%s: %s", record, got)
		}
	}
	if _, err := decoded(t, s, nil, "{]"); err == nil {
		t.Error("a bare value that nobody reads must be JSON all the same")
	}
}

// A topic whose names are data must not make the decoder grow without bound.
func TestJSONNamesThatNeverRepeat(t *testing.T) {
	d := newJSONDecoder(Spec{Name: JSON, Fields: []vec.Field{{Name: "ID", Type: intT}, {Name: "X", Type: intT}}}, []int{0})
	cols := columns(1)
	for i := range 3 * maxJSONKeys {
		record := fmt.Sprintf(`{"k%d":{},"ID":%d,"%s":1}`, i, i, strings.Repeat("n", maxJSONKeySize+i))
		d.Decode([][]byte{[]byte(record)}, cols, func(_ int, err error) { t.Fatal(err) })
		if cols[0].Ints[0] != int64(i) {
			t.Fatalf("%s: %d", record, cols[0].Ints[0])
		}
	}
	if n := len(d.keys.list); n > maxJSONKeys {
		t.Errorf("%d names are kept", n)
	}
}
