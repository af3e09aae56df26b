// Package agent is the process that owns a testnet's faults on a host: it makes the desired state of all links true in
// the kernel, probes links, and heals everything when its owner goes away or it dies itself. It speaks HTTP with JSON
// over a Unix socket; Client is the other end.
package agent
