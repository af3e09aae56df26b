package invariant

import (
	"strings"
	"testing"
	"time"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// forked is a history of a real chain on which node a has the choice between block x, which it takes, and what follows.
type forked struct {
	*history
	c    *realChain
	x, y trace.Block // of the same work, on genesis
	z    trace.Block // on y
}

func newForked(t *testing.T) *forked {
	c, h := newValidity(t)
	f := &forked{history: h, c: c}
	f.x = c.next(nil)
	f.y = c.side(c.tree.Genesis().Hash(), 1)
	f.z = c.side(must.Get(chain.ParseHash(string(f.y.Hash)))(t), 2)
	for _, b := range []trace.Block{f.x, f.y, f.z} {
		h.blocks[b.Hash] = b
		h.add("", &trace.Event{Kind: trace.KindBlock, Block: &b})
	}
	h.sleep(time.Second)
	f.see(f.x)
	f.adopt("a", f.x.Hash)
	return f
}

// side makes a block that is not on the chain of c.
func (c *realChain) side(parent chain.Hash, height chain.Height) trace.Block {
	return c.next(func(h *chain.Header) { h.Parent, h.Height, h.Miner = parent, height, chain.Address{2} })
}

// see lets a accept a block from an adversary, and nothing more.
func (f *forked) see(b trace.Block) {
	f.sleep(time.Second)
	f.add("a", &trace.Event{Kind: trace.KindSeen, Seen: &trace.Seen{Hash: b.Hash, Parent: b.Parent, Height: b.Height, From: "adversary"}})
}

func TestForkChoice(t *testing.T) {
	for _, c := range []struct {
		name    string
		do      func(f *forked)
		verdict Verdict
		says    string
	}{
		{"first seen among equals", func(f *forked) { f.see(f.y) }, Pass, "2 choices, 1 between branches"},
		{"last seen among equals", func(f *forked) { f.see(f.y); f.adopt("a", f.y.Hash) }, Fail, "which is equal"},
		{"the heavier one", func(f *forked) { f.see(f.y); f.see(f.z); f.adopt("a", f.z.Hash) }, Pass, "3 choices"},
		{"stays on the lighter one", func(f *forked) { f.see(f.y); f.see(f.z); f.sleep(3 * time.Second) }, Fail, "a stayed on block"},
		{"stays, at the end of the run", func(f *forked) { f.see(f.y); f.see(f.z) }, Pass, "3 choices"},
		{"returns to the lighter one", func(f *forked) {
			f.see(f.y)
			f.see(f.z)
			f.adopt("a", f.z.Hash)
			f.adopt("a", f.x.Hash)
		}, Fail, "which is lighter"},
		{"what it did not accept", func(f *forked) { f.adopt("a", f.z.Hash) }, Fail, "a heavier block that it had not just accepted"},
		{"restart on an older head", func(f *forked) {
			f.state("a", trace.StateDown, "kill-1")
			f.state("a", trace.StateUp, "kill-1")
			f.add("a", &trace.Event{Kind: trace.KindHead, Head: &trace.Head{Hash: f.run.Chain.GenesisHash, Restored: true}})
			f.heads["a"] = f.run.Chain.GenesisHash
			f.see(f.x)
			f.adopt("a", f.x.Hash)
		}, Pass, "2 choices"},
		{"killed before it logged its head", func(f *forked) {
			f.see(f.y)
			f.see(f.z)
			f.state("a", trace.StateDown, "kill-1")
			f.sleep(time.Minute)
		}, Pass, "3 choices"},
		{"content that is missing", func(f *forked) {
			missing := f.c.next(nil)
			f.blocks[missing.Hash] = missing
			f.see(missing)
			f.adopt("a", missing.Hash)
		}, Unknown, "lacks the content of block"},
		{"after a gap in its log", func(f *forked) { f.gap("a"); f.adopt("a", f.y.Hash) }, Unknown, "may be missing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newForked(t)
			c.do(f)
			f.stop()
			r := f.result("fork_choice")
			want(t, r, c.verdict)
			if !strings.Contains(r.Figure+"; "+r.Reason, c.says) {
				t.Errorf("%q; %q: want %q", r.Figure, r.Reason, c.says)
			}
			if c.verdict == Fail && r.Evidence[0].Nodes[0] != "a" {
				t.Errorf("evidence %+v", r.Evidence[0])
			}
		})
	}
}

func TestForkChoice_NothingToJudge(t *testing.T) {
	_, h := newValidity(t)
	h.stop()
	want(t, h.result("fork_choice"), Vacuous)
	bft := newBFT(t)
	bft.blocksUntil("x", 5*time.Second, "a", "b", "c", "d")
	bft.end(time.Second)
	want(t, bft.result("fork_choice"), NotApplicable)
}

func TestValidity_BlockFromTheFuture(t *testing.T) {
	for ahead, verdict := range map[time.Duration]Verdict{119 * time.Second: Pass, 122 * time.Second: Fail} {
		c, h := newValidity(t)
		b := c.next(nil)
		// The block's time is 1 s after genesis; a accepts it when its clock is that much behind.
		h.run.Started = time.UnixMilli(int64(c.now)).Add(-ahead - time.Second)
		h.record(b, true)
		h.end(time.Second)
		r := h.result("validity")
		want(t, r, verdict)
		if verdict == Fail && !strings.Contains(r.Reason, "after the clock of the node") {
			t.Errorf("reason %q", r.Reason)
		}
	}
}
