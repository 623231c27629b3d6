package engine

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/weirdb/weir/catalog"
	"github.com/weirdb/weir/engine/syscat"
	"github.com/weirdb/weir/exec/bounded"
	"github.com/weirdb/weir/exec/source"
	"github.com/weirdb/weir/internal/format"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner"
	"github.com/weirdb/weir/planner/plan"
	"github.com/weirdb/weir/storage"
	"github.com/weirdb/weir/storage/batch"
)

// sources are the relations that a bounded query reads: a stream's records up to
// where the logs end when it is opened, a table's latest rows, virtual relations.
type sources struct {
	n *Node
	s *session // nil: no session asks
}

var _ bounded.Sources = sources{}

// Scan implements bounded.Sources.
func (src sources) Scan(ctx context.Context, s *plan.Scan, key []vec.Value) (bounded.Rows, error) {
	t, ok := src.n.Catalog().Topic(catalog.ID(s.Topic.ID))
	if !ok {
		return nil, unavailable(storage.ErrDropped)
	}
	r := &scanRows{ctx: ctx, n: src.n, scan: s, topic: t}
	if s.Table {
		r.open = r.openTable
		if key != nil {
			var err error
			if r.key, err = keyBytes(s, key); err != nil {
				return nil, err
			}
		}
	} else {
		r.open = r.openLog
	}
	return r, nil
}

// scanRows reads the partitions of a topic one after another.
type scanRows struct {
	ctx   context.Context
	n     *Node
	scan  *plan.Scan
	topic *catalog.Topic
	key   []byte // of the only row that is wanted; nil: all

	open func(partition int32) (fill func() ([]byte, storage.Offset, error), err error)
	next int32 // partition to open next
	fill func() (raw []byte, from storage.Offset, err error)
	dec  *source.Decoder
}

func (r *scanRows) Next() (*vec.Batch, error) {
	for {
		if err := r.ctx.Err(); err != nil {
			return nil, err
		}
		if r.dec != nil {
			rows, err := r.dec.Next()
			if err != nil {
				return nil, err
			}
			if rows != nil {
				if rows.Len() > 0 {
					return &rows.Batch, nil
				}
				continue
			}
			raw, from, err := r.fill()
			if err == nil {
				r.dec.Reset(raw, from)
				continue
			}
			if err != io.EOF {
				return nil, err
			}
			r.dec = nil
		}
		if r.next == r.topic.Partitions {
			return nil, io.EOF
		}
		p := r.next
		r.next++
		var err error
		if r.fill, err = r.open(p); err != nil {
			return nil, err
		}
		if r.dec, err = source.New(source.Config{
			Scan: r.scan, Partition: p,
			// A record that cannot be read is left out, as continuous queries do;
			// they report it.
			Bad: func(source.Broken) {},
		}); err != nil {
			return nil, err
		}
		r.dec.Reset(nil, 0)
	}
}

func (r *scanRows) Close() error { return nil }

const readBytes = 1 << 20

// openLog reads a partition of a stream, up to where it ends now.
func (r *scanRows) openLog(p int32) (func() ([]byte, storage.Offset, error), error) {
	l := r.n.logOf(r.topic, p)
	at, end := l.Start(), l.End()
	var buf []byte
	return func() ([]byte, storage.Offset, error) {
		if at >= end {
			return nil, 0, io.EOF
		}
		raw, err := l.Read(at, readBytes, buf[:0])
		if err != nil {
			return nil, 0, unavailable(err)
		}
		if len(raw) == 0 {
			return nil, 0, io.EOF
		}
		buf = raw
		from := at
		var v batch.View
		for rest := raw; len(rest) > 0; {
			if v, rest, err = batch.Next(rest); err != nil {
				return nil, 0, err
			}
			at = storage.Offset(v.LastOffset() + 1)
		}
		return raw, from, nil
	}, nil
}

// openTable reads the latest rows of a partition of a table, as record batches.
func (r *scanRows) openTable(p int32) (func() ([]byte, storage.Offset, error), error) {
	sh := r.n.shardOf(r.topic, p).store
	space := storage.TableSpace(partitionID(r.topic, p))
	var from, to []byte
	if r.key != nil {
		from, to = r.key, append(r.key[:len(r.key):len(r.key)], 0)
		if r.scan.Codec.Window != plan.NoWindow { // any window of that key
			to = prefixEnd(r.key)
		}
	}
	over := false
	return func() ([]byte, storage.Offset, error) {
		if over {
			return nil, 0, io.EOF
		}
		var b batch.Builder
		var failed error
		over = true
		err := sh.Scan(space, from, to, func(k, v []byte) bool {
			if b.Count() >= vec.MaxRows || b.Len() >= readBytes {
				from, over = append([]byte(nil), k...), false
				return false
			}
			row, err := storage.DecodeTableRow(v)
			if err != nil {
				failed = err
				return false
			}
			b.AppendRecord(&batch.Record{Timestamp: row.Timestamp, Key: k, Value: row.Value, Headers: batch.Headers(row.Headers)})
			return true
		})
		if err == nil {
			err = failed
		}
		if err != nil {
			return nil, 0, unavailable(err)
		}
		if b.Count() == 0 {
			return nil, 0, io.EOF
		}
		v, err := b.Finish()
		return v, 0, err
	}, nil
}

func prefixEnd(p []byte) []byte {
	out := append([]byte(nil), p...)
	for i := len(out) - 1; i >= 0; i-- {
		if out[i]++; out[i] != 0 {
			return out[:i+1]
		}
	}
	return nil
}

// keyBytes encodes the key of the row that is wanted.
func keyBytes(s *plan.Scan, key []vec.Value) ([]byte, error) {
	enc, err := format.NewEncoder(source.Spec(s.Codec.Key))
	if err != nil {
		return nil, err
	}
	cols := make([]*vec.Vec, len(key))
	for i, f := range s.Codec.Key.Fields {
		cols[i] = vec.New(f.Type)
		cols[i].Append(key[i])
	}
	out, _, err := enc.Append(nil, cols, 0)
	return out, err
}

// systemRelation finds a virtual relation for the planner.
func (n *Node) systemRelation(schema, name string) (string, []plan.Column, bool) {
	r, ok := syscat.Lookup(schema, name)
	if !ok {
		return "", nil, false
	}
	return r.Schema, r.Cols, true
}

// System implements bounded.Sources.
func (src sources) System(ctx context.Context, s *plan.SystemScan) (bounded.Rows, error) {
	r, ok := syscat.Lookup(s.Schema, s.Name)
	if !ok {
		return nil, fmt.Errorf("engine: no relation %s.%s", s.Schema, s.Name)
	}
	out := &systemRows{boxedRows: boxedRows{cols: s.Cols}}
	err := r.Rows(systemSource{ctx, src.n, src.s}, func(row []vec.Value) bool {
		row = append(row, int64(r.OID), int64(0)) // plan.SystemColumns
		picked := make([]vec.Value, len(s.Index))
		for i, at := range s.Index {
			picked[i] = row[at]
		}
		out.rows = append(out.rows, picked)
		return ctx.Err() == nil
	})
	return out, err
}

type systemRows struct{ boxedRows }

func (r *systemRows) Next() (*vec.Batch, error) { return r.boxedRows.Next(context.Background()) }
func (r *systemRows) Close() error              { return nil }

// keyText returns the key columns of a relation and the values that a record's
// key holds, for messages.
func keyText(r *catalog.Relation, key []byte) (names, values string, ok bool) {
	codec := planner.CodecOf(r)
	want := make([]int, len(codec.Key.Fields))
	cols := make([]*vec.Vec, len(want))
	for i, f := range codec.Key.Fields {
		want[i], cols[i] = i, vec.New(f.Type)
	}
	dec, err := format.NewDecoder(source.Spec(codec.Key), want)
	if err != nil {
		return "", "", false
	}
	ok = true
	dec.Decode([][]byte{key}, cols, func(int, error) { ok = false })
	var ns, vs []string
	for i, f := range codec.Key.Fields {
		ns, vs = append(ns, f.Name), append(vs, string(vec.AppendText(nil, cols[i], 0, nil)))
	}
	return strings.Join(ns, ", "), strings.Join(vs, ", "), ok
}
