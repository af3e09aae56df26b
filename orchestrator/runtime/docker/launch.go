package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/testcontainers/testcontainers-go"
	"golang.org/x/sync/errgroup"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/runtime"
)

const (
	// parallel is how many containers are made at once. The engine does most of the work for one container under locks;
	// beyond this it only queues.
	parallel = 8
	// tailLines is how much of a node's log an error carries.
	tailLines = 20
	// stopSeconds is what a node has between SIGTERM and SIGKILL.
	stopSeconds = 10
	// maxPids bounds the threads of a node.
	maxPids = 4096
)

// Launch implements runtime.Runtime. It also waits for the agent, which started before.
func (r *Runtime) Launch(ctx context.Context, nodes []runtime.Launch, progress func(faults.NodeID)) error {
	ctx, done, err := r.begin(ctx)
	if err != nil {
		return fmt.Errorf("launch nodes: %w", err)
	}
	defer done()
	var serial sync.Mutex
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for _, l := range nodes {
		if gctx.Err() != nil {
			break
		}
		g.Go(func() error {
			if gctx.Err() != nil {
				return context.Cause(gctx)
			}
			if err := r.launch(gctx, l); err != nil {
				return r.nodeError(ctx, "start", l.ID, err)
			}
			if progress != nil {
				serial.Lock()
				defer serial.Unlock()
				progress(l.ID)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return fmt.Errorf("launch nodes: %w", context.Cause(ctx))
	}
	if _, err := r.fault(ctx); err != nil {
		return fmt.Errorf("launch nodes: %w", err)
	}
	return nil
}

// nodeError makes a failure of a node tell what it printed last.
func (r *Runtime) nodeError(ctx context.Context, op string, id faults.NodeID, err error) error {
	e := &runtime.NodeError{Node: id, Op: op, Err: err}
	if tail, err := r.Logs(ctx, id, tailLines); err == nil {
		e.Tail = tail
	}
	return e
}

// launch makes and starts the container of one node.
func (r *Runtime) launch(ctx context.Context, l runtime.Launch) error {
	n := r.nodes[l.ID]
	if n == nil {
		return errUnknown(l.ID)
	}
	n.mu.Lock()
	again := n.launched
	n.launched = true
	n.foreign = l.Image != ""
	n.mu.Unlock()
	if again {
		return fmt.Errorf("it was launched before: %w", runtime.ErrState)
	}
	files, err := packFiles(l.Files)
	if err != nil {
		return err
	}
	ctx, cancel := seeThrough(ctx)
	defer cancel()
	req := r.nodeRequest(n, l.Args, files)
	if err := r.dress(ctx, &req, l); err != nil {
		return err
	}
	c, err := r.prov.CreateContainer(ctx, req)
	if err != nil {
		return err
	}
	return c.Start(ctx)
}

// errUnknown says that the plan has no such node.
func errUnknown(id faults.NodeID) error { return fmt.Errorf("testnet has no node %s", id) }

// nodeRequest describes a node's container. No wait strategy, log consumer or published port: each costs the library
// further requests, and the runner judges readiness by the node itself.
func (r *Runtime) nodeRequest(n *node, args []string, files []byte) testcontainers.ContainerRequest {
	labels := r.labels()
	labels[labelNode] = string(n.id)
	labels[labelRole] = n.role
	labels[labelAddr] = n.addr.String()
	req := r.request(containerName(r.plan.ID, n.id), args, labels)
	lock := req.HostConfigModifier
	req.HostConfigModifier = func(h *container.HostConfig) {
		lock(h)
		h.NetworkMode = container.NetworkMode(networkName(r.plan.ID))
	}
	req.EndpointSettingsModifier = func(e map[string]*network.EndpointSettings) {
		e[networkName(r.plan.ID)] = &network.EndpointSettings{
			IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: n.addr.String()},
		}
	}
	req.LifecycleHooks = []testcontainers.ContainerLifecycleHooks{{
		PostCreates: []testcontainers.ContainerHook{func(ctx context.Context, c testcontainers.Container) error {
			// One archive for all files; the library would send one for each.
			err := r.cli.CopyToContainer(ctx, c.GetContainerID(), "/", bytes.NewReader(files), container.CopyToContainerOptions{})
			if err != nil {
				return fmt.Errorf("copy files: %w", err)
			}
			return nil
		}},
	}}
	return req
}

// request is what the containers of nodes and agent have in common: no privileges, nothing published, a bounded log.
func (r *Runtime) request(name string, args []string, labels map[string]string) testcontainers.ContainerRequest {
	return testcontainers.ContainerRequest{
		Name:   name,
		Image:  r.lean.image.ID,
		Cmd:    args,
		Labels: labels,
		ConfigModifier: func(c *container.Config) {
			grace := stopSeconds
			c.Image = r.lean.image.ID // whatever registry prefix the library was configured with
			c.StopSignal = "SIGTERM"
			c.StopTimeout = &grace
		},
		HostConfigModifier: func(h *container.HostConfig) {
			pids := int64(maxPids)
			h.CapDrop = []string{"ALL"}
			h.SecurityOpt = []string{"no-new-privileges"}
			h.RestartPolicy = container.RestartPolicy{Name: container.RestartPolicyDisabled}
			h.PidsLimit = &pids
			h.LogConfig = container.LogConfig{Type: "json-file", Config: map[string]string{
				"max-size": "256m", "max-file": "2", "compress": "false",
			}}
		},
	}
}

// started returns the node of an action or a query, which must have been launched.
func (r *Runtime) started(id faults.NodeID) (*node, error) {
	n := r.nodes[id]
	if n == nil {
		return nil, errUnknown(id)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.launched {
		return nil, errors.Join(errors.New("it has not been launched"), runtime.ErrState)
	}
	return n, nil
}
