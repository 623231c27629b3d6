package exec

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
	"github.com/weirdb/weir/storage"
)

func field(name string, k vec.Kind) vec.Field { return vec.Field{Name: name, Type: vec.Of(k)} }

func col(i int, k vec.Kind) *plan.Col { return &plan.Col{Index: i, T: vec.Of(k)} }

func jsonCodec(key vec.Field, value ...vec.Field) plan.Codec {
	return plan.Codec{
		Key:   plan.Format{Name: "KAFKA", Fields: []vec.Field{key}},
		Value: plan.Format{Name: "JSON", Fields: value, Wrap: true},
	}
}

// scanAll is a scan of the key and all values of a codec.
func scanAll(topic plan.Topic, c plan.Codec) *plan.Scan {
	s := &plan.Scan{Relation: topic.ID, Name: topic.Name, Topic: topic, Codec: c, TimeField: -1}
	for i, f := range c.Key.Fields {
		s.Cols = append(s.Cols, plan.SourceColumn{Name: f.Name, Type: f.Type, Kind: plan.KeyField, Index: i})
	}
	for i, f := range c.Value.Fields {
		s.Cols = append(s.Cols, plan.SourceColumn{Name: f.Name, Type: f.Type, Kind: plan.ValueField, Index: i})
	}
	return s
}

// sinkOf writes the first column as key and the others as values.
func sinkOf(topic plan.Topic, c plan.Codec) plan.Sink {
	s := plan.Sink{Relation: topic.ID, Topic: topic, Codec: c, WindowStart: -1, WindowEnd: -1, TimeColumn: -1}
	for i := range c.Key.Fields {
		s.Key = append(s.Key, i)
	}
	for i := range c.Value.Fields {
		s.Value = append(s.Value, len(c.Key.Fields)+i)
	}
	return s
}

func wantLines(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}

var (
	srcTopic = plan.Topic{ID: 1, Name: "src", Partitions: 1}
	dstTopic = plan.Topic{ID: 2, Name: "dst", Partitions: 1}
	srcCodec = jsonCodec(field("k", vec.Text), field("n", vec.Int64), field("ok", vec.Bool))
)

func filterPlan(partitions int32) *plan.Query {
	src, dst := srcTopic, dstTopic
	src.Partitions, dst.Partitions = partitions, partitions
	in := &plan.Project{
		In:    &plan.Filter{In: scanAll(src, srcCodec), Cond: col(2, vec.Bool)},
		Exprs: []plan.Expr{col(0, vec.Text), col(1, vec.Int64)}, Names: []string{"k", "n"},
	}
	return &plan.Query{Stages: []plan.Stage{{
		Inputs: []plan.StageInput{{Source: in}}, Root: &plan.Input{Cols: in.Columns()}, Partitions: partitions,
		Sink: sinkOf(dst, jsonCodec(field("k", vec.Text), field("n", vec.Int64))),
	}}}
}

func TestFilterProject(t *testing.T) {
	h := newHost(t)
	h.produce(1, 0, rec{5, "a", `{"n":1,"ok":true}`}, rec{6, "b", `{"n":2,"ok":false}`}, rec{7, "c", `{"n":3,"ok":true}`})
	q := h.start(QuerySpec{ID: 9, Plan: filterPlan(1), From: plan.Earliest})
	h.flush(q)
	wantLines(t, h.read(2, 0), `5 a {"n":1}`, `7 c {"n":3}`)
	h.produce(1, 0, rec{8, "d", `{"n":4,"ok":true}`}, rec{9, "e", ``}, rec{9, "f", `{broken`})
	h.flush(q)
	wantLines(t, h.read(2, 0), `5 a {"n":1}`, `7 c {"n":3}`, `8 d {"n":4}`)
	if len(h.failures) != 1 || h.failures[0].Offset != 5 || string(h.failures[0].Value) != "{broken" {
		t.Errorf("failures %+v", h.failures)
	}
}

var errLost = errors.New("connection lost")

// Steps that are refused, or applied without the task being told, change
// nothing about what comes out: every record counts once.
func TestExactlyOnceOverRestarts(t *testing.T) {
	plain := runCounts(t, func(int, *storage.Commit) (bool, error) { return true, nil })
	if len(plain) != 600 {
		t.Fatalf("%d results, want one for each record", len(plain))
	}
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 7))
		got := runCounts(t, func(n int, c *storage.Commit) (bool, error) {
			switch r.IntN(4) {
			case 0:
				return false, storage.ErrStaleTask
			case 1:
				return true, errLost
			}
			return true, nil
		})
		slices.Sort(got)
		want := slices.Clone(plain)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Fatalf("seed %d: got %d results, want %d", seed, len(got), len(want))
		}
	}
}

// runCounts counts records by a key that is not the topic's, from 3 partitions
// to 2, and returns all results.
func runCounts(t *testing.T, trouble func(int, *storage.Commit) (bool, error)) (out []string) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t)
		h.trouble = trouble
		src, dst := srcTopic, dstTopic
		src.Partitions, dst.Partitions = 3, 2
		in := scanAll(src, srcCodec)
		agg := &plan.Aggregate{
			In: &plan.Input{Cols: in.Columns()}, Keys: []plan.Expr{col(1, vec.Int64)}, Names: []string{"n", "c"}, Aggs: []plan.AggCall{countStar(t)},
		}
		s := sinkOf(dst, jsonCodec(field("n", vec.Int64), field("c", vec.Int64)))
		s.Table = true
		p := &plan.Query{Stages: []plan.Stage{{
			Inputs: []plan.StageInput{{Source: in, Keys: []plan.Expr{col(1, vec.Int64)}}}, Root: agg, Partitions: 2, Sink: s,
		}}}
		q := h.start(QuerySpec{ID: 3, Plan: p, From: plan.Earliest, Every: true})
		for i := range 30 {
			for part := range int32(3) {
				var recs []rec
				for k := range 6 + int(part)%2 {
					recs = append(recs, rec{int64(i), "x", fmt.Sprintf(`{"n":%d,"ok":true}`, (i+k)%7)})
				}
				recs = append(recs, rec{int64(i), "x", ""}) // a NULL value does not count
				if part == 0 {
					recs = append(recs, rec{int64(i), "x", `{"n":3}`})
				}
				h.produce(1, part, recs...)
			}
			if i%5 == 0 {
				h.flush(q)
			}
		}
		h.flush(q)
		if err := q.Err(); err != nil {
			t.Fatal(err)
		}
		q.Stop()
		for part := range int32(2) {
			for _, line := range h.read(2, part) {
				// Which partition comes first is chance, and with it the largest time so far.
				_, row, _ := strings.Cut(line, " ")
				out = append(out, fmt.Sprintf("%d %q", part, row))
			}
		}
		if err := h.store.Close(); err != nil {
			t.Fatal(err)
		}
	})
	return out
}

// The pairs of UtilsTest.testMurmur2 of Apache Kafka.
func TestPartitionerIsKafkas(t *testing.T) {
	check := func(key string, want int32) {
		t.Helper()
		if got := int32(murmur2([]byte(key))); got != want {
			t.Errorf("murmur2(%q) = %d, want %d", key, got, want)
		}
	}
	check("21", -973932308)
	check("foobar", -790332482)
	check("a-little-bit-long-string", -985981536)
	check("a-little-bit-longer-string", -1486304829)
	check("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971)
	check("abc", 479470107)
}

func TestPauseAndResume(t *testing.T) {
	h := newHost(t)
	q := h.start(QuerySpec{ID: 9, Plan: filterPlan(1), From: plan.Earliest, Paused: true})
	h.produce(1, 0, rec{5, "a", `{"n":1,"ok":true}`})
	if s := q.State(); s != Paused {
		t.Errorf("state %v", s)
	}
	q.Resume()
	h.flush(q)
	wantLines(t, h.read(2, 0), `5 a {"n":1}`)
	q.Pause()
	q.Stop()
	if s := q.State(); s != Stopped {
		t.Errorf("state %v", s)
	}
}

// A query that starts at the latest records keeps that place over a restart,
// also if it has not processed anything.
func TestLatestIsPinned(t *testing.T) {
	h := newHost(t)
	h.produce(1, 0, rec{1, "a", `{"n":1,"ok":true}`})
	spec := QuerySpec{ID: 9, Plan: filterPlan(1), From: plan.Latest}
	q := h.start(spec)
	if err := q.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	q.Stop()
	h.produce(1, 0, rec{2, "b", `{"n":2,"ok":true}`})
	h.flush(h.start(spec))
	wantLines(t, h.read(2, 0), `2 b {"n":2}`)
}

func TestSinkErrorFailsTheQuery(t *testing.T) {
	h := newHost(t)
	h.trouble = func(int, *storage.Commit) (bool, error) { return false, fatal{errLost} }
	q := h.start(QuerySpec{ID: 9, Plan: filterPlan(1), From: plan.Earliest})
	h.produce(1, 0, rec{1, "a", `{"n":1,"ok":true}`})
	if err := q.Flush(t.Context()); !errors.Is(err, errLost) {
		t.Errorf("flush: %v", err)
	}
	if q.State() != Failed || !errors.Is(q.Err(), errLost) {
		t.Errorf("state %v, %v", q.State(), q.Err())
	}
}

func TestPush(t *testing.T) {
	h := newHost(t)
	h.produce(1, 0, rec{1, "a", `{"n":1,"ok":true}`}, rec{2, "b", `{"n":2,"ok":false}`})
	src := srcTopic
	src.Partitions = 2
	scan := scanAll(src, srcCodec)
	scan.From = plan.Earliest
	one := &plan.Const{Value: int64(3), T: vec.Of(vec.Int64)}
	node := &plan.Limit{In: &plan.Filter{In: scan, Cond: col(2, vec.Bool)}, N: one}
	rows, err := Push(t.Context(), h, PushSpec{Node: node, Every: true})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	read := func() error {
		b, err := rows.Next(context.Background())
		if err != nil {
			return err
		}
		for _, r := range b.Selected() {
			got = append(got, string(b.Cols[0].Bytes(int(r))))
		}
		return nil
	}
	if err := read(); err != nil {
		t.Fatal(err)
	}
	wantLines(t, got, "a")
	h.produce(1, 1, rec{3, "c", `{"n":1,"ok":true}`})
	h.produce(1, 1, rec{3, "d", `{"n":1,"ok":true}`}, rec{3, "e", `{"n":1,"ok":true}`})
	for err == nil {
		err = read()
	}
	if err != io.EOF {
		t.Error(err)
	}
	wantLines(t, got, "a", "c", "d")
	rows.Close()
}

// Coalesced changes of one step were once sent again with the next.
func TestPushSendsEachChangeOnce(t *testing.T) {
	h := newHost(t)
	scan := scanAll(srcTopic, srcCodec)
	scan.From = plan.Earliest
	node := &plan.Aggregate{In: scan, Keys: []plan.Expr{col(0, vec.Text)}, Names: []string{"k", "n"}, Aggs: []plan.AggCall{countStar(t)}}
	rows, err := Push(t.Context(), h, PushSpec{Node: node})
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var got []string
	for i := range 3 {
		h.produce(1, 0, rec{int64(i), "a", `{"n":1,"ok":true}`})
		b, err := rows.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range b.Selected() {
			got = append(got, fmt.Sprint(b.Op(int(r)), b.Cols[1].Int(int(r))))
		}
	}
	wantLines(t, got, "+ 1", "+U 2", "+U 3")
}

func TestPushIsCancelled(t *testing.T) {
	h := newHost(t)
	ctx, cancel := context.WithCancel(t.Context())
	rows, err := Push(ctx, h, PushSpec{Node: scanAll(srcTopic, srcCodec)})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := rows.Next(context.Background()); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	rows.Close()
}
