package exec

import (
	"slices"
	"testing"

	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
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
