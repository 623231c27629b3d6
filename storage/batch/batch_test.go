package batch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/klauspost/compress/s2"
	"github.com/twmb/franz-go/pkg/kmsg"
)

var codecs = []Codec{None, Gzip, Snappy, LZ4, Zstd}

func build(t testing.TB, b *Builder) View {
	t.Helper()
	b.Append(1000, []byte("k"), []byte("v"), Header{"h", []byte("1")}, Header{"", nil})
	b.Append(900, nil, []byte{})
	b.Append(5000, []byte{}, nil)
	b.Append(1001, bytes.Repeat([]byte("k"), 300), bytes.Repeat([]byte("v"), 20_000))
	v, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func show(t testing.TB, v View, d *Decoder) (out []string) {
	t.Helper()
	recs, err := d.Records(v)
	if err != nil {
		t.Fatal(err)
	}
	for r := new(Record); recs.Next(r); {
		s := fmt.Sprintf("%d %d %t %.3q %t %.3q", r.Offset, r.Timestamp, r.Key == nil, r.Key, r.Value == nil, r.Value)
		for k, v := range r.Headers.All {
			s += fmt.Sprintf(" %s:%s:%t", k, v, v == nil)
		}
		out = append(out, s)
	}
	if err := recs.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

var built = []string{
	`7 1000 false "k" false "v" h:1:false ::true`,
	`8 900 true "" false ""`,
	`9 5000 false "" true ""`,
	`10 1001 false "kkk" false "vvv"`,
}

func TestRoundTrip(t *testing.T) {
	var d Decoder
	for _, c := range codecs {
		b := Builder{Codec: c, Producer: &Producer{7, 2, 40}}
		for range 2 { // the second time with used buffers
			b.Reset()
			v := build(t, &b)
			if n, err := Validate(v, Limits{}, &d); n != 1 || err != nil {
				t.Fatal(c, n, err)
			}
			v.SetBase(7, 3)
			if !v.SumOK() || v.BaseOffset() != 7 || v.LastOffset() != 10 || v.LeaderEpoch() != 3 || v.MaxTimestamp() != 5000 ||
				v.ProducerID() != 7 || v.ProducerEpoch() != 2 || v.BaseSequence() != 40 || v.Codec() != c {
				t.Fatal(c, "header")
			}
			if got := show(t, v, &d); !slices.Equal(got, built) {
				t.Fatalf("%v: %q", c, got)
			}
		}
	}
}

// What franz-go's codec reads in our batches is what we wrote.
func TestAgainstKmsg(t *testing.T) {
	var b Builder
	v := build(t, &b)
	var k kmsg.RecordBatch
	if err := k.ReadFrom(v); err != nil {
		t.Fatal(err)
	}
	if int(k.Length) != len(v)-12 || k.Magic != 2 || k.NumRecords != 4 || k.LastOffsetDelta != 3 || k.FirstTimestamp != 1000 || k.MaxTimestamp != 5000 || k.ProducerID != -1 {
		t.Fatalf("%+v", k)
	}
	recs := make([]kmsg.Record, 4)
	for i, rest := 0, k.Records; i < len(recs); i++ {
		n, at := binary.Varint(rest)
		if err := recs[i].ReadFrom(rest[:at+int(n)]); err != nil {
			t.Fatal(err)
		}
		rest = rest[at+int(n):]
	}
	if r := recs[0]; string(r.Key) != "k" || string(r.Value) != "v" || len(r.Headers) != 2 || r.Headers[0].Key != "h" || string(r.Headers[0].Value) != "1" {
		t.Fatalf("%+v", r)
	}
	if r := recs[1]; r.TimestampDelta64 != -100 || r.OffsetDelta != 1 || r.Key != nil || r.Value == nil {
		t.Fatalf("%+v", r)
	}
	if r := recs[2]; r.Key == nil || r.Value != nil {
		t.Fatalf("%+v", r)
	}
}

func TestXerialSnappy(t *testing.T) {
	var b Builder
	v := build(t, &b)
	framed := append([]byte(xerialMagic), 0, 0, 0, 1, 0, 0, 0, 1)
	for _, part := range [][]byte{v.RecordBytes()[:10], v.RecordBytes()[10:]} {
		block := s2.EncodeSnappy(nil, part)
		framed = append(binary.BigEndian.AppendUint32(framed, uint32(len(block))), block...)
	}
	java := View(append(slices.Clone(v[:HeaderLen]), framed...))
	binary.BigEndian.PutUint32(java[8:], uint32(len(java)-12))
	java[22] = byte(Snappy)
	java.setSum()
	java.SetBase(7, 0)
	var d Decoder
	if got := show(t, java, &d); !slices.Equal(got, built) {
		t.Fatalf("%q", got)
	}
}

func TestLogAppendTime(t *testing.T) {
	var b Builder
	v := build(t, &b)
	v.SetAppendTime(7000)
	var d Decoder
	if n, err := Validate(v, Limits{}, &d); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	recs, err := d.Records(v)
	if err != nil {
		t.Fatal(err)
	}
	for r := new(Record); recs.Next(r); {
		if r.Timestamp != 7000 {
			t.Fatal(r.Timestamp)
		}
	}
}

func TestValidateRefuses(t *testing.T) {
	var d Decoder
	check := func(what string, want error, lim Limits, spoil func(v View) []byte) {
		t.Helper()
		var b Builder
		if _, err := Validate(spoil(build(t, &b)), lim, &d); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
	}
	sum := func(v View) []byte { v.setSum(); return v }
	none := Limits{}
	check("nothing", ErrInvalid, none, func(View) []byte { return nil })
	check("half a header", ErrCorrupt, none, func(v View) []byte { return v[:50] })
	check("cut", ErrCorrupt, none, func(v View) []byte { return v[:len(v)-1] })
	check("more", ErrCorrupt, none, func(v View) []byte { return append(v, 0) })
	check("negative length", ErrCorrupt, none, func(v View) []byte { v[8] = 0xff; return v })
	check("magic", ErrMagic, none, func(v View) []byte { v[16] = 1; return v })
	check("bit flip", ErrCorrupt, none, func(v View) []byte { v[100] ^= 1; return v })
	check("codec", ErrCompression, none, func(v View) []byte { v[22] |= 5; return sum(v) })
	check("not gzip", ErrCorrupt, none, func(v View) []byte { v[22] |= byte(Gzip); return sum(v) })
	check("not zstd", ErrCorrupt, none, func(v View) []byte { v[22] |= byte(Zstd); return sum(v) })
	check("control", ErrInvalid, none, func(v View) []byte { v[22] |= attrControl; return sum(v) })
	check("count", ErrInvalid, none, func(v View) []byte { v[60]++; return sum(v) })
	check("fewer", ErrInvalid, none, func(v View) []byte { v[60]--; v[26]--; return sum(v) })
	check("more records", ErrInvalid, none, func(v View) []byte { v[60]++; v[26]++; return sum(v) })
	check("delta", ErrInvalid, none, func(v View) []byte { v[HeaderLen+3] = 2; return sum(v) })
	check("transactional", ErrInvalid, none, func(v View) []byte { v[22] |= attrTransactional; return sum(v) })
	check("epoch", ErrInvalid, none, func(v View) []byte { copy(v[43:], make([]byte, 8)); return sum(v) })
	check("size", ErrTooLarge, Limits{MaxBatch: 1000}, func(v View) []byte { return v })
}

// A few bytes may not become gigabytes.
func TestBombs(t *testing.T) {
	bomb := make([]byte, maxDecompressed+1)
	for _, c := range codecs[1:] {
		b := Builder{Codec: c}
		b.Append(1, nil, bomb)
		v, err := b.Finish()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := new(Decoder).Records(v); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%v: %d bytes: %v", c, len(v), err)
		}
	}
}

func TestFilter(t *testing.T) {
	var d Decoder
	for _, c := range codecs {
		b := Builder{Codec: c}
		v := bytes.Clone(build(t, &b))
		View(v).SetBase(7, 3)
		var f Builder
		out, kept, err := f.Filter([]byte("before"), v, &d, func(r *Record) bool { return r.Offset != 8 && r.Offset != 10 })
		if err != nil || kept != 2 {
			t.Fatal(kept, err)
		}
		got := View(out[len("before"):])
		if !got.SumOK() || got.LastOffset() != 10 || got.LeaderEpoch() != 3 {
			t.Fatal(c, "header")
		}
		if recs := show(t, got, &d); !slices.Equal(recs, []string{built[0], built[2]}) {
			t.Fatalf("%v: %q", c, recs)
		}
		out, kept, err = f.Filter(nil, v, &d, func(*Record) bool { return false })
		if err != nil || kept != 0 || len(out) != HeaderLen || len(show(t, out, &d)) != 0 {
			t.Fatal(kept, err, len(out))
		}
	}
}

func FuzzValidate(f *testing.F) {
	for _, c := range codecs {
		b := Builder{Codec: c}
		f.Add([]byte(build(f, &b)))
	}
	var d Decoder
	f.Fuzz(func(t *testing.T, in []byte) {
		if v, _, err := Next(in); err == nil {
			v.setSum() // or the fuzzer would never get past it
		}
		if _, err := Validate(in, Limits{MaxBatch: 64 << 10}, &d); err != nil {
			return
		}
		// What was found valid decodes, and says the same built anew.
		for rest := in; len(rest) > 0; {
			var v View
			var err error
			if v, rest, err = Next(rest); err != nil {
				t.Fatal(err)
			}
			recs, err := d.Records(v)
			if err != nil {
				t.Fatal(err)
			}
			var b Builder
			n := 0
			for r := new(Record); recs.Next(r); n++ {
				b.AppendRecord(r)
			}
			if recs.Err() != nil || n != int(v.Count()) {
				t.Fatal(recs.Err(), n)
			}
			again, err := b.Finish()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := Validate(again, Limits{MaxBatch: 128 << 20}, new(Decoder)); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestNoAllocations(t *testing.T) {
	var b Builder
	var d Decoder
	key, value := []byte("key-0000000000000001"), make([]byte, 168)
	n := testing.AllocsPerRun(100, func() {
		b.Reset()
		for range 500 {
			b.Append(1, key, value)
		}
		v, err := b.Finish()
		if err != nil {
			t.Fatal(err)
		}
		recs, err := d.Records(v)
		if err != nil {
			t.Fatal(err)
		}
		var r Record
		for recs.Next(&r) {
		}
	})
	if n != 0 {
		t.Errorf("%v allocations per batch", n)
	}
}

func BenchmarkBuild(b *testing.B) {
	var bb Builder
	key, value := []byte("key-0000000000000001"), make([]byte, 168)
	b.ReportAllocs()
	for b.Loop() {
		bb.Reset()
		for range 500 {
			bb.Append(1, key, value)
		}
		if _, err := bb.Finish(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*500), "ns/record")
}

func BenchmarkIterate(b *testing.B) {
	for _, c := range codecs {
		b.Run(c.String(), func(b *testing.B) {
			bb := Builder{Codec: c}
			for i := range 500 {
				bb.Append(1, fmt.Appendf(nil, "key-%016d", i), bytes.Repeat(fmt.Appendf(nil, "%d-", i), 40))
			}
			v, err := bb.Finish()
			if err != nil {
				b.Fatal(err)
			}
			var d Decoder
			b.ReportAllocs()
			for b.Loop() {
				recs, err := d.Records(v)
				if err != nil {
					b.Fatal(err)
				}
				var r Record
				for recs.Next(&r) {
				}
				if recs.Err() != nil {
					b.Fatal(recs.Err())
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*500), "ns/record")
		})
	}
}

func BenchmarkValidate(b *testing.B) {
	var bb Builder
	for range 500 {
		bb.Append(1, []byte("key-0000000000000001"), make([]byte, 168))
	}
	v, err := bb.Finish()
	if err != nil {
		b.Fatal(err)
	}
	var d Decoder
	b.SetBytes(int64(len(v)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Validate(v, Limits{}, &d); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*500), "ns/record")
}
