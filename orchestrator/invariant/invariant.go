package invariant

import (
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// Verdict is the judgement of one invariant.
type Verdict string

// The verdicts.
const (
	Pass    Verdict = "PASS"    // judged, and held
	Fail    Verdict = "FAIL"    // violated
	Unknown Verdict = "UNKNOWN" // could not be judged
	Vacuous Verdict = "VACUOUS" // nothing in the run could have violated it
)

// Result is a verdict with its figures and evidence.
type Result struct {
	Invariant string  `json:"invariant"`
	Class     Class   `json:"class"`
	Verdict   Verdict `json:"verdict"`
	// Expected is true when the scenario lists it under `expect:`, false when it is judged in every run.
	Expected bool `json:"expected"`
	// Figure is what was measured, in a few words: "p95 120ms"; Bound is what was allowed: "<= 1s".
	Figure string `json:"figure"`
	Bound  string `json:"bound"`
	// Reason says why, for every verdict but PASS.
	Reason string `json:"reason,omitempty"`
	// Inherent is true for an UNKNOWN that no run of this chain could avoid: the chain does not show what is needed.
	Inherent bool `json:"inherent,omitempty"`
	// Evidence holds the first violations, at most MaxEvidence.
	Evidence []Evidence `json:"evidence,omitempty"`
	// Metrics are the figures behind the verdict by name, for machines: "p95_seconds".
	Metrics map[string]float64 `json:"metrics,omitempty"`
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

// Checker judges one invariant from a trace. Observe is called for every event in order, after the World has taken it
// in; Finish once, after the last.
type Checker interface {
	Observe(w *World, e *trace.Event)
	Finish(w *World) Result
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
)

// Definition is an invariant that a scenario can expect.
type Definition struct {
	Name  string // as in `expect:`
	Title string // a line
	Doc   string // what is judged, and when it is not
	Class Class
	// Always is true for invariants that are judged even when the scenario does not list them.
	Always bool
	Params []Param
	// Needs are the observations without which every run is UNKNOWN or VACUOUS.
	Needs []Observation
	// New makes a checker. It is given every parameter, defaults filled in, already parsed and in range.
	New func(p Values) Checker
}

// ParamType is the type of a parameter's value.
type ParamType string

// The types of parameters.
const (
	TypeDuration ParamType = "duration" // Go syntax: "20s"
	TypeCount    ParamType = "count"    // whole number, at least 0
	TypeShare    ParamType = "share"    // 0..1, or a percentage "95%"
)

// Param is a parameter of an invariant.
type Param struct {
	Name    string
	Type    ParamType
	Default string
	Doc     string
}
