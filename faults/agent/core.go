package agent

import (
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/faults/shape"
)

// engine makes links true; *shape.Engine is one.
type engine interface {
	Name() string
	Apply(shape.Desired) error
	Traffic() (faults.Traffic, error)
	// Failed is closed when links may no longer be as they should; Cause then says why.
	Failed() <-chan struct{}
	Cause() error
	Close() error
}

// core is what the agent knows: hosts, layers, and that the engine has made them true. Its methods may be called from
// several goroutines; each leaves the kernel in the state that the layers ask for, or as it was.
type core struct {
	testnet string
	engine  engine
	// strict is true where faults need a lease.
	strict bool
	// broken is told of an error that leaves faults in the kernel that nobody asked for any more.
	broken func(error)

	mu      sync.Mutex
	version uint64
	hosts   []Host
	layers  []faults.Layer
	leases  int
	expiry  *time.Timer
	closed  bool
}

// state returns a copy of everything.
func (c *core) state() (State, error) {
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

// setHosts replaces the hosts and makes the layers true for them.
func (c *core) setHosts(hosts []Host) error {
	if err := checkHosts(hosts); err != nil {
		return refuse(http.StatusBadRequest, "set hosts: %v", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.apply(hosts, c.layers); err != nil {
		return err
	}
	c.hosts = slices.Clone(hosts)
	return nil
}

// setLayers makes the layers of the request true. Layers that are over already are left out.
func (c *core) setLayers(req ShapeRequest) (faults.Applied, error) {
	start := time.Now()
	if err := checkLayers(req.Layers); err != nil {
		return faults.Applied{}, refuse(http.StatusBadRequest, "shape links: %v", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if req.IfVersion != 0 && req.IfVersion != c.version {
		return faults.Applied{}, refuse(http.StatusConflict, "shape links: %v: version is %d, not %d", ErrChanged, c.version, req.IfVersion)
	}
	if c.strict && c.leases == 0 && len(req.Layers) > 0 {
		return faults.Applied{}, refuse(http.StatusPreconditionFailed, "shape links: %v", ErrNoLease)
	}
	layers := current(req.Layers, start)
	if err := c.apply(c.hosts, layers); err != nil {
		return faults.Applied{}, err
	}
	c.adopt(layers)
	return faults.Applied{Took: time.Since(start), Engine: c.engine.Name()}, nil
}

// current returns the layers that are not over at now.
func current(layers []faults.Layer, now time.Time) []faults.Layer {
	return slices.DeleteFunc(slices.Clone(layers), func(l faults.Layer) bool {
		return !l.Until.IsZero() && !l.Until.After(now)
	})
}

// apply makes layers true among hosts. c.mu is held.
func (c *core) apply(hosts []Host, layers []faults.Layer) error {
	if c.closed {
		return refuse(http.StatusServiceUnavailable, "shape links: the agent is stopping")
	}
	addrs := make(map[faults.NodeID]netip.Addr, len(hosts))
	for _, h := range hosts {
		addrs[h.Node] = h.Addr
	}
	want, err := shape.Expand(faults.Compose(layers), addrs)
	if err != nil {
		return refuse(http.StatusBadRequest, "shape links: %v", err)
	}
	switch err := c.engine.Apply(want); {
	case errors.Is(err, shape.ErrNoDelay):
		return refuse(http.StatusNotImplemented, "shape links: %v", err)
	case err != nil:
		return refuse(http.StatusInternalServerError, "shape links: %v", err)
	}
	return nil
}

// adopt records layers that are true now and sets the alarm for the first that ends. c.mu is held.
func (c *core) adopt(layers []faults.Layer) {
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

// expire heals the layers that are over.
func (c *core) expire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.shrink(current(c.layers, time.Now()))
	}
}

// shrink makes fewer layers true. c.mu is held. There is no caller to tell of a failure: the agent must end then,
// because its end heals.
func (c *core) shrink(layers []faults.Layer) {
	if err := c.apply(c.hosts, layers); err != nil {
		c.broken(err)
		return
	}
	c.adopt(layers)
}

// acquire takes a lease; the function that it returns gives it back. When the last one is given back everything heals,
// where faults need a lease.
func (c *core) acquire() (release func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leases++
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.leases--
		// Under the same lock as the count: a new holder's layers must not be healed for the old one's sake.
		if c.leases == 0 && c.strict && !c.closed && len(c.layers) > 0 {
			c.shrink(nil)
		}
	}
}

// endpoints returns the hosts, all nodes that links name among them.
func (c *core) endpoints(links []faults.Link) ([]Host, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := make(map[faults.NodeID]bool, len(c.hosts))
	for _, h := range c.hosts {
		known[h.Node] = true
	}
	for _, l := range links {
		for _, n := range []faults.NodeID{l.From, l.To} {
			if !known[n] {
				return nil, refuse(http.StatusBadRequest, "probe links: no node %q", n)
			}
		}
	}
	return slices.Clone(c.hosts), nil
}

// close heals everything and closes the engine. Later requests are refused.
func (c *core) close() error {
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
