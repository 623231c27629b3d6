package replication

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/hashicorp/raft"
)

// ticketSize is the size of what raft sends as a snapshot: the address to fetch
// the contents from, padded with zeros. Raft allows a timeout for each byte (see
// startRaft) for the follower to install a snapshot, so the padding buys it the
// time to fetch: more than an hour.
const ticketSize = 512

// snapshots shows raft the pointer of a group's log as its only snapshot. Raft
// never takes one itself: Config.SnapshotThreshold sees to that.
type snapshots struct {
	g  *Group
	mu sync.Mutex
	in *raft.SnapshotMeta // being installed
	to string             // where its contents are
}

func (s *snapshots) meta() *raft.SnapshotMeta {
	ptr := s.g.log.pointer()
	if ptr.index == 0 {
		return nil
	}
	return &raft.SnapshotMeta{
		Version: raft.SnapshotVersionMax, ID: "pointer", Index: ptr.index, Term: ptr.term,
		Configuration: ptr.conf.members, ConfigurationIndex: ptr.conf.index, Size: ticketSize,
	}
}

// List implements raft.SnapshotStore.
func (s *snapshots) List() ([]*raft.SnapshotMeta, error) {
	if m := s.meta(); m != nil {
		return []*raft.SnapshotMeta{m}, nil
	}
	return nil, nil
}

// Open implements raft.SnapshotStore: for the leader that sends a snapshot, and
// for the follower that has just received one.
func (s *snapshots) Open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.in != nil && id == s.in.ID {
		return s.in, io.NopCloser(strings.NewReader(s.to)), nil
	}
	m := s.meta()
	if m == nil {
		return nil, nil, fmt.Errorf("there is no snapshot %s", id)
	}
	ticket := make([]byte, ticketSize)
	copy(ticket, s.g.node.Addr())
	return m, io.NopCloser(bytes.NewReader(ticket)), nil
}

// Create implements raft.SnapshotStore: a snapshot is about to be received.
func (s *snapshots) Create(version raft.SnapshotVersion, index, term uint64, conf raft.Configuration,
	confIndex uint64, _ raft.Transport,
) (raft.SnapshotSink, error) {
	return &sink{s: s, meta: &raft.SnapshotMeta{
		Version: version, ID: fmt.Sprintf("received-%d-%d", index, term), Index: index, Term: term,
		Configuration: conf, ConfigurationIndex: confIndex,
	}}, nil
}

// received returns what the last sink that was closed took.
func (s *snapshots) received() (ptr pointer, addr string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return pointer{s.in.Index, s.in.Term, configuration{s.in.ConfigurationIndex, s.in.Configuration}}, s.to
}

type sink struct {
	s      *snapshots
	meta   *raft.SnapshotMeta
	ticket bytes.Buffer
}

func (k *sink) ID() string { return k.meta.ID }

func (k *sink) Write(p []byte) (int, error) {
	if k.ticket.Len()+len(p) > ticketSize {
		return 0, errors.New("a snapshot is larger than a ticket")
	}
	return k.ticket.Write(p)
}

func (k *sink) Close() error {
	k.s.mu.Lock()
	defer k.s.mu.Unlock()
	k.meta.Size = int64(k.ticket.Len())
	k.s.in, k.s.to = k.meta, string(bytes.TrimRight(k.ticket.Bytes(), "\x00"))
	return nil
}

func (k *sink) Cancel() error { return nil }
