package agent

import (
	"errors"
	"fmt"
	"net/http"

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
	Status  int // the HTTP status: 400, 409, 412, 500, 501 or 503
	Message string
}

// Error implements error.
func (e *Error) Error() string { return e.Message }

// Is makes errors.Is find the sentinels below by status.
func (e *Error) Is(target error) bool {
	switch target {
	case ErrChanged:
		return e.Status == http.StatusConflict
	case ErrNoLease:
		return e.Status == http.StatusPreconditionFailed
	case ErrCannot:
		return e.Status == http.StatusNotImplemented
	}
	return false
}

// Errors that a caller may handle.
var (
	// ErrChanged: the layers are no longer of the version that the request was made for.
	ErrChanged = errors.New("the layers have changed")
	// ErrNoLease: the agent applies faults only while a client holds its lease.
	ErrNoLease = errors.New("no client holds the agent's lease")
	// ErrCannot: this host's kernel cannot do what was requested.
	ErrCannot = errors.New("not supported by this kernel")
)

// newError is an *Error.
func newError(status int, format string, args ...any) error {
	return &Error{Status: status, Message: fmt.Sprintf(format, args...)}
}
