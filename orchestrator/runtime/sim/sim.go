package sim

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/orchestrator/runtime"
)

// ErrClosed is returned by calls on a Runtime after Close.
var ErrClosed = errors.New("simulated testnet is closed")

// Runtime is a testnet in virtual time. It implements runtime.Runtime, Reacher, Shaper and Describer. Methods are safe
// for concurrent use; a history is only then the same every time when they are called from the Clock's lanes.
type Runtime struct {
	opts  Options
	clock *clock
	// newMachine makes the machine of a node; tests put another in its place.
	newMachine func(cfg node.Config, stored []*chain.Block, now node.Time) (Machine, chain.PeerID, error)

	mu      sync.Mutex
	w       *world
	genesis internedGenesis
	layers  []faults.Layer
	shaped  int // counts changes of the layers
	created bool
	closed  bool
}

var (
	_ runtime.Runtime   = (*Runtime)(nil)
	_ runtime.Reacher   = (*Runtime)(nil)
	_ runtime.Shaper    = (*Runtime)(nil)
	_ runtime.Describer = (*Runtime)(nil)
)

// New returns a simulated testnet without nodes. The calling goroutine is the first lane of its Clock.
func New(opts Options) *Runtime {
	opts = opts.withDefaults()
	r := &Runtime{opts: opts}
	r.newMachine = r.newNode
	r.clock = newClock(opts.Epoch, opts.RealTime, r.run)
	r.w = newWorld(opts, &r.clock.now)
	return r
}

func (r *Runtime) newNode(cfg node.Config, stored []*chain.Block, now node.Time) (Machine, chain.PeerID, error) {
	n, err := node.New(cfg, node.Deps{Memo: r.opts.Memo}, stored, now)
	if err != nil {
		return nil, chain.PeerID{}, err
	}
	return n, n.ID(), nil
}

// run is what the clock calls to let events happen.
func (r *Runtime) run(until int64, limit int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.w.run(until, limit)
}

// Clock implements runtime.Runtime.
func (r *Runtime) Clock() runtime.Clock { return r.clock }

// Describe implements runtime.Describer.
func (r *Runtime) Describe(context.Context) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return fmt.Sprintf("sim, virtual time, %d nodes, %v base delay, seed %d",
		len(r.w.hosts), r.opts.BaseDelay, r.opts.Seed)
}

// maxHosts is how many addresses there are.
const maxHosts = 256 * 256 * 254

// hostAddr returns the address of the i-th host, in 10.0.0.0/8. The last byte is never 0 or 255.
func hostAddr(i int) netip.Addr {
	high := i / 254
	return netip.AddrFrom4([4]byte{10, byte(high >> 8), byte(high), byte(i%254 + 1)})
}

// Create implements runtime.Runtime.
func (r *Runtime) Create(ctx context.Context, plan runtime.Plan) ([]runtime.Host, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed:
		return nil, ErrClosed
	case r.created:
		return nil, fmt.Errorf("create testnet %s: already created", plan.ID)
	case len(plan.Nodes) > maxHosts:
		return nil, fmt.Errorf("create testnet %s: %d nodes, at most %d", plan.ID, len(plan.Nodes), maxHosts)
	}
	seen := make(map[faults.NodeID]bool, len(plan.Nodes))
	for _, n := range plan.Nodes {
		if seen[n.ID] {
			return nil, fmt.Errorf("create testnet %s: node %s is planned twice", plan.ID, n.ID)
		}
		seen[n.ID] = true
	}
	r.created = true
	r.w.sink = plan.Sink
	hosts := make([]runtime.Host, len(plan.Nodes))
	limit := limitFor(len(plan.Nodes))
	for i, n := range plan.Nodes {
		hosts[i] = runtime.Host{ID: n.ID, Addr: hostAddr(i)}
		h := &host{index: int32(i), id: n.ID, addr: hosts[i].Addr, log: ring{limit: limit}}
		r.w.hosts = append(r.w.hosts, h)
		r.w.names[n.ID] = h
		r.w.addrs[netip.AddrPortFrom(h.addr, runtime.PeerPort).String()] = h
	}
	return hosts, nil
}

// Logs implements runtime.Runtime. What a node keeps is bounded: 1000 lines, and between 8 and 256 KiB, the less the
// more nodes there are.
func (r *Runtime) Logs(ctx context.Context, id faults.NodeID, n int) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	h, err := r.host(id)
	if err != nil {
		return nil, fmt.Errorf("logs: %w", err)
	}
	return h.log.tail(n), nil
}

// Crash makes a node end at a moment of virtual time as if by itself, for tests of those who must notice. It does
// nothing if the node does not run then.
func (r *Runtime) Crash(id faults.NodeID, at time.Duration, reason error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	h, err := r.host(id)
	if err != nil {
		return fmt.Errorf("crash: %w", err)
	}
	r.w.at(max(int64(at), r.w.now.Load()), func() { r.w.die(h, reason, nil) })
	return nil
}

// Close implements runtime.Runtime. The Clock goes on, so that lanes that sleep wake.
func (r *Runtime) Close(context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	r.closed = true
	r.w = newWorld(r.opts, &r.clock.now)
	r.layers = nil
	return nil
}

// host finds a node; r.mu is held.
func (r *Runtime) host(id faults.NodeID) (*host, error) {
	if r.closed {
		return nil, ErrClosed
	}
	h, ok := r.w.names[id]
	if !ok {
		return nil, fmt.Errorf("unknown node %q", id)
	}
	return h, nil
}
