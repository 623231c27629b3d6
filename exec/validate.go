package exec

import (
	"fmt"

	"github.com/weirdb/weir/exec/stream"
	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
)

// Validate tells whether Start can run the plan: nil, or an error for whoever
// wrote the query. params are those of the statement.
func Validate(q *plan.Query, params ...vec.Value) error {
	if len(q.Stages) == 0 {
		return fmt.Errorf("exec: a query without stages")
	}
	none := func(*vec.Batch) error { return nil }
	for i := range q.Stages {
		st := &q.Stages[i]
		for j := range st.Inputs {
			in := &st.Inputs[j]
			node, err := withOffset(in.Source)
			if err != nil {
				return stream.Unsupported(in.Source)
			}
			env := &stream.Env{Old: true, Params: params}
			if _, err := stream.Build(node, env, none); err != nil {
				return err
			}
			for _, k := range in.Keys {
				if _, err := env.Expr(k); err != nil {
					return err
				}
			}
			if in.Keys != nil {
				if _, err := keyEncoder(in); err != nil {
					return err
				}
			}
		}
		env := &stream.Env{Old: st.Sink.Changes, Params: params}
		if _, err := stream.Build(st.Root, env, none); err != nil {
			return err
		}
		if hasLimit(st.Root) {
			return pgerr.Newf(pgerr.FeatureNotSupported, "LIMIT is not supported in a persistent query")
		}
		if _, err := newSink(&st.Sink, st.Sink.Topic, 0, timeParser(st.Sink.TimeFormat), nil); err != nil {
			return err
		}
	}
	return nil
}

func hasLimit(n plan.Node) bool {
	if _, ok := n.(*plan.Limit); ok {
		return true
	}
	for _, in := range n.Inputs() {
		if hasLimit(in) {
			return true
		}
	}
	return false
}
