package external

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/orchestrator/trace"
	"github.com/netsplit/netsplit/testnets/chainspec"
)

// Containers is what preparing a chain needs of the runtime that hosts its nodes.
type Containers interface {
	// BuildImage returns a reference to the image that a source describes, made if it is not there yet. progress, if not
	// nil, is called with what takes long.
	BuildImage(ctx context.Context, source runtime.ImageSource, progress func(string)) (ref string, err error)
	// RunCommand runs a command to its end. A command that fails is an error with its last lines of output.
	RunCommand(ctx context.Context, command runtime.Command) (runtime.CommandResult, error)
}

// Chain is a chain.Chain for one network of the nodes that a chain file describes. It must be prepared before it is used
// otherwise; after that it is safe for concurrent use. It owns no more than the parts that do its work.
type Chain struct {
	file     *chainspec.Chain
	secrets  *redactor
	rpc      *rpc
	preparer *preparer
	progress func(string)
	attached bool      // the nodes run already
	restored *exported // what the process that started them exported, if one did

	// Of the prepared network:
	net       *network
	reader    reader
	store     *blockStore
	connector *connector
	nodes     map[faults.NodeID]*node
}

// node is what follows and uses one node of the prepared network.
type node struct {
	member *member
	maker  *maker
	poller *poller
	sender *sender
	ready  atomic.Bool // it has been ready
}

var _ chain.Chain = (*Chain)(nil)

// New returns the chain that file describes. containers prepares its nodes; without any, Prepare fails. transport reaches
// the nodes. progress, if not nil, is called with long steps; calls may be concurrent.
func New(file *chainspec.Chain, containers Containers, transport http.RoundTripper, progress func(string)) *Chain {
	if progress == nil {
		progress = func(string) {}
	}
	secrets := &redactor{file: file}
	c := &Chain{
		file: file, secrets: secrets, rpc: newRPC(file.RPC, transport), progress: progress,
		preparer: &preparer{file: file, containers: containers, secrets: secrets, progress: progress},
	}
	// A literal password may be in what comes before credentials are needed: in the image and in steps.
	_ = c.addCredentialsOf(map[string]any{})
	return c
}

// Attach returns a chain whose nodes run already: its Prepare runs and builds nothing, and says of nodes no more than their
// accounts. Calls that use what steps captured fail.
func Attach(file *chainspec.Chain, transport http.RoundTripper) *Chain {
	c := New(file, nil, transport, nil)
	c.attached = true
	return c
}

// minStartHeight is the height that nodes must have reached before a run begins, unless blocks are made on command.
const minStartHeight = 2

// Capabilities implements chain.Chain.
func (c *Chain) Capabilities() chain.Capabilities {
	caps := chain.Capabilities{
		BuildImage: c.buildImage, AssignProducers: c.assignProducers,
		StartPosition: at(c.file, c.file.Start.Pos), StartHeight: minStartHeight,
		ConnectPeers: c.connectPeers,
		FindMismatch: func(ctx context.Context) *chain.NetworkMismatch { return c.reader.findMismatch(ctx) },
		Polling:      &chain.Polling{Interval: c.file.Observe.Every, Poll: c.poll},
		NoFindTx:     c.noFindTx(),
		Access:       c.access, Redact: c.secrets.text, Export: c.export,
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
	return caps
}

// Prepare implements chain.Chain. Errors name the place in the chain file, the step, the node and the command; they hold
// no secrets. What the file says and what does not work is a *FileError.
func (c *Chain) Prepare(ctx context.Context, net chain.Network) (chain.Prepared, error) {
	out := chain.Prepared{Facts: c.facts(net)}
	err := c.setNetwork(net)
	if err == nil {
		out.Nodes, err = c.prepare(ctx, net)
	}
	return out, c.secrets.err(err)
}

func (c *Chain) prepare(ctx context.Context, net chain.Network) ([]chain.PreparedNode, error) {
	if c.attached {
		if c.restored != nil {
			if err := c.restore(net.Start); err != nil {
				return nil, err
			}
		}
		var out []chain.PreparedNode
		for _, m := range c.net.nodes {
			out = append(out, chain.PreparedNode{Account: m.account})
		}
		return out, nil
	}
	if _, err := c.buildImage(ctx); err != nil {
		return nil, err
	}
	if err := c.preparer.runSteps(ctx, c.net); err != nil {
		return nil, err
	}
	if err := c.addCredentials(); err != nil {
		return nil, c.preparer.fileError(ctx, c.file.RPC.Pos, "", err)
	}
	return c.preparer.nodes(ctx)
}

// setNetwork makes the parts that talk to the nodes of a network.
func (c *Chain) setNetwork(net chain.Network) (err error) {
	if c.rpc.err != nil {
		return fmt.Errorf("%s: rpc: %w", at(c.file, c.file.RPC.Pos), c.rpc.err)
	}
	if c.net, err = newNetwork(c.file, net); err != nil {
		return err
	}
	calls := &caller{file: c.file, net: c.net, rpc: c.rpc, secrets: c.secrets}
	c.reader, c.store, c.nodes = reader{calls}, newBlockStore(), make(map[faults.NodeID]*node, len(c.net.nodes))
	c.connector = &connector{
		reader: c.reader, makers: make(map[*member]*maker), progress: c.progress,
		attached: c.attached && c.restored == nil, opened: c.restored != nil,
	}
	for _, m := range c.net.nodes {
		n := &node{member: m, maker: newMaker(calls, m), sender: &sender{caller: calls, member: m}}
		n.poller = &poller{reader: c.reader, member: m, maker: n.maker, store: c.store, had: make(map[trace.Hash]uint64)}
		c.connector.makers[m], c.nodes[m.ID] = n.maker, n
		_ = c.addCredentialsOf(c.net.with(m, nil)) // as far as they do not need what steps capture
	}
	return nil
}

// addCredentials makes every node's credentials secret.
func (c *Chain) addCredentials() error {
	for _, m := range c.net.nodes {
		if err := c.addCredentialsOf(c.net.with(m, nil)); err != nil {
			return fmt.Errorf("node %s: %w", m.ID, err)
		}
	}
	return nil
}

// addCredentialsOf makes secret what can be rendered of credentials with what templates about a node can use, also when it
// fails.
func (c *Chain) addCredentialsOf(data map[string]any) error {
	a, err := authOf(c.file, data)
	if err != nil {
		err = fmt.Errorf("credentials: %w", err)
	}
	wallet, walletErr := walletOf(c.file, data)
	if err == nil && walletErr != nil {
		err = fmt.Errorf("wallet: %w", walletErr)
	}
	c.secrets.add(a.password, a.bearer, wallet.PrivateKey)
	if a.password != "" {
		c.secrets.add(a.basic())
	}
	return err
}

// facts is what the chain's consensus promises on a network.
func (c *Chain) facts(net chain.Network) trace.Facts {
	f, file := c.file.Facts, c.file.File
	if strings.HasPrefix(file, chainspec.ReadyPrefix) {
		file = ""
	}
	return trace.Facts{
		Name: c.file.Name, File: file, Family: f.Family, BlockInterval: interval(c.file, net), ForkDepth: f.ForkDepth, Quorum: f.Quorum,
		Resolution: c.file.Observe.Every, NoTxs: c.file.Observe.Block.Txs == nil, NoSubmit: c.file.Act.Submit == nil,
		RelayWithin: f.RelayWithin,
	}
}

// ParseLog implements chain.Chain: what these nodes print is not read.
func (c *Chain) ParseLog(faults.NodeID, []byte) (trace.Event, time.Time, bool) {
	return trace.Event{}, time.Time{}, false
}

// Client implements chain.Chain.
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

// buildImage is Capabilities.BuildImage. The image of nodes that run already is not known: it is empty.
func (c *Chain) buildImage(ctx context.Context) (ref string, err error) {
	if c.attached {
		return "", nil
	}
	return c.preparer.buildImage(ctx)
}

// assignProducers is Capabilities.AssignProducers. On nodes that run already others have decided who produces.
func (c *Chain) assignProducers(nodes []chain.Node) (assigned []chain.Node, note string) {
	assigned = slices.Clone(nodes)
	if c.attached {
		return assigned, ""
	}
	producers, most := 0, c.file.Facts.MaxProducers
	for i := range assigned {
		switch n := &assigned[i]; {
		case n.Mine <= 0 && c.file.Facts.Votes != chainspec.VotesAll:
			continue
		case most > 0 && producers >= most:
			n.Mine = 0
		case c.file.Facts.Votes != "" && c.file.Facts.Votes != "power":
			n.Mine = 1
		}
		producers++
	}
	if most > 0 && producers > most {
		note = fmt.Sprintf("%d of the %d nodes that could make blocks do: %s has at most so many (facts.max_producers)",
			most, producers, c.file.Name)
	}
	return assigned, note
}

func (c *Chain) connectPeers(ctx context.Context, ids ...faults.NodeID) error {
	return nodeError(c.connector.connect(ctx, ids...))
}

func (c *Chain) poll(ctx context.Context, id faults.NodeID) ([]trace.Event, error) {
	n, err := c.node(id)
	if err != nil {
		return nil, err
	}
	return n.poller.poll(ctx)
}

func (c *Chain) makeBlock(ctx context.Context, id faults.NodeID) error {
	n, err := c.node(id)
	if err != nil {
		return err
	}
	return n.maker.makeBlock(ctx)
}

func (c *Chain) leader(ctx context.Context, id faults.NodeID) (faults.NodeID, error) {
	n, err := c.node(id)
	if err != nil {
		return "", err
	}
	return c.reader.leader(ctx, n.member)
}

func (c *Chain) access(id faults.NodeID) (chain.Access, error) {
	n, err := c.node(id)
	if err != nil {
		return chain.Access{}, err
	}
	out, err := c.reader.access(n.member)
	if err != nil {
		return chain.Access{}, c.secrets.err(fmt.Errorf("access to node %s: %w", id, err))
	}
	return out, nil
}

// noFindTx is Capabilities.NoFindTx.
func (c *Chain) noFindTx() error {
	if c.file.Observe.Block.Txs == nil {
		return fmt.Errorf("chain %s: %w", c.file.Name, ErrNoTxs)
	}
	return nil
}
