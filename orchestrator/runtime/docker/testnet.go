package docker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"

	"github.com/netsplit/netsplit/faults"
)

// ErrNotFound is wrapped when no testnet has the id.
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
	// Owner identifies the netsplit process that started it; empty where that is not known.
	Owner string

	// restoreFile is the restore journal of attached containers; empty where netsplit made the containers.
	restoreFile string
}

// OwnerRuns reports whether the netsplit process that started the testnet still runs, as far as can be seen from here.
func (t *Testnet) OwnerRuns() bool { return isRunning(t.Owner) }

// isRunning reports whether the process with a processID runs; false where there is no processID.
func isRunning(id string) bool { return id != "" && !hasEnded(id) }

// NodeInfo is one node of a Testnet.
type NodeInfo struct {
	ID   faults.NodeID
	Role string
	Addr netip.Addr
	// State is the engine's word: NodeRunning, NodePaused, NodeExited, "created" ...
	State string
	// Container is the name of its container.
	Container string
}

// The states of a node's container, as the engine names them.
const (
	NodeRunning = "running"
	NodePaused  = "paused"
	NodeExited  = "exited"
)

// statesOf maps nodes to their states.
func statesOf(nodes []NodeInfo, err error) (map[faults.NodeID]string, error) {
	states := make(map[faults.NodeID]string, len(nodes))
	for _, n := range nodes {
		states[n.ID] = n.State
	}
	return states, err
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

// labelled returns the containers and networks that a filter selects.
func labelled(ctx context.Context, e lister, f filters.Args) ([]container.Summary, []network.Summary, error) {
	containers, err := e.ContainerList(ctx, container.ListOptions{All: true, Filters: f})
	if err != nil {
		return nil, nil, fmt.Errorf("list containers: %w", err)
	}
	nets, err := e.NetworkList(ctx, network.ListOptions{Filters: f})
	if err != nil {
		return nil, nil, fmt.Errorf("list networks: %w", err)
	}
	return containers, nets, nil
}

func list(ctx context.Context, e lister, f filters.Args) ([]Testnet, error) {
	containers, nets, err := labelled(ctx, e, f)
	if err != nil {
		return nil, fmt.Errorf("list testnets: %w", err)
	}
	found := map[string]*Testnet{}
	at := func(labels map[string]string, created time.Time) *Testnet {
		id := labels[labelTestnet]
		t := found[id]
		if t == nil {
			t = &Testnet{ID: id, Scenario: labels[labelScenario], Dir: labels[labelDir], Owner: labels[labelOwner], Created: created}
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
			continue // somebody started it from an image made here, whose labels it has
		}
		t := at(c.Labels, time.Unix(c.Created, 0))
		if socket := c.Labels[labelSocket]; socket != "" {
			t.Agent, t.Socket, t.restoreFile = c.State, socket, c.Labels[labelRestore]
			continue
		}
		if c.Labels[labelKind] != "" {
			continue // it ran a command
		}
		addr, _ := netip.ParseAddr(c.Labels[labelAddr]) // the zero Addr where somebody else set our labels
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

// find returns one testnet. The error wraps ErrNotFound when there is none of that id.
func find(ctx context.Context, e lister, id string) (Testnet, error) {
	found, err := list(ctx, e, byTestnet(id))
	if err != nil {
		return Testnet{}, err
	}
	if len(found) == 0 {
		return Testnet{}, fmt.Errorf("%w: %s (netsplit ls shows those there are)", ErrNotFound, id)
	}
	return found[0], nil
}
