package replication

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// A connection between nodes begins with a header: four bytes of magic, a version,
// what the connection is for, and the group. There is no answer; a header that is
// not understood, or of a group that is not here, closes the connection.
const (
	headerSize    = 4 + 1 + 1 + 4
	headerMagic   = "weir"
	headerVersion = 1

	purposeRaft     byte = 1 // raft's messages, as hashicorp/raft's NetworkTransport writes them
	purposeContents byte = 2 // the contents of an FSM, see contents.go

	// maxConns bounds what other nodes may have open here: each keeps about four a
	// group, and raft gives each half a megabyte of buffers.
	maxConns = 1024
	// headerTimeout is how long a connection may take to say what it is for.
	headerTimeout = 5 * time.Second
)

func putHeader(purpose byte, group uint32) []byte {
	b := append([]byte(headerMagic), headerVersion, purpose)
	return binary.BigEndian.AppendUint32(b, group)
}

func readHeader(r io.Reader) (purpose byte, group uint32, err error) {
	var b [headerSize]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return 0, 0, err
	}
	if string(b[:4]) != headerMagic || b[4] != headerVersion {
		return 0, 0, fmt.Errorf("header %x is not of a node", b[:5])
	}
	return b[5], binary.BigEndian.Uint32(b[6:]), nil
}

// A mux shares the node's listener among the groups.
type mux struct {
	network Network
	timeout time.Duration
	log     *slog.Logger
	work    sync.WaitGroup
	stop    chan struct{}

	mu    sync.Mutex
	conns map[net.Conn]struct{} // accepted and open
	lines map[uint32]*line
}

func newMux(network Network, timeout time.Duration, log *slog.Logger) *mux {
	m := &mux{
		network: network, timeout: timeout, log: log, stop: make(chan struct{}),
		conns: map[net.Conn]struct{}{}, lines: map[uint32]*line{},
	}
	m.work.Go(m.accept)
	return m
}

func (m *mux) close() {
	close(m.stop)
	if err := m.network.Listener.Close(); err != nil {
		m.log.Debug("closing the node listener", "err", err)
	}
	m.mu.Lock()
	for c := range m.conns {
		c.(*trackedConn).Conn.Close()
	}
	m.mu.Unlock()
	m.work.Wait()
}

func (m *mux) accept() {
	const least, most = 5 * time.Millisecond, time.Second
	wait := least
	for {
		c, err := m.network.Listener.Accept()
		if err != nil {
			select {
			case <-m.stop:
				return
			case <-time.After(wait): // out of file descriptors, perhaps
				m.log.Warn("accepting a node's connection", "err", err)
				wait = min(2*wait, most)
				continue
			}
		}
		wait = least
		tracked := m.track(c)
		if tracked == nil {
			c.Close()
			continue
		}
		m.work.Go(func() { m.route(tracked) })
	}
}

// track counts c among the open connections, or returns nil if there are too many.
func (m *mux) track(c net.Conn) net.Conn {
	m.mu.Lock()
	defer m.mu.Unlock()
	select {
	case <-m.stop:
		return nil
	default:
	}
	if len(m.conns) >= maxConns {
		m.log.Warn("too many connections of nodes", "limit", maxConns)
		return nil
	}
	t := &trackedConn{Conn: c, mux: m}
	m.conns[t] = struct{}{}
	return t
}

type trackedConn struct {
	net.Conn
	mux *mux
}

func (c *trackedConn) Close() error {
	c.mux.mu.Lock()
	delete(c.mux.conns, c)
	c.mux.mu.Unlock()
	return c.Conn.Close()
}

// route reads what c is for and hands it on.
func (m *mux) route(c net.Conn) {
	if err := c.SetReadDeadline(time.Now().Add(headerTimeout)); err != nil {
		c.Close()
		return
	}
	purpose, group, err := readHeader(c)
	if err == nil {
		err = c.SetReadDeadline(time.Time{})
	}
	if err != nil {
		m.log.Debug("a connection that is not a node's", "from", c.RemoteAddr(), "err", err)
		c.Close()
		return
	}
	m.mu.Lock()
	l := m.lines[group]
	m.mu.Unlock()
	switch {
	case l == nil:
		m.log.Debug("a connection for a group that is not here", "from", c.RemoteAddr(), "group", group)
	case purpose == purposeRaft:
		select {
		case l.accepted <- c:
			return
		case <-l.stop:
		}
	case purpose == purposeContents:
		l.serve(c)
	}
	c.Close()
}

// line is the share of one group in the network: raft's StreamLayer, and fetches
// of contents. A group that restarts its raft opens a new line.
type line struct {
	mux      *mux // nil without a network
	group    uint32
	addr     string
	accepted chan net.Conn
	serve    func(net.Conn)
	stop     chan struct{}

	mu    sync.Mutex
	conns map[net.Conn]struct{} // given to raft and open
}

func newLine(m *mux, group uint32, addr string, serve func(net.Conn)) *line {
	l := &line{
		mux: m, group: group, addr: addr, serve: serve,
		accepted: make(chan net.Conn), stop: make(chan struct{}), conns: map[net.Conn]struct{}{},
	}
	if m != nil {
		m.mu.Lock()
		m.lines[group] = l
		m.mu.Unlock()
	}
	return l
}

var errNoNetwork = errors.New("this node has no network")

// Accept implements raft.StreamLayer.
func (l *line) Accept() (net.Conn, error) {
	select {
	case c := <-l.accepted:
		return l.keep(c)
	case <-l.stop:
		return nil, net.ErrClosed
	}
}

// Dial implements raft.StreamLayer.
func (l *line) Dial(addr raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	c, err := l.dial(string(addr), purposeRaft, timeout)
	if err != nil {
		return nil, err
	}
	return l.keep(c)
}

func (l *line) dial(addr string, purpose byte, timeout time.Duration) (net.Conn, error) {
	if l.mux == nil {
		return nil, errNoNetwork
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	go func() {
		select {
		case <-l.stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	c, err := l.mux.network.Dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	if err := c.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	if _, err := c.Write(putHeader(purpose, l.group)); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	if err := c.SetWriteDeadline(time.Time{}); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// keep remembers c until it is closed, by raft or with the line: raft closes
// neither the connections it accepted nor those it pools when it is shut down.
func (l *line) keep(c net.Conn) (net.Conn, error) {
	k := &lineConn{Conn: c, line: l}
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.stop:
		return nil, errors.Join(net.ErrClosed, c.Close())
	default:
	}
	l.conns[k] = struct{}{}
	return k, nil
}

type lineConn struct {
	net.Conn
	line *line
}

func (c *lineConn) Close() error {
	c.line.mu.Lock()
	delete(c.line.conns, c)
	c.line.mu.Unlock()
	return c.Conn.Close()
}

// Close implements raft.StreamLayer.
func (l *line) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.stop:
		return nil
	default:
	}
	close(l.stop)
	for c := range l.conns {
		c.(*lineConn).Conn.Close()
	}
	if l.mux != nil {
		l.mux.mu.Lock()
		if l.mux.lines[l.group] == l {
			delete(l.mux.lines, l.group)
		}
		l.mux.mu.Unlock()
	}
	return nil
}

// Addr implements raft.StreamLayer.
func (l *line) Addr() net.Addr { return nodeAddr(l.addr) }

type nodeAddr string

func (nodeAddr) Network() string  { return "tcp" }
func (a nodeAddr) String() string { return string(a) }
