// Package runtime is the contract between the runner and whatever hosts the nodes of one testnet: a simulator, a
// container engine, a fake. The runner knows no more of a host than this; what only some hosts can do is a small
// optional interface, found by assertion. The conformance suite in runtimetest is the contract in executable form.
package runtime
