package docker

import (
	"errors"
	"net/netip"

	"github.com/docker/docker/api/types/network"

	"github.com/netsplit/netsplit/faults"
)

// Admit refuses, before anything starts, faults from which a container would not come back as it was: gone, because the
// engine removes it at its end, or at another address, because it has none of its own. The error joins a
// *faults.PlanError for each fault that is refused; each wraps a *MisfitError.
func (f *Foreign) Admit(planned []faults.Planned) error {
	return admit(f.guests, f.lowest, planned)
}

// admit goes through a plan. lowest is the lowest address that is free on the network, if there is one: the engine gives
// the lowest to a container that starts without one of its own.
func admit(guests []guest, lowest netip.Addr, planned []faults.Planned) error {
	byID := map[faults.NodeID]guest{}
	for _, g := range guests {
		byID[g.id] = g
	}
	down := map[faults.NodeID]bool{}
	refused := map[int]error{}
	for _, s := range faults.Steps(planned) {
		actions := planned[s.Index].Effect.End
		if s.Begin {
			actions = planned[s.Index].Effect.Begin
		}
		for _, a := range actions {
			g, ok := byID[a.Node]
			if !ok {
				continue
			}
			err := g.survives(a.Verb)
			switch a.Verb {
			case faults.Kill, faults.Stop:
				down[g.id] = true
			case faults.Start, faults.Restart:
				delete(down, g.id)
				err = errors.Join(err, g.returns(lowest, down, byID))
			}
			if err != nil && refused[s.Index] == nil {
				refused[s.Index] = err
			}
		}
	}
	var errs []error
	for i, p := range planned {
		if err := refused[i]; err != nil {
			errs = append(errs, &faults.PlanError{Index: i, ID: p.ID, Err: err})
		}
	}
	return errors.Join(errs...)
}

// returns fails when a guest that is started while others are down would get another address than it had.
func (g *guest) returns(lowest netip.Addr, down map[faults.NodeID]bool, byID map[faults.NodeID]guest) error {
	if g.fixed {
		return nil
	}
	if lowest.IsValid() && lowest.Less(g.addr) {
		return misfit(fixAddress, "container %s has no fixed address: it would come back at %s, which is free, instead of %s", g.name, lowest, g.addr)
	}
	for id := range down {
		if other := byID[id]; other.addr.Less(g.addr) {
			return misfit(fixAddress+", or let the faults not overlap", "container %s has no fixed address: it would come back at that of %s, which is down then", g.name, other.name)
		}
	}
	return nil
}

// lowestFree returns the lowest free address that the engine could give to a container in the place of addr; the zero Addr
// when the network's description does not tell.
func lowestFree(n network.Inspect, addr netip.Addr) netip.Addr {
	taken := map[netip.Addr]bool{}
	for _, c := range n.Containers {
		if p, err := netip.ParsePrefix(c.IPv4Address); err == nil {
			taken[p.Addr()] = true
		}
	}
	for _, c := range n.IPAM.Config {
		subnet, err := netip.ParsePrefix(c.Subnet)
		if err != nil || !subnet.Contains(addr) {
			continue
		}
		from := subnet
		if r, err := netip.ParsePrefix(c.IPRange); err == nil {
			from = r
		}
		taken[subnet.Masked().Addr()] = true
		for _, aux := range c.AuxAddress {
			if a, err := netip.ParseAddr(aux); err == nil {
				taken[a] = true
			}
		}
		gateway, err := netip.ParseAddr(c.Gateway)
		taken[gateway] = true
		unnamed := err != nil // older engines do not name the one that they chose: the first
		for a := from.Masked().Addr(); from.Contains(a); a = a.Next() {
			switch {
			case taken[a]:
			case unnamed:
				unnamed = false
			default:
				return a
			}
		}
	}
	return netip.Addr{}
}
