package runtime

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/netsplit/netsplit/faults"
)

// Plan is the testnet that a Runtime is to host.
type Plan struct {
	// ID is unique on the host, [a-z0-9-], at most 40 bytes; every resource is labelled with it.
	ID string
	// Name is the scenario's name.
	Name string
	// Dir is an existing directory of the run that the runtime may put files in (sockets, logs).
	Dir   string
	Nodes []PlanNode
	// Sink receives the lines that nodes print, and their unexpected exits.
	Sink Sink
}

// PlanNode is a node to host.
type PlanNode struct {
	ID   faults.NodeID
	Role string
}

// Sink receives the output and the unexpected exits of nodes. Calls for one node are serial, in order; calls for
// different nodes may be concurrent. Calls must return quickly and must not call back into the runtime.
type Sink interface {
	// Line is one line of a node's standard output (of standard error too, where the node runs an image other than
	// netsplit's own), without the newline, valid only during the call. at is when the runtime received the line from the
	// node, in the wall-clock time of Clock.Epoch; a runtime that cannot know passes the clock's present time. Every line
	// is delivered exactly once, across restarts.
	Line(node faults.NodeID, at time.Time, line []byte)
	// Gap reports that lines of a node may have been lost.
	Gap(node faults.NodeID, err error)
	// Exit reports that a node's process ended by itself: no action ended it, and nobody else is known to have.
	Exit(node faults.NodeID, err error)
	// External reports that somebody else acted on a node: neither an action of this runtime nor the node itself.
	External(node faults.NodeID, err *ExternalError)
}

// Host is where a node lives. It keeps its address across restarts.
type Host struct {
	ID faults.NodeID
	// Addr is the node's address on the testnet's network.
	Addr netip.Addr
}

// Launch says how to start one node. The first start and every later one use the same Launch.
type Launch struct {
	ID faults.NodeID
	// Args are the arguments after the program's name, for example ["node", "--config", "/etc/netsplit/node.json"].
	Args []string
	// Image is the node's container image; empty: netsplit's own node, which the runtime provides. Runtimes without
	// containers refuse one.
	Image string
	// Env are environment variables, "NAME=VALUE".
	Env []string
	// Sysctls are settings of the node's own network stack, such as net.ipv4.tcp_retries2; only with an Image.
	Sysctls map[string]string
	// Memory is the most that the node may have, in bytes; 0: the runtime's default. Runtimes without containers ignore it.
	Memory int64
	// Files are put into the node's file system before its first start, by absolute path.
	Files map[string][]byte
}

// Ports that every netsplit node listens on, on its own address.
const (
	PeerPort = 4001
	APIPort  = 8080
)

// Runtime hosts the nodes of one testnet. All methods are safe for concurrent use and obey ctx. After Close nothing of
// the testnet is left on the host.
type Runtime interface {
	// Create makes the testnet's network and gives every node of the plan its address, in the plan's order. Nothing
	// runs yet. It is called once, first.
	Create(ctx context.Context, plan Plan) ([]Host, error)
	// Launch starts nodes, in parallel, and returns when every process runs (not: when it is ready). A failure is a
	// *NodeError. progress, if not nil, is called after each start; calls are serial.
	Launch(ctx context.Context, nodes []Launch, progress func(faults.NodeID)) error
	// Do carries out an action on a launched node and returns when it is done. An action that does not fit the node's
	// state (pausing a dead node) is an error wrapping ErrState.
	Do(ctx context.Context, action faults.Action) error
	// Logs returns at most the last n lines that a node printed, standard error included, oldest first.
	Logs(ctx context.Context, node faults.NodeID, n int) ([]string, error)
	// Clock is the time of this testnet; the runner reads no other.
	Clock() Clock
	// Transport carries HTTP requests to http://ADDR:PORT/ for every Host's Addr. Faults do not affect it.
	Transport() http.RoundTripper
	// Info describes the runtime, in more detail after Create than before. It may query the host.
	Info(ctx context.Context) Info
	// Close stops and removes all that Create and Launch made. It may be called at any time, more than once.
	Close(ctx context.Context) error
}

// Info describes a runtime.
type Info struct {
	// Text is for reports, for example "docker 20.10.24, bridge-family nftables, nfqueue delay engine".
	Text string
	// Attached says that the nodes ran before netsplit came: Launch starts none.
	Attached bool
}

// LinkShaper is the optional ability to change and to measure links.
type LinkShaper interface {
	// Shape makes the composition of the layers true on every link, in one step, and returns when it is. An empty list
	// heals everything.
	Shape(ctx context.Context, layers []faults.Layer) (faults.Applied, error)
	// Probe measures links, all at the same time, from node to node on the way that the nodes' own traffic takes. Links
	// from or to a node that is not running have Received 0, without an error.
	Probe(ctx context.Context, links []faults.Link, plan faults.ProbePlan) ([]faults.Measurement, error)
	// Traffic returns the packet counts since Create.
	Traffic(ctx context.Context) (faults.Traffic, error)
}

// PortForwarder is the optional ability to make nodes reachable from this host for tools other than netsplit.
type PortForwarder interface {
	// ForwardPorts returns, for each port of a node, an address on this host's loopback that is forwarded to it until the
	// testnet ends: the same one each time. Faults do not affect it, and it survives restarts of the node.
	ForwardPorts(ctx context.Context, ports []netip.AddrPort) ([]netip.AddrPort, error)
}

// CPUMeter is the optional ability of runtimes whose nodes share the machine with this process.
type CPUMeter interface {
	// CPUWait is for how long, since the machine started, at least one program was ready to run and had no CPU; false where
	// the machine does not say.
	CPUWait() (time.Duration, bool)
}

// Clock is a testnet's time, real or virtual. The code that drives a testnet runs in tasks: the goroutine that made the
// clock is the first task, Go starts more. A task must not wait for another task in any way but Sleep and Wait: in
// virtual time one task runs at a time, and time stands still while it does.
type Clock interface {
	// Now is the time since the runtime's epoch (some moment before Create returned).
	Now() time.Duration
	// Epoch is the wall-clock time of Now() == 0, in the clock that nodes put into their logs.
	Epoch() time.Time
	// Sleep returns nil when Now() >= until, or ctx's error.
	Sleep(ctx context.Context, until time.Duration) error
	// Go starts fn as a task.
	Go(fn func())
	// Wait returns when every task started with Go has returned. Only the first task may call it.
	Wait()
}

// ErrState is wrapped by errors about an action that does not fit a node's state.
var ErrState = fmt.Errorf("node is in the wrong state")

// ExternalError says that somebody other than the runtime acted on a node.
type ExternalError struct {
	Node faults.NodeID
	// What was done: "killed", "stopped", "removed", or one of the constants below.
	What string
	// How says how it was done, where that was not by the runtime's own means; else it is empty.
	How string
}

// Error implements error.
func (e *ExternalError) Error() string {
	if e.How != "" {
		return fmt.Sprintf("node %s was %s from outside netsplit: %s", e.Node, e.What, e.How)
	}
	return fmt.Sprintf("node %s was %s by somebody else", e.Node, e.What)
}

// Hint returns what to do about it.
func (e *ExternalError) Hint() string {
	return "the testnet's containers are this run's alone: do not pause, kill, remove or reconnect them while it goes on"
}

// Ended says whether the node's process is gone.
func (e *ExternalError) Ended() bool {
	switch e.What {
	case ExternalPause, ExternalResume, ExternalDisconnect, ExternalConnect, ExternalRestart:
		return false
	}
	return true
}

// What is done to nodes that go on running.
const (
	ExternalPause      = "paused"
	ExternalResume     = "resumed"
	ExternalDisconnect = "disconnected from its network"
	ExternalConnect    = "connected to another network"
	ExternalRestart    = "started again"
)

// StateVerifier is the optional ability to compare what became of the nodes with what was reported of them.
type StateVerifier interface {
	// VerifyStates compares the state of every node, as its host has it, with what went to the sink, and reports what is missing
	// there. The error is about the first such node, an *ExternalError where somebody else acted on it. It takes up to some
	// seconds where there is one.
	VerifyStates(ctx context.Context) error
}

// NodeError is a failure of one node, with the last lines that it printed.
type NodeError struct {
	Node faults.NodeID
	Op   string // "start", "connect" ...
	Err  error
	Tail []string
	// Advice is what to do about it; empty if Err says it, or if it is not known.
	Advice string
}

// Hint returns what to do about it: the cause's own hint if it has one, else Advice. It may be empty.
func (e *NodeError) Hint() string {
	var advised interface{ Hint() string }
	if errors.As(e.Err, &advised) && advised.Hint() != "" {
		return advised.Hint()
	}
	return e.Advice
}

// Error implements error: one line, then the node's last lines, indented.
func (e *NodeError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s node %s: %v", e.Op, e.Node, e.Err)
	for _, l := range e.Tail {
		b.WriteString("\n    | ")
		b.WriteString(l)
	}
	return b.String()
}

// Unwrap implements errors.Unwrap.
func (e *NodeError) Unwrap() error { return e.Err }
