package trace

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/netsplit/netsplit/ci/must"
)

// What no run records is refused, at the line where it stands.
func TestRead_Limits(t *testing.T) {
	long := strings.Repeat("x", MaxName+1)
	run := func(change func(r *Run)) Event {
		r := &Run{Format: Format, Nodes: []RunNode{{ID: "a", Mine: 1}}, Chain: Facts{BlockInterval: time.Second}}
		change(r)
		return Event{Kind: KindRun, Run: r}
	}
	for name, e := range map[string]Event{
		"power":            run(func(r *Run) { r.Nodes[0].Mine = 1e308 }),
		"negative power":   run(func(r *Run) { r.Nodes[0].Mine = -1 }),
		"block interval":   run(func(r *Run) { r.Chain.BlockInterval = 1 }),
		"negative":         run(func(r *Run) { r.Chain.BlockInterval = -time.Second }),
		"duration":         run(func(r *Run) { r.Duration = math.MaxInt64 }),
		"quorum":           run(func(r *Run) { r.Chain.Quorum = 2 }),
		"fork depth":       run(func(r *Run) { r.Chain.ForkDepth = -1 }),
		"name":             run(func(r *Run) { r.Nodes[0].ID = NodeID(long) }),
		"text of the run":  run(func(r *Run) { r.Scenario = strings.Repeat("x", MaxText+1) }),
		"time":             {At: math.MinInt64, Kind: KindEnd, End: &End{}},
		"time of a block":  {At: math.MaxInt64, Kind: KindSeen, Node: "a", Seen: &Seen{Hash: "b", Parent: "c", Height: 1}},
		"hash":             {Kind: KindSeen, Node: "a", Seen: &Seen{Hash: Hash(long)}},
		"head":             {Kind: KindHead, Node: "a", Head: &Head{Hash: Hash(long)}},
		"text":             {Kind: KindGap, Gap: &Gap{Reason: strings.Repeat("x", MaxText+1)}},
		"expectations":     run(func(r *Run) { r.Expect = make([]Expectation, maxExpected+1) }),
		"planned faults":   run(func(r *Run) { r.Plan = &Plan{Faults: make([]PlannedFault, maxPlanned+1)} }),
		"transaction":      {Kind: KindBlock, Block: &Block{Txs: []Hash{"a", Hash(long)}}},
		"answer":           {Kind: KindAnswer, Node: "a", Answer: &Answer{Blocks: []BlockAnswer{{Hash: Hash(long)}}}},
		"peer of answer":   {Kind: KindAnswer, Node: "a", Answer: &Answer{Peers: []PeerAnswer{{Peer: NodeID(long)}}}},
		"error of answer":  {Kind: KindAnswer, Node: "a", Answer: &Answer{Error: strings.Repeat("x", MaxText+1)}},
		"phase":            {Kind: KindPhase, Phase: &Phase{Name: PhaseName(long)}},
		"parts of a probe": {Kind: KindProbe, Probe: &Probe{Links: make([]LinkProbe, maxObjects+1)}},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "t")
			w := must.Get(Create(path))(t)
			must.Do(t, w.Append(&e))
			must.Do(t, w.Close())
			err := Read(path, func(*Event) error { t.Error("was read"); return nil })
			var line *LineError
			if !errors.As(err, &line) || line.Line != 1 {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestRead_NoRegularFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	must.Do(t, syscall.Mkfifo(path, 0o600))
	must.Fail(t, "no regular file")(Read(path, nil))
	must.Fail(t, "no regular file")(Read(t.TempDir(), nil))
}

// A file that makes a reader hold much more than others do is given up in time.
func TestRead_Budget(t *testing.T) {
	var text bytes.Buffer
	z := must.Get(zstd.NewWriter(&text))(t)
	for i := range 25_000 {
		_, err := fmt.Fprintf(z, `{"at":0,"kind":"gap","gap":{"from":%d,"reason":"%s"}}`+"\n", i, strings.Repeat("x", 4000))
		must.Do(t, err)
	}
	must.Do(t, z.Close())
	b := newBudget(int64(text.Len()))
	b.limit = b.live() + 32<<20
	var kept []*Event
	err := readWithin(b, "t", bytes.NewReader(text.Bytes()), func(e *Event) error { kept = append(kept, e); return nil })
	var budget *BudgetError
	if !errors.As(err, &budget) {
		t.Fatalf("%d events were read: %v", len(kept), err)
	}
	if used := liveMemory(); used > budget.Limit+4*budgetEvery {
		t.Errorf("%d MiB are in use, the budget is %d", used>>20, budget.Limit>>20)
	}
	// Who keeps nothing may read it.
	kept = nil
	must.Do(t, readWithin(b, "t", bytes.NewReader(text.Bytes()), func(*Event) error { return nil }))
}
