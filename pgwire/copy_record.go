package pgwire

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/weirdb/weir/internal/pgerr"
)

// record decodes the next record into row i. It returns false if there is none,
// or only part of one.
func (r *copyReader) record(i int) (bool, error) {
	if r.cp.Format == CopyBinary {
		return r.binaryRecord(i)
	}
	line, ok := r.cutLine()
	if !ok {
		return false, nil
	}
	switch {
	case r.header:
		return true, nil
	case string(line) == `\.`:
		r.trailer = true
		return true, nil
	}
	var err error
	k, rest, more := 0, line, true
	for ; more; k++ {
		var s []byte
		var null bool
		if r.cp.Format == CopyCSV {
			if s, null, rest, more = r.csvField(rest); r.open {
				return false, r.aboutLine(pgerr.Newf(badCopy, "unterminated CSV quoted field"), line)
			}
		} else {
			s, null, rest, more = r.textField(rest)
		}
		if k >= len(r.set) {
			return false, r.aboutLine(pgerr.Newf(badCopy, "extra data after last expected column"), line)
		}
		if null {
			r.batch.Cols[k].SetNull(i)
		} else if err = r.set[k](r.batch.Cols[k], i, s); err != nil {
			return false, r.inColumn(err, k, s)
		}
	}
	if k < len(r.set) {
		return false, r.aboutLine(pgerr.Newf(badCopy, "missing data for column %q", r.cp.Columns[k].Name), line)
	}
	return true, nil
}

func (r *copyReader) aboutLine(e *pgerr.Error, line []byte) error {
	e.Where = fmt.Sprintf("COPY %s, line %d: %q", r.cp.Table, r.line, clip(line))
	return e
}

// cutLine returns the next record of text or CSV without its end. A record may
// have line ends inside: after a backslash, or in quotes.
func (r *copyReader) cutLine() ([]byte, bool) {
	r.scan = max(r.scan, r.at)
	for {
		i := bytes.IndexByte(r.data[r.scan:], '\n')
		end := r.scan + i
		if i < 0 {
			end = len(r.data)
		}
		inside, seen := false, 0
		if r.cp.Format == CopyCSV {
			seen = r.quotes(r.data[r.scan:end])
			inside = r.quoted
		} else {
			for j := end - 1; j >= r.at && r.data[j] == '\\'; j-- {
				inside = !inside
			}
		}
		switch {
		case i < 0 && !r.eof:
			if r.cp.Format == CopyCSV { // its state is kept; that of text is in the data
				r.scan += seen
			}
			return nil, false
		case i < 0 && r.at == end:
			return nil, false
		case i >= 0 && inside:
			r.scan = end + 1
			continue
		}
		line := r.data[r.at:end]
		if n := len(line); n > 0 && line[n-1] == '\r' {
			line = line[:n-1]
		}
		r.at = min(end+1, len(r.data))
		r.scan, r.quoted = r.at, false
		return line, true
	}
}

// quotes follows a piece of CSV in and out of quotes. It returns how much of it
// it has understood: an escape at the end may protect what comes next.
func (r *copyReader) quotes(s []byte) int {
	if r.cp.Escape == r.cp.Quote { // a doubled quote goes out and in again
		if bytes.Count(s, []byte{r.cp.Quote})%2 == 1 {
			r.quoted = !r.quoted
		}
		return len(s)
	}
	for i := 0; i < len(s); i++ {
		switch {
		case r.quoted && s[i] == r.cp.Escape && i+1 == len(s):
			return i
		case r.quoted && s[i] == r.cp.Escape && (s[i+1] == r.cp.Quote || s[i+1] == r.cp.Escape):
			i++
		case s[i] == r.cp.Quote:
			r.quoted = !r.quoted
		}
	}
	return len(s)
}

// textField splits the first field off a line.
func (r *copyReader) textField(line []byte) (s []byte, null bool, rest []byte, more bool) {
	i := bytes.IndexByte(line, r.cp.Delim)
	raw := line
	if i >= 0 {
		raw = line[:i]
	}
	if bytes.IndexByte(raw, '\\') < 0 { // the common case
		null = string(raw) == *r.cp.Null
		if i < 0 {
			return raw, null, nil, false
		}
		return raw, null, line[i+1:], true
	}
	r.field = r.field[:0]
	for i = 0; i < len(line) && line[i] != r.cp.Delim; i++ {
		if line[i] != '\\' || i+1 == len(line) {
			r.field = append(r.field, line[i])
			continue
		}
		i++
		switch ch := line[i]; ch {
		case 'b':
			r.field = append(r.field, '\b')
		case 'f':
			r.field = append(r.field, '\f')
		case 'n':
			r.field = append(r.field, '\n')
		case 'r':
			r.field = append(r.field, '\r')
		case 't':
			r.field = append(r.field, '\t')
		case 'v':
			r.field = append(r.field, '\v')
		case '0', '1', '2', '3', '4', '5', '6', '7':
			x, n := digits(line[i:], 8, 3)
			r.field = append(r.field, x)
			i += n - 1
		case 'x':
			if x, n := digits(line[i+1:], 16, 2); n > 0 {
				r.field = append(r.field, x)
				i += n
				break
			}
			r.field = append(r.field, ch)
		default:
			r.field = append(r.field, ch)
		}
	}
	null = string(line[:i]) == *r.cp.Null
	if i < len(line) {
		return r.field, null, line[i+1:], true
	}
	return r.field, null, nil, false
}

// digits reads up to most digits of a base as one byte.
func digits(s []byte, base, most int) (x byte, n int) {
	for n < min(most, len(s)) {
		d := 255
		switch ch := s[n]; {
		case ch >= '0' && ch <= '9':
			d = int(ch - '0')
		case ch >= 'a' && ch <= 'f':
			d = int(ch-'a') + 10
		case ch >= 'A' && ch <= 'F':
			d = int(ch-'A') + 10
		}
		if d >= base {
			break
		}
		x = x*byte(base) + byte(d)
		n++
	}
	return x, n
}

// csvField splits the first field off a record. Quotes may start anywhere in it;
// one that has any is never NULL.
func (r *copyReader) csvField(line []byte) (s []byte, null bool, rest []byte, more bool) {
	quoted, ever := false, false
	r.field = r.field[:0]
	for i := 0; i < len(line); i++ {
		switch ch := line[i]; {
		case quoted && ch == r.cp.Escape && i+1 < len(line) && (line[i+1] == r.cp.Quote || line[i+1] == r.cp.Escape):
			i++
			r.field = append(r.field, line[i])
		case ch == r.cp.Quote:
			quoted, ever = !quoted, true
		case ch == r.cp.Delim && !quoted:
			return r.field, !ever && string(r.field) == *r.cp.Null, line[i+1:], true
		default:
			r.field = append(r.field, ch)
		}
	}
	r.open = quoted
	return r.field, !ever && string(r.field) == *r.cp.Null, nil, false
}

// binaryRecord is record for the binary format; the header counts as one.
func (r *copyReader) binaryRecord(i int) (bool, error) {
	b := r.data[r.at:]
	short := func() (bool, error) {
		if r.eof {
			return false, pgerr.Newf(badCopy, "unexpected EOF in COPY data")
		}
		return false, nil
	}
	if r.header {
		const fixed = len(copyHeader)
		if len(b) < fixed {
			return short()
		}
		if string(b[:11]) != copyHeader[:11] {
			return false, pgerr.Newf(badCopy, "COPY file signature not recognized")
		}
		if flags := binary.BigEndian.Uint32(b[11:]); flags>>16 != 0 {
			return false, pgerr.Newf(badCopy, "unrecognized critical flags in COPY file header")
		}
		ext := int64(binary.BigEndian.Uint32(b[15:]))
		if int64(len(b)-fixed) < ext {
			return short()
		}
		r.at += fixed + int(ext)
		return true, nil
	}
	if len(b) == 0 && r.eof { // PostgreSQL does without the trailer too
		return false, nil
	}
	if len(b) < 2 {
		return short()
	}
	n := int(int16(binary.BigEndian.Uint16(b)))
	if n == -1 {
		r.at += 2
		r.trailer = true
		return true, nil
	}
	if n != len(r.set) {
		return false, pgerr.Newf(badCopy, "row field count is %d, expected %d", n, len(r.set))
	}
	// The whole row first: setting half of one and then the rest again later
	// would leave its bytes in the arena twice.
	end := 2
	for range n {
		if len(b) < end+4 {
			return short()
		}
		size := int64(int32(binary.BigEndian.Uint32(b[end:])))
		if size < -1 {
			return false, pgerr.Newf(badCopy, "invalid field size")
		}
		end += 4
		if size > int64(len(b)-end) {
			return short()
		}
		end += int(max(size, 0))
	}
	at := 2
	for k := range n {
		size := int(int32(binary.BigEndian.Uint32(b[at:])))
		at += 4
		if size < 0 {
			r.batch.Cols[k].SetNull(i)
			continue
		}
		if err := r.set[k](r.batch.Cols[k], i, b[at:at+size]); err != nil {
			return false, r.inColumn(err, k, nil)
		}
		at += size
	}
	r.at += end
	return true, nil
}
