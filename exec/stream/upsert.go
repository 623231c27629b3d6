package stream

import "github.com/weirdb/weir/planner/plan"

func newUpsert(n *plan.Upsert, env *Env, id uint16, old bool, out Output) (operator, error) {
	return nil, Unsupported(n)
}
