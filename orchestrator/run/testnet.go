package run

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

const (
	// pollStep is how often a condition is checked that is waited for.
	pollStep = 50 * time.Millisecond
	// queryTimeout bounds one query to a node that may not answer.
	queryTimeout = time.Second
	// answerTimeout bounds the wait for a node that was started again to answer before it is connected to its peers.
	answerTimeout = 30 * time.Second
	// tailLines is how many of a node's last lines an error shows.
	tailLines = 20
)

// Testnet is a running testnet: nodes of one chain, hosted by a runtime, with a client for each. It knows the network that
// was prepared, and nothing of a run: no schedule, no trace. Methods are safe for concurrent use.
type Testnet struct {
	ID      string
	Runtime runtime.Runtime
	Chain   chain.Chain
	Network chain.Network
	Facts   trace.Facts

	prepared chain.Prepared
	clients  map[faults.NodeID]chain.Client
	nodes    []faults.NodeID // in the spec's order
	honest   []faults.NodeID // of them, those that are no adversaries
}

// Open returns the running Testnet that a network describes, on a runtime that already hosts it.
func Open(ctx context.Context, rt runtime.Runtime, ch chain.Chain, net chain.Network) (*Testnet, error) {
	prepared, err := ch.Prepare(ctx, net)
	if err != nil {
		return nil, fmt.Errorf("prepare chain: %w", err)
	}
	t := &Testnet{
		ID: net.ID, Runtime: rt, Chain: ch, Network: net, Facts: prepared.Facts,
		prepared: prepared, clients: make(map[faults.NodeID]chain.Client, len(net.Nodes)),
	}
	for _, n := range net.Nodes {
		t.clients[n.ID] = ch.Client(n.ID)
		t.nodes = append(t.nodes, n.ID)
		if n.Adversary == nil {
			t.honest = append(t.honest, n.ID)
		}
	}
	return t, nil
}

// Nodes returns the testnet's nodes in the spec's order. The caller must not change the slice.
func (t *Testnet) Nodes() []faults.NodeID { return t.nodes }

// Honest returns the nodes that are no adversaries, likewise.
func (t *Testnet) Honest() []faults.NodeID { return t.honest }

// Client returns the client of a node of the testnet, nil where there is no such node.
func (t *Testnet) Client(id faults.NodeID) chain.Client { return t.clients[id] }

// Net returns what a fault may know of the testnet.
func (t *Testnet) Net() faults.Net {
	net := faults.Net{Roles: make(map[string][]faults.NodeID)}
	index := make(map[faults.NodeID]int, len(t.Network.Nodes))
	for i, n := range t.Network.Nodes {
		index[n.ID] = i
		net.Nodes = append(net.Nodes, n.ID)
		net.Roles[n.Role] = append(net.Roles[n.Role], n.ID)
	}
	for i, n := range t.Network.Nodes {
		for _, p := range n.Peers {
			if i < index[p] || n.Adversary != nil { // an adversary's peers do not list it
				net.Edges = append(net.Edges, [2]faults.NodeID{n.ID, p})
			}
		}
	}
	return net
}

// Access returns how people reach each node, parallel to Nodes: on this host's loopback where the runtime can forward
// ports, else at the nodes' own addresses. It is nil where the chain has no such access.
func (t *Testnet) Access(ctx context.Context) ([]chain.Access, error) {
	access := t.Chain.Capabilities().Access
	if access == nil {
		return nil, nil
	}
	out := make([]chain.Access, len(t.nodes))
	ports := make([]netip.AddrPort, len(t.nodes))
	for i, id := range t.nodes {
		var err error
		if out[i], err = access(id); err != nil {
			return nil, err
		}
		if ports[i], err = netip.ParseAddrPort(out[i].URL.Host); err != nil {
			return nil, fmt.Errorf("address of node %s: %w", id, err)
		}
	}
	forwarder, ok := t.Runtime.(runtime.PortForwarder)
	if !ok {
		return out, nil
	}
	local, err := forwarder.ForwardPorts(ctx, ports)
	if err != nil {
		return nil, err
	}
	for i, addr := range local {
		out[i].URL.Host = addr.String()
	}
	return out, nil
}

// Logs returns at most the last n lines that a node printed, without the chain's secrets.
func (t *Testnet) Logs(ctx context.Context, node faults.NodeID, n int) ([]string, error) {
	lines, err := t.Runtime.Logs(ctx, node, n)
	if err != nil {
		return nil, err
	}
	t.redact(lines)
	return lines, nil
}

// redact takes the chain's secrets out of lines.
func (t *Testnet) redact(lines []string) {
	redact := t.Chain.Capabilities().Redact
	if redact == nil {
		return
	}
	for i, l := range lines {
		lines[i] = redact(l)
	}
}

// ReconnectPeers connects a node that was started again to its peers, once it answers. Where nodes know their peers from
// their start it does nothing.
func (t *Testnet) ReconnectPeers(ctx context.Context, id faults.NodeID) error {
	connect := t.Chain.Capabilities().ConnectPeers
	if connect == nil {
		return nil
	}
	if err := t.awaitAnswer(ctx, id, t.Runtime.Clock().Now()+answerTimeout); err != nil {
		return err
	}
	return t.blameNode(ctx, connect(ctx, id))
}

// awaitAnswer waits until a node answers, to a time of the clock at most.
func (t *Testnet) awaitAnswer(ctx context.Context, id faults.NodeID, deadline time.Duration) error {
	clock := t.Runtime.Clock()
	for {
		_, err := t.status(ctx, id)
		if err == nil {
			return nil
		}
		if clock.Now() > deadline {
			return t.nodeError(ctx, &runtime.NodeError{Node: id, Op: opConnect, Err: err})
		}
		if err := clock.Sleep(ctx, clock.Now()+pollStep); err != nil {
			return err
		}
	}
}

// status queries a node for its status, with a bound on the wait.
func (t *Testnet) status(ctx context.Context, node faults.NodeID) (trace.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	return t.clients[node].Status(ctx)
}

// random returns the source of random choices for one purpose, so that purposes do not disturb each other.
func (t *Testnet) random(purpose uint64) *rand.Rand {
	return rand.New(rand.NewPCG(t.Network.Seed, purpose))
}

// What a node was doing, in errors about it.
const (
	opConnect = "connect"
	opObserve = "observe"
	opRun     = "run" // it ended by itself
)

// NodeDied makes the error for a node that ended by itself, with the last lines that it printed.
func (t *Testnet) NodeDied(ctx context.Context, node faults.NodeID, cause error) error {
	return t.nodeError(ctx, &runtime.NodeError{Node: node, Op: opRun, Err: cause})
}

// nodeError completes an error with the last lines that the node printed.
func (t *Testnet) nodeError(ctx context.Context, err *runtime.NodeError) error {
	if logErr := t.explain(ctx, err); logErr != nil {
		return errors.Join(err, fmt.Errorf("read its log: %w", logErr))
	}
	return err
}

// explain adds to an error the last lines that the node printed, and what to do.
func (t *Testnet) explain(ctx context.Context, e *runtime.NodeError) (err error) {
	if e.Op == opRun && e.Advice == "" {
		e.Advice = t.advice("the node ended by itself; what it printed last may say why.")
	}
	e.Tail, err = t.Logs(ctx, e.Node, tailLines)
	return err
}

// advice is what to do about a node, with the place that says how nodes are started, where there is one.
func (t *Testnet) advice(text string) string {
	if at := t.Chain.Capabilities().StartPosition; at != "" {
		return fmt.Sprintf("%s It is started as %s says", text, at)
	}
	return text
}

// blameNode turns an error of the chain that names a node into an error about that node.
func (t *Testnet) blameNode(ctx context.Context, err error) error {
	var fault *chain.NodeError
	if ctx.Err() != nil || !errors.As(err, &fault) {
		return err
	}
	return t.nodeError(ctx, &runtime.NodeError{Node: fault.Node, Op: opConnect, Err: err})
}
