// Package native is the implementation of chain.Chain for netsplit's own node: it makes keys, genesis and configuration files from a network's
// seed, reads the node's event log and speaks its HTTP API.
package native
