package docker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/runtime"
)

// ForeignOptions say how containers that something else started are hosted.
type ForeignOptions struct {
	// Network is the name of the network to split, where the containers share several. Their traffic on the others then
	// passes faults by.
	Network string
	// Image and Lease are as in Options; the image is the agent's alone.
	Image string
	Lease bool

	executable string
}

// Foreign is a Runtime on containers that something else started: it takes them as they are, and makes nothing but a
// fault agent. Close heals all faults, brings back what actions paused or ended, and removes the agent. After Detach, or
// the end of the process, links heal if there is a lease, and Remove does the rest.
type Foreign struct {
	*Runtime
	guests  []guest
	network string     // its id
	lowest  netip.Addr // the lowest address that was free there; the zero Addr where that is not known

	act    sync.Mutex
	undo   *undoList // what ends the actions that still hold; nil before Create
	closed bool
}

// The capabilities of this runtime.
var (
	_ runtime.Runtime    = (*Foreign)(nil)
	_ runtime.LinkShaper = (*Foreign)(nil)
)

// AttachForeign finds running containers and checks that they can be hosted: all have an IPv4 address on one bridge
// network of this host. Nothing is changed before Create. The caller must call Close.
func AttachForeign(ctx context.Context, sel Selector, opts ForeignOptions) (*Foreign, error) {
	r, err := New(ctx, Options{Image: opts.Image, Lease: opts.Lease, executable: opts.executable})
	if err != nil {
		return nil, fmt.Errorf("attach to containers: %w", err)
	}
	f := &Foreign{Runtime: r}
	if err := f.find(ctx, r.cli, sel, opts.Network); err != nil {
		return nil, errors.Join(fmt.Errorf("attach to containers: %w", err), r.Detach())
	}
	return f, nil
}

// Info implements runtime.Runtime.
func (f *Foreign) Info(ctx context.Context) runtime.Info {
	info := f.Runtime.Info(ctx)
	info.Attached = true
	return info
}

// inspector looks at a container.
type inspector interface {
	ContainerInspect(ctx context.Context, id string) (container.InspectResponse, error)
}

// finder is what finding containers needs of the engine.
type finder interface {
	inspector
	ContainerList(ctx context.Context, o container.ListOptions) ([]container.Summary, error)
	NetworkInspect(ctx context.Context, id string, o network.InspectOptions) (network.Inspect, error)
}

// find sets the guests, their network and its bridge.
func (f *Foreign) find(ctx context.Context, e finder, sel Selector, net string) error {
	all, err := e.ContainerList(ctx, container.ListOptions{All: true})
	if err != nil {
		return fmt.Errorf("list containers: %w", err)
	}
	list, err := sel.selected(all)
	if err != nil {
		return err
	}
	if f.network, err = common(list, net); err != nil {
		return err
	}
	n, err := e.NetworkInspect(ctx, f.network, network.InspectOptions{})
	if err != nil {
		return fmt.Errorf("inspect network %s: %w", f.network, err)
	}
	if f.bridge, err = bridgeOf(n); err != nil {
		return err
	}
	if f.guests, err = named(list); err != nil {
		return err
	}
	for i := range f.guests {
		if err := f.guests[i].inspect(ctx, e, f.network); err != nil {
			return fmt.Errorf("container %s: %w", f.guests[i].name, err)
		}
	}
	f.lowest = lowestFree(n, f.guests[0].addr)
	return nil
}

// inspect completes what is known about a guest.
func (g *guest) inspect(ctx context.Context, e inspector, net string) error {
	c, err := e.ContainerInspect(ctx, g.full)
	if err != nil {
		return err
	}
	g.autoRemove = c.HostConfig != nil && c.HostConfig.AutoRemove
	g.console = c.Config != nil && c.Config.Tty
	g.addr, err = addrOn(c.NetworkSettings.Networks, net)
	g.fixed = fixedOn(c.NetworkSettings.Networks, net)
	return err
}

// Hosts returns the containers as nodes, by the order of their names, and their states now.
func (f *Foreign) Hosts(ctx context.Context) ([]NodeInfo, error) {
	out := make([]NodeInfo, len(f.guests))
	for i, g := range f.guests {
		out[i] = NodeInfo{ID: g.id, Role: g.role, Addr: g.addr, Container: g.name}
		c, err := f.cli.ContainerInspect(ctx, g.full)
		if err != nil {
			return nil, fmt.Errorf("inspect container %s: %w", g.name, err)
		}
		out[i].State = c.State.Status
	}
	return out, nil
}

// States returns the state of every node's container.
func (f *Foreign) States(ctx context.Context) (map[faults.NodeID]string, error) {
	hosts, err := f.Hosts(ctx)
	states := make(map[faults.NodeID]string, len(hosts))
	for _, h := range hosts {
		states[h.ID] = h.State
	}
	return states, err
}

// Create implements runtime.Runtime: it starts the fault agent on the containers' network and reports the containers that
// the plan names, which must be among those attached to.
func (f *Foreign) Create(ctx context.Context, plan runtime.Plan) ([]runtime.Host, error) {
	ctx, done, err := f.begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("attach testnet %s: %w", plan.ID, err)
	}
	defer done()
	if f.nodes != nil {
		return nil, fmt.Errorf("attach testnet %s: this runtime has done so already", plan.ID)
	}
	hosts, err := f.host(ctx, plan)
	if err != nil {
		return nil, fmt.Errorf("attach testnet %s: %w", plan.ID, err)
	}
	return hosts, nil
}

func (f *Foreign) host(ctx context.Context, plan runtime.Plan) ([]runtime.Host, error) {
	nodes := make(map[faults.NodeID]*node, len(plan.Nodes))
	var order []*node
	var hosts []runtime.Host
	for _, p := range plan.Nodes {
		i := slices.IndexFunc(f.guests, func(g guest) bool { return g.id == p.ID })
		if i < 0 || nodes[p.ID] != nil {
			return nil, fmt.Errorf("node %s is none of the containers, or is named twice; they are %s", p.ID, f.names())
		}
		g := f.guests[i]
		n := &node{id: g.id, role: p.Role, addr: g.addr, inbox: newInbox(), container: g.name, launched: true}
		nodes[g.id], order = n, append(order, n)
		hosts = append(hosts, runtime.Host{ID: g.id, Addr: g.addr})
	}
	img, err := f.image(ctx)
	if err != nil {
		return nil, err
	}
	f.lean = &lean{APIClient: f.cli, image: img}
	if f.prov, err = newProvider(f.lean); err != nil {
		return nil, err
	}
	undo, err := f.newUndo(plan)
	if err != nil {
		return nil, err
	}
	f.plan, f.nodes, f.order, f.undo, f.undoFile = plan, nodes, order, undo, undo.file
	if plan.Sink != nil {
		f.watchGuests()
	}
	a, err := f.newAgent()
	if err != nil {
		return nil, err
	}
	f.agent = a
	a.begin(f.Runtime)
	return hosts, nil
}

// newUndo returns an empty list of what is to be undone, in a directory that has none.
func (f *Foreign) newUndo(plan runtime.Plan) (*undoList, error) {
	l := &undoList{Testnet: plan.ID, Network: f.network}
	if plan.Dir == "" {
		return l, nil
	}
	l.file = filepath.Join(plan.Dir, undoFile)
	if _, err := os.Lstat(l.file); !errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(fmt.Errorf("%s is there: it says what an earlier run left undone, which netsplit down does", l.file), err)
	}
	return l, nil
}

// names lists the nodes' names for messages.
func (f *Foreign) names() string {
	var names []string
	for _, g := range f.guests {
		names = append(names, string(g.id))
	}
	return orNone(names)
}

// Launch implements runtime.Runtime: the containers run already, so it only waits for the agent. What a launch says of
// images, arguments and files is not looked at.
func (f *Foreign) Launch(ctx context.Context, nodes []runtime.Launch, progress func(faults.NodeID)) error {
	ctx, done, err := f.begin(ctx)
	if err != nil {
		return fmt.Errorf("launch nodes: %w", err)
	}
	defer done()
	for _, l := range nodes {
		if f.nodes[l.ID] == nil {
			return f.nodeError(ctx, "attach to", l.ID, errUnknown(l.ID))
		}
		if progress != nil {
			progress(l.ID)
		}
	}
	if _, err := f.fault(ctx); err != nil {
		return fmt.Errorf("launch nodes: %w", err)
	}
	return nil
}

// guest returns the container of a node.
func (f *Foreign) guest(id faults.NodeID) (guest, bool) {
	i := slices.IndexFunc(f.guests, func(g guest) bool { return g.id == id })
	if i < 0 {
		return guest{}, false
	}
	return f.guests[i], true
}
