package docker

import (
	"errors"
	"net/netip"

	"github.com/docker/docker/api/types/network"

	"github.com/netsplit/netsplit/faults"
)

// checkFaults goes through a plan. lowest is the lowest address that is free on the network, if there is one: the engine
// gives the lowest to a container that starts without a fixed one.
func checkFaults(containers []attachedContainer, lowest netip.Addr, planned []faults.Planned) error {
	byID := map[faults.NodeID]attachedContainer{}
	for _, c := range containers {
		byID[c.node] = c
	}
	down := map[faults.NodeID]bool{}
	refused := map[int]error{}
	for _, s := range faults.Steps(planned) {
		actions := planned[s.Index].Effect.End
		if s.Begin {
			actions = planned[s.Index].Effect.Begin
		}
		for _, a := range actions {
			c, ok := byID[a.Node]
			if !ok {
				continue
			}
			err := c.survives(a.Verb)
			switch a.Verb {
			case faults.Kill, faults.Stop:
				down[c.node] = true
			case faults.Start, faults.Restart:
				delete(down, c.node)
				err = errors.Join(err, c.returns(lowest, down, byID))
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

// returns fails when a container that is started while others are down would get another address than it had.
func (c *attachedContainer) returns(
	lowest netip.Addr, down map[faults.NodeID]bool, byID map[faults.NodeID]attachedContainer,
) error {
	if c.fixed {
		return nil
	}
	if lowest.IsValid() && lowest.Less(c.addr) {
		return incompatible(fixAddress,
			"container %s has no fixed address: it would come back at %s, which is free, instead of %s", c.name, lowest, c.addr)
	}
	for id := range down {
		if other := byID[id]; other.addr.Less(c.addr) {
			return incompatible(fixAddress+", or let the faults not overlap",
				"container %s has no fixed address: it would come back at that of %s, which is down then", c.name, other.name)
		}
	}
	return nil
}

// survives fails for an action that would make the engine remove the container.
func (c *attachedContainer) survives(v faults.Verb) error {
	if c.autoRemove && revertedBy[v] == faults.Start {
		return incompatible("start it without --rm", "container %s was started with --rm and would be gone for good", c.name)
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
