//go:build !linux

package probe

import (
	"context"
	"errors"

	"github.com/netsplit/netsplit/faults"
)

// Prober does not work on this system.
type Prober struct{}

// New returns a Prober.
func New() *Prober { return &Prober{} }

// Close does nothing.
func (*Prober) Close() error { return nil }

// Retain does nothing.
func (*Prober) Retain([]Host) {}

// Probe returns errors.ErrUnsupported.
func (*Prober) Probe(context.Context, []Host, []faults.Link, faults.ProbePlan) ([]faults.Measurement, error) {
	return nil, errors.ErrUnsupported
}
