package run

import (
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/testnets/scenario"
)

// Names in a run's directory.
const (
	TraceFile = "trace.jsonl.zst"
	SpecFile  = "spec.yaml" // the scenario as it was run
	LogDir    = "logs"
)

// Options say what to run and on what, for Run, Up and Start.
type Options struct {
	// ID names the testnet: unique on the host, [a-z0-9-], at most 40 bytes.
	ID      string
	Spec    *scenario.Spec
	Runtime runtime.Runtime
	Chain   chain.Chain
	// Dir is the run's directory; it exists.
	Dir string
	// StartTimeout bounds the time from the last node's start to all nodes answering, being connected and on one chain.
	// Zero: DefaultStartTimeout, and 200 ms more for each node.
	StartTimeout time.Duration
	// Version of netsplit goes into the trace.
	Version string
	// Progress, if not nil, is shown what happens.
	Progress Progress
	// Sink, if not nil, receives what nodes print. Run takes its place: it records.
	Sink runtime.Sink
}

// DefaultStartTimeout is Options.StartTimeout of a testnet of few nodes.
const DefaultStartTimeout = 30 * time.Second

func (o Options) withDefaults() Options {
	if o.StartTimeout == 0 {
		o.StartTimeout = DefaultStartTimeout + time.Duration(len(o.Spec.NodeIDs()))*startTimePerNode
	}
	if o.Progress == nil {
		o.Progress = noProgress{}
	}
	if o.Sink == nil {
		o.Sink = noSink{}
	}
	return o
}

// noSink is a runtime.Sink that ignores everything.
type noSink struct{}

func (noSink) Line(faults.NodeID, time.Time, []byte)          {}
func (noSink) Gap(faults.NodeID, error)                       {}
func (noSink) Exit(faults.NodeID, error)                      {}
func (noSink) External(faults.NodeID, *runtime.ExternalError) {}
