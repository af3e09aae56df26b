package agent

import (
	"net/netip"

	"github.com/netsplit/netsplit/faults"
)

// Host is where the agent finds a node: its address, and the path of its network namespace (empty while the node does
// not run). Probes are sent and received inside that namespace, whatever program runs there.
type Host struct {
	Node  faults.NodeID `json:"node"`
	Addr  netip.Addr    `json:"addr"`
	Netns string        `json:"netns,omitempty"`
}

// State is what the agent says of itself (GET /v1/state).
type State struct {
	Testnet string         `json:"testnet"`
	Version uint64         `json:"version"` // counts changes of the layers
	Engine  string         `json:"engine"`  // "nft" or "nft+nfqueue"
	Hosts   []Host         `json:"hosts"`
	Layers  []faults.Layer `json:"layers"`
	Traffic faults.Traffic `json:"traffic"`
}

// ShapeRequest asks for the complete desired state (PUT /v1/layers). When IfVersion is not zero the request fails with
// 409 if the layers changed since State.Version was IfVersion.
type ShapeRequest struct {
	IfVersion uint64         `json:"if_version,omitempty"`
	Layers    []faults.Layer `json:"layers"`
}

// ProbeRequest asks for a measurement of links (POST /v1/probe).
type ProbeRequest struct {
	Links []faults.Link    `json:"links"`
	Plan  faults.ProbePlan `json:"plan"`
}
