package format

import (
	"fmt"
	"math"
	"testing"

	"github.com/cockroachdb/apd/v3"

	"github.com/weirdb/weir/internal/vec"
)

func decimal(t testing.TB, s string) *apd.Decimal {
	t.Helper()
	d, _, err := apd.NewFromString(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// encoded writes one row of the values.
func encoded(t testing.TB, s Spec, values ...vec.Value) string {
	t.Helper()
	e, err := NewEncoder(s)
	if err != nil {
		t.Fatal(err)
	}
	var cols []*vec.Vec
	for i, x := range values {
		v := vec.New(s.Fields[i].Type)
		v.Append(x)
		cols = append(cols, v)
	}
	out, null, err := e.Append([]byte("<"), cols, 0)
	switch {
	case err != nil:
		return "error: " + err.Error()
	case null && string(out) != "<":
		t.Fatalf("a null record of %q", out)
	case null:
		return "NULL"
	}
	return string(out[1:])
}

func TestJSONWritesValues(t *testing.T) {
	check := func(typ vec.Type, x vec.Value, want string) {
		t.Helper()
		if got := encoded(t, one(typ), x); got != `{"F":`+want+`}` {
			t.Errorf("%v as %s: %s, want %s", x, typ.KSQL(), got, want)
		}
	}
	check(intT, int64(-5), "-5")
	check(intT, nil, "null") // a NULL field is written
	check(boolT, true, "true")
	check(textT, "a\"b\\c\n\t\x01\x1fé\u2028", `"a\"b\\c\n\t\u0001\u001Fé`+"\u2028"+`"`)
	check(textT, "", `""`)
	check(bytesT, []byte("hi"), `"aGk="`)
	check(vec.DecimalOf(4, 2), decimal(t, "1.10"), "1.10")
	check(vec.DecimalOf(4, 2), decimal(t, "-0.05"), "-0.05")
	check(vec.DecimalOf(20, 18), decimal(t, "0.000000000000000001"), "0.000000000000000001")
	check(vec.DecimalOf(38, 2), decimal(t, "123456789012345678901234567890123456.78"), "123456789012345678901234567890123456.78")
	check(vec.Of(vec.Decimal), decimal(t, "NaN"), `"NaN"`)
	check(vec.Of(vec.Decimal), decimal(t, "1e3"), "1000")
	check(dateT, int64(-1), "-1")
	check(dateT, vec.PosInfinity, `"infinity"`)
	check(timeT, int64(1999), "1")
	check(stampT, int64(1700000000123456), "1700000000123")
	check(stampT, int64(-1), "-1") // a microsecond before 1970 is in the millisecond before
	check(vec.Of(vec.UUID), vec.UUIDValue{0xa0, 15: 1}, `"a0000000-0000-0000-0000-000000000001"`)
	check(vec.Of(vec.Interval), vec.IntervalValue{Months: 14, Days: 3, Micros: 4e6}, `"1 year 2 mons 3 days 00:00:04"`)
	check(vec.Of(vec.JSONB), `{"a": 1}`, `{"a": 1}`)
	check(vec.ArrayOf(intT), []vec.Value{int64(1), nil}, "[1,null]")
	check(vec.ArrayOf(intT), []vec.Value{}, "[]")
	check(vec.MapOf(textT, doubleT), vec.MapValue{{Key: "k\"", Value: 1.0}, {Key: "n", Value: nil}}, `{"k\"":1.0,"n":null}`)
	st := structOf(vec.Field{Name: "X", Type: boolT}, vec.Field{Name: "Y", Type: vec.ArrayOf(textT)})
	check(st, []vec.Value{false, []vec.Value{"a"}}, `{"X":false,"Y":["a"]}`)
	check(st, []vec.Value{nil, nil}, `{"X":null,"Y":null}`)
	check(structOf(), []vec.Value{}, `{}`)

	bare := Spec{Name: JSON, Fields: []vec.Field{{Name: "F", Type: intT}}}
	if got := encoded(t, bare, int64(5)); got != "5" {
		t.Error(got)
	}
	if got := encoded(t, bare, nil); got != "NULL" {
		t.Error(got)
	}
	null := Spec{Name: JSON, Fields: []vec.Field{{Name: "F", Type: vec.MapOf(textT, intT)}}}
	if got := encoded(t, null, vec.MapValue{{Key: nil, Value: int64(1)}}); got != `{"null":1}` {
		t.Error(got)
	}
}

func TestDoublesPrintAsInJava(t *testing.T) {
	for want, f := range map[string]float64{
		"0.0": 0, "-0.0": math.Copysign(0, -1), "1.0": 1, "-1.5": -1.5, "100.0": 100, "0.1": 0.1, "0.001": 0.001,
		"9.999E-4": 0.0009999, "9999999.0": 9999999, "1.0E7": 1e7, "1.2345678E7": 12345678, "1.0E10": 1e10,
		"1.7976931348623157E308": math.MaxFloat64, "4.9E-324": math.SmallestNonzeroFloat64, "123456.789": 123456.789,
		"-3.14E-10": -3.14e-10, "NaN": math.NaN(), "Infinity": math.Inf(1), "-Infinity": math.Inf(-1),
	} {
		if got := string(appendDouble(nil, f, 64)); got != want {
			t.Errorf("%v: %s, want %s", f, got, want)
		}
	}
	for want, f := range map[string]float64{"0.1": float64(float32(0.1)), "1.0E10": 1e10, "16777.217": float64(float32(16777.217))} {
		if got := string(appendDouble(nil, f, 32)); got != want {
			t.Errorf("%v: %s, want %s", f, got, want)
		}
	}
}

func TestDelimited(t *testing.T) {
	s := Spec{Name: Delimited, Fields: []vec.Field{{Name: "A", Type: intT}, {Name: "B", Type: textT}, {Name: "C", Type: doubleT}}}
	read := func(record, want string) {
		t.Helper()
		got, err := decoded(t, s, []int{0, 1, 2}, record)
		if err != nil {
			got = badRecord
		}
		if got != want {
			t.Errorf("%q: %s, want %s (%v)", record, got, want, err)
		}
	}
	read("1,a,2.5", `1 "a" 2.5`)
	read("1,a,2.5\r\n", `1 "a" 2.5`)
	read(`"-1","a,b",1`, `-1 "a,b" 1`)
	read(`1,"say ""hi""",1`, `1 "say \"hi\"" 1`)
	read(`1,a"b,1`, `1 "a\"b" 1`)
	read(`1,"a" ,1`, `1 "a" 1`)
	read(",,", "NULL NULL NULL")
	read(`,"",`, `NULL "" NULL`) // an empty field is NULL unless it is quoted text
	read(`"",x,""`, `NULL "x" NULL`)
	read("1,a", badRecord)
	read("1,a,2,3", badRecord)
	read("1,a,2,", badRecord)
	read("", badRecord)
	read("x,a,1", badRecord)
	read("2147483648,a,1", badRecord)
	read("1,\"a,1", badRecord)
	read("1,\"a\"b,1", badRecord)
	read("1,a\nb,1", badRecord)
	read("1,\xff,1", badRecord)
	read("1,\"a\nb\",1", `1 "a\nb" 1`)

	if got, err := decoded(t, s, []int{1, 1}, "1,a,2.5"); err != nil || got != `"a" "a"` {
		t.Errorf("the second field twice: %s %v", got, err)
	}

	write := func(want string, values ...vec.Value) {
		t.Helper()
		if got := encoded(t, s, values...); got != want {
			t.Errorf("%v: %s, want %s", values, got, want)
		}
	}
	write("1,a,2.5", int64(1), "a", 2.5)
	write(`"-1",a,-2.5`, int64(-1), "a", -2.5) // commons-csv 1.4 quotes a first field that is no word
	write(`1,"a,b",1.0E10`, int64(1), "a,b", 1e10)
	write(`1,"say ""hi""",0.0`, int64(1), `say "hi"`, 0.0)
	write(`1," a",0.0`, int64(1), " a", 0.0)
	write(`1,"a ",0.0`, int64(1), "a ", 0.0)
	write(`1,"#",0.0`, int64(1), "#", 0.0)
	write(`1,é,0.0`, int64(1), "é", 0.0)
	write(",,", nil, nil, nil)
	write("1,,", int64(1), "", nil)

	text := Spec{Name: Delimited, Fields: []vec.Field{{Name: "A", Type: textT}}}
	for x, want := range map[vec.Value]string{"": `""`, "é": `"é"`, "a": "a", nil: "NULL"} {
		if got := encoded(t, text, x); got != want {
			t.Errorf("%v: %s, want %s", x, got, want)
		}
	}
	kinds := Spec{Name: Delimited, Delimiter: '|', Fields: []vec.Field{
		{Name: "A", Type: dateT}, {Name: "B", Type: timeT}, {Name: "C", Type: stampT}, {Name: "D", Type: bytesT},
		{Name: "E", Type: vec.DecimalOf(6, 4)}, {Name: "F", Type: boolT},
	}}
	record := "1|2|3|aGk=|12.0500|true"
	got, err := decoded(t, kinds, []int{0, 1, 2, 3, 4, 5}, record)
	if err != nil || got != "1 2000 3000 [104 105] 12.0500 true" {
		t.Error(got, err)
	}
	if got := encoded(t, kinds, int64(1), int64(2000), int64(3000), []byte("hi"), decimal(t, "12.0500"), true); got != record {
		t.Error(got)
	}
}

func TestKafka(t *testing.T) {
	check := func(typ vec.Type, x vec.Value, bytes string) {
		t.Helper()
		s := Spec{Name: Kafka, Fields: []vec.Field{{Name: "F", Type: typ}}}
		if got := encoded(t, s, x); got != bytes {
			t.Errorf("%v: %q, want %q", x, got, bytes)
		}
		if got, err := decoded(t, s, []int{0}, bytes); err != nil || got != shown(x) {
			t.Errorf("%q: %s, want %s (%v)", bytes, got, shown(x), err)
		}
		if w := kafkaWidth(typ.Kind); w > 0 {
			if got, err := decoded(t, s, []int{0}, bytes[1:]); err == nil || got != "NULL" {
				t.Errorf("%q: %s", bytes[1:], got)
			}
		}
	}
	check(intT, int64(-2), "\xff\xff\xff\xfe")
	check(bigintT, int64(258), "\x00\x00\x00\x00\x00\x00\x01\x02")
	check(doubleT, 1.0, "\x3f\xf0\x00\x00\x00\x00\x00\x00")
	check(vec.Of(vec.Float32), 1.0, "\x3f\x80\x00\x00")
	check(vec.Of(vec.Int16), int64(-1), "\xff\xff")
	check(textT, "é", "é")
	check(textT, "", "")
	check(bytesT, []byte{0xff}, "\xff")
	check(vec.Of(vec.UUID), vec.UUIDValue{1}, "01000000-0000-0000-0000-000000000000")
	s := Spec{Name: Kafka, Fields: []vec.Field{{Name: "F", Type: textT}}}
	if got, err := decoded(t, s, []int{0}, "\xff"); err == nil {
		t.Error(got)
	}
	if got := encoded(t, s, nil); got != "NULL" {
		t.Error(got)
	}
}

func TestNullRecords(t *testing.T) {
	for _, s := range []Spec{one(intT), {Name: JSON, Fields: one(intT).Fields}, {Name: Delimited, Fields: one(intT).Fields},
		{Name: Kafka, Fields: one(intT).Fields}, {Name: Native, Fields: one(intT).Fields}} {
		d, err := NewDecoder(s, []int{0})
		if err != nil {
			t.Fatal(err)
		}
		cols := columns(1)
		d.Decode([][]byte{nil, nil}, cols, func(i int, err error) { t.Error(s.Name, i, err) })
		if cols[0].Len() != 2 || !cols[0].Null(0) || !cols[0].Null(1) {
			t.Error(s.Name, cols[0])
		}
	}
	d, err := NewDecoder(Spec{Name: None}, nil)
	if err != nil {
		t.Fatal(err)
	}
	d.Decode([][]byte{nil, []byte("ignored")}, nil, func(i int, err error) { t.Error(i, err) })
	if got := encoded(t, Spec{Name: None}); got != "NULL" {
		t.Error(got)
	}
}

// Broken records leave the rows around them alone.
func TestBrokenRecordsAmongOthers(t *testing.T) {
	d, err := NewDecoder(Spec{Name: JSON, Fields: anyFields[:2]}, []int{1, 0})
	if err != nil {
		t.Fatal(err)
	}
	data := [][]byte{[]byte(`{"A":1,"B":"x"}`), []byte(`{"A":1,"B":"y"`), nil, []byte(`{"B":"z"}`), []byte(`{"B":"w","A":"x"}`), []byte(`{"B":"v","A":9}`)}
	cols := columns(2)
	var broken []int
	d.Decode(data, cols, func(i int, err error) { broken = append(broken, i) })
	var got []string
	for i := range data {
		got = append(got, shown(cols[0].Get(i))+shown(cols[1].Get(i)))
	}
	if want := `["x"1 NULLNULL NULLNULL "z"NULL NULLNULL "v"9] [1 4]`; fmt.Sprint(got, broken) != want {
		t.Errorf("%v %v, want %s", got, broken, want)
	}
}

func TestNothingIsAllocatedPerRecord(t *testing.T) {
	fields := []vec.Field{{Name: "A", Type: bigintT}, {Name: "B", Type: textT}, {Name: "C", Type: doubleT}, {Name: "D", Type: boolT},
		{Name: "E", Type: vec.DecimalOf(10, 2)}, {Name: "I", Type: bytesT}, {Name: "J", Type: dateT}, {Name: "L", Type: stampT}}
	deep := append([]vec.Field{{Name: "F", Type: vec.ArrayOf(textT)}, {Name: "G", Type: vec.MapOf(textT, intT)},
		{Name: "H", Type: structOf(vec.Field{Name: "X", Type: intT})}}, fields...)
	record := []byte(`{"F":["a","b"],"G":{"a":1,"b":2},"H":{"X":1},"A":"1","B":"a\nb","C":"1.5","D":true,"E":"1.25","I":"aGk=","J":3,"L":"2020-01-01T10:00:00Z","Z":{}}`)
	source, err := NewDecoder(Spec{Name: JSON, Fields: deep}, all(deep))
	if err != nil {
		t.Fatal(err)
	}
	data := make([][]byte, 64)
	for i := range data {
		data[i] = record
	}
	fail := func(i int, err error) { t.Fatal(i, err) }
	cols := columns(len(deep))
	source.Decode(data, cols, fail)
	for _, s := range []Spec{{Name: JSON, Fields: deep}, {Name: Native, Fields: deep}, {Name: Delimited, Fields: fields}, {Name: Kafka, Fields: fields[:1]}} {
		in := cols
		if len(s.Fields) < len(deep) {
			in = cols[3 : 3+len(s.Fields)]
		}
		e, err := NewEncoder(s)
		if err != nil {
			t.Fatal(err)
		}
		d, err := NewDecoder(s, all(s.Fields))
		if err != nil {
			t.Fatal(err)
		}
		one, _, err := e.Append(nil, in, 0)
		if err != nil {
			t.Fatal(err)
		}
		records := make([][]byte, len(data))
		for i := range records {
			records[i] = one
		}
		buf, out := make([]byte, 0, 1<<16), columns(len(s.Fields))
		if n := testing.AllocsPerRun(20, func() {
			buf = buf[:0]
			for i := range data {
				if buf, _, err = e.Append(buf, in, i); err != nil {
					t.Fatal(err)
				}
			}
		}); n != 0 {
			t.Errorf("%s: encoding %d records allocates %v times", s.Name, len(data), n)
		}
		if n := testing.AllocsPerRun(20, func() { d.Decode(records, out, fail) }); n != 0 {
			t.Errorf("%s: decoding %d records allocates %v times", s.Name, len(data), n)
		}
	}
	if n := testing.AllocsPerRun(20, func() { source.Decode(data, cols, fail) }); n != 0 {
		t.Errorf("the general path of JSON allocates %v times", n)
	}
}

func TestWindowedKeys(t *testing.T) {
	b := AppendTimeWindow([]byte("k"), 1)
	if string(b) != "k\x00\x00\x00\x00\x00\x00\x00\x01" {
		t.Errorf("%q", b)
	}
	if key, start, err := SplitTimeWindow(b); err != nil || string(key) != "k" || start != 1 {
		t.Error(key, start, err)
	}
	b = AppendSessionWindow([]byte("k"), 1, 2)
	if string(b) != "k\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x01" {
		t.Errorf("%q", b)
	}
	if key, start, end, err := SplitSessionWindow(b); err != nil || string(key) != "k" || start != 1 || end != 2 {
		t.Error(key, start, end, err)
	}
	if _, _, err := SplitTimeWindow(b[:7]); err == nil {
		t.Error("7 bytes hold no window")
	}
	if _, _, _, err := SplitSessionWindow(b[:15]); err == nil {
		t.Error("15 bytes hold no session")
	}
}

func TestSpecsThatFormatsRefuse(t *testing.T) {
	check := func(want string, s Spec) {
		t.Helper()
		err := s.Validate()
		if err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
		if _, err := NewDecoder(s, nil); err == nil {
			t.Error("a decoder all the same")
		}
		if _, err := NewEncoder(s); err == nil {
			t.Error("an encoder all the same")
		}
	}
	k, v := vec.Field{Name: "K", Type: intT}, vec.Field{Name: "V", Type: textT}
	arr := vec.Field{Name: "K", Type: vec.ArrayOf(doubleT)}
	check("Unknown format: FOO", Spec{Name: "FOO"})
	check("The 'NONE' format can only be used when no columns are defined. Got: [`K` INTEGER KEY]", Spec{Name: None, Fields: []vec.Field{k}, Key: true})
	check("The 'KAFKA' format only supports a single field. Got: [`K` INTEGER, `V` STRING]", Spec{Name: Kafka, Fields: []vec.Field{k, v}})
	check("The 'KAFKA' format only supports a single field. Got: []", Spec{Name: Kafka})
	check("The 'KAFKA' format does not support type 'BOOLEAN'", Spec{Name: Kafka, Fields: []vec.Field{{Name: "B", Type: boolT}}})
	check("The 'KAFKA' format does not support type 'DECIMAL'", Spec{Name: Kafka, Fields: []vec.Field{{Name: "B", Type: vec.DecimalOf(2, 1)}}})
	check("The 'KAFKA' format does not support type 'ARRAY'", Spec{Name: Kafka, Fields: []vec.Field{arr}})
	check("The 'DELIMITED' format does not support type 'ARRAY', column: `K`", Spec{Name: Delimited, Fields: []vec.Field{arr}})
	check("JSON only supports MAP types with STRING keys", Spec{Name: JSON, Fields: []vec.Field{{Name: "M", Type: vec.ArrayOf(vec.MapOf(intT, intT))}}})
}

func TestParseDelimiter(t *testing.T) {
	for in, want := range map[string]byte{"TAB": '\t', "space": ' ', "|": '|', ";": ';'} {
		if got, err := ParseDelimiter(in); err != nil || got != want {
			t.Errorf("%q: %q %v", in, got, err)
		}
	}
	for _, in := range []string{"", " ", "<~>", "\"", "\n", "é"} {
		if got, err := ParseDelimiter(in); err == nil {
			t.Errorf("%q: %q", in, got)
		}
	}
}
