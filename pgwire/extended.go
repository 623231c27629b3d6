package pgwire

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgproto3/v2"

	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
)

const (
	formatText   = 0
	formatBinary = 1
)

// extended answers a message of the extended protocol. Its error is the client's;
// what follows is then skipped until Sync.
func (c *conn) extended(ctx context.Context, kind byte, body []byte) error {
	switch kind {
	case 'P':
		var m pgproto3.Parse
		if err := m.Decode(body); err != nil {
			return malformed("Parse")
		}
		return c.parse(ctx, &m)
	case 'B':
		if !wholeBind(body) {
			return malformed("Bind")
		}
		var m pgproto3.Bind
		if err := m.Decode(body); err != nil {
			return malformed("Bind")
		}
		return c.bind(&m)
	case 'D':
		var m pgproto3.Describe
		if err := m.Decode(body); err != nil {
			return malformed("Describe")
		}
		return c.describe(ctx, m.ObjectType, m.Name)
	case 'E':
		var m pgproto3.Execute
		if err := m.Decode(body); err != nil {
			return malformed("Execute")
		}
		return c.execute(ctx, m.Portal, int64(m.MaxRows))
	case 'C':
		var m pgproto3.Close
		if err := m.Decode(body); err != nil {
			return malformed("Close")
		}
		switch m.ObjectType {
		case 'S':
			delete(c.statements, m.Name)
		case 'P':
			c.closePortal(m.Name)
		default:
			return pgerr.Newf(pgerr.ProtocolViolation, "invalid CLOSE message subtype %d", m.ObjectType)
		}
		c.out.empty('3')
		return nil
	case 'F':
		return pgerr.Newf(pgerr.FeatureNotSupported, "function calls by the protocol are not supported").Hintf("Use SELECT.")
	}
	return fatal{pgerr.Newf(pgerr.ProtocolViolation, "invalid frontend message type %d", kind)}
}

func malformed(name string) error {
	return fatal{pgerr.Newf(pgerr.ProtocolViolation, "invalid message format").Detailf("The %s message is malformed.", name)}
}

// wholeBind tells whether a Bind message is well-formed. pgproto3's decoder panics
// on a parameter of length below -1, and allocates what counts claim.
func wholeBind(b []byte) bool {
	for range 2 {
		i := bytes.IndexByte(b, 0)
		if i < 0 {
			return false
		}
		b = b[i+1:]
	}
	count := func(size int) (n int, ok bool) {
		if len(b) < 2 {
			return 0, false
		}
		n = int(binary.BigEndian.Uint16(b))
		b = b[2:]
		return n, len(b) >= n*size
	}
	n, ok := count(2)
	if !ok {
		return false
	}
	b = b[2*n:]
	if n, ok = count(4); !ok {
		return false
	}
	for range n {
		if len(b) < 4 {
			return false
		}
		size := int64(int32(binary.BigEndian.Uint32(b)))
		b = b[4:]
		if size < -1 || size > int64(len(b)) {
			return false
		}
		b = b[max(size, 0):]
	}
	n, ok = count(2)
	return ok && len(b) == 2*n
}

func (c *conn) parse(ctx context.Context, m *pgproto3.Parse) error {
	if err := validText(m.Query); err != nil {
		return err
	}
	if m.Name == "" {
		delete(c.statements, "")
	} else if c.statements[m.Name] != nil {
		return pgerr.Newf("42P05", "prepared statement %q already exists", m.Name)
	} else if len(c.statements) >= c.srv.cfg.MaxStatements {
		return pgerr.Newf(pgerr.ProgramLimitExceeded, "too many prepared statements").
			Detailf("A session may keep %d.", c.srv.cfg.MaxStatements)
	}
	ctx = c.begin(ctx)
	st := &statement{sql: m.Query}
	list, err := c.sess.Parse(m.Query)
	if err != nil {
		return place(m.Query, err)
	}
	switch {
	case len(list) > 1:
		return pgerr.Newf(pgerr.SyntaxError, "cannot insert multiple commands into a prepared statement")
	case len(list) == 1:
		st.st = list[0]
		if err := c.allowed(st); err != nil {
			return err
		}
		if st.prep, err = c.prepare(ctx, st.st, m.ParameterOIDs); err != nil {
			return place(m.Query, c.cancelled(ctx, err))
		}
	}
	c.statements[m.Name] = st
	c.out.empty('1')
	return nil
}

// maxColumns is how many columns a row can have: the protocol counts them in 16 bits
// that have a sign.
const maxColumns = math.MaxInt16

// prepare prepares a statement whose answer can be told to the client.
func (c *conn) prepare(ctx context.Context, st Statement, oids []uint32) (Prepared, error) {
	prep, err := c.sess.Prepare(ctx, st, oids)
	if err == nil && len(prep.Columns()) > maxColumns {
		return nil, pgerr.Newf("54011", "target lists can have at most %d entries", maxColumns)
	}
	return prep, err
}

// allowed refuses statements in a failed transaction block.
func (c *conn) allowed(st *statement) error {
	if c.sess.TxStatus() == 'E' && st.st != nil && !st.st.EndsTransaction() {
		return errFailedBlock
	}
	return nil
}

func (c *conn) statement(name string) (*statement, error) {
	if st, ok := c.statements[name]; ok {
		return st, nil
	}
	if name == "" {
		return nil, pgerr.Newf(pgerr.InvalidStatementName, "unnamed prepared statement does not exist")
	}
	return nil, pgerr.Newf(pgerr.InvalidStatementName, "prepared statement %q does not exist", name)
}

func (c *conn) bind(m *pgproto3.Bind) error {
	st, err := c.statement(m.PreparedStatement)
	if err != nil {
		return err
	}
	var types []vec.Type
	var cols []Column
	if st.prep != nil {
		types, cols = st.prep.Params(), st.prep.Columns()
	}
	if n := len(m.ParameterFormatCodes); n > 1 && n != len(m.Parameters) {
		return pgerr.Newf(pgerr.ProtocolViolation, "bind message has %d parameter formats but %d parameters", n, len(m.Parameters))
	}
	if len(m.Parameters) != len(types) {
		return pgerr.Newf(pgerr.ProtocolViolation, "bind message supplies %d parameters, but prepared statement %q requires %d",
			len(m.Parameters), m.PreparedStatement, len(types))
	}
	if err := c.allowed(st); err != nil {
		return err
	}
	if m.DestinationPortal == "" {
		c.closePortal("")
	} else if c.portals[m.DestinationPortal] != nil {
		return pgerr.Newf("42P03", "cursor %q already exists", m.DestinationPortal)
	} else if len(c.portals) >= c.srv.cfg.MaxPortals {
		return pgerr.Newf(pgerr.ProgramLimitExceeded, "too many open portals").
			Detailf("A session may keep %d.", c.srv.cfg.MaxPortals)
	}
	p := &portal{c: c, name: m.DestinationPortal, st: st}
	if len(types) > 0 {
		p.params = make([]vec.Value, len(types))
	}
	format := c.sess.TextFormat()
	for i, raw := range m.Parameters {
		f := formatAt(m.ParameterFormatCodes, i)
		if p.params[i], err = decodeParam(types[i], f, raw, format); err != nil {
			return inParameter(err, p.name, i, f)
		}
	}
	if n := len(m.ResultFormatCodes); n > 1 && n != len(cols) {
		return pgerr.Newf(pgerr.ProtocolViolation, "bind message has %d result formats but query has %d columns", n, len(cols))
	}
	p.formats = make([]int16, len(cols))
	for i := range p.formats {
		p.formats[i] = formatAt(m.ResultFormatCodes, i)
		if f := p.formats[i]; f != formatText && f != formatBinary {
			return pgerr.Newf(pgerr.InvalidParameterValue, "unsupported format code: %d", f)
		}
	}
	c.portals[p.name] = p
	c.out.empty('2')
	return nil
}

// formatAt applies the rule of Bind: no codes mean text, one is for all.
func formatAt(codes []int16, i int) int16 {
	switch len(codes) {
	case 0:
		return formatText
	case 1:
		return codes[0]
	}
	return codes[i]
}

// decodeParam reads a parameter; raw is nil for NULL and is not kept.
func decodeParam(t vec.Type, format int16, raw []byte, f *vec.TextFormat) (vec.Value, error) {
	switch {
	case raw == nil:
		return nil, nil
	case format == formatBinary && t.Kind == vec.Int64 && len(raw) == 8: // most parameters are
		return int64(binary.BigEndian.Uint64(raw)), nil
	case format == formatBinary && t.Kind == vec.Int32 && len(raw) == 4:
		return int64(int32(binary.BigEndian.Uint32(raw))), nil
	case format == formatBinary:
		return vec.ParseBinary(t, raw)
	case format != formatText:
		return nil, pgerr.Newf(pgerr.InvalidParameterValue, "unsupported format code: %d", format)
	}
	s := string(raw)
	if err := validText(s); err != nil {
		return nil, err
	}
	if t.Kind == vec.Unknown {
		return s, nil
	}
	return vec.Parse(t, s, f)
}

// inParameter says which parameter an error is about, as PostgreSQL does, without
// its value: that may be secret.
func inParameter(err error, portal string, i int, format int16) error {
	e := *pgerr.From(err)
	name := "unnamed portal"
	if portal != "" {
		name = fmt.Sprintf("portal %q", portal)
	}
	e.Where = fmt.Sprintf("%s parameter $%d", name, i+1)
	if format == formatText {
		e.Where += " = '...'"
	}
	if e.Code == pgerr.InternalError {
		return err
	}
	return &e
}

func (c *conn) describe(ctx context.Context, kind byte, name string) error {
	switch kind {
	case 'S':
		st, err := c.statement(name)
		if err != nil {
			return err
		}
		m := &pgproto3.ParameterDescription{}
		if st.prep != nil {
			for _, t := range st.prep.Params() {
				m.ParameterOIDs = append(m.ParameterOIDs, t.PGOID())
			}
		}
		c.out.send(m)
		c.describeRows(st.prep, nil)
		return nil
	case 'P':
		if p, ok := c.portals[name]; ok {
			c.describeRows(p.st.prep, p.formats)
			return nil
		}
		prep, err := c.cursor(ctx, name)
		if err != nil {
			return err
		}
		c.describeRows(prep, nil)
		return nil
	}
	return pgerr.Newf(pgerr.ProtocolViolation, "invalid DESCRIBE message subtype %d", kind)
}

func (c *conn) describeRows(p Prepared, formats []int16) {
	if p == nil || p.Columns() == nil {
		c.out.empty('n')
		return
	}
	c.out.send(rowDescription(p.Columns(), formats))
}

// cursor finds the shape of a cursor that SQL declared: it has its name in common
// with portals, and drivers describe it as one.
func (c *conn) cursor(ctx context.Context, name string) (Prepared, error) {
	missing := pgerr.Newf(pgerr.InvalidCursorName, "portal %q does not exist", name)
	if name == "" {
		return nil, missing
	}
	list, err := c.sess.Parse(`FETCH 1 FROM "` + strings.ReplaceAll(name, `"`, `""`) + `"`)
	if err != nil || len(list) != 1 {
		return nil, missing
	}
	prep, err := c.prepare(ctx, list[0], nil)
	if e, ok := errors.AsType[*pgerr.Error](err); ok && e.Code == pgerr.InvalidCursorName {
		return nil, missing
	}
	return prep, err
}

func (c *conn) execute(ctx context.Context, name string, limit int64) error {
	p, ok := c.portals[name]
	if !ok {
		return pgerr.Newf(pgerr.InvalidCursorName, "portal %q does not exist", name)
	}
	if p.st.prep == nil {
		c.out.empty('I')
		return nil
	}
	if err := c.allowed(p.st); err != nil {
		return err
	}
	if limit > 1<<31-1 { // PostgreSQL takes what is not positive for no limit
		limit = 0
	}
	ctx = c.begin(ctx)
	tag, suspended, err := c.run(ctx, p, limit)
	if err != nil {
		return place(p.st.sql, c.cancelled(ctx, err))
	}
	c.client.drainNotices(&c.out)
	if suspended {
		c.out.empty('s')
		return nil
	}
	c.out.commandComplete(tag)
	if p.st.st.EndsTransaction() && c.sess.TxStatus() == 'I' {
		c.closePortals()
	}
	return nil
}

// validBytes is validText for bytes that are not kept.
func validBytes(b []byte) error {
	if utf8.Valid(b) && bytes.IndexByte(b, 0) < 0 {
		return nil
	}
	return validText(string(b))
}

// validText refuses what is no UTF-8, the only encoding served.
func validText(s string) error {
	if utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 {
		return nil
	}
	for i, r := range s {
		if r == 0 {
			return pgerr.Newf("22021", "invalid byte sequence for encoding \"UTF8\": 0x00")
		}
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(s[i:]); n <= 1 {
				return pgerr.Newf("22021", "invalid byte sequence for encoding \"UTF8\": 0x%02x", s[i])
			}
		}
	}
	return nil
}
