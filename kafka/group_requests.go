package kafka

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// findCoordinator tells which node serves a group. Other kinds of coordinators there are none.
func (c *conn) findCoordinator(_ context.Context, r *kmsg.FindCoordinatorRequest) kmsg.Response {
	resp := kmsg.NewPtrFindCoordinatorResponse()
	keys := r.CoordinatorKeys
	if r.Version < 4 {
		keys = []string{r.CoordinatorKey}
	}
	for _, key := range keys {
		rc := kmsg.NewFindCoordinatorResponseCoordinator()
		rc.Key, rc.NodeID, rc.Port = key, -1, -1
		var err error
		if r.CoordinatorType != 0 {
			err = InvalidRequest // fatal to clients, unlike "not available"
		} else {
			var id int32
			id, err = c.s.cfg.Broker.Coordinator(key)
			rc.NodeID, rc.Host, rc.Port, err = c.nodeByID(id, err)
		}
		if rc.ErrorCode = int16(c.code(err, "FindCoordinator")); err != nil {
			rc.ErrorMessage = kmsg.StringPtr(message(err))
			if r.CoordinatorType == 1 {
				rc.ErrorMessage = kmsg.StringPtr("transactions are not supported")
			}
		}
		resp.Coordinators = append(resp.Coordinators, rc)
	}
	if r.Version < 4 {
		rc := resp.Coordinators[0]
		resp.ErrorCode, resp.ErrorMessage, resp.NodeID, resp.Host, resp.Port = rc.ErrorCode, rc.ErrorMessage, rc.NodeID, rc.Host, rc.Port
		resp.Coordinators = nil
	}
	return resp
}

func (c *conn) nodeByID(id int32, err error) (int32, string, int32, error) {
	if err != nil {
		return -1, "", -1, err
	}
	for _, n := range c.s.cfg.Broker.Cluster().Nodes {
		if n.ID == id {
			id, host, port := c.nodeAddr(n)
			return id, host, port, nil
		}
	}
	return -1, "", -1, CoordinatorNotAvailable
}

// coordinates tells whether this node serves the group.
func (c *conn) coordinates(group string) Code {
	if group == "" || strings.IndexByte(group, 0) >= 0 {
		return InvalidGroupID
	}
	node, err := c.s.cfg.Broker.Coordinator(group)
	if err != nil {
		return c.code(err, "find a coordinator")
	}
	if node != c.s.cfg.Broker.Cluster().Self {
		return NotCoordinator
	}
	return none
}

func (c *conn) joinGroup(ctx context.Context, r *kmsg.JoinGroupRequest) kmsg.Response {
	a, ok := c.join(ctx, r)
	if !ok {
		return nil
	}
	resp := kmsg.NewPtrJoinGroupResponse()
	resp.ErrorCode, resp.Generation, resp.LeaderID, resp.MemberID, resp.SkipAssignment = int16(a.code), a.generation, a.leader, a.member, a.skip
	if a.code == none {
		resp.ProtocolType = &a.kind
	}
	if a.code == none || r.Version < 7 {
		resp.Protocol = &a.protocol
	}
	for _, m := range a.members {
		rm := kmsg.NewJoinGroupResponseMember()
		rm.MemberID, rm.InstanceID, rm.ProtocolMetadata = m.id, m.instance, m.metadata
		resp.Members = append(resp.Members, rm)
	}
	return resp
}

// join is JoinGroup; ok is false when the server ends.
func (c *conn) join(ctx context.Context, r *kmsg.JoinGroupRequest) (a joined, ok bool) {
	refused := joined{member: r.MemberID, generation: -1}
	if refused.code = c.coordinates(r.Group); refused.code != none {
		return refused, true
	}
	j := &joining{
		member: r.MemberID, instance: r.InstanceID, clientID: c.clientID, host: c.host, kind: r.ProtocolType,
		session:   time.Duration(r.SessionTimeoutMillis) * time.Millisecond,
		rebalance: time.Duration(r.RebalanceTimeoutMillis) * time.Millisecond,
		needsID:   r.Version >= 4, canSkip: r.Version >= 9,
	}
	if j.session < c.s.cfg.MinSession || j.session > c.s.cfg.MaxSession {
		refused.code = InvalidSessionTimeout
		return refused, true
	}
	if r.Version < 1 || j.rebalance <= 0 {
		j.rebalance = j.session
	}
	j.rebalance = min(j.rebalance, c.s.cfg.MaxSession)
	for _, p := range r.Protocols {
		j.protocols = append(j.protocols, protocol{p.Name, bytes.Clone(p.Metadata)})
	}
	for {
		g, code := c.s.groups.open(r.Group)
		if refused.code = code; code != none {
			return refused, true
		}
		a, later := g.join(j)
		if later != nil {
			return wait(ctx, later)
		}
		if a.code == NotCoordinator { // the group ended just now
			continue
		}
		return a, true
	}
}

func (c *conn) syncGroup(ctx context.Context, r *kmsg.SyncGroupRequest) kmsg.Response {
	resp := kmsg.NewPtrSyncGroupResponse()
	code := c.coordinates(r.Group)
	g := c.s.groups.get(r.Group)
	if code == none && g == nil {
		code = UnknownMemberID
	}
	if code != none {
		resp.ErrorCode = int16(code)
		return resp
	}
	assigned := make(map[string][]byte, len(r.GroupAssignment))
	for _, a := range r.GroupAssignment {
		assigned[a.MemberID] = bytes.Clone(a.MemberAssignment)
	}
	a, later := g.sync(r.MemberID, r.InstanceID, r.Generation, r.ProtocolType, r.Protocol, assigned)
	if later != nil {
		var ok bool
		if a, ok = wait(ctx, later); !ok {
			return nil
		}
	}
	resp.ErrorCode, resp.MemberAssignment = int16(a.code), a.assigned
	if a.code == none {
		resp.ProtocolType, resp.Protocol = &a.kind, &a.protocol
	}
	return resp
}

func (c *conn) heartbeat(_ context.Context, r *kmsg.HeartbeatRequest) kmsg.Response {
	resp := kmsg.NewPtrHeartbeatResponse()
	code := c.coordinates(r.Group)
	if code == none {
		code = UnknownMemberID
		if g := c.s.groups.get(r.Group); g != nil {
			code = g.heartbeat(r.MemberID, r.InstanceID, r.Generation)
		}
	}
	resp.ErrorCode = int16(code)
	return resp
}

func (c *conn) leaveGroup(_ context.Context, r *kmsg.LeaveGroupRequest) kmsg.Response {
	resp := kmsg.NewPtrLeaveGroupResponse()
	if code := c.coordinates(r.Group); code != none {
		resp.ErrorCode = int16(code)
		return resp
	}
	leave := func(id string, instance *string) Code {
		g := c.s.groups.get(r.Group)
		if g == nil {
			return UnknownMemberID
		}
		return g.leave(id, instance)
	}
	if r.Version < 3 {
		resp.ErrorCode = int16(leave(r.MemberID, nil))
		return resp
	}
	for _, m := range r.Members {
		rm := kmsg.NewLeaveGroupResponseMember()
		rm.MemberID, rm.InstanceID = m.MemberID, m.InstanceID
		rm.ErrorCode = int16(leave(m.MemberID, m.InstanceID))
		resp.Members = append(resp.Members, rm)
	}
	return resp
}

// describeGroups shows groups with their members.
func (c *conn) describeGroups(_ context.Context, r *kmsg.DescribeGroupsRequest) kmsg.Response {
	resp := kmsg.NewPtrDescribeGroupsResponse()
	for _, id := range r.Groups {
		d := kmsg.NewDescribeGroupsResponseGroup()
		if code := c.coordinates(id); code != none {
			d.ErrorCode = int16(code)
		} else if g := c.s.groups.get(id); g != nil {
			d = g.describe()
		} else {
			known, err := c.hasOffsets(id)
			code := c.code(err, "DescribeGroups")
			d.State = groupEmpty.String()
			if code == none && !known {
				d.State = groupDead.String()
				if r.Version >= 6 {
					code, d.ErrorMessage = GroupIDNotFound, kmsg.StringPtr(message(GroupIDNotFound))
				}
			}
			d.ErrorCode = int16(code)
		}
		d.Group = id
		resp.Groups = append(resp.Groups, d)
	}
	return resp
}

func (g *group) describe() kmsg.DescribeGroupsResponseGroup {
	g.mu.Lock()
	defer g.mu.Unlock()
	d := kmsg.NewDescribeGroupsResponseGroup()
	d.State, d.ProtocolType = g.state.String(), g.kind
	if g.state == groupStable {
		d.Protocol = g.protocol
	}
	for _, s := range g.subscriptions() {
		m := g.members[s.id]
		dm := kmsg.NewDescribeGroupsResponseGroupMember()
		dm.MemberID, dm.InstanceID, dm.ClientID, dm.ClientHost = m.id, m.instance, m.clientID, "/"+m.host
		if g.state == groupStable {
			dm.ProtocolMetadata, dm.MemberAssignment = s.metadata, m.assigned
		}
		d.Members = append(d.Members, dm)
	}
	return d
}

// listGroups lists groups with members, and those that have offsets only.
func (c *conn) listGroups(_ context.Context, r *kmsg.ListGroupsRequest) kmsg.Response {
	resp := kmsg.NewPtrListGroupsResponse()
	add := func(id, kind, state string) {
		if len(r.StatesFilter) > 0 && !slices.Contains(r.StatesFilter, state) ||
			len(r.TypesFilter) > 0 && !slices.Contains(r.TypesFilter, "classic") {
			return
		}
		lg := kmsg.NewListGroupsResponseGroup()
		lg.Group, lg.ProtocolType, lg.GroupState, lg.GroupType = id, kind, state, "classic"
		resp.Groups = append(resp.Groups, lg)
	}
	live := map[string]bool{}
	for _, g := range c.s.groups.list() {
		g.mu.Lock()
		kind, state := g.kind, g.state
		g.mu.Unlock()
		if state != groupDead {
			live[g.id] = true
			add(g.id, kind, state.String())
		}
	}
	err := c.s.cfg.Broker.Groups(func(id string) bool {
		if !live[id] {
			add(id, "consumer", groupEmpty.String())
		}
		return true
	})
	resp.ErrorCode = int16(c.code(err, "ListGroups"))
	slices.SortFunc(resp.Groups, func(a, b kmsg.ListGroupsResponseGroup) int { return cmp.Compare(a.Group, b.Group) })
	return resp
}

// deleteGroups forgets the offsets of groups without members.
func (c *conn) deleteGroups(ctx context.Context, r *kmsg.DeleteGroupsRequest) kmsg.Response {
	resp := kmsg.NewPtrDeleteGroupsResponse()
	for _, id := range r.Groups {
		d := kmsg.NewDeleteGroupsResponseGroup()
		d.Group, d.ErrorCode = id, int16(c.deleteGroup(ctx, id))
		resp.Groups = append(resp.Groups, d)
	}
	return resp
}

func (c *conn) deleteGroup(ctx context.Context, id string) Code {
	if code := c.coordinates(id); code != none {
		return code
	}
	if c.s.groups.get(id) != nil {
		return NonEmptyGroup
	}
	known, err := c.hasOffsets(id)
	if err == nil && !known {
		return GroupIDNotFound
	}
	if err == nil {
		err = c.s.cfg.Broker.DropOffsets(ctx, id)
	}
	return c.code(err, "DeleteGroups")
}

func (c *conn) hasOffsets(group string) (known bool, err error) {
	err = c.s.cfg.Broker.GroupOffsets(group, func(GroupOffset) bool {
		known = true
		return false
	})
	return known, err
}
