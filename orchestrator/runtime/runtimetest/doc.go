// Package runtimetest is the contract of runtime.Runtime as a conformance suite: every runtime passes it with real nodes,
// in virtual or real time. It waits for conditions by the runtime's own clock and uses no chain implementation.
//
// suite.go is the entry, Run. lifecycle.go checks actions on nodes, failed starts and Close; links.go checks
// runtime.LinkShaper. testnet.go holds the testnet under test with its sink and waits, network.go the configuration of its
// nodes. A new method of the contract gets its checks here first.
package runtimetest
