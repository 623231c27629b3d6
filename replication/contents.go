package replication

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"net"
	"time"
)

// Contents travel from one member's FSM straight into another's, beside raft,
// which would want their size before the first byte, and a copy on disk. The
// member that asks says at which index it needs them at least. The answer is
// chunks, each a length and its bytes, then a zero length and the CRC-32C of all
// bytes; a member that cannot serve, or fails, closes the connection.

const (
	contentsChunk    = 64 << 10
	maxContentsChunk = 1 << 20
)

func newSum() hash.Hash32 { return crc32.New(crc32.MakeTable(crc32.Castagnoli)) }

// serveContents answers on c, a connection whose header has been read.
func (g *Group) serveContents(c net.Conn) error {
	var ask [8]byte
	if err := c.SetDeadline(time.Now().Add(g.node.cfg.Timeout)); err != nil {
		return err
	}
	if _, err := io.ReadFull(c, ask[:]); err != nil {
		return err
	}
	if least := binary.BigEndian.Uint64(ask[:]); g.hollow.Load() || g.fsm.Applied() < least {
		return fmt.Errorf("contents at %d were asked for, there is %d here", least, g.fsm.Applied())
	}
	g.serving.Add(1) // what follows the contents must stay in the log until they have arrived
	defer g.serving.Add(-1)
	w := &chunkWriter{conn: c, timeout: g.node.cfg.Timeout, sum: newSum()}
	buf := bufio.NewWriterSize(w, contentsChunk)
	if _, err := g.fsm.WriteTo(buf); err != nil {
		return err
	}
	if err := buf.Flush(); err != nil {
		return err
	}
	return w.end()
}

type chunkWriter struct {
	conn    net.Conn
	timeout time.Duration // for a chunk
	sum     hash.Hash32
}

func (w *chunkWriter) Write(p []byte) (int, error) {
	n := 0
	for len(p) > 0 {
		chunk := p[:min(len(p), maxContentsChunk)]
		if err := w.send(uint32(len(chunk)), chunk); err != nil {
			return n, err
		}
		w.sum.Write(chunk)
		n, p = n+len(chunk), p[len(chunk):]
	}
	return n, nil
}

func (w *chunkWriter) end() error {
	return w.send(0, binary.BigEndian.AppendUint32(nil, w.sum.Sum32()))
}

func (w *chunkWriter) send(size uint32, p []byte) error {
	if err := w.conn.SetDeadline(time.Now().Add(w.timeout)); err != nil {
		return err
	}
	if _, err := w.conn.Write(binary.BigEndian.AppendUint32(nil, size)); err != nil {
		return err
	}
	_, err := w.conn.Write(p)
	return err
}

// fetchContents replaces the FSM's contents with those of the member at addr.
func (g *Group) fetchContents(l *line, addr string, least uint64) error {
	timeout := g.node.cfg.Timeout
	c, err := l.dial(addr, purposeContents, timeout)
	if err != nil {
		return err
	}
	if c, err = l.keep(c); err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	if _, err := c.Write(binary.BigEndian.AppendUint64(nil, least)); err != nil {
		return err
	}
	r := &chunkReader{conn: c, timeout: timeout, sum: newSum()}
	// The first byte tells a member that serves from one that does not: the FSM
	// must not begin to replace what it has for the latter.
	buf := bufio.NewReaderSize(r, contentsChunk)
	if _, err := buf.Peek(1); err != nil && err != io.EOF {
		return fmt.Errorf("contents of %s: %w", addr, err)
	}
	if !g.hollow.Swap(true) {
		g.had = g.fsm.Applied()
	}
	if _, err := g.fsm.ReadFrom(buf); err != nil {
		return fmt.Errorf("contents of %s: %w", addr, err)
	}
	if _, err := io.Copy(io.Discard, buf); err != nil { // the checksum is at the end
		return fmt.Errorf("contents of %s: %w", addr, err)
	}
	if d := g.fsm.Durable(); d < least {
		return fmt.Errorf("contents of %s are of index %d, those of %d were asked for", addr, d, least)
	}
	g.hollow.Store(false)
	return nil
}

// chunkReader gives io.EOF only after the whole contents.
type chunkReader struct {
	conn    net.Conn
	timeout time.Duration // for a chunk
	sum     hash.Hash32
	left    uint32 // of the current chunk
	done    bool
}

func (r *chunkReader) Read(p []byte) (int, error) {
	if r.done {
		return 0, io.EOF
	}
	if r.left == 0 {
		if err := r.next(); err != nil {
			return 0, err
		}
	}
	n, err := r.conn.Read(p[:min(uint32(len(p)), r.left)])
	r.sum.Write(p[:n])
	r.left -= uint32(n)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (r *chunkReader) next() error {
	if err := r.conn.SetDeadline(time.Now().Add(r.timeout)); err != nil {
		return err
	}
	size, err := r.number()
	if err != nil {
		return err
	}
	if size > maxContentsChunk {
		return fmt.Errorf("chunk of %d bytes, the limit is %d: %w", size, maxContentsChunk, errCorrupt)
	}
	if size > 0 {
		r.left = size
		return nil
	}
	sum, err := r.number()
	if err != nil {
		return err
	}
	if sum != r.sum.Sum32() {
		return fmt.Errorf("checksum %08x, want %08x: %w", r.sum.Sum32(), sum, errCorrupt)
	}
	r.done = true
	return io.EOF
}

func (r *chunkReader) number() (uint32, error) {
	var b [4]byte
	if _, err := io.ReadFull(r.conn, b[:]); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return 0, err
	}
	return binary.BigEndian.Uint32(b[:]), nil
}
