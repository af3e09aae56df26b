package agent

import (
	"fmt"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/faults/shape/probe"
)

// Host is where a node runs.
type Host = probe.Host

// State is the answer to GET /v1/state.
type State struct {
	Testnet string         `json:"testnet"`
	Version uint64         `json:"version"` // counts changes of the layers
	Engine  string         `json:"engine"`  // "nft" or "nft+nfqueue"
	Hosts   []Host         `json:"hosts"`
	Layers  []faults.Layer `json:"layers"`
	Traffic faults.Traffic `json:"traffic"`
}

// ShapeRequest is the complete desired state (PUT /v1/layers). With an IfVersion other than zero the request fails with
// 409 unless State.Version is IfVersion.
type ShapeRequest struct {
	IfVersion uint64         `json:"if_version,omitempty"`
	Layers    []faults.Layer `json:"layers"`
}

// ProbeRequest says which links to measure (POST /v1/probe).
type ProbeRequest struct {
	Links []faults.Link    `json:"links"`
	Plan  faults.ProbePlan `json:"plan"`
}

// Error is an error answer of the agent, as Client returns it.
type Error struct {
	Status  int // the HTTP status; the package comment says what each means
	Message string
}

// Error implements error.
func (e *Error) Error() string { return e.Message }

// newError is an *Error.
func newError(status int, format string, args ...any) error {
	return &Error{Status: status, Message: fmt.Sprintf(format, args...)}
}
