package pgwire

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/weirdb/weir/internal/pgerr"
)

const (
	// readBuffer is what a connection starts with: an idle one costs little,
	// and a pipeline of small messages comes in with one read.
	readBuffer = 8 << 10
	// keepBuffer is the largest buffer a connection keeps after a large message.
	keepBuffer = 256 << 10
	// watchAfter is how long a statement runs before its socket is watched.
	// Shorter ones, nearly all, do not pay for the goroutine.
	watchAfter = 20 * time.Millisecond
)

// past is a read deadline that wakes whoever reads.
var past = time.Unix(1, 0)

// A reader cuts the stream of bytes from a client into messages of bounded
// size. It belongs to the connection's goroutine.
type reader struct {
	c    net.Conn // perhaps TLS over raw
	raw  net.Conn // where deadlines are set
	buf  []byte
	r, w int   // buf[r:w] is unread
	err  error // of the socket, once everything buffered is read
	max  int   // largest body

	mu       sync.Mutex // guards what follows
	closing  bool       // interrupt was called: deadlines stay
	watching watchState
	timer    *time.Timer
	watched  chan struct{} // closed when the watching goroutine is done
	gone     func(error)
}

type watchState uint8

const (
	watchOff watchState = iota
	watchArmed
	watchReading
)

func newReader(c net.Conn) *reader {
	return &reader{c: c, raw: c, buf: make([]byte, readBuffer)}
}

// message returns the next message. The body is valid until the next call.
func (r *reader) message() (kind byte, body []byte, err error) {
	if err := r.fill(5); err != nil {
		return 0, nil, err
	}
	n := int64(binary.BigEndian.Uint32(r.buf[r.r+1:])) - 4
	if n < 0 || n > int64(r.max) {
		return 0, nil, fatal{pgerr.Newf(pgerr.ProtocolViolation, "invalid message length")}
	}
	if err := r.fill(5 + int(n)); err != nil {
		return 0, nil, err
	}
	kind = r.buf[r.r]
	body = r.buf[r.r+5 : r.r+5+int(n) : r.r+5+int(n)]
	r.r += 5 + int(n)
	return kind, body, nil
}

// ready tells whether message would return without reading from the socket.
func (r *reader) ready() bool {
	if r.w-r.r < 5 {
		return false
	}
	return int64(r.w-r.r) >= 1+int64(binary.BigEndian.Uint32(r.buf[r.r+1:]))
}

// fill reads until n bytes are buffered. The buffer grows with the bytes that
// come in, not with the length a message claims.
func (r *reader) fill(n int) error {
	for r.w-r.r < n {
		if r.err != nil {
			return r.err
		}
		r.room(min(n, max(2*(r.w-r.r), readBuffer)))
		m, err := r.c.Read(r.buf[r.w:])
		r.w += m
		if err != nil && r.w-r.r < n {
			if err == io.EOF && r.w > r.r {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
	}
	return nil
}

// room makes place for n bytes from r.r on, of which some may be there already.
func (r *reader) room(n int) {
	dst := r.buf
	switch {
	case len(r.buf) > keepBuffer && n <= readBuffer && r.w-r.r <= readBuffer:
		dst = make([]byte, readBuffer)
	case len(r.buf)-r.r >= n && r.w < len(r.buf):
		return
	case len(r.buf) < n || r.r == 0:
		dst = make([]byte, max(n, 2*len(r.buf)))
	}
	r.w = copy(dst, r.buf[r.r:r.w])
	r.r, r.buf = 0, dst
}

// interrupt wakes the reader for good: what is not buffered fails from now on.
// Any goroutine may call it.
func (r *reader) interrupt() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closing = true
	r.raw.SetReadDeadline(past)
}

// interrupted tells whether interrupt was called.
func (r *reader) interrupted() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closing
}

// deadline sets when reads fail, unless they already do; zero means never.
func (r *reader) deadline(t time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closing {
		r.raw.SetReadDeadline(t)
	}
}

// watch begins, once watchAfter has passed, to read ahead into the buffer's free
// space, and calls gone if the connection fails. Nothing else may be called
// until unwatch has returned.
func (r *reader) watch(gone func(error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.watching, r.gone = watchArmed, gone
	if r.timer == nil {
		r.timer = time.AfterFunc(watchAfter, r.readAhead)
	} else {
		r.timer.Reset(watchAfter)
	}
}

func (r *reader) unwatch() {
	r.mu.Lock()
	was := r.watching
	r.watching = watchOff
	r.timer.Stop()
	r.mu.Unlock()
	if was == watchReading {
		r.raw.SetReadDeadline(past)
		<-r.watched
		r.deadline(time.Time{})
	}
}

func (r *reader) readAhead() {
	r.mu.Lock()
	if r.watching != watchArmed { // stopped, or a late call of an earlier timer
		r.mu.Unlock()
		return
	}
	r.watching = watchReading
	r.watched = make(chan struct{})
	gone, done := r.gone, r.watched
	r.mu.Unlock()
	defer close(done)
	r.room(r.w - r.r + readBuffer/2)
	for r.w < len(r.buf) {
		n, err := r.c.Read(r.buf[r.w:])
		r.w += n
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
		if err != nil {
			r.err = err
			gone(err)
			return
		}
	}
}
