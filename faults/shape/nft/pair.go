package nft

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// ErrOwned is wrapped by Open's error when a table of the name exists already: another live process owns it.
var ErrOwned = errors.New("the table exists and belongs to another process")

// ProbePort is the UDP port of both ends of probes, the packets that measure links. Faults affect them like all packets;
// counters leave them out.
const ProbePort = 4999

// Pair is a directed link as the kernel sees it: the source's IPv4 address, then the destination's.
type Pair [8]byte

// PairOf makes a Pair. Both addresses must be IPv4.
func PairOf(src, dst netip.Addr) (Pair, error) {
	src, dst = src.Unmap(), dst.Unmap()
	if !src.Is4() || !dst.Is4() {
		return Pair{}, fmt.Errorf("link %s to %s: only IPv4 addresses can be shaped", src, dst)
	}
	var p Pair
	s, d := src.As4(), dst.As4()
	copy(p[:4], s[:])
	copy(p[4:], d[:])
	return p, nil
}

// PortPair is a directed link between two ports of the bridge, given by their interface indices.
type PortPair [8]byte

// PortsOf makes a PortPair.
func PortsOf(in, out int) (p PortPair) {
	binary.NativeEndian.PutUint32(p[:4], uint32(in))
	binary.NativeEndian.PutUint32(p[4:], uint32(out))
	return p
}

// String is "10.0.0.1 > 10.0.0.2".
func (p Pair) String() string {
	return netip.AddrFrom4([4]byte(p[:4])).String() + " > " + netip.AddrFrom4([4]byte(p[4:])).String()
}

// State is what the table's sets hold.
type State struct {
	Cut map[Pair]struct{}
	// Ports are the cut links as far as the ports of their nodes are known. What does not name its link by IPv4 addresses is
	// cut by them: IPv6, broadcasts, multicasts, ARP.
	Ports map[PortPair]struct{}
	Shape map[Pair]struct{}
}

// missing returns the pairs of a that b lacks, in order.
func missing[P ~[8]byte](a, b map[P]struct{}) []P {
	out := make([]P, 0, max(0, len(a)-len(b)))
	for p := range a {
		if _, ok := b[p]; !ok {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(x, y P) int { return bytes.Compare(x[:], y[:]) })
	return out
}
