package probe

import (
	"encoding/binary"
)

// Port is the UDP port of the probe's sockets on every node's address.
const Port = 4999

// packet is a probe's payload.
type packet struct {
	run  uint64 // tells runs apart
	link uint32 // index in the run's links
	seq  uint32 // 0 upwards; warmUp for packets that are not measured
	sent int64  // when it was sent, in nanoseconds of the system's clock
}

const (
	// warmUp marks the packet that goes ahead on each link, so that no measured one waits for an address to be resolved.
	warmUp = 1<<32 - 1
	// size of an encoded packet.
	size = 32

	magic = "nsprobe1"
)

// put encodes p into b, which has at least size bytes.
func (p packet) put(b []byte) {
	copy(b, magic)
	binary.BigEndian.PutUint64(b[8:], p.run)
	binary.BigEndian.PutUint32(b[16:], p.link)
	binary.BigEndian.PutUint32(b[20:], p.seq)
	binary.BigEndian.PutUint64(b[24:], uint64(p.sent))
}

// parse decodes a datagram; ok is false for one that is no probe.
func parse(b []byte) (p packet, ok bool) {
	if len(b) != size || string(b[:8]) != magic {
		return packet{}, false
	}
	return packet{
		run:  binary.BigEndian.Uint64(b[8:]),
		link: binary.BigEndian.Uint32(b[16:]),
		seq:  binary.BigEndian.Uint32(b[20:]),
		sent: int64(binary.BigEndian.Uint64(b[24:])),
	}, true
}
