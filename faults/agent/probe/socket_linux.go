package probe

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/netsplit/netsplit/faults/shape/nfnl"
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

// socket is a probe's socket inside a node's namespace. It keeps the namespace, so its ID cannot be another's.
type socket struct {
	fd   int
	addr netip.Addr
	ns   nsID
}

// receiveBuffer of a socket, in bytes: all packets that others send within one round.
const receiveBuffer = 8 << 20

// openSocket opens a host's socket.
func openSocket(h Host, ns nsID) (*socket, error) {
	s := &socket{fd: -1, addr: h.Addr, ns: ns}
	err := nfnl.In(h.Netns, func() (err error) {
		s.fd, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open probe socket: %w", err)
	}
	if err := s.prepare(); err != nil {
		unix.Close(s.fd)
		return nil, err
	}
	return s, nil
}

func (s *socket) prepare() error {
	if unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer) != nil {
		_ = unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer)
	}
	if err := unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1); err != nil {
		return fmt.Errorf("ask for receive times: %w", err)
	}
	// Without it the kernel hides that a packet was not sent because its neighbour table is full.
	if err := unix.SetsockoptInt(s.fd, unix.SOL_IP, unix.IP_RECVERR, 1); err != nil {
		return fmt.Errorf("ask for send errors: %w", err)
	}
	if err := unix.Bind(s.fd, &unix.SockaddrInet4{Addr: s.addr.As4(), Port: Port}); err != nil {
		return fmt.Errorf("bind probe socket to %s port %d: %w", s.addr, Port, err)
	}
	return nil
}

func (s *socket) close() error { return unix.Close(s.fd) }

// send sends one packet. That it cannot get through is what a probe is to find out, and no error; that this host has no
// room to send it is one.
func (s *socket) send(p packet, buf []byte, to netip.Addr) error {
	// A failed send may report an earlier packet's fate in the place of its own: then it is tried again.
	for range 3 {
		p.sent = realtime()
		p.put(buf)
		err := unix.Sendto(s.fd, buf, 0, &unix.SockaddrInet4{Addr: to.As4(), Port: Port})
		switch {
		case err == nil:
			return nil
		case errors.Is(err, unix.ENOBUFS):
			return fmt.Errorf("send probe from %s to %s: %w: the kernel's neighbour table is full; raise sysctl net.ipv4.neigh.default.gc_thresh3", s.addr, to, err)
		}
		s.drainErrors()
	}
	return nil
}

// drainErrors empties the socket's queue of errors about earlier packets.
func (s *socket) drainErrors() {
	var b [512]byte
	for {
		if _, _, _, _, err := unix.Recvmsg(s.fd, b[:256], b[256:], unix.MSG_ERRQUEUE); err != nil {
			return
		}
	}
}

// realtime is the system's clock, the one that receive times are in.
func realtime() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_REALTIME, &ts) // cannot fail
	return ts.Nano()
}
