package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/weirdb/weir/cmd/weir/demo"
)

// clearScreen empties a terminal, and hideCursor and showCursor do what they say.
const (
	clearScreen = "\x1b[2J"
	hideCursor  = "\x1b[?25l"
	showCursor  = "\x1b[?25h"
)

func demoCommand() *cobra.Command {
	var span time.Duration
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run a node with live data, continuous queries and a table that keeps up with them",
		Long: `Run a node in a temporary directory on free ports, feed it the events of a
made-up shop through both protocols, and show what continuous queries make of
them, until Ctrl-C or for a span of time. At the end it checks that every order
was counted once. Nothing is left behind.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if span < 0 {
				return usagef("--for %v: a span of time is not negative", span)
			}
			return runDemo(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), span)
		},
	}
	cmd.Flags().DurationVar(&span, "for", 0, "end after this long, e.g. 10s; 0 is until Ctrl-C")
	return cmd
}

// runDemo runs a node and the demo beside it. The node outlives the demo.
func runDemo(ctx context.Context, stdout, stderr io.Writer, span time.Duration) (err error) {
	dir, err := os.MkdirTemp("", "weir-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	tuneMemory(os.Getenv)
	const anyPort = "127.0.0.1:0"
	s, err := listen(serverConfig{
		dir: dir + "/data", fs: vfs.Default, pg: anyPort, kafka: anyPort, http: anyPort, registry: anyPort,
		log: slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		return err
	}
	nodeCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	ready, stopped := make(chan addresses, 1), make(chan error, 1)
	go func() {
		stopped <- s.run(nodeCtx, func(at addresses) error { ready <- at; return nil })
	}()
	select {
	case err := <-stopped:
		return err
	case at := <-ready:
		cfg := demo.Config{PG: at.PG, Kafka: at.Kafka, HTTP: at.HTTP, Out: stdout, For: span, Seed: 1}
		if out, ok := stdout.(*os.File); ok && term.IsTerminal(int(out.Fd())) {
			cfg.Live = true
			fmt.Fprint(out, clearScreen+hideCursor)
			defer fmt.Fprint(out, showCursor)
		}
		err = demo.Run(ctx, cfg)
	}
	stop()
	return errors.Join(err, <-stopped)
}
