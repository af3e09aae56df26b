//go:build linux

package nft

import (
	"fmt"
	"slices"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/netsplit/netsplit/faults/shape/nfnl"
)

const (
	family       = unix.NFPROTO_BRIDGE
	flagOwner    = 0x2 // NFT_TABLE_F_OWNER, since Linux 5.12
	setCut       = "cut"
	setShape     = "shape"
	counter      = "dropped"
	hookPriority = -300 // before everything that bridge netfilter and other tables do

	ethertypeIPv4 = "\x08\x00"
	// keyType is nft's own number for the type "ipv4_addr . ipv4_addr", so that `nft list` can print the sets.
	keyType = 7<<6 | 7
	// chunk is the number of elements in one message: their list is one attribute of at most 64 KiB, 20 bytes each.
	chunk = 1500
)

// place is where sets, chains and rules go: a table of one family.
type place struct {
	family byte
	table  string
}

// kind is the netlink type of an nftables message.
func kind(msg uint16) uint16 { return unix.NFNL_SUBSYS_NFTABLES<<8 | msg }

// batchBegin begins a transaction: all messages up to batchEnd take effect together or not at all.
func batchBegin(b *nfnl.Builder) {
	b.Reset()
	b.Begin(unix.NFNL_MSG_BATCH_BEGIN, 0, unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES)
}

// batchEnd ends the transaction.
func batchEnd(b *nfnl.Builder) {
	b.Begin(unix.NFNL_MSG_BATCH_END, 0, unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES)
}

// newTable creates the table; it is an error when it exists.
func newTable(b *nfnl.Builder, at place) {
	b.Begin(kind(unix.NFT_MSG_NEWTABLE), unix.NLM_F_CREATE|unix.NLM_F_EXCL, at.family, 0)
	b.String(unix.NFTA_TABLE_NAME, at.table)
	b.Uint32(unix.NFTA_TABLE_FLAGS, flagOwner)
}

// newSet creates a set of pairs. id tells the sets of one transaction apart.
func newSet(b *nfnl.Builder, at place, set string, id uint32) {
	b.Begin(kind(unix.NFT_MSG_NEWSET), unix.NLM_F_CREATE|unix.NLM_F_EXCL, at.family, 0)
	b.String(unix.NFTA_SET_TABLE, at.table)
	b.String(unix.NFTA_SET_NAME, set)
	b.Uint32(unix.NFTA_SET_FLAGS, 0)
	b.Uint32(unix.NFTA_SET_KEY_TYPE, keyType)
	b.Uint32(unix.NFTA_SET_KEY_LEN, uint32(len(Pair{})))
	b.Uint32(unix.NFTA_SET_ID, id)
}

// newCounter creates the counter of dropped packets.
func newCounter(b *nfnl.Builder, at place) {
	b.Begin(kind(unix.NFT_MSG_NEWOBJ), unix.NLM_F_CREATE|unix.NLM_F_EXCL, at.family, 0)
	b.String(unix.NFTA_OBJ_TABLE, at.table)
	b.String(unix.NFTA_OBJ_NAME, counter)
	b.Uint32(unix.NFTA_OBJ_TYPE, unix.NFT_OBJECT_COUNTER)
	b.Close(b.Open(unix.NFTA_OBJ_DATA))
}

// newChain creates a base chain that accepts by default.
func newChain(b *nfnl.Builder, at place, chain string, hook uint32, priority int32) {
	b.Begin(kind(unix.NFT_MSG_NEWCHAIN), unix.NLM_F_CREATE|unix.NLM_F_EXCL, at.family, 0)
	b.String(unix.NFTA_CHAIN_TABLE, at.table)
	b.String(unix.NFTA_CHAIN_NAME, chain)
	mark := b.Open(unix.NFTA_CHAIN_HOOK)
	b.Uint32(unix.NFTA_HOOK_HOOKNUM, hook)
	b.Uint32(unix.NFTA_HOOK_PRIORITY, uint32(priority))
	b.Close(mark)
	b.Uint32(unix.NFTA_CHAIN_POLICY, 1) // NF_ACCEPT
	b.String(unix.NFTA_CHAIN_TYPE, "filter")
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

// newRule appends a rule.
func newRule(b *nfnl.Builder, at place, chain string, exprs ...expr.Any) error {
	b.Begin(kind(unix.NFT_MSG_NEWRULE), unix.NLM_F_CREATE|unix.NLM_F_APPEND, at.family, 0)
	b.String(unix.NFTA_RULE_TABLE, at.table)
	b.String(unix.NFTA_RULE_CHAIN, chain)
	list := b.Open(unix.NFTA_RULE_EXPRESSIONS)
	for _, e := range exprs {
		raw, err := expr.Marshal(at.family, e)
		if err != nil {
			return fmt.Errorf("encode rule of chain %s: %w", chain, err)
		}
		elem := b.Open(unix.NFTA_LIST_ELEM)
		b.Raw(raw)
		b.Close(elem)
	}
	b.Close(list)
	return nil
}

// editSet adds (NFT_MSG_NEWSETELEM) or deletes (NFT_MSG_DELSETELEM) pairs.
func editSet(b *nfnl.Builder, msg uint16, at place, set string, pairs []Pair) {
	var flags uint16
	if msg == unix.NFT_MSG_NEWSETELEM {
		flags = unix.NLM_F_CREATE
	}
	for len(pairs) > 0 {
		n := min(len(pairs), chunk)
		b.Begin(kind(msg), flags, at.family, 0)
		b.String(unix.NFTA_SET_ELEM_LIST_TABLE, at.table)
		b.String(unix.NFTA_SET_ELEM_LIST_SET, set)
		list := b.Open(unix.NFTA_SET_ELEM_LIST_ELEMENTS)
		for i := range pairs[:n] {
			elem := b.Open(unix.NFTA_LIST_ELEM)
			key := b.Open(unix.NFTA_SET_ELEM_KEY)
			b.Attr(unix.NFTA_DATA_VALUE, pairs[i][:])
			b.Close(key)
			b.Close(elem)
		}
		b.Close(list)
		pairs = pairs[n:]
	}
}
