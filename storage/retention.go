package storage

import (
	"sort"

	"github.com/weirdb/weir/storage/batch"
)

// RetentionPoint is the offset to trim the log to, in whole segments: those whose newest record is older than
// retentionMs before nowMs, and the oldest ones without which retentionBytes are still there. A negative limit does
// not bind. It returns Start if there is nothing to trim.
func (l *Log) RetentionPoint(nowMs, retentionMs, retentionBytes int64) Offset {
	l.mu.RLock()
	defer l.mu.RUnlock()
	var total int64
	for _, s := range l.segs {
		total += s.size - segmentHeader
	}
	point := l.start
	for _, s := range l.segs {
		total -= s.size - segmentHeader
		old := retentionMs >= 0 && s.maxTS < nowMs-retentionMs
		if !old && (retentionBytes < 0 || total < retentionBytes) {
			break
		}
		point = max(point, s.end)
	}
	return point
}

// OffsetForTime finds the first record whose timestamp is at least ms, in order of offsets; ok is false if there is
// none.
func (l *Log) OffsetForTime(ms int64) (offset Offset, timestamp int64, ok bool, err error) {
	from, ok, err := l.seekTime(ms)
	if !ok || err != nil {
		return 0, 0, false, err
	}
	var buf []byte
	var d batch.Decoder
	for {
		b, err := l.Read(from, scanChunk/4, buf)
		if err != nil || len(b) == 0 {
			return 0, 0, false, err
		}
		buf = b
		for len(b) > 0 {
			var v batch.View
			if v, b, err = batch.Next(b); err != nil {
				return 0, 0, false, err
			}
			from = Offset(v.LastOffset()) + 1
			if v.MaxTimestamp() < ms {
				continue
			}
			recs, err := d.Records(v)
			if err != nil {
				return 0, 0, false, err
			}
			for r := new(batch.Record); recs.Next(r); {
				if r.Timestamp >= ms && Offset(r.Offset) >= l.Start() {
					return Offset(r.Offset), r.Timestamp, true, nil
				}
			}
			if err := recs.Err(); err != nil {
				return 0, 0, false, err
			}
		}
	}
}

// seekTime returns an offset from which on the first record at ms or later is found soon.
func (l *Log) seekTime(ms int64) (Offset, bool, error) {
	for {
		l.mu.RLock()
		i := 0
		for i < len(l.segs) && l.segs[i].maxTS < ms {
			i++
		}
		if i == len(l.segs) {
			l.mu.RUnlock()
			return 0, false, nil
		}
		s, start := l.segs[i], l.start
		if s.indexed <= segmentHeader {
			n := sort.Search(len(s.index), func(n int) bool { return s.index[n].maxTS >= ms })
			from := s.base
			if n > 0 {
				from = s.index[n-1].offset
			}
			l.mu.RUnlock()
			return max(from, start), true, nil
		}
		l.mu.RUnlock()
		if err := l.prepare(s); err != nil {
			return 0, false, err
		}
	}
}
