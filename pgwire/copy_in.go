package pgwire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/jackc/pgproto3/v2"

	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
)

// badCopy is PostgreSQL's bad_copy_file_format.
const badCopy = "22P04"

// copyIn hands what the client sends to the session, and returns the tag.
func (c *conn) copyIn(ctx context.Context, p *portal, cp Copy) (tag string, err error) {
	c.out.send(&pgproto3.CopyInResponse{OverallFormat: cp.overall(), ColumnFormatCodes: cp.formats()})
	if err := c.out.flush(); err != nil {
		return "", errGone
	}
	// A cancel request has to wake the read that waits for data.
	woken := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { defer close(woken); c.in.deadline(past) })
	defer func() {
		if !stop() {
			<-woken
			c.in.deadline(time.Time{})
		}
	}()
	src := newCopyReader(c, cp)
	p.done = true // it cannot run again, whatever happens
	p.res, err = c.sess.Execute(ctx, p.st.prep, Args{Params: p.params, From: src})
	if err == nil {
		err = p.drain(ctx)
	}
	if src.lost != nil {
		if src.unexpected != nil {
			_ = c.report(src.unexpected) // an ordinary error first, as PostgreSQL does
		}
		return "", src.lost
	}
	if err == nil {
		err = src.discard(ctx) // the session may have been content with less
	}
	if err != nil {
		return "", c.cancelled(ctx, err)
	}
	return p.res.Tag(src.rows), nil
}

// A copyReader turns CopyData messages, whose borders mean nothing, into batches.
type copyReader struct {
	c       *conn
	cp      Copy
	set     []setter
	format  *vec.TextFormat
	data    []byte // received
	at      int    // data[at:] is not decoded
	scan    int    // data[at:scan] has no end of a record ...
	quoted  bool   // ... and this is how it stands there (CSV)
	field   []byte // a value without its escapes
	header  bool   // still to be skipped
	eof     bool   // CopyDone came
	trailer bool   // the data said that it ends
	rows    int64  // decoded
	line    int64  // the record being decoded, from 1
	batch   vec.Batch
	open    bool  // the last field of CSV lacks its closing quote
	lost    error // the connection, or the protocol, is lost

	unexpected error // which message lost the protocol
}

// A setter stores a value in a column, from its text or from its binary form.
type setter func(v *vec.Vec, i int, s []byte) error

func newCopyReader(c *conn, cp Copy) *copyReader {
	r := &copyReader{c: c, cp: cp, header: cp.Header || cp.Format == CopyBinary, format: c.sess.TextFormat(), line: 1}
	for _, col := range cp.Columns {
		r.batch.Cols = append(r.batch.Cols, vec.New(col.Type))
		r.set = append(r.set, r.setter(col.Type))
	}
	return r
}

func (r *copyReader) setter(t vec.Type) setter {
	switch {
	case r.cp.Format == CopyBinary:
		return func(v *vec.Vec, i int, s []byte) error {
			x, err := vec.ParseBinary(t, s)
			if err == nil {
				v.Set(i, x)
			}
			return err
		}
	case t.Kind == vec.Text:
		return func(v *vec.Vec, i int, s []byte) error {
			if err := validBytes(s); err != nil {
				return err
			}
			v.SetBytes(i, s)
			return nil
		}
	}
	general := func(v *vec.Vec, i int, s []byte) error {
		if err := validBytes(s); err != nil {
			return err
		}
		x, err := vec.Parse(t, string(s), r.format)
		if err == nil {
			v.Set(i, x)
		}
		return err
	}
	if t.IsInteger() {
		bits := map[vec.Kind]int{vec.Int16: 16, vec.Int32: 32, vec.Int64: 64}[t.Kind]
		return func(v *vec.Vec, i int, s []byte) error {
			n, ok := parseInt(s, bits)
			if !ok { // spaces, overflow, or no number: the general way says which
				return general(v, i, s)
			}
			v.Ints[i] = n
			return nil
		}
	}
	return general
}

// parseInt reads digits with a sign.
func parseInt(s []byte, bits int) (int64, bool) {
	if len(s) == 0 || len(s) > 18 {
		if len(s) == 0 {
			return 0, false
		}
		n, err := strconv.ParseInt(string(s), 10, bits)
		return n, err == nil
	}
	digits := s
	if s[0] == '-' {
		digits = s[1:]
	}
	n := int64(0)
	for _, ch := range digits {
		if ch < '0' || ch > '9' {
			return 0, false
		}
		n = n*10 + int64(ch-'0')
	}
	if s[0] == '-' {
		n = -n
	}
	shift := 64 - bits
	return n, len(digits) > 0 && n<<shift>>shift == n
}

// Next implements Rows: it takes what is there and waits only for the first row.
func (r *copyReader) Next(ctx context.Context) (*vec.Batch, error) {
	for i, v := range r.batch.Cols {
		v.Reset(r.cp.Columns[i].Type, vec.MaxRows)
	}
	n := 0
	for n < vec.MaxRows && !r.trailer {
		done, err := r.record(n)
		if err != nil {
			return nil, r.locate(err)
		}
		if done {
			if !r.header && !r.trailer {
				n++
			}
			if !r.header || r.cp.Format != CopyBinary {
				r.line++
			}
			r.header = false
			continue
		}
		if r.eof || n > 0 && !r.c.in.ready() {
			break
		}
		if err := r.receive(ctx); err != nil {
			return nil, r.locate(err)
		}
	}
	if r.trailer { // the client may send on: nobody looks
		if err := r.discard(ctx); err != nil {
			return nil, r.locate(err)
		}
	}
	if n == 0 {
		return nil, io.EOF
	}
	r.rows += int64(n)
	r.batch.N = n
	for _, v := range r.batch.Cols {
		r.cut(v, n)
	}
	return &r.batch, nil
}

// cut makes v as long as the batch.
func (r *copyReader) cut(v *vec.Vec, n int) {
	switch v.Type.Layout() {
	case vec.InInts:
		v.Ints = v.Ints[:n]
	case vec.InFloats:
		v.Floats = v.Floats[:n]
	default:
		v.Views = v.Views[:n]
	}
}

// receive reads one message and adds its data.
func (r *copyReader) receive(ctx context.Context) error {
	kind, body, err := r.c.in.message()
	if err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		r.lost = err
		return err
	}
	switch kind {
	case 'd':
		if r.at > 0 {
			n := copy(r.data, r.data[r.at:])
			r.data = r.data[:n]
			r.scan -= r.at
			r.at = 0
		}
		if len(r.data)+len(body) > r.c.srv.cfg.MaxMessage {
			return pgerr.Newf(pgerr.ProgramLimitExceeded, "row of COPY data is too long").
				Detailf("A row may have %d bytes.", r.c.srv.cfg.MaxMessage)
		}
		r.data = append(r.data, body...)
	case 'c':
		r.eof = true
	case 'f':
		msg := string(bytes.TrimSuffix(body, []byte{0}))
		return pgerr.Newf(pgerr.QueryCanceled, "COPY from stdin failed: %s", msg)
	case 'H', 'S':
	default:
		r.unexpected = r.locate(pgerr.Newf(pgerr.ProtocolViolation, "unexpected message type 0x%02X during COPY from stdin", kind))
		r.lost = fatal{pgerr.Newf(pgerr.ProtocolViolation, "terminating connection because protocol synchronization was lost")}
		return r.lost
	}
	return nil
}

// discard reads on until CopyDone.
func (r *copyReader) discard(ctx context.Context) error {
	for !r.eof {
		if err := r.receive(ctx); err != nil {
			return err
		}
		r.data, r.at, r.scan = r.data[:0], 0, 0
	}
	return nil
}

// locate says at which line an error happened.
func (r *copyReader) locate(err error) error {
	e, ok := errors.AsType[*pgerr.Error](err)
	if !ok || r.lost != nil || err == errCanceled || e.Where != "" {
		return err
	}
	at := *e
	at.Where = fmt.Sprintf("COPY %s, line %d", r.cp.Table, r.line)
	return &at
}

// inColumn says in which column, and with what value.
func (r *copyReader) inColumn(err error, k int, s []byte) error {
	if err == nil {
		return nil
	}
	e, ok := errors.AsType[*pgerr.Error](err)
	if !ok {
		return err
	}
	at := *e
	at.Where = fmt.Sprintf("COPY %s, line %d, column %s", r.cp.Table, r.line, r.cp.Columns[k].Name)
	if r.cp.Format != CopyBinary {
		at.Where += fmt.Sprintf(": %q", clip(s))
	}
	return &at
}

// clip shortens what is quoted in an error.
func clip(s []byte) []byte {
	const most = 100
	if len(s) <= most {
		return s
	}
	return append(bytes.Clone(s[:most]), "..."...)
}
