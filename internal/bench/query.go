package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/twmb/franz-go/pkg/kgo"
)

// tail reads a topic from its beginning by Kafka fetches.
func (b *bench) tail(ctx context.Context) error {
	const name = "Kafka fetch, 1 partition"
	if b.skip(name) {
		return nil
	}
	if err := b.fill(ctx, "bids1", 1); err != nil {
		return err
	}
	k, err := b.kafka(kgo.ConsumeTopics("bids1"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxPartitionBytes(8<<20))
	if err != nil {
		return err
	}
	defer k.Close()
	return b.line(ctx, name, func() (load, error) {
		n := 0
		for n < b.bids.n {
			f := k.PollFetches(ctx)
			if err := f.Err(); err != nil {
				return load{}, err
			}
			n += f.NumRecords()
		}
		return load{records: n, bytes: n * bidBytes}, nil
	})
}

// query measures a persistent query from its creation until it has read and
// committed everything that its source holds.
func (b *bench) query(ctx context.Context, name, create string, records int) error {
	c, err := b.srv.connect(ctx, "SET auto.offset.reset = 'earliest'")
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	return b.line(ctx, name, func() (load, error) {
		if err := execute(ctx, c, create); err != nil {
			return load{}, err
		}
		if err := execute(ctx, c, "FLUSH"); err != nil {
			return load{}, err
		}
		return load{records: records, bytes: records * bidBytes}, nil
	})
}

// terminate stops all queries, so that they cost the next line nothing.
func (b *bench) terminate(ctx context.Context) error {
	c, err := b.srv.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	return execute(ctx, c, "TERMINATE ALL")
}

const filterBids = "CREATE STREAM %s WITH (value_format = '%s') AS SELECT auction, price * 2 AS price FROM %s WHERE price > 630 EMIT CHANGES"

func (b *bench) filters(ctx context.Context) error {
	for _, parts := range []int{1, 4} {
		name := fmt.Sprintf("JSON -> filter -> JSON, %d partition(s)", parts)
		if b.skip(name) {
			continue
		}
		source := fmt.Sprintf("bids%d", parts)
		if err := b.fill(ctx, source, parts); err != nil {
			return err
		}
		if err := b.query(ctx, name, fmt.Sprintf(filterBids, fmt.Sprintf("dear%d", parts), "JSON", source), b.bids.n); err != nil {
			return err
		}
		if err := b.terminate(ctx); err != nil {
			return err
		}
	}
	return nil
}

// nativeFilter is filters with Weir's own format at both ends.
func (b *bench) nativeFilter(ctx context.Context) error {
	const name = "NATIVE -> filter -> NATIVE, 1 partition"
	if b.skip(name) {
		return nil
	}
	if err := b.fill(ctx, "bids1", 1); err != nil {
		return err
	}
	c, err := b.srv.connect(ctx, "SET auto.offset.reset = 'earliest'")
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	for _, sql := range []string{"CREATE STREAM native1 WITH (value_format = 'NATIVE') AS SELECT * FROM bids1 EMIT CHANGES", "FLUSH", "TERMINATE ALL"} {
		if err := execute(ctx, c, sql); err != nil {
			return err
		}
	}
	if err := b.query(ctx, name, fmt.Sprintf(filterBids, "dear_native", "NATIVE", "native1"), b.bids.n); err != nil {
		return err
	}
	return b.terminate(ctx)
}

const countBids = "CREATE TABLE %s WITH (value_format = 'JSON') AS SELECT %s, count(*) AS n FROM %s WINDOW TUMBLING (SIZE 10 SECONDS) GROUP BY %[2]s EMIT CHANGES"

func (b *bench) counts(ctx context.Context) error {
	for _, of := range []struct {
		column string
		keys   int
	}{{"bidder", bidders}, {"auction", auctions}} {
		for _, parts := range []int{1, 4} {
			name := fmt.Sprintf("tumbling count, %d keys, %d partition(s)", of.keys, parts)
			if b.skip(name) {
				continue
			}
			source := fmt.Sprintf("bids%d", parts)
			if err := b.fill(ctx, source, parts); err != nil {
				return err
			}
			create := fmt.Sprintf(countBids, fmt.Sprintf("by_%s%d", of.column, parts), of.column, source)
			if err := b.query(ctx, name, create, b.bids.n); err != nil {
				return err
			}
			if err := b.terminate(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// rowsOut reads a bounded query's rows.
func (b *bench) rowsOut(ctx context.Context) error {
	const n = 3_000_000
	for _, f := range []struct {
		name string
		code int16
	}{{"text", 0}, {"binary", 1}} {
		for _, q := range []struct {
			name, sql string
			records   int
		}{
			{"generate_series", fmt.Sprintf("SELECT g, g * 2 AS twice, 'a customer' AS name FROM generate_series(1, %d) AS t(g)", n), n},
			{"stream of JSON", "SELECT auction, price, channel FROM bids1", b.bids.n},
		} {
			name := fmt.Sprintf("rows out by pgwire, %s, %s", f.name, q.name)
			if b.skip(name) {
				continue
			}
			if strings.Contains(q.sql, "bids1") {
				if err := b.fill(ctx, "bids1", 1); err != nil {
					return err
				}
			}
			c, err := b.srv.connect(ctx)
			if err != nil {
				return err
			}
			err = b.line(ctx, name, func() (load, error) {
				n, err := countRows(c.ExecParams(ctx, q.sql, nil, nil, nil, []int16{f.code}))
				if err == nil && n != q.records {
					err = fmt.Errorf("%d rows, want %d", n, q.records)
				}
				return load{records: n}, err
			})
			c.Close(ctx)
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func countRows(r *pgconn.ResultReader) (n int, err error) {
	for r.NextRow() {
		n++
	}
	_, err = r.Close()
	return n, err
}

// restarts measures how long a server takes to be back with a table of as many
// keys as there are bids, after a stop and after a crash.
func (b *bench) restarts(ctx context.Context) error {
	name := fmt.Sprintf("restart with %d keys", b.bids.n)
	if b.skip(name) {
		return nil
	}
	c, err := b.stream(ctx, "numbered", 1)
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	if err := copyBids(ctx, c, "numbered", b.bids); err != nil {
		return err
	}
	for _, sql := range []string{
		"SET auto.offset.reset = 'earliest'",
		"CREATE TABLE by_url AS SELECT url, price, auction, bidder, date_time, count(*) AS n FROM numbered GROUP BY url, price, auction, bidder, date_time EMIT CHANGES", "FLUSH",
	} {
		if err := execute(ctx, c, sql); err != nil {
			return err
		}
	}
	for _, how := range []struct {
		name string
		end  func() error
	}{{"after SIGTERM", b.srv.stop}, {"after SIGKILL", b.srv.kill}} {
		if err := how.end(); err != nil {
			return err
		}
		began := time.Now()
		if err := b.srv.start(ctx); err != nil {
			return err
		}
		accepts := time.Since(began)
		c, err := b.srv.connect(ctx)
		if err != nil {
			return err
		}
		if err := execute(ctx, c, "FLUSH"); err != nil {
			return err
		}
		serves := time.Since(began)
		c.Close(ctx)
		say(name+" "+how.name, "accepts after %v, the query goes on after %v", accepts.Round(time.Millisecond), serves.Round(time.Millisecond))
	}
	return nil
}

// memory prints what all lines together took.
func (b *bench) memory(ctx context.Context) error {
	if b.spent.cpu == 0 {
		return nil
	}
	u, err := b.srv.usage(ctx)
	if err != nil {
		return err
	}
	say("memory", "resident %.0f MB at most, %.0f MB at the end; heap in use %.0f MB at most; garbage collection %.1f%% of the CPU time",
		b.peak.resident/1e6, u.resident/1e6, b.peak.heap/1e6, 100*b.spent.gc/b.spent.cpu)
	return nil
}

// manyKeys counts by a column that never repeats.
func (b *bench) manyKeys(ctx context.Context) error {
	name := fmt.Sprintf("tumbling count, %d keys, 1 partition", b.keys)
	if b.keys == 0 || b.skip(name) {
		return nil
	}
	c, err := b.stream(ctx, "many", 1)
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	for from := 0; from < b.keys; from += b.bids.n {
		// Multiplying by an odd number gives every 32-bit number once, in no order.
		part := makeBids(min(b.bids.n, b.keys-from), from, func(i int) int64 { return int64(uint32(i) * 0x9e3779b1) })
		if err := copyBids(ctx, c, "many", part); err != nil {
			return err
		}
	}
	if err := b.query(ctx, name, fmt.Sprintf(countBids, "by_many", "auction", "many"), b.keys); err != nil {
		return err
	}
	return b.terminate(ctx)
}
