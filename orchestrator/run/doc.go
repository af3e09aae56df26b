// Package run runs scenarios: it brings a testnet up on a runtime, carries out the schedule of load and faults,
// records everything that happens, lets the testnet settle and takes it down. It does not judge: that is done from the
// recorded trace alone (package invariant), in the same way right after a run and years later.
//
// The runner reads time only through the runtime's Clock and knows a runtime and a chain only by their interfaces, so
// the identical code drives containers in real time and a simulator in virtual time.
package run
