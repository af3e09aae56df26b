package run_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/chain/native"
	"github.com/netsplit/netsplit/orchestrator/invariant"
	"github.com/netsplit/netsplit/testnets"
)

// A run in which nothing happened shows nothing. It must not pass, whatever was asked of it.
func TestARunInWhichNothingHappensNeverPasses(t *testing.T) {
	const nobody = `
name: nothing
nodes: [{name: miner, count: 3, mine: 100/s}]
consensus: {pow: {block_interval: 500ms}}
settle: 2s
`
	const lonely = `
name: lonely
nodes: [{name: miner, mine: 100/s}]
consensus: {pow: {block_interval: 500ms}}
duration: 40s
`
	// A line whose ends are cut from each other: they have no link, and whatever is cut between them changes nothing.
	const ends = `
name: ends
nodes: [{name: miner, count: 3, mine: 100/s}]
topology: {line: , peer_exchange: false}
consensus: {pow: {block_interval: 500ms}}
faults: [{at: 2s, for: 4s, partition: {one_way: {from: miner-1, to: miner-3}}}]
duration: 10s
`
	idle := in(idleFrom(0), "miner-1", "miner-2", "miner-3")
	all := "expect: [agreement, validity, convergence, chain_growth, block_propagation, inclusion, isolation, fault_accuracy, no_crash]\n"
	for _, c := range []struct {
		name     string
		scenario string
		bug      bug
		want     invariant.Verdict
		vacuous  string // an invariant that must be vacuous
	}{
		{"nobody mines, nothing is asked", nobody + "duration: 5s\n", idle, invariant.Vacuous, "agreement"},
		{"nobody mines, agreement is asked", nobody + "duration: 5s\nexpect: [agreement]\n", idle, invariant.Vacuous, "agreement"},
		{"nobody mines, all is asked of a short run", nobody + "duration: 5s\n" + all, idle, invariant.Vacuous, "validity"},
		{"nobody mines, all is asked of a long run", nobody + "duration: 40s\n" + all, idle, invariant.Fail, "convergence"},
		{"one node, nothing is asked", lonely, bug{}, invariant.Vacuous, "agreement"},
		{"one node, what it can do alone is asked", lonely + "expect: [chain_growth, validity]\n", bug{}, invariant.Vacuous, "agreement"},
		{"one node, all is asked", lonely + all, bug{}, invariant.Vacuous, "block_propagation"},
		{"a cut that keeps nobody apart", ends + "expect: [isolation]\n", bug{}, invariant.Vacuous, "isolation"},
		{"no fault", nobody + "duration: 5s\nexpect: [fault_accuracy]\n", bug{}, invariant.Vacuous, "fault_accuracy"},
		{"no load", nobody + "duration: 10s\nexpect: [agreement, inclusion]\n", bug{}, invariant.Vacuous, "inclusion"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rep, err := c.bug.run(t, c.scenario)
			if err != nil {
				t.Fatal(err)
			}
			if rep.Verdict != c.want || rep.ExitCode(true) == invariant.ExitPass {
				t.Errorf("over all %s, exit code %d: want %s and not 0", rep.Verdict, rep.ExitCode(true), c.want)
			}
			if r := result(t, rep, c.vacuous); r.Verdict != invariant.Vacuous || r.Reason == "" {
				t.Errorf("%s: %s (%s), want VACUOUS", r.Invariant, r.Verdict, r.Reason)
			}
			for _, r := range rep.Results {
				if r.Verdict == invariant.Pass && rep.Summary.Blocks == 0 {
					t.Errorf("%s: PASS without a block", r.Invariant)
				}
			}
		})
	}
}

// A load whose transfers are all refused is no load.
func TestALoadThatIsRefusedNeverPasses(t *testing.T) {
	rep, err := bug{chain: func(c *native.Chain, transport http.RoundTripper) chain.Chain {
		return forging{c, &http.Client{Transport: transport}, []faults.NodeID{"miner-1", "miner-2", "full-1", "full-2"}}
	}}.run(t, forged)
	if err != nil {
		t.Fatal(err)
	}
	if r := result(t, rep, "inclusion"); r.Verdict != invariant.Vacuous && r.Verdict != invariant.Unknown || r.Reason == "" {
		t.Errorf("inclusion %s (%s)", r.Verdict, r.Reason)
	}
	if rep.Verdict == invariant.Pass || rep.ExitCode(true) == invariant.ExitPass {
		t.Errorf("over all %s, exit code %d", rep.Verdict, rep.ExitCode(true))
	}
	if rep.Summary.Txs.Submitted != 0 || rep.Summary.Txs.Refused == 0 {
		t.Errorf("%d transfers were accepted and %d refused", rep.Summary.Txs.Submitted, rep.Summary.Txs.Refused)
	}
}

// A fault on links or nodes that are not there is refused before anything starts.
func TestAFaultOnNothingIsRefused(t *testing.T) {
	for name, fault := range map[string]string{
		"the only node has no links":        "latency: {delay: 5ms}",
		"nobody to be cut from":             "partition: {isolate: miner-1}",
		"a link to itself":                  "latency: {delay: 5ms, between: [miner-1, miner-1]}",
		"a node that is not there":          "kill: miner-2",
		"all nodes on one side of the cut":  "partition: {one_way: {from: miner}}",
		"a start of something that is down": "resume: miner-1",
	} {
		_, err := testnets.Parse("test.yaml", []byte(`
name: nothing
nodes: [{name: miner, mine: 100/s}]
faults: [{at: 1s, `+fault+`}]
duration: 5s
`))
		var bad *testnets.Error
		if !errors.As(err, &bad) || bad.Pos.Line != 4 {
			t.Errorf("%s: error %v, want a *testnets.Error in line 4", name, err)
		}
	}
}
