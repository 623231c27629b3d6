package format

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/weirdb/weir/internal/vec"
)

// Nexmark's bids, as perf comparisons of streaming engines use them: 7 fields,
// about 200 bytes as JSON.
var bidFields = []vec.Field{
	{Name: "auction", Type: bigintT}, {Name: "bidder", Type: bigintT}, {Name: "price", Type: bigintT},
	{Name: "channel", Type: textT}, {Name: "url", Type: textT}, {Name: "dateTime", Type: stampT},
	{Name: "extra", Type: textT},
}

const benchRecords = 64 << 10 // more than a branch predictor remembers

func bids() [][]byte {
	r := rand.New(rand.NewPCG(1, 2))
	channels := []string{"apple", "google", "facebook", "baidu", "channel-1234"}
	out := make([][]byte, benchRecords)
	for i := range out {
		out[i] = fmt.Appendf(nil, `{"auction":%d,"bidder":%d,"price":%d,"channel":"%s","url":"https://www.nexmark.com/%08x/item.htm?query=1","dateTime":%d,"extra":"%s"}`,
			1000+r.IntN(100000), 1000+r.IntN(10000), 1+r.IntN(10000000), channels[r.IntN(len(channels))], r.Uint32(), 1700000000000+int64(i), fmt.Sprintf("%016x%08x", r.Uint64(), r.Uint32())[:10+r.IntN(10)])
	}
	return out
}

func benchDecode(b *testing.B, s Spec, want []int, data [][]byte) {
	b.Helper()
	d, err := NewDecoder(s, want)
	if err != nil {
		b.Fatal(err)
	}
	cols := columns(len(want))
	bytes := 0
	bad := func(_ int, err error) { b.Fatal(err) }
	d.Decode(data[:vec.MaxRows], cols, bad)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		at := n % len(data)
		batch := data[at : at+vec.MaxRows]
		d.Decode(batch, cols, bad)
		n += vec.MaxRows
		for _, r := range batch {
			bytes += len(r)
		}
	}
	sec := b.Elapsed().Seconds()
	b.ReportMetric(float64(n)/sec/1e6, "Mrecords/s")
	b.ReportMetric(float64(bytes)/sec/1e6, "MB/s")
	b.ReportMetric(sec*1e9/float64(n), "ns/record")
}

func benchEncode(b *testing.B, s Spec, cols []*vec.Vec) {
	b.Helper()
	e, err := NewEncoder(s)
	if err != nil {
		b.Fatal(err)
	}
	var out []byte
	n, bytes, rows := 0, 0, cols[0].Len()
	b.ReportAllocs()
	for b.Loop() {
		out = out[:0]
		for i := range rows {
			if out, _, err = e.Append(out, cols, i); err != nil {
				b.Fatal(err)
			}
		}
		n += rows
		bytes += len(out)
	}
	sec := b.Elapsed().Seconds()
	b.ReportMetric(float64(n)/sec/1e6, "Mrecords/s")
	b.ReportMetric(float64(bytes)/sec/1e6, "MB/s")
	b.ReportMetric(sec*1e9/float64(n), "ns/record")
}

// bidColumns decodes a batch of bids to encode them again.
func bidColumns(tb testing.TB, want ...int) []*vec.Vec {
	d, err := NewDecoder(Spec{Name: JSON, Fields: bidFields}, want)
	if err != nil {
		tb.Fatal(err)
	}
	cols := columns(len(want))
	d.Decode(bids()[:vec.MaxRows], cols, func(_ int, err error) { tb.Fatal(err) })
	return cols
}

func bidSpec(name string, want ...int) Spec {
	s := Spec{Name: name}
	for _, w := range want {
		s.Fields = append(s.Fields, bidFields[w])
	}
	return s
}

var allBid = []int{0, 1, 2, 3, 4, 5, 6}

// bidsIn are the bids in another format.
func bidsIn(tb testing.TB, s Spec) [][]byte {
	d, err := NewDecoder(Spec{Name: JSON, Fields: bidFields}, allBid)
	if err != nil {
		tb.Fatal(err)
	}
	e, err := NewEncoder(s)
	if err != nil {
		tb.Fatal(err)
	}
	cols := columns(len(allBid))
	data := bids()
	for at := 0; at < len(data); at += vec.MaxRows {
		d.Decode(data[at:at+vec.MaxRows], cols, func(_ int, err error) { tb.Fatal(err) })
		for i := range vec.MaxRows {
			if data[at+i], _, err = e.Append(nil, cols, i); err != nil {
				tb.Fatal(err)
			}
		}
	}
	return data
}

func BenchmarkJSONDecode(b *testing.B) {
	s, data := Spec{Name: JSON, Fields: bidFields}, bids()
	b.Run("3of7", func(b *testing.B) { benchDecode(b, s, []int{0, 2, 3}, data) })
	b.Run("7of7", func(b *testing.B) { benchDecode(b, s, allBid, data) })
	b.Run("shuffled", func(b *testing.B) {
		r := rand.New(rand.NewPCG(3, 4))
		mixed := make([][]byte, len(data))
		for i := range mixed {
			mixed[i] = []byte("{")
			for j, f := range r.Perm(7) {
				if j > 0 {
					mixed[i] = append(mixed[i], ',')
				}
				mixed[i] = fmt.Appendf(mixed[i], `"%s":%d`, bidFields[f].Name, r.IntN(1000000))
			}
			mixed[i] = append(mixed[i], '}')
		}
		benchDecode(b, s, []int{0, 2, 3}, mixed)
	})
	b.Run("spaced", func(b *testing.B) {
		spaced := make([][]byte, len(data))
		for i, r := range data {
			for j, c := range r {
				spaced[i] = append(spaced[i], c)
				if c == ',' || c == ':' && r[j-1] == '"' {
					spaced[i] = append(spaced[i], ' ')
				}
			}
		}
		benchDecode(b, s, []int{0, 2, 3}, spaced)
	})
	b.Run("doubles", func(b *testing.B) {
		r := rand.New(rand.NewPCG(3, 4))
		nums := make([][]byte, len(data))
		for i := range nums {
			nums[i] = fmt.Appendf(nil, `{"auction":%.3f,"price":%v}`, r.Float64()*1000, float32(r.Float64()))
		}
		benchDecode(b, Spec{Name: JSON, Fields: []vec.Field{{Name: "auction", Type: doubleT}, {Name: "price", Type: doubleT}}}, []int{0, 1}, nums)
	})
}

func BenchmarkJSONEncode(b *testing.B) {
	b.Run("3", func(b *testing.B) { benchEncode(b, bidSpec(JSON, 0, 2, 3), bidColumns(b, 0, 2, 3)) })
	b.Run("7", func(b *testing.B) { benchEncode(b, bidSpec(JSON, allBid...), bidColumns(b, allBid...)) })
}

func BenchmarkDelimited(b *testing.B) {
	s := bidSpec(Delimited, allBid...)
	data := bidsIn(b, s)
	b.Run("decode3of7", func(b *testing.B) { benchDecode(b, s, []int{0, 2, 3}, data) })
	b.Run("decode7of7", func(b *testing.B) { benchDecode(b, s, allBid, data) })
	b.Run("encode7", func(b *testing.B) { benchEncode(b, s, bidColumns(b, allBid...)) })
}

func BenchmarkNative(b *testing.B) {
	s := bidSpec(Native, allBid...)
	data := bidsIn(b, s)
	b.Run("decode3of7", func(b *testing.B) { benchDecode(b, s, []int{0, 2, 3}, data) })
	b.Run("decode7of7", func(b *testing.B) { benchDecode(b, s, allBid, data) })
	b.Run("encode7", func(b *testing.B) { benchEncode(b, s, bidColumns(b, allBid...)) })
}

func BenchmarkKafka(b *testing.B) {
	s := bidSpec(Kafka, 0)
	data := bidsIn(b, s)
	b.Run("decode", func(b *testing.B) { benchDecode(b, s, []int{0}, data) })
	b.Run("encode", func(b *testing.B) { benchEncode(b, s, bidColumns(b, 0)) })
}
