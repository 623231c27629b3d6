package storage

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"github.com/weirdb/weir/storage/batch"
)

// source is where a random test takes its choices from: rapid, or a seed.
type source interface{ IntN(n int) int }

type rapidSource struct{ t *rapid.T }

func (s rapidSource) IntN(n int) int { return rapid.IntRange(0, n-1).Draw(s.t, "n") }

// model is a shard as one would write it on a blackboard.
type model struct {
	spaces    map[Space]map[string]string
	logs      map[PartitionID]*modelLog
	positions map[taskKey]map[[2]int]Offset
	gens      map[taskKey]uint32
}

type modelLog struct {
	start, end Offset
	records    []modelRecord
	producers  map[int64]*modelProducer
	compacted  bool // Compact has run: superseded records may be gone
}

type modelRecord struct {
	offset     Offset
	key, value string // "" is null
}

type modelProducer struct {
	epoch   int16
	batches []string // "first-last@base", the last five
	next    int32
}

func newModel() *model {
	return &model{
		spaces: map[Space]map[string]string{}, logs: map[PartitionID]*modelLog{},
		positions: map[taskKey]map[[2]int]Offset{}, gens: map[taskKey]uint32{},
	}
}

func (m *model) log(p PartitionID) *modelLog {
	if m.logs[p] == nil {
		m.logs[p] = &modelLog{producers: map[int64]*modelProducer{}}
	}
	return m.logs[p]
}

func (m *model) space(s Space) map[string]string {
	if m.spaces[s] == nil {
		m.spaces[s] = map[string]string{}
	}
	return m.spaces[s]
}

var modelPartitions = []PartitionID{{1, 0}, {1, 1}, {256, 0}, {257, 3}}

// compacted says which of them are.
func compacted(p PartitionID) AppendFlags { return AppendFlags(p.Partition & 1) }

var modelTask = TaskID{Query: 7, Stage: 1}

func modelSpace(src source) Space {
	switch n := src.IntN(6); n {
	case 0:
		return NamedSpace("a")
	case 1:
		return NamedSpace("a\x00b")
	case 2:
		return OperatorSpaces(modelTask, 2)
	default:
		return PaneSpace(modelTask, 1, int64(n-4)) // -1, 0, 1
	}
}

// step makes a random command, applies it to the model and returns it with the answer it must get.
func (m *model) step(src source) (cmd []byte, want string) {
	switch src.IntN(12) {
	case 0, 1, 2:
		p := modelPartitions[src.IntN(len(modelPartitions))]
		b, recs := randomBatch(src, nil)
		return AppendAppend(nil, Append{p, compacted(p), b}), fmt.Sprintf("append %d", m.append(p, recs))
	case 3, 4:
		return m.idempotent(src)
	case 5, 6:
		mut := m.mutations(src)
		return AppendState(nil, &mut), "ok"
	case 7, 8, 9:
		return m.commit(src)
	case 10:
		p := modelPartitions[src.IntN(len(modelPartitions))]
		l := m.logs[p]
		if l == nil {
			return AppendTrim(nil, p, 0), "offset"
		}
		to := l.start + Offset(src.IntN(int(l.end-l.start)+2))
		l.start = max(l.start, min(to, l.end))
		return AppendTrim(nil, p, to), "ok"
	default:
		if src.IntN(3) > 0 {
			mut := m.mutations(src)
			return AppendState(nil, &mut), "ok"
		}
		if src.IntN(2) == 0 {
			delete(m.gens, modelTask.key())
			delete(m.positions, modelTask.key())
			m.dropPrefix(QuerySpaces(modelTask.Query))
			return AppendDropTask(nil, modelTask.Query), "ok"
		}
		p := modelPartitions[src.IntN(len(modelPartitions))]
		for id := range m.logs {
			if id.Topic == p.Topic {
				delete(m.logs, id)
				delete(m.spaces, TableSpace(id))
			}
		}
		return AppendDropTopic(nil, p.Topic), "ok"
	}
}

func (m *model) dropPrefix(p Space) {
	maps.DeleteFunc(m.spaces, func(s Space, _ map[string]string) bool { return strings.HasPrefix(string(s), string(p)) })
}

func randomBatch(src source, p *batch.Producer) (b []byte, recs []modelRecord) {
	bb := batch.Builder{Producer: p, Codec: batch.Codec(src.IntN(5))}
	for i := range 1 + src.IntN(4) {
		r := modelRecord{offset: Offset(i), key: fmt.Sprintf("k%d", src.IntN(8))}
		var v []byte
		if src.IntN(5) > 0 {
			r.value = fmt.Sprintf("%0*d", 1+src.IntN(30), src.IntN(1000))
			v = []byte(r.value)
		}
		bb.Append(int64(src.IntN(1000)), []byte(r.key), v)
		recs = append(recs, r)
	}
	v, err := bb.Finish()
	if err != nil {
		panic(err)
	}
	return bytes.Clone(v), recs
}

func (m *model) append(p PartitionID, recs []modelRecord) Offset {
	l := m.log(p)
	base := l.end
	for _, r := range recs {
		r.offset = l.end
		l.end++
		l.records = append(l.records, r)
		if compacted(p) == 0 {
			continue
		}
		if t := m.space(TableSpace(p)); r.value == "" {
			delete(t, r.key)
		} else {
			t[r.key] = fmt.Sprintf("%d:%s", r.offset, r.value)
		}
	}
	return base
}

func (m *model) idempotent(src source) ([]byte, string) {
	p := modelPartitions[src.IntN(len(modelPartitions))]
	id, epoch := int64(src.IntN(2)), int16(src.IntN(2))
	l := m.log(p)
	pr := l.producers[id]
	seq := int32(src.IntN(3))
	if pr != nil && src.IntN(4) > 0 { // mostly the next one, or a retry
		epoch = pr.epoch
		seq = pr.next
		if src.IntN(3) == 0 {
			fmt.Sscanf(pr.batches[src.IntN(len(pr.batches))], "%d-", &seq)
		}
	}
	b, recs := randomBatch(src, &batch.Producer{ID: id, Epoch: epoch, Sequence: seq})
	last := seq + int32(len(recs)) - 1
	cmd := AppendAppend(nil, Append{p, compacted(p), b})
	span := fmt.Sprintf("%d-%d@", seq, last)
	switch {
	case pr == nil:
	case epoch < pr.epoch:
		return cmd, "append epoch"
	case epoch > pr.epoch && seq != 0:
		return cmd, "append sequence"
	case epoch > pr.epoch:
	default:
		if i := slices.IndexFunc(pr.batches, func(s string) bool { return strings.HasPrefix(s, span) }); i >= 0 {
			return cmd, "append duplicate " + pr.batches[i][len(span):]
		}
		if seq != pr.next {
			oldest := int32(0)
			fmt.Sscanf(pr.batches[0], "%d-", &oldest)
			if last < oldest {
				return cmd, "append old"
			}
			return cmd, "append sequence"
		}
	}
	base := m.append(p, recs)
	if pr == nil || pr.epoch != epoch {
		pr = &modelProducer{epoch: epoch}
		l.producers[id] = pr
	}
	pr.batches = append(pr.batches, fmt.Sprintf("%s%d", span, base))
	if len(pr.batches) > 5 {
		pr.batches = pr.batches[1:]
	}
	pr.next = last + 1
	return cmd, fmt.Sprintf("append %d", base)
}

func (m *model) mutations(src source) (mut Mutations) {
	for range src.IntN(6) {
		s := modelSpace(src)
		k := fmt.Sprintf("%0*d", 1+src.IntN(3), src.IntN(5))
		switch src.IntN(8) {
		default:
			v := strings.Repeat("v", src.IntN(20)) + fmt.Sprint(src.IntN(100))
			mut.Set(s, []byte(k), []byte(v))
			m.space(s)[k] = v
		case 0:
			mut.Delete(s, []byte(k))
			delete(m.space(s), k)
		case 1:
			mut.DropSpace(s)
			delete(m.spaces, s)
		case 2:
			p := TaskSpaces(modelTask)
			if src.IntN(2) == 0 {
				p = OperatorSpaces(modelTask, 1)
			}
			mut.DropPrefix(p)
			m.dropPrefix(p)
		}
	}
	return mut
}

func (m *model) commit(src source) ([]byte, string) {
	c := Commit{Task: modelTask}
	k := modelTask.key()
	c.Task.Generation = m.gens[k] + uint32(src.IntN(3)) - uint32(min(1, m.gens[k]))
	stale := c.Task.Generation < m.gens[k]
	moved := map[[2]int]Offset{}
	for in := range 2 {
		if src.IntN(2) == 0 {
			continue
		}
		at := [2]int{in, 1}
		stored, ok := m.positions[k][at]
		if !ok {
			stored = Unset
		}
		if src.IntN(8) == 0 {
			stored += 3
			stale = true
		}
		moved[at] = max(stored, 0) + Offset(src.IntN(3))
		c.Positions = append(c.Positions, Position{uint16(in), 1, stored, moved[at]})
	}
	keep := m.clone()
	c.State = m.mutations(src)
	want := "commit"
	for range src.IntN(3) {
		p := modelPartitions[src.IntN(len(modelPartitions))]
		b, recs := randomBatch(src, nil)
		c.Output = append(c.Output, Append{p, compacted(p), b})
		want += fmt.Sprintf(" %d", m.append(p, recs))
	}
	if stale {
		*m = *keep
		return AppendCommit(nil, c), "stale"
	}
	m.gens[k] = c.Task.Generation
	if m.positions[k] == nil {
		m.positions[k] = map[[2]int]Offset{}
	}
	maps.Copy(m.positions[k], moved)
	return AppendCommit(nil, c), want
}

func (m *model) clone() *model {
	c := newModel()
	for s, kv := range m.spaces {
		c.spaces[s] = maps.Clone(kv)
	}
	for p, l := range m.logs {
		k := *l
		k.records = slices.Clone(l.records)
		k.producers = map[int64]*modelProducer{}
		for id, pr := range l.producers {
			q := *pr
			q.batches = slices.Clone(pr.batches)
			k.producers[id] = &q
		}
		c.logs[p] = &k
	}
	for k, p := range m.positions {
		c.positions[k] = maps.Clone(p)
	}
	c.gens = maps.Clone(m.gens)
	return c
}

// answer puts what Apply returned into the words of step.
func answer(res any) string {
	switch r := res.(type) {
	case nil:
		return "ok"
	case *AppendResult:
		b := r.Batches[0]
		switch {
		case b.Duplicate:
			return fmt.Sprintf("append duplicate %d", b.Base)
		case errors.Is(b.Err, ErrProducerEpoch):
			return "append epoch"
		case errors.Is(b.Err, ErrSequence):
			return "append sequence"
		case errors.Is(b.Err, ErrDuplicate):
			return "append old"
		}
		return fmt.Sprintf("append %d", b.Base)
	case *CommitResult:
		s := "commit"
		for _, o := range r.Output {
			s += fmt.Sprintf(" %d", o.Batches[0].Base)
		}
		return s
	case error:
		if errors.Is(r, ErrStaleTask) {
			return "stale"
		}
		if errors.Is(r, ErrOffset) {
			return "offset"
		}
	}
	return fmt.Sprint(res)
}

// check compares a shard with the model.
func (m *model) check(t tester, sh *Shard) {
	t.Helper()
	spaces := map[Space]bool{}
	for s := range m.spaces {
		spaces[s] = true
	}
	for _, p := range modelPartitions {
		spaces[TableSpace(p)] = true
	}
	for n := range 6 {
		spaces[modelSpace(fixedSource(n))] = true
	}
	for s := range spaces {
		m.checkSpace(t, sh, s)
	}
	for _, p := range modelPartitions {
		m.checkLog(t, sh, p)
	}
	k := modelTask.key()
	gen, pos, err := sh.Positions(modelTask)
	if err != nil || gen != m.gens[k] || len(pos) != len(m.positions[k]) {
		t.Fatalf("generation %d, positions %v, %v; want %d, %v", gen, pos, err, m.gens[k], m.positions[k])
	}
	for _, p := range pos {
		if m.positions[k][[2]int{int(p.Input), int(p.Partition)}] != p.Offset {
			t.Fatalf("positions %v, want %v", pos, m.positions[k])
		}
	}
}

type fixedSource int

func (f fixedSource) IntN(int) int { return int(f) }

func (m *model) checkSpace(t tester, sh *Shard, s Space) {
	t.Helper()
	var got, want []string
	show := func(v []byte) string {
		if s[0] != spaceTable {
			return string(v)
		}
		r, err := DecodeTableRow(v)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%d:%s", r.Offset, r.Value)
	}
	err := sh.Scan(s, nil, nil, func(k, v []byte) bool {
		got = append(got, fmt.Sprintf("%s=%s", k, show(v)))
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range slices.Sorted(maps.Keys(m.spaces[s])) {
		want = append(want, fmt.Sprintf("%s=%s", k, m.spaces[s][k]))
	}
	diff(t, fmt.Sprintf("space %q", s), got, want)
	for k, want := range m.spaces[s] {
		v, ok, err := sh.Get(s, []byte(k))
		if err != nil || !ok || show(v) != want {
			t.Fatalf("space %q: %s is %q %t %v, want %q", s, k, v, ok, err, want)
		}
	}
	if _, ok, err := sh.Get(s, []byte("absent")); ok || err != nil {
		t.Fatal(ok, err)
	}
}

func (m *model) checkLog(t tester, sh *Shard, p PartitionID) {
	t.Helper()
	l, ml := sh.Log(p), m.logs[p]
	if ml == nil || ml.end == 0 {
		if l != nil && l.End() != 0 {
			t.Fatalf("log %v ends at %d, want none", p, l.End())
		}
		return
	}
	if l == nil || l.Start() != ml.start || l.End() != ml.end {
		t.Fatalf("log %v is %v, want [%d, %d)", p, l, ml.start, ml.end)
	}
	latest := map[string]Offset{}
	for _, r := range ml.records {
		latest[r.key] = r.offset
	}
	got := read(t, l, ml.start)
	var want []string
	for _, r := range ml.records {
		s := fmt.Sprintf("%d %s=%s", r.offset, r.key, r.value)
		if r.offset < ml.start || ml.compacted && latest[r.key] != r.offset && !slices.Contains(got, s) {
			continue
		}
		want = append(want, s)
	}
	diff(t, fmt.Sprintf("log %v", p), got, want)
	if _, err := l.Read(ml.end+1, 100, nil); !errors.Is(err, ErrOffset) {
		t.Fatal(err)
	}
	if ml.start > 0 {
		if _, err := l.Read(ml.start-1, 100, nil); !errors.Is(err, ErrOffset) {
			t.Fatal(err)
		}
	}
}

// modelConfig makes everything happen often.
func modelConfig() Config {
	return Config{FS: vfs.NewCrashableMem(), Dir: "data", CheckpointEvery: -1, SegmentBytes: 500, IndexInterval: 120, CacheBytes: 1 << 20, MemTableBytes: 256 << 10, Logger: silent{}}
}

type silent struct{}

func (silent) Infof(string, ...any)  {}
func (silent) Errorf(string, ...any) {}

func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := &node{t: rt, cfg: modelConfig()}
		n.open()
		defer func() {
			if err := n.store.Close(); err != nil {
				rt.Error(err)
			}
		}()
		m := newModel()
		src := rapidSource{rt}
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			switch src.IntN(16) {
			case 0:
				if err := n.Checkpoint(); err != nil {
					rt.Fatal(err)
				}
			case 1:
				disk := n.cfg.FS.(*vfs.MemFS).CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: src.IntN(3) * 50, RNG: rand.New(rand.NewPCG(uint64(src.IntN(100)), 1))})
				if err := n.store.Close(); err != nil {
					rt.Fatal(err)
				}
				n.cfg.FS = disk
				n.open()
			case 2:
				p := modelPartitions[src.IntN(len(modelPartitions))]
				if err := n.Compact(p, 2000, 5000); err != nil {
					rt.Fatal(err)
				}
				if l := m.logs[p]; l != nil && compacted(p) != 0 {
					l.compacted = true
				}
			case 3:
				var b bytes.Buffer
				at, err := n.WriteSnapshot(&b)
				if err != nil || at != n.Applied() {
					rt.Fatal(at, err)
				}
				other := n.store.Shard(99)
				if _, err := other.ReadSnapshot(&b); err != nil {
					rt.Fatal(err)
				}
				if other.Applied() != at || other.Durable() != at {
					rt.Fatal(other.Applied(), other.Durable(), at)
				}
				m.check(rt, other)
			default:
				cmd, want := m.step(src)
				if got := answer(n.apply(cmd)); got != want {
					rt.Fatalf("answer %q, want %q", got, want)
				}
			}
			m.check(rt, n.Shard)
		}
	})
}
