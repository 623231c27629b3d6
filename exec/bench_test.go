package exec

import (
	"context"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"

	"github.com/weirdb/weir/internal/fn"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
	"github.com/weirdb/weir/storage"
	"github.com/weirdb/weir/storage/batch"
)

const (
	benchDistinct = 300_000
	benchRecords  = 4 * benchDistinct
)

var bidCodec = jsonCodec(field("k", vec.Text),
	field("auction", vec.Int64), field("bidder", vec.Int64), field("price", vec.Int64),
	field("channel", vec.Text), field("url", vec.Text), field("extra", vec.Text))

// bids fills topic 1 with JSON records of about 200 bytes; auction has that many
// values.
func bids(h *memHost, keys int) {
	r := rand.New(rand.NewPCG(1, 2))
	var b batch.Builder
	var all []byte
	for i := range benchDistinct {
		v := fmt.Sprintf(`{"auction":%d,"bidder":%d,"price":%d,"channel":"channel-%d","url":"https://www.nexmark.com/x/item.htm?query=1&channel_id=%d","extra":"%064d"}`,
			r.IntN(keys), r.IntN(10000), r.IntN(1000), r.IntN(100), r.IntN(1000000), i)
		b.Append(int64(i/100), nil, []byte(v))
		if b.Count() == 1000 {
			raw, err := b.Finish()
			if err != nil {
				h.t.Fatal(err)
			}
			all = append(all, raw...)
			b.Reset()
		}
	}
	for range benchRecords / benchDistinct {
		for rest := all; len(rest) > 0; {
			v, next, err := batch.Next(rest)
			if err != nil {
				h.t.Fatal(err)
			}
			h.appendBatches(1, 0, v)
			rest = next
		}
	}
}

func call(b testing.TB, name string, args ...plan.Expr) plan.Expr {
	types := make([]vec.Type, len(args))
	for i, a := range args {
		types[i] = a.Type()
	}
	f, _, t, err := fn.Resolve(name, fn.Postgres, types)
	if err != nil {
		b.Fatal(err)
	}
	return &plan.Call{Fn: f, Args: args, T: t, Pos: -1}
}

func countStar(b testing.TB) plan.AggCall {
	f, _, t, err := fn.ResolveAgg("count", fn.Postgres, nil)
	if err != nil {
		b.Fatal(err)
	}
	return plan.AggCall{Fn: f, T: t}
}

// bidScan reads only some fields of bids.
func bidScan(fields ...int) *plan.Scan {
	s := &plan.Scan{Name: "bids", Topic: srcTopic, Codec: bidCodec, TimeField: -1}
	for _, f := range fields {
		c := bidCodec.Value.Fields[f]
		s.Cols = append(s.Cols, plan.SourceColumn{Name: c.Name, Type: c.Type, Kind: plan.ValueField, Index: f})
	}
	return s
}

func benchQuery(b *testing.B, h *memHost, p *plan.Query, every bool) {
	id := uint64(100)
	b.ReportAllocs()
	cpu := cpuTime()
	for b.Loop() {
		id++
		p.Stages[0].Sink.Topic.ID = id
		q, err := Start(context.Background(), h, QuerySpec{ID: id, Plan: p, From: plan.Earliest, Every: every})
		if err != nil {
			b.Fatal(err)
		}
		if err := q.Flush(b.Context()); err != nil {
			b.Fatal(err)
		}
		q.Stop()
	}
	// CPU time, of all goroutines: the machine may be busy with other things.
	spent := float64(cpuTime() - cpu)
	b.ReportMetric(float64(b.N)*benchRecords/spent*1e3, "Mrec/s/core")
	b.ReportMetric(spent/float64(b.N)/benchRecords, "cpu-ns/rec")
}

// cpuTime is the CPU time of the process so far, in ns.
func cpuTime() int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

func BenchmarkFilterProject(b *testing.B) {
	h := newHostOn(b, storage.Config{Dir: b.TempDir()})
	bids(h, 100_000)
	in := &plan.Project{
		In:    &plan.Filter{In: bidScan(0, 2), Cond: call(b, ">", col(1, vec.Int64), &plan.Const{Value: int64(630), T: vec.Of(vec.Int64)})},
		Exprs: []plan.Expr{col(0, vec.Int64), call(b, "*", col(1, vec.Int64), &plan.Const{Value: int64(2), T: vec.Of(vec.Int64)})},
		Names: []string{"auction", "price"},
	}
	c := plan.Codec{Key: plan.Format{Name: "NONE"}, Value: plan.Format{Name: "JSON", Wrap: true, Fields: []vec.Field{field("auction", vec.Int64), field("price", vec.Int64)}}}
	p := &plan.Query{Stages: []plan.Stage{{
		Inputs: []plan.StageInput{{Source: in}}, Root: &plan.Input{Cols: in.Columns()}, Partitions: 1, Sink: sinkOf(dstTopic, c),
	}}}
	benchQuery(b, h, p, true)
}

func BenchmarkTumblingCount(b *testing.B) {
	for _, keys := range []int{1000, 100_000} {
		for _, every := range []bool{true, false} {
			b.Run(fmt.Sprintf("%d/every=%v", keys, every), func(b *testing.B) {
				h := newHostOn(b, storage.Config{Dir: b.TempDir()})
				bids(h, keys)
				in := bidScan(0)
				agg := &plan.Aggregate{
					In: &plan.Input{Cols: in.Columns()}, Keys: []plan.Expr{col(0, vec.Int64)}, Names: []string{"auction", "ws", "we", "n"},
					Aggs: []plan.AggCall{countStar(b)}, Window: &plan.Window{Kind: plan.Tumbling, Size: 10_000, Advance: 10_000, Grace: 0},
				}
				c := jsonCodec(field("auction", vec.Int64), field("n", vec.Int64))
				c.Window, c.WindowSize = plan.Tumbling, 10_000
				s := sinkOf(dstTopic, c)
				s.Value, s.WindowStart, s.WindowEnd, s.Table = []int{3}, 1, 2, true
				p := &plan.Query{Stages: []plan.Stage{{Inputs: []plan.StageInput{{Source: in}}, Root: agg, Partitions: 1, Sink: s}}}
				benchQuery(b, h, p, every)
			})
		}
	}
}
