package faults

import (
	"math/rand/v2"
	"time"
)

// Net is what a fault may know of the testnet when it is resolved.
type Net struct {
	Nodes []NodeID            // every node, in the spec's order
	Roles map[string][]NodeID // nodes by role (the name of their entry in the spec)
	Edges [][2]NodeID         // the topology asked for, undirected
}

// Fault is one kind of thing that can go wrong, with its parameters. Implementations are one a file.
type Fault interface {
	// Kind is the fault's standard name: "partition", "latency", "kill" ...
	Kind() string
	// Resolve turns the fault into its effect on this testnet. All random choices come from rng. It fails when the
	// fault names a node that is not there, groups overlap, or the fault could do nothing.
	Resolve(net Net, rng *rand.Rand) (Effect, error)
}

// Effect is what a fault does: to links for as long as it holds, to nodes when it begins and when it ends.
type Effect struct {
	Text  string // in words: "cut 5 nodes from 5 nodes"
	Links Links
	Begin []Action
	End   []Action
}

// Verb is something that can be done to a running node.
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

// Scheduled is a fault with its time: it begins At after the start of the schedule and ends after For. For of zero
// means until the schedule's end, or, for a fault that is instantaneous (restart), at once.
type Scheduled struct {
	At    time.Duration
	For   time.Duration
	Fault Fault
}
