package replication

import (
	"context"
	"errors"
	"net"
	"sync"
)

// fakeNet connects nodes by pipes, and cuts them off.
type fakeNet struct {
	mu        sync.Mutex
	listeners map[string]*fakeListener
	cut       map[string]bool
	conns     map[*fakeConn]bool
}

func newFakeNet() *fakeNet {
	return &fakeNet{listeners: map[string]*fakeListener{}, cut: map[string]bool{}, conns: map[*fakeConn]bool{}}
}

// join returns the network as the node at addr sees it.
func (n *fakeNet) join(addr string) Network {
	l := &fakeListener{net: n, addr: addr, conns: make(chan net.Conn), closed: make(chan struct{})}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.listeners[addr] = l
	return Network{Listener: l, Dial: func(ctx context.Context, to string) (net.Conn, error) { return n.dial(ctx, addr, to) }}
}

func (n *fakeNet) dial(ctx context.Context, from, to string) (net.Conn, error) {
	n.mu.Lock()
	l := n.listeners[to]
	if l == nil || n.cut[from] || n.cut[to] {
		n.mu.Unlock()
		return nil, errors.New("connection refused")
	}
	a, b := net.Pipe()
	near, far := &fakeConn{a, n, from, to}, &fakeConn{b, n, from, to}
	n.conns[near], n.conns[far] = true, true
	n.mu.Unlock()
	select {
	case l.conns <- far:
		return near, nil
	case <-l.closed:
	case <-ctx.Done():
	}
	near.Close()
	far.Close()
	return nil, errors.New("connection refused")
}

// isolate cuts the node at addr off, or heals it.
func (n *fakeNet) isolate(addr string, cut bool) {
	n.mu.Lock()
	n.cut[addr] = cut
	var broken []*fakeConn
	for c := range n.conns {
		if cut && (c.from == addr || c.to == addr) {
			broken = append(broken, c)
		}
	}
	n.mu.Unlock()
	for _, c := range broken {
		c.Close()
	}
}

func (n *fakeNet) isolated(addr string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.cut[addr]
}

type fakeConn struct {
	net.Conn
	net      *fakeNet
	from, to string
}

func (c *fakeConn) Close() error {
	c.net.mu.Lock()
	delete(c.net.conns, c)
	c.net.mu.Unlock()
	return c.Conn.Close()
}

type fakeListener struct {
	net    *fakeNet
	addr   string
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func (l *fakeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *fakeListener) Close() error {
	l.once.Do(func() {
		close(l.closed)
		l.net.mu.Lock()
		defer l.net.mu.Unlock()
		if l.net.listeners[l.addr] == l {
			delete(l.net.listeners, l.addr)
		}
	})
	return nil
}

func (l *fakeListener) Addr() net.Addr { return nodeAddr(l.addr) }
