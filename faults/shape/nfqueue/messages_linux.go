package nfqueue

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"unsafe"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/netsplit/netsplit/faults/shape/nft"
	"github.com/netsplit/netsplit/faults/shape/probe"
)

// From linux/netfilter/nfnetlink_queue.h.
const (
	msgPacket  = unix.NFNL_SUBSYS_QUEUE << 8
	msgVerdict = unix.NFNL_SUBSYS_QUEUE<<8 | 1
	msgConfig  = unix.NFNL_SUBSYS_QUEUE<<8 | 2

	attrPacketHeader  = 1
	attrVerdictHeader = 2
	attrPayload       = 10

	configCommand = 1
	configParams  = 2
	configMaxLen  = 3
	configMask    = 4
	configFlags   = 5

	commandBind   = 1
	copyPacket    = 2
	flagGSO       = 1 << 2
	verdictAccept = 1

	// copyRange is the part of each packet that is copied: all of a probe.
	copyRange = probe.PacketSize
)

// bindFree binds and configures the first free queue and returns its number.
func bindFree(conn *netlink.Conn) (uint16, error) {
	var last error
	for num := uint16(firstNum); num < firstNum+tryNums; num++ {
		err := configure(conn, num, func(ae *netlink.AttributeEncoder) {
			ae.Bytes(configCommand, []byte{commandBind, 0, 0, 0})
		})
		if err == nil {
			// Segments that the sender's kernel left together stay together: without flagGSO each would take a place of
			// its own, and a checksum.
			err = configure(conn, num, func(ae *netlink.AttributeEncoder) {
				ae.Bytes(configParams, append(binary.BigEndian.AppendUint32(nil, copyRange), copyPacket))
				ae.Uint32(configMaxLen, maxLen)
				ae.Uint32(configFlags, flagGSO)
				ae.Uint32(configMask, flagGSO)
			})
			if err != nil {
				return 0, fmt.Errorf("configure queue %d: %w", num, err)
			}
			return num, nil
		}
		if !errors.Is(err, unix.EBUSY) && !errors.Is(err, unix.EPERM) {
			return 0, fmt.Errorf("bind queue %d: %w", num, err)
		}
		last = err
	}
	return 0, fmt.Errorf("bind one of the queues %d to %d: %w", firstNum, firstNum+tryNums-1, last)
}

// configure sends one configuration message and waits for its acknowledgement.
func configure(conn *netlink.Conn, num uint16, fill func(*netlink.AttributeEncoder)) error {
	ae := netlink.NewAttributeEncoder()
	ae.ByteOrder = binary.BigEndian
	fill(ae)
	attrs, err := ae.Encode()
	if err != nil {
		return err
	}
	_, err = conn.Execute(netlink.Message{
		Header: netlink.Header{Type: msgConfig, Flags: netlink.Request | netlink.Acknowledge},
		Data:   append(appendHeader(nil, num), attrs...),
	})
	return err
}

// appendHeader appends the nfgenmsg header of a message about a queue.
func appendHeader(b []byte, num uint16) []byte {
	return binary.BigEndian.AppendUint16(append(b, unix.AF_UNSPEC, unix.NFNETLINK_V0), num)
}

// appendVerdict appends the message that releases one packet, with new content unless that is nil. The content's length is a
// multiple of 4. It requests no acknowledgement; the kernel still reports errors.
func appendVerdict(b []byte, num uint16, id uint32, content []byte) []byte {
	const attr = unix.SizeofNlAttr + 8
	length := unix.NLMSG_HDRLEN + 4 + attr
	if content != nil {
		length += unix.SizeofNlAttr + len(content)
	}
	b = binary.NativeEndian.AppendUint32(b, uint32(length))
	b = binary.NativeEndian.AppendUint16(b, msgVerdict)
	b = binary.NativeEndian.AppendUint16(b, unix.NLM_F_REQUEST)
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0) // sequence number and port, which the kernel fills in
	b = appendHeader(b, num)
	b = binary.NativeEndian.AppendUint16(b, attr)
	b = binary.NativeEndian.AppendUint16(b, attrVerdictHeader)
	b = binary.BigEndian.AppendUint32(b, verdictAccept)
	b = binary.BigEndian.AppendUint32(b, id)
	if content != nil {
		b = binary.NativeEndian.AppendUint16(b, uint16(unix.SizeofNlAttr+len(content)))
		b = binary.NativeEndian.AppendUint16(b, attrPayload)
		b = append(b, content...)
	}
	return b
}

// arrival is what a packet message says of a packet.
type arrival struct {
	id    uint32
	pair  nft.Pair
	ipv4  bool   // pair is set
	probe []byte // the content of a packet that measures a link and is not counted, within the message; else nil
}

// parse reads one datagram of the queue's socket; ok is false when it is no packet. The error is the kernel's, a
// unix.Errno. It allocates nothing.
func parse(b []byte) (a arrival, ok bool, err error) {
	const headers = unix.NLMSG_HDRLEN + 4
	if len(b) < headers {
		return a, false, nil
	}
	n := binary.NativeEndian.Uint32(b)
	if n < headers || int64(n) > int64(len(b)) {
		return a, false, nil
	}
	switch binary.NativeEndian.Uint16(b[4:]) {
	case unix.NLMSG_ERROR:
		if code := int32(binary.NativeEndian.Uint32(b[unix.NLMSG_HDRLEN:])); code != 0 {
			return a, false, unix.Errno(-code)
		}
		return a, false, nil
	case msgPacket:
	default:
		return a, false, nil
	}
	for kind, v := range attributes(b[headers:n]) {
		switch {
		case kind == attrPacketHeader && len(v) >= 4:
			a.id = binary.BigEndian.Uint32(v)
		case kind == attrPayload && len(v) >= 20 && v[0]>>4 == 4:
			a.pair, a.ipv4 = nft.Pair(v[12:20]), true
			if isProbe(v) {
				a.probe = v
			}
		}
	}
	return a, true, nil
}

// attributes yields the netlink attributes in b without copying them, their types without flags. A malformed rest ends
// the sequence.
func attributes(b []byte) iter.Seq2[uint16, []byte] {
	return func(yield func(uint16, []byte) bool) {
		for len(b) >= unix.SizeofNlAttr {
			n := int(binary.NativeEndian.Uint16(b))
			if n < unix.SizeofNlAttr || n > len(b) {
				return
			}
			if !yield(binary.NativeEndian.Uint16(b[2:])&^(unix.NLA_F_NESTED|unix.NLA_F_NET_BYTEORDER), b[unix.SizeofNlAttr:n]) {
				return
			}
			b = b[min((n+3)&^3, len(b)):]
		}
	}
}

// isProbe reports that the copied part of an IPv4 packet is all of a packet that measures a link. Package nft knows probes by
// their ports alone.
func isProbe(ip []byte) bool {
	return len(ip) == probe.PacketSize && int(binary.BigEndian.Uint16(ip[2:])) == len(ip) && ip[0] == 0x45 && ip[9] == unix.IPPROTO_UDP &&
		binary.BigEndian.Uint16(ip[20:]) == nft.ProbePort && binary.BigEndian.Uint16(ip[22:]) == nft.ProbePort
}

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

// receive reads at most vector datagrams without blocking and returns their number; unix.EAGAIN when there is none.
func (r *receiver) receive(fd int) (int, error) {
	n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&r.headers[0])), vector, unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// datagram is the i-th datagram of the last receive.
func (r *receiver) datagram(i int) []byte { return r.room[i][:min(r.headers[i].length, datagram)] }
