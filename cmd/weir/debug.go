package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirdb/weir/catalog"
	"github.com/weirdb/weir/storage"
	"github.com/weirdb/weir/storage/batch"
)

func debugCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "debug",
		Short: "Look into the data directory of a stopped node",
		Long: `Look into the data directory of a stopped node, or a copy of one.

What is shown is the last checkpoint. A node that was stopped in order has
nothing beyond it; after a crash the journal holds more, which the next start
replays.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		debugTool("state DIR", "List shards and partitions with their offsets and sizes", 1, func(w io.Writer, st *storage.Store, _ []string) error {
			return debugState(w, st)
		}),
		debugTool("catalog DIR", "Print topics, relations and queries as JSON", 1, func(w io.Writer, st *storage.Store, _ []string) error {
			return debugCatalog(w, st)
		}),
		debugTool("log DIR TOPIC PARTITION", "Print the records of a partition", 3, debugLog),
	)
	return cmd
}

// debugTool makes a command whose first argument is a data directory.
func debugTool(use, short string, nArgs int, run func(w io.Writer, st *storage.Store, args []string) error) *cobra.Command {
	return &cobra.Command{
		Use:   use,
		Short: short,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != nArgs {
				return usagef("usage: %s", cmd.UseLine())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := filepath.Join(args[0], "storage")
			if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("%s is no weir data directory: it has no storage", args[0])
			}
			st, err := storage.Open(storage.Config{Dir: dir, CheckpointEvery: -1})
			if err != nil {
				return err
			}
			return errors.Join(run(cmd.OutOrStdout(), st, args[1:]), st.Close())
		},
	}
}

func loadCatalog(st *storage.Store) (*catalog.Catalog, error) {
	var scanErr error
	cat, err := catalog.Load(func(yield func(k, v []byte) bool) {
		scanErr = st.Shard(0).Scan(storage.NamedSpace("catalog"), nil, nil, yield)
	})
	return cat, errors.Join(scanErr, err)
}

func debugState(w io.Writer, st *storage.Store) error {
	cat, err := loadCatalog(st)
	if err != nil {
		return err
	}
	tab := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(tab, "SHARD\tAPPLIED\tDURABLE\tTOPIC\tPARTITION\tSTART\tEND\tBYTES")
	for _, sh := range st.Shards() {
		fmt.Fprintf(tab, "%d\t%d\t%d\t\t\t\t\t\n", sh.ID(), sh.Applied(), sh.Durable())
		for _, l := range sh.Logs() {
			name := fmt.Sprintf("#%d", l.ID().Topic)
			if t, ok := cat.Topic(catalog.ID(l.ID().Topic)); ok {
				name = t.Name
			}
			fmt.Fprintf(tab, "%d\t\t\t%s\t%d\t%d\t%d\t%d\n", sh.ID(), name, l.ID().Partition, l.Start(), l.End(), l.Size())
		}
	}
	return tab.Flush()
}

func debugCatalog(w io.Writer, st *storage.Store) error {
	cat, err := loadCatalog(st)
	if err != nil {
		return err
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(struct {
		Version   uint64
		Topics    []*catalog.Topic
		Relations []*catalog.Relation
		Queries   []*catalog.Query
	}{cat.Version, cat.Topics(), cat.Relations(), cat.Queries()})
}

// debugLog prints one line a record: offset, time, key and value, as Go strings.
func debugLog(w io.Writer, st *storage.Store, args []string) error {
	cat, err := loadCatalog(st)
	if err != nil {
		return err
	}
	topic, ok := cat.TopicByName(args[0])
	if !ok {
		return fmt.Errorf("there is no topic %q", args[0])
	}
	n, err := strconv.ParseInt(args[1], 10, 32)
	if err != nil || n < 0 || int32(n) >= topic.Partitions {
		return fmt.Errorf("topic %q has partitions 0 to %d, not %s", args[0], topic.Partitions-1, args[1])
	}
	id := storage.PartitionID{Topic: storage.TopicID(topic.ID), Partition: int32(n)}
	var dec batch.Decoder
	for _, sh := range st.Shards() {
		l := sh.Log(id)
		if l == nil {
			continue
		}
		for at := l.Start(); at < l.End(); {
			raw, err := l.Read(at, 1<<20, nil)
			if err != nil {
				return err
			}
			for len(raw) > 0 {
				var v batch.View
				if v, raw, err = batch.Next(raw); err != nil {
					return fmt.Errorf("offset %d: %w", at, err)
				}
				at = storage.Offset(v.LastOffset() + 1)
				if err := printRecords(w, &dec, v); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func printRecords(w io.Writer, dec *batch.Decoder, v batch.View) error {
	recs, err := dec.Records(v)
	if err != nil {
		return err
	}
	for rec := (batch.Record{}); recs.Next(&rec); {
		at := time.UnixMilli(rec.Timestamp).UTC().Format(time.RFC3339Nano)
		if _, err := fmt.Fprintf(w, "%d %s %s %s\n", rec.Offset, at, quoted(rec.Key), quoted(rec.Value)); err != nil {
			return err
		}
	}
	return recs.Err()
}

// quoted returns bytes as a Go string, and null for nil.
func quoted(b []byte) string {
	if b == nil {
		return "null"
	}
	return strconv.Quote(string(b))
}
