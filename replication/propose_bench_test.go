package replication

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// countFSM counts, so that a benchmark measures replication alone.
type countFSM struct{ *listFSM }

func (f countFSM) Apply(index, _ uint64, _ []byte) any {
	f.mu.Lock()
	f.applied, f.durable = index, index
	f.mu.Unlock()
	return nil
}

// BenchmarkPropose proposes commands to a group of one on the real disk: an op is
// a command. At size 100 a command is a record, at 100,000 a batch of a thousand.
func BenchmarkPropose(b *testing.B) {
	for _, d := range []Durability{Sync, NoSync} {
		for _, size := range []int{100, 10_000, 100_000} {
			for _, writers := range []int{1, 64} {
				name := fmt.Sprintf("sync=%v/bytes=%d/writers=%d", d == Sync, size, writers)
				b.Run(name, func(b *testing.B) { benchmarkPropose(b, d, size, writers) })
			}
		}
	}
}

func benchmarkPropose(b *testing.B, d Durability, size, writers int) {
	node, err := Open(Config{ID: "a", Dir: b.TempDir() + "/journal"})
	if err != nil {
		b.Fatal(err)
	}
	defer node.Close()
	g, err := node.Group(1, []Voter{{ID: "a", Addr: "a"}}, countFSM{openListFSM(b, vfs.NewMem(), "list")})
	if err != nil {
		b.Fatal(err)
	}
	awaitLeadership(b, g, func(l Leadership) bool { return l.Self })
	b.SetBytes(int64(size))
	b.ReportAllocs()
	b.ResetTimer()
	var work sync.WaitGroup
	for w := range writers {
		work.Go(func() {
			for i := w; i < b.N; i += writers {
				if _, err := g.Propose(b.Context(), make([]byte, size), d).Wait(b.Context()); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	work.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commands/s")
}

// BenchmarkProposeThree is BenchmarkPropose with three voters on one machine, over TCP.
func BenchmarkProposeThree(b *testing.B) {
	for _, size := range []int{100, 100_000} {
		b.Run(fmt.Sprintf("bytes=%d/writers=64", size), func(b *testing.B) { benchmarkThree(b, size, 64) })
	}
}

func benchmarkThree(b *testing.B, size, writers int) {
	var voters []Voter
	var nodes []*Node
	for _, id := range []string{"a", "b", "c"} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		var d net.Dialer
		node, err := Open(Config{ID: id, Dir: b.TempDir() + "/journal", Network: Network{
			Listener: ln,
			Dial:     func(ctx context.Context, addr string) (net.Conn, error) { return d.DialContext(ctx, "tcp", addr) },
		}})
		if err != nil {
			b.Fatal(err)
		}
		defer node.Close()
		nodes, voters = append(nodes, node), append(voters, Voter{id, node.Addr()})
	}
	groups := map[string]*Group{}
	for _, n := range nodes {
		g, err := n.Group(1, voters, countFSM{openListFSM(b, vfs.NewMem(), "list")})
		if err != nil {
			b.Fatal(err)
		}
		groups[n.ID()] = g
	}
	g := groups[awaitLeadership(b, groups["a"], func(l Leadership) bool { return l.Leader.ID != "" }).Leader.ID]
	awaitLeadership(b, g, func(l Leadership) bool { return l.Self })
	b.SetBytes(int64(size))
	b.ResetTimer()
	var work sync.WaitGroup
	for w := range writers {
		work.Go(func() {
			for i := w; i < b.N; i += writers {
				if _, err := g.Propose(b.Context(), make([]byte, size), Sync).Wait(b.Context()); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	work.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commands/s")
}
