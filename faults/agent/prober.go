package agent

import (
	"context"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/faults/agent/probe"
)

// kernelProber measures links of the host's kernel.
type kernelProber struct{ *probe.Prober }

// newProber returns a prober that has opened nothing yet.
func newProber() kernelProber { return kernelProber{probe.New()} }

// Probe implements prober.
func (p kernelProber) Probe(ctx context.Context, hosts []Host, links []faults.Link, plan faults.ProbePlan) ([]faults.Measurement, error) {
	ends := make([]probe.Host, len(hosts))
	for i, h := range hosts {
		ends[i] = probe.Host(h)
	}
	return p.Prober.Probe(ctx, ends, links, plan)
}
