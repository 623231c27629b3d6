// Package memnet is a network in memory: listeners and pipes by name, and
// cables that can be cut. Tests of several nodes in one process run on it, most
// of them in a testing/synctest bubble. It knows nothing of what travels.
package memnet

import (
	"context"
	"errors"
	"net"
	"sync"
)

// A Network connects hosts, each known by its address. Its methods may be called
// from any goroutine.
type Network struct {
	mu        sync.Mutex
	listeners map[string]*listener
	cut       map[string]bool    // hosts that reach nobody
	apart     map[[2]string]bool // pairs that do not reach each other
	conns     map[*conn]struct{}
}

// New returns a network without hosts.
func New() *Network {
	return &Network{
		listeners: map[string]*listener{}, cut: map[string]bool{}, apart: map[[2]string]bool{}, conns: map[*conn]struct{}{},
	}
}

// ErrRefused says that nobody listens at an address, or that it is cut off.
var ErrRefused = errors.New("memnet: connection refused")

// Listen makes host reachable. A second listener of a host replaces the first.
func (n *Network) Listen(host string) net.Listener {
	l := &listener{net: n, host: host, conns: make(chan net.Conn), closed: make(chan struct{})}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.listeners[host] = l
	return l
}

// Dial connects host from to host to.
func (n *Network) Dial(ctx context.Context, from, to string) (net.Conn, error) {
	n.mu.Lock()
	l := n.listeners[to]
	if l == nil || !n.reaches(from, to) {
		n.mu.Unlock()
		return nil, ErrRefused
	}
	a, b := net.Pipe()
	near, far := &conn{Conn: a, net: n, from: from, to: to}, &conn{Conn: b, net: n, from: from, to: to}
	n.conns[near], n.conns[far] = struct{}{}, struct{}{}
	n.mu.Unlock()
	select {
	case l.conns <- far:
		return near, nil
	case <-l.closed:
	case <-ctx.Done():
	}
	return nil, errors.Join(ErrRefused, near.Close(), far.Close())
}

func (n *Network) reaches(a, b string) bool {
	return !n.cut[a] && !n.cut[b] && !n.apart[pair(a, b)]
}

func pair(a, b string) [2]string {
	if b < a {
		a, b = b, a
	}
	return [2]string{a, b}
}

// Cut takes host off the network, or puts it back. Its connections break; what
// was written to them and not read is lost.
func (n *Network) Cut(host string, cut bool) { n.change(func() { n.cut[host] = cut }) }

// Part keeps two hosts from reaching each other, or lets them again.
func (n *Network) Part(a, b string, apart bool) { n.change(func() { n.apart[pair(a, b)] = apart }) }

// Heal puts everything together again.
func (n *Network) Heal() { n.change(func() { clear(n.cut); clear(n.apart) }) }

func (n *Network) change(f func()) {
	n.mu.Lock()
	f()
	var broken []*conn
	for c := range n.conns {
		if !n.reaches(c.from, c.to) {
			broken = append(broken, c)
		}
	}
	n.mu.Unlock()
	for _, c := range broken {
		_ = c.Close() // a pipe's never fails
	}
}

// IsCut tells whether host is off the network.
func (n *Network) IsCut(host string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.cut[host]
}

type conn struct {
	net.Conn
	net      *Network
	from, to string
}

func (c *conn) Close() error {
	c.net.mu.Lock()
	delete(c.net.conns, c)
	c.net.mu.Unlock()
	return c.Conn.Close()
}

type listener struct {
	net    *Network
	host   string
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() {
		close(l.closed)
		l.net.mu.Lock()
		defer l.net.mu.Unlock()
		if l.net.listeners[l.host] == l {
			delete(l.net.listeners, l.host)
		}
	})
	return nil
}

func (l *listener) Addr() net.Addr { return Addr(l.host) }

// Addr is the address of a host.
type Addr string

func (Addr) Network() string  { return "mem" }
func (a Addr) String() string { return string(a) }
