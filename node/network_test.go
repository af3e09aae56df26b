package node

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/wire"
)

var strategies = []string{"flood", "inventory"}

func eachRelay(t *testing.T, test func(t *testing.T, relay string)) {
	for _, relay := range strategies {
		t.Run(relay, func(t *testing.T) { test(t, relay) })
	}
}

func TestNetwork_Converges(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		w := testnet(t, 10, 5, relay, ring(10), nil)
		w.run(30 * time.Second)
		w.settle(time.Second)
		if h := w.agree(); h < 15 || h > 50 {
			t.Errorf("height %d after 30 s at one block a second", h)
		}
		for _, h := range w.hosts {
			if got := h.node.Status().Peers; got != 4 {
				t.Errorf("node %d has %d peers, want 4", h.index, got)
			}
		}
	})
}

func TestNetwork_PartitionAndHeal(t *testing.T) {
	for _, relay := range strategies {
		for _, exchange := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/exchange=%t", relay, exchange), func(t *testing.T) {
				w := testnet(t, 10, 10, relay, ring(10), func(_ int, c *Config) { c.PeerExchange, c.MinPeers = exchange, 4 })
				w.run(10 * time.Second)
				w.cut = func(a, b int) bool { return a%2 != b%2 }
				w.run(20 * time.Second)
				if w.hosts[0].node.Status().Head == w.hosts[1].node.Status().Head {
					t.Fatal("both sides have the same head during the partition")
				}
				w.cut = nil
				w.settle(4 * time.Second)
				w.agree()
				deep := 0
				for _, h := range w.hosts {
					deep += h.count(EventHead, func(e *Event) bool { return e.Dropped >= 3 })
				}
				if deep < 5 {
					t.Errorf("%d nodes reorganised, want those of one side", deep)
				}
			})
		}
	}
}

// A cut shorter than the ping timeout loses messages, but no connections.
func TestNetwork_ShortCut(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		w := testnet(t, 6, 6, relay, ring(6), nil)
		w.run(10 * time.Second)
		w.cut = func(a, b int) bool { return (a < 3) != (b < 3) }
		w.run(3 * time.Second)
		w.cut = nil
		w.settle(7 * time.Second)
		w.agree()
		for _, h := range w.hosts {
			if n := h.count(EventPeerDown, nil); n != 0 {
				t.Errorf("node %d lost %d connections", h.index, n)
			}
		}
	})
}

func TestNetwork_LateJoiner(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		w := testnet(t, 4, 2, relay, ring(4), func(i int, c *Config) {
			c.Genesis = testGenesis(t, 4, 100, 100)
		})
		late := w.hosts[3]
		late.kill()
		late.disk, late.log = nil, nil
		w.run(90 * time.Second)
		if h := w.hosts[0].node.Status().Height; h <= 2*wire.MaxBlocks {
			t.Fatalf("height %d fits into one answer", h)
		}
		late.start()
		w.run(time.Second)
		w.settle(time.Second)
		height := w.agree()
		if n := late.count(EventBlock, func(e *Event) bool { return e.Sync }); n < 2*wire.MaxBlocks {
			t.Errorf("%d of %d blocks came by sync", n, height)
		}
		if n := late.count(EventBlock, nil); n < int(height) {
			t.Errorf("%d block events for height %d", n, height)
		}
	})
}

func TestNode_RestartKeepsHead(t *testing.T) {
	w := testnet(t, 4, 4, "inventory", ring(4), nil)
	w.run(20 * time.Second)
	h := w.hosts[2]
	before := h.node.Status()
	h.kill()
	w.run(5 * time.Second)
	h.log = nil
	h.start()
	if s := h.node.Status(); s.Head != before.Head || s.Work != before.Work {
		t.Fatalf("head %s after the restart, %s before", s.Head, before.Head)
	}
	if e := h.log[0]; e.Kind != EventStart || *e.Hash != before.Head || e.Height != before.Height {
		t.Fatalf("first event is %+v", e)
	}
	w.run(5 * time.Second)
	w.settle(2 * time.Second)
	w.agree()
}

// A block is on disk before it is sent or reported.
func TestNode_PersistsBeforeSend(t *testing.T) {
	w := testnet(t, 3, 3, "flood", ring(3), nil)
	w.tap = func(from, _ int, m wire.Message) {
		b, ok := m.(*wire.Block)
		if !ok {
			return
		}
		for _, d := range w.hosts[from].disk {
			if d.Hash() == b.Block.Hash() {
				return
			}
		}
		t.Fatalf("node %d sent a block before it was persisted", from)
	}
	w.run(20 * time.Second)
	for _, h := range w.hosts {
		logged := map[chain.Hash]bool{}
		for _, e := range h.log {
			switch e.Kind {
			case EventBlock:
				logged[*e.Hash] = true
			case EventHead:
				if !logged[*e.Hash] {
					t.Fatalf("node %d: head event before the block's own", h.index)
				}
			}
		}
	}
}

func TestNetwork_TxsSurvivePartition(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		w := testnet(t, 6, 0, relay, ring(6), nil)
		w.run(3 * time.Second)
		w.cut = func(a, b int) bool { return (a < 3) != (b < 3) }
		w.run(10 * time.Second)
		ids := []chain.Hash{w.hosts[0].transfer(0, 1, 1, 0), w.hosts[0].transfer(0, 1, 9, 1), w.hosts[4].transfer(4, 5, 2, 0)}
		w.run(2 * time.Second)
		if w.hosts[5].node.TxStatus(ids[0]).State != TxUnknown || w.hosts[2].node.TxStatus(ids[0]).State != TxPending {
			t.Fatal("the cut does not hold, or the side does not relay")
		}
		w.hosts[0].kill() // its mempool is lost, but not those of its peers
		w.hosts[0].start()
		w.cut = nil
		w.run(5 * time.Second)
		miner := w.hosts[5]
		for _, id := range ids {
			if s := miner.node.TxStatus(id); s.State != TxPending {
				t.Fatalf("transaction is %s at the far side after the heal", s.State)
			}
		}
		if got := miner.node.NextNonce(w.hosts[0].id); got != 2 {
			t.Errorf("next nonce %d, want 2", got)
		}
		miner.node.cfg.Mine = 50
		w.run(10 * time.Second)
		w.stopMining()
		w.run(2 * time.Second)
		w.agree()
		for _, h := range w.hosts {
			for _, id := range ids {
				s := h.node.TxStatus(id)
				if s.State != TxIncluded || s.Confirmations == 0 {
					t.Errorf("node %d: transaction is %s", h.index, s.State)
				}
			}
			if n := len(h.node.Mempool()); n != 0 {
				t.Errorf("node %d: %d transactions are still pending", h.index, n)
			}
		}
	})
}

// A transaction of a reverted block returns to the mempool and is included again.
func TestNetwork_DroppedTxsReturn(t *testing.T) {
	w := testnet(t, 4, 0, "inventory", [][2]int{{0, 1}, {1, 2}, {2, 3}}, nil)
	w.run(3 * time.Second)
	w.cut = func(a, b int) bool { return (a < 2) != (b < 2) }
	w.run(8 * time.Second)
	id := w.hosts[0].transfer(0, 3, 1, 0)
	w.hosts[1].node.cfg.Mine, w.hosts[2].node.cfg.Mine = 50, 500
	w.run(20 * time.Second)
	if s := w.hosts[1].node.TxStatus(id); s.State != TxIncluded {
		t.Fatalf("not included before the heal: %s", s.State)
	}
	w.hosts[1].node.cfg.Mine = 0
	w.hosts[1].node.review = true
	w.cut = nil
	w.run(20 * time.Second)
	w.settle(2 * time.Second)
	w.agree()
	if s := w.hosts[3].node.TxStatus(id); s.State != TxIncluded {
		t.Errorf("the transaction is %s after the heal", s.State)
	}
}

func TestNetwork_Deterministic(t *testing.T) {
	run := func(seed uint64) []byte {
		w := testnet(t, 8, 4, "inventory", ring(8), func(_ int, c *Config) { c.Seed, c.PeerExchange, c.MinPeers = seed, true, 5 })
		w.run(8 * time.Second)
		w.cut = func(a, b int) bool { return (a < 4) != (b < 4) }
		w.run(12 * time.Second)
		w.cut = nil
		w.hosts[3].transfer(3, 4, 1, 0)
		w.run(10 * time.Second)
		return w.logs()
	}
	a, b, c := run(1), run(1), run(2)
	if !bytes.Equal(a, b) {
		t.Error("two runs with one seed differ")
	}
	if bytes.Equal(a, c) {
		t.Error("runs with different seeds are equal")
	}
}

// Flooding on a graph of n nodes and m links takes 2m-(n-1) messages per item, 2(m-n+1) of them duplicates.
func TestRelay_FloodMessageCount(t *testing.T) {
	const n = 12
	edges := ring(n)
	m := len(edges)
	w := testnet(t, n, 0, "flood", edges, nil)
	w.run(5 * time.Second)
	for i := range 5 {
		w.hosts[i].transfer(i, i+1, 1, 0)
		w.run(time.Second)
	}
	w.hosts[7].node.cfg.Mine = 50
	w.run(10 * time.Second)
	w.stopMining()
	w.run(3 * time.Second)
	items := 5 + int(w.agree())
	if items < 10 {
		t.Fatalf("%d items are too few", items)
	}
	var sent, received, dup uint64
	for _, h := range w.hosts {
		s := h.node.Status()
		sent, received, dup = sent+s.Sent, received+s.Received, dup+s.Duplicates
	}
	if want := uint64(items * (2*m - (n - 1))); sent != want || received != want {
		t.Errorf("%d sent, %d received, want %d", sent, received, want)
	}
	if want := uint64(items * 2 * (m - n + 1)); dup != want {
		t.Errorf("%d duplicates, want %d", dup, want)
	}
}

// Inventory relay sends every item to every node once.
func TestRelay_InventoryMessageCount(t *testing.T) {
	const n = 12
	w := testnet(t, n, 0, "inventory", ring(n), nil)
	w.run(5 * time.Second)
	for i := range 5 {
		w.hosts[i].transfer(i, i+1, 1, 0)
		w.run(time.Second)
	}
	var sent, dup, announced uint64
	for _, h := range w.hosts {
		s := h.node.Status()
		sent, dup, announced = sent+s.Sent, dup+s.Duplicates, announced+s.AnnouncesSent
	}
	if sent != 5*(n-1) || dup != 0 || announced < sent {
		t.Errorf("%d payloads, %d duplicates, %d announcements", sent, dup, announced)
	}
}
