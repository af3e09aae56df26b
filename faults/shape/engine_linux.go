package shape

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"sync"

	"github.com/vishvananda/netlink"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/faults/shape/netns"
	"github.com/netsplit/netsplit/faults/shape/nfqueue"
	"github.com/netsplit/netsplit/faults/shape/nft"
	"github.com/netsplit/netsplit/faults/shape/probe"
)

// Engine owns one testnet's faults in the network namespace that it was opened in: the nftables table and the queue that
// delayed packets are held in. Its methods may be called from several goroutines.
type Engine struct {
	mu      sync.Mutex
	table   *nft.Table
	queue   *nfqueue.Queue // nil when the kernel cannot delay
	noDelay error          // why queue is nil
	via     nft.Via        // how packets get to the queue
	desired Desired
	ports   map[netip.Addr]int // of the bridge, by the node's address; those that are known

	stop chan struct{}
	wg   sync.WaitGroup

	failed chan struct{}
	cause  error
}

// Open creates the testnet's table and, where the kernel supports it, its queue, in the network namespace of the calling
// thread. Nothing is cut or delayed yet. It fails with an error wrapping nft.ErrOwned when another process owns the
// testnet's table.
func Open(cfg Config) (*Engine, error) {
	e := &Engine{stop: make(chan struct{}), failed: make(chan struct{})}
	name := TableName(cfg.Testnet)
	if nft.Exists(name) && !nft.Reclaim(name) { // before Record overwrites the owner's record
		return nil, fmt.Errorf("nftables table %s: %w", name, nft.ErrOwned)
	}
	num := uint16(0)
	if e.queue, e.noDelay = nfqueue.Open(cfg.seed()); e.noDelay == nil {
		num = e.queue.Num()
	}
	err := e.open(cfg, name, num)
	if err == nil && cfg.ProtectHost {
		if err = e.table.ProtectHost(cfg.Bridge); err != nil {
			err = errors.Join(err, e.table.Close())
		}
	}
	if err != nil {
		if e.queue != nil {
			err = errors.Join(err, e.queue.Close())
		}
		return nil, err
	}
	if e.queue != nil {
		e.wg.Add(1)
		go e.watchQueue()
	}
	return e, nil
}

// open calls Record, then creates the table with the first way to the queue that the kernel supports.
func (e *Engine) open(cfg Config, name string, num uint16) (err error) {
	if cfg.Record != nil {
		if err := cfg.Record(name, num); err != nil {
			return err
		}
	}
	if e.queue != nil {
		var tried []error
		for _, via := range nft.Ways() {
			e.table, err = openVia(cfg, name, nft.Queue{Num: num, Via: via})
			if err == nil || errors.Is(err, nft.ErrOwned) {
				e.via = via
				return err
			}
			tried = append(tried, fmt.Errorf("%s: %w", via, err))
		}
		e.noDelay = errors.Join(tried...)
		if err := e.queue.Close(); err != nil {
			return err
		}
		e.queue = nil
	}
	e.table, err = nft.Open(name, nft.Queue{})
	return err
}

// openVia opens the table with one way to the queue.
func openVia(cfg Config, name string, queue nft.Queue) (*nft.Table, error) {
	if queue.Via.Hook == nft.InIP {
		if err := nft.PassBridged(cfg.Bridge); err != nil {
			return nil, err
		}
	}
	return nft.Open(name, queue)
}

// Name is the mechanism: "nft+nfqueue", or "nft" where delays are not possible.
func (e *Engine) Name() string {
	if e.queue == nil {
		return "nft"
	}
	return "nft+nfqueue"
}

// Via describes how packets get to the queue; empty where delays are not possible.
func (e *Engine) Via() string {
	if e.queue == nil {
		return ""
	}
	return e.via.String()
}

// Apply makes want true on all links in one transaction and returns when it is. Packets that are held on a link keep
// their release times, unless the link is cut: then they are dropped. On error nothing has changed in the kernel. The
// engine keeps want; the caller must not change it afterwards.
func (e *Engine) Apply(want Desired) error {
	if len(want.Shape) > 0 && e.queue == nil {
		return fmt.Errorf("%w: %w", ErrNoDelay, e.noDelay)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.apply(want)
}

// apply is Apply; e.mu is held.
func (e *Engine) apply(want Desired) error {
	state := nft.State{Cut: want.Cut, Ports: e.cutPorts(want.Cut), Shape: map[nft.Pair]struct{}{}}
	if e.queue != nil {
		// First the queue, so that it knows new links before their first packet arrives.
		state.Shape = e.queue.Set(want.Shape)
	}
	if err := e.table.Apply(state); err != nil {
		if e.queue != nil {
			e.queue.Set(e.desired.Shape)
		}
		return err
	}
	e.desired = want
	return nil
}

// SetHosts tells the engine the network namespaces of the nodes, from which it finds their ports of the bridge. Cuts of nodes
// whose port is not known hold for IPv4 and ARP alone.
func (e *Engine) SetHosts(hosts []probe.Host) error {
	ports := make(map[netip.Addr]int, len(hosts))
	for _, h := range hosts {
		if port, ok := portOf(h); ok {
			ports[h.Addr] = port
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if maps.Equal(ports, e.ports) {
		return nil
	}
	e.ports = ports
	return e.apply(e.desired)
}

// portOf finds the port of the bridge that a node's interface is connected to.
func portOf(h probe.Host) (port int, ok bool) {
	if h.Netns == "" {
		return 0, false
	}
	err := netns.Do(h.Netns, func() error {
		addrs, err := netlink.AddrList(nil, netlink.FAMILY_V4)
		if err != nil {
			return err
		}
		for _, a := range addrs {
			if addr, _ := netip.AddrFromSlice(a.IP.To4()); addr == h.Addr {
				link, err := netlink.LinkByIndex(a.LinkIndex)
				if err != nil {
					return err
				}
				port = link.Attrs().ParentIndex
			}
		}
		return nil
	})
	return port, err == nil && port > 0 // it may have ended meanwhile
}

// cutPorts are the ports at the ends of cut links. e.mu is held.
func (e *Engine) cutPorts(cut map[nft.Pair]struct{}) map[nft.PortPair]struct{} {
	out := make(map[nft.PortPair]struct{})
	if len(e.ports) == 0 {
		return out
	}
	for p := range cut {
		in, known := e.ports[netip.AddrFrom4([4]byte(p[:4]))]
		if to, ok := e.ports[netip.AddrFrom4([4]byte(p[4:]))]; ok && known {
			out[nft.PortsOf(in, to)] = struct{}{}
		}
	}
	return out
}

// watchQueue removes links from the kernel's set after their last held packet was released, and fails the engine when the
// queue fails.
func (e *Engine) watchQueue() {
	defer e.wg.Done()
	for {
		select {
		case <-e.stop:
			return
		case <-e.queue.Drained():
			if err := e.removeDrained(); err != nil {
				e.fail(err)
				return
			}
		case <-e.queue.Done():
			e.fail(e.queue.Err())
			return
		}
	}
}

// removeDrained makes the kernel's set match the queue's links.
func (e *Engine) removeDrained() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.table.Apply(nft.State{Cut: e.desired.Cut, Ports: e.cutPorts(e.desired.Cut), Shape: e.queue.Pairs()})
}

// fail records why the engine is broken.
func (e *Engine) fail(err error) {
	e.cause = err
	close(e.failed)
}

// Failed is closed when links may no longer be as they were applied; Cause then says why.
func (e *Engine) Failed() <-chan struct{} { return e.failed }

// Cause is why the engine failed. It may be called once Failed is closed.
func (e *Engine) Cause() error { return e.cause }

// Traffic counts the testnet's packets since Open. On error, counts that could not be read are -1.
func (e *Engine) Traffic() (faults.Traffic, error) {
	t := faults.Traffic{Dropped: -1, Delayed: -1, Lost: -1}
	dropped, err := e.table.Dropped()
	if err != nil {
		return t, err
	}
	t.Dropped = dropped
	if e.queue == nil {
		t.Delayed, t.Lost = 0, 0
		return t, nil
	}
	s, err := e.queue.Stats()
	if err != nil {
		return t, err
	}
	t.Delayed, t.Lost, t.Flushed = s.Delayed, s.Lost, s.Flushed
	return t, nil
}

// Transactions counts the changes of the kernel's tables so far; creating the table is the first.
func (e *Engine) Transactions() uint64 { return e.table.Transactions() }

// Close heals every link, releases held packets at once, and removes the table and the queue. It may be called once.
func (e *Engine) Close() error {
	close(e.stop)
	e.wg.Wait()
	err := e.Apply(Desired{})
	if e.queue != nil {
		err = errors.Join(err, e.queue.Close())
	}
	return errors.Join(err, e.table.Close())
}
