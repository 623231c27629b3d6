package engine

import (
	"encoding/binary"
	"hash/fnv"
	"strings"

	"github.com/weirdb/weir/engine/syscat"
	"github.com/weirdb/weir/storage"
)

// Committed offsets of consumer groups are state of a shard: that of the hash of
// the group's name. Keys are group, topic (both ended by a zero byte), partition.
const offsetsSpace = "offsets"

// groupShard returns the shard that keeps a group's offsets.
func (n *Node) groupShard(group string) *shard {
	h := fnv.New32a()
	h.Write([]byte(group))
	return n.shards[h.Sum32()%uint32(len(n.shards))]
}

func offsetKey(group, topic string, partition int32) []byte {
	k := append([]byte(group), 0)
	k = append(append(k, topic...), 0)
	return binary.BigEndian.AppendUint32(k, uint32(partition))
}

// groupOffsets returns the committed offsets of all groups.
func (n *Node) groupOffsets() (out []syscat.Group) {
	for _, sh := range n.shards {
		err := sh.store.Scan(storage.NamedSpace(offsetsSpace), nil, nil, func(k, v []byte) bool {
			group, rest, ok := strings.Cut(string(k), "\x00")
			topic, part, ok2 := strings.Cut(rest, "\x00")
			if ok && ok2 && len(part) == 4 && len(v) >= 8 {
				out = append(out, syscat.Group{
					Group: group, Topic: topic, Partition: int32(binary.BigEndian.Uint32([]byte(part))),
					Offset: int64(binary.BigEndian.Uint64(v)),
				})
			}
			return true
		})
		if err != nil {
			n.log.Warn("committed offsets cannot be read", "err", err)
		}
	}
	return out
}
