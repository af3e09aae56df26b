package shapetest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netsplit/netsplit/faults/shape/netns"
)

// Station sends and receives raw Ethernet frames at the interface eth0 of a network namespace. Each frame that it makes has a name.
type Station struct {
	MAC net.HardwareAddr
	IP  [4]byte

	tb        testing.TB
	fd, index int
}

// Broadcast is the address of all stations.
var Broadcast = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// nameMark is before the name of a frame, in its data.
const nameMark = "netsplit-test:"

// OpenStation opens a station in the network namespace with a path, such as /proc/1/ns/net, whose interface has an IPv4 address. It
// is closed when the test ends.
func OpenStation(tb testing.TB, path string, addr netip.Addr) *Station {
	tb.Helper()
	s := &Station{tb: tb, IP: addr.As4()}
	if err := netns.Do(path, func() (err error) {
		i, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		s.index, s.MAC = i.Index, i.HardwareAddr
		all := binary.NativeEndian.Uint16([]byte{0, unix.ETH_P_ALL})
		if s.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, int(all)); err != nil {
			return err
		}
		return unix.Bind(s.fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: i.Index})
	}); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { unix.Close(s.fd) })
	return s
}

// Frame makes a frame of an Ethernet type whose payload ends with a name.
func (s *Station) Frame(to net.HardwareAddr, kind uint16, payload []byte, name string) []byte {
	data := make([]byte, 40)
	copy(data, nameMark+name+";")
	return slices.Concat(to, s.MAC, binary.BigEndian.AppendUint16(nil, kind), payload, data)
}

// IPv4 is the header of a packet with 40 bytes of data.
func (s *Station) IPv4(to [4]byte) []byte {
	b := slices.Concat([]byte{0x45, 0, 0, 60, 0, 0, 0, 0, 64, 253, 0, 0}, s.IP[:], to[:])
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	binary.BigEndian.PutUint16(b[10:], ^uint16(sum>>16+sum))
	return b
}

// ARP is a request for the address of a station (op 1) or a reply to it (op 2).
func (s *Station) ARP(op byte, target *Station) []byte {
	return slices.Concat([]byte{0, 1, 8, 0, 6, 4, 0, op}, s.MAC, s.IP[:], target.MAC, target.IP[:])
}

// Send sends a frame.
func (s *Station) Send(frame []byte) {
	s.tb.Helper()
	if err := unix.Sendto(s.fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: s.index}); err != nil {
		s.tb.Fatal(err)
	}
}

// Received returns what has arrived from another station, or from all where that is nil: names of frames that stations made, also
// of those that a reply of ICMP repeats, and "" for each other frame.
func (s *Station) Received(from *Station) (names []string) {
	s.tb.Helper()
	b := make([]byte, 2048)
	for {
		n, addr, err := unix.Recvfrom(s.fd, b, 0)
		if errors.Is(err, unix.EAGAIN) {
			return names
		}
		if err != nil {
			s.tb.Fatal(err)
		}
		if ll, ok := addr.(*unix.SockaddrLinklayer); ok && ll.Pkttype == unix.PACKET_OUTGOING {
			continue
		}
		if from != nil && (n < 14 || !bytes.Equal(b[6:12], from.MAC)) {
			continue
		}
		name := ""
		if _, text, ok := bytes.Cut(b[:n], []byte(nameMark)); ok {
			text, _, _ = bytes.Cut(text, []byte(";"))
			name = string(text)
		}
		names = append(names, name)
	}
}

// Wait waits until something arrives, at most as long as that.
func (s *Station) Wait(timeout time.Duration) {
	_, _ = unix.Poll([]unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLIN}}, int(timeout.Milliseconds()))
}
