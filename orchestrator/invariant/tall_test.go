package invariant

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// tall is a chain of which a, b and c are known from height 1400 on only, and d from a lower one, for 30s.
func tall(t *testing.T, d func(h *history, second int)) *history {
	h := newHistory(t, "a", "b", "c", "d").asked("pow", 0, 6)
	h.run.Chain.GenesisHash = genesis
	h.blocks["base"] = trace.Block{Hash: "base", Height: 1400}
	h.heads["a"] = "base"
	for i := range 30 {
		h.tell(trace.Hash(fmt.Sprint("x", i)), "a", "b", "c")
		d(h, i)
		h.sleep(time.Second)
	}
	h.end(10 * time.Second)
	return h
}

// hearRange lets a node tell of blocks of the one chain, named by their heights.
func (h *history) hearRange(n trace.NodeID, from, to uint64) {
	for height := from; height <= to; height++ {
		b := trace.Block{Hash: low(height), Parent: low(height - 1), Height: height}
		if height == 1401 {
			b.Hash = "x0"
		}
		h.blocks[b.Hash] = b
		h.hear(n, b)
	}
}

func low(height uint64) trace.Hash {
	switch height {
	case 0:
		return genesis
	case 1400:
		return "base"
	}
	return trace.Hash(fmt.Sprint("h", height))
}

func TestHeightsThatAreNotKnownAreNoEvidence(t *testing.T) {
	unknown := func(what string, d func(h *history, second int)) {
		t.Helper()
		r := tall(t, d).result("agreement")
		if r.Verdict != Unknown || !strings.Contains(r.Reason, "does not have") {
			t.Errorf("%s: agreement is %s: %s", what, r.Verdict, r.Reason)
		}
	}
	unknown("a node behind, known from 1300 on", func(h *history, i int) {
		h.hearRange("d", uint64(1300+i), uint64(1300+i))
	})
	unknown("a node that syncs from genesis", func(h *history, i int) {
		h.hearRange("d", uint64(2*i+1), uint64(2*i+2))
	})
	unknown("a node that is back at height 39", func(h *history, i int) {
		switch {
		case i < 10:
			h.hear("d", h.blocks[trace.Hash(fmt.Sprint("x", i))])
		case i < 12:
			h.hearRange("d", uint64(39+i-10), uint64(39+i-10))
		}
	})
	// Its chain is known in full once it has caught up.
	h := tall(t, func(h *history, i int) {
		if i < 28 {
			h.hearRange("d", uint64(50*i+1), uint64(50*i+50))
		} else if i == 28 {
			for k := range 29 {
				h.hear("d", h.blocks[trace.Hash(fmt.Sprint("x", k))])
			}
		} else {
			h.hear("d", h.blocks[trace.Hash(fmt.Sprint("x", i))])
		}
	})
	want(t, h.result("agreement"), Pass)
}

func TestTallChainsOfSeparateNetworksFail(t *testing.T) {
	for name, base := range map[string]trace.Block{
		"from the same height on": {Hash: "other", Height: 1400},
		"from a lower one on":     {Hash: "other", Height: 1390},
		"from a higher one on":    {Hash: "other", Height: 1410},
	} {
		r := tall(t, func(h *history, i int) {
			if i == 0 {
				h.blocks["other"] = base
				h.heads["d"] = "other"
			}
			h.tell(trace.Hash(fmt.Sprint("y", i)), "d")
		}).result("agreement")
		if r.Verdict != Fail || !strings.Contains(r.Reason, "separate networks") {
			t.Errorf("%s: agreement is %s: %s", name, r.Verdict, r.Reason)
		}
	}
	// One that is known in full.
	r := tall(t, func(h *history, i int) {
		for height := uint64(50*i + 1); height <= uint64(50*i+50); height++ {
			b := trace.Block{Hash: trace.Hash(fmt.Sprint("z", height)), Parent: trace.Hash(fmt.Sprint("z", height-1)), Height: height}
			if height == 1 {
				b.Parent = genesis
			}
			h.hear("d", b)
		}
	}).result("agreement")
	want(t, r, Fail)
}

func TestGrowthIsUnknownWhereChainsShareNoKnownBlock(t *testing.T) {
	r := tall(t, func(h *history, i int) { h.hearRange("d", uint64(1300+i), uint64(1300+i)) }).result("chain_growth")
	want(t, r, Unknown)
	if !strings.Contains(r.Reason, "share no known block") {
		t.Errorf("reason %q", r.Reason)
	}
}
