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

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/orchestrator/trace"
	"github.com/netsplit/netsplit/testnets/chainspec"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// plain is a chain file whose nodes speak as fakeNode does.
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
func parse(t testing.TB, src string, replace ...string) *chainspec.Chain {
	t.Helper()
	for i := 0; i < len(replace); i += 2 {
		if !strings.Contains(src, replace[i]) {
			t.Fatalf("nothing to replace: %q", replace[i])
		}
		src = strings.Replace(src, replace[i], replace[i+1], 1)
	}
	c := must.Get(chainspec.Parse("toy.yaml", []byte(src)))(t)
	return c
}

// ring is a network of n nodes named a, b, c ..., all of which make blocks but the last.
func ring(n int) chain.Network {
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

// harness is a prepared chain whose nodes are fake nodes.
type harness struct {
	*Chain
	t     *testing.T
	fakes []*fakeNode
}

// newHarness starts n fake nodes under a chain file.
func newHarness(t *testing.T, n int, file *chainspec.Chain) *harness {
	t.Helper()
	f := newFabric(t)
	w := &harness{Chain: New(file, image{}, f.transport, nil), t: t}
	net := ring(n)
	for _, x := range net.Nodes {
		y := &fakeNode{chain: []string{"g"}, by: make(map[string]string), calls: make(map[string]int)}
		w.fakes = append(w.fakes, y)
		f.serve(t, x.Addr.String()+":7001", y)
	}
	must.Get(w.Prepare(t.Context(), net))(t)
	t.Cleanup(w.CloseIdleConnections)
	return w
}

// polled returns the events of a poll in short.
func (w *harness) polled(id faults.NodeID) string {
	w.t.Helper()
	events, err := w.poll(w.t.Context(), id)
	if err != nil && !errors.Is(err, chain.ErrMoreBlocks) {
		w.t.Fatalf("poll %s: %v", id, err)
	}
	return brief(events)
}

func TestAssignProducers(t *testing.T) {
	tests := []struct {
		facts string // added
		nodes int    // of which all but the last have power 10
		want  string // power of each
		note  string
	}{
		{"", 5, "10 10 10 10 0", ""},
		{", votes: equal", 4, "1 1 1 0", ""},
		{", votes: all", 4, "1 1 1 1", ""},
		{", max_producers: 3", 4, "10 10 10 0", ""},
		{", max_producers: 3", 5, "10 10 10 0 0", "3 of the 4 nodes that could make blocks do: toy has at most so many (facts.max_producers)"},
		{", votes: equal, max_producers: 1", 3, "1 0 0", "1 of the 2 nodes that could make blocks do: toy has at most so many (facts.max_producers)"},
	}
	for _, test := range tests {
		file := parse(t, plain, "fork_depth: 6", "fork_depth: 6"+test.facts)
		given := ring(test.nodes).Nodes
		got, note := New(file, image{}, nil, nil).assignProducers(given)
		var power []string
		for i, n := range got {
			power = append(power, fmt.Sprint(n.Mine))
			if given[i].Mine != ring(test.nodes).Nodes[i].Mine {
				t.Errorf("%q changed the nodes that it was given", test.facts)
			}
		}
		if s := strings.Join(power, " "); s != test.want || note != test.note {
			t.Errorf("%q on %d nodes: power %s, note %q", test.facts, test.nodes, s, note)
		}
	}
}

func TestPrepare_RoundsBlockIntervalUp(t *testing.T) {
	file := parse(t, plain, "fork_depth: 6", "fork_depth: 6, block_interval_step: 1s")
	for requested, want := range map[time.Duration]time.Duration{
		500 * time.Millisecond: time.Second, time.Second: time.Second, 1001 * time.Millisecond: 2 * time.Second,
	} {
		net := ring(2)
		net.BlockInterval = requested
		p := must.Get(New(file, image{}, nil, nil).Prepare(t.Context(), net))(t)
		if p.Facts.BlockInterval != want {
			t.Errorf("requested %v: %v", requested, p.Facts.BlockInterval)
		}
	}
}

func TestPrepare_Facts(t *testing.T) {
	p := must.Get(New(parse(t, plain), image{}, nil, nil).Prepare(t.Context(), ring(2)))(t)
	want := trace.Facts{Name: "toy", File: "toy.yaml", Family: "pow", BlockInterval: 2 * time.Second, ForkDepth: 6, Resolution: 100 * time.Millisecond}
	must.Equal(t, want, p.Facts)
}

func TestAttach_RunsNothing(t *testing.T) {
	w := newHarness(t, 2, parse(t, plain))
	c := Attach(w.file, w.rpc.http.Transport)
	p := must.Get(c.Prepare(t.Context(), ring(2)))(t)
	if len(p.Nodes) != 2 || p.Nodes[0].Account != w.net.nodes[0].account || p.Nodes[0].Args != nil || p.Facts.Name != "toy" {
		t.Errorf("%+v", p)
	}
	if s, err := c.Client("a").Status(t.Context()); err != nil || s.Head != "x-g" || s.Peers != 2 {
		t.Errorf("%+v, %v", s, err)
	}
}

func (w *harness) poller(i int) *poller { return w.nodes[w.net.nodes[i].ID].poller }
