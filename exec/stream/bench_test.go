package stream

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
	"github.com/weirdb/weir/storage"
)

// benchBatches are batches of (key text, value bigint), in order of time, 1000
// rows a second.
func benchBatches(keys int) (out []*vec.Batch) {
	r := rand.New(rand.NewPCG(3, 4))
	t := int64(0)
	for range 256 {
		b := &vec.Batch{Cols: []*vec.Vec{vec.New(vec.Of(vec.Text)), vec.New(vec.Of(vec.Int64))}}
		for range vec.MaxRows {
			b.Cols[0].Append(fmt.Sprintf("customer-%d", r.IntN(keys)))
			b.Cols[1].Append(int64(r.IntN(100)))
			t++
			b.Time = append(b.Time, t)
			b.N++
		}
		out = append(out, b)
	}
	return out
}

// run sends batches through a chain, one step for 16 of them.
func benchChain(b *testing.B, root plan.Node, every bool, inputs int) {
	batches := benchBatches(10_000)
	span := batches[len(batches)-1].Time[vec.MaxRows-1]
	rows := 0
	c, err := Build(root, &Env{Every: every, Task: storage.TaskID{Query: 1}}, func(b *vec.Batch) error { rows += b.Len(); return nil })
	if err != nil {
		b.Fatal(err)
	}
	var m storage.Mutations
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		x := batches[i%len(batches)]
		if err := c.Process(i%inputs, x); err != nil {
			b.Fatal(err)
		}
		for k := range x.Time {
			x.Time[k] += span // the next round is later
		}
		if i++; i%16 == 0 {
			if err := c.Flush(); err != nil {
				b.Fatal(err)
			}
			m.Reset()
			c.Save(&m)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/vec.MaxRows, "ns/row")
	b.ReportMetric(float64(rows)/float64(b.N)/vec.MaxRows, "out/row")
}

func BenchmarkOperators(b *testing.B) {
	tumbling := &plan.Window{Kind: plan.Tumbling, Size: 10_000, Advance: 10_000}
	for _, x := range []struct {
		name   string
		root   plan.Node
		inputs int
	}{
		{"aggregate", sumBy(nil), 1},
		{"tumbling", sumBy(tumbling), 1},
		{"hopping", sumBy(&plan.Window{Kind: plan.Hopping, Size: 10_000, Advance: 2_000}), 1},
		{"session", sumBy(&plan.Window{Kind: plan.Session, Size: 5_000}), 1},
		{"upsert", &plan.Upsert{In: input(0, keyed...), Keys: []int{0}}, 1},
		{"streamTable", joinOf(plan.StreamTable, plan.InnerJoin, plan.Within{}), 2},
		{"tableTable", joinOf(plan.TableTable, plan.InnerJoin, plan.Within{}), 2},
		{"streamStream", joinOf(plan.StreamStream, plan.InnerJoin, plan.Within{Before: 5_000, After: 5_000, Grace: 0}), 2},
	} {
		b.Run(x.name, func(b *testing.B) { benchChain(b, x.root, true, x.inputs) })
	}
}

// Once the state has its size, a batch allocates nothing.
func TestOperatorsDoNotAllocate(t *testing.T) {
	if raced {
		t.Skip("the race detector allocates")
	}
	batches := benchBatches(1000)
	for name, root := range map[string]plan.Node{
		"aggregate":   sumBy(nil),
		"upsert":      &plan.Upsert{In: input(0, keyed...), Keys: []int{0}},
		"streamTable": joinOf(plan.StreamTable, plan.LeftJoin, plan.Within{}),
		"tableTable":  joinOf(plan.TableTable, plan.FullJoin, plan.Within{}),
		"filter":      &plan.Filter{In: &plan.Project{In: input(0, keyed...), Exprs: []plan.Expr{col(0, vec.Text)}, Names: []string{"k"}}, Cond: &plan.IsNull{X: col(0, vec.Text), Not: true}},
	} {
		for _, every := range []bool{true, false} {
			c, err := Build(root, &Env{Every: every, Task: storage.TaskID{Query: 1}}, func(*vec.Batch) error { return nil })
			if err != nil {
				t.Fatal(err)
			}
			var m storage.Mutations
			i := 0
			step := func() {
				for input := range c.ports {
					if err := c.Process(input, batches[i%len(batches)]); err != nil {
						t.Fatal(err)
					}
				}
				if err := c.Flush(); err != nil {
					t.Fatal(err)
				}
				m.Reset()
				c.Save(&m)
				i++
			}
			for range 260 { // all batches, so that everything has grown
				step()
			}
			if n := testing.AllocsPerRun(50, step); n > 0 {
				t.Errorf("%s, every %v: %v allocations a batch", name, every, n)
			}
		}
	}
}
