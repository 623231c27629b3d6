package main

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/weirdb/weir/internal/pgerr"
)

// defaultDir is where weir start keeps its data if nothing else is said.
const defaultDir = "weir-data"

// startFlags are the flags of weir start.
type startFlags struct {
	data      string
	memory    bool
	pg        string
	kafka     string
	http      string
	registry  string
	node      string
	join      string
	readyFile string
	shards    uint32
	tlsCert   string
	tlsKey    string
	logLevel  string
	logFormat string
}

func startCommand() *cobra.Command {
	var f startFlags
	cmd := &cobra.Command{
		Use:   "start",
		Short: "Run a node",
		Long: `Run a node until SIGINT or SIGTERM.

Addresses are HOST:PORT; port 0 is any free port. Clients on the same machine
are trusted, others prove a password.

Environment:
  GOMEMLIMIT  bound of the memory that the process aims at (default: 3/4 of what
              the machine or the control group has)
  GOGC        how much garbage may pile up, in percent of what is live (default: 200)`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			started := time.Now()
			if cmd.Flags().Changed("data") && f.memory {
				return usagef("--data and --memory exclude each other")
			}
			cfg, err := f.config(cmd)
			if err != nil {
				return err
			}
			tuneMemory(os.Getenv)
			s, err := listen(cfg)
			if err != nil {
				return err
			}
			return s.run(cmd.Context(), func(at addresses) error {
				if err := writeReady(f.readyFile, at); err != nil {
					return err
				}
				cfg.log.Info("ready", "pg", at.PG, "kafka", at.Kafka, "http", at.HTTP, "registry", at.Registry,
					"data", cfg.dataName(), "version", version(), "took", time.Since(started).Round(time.Millisecond))
				if out, ok := cmd.OutOrStdout().(*os.File); ok && term.IsTerminal(int(out.Fd())) {
					return banner(out, at, cfg.dataName(), time.Since(started))
				}
				return nil
			})
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&f.data, "data", defaultDir, "directory of the node's data, made if it is not there")
	fs.BoolVar(&f.memory, "memory", false, "keep the data in memory: it is gone when the node stops")
	fs.StringVar(&f.pg, "pg-addr", "127.0.0.1:5432", "where Postgres clients connect")
	fs.StringVar(&f.kafka, "kafka-addr", "127.0.0.1:9092", "where Kafka clients connect")
	fs.StringVar(&f.http, "http-addr", "127.0.0.1:8080", "where the console, /healthz and /metrics are")
	fs.StringVar(&f.registry, "registry-addr", "127.0.0.1:8081", "where schema registry clients connect")
	fs.StringVar(&f.node, "node-addr", "127.0.0.1:7070", "where other nodes will connect (not yet used: a cluster has one node)")
	fs.StringVar(&f.join, "join", "", "address of a node whose cluster to join (not supported yet)")
	fs.StringVar(&f.readyFile, "ready-file", "", "file to write the addresses to, as JSON, once all of them accept")
	fs.Uint32Var(&f.shards, "shards", 0, "raft groups that carry data; counts when the data directory is made (default 4)")
	fs.StringVar(&f.tlsCert, "tls-cert", "", "PEM file with the certificate for Postgres clients; needs --tls-key")
	fs.StringVar(&f.tlsKey, "tls-key", "", "PEM file with the key of --tls-cert")
	fs.StringVar(&f.logLevel, "log-level", "info", "debug, info, warn or error")
	fs.StringVar(&f.logFormat, "log-format", "text", "text or json")
	return cmd
}

// config turns the flags into what the server needs, and refuses what makes no sense
// before anything is opened.
func (f *startFlags) config(cmd *cobra.Command) (serverConfig, error) {
	cfg := serverConfig{
		dir: f.data, fs: vfs.Default, shards: f.shards,
		pg: f.pg, kafka: f.kafka, http: f.http, registry: f.registry,
	}
	if f.memory {
		cfg.dir, cfg.fs, cfg.memory = "weir", vfs.NewMem(), true
	}
	if f.join != "" {
		return cfg, pgerr.Newf(pgerr.FeatureNotSupported, "--join %s: a cluster has one node for now", f.join).
			Hintf("Start without --join; adding nodes to a cluster is planned.")
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.logLevel)); err != nil {
		return cfg, usagef("--log-level %s: want debug, info, warn or error", f.logLevel)
	}
	opts := &slog.HandlerOptions{Level: level}
	switch f.logFormat {
	case "text":
		cfg.log = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), opts))
	case "json":
		cfg.log = slog.New(slog.NewJSONHandler(cmd.ErrOrStderr(), opts))
	default:
		return cfg, usagef("--log-format %s: want text or json", f.logFormat)
	}
	if (f.tlsCert == "") != (f.tlsKey == "") {
		return cfg, usagef("--tls-cert and --tls-key go together")
	}
	if f.tlsCert != "" {
		pair, err := tls.LoadX509KeyPair(f.tlsCert, f.tlsKey)
		if err != nil {
			return cfg, fmt.Errorf("--tls-cert: %w", err)
		}
		cfg.tls = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	}
	return cfg, nil
}
