// Package netsplit is the driver of netsplit's own node: it makes keys, genesis and configuration files from a network's
// seed, reads the node's event log and speaks its HTTP API.
package netsplit
