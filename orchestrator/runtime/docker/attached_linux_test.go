package docker

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/faults/shape/shapetest"
)

// listenAt opens a station at the interface of a container.
func listenAt(t *testing.T, a *Attached, id faults.NodeID) *shapetest.Station {
	t.Helper()
	c, _ := a.containerOf(id)
	is := must.Get(a.cli.ContainerInspect(t.Context(), c.id))(t)
	return shapetest.OpenStation(t, fmt.Sprintf("/proc/%d/ns/net", is.State.Pid), c.addr)
}

// frameNames are the names of the frames that sendFrames sends; the last one is flooded.
var frameNames = []string{"IPv4", "IPv6", "ARP request", "ARP reply", "broadcast"}

// sendFrames sends a frame of each kind to another container.
func sendFrames(from, to *shapetest.Station) {
	ipv6 := make([]byte, 40)
	ipv6[0], ipv6[5], ipv6[6], ipv6[7], ipv6[8], ipv6[9], ipv6[24], ipv6[25], ipv6[39] = 0x60, 40, 59, 255, 0xfe, 0x80, 0xff, 2, 1
	for i, f := range []struct {
		to      net.HardwareAddr
		kind    uint16
		payload []byte
	}{
		{to.MAC, unix.ETH_P_IP, from.IPv4(to.IP)},
		{net.HardwareAddr{0x33, 0x33, 0, 0, 0, 1}, unix.ETH_P_IPV6, ipv6},
		{shapetest.Broadcast, unix.ETH_P_ARP, from.ARP(1, to)},
		{to.MAC, unix.ETH_P_ARP, from.ARP(2, to)},
		{shapetest.Broadcast, 0x88b5, make([]byte, 20)},
	} {
		from.Send(from.Frame(f.to, f.kind, f.payload, frameNames[i]))
	}
}

// receiveUntil reads until a frame of a name has come from another container, and returns the names of all.
func receiveUntil(t *testing.T, at, from *shapetest.Station, name string) (names []string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !slices.Contains(names, name); {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not arrive, only %q", name, names)
		}
		at.Wait(time.Second)
		names = append(names, at.Received(from)...)
	}
	return names
}

// TestAttached_NothingCrossesCut listens at containers for all frames that another one sends, of any kind: all of them before the
// cut and after it, none during it, in both directions, while a third container receives what is flooded.
func TestAttached_NothingCrossesCut(t *testing.T) {
	t.Parallel()
	var notRoot error
	if os.Geteuid() != 0 {
		notRoot = errors.New("listening in network namespaces needs root")
	}
	must.Have(t, "root", notRoot)
	f, _ := attached(t, startContainers(t, 3), nil)
	a, b, c := listenAt(t, f, "val-1"), listenAt(t, f, "val-2"), listenAt(t, f, "val-3")
	check := func(what string, from, to *shapetest.Station, want []string) {
		t.Helper()
		sendFrames(from, to)
		receiveUntil(t, c, from, frameNames[len(frameNames)-1]) // flooded after all others
		var got []string
		if len(want) > 0 {
			got = receiveUntil(t, to, from, want[len(want)-1])
		} else {
			got = to.Received(from)
		}
		got = slices.DeleteFunc(got, func(name string) bool { return name == "" && len(want) > 0 })
		if d := cmp.Diff(want, slices.Compact(got)); d != "" {
			t.Errorf("%s (-want +got):\n%s", what, d)
		}
	}
	check("before", a, b, frameNames)
	check("before, back", b, a, frameNames)
	both := []faults.Rule{
		{From: []faults.NodeID{"val-1"}, To: []faults.NodeID{"val-2"}, Cut: true},
		{From: []faults.NodeID{"val-2"}, To: []faults.NodeID{"val-1"}, Cut: true},
	}
	must.Get(f.Shape(t.Context(), []faults.Layer{{ID: "cut-1", Kind: "partition", Text: "cut", Since: time.Now(), Links: faults.Links{Rules: both}}}))(t)
	a.Received(b) // what came before the cut
	b.Received(a)
	for range 3 {
		check("cut", a, b, nil)
		check("cut, back", b, a, nil)
	}
	must.Get(f.Shape(t.Context(), nil))(t)
	check("healed", a, b, frameNames)
	check("healed, back", b, a, frameNames)
}
