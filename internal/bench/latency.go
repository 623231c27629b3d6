package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// latencySeconds is how long records are sent at one rate.
const latencySeconds = 3

// latencies measures the time from handing a record to a producer until its row
// has come out of a push query, without waiting for the disk.
func (b *bench) latencies(ctx context.Context) error {
	for _, rate := range []int{1_000, 10_000, 100_000} {
		name := fmt.Sprintf("latency, %d records/s, acks=1", rate)
		if b.skip(name) {
			continue
		}
		if err := b.latency(ctx, name, fmt.Sprintf("latency%d", rate), rate); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) latency(ctx context.Context, name, topic string, rate int) error {
	c, err := b.srv.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	if err := execute(ctx, c, "CREATE STREAM "+topic+" (sent BIGINT) WITH (kafka_topic = '"+topic+"', partitions = 1, value_format = 'JSON')"); err != nil {
		return err
	}
	k, err := b.kafka(kgo.DefaultProduceTopic(topic), kgo.RequiredAcks(kgo.LeaderAck()), kgo.DisableIdempotentWrite(), kgo.ProducerLinger(0))
	if err != nil {
		return err
	}
	defer k.Close()
	total := rate * latencySeconds
	return b.line(ctx, name, func() (load, error) {
		ctx, cancel := context.WithTimeout(ctx, 10*latencySeconds*time.Second)
		defer cancel()
		rows := c.ExecParams(ctx, "SELECT sent FROM "+topic+" EMIT CHANGES LIMIT "+strconv.Itoa(total), nil, nil, nil, nil)
		start := time.Now().Add(200 * time.Millisecond) // the query is running by then
		sent := make(chan error, 1)
		go func() { sent <- send(ctx, k, start, rate, total) }()
		took := make([]time.Duration, 0, total)
		for rows.NextRow() {
			at, err := strconv.ParseInt(string(rows.Values()[0]), 10, 64)
			if err != nil {
				return load{}, err
			}
			took = append(took, time.Since(start)-time.Duration(at))
		}
		if _, err := rows.Close(); err != nil {
			return load{}, err
		}
		if err := <-sent; err != nil {
			return load{}, err
		}
		slices.Sort(took)
		return load{records: total, note: fmt.Sprintf("p50 %v, p99 %v", percentile(took, 50), percentile(took, 99))}, nil
	})
}

// send produces total records at a rate; each holds the time since start at
// which it was due.
func send(ctx context.Context, k *kgo.Client, start time.Time, rate, total int) error {
	failed := make(chan error, total)
	time.Sleep(time.Until(start))
	for i := 0; i < total; {
		due := min(total, int(time.Since(start).Seconds()*float64(rate))+1)
		for ; i < due; i++ {
			v := strconv.AppendInt([]byte(`{"sent":`), int64(time.Since(start)), 10)
			k.Produce(ctx, &kgo.Record{Value: append(v, '}')}, func(_ *kgo.Record, err error) {
				if err != nil {
					failed <- err
				}
			})
		}
		time.Sleep(100 * time.Microsecond)
	}
	if err := k.Flush(ctx); err != nil {
		return err
	}
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}
