//go:build linux

package nfnl

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// Conn is a lasting nfnetlink socket in the network namespace of the thread that dialled it. What the kernel binds to
// the socket (an owned table, a queue) lives until Close or the end of the process. Its methods may be called from
// several goroutines; Raw users take care of themselves.
type Conn struct {
	mu  sync.Mutex
	fd  int
	buf []byte
}

// Message is a message from the kernel.
type Message struct {
	Kind uint16
	Seq  uint32
	Body []byte // what follows the nfgenmsg header
}

// Dial opens a socket with buffers of the given size in bytes, or as near as the process may have them.
func Dial(buffer int) (*Conn, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, fmt.Errorf("open nfnetlink socket: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("bind nfnetlink socket: %w", err)
	}
	setBuffer(fd, unix.SO_SNDBUFFORCE, unix.SO_SNDBUF, buffer)
	setBuffer(fd, unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, buffer)
	// Without the request echoed into it an error is 20 bytes more than its header, however large the batch.
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_CAP_ACK, 1)
	return &Conn{fd: fd, buf: make([]byte, 64<<10)}, nil
}

// setBuffer sets a socket buffer, beyond the system's limit where that is allowed.
func setBuffer(fd, force, plain, size int) {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, force, size) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, plain, size)
	}
}

// FD is the socket, non-blocking.
func (c *Conn) FD() int { return c.fd }

// Close closes the socket; the kernel releases what was bound to it before Close returns.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fd < 0 {
		return nil
	}
	err := unix.Close(c.fd)
	c.fd = -1
	return err
}

// errClosed is returned for a transaction on a closed socket.
var errClosed = errors.New("nfnetlink socket is closed")

// Transact sends a run of messages in one system call and returns what the kernel answered. The kernel answers
// nfnetlink requests before the call returns, so there is nothing to wait for. The first error among the answers is
// returned, as a unix.Errno that can be found with errors.As.
func (c *Conn) Transact(run []byte) ([]Message, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fd < 0 {
		return nil, errClosed
	}
	if err := unix.Sendto(c.fd, run, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, fmt.Errorf("send %d bytes to nfnetlink: %w", len(run), err)
	}
	var out []Message
	var first error
	for {
		n, err := unix.Read(c.fd, c.buf)
		if err == unix.EINTR {
			continue
		}
		if err == unix.EAGAIN {
			return out, first
		}
		if err != nil {
			return out, fmt.Errorf("receive from nfnetlink: %w", err)
		}
		msgs, err := Parse(append([]byte(nil), c.buf[:n]...))
		out = append(out, msgs...)
		if first == nil {
			first = err
		}
	}
}

// Parse splits a datagram into messages. Acknowledgements and ends of dumps are left out; an error message ends the
// parse and is returned.
func Parse(b []byte) ([]Message, error) {
	var out []Message
	for len(b) > 0 {
		m, rest, err := Next(b)
		if err != nil {
			return out, err
		}
		if m.Kind != 0 {
			out = append(out, m)
		}
		b = rest
	}
	return out, nil
}

// Next takes the first message off a datagram. For an acknowledgement or the end of a dump, the message's Kind is 0. The
// error is a unix.Errno when the message says so.
func Next(b []byte) (m Message, rest []byte, err error) {
	if len(b) < unix.NLMSG_HDRLEN {
		return Message{}, nil, fmt.Errorf("malformed netlink message of %d bytes", len(b))
	}
	n := binary.NativeEndian.Uint32(b)
	if n < unix.NLMSG_HDRLEN || int64(n) > int64(len(b)) {
		return Message{}, nil, fmt.Errorf("malformed netlink message: %d bytes by its header, %d there", n, len(b))
	}
	kind, seq := binary.NativeEndian.Uint16(b[4:]), binary.NativeEndian.Uint32(b[8:])
	body := b[unix.NLMSG_HDRLEN:n]
	rest = b[min((int(n)+3)&^3, len(b)):]
	switch {
	case kind == unix.NLMSG_ERROR && len(body) >= 4:
		if code := int32(binary.NativeEndian.Uint32(body)); code != 0 {
			return Message{}, rest, unix.Errno(-code)
		}
	case kind >= unix.NLMSG_MIN_TYPE && len(body) >= 4:
		return Message{Kind: kind, Seq: seq, Body: body[4:]}, rest, nil
	}
	return Message{}, rest, nil
}
