package main

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/twmb/franz-go/pkg/kgo"
)

const insertBid = "INSERT INTO %s (auction, bidder, price, channel, url, date_time, extra) VALUES ($1, $2, $3, $4, $5, $6, $7)"

// stream makes a stream of bids, empty, and returns a session.
func (b *bench) stream(ctx context.Context, name string, partitions int) (*pgconn.PgConn, error) {
	c, err := b.srv.connect(ctx)
	if err != nil {
		return nil, err
	}
	return c, execute(ctx, c, createBids(name, partitions))
}

// fill makes a stream that holds all bids, unless it is there.
func (b *bench) fill(ctx context.Context, name string, partitions int) error {
	if b.filled[name] {
		return nil
	}
	c, err := b.stream(ctx, name, partitions)
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	b.filled[name] = true
	return copyBids(ctx, c, name, b.bids)
}

// copyBids writes bids to a stream.
func copyBids(ctx context.Context, c *pgconn.PgConn, stream string, b *bids) error {
	_, err := c.CopyFrom(ctx, bytes.NewReader(b.tsv), "COPY "+stream+" FROM STDIN")
	return err
}

// send produces all bids to a topic and returns when they are acknowledged.
func (b *bench) send(ctx context.Context, topic string) error {
	k, err := b.kafka(kgo.DefaultProduceTopic(topic), kgo.MaxBufferedRecords(100_000))
	if err != nil {
		return err
	}
	defer k.Close()
	var mu sync.Mutex
	var first error
	recs := make([]kgo.Record, b.bids.n)
	for i := range recs {
		recs[i].Value = b.bids.record(i)
		k.Produce(ctx, &recs[i], func(_ *kgo.Record, err error) {
			if err == nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if first == nil {
				first = err
			}
		})
	}
	if err := k.Flush(ctx); err != nil {
		return err
	}
	mu.Lock()
	defer mu.Unlock()
	return first
}

func (b *bench) kafka(opts ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(b.srv.at.Kafka), kgo.RequiredAcks(kgo.AllISRAcks()), kgo.ProducerBatchCompression(kgo.NoCompression()),
	}, opts...)...)
}

func (b *bench) produce(ctx context.Context) error {
	for _, parts := range []int{1, 4} {
		name := fmt.Sprintf("Kafka produce, acks=all, %d partition(s)", parts)
		if b.skip(name) {
			continue
		}
		topic := fmt.Sprintf("bids%d", parts) // fill finds it
		c, err := b.stream(ctx, topic, parts)
		if err != nil {
			return err
		}
		c.Close(ctx)
		b.filled[topic] = true
		if err := b.line(ctx, name, func() (load, error) {
			return load{records: b.bids.n, bytes: len(b.bids.json)}, b.send(ctx, topic)
		}); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) copyIn(ctx context.Context) error {
	const name = "COPY FROM STDIN, text"
	if b.skip(name) {
		return nil
	}
	c, err := b.stream(ctx, "copied", 1)
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	return b.line(ctx, name, func() (load, error) {
		return load{records: b.bids.n, bytes: len(b.bids.json)}, copyBids(ctx, c, "copied", b.bids)
	})
}

// pipelined inserts rows in pipelines, a Sync after each window.
func (b *bench) pipelined(ctx context.Context) error {
	const name, window = "INSERT, prepared, 1,000 in a pipeline", 1000
	if b.skip(name) {
		return nil
	}
	c, err := b.stream(ctx, "pipelined", 1)
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	if _, err := c.Prepare(ctx, "i", fmt.Sprintf(insertBid, "pipelined"), nil); err != nil {
		return err
	}
	n := min(b.bids.n, 200_000)
	return b.line(ctx, name, func() (load, error) {
		p := c.StartPipeline(ctx)
		for from := 0; from < n; from += window {
			to := min(from+window, n)
			for i := from; i < to; i++ {
				p.SendQueryPrepared("i", b.bids.values(i), nil, nil)
			}
			if err := p.Sync(); err != nil {
				return load{}, err
			}
			if err := drainPipeline(p); err != nil {
				return load{}, err
			}
		}
		return load{records: n, bytes: n * bidBytes}, p.Close()
	})
}

// drainPipeline reads the results up to the next Sync's.
func drainPipeline(p *pgconn.Pipeline) error {
	for {
		res, err := p.GetResults()
		if err != nil {
			return err
		}
		switch r := res.(type) {
		case *pgconn.ResultReader:
			if _, err := r.Close(); err != nil {
				return err
			}
		case *pgconn.PipelineSync:
			return nil
		}
	}
}

// singles inserts single rows, each its own transaction, over several connections.
func (b *bench) singles(ctx context.Context) error {
	for _, mode := range []struct{ label, commit string }{{"", "on"}, {", synchronous_commit off", "off"}} {
		for _, conns := range []int{1, 16, 64} {
			name := fmt.Sprintf("INSERT, 1 row, %d connection(s)%s", conns, mode.label)
			if b.skip(name) {
				continue
			}
			table := fmt.Sprintf("single_%s_%d", mode.commit, conns)
			c, err := b.stream(ctx, table, 1)
			if err != nil {
				return err
			}
			c.Close(ctx)
			if err := b.single(ctx, name, table, mode.commit, conns); err != nil {
				return err
			}
		}
	}
	return nil
}

// singleSeconds is how long single rows are inserted.
const singleSeconds = 3

func (b *bench) single(ctx context.Context, name, table, commit string, conns int) error {
	clients := make([]*pgconn.PgConn, conns)
	for i := range clients {
		var err error
		if clients[i], err = b.srv.connect(ctx, "SET synchronous_commit = "+commit); err != nil {
			return err
		}
		defer clients[i].Close(ctx)
		if _, err := clients[i].Prepare(ctx, "i", fmt.Sprintf(insertBid, table), nil); err != nil {
			return err
		}
	}
	return b.line(ctx, name, func() (load, error) {
		var all sync.WaitGroup
		took := make([][]time.Duration, conns)
		errs := make([]error, conns)
		end := time.Now().Add(singleSeconds * time.Second)
		for i, c := range clients {
			all.Go(func() {
				for k := i; time.Now().Before(end); k++ {
					began := time.Now()
					if errs[i] = c.ExecPrepared(ctx, "i", b.bids.values(k%b.bids.n), nil, nil).Read().Err; errs[i] != nil {
						return
					}
					took[i] = append(took[i], time.Since(began))
				}
			})
		}
		all.Wait()
		for _, err := range errs {
			if err != nil {
				return load{}, err
			}
		}
		sorted := slices.Concat(took...)
		slices.Sort(sorted)
		return load{
			records: len(sorted),
			note:    fmt.Sprintf("p50 %v, p99 %v", percentile(sorted, 50), percentile(sorted, 99)),
		}, nil
	})
}
