package external

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/orchestrator/trace"
	"github.com/netsplit/netsplit/testnets"
)

// Chain is a chain.Chain, with the optional abilities listed below it, for one network of the nodes that a chain file
// describes. It must be prepared before it is used otherwise; after that it is safe for concurrent use.
type Chain struct {
	file       *testnets.Chain
	containers Containers
	rpc        *rpc
	progress   func(string)
	attached   bool      // the nodes run already
	begun      bool      // all nodes have the first block; for Connect, whose calls without nodes are serial
	warmed     int       // how many steps of warm_up are done; likewise
	restored   *exported // what the process that started them exported, if one did
	secrets    redactor
	image      string // once it is made
	wif        []int  // versions in which texts write keys as WIF

	data   map[string]any    // what every text can use
	common map[string][]byte // files that steps kept for all nodes
	nodes  map[faults.NodeID]*node
	order  []*node
	names  map[string]*node // what stands for a node in blocks and for who leads, see named
	seen   blocks
}

var _ chain.Chain = (*Chain)(nil)

// Containers is what preparing a chain needs of the runtime that hosts its nodes.
type Containers interface {
	// BuildImage returns a reference to the image that a source describes, made if it is not there yet. progress, if not
	// nil, is called with what takes long.
	BuildImage(ctx context.Context, source runtime.ImageSource, progress func(string)) (ref string, err error)
	// RunCommand runs a command to its end. A command that fails is an error with its last lines of output.
	RunCommand(ctx context.Context, command runtime.Command) (runtime.CommandResult, error)
}

// New returns the chain that file describes. containers prepares its nodes; without any, Prepare fails. transport reaches
// the nodes. progress, if not nil, is called with long steps; calls may be concurrent.
func New(file *testnets.Chain, containers Containers, transport http.RoundTripper, progress func(string)) *Chain {
	if progress == nil {
		progress = func(string) {}
	}
	c := &Chain{file: file, containers: containers, rpc: newRPC(file.RPC, transport), progress: progress, seen: newBlocks(), wif: wifVersions(file.Source)}
	c.foresee(map[string]any{})
	return c
}

// Attach returns a chain whose nodes run already: its Prepare runs and builds nothing, and says of nodes no
// more than their accounts. Calls that use what steps captured fail.
func Attach(file *testnets.Chain, transport http.RoundTripper) *Chain {
	c := New(file, nil, transport, nil)
	c.attached = true
	return c
}

// movingHeight is the height from which on a chain counts as moving.
const movingHeight = 2

// Capabilities implements chain.Chain.
func (c *Chain) Capabilities() chain.Capabilities {
	caps := chain.Capabilities{
		BuildImage: c.buildImage, AssignProducers: c.assignProducers, StartPosition: c.at(c.file.Start.Pos),
		ConnectPeers: c.connectPeers, FindMismatch: c.findMismatch, StartHeight: movingHeight,
		Polling: &chain.Polling{Interval: c.file.Observe.Every, Poll: c.poll},
		Access:  c.access, Redact: c.redact, Export: c.export,
	}
	if a := c.file.Observe.Arrival; a != nil && a.Websocket != nil {
		caps.Subscribe = c.subscribe
	}
	if a := c.file.Observe.Arrival; a != nil && a.Log != nil {
		caps.ParseNotification = c.parseNotification
	}
	if c.file.Act.MakeBlock != nil {
		caps.MakeBlock, caps.StartHeight = c.makeBlock, 0
	}
	if c.file.Act.Leader != nil {
		caps.Leader = c.leader
	}
	if c.file.Observe.Block.Txs == nil {
		caps.NoFindTx = fmt.Errorf("chain %s: %w", c.file.Name, ErrNoTxs)
	}
	return caps
}

// ParseLog implements chain.Chain: what these nodes print is not read.
func (c *Chain) ParseLog(faults.NodeID, []byte) (trace.Event, time.Time, bool) {
	return trace.Event{}, time.Time{}, false
}

// Client implements chain.Chain. The node must be part of the prepared network.
func (c *Chain) Client(id faults.NodeID) chain.Client { return &Client{c, id} }

// CloseIdleConnections closes connections to nodes that are not in use, where the chain has a transport of its own.
func (c *Chain) CloseIdleConnections() { c.rpc.http.CloseIdleConnections() }

// node finds a node of the prepared network.
func (c *Chain) node(id faults.NodeID) (*node, error) {
	n, ok := c.nodes[id]
	if !ok {
		return nil, fmt.Errorf("chain %s has no node %s", c.file.Name, id)
	}
	return n, nil
}

// at names a place in the chain file.
func (c *Chain) at(pos testnets.Pos) string {
	if pos.Line == 0 {
		return c.file.File
	}
	return fmt.Sprintf("%s:%d:%d", c.file.File, pos.Line, pos.Column)
}

// makeBlock is Capabilities.MakeBlock.
func (c *Chain) makeBlock(ctx context.Context, id faults.NodeID) error {
	n, err := c.node(id)
	if err != nil {
		return err
	}
	select {
	case n.making <- struct{}{}:
		defer func() { <-n.making }()
	case <-ctx.Done():
		return ctx.Err()
	}
	result, err := c.call(ctx, n, c.file.Act.MakeBlock.Calls, nil)
	if err != nil {
		return fmt.Errorf("make a block at %s: %w", id, err)
	}
	n.madeHere(result)
	return nil
}
