package vec

import (
	"testing"
	"time"
)

var fuzzTypes = []Type{
	Of(Bool), Of(Int16), Of(Int32), Of(Int64), Of(OID), Of(Float32), Of(Float64), Of(Decimal), DecimalOf(10, 2),
	Of(Text), {Kind: Text, OID: OIDVarchar, Precision: 3}, {Kind: Text, OID: OIDBPChar, Precision: 4}, Of(Bytes),
	Of(Date), Of(Time), Of(Timestamp), Of(TimestampTZ), Of(Interval), Of(JSON), Of(JSONB), Of(UUID),
	ArrayOf(Of(Int32)), ArrayOf(ArrayOf(Of(Text))), MapOf(Of(Text), Of(Decimal)),
	{Kind: Struct, Fields: []Field{{"a", Of(Int32)}, {"b", Of(Text)}, {"c", ArrayOf(Of(Text))}}},
}

// FuzzParse: no input makes a reader fail other than by an error, and what is
// printed reads back as the same value, in text and in binary.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "t", "-1", "1e400", "NaN", "-infinity", "2024-02-29", "0044-03-15 BC", "10:11:12.5 PM",
		"2024-02-29 10:11:12.123456+05:30", "Jan 8 1999 America/New_York", "1 year -2 days 03:04", "P1Y2M3DT4H5M6.7S",
		`{"a":[1,2.50,null],"b":"\u00e9"}`, `{1,NULL,"a b"}`, `{{1,2},{3,4}}`, `(1,"x ""y""",{a})`, `\x00ff`, `a\\b\001`,
		"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "1.10e-5", "99999999999999999999", "[0:1]={1,2}", "294276-12-31 23:59:59", "24:00:00", "1e-99999999", "1e131071"} {
		for i := range fuzzTypes {
			f.Add(uint8(i), s)
		}
	}
	format := &TextFormat{Now: time.Unix(1e9, 0)}
	f.Fuzz(func(t *testing.T, i uint8, s string) {
		typ := fuzzTypes[int(i)%len(fuzzTypes)]
		x, err := Parse(typ, s, format)
		if err != nil {
			return
		}
		text := string(AppendTextValue(nil, typ, x, nil))
		y, err := Parse(typ, text, format)
		if err != nil || Compare(typ, x, y) != 0 {
			t.Fatalf("%s %q prints as %q, which reads as %v, %v; want %v", typ, s, text, y, err, x)
		}
		z, err := ParseBinary(typ, AppendBinaryValue(nil, typ, x))
		if err != nil || Compare(typ, x, z) != 0 {
			t.Fatalf("%s %q in binary reads as %v, %v; want %v", typ, s, z, err, x)
		}
		ParseBinary(typ, []byte(s)) // must not panic
		v := New(typ)
		v.Append(x)
		if got := string(AppendText(nil, v, 0, nil)); got != text {
			t.Fatalf("%s %q: column prints %q, value %q", typ, s, got, text)
		}
	})
}

func TestParseErrors(t *testing.T) {
	check := func(typ Type, s, want string) {
		t.Helper()
		_, err := Parse(typ, s, nil)
		if err == nil || err.Error() != want {
			t.Errorf("%s %q: %v, want %s", typ, s, err, want)
		}
	}
	check(Of(Int32), "12x", `invalid input syntax for type integer: "12x"`)
	check(Of(Int32), "", `invalid input syntax for type integer: ""`)
	check(Of(Int16), "40000", `value "40000" is out of range for type smallint`)
	check(Of(Float64), "1e400", `"1e400" is out of range for type double precision`)
	check(Of(Float64), "0x10", `invalid input syntax for type double precision: "0x10"`)
	check(Of(Bool), "maybe", `invalid input syntax for type boolean: "maybe"`)
	check(Of(Date), "2024-02-30", `date/time field value out of range: "2024-02-30"`)
	check(Of(Date), "hello", `invalid input syntax for type date: "hello"`)
	check(Of(Timestamp), "2024-13-01 00:00", `date/time field value out of range: "2024-13-01 00:00"`)
	check(Of(TimestampTZ), "2024-01-01 00:00 Mars/Base", `time zone "Mars/Base" not recognized`)
	check(Of(Interval), "1 fortnight", `invalid input syntax for type interval: "1 fortnight"`)
	check(Of(JSONB), `{"a":}`, "invalid input syntax for type json")
	check(Of(UUID), "a0ee", `invalid input syntax for type uuid: "a0ee"`)
	check(ArrayOf(Of(Int32)), "{1,", `malformed array literal: "{1,"`)
	check(DecimalOf(4, 2), "123.4", "numeric field overflow")
	check(Of(Date), "now", `invalid input syntax for type date: "now"`)
}

func TestTextForms(t *testing.T) {
	check := func(typ Type, in, want string) {
		t.Helper()
		x, err := Parse(typ, in, nil)
		if err != nil {
			t.Errorf("%s %q: %v", typ, in, err)
			return
		}
		if got := string(AppendTextValue(nil, typ, x, nil)); got != want {
			t.Errorf("%s %q prints %q, want %q", typ, in, got, want)
		}
	}
	check(Of(Date), "January 8, 1999", "1999-01-08")
	check(Of(Date), "8 Jan 1999", "1999-01-08")
	check(Of(Date), "1/8/1999", "1999-01-08")
	check(Of(Date), "19990108", "1999-01-08")
	check(Of(Date), "1999-Jan-08", "1999-01-08")
	check(Of(Time), "04:05 PM", "16:05:00")
	check(Of(Time), "040506", "04:05:06")
	check(Of(Timestamp), "2024-02-29T10:11:12Z", "2024-02-29 10:11:12")
	check(Of(TimestampTZ), "2024-07-01 12:00 America/New_York", "2024-07-01 16:00:00+00")
	check(Of(TimestampTZ), "2024-07-01 12:00:00.5-0330", "2024-07-01 15:30:00.5+00")
	check(Of(TimestampTZ), "Wed Jul 01 12:00:00 2024 PST", "2024-07-01 20:00:00+00")
	check(Of(Interval), "1.5 months", "1 mon 15 days")
	check(Of(Interval), "P1Y2M3DT4H5M6.7S", "1 year 2 mons 3 days 04:05:06.7")
	check(Of(Interval), "1-2", "1 year 2 mons")
	check(Of(Interval), "3 4:05:06", "3 days 04:05:06")
	check(Of(Interval), "1 day ago", "-1 days")
	check(Of(Interval), "-1 year 2 days", "-1 years +2 days")
	check(Of(Decimal), "1.50e1", "15.0")
	check(Of(Decimal), "-0.0", "0.0")
	check(Of(JSONB), `{"bb":1,"a":2,"bb":3,"c":1.0e2}`, `{"a": 2, "c": 100, "bb": 3}`)
	check(ArrayOf(Of(Text)), `{a,"b c",NULL,"null",""}`, `{a,"b c",NULL,"null",""}`)
	check(Of(Bytes), `a\\b\001`, `\x615c6201`)
	check(Of(Bool), " Yes ", "t")
	check(Of(Float64), "1e15", "1e+15")
	check(Of(Float32), "0.1", "0.1")
}

// TestAppendTextAllocs: printing scalars into a buffer allocates nothing.
func TestAppendTextAllocs(t *testing.T) {
	var cols []*Vec
	for _, c := range []struct {
		t Type
		s string
	}{{Of(Int64), "123"}, {Of(Float64), "1.5"}, {Of(Decimal), "123.45"}, {Of(Text), "abc"}, {Of(Date), "2024-02-29"},
		{Of(TimestampTZ), "2024-02-29 10:11:12.5+00"}, {Of(Interval), "1 day"}, {Of(UUID), "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"}} {
		x, err := Parse(c.t, c.s, nil)
		if err != nil {
			t.Fatal(err)
		}
		v := New(c.t)
		v.Append(x)
		cols = append(cols, v)
	}
	buf := make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(100, func() {
		buf = buf[:0]
		for _, v := range cols {
			buf = AppendText(buf, v, 0, nil)
			buf = AppendBinary(buf, v, 0)
		}
	}); n > 3 { // the binary numeric is built digit by digit
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkAppendTimestamp(b *testing.B) {
	buf := make([]byte, 0, 64)
	for b.Loop() {
		buf = AppendTimestamp(buf[:0], 1709201472123456)
	}
}
