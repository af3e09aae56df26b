// Package sim hosts the nodes of a testnet in one process and in virtual time: real node state machines on simulated
// links, driven by one discrete-event queue. The same seed and the same calls give the same history, byte for byte, on
// every machine. It needs no privileges and passes the same conformance suite as the runtimes with real networks.
//
// # Time
//
// Virtual time begins at Options.Epoch and advances only while every task sleeps (see runtime.Clock). Tasks are
// goroutines; exactly one of them, or the event loop, runs at a time: a task that goes to sleep runs the loop until the
// next task is due. Tasks wake by time, then in the order in which they were started, after all events of that time.
// Calls from a task take no virtual time, except Probe, which sleeps. A cancelled context is noticed only when the event
// loop returns to a task.
//
// # Links
//
// Every pair of nodes is joined by a link with one constant delay in each direction; its rate is unlimited, and it loses
// nothing. The layers of faults come on top: a packet arrives at now + link delay + fault delay ± jitter, but not before
// the packet ahead of it on that directed link.
//
// A connection is a reliable, ordered stream, one per pair of nodes; simultaneous dials result in one connection. A dial
// takes one and a half round trips, is refused after one round trip if the process is down, and fails after DialTimeout
// if the link is cut, the process is paused, or no node has the address. What is sent over a cut link is held, and after
// the heal it is delivered in order at the next time at which TCP would retransmit: 200 ms after the first loss, then
// after doubling intervals of at most 120 s. Closing a connection takes effect at once at the near end and travels to the
// far end like data; so does the end of a process, whose host stays up.
//
// # Files
//
//   - sim.go: Runtime, the methods of runtime.Runtime; reading a node's configuration
//   - shape.go: the methods of runtime.LinkShaper: the state of links, and probes; their delays are computed in conn.go
//   - transport.go: HTTP requests to the nodes' API
//   - clock.go: clock, which schedules tasks and knows nothing about nodes
//   - queue.go: the queue of future events
//   - world.go: world, the event loop: it passes inputs to machines and performs their effects; timers
//   - conn.go: connections and dials
//   - host.go: Machine; hosts with their processes and logs
//
// Runtime locks and calls world; clock calls Runtime.run, which runs world's events. A new effect of the node needs a
// case in world.perform, a new verb in Runtime.Do.
package sim
