package hostile

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/weirdb/weir/engine"
	"github.com/weirdb/weir/pgwire"
)

// TestGreed asks for more than a session may have. It is refused, and others get on.
func TestGreed(t *testing.T) {
	n := start(t, vfs.NewMem(), settings{
		engine: engine.Config{QueryMemory: 1 << 20}, pg: pgwire.Config{MaxStatements: 10},
	})
	w := watch(n)
	c := n.connect()
	for _, greed := range []struct{ name, sql, want string }{
		{"a sort", `SELECT g, repeat('x', 100) FROM generate_series(1, 100000) g ORDER BY g DESC`, "53200"},
		{"groups", `SELECT g, count(*) FROM generate_series(1, 100000) g GROUP BY g`, "53200"},
		{"distinct", `SELECT DISTINCT repeat('x', 100) || g FROM generate_series(1, 100000) g`, "53200"},
		{"an array", `SELECT array_agg(repeat('x', 100) || g) FROM generate_series(1, 100000) g`, "53200"},
	} {
		if _, err := try(c, greed.sql); sqlstate(err) != greed.want {
			t.Errorf("%s: %v, want %s", greed.name, err, greed.want)
		}
	}
	var last error
	exec(t, c, `BEGIN`)
	for i := range 1001 {
		if _, last = try(c, fmt.Sprintf(`DECLARE c%d CURSOR FOR SELECT 1`, i)); last != nil {
			break
		}
	}
	if code := sqlstate(last); !strings.HasPrefix(code, "5") {
		t.Errorf("cursors without end: %v (%s)", last, code)
	}
	exec(t, c, `ROLLBACK`)
	for i := range 11 {
		if _, last = c.PgConn().Prepare(t.Context(), fmt.Sprint("s", i), `SELECT 1`, nil); last != nil {
			break
		}
	}
	if code := sqlstate(last); !strings.HasPrefix(code, "5") {
		t.Errorf("statements without end: %v (%s)", last, code)
	}
	w.testify(n)
	w.unharmed()
}
