package planner

import (
	"slices"

	"github.com/weirdb/weir/internal/fn"
	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
	"github.com/weirdb/weir/sql/ast"
)

// recomputed plans what no operators over changes can keep up to date: the rows of
// the sources are kept, and the query is computed over them anew after every step
// that changed one. It is for tables and materialized views of plain SQL.
func (b *binder) recomputed(sink *sink, q ast.Query) error {
	if !sink.def.Relation.Kind.IsTable() || sink.into != nil || isEmitting(q) {
		return pgerr.Newf(pgerr.FeatureNotSupported, "this query cannot be computed anew after every change").At(q.Pos())
	}
	node, err := b.query(q, &scope{})
	if err != nil {
		return err
	}
	node = optimize(typed(node))
	if err := repeatable(node); err != nil {
		return at(err, q.Pos())
	}
	r := &plan.Recompute{Query: node}
	for _, s := range plan.Scans(node) {
		r.Ins = append(r.Ins, gathered(s))
	}
	if len(r.Ins) == 0 {
		return pgerr.Newf(pgerr.FeatureNotSupported, "a query that reads nothing does not change").At(q.Pos())
	}
	return sink.finish(b, r, flowOf(r), plainOutputs(r, len(node.Columns()), q.Pos()))
}

// maintained refuses aggregates that cannot follow the changes of a table, and
// those that see their rows in an order.
func maintained(n plan.Node) error {
	if a, ok := n.(*plan.Aggregate); ok {
		for _, call := range a.Aggs {
			if len(call.OrderBy) > 0 {
				return pgerr.Newf(pgerr.FeatureNotSupported, "ORDER BY in %s() is not supported in a continuous query", call.Fn.Name)
			}
			types := make([]vec.Type, len(call.Args))
			for i, e := range call.Args {
				types[i] = e.Type()
			}
			agg, err := call.Fn.New(types)
			if err != nil {
				return err
			}
			if a.OverTable && !agg.Retractable() {
				return pgerr.Newf(pgerr.FeatureNotSupported, "%s() cannot be applied to a table", call.Fn.Name).
					Detailf("A row of a table may change or go away, and %s() cannot take a value back.", call.Fn.Name)
			}
		}
	}
	for _, in := range n.Inputs() {
		if err := maintained(in); err != nil {
			return err
		}
	}
	return nil
}

// crosses tells whether a plan over changes has a join without a condition, every
// pair of whose rows is looked at: FROM a, b WHERE a.x = b.y. A bounded plan takes
// the keys from WHERE.
func crosses(n plan.Node) bool {
	if j, ok := n.(*plan.Join); ok && j.Shape == plan.Bounded && len(j.LKeys) == 0 && j.On == nil {
		return true
	}
	return slices.ContainsFunc(n.Inputs(), crosses)
}

func isEmitting(q ast.Query) bool {
	s, ok := q.(*ast.Select)
	return ok && s.Emit != ast.EmitNone
}

// repeatable refuses a plan whose result depends on more than the rows it reads.
func repeatable(n plan.Node) (err error) {
	plan.VisitNode(n, func(e plan.Expr, _ int) {
		if c, ok := e.(*plan.Call); ok && (c.Fn.Volatility == fn.Volatile || readsClock[c.Fn.Name]) {
			err = pgerr.Newf(pgerr.FeatureNotSupported, "%s() changes without a change of a source", c.Fn.Name)
		}
	})
	if err == nil && readsSystem(n) {
		err = unsupportedNode(&plan.SystemScan{})
	}
	return err
}

// readsClock are the functions whose value is the time of the statement.
var readsClock = map[string]bool{
	"now": true, "current_timestamp": true, "transaction_timestamp": true, "statement_timestamp": true, "clock_timestamp": true,
	"localtimestamp": true, "localtime": true, "current_time": true, "current_date": true, "unix_timestamp": true, "unix_date": true,
}

func readsSystem(n plan.Node) bool {
	if _, ok := n.(*plan.SystemScan); ok {
		return true
	}
	for _, in := range n.Inputs() {
		if readsSystem(in) {
			return true
		}
	}
	return false
}

// gathered brings the changes of what a bounded plan scans to one task, with the
// columns of the scan.
func gathered(s *plan.Scan) plan.Node {
	scan := *s
	scan.Cols = append([]plan.SourceColumn{}, s.Cols...)
	scan.KeyEquals = nil
	width := len(scan.Cols)
	var keys []int // columns of the key, and of its window
	if scan.Table {
		for i, f := range scan.Codec.Key.Fields {
			keys = append(keys, scanned(&scan, plan.SourceColumn{Name: f.Name, Type: f.Type, Kind: plan.KeyField, Index: i}))
		}
		bigint := vec.Of(vec.Int64)
		if scan.Codec.Window != plan.NoWindow {
			keys = append(keys, scanned(&scan, plan.SourceColumn{Name: "windowstart", Type: bigint, Kind: plan.WindowStart}))
		}
		if scan.Codec.Window == plan.Session {
			keys = append(keys, scanned(&scan, plan.SourceColumn{Name: "windowend", Type: bigint, Kind: plan.WindowEnd}))
		}
	}
	var n plan.Node = &scan
	if scan.Topic.Partitions > 1 {
		one := &plan.Const{Value: int64(0), T: vec.Of(vec.Int64)}
		n = &plan.Repartition{In: n, Keys: []plan.Expr{one}, Partitions: 1}
	}
	if scan.Table {
		n = &plan.Upsert{In: n, Keys: keys}
	}
	if len(scan.Cols) > width {
		return first(n, width)
	}
	return n
}

// scanned returns the column of a scan that is taken from c's place, which is added
// if there is none.
func scanned(s *plan.Scan, c plan.SourceColumn) int {
	for i, have := range s.Cols {
		if have.Kind == c.Kind && have.Index == c.Index {
			return i
		}
	}
	s.Cols = append(s.Cols, c)
	return len(s.Cols) - 1
}
