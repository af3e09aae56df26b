package agent

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/faults/shape"
)

// engine applies the state of links; *shape.Engine implements it.
type engine interface {
	Name() string
	// SetHosts says where the nodes run, so that cuts hold for all that they send.
	SetHosts([]Host) error
	Apply(shape.Desired) error
	Traffic() (faults.Traffic, error)
	// Failed is closed when links may no longer be as they were applied; Cause then says why.
	Failed() <-chan struct{}
	Cause() error
	Close() error
}

// controller owns the desired state (hosts, layers, leases) and has the engine apply it. It sees neither connections nor
// probes nor the journal. Its methods may be called from several goroutines; each leaves the kernel in the desired state, or, on an
// error, as it was.
type controller struct {
	testnet string
	engine  engine
	// requireLease is true where faults need a lease.
	requireLease bool
	// failed is called when faults that should be healed stay in the kernel.
	failed func(error)

	mu      sync.Mutex
	version uint64
	hosts   []Host
	layers  []faults.Layer
	leases  int
	expiry  *time.Timer
	closed  bool
}

// state returns a copy of the state, with the engine's counts.
func (c *controller) state() (State, error) {
	c.mu.Lock()
	s := State{
		Testnet: c.testnet,
		Version: c.version,
		Engine:  c.engine.Name(),
		Hosts:   slices.Clone(c.hosts),
		Layers:  slices.Clone(c.layers),
	}
	c.mu.Unlock()
	var err error
	s.Traffic, err = c.engine.Traffic()
	return s, err
}

// setHosts replaces the hosts and applies the layers to them.
func (c *controller) setHosts(hosts []Host) error {
	if err := checkHosts(hosts); err != nil {
		return newError(http.StatusBadRequest, "set hosts: %v", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.apply(hosts, c.layers); err != nil {
		return err
	}
	c.hosts = slices.Clone(hosts)
	if err := c.engine.SetHosts(c.hosts); err != nil {
		return newError(http.StatusInternalServerError, "set hosts: %v", err)
	}
	return nil
}

// setLayers replaces the layers and applies them. Layers whose time is over are left out.
func (c *controller) setLayers(req ShapeRequest) (faults.Applied, error) {
	start := time.Now()
	if err := checkLayers(req.Layers); err != nil {
		return faults.Applied{}, newError(http.StatusBadRequest, "shape links: %v", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if req.IfVersion != 0 && req.IfVersion != c.version {
		return faults.Applied{}, newError(http.StatusConflict, "shape links: the layers have changed: version is %d, not %d", c.version, req.IfVersion)
	}
	if c.requireLease && c.leases == 0 && len(req.Layers) > 0 {
		return faults.Applied{}, newError(http.StatusPreconditionFailed, "shape links: no client holds the agent's lease")
	}
	layers := active(req.Layers, start)
	if err := c.apply(c.hosts, layers); err != nil {
		return faults.Applied{}, err
	}
	c.setApplied(layers)
	return faults.Applied{Took: time.Since(start), Engine: c.engine.Name()}, nil
}

// active returns the layers that are not over at now.
func active(layers []faults.Layer, now time.Time) []faults.Layer {
	return slices.DeleteFunc(slices.Clone(layers), func(l faults.Layer) bool {
		return !l.Until.IsZero() && !l.Until.After(now)
	})
}

// apply has the engine apply layers to hosts. c.mu is held.
func (c *controller) apply(hosts []Host, layers []faults.Layer) error {
	if c.closed {
		return newError(http.StatusServiceUnavailable, "shape links: the agent is stopping")
	}
	addrs := make(map[faults.NodeID]netip.Addr, len(hosts))
	for _, h := range hosts {
		addrs[h.Node] = h.Addr
	}
	want, err := shape.Expand(faults.Compose(layers), addrs)
	if err != nil {
		return newError(http.StatusBadRequest, "shape links: %v", err)
	}
	switch err := c.engine.Apply(want); {
	case errors.Is(err, shape.ErrNoDelay):
		return newError(http.StatusNotImplemented, "shape links: %v", err)
	case err != nil:
		return newError(http.StatusInternalServerError, "shape links: %v", err)
	}
	return nil
}

// setApplied records the layers that were applied and sets the timer for the first that ends. c.mu is held.
func (c *controller) setApplied(layers []faults.Layer) {
	c.layers = layers
	c.version++
	if c.expiry != nil {
		c.expiry.Stop()
		c.expiry = nil
	}
	var first time.Time
	for _, l := range layers {
		if !l.Until.IsZero() && (first.IsZero() || l.Until.Before(first)) {
			first = l.Until
		}
	}
	if !first.IsZero() && !c.closed {
		c.expiry = time.AfterFunc(time.Until(first), c.expire)
	}
}

// expire heals the layers whose time is over.
func (c *controller) expire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.heal(active(c.layers, time.Now()))
	}
}

// heal applies fewer layers. c.mu is held. No caller can handle an error; the agent must exit then, which heals
// everything.
func (c *controller) heal(layers []faults.Layer) {
	if err := c.apply(c.hosts, layers); err != nil {
		c.failed(err)
		return
	}
	c.setApplied(layers)
}

// acquire acquires a lease; the function that it returns releases it. Where faults need a lease, releasing the last one
// heals everything.
func (c *controller) acquire() (release func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leases++
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.leases--
		// Under the same lock as the count, so that the layers of a new lease holder are not healed.
		if c.leases == 0 && c.requireLease && !c.closed && len(c.layers) > 0 {
			c.heal(nil)
		}
	}
}

// probeHosts returns the hosts. It fails when links name a node that is not among them.
func (c *controller) probeHosts(links []faults.Link) ([]Host, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := make(map[faults.NodeID]bool, len(c.hosts))
	for _, h := range c.hosts {
		known[h.Node] = true
	}
	for _, l := range links {
		for _, n := range []faults.NodeID{l.From, l.To} {
			if !known[n] {
				return nil, newError(http.StatusBadRequest, "probe links: no node %q", n)
			}
		}
	}
	return slices.Clone(c.hosts), nil
}

// close heals everything and closes the engine. Later requests fail.
func (c *controller) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	if c.expiry != nil {
		c.expiry.Stop()
	}
	return c.engine.Close()
}

// checkForwards returns what is wrong with targets: the agent forwards to ports of the testnet's nodes only.
func (c *controller) checkForwards(targets []netip.AddrPort) error {
	if len(targets) > maxHosts {
		return fmt.Errorf("%d targets, at most %d are allowed", len(targets), maxHosts)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	known := make(map[netip.Addr]bool, len(c.hosts))
	for _, h := range c.hosts {
		known[h.Addr] = true
	}
	for _, t := range targets {
		if !known[t.Addr()] || t.Port() == 0 {
			return fmt.Errorf("%q is not a port of a node", t)
		}
	}
	return nil
}
