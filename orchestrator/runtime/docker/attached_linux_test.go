package docker

import (
	"bytes"
	"encoding/binary"
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
	"github.com/netsplit/netsplit/faults/shape/netns"
)

// listener sends and receives raw Ethernet frames at the interface of a container.
type listener struct {
	fd, index int
	mac       net.HardwareAddr
	ip        [4]byte
}

func listenAt(t *testing.T, a *Attached, id faults.NodeID) *listener {
	t.Helper()
	c, _ := a.containerOf(id)
	is := must.Get(a.cli.ContainerInspect(t.Context(), c.id))(t)
	l := &listener{ip: c.addr.As4()}
	must.Do(t, netns.Do(fmt.Sprintf("/proc/%d/ns/net", is.State.Pid), func() (err error) {
		i, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		l.index, l.mac = i.Index, i.HardwareAddr
		all := binary.NativeEndian.Uint16([]byte{0, unix.ETH_P_ALL})
		if l.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, int(all)); err != nil {
			return err
		}
		return unix.Bind(l.fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: i.Index})
	}))
	t.Cleanup(func() { unix.Close(l.fd) })
	return l
}

var (
	everybody = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	// the names of the frames that send sends; the last one is flooded.
	frameNames = []string{"IPv4", "IPv6", "ARP request", "ARP reply", "broadcast"}
)

// send sends a frame of each kind to another container.
func (l *listener) send(t *testing.T, to *listener) {
	t.Helper()
	ipv4 := slices.Concat([]byte{0x45, 0, 0, 60, 0, 0, 0, 0, 64, 253, 0, 0}, l.ip[:], to.ip[:])
	var sum uint32
	for i := 0; i < len(ipv4); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(ipv4[i:]))
	}
	binary.BigEndian.PutUint16(ipv4[10:], ^uint16(sum>>16+sum))
	ipv6 := make([]byte, 40)
	ipv6[0], ipv6[5], ipv6[6], ipv6[7], ipv6[8], ipv6[9], ipv6[24], ipv6[25], ipv6[39] = 0x60, 40, 59, 255, 0xfe, 0x80, 0xff, 2, 1
	arp := func(op byte) []byte {
		return slices.Concat([]byte{0, 1, 8, 0, 6, 4, 0, op}, l.mac, l.ip[:], to.mac, to.ip[:])
	}
	for i, f := range []struct {
		to      net.HardwareAddr
		kind    uint16
		payload []byte
	}{
		{to.mac, unix.ETH_P_IP, ipv4}, {net.HardwareAddr{0x33, 0x33, 0, 0, 0, 1}, unix.ETH_P_IPV6, ipv6},
		{everybody, unix.ETH_P_ARP, arp(1)}, {to.mac, unix.ETH_P_ARP, arp(2)}, {everybody, 0x88b5, nil},
	} {
		text := make([]byte, 60)
		copy(text, "netsplit-test:"+frameNames[i]+";")
		frame := slices.Concat(f.to, l.mac, binary.BigEndian.AppendUint16(nil, f.kind), f.payload, text)
		must.Do(t, unix.Sendto(l.fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: l.index}))
	}
}

// received returns what arrived from another container: names of the frames that send sent, also of those that a reply of ICMP
// repeats, and "other" for all else.
func (l *listener) received(t *testing.T, from *listener) (names []string) {
	t.Helper()
	b := make([]byte, 2048)
	for {
		n, addr, err := unix.Recvfrom(l.fd, b, 0)
		if errors.Is(err, unix.EAGAIN) {
			return names
		}
		must.Do(t, err)
		if ll, ok := addr.(*unix.SockaddrLinklayer); !ok || ll.Pkttype == unix.PACKET_OUTGOING || n < 14 || !bytes.Equal(b[6:12], from.mac) {
			continue
		}
		name := "other"
		if _, text, ok := bytes.Cut(b[:n], []byte("netsplit-test:")); ok {
			text, _, _ = bytes.Cut(text, []byte(";"))
			name = string(text)
		}
		names = append(names, name)
	}
}

// until reads until a frame of a name has come from another container, and returns the names of all.
func (l *listener) until(t *testing.T, from *listener, name string) (names []string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !slices.Contains(names, name); {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not arrive, only %q", name, names)
		}
		_, _ = unix.Poll([]unix.PollFd{{Fd: int32(l.fd), Events: unix.POLLIN}}, 1000)
		names = append(names, l.received(t, from)...)
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
	check := func(what string, from, to *listener, want []string) {
		t.Helper()
		from.send(t, to)
		c.until(t, from, frameNames[len(frameNames)-1]) // flooded after all others
		var got []string
		if len(want) > 0 {
			got = to.until(t, from, want[len(want)-1])
		} else {
			got = to.received(t, from)
		}
		got = slices.DeleteFunc(got, func(name string) bool { return name == "other" && len(want) > 0 })
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
	a.received(t, b) // what came before the cut
	b.received(t, a)
	for range 3 {
		check("cut", a, b, nil)
		check("cut, back", b, a, nil)
	}
	must.Get(f.Shape(t.Context(), nil))(t)
	check("healed", a, b, frameNames)
	check("healed, back", b, a, frameNames)
}
