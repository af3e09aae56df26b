package external

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/trace"
	"github.com/netsplit/netsplit/testnets"
)

// Chain is a driver.Chain, with the optional abilities listed below it, for one network of the nodes that a chain file
// describes. It must be prepared before it is used otherwise; after that it is safe for concurrent use.
type Chain struct {
	file     *testnets.Chain
	tools    chain.Tools
	rpc      *rpc
	progress func(string)
	attached bool  // the nodes run already
	begun    bool  // all nodes have the first block; for Connect, whose calls without nodes are serial
	warmed   int   // how many steps of warm_up are done; likewise
	restored *kept // what the process that started them told, if one did
	secrets  redactor
	image    string // once it is made
	wif      []int  // versions in which texts write keys as WIF

	data   map[string]any    // what every text can use
	common map[string][]byte // files that steps kept for all nodes
	nodes  map[faults.NodeID]*node
	order  []*node
	names  map[string]*node // what stands for a node in blocks and for who leads, see named
	seen   blocks
}

var (
	_ chain.Chain      = (*Chain)(nil)
	_ chain.Watched    = (*Chain)(nil)
	_ chain.Announcer  = (*Chain)(nil)
	_ chain.Producer   = (*Chain)(nil)
	_ chain.Led        = (*Chain)(nil)
	_ chain.Introducer = (*Chain)(nil)
	_ chain.Elector    = (*Chain)(nil)
	_ chain.Comparer   = (*Chain)(nil)
	_ chain.Accessible = (*Chain)(nil)
	_ chain.Secretive  = (*Chain)(nil)
	_ chain.Kept       = (*Chain)(nil)
	_ chain.Written    = (*Chain)(nil)
	_ chain.Imaged     = (*Chain)(nil)
)

// New returns the driver of the chain that file describes. tools prepares its nodes; without any, Prepare fails.
// transport reaches the nodes. progress, if not nil, is told of long steps; calls may be concurrent.
func New(file *testnets.Chain, tools chain.Tools, transport http.RoundTripper, progress func(string)) *Chain {
	if progress == nil {
		progress = func(string) {}
	}
	c := &Chain{file: file, tools: tools, rpc: newRPC(file.RPC, transport), progress: progress, seen: newBlocks(), wif: wifVersions(file.Source)}
	c.foresee(map[string]any{})
	return c
}

// Attach returns the driver of a chain whose nodes run already: its Prepare runs and builds nothing, and says of nodes no
// more than their accounts. Calls that use what steps captured fail.
func Attach(file *testnets.Chain, transport http.RoundTripper) *Chain {
	c := New(file, nil, transport, nil)
	c.attached = true
	return c
}

// Every implements driver.Watched.
func (c *Chain) Every() time.Duration { return c.file.Observe.Every }

// Parse implements driver.Chain: what these nodes print is not read.
func (c *Chain) Parse(faults.NodeID, []byte) (trace.Event, time.Time, bool) {
	return trace.Event{}, time.Time{}, false
}

// Client implements driver.Chain. The node must be part of the prepared network.
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

// Produces implements driver.Producer.
func (c *Chain) Produces() bool { return c.file.Act.MakeBlock != nil }

// Produce implements driver.Producer.
func (c *Chain) Produce(ctx context.Context, id faults.NodeID) error {
	n, err := c.node(id)
	if err != nil {
		return err
	}
	if !c.Produces() {
		return fmt.Errorf("make a block at %s: chain %s does not say how (act.make_block)", id, c.file.Name)
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
