package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

var rewriteTours = flag.Bool("rewrite-docs", false, "write the outputs in docs anew")

// What the docs show is what happens: the sql blocks of each page run in order on a
// node of its own, and the text block after one is what psql prints. Of sh blocks the
// kcat commands are played, in the two forms that the docs use.
func TestDocs(t *testing.T) {
	for _, page := range []string{"../../README.md", "../../docs/quickstart.md"} {
		t.Run(page, func(t *testing.T) {
			text, err := os.ReadFile(page)
			if err != nil {
				t.Fatal(err)
			}
			tour := startTour(t)
			got := blocks.ReplaceAllFunc(text, func(block []byte) []byte {
				m := blocks.FindSubmatch(block)
				lang, code, shown := string(m[1]), string(m[2]), m[3] != nil
				var out string
				if lang == "sql" {
					out = tour.sql(t, code)
				} else {
					out = tour.shell(t, code)
				}
				if !shown {
					return block
				}
				return fmt.Appendf(nil, "```%s\n%s```\n```text\n%s```\n", lang, code, out)
			})
			if *rewriteTours {
				if err := os.WriteFile(page, got, 0o644); err != nil {
					t.Fatal(err)
				}
			} else if !bytes.Equal(got, text) {
				t.Errorf("what %s shows is not what happens; go test ./cmd/weir -run TestDocs -rewrite-docs, and look at the difference:\n%s", page, got)
			}
		})
	}
}

// blocks matches a block of code and the output after it, if it is shown.
var blocks = regexp.MustCompile("(?s)```(sql|sh)\n(.*?)```\n(?:```text\n(.*?)```\n)?")

// tour is a node and its clients.
type tour struct {
	pg    *pgx.Conn
	kafka *kgo.Client
}

func startTour(t *testing.T) *tour {
	const anyPort = "127.0.0.1:0"
	s, err := listen(serverConfig{
		dir: "tour", fs: vfs.NewMem(), pg: anyPort, kafka: anyPort, http: anyPort, registry: anyPort,
		log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ready, stopped := make(chan addresses, 1), make(chan error, 1)
	go func() { stopped <- s.run(ctx, func(at addresses) error { ready <- at; return nil }) }()
	t.Cleanup(func() {
		stop()
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	})
	var at addresses
	select {
	case at = <-ready:
	case err := <-stopped:
		t.Fatal(err)
	}
	var tr tour
	if tr.pg, err = pgx.Connect(ctx, "postgres://weir@"+at.PG+"/weir"); err != nil {
		t.Fatal(err)
	}
	if tr.kafka, err = kgo.NewClient(kgo.SeedBrokers(at.Kafka), kgo.AllowAutoTopicCreation()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tr.kafka.Close)
	return &tr
}

// sql runs statements one by one, as psql does, and returns what it would print.
func (tr *tour) sql(t *testing.T, code string) string {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var b strings.Builder
	for st := range strings.SplitAfterSeq(code, ";\n") {
		if strings.TrimSpace(st) == "" {
			continue
		}
		results, err := tr.pg.PgConn().Exec(ctx, st).ReadAll()
		if err != nil {
			t.Fatalf("%v in\n%s", err, st)
		}
		for _, r := range results {
			if r.FieldDescriptions == nil {
				fmt.Fprintln(&b, r.CommandTag)
			} else {
				printTable(&b, r.FieldDescriptions, r.Rows)
			}
		}
	}
	return b.String()
}

// printTable prints as psql does, without blanks at the ends of lines.
func printTable(w io.Writer, cols []pgconn.FieldDescription, rows [][][]byte) {
	width := make([]int, len(cols))
	for i, c := range cols {
		width[i] = len(c.Name)
		for _, r := range rows {
			width[i] = max(width[i], len(r[i]))
		}
	}
	line := func(sep string, cell func(i int) string) {
		cells := make([]string, len(cols))
		for i := range cols {
			cells[i] = cell(i)
		}
		fmt.Fprintln(w, strings.TrimRight(strings.Join(cells, sep), " "))
	}
	numbers := []uint32{pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID, pgtype.Float4OID, pgtype.Float8OID, pgtype.NumericOID}
	line("|", func(i int) string {
		pad := width[i] - len(cols[i].Name)
		return " " + strings.Repeat(" ", pad/2) + cols[i].Name + strings.Repeat(" ", pad-pad/2) + " "
	})
	line("+", func(i int) string { return strings.Repeat("-", width[i]+2) })
	for _, r := range rows {
		line("|", func(i int) string {
			pad := strings.Repeat(" ", width[i]-len(r[i]))
			if slices.Contains(numbers, cols[i].DataTypeOID) {
				return " " + pad + string(r[i]) + " "
			}
			return " " + string(r[i]) + pad + " "
		})
	}
	if len(rows) == 1 {
		fmt.Fprintln(w, "(1 row)")
	} else {
		fmt.Fprintf(w, "(%d rows)\n", len(rows))
	}
}

var (
	produceLine = regexp.MustCompile(`^echo '([^:]*):(.*)' \| kcat -b \S+ -P -t (\S+) -K:$`)
	consumeLine = regexp.MustCompile(`^kcat -b \S+ -C -t (\S+) -e -q -f '%k %s\\n'$`)
)

// shell plays the kcat commands of a block and returns what they print. Records of
// different partitions come in no order that holds, so lines are sorted.
func (tr *tour) shell(t *testing.T, code string) string {
	var b strings.Builder
	for line := range strings.Lines(code) {
		line = strings.TrimSpace(line)
		if m := produceLine.FindStringSubmatch(line); m != nil {
			rec := &kgo.Record{Topic: m[3], Key: []byte(m[1]), Value: []byte(m[2])}
			if err := tr.kafka.ProduceSync(t.Context(), rec).FirstErr(); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
		} else if m := consumeLine.FindStringSubmatch(line); m != nil {
			tr.sql(t, "FLUSH") // a person is not as quick
			b.WriteString(tr.consume(t, m[1]))
		} else if strings.Contains(line, "kcat") {
			t.Errorf("TestDocs cannot play %s", line)
		}
	}
	return b.String()
}

func (tr *tour) consume(t *testing.T, topic string) string {
	ends, err := kadm.NewClient(tr.kafka).ListEndOffsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	from, left := map[int32]kgo.Offset{}, int64(0)
	ends.Each(func(o kadm.ListedOffset) {
		from[o.Partition] = kgo.NewOffset().AtStart()
		left += o.Offset
	})
	tr.kafka.AddConsumePartitions(map[string]map[int32]kgo.Offset{topic: from})
	defer tr.kafka.PurgeTopicsFromConsuming(topic)
	var lines []string
	for int64(len(lines)) < left {
		fetches := tr.kafka.PollFetches(t.Context())
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		for _, r := range fetches.Records() {
			lines = append(lines, fmt.Sprintf("%s %s\n", r.Key, r.Value))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// The commands in the docs name the default ports, which is where a node listens if
// nothing else is said.
func TestDocsNameTheDefaultPorts(t *testing.T) {
	flags := startCommand().Flags()
	for flag, port := range map[string]string{"pg-addr": "5432", "kafka-addr": "9092", "http-addr": "8080", "registry-addr": "8081"} {
		if _, got, err := net.SplitHostPort(flags.Lookup(flag).DefValue); err != nil || got != port {
			t.Errorf("--%s is %s by default", flag, flags.Lookup(flag).DefValue)
		}
	}
}
