package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sync/errgroup"

	"github.com/weirdb/weir/engine"
	"github.com/weirdb/weir/kafka"
	"github.com/weirdb/weir/pgwire"
	"github.com/weirdb/weir/registry"
)

// serverConfig is what a server is made of. All but shards and tls is required.
type serverConfig struct {
	dir    string
	fs     vfs.FS
	memory bool // fs keeps nothing
	shards uint32
	tls    *tls.Config // for Postgres clients; nil refuses TLS
	log    *slog.Logger

	pg, kafka, http, registry string // addresses to listen on
}

// dataName is what a person is told about where the data is.
func (c serverConfig) dataName() string {
	if c.memory {
		return "in memory"
	}
	if abs, err := filepath.Abs(c.dir); err == nil {
		return abs
	}
	return c.dir
}

// server is a node behind its front doors.
type server struct {
	cfg                       serverConfig
	pg, kafka, http, registry net.Listener
}

// listen opens the listeners. They come first: a taken port is found out before the
// disk is touched, and clients that come early wait instead of being refused.
func listen(cfg serverConfig) (*server, error) {
	s := &server{cfg: cfg}
	var opened []net.Listener
	for _, l := range []struct {
		flag, addr string
		ln         *net.Listener
	}{
		{"--pg-addr", cfg.pg, &s.pg},
		{"--kafka-addr", cfg.kafka, &s.kafka},
		{"--http-addr", cfg.http, &s.http},
		{"--registry-addr", cfg.registry, &s.registry},
	} {
		ln, err := net.Listen("tcp", l.addr)
		if err != nil {
			for _, ln := range opened {
				ln.Close()
			}
			return nil, &listenError{flag: l.flag, addr: l.addr, err: err}
		}
		opened = append(opened, ln)
		*l.ln = ln
	}
	return s, nil
}

func (s *server) close() {
	for _, ln := range []net.Listener{s.pg, s.kafka, s.http, s.registry} {
		ln.Close() // those that a door has closed by now say so, which is no news
	}
}

func (s *server) addresses() addresses {
	return addresses{
		PG:       s.pg.Addr().String(),
		Kafka:    s.kafka.Addr().String(),
		HTTP:     s.http.Addr().String(),
		Registry: "http://" + s.registry.Addr().String(),
	}
}

// run opens the node, serves until ctx is done or a door fails, and closes the node.
// ready is called when every door accepts. A server runs once.
func (s *server) run(ctx context.Context, ready func(addresses) error) (err error) {
	defer s.close()
	node, err := engine.Open(ctx, engine.Config{
		Dir: s.cfg.dir, FS: s.cfg.fs, Shards: s.cfg.shards, Version: version(), Logger: s.cfg.log,
	})
	if err != nil {
		return fmt.Errorf("%s: %w", s.cfg.dataName(), err)
	}
	defer func() {
		began := time.Now()
		err = errors.Join(err, node.Close())
		s.cfg.log.Info("stopped", "flush", time.Since(began).Round(time.Millisecond))
	}()

	doors, ctx := errgroup.WithContext(ctx)
	pg := pgwire.New(pgwire.Config{Backend: node.Backend(), TLS: s.cfg.tls, Log: s.cfg.log})
	doors.Go(func() error { return pg.Serve(ctx, s.pg) })
	kf := kafka.New(kafka.Config{Broker: node.Broker(), Log: s.cfg.log})
	doors.Go(func() error { return kf.Serve(ctx, s.kafka) })
	doors.Go(func() error { return serveHTTP(ctx, s.registry, registry.Handler(), s.cfg.log) })
	doors.Go(func() error { return serveHTTP(ctx, s.http, s.console(ctx, node), s.cfg.log) })
	doors.Go(func() error { return ready(s.addresses()) })
	return doors.Wait()
}

// stopTimeout is how long HTTP requests may take to finish once the server stops.
const stopTimeout = time.Second

// serveHTTP serves h on ln until ctx is done and running requests have ended.
func serveHTTP(ctx context.Context, ln net.Listener, h http.Handler, log *slog.Logger) error {
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	stopped := make(chan error, 1)
	unhook := context.AfterFunc(ctx, func() {
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		err := srv.Shutdown(late)
		if errors.Is(err, context.DeadlineExceeded) {
			err = srv.Close()
		}
		stopped <- err
	})
	if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		unhook()
		return fmt.Errorf("http: %w", err)
	}
	return <-stopped
}
