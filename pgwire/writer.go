package pgwire

import (
	"encoding/binary"
	"net"

	"github.com/jackc/pgproto3/v2"
)

// flushSize is how many bytes are gathered before they are written. Larger
// writes gain nothing over loopback and hold rows back.
const flushSize = 32 << 10

// A writer gathers messages and writes them in one go. After an error it drops
// everything: the connection is over, and the reader will say so.
type writer struct {
	c   net.Conn
	buf []byte
	err error
}

// send appends a message.
func (w *writer) send(m pgproto3.BackendMessage) {
	buf, err := m.Encode(w.buf)
	if err != nil { // only a message beyond 1 GiB
		w.err = err
		return
	}
	w.buf = buf
}

// empty appends a message without a body.
func (w *writer) empty(kind byte) { w.buf = append(w.buf, kind, 0, 0, 0, 4) }

// begin appends the head of a message whose length end fills in.
func (w *writer) begin(kind byte) (start int) {
	w.buf = append(w.buf, kind, 0, 0, 0, 0)
	return len(w.buf) - 4
}

func (w *writer) end(start int) {
	binary.BigEndian.PutUint32(w.buf[start:], uint32(len(w.buf)-start))
}

// flush writes what was gathered.
func (w *writer) flush() error {
	if w.err == nil && len(w.buf) > 0 {
		_, w.err = w.c.Write(w.buf)
	}
	if cap(w.buf) > keepBuffer {
		w.buf = nil
	}
	w.buf = w.buf[:0]
	return w.err
}

// commandComplete appends the tag of a finished statement.
func (w *writer) commandComplete(tag string) {
	s := w.begin('C')
	w.buf = append(append(w.buf, tag...), 0)
	w.end(s)
}

// negotiate is the NegotiateProtocolVersion message, which pgproto3/v2 lacks:
// the newest minor version served, and the options not known.
type negotiate struct{ options []string }

func (*negotiate) Backend()            {}
func (*negotiate) Decode([]byte) error { return nil }

func (m *negotiate) Encode(dst []byte) ([]byte, error) {
	start := len(dst) + 1
	dst = append(dst, 'v', 0, 0, 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, pgproto3.ProtocolVersionNumber)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(m.options)))
	for _, o := range m.options {
		dst = append(append(dst, o...), 0)
	}
	binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start))
	return dst, nil
}
