package catalog

import "hash/fnv"

// Place assigns the partitions of a new topic to shards. Partition p of all
// topics with n > 1 partitions goes to the same shard, so that joins,
// aggregations and their results stay within one raft group. Topics of a single
// partition spread by name, unless like names the topic whose place they follow
// (a derived topic follows its source).
func Place(name string, partitions int32, shards uint32, like *Topic) []uint32 {
	out := make([]uint32, partitions)
	if like != nil && like.Partitions == partitions {
		copy(out, like.Shards)
		return out
	}
	if partitions == 1 {
		h := fnv.New32a()
		h.Write([]byte(name))
		out[0] = h.Sum32() % shards
		return out
	}
	for p := range out {
		out[p] = uint32(p) % shards
	}
	return out
}
