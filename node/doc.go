// Package node is the peer-to-peer node as a pure state machine: no goroutines, no wall clock, no sockets, no global
// random source. Inputs are method calls that carry the time; effects are returned as values. Package daemon performs
// them on libp2p, disk and HTTP, and the simulator performs the same effects on virtual links. Two runs with the same
// inputs return the same effects, byte for byte.
//
// Node is the one type that others call: New, Start, Stop, the inputs PeerUp, PeerDown, DialFailed, Receive, Malformed,
// Timer and Submit, and the queries. Each of its jobs is a file with the state that belongs to it:
//
//   - node.go: construction, the dispatch of messages and timers, the periodic tick
//   - effect.go: Effect and Event, what the node requests from its host and writes to its log
//   - config.go: Config and its checks
//   - peers.go: connections from handshake to ban, rate limits per peer, the number of peers
//   - blocks.go: blocks on their way into the tree, orphans
//   - txs.go: transactions on their way into the mempool, and across reorganisations
//   - relay.go: push, announce and request of items; which of the three is decided by package relay
//   - sync.go: catching up with GetBlocks and Blocks
//   - miner.go: mining at a capped rate
//   - query.go: read access for the API
//
// The rules of the chain are in package chain, proof of work in consensus/pow, the messages in wire, pending transactions
// in mempool, dialling, bans and the address book in peers. A new message type goes to wire and to Receive; a new figure
// of the status to query.go and to daemon/api; a new field of the log is one of Event (effect.go), set where the event is
// emitted.
package node
