// Package daemon hosts a node: it runs the state machine of package node in one goroutine and performs its effects on TCP,
// disk, standard output and HTTP. It makes no decisions about the chain.
//
// The network uses libp2p's parts without its swarm: the upgrader with Noise and yamux on plain TCP sockets. The wire
// format is libp2p's own, so any libp2p host that speaks ProtocolID can be a peer. Left out are the swarm's dial backoff
// and black-hole detection, which would delay reconnection after a partition, and every transport but TCP.
//
// Two nodes use one connection between them. When both dial at once, the one with the smaller id decides: it sends an
// empty frame on the connection that it selects and resets any other. A connection is in use only from that frame on.
//
// Main parses the arguments, LoadConfig reads the configuration, run wires the parts and owns their lifetime:
//
//   - loop.go: the goroutine that owns the node; it performs effects and decides which connection to a peer is used
//   - timers.go, eventlog.go, store.go: the clock and timers, the event log and the block store of the loop
//   - peernet.go: dials, accepts and upgrades connections; it reports to the loop through the interface sink
//   - link.go: one connection with its send queue, and the framing of messages
//   - run.go: Main, run and the HTTP server; package api is the handler
//   - config.go: decoding with positions, and validation
//
// A new field of node.Config needs a check in config.go; a new effect of the node a case in loop.perform, and one in the
// simulator.
package daemon
