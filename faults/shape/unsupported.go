//go:build !linux

package shape

import (
	"context"

	"github.com/netsplit/netsplit/faults"
)

// Engine cannot be opened on this system.
type Engine struct{}

// Open returns ErrUnsupported.
func Open(Config) (*Engine, error) { return nil, ErrUnsupported }

// Name is empty.
func (*Engine) Name() string { return "" }

// Via is empty.
func (*Engine) Via() string { return "" }

// NoDelay returns ErrUnsupported.
func (*Engine) NoDelay() error { return ErrUnsupported }

// Apply returns ErrUnsupported.
func (*Engine) Apply(Desired) error { return ErrUnsupported }

// Failed returns nil: it is never closed.
func (*Engine) Failed() <-chan struct{} { return nil }

// Cause returns ErrUnsupported.
func (*Engine) Cause() error { return ErrUnsupported }

// Traffic returns ErrUnsupported.
func (*Engine) Traffic() (faults.Traffic, error) { return faults.Traffic{}, ErrUnsupported }

// Transactions is 0.
func (*Engine) Transactions() uint64 { return 0 }

// Close does nothing.
func (*Engine) Close() error { return nil }

// Check reports that this system cannot shape links by itself.
func Check(context.Context) []CheckResult {
	return []CheckResult{{
		Name: "shape links", Text: "this system is not Linux",
		Hint: "use the docker runtime, whose engine runs on Linux, or the simulator",
	}}
}
