package storage

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/weirdb/weir/storage/batch"
)

// keptBatches is how many of its last batches a producer's retries are recognized by: Kafka's clients have at most
// five requests in flight.
const keptBatches = 5

// maxProducers bounds the producers a partition remembers. Beyond it the quarter that wrote least recently is
// forgotten, by offset, so that every replica forgets the same ones.
const maxProducers = 1 << 14

// producer is what a partition knows of an idempotent producer. The rules are those of Kafka's ProducerAppendInfo and
// ProducerStateEntry.
type producer struct {
	epoch   int16
	n       int                       // of batches
	batches [keptBatches]sequenceSpan // oldest first
}

type sequenceSpan struct {
	first, last int32 // sequence numbers
	base        Offset
	maxTS       int64
}

// nextSequence is the sequence number n after seq; they wrap to 0 after the largest int32.
func nextSequence(seq int32, n int32) int32 {
	return int32((int64(seq) + int64(n)) & math.MaxInt32)
}

// check tells whether v may be appended: fresh, or a duplicate whose first record has offset base, or an error. p is
// nil if nothing is known of the producer, and then any sequence may start.
func (p *producer) check(v batch.View) (base Offset, duplicate bool, err error) {
	if p == nil || p.n == 0 {
		return 0, false, nil
	}
	first, last := v.BaseSequence(), nextSequence(v.BaseSequence(), v.LastOffsetDelta())
	switch epoch := v.ProducerEpoch(); {
	case epoch < p.epoch:
		return 0, false, fmt.Errorf("producer %d has epoch %d, not %d: %w", v.ProducerID(), p.epoch, epoch, ErrProducerEpoch)
	case epoch > p.epoch:
		if first != 0 {
			return 0, false, fmt.Errorf("producer %d starts epoch %d at sequence %d, want 0: %w", v.ProducerID(), epoch, first, ErrSequence)
		}
		return 0, false, nil
	}
	for _, s := range p.batches[:p.n] {
		if s.first == first && s.last == last {
			return s.base, true, nil
		}
	}
	newest := p.batches[p.n-1]
	if want := nextSequence(newest.last, 1); first != want {
		if before := int32((int64(p.batches[0].first) - int64(last)) & math.MaxInt32); before != 0 && before < 1<<30 {
			return 0, false, fmt.Errorf("producer %d sent sequence %d again, which is before the last %d batches: %w", v.ProducerID(), first, p.n, ErrDuplicate)
		}
		return 0, false, fmt.Errorf("producer %d sent sequence %d, want %d: %w", v.ProducerID(), first, want, ErrSequence)
	}
	return 0, false, nil
}

// add notes that v was appended at base.
func (p *producer) add(v batch.View, base Offset) {
	if v.ProducerEpoch() != p.epoch {
		*p = producer{epoch: v.ProducerEpoch()}
	}
	if p.n == keptBatches {
		copy(p.batches[:], p.batches[1:])
		p.n--
	}
	p.batches[p.n] = sequenceSpan{v.BaseSequence(), nextSequence(v.BaseSequence(), v.LastOffsetDelta()), base, v.MaxTimestamp()}
	p.n++
}

func (p *producer) newest() Offset { return p.batches[p.n-1].base }

const producerLen = 2 + 24*keptBatches

// encode writes p to b, always the same number of bytes so that the row is overwritten in place.
func (p *producer) encode(b *[producerLen]byte) []byte {
	le := binary.LittleEndian
	le.PutUint16(b[:], uint16(p.epoch))
	for i, s := range p.batches {
		at := b[2+24*i:]
		if i >= p.n {
			s = sequenceSpan{first: -1}
		}
		le.PutUint32(at, uint32(s.first))
		le.PutUint32(at[4:], uint32(s.last))
		le.PutUint64(at[8:], uint64(s.base))
		le.PutUint64(at[16:], uint64(s.maxTS))
	}
	return b[:]
}

func decodeProducer(b []byte) (*producer, error) {
	if len(b) != producerLen {
		return nil, fmt.Errorf("producer row of %d bytes: %w", len(b), ErrCorrupt)
	}
	le := binary.LittleEndian
	p := &producer{epoch: int16(le.Uint16(b))}
	for i := range p.batches {
		at := b[2+24*i:]
		s := sequenceSpan{int32(le.Uint32(at)), int32(le.Uint32(at[4:])), Offset(le.Uint64(at[8:])), int64(le.Uint64(at[16:]))}
		if s.first < 0 {
			break
		}
		p.batches[p.n] = s
		p.n++
	}
	return p, nil
}

// idle returns the producers to forget, those that wrote least recently.
func idle(producers map[int64]*producer) []int64 {
	type entry struct {
		id     int64
		newest Offset
	}
	all := make([]entry, 0, len(producers))
	for id, p := range producers {
		all = append(all, entry{id, p.newest()})
	}
	slices.SortFunc(all, func(a, b entry) int { return cmp.Or(cmp.Compare(a.newest, b.newest), cmp.Compare(a.id, b.id)) })
	ids := make([]int64, 0, len(all)/4)
	for _, e := range all[:len(all)/4] {
		ids = append(ids, e.id)
	}
	return ids
}
