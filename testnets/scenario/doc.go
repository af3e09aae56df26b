// Package scenario is the scenario file. A Spec is configuration, not runtime state: nothing in it runs.
//
//	spec.go      the types, whose tags are the grammar: a new key begins here
//	decode.go    Parse, and the decoders of topology, faults and expectations; a new fault gets its keys here
//	validate.go  rules about more than one key; PlanFaults resolves the schedule
//	nodes.go     the nodes of a spec; Place puts a scenario on nodes that run already
//	scale.go     Scale changes the number of nodes
//	topology.go  the edges of each topology
package scenario
