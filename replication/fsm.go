package replication

import (
	"errors"
	"fmt"
	"io"
)

// FSM is what a group drives: a deterministic, persistent state machine.
//
// Apply, ReadFrom and Close of the group never overlap. Applied, Durable and
// WriteTo are called at any time, from other goroutines.
type FSM interface {
	// Apply applies a committed command. It is called from one goroutine, in the
	// order of the log; indexes rise but are not dense, because raft's own entries
	// are not shown. It must ignore an index at or below Applied: after a restart
	// or a fetch of contents the log is replayed from an earlier index. The result
	// goes to whoever proposed the command, on the node where it was proposed.
	// cmd may be kept, and must not be changed.
	Apply(index, term uint64, cmd []byte) any

	// Applied is the index of the last command applied; after a restart, of the
	// last one whose effects survived.
	Applied() uint64

	// Durable is the index up to which effects survive a crash. The journal forgets
	// entries at or below it, so it must never turn out to have been too large.
	Durable() uint64

	// WriteTo writes the whole contents, as of one index at or above what Applied
	// returned before the call, while Apply goes on.
	WriteTo(w io.Writer) (int64, error)

	// ReadFrom replaces the contents with what WriteTo wrote elsewhere and returns
	// once they are durable: Durable is then the index they were written at. If r
	// fails, so does ReadFrom; what it leaves must say so by an Applied of zero or
	// be the contents from before.
	ReadFrom(r io.Reader) (int64, error)
}

// Durability says when a proposal counts as committed.
type Durability uint8

const (
	// Sync: a quorum has it on disk.
	Sync Durability = iota
	// NoSync: a quorum has it in memory, and on disk within 50 ms. It survives a
	// crash of processes and the loss of a minority of machines, not a power cut of
	// them all. A member whose machine lost such entries has acknowledged what it no
	// longer has, so a later leader may replace them.
	NoSync
)

// MaxCommand is the size limit of a command, in bytes. An entry travels in one
// message and is held in memory several times, so whoever makes commands should
// aim at a megabyte; the limit leaves room for a step of a query that one record
// blows up (EXPLODE, a join with many matches) and that cannot be divided.
const MaxCommand = 16 << 20

var (
	// ErrNotLeader: this node does not lead the group, and the command was not
	// proposed. The error in hand is a *NotLeaderError that knows who does.
	ErrNotLeader = errors.New("not the leader")
	// ErrUncertain: the outcome is not known; the command may yet be, or have been, committed.
	ErrUncertain = errors.New("outcome unknown")
	// ErrClosed: the group or its node is closed; the command was not proposed.
	ErrClosed = errors.New("replication closed")
	// ErrTooLarge: the command exceeds MaxCommand.
	ErrTooLarge = fmt.Errorf("command exceeds %d bytes", MaxCommand)
	// ErrNoSpace: the disk of the journal is nearly full; the command was not proposed.
	ErrNoSpace = errors.New("no space left for the journal")
	// ErrContentsLost: the FSM has less than the journal vouches for and no other
	// member is there to ask.
	ErrContentsLost = errors.New("contents lost")
)

// NotLeaderError is an ErrNotLeader that names the leader.
type NotLeaderError struct {
	Group  uint32
	Leader Voter // zero if there is none known
}

func (e *NotLeaderError) Error() string {
	if e.Leader.ID == "" {
		return fmt.Sprintf("not the leader of group %d, and none is known", e.Group)
	}
	return fmt.Sprintf("not the leader of group %d, which is %s at %s", e.Group, e.Leader.ID, e.Leader.Addr)
}

func (e *NotLeaderError) Is(target error) bool { return target == ErrNotLeader }

// Voter is a node as the members of a group know it.
type Voter struct {
	ID   string // stable for the life of the node
	Addr string // where its listener is reached
}
