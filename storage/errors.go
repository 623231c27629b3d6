package storage

import (
	"errors"
	"fmt"
)

// Errors that callers tell apart with errors.Is.
var (
	ErrClosed        = errors.New("storage is closed")
	ErrCorrupt       = errors.New("storage is corrupt")
	ErrForeign       = errors.New("not a directory of weir's storage")
	ErrNewer         = errors.New("written by a newer weir")
	ErrCommand       = errors.New("malformed command")              // Apply refused it and changed nothing
	ErrStaleTask     = errors.New("task is stale")                  // a Commit of a zombie; nothing was changed
	ErrOffset        = errors.New("offset out of range")            // below Start, above End
	ErrDropped       = errors.New("partition was dropped")          // its topic
	ErrSequence      = errors.New("out of order sequence number")   // OUT_OF_ORDER_SEQUENCE_NUMBER, 45
	ErrDuplicate     = errors.New("duplicate sequence number")      // DUPLICATE_SEQUENCE_NUMBER, 46
	ErrProducerEpoch = errors.New("producer epoch is out of date")  // INVALID_PRODUCER_EPOCH, 47
	ErrFailed        = errors.New("storage failed, restart needed") // a write error; the shard applies nothing more
	ErrRestoring     = errors.New("shard is being restored")
)

// failure is the sticky error of a shard: what went wrong, and ErrFailed.
func failure(err error) error { return fmt.Errorf("%w: %w", ErrFailed, err) }

// KeyExistsError says that an Append with UniqueKeys has a key that is in the table. Nothing of its command was
// applied.
type KeyExistsError struct {
	Partition PartitionID
	Key       []byte // as in the record
}

func (e *KeyExistsError) Error() string {
	return fmt.Sprintf("partition %v holds key %x", e.Partition, e.Key)
}
