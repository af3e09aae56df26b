// Package chain is the contract between the orchestrator and one kind of node: how its nodes are prepared, what their
// log lines mean, how they are queried and given transactions, and what else this kind can do. It knows nothing of how
// nodes are hosted.
//
//   - chain.go: Network and Node (what a chain is given), Prepared (what it gives back), Chain and Client.
//   - capabilities.go: Capabilities, what a chain can do beyond Chain, with the types that it needs.
//
// Package native implements the contract for netsplit's own node, package external for the nodes of a chain file.
// A new ability of some chains is a field of Capabilities; one that every chain has is a method of Chain or Client.
package chain
