package invariant

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// finalize lets nodes call the chain up to a block final.
func (h *history) finalize(hash trace.Hash, nodes ...trace.NodeID) {
	for _, n := range nodes {
		h.add(n, &trace.Event{Kind: trace.KindFinal, Final: &trace.Final{Height: h.blocks[hash].Height, Hash: hash}})
	}
}

// forks is a chain whose blocks may be replaced, until nodes call them final: here up to height 8 of 10.
func forks(t *testing.T) *history {
	h := newHistory(t, "a", "b", "c", "d").asked("poa", .5, 6).measured()
	h.blocksUntil("x", 10*time.Second, "a", "b", "c", "d")
	h.finalize("x-5", "a", "b", "c", "d")
	h.finalize("x-8", "a", "b", "c", "d")
	return h
}

// branch lets nodes change to a branch of n blocks on parent.
func (h *history) branch(prefix string, n int, parent trace.Hash, nodes ...trace.NodeID) {
	for i := range n {
		hash := trace.Hash(prefix + string(rune('0'+i)))
		b := h.block(hash, parent)
		for _, x := range nodes {
			h.add(x, &trace.Event{Kind: trace.KindSeen, Seen: &trace.Seen{Hash: hash, Parent: parent, Height: b.Height}})
		}
		parent = hash
	}
	for _, x := range nodes {
		h.adopt(x, parent)
	}
}

func TestWhatIsFinalIsJudged(t *testing.T) {
	all := ids("a", "b", "c", "d")
	for _, c := range []struct {
		name  string
		story func(h *history)
		want  Verdict
		text  []string
		nodes []trace.NodeID
	}{
		{"kept", func(h *history) {
			h.branch("y", 3, "x-8", all...) // above what is final
			h.finalize("y2", all...)
		}, Pass, []string{"final up to height 11"}, nil},
		{"replaced on every node", func(h *history) {
			h.branch("y", 4, "x-7", all...) // within the fork depth of 6
		}, Fail, []string{"final blocks were replaced: a had reported height 8 as final", "fork after x-7 at height 7"}, ids("a")},
		{"back", func(h *history) {
			h.finalize("x-6", "c")
		}, Fail, []string{"finality was reverted: the final height of c went from 8 to 6"}, ids("c")},
		{"back for want of a hash", func(h *history) {
			h.add("b", &trace.Event{Kind: trace.KindFinal, Final: &trace.Final{Height: 2}})
		}, Fail, []string{"from 8 to 2"}, ids("b")},
		{"two on two nodes", func(h *history) {
			h.branch("l", 3, "x-10", "a", "b")
			h.branch("r", 3, "x-10", "c", "d")
			h.finalize("l1", "a")
			h.finalize("r2", "d")
			h.branch("z", 1, "l2", "c", "d", "a", "b")
		}, Fail, []string{"two final blocks at height 11: l0", "and r0"}, ids("a", "d")},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := forks(t)
			c.story(h)
			h.blocksUntil("s", 40*time.Second, all...)
			h.end(20 * time.Second)
			r := h.result("agreement")
			want(t, r, c.want)
			for _, s := range c.text {
				if !strings.Contains(r.Reason+r.Figure, s) {
					t.Errorf("%q, %q do not say %q", r.Figure, r.Reason, s)
				}
			}
			for _, n := range c.nodes {
				if !slices.Contains(r.Evidence[0].Nodes, n) {
					t.Errorf("the evidence does not name %s: %+v", n, r.Evidence[0])
				}
			}
		})
	}
}

// TestWithoutFinalHeightsTheForkDepthDecides: the same replacement, of which nobody had said that it cannot happen.
func TestWithoutFinalHeightsTheForkDepthDecides(t *testing.T) {
	h := newHistory(t, "a", "b", "c", "d").asked("poa", .5, 6).measured()
	h.blocksUntil("x", 10*time.Second, "a", "b", "c", "d")
	h.branch("y", 4, "x-7", "a", "b", "c", "d")
	h.blocksUntil("s", 40*time.Second, "a", "b", "c", "d")
	h.end(20 * time.Second)
	r := h.result("agreement")
	want(t, r, Pass)
	if strings.Contains(r.Figure, "final") {
		t.Errorf("figure %q", r.Figure)
	}
}
