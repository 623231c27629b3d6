package engine

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/jackc/pgx/v5"
)

// differential are persistent queries with the pull queries that compute the
// same from the base data.
var differential = []struct{ create, got, want string }{
	{ // aggregates of a stream
		"CREATE TABLE agg AS SELECT g, count(*) AS n, count(v) AS nv, sum(v) AS s, min(v) AS lo, max(v) AS hi, avg(v) AS a FROM ev GROUP BY g",
		"SELECT g, n, nv, s, lo, hi, round(a, 6) FROM agg",
		"SELECT g, count(*), count(v), sum(v), min(v), max(v), round(avg(v), 6) FROM ev GROUP BY g",
	},
	{
		"CREATE MATERIALIZED VIEW hav AS SELECT g, count(*) AS n FROM ev WHERE v > 20 GROUP BY g HAVING count(*) % 2 = 0",
		"SELECT g, n FROM hav",
		"SELECT g, count(*) FROM ev WHERE v > 20 GROUP BY g HAVING count(*) % 2 = 0",
	},
	{ // of a table, with retractions
		"CREATE MATERIALIZED VIEW tagg AS SELECT r, count(*) AS n, count(w) AS nw, sum(w) AS s, min(w) AS lo, max(w) AS hi, avg(w) AS a FROM t GROUP BY r",
		"SELECT r, n, nw, s, lo, hi, round(a, 6) FROM tagg",
		"SELECT r, count(*), count(w), sum(w), min(w), max(w), round(avg(w), 6) FROM t GROUP BY r",
	},
	{
		"CREATE MATERIALIZED VIEW nested AS SELECT n, count(*) AS c FROM (SELECT r, count(*) AS n FROM t GROUP BY r) x GROUP BY n",
		"SELECT n, c FROM nested",
		"SELECT n, count(*) FROM (SELECT r, count(*) AS n FROM t GROUP BY r) x GROUP BY n",
	},
	{ // joins of tables: by key, by foreign key, outer
		"CREATE MATERIALIZED VIEW tj AS SELECT t.id, t.w, u.x FROM t JOIN u ON t.id = u.id",
		"SELECT id, w, x FROM tj",
		"SELECT t.id, t.w, u.x FROM t JOIN u ON t.id = u.id",
	},
	{
		"CREATE MATERIALIZED VIEW tl AS SELECT t.id, t.w, u.x FROM t LEFT JOIN u ON t.id = u.id",
		"SELECT id, w, x FROM tl",
		"SELECT t.id, t.w, u.x FROM t LEFT JOIN u ON t.id = u.id",
	},
	{
		"CREATE MATERIALIZED VIEW fk AS SELECT t.id, t.r, u.x FROM t JOIN u ON t.r = u.id",
		"SELECT id, r, x FROM fk",
		"SELECT t.id, t.r, u.x FROM t JOIN u ON t.r = u.id",
	},
	{
		"CREATE MATERIALIZED VIEW fkl AS SELECT t.id, t.r, u.x FROM t LEFT JOIN u ON t.r = u.id",
		"SELECT id, r, x FROM fkl",
		"SELECT t.id, t.r, u.x FROM t LEFT JOIN u ON t.r = u.id",
	},
	{ // an aggregate over a join
		"CREATE MATERIALIZED VIEW ja AS SELECT u.x, count(*) AS n, sum(t.w) AS s FROM t JOIN u ON t.r = u.id GROUP BY u.x",
		"SELECT x, n, s FROM ja",
		"SELECT u.x, count(*), sum(t.w) FROM t JOIN u ON t.r = u.id GROUP BY u.x",
	},
	{ // over a view over a view
		"CREATE MATERIALIZED VIEW over1 AS SELECT n, count(*) AS c, sum(s) AS s FROM ja GROUP BY n",
		"SELECT n, c, s FROM over1",
		"SELECT n, count(*), sum(s) FROM (SELECT u.x, count(*) AS n, sum(t.w) AS s FROM t JOIN u ON t.r = u.id GROUP BY u.x) y GROUP BY n",
	},
	{
		"CREATE MATERIALIZED VIEW dis AS SELECT DISTINCT r, w % 3 AS m FROM t",
		"SELECT r, m FROM dis",
		"SELECT DISTINCT r, w % 3 FROM t",
	},
	{
		"CREATE MATERIALIZED VIEW top AS SELECT id, w FROM t ORDER BY w DESC, id LIMIT 5",
		"SELECT id, w FROM top",
		"SELECT id, w FROM t ORDER BY w DESC, id LIMIT 5",
	},
	{ // rows move; a row without a key of one column cannot be held yet
		"CREATE MATERIALIZED VIEW rep AS SELECT g + v AS gv, count(*) AS n FROM ev WHERE v IS NOT NULL GROUP BY g + v",
		"SELECT gv, n FROM rep",
		"SELECT g + v, count(*) FROM ev WHERE v IS NOT NULL GROUP BY g + v",
	},
	{
		"CREATE TABLE win AS SELECT g, window_start AS ws, count(*) AS n, sum(v) AS s FROM TUMBLE(ev, at, INTERVAL '10 seconds') GROUP BY g, window_start",
		"SELECT g, ws, n, s FROM win",
		"SELECT g, window_start, count(*), sum(v) FROM TUMBLE(ev, at, INTERVAL '10 seconds') GROUP BY g, window_start",
	},
}

// TestDifferential changes streams and tables at random and compares what
// persistent queries hold with what the same query gives when it is asked, across
// restarts of the node.
func TestDifferential(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	fs := vfs.NewMem()
	var c *pgx.Conn
	exec := func(sql string, args ...any) {
		t.Helper()
		if _, err := c.Exec(t.Context(), sql, args...); err != nil {
			t.Fatalf("seed %d: %s: %v", seed, sql, err)
		}
	}
	answer := func(sql string) []string {
		t.Helper()
		rows, err := c.Query(t.Context(), sql, pgx.QueryExecModeSimpleProtocol)
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		var out []string
		for rows.Next() {
			var row []string
			for _, v := range rows.RawValues() {
				if v == nil {
					row = append(row, "NULL")
				} else {
					row = append(row, string(v))
				}
			}
			out = append(out, strings.Join(row, "|"))
		}
		if rows.Err() != nil {
			t.Fatalf("%s: %v", sql, rows.Err())
		}
		slices.Sort(out)
		return out
	}
	value := func(n int) string {
		if rnd.IntN(8) == 0 {
			return "NULL"
		}
		return fmt.Sprint(rnd.IntN(n))
	}
	change := func() {
		switch rnd.IntN(8) {
		case 0, 1:
			var rows []string
			for range 1 + rnd.IntN(40) {
				rows = append(rows, fmt.Sprintf("(%d, %d, %s, timestamp '2024-01-01' + %d * interval '1 second')", rnd.IntN(50), rnd.IntN(5), value(100), rnd.IntN(60)))
			}
			exec("INSERT INTO ev VALUES " + strings.Join(rows, ", "))
		case 2, 3:
			id := rnd.IntN(40)
			exec(fmt.Sprintf("DELETE FROM t WHERE id = %d", id))
			exec(fmt.Sprintf("INSERT INTO t VALUES (%d, %s, %s)", id, value(8), value(100)))
		case 4:
			exec(fmt.Sprintf("UPDATE t SET r = %s, w = %s WHERE id %% 7 = %d", value(8), value(100), rnd.IntN(7)))
		case 5:
			exec(fmt.Sprintf("DELETE FROM t WHERE id %% 11 = %d", rnd.IntN(11)))
		case 6:
			id := rnd.IntN(10)
			exec(fmt.Sprintf("DELETE FROM u WHERE id = %d", id))
			exec(fmt.Sprintf("INSERT INTO u VALUES (%d, %d)", id, rnd.IntN(3)))
		case 7:
			exec(fmt.Sprintf("UPDATE u SET x = %d WHERE id %% 4 = %d", rnd.IntN(3), rnd.IntN(4)))
			exec(fmt.Sprintf("DELETE FROM u WHERE id = %d", rnd.IntN(10)))
		}
	}
	for round := range 3 {
		var stop func()
		c, stop = reopenedNode(t, fs)
		if round == 0 {
			exec("CREATE STREAM ev (k int KEY, g int, v int, at timestamp) WITH (partitions = 3)")
			exec("CREATE TABLE t (id int PRIMARY KEY, r int, w int) WITH (partitions = 3)")
			exec("CREATE TABLE u (id int PRIMARY KEY, x int) WITH (partitions = 2)")
			for range 20 {
				change()
			}
			for _, q := range differential {
				exec(q.create)
			}
		}
		for range 4 {
			for range 15 {
				change()
			}
			exec("FLUSH")
			for _, q := range differential {
				got, want := answer(q.got), answer(q.want)
				if !slices.Equal(got, want) {
					t.Errorf("seed %d, round %d: %s\ngot  %v\nwant %v", seed, round, q.create, got, want)
				}
			}
		}
		stop()
		if t.Failed() {
			return
		}
	}
}

// reopenedNode is a node on fs and a client of it; stop ends both.
func reopenedNode(t *testing.T, fs vfs.FS) (c *pgx.Conn, stop func()) {
	t.Helper()
	n, err := Open(t.Context(), Config{Dir: "/weir", FS: fs, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	c, hangUp := pgDoor(t, n)
	return c, func() {
		t.Helper()
		if err := errors.Join(hangUp(), n.Close()); err != nil {
			t.Error(err)
		}
	}
}
