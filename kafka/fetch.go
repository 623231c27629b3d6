package kafka

import (
	"context"
	"encoding/binary"
	"math/bits"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirdb/weir/storage"
)

// fetchPart is one partition of a Fetch, in the order asked for.
type fetchPart struct {
	req       *kmsg.FetchRequestTopicPartition
	log       Log
	epoch     int32 // of the leader
	code      Code
	changed   <-chan struct{}
	size      int64 // of the log when it was read
	diverging int32 // epoch in which the client's log and ours part; -1 if they do not
	divergeAt int64
}

// fetch answers a Fetch: at once if there are MinBytes of records to give, or an error; else when they have come or
// the wait is over. Sessions (KIP-227) are declined: every answer has session id 0, and clients ask in full again.
func (c *conn) fetch(ctx context.Context, correlation int32, r *kmsg.FetchRequest) error {
	if r.SessionID != 0 {
		return c.fetchError(correlation, r, FetchSessionNotFound)
	}
	parts := c.fetchParts(r)
	if len(parts) > maxFetchParts {
		return c.fetchError(correlation, r, InvalidRequest)
	}
	buf := responses.Get().(*[]byte)
	defer func() {
		if cap(*buf) <= pooledResponse {
			responses.Put(buf)
		}
	}()
	deadline := time.Now().Add(timeout(r.MaxWaitMillis))
	failed := slices.ContainsFunc(parts, func(p fetchPart) bool { return p.code != none })
	for {
		for i := range parts {
			if p := &parts[i]; p.log != nil {
				p.changed = p.log.Changed() // before looking, so that nothing is missed
			}
		}
		var n int
		var bad bool
		*buf, n, bad = c.readParts(begin(*buf, correlation, r.Version >= 12), r, parts)
		if failed || bad || n >= int(r.MinBytes) || len(parts) == 0 && r.MinBytes <= 0 || !time.Now().Before(deadline) {
			return c.write(*buf)
		}
		if !waitForBytes(ctx, parts, int(r.MinBytes)-n, deadline) {
			return ctx.Err()
		}
	}
}

// responses are buffers for responses with records. They are pooled, and not each connection's own, because most
// consumers have nothing to read most of the time.
var responses = sync.Pool{New: func() any { return new([]byte) }}

const pooledResponse = 8 << 20

// maxFetchParts is what one select can wait for, and a little less.
const maxFetchParts = 60000

// fetchParts finds the logs of what is asked for.
func (c *conn) fetchParts(r *kmsg.FetchRequest) []fetchPart {
	n := 0
	for i := range r.Topics {
		n += len(r.Topics[i].Partitions)
	}
	parts := make([]fetchPart, 0, n)
	for i := range r.Topics {
		rt := &r.Topics[i]
		t, ok := c.topic(rt.Topic, rt.TopicID, r.Version >= 13)
		for j := range rt.Partitions {
			p := fetchPart{req: &rt.Partitions[j], diverging: -1}
			if !ok && r.Version >= 13 {
				p.code = UnknownTopicID
			} else {
				p.log, p.epoch, p.code = c.served(t, ok, p.req.Partition, p.req.CurrentLeaderEpoch)
			}
			if p.code == none && p.req.LastFetchedEpoch >= 0 {
				p.diverge()
			}
			parts = append(parts, p)
		}
	}
	return parts
}

// diverge finds out whether what the client read last is what the log holds (KIP-595).
func (p *fetchPart) diverge() {
	found, end, ok := p.log.EpochEnd(p.req.LastFetchedEpoch)
	if ok && (found < p.req.LastFetchedEpoch || int64(end) < p.req.FetchOffset) {
		p.diverging, p.divergeAt = found, int64(end)
	}
}

// served finds the log of a partition for a client that takes epoch for the leader's, unless that is negative.
func (c *conn) served(t Topic, ok bool, partition, epoch int32) (Log, int32, Code) {
	if !ok || partition < 0 || partition >= t.Partitions {
		return nil, -1, UnknownTopicOrPartition
	}
	now := c.s.cfg.Broker.Placement(t.ID, partition).Epoch
	switch {
	case epoch >= 0 && epoch < now:
		return nil, now, FencedLeaderEpoch
	case epoch > now:
		return nil, now, UnknownLeaderEpoch
	}
	log, err := c.s.cfg.Broker.Log(t.ID, partition)
	if err != nil {
		return nil, now, c.code(err, "open a log")
	}
	return log, now, none
}

// readParts appends the response to what begin put into b. It returns how many bytes of records there are, and
// whether a partition has an error to tell.
//
//	throttle error (7+) session (7+) [topics: name | id (13+) [partitions: index error high_watermark
//	last_stable_offset log_start (5+) [aborted] preferred_replica (11+) records]]
func (c *conn) readParts(b []byte, r *kmsg.FetchRequest, parts []fetchPart) (_ []byte, n int, bad bool) {
	flexible := r.Version >= 12
	b = fetchHead(b, r.Version, none)
	b = appendLength(b, flexible, len(r.Topics))
	room := min(max(int(r.MaxBytes), 0), c.s.cfg.MaxFetch)
	for i := range r.Topics {
		rt := &r.Topics[i]
		if r.Version >= 13 {
			b = append(b, rt.TopicID[:]...)
		} else {
			b = appendText(b, flexible, rt.Topic)
		}
		b = appendLength(b, flexible, len(rt.Partitions))
		for j := range rt.Partitions {
			var got int
			b, got = c.readPart(b, r, &parts[j], room, n == 0)
			bad = bad || parts[j].code != none || parts[j].diverging >= 0
			n += got
			room -= got
		}
		parts = parts[len(rt.Partitions):]
		b = appendTags(b, flexible)
	}
	return appendTags(b, flexible), n, bad
}

func fetchHead(b []byte, version int16, code Code) []byte {
	b = appendInt32(b, 0)
	if version >= 7 {
		b = appendInt32(appendInt16(b, int16(code)), 0)
	}
	return b
}

// fetchError refuses a Fetch as a whole. Versions before 7 cannot say why and get no topics.
func (c *conn) fetchError(correlation int32, r *kmsg.FetchRequest, code Code) error {
	flexible := r.Version >= 12
	b := appendLength(fetchHead(begin(c.out, correlation, flexible), r.Version, code), flexible, 0)
	c.out = appendTags(b, flexible)
	return c.write(c.out)
}

// readPart appends one partition to the response. room is what is left for records; the first partition that has
// any gives a batch even if it is larger.
func (c *conn) readPart(b []byte, r *kmsg.FetchRequest, p *fetchPart, room int, first bool) (_ []byte, got int) {
	flexible := r.Version >= 12
	b = appendInt32(b, p.req.Partition)
	head := len(b) // the fixed fields are filled in once the log is read
	b = slices.Grow(b, 2+8+8+8+5+4+5)
	b = b[:head+2+8+8]
	if r.Version >= 5 {
		b = b[:len(b)+8]
	}
	if r.IsolationLevel == 0 {
		b = appendLength(b, flexible, -1) // aborted transactions
	} else {
		b = appendLength(b, flexible, 0)
	}
	if r.Version >= 11 {
		b = appendInt32(b, -1)
	}
	end, start := int64(-1), int64(-1)
	b, got = c.readRecords(p, b, flexible, room, first)
	if p.code != none {
		p.log = nil
	}
	if p.log != nil {
		end, start = int64(p.log.End()), int64(p.log.Start())
	}
	be := binary.BigEndian
	be.PutUint16(b[head:], uint16(p.code))
	be.PutUint64(b[head+2:], uint64(end))
	be.PutUint64(b[head+10:], uint64(end)) // all that is shown is stable
	if r.Version >= 5 {
		be.PutUint64(b[head+18:], uint64(start))
	}
	if !flexible {
		return b, got
	}
	if p.diverging < 0 {
		return append(b, 0), got
	}
	b = append(b, 1, 0, 4+8+1) // one tagged field, number 0: diverging epoch
	b = appendInt64(appendInt32(b, p.diverging), p.divergeAt)
	return append(b, 0), got
}

// readRecords appends the records of p with their length, straight from the log. It sets p.code if that fails.
func (c *conn) readRecords(p *fetchPart, b []byte, flexible bool, room int, first bool) (_ []byte, got int) {
	limit := min(room, max(int(p.req.PartitionMaxBytes), 0))
	if p.log == nil || p.diverging >= 0 || limit <= 0 && !first {
		return appendLength(b, flexible, 0), 0
	}
	p.size = p.log.Size()
	width := lengthWidth(flexible, limit)
	at := len(b) + width
	guess := 0 // how much room to make: records are small, mostly
	if behind := int64(p.log.End()) - p.req.FetchOffset; p.req.FetchOffset >= 0 && behind > 0 {
		guess = min(limit, int(min(behind, 1<<20))<<10, pooledResponse/4)
	}
	b = slices.Grow(b, width+guess+readAhead)
	records, err := p.log.Read(storage.Offset(p.req.FetchOffset), limit, b[at:at])
	if err != nil {
		p.code = c.code(err, "Fetch")
		return appendLength(b, flexible, 0), 0
	}
	if len(records) > limit && !first { // a batch larger than what is left
		records = nil
	}
	got = len(records)
	if lengthWidth(flexible, got) > width { // one large batch: its length would be written over it
		records = slices.Clone(records)
	}
	b = appendLength(b, flexible, got)
	if got == 0 {
		return b, 0
	}
	if len(b) == at && at+got <= cap(b) && &b[:at+1][at] == &records[0] {
		return b[:at+got], got // where they belong
	}
	return append(b, records...), got
}

// readAhead is how much more than it gives a log may read into the buffer: up to where its index points.
const readAhead = 32 << 10

// lengthWidth is how many bytes the length n takes.
func lengthWidth(flexible bool, n int) int {
	if !flexible {
		return 4
	}
	return max(1, (bits.Len(uint(n+1))+6)/7)
}

// waitForBytes waits until the logs have grown by missing bytes since they were read, or one of them was trimmed or
// dropped, or the deadline. It returns false when ctx is done.
func waitForBytes(ctx context.Context, parts []fetchPart, missing int, deadline time.Time) bool {
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	cases := []reflect.SelectCase{
		{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(ctx.Done())},
		{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(timer.C)},
	}
	logs := make([]*fetchPart, 2, 2+len(parts))
	for i := range parts {
		if p := &parts[i]; p.log != nil {
			cases = append(cases, reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(p.changed)})
			logs = append(logs, p)
		}
	}
	grown := make([]int64, len(logs))
	for total := int64(0); ; {
		var i int
		if len(cases) == 3 { // one partition: the common case, and cheaper
			select {
			case <-ctx.Done():
				i = 0
			case <-timer.C:
				i = 1
			case <-logs[2].changed:
				i = 2
			}
		} else {
			i, _, _ = reflect.Select(cases)
		}
		switch i {
		case 0:
			return false
		case 1:
			return true
		}
		p := logs[i]
		p.changed = p.log.Changed()
		cases[i].Chan = reflect.ValueOf(p.changed)
		more := p.log.Size() - p.size
		if more <= grown[i] {
			return true // not grown: trimmed or dropped
		}
		total += more - grown[i]
		grown[i] = more
		if total >= int64(missing) {
			return true
		}
	}
}
