package replication

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// lone is a node with one group that has no other member.
type lone struct {
	t    testing.TB
	node *Node
	g    *Group
	fsm  *listFSM
}

func openLone(t testing.TB, fs vfs.FS, dir string) *lone {
	t.Helper()
	if err := makeDir(fs, dir); err != nil {
		t.Fatal(err)
	}
	node, err := Open(Config{ID: "a", FS: fs, Dir: fs.PathJoin(dir, "journal")})
	if err != nil {
		t.Fatal(err)
	}
	l := &lone{t: t, node: node, fsm: openListFSM(t, fs, fs.PathJoin(dir, "list"))}
	if l.g, err = node.Group(1, []Voter{{ID: "a", Addr: "a"}}, l.fsm); err != nil {
		t.Fatal(err)
	}
	awaitLeadership(t, l.g, func(s Leadership) bool { return s.Self })
	return l
}

func (l *lone) propose(d Durability, cmds ...string) {
	l.t.Helper()
	var pending []Pending
	for _, c := range cmds {
		pending = append(pending, l.g.Propose(l.t.Context(), []byte(c), d))
	}
	for i, p := range pending {
		if _, err := p.Wait(l.t.Context()); err != nil {
			l.t.Fatalf("%s: %v", cmds[i], err)
		}
	}
}

func (l *lone) close() {
	l.t.Helper()
	if err := l.node.Close(); err != nil {
		l.t.Fatal(err)
	}
}

func awaitLeadership(t testing.TB, g *Group, want func(Leadership) bool) Leadership {
	t.Helper()
	for {
		now, changed := g.Leadership()
		if want(now) {
			return now
		}
		select {
		case <-changed:
		case <-t.Context().Done():
			t.Fatal("no such leadership")
		}
	}
}

func names(prefix string, n int) []string {
	s := make([]string, n)
	for i := range s {
		s[i] = fmt.Sprintf("%s%04d", prefix, i)
	}
	return s
}

func checkList(t testing.TB, f *listFSM, want []string) {
	t.Helper()
	if got := f.commands(); !slices.Equal(got, want) {
		t.Fatalf("the FSM has %d commands, want %d:\n%.200q\n%.200q", len(got), len(want), got, want)
	}
}

func TestOneVoterLeadsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		l := openLone(t, vfs.NewMem(), "a")
		defer l.close()
		if d := time.Since(start); d > 50*time.Millisecond {
			t.Errorf("leads after %v", d)
		}
	})
}

func TestRestartReplaysWhatTheFSMLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewCrashableMem()
		l := openLone(t, fs, "a")
		first, second := names("first", 100), names("second", 100)
		l.propose(Sync, first...)
		if err := l.fsm.save(); err != nil {
			t.Fatal(err)
		}
		l.propose(Sync, second...)
		crashed := fs.CrashClone(vfs.CrashCloneCfg{})
		l.close()

		start := time.Now()
		l = openLone(t, crashed, "a")
		defer l.close()
		if err := l.g.Barrier(t.Context()); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(start); d > time.Second {
			t.Errorf("restart took %v", d)
		}
		checkList(t, l.fsm, append(first, second...))
	})
}

func TestResultsAndRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := openLone(t, vfs.NewMem(), "a")
		for want := 1; want < 4; want++ {
			p := l.g.Propose(t.Context(), []byte("x"), Sync)
			if got, err := p.Wait(t.Context()); err != nil || got != want {
				t.Errorf("got %v, %v, want %d", got, err, want)
			}
		}
		refused := func(want error, cmd []byte, ctx context.Context) {
			t.Helper()
			if _, err := l.g.Propose(ctx, cmd, Sync).Wait(ctx); !errors.Is(err, want) {
				t.Errorf("got %v, want %v", err, want)
			}
		}
		refused(ErrTooLarge, make([]byte, MaxCommand+1), t.Context())
		canceled, cancel := context.WithCancel(t.Context())
		cancel()
		refused(context.Canceled, nil, canceled)
		l.close()
		refused(ErrClosed, nil, t.Context())
	})
}
