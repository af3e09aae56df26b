package probe

import (
	"errors"
	"fmt"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// reader hands what arrives at all sockets to a run, in a goroutine of its own.
type reader struct {
	run   *run
	epoll int
	wake  int
	socks map[int32]*socket
	done  chan error
}

// startReader begins to read.
func startReader(sockets map[netip.Addr]*socket, r *run) (*reader, error) {
	rd := &reader{run: r, epoll: -1, wake: -1, socks: make(map[int32]*socket), done: make(chan error, 1)}
	if err := rd.open(sockets); err != nil {
		rd.release()
		return nil, fmt.Errorf("read probes: %w", err)
	}
	go func() { rd.done <- rd.loop() }()
	return rd, nil
}

func (rd *reader) open(sockets map[netip.Addr]*socket) (err error) {
	if rd.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	if rd.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return err
	}
	for _, s := range sockets {
		rd.socks[int32(s.recv)] = s
		if err := rd.watch(int32(s.recv)); err != nil {
			return err
		}
	}
	return rd.watch(int32(rd.wake))
}

func (rd *reader) watch(fd int32) error {
	return unix.EpollCtl(rd.epoll, unix.EPOLL_CTL_ADD, int(fd), &unix.EpollEvent{Events: unix.EPOLLIN, Fd: fd})
}

func (rd *reader) release() {
	for _, fd := range []int{rd.epoll, rd.wake} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

// stop ends the reading and returns its error.
func (rd *reader) stop() error {
	var one [8]byte
	one[0] = 1
	_, _ = unix.Write(rd.wake, one[:])
	err := <-rd.done
	rd.release()
	return err
}

// loop reads until stop.
func (rd *reader) loop() error {
	events := make([]unix.EpollEvent, 64)
	for {
		n, err := unix.EpollWait(rd.epoll, events, -1)
		if err != nil && err != unix.EINTR {
			return fmt.Errorf("wait for probes: %w", err)
		}
		for _, e := range events[:max(n, 0)] {
			s := rd.socks[e.Fd]
			if s == nil {
				return nil
			}
			if err := rd.drain(s); err != nil {
				return fmt.Errorf("receive probes at %s: %w", s.addr, err)
			}
		}
	}
}

// drain reads all that is in a socket's buffer.
func (rd *reader) drain(s *socket) error {
	var data [size + 1]byte
	var control [128]byte
	for {
		n, nc, _, from, err := unix.Recvmsg(s.recv, data[:], control[:], 0)
		if errors.Is(err, unix.EAGAIN) {
			return nil
		}
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		if src, ok := from.(*unix.SockaddrInet4); ok {
			rd.run.arrive(data[:n], netip.AddrFrom4(src.Addr), s.addr, received(control[:nc]))
		}
	}
}

// received finds the kernel's receive time among control messages; where there is none it is now.
func received(control []byte) int64 {
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
