package table

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/apd/v3"
	"pgregory.net/rapid"

	"github.com/weirdb/weir/internal/fn"
	"github.com/weirdb/weir/internal/vec"
)

// lengths is an aggregate for tests: it counts rows in a word and keeps one byte
// a row in its string.
type lengths struct{}

func (lengths) Words() int        { return 1 }
func (lengths) HasBytes() bool    { return true }
func (lengths) Retractable() bool { return false }
func (lengths) Add(_ *fn.Ctx, s *fn.States, groups []uint32, rows []uint16, _ []int8, _ []*vec.Vec) {
	for _, g := range groups {
		s.Words[int(g)*s.Stride+s.Off]++
		s.Set(g, append(s.Get(g), 'x'))
	}
}
func (lengths) Merge(*fn.Ctx, *fn.States, uint32, uint32) {}
func (lengths) Result(_ *fn.Ctx, s *fn.States, groups []uint32, rows []uint16, out *vec.Vec) {
	for k, g := range groups {
		out.Ints[rows[k]] = s.Words[int(g)*s.Stride+s.Off]*1000 + int64(len(s.Get(g)))
	}
}

var keyTypes = [][]vec.Type{
	{vec.Of(vec.Int64)},
	{vec.Of(vec.Int32), vec.Of(vec.Bool)},
	{vec.Of(vec.Text)},
	{vec.Of(vec.Text), vec.Of(vec.Int64), vec.Of(vec.Float64)},
	{vec.DecimalOf(0, 0)},
	{},
}

func drawValue(t *rapid.T, k vec.Kind) vec.Value {
	n := rapid.IntRange(-1, 40).Draw(t, "v")
	if n < 0 {
		return nil
	}
	switch k {
	case vec.Bool:
		return n%2 == 0
	case vec.Text:
		return fmt.Sprintf("%0*d", n, n) // long ones too
	case vec.Float64:
		return float64(n) / 2
	case vec.Decimal:
		return apd.New(int64(n), -2)
	}
	return int64(n)
}

// Against a Go map: groups are found again, keys and states read back, deleted
// groups stay away, through reuse of numbers, compaction and a round trip.
func TestTableIsAMap(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		types := rapid.SampledFrom(keyTypes).Draw(rt, "types")
		tab := New(Config{Keys: types, Aggs: []fn.Aggregator{lengths{}}, Words: 1})
		model := map[string]int64{}
		group := map[string]uint32{}
		for range rapid.IntRange(1, 30).Draw(rt, "steps") {
			n := rapid.IntRange(1, 50).Draw(rt, "rows")
			cols := make([]*vec.Vec, len(types))
			for i, k := range types {
				cols[i] = vec.New(k)
				for range n {
					cols[i].Append(drawValue(rt, k.Kind))
				}
			}
			out := make([]uint32, n)
			rows := vec.Identity(n)
			tab.Groups(cols, rows, out)
			lengths{}.Add(nil, tab.States(0), out, rows, nil, nil)
			tab.Touch(out)
			for i := range n {
				key := string(vec.AppendKey(nil, cols, i))
				if g, ok := group[key]; ok && g != out[i] {
					rt.Fatalf("group of %q was %d, is %d", key, g, out[i])
				}
				group[key] = out[i]
				model[key]++
				tab.Words(out[i])[0] = model[key] * 7
				if got := tab.AppendKey(nil, out[i]); string(got) != key {
					rt.Fatalf("key of group %d is %q, want %q", out[i], got, key)
				}
			}
			seen := map[uint32]bool{}
			for _, g := range tab.Dirty() {
				if seen[g] {
					rt.Fatalf("group %d is dirty twice", g)
				}
				seen[g] = true
			}
			for _, g := range out {
				if !seen[g] {
					rt.Fatalf("group %d is not dirty", g)
				}
			}
			for key, g := range group {
				if rapid.IntRange(0, 3).Draw(rt, "delete") == 0 {
					tab.Delete(g)
					if got := tab.AppendKey(nil, g); string(got) != key {
						rt.Fatalf("key of deleted group is %q, want %q", got, key)
					}
					delete(group, key)
					delete(model, key)
				}
			}
			tab.Settle()
		}
		if tab.Len() != len(model) {
			rt.Fatalf("%d groups, want %d", tab.Len(), len(model))
		}
		check := func(tab *Table) {
			n := 0
			for g := range tab.All() {
				n++
				key := string(tab.AppendKey(nil, g))
				out := vec.New(vec.Type{})
				out.Reset(vec.Of(vec.Int64), 1)
				lengths{}.Result(nil, tab.States(0), []uint32{g}, []uint16{0}, out)
				if want := model[key] * 1001; out.Ints[0] != want {
					rt.Fatalf("state of %q is %d, want %d", key, out.Ints[0], want)
				}
				if got := tab.Words(g)[0]; got != model[key]*7 {
					rt.Fatalf("word of %q is %d", key, got)
				}
				if f, err := tab.Lookup([]byte(key)); err != nil || f != g {
					rt.Fatalf("lookup of %q: %d %v, want %d", key, f, err, g)
				}
				cols := make([]*vec.Vec, len(types))
				for i, k := range types {
					cols[i] = vec.New(k)
					cols[i].Reset(k, 1)
				}
				tab.KeyColumns([]uint32{g}, []uint16{0}, cols)
				if got := string(vec.AppendKey(nil, cols, 0)); got != key {
					rt.Fatalf("key columns of %q are %q", key, got)
				}
			}
			if n != len(model) {
				rt.Fatalf("%d groups, want %d", n, len(model))
			}
		}
		check(tab)
		again := New(Config{Keys: types, Aggs: []fn.Aggregator{lengths{}}, Words: 1})
		for g := range tab.All() {
			h, err := again.Group(tab.AppendKey(nil, g))
			if err != nil {
				rt.Fatal(err)
			}
			if err := again.SetState(h, tab.AppendState(nil, g)); err != nil {
				rt.Fatal(err)
			}
		}
		check(again)
	})
}

// A group shows the value that it was made with: 1.10 and 1.1 are one group.
func TestDecimalKeyKeepsItsScale(t *testing.T) {
	c := vec.New(vec.DecimalOf(0, 0))
	c.Append(apd.New(110, -2))
	c.Append(apd.New(11, -1))
	tab := New(Config{Keys: []vec.Type{c.Type}})
	out := make([]uint32, 2)
	tab.Groups([]*vec.Vec{c}, vec.Identity(2), out)
	if out[0] != out[1] {
		t.Fatalf("groups %v", out)
	}
	key := vec.New(c.Type)
	key.Reset(c.Type, 1)
	tab.KeyColumns(out[:1], []uint16{0}, []*vec.Vec{key})
	if got := string(vec.AppendText(nil, key, 0, nil)); got != "1.10" {
		t.Errorf("key prints as %s, want 1.10", got)
	}
}

// NaN and the infinities are groups of their own; numbers are grouped by value,
// however many digits they have.
func TestDecimalGroups(t *testing.T) {
	c := vec.New(vec.DecimalOf(0, 0))
	for _, s := range []string{"NaN", "Infinity", "-Infinity", "0", "0.00", "100", "100.0", "1e2", "-100", "NaN", "18446744073709551610", "18446744073709551610.0", "922337203685477580700", "922337203685477580700.00"} {
		d, err := vec.ParseDecimal(s)
		if err != nil {
			t.Fatal(err)
		}
		c.Append(d)
	}
	tab := New(Config{Keys: []vec.Type{c.Type}})
	out := make([]uint32, c.Len())
	tab.Groups([]*vec.Vec{c}, vec.Identity(c.Len()), out)
	if got := fmt.Sprint(out); got != "[0 1 2 3 3 4 4 4 5 0 6 6 7 7]" {
		t.Errorf("groups %s", got)
	}
}

func TestBrokenBytesAreErrors(t *testing.T) {
	for _, types := range keyTypes[:4] {
		tab := New(Config{Keys: types, Aggs: []fn.Aggregator{lengths{}}})
		for _, b := range []string{"", "\x01", "\x01\x80", "\x01\x02\x01\x02\x01\x02\x01\x02\x00\x00\x00\x00\x00"} {
			if _, err := tab.Group([]byte(b)); err == nil {
				t.Errorf("key %q of %v is accepted", b, types)
			}
		}
		if tab.Len() != 0 {
			t.Errorf("%d groups made", tab.Len())
		}
	}
	tab := New(Config{Keys: keyTypes[2], Aggs: []fn.Aggregator{lengths{}}})
	g, err := tab.Group([]byte("\x01\x01a"))
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range []string{"", "\x02", "\x02\x05a", "\x02\x01aa"} {
		if err := tab.SetState(g, []byte(b)); err == nil {
			t.Errorf("state %q is accepted", b)
		}
	}
}

func keysOf(n int, kind vec.Kind) []*vec.Vec {
	r := rand.New(rand.NewPCG(1, 2))
	var out []*vec.Vec
	for range 256 {
		c := vec.New(vec.Of(kind))
		for range vec.MaxRows {
			x := r.IntN(n)
			if kind == vec.Text {
				c.Append(fmt.Sprintf("customer-%d", x))
			} else {
				c.Append(int64(x))
			}
		}
		out = append(out, c)
	}
	return out
}

func TestNoAllocations(t *testing.T) {
	for _, kind := range []vec.Kind{vec.Int64, vec.Text} {
		cols := keysOf(1000, kind)
		tab := New(Config{Keys: []vec.Type{vec.Of(kind)}, Aggs: []fn.Aggregator{lengths{}}})
		out := make([]uint32, vec.MaxRows)
		step := func(c *vec.Vec) {
			tab.Groups([]*vec.Vec{c}, vec.Identity(vec.MaxRows), out)
			tab.Touch(out)
			tab.Settle()
		}
		for _, c := range cols[:8] {
			step(c)
		}
		if n := testing.AllocsPerRun(20, func() { step(cols[9]) }); n != 0 {
			t.Errorf("%v: %v allocations a batch", vec.Of(kind), n)
		}
	}
}

func BenchmarkGroups(b *testing.B) {
	for _, kind := range []vec.Kind{vec.Int64, vec.Text} {
		for _, n := range []int{10_000, 1_000_000} {
			b.Run(fmt.Sprintf("%v/%d", vec.Of(kind), n), func(b *testing.B) {
				cols := keysOf(n, kind)
				tab := New(Config{Keys: []vec.Type{vec.Of(kind)}, Words: 4})
				out := make([]uint32, vec.MaxRows)
				keys := make([]*vec.Vec, 1)
				i := 0
				for b.Loop() {
					keys[0] = cols[i%len(cols)]
					i++
					tab.Groups(keys, vec.Identity(vec.MaxRows), out)
					for _, g := range out {
						tab.words[int(g)*4]++
					}
					tab.Touch(out)
					if i%64 == 0 {
						tab.Settle()
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/vec.MaxRows, "ns/row")
			})
		}
	}
}
