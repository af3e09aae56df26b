package docker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
	"github.com/testcontainers/testcontainers-go"
	"golang.org/x/sync/errgroup"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/runtime"
)

// Options say how a testnet is hosted. The zero Options are what a detached testnet wants.
type Options struct {
	// Image is a local image to use for nodes and agent; its entry point must be netsplit. Empty: an image made from the
	// running executable.
	Image string
	// Lease makes faults end when this process does, however it ends.
	Lease bool

	// executable is the file that the image is made from; empty: the running one.
	executable string
}

// Runtime hosts one testnet in containers. It implements runtime.Runtime, LinkShaper and
// PortForwarder.
type Runtime struct {
	opts    Options
	clock   runtime.Clock
	cli     *client.Client
	version string
	http    *http.Transport

	// life ends when Close or Detach begins; what runs in the background ends with it.
	life    context.Context
	end     context.CancelFunc
	workers sync.WaitGroup

	mu     sync.Mutex
	closed bool
	calls  sync.WaitGroup // of all that makes things

	images sync.Map // of *foreignImage by reference

	// Set by Create or Attach, and not changed after.
	plan   runtime.Plan
	bridge string // its name on the host; empty after Attach
	nodes  map[faults.NodeID]*node
	order  []*node
	lean   *lean
	prov   *testcontainers.DockerProvider
	agent  *agentHandle
	// undoFile is where it says what faults did to containers that are not ours; empty where all are.
	undoFile string
}

// The capabilities of this runtime.
var (
	_ runtime.Runtime       = (*Runtime)(nil)
	_ runtime.LinkShaper    = (*Runtime)(nil)
	_ runtime.PortForwarder = (*Runtime)(nil)
)

// ErrClosed is returned by calls after Close.
var ErrClosed = errors.New("the testnet is closed")

// New connects to the local engine. The caller must call Close or Detach. The error wraps ErrUnavailable when there is
// no usable engine.
func New(ctx context.Context, opts Options) (*Runtime, error) {
	cli, version, err := connect(ctx)
	if err != nil {
		return nil, err
	}
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	return &Runtime{
		opts: opts, clock: runtime.NewRealClock(), cli: cli, version: version, life: life, end: end,
		http: &http.Transport{
			// A node that is cut off or paused must not hold a caller for the kernel's two minutes.
			DialContext:         (&net.Dialer{Timeout: 2 * time.Second}).DialContext,
			MaxIdleConnsPerHost: 2,
			IdleConnTimeout:     30 * time.Second,
			DisableCompression:  true,
		},
	}, nil
}

// begin enters a call that makes things; it returns a context that ends with ctx and with the runtime.
func (r *Runtime) begin(ctx context.Context) (context.Context, func(), error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, nil, ErrClosed
	}
	r.calls.Add(1)
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(r.life, func() { cancel(ErrClosed) })
	return ctx, func() {
		stop()
		cancel(nil)
		r.calls.Done()
	}, nil
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
	if r.nodes != nil {
		return nil, fmt.Errorf("create testnet %s: this runtime has made one already", plan.ID)
	}
	r.plan = plan
	r.nodes = make(map[faults.NodeID]*node, len(plan.Nodes))
	hosts, err := r.create(ctx)
	if err != nil {
		return nil, fmt.Errorf("create testnet %s: %w", plan.ID, err)
	}
	return hosts, nil
}

func (r *Runtime) create(ctx context.Context) ([]runtime.Host, error) {
	r.lean = &lean{APIClient: r.cli, driver: driverOptions(r.plan.ID)}
	r.bridge = bridgeName(r.plan.ID)
	var err error
	if r.prov, err = newProvider(r.lean); err != nil {
		return nil, err
	}
	var hosts []runtime.Host
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		img, err := r.image(gctx)
		r.lean.image = img
		return err
	})
	g.Go(func() error {
		// A request that was sent is seen through, so that Close knows all that there is.
		mctx, cancel := seeThrough(gctx)
		defer cancel()
		subnet, err := createNetwork(mctx, r.prov, r.cli, r.plan.ID, len(r.plan.Nodes), r.labels())
		if err != nil {
			return err
		}
		for i, p := range r.plan.Nodes {
			n := &node{id: p.ID, role: p.Role, addr: offset(subnet.Addr(), firstHost+uint32(i)), inbox: newInbox(), container: containerName(r.plan.ID, p.ID)}
			r.nodes[p.ID] = n
			r.order = append(r.order, n)
			hosts = append(hosts, runtime.Host{ID: p.ID, Addr: n.addr})
		}
		return nil
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	if len(r.nodes) != len(r.plan.Nodes) {
		return nil, errors.New("two nodes have the same name")
	}
	if r.plan.Sink != nil {
		r.watch()
	}
	if r.agent, err = r.newAgent(); err != nil {
		return nil, err
	}
	r.agent.begin(r)
	return hosts, nil
}

// image returns the image of nodes and agent.
func (r *Runtime) image(ctx context.Context) (image.InspectResponse, error) {
	if r.opts.Image != "" {
		return givenImage(ctx, r.cli, r.opts.Image)
	}
	path := r.opts.executable
	if path == "" {
		var err error
		if path, err = os.Executable(); err != nil {
			return image.InspectResponse{}, fmt.Errorf("find the running executable: %w", err)
		}
	}
	return ownImage(ctx, r.cli, path)
}

// watch starts what feeds the sink.
func (r *Runtime) watch() {
	w := &watcher{src: r.cli, testnet: r.plan.ID, nodes: r.nodes, gap: r.plan.Sink.Gap}
	msgs, errs := w.open(r.life)
	r.workers.Go(func() { w.run(r.life, msgs, errs) })
	for _, n := range r.order {
		f := newFollower(r.cli, n.container, n, r.plan.Sink)
		r.workers.Go(func() { f.run(r.life) })
	}
}

// labels are on everything that the testnet is made of.
func (r *Runtime) labels() map[string]string {
	return map[string]string{
		labelTool:     tool,
		labelTestnet:  r.plan.ID,
		labelScenario: r.plan.Name,
		labelDir:      r.plan.Dir,
	}
}

// seeThroughTimeout bounds a request to the engine that is not given up when the caller is.
const seeThroughTimeout = 2 * time.Minute

// seeThrough returns a context for a request that makes something: a request that is broken off may still succeed, after
// clean-up has looked.
func seeThrough(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), seeThroughTimeout)
}

// Clock implements runtime.Runtime: it is real time.
func (r *Runtime) Clock() runtime.Clock { return r.clock }

// Transport implements runtime.Runtime: requests go straight to the nodes' addresses, past any proxy.
func (r *Runtime) Transport() http.RoundTripper { return r.http }

// Info implements runtime.Runtime.
func (r *Runtime) Info(ctx context.Context) runtime.Info {
	info := runtime.Info{Text: "docker " + r.version}
	if r.agent == nil {
		return info
	}
	if engine, err := r.agent.engine(ctx); err == nil {
		info.Text += ", " + engine
	}
	return info
}
