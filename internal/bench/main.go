// Command bench measures a Weir server from outside: it starts the real program
// on a real disk, speaks to it as any client would, and prints a table of what
// went through and what it cost. It knows nothing of the server's insides.
//
// "Per core" is what one core would do: records divided by the CPU time that
// the server spent, user and system, all its goroutines, garbage collection and
// checkpoints included; so other work on the machine changes it little. The
// client's own CPU time is not in it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
)

// options are the flags.
type options struct {
	weir    string // the program to measure
	dir     string // below which the data goes
	records int    // in the topics that queries read
	keys    int    // of the largest aggregation
	only    *regexp.Regexp
	profile string // directory for CPU profiles; "" takes none
}

func main() {
	var o options
	var only string
	flag.StringVar(&o.weir, "weir", "", "program to measure (default: built from this tree)")
	flag.StringVar(&o.dir, "dir", os.TempDir(), "directory on the disk to measure; what is written there is removed again")
	flag.IntVar(&o.records, "records", 1_000_000, "records in the topics that queries read")
	flag.IntVar(&o.keys, "keys", 0, "add an aggregation with this many keys, as many records and no repetitions")
	flag.StringVar(&only, "run", "", "only the lines that match this regular expression")
	flag.StringVar(&o.profile, "profile", "", "directory for a CPU profile of every line; its top ten is printed")
	flag.Parse()
	var err error
	if o.only, err = regexp.Compile(only); err != nil {
		fmt.Fprintln(os.Stderr, "bench: -run:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) (err error) {
	dir, err := os.MkdirTemp(o.dir, "weir-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if o.weir == "" {
		o.weir = filepath.Join(dir, "weir")
		build := exec.CommandContext(ctx, "go", "build", "-o", o.weir, "github.com/weirdb/weir/cmd/weir")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			return fmt.Errorf("building weir: %w", err)
		}
	}
	srv, err := startServer(ctx, o.weir, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, srv.stop()) }()
	b := &bench{options: o, dir: dir, srv: srv, bids: makeBids(o.records, 0, nil), filled: map[string]bool{}}
	b.header()
	for _, line := range []func(context.Context) error{
		b.disk, b.produce, b.copyIn, b.pipelined, b.singles,
		b.tail, b.filters, b.nativeFilter, b.counts, b.manyKeys, b.rowsOut, b.latencies, b.restarts, b.memory,
	} {
		if err := line(ctx); err != nil {
			return err
		}
	}
	return nil
}
