// Package node is the peer-to-peer node as a pure state machine: no goroutines, no wall clock, no sockets, no global
// random source. Inputs go in by method calls that carry the time, effects come out as values; the daemon package
// performs them on libp2p, disk and HTTP, and the simulator performs the same effects on virtual links. Two runs with
// the same inputs give the same effects, byte for byte.
package node
