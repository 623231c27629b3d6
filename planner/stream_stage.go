package planner

import (
	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
)

// maxStages is what plan.InternalTopic can number.
const maxStages = 64

// A layout cuts a plan into stages.
type layout struct {
	query plan.Query
}

// stages cuts a plan where its rows have to move. The last stage, with as many
// tasks as partitions says, writes to sink.
func stages(root plan.Node, sink plan.Sink, partitions int32) (*plan.Query, error) {
	l := &layout{}
	if err := l.stage(root, sink, partitions); err != nil {
		return nil, err
	}
	return &l.query, nil
}

// stage adds the stage whose operators are those of root down to what moves or
// is read, after the stages that it needs.
func (l *layout) stage(root plan.Node, sink plan.Sink, partitions int32) error {
	st := plan.Stage{Partitions: partitions, Sink: sink}
	var err error
	if st.Root, err = l.below(root, &st); err != nil {
		return err
	}
	if len(l.query.Stages) >= maxStages {
		return pgerr.Newf(pgerr.StatementTooComplex, "the query needs more than %d stages", maxStages)
	}
	l.query.Stages = append(l.query.Stages, st)
	return nil
}

// input adds an input to st and returns its place.
func input(st *plan.Stage, in plan.StageInput) plan.Node {
	st.Inputs = append(st.Inputs, in)
	return &plan.Input{Index: len(st.Inputs) - 1, Cols: in.Source.Columns()}
}

// below replaces what st reads by Inputs.
func (l *layout) below(n plan.Node, st *plan.Stage) (plan.Node, error) {
	if pure(n) {
		return input(st, plan.StageInput{Source: n}), nil
	}
	if r, ok := n.(*plan.Repartition); ok {
		return l.repartition(r, st)
	}
	return withInputs(n, func(in plan.Node) (plan.Node, error) { return l.below(in, st) })
}

func (l *layout) repartition(r *plan.Repartition, st *plan.Stage) (plan.Node, error) {
	in := flowOf(r.In).at
	if len(r.Keys) == 0 && !r.Broadcast || in.partitions == 1 && r.Partitions == 1 {
		return l.below(r.In, st) // everything is in its place
	}
	source := r.In
	if !pure(source) || !immutable(r.Keys...) {
		var err error
		if source, err = l.logged(source, in.partitions); err != nil {
			return nil, err
		}
	}
	keys := r.Keys
	if r.Broadcast {
		keys = nil
	}
	return input(st, plan.StageInput{Source: source, Keys: keys, Format: r.Format, Broadcast: r.Broadcast}), nil
}

// logged makes a stage of its own for n, and returns the Scan of its output.
func (l *layout) logged(n plan.Node, partitions int32) (plan.Node, error) {
	sink := plan.Sink{WindowStart: -1, WindowEnd: -1, TimeColumn: -1, Changes: true}
	sink.Codec.Key.Name, sink.Codec.Value.Name = "NONE", "NATIVE"
	scan := &plan.Scan{TimeField: -1, Table: flowOf(n).table}
	for i, c := range n.Columns() {
		sink.Value = append(sink.Value, i)
		sink.Codec.Value.Fields = append(sink.Codec.Value.Fields, vec.Field{Name: c.Name, Type: c.Type})
		scan.Cols = append(scan.Cols, plan.SourceColumn{Name: c.Name, Type: c.Type, Kind: plan.ValueField, Index: i})
	}
	if err := l.stage(n, sink, partitions); err != nil {
		return nil, err
	}
	i := len(l.query.Stages) - 1
	topic := plan.Topic{Name: plan.InternalTopic(i), Partitions: partitions}
	l.query.Stages[i].Sink.Topic = topic
	scan.Topic, scan.Name, scan.Codec = topic, topic.Name, sink.Codec
	return scan, nil
}

// withInputs returns n over other inputs.
func withInputs(n plan.Node, f func(plan.Node) (plan.Node, error)) (plan.Node, error) {
	var err error
	switch n := n.(type) {
	case *plan.Filter:
		c := *n
		c.In, err = f(n.In)
		return &c, err
	case *plan.Project:
		c := *n
		c.In, err = f(n.In)
		return &c, err
	case *plan.Unnest:
		c := *n
		c.In, err = f(n.In)
		return &c, err
	case *plan.Aggregate:
		c := *n
		c.In, err = f(n.In)
		return &c, err
	case *plan.Upsert:
		c := *n
		c.In, err = f(n.In)
		return &c, err
	case *plan.Recompute:
		c := &plan.Recompute{Query: n.Query}
		for _, in := range n.Ins {
			if in, err = f(in); err != nil {
				return nil, err
			}
			c.Ins = append(c.Ins, in)
		}
		return c, nil
	case *plan.SetOp:
		c := *n
		if c.L, err = f(n.L); err != nil {
			return nil, err
		}
		c.R, err = f(n.R)
		return &c, err
	case *plan.Join:
		c := *n
		if c.L, err = f(n.L); err != nil {
			return nil, err
		}
		c.R, err = f(n.R)
		return &c, err
	}
	return nil, unsupportedNode(n)
}

// unsupportedNode is the error for what only bounded queries can do.
func unsupportedNode(n plan.Node) error {
	what := "this query"
	switch n := n.(type) {
	case *plan.Values:
		what = "VALUES"
	case *plan.SystemScan:
		what = "reading the system catalog"
	case *plan.SetOp:
		what = [...]string{"UNION", "INTERSECT", "EXCEPT"}[n.Op]
	case *plan.Sort:
		what = "ORDER BY"
	case *plan.Limit:
		what = "LIMIT"
	case *plan.WindowFuncs:
		what = "OVER"
	case *plan.Apply:
		what = "LATERAL"
	}
	return pgerr.Newf(pgerr.FeatureNotSupported, "%s is not supported in a continuous query", what)
}
