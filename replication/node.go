package replication

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Config configures a Node. Only ID and Dir are required.
type Config struct {
	ID  string // of this node, stable for its life; at most 255 bytes
	FS  vfs.FS // nil means the operating system's
	Dir string // of the journal; made if it is not there

	// Network reaches the other nodes. Its zero value means there are none.
	Network Network

	// ElectionTimeout is how long a group does without its leader before it looks for
	// a new one; writes are interrupted for one to two of these. 0 means 500 ms. A
	// group with one voter does not wait.
	ElectionTimeout time.Duration
	// Timeout bounds a dial, and a message of raft together with its answer. 0 means 10 s.
	Timeout time.Duration
	// Window is how many bytes of applied entries the journal keeps for members that
	// were away, all groups together. 0 means 256 MiB. A group with one member keeps none.
	Window int64
	// TrimInterval is how often the journal is truncated to what Window and the FSMs
	// need. 0 means 100 ms, so that little of the journal is flushed before.
	TrimInterval time.Duration

	Logger *slog.Logger // nil means none
}

// Network is how a node reaches the others and is reached.
type Network struct {
	// Listener takes the connections of other nodes. The Node closes it.
	Listener net.Listener
	// Dial connects to another node's listener.
	Dial func(ctx context.Context, addr string) (net.Conn, error)
	// Addr is where others reach Listener; empty means Listener.Addr().
	Addr string
}

// withDefaults checks c and fills it in.
func (c Config) withDefaults() (Config, error) {
	if c.ID == "" || len(c.ID) > 255 {
		return c, fmt.Errorf("node id %q: 1 to 255 bytes are needed", c.ID)
	}
	if c.Dir == "" {
		return c, errors.New("replication: no directory for the journal")
	}
	if (c.Network.Listener == nil) != (c.Network.Dial == nil) {
		return c, errors.New("replication: a network needs both a listener and a dialer")
	}
	if c.FS == nil {
		c.FS = vfs.Default
	}
	if c.Network.Addr == "" {
		c.Network.Addr = c.ID
		if c.Network.Listener != nil {
			c.Network.Addr = c.Network.Listener.Addr().String()
		}
	}
	if len(c.Network.Addr) > ticketSize {
		return c, fmt.Errorf("node address of %d bytes, at most %d can be used", len(c.Network.Addr), ticketSize)
	}
	if c.ElectionTimeout == 0 {
		c.ElectionTimeout = 500 * time.Millisecond
	}
	if c.ElectionTimeout < 10*time.Millisecond {
		return c, fmt.Errorf("election timeout %v is below 10ms", c.ElectionTimeout)
	}
	if c.Timeout == 0 {
		c.Timeout = 10 * time.Second
	}
	if c.Window == 0 {
		c.Window = 256 << 20
	}
	if c.TrimInterval == 0 {
		c.TrimInterval = 100 * time.Millisecond
	}
	if c.Timeout < 0 || c.Window < 0 || c.TrimInterval < 0 {
		return c, errors.New("replication: negative timeout, window or interval")
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

// A Node holds the groups of this process. Its methods may be called from any
// goroutine.
type Node struct {
	cfg     Config
	journal *journal
	mux     *mux // nil without a network
	stop    chan struct{}
	trimmer sync.WaitGroup

	mu     sync.Mutex
	groups map[uint32]*Group
	closed bool
}

// Open opens the journal and begins to listen. The groups on it are opened one by
// one with Group.
func Open(cfg Config) (*Node, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	n := &Node{cfg: cfg, stop: make(chan struct{}), groups: map[uint32]*Group{}}
	n.journal, err = openJournal(cfg.FS, cfg.Dir, cfg.Logger, n.journalFailed)
	if err != nil {
		return nil, err
	}
	if cfg.Network.Listener != nil {
		n.mux = newMux(cfg.Network, cfg.Timeout, cfg.Logger)
	}
	n.trimmer.Go(n.trim)
	return n, nil
}

// ID returns the node's id.
func (n *Node) ID() string { return n.cfg.ID }

// Addr returns where other nodes reach this one.
func (n *Node) Addr() string { return n.cfg.Network.Addr }

// Err returns why the node takes no more commands, or nil: its journal failed,
// or has no space left.
func (n *Node) Err() error { return n.journal.writable() }

// Sync puts everything proposed or received so far on this node's disk. An FSM
// calls it, or has it called, before it makes effects of NoSync commands durable,
// lest it remember what the journal has lost.
func (n *Node) Sync() error { return n.journal.sync() }

// Group opens a group: id names it in the cluster, voters are its first members
// and count only if this node has never seen the group. A node that is to join a
// group that exists opens it without voters and waits for AddLearner on the leader.
//
// The FSM must have everything the journal has forgotten; if it lacks some, its
// contents are fetched from another member before anything is applied.
func (n *Node) Group(id uint32, voters []Voter, fsm FSM) (*Group, error) {
	if id == journalGroup {
		return nil, fmt.Errorf("group id %d is reserved", id)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil, ErrClosed
	}
	if n.groups[id] != nil {
		return nil, fmt.Errorf("group %d is open already", id)
	}
	g, err := openGroup(n, id, voters, fsm)
	if err != nil {
		return nil, fmt.Errorf("group %d: %w", id, err)
	}
	n.groups[id] = g
	return g, nil
}

// Close hands over leadership where it can, closes all groups, and puts the
// journal on disk. It returns within a few seconds.
func (n *Node) Close() error {
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return nil
	}
	n.closed = true
	groups := n.list()
	n.mu.Unlock()

	close(n.stop)
	n.trimmer.Wait()
	var closing sync.WaitGroup
	for _, g := range groups {
		closing.Go(g.close)
	}
	closing.Wait()
	if n.mux != nil {
		n.mux.close()
	}
	return n.journal.close()
}

// list returns the groups; n.mu is held.
func (n *Node) list() []*Group {
	groups := make([]*Group, 0, len(n.groups))
	for _, g := range n.groups {
		groups = append(groups, g)
	}
	return groups
}

func (n *Node) journalFailed(err error) {
	n.mu.Lock()
	groups := n.list()
	n.mu.Unlock()
	for _, g := range groups {
		g.fail(err)
	}
}

// trim moves the groups' pointers up to what their FSMs have made durable and
// truncates the journal, until the node is closed.
func (n *Node) trim() {
	tick := time.NewTicker(n.cfg.TrimInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-n.stop:
			return
		}
		n.journal.checkSpace()
		n.mu.Lock()
		groups := n.list()
		n.mu.Unlock()
		for _, g := range groups {
			if err := g.trim(n.cfg.Window / int64(len(groups))); err != nil {
				n.cfg.Logger.Warn("truncating the journal", "group", g.id, "err", err)
			}
		}
	}
}
