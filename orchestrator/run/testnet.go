package run

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

const (
	// connectTimeout bounds the time from the last node's start to all nodes being connected and on one head, plus
	// connectPerNode for each of them.
	connectTimeout = 30 * time.Second
	connectPerNode = 200 * time.Millisecond
	// pollStep is how often conditions are looked at again.
	pollStep = 50 * time.Millisecond
)

// Testnet is a running testnet: nodes of one chain, hosted by a runtime, spoken to through the chain's driver.
type Testnet struct {
	ID      string
	Runtime runtime.Runtime
	Chain   chain.Chain
	Network chain.Network
	Facts   trace.Facts

	prepared chain.Prepared
	clients  map[faults.NodeID]chain.Client
	order    []faults.NodeID       // the spec's
	degree   map[faults.NodeID]int // peers that the topology gives a node
	moving   uint64                // height from which on the chain counts as moving on every node
}

// Up creates a testnet, starts its nodes and waits until all are connected and on one head. sink receives what nodes
// print. When it fails, what was made is left for Runtime.Close.
func Up(ctx context.Context, o Options) (*Testnet, error) {
	o = o.withDefaults()
	t, err := Start(ctx, o)
	if err != nil {
		return t, err
	}
	return t, t.connect(ctx, o.Progress)
}

// Start is Up without the wait: the nodes' processes run. Its Testnet is nil when it failed before any could.
func Start(ctx context.Context, o Options) (*Testnet, error) {
	o = o.withDefaults()
	t, err := create(ctx, o)
	if err != nil {
		return nil, err
	}
	return t, t.launch(ctx, o.Progress)
}

func create(ctx context.Context, o Options) (*Testnet, error) {
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

// Open returns the running Testnet that a network describes, on a runtime that already hosts it.
func Open(ctx context.Context, rt runtime.Runtime, ch chain.Chain, net chain.Network) (*Testnet, error) {
	prepared, err := ch.Prepare(ctx, net)
	if err != nil {
		return nil, fmt.Errorf("prepare chain: %w", err)
	}
	t := &Testnet{
		ID: net.ID, Runtime: rt, Chain: ch, Network: net, Facts: prepared.Facts,
		prepared: prepared, clients: make(map[faults.NodeID]chain.Client, len(net.Nodes)),
		degree: make(map[faults.NodeID]int, len(net.Nodes)),
	}
	caps := ch.Capabilities()
	t.moving = caps.StartHeight
	for _, n := range net.Nodes {
		t.clients[n.ID] = ch.Client(n.ID)
		t.order = append(t.order, n.ID)
		t.degree[n.ID] = len(n.Peers)
		if !caps.ExactPeers {
			// No peer at all is a fault in any case.
			t.degree[n.ID] = min(len(n.Peers), 1)
		}
	}
	return t, nil
}

func (t *Testnet) launch(ctx context.Context, progress Progress) error {
	launches := make([]runtime.Launch, len(t.order))
	for i, id := range t.order {
		p := t.prepared.Nodes[i]
		launches[i] = runtime.Launch{ID: id, Image: p.Image, Args: p.Args, Env: p.Env, Sysctls: p.Sysctls, Files: p.Files}
	}
	doing := "starting"
	if t.Runtime.Info(ctx).Attached {
		doing = "attaching to"
	}
	progress.Phase(fmt.Sprintf("%s %d nodes", doing, len(launches)), len(launches))
	if err := t.Runtime.Launch(ctx, launches, func(faults.NodeID) { progress.Part() }); err != nil {
		return fmt.Errorf("start testnet %s: %w", t.ID, t.redact(err))
	}
	return nil
}

// connect waits until every node answers, has a peer (where there is another node) and all have one chain.
func (t *Testnet) connect(ctx context.Context, progress Progress) error {
	progress.Phase("connecting", len(t.order))
	if err := t.introduce(ctx); err != nil {
		return err
	}
	clock := t.Runtime.Clock()
	deadline := clock.Now() + connectTimeout + time.Duration(len(t.order))*connectPerNode
	ready := make(map[faults.NodeID]bool, len(t.order))
	for compare := clock.Now() + strangeAfter; ; {
		waiting, err := t.look(ctx, ready, progress)
		if err != nil {
			return err
		}
		if waiting == nil {
			return nil
		}
		if clock.Now() > compare {
			if err := t.stranger(ctx); err != nil {
				return err
			}
			compare = clock.Now() + strangeAfter
		}
		if clock.Now() > deadline {
			return t.fail(ctx, "connect", t.worst(ctx, *waiting))
		}
		if err := clock.Sleep(ctx, clock.Now()+pollStep); err != nil {
			return err
		}
	}
}

// introduce tells foreign nodes of their peers once all of them answer.
func (t *Testnet) introduce(ctx context.Context) error {
	connectPeers := t.Chain.Capabilities().ConnectPeers
	if connectPeers == nil {
		return nil
	}
	deadline := t.Runtime.Clock().Now() + connectTimeout
	for _, id := range t.order {
		if err := t.awaitAnswer(ctx, id, deadline); err != nil {
			return err
		}
	}
	return t.meet(ctx, connectPeers(ctx))
}

// Reintroduce tells a foreign node that was started again of its peers, once it answers. Nodes that know them from their
// start need nothing.
func (t *Testnet) Reintroduce(ctx context.Context, id faults.NodeID) error {
	connectPeers := t.Chain.Capabilities().ConnectPeers
	if connectPeers == nil {
		return nil
	}
	if err := t.awaitAnswer(ctx, id, t.Runtime.Clock().Now()+connectTimeout); err != nil {
		return err
	}
	return t.meet(ctx, connectPeers(ctx, id))
}

// awaitAnswer waits until a node answers.
func (t *Testnet) awaitAnswer(ctx context.Context, id faults.NodeID, deadline time.Duration) error {
	clock := t.Runtime.Clock()
	for {
		_, err := t.ask(ctx, id)
		if err == nil {
			return nil
		}
		if clock.Now() > deadline {
			return t.fail(ctx, "connect", unready{node: id, err: err})
		}
		if err := clock.Sleep(ctx, clock.Now()+pollStep); err != nil {
			return err
		}
	}
}

// unready is a node that connect still waits for, why, and what to do about it, where that is known.
type unready struct {
	node faults.NodeID
	err  error
	hint string
}

// look asks every node once and returns the first that is not ready, nil when all are.
func (t *Testnet) look(ctx context.Context, ready map[faults.NodeID]bool, progress Progress) (*unready, error) {
	var heights []uint64
	for _, id := range t.order {
		s, err := t.clients[id].Status(ctx)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			return &unready{node: id, err: err}, nil
		}
		if want := t.degree[id]; s.Peers >= 0 && s.Peers < want {
			return t.fewPeers(id, s.Peers, want), nil
		}
		if !ready[id] {
			ready[id] = true
			progress.Part()
		}
		if s.Height < t.moving {
			return &unready{
				id, fmt.Errorf("its chain is at height %d, waiting for %d", s.Height, t.moving),
				t.advice("no block comes: do enough nodes make blocks, and do they know each other?"),
			}, nil
		}
		heights = append(heights, s.Height)
	}
	low, high := bounds(heights)
	if behind := heights[high] - heights[low]; behind > 1 {
		return &unready{
			t.order[low], fmt.Errorf("its chain is %d blocks shorter than that of %s", behind, t.order[high]),
			t.advice("the node does not get the blocks of the others: does it know them, and what does it print?"),
		}, nil
	}
	return nil, nil
}

// worst asks every node and returns the one to blame, for what look returns is only the first that is not ready: a node
// that does not answer, else the one that lacks the most peers, else first.
func (t *Testnet) worst(ctx context.Context, first unready) unready {
	worst, most := first, 0
	for _, id := range t.order {
		s, err := t.ask(ctx, id)
		if err != nil {
			return unready{node: id, err: err}
		}
		if lacks := t.degree[id] - s.Peers; s.Peers >= 0 && lacks > most {
			most, worst = lacks, *t.fewPeers(id, s.Peers, t.degree[id])
		}
	}
	return worst
}

func (t *Testnet) fewPeers(id faults.NodeID, has, want int) *unready {
	return &unready{
		id, fmt.Errorf("connected to %d peers, waiting for %d", has, want),
		t.advice("the nodes do not find each other: how is each told of its peers, and what does it print?"),
	}
}

// advice is what to do about a node, with the place that says how nodes are started, where there is one.
func (t *Testnet) advice(text string) string {
	if at := t.Chain.Capabilities().StartPosition; at != "" {
		return fmt.Sprintf("%s It is started as %s says", text, at)
	}
	return text
}

// meet is a call of the chain's that nodes were to answer, and whose error tells which did not.
func (t *Testnet) meet(ctx context.Context, err error) error {
	var fault *chain.NodeError
	if ctx.Err() != nil || !errors.As(err, &fault) {
		return err
	}
	return t.fail(ctx, "connect", unready{node: fault.Node, err: err})
}

// fail makes the error for a node that did not become ready, with the last lines that it printed.
func (t *Testnet) fail(ctx context.Context, op string, u unready) error {
	err := &runtime.NodeError{Node: u.node, Op: op, Err: u.err, Advice: u.hint}
	if logErr := t.explain(ctx, err); logErr != nil {
		return errors.Join(err, fmt.Errorf("read its log: %w", logErr))
	}
	return err
}

// Died makes the error for a node that ended by itself, with the last lines that it printed.
func (t *Testnet) Died(ctx context.Context, node faults.NodeID, cause error) error {
	return t.fail(ctx, opRun, unready{node: node, err: cause})
}

// opRun is what a node does that ends by itself.
const opRun = "run"

// explain adds to an error the last lines that the node printed, and what to do.
func (t *Testnet) explain(ctx context.Context, e *runtime.NodeError) (err error) {
	if e.Op == opRun && e.Advice == "" {
		e.Advice = t.advice("the node ended by itself; what it printed last may say why.")
	}
	e.Tail, err = t.Logs(ctx, e.Node, tailLines)
	return err
}

// Client returns the client of a node of the testnet, nil where there is no such node.
func (t *Testnet) Client(id faults.NodeID) chain.Client { return t.clients[id] }

// Nodes returns the testnet's nodes in the spec's order.
func (t *Testnet) Nodes() []faults.NodeID { return t.order }

// rng returns the source of random choices for one purpose, so that purposes do not disturb each other.
func (t *Testnet) rng(purpose uint64) *rand.Rand {
	return rand.New(rand.NewPCG(t.Network.Seed, purpose))
}

// bounds returns where the least and the greatest of at least one height stand.
func bounds(heights []uint64) (low, high int) {
	for i, h := range heights {
		if h < heights[low] {
			low = i
		}
		if h > heights[high] {
			high = i
		}
	}
	return low, high
}
