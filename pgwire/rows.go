package pgwire

import (
	"encoding/binary"
	"fmt"
	"strconv"

	"github.com/jackc/pgproto3/v2"

	"github.com/weirdb/weir/internal/vec"
)

// A cell appends the value at i, which is not null.
type cell func(dst []byte, v *vec.Vec, i int, f *vec.TextFormat) []byte

// textCell returns how values of type t are written as text. What is most common
// is written here, without a look at the type per value.
func textCell(t vec.Type) cell {
	switch t.Kind {
	case vec.Int16, vec.Int32, vec.Int64:
		return func(dst []byte, v *vec.Vec, i int, _ *vec.TextFormat) []byte {
			return strconv.AppendInt(dst, v.Ints[i], 10)
		}
	case vec.Bool:
		return func(dst []byte, v *vec.Vec, i int, _ *vec.TextFormat) []byte {
			if v.Ints[i] != 0 {
				return append(dst, 't')
			}
			return append(dst, 'f')
		}
	case vec.Text, vec.JSON, vec.JSONB:
		return rawCell
	}
	return vec.AppendText
}

func rawCell(dst []byte, v *vec.Vec, i int, _ *vec.TextFormat) []byte {
	w := v.Views[i]
	return append(dst, v.Data[w.Off:w.Off+w.Len]...)
}

// binaryCell is textCell for the binary format.
func binaryCell(t vec.Type) cell {
	switch t.Kind {
	case vec.Int16:
		return func(dst []byte, v *vec.Vec, i int, _ *vec.TextFormat) []byte {
			return binary.BigEndian.AppendUint16(dst, uint16(v.Ints[i]))
		}
	case vec.Int32:
		return func(dst []byte, v *vec.Vec, i int, _ *vec.TextFormat) []byte {
			return binary.BigEndian.AppendUint32(dst, uint32(v.Ints[i]))
		}
	case vec.Int64:
		return func(dst []byte, v *vec.Vec, i int, _ *vec.TextFormat) []byte {
			return binary.BigEndian.AppendUint64(dst, uint64(v.Ints[i]))
		}
	case vec.Text, vec.JSON, vec.Bytes:
		return rawCell
	}
	return func(dst []byte, v *vec.Vec, i int, _ *vec.TextFormat) []byte { return vec.AppendBinary(dst, v, i) }
}

func cells(cols []Column, formats []int16) []cell {
	out := make([]cell, len(cols))
	for i, c := range cols {
		if formats[i] == formatBinary {
			out[i] = binaryCell(c.Type)
		} else {
			out[i] = textCell(c.Type)
		}
	}
	return out
}

// appendDataRows appends the rows of b from the from-th on as DataRow messages,
// until all are written or dst has limit bytes. It returns the first row left.
func appendDataRows(dst []byte, b *vec.Batch, from, to int, cells []cell, f *vec.TextFormat, limit int) ([]byte, int) {
	for ; from < to && len(dst) < limit; from++ {
		row := b.Row(from)
		start := len(dst)
		dst = append(dst, 'D', 0, 0, 0, 0, byte(len(cells)>>8), byte(len(cells)))
		dst = appendFields(dst, b, row, cells, f)
		binary.BigEndian.PutUint32(dst[start+1:], uint32(len(dst)-start-1))
	}
	return dst, from
}

// appendFields appends a row's values, each after its length.
func appendFields(dst []byte, b *vec.Batch, row int, cells []cell, f *vec.TextFormat) []byte {
	for k, cell := range cells {
		v := b.Cols[k]
		i := v.Row(row)
		if v.Nulls.Has(i) {
			dst = append(dst, 0xff, 0xff, 0xff, 0xff)
			continue
		}
		at := len(dst)
		dst = append(dst, 0, 0, 0, 0)
		dst = cell(dst, v, i, f)
		binary.BigEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	}
	return dst
}

// checkBatch guards the encoders against a result that breaks its promise.
func checkBatch(b *vec.Batch, cols []Column) error {
	if len(b.Cols) < len(cols) {
		return fmt.Errorf("pgwire: a batch of %d columns for a result of %d", len(b.Cols), len(cols))
	}
	for i, c := range cols {
		if b.Cols[i].Type.Layout() != c.Type.Layout() {
			return fmt.Errorf("pgwire: column %q is %s, not %s as announced", c.Name, b.Cols[i].Type, c.Type)
		}
	}
	return nil
}

func rowDescription(cols []Column, formats []int16) *pgproto3.RowDescription {
	m := &pgproto3.RowDescription{Fields: make([]pgproto3.FieldDescription, len(cols))}
	for i, c := range cols {
		oid := c.Type.PGOID()
		if oid == vec.OIDUnknown { // a bare NULL or string: text to clients, as in PostgreSQL
			oid = vec.OIDText
		}
		f := pgproto3.FieldDescription{
			Name: []byte(c.Name), TableOID: c.Table, TableAttributeNumber: uint16(c.Attr),
			DataTypeOID: oid, DataTypeSize: typeSize(oid), TypeModifier: c.Type.PGTypmod(),
		}
		if formats != nil {
			f.Format = formats[i]
		}
		m.Fields[i] = f
	}
	return m
}

// typeSize returns pg_type.typlen: the bytes of a fixed-size type, else -1.
func typeSize(oid uint32) int16 {
	switch oid {
	case vec.OIDBool, vec.OIDChar:
		return 1
	case vec.OIDInt2:
		return 2
	case vec.OIDInt4, vec.OIDFloat4, vec.OIDOID, vec.OIDDate, vec.OIDXID, vec.OIDRegproc,
		vec.OIDRegclass, vec.OIDRegtype, vec.OIDRegnsp, vec.OIDRegrole, vec.OIDRegprocedure, vec.OIDRegoper,
		vec.OIDRegoperator, vec.OIDRegconfig, vec.OIDRegdict, vec.OIDRegcoll:
		return 4
	case vec.OIDInt8, vec.OIDXID8, vec.OIDLSN, vec.OIDFloat8, vec.OIDTime, vec.OIDTimestamp, vec.OIDTimestampTZ:
		return 8
	case vec.OIDInterval, vec.OIDUUID:
		return 16
	case vec.OIDName:
		return 64
	}
	return -1
}
