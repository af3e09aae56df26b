package shape_test

import (
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
	"github.com/netsplit/netsplit/faults/shape/nft"
	"github.com/netsplit/netsplit/faults/shape/probe"
	"github.com/netsplit/netsplit/faults/shape/shapetest"
)

// frames are one of every kind that one node can send to another: by name, what is not IPv4 from address to address.
func frames(from, to, other *shapetest.Station) map[string][]byte {
	ipv6 := func(dst byte) []byte {
		b := make([]byte, 40)
		b[0], b[5], b[6], b[7] = 0x60, 40, 59, 255
		b[8], b[9], b[23] = 0xfe, 0x80, from.IP[3]
		b[24], b[25], b[39] = 0xff, 2, dst
		return b
	}
	kinds := map[string]struct {
		to      net.HardwareAddr
		kind    uint16
		payload []byte
	}{
		"IPv4 broadcast":     {shapetest.Broadcast, unix.ETH_P_IP, from.IPv4([4]byte{255, 255, 255, 255})},
		"IPv4 multicast":     {net.HardwareAddr{1, 0, 0x5e, 0, 0, 251}, unix.ETH_P_IP, from.IPv4([4]byte{224, 0, 0, 251})},
		"IPv6 multicast":     {net.HardwareAddr{0x33, 0x33, 0, 0, 0, 1}, unix.ETH_P_IPV6, ipv6(1)},
		"IPv6 link-local":    {to.MAC, unix.ETH_P_IPV6, ipv6(to.IP[3])},
		"other type":         {shapetest.Broadcast, 0x88b5, make([]byte, 40)},
		"ARP request":        {shapetest.Broadcast, unix.ETH_P_ARP, from.ARP(1, to)},
		"ARP request, other": {shapetest.Broadcast, unix.ETH_P_ARP, from.ARP(1, other)},
		"ARP reply":          {to.MAC, unix.ETH_P_ARP, from.ARP(2, to)},
	}
	out := make(map[string][]byte)
	for name, k := range kinds {
		out[name] = from.Frame(k.to, k.kind, k.payload, name)
	}
	return out
}

// exchange sends all frames to a node and returns the names of those that it received, and of those that a third one did.
func exchange(from, to, other *shapetest.Station) (received, overheard []string) {
	to.Received(nil)
	other.Received(nil)
	for _, f := range frames(from, to, other) {
		from.Send(f)
	}
	deadline := time.Now().Add(300 * time.Millisecond) // frames of a lab arrive within microseconds
	for time.Now().Before(deadline) {
		received, overheard = append(received, to.Received(nil)...), append(overheard, other.Received(nil)...)
		to.Wait(20 * time.Millisecond)
	}
	return names(received), names(overheard)
}

// names are those of frames that stations made, in order; nil for none.
func names(all []string) []string {
	all = slices.DeleteFunc(all, func(name string) bool { return name == "" })
	if len(all) == 0 {
		return nil
	}
	slices.Sort(all)
	return all
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
	station := func(i int) *shapetest.Station { return shapetest.OpenStation(t, l.Nodes[i].Path, l.Nodes[i].Addr) }
	a, b, c := station(0), station(1), station(2)
	all := slices.Sorted(maps.Keys(frames(a, b, c)))
	flooded := slices.DeleteFunc(slices.Clone(all), func(n string) bool { return n == "IPv6 link-local" || n == "ARP reply" })
	check := func(what string, from, to *shapetest.Station, want []string) {
		t.Helper()
		received, overheard := exchange(from, to, c)
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
	for _, x := range []*shapetest.Station{a, b, c} { // the bridge learns where they are
		exchange(x, a, b)
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
	if got, _ := exchange(a, b, c); slices.Contains(got, "ARP request") || slices.Contains(got, "ARP reply") {
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
