// Package daemon is the shell around a node: it hosts the state machine of package node in one goroutine and performs
// the effects that it asks for on TCP, disk, standard output and HTTP. It decides nothing about the chain.
//
// The network uses libp2p's parts without its swarm: the upgrader with Noise and yamux on plain TCP sockets. The wire
// format is libp2p's own, so any libp2p host that speaks ProtocolID can be a peer. Left out are the swarm's dial
// back-off and black-hole memory, which would delay reconnection after a partition, and every transport but TCP.
//
// Two nodes keep one connection between them. When both dial at once, the one with the smaller id decides: it sends an
// empty frame on the connection that it keeps and resets any other. A connection counts only from that frame on.
package daemon
