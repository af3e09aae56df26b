package docker

import (
	"context"
	"fmt"
	"maps"

	"golang.org/x/sync/errgroup"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/faults/agent"
)

// Shape implements runtime.Shaper.
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

// Probe implements runtime.Shaper.
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
	return m, nil
}

// Traffic implements runtime.Shaper.
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

// hosts is the agent's table of nodes.
func (r *Runtime) hosts(netns map[faults.NodeID]string) []agent.Host {
	out := make([]agent.Host, len(r.order))
	for i, n := range r.order {
		out[i] = agent.Host{Node: n.id, Addr: n.addr, Netns: netns[n.id]}
	}
	return out
}

// tellNetns makes sure that the agent knows the namespaces of the nodes at the links' ends. A container gets a new one
// with every start, so they are looked up when they are needed.
func (r *Runtime) tellNetns(ctx context.Context, c agentClient, links []faults.Link) error {
	a := r.agent
	a.mu.Lock()
	defer a.mu.Unlock()
	want := map[faults.NodeID]bool{}
	for _, l := range links {
		want[l.From], want[l.To] = true, true
	}
	var ends []*node
	for id := range want {
		n := r.nodes[id]
		if n == nil {
			return errUnknown(id)
		}
		ends = append(ends, n)
	}
	paths := make([]string, len(ends))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for i, n := range ends {
		g.Go(func() error {
			var err error
			paths[i], err = r.netnsOf(gctx, n)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	next := maps.Clone(a.netns)
	if next == nil {
		next = map[faults.NodeID]string{}
	}
	for i, n := range ends {
		next[n.id] = paths[i]
	}
	if maps.Equal(a.netns, next) {
		return nil
	}
	if err := c.SetHosts(ctx, r.hosts(next)); err != nil {
		return r.explain(ctx, err)
	}
	a.netns = next
	return nil
}

// netnsOf returns the path of a node's network namespace in the host's /proc; empty while it does not run.
func (r *Runtime) netnsOf(ctx context.Context, n *node) (string, error) {
	if _, err := r.started(n.id); err != nil {
		return "", nil // a node that was never launched is silent
	}
	c, err := r.cli.ContainerInspect(ctx, containerName(r.plan.ID, n.id))
	if err != nil {
		return "", fmt.Errorf("find node %s: %w", n.id, err)
	}
	if !c.State.Running || c.State.Pid == 0 {
		return "", nil
	}
	return fmt.Sprintf("/proc/%d/ns/net", c.State.Pid), nil
}
