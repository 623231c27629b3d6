package engine

import (
	"context"
	"encoding/binary"
	"hash/fnv"
	"slices"
	"strings"

	"github.com/weirdb/weir/catalog"
	"github.com/weirdb/weir/engine/syscat"
	"github.com/weirdb/weir/kafka"
	"github.com/weirdb/weir/storage"
)

// Committed offsets of consumer groups are state of a shard: that of the hash of the group's name. Keys are the
// group, ended by a zero byte, the topic's id and the partition; values the offset, the leader epoch, and what the
// client added. Topics are named by id, so that one that is made anew does not begin where its namesake ended.
const offsetsSpace = "offsets"

// groupShard returns the number of the shard that keeps a group's offsets.
func (n *Node) groupShard(group string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(group))
	return h.Sum32() % uint32(len(n.shards))
}

func groupPrefix(group string) []byte { return append([]byte(group), 0) }

// groupEnd is the first key that is not the group's.
func groupEnd(group string) []byte { return append([]byte(group), 1) }

func offsetKey(group string, topic storage.TopicID, partition int32) []byte {
	k := binary.BigEndian.AppendUint64(groupPrefix(group), uint64(topic))
	return binary.BigEndian.AppendUint32(k, uint32(partition))
}

func appendOffset(b []byte, o kafka.GroupOffset) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(o.Offset))
	b = binary.BigEndian.AppendUint32(b, uint32(o.LeaderEpoch))
	return append(b, o.Metadata...)
}

// decodeOffset reads a row; ok is false if it is none.
func decodeOffset(k, v []byte) (group string, o kafka.GroupOffset, ok bool) {
	group, rest, ok := strings.Cut(string(k), "\x00")
	if !ok || len(rest) != 12 || len(v) < 12 {
		return "", o, false
	}
	return group, kafka.GroupOffset{
		Topic:       storage.TopicID(binary.BigEndian.Uint64([]byte(rest))),
		Partition:   int32(binary.BigEndian.Uint32([]byte(rest[8:]))),
		Offset:      storage.Offset(binary.BigEndian.Uint64(v)),
		LeaderEpoch: int32(binary.BigEndian.Uint32(v[8:])),
		Metadata:    string(v[12:]),
	}, true
}

// groupOffsets returns the committed offsets of all groups in topics that are still there.
func (n *Node) groupOffsets() (out []syscat.Group) {
	cat := n.Catalog()
	for _, sh := range n.shards {
		err := sh.store.Scan(storage.NamedSpace(offsetsSpace), nil, nil, func(k, v []byte) bool {
			group, o, ok := decodeOffset(k, v)
			if t, there := cat.Topic(catalog.ID(o.Topic)); ok && there {
				out = append(out, syscat.Group{Group: group, Topic: t.Name, Partition: o.Partition, Offset: int64(o.Offset)})
			}
			return true
		})
		if err != nil {
			n.log.Warn("committed offsets cannot be read", "err", err)
		}
	}
	return out
}

func (b *broker) Coordinator(group string) (int32, error) {
	if _, ok := b.serves(b.n.groupShard(group)); !ok {
		return -1, kafka.CoordinatorNotAvailable
	}
	return b.self, nil
}

func (b *broker) CommitOffsets(ctx context.Context, group string, offsets []kafka.GroupOffset) error {
	var m storage.Mutations
	var v []byte
	for _, o := range offsets {
		v = appendOffset(v[:0], o)
		m.Set(storage.NamedSpace(offsetsSpace), offsetKey(group, o.Topic, o.Partition), v)
	}
	return b.propose(ctx, b.n.shards[b.n.groupShard(group)], &m)
}

func (b *broker) GroupOffsets(group string, fn func(kafka.GroupOffset) bool) error {
	sh := b.n.shards[b.n.groupShard(group)]
	return sh.store.Scan(storage.NamedSpace(offsetsSpace), groupPrefix(group), groupEnd(group), func(k, v []byte) bool {
		_, o, ok := decodeOffset(k, v)
		return !ok || fn(o)
	})
}

func (b *broker) GroupOffset(group string, topic storage.TopicID, partition int32) (kafka.GroupOffset, bool, error) {
	k := offsetKey(group, topic, partition)
	v, ok, err := b.n.shards[b.n.groupShard(group)].store.Get(storage.NamedSpace(offsetsSpace), k)
	if err != nil || !ok {
		return kafka.GroupOffset{}, false, err
	}
	_, o, ok := decodeOffset(k, v)
	return o, ok, nil
}

func (b *broker) Groups(fn func(string) bool) error {
	var all []string
	for _, sh := range b.n.shards {
		err := sh.store.Scan(storage.NamedSpace(offsetsSpace), nil, nil, func(k, v []byte) bool {
			if group, _, ok := decodeOffset(k, v); ok && (len(all) == 0 || all[len(all)-1] != group) {
				all = append(all, group)
			}
			return true
		})
		if err != nil {
			return err
		}
	}
	slices.Sort(all)
	for _, group := range all {
		if !fn(group) {
			break
		}
	}
	return nil
}

func (b *broker) DropOffsets(ctx context.Context, group string) error {
	var m storage.Mutations
	err := b.GroupOffsets(group, func(o kafka.GroupOffset) bool {
		m.Delete(storage.NamedSpace(offsetsSpace), offsetKey(group, o.Topic, o.Partition))
		return true
	})
	if err != nil || m.Len() == 0 {
		return err
	}
	return b.propose(ctx, b.n.shards[b.n.groupShard(group)], &m)
}
