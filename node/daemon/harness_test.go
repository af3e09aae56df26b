package daemon

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/consensus/pow"
)

// waitLimit bounds every wait of these tests; reaching it is a failure.
const waitLimit = 60 * time.Second

// testRate is the total rate of all miners of a test, in attempts per second.
const testRate = 200

var testGenesis = func() chain.Genesis {
	g := chain.Genesis{Network: "daemon-test", Time: 1_700_000_000_000, Interval: 300, HalfLife: 3_600_000,
		Bits: pow.InitialBits(testRate, 300), Subsidy: 50}
	for i := range 4 {
		g.Alloc = append(g.Alloc, chain.Alloc{Address: testKey(i + 1).Address(), Amount: 1_000_000})
	}
	slices.SortFunc(g.Alloc, func(a, b chain.Alloc) int { return bytes.Compare(a.Address[:], b.Address[:]) })
	return g
}()

func testSeed(i int) string { return fmt.Sprintf("%064x", i) }

func testKey(i int) chain.Key {
	k, err := chain.KeyFromSeed(testSeed(i))
	if err != nil {
		panic(err)
	}
	return k
}

// testConfig is the configuration of node i, from 1, on loopback.
func testConfig(t testing.TB, i int) node.Config {
	return node.Config{
		Name: fmt.Sprintf("n%d", i), Genesis: testGenesis, Key: testSeed(i), Relay: "inventory", MaxPeers: 8, Seed: 1,
		Listen: "127.0.0.1:0", API: "127.0.0.1:0", Data: filepath.Join(t.TempDir(), "data"),
	}
}

// testNode is a node that runs in the test's process.
type testNode struct {
	t      testing.TB
	id     chain.PeerID
	addrs  addrs
	cancel context.CancelFunc
	result chan error
	lines  chan node.Event
	seen   []node.Event
	http   *http.Client
}

// startNode runs a node until the test ends or stop is called.
func startNode(t testing.TB, cfg node.Config) *testNode {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	self := must.Get(newIdentity(cfg.Key))(t)
	n := &testNode{t: t, id: self.id, cancel: cancel, result: make(chan error, 1),
		lines: make(chan node.Event, 1<<16), http: &http.Client{Transport: &http.Transport{}, Timeout: waitLimit}}
	r, w := io.Pipe()
	ready := make(chan addrs, 1)
	go func() {
		err := run(ctx, cfg, w, func(a addrs) { ready <- a })
		w.Close()
		n.result <- err
	}()
	go n.scan(r)
	select {
	case n.addrs = <-ready:
	case err := <-n.result:
		t.Fatalf("start %s: %v", cfg.Name, err)
	}
	t.Cleanup(func() { n.stop() })
	return n
}

func (n *testNode) scan(r io.Reader) {
	defer close(n.lines)
	s := bufio.NewScanner(r)
	for s.Scan() {
		var e node.Event
		if err := json.Unmarshal(s.Bytes(), &e); err != nil {
			n.t.Errorf("event line %q: %v", s.Bytes(), err)
			continue
		}
		n.lines <- e
	}
}

// stop stops the node and returns what run returned; seen holds all events then.
func (n *testNode) stop() error {
	if n.cancel == nil {
		return nil
	}
	n.cancel()
	n.cancel = nil
	err := <-n.result
	if err != nil {
		n.t.Errorf("run %x: %v", n.id[:4], err)
	}
	for e := range n.lines {
		n.seen = append(n.seen, e)
	}
	n.http.CloseIdleConnections()
	return err
}

// wait returns the first event, old or new, for which want is true.
func (n *testNode) wait(what string, want func(node.Event) bool) node.Event {
	n.t.Helper()
	for _, e := range n.seen {
		if want(e) {
			return e
		}
	}
	return n.waitNew(what, want)
}

// waitNew is wait without the events that were read before.
func (n *testNode) waitNew(what string, want func(node.Event) bool) node.Event {
	n.t.Helper()
	limit := time.NewTimer(waitLimit)
	defer limit.Stop()
	for {
		select {
		case e, ok := <-n.lines:
			if !ok {
				n.t.Fatalf("node %x ended before %s", n.id[:4], what)
			}
			n.seen = append(n.seen, e)
			if want(e) {
				return e
			}
		case <-limit.C:
			n.t.Fatalf("node %x: no %s in %v", n.id[:4], what, waitLimit)
		}
	}
}

func (n *testNode) waitPeer(id chain.PeerID) {
	n.t.Helper()
	n.wait(fmt.Sprintf("peer_up %x", id[:4]), func(e node.Event) bool { return e.Kind == node.EventPeerUp && *e.Peer == id })
}

// count counts events of a kind among those read so far.
func (n *testNode) count(kind node.EventKind) int {
	c := 0
	for _, e := range n.seen {
		if e.Kind == kind {
			c++
		}
	}
	return c
}

// call makes a request to the API, decodes the answer into out, if not nil, and returns the HTTP status.
func (n *testNode) call(method, path string, body, out any) int {
	n.t.Helper()
	var text io.Reader
	if body != nil {
		b := must.Get(json.Marshal(body))(n.t)
		text = bytes.NewReader(b)
	}
	req := must.Get(http.NewRequestWithContext(n.t.Context(), method, "http://"+n.addrs.api+path, text))(n.t)
	resp, err := n.http.Do(req)
	if err != nil {
		n.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		n.t.Fatalf("%s %s: %v", method, path, err)
	}
	if out != nil {
		if err := json.Unmarshal(answer, out); err != nil {
			n.t.Fatalf("%s %s: %q: %v", method, path, answer, err)
		}
	}
	return resp.StatusCode
}

// peerAddr is the identity and address of the node for its peers.
func (n *testNode) peerAddr() node.PeerAddr { return node.PeerAddr{ID: n.id, Addr: n.addrs.peers} }
