package kafka

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func newTestGroup(t *testing.T, cfg Config) (*groups, *group) {
	t.Helper()
	gs := newGroups(cfg.withDefaults())
	g, code := gs.open("g")
	if code != none {
		t.Fatal(code)
	}
	t.Cleanup(gs.stop)
	return &gs, g
}

// asks is a JoinGroup with sessions of 10 s and rebalances of 30 s.
func asks(member, instance string, protocols ...string) *joining {
	j := &joining{member: member, clientID: "c", kind: "consumer", session: 10 * time.Second, rebalance: 30 * time.Second, canSkip: true}
	if instance != "" {
		j.instance = &instance
	}
	for _, p := range protocols {
		j.protocols = append(j.protocols, protocol{p, []byte("of " + p)})
	}
	return j
}

// parked joins and expects to wait.
func parked(t *testing.T, g *group, j *joining) <-chan joined {
	t.Helper()
	a, c := g.join(j)
	if c == nil {
		t.Fatalf("join of %q was answered at once: %+v", j.member, a)
	}
	return c
}

// refused joins and expects the code.
func refused(t *testing.T, g *group, j *joining, want Code) joined {
	t.Helper()
	a, c := g.join(j)
	if c != nil || a.code != want {
		t.Errorf("join of %q: %v, parked %v; want %v", j.member, a.code, c != nil, want)
	}
	return a
}

// standing is a group at one moment.
type standing struct {
	state      groupState
	generation int32
	assigned   int // members with an assignment
}

func stands(g *group) standing {
	g.mu.Lock()
	defer g.mu.Unlock()
	at := standing{state: g.state, generation: g.generation}
	for _, m := range g.members {
		if m.assigned != nil {
			at.assigned++
		}
	}
	return at
}

// stable makes n members, the first of which leads, and gives them assignments.
func stable(t *testing.T, g *group, n int) (ids []string) {
	t.Helper()
	var waits []<-chan joined
	for range n {
		waits = append(waits, parked(t, g, asks("", "", "range")))
	}
	leader := ""
	assigned := map[string][]byte{}
	for _, c := range waits {
		a := <-c
		if a.code != none {
			t.Fatal(a.code)
		}
		leader = a.leader
		ids = append(ids, a.member)
		assigned[a.member] = []byte("for " + a.member)
	}
	i := slices.Index(ids, leader)
	ids[0], ids[i] = ids[i], ids[0]
	for _, id := range ids {
		g.sync(id, nil, stands(g).generation, nil, nil, assigned)
	}
	if at := stands(g); at.state != groupStable || at.assigned != n {
		t.Fatalf("group is %+v", at)
	}
	return ids
}

func TestGroupForms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, g := newTestGroup(t, Config{})
		begun := time.Now()
		c1 := parked(t, g, asks("", "", "sticky", "range"))
		c2 := parked(t, g, asks("", "", "range"))
		a1, a2 := <-c1, <-c2
		if d := time.Since(begun); d != 50*time.Millisecond {
			t.Errorf("an empty group waited %v for more members", d)
		}
		if a1.generation != 1 || a2.generation != 1 || a1.protocol != "range" || a1.leader != a2.leader {
			t.Errorf("%+v, %+v", a1, a2)
		}
		lead, follow := a1, a2
		if lead.leader != lead.member {
			lead, follow = follow, lead
		}
		if len(lead.members) != 2 || len(follow.members) != 0 || string(lead.members[0].metadata) != "of range" {
			t.Errorf("the leader knows %v, the other %v", lead.members, follow.members)
		}
		_, parkedSync := g.sync(follow.member, nil, 1, nil, nil, nil)
		if parkedSync == nil {
			t.Fatal("a follower did not wait for the leader")
		}
		s, _ := g.sync(lead.member, nil, 1, nil, nil, map[string][]byte{follow.member: []byte("f"), lead.member: []byte("l")})
		if got := <-parkedSync; string(got.assigned) != "f" || string(s.assigned) != "l" {
			t.Errorf("assigned %q and %q", got.assigned, s.assigned)
		}
		if c := g.heartbeat(follow.member, nil, 1); c != none {
			t.Error(c)
		}
		if c := g.heartbeat(follow.member, nil, 0); c != IllegalGeneration {
			t.Error(c)
		}
		if c := g.heartbeat("nobody", nil, 1); c != UnknownMemberID {
			t.Error(c)
		}
		wrong := "roundrobin"
		if s, _ := g.sync(follow.member, nil, 1, nil, &wrong, nil); s.code != InconsistentGroupProtocol {
			t.Error(s.code)
		}
	})
}

func TestGroupRebalancesForNewMember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, g := newTestGroup(t, Config{})
		ids := stable(t, g, 2)
		newcomer := parked(t, g, asks("", "", "range"))
		for _, id := range ids {
			if c := g.heartbeat(id, nil, 1); c != RebalanceInProgress {
				t.Error(c)
			}
			if c := g.mayCommit(id, nil, 1); c != none {
				t.Errorf("no commit before joining again: %v", c)
			}
		}
		c0 := parked(t, g, asks(ids[0], "", "range"))
		c1 := parked(t, g, asks(ids[1], "", "range"))
		for _, c := range []<-chan joined{newcomer, c0, c1} {
			if a := <-c; a.generation != 2 || a.leader != ids[0] {
				t.Errorf("%+v, want the old leader", a)
			}
		}
		if c := g.mayCommit(ids[1], nil, 2); c != RebalanceInProgress {
			t.Errorf("commit before the assignment: %v", c)
		}
	})
}

func TestGroupDropsWhoDoesNotRejoin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, g := newTestGroup(t, Config{})
		ids := stable(t, g, 2)
		newcomer := parked(t, g, asks("", "", "range"))
		c1 := parked(t, g, asks(ids[1], "", "range"))
		// The old leader keeps beating and never joins again.
		begun := time.Now()
		done := make(chan joined, 1)
		go func() { done <- <-newcomer }()
		for range 7 {
			time.Sleep(4 * time.Second)
			g.heartbeat(ids[0], nil, 1)
		}
		a, b := <-done, <-c1
		if d := time.Since(begun); d != 30*time.Second {
			t.Errorf("waited %v, want the rebalance timeout", d)
		}
		if a.leader == ids[0] || len(a.members)+len(b.members) != 2 {
			t.Errorf("%+v", a)
		}
		if c := g.heartbeat(ids[0], nil, 2); c != UnknownMemberID {
			t.Error(c)
		}
	})
}

func TestGroupSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gs, g := newTestGroup(t, Config{})
		ids := stable(t, g, 2)
		time.Sleep(9 * time.Second)
		g.heartbeat(ids[1], nil, 1)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if c := g.heartbeat(ids[0], nil, 1); c != UnknownMemberID {
			t.Errorf("a silent member: %v", c)
		}
		if c := g.heartbeat(ids[1], nil, 1); c != RebalanceInProgress {
			t.Errorf("the other: %v", c)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if gs.get("g") != nil {
			t.Error("a group without members is still there")
		}
	})
}

func TestGroupLeaderNeverAssigns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, g := newTestGroup(t, Config{})
		c1, c2 := parked(t, g, asks("", "", "range")), parked(t, g, asks("", "", "range"))
		a, b := <-c1, <-c2
		if a.member == a.leader {
			a, b = b, a
		}
		_, later := g.sync(a.member, nil, 1, nil, nil, nil)
		stop := make(chan struct{})
		go func() { // the leader lives, but assigns nothing
			for {
				select {
				case <-stop:
					return
				case <-time.After(3 * time.Second):
					g.heartbeat(b.member, nil, 1)
				}
			}
		}()
		if s := <-later; s.code != RebalanceInProgress {
			t.Errorf("%v", s.code)
		}
		close(stop)
		again := <-parked(t, g, asks(a.member, "", "range"))
		if again.leader != a.member || again.generation != 2 {
			t.Errorf("%+v", again)
		}
	})
}

func TestGroupPromisesIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gs, g := newTestGroup(t, Config{})
		j := asks("", "", "range")
		j.needsID = true
		a := refused(t, g, j, MemberIDRequired)
		if a.member == "" {
			t.Fatal("no member id")
		}
		refused(t, g, asks("made-up", "", "range"), UnknownMemberID)
		got := <-parked(t, g, asks(a.member, "", "range"))
		if got.member != a.member || got.leader != a.member {
			t.Errorf("%+v", got)
		}
		if c := g.leave(a.member, nil); c != none {
			t.Error(c)
		}
		if gs.get("g") != nil {
			t.Error("the group is still there")
		}
		refused(t, g, asks("", "", "range"), NotCoordinator) // dead: to be opened anew

		g, _ = gs.open("g")
		j = asks("", "", "range")
		j.needsID = true
		refused(t, g, j, MemberIDRequired)
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if gs.get("g") != nil {
			t.Error("a promise outlived its session")
		}
	})
}

func TestStaticMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, g := newTestGroup(t, Config{})
		c1, c2 := parked(t, g, asks("", "one", "range")), parked(t, g, asks("", "two", "range"))
		a, b := <-c1, <-c2
		lead, leadName, follow, followName := a, "one", b, "two"
		if lead.leader != lead.member {
			lead, leadName, follow, followName = b, "two", a, "one"
		}
		g.sync(lead.member, &leadName, 1, nil, nil, map[string][]byte{a.member: []byte("A"), b.member: []byte("B")})

		// The follower restarts: no rebalance, its old assignment, the old id fenced.
		back, later := g.join(asks("", followName, "range"))
		if later != nil || back.code != none || back.generation != 1 || back.member == follow.member || back.leader != lead.member {
			t.Fatalf("%+v", back)
		}
		if c := g.heartbeat(follow.member, &followName, 1); c != FencedInstanceID {
			t.Error(c)
		}
		s, _ := g.sync(back.member, &followName, 1, nil, nil, nil)
		if len(s.assigned) != 1 {
			t.Errorf("%+v", s)
		}

		// The leader restarts: newer clients are told to skip, older ones that another leads.
		newer, _ := g.join(asks("", leadName, "range"))
		if !newer.skip || newer.leader != newer.member || len(newer.members) != 2 {
			t.Errorf("%+v", newer)
		}
		j := asks("", leadName, "range")
		j.canSkip = false
		older, _ := g.join(j)
		if older.skip || older.leader != newer.member || older.member == newer.member || len(older.members) != 0 {
			t.Errorf("%+v", older)
		}
		if c := g.leave("", &followName); c != none {
			t.Error(c)
		}
		if c := g.heartbeat(older.member, &leadName, 1); c != RebalanceInProgress {
			t.Error(c)
		}
		if c := g.leave("", &followName); c != UnknownMemberID {
			t.Error(c)
		}
	})
}

func TestGroupRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gs, g := newTestGroup(t, Config{MaxGroupSize: 2, MaxGroups: 1})
		stable(t, g, 2)
		refused(t, g, asks("", "", "sticky"), InconsistentGroupProtocol)
		refused(t, g, asks("", ""), InconsistentGroupProtocol)
		other := asks("", "", "range")
		other.kind = "connect"
		refused(t, g, other, InconsistentGroupProtocol)
		refused(t, g, asks("", "", "range"), GroupMaxSizeReached)
		if _, code := gs.open("h"); code != CoordinatorNotAvailable {
			t.Error(code)
		}
		if c := g.mayCommit("", nil, -1); c != UnknownMemberID {
			t.Errorf("a simple commit into a group with members: %v", c)
		}
	})
}

// TestGroupChurn has many members come, stay silent, and leave, in an order given by a counter, and looks that
// nobody waits for ever.
func TestGroupChurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gs, g := newTestGroup(t, Config{})
		var waits []<-chan joined
		for i := range 60 {
			j := asks("", "", "range")
			if i%3 == 0 {
				name := fmt.Sprint("s", i%9)
				j.instance = &name
			}
			if stands(g).state == groupDead {
				g, _ = gs.open("g")
			}
			if a, c := g.join(j); c != nil {
				waits = append(waits, c)
			} else if a.code != none {
				t.Errorf("join %d: %v", i, a.code)
			}
			time.Sleep(time.Duration(i*i%7) * time.Second)
		}
		for i, c := range waits {
			select {
			case <-c:
			case <-time.After(5 * time.Minute):
				t.Fatalf("join %d was never answered", i)
			}
		}
	})
}
