package docker

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/runtime"
)

// AttachOptions say how containers are attached to.
type AttachOptions struct {
	// Network is the name of the network to split, where the containers share several. Faults do not affect their traffic
	// on the others.
	Network string
	// Image and Lease are as in Options; the image is the agent's alone.
	Image string
	Lease bool
}

// Attached is a Runtime on containers that netsplit did not start. It takes them as they are, and makes nothing but a
// fault agent. Close heals all links, resumes or starts again what actions paused or ended, and removes the agent. After
// Detach, or the end of the process, links heal if there is a lease, and Remove does the rest. Its own state is what is
// known about the containers, and the journal of what must be restored.
type Attached struct {
	*session
	// Both nil before Create.
	*nodeSet
	*faultAgent

	opts       AttachOptions
	containers []attachedContainer // in the order of their names
	network    string              // its id
	bridge     string              // its name on the host
	lowest     netip.Addr          // the lowest address that was free there; the zero Addr where that is not known
	unreadable []string            // containers whose logs the engine cannot read, with the reason

	act     sync.Mutex // serialises actions and Close
	journal *restoreJournal
	ended   bool
}

// The capabilities of this runtime.
var (
	_ runtime.Runtime    = (*Attached)(nil)
	_ runtime.LinkShaper = (*Attached)(nil)
)

// Attach finds running containers and checks that they can be attached to: all have an IPv4 address on one bridge network
// of this host. Nothing is changed before Create. The caller must call Close. The error wraps an *IncompatibleError when
// the containers are not such as can be attached to.
func Attach(ctx context.Context, sel Selector, opts AttachOptions) (*Attached, error) {
	s, err := openSession(ctx)
	if err != nil {
		return nil, fmt.Errorf("attach to containers: %w", err)
	}
	a := &Attached{session: s, opts: opts}
	if err := a.discover(ctx, sel); err != nil {
		return nil, errors.Join(fmt.Errorf("attach to containers: %w", err), s.Detach())
	}
	return a, nil
}

// discover sets the containers, their network and its bridge.
func (a *Attached) discover(ctx context.Context, sel Selector) error {
	all, err := a.cli.ContainerList(ctx, container.ListOptions{All: true})
	if err != nil {
		return fmt.Errorf("list containers: %w", err)
	}
	list, err := sel.selectFrom(all)
	if err != nil {
		return err
	}
	if a.network, err = commonNetwork(list, a.opts.Network); err != nil {
		return err
	}
	n, err := a.cli.NetworkInspect(ctx, a.network, network.InspectOptions{})
	if err != nil {
		return fmt.Errorf("inspect network %s: %w", a.network, err)
	}
	if a.bridge, err = bridgeOf(n); err != nil {
		return err
	}
	if a.containers, err = nameNodes(list); err != nil {
		return err
	}
	for i := range a.containers {
		if err := a.containers[i].inspect(ctx, a.cli, a.network); err != nil {
			return fmt.Errorf("container %s: %w", a.containers[i].name, err)
		}
		if reason := a.containers[i].logDriver; reason != "" {
			a.unreadable = append(a.unreadable, fmt.Sprintf("%s (log driver %s)", a.containers[i].name, reason))
		}
	}
	if err := checkRoute(a.bridge, a.containers[0].addr); err != nil {
		return err
	}
	a.lowest = lowestFree(n, a.containers[0].addr)
	return nil
}

// UnreadableLogs names the containers whose logs the engine cannot read: what these nodes print is not recorded.
func (a *Attached) UnreadableLogs() []string { return a.unreadable }

// Info implements runtime.Runtime.
func (a *Attached) Info(ctx context.Context) runtime.Info {
	return runtime.Info{Text: a.describe(ctx, a.version), Attached: true}
}

// Hosts returns the containers as nodes, in the order of their names, and their states now.
func (a *Attached) Hosts(ctx context.Context) ([]NodeInfo, error) {
	out := make([]NodeInfo, len(a.containers))
	for i, c := range a.containers {
		out[i] = NodeInfo{ID: c.node, Role: c.role, Addr: c.addr, Container: c.name}
		is, err := a.cli.ContainerInspect(ctx, c.id)
		if err != nil {
			return nil, fmt.Errorf("inspect container %s: %w", c.name, err)
		}
		out[i].State = is.State.Status
	}
	return out, nil
}

// States returns the state of every node's container.
func (a *Attached) States(ctx context.Context) (map[faults.NodeID]string, error) {
	return statesOf(a.Hosts(ctx))
}

// containerOf returns the container of a node.
func (a *Attached) containerOf(id faults.NodeID) (attachedContainer, bool) {
	i := slices.IndexFunc(a.containers, func(c attachedContainer) bool { return c.node == id })
	if i < 0 {
		return attachedContainer{}, false
	}
	return a.containers[i], true
}

// Create implements runtime.Runtime: it starts the fault agent on the containers' network and returns the containers that
// the plan names, which must be among those attached to.
func (a *Attached) Create(ctx context.Context, plan runtime.Plan) ([]runtime.Host, error) {
	ctx, done, err := a.begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("attach testnet %s: %w", plan.ID, err)
	}
	defer done()
	if a.nodeSet != nil {
		return nil, fmt.Errorf("attach testnet %s: this runtime has done so already", plan.ID)
	}
	if err := a.create(ctx, plan); err != nil {
		return nil, fmt.Errorf("attach testnet %s: %w", plan.ID, err)
	}
	return a.hosts(), nil
}

func (a *Attached) create(ctx context.Context, plan runtime.Plan) error {
	nodes, ids := newNodeSet(a.cli, plan.ID, a.network), map[string]faults.NodeID{}
	for _, p := range plan.Nodes {
		c, ok := a.containerOf(p.ID)
		if !ok {
			var names []string
			for _, c := range a.containers {
				names = append(names, string(c.node))
			}
			return fmt.Errorf("node %s is none of the containers; they are %s", p.ID, orNone(names))
		}
		ids[c.id] = p.ID
		err := nodes.add(&node{
			id: c.node, role: p.Role, addr: c.addr, container: c.name, tty: c.tty, unreadable: c.logDriver != "", launched: true, stderr: true,
		})
		if err != nil {
			return err
		}
	}
	img, err := netsplitImage(ctx, a.cli, a.opts.Image)
	if err != nil {
		return err
	}
	f, err := newFactory(a.cli, nil)
	if err != nil {
		return err
	}
	f.cli.image = img
	if a.journal, err = newJournal(plan, a.network); err != nil {
		return err
	}
	a.nodeSet = nodes
	if plan.Sink != nil {
		a.report(a.session, plan.Sink, ids)
	}
	labels := testnetLabels(plan)
	if a.journal.file != "" {
		labels[labelRestore] = a.journal.file
	}
	a.faultAgent, err = startAgent(a.session, f, agentOptions{
		testnet: plan.ID, bridge: a.bridge, lease: a.opts.Lease, labels: labels, nodes: nodes,
	})
	return err
}

// CheckFaults refuses, before anything starts, faults that would change a container for good: the engine would remove it
// at its end, or start it again at another address because it has no fixed one. The error joins a *faults.PlanError for
// each fault that is refused; each wraps an *IncompatibleError.
func (a *Attached) CheckFaults(planned []faults.Planned) error {
	return checkFaults(a.containers, a.lowest, planned)
}

// Launch implements runtime.Runtime: the containers run already, so it only waits for the agent. Images, arguments and
// files of a launch are ignored.
func (a *Attached) Launch(ctx context.Context, nodes []runtime.Launch, progress func(faults.NodeID)) error {
	ctx, done, err := a.begin(ctx)
	if err != nil {
		return fmt.Errorf("launch nodes: %w", err)
	}
	defer done()
	for _, l := range nodes {
		if _, err := a.find(l.ID); err != nil {
			return a.fail(ctx, "attach to", l.ID, err)
		}
		if progress != nil {
			progress(l.ID)
		}
	}
	if _, err := a.wait(ctx); err != nil {
		return fmt.Errorf("launch nodes: %w", err)
	}
	return nil
}

// actTimeout bounds an action: it is not cancelled with its caller, so that Close finds what came of it.
const actTimeout = time.Minute

// Do implements runtime.Runtime. An action that would make the engine remove the container is refused. What reverts the
// action is on disk before it begins.
func (a *Attached) Do(ctx context.Context, action faults.Action) error {
	a.act.Lock()
	defer a.act.Unlock()
	fail := func(err error) error { return fmt.Errorf("%s node %s: %w", action.Verb, action.Node, err) }
	if a.ended {
		return fail(ErrClosed)
	}
	if ctx.Err() != nil {
		return fail(context.Cause(ctx))
	}
	if _, err := a.find(action.Node); err != nil {
		return fail(err)
	}
	c, _ := a.containerOf(action.Node) // every node is one
	if err := c.survives(action.Verb); err != nil {
		return fail(err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), actTimeout)
	defer cancel()
	before, held := a.journal.step(c.id)
	if err := a.note(ctx, c, action.Verb); err != nil {
		return fail(err)
	}
	err := a.nodeSet.Do(ctx, action)
	if err == nil {
		err = a.started(ctx, action)
	}
	switch {
	case errors.Is(err, runtime.ErrState):
		// It did not act, and whatever state the container is in has another cause.
		if held {
			return errors.Join(err, a.journal.put(before))
		}
		return errors.Join(err, a.journal.drop(c.id))
	case err != nil:
		return err // whatever became of it, Close restores
	case action.Verb == faults.Resume:
		return a.journal.drop(c.id)
	case action.Verb == faults.Start || action.Verb == faults.Restart:
		err := errors.Join(a.journal.drop(c.id), checkAddr(ctx, a.cli, restoreStep{Container: c.id, Addr: c.addr}, a.network))
		if err != nil {
			return fail(err)
		}
	}
	return nil
}

// note records what reverts an action on a container that is in a state for it.
func (a *Attached) note(ctx context.Context, c attachedContainer, verb faults.Verb) error {
	revert, ok := revertedBy[verb]
	if !ok {
		return nil
	}
	is, err := a.cli.ContainerInspect(ctx, c.id)
	if err != nil {
		return err
	}
	if is.State.Status != container.StateRunning && is.State.Status != container.StatePaused {
		return nil // the action will be refused
	}
	return a.journal.put(restoreStep{Container: c.id, Name: c.name, Addr: c.addr, Verb: revert, Started: is.State.StartedAt})
}

// healTimeout bounds the healing of links before the agent is removed, which heals them too.
const healTimeout = 10 * time.Second

// Close implements runtime.Runtime: all faults end, what actions paused or ended is resumed or started, and the agent is
// removed. The containers stay. It does its work even when ctx has ended. Where a container could not be restored, the
// agent stays too, with its links healed, so that Remove finds the testnet and tries again.
func (a *Attached) Close(ctx context.Context) error {
	err := a.restore(ctx)
	if a.journal == nil {
		return errors.Join(err, a.Detach())
	}
	id := a.journal.Testnet
	if len(a.journal.Steps) > 0 {
		return errors.Join(err, fmt.Errorf("testnet %s is not gone: netsplit down %s tries again", id, id), a.Detach())
	}
	a.retire()
	if cerr := closeTestnet(ctx, a.cli, id, a.socketPath()); cerr != nil {
		return errors.Join(err, cerr)
	}
	return errors.Join(err, a.cli.Close())
}

// restore ends all that faults did to links and containers. Later calls try again what failed.
func (a *Attached) restore(ctx context.Context) error {
	a.act.Lock()
	defer a.act.Unlock()
	first := !a.ended
	a.ended = true
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	if first && a.faultAgent != nil {
		hctx, cancel := context.WithTimeout(ctx, healTimeout)
		// Should this fail, the links heal with the end of the agent; only packets held for a delay would be lost.
		_, _ = a.Shape(hctx, nil)
		cancel()
	}
	if a.journal == nil {
		return nil
	}
	return a.journal.restore(ctx, a.cli)
}
