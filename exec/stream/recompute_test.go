package stream

import (
	"slices"
	"strings"
	"testing"

	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
)

// anew is the two largest values of column 1, over rows (id, value).
func anew() (*plan.Recompute, []vec.Type) {
	types := kinds(vec.Int64, vec.Int64)
	scan := &plan.Scan{Name: "t", Cols: []plan.SourceColumn{{Name: "id", Type: types[0]}, {Name: "v", Type: types[1]}}}
	two := &plan.Const{Value: int64(2), T: vec.Of(vec.Int64)}
	query := &plan.Limit{N: two, In: &plan.Sort{
		In:   &plan.Project{In: scan, Exprs: []plan.Expr{col(1, vec.Int64)}, Names: []string{"v"}},
		Keys: []plan.SortKey{{X: col(0, vec.Int64), Desc: true}}, Top: two,
	}}
	return &plan.Recompute{Ins: []plan.Node{input(0, types...)}, Query: query}, types
}

// withoutRow takes the last column off, which tells equal rows apart.
func withoutRow(lines []string) (out, ids []string) {
	for _, l := range lines {
		i := strings.LastIndexByte(l, ' ')
		out, ids = append(out, l[:i]), append(ids, l[i+1:])
	}
	return out, ids
}

func TestRecompute(t *testing.T) {
	modes(t, func(t *testing.T, step func(s *script, input int, rows ...string)) {
		n, types := anew()
		s := newScript(t, n, types)
		want := func(lines ...string) []string {
			t.Helper()
			got, ids := withoutRow(s.out)
			if !slices.Equal(got, lines) {
				t.Errorf("got %q, want %q", got, lines)
			}
			s.out = nil
			return ids
		}
		step(s, 0, "+ 1 1 10", "+ 2 2 20", "+ 3 3 30")
		want("+ 3 30", "+ 3 20")
		step(s, 0, "+ 4 4 5") // below the top: nothing to tell
		want()
		step(s, 0, "- 5 3 30") // what was third moves up
		want("- 5 30", "+ 5 10")
		step(s, 0, "-U 6 1 10", "+U 6 1 20")
		ids := want("- 6 10", "+ 6 20")
		step(s, 0, "- 7 2 20") // one of two equal rows goes, and 5 moves up
		again := want("- 7 20", "+ 7 5")
		if ids[1] != again[0] {
			t.Errorf("the second 20 came as %s and goes as %s", ids[1], again[0])
		}
	})
}
