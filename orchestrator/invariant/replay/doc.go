// Package replay applies the events of a trace, one by one, and says what they mean together at each moment: the tree of
// blocks, the nodes' states and chains, who can reach whom, which faults hold, and what the trace does not show. It judges
// nothing; package invariant does.
//
// Play calls a function with the State after every event. All that State exports is read-only for that function.
//
//   - State (state.go) applies an event to the parts below; nothing else changes them. Current is what the event did.
//   - BlockTree (blocks.go) is every block; it knows no nodes beyond their numbers.
//   - Nodes (nodes.go) is the state, chain and reports of every node.
//   - Facts (facts.go) is what the chain promises and how its nodes are observed.
//   - Topology (topology.go) computes connected components under given cuts; it holds no state of the run.
//   - Faults (faults.go) is every fault window and the cuts that hold; Partition (partition.go) is what a cut did to the chain.
//   - Connectivity (connectivity.go) is the components now, and the nodes that have reconciled since a separation.
//   - Recoveries (recoveries.go) follows reconnected nodes until they share one chain.
//   - gaps (gaps.go) is what the trace says to be missing of nodes' reports.
//   - Clocks (clocks.go) is what is known of the nodes' clocks.
//   - Machine (machine.go) is how punctual the machine was.
//   - integrity (integrity.go) finds what the trace lacks of its plan, and statements about nodes that cannot all be true;
//     recentBlocks (recent.go) is what it knows of the latest blocks.
//   - unobserved (unobserved.go) finds nodes that reported nothing while others did.
package replay
