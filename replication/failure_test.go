package replication

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/hashicorp/raft"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errDisk = errors.New("broken disk")

// breakable is a disk that fails from some moment on, the failing operations
// chosen by kind.
func breakable(fs vfs.FS, broken *atomic.Bool, kinds ...errorfs.OpKind) vfs.FS {
	return errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if broken.Load() && strings.Contains(op.Path, "journal") && slices.Contains(kinds, op.Kind) {
			return errDisk
		}
		return nil
	}))
}

// A journal that cannot be written fails commands; the process, and reads, live.
func TestAFailedJournalRefuses(t *testing.T) {
	for _, kinds := range [][]errorfs.OpKind{
		{errorfs.OpFileWrite},
		{errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo},
	} {
		synctest.Test(t, func(t *testing.T) {
			mem := vfs.NewCrashableMem()
			var broken atomic.Bool
			l := openLone(t, breakable(mem, &broken, kinds...), "a")
			first := names("first", 10)
			l.propose(Sync, first...)
			broken.Store(true)
			failed := false
			for range 3 {
				if _, err := l.g.Propose(t.Context(), []byte("x"), Sync).Wait(t.Context()); errors.Is(err, errDisk) {
					failed = true
				} else if err == nil {
					t.Error("acknowledged by a disk that takes nothing")
				}
			}
			if !failed {
				t.Errorf("%v: nothing failed", kinds)
			}
			time.Sleep(time.Minute) // raft would hold elections
			if l.node.Err() == nil || l.g.IsLeader() {
				t.Errorf("err %v, leader %v", l.node.Err(), l.g.IsLeader())
			}
			if got := l.fsm.commands(); len(got) < len(first) {
				t.Errorf("%d commands can be read", len(got))
			}
			if err := l.node.Close(); !errors.Is(err, errDisk) {
				t.Errorf("close: %v", err)
			}
			crashed := mem.CrashClone(vfs.CrashCloneCfg{})
			l = openLone(t, crashed, "a")
			defer l.close()
			if err := l.g.Barrier(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := l.fsm.commands(); !slices.Equal(got[:len(first)], first) {
				t.Errorf("after a restart: %q", got)
			}
		})
	}
}

// Where raft would panic because an entry cannot be read, its group ends.
func TestAnUnreadableJournalEndsTheGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem()
		l := openLone(t, mem, "a")
		cmds := make([]string, 3000) // more than any cache holds
		for i := range cmds {
			cmds[i] = strings.Repeat("x", 10_000)
		}
		l.propose(Sync, cmds...)
		l.close()

		var broken atomic.Bool
		node, err := Open(Config{ID: "a", FS: breakable(mem, &broken, errorfs.OpFileReadAt), Dir: "a/journal"})
		if err != nil {
			t.Fatal(err)
		}
		g, err := node.Group(1, nil, openListFSM(t, mem, "a/list"))
		if err != nil {
			t.Fatal(err)
		}
		broken.Store(true)
		time.Sleep(time.Minute)
		if _, err := g.Propose(t.Context(), []byte("y"), Sync).Wait(t.Context()); !errors.Is(err, errDisk) {
			t.Errorf("proposing: %v", err)
		}
		broken.Store(false)
		if err := node.Close(); err != nil {
			t.Error(err)
		}
	})
}

// nearlyFull is a disk that says how little it has left.
type nearlyFull struct {
	vfs.FS
	free atomic.Uint64
}

func (f *nearlyFull) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{AvailBytes: f.free.Load()}, nil
}

func TestANearlyFullDiskRefusesUntilThereIsSpace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := &nearlyFull{FS: vfs.NewMem()}
		disk.free.Store(1 << 30)
		l := openLone(t, disk, "a")
		defer l.close()
		l.propose(Sync, "before")
		disk.free.Store(1 << 20)
		time.Sleep(2 * time.Second)
		if _, err := l.g.Propose(t.Context(), []byte("x"), Sync).Wait(t.Context()); !errors.Is(err, ErrNoSpace) {
			t.Errorf("got %v", err)
		}
		disk.free.Store(1 << 30)
		time.Sleep(2 * time.Second)
		l.propose(Sync, "after")
		checkList(t, l.fsm, []string{"before", "after"})
	})
}

func TestStrangersAreTurnedAway(t *testing.T) {
	inCluster(t, 1, func(t *testing.T, c *cluster) {
		for _, hello := range [][]byte{
			[]byte("GET / HTTP/1.1\r\n\r\n"), {0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
			putHeader(9, 7), putHeader(purposeRaft, 8), putHeader(purposeRaft, 7)[:5], {},
		} {
			conn, err := c.net.Dial(t.Context(), "x", "n1")
			if err != nil {
				t.Fatal(err)
			}
			go conn.Write(hello)
			start := time.Now()
			if _, err := conn.Read(make([]byte, 1)); err == nil || time.Since(start) > headerTimeout {
				t.Errorf("%q: %v after %v", hello, err, time.Since(start))
			}
			conn.Close()
		}
		// Raft's protocol closes what it cannot read.
		conn, err := c.net.Dial(t.Context(), "x", "n1")
		if err != nil {
			t.Fatal(err)
		}
		go conn.Write(append(putHeader(purposeRaft, 7), 200, 1, 2, 3))
		if _, err := io.Copy(io.Discard, conn); err != nil && !errors.Is(err, io.ErrClosedPipe) {
			t.Error(err)
		}
		conn.Close()
		c.propose(Sync, "still here")
	})
}

// Contents that are cut short, or changed on the way, are an error.
func TestContentsAreWhole(t *testing.T) {
	want := make([]byte, 300_000)
	rand.NewChaCha8([32]byte{}).Read(want)
	var sent bytes.Buffer
	w := &chunkWriter{conn: &bufferConn{Buffer: &sent}, timeout: time.Second, sum: newSum()}
	if _, err := w.Write(want); err != nil {
		t.Fatal(err)
	}
	if err := w.end(); err != nil {
		t.Fatal(err)
	}
	read := func(b []byte) ([]byte, error) {
		return io.ReadAll(&chunkReader{conn: &bufferConn{Buffer: bytes.NewBuffer(b)}, timeout: time.Second, sum: newSum()})
	}
	if got, err := read(sent.Bytes()); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	for _, n := range []int{0, 1, 4, 5, 1000, sent.Len() - 8, sent.Len() - 4, sent.Len() - 1} {
		if _, err := read(slices.Clone(sent.Bytes()[:n])); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%d of %d bytes: %v", n, sent.Len(), err)
		}
	}
	for _, at := range []int{4, 1000, sent.Len() - 1} {
		changed := slices.Clone(sent.Bytes())
		changed[at] ^= 1
		if _, err := read(changed); !errors.Is(err, errCorrupt) {
			t.Errorf("byte %d changed: %v", at, err)
		}
	}
}

type bufferConn struct {
	net.Conn
	*bytes.Buffer
}

func (c *bufferConn) Read(p []byte) (int, error)  { return c.Buffer.Read(p) }
func (c *bufferConn) Write(p []byte) (int, error) { return c.Buffer.Write(p) }
func (c *bufferConn) SetDeadline(time.Time) error { return nil }

func TestEntriesSurviveEncoding(t *testing.T) {
	for _, want := range []raft.Log{
		{Index: 1, Term: 1, Type: raft.LogNoop},
		{Index: 9, Term: 1 << 40, Type: raft.LogCommand, Data: []byte("x"), Extensions: noSyncExtensions},
		{Index: 1 << 60, Term: 300, Type: raft.LogConfiguration, Data: bytes.Repeat([]byte("y"), 1000)},
	} {
		b := make([]byte, entrySize(&want))
		putEntry(b, &want)
		var got raft.Log
		if err := readEntry(b, want.Index, &got); err != nil || got.Index != want.Index || got.Term != want.Term ||
			got.Type != want.Type || !bytes.Equal(got.Data, want.Data) || isNoSync(&got) != isNoSync(&want) {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	}
}

func FuzzReadJournal(f *testing.F) {
	p := pointer{7, 3, configuration{5, raft.Configuration{Servers: []raft.Server{{ID: "a", Address: "b"}, {Suffrage: raft.Nonvoter}}}}}
	f.Add(p.encode())
	f.Add([]byte{16, 1, 'x'})
	f.Fuzz(func(t *testing.T, b []byte) {
		var e raft.Log
		if readEntry(b, 1, &e) == nil {
			again := make([]byte, entrySize(&e))
			putEntry(again, &e)
			var e2 raft.Log
			if err := readEntry(again, 1, &e2); err != nil || e2.Term != e.Term || !bytes.Equal(e2.Data, e.Data) {
				t.Errorf("%x became %x", b, again)
			}
		}
		var p, p2 pointer
		if p.decode(b) == nil {
			if err := p2.decode(p.encode()); err != nil || !bytes.Equal(p2.encode(), p.encode()) {
				t.Errorf("%x: %+v became %+v, %v", b, p, p2, err)
			}
		}
	})
}

// On a real disk and a real network, once.
func TestRealDiskAndNetwork(t *testing.T) {
	dir := t.TempDir()
	var nodes []*Node
	var groups []*Group
	var voters []Voter
	for _, id := range []string{"a", "b", "c"} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		var d net.Dialer
		node, err := Open(Config{
			ID: id, Dir: dir + "/" + id + "/journal", ElectionTimeout: 200 * time.Millisecond,
			Network: Network{Listener: ln, Dial: func(ctx context.Context, addr string) (net.Conn, error) { return d.DialContext(ctx, "tcp", addr) }},
		})
		if err != nil {
			t.Fatal(err)
		}
		nodes, voters = append(nodes, node), append(voters, Voter{id, node.Addr()})
	}
	for i, n := range nodes {
		if err := os.MkdirAll(dir+"/"+voters[i].ID, 0o755); err != nil {
			t.Fatal(err)
		}
		g, err := n.Group(1, voters, openListFSM(t, vfs.Default, dir+"/"+voters[i].ID+"/list"))
		if err != nil {
			t.Fatal(err)
		}
		groups = append(groups, g)
	}
	for acked := 0; acked < 5; {
		// A slow machine may lose a leader.
		leader := awaitLeadership(t, groups[0], func(l Leadership) bool { return l.Leader.ID != "" }).Leader.ID
		g := groups[slices.IndexFunc(voters, func(v Voter) bool { return v.ID == leader })]
		_, err := g.Propose(t.Context(), make([]byte, MaxCommand), Sync).Wait(t.Context())
		switch {
		case err == nil:
			acked++
		case !errors.Is(err, ErrUncertain) && !errors.Is(err, ErrNotLeader):
			t.Fatal(err)
		}
	}
	for _, n := range nodes {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}
}
