package docker

import (
	"context"
	"fmt"
	"net/netip"
)

// ForwardPorts implements runtime.PortForwarder. The agent carries the connections: the engine publishes no port of a container
// whose network has no way out, and would give it another port with each start.
func (r *Runtime) ForwardPorts(ctx context.Context, ports []netip.AddrPort) ([]netip.AddrPort, error) {
	c, err := r.fault(ctx)
	if err != nil {
		return nil, fmt.Errorf("publish ports: %w", err)
	}
	out, err := c.Forward(ctx, ports)
	if err != nil {
		return nil, fmt.Errorf("publish ports: %w", r.explain(ctx, err))
	}
	return out, nil
}
