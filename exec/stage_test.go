package exec

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/weirdb/weir/internal/fn"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
	"github.com/weirdb/weir/storage/batch"
)

var textCodec = jsonCodec(field("k", vec.Text), field("v", vec.Int64))

func topic(id uint64, name string, partitions int32) plan.Topic {
	return plan.Topic{ID: id, Name: name, Partitions: partitions}
}

// A stage without keys joins partition by partition, in the order of event
// times: the table's row of time 1 is there when the stream's of time 2 comes.
func TestJoinStageMergesByTime(t *testing.T) {
	h := newHost(t)
	l, r := topic(1, "l", 1), topic(3, "r", 1)
	h.produce(1, 0, rec{2, "a", `{"v":1}`}, rec{4, "a", `{"v":2}`}, rec{6, "a", `{"v":3}`})
	h.produce(3, 0, rec{1, "a", `{"v":10}`}, rec{3, "a", `{"v":20}`}, rec{5, "b", `{"v":0}`})
	ls, rs := scanAll(l, textCodec), scanAll(r, textCodec)
	rs.Table = true
	j := &plan.Join{
		Shape: plan.StreamTable, Kind: plan.InnerJoin, L: &plan.Input{Index: 0, Cols: ls.Columns()}, R: &plan.Input{Index: 1, Cols: rs.Columns()},
		LKeys: []plan.Expr{col(0, vec.Text)}, RKeys: []plan.Expr{col(0, vec.Text)},
	}
	s := sinkOf(topic(2, "dst", 1), jsonCodec(field("k", vec.Text), field("lv", vec.Int64), field("rv", vec.Int64)))
	s.Value = []int{1, 3}
	p := &plan.Query{Stages: []plan.Stage{{Inputs: []plan.StageInput{{Source: ls}, {Source: rs}}, Root: j, Partitions: 1, Sink: s}}}
	q := h.start(QuerySpec{ID: 1, Plan: p, From: plan.Earliest, Every: true})
	h.flush(q)
	wantLines(t, h.read(2, 0), `2 a {"lv":1,"rv":10}`, `4 a {"lv":2,"rv":20}`, `6 a {"lv":3,"rv":20}`)
	h.produce(3, 0, rec{7, "a", ``})
	h.flush(q)
	h.produce(1, 0, rec{8, "a", `{"v":4}`})
	h.flush(q)
	if n := len(h.read(2, 0)); n != 3 {
		t.Errorf("%d records after the table's row was deleted", n)
	}
}

// Two stages: counts per key are counted by count, over an internal log that
// keeps old and new rows.
func TestStagesPassChanges(t *testing.T) {
	h := newHost(t)
	src := topic(1, "src", 2)
	in := scanAll(src, textCodec)
	counts := &plan.Aggregate{In: &plan.Input{Cols: in.Columns()}, Keys: []plan.Expr{col(0, vec.Text)}, Names: []string{"k", "c"}, Aggs: []plan.AggCall{countStar(t)}}
	inner := plan.Sink{
		Topic: plan.Topic{Name: plan.InternalTopic(0), Partitions: 2}, Value: []int{0, 1}, Changes: true, WindowStart: -1, WindowEnd: -1, TimeColumn: -1,
		Codec: plan.Codec{
			Key:   plan.Format{Name: "NONE"},
			Value: plan.Format{Name: "NATIVE", Fields: []vec.Field{field("k", vec.Text), field("c", vec.Int64)}},
		},
	}
	inner.Topic.ID = 0
	back := &plan.Scan{Name: "stage 0", Table: true, Topic: inner.Topic, Codec: inner.Codec, TimeField: -1, Cols: []plan.SourceColumn{
		{Name: "c", Type: vec.Of(vec.Int64), Kind: plan.ValueField, Index: 1},
	}}
	top := &plan.Aggregate{In: &plan.Input{Cols: back.Columns()}, Keys: []plan.Expr{col(0, vec.Int64)}, Names: []string{"c", "n"}, Aggs: []plan.AggCall{countStar(t)}, OverTable: true}
	sink := sinkOf(topic(2, "dst", 1), jsonCodec(field("c", vec.Int64), field("n", vec.Int64)))
	sink.Table = true
	p := &plan.Query{Stages: []plan.Stage{
		{Inputs: []plan.StageInput{{Source: in, Keys: []plan.Expr{col(0, vec.Text)}}}, Root: counts, Partitions: 2, Sink: inner},
		{Inputs: []plan.StageInput{{Source: back, Keys: []plan.Expr{col(0, vec.Int64)}}}, Root: top, Partitions: 1, Sink: sink},
	}}
	q := h.start(QuerySpec{ID: 1, Plan: p, From: plan.Earliest, Internal: []plan.Topic{topic(7, "inner", 2), sink.Topic}})
	for i := range 10 {
		h.produce(1, int32(i%2), rec{int64(i), fmt.Sprintf("key%d", i%4), `{"v":1}`})
		h.flush(q)
	}
	// key0, key1: 3 records each; key2, key3: 2 each.
	latest := map[int64]string{}
	for _, line := range h.read(2, 0) {
		var ts int64
		var key, value string
		if _, err := fmt.Sscanf(line, "%d", &ts); err != nil {
			t.Fatal(err)
		}
		rest := line[len(fmt.Sprint(ts))+1:]
		key, value = rest[:8], rest[9:]
		latest[int64(binary.BigEndian.Uint64([]byte(key)))] = value
	}
	if latest[3] != `{"n":2}` || latest[2] != `{"n":2}` || latest[1] != "null" {
		t.Errorf("counts of counts: %v", latest)
	}
}

// A row that becomes thousands of rows stays one step, also through an exchange.
func TestUnnestThroughExchange(t *testing.T) {
	h := newHost(t)
	src := topic(1, "src", 1)
	in := scanAll(src, textCodec)
	series := &fn.TableFunc{Name: "series", Rows: func(_ *fn.Ctx, _ []vec.Type, args []vec.Value, yield func([]vec.Value) bool) error {
		for i := range args[0].(int64) {
			if !yield([]vec.Value{i}) {
				break
			}
		}
		return nil
	}}
	u := &plan.Unnest{In: in, Funcs: []plan.TableCall{{Fn: series, Args: []plan.Expr{col(1, vec.Int64)}, Cols: []plan.Column{{Name: "i", Type: vec.Of(vec.Int64)}}}}}
	agg := &plan.Aggregate{In: &plan.Input{Cols: u.Columns()}, Keys: []plan.Expr{col(0, vec.Text)}, Names: []string{"k", "c"}, Aggs: []plan.AggCall{countStar(t)}}
	s := sinkOf(topic(2, "dst", 1), textCodec)
	s.Table = true
	p := &plan.Query{Stages: []plan.Stage{{Inputs: []plan.StageInput{{Source: u, Keys: []plan.Expr{col(0, vec.Text)}}}, Root: agg, Partitions: 1, Sink: s}}}
	h.produce(1, 0, rec{1, "a", `{"v":5000}`}, rec{2, "b", `{"v":3}`}, rec{3, "a", `{"v":3000}`})
	q := h.start(QuerySpec{ID: 1, Plan: p, From: plan.Earliest})
	h.flush(q)
	wantLines(t, h.read(2, 0), `3 a {"v":8000}`, `2 b {"v":3}`)
}

// Compressed batches, batches of one record and batches that are read from the
// middle all give the same rows.
func TestCompressedInput(t *testing.T) {
	h := newHost(t)
	var want []string
	for i := range 50 {
		codec := batch.Codec(i % 5)
		b := batch.Builder{Codec: codec}
		for k := range 1 + i%3 {
			b.Append(int64(i), []byte("k"), fmt.Appendf(nil, `{"n":%d,"ok":true}`, i*10+k))
			want = append(want, fmt.Sprintf(`%d k {"n":%d}`, i, i*10+k))
		}
		v, err := b.Finish()
		if err != nil {
			t.Fatal(err)
		}
		h.appendBatches(1, 0, v)
	}
	q := h.start(QuerySpec{ID: 1, Plan: filterPlan(1), From: plan.Earliest})
	h.flush(q)
	wantLines(t, h.read(2, 0), want...)
}

// A step allocates nothing for its records: what is left is a handful of
// allocations a step, whatever its size.
func TestNoAllocationsPerRecord(t *testing.T) {
	h := newHost(t)
	p := filterPlan(1)
	q, err := Start(t.Context(), h, QuerySpec{ID: 1, Plan: p, From: plan.Earliest})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Stop()
	recs := make([]rec, 1000)
	for i := range recs {
		recs[i] = rec{int64(i), "key", `{"n":12345,"ok":true}`}
	}
	var b batch.Builder
	for _, r := range recs {
		b.Append(r.ts, []byte(r.key), []byte(r.value))
	}
	v, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	round := func() {
		for range 10 {
			h.appendBatches(1, 0, v)
		}
		if err := q.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		round()
	}
	n := testing.AllocsPerRun(5, round)
	t.Logf("%v allocations for 10,000 records", n)
	if n > 500 {
		t.Errorf("%v allocations for 10,000 records", n)
	}
}

// Partitions that are far apart in time are merged by it: nothing is late
// because another partition was read first.
func TestExchangeMergesByTime(t *testing.T) {
	h := newHost(t)
	src := topic(1, "src", 3)
	in := scanAll(src, textCodec)
	agg := &plan.Aggregate{
		In: &plan.Input{Cols: in.Columns()}, Keys: []plan.Expr{col(1, vec.Int64)}, Names: []string{"v", "ws", "we", "c"}, Aggs: []plan.AggCall{countStar(t)},
		Window: &plan.Window{Kind: plan.Tumbling, Size: 10, Advance: 10},
	}
	s := sinkOf(topic(2, "dst", 1), jsonCodec(field("v", vec.Int64), field("c", vec.Int64)))
	s.Codec.Window, s.Codec.WindowSize, s.WindowStart, s.WindowEnd, s.Value, s.Table = plan.Tumbling, 10, 1, 2, []int{3}, true
	p := &plan.Query{Stages: []plan.Stage{{Inputs: []plan.StageInput{{Source: in, Keys: []plan.Expr{col(1, vec.Int64)}}}, Root: agg, Partitions: 1, Sink: s}}}
	const n = 3000
	for part := range int32(3) {
		var recs []rec
		for i := range n {
			recs = append(recs, rec{int64(i), "k", `{"v":1}`})
		}
		h.produce(1, part, recs...)
	}
	q := h.start(QuerySpec{ID: 1, Plan: p, From: plan.Earliest})
	h.flush(q)
	q.Stop()
	last := map[string]string{}
	for _, line := range h.read(2, 0) {
		_, row, _ := strings.Cut(line, " ")
		last[row[:16]] = row[17:]
	}
	if len(last) != n/10 {
		t.Errorf("%d windows", len(last))
	}
	if len(h.failures) > 0 {
		t.Errorf("%d late records", len(h.failures))
	}
}
