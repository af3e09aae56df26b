package node

import (
	"runtime"
	"testing"
	"time"

	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/wire"
)

// The budget is 64 KiB per node beside shared blocks: a simulation holds thousands of nodes.
func TestMemoryPerNode(t *testing.T) {
	const nodes, degree, budget = 400, 8, 64 << 10
	g := testGenesis(t, 200, 1, 1000)
	memo := chain.NewMemo()
	made, ids := make([]*Node, 0, nodes), make([]chain.PeerID, degree)
	seeds := make([]string, nodes)
	for i := range seeds {
		_, seeds[i] = testKey(t, 1000+i)
	}
	for i := range ids {
		ids[i] = peerID(t, i)
	}
	l := newLone(t, func(c *Config) { c.Genesis = g })
	var msgs []wire.Message
	for range 50 {
		b := l.child()
		l.n.offer(b, origin{made: true})
		msgs = append(msgs, &wire.Block{Block: b})
		l.now += Time(time.Second)
	}
	for i := range uint64(50) {
		msgs = append(msgs, wire.NewTx(signed(t, l.n.genesis, 0, 1, 1, 1, i)))
	}
	hello := l.helloOf(0, 0)
	run := func(seed string) *Node {
		n, err := New(Config{Genesis: g, Key: seed, Relay: "inventory", PeerExchange: true}, Deps{Memo: memo}, nil, l.now)
		if err != nil {
			t.Fatal(err)
		}
		n.Start(l.now)
		for _, id := range ids {
			n.PeerUp(l.now, id, false)
			n.Receive(l.now, id, hello)
		}
		for _, m := range msgs {
			for _, id := range ids {
				n.Receive(l.now, id, m)
			}
		}
		return n
	}
	run(seeds[0]) // what the nodes share is made now
	before := heapInUse()
	for _, s := range seeds {
		made = append(made, run(s))
	}
	per := (heapInUse() - before) / nodes
	t.Logf("%d bytes per node with %d peers, 50 blocks and 50 pending transactions", per, degree)
	if per > budget {
		t.Errorf("%d bytes per node, at most %d are allowed", per, budget)
	}
	runtime.KeepAlive(made)
}

func heapInUse() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
