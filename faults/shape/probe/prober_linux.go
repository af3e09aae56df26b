package probe

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/netsplit/netsplit/faults"
)

// Prober keeps its sockets open between probes. Its methods may be called from several goroutines; one probe runs at a
// time.
type Prober struct {
	turn    chan struct{} // a lock that ctx can interrupt: holds a token while no probe runs
	sockets map[netip.Addr]*socket
}

// New returns a Prober. It opens nothing yet.
func New() *Prober {
	p := &Prober{turn: make(chan struct{}, 1), sockets: make(map[netip.Addr]*socket)}
	p.turn <- struct{}{}
	return p
}

// Close closes all sockets, after the probe that is running.
func (p *Prober) Close() error {
	<-p.turn
	defer func() { p.turn <- struct{}{} }()
	var all []error
	for addr, s := range p.sockets {
		all = append(all, s.close())
		delete(p.sockets, addr)
	}
	return errors.Join(all...)
}

// Probe measures links and returns their measurements in the order of links. hosts are all hosts of the testnet; they
// include every node that links name. On links from or to a host that does not run nothing is sent or received. It needs
// CAP_SYS_ADMIN and CAP_NET_RAW over the hosts' namespaces.
func (p *Prober) Probe(ctx context.Context, hosts []Host, links []faults.Link, plan faults.ProbePlan) ([]faults.Measurement, error) {
	select {
	case <-p.turn:
		defer func() { p.turn <- struct{}{} }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	addrs, err := p.open(hosts, links)
	if err != nil {
		return nil, err
	}
	from, to := make([]netip.Addr, len(links)), make([]netip.Addr, len(links))
	for i, l := range links {
		from[i], to[i] = addrs[l.From], addrs[l.To]
	}
	r := newRun(rand.Uint64(), from, to, plan.Count)
	if len(links) == 0 {
		return r.result(links), nil
	}
	stop := p.receive(r)
	err = p.send(ctx, r, plan)
	if err == nil {
		err = wait(ctx, r, plan.Wait)
	}
	if err := errors.Join(err, stop()); err != nil {
		return nil, err
	}
	return r.result(links), nil
}

// open makes p.sockets hold a socket for every running host that links name, and returns all addresses. It closes the
// sockets of hosts that are gone or in another namespace now.
func (p *Prober) open(hosts []Host, links []faults.Link) (map[faults.NodeID]netip.Addr, error) {
	used := make(map[faults.NodeID]bool)
	for _, l := range links {
		used[l.From], used[l.To] = true, true
	}
	addrs := make(map[faults.NodeID]netip.Addr, len(hosts))
	for _, h := range hosts {
		addrs[h.Node] = h.Addr
	}
	running := findNamespaces(hosts)
	p.closeStale(running)
	for _, h := range hosts {
		ns, runs := running[h.Addr]
		if !runs || !used[h.Node] || p.sockets[h.Addr] != nil {
			continue
		}
		s, err := openSocket(h, ns)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, errNoAddress) {
			continue // it stopped meanwhile, or has no network yet
		}
		if err != nil {
			return nil, fmt.Errorf("node %s: %w", h.Node, err)
		}
		p.sockets[h.Addr] = s
	}
	return addrs, nil
}

// Retain closes the sockets of all hosts but these, and of those that are in another namespace now: an open socket keeps
// its namespace alive. While a probe runs it does nothing, and the next probe closes them.
func (p *Prober) Retain(hosts []Host) {
	select {
	case <-p.turn:
		p.closeStale(findNamespaces(hosts))
		p.turn <- struct{}{}
	default:
	}
}

// closeStale closes the sockets of hosts that no longer run in the same namespace. The turn is held.
func (p *Prober) closeStale(running map[netip.Addr]nsID) {
	for addr, s := range p.sockets {
		if running[addr] != s.ns {
			s.close()
			delete(p.sockets, addr)
		}
	}
}

// findNamespaces returns the namespaces of the running hosts.
func findNamespaces(hosts []Host) map[netip.Addr]nsID {
	running := make(map[netip.Addr]nsID, len(hosts))
	for _, h := range hosts {
		if id, ok := identify(h.Netns); ok {
			running[h.Addr] = id
		}
	}
	return running
}

// send sends all packets of a run by its timetable.
func (p *Prober) send(ctx context.Context, r *run, plan faults.ProbePlan) error {
	start := time.Now()
	table := newTimetable(len(r.from), plan)
	buf := make([]byte, headers+size)
	for round := range table.rounds {
		for link := range r.from {
			if err := sleepUntil(ctx, start.Add(table.at(round, link))); err != nil {
				return err
			}
			src, dst := p.sockets[r.from[link]], p.sockets[r.to[link]]
			if src == nil || dst == nil {
				continue
			}
			pk := packet{run: r.id, link: uint32(link), seq: warmUp}
			if round > 0 {
				pk.seq = uint32(round - 1)
				r.countSent(link, time.Since(start.Add(table.at(round, link))))
			}
			if err := src.transmit(pk, buf, dst); err != nil {
				return err
			}
		}
	}
	r.finish()
	return nil
}

// sleepUntil waits for a moment. Packets that are due within the timer's precision of each other are sent together.
func sleepUntil(ctx context.Context, moment time.Time) error {
	d := time.Until(moment)
	if d < 200*time.Microsecond {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// wait returns when all packets have arrived, or after limit.
func wait(ctx context.Context, r *run, limit time.Duration) error {
	t := time.NewTimer(limit)
	defer t.Stop()
	select {
	case <-r.done:
	case <-t.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// receive passes what arrives at all sockets to a run, in a goroutine for each. stop ends them and returns their errors.
func (p *Prober) receive(r *run) (stop func() error) {
	var readers sync.WaitGroup
	var mu sync.Mutex
	var failures []error
	deadline := func(t time.Time) {
		for _, s := range p.sockets {
			_ = s.recv.SetReadDeadline(t) // fails only on a closed socket
		}
	}
	deadline(time.Time{})
	for _, s := range p.sockets {
		readers.Go(func() {
			if err := s.receive(r); err != nil {
				mu.Lock()
				failures = append(failures, err)
				mu.Unlock()
			}
		})
	}
	return func() error {
		deadline(time.Unix(1, 0))
		readers.Wait()
		return errors.Join(failures...)
	}
}
