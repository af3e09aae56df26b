// Package faults is the vocabulary of failures that netsplit injects. It decides what should be true at which time; it
// does not make it true: packages shape and agent do that in a kernel, and the simulator in its own network. It imports
// nothing else of netsplit.
//
// The files:
//   - fault.go: Fault (one kind of failure with its parameters), Net (the testnet it is resolved on) and Effect (what it
//     does to links and nodes).
//   - One file per fault: latency.go, partition_halves.go ...; kill, stop, pause, resume and restart are in
//     node_fault.go. A new fault is a new file that implements Fault; scenario files decode it in
//     testnets/scenario/decode.go.
//   - select.go: Select, which chooses nodes by name, by role or at random; nearest.go: "did you mean" for names.
//   - schedule.go: Plan turns scheduled faults into Planned ones, refuses contradictions, and Steps orders what happens.
//   - links.go: Links, the complete desired state of every directed link, how overlapping faults add up (Compose), and
//     what appliers report (Applied, Traffic, Measurement). An applier makes Links true: the agent or the simulator.
//   - matrix.go: Matrix answers lookups in a Links of thousands of nodes; Affected lists or samples the changed links.
package faults
