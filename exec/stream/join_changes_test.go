package stream

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
)

// relation is a table with primary key, as a test sees it: id, fk, value.
type relation map[int]string

// Random changes of two tables that are joined on columns that are not unique:
// what the changes add up to is what a join of the tables gives.
func TestChangeJoinAgainstModel(t *testing.T) {
	types := kinds(vec.Int64, vec.Text, vec.Int64)
	for _, kind := range []plan.JoinKind{plan.InnerJoin, plan.LeftJoin, plan.RightJoin, plan.FullJoin, plan.SemiJoin, plan.AntiJoin} {
		for seed := range uint64(15) {
			for _, every := range []bool{true, false} {
				r := rand.New(rand.NewPCG(seed, uint64(kind)))
				j := &plan.Join{Shape: plan.Bounded, Kind: kind, L: input(0, types...), R: input(1, types...), LKeys: []plan.Expr{col(1, vec.Text)}, RKeys: []plan.Expr{col(1, vec.Text)}}
				s := newScript(t, j, types, types)
				s.env.Every = every
				var sides [2]relation
				sides[0], sides[1] = relation{}, relation{}
				for step := range 60 {
					side, id := r.IntN(2), r.IntN(4)
					fk := fmt.Sprintf("k%d", r.IntN(3))
					if r.IntN(5) == 0 {
						fk = "~"
					}
					row := fmt.Sprintf("%d %s %d", id, fk, r.IntN(3))
					old, had := sides[side][id]
					switch {
					case had && r.IntN(3) == 0:
						s.feed(side, fmt.Sprintf("- %d %s", step, old))
						delete(sides[side], id)
					case had:
						s.feed(side, fmt.Sprintf("-U %d %s", step, old), fmt.Sprintf("+U %d %s", step, row))
						sides[side][id] = row
					default:
						s.feed(side, fmt.Sprintf("+ %d %s", step, row))
						sides[side][id] = row
					}
					if r.IntN(4) == 0 {
						s.commit()
						if r.IntN(2) == 0 {
							s.restart()
						}
					}
					if got, want := added(t, s.out), modelJoin(kind, sides); !slices.Equal(got, want) {
						t.Fatalf("%v, seed %d, step %d: got\n%s\nwant\n%s", kind, seed, step, strings.Join(got, "\n"), strings.Join(want, "\n"))
					}
				}
			}
		}
	}
}

// added returns the rows that changes add up to, sorted.
func added(t *testing.T, changes []string) (rows []string) {
	t.Helper()
	for _, c := range changes {
		f := strings.SplitN(c, " ", 3)
		if f[0] == "+" || f[0] == "+U" {
			rows = append(rows, f[2])
			continue
		}
		i := slices.Index(rows, f[2])
		if i < 0 {
			t.Fatalf("%q takes away what is not there", c)
		}
		rows = slices.Delete(rows, i, i+1)
	}
	slices.Sort(rows)
	return rows
}

func modelJoin(kind plan.JoinKind, sides [2]relation) (rows []string) {
	matched := map[string]bool{}
	for _, l := range sides[0] {
		n := 0
		for _, r := range sides[1] {
			if lk, rk := strings.Fields(l)[1], strings.Fields(r)[1]; lk != rk || lk == "~" {
				continue
			}
			n++
			matched[r] = true
			if kind != plan.SemiJoin && kind != plan.AntiJoin {
				rows = append(rows, l+" "+r)
			}
		}
		switch {
		case n == 0 && (kind == plan.LeftJoin || kind == plan.FullJoin):
			rows = append(rows, l+" ~ ~ ~")
		case (n > 0) == (kind == plan.SemiJoin) && (kind == plan.SemiJoin || kind == plan.AntiJoin):
			rows = append(rows, l)
		}
	}
	if kind == plan.RightJoin || kind == plan.FullJoin {
		for _, r := range sides[1] {
			if !matched[r] {
				rows = append(rows, "~ ~ ~ "+r)
			}
		}
	}
	slices.Sort(rows)
	return rows
}

// An update of either side of a foreign-key join is an update of the result.
func TestForeignKeyJoinUpdates(t *testing.T) {
	types := kinds(vec.Int64, vec.Text, vec.Int64)
	j := &plan.Join{Shape: plan.Bounded, Kind: plan.LeftJoin, L: input(0, types...), R: input(1, keyed...), LKeys: []plan.Expr{col(1, vec.Text)}, RKeys: []plan.Expr{col(0, vec.Text)}}
	s := newScript(t, j, types, keyed)
	s.feed(0, "1 10 a 1", "2 11 a 2")
	s.feed(1, "3 a 7")
	s.feed(1, "-U 4 a 7", "+U 4 a 8")
	s.feed(0, "-U 5 10 a 1", "+U 5 10 b 1")
	s.feed(1, "- 6 a 8")
	s.want("+ 1 10 a 1 ~ ~", "+ 2 11 a 2 ~ ~",
		"-U 3 10 a 1 ~ ~", "+U 3 10 a 1 a 7", "-U 3 11 a 2 ~ ~", "+U 3 11 a 2 a 7",
		"-U 4 10 a 1 a 7", "+U 4 10 a 1 a 8", "-U 4 11 a 2 a 7", "+U 4 11 a 2 a 8",
		"-U 5 10 a 1 a 8", "+U 5 10 b 1 ~ ~",
		"-U 6 11 a 2 a 8", "+U 6 11 a 2 ~ ~")
}

func TestUnionAll(t *testing.T) {
	u := &plan.SetOp{Op: plan.Union, All: true, L: input(0, keyed...), R: input(1, keyed...)}
	s := newScript(t, u, keyed, keyed)
	s.feed(0, "1 a 1")
	s.feed(1, "2 a 1")
	s.want("+ 1 a 1", "+ 2 a 1")
}
