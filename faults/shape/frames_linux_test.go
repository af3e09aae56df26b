package shape_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/faults/shape"
	"github.com/netsplit/netsplit/faults/shape/lab"
	"github.com/netsplit/netsplit/faults/shape/netns"
	"github.com/netsplit/netsplit/faults/shape/nft"
	"github.com/netsplit/netsplit/faults/shape/probe"
	"github.com/netsplit/netsplit/faults/shape/shapetest"
)

// station sends and receives raw Ethernet frames at a node of a lab.
type station struct {
	fd    int
	index int
	mac   net.HardwareAddr
	ip    [4]byte
}

func newStation(t *testing.T, n lab.Node) *station {
	t.Helper()
	s := &station{ip: n.Addr.As4()}
	must.Do(t, netns.Do(n.Path, func() (err error) {
		i, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		s.index, s.mac = i.Index, i.HardwareAddr
		all := binary.NativeEndian.Uint16([]byte{0, unix.ETH_P_ALL})
		if s.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, int(all)); err != nil {
			return err
		}
		return unix.Bind(s.fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: i.Index})
	}))
	t.Cleanup(func() { unix.Close(s.fd) })
	return s
}

// frame makes a frame of an Ethernet type whose payload ends with a name.
func (s *station) frame(to net.HardwareAddr, kind uint16, payload []byte, name string) []byte {
	data := make([]byte, 40)
	copy(data, "netsplit-test:"+name+";")
	return slices.Concat(to, s.mac, binary.BigEndian.AppendUint16(nil, kind), payload, data)
}

// frames are one of every kind that one node can send to another: by name, what is not IPv4 from address to address.
func (s *station) frames(to, other *station) map[string][]byte {
	broadcast := net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	ipv4 := func(dst [4]byte) []byte {
		b := []byte{0x45, 0, 0, 60, 0, 0, 0, 0, 64, 253, 0, 0}
		b = append(append(b, s.ip[:]...), dst[:]...)
		var sum uint32
		for i := 0; i < len(b); i += 2 {
			sum += uint32(binary.BigEndian.Uint16(b[i:]))
		}
		binary.BigEndian.PutUint16(b[10:], ^uint16(sum>>16+sum))
		return b
	}
	ipv6 := func(dst byte) []byte {
		b := make([]byte, 40)
		b[0], b[5], b[6], b[7] = 0x60, 40, 59, 255
		b[8], b[9], b[23] = 0xfe, 0x80, s.ip[3]
		b[24], b[25], b[39] = 0xff, 2, dst
		return b
	}
	arp := func(op byte, target *station) []byte {
		return slices.Concat([]byte{0, 1, 8, 0, 6, 4, 0, op}, s.mac, s.ip[:], target.mac, target.ip[:])
	}
	kinds := map[string]struct {
		to      net.HardwareAddr
		kind    uint16
		payload []byte
	}{
		"IPv4 broadcast":     {broadcast, unix.ETH_P_IP, ipv4([4]byte{255, 255, 255, 255})},
		"IPv4 multicast":     {net.HardwareAddr{1, 0, 0x5e, 0, 0, 251}, unix.ETH_P_IP, ipv4([4]byte{224, 0, 0, 251})},
		"IPv6 multicast":     {net.HardwareAddr{0x33, 0x33, 0, 0, 0, 1}, unix.ETH_P_IPV6, ipv6(1)},
		"IPv6 link-local":    {to.mac, unix.ETH_P_IPV6, ipv6(to.ip[3])},
		"other type":         {broadcast, 0x88b5, make([]byte, 40)},
		"ARP request":        {broadcast, unix.ETH_P_ARP, arp(1, to)},
		"ARP request, other": {broadcast, unix.ETH_P_ARP, arp(1, other)},
		"ARP reply":          {to.mac, unix.ETH_P_ARP, arp(2, to)},
	}
	out := make(map[string][]byte)
	for name, k := range kinds {
		out[name] = s.frame(k.to, k.kind, k.payload, name)
	}
	return out
}

// send sends all frames to a node and returns the names of those that it received, and of those that a third one did.
func (s *station) send(t *testing.T, to, other *station) (received, overheard []string) {
	t.Helper()
	to.received(t)
	other.received(t)
	for _, f := range s.frames(to, other) {
		must.Do(t, unix.Sendto(s.fd, f, 0, &unix.SockaddrLinklayer{Ifindex: s.index}))
	}
	deadline := time.Now().Add(300 * time.Millisecond) // frames of a lab arrive within microseconds
	for time.Now().Before(deadline) {
		received, overheard = append(received, to.received(t)...), append(overheard, other.received(t)...)
		_, _ = unix.Poll([]unix.PollFd{{Fd: int32(to.fd), Events: unix.POLLIN}}, 20)
	}
	slices.Sort(received)
	slices.Sort(overheard)
	return received, overheard
}

// received returns the names of the frames of this test that arrived.
func (s *station) received(t *testing.T) (names []string) {
	t.Helper()
	b := make([]byte, 2048)
	for {
		n, from, err := unix.Recvfrom(s.fd, b, 0)
		if err == unix.EAGAIN {
			return names
		}
		must.Do(t, err)
		if ll, ok := from.(*unix.SockaddrLinklayer); ok && ll.Pkttype == unix.PACKET_OUTGOING {
			continue
		}
		if _, name, ok := bytes.Cut(b[:n], []byte("netsplit-test:")); ok {
			name, _, _ = bytes.Cut(name, []byte(";"))
			names = append(names, string(name))
		}
	}
}

// TestEngine_CutsAllFrames listens at nodes for all that others send, in both directions of a cut, of a cut in one direction
// alone, and after the heal.
func TestEngine_CutsAllFrames(t *testing.T) {
	l := shapetest.Lab(t, 3)
	e := open(t, l, "frames")
	defer closeEngine(t, e)
	var hosts []probe.Host
	for i, n := range l.Nodes {
		hosts = append(hosts, probe.Host{Node: faults.NodeID(fmt.Sprint("n", i)), Addr: n.Addr, Netns: n.Path})
	}
	a, b, c := newStation(t, l.Nodes[0]), newStation(t, l.Nodes[1]), newStation(t, l.Nodes[2])
	all := slices.Sorted(maps.Keys(a.frames(b, c)))
	flooded := slices.DeleteFunc(slices.Clone(all), func(n string) bool { return n == "IPv6 link-local" || n == "ARP reply" })
	check := func(what string, from, to *station, want []string) {
		t.Helper()
		received, overheard := from.send(t, to, c)
		if d := cmp.Diff(want, received); d != "" {
			t.Errorf("%s: received (-want +got):\n%s", what, d)
		}
		// A request for the address of the other side of a cut is of no use to anybody.
		if d := cmp.Diff(slices.DeleteFunc(slices.Clone(flooded), func(n string) bool {
			return n == "ARP request" && !slices.Contains(want, n)
		}), overheard); d != "" {
			t.Errorf("%s: the third node received (-want +got):\n%s", what, d)
		}
	}
	for _, x := range []*station{a, b, c} { // the bridge learns where they are
		x.send(t, a, b)
	}
	check("before", a, b, all)
	cut := func(pairs ...nft.Pair) {
		d := shape.Desired{Cut: map[nft.Pair]struct{}{}}
		for _, p := range pairs {
			d.Cut[p] = struct{}{}
		}
		must.Do(t, e.Apply(d))
	}
	there, back := pair(t, l, 0, 1), pair(t, l, 1, 0)
	cut(there, back)
	if got, _ := a.send(t, b, c); slices.Contains(got, "ARP request") || slices.Contains(got, "ARP reply") {
		t.Errorf("without known ports: received %q", got)
	}
	must.Do(t, e.SetHosts(hosts))
	check("cut", a, b, nil)
	check("cut, back", b, a, nil)
	cut(there)
	check("one way", a, b, []string{"ARP reply"}) // the way back needs it
	check("one way, back", b, a, all)
	hosts[1].Netns = ""
	must.Do(t, e.SetHosts(hosts)) // it restarts
	cut()
	must.Do(t, e.SetHosts(hosts))
	check("healed", a, b, all)
}
