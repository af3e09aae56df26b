package invariant

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// benchEvents is a run of some nodes with a partition in its middle third, one block a second on each side.
func benchEvents(nodes, blocks int, fn func(*trace.Event) error) error {
	run := &trace.Run{Format: trace.Format, PeerExchange: true, Chain: trace.Facts{
		Family: "pow", BlockInterval: time.Second, ForkDepth: 3, GenesisHash: hashOf(0, 0),
	}}
	var names []trace.NodeID
	for i := range nodes {
		names = append(names, trace.NodeID(fmt.Sprintf("node-%d", i)))
		run.Nodes = append(run.Nodes, trace.RunNode{ID: names[i], Mine: 1})
	}
	now := -time.Second
	var err error
	emit := func(node trace.NodeID, e trace.Event) {
		if err == nil {
			e.At, e.Node = now, node
			err = fn(&e)
		}
	}
	a, b := names[:nodes/2], names[nodes/2:]
	fault := trace.Fault{ID: "p", Kind: "partition", Rules: []trace.Rule{{From: a, To: b, Cut: true}, {From: b, To: a, Cut: true}}}
	run.Plan = &trace.Plan{Faults: []trace.PlannedFault{{ID: fault.ID, Kind: fault.Kind, Rules: fault.Rules}}}
	emit("", trace.Event{Kind: trace.KindRun, Run: run})
	for _, n := range names {
		emit(n, trace.Event{Kind: trace.KindNode, Lifecycle: &trace.Lifecycle{State: trace.StateUp}})
	}
	now = 0
	emit("", trace.Event{Kind: trace.KindPhase, Phase: &trace.Phase{Name: trace.PhaseScheduled}})
	rng := rand.New(rand.NewPCG(1, 2))
	spread := func(group []trace.NodeID, hash, parent trace.Hash, height int) {
		maker := group[rng.IntN(len(group))]
		for i := range group {
			n, from := group[i], maker
			if i == 0 {
				n, from = maker, ""
			} else if n == maker {
				n = group[0]
			}
			emit(n, trace.Event{Kind: trace.KindSeen, Seen: &trace.Seen{Hash: hash, Parent: parent, Height: uint64(height), From: from, Made: i == 0}})
			emit(n, trace.Event{Kind: trace.KindHead, Head: &trace.Head{Hash: hash, Height: uint64(height), Old: parent}})
			now += time.Millisecond
		}
	}
	side := 0
	last := hashOf(0, 0)
	for h := 1; h <= blocks; h++ {
		switch h {
		case blocks / 3:
			for _, fault.Phase = range []trace.FaultPhase{trace.FaultBegin, trace.FaultActive} {
				f := fault
				emit("", trace.Event{Kind: trace.KindFault, Fault: &f})
			}
			side = 1
		case 2 * blocks / 3:
			for _, fault.Phase = range []trace.FaultPhase{trace.FaultHealing, trace.FaultHealed} {
				f := fault
				emit("", trace.Event{Kind: trace.KindFault, Fault: &f})
			}
			side = 0
		}
		now += time.Second
		if side == 0 {
			spread(names, hashOf(h, 0), last, h)
		} else {
			spread(a, hashOf(h, 0), last, h)
			other := last
			if h > blocks/3 {
				other = hashOf(h-1, 1)
			}
			spread(b, hashOf(h, 1), other, h)
		}
		last = hashOf(h, 0)
	}
	emit("", trace.Event{Kind: trace.KindPhase, Phase: &trace.Phase{Name: trace.PhaseSettling}})
	emit("", trace.Event{Kind: trace.KindPhase, Phase: &trace.Phase{Name: trace.PhaseStopping}})
	emit("", trace.Event{Kind: trace.KindEnd, End: &trace.End{}})
	return err
}

func hashOf(height, side int) trace.Hash { return trace.Hash(fmt.Sprintf("%032x%032x", side, height)) }

// BenchmarkJudge is the speed of the World and all checkers together on events that are in memory.
func BenchmarkJudge(b *testing.B) {
	for _, size := range []struct {
		nodes, blocks int
		name          string
		quorum        float64
	}{{10, 5000, "nodes", 0}, {100, 500, "nodes", 0}, {5000, 30, "nodes", 0}, {100, 500, "validators", 2. / 3}} {
		b.Run(fmt.Sprintf("%d%s", size.nodes, size.name), func(b *testing.B) {
			var events []*trace.Event
			if err := benchEvents(size.nodes, size.blocks, func(e *trace.Event) error { events = append(events, e); return nil }); err != nil {
				b.Fatal(err)
			}
			if size.quorum > 0 {
				f := &events[0].Run.Chain
				f.Family, f.Quorum, f.ForkDepth, f.Resolution = "bft", size.quorum, 0, 100*time.Millisecond
			}
			source := func(fn func(*trace.Event) error) error {
				for _, e := range events {
					if err := fn(e); err != nil {
						return err
					}
				}
				return nil
			}
			for b.Loop() {
				if _, err := Judge(source, nil); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)*float64(len(events))/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// BenchmarkJudgeFile is the speed with reading and sorting.
func BenchmarkJudgeFile(b *testing.B) {
	path := filepath.Join(b.TempDir(), "t")
	w := must.Get(trace.Create(path))(b)
	n := 0
	must.Do(b, benchEvents(100, 1000, func(e *trace.Event) error { n++; return w.Append(e) }))
	must.Do(b, w.Close())
	for b.Loop() {
		if _, err := Judge(File(path), nil); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*float64(n)/b.Elapsed().Seconds(), "events/s")
}

// TestJudge_MemoryDoesNotGrowWithEvents judges twice as long a run: what is held may grow by the blocks alone.
func TestJudge_MemoryDoesNotGrowWithEvents(t *testing.T) {
	held := func(blocks int) uint64 {
		var peak uint64
		n := 0
		sample := func() {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapAlloc)
		}
		must.Get(Judge(func(fn func(*trace.Event) error) error {
			return benchEvents(100, blocks, func(e *trace.Event) error {
				if n++; n%20_000 == 0 {
					sample()
				}
				return fn(e)
			})
		}, nil))(t)
		return peak
	}
	short, long := held(300), held(1200)
	perBlock := (float64(long) - float64(short)) / (900 * 4 / 3)
	t.Logf("300 heights: %d KiB, 1200 heights: %d KiB, %.0f bytes a block", short>>10, long>>10, perBlock)
	if perBlock > 1000 {
		t.Errorf("%.0f bytes a block, at most 1000 are allowed", perBlock)
	}
}
