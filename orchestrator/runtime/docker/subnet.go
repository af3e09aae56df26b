package docker

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"net/netip"
)

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

// subnets calls yield with every candidate of that length which overlaps nothing in taken, until yield returns false.
// Where the search begins depends on the testnet's name, so that testnets that start at once seldom collide.
func subnets(testnet string, bits int, taken []netip.Prefix, yield func(netip.Prefix) bool) {
	h := fnv.New32a()
	h.Write([]byte(testnet))
	for _, pool := range pools {
		if bits < pool.Bits() {
			continue
		}
		count := uint32(1) << (bits - pool.Bits())
		for i := range count {
			p := nth(pool, bits, (h.Sum32()+i)%count)
			if overlaps(p, taken) {
				continue
			}
			if !yield(p) {
				return
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

func overlaps(p netip.Prefix, taken []netip.Prefix) bool {
	for _, t := range taken {
		if p.Overlaps(t) {
			return true
		}
	}
	return false
}
