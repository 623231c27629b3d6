package planner

import (
	"testing"

	"github.com/weirdb/weir/catalog"
	"github.com/weirdb/weir/sql/ast"
	"github.com/weirdb/weir/sql/parse"
)

func TestQueriesBind(t *testing.T) {
	for _, q := range []string{
		"select 1",
		"select 1 + 2 * 3 as x, 'a' || 'b', null",
		"select a.x, b.y from (values (1, 'a')) a(x, n) join (values (1, 2)) b(x, y) on a.x = b.x where y > 1 order by 1 limit 3",
		"select x, count(*), sum(y) + 1 from (values (1, 2), (1, 3)) t(x, y) group by x having count(*) > 1 order by 2 desc",
		"with c as (select 1 as one) select * from c, c d where exists (select 1 from c where one = d.one)",
		"select (select max(y) from (values (1, 2)) u(x, y) where u.x = t.x) from (values (1)) t(x)",
		"select row_number() over (partition by x order by y) from (values (1, 2)) t(x, y)",
		"select 1 union all select 2 order by 1",
		"select x from (values (1)) t(x) where x in (1, 2, null)",
	} {
		stmts, err := parse.Parse(q, ast.Postgres)
		if err != nil {
			t.Errorf("%s: %v", q, err)
			continue
		}
		n, err := Bounded(&Env{Catalog: &catalog.Catalog{}}, stmts[0].(*ast.QueryStmt).Query)
		if err != nil {
			t.Errorf("%s: %v", q, err)
		} else if len(n.Columns()) == 0 {
			t.Errorf("%s: no columns", q)
		}
	}
}
