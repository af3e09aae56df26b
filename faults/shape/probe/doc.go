// Package probe measures directed links between network namespaces: it opens a UDP socket inside each, and then sends
// from one and receives at the other by itself. Both ends read one clock, so a delay is one way and exact, whatever
// program runs in the namespaces. Packets take the way that the nodes' own traffic takes.
package probe
