package docker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"golang.org/x/sync/errgroup"

	"github.com/netsplit/netsplit/faults"
)

// ErrNotFound is wrapped when no testnet has the id asked for.
var ErrNotFound = errors.New("no such testnet")

// Testnet is a testnet that the engine hosts, whole or what is left of it.
type Testnet struct {
	ID       string
	Scenario string
	// Dir is the run directory that it was made with.
	Dir     string
	Created time.Time
	// Nodes are in the order of the plan.
	Nodes []NodeInfo
	// Agent is the state of the fault agent's container, such as "running"; empty when there is none.
	Agent string
	// Socket is the path of the agent's socket; empty when there is no agent.
	Socket string

	undo string // the file of what is to be undone; empty where the containers are ours
}

// NodeInfo is one node of a Testnet.
type NodeInfo struct {
	ID   faults.NodeID
	Role string
	Addr netip.Addr
	// State is the engine's word: "created", "running", "paused", "exited" ...
	State string
	// Container is the name of its container.
	Container string
}

// lister is what finding testnets needs of the engine.
type lister interface {
	ContainerList(ctx context.Context, o container.ListOptions) ([]container.Summary, error)
	NetworkList(ctx context.Context, o network.ListOptions) ([]network.Summary, error)
}

// List returns every testnet on the engine, by id, half-made ones and what crashes left included.
func List(ctx context.Context) ([]Testnet, error) {
	cli, _, err := connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("list testnets: %w", err)
	}
	defer cli.Close()
	return list(ctx, cli, byTool())
}

func list(ctx context.Context, e lister, f filters.Args) ([]Testnet, error) {
	containers, err := e.ContainerList(ctx, container.ListOptions{All: true, Filters: f})
	if err != nil {
		return nil, fmt.Errorf("list testnets: list containers: %w", err)
	}
	nets, err := e.NetworkList(ctx, network.ListOptions{Filters: f})
	if err != nil {
		return nil, fmt.Errorf("list testnets: list networks: %w", err)
	}
	found := map[string]*Testnet{}
	at := func(labels map[string]string, created time.Time) *Testnet {
		id := labels[labelTestnet]
		t := found[id]
		if t == nil {
			t = &Testnet{ID: id, Scenario: labels[labelScenario], Dir: labels[labelDir], Created: created}
			found[id] = t
		}
		if created.Before(t.Created) {
			t.Created = created
		}
		return t
	}
	for _, n := range nets {
		at(n.Labels, n.Created)
	}
	for _, c := range containers {
		if c.Labels[labelTestnet] == "" {
			continue // someone else's, of an image made here, whose labels it has
		}
		t := at(c.Labels, time.Unix(c.Created, 0))
		if socket := c.Labels[labelSocket]; socket != "" {
			t.Agent, t.Socket, t.undo = c.State, socket, c.Labels[labelUndo]
			continue
		}
		if c.Labels[labelKind] != "" {
			continue // a helper of the testnet
		}
		addr, _ := netip.ParseAddr(c.Labels[labelAddr]) // the zero Addr where someone else forged our labels
		t.Nodes = append(t.Nodes, NodeInfo{
			ID: faults.NodeID(c.Labels[labelNode]), Role: c.Labels[labelRole], Addr: addr, State: c.State, Container: nameOf(c),
		})
	}
	out := make([]Testnet, 0, len(found))
	for _, id := range slices.Sorted(maps.Keys(found)) {
		t := found[id]
		slices.SortFunc(t.Nodes, func(a, b NodeInfo) int { return cmp.Or(a.Addr.Compare(b.Addr), cmp.Compare(a.ID, b.ID)) })
		out = append(out, *t)
	}
	return out, nil
}

// Attach returns a Runtime for a testnet that is running already, made by another process. Nothing comes to a sink, and
// Create and Launch fail. The caller calls Detach when it is done, or Close to end the testnet. The error wraps
// ErrNotFound when there is no such testnet.
func Attach(ctx context.Context, id string) (*Runtime, error) {
	r, err := New(ctx, Options{})
	if err != nil {
		return nil, fmt.Errorf("attach to testnet %s: %w", id, err)
	}
	if err := r.attach(ctx, id); err != nil {
		return nil, errors.Join(fmt.Errorf("attach to testnet %s: %w", id, err), r.Detach())
	}
	return r, nil
}

func (r *Runtime) attach(ctx context.Context, id string) error {
	found, err := list(ctx, r.cli, byTestnet(id))
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return fmt.Errorf("%w: %s (netsplit ls shows those there are)", ErrNotFound, id)
	}
	t := found[0]
	r.plan.ID, r.plan.Name, r.plan.Dir, r.undoFile = t.ID, t.Scenario, t.Dir, t.undo
	r.nodes = map[faults.NodeID]*node{}
	for _, info := range t.Nodes {
		n := &node{id: info.ID, role: info.Role, addr: info.Addr, inbox: newInbox(), container: info.Container, launched: true}
		r.nodes[n.id] = n
		r.order = append(r.order, n)
	}
	if t.Socket == "" {
		return nil
	}
	r.agent = &agentHandle{container: agentName(id), dir: filepath.Dir(t.Socket), ready: make(chan struct{})}
	r.agent.client = dialAgent(t.Socket)
	close(r.agent.ready)
	r.workers.Go(func() {
		<-r.life.Done()
		r.agent.client.Close()
	})
	return nil
}

// Hosts returns the nodes' names, roles, addresses and states, in the plan's order, as the engine has them now.
func (r *Runtime) Hosts(ctx context.Context) ([]NodeInfo, error) {
	found, err := list(ctx, r.cli, byTestnet(r.plan.ID))
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return found[0].Nodes, nil
}

// Remove ends a testnet and removes all that belongs to it. Containers that something else started, and that a run which
// was killed left paused or ended, go on first; where one cannot, the testnet stays for another try. The error wraps
// ErrNotFound when there is nothing.
func Remove(ctx context.Context, id string) error {
	r, err := Attach(ctx, id)
	if err != nil {
		return fmt.Errorf("remove testnet %s: %w", id, err)
	}
	if err := undo(ctx, r.cli, r.undoFile, id); err != nil {
		return errors.Join(fmt.Errorf("remove testnet %s: %w", id, err), r.Detach())
	}
	return r.Close(ctx)
}

// RemoveAll ends every testnet on the engine, as Remove does, removes what crashed orchestrators left, and returns the ids
// of what is gone. It touches nothing that is not labelled as ours.
func RemoveAll(ctx context.Context) ([]string, error) {
	cli, _, err := connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("remove testnets: %w", err)
	}
	defer cli.Close()
	removed, err := removeAll(ctx, cli, socketBase())
	if err != nil {
		return removed, fmt.Errorf("remove testnets: %w", err)
	}
	return removed, nil
}

// remover is what removing testnets needs of the engine.
type remover interface {
	cleaner
	reviver
}

// removeAll removes every testnet, and the sockets in base that belong to none. A testnet that resists does not save the
// others.
func removeAll(ctx context.Context, e remover, base string) ([]string, error) {
	found, err := list(ctx, e, byTool())
	if err != nil {
		return nil, err
	}
	errs := make([]error, len(found))
	var g errgroup.Group
	for i, t := range found {
		g.Go(func() error {
			errs[i] = undo(ctx, e, t.undo, t.ID)
			if errs[i] == nil {
				errs[i] = sweep(ctx, e, byTestnet(t.ID))
			}
			if errs[i] == nil && t.Socket != "" {
				errs[i] = removeSocketDir(filepath.Dir(t.Socket))
			}
			return nil
		})
	}
	_ = g.Wait() // the functions return no errors
	var removed []string
	left := map[string]bool{}
	for i, t := range found {
		if errs[i] == nil {
			removed = append(removed, t.ID)
			continue
		}
		left[t.ID] = true
		errs[i] = fmt.Errorf("testnet %s: %w", t.ID, errs[i])
	}
	return removed, errors.Join(append(errs, sweepSockets(base, left))...)
}

// sweepSockets removes the socket directories of testnets that are not in left.
func sweepSockets(base string, left map[string]bool) error {
	entries, err := os.ReadDir(base)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("find left sockets: %w", err)
	}
	if err := checkPrivate(base); err != nil {
		return err
	}
	var failed error
	for _, e := range entries {
		if !left[e.Name()] {
			failed = errors.Join(failed, removeSocketDir(filepath.Join(base, e.Name())))
		}
	}
	return failed
}

// RemoveImages removes the node images made here that no container uses, and returns their tags.
func RemoveImages(ctx context.Context) ([]string, error) {
	cli, _, err := connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("remove node images: %w", err)
	}
	defer cli.Close()
	images, err := cli.ImageList(ctx, image.ListOptions{All: true, Filters: byTool()})
	if err != nil {
		return nil, fmt.Errorf("remove node images: %w", err)
	}
	var removed []string
	var failed error
	for _, img := range images {
		if img.Labels[labelContent] == "" {
			continue // someone built on ours
		}
		_, err := cli.ImageRemove(ctx, img.ID, image.RemoveOptions{})
		if errdefs.IsConflict(err) {
			continue // a container uses it
		}
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("remove node image %s: %w", img.ID, err))
			continue
		}
		removed = append(removed, append(img.RepoTags, img.ID)[0])
	}
	return removed, failed
}
