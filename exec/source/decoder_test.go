package source

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
	"github.com/weirdb/weir/storage"
	"github.com/weirdb/weir/storage/batch"
)

func scanOf(cols ...plan.SourceColumn) *plan.Scan {
	return &plan.Scan{
		Name: "s", TimeField: -1, Cols: cols,
		Codec: plan.Codec{
			Key:   plan.Format{Name: "KAFKA", Fields: []vec.Field{{Name: "k", Type: vec.Of(vec.Text)}}},
			Value: plan.Format{Name: "JSON", Wrap: true, Fields: []vec.Field{{Name: "a", Type: vec.Of(vec.Int64)}, {Name: "b", Type: vec.Of(vec.Text)}}},
		},
	}
}

var (
	colK = plan.SourceColumn{Name: "k", Type: vec.Of(vec.Text), Kind: plan.KeyField}
	colA = plan.SourceColumn{Name: "a", Type: vec.Of(vec.Int64), Kind: plan.ValueField}
	colB = plan.SourceColumn{Name: "b", Type: vec.Of(vec.Text), Kind: plan.ValueField, Index: 1}
	colT = plan.SourceColumn{Name: "t", Type: vec.Of(vec.Int64), Kind: plan.RowTime}
	colO = plan.SourceColumn{Name: "o", Type: vec.Of(vec.Int64), Kind: plan.RowOffset}
)

// log builds record batches; offsets follow each other.
type log struct {
	raw  []byte
	next int64
}

func (l *log) add(t *testing.T, codec batch.Codec, recs ...batch.Record) {
	t.Helper()
	b := batch.Builder{Codec: codec}
	for _, r := range recs {
		b.AppendRecord(&r)
	}
	v, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	v = slices.Clone(v)
	v.SetBase(l.next, 0)
	l.next += int64(len(recs))
	l.raw = append(l.raw, v...)
}

func record(ts int64, key, value string) batch.Record {
	r := batch.Record{Timestamp: ts}
	if key != "" {
		r.Key = []byte(key)
	}
	if value != "" {
		r.Value = []byte(value)
	}
	return r
}

// decode returns the rows from an offset on as text, and those that were broken.
func decode(t *testing.T, cfg Config, raw []byte, from storage.Offset) (rows, bad []string, next storage.Offset) {
	t.Helper()
	cfg.Bad = func(b Broken) { bad = append(bad, fmt.Sprintf("%d %s: %v", b.Offset, b.Value, b.Reason)) }
	d, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	d.Reset(raw, from)
	for {
		r, err := d.Next()
		if err != nil {
			t.Fatal(err)
		}
		if r == nil {
			return rows, bad, next
		}
		next = r.Next
		for _, i := range r.Selected() {
			line := fmt.Sprintf("%v %d", r.Op(int(i)), r.Time[i])
			for _, c := range r.Cols {
				if c.Null(int(i)) {
					line += " ~"
				} else {
					line += " " + string(vec.AppendText(nil, c, int(i), nil))
				}
			}
			rows = append(rows, line)
		}
	}
}

func want(t *testing.T, what string, got []string, lines ...string) {
	t.Helper()
	if !slices.Equal(got, lines) {
		t.Errorf("%s: got %q, want %q", what, got, lines)
	}
}

func TestDecode(t *testing.T) {
	var l log
	l.add(t, batch.None, record(1, "x", `{"a":1,"b":"p"}`), record(2, "", `{"a":2}`))
	l.add(t, batch.Zstd, record(3, "y", ``), record(4, "y", `{"a":"no number"}`))
	l.add(t, batch.Gzip, record(5, "z", `{"a":5,"b":null}`))
	rows, bad, next := decode(t, Config{Scan: scanOf(colK, colA, colB, colT, colO)}, l.raw, 0)
	want(t, "rows", rows, "+ 1 x 1 p 1 0", "+ 2 ~ 2 ~ 2 1", "- 3 y ~ ~ 3 2", "+ 5 z 5 ~ 5 4")
	if len(bad) != 1 || next != 5 {
		t.Errorf("broken %q, next %d", bad, next)
	}
	rows, _, _ = decode(t, Config{Scan: scanOf(colA)}, l.raw, 1)
	want(t, "from 1", rows, "+ 2 2", "- 3 ~", "+ 5 5")
}

// A batch in which nothing can be read once came out as rows of NULLs: no selection
// means all rows.
func TestBatchOfBrokenRecords(t *testing.T) {
	var l log
	l.add(t, batch.None, record(1, "x", `{"a":"no number"}`), record(2, "y", `no JSON`))
	rows, bad, next := decode(t, Config{Scan: scanOf(colK, colA)}, l.raw, 0)
	want(t, "rows", rows)
	if len(bad) != 2 || next != 2 {
		t.Errorf("broken %q, next %d", bad, next)
	}
}

func TestTablesIgnoreNullKeys(t *testing.T) {
	var l log
	l.add(t, batch.None, record(1, "", `{"a":1}`), record(2, "k", `{"a":2}`), record(3, "", ""))
	s := scanOf(colA)
	s.Table = true
	rows, bad, next := decode(t, Config{Scan: s}, l.raw, 0)
	want(t, "rows", rows, "+ 2 2")
	want(t, "broken", bad)
	if next != 3 {
		t.Errorf("next %d", next)
	}
}

func TestControlBatchesAreSkipped(t *testing.T) {
	var l log
	l.add(t, batch.None, record(1, "x", `{"a":1}`))
	b := batch.Builder{Control: true}
	b.Append(2, []byte{0, 0, 0, 1}, []byte{0})
	v, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	v.SetBase(l.next, 0)
	l.raw, l.next = append(l.raw, v...), l.next+1
	rows, _, next := decode(t, Config{Scan: scanOf(colA)}, l.raw, 0)
	want(t, "rows", rows, "+ 1 1")
	if next != 2 {
		t.Errorf("next %d", next)
	}
}

func TestWindowedKeys(t *testing.T) {
	ws := plan.SourceColumn{Name: "ws", Type: vec.Of(vec.Int64), Kind: plan.WindowStart}
	we := plan.SourceColumn{Name: "we", Type: vec.Of(vec.Int64), Kind: plan.WindowEnd}
	var l log
	key := binary.BigEndian.AppendUint64([]byte("k"), 1000)
	l.add(t, batch.None, record(1, string(key), `{"a":1}`), record(1, "short", `{"a":1}`))
	s := scanOf(colK, ws, we)
	s.Codec.Window, s.Codec.WindowSize = plan.Tumbling, 500
	rows, bad, _ := decode(t, Config{Scan: s}, l.raw, 0)
	want(t, "rows", rows, "+ 1 k 1000 1500")
	if len(bad) != 1 {
		t.Errorf("broken %q", bad)
	}
	l = log{}
	l.add(t, batch.None, record(1, string(binary.BigEndian.AppendUint64(key, 700)), `{"a":1}`))
	s.Codec.Window = plan.Session
	rows, _, _ = decode(t, Config{Scan: s}, l.raw, 0)
	want(t, "session", rows, "+ 1 k 700 1000")
}

func TestTimeColumn(t *testing.T) {
	var l log
	l.add(t, batch.None, record(1, "x", `{"a":100,"b":"7"}`), record(2, "x", `{"a":-1}`), record(3, "x", `{}`), record(4, "x", ``))
	s := scanOf(colA, colT)
	s.TimeField = 0
	rows, bad, _ := decode(t, Config{Scan: s}, l.raw, 0)
	want(t, "rows", rows, "+ 100 100 100", "- 4 ~ 4")
	if len(bad) != 2 {
		t.Errorf("broken %q", bad)
	}
	s = scanOf(colB)
	s.TimeField = 0
	parse := func(s string) (int64, error) { var n int64; _, err := fmt.Sscan(s, &n); return n, err }
	rows, _, _ = decode(t, Config{Scan: s, ParseTime: parse}, l.raw, 0)
	want(t, "text", rows, "+ 7 7", "- 4 ~")
}

func TestHeaders(t *testing.T) {
	hs := vec.ArrayOf(vec.Type{Kind: vec.Struct, Fields: []vec.Field{{Name: "KEY", Type: vec.Of(vec.Text)}, {Name: "VALUE", Type: vec.Of(vec.Bytes)}}})
	all := plan.SourceColumn{Name: "h", Type: hs, Kind: plan.Headers}
	one := plan.SourceColumn{Name: "x", Type: vec.Of(vec.Bytes), Kind: plan.Header}
	b := batch.Builder{}
	b.Append(1, nil, []byte(`{}`), batch.Header{Key: "x", Value: []byte("1")}, batch.Header{Key: "x", Value: []byte("2")}, batch.Header{Key: "y"})
	b.Append(1, nil, []byte(`{}`))
	v, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	rows, _, _ := decode(t, Config{Scan: scanOf(one)}, v, 0)
	want(t, "last of a name", rows, `+ 1 \x32`, "+ 1 ~")
	d, err := New(Config{Scan: scanOf(all)})
	if err != nil {
		t.Fatal(err)
	}
	d.Reset(v, 0)
	r, err := d.Next()
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(r.Cols[0].Get(0), r.Cols[0].Get(1))
	if want := "[[x [49]] [x [50]] [y <nil>]] []"; got != want {
		t.Errorf("headers %s, want %s", got, want)
	}
	if r.Headers == nil || r.Headers.Null(0) || !r.Headers.Null(1) {
		t.Error("the batch does not carry the records' headers")
	}
}

func TestChangesKeepTheirOp(t *testing.T) {
	var l log
	value := func(op vec.Op, n int64) string {
		return string(vec.AppendValue(AppendOp(nil, op), vec.Of(vec.Int64), n))
	}
	l.add(t, batch.None, record(1, "k", value(vec.Insert, 1)), record(2, "k", value(vec.UpdateBefore, 1)), record(2, "k", value(vec.UpdateAfter, 2)), record(3, "k", value(vec.Delete, 2)))
	s := scanOf(colA)
	s.Codec.Value = plan.Format{Name: "NATIVE", Fields: []vec.Field{{Name: "a", Type: vec.Of(vec.Int64)}}}
	rows, _, _ := decode(t, Config{Scan: s, Changes: true}, l.raw, 0)
	want(t, "rows", rows, "+ 1 1", "-U 2 1", "+U 2 2", "- 3 2")
}

// The rows of an update come together, wherever the limit of a batch falls.
func TestUpdatesAreNotTornApart(t *testing.T) {
	for lead := range 3 {
		var l log
		var recs []batch.Record
		value := func(op vec.Op) string { return string(vec.AppendValue(AppendOp(nil, op), vec.Of(vec.Int64), int64(1))) }
		for range lead {
			recs = append(recs, record(1, "k", value(vec.Insert)))
		}
		for range 1500 {
			recs = append(recs, record(1, "k", value(vec.UpdateBefore)), record(1, "k", value(vec.UpdateAfter)))
		}
		l.add(t, batch.None, recs...)
		s := scanOf(colA)
		s.Codec.Value = plan.Format{Name: "NATIVE", Fields: []vec.Field{{Name: "a", Type: vec.Of(vec.Int64)}}}
		d, err := New(Config{Scan: s, Changes: true})
		if err != nil {
			t.Fatal(err)
		}
		d.Reset(l.raw, 0)
		n := 0
		for {
			r, err := d.Next()
			if err != nil {
				t.Fatal(err)
			}
			if r == nil {
				break
			}
			n += r.N
			if r.Op(r.N-1) == vec.UpdateBefore {
				t.Errorf("rows end with the old row of an update after %d", n)
			}
		}
		if n != len(recs) {
			t.Errorf("%d rows, want %d", n, len(recs))
		}
	}
}

func TestManyRecordsComeInSeveralRows(t *testing.T) {
	var l log
	var lines []string
	for i := range 50 {
		var recs []batch.Record
		for k := range 100 {
			recs = append(recs, record(1, "", fmt.Sprintf(`{"a":%d}`, i*100+k)))
			lines = append(lines, fmt.Sprintf("+ 1 %d", i*100+k))
		}
		l.add(t, batch.Codec(i%3), recs...)
	}
	for _, from := range []int{0, 1, 99, 100, 2345, 4999} {
		rows, _, next := decode(t, Config{Scan: scanOf(colA)}, l.raw, storage.Offset(from))
		want(t, fmt.Sprint("from ", from), rows, lines[from:]...)
		if next != 5000 {
			t.Errorf("next %d", next)
		}
	}
}

// Whatever stands in a log, the decoder answers with rows, broken records or an
// error.
func FuzzDecode(f *testing.F) {
	b := batch.Builder{}
	b.Append(1, []byte("k"), []byte(`{"a":1,"b":"x"}`), batch.Header{Key: "x"})
	v, err := b.Finish()
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(v))
	f.Fuzz(func(t *testing.T, raw []byte) {
		d, err := New(Config{Scan: scanOf(colK, colA, colB, colT, colO), Bad: func(Broken) {}})
		if err != nil {
			t.Fatal(err)
		}
		d.Reset(raw, 0)
		for {
			r, err := d.Next()
			if err != nil || r == nil {
				return
			}
		}
	})
}
