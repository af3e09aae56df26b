package daemon

import (
	"fmt"
	"net"
	"os"
	"testing"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/daemon/api"
)

// waitHeight waits until every node has had a head of that height.
func waitHeight(t *testing.T, height chain.Height, nodes ...*testNode) {
	t.Helper()
	for _, n := range nodes {
		n.wait(fmt.Sprintf("head at %d", height), func(e node.Event) bool {
			return e.Kind == node.EventHead && e.Height >= height
		})
	}
}

func TestNetwork_FourNodesConverge(t *testing.T) {
	t.Parallel()
	var nodes []*testNode
	for i := 1; i <= 4; i++ {
		c := testConfig(t, i)
		c.Mine = testRate / 4
		for _, n := range nodes {
			c.Peers = append(c.Peers, n.peerAddr())
		}
		nodes = append(nodes, startNode(t, c))
	}
	for _, a := range nodes {
		for _, b := range nodes {
			if a != b {
				a.waitPeer(b.id)
			}
		}
	}
	waitHeight(t, 6, nodes...)
	// With six confirmations and a delay far below the interval, all nodes must have the same block.
	var want api.Block
	nodes[0].call("GET", "/v1/blocks/1", nil, &want)
	for _, n := range nodes[1:] {
		var got api.Block
		if code := n.call("GET", "/v1/blocks/1", nil, &got); code != 200 || got.Hash != want.Hash {
			t.Errorf("block 1: status %d, %s, want %s", code, got.Hash, want.Hash)
		}
	}
}

func TestNetwork_TransactionOverHTTP(t *testing.T) {
	t.Parallel()
	c1 := testConfig(t, 1)
	n1 := startNode(t, c1)
	c2 := testConfig(t, 2)
	c2.Mine = testRate
	c2.Peers = []node.PeerAddr{n1.peerAddr()}
	n2 := startNode(t, c2)
	n1.waitPeer(n2.id)

	// Node 1 does not mine: the transaction must reach node 2 and come back in a block.
	genesis := testGenesis.Block().Hash()
	tx := chain.Tx{To: testKey(2).Address(), Amount: 7, Fee: 1}
	testKey(1).Sign(genesis, &tx)
	var sent api.Submitted
	if code := n1.call("POST", "/v1/transactions", tx, &sent); code != 202 || sent.ID != tx.ID() {
		t.Fatalf("submit: status %d, %+v", code, sent)
	}
	for {
		var st api.TxStatus
		n1.call("GET", "/v1/transactions/"+sent.ID.String(), nil, &st)
		if st.Status == node.TxIncluded {
			break
		}
		n1.waitNew("head", func(e node.Event) bool { return e.Kind == node.EventHead })
	}
	var a api.Account
	n1.call("GET", "/v1/accounts/"+testKey(1).Address().String(), nil, &a)
	if a.Nonce != 1 || a.Balance >= 1_000_000 {
		t.Errorf("account after the transfer: %+v", a)
	}
}

// TestConnections_SimultaneousDials has two nodes that are configured to dial each other.
func TestConnections_SimultaneousDials(t *testing.T) {
	for i := range 5 {
		ports := freePorts(t, 2)
		c1, c2 := testConfig(t, 1), testConfig(t, 2)
		c1.Listen, c2.Listen = ports[0], ports[1]
		c1.Peers = []node.PeerAddr{{ID: testKey(2).Address(), Addr: c2.Listen}}
		c2.Peers = []node.PeerAddr{{ID: testKey(1).Address(), Addr: c1.Listen}}
		n1, n2 := startNode(t, c1), startNode(t, c2)
		n1.waitPeer(n2.id)
		n2.waitPeer(n1.id)
		n1.cancelAndCheck(t, i)
		n2.stop()
	}
}

// cancelAndCheck stops a node and checks that it had one peer, once.
func (n *testNode) cancelAndCheck(t *testing.T, round int) {
	t.Helper()
	var p struct {
		Peers []api.Peer `json:"peers"`
	}
	n.call("GET", "/v1/peers", nil, &p)
	n.stop()
	if up, down := n.count(node.EventPeerUp), n.count(node.EventPeerDown); len(p.Peers) != 1 || up != 1 || down > 1 {
		t.Errorf("round %d: %d peers, %d peer_up, %d peer_down before the stop", round, len(p.Peers), up, down)
	}
}

func freePorts(t *testing.T, n int) []string {
	t.Helper()
	var addrs []string
	for range n {
		l := must.Get(net.Listen("tcp", "127.0.0.1:0"))(t)
		defer l.Close()
		addrs = append(addrs, l.Addr().String())
	}
	return addrs
}

// TestRun_ClosesFiles runs nodes several times and counts the open files of this process. TestMain checks goroutines.
func TestRun_ClosesFiles(t *testing.T) {
	open := func() int {
		files, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip("open files cannot be counted here:", err)
		}
		return len(files)
	}
	c1, c2 := testConfig(t, 1), testConfig(t, 2)
	round := func() {
		n1 := startNode(t, c1)
		c2.Peers = []node.PeerAddr{n1.peerAddr()}
		n2 := startNode(t, c2)
		n2.waitPeer(n1.id)
		n1.call("GET", "/healthz", nil, nil)
		n2.stop()
		n1.stop()
	}
	round() // the first opens files that stay open, such as the poller
	before := open()
	for range 3 {
		round()
	}
	if after := open(); after > before {
		t.Errorf("%d open files, %d before", after, before)
	}
}

// TestConnections_PeerReturns stops a peer and starts it again at the same address. The other node must redial it.
func TestConnections_PeerReturns(t *testing.T) {
	t.Parallel()
	c1, c2 := testConfig(t, 1), testConfig(t, 2)
	c2.Listen = freePorts(t, 1)[0]
	c1.Peers = []node.PeerAddr{{ID: testKey(2).Address(), Addr: c2.Listen}}
	n1, n2 := startNode(t, c1), startNode(t, c2)
	n1.waitPeer(n2.id)
	n2.stop()
	n1.waitNew("peer_down", func(e node.Event) bool { return e.Kind == node.EventPeerDown })
	startNode(t, c2)
	n1.waitNew("peer_up", func(e node.Event) bool { return e.Kind == node.EventPeerUp && *e.Peer == n2.id })
}
