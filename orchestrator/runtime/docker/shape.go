package docker

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/faults/agent"
)

// Shape implements runtime.LinkShaper.
func (r *Runtime) Shape(ctx context.Context, layers []faults.Layer) (faults.Applied, error) {
	c, err := r.fault(ctx)
	if err != nil {
		return faults.Applied{}, fmt.Errorf("shape links: %w", err)
	}
	done, err := c.Shape(ctx, layers)
	if err != nil {
		return faults.Applied{}, fmt.Errorf("shape links: %w", r.explain(ctx, err))
	}
	return done, nil
}

// Probe implements runtime.LinkShaper.
func (r *Runtime) Probe(ctx context.Context, links []faults.Link, plan faults.ProbePlan) ([]faults.Measurement, error) {
	c, err := r.fault(ctx)
	if err != nil {
		return nil, fmt.Errorf("probe links: %w", err)
	}
	if err := r.tellNetns(ctx, c, links); err != nil {
		return nil, fmt.Errorf("probe links: %w", err)
	}
	m, err := c.Probe(ctx, links, plan)
	if err != nil {
		return nil, fmt.Errorf("probe links: %w", r.explain(ctx, err))
	}
	for i := range m {
		if m[i].Sent == 0 {
			m[i].Sent = plan.Count // to or from a node that does not run: all that was to be sent was lost
		}
	}
	return m, nil
}

// Traffic implements runtime.LinkShaper.
func (r *Runtime) Traffic(ctx context.Context) (faults.Traffic, error) {
	c, err := r.fault(ctx)
	if err != nil {
		return faults.Traffic{}, fmt.Errorf("count traffic: %w", err)
	}
	s, err := c.State(ctx)
	if err != nil {
		return faults.Traffic{}, fmt.Errorf("count traffic: %w", r.explain(ctx, err))
	}
	return s.Traffic, nil
}

// fault returns the agent, once it is ready.
func (r *Runtime) fault(ctx context.Context) (agentClient, error) {
	if r.agent == nil {
		return nil, fmt.Errorf("the testnet has no network yet")
	}
	return r.agent.wait(ctx)
}

// explain adds to an error of the agent that it is dead, if it is.
func (r *Runtime) explain(ctx context.Context, err error) error {
	c, ierr := r.cli.ContainerInspect(ctx, r.agent.container)
	if ierr == nil && !c.State.Running {
		return fmt.Errorf("the fault agent is dead (status %d) and all its faults with it: %w", c.State.ExitCode, err)
	}
	return err
}

// hosts is the agent's table of nodes before any of them runs.
func (r *Runtime) hosts() []agent.Host {
	out := make([]agent.Host, len(r.order))
	for i, n := range r.order {
		out[i] = agent.Host{Node: n.id, Addr: n.addr}
	}
	return out
}

// tellNetns makes sure that the agent knows the namespaces of the nodes at the links' ends. A container gets a new one
// with every start, so they are looked up when they are needed. The agent's own table is the base: another process may
// have attached to the testnet and told it more.
func (r *Runtime) tellNetns(ctx context.Context, c agentClient, links []faults.Link) error {
	paths, err := r.netnsOf(ctx, links)
	if err != nil {
		return err
	}
	r.agent.telling.Lock()
	defer r.agent.telling.Unlock()
	s, err := c.State(ctx)
	if err != nil {
		return r.explain(ctx, err)
	}
	changed := false
	for i, h := range s.Hosts {
		if path, ok := paths[h.Node]; ok && path != h.Netns {
			s.Hosts[i].Netns = path
			changed = true
		}
	}
	if !changed {
		return nil
	}
	if err := c.SetHosts(ctx, s.Hosts); err != nil {
		return r.explain(ctx, err)
	}
	return nil
}

// netnsOf returns the paths of the network namespaces, in the host's /proc, of the nodes at the links' ends; empty for
// a node that does not run.
func (r *Runtime) netnsOf(ctx context.Context, links []faults.Link) (map[faults.NodeID]string, error) {
	paths := map[faults.NodeID]string{}
	for _, l := range links {
		paths[l.From], paths[l.To] = "", ""
	}
	var mu sync.Mutex
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for _, id := range slices.Collect(maps.Keys(paths)) {
		if r.nodes[id] == nil {
			return nil, errUnknown(id)
		}
		if _, err := r.started(id); err != nil {
			continue // never launched
		}
		g.Go(func() error {
			c, err := r.cli.ContainerInspect(gctx, r.nodes[id].container)
			if err != nil {
				return fmt.Errorf("find node %s: %w", id, err)
			}
			if c.State.Running && c.State.Pid > 0 {
				mu.Lock()
				defer mu.Unlock()
				paths[id] = fmt.Sprintf("/proc/%d/ns/net", c.State.Pid)
			}
			return nil
		})
	}
	return paths, g.Wait()
}
