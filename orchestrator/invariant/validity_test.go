package invariant

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/consensus/pow"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// realChain makes valid blocks with the node's own code.
type realChain struct {
	t    *testing.T
	g    chain.Genesis
	pow  *pow.Engine
	tree *chain.Tree
	now  chain.Millis
}

func newRealChain(t *testing.T) *realChain {
	t.Helper()
	c := &realChain{t: t, now: 1_700_000_000_000}
	c.g = chain.Genesis{Network: "n", Time: c.now, Bits: chain.MaxBits, Interval: 1000, HalfLife: 1 << 30, Subsidy: 5}
	c.pow = pow.New(&c.g)
	c.tree = must.Get(chain.NewTree(&c.g, c.pow, nil))(t)
	return c
}

// use makes the chain that of a history.
func (c *realChain) use(h *history) {
	data := must.Get(json.Marshal(&c.g))(c.t)
	hash := trace.Hash(c.tree.Genesis().Hash().String())
	h.run.Chain.Genesis, h.run.Chain.GenesisHash = data, hash
	h.blocks[hash] = trace.Block{Hash: hash}
	for n := range h.heads {
		h.heads[n] = hash
	}
}

// newValidity starts a history of a real chain.
func newValidity(t *testing.T) (*realChain, *history) {
	c, h := newRealChain(t), newHistory(t, "a", "b")
	c.use(h)
	return c, h
}

// next makes a block, changed as wanted before its work is proved; only an unchanged one goes onto the chain.
func (c *realChain) next(change func(*chain.Header)) trace.Block {
	c.t.Helper()
	c.now += 1000
	head, _, err := c.tree.Template(chain.Address{1}, nil, c.now)
	must.Do(c.t, err)
	if change != nil {
		change(&head)
	}
	if _, found := c.pow.Search(&head, 1<<20); !found {
		c.t.Fatal("no work found")
	}
	b := chain.NewBlock(head, nil)
	if change == nil {
		if _, err := c.tree.Add(b, c.now); err != nil {
			c.t.Fatal(err)
		}
	}
	return trace.Block{
		Hash: trace.Hash(b.Hash().String()), Parent: trace.Hash(b.Parent.String()), Height: uint64(b.Height), Raw: b.Append(nil),
		Time: time.UnixMilli(int64(b.Time)).UTC(), Producer: b.Miner.String(),
	}
}

// record lets a make the block and b get it, and records its content if raw is true.
func (h *history) record(b trace.Block, raw bool) {
	h.sleep(time.Second)
	h.mine("a", b.Hash, b.Parent)
	h.get("b", "a", b.Hash)
	if raw {
		h.add("", &trace.Event{Kind: trace.KindBlock, Block: &b})
	}
}

func TestValidity_ContentsInAnyOrder(t *testing.T) {
	c, h := newValidity(t)
	var blocks []trace.Block
	for range 5 {
		b := c.next(nil)
		blocks = append(blocks, b)
		h.record(b, false)
	}
	for i := range blocks { // contents come late, children first, and one twice
		h.add("", &trace.Event{Kind: trace.KindBlock, Block: &blocks[4-i]})
	}
	h.add("", &trace.Event{Kind: trace.KindBlock, Block: &blocks[2]})
	h.end(time.Second)
	r := h.result("validity")
	want(t, r, Pass)
	if r.Metrics["executed"] != 5 {
		t.Errorf("metrics %v", r.Metrics)
	}
}

func TestValidity_InvalidBlock(t *testing.T) {
	c, h := newValidity(t)
	h.record(c.next(nil), true)
	bad := c.next(func(h *chain.Header) { h.StateRoot[0] ^= 1 }) // a pays itself too much
	h.record(bad, true)
	h.stop()
	r := h.result("validity")
	want(t, r, Fail)
	if r.Evidence[0].Blocks[0] != bad.Hash || r.Evidence[0].Nodes[0] != "a" || !strings.Contains(r.Reason, "state root") {
		t.Errorf("evidence %+v", r.Evidence[0])
	}
}

func TestValidity_OtherContent(t *testing.T) {
	c, h := newValidity(t)
	b := c.next(nil)
	other := b
	other.Hash = "lie"
	h.record(other, true)
	h.stop()
	r := h.result("validity")
	want(t, r, Fail)
	if !strings.Contains(r.Reason, "content has the hash") {
		t.Errorf("reason %q", r.Reason)
	}
}

// TestValidity_ReportedOtherwise: what nodes report of a block is not what it holds.
func TestValidity_ReportedOtherwise(t *testing.T) {
	for want, change := range map[string]func(*trace.Block){
		"its content has the time":       func(b *trace.Block) { b.Time = b.Time.Add(time.Millisecond) },
		"its content names the producer": func(b *trace.Block) { b.Producer = "ff" + b.Producer[2:] },
		"its content has 0 transactions": func(b *trace.Block) { b.Txs = []trace.Hash{"x"} },
	} {
		c, h := newValidity(t)
		b := c.next(nil)
		change(&b)
		h.record(b, true)
		h.stop()
		if r := h.result("validity"); r.Verdict != Fail || !strings.Contains(r.Reason, want) {
			t.Errorf("%s: %s %s", want, r.Verdict, r.Reason)
		}
	}
}

func TestValidity_ChildOfAnInvalidBlock(t *testing.T) {
	c, h := newValidity(t)
	bad := c.next(func(h *chain.Header) { h.Version = 9 })
	h.record(bad, true)
	parent := must.Get(chain.ParseHash(string(bad.Hash)))(t)
	h.record(c.next(func(h *chain.Header) { h.Parent, h.Height = parent, 2 }), true)
	h.stop()
	if r := h.result("validity"); r.Metrics["invalid_blocks"] != 2 {
		t.Errorf("metrics %v, want two invalid blocks", r.Metrics)
	}
}

func TestValidity_BlockOnNoChain(t *testing.T) {
	c, h := newValidity(t)
	h.record(c.next(nil), true)
	bad := c.next(func(h *chain.Header) { h.Version = 9 })
	h.add("", &trace.Event{Kind: trace.KindBlock, Block: &bad}) // on no chain
	h.stop()
	want(t, h.result("validity"), Pass)
}

func TestValidity_Unknown(t *testing.T) {
	c, h := newValidity(t)
	h.record(c.next(nil), true)
	missing := c.next(nil)
	h.record(missing, false)
	h.stop()
	r := h.result("validity")
	want(t, r, Unknown)
	if !strings.Contains(r.Reason, string(missing.Hash)) {
		t.Errorf("reason %q does not name block %s", r.Reason, missing.Hash)
	}

	h = newHistory(t, "a", "b") // a chain without a genesis
	h.grow("x", 2, time.Second, "a", "b")
	h.stop()
	want(t, h.result("validity"), Unknown)

	for _, change := range []func(*trace.Facts){
		func(f *trace.Facts) { f.Genesis = []byte("{") },
		func(f *trace.Facts) { f.Genesis = []byte(strings.Replace(string(f.Genesis), `"n"`, `"m"`, 1)) },
	} {
		c, h := newValidity(t)
		change(&h.run.Chain)
		h.record(c.next(nil), true)
		h.stop()
		want(t, h.result("validity"), Unknown)
	}
}

func TestValidity_NoBlocks(t *testing.T) {
	_, h := newValidity(t)
	h.stop()
	want(t, h.result("validity"), Vacuous)
}

func TestValidity_ParentsWithoutExecution(t *testing.T) {
	broken := newBFT(t)
	broken.blocksUntil("x", 5*time.Second, "a", "b", "c", "d")
	broken.blocks["nobody-has-it"] = trace.Block{Hash: "nobody-has-it", Height: 5}
	broken.heads["c"] = "nobody-has-it"
	broken.report("y", "c")
	broken.end(time.Second)
	r := broken.result("validity")
	want(t, r, Fail)
	if r.Evidence[0].Nodes[0] != "c" || !strings.Contains(r.Reason, "nobody-has") {
		t.Errorf("evidence %+v", r.Evidence[0])
	}

	two := newBFT(t)
	two.blocksUntil("x", 5*time.Second, "a", "b", "c", "d")
	two.add("b", &trace.Event{Kind: trace.KindSeen, Seen: &trace.Seen{Hash: "x-5", Parent: "x-3", Height: 5}})
	two.end(time.Second)
	want(t, two.result("validity"), Fail)

	none := newBFT(t)
	none.end(time.Second)
	want(t, none.result("validity"), NotApplicable)
}
