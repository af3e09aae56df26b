// Package probe measures directed links between network namespaces: it opens sockets inside each, sends from one and
// receives at the other. Both ends read one clock, so delays are one-way and exact, whatever program runs in
// the namespaces. Packets take the same way as the nodes' own traffic.
//
// Prober (prober_linux.go) is what callers use. It keeps a socket for each namespace (socket_linux.go), sends by a timetable
// and collects arrivals in a run (run.go); packet.go is the wire format.
package probe
