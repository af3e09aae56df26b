// Package nft cuts links, and selects the packets to delay, with one nftables table in the bridge family. The table has
// the owner flag: it belongs to the socket that created it, and the kernel deletes it when the socket closes for any
// reason, so that no fault outlives its agent.
//
// Where the kernel cannot queue packets from the bridge family, a second owned table of the same name in the ip family
// holds the set "shape"; bridge netfilter then passes bridged packets through it.
//
// Two sets of (source . destination) IPv4 addresses hold the state. Pairs of the set "cut" are dropped in the forward
// hook. What names no link by IPv4 addresses (IPv6, broadcasts, multicasts, ARP) is dropped there by the set "ports", which
// holds the same links as ports of the bridge: flooded frames pass the hook once for each port. Pairs of the set "shape" go to a queue in the prerouting hook: before the forward hook, so that a cut also drops
// packets that are held when it begins, and before bridge netfilter tracks connections, because several held packets of
// one flow would conflict there. A change of state is one transaction that edits the sets. Chains are never deleted
// before the end, because the kernel empties every queue of the namespace when a hook is removed.
//
// Table.ProtectHost adds tables of the same name in the families ip and ip6, which keep nodes from the host's own addresses.
//
// When a table is to end while other packet queues of the namespace are in use, its owner empties it and hands it over to the
// owner of another table (heir_linux.go), so that those lose nothing.
//
// table_linux.go has Table, messages_linux.go its messages, queue_linux.go the ways to a queue,
// host_linux.go the rules that protect the host, pair.go the state.
package nft
