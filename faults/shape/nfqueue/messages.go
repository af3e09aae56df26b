//go:build linux

package nfqueue

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"github.com/netsplit/netsplit/faults/shape/nfnl"
	"github.com/netsplit/netsplit/faults/shape/nft"
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

	// copyRange is the part of each packet that is copied: the IPv4 header without options, and ports.
	copyRange = 24
)

// bind asks for a queue.
func bind(b *nfnl.Builder, num uint16) {
	b.Begin(msgConfig, unix.NLM_F_ACK, unix.AF_UNSPEC, num)
	b.Attr(configCommand, []byte{commandBind, 0, 0, 0})
}

// configure sets how much of a packet is copied and how many may be held. Segments that the sender's kernel left
// together stay together: without the flag each would take a place of its own, and a checksum.
func configure(b *nfnl.Builder, num uint16, maxLen uint32) {
	b.Begin(msgConfig, unix.NLM_F_ACK, unix.AF_UNSPEC, num)
	b.Attr(configParams, append(binary.BigEndian.AppendUint32(nil, copyRange), copyPacket))
	b.Uint32(configMaxLen, maxLen)
	b.Uint32(configFlags, flagGSO)
	b.Uint32(configMask, flagGSO)
}

// verdict lets one packet go. It asks for no acknowledgement; the kernel still reports errors.
func verdict(b *nfnl.Builder, num uint16, id uint32) {
	var v [8]byte
	binary.BigEndian.PutUint32(v[0:], verdictAccept)
	binary.BigEndian.PutUint32(v[4:], id)
	b.Begin(msgVerdict, 0, unix.AF_UNSPEC, num)
	b.Attr(attrVerdictHeader, v[:])
}

// arrival is what a message says of a packet.
type arrival struct {
	id    uint32
	pair  nft.Pair
	ipv4  bool // pair is set
	probe bool // the packet measures a link and is not counted
}

// packet reads the body of a msgPacket.
func packet(body []byte) (a arrival) {
	for k, v := range nfnl.Attrs(body) {
		switch {
		case k == attrPacketHeader && len(v) >= 4:
			a.id = binary.BigEndian.Uint32(v)
		case k == attrPayload && len(v) >= 20 && v[0]>>4 == 4:
			a.pair, a.ipv4, a.probe = nft.Pair(v[12:20]), true, isProbe(v)
		}
	}
	return a
}

// isProbe reports that an IPv4 packet measures a link; package nft has the same condition as a rule.
func isProbe(ip []byte) bool {
	return len(ip) >= 24 && ip[0] == 0x45 && ip[9] == unix.IPPROTO_UDP &&
		binary.BigEndian.Uint16(ip[20:]) == nft.ProbePort && binary.BigEndian.Uint16(ip[22:]) == nft.ProbePort
}
