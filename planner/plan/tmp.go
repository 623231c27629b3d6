package plan

// This file goes when the printer lands: it only lets engine build.

func Explain(n Node) string        { return "" }
func ExplainQuery(q *Query) string { return "" }
