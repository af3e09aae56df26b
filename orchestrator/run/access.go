package run

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/runtime"
)

// Access returns how people reach each node, parallel to Nodes: on this host's loopback where the runtime can lead there,
// else at the nodes' own addresses. Without a chain that can tell there is none.
func (t *Testnet) Access(ctx context.Context) ([]chain.Access, error) {
	access := t.Chain.Capabilities().Access
	if access == nil {
		return nil, nil
	}
	out := make([]chain.Access, len(t.order))
	ports := make([]netip.AddrPort, len(t.order))
	for i, id := range t.order {
		var err error
		if out[i], err = access(id); err != nil {
			return nil, err
		}
		if ports[i], err = netip.ParseAddrPort(out[i].URL.Host); err != nil {
			return nil, fmt.Errorf("address of node %s: %w", id, err)
		}
	}
	p, ok := t.Runtime.(runtime.PortForwarder)
	if !ok {
		return out, nil
	}
	ways, err := p.ForwardPorts(ctx, ports)
	if err != nil {
		return nil, err
	}
	for i, way := range ways {
		out[i].URL.Host = way.String()
	}
	return out, nil
}

// Logs returns at most the last n lines that a node printed, without the chain's secrets.
func (t *Testnet) Logs(ctx context.Context, node faults.NodeID, n int) ([]string, error) {
	lines, err := t.Runtime.Logs(ctx, node, n)
	if err != nil {
		return nil, err
	}
	t.hide(lines)
	return lines, nil
}

// hide takes the chain's secrets out of lines.
func (t *Testnet) hide(lines []string) {
	redact := t.Chain.Capabilities().Redact
	if redact == nil {
		return
	}
	for i, l := range lines {
		lines[i] = redact(l)
	}
}

// redact takes the chain's secrets out of what an error shows of a node's log.
func (t *Testnet) redact(err error) error {
	var node *runtime.NodeError
	if errors.As(err, &node) {
		t.hide(node.Tail)
	}
	return err
}
