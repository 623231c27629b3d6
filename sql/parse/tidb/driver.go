package tidb

import (
	"io"

	tidb "github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/format"

	_ "github.com/weirdb/weir/sql/parse/tidb/failpoint" // before the parser's own start
)

// value is the literal node that the TiDB parser asks its "driver" for. It holds
// nothing: what stands at its place is found by the place.
type value struct{ tidb.TexprNode }

// The parser takes its driver from variables of its ast package, which some package
// has to set before the first parse.
func init() {
	tidb.NewValueExpr = func(any, string, string) tidb.ValueExpr { return &value{} }
	tidb.NewParamMarkerExpr = func(int) tidb.ParamMarkerExpr { return &value{} }
	ignore := func(string) (any, error) { return nil, nil }
	tidb.NewDecimal, tidb.NewHexLiteral, tidb.NewBitLiteral = ignore, ignore, ignore
}

func (n *value) Restore(*format.RestoreCtx) error { return nil }
func (n *value) Format(io.Writer)                 {}
func (n *value) Accept(v tidb.Visitor) (tidb.Node, bool) {
	m, _ := v.Enter(n)
	return v.Leave(m)
}
func (n *value) SetValue(any)             {}
func (n *value) GetValue() any            { return nil }
func (n *value) GetDatumString() string   { return "" }
func (n *value) GetString() string        { return "" }
func (n *value) GetProjectionOffset() int { return -1 }
func (n *value) SetProjectionOffset(int)  {}
func (n *value) SetOrder(int)             {}
