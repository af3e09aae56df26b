package agent

import (
	"errors"
	"fmt"
	"net/http"
)

// Error is a refusal by the agent, as Client returns it.
type Error struct {
	Status  int // the HTTP status: 400, 409, 412, 500 or 501
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

// Refusals that a caller decides on.
var (
	// ErrChanged: the layers are not those that the request was made for.
	ErrChanged = errors.New("the layers changed meanwhile")
	// ErrNoLease: the agent makes faults only while somebody holds its lease.
	ErrNoLease = errors.New("nobody holds the agent's lease")
	// ErrCannot: this host's kernel cannot do what was asked.
	ErrCannot = errors.New("this kernel cannot do that")
)

// refuse is an *Error.
func refuse(status int, format string, args ...any) error {
	return &Error{Status: status, Message: fmt.Sprintf(format, args...)}
}
