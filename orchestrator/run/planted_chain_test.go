package run_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netsplit/netsplit/faults"
	nodechain "github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/chain/native"
	"github.com/netsplit/netsplit/orchestrator/invariant"
	"github.com/netsplit/netsplit/orchestrator/runtime/sim"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

func TestADeafMinerBreaksAgreement(t *testing.T) {
	planted{
		name: "a miner hears of no block for 40 s and then drops its own",
		scenario: `
name: deaf-miner
seed: 2
nodes:
  - {name: miner, count: 3, mine: 100/s}
  - {name: full, count: 2}
consensus: {pow: {block_interval: 500ms}}
load: [{transfers: 5/s, until: 20s}]
expect: [agreement, validity, convergence, chain_growth, inclusion]
duration: 50s
`,
		bug:   in(deafFor(3*time.Second, 43*time.Second), "miner-1"),
		fails: []string{"agreement"}, code: 1,
		nodes: []trace.NodeID{"miner-1"},
	}.try(t)
	planted{
		name: "a miner never hears of a block, and has another chain at the end",
		scenario: `
name: deaf-miner
nodes: [{name: miner, count: 3, mine: 100/s}]
consensus: {pow: {block_interval: 500ms}}
expect: [agreement]
duration: 40s
settle: 5s
`,
		bug:   in(deafFor(0, time.Hour), "miner-2"),
		fails: []string{"agreement"}, code: 1,
		nodes: []trace.NodeID{"miner-2"},
	}.try(t)
}

func TestADeafNodeBreaksConvergence(t *testing.T) {
	planted{
		name: "a miner that was cut off stays on its own chain for 15 s after the heal",
		scenario: `
name: stubborn
seed: 4
nodes:
  - {name: miner, count: 6, mine: 100/s}
consensus: {pow: {block_interval: 500ms}}
faults: [{at: 3s, for: 10s, partition: {isolate: miner-3}}]
expect: [agreement, validity, {convergence: {within: 12s}}, chain_growth, block_propagation, isolation, fault_accuracy]
duration: 40s
`,
		bug:   in(deafFor(5*time.Second, 30*time.Second), "miner-3"),
		fails: []string{"convergence"}, code: 1,
		nodes: []trace.NodeID{"miner-3"}, windows: []string{"partition-1"},
	}.try(t)
}

func TestIdleMinersBreakGrowth(t *testing.T) {
	planted{
		name: "all miners stop",
		scenario: `
name: idle
seed: 5
nodes:
  - {name: miner, count: 2, mine: 100/s}
  - {name: full, count: 2}
consensus: {pow: {block_interval: 500ms}}
expect: [agreement, validity, convergence, chain_growth, block_propagation]
duration: 60s
settle: 15s
`,
		bug:   in(idleFrom(6*time.Second), "miner-1", "miner-2"),
		fails: []string{"chain_growth"}, code: 1,
		vacuous: []string{"convergence"}, // they have the head that they had
		nodes:   []trace.NodeID{"miner-1", "miner-2"},
	}.try(t)
	planted{
		name: "the miners of one side stop while the network is cut",
		scenario: `
name: idle-side
seed: 5
nodes:
  - {name: miner, count: 4, mine: 100/s}
consensus: {pow: {block_interval: 500ms}}
faults: [{at: 2s, for: 40s, partition: {groups: [[miner-1, miner-2], [miner-3, miner-4]]}}]
expect: [agreement, validity, chain_growth, isolation, fault_accuracy]
duration: 44s
`,
		bug:   in(idleFrom(2*time.Second), "miner-3", "miner-4"),
		fails: []string{"chain_growth"}, code: 1,
		nodes: []trace.NodeID{"miner-3", "miner-4"}, windows: []string{"partition-1"},
	}.try(t)
}

// line is a testnet in which every block passes through full-1.
const line = `
name: line
seed: 6
nodes:
  - {name: miner, mine: 100/s}
  - {name: full, count: 3}
topology: {line: , peer_exchange: false}
consensus: {pow: {block_interval: 1s}}
`

func TestARelayThatHoldsBlocksBackBreaksPropagation(t *testing.T) {
	planted{
		name:     "a node passes announcements on after 3 s",
		scenario: line + "expect: [agreement, validity, convergence, chain_growth, {block_propagation: {p95: 1s}}]\nduration: 30s\n",
		bug:      in(slowBy(3*time.Second), "full-1"),
		fails:    []string{"block_propagation"}, code: 1,
	}.try(t)
	planted{
		name:     "a node passes no block on",
		scenario: line + "expect: [agreement, validity, {block_propagation: {window: 4s}}]\nduration: 20s\nsettle: 2s\n",
		bug:      in(muteFrom(5*time.Second), "full-1"),
		fails:    []string{"block_propagation"}, code: 1,
		nodes: []trace.NodeID{"full-2", "full-3"},
	}.try(t)
}

func TestCensorsBreakInclusion(t *testing.T) {
	var c *native.Chain
	hated := func() nodechain.Address {
		key, _ := c.Key("full-2")
		return key.Address()
	}
	b := in(func(m sim.Machine) sim.Machine { return censor{m, hated} }, "miner-1", "miner-2", "miner-3")
	b.chain = func(own *native.Chain, _ http.RoundTripper) chain.Chain {
		c = own
		return own
	}
	p := planted{
		name: "all miners leave one account's transfers out",
		scenario: `
name: censors
seed: 7
nodes:
  - {name: miner, count: 3, mine: 100/s}
  - {name: full, count: 2}
consensus: {pow: {block_interval: 500ms}}
load: [{transfers: 10/s, until: 15s}]
expect: [agreement, validity, convergence, chain_growth, block_propagation, inclusion]
duration: 25s
`,
		bug:   b,
		fails: []string{"inclusion"}, code: 1,
		nodes: []trace.NodeID{"full-2"},
	}
	p.try(t)
	rep, err := p.bug.run(t, p.scenario)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range result(t, rep, "inclusion").Evidence {
		if len(e.Nodes) != 1 || e.Nodes[0] != "full-2" {
			t.Errorf("a transfer of %v is said to be lost", e.Nodes)
		}
	}
}

// forger is a client that submits transfers which nobody signed.
type forger struct {
	*native.Client
	http  *http.Client
	chain *native.Chain
	self  faults.NodeID
}

func (f forger) Transfer(ctx context.Context, to faults.NodeID, amount uint64) (trace.Hash, error) {
	from, _ := f.chain.Key(f.self)
	dest, _ := f.chain.Key(to)
	account, err := f.Account(ctx, from.Address())
	if err != nil {
		return "", err
	}
	tx := nodechain.Tx{From: from.Address(), To: dest.Address(), Amount: nodechain.Amount(amount), Fee: 1, Nonce: account.NextNonce}
	body, err := json.Marshal(tx)
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, f.URL()+"/v1/transactions", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	resp, err := f.http.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= http.StatusBadRequest {
		err = fmt.Errorf("refused: %s", text)
	}
	return trace.Hash(tx.ID().String()), err
}

// forging is a chain of which some nodes' clients forge.
type forging struct {
	*native.Chain
	http  *http.Client
	nodes []faults.NodeID
}

func (f forging) Client(id faults.NodeID) chain.Client {
	c := f.Chain.Client(id)
	if !slices.Contains(f.nodes, id) {
		return c
	}
	return forger{c.(*native.Client), f.http, f.Chain, id}
}

const forged = `
name: forged
seed: 8
nodes:
  - {name: miner, count: 2, mine: 100/s}
  - {name: full, count: 2}
consensus: {pow: {block_interval: 500ms}}
load: [{transfers: 4/s, until: 8s}]
expect: [agreement, validity, convergence, chain_growth, inclusion]
duration: 15s
`

func TestNodesThatCheckNoSignaturesBreakValidity(t *testing.T) {
	forge := func(c *native.Chain, transport http.RoundTripper) chain.Chain {
		return forging{c, &http.Client{Transport: transport}, []faults.NodeID{"full-1"}}
	}
	planted{
		name: "forged transfers come onto the chain", scenario: forged,
		bug: bug{
			memo:  nodechain.NewMemoVerifying(func(nodechain.Hash, *nodechain.Tx) bool { return true }),
			chain: forge,
		},
		fails: []string{"validity"}, code: 1,
	}.try(t)
	t.Run("forged transfers do not come onto the chain of good nodes", func(t *testing.T) {
		rep, err := bug{chain: forge}.run(t, forged)
		if err != nil {
			t.Fatal(err)
		}
		holds(t, rep)
		if rep.Summary.Txs.Refused == 0 {
			t.Error("no transfer was refused: none was forged")
		}
	})
}

func TestAPanicIsACrash(t *testing.T) {
	const scenario = `
name: brittle
nodes:
  - {name: miner, count: 2, mine: 100/s}
  - {name: full, count: 2}
consensus: {pow: {block_interval: 500ms}}
expect: [agreement, no_crash]
duration: 20s
`
	rep, err := in(func(m sim.Machine) sim.Machine { return brittle{m, 10 * time.Second} }, "full-2").run(t, scenario)
	tail := died(t, err, "full-2", "run", "panic: index out of range [7] with length 7")
	if !strings.Contains(tail, "goroutine") {
		t.Errorf("the node's last lines are no stack: %s", tail)
	}
	planted{fails: []string{"no_crash"}, code: invariant.ExitInfrastructure, nodes: []trace.NodeID{"full-2"}}.check(t, rep)
	if !strings.Contains(rep.Error, "run node full-2: panic") {
		t.Errorf("the run ended with %q", rep.Error)
	}
	rep, err = bug{}.run(t, scenario)
	if err != nil {
		t.Fatal(err)
	}
	holds(t, rep)
}
