package kafka

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirdb/weir/storage/batch"
)

// TestEveryVersion asks every kind of request in every version that is announced. Responses must be of exactly the
// length that the codec gives them.
func TestEveryVersion(t *testing.T) {
	f := newFake(t)
	topic := createTopic(t, f, "t", 2)
	s := New(Config{Broker: f})
	addr := serve(t, Config{Broker: f})
	r := dial(t, addr)
	r.produced("t", 0, records("a", "b"), none)
	if err := f.CommitOffsets(t.Context(), "g", []GroupOffset{{Topic: topic.ID, Offset: 1, Metadata: "m"}}); err != nil {
		t.Fatal(err)
	}
	for _, a := range s.apis {
		for v := a.min; v <= a.max; v++ {
			req := a.key.Request()
			req.SetVersion(v)
			check := fill(t, req, s.uuid(topic.ID))
			resp := r.receive(req, r.send(req))
			if check != nil && !check(resp) {
				t.Errorf("%s %d: %+v", a.key.Name(), v, resp)
			}
		}
	}
}

// fill gives req something to ask of topic t, and returns what must hold of the response.
func fill(t *testing.T, req kmsg.Request, id [16]byte) func(kmsg.Response) bool {
	v := req.GetVersion()
	ok := func(c int16) bool { return c == 0 }
	switch req := req.(type) {
	case *kmsg.ProduceRequest:
		*req = *produceRequest("t", 1, records("x"))
		req.Version, req.Topics[0].TopicID = v, id
		return func(r kmsg.Response) bool {
			rt := r.(*kmsg.ProduceResponse).Topics[0]
			return ok(rt.Partitions[0].ErrorCode) && (v >= 13 && rt.TopicID == id || rt.Topic == "t")
		}
	case *kmsg.FetchRequest:
		*req = *fetchRequest("t", 0, 0)
		req.Version, req.Topics[0].TopicID, req.SessionEpoch, req.IsolationLevel = v, id, -1, int8(v%2)
		return func(r kmsg.Response) bool {
			rt := r.(*kmsg.FetchResponse).Topics[0]
			p := rt.Partitions[0]
			return ok(p.ErrorCode) && len(p.RecordBatches) > 61 && p.HighWatermark == 2 && p.LastStableOffset == 2 &&
				(v < 5 || p.LogStartOffset == 0) && (v >= 13 && rt.TopicID == id || rt.Topic == "t") &&
				batch.View(p.RecordBatches).SumOK()
		}
	case *kmsg.ListOffsetsRequest:
		rt := kmsg.NewListOffsetsRequestTopic()
		rt.Topic = "t"
		p := kmsg.NewListOffsetsRequestTopicPartition()
		p.Timestamp = 1001
		rt.Partitions = append(rt.Partitions, p)
		req.Topics = append(req.Topics, rt)
		return func(r kmsg.Response) bool {
			p := r.(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0]
			return ok(p.ErrorCode) && p.Offset == 1 && p.Timestamp == 1001 && (v < 4 || p.LeaderEpoch == 1)
		}
	case *kmsg.MetadataRequest:
		rt := kmsg.NewMetadataRequestTopic()
		rt.Topic = kmsg.StringPtr("t")
		req.Topics = append(req.Topics, rt)
		return func(r kmsg.Response) bool {
			m := r.(*kmsg.MetadataResponse)
			return len(m.Brokers) == 1 && m.Brokers[0].Host == "127.0.0.1" && len(m.Topics) == 1 && len(m.Topics[0].Partitions) == 2 &&
				(v < 10 || m.Topics[0].TopicID == id)
		}
	case *kmsg.OffsetCommitRequest:
		req.Group = "committers"
		rt := kmsg.NewOffsetCommitRequestTopic()
		rt.Topic = "t"
		p := kmsg.NewOffsetCommitRequestTopicPartition()
		p.Offset = 1
		rt.Partitions = append(rt.Partitions, p)
		req.Topics = append(req.Topics, rt)
		return func(r kmsg.Response) bool {
			return ok(r.(*kmsg.OffsetCommitResponse).Topics[0].Partitions[0].ErrorCode)
		}
	case *kmsg.OffsetFetchRequest:
		req.Group = "g"
		rt := kmsg.NewOffsetFetchRequestTopic()
		rt.Topic, rt.Partitions = "t", []int32{0, 1}
		req.Topics = append(req.Topics, rt)
		g := kmsg.NewOffsetFetchRequestGroup()
		g.Group = "g"
		gt := kmsg.NewOffsetFetchRequestGroupTopic()
		gt.Topic, gt.Partitions = "t", []int32{0, 1}
		g.Topics = append(g.Topics, gt)
		req.Groups = append(req.Groups, g)
		return func(r kmsg.Response) bool {
			m := r.(*kmsg.OffsetFetchResponse)
			if v >= 8 {
				p := m.Groups[0].Topics[0].Partitions
				return p[0].Offset == 1 && *p[0].Metadata == "m" && p[1].Offset == -1 && ok(p[1].ErrorCode)
			}
			p := m.Topics[0].Partitions
			return p[0].Offset == 1 && *p[0].Metadata == "m" && p[1].Offset == -1 && ok(p[1].ErrorCode)
		}
	case *kmsg.FindCoordinatorRequest:
		req.CoordinatorKey, req.CoordinatorKeys = "g", []string{"g", "elsewhere"}
		return func(r kmsg.Response) bool {
			m := r.(*kmsg.FindCoordinatorResponse)
			if v < 4 {
				return ok(m.ErrorCode) && m.Host == "127.0.0.1" && m.Port > 0
			}
			return ok(m.Coordinators[0].ErrorCode) && m.Coordinators[0].Port > 0 && Code(m.Coordinators[1].ErrorCode) == CoordinatorNotAvailable
		}
	case *kmsg.JoinGroupRequest:
		req.Group, req.SessionTimeoutMillis, req.MemberID = "g", 10000, "nobody"
		req.ProtocolType = "consumer"
		p := kmsg.NewJoinGroupRequestProtocol()
		p.Name = "range"
		req.Protocols = append(req.Protocols, p)
		return func(r kmsg.Response) bool { return Code(r.(*kmsg.JoinGroupResponse).ErrorCode) == UnknownMemberID }
	case *kmsg.SyncGroupRequest:
		req.Group = "g"
		return func(r kmsg.Response) bool { return Code(r.(*kmsg.SyncGroupResponse).ErrorCode) == UnknownMemberID }
	case *kmsg.HeartbeatRequest:
		req.Group = "elsewhere"
		return func(r kmsg.Response) bool { return Code(r.(*kmsg.HeartbeatResponse).ErrorCode) == NotCoordinator }
	case *kmsg.LeaveGroupRequest:
		req.Group, req.MemberID = "g", "m"
		m := kmsg.NewLeaveGroupRequestMember()
		m.MemberID = "m"
		req.Members = append(req.Members, m)
		return func(r kmsg.Response) bool {
			m := r.(*kmsg.LeaveGroupResponse)
			return v < 3 && Code(m.ErrorCode) == UnknownMemberID || v >= 3 && Code(m.Members[0].ErrorCode) == UnknownMemberID
		}
	case *kmsg.DescribeGroupsRequest:
		req.Groups = []string{"g", "unknown"}
		return func(r kmsg.Response) bool {
			g := r.(*kmsg.DescribeGroupsResponse).Groups
			return g[0].State == "Empty" && g[1].State == "Dead" && (v < 6 || Code(g[1].ErrorCode) == GroupIDNotFound)
		}
	case *kmsg.ListGroupsRequest:
		return func(r kmsg.Response) bool { return len(r.(*kmsg.ListGroupsResponse).Groups) >= 1 }
	case *kmsg.ApiVersionsRequest:
		return func(r kmsg.Response) bool { return len(r.(*kmsg.ApiVersionsResponse).ApiKeys) == len(apis()) }
	case *kmsg.CreateTopicsRequest:
		rt := kmsg.NewCreateTopicsRequestTopic()
		rt.Topic, rt.NumPartitions, rt.ReplicationFactor = "made"+strings.Repeat("x", int(v)), 2, 1
		cf := kmsg.NewCreateTopicsRequestTopicConfig()
		cf.Name, cf.Value = "cleanup.policy", kmsg.StringPtr("compact")
		rt.Configs = append(rt.Configs, cf)
		req.Topics, req.TimeoutMillis = append(req.Topics, rt), 1000
		return func(r kmsg.Response) bool { return ok(r.(*kmsg.CreateTopicsResponse).Topics[0].ErrorCode) }
	case *kmsg.DeleteTopicsRequest:
		name := "made" + strings.Repeat("x", int(v)+1) // CreateTopics begins one version later
		req.TopicNames, req.TimeoutMillis = []string{name}, 1000
		rt := kmsg.NewDeleteTopicsRequestTopic()
		rt.Topic = &name
		req.Topics = append(req.Topics, rt)
		return func(r kmsg.Response) bool { return ok(r.(*kmsg.DeleteTopicsResponse).Topics[0].ErrorCode) }
	case *kmsg.InitProducerIDRequest:
		req.TransactionTimeoutMillis = 1000
		return func(r kmsg.Response) bool {
			m := r.(*kmsg.InitProducerIDResponse)
			return ok(m.ErrorCode) && m.ProducerID > 0 && m.ProducerEpoch == 0
		}
	case *kmsg.OffsetForLeaderEpochRequest:
		rt := kmsg.NewOffsetForLeaderEpochRequestTopic()
		rt.Topic = "t"
		p := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
		p.LeaderEpoch = 1
		rt.Partitions = append(rt.Partitions, p)
		req.Topics = append(req.Topics, rt)
		return func(r kmsg.Response) bool {
			p := r.(*kmsg.OffsetForLeaderEpochResponse).Topics[0].Partitions[0]
			return ok(p.ErrorCode) && p.LeaderEpoch == 1 && p.EndOffset == 2
		}
	case *kmsg.DescribeConfigsRequest:
		rr := kmsg.NewDescribeConfigsRequestResource()
		rr.ResourceType, rr.ResourceName = kmsg.ConfigResourceTypeTopic, "t"
		req.Resources = append(req.Resources, rr)
		return func(r kmsg.Response) bool {
			rr := r.(*kmsg.DescribeConfigsResponse).Resources[0]
			return ok(rr.ErrorCode) && len(rr.Configs) == len(topicSettings) && *rr.Configs[0].Value == "delete" && rr.Configs[0].Source == kmsg.ConfigSourceDefaultConfig
		}
	case *kmsg.DeleteGroupsRequest:
		req.Groups = []string{"unknown"}
		return func(r kmsg.Response) bool {
			return Code(r.(*kmsg.DeleteGroupsResponse).Groups[0].ErrorCode) == GroupIDNotFound
		}
	case *kmsg.SASLHandshakeRequest:
		req.Mechanism = "PLAIN"
		return func(r kmsg.Response) bool {
			return Code(r.(*kmsg.SASLHandshakeResponse).ErrorCode) == UnsupportedSASLMechanism
		}
	}
	t.Errorf("nothing to ask of %T", req)
	return nil
}

func TestUnknownVersions(t *testing.T) {
	addr := serve(t, Config{Broker: newFake(t)})
	r := dial(t, addr)
	// A client from the future: told in version 0, and may go on.
	req := kmsg.NewPtrApiVersionsRequest()
	req.Version = 5
	id := r.send(req)
	body, err := r.frame(id)
	if err != nil {
		t.Fatal(err)
	}
	var resp kmsg.ApiVersionsResponse
	if err := resp.ReadFrom(body); err != nil || Code(resp.ErrorCode) != UnsupportedVersion || len(resp.ApiKeys) == 0 {
		t.Errorf("%+v, %v", resp, err)
	}
	req.Version = 3
	ask[*kmsg.ApiVersionsResponse](r, req)
	// Others are hung up on.
	old := kmsg.NewPtrProduceRequest()
	old.Version = 2
	r.send(old)
	r.ended()
	r = dial(t, addr)
	r.send(kmsg.NewPtrAlterUserSCRAMCredentialsRequest())
	r.ended()
}

// TestBadFrames sends what is no request: the connection ends, and others go on.
func TestBadFrames(t *testing.T) {
	addr := serve(t, Config{Broker: newFake(t), MaxControl: 1 << 10, MaxRequest: 1 << 12})
	for name, frame := range map[string][]byte{
		"negative length":    {0xff, 0xff, 0xff, 0xff, 0, 3, 0, 0},
		"shorter than head":  {0, 0, 0, 4, 0, 3, 0, 0},
		"too large":          {0, 0, 4, 1, 0, 3, 0, 0},
		"too large produce":  {0, 0, 16, 1, 0, 0, 0, 3},
		"http":               []byte("GET / HTTP/1.1\r\n\r\n"),
		"cut in client id":   {0, 0, 0, 10, 0, 3, 0, 0, 0, 0, 0, 1, 0, 99},
		"huge array":         {0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff},
		"huge produce array": {0, 0, 0, 22, 0, 0, 0, 3, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff},
	} {
		t.Run(name, func(t *testing.T) {
			r := dial(t, addr)
			if _, err := r.nc.Write(frame); err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(name, "huge produce") { // what was understood is answered first
				if _, err := r.frame(1); err != nil {
					t.Fatal(err)
				}
			}
			r.ended()
		})
	}
	ask[*kmsg.ApiVersionsResponse](dial(t, addr), kmsg.NewPtrApiVersionsRequest())
}

func TestProduceRefuses(t *testing.T) {
	f := newFake(t)
	createTopic(t, f, "t", 2)
	addr := serve(t, Config{Broker: f, MaxMessage: 2000})
	r := dial(t, addr)
	corrupt := records("a")
	corrupt[len(corrupt)-1]++
	cut := records("a")
	cut = cut[:len(cut)-1]
	old := records("a")
	old[16] = 1
	codec := records("a")
	codec[22] |= 7
	count := records("a")
	binary.BigEndian.PutUint32(count[57:], 2)
	for name, c := range map[string]struct {
		topic     string
		partition int32
		records   []byte
		want      Code
	}{
		"unknown topic":      {"nope", 0, records("a"), UnknownTopicOrPartition},
		"unknown partition":  {"t", 2, records("a"), UnknownTopicOrPartition},
		"negative partition": {"t", -1, records("a"), UnknownTopicOrPartition},
		"corrupt":            {"t", 0, corrupt, CorruptMessage},
		"cut short":          {"t", 0, cut, CorruptMessage},
		"old format":         {"t", 0, old, UnsupportedForFormat},
		"unknown codec":      {"t", 0, codec, CorruptMessage}, // the checksum covers it
		"two batches":        {"t", 0, append(records("a"), records("b")...), InvalidRecord},
		"no batch":           {"t", 0, []byte{}, InvalidRecord},
		"null":               {"t", 0, nil, InvalidRecord},
		"too large":          {"t", 0, records(strings.Repeat("x", 2000)), MessageTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			r.t = t
			p := r.produced(c.topic, c.partition, c.records, c.want)
			if p.BaseOffset != -1 || p.ErrorMessage == nil {
				t.Errorf("%+v", p)
			}
		})
	}
	r.t = t
	// Records that are refused cost others in the same request nothing.
	req := produceRequest("t", 0, corrupt)
	good := req.Topics[0].Partitions[0]
	good.Partition, good.Records = 1, records("a", "b")
	req.Topics[0].Partitions = append(req.Topics[0].Partitions, good)
	resp := ask[*kmsg.ProduceResponse](r, req).Topics[0].Partitions
	if Code(resp[0].ErrorCode) != CorruptMessage || Code(resp[1].ErrorCode) != none || resp[1].BaseOffset != 0 {
		t.Errorf("%+v", resp)
	}
	req = produceRequest("t", 0, records("a"))
	req.Acks = 2
	if c := ask[*kmsg.ProduceResponse](r, req).Topics[0].Partitions[0].ErrorCode; Code(c) != InvalidRequiredAcks {
		t.Error(c)
	}
	req = produceRequest("t", 0, records("a"))
	req.TransactionID = kmsg.StringPtr("tx")
	if c := ask[*kmsg.ProduceResponse](r, req).Topics[0].Partitions[0].ErrorCode; Code(c) != InvalidRequest {
		t.Error(c)
	}
}

// TestIdempotence repeats batches, skips some, and comes back with an older epoch.
func TestIdempotence(t *testing.T) {
	f := newFake(t)
	createTopic(t, f, "t", 1)
	r := dial(t, serve(t, Config{Broker: f}))
	pid := ask[*kmsg.InitProducerIDResponse](r, kmsg.NewPtrInitProducerIDRequest()).ProducerID
	expect := func(p kmsg.ProduceResponseTopicPartition, base int64) {
		t.Helper()
		if p.BaseOffset != base {
			t.Errorf("offset %d, want %d", p.BaseOffset, base)
		}
	}
	expect(r.produced("t", 0, sequenced(pid, 0, 0, "a", "b"), none), 0)
	expect(r.produced("t", 0, sequenced(pid, 0, 2, "c"), none), 2)
	expect(r.produced("t", 0, sequenced(pid, 0, 0, "a", "b"), none), 0) // a retry
	r.produced("t", 0, sequenced(pid, 0, 4, "e"), OutOfOrderSequence)
	expect(r.produced("t", 0, sequenced(pid, 0, 3, "d"), none), 3)
	expect(r.produced("t", 0, sequenced(pid, 1, 0, "e"), none), 4)
	r.produced("t", 0, sequenced(pid, 0, 4, "f"), InvalidProducerEpoch)
	for i := range int32(6) {
		expect(r.produced("t", 0, sequenced(pid, 1, i+1, "x"), none), 5+int64(i))
	}
	r.produced("t", 0, sequenced(pid, 1, 0, "e"), DuplicateSequence)
	req := kmsg.NewPtrInitProducerIDRequest()
	req.TransactionalID = kmsg.StringPtr("tx")
	if c := ask[*kmsg.InitProducerIDResponse](r, req).ErrorCode; Code(c) != InvalidRequest {
		t.Error(c)
	}
}

// TestPipeline sends three requests before the first can commit: all are proposed, in order, and answered in order
// once it does; a request of another kind waits for its turn.
func TestPipeline(t *testing.T) {
	f := newFake(t)
	createTopic(t, f, "t", 1)
	f.hold = make(chan struct{})
	r := dial(t, serve(t, Config{Broker: f}))
	reqs := []kmsg.Request{
		produceRequest("t", 0, records("a")), produceRequest("t", 0, records("b")), produceRequest("t", 0, records("c")),
		kmsg.NewPtrApiVersionsRequest(),
	}
	reqs[1].(*kmsg.ProduceRequest).Acks = 0 // is not answered
	changed := f.logOf(t, "t", 0).Changed()
	for _, req := range reqs {
		r.send(req)
	}
	for f.logOf(t, "t", 0).End() < 3 {
		<-changed
		changed = f.logOf(t, "t", 0).Changed()
	}
	close(f.hold)
	for i, req := range reqs {
		if i == 1 {
			continue
		}
		if p, ok := r.receive(req, int32(i+1)).(*kmsg.ProduceResponse); ok && p.Topics[0].Partitions[0].BaseOffset != int64(i) {
			t.Errorf("request %d: %+v", i, p)
		}
	}
	if a := f.appends; len(a) != 3 || a[0] != AcksAll || a[1] != AcksNone {
		t.Errorf("appended with acks %v", a)
	}
}

func (f *fakeBroker) logOf(t testing.TB, name string, partition int32) Log {
	t.Helper()
	topic, ok := f.Topic(name)
	if !ok {
		t.Fatalf("no topic %s", name)
	}
	l, err := f.Log(topic.ID, partition)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestProduceTimeout asks for a commit that does not come.
func TestProduceTimeout(t *testing.T) {
	f := newFake(t)
	createTopic(t, f, "t", 1)
	f.hold = make(chan struct{})
	r := dial(t, serve(t, Config{Broker: f}))
	req := produceRequest("t", 0, records("a"))
	req.TimeoutMillis = 10
	if c := ask[*kmsg.ProduceResponse](r, req).Topics[0].Partitions[0].ErrorCode; Code(c) != RequestTimedOut {
		t.Error(Code(c))
	}
}

func TestFetchErrors(t *testing.T) {
	f := newFake(t)
	topic := createTopic(t, f, "t", 1)
	r := dial(t, serve(t, Config{Broker: f}))
	r.produced("t", 0, records("a"), none)
	f.mu.Lock()
	f.epoch = 3
	f.mu.Unlock()
	r.produced("t", 0, records("b"), none)
	fetch := func(change func(*kmsg.FetchRequest, *kmsg.FetchRequestTopicPartition)) kmsg.FetchResponseTopicPartition {
		t.Helper()
		req := fetchRequest("t", 0, 0)
		change(req, &req.Topics[0].Partitions[0])
		return ask[*kmsg.FetchResponse](r, req).Topics[0].Partitions[0]
	}
	for name, c := range map[string]struct {
		change func(*kmsg.FetchRequest, *kmsg.FetchRequestTopicPartition)
		want   Code
	}{
		"beyond the end":   {func(_ *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) { p.FetchOffset = 3 }, OffsetOutOfRange},
		"far beyond":       {func(_ *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) { p.FetchOffset = math.MaxInt64 }, OffsetOutOfRange},
		"negative":         {func(_ *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) { p.FetchOffset = math.MinInt64 }, OffsetOutOfRange},
		"no partition":     {func(_ *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) { p.Partition = 5 }, UnknownTopicOrPartition},
		"no topic":         {func(r *kmsg.FetchRequest, _ *kmsg.FetchRequestTopicPartition) { r.Topics[0].Topic = "x" }, UnknownTopicOrPartition},
		"no topic id":      {func(r *kmsg.FetchRequest, _ *kmsg.FetchRequestTopicPartition) { r.Version = 13 }, UnknownTopicID},
		"old leader epoch": {func(_ *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) { p.CurrentLeaderEpoch = 2 }, FencedLeaderEpoch},
		"new leader epoch": {func(_ *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) { p.CurrentLeaderEpoch = 4 }, UnknownLeaderEpoch},
		"negative sizes": {func(r *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) {
			r.MaxBytes, p.PartitionMaxBytes, r.MinBytes = -1, -1, math.MinInt32
		}, none},
	} {
		if p := fetch(c.change); Code(p.ErrorCode) != c.want {
			t.Errorf("%s: %v, want %v", name, Code(p.ErrorCode), c.want)
		}
	}
	// What was read in epoch 2 ended at 1, where epoch 3 begins.
	p := fetch(func(_ *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) {
		p.FetchOffset, p.LastFetchedEpoch = 2, 2
	})
	if p.DivergingEpoch.Epoch != 1 || p.DivergingEpoch.EndOffset != 1 || len(p.RecordBatches) > 0 {
		t.Errorf("%+v", p)
	}
	req := fetchRequest("t", 0, 0)
	req.SessionID = 5
	if c := ask[*kmsg.FetchResponse](r, req).ErrorCode; Code(c) != FetchSessionNotFound {
		t.Error(Code(c))
	}
	// The topic is deleted while a fetch waits: it is told at once.
	req = fetchRequest("t", 0, 2)
	id := r.send(req)
	if err := f.DeleteTopic(t.Context(), topic.ID); err != nil {
		t.Fatal(err)
	}
	if p := r.receive(req, id).(*kmsg.FetchResponse).Topics[0].Partitions[0]; Code(p.ErrorCode) != UnknownTopicOrPartition {
		t.Errorf("%v", Code(p.ErrorCode))
	}
}

// TestFetchSizes asks with limits and minimums.
func TestFetchSizes(t *testing.T) {
	f := newFake(t)
	createTopic(t, f, "t", 2)
	r := dial(t, serve(t, Config{Broker: f}))
	one := records(strings.Repeat("x", 1000))
	for range 20 {
		r.produced("t", 0, one, none)
		r.produced("t", 1, one, none)
	}
	fetch := func(total, perPartition int32) (sizes [2]int) {
		req := fetchRequest("t", 0, 0)
		req.MaxBytes = total
		second := req.Topics[0].Partitions[0]
		second.Partition = 1
		req.Topics[0].Partitions = append(req.Topics[0].Partitions, second)
		for i := range req.Topics[0].Partitions {
			req.Topics[0].Partitions[i].PartitionMaxBytes = perPartition
		}
		for i, p := range ask[*kmsg.FetchResponse](r, req).Topics[0].Partitions {
			sizes[i] = len(p.RecordBatches) / len(one)
			if len(p.RecordBatches)%len(one) != 0 {
				t.Errorf("%d bytes: not whole batches", len(p.RecordBatches))
			}
		}
		return sizes
	}
	n := int32(len(one))
	for _, c := range []struct {
		total, partition int32
		want             [2]int
	}{
		{1 << 20, 1 << 20, [2]int{20, 20}},
		{1 << 20, 3 * n, [2]int{3, 3}},
		{4*n + 5, 3 * n, [2]int{3, 1}},
		{3 * n, 3 * n, [2]int{3, 0}},
		{1, 1, [2]int{1, 0}}, // always one batch
		{0, 0, [2]int{1, 0}},
		{130 << 10, 1 << 20, [2]int{20, 20}}, // where lengths take three bytes and the first fewer
	} {
		if got := fetch(c.total, c.partition); got != c.want {
			t.Errorf("max bytes %d, per partition %d: %v batches, want %v", c.total, c.partition, got, c.want)
		}
	}

	// Less than the minimum waits; the rest comes while it waits.
	req := fetchRequest("t", 0, 18)
	req.MinBytes = 4 * n
	id := r.send(req)
	other := dial(t, r.nc.RemoteAddr().String())
	other.produced("t", 0, one, none)
	other.produced("t", 0, one, none)
	if got := len(r.receive(req, id).(*kmsg.FetchResponse).Topics[0].Partitions[0].RecordBatches); got != 4*int(n) {
		t.Errorf("%d bytes, want the minimum of %d", got, 4*n)
	}
	req = fetchRequest("t", 0, 18)
	req.MinBytes, req.MaxWaitMillis = 1<<20, 10
	if got := len(ask[*kmsg.FetchResponse](r, req).Topics[0].Partitions[0].RecordBatches); got != 4*int(n) {
		t.Errorf("%d bytes after the wait, want what is there", got)
	}
}

func TestListOffsets(t *testing.T) {
	f := newFake(t)
	createTopic(t, f, "t", 1)
	r := dial(t, serve(t, Config{Broker: f}))
	list := func(ms int64, want int64, code Code) {
		t.Helper()
		req := kmsg.NewPtrListOffsetsRequest()
		req.Version = 7
		rt := kmsg.NewListOffsetsRequestTopic()
		rt.Topic = "t"
		p := kmsg.NewListOffsetsRequestTopicPartition()
		p.Timestamp = ms
		rt.Partitions = append(rt.Partitions, p)
		req.Topics = append(req.Topics, rt)
		if got := ask[*kmsg.ListOffsetsResponse](r, req).Topics[0].Partitions[0]; got.Offset != want || Code(got.ErrorCode) != code {
			t.Errorf("at %d: %d, %v; want %d, %v", ms, got.Offset, Code(got.ErrorCode), want, code)
		}
	}
	list(maxTimestamp, -1, none)
	list(latestOffset, 0, none)
	var b batch.Builder
	for _, ts := range []int64{50, 10, 90, 40} {
		b.Append(ts, nil, []byte("v"))
	}
	r.produced("t", 0, finish(&b), none)
	list(earliestOffset, 0, none)
	list(latestOffset, 4, none)
	list(maxTimestamp, 2, none)
	list(0, 0, none)
	list(51, 2, none)
	list(91, -1, none)
	list(latestTiered, -1, none)
	list(-99, -1, InvalidRequest)
}

func TestCreateTopics(t *testing.T) {
	f := newFake(t)
	r := dial(t, serve(t, Config{Broker: f, MaxPartitions: 10}))
	create := func(validate bool, name string, partitions int32, replicas int16, configs ...string) Code {
		t.Helper()
		req := kmsg.NewPtrCreateTopicsRequest()
		req.Version, req.TimeoutMillis, req.ValidateOnly = 6, 1000, validate
		rt := kmsg.NewCreateTopicsRequestTopic()
		rt.Topic, rt.NumPartitions, rt.ReplicationFactor = name, partitions, replicas
		for i := 0; i < len(configs); i += 2 {
			cf := kmsg.NewCreateTopicsRequestTopicConfig()
			cf.Name, cf.Value = configs[i], &configs[i+1]
			rt.Configs = append(rt.Configs, cf)
		}
		req.Topics = append(req.Topics, rt)
		return Code(ask[*kmsg.CreateTopicsResponse](r, req).Topics[0].ErrorCode)
	}
	for _, c := range []struct {
		got, want Code
	}{
		{create(true, "a", 1, 1), none},
		{create(false, "a", -1, -1, "cleanup.policy", "compact", "retention.ms", "-1", "segment.bytes", "1000000"), none},
		{create(false, "a", 1, 1), TopicAlreadyExists},
		{create(true, "a", 1, 1), TopicAlreadyExists},
		{create(false, "", 1, 1), InvalidTopic},
		{create(false, "..", 1, 1), InvalidTopic},
		{create(false, "a b", 1, 1), InvalidTopic},
		{create(false, strings.Repeat("x", 250), 1, 1), InvalidTopic},
		{create(false, "b", 0, 1), InvalidPartitions},
		{create(false, "b", 11, 1), InvalidPartitions},
		{create(false, "b", 1, 2), InvalidReplicationFactor},
		{create(false, "b", 1, 0), InvalidReplicationFactor},
		{create(false, "b", 1, 1, "no.such.config", "1"), InvalidConfig},
		{create(false, "b", 1, 1, "retention.ms", "soon"), InvalidConfig},
		{create(false, "b", 1, 1, "cleanup.policy", "burn"), InvalidConfig},
	} {
		if c.got != c.want {
			t.Errorf("%v, want %v", c.got, c.want)
		}
	}
	if a, _ := f.Topic("a"); !a.Compacted || a.RetentionMs != -1 || a.Config["segment.bytes"] != "1000000" {
		t.Errorf("%+v", a)
	}
	createTopic(t, f, "needed", 1)
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.Version, req.TimeoutMillis, req.TopicNames = 5, 1000, []string{"needed", "nope", "a"}
	got := ask[*kmsg.DeleteTopicsResponse](r, req).Topics
	if Code(got[0].ErrorCode) != PolicyViolation || Code(got[1].ErrorCode) != UnknownTopicOrPartition || Code(got[2].ErrorCode) != none {
		t.Errorf("%+v", got)
	}
}
