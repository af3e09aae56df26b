// Package native is the implementation of chain.Chain for netsplit's own node.
//
//   - chain.go: Chain, the keys and names of a network's nodes, what people need to reach a node.
//   - prepare.go: genesis and configuration files, from the network's seed.
//   - log.go: the node's event log. A new kind of event is read there.
//   - client.go: the node's HTTP API.
package native
