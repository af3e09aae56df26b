//go:build !linux

package probe

import (
	"context"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/faults/shape"
)

// Prober cannot probe on this system.
type Prober struct{}

// New returns a Prober.
func New() *Prober { return &Prober{} }

// Close does nothing.
func (*Prober) Close() error { return nil }

// Probe returns shape.ErrUnsupported.
func (*Prober) Probe(context.Context, []Host, []faults.Link, faults.ProbePlan) ([]faults.Measurement, error) {
	return nil, shape.ErrUnsupported
}
