//go:build linux

package nfqueue

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// vector is the number of datagrams that one system call reads.
	vector = 64
	// datagram is the room for one: a packet's description without its content is far smaller.
	datagram = 1024
)

// mmsghdr is struct mmsghdr of recvmmsg(2).
type mmsghdr struct {
	header unix.Msghdr
	length uint32
	_      [4]byte
}

// receiver reads datagrams, many with one system call. It must not be copied.
type receiver struct {
	headers [vector]mmsghdr
	vectors [vector]unix.Iovec
	room    [vector][datagram]byte
}

func newReceiver() *receiver {
	r := &receiver{}
	for i := range vector {
		r.vectors[i] = unix.Iovec{Base: &r.room[i][0]}
		r.vectors[i].SetLen(datagram)
		r.headers[i].header.Iov = &r.vectors[i]
		r.headers[i].header.SetIovlen(1)
	}
	return r
}

// receive reads what is there, at most vector datagrams, and returns their number; unix.EAGAIN when there is none.
func (r *receiver) receive(fd int) (int, error) {
	n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&r.headers[0])), vector, unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// datagram is the i-th datagram of the last receive.
func (r *receiver) datagram(i int) []byte { return r.room[i][:min(r.headers[i].length, datagram)] }
