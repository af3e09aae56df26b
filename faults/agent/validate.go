package agent

import (
	"fmt"
	"net/netip"
	"path"
	"time"

	"github.com/netsplit/netsplit/faults"
)

// Limits of requests; status 400 beyond them.
const (
	maxBody     = 64 << 20 // bytes
	maxHosts    = 10_000
	maxLayers   = 256
	maxRules    = 10_000 // over all layers
	maxName     = 253    // bytes of a node's name or a layer's ID
	maxText     = 4096   // bytes of a layer's kind or text
	maxPath     = 4095   // bytes of a namespace's path
	maxDelay    = time.Minute
	maxLinks    = 100_000   // of one probe
	maxPackets  = 2_000_000 // of one probe
	maxInterval = 10 * time.Second
	maxWait     = time.Minute
)

// checkHosts returns what is wrong with a list of hosts.
func checkHosts(hosts []Host) error {
	if len(hosts) > maxHosts {
		return fmt.Errorf("%d hosts, at most %d are allowed", len(hosts), maxHosts)
	}
	nodes := make(map[faults.NodeID]bool, len(hosts))
	addrs := make(map[netip.Addr]faults.NodeID, len(hosts))
	for i, h := range hosts {
		switch {
		case h.Node == "" || len(h.Node) > maxName:
			return fmt.Errorf("host %d: the node's name has %d bytes, 1 to %d are allowed", i+1, len(h.Node), maxName)
		case nodes[h.Node]:
			return fmt.Errorf("host %d: node %q is named twice", i+1, h.Node)
		case !h.Addr.Is4():
			return fmt.Errorf("node %q: address %q is not IPv4", h.Node, h.Addr)
		case h.Addr.IsMulticast() || h.Addr.IsUnspecified():
			return fmt.Errorf("node %q: %s is not the address of one host", h.Node, h.Addr)
		case addrs[h.Addr] != "":
			return fmt.Errorf("node %q: address %s is already node %q's", h.Node, h.Addr, addrs[h.Addr])
		case h.Netns != "" && (!path.IsAbs(h.Netns) || len(h.Netns) > maxPath):
			return fmt.Errorf("node %q: namespace %.80q is not an absolute path of at most %d bytes", h.Node, h.Netns, maxPath)
		}
		nodes[h.Node] = true
		addrs[h.Addr] = h.Node
	}
	return nil
}

// checkLayers returns what is wrong with a list of layers, apart from the nodes that it names.
func checkLayers(layers []faults.Layer) error {
	if len(layers) > maxLayers {
		return fmt.Errorf("%d layers, at most %d are allowed", len(layers), maxLayers)
	}
	ids := make(map[string]bool, len(layers))
	rules := 0
	for i, l := range layers {
		switch {
		case l.ID == "" || len(l.ID) > maxName:
			return fmt.Errorf("layer %d: the ID has %d bytes, 1 to %d are allowed", i+1, len(l.ID), maxName)
		case ids[l.ID]:
			return fmt.Errorf("layer %d: ID %q is used twice", i+1, l.ID)
		case len(l.Kind) > maxText || len(l.Text) > maxText:
			return fmt.Errorf("layer %q: kind and text may have %d bytes each", l.ID, maxText)
		}
		ids[l.ID] = true
		if rules += len(l.Links.Rules); rules > maxRules {
			return fmt.Errorf("more than %d rules", maxRules)
		}
		for j, r := range l.Links.Rules {
			if !within(r.Shape.Delay, maxDelay) || !within(r.Shape.Jitter, maxDelay) {
				return fmt.Errorf("layer %q, rule %d: delay %v and jitter %v must be 0 to %v",
					l.ID, j+1, r.Shape.Delay, r.Shape.Jitter, maxDelay)
			}
		}
	}
	return nil
}

// checkProbe returns what is wrong with a probe, apart from the nodes that it names.
func checkProbe(req ProbeRequest) error {
	p := req.Plan
	switch {
	case len(req.Links) > maxLinks:
		return fmt.Errorf("%d links, at most %d are allowed", len(req.Links), maxLinks)
	case p.Count < 1 || p.Count > maxPackets || len(req.Links)*p.Count > maxPackets:
		return fmt.Errorf("%d packets on each of %d links, 1 to %d packets in all are allowed", p.Count, len(req.Links), maxPackets)
	case !within(p.Interval, maxInterval):
		return fmt.Errorf("interval %v, 0 to %v are allowed", p.Interval, maxInterval)
	case !within(p.Wait, maxWait):
		return fmt.Errorf("wait %v, 0 to %v are allowed", p.Wait, maxWait)
	}
	for i, l := range req.Links {
		if l.From == l.To {
			return fmt.Errorf("link %d is from node %q to itself", i+1, l.From)
		}
	}
	return nil
}

// within reports 0 <= d <= limit.
func within(d, limit time.Duration) bool { return d >= 0 && d <= limit }
