package agent

import (
	"context"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/faults/shape/probe"
)

// kernelProber measures links of the host's kernel.
type kernelProber struct{ *probe.Prober }

// newProber returns a prober that has opened nothing yet.
func newProber() kernelProber { return kernelProber{probe.New()} }

// Keep implements prober.
func (p kernelProber) Keep(hosts []Host) { p.Prober.Keep(ends(hosts)) }

// Probe implements prober.
func (p kernelProber) Probe(ctx context.Context, hosts []Host, links []faults.Link, plan faults.ProbePlan) ([]faults.Measurement, error) {
	return p.Prober.Probe(ctx, ends(hosts), links, plan)
}

// ends are hosts as the probe package knows them.
func ends(hosts []Host) []probe.Host {
	out := make([]probe.Host, len(hosts))
	for i, h := range hosts {
		out[i] = probe.Host(h)
	}
	return out
}
