package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"time"
)

// Config is what a Server needs.
type Config struct {
	Broker Broker // required

	MaxConns   int // 0 means 2000; more are closed at once
	MaxRequest int // bytes of a Produce request; 0 means 100 MiB
	MaxControl int // bytes of any other request; 0 means 4 MiB
	MaxMessage int // bytes of a record batch; 0 means 1 MiB and a batch header, Kafka's message.max.bytes
	MaxFetch   int // bytes of records in a Fetch response, if its first batch is not larger; 0 means 55 MiB
	InFlight   int // Produce requests of a connection that wait for their commit; 0 means 64

	IdleTimeout  time.Duration // of a connection between requests; 0 means 10 min
	FrameTimeout time.Duration // for the rest of a request, once it began, and for 1 MiB of a response; 0 means 1 min

	NoAutoCreate  bool  // Metadata does not create the topics that are asked for
	MaxPartitions int32 // of a topic that a client makes; 0 means 1024
	MaxTopicName  int   // bytes; 0 means 249

	MaxGroups         int           // groups with members; 0 means 10000
	MaxGroupSize      int           // members of a group; 0 means 1000
	MaxOffsetMetadata int           // bytes a client may store with an offset; 0 means 4096
	MinSession        time.Duration // session timeouts below are refused; 0 means 6 s
	MaxSession        time.Duration // session and rebalance timeouts above are refused; 0 means 30 min
	// FirstRebalance is how long a group that was empty waits for further members; 0 means 50 ms.
	FirstRebalance time.Duration

	Log *slog.Logger // nil means slog.Default()
}

func (c Config) withDefaults() Config {
	c.MaxConns = cmp.Or(c.MaxConns, 2000)
	c.MaxRequest = cmp.Or(c.MaxRequest, 100<<20)
	c.MaxControl = cmp.Or(c.MaxControl, 4<<20)
	c.MaxMessage = cmp.Or(c.MaxMessage, 1<<20+61)
	c.MaxFetch = cmp.Or(c.MaxFetch, 55<<20)
	c.InFlight = cmp.Or(c.InFlight, 64)
	c.IdleTimeout = cmp.Or(c.IdleTimeout, 10*time.Minute)
	c.FrameTimeout = cmp.Or(c.FrameTimeout, time.Minute)
	c.MaxPartitions = cmp.Or(c.MaxPartitions, 1024)
	c.MaxTopicName = cmp.Or(c.MaxTopicName, 249)
	c.MaxGroups = cmp.Or(c.MaxGroups, 10000)
	c.MaxGroupSize = cmp.Or(c.MaxGroupSize, 1000)
	c.MaxOffsetMetadata = cmp.Or(c.MaxOffsetMetadata, 4096)
	c.MinSession = cmp.Or(c.MinSession, 6*time.Second)
	c.MaxSession = cmp.Or(c.MaxSession, 30*time.Minute)
	c.FirstRebalance = cmp.Or(c.FirstRebalance, 50*time.Millisecond)
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return c
}

// Server serves Kafka clients.
type Server struct {
	cfg    Config
	apis   []api
	groups groups
	// bulky lets few requests of more than bulkyRequest bytes be decoded at a time: before it finds an array to be
	// cut short the codec makes room for all the elements it announces.
	bulky chan struct{}

	mu    sync.Mutex
	conns int
}

const bulkyRequest = 64 << 10

// New returns a server; its life is Serve.
func New(cfg Config) *Server {
	cfg = cfg.withDefaults()
	return &Server{cfg: cfg, apis: apis(), groups: newGroups(cfg), bulky: make(chan struct{}, 2)}
}

// Serve accepts connections on ln until ctx is done, and returns when the last connection has ended.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	var conns sync.WaitGroup
	defer s.groups.stop()
	defer conns.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // before Wait: whatever ends Serve ends its connections
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
			return fmt.Errorf("kafka: accept: %w", err)
		case !s.admit():
			s.cfg.Log.Warn("kafka: too many connections", "limit", s.cfg.MaxConns, "client", nc.RemoteAddr())
			nc.Close()
		default:
			conns.Go(func() {
				defer s.release()
				s.handle(ctx, nc)
			})
		}
	}
}

// isShortage tells whether accept failed for want of descriptors or memory, or because of a peer that changed its
// mind: nothing is wrong with the listener.
func isShortage(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func (s *Server) admit() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns == s.cfg.MaxConns {
		return false
	}
	s.conns++
	return true
}

func (s *Server) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns--
}
