package demo

import (
	"reflect"
	"testing"
	"time"
)

var opens = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)

func hour(seed uint64, step time.Duration) (all heard, lateOrders int) {
	s := newShop(seed, opens)
	for now := opens.Add(step); !now.After(opens.Add(time.Hour)); now = now.Add(step) {
		h := s.until(now)
		for _, o := range h.orders {
			if now.Sub(o.at) >= lateBy {
				lateOrders++
			}
		}
		all.orders = append(all.orders, h.orders...)
		all.payments = append(all.payments, h.payments...)
		all.shipments = append(all.shipments, h.shipments...)
	}
	return all, lateOrders
}

func TestShop(t *testing.T) {
	h, late := hour(1, time.Second)
	if n := len(h.orders); n < 50*ordersPerMinute || n > 70*ordersPerMinute {
		t.Errorf("%d orders in an hour", n)
	}
	if late == 0 || late > len(h.orders)/100 {
		t.Errorf("%d of %d orders are late", late, len(h.orders))
	}
	ids, disordered := map[int64]order{}, 0
	for i, o := range h.orders {
		if _, twice := ids[o.id]; twice {
			t.Fatalf("order %d twice", o.id)
		}
		ids[o.id] = o
		if i > 0 && o.at.Before(h.orders[i-1].at) {
			disordered++
		}
	}
	if disordered < len(h.orders)/50 {
		t.Errorf("only %d orders out of order", disordered)
	}
	declined := map[int64]bool{}
	for _, p := range h.payments {
		if o, ok := ids[p.order]; ok && p.at.Before(o.at) { // else the order is late
			t.Errorf("order %d is paid before it is made", p.order)
		}
		declined[p.order] = p.status == "declined"
	}
	for _, s := range h.shipments {
		if declined[s.order] {
			t.Errorf("order %d is shipped and not paid", s.order)
		}
	}
	if len(h.payments) == 0 || len(h.shipments) == 0 || len(declined) == 0 {
		t.Errorf("%d payments, %d shipments", len(h.payments), len(h.shipments))
	}
}

// The same seed makes the same events, however they are asked for.
func TestShopIsDeterministic(t *testing.T) {
	a, _ := hour(7, time.Second)
	b, _ := hour(7, time.Second)
	c, _ := hour(7, 20*time.Second)
	d, _ := hour(8, time.Second)
	if !reflect.DeepEqual(a, b) || !reflect.DeepEqual(a.orders, c.orders) {
		t.Error("the same seed made different events")
	}
	if reflect.DeepEqual(a, d) {
		t.Error("different seeds made the same events")
	}
}
