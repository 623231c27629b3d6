// Package demo shows a node at work: it feeds it the events of a made-up shop through
// both protocols, runs continuous queries over them, and shows what they give.
//
// It is a client like any other: it knows a node by its addresses only.
package demo

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"
)

// Config is what a demo needs.
type Config struct {
	PG, Kafka, HTTP string    // addresses of the node
	Out             io.Writer // where it shows
	Live            bool      // Out is a terminal: draw over what was drawn
	For             time.Duration
	Seed            uint64 // of the shop; the same seed makes the same events
}

// Run runs the demo for cfg.For, or until ctx is done if that is 0, and checks at the
// end that every event is accounted for.
func Run(ctx context.Context, cfg Config) error {
	d := &demo{cfg: cfg, started: time.Now()}
	if err := d.open(ctx); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	defer d.close()
	if err := d.watch(ctx); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	if err := d.account(last); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	return nil
}

// patience is how long the node may take for one answer.
const patience = 10 * time.Second

// demo is one run.
type demo struct {
	cfg      Config
	started  time.Time
	feeder   feeder
	query    *pgx.Conn   // asks the bounded questions
	push     *pgx.Conn   // has the push query
	consumer *kgo.Client // reads paidStream
	screen   screen

	ratedAt time.Duration // when screen.rate was computed, and what had been fed by then
	rated   int64
}

// open connects and makes the streams and queries.
func (d *demo) open(ctx context.Context) error {
	dsn := "postgres://weir@" + d.cfg.PG + "/weir?application_name=weir-demo"
	for _, c := range []**pgx.Conn{&d.feeder.pg, &d.query, &d.push} {
		var err error
		if *c, err = pgx.Connect(ctx, dsn); err != nil {
			return err
		}
	}
	for _, st := range statements {
		if !d.cfg.Live {
			fmt.Fprintf(d.cfg.Out, "%s;\n\n", st)
		}
		if _, err := d.query.Exec(ctx, st); err != nil {
			return fmt.Errorf("%w in\n%s", err, st)
		}
	}
	var err error
	if d.feeder.kafka, err = kgo.NewClient(kgo.SeedBrokers(d.cfg.Kafka)); err != nil {
		return err
	}
	d.consumer, err = kgo.NewClient(kgo.SeedBrokers(d.cfg.Kafka), kgo.ConsumeTopics(paidStream),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(200*time.Millisecond))
	if err != nil {
		return err
	}
	d.screen = screen{pg: d.cfg.PG, kafka: d.cfg.Kafka, http: d.cfg.HTTP}
	return nil
}

func (d *demo) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for _, c := range []*pgx.Conn{d.feeder.pg, d.query, d.push} {
		if c != nil {
			c.Close(ctx) // the demo is over, whatever it says
		}
	}
	for _, c := range []*kgo.Client{d.feeder.kafka, d.consumer} {
		if c != nil {
			c.Close()
		}
	}
}

// redraw is how often a live screen is drawn; lines come once a second.
const redraw = 250 * time.Millisecond

// watch feeds and shows until the time is over. One goroutine feeds, one receives
// from the push query, one from Kafka; this one owns the screen.
func (d *demo) watch(ctx context.Context) error {
	if d.cfg.For > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d.cfg.For)
		defer cancel()
	}
	g, ctx := errgroup.WithContext(ctx)
	fed, paid, alerts := make(chan counts), make(chan string), make(chan string)
	g.Go(func() error {
		opens := time.Now().UTC().Truncate(24 * time.Hour).Add(-16 * time.Hour) // yesterday at eight
		return d.feeder.run(ctx, newShop(d.cfg.Seed, opens), fed)
	})
	g.Go(func() error { return ended(ctx, d.receiveAlerts(ctx, alerts)) })
	g.Go(func() error { return ended(ctx, d.consumePaid(ctx, paid)) })
	g.Go(func() error { return d.show(ctx, fed, paid, alerts) })
	return g.Wait()
}

// ended forgets an error that comes from the end of ctx.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// show draws until the feeder has ended.
func (d *demo) show(ctx context.Context, fed <-chan counts, paid, alerts <-chan string) error {
	every := redraw
	if !d.cfg.Live {
		every = time.Second
	}
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	s := &d.screen
	for {
		select {
		case n, ok := <-fed:
			if !ok {
				return nil
			}
			s.fed.orders += n.orders
			s.fed.payments += n.payments
			s.fed.shipments += n.shipments
		case line := <-paid:
			s.paid.add(line)
		case line := <-alerts:
			s.alerts.add(line)
		case <-ticks.C:
			// The feeder cannot hang on a screen that has failed: it is drained.
			if err := d.draw(ctx); err != nil {
				for range fed {
				}
				return err
			}
		}
	}
}

func (d *demo) draw(ctx context.Context) error {
	// The end of the demo must not cut the query: pgx would close the connection.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	s := &d.screen
	s.up = time.Since(d.started)
	if span := s.up - d.ratedAt; span >= time.Second {
		s.rate = int64(float64(s.fed.total()-d.rated) / span.Seconds())
		d.ratedAt, d.rated = s.up, s.fed.total()
	}
	began := time.Now()
	rows, err := d.query.Query(ctx, minutesQuery)
	if err != nil {
		return err
	}
	if s.minutes, err = pgx.CollectRows(rows, pgx.RowToStructByPos[minute]); err != nil {
		return err
	}
	s.took = time.Since(began)
	text := s.line()
	if d.cfg.Live {
		text = s.frame()
	}
	_, err = io.WriteString(d.cfg.Out, text)
	return err
}

// receiveAlerts sends what the push query gives, as it comes.
func (d *demo) receiveAlerts(ctx context.Context, out chan<- string) error {
	rows, err := d.push.Query(ctx, alertsQuery)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		var method, reason string
		if err := rows.Scan(&id, &method, &reason); err != nil {
			return err
		}
		select {
		case out <- fmt.Sprintf("order %-6d %-9s %s", id, method, reason):
		case <-ctx.Done():
			return nil
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return errors.New("the push query has ended")
}

// consumePaid sends the records of the join, as a Kafka consumer sees them.
func (d *demo) consumePaid(ctx context.Context, out chan<- string) error {
	for {
		fetches := d.consumer.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return err
		}
		for _, r := range fetches.Records() {
			var v struct {
				Customer string      `json:"customer"`
				Item     string      `json:"item"`
				Amount   json.Number `json:"amount"`
				Method   string      `json:"method"`
			}
			if err := json.Unmarshal(r.Value, &v); err != nil {
				return fmt.Errorf("record %s/%d/%d: %w", r.Topic, r.Partition, r.Offset, err)
			}
			if len(r.Key) != 8 {
				return fmt.Errorf("record %s/%d/%d: a key of %d bytes", r.Topic, r.Partition, r.Offset, len(r.Key))
			}
			line := fmt.Sprintf("order %-6d %-9s %-6s %9s by %s", binary.BigEndian.Uint64(r.Key), v.Customer, v.Item, v.Amount, v.Method)
			select {
			case out <- line:
			case <-ctx.Done():
				return nil
			}
		}
	}
}

// account compares what was fed with what the queries made of it.
func (d *demo) account(ctx context.Context) error {
	if _, err := d.query.Exec(ctx, "FLUSH"); err != nil {
		return err
	}
	var counted, late, paid, alerts int64
	for _, q := range []struct {
		sql string
		to  *int64
	}{
		{countQuery, &counted},
		{lateQuery, &late},
		{"SELECT count(*) FROM " + paidStream, &paid},
		{"SELECT count(*) FROM " + alertStream, &alerts},
	} {
		if err := d.query.QueryRow(ctx, q.sql).Scan(q.to); err != nil {
			return fmt.Errorf("%w in %s", err, q.sql)
		}
	}
	fed := d.screen.fed
	_, err := fmt.Fprintf(d.cfg.Out, `
%d events in %s: %d orders by COPY, %d payments by Kafka, %d shipments by INSERT
%s: %d orders counted, %d too late for their minute (SELECT * FROM weir.errors)
%s: %d    %s: %d
`, fed.total(), time.Since(d.started).Round(time.Second), fed.orders, fed.payments, fed.shipments,
		revenueTable, counted, late, paidStream, paid, alertStream, alerts)
	if err != nil {
		return err
	}
	if counted+late != fed.orders {
		return fmt.Errorf("%d orders went in, %d were counted and %d came too late", fed.orders, counted, late)
	}
	_, err = io.WriteString(d.cfg.Out, "every order is accounted for, once\n")
	return err
}
