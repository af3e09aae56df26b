// Package sim hosts the nodes of a testnet in one process and in virtual time: real node state machines on simulated
// links, driven by one discrete-event heap. The same seed and the same calls give the same history, byte for byte, on
// every machine. It needs no privileges and passes the same conformance suite as the runtimes with real networks.
//
// # Time
//
// Virtual time begins at Options.Epoch and advances only while every lane sleeps (see runtime.Clock). Lanes are
// goroutines that hand on a baton: exactly one of them, or the event loop, runs at a time; the lane that goes to sleep
// runs the loop until the next lane is due. Lanes wake in the order of (time, number of the lane), after all events of
// that moment. Calls from a lane take no virtual time, but for Probe, which parks its lane. A cancelled context is
// noticed between bursts of events.
//
// # Links
//
// Every pair of nodes is joined by a link with one constant base delay in each direction; there is no limit on rate and
// no loss of its own. What the layers ask for comes on top: a packet arrives at the latest of its forerunner's arrival
// on that directed link and now + base + delay ± jitter.
//
// A connection is a reliable, ordered stream, one per pair of nodes; simultaneous dials give one connection. A dial
// takes one and a half round trips, is refused after one round trip where the process is down, and fails after
// DialTimeout where the link is cut, the process is paused, or nothing has the address. While a link is cut, what it
// carries is held, and after the heal it is delivered in order at the next instant at which TCP would retransmit: 200 ms
// after the first loss, then after doubling intervals of at most 120 s. Closing a connection is immediate at the near
// end and travels to the far end like data; so does the end of a process, whose host stays up.
package sim
