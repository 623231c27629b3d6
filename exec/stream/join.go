package stream

import "github.com/weirdb/weir/planner/plan"

func newJoin(n *plan.Join, env *Env, id uint16, old bool, out Output) (operator, error) {
	return nil, Unsupported(n)
}
