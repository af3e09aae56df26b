//nolint:staticcheck // SA1019: testcontainers-go has no other way to make a network through a provider that we can configure.
package docker

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"iter"
	"net/netip"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/network"
	"github.com/testcontainers/testcontainers-go"

	"github.com/netsplit/netsplit/orchestrator/runtime"
)

// networkMaker is what making a network needs of testcontainers-go.
type networkMaker interface {
	CreateNetwork(ctx context.Context, req testcontainers.NetworkRequest) (testcontainers.Network, error)
}

// networkLister is what finding networks needs of the engine.
type networkLister interface {
	NetworkList(ctx context.Context, o network.ListOptions) ([]network.Summary, error)
}

// driverOptions are the bridge driver's options for a testnet's network.
func driverOptions(testnet string) map[string]string {
	return map[string]string{"com.docker.network.bridge.name": bridgeName(testnet)}
}

// networkOptions say what network a testnet needs.
type networkOptions struct {
	testnet string
	nodes   int
	subnet  netip.Prefix // the zero Prefix: a free one is chosen
	labels  map[string]string
}

// createNetwork makes a testnet's network, on a free subnet with room for its nodes unless one is given, and returns the
// subnet. No packet leaves the network but to the host itself, and the agent lets only replies pass to that.
func createNetwork(ctx context.Context, mk networkMaker, ls networkLister, o networkOptions) (netip.Prefix, error) {
	candidates, err := o.candidates(ctx, ls)
	if err != nil {
		return netip.Prefix{}, err
	}
	for p := range candidates {
		_, err = mk.CreateNetwork(ctx, testcontainers.NetworkRequest{
			Driver:   "bridge",
			Internal: true,
			Name:     networkName(o.testnet),
			Labels:   o.labels,
			IPAM: &network.IPAM{Driver: "default", Config: []network.IPAMConfig{{
				Subnet:  p.String(),
				Gateway: offset(p.Addr(), 1).String(),
			}}},
		})
		switch {
		case err == nil:
			return p, nil
		case o.subnet.IsValid() || !isOverlap(err): // else it was taken meanwhile
			return netip.Prefix{}, err
		}
	}
	return netip.Prefix{}, &runtime.HostError{
		Err:    errors.New("no free subnet is left: routes and networks of this host cover all private address ranges"),
		Advice: "name one with --subnet, for example a part of a range whose addresses you do not need during the run",
	}
}

// candidates are the subnets to try: the given one alone, or all that overlap nothing of this host.
func (o *networkOptions) candidates(ctx context.Context, ls networkLister) (iter.Seq[netip.Prefix], error) {
	bits, err := prefixFor(o.nodes)
	if err != nil {
		return nil, err
	}
	taken, addrs, err := takenPrefixes(ctx, ls)
	if err != nil {
		return nil, err
	}
	if !o.subnet.IsValid() {
		return subnets(o.testnet, bits, slices.Concat(taken, addrs)), nil
	}
	// Routes do not matter: it may be a part of what leads to a VPN, and the user knows.
	if i := slices.IndexFunc(addrs, o.subnet.Overlaps); i >= 0 {
		return nil, fmt.Errorf("subnet %s overlaps with %s, where this host or another network has its addresses", o.subnet, addrs[i])
	}
	if o.subnet.Bits() > bits && room(o.subnet.Bits()) < o.nodes {
		return nil, fmt.Errorf("subnet %s has room for %d nodes, the testnet has %d", o.subnet, max(0, room(o.subnet.Bits())), o.nodes)
	}
	return slices.Values([]netip.Prefix{o.subnet}), nil
}

// ParseSubnet reads what a user names as the subnet of a testnet.
func ParseSubnet(text string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return p, errors.New("it is no subnet such as 10.99.0.0/16")
	case !p.Addr().Is4():
		return p, errors.New("nodes have IPv4 addresses")
	case p != p.Masked():
		return p, fmt.Errorf("it is an address in a subnet; the subnet is %s", p.Masked())
	case p.Addr().IsLoopback() || p.Addr().IsMulticast() || p.Addr().IsUnspecified():
		return p, errors.New("nodes cannot have such addresses")
	}
	return p, nil
}

// isOverlap recognises the engine's answer to a subnet that is in use. It has no code of its own.
func isOverlap(err error) bool { return strings.Contains(strings.ToLower(err.Error()), "overlap") }

// takenPrefixes returns what a new subnet should not overlap with, all that the host has a route to, and what it cannot
// overlap with: addresses of the host and the engine's networks.
func takenPrefixes(ctx context.Context, ls networkLister) (routes, addrs []netip.Prefix, err error) {
	routes, addrs, err = hostPrefixes()
	if err != nil {
		return nil, nil, err
	}
	nets, err := ls.NetworkList(ctx, network.ListOptions{})
	if err != nil {
		return nil, nil, fmt.Errorf("list networks: %w", err)
	}
	for _, n := range nets {
		for _, c := range n.IPAM.Config {
			if p, err := netip.ParsePrefix(c.Subnet); err == nil && p.Addr().Is4() {
				addrs = append(addrs, p.Masked())
			}
		}
	}
	return routes, addrs, nil
}

// firstHost is the offset of the first node's address in a subnet; below it are the network's and the bridge's own.
const firstHost = 10

// smallest and largest are the prefix lengths of subnets that are handed out: 245 to 65,525 nodes.
const (
	smallest = 24
	largest  = 16
)

// pools are where subnets are taken from, in order of preference: the private ranges, then those of carrier-grade NAT and
// of benchmarks, which no public host has either. The first is the largest.
var pools = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"),
	netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("198.18.0.0/15"),
}

// prefixFor returns the length of the smallest prefix that has room for n nodes.
func prefixFor(n int) (int, error) {
	for bits := smallest; bits >= largest; bits-- {
		if n <= room(bits) {
			return bits, nil
		}
	}
	return 0, fmt.Errorf("%d nodes do not fit into one network (at most %d)", n, room(largest))
}

// room is how many nodes fit into a subnet of a prefix length; the last address is the broadcast address.
func room(bits int) int { return 1<<(32-bits) - 1 - firstHost }

// subnets yields every candidate of that length which overlaps nothing in taken. Where the search begins depends on the
// testnet's name, so that testnets that start at once seldom collide.
func subnets(testnet string, bits int, taken []netip.Prefix) iter.Seq[netip.Prefix] {
	return func(yield func(netip.Prefix) bool) {
		h := fnv.New32a()
		h.Write([]byte(testnet))
		for _, pool := range pools {
			if bits < pool.Bits() {
				continue
			}
			count := uint32(1) << (bits - pool.Bits())
			for i := range count {
				p := nth(pool, bits, (h.Sum32()+i)%count)
				if !slices.ContainsFunc(taken, p.Overlaps) && !yield(p) {
					return
				}
			}
		}
	}
}

// nth is the i-th subnet of a length in a pool.
func nth(pool netip.Prefix, bits int, i uint32) netip.Prefix {
	return netip.PrefixFrom(offset(pool.Addr(), i<<(32-bits)), bits)
}

// offset adds n to an IPv4 address.
func offset(a netip.Addr, n uint32) netip.Addr {
	b := a.As4()
	binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(b[:])+n)
	return netip.AddrFrom4(b)
}
