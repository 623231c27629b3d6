package format

import (
	"encoding/binary"
	"fmt"
)

// The key of a windowed table's record is the key's bytes followed by the
// window, as Kafka Streams writes it: the start of a time window (its length is
// known from elsewhere), or the end and the start of a session, each 64 bits
// big endian, in milliseconds. A windowed record is partitioned by the key's
// bytes alone.

const (
	timeWindowLen    = 8
	sessionWindowLen = 16
)

// AppendTimeWindow ends a key with its time window.
func AppendTimeWindow(key []byte, startMs int64) []byte {
	return binary.BigEndian.AppendUint64(key, uint64(startMs))
}

// SplitTimeWindow is the inverse of AppendTimeWindow. The key is a part of b.
func SplitTimeWindow(b []byte) (key []byte, startMs int64, err error) {
	n := len(b) - timeWindowLen
	if n < 0 {
		return nil, 0, fmt.Errorf("a windowed key ends in %d bytes of window, this one has %d in all", timeWindowLen, len(b))
	}
	return b[:n:n], int64(binary.BigEndian.Uint64(b[n:])), nil
}

// AppendSessionWindow ends a key with its session.
func AppendSessionWindow(key []byte, startMs, endMs int64) []byte {
	key = binary.BigEndian.AppendUint64(key, uint64(endMs))
	return binary.BigEndian.AppendUint64(key, uint64(startMs))
}

// SplitSessionWindow is the inverse of AppendSessionWindow. The key is a part of b.
func SplitSessionWindow(b []byte) (key []byte, startMs, endMs int64, err error) {
	n := len(b) - sessionWindowLen
	if n < 0 {
		return nil, 0, 0, fmt.Errorf("a session's key ends in %d bytes of window, this one has %d in all", sessionWindowLen, len(b))
	}
	return b[:n:n], int64(binary.BigEndian.Uint64(b[n+8:])), int64(binary.BigEndian.Uint64(b[n:])), nil
}
