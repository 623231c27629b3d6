package stream

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/weirdb/weir/internal/fn"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
	"github.com/weirdb/weir/storage"
)

// script runs a chain over rows written as "op time value value ...", where op
// is one of + -U +U - and ~ is a null, and collects its output in the same form.
type script struct {
	t     *testing.T
	root  plan.Node
	env   Env
	types [][]vec.Type // columns of the inputs
	chain *Chain
	out   []string
	late  []string
	store *storage.Store
	index uint64
	// size is how many rows go into a batch; 0 means all.
	size int
}

func newScript(t *testing.T, root plan.Node, inputs ...[]vec.Type) *script {
	st, err := storage.Open(storage.Config{FS: vfs.NewMem(), Dir: "d", CheckpointEvery: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	s := &script{t: t, root: root, types: inputs, store: st, env: Env{Every: true, SkipNullKeys: true, Task: storage.TaskID{Query: 1}}}
	s.env.Report = func(b *vec.Batch, row int, err error) {
		s.late = append(s.late, fmt.Sprintf("%d: %v", b.Time[row], err))
	}
	return s
}

// restart makes the chain anew from what is stored.
func (s *script) restart() {
	s.t.Helper()
	env := s.env
	var err error
	if s.chain, err = Build(s.root, &env, s.collect); err != nil {
		s.t.Fatal(err)
	}
	if err := s.chain.Load(s.store.Shard(0)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *script) collect(b *vec.Batch) error {
	for _, r := range b.Selected() {
		line := fmt.Sprintf("%v %d", b.Op(int(r)), b.Time[r])
		for _, c := range b.Cols {
			if c.Null(int(r)) {
				line += " ~"
				continue
			}
			line += " " + string(vec.AppendText(nil, c, int(r), nil))
		}
		s.out = append(s.out, line)
	}
	return nil
}

var ops = map[string]vec.Op{"+": vec.Insert, "-U": vec.UpdateBefore, "+U": vec.UpdateAfter, "-": vec.Delete}

// batch makes a batch of rows of an input.
func (s *script) batch(input int, rows []string) *vec.Batch {
	s.t.Helper()
	b := &vec.Batch{}
	for _, t := range s.types[input] {
		b.Cols = append(b.Cols, vec.New(t))
	}
	for _, line := range rows {
		f := strings.Fields(line)
		op := vec.Insert
		if o, ok := ops[f[0]]; ok {
			op, f = o, f[1:]
		}
		var ms int64
		if _, err := fmt.Sscan(f[0], &ms); err != nil {
			s.t.Fatal(line, err)
		}
		for i, c := range b.Cols {
			if f[i+1] == "~" {
				c.Append(nil)
				continue
			}
			if c.Type.Kind == vec.Text {
				c.Append(f[i+1])
				continue
			}
			var n int64
			if _, err := fmt.Sscan(f[i+1], &n); err != nil {
				s.t.Fatal(line, err)
			}
			c.Append(n)
		}
		b.Ops = append(b.Ops, op)
		b.Time = append(b.Time, ms)
		b.N++
	}
	if !slices.ContainsFunc(b.Ops, func(o vec.Op) bool { return o != vec.Insert }) {
		b.Ops = nil
	}
	return b
}

// feed sends rows to an input.
func (s *script) feed(input int, rows ...string) {
	s.t.Helper()
	if s.chain == nil {
		s.restart()
	}
	size := s.size
	if size == 0 {
		size = len(rows)
	}
	for len(rows) > 0 {
		n := min(size, len(rows))
		for n < len(rows) && strings.HasPrefix(rows[n-1], "-U") {
			n++
		}
		if err := s.chain.Process(input, s.batch(input, rows[:n])); err != nil {
			s.t.Fatal(err)
		}
		rows = rows[n:]
	}
}

// commit ends a step.
func (s *script) commit() {
	s.t.Helper()
	if err := s.chain.Flush(); err != nil {
		s.t.Fatal(err)
	}
	var m storage.Mutations
	s.chain.Save(&m)
	s.index++
	if err, ok := s.store.Shard(0).Apply(s.index, 1, storage.AppendState(nil, &m)).(error); ok {
		s.t.Fatal(err)
	}
}

// want compares what came out since the last call.
func (s *script) want(lines ...string) {
	s.t.Helper()
	if !slices.Equal(s.out, lines) {
		s.t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(s.out, "\n\t"), strings.Join(lines, "\n\t"))
	}
	s.out = nil
}

// modes runs a test with batches of any size, with and without restarts.
func modes(t *testing.T, f func(t *testing.T, step func(s *script, input int, rows ...string))) {
	for _, size := range []int{1, 2, 0} {
		for _, crash := range []bool{false, true} {
			t.Run(fmt.Sprintf("batch%d_crash%v", size, crash), func(t *testing.T) {
				f(t, func(s *script, input int, rows ...string) {
					t.Helper()
					s.size = size
					s.feed(input, rows...)
					s.commit()
					if crash {
						s.restart()
					}
				})
			})
		}
	}
}

func col(i int, k vec.Kind) plan.Expr { return &plan.Col{Index: i, T: vec.Of(k)} }

func input(i int, types ...vec.Type) *plan.Input {
	n := &plan.Input{Index: i}
	for _, t := range types {
		n.Cols = append(n.Cols, plan.Column{Type: t})
	}
	return n
}

func kinds(ks ...vec.Kind) (out []vec.Type) {
	for _, k := range ks {
		out = append(out, vec.Of(k))
	}
	return out
}

// sumAgg is sum(bigint), for tests.
type sumAgg struct{}

func (sumAgg) Words() int        { return 1 }
func (sumAgg) HasBytes() bool    { return false }
func (sumAgg) Retractable() bool { return true }
func (sumAgg) Add(_ *fn.Ctx, s *fn.States, groups []uint32, rows []uint16, sign []int8, args []*vec.Vec) {
	for k, g := range groups {
		x := args[0].Ints[args[0].Row(int(rows[k]))]
		if args[0].Null(int(rows[k])) {
			continue
		}
		if sign != nil && sign[k] < 0 {
			x = -x
		}
		s.Words[int(g)*s.Stride+s.Off] += x
	}
}
func (sumAgg) Merge(_ *fn.Ctx, s *fn.States, to, from uint32) {
	s.Words[int(to)*s.Stride+s.Off] += s.Words[int(from)*s.Stride+s.Off]
}
func (sumAgg) Result(_ *fn.Ctx, s *fn.States, groups []uint32, rows []uint16, out *vec.Vec) {
	for k, g := range groups {
		out.Ints[rows[k]] = s.Words[int(g)*s.Stride+s.Off]
	}
}

func sumOf(i int) plan.AggCall {
	return plan.AggCall{
		Fn:   &fn.Agg{Name: "sum", New: func([]vec.Type) (fn.Aggregator, error) { return sumAgg{}, nil }},
		Args: []plan.Expr{col(i, vec.Int64)}, T: vec.Of(vec.Int64),
	}
}
