package kafka

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"maps"
	"slices"
	"sync"
	"time"
)

// groups holds the consumer groups that have members.
type groups struct {
	cfg Config

	mu      sync.Mutex
	byID    map[string]*group
	stopped bool
}

func newGroups(cfg Config) groups { return groups{cfg: cfg, byID: map[string]*group{}} }

// get returns the group with that id, nil if it has no members.
func (gs *groups) get(id string) *group {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	return gs.byID[id]
}

// open returns the group with that id, and makes it if it is not there.
func (gs *groups) open(id string) (*group, Code) {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	g := gs.byID[id]
	switch {
	case g != nil:
		return g, none
	case gs.stopped:
		return nil, NotCoordinator
	case len(gs.byID) >= gs.cfg.MaxGroups:
		return nil, CoordinatorNotAvailable
	}
	g = &group{all: gs, id: id, members: map[string]*member{}, static: map[string]string{}, promised: map[string]*time.Timer{}}
	gs.byID[id] = g
	return g, none
}

// list returns the groups with members.
func (gs *groups) list() []*group {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	return slices.Collect(maps.Values(gs.byID))
}

// stop ends all groups; members that wait have gone.
func (gs *groups) stop() {
	gs.mu.Lock()
	gs.stopped = true
	gs.mu.Unlock()
	for _, g := range gs.list() {
		g.mu.Lock()
		g.end()
		g.mu.Unlock()
	}
}

// groupState is where a group stands in the classic protocol (Kafka's GroupState).
type groupState uint8

const (
	groupEmpty      groupState = iota // no members
	groupPreparing                    // waiting for members to join
	groupCompleting                   // joined; waiting for the leader's assignment
	groupStable
	groupDead // removed: whoever holds it opens it anew
)

func (s groupState) String() string {
	return [...]string{"Empty", "PreparingRebalance", "CompletingRebalance", "Stable", "Dead"}[s]
}

// group is a consumer group: Kafka's classic protocol, of which the door is the coordinator. What members tell of
// their subscriptions and what the leader assigns are bytes that pass through.
type group struct {
	all *groups
	id  string

	mu         sync.Mutex
	state      groupState
	generation int32
	kind       string // protocol type: consumer, connect, ...
	protocol   string // what all members speak, as chosen for the generation
	leader     string
	members    map[string]*member
	static     map[string]string      // instance id to member id
	promised   map[string]*time.Timer // member ids given out and not used yet (KIP-394)
	timer      *time.Timer            // of the rebalance
	first      bool                   // the rebalance began with an empty group, and waits a moment for more
}

type member struct {
	id        string
	instance  *string // static member (KIP-345)
	clientID  string
	host      string
	session   time.Duration
	rebalance time.Duration
	protocols []protocol
	assigned  []byte

	joining chan joined // parked JoinGroup; nil if there is none
	syncing chan synced // parked SyncGroup; nil if there is none
	synced  bool        // asked for its assignment in this generation
	expiry  *time.Timer
	left    bool
}

// protocol is one way of assigning that a member knows, and what it tells the leader for it.
type protocol struct {
	name     string
	metadata []byte
}

// joined answers a JoinGroup.
type joined struct {
	code       Code
	generation int32
	kind       string
	protocol   string
	leader     string
	member     string
	skip       bool // the leader need not assign: nothing has changed
	members    []joinedMember
}

type joinedMember struct {
	id       string
	instance *string
	metadata []byte
}

// synced answers a SyncGroup.
type synced struct {
	code           Code
	kind, protocol string
	assigned       []byte
}

// joining is a JoinGroup request.
type joining struct {
	member    string
	instance  *string
	clientID  string
	host      string
	session   time.Duration
	rebalance time.Duration
	kind      string
	protocols []protocol
	needsID   bool // the client can be told its id first
	canSkip   bool // the client knows joined.skip
}

// join makes or renews a member. It returns the answer, or a channel that will give it.
func (g *group) join(j *joining) (joined, <-chan joined) {
	g.mu.Lock()
	defer g.mu.Unlock()
	refuse := func(c Code) (joined, <-chan joined) {
		g.bury()
		return joined{code: c, member: j.member, generation: -1}, nil
	}
	if g.state == groupDead {
		return refuse(NotCoordinator)
	}
	if j.kind == "" || len(j.protocols) == 0 || !g.speaks(j) {
		return refuse(InconsistentGroupProtocol)
	}
	if j.member == "" {
		if g.full(j) {
			return refuse(GroupMaxSizeReached)
		}
		return g.joinNew(j)
	}
	if t, ok := g.promised[j.member]; ok && j.instance == nil {
		t.Stop()
		delete(g.promised, j.member)
		return g.admit(j, j.member)
	}
	if c := g.check(j.member, j.instance); c != none {
		return refuse(c)
	}
	return g.rejoin(j, g.members[j.member])
}

// full tells whether one more member is too many.
func (g *group) full(j *joining) bool {
	if j.instance != nil && g.static[*j.instance] != "" {
		return false
	}
	return len(g.members)+len(g.promised) >= g.all.cfg.MaxGroupSize
}

// speaks tells whether j has a protocol in common with all other members.
func (g *group) speaks(j *joining) bool {
	others := 0
	common := map[string]int{}
	for _, m := range g.members {
		if m.id == j.member {
			continue
		}
		others++
		for _, p := range m.protocols {
			common[p.name]++
		}
	}
	if others == 0 {
		return true
	}
	return j.kind == g.kind && slices.ContainsFunc(j.protocols, func(p protocol) bool { return common[p.name] == others })
}

// check tells whether a member may speak: it is there, and its static id is still its own.
func (g *group) check(id string, instance *string) Code {
	if instance != nil {
		switch now, ok := g.static[*instance]; {
		case !ok:
			return UnknownMemberID
		case now != id:
			return FencedInstanceID
		}
	}
	if g.members[id] == nil {
		return UnknownMemberID
	}
	return none
}

// joinNew takes a member that has no id yet.
func (g *group) joinNew(j *joining) (joined, <-chan joined) {
	id := newMemberID(cmp.Or(deref(j.instance), j.clientID))
	if j.instance != nil {
		if old := g.members[g.static[*j.instance]]; old != nil {
			return g.replace(j, old, id)
		}
	} else if j.needsID {
		g.promised[id] = time.AfterFunc(j.session, func() { g.breakPromise(id) })
		return joined{code: MemberIDRequired, member: id, generation: -1}, nil
	}
	return g.admit(j, id)
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// newMemberID makes an id as Kafka does: a name, for people, and what makes it unique.
func newMemberID(name string) string {
	var u [16]byte
	rand.Read(u[:])
	return name[:min(len(name), 128)] + "-" + hex.EncodeToString(u[:])
}

// admit adds a member and begins a rebalance.
func (g *group) admit(j *joining, id string) (joined, <-chan joined) {
	m := &member{id: id}
	if len(g.members) == 0 {
		g.kind = j.kind
	}
	g.members[id] = m
	if j.instance != nil {
		g.static[*j.instance] = id
	}
	m.update(j)
	return g.park(m)
}

// update takes over what a member says of itself.
func (m *member) update(j *joining) {
	m.instance, m.clientID, m.host = j.instance, j.clientID, j.host
	m.session, m.rebalance, m.protocols = j.session, j.rebalance, j.protocols
}

// park leaves m waiting for the end of the rebalance, which it begins if need be.
func (g *group) park(m *member) (joined, <-chan joined) {
	m.answerJoin(joined{code: UnknownMemberID, member: m.id, generation: -1}) // it asked before, on another connection
	m.stopExpiry()
	c := make(chan joined, 1)
	m.joining = c
	if g.state != groupPreparing {
		g.prepare()
	}
	g.tryComplete()
	return joined{}, c
}

// rejoin is a JoinGroup of a member that is there.
func (g *group) rejoin(j *joining, m *member) (joined, <-chan joined) {
	same := sameProtocols(m.protocols, j.protocols)
	stays := g.state == groupCompleting && same || g.state == groupStable && same && m.id != g.leader
	m.update(j)
	if stays { // its answer was lost, or it is early: nothing new
		g.touch(m)
		return g.current(m, m.id, false), nil
	}
	return g.park(m)
}

func sameProtocols(a, b []protocol) bool {
	return slices.EqualFunc(a, b, func(x, y protocol) bool { return x.name == y.name && string(x.metadata) == string(y.metadata) })
}

// replace gives a static member that came back its new id. If nothing changed, the group goes on without a
// rebalance: it takes over the assignment.
func (g *group) replace(j *joining, old *member, id string) (joined, <-chan joined) {
	old.answerJoin(joined{code: FencedInstanceID, member: old.id, generation: -1})
	old.answerSync(synced{code: FencedInstanceID})
	old.stopExpiry()
	old.left = true
	delete(g.members, old.id)
	m := &member{id: id, assigned: old.assigned, synced: old.synced}
	g.members[id] = m
	g.static[*j.instance] = id
	m.update(j)
	leads := g.leader == old.id
	if leads {
		g.leader = id
	}
	if g.state != groupStable || !sameProtocols(old.protocols, j.protocols) && g.vote() != g.protocol {
		return g.park(m)
	}
	g.touch(m)
	if leads && !j.canSkip {
		return g.current(m, old.id, false), nil // it takes itself for a follower, and asks for what it had
	}
	return g.current(m, g.leader, leads), nil
}

// current answers a JoinGroup with the generation as it stands.
func (g *group) current(m *member, leader string, skip bool) joined {
	a := joined{generation: g.generation, kind: g.kind, protocol: g.protocol, leader: leader, member: m.id, skip: skip}
	if a.leader == m.id {
		a.members = g.subscriptions()
	}
	return a
}

// subscriptions are what the leader gets to know.
func (g *group) subscriptions() []joinedMember {
	var out []joinedMember
	for _, id := range slices.Sorted(maps.Keys(g.members)) {
		m := g.members[id]
		s := joinedMember{id: id, instance: m.instance}
		for _, p := range m.protocols {
			if p.name == g.protocol {
				s.metadata = p.metadata
			}
		}
		out = append(out, s)
	}
	return out
}

// prepare begins a rebalance.
func (g *group) prepare() {
	for _, m := range g.members {
		m.answerSync(synced{code: RebalanceInProgress})
		m.synced = false
	}
	g.first = g.state == groupEmpty
	g.state = groupPreparing
	wait := g.rebalanceTimeout()
	if g.first {
		wait = min(wait, g.all.cfg.FirstRebalance)
	}
	g.startTimer(wait, g.complete)
}

func (g *group) rebalanceTimeout() (d time.Duration) {
	for _, m := range g.members {
		d = max(d, m.rebalance)
	}
	return d
}

// startTimer has f done after d, unless it is started again or stopped before. f runs with the group locked.
func (g *group) startTimer(d time.Duration, f func()) {
	g.stopTimer()
	var t *time.Timer
	t = time.AfterFunc(d, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.timer == t { // t was set under the lock
			f()
		}
	})
	g.timer = t
}

func (g *group) stopTimer() {
	if g.timer != nil {
		g.timer.Stop()
		g.timer = nil
	}
}

// tryComplete ends the rebalance if everyone has joined.
func (g *group) tryComplete() {
	if g.state != groupPreparing || g.first || len(g.promised) > 0 {
		return
	}
	for _, m := range g.members {
		if m.joining == nil {
			return
		}
	}
	g.complete()
}

// complete ends the rebalance with those who have joined. Of the others, static members stay until their session
// ends.
func (g *group) complete() {
	if g.first && len(g.promised) > 0 { // those who were given their ids this moment are coming
		g.first = false
		g.startTimer(g.rebalanceTimeout(), g.complete)
		return
	}
	g.first = false
	g.stopTimer()
	var present []string
	for _, id := range slices.Sorted(maps.Keys(g.members)) {
		m := g.members[id]
		switch {
		case m.joining != nil:
			present = append(present, id)
		case m.instance == nil:
			g.drop(m)
		}
	}
	if len(present) == 0 {
		if len(g.members) > 0 { // static ones that are away
			g.startTimer(g.rebalanceTimeout(), g.complete)
			return
		}
		g.empty()
		return
	}
	if !slices.Contains(present, g.leader) {
		g.leader = present[0]
	}
	g.generation++
	if g.generation <= 0 {
		g.generation = 1
	}
	g.protocol = g.vote()
	g.state = groupCompleting
	for _, id := range present {
		m := g.members[id]
		m.assigned = nil
		m.answerJoin(g.current(m, g.leader, false))
		g.touch(m)
	}
	g.startTimer(g.rebalanceTimeout(), g.dropUnsynced)
}

// dropUnsynced removes members that joined and never asked for their assignment, be it that the leader never gave it.
func (g *group) dropUnsynced() {
	late := false
	for _, m := range g.members {
		if !m.synced && m.instance == nil {
			g.drop(m)
			late = true
		}
	}
	if late {
		g.changed()
	}
}

// vote chooses the protocol most members prefer among those all know.
func (g *group) vote() string {
	known := map[string]int{}
	for _, m := range g.members {
		for _, p := range m.protocols {
			known[p.name]++
		}
	}
	votes := map[string]int{}
	for _, m := range g.members {
		for _, p := range m.protocols {
			if known[p.name] == len(g.members) {
				votes[p.name]++
				break
			}
		}
	}
	best := ""
	for _, name := range slices.Sorted(maps.Keys(votes)) {
		if best == "" || votes[name] > votes[best] {
			best = name
		}
	}
	return best
}

// sync gives a member its assignment; the leader brings everyone's. It returns the answer, or a channel that will
// give it.
func (g *group) sync(id string, instance *string, generation int32, kind, protocol *string, assigned map[string][]byte) (synced, <-chan synced) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if c := g.checkGeneration(id, instance, generation); c != none {
		return synced{code: c}, nil
	}
	m := g.members[id]
	switch {
	case g.state == groupPreparing:
		return synced{code: RebalanceInProgress}, nil
	case kind != nil && *kind != g.kind, protocol != nil && *protocol != g.protocol:
		return synced{code: InconsistentGroupProtocol}, nil
	}
	m.synced = true
	if g.state == groupCompleting {
		if id != g.leader {
			m.answerSync(synced{code: UnknownMemberID})
			m.stopExpiry()
			c := make(chan synced, 1)
			m.syncing = c
			return synced{}, c
		}
		g.state = groupStable
		for mid, other := range g.members {
			other.assigned = assigned[mid]
			if other.syncing != nil {
				other.answerSync(g.assignment(other))
				g.touch(other)
			}
		}
	}
	g.touch(m)
	return g.assignment(m), nil
}

func (g *group) assignment(m *member) synced {
	return synced{kind: g.kind, protocol: g.protocol, assigned: m.assigned}
}

func (g *group) checkGeneration(id string, instance *string, generation int32) Code {
	if g.state == groupDead {
		return UnknownMemberID
	}
	if c := g.check(id, instance); c != none {
		return c
	}
	if generation != g.generation {
		return IllegalGeneration
	}
	return none
}

// heartbeat keeps a member alive and tells it of rebalances.
func (g *group) heartbeat(id string, instance *string, generation int32) Code {
	g.mu.Lock()
	defer g.mu.Unlock()
	if c := g.checkGeneration(id, instance, generation); c != none {
		return c
	}
	g.touch(g.members[id])
	if g.state == groupPreparing {
		return RebalanceInProgress
	}
	return none
}

// mayCommit tells whether offsets may be committed in the name of a member, which counts as a heartbeat.
// A commit of no member and no generation is one of a consumer that assigns itself: only an empty group takes it.
func (g *group) mayCommit(id string, instance *string, generation int32) Code {
	g.mu.Lock()
	defer g.mu.Unlock()
	if generation < 0 && id == "" && instance == nil {
		if len(g.members) > 0 {
			return UnknownMemberID
		}
		return none
	}
	if c := g.checkGeneration(id, instance, generation); c != none {
		return c
	}
	if g.state == groupCompleting {
		return RebalanceInProgress
	}
	g.touch(g.members[id])
	return none
}

// leave removes a member, which a static one names by its instance.
func (g *group) leave(id string, instance *string) Code {
	g.mu.Lock()
	defer g.mu.Unlock()
	if instance != nil && id == "" {
		id = g.static[*instance]
	}
	if t, ok := g.promised[id]; ok {
		t.Stop()
		delete(g.promised, id)
		g.tryComplete()
		g.bury()
		return none
	}
	if c := g.check(id, instance); c != none {
		return c
	}
	g.drop(g.members[id])
	g.changed()
	return none
}

// drop takes a member out.
func (g *group) drop(m *member) {
	m.answerJoin(joined{code: UnknownMemberID, member: m.id, generation: -1})
	m.answerSync(synced{code: UnknownMemberID})
	m.stopExpiry()
	m.left = true
	delete(g.members, m.id)
	if m.instance != nil && g.static[*m.instance] == m.id {
		delete(g.static, *m.instance)
	}
}

// changed rebalances after members were dropped.
func (g *group) changed() {
	switch {
	case g.state == groupPreparing:
		if len(g.members) == 0 && len(g.promised) == 0 {
			g.empty()
			return
		}
		g.tryComplete()
	case len(g.members) == 0:
		g.empty()
	default:
		g.prepare()
		g.tryComplete()
	}
}

// empty is the state without members. The group is forgotten: its offsets are the Broker's.
func (g *group) empty() {
	g.stopTimer()
	g.state = groupEmpty
	g.generation++
	g.leader, g.protocol = "", ""
	g.bury()
}

// bury removes the group if nobody is in it, nor coming.
func (g *group) bury() {
	if g.state == groupEmpty && len(g.members) == 0 && len(g.promised) == 0 {
		g.end()
	}
}

// end removes the group, whoever is in it.
func (g *group) end() {
	g.stopTimer()
	for _, t := range g.promised {
		t.Stop()
	}
	for _, m := range g.members {
		g.drop(m)
	}
	g.state = groupDead
	g.all.mu.Lock()
	defer g.all.mu.Unlock()
	if g.all.byID[g.id] == g {
		delete(g.all.byID, g.id)
	}
}

// touch begins m's session anew. While m waits for an answer its session does not run.
func (g *group) touch(m *member) {
	m.stopExpiry()
	if m.left || m.joining != nil || m.syncing != nil {
		return
	}
	var t *time.Timer
	t = time.AfterFunc(m.session, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if m.expiry == t && !m.left { // t was set under the lock
			g.drop(m)
			g.changed()
		}
	})
	m.expiry = t
}

func (m *member) stopExpiry() {
	if m.expiry != nil {
		m.expiry.Stop()
		m.expiry = nil
	}
}

func (g *group) breakPromise(id string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, ok := g.promised[id]; ok {
		delete(g.promised, id)
		g.tryComplete()
		g.bury()
	}
}

func (m *member) answerJoin(a joined) {
	if m.joining != nil {
		m.joining <- a // has room for one
		m.joining = nil
	}
}

func (m *member) answerSync(a synced) {
	if m.syncing != nil {
		m.syncing <- a
		m.syncing = nil
	}
}

// wait returns what comes from c, or ok false when ctx is done.
func wait[T any](ctx context.Context, c <-chan T) (v T, ok bool) {
	select {
	case v = <-c:
		return v, true
	case <-ctx.Done():
		return v, false
	}
}
