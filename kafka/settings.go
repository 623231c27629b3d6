package kafka

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// setting is a topic config of Kafka: the names clients may set, with Kafka's defaults. Those that mean nothing here
// (how segments roll, say) are kept and shown all the same, because tools set them and look whether they are set.
type setting struct {
	name  string
	kind  kmsg.ConfigType
	value string // the default; of a topic, what it is
	set   bool   // on the topic
	words string // of a kind with a fixed set of values
}

var topicSettings = []setting{
	{name: "cleanup.policy", kind: kmsg.ConfigTypeList, value: "delete", words: "delete compact compact,delete delete,compact"},
	{name: "compression.type", kind: kmsg.ConfigTypeString, value: "producer", words: "producer uncompressed gzip snappy lz4 zstd"},
	{name: "delete.retention.ms", kind: kmsg.ConfigTypeLong, value: "86400000"},
	{name: "file.delete.delay.ms", kind: kmsg.ConfigTypeLong, value: "60000"},
	{name: "flush.messages", kind: kmsg.ConfigTypeLong, value: "9223372036854775807"},
	{name: "flush.ms", kind: kmsg.ConfigTypeLong, value: "9223372036854775807"},
	{name: "index.interval.bytes", kind: kmsg.ConfigTypeInt, value: "4096"},
	{name: "max.compaction.lag.ms", kind: kmsg.ConfigTypeLong, value: "9223372036854775807"},
	{name: "max.message.bytes", kind: kmsg.ConfigTypeInt, value: "1048588"},
	{name: "message.timestamp.after.max.ms", kind: kmsg.ConfigTypeLong, value: "9223372036854775807"},
	{name: "message.timestamp.before.max.ms", kind: kmsg.ConfigTypeLong, value: "9223372036854775807"},
	{name: "message.timestamp.type", kind: kmsg.ConfigTypeString, value: "CreateTime", words: "CreateTime LogAppendTime"},
	{name: "min.cleanable.dirty.ratio", kind: kmsg.ConfigTypeDouble, value: "0.5"},
	{name: "min.compaction.lag.ms", kind: kmsg.ConfigTypeLong, value: "0"},
	{name: "min.insync.replicas", kind: kmsg.ConfigTypeInt, value: "1"},
	{name: "preallocate", kind: kmsg.ConfigTypeBoolean, value: "false", words: "true false"},
	{name: "retention.bytes", kind: kmsg.ConfigTypeLong, value: "-1"},
	{name: "retention.ms", kind: kmsg.ConfigTypeLong, value: "604800000"},
	{name: "segment.bytes", kind: kmsg.ConfigTypeInt, value: "67108864"},
	{name: "segment.index.bytes", kind: kmsg.ConfigTypeInt, value: "10485760"},
	{name: "segment.jitter.ms", kind: kmsg.ConfigTypeLong, value: "0"},
	{name: "segment.ms", kind: kmsg.ConfigTypeLong, value: "604800000"},
	{name: "unclean.leader.election.enable", kind: kmsg.ConfigTypeBoolean, value: "false", words: "true false"},
}

// accepts tells whether the setting may have value v.
func (s *setting) accepts(v string) bool {
	if s.words != "" {
		return slices.Contains(strings.Fields(s.words), strings.ReplaceAll(v, ", ", ","))
	}
	var err error
	switch s.kind {
	case kmsg.ConfigTypeInt:
		_, err = strconv.ParseInt(v, 10, 32)
	case kmsg.ConfigTypeLong:
		_, err = strconv.ParseInt(v, 10, 64)
	case kmsg.ConfigTypeDouble:
		_, err = strconv.ParseFloat(v, 64)
	}
	return err == nil
}

func (s *setting) source() kmsg.ConfigSource {
	if s.set {
		return kmsg.ConfigSourceDynamicTopicConfig
	}
	return kmsg.ConfigSourceDefaultConfig
}

// settings are all settings of a topic, with its own values.
func (t *Topic) settings() []setting {
	all := slices.Clone(topicSettings)
	for i := range all {
		s := &all[i]
		own, ok := t.Config[s.name]
		switch s.name {
		case "cleanup.policy":
			if !ok && t.Compacted {
				own, ok = "compact", true
			}
		case "retention.ms":
			own, ok = strconv.FormatInt(max(t.RetentionMs, -1), 10), true
		case "retention.bytes":
			own, ok = strconv.FormatInt(max(t.RetentionBytes, -1), 10), true
		}
		if ok && own != s.value {
			s.value, s.set = own, true
		}
	}
	return all
}

// brokerSettings are what clients ask of a node.
func (c *conn) brokerSettings() []setting {
	return []setting{
		{name: "auto.create.topics.enable", kind: kmsg.ConfigTypeBoolean, value: strconv.FormatBool(!c.s.cfg.NoAutoCreate)},
		{name: "default.replication.factor", kind: kmsg.ConfigTypeInt, value: strconv.Itoa(len(c.s.cfg.Broker.Cluster().Nodes))},
		{name: "fetch.max.bytes", kind: kmsg.ConfigTypeInt, value: strconv.Itoa(c.s.cfg.MaxFetch)},
		{name: "group.max.session.timeout.ms", kind: kmsg.ConfigTypeInt, value: strconv.FormatInt(c.s.cfg.MaxSession.Milliseconds(), 10)},
		{name: "group.min.session.timeout.ms", kind: kmsg.ConfigTypeInt, value: strconv.FormatInt(c.s.cfg.MinSession.Milliseconds(), 10)},
		{name: "message.max.bytes", kind: kmsg.ConfigTypeInt, value: strconv.Itoa(c.s.cfg.MaxMessage)},
		{name: "socket.request.max.bytes", kind: kmsg.ConfigTypeInt, value: strconv.Itoa(c.s.cfg.MaxRequest)},
	}
}

// describeConfigs shows the settings of topics and nodes. None can be altered.
func (c *conn) describeConfigs(_ context.Context, r *kmsg.DescribeConfigsRequest) kmsg.Response {
	resp := kmsg.NewPtrDescribeConfigsResponse()
	for i := range r.Resources {
		rr := &r.Resources[i]
		sr := kmsg.NewDescribeConfigsResponseResource()
		sr.ResourceType, sr.ResourceName = rr.ResourceType, rr.ResourceName
		all, err := c.settingsOf(rr)
		if err != nil {
			sr.ErrorCode, sr.ErrorMessage = int16(c.code(err, "DescribeConfigs")), kmsg.StringPtr(message(err))
		}
		for _, s := range all {
			if len(rr.ConfigNames) > 0 && !slices.Contains(rr.ConfigNames, s.name) {
				continue
			}
			sc := kmsg.NewDescribeConfigsResponseResourceConfig()
			sc.Name, sc.Value, sc.ConfigType, sc.Source, sc.IsDefault = s.name, &s.value, s.kind, s.source(), !s.set
			sc.ReadOnly = rr.ResourceType != kmsg.ConfigResourceTypeTopic
			sr.Configs = append(sr.Configs, sc)
		}
		resp.Resources = append(resp.Resources, sr)
	}
	return resp
}

func (c *conn) settingsOf(rr *kmsg.DescribeConfigsRequestResource) ([]setting, error) {
	switch rr.ResourceType {
	case kmsg.ConfigResourceTypeTopic:
		t, ok := c.s.cfg.Broker.Topic(rr.ResourceName)
		if !ok {
			return nil, fmt.Errorf("%w: %s", UnknownTopicOrPartition, rr.ResourceName)
		}
		return t.settings(), nil
	case kmsg.ConfigResourceTypeBroker:
		return c.brokerSettings(), nil
	}
	return nil, fmt.Errorf("%w: configs of resource type %d", InvalidRequest, rr.ResourceType)
}
