package docker

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/testcontainers/testcontainers-go"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/faults/agent"
)

// agentDir is where the agent sees the directory of the testnet's own that it shares with the host.
const agentDir = "/run/netsplit"

// The names of the agent's files in its directory.
const (
	socketFile  = "agent.sock"
	journalFile = "journal"
)

// agentCaps are what the agent needs: nftables and queues in the host's network (NET_ADMIN), entering the nodes' network
// namespaces and probing there (SYS_ADMIN, NET_RAW), releasing packets in time on a busy host (SYS_NICE), and a socket in
// a directory of the user who runs netsplit (DAC_OVERRIDE, CHOWN). It finds the namespaces through the process ids of the
// host, because a host whose root mount is private does not pass the engine's namespace mounts on; those of programs that
// run as another user or with capabilities that the agent lacks open only to SYS_PTRACE.
var agentCaps = []string{"NET_ADMIN", "NET_RAW", "SYS_ADMIN", "SYS_NICE", "SYS_PTRACE", "DAC_OVERRIDE", "CHOWN"}

// agentReady bounds the agent's start; agentPoll is how often it is asked.
const (
	agentReady = 20 * time.Second
	agentPoll  = 20 * time.Millisecond
)

// agentArgs are the arguments that netsplit is started with to be the agent of a testnet on a bridge.
func agentArgs(testnet, bridge string, lease bool) []string {
	args := []string{
		"agent", "--testnet", testnet, "--bridge", bridge,
		"--socket", agentDir + "/" + socketFile, "--journal", agentDir + "/" + journalFile,
	}
	if lease {
		args = append(args, "--lease", "require")
	}
	return args
}

// dialAgent returns a client of the agent that listens on a socket. It does not connect yet.
func dialAgent(socket string) agentClient { return agent.Dial(socket) }

// agentClient is what this package needs of the agent.
type agentClient interface {
	SetHosts(ctx context.Context, hosts []agent.Host) error
	State(ctx context.Context) (agent.State, error)
	Shape(ctx context.Context, layers []faults.Layer) (faults.Applied, error)
	ShapeIf(ctx context.Context, req agent.ShapeRequest) (faults.Applied, error)
	Probe(ctx context.Context, links []faults.Link, plan faults.ProbePlan) ([]faults.Measurement, error)
	Forward(ctx context.Context, targets []netip.AddrPort) ([]netip.AddrPort, error)
	AcquireLease(ctx context.Context) (*agent.Lease, error)
	Close()
}

// agentHandle is a testnet's agent: being started, or running.
type agentHandle struct {
	container string // its name
	dir       string // the directory of its socket on the host

	ready  chan struct{} // closed when client or err is set
	client agentClient
	err    error

	// telling serialises changes of the agent's table of nodes.
	telling sync.Mutex
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
		client, lease, err := a.start(r)
		a.client, a.err = client, err
		close(a.ready)
		if err != nil {
			return
		}
		<-r.life.Done()
		if lease != nil {
			lease.Release()
		}
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

// start makes the container, waits until the agent answers, and takes its lease if there is to be one.
func (a *agentHandle) start(r *Runtime) (agentClient, *agent.Lease, error) {
	fail := func(err error) (agentClient, *agent.Lease, error) {
		return nil, nil, fmt.Errorf("start the fault agent of testnet %s: %w", r.plan.ID, err)
	}
	ctx, cancel := context.WithTimeout(r.life, agentReady)
	defer cancel()
	if err := a.run(ctx, r); err != nil {
		return fail(err)
	}
	client := dialAgent(a.dir + "/" + socketFile)
	lease, err := a.greet(ctx, r, client)
	if err == nil {
		return client, lease, nil
	}
	client.Close()
	if tail, terr := tailOf(context.WithoutCancel(ctx), r.cli, a.container, tailLines); terr == nil && len(tail) > 0 {
		err = fmt.Errorf("%w; it printed:\n    | %s", err, strings.Join(tail, "\n    | "))
	}
	return fail(err)
}

// greet waits until the agent answers, tells it the nodes, and takes its lease if there is to be one.
func (a *agentHandle) greet(ctx context.Context, r *Runtime, client agentClient) (*agent.Lease, error) {
	if err := a.poll(ctx, r, client); err != nil {
		return nil, err
	}
	if err := client.SetHosts(ctx, r.hosts()); err != nil {
		return nil, fmt.Errorf("tell it the nodes: %w", err)
	}
	if !r.opts.Lease {
		return nil, nil
	}
	// Should the lease break, the agent heals by itself, and the next Shape finds out.
	lease, err := client.AcquireLease(r.life)
	if err != nil {
		return nil, fmt.Errorf("take its lease: %w", err)
	}
	return lease, nil
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
	if r.undoFile != "" {
		labels[labelUndo] = r.undoFile
	}
	req := r.request(a.container, agentArgs(r.plan.ID, r.bridge, r.opts.Lease), labels)
	lock := req.HostConfigModifier
	req.HostConfigModifier = func(h *container.HostConfig) {
		lock(h)
		h.NetworkMode = "host"
		h.PidMode = "host"
		h.CapAdd = agentCaps
		h.Binds = []string{a.dir + ":" + agentDir}
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
