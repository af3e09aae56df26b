// Package nft cuts links, and picks the packets that are to be delayed, with one nftables table in the bridge family.
// The table has the owner flag: it belongs to the socket that made it, and the kernel deletes it when the socket closes
// for whatever reason, so that no fault outlives its agent.
//
// Where the bridge family has no way to a queue, a second owned table of the same name in the ip family holds the set
// "shape"; bridge netfilter then carries packets through it.
//
// Two sets of (source . destination) IPv4 addresses hold the state. Pairs of the set "cut" are dropped in the forward
// hook. Pairs of the set "shape" go to a queue in the prerouting hook: before the forward hook, so that a cut also
// stops packets that were held when it began, and before bridge netfilter tracks connections, so that the packets of
// one flow do not clash there when several are held. A change of state is one transaction that edits the sets. Chains
// are never deleted before the end, because the kernel empties every queue of the namespace when a hook goes.
package nft
