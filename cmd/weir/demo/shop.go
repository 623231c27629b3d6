package demo

import (
	"container/heap"
	"math/rand/v2"
	"time"
)

// Events of the shop. at is when it happened; when the shop hears of it is another
// matter.
type (
	order struct {
		id       int64
		at       time.Time
		customer string
		item     string
		cents    int64
	}
	payment struct {
		order  int64
		at     time.Time
		method string
		status string // paid, declined
	}
	shipment struct {
		order   int64
		at      time.Time
		carrier string
	}
)

// shop makes up what a shop hears: orders, most of them paid within minutes, those
// paid for shipped within the hour. Most events arrive at once, some out of order, a
// few so late that their minute is over. It is deterministic.
type shop struct {
	rng      *rand.Rand
	now      time.Time // everything that arrives until then has been returned
	next     time.Time // of the next order
	lastID   int64
	arriving arrivals
}

const (
	ordersPerMinute = 180
	// Of a thousand events, those that arrive up to a minute late, and those that
	// arrive after lateBy.
	disordered = 80
	late       = 4
	lateBy     = 5 * time.Minute
)

var (
	customers = []string{"ada", "ben", "cleo", "dev", "eve", "finn", "gus", "hana", "ivan", "june", "kai", "lena"}
	items     = []struct {
		name  string
		cents int64
	}{{"lamp", 3900}, {"chair", 8900}, {"desk", 24900}, {"shelf", 12900}, {"mug", 900}, {"sofa", 89900}}
	methods  = []string{"card", "card", "card", "transfer", "wallet"}
	carriers = []string{"post", "courier", "bike"}
)

func newShop(seed uint64, opens time.Time) *shop {
	return &shop{rng: rand.New(rand.NewPCG(seed, seed)), now: opens, next: opens}
}

// heard is what arrives at the shop in some span of time, in order of arrival.
type heard struct {
	orders    []order
	payments  []payment
	shipments []shipment
}

// until returns what arrives up to t.
func (s *shop) until(t time.Time) heard {
	for ; !s.next.After(t); s.next = s.next.Add(s.exponential(time.Minute / ordersPerMinute)) {
		s.order(s.next)
	}
	var h heard
	for len(s.arriving) > 0 && !s.arriving[0].at.After(t) {
		switch e := heap.Pop(&s.arriving).(arrival).event.(type) {
		case order:
			h.orders = append(h.orders, e)
		case payment:
			h.payments = append(h.payments, e)
		case shipment:
			h.shipments = append(h.shipments, e)
		}
	}
	s.now = t
	return h
}

// order makes an order and what follows from it.
func (s *shop) order(at time.Time) {
	s.lastID++
	item := items[s.rng.IntN(len(items))]
	o := order{id: s.lastID, at: at, customer: customers[s.rng.IntN(len(customers))], item: item.name, cents: item.cents * int64(1+s.rng.IntN(3))}
	s.arrive(at, o)
	if s.rng.IntN(100) < 12 {
		return // changed their mind
	}
	p := payment{order: o.id, at: at.Add(s.exponential(20 * time.Second)), method: methods[s.rng.IntN(len(methods))], status: "paid"}
	if s.rng.IntN(100) < 4 {
		p.status = "declined"
	}
	s.arrive(p.at, p)
	if p.status == "paid" {
		sh := shipment{order: o.id, at: p.at.Add(time.Minute + s.exponential(4*time.Minute)), carrier: carriers[s.rng.IntN(len(carriers))]}
		s.arrive(sh.at, sh)
	}
}

// arrive puts an event where its delay takes it.
func (s *shop) arrive(at time.Time, event any) {
	switch n := s.rng.IntN(1000); {
	case n < late:
		at = at.Add(lateBy)
	case n < late+disordered:
		at = at.Add(time.Duration(s.rng.Int64N(int64(30 * time.Second))))
	}
	heap.Push(&s.arriving, arrival{at, event})
}

func (s *shop) exponential(mean time.Duration) time.Duration {
	return time.Duration(s.rng.ExpFloat64() * float64(mean))
}

// arrivals is a heap of what is under way.
type arrivals []arrival

type arrival struct {
	at    time.Time
	event any
}

func (a arrivals) Len() int           { return len(a) }
func (a arrivals) Less(i, j int) bool { return a[i].at.Before(a[j].at) }
func (a arrivals) Swap(i, j int)      { a[i], a[j] = a[j], a[i] }
func (a *arrivals) Push(x any)        { *a = append(*a, x.(arrival)) }
func (a *arrivals) Pop() any {
	old := *a
	last := old[len(old)-1]
	*a = old[:len(old)-1]
	return last
}
