package native

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/node/behavior"
	nodechain "github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/trace"
	"github.com/netsplit/netsplit/testnets/scenario"
)

func network() chain.Network {
	return chain.Network{
		ID: "test", Seed: 7, Start: time.Unix(1_700_000_000, 0), BlockInterval: time.Second, Relay: "flood", MaxPeers: 8,
		Nodes: []chain.Node{
			{ID: "miner-1", Role: "miner", Addr: netip.MustParseAddr("10.0.0.10"), Mine: 100, Peers: []faults.NodeID{"full-1"}},
			{ID: "full-1", Role: "full", Addr: netip.MustParseAddr("10.0.0.11"), Peers: []faults.NodeID{"miner-1"}},
		},
	}
}

func prepare(t *testing.T, rt http.RoundTripper) (*Chain, chain.Prepared) {
	t.Helper()
	c := New(rt)
	p := must.Get(c.Prepare(context.Background(), network()))(t)
	return c, p
}

func TestPrepareIsRepeatable(t *testing.T) {
	_, a := prepare(t, nil)
	_, b := prepare(t, nil)
	if diff := cmp.Diff(a, b); diff != "" {
		t.Error(diff)
	}
	other := network()
	other.Seed = 8
	p := must.Get(New(nil).Prepare(context.Background(), other))(t)
	if p.Nodes[0].Account == a.Nodes[0].Account {
		t.Error("two seeds gave one key")
	}
}

func TestPrepare_Adversaries(t *testing.T) {
	if d := cmp.Diff(behavior.Kinds(), scenario.AdversaryKinds); d != "" {
		t.Errorf("what scenarios can say, and what nodes can do: %s", d)
	}
	net := network()
	net.Nodes[1].Adversary = []string{"replay"}
	last := net.Nodes[1]
	last.ID = "bad-2"
	net.Nodes = append(net.Nodes, last)
	c := New(nil)
	p := must.Get(c.Prepare(context.Background(), net))(t)
	var cfg node.Config
	must.Do(t, json.Unmarshal(p.Nodes[2].Files[configPath], &cfg))
	if d := cmp.Diff(&node.Adversary{Kinds: []string{"replay"}, First: 1}, cfg.Adversary); d != "" {
		t.Error(d)
	}
	if _, _, ok := c.ParseLog("full-1", []byte(`{"ev":"head","hash":"`+strings.Repeat("0", 64)+`"}`)); ok {
		t.Error("what an adversary says is an event")
	}
	e, _, ok := c.ParseLog("full-1", []byte(`{"ev":"attack","attack":"replay","want":"ban"}`))
	if !ok || e.Attack.Kind != "replay" || e.Attack.Want != "ban" {
		t.Errorf("%+v", e)
	}
}

func TestPrepareWritesConfigurationsThatAgree(t *testing.T) {
	c, p := prepare(t, nil)
	var first node.Config
	for i, n := range p.Nodes {
		var cfg node.Config
		must.Do(t, json.Unmarshal(n.Files[configPath], &cfg))
		if i == 0 {
			first = cfg
		}
		if diff := cmp.Diff(first.Genesis, cfg.Genesis); diff != "" {
			t.Errorf("node %d has another genesis: %s", i, diff)
		}
		if got := cfg.Genesis.Block().Hash(); got != c.genesis {
			t.Errorf("genesis %s, want %s", got, c.genesis)
		}
	}
	key, ok := c.Key("full-1")
	if !ok || len(first.Peers) != 1 || first.Peers[0].ID != key.Address() || first.Peers[0].Addr != "10.0.0.11:4001" {
		t.Errorf("miner-1 has peers %v", first.Peers)
	}
}

func TestPrepareRefusesANetworkWithoutMiners(t *testing.T) {
	net := network()
	net.Nodes[0].Mine = 0
	if _, err := New(nil).Prepare(context.Background(), net); err == nil || !strings.Contains(err.Error(), "no node mines") {
		t.Errorf("error %v", err)
	}
}

func TestParseLog(t *testing.T) {
	c, _ := prepare(t, nil)
	key, _ := c.Key("full-1")
	h := strings.Repeat("ab", 32)
	at := time.Unix(5, 6)
	for _, tt := range []struct {
		line string
		want trace.Event
	}{
		{`{"t":5000000006,"ev":"head","hash":"` + h + `","height":3,"old":"` + h + `","dropped":2}`,
			trace.Event{Kind: trace.KindHead, Head: &trace.Head{Hash: trace.Hash(h), Height: 3, Old: trace.Hash(h), Dropped: 2}}},
		{`{"t":5000000006,"ev":"start","hash":"` + h + `"}`,
			trace.Event{Kind: trace.KindHead, Head: &trace.Head{Hash: trace.Hash(h), Restored: true}}},
		{`{"t":5000000006,"ev":"block","hash":"` + h + `","parent":"` + h + `","height":1,"peer":"` + key.Address().String() + `"}`,
			trace.Event{Kind: trace.KindSeen, Seen: &trace.Seen{Hash: trace.Hash(h), Parent: trace.Hash(h), Height: 1, From: "full-1"}}},
		{`{"t":5000000006,"ev":"peer_down","peer":"` + strings.Repeat("07", 32) + `","reason":"x"}`,
			trace.Event{Kind: trace.KindPeer, Peer: &trace.Peer{Peer: "unknown-07070707", Reason: "x"}}},
	} {
		got, when, ok := c.ParseLog("miner-1", []byte(tt.line))
		tt.want.Node = "miner-1"
		if !ok || !when.Equal(at) {
			t.Errorf("%s: ok %v at %v", tt.line, ok, when)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", tt.line, diff)
		}
	}
	for _, line := range []string{"", "panic: oh no", "{", `{"t":1,"ev":"block"}`, `{"t":1,"ev":"stop"}`, `{"ev":"head","hash":"zz"}`} {
		if e, _, ok := c.ParseLog("miner-1", []byte(line)); ok {
			t.Errorf("%q parsed as %+v", line, e)
		}
	}
}

// answers is a node that answers every path with one text.
type answers map[string]string

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) {
	text, ok := a[r.Method+" "+r.URL.Path]
	code := http.StatusOK
	if !ok {
		code, text = http.StatusNotFound, `{"error":"no such thing"}`
	}
	return &http.Response{StatusCode: code, Body: io.NopCloser(strings.NewReader(text)), Request: r}, nil
}

func TestClientRefusals(t *testing.T) {
	h := strings.Repeat("cd", 32)
	c, _ := prepare(t, answers{
		"GET /v1/status":      `{`,
		"GET /v1/blocks/" + h: fmt.Sprintf(`{"hash":%q}`, strings.Repeat("ef", 32)),
	})
	client := c.Client("miner-1")
	if _, err := client.Status(context.Background()); err == nil || !strings.Contains(err.Error(), "undecodable") {
		t.Errorf("status: %v", err)
	}
	if _, err := client.Block(context.Background(), trace.Hash(h)); err == nil || !strings.Contains(err.Error(), "requested block") {
		t.Errorf("block: %v", err)
	}
	_, err := client.Transfer(context.Background(), "full-1", 1)
	var refused *RefusedError
	if !errors.As(err, &refused) || refused.Code != http.StatusNotFound || refused.Reason != "no such thing" {
		t.Errorf("transfer: %v", err)
	}
	if _, err := client.Transfer(context.Background(), "nobody", 1); err == nil {
		t.Error("a transfer to nobody was accepted")
	}
	if _, err := c.Client("nobody").Status(context.Background()); err == nil {
		t.Error("a node that is not there answered")
	}
}

func TestTransferSignsForThisNetwork(t *testing.T) {
	rec := &recordPost{answers: answers{
		"POST /v1/transactions": `{"id":"aa"}`,
	}}
	c, _ := prepare(t, rec)
	key, _ := c.Key("miner-1")
	rec.answers["GET /v1/accounts/"+key.Address().String()] = `{"next_nonce":4}`
	must.Get(c.Client("miner-1").Transfer(context.Background(), "full-1", 9))(t)
	var tx nodechain.Tx
	must.Do(t, json.Unmarshal(rec.body, &tx))
	if tx.Nonce != 4 || tx.Amount != 9 || !tx.Verify(c.genesis) {
		t.Errorf("sent %+v", tx)
	}
}

// recordPost keeps the last body that was posted.
type recordPost struct {
	answers
	body []byte
}

func (r *recordPost) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		var err error
		if r.body, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
	}
	return r.answers.RoundTrip(req)
}
