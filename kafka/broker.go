package kafka

import (
	"context"

	"github.com/weirdb/weir/storage"
)

// Broker is what the door serves. Its methods are called from many goroutines at once. Errors that a client is to
// tell apart wrap a Code, or are those of storage; all others reach it as UNKNOWN_SERVER_ERROR and are logged.
type Broker interface {
	// Cluster returns what is known of the cluster now.
	Cluster() Cluster

	// Topics returns all topics, in order of their names; the door does not change them.
	Topics() []Topic
	Topic(name string) (Topic, bool)
	TopicByID(id storage.TopicID) (Topic, bool)

	// CreateTopic returns when the topic can be written and read: the door has checked the spec, but not whether
	// the name is taken (TopicAlreadyExists).
	CreateTopic(ctx context.Context, spec TopicSpec) error
	// DeleteTopic deletes the topic with its records. A topic that a relation needs is refused with PolicyViolation.
	DeleteTopic(ctx context.Context, id storage.TopicID) error

	// Placement tells who serves a partition that exists.
	Placement(topic storage.TopicID, partition int32) Placement
	// Log returns the log of a partition if this node serves it, NotLeader if it does not. The log stays valid: once
	// the topic is deleted its reads fail with storage.ErrDropped.
	Log(topic storage.TopicID, partition int32) (Log, error)

	// Append proposes record batches, which the door has validated, and returns as soon as they have their place: of
	// appends to a partition by one goroutine the first comes first. It does not keep batches. ctx bounds how long it
	// may wait for room.
	Append(ctx context.Context, topic storage.TopicID, partition int32, batches []byte, acks Acks) Pending

	// ProducerID returns an id that no producer ever had.
	ProducerID(ctx context.Context) (int64, error)

	// Coordinator returns the node that serves a group, CoordinatorNotAvailable if there is none now.
	Coordinator(group string) (node int32, err error)
	// CommitOffsets stores offsets of a group, all or none, durably.
	CommitOffsets(ctx context.Context, group string, offsets []GroupOffset) error
	// GroupOffsets calls fn with the offsets of a group until it returns false, in order of topic id and partition.
	GroupOffsets(group string, fn func(GroupOffset) bool) error
	// GroupOffset returns one offset of a group; ok is false if none was committed.
	GroupOffset(group string, topic storage.TopicID, partition int32) (o GroupOffset, ok bool, err error)
	// Groups calls fn with every group that has offsets, in order, until it returns false.
	Groups(fn func(group string) bool) error
	// DropOffsets forgets all offsets of a group.
	DropOffsets(ctx context.Context, group string) error
}

// Log is a partition's log as its readers need it; *storage.Log is one. What it shows is committed.
type Log interface {
	Start() storage.Offset
	End() storage.Offset
	Size() int64
	Read(from storage.Offset, maxBytes int, buf []byte) ([]byte, error)
	Changed() <-chan struct{}
	OffsetForTime(ms int64) (offset storage.Offset, timestamp int64, ok bool, err error)
	MaxTimestamp() (ms int64, ok bool)
	EpochEnd(epoch int32) (found int32, end storage.Offset, ok bool)
}

// Pending is an append under way.
type Pending interface {
	// Wait returns what became of it. It is called once, by another goroutine than Append's.
	Wait(ctx context.Context) (storage.AppendResult, error)
}

// Acks says when an append counts as done.
type Acks int16

const (
	AcksAll    Acks = -1 // a quorum has it on disk
	AcksNone   Acks = 0  // the client does not wait
	AcksLeader Acks = 1  // a quorum has it in memory
)

// Cluster is what clients are told of the cluster.
type Cluster struct {
	ID         string
	Self       int32 // the node of this broker
	Controller int32 // any node that takes CreateTopics
	Nodes      []Node
}

// Node is one node of the cluster. A node without Host is told to clients under the address they dialled: right for
// Self, unless an address is configured.
type Node struct {
	ID   int32
	Host string
	Port int32
}

// Topic is what clients are told of a topic.
type Topic struct {
	ID         storage.TopicID
	Name       string
	Partitions int32
	Compacted  bool
	Internal   bool // not for clients to write
	// RetentionMs and RetentionBytes bound what is kept; negative means for ever.
	RetentionMs    int64
	RetentionBytes int64
	Config         map[string]string // other settings, kept for clients
}

// TopicSpec asks for a topic.
type TopicSpec struct {
	Name       string
	Partitions int32 // -1 means the cluster's default
	Compacted  bool
	// RetentionMs and RetentionBytes are 0 for the cluster's default, negative for ever.
	RetentionMs    int64
	RetentionBytes int64
	Config         map[string]string // other settings, as given
}

// Placement is who serves a partition.
type Placement struct {
	Leader   int32 // -1 if there is none just now
	Epoch    int32 // the leader epoch: the raft term
	Replicas []int32
	InSync   []int32
}

// GroupOffset is a committed offset: the record the group reads next.
type GroupOffset struct {
	Topic       storage.TopicID
	Partition   int32
	Offset      storage.Offset
	LeaderEpoch int32 // -1 if the client did not say
	Metadata    string
}
