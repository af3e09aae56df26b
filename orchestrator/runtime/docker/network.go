//nolint:staticcheck // SA1019: testcontainers-go has no other way to make a network through a provider that we can configure.
package docker

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"iter"
	"net/netip"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/network"
	"github.com/testcontainers/testcontainers-go"
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

// createNetwork makes a testnet's network on a free subnet with room for n nodes and returns the subnet. No packet
// leaves the network but to the host itself.
func createNetwork(ctx context.Context, mk networkMaker, ls networkLister, testnet string, n int, labels map[string]string) (netip.Prefix, error) {
	bits, err := prefixFor(n)
	if err != nil {
		return netip.Prefix{}, err
	}
	taken, err := takenPrefixes(ctx, ls)
	if err != nil {
		return netip.Prefix{}, err
	}
	for p := range subnets(testnet, bits, taken) {
		_, err = mk.CreateNetwork(ctx, testcontainers.NetworkRequest{
			Driver:   "bridge",
			Internal: true,
			Name:     networkName(testnet),
			Labels:   labels,
			IPAM: &network.IPAM{Driver: "default", Config: []network.IPAMConfig{{
				Subnet:  p.String(),
				Gateway: offset(p.Addr(), 1).String(),
			}}},
		})
		switch {
		case err == nil:
			return p, nil
		case !isOverlap(err): // else it was taken meanwhile
			return netip.Prefix{}, err
		}
	}
	return netip.Prefix{}, fmt.Errorf("no free /%d is left in the private address ranges", bits)
}

// isOverlap recognises the engine's answer to a subnet that is in use. It has no code of its own.
func isOverlap(err error) bool { return strings.Contains(strings.ToLower(err.Error()), "overlap") }

// takenPrefixes returns what a new subnet must not overlap with: the engine's networks and all the host can reach.
func takenPrefixes(ctx context.Context, ls networkLister) ([]netip.Prefix, error) {
	taken, err := hostPrefixes()
	if err != nil {
		return nil, err
	}
	nets, err := ls.NetworkList(ctx, network.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list networks: %w", err)
	}
	for _, n := range nets {
		for _, c := range n.IPAM.Config {
			if p, err := netip.ParsePrefix(c.Subnet); err == nil && p.Addr().Is4() {
				taken = append(taken, p.Masked())
			}
		}
	}
	return taken, nil
}

// firstHost is the offset of the first node's address in a subnet; below it are the network's and the bridge's own.
const firstHost = 10

// smallest and largest are the prefix lengths of subnets that are handed out: 245 to 65,525 nodes.
const (
	smallest = 24
	largest  = 16
)

// pools are where subnets are taken from, in order of preference.
var pools = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"),
	netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.168.0.0/16"),
}

// prefixFor returns the length of the smallest prefix that has room for n nodes.
func prefixFor(n int) (int, error) {
	for bits := smallest; bits >= largest; bits-- {
		if n <= 1<<(32-bits)-1-firstHost { // the last address is the broadcast address
			return bits, nil
		}
	}
	return 0, fmt.Errorf("%d nodes do not fit into one network (at most %d)", n, 1<<(32-largest)-1-firstHost)
}

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
