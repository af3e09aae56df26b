package probe

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/netsplit/netsplit/faults/shape/nft"
)

// Port is the UDP port of the probe's sockets on every node's address.
const Port = nft.ProbePort

// packet is a probe's payload.
type packet struct {
	run  uint64 // the run's id
	link uint32 // index in the run's links
	seq  uint32 // from 0; warmUp for packets that are not measured
	sent int64  // when it was sent, in nanoseconds of the system's clock
	// overdue is by how much later the packet was released than planned, in nanoseconds, as an engine that held it says;
	// notHeld when none did.
	overdue int64
}

const notHeld = -1

const (
	// warmUp marks the first packet on each link, which is not measured: it may wait for an address to be resolved.
	warmUp = 1<<32 - 1
	// size of an encoded packet.
	size = 40

	magic = "nsprobe2"

	ipHeader = 20
	headers  = ipHeader + 8 // IPv4 and UDP

	// PacketSize is the size of a probe in bytes, from its IPv4 header on.
	PacketSize = headers + size
)

// markReleased is MarkReleased at a time of the clock that packets have.
func markReleased(ip []byte, hold time.Duration, now int64) {
	if len(ip) != PacketSize {
		return
	}
	if p, ok := parse(ip[headers:]); ok {
		binary.BigEndian.PutUint64(ip[headers+32:], uint64(max(0, now-p.sent-int64(hold))))
	}
}

// put encodes p into b, which has at least size bytes.
func (p packet) put(b []byte) {
	copy(b, magic)
	binary.BigEndian.PutUint64(b[8:], p.run)
	binary.BigEndian.PutUint32(b[16:], p.link)
	binary.BigEndian.PutUint32(b[20:], p.seq)
	binary.BigEndian.PutUint64(b[24:], uint64(p.sent))
	binary.BigEndian.PutUint64(b[32:], uint64(p.overdue))
}

// parse decodes a datagram; ok is false when it is not a probe.
func parse(b []byte) (p packet, ok bool) {
	if len(b) != size || string(b[:8]) != magic {
		return packet{}, false
	}
	return packet{
		run:  binary.BigEndian.Uint64(b[8:]),
		link: binary.BigEndian.Uint32(b[16:]),
		seq:  binary.BigEndian.Uint32(b[20:]),
		sent: int64(binary.BigEndian.Uint64(b[24:])),

		overdue: int64(binary.BigEndian.Uint64(b[32:])),
	}, true
}

// frame encodes p as an IPv4 packet into b, which has at least headers+size bytes, and returns it.
func frame(b []byte, src, dst netip.Addr, p packet) []byte {
	const udp = 17
	b = b[:headers+size]
	copy(b, []byte{0x45, 0, 0, 0, 0, 0, 0x40 /* do not fragment */, 0, 64 /* hops */, udp, 0, 0})
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	from, to := src.As4(), dst.As4()
	copy(b[12:], from[:])
	copy(b[16:], to[:])
	binary.BigEndian.PutUint16(b[10:], checksum(b[:ipHeader]))
	u := b[ipHeader:]
	binary.BigEndian.PutUint16(u[0:], Port)
	binary.BigEndian.PutUint16(u[2:], Port)
	binary.BigEndian.PutUint16(u[4:], uint16(len(u)))
	binary.BigEndian.PutUint16(u[6:], 0) // no checksum, as IPv4 allows
	p.put(b[headers:])
	return b
}

// checksum is the Internet checksum (RFC 1071) of a header whose checksum field is zero.
func checksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum>>16 != 0 {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
