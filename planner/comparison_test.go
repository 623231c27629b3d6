package planner

import (
	"errors"
	"testing"

	"github.com/weirdb/weir/catalog"
	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/sql/ast"
	"github.com/weirdb/weir/sql/parse"
)

// In the ksql dialect, literals adapt and what cannot be compared is refused.
func TestKSQLExpressions(t *testing.T) {
	check := func(expr, want string) {
		t.Helper()
		stmts, err := parse.Parse("SELECT "+expr+" AS x", ast.KSQL)
		if err != nil {
			t.Errorf("%s: %v", expr, err)
			return
		}
		n, err := Bounded(&Env{Catalog: &catalog.Catalog{}, Dialect: ast.KSQL}, stmts[0].(*ast.QueryStmt).Query)
		got := ""
		var pe *pgerr.Error
		switch {
		case errors.As(err, &pe):
			got = pe.Msg
		case err != nil:
			got = err.Error()
		default:
			got = n.Columns()[0].Type.KSQL()
		}
		if got != want {
			t.Errorf("%s: %s; want %s", expr, got, want)
		}
	}
	check("ARRAY[1]", "JSON") // what the client gets
	check("MAP('a' := 1)['a']", "INTEGER")
	check("MAP(CAST('a' AS STRING) := true, 10 := 'no')", "JSON")
	check("MAP('a' := NULL)", "Cannot construct a map with all NULL values")
	check("MAP(NULL := 1)", "Cannot construct a map with all NULL keys")
	check("MAP('a' := CAST(NULL AS BIGINT))", "JSON")
	check("ARRAY[STRUCT(a := 1), STRUCT(b := 'x')]", "JSON")
	check("CASE WHEN true THEN NULL END", "Invalid Case expression. All case branches have NULL type")
	check("1 IN (2, '2147483648')", "BOOLEAN")
	check("ARRAY[1] IN (ARRAY['2', NULL])", "BOOLEAN")
	check("CAST(1 AS INT) = '1'", "Error in SELECT expression: Cannot compare CAST(1 AS INT) (INTEGER) to '1' (STRING) with EQUAL.")
	check("ARRAY[1] < ARRAY[2]", "Error in SELECT expression: Cannot compare ARRAY[1] (ARRAY<INTEGER>) to ARRAY[2] (ARRAY<INTEGER>) with LESS_THAN.")
	check("CAST('2020-01-01' AS DATE) < CAST('2020-01-02' AS TIMESTAMP)", "BOOLEAN")
	check("CAST('2020-01-01' AS DATE) < '2020-01-02'", "BOOLEAN")
	check("1 + NULL", "Error processing expression: (1 + null). Unsupported arithmetic types. INTEGER null")
	check("DATEADD(DAYS, 1, CAST('2020-01-01' AS DATE))", "DATE")
	check("GREATEST(1, 5000000000)", "Function 'greatest' cannot be resolved due to ambiguous method parameters (INTEGER, BIGINT).")
	check("LEAST(NULL, NULL)", "Function 'least' cannot be resolved due to ambiguous method parameters (null, null).")
	check("CAST('a' AS VARCHAR(STRING))", "STRING")
	check("9223372036854775808", "Invalid numeric literal: 9223372036854775808")
}
