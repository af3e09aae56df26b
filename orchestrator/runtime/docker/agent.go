package docker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/testcontainers/testcontainers-go"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/faults/agent"
)

// agentSocket is the agent's socket as it sees it; on the host it is in a directory of the testnet's own.
const agentSocket = "/run/netsplit/" + socketFile

// socketFile is the name of the agent's socket in its directory.
const socketFile = "agent.sock"

// agentCaps are what the agent needs: nftables and queues in the host's network, and entering the nodes' network
// namespaces to probe. It finds those through the process ids of the host, because a host whose root mount is private
// does not pass the engine's namespace mounts on.
var agentCaps = []string{"NET_ADMIN", "SYS_ADMIN", "NET_RAW"}

// agentReady bounds the agent's start; agentPoll is how often it is asked.
const (
	agentReady = 20 * time.Second
	agentPoll  = 20 * time.Millisecond
)

// agentArgs are the arguments that netsplit is started with to be the agent of a testnet.
func agentArgs(testnet string) []string {
	return []string{"agent", "--testnet", testnet, "--socket", agentSocket}
}

// agentClient is what this package needs of the agent.
type agentClient interface {
	SetHosts(ctx context.Context, hosts []agent.Host) error
	State(ctx context.Context) (agent.State, error)
	Shape(ctx context.Context, layers []faults.Layer) (faults.Applied, error)
	Probe(ctx context.Context, links []faults.Link, plan faults.ProbePlan) ([]faults.Measurement, error)
	// Lease holds the agent's lease until ctx ends or the connection breaks.
	Lease(ctx context.Context) error
	Close()
}

// agentHandle is a testnet's agent: being started, or running.
type agentHandle struct {
	container string // its name
	dir       string // the directory of its socket on the host

	ready  chan struct{} // closed when client or err is set
	client agentClient
	err    error

	mu sync.Mutex
	// netns is what the agent was told of the nodes' namespaces.
	netns map[faults.NodeID]string
}

// newAgent prepares the agent of the runtime's testnet; begin starts it.
func (r *Runtime) newAgent() (*agentHandle, error) {
	dir, err := makeSocketDir(r.plan.ID)
	if err != nil {
		return nil, err
	}
	return &agentHandle{container: agentName(r.plan.ID), dir: dir, ready: make(chan struct{})}, nil
}

// begin starts the agent in the background; wait tells the outcome.
func (a *agentHandle) begin(r *Runtime) {
	r.workers.Go(func() {
		client, err := a.start(r)
		if err != nil {
			a.err = fmt.Errorf("start the fault agent of testnet %s: %w", r.plan.ID, err)
			close(a.ready)
			return
		}
		a.client = client
		close(a.ready)
		if r.opts.Lease {
			// When the lease breaks the agent heals by itself, and the next Shape finds out.
			_ = client.Lease(r.life)
		}
		<-r.life.Done()
		client.Close()
	})
}

// wait returns the agent once it is ready.
func (a *agentHandle) wait(ctx context.Context) (agentClient, error) {
	select {
	case <-a.ready:
		return a.client, a.err
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for the fault agent: %w", context.Cause(ctx))
	}
}

// start makes the container and waits until the agent answers and knows the nodes.
func (a *agentHandle) start(r *Runtime) (agentClient, error) {
	ctx, cancel := context.WithTimeout(r.life, agentReady)
	defer cancel()
	if err := a.run(ctx, r); err != nil {
		return nil, err
	}
	client := dialAgent(a.dir + "/" + socketFile)
	if err := a.poll(ctx, r, client); err != nil {
		client.Close()
		if tail, terr := tailOf(context.WithoutCancel(ctx), r.cli, a.container, tailLines); terr == nil && len(tail) > 0 {
			return nil, fmt.Errorf("%w; it printed:\n    | %s", err, strings.Join(tail, "\n    | "))
		}
		return nil, err
	}
	if err := client.SetHosts(ctx, r.hosts(nil)); err != nil {
		client.Close()
		return nil, fmt.Errorf("tell it the nodes: %w", err)
	}
	return client, nil
}

// run makes and starts the container.
func (a *agentHandle) run(ctx context.Context, r *Runtime) error {
	ctx, cancel := seeThrough(ctx)
	defer cancel()
	c, err := r.prov.CreateContainer(ctx, a.request(r))
	if err != nil {
		return err
	}
	return c.Start(ctx)
}

func (a *agentHandle) request(r *Runtime) testcontainers.ContainerRequest {
	labels := r.labels()
	labels[labelSocket] = a.dir + "/" + socketFile
	req := r.request(a.container, agentArgs(r.plan.ID), labels)
	lock := req.HostConfigModifier
	req.HostConfigModifier = func(h *container.HostConfig) {
		lock(h)
		h.NetworkMode = "host"
		h.PidMode = "host"
		h.CapAdd = agentCaps
		h.Binds = []string{a.dir + ":/run/netsplit"}
	}
	return req
}

// poll waits until the agent answers on its socket.
func (a *agentHandle) poll(ctx context.Context, r *Runtime, client agentClient) error {
	exited, errs := r.cli.ContainerWait(ctx, a.container, container.WaitConditionNotRunning)
	tick := time.NewTicker(agentPoll)
	defer tick.Stop()
	var last error
	for {
		if _, last = client.State(ctx); last == nil {
			return nil
		}
		select {
		case w := <-exited:
			return fmt.Errorf("it exited with status %d", w.StatusCode)
		case err := <-errs:
			return err
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), last)
		case <-tick.C:
		}
	}
}

// engine names the agent's mechanism.
func (a *agentHandle) engine(ctx context.Context) (string, error) {
	c, err := a.wait(ctx)
	if err != nil {
		return "", err
	}
	s, err := c.State(ctx)
	return s.Engine, err
}
