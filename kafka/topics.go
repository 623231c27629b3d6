package kafka

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirdb/weir/storage"
)

// uuid is the id clients know a topic by: the cluster's half first, so that topics of two clusters differ, then the
// topic's own number.
func (s *Server) uuid(id storage.TopicID) (u [16]byte) {
	binary.BigEndian.PutUint64(u[:], s.clusterHalf())
	binary.BigEndian.PutUint64(u[8:], uint64(id))
	return u
}

func (s *Server) clusterHalf() uint64 {
	h := fnv.New64a()
	h.Write([]byte(s.cfg.Broker.Cluster().ID))
	return h.Sum64() | 1 // never the ids that Kafka keeps for itself
}

func (c *conn) topicByUUID(u [16]byte) (Topic, bool) {
	if binary.BigEndian.Uint64(u[:]) != c.s.clusterHalf() {
		return Topic{}, false
	}
	return c.s.cfg.Broker.TopicByID(storage.TopicID(binary.BigEndian.Uint64(u[8:])))
}

// topic finds a topic by id or by name.
func (c *conn) topic(name string, id [16]byte, byID bool) (Topic, bool) {
	if byID {
		return c.topicByUUID(id)
	}
	return c.s.cfg.Broker.Topic(name)
}

// metadata answers what topics and nodes there are. A topic that is asked for by name and is not there is made,
// unless the client forbids it; clients before version 4 cannot, and expect it.
func (c *conn) metadata(ctx context.Context, r *kmsg.MetadataRequest) kmsg.Response {
	resp := kmsg.NewPtrMetadataResponse()
	cluster := c.s.cfg.Broker.Cluster()
	resp.ClusterID = &cluster.ID
	resp.ControllerID = cluster.Controller
	for _, n := range cluster.Nodes {
		b := kmsg.NewMetadataResponseBroker()
		b.NodeID, b.Host, b.Port = c.nodeAddr(n)
		resp.Brokers = append(resp.Brokers, b)
	}
	if r.Topics == nil || r.Version == 0 && len(r.Topics) == 0 {
		for _, t := range c.s.cfg.Broker.Topics() {
			resp.Topics = append(resp.Topics, c.describeTopic(&t))
		}
		return resp
	}
	for i := range r.Topics {
		resp.Topics = append(resp.Topics, c.askedTopic(ctx, r, &r.Topics[i]))
	}
	return resp
}

// nodeAddr is where the client reaches n.
func (c *conn) nodeAddr(n Node) (id int32, host string, port int32) {
	if n.Host == "" {
		return n.ID, c.local.Host, c.local.Port
	}
	return n.ID, n.Host, n.Port
}

func (c *conn) askedTopic(ctx context.Context, r *kmsg.MetadataRequest, asked *kmsg.MetadataRequestTopic) kmsg.MetadataResponseTopic {
	if asked.Topic == nil {
		t, ok := c.topicByUUID(asked.TopicID)
		if !ok {
			return refusedTopic(nil, asked.TopicID, UnknownTopicID)
		}
		return c.describeTopic(&t)
	}
	name := *asked.Topic
	t, ok := c.s.cfg.Broker.Topic(name)
	if !ok && !c.s.validTopic(name) {
		return refusedTopic(asked.Topic, [16]byte{}, InvalidTopic)
	}
	if !ok && !c.s.cfg.NoAutoCreate && (r.AllowAutoTopicCreation || r.Version < 4) {
		err := c.s.cfg.Broker.CreateTopic(ctx, TopicSpec{Name: name, Partitions: -1})
		if code := c.code(err, "Metadata"); code != none && code != TopicAlreadyExists {
			return refusedTopic(asked.Topic, [16]byte{}, code)
		}
		t, ok = c.s.cfg.Broker.Topic(name)
	}
	if !ok {
		return refusedTopic(asked.Topic, [16]byte{}, UnknownTopicOrPartition)
	}
	return c.describeTopic(&t)
}

func refusedTopic(name *string, id [16]byte, code Code) kmsg.MetadataResponseTopic {
	m := kmsg.NewMetadataResponseTopic()
	m.Topic, m.TopicID, m.ErrorCode = name, id, int16(code)
	return m
}

func (c *conn) describeTopic(t *Topic) kmsg.MetadataResponseTopic {
	m := kmsg.NewMetadataResponseTopic()
	m.Topic, m.TopicID, m.IsInternal = &t.Name, c.s.uuid(t.ID), t.Internal
	m.Partitions = make([]kmsg.MetadataResponseTopicPartition, t.Partitions)
	for i := range m.Partitions {
		p := kmsg.NewMetadataResponseTopicPartition()
		at := c.s.cfg.Broker.Placement(t.ID, int32(i))
		p.Partition, p.Leader, p.LeaderEpoch, p.Replicas, p.ISR = int32(i), at.Leader, at.Epoch, at.Replicas, at.InSync
		if at.Leader < 0 {
			p.ErrorCode = int16(LeaderNotAvailable)
		}
		m.Partitions[i] = p
	}
	return m
}

// validTopic tells whether a topic may have that name: the rule of Kafka's Topic.validate.
func (s *Server) validTopic(name string) bool {
	return name != "" && len(name) <= s.cfg.MaxTopicName && name != "." && name != ".." &&
		strings.IndexFunc(name, func(r rune) bool {
			return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-')
		}) < 0
}

// createTopics makes topics one by one: each is made or refused by itself.
func (c *conn) createTopics(ctx context.Context, r *kmsg.CreateTopicsRequest) kmsg.Response {
	ctx, cancel := context.WithTimeout(ctx, max(timeout(r.TimeoutMillis), 1))
	defer cancel()
	resp := kmsg.NewPtrCreateTopicsResponse()
	asked := map[string]int{}
	for i := range r.Topics {
		asked[r.Topics[i].Topic]++
	}
	for i := range r.Topics {
		rt := &r.Topics[i]
		st := kmsg.NewCreateTopicsResponseTopic()
		st.Topic = rt.Topic
		spec, err := c.topicSpec(rt)
		if _, taken := c.s.cfg.Broker.Topic(rt.Topic); err == nil && taken {
			err = fmt.Errorf("%w: %s", TopicAlreadyExists, rt.Topic)
		}
		if asked[rt.Topic] > 1 {
			err = fmt.Errorf("%w: %s is asked for twice", InvalidRequest, rt.Topic)
		}
		if err == nil && !r.ValidateOnly {
			err = c.s.cfg.Broker.CreateTopic(ctx, spec)
		}
		st.NumPartitions, st.ReplicationFactor = -1, -1
		if st.ErrorCode = int16(c.code(err, "CreateTopics")); err != nil {
			st.ErrorMessage = kmsg.StringPtr(message(err))
		} else if t, ok := c.s.cfg.Broker.Topic(rt.Topic); ok {
			st.TopicID, st.NumPartitions = c.s.uuid(t.ID), t.Partitions
			st.ReplicationFactor = int16(len(c.s.cfg.Broker.Placement(t.ID, 0).Replicas))
			for _, s := range t.settings() {
				sc := kmsg.NewCreateTopicsResponseTopicConfig()
				sc.Name, sc.Value, sc.Source = s.name, &s.value, int8(s.source())
				st.Configs = append(st.Configs, sc)
			}
		}
		resp.Topics = append(resp.Topics, st)
	}
	return resp
}

// topicSpec checks what a client asks for.
func (c *conn) topicSpec(rt *kmsg.CreateTopicsRequestTopic) (TopicSpec, error) {
	spec := TopicSpec{Name: rt.Topic, Partitions: rt.NumPartitions}
	if !c.s.validTopic(rt.Topic) {
		return spec, fmt.Errorf("%w: a name is not . or .. and has 1 to %d of the characters a-z, A-Z, 0-9, dot, _ and -", InvalidTopic, c.s.cfg.MaxTopicName)
	}
	if len(rt.ReplicaAssignment) > 0 { // where replicas lie is ours to say; their number of partitions counts
		if rt.NumPartitions != -1 || rt.ReplicationFactor != -1 {
			return spec, fmt.Errorf("%w: both replicas and a number of partitions or replicas", InvalidRequest)
		}
		seen := map[int32]bool{}
		for _, a := range rt.ReplicaAssignment {
			if a.Partition < 0 || int(a.Partition) >= len(rt.ReplicaAssignment) || seen[a.Partition] {
				return spec, fmt.Errorf("%w: partitions are not numbered from 0", InvalidReplicaAssignment)
			}
			seen[a.Partition] = true
		}
		spec.Partitions = int32(len(rt.ReplicaAssignment))
	}
	if spec.Partitions != -1 && (spec.Partitions < 1 || spec.Partitions > c.s.cfg.MaxPartitions) {
		return spec, fmt.Errorf("%w: %d, the limit is %d", InvalidPartitions, spec.Partitions, c.s.cfg.MaxPartitions)
	}
	if n := len(c.s.cfg.Broker.Cluster().Nodes); rt.ReplicationFactor != -1 && (rt.ReplicationFactor < 1 || int(rt.ReplicationFactor) > n) {
		return spec, fmt.Errorf("%w: %d, there are %d nodes", InvalidReplicationFactor, rt.ReplicationFactor, n)
	}
	for _, cf := range rt.Configs {
		if err := spec.set(cf.Name, cf.Value); err != nil {
			return spec, err
		}
	}
	return spec, nil
}

// set checks one setting of a topic.
func (spec *TopicSpec) set(name string, value *string) error {
	i := slices.IndexFunc(topicSettings, func(s setting) bool { return s.name == name })
	switch {
	case i < 0:
		return fmt.Errorf("%w: unknown topic config %q", InvalidConfig, name)
	case value == nil:
		return nil // the default
	case !topicSettings[i].accepts(*value):
		return fmt.Errorf("%w: %s cannot be %q", InvalidConfig, name, *value)
	}
	switch name {
	case "cleanup.policy":
		spec.Compacted = strings.Contains(*value, "compact")
		if *value != "compact,delete" && *value != "delete,compact" {
			return nil
		}
	case "retention.ms":
		spec.RetentionMs = retention(*value)
		return nil
	case "retention.bytes":
		spec.RetentionBytes = retention(*value)
		return nil
	}
	if spec.Config == nil {
		spec.Config = map[string]string{}
	}
	spec.Config[name] = *value
	return nil
}

// retention reads a limit, which 0 must not turn into the default.
func retention(s string) int64 {
	n, _ := strconv.ParseInt(s, 10, 64) // checked before
	if n == 0 {
		return 1
	}
	return n
}

// deleteTopics deletes topics one by one.
func (c *conn) deleteTopics(ctx context.Context, r *kmsg.DeleteTopicsRequest) kmsg.Response {
	ctx, cancel := context.WithTimeout(ctx, max(timeout(r.TimeoutMillis), 1))
	defer cancel()
	resp := kmsg.NewPtrDeleteTopicsResponse()
	del := func(name *string, id [16]byte) {
		st := kmsg.NewDeleteTopicsResponseTopic()
		st.Topic, st.TopicID = name, id
		var t Topic
		var ok bool
		missing := UnknownTopicOrPartition
		if name != nil {
			t, ok = c.s.cfg.Broker.Topic(*name)
		} else {
			missing = UnknownTopicID
			t, ok = c.topicByUUID(id)
		}
		var err error = missing
		if ok {
			st.Topic, st.TopicID = &t.Name, c.s.uuid(t.ID)
			err = c.s.cfg.Broker.DeleteTopic(ctx, t.ID)
		}
		if st.ErrorCode = int16(c.code(err, "DeleteTopics")); err != nil {
			st.ErrorMessage = kmsg.StringPtr(message(err))
		}
		resp.Topics = append(resp.Topics, st)
	}
	for i := range r.TopicNames {
		del(&r.TopicNames[i], [16]byte{})
	}
	for i := range r.Topics {
		del(r.Topics[i].Topic, r.Topics[i].TopicID)
	}
	return resp
}

// initProducerID gives an idempotent producer its id. One that recovers (KIP-360) gets a new one as well.
func (c *conn) initProducerID(ctx context.Context, r *kmsg.InitProducerIDRequest) kmsg.Response {
	resp := kmsg.NewPtrInitProducerIDResponse()
	resp.ProducerID, resp.ProducerEpoch = -1, -1
	if r.TransactionalID != nil {
		resp.ErrorCode = int16(InvalidRequest) // fatal to clients; there are no transactions
		return resp
	}
	id, err := c.s.cfg.Broker.ProducerID(ctx)
	if resp.ErrorCode = int16(c.code(err, "InitProducerId")); err == nil {
		resp.ProducerID, resp.ProducerEpoch = id, 0
	}
	return resp
}

// Timestamps of ListOffsets that mean a place.
const (
	latestOffset   = -1
	earliestOffset = -2
	maxTimestamp   = -3
	earliestLocal  = -4
	latestTiered   = -5
)

// listOffsets finds offsets by time.
func (c *conn) listOffsets(_ context.Context, r *kmsg.ListOffsetsRequest) kmsg.Response {
	resp := kmsg.NewPtrListOffsetsResponse()
	for i := range r.Topics {
		rt := &r.Topics[i]
		st := kmsg.NewListOffsetsResponseTopic()
		st.Topic = rt.Topic
		t, ok := c.s.cfg.Broker.Topic(rt.Topic)
		for j := range rt.Partitions {
			rp := &rt.Partitions[j]
			sp := kmsg.NewListOffsetsResponseTopicPartition()
			sp.Partition, sp.Offset, sp.Timestamp, sp.LeaderEpoch = rp.Partition, -1, -1, -1
			log, epoch, code := c.served(t, ok, rp.Partition, rp.CurrentLeaderEpoch)
			if code == none {
				offset, ts, err := offsetAt(log, rp.Timestamp)
				if code = c.code(err, "ListOffsets"); code == none {
					sp.Offset, sp.Timestamp, sp.LeaderEpoch = offset, ts, epoch
				}
			}
			sp.ErrorCode = int16(code)
			st.Partitions = append(st.Partitions, sp)
		}
		resp.Topics = append(resp.Topics, st)
	}
	return resp
}

// offsetAt finds the first record at or after a time in ms, or the place a negative one stands for; both results are
// -1 if there is none.
func offsetAt(log Log, ms int64) (offset, timestamp int64, err error) {
	switch ms {
	case latestOffset:
		return int64(log.End()), -1, nil
	case earliestOffset, earliestLocal:
		return int64(log.Start()), -1, nil
	case latestTiered:
		return -1, -1, nil
	case maxTimestamp:
		newest, ok := log.MaxTimestamp()
		if !ok {
			return -1, -1, nil
		}
		ms = newest
	default:
		if ms < 0 {
			return -1, -1, fmt.Errorf("%w: offsets for timestamp %d", InvalidRequest, ms)
		}
	}
	o, ts, ok, err := log.OffsetForTime(ms)
	if err != nil || !ok {
		return -1, -1, err
	}
	return int64(o), ts, nil
}

// offsetForLeaderEpoch tells where an epoch ended, so that clients find out whether what they read is still there.
func (c *conn) offsetForLeaderEpoch(_ context.Context, r *kmsg.OffsetForLeaderEpochRequest) kmsg.Response {
	resp := kmsg.NewPtrOffsetForLeaderEpochResponse()
	for i := range r.Topics {
		rt := &r.Topics[i]
		st := kmsg.NewOffsetForLeaderEpochResponseTopic()
		st.Topic = rt.Topic
		t, ok := c.s.cfg.Broker.Topic(rt.Topic)
		for j := range rt.Partitions {
			rp := &rt.Partitions[j]
			sp := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
			sp.Partition, sp.LeaderEpoch, sp.EndOffset = rp.Partition, -1, -1
			log, _, code := c.served(t, ok, rp.Partition, rp.CurrentLeaderEpoch)
			if code == none {
				if found, end, ok := log.EpochEnd(rp.LeaderEpoch); ok {
					sp.LeaderEpoch, sp.EndOffset = found, int64(end)
				}
			}
			sp.ErrorCode = int16(code)
			st.Partitions = append(st.Partitions, sp)
		}
		resp.Topics = append(resp.Topics, st)
	}
	return resp
}
