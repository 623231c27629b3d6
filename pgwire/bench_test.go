package pgwire

import (
	"context"
	"io"
	"strconv"
	"testing"

	"github.com/weirdb/weir/internal/vec"
)

// threeColumns is a full batch of a bigint, a text of 18 bytes and a timestamptz.
func threeColumns() ([]Column, *vec.Batch) {
	cols := []Column{column("id", vec.Of(vec.Int64)), column("name", vec.Of(vec.Text)), column("at", vec.Of(vec.TimestampTZ))}
	b := &vec.Batch{N: vec.MaxRows}
	for _, c := range cols {
		b.Cols = append(b.Cols, vec.New(c.Type))
	}
	for i := range int64(vec.MaxRows) {
		b.Cols[0].Append(1_000_000 + i)
		b.Cols[1].Append("customer-000000" + strconv.FormatInt(100+i%900, 10))
		b.Cols[2].Append(1_700_000_000_123_456 + i*1_000_003)
	}
	return cols, b
}

func BenchmarkRows(b *testing.B) {
	cols, batch := threeColumns()
	for _, f := range []struct {
		name string
		code int16
	}{{"text", formatText}, {"binary", formatBinary}} {
		b.Run(f.name, func(b *testing.B) {
			enc := cells(cols, []int16{f.code, f.code, f.code})
			var out []byte
			b.ReportAllocs()
			for b.Loop() {
				for at := 0; at < batch.N; {
					out, at = appendDataRows(out[:0], batch, at, batch.N, enc, nil, flushSize)
				}
			}
			b.ReportMetric(float64(b.N)*vec.MaxRows/b.Elapsed().Seconds()/1e6, "Mrows/s")
		})
	}
}

// Rows are encoded without an allocation.
func TestRowsDoNotAllocate(t *testing.T) {
	cols, batch := threeColumns()
	for _, f := range []int16{formatText, formatBinary} {
		enc := cells(cols, []int16{f, f, f})
		out := make([]byte, 0, 2*flushSize)
		if n := testing.AllocsPerRun(10, func() {
			for at := 0; at < batch.N; {
				out, at = appendDataRows(out[:0], batch, at, batch.N, enc, nil, flushSize)
			}
		}); n != 0 {
			t.Errorf("format %d: %v allocations for %d rows", f, n, batch.N)
		}
	}
}

func BenchmarkCopyOut(b *testing.B) {
	cols, batch := threeColumns()
	for name, format := range map[string]CopyFormat{"text": CopyText, "csv": CopyCSV} {
		b.Run(name, func(b *testing.B) {
			w := newCopyWriter(Copy{Columns: cols, Format: format}.withDefaults())
			var out []byte
			b.ReportAllocs()
			for b.Loop() {
				out = out[:0]
				for i := range batch.N {
					out = w.appendRow(out, batch, i, nil)
				}
			}
			b.ReportMetric(float64(b.N)*vec.MaxRows/b.Elapsed().Seconds()/1e6, "Mrows/s")
		})
	}
}

func BenchmarkCopyIn(b *testing.B) {
	for name, format := range map[string]CopyFormat{"text": CopyText, "csv": CopyCSV} {
		b.Run(name, func(b *testing.B) {
			var data []byte
			const rows = 500
			sep := map[CopyFormat]byte{CopyText: '\t', CopyCSV: ','}[format]
			for i := range rows {
				data = strconv.AppendInt(data, int64(1000000+i), 10)
				data = append(data, sep)
				data = append(data, "customer-00000001 of somewhere far away"...)
				data = append(data, '\n')
			}
			frame := frames(b, []string{"CopyData " + strconv.Quote(string(data))})
			src := &endless{b: frame}
			c := newConn(New(Config{Backend: newFake()}), bufferConn{r: src})
			c.in.max = 1 << 20
			c.sess = &fakeSession{b: newFake(), tx: 'I', client: &c.client}
			r := newCopyReader(c, Copy{In: true, Format: format, Columns: []Column{gtID, gtName}, Table: "gt"}.withDefaults())
			n := 0
			b.ReportAllocs()
			for b.Loop() {
				batch, err := r.Next(context.Background())
				if err != nil {
					b.Fatal(err)
				}
				n += batch.Len()
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds()/1e6, "Mrows/s")
		})
	}
}

// BenchmarkSelect reads a million rows over TCP, the client only counting bytes.
func BenchmarkSelect(b *testing.B) {
	for _, f := range []string{"0", "1"} {
		b.Run(map[string]string{"0": "text", "1": "binary"}[f], func(b *testing.B) {
			back := newFake()
			addr, _ := serve(b, Config{Backend: back})
			s := dial(b, addr, map[string]string{"user": "weir"})
			s.until(b, 'Z')
			send := frames(b, []string{`Parse name="" "select million" oids=[]`, `Bind portal="" stmt="" pfmt=[] params=[] rfmt=[` + f + `]`, `Execute portal="" max=0`, `Sync`})
			buf := make([]byte, 256<<10)
			for b.Loop() {
				s.c.Write(send)
				for tail := ""; len(tail) < 6 || tail[len(tail)-6:] != "Z\x00\x00\x00\x05I"; {
					n, err := s.c.Read(buf)
					if err != nil {
						b.Fatal(err)
					}
					tail = string(buf[max(0, n-6):n])
				}
			}
			b.ReportMetric(float64(b.N)*1e3*vec.MaxRows/b.Elapsed().Seconds()/1e6, "Mrows/s")
		})
	}
}

// endless yields its bytes again and again.
type endless struct {
	b  []byte
	at int
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.b[e.at:])
	e.at = (e.at + n) % len(e.b)
	return n, nil
}

// BenchmarkInsertPipeline is a pipeline of Bind and Execute, a Sync per hundred.
func BenchmarkInsertPipeline(b *testing.B) {
	var lines []string
	for range 100 {
		lines = append(lines, `Bind portal="" stmt="i" pfmt=[1] params=["\x00\x00\x00\x00\x00\x00\x00\x07"] rfmt=[]`, `Execute portal="" max=0`)
	}
	pipe := frames(b, append(lines, "Sync"))
	src := &endless{b: pipe}
	out := &countingConn{r: src}
	c := newConn(New(Config{Backend: newFake()}), out)
	c.in.max = 1 << 20
	c.sess = &fakeSession{b: newFake(), tx: 'I', client: &c.client, settings: map[string]string{}}
	ctx := context.Background()
	if err := c.message(ctx, 'P', []byte("i\x00insert into gt(id) values($1)\x00\x00\x00")); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		for range 201 {
			kind, body, err := c.next()
			if err == nil {
				err = c.message(ctx, kind, body)
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.N)*100/b.Elapsed().Seconds()/1e6, "Mrows/s")
}

type countingConn struct {
	bufferConn
	r io.Reader
}

func (c *countingConn) Read(b []byte) (int, error)  { return c.r.Read(b) }
func (c *countingConn) Write(b []byte) (int, error) { return len(b), nil }
