package demo

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/twmb/franz-go/pkg/kgo"
)

// feeder brings events to the node as three systems would: the web shop copies its
// orders over Postgres' protocol, the payment provider produces over Kafka's, and the
// warehouse inserts.
type feeder struct {
	pg    *pgx.Conn
	kafka *kgo.Client
}

func (f *feeder) feed(ctx context.Context, h heard) error {
	if len(h.orders) > 0 {
		rows := pgx.CopyFromSlice(len(h.orders), func(i int) ([]any, error) {
			o := h.orders[i]
			amount := pgtype.Numeric{Int: big.NewInt(o.cents), Exp: -2, Valid: true}
			return []any{o.id, o.at, o.customer, o.item, amount}, nil
		})
		if _, err := f.pg.CopyFrom(ctx, pgx.Identifier{"orders"}, []string{"id", "at", "customer", "item", "amount"}, rows); err != nil {
			return fmt.Errorf("orders: %w", err)
		}
	}
	if len(h.payments) > 0 {
		records := make([]*kgo.Record, len(h.payments))
		for i, p := range h.payments {
			value, err := json.Marshal(struct {
				At     int64  `json:"at"`
				Method string `json:"method"`
				Status string `json:"status"`
			}{p.at.UnixMilli(), p.method, p.status})
			if err != nil {
				return err
			}
			key := binary.BigEndian.AppendUint64(nil, uint64(p.order))
			records[i] = &kgo.Record{Topic: "payments", Key: key, Value: value}
		}
		if err := f.kafka.ProduceSync(ctx, records...).FirstErr(); err != nil {
			return fmt.Errorf("payments: %w", err)
		}
	}
	if len(h.shipments) > 0 {
		var b strings.Builder
		b.WriteString("INSERT INTO shipments (order_id, at, carrier) VALUES ")
		var args []any
		for i, s := range h.shipments {
			if i > 0 {
				b.WriteString(", ")
			}
			fmt.Fprintf(&b, "($%d, $%d, $%d)", len(args)+1, len(args)+2, len(args)+3)
			args = append(args, s.order, s.at, s.carrier)
		}
		if _, err := f.pg.Exec(ctx, b.String(), args...); err != nil {
			return fmt.Errorf("shipments: %w", err)
		}
	}
	return nil
}

// counts are numbers of events.
type counts struct{ orders, payments, shipments int64 }

func (c counts) total() int64 { return c.orders + c.payments + c.shipments }

const (
	// The shop's clock runs faster than ours, so that minutes pass while one watches.
	pace = 20
	tick = 100 * time.Millisecond
	// slice is how much of the shop's time is fed at once. A continuous query takes what
	// is there: if the partitions of a topic were fed minutes apart, the grace period of a
	// window could be over in one before the other is read.
	slice = pace * tick
	// history is fed as quickly as it goes, so that there is something to see.
	history = 8 * time.Minute
)

// run feeds what the shop hears, tick by tick, until ctx is done, and sends how much
// it was; it closes fed at the end. What it began is acknowledged when it returns.
func (f *feeder) run(ctx context.Context, s *shop, fed chan<- counts) error {
	defer close(fed)
	present := s.now.Add(history)
	ticks := time.NewTicker(tick)
	defer ticks.Stop()
	for {
		for s.now.Before(present) && ctx.Err() == nil {
			h := s.until(s.now.Add(slice))
			if err := f.feed(context.WithoutCancel(ctx), h); err != nil {
				return err
			}
			fed <- counts{int64(len(h.orders)), int64(len(h.payments)), int64(len(h.shipments))}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticks.C:
			present = present.Add(slice)
		}
	}
}
