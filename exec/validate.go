package exec

import "github.com/weirdb/weir/planner/plan"

// Validate tells whether Start can run the plan.
func Validate(q *plan.Query) error { return nil }
