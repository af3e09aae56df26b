package cli

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/netsplit/netsplit/ci/must"
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

// TestRun_ArrivalFromLogLines: nodes that are polled once a second, and print the blocks that they receive. The first makes
// them, the second queries it 20 times a second.
func TestRun_ArrivalFromLogLines(t *testing.T) {
	for _, c := range []struct {
		name    string
		arrival string // in the chain file
		exact   bool   // the times of arrivals
	}{
		{"polled", "", false},
		{"log lines", "  arrival: {log: {pattern: '^block height=[0-9]+ hash=(?P<hash>[0-9a-f]+)$'}}\n", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newWorkspace(t)
			must.Do(t, os.WriteFile(filepath.Join(b.dir, "dated.yaml"), []byte(dated), 0o600))
			file := b.file("peers: {call: peers, jq: .}\n", "peers: {call: peers, jq: .}\n  every: 1s\n"+c.arrival, "100ms{{else}}", "500ms{{else}}",
				", block_interval: 100ms", "")
			dir := filepath.Join(b.dir, "run")
			cmd, out, errs := b.command(t.Context(), "run", "dated.yaml", "--chain", file, "--out", dir)
			if err := cmd.Run(); err != nil {
				t.Fatalf("%v\n%s%s", err, out, errs)
			}
			arrivals := make(map[trace.Hash]map[trace.NodeID]time.Duration) // of blocks with exact times
			all := 0
			err := trace.ReadSorted(filepath.Join(dir, run.TraceFile), func(e *trace.Event) error {
				if e.Kind != trace.KindSeen || e.Seen.Sync || e.At < 0 || e.At > 10*time.Second {
					return nil
				}
				all++
				if e.Seen.Within == 0 {
					if arrivals[e.Seen.Hash] == nil {
						arrivals[e.Seen.Hash] = make(map[trace.NodeID]time.Duration)
					}
					arrivals[e.Seen.Hash][e.Node] = e.At
				}
				return nil
			})
			must.Do(t, err)
			if all < 20 {
				t.Errorf("%d arrivals", all)
			}
			var delays []time.Duration // from the first node to the second, of blocks whose times are exact at both
			for _, at := range arrivals {
				if len(at) == 2 {
					delays = append(delays, at["node-2"]-at["node-1"])
				}
			}
			if !c.exact && len(arrivals) > 0 || c.exact && len(delays) < all/2*3/4 {
				t.Errorf("of %d arrivals both times of %d blocks are exact", all, len(delays))
			}
			// The second node has a block one query after the first. The engine dates the lines of the two as it gets to
			// them, so that on a busy machine a pair may be in the other order; not most pairs.
			slices.Sort(delays)
			if n := len(delays); n > 0 && (delays[n/2] <= 0 || delays[n/2] > 2*time.Second) {
				t.Errorf("blocks came to node-2 %v after node-1 (median)", delays[n/2])
			}
		})
	}
}
