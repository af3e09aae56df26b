package replay

import (
	"strings"
	"testing"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// TestClocks_Contradictions lets a block go from node a over b to c and d, by their own clocks, of which some are wrong.
func TestClocks_Contradictions(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		name    string
		ahead   map[string]time.Duration // by node
		within  time.Duration            // uncertainty of b's clock as measured
		problem string
	}{
		{"right", nil, 0, ""},
		{"a little behind", map[string]time.Duration{"b": -40 * ms}, 0, ""},
		{"not more than is known", map[string]time.Duration{"b": -90 * ms}, 60 * ms, ""},
		{"behind", map[string]time.Duration{"b": -1500 * ms}, 0, "the clock of b is wrong: it reports blocks before the nodes that it has them from, by up to 1.49s (block xa)"},
		{"ahead", map[string]time.Duration{"b": 30 * time.Second}, 0, "the clock of b is wrong: it reports blocks after the nodes that have them from it, by up to 29.99s (block xa)"},
		{"maker ahead", map[string]time.Duration{"a": 2 * time.Second}, 0, "the clock of a is wrong"},
		{"last", map[string]time.Duration{"d": -2 * time.Second}, 0, "the clock of d is wrong"},
	} {
		run := &trace.Run{Format: trace.Format, Nodes: []trace.RunNode{{ID: "a"}, {ID: "b"}, {ID: "c"}, {ID: "d"}}}
		nodes, err := newNodes(run)
		if err != nil {
			t.Fatal(err)
		}
		clocks, blocks := newClocks(nodes), newBlockTree("g")
		b, _ := nodes.Index("b")
		clocks.measure(b, &trace.Clock{Within: c.within})
		type report struct {
			at       time.Duration
			b        BlockIndex
			who, via NodeIndex
		}
		var reports []report
		for i := range time.Duration(20) {
			block := blocks.link(trace.Hash("x"+string(rune('a'+i))), "g", 1)
			ways := [][2]string{{"a", ""}, {"b", "a"}, {"c", "b"}, {"d", "b"}, {"d", "c"}}
			if i%2 == 1 {
				ways = [][2]string{{"c", ""}, {"d", "c"}, {"b", "c"}, {"a", "b"}}
			}
			for k, way := range ways {
				who, _ := nodes.Index(trace.NodeID(way[0]))
				via, ok := nodes.Index(trace.NodeID(way[1]))
				if !ok {
					via = NoNode
				}
				reports = append(reports, report{i*time.Second + time.Duration(k)*10*ms + c.ahead[way[0]], block, who, via})
			}
		}
		for at := -3 * time.Second; at < time.Minute; at += 5 * ms { // in order of time, as they are read
			for _, r := range reports {
				if r.at >= at && r.at < at+5*ms {
					clocks.seen(r.b, r.who, r.via, r.at)
				}
			}
		}
		got := clocks.Problem(&blocks)
		if c.problem == "" && got != "" || !strings.HasPrefix(got, c.problem) {
			t.Errorf("%s: %q, want %q", c.name, got, c.problem)
		}
	}
}

func TestClocks_LateReports(t *testing.T) {
	nodes, err := newNodes(&trace.Run{Nodes: []trace.RunNode{{ID: "a"}}})
	if err != nil {
		t.Fatal(err)
	}
	clocks, blocks := newClocks(nodes), newBlockTree("g")
	clocks.reported(0, lateReport)
	if got := clocks.Problem(&blocks); got != "" {
		t.Errorf("a report that is 1s late: %q", got)
	}
	clocks.reported(0, 14*time.Second)
	if got, want := clocks.Problem(&blocks), "reports of a came up to 14s late, too late to be put in order"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
