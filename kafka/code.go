package kafka

import (
	"context"
	"errors"

	"github.com/weirdb/weir/storage"
	"github.com/weirdb/weir/storage/batch"
)

// Code is an error code of Kafka's protocol. As an error it is what a Broker wraps to tell a client.
type Code int16

// The codes the door gives, with the numbers and names of Kafka's Errors.java.
const (
	none                      Code = 0
	UnknownServerError        Code = -1
	OffsetOutOfRange          Code = 1
	CorruptMessage            Code = 2
	UnknownTopicOrPartition   Code = 3
	LeaderNotAvailable        Code = 5
	NotLeader                 Code = 6
	RequestTimedOut           Code = 7
	MessageTooLarge           Code = 10
	OffsetMetadataTooLarge    Code = 12
	CoordinatorNotAvailable   Code = 15
	NotCoordinator            Code = 16
	InvalidTopic              Code = 17
	InvalidRequiredAcks       Code = 21
	IllegalGeneration         Code = 22
	InconsistentGroupProtocol Code = 23
	InvalidGroupID            Code = 24
	UnknownMemberID           Code = 25
	InvalidSessionTimeout     Code = 26
	RebalanceInProgress       Code = 27
	InvalidTimestamp          Code = 32
	UnsupportedSASLMechanism  Code = 33
	UnsupportedVersion        Code = 35
	TopicAlreadyExists        Code = 36
	InvalidPartitions         Code = 37
	InvalidReplicationFactor  Code = 38
	InvalidReplicaAssignment  Code = 39
	InvalidConfig             Code = 40
	InvalidRequest            Code = 42
	UnsupportedForFormat      Code = 43
	PolicyViolation           Code = 44
	OutOfOrderSequence        Code = 45
	DuplicateSequence         Code = 46
	InvalidProducerEpoch      Code = 47
	StorageError              Code = 56
	NonEmptyGroup             Code = 68
	GroupIDNotFound           Code = 69
	FetchSessionNotFound      Code = 70
	FencedLeaderEpoch         Code = 74
	UnknownLeaderEpoch        Code = 75
	UnsupportedCompression    Code = 76
	MemberIDRequired          Code = 79
	GroupMaxSizeReached       Code = 81
	FencedInstanceID          Code = 82
	InvalidRecord             Code = 87
	UnknownTopicID            Code = 100
)

var codeNames = map[Code]string{
	UnknownServerError: "unknown server error", OffsetOutOfRange: "offset out of range", CorruptMessage: "corrupt message",
	UnknownTopicOrPartition: "unknown topic or partition", LeaderNotAvailable: "leader not available",
	NotLeader: "not the leader of the partition", RequestTimedOut: "request timed out", MessageTooLarge: "message too large",
	OffsetMetadataTooLarge: "offset metadata too large", CoordinatorNotAvailable: "coordinator not available",
	NotCoordinator: "not the coordinator of the group", InvalidTopic: "invalid topic", InvalidRequiredAcks: "invalid acks",
	IllegalGeneration: "illegal generation", InconsistentGroupProtocol: "inconsistent group protocol",
	InvalidGroupID: "invalid group id", UnknownMemberID: "unknown member id", InvalidSessionTimeout: "invalid session timeout",
	RebalanceInProgress: "rebalance in progress", InvalidTimestamp: "invalid timestamp",
	UnsupportedSASLMechanism: "unsupported SASL mechanism", UnsupportedVersion: "unsupported version",
	TopicAlreadyExists: "topic already exists", InvalidPartitions: "invalid number of partitions",
	InvalidReplicationFactor: "invalid replication factor", InvalidReplicaAssignment: "invalid replica assignment",
	InvalidConfig: "invalid config", InvalidRequest: "invalid request", UnsupportedForFormat: "unsupported for the message format",
	PolicyViolation: "policy violation", OutOfOrderSequence: "out of order sequence number",
	DuplicateSequence: "duplicate sequence number", InvalidProducerEpoch: "invalid producer epoch", StorageError: "storage error",
	NonEmptyGroup: "group is not empty", GroupIDNotFound: "group id not found", FetchSessionNotFound: "fetch session not found",
	FencedLeaderEpoch: "fenced leader epoch", UnknownLeaderEpoch: "unknown leader epoch",
	UnsupportedCompression: "unsupported compression type", MemberIDRequired: "member id required",
	GroupMaxSizeReached: "group is full", FencedInstanceID: "fenced instance id", InvalidRecord: "invalid record",
	UnknownTopicID: "unknown topic id",
}

func (c Code) Error() string {
	if s, ok := codeNames[c]; ok {
		return s
	}
	return "unknown error"
}

// storedCodes are the codes of errors that have none of their own.
var storedCodes = []struct {
	err  error
	code Code
}{
	{batch.ErrCorrupt, CorruptMessage},
	{batch.ErrInvalid, InvalidRecord},
	{batch.ErrTooLarge, MessageTooLarge},
	{batch.ErrMagic, UnsupportedForFormat},
	{batch.ErrCompression, UnsupportedCompression},
	{storage.ErrOffset, OffsetOutOfRange},
	{storage.ErrDropped, UnknownTopicOrPartition},
	{storage.ErrSequence, OutOfOrderSequence},
	{storage.ErrDuplicate, DuplicateSequence},
	{storage.ErrProducerEpoch, InvalidProducerEpoch},
	{storage.ErrRestoring, LeaderNotAvailable},
	{storage.ErrClosed, NotLeader},
	{storage.ErrFailed, StorageError},
	{context.DeadlineExceeded, RequestTimedOut},
	{context.Canceled, NotLeader}, // the server ends: ask another node, or again
}

// codeOf returns the code to answer err with.
func codeOf(err error) Code {
	if err == nil {
		return none
	}
	var c Code
	if errors.As(err, &c) {
		return c
	}
	for _, s := range storedCodes {
		if errors.Is(err, s.err) {
			return s.code
		}
	}
	return UnknownServerError
}
