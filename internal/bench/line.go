package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// bench runs the lines of the table.
type bench struct {
	options
	dir    string
	srv    *server
	bids   *bids
	filled map[string]bool // streams of bids that are there
	peak   usage           // of all lines
	spent  usage           // by all lines
}

func (b *bench) header() {
	fmt.Printf("%-44s %12s %9s %14s %12s\n", "", "records/s", "MB/s", "server us/rec", "Mrec/s/core")
}

// skip tells whether a line is not asked for.
func (b *bench) skip(name string) bool { return !b.only.MatchString(name) }

// load is what a line has done.
type load struct {
	records int
	bytes   int           // 0 prints none
	took    time.Duration // 0: as long as the line ran
	note    string
}

// line measures what the server spends while f runs, and prints it.
func (b *bench) line(ctx context.Context, name string, f func() (load, error)) error {
	finish := b.startProfile(ctx, name)
	before, err := b.srv.usage(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	l, err := f()
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if l.took == 0 {
		l.took = time.Since(began)
	}
	after, err := b.srv.usage(ctx)
	if err != nil {
		return err
	}
	b.peak.resident, b.peak.heap = max(b.peak.resident, after.resident), max(b.peak.heap, after.heap)
	b.spent.cpu += after.cpu - before.cpu
	b.spent.gc += after.gc - before.gc
	cpu := after.cpu - before.cpu
	mb := ""
	if l.bytes > 0 {
		mb = fmt.Sprintf("%.1f", float64(l.bytes)/1e6/l.took.Seconds())
	}
	fmt.Printf("%-44s %12.0f %9s %14.3f %12.3f  %s\n", name, float64(l.records)/l.took.Seconds(), mb,
		cpu*1e6/float64(l.records), float64(l.records)/1e6/cpu, l.note)
	return finish()
}

// say prints a line that is no rate.
func say(name, format string, args ...any) {
	fmt.Printf("%-44s %s\n", name, fmt.Sprintf(format, args...))
}

// profileSeconds is how long a profile takes; what a line does later is not in it.
const profileSeconds = 8

// startProfile takes a CPU profile of the server, if asked to. The function that
// it returns waits for it.
func (b *bench) startProfile(ctx context.Context, name string) func() error {
	if b.profile == "" {
		return func() error { return nil }
	}
	type answer struct {
		body []byte
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		body, err := b.srv.get(ctx, fmt.Sprintf("/debug/pprof/profile?seconds=%d", profileSeconds))
		got <- answer{body, err}
	}()
	return func() error {
		a := <-got
		if a.err != nil {
			return a.err
		}
		file := filepath.Join(b.profile, strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
				return r
			}
			return '-'
		}, strings.ToLower(name))+".pprof")
		if err := os.MkdirAll(b.profile, 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, a.body, 0o644); err != nil {
			return err
		}
		top, err := exec.CommandContext(ctx, "go", "tool", "pprof", "-top", "-nodecount=10", b.weir, file).Output()
		if err != nil {
			return fmt.Errorf("go tool pprof: %w", err)
		}
		_, table, _ := strings.Cut(string(top), "flat%")
		fmt.Printf("      flat  flat%%%s\n", table)
		return nil
	}
}
