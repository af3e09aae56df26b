package faults

import (
	"math/rand/v2"
	"time"
)

// Net describes the testnet that a fault is resolved on.
type Net struct {
	Nodes []NodeID            // every node, in the scenario's order
	Roles map[string][]NodeID // nodes by role (the name of their entry in the scenario)
	Edges [][2]NodeID         // the planned topology, undirected
}

// Fault is one kind of failure with its parameters. Each implementation has a file of its own.
type Fault interface {
	// Kind is the fault's standard name: "partition", "latency", "kill" ...
	Kind() string
	// Resolve returns the fault's effect on a testnet. All random choices come from rng. It fails when the fault names
	// an unknown node, groups overlap, or the fault would have no effect.
	Resolve(net Net, rng *rand.Rand) (Effect, error)
}

// Effect is what a fault does: to links for as long as it holds, to nodes when it begins and when it ends.
type Effect struct {
	Text  string // for people: "cut 5 nodes from 5 nodes"
	Links Links
	Begin []Action
	End   []Action
}

// Verb is an action on a node.
type Verb string

// The verbs. Kill is SIGKILL, Stop is SIGTERM and waits, Pause freezes, Start starts a stopped or killed node with its
// data and its address, Restart is Stop then Start.
const (
	Kill    Verb = "kill"
	Stop    Verb = "stop"
	Pause   Verb = "pause"
	Resume  Verb = "resume"
	Start   Verb = "start"
	Restart Verb = "restart"
)

// Action is a Verb on one node.
type Action struct {
	Verb Verb
	Node NodeID
}

// Scheduled is a fault and its time: it begins At after the start of the schedule and lasts For. A For of zero means
// until the schedule's end or, for an instantaneous fault (restart), no time at all.
type Scheduled struct {
	At    time.Duration
	For   time.Duration
	Fault Fault
}
