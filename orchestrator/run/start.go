package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/runtime"
)

const (
	// startTimePerNode is added to DefaultStartTimeout for each node.
	startTimePerNode = 200 * time.Millisecond
	// compareInterval is how long nodes may fail to connect before their genesis is compared, and then again.
	// compareTimeout bounds one comparison.
	compareInterval = 5 * time.Second
	compareTimeout  = 5 * time.Second
)

// Up creates a testnet, starts its nodes and waits until all are connected and on one chain. When it fails, what was made
// is left for Runtime.Close.
func Up(ctx context.Context, o Options) (*Testnet, error) {
	o = o.withDefaults()
	t, err := Start(ctx, o)
	if err != nil {
		return t, err
	}
	return t, newConnector(t, o).connect(ctx)
}

// Start is Up without the wait: the nodes' processes run. Its Testnet is nil when it failed before any could.
func Start(ctx context.Context, o Options) (*Testnet, error) {
	o = o.withDefaults()
	t, err := create(ctx, o)
	if err != nil {
		return nil, err
	}
	return t, launch(ctx, t, o.Progress)
}

// create makes the testnet without a process: image, network, keys and genesis.
func create(ctx context.Context, o Options) (*Testnet, error) {
	if err := CheckChain(o.Spec, o.Chain); err != nil {
		return nil, err
	}
	caps := o.Chain.Capabilities()
	if caps.BuildImage != nil {
		if _, err := caps.BuildImage(ctx); err != nil {
			return nil, fmt.Errorf("prepare chain: %w", err)
		}
	}
	plan := runtime.Plan{ID: o.ID, Name: o.Spec.Name, Dir: o.Dir, Sink: o.Sink}
	for _, n := range o.Spec.NodeIDs() {
		plan.Nodes = append(plan.Nodes, runtime.PlanNode{ID: n.ID, Role: n.Role})
	}
	hosts, err := o.Runtime.Create(ctx, plan)
	if err != nil {
		return nil, fmt.Errorf("create testnet %s: %w", o.ID, err)
	}
	clock := o.Runtime.Clock()
	net, err := NewNetwork(o.ID, o.Spec, hosts, clock.Epoch().Add(clock.Now()))
	if err != nil {
		return nil, err
	}
	if caps.AssignProducers != nil {
		var note string
		if net.Nodes, note = caps.AssignProducers(net.Nodes); note != "" {
			o.Progress.Note(0, note)
		}
	}
	t, err := Open(ctx, o.Runtime, o.Chain, net)
	if err != nil {
		return nil, err
	}
	return t, SaveNetwork(o.Dir, net, o.Chain)
}

// launch starts the nodes' processes.
func launch(ctx context.Context, t *Testnet, progress Progress) error {
	launches := make([]runtime.Launch, len(t.Nodes()))
	for i, p := range t.prepared.Nodes {
		launches[i] = runtime.Launch{ID: t.nodes[i], Image: p.Image, Args: p.Args, Env: p.Env, Sysctls: p.Sysctls, Memory: p.Memory, Files: p.Files}
	}
	doing := "starting"
	if t.Runtime.Info(ctx).Attached {
		doing = "attaching to"
	}
	progress.Phase(fmt.Sprintf("%s %d nodes", doing, len(launches)), len(launches))
	if err := t.Runtime.Launch(ctx, launches, func(faults.NodeID) { progress.Part() }); err != nil {
		var node *runtime.NodeError
		if errors.As(err, &node) {
			t.redact(node.Tail)
		}
		return fmt.Errorf("start testnet %s: %w", t.ID, err)
	}
	return nil
}

// connector waits until the nodes of a testnet answer, are connected and have one chain. It sees what nodes answer, not
// what they print.
type connector struct {
	*Testnet
	caps     chain.Capabilities
	progress Progress
	timeout  time.Duration         // of each wait: for answers, and for connections
	peers    map[faults.NodeID]int // how many a node must have
	ready    map[faults.NodeID]bool
}

func newConnector(t *Testnet, o Options) *connector {
	c := &connector{
		Testnet: t, caps: t.Chain.Capabilities(), progress: o.Progress, timeout: o.StartTimeout,
		peers: make(map[faults.NodeID]int, len(t.Nodes())), ready: make(map[faults.NodeID]bool, len(t.Nodes())),
	}
	for _, n := range t.Network.Nodes { // nobody waits for adversaries
		c.peers[n.ID] = len(n.Peers)
		if !c.caps.ExactPeers {
			// No peer at all is a failure in any case.
			c.peers[n.ID] = min(len(n.Peers), 1)
		}
	}
	return c
}

// connect waits until every node answers, has a peer (where there is another node) and all have one chain.
func (c *connector) connect(ctx context.Context) error {
	c.progress.Phase("connecting", len(c.Honest()))
	if err := c.connectPeers(ctx); err != nil {
		return err
	}
	clock := c.Runtime.Clock()
	deadline := clock.Now() + c.timeout
	for compare := clock.Now() + compareInterval; ; {
		waiting, err := c.poll(ctx)
		if err != nil {
			return err
		}
		if waiting == nil {
			return nil
		}
		if clock.Now() > compare {
			if err := c.mismatch(ctx); err != nil {
				return err
			}
			compare = clock.Now() + compareInterval
		}
		if clock.Now() > deadline {
			return c.nodeError(ctx, c.worst(ctx, waiting))
		}
		if err := clock.Sleep(ctx, clock.Now()+pollStep); err != nil {
			return err
		}
	}
}

// connectPeers has the chain connect the nodes to their peers, once all of them answer, where they do not know them from
// their start.
func (c *connector) connectPeers(ctx context.Context) error {
	if c.caps.ConnectPeers == nil {
		return nil
	}
	deadline := c.Runtime.Clock().Now() + c.timeout
	for _, id := range c.Nodes() {
		if err := c.awaitAnswer(ctx, id, deadline); err != nil {
			return err
		}
	}
	return c.blameNode(ctx, c.caps.ConnectPeers(ctx))
}

// poll queries every node once and returns what is missing at the first that is not ready, nil when all are.
func (c *connector) poll(ctx context.Context) (waiting *runtime.NodeError, err error) {
	var heights []uint64
	for _, id := range c.Honest() {
		s, err := c.Client(id).Status(ctx)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			return c.unready(id, err, ""), nil
		}
		if need := c.peers[id]; s.Peers >= 0 && s.Peers < need {
			return c.fewPeers(id, s.Peers, need), nil
		}
		if !c.ready[id] {
			c.ready[id] = true
			c.progress.Part()
		}
		if s.Height < c.caps.StartHeight {
			return c.unready(id, fmt.Errorf("its chain is at height %d, waiting for %d", s.Height, c.caps.StartHeight),
				"no block comes: do enough nodes make blocks, and are they connected to each other?"), nil
		}
		heights = append(heights, s.Height)
	}
	low, high := slices.Index(heights, slices.Min(heights)), slices.Index(heights, slices.Max(heights))
	if behind := heights[high] - heights[low]; behind > 1 {
		return c.unready(c.Honest()[low], fmt.Errorf("its chain is %d blocks shorter than that of %s", behind, c.Honest()[high]),
			"the node does not get the blocks of the others: is it connected to them, and what does it print?"), nil
	}
	return nil, nil
}

// worst queries every node and returns what is missing at the one to blame, for what poll returns is only the first that is
// not ready: a node that does not answer, else the one that lacks the most peers, else first.
func (c *connector) worst(ctx context.Context, first *runtime.NodeError) *runtime.NodeError {
	worst, most := first, 0
	for _, id := range c.Honest() {
		s, err := c.status(ctx, id)
		if err != nil {
			return c.unready(id, err, "")
		}
		if lacks := c.peers[id] - s.Peers; s.Peers >= 0 && lacks > most {
			most, worst = lacks, c.fewPeers(id, s.Peers, c.peers[id])
		}
	}
	return worst
}

// mismatch is the error about a node that cannot connect to the others because its chain begins otherwise; nil when no such
// node is known.
func (c *connector) mismatch(ctx context.Context) error {
	if c.caps.FindMismatch == nil {
		return nil
	}
	compare, cancel := context.WithTimeout(ctx, compareTimeout)
	defer cancel()
	m := c.caps.FindMismatch(compare)
	if m == nil {
		return ctx.Err()
	}
	return c.nodeError(ctx, c.unready(m.Node, errors.New(m.Text), "all nodes must begin with the same genesis."))
}

func (c *connector) fewPeers(id faults.NodeID, has, need int) *runtime.NodeError {
	return c.unready(id, fmt.Errorf("connected to %d peers, waiting for %d", has, need),
		"the nodes do not find each other: how does each learn of its peers, and what does it print?")
}

// unready is the error about a node that is waited for; advice, which may be empty, is what to do about it.
func (c *connector) unready(id faults.NodeID, err error, advice string) *runtime.NodeError {
	if advice != "" {
		advice = c.advice(advice)
	}
	return &runtime.NodeError{Node: id, Op: opConnect, Err: err, Advice: advice}
}
