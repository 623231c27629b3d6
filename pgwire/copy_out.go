package pgwire

import (
	"context"
	"encoding/binary"
	"errors"
	"io"

	"github.com/jackc/pgproto3/v2"

	"github.com/weirdb/weir/internal/vec"
)

// copyHeader opens binary COPY data: signature, flags, length of the extension.
const copyHeader = "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"

// copyOut writes the rows of p as COPY data, one message per row: that is how
// clients expect them. With push each batch is flushed, and a cancel request is
// an ordinary end if the client has not asked for COPY itself.
func (c *conn) copyOut(ctx context.Context, p *portal, cp Copy, push bool) (sent int64, err error) {
	c.out.send(&pgproto3.CopyOutResponse{OverallFormat: cp.overall(), ColumnFormatCodes: cp.formats()})
	w := newCopyWriter(cp)
	c.out.buf = w.appendHeader(c.out.buf)
	if push {
		c.holdBack()
		if err := c.out.flush(); err != nil {
			return 0, errGone
		}
	}
	format := c.sess.TextFormat()
	for {
		err := p.more(ctx)
		if err != nil && p.copy != nil && context.Cause(ctx) == errCanceled {
			err = io.EOF
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return sent, err
		}
		for p.at < p.batch.Len() {
			c.out.buf = w.appendRow(c.out.buf, p.batch, p.batch.Row(p.at), format)
			p.at++
			sent++
			if len(c.out.buf) >= flushSize || push && p.at == p.batch.Len() {
				if err := c.out.flush(); err != nil {
					return sent, errGone
				}
			}
		}
		if ctx.Err() != nil && p.copy == nil { // a fast result may never look
			return sent, ctx.Err()
		}
	}
	c.out.buf = w.appendTrailer(c.out.buf)
	c.out.empty('c')
	return sent, nil
}

func (c *Copy) overall() byte {
	if c.Format == CopyBinary {
		return formatBinary
	}
	return formatText
}

func (c *Copy) formats() []uint16 {
	out := make([]uint16, len(c.Columns))
	for i := range out {
		out[i] = uint16(c.overall())
	}
	return out
}

// A copyWriter writes rows as CopyData messages.
type copyWriter struct {
	Copy
	cells   []cell
	plain   []bool // by column: values never need an escape or quotes
	scratch []byte
}

func newCopyWriter(cp Copy) *copyWriter {
	formats := make([]int16, len(cp.Columns))
	for i := range formats {
		formats[i] = int16(cp.overall())
	}
	w := &copyWriter{Copy: cp, cells: cells(cp.Columns, formats), plain: make([]bool, len(cp.Columns))}
	usual := cp.Delim == '\t' || cp.Format == CopyCSV && cp.Delim == ',' && cp.Quote == '"' && *cp.Null == ""
	for i, c := range cp.Columns {
		w.plain[i] = usual && c.Type.Kind != vec.OID && c.Type.Layout() != vec.InBytes
	}
	return w
}

func (w *copyWriter) appendHeader(dst []byte) []byte {
	// The binary header travels with the first row, or with the trailer.
	if w.Format == CopyBinary || !w.Header {
		return dst
	}
	start := len(dst)
	dst = append(dst, 'd', 0, 0, 0, 0)
	for i, col := range w.Columns {
		if i > 0 {
			dst = append(dst, w.Delim)
		}
		dst = w.appendValue(dst, []byte(col.Name))
	}
	return endCopyData(append(dst, '\n'), start)
}

func endCopyData(dst []byte, start int) []byte {
	binary.BigEndian.PutUint32(dst[start+1:], uint32(len(dst)-start-1))
	return dst
}

func (w *copyWriter) appendRow(dst []byte, b *vec.Batch, row int, f *vec.TextFormat) []byte {
	start := len(dst)
	dst = append(dst, 'd', 0, 0, 0, 0)
	if w.Format == CopyBinary {
		dst = w.appendBinaryHeader(dst)
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(w.cells)))
		return endCopyData(appendFields(dst, b, row, w.cells, f), start)
	}
	for k, cell := range w.cells {
		if k > 0 {
			dst = append(dst, w.Delim)
		}
		v := b.Cols[k]
		i := v.Row(row)
		switch {
		case v.Nulls.Has(i):
			dst = append(dst, *w.Null...)
		case w.plain[k]:
			dst = cell(dst, v, i, f)
		default:
			w.scratch = cell(w.scratch[:0], v, i, f)
			dst = w.appendValue(dst, w.scratch)
		}
	}
	return endCopyData(append(dst, '\n'), start)
}

func (w *copyWriter) appendTrailer(dst []byte) []byte {
	if w.Format != CopyBinary {
		return dst
	}
	start := len(dst)
	dst = append(dst, 'd', 0, 0, 0, 0)
	return endCopyData(append(w.appendBinaryHeader(dst), 0xff, 0xff), start)
}

func (w *copyWriter) appendBinaryHeader(dst []byte) []byte {
	if w.Header { // written already
		return dst
	}
	w.Header = true
	return append(dst, copyHeader...)
}

// appendValue writes a value that is not NULL so that it reads back as itself.
func (w *copyWriter) appendValue(dst, s []byte) []byte {
	if w.Format == CopyCSV {
		return w.appendCSV(dst, s)
	}
	done := 0
	for i, ch := range s {
		if ch >= ' ' && ch != '\\' && ch != w.Delim {
			continue
		}
		dst = append(dst, s[done:i]...)
		done = i + 1
		switch ch {
		case '\b':
			dst = append(dst, `\b`...)
		case '\f':
			dst = append(dst, `\f`...)
		case '\n':
			dst = append(dst, `\n`...)
		case '\r':
			dst = append(dst, `\r`...)
		case '\t':
			dst = append(dst, `\t`...)
		case '\v':
			dst = append(dst, `\v`...)
		case '\\', w.Delim:
			dst = append(dst, '\\', ch)
		default:
			dst = append(dst, ch)
		}
	}
	return append(dst, s[done:]...)
}

func (w *copyWriter) appendCSV(dst, s []byte) []byte {
	quote := string(s) == *w.Null || len(w.Columns) == 1 && string(s) == `\.`
	for _, ch := range s {
		quote = quote || ch == w.Delim || ch == w.Quote || ch == '\n' || ch == '\r'
	}
	if !quote {
		return append(dst, s...)
	}
	dst = append(dst, w.Quote)
	for _, ch := range s {
		if ch == w.Quote || ch == w.Escape {
			dst = append(dst, w.Escape)
		}
		dst = append(dst, ch)
	}
	return append(dst, w.Quote)
}
