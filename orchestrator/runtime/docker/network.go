//lint:file-ignore SA1019 testcontainers-go has no other way to make a network through a provider that we can configure.

package docker

import (
	"context"
	"fmt"
	"net/netip"
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
		return netip.Prefix{}, fmt.Errorf("create network %s: %w", networkName(testnet), err)
	}
	taken, err := takenPrefixes(ctx, ls)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("create network %s: %w", networkName(testnet), err)
	}
	var found netip.Prefix
	last := fmt.Errorf("no free /%d is left in the private address ranges", bits)
	subnets(testnet, bits, taken, func(p netip.Prefix) bool {
		_, err := mk.CreateNetwork(ctx, testcontainers.NetworkRequest{
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
			found, last = p, nil
			return false
		case isOverlap(err):
			return true // someone else took it since we looked
		default:
			last = err
			return false
		}
	})
	if last != nil {
		return netip.Prefix{}, fmt.Errorf("create network %s: %w", networkName(testnet), last)
	}
	return found, nil
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
