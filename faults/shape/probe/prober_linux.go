package probe

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"time"

	"github.com/netsplit/netsplit/faults"
)

// Prober keeps the sockets between probes. Its methods may be called from several goroutines; probes wait for each
// other.
type Prober struct {
	turn    chan struct{} // holds a token while nobody probes
	sockets map[netip.Addr]*socket
}

// New returns a Prober. It opens nothing yet.
func New() *Prober {
	p := &Prober{turn: make(chan struct{}, 1), sockets: make(map[netip.Addr]*socket)}
	p.turn <- struct{}{}
	return p
}

// Close closes all sockets, after the probe that is going on.
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

// Probe measures links and returns their measurements in the order of links. hosts are all hosts there are; every node
// that links name is among them. Links from or to a host that does not run are silent: nothing is sent or received. It
// needs CAP_SYS_ADMIN and CAP_NET_RAW over the hosts' namespaces.
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
	rd, err := startReader(p.sockets, r)
	if err != nil {
		return nil, err
	}
	err = p.send(ctx, r, plan)
	if err == nil {
		err = wait(ctx, r, plan.Wait)
	}
	if err := errors.Join(err, rd.stop()); err != nil {
		return nil, err
	}
	return r.result(links), nil
}

// open makes p.sockets hold a socket for every host that runs and that links name, and returns all addresses. Sockets
// of hosts that are gone, or are in another namespace now, are closed.
func (p *Prober) open(hosts []Host, links []faults.Link) (map[faults.NodeID]netip.Addr, error) {
	used := make(map[faults.NodeID]bool)
	for _, l := range links {
		used[l.From], used[l.To] = true, true
	}
	addrs := make(map[faults.NodeID]netip.Addr, len(hosts))
	for _, h := range hosts {
		addrs[h.Node] = h.Addr
	}
	running := find(hosts)
	p.keep(running)
	for _, h := range hosts {
		ns, runs := running[h.Addr]
		if !runs || !used[h.Node] || p.sockets[h.Addr] != nil {
			continue
		}
		s, err := openSocket(h, ns)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, errNoAddress) {
			continue // it ended meanwhile, or has no network yet
		}
		if err != nil {
			return nil, fmt.Errorf("node %s: %w", h.Node, err)
		}
		p.sockets[h.Addr] = s
	}
	return addrs, nil
}

// Keep closes the sockets of hosts that are not among these, or are in another namespace now: a socket keeps its
// namespace, and all that is in it, from going. While a probe goes on it does nothing, and the next probe does it.
func (p *Prober) Keep(hosts []Host) {
	select {
	case <-p.turn:
		p.keep(find(hosts))
		p.turn <- struct{}{}
	default:
	}
}

// keep closes the sockets of hosts that do not run where they did. The turn is held.
func (p *Prober) keep(running map[netip.Addr]nsID) {
	for addr, s := range p.sockets {
		if running[addr] != s.ns {
			s.close()
			delete(p.sockets, addr)
		}
	}
}

// find returns the namespaces of the hosts that run.
func find(hosts []Host) map[netip.Addr]nsID {
	running := make(map[netip.Addr]nsID, len(hosts))
	for _, h := range hosts {
		if id, ok := identify(h.Netns); ok {
			running[h.Addr] = id
		}
	}
	return running
}

// send sends all packets of a run at their times.
func (p *Prober) send(ctx context.Context, r *run, plan faults.ProbePlan) error {
	start := time.Now()
	table := newTimetable(len(r.from), plan)
	buf := make([]byte, headers+size)
	for round := range table.rounds {
		for link := range r.from {
			if err := until(ctx, start.Add(table.at(round, link))); err != nil {
				return err
			}
			src, dst := p.sockets[r.from[link]], p.sockets[r.to[link]]
			if src == nil || dst == nil {
				continue
			}
			pk := packet{run: r.id, link: uint32(link), seq: warmUp}
			if round > 0 {
				pk.seq = uint32(round - 1)
				r.left(link)
			}
			if err := src.transmit(pk, buf, dst); err != nil {
				return err
			}
		}
	}
	r.finish()
	return nil
}

// until waits for a moment. Packets that are due within timer's precision of each other leave together.
func until(ctx context.Context, moment time.Time) error {
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

// wait returns when everything has arrived, or after limit.
func wait(ctx context.Context, r *run, limit time.Duration) error {
	t := time.NewTimer(limit)
	defer t.Stop()
	select {
	case <-r.all:
	case <-t.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}
