package docker

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/testcontainers/testcontainers-go"
	"golang.org/x/sync/errgroup"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/runtime"
)

// Options say how a testnet is hosted. The zero Options are what a detached testnet needs.
type Options struct {
	// Image is a local image to use for nodes and agent; its entry point must be netsplit. Empty: an image made from the
	// running executable.
	Image string
	// Lease makes faults end when this process does, however it ends.
	Lease bool
	// Subnet is where the nodes get their addresses; the zero Prefix: one that is free.
	Subnet netip.Prefix
}

// Runtime hosts one testnet in containers that it makes and removes. It implements runtime.Runtime, LinkShaper and
// PortForwarder. What happens to running nodes and links is done by its parts; its own state is how containers are made.
type Runtime struct {
	*session
	// Both nil before Create or Open.
	*nodeSet
	*faultAgent

	opts    Options
	plan    runtime.Plan
	factory *factory
	images  sync.Map     // of *externalImage by reference
	route   func() error // whether nodes can be reached, found out once
}

// The capabilities of this runtime.
var (
	_ runtime.Runtime       = (*Runtime)(nil)
	_ runtime.LinkShaper    = (*Runtime)(nil)
	_ runtime.PortForwarder = (*Runtime)(nil)
	_ runtime.CPUMeter      = (*Runtime)(nil)
)

// New connects to the local engine. The caller must call Close or Detach. The error wraps ErrUnavailable when there is
// no usable engine.
func New(ctx context.Context, opts Options) (*Runtime, error) {
	s, err := openSession(ctx)
	if err != nil {
		return nil, err
	}
	return &Runtime{session: s, opts: opts}, nil
}

// Create implements runtime.Runtime. Image, network and agent are made at the same time.
func (r *Runtime) Create(ctx context.Context, plan runtime.Plan) ([]runtime.Host, error) {
	ctx, done, err := r.begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("create testnet %s: %w", plan.ID, err)
	}
	defer done()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("create testnet %s: %w", plan.ID, context.Cause(ctx))
	}
	if r.nodeSet != nil {
		return nil, fmt.Errorf("create testnet %s: this runtime has made one already", plan.ID)
	}
	if err := r.create(ctx, plan); err != nil {
		return nil, fmt.Errorf("create testnet %s: %w", plan.ID, err)
	}
	return r.hosts(), nil
}

func (r *Runtime) create(ctx context.Context, plan runtime.Plan) error {
	if err := CheckSize(len(plan.Nodes)); err != nil {
		return err
	}
	r.plan = plan
	r.nodeSet = newNodeSet(r.cli, plan.ID, networkName(plan.ID))
	for _, p := range plan.Nodes {
		if err := r.add(&node{id: p.ID, role: p.Role, container: containerName(plan.ID, p.ID)}); err != nil {
			return err
		}
	}
	var err error
	if r.factory, err = newFactory(r.cli, driverOptions(plan.ID)); err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		img, err := netsplitImage(gctx, r.cli, r.opts.Image)
		r.factory.cli.image = img
		return err
	})
	g.Go(func() error {
		// Not cancelled, so that Close knows all that there is.
		mctx, cancel := uncancelled(gctx)
		defer cancel()
		subnet, err := createNetwork(mctx, r.factory, r.cli, networkOptions{
			testnet: plan.ID, nodes: len(plan.Nodes), subnet: r.opts.Subnet, labels: testnetLabels(plan),
		})
		if err != nil {
			return fmt.Errorf("create network %s: %w", networkName(plan.ID), err)
		}
		for i, n := range r.order {
			n.addr = offset(subnet.Addr(), firstHost+uint32(i))
		}
		first := offset(subnet.Addr(), firstHost)
		r.route = sync.OnceValue(func() error { return checkRoute(bridgeName(plan.ID), first) })
		return nil
	})
	if err := g.Wait(); err != nil {
		return err
	}
	if plan.Sink != nil {
		r.report(r.session, plan.Sink, nil)
	}
	r.faultAgent, err = startAgent(r.session, r.factory, agentOptions{
		testnet: plan.ID, bridge: bridgeName(plan.ID), lease: r.opts.Lease, own: true, labels: testnetLabels(plan), nodes: r.nodeSet,
	})
	return err
}

// Launch implements runtime.Runtime. No node starts before the agent is ready.
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
			if err := r.failure(); err != nil {
				return fmt.Errorf("launch nodes: %w", err)
			}
			if err := r.launch(gctx, l); err != nil {
				return r.fail(ctx, "start", l.ID, err)
			}
			// Some engines make the bridge for the first container.
			if err := r.route(); err != nil {
				return fmt.Errorf("launch nodes: %w", err)
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
	if _, err := r.wait(ctx); err != nil {
		return fmt.Errorf("launch nodes: %w", err)
	}
	return nil
}

// launch makes and starts the container of one node.
func (r *Runtime) launch(ctx context.Context, l runtime.Launch) error {
	n, err := r.find(l.ID)
	if err != nil {
		return err
	}
	n.mu.Lock()
	again := n.launched
	n.launched = true
	n.stderr = l.Image != ""
	n.mu.Unlock()
	if again {
		return fmt.Errorf("it was launched before: %w", runtime.ErrState)
	}
	// Before the agent is ready, nodes would reach the host.
	ready := func() error {
		if !hasInterface(bridgeName(r.plan.ID)) {
			return nil // the engine makes it for the first container, and the agent needs it
		}
		_, err := r.wait(ctx)
		return err
	}
	mctx, cancel := uncancelled(ctx)
	defer cancel()
	req := r.nodeRequest(n, l)
	if l.Image == "" {
		files, err := nodeFiles(l.Files).pack()
		if err != nil {
			return err
		}
		req.LifecycleHooks = r.copyFiles(func(context.Context, string) ([]byte, error) { return files, nil })
		return r.factory.start(mctx, req, ready)
	}
	img, err := r.externalImage(mctx, l.Image)
	if err != nil {
		return err
	}
	if len(l.Files) > 0 {
		req.LifecycleHooks = r.copyFiles(func(ctx context.Context, id string) ([]byte, error) {
			return img.pack(ctx, r.cli, id, l.Files)
		})
	}
	return r.factory.start(mctx, req, ready)
}

// externalCaps are what the start scripts of common images need to give their directories to a user of their own and to
// continue as that user. All other capabilities are dropped.
var externalCaps = []string{"CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETUID"}

// nodeRequest describes a node's container. An external image keeps its entry point, its user and its stop signal.
func (r *Runtime) nodeRequest(n *node, l runtime.Launch) testcontainers.ContainerRequest {
	labels := testnetLabels(r.plan)
	labels[labelNode] = string(n.id)
	labels[labelRole] = n.role
	labels[labelAddr] = n.addr.String()
	req := r.factory.request(n.container, l.Args, labels)
	config, host := req.ConfigModifier, req.HostConfigModifier
	req.ConfigModifier = func(c *container.Config) {
		config(c)
		c.Env = append(c.Env, l.Env...)
		if l.Image != "" {
			c.Image, c.StopSignal = l.Image, ""
			// The runner judges nodes; a check of the image's own would only run beside it.
			c.Healthcheck = &container.HealthConfig{Test: []string{"NONE"}}
		}
	}
	req.HostConfigModifier = func(h *container.HostConfig) {
		host(h)
		h.NetworkMode = container.NetworkMode(networkName(r.plan.ID))
		h.Memory = cmp.Or(l.Memory, DefaultMemory)
		h.MemorySwap = h.Memory // no swap space beside: a node would become slow instead
		if l.Image != "" {
			h.CapAdd, h.Sysctls = externalCaps, l.Sysctls
		}
	}
	req.EndpointSettingsModifier = func(e map[string]*network.EndpointSettings) {
		e[networkName(r.plan.ID)] = &network.EndpointSettings{
			IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: n.addr.String()},
		}
	}
	return req
}

// copyFiles are hooks that put an archive into a new container: one for all files, where the library would send one for
// each.
func (r *Runtime) copyFiles(pack func(ctx context.Context, id string) ([]byte, error)) []testcontainers.ContainerLifecycleHooks {
	return []testcontainers.ContainerLifecycleHooks{{
		PostCreates: []testcontainers.ContainerHook{func(ctx context.Context, c testcontainers.Container) error {
			id := c.GetContainerID()
			packed, err := pack(ctx, id)
			if err != nil {
				return err
			}
			if err := r.cli.CopyToContainer(ctx, id, "/", bytes.NewReader(packed), container.CopyToContainerOptions{}); err != nil {
				return fmt.Errorf("copy files: %w", err)
			}
			return nil
		}},
	}}
}

// externalImage returns what is known about an image other than netsplit's own, which the engine must have.
func (r *Runtime) externalImage(ctx context.Context, ref string) (*externalImage, error) {
	if f, ok := r.images.Load(ref); ok {
		return f.(*externalImage), nil
	}
	img, err := localImage(ctx, r.cli, ref)
	if err != nil {
		return nil, err
	}
	f, _ := r.images.LoadOrStore(ref, newExternalImage(ref, img))
	return f.(*externalImage), nil
}

// BuildImage returns a reference to the image that a source describes, made if the engine does not have it. progress, if not
// nil, is called for each step that takes time. It may be called before Create.
func (r *Runtime) BuildImage(ctx context.Context, source runtime.ImageSource, progress func(string)) (string, error) {
	if err := checkSource(source); err != nil {
		return "", fmt.Errorf("get an image: %w", err)
	}
	ctx, done, err := r.begin(ctx)
	if err != nil {
		return "", fmt.Errorf("get an image: %w", err)
	}
	defer done()
	if progress == nil {
		progress = func(string) {}
	}
	var ref, kind string
	switch {
	case source.Go != "":
		kind = "go: " + source.Go
		var dir string
		if dir, err = cacheDir(); err == nil {
			b := goBuilder{engine: r.cli, dir: dir, run: runGo, progress: progress}
			ref, err = b.image(ctx, source.Go, source.LDFlags)
		}
	case source.Binary != "":
		kind = "binary: " + source.Binary
		ref, err = binaryImage(ctx, r.cli, source.Binary)
	case source.Dockerfile != "":
		kind = "dockerfile: " + source.Dockerfile
		ref, err = dockerfileImage(ctx, r.cli, source.Dockerfile, progress)
	default:
		_, err := localImage(ctx, r.cli, source.Ref)
		return source.Ref, err
	}
	if err != nil {
		return "", fmt.Errorf("image of %s: %w", kind, err)
	}
	return ref, nil
}

// checkSource fails unless exactly one kind of source is set.
func checkSource(s runtime.ImageSource) error {
	kinds := 0
	for _, k := range []string{s.Go, s.Binary, s.Ref, s.Dockerfile} {
		if k != "" {
			kinds++
		}
	}
	if kinds != 1 {
		return fmt.Errorf("the source has %d of go, binary, ref and dockerfile; it needs one", kinds)
	}
	if s.LDFlags != "" && s.Go == "" {
		return errors.New("ldflags are for the source go only")
	}
	return nil
}

// Open returns a Runtime for a testnet that is running already, made by another process. Nothing comes to a sink, and
// Create and Launch fail. The caller calls Detach when it is done, or Close to end the testnet. The error wraps
// ErrNotFound when there is no such testnet.
func Open(ctx context.Context, id string) (*Runtime, error) {
	r, err := New(ctx, Options{})
	if err != nil {
		return nil, fmt.Errorf("open testnet %s: %w", id, err)
	}
	if err := r.open(ctx, id); err != nil {
		return nil, errors.Join(fmt.Errorf("open testnet %s: %w", id, err), r.Detach())
	}
	return r, nil
}

func (r *Runtime) open(ctx context.Context, id string) error {
	t, err := find(ctx, r.cli, id)
	if err != nil {
		return err
	}
	r.plan.ID, r.plan.Name, r.plan.Dir = t.ID, t.Scenario, t.Dir
	r.nodeSet = newNodeSet(r.cli, id, networkName(id))
	for _, info := range t.Nodes {
		n := &node{id: info.ID, role: info.Role, addr: info.Addr, container: info.Container, launched: true}
		if err := r.add(n); err != nil {
			return err
		}
	}
	if t.Socket != "" {
		r.faultAgent = openAgent(r.session, id, t.Socket, r.nodeSet)
	}
	return nil
}

// Do implements runtime.Runtime.
func (r *Runtime) Do(ctx context.Context, action faults.Action) error {
	if err := r.nodeSet.Do(ctx, action); err != nil {
		return err
	}
	return r.started(ctx, action)
}

// Hosts returns the nodes' names, roles, addresses and states, in the plan's order, as the engine has them now.
func (r *Runtime) Hosts(ctx context.Context) ([]NodeInfo, error) {
	found, err := list(ctx, r.cli, byTestnet(r.plan.ID))
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return found[0].Nodes, nil
}

// States returns the state of every node's container.
func (r *Runtime) States(ctx context.Context) (map[faults.NodeID]string, error) {
	return statesOf(r.Hosts(ctx))
}

// Info implements runtime.Runtime.
func (r *Runtime) Info(ctx context.Context) runtime.Info {
	return runtime.Info{Text: r.describe(ctx, r.version)}
}

// Close implements runtime.Runtime. It works after a Create or Launch that was cancelled, and does its work even when ctx
// has ended, within two minutes. Its error names what is left.
func (r *Runtime) Close(ctx context.Context) error {
	r.retire()
	if r.plan.ID != "" {
		if err := closeTestnet(ctx, r.cli, r.plan.ID, r.socketPath()); err != nil {
			return err
		}
	}
	return r.cli.Close()
}
