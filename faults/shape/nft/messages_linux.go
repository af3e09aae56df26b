package nft

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

const (
	flagOwner    = 0x2 // NFT_TABLE_F_OWNER, since Linux 5.12
	setCut       = "cut"
	setPorts     = "ports"
	setShape     = "shape"
	counter      = "dropped"
	hookPriority = -300 // before bridge netfilter and other tables

	ethertypeIPv4 = "\x08\x00"
	ethertypeARP  = "\x08\x06"
	arpReply      = "\x00\x02"
	// keyType is nft's own number for the type "ipv4_addr . ipv4_addr", portsKeyType that for "iface_index . iface_index", so
	// that `nft list` can print the sets.
	keyType      = 7<<6 | 7
	portsKeyType = 20<<6 | 20
	// maxElements is the most set elements in one message: their list is one attribute of at most 64 KiB.
	maxElements = 3000
	// create makes it an error that the object exists already.
	create = netlink.Create | netlink.Excl
)

// dial opens an nfnetlink socket in the network namespace of the calling thread. buffer is the size of its two buffers in
// bytes, or as near as the process is allowed.
func dial(buffer int) (*netlink.Conn, error) {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return nil, err
	}
	// With CapAcknowledge the kernel's error answers do not repeat the request.
	if err := errors.Join(conn.SetWriteBuffer(buffer), conn.SetReadBuffer(buffer), conn.SetOption(netlink.CapAcknowledge, true)); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// location says where sets, chains and rules go: a table of one family.
type location struct {
	family byte
	table  string
}

// messages builds a list of nftables messages. The first error is kept in err.
type messages struct {
	list []netlink.Message
	err  error
}

// add appends a message of the nftables subsystem whose attributes fill encodes.
func (m *messages) add(kind uint16, flags netlink.HeaderFlags, family byte, fill func(*netlink.AttributeEncoder)) {
	ae := netlink.NewAttributeEncoder()
	ae.ByteOrder = binary.BigEndian
	fill(ae)
	attrs, err := ae.Encode()
	m.err = errors.Join(m.err, err)
	m.addEncoded(unix.NFNL_SUBSYS_NFTABLES<<8|kind, flags, append([]byte{family, unix.NFNETLINK_V0, 0, 0}, attrs...))
}

// addEncoded appends a message of any type. data begins with the nfgenmsg header.
func (m *messages) addEncoded(kind uint16, flags netlink.HeaderFlags, data []byte) {
	m.list = append(m.list, netlink.Message{
		Header: netlink.Header{Type: netlink.HeaderType(kind), Flags: netlink.Request | flags},
		Data:   data,
	})
}

// transaction wraps the messages in a batch, which the kernel carries out as a whole or not at all.
func (m *messages) transaction() {
	m.list[len(m.list)-1].Header.Flags |= netlink.Acknowledge
	batch := []byte{unix.AF_UNSPEC, unix.NFNETLINK_V0, 0, unix.NFNL_SUBSYS_NFTABLES}
	m.addEncoded(unix.NFNL_MSG_BATCH_BEGIN, 0, batch)
	begin := len(m.list) - 1
	m.list = append(m.list[begin:], m.list[:begin]...)
	m.addEncoded(unix.NFNL_MSG_BATCH_END, 0, batch)
}

// answerTimeout bounds the wait for an answer, which the kernel queues before the request's system call returns.
const answerTimeout = 10 * time.Second

// send sends the messages in one system call and returns the kernel's answers to them. expected is the index of the
// message whose answer is the last. The kernel's error wraps its unix.Errno.
func (m *messages) send(conn *netlink.Conn, expected int) ([]netlink.Message, error) {
	if m.err != nil {
		return nil, m.err
	}
	sent, err := conn.SendMessages(m.list)
	if err != nil {
		return nil, err
	}
	if err := conn.SetReadDeadline(time.Now().Add(answerTimeout)); err != nil {
		return nil, err
	}
	first, last := sent[0].Header.Sequence, sent[expected].Header.Sequence
	var answers []netlink.Message
	var failure error // the first error; answers to later messages of a failed batch follow it
	for {
		received, err := conn.Receive()
		seqs := make([]uint32, 0, 1)
		for _, a := range received {
			seqs = append(seqs, a.Header.Sequence)
			answers = append(answers, a)
		}
		if op := (*netlink.OpError)(nil); errors.As(err, &op) && op.Sequence != 0 {
			seqs = append(seqs, op.Sequence)
			if failure == nil && op.Sequence-first <= last-first { // not left over from an earlier batch
				failure = err
			}
		} else if err != nil {
			return nil, err
		}
		// An error of the first message of a batch is an error of the whole batch.
		if slices.Contains(seqs, last) || failure != nil && slices.Contains(seqs, first) {
			return answers, failure
		}
	}
}

// newTable creates the table.
func (m *messages) newTable(at location) {
	m.add(unix.NFT_MSG_NEWTABLE, create, at.family, func(ae *netlink.AttributeEncoder) {
		ae.String(unix.NFTA_TABLE_NAME, at.table)
		ae.Uint32(unix.NFTA_TABLE_FLAGS, flagOwner)
	})
}

// newSet creates a set of pairs. id distinguishes the sets of one transaction.
func (m *messages) newSet(at location, set string, key, id uint32) {
	m.add(unix.NFT_MSG_NEWSET, create, at.family, func(ae *netlink.AttributeEncoder) {
		ae.String(unix.NFTA_SET_TABLE, at.table)
		ae.String(unix.NFTA_SET_NAME, set)
		ae.Uint32(unix.NFTA_SET_FLAGS, 0)
		ae.Uint32(unix.NFTA_SET_KEY_TYPE, key)
		ae.Uint32(unix.NFTA_SET_KEY_LEN, uint32(len(Pair{})))
		ae.Uint32(unix.NFTA_SET_ID, id)
	})
}

// newCounter creates the counter of dropped packets.
func (m *messages) newCounter(at location) {
	m.add(unix.NFT_MSG_NEWOBJ, create, at.family, func(ae *netlink.AttributeEncoder) {
		ae.String(unix.NFTA_OBJ_TABLE, at.table)
		ae.String(unix.NFTA_OBJ_NAME, counter)
		ae.Uint32(unix.NFTA_OBJ_TYPE, unix.NFT_OBJECT_COUNTER)
		ae.Nested(unix.NFTA_OBJ_DATA, func(*netlink.AttributeEncoder) error { return nil })
	})
}

// newChain creates a base chain that accepts by default.
func (m *messages) newChain(at location, chain string, hook uint32, priority int32) {
	m.add(unix.NFT_MSG_NEWCHAIN, create, at.family, func(ae *netlink.AttributeEncoder) {
		ae.String(unix.NFTA_CHAIN_TABLE, at.table)
		ae.String(unix.NFTA_CHAIN_NAME, chain)
		ae.Nested(unix.NFTA_CHAIN_HOOK, func(ae *netlink.AttributeEncoder) error {
			ae.Uint32(unix.NFTA_HOOK_HOOKNUM, hook)
			ae.Int32(unix.NFTA_HOOK_PRIORITY, priority)
			return nil
		})
		ae.Uint32(unix.NFTA_CHAIN_POLICY, 1) // NF_ACCEPT
		ae.String(unix.NFTA_CHAIN_TYPE, "filter")
	})
}

// newRules creates a chain that other chains jump to.
func (m *messages) newRules(at location, chain string) {
	m.add(unix.NFT_MSG_NEWCHAIN, create, at.family, func(ae *netlink.AttributeEncoder) {
		ae.String(unix.NFTA_CHAIN_TABLE, at.table)
		ae.String(unix.NFTA_CHAIN_NAME, chain)
	})
}

// newRule appends a rule to a chain.
func (m *messages) newRule(at location, chain string, exprs ...expr.Any) {
	m.add(unix.NFT_MSG_NEWRULE, netlink.Create|netlink.Append, at.family, func(ae *netlink.AttributeEncoder) {
		ae.String(unix.NFTA_RULE_TABLE, at.table)
		ae.String(unix.NFTA_RULE_CHAIN, chain)
		ae.Nested(unix.NFTA_RULE_EXPRESSIONS, func(ae *netlink.AttributeEncoder) error {
			for _, e := range exprs {
				ae.Do(unix.NLA_F_NESTED|unix.NFTA_LIST_ELEM, func() ([]byte, error) { return expr.Marshal(at.family, e) })
			}
			return nil
		})
	})
}

// editSet makes a set that holds current hold want: it deletes what is too much and adds what is missing.
func editSet[P ~[8]byte](m *messages, at location, set string, current, want map[P]struct{}) {
	for _, edit := range []struct {
		kind  uint16
		flags netlink.HeaderFlags
		pairs []P
	}{{unix.NFT_MSG_DELSETELEM, 0, missing(current, want)}, {unix.NFT_MSG_NEWSETELEM, netlink.Create, missing(want, current)}} {
		for part := range slices.Chunk(edit.pairs, maxElements) {
			m.add(edit.kind, edit.flags, at.family, func(ae *netlink.AttributeEncoder) {
				ae.String(unix.NFTA_SET_ELEM_LIST_TABLE, at.table)
				ae.String(unix.NFTA_SET_ELEM_LIST_SET, set)
			})
			last := &m.list[len(m.list)-1]
			last.Data = appendElements(last.Data, part)
		}
	}
}

// appendElements appends the attribute that lists pairs as set elements: three nested attributes around each key. An
// AttributeEncoder would be slow: cutting 100 nodes from each other takes 9,900 elements.
func appendElements[P ~[8]byte](b []byte, pairs []P) []byte {
	const size = 3*unix.SizeofNlAttr + len(Pair{})
	header := func(b []byte, kind uint16, size int) []byte {
		return binary.NativeEndian.AppendUint16(binary.NativeEndian.AppendUint16(b, uint16(size)), kind)
	}
	element := header(nil, unix.NLA_F_NESTED|unix.NFTA_LIST_ELEM, size)
	element = header(element, unix.NLA_F_NESTED|unix.NFTA_SET_ELEM_KEY, size-unix.SizeofNlAttr)
	element = header(element, unix.NFTA_DATA_VALUE, size-2*unix.SizeofNlAttr)

	b = slices.Grow(b, unix.SizeofNlAttr+len(pairs)*size)
	b = header(b, unix.NLA_F_NESTED|unix.NFTA_SET_ELEM_LIST_ELEMENTS, unix.SizeofNlAttr+len(pairs)*size)
	for i := range pairs {
		b = append(append(b, element...), pairs[i][:]...)
	}
	return b
}

// inSet matches an IPv4 packet whose addresses are in a set.
func inSet(set string, id uint32) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyPROTOCOL, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte(ethertypeIPv4)},
		// Registers 8 and 9 are 32 bits wide and side by side: they form the 8-byte key.
		&expr.Payload{DestRegister: 8, Base: expr.PayloadBaseNetworkHeader, Offset: 12, Len: 4},
		&expr.Payload{DestRegister: 9, Base: expr.PayloadBaseNetworkHeader, Offset: 16, Len: 4},
		&expr.Lookup{SourceRegister: 8, SetName: set, SetID: id},
	}
}

// otherFrames matches, rule by rule, the frames over a cut link that inSet does not: those between two ports of the set
// "ports", and ARP also by the addresses in it. A reply of ARP passes where the opposite direction is not cut, because that
// needs it.
func otherFrames() [][]expr.Any {
	const arpSender, arpOp, arpTarget = 14, 6, 24
	protocol := func(op expr.CmpOp) []expr.Any {
		return []expr.Any{
			&expr.Meta{Key: expr.MetaKeyPROTOCOL, Register: 1}, &expr.Cmp{Op: op, Register: 1, Data: []byte(ethertypeARP)},
		}
	}
	field := func(register, offset, size uint32) expr.Any {
		return &expr.Payload{DestRegister: register, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: size}
	}
	meta := func(register uint32, key expr.MetaKey) expr.Any { return &expr.Meta{Key: key, Register: register} }
	ports := []expr.Any{
		meta(8, expr.MetaKeyIIF), meta(9, expr.MetaKeyOIF), &expr.Lookup{SourceRegister: 8, SetName: setPorts, SetID: 3},
	}
	back := []expr.Any{
		meta(8, expr.MetaKeyOIF), meta(9, expr.MetaKeyIIF), &expr.Lookup{SourceRegister: 8, SetName: setPorts, SetID: 3},
	}
	addresses := []expr.Any{
		field(8, arpSender, 4), field(9, arpTarget, 4), &expr.Lookup{SourceRegister: 8, SetName: setCut, SetID: 1},
	}
	addressesBack := []expr.Any{
		field(8, arpTarget, 4), field(9, arpSender, 4), &expr.Lookup{SourceRegister: 8, SetName: setCut, SetID: 1},
	}
	noReply := []expr.Any{field(1, arpOp, 2), &expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: []byte(arpReply)}}
	arp := protocol(expr.CmpOpEq)
	return [][]expr.Any{
		slices.Concat(protocol(expr.CmpOpNeq), ports),
		slices.Concat(arp, noReply, ports),
		slices.Concat(arp, ports, back),
		slices.Concat(arp, noReply, addresses),
		slices.Concat(arp, addresses, addressesBack),
	}
}

// isProbe matches, among IPv4 packets, those that measure links: UDP after a header without options, both ports
// ProbePort.
func isProbe() []expr.Any {
	at := func(offset uint32, data ...byte) []expr.Any {
		return []expr.Any{
			&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: uint32(len(data))},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: data},
		}
	}
	const high, low = ProbePort >> 8, ProbePort & 0xff
	return slices.Concat(at(0, 0x45), at(9, unix.IPPROTO_UDP), at(20, high, low, high, low))
}

// counterPackets finds the number of packets in an answer about the counter.
func counterPackets(answer []netlink.Message) (int64, error) {
	packets := int64(-1)
	for _, m := range answer {
		if len(m.Data) < 4 {
			continue
		}
		ad, err := netlink.NewAttributeDecoder(m.Data[4:])
		if err != nil {
			return -1, err
		}
		ad.ByteOrder = binary.BigEndian
		for ad.Next() {
			if ad.Type() != unix.NFTA_OBJ_DATA {
				continue
			}
			ad.Nested(func(ad *netlink.AttributeDecoder) error {
				for ad.Next() {
					if ad.Type() == unix.NFTA_COUNTER_PACKETS {
						packets = int64(ad.Uint64())
					}
				}
				return nil
			})
		}
		if err := ad.Err(); err != nil {
			return -1, err
		}
	}
	if packets < 0 {
		return -1, fmt.Errorf("no counter in the answer")
	}
	return packets, nil
}
