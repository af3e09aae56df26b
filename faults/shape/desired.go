package shape

import (
	"fmt"
	"net/netip"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/faults/shape/nft"
)

// Desired is the complete desired state of all links by address. A link that is cut is not in Shape.
type Desired struct {
	Cut   map[nft.Pair]struct{}
	Shape map[nft.Pair]faults.Shape
}

// MaxPairs is the most links that may be affected at once: all links among 1,000 nodes.
const MaxPairs = 1_000_000

// Expand turns links between nodes into links between addresses. It fails when a rule names a node without an address,
// an address is not IPv4, a delay or jitter is negative, or more than MaxPairs links are affected.
func Expand(links faults.Links, addrs map[faults.NodeID]netip.Addr) (Desired, error) {
	states := make(map[nft.Pair]faults.LinkState)
	for i, rule := range links.Rules {
		if err := addRule(states, rule, addrs); err != nil {
			return Desired{}, fmt.Errorf("rule %d: %w", i+1, err)
		}
	}
	d := Desired{Cut: make(map[nft.Pair]struct{}), Shape: make(map[nft.Pair]faults.Shape)}
	for pair, s := range states {
		switch {
		case s.Cut:
			d.Cut[pair] = struct{}{}
		case s.Shape != (faults.Shape{}):
			d.Shape[pair] = s.Shape
		}
	}
	return d, nil
}

// addRule adds one rule to the state of every link that it names.
func addRule(states map[nft.Pair]faults.LinkState, rule faults.Rule, addrs map[faults.NodeID]netip.Addr) error {
	if rule.Shape.Delay < 0 || rule.Shape.Jitter < 0 {
		return fmt.Errorf("delay %v and jitter %v must not be negative", rule.Shape.Delay, rule.Shape.Jitter)
	}
	from, err := unique(rule.From, addrs)
	if err != nil {
		return err
	}
	to, err := unique(rule.To, addrs)
	if err != nil {
		return err
	}
	for _, src := range from {
		for _, dst := range to {
			if src == dst {
				continue
			}
			pair, err := nft.PairOf(src, dst)
			if err != nil {
				return err
			}
			s := states[pair]
			s.Add(&rule)
			states[pair] = s
			if len(states) > MaxPairs {
				return fmt.Errorf("more than %d links are affected", MaxPairs)
			}
		}
	}
	return nil
}

// unique returns the addresses of nodes, each once: naming a node twice in a rule changes nothing.
func unique(nodes []faults.NodeID, addrs map[faults.NodeID]netip.Addr) ([]netip.Addr, error) {
	seen := make(map[faults.NodeID]struct{}, len(nodes))
	out := make([]netip.Addr, 0, len(nodes))
	for _, n := range nodes {
		addr, ok := addrs[n]
		if !ok {
			return nil, fmt.Errorf("no node %q", n)
		}
		if _, dup := seen[n]; !dup {
			seen[n] = struct{}{}
			out = append(out, addr)
		}
	}
	return out, nil
}
