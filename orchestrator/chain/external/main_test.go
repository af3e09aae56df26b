package external

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/testnets"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// plain is a chain file whose nodes speak as toy does.
const plain = `
name: toy
description: A chain for tests.
image: {ref: "toy:1"}
keys: {account: secp256k1, salt: random}
start:
  args: [run, {for: peers, arg: "--peer={{.Peer.Name}}"}]
ports: {rpc: 7001}
rpc: {kind: jsonrpc2}
calls:
  height: {method: height}
  head: {method: head}
  block: {method: block, params: ["{{int .Height}}"]}
  peers: {method: peers}
  send: {method: send, params: ["{{.Tx}}"]}
  generate: {method: generate}
observe:
  height: {call: height, jq: .}
  head: {call: head, jq: .}
  block: {call: block, hash: .hash, parent: .parent, time: .time, proposer: .by, txs: .txs}
  peers: {call: peers, jq: .}
act:
  submit: {call: send, jq: .id}
  tx: "{{.From.Name}} {{.To.Name}} {{.Amount}} {{.Nonce}}"
  make_block: {call: generate}
facts: {family: pow, quorum: 0, fork_depth: 6}
`

// parse reads a chain file after replacements, given in pairs.
func parse(t testing.TB, src string, replace ...string) *testnets.Chain {
	t.Helper()
	for i := 0; i < len(replace); i += 2 {
		if !strings.Contains(src, replace[i]) {
			t.Fatalf("nothing to replace: %q", replace[i])
		}
		src = strings.Replace(src, replace[i], replace[i+1], 1)
	}
	c, err := testnets.ParseChain("toy.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// network is a ring of n nodes named a, b, c ..., all of which make blocks but the last.
func network(n int) chain.Network {
	net := chain.Network{ID: "test", Seed: 7, Start: time.Unix(1_700_000_000, 0), BlockInterval: 2 * time.Second}
	name := func(i int) faults.NodeID { return faults.NodeID(rune('a' + (i+n)%n)) }
	for i := range n {
		x := chain.Node{ID: name(i), Role: "full", Addr: netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)})}
		if i < n-1 || n == 1 {
			x.Role, x.Mine = "miner", 10
		}
		if n > 1 {
			x.Peers = []faults.NodeID{name(i + 1)}
		}
		if n > 2 {
			x.Peers = append(x.Peers, name(i-1))
		}
		net.Nodes = append(net.Nodes, x)
	}
	return net
}

// fabric carries connections to the testnet's addresses to servers of this process.
type fabric struct {
	transport *http.Transport
	mu        sync.Mutex
	servers   map[string]string // by "10.0.0.1:7001"
}

func newFabric(t testing.TB) *fabric {
	f := &fabric{servers: make(map[string]string)}
	f.transport = &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		f.mu.Lock()
		server, ok := f.servers[addr]
		f.mu.Unlock()
		if !ok {
			return nil, fmt.Errorf("connect to %s: refused", addr)
		}
		return new(net.Dialer).DialContext(ctx, network, server)
	}}
	t.Cleanup(f.transport.CloseIdleConnections)
	return f
}

// serve lets a handler answer for a node.
func (f *fabric) serve(t testing.TB, addr string, h http.Handler) {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.servers[addr] = s.Listener.Addr().String()
}

// image is what tools that only make images do.
type image struct{ Containers }

func (image) BuildImage(context.Context, runtime.ImageSource, func(string)) (string, error) {
	return "sha256:1", nil
}

// world is a prepared chain whose nodes are toys.
type world struct {
	*Chain
	t    *testing.T
	toys []*toy
}

// newWorld starts n toys under a chain file.
func newWorld(t *testing.T, n int, file *testnets.Chain) *world {
	t.Helper()
	f := newFabric(t)
	w := &world{Chain: New(file, image{}, f.transport, nil), t: t}
	net := network(n)
	for _, x := range net.Nodes {
		y := &toy{chain: []string{"g"}, by: make(map[string]string), calls: make(map[string]int)}
		w.toys = append(w.toys, y)
		f.serve(t, x.Addr.String()+":7001", y)
	}
	if _, err := w.Prepare(t.Context(), net); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.CloseIdleConnections)
	return w
}

// look returns a node's news in short.
func (w *world) look(id faults.NodeID) string {
	w.t.Helper()
	events, err := w.poll(w.t.Context(), id)
	if err != nil && !errors.Is(err, chain.ErrMoreBlocks) {
		w.t.Fatalf("look at %s: %v", id, err)
	}
	return brief(events)
}
