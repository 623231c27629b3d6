package kafka

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/weirdb/weir/storage"
	"github.com/weirdb/weir/storage/batch"
)

// production is a Produce request whose appends are under way.
type production struct {
	version     int16
	correlation int32
	acks        Acks
	deadline    time.Time
	topics      []producedTopic
	parts       []producedPart
}

// producedTopic heads a run of production.parts.
type producedTopic struct {
	name  string
	id    [16]byte
	parts int
}

type producedPart struct {
	partition int32
	pending   Pending // nil: refused, see err
	err       error
	appended  int64 // the time the records were given, in ms since 1970; -1 if they keep their own
}

var productions = sync.Pool{New: func() any { return new(production) }}

// timeout bounds what clients may ask a request to wait for.
func timeout(ms int32) time.Duration {
	return min(max(time.Duration(ms)*time.Millisecond, 0), 5*time.Minute)
}

// produce hands the records of a Produce request to the Broker, and the rest of the work to the answering goroutine.
//
//	transactional_id acks timeout_ms [topics: name | id (13+) [partitions: index records]]
func (c *conn) produce(ctx context.Context, version int16, correlation int32, f fields) error {
	p := productions.Get().(*production)
	*p = production{version: version, correlation: correlation, topics: p.topics[:0], parts: p.parts[:0]}
	transactional := f.text() != nil
	p.acks = Acks(f.int16())
	p.deadline = time.Now().Add(timeout(f.int32()))
	ctx, cancel := context.WithDeadline(ctx, p.deadline)
	defer cancel()
	for range f.count(minProducedTopic) {
		var t Topic
		var ok bool
		var pt producedTopic
		if version >= 13 {
			copy(pt.id[:], f.bytes(16))
			t, ok = c.topicByUUID(pt.id)
		} else {
			name := string(f.text())
			t, ok = c.s.cfg.Broker.Topic(name)
			pt.name = name
		}
		for range f.count(minProducedPart) {
			part := producedPart{partition: f.int32(), appended: -1}
			var records []byte
			if n := f.length(); n >= 0 {
				records = f.bytes(n)
			}
			f.tags()
			if f.err != nil {
				break
			}
			switch {
			case p.acks < AcksAll || p.acks > AcksLeader:
				part.err = InvalidRequiredAcks
			case transactional:
				part.err = fmt.Errorf("%w: transactions are not supported", InvalidRequest)
			case !ok && version >= 13:
				part.err = UnknownTopicID
			case !ok, part.partition < 0, part.partition >= t.Partitions:
				part.err = UnknownTopicOrPartition
			default:
				c.append(ctx, &t, &part, records, p.acks)
			}
			p.parts = append(p.parts, part)
			pt.parts++
		}
		f.tags()
		p.topics = append(p.topics, pt)
	}
	f.tags()
	c.answerLater(p)
	if f.err != nil { // after what came before it was answered
		return fmt.Errorf("produce version %d: %w", version, f.err)
	}
	return nil
}

// The least bytes of an element of the arrays of a Produce request.
const (
	minProducedTopic = 2
	minProducedPart  = 5
)

// append validates the records of one partition and proposes them.
func (c *conn) append(ctx context.Context, t *Topic, part *producedPart, records []byte, acks Acks) {
	if t.Internal {
		part.err = fmt.Errorf("%w: %s is internal", InvalidTopic, t.Name)
		return
	}
	lim := batch.Limits{MaxBatch: c.s.cfg.MaxMessage}
	if n, ok := t.number("max.message.bytes"); ok {
		lim.MaxBatch = min(lim.MaxBatch, int(n))
	}
	// The size first, so that a large batch is told from one that is cut short.
	if len(records) > batch.HeaderLen && len(records) > lim.MaxBatch {
		part.err = fmt.Errorf("%d bytes of records, the limit is %d: %w", len(records), lim.MaxBatch, MessageTooLarge)
		return
	}
	n, err := batch.Validate(records, lim, &c.batches)
	switch {
	case err != nil:
		part.err = err
		return
	case n != 1:
		part.err = fmt.Errorf("%w: %d record batches for a partition, want one", InvalidRecord, n)
		return
	}
	v := batch.View(records)
	if v.Transactional() {
		part.err = fmt.Errorf("%w: transactions are not supported", InvalidRequest)
		return
	}
	now := time.Now().UnixMilli()
	if t.Config["message.timestamp.type"] == "LogAppendTime" {
		v.SetAppendTime(now)
		part.appended = now
	} else if ahead, ok := t.number("message.timestamp.after.max.ms"); ok && v.MaxTimestamp()-now > ahead {
		part.err = fmt.Errorf("%w: %d ms ahead, the limit is %d", InvalidTimestamp, v.MaxTimestamp()-now, ahead)
		return
	}
	part.pending = c.s.cfg.Broker.Append(ctx, t.ID, part.partition, records, acks)
}

// number returns a numeric setting of the topic, if it has it.
func (t *Topic) number(name string) (int64, bool) {
	s, ok := t.Config[name]
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

// answerLater queues p for its answer, and waits while too many are queued.
func (c *conn) answerLater(p *production) {
	if c.produced == nil {
		c.produced = make(chan *production, c.s.cfg.InFlight-1)
		go c.answer(c.produced)
	}
	c.pending.Add(1)
	c.produced <- p
}

// endProductions waits until every Produce is answered, and ends the answering goroutine.
func (c *conn) endProductions() {
	c.pending.Wait()
	if c.produced != nil {
		close(c.produced)
	}
}

// answer waits for appends and answers their requests in order. A connection that cannot be written to is closed;
// its appends are waited for all the same.
func (c *conn) answer(queue <-chan *production) {
	var out []byte
	broken := false
	for p := range queue {
		out = p.finish(begin(out, p.correlation, p.version >= 9), c)
		if p.acks != AcksNone && !broken {
			if err := c.write(out); err != nil {
				broken = true
				c.nc.Close()
			}
		}
		clear(p.parts)
		clear(p.topics)
		productions.Put(p)
		c.pending.Done()
		if cap(out) > keptBuffer {
			out = nil
		}
	}
}

// finish waits for the appends and appends the body of the response.
//
//	[topics: name | id (13+) [partitions: index error base_offset append_time log_start (5+) [record_errors] (8+)
//	error_message (8+)]] throttle_ms
func (p *production) finish(b []byte, c *conn) []byte {
	ctx, cancel := context.WithDeadline(c.waiting, p.deadline)
	defer cancel()
	flexible := p.version >= 9
	b = appendLength(b, flexible, len(p.topics))
	parts := p.parts
	for _, t := range p.topics {
		if p.version >= 13 {
			b = append(b, t.id[:]...)
		} else {
			b = appendText(b, flexible, t.name)
		}
		b = appendLength(b, flexible, t.parts)
		for i := range parts[:t.parts] {
			b = parts[i].finish(ctx, b, p, c)
		}
		parts = parts[t.parts:]
		b = appendTags(b, flexible)
	}
	b = appendInt32(b, 0)
	return appendTags(b, flexible)
}

func (part *producedPart) finish(ctx context.Context, b []byte, p *production, c *conn) []byte {
	flexible := p.version >= 9
	base, start := int64(-1), int64(-1)
	if part.pending != nil && p.acks != AcksNone {
		var r storage.AppendResult
		if r, part.err = part.pending.Wait(ctx); part.err == nil {
			switch {
			case len(r.Batches) != 1:
				part.err = fmt.Errorf("kafka: %d results for one batch", len(r.Batches))
			case r.Batches[0].Err != nil:
				part.err = r.Batches[0].Err
			default:
				base, start = int64(r.Batches[0].Base), int64(r.Start)
			}
		}
	}
	code := c.code(part.err, "Produce")
	appended := part.appended
	if code != none {
		appended = -1
	}
	b = appendInt32(b, part.partition)
	b = appendInt16(b, int16(code))
	b = appendInt64(b, base)
	b = appendInt64(b, appended)
	if p.version >= 5 {
		b = appendInt64(b, start)
	}
	if p.version >= 8 {
		b = appendLength(b, flexible, 0)
		b = appendMessage(b, flexible, part.err)
	}
	return appendTags(b, flexible)
}

// appendMessage appends the text of an error, null if there is none. The int16 before it bounds it.
func appendMessage(b []byte, flexible bool, err error) []byte {
	if err == nil {
		if flexible {
			return append(b, 0)
		}
		return appendInt16(b, -1)
	}
	return appendText(b, flexible, message(err))
}

// message is what a client is told of err beside its code.
func message(err error) string {
	if codeOf(err) == UnknownServerError {
		return "internal error"
	}
	s := err.Error()
	return s[:min(len(s), 1000)]
}

// code returns the code to answer err with. What has none is told to the log.
func (c *conn) code(err error, doing string) Code {
	code := codeOf(err)
	if code == UnknownServerError && !errors.Is(err, UnknownServerError) {
		c.s.cfg.Log.Error("kafka: request failed", "request", doing, "client", c.nc.RemoteAddr(), "error", err)
	}
	return code
}
