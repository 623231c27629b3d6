package bounded

import (
	"context"
	"io"
	"testing"

	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
)

// columns is a source that gives the same batches again and again.
type columns struct {
	batches []*vec.Batch
	at, n   int
}

func (c *columns) Next() (*vec.Batch, error) {
	if c.at == c.n {
		return nil, io.EOF
	}
	c.at++
	return c.batches[c.at%len(c.batches)], nil
}
func (*columns) Close() error { return nil }

type columnSources struct {
	batches []*vec.Batch
	n       map[string]int
}

func (s columnSources) Scan(_ context.Context, n *plan.Scan, _ []vec.Value) (Rows, error) {
	return &columns{batches: s.batches, n: s.n[n.Name]}, nil
}
func (s columnSources) System(context.Context, *plan.SystemScan) (Rows, error) { return nil, io.EOF }

func benchmark(b *testing.B, n plan.Node, rows int, s columnSources) {
	for b.Loop() {
		q, err := Run(context.Background(), n, Env{Sources: s, Config: Config{Memory: 1 << 30}})
		if err != nil {
			b.Fatal(err)
		}
		for {
			if _, err = q.Next(); err != nil {
				break
			}
		}
		if err != io.EOF {
			b.Fatal(err)
		}
		if err := q.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(rows), "ns/row")
}

func BenchmarkPlans(b *testing.B) {
	s := columnSources{n: map[string]int{"big": 256, "small": 16}}
	for i := range 256 {
		k, v := vec.New(intT), vec.New(intT)
		for j := range vec.MaxRows {
			n := int64(i*vec.MaxRows + j)
			k.Append(n * 7919 % 262_139)
			v.Append(n % 1000)
		}
		s.batches = append(s.batches, &vec.Batch{N: vec.MaxRows, Cols: []*vec.Vec{k, v}})
	}
	scan := func(name string) plan.Node {
		return &plan.Scan{Name: name, Cols: []plan.SourceColumn{{Type: intT}, {Type: intT}}}
	}
	rows := 256 * vec.MaxRows
	b.Run("filter", func(b *testing.B) {
		benchmark(b, &plan.Filter{In: scan("big"), Cond: call(b, ">", col(1), lit(500))}, rows, s)
	})
	b.Run("aggregate", func(b *testing.B) {
		benchmark(b, &plan.Aggregate{In: scan("big"), Keys: []plan.Expr{col(0)}, Aggs: []plan.AggCall{agg(b, "count"), agg(b, "max", col(1))}, Names: []string{"", "", ""}}, rows, s)
	})
	b.Run("join", func(b *testing.B) {
		benchmark(b, &plan.Join{L: scan("big"), R: scan("small"), LKeys: []plan.Expr{col(0)}, RKeys: []plan.Expr{col(0)}}, rows, s)
	})
	b.Run("sort", func(b *testing.B) {
		benchmark(b, &plan.Sort{In: scan("big"), Keys: []plan.SortKey{{X: col(0)}}}, rows, s)
	})
	b.Run("top", func(b *testing.B) {
		benchmark(b, &plan.Sort{In: scan("big"), Keys: []plan.SortKey{{X: col(0)}}, Top: lit(10)}, rows, s)
	})
}
