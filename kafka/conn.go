package kafka

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirdb/weir/storage/batch"
)

// conn is one connection. The goroutine of serve owns it all but what produce.go hands to the answering goroutine.
type conn struct {
	s   *Server
	nc  net.Conn
	in  *bufio.Reader
	ctx context.Context // done when the server ends

	frame    []byte // the request at work; what is read from it is a view
	out      []byte // the response, written when no Produce is pending
	clientID string
	host     string // where the client is
	local    Node   // the address it dialled

	batches  batch.Decoder
	produced chan *production // to the answering goroutine; nil until the first Produce
	pending  sync.WaitGroup   // productions not answered yet
	waiting  context.Context  // for commits: ends a little after ctx
}

// keptBuffer is the capacity up to which a connection keeps its buffers from one request to the next.
const keptBuffer = 1 << 20

// shutdownGrace is how long commits and clients may delay the end of the server.
const shutdownGrace = time.Second

// handle serves one connection from its first byte to its end.
func (s *Server) handle(ctx context.Context, nc net.Conn) {
	defer nc.Close()
	waiting, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		nc.SetReadDeadline(time.Now())
		nc.SetWriteDeadline(time.Now().Add(shutdownGrace))
		time.AfterFunc(shutdownGrace, cancel)
	})
	defer stop()
	c := &conn{s: s, nc: nc, in: bufio.NewReaderSize(nc, 16<<10), ctx: ctx, waiting: waiting}
	c.local.Host, c.local.Port = splitAddr(nc.LocalAddr())
	c.host, _ = splitAddr(nc.RemoteAddr())
	err := c.serve(ctx)
	c.endProductions()
	if ctx.Err() == nil && !isHangUp(err) {
		s.cfg.Log.Info("kafka: connection closed", "client", nc.RemoteAddr(), "client_id", c.clientID, "error", err)
	}
}

// isHangUp tells whether a connection ended because the client went, or said nothing for long.
func isHangUp(err error) bool {
	var ne net.Error
	var op *net.OpError
	return errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe) ||
		errors.As(err, &ne) && ne.Timeout() || errors.As(err, &op)
}

func splitAddr(a net.Addr) (host string, port int32) {
	h, p, err := net.SplitHostPort(a.String())
	if err != nil { // a pipe
		return a.String(), 0
	}
	n, _ := strconv.ParseUint(p, 10, 16)
	return h, int32(n)
}

// serve reads requests and does them until the connection ends, and returns why it did.
func (c *conn) serve(ctx context.Context) error {
	for {
		if err := c.readFrame(ctx); err != nil {
			return err
		}
		if err := c.request(ctx); err != nil {
			return err
		}
		if cap(c.frame) > keptBuffer {
			c.frame = nil
		}
		if cap(c.out) > keptBuffer {
			c.out = nil
		}
	}
}

// readFrame reads the next request, without its length, into c.frame. Memory grows with what has arrived, not with
// what was announced.
func (c *conn) readFrame(ctx context.Context) error {
	c.nc.SetReadDeadline(time.Now().Add(c.s.cfg.IdleTimeout))
	if ctx.Err() != nil { // a deadline set after the server's end would undo the one set then
		return ctx.Err()
	}
	head, err := c.in.Peek(6)
	if err != nil {
		return err
	}
	size, key := int(int32(binary.BigEndian.Uint32(head))), kmsg.Key(binary.BigEndian.Uint16(head[4:]))
	limit := c.s.cfg.MaxControl
	if key == kmsg.Produce {
		limit = c.s.cfg.MaxRequest
	}
	if size < 8 || size > limit {
		return fmt.Errorf("a request (key %d) of %d bytes, the limit is %d", key, size, limit)
	}
	if _, err := c.in.Discard(4); err != nil {
		return err
	}
	if c.in.Buffered() < size {
		c.nc.SetReadDeadline(time.Now().Add(c.s.cfg.FrameTimeout))
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	c.frame = c.frame[:0]
	for len(c.frame) < size {
		have := len(c.frame)
		n := min(size-have, max(have, 64<<10))
		c.frame = slices.Grow(c.frame, n)[:have+n]
		if _, err := io.ReadFull(c.in, c.frame[have:]); err != nil {
			return fmt.Errorf("request of %d bytes: %w", size, err)
		}
	}
	return nil
}

// request does the request in c.frame. An error ends the connection: the client does not keep to the protocol, or
// cannot be written to.
func (c *conn) request(ctx context.Context) error {
	f := fields{b: c.frame}
	key, version, correlation := kmsg.Key(f.int16()), f.int16(), f.int32()
	if id := f.shortText(); string(id) != c.clientID {
		c.clientID = string(id)
	}
	if f.err != nil {
		return f.err
	}
	i := slices.IndexFunc(c.s.apis, func(a api) bool { return a.key == key })
	if i < 0 {
		return fmt.Errorf("request key %d (%s): %w", key, key.Name(), UnsupportedVersion)
	}
	a := c.s.apis[i]
	if version < a.min || version > a.max {
		if key != kmsg.ApiVersions {
			return fmt.Errorf("%s version %d, served are %d to %d: %w", key.Name(), version, a.min, a.max, UnsupportedVersion)
		}
		c.pending.Wait() // told in version 0, which everyone can read (KIP-511)
		return c.respond(correlation, false, c.s.versions(0, UnsupportedVersion))
	}
	if key == kmsg.Produce {
		f.flexible = version >= 9
		f.tags()
		return c.produce(ctx, version, correlation, f)
	}
	req := key.Request()
	req.SetVersion(version)
	f.flexible = req.IsFlexible()
	f.tags()
	if f.err != nil {
		return fmt.Errorf("%s version %d: %w", key.Name(), version, f.err)
	}
	if err := c.decode(req, f.b); err != nil {
		return fmt.Errorf("%s version %d: %w", key.Name(), version, err)
	}
	c.pending.Wait()
	if r, ok := req.(*kmsg.FetchRequest); ok {
		return c.fetch(ctx, correlation, r)
	}
	resp := a.do(c, ctx, req)
	if resp == nil {
		return ctx.Err()
	}
	resp.SetVersion(version)
	return c.respond(correlation, f.flexible && key != kmsg.ApiVersions, resp)
}

func (c *conn) decode(req kmsg.Request, b []byte) error {
	if len(b) > bulkyRequest {
		c.s.bulky <- struct{}{}
		defer func() { <-c.s.bulky }()
	}
	return req.ReadFrom(b)
}

// begin starts a response in b, which it overwrites.
func begin(b []byte, correlation int32, flexible bool) []byte {
	b = appendInt32(append(b[:0], 0, 0, 0, 0), correlation) // the length is filled in by write
	return appendTags(b, flexible)
}

// respond writes a response. No Produce is pending.
func (c *conn) respond(correlation int32, flexible bool, resp kmsg.Response) error {
	c.out = resp.AppendTo(begin(c.out, correlation, flexible))
	return c.write(c.out)
}

// write writes a response that begin started.
func (c *conn) write(b []byte) error {
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	for len(b) > 0 {
		n := min(len(b), 1<<20)
		wait := c.s.cfg.FrameTimeout
		c.nc.SetWriteDeadline(time.Now().Add(wait))
		if c.ctx.Err() != nil {
			c.nc.SetWriteDeadline(time.Now().Add(min(wait, shutdownGrace)))
		}
		if _, err := c.nc.Write(b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}
