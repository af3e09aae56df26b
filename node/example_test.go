package node_test

import (
	"fmt"
	"log"

	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/node/chain"
)

// exampleHost performs the effects of nodes: it delivers messages between them and prints their events.
type exampleHost struct {
	nodes map[chain.PeerID]*node.Node
	queue []func() // inputs to come
	mine  node.Time
}

func (h *exampleHost) perform(n *node.Node, now node.Time, effects []node.Effect) {
	for _, e := range effects {
		switch e.Kind {
		case node.EffectSend:
			to := h.nodes[e.Peer]
			h.queue = append(h.queue, func() { h.perform(to, now, to.Receive(now, n.ID(), e.Msg)) })
		case node.EffectTimer:
			if e.Timer.Kind == node.TimerMine {
				h.mine = e.At
			}
		case node.EffectEvent:
			fmt.Println(n.Name(), e.Event.Kind, e.Event.Height)
		}
	}
}

func (h *exampleHost) run() {
	for len(h.queue) > 0 {
		next := h.queue[0]
		h.queue = h.queue[1:]
		next()
	}
}

// Two nodes connect, and one of them mines a block. The node itself has no goroutines, clock or sockets: its host passes
// inputs to it and performs the effects that it returns.
func Example() {
	now := node.Time(1_700_000_000_000_000_000)
	genesis := chain.Genesis{
		Network: "example", Time: 1_700_000_000_000, Bits: chain.MaxBits, Interval: 1000, HalfLife: 60_000, Subsidy: 50,
	}
	h := &exampleHost{nodes: make(map[chain.PeerID]*node.Node)}
	start := func(name string, key int, rate float64) *node.Node {
		cfg := node.Config{Name: name, Genesis: genesis, Key: fmt.Sprintf("%064x", key), Relay: "flood", Mine: rate}
		n, err := node.New(cfg, node.Deps{}, nil, now)
		if err != nil {
			log.Fatal(err)
		}
		h.nodes[n.ID()] = n
		h.perform(n, now, n.Start(now))
		return n
	}
	miner, full := start("miner", 1, 10), start("full", 2, 0)
	h.perform(miner, now, miner.PeerUp(now, full.ID(), true))
	h.perform(full, now, full.PeerUp(now, miner.ID(), false))
	h.run()

	now = h.mine
	h.perform(miner, now, miner.Timer(now, node.TimerID{Kind: node.TimerMine}))
	h.run()
	fmt.Println("same head:", full.Status().Head == miner.Status().Head)
	// Output:
	// miner start 0
	// full start 0
	// full peer_up 0
	// miner peer_up 0
	// miner block 1
	// miner head 1
	// full block 1
	// full head 1
	// same head: true
}
