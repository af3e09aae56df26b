package probe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/netsplit/netsplit/faults/shape/netns"
)

// nsID identifies a network namespace: the device and inode of its file.
type nsID struct{ dev, ino uint64 }

// identify finds the namespace at path; false when it does not exist.
func identify(path string) (nsID, bool) {
	var st unix.Stat_t
	if path == "" || unix.Stat(path, &st) != nil {
		return nsID{}, false
	}
	return nsID{uint64(st.Dev), st.Ino}, true //nolint:unconvert // Dev is narrower on some architectures
}

// socket is the pair of sockets inside a node's namespace. It keeps the namespace alive, so its ID is not reused.
//
// Packets are sent through a packet socket, to the other node's link address: a UDP socket would add an entry to the
// kernel's neighbour table for every probed link. That table has 1,024 entries for all namespaces, and the nodes' own
// entries would be evicted.
type socket struct {
	addr netip.Addr
	ns   nsID
	mac  net.HardwareAddr // of the interface that has addr
	port int              // that interface's index
	send int              // AF_PACKET
	recv *net.UDPConn
}

// buffer is the size of each socket's buffer in bytes. The receiver's holds all packets of one round, the sender's all that
// are delayed on its links.
const buffer = 8 << 20

// openSocket opens a host's sockets. The error wraps os.ErrNotExist when the namespace is gone, and errNoAddress when the
// host has no address yet.
func openSocket(h Host, ns nsID) (*socket, error) {
	s := &socket{addr: h.Addr, ns: ns, send: -1}
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

// errNoAddress is the error when no interface has the host's address.
var errNoAddress = errors.New("no interface has the address")

// open opens the sockets in the namespace of the calling thread.
func (s *socket) open() (err error) {
	if err := s.findInterface(); err != nil {
		return err
	}
	if s.send, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0); err != nil {
		return err
	}
	s.recv, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(s.addr, Port)))
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

// prepare sets the sockets' options.
func (s *socket) prepare() error {
	enlarge(s.send, unix.SO_SNDBUFFORCE, unix.SO_SNDBUF)
	raw, err := s.recv.SyscallConn()
	if err != nil {
		return err
	}
	var failure error
	err = raw.Control(func(fd uintptr) {
		enlarge(int(fd), unix.SO_RCVBUFFORCE, unix.SO_RCVBUF)
		failure = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)
	})
	if err := errors.Join(err, failure); err != nil {
		return fmt.Errorf("enable receive timestamps: %w", err)
	}
	return nil
}

// enlarge sets the size of a socket's buffer, beyond the system's limit where that is allowed.
func enlarge(fd, force, plain int) {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, force, buffer) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, plain, buffer)
	}
}

func (s *socket) close() error {
	var send, recv error
	if s.send >= 0 {
		send = unix.Close(s.send)
	}
	if s.recv != nil {
		recv = s.recv.Close()
	}
	return errors.Join(send, recv)
}

// receive passes what arrives to a run until the read deadline.
func (s *socket) receive(r *run) error {
	data, control := make([]byte, size+1), make([]byte, 128)
	for {
		n, nc, _, from, err := s.recv.ReadMsgUDPAddrPort(data, control)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("receive probes at %s: %w", s.addr, err)
		}
		r.arrive(data[:n], from.Addr().Unmap(), s.addr, receiveTime(control[:nc]))
	}
}

// receiveTime finds the kernel's receive time among control messages; without one it is the current time.
func receiveTime(control []byte) int64 {
	msgs, err := unix.ParseSocketControlMessage(control)
	if err == nil {
		for _, m := range msgs {
			if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SCM_TIMESTAMPNS && len(m.Data) >= int(unsafe.Sizeof(unix.Timespec{})) {
				return (*unix.Timespec)(unsafe.Pointer(&m.Data[0])).Nano()
			}
		}
	}
	return realtime()
}

// transmit sends one packet. A missing interface is a finding of the probe, not an error; a full send buffer is an error.
func (s *socket) transmit(p packet, buf []byte, to *socket) error {
	dst := unix.SockaddrLinklayer{Protocol: htons(unix.ETH_P_IP), Ifindex: s.port, Halen: 6}
	copy(dst.Addr[:], to.mac)
	p.sent, p.overdue = realtime(), notHeld
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

// MarkReleased is called by an engine that is about to release a probe, an IPv4 packet, that it should hold for a time. It writes
// into the packet how much more time than that has passed since the packet was sent: what a machine that is late adds to the
// delay. A packet that was held for too short a time is not late. It does nothing to a packet that is no probe.
func MarkReleased(ip []byte, hold time.Duration) { markReleased(ip, hold, realtime()) }

// realtime reads the clock of receive times.
func realtime() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_REALTIME, &ts) // cannot fail
	return ts.Nano()
}
