package probe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/netsplit/netsplit/faults/shape/netns"
)

// nsID tells network namespaces apart: the device and inode of the file that stands for one.
type nsID struct{ dev, ino uint64 }

// identify finds the namespace at path; false when there is none.
func identify(path string) (nsID, bool) {
	var st unix.Stat_t
	if path == "" || unix.Stat(path, &st) != nil {
		return nsID{}, false
	}
	return nsID{uint64(st.Dev), st.Ino}, true
}

// socket is the pair of a probe's sockets inside a node's namespace. It keeps the namespace, so its ID cannot become
// another's.
//
// Packets are sent through a packet socket, straight to the other node's link address: a UDP socket would put an entry
// into the kernel's neighbour table for every link that is probed, which is one table of 1,024 entries for all
// namespaces, and would drive out those of the nodes themselves.
type socket struct {
	addr netip.Addr
	ns   nsID
	mac  net.HardwareAddr // of the interface that has addr
	port int              // that interface's index
	send int              // AF_PACKET
	recv int              // UDP
}

// buffer of each socket in bytes: at the receiver, all packets that others send in one round; at the sender, all that
// are held on its links.
const buffer = 8 << 20

// openSocket opens a host's sockets. The error wraps os.ErrNotExist when the namespace has gone, and errNoAddress when
// the host's address is not there yet.
func openSocket(h Host, ns nsID) (*socket, error) {
	s := &socket{addr: h.Addr, ns: ns, send: -1, recv: -1}
	if err := netns.Do(h.Netns, s.open); err != nil {
		s.close()
		return nil, fmt.Errorf("open probe socket: %w", err)
	}
	if err := s.prepare(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// errNoAddress says that no interface has the host's address.
var errNoAddress = errors.New("no interface has the address")

// open opens the sockets in the namespace of the calling thread.
func (s *socket) open() (err error) {
	if err := s.findInterface(); err != nil {
		return err
	}
	if s.send, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0); err != nil {
		return err
	}
	s.recv, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	return err
}

// findInterface finds the interface that has the host's address.
func (s *socket) findInterface() error {
	all, err := net.Interfaces()
	if err != nil {
		return err
	}
	for _, i := range all {
		addrs, err := i.Addrs()
		if err != nil {
			return err
		}
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok && n.IP.Equal(s.addr.AsSlice()) && len(i.HardwareAddr) == 6 {
				s.mac, s.port = i.HardwareAddr, i.Index
				return nil
			}
		}
	}
	return fmt.Errorf("%w %s", errNoAddress, s.addr)
}

func (s *socket) prepare() error {
	enlarge(s.send, unix.SO_SNDBUFFORCE, unix.SO_SNDBUF)
	enlarge(s.recv, unix.SO_RCVBUFFORCE, unix.SO_RCVBUF)
	if err := unix.SetsockoptInt(s.recv, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1); err != nil {
		return fmt.Errorf("ask for receive times: %w", err)
	}
	if err := unix.Bind(s.recv, &unix.SockaddrInet4{Addr: s.addr.As4(), Port: Port}); err != nil {
		return fmt.Errorf("bind probe socket to %s port %d: %w", s.addr, Port, err)
	}
	return nil
}

// enlarge sets a socket's buffer, beyond the system's limit where that is allowed.
func enlarge(fd, force, plain int) {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, force, buffer) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, plain, buffer)
	}
}

func (s *socket) close() error {
	var all []error
	for _, fd := range []int{s.send, s.recv} {
		if fd >= 0 {
			all = append(all, unix.Close(fd))
		}
	}
	return errors.Join(all...)
}

// transmit sends one packet. That the interface has gone is what a probe is to find out, and no error; that this host
// has no room to send is one.
func (s *socket) transmit(p packet, buf []byte, to *socket) error {
	dst := unix.SockaddrLinklayer{Protocol: htons(unix.ETH_P_IP), Ifindex: s.port, Halen: 6}
	copy(dst.Addr[:], to.mac)
	p.sent = realtime()
	err := unix.Sendto(s.send, frame(buf, s.addr, to.addr, p), 0, &dst)
	if err == nil || errors.Is(err, unix.ENXIO) || errors.Is(err, unix.ENETDOWN) || errors.Is(err, unix.ENODEV) {
		return nil
	}
	return fmt.Errorf("send probe from %s to %s: %w", s.addr, to.addr, err)
}

// htons puts a number into network byte order.
func htons(v uint16) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, v))
}

// realtime is the system's clock, the one that receive times are in.
func realtime() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_REALTIME, &ts) // cannot fail
	return ts.Nano()
}
