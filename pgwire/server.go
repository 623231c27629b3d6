package pgwire

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/weirdb/weir/internal/pgerr"
)

// Config is what a Server needs.
type Config struct {
	Backend Backend     // required
	TLS     *tls.Config // nil: TLS is refused
	// RequirePassword asks clients on loopback for their password too. By
	// default they are trusted; all others always prove theirs (SCRAM-SHA-256).
	RequirePassword bool
	MaxConns        int           // 0 means 1000; more are refused with 53300
	StartupTimeout  time.Duration // for TLS, password and all; 0 means 60s
	MaxMessage      int           // largest message body in bytes; 0 means 256 MiB
	MaxStatements   int           // named statements a session may keep; 0 means 10000
	MaxPortals      int           // portals a session may keep open; 0 means 1000
	Version         string        // server_version; "" means "15.0 (Weir)"
	Log             *slog.Logger  // nil means slog.Default()
}

func (c Config) withDefaults() Config {
	def := func(x *int, d int) {
		if *x == 0 {
			*x = d
		}
	}
	def(&c.MaxConns, 1000)
	def(&c.MaxMessage, 256<<20)
	def(&c.MaxStatements, 10000)
	def(&c.MaxPortals, 1000)
	if c.StartupTimeout == 0 {
		c.StartupTimeout = time.Minute
	}
	if c.Version == "" {
		c.Version = "15.0 (Weir)"
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return c
}

// Server serves PostgreSQL clients.
type Server struct {
	cfg      Config
	mockSalt []byte // makes up the salts of users that do not exist

	mu    sync.Mutex
	conns map[uint32]*conn // by PID
	next  uint32           // PID last given
}

// New returns a server; its life is Serve.
func New(cfg Config) *Server {
	s := &Server{cfg: cfg.withDefaults(), mockSalt: make([]byte, 32), conns: map[uint32]*conn{}}
	rand.Read(s.mockSalt)
	return s
}

// Serve accepts connections on ln until ctx is done. Then running statements are
// cancelled, every client is told so (57P01), and Serve returns when the last
// connection has ended.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	var conns sync.WaitGroup
	defer conns.Wait()
	// Not ctx's child: statements are to end with errShutdown as the cause, not with its.
	caller := ctx
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(caller))
	defer cancel(errShutdown) // before Wait: whatever ends Serve ends its connections
	defer context.AfterFunc(caller, func() { cancel(errShutdown) })()
	conns.Go(func() { <-ctx.Done(); ln.Close() })
	for {
		nc, err := ln.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				nc.Close()
			}
			return nil // we closed ln ourselves
		case isShortage(err): // let some connections end
			select {
			case <-time.After(50 * time.Millisecond):
			case <-ctx.Done():
			}
		case err != nil:
			return fmt.Errorf("pgwire: accept: %w", err)
		default:
			conns.Go(func() { s.handle(ctx, nc) })
		}
	}
}

// isShortage tells whether accept failed for want of descriptors or memory, or
// because of a peer that changed its mind: nothing is wrong with the listener.
func isShortage(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// handle serves one connection from its first byte to its end.
func (s *Server) handle(ctx context.Context, nc net.Conn) {
	c := newConn(s, nc)
	defer c.hangUp()
	crowd := s.register(c)
	defer s.unregister(c)
	if crowd > 2*s.cfg.MaxConns { // not even a polite answer: that costs a buffer and time too
		return
	}
	stop := context.AfterFunc(ctx, func() {
		nc.SetWriteDeadline(time.Now().Add(shutdownGrace))
		c.in.interrupt()
	})
	defer stop()
	err := c.start(ctx, crowd > s.cfg.MaxConns)
	if err == nil {
		err = c.serve(ctx)
	}
	c.farewell(ctx, err)
}

// hangUp closes the connection, with TLS's own goodbye if it has TLS.
func (c *conn) hangUp() {
	if c.tls != nil {
		c.tls.Close()
	}
	c.nc.Close()
}

// shutdownGrace is how long a client that does not read may delay the end of
// the server.
const shutdownGrace = time.Second

// register gives c its PID and secret, and returns how many connections there are.
func (s *Server) register(c *conn) int {
	var secret [4]byte
	rand.Read(secret[:])
	c.secret = secret
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		s.next = (s.next + 1) & 0x7fffffff // clients read it as int32
		if _, taken := s.conns[s.next]; s.next != 0 && !taken {
			break
		}
	}
	c.pid = s.next
	s.conns[c.pid] = c
	return len(s.conns)
}

func (s *Server) unregister(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c.pid)
}

// cancelRequest serves a CancelRequest packet, whose body follows its code. As in
// PostgreSQL nobody is told whether it hit.
func (s *Server) cancelRequest(body []byte) {
	if len(body) != 8 {
		return
	}
	pid := binary.BigEndian.Uint32(body)
	s.mu.Lock()
	c := s.conns[pid]
	s.mu.Unlock()
	if c != nil && subtle.ConstantTimeCompare(c.secret[:], body[4:]) == 1 {
		c.cancelStatement(errCanceled)
	}
}

// Cancel cancels the statement that connection pid runs, if any, as
// pg_cancel_backend does. It tells whether there is such a connection.
func (s *Server) Cancel(pid uint32) bool {
	s.mu.Lock()
	c := s.conns[pid]
	s.mu.Unlock()
	if c != nil {
		c.cancelStatement(errCanceled)
	}
	return c != nil
}

// Terminate ends connection pid as pg_terminate_backend does. It tells whether
// there is one.
func (s *Server) Terminate(pid uint32) bool {
	s.mu.Lock()
	c := s.conns[pid]
	s.mu.Unlock()
	if c != nil {
		c.terminate(errTerminated)
	}
	return c != nil
}

// Why a statement or a connection is made to end; the cause of its context.
var (
	errCanceled   = pgerr.Newf(pgerr.QueryCanceled, "canceling statement due to user request")
	errShutdown   = fatal{pgerr.Newf(pgerr.AdminShutdown, "terminating connection due to administrator command")}
	errTerminated = errShutdown
	errGone       = errors.New("pgwire: the client has gone")
)

// fatal is an error that ends the connection.
type fatal struct{ err *pgerr.Error }

func (f fatal) Error() string { return f.err.Msg }
func (f fatal) Unwrap() error { return f.err }
