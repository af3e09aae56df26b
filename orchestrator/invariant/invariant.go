package invariant

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/netsplit/netsplit/orchestrator/invariant/replay"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// Verdict is the judgement of one invariant.
type Verdict string

// The verdicts.
const (
	Pass          Verdict = "PASS"           // judged, and held
	Fail          Verdict = "FAIL"           // violated
	Unknown       Verdict = "UNKNOWN"        // could not be judged
	Vacuous       Verdict = "VACUOUS"        // nothing in the run could have violated it
	NotApplicable Verdict = "NOT APPLICABLE" // no run of this chain can show it; it does not count
)

// Result is a verdict with its figures and evidence.
type Result struct {
	Invariant string  `json:"invariant"`
	Class     Class   `json:"class"`
	Verdict   Verdict `json:"verdict"`
	// Expected is true when the scenario lists it under `expect:`, false when it is judged in every run.
	Expected bool `json:"expected"`
	// Figure is what was measured, with its count: "slowest of 2 recoveries: 1.56s". Bound is what was allowed: "at most 30s".
	Figure string `json:"figure"`
	Bound  string `json:"bound"`
	// Reason says why, for every verdict but PASS. That of a FAIL is the first violation.
	Reason string `json:"reason,omitempty"`
	// Evidence holds the worst violations, the worst first, at most MaxEvidence.
	Evidence []Evidence `json:"evidence,omitempty"`
	// Metrics are the figures behind the verdict for programs, by name: "p95_seconds".
	Metrics map[string]float64 `json:"metrics,omitempty"`
	// Timed is true for a FAIL that a late machine or a wrong clock could cause. Those of liveness always could.
	Timed bool `json:"timed,omitempty"`
}

// MaxEvidence is the most pieces of evidence that a Result keeps.
const MaxEvidence = 5

// Evidence is one violation.
type Evidence struct {
	At     time.Duration  `json:"at"`
	Nodes  []trace.NodeID `json:"nodes,omitempty"`
	Blocks []trace.Hash   `json:"blocks,omitempty"`
	// Windows are the ids of the fault windows that At falls in.
	Windows []string `json:"windows,omitempty"`
	Text    string   `json:"text"`
}

func (r Result) vacuous(reason string) Result { return r.with(Vacuous, reason) }

func (r Result) unknown(reason string) Result { return r.with(Unknown, reason) }

func (r Result) notApplicable(reason string) Result { return r.with(NotApplicable, reason) }

func (r Result) fail(reason string) Result { return r.with(Fail, reason) }

func (r Result) with(v Verdict, reason string) Result {
	r.Verdict, r.Reason = v, reason
	return r
}

// tooSmall says why a run shows nothing about several nodes; empty when it can.
func tooSmall(s *replay.State) string {
	switch {
	case s.Nodes.Honest() < 2:
		return "there is no second node"
	case s.Blocks.Len() < 2:
		return "no block was made"
	}
	return ""
}

// worst keeps the worst violations, the worst first, and of equal ones the earliest.
type worst struct {
	evidence []Evidence
	weights  []float64 // parallel to evidence
	count    int       // of all violations
}

// add takes in a violation. make is called only if it is among the worst.
func (w *worst) add(weight float64, make func() Evidence) {
	w.count++
	i := len(w.weights)
	for i > 0 && w.weights[i-1] < weight {
		i--
	}
	if i >= MaxEvidence {
		return
	}
	w.weights = slices.Insert(w.weights, i, weight)
	w.evidence = slices.Insert(w.evidence, i, make())
	w.weights, w.evidence = w.weights[:min(len(w.weights), MaxEvidence)], w.evidence[:min(len(w.evidence), MaxEvidence)]
}

func appendEvidence(list []Evidence, e Evidence) []Evidence {
	if len(list) < MaxEvidence {
		list = append(list, e)
	}
	return list
}

// SameReason groups results that have the same verdict for the same reason and no evidence of their own, so that a cause which
// concerns many is stated once. Groups and their members keep their order.
func SameReason(results []Result) (groups [][]Result) {
	type key struct {
		verdict Verdict
		reason  string
	}
	index := make(map[key]int)
	for _, r := range results {
		k := key{r.Verdict, r.Reason}
		if i, ok := index[k]; ok && r.Reason != "" && len(r.Evidence) == 0 {
			groups[i] = append(groups[i], r)
			continue
		}
		if len(r.Evidence) == 0 {
			index[k] = len(groups)
		}
		groups = append(groups, []Result{r})
	}
	return groups
}

// Names lists the invariants of results.
func Names(results []Result) string {
	var names []string
	for _, r := range results {
		names = append(names, r.Invariant)
	}
	return strings.Join(names, ", ")
}

// Checker judges one invariant. Observe is called for every event in order, after it was applied to the State; Finish once,
// after the last. Both only read the State.
type Checker interface {
	Observe(s *replay.State, e *trace.Event)
	Finish(s *replay.State) Result
}

// Class says what a FAIL of an invariant means.
type Class string

// The classes.
const (
	Safety         Class = "safety"         // something bad happened
	Liveness       Class = "liveness"       // something good did not happen in time
	Infrastructure Class = "infrastructure" // the testnet, not the nodes, misbehaved: exit code 3
)

// Observation is something that a chain must show, beside the states of its nodes, for an invariant to be judged.
type Observation string

// The observations, in words for people.
const (
	ObserveBlocks   Observation = "blocks and their parents"
	ObserveEncoding Observation = "the encoding of blocks"
	ObserveTxs      Observation = "the transactions in blocks"
	ObserveSubmit   Observation = "a way to submit transactions"
	ObserveRestored Observation = "what a node reads from its disk when it starts" // of nodes that print it
	ObserveAttacks  Observation = "adversaries, which only netsplit's own nodes can be"
	ObservePeers    Observation = "how many peers a node has" // a run shows by itself whether they do
)

// Reports says how much an invariant depends on what nodes report.
type Reports int

// The kinds of dependence.
const (
	ReportsAll  Reports = iota // it is about all nodes: without the reports of one it is UNKNOWN
	ReportsSome                // its checker knows by itself when missing reports matter
	ReportsNone                // it is judged by what netsplit itself records
)

// Definition is an invariant that a scenario can expect.
type Definition struct {
	Name  string // as in `expect:`
	Title string // a line
	Doc   string // what is judged, and when it is not
	Class Class
	// Always is true for invariants that are judged even when the scenario does not list them.
	Always bool
	// Quiet is true for invariants that are left out of the report where the scenario does not list them and nothing in the
	// run could have violated them.
	Quiet bool
	// Reports says what reports of nodes that are missing do to a PASS.
	Reports Reports
	Params  []Param
	// Needs are the observations without which the invariant is NOT APPLICABLE.
	Needs []Observation
	// New makes a checker. It is given every parameter, defaults filled in, already parsed and in range.
	New func(p Values) Checker
}

// Definitions lists every invariant, in the order of reports.
func Definitions() []Definition {
	return []Definition{
		agreementDefinition, validityDefinition, convergenceDefinition, growthDefinition, propagationDefinition,
		inclusionDefinition, durabilityDefinition, adversaryDefinition, forkChoiceDefinition, consistencyDefinition, connectivityDefinition,
		crashDefinition, isolationDefinition, accuracyDefinition,
	}
}

// Missing returns what d needs and shown does not hold, in the order of d.Needs.
func (d *Definition) Missing(shown []Observation) []Observation {
	return slices.DeleteFunc(slices.Clone(d.Needs), func(o Observation) bool { return slices.Contains(shown, o) })
}

// Lookup finds an invariant by its name.
func Lookup(name string) (Definition, bool) {
	for _, d := range Definitions() {
		if d.Name == name {
			return d, true
		}
	}
	return Definition{}, false
}

// Count prints a number of things: "1 node", "2 nodes".
func Count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// slowestOf prints the worst of n figures: "1 period: 97%", "slowest of 2 periods: 97%".
func slowestOf(n int, one, many, figure string) string {
	if n == 1 {
		return fmt.Sprintf("1 %s: %s", one, figure)
	}
	return fmt.Sprintf("slowest of %d %s: %s", n, many, figure)
}
