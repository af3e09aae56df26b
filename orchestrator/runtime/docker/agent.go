package docker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/client"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/faults/agent"
)

// agentDir is where the agent sees the directory of the testnet's own that it shares with the host.
const agentDir = "/run/netsplit"

// agentCaps are what the agent needs: nftables and queues in the host's network (NET_ADMIN), entering the nodes' network
// namespaces and probing there (SYS_ADMIN, NET_RAW), releasing packets in time on a busy host (SYS_NICE), and a socket in
// a directory of the user who runs netsplit (DAC_OVERRIDE, CHOWN). It finds the namespaces through the process ids of the
// host, because a host whose root mount is private does not pass the engine's namespace mounts on; those of programs that
// run as another user or with capabilities that the agent lacks open only to SYS_PTRACE.
var agentCaps = []string{"NET_ADMIN", "NET_RAW", "SYS_ADMIN", "SYS_NICE", "SYS_PTRACE", "DAC_OVERRIDE", "CHOWN"}

// agentShares is the agent's weight where containers compete for a CPU, of which others have 1024: the agent uses little, and what
// it does late is wrong in every measurement. It matters where the engine allows no container to run in real time.
const agentShares = 64 << 10

const (
	// agentTimeout bounds the agent's start.
	agentTimeout = 20 * time.Second
	// agentPoll is how often a starting agent is polled.
	agentPoll = 20 * time.Millisecond
)

// faultAgent is the container that owns the faults of a testnet, being started or running, and implements all that a
// runtime does with links through it. Of nodes it knows names, addresses and network namespaces. The methods of a nil
// faultAgent fail: the testnet has no network yet.
type faultAgent struct {
	engine    *client.Client
	nodes     *nodeSet
	container string // its name
	socket    string // its path on the host

	ready chan struct{} // closed when agent or err is set
	agent *agent.Client
	err   error

	// hostsMu serialises changes of the agent's table of nodes.
	hostsMu sync.Mutex
}

// agentOptions say how an agent is started.
type agentOptions struct {
	testnet string
	bridge  string // the network's on the host
	lease   bool   // faults end with this process
	own     bool   // the network is the testnet's own: nodes do not reach the host
	labels  map[string]string
	nodes   *nodeSet
}

// args are the arguments that netsplit is started with to be the agent.
func (o agentOptions) args() []string {
	args := []string{
		"agent", "--testnet", o.testnet, "--bridge", o.bridge,
		"--socket", agentDir + "/" + socketFile, "--journal", agentDir + "/" + journalFile,
	}
	if o.lease {
		args = append(args, "--lease", "require")
	}
	if o.own {
		args = append(args, "--protect-host")
	}
	return args
}

// startAgent starts an agent in the background of a session; wait returns the outcome.
func startAgent(s *session, f *factory, o agentOptions) (*faultAgent, error) {
	dir, err := makeSocketDir(o.testnet)
	if err != nil {
		return nil, err
	}
	a := &faultAgent{
		engine: s.cli, nodes: o.nodes, container: agentName(o.testnet), socket: filepath.Join(dir, socketFile),
		ready: make(chan struct{}),
	}
	s.workers.Go(func() {
		c, lease, err := a.start(s.life, f, o)
		if err != nil {
			err = fmt.Errorf("start the fault agent of testnet %s: %w", o.testnet, err)
		}
		a.agent, a.err = c, err
		close(a.ready)
		if err != nil {
			return
		}
		<-s.life.Done()
		if lease != nil {
			lease.Release()
		}
		c.Close()
	})
	return a, nil
}

// openAgent returns the running agent that listens on a socket. It is not connected to before it is used.
func openAgent(s *session, testnet, socket string, nodes *nodeSet) *faultAgent {
	a := &faultAgent{engine: s.cli, nodes: nodes, container: agentName(testnet), socket: socket, ready: make(chan struct{})}
	a.agent = agent.Dial(socket)
	close(a.ready)
	s.workers.Go(func() {
		<-s.life.Done()
		a.agent.Close()
	})
	return a
}

// start makes the container, waits until the agent answers, and takes its lease if there is to be one. The lease ends
// with life.
func (a *faultAgent) start(life context.Context, f *factory, o agentOptions) (*agent.Client, *agent.Lease, error) {
	ctx, cancel := context.WithTimeout(life, agentTimeout)
	defer cancel()
	req := f.request(a.container, o.args(), maps.Clone(o.labels))
	req.Labels[labelSocket] = a.socket
	common := req.HostConfigModifier
	req.HostConfigModifier = func(h *container.HostConfig) {
		common(h)
		h.NetworkMode = "host"
		h.PidMode = "host"
		h.UsernsMode = "host" // an engine that remaps users has the host's namespaces for no other container
		h.CapAdd = agentCaps
		h.CPUShares = agentShares
		// Not Binds: for these the engine makes a directory that it does not find, as root.
		h.Mounts = []mount.Mount{{Type: mount.TypeBind, Source: filepath.Dir(a.socket), Target: agentDir}}
	}
	mctx, done := uncancelled(ctx)
	err := f.start(mctx, req, nil)
	done()
	if err != nil {
		return nil, nil, explainMount(err, filepath.Dir(a.socket))
	}
	c := agent.Dial(a.socket)
	lease, err := a.prepare(ctx, life, c, o.lease)
	if err == nil {
		return c, lease, nil
	}
	c.Close()
	return nil, nil, withTail(context.WithoutCancel(ctx), a.engine, a.container, tailLines, err)
}

// prepare waits until the agent answers, gives it the nodes, and takes its lease if there is to be one.
func (a *faultAgent) prepare(ctx, life context.Context, c *agent.Client, lease bool) (*agent.Lease, error) {
	if err := a.poll(ctx, c); err != nil {
		return nil, err
	}
	if err := c.SetHosts(ctx, a.nodes.agentHosts()); err != nil {
		return nil, fmt.Errorf("set its nodes: %w", err)
	}
	if !lease {
		return nil, nil
	}
	// Should the lease break, the agent heals by itself, and the next Shape finds out.
	l, err := c.AcquireLease(life)
	if err != nil {
		return nil, fmt.Errorf("take its lease: %w", err)
	}
	return l, nil
}

// poll waits until the agent answers on its socket.
func (a *faultAgent) poll(ctx context.Context, c *agent.Client) error {
	exited, errs := a.engine.ContainerWait(ctx, a.container, container.WaitConditionNotRunning)
	tick := time.NewTicker(agentPoll)
	defer tick.Stop()
	var last error
	for {
		if _, last = c.State(ctx); last == nil {
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

// socketPath is empty for a nil faultAgent.
func (a *faultAgent) socketPath() string {
	if a == nil {
		return ""
	}
	return a.socket
}

// failure is why the agent did not start; nil while it is starting, and once it is ready.
func (a *faultAgent) failure() error {
	if a == nil {
		return nil
	}
	select {
	case <-a.ready:
		return a.err
	default:
		return nil
	}
}

// wait returns the agent once it is ready.
func (a *faultAgent) wait(ctx context.Context) (*agent.Client, error) {
	if a == nil {
		return nil, errors.New("the testnet has no network yet")
	}
	select {
	case <-a.ready:
		return a.agent, a.err
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for the fault agent: %w", context.Cause(ctx))
	}
}

// use calls the agent, once it is ready. The error says what was tried, and that the agent is dead if it is.
func (a *faultAgent) use(ctx context.Context, what string, call func(*agent.Client) error) error {
	c, err := a.wait(ctx)
	if err == nil {
		if err = call(c); err != nil {
			if is, ierr := a.engine.ContainerInspect(ctx, a.container); ierr == nil && !is.State.Running {
				err = fmt.Errorf("the fault agent is dead (status %d) and all its faults with it: %w", is.State.ExitCode, err)
			}
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// locate makes sure that the agent knows where the nodes of cut links run. Else a cut would not hold for what names no link by
// IPv4 addresses.
func (a *faultAgent) locate(ctx context.Context, c *agent.Client, layers []faults.Layer) error {
	cut := make(map[faults.NodeID]bool)
	for _, l := range layers {
		for _, rule := range l.Links.Rules {
			for _, n := range slices.Concat(rule.From, rule.To) {
				cut[n] = cut[n] || rule.Cut
			}
		}
	}
	if len(cut) == 0 {
		return nil
	}
	s, err := c.State(ctx)
	if err != nil {
		return err
	}
	var unknown []faults.Link
	for _, h := range s.Hosts {
		if cut[h.Node] && h.Netns == "" {
			unknown = append(unknown, faults.Link{From: h.Node, To: h.Node})
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	return a.updateNetns(ctx, c, unknown)
}

// started informs the agent where a node runs that was started again.
func (a *faultAgent) started(ctx context.Context, action faults.Action) error {
	if a == nil || action.Verb != faults.Start && action.Verb != faults.Restart {
		return nil
	}
	return a.use(ctx, "find started node "+string(action.Node), func(c *agent.Client) error {
		return a.updateNetns(ctx, c, []faults.Link{{From: action.Node, To: action.Node}})
	})
}

// Shape implements runtime.LinkShaper.
func (a *faultAgent) Shape(ctx context.Context, layers []faults.Layer) (done faults.Applied, err error) {
	err = a.use(ctx, "shape links", func(c *agent.Client) error {
		if err := a.locate(ctx, c, layers); err != nil {
			return err
		}
		done, err = c.Shape(ctx, layers)
		return err
	})
	return done, err
}

// ShapeIf is Shape for callers that changed the list which Layers gave them: it fails when the list is no longer at that
// version, so that two users do not undo each other's faults.
func (a *faultAgent) ShapeIf(ctx context.Context, version uint64, layers []faults.Layer) (done faults.Applied, err error) {
	err = a.use(ctx, "shape links", func(c *agent.Client) error {
		if err := a.locate(ctx, c, layers); err != nil {
			return err
		}
		done, err = c.ShapeIf(ctx, agent.ShapeRequest{IfVersion: version, Layers: layers})
		return err
	})
	return done, err
}

// Layers returns the faults that hold on links now, and the version of that list for ShapeIf.
func (a *faultAgent) Layers(ctx context.Context) ([]faults.Layer, uint64, error) {
	s, err := a.state(ctx, "list faults")
	return s.Layers, s.Version, err
}

// Traffic implements runtime.LinkShaper.
func (a *faultAgent) Traffic(ctx context.Context) (faults.Traffic, error) {
	s, err := a.state(ctx, "count traffic")
	return s.Traffic, err
}

func (a *faultAgent) state(ctx context.Context, what string) (s agent.State, err error) {
	err = a.use(ctx, what, func(c *agent.Client) error {
		s, err = c.State(ctx)
		return err
	})
	return s, err
}

// ForwardPorts implements runtime.PortForwarder. The agent carries the connections: the engine publishes no port of a
// container whose network has no way out, and would give it another port with each start.
func (a *faultAgent) ForwardPorts(ctx context.Context, ports []netip.AddrPort) (out []netip.AddrPort, err error) {
	err = a.use(ctx, "publish ports", func(c *agent.Client) error {
		out, err = c.Forward(ctx, ports)
		return err
	})
	return out, err
}

// Probe implements runtime.LinkShaper.
func (a *faultAgent) Probe(ctx context.Context, links []faults.Link, plan faults.ProbePlan) (m []faults.Measurement, err error) {
	err = a.use(ctx, "probe links", func(c *agent.Client) error {
		if err := a.updateNetns(ctx, c, links); err != nil {
			return err
		}
		m, err = c.Probe(ctx, links, plan)
		return err
	})
	for i := range m {
		if m[i].Sent == 0 {
			m[i].Sent = plan.Count // to or from a node that does not run: every probe was lost
		}
	}
	return m, err
}

// updateNetns makes sure that the agent knows the namespaces of the nodes at the links' ends. A container gets a new one
// with every start, so they are looked up when they are needed. The agent's own table is the base: another process may
// have opened the testnet and added to it.
func (a *faultAgent) updateNetns(ctx context.Context, c *agent.Client, links []faults.Link) error {
	paths, err := a.nodes.netns(ctx, links)
	if err != nil {
		return err
	}
	a.hostsMu.Lock()
	defer a.hostsMu.Unlock()
	s, err := c.State(ctx)
	if err != nil {
		return err
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
	return c.SetHosts(ctx, s.Hosts)
}

// describe names the engine's version and the agent's mechanism, once the testnet has an agent.
func (a *faultAgent) describe(ctx context.Context, version string) string {
	text := "docker " + version
	if a == nil {
		return text
	}
	if s, err := a.state(ctx, "describe"); err == nil {
		text += ", " + s.Engine
	}
	return text
}
