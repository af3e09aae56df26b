package nft

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

const (
	hostChain  = "host"
	icmpEcho   = "\x08" // an echo request, ICMP
	icmp6Echo  = "\x80" // an echo request, ICMPv6
	tcpSynAck  = "\x12" // the flags SYN and ACK
	tcpSyn     = "\x02"
	tcpFlagsAt = 13
	// stateReplies are conntrack's states "established" and "related", as a register of this machine holds them.
	stateReplies = 1<<1 | 1<<2
)

// ProtectHost makes the host drop what comes from the bridge to addresses of its own, IPv4 and IPv6, other than replies. It
// may be called once. Connections that the host opens to nodes work, and so do those between nodes, which the host
// does not receive. Replies of TCP are recognised by their flags, without connection tracking: where the kernel's nftables cannot
// use it, replies by UDP are dropped too. The rules end with the table.
func (t *Table) ProtectHost(bridge string) error {
	if bridge == "" || len(bridge) >= unix.IFNAMSIZ {
		return fmt.Errorf("protect the host from %q: it is no interface's name", bridge)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	err := t.addHostRules(bridge, true)
	if err != nil {
		if again := t.addHostRules(bridge, false); again == nil {
			err = nil
		}
	}
	if err == nil {
		// In a transaction of its own: one that fails removes the hooks that it made, and the kernel then drops what queues hold.
		var m messages
		for _, family := range hostFamilies() {
			at := location{family, t.name}
			m.newChain(at, "input", unix.NF_INET_LOCAL_IN, hookPriority)
			m.newRule(at, "input", &expr.Verdict{Kind: expr.VerdictJump, Chain: hostChain})
		}
		err = t.commit(&m)
	}
	if err != nil {
		return fmt.Errorf("protect the host from nodes, in nftables table %s: %w", t.name, err)
	}
	return nil
}

// addHostRules makes the chains that ProtectHost jumps to. t.mu is held.
func (t *Table) addHostRules(bridge string, tracked bool) error {
	var m messages
	for _, family := range hostFamilies() {
		at := location{family, t.name}
		if at != t.shape {
			m.newTable(at)
		}
		m.newRules(at, hostChain)
		for _, rule := range hostRules(family, bridge, tracked) {
			m.newRule(at, hostChain, rule...)
		}
	}
	return t.commit(&m)
}

// hostRules are the rules of one family, in order.
func hostRules(family byte, bridge string, tracked bool) [][]expr.Any {
	name := make([]byte, unix.IFNAMSIZ)
	copy(name, bridge)
	from := []expr.Any{
		&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 1}, &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: name},
	}
	protocol := func(number byte) []expr.Any {
		return []expr.Any{
			&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{number}},
		}
	}
	field := func(offset uint32) expr.Any {
		return &expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: 1}
	}
	not := func(value string) expr.Any { return &expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: []byte(value)} }
	accept := &expr.Verdict{Kind: expr.VerdictAccept}

	icmp, echo := byte(unix.IPPROTO_ICMP), icmpEcho
	if family == unix.NFPROTO_IPV6 {
		icmp, echo = unix.IPPROTO_ICMPV6, icmp6Echo
	}
	rules := [][]expr.Any{
		slices.Concat(from, protocol(unix.IPPROTO_TCP), []expr.Any{
			field(tcpFlagsAt),
			&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 1, Mask: []byte(tcpSynAck), Xor: []byte{0}},
			not(tcpSyn), accept,
		}),
		slices.Concat(from, protocol(icmp), []expr.Any{field(0), not(echo), accept}),
	}
	// Only for IPv4, which the engine tracks anyway: hosts may not track IPv6, and nodes have no such addresses but link-local ones.
	if tracked && family == unix.NFPROTO_IPV4 {
		rules = append(rules, slices.Concat(from, protocol(unix.IPPROTO_UDP), []expr.Any{
			&expr.Ct{Key: expr.CtKeySTATE, Register: 1},
			&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: native32(stateReplies), Xor: native32(0)},
			&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: native32(0)}, accept,
		}))
	}
	return append(rules, append(slices.Clone(from), &expr.Verdict{Kind: expr.VerdictDrop}))
}

// hostFamilies are the families of the host's addresses.
func hostFamilies() []byte {
	if _, err := os.Stat("/proc/net/if_inet6"); errors.Is(err, os.ErrNotExist) {
		return []byte{unix.NFPROTO_IPV4} // a kernel without IPv6
	}
	return []byte{unix.NFPROTO_IPV4, unix.NFPROTO_IPV6}
}

// native32 is a number as a register of this machine holds it.
func native32(n uint32) []byte { return binary.NativeEndian.AppendUint32(nil, n) }
