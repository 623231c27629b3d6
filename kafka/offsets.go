package kafka

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirdb/weir/storage"
)

// offsetCommit stores the offsets of a group. Those of partitions that exist are stored together.
func (c *conn) offsetCommit(ctx context.Context, r *kmsg.OffsetCommitRequest) kmsg.Response {
	resp := kmsg.NewPtrOffsetCommitResponse()
	code := c.coordinates(r.Group)
	if code == none {
		code = c.mayCommit(r)
	}
	var commit []GroupOffset
	var stored []*kmsg.OffsetCommitResponseTopicPartition
	resp.Topics = make([]kmsg.OffsetCommitResponseTopic, len(r.Topics))
	for i := range r.Topics {
		rt, st := &r.Topics[i], &resp.Topics[i]
		st.Topic = rt.Topic
		st.Partitions = make([]kmsg.OffsetCommitResponseTopicPartition, len(rt.Partitions))
		t, ok := c.s.cfg.Broker.Topic(rt.Topic)
		for j := range rt.Partitions {
			rp, sp := &rt.Partitions[j], &st.Partitions[j]
			sp.Partition = rp.Partition
			metadata := deref(rp.Metadata)
			switch {
			case code != none:
				sp.ErrorCode = int16(code)
			case !ok, rp.Partition < 0, rp.Partition >= t.Partitions:
				sp.ErrorCode = int16(UnknownTopicOrPartition)
			case len(metadata) > c.s.cfg.MaxOffsetMetadata:
				sp.ErrorCode = int16(OffsetMetadataTooLarge)
			default:
				commit = append(commit, GroupOffset{t.ID, rp.Partition, storage.Offset(rp.Offset), rp.LeaderEpoch, metadata})
				stored = append(stored, sp)
			}
		}
	}
	if len(commit) == 0 {
		return resp
	}
	if failed := c.code(c.s.cfg.Broker.CommitOffsets(ctx, r.Group, commit), "OffsetCommit"); failed != none {
		for _, sp := range stored {
			sp.ErrorCode = int16(failed)
		}
	}
	return resp
}

func (c *conn) mayCommit(r *kmsg.OffsetCommitRequest) Code {
	if g := c.s.groups.get(r.Group); g != nil {
		return g.mayCommit(r.MemberID, r.InstanceID, r.Generation)
	}
	if r.Generation >= 0 { // of a member from before a restart
		return IllegalGeneration
	}
	return none
}

// offsetFetch tells the offsets of groups: of the partitions asked for, or all. Nothing committed is offset -1, not
// an error, also if the group is unknown.
func (c *conn) offsetFetch(_ context.Context, r *kmsg.OffsetFetchRequest) kmsg.Response {
	resp := kmsg.NewPtrOffsetFetchResponse()
	if r.Version >= 8 {
		for i := range r.Groups {
			resp.Groups = append(resp.Groups, c.groupOffsets(r.Groups[i].Group, r.Groups[i].Topics))
		}
		return resp
	}
	var topics []kmsg.OffsetFetchRequestGroupTopic
	if r.Topics != nil {
		topics = make([]kmsg.OffsetFetchRequestGroupTopic, len(r.Topics))
		for i, t := range r.Topics {
			topics[i].Topic, topics[i].Partitions = t.Topic, t.Partitions
		}
	}
	g := c.groupOffsets(r.Group, topics)
	resp.ErrorCode = g.ErrorCode
	for _, t := range g.Topics {
		st := kmsg.NewOffsetFetchResponseTopic()
		st.Topic = t.Topic
		for _, p := range t.Partitions {
			sp := kmsg.NewOffsetFetchResponseTopicPartition()
			sp.Partition, sp.Offset, sp.LeaderEpoch, sp.Metadata, sp.ErrorCode = p.Partition, p.Offset, p.LeaderEpoch, p.Metadata, p.ErrorCode
			st.Partitions = append(st.Partitions, sp)
		}
		resp.Topics = append(resp.Topics, st)
	}
	return resp
}

// groupOffsets answers for one group; nil topics means all that have offsets.
func (c *conn) groupOffsets(group string, topics []kmsg.OffsetFetchRequestGroupTopic) kmsg.OffsetFetchResponseGroup {
	resp := kmsg.NewOffsetFetchResponseGroup()
	resp.Group = group
	code := c.coordinates(group)
	var err error
	switch {
	case code != none:
	case topics == nil:
		resp.Topics, err = c.allOffsets(group)
	default:
		resp.Topics, err = c.someOffsets(group, topics)
	}
	if code == none {
		code = c.code(err, "OffsetFetch")
	}
	if resp.ErrorCode = int16(code); code == none {
		return resp
	}
	resp.Topics = nil // version 1 can tell an error only with partitions
	for i := range topics {
		st := kmsg.NewOffsetFetchResponseGroupTopic()
		st.Topic = topics[i].Topic
		for _, p := range topics[i].Partitions {
			sp := noOffset(p)
			sp.ErrorCode = int16(code)
			st.Partitions = append(st.Partitions, sp)
		}
		resp.Topics = append(resp.Topics, st)
	}
	return resp
}

func noOffset(partition int32) kmsg.OffsetFetchResponseGroupTopicPartition {
	sp := kmsg.NewOffsetFetchResponseGroupTopicPartition()
	sp.Partition, sp.Offset, sp.LeaderEpoch, sp.Metadata = partition, -1, -1, new(string)
	return sp
}

func offsetOf(o GroupOffset) kmsg.OffsetFetchResponseGroupTopicPartition {
	sp := kmsg.NewOffsetFetchResponseGroupTopicPartition()
	sp.Partition, sp.Offset, sp.LeaderEpoch, sp.Metadata = o.Partition, int64(o.Offset), o.LeaderEpoch, &o.Metadata
	return sp
}

func (c *conn) someOffsets(group string, topics []kmsg.OffsetFetchRequestGroupTopic) (out []kmsg.OffsetFetchResponseGroupTopic, err error) {
	for i := range topics {
		st := kmsg.NewOffsetFetchResponseGroupTopic()
		st.Topic = topics[i].Topic
		t, ok := c.s.cfg.Broker.Topic(st.Topic)
		for _, p := range topics[i].Partitions {
			sp := noOffset(p)
			if ok {
				o, found, err := c.s.cfg.Broker.GroupOffset(group, t.ID, p)
				if err != nil {
					return nil, err
				}
				if found {
					sp = offsetOf(o)
				}
			}
			st.Partitions = append(st.Partitions, sp)
		}
		out = append(out, st)
	}
	return out, nil
}

// allOffsets leaves out topics that are no more.
func (c *conn) allOffsets(group string) (out []kmsg.OffsetFetchResponseGroupTopic, err error) {
	var last storage.TopicID
	live := false
	err = c.s.cfg.Broker.GroupOffsets(group, func(o GroupOffset) bool {
		if o.Topic != last || !live {
			var t Topic
			if t, live = c.s.cfg.Broker.TopicByID(o.Topic); !live {
				return true
			}
			last = o.Topic
			st := kmsg.NewOffsetFetchResponseGroupTopic()
			st.Topic = t.Name
			out = append(out, st)
		}
		st := &out[len(out)-1]
		st.Partitions = append(st.Partitions, offsetOf(o))
		return true
	})
	return out, err
}
