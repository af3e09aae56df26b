package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/node/behavior"
	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/orchestrator/runtime"
)

const (
	// BaseDelay is the one-way delay of every link without faults.
	BaseDelay = 500 * time.Microsecond
	// DialTimeout is when a dial without an answer fails.
	DialTimeout = 2 * time.Second
)

// defaultEpoch is fixed, so that runs with one seed are identical.
var defaultEpoch = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

// Options configure a simulated network. The zero value is ready for use.
type Options struct {
	// Seed seeds the random jitter of links. Nodes have their own seeds.
	Seed uint64
	// Epoch is the wall-clock time at which virtual time begins; if zero, 2025-01-01T00:00:00Z.
	Epoch time.Time
	// Plant, if not nil, plants bugs in nodes, for tests of checks that must find them. It is called whenever a process of
	// a node starts, and returns the machine that runs in place of m: usually one that embeds m and drops or changes some
	// of its inputs and effects. Requests to the node's API still go to the node itself.
	Plant func(id faults.NodeID, m Machine) Machine
	// Memo is the cache that the nodes share; nil: a new one. Tests plant one that checks signatures wrongly.
	Memo *chain.Memo
}

func (o Options) withDefaults() Options {
	if o.Epoch.IsZero() {
		o.Epoch = defaultEpoch
	}
	if o.Memo == nil {
		o.Memo = chain.NewMemo()
	}
	return o
}

// ErrClosed is returned by calls on a Runtime after Close.
var ErrClosed = errors.New("simulated testnet is closed")

// Runtime is a testnet in virtual time. It implements runtime.Runtime and runtime.LinkShaper. Methods are safe for
// concurrent use, but a history is reproducible only if all calls come from tasks of the Clock.
type Runtime struct {
	opts  Options
	clock *clock
	// newMachine makes the machine of a node; tests replace it.
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
	_ runtime.Runtime    = (*Runtime)(nil)
	_ runtime.LinkShaper = (*Runtime)(nil)
)

// New returns a simulated testnet without nodes. The calling goroutine is the first task of its Clock.
func New(opts Options) *Runtime {
	opts = opts.withDefaults()
	r := &Runtime{opts: opts}
	r.newMachine = r.newNode
	r.clock = newClock(opts.Epoch, r.run)
	r.w = newWorld(opts, &r.clock.now)
	return r
}

func (r *Runtime) newNode(cfg node.Config, stored []*chain.Block, now node.Time) (Machine, chain.PeerID, error) {
	m, n, err := behavior.New(cfg, node.Deps{Memo: r.opts.Memo}, stored, now)
	if err != nil {
		return nil, chain.PeerID{}, err
	}
	return m, n.ID(), nil
}

// nodeOf returns the node in a machine, nil if it is a stub.
func nodeOf(m Machine) *node.Node {
	switch m := m.(type) {
	case *node.Node:
		return m
	case *behavior.Adversary:
		return m.Node
	}
	return nil
}

// run runs events for the clock.
func (r *Runtime) run(until int64, limit int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.w.run(until, limit)
}

// Clock implements runtime.Runtime.
func (r *Runtime) Clock() runtime.Clock { return r.clock }

// Info implements runtime.Runtime.
func (r *Runtime) Info(context.Context) runtime.Info {
	r.mu.Lock()
	defer r.mu.Unlock()
	return runtime.Info{Text: fmt.Sprintf("sim, virtual time, %d nodes, %v link delay, seed %d",
		len(r.w.hosts), BaseDelay, r.opts.Seed)}
}

// maxHosts is the number of addresses.
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

// Logs implements runtime.Runtime. The log of a node is limited to 1000 lines and to 8 to 256 KiB, depending on the number
// of nodes.
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

// Crash ends a node at a virtual time as if by itself, for tests of checks that must notice. It does nothing if the node
// does not run then.
func (r *Runtime) Crash(id faults.NodeID, at time.Duration, reason error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	h, err := r.host(id)
	if err != nil {
		return fmt.Errorf("crash: %w", err)
	}
	r.w.at(max(int64(at), r.w.now.Load()), func() { r.w.crash(h, reason, nil) })
	return nil
}

// External has somebody else pause, kill or remove a node at a moment of the clock, if it runs then, and reports that.
func (r *Runtime) External(at time.Duration, what runtime.ExternalError) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	h, err := r.host(what.Node)
	if err != nil {
		return fmt.Errorf("external: %w", err)
	}
	r.w.at(max(int64(at), r.w.now.Load()), func() {
		switch {
		case h.state != running:
			return
		case what.Ended():
			r.w.end(h)
		default:
			h.state = paused
		}
		if r.w.sink != nil {
			r.w.sink.External(h.id, &what)
		}
	})
	return nil
}

// Close implements runtime.Runtime. The Clock continues, so that tasks that sleep wake.
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

// Do implements runtime.Runtime. Actions take no virtual time.
func (r *Runtime) Do(ctx context.Context, action faults.Action) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	h, err := r.host(action.Node)
	if err != nil {
		return fmt.Errorf("%s: %w", action.Verb, err)
	}
	if !fits(action.Verb, h.state) {
		return fmt.Errorf("%s node %s: %w: %v", action.Verb, h.id, runtime.ErrState, h.state)
	}
	return r.w.act(h, action.Verb)
}

// fits reports whether an action is possible in a node's state.
func fits(verb faults.Verb, s state) bool {
	switch verb {
	case faults.Kill, faults.Stop:
		return s == running || s == paused
	case faults.Pause, faults.Restart:
		return s == running
	case faults.Resume:
		return s == paused
	case faults.Start:
		return s == down
	}
	return true // act refuses it
}

func (w *world) act(h *host, verb faults.Verb) error {
	switch verb {
	case faults.Kill:
		w.end(h)
	case faults.Stop:
		w.stop(h)
	case faults.Pause:
		h.state = paused
	case faults.Resume:
		w.resume(h)
	case faults.Start:
		return w.start(h)
	case faults.Restart:
		w.stop(h)
		return w.start(h)
	default:
		return fmt.Errorf("%s node %s: unknown verb", verb, h.id)
	}
	return nil
}

// stop stops the machine and ends the process. A paused process is ended without a stop.
func (w *world) stop(h *host) {
	if h.state == running {
		w.guard(func() { w.feed(h, Machine.Stop) })
	}
	if h.state != down { // it has not panicked
		w.end(h)
	}
}

// Launch implements runtime.Runtime. Nodes start one after the other, at the current time, up to the first failure.
func (r *Runtime) Launch(ctx context.Context, nodes []runtime.Launch, progress func(faults.NodeID)) error {
	for _, l := range nodes {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := r.launch(l); err != nil {
			return err
		}
		if progress != nil {
			progress(l.ID)
		}
	}
	return nil
}

func (r *Runtime) launch(l runtime.Launch) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	h, err := r.host(l.ID)
	if err != nil {
		return &runtime.NodeError{Node: l.ID, Op: "start", Err: err}
	}
	if h.boot != nil {
		err := fmt.Errorf("%w: launched before", runtime.ErrState)
		return &runtime.NodeError{Node: l.ID, Op: "start", Err: err}
	}
	cfg, err := r.readConfig(l)
	if err != nil {
		h.log.addText("error: " + err.Error())
		return &runtime.NodeError{Node: l.ID, Op: "start", Err: err, Tail: h.log.tail(tailLines)}
	}
	h.boot = func(now node.Time, stored []*chain.Block) (Machine, error) {
		m, peer, err := r.newMachine(cfg, stored, now)
		if err != nil {
			return nil, err
		}
		h.peer = peer
		h.node = nodeOf(m)
		if r.opts.Plant != nil {
			m = r.opts.Plant(h.id, m)
		}
		return m, nil
	}
	if _, taken := r.w.addrs[cfg.Advertise]; !taken && cfg.Advertise != "" {
		r.w.addrs[cfg.Advertise] = h
	}
	h.state = down
	return r.w.start(h)
}

// configPath returns the configuration file in the arguments of `netsplit node`.
func configPath(args []string) (string, error) {
	if len(args) == 0 || args[0] != "node" {
		return "", fmt.Errorf("arguments %q: the simulator runs only the netsplit node", args)
	}
	for i, a := range args[1:] {
		name, value, inline := strings.Cut(a, "=")
		if name != "--config" && name != "-config" {
			continue
		}
		if inline {
			return value, nil
		}
		if i+2 < len(args) {
			return args[i+2], nil
		}
	}
	return "", fmt.Errorf("arguments %q: no --config FILE", args)
}

// readConfig decodes a node's configuration from its files, as strictly as the node itself does.
func (r *Runtime) readConfig(l runtime.Launch) (node.Config, error) {
	path, err := configPath(l.Args)
	if err != nil {
		return node.Config{}, err
	}
	text, ok := l.Files[path]
	if !ok {
		return node.Config{}, fmt.Errorf("read %s: no such file", path)
	}
	cfg, err := r.genesis.decode(text)
	if err != nil {
		return node.Config{}, fmt.Errorf("decode %s: %w", path, err)
	}
	return cfg, nil
}

// internedGenesis caches the genesis that was decoded last: all nodes of a testnet share it.
type internedGenesis struct {
	text  []byte
	value chain.Genesis
}

// decode decodes a configuration strictly.
func (g *internedGenesis) decode(text []byte) (node.Config, error) {
	// The outer Genesis shadows that of Config and holds the text, to compare it with the one decoded last.
	var raw struct {
		Genesis json.RawMessage `json:"genesis"`
		node.Config
	}
	if err := strict(text, &raw); err != nil {
		return node.Config{}, err
	}
	if !bytes.Equal(raw.Genesis, g.text) || g.text == nil {
		var value chain.Genesis
		if err := strict(raw.Genesis, &value); err != nil {
			return node.Config{}, fmt.Errorf("genesis: %w", err)
		}
		g.text, g.value = raw.Genesis, value
	}
	cfg := raw.Config
	cfg.Genesis = g.value
	return cfg, nil
}

// strict decodes exactly one JSON value without unknown keys.
func strict(text []byte, into any) error {
	if len(text) == 0 {
		return errors.New("missing")
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("data after the end of the object")
	}
	return nil
}
