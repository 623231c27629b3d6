package kafka

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// api is one kind of request: its key, the versions served, and who does it.
type api struct {
	key      kmsg.Key
	min, max int16
	// do answers a request, which it may not keep; what it keeps of []byte it copies. A nil response ends the
	// connection. Produce and Fetch have none: they write their responses themselves.
	do func(*conn, context.Context, kmsg.Request) kmsg.Response
}

// on gives a handler of one request type the type they all have.
func on[R kmsg.Request](f func(*conn, context.Context, R) kmsg.Response) func(*conn, context.Context, kmsg.Request) kmsg.Response {
	return func(c *conn, ctx context.Context, r kmsg.Request) kmsg.Response { return f(c, ctx, r.(R)) }
}

// apis lists what is served. The lowest versions are those Kafka 4.0 kept (KIP-896), or lower; the highest are those
// of Kafka 4.1 as far as their fields mean something here.
func apis() []api {
	return []api{
		{kmsg.Produce, 3, 13, nil},
		{kmsg.Fetch, 4, 18, nil},
		{kmsg.ListOffsets, 1, 10, on((*conn).listOffsets)},
		{kmsg.Metadata, 0, 13, on((*conn).metadata)},
		{kmsg.OffsetCommit, 2, 9, on((*conn).offsetCommit)},
		{kmsg.OffsetFetch, 1, 9, on((*conn).offsetFetch)},
		{kmsg.FindCoordinator, 0, 6, on((*conn).findCoordinator)},
		{kmsg.JoinGroup, 0, 9, on((*conn).joinGroup)},
		{kmsg.Heartbeat, 0, 4, on((*conn).heartbeat)},
		{kmsg.LeaveGroup, 0, 5, on((*conn).leaveGroup)},
		{kmsg.SyncGroup, 0, 5, on((*conn).syncGroup)},
		{kmsg.DescribeGroups, 0, 6, on((*conn).describeGroups)},
		{kmsg.ListGroups, 0, 5, on((*conn).listGroups)},
		{kmsg.SASLHandshake, 0, 1, on((*conn).saslHandshake)},
		{kmsg.ApiVersions, 0, 4, on((*conn).apiVersions)},
		{kmsg.CreateTopics, 2, 7, on((*conn).createTopics)},
		{kmsg.DeleteTopics, 1, 6, on((*conn).deleteTopics)},
		{kmsg.InitProducerID, 0, 5, on((*conn).initProducerID)},
		{kmsg.OffsetForLeaderEpoch, 2, 4, on((*conn).offsetForLeaderEpoch)},
		{kmsg.DescribeConfigs, 1, 4, on((*conn).describeConfigs)},
		{kmsg.DeleteGroups, 0, 2, on((*conn).deleteGroups)},
	}
}

// apiVersions tells what is served. There are no features: Kafka 3.6's Java client cannot bear some (KAFKA-17011).
func (c *conn) apiVersions(_ context.Context, r *kmsg.ApiVersionsRequest) kmsg.Response {
	return c.s.versions(r.Version, none)
}

func (s *Server) versions(version int16, code Code) *kmsg.ApiVersionsResponse {
	resp := kmsg.NewPtrApiVersionsResponse()
	resp.Version, resp.ErrorCode = version, int16(code)
	resp.ApiKeys = make([]kmsg.ApiVersionsResponseApiKey, len(s.apis))
	for i, a := range s.apis {
		k := kmsg.NewApiVersionsResponseApiKey()
		k.ApiKey, k.MinVersion, k.MaxVersion = int16(a.key), a.min, a.max
		resp.ApiKeys[i] = k
	}
	return resp
}

// saslHandshake refuses: clients are not asked who they are, and a client that insists on a mechanism is told that
// there is none.
func (c *conn) saslHandshake(_ context.Context, r *kmsg.SASLHandshakeRequest) kmsg.Response {
	resp := kmsg.NewPtrSASLHandshakeResponse()
	resp.Version, resp.ErrorCode = r.Version, int16(UnsupportedSASLMechanism)
	return resp
}
