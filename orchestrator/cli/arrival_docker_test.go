package cli

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/netsplit/netsplit/orchestrator/run"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

const dated = `name: dated
seed: 1
nodes: [{name: node, count: 2, mine: 100/s}]
consensus: {pow: {block_interval: 500ms}}
expect: [agreement]
duration: 10s
`

// TestLinesOfContainersDateBlocks: nodes that are asked once a second, and print the blocks that they get. The first makes
// them, the second asks it 20 times a second.
func TestLinesOfContainersDateBlocks(t *testing.T) {
	b := newBed(t)
	if err := os.WriteFile(filepath.Join(b.dir, "dated.yaml"), []byte(dated), 0o600); err != nil {
		t.Fatal(err)
	}
	const pattern = "arrival: {log: {pattern: '^block height=[0-9]+ hash=(?P<hash>[0-9a-f]+)$'}}"
	for _, says := range []bool{false, true} {
		replace := []string{"peers: {call: peers, jq: .}\n", "peers: {call: peers, jq: .}\n  every: 1s\n", "100ms{{else}}", "500ms{{else}}",
			", block_interval: 100ms", ""}
		if says {
			replace = append(replace, "  every: 1s\n", "  every: 1s\n  "+pattern+"\n")
		}
		dir := filepath.Join(b.dir, "asked")
		if says {
			dir = filepath.Join(b.dir, "told")
		}
		cmd, out, errs := b.command(t.Context(), "run", "dated.yaml", "--chain", b.file(replace...), "--out", dir)
		if err := cmd.Run(); err != nil {
			t.Fatalf("%v\n%s%s", err, out, errs)
		}
		came := make(map[trace.Hash]map[trace.NodeID]time.Duration) // blocks with exact times
		all := 0
		err := trace.ReadSorted(filepath.Join(dir, run.TraceFile), func(e *trace.Event) error {
			if e.Kind != trace.KindSeen || e.Seen.Sync || e.At < 0 || e.At > 10*time.Second {
				return nil
			}
			all++
			if e.Seen.Within == 0 {
				if came[e.Seen.Hash] == nil {
					came[e.Seen.Hash] = make(map[trace.NodeID]time.Duration)
				}
				came[e.Seen.Hash][e.Node] = e.At
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if all < 20 {
			t.Errorf("%d arrivals", all)
		}
		var lates []time.Duration // from the first node to the second, of blocks whose times are exact at both
		for _, at := range came {
			if len(at) < 2 {
				continue
			}
			lates = append(lates, at["node-2"]-at["node-1"])
		}
		if !says && len(came) > 0 || says && len(lates) < all/2*3/4 {
			t.Errorf("told by lines %v: of %d arrivals both times of %d blocks are exact", says, all, len(lates))
		}
		// The second node has a block one question after the first. The engine writes the times of the two as it gets to
		// their lines, so that on a busy machine a pair may stand in the other order; not most pairs.
		slices.Sort(lates)
		if n := len(lates); n > 0 && (lates[n/2] <= 0 || lates[n/2] > 2*time.Second) {
			t.Errorf("blocks came to node-2 %v after node-1 (median)", lates[n/2])
		}
	}
}
