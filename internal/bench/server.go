package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// server is a weir process.
type server struct {
	program, dir string
	cmd          *exec.Cmd
	exited       chan error
	log          *os.File
	at           struct{ PG, Kafka, HTTP, Registry string }
}

// startServer starts weir on a directory of its own below dir.
func startServer(ctx context.Context, program, dir string) (*server, error) {
	s := &server{program: program, dir: dir}
	var err error
	if s.log, err = os.Create(filepath.Join(dir, "log")); err != nil {
		return nil, err
	}
	return s, s.start(ctx)
}

// start runs the program until its listeners accept.
func (s *server) start(ctx context.Context) error {
	ready := filepath.Join(s.dir, "ready.json")
	if err := os.RemoveAll(ready); err != nil {
		return err
	}
	s.cmd = exec.Command(s.program, "start", "--data", filepath.Join(s.dir, "data"), "--ready-file", ready,
		"--pg-addr", "127.0.0.1:0", "--kafka-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0", "--registry-addr", "127.0.0.1:0")
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	if err := s.cmd.Start(); err != nil {
		return err
	}
	s.exited = make(chan error, 1)
	go func() { s.exited <- s.cmd.Wait() }()
	poll := time.NewTicker(2 * time.Millisecond)
	defer poll.Stop()
	for {
		b, err := os.ReadFile(ready)
		if err == nil {
			return json.Unmarshal(b, &s.at)
		}
		select {
		case <-poll.C:
		case err := <-s.exited:
			s.exited <- err
			return fmt.Errorf("weir ended: %w\n%s", err, s.tail())
		case <-ctx.Done():
			return errors.Join(ctx.Err(), s.kill())
		}
	}
}

// tail is the end of the server's log.
func (s *server) tail() string {
	b, err := os.ReadFile(s.log.Name())
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-4<<10):])
}

func (s *server) stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if err := <-s.exited; err != nil {
		return fmt.Errorf("weir ended: %w\n%s", err, s.tail())
	}
	return nil
}

// kill ends the server as a crash would.
func (s *server) kill() error {
	if err := s.cmd.Process.Kill(); err != nil {
		return err
	}
	if err := <-s.exited; err != nil && !errors.As(err, new(*exec.ExitError)) {
		return err
	}
	return nil
}

// connect opens a session, with settings.
func (s *server) connect(ctx context.Context, settings ...string) (*pgconn.PgConn, error) {
	c, err := pgconn.Connect(ctx, "postgres://weir@"+s.at.PG+"/weir?sslmode=disable")
	if err != nil {
		return nil, err
	}
	for _, set := range settings {
		if err := execute(ctx, c, set); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// execute runs statements that give no rows.
func execute(ctx context.Context, c *pgconn.PgConn, sql string) error {
	if _, err := c.Exec(ctx, sql).ReadAll(); err != nil {
		return fmt.Errorf("%s: %w", sql, err)
	}
	return nil
}

// usage is what the server process has used since it started, or uses now.
type usage struct {
	cpu, gc           float64 // seconds
	resident, heap    float64 // bytes
	allocated, cycles float64
}

func (s *server) usage(ctx context.Context) (u usage, err error) {
	body, err := s.get(ctx, "/metrics")
	if err != nil {
		return u, err
	}
	want := map[string]*float64{
		"process_cpu_seconds_total": &u.cpu, "go_cpu_classes_gc_total_cpu_seconds_total": &u.gc,
		"process_resident_memory_bytes": &u.resident, "go_memstats_heap_inuse_bytes": &u.heap,
		"go_memstats_alloc_bytes_total": &u.allocated, "go_gc_duration_seconds_count": &u.cycles,
	}
	for lines := bufio.NewScanner(bytes.NewReader(body)); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if to := want[name]; to != nil {
			if *to, err = strconv.ParseFloat(value, 64); err != nil {
				return u, fmt.Errorf("metric %s: %w", name, err)
			}
			delete(want, name)
		}
	}
	if len(want) > 0 {
		return u, fmt.Errorf("the server's metrics lack some of %v", want)
	}
	return u, nil
}

func (s *server) get(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.at.HTTP+path, nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", path, res.Status)
	}
	return io.ReadAll(res.Body)
}
