package parse_test

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/sql/ast"
	"github.com/weirdb/weir/sql/parse"
)

// TestStatements runs testdata: SQL in, the canonical print of its trees out, and the
// print must parse to the same trees.
func TestStatements(t *testing.T) {
	datadriven.Walk(t, "testdata/statements", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, td *datadriven.TestData) string {
			d := ast.Postgres
			if td.Cmd == "ksql" {
				d = ast.KSQL
			}
			stmts, err := parse.Parse(td.Input, d)
			if err != nil {
				return showError(td.Input, err)
			}
			roundTrip(t, td.Input, d)
			var b strings.Builder
			for _, s := range stmts {
				b.WriteString(ast.Format(s, d) + "\n")
			}
			return b.String()
		})
	})
}

// showError prints an error with the rest of the text from its place on.
func showError(sql string, err error) string {
	e := pgerr.From(err)
	s := e.Code + ": " + e.Msg + "\n"
	if e.Pos > 0 {
		s += "at: " + strings.TrimSpace(sql[e.Pos-1:]) + "\n"
	}
	if e.Hint != "" {
		s += "hint: " + e.Hint + "\n"
	}
	return s
}

func TestSpans(t *testing.T) {
	text := " SELECT 1 ; \n CREATE STREAM s (a INT) WITH (x = 'y');WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a"
	stmts, err := parse.Parse(text, ast.Postgres)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"SELECT 1", "CREATE STREAM s (a INT) WITH (x = 'y')", "WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a"}
	if len(stmts) != len(want) {
		t.Fatalf("%d statements, want %d", len(stmts), len(want))
	}
	for i, s := range stmts {
		if got := text[s.Pos():s.End()]; got != want[i] {
			t.Errorf("statement %d is %q, want %q", i, got, want[i])
		}
	}
}

// The planner points at nodes with their places, so each must be that of its own text.
func TestPlaces(t *testing.T) {
	text := "SELECT a.b, f(x) || 'é' FROM s AS t JOIN u ON t.k = u.k WHERE c IN (SELECT 1 FROM z) ORDER BY 2 LIMIT $1"
	stmts, err := parse.Parse(text, ast.Postgres)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	ast.Walk(stmts[0], func(n ast.Node) bool {
		word, _, _ := strings.Cut(text[n.Pos():], " ")
		got = append(got, word)
		return true
	})
	want := "SELECT SELECT a.b, f(x) f(x) x) 'é' s s u t.k t.k u.k c c SELECT 1 z) 2 $1"
	if s := strings.Join(got, " "); s != want {
		t.Errorf("nodes begin at\n%s, want\n%s", s, want)
	}
}

func TestType(t *testing.T) {
	check := func(in, want string) {
		t.Helper()
		typ, err := parse.Type(in, ast.KSQL)
		if err != nil {
			t.Errorf("%s: %v", in, err)
		} else if got := ast.FormatType(typ, ast.KSQL); got != want {
			t.Errorf("%s is %s, want %s", in, got, want)
		}
	}
	check("array<int>", "ARRAY<INT>")
	check("MAP<STRING, ARRAY<ARRAY<INT>>>", "MAP<STRING, ARRAY<ARRAY<INT>>>")
	check("STRUCT<a INT, `b` DECIMAL(4,2)>", `STRUCT<A INT, "b" DECIMAL(4, 2)>`)
	check("timestamp(3) with time zone", "TIMESTAMPTZ(3)")
	check("character varying(10)[]", "VARCHAR(10)[]")
	check("interval day to second", "INTERVAL DAY TO SECOND")
	for _, bad := range []string{"", "ARRAY<INT", "MAP<INT>", "int int", "5", "STRUCT<a>"} {
		if typ, err := parse.Type(bad, ast.KSQL); err == nil {
			t.Errorf("%q is the type %s", bad, ast.FormatType(typ, ast.KSQL))
		}
	}
}

func TestSubstitute(t *testing.T) {
	vars := map[string]string{"t": "topic", "n": "3"}
	check := func(in, want string) {
		t.Helper()
		if got := parse.Substitute(in, vars); got != want {
			t.Errorf("%s becomes %s, want %s", in, got, want)
		}
	}
	check("WITH (a = '${T}-x', p = ${ n })", "WITH (a = 'topic-x', p = 3)")
	check("${other} ${t", "${other} ${t")
}

// What nests or goes on without end must be refused, not overflow a stack, and what is
// long must not take time that grows faster than the text.
func TestLimits(t *testing.T) {
	refuse := func(what, sql, code string) {
		t.Helper()
		_, err := parse.Parse(sql, ast.Postgres)
		var e *pgerr.Error
		if !errors.As(err, &e) || e.Code != code {
			t.Errorf("%s: error %v, want %s", what, err, code)
		}
	}
	many := strings.Repeat
	refuse("parentheses", "SELECT "+many("(", 100_000)+"1"+many(")", 100_000), pgerr.StatementTooComplex)
	refuse("sub-queries", many("SELECT * FROM (", 5000)+"SELECT 1"+many(") AS a", 5000), pgerr.StatementTooComplex)
	refuse("joins", "SELECT * FROM "+many("(", 5000)+"a"+many(" CROSS JOIN b)", 5000), pgerr.StatementTooComplex)
	refuse("arrays", "SELECT ARRAY"+many("[", 5000)+"1"+many("]", 5000), pgerr.StatementTooComplex)
	refuse("types", "SELECT x::"+many("ARRAY<", 5000)+"INT"+many(">", 5000), pgerr.StatementTooComplex)
	refuse("statements", many("PREPARE p AS ", 5000)+"SELECT 1", pgerr.StatementTooComplex)
	refuse("casts", "SELECT 1"+many("::int", 50_000), pgerr.StatementTooComplex)
	refuse("a sum", "SELECT 1"+many(" + 1", 50_000), pgerr.StatementTooComplex)
	refuse("signs", "SELECT "+many("- ", 50_000)+"1", pgerr.StatementTooComplex)
	refuse("NOT", "SELECT "+many("NOT ", 50_000)+"a", pgerr.StatementTooComplex)
	refuse("text", "SELECT '"+many("x", 17<<20)+"'", pgerr.ProgramLimitExceeded)
	refuse("parameter", "SELECT $65536", pgerr.UndefinedParameter)
	refuse("parameter", "SELECT $99999999999999999999", pgerr.SyntaxError)

	for what, sql := range map[string]string{
		"OR":       "SELECT a = 1" + many(" OR a = 1", 4000),
		"rows":     "INSERT INTO t VALUES (1, 'a', NULL)" + many(", (1, 'a', NULL)", 20_000),
		"IN":       "SELECT a IN (1" + many(", 1", 50_000) + ")",
		"unions":   "SELECT 1" + many(" UNION ALL SELECT 1", 2000),
		"script":   many("SELECT 1;", 5000),
		"literals": "SELECT 'a'" + many("\n'b'", 100_000),
		"SET":      "UPDATE t SET a = ((SELECT 1))" + many(", a = ((SELECT 1))", 5000),
		"nested":   "SELECT " + many("(", 100) + "SELECT 1" + many(")", 100),
	} {
		if _, err := parse.Parse(sql, ast.Postgres); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// Nothing that a user names may be taken for a mark of the rewritten text.
func TestMarksAreNotNames(t *testing.T) {
	for _, sql := range []string{
		`SELECT "$cast"(x, 99)`, `SELECT "$on"(1)`, `SELECT "$any"(x) FROM "12"`, `SELECT "concat"('a', 'b')`, `SELECT * FROM t AS "0"`,
		`SELECT "@"`, "SELECT \"`x`\"", `SELECT 1 AS "limit 0" ORDER BY "limit 0"`, `SELECT group_concat(x ORDER BY y)`,
	} {
		if _, err := parse.Parse(sql, ast.Postgres); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
		roundTrip(t, sql, ast.Postgres)
	}
}

func TestConcurrently(t *testing.T) {
	sqls := []string{"SELECT a || b FROM t WHERE x = $1", "SELECT 1 +", "SELECT count(*) OVER (ORDER BY a) FROM t LIMIT 3"}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 300 {
				sql := sqls[i%len(sqls)]
				stmts, err := parse.Parse(sql, ast.Postgres)
				if (err == nil) != (i%len(sqls) != 1) || err == nil && len(stmts) != 1 {
					t.Errorf("%s: %d statements, error %v", sql, len(stmts), err)
				}
			}
		})
	}
	wg.Wait()
}

// The failpoint library under the TiDB parser must not obey the environment: with a
// setting that it cannot parse it would end the process.
func TestEnvironment(t *testing.T) {
	cmd := exec.Command(os.Args[0], "-test.run=^TestSubstitute$")
	cmd.Env = append(os.Environ(), "GO_FAILPOINTS=a/b=nonsense(", "GO_FAILPOINTS_HTTP=127.0.0.1:0")
	if out, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(out), "fail") {
		t.Errorf("%v: %s", err, out)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range seeds {
		f.Add(s, true)
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, sql string, ksql bool) {
		d := ast.Postgres
		if ksql {
			d = ast.KSQL
		}
		_, err := parse.Parse(sql, d)
		var e *pgerr.Error
		if err != nil && (!errors.As(err, &e) || e.Pos > len(sql)+1) {
			t.Fatalf("%v", err)
		}
		roundTrip(t, sql, d)
	})
}

var seeds = []string{
	"CREATE STREAM s (k STRING KEY, v ARRAY<STRUCT<a INT>>) WITH (kafka_topic='t', partitions=3)",
	"SELECT a->b, f(x => x + 1), MAP('k' := 1) FROM s WINDOW TUMBLING (SIZE 1 HOUR) GROUP BY a EMIT CHANGES LIMIT 2",
	"SELECT x::int[] AT TIME ZONE 'UTC' IS DISTINCT FROM E'\\n' FROM a FULL JOIN b USING (c), LATERAL f(1) AS g(h)",
	"WITH r AS (VALUES (1, 2)) INSERT INTO t SELECT * FROM r ON CONFLICT (a) DO UPDATE SET b = 1 RETURNING *",
	"(SELECT 1 UNION SELECT 2 ORDER BY 1 LIMIT 1) EXCEPT ((SELECT 3))",
	"SELECT sum(x) FILTER (WHERE y) OVER (PARTITION BY a ROWS 1 PRECEDING EXCLUDE TIES), a NOT LIKE b ESCAPE 'c'",
	"ALTER TABLE t ADD COLUMN a INT DEFAULT 1, DROP b; SET a.b = 'c', d; COPY t FROM STDIN WITH (FORMAT csv)",
	"SELECT extract(epoch FROM x), trim(both 'a' from b), U&'\\0041', B'01', $1, ${v}, -1.5e3",
}

func BenchmarkParse(b *testing.B) {
	for name, sql := range map[string]string{
		"pull":   "SELECT * FROM users WHERE id = $1",
		"insert": "INSERT INTO users (id, name, at) VALUES (1, 'alice', now())",
		"rows":   "INSERT INTO t VALUES (1, 'a', NULL)" + strings.Repeat(", (1, 'a', NULL)", 999),
		"ctas": "CREATE TABLE c WITH (partitions = 3) AS SELECT user, count(*) AS n, sum(price * 2) FROM pv " +
			"WINDOW TUMBLING (SIZE 1 MINUTE, GRACE PERIOD 30 SECONDS) WHERE price > 1 GROUP BY user HAVING count(*) > 3 EMIT CHANGES",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(sql)))
			for b.Loop() {
				if _, err := parse.Parse(sql, ast.Postgres); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
